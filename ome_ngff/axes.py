"""Axes: their names, types, units and orientation."""

from .spec import KNOWN_AXES as KNOWN_AXES
from .spec import SPACE_UNITS as SPACE_UNITS
from .spec import SPATIAL as SPATIAL
from .spec import TIME_UNITS as TIME_UNITS
from .spec import AnatomicalOrientation as AnatomicalOrientation
from .spec import Axes as Axes
from .spec import Axis as Axis
from .spec import axes_findings as axes_findings
from .spec import full_unit as full_unit
