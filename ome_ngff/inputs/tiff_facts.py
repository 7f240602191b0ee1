"""What a TIFF file states about its pixels: sizes, units, channels, from OME-XML, ImageJ or resolution tags."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from ..spec import SPACE_UNITS, TIME_UNITS
from .arrange import Facts, unit_named
from .tiff_files import tag

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage


# Resolutions that cameras, scanners and paint programs write for screens and printers, in dots per inch.
_SCREEN_AND_PRINT = (72, 75, 90, 96, 100, 120, 144, 150, 180, 192, 200, 240, 300, 350, 360, 400, 600, 720, 1200, 2400)
_WHITE = "FFFFFF"
_MICROMETERS = {2: 25400.0, 3: 10000.0}


def facts_of(tiff: TiffFile, series: int, path: str) -> Facts:
    name = re.sub(r"(\.ome)?\.[^.]+$", "", Path(path).name, flags=re.IGNORECASE)
    if tiff.is_ome and tiff.ome_metadata:
        return ome_facts(tiff.ome_metadata, series, tiff.series[series].name, len(tiff.series), name)
    page = tiff.series[series].levels[0].keyframe
    if tiff.is_imagej and tiff.imagej_metadata:
        return imagej_facts(tiff.imagej_metadata, page, name)
    return Facts(name=name, **_resolution(page))


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
        value, unit = _positive(pixels.get(size)), pixels.get(f"{size}Unit", default)
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


def imagej_facts(metadata: Mapping[str, Any], page: TiffPage, name: str) -> Facts:
    """Return what ImageJ's description states: spacing, unit, frame interval, lookup tables as channel colours."""
    scale, units = {}, {}
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), str(metadata.get("unit", "")))
    if unit := unit_named(text, SPACE_UNITS):
        sizes = {"x": _pixel(page, "XResolution"), "y": _pixel(page, "YResolution")}
        if unit in ("inch", "centimeter") and _is_screen(sizes["x"], 2 if unit == "inch" else 3):
            sizes = {}
        sizes["z"] = _positive(metadata.get("spacing"))
        scale = {axis: size for axis, size in sizes.items() if size is not None}
        units = dict.fromkeys(scale, unit)
    if interval := _positive(metadata.get("finterval")):
        scale["t"], units["t"] = interval, unit_named(str(metadata.get("tunit", "s")), TIME_UNITS) or "second"
    channels = int(metadata.get("channels", 1))
    labels, tables = metadata.get("Labels"), metadata.get("LUTs")
    return Facts(
        name=name,
        scale=scale,
        units=units,
        channel_names=[str(label) for label in labels] if labels and len(labels) == channels else None,
        channel_colors=["".join(f"{int(v):02X}" for v in _brightest(table)) for table in tables] if tables else None,
    )


def _brightest(table: Any) -> Any:
    """Return the brightest colour of a lookup table of shape (3, 256): the last one unless it is inverted."""
    totals = table.sum(0)
    return table[:, len(totals) - 1 - totals[::-1].argmax()]


def _resolution(page: TiffPage) -> dict[str, Any]:
    """Return the pixel size of the resolution tags, in micrometers; empty if it is unlikely to have been measured.

    Every program writes these tags, mostly with the resolution of a screen or a printer. Those are left out, and so
    is one pixel per unit; anything else, such as 15400.0 per centimeter, is taken for a measurement.
    """
    tag = page.tags.get("ResolutionUnit")
    unit = int(tag.value) if tag is not None else 1
    sizes = {axis: _pixel(page, f"{axis.upper()}Resolution") for axis in "yx"}
    if unit not in _MICROMETERS or any(size is None or _is_screen(size, unit) for size in sizes.values()):
        return {}
    scale = {axis: size * _MICROMETERS[unit] for axis, size in sizes.items() if size is not None}
    return {"scale": scale, "units": dict.fromkeys(scale, "micrometer")}


def _is_screen(size: float | None, unit: int) -> bool:
    """Return whether a pixel size in inches (unit 2) or centimeters (unit 3) is typical of screens or printers."""
    if size is None or size >= 1:
        return True
    dpi = (1 if unit == 2 else 2.54) / size
    # Programs that write centimeters round: 72 dpi is 28.35 or 28 pixels per centimeter.
    return any(math.isclose(dpi, common, rel_tol=0.002 if unit == 2 else 0.02) for common in _SCREEN_AND_PRINT)


def _pixel(page: TiffPage, name: str) -> float | None:
    tag = page.tags.get(name)
    if tag is None:
        return None
    pixels, units = tag.value
    return _positive(units / pixels) if pixels else None


def _positive(value: Any) -> float | None:
    """Return the value as a finite number above zero, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 < number < math.inf else None


def _hex(rgba: str | None) -> str:
    """Convert OME's signed 32-bit RGBA integer to "RRGGBB"; white if there is none."""
    try:
        return f"{(int(rgba or -1) & 0xFFFFFFFF) >> 8:06X}"
    except ValueError:
        return _WHITE
