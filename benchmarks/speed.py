"""How long writes take: ours, the codec alone, and the peers, in turns."""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from .cases import CASES, Case, Run
from .data import data_file
from .fleet import OURS, Failed, Worker, claim_pages
from .options import Settings, measuring
from .table import Row, Table

Results = dict[Run, list[dict[str, Any]]]


def measure(settings: Settings, cases: Sequence[Case]) -> Results:
    """Run every run of the cases once to warm up and then in rounds, each data set in workers of its own."""
    runs: dict[str, list[Run]] = defaultdict(list)
    for case in cases:
        for run in (case.ours, case.reference):
            if run is not None and run not in runs[run.data]:
                runs[run.data].append(run)
    results: Results = {}
    for data, wanted in runs.items():
        results.update(_measure(settings, data, wanted))
    return results


def _measure(settings: Settings, data: str, runs: Sequence[Run]) -> Results:
    file = str(data_file(data, settings.size, settings.fleet.cache))
    results: Results = {}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for who in dict.fromkeys(run.who for run in runs):
            worker = stack.enter_context(settings.fleet.start(who))
            if worker is not None:
                worker.ask("load", files=[file])
                workers[who] = worker
        for turn in range(settings.rounds + 1):
            click.echo(f"{data}: {f'round {turn} of {settings.rounds}' if turn else 'warming up'}", err=True)
            mixed = random.Random(turn).sample(list(results), len(results))  # none always follows the same other
            for run in mixed if turn else runs:
                if run.who not in workers:
                    continue
                try:
                    answer = _timed(settings, workers[run.who], run, file, stack)
                except Failed as error:
                    if run.who in OURS:
                        raise
                    click.echo(f"{run.who}: {run} is left out:\n{error}", err=True)
                    results.pop(run, None)
                    continue
                if turn == 0:
                    results[run] = []
                else:
                    results[run].append(answer)
    return results


def _timed(settings: Settings, worker: Worker, run: Run, file: str, stack: ExitStack) -> dict[str, Any]:
    """Time a write for which the machine has the memory: its files and buffers lie where others lay just before."""
    job, scratch = run.job(settings.size), settings.fleet.scratch
    if run.data == "small":  # ext4 is slow to create files for a minute after many were deleted: these go in the end
        claim_pages(scratch, Path(file).stat().st_size)
        return worker.write(job, scratch, stack)
    worker.write(job, scratch)
    return worker.write(job, scratch)


def median(results: Results, run: Run) -> float:
    """Return the seconds of a run; milliseconds per image for small images, 40 of which are written."""
    each = 1000 / 40 if run.data == "small" else 1.0
    return each * float(statistics.median(answer["seconds"] for answer in results[run]))


def compare(results: Results, cases: Sequence[Case]) -> Table:
    """Make a row of every case whose runs worked."""
    rows = []
    for case in cases:
        if case.ours not in results or (case.reference is not None and case.reference not in results):
            continue
        reference = None if case.reference is None else median(results, case.reference)
        peer = case.reference is not None and case.reference.who != "floor"
        unit = "ms" if case.ours.data == "small" else "s"
        ours = median(results, case.ours)
        rows.append(Row(case.title, ours, unit, reference, case.at_most, case.times, peer))
    return Table.of("Speed of writes", rows)


def details(results: Results) -> Table:
    """Show every run: times, and what it left on the disk."""
    rows = []
    for run, answers in results.items():
        seconds = sorted(answer["seconds"] for answer in answers)
        spread = f"{seconds[0]:.2f} - {seconds[-1]:.2f}"
        last = answers[-1]
        middle = f"{statistics.median(seconds):.2f}"
        files, mib = ("", "") if run.who == "floor" else (str(last["files"]), f"{last['mib']:.0f}")
        rows.append((run.data, run.who, str(run), middle, spread, files, mib))
    return Table("All runs", ("data", "who", "settings", "seconds", "range", "files", "MiB"), rows)


def tables(settings: Settings) -> list[Table]:
    """Time writes: against the codec alone, and against the peers."""
    cases = [case for case in CASES if settings.wants(case.title)]
    if not cases:
        return []
    results = measure(settings, cases)
    return [compare(results, cases), details(results)]


main = measuring(tables)
