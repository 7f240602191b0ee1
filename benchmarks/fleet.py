"""The processes that write, one per library, and the environment that the peers run in."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs
import click

HERE = Path(__file__).parent
OURS = ("ours", "floor")
PAGES = bytes(2**22)


class Failed(Exception):
    """What was asked of a library did not work; holds its traceback."""


class Worker:
    """Hold a process that runs worker.py for one library."""

    def __init__(self, library: str, python: str) -> None:
        environment = {**os.environ, **({"PYTHONPATH": str(HERE.parent)} if library in OURS else {})}
        self.library = library
        self.process = subprocess.Popen(
            [python, "-W", "ignore", "-P", str(HERE / "worker.py"), library],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    def ask(self, do: str, **command: Any) -> dict[str, Any]:
        """Send a command and wait for its answer.

        Raises:
            Failed: the library raised an error, or the process died.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            print(json.dumps({"do": do, **command}), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": f"exit code {self.process.wait()}"}
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def write(self, job: dict[str, Any], scratch: Path, end: ExitStack | None = None) -> dict[str, Any]:
        """Let the process write into a new directory, which is removed outside the time taken, or in the end."""
        with ExitStack() as now:
            to = (end or now).enter_context(tempfile.TemporaryDirectory(dir=scratch))
            return self.ask("write", to=to, job=job)

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def claim_pages(scratch: Path, size: int) -> None:
    """Write as many bytes to a file as a run is going to write, and remove it.

    The host of a virtual machine takes free memory back. Whoever writes next waits until the machine has got it again.
    """
    with tempfile.TemporaryFile(dir=scratch) as file:
        for _ in range(-(-size // len(PAGES))):
            file.write(PAGES)


@attrs.frozen
class Fleet:
    """Say where workers come from.

    Attributes:
        cache: the directory for data, environments and what is written. given: see `find_peers`.
        missing: peers that cannot be started here, each said once. versions: of the libraries that were started.
    """

    cache: Path
    given: str = "auto"
    missing: set[str] = attrs.field(factory=set)
    versions: dict[str, str] = attrs.field(factory=dict)

    @cached_property
    def peers(self) -> str | None:
        return find_peers(self.given, self.cache)

    @property
    def scratch(self) -> Path:
        path = self.cache / "scratch"
        path.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def start(self, library: str) -> Iterator[Worker | None]:
        """Start a worker; None where the library is not there."""
        python = sys.executable if library in OURS else self.peers
        if python is None or library in self.missing:
            yield None
            return
        worker = Worker(library, python)
        try:
            try:
                self.versions[library] = worker.ask("version")["version"]
            except Failed as error:
                if library in OURS:
                    raise
                self.missing.add(library)
                click.echo(f"{library} is left out:\n{error}", err=True)
            yield None if library in self.missing else worker
        finally:
            worker.close()


def find_peers(given: str, cache: Path) -> str | None:
    """Return the interpreter of the peers.

    Args:
        given: "none", an interpreter, or "auto": an environment in the cache directory, made from peers.txt the first
            time; where that fails (no network), there are no peers.
        cache: the cache directory.
    """
    if given != "auto":
        return None if given == "none" else given
    wanted = HERE / "peers.txt"
    name = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()[:12]
    home = cache / "peers" / name
    python = str(home / ("Scripts" if os.name == "nt" else "bin") / "python")
    if (home / "complete").exists():
        return python
    click.echo(f"installing the peers into {home}", err=True)
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, with_pip=True)
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", str(wanted)], check=False)
    if done.returncode:
        click.echo("the peers could not be installed and are left out", err=True)
        return None
    (home / "complete").touch()
    return python
