"""Rendering metadata (`omero`): names and colours that a file knows, contrast that the pixels show."""

from __future__ import annotations

from typing import Any

from zarr.storage import StorePath

from ..image import NgffImage
from ..read import level_paths
from ..show import SAMPLE_BYTES, channel_colors, is_opacity, sample, windows_of
from ..store import Target, find_target, open_array, update_document


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
    names, level = image.channel_names, _sampled_level(target)
    colors = channel_colors(count, image.data.dtype, image.channel_colors, names)
    windows = windows_of(lambda i: sample(level, None if at is None else (at, i)), colors, level.dtype)
    channels = [
        {"color": color, "window": window, "active": not is_opacity(i, names)}
        for i, (color, window) in enumerate(zip(colors, windows, strict=True))
    ]
    for channel, name in zip(channels, names or (), strict=False):
        channel["label"] = name
    return channels


def _sampled_level(target: Target) -> Any:
    """Open the finest level of at most 16 MiB, or the coarsest that there is."""
    levels = [open_array(target.store, target.key(path)) for path in level_paths(target.document)]
    return next((level for level in levels if level.nbytes <= SAMPLE_BYTES), levels[-1])
