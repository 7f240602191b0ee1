"""Arguments of the functions that resample: checked, and in the form in which they are used."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np

from ..exceptions import ChunkError, InputError, MethodError, ScaleError
from ..text import nearest_word
from .weights import Array


def checked_image(image: Any, interpolates: bool) -> da.Array:
    array: da.Array = image if isinstance(image, da.Array) else da.asarray(image)
    if any(np.isnan(n) for n in array.shape):
        raise ChunkError("The chunks of the image must be known; call image.compute_chunk_sizes() first.")
    if array.ndim == 0 or 0 in array.shape:
        raise InputError(f"The image must have at least one dimension and one pixel (got the shape {array.shape}).")
    if array.dtype.kind not in ("iuf" if interpolates else "biuf"):
        way_out = "take order=0 or downscale_nearest" if array.dtype == bool else "resample its parts"
        raise MethodError(f"Interpolation and means need integers or floats (got {array.dtype}); {way_out}.")
    return array


def checked_sizes(output_shape: Any) -> tuple[int, ...]:
    try:
        sizes = tuple(int(n) for n in output_shape)
        whole = all(n == given and n > 0 for n, given in zip(sizes, output_shape, strict=True))
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise ScaleError(f"output_shape must hold whole numbers above zero (got {output_shape!r}).")
    return sizes


def checked_shape(sizes: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    if len(sizes) != ndim:
        raise ScaleError(f"output_shape must have one size per dimension: {ndim} (got {len(sizes)}: {sizes}).")
    return sizes


def checked_order(order: Any) -> int:
    if order not in range(6):
        raise MethodError(f"The spline order must be 0, 1, 2, 3, 4 or 5 (got {order!r}).")
    return int(order)


def checked_mode(mode: Any, known: dict[str, str]) -> str:
    if not isinstance(mode, str) or mode not in known:
        raise MethodError(f"The mode must be one of {', '.join(known)} (got {mode!r}).{nearest_word(mode, known)}")
    return known[mode]


def checked_cval(cval: float, dtype: np.dtype[Any]) -> float:
    if dtype.kind != "f" and not np.isfinite(cval):
        raise MethodError(f"cval must be finite for pixels of type {dtype} (got {cval!r}).")
    return float(cval)


def checked_sigmas(given: Any, factors: Array) -> list[float]:
    sigmas = np.maximum(0, (factors - 1) / 2) if given is None else np.atleast_1d(given).astype(float)
    if sigmas.shape not in ((1,), factors.shape) or not np.all((sigmas >= 0) & (sigmas < np.inf)):
        raise ScaleError(f"anti_aliasing_sigma must be one or {len(factors)} numbers, none below zero (got {given!r}).")
    return [float(s) for s in np.broadcast_to(sigmas, factors.shape)]
