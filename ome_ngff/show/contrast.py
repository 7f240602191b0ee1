"""Which values are dark and which are bright."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..pixels import Array

SAMPLE_BYTES = 16 * 2**20
_BLOCK = 2**20
_SHOWN = (0.1, 99.9)


def sample(array: Any, channel: tuple[int, int] | None) -> np.ndarray[Any, Any]:
    """Read an array, or the middle of one that is larger than 16 MiB.

    Args:
        array: anything that can be sliced.
        channel: axis and index of the channel that is meant; None for all.
    """
    box = [(0, n) for n in array.shape]
    if channel is not None:
        box[channel[0]] = (channel[1], channel[1] + 1)
    while np.prod([b - a for a, b in box], dtype=object) * array.dtype.itemsize > SAMPLE_BYTES:
        longest = max(range(len(box)), key=lambda i: box[i][1] - box[i][0])
        low, high = box[longest]
        box[longest] = (low + (high - low) // 4, high - (high - low) // 4)
    return np.asarray(array[tuple(slice(a, b) for a, b in box)])


def window_of(pixels: np.ndarray[Any, Any]) -> dict[str, float]:
    """Say which values to show.

    Returns:
        `start` and `end`, the 0.1th and 99.9th percentile; `min` and `max`, the range of the type, or for floats that
        of the pixels. Where all pixels are alike, all that there can be is shown.
    """
    if pixels.dtype.kind == "f":
        pixels = pixels[np.isfinite(pixels)]
        if not pixels.size or pixels.min() == pixels.max():
            low = float(pixels.min()) if pixels.size else 0.0
            return {"min": low, "max": low + 1, "start": low, "end": low + 1}
        window = {"min": float(pixels.min()), "max": float(pixels.max())}
    else:
        window = type_window(pixels.dtype)
    if pixels.dtype.kind != "b":
        start, end = _percentiles(pixels)
        if start < end:
            window |= {"start": start, "end": end}
    return {"start": window["min"], "end": window["max"], **window}


def _percentiles(pixels: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return the 0.1th and 99.9th percentile; those of 8 and 16 bits are counted, which is many times faster."""
    if pixels.dtype.kind == "f" or pixels.dtype.itemsize > 2:
        start, end = np.percentile(pixels, _SHOWN, method="nearest")
        return float(start), float(end)
    low = int(np.iinfo(pixels.dtype).min)
    flat = pixels.reshape(-1)
    counts = np.zeros(256**pixels.dtype.itemsize, np.int64)
    for i in range(0, flat.size, _BLOCK):  # counting takes eight bytes for each pixel
        counts += np.bincount(flat[i : i + _BLOCK].astype(np.int64) - low, minlength=counts.size)
    ranks = [round((flat.size - 1) * share / 100) for share in _SHOWN]
    start, end = np.searchsorted(np.cumsum(counts), ranks, side="right") + low
    return float(start), float(end)


def type_window(dtype: np.dtype[Any]) -> dict[str, float]:
    """Return the range of bool or of an integer type as a window."""
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return {"min": float(low), "max": float(high), "start": float(low), "end": float(high)}


Window = tuple[float, float]


def contrast(pixels: Array) -> Window:
    """Say from where (dark) to where (bright) values are shown: the 0.1th to the 99.9th percentile.

    Where these are alike, the least to the greatest value. NaN and infinity do not count.
    """
    if pixels.dtype.kind == "b":
        return 0.0, 1.0
    finite = pixels[np.isfinite(pixels)].astype(float) if pixels.dtype.kind == "f" else pixels.ravel()
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, [0.1, 99.9], method="nearest"))
    return (low, high) if low < high else (float(finite.min()), float(finite.max()))
