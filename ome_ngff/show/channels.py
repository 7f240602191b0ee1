"""Which channels of an image are seen, in which colour and between which values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from ..exceptions import OptionError
from ..spec import OmeroChannel
from ..text import nearest_word
from .contrast import Window, channel_colors, channel_names, fixed_window, is_opacity, shown
from .protocols import PyramidLike

MOST = 6  # that are seen at once without being asked


@attrs.frozen
class Channel:
    """How a channel is seen.

    Attributes:
        number: of the channel. name: what it is called. color: "RRGGBB".
        window: the values that are dark and bright, in this order; None: what the pixels say.
        active: whether it is seen without being asked.
    """

    number: int
    name: str
    color: str
    window: Window | None = None
    active: bool = True


def seen_channels(image: PyramidLike, count: int, wanted: Sequence[int | str] | None) -> tuple[Channel, ...]:
    """Choose channels.

    Args:
        image: what is known of them. count: how many there are.
        wanted: names or numbers; None: those that are active, six at most.

    Raises:
        OptionError: there is no such channel.
    """
    known = _channels(image, count)
    if wanted is None:
        return tuple([channel for channel in known if channel.active] or known)[:MOST]
    words = {str(c.number): c for c in known} | {c.name: c for c in reversed(known)}
    for word in map(str, wanted):
        if word not in words:
            names = [channel.name for channel in known]
            raise OptionError(f"There is no channel {word!r}.{nearest_word(word, names)} Known: {', '.join(names)}.")
    return tuple(dict.fromkeys(words[str(word)] for word in wanted))


def _channels(image: PyramidLike, count: int) -> list[Channel]:
    first, omero = image.images[0], image.metadata.omero
    names = [*channel_names(count, first.data.dtype, first.channel_names, first.channel_colors)]
    names += [str(i) for i in range(len(names), count)]
    colors = channel_colors(count, first.data.dtype, first.channel_colors, names)
    fixed = fixed_window(colors, first.data.dtype)
    window = None if fixed is None else shown(fixed)
    known = [Channel(i, names[i], colors[i], window, not is_opacity(i, names)) for i in range(count)]
    if omero is None:
        return known
    model = omero.extra.get("rdefs")
    gray = isinstance(model, Mapping) and model.get("model") == "greyscale"
    said = zip(known, omero.channels, strict=False)
    return [_as_said(channel, entry, gray) for channel, entry in said] + known[len(omero.channels) :]


def _as_said(channel: Channel, entry: OmeroChannel, gray: bool) -> Channel:
    """Let `omero` win over what else is known."""
    window = (entry.window.start, entry.window.end) if entry.window else channel.window
    if window is not None and entry.extra.get("inverted") is True:
        window = window[::-1]
    return attrs.evolve(
        channel,
        name=str(entry.label or channel.name),
        color="FFFFFF" if gray else (entry.color or channel.color).lstrip("#").upper(),
        window=window,
        active=channel.active and entry.extra.get("active") is not False,
    )
