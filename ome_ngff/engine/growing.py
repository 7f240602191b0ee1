"""An image that grows along one axis: frames come in, levels are made alongside, lengths follow once all is stored.

The axis that grows is called time here, whatever its name. Each level has the factor 1 along it, so what is made of one
time point never depends on another. Along some other axes (channels, mostly) indices do not depend on each other,
either. What is left is a *block*: the smallest box that no chunk and no window of the method crosses, one cell long in
time. It is filled by one frame or by many, time point by time point, and written once it is full, or, where its chunks
hold several time points, as far as it is filled whenever nothing else waits; what is missing is the fill value.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import attrs
import numpy as np

from ..config import config
from ..exceptions import ExistsError, QueueFullError, StoreError
from ..pixels import Array, Block, Box, in_order, slices, tiles
from ..store import Holder, LengthDocument, StoredBoxes
from .cutting import PIECE_BYTES
from .growth import MOST_CHUNKS, GrowthPlan, endless, put_lengths, trim
from .workers import WorkerPool, enter_shared, leave_shared

_PAUSE = 0.05  # seconds between two changes of the lengths while more is waiting


@attrs.define(eq=False)
class _Filling:
    """A block that is being filled.

    Attributes:
        key, start: where it is. levels: the pixels; coarser ones come later where it is one time point deep.
        given: frames that have come, by time point. filled: pixels that are here. ready, stored: time points whose
        levels are made, and on disk. writing: whether a thread writes it.
    """

    key: tuple[int, ...]
    start: int
    levels: list[Array]
    given: dict[int, set[tuple[int, ...]]] = attrs.field(factory=dict)
    filled: Counter[int] = attrs.field(factory=Counter)
    ready: set[int] = attrs.field(factory=set)
    stored: set[int] = attrs.field(factory=set)
    writing: bool = False


@attrs.define(eq=False)
class Growth:
    """Take frames, and store them with their levels.

    Attributes:
        plan: how the image grows. arrays: its stored levels. documents: those of the levels. holder: writes all of it.
        limit: bytes of the pixels that may wait, at least one block. length: time points that are complete.
        before: called with two lengths before level 0 grows from one to the other.
    """

    plan: GrowthPlan
    arrays: Sequence[Any]
    documents: Sequence[LengthDocument]
    holder: Holder
    limit: int
    length: int
    before: Callable[[int, int], None] = lambda old, new: None
    pool: WorkerPool = attrs.field(factory=lambda: enter_shared(config.workers))
    _endless: list[Any] = attrs.field(init=False)
    _blocks: dict[tuple[int, tuple[int, ...]], _Filling] = attrs.field(init=False, factory=dict)
    _done: Counter[int] = attrs.field(init=False, factory=Counter)
    _busy: int = attrs.field(init=False, default=0)
    _groups: int = attrs.field(init=False, default=0)
    _spare: list[Array] = attrs.field(init=False, factory=list)
    _fault: BaseException | None = attrs.field(init=False, default=None)
    _changed: threading.Condition = attrs.field(init=False, factory=threading.Condition)
    _publishing: threading.Lock = attrs.field(init=False, factory=threading.Lock)
    _last: float = attrs.field(init=False, default=0.0)
    _alone: tuple[int, ...] = attrs.field(init=False)
    _depth: int = attrs.field(init=False)
    _per_time: int = attrs.field(init=False)
    _slab: int = attrs.field(init=False)  # bytes of one time point of a block
    _late: set[tuple[int, tuple[int, ...]]] = attrs.field(init=False, factory=set)  # frames in blocks that are stored

    def __attrs_post_init__(self) -> None:
        plan = self.plan
        self._endless = endless(plan, self.arrays)
        self._alone, self._depth = plan.alone, plan.depth
        self._per_time = math.prod(plan.levels[0].shape[axis] for axis in self._alone)
        self._slab = math.prod(b - a for a, b in plan.box(0, (0,) * len(self._alone), 0, 1)) * plan.dtype.itemsize

    # Frames come in ---------------------------------------------------------------------------------------------------

    def put(
        self, index: tuple[int, ...], frame: Array, *, block: bool, first: Callable[[], object] = lambda: None
    ) -> None:
        """Take a copy of a frame, which covers the last axes.

        Args:
            index: where it is along the first ones. frame: the pixels. block: whether to wait for room.
            first: called once it is sure that the frame is taken, and not stored yet.

        Raises:
            QueueFullError: there is no room, and `block` is False. ExistsError: it is there already.
        """
        plan, now, count = self.plan, index[self.plan.axis], len(index)
        inside = [axis for axis in self._alone if axis >= count]
        parts: list[tuple[_Filling, Array]] = []
        with self._changed:
            self._refuse(now)
            for there in itertools.product(*(range(plan.levels[0].shape[axis]) for axis in inside)):
                at = {**dict(enumerate(index)), **dict(zip(inside, there, strict=True))}
                cut = tuple(
                    slice(at[a], at[a] + 1) if a in inside else slice(None) for a in range(count, count + frame.ndim)
                )
                parts.append((self._filling(tuple(at[axis] for axis in self._alone), now // self._depth), frame[cut]))
            if any(index in filling.given.get(now, ()) for filling, _ in parts):
                raise ExistsError(f"The frame {index} has been given already.")
            sizes = [self._slab if f.filled[now] + part.nbytes >= self._slab else 0 for f, part in parts]
            self._wait(sum(sizes), block=block)
            for filling, _ in parts:
                filling.given.setdefault(now, set()).add(index)
            first()
        for filling, part in parts:
            self._fill(filling, index, part)

    def _refuse(self, now: int) -> None:
        self.raise_fault()
        if now < self.length:
            raise ExistsError(f"The time point {now} is complete already; {self.length} are stored.")
        if now // self.plan.grids[0].chunks[self.plan.axis] >= MOST_CHUNKS:
            raise StoreError(f"No reader takes more than {MOST_CHUNKS} chunks along an axis; take longer ones.")

    def _fill(self, filling: _Filling, index: tuple[int, ...], frame: Array) -> None:
        """Copy a frame into a block, and let threads work on the time point that is whole with it."""
        axis, now = self.plan.axis, index[self.plan.axis]
        filling.levels[0][
            tuple(now - filling.start if a == axis else 0 if a in self._alone else i for a, i in enumerate(index))
        ][...] = frame
        with self._changed:
            filling.filled[now] += frame.nbytes
            if filling.filled[now] < self._slab:
                return
            self._busy += self._slab
        jobs: list[Callable[[], None]] = [partial(self._make, filling, now)]
        if self._depth == 1:
            jobs += self._writes(filling, 0, filling.levels[0])
        self._start(jobs, self._slab, partial(self._made, filling, now), self._slab)

    def _wait(self, size: int, *, block: bool) -> None:
        """Wait for room, with the condition held."""

        def room() -> bool:
            return self._fault is not None or not size or not self._busy or self._busy + size <= self.limit

        if not block and not room():
            raise QueueFullError(
                f"{self._busy} bytes wait to be stored, of {self.limit}; wait, or leave out block=False."
            )
        self._changed.wait_for(room)
        self.raise_fault()

    def _filling(self, key: tuple[int, ...], row: int) -> _Filling:
        """Return the block that holds a time point, with what is stored of it."""
        if (row, key) in self._blocks:
            return self._blocks[row, key]
        plan, start, depth = self.plan, row * self._depth, self._depth
        boxes = [plan.box(k, key, start, start + depth) for k in range(len(plan.levels) if depth > 1 else 1)]
        shapes = [[b - a for a, b in box] for box in boxes]
        if depth == 1:
            levels = [self._spare.pop() if self._spare else np.empty(shapes[0], plan.dtype)]
        else:
            levels = [np.full(shape, fill, plan.dtype) for shape, fill in zip(shapes, plan.fill_values, strict=False)]
        found = self._blocks[row, key] = _Filling(key, start, levels)
        if start < self.length:
            for k, box in enumerate(boxes):
                there = slices(plan.box(k, key, start, self.length))
                Block(levels[k], box)[there][...] = StoredBoxes(self._endless[k])[there]
            found.ready, found.stored = (set(range(start, self.length)) for _ in range(2))
        return found

    # Threads work on them ---------------------------------------------------------------------------------------------

    def _start(self, jobs: list[Callable[[], None]], size: int, then: Callable[[], None], free: int = 0) -> None:
        """Let threads do jobs on so many bytes, all by one where they are few, and something at their end."""
        if size <= PIECE_BYTES:
            jobs = [partial(_each, jobs)]
        with self._changed:
            self._groups += 1
        left = [len(jobs)]
        for job in jobs:
            self.pool.submit(partial(self._do, job, left, then, free))

    def _do(self, job: Callable[[], None], left: list[int], then: Callable[[], None], free: int) -> None:
        try:
            if self._fault is None:
                job()
        except BaseException as error:
            self._fail(error)
        with self._changed:
            left[0] -= 1
            if left[0]:
                return
        try:
            if self._fault is None:
                then()
                if time.monotonic() - self._last > _PAUSE:
                    self._publish()
        except BaseException as error:
            self._fail(error)
        self._finish(free)

    def _finish(self, free: int) -> None:
        """End a group of jobs; whoever finds that nothing is left to do stores what is half full, and publishes."""
        with self._changed:
            self._busy -= free
        while True:
            with self._changed:
                self._groups -= 1
                waiting = [] if self._groups else self._half_full()
                if self._groups or not (waiting or (self._fault is None and self._done[self.length] == self._per_time)):
                    self._changed.notify_all()
                    return
                self._groups += 1
            try:
                for filling in waiting:
                    self._store(filling)
                self._publish()
            except BaseException as error:
                self._fail(error)

    def _half_full(self) -> list[_Filling]:
        if self._fault is not None or self._depth == 1:
            return []
        return [each for each in self._blocks.values() if each.ready > each.stored and not each.writing]

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._fault = self._fault or error
            self._changed.notify_all()

    def raise_fault(self) -> None:
        """Raise what has failed in a thread."""
        if self._fault is not None:
            raise self._fault

    def _make(self, filling: _Filling, now: int) -> None:
        """Make the levels of a time point of a block; write the coarser ones where that is all of the block."""
        plan = self.plan
        at = (slice(None),) * plan.axis + (slice(now - filling.start, now - filling.start + 1),)
        made = plan.reduced(filling.levels[0][at], filling.key)
        for k, pixels in enumerate(made[1:], start=1):
            if self._depth > 1:
                filling.levels[k][at] = pixels
            else:
                _each(self._writes(filling, k, pixels))

    def _made(self, filling: _Filling, now: int) -> None:
        with self._changed:
            filling.ready.add(now)
            full = len(filling.ready) == self._depth
        if self._depth == 1:
            self._is_stored(filling, {now})
        elif full:
            self._store(filling)

    def _store(self, filling: _Filling) -> None:
        """Write a block of several time points as far as it is filled; one thread at a time writes it."""
        with self._changed:
            if filling.writing:
                return
            filling.writing, ready = True, set(filling.ready)
        jobs = [job for k, pixels in enumerate(filling.levels) for job in self._writes(filling, k, pixels)]
        self._start(jobs, filling.levels[0].nbytes, partial(self._is_stored, filling, ready))

    def _is_stored(self, filling: _Filling, ready: set[int]) -> None:
        with self._changed:
            for now in ready - filling.stored:
                self._done[now] += 1
            filling.stored |= ready
            filling.writing = False
            full = len(filling.stored) == self._depth
            again = len(filling.ready) == self._depth and not full
            if full:
                del self._blocks[filling.start // self._depth, filling.key]
                self._late |= {(now, index) for now, given in filling.given.items() for index in given}
                if self._depth == 1 and len(self._spare) * filling.levels[0].nbytes < self.limit:
                    self._spare.append(filling.levels[0])
        if again:
            self._store(filling)

    def _writes(self, filling: _Filling, level: int, pixels: Array) -> list[Callable[[], None]]:
        """Return what writes a level of a block: a job for each cell, or one for all where each takes time."""
        box = self.plan.box(level, filling.key, filling.start, filling.start + self._depth)
        parts = [box] if self.holder.target.folder is None else tiles(box, self.plan.grids[level].cell)
        return [partial(self._write, level, Block(pixels, box), part) for part in parts]

    def _write(self, level: int, block: Block, box: Box) -> None:
        cell = block[slices(box)]
        if self.holder.target.folder is not None:
            cell = in_order(cell, self.plan.dtype, partial(self.pool.scratch, "own"))
        else:  # a store in memory may keep what it is given
            cell = cell.copy()
        self.holder.write(self._endless[level], box, cell)

    # Lengths follow ---------------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        """Let the lengths of the levels grow, that of level 0 last, to what is stored of all."""
        with self._publishing:
            with self._changed:
                old = new = self.length
                while self._done[new] == self._per_time:
                    new += 1
            if new == old:
                return
            self.before(old, new)
            put_lengths(self.holder, self.documents, new)
            with self._changed:
                for now in range(old, new):
                    del self._done[now]
                self._late = {each for each in self._late if each[0] >= new}
                self.length, self._last = new, time.monotonic()

    def flush(self) -> None:
        """Wait until all complete time points are stored, and show.

        Raises:
            Exception: what a thread has raised.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._groups)
        self.raise_fault()

    def end(self) -> int:
        """Store what is complete, and forget the rest; return the number of frames that are left out."""
        try:
            self.flush()
        finally:
            leave_shared(self.pool)
        late = {(now, index) for each in self._blocks.values() for now, given in each.given.items() for index in given}
        left = {index for now, index in late | self._late if now >= self.length}
        if left:
            trim(self.plan, self.arrays, self.documents, self.holder, self.length)
        return len(left)


def _each(jobs: Sequence[Callable[[], None]]) -> None:
    for job in jobs:
        job()
