"""Images side by side as one: the fields of a well by their positions, the wells of a plate in their rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import InputError, OptionError, ScaleError
from ..pixels import LazyArray, Slices
from ..text import show, warn
from .values import NgffImage

OVERLAPS = ("last", "mean")
_MOST = 2**31  # pixels that fields may lie apart: no stage is that large
_WHOLE = 1e-3  # of a pixel, by which a position may miss a whole number of them without a word


@attrs.frozen(eq=False)
class Mosaic(LazyArray):
    """Lay arrays into one; a read touches those that it meets, and what none covers is 0.

    Attributes:
        parts: arrays, and where the first pixel of each lies. shape, chunks: of the whole. dtype: of all.
        mean: whether a pixel that several cover is their mean, not that of the last.
    """

    parts: tuple[tuple[tuple[int, ...], Any], ...] = attrs.field(repr=False)
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]
    mean: bool = False

    @property
    def origin(self) -> Any:
        first = self.parts[0][1]
        return getattr(first, "origin", first)

    def read(self, box: Slices) -> NDArray[Any]:
        shape = [part.stop - part.start for part in box]
        wide = np.dtype(np.float64 if self.dtype.kind == "f" else np.int64 if self.dtype.itemsize < 8 else object)
        out = np.zeros(shape, wide if self.mean else self.dtype)
        count = np.zeros(shape, np.int64) if self.mean else None
        for start, array in self.parts:
            low = [max(part.start, at) for part, at in zip(box, start, strict=True)]
            high = [min(part.stop, at + n) for part, at, n in zip(box, start, array.shape, strict=True)]
            if any(a >= b for a, b in zip(low, high, strict=True)):
                continue
            here = tuple(slice(a - s.start, b - s.start) for a, b, s in zip(low, high, box, strict=True))
            seen = np.asarray(array[tuple(slice(a - at, b - at) for a, b, at in zip(low, high, start, strict=True))])
            if count is None:
                out[here] = seen
            else:
                out[here] += seen.astype(wide)
                count[here] += 1
        return out if count is None else _divided(out, np.maximum(count, 1)).astype(self.dtype)


def _divided(total: NDArray[Any], count: NDArray[Any]) -> NDArray[Any]:
    """Return means; of integers exactly, rounded half to even."""
    if total.dtype.kind == "f":
        return np.asarray(total / count.astype(total.dtype))
    whole, rest = total // count, total % count
    return np.asarray(whole + ((2 * rest > count) | ((2 * rest == count) & (whole % 2 == 1))).astype(int))


def stitched(
    images: Sequence[NgffImage], overlap: Literal["last", "mean"] = "last", what: str = "the well"
) -> NgffImage:
    """Lay images by their positions into one, lazily; where they overlap, the last one wins, or the mean.

    Args:
        images: with the same axes, pixel sizes and type; their `translation` says where they lie. Positions between
            two pixels are rounded, with a warning. overlap: "last" or "mean". what: for messages.

    Raises:
        ScaleError: pixel sizes differ. InputError: the images do not fit, or nothing says where they lie.
    """
    if overlap not in OVERLAPS:
        raise OptionError(f"overlap is {' or '.join(OVERLAPS)} (got {show(overlap)}).")
    first = images[0]
    _refuse_different(images, what)
    if overlap == "mean" and first.data.dtype.kind == "b":
        raise OptionError(f"{what} has fields of bool, which have no mean; pass overlap='last'.")
    dims, ndim = first.dims, len(first.dims)
    moved = [i for i, name in enumerate(dims) if name in "zyx"]
    scale, places = (first.scale or {}), [[0.0] * ndim for _ in images]
    for i in moved:
        known = [dims[i] in (image.translation or {}) for image in images]
        if any(known) and not all(known):
            raise InputError(
                f"Nothing says where {known.count(False)} of the {len(images)} fields of {what} lie along {dims[i]}; "
                f"give {dims[i]} of each, as a column of a manifest."
            )
        for image, place in zip(images, places, strict=True):
            place[i] = (image.translation or {}).get(dims[i], 0.0) / scale.get(dims[i], 1.0)
    least = [min(column) for column in zip(*places, strict=True)]
    exact = np.array(places) - least
    if not (exact < _MOST).all():
        raise InputError(f"The fields of {what} lie up to {exact.max():g} pixels apart; compare units and pixel sizes.")
    starts = np.rint(exact).astype(int)
    if len(images) > 1 and not starts.any():
        raise InputError(
            f"Nothing says where the {len(images)} fields of {what} lie: all have the same position. Give x and y of "
            "each, as columns of a manifest."
        )
    if len({*map(tuple, starts.tolist())}) < len(images):
        warn(f"Some of the {len(images)} fields of {what} have the same position, so that one hides the other.")
    missed = float(np.abs(exact - starts).max())
    if missed > _WHOLE:
        warn(f"The positions of the fields of {what} were rounded to whole pixels, by up to {missed:.2f} of one.")
    parts = tuple((tuple(map(int, start)), image.data) for start, image in zip(starts, images, strict=True))
    shape = tuple(max(start[i] + int(array.shape[i]) for start, array in parts) for i in range(ndim))
    chunks = tuple(max(int(image.data.shape[i]) for image in images) if i >= ndim - 2 else 1 for i in range(ndim))
    corner = {dims[i]: least[i] * scale.get(dims[i], 1.0) for i in moved}
    data = Mosaic(parts, shape, first.data.dtype, chunks, overlap == "mean")
    return attrs.evolve(first, data=data, translation={**(first.translation or {}), **corner})


def _refuse_different(images: Sequence[NgffImage], what: str) -> None:
    first = images[0]
    for image in images[1:]:
        kinds = [
            f"{each.data.dtype} with "
            + ", ".join(f"{d} {n}" if d in "tc" else d for d, n in zip(each.dims, each.data.shape, strict=True))
            for each in (first, image)
        ]
        if kinds[0] != kinds[1]:
            raise InputError(f"The fields of {what} are not parts of one image: {kinds[0]}, and {kinds[1]}.")
        for name in first.dims:
            mine, other = ((each.scale or {}).get(name, 1.0) for each in (first, image))
            units = [(each.axes_units or {}).get(name) for each in (first, image)]
            if not math.isclose(mine, other, rel_tol=1e-6) or units[0] != units[1]:
                shown = " and ".join(
                    f"{n:g} {unit or ''}".strip() for n, unit in zip((mine, other), units, strict=True)
                )
                raise ScaleError(f"The fields of {what} have pixels of different sizes ({name}: {shown}).")


def montage(tiles: Sequence[tuple[int, int, NgffImage]], rows: int, columns: int, name: str) -> NgffImage:
    """Lay images into a grid of rows and columns, lazily; smaller ones lie in the upper left of their place.

    Args:
        tiles: row, column and image. rows, columns: of the grid. name: of the whole.

    Raises:
        InputError: the images have other axes.
    """
    first = tiles[0][2]
    if any(image.dims != first.dims for _, _, image in tiles):
        dims = dict.fromkeys(",".join(image.dims) for _, _, image in tiles)
        raise InputError(f"{name} has images of different axes ({' and '.join(dims)}), which make no picture together.")
    y, x = (first.dims.index(d) for d in "yx")
    size = [max(lengths) for lengths in zip(*(image.data.shape for _, _, image in tiles), strict=True)]
    dtype = np.result_type(*(image.data.dtype for _, _, image in tiles))
    shape = tuple(n * (rows if i == y else columns if i == x else 1) for i, n in enumerate(size))
    parts = tuple(
        (tuple(row * size[y] if i == y else column * size[x] if i == x else 0 for i in range(len(size))), image.data)
        for row, column, image in tiles
    )
    data = Mosaic(parts, shape, dtype, tuple(n if i in (y, x) else 1 for i, n in enumerate(size)))
    c = size[first.dims.index("c")] if "c" in first.dims else 1
    named = max((image for _, _, image in tiles), key=lambda image: len(image.channel_names or ()))
    if len(named.channel_names or ()) != c:
        named = attrs.evolve(named, channel_names=None, channel_colors=None)
    names, colors = named.channel_names, named.channel_colors
    return attrs.evolve(first, data=data, name=name, translation=None, channel_names=names, channel_colors=colors)
