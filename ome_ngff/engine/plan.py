"""An image cut into work, as values: integers only, no pixels and no disk. `cutting` makes them.

A *unit* is a box of one level, the base, that one task reads once. It covers whole cells (chunks, or shards where
there are any) of every level that the task writes, so no cell is ever touched by two tasks. A *pass* is the set of
units that reads its base once and writes some levels; later passes start from a level that is stored already.

A unit is worked on in *pieces*, each of which is read, written and reduced by one thread. Where pieces cannot be
read one by one, the base of the unit is *held*: read whole, and then cut into pieces.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import attrs

from ..pixels import Box, Level, Method, Span, tiles, union
from ..store import Grid
from ..text import by, size


@attrs.frozen
class Pass:
    """One reading of a level, and the writing of others.

    Attributes:
        base: number of the level that the units are boxes of.
        reads: "given" pixels, the "spool" that a pass before filled with them, or the "stored" level.
        writes: numbers of the levels written; none where the pass fills the spool.
        unit: length of a unit per axis, in pixels of the base.
        counts: number of units per axis.
        piece: length per axis of the parts of a unit that are read, written and reduced one by one; whole cells.
        held: whether the box of a unit is read whole before it is cut into pieces.
        task_bytes: what one task may hold at its peak, apart from the pieces.
        at_once: number of tasks that run at the same time.
        piece_bytes: what the work on one piece holds.
        pieces_at_once: number of pieces, of all tasks, that are worked on at the same time.
    """

    base: int
    reads: Literal["given", "spool", "stored"]
    writes: tuple[int, ...]
    unit: tuple[int, ...]
    counts: tuple[int, ...]
    piece: tuple[int, ...]
    held: bool
    task_bytes: int
    at_once: int
    piece_bytes: int
    pieces_at_once: int

    def __len__(self) -> int:
        return math.prod(self.counts)

    @property
    def peak_bytes(self) -> int:
        """What all tasks and pieces that are worked on at once may hold together."""
        return self.at_once * self.task_bytes + self.pieces_at_once * self.piece_bytes

    def number(self, index: Sequence[int]) -> int:
        """Return the number of the unit that is so far along each axis."""
        number = 0
        for at, count in zip(index, self.counts, strict=True):
            number = number * count + at
        return number

    def box(self, number: int, shape: Sequence[int]) -> Box:
        """Return the box of a unit, in pixels of the base, whose shape is `shape`."""
        index = []
        for count in reversed(self.counts):
            number, at = divmod(number, count)
            index.append(at)
        return tuple((i * u, min((i + 1) * u, n)) for i, u, n in zip(reversed(index), self.unit, shape, strict=True))


@attrs.frozen
class Piece:
    """Part of a unit that is worked on at once.

    Attributes:
        own: the box of the base that it covers; whole cells.
        seen: the box of the base that is read for it.
        makes: the boxes that it makes, of the levels whose parent is the base, by their numbers.
    """

    own: Box
    seen: Box
    makes: dict[int, Box]


@attrs.frozen
class Margin:
    """Pixels kept next to a stored level: those close to where a later pass cuts it along one axis.

    A unit that filters sees a few pixels of its neighbours. Out of the level itself these would cost the decoding of
    whole chunks, up to eight times the pixels in a volume; out of the margins they cost themselves. For cut number j,
    counted from 1, the margin holds `width` pixels before it, then `width` pixels behind it.

    Attributes:
        reader: number of the pass that reads it. level: the level it belongs to. axis: the axis that is cut.
        period: distance of the cuts. width: pixels on either side. cuts: how many there are.
    """

    reader: int
    level: int
    axis: int
    period: int
    width: int
    cuts: int

    def shape(self, level: Level) -> tuple[int, ...]:
        return (*level.shape[: self.axis], 2 * self.width * self.cuts, *level.shape[self.axis + 1 :])

    def chunks(self, grid: Grid) -> tuple[int, ...]:
        """Return chunks each of which belongs to one cell of the level."""
        return (*grid.cell[: self.axis], self.width, *grid.cell[self.axis + 1 :])

    def place(self, low: int, high: int) -> int:
        """Return where the pixels [low, high) of the axis, all on one side of a cut, start in the margin."""
        after = -(-high // self.period)
        if after <= self.cuts and low >= after * self.period - self.width:
            return 2 * self.width * (after - 1) + low - (after * self.period - self.width)
        cut = low // self.period
        return 2 * self.width * (cut - 1) + self.width + low - cut * self.period

    def halves(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """Yield the intervals of the axis inside [low, high) that the margin holds."""
        for cut in range(max(1, low // self.period), min(self.cuts, high // self.period + 1) + 1):
            at = cut * self.period
            for a, b in ((at - self.width, at), (at, at + self.width)):
                if max(a, low) < min(b, high):
                    yield max(a, low), min(b, high)


@attrs.frozen
class Plan:
    """A whole write, as all that the engine needs to know of it; `str` puts it into words.

    Attributes:
        levels: the levels of the pyramid. grids: how each is stored. method: how levels are made.
        itemsize: bytes per pixel.
        given: numbers of the levels whose pixels are given; the others are made.
        passes: in the order in which they run.
        spool: chunks of the temporary array, where the source has to be spooled.
        margins: what is kept for passes that look at neighbours.
    """

    levels: tuple[Level, ...]
    grids: tuple[Grid, ...]
    method: Method
    itemsize: int
    given: frozenset[int]
    passes: tuple[Pass, ...]
    spool: tuple[int, ...] | None = None
    margins: tuple[Margin, ...] = ()

    @property
    def units(self) -> int:
        return sum(len(p) for p in self.passes)

    @property
    def bytes_read(self) -> int:
        """Size of the pixels that all passes read, before compression."""
        return sum(self.bytes_of(work.base) for work in self.passes)

    def bytes_in(self, unit: str) -> int:
        """Return the bytes of pixels that a unit, named "pass-number", reads of its own."""
        number, _, i = unit.partition("-")
        work = self.passes[int(number)]
        return self.bytes_of_box(work.box(int(i), self.levels[work.base].shape))

    def bytes_of_box(self, box: Box) -> int:
        return math.prod(high - low for low, high in box) * self.itemsize

    @property
    def division(self) -> list[Any]:
        """Passes and spool as JSON, by which a resumed write goes on with the same units."""
        passes = [[work.base, work.reads, list(work.writes), list(work.unit)] for work in self.passes]
        return [*passes, list(self.spool) if self.spool else None]

    @property
    def peak_bytes(self) -> int:
        return max((work.peak_bytes for work in self.passes), default=0)

    def bytes_of(self, level: int) -> int:
        return math.prod(self.levels[level].shape) * self.itemsize

    def own(self, work: Pass, number: int) -> dict[int, Box]:
        """Return the box of each level that a unit owns, in that level's pixels."""
        base = self.levels[work.base]
        box = work.box(number, base.shape)
        return {k: _project(box, base, self.levels[k]) for k in work.writes}

    def needs(self, work: Pass, number: int) -> dict[int, Box]:
        """Return the box of each level that a unit has to hold, the base included: what it owns, and neighbours."""
        return boxes_needed(
            work.box(number, self.levels[work.base].shape), work.base, work.writes, self.levels, self.method
        )

    def awaits(self, pass_number: int, number: int) -> Iterator[tuple[int, int]]:
        """Yield the units, each with its pass, that have to be done before a unit can read what they have stored."""
        work = self.passes[pass_number]
        if work.reads == "given":
            return
        box, factors = self.needs(work, number)[work.base], self.levels[work.base].factors
        for earlier, before in enumerate(self.passes[:pass_number]):
            if work.base in before.writes if work.reads == "stored" else not before.writes:
                steps = (f // g for f, g in zip(factors, self.levels[before.base].factors, strict=True))
                touched = [
                    range(low * f // unit, min(-(-high * f // unit), count))
                    for (low, high), f, unit, count in zip(box, steps, before.unit, before.counts, strict=True)
                ]
                for index in itertools.product(*touched):
                    yield earlier, before.number(index)

    def pieces(self, work: Pass, number: int) -> Iterator[Piece]:
        """Cut a unit: its pieces tile its box of the base, and all that the unit needs of the levels made of that."""
        base, need = self.levels[work.base], self.needs(work, number)
        unit = work.box(number, base.shape)
        for own in tiles(unit, work.piece):
            seen, makes = own, {}
            for k in children(work, self.levels):
                steps = self.levels[k].steps
                makes[k] = tuple(
                    (a if low == start else low // f, b if high == stop else high // f)
                    for (low, high), (start, stop), (a, b), f in zip(own, unit, need[k], steps, strict=True)
                )
                seen = union(seen, seen_by(self.method, self.levels[k], base, makes[k]))
            yield Piece(own, seen, makes)

    def __str__(self) -> str:
        rows = []
        for number, work in enumerate(self.passes):
            what = "the spool" if not work.writes else f"levels {', '.join(map(str, work.writes))}"
            source = {"given": "the source", "spool": "the spool", "stored": "the stored level"}[work.reads]
            written = sum(self.bytes_of(k) for k in work.writes) or self.bytes_of(work.base)
            rows.append(
                f"pass {number + 1}: {_units(len(work))} of {by(work.unit)}, {work.at_once} at once, "
                f"in pieces of {by(work.piece)}, {work.pieces_at_once} at once; "
                f"reads {size(self.bytes_of(work.base))} of level {work.base} from {source}, "
                f"writes {size(written)} of {what}; {size(work.peak_bytes)} at most"
            )
        total = sum(self.bytes_of(k) for k in range(len(self.levels)))
        rows.append(
            f"total: {_units(self.units)}, reads {size(self.bytes_read)}, writes {size(total)} before compression, "
            f"peak memory {size(self.peak_bytes)}"
        )
        return "\n".join(rows)


def _units(count: int) -> str:
    return f"{count} unit{'s' * (count != 1)}"


def _project(box: Box, base: Level, level: Level) -> Box:
    """Return the part of a coarser level that belongs to a box of the base."""
    steps = (f // g for f, g in zip(level.factors, base.factors, strict=True))
    return tuple((low // f, min(-(-high // f), n)) for (low, high), f, n in zip(box, steps, level.shape, strict=True))


def boxes_needed(box: Box, base: int, writes: Sequence[int], levels: Sequence[Level], method: Method) -> dict[int, Box]:
    """Walk from the coarsest level written to the base, and widen each parent by what its child looks at."""
    need = {k: _project(box, levels[base], levels[k]) for k in writes}
    need.setdefault(base, box)
    for k in sorted((k for k in writes if k != base), reverse=True):
        level, parent = levels[k], levels[levels[k].parent]
        seen = seen_by(method, level, parent, need[k])
        need[level.parent] = union(need.get(level.parent, seen), seen)
    return need


def seen_by(method: Method, level: Level, parent: Level, box: Box) -> Box:
    """Return the box of the parent that a box of a level is made from."""
    return tuple(
        method.needs(f, n, low, high) for f, n, (low, high) in zip(level.steps, parent.shape, box, strict=True)
    )


def children(work: Pass, levels: Sequence[Level]) -> list[int]:
    """Return the levels written by a pass that are made from its base."""
    return [k for k in work.writes if k != work.base and levels[k].parent == work.base]


def spans(level: Level, parent: Level, have: Box, want: Box) -> list[Span]:
    """Return how a block of the parent that covers `have` is reduced to the box `want` of a level."""
    return [
        Span(factor=f, size=n, start=low, first=first, count=stop - first)
        for f, n, (low, _), (first, stop) in zip(level.steps, parent.shape, have, want, strict=True)
    ]
