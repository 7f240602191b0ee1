"""What a TIFF file states about its pixels: sizes, units, channels, from OME-XML, ImageJ or resolution tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

import attrs

from ..spec import SPACE_UNITS, TIME_UNITS
from ..text import warn
from .arrange import NO_UNITS, Facts, positive, unit_named
from .tiff_ome import ome_facts
from .tiff_resolution import MICROMETERS, facts_of_resolution, is_of_paper, pixel_of, tell_not_taken
from .tiff_scifio import scifio_sizes
from .tiff_vendors import vendor_facts

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage


_PAPER = {"inch": 2, "centimeter": 3}


def facts_of(tiff: TiffFile, series: int, path: str) -> Facts:
    name = re.sub(r"(\.ome)?\.[^.]+$", "", Path(path).name, flags=re.IGNORECASE)
    if tiff.is_ome and tiff.ome_metadata:
        with suppress(ParseError):  # of which a warning has told
            return ome_facts(tiff.ome_metadata, series, tiff.series[series].name, len(tiff.series), name)
    page = tiff.series[series].levels[0].keyframe
    if tiff.is_imagej and tiff.imagej_metadata:
        return imagej_facts(tiff.imagej_metadata, page, name, path)
    said = vendor_facts(tiff, series, path) or Facts()
    title = tiff.series[series].name
    if title in ("Thumbnail", "Label", "Macro", "Map"):  # of a slide
        name = f"{name} {title.lower()}"
    sizes = said if said.scale else facts_of_resolution(page, path)
    return attrs.evolve(said, name=name, scale=sizes.scale, units=sizes.units)


def imagej_facts(metadata: Mapping[str, Any], page: TiffPage, name: str, path: str) -> Facts:
    """Return what ImageJ's description states: spacing, units, frame interval, channels with colours and contrast."""
    scale, units = _imagej_sizes(metadata, page, path)
    if interval := positive(metadata.get("finterval")):
        scale["t"], units["t"] = interval, unit_named(str(metadata.get("tunit", "s")), TIME_UNITS) or "second"
    channels = int(metadata.get("channels", 1))
    tables, ranges = metadata.get("LUTs"), metadata.get("Ranges")
    if not ranges and channels == 1 and "min" in metadata and "max" in metadata:
        ranges = (metadata["min"], metadata["max"])
    return Facts(
        name=name,
        scale=scale,
        units=units,
        channel_names=_channels_of_slices(metadata.get("Labels"), channels),
        channel_colors=["".join(f"{int(v):02X}" for v in _brightest(table)) for table in tables] if tables else None,
        channel_windows=_windows(ranges, channels),
    )


def _imagej_sizes(metadata: Mapping[str, Any], page: TiffPage, path: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return the pixel sizes and units of the axes in space; say which are not taken."""
    if "SCIFIO" in metadata:
        return scifio_sizes(metadata, path)
    if "unit" not in metadata:  # from a program that writes the tags alone
        found = facts_of_resolution(page, path)
        return dict(found.scale), dict(found.units)
    whole, said = _unit(metadata, "unit"), str(metadata["unit"]).strip()
    if whole is None and said.lower() not in NO_UNITS:
        warn(f"{path} has sizes in {said!r}, which is not a unit of length that is known; they are not taken.")
    sizes: dict[str, Any] = {axis: pixel_of(page, f"{axis.upper()}Resolution") for axis in "xy"}
    sizes["z"] = positive(str(metadata.get("spacing", "")).lstrip("-"))  # ImageJ, too, ignores the sign
    if whole in _PAPER and is_of_paper(sizes["x"], _PAPER[whole]):
        if sizes["x"] is not None:
            tell_not_taken(path, sizes["x"] * MICROMETERS[_PAPER[whole]])
        sizes = {"z": sizes["z"]}
    # The unit is that of x; the others have it, too, unless they have one of their own.
    known = {axis: _unit(metadata, f"{axis}unit") if f"{axis}unit" in metadata else whole for axis in sizes}
    units = {axis: unit for axis, unit in known.items() if unit and positive(sizes[axis])}
    return {axis: float(sizes[axis]) for axis in units}, units


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
    pairs: list[tuple[float, float]] = []
    with suppress(TypeError, ValueError):
        pairs = [(float(low), float(high)) for low, high in zip(ranges[::2], ranges[1::2], strict=False)]
    return pairs if len(pairs) == channels else None


def _brightest(table: Any) -> Any:
    """Return the brightest colour of a lookup table of shape (3, 256): the last one unless it is inverted."""
    totals = table.sum(0)
    return table[:, len(totals) - 1 - totals[::-1].argmax()]
