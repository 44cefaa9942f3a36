"""An S3 bucket (or a prefix of one) as a `Store`, on boto3.

Conditional puts decide races (`If-None-Match: *`); each carries a token of its own, so that a refusal after a lost
reply can be told from a lost race. No S3-compatible server tried verifies a SHA-256, so callers compare digests of what
they read back.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from labelaudit.errors import AccessDenied, StorageUnavailable
from labelaudit.storage.files import scratch, sha256_of
from labelaudit.storage.store import Entry

PUTS = 5
"""How often a conditional put is tried that others are in the way of (409), or that got no answer."""

_MISSING = ("404", "NoSuchKey", "NotFound")
_DENIED = ("403", "AccessDenied", "Forbidden")
_TAKEN = ("412", "PreconditionFailed", "409", "ConditionalRequestConflict")
_TOKEN = "labelaudit-put"  # noqa: S105 - a name


class S3Store:
    def __init__(self, bucket: str, prefix: str, credentials: dict[str, Any]):
        import boto3
        from botocore.config import Config

        self._credentials = dict(credentials)
        arguments = {name: value for name, value in credentials.items() if value}
        self._session = boto3.session.Session(
            profile_name=arguments.pop("profile_name", None), region_name=arguments.pop("region_name", None)
        )
        region = self._session.region_name or "us-east-1"
        config = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=10, read_timeout=60)
        self._client = self._session.client("s3", region_name=region, config=config, **arguments)
        self._arguments, self._region = arguments, region
        self.bucket, self.prefix = bucket, f"{prefix}/" if prefix else ""
        self.uri = f"s3://{bucket}/{prefix}".rstrip("/")

    def list(self, prefix: str) -> list[str]:
        return list(self.entries(prefix))

    def entries(self, prefix: str) -> dict[str, Entry]:
        with _answered(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix
            )
            entries = {
                listed["Key"].removeprefix(self.prefix): Entry(
                    bytes=listed["Size"],
                    modified=listed["LastModified"].timestamp(),
                    version=f"{listed['LastModified'].timestamp()}-{listed['ETag']}",
                )
                for page in pages
                for listed in page.get("Contents", ())
            }
        return dict(sorted(entries.items()))

    def folders(self, prefix: str) -> list[str]:
        with _answered(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix, Delimiter="/"
            )
            return sorted(
                entry["Prefix"].removeprefix(self.prefix + prefix).rstrip("/")
                for page in pages
                for entry in page.get("CommonPrefixes", ())
            )

    def read(self, key: str) -> bytes:
        with _answered(key):
            return self._client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read()

    def write(self, key: str, content: bytes) -> None:
        with _answered(key):
            self._client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=content)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        token = uuid.uuid4().hex
        put = {"Bucket": self.bucket, "Key": self.prefix + key, "Body": content, "IfNoneMatch": "*"}
        failed: Exception | None = None
        for _ in range(PUTS):
            with _answered(key):
                try:
                    self._client.put_object(**put, Metadata={_TOKEN: token})
                    return True
                except ClientError as error:
                    if error.response["Error"]["Code"] not in _TAKEN and _status(error) < 500:
                        raise
                    failed = error
                except BotoCoreError as error:  # no answer, after all of boto3's tries: it may have been written
                    failed = error
            try:
                return self._head(key)["Metadata"].get(_TOKEN) == token
            except KeyError:  # whoever was in the way has failed, or it never arrived
                continue
        raise StorageUnavailable(f"the object store took no decision about {key!r}: {failed}") from failed

    def write_if(self, key: str, content: bytes, version: str) -> bool:
        from botocore.exceptions import ClientError

        etag = version.split("-", 1)[1]
        try:
            with _answered(key):
                try:
                    self._client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=content, IfMatch=etag)
                except ClientError as error:
                    if error.response["Error"]["Code"] in _TAKEN:  # also after a reply that was lost
                        return False
                    raise
        except KeyError:
            return False
        return True

    def upload(self, path: Path, key: str) -> None:
        with _answered(key):
            self._client.upload_file(str(path), self.bucket, self.prefix + key)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        with scratch() as folder:
            path = folder / "object"  # a key's last part may be longer than a file's name
            self.download(key, path)
            yield path

    def download(self, key: str, path: Path) -> None:
        with _answered(key):
            self._client.download_file(self.bucket, self.prefix + key, str(path))

    def sha256(self, key: str) -> str:
        with self.local(key) as path:
            return sha256_of(path)

    def exists(self, key: str) -> bool:
        try:
            self._head(key)
        except KeyError:
            return False
        return True

    def size(self, key: str) -> int:
        return self._head(key)["ContentLength"]

    def modified(self, key: str) -> float:
        return self._head(key)["LastModified"].timestamp()

    def delete(self, key: str) -> None:
        with _answered(key):
            self._client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    def keep_private(self, prefix: str) -> None:
        """Nothing to do: who may read a bucket is said by its policy."""

    def uri_of(self, key: str) -> str:
        return f"{self.uri}/{key}"

    def below(self, prefix: str) -> S3Store:
        return S3Store(self.bucket, (self.prefix + prefix).strip("/"), self._credentials)

    def clock(self) -> float:
        with _answered(self.prefix):
            answer = self._client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, MaxKeys=1)
        said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if said is None:
            raise StorageUnavailable("the object store does not say what time it is: its answers have no `Date`")
        return parsedate_to_datetime(said).timestamp()

    def table_options(self) -> dict[str, str]:
        """What deltalake needs; it does not read boto3's profiles, so the credentials are resolved here."""
        options = {"AWS_REGION": self._region, "aws_conditional_put": "etag"}
        endpoint = self._client.meta.endpoint_url
        if "amazonaws.com" not in endpoint:
            options["AWS_ENDPOINT_URL"] = endpoint
            options["AWS_ALLOW_HTTP"] = str(endpoint.startswith("http://")).lower()
        keys = self._arguments.get("aws_access_key_id")
        if keys:
            options["AWS_ACCESS_KEY_ID"] = keys
            options["AWS_SECRET_ACCESS_KEY"] = self._arguments["aws_secret_access_key"]
            if token := self._arguments.get("aws_session_token"):
                options["AWS_SESSION_TOKEN"] = token
        elif credentials := self._session.get_credentials():
            frozen = credentials.get_frozen_credentials()
            options["AWS_ACCESS_KEY_ID"], options["AWS_SECRET_ACCESS_KEY"] = frozen.access_key, frozen.secret_key
            if frozen.token:
                options["AWS_SESSION_TOKEN"] = frozen.token
        return options

    def _head(self, key: str) -> dict[str, Any]:
        with _answered(key):
            return self._client.head_object(Bucket=self.bucket, Key=self.prefix + key)


def _status(error: Any) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


@contextmanager
def _answered(key: str) -> Iterator[None]:
    """boto3's errors as ours: a missing key is KeyError, all else may be tried again."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            raise KeyError(key) from error
        if error.response["Error"]["Code"] in _DENIED:
            raise AccessDenied(f"the object store does not let us at {key!r}: {error}") from error
        raise StorageUnavailable(f"the object store refused {key!r}: {error}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise StorageUnavailable(f"the object store did not answer for {key!r}: {error}") from error
