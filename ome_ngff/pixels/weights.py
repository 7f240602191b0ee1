"""Resampling along one axis: which source samples an output sample is made of, and with which weights.

The weights follow from the lengths of the whole axes alone, so that whoever computes a range of samples gets the same
ones. Border modes act at the border of the whole axis, because they fold indices there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_BEYOND = -(2**62)  # index of the constant that some modes find beyond the border
_SPLINE_PAD = 12  # samples by which scipy pads before the spline filter, where it has no exact border of its own
_SPLINE_REACH = {2: 24, 3: 32, 4: 40, 5: 48}  # at which the weights of the spline filter of an order fall below 1e-17


@attrs.frozen
class Interpolation:
    """Interpolate `length` samples from `size`, after a Gaussian of `sigma` source samples.

    Attributes:
        size: source samples of the whole axis. length: output samples.
        order: of the spline, 0 to 5.
        mode: scipy's word for what lies beyond the border.
        grid: whether the whole extents of the axes coincide, or the centres of their end samples.
        sigma: of the Gaussian; 0 for none.
    """

    size: int
    length: int
    order: int
    mode: str
    grid: bool
    sigma: float

    @property
    def reach(self) -> int:
        """Distance, in source samples, at which a sample is still felt."""
        return self._radius + self.order // 2 + _SPLINE_REACH.get(self.order, 0)

    @property
    def same(self) -> bool:
        """Whether every output sample is its source sample."""
        # The ends of scipy's filter for "reflect" are off by up to z ** (2 * size): short axes change even in place.
        rough = self.order > 1 and self.mode == "reflect" and self.size <= 2 * _SPLINE_REACH[self.order]
        return self.size == self.length and not self._radius and not rough

    def taps(self, start: int, stop: int) -> tuple[Array, Any]:
        """Return sorted source indices, and the sparse weights of the output samples `start` to `stop` over them."""
        positions, matrix = _sparse(*self._knots(np.arange(start, stop)))
        if self.order > 1:
            positions, filtered = _sparse(*self._filter(positions))
            matrix = matrix @ filtered
        if self._radius:
            bell = np.exp(-0.5 / self.sigma**2 * np.arange(-self._radius, self._radius + 1) ** 2)
            index = _fold(_around(positions, self._radius), self.size, self.mode)
            positions, smoothed = _sparse(index, bell / bell.sum())
            matrix = matrix @ smoothed
        return positions, matrix

    @property
    def _radius(self) -> int:
        return int(4 * self.sigma + 0.5)

    @property
    def _pad(self) -> int:
        return _SPLINE_PAD if self.order > 1 and self.mode in ("nearest", "grid-constant") else 0

    def _knots(self, samples: Array) -> tuple[Array, Array]:
        """Return the indices of the knots around output samples and their weights, one row per sample."""
        at, inside = self._coordinates(samples)
        first = np.floor(at if self.order % 2 else at + 0.5).astype(np.int64) - self.order // 2
        index = first[:, None] + np.arange(self.order + 1)
        weights = _spline(self.order, at[:, None] - index)
        if not self._pad:
            index = _fold(index, self.size, self.mode)
        return np.where(inside[:, None], index, _BEYOND), weights

    def _coordinates(self, samples: Array) -> tuple[Array, Array]:
        """Return source coordinates and whether they are inside, in scipy's arithmetic to the last bit.

        That bit decides ties, and whether the end sample falls off the border.
        """
        last = self.size - 1
        if self.grid:
            at = (samples + 0.5) * (self.size / self.length) - 0.5
        else:
            at = samples * (last / max(self.length - 1, 1))
        if self.mode == "wrap":
            at = np.where(at < 0, at + last, np.where(at > last, at - last, at)) if last else np.zeros(len(at))
        return at, (self.mode != "constant") | ((at >= 0) & (at <= last))

    def _filter(self, positions: Array) -> tuple[Array, Array]:
        """Return the source indices and the weights of scipy's spline filter, one row per knot."""
        mode = {"nearest": "reflect", "reflect": "reflect", "grid-wrap": "grid-wrap"}.get(self.mode, "mirror")
        reach, size = _SPLINE_REACH[self.order], self.size + 2 * self._pad
        inside = positions != _BEYOND
        if size <= 2 * reach:
            index = np.where(inside[:, None], np.arange(size), _BEYOND)
            weights = _spline_filter(size, self.order, mode)[np.where(inside, positions + self._pad, 0)]
        else:
            index = _fold(_around(np.where(inside, positions + self._pad, _BEYOND), reach), size, mode)
            weights = _spline_filter(4 * reach + 1, self.order, mode)[2 * reach, reach : 3 * reach + 1]
        if self._pad:
            index = _fold(np.where(index == _BEYOND, _BEYOND, index - self._pad), self.size, self.mode)
        return index, weights


