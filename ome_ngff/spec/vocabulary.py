"""The words that the specification knows: names and types of axes, units, orientations."""

from __future__ import annotations

from enum import Enum

KNOWN_AXES = {"x": "space", "y": "space", "z": "space", "c": "channel", "t": "time"}
SPATIAL = ("z", "y", "x")
_PREFIXES = {
    "yocto": -24, "zepto": -21, "atto": -18, "femto": -15, "pico": -12, "nano": -9, "micro": -6, "milli": -3,
    "centi": -2, "deci": -1, "hecto": 2, "kilo": 3, "mega": 6, "giga": 9, "tera": 12, "peta": 15, "exa": 18,
    "zetta": 21, "yotta": 24,
}  # fmt: skip
SPACE_UNITS = frozenset(
    ["angstrom", "foot", "inch", "meter", "mile", "parsec", "yard", *(f"{p}meter" for p in _PREFIXES)]
)
TIME_UNITS = frozenset(["day", "hour", "minute", "second", *(f"{p}second" for p in _PREFIXES)])
UNITS = {"space": SPACE_UNITS, "time": TIME_UNITS}
_SHORT_UNITS = {
    "nm": "nanometer", "um": "micrometer", "µm": "micrometer", "μm": "micrometer", "micron": "micrometer",
    "mm": "millimeter", "cm": "centimeter", "m": "meter", "km": "kilometer", "pm": "picometer", "Å": "angstrom",
    "A": "angstrom", "in": "inch", "ns": "nanosecond", "us": "microsecond", "µs": "microsecond", "μs": "microsecond",
    "ms": "millisecond", "s": "second", "sec": "second", "min": "minute", "h": "hour", "d": "day",
}  # fmt: skip


class AnatomicalOrientation(Enum):
    """Name the direction in which an axis grows (RFC-4)."""

    LEFT_TO_RIGHT = "left-to-right"
    RIGHT_TO_LEFT = "right-to-left"
    ANTERIOR_TO_POSTERIOR = "anterior-to-posterior"
    POSTERIOR_TO_ANTERIOR = "posterior-to-anterior"
    INFERIOR_TO_SUPERIOR = "inferior-to-superior"
    SUPERIOR_TO_INFERIOR = "superior-to-inferior"
    DORSAL_TO_VENTRAL = "dorsal-to-ventral"
    VENTRAL_TO_DORSAL = "ventral-to-dorsal"
    DORSAL_TO_PALMAR = "dorsal-to-palmar"
    PALMAR_TO_DORSAL = "palmar-to-dorsal"
    DORSAL_TO_PLANTAR = "dorsal-to-plantar"
    PLANTAR_TO_DORSAL = "plantar-to-dorsal"
    ROSTRAL_TO_CAUDAL = "rostral-to-caudal"
    CAUDAL_TO_ROSTRAL = "caudal-to-rostral"
    CRANIAL_TO_CAUDAL = "cranial-to-caudal"
    CAUDAL_TO_CRANIAL = "caudal-to-cranial"
    PROXIMAL_TO_DISTAL = "proximal-to-distal"
    DISTAL_TO_PROXIMAL = "distal-to-proximal"


ORIENTATIONS = frozenset(member.value for member in AnatomicalOrientation)


def full_unit(unit: str | None) -> str | None:
    """Return the UDUNITS-2 name of a unit: "um" and "µm" become "micrometer"; a full name stays as it is."""
    return _SHORT_UNITS.get(unit, unit) if isinstance(unit, str) else unit


def in_meters(length: float, unit: str | None) -> float:
    """Convert a length; one whose unit is not a power of ten of the metre, or not known, stays as it is."""
    if unit == "angstrom":
        return length * 1e-10
    prefix = (unit or "").removesuffix("meter")
    return length * 10.0 ** _PREFIXES.get(prefix, 0) if (unit or "").endswith("meter") else length
