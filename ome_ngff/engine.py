"""A plan, executed as dask tasks: each unit is read once, written, reduced and written again.

Tasks are picklable and idempotent. The threaded scheduler runs them by default, the active `dask.distributed` client
where there is one, or whatever scheduler dask is configured for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from . import journal, storage
from .methods import Array
from .plan import Box, Margin, Pass, Plan, spans
from .progress import Progress, counter
from .sources import give_back, mapped_anew, pack, unpack

GRAPH_BYTES = 8 * 2**20


@attrs.frozen(eq=False)
class Job:
    """Hold what every task needs.

    Attributes:
        plan: how the work is cut.
        target: the group that is written.
        arrays: the stored levels, by number.
        sources: the given pixels, by number of the level; anything that can be sliced.
        spool: the temporary array, where the plan has one. margins: those of the margins, by margin, or none.
        dtype: of every level.
        journal: whether finished units are noted for a later resume.
    """

    plan: Plan
    target: storage.Target
    arrays: Mapping[int, Any]
    sources: Mapping[int, Any]
    spool: Any
    margins: Mapping[Margin, Any]
    dtype: np.dtype[Any]
    journal: bool

    def __reduce__(self) -> Any:
        """Pickle our arrays by their places: where the job arrives they are opened as they were here."""
        fields = {name: getattr(self, name) for name in attrs.fields_dict(Job)}
        fields["arrays"] = {k: storage.locate(array) for k, array in self.arrays.items()}
        fields["margins"] = {margin: storage.locate(array) for margin, array in self.margins.items()}
        fields["spool"] = None if self.spool is None else storage.locate(self.spool)
        fields["sources"] = {k: pack(source) for k, source in self.sources.items()}
        return _arrived, (fields,)


def _arrived(fields: dict[str, Any]) -> Job:
    def opened(place: Any) -> Any:
        return storage.open_array(*place, mode="r+")

    arrays = {k: opened(place) for k, place in fields["arrays"].items()}
    margins = {margin: opened(place) for margin, place in fields["margins"].items()}
    spool = None if fields["spool"] is None else opened(fields["spool"])
    sources = {k: unpack(source) for k, source in fields["sources"].items()}
    return Job(**{**fields, "arrays": arrays, "margins": margins, "spool": spool, "sources": sources})


def run_unit(job: Job, pass_number: int, number: int, *after: Any) -> int:
    """Read the box of one unit, write its part of every level of the pass, and note that it is done.

    Args:
        job: what the unit belongs to. pass_number: its pass. number: its number in the pass.
        after: ignored; what has to be done before (dask puts results of earlier tasks here).
    """
    plan = job.plan
    work = plan.passes[pass_number]
    own, need = plan.own(work, number), plan.needs(work, number)
    blocks = {work.base: _base(job, pass_number, work.box(number, plan.levels[work.base].shape), need[work.base])}
    if not work.writes:
        storage.write_box(job.spool, need[work.base], blocks[work.base])
    with ThreadPoolExecutor(2) as pool:  # the codec works on one level while the next is made
        writing = []
        for k in work.writes:
            if k != work.base:
                level = plan.levels[k]
                reduction = spans(level, plan.levels[level.parent], need[level.parent], need[k])
                blocks[k] = plan.method.reduce(blocks[level.parent], reduction)
            mine = np.ascontiguousarray(_part(blocks[k], need[k], own[k]))
            writing.append(pool.submit(_write, job, k, mine, own[k]))
            _drop_used(blocks, plan, work, k)
        for written in writing:
            written.result()
    if job.journal:
        journal.note(job.target, f"{pass_number}-{number}")
    if work.task_bytes > 2**24:
        give_back()
    return 1


def _base(job: Job, pass_number: int, box: Box, need: Box) -> Array:
    """Read what a unit needs of its base: its own box, and what it sees of its neighbours."""
    work = job.plan.passes[pass_number]
    if work.reads == "given":
        return read(job.sources[work.base], need, job.dtype)
    stored = job.spool if work.reads == "spool" else job.arrays[work.base]
    margins = {margin.axis: (margin, array) for margin, array in job.margins.items() if margin.reader == pass_number}
    if not margins or need == box:
        return read(stored, need, job.dtype)
    block = np.empty([high - low for low, high in need], job.dtype)
    _part(block, need, box)[...] = stored[slices(box)]
    for axis, (margin, array) in margins.items():
        for low, high in ((need[axis][0], box[axis][0]), (box[axis][1], need[axis][1])):
            if low < high:
                beside = (*need[:axis], (low, high), *box[axis + 1 :])
                start = margin.place(low, high)
                there = (*need[:axis], (start, start + high - low), *box[axis + 1 :])
                _part(block, need, beside)[...] = array[slices(there)]
    return block


def _write(job: Job, level: int, block: Array, box: Box) -> None:
    """Write a block of a level, which lies in C order: Zarr would put it so in its one loop thread."""
    storage.write_box(job.arrays[level], box, block)
    for margin, array in job.margins.items():
        if margin.level == level:
            _keep(margin, array, block, box)


def _keep(margin: Margin, array: Any, block: Array, box: Box) -> None:
    """Write the part of a block that lies beside the cuts of a later pass into their margin."""
    axis = margin.axis
    for low, high in margin.halves(*box[axis]):
        start = margin.place(low, high)
        there = (*box[:axis], (start, start + high - low), *box[axis + 1 :])
        storage.write_box(array, there, _part(block, box, (*box[:axis], (low, high), *box[axis + 1 :])))


def read(source: Any, box: Box, dtype: np.dtype[Any]) -> Array:
    """Read a box of whatever can be sliced as native NumPy in C order; a view where that costs nothing."""
    if isinstance(source, np.memmap):
        with mapped_anew(source) as fresh:
            return np.array(fresh[slices(box)], dtype)
    part = source[slices(box)]
    if hasattr(part, "dask"):
        part = part.compute(scheduler="synchronous")
    return np.ascontiguousarray(part, dtype)


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
    with counter(progress, len(done), job.plan.units, job.plan.bytes_read) as count:
        for number, work in enumerate(job.plan.passes):
            todo = [i for i in range(len(work)) if f"{number}-{i}" not in done]
            _run_pass(job, number, todo, work.at_once, count)
    end()


def _run_pass(job: Job, number: int, todo: Sequence[int], at_once: int, count: Callable[[], None]) -> None:
    """Run units of one pass on the scheduler that dask is set to. Once this ends, no task goes on writing."""
    from dask.base import get_scheduler

    client = active_client()
    if client is not None and todo:
        _run_on_cluster(client, job, number, todo, count)
    elif len(todo) < 2 or at_once == 1:
        for i in todo:
            run_unit(job, number, i)
            count()
    elif get_scheduler() is None:
        with ThreadPoolExecutor(at_once) as pool:
            futures = [pool.submit(run_unit, job, number, i) for i in todo]
            try:
                for future in as_completed(futures):
                    future.result()
                    count()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    else:
        from dask.base import compute
        from dask.callbacks import Callback

        def finished(key: Any, *rest: Any) -> None:
            if str(key).startswith(run_unit.__name__):
                count()

        with Callback(posttask=finished):
            compute(*_tasks(job, number, todo))


def _run_on_cluster(client: Any, job: Job, number: int, todo: Sequence[int], count: Callable[[], None]) -> None:
    """Run units of one pass on the workers of a client.

    The job travels inside the graph, so that a lost worker's tasks can start again; pixels in memory that are too many
    for a graph go to every worker instead.
    """
    from distributed import as_completed, wait

    held = sum(source.nbytes for source in job.sources.values() if type(source) is np.ndarray)
    if held > GRAPH_BYTES:
        shared = client.scatter(job, broadcast=True, hash=False)
        futures = [client.submit(run_unit, shared, number, i, pure=False) for i in todo]
    else:
        futures = client.compute(_tasks(job, number, todo))
    try:
        for future in as_completed(futures):
            future.result()
            count()
    except BaseException:
        begun = {key for keys in client.processing().values() for key in keys}
        client.cancel([future for future in futures if future.key not in begun])
        wait([future for future in futures if future.key in begun])
        raise


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


def active_client() -> Any:
    """Return the active distributed client, without importing distributed where nobody has."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_client

    try:
        return get_client()
    except ValueError:
        return None
