"""Which margins a plan keeps: what later passes see of the neighbours of their units, next to the stored level."""

from __future__ import annotations

import attrs

from .plan import Margin, Pass, Plan, boxes_needed


def with_margins(plan: Plan, worth: int) -> Plan:
    """Add margins for the passes that look at neighbours in a stored level of more than `worth` bytes."""
    margins = []
    for number, work in enumerate(plan.passes):
        if work.reads == "stored" and plan.bytes_of(work.base) > worth:
            margins += _margins(plan, number, work)
    return attrs.evolve(plan, margins=tuple(margins))


def _margins(plan: Plan, number: int, work: Pass) -> list[Margin]:
    """Return the margins of one pass; none where a margin's chunk would belong to two cells of the level."""
    shape, cell = plan.levels[work.base].shape, plan.grids[work.base].cell
    middle = tuple((u, min(2 * u, n)) if n > u else (0, n) for u, n in zip(work.unit, shape, strict=True))
    seen = boxes_needed(middle, work.base, work.writes, plan.levels, plan.method)[work.base]
    first = boxes_needed(
        tuple((0, min(u, n)) for u, n in zip(work.unit, shape, strict=True)),
        work.base,
        work.writes,
        plan.levels,
        plan.method,
    )[work.base]
    margins = []  # as wide as a unit sees, ahead or behind it: behind, the image may begin before, and ahead, end
    for axis, count in enumerate(work.counts):
        width = max(middle[axis][0] - seen[axis][0], first[axis][1] - min(work.unit[axis], shape[axis]))
        if count == 1 or width == 0:
            continue
        if work.unit[axis] % cell[axis] or width > cell[axis]:
            return []
        margins.append(Margin(number, work.base, axis, work.unit[axis], width, count - 1))
    return margins
