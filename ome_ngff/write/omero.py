"""How channels are shown (`omero`): names and colours that are known, contrast that the stored pixels show."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import attrs
import numpy as np

from ..image import NgffImage
from ..show import SAMPLE_BYTES, channel_colors, channel_names, is_opacity, sample, windows_of
from ..spec import OMERO, Metadata, Omero, OmeroChannel, OmeroWindow, encode_omero, with_omero
from ..text import warn


def _plain(windows: Sequence[Any]) -> Sequence[tuple[float, float]]:
    """Return windows as numbers of Python, which JSON can hold."""
    return [tuple(np.asarray(window).tolist()) for window in windows]


def _six_digits(color: str | None) -> str | None:
    digits = (color or "").removeprefix("#")
    return digits if re.fullmatch(r"[0-9a-fA-F]{6}", digits) else None


@attrs.frozen
class Rendering:
    """What is known of the channels of an image before its pixels are measured; called with the levels.

    Attributes:
        names, colors: of the channels, where they are known.
        stated: rendering that the source has, of all of its channels; what it lacks is measured.
        asked: whether the caller has asked for it; else a write that was begun without it is finished without.
        windows: values, low and high, that each channel is shown between, where they are known; else they are measured.
    """

    names: Sequence[str] = ()
    colors: Sequence[str] = ()
    stated: Omero | None = None
    asked: bool = True
    windows: Sequence[tuple[float, float]] = attrs.field(default=(), converter=_plain)

    @classmethod
    def of(cls, image: NgffImage, stated: Omero | None = None) -> Rendering:
        """Take over what an image knows of its channels."""
        windows = () if image.channel_windows is None else image.channel_windows
        if stated is not None and stated.channels:
            count = image.data.shape[image.dims.index("c")] if "c" in image.dims else 1
            stated = attrs.evolve(stated, channels=_each_of(count, stated.channels))
        return cls(tuple(image.channel_names or ()), tuple(image.channel_colors or ()), stated, windows=windows)

    def __call__(self, levels: Sequence[Any], metadata: Metadata) -> Mapping[str, Any]:
        """Return the part of the document about how the channels are shown.

        Args:
            levels: the pixels that are stored, the largest first; the finest of at most 16 MiB is read.
            metadata: of the image.
        """
        dims = [axis.name for axis in metadata.axes]
        at = dims.index("c") if "c" in dims else None
        level = next((level for level in levels if level.nbytes <= SAMPLE_BYTES), levels[-1])
        count = 1 if at is None else level.shape[at]
        middle = levels[0].shape[dims.index("z")] // 2 if "z" in dims else 0
        seen = {"rdefs": {"defaultT": 0, "defaultZ": middle, "model": "color"}}
        names = channel_names(count, level.dtype, self.names, self.colors)
        colors = channel_colors(count, level.dtype, self.colors, names)
        if self.stated is not None and self.stated.channels:
            known = [
                attrs.evolve(channel, color=_six_digits(channel.color) or color)
                for channel, color in zip(_each_of(count, self.stated.channels), colors, strict=True)
            ]
            stated = attrs.evolve(self.stated, channels=known, extra={**seen, **self.stated.extra})
            document = _measured(stated, level, at)
            if not [finding for finding in OMERO(document) if finding.severity == "error"]:
                return with_omero({}, document)
        channels = []
        for i, color in enumerate(colors):
            label = {"label": names[i]} if i < len(names) else {}
            channels.append(OmeroChannel(color, extra={"active": not is_opacity(i, names), **label}))
        windows = self.windows if len(self.windows) == count else ()
        return with_omero({}, _measured(Omero(channels, {"name": metadata.name, **seen}), level, at, windows))


def _each_of(count: int, stated: Sequence[OmeroChannel]) -> list[OmeroChannel]:
    """Return one channel for each that the pixels have, whatever number is described."""
    if len(stated) < count:
        warn(f"omero describes {len(stated)} of {count} channels; what it says of them is kept, the rest is measured.")
    elif len(stated) > count:
        warn(f"omero describes {len(stated)} channels of an image that has {count}; what it says of the others goes.")
    more = (OmeroChannel(None, extra={"active": True}) for _ in range(len(stated), count))
    return [*stated[:count], *more]


def _measured(omero: Omero, level: Any, at: int | None, known: Sequence[tuple[float, float]] = ()) -> dict[str, Any]:
    """Return the document of a rendering, with the windows that it lacks measured along axis `at` of a level.

    Those that are `known`, one per channel, say what is shown; then only the whole range is measured.
    """
    channels = list(omero.channels)
    missing = [i for i, channel in enumerate(channels) if channel.window is None]
    colors = [channels[i].color or "FFFFFF" for i in missing]
    whole = cache(lambda: sample(level, None))  # read once, whatever lies in its chunks

    def pixels(k: int) -> Any:
        if at is None or level.nbytes > SAMPLE_BYTES:
            return sample(level, None if at is None else (at, missing[k]))
        return whole()[(slice(None),) * at + (missing[k],)]

    windows = windows_of(pixels, colors, level.dtype)
    for i, found in zip(missing, windows, strict=True):
        start, end = known[i] if known else (found["start"], found["end"])
        window = OmeroWindow(min(found["min"], start), max(found["max"], end), start, end)
        extra = {key: value for key, value in channels[i].extra.items() if key != "window"}
        channels[i] = attrs.evolve(channels[i], window=window, extra=extra)
    return encode_omero(attrs.evolve(omero, channels=channels))
