"""Dask twins of scikit-image and scipy functions: any output shape, the same bits whatever the chunks.

All of them are separable: along an axis an output sample is a weighted sum of source samples, and the weights follow
from the shapes of the whole arrays alone (`_Interpolation`, `_Mean`). An output chunk asks which source samples have a
weight in it, gathers them from the input chunks that hold them, and multiplies axis by axis. Border modes act at the
border of the whole array, because they fold indices there.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import attrs
import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from .exceptions import ChunkError, InputError, MethodError, ScaleError, nearest_word

Array = NDArray[Any]

_BEYOND = -(2**62)
"""The index of the constant that some modes find beyond the border."""

_SPLINE_PAD = 12
"""Samples by which scipy pads before the spline filter, where the filter has no exact border of its own."""

_SPLINE_REACH = {2: 24, 3: 32, 4: 40, 5: 48}
"""Distance at which the weights of the spline filter of an order fall below 1e-17."""

_RESIZE_MODES = {
    "constant": "grid-constant", "edge": "nearest", "symmetric": "reflect", "reflect": "mirror", "wrap": "grid-wrap"
}  # fmt: skip
_ZOOM_MODES = {m: m for m in "reflect constant grid-constant nearest mirror grid-wrap wrap".split()}
_ZOOM_MODES["grid-mirror"] = "reflect"


# ---- along one axis: which source samples, with which weights ----


@attrs.frozen
class _Interpolation:
    """Interpolate `length` samples from `size`, after a Gaussian of `sigma` source samples.

    `mode` is scipy's. `grid`: the whole extents of the axes coincide (True), or the centres of their end samples.
    """

    size: int
    length: int
    order: int
    mode: str
    grid: bool
    sigma: float

    @property
    def radius(self) -> int:
        return int(4 * self.sigma + 0.5)

    @property
    def reach(self) -> int:
        return self.radius + self.order // 2 + _SPLINE_REACH.get(self.order, 0)

    @property
    def same(self) -> bool:
        # The ends of scipy's filter for "reflect" are off by up to z ** (2 * size): short axes change even in place.
        rough = self.order > 1 and self.mode == "reflect" and self.size <= 2 * _SPLINE_REACH[self.order]
        return self.size == self.length and not self.radius and not rough

    @property
    def pad(self) -> int:
        return _SPLINE_PAD if self.order > 1 and self.mode in ("nearest", "grid-constant") else 0

    def taps(self, start: int, stop: int) -> tuple[Array, Any]:
        """Return sorted source indices, and the sparse weights of the output samples `start` to `stop` over them."""
        positions, matrix = _sparse(*self._knots(np.arange(start, stop)))
        if self.order > 1:
            positions, filtered = _sparse(*self._filter(positions))
            matrix = matrix @ filtered
        if self.radius:
            bell = np.exp(-0.5 / self.sigma**2 * np.arange(-self.radius, self.radius + 1) ** 2)
            index = _fold(_around(positions, self.radius), self.size, self.mode)
            positions, smoothed = _sparse(index, bell / bell.sum())
            matrix = matrix @ smoothed
        return positions, matrix

    def _knots(self, samples: Array) -> tuple[Array, Array]:
        """Return the indices of the knots around output samples and their weights, one row per sample."""
        at, inside = self._coordinates(samples)
        first = np.floor(at if self.order % 2 else at + 0.5).astype(np.int64) - self.order // 2
        index = first[:, None] + np.arange(self.order + 1)
        weights = _spline(self.order, at[:, None] - index)
        if not self.pad:
            index = _fold(index, self.size, {"constant": "mirror", "wrap": "mirror"}.get(self.mode, self.mode))
        return np.where(inside[:, None], index, _BEYOND), weights

    def _coordinates(self, samples: Array) -> tuple[Array, Array]:
        """Return source coordinates and whether they are inside, in scipy's arithmetic to the last bit.

        That bit decides ties, and whether the end sample falls off the border.
        """
        last = self.size - 1
        if self.grid:
            at = (samples + 0.5) * (self.size / self.length) - 0.5
        else:
            at = samples * (last / (self.length - 1) if self.length > 1 else 1.0)
        if self.mode == "wrap":
            at = np.where(at < 0, at + last, np.where(at > last, at - last, at)) if last else np.zeros(len(at))
        return at, (self.mode != "constant") | ((at >= 0) & (at <= last))

    def _filter(self, positions: Array) -> tuple[Array, Array]:
        """Return the source indices and the weights of scipy's spline filter, one row per knot."""
        mode = {"nearest": "reflect", "reflect": "reflect", "grid-wrap": "grid-wrap"}.get(self.mode, "mirror")
        reach, size = _SPLINE_REACH[self.order], self.size + 2 * self.pad
        inside = positions != _BEYOND
        if size <= 2 * reach:
            index = np.where(inside[:, None], np.arange(size), _BEYOND)
            weights = _spline_filter(size, self.order, mode)[np.where(inside, positions + self.pad, 0)]
        else:
            index = _fold(_around(np.where(inside, positions + self.pad, _BEYOND), reach), size, mode)
            weights = _spline_filter(4 * reach + 1, self.order, mode)[2 * reach, reach : 3 * reach + 1]
        if self.pad:
            index = _fold(np.where(index == _BEYOND, _BEYOND, index - self.pad), self.size, self.mode)
        return index, weights


