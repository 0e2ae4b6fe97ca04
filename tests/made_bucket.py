"""A bucket on a server of S3 that runs here: moto's, filled by boto3."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

KEYS = {"AWS_ACCESS_KEY_ID": "made", "AWS_SECRET_ACCESS_KEY": "up"}
OTHERS = ("AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_PROFILE")


@dataclass(frozen=True)
class Bucket:
    """A bucket's name, the server's address, and boto3's own client to look behind what is tested."""

    name: str
    endpoint: str
    client: Any

    def put(self, **contents: bytes) -> None:
        """Write objects; in their keys, `__` stands for a slash and `_dot_` for a dot."""
        for key, content in contents.items():
            self.client.put_object(Bucket=self.name, Key=key.replace("__", "/").replace("_dot_", "."), Body=content)


@contextmanager
def bucket_server() -> Iterator[str]:
    """Run a server on a free port; give its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


@contextmanager
def made_bucket(name: str = "films") -> Iterator[Bucket]:
    """Run a server with one bucket, and let the environment lead to it."""
    with bucket_server() as endpoint, pytest.MonkeyPatch.context() as patch:
        for variable in OTHERS:
            patch.delenv(variable, raising=False)
        for variable, value in {**KEYS, "AWS_ENDPOINT_URL": endpoint, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}.items():
            patch.setenv(variable, value)
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=name)
        yield Bucket(name, endpoint, client)
        client.close()