@attrs.frozen
class Mean:
    """Average windows of `factor` samples each or, where it is 0, of an equal share of the axis each.

    The weights are integers: counts of samples, or (shares) of parts, `length` of which make a sample.

    Attributes:
        size: source samples of the whole axis. length: output samples.
        factor: source samples per window, or 0.
        reach: distance at which a sample is felt beyond its own window: none.
    """

    size: int
    length: int
    factor: int
    reach = 0

    @classmethod
    def between(cls, size: int, length: int) -> Mean:
        """Find the whole factor that makes `length` out of `size`, rounding down or up."""
        low = size // length
        fits = [f for f in (low, low + 1) if f and length == (size // f if f == low else -(-size // f))]
        return cls(size, length, fits[0] if fits else 0)

    @property
    def same(self) -> bool:
        """Whether every output sample is its source sample."""
        return self.size == self.length

    @property
    def total(self) -> int:
        """Sum of the weights of a full window."""
        return self.factor or self.size

    def taps(self, start: int, stop: int) -> tuple[Array, Any]:
        """Return sorted source indices, and the sparse weights of the output samples `start` to `stop` over them."""
        sample = 1 if self.factor else self.length
        low = np.arange(start, stop)[:, None] * self.total
        high = np.minimum(low + self.total, self.size * sample)
        index = low // sample + np.arange(-(-self.total // sample) + 1)
        weights = np.minimum(high, (index + 1) * sample) - np.maximum(low, index * sample)
        return _sparse(np.minimum(index, self.size - 1), np.maximum(weights, 0))


Line = Interpolation | Mean


@attrs.frozen(eq=False)
class Weights:
    """Weights of a range of output samples: `values = matrix @ source[sources] + beyond * cval`.

    Attributes:
        sources: sorted indices of the source samples.
        matrix: sparse, or None where each output sample is its source sample.
        beyond: weight, per output sample, of the constant beyond the border.
        ratio: output over source size of the whole axis.
    """

    sources: Array
    matrix: Any
    beyond: Array
    ratio: float


@lru_cache(maxsize=128)
def find_weights(line: Line, start: int, stop: int) -> Weights:
    """Find the weights of the output samples `start` to `stop`, over the source samples that they need."""
    ratio, beyond = line.length / line.size, np.zeros(stop - start)
    if line.same:
        return Weights(np.arange(start, stop), None, beyond, ratio)
    sources, matrix = line.taps(start, stop)
    # Sorted by source, a sum rounds alike in every chunk. A weight of 0 reads nothing, so that no NaN comes from there.
    matrix.sort_indices()
    matrix.eliminate_zeros()
    if sources[0] == _BEYOND:
        beyond = matrix[:, [0]].toarray().ravel()
        sources, matrix = sources[1:], matrix[:, 1:]
    needed = np.unique(matrix.indices)
    return Weights(sources[needed], matrix[:, needed], beyond, ratio)


def _sparse(index: Array, weights: Array) -> tuple[Array, Any]:
    """Return the sorted unique indices, and the rows of weights over them as a sparse array."""
    from scipy.sparse import csr_array

    sources, columns = np.unique(index, return_inverse=True)
    columns = columns.reshape(index.shape)
    # scipy sorts all rows or none, and not stably: duplicates would be summed in an order that depends on the range.
    order = np.argsort(columns, axis=1, kind="stable")
    columns, values = (np.take_along_axis(a, order, 1) for a in (columns, np.broadcast_to(weights, index.shape)))
    starts = np.arange(len(index) + 1) * index.shape[1]
    matrix = csr_array((values.ravel(), columns.ravel(), starts), shape=(len(index), len(sources)))
    matrix.sum_duplicates()
    return sources, matrix


def _around(positions: Array, radius: int) -> Array:
    """Return the indices up to `radius` from each position; around the constant there is only the constant."""
    index = positions[:, None] + np.arange(-radius, radius + 1)
    return np.where(positions[:, None] == _BEYOND, _BEYOND, index)


def _fold(index: Array, size: int, mode: str) -> Array:
    """Bring indices beyond the border of an axis back onto it, as scipy's border modes do."""
    if mode == "nearest":
        folded = np.clip(index, 0, size - 1)
    elif mode == "grid-wrap":
        folded = index % size
    elif mode == "grid-constant":
        folded = np.where((index >= 0) & (index < size), index, _BEYOND)
    elif mode == "reflect":
        folded = np.minimum(index % (2 * size), 2 * size - 1 - index % (2 * size))
    else:  # mirror; constant and wrap mirror the knots around a coordinate, which they keep inside
        period = max(2 * size - 2, 1)
        folded = np.minimum(index % period, period - index % period)
    return np.where(index == _BEYOND, _BEYOND, folded)


def _spline(order: int, distance: Array) -> Array:
    """Return the B-spline of an order at `distance` from its centre, in knots."""
    from scipy.interpolate import BSpline

    if order == 0:
        return np.ones_like(distance)
    knots = np.arange(order + 2) - (order + 1) / 2
    return np.asarray(np.nan_to_num(BSpline.basis_element(knots, extrapolate=False)(distance)))


@lru_cache(maxsize=32)
def _spline_filter(size: int, order: int, mode: str) -> Array:
    """Return scipy's filter, from samples to the coefficients of their spline, as a matrix for axes of a size."""
    from scipy.ndimage import spline_filter1d

    return np.asarray(spline_filter1d(np.eye(size), order, axis=0, mode=mode))
