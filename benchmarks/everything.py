"""All benchmarks, one after the other."""

from __future__ import annotations

from . import kernels, memory, planning, speed
from .options import Settings, measuring
from .table import Table


def tables(settings: Settings) -> list[Table]:
    """Measure everything: kernels, writes, memory, plan."""
    if settings.wants("kernels"):
        kernels.ratios(2, settings.rounds, every=False)
        kernels.first_calls(1)
    return [*speed.tables(settings), *memory.tables(settings), *planning.tables(settings)]


main = measuring(tables)
