"""Rendering metadata (`omero`): names and colours that a file knows, contrast that the pixels show."""

from __future__ import annotations

from typing import Any

import numpy as np
from zarr.storage import StorePath

from ..image import NgffImage
from ..read import level_paths
from ..show import SAMPLE_BYTES, sample, type_window, window_of
from ..store import Target, find_target, open_array, update_document

_CYCLE = ("0000FF", "00FF00", "FF0000", "FF00FF", "00FFFF", "FFFF00")
_RGB = ("FF0000", "00FF00", "0000FF")


def add_omero(target: Target, image: NgffImage) -> None:
    """Describe the channels of an image that has just been written, unless its metadata does so already.

    Args:
        target: the group of the image. image: what was written there, with what its file says of the channels.
    """
    target = find_target(StorePath(target.store, target.path), target.fmt)
    if "omero" in target.document:
        return
    omero = {"channels": _channels(target, image)}
    update_document(target, lambda there: {"omero": omero})


def _channels(target: Target, image: NgffImage) -> list[dict[str, Any]]:
    """Return one entry per channel, with the label and colour that are known."""
    at = image.dims.index("c") if "c" in image.dims else None
    count = 1 if at is None else image.data.shape[at]
    colors = list(image.channel_colors or (_CYCLE[i % len(_CYCLE)] if count > 1 else "FFFFFF" for i in range(count)))
    level = _sampled_level(target)
    photograph = count in (3, 4) and tuple(colors[:3]) == _RGB
    if photograph:  # the same window for all keeps its colours
        windows = [type_window(level.dtype) if level.dtype == np.uint8 else window_of(sample(level, None))] * count
    else:
        windows = [window_of(sample(level, None if at is None else (at, i))) for i in range(count)]
    channels = [{"color": c, "window": w, "active": True} for c, w in zip(colors, windows, strict=True)]
    for channel, name in zip(channels, image.channel_names or (), strict=False):
        channel["label"] = name
    return channels


def _sampled_level(target: Target) -> Any:
    """Open the finest level of at most 16 MiB, or the coarsest that there is."""
    levels = [open_array(target.store, target.key(path)) for path in level_paths(target.document)]
    return next((level for level in levels if level.nbytes <= SAMPLE_BYTES), levels[-1])
