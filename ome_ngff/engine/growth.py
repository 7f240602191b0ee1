"""How an image grows, as integers: its blocks, and what is stored behind its length."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import numpy as np

from ..pixels import Array, Box, Level, Method, slices, tiles
from ..store import Grid, Holder, LengthDocument, StoredBoxes, stored_behind, with_length
from .plan import seen_by, spans

MOST_CHUNKS = 2**20  # along an axis, which is what readers take


@attrs.frozen
class GrowthPlan:
    """Hold how an image grows, as integers.

    Attributes:
        levels: of the image; their lengths in time do not count. grids: how each is stored. method: how they are made.
        axis: number of the axis that grows. dtype: of the pixels. fill_values: of the levels.
    """

    levels: tuple[Level, ...]
    grids: tuple[Grid, ...]
    method: Method
    axis: int
    dtype: np.dtype[Any]
    fill_values: tuple[Any, ...]

    @property
    def depth(self) -> int:
        """Time points of a block: whole cells of every level."""
        return math.lcm(*(grid.cell[self.axis] for grid in self.grids))

    @property
    def alone(self) -> tuple[int, ...]:
        """Axes whose indices do not depend on each other; never those of a plane."""
        return tuple(
            axis
            for axis in range(len(self.levels[0].shape) - 2)
            if axis != self.axis
            and all(
                level.factors[axis] == grid.cell[axis] == 1 for level, grid in zip(self.levels, self.grids, strict=True)
            )
        )

    def box(self, level: int, key: Sequence[int], start: int, stop: int) -> Box:
        """Return the box of a level that a block has between two time points; `key` is its index along `alone`."""
        at = dict(zip(self.alone, key, strict=True))
        return tuple(
            (start, stop) if axis == self.axis else (at[axis], at[axis] + 1) if axis in at else (0, length)
            for axis, length in enumerate(self.levels[level].shape)
        )

    def keys(self) -> Iterator[tuple[int, ...]]:
        """Yield the keys of the blocks of a time."""
        return itertools.product(*(range(self.levels[0].shape[axis]) for axis in self.alone))

    def rehearse(self) -> None:
        """Make the first pixel of each level, of zeros, so that no frame waits for imports and compilers."""
        for level in self.levels[1:]:
            parent = self.levels[level.parent]
            first = tuple((0, 1) for _ in level.shape)
            have = seen_by(self.method, level, parent, first)
            zeros = np.zeros([stop - start for start, stop in have], self.dtype)
            self.method.reduce(zeros, spans(level, parent, have, first))

    def reduced(self, pixels: Array, key: Sequence[int]) -> list[Array]:
        """Return all levels of one time point of a block, given level 0; which one does not matter."""
        found = [pixels]
        for k, level in enumerate(self.levels[1:], start=1):
            have, want = self.box(level.parent, key, 0, 1), self.box(k, key, 0, 1)
            found.append(self.method.reduce(found[level.parent], spans(level, self.levels[level.parent], have, want)))
        return found


def trim(
    plan: GrowthPlan, arrays: Sequence[Any], documents: Sequence[LengthDocument], holder: Holder, length: int
) -> None:
    """Delete what is stored behind the time points that are complete; what chunks hold of it becomes the fill value."""
    put_lengths(holder, documents, length)
    for k, array in enumerate(endless(plan, arrays)):
        cell = plan.grids[k].cell
        row, rest = divmod(length, cell[plan.axis])
        for key in [*stored_behind(holder.target, documents[k].path, plan.axis, row + (rest > 0))]:
            holder.remove(key)
        if rest:
            whole = [(0, n) for n in plan.levels[k].shape]
            whole[plan.axis] = (row * cell[plan.axis], (row + 1) * cell[plan.axis])
            for box in tiles(tuple(whole), cell):
                pixels = np.array(StoredBoxes(array)[slices(box)], plan.dtype)
                pixels[(slice(None),) * plan.axis + (slice(rest, None),)] = plan.fill_values[k]
                holder.write(array, box, pixels)


def put_lengths(holder: Holder, documents: Sequence[LengthDocument], length: int) -> None:
    """Let all levels have a length, level 0 last."""
    for document in reversed(documents):
        holder.put(document.name, document.content(length))


def endless(plan: GrowthPlan, arrays: Sequence[Any]) -> list[Any]:
    """Return the levels as arrays into which any time point can be written."""
    return [
        with_length(array, plan.axis, MOST_CHUNKS * grid.cell[plan.axis])
        for array, grid in zip(arrays, plan.grids, strict=True)
    ]