@attrs.frozen
class _Mean:
    """Average windows of `factor` samples each or, where it is 0, of an equal share of the axis each.

    The weights are integers: counts of samples, or (shares) of parts, `length` of which make a sample.
    """

    size: int
    length: int
    factor: int
    reach = 0

    @classmethod
    def between(cls, size: int, length: int) -> _Mean:
        """Find the whole factor that makes `length` out of `size`, rounding down or up."""
        low = size // length
        fits = [f for f in (low, low + 1) if f and length == (size // f if f == low else -(-size // f))]
        return cls(size, length, fits[0] if fits else 0)

    @property
    def same(self) -> bool:
        return self.size == self.length

    @property
    def total(self) -> int:
        return self.factor or self.size

    def taps(self, start: int, stop: int) -> tuple[Array, Any]:
        """Return sorted source indices, and the sparse weights of the output samples `start` to `stop` over them."""
        sample = 1 if self.factor else self.length
        low = np.arange(start, stop)[:, None] * self.total
        high = np.minimum(low + self.total, self.size * sample)
        index = low // sample + np.arange(-(-self.total // sample) + 1)
        weights = np.minimum(high, (index + 1) * sample) - np.maximum(low, index * sample)
        return _sparse(np.minimum(index, self.size - 1), np.maximum(weights, 0))


_Line = _Interpolation | _Mean


@attrs.frozen(eq=False)
class _Operator:
    """Hold the weights of a range of output samples: `values = matrix @ source[sources] + beyond * cval`.

    `matrix` is sparse, or None where each output sample is its source sample. `ratio`: output over source size of the
    whole axis.
    """

    sources: Array
    matrix: Any
    beyond: Array
    ratio: float


@lru_cache(maxsize=128)
def _operator(line: _Line, start: int, stop: int) -> _Operator:
    """Return the weights of the output samples `start` to `stop`, over the source samples that they need."""
    ratio, beyond = line.length / line.size, np.zeros(stop - start)
    if line.same:
        return _Operator(np.arange(start, stop), None, beyond, ratio)
    sources, matrix = line.taps(start, stop)
    # Sorted by source, a sum rounds alike in every chunk. A weight of 0 reads nothing, so that no NaN comes from there.
    matrix.sort_indices()
    matrix.eliminate_zeros()
    if sources[0] == _BEYOND:
        beyond = matrix[:, [0]].toarray().ravel()
        sources, matrix = sources[1:], matrix[:, 1:]
    needed = np.unique(matrix.indices)
    return _Operator(sources[needed], matrix[:, needed], beyond, ratio)


def _sparse(index: Array, weights: Array) -> tuple[Array, Any]:
    """Return the sorted unique indices, and the rows of weights over them as a sparse array."""
    from scipy.sparse import csr_array

    sources, columns = np.unique(index, return_inverse=True)
    values = np.broadcast_to(weights, index.shape).flatten()
    starts = np.arange(len(index) + 1) * index.shape[1]
    matrix = csr_array((values, columns.ravel(), starts), shape=(len(index), len(sources)))
    matrix.sum_duplicates()
    return sources, matrix


def _around(positions: Array, radius: int) -> Array:
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
    else:
        period = max(2 * size - 2, 1)
        folded = np.minimum(index % period, period - index % period) % size
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


# ---- one output chunk: gather, then one of three tasks ----


def _run(task: Any, lines: Any, box: Any, spans: Any, dtype: Any, blocks: Any, ends: Any) -> Array:
    operators = [_operator(line, *span) for line, span in zip(lines, box, strict=True)]
    return np.asarray(task(_gather(blocks, spans, operators, dtype), operators, *ends))


def _gather(blocks: Any, spans: Any, operators: Sequence[_Operator], dtype: Any) -> Array:
    """Put together the source samples that the operators need. `spans`: per axis, (start, stop) of each block."""
    slab = np.empty([len(op.sources) for op in operators], dtype)
    for block, corner in zip(blocks, product(*spans), strict=True):
        cuts = [np.searchsorted(op.sources, span) for op, span in zip(operators, corner, strict=True)]
        index = [op.sources[a:b] - span[0] for op, (a, b), span in zip(operators, cuts, corner, strict=True)]
        dense = all(i[-1] - i[0] + 1 == len(i) for i in index)
        part = tuple(slice(i[0], i[-1] + 1) for i in index) if dense else np.ix_(*index)
        slab[tuple(slice(a, b) for a, b in cuts)] = block[part]
    return slab


def _weigh(values: Array, operators: Sequence[_Operator], cval: float = 0) -> Array:
    """Apply the operators, the axis that shrinks most first."""
    for axis in sorted(range(values.ndim), key=lambda a: operators[a].ratio):
        op = operators[axis]
        if op.matrix is None:
            continue
        moved = np.moveaxis(values, axis, 0)
        out = op.matrix @ np.ascontiguousarray(moved).reshape(len(moved), math.prod(moved.shape[1:]))
        (rows,) = np.nonzero(op.beyond)
        if len(rows):
            out[rows] += (op.beyond[rows] * cval)[:, None]
        values = np.moveaxis(out.reshape(len(out), *moved.shape[1:]), 0, axis)
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
class _Pick:
    """Take one source sample per output sample, untouched: no integer passes through a float."""

    cval: float

    def __call__(self, slab: Array, operators: Sequence[_Operator]) -> Array:
        fill = _cast(np.asarray(self.cval), slab.dtype)
        out = np.full([len(op.beyond) for op in operators], fill, slab.dtype)
        inside = [np.flatnonzero(op.beyond == 0) for op in operators]
        chosen = [i if op.matrix is None else op.matrix.indices for i, op in zip(inside, operators, strict=True)]
        out[np.ix_(*inside)] = slab[np.ix_(*chosen)]
        return out


@attrs.frozen
class _Linear:
    """Weigh in float64, clip to the extremes where given, cast. `unit`: integers become shares of their range."""

    dtype: np.dtype[Any]
    cval: float
    unit: bool

    def __call__(self, slab: Array, operators: Sequence[_Operator], *ends: Array) -> Array:
        values = _weigh(self.floats(slab), operators, self.cval)
        return _cast(np.clip(values, *map(self.floats, ends)) if ends else values, self.dtype)

    def floats(self, values: Array) -> Array:
        if not self.unit:
            return np.asarray(values, np.float64)
        from skimage.util import img_as_float64

        return np.asarray(img_as_float64(np.atleast_1d(values)))  # type: ignore[no-untyped-call]

    def clip(self, values: Array, *ends: Array) -> Array:
        """Clip to the extremes of the image; `cval` widens them where those of `values`, the last two, embrace it."""
        low, high = map(self.floats, ends[:2])
        if not low <= self.cval <= high and ends[2] <= self.cval <= ends[3]:
            low, high = np.minimum(low, self.cval), np.maximum(high, self.cval)
        return _cast(np.clip(values, low, high), self.dtype)


@attrs.frozen
class _Average:
    """Divide the weighted sums by the weights; `exact`: in integers."""

    exact: bool

    def __call__(self, slab: Array, operators: Sequence[_Operator]) -> Array:
        counts = np.ones((1,) * slab.ndim, np.int64)
        for axis, op in enumerate(operators):
            if op.matrix is not None:
                counts = counts * op.matrix.sum(axis=1).reshape(-1, *(1,) * (slab.ndim - axis - 1))
        if not self.exact:
            return _cast(_weigh(slab.astype(np.float64), operators) / counts, slab.dtype)
        if slab.dtype.itemsize < 8:
            mean = _half_even(_weigh(slab.astype(np.int64), operators), counts)
            return np.asarray(mean.astype(slab.dtype))
        # The sums of the upper and of the lower 32 bits fit into 64, where the sum of the values might not.
        high, rest = np.divmod(_weigh((slab >> 32).astype(np.int64), operators), counts)
        low = _weigh((slab & 0xFFFFFFFF).astype(np.int64), operators)
        mean = _half_even((rest << 32) + low, counts)
        return np.asarray((high.astype(slab.dtype) << 32) + mean.astype(slab.dtype), slab.dtype)


def _half_even(total: Array, count: Array) -> Array:
    """Divide integers, rounding half to even."""
    quotient, rest = np.divmod(total, count)
    return np.asarray(quotient + ((2 * rest > count) | ((2 * rest == count) & (quotient % 2 == 1))))


# ---- the lazy array ----


def _resampled(
    name: str,
    image: da.Array,
    lines: Sequence[_Line],
    task: Callable[..., Any],
    dtype: Any,
    ends: Sequence[da.Array] = (),
) -> da.Array:
    """Build the graph: an output chunk depends on the input chunks that have a weight in it, and on `ends`."""
    name = f"{name}-{tokenize(image, tuple(lines), task, dtype, *ends)}"
    chunks = tuple(_output_chunks(line, sizes) for line, sizes in zip(lines, image.chunks, strict=True))
    plans = [_plan(*each) for each in zip(lines, chunks, image.chunks, strict=True)]
    graph: dict[Any, Any] = {}
    for place in product(*(range(len(c)) for c in chunks)):
        parts = [plan[i] for plan, i in zip(plans, place, strict=True)]
        box, needed, spans = zip(*parts, strict=True)
        blocks = [(image.name, *key) for key in product(*needed)]
        graph[(name, *place)] = (_run, task, tuple(lines), box, spans, image.dtype, blocks, [(e.name,) for e in ends])
    above: list[Any] = [image, *ends]
    layers = HighLevelGraph.from_collections(name, graph, dependencies=above)
    return da.Array(layers, name, chunks=chunks, dtype=dtype)  # type: ignore[no-untyped-call]


def _output_chunks(line: _Line, chunks: tuple[int, ...]) -> tuple[int, ...]:
    """Scale the chunk of an axis with it, but to no less than the halo. Regular, as Zarr wants it."""
    if line.same:
        return chunks
    ratio = line.length / line.size
    step = min(max(1, round(max(chunks) * ratio), round(line.reach * ratio)), line.length)
    full, rest = divmod(line.length, step)
    return (step,) * full + (rest,) * (rest > 0)


def _plan(line: _Line, chunks: Iterable[int], sources: Iterable[int]) -> list[tuple[Any, Any, Any]]:
    """Return, for each output chunk of an axis, its range, the input chunks it needs, and their ranges."""
    edges = np.cumsum([0, *sources])
    plan: list[tuple[Any, Any, Any]] = []
    stop = 0
    for chunk in chunks:
        start, stop = stop, stop + chunk
        held = np.searchsorted(edges[1:], np.asarray(_operator(line, start, stop).sources), side="right")
        needed = np.unique(held).tolist()
        plan.append(((start, stop), needed, tuple((int(edges[i]), int(edges[i + 1])) for i in needed)))
    return plan


def _extremes(image: da.Array) -> list[da.Array]:
    """Return the lazy minimum and maximum of an array, NaN apart."""
    meta = np.empty((), image.dtype)
    return [da.reduction(image, f, f, dtype=image.dtype, meta=meta) for f in (_lowest, _highest)]  # type: ignore[no-untyped-call]


def _lowest(values: Any, axis: Any, keepdims: Any) -> Any:
    return np.fmin.reduce(values, axis=axis, keepdims=keepdims)


def _highest(values: Any, axis: Any, keepdims: Any) -> Any:
    return np.fmax.reduce(values, axis=axis, keepdims=keepdims)


# ---- arguments ----


def _checked_image(image: Any, interpolates: bool) -> da.Array:
    array: da.Array = image if isinstance(image, da.Array) else da.asarray(image)  # type: ignore[no-untyped-call]
    if any(np.isnan(n) for n in array.shape):
        raise ChunkError("The chunks of the image must be known; call image.compute_chunk_sizes() first.")
    if array.ndim == 0 or 0 in array.shape:
        raise InputError(f"The image must have at least one dimension and one pixel (got the shape {array.shape}).")
    if array.dtype.kind not in ("iuf" if interpolates else "biuf"):
        way_out = "take order=0 or downscale_nearest" if array.dtype == bool else "resample its parts"
        raise MethodError(f"Interpolation and means need integers or floats (got {array.dtype}); {way_out}.")
    return array


def _sizes(output_shape: Any) -> tuple[int, ...]:
    try:
        sizes = tuple(int(n) for n in output_shape)
        whole = all(n == given and n > 0 for n, given in zip(sizes, output_shape, strict=True))
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise ScaleError(f"output_shape must hold whole numbers above zero (got {output_shape!r}).")
    return sizes


def _checked_shape(sizes: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    if len(sizes) != ndim:
        raise ScaleError(f"output_shape must have one size per dimension: {ndim} (got {len(sizes)}: {sizes}).")
    return sizes


def _checked_order(order: Any) -> int:
    if order not in range(6):
        raise MethodError(f"The spline order must be 0, 1, 2, 3, 4 or 5 (got {order!r}).")
    return int(order)


def _checked_mode(mode: str, known: dict[str, str]) -> str:
    if not isinstance(mode, str) or mode not in known:
        raise MethodError(f"The mode must be one of {', '.join(known)} (got {mode!r}).{nearest_word(mode, known)}")
    return known[mode]


def _checked_cval(cval: float, dtype: np.dtype[Any]) -> float:
    if dtype.kind != "f" and not np.isfinite(cval):
        raise MethodError(f"cval must be finite for pixels of type {dtype} (got {cval!r}).")
    return float(cval)


def _checked_sigmas(given: Any, factors: Array) -> list[float]:
    sigmas = np.maximum(0, (factors - 1) / 2) if given is None else np.atleast_1d(given).astype(float)
    if sigmas.shape not in ((1,), factors.shape) or not np.all((sigmas >= 0) & (sigmas < np.inf)):
        raise ScaleError(f"anti_aliasing_sigma must be one or {len(factors)} numbers, none below zero (got {given!r}).")
    return [float(s) for s in np.broadcast_to(sigmas, factors.shape)]


def _interpolations(
    image: da.Array, shape: tuple[int, ...], order: int, mode: str, grid: bool, sigmas: Sequence[float]
) -> list[_Interpolation]:
    order = min(order, 1) if shape == image.shape else order  # scipy leaves such an image alone
    return [_Interpolation(n, m, order, mode, grid, s) for n, m, s in zip(image.shape, shape, sigmas, strict=True)]


# ---- the functions ----


def resize(
    image: da.Array,
    output_shape: Sequence[int],
    order: int | None = None,
    mode: str = "reflect",
    cval: float = 0,
    clip: bool = True,
    preserve_range: bool = False,
    anti_aliasing: bool | None = None,
    anti_aliasing_sigma: float | Sequence[float] | None = None,
) -> da.Array:
    """Resize lazily, with the values that `skimage.transform.resize` gives on the whole array.

    The arguments and their defaults are scikit-image's: an interpolation, after a Gaussian where the image shrinks.
    Only the dtype follows a rule of our own:

    - It is kept where the values stay in the range of the input: for floats, for order 0, and with
      `preserve_range=True`. Integers are rounded half to even and clipped to the type, never truncated.
    - Integers with `preserve_range=False` become scikit-image's float64 between 0 (or -1) and 1. Cast back to the
      integer type, they would be black.

    Sums are taken in float64. With `order=0` and no Gaussian pixels are copied, so labels of any size survive. A NaN
    reaches the samples that have a weight for it. With `clip=True` and an order above 1, or the mode "constant", every
    chunk waits for the extremes of the whole image.

    Args:
        image: pixels, in any chunks.
        output_shape: size per axis, in pixels; one size less keeps the last axis, more sizes append axes.
        order: of the spline, 0 to 5; None: 0 for bool, else 1.
        mode: "constant", "edge", "symmetric", "reflect" or "wrap": what lies beyond the border.
        cval: what lies beyond the border in the mode "constant".
        clip: whether to clip to the extremes of the image.
        preserve_range: whether integers keep their range.
        anti_aliasing: whether to smooth along axes that shrink; None: yes, except for bool and integers of order 0.
        anti_aliasing_sigma: of the Gaussian, in source pixels, one or one per axis; None: (factor - 1) / 2.

    Raises:
        ScaleError: `output_shape` or `anti_aliasing_sigma` does not fit the image.
        MethodError: the order, the mode, `cval` or the dtype cannot be used.
        InputError: the image has no pixels or no dimensions.
        ChunkError: the chunks of the image are not known.
    """
    image = _checked_image(image, interpolates=bool(order))
    may_smooth = image.dtype.kind == "f" or (image.dtype.kind in "iu" and order != 0)
    order = _checked_order((0 if image.dtype == bool else 1) if order is None else order)
    sizes = _sizes(output_shape)
    image = image[(..., *(None,) * (len(sizes) - image.ndim))]
    shape = _checked_shape(sizes + image.shape[-1:] * (len(sizes) == image.ndim - 1), image.ndim)
    factors = np.divide(image.shape, shape)
    if anti_aliasing is None:
        anti_aliasing = may_smooth and bool(np.any(factors > 1))
    if anti_aliasing and image.dtype == bool:
        raise MethodError("anti_aliasing must be False for bool pixels: their mean is neither True nor False.")
    sigmas = _checked_sigmas(anti_aliasing_sigma if anti_aliasing else 0, factors)
    lines = _interpolations(image, shape, order, _checked_mode(mode, _RESIZE_MODES), True, sigmas)
    if order == 0 and not any(sigmas):
        return _resampled("resize", image, lines, _Pick(_checked_cval(cval, image.dtype)), image.dtype)
    unit = order > 0 and not preserve_range and image.dtype.kind in "iu"
    dtype = np.dtype(np.float64) if unit else image.dtype
    task = _Linear(dtype, _checked_cval(cval, dtype), unit)
    if not clip or (order < 2 and mode != "constant"):
        return _resampled("resize", image, lines, task, dtype)
    if order < 2 or mode != "constant":
        return _resampled("resize", image, lines, task, dtype, _extremes(image))
    # Only here scikit-image looks at the extremes of its own result before it clips.
    raw = _resampled("resize", image, lines, attrs.evolve(task, dtype=np.dtype(np.float64)), np.float64)
    meta = np.empty((0,) * raw.ndim, dtype)
    clipped: da.Array = da.map_blocks(task.clip, raw, *_extremes(image), *_extremes(raw), dtype=dtype, meta=meta)  # type: ignore[no-untyped-call]
    return clipped


def zoom(
    image: da.Array,
    output_shape: Sequence[int],
    order: int = 1,
    mode: str = "constant",
    cval: float = 0.0,
    *,
    grid_mode: bool = False,
) -> da.Array:
    """Interpolate lazily, with the values of `scipy.ndimage.zoom(whole, output_shape / whole.shape, order=order, ...)`.

    Nothing is smoothed. The dtype is kept. scipy rounds integers half away from zero; here they are rounded half to
    even as everywhere in this package, so that the two differ, by 1, at exact ties only. `order=0` copies pixels.

    Args:
        image: pixels, in any chunks.
        output_shape: size per axis, in pixels.
        order: of the spline, 0 to 5; the default stays within the values of the image (scipy's, 3, does not).
        mode: any of scipy's: what lies beyond the border.
        cval: what lies beyond the border in the modes "constant" and "grid-constant".
        grid_mode: whether the whole extents of the images coincide, or (False) the centres of their corner pixels.

    Raises:
        ScaleError: `output_shape` does not fit the image.
        MethodError: the order, the mode, `cval` or the dtype cannot be used.
        InputError: the image has no pixels or no dimensions.
        ChunkError: the chunks of the image are not known.
    """
    order = _checked_order(order)
    image = _checked_image(image, interpolates=order > 0)
    shape = _checked_shape(_sizes(output_shape), image.ndim)
    cval = _checked_cval(cval, image.dtype)
    sigmas = [0.0] * image.ndim
    lines = _interpolations(image, shape, order, _checked_mode(mode, _ZOOM_MODES), bool(grid_mode), sigmas)
    task = _Linear(image.dtype, cval, unit=False) if order else _Pick(cval)
    return _resampled("zoom", image, lines, task, image.dtype)


def local_mean(image: da.Array, output_shape: Sequence[int]) -> da.Array:
    """Average windows lazily: where the factors divide the sizes, like `skimage.transform.downscale_local_mean`.

    Along an axis of n pixels that becomes m:

    - The factor f is n // m where n // f is m, or else n // m + 1 where n / f rounded up is m. A window at the far edge
      is the mean of the pixels that exist (scikit-image mixes in zeros there).
    - For any other m, larger ones included, each window has an equal share of the axis, and pixels on a seam count in
      parts, like `skimage.transform.resize_local_mean`.

    The dtype is kept. Means of integers are exact, 64-bit ones included, and rounded half to even; only the shares of
    ratios so odd that their parts overflow are taken in float64.

    Args:
        image: pixels, in any chunks.
        output_shape: size per axis, in pixels.

    Raises:
        ScaleError: `output_shape` does not fit the image.
        MethodError: the pixels are neither integers nor floats.
        InputError: the image has no pixels or no dimensions.
        ChunkError: the chunks of the image are not known.
    """
    image = _checked_image(image, interpolates=True)
    shape = _checked_shape(_sizes(output_shape), image.ndim)
    lines = [_Mean.between(n, m) for n, m in zip(image.shape, shape, strict=True)]
    parts = math.prod(line.total for line in lines if not line.same)
    return _resampled("local_mean", image, lines, _Average(image.dtype.kind != "f" and parts < 2**30), image.dtype)


def downscale_nearest(image: da.Array, factors: Sequence[int]) -> da.Array:
    """Keep every f-th pixel along each axis, beginning with the first: `image[::f, ...]`.

    Args:
        image: pixels, in any chunks.
        factors: a whole number per axis, from 1 to the size of the axis.

    Raises:
        ScaleError: there is not one factor per axis, or a factor is out of range.
    """
    given = tuple(factors)
    if len(given) != image.ndim:
        raise ScaleError(f"factors must have one number per dimension: {image.ndim} (got {len(given)}: {given}).")
    try:
        steps = [operator.index(f) for f in given]
    except TypeError:
        raise ScaleError(f"factors must be whole numbers (got {given}).") from None
    if not all(0 < f <= n for f, n in zip(steps, image.shape, strict=True)):
        raise ScaleError(f"factors must be from 1 to the size of their axis, {image.shape} (got {given}).")
    picked: da.Array = image[tuple(slice(None, None, f) for f in steps)]
    return picked


__all__ = ["downscale_nearest", "local_mean", "resize", "zoom"]
