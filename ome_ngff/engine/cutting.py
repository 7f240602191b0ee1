"""How an image is cut into work: which passes, of which units, so that memory holds and nothing is read twice."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import attrs

from ..pixels import Box, Level, Method, Source, bundle
from ..store import Grid
from .margins import with_margins
from .plan import Pass, Plan, boxes_needed

SPOOL_CHUNK_BYTES = 2**20  # of those that are not read whole
_REMEMBERED = 2**24  # bytes of an image, at most
PIECE_BYTES = 8 * 2**20  # worked on at once, more where one cell has more


def make_plan(
    levels: Sequence[Level],
    grids: Sequence[Grid],
    method: Method,
    itemsize: int,
    sources: Mapping[int, Source],
    *,
    memory_target: int,
    task_target: int,
    workers: int,
    kept: Collection[int] = (),
    division: Sequence[Any] | None = None,
    spread: bool = False,
    piece_target: int = PIECE_BYTES,
    alike_target: int = PIECE_BYTES,
) -> Plan:
    """Cut the writing of a pyramid into passes and units; a small image like an earlier one is cut as that was.

    Args:
        levels: the levels of the pyramid, from `levels.levels`.
        grids: how each level is stored.
        method: how a level is made from its parent.
        itemsize: bytes per pixel.
        sources: the levels whose pixels are given, by number; at least level 0.
        memory_target: bytes that all tasks at once may hold; overstepped only where one cell alone needs more.
        task_target: bytes up to which a unit grows beyond the smallest possible.
        workers: the largest number of threads at once.
        kept: levels that are stored already and stay as they are.
        division: that of an earlier plan for the same image, whose units are taken over where they fit the memory.
        spread: whether many workers, each with one task at a time, share the units, so that these stay small.
        piece_target: bytes up to which a piece grows beyond one cell.
        alike_target: the same where the blocks of the source are cells, of which one by itself is decoded in place.
    """
    cutting = (
        tuple(levels),
        tuple(grids),
        method,
        itemsize,
        tuple(sources.items()),
        memory_target,
        task_target,
        workers,
        spread,
        piece_target,
        alike_target,
    )
    known = type(method).__module__ == Method.__module__  # of others, those that are equal may not be alike
    small = known and math.prod(levels[0].shape) * itemsize <= _REMEMBERED
    plan, drafts = (_planned if small else _planned.__wrapped__)(tuple(kept), *cutting)
    if plan.method is not method:
        plan = attrs.evolve(plan, method=method)
    if division is not None and plan.division != list(division):
        *divided, spool_chunks = division
        before = [drafts.pass_of(base, reads, tuple(writes), tuple(unit)) for base, reads, writes, unit in divided]
        if max((work.peak_bytes for work in before), default=0) <= max(memory_target, plan.peak_bytes):
            plan = attrs.evolve(plan, passes=tuple(before), spool=tuple(spool_chunks) if spool_chunks else None)
            return with_margins(plan, task_target)
    return plan


@lru_cache(maxsize=64)
def _planned(kept: Collection[int], *cutting: Any) -> tuple[Plan, _Drafts]:
    drafts = _Drafts(*cutting)
    passes, spool = drafts.passes(kept)
    given = frozenset(drafts.sources)
    plan = Plan(drafts.levels, drafts.grids, drafts.method, drafts.itemsize, given, tuple(passes), spool)
    return with_margins(plan, drafts.task_target), drafts


@attrs.frozen
class _Drafts:
    """Choose the passes; the parameters are those of `make_plan`."""

    levels: tuple[Level, ...]
    grids: tuple[Grid, ...]
    method: Method
    itemsize: int
    sources: Mapping[int, Source] = attrs.field(converter=dict)
    memory_target: int
    task_target: int
    workers: int
    spread: bool
    piece_target: int
    alike_target: int

    def passes(self, kept: Collection[int]) -> tuple[list[Pass], tuple[int, ...] | None]:
        """Plan all passes, and the chunks of the spool, where there is one."""
        todo = [k for k in range(len(self.levels)) if k not in kept]
        passes: list[Pass] = []
        spool = None
        while todo:
            first, made = todo[0], [k for k in todo if k not in self.sources]
            if first in self.sources:
                added, spool_chunks = self.given(first, self.sources[first], made)
                spool = spool_chunks or spool
            else:
                added = [self.stored(self.levels[first].parent, made)]
            passes += added
            written = {k for work in added for k in work.writes}
            todo = [k for k in todo if k not in written]
        return passes, spool

    def given(self, base: int, source: Source, others: Sequence[int]) -> tuple[list[Pass], tuple[int, ...] | None]:
        """Plan the pass that reads given pixels: each block of the source once, or else a spool of them."""
        if source.chunks is None:
            return [self._fused(base, "given", [base], others)], None
        shape = self.levels[base].shape
        blocks = tuple(_block(lengths) for lengths in source.chunks)
        halo = any(self.method.halo(f) for k in others if self.levels[k].parent == base for f in self.levels[k].steps)
        align = tuple(min(b, n) for b, n in zip(blocks, shape, strict=True))
        fused = self._fused(base, "given", [base], [] if halo else others, align)
        if fused.peak_bytes <= self.memory_target or fused.unit == self._smallest(base, [base]):
            return [fused], None
        work = self._fused(base, "spool", [base], [] if halo else others)
        unit = self._slabs(align, work.unit, shape)
        return [self.pass_of(base, "given", (), unit), work], self._spool_chunks(unit, work.unit, shape)

    def stored(self, base: int, others: Sequence[int]) -> Pass:
        """Plan a pass that starts from a level on disk."""
        return self._fused(base, "stored", [], others)

    def _fused(
        self, base: int, reads: Any, must: list[int], others: Sequence[int], align: tuple[int, ...] | None = None
    ) -> Pass:
        """Write as many levels at once as the memory has room for, in units grown to a good size.

        Where the base is not held, a unit needs little room, and its pieces keep all cores busy: it may be large, so
        that it writes many levels; but not where many workers share the units, or where the pixels have to be computed
        or fetched (`align`: in such blocks), all of which a resumed write would repeat. Where the base is held, there
        is room for two tasks. There always is for two pieces, so that no level costs the second core.
        """
        writes = list(must)
        for k in others:
            if self.levels[k].parent not in (base, *writes) or not self._divides(base, k):
                continue
            unit = self._smallest(base, [*writes, k], align)
            draft = self.pass_of(base, reads, (*writes, k), unit)
            two = min(self.workers, 2)
            free = self.memory_target - two * draft.piece_bytes
            if draft.held:
                fits = draft.task_bytes <= free // two
            else:
                most = self.task_target if self.spread or align else 2 * self.memory_target
                fits = draft.task_bytes <= free and math.prod(unit) * self.itemsize <= most
            if not writes or fits:
                writes.append(k)
        smallest = self._smallest(base, writes, align)
        return self.pass_of(base, reads, tuple(writes), self._grown(base, reads, writes, smallest))

    def _divides(self, base: int, level: int) -> bool:
        pairs = zip(self.levels[level].factors, self.levels[base].factors, strict=True)
        return all(f % g == 0 for f, g in pairs)

    def _smallest(self, base: int, writes: Sequence[int], align: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """Return the smallest unit that covers whole cells of every level written and whole blocks of the source."""
        unit = []
        for axis, length in enumerate(self.levels[base].shape):
            wanted = [align[axis]] if align else []
            for k in writes:
                step = self.levels[k].factors[axis] // self.levels[base].factors[axis]
                cell = self.grids[k].cell[axis]
                wanted.append(step * cell if cell < self.levels[k].shape[axis] else length)
            whole = any(w >= length for w in wanted)
            unit.append(length if whole else min(length, math.lcm(*wanted)))
        return tuple(unit)

    def _grown(self, base: int, reads: Any, writes: Sequence[int], unit: tuple[int, ...]) -> tuple[int, ...]:
        """Double a unit, the fastest axis first, while tasks stay small and every worker has several."""
        shape = self.levels[base].shape
        limit = min(self.task_target, self.memory_target // self.workers)
        for axis in reversed(range(len(unit))):
            while unit[axis] < shape[axis]:
                length = 2 * unit[axis] if 2 * unit[axis] < shape[axis] else shape[axis]
                length = length if length % unit[axis] == 0 or length == shape[axis] else shape[axis]
                longer = (*unit[:axis], length, *unit[axis + 1 :])
                few = math.prod(_counts(longer, shape)) < 4 * self.workers
                pixels = 2 * sum(map(_volume, self._need(base, writes, longer).values()))
                draft = self.pass_of(base, reads, tuple(writes), longer)
                if pixels * self.itemsize > (limit // 8 if few else limit) or draft.peak_bytes > self.memory_target:
                    break
                unit = longer
        return unit

    def _slabs(self, align: tuple[int, ...], unit: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
        """Join blocks of the source along the slowest axes while they divide the units that will read the spool."""
        slab = align
        for axis, length in enumerate(slab):
            while length < unit[axis] and unit[axis] % (2 * length) == 0:
                longer = (*slab[:axis], 2 * length, *slab[axis + 1 :])
                if 2 * math.prod(longer) * self.itemsize > min(self.task_target, self.memory_target // self.workers):
                    break
                length, slab = 2 * length, longer
        return tuple(min(s, n) for s, n in zip(slab, shape, strict=True))

    def _spool_chunks(self, slab: tuple[int, ...], unit: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
        """Cut slabs into the chunks of a spool: equal parts, of which the units that read them need the whole.

        Where they do not, what a unit needs a part of is decoded as a whole: such chunks are small.
        """
        chunks = [u if s % u == 0 or s >= n else s for s, u, n in zip(slab, unit, shape, strict=True)]
        cut = [i for i, (c, u, n) in enumerate(zip(chunks, unit, shape, strict=True)) if u % c and u < n]
        while cut and math.prod(chunks) * self.itemsize > SPOOL_CHUNK_BYTES:
            axis = max(cut, key=lambda i: chunks[i] / unit[i])
            part = next(c for c in range(chunks[axis] - 1, 0, -1) if chunks[axis] % c == 0) if chunks[axis] > 1 else 0
            if 8 * math.prod(chunks) // chunks[axis] * part * self.itemsize < SPOOL_CHUNK_BYTES:
                cut.remove(axis)
            else:
                chunks[axis] = part
        return tuple(min(c, n) for c, n in zip(chunks, shape, strict=True))

    def _need(self, base: int, writes: Sequence[int], unit: tuple[int, ...]) -> dict[int, Box]:
        """Return the boxes needed by a unit that has neighbours wherever any unit has."""
        starts = [u if n >= 2 * u else 0 for u, n in zip(unit, self.levels[base].shape, strict=True)]
        box = tuple((start, start + u) for start, u in zip(starts, unit, strict=True))
        return boxes_needed(box, base, writes, self.levels, self.method)

    def pass_of(self, base: int, reads: Any, writes: tuple[int, ...], unit: tuple[int, ...]) -> Pass:
        """Make a pass of a given unit.

        A task holds each box that it needs, and as much again for what is made of it, or for the blocks of a source or
        a spool that a base is put together from; a stored one is read into its place, piece by piece. The base is not
        held where any part of it can be read by itself: pixels in memory, and whole blocks and chunks where no
        neighbours are seen. A piece is held as it is read, as the codec takes or gives it and, where the base is
        written from pixels with neighbours, without these.
        """
        below = [k for k in writes if k != base and self.levels[k].parent == base]
        halo = max((self.method.halo(f) for k in below for f in self.levels[k].steps), default=0)
        blocks = self.sources[base].chunks if reads == "given" else None
        fetched = reads == "stored" or blocks is not None
        held = reads == "spool" or not writes or (halo > 0 and fetched)
        need, shape = self._need(base, writes, unit), self.levels[base].shape
        times = {base: (1 if reads == "stored" else 2) if held else 0}
        task_bytes = sum(times.get(k, 2) * _volume(box) for k, box in need.items()) * self.itemsize

        piece = self._piece(base, below, writes, unit, None if held else blocks)
        last = tuple((u * ((n - 1) // u), n) for u, n in zip(unit, shape, strict=True))
        seen_last = boxes_needed(last, base, writes, self.levels, self.method)[base]
        beyond = [
            max(halo, high - low - u, start - first)
            for (low, high), u, (start, _), (first, _) in zip(need[base], unit, last, seen_last, strict=True)
        ]
        seen = math.prod(min(p + 2 * b, n) for p, b, n in zip(piece, beyond, shape, strict=True))
        piece_bytes = (3 if halo and base in writes else 2) * seen * self.itemsize if writes else 0

        counts = _counts(unit, shape)
        tasks = min(self.workers, math.prod(counts))
        pieces_at_once = max(1, min(self.workers, (self.memory_target - task_bytes) // max(piece_bytes, 1)))
        free = self.memory_target - pieces_at_once * piece_bytes
        at_once = max(1, min(tasks, pieces_at_once, free // max(task_bytes, 1)))
        return Pass(base, reads, writes, unit, counts, piece, held, task_bytes, at_once, piece_bytes, pieces_at_once)

    def _piece(
        self, base: int, below: Sequence[int], writes: Sequence[int], unit: tuple[int, ...], blocks: Any
    ) -> tuple[int, ...]:
        """Return the length of pieces: whole cells of the base, blocks of the source, samples of the levels below."""
        lengths = []
        for axis, (length, n) in enumerate(zip(unit, self.levels[base].shape, strict=True)):
            wanted = [self.grids[base].cell[axis], *(self.levels[k].steps[axis] for k in below)]
            wanted += [_block(blocks[axis])] if blocks else []
            lengths.append(length if any(w >= n for w in wanted) else min(length, math.lcm(*wanted)))
        alike = blocks is not None and tuple(lengths) == self.grids[base].cell
        target = self.alike_target if alike else self.piece_target
        most = min(target // self.itemsize, math.prod(unit) // (2 * self.workers))
        return bundle(lengths, unit, most)


def _volume(box: Box) -> int:
    return math.prod(high - low for low, high in box)


def _counts(unit: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(-(-n // u) for u, n in zip(unit, shape, strict=True))


def _block(lengths: Sequence[int]) -> int:
    """Return the length of the blocks along an axis, or all of it where they are not alike."""
    *body, last = lengths
    alike = all(length == body[0] for length in body) and (not body or last <= body[0])
    return (body[0] if body else last) if alike else sum(lengths)
