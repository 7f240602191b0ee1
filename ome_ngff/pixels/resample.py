"""Resampling a box of an image: gather the source pixels that have a weight in it, then copy, weigh or average them.

NumPy in, NumPy out; `weights` has the weights of each axis, `resizing` calls this once per output chunk.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import attrs
import numpy as np

from .weights import Array, Line, Weights, find_weights

Range = tuple[int, int]


def resample(
    task: Task, lines: Sequence[Line], box: Sequence[Range], ranges: Sequence[Sequence[Range]], dtype: Any, blocks: Any
) -> Array:
    """Compute one box of the output.

    Args:
        task: what to do with the pixels.
        lines: how each axis is resampled.
        box: per axis, the range of output samples wanted.
        ranges: per axis, the ranges of source samples of the blocks that are needed.
        dtype: of the source.
        blocks: the blocks themselves, in the order of the product of `ranges`.
    """
    axes = [find_weights(line, *wanted) for line, wanted in zip(lines, box, strict=True)]
    return task(_gather(blocks, ranges, axes, dtype), axes)


def _gather(blocks: Iterable[Array], ranges: Sequence[Sequence[Range]], axes: Sequence[Weights], dtype: Any) -> Array:
    slab = np.empty([len(axis.sources) for axis in axes], dtype)
    for block, corner in zip(blocks, product(*ranges), strict=True):
        parts = [np.searchsorted(axis.sources, held) for axis, held in zip(axes, corner, strict=True)]
        index = [axis.sources[a:b] - held[0] for axis, (a, b), held in zip(axes, parts, corner, strict=True)]
        dense = all(i[-1] - i[0] + 1 == len(i) for i in index)
        inside = tuple(slice(i[0], i[-1] + 1) for i in index) if dense else np.ix_(*index)
        slab[tuple(slice(a, b) for a, b in parts)] = block[inside]
    return slab


def _weigh(values: Array, axes: Sequence[Weights], cval: float = 0) -> Array:
    """Apply the weights, along the axis that shrinks most first."""
    for number in sorted(range(values.ndim), key=lambda i: axes[i].ratio):
        axis = axes[number]
        if axis.matrix is None:
            continue
        moved = np.moveaxis(values, number, 0)
        out = axis.matrix @ np.ascontiguousarray(moved).reshape(len(moved), math.prod(moved.shape[1:]))
        (rows,) = np.nonzero(axis.beyond)
        if len(rows):
            out[rows] += (axis.beyond[rows] * cval)[:, None]
        values = np.moveaxis(out.reshape(len(out), *moved.shape[1:]), 0, number)
    return values


def _cast(values: Array, dtype: np.dtype[Any]) -> Array:
    """Cast float64 to a dtype; for integers round half to even and clip to what the type holds."""
    if dtype.kind not in "iu":
        with np.errstate(over="ignore"):
            return np.asarray(values.astype(dtype))
    info = np.iinfo(dtype)
    top = float(info.max) if int(float(info.max)) == info.max else np.nextafter(float(info.max), 0)
    rounded = np.rint(values)
    out = np.asarray(np.clip(rounded, float(info.min), top).astype(dtype))
    np.putmask(out, rounded > top, info.max)
    return out


@attrs.frozen
class Pick:
    """Take one source sample per output sample, untouched: no integer passes through a float."""

    dtype: np.dtype[Any]
    cval: float

    def __call__(self, slab: Array, axes: Sequence[Weights]) -> Array:
        """Copy from `slab`, which holds the `sources` of the weights."""
        fill = _cast(np.asarray(self.cval), self.dtype)
        out = np.full([len(axis.beyond) for axis in axes], fill, self.dtype)
        inside = [np.flatnonzero(axis.beyond == 0) for axis in axes]
        chosen = [i if axis.matrix is None else axis.matrix.indices for i, axis in zip(inside, axes, strict=True)]
        out[np.ix_(*inside)] = slab[np.ix_(*chosen)]
        return out


@attrs.frozen
class Linear:
    """Weigh in float64 and cast to `dtype`. `unit`: integers become shares of their range."""

    dtype: np.dtype[Any]
    cval: float
    unit: bool

    def __call__(self, slab: Array, axes: Sequence[Weights]) -> Array:
        """Weigh `slab`, which holds the `sources` of the weights."""
        return _cast(_weigh(self._floats(slab), axes, self.cval), self.dtype)

    def clip(self, values: Array, *ends: Array) -> Array:
        """Clip float64 values to the extremes of the source and cast them.

        Args:
            values: the unclipped output.
            ends: the lowest and highest pixel of the source and, where `cval` may widen them, of the unclipped output:
                it does where those embrace it, as in scikit-image.
        """
        low, high = map(self._floats, ends[:2])
        if len(ends) > 2 and ends[2] <= self.cval <= ends[3]:
            low, high = np.minimum(low, self.cval), np.maximum(high, self.cval)
        return _cast(np.clip(values, low, high), self.dtype)

    def _floats(self, values: Array) -> Array:
        if not self.unit:
            return np.asarray(values, np.float64)
        from skimage.util import img_as_float64

        return np.asarray(img_as_float64(np.atleast_1d(values)))


@attrs.frozen
class Average:
    """Divide the weighted sums by the weights; `exact`: in integers."""

    dtype: np.dtype[Any]
    exact: bool

    def __call__(self, slab: Array, axes: Sequence[Weights]) -> Array:
        """Average `slab`, which holds the `sources` of the weights."""
        counts = np.ones((1,) * slab.ndim, np.int64)
        for number, axis in enumerate(axes):
            if axis.matrix is not None:
                counts = counts * axis.matrix.sum(axis=1).reshape(-1, *(1,) * (slab.ndim - number - 1))
        if not self.exact:
            return _cast(_weigh(slab.astype(np.float64), axes) / counts, self.dtype)
        if slab.dtype.itemsize < 8:
            return np.asarray(_half_even(_weigh(slab.astype(np.int64), axes), counts).astype(self.dtype))
        # The sums of the upper and of the lower 32 bits fit into 64, where the sum of the values might not.
        high, rest = np.divmod(_weigh((slab >> 32).astype(np.int64), axes), counts)
        low = _weigh((slab & 0xFFFFFFFF).astype(np.int64), axes)
        mean = _half_even((rest << 32) + low, counts)
        return np.asarray((high.astype(self.dtype) << 32) + mean.astype(self.dtype), self.dtype)


Task = Pick | Linear | Average


def _half_even(total: Array, count: Array) -> Array:
    """Divide integers, rounding half to even."""
    quotient, rest = np.divmod(total, count)
    return np.asarray(quotient + ((2 * rest > count) | ((2 * rest == count) & (quotient % 2 == 1))))
