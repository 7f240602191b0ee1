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
        said: rendering that the source states; what it lacks is measured. None, or one of another number of channels,
            is left out.
    """

    names: Sequence[str] | None = None
    colors: Sequence[str] | None = None
    said: Omero | None = None

    @classmethod
    def of(cls, image: NgffImage, said: Omero | None = None) -> Rendering:
        """Take what an image says of its channels."""
        return cls(tuple(image.channel_names or ()), tuple(image.channel_colors or ()), said)

    def __call__(self, target: Target, metadata: Metadata) -> Mapping[str, Any]:
        """Return the part of the document that says how the channels are shown, measured from the stored levels."""
        dims = [axis.name for axis in metadata.axes]
        at = dims.index("c") if "c" in dims else None
        levels = [open_array(target.store, target.key(dataset.path)) for dataset in metadata.datasets]
        level = next((level for level in levels if level.nbytes <= SAMPLE_BYTES), levels[-1])
        count = 1 if at is None else level.shape[at]
        said = self._completed(level, at, count)
        if said is not None and not [f for f in OMERO(said) if f.severity == "error"]:
            return {"omero": said}
        colors = channel_colors(count, level.dtype, self.colors, self.names)
        channels = []
        for i, (color, window) in enumerate(zip(colors, _windows(level, at, range(count), colors), strict=True)):
            extra: dict[str, Any] = {"active": not is_opacity(i, self.names)}
            if i < len(self.names or ()):
                extra["label"] = (self.names or ())[i]
            channels.append(OmeroChannel(color, window, extra=extra))
        return {"omero": encode_omero(Omero(channels))}

    def _completed(self, level: Any, at: int | None, count: int) -> dict[str, Any] | None:
        """Return the rendering that the source states, with the windows that it lacks."""
        if self.said is None or len(self.said.channels) != count:
            return None
        channels = list(self.said.channels)
        missing = [i for i, channel in enumerate(channels) if channel.window is None]
        colors = [channel.color or "FFFFFF" for channel in channels]
        for i, window in zip(missing, _windows(level, at, missing, [colors[i] for i in missing]), strict=True):
            extra = {key: value for key, value in channels[i].extra.items() if key != "window"}
            channels[i] = attrs.evolve(channels[i], window=window, extra=extra)
        return encode_omero(attrs.evolve(self.said, channels=channels))


def _windows(level: Any, at: int | None, channels: Sequence[int], colors: Sequence[str]) -> list[OmeroWindow]:
    """Measure the windows of some channels."""
    found = windows_of(lambda i: sample(level, None if at is None else (at, channels[i])), colors, level.dtype)
    return [OmeroWindow(window["min"], window["max"], window["start"], window["end"]) for window in found]
