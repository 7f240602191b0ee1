"""A server of S3 for each test, in one process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import boto3
import pytest

KEYS = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


@attrs.frozen
class Server:
    """A server with a bucket `cells`; see `server.py`."""

    url: str
    folder: Path

    @property
    def bucket(self) -> Any:
        """The bucket, through boto3."""
        return boto3.resource("s3", endpoint_url=self.url).Bucket("cells")

    def keys(self, prefix: str = "") -> dict[str, bytes]:
        """Return all objects below a prefix, without it."""
        return {o.key.removeprefix(prefix): o.get()["Body"].read() for o in self.bucket.objects.filter(Prefix=prefix)}

    def fail(self, **faults: Any) -> None:
        """Let the server have faults from now on."""
        (self.folder / "faults.new").write_text(json.dumps(faults))
        (self.folder / "faults.new").rename(self.folder / "faults.json")

    def forget(self) -> None:
        """Count from here."""
        (self.folder / "requests").write_text("")

    def requests(self) -> list[list[Any]]:
        """Return (method, path, query, range, status, bytes) of each request since."""
        return [json.loads(line) for line in (self.folder / "requests").read_text().splitlines()]

    def counts(self, part: str = "") -> Counter[str]:
        """Count requests of paths that contain a part by their kind."""
        kinds = (("LIST" if "list-type" in query else method, path) for method, path, query, *_ in self.requests())
        return Counter(kind for kind, path in kinds if part in path)


@pytest.fixture(scope="session")
def servers() -> Iterator[subprocess.Popen[str]]:
    """Run the process that has the servers; it takes seconds to start."""
    command = [sys.executable, str(Path(__file__).with_name("server.py"))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def server(servers: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Run a server at an address of its own, to which the environment has the keys."""
    folder = tmp_path / "server"
    folder.mkdir()
    assert servers.stdin is not None
    print(folder, file=servers.stdin, flush=True)
    while not (folder / "address").exists():
        assert servers.poll() is None, "the server has not started"
        time.sleep(0.05)
    found = Server((folder / "address").read_text(), folder)
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": found.url}.items():
        monkeypatch.setenv(name, value)
    found.bucket.create()
    found.forget()
    return found
