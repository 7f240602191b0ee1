"""What it costs that processes join one write: against the same number of threads, and what claims and notes take.

Chunks are those by default, and once of 8 MiB: four of level 2 need more than a unit has then, so level 1 is decoded
for the levels below it. Claims and notes are timed in one thread, whose units are of 64 MiB. The disk is let write what
waits between the turns: else one way pays for what another has left.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from .data import brick_shape, data_file
from .fleet import HERE, claim_pages
from .options import Settings, measuring
from .table import Row, Table

TITLE = "join"
COUNTS = (1, 2, 4, 8)  # processes that join

# Each line is a write; told of it are its seconds, the units done here and planned, the seconds of claims and notes.
WRITE = """
import json, sys, time, threading, numpy as np
from ome_ngff import config, write_image
from ome_ngff.engine import sharing
from ome_ngff.store.claims import Claim, Claims
from ome_ngff.store.holder import Holder

pixels = np.load(sys.argv[1], mmap_mode="r")[0]
told, turn = {"units": 0, "planned": 0, "claims": 0.0}, threading.Lock()

def counted(run):
    def unit(job, *rest, **how):
        with turn:
            told["units"] += 1
            told["planned"] = job.plan.units
        return run(job, *rest, **how)
    return unit

def timed(kind, name):
    call = getattr(kind, name)
    def again(*args, **words):
        begin = time.perf_counter()
        try:
            return call(*args, **words)
        finally:
            with turn:
                told["claims"] += time.perf_counter() - begin
    setattr(kind, name, again)

sharing.run_unit = counted(sharing.run_unit)
timed(Claims, "take"), timed(Claim, "release"), timed(Holder, "note"), timed(sharing._Share, "_is_left")
print("ready", flush=True)
for line in sys.stdin:
    words = json.loads(line)
    config.workers = words.pop("workers")
    told.update(units=0, planned=0, claims=0.0)
    begin = time.perf_counter()
    words = {"axes": "zyx", "scale_factors": [2, 4, 8], "method": "local_mean", **words}
    write_image(pixels, words.pop("to"), **words)
    print(json.dumps({"seconds": time.perf_counter() - begin, **told}), flush=True)
"""


def ask(asked: Sequence[subprocess.Popen[str]], **words: Any) -> list[dict[str, float]]:
    """Let processes make the same write at the same time; return what each tells of it."""
    for worker in asked:
        print(json.dumps(words), file=worker.stdin, flush=True)
    return [json.loads(worker.stdout.readline()) for worker in asked if worker.stdout is not None]


def measure(settings: Settings, folder: Path) -> dict[str, list[list[dict[str, float]]]]:
    """Return what is told of each way in each round, in turns."""
    pixels = data_file("volume", settings.size, settings.fleet.cache)
    brick = brick_shape(settings.size)
    slow, *fast = brick
    ways: dict[str, tuple[int, dict[str, Any]]] = {
        "threads": (1, {"workers": 2}),
        "threads, bricks": (1, {"workers": 2, "chunks": brick}),
        "2, bricks": (2, {"workers": 1, "chunks": brick, "join": True}),
        "claims": (1, {"workers": 1, "chunks": (2 * slow, *fast), "join": True}),
        **{str(n): (n, {"workers": 2 if n == 1 else 1, "join": True}) for n in COUNTS},
    }
    found: dict[str, list[list[dict[str, float]]]] = {way: [] for way in ways}
    with ExitStack() as stack:
        command = [sys.executable, "-W", "ignore", "-c", WRITE, str(pixels)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        workers = [stack.enter_context(subprocess.Popen(command, env=environment, **pipes)) for _ in range(max(COUNTS))]
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()
            ask([worker], to=f"{folder}/warm", workers=1)
            shutil.rmtree(folder / "warm")
        for turn in range(settings.rounds + 1):
            click.echo(f"{TITLE}: {f'round {turn} of {settings.rounds}' if turn else 'warming up'}", err=True)
            for way in sorted(ways, reverse=turn % 2 == 1):
                count, words = ways[way]
                claim_pages(folder, pixels.stat().st_size)
                os.sync() if hasattr(os, "sync") else None
                told = ask(workers[:count], to=f"{folder}/image", **words)
                shutil.rmtree(folder / "image")
                if turn:
                    found[way].append(told)
    return found


def tables(settings: Settings) -> list[Table]:
    """Time processes that join one write against threads, count their units, and time their claims and notes."""
    if not settings.wants(TITLE):
        return []
    with tempfile.TemporaryDirectory(dir=settings.fleet.scratch) as folder:
        found = measure(settings, Path(folder))

    def seconds(way: str) -> float:
        return statistics.median(max(each["seconds"] for each in told) for told in found[way])

    two = f"{TITLE}, two processes of one thread to one of two"
    rows = [
        Row(two, seconds("2"), "s", seconds("threads"), at_most=(1.1,)),
        Row(f"{two}, chunks of 8 MiB", seconds("2, bricks"), "s", seconds("threads, bricks")),
        Row(f"{TITLE}, one process of two threads to the same alone", seconds("1"), "s", seconds("threads")),
    ]
    for count in COUNTS:
        told = [each for round in found[str(count)] for each in round]
        units, planned = sum(each["units"] for each in told), max(each["planned"] for each in told)
        rows.append(
            Row(
                f"{TITLE}, units of {count} processes to those of the plan",
                units, "", planned * settings.rounds, at_most=(1.02,),
            )
        )  # fmt: skip
    alone = [told[0] for told in found["claims"]]
    claims, whole = (statistics.median(each[name] for each in alone) for name in ("claims", "seconds"))
    rows.append(Row(f"{TITLE}, claims and notes to the whole, units of 64 MiB", claims, "s", whole, at_most=(0.01,)))
    return [Table.of("Processes that join one write", rows)]


main = measuring(tables)
