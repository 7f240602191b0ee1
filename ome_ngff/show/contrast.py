"""Which values are dark and which are bright."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..pixels import Array
from .palette import is_photograph

SAMPLE_BYTES = 16 * 2**20
_BLOCK = 2**18
_SHOWN = (0.1, 99.9)

Window = tuple[float, float]  # the values that are dark and bright, in this order


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


def window_of(pixels: Array) -> dict[str, float]:
    """Return which values to show, as `omero` says it.

    Returns:
        `start` and `end`, the 0.1th and the 99.9th percentile; `min` and `max`, the range of the type, or for floats
        that of the pixels. Where the percentiles are alike, `start` and `end` are the least and the greatest value;
        where all pixels are alike, the range of the type, or for floats up to 1 more. NaN and infinity do not count.
    """
    if pixels.dtype.kind == "f":
        if pixels.size and not np.isfinite([pixels.min(), pixels.max()]).all():
            pixels = pixels[np.isfinite(pixels)]
        low, high = (float(pixels.min()), float(pixels.max())) if pixels.size else (0.0, 0.0)
        window = {"min": low, "max": high if low < high else low + 1}
    else:
        window = type_window(pixels.dtype)
    window |= {"start": window["min"], "end": window["max"]}
    if not pixels.size or pixels.dtype.kind == "b":
        return window
    start, end = _percentiles(pixels)
    if start == end:
        start, end = float(pixels.min()), float(pixels.max())
    return window | ({"start": start, "end": end} if start < end else {})


def windows_of(read: Callable[[int], Array], colors: Sequence[str], dtype: np.dtype[Any]) -> list[dict[str, float]]:
    """Return the window of each channel: its own, or one for all of a photograph, whose colours stay true so.

    Args:
        read: gets the number of a channel, and returns its pixels.
        colors: "RRGGBB" per channel. dtype: of the pixels.
    """
    fixed = fixed_window(colors, dtype)
    if fixed is None and is_photograph(colors):
        fixed = window_of(np.stack([read(i) for i in range(3)]))
    return [fixed or window_of(read(i)) for i in range(len(colors))]


def fixed_window(colors: Sequence[str], dtype: np.dtype[Any]) -> dict[str, float] | None:
    """Return the window that all channels have whatever the pixels are: that of bool, and of photographs of uint8."""
    fixed = dtype == np.bool_ or (dtype == np.uint8 and is_photograph(colors))
    return type_window(dtype) if fixed else None


def _percentiles(pixels: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return the 0.1th and 99.9th percentile, the nearest pixels; counting is many times faster than sorting.

    Pixels are counted by numbers that are ordered as they are, of 12 bits for types of more than 16, where more would
    collide in the cache; then those that share one with a percentile are sorted.
    """
    flat = pixels.reshape(-1)
    blocks = [flat[i : i + _BLOCK] for i in range(0, flat.size, _BLOCK)]
    least, most = _ordered(np.array([flat.min(), flat.max()], flat.dtype.newbyteorder("=")))
    more = max(0, int(most - least).bit_length() - 12) if flat.dtype.itemsize > 2 else 0  # bits
    shift = least.dtype.type(more)
    counts = np.zeros((int(most - least) >> more) + 1, np.int64)
    for block in blocks:
        counts += np.bincount((_ordered(block) - least >> shift).astype(np.int64), minlength=counts.size)
    up_to, ranks = np.cumsum(counts), [round((flat.size - 1) * share / 100) for share in _SHOWN]
    keys = [int(key) for key in np.searchsorted(up_to, ranks, side="right")]
    if flat.dtype.kind != "f" and not more:  # each number is a value
        return float(int(flat.min()) + keys[0]), float(int(flat.min()) + keys[1])
    alike: tuple[list[Array], list[Array]] = ([], [])
    for block in blocks:
        own = _ordered(block) - least >> shift
        for key, found in zip(keys, alike, strict=True):
            found.append(block[own == key])
    at = [rank - int(up_to[key] - counts[key]) for rank, key in zip(ranks, keys, strict=True)]
    start, end = (_smallest(np.concatenate(found), i) for found, i in zip(alike, at, strict=True))
    return start, end


def _smallest(values: Array, rank: int) -> float:
    """Return the value that is at a rank in order; partition alone is slow where all are alike."""
    return float(values[0] if values.min() == values.max() else np.partition(values, rank)[rank])


def _ordered(pixels: Array) -> Array:
    """Return unsigned integers that are ordered as the pixels are."""
    size = pixels.dtype.itemsize
    bits = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("=")).view(f"u{size}")
    top = bits.dtype.type(1 << (8 * size - 1))
    if pixels.dtype.kind == "f":  # what is below zero is ordered the other way round
        top = (bits.view(f"i{size}") >> (8 * size - 1)).view(bits.dtype) | top
    ordered: Array = bits if pixels.dtype.kind == "u" else bits ^ top
    return ordered


def type_window(dtype: np.dtype[Any]) -> dict[str, float]:
    """Return the range of bool or of an integer type as a window."""
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return {"min": float(low), "max": float(high), "start": float(low), "end": float(high)}


def shown(window: dict[str, float]) -> Window:
    return window["start"], window["end"]
