"""What OME-XML states about one image: sizes, units, times and places of its planes, channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ..spec import SPACE_UNITS, TIME_UNITS
from ..text import warn
from .arrange import NO_UNITS, Facts, even_step, in_micrometers, positive, unit_named
from .tiff_files import tag

_WHITE = "FFFFFF"


def ome_facts(xml: str, series: int, title: str, count: int, name: str) -> Facts:
    """Return what OME-XML states about one image.

    Args:
        xml: the document. series: index of the image among the `count` of the file.
        title: name that tifffile gives the series; selects the image if the document does not describe `count` images.
        name: of the image if the document gives it none.
    """
    images = [image for image in _parsed(xml) if tag(image) == "Image"]
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
        named = unit_named(unit, TIME_UNITS if axis == "t" else SPACE_UNITS)
        if value is not None and named is not None:
            scale[axis], units[axis] = value, named
        elif value is not None and unit == "reference frame":
            scale[axis] = value
        elif value is not None and unit.strip().lower() not in NO_UNITS:
            warn(f"{name} has a {size} in {unit!r}, which is not a unit that is known for it; it is not taken.")
    planes, translation = [child for child in pixels if tag(child) == "Plane"], dict[str, float]()
    try:
        _time_of(planes, scale, units, name)
        translation = _place_of(planes, scale, units, name)
    except ValueError as error:
        warn(f"Not all times and stage positions of {name} are kept, for the planes say some that are none ({error}).")
    channels = [child for child in pixels if tag(child) == "Channel"]
    known = [channel.get("Name") or channel.get("Fluor") for channel in channels]
    names = [each or f"Channel {i}" for i, each in enumerate(known)]
    colors = [_hex(channel.get("Color")) for channel in channels]
    return Facts(
        name=images[series].get("Name") or name,
        scale=scale,
        translation=translation,
        units=units,
        channel_names=names if any(known) else None,
        channel_colors=colors if set(colors) != {_WHITE} else None,  # the default, written if nobody chose a colour
    )


@lru_cache(maxsize=1)  # of all images of a file
def _parsed(xml: str) -> Element:
    return ElementTree.fromstring(xml)


def _time_of(planes: Sequence[Element], scale: dict[str, float], units: dict[str, str], name: str) -> None:
    """Fill in the interval of the times of the planes, `DeltaT`, where the file states none; else compare both."""
    first: dict[int, float] = {}
    for plane in sorted(planes, key=lambda plane: [_number(plane, f"The{axis}") for axis in "TCZ"]):
        if plane.get("DeltaT"):
            first.setdefault(int(_number(plane, "TheT")), _number(plane, "DeltaT"))
    times = [first[t] for t in sorted(first)]
    unit = unit_named(next((plane.get("DeltaTUnit", "s") for plane in planes), None), TIME_UNITS)
    if len(times) < 2 or sorted(first) != list(range(len(times))) or unit is None or not any(times):
        return
    step, known = even_step(times), scale.get("t")
    if step is None:
        warn(f"The times of the planes of {name} (DeltaT) are not even{'' if known else ', so it has no interval'}.")
    elif known is None:
        scale["t"], units["t"] = step, unit
    elif unit == units.get("t") and abs(step - known) > 0.1 * known:
        warn(f"{name} says a TimeIncrement of {known:g}, but its planes are {step:g} {unit}s apart (DeltaT).")


def _place_of(planes: Sequence[Element], scale: dict[str, float], units: dict[str, str], name: str) -> dict[str, float]:
    """Return where the stage stood, in the units of the axes; fill in the step of z where the file states none.

    An image has one place: planes at several x or y have none, and neither have steps of z other than its pixel size.
    """
    place: dict[str, float] = {}
    for axis in "xyz":
        key = f"Position{axis.upper()}"
        there = [plane for plane in planes if plane.get(key)]
        at = {_number(plane, "TheZ") if axis == "z" else i: plane for i, plane in reversed([*enumerate(there)])}
        values = [_number(at[i], key) for i in sorted(at)]
        if not any(values) or (axis == "z" and len(values) == 1):
            continue
        said = there[0].get(f"{key}Unit", "reference frame")
        unit, step = unit_named(said, SPACE_UNITS), even_step(values)
        if axis == "z" and "z" not in scale and step and unit:
            scale["z"], units["z"] = step, unit
        factor = in_micrometers(1, unit), in_micrometers(1, units.get(axis))
        if factor[0] is None or factor[1] is None:
            warn(f"The stage positions of {name} along {axis} are not kept: they or its pixels have no unit of length.")
            continue
        values = [float(f"{value * factor[0] / factor[1]:.12g}") for value in values]
        steady = axis == "z" and step and abs(step * factor[0] / factor[1] / scale["z"] - 1) < 0.1
        if steady or len(set(values)) == 1:
            place[axis] = values[0]
        else:
            warn(f"The stage positions of {name} along {axis} are not kept: they differ from plane to plane.")
    return place


def _number(plane: Element, key: str) -> float:
    """Return an attribute of a plane, 0 where there is none; `ome_facts` says what is no number."""
    value = float(plane.get(key) or 0)
    if not math.isfinite(value):
        raise ValueError(f"{key} is {value}")
    return value


def _hex(rgba: str | None) -> str:
    """Convert OME's signed 32-bit RGBA integer to "RRGGBB"; white if there is none."""
    try:
        return f"{(int(rgba or -1) & 0xFFFFFFFF) >> 8:06X}"
    except ValueError:
        return _WHITE
