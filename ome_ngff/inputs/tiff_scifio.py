"""What SCIFIO, with which ImageJ2 saves, says in a TIFF: a list of axes, beside words of ImageJ that say less."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..spec import SPACE_UNITS, TIME_UNITS
from ..text import warn
from .arrange import NO_UNITS, positive, unit_named
from .naming import axis_of

if TYPE_CHECKING:
    from tifffile import TiffPageSeries

_UNKNOWN = "qruvw"


def scifio_axes(metadata: Mapping[str, Any] | None) -> list[tuple[str, str, str, str]]:
    """Return word, length, scale and unit of each axis, the fastest first; empty where another program has written."""
    if "SCIFIO" not in (metadata or {}):
        return []
    columns = [str((metadata or {}).get(key, "")).split(",") for key in ("axes", "lengths", "scales", "units")]
    return list(zip(*columns, strict=True)) if len(set(map(len, columns))) == 1 else []


def scifio_shape(metadata: Mapping[str, Any] | None, series: TiffPageSeries) -> tuple[tuple[int, ...], str] | None:
    """Return the shape and letters that SCIFIO states; None where the pages of the file are not those."""
    page: Any = series.keyframe
    inside = {"x", "y", "c"} if "S" in page.axes else {"x", "y"}
    listed = [(axis_of(word), positive(length)) for word, length, _, _ in scifio_axes(metadata)]
    frames = [(axis, int(size or 0)) for axis, size in listed[::-1] if axis not in inside]
    if not listed or math.prod(size for _, size in frames) * math.prod(page.shape) != math.prod(series.shape):
        return None
    names = iter(_UNKNOWN)
    letters = "".join(axis or next(names) for axis, _ in frames)
    return (*(size for _, size in frames), *page.shape), letters + page.axes.lower()


def scifio_sizes(metadata: Mapping[str, Any], path: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return sizes and units by axis. The tags of resolution are per centimetre, whatever the unit of ImageJ says."""
    scale, units = {}, {}
    for word, _, size, said in scifio_axes(metadata):
        axis, number = axis_of(word), positive(size)
        unit = unit_named(said, TIME_UNITS if axis == "t" else SPACE_UNITS)
        if axis is None or axis not in "tzyx" or number is None:
            continue
        if unit is not None:
            scale[axis], units[axis] = number, unit
        elif said.lower() not in {*NO_UNITS, "null"}:
            warn(f"{path} has sizes in {said!r}, which is not a unit that is known; they are not taken.")
    return scale, units
