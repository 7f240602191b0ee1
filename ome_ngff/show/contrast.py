"""What channels look like when nobody has chosen: their colours, and which values are dark and which are bright."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..pixels import Array

# Colours that the colour-blind tell apart (Okabe and Ito), in the order of `colors="auto"` of `write_labels`.
CYCLE = ("E69F00", "56B4E9", "009E73", "F0E442", "0072B2", "D55E00", "CC79A7")
_RGB = ("FF0000", "00FF00", "0000FF")


def default_colors(count: int, photograph: bool) -> tuple[str, ...]:
    """Return a colour for each of `count` channels of which nothing is known; a fourth of a photograph is opacity."""
    if photograph:
        return (*_RGB, "FFFFFF")[:count]
    few = {1: ("FFFFFF",), 2: ("FF00FF", "00FF00")}
    cycle = few.get(count, ("00FFFF", "FF00FF", "FFFF00", "FF0000", "00FF00", "0000FF"))
    return tuple(cycle[i % len(cycle)] for i in range(count))


def channel_names(
    count: int, dtype: np.dtype[Any], known: Sequence[str] | None, colors: Sequence[str] | None
) -> tuple[str, ...]:
    """Return the names that channels have: the `known` ones, those of a photograph, or none.

    Three or four channels of uint8 of which nothing is known are taken for a photograph.
    """
    if known or colors or dtype != np.uint8 or count not in (3, 4):
        return tuple(map(str, known or ()))
    return ("red", "green", "blue", "alpha")[:count]


def channel_colors(
    count: int, dtype: np.dtype[Any], known: Sequence[str] | None, names: Sequence[str] | None
) -> tuple[str, ...]:
    """Return the colour of each channel as "RRGGBB": the `known` ones, and defaults for the rest.

    Three channels of uint8 are taken for a photograph, four if the last is named "alpha".
    """
    found = tuple(str(color).lstrip("#").upper() for color in known or ())
    photograph = dtype == np.uint8 and (count == 3 or (count == 4 and is_opacity(3, names)))
    return (*found, *default_colors(count, photograph)[len(found) :])[:count]


def is_opacity(number: int, names: Sequence[str] | None) -> bool:
    """Return whether a channel is not to be seen, because it says how opaque the others are."""
    return number < len(names or ()) and str((names or ())[number]).lower() == "alpha"


def is_photograph(colors: Sequence[str]) -> bool:
    """Return whether channels of these colours are red, green and blue, and perhaps opacity."""
    return len(colors) in (3, 4) and tuple(colors[:3]) == _RGB


def parse_color(text: Any) -> tuple[int, int, int]:
    """Read "RRGGBB", with or without "#" and opacity; anything else is white."""
    found = re.fullmatch("#?([0-9a-fA-F]{6})([0-9a-fA-F]{2})?", str(text).strip())
    red, green, blue = bytes.fromhex(found[1]) if found else (255, 255, 255)
    return red, green, blue


# Contrast ------------------------------------------------------------------------------------------------------------

SAMPLE_BYTES = 16 * 2**20
_SHOWN = (0.1, 99.9)
_PART = 2**18  # pixels that are looked at in one go
_FEW, _GUESSED = 2**12, (0.5, 99.5)  # pixels that are looked at to guess, and percentiles of them

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
    """Return the 0.1th and 99.9th percentile, the nearest pixels."""
    flat = pixels.reshape(-1)
    few = flat[:: max(1, flat.size // _FEW) | 1].copy()
    ranks = [round((flat.size - 1) * share / 100) for share in _SHOWN]
    dark, bright = (_ranked(few, round((few.size - 1) * share / 100)) for share in _GUESSED)
    rest = np.concatenate([_outside(flat[i : i + _PART], dark, bright) for i in range(0, flat.size, _PART)])
    below, above = rest[rest < dark], rest[rest > bright]
    least = flat.size - above.size  # rank of the first of those above
    start = _ranked(below, ranks[0]) if ranks[0] < below.size else _smallest(flat, ranks[0], dark)
    end = _ranked(above, ranks[1] - least) if ranks[1] >= least else _smallest(flat, ranks[1], bright)
    return float(start), float(end)


def _outside(values: Array, low: Any, high: Any) -> Array:
    outside = values < low
    outside |= values > high
    return values[np.flatnonzero(outside)]  # a mask takes longer


def _smallest(values: Array, rank: int, guess: Any) -> Any:
    """Return the value at a rank in order; a good guess spares sorting, for all on its other side are left out."""
    less = values < guess
    below = np.count_nonzero(less)
    if rank < below:
        return _ranked(values[less], rank)
    more = np.greater(values, guess, out=less)
    first = values.size - int(np.count_nonzero(more))
    return guess if rank < first else _ranked(values[more], rank - first)


def _ranked(values: Array, rank: int) -> Any:
    values.partition(rank)  # in place, for these are a copy already
    return values[rank]


def type_window(dtype: np.dtype[Any]) -> dict[str, float]:
    """Return the range of bool or of an integer type as a window."""
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return {"min": float(low), "max": float(high), "start": float(low), "end": float(high)}


def shown(window: dict[str, float]) -> Window:
    return window["start"], window["end"]
