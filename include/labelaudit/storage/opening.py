"""Opens a store by its URI: a local folder or an S3 bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from labelaudit.errors import InvalidInput
from labelaudit.storage.store import Store


def open_store(uri: str, credentials: dict[str, Any] | None = None) -> Store:
    """Open `file:///folder` or `s3://bucket[/prefix]`.

    `credentials` (S3 only) are arguments of `boto3.client`: aws_access_key_id, aws_secret_access_key,
    aws_session_token, region_name, endpoint_url, and profile_name. What is left out comes from boto3's own chain.
    """
    parts = urlsplit(uri)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return _folder(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        from labelaudit.storage.s3 import S3Store

        return S3Store(parts.netloc, parts.path.strip("/"), credentials or {})
    if not parts.scheme and uri:
        return _folder(Path(uri).resolve())
    raise InvalidInput(f"not a store: {uri!r}; use file:///folder or s3://bucket/prefix")


def _folder(root: Path) -> Store:
    from labelaudit.storage.folder import FolderStore

    return FolderStore(root)
