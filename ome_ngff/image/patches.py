"""Patches of an image and its labels, each read when it is asked for, in any process."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np

from ..exceptions import OptionError
from ..pixels import Box, as_source
from ..store import parse_lengths
from ..text import by, show, whole_number
from .selection import Lattice, pixels_of


@attrs.frozen(eq=False)
class Patches:
    """Hold patches of one level.

    Attributes:
        data: the pixels of the level. region: the box that patches are taken from. size: of a patch, in pixels.
        count: how many there are. seed: of their places; None where they tile the region.
        labels: the pixels of the level of a label image that lies on it. shared: axis of `data` for each axis of these.
    """

    data: Any = attrs.field(repr=False)
    region: Box
    size: tuple[int, ...]
    count: int
    seed: int | None = None
    labels: Any = attrs.field(default=None, repr=False)
    shared: tuple[int, ...] = attrs.field(default=(), repr=False)

    @classmethod
    def of(cls, image: Any, region: Box, size: Any, seed: int | None, count: int | None, labels: Any) -> Patches:
        """Check what is asked for.

        Raises:
            OptionError: patches would be larger than the region, or seed and count are no whole numbers.
            ChunkError: the size is not understood.
        """
        whole = [high - low for low, high in region]
        lengths = parse_lengths(size, image.axes, whole, "The size of patches")
        if any(length > n for length, n in zip(lengths, whole, strict=True)):
            raise OptionError(f"Patches of {by(lengths)} pixels are larger than what they are cut from, {by(whole)}.")
        for what, given, least in (("seed", seed, 0), ("count", count, 1)):
            if given is not None and (whole_number(given) is None or given < least):
                raise OptionError(f"{what} is a whole number, at least {least} (got {show(given)}).")
        tiled = math.prod(-(-n // length) for n, length in zip(whole, lengths, strict=True))
        if seed is None and count is not None and count > tiled:
            raise OptionError(f"{tiled} patches tile the image (got count={count}); give a seed for more of them.")
        shared = () if labels is None else tuple(image.dims.index(name) for name in labels.dims)
        held = None if labels is None else as_source(labels.data, least=1)
        data, number = as_source(image.data, least=1), tiled if count is None else count
        return cls(data, region, lengths, number, seed, held, shared)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(self.count))

    def box(self, number: int) -> Box:
        """Return the box of a patch, in pixels of its level."""
        wholes = [high - low for low, high in self.region]
        if self.seed is None:
            counts = [-(-n // length) for n, length in zip(wholes, self.size, strict=True)]
            cells = np.unravel_index(number, counts)
            starts = [min(int(i) * n, whole - n) for i, n, whole in zip(cells, self.size, wholes, strict=True)]
        else:
            room = [whole - n + 1 for whole, n in zip(wholes, self.size, strict=True)]
            starts = np.random.default_rng([self.seed, number]).integers(0, room).tolist()
        return tuple(
            (low + start, low + start + n) for (low, _), start, n in zip(self.region, starts, self.size, strict=True)
        )

    def __getitem__(self, number: Any) -> Any:
        box = self.box(range(self.count)[operator.index(number)])
        image = pixels_of(self.data, box)
        if self.labels is None:
            return image
        ends = zip(self.shared, self.labels.shape, strict=True)
        return image, pixels_of(self.labels, tuple((0, 1) if n == 1 else box[axis] for axis, n in ends))


def lies_on(labels: Any, image: Any) -> bool:
    """Return whether each pixel of a level of labels lies on one of a level of their image, or along all of an axis."""
    own, other = Lattice.of(labels), Lattice.of(image)
    for name, n, step, start in zip(own.names, own.shape, own.scale, own.translation, strict=True):
        if name not in other.names:
            return False
        i = other.names.index(name)
        apart = max(abs(start - other.translation[i]), abs(step - other.scale[i]) * n)
        if n not in (1, other.shape[i]) or (n > 1 and apart > abs(other.scale[i]) * 0.51):
            return False
    return True
