"""What a TIFF file states about its pixels: sizes, units, channels, from OME-XML, ImageJ or resolution tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import attrs

from ..spec import SPACE_UNITS, TIME_UNITS
from .arrange import Facts, positive, unit_named
from .tiff_files import tag
from .tiff_resolution import MICROMETERS, facts_of_resolution, is_of_paper, pixel_of, tell_not_taken
from .tiff_vendors import vendor_facts

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage


_WHITE = "FFFFFF"
_PAPER = {"inch": 2, "centimeter": 3}


def facts_of(tiff: TiffFile, series: int, path: str) -> Facts:
    name = re.sub(r"(\.ome)?\.[^.]+$", "", Path(path).name, flags=re.IGNORECASE)
    if tiff.is_ome and tiff.ome_metadata:
        return ome_facts(tiff.ome_metadata, series, tiff.series[series].name, len(tiff.series), name)
    page = tiff.series[series].levels[0].keyframe
    if tiff.is_imagej and tiff.imagej_metadata:
        return imagej_facts(tiff.imagej_metadata, page, name, path)
    said = vendor_facts(tiff, series, path) or Facts()
    sizes = said if said.scale else facts_of_resolution(page, path)
    return attrs.evolve(said, name=name, scale=sizes.scale, units=sizes.units)


def ome_facts(xml: str, series: int, title: str, count: int, name: str) -> Facts:
    """Return what OME-XML states about one image.

    Args:
        xml: the document. series: index of the image among the `count` of the file.
        title: name that tifffile gives the series; selects the image if the document does not describe `count` images.
        name: of the image if the document gives it none.
    """
    images = [image for image in ElementTree.fromstring(xml) if tag(image) == "Image"]
    if len(images) != count:
        images = [image for image in images if image.get("Name") == title] or images[:1]
        series = 0
    if not images:
        return Facts(name=name)
    pixels = next((child for child in images[series] if tag(child) == "Pixels"), None)
    if pixels is None:
        return Facts(name=images[series].get("Name") or name)
    scale: dict[str, float] = {}
    units: dict[str, str] = {}
    for axis, size, default in (*((a, f"PhysicalSize{a.upper()}", "µm") for a in "xyz"), ("t", "TimeIncrement", "s")):
        value, unit = positive(pixels.get(size)), pixels.get(f"{size}Unit", default)
        if value is not None and unit != "pixel":
            scale[axis] = value
            known = unit_named(unit, TIME_UNITS if axis == "t" else SPACE_UNITS)
            units |= {axis: known} if known else {}
    channels = [child for child in pixels if tag(child) == "Channel"]
    names = [channel.get("Name") or f"Channel {i}" for i, channel in enumerate(channels)]
    colors = [_hex(channel.get("Color")) for channel in channels]
    return Facts(
        name=images[series].get("Name") or name,
        scale=scale,
        units=units,
        channel_names=names if any(channel.get("Name") for channel in channels) else None,
        channel_colors=colors if set(colors) != {_WHITE} else None,  # the default, written if nobody chose a colour
    )


def imagej_facts(metadata: Mapping[str, Any], page: TiffPage, name: str, path: str) -> Facts:
    """Return what ImageJ's description states: spacing, units, frame interval, channels with colours and contrast."""
    sizes = {"x": pixel_of(page, "XResolution"), "y": pixel_of(page, "YResolution"), "z": metadata.get("spacing")}
    whole = _unit(metadata, "unit")
    if whole in _PAPER and is_of_paper(sizes["x"], _PAPER[whole]):
        if sizes["x"] is not None:
            tell_not_taken(path, sizes["x"] * MICROMETERS[_PAPER[whole]])
        sizes = {"z": sizes["z"]}
    # The unit is that of x; the others have it, too, unless they have one of their own.
    units = {axis: _unit(metadata, f"{axis}unit") if f"{axis}unit" in metadata else whole for axis in sizes}
    scale = {axis: size for axis in sizes if units[axis] and (size := positive(sizes[axis])) is not None}
    units = {axis: units[axis] for axis in scale}
    if interval := positive(metadata.get("finterval")):
        scale["t"], units["t"] = interval, unit_named(str(metadata.get("tunit", "s")), TIME_UNITS) or "second"
    channels = int(metadata.get("channels", 1))
    tables, ranges = metadata.get("LUTs"), metadata.get("Ranges")
    if not ranges and channels == 1 and "min" in metadata and "max" in metadata:
        ranges = (metadata["min"], metadata["max"])
    return Facts(
        name=name,
        scale=scale,
        units={axis: unit for axis, unit in units.items() if unit},
        channel_names=_channels_of_slices(metadata.get("Labels"), channels),
        channel_colors=["".join(f"{int(v):02X}" for v in _brightest(table)) for table in tables] if tables else None,
        channel_windows=_windows(ranges, channels),
    )


def _unit(metadata: Mapping[str, Any], key: str) -> str | None:
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), str(metadata.get(key, "")))
    return unit_named(text, SPACE_UNITS)


def _channels_of_slices(labels: Any, channels: int) -> list[str] | None:
    """Return the names of channels that the labels of the slices agree on; None where they do not.

    ImageJ has one label for each slice, channels changing fastest: "c:1/2 z:1/3 - DAPI" where it has split or joined.
    """
    labels = [labels] if isinstance(labels, str) else [str(label).strip() for label in labels or ()]
    if not labels or len(labels) % channels:
        return None
    names = [re.sub(r"^([czt]:\d+/\d+ )+- ", "", label) for label in labels]
    each = [set(names[i::channels]) for i in range(channels)]
    return names[:channels] if all(len(one) == 1 for one in each) and all(names[:channels]) else None


def _windows(ranges: Any, channels: int) -> list[tuple[float, float]] | None:
    """Return the lower and upper values that each channel is shown between."""
    pairs = [(float(low), float(high)) for low, high in zip(ranges[::2], ranges[1::2], strict=False)] if ranges else []
    return pairs if len(pairs) == channels and all(low < high for low, high in pairs) else None


def _brightest(table: Any) -> Any:
    """Return the brightest colour of a lookup table of shape (3, 256): the last one unless it is inverted."""
    totals = table.sum(0)
    return table[:, len(totals) - 1 - totals[::-1].argmax()]


def _hex(rgba: str | None) -> str:
    """Convert OME's signed 32-bit RGBA integer to "RRGGBB"; white if there is none."""
    try:
        return f"{(int(rgba or -1) & 0xFFFFFFFF) >> 8:06X}"
    except ValueError:
        return _WHITE
