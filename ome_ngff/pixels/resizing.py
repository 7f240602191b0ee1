"""Dask twins of scikit-image and scipy functions: any output shape, the same bits whatever the chunks.

All of them are separable: along an axis an output sample is a weighted sum of source samples, and the weights follow
from the shapes of the whole arrays alone (`weights`). An output chunk asks which source samples have a weight in it,
gathers them from the input chunks that hold them, and multiplies axis by axis (`resample`).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import attrs
import dask.array as da
import numpy as np
from dask.base import tokenize

from ..exceptions import MethodError, ScaleError
from . import checks
from .dask_graph import layered
from .resample import Average, Linear, Pick, Range, Task, resample
from .weights import Interpolation, Line, Mean, find_weights

_RESIZE_MODES = {
    "constant": "grid-constant", "edge": "nearest", "symmetric": "reflect", "reflect": "mirror", "wrap": "grid-wrap"
}  # fmt: skip
_ZOOM_MODES = {m: m for m in "reflect constant grid-constant nearest mirror grid-wrap wrap".split()}
_ZOOM_MODES["grid-mirror"] = "reflect"


# ---- the lazy array ----


def _resampled(name: str, image: da.Array, lines: Sequence[Line], task: Task) -> da.Array:
    """Build the graph: an output chunk depends on the input chunks that have a weight in it."""
    name = f"{name}-{tokenize(image, tuple(lines), task)}"
    chunks = tuple(_output_chunks(line, sizes) for line, sizes in zip(lines, image.chunks, strict=True))
    plans = [_plan(*each) for each in zip(lines, chunks, image.chunks, strict=True)]
    graph: dict[Any, Any] = {}
    for place in product(*(range(len(c)) for c in chunks)):
        parts = [plan[i] for plan, i in zip(plans, place, strict=True)]
        box, needed, ranges = zip(*parts, strict=True)
        blocks = [(image.name, *key) for key in product(*needed)]
        graph[(name, *place)] = (resample, task, tuple(lines), box, ranges, image.dtype, blocks)
    lazy: da.Array = layered(name, graph, image, chunks, task.dtype)
    return lazy


def _output_chunks(line: Line, chunks: tuple[int, ...]) -> tuple[int, ...]:
    """Scale the chunk of an axis with it, but to no less than the halo. Regular, as Zarr wants it."""
    if line.same:
        return chunks
    ratio = line.length / line.size
    step = min(max(1, round(max(chunks) * ratio), round(line.reach * ratio)), line.length)
    full, rest = divmod(line.length, step)
    return (step,) * full + (rest,) * (rest > 0)


def _plan(line: Line, chunks: Iterable[int], sources: Iterable[int]) -> list[tuple[Range, list[int], list[Range]]]:
    """Return, for each output chunk of an axis, its range, the input chunks it needs, and their ranges."""
    edges = np.cumsum([0, *sources])
    plan = []
    stop = 0
    for chunk in chunks:
        start, stop = stop, stop + chunk
        held = np.searchsorted(edges[1:], find_weights(line, start, stop).sources, side="right")
        needed = np.unique(held).tolist()
        plan.append(((start, stop), needed, [(int(edges[i]), int(edges[i + 1])) for i in needed]))
    return plan


def _extremes(image: da.Array) -> list[da.Array]:
    meta = np.empty((), image.dtype)
    return [da.reduction(image, end, end, dtype=image.dtype, meta=meta) for end in (_lowest, _highest)]


def _lowest(values: Any, axis: Any, keepdims: Any) -> Any:
    return np.fmin.reduce(values, axis=axis, keepdims=keepdims)


def _highest(values: Any, axis: Any, keepdims: Any) -> Any:
    return np.fmax.reduce(values, axis=axis, keepdims=keepdims)


def _interpolations(
    image: da.Array, shape: tuple[int, ...], order: int, mode: str, grid: bool, sigmas: Sequence[float]
) -> list[Interpolation]:
    order = min(order, 1) if shape == image.shape else order  # scipy leaves such an image alone
    return [Interpolation(n, m, order, mode, grid, s) for n, m, s in zip(image.shape, shape, sigmas, strict=True)]


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
    image = checks.checked_image(image, interpolates=bool(order))
    order = checks.checked_order((0 if image.dtype == bool else 1) if order is None else order)
    sizes = checks.checked_sizes(output_shape)
    image = image[(..., *(None,) * (len(sizes) - image.ndim))]
    shape = checks.checked_shape(sizes + image.shape[-1:] * (len(sizes) == image.ndim - 1), image.ndim)
    factors = np.divide(image.shape, shape)
    if anti_aliasing is None:
        anti_aliasing = (image.dtype.kind == "f" or order > 0) and bool(np.any(factors > 1))
    if anti_aliasing and image.dtype == bool:
        raise MethodError("anti_aliasing must be False for bool pixels: their mean is neither True nor False.")
    sigmas = checks.checked_sigmas(anti_aliasing_sigma if anti_aliasing else 0, factors)
    lines = _interpolations(image, shape, order, checks.checked_mode(mode, _RESIZE_MODES), True, sigmas)
    if order == 0 and not any(sigmas):
        return _resampled("resize", image, lines, Pick(image.dtype, checks.checked_cval(cval, image.dtype)))
    unit = order > 0 and not preserve_range and image.dtype.kind in "iu"
    dtype = np.dtype(np.float64) if unit else image.dtype
    task = Linear(dtype, checks.checked_cval(cval, dtype), unit)
    if not clip or (order < 2 and mode != "constant"):
        return _resampled("resize", image, lines, task)
    raw = _resampled("resize", image, lines, attrs.evolve(task, dtype=np.dtype(np.float64)))
    ends = [*_extremes(image), *(_extremes(raw) if mode == "constant" else ())]
    meta = np.empty((0,) * raw.ndim, dtype)
    clipped: da.Array = da.map_blocks(task.clip, raw, *ends, dtype=dtype, meta=meta)
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
    order = checks.checked_order(order)
    image = checks.checked_image(image, interpolates=order > 0)
    shape = checks.checked_shape(checks.checked_sizes(output_shape), image.ndim)
    cval = checks.checked_cval(cval, image.dtype)
    sigmas = [0.0] * image.ndim
    lines = _interpolations(image, shape, order, checks.checked_mode(mode, _ZOOM_MODES), bool(grid_mode), sigmas)
    task = Linear(image.dtype, cval, unit=False) if order else Pick(image.dtype, cval)
    return _resampled("zoom", image, lines, task)


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
    image = checks.checked_image(image, interpolates=True)
    shape = checks.checked_shape(checks.checked_sizes(output_shape), image.ndim)
    lines = [Mean.between(n, m) for n, m in zip(image.shape, shape, strict=True)]
    parts = math.prod(line.total for line in lines if not line.same)
    return _resampled("local_mean", image, lines, Average(image.dtype, image.dtype.kind != "f" and parts < 2**30))


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
