"""Rows of results, with their targets, as Markdown tables that a terminal shows well, too."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

PACKAGES = ("ome-ngff", "numpy", "zarr", "zarrs", "numba", "dask", "numcodecs")


@attrs.frozen
class Row:
    """Compare a number of ours, the smaller the better, with a reference or a limit.

    Attributes:
        case: what was measured. ours: the number, in `unit`. reference: the other number, where there is one.
        at_most: the target for ours / reference, or for ours where there is no reference; a second one is wished for.
        times: the target for reference / ours, which is the ratio shown where the reference is a peer's.
        peer: whether it is.
    """

    case: str
    ours: float
    unit: str = "s"
    reference: float | None = None
    at_most: tuple[float, ...] = ()
    times: float | None = None
    peer: bool = False

    def cells(self) -> tuple[str, ...]:
        unit = f" {self.unit}"
        measured = self.ours if self.reference is None else self.ours / self.reference
        limits = self.at_most if self.times is None else (1 / self.times,)
        wanted = ", then ".join(f"{limit:g}" for limit in limits)
        if self.reference is None:
            there, ratio = "", ""
            target = f"<= {wanted}{unit}" if limits else ""
        else:
            there = _short(self.reference) + unit
            ratio = f"{1 / measured:.1f}x" if self.peer else f"{measured:.2f}"
            target = f">= {self.times:g}x" if self.times else f"<= {wanted}" if limits else ""
        missed = [limit for limit in limits if measured > limit]
        met = "" if not limits else "yes" if not missed else "no" if len(missed) == len(limits) else "the first"
        return self.case, _short(self.ours) + unit, there, ratio, target, met


@attrs.frozen
class Table:
    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    @classmethod
    def of(cls, title: str, rows: Iterable[Row]) -> Table:
        return cls(title, ("case", "ours", "reference", "ratio", "target", "met"), [row.cells() for row in rows])

    def __str__(self) -> str:
        lines = [self.heads, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.heads))]
        text = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines]
        rule = "|" + "|".join("-" * (w + 2) for w in widths) + "|"
        return "\n".join([f"**{self.title}**", "", text[0], rule, *text[1:]])


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def surroundings(peers: Iterable[str]) -> str:
    """Describe the machine and the versions, in two lines."""
    try:
        cpu = Path("/proc/cpuinfo").read_text().split("model name")[1].split(":", 1)[1].split("\n")[0].strip()
        memory = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0]) / 2**20
        machine = f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB"
    except (OSError, IndexError):
        machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    return (
        f"{machine}; {platform.system()} {platform.release()}; Python {platform.python_version()}.\n"
        f"{', '.join([*versions, *sorted(peers)])}."
    )
