"""A plan, executed as dask tasks: each unit is read once, written, reduced and written again.

Tasks are picklable and idempotent. The threaded scheduler runs them by default, the active `dask.distributed` client
where there is one, or whatever scheduler dask is configured for.
"""

from __future__ import annotations

import math
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import nullcontext
from functools import partial
from typing import Any

import attrs
import numpy as np
from zarr.storage import LocalStore

from . import journal, storage
from .memory import give_back, kept_memory
from .methods import Array
from .plan import Box, Margin, Pass, Piece, Plan, bundle, children, spans, tiles
from .progress import Progress, counter
from .sources import mapped_anew, pack, unpack

GRAPH_BYTES = 8 * 2**20
KEEP_BYTES = 16 * 2**20  # an image from which on freed memory is kept
BUNDLE_BYTES = 2 * 2**20  # handed to the codec at once, more where one cell has more


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


class Hands:
    """Threads that help the tasks of a pass with their pieces, and buffers of each thread, helper or not.

    What each piece needs is copied into the same buffers: fresh memory is slow, as the system clears it first.
    """

    def __init__(self, count: int = 0, *, shared: bool = True) -> None:
        self.count, self.shared = count, shared
        self.pool = ThreadPoolExecutor(count) if count else None
        self.own = threading.local()

    def __enter__(self) -> Hands:
        return self

    def __exit__(self, *reason: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def room(self, name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
        """Give a buffer of this thread: the same memory whenever the name is the same."""
        size = math.prod(shape) * dtype.itemsize
        buffer = getattr(self.own, name, None)
        if buffer is None or buffer.size < size:
            buffer = np.empty(size, np.uint8)
            setattr(self.own, name, buffer)
        found: Array = buffer[:size].view(dtype).reshape(shape)
        return found


class Pieces:
    """Work on the pieces of one task: the helpers begin as they are added, the task itself in `finish`."""

    def __init__(self, hands: Hands) -> None:
        self.hands = hands
        self.todo: deque[Callable[[], None]] = deque()
        self.helping: list[Future[None]] = []

    def add(self, work: Callable[[], None]) -> None:
        """Add a piece; a single one is left to the task."""
        self.todo.append(work)
        busy = sum(not helper.done() for helper in self.helping)
        if self.hands.pool is not None and busy < min(self.hands.count, len(self.todo) - 1):
            self.helping.append(self.hands.pool.submit(self._work))

    def _work(self) -> None:
        while True:
            try:
                work = self.todo.popleft()
            except IndexError:
                return
            try:
                work()
            except BaseException:
                self.todo.clear()
                raise

    def finish(self) -> None:
        """Work until all pieces are done; where one fails, no other is begun, and none goes on when this ends."""
        try:
            self._work()
        finally:
            self.todo.clear()
            wait(self.helping)
        for helper in self.helping:
            helper.result()
        self.helping.clear()


def run_unit(job: Job, pass_number: int, number: int, *after: Any, hands: Hands | None = None) -> int:
    """Read the box of one unit, write its part of every level of the pass, and note that it is done.

    Args:
        job: what the unit belongs to. pass_number: its pass. number: its number in the pass.
        after: ignored; what has to be done before (dask puts results of earlier tasks here).
        hands: who works on its pieces.
    """
    hands = hands or Hands(shared=False)
    plan = job.plan
    work = plan.passes[pass_number]
    own, need = plan.own(work, number), plan.needs(work, number)
    held = _base(job, pass_number, work.box(number, plan.levels[work.base].shape), need[work.base], work.held)
    if not work.writes:
        storage.write_box(job.spool, need[work.base], held.block)
    made = {k: np.empty([high - low for low, high in need[k]], job.dtype) for k in children(work, plan.levels)}
    blocks = {k: Held(block, need[k]) for k, block in made.items()}
    pieces = Pieces(hands)
    for piece in plan.pieces(work, number):
        pieces.add(partial(_piece, job, work, held, blocks, piece, hands))
    pieces.finish()
    del held
    for k in work.writes:
        if k != work.base:
            level = plan.levels[k]
            if k not in blocks:
                parent = blocks[level.parent]
                reduction = spans(level, plan.levels[level.parent], parent.box, need[k])
                blocks[k] = Held(plan.method.reduce(parent.block, reduction), need[k])
            for box in _bundles(plan, k, own[k]):
                pieces.add(partial(_write, job, k, blocks[k], box, hands))
    pieces.finish()
    if job.journal:
        journal.note(job.target, f"{pass_number}-{number}")
    if (work.held or not hands.shared) and work.task_bytes + work.piece_bytes > KEEP_BYTES:
        give_back()  # what is kept has gaps, where blocks of other sizes lay
    return 1


@attrs.frozen(eq=False)
class Stored:
    """Let boxes of an array of ours be read, on the thread that reads them."""

    array: Any

    def __getitem__(self, box: tuple[slice, ...]) -> Any:
        return storage.read_box(self.array, [(s.start, s.stop) for s in box])


@attrs.frozen(eq=False)
class Held:
    """Hold an array, or a block of it, and the box that it covers; boxes inside that one can be read."""

    block: Any
    box: Box

    def __getitem__(self, inside: tuple[slice, ...]) -> Any:
        return self.block[
            tuple(slice(s.start - low, s.stop - low) for s, (low, _) in zip(inside, self.box, strict=True))
        ]


def _piece(job: Job, work: Pass, base: Any, made: Mapping[int, Held], piece: Piece, hands: Hands) -> None:
    """Read a piece of the base, write it where that is among the levels written, and make its part of the others."""
    plan = job.plan
    block = read(base, piece.seen, job.dtype, partial(hands.room, "seen"))
    if work.base in work.writes:
        for box in _bundles(plan, work.base, piece.own):
            _write(job, work.base, Held(block, piece.seen), box, hands)
    for k, box in piece.makes.items():
        reduction = spans(plan.levels[k], plan.levels[work.base], piece.seen, box)
        made[k][slices(box)][...] = plan.method.reduce(block, reduction)


def _bundles(plan: Plan, level: int, box: Box) -> Iterator[Box]:
    """Cut a box of a level into what is handed to the codec at once: a cell, or several where they are small."""
    cell, whole = plan.grids[level].cell, [high - low for low, high in box]
    return tiles(
        box, bundle(cell, [-(-n // c) * c for n, c in zip(whole, cell, strict=True)], BUNDLE_BYTES // plan.itemsize)
    )


def _base(job: Job, pass_number: int, box: Box, need: Box, held: bool) -> Any:
    """Give the base of a unit to read from; where it is held, its box and what it sees of its neighbours is read."""
    work = job.plan.passes[pass_number]
    if work.reads == "given":
        source = job.sources[work.base]
        return Held(read(source, need, job.dtype), need) if held else source
    stored = job.spool if work.reads == "spool" else job.arrays[work.base]
    if not held:
        return Stored(stored)
    margins = {margin.axis: (margin, array) for margin, array in job.margins.items() if margin.reader == pass_number}
    if not margins or need == box:
        return Held(storage.read_box(stored, need), need)
    block = np.empty([high - low for low, high in need], job.dtype)
    held_block = Held(block, need)
    held_block[slices(box)][...] = storage.read_box(stored, box)
    for axis, (margin, array) in margins.items():
        for low, high in ((need[axis][0], box[axis][0]), (box[axis][1], need[axis][1])):
            if low < high:
                beside = (*need[:axis], (low, high), *box[axis + 1 :])
                start = margin.place(low, high)
                there = (*need[:axis], (start, start + high - low), *box[axis + 1 :])
                held_block[slices(beside)][...] = storage.read_box(array, there)
    return held_block


def _write(job: Job, level: int, held: Held, box: Box, hands: Hands) -> None:
    """Write a box of a level, from memory in C order: Zarr would put it so in its one loop thread.

    A store in memory may keep what it is given, if nothing is compressed, so that only files are written from buffers.
    """
    files = isinstance(job.target.store, LocalStore)
    block = _in_order(held[slices(box)], job.dtype, partial(hands.room, "own")) if files else held[slices(box)].copy()
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
        storage.write_box(array, there, Held(block, box)[slices((*box[:axis], (low, high), *box[axis + 1 :]))])


def read(source: Any, box: Box, dtype: np.dtype[Any], room: Callable[..., Array] = np.empty) -> Array:
    """Read a box of whatever can be sliced as native NumPy in C order; a view where that costs nothing.

    Args:
        source: what `as_source` returns. box: of it. dtype: of the pixels.
        room: gets a shape and a dtype, and gives the memory for a copy.
    """
    if isinstance(source, np.memmap):
        with mapped_anew(source) as fresh:
            return _copy(fresh[slices(box)], dtype, room)
    part = source[slices(box)]
    if hasattr(part, "dask"):
        part = part.compute(scheduler="synchronous")
    return _in_order(np.asarray(part), dtype, room)


def _in_order(part: Array, dtype: np.dtype[Any], room: Callable[..., Array]) -> Array:
    return part if part.flags.c_contiguous and part.dtype == dtype else _copy(part, dtype, room)


def _copy(part: Array, dtype: np.dtype[Any], room: Callable[..., Array]) -> Array:
    copy = room(part.shape, dtype)
    copy[...] = part
    return copy


def slices(box: Box) -> tuple[slice, ...]:
    """Turn a box into slices."""
    return tuple(slice(low, high) for low, high in box)


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
        large = job.plan.bytes_of(0) > KEEP_BYTES
        with kept_memory(work.piece_bytes) if large else nullcontext(), Hands(work.hands - work.at_once) as hands:
            _run_here(job, number, todo, hands, count)
    else:
        from dask.base import compute
        from dask.callbacks import Callback

        def finished(key: Any, *rest: Any) -> None:
            if str(key).startswith(run_unit.__name__):
                count()

        with Callback(posttask=finished):
            compute(*_tasks(job, number, todo))


def _run_here(job: Job, number: int, todo: Sequence[int], hands: Hands, count: Callable[[], None]) -> None:
    """Run units of one pass in this process."""
    at_once = job.plan.passes[number].at_once
    if len(todo) < 2 or at_once == 1:
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
