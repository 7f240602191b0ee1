"""The new cells of an image of which a box changes: level by level, unit by unit, next to the image.

Nothing of the image changes here. A cell of a level that changes in part is read, the rest is left alone; pixels that
others are made from come from memory where the touched cells of their level have room there, and else are read again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs
import numpy as np

from ..config import config
from ..pixels import Array, Block, Box, slices, tiles
from ..store import folder_of, read_box, write_box
from .job import BUNDLE_BYTES
from .plan import spans
from .progress import Meter, Progress, metered
from .region import RegionPlan, around, common
from .units import SMALL_BYTES
from .workers import TaskGroup, WorkerPool

AWAY_BYTES = 32 * 2**20  # of a unit of a store that is not a folder


@attrs.frozen(eq=False)
class Mending:
    """What is needed to make the new cells.

    Attributes:
        plan: which. dtype: of all levels.
        stored: the levels as they are. ready: arrays like them, by number, that get the new cells.
        given: returns the new pixels of a box of level 0, inside of the one that changes.
    """

    plan: RegionPlan
    dtype: np.dtype[Any]
    stored: Mapping[int, Any]
    ready: Mapping[int, Any]
    given: Callable[[Box], Array]

    def run(self, progress: Progress) -> None:
        """Make the new cells of all levels."""
        held: dict[int, Block] = {}
        free = config.memory_target // 4
        with metered(progress, 0, self.plan.pixels * self.dtype.itemsize, "updating") as meter:
            for k, touched in self.plan.touched.items():
                lengths = [high - low for low, high in touched.cells]
                size = math.prod(lengths) * self.dtype.itemsize
                if size <= free and any(level.parent == k for level in self.plan.levels[k + 1 :]):
                    held[k], free = Block(np.empty(lengths, self.dtype), touched.cells), free - size
                self._each(k, partial(self._unit, k, held, meter))

    def unlike(self) -> int | None:
        """Return the first level that is, as stored, not what the method makes of its parent there; None for none."""
        found: list[int] = []
        for k in self.plan.touched:
            if k and not found:
                self._each(k, partial(self._compare, k, found))
        return found[0] if found else None

    def _each(self, k: int, work: Callable[[Box], None]) -> None:
        """Do some work for all units of a level, several at once."""
        cell = math.prod(self.plan.grids[k].cell) * self.dtype.itemsize
        folder = folder_of(self.stored[k].store) is not None
        most = cell if folder and cell >= SMALL_BYTES else BUNDLE_BYTES if folder else AWAY_BYTES
        step = math.prod(self.plan.levels[k].steps)
        unit_bytes = (3 + 2 * step) * max(cell, most)
        count = max(1, min(config.workers, config.memory_target // (2 * unit_bytes)))
        with WorkerPool(count - 1, joined=True) as pool, TaskGroup(pool) as group:
            for box in self.plan.units(k, most // self.dtype.itemsize):
                group.add(partial(work, box))
            group.finish()

    def _unit(self, k: int, held: Mapping[int, Block], meter: Meter, unit: Box) -> None:
        changed = common(unit, self.plan.touched[k].box)
        assert changed is not None
        block = Block(np.empty([high - low for low, high in unit], self.dtype), unit)
        for cell in tiles(unit, self.plan.grids[k].cell) if changed != unit else ():
            if common(cell, changed) != cell:
                block[slices(cell)][...] = read_box(self.stored[k], cell)
        block[slices(changed)][...] = self.given(changed) if k == 0 else self._made(k, changed, held)
        if k in held:
            held[k][slices(unit)][...] = block.pixels
        write_box(self.ready[k], unit, block.pixels)
        meter.add(block.pixels.nbytes)

    def _made(self, k: int, box: Box, held: Mapping[int, Block]) -> Array:
        """Make a box of a level of what its parent will be."""
        parent, seen = self.plan.levels[k].parent, self.plan.sees(k, box)
        pixels = self._read(parent, seen, held)
        made: Array = self.plan.method.reduce(pixels, spans(self.plan.levels[k], self.plan.levels[parent], seen, box))
        return made

    def _read(self, k: int, box: Box, held: Mapping[int, Block]) -> Array:
        inner = common(box, self.plan.touched[k].cells)
        if inner == box and k in held:
            found: Array = held[k][slices(box)]
            return found
        block = Block(np.empty([high - low for low, high in box], self.dtype), box)
        for part in [box] if inner is None else around(box, inner):
            block[slices(part)][...] = read_box(self.stored[k], part)
        if inner is not None:
            block[slices(inner)][...] = held[k][slices(inner)] if k in held else read_box(self.ready[k], inner)
        pixels: Array = block.pixels
        return pixels

    def _compare(self, k: int, found: list[int], unit: Box) -> None:
        box = common(unit, self.plan.touched[k].box)
        if found or box is None:
            return
        level, seen = self.plan.levels[k], self.plan.sees(k, box)
        pixels = np.asarray(read_box(self.stored[level.parent], seen)).astype(self.dtype, copy=False)
        made = self.plan.method.reduce(pixels, spans(level, self.plan.levels[level.parent], seen, box))
        there = np.asarray(read_box(self.stored[k], box))
        if not np.array_equal(made, there, equal_nan=self.dtype.kind == "f"):
            found.append(k)
