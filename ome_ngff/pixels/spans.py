"""How the axes of a block are reduced, and blocks as the kernels take them: C order, three axes, a dtype they know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import MethodError

Array = NDArray[Any]


@attrs.frozen
class Span:
    """How one axis of a block is reduced.

    Attributes:
        factor: source pixels per output sample.
        size: length of the whole source axis; beyond it there are no pixels.
        start: index, in the whole source axis, of the first pixel of the block.
        first: index, in the whole output axis, of the first sample wanted.
        count: number of samples wanted.
    """

    factor: int
    size: int
    start: int
    first: int
    count: int

    @classmethod
    def whole(cls, size: int, factor: int) -> Span:
        """Reduce an axis that lies in the block from end to end."""
        return cls(factor, size, 0, 0, -(-size // factor))

    def under(self, offset: int, taps: int) -> NDArray[np.int64]:
        """Return the indices in the block under each sample's taps, of shape (count, taps), borders repeated."""
        at = (self.first + np.arange(self.count))[:, None] * self.factor + offset + np.arange(taps)
        inside: NDArray[np.int64] = np.clip(at, 0, self.size - 1)
        return inside - self.start


def last_three(shape: tuple[int, ...], spans: Sequence[Span]) -> tuple[int, list[Span]]:
    """Split into the product of the leading axes and exactly three spans."""
    leading = spans[: max(0, len(spans) - 3)]
    if any(span.factor != 1 or span.count != size for span, size in zip(leading, shape, strict=False)):
        raise MethodError("Only the last three axes of a block can be reduced.")
    trailing = list(spans[len(leading) :])
    return math.prod(span.count for span in leading), [Span.whole(1, 1)] * (3 - len(trailing)) + trailing


def working(block: Array) -> Array:
    """Bring a block to C order, native byte order and a dtype that the kernels know."""
    dtype = block.dtype.newbyteorder("=")
    if dtype == np.float16:
        dtype = np.dtype(np.float32)
    block = np.ascontiguousarray(block, dtype)
    return block.view(np.uint8) if dtype.kind == "b" else block


def frozen(block: Array) -> Array:
    """Return a view that cannot be written."""
    view = block.view()
    view.flags.writeable = False  # one compiled version serves blocks that may be written and blocks that may not
    return view


def windows(block: Array, spans: Sequence[Span]) -> Array:
    """Cut a block to the windows of the samples wanted."""
    cuts = []
    for span in spans:
        low = span.first * span.factor - span.start
        cuts.append(slice(low, min(low + span.count * span.factor, span.size - span.start)))
    return frozen(np.ascontiguousarray(block[(slice(None), *cuts)]))
