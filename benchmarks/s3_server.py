"""A moto server as its own process on a free port of the loopback interface, with buckets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.processes import listens, wait
from labelaudit_airflow.local import free_port

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}


@contextmanager
def s3_server(*buckets: str) -> Iterator[dict[str, str]]:
    """Gives the environment that leads boto3 and deltalake to the server."""
    import boto3

    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    environment = CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            client = boto3.client(
                "s3",
                endpoint_url=endpoint,
                region_name="us-east-1",
                aws_access_key_id="testing",
                aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            )
            wait(lambda: listens(port), "the S3 server", process)
            for bucket in buckets:
                client.create_bucket(Bucket=bucket)
            yield environment
        finally:
            process.terminate()
