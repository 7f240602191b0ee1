"""Axes: their names, types, units and orientation."""

from .spec import (
    KNOWN_AXES,
    SPACE_UNITS,
    SPATIAL,
    TIME_UNITS,
    AnatomicalOrientation,
    Axes,
    Axis,
    axes_findings,
    full_unit,
)

__all__ = [
    "KNOWN_AXES",
    "SPACE_UNITS",
    "SPATIAL",
    "TIME_UNITS",
    "AnatomicalOrientation",
    "Axes",
    "Axis",
    "axes_findings",
    "full_unit",
]
