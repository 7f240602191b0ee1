"""All benchmarks, one after the other."""

from __future__ import annotations

from . import copying, joining, kernels, memory, painting, planning, plates, reading, speed, streams, upgrades
from .options import Settings, measuring
from .table import Table


def tables(settings: Settings) -> list[Table]:
    """Measure everything: kernels, writes, copies, joins, reads, memory, plan, plates, streams, upgrades, painting."""
    if settings.wants("kernels"):
        kernels.ratios(2, settings.rounds, every=False)
        kernels.first_calls(1)
    kinds = (speed, copying, joining, reading, memory, planning, plates, streams, upgrades, painting)
    return [table for kind in kinds for table in kind.tables(settings)]


main = measuring(tables)
