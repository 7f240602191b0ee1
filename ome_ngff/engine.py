"""A plan, executed as tasks: each unit is read once, written, reduced and written again.

Tasks are picklable and idempotent. By default threads of ours run them, with more to share their pieces (`hands`);
otherwise the active `dask.distributed` client, or whatever scheduler dask is set to.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from functools import partial
from typing import Any

import attrs
import numpy as np
from zarr.storage import LocalStore

from . import journal, storage
from .boxes import Block, Stored, in_order, read
from .hands import Hands, Pieces
from .memory import give_back, kept_memory
from .methods import Array
from .plan import Box, Margin, Pass, Piece, Plan, bundle, children, slices, spans, tiles
from .progress import Progress, counter
from .sources import pack, unpack

GRAPH_BYTES = 8 * 2**20
KEEP_BYTES = 16 * 2**20  # an image from which on freed memory is kept
SMALL_BYTES = 2**17  # larger chunks go to the codec alone, which then needs no other thread than ours
BUNDLE_BYTES = 2**21  # of smaller ones that go together


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
        resumable: whether finished units are noted for a later resume.
    """

    plan: Plan
    target: storage.Target
    arrays: Mapping[int, Any]
    sources: Mapping[int, Any]
    spool: Any
    margins: Mapping[Margin, Any]
    dtype: np.dtype[Any]
    resumable: bool

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


def run_unit(job: Job, pass_number: int, number: int, *after: Any, hands: Hands | None = None) -> int:
    """Read the box of one unit, write its part of every level of the pass, and note that it is done.

    Args:
        job: what the unit belongs to. pass_number: its pass. number: its number in the pass.
        after: ignored; what has to be done before (dask puts results of earlier tasks here).
        hands: who works on its pieces.
    """
    work = job.plan.passes[pass_number]
    if work.writes:
        _write_levels(job, pass_number, number, hands or Hands())
    else:
        box = job.plan.needs(work, number)[work.base]
        storage.write_box(job.spool, box, read(job.sources[work.base], box, job.dtype))
    if job.resumable:
        journal.note(job.target, f"{pass_number}-{number}")
    at_hand = work.reads == "given" and isinstance(job.sources[work.base], np.ndarray)
    if (hands is None or not at_hand) and work.task_bytes + work.piece_bytes > KEEP_BYTES:
        give_back()  # what is kept has gaps, where blocks of other sizes lay
    return 1


def _write_levels(job: Job, pass_number: int, number: int, hands: Hands) -> None:
    """Write what a unit owns of every level of its pass: piece by piece what is made from the base, then the rest."""
    plan = job.plan
    work = plan.passes[pass_number]
    own, need = plan.own(work, number), plan.needs(work, number)
    made = {k: _empty(job, need[k]) for k in children(work, plan.levels)}
    with Pieces(hands) as pieces:
        base = _base(job, pass_number, number, pieces)
        for piece in plan.pieces(work, number):
            pieces.add(partial(_piece, job, work, base, made, piece, hands))
        pieces.finish()
        del base
        for k in work.writes:
            if k == work.base:
                continue
            level = plan.levels[k]
            if k not in made:
                parent = made[level.parent]
                reduction = spans(level, plan.levels[level.parent], parent.box, need[k])
                made[k] = Block(plan.method.reduce(parent.pixels, reduction), need[k])
            for box in _bundles(job, k, own[k]):
                pieces.add(partial(_write, job, k, made[k], box, hands))
        pieces.finish()


def _piece(job: Job, work: Pass, base: Any, made: Mapping[int, Block], piece: Piece, hands: Hands) -> None:
    """Read a piece of the base, write it where that is among the levels written, and make its part of the others."""
    plan = job.plan
    pixels = read(base, piece.seen, job.dtype, partial(hands.room, "seen"))
    if work.base in work.writes:
        for box in _bundles(job, work.base, piece.own):
            _write(job, work.base, Block(pixels, piece.seen), box, hands)
    for k, box in piece.makes.items():
        reduction = spans(plan.levels[k], plan.levels[work.base], piece.seen, box)
        made[k][slices(box)][...] = plan.method.reduce(pixels, reduction)


