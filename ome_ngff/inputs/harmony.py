"""What the index of Opera and Operetta says of each file: pixel size, place, height of the plane, channel."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import attrs

from .arrange import in_micrometers
from .tiff_files import tag

NAMES = ("Index.idx.xml", "Index.xml")


@attrs.frozen
class Indexed:
    """Say what is known of a plane: sizes of its pixels, its place and its height in micrometers; its channel."""

    scale: Mapping[str, float] = attrs.field(factory=dict)
    position: Mapping[str, float] = attrs.field(factory=dict)
    height: float | None = None
    channel: str = ""


def index_of_harmony(path: str) -> Iterator[tuple[str, Indexed]]:
    """Yield what an index says of each file, by its name; what it says of a channel once holds for all of its files.

    The y of the stage grows upwards, as the index says in its `OrientationMatrix`, that of an image downwards.

    Raises:
        ElementTree.ParseError, ValueError: it is not understood.
    """
    channels: dict[str, Element] = {}
    for _, element in ElementTree.iterparse(path):
        if tag(element) == "Entry" and any(tag(child) == "ChannelName" for child in element):
            channels[element.get("ChannelID", "")] = element
        elif tag(element) == "Image" and len(element):
            found = {tag(child): child for child in element}
            shared = channels.get(found["ChannelID"].text or "") if "ChannelID" in found else None
            said = {**{tag(child): child for child in ([] if shared is None else shared)}, **found}
            name = said["URL"].text if "URL" in said else None
            if name:
                yield os.path.basename(name), _entry(said)
            element.clear()


def _entry(said: Mapping[str, Element]) -> Indexed:
    def length(name: str) -> float | None:
        element = said.get(name)
        if element is None:
            return None
        value, unit = float(element.text or "nan"), in_micrometers(1, element.get("Unit"))
        return float(f"{value * unit:.9g}") if unit and value == value else None

    sizes = {axis: length(f"ImageResolution{axis.upper()}") for axis in "yx"}
    places = {axis: length(f"Position{axis.upper()}") for axis in "yx"}
    signs = {"y": -1.0, "x": 1.0}
    channel = said.get("ChannelName")
    return Indexed(
        {axis: size for axis, size in sizes.items() if size},
        {axis: signs[axis] * place + 0.0 for axis, place in places.items() if place is not None},
        length("PositionZ"),
        (channel.text or "").strip() if channel is not None else "",
    )
