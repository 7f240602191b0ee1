"""Frames as they come from a camera: processor time, throughput, latency and memory, ours and the peer's in turns."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from .camera import LEVELS, SIDE
from .options import Settings, measuring
from .table import Row, Table

TITLE = "stream frames"
FRAMES = {"small": 24, "full": 96}
PACED = 40.0  # milliseconds between two frames: the queue has room
HERE = Path(__file__).parent
OURS = ("ours", "whole", "uncompressed")


def streamed(settings: Settings, who: str, frames: int, folder: str, pause: float = 0.0) -> dict[str, Any] | None:
    """Let a process of its own stream frames into a folder; None where it cannot."""
    python = sys.executable if who in OURS else settings.fleet.peers
    if python is None:
        return None
    environment = {**os.environ, **({"PYTHONPATH": str(HERE.parent)} if who in OURS else {})}
    done = subprocess.run(
        [python, "-W", "ignore", "-P", str(HERE / "camera.py"), who, folder, str(frames), str(pause)],
        stdout=subprocess.PIPE, text=True, env=environment, check=False,
    )  # fmt: skip
    if done.returncode:
        click.echo(f"{who} could not stream", err=True)
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def copied(frames: int, folder: str) -> dict[str, Any] | None:
    """Let `dd` write as many bytes as a stream stores of frames, and sync them; None where there is none."""
    if shutil.which("dd") is None:
        return None
    pixels = sum((SIDE >> level) ** 2 for level in range(LEVELS))
    size = ["bs=1M", f"count={frames * pixels * 2 >> 20}", "conv=fsync"]
    start = time.perf_counter()
    subprocess.run(["dd", "if=/dev/zero", f"of={folder}/frames", *size], stderr=subprocess.DEVNULL, check=True)
    return {"seconds": time.perf_counter() - start}


def tables(settings: Settings) -> list[Table]:
    """Stream as fast as frames are taken, ours and the peer's in turns; then ours at the pace of a camera.

    What was written before stays until the end: see `plates.written`.
    """
    if not settings.wants(TITLE):
        return []
    frames = FRAMES.get(settings.size, FRAMES["full"])
    found: dict[str, list[dict[str, Any]]] = {}
    with ExitStack() as stack:

        def folder() -> str:
            os.sync()
            return stack.enter_context(tempfile.TemporaryDirectory(dir=settings.fleet.scratch))

        for _ in range(settings.rounds):
            for who in ("ours", "acquire-zarr", "acquire-zarr, level 0", "whole", "uncompressed", "dd"):
                answer = copied(frames, folder()) if who == "dd" else streamed(settings, who, frames, folder())
                if answer is not None:
                    found.setdefault(who, []).append(answer)
        paced = streamed(settings, "ours", frames // 2, folder(), PACED)
    assert paced is not None

    def median(who: str, what: str) -> float:
        return float(statistics.median(answer[what] for answer in found[who]))

    rows = []
    for who, limit in (("acquire-zarr", 0.65), ("acquire-zarr, level 0", 1.0), ("whole", None)):
        if who in found:
            limits = () if limit is None else (limit,)
            rows.append(Row(f"{TITLE}: CPU, of {who}", median("ours", "cpu"), "s", median(who, "cpu"), limits))
            rows.append(Row(f"{TITLE}: all, of {who}", median("ours", "seconds"), "s", median(who, "seconds")))
    if "dd" in found:
        seconds = (median("uncompressed", "synced"), "s", median("dd", "seconds"))
        rows.append(Row(f"{TITLE}: all, uncompressed and synced, of dd", *seconds, (1 / 0.8,)))
    rate = frames * SIDE * SIDE * 2 / 1e6
    rows += [
        Row(f"{TITLE}: MB/s", rate / median("ours", "seconds"), "MB/s"),
        Row(f"{TITLE}: MB/s, uncompressed", rate / median("uncompressed", "seconds"), "MB/s"),
        Row(f"{TITLE}: latency of append, 99 %", paced["p99"], "ms", at_most=(5 + 4,)),
        Row(f"{TITLE}: peak memory", median("ours", "peak"), "MiB", at_most=(300 + 256,)),
    ]
    return [Table.of(f"Streams, {frames} frames of {SIDE} x {SIDE} in three levels", rows)]


main = measuring(tables)
