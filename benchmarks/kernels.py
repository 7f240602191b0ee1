"""How fast a core downsamples, as a ratio to copying the same block; and how long the first call takes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import click
import numpy as np

from ome_ngff.methods import Methods, Span, find_method

from .data import blobs, segmentation

SHAPE = (128, 512, 512)

# method, dtype -> the ratio to a copy that we ask for
TARGETS = {
    ("local_mean", "uint16"): 0.5,
    ("mode", "uint32"): 0.15,
    ("gaussian", "uint16"): 0.12,
    ("resize", "uint16"): 0.12,
    ("nearest", "uint16"): 1.0,
}

FIRST_CALL = """
import sys, time
begin = time.perf_counter()
import numpy as np
from ome_ngff.methods import Methods, Span
block = np.arange(8**3).reshape(8, 8, 8).astype(sys.argv[2])
before = time.perf_counter()
Methods(sys.argv[1]).method.reduce(block, [Span.whole(8, 2)] * 3)
print(time.perf_counter() - before)
"""


def seconds(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def ratios(factor: int, rounds: int, every: bool) -> None:
    """Print time and ratio of each method, on one core, the copy of the same block measured in turn with it."""
    blocks: dict[str, Any] = {"uint16": blobs(SHAPE), "uint32": segmentation(SHAPE)}
    cases = list(TARGETS)
    if every:
        blocks |= {name: blocks["uint16"].astype(name) for name in ("uint8", "uint64", "float32", "float64")}
        cases = [(m.value, name) for m in Methods if not m.method.in_memory for name in blocks]
    spans = [Span.whole(n, factor) for n in SHAPE]
    calls = {(m, d): partial(find_method(m).reduce, blocks[d], spans) for m, d in cases}
    for call in calls.values():
        call()  # compile
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {case: [] for case in cases}
    for _ in range(rounds):
        for (m, d), call in calls.items():
            taken[m, d].append((seconds(blocks[d].copy), seconds(call)))
    click.echo(f"block of {' x '.join(map(str, SHAPE))}, factor {factor} on every axis, median of {rounds} rounds")
    click.echo(f"{'method':12}{'dtype':9}{'copy ms':>9}{'ms':>9}{'copy/ms':>9}  target")
    for (m, d), pairs in taken.items():
        copy, own = (1000 * statistics.median(column) for column in zip(*pairs, strict=True))
        target = TARGETS.get((m, d)) if factor == 2 else None
        verdict = "" if target is None else f"  {target} {'met' if copy / own >= target else 'MISSED'}"
        click.echo(f"{m:12}{d:9}{copy:9.2f}{own:9.2f}{copy / own:9.3f}{verdict}")


def first_calls(rounds: int) -> None:
    """Print the seconds of the first call of each method in a new interpreter, without and with a cache."""
    click.echo(f"\nfirst call in a new interpreter, numba's import included, median of {rounds}: target < 2 s")
    click.echo(f"{'method':12}{'dtype':9}{'cold s':>9}{'cached s':>9}")
    cases = [(m.value, d) for m in Methods if not m.method.in_memory for d in ("uint16", "uint64", "float32")]
    for method, dtype in cases:
        cold: list[float] = []
        cached: list[float] = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, "-c", FIRST_CALL, method, dtype]
                environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
                for times in (cold, cached):
                    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
                    times.append(float(done.stdout))
        click.echo(f"{method:12}{dtype:9}{statistics.median(cold):9.2f}{statistics.median(cached):9.2f}")


@click.command()
@click.option("--factor", default=2, show_default=True, help="Factor on every axis.")
@click.option("--rounds", default=7, show_default=True, help="Rounds of the ratios.")
@click.option("--every", is_flag=True, help="Measure every method on six dtypes, not only what has a target.")
@click.option("--first/--no-first", default=True, help="Also time the first calls.")
def main(factor: int = 2, rounds: int = 7, every: bool = False, first: bool = True) -> None:
    """Time the kernels: one core, ratio to block.copy()."""
    click.echo(f"python {sys.version.split()[0]}, numpy {np.__version__}, {os.cpu_count()} cores")
    ratios(factor, rounds, every)
    if first:
        first_calls(3)
