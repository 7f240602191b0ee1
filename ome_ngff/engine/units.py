"""One unit of a plan: read once, written, reduced and written again, piece by piece."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import numpy as np

from ..pixels import Array, Block, Box, bundle, in_order, read, slices, tiles
from ..store import Holder, StoredBoxes, StoredCells, stored_array
from .allocator import give_back
from .job import BUNDLE_BYTES, Job, SentJob
from .plan import Margin, Pass, Piece, children, spans
from .progress import Meter
from .workers import TaskGroup, WorkerPool

KEEP_BYTES = 16 * 2**20  # an image from which on freed memory is kept
SMALL_BYTES = 2**17  # larger chunks go to the codec alone, which then needs no other thread than ours


def run_unit(
    job: Job | SentJob,
    pass_number: int,
    number: int,
    *after: Any,
    pool: WorkerPool | None = None,
    meter: Meter | None = None,
) -> int:
    """Read the box of one unit, write its part of every level of the pass, and note that it is done.

    Args:
        job: what the unit belongs to. pass_number: its pass. number: its number in the pass.
        after: ignored; what has to be done before (dask puts results of earlier tasks here).
        pool: the threads that work on its pieces. meter: counts the bytes of its base, piece by piece.
    """
    job = job.here()
    work = job.plan.passes[pass_number]
    share = _Share(meter, job.plan.bytes_in(f"{pass_number}-{number}"))
    if work.writes:
        _write_levels(job, pass_number, number, pool or WorkerPool(), share)
    else:
        box = job.plan.needs(work, number)[work.base]
        job.holder.write(job.spool, box, read(job.sources[work.base], box, job.dtype))
    if job.resumable:
        job.holder.note(f"{pass_number}-{number}")
    share.add(share.left)
    at_hand = work.reads == "given" and isinstance(job.sources[work.base], np.ndarray)
    if (pool is None or not at_hand) and work.task_bytes + work.piece_bytes > KEEP_BYTES:
        give_back()  # what is kept has gaps, where blocks of other sizes lay
    return 1


@attrs.define
class _Share:
    """Count the bytes of one unit, never more than it has."""

    meter: Meter | None
    left: int
    _lock: threading.Lock = attrs.field(init=False, factory=threading.Lock)

    def add(self, amount: int) -> None:
        with self._lock:
            amount = min(amount, self.left)
            self.left -= amount
        if self.meter is not None and amount:
            self.meter.add(amount)


def _write_levels(job: Job, pass_number: int, number: int, pool: WorkerPool, share: _Share) -> None:
    """Write what a unit owns of every level of its pass: piece by piece what is made from the base, then the rest."""
    plan = job.plan
    work = plan.passes[pass_number]
    own, need = plan.own(work, number), plan.needs(work, number)
    made = {k: _empty(job, need[k]) for k in children(work, plan.levels)}
    with TaskGroup(pool) as group:
        base = _base(job, pass_number, number, group, share)
        for piece in plan.pieces(work, number):
            group.add(partial(_piece, job, work, base, made, piece, pool, share))
        group.finish()
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
                group.add(partial(_write, job, k, made[k], box, pool))
        group.finish()


def _piece(
    job: Job, work: Pass, base: Any, made: Mapping[int, Block], piece: Piece, pool: WorkerPool, share: _Share
) -> None:
    """Read a piece of the base, write it where that is among the levels written, and make its part of the others."""
    plan = job.plan
    storage = job.copied.get(work.base) if base is job.sources.get(work.base) else None
    array, scratch, stored = stored_array(base) if storage else None, partial(pool.scratch, "seen"), None
    if array is None or storage is None:
        pixels = read(base, piece.seen, job.dtype, scratch)
    else:
        pixels = scratch([high - low for low, high in piece.seen], job.dtype)
        stored = StoredCells.of(array, storage, piece.own)
        stored.read(piece.seen, pixels, partial(pool.scratch, "chunk"), lambda box: read(base, tuple(box), job.dtype))
    if work.base in work.writes:
        for box in _bundles(job, work.base, piece.own):
            _write(job, work.base, Block(pixels, piece.seen), box, pool, stored)
    for k, box in piece.makes.items():
        reduction = spans(plan.levels[k], plan.levels[work.base], piece.seen, box)
        made[k][slices(box)][...] = plan.method.reduce(pixels, reduction)
    share.add(plan.bytes_of_box(piece.own) // (2 if work.held else 1))


def _bundles(job: Job, level: int, box: Box) -> Iterator[Box]:
    """Cut a box of a level into what is handed to the codec at once: a cell, or several where they are small.

    A store other than a folder gets all of it: each chunk takes time there, and Zarr waits for several at once.
    """
    if job.target.folder is None:
        return iter([box])
    cell, itemsize = job.plan.grids[level].cell, job.plan.itemsize
    return tiles(
        box, cell if math.prod(cell) * itemsize >= SMALL_BYTES else _bundle(cell, box, BUNDLE_BYTES // itemsize)
    )


def _bundle(cell: Sequence[int], box: Box, most: int) -> tuple[int, ...]:
    """Double a cell while it has at most so many pixels and is shorter than a box; whole cells in any case."""
    return bundle(cell, [-(-(high - low) // c) * c for (low, high), c in zip(box, cell, strict=True)], most)


def _base(job: Job, pass_number: int, number: int, group: TaskGroup, share: _Share) -> Any:
    """Return what the pieces of a unit read their base from; a base that is held is read here."""
    plan = job.plan
    work = plan.passes[pass_number]
    box, need = work.box(number, plan.levels[work.base].shape), plan.needs(work, number)[work.base]
    if work.reads == "given":
        source = job.sources[work.base]
        if not work.held:
            return source
        block = Block(read(source, need, job.dtype), need)
        share.add(plan.bytes_of_box(box) // 2)
        return block
    spooled = work.reads == "spool"
    stored = StoredBoxes(job.spool if spooled else job.arrays[work.base], whole=spooled)
    if not work.held:
        return stored
    block = _empty(job, need)
    margins = {margin.axis: (margin, array) for margin, array in job.margins.items() if margin.reader == pass_number}
    cell = plan.spool if plan.spool and spooled else plan.grids[work.base].cell
    there = box if margins else need
    for part in tiles(there, _bundle(cell, there, math.prod(work.piece))):
        group.add(partial(_fetch, stored, part, block, part, partial(share.add, plan.bytes_of_box(part) // 2)))
    for axis, (margin, array) in margins.items():
        for low, high in ((need[axis][0], box[axis][0]), (box[axis][1], need[axis][1])):
            if low < high:
                here = (*need[:axis], (low, high), *box[axis + 1 :])
                start = margin.place(low, high)
                there = (*need[:axis], (start, start + high - low), *box[axis + 1 :])
                group.add(partial(_fetch, StoredBoxes(array, whole=True), there, block, here))
    group.finish()
    return block


def _fetch(stored: StoredBoxes, there: Box, block: Block, here: Box, then: Callable[[], None] = lambda: None) -> None:
    """Read a box of an array of ours into a box of a block."""
    block[slices(here)][...] = stored[slices(there)]
    then()


def _empty(job: Job, box: Box) -> Block:
    return Block(np.empty([high - low for low, high in box], job.dtype), box)


def _write(job: Job, level: int, block: Block, box: Box, pool: WorkerPool, stored: StoredCells | None = None) -> None:
    """Write a box of a level, from memory in C order: a chunk that lies so by itself is not copied again.

    A store in memory may keep what it is given, if nothing is compressed, so that only files are written from buffers.
    """
    pixels = block[slices(box)]
    if stored is None:
        files = job.target.folder is not None
        pixels = in_order(pixels, job.dtype, partial(pool.scratch, "own")) if files else pixels.copy()
    job.holder.write(job.arrays[level], box, pixels, stored)
    for margin, array in job.margins.items():
        if margin.level == level:
            _keep(job.holder, margin, array, pixels, box)


def _keep(holder: Holder, margin: Margin, array: Any, pixels: Array, box: Box) -> None:
    """Write the part of a box that lies next to the cuts of a later pass into their margin."""
    axis = margin.axis
    for low, high in margin.halves(*box[axis]):
        start = margin.place(low, high)
        there = (*box[:axis], (start, start + high - low), *box[axis + 1 :])
        part = Block(pixels, box)[slices((*box[:axis], (low, high), *box[axis + 1 :]))]
        holder.write(array, there, part)
