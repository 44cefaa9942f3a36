"""What docker-compose.yaml needs once before its services start, and the secrets that they start with.

    python -m labelaudit_airflow.scaled_out            database, password file, bucket: the service `init`
    python -m labelaudit_airflow.scaled_out secrets    writes .env from .env.example (`make secrets`)

Safe to run again: nothing that is there is changed, but the database, which is brought up to date.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

SECRETS = ("_KEY", "_SECRET", "_PASSWORD")
"""How the names end of what `make secrets` makes; what else is empty stays so."""


def main() -> None:
    write_passwords(
        Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]), os.environ["AIRFLOW_ADMIN_PASSWORD"]
    )
    create_bucket(os.environ["LABELAUDIT_STORE"])
    subprocess.run(["airflow", "db", "migrate"], check=True)  # noqa: S607 - the image's own


def write_passwords(path: Path, password: str) -> None:
    """The file in which Airflow's simple auth manager looks up who may log in; readable to its user only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"admin": password}, file)


def create_bucket(store: str) -> None:
    """The store's bucket, on a service of our own; one that is there stays as it is."""
    import boto3
    from botocore.exceptions import ClientError

    client, bucket = boto3.client("s3"), urlsplit(store).netloc
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        client.create_bucket(Bucket=bucket)


def write_secrets(example: Path, target: Path) -> None:
    """Every empty secret of `example` with one of its own. Refuses to write over secrets that are in use."""
    if target.exists():
        raise SystemExit(f"{target} is there already; services may run with its secrets. Remove it first.")
    lines = []
    for line in example.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not value and name.endswith(SECRETS):
            made = secrets.token_bytes(32)
            line += base64.urlsafe_b64encode(made).decode() if name == "FERNET_KEY" else made.hex()
        lines.append(line)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    write_secrets(Path(".env.example"), Path(".env")) if sys.argv[1:] == ["secrets"] else main()
