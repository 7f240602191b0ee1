"""Rendering metadata (`omero`): names and colours that a file knows, contrast that the pixels show."""

from __future__ import annotations

from typing import Any

import numpy as np
from zarr.storage import StorePath

from . import storage
from .attributes import update_document
from .image import NgffImage

SAMPLE_BYTES = 16 * 2**20
_BLOCK = 2**20
_SHOWN = (0.1, 99.9)
_CYCLE = ("0000FF", "00FF00", "FF0000", "FF00FF", "00FFFF", "FFFF00")
_RGB = ("FF0000", "00FF00", "0000FF")


def add_omero(target: storage.Target, image: NgffImage) -> None:
    """Describe the channels of an image that has just been written, unless its metadata does so already.

    Args:
        target: the group of the image. image: what was written there, with what its file says of the channels.
    """
    target = storage.find_target(StorePath(target.store, target.path), target.fmt)
    if "omero" in target.document:
        return
    omero = {"channels": _channels(target, image)}
    update_document(target, lambda there: {"omero": omero})


def _channels(target: storage.Target, image: NgffImage) -> list[dict[str, Any]]:
    """Return one entry per channel, with the label and colour that are known."""
    at = image.dims.index("c") if "c" in image.dims else None
    count = 1 if at is None else image.data.shape[at]
    colors = list(image.channel_colors or (_CYCLE[i % len(_CYCLE)] if count > 1 else "FFFFFF" for i in range(count)))
    level = _sampled_level(target)
    photograph = count in (3, 4) and tuple(colors[:3]) == _RGB
    if photograph:  # the same window for all keeps its colours
        windows = [_type_window(level.dtype) if level.dtype == np.uint8 else window_of(sample(level, None))] * count
    else:
        windows = [window_of(sample(level, None if at is None else (at, i))) for i in range(count)]
    channels = [{"color": c, "window": w, "active": True} for c, w in zip(colors, windows, strict=True)]
    for channel, name in zip(channels, image.channel_names or (), strict=False):
        channel["label"] = name
    return channels


def _sampled_level(target: storage.Target) -> Any:
    """Open the finest level of at most 16 MiB, or the coarsest that there is."""
    levels = [storage.open_array(target.store, target.key(path)) for path in storage.level_paths(target.document)]
    return next((level for level in levels if level.nbytes <= SAMPLE_BYTES), levels[-1])


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
        window = _type_window(pixels.dtype)
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


def _type_window(dtype: np.dtype[Any]) -> dict[str, float]:
    """Return the range of bool or of an integer type as a window."""
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return {"min": float(low), "max": float(high), "start": float(low), "end": float(high)}


__all__ = ["add_omero", "sample", "window_of"]
