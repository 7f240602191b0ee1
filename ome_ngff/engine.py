"""A plan, executed as dask tasks: each unit is read once, written, reduced and written again.

Tasks are picklable and idempotent. The threaded scheduler runs them by default, the active `dask.distributed` client
where there is one, or whatever scheduler dask is configured for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from . import storage
from .methods import Array
from .plan import Box, Pass, Plan, spans
from .progress import Progress, counter


@attrs.frozen(eq=False)
class Job:
    """Hold what every task needs.

    Attributes:
        plan: how the work is cut.
        target: the group that is written.
        arrays: the stored levels, by number.
        sources: the given pixels, by number of the level; anything that can be sliced.
        spool: the temporary array, where the plan has one.
        dtype: of every level.
        journal: whether finished units are noted for a later resume.
    """

    plan: Plan
    target: storage.Target
    arrays: Mapping[int, Any]
    sources: Mapping[int, Any]
    spool: Any
    dtype: np.dtype[Any]
    journal: bool


def run_unit(job: Job, pass_number: int, number: int, *after: Any) -> int:
    """Read the box of one unit, write its part of every level of the pass, and note that it is done.

    Args:
        job: what the unit belongs to. pass_number: its pass. number: its number in the pass.
        after: ignored; what has to be done before (dask puts results of earlier tasks here).
    """
    plan = job.plan
    work = plan.passes[pass_number]
    own, need = plan.own(work, number), plan.needs(work, number)
    source = {"given": job.sources.get(work.base), "spool": job.spool, "stored": job.arrays.get(work.base)}[work.reads]
    blocks = {work.base: read(source, need[work.base], job.dtype)}
    if not work.writes:
        job.spool[slices(need[work.base])] = blocks[work.base]
    for k in work.writes:
        if k != work.base:
            level = plan.levels[k]
            parent = plan.levels[level.parent]
            reduction = spans(level, parent, need[level.parent], need[k])
            blocks[k] = plan.method.reduce(blocks[level.parent], reduction)
        job.arrays[k][slices(own[k])] = _part(blocks[k], need[k], own[k])
        _drop_used(blocks, plan, work, k)
    if job.journal:
        storage.note_unit(job.target, f"{pass_number}-{number}")
    return 1


def read(source: Any, box: Box, dtype: np.dtype[Any]) -> Array:
    """Read a box of whatever can be sliced as native NumPy; a view where that costs nothing."""
    part = source[slices(box)]
    if hasattr(part, "dask"):
        part = part.compute(scheduler="synchronous")
    return np.asarray(part).astype(dtype, copy=False)


def slices(box: Box) -> tuple[slice, ...]:
    """Turn a box into slices."""
    return tuple(slice(low, high) for low, high in box)


def _part(block: Array, have: Box, want: Box) -> Array:
    return block[tuple(slice(a - low, b - low) for (low, _), (a, b) in zip(have, want, strict=True))]


def _drop_used(blocks: dict[int, NDArray[Any]], plan: Plan, work: Pass, done: int) -> None:
    """Let go of the blocks that no level still to come is made from."""
    needed = {plan.levels[k].parent for k in work.writes if k > done} | {done}
    for k in [k for k in blocks if k not in needed]:
        del blocks[k]


# Running ------------------------------------------------------------------------------------------------------------


def run(job: Job, done: set[str], progress: Progress, end: Callable[[], None]) -> None:
    """Run all units that are not in `done`, pass by pass, then `end`.

    Args:
        job: what to do. done: names of the units that are on disk already.
        progress: True for a bar on the terminal, or a callable that gets the units done and their total.
        end: writes the metadata.
    """
    with counter(progress, job.plan, len(done)) as count:
        for number, work in enumerate(job.plan.passes):
            todo = [i for i in range(len(work)) if f"{number}-{i}" not in done]
            _run_pass(job, number, todo, work.at_once, count)
    end()


def _run_pass(job: Job, number: int, todo: Sequence[int], at_once: int, count: Callable[[], None]) -> None:
    """Run units of one pass on the scheduler that dask is set to."""
    client = _active_client()
    if client is not None and todo:
        from distributed import as_completed

        shared = client.scatter(job, hash=False)
        for future in as_completed([client.submit(run_unit, shared, number, i, pure=False) for i in todo]):
            future.result()
            count()
    elif len(todo) < 2 or at_once == 1:
        for i in todo:
            run_unit(job, number, i)
            count()
    else:
        from dask.base import compute
        from dask.callbacks import Callback

        def finished(key: Any, *rest: Any) -> None:
            if str(key).startswith(run_unit.__name__):
                count()

        with Callback(posttask=finished):
            compute(*_tasks(job, number, todo), num_workers=at_once)


def _tasks(job: Job, number: int, todo: Iterable[int], *after: Any) -> list[Any]:
    from dask.delayed import delayed

    unit, shared = delayed(run_unit, pure=False), delayed(job, traverse=False, pure=False)
    return [unit(shared, number, i, *after) for i in todo]


def delayed_tasks(job: Job, done: set[str], end: Callable[[], None]) -> list[Any]:
    """Give the same tasks as `dask.delayed.Delayed`; computed together they write the store, the metadata last."""
    from dask.delayed import delayed

    before: list[Any] = []
    tasks: list[Any] = []
    for number, work in enumerate(job.plan.passes):
        after = [delayed(len, pure=False)(before)] if before else []
        before = _tasks(job, number, [i for i in range(len(work)) if f"{number}-{i}" not in done], *after)
        tasks += before
    return [*tasks, delayed(_end_after, pure=False)(delayed(end, traverse=False, pure=False), before)]


def _end_after(end: Callable[[], None], before: Sequence[int]) -> None:
    end()


def _active_client() -> Any:
    """Return the active distributed client, without importing distributed where nobody has."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_client

    try:
        return get_client()
    except ValueError:
        return None
