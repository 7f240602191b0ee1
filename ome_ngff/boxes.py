"""Boxes of whatever has pixels: sliced, read, brought into C order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from . import storage
from .methods import Array
from .plan import Box, slices
from .sources import mapped_anew


@attrs.frozen(eq=False)
class Stored:
    """Let boxes of an array of ours be read, on the thread that reads them."""

    array: Any

    def __getitem__(self, box: tuple[slice, ...]) -> Any:
        return storage.read_box(self.array, [(s.start, s.stop) for s in box])


@attrs.frozen(eq=False)
class Block:
    """Hold the pixels of a box of an array; boxes inside that one can be read."""

    pixels: Any
    box: Box

    def __getitem__(self, inside: tuple[slice, ...]) -> Any:
        return self.pixels[
            tuple(slice(s.start - low, s.stop - low) for s, (low, _) in zip(inside, self.box, strict=True))
        ]


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
    return in_order(np.asarray(part), dtype, room)


def in_order(part: Array, dtype: np.dtype[Any], room: Callable[..., Array]) -> Array:
    """Give pixels in C order: as they are, or copied into the memory that `room` gives."""
    return part if part.flags.c_contiguous and part.dtype == dtype else _copy(part, dtype, room)


def _copy(part: Array, dtype: np.dtype[Any], room: Callable[..., Array]) -> Array:
    copy = room(part.shape, dtype)
    copy[...] = part
    return copy
