"""An S3 bucket (or a prefix of one) as a `Store`, on boto3.

Conditional puts decide races (`If-None-Match: *`). No S3-compatible server tried verifies a SHA-256, so callers compare
digests of what they read back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labelaudit.errors import StorageUnavailable
from labelaudit.store import scratch

_MISSING = ("404", "NoSuchKey", "NotFound")
_TAKEN = ("412", "PreconditionFailed", "409", "ConditionalRequestConflict")


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
        with _answered(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix
            )
            return sorted(
                entry["Key"].removeprefix(self.prefix) for page in pages for entry in page.get("Contents", ())
            )

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
        from botocore.exceptions import ClientError

        with _answered(key):
            try:
                self._client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=content, IfNoneMatch="*")
            except ClientError as error:
                if error.response["Error"]["Code"] in _TAKEN:
                    return False
                raise
            return True

    def upload(self, path: Path, key: str) -> None:
        with _answered(key):
            self._client.upload_file(str(path), self.bucket, self.prefix + key)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        with scratch() as folder:
            path = folder / key.rsplit("/", 1)[-1]
            with _answered(key):
                self._client.download_file(self.bucket, self.prefix + key, str(path))
            yield path

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
        elif found := self._session.get_credentials():
            frozen = found.get_frozen_credentials()
            options["AWS_ACCESS_KEY_ID"], options["AWS_SECRET_ACCESS_KEY"] = frozen.access_key, frozen.secret_key
            if frozen.token:
                options["AWS_SESSION_TOKEN"] = frozen.token
        return options

    def _head(self, key: str) -> dict[str, Any]:
        with _answered(key):
            return self._client.head_object(Bucket=self.bucket, Key=self.prefix + key)


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
        raise StorageUnavailable(f"the object store refused {key!r}: {error}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise StorageUnavailable(f"the object store did not answer for {key!r}: {error}") from error
