"""A part of an image that is given anew: its pixels, and the box of level 0 that they replace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from ..config import config
from ..engine import cached
from ..exceptions import AxesError, InputError, LabelError, OptionError
from ..image import Given
from ..pixels import Array, Box, describe, native, read, reordered, slices
from ..read import StoredImage
from ..spec import Axis
from ..store import settled
from ..text import by


@attrs.frozen(eq=False)
class Part:
    """Pixels, and the box of level 0 that they replace.

    Attributes:
        pixels: what `as_source` returns; of its dimensions each is at one axis of the image, in order.
        at: numbers of these axes. box: of level 0. names: of the axes. dtype, chunks: of level 0.
    """

    pixels: Any
    at: tuple[int, ...]
    box: Box
    names: tuple[str, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]

    @classmethod
    def of(cls, given: Given, stored: StoredImage, first_of: Callable[..., list[int]], *, labels: bool) -> Part:
        """Find the box.

        Raises:
            AxesError: the pixels have other axes. OptionError: they reach beyond the image.
            InputError, LabelError: the image cannot hold them.
        """
        names, shape, pixels = stored.names, stored.arrays[0].shape, given.pixels
        own = names[len(names) - pixels.ndim :]
        if given.axes is not None:
            own = tuple(Axis.parse(axis).name for axis in given.axes)
        if pixels.ndim > len(names) or not set(own) <= set(names):
            said = f"the pixels {','.join(own)}" if given.axes is not None else f"the pixels {pixels.ndim} dimensions"
            raise AxesError(f"{stored.target} has the axes {','.join(names)}, {said}.")
        order = sorted(range(len(own)), key=lambda i: names.index(own[i]))
        pixels, at = reordered(pixels, order), tuple(names.index(own[i]) for i in order)
        lengths = [1] * len(names)
        for i, n in zip(at, pixels.shape, strict=True):
            lengths[i] = int(n)
        first = first_of(own, stored)
        box = tuple((low, low + n) for low, n in zip(first, lengths, strict=True))
        if any(high > n for (_, high), n in zip(box, shape, strict=True)):
            raise OptionError(
                f"Pixels of {by(lengths)} at {by(first)} reach beyond {stored.target}, which has {by(shape)} "
                f"({','.join(names)}). An update replaces pixels that are there."
            )
        dtype = native(stored.arrays[0].dtype)
        if not labels and not np.can_cast(pixels.dtype, dtype, "safe"):
            raise InputError(
                f"The pixels are {pixels.dtype}, but {stored.target} holds {dtype}; convert them, "
                f"as with astype({dtype.name!r})."
            )
        return cls(settled(pixels), at, box, names, dtype, stored.arrays[0].chunks)

    @property
    def words(self) -> str:
        return ", ".join(f"{name} {low}:{high}" for name, (low, high) in zip(self.names, self.box, strict=True))

    def at_hand(self) -> Part:
        """Return the same pixels, so that any box of them can be read and nothing is fetched or computed twice."""
        if describe(self.pixels).chunks is None:
            return self
        if self.pixels.dtype.itemsize * int(np.prod(self.pixels.shape)) <= config.memory_target // 8:
            whole = tuple((0, int(n)) for n in self.pixels.shape)
            return attrs.evolve(self, pixels=read(self.pixels, whole, native(self.pixels.dtype)))
        chunks = tuple(min(int(n), self.chunks[i]) for n, i in zip(self.pixels.shape, self.at, strict=True))
        return attrs.evolve(self, pixels=cached(self.pixels, chunks, None))

    def read(self, box: Box) -> Array:
        """Return the pixels of a box of level 0.

        Raises:
            LabelError: the image cannot hold one of them.
        """
        inside = tuple((box[i][0] - self.box[i][0], box[i][1] - self.box[i][0]) for i in self.at)
        found = read(self.pixels, inside, native(self.pixels.dtype)).reshape([high - low for low, high in box])
        if not np.can_cast(found.dtype, self.dtype, "safe") and self.dtype.kind in "iu":
            limits, low, high = np.iinfo(self.dtype), int(found.min()), int(found.max())
            if low < limits.min or high > limits.max:
                raise LabelError(
                    f"The label {low if low < limits.min else high} is not a {self.dtype.name}, which is what the "
                    f"labels are stored as ({limits.min} to {limits.max}). Write them anew with a larger dtype."
                )
        return found.astype(self.dtype, copy=False)

    def equals(self, level: Any) -> bool:
        """Return whether an image holds these pixels already."""
        part = self.at_hand()
        return bool(
            np.array_equal(part.read(self.box), np.asarray(level[slices(self.box)]), equal_nan=self.dtype.kind == "f")
        )
