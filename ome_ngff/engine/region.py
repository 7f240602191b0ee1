"""What a changed box of level 0 touches of every level, as values: integers only, no pixels and no disk."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import attrs

from ..pixels import Box, Level, Method, bundle, tiles
from ..store import Grid
from .plan import seen_by


@attrs.frozen
class Touched:
    """What changes of one level.

    Attributes:
        box: the pixels that may change. cells: the box of all cells that hold any of them, up to the end of the level.
    """

    box: Box
    cells: Box


@attrs.frozen
class RegionPlan:
    """The change of a box of level 0, as far as it reaches.

    Attributes:
        levels: of the pyramid. grids: how each is stored. method: how each is made of its parent.
        touched: what changes, by the number of the level; levels of which nothing does are left out.
    """

    levels: tuple[Level, ...]
    grids: tuple[Grid, ...]
    method: Method
    touched: dict[int, Touched]

    @classmethod
    def of(cls, levels: Sequence[Level], grids: Sequence[Grid], method: Method, box: Box) -> RegionPlan:
        """Follow a box of level 0 through the pyramid: which samples see a pixel of it, and of these, and so on."""
        found: dict[int, Touched] = {}
        for k, (level, grid) in enumerate(zip(levels, grids, strict=True)):
            parent = found.get(level.parent) if k else None
            if k and parent is None:
                continue
            here = box if parent is None else _reached(method, level, parent.box)
            if all(low < high for low, high in here):
                found[k] = Touched(here, _whole(here, grid.cell, level.shape))
        return cls(tuple(levels), tuple(grids), method, found)

    def units(self, number: int, most: int) -> Iterator[Box]:
        """Cut the touched cells of a level into boxes of whole cells, of at most so many pixels if a cell has less."""
        cell, cells = self.grids[number].cell, self.touched[number].cells
        lengths = [-(-(high - low) // c) * c for (low, high), c in zip(cells, cell, strict=True)]
        return tiles(cells, bundle(cell, lengths, most))

    def cells(self, number: int) -> Iterator[tuple[int, ...]]:
        """Yield the places in the grid of the cells of a level that are touched."""
        spans = zip(self.touched[number].cells, self.grids[number].cell, strict=True)
        return itertools.product(*(range(low // c, -(-high // c)) for (low, high), c in spans))

    def sees(self, number: int, box: Box) -> Box:
        """Return the box of the parent that a box of a level is made from."""
        return seen_by(self.method, self.levels[number], self.levels[self.levels[number].parent], box)

    @property
    def pixels(self) -> int:
        """Number of pixels in all cells that are touched."""
        return sum(math.prod(high - low for low, high in touched.cells) for touched in self.touched.values())


def _reached(method: Method, level: Level, box: Box) -> Box:
    """Return the samples of a level that see pixels of a box of its parent."""
    found = []
    for (low, high), f, n in zip(box, level.steps, level.shape, strict=True):
        halo = method.halo(f)
        found.append((max(0, (low - halo) // f), min(n, -(-(high + halo) // f))))
    return tuple(found)


def _whole(box: Box, cell: Sequence[int], shape: Sequence[int]) -> Box:
    return tuple((low // c * c, min(-(-high // c) * c, n)) for (low, high), c, n in zip(box, cell, shape, strict=True))


def common(one: Box, other: Box) -> Box | None:
    """Return the box that is in both; None where there is none."""
    found = tuple((max(a, c), min(b, d)) for (a, b), (c, d) in zip(one, other, strict=True))
    return found if all(low < high for low, high in found) else None


def around(box: Box, inner: Box) -> Iterator[Box]:
    """Cut what a box has outside of one that is inside of it into boxes, along the planes of that one's faces."""
    for axis, ((low, high), (first, stop)) in enumerate(zip(box, inner, strict=True)):
        for part in ((low, first), (stop, high)):
            if part[0] < part[1]:
                yield (*inner[:axis], part, *box[axis + 1 :])
