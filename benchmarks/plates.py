"""Plates: seconds of processor time for wells of a few fields, beside libraries that write plates; and four at once.

What four processes at once take longer than one may be the machine's (caches, start of threads) or due to the plate
that they share: the same four, each with a plate of its own, tell one from the other.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import numpy as np

from .data import blobs
from .fleet import Failed, Worker
from .options import Settings, measuring
from .table import Row, Table

TITLE = "a plate"
PEERS = {"yaozarrs": 0.75, "ngff-zarr": 0.22, "ngio": 0.22}  # seconds of ours for each of theirs, at most
TOGETHER = 1.1  # of four processes, for each of one
WELLS = {"full": (8, 12), "small": (4, 6), "tiny": (2, 3)}
FIELDS, LENGTH, PROCESSES = 2, 1080, 4


def tables(settings: Settings) -> list[Table]:
    """Write the same plate with each library, in turns, and with four processes of ours at once."""
    if not settings.wants(TITLE):
        return []
    rows, columns = WELLS[settings.size]
    wells = [[row, str(column + 1)] for row in "ABCDEFGH"[:rows] for column in range(columns)]
    places = [[*well, str(field)] for well in wells for field in range(FIELDS)]
    seconds: dict[str, list[float]] = {}
    with ExitStack() as stack:
        file = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=settings.fleet.scratch))) / "field.npy"
        np.save(file, blobs((1, LENGTH, LENGTH)))
        ours = [stack.enter_context(settings.fleet.start("ours")) for _ in range(PROCESSES)]
        started = {peer: stack.enter_context(settings.fleet.start(peer)) for peer in PEERS}
        peers = {peer: [worker] for peer, worker in started.items() if worker is not None}
        for workers in (ours, *peers.values()):
            for worker in workers:
                worker.ask("load", files=[str(file)])
        runs: dict[str, list[Any]] = {"ours": ours[:1], "together": ours, "apart": ours, **peers}
        for turn in range(settings.rounds + 1):
            for name, workers in runs.items():
                some = places if turn else places[: FIELDS * PROCESSES]  # the first turn warms up
                to = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=settings.fleet.scratch)))
                found = written(to, workers, some, apart=name == "apart")
                seconds.setdefault(name, []).extend([found] * bool(turn))
                click.echo(f"round {turn} of {settings.rounds}, {name}: {found:.2f} s", err=True)
    median = {name: statistics.median(found) for name, found in seconds.items()}
    what = f"{TITLE} of {len(wells)} wells x {FIELDS} fields"
    compared = [Row(f"{what}, to {peer}", median["ours"], "s", median[peer], at_most=(PEERS[peer],)) for peer in peers]
    joint = Row(f"{what}, {PROCESSES} processes to one", median["together"], "s", median["ours"], at_most=(TOGETHER,))
    four = f"{what}, {PROCESSES} processes on one plate to {PROCESSES} on one each"
    shared = Row(four, median["together"], "s", median["apart"])
    return [Table.of("Seconds of processor time for plates of three levels", [*compared, joint, shared])]


def written(to: Path, workers: list[Worker], places: list[list[str]], *, apart: bool = False) -> float:
    """Let workers write a plate together, or a plate each, into a folder, and return their seconds of processor time.

    What was written before stays until the end: ext4 goes through every inode that was deleted in the last seconds
    whenever it makes a new one, so that whoever came after a plate that was removed paid for it, up to double.

    Raises:
        Failed: a field is not listed in the end.
    """
    from ome_ngff import open_plate

    os.sync()
    with ThreadPoolExecutor(len(workers)) as pool:
        plates = [f"{to}/{part if apart else 'plate'}.ome.zarr" for part in range(len(workers))]
        parts = [places[part :: len(workers)] for part in range(len(workers))]
        answers = list(
            pool.map(lambda worker, plate, part: worker.ask("plate", to=plate, places=part), workers, plates, parts)
        )
        listed = sum(len(fields) for plate in {*plates} for fields in open_plate(plate).fields.values())
        if listed != len(places):
            raise Failed(f"{listed} of {len(places)} fields are listed")
        return float(sum(answer["cpu"] for answer in answers))


main = measuring(tables)