def _bundles(job: Job, level: int, box: Box) -> Iterator[Box]:
    """Cut a box of a level into what is handed to the codec at once: a cell, or several where they are small.

    All of it goes to a store that is no folder: each chunk takes time there, and Zarr waits for several at once.
    """
    if not isinstance(job.target.store, LocalStore):
        return iter([box])
    cell, itemsize = job.plan.grids[level].cell, job.plan.itemsize
    return tiles(
        box, cell if math.prod(cell) * itemsize >= SMALL_BYTES else _bundle(cell, box, BUNDLE_BYTES // itemsize)
    )


def _bundle(cell: Sequence[int], box: Box, most: int) -> tuple[int, ...]:
    """Double a cell while it has at most so many pixels and is shorter than a box; whole cells in any case."""
    return bundle(cell, [-(-(high - low) // c) * c for (low, high), c in zip(box, cell, strict=True)], most)


def _base(job: Job, pass_number: int, number: int, pieces: Pieces) -> Any:
    """Give what the pieces of a unit read their base from; where it is held, that is read here."""
    plan = job.plan
    work = plan.passes[pass_number]
    box, need = work.box(number, plan.levels[work.base].shape), plan.needs(work, number)[work.base]
    if work.reads == "given":
        source = job.sources[work.base]
        return Block(read(source, need, job.dtype), need) if work.held else source
    stored = job.spool if work.reads == "spool" else job.arrays[work.base]
    if not work.held:
        return Stored(stored)
    block = _empty(job, need)
    margins = {margin.axis: (margin, array) for margin, array in job.margins.items() if margin.reader == pass_number}
    cell = plan.spool if plan.spool and work.reads == "spool" else plan.grids[work.base].cell
    there = box if margins else need
    for part in tiles(there, _bundle(cell, there, math.prod(work.piece))):
        pieces.add(partial(_fetch, stored, part, block, part))
    for axis, (margin, array) in margins.items():
        for low, high in ((need[axis][0], box[axis][0]), (box[axis][1], need[axis][1])):
            if low < high:
                beside = (*need[:axis], (low, high), *box[axis + 1 :])
                start = margin.place(low, high)
                there = (*need[:axis], (start, start + high - low), *box[axis + 1 :])
                pieces.add(partial(_fetch, array, there, block, beside))
    pieces.finish()
    return block


def _fetch(array: Any, there: Box, block: Block, here: Box) -> None:
    """Read a box of an array of ours into a box of a block."""
    block[slices(here)][...] = storage.read_box(array, there)


def _empty(job: Job, box: Box) -> Block:
    return Block(np.empty([high - low for low, high in box], job.dtype), box)


def _write(job: Job, level: int, block: Block, box: Box, hands: Hands) -> None:
    """Write a box of a level, from memory in C order: a chunk that lies so by itself is not copied again.

    A store in memory may keep what it is given, if nothing is compressed, so that only files are written from buffers.
    """
    files = isinstance(job.target.store, LocalStore)
    pixels = in_order(block[slices(box)], job.dtype, partial(hands.room, "own")) if files else block[slices(box)].copy()
    storage.write_box(job.arrays[level], box, pixels)
    for margin, array in job.margins.items():
        if margin.level == level:
            _keep(margin, array, pixels, box)


def _keep(margin: Margin, array: Any, pixels: Array, box: Box) -> None:
    """Write the part of a box that lies beside the cuts of a later pass into their margin."""
    axis = margin.axis
    for low, high in margin.halves(*box[axis]):
        start = margin.place(low, high)
        there = (*box[:axis], (start, start + high - low), *box[axis + 1 :])
        storage.write_box(array, there, Block(pixels, box)[slices((*box[:axis], (low, high), *box[axis + 1 :]))])


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
            _run_pass(job, number, todo, count)
    end()


def _run_pass(job: Job, number: int, todo: Sequence[int], count: Callable[[], None]) -> None:
    """Run units of one pass on the scheduler that dask is set to. Once this ends, no task goes on writing."""
    from dask.base import get_scheduler

    client = active_client()
    if client is not None and todo:
        _run_on_cluster(client, job, number, todo, count)
    elif get_scheduler() is None:
        work = job.plan.passes[number]
        keeping = kept_memory(_cell_bytes(job, work)) if job.plan.bytes_of(0) > KEEP_BYTES else nullcontext()
        at_once = max(1, min(work.at_once, len(todo)))
        with keeping, Hands(work.hands - (at_once == 1), joined=at_once == 1) as hands:
            _run_here(job, number, todo, at_once, hands, count)
    else:
        from dask.base import compute
        from dask.callbacks import Callback

        def finished(key: Any, *rest: Any) -> None:
            if str(key).startswith(run_unit.__name__):
                count()

        with Callback(posttask=finished):
            compute(*_tasks(job, number, todo))


def _cell_bytes(job: Job, work: Pass) -> int:
    """Give the size of the largest buffer that the codec takes for the cells of a pass: some more than their pixels."""
    cells = [job.plan.grids[k].cell for k in work.writes] or [job.plan.spool or ()]
    return max(job.plan.itemsize * max(map(math.prod, cells)), BUNDLE_BYTES) * 9 // 8


def _run_here(
    job: Job, number: int, todo: Sequence[int], at_once: int, hands: Hands, count: Callable[[], None]
) -> None:
    """Run units of one pass in this process."""
    if at_once == 1:
        for i in todo:
            run_unit(job, number, i, hands=hands)
            count()
        return
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(run_unit, job, number, i, hands=hands) for i in todo]
        try:
            for future in as_completed(futures):
                future.result()
                count()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


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


def spread() -> bool:
    """Tell whether tasks run elsewhere than in threads of ours: on a cluster, or on a scheduler that dask is set to."""
    from dask.base import get_scheduler

    return active_client() is not None or get_scheduler() is not None


def active_client() -> Any:
    """Return the active distributed client, without importing distributed where nobody has."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_client

    try:
        return get_client()
    except ValueError:
        return None
