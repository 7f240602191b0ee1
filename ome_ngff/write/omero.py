"""How channels are shown (`omero`): names and colours that are known, contrast that the stored pixels show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ..image import NgffImage
from ..show import SAMPLE_BYTES, channel_colors, is_opacity, sample, windows_of
from ..spec import OMERO, Metadata, Omero, OmeroChannel, OmeroWindow, encode_omero
from ..store import Target, open_array


@attrs.frozen
class Rendering:
    """What is known of the channels of an image before its pixels are measured; called with the stored image.

    Attributes:
        names, colors: of the channels, where they are known.
        stated: rendering that the source has; what it lacks is measured. None, or one of another number of channels,
            is left out.
    """

    names: Sequence[str] = ()
    colors: Sequence[str] = ()
    stated: Omero | None = None

    @classmethod
    def of(cls, image: NgffImage, stated: Omero | None = None) -> Rendering:
        """Take over what an image knows of its channels."""
        return cls(tuple(image.channel_names or ()), tuple(image.channel_colors or ()), stated)

    def __call__(self, target: Target, metadata: Metadata) -> Mapping[str, Any]:
        """Return the part of the document about how the channels are shown, measured from the stored levels."""
        dims = [axis.name for axis in metadata.axes]
        at = dims.index("c") if "c" in dims else None
        levels = [open_array(target.store, target.key(dataset.path)) for dataset in metadata.datasets]
        level = next((level for level in levels if level.nbytes <= SAMPLE_BYTES), levels[-1])
        count = 1 if at is None else level.shape[at]
        if self.stated is not None and len(self.stated.channels) == count:
            document = _measured(self.stated, level, at)
            if not [finding for finding in OMERO(document) if finding.severity == "error"]:
                return {"omero": document}
        channels = []
        for i, color in enumerate(channel_colors(count, level.dtype, self.colors, self.names)):
            label = {"label": self.names[i]} if i < len(self.names) else {}
            channels.append(OmeroChannel(color, extra={"active": not is_opacity(i, self.names), **label}))
        return {"omero": _measured(Omero(channels), level, at)}


def _measured(omero: Omero, level: Any, at: int | None) -> dict[str, Any]:
    """Return the document of a rendering, with the windows that it lacks measured along axis `at` of a level."""
    channels = list(omero.channels)
    missing = [i for i, channel in enumerate(channels) if channel.window is None]
    colors = [channels[i].color or "FFFFFF" for i in missing]
    windows = windows_of(lambda k: sample(level, None if at is None else (at, missing[k])), colors, level.dtype)
    for i, found in zip(missing, windows, strict=True):
        window = OmeroWindow(found["min"], found["max"], found["start"], found["end"])
        extra = {key: value for key, value in channels[i].extra.items() if key != "window"}
        channels[i] = attrs.evolve(channels[i], window=window, extra=extra)
    return encode_omero(attrs.evolve(omero, channels=channels))
