"""How channels are shown: `omero` to a value and back. It is the same in all versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..metadata import Omero, OmeroChannel, OmeroWindow
from ..rules.book import is_list, is_number, part_of

_WINDOW = ("start", "end", "min", "max")


def decode_omero(omero: Any) -> Omero | None:
    """Parse an `omero` document, however incomplete; return None if it lists no channels.

    A window that gives only one pair of values, such as min and max, shows the whole of that range.
    """
    channels = part_of(omero, "channels")
    if not is_list(channels):
        return None
    rest = {key: value for key, value in omero.items() if key != "channels"}
    return Omero([_channel(dict(c) if isinstance(c, Mapping) else {}) for c in channels], rest)


def _channel(known: dict[str, Any]) -> OmeroChannel:
    window = _window(known.get("window"))
    if window is not None:
        del known["window"]
    color, label = known.pop("color", None), known.pop("label", None)
    texts = [None if text is None else str(text) for text in (color, label)]
    return OmeroChannel(texts[0], window, texts[1], known)


def _window(window: Any) -> OmeroWindow | None:
    given = {key: part_of(window, key) for key in _WINDOW if is_number(part_of(window, key))}
    start, end, low, high = (given.get(key) for key in _WINDOW)
    low, high = (start if low is None else low), (end if high is None else high)
    if low is None or high is None:
        return None
    extra = {key: value for key, value in window.items() if key not in _WINDOW}
    return OmeroWindow(low, high, low if start is None else start, high if end is None else end, extra)


def encode_omero(omero: Omero) -> dict[str, Any]:
    """Return the `omero` document."""
    return {"channels": [_document(channel) for channel in omero.channels], **omero.extra}


def _document(channel: OmeroChannel) -> dict[str, Any]:
    document: dict[str, Any] = {} if channel.color is None else {"color": channel.color}
    if channel.window is not None:
        window = channel.window
        document["window"] = {**{key: getattr(window, key) for key in _WINDOW}, **window.extra}
    if channel.label is not None:
        document["label"] = channel.label
    return {**document, **channel.extra}
