"""Planes of a level: which axis is which, how large a picture becomes, and the lazy plane that is seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from ..exceptions import InputError
from ..pixels import Array, as_dask
from ..spec import in_meters
from .protocols import ImageLike, PyramidLike

SIZE = 512  # pixels that the longer side of a picture has at least
_STRETCH = 20  # pixel sizes of y and x that differ by more are taken for a mistake
_ROLES = {"space": "z", "channel": "c", "time": "t"}


@attrs.frozen(eq=False)
class Plane:
    """A level whose axes are told apart.

    Attributes:
        level: the image. at: dimension of "y", "x" and, where there are such, "z", "c" and "t".
        full: lengths of level 0. chunks: lengths of a chunk, by name of the axis.
    """

    level: ImageLike
    at: Mapping[str, int]
    full: tuple[int, ...]
    chunks: Mapping[str, int]

    @classmethod
    def of(cls, image: PyramidLike, number: int) -> Plane:
        """Take a level of a pyramid.

        Raises:
            InputError: it has less than two dimensions, or pixels that are not numbers.
        """
        level, axes = image.images[number], image.metadata.axes
        if level.data.ndim < 2 or level.data.dtype.kind not in "biuf":
            raise InputError(
                f"A picture needs two dimensions of numbers (got {level.data.ndim} of {level.data.dtype})."
            )
        space = [i for i, axis in enumerate(axes) if axis.type == "space"]
        if {"y", "x"} <= set(level.dims):
            y, x = level.dims.index("y"), level.dims.index("x")
        else:
            y, x = space[-2:] if len(space) > 1 else (level.data.ndim - 2, level.data.ndim - 1)
        at = {"y": y, "x": x}
        for i, axis in enumerate(axes):
            if i not in (y, x) and axis.type in _ROLES:
                at.setdefault(_ROLES[axis.type], i)
        return cls(level, at, tuple(image.images[0].data.shape), image.chunks or {})

    def length(self, role: str) -> int:
        """Return the number of pixels along an axis; 1 where there is no such axis."""
        return int(self.level.data.shape[self.at[role]]) if role in self.at else 1

    def pixel(self, role: str) -> tuple[float, str | None]:
        """Return the size of a pixel, and its unit."""
        return pixel_size(self.level, self.level.dims[self.at[role]])

    @property
    def sides(self) -> tuple[float, float]:
        """Height and width in square pixels of the smaller of the two sizes."""
        high, wide = stretches(self.pixel("y"), self.pixel("x"))
        return self.length("y") * high, self.length("x") * wide

    def picture(self, *, shrink: bool, size: int = SIZE) -> tuple[int, int]:
        """Return the height and width of its picture: what is small is enlarged by a whole factor.

        Args:
            shrink: whether a large one is shrunk by a whole factor, to less than twice `size`.
            size: pixels that the longer side has at least, as far as whole factors allow.
        """
        longer = max(self.sides)
        zoom = max(1.0, size // longer)
        if shrink and longer >= size:
            zoom = 1 / (longer // size)
        high, wide = (max(1, round(side * zoom)) for side in self.sides)
        return high, wide

    def bytes_read(self, projection: str, channels: int = 1) -> int:
        """Estimate how much has to be decoded, in bytes."""
        chunk = self.chunks.get(self.level.dims[self.at["z"]], 1) if "z" in self.at else 1
        deep = self.length("z") if projection == "max" else min(chunk, self.length("z"))
        return int(self.length("y") * self.length("x") * deep * channels * self.level.data.dtype.itemsize)

    def volume(self, *, time: int, channel: int = 0, depth: int | None = None) -> Any:
        """Return a lazy channel at a time point, of shape (z, y, x); (y, x) where a depth is said or there is none."""
        data = as_dask(self.level.data)
        picks = {"t": min(time, self.length("t") - 1), "c": min(channel, self.length("c") - 1)}
        picks |= {} if depth is None else {"z": depth}
        kept = [self.at[role] for role in "zyx" if role in self.at and role not in picks]
        box = {self.at[role]: index for role, index in picks.items() if role in self.at}
        seen = data[tuple(slice(None) if i in kept else box.get(i, 0) for i in range(data.ndim))]
        return seen.transpose([sorted(kept).index(i) for i in kept])

    def read(self, *, time: int, channel: int = 0, depth: int | None = None) -> Any:
        """Return the lazy plane, of shape (y, x): the greatest values along z, or the plane at a depth."""
        seen = self.volume(time=time, channel=channel, depth=depth)
        return brightest(seen, 0) if seen.ndim == 3 else seen

    def reach(self, role: str, image: Plane) -> tuple[float, float]:
        """Lay this level under another image, along an axis.

        Where both have the same length at level 0 they lie on each other, else where their transformations put them.

        Returns:
            Where the image starts, and how long it is, in pixels of this level.
        """
        if self.full[self.at[role]] == image.full[image.at[role]]:
            return 0.0, float(self.length(role))
        (step, start), (own_step, own_start) = image._edge(role), self._edge(role)
        return (start - own_start) / own_step, image.length(role) * step / own_step

    def under(self, role: str, image: Plane, shares: Array) -> Array:
        """Find the pixels of this level under places of another image.

        Args:
            role: the axis. image: the other one. shares: places in it, from 0 to 1 across it.

        Returns:
            An index for each place, -1 outside.
        """
        if role not in image.at:
            return np.full(shares.shape, self.length(role) // 2)
        start, length = self.reach(role, image)
        found = np.floor(start + shares * length + 1e-6)
        return np.where((found >= 0) & (found < self.length(role)), found, -1).astype(int)

    def _edge(self, role: str) -> tuple[float, float]:
        """Return the size of a pixel and the position of the outer edge of the first one, in metres where possible."""
        size, unit = self.pixel(role)
        start = (self.level.translation or {}).get(self.level.dims[self.at[role]], 0.0)
        return in_meters(size, unit), in_meters(start - size / 2, unit)


def pixel_size(level: ImageLike, name: str) -> tuple[float, str | None]:
    """Return the size of a pixel along an axis, and its unit; 1 where it is none that can be drawn."""
    size = abs((level.scale or {}).get(name, 1.0))
    return size if 0 < size < math.inf else 1.0, (level.axes_units or {}).get(name)


def stretches(*pixel: tuple[float, str | None]) -> tuple[float, float]:
    """Return height and width of a pixel, of which the smaller is 1; a square where they differ too much."""
    high, wide = (in_meters(*each) for each in pixel)
    if not 1 / _STRETCH < high / wide < _STRETCH:
        high = wide
    return high / min(high, wide), wide / min(high, wide)


def brightest(seen: Any, axis: int) -> Any:
    """Return the greatest values of a lazy volume along an axis, and no NaN where there is a number."""
    import dask.array as da

    return da.reduction(seen, _greatest, _greatest, axis=axis, dtype=seen.dtype, meta=np.empty((0, 0), seen.dtype))


def _greatest(values: Any, axis: Any, keepdims: Any) -> Any:
    return np.fmax.reduce(values, axis=axis, keepdims=keepdims)
