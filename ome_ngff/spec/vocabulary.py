"""The words that the specification knows: names and types of axes, units, orientations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from ..exceptions import AxesError

KNOWN_AXES = {"x": "space", "y": "space", "z": "space", "c": "channel", "t": "time"}
SPATIAL = ("z", "y", "x")
_LONG_NAMES = {"time": "t", "channel": "c", "depth": "z", "height": "y", "width": "x"}
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
_SYMBOLS = {
    "Y": "yotta", "Z": "zetta", "E": "exa", "P": "peta", "T": "tera", "G": "giga", "M": "mega", "k": "kilo",
    "h": "hecto", "": "", "d": "deci", "c": "centi", "m": "milli", "u": "micro", "µ": "micro", "μ": "micro",
    "n": "nano", "p": "pico", "f": "femto", "a": "atto", "z": "zepto", "y": "yocto",
}  # fmt: skip
_SHORT_UNITS = {
    **{f"{symbol}m": f"{prefix}meter" for symbol, prefix in _SYMBOLS.items()},
    **{f"{symbol}s": f"{prefix}second" for symbol, prefix in _SYMBOLS.items()},
    "micron": "micrometer", "microm": "micrometer", "Å": "angstrom", "\u212b": "angstrom", "A": "angstrom",
    "in": "inch", "inches": "inch", "ft": "foot", "feet": "foot", "mi": "mile", "yd": "yard", "pc": "parsec",
    "sec": "second", "msec": "millisecond", "usec": "microsecond", "min": "minute", "h": "hour", "hr": "hour",
    "d": "day",
}  # fmt: skip


_OME_UNITS = {
    "angstrom": "Å", "inch": "in", "foot": "ft", "mile": "mi", "yard": "yd", "parsec": "pc", "second": "s",
    "minute": "min", "hour": "h", "day": "d",
    **{
        f"{prefix}{unit}": f"{symbol}{unit[0]}" for unit in ("meter", "second")
        for symbol, prefix in _SYMBOLS.items() if symbol not in ("u", "μ")
    },
}  # fmt: skip


class AnatomicalOrientation(StrEnum):
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
    """Return the UDUNITS-2 name of a unit: "um", "µm", "Microns" and "micrometre" are "micrometer"; others stay."""
    if not isinstance(unit, str):
        return unit
    word = unit.strip()
    small = word.lower().replace("metre", "meter")
    one = small.removesuffix("s") if len(small) > 3 else small
    names = (_SHORT_UNITS.get(spelling, spelling) for spelling in (word, small, one))
    return next((name for name in names if name in SPACE_UNITS | TIME_UNITS), unit)


def short_unit(unit: str) -> str:
    """Return the symbol of a unit of length or time, as OME-XML writes it: "µm" for "micrometer"."""
    return _OME_UNITS.get(unit, unit)


def axis_name(name: str) -> str:
    """Return the name of an axis that "Z", "depth" or "Depth" stands for; names of one's own stay."""
    small = name.lower()
    return small if small in KNOWN_AXES else _LONG_NAMES.get(small, name)


def by_name(given: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return what is given for each axis under the names that the axes have: {"Z": 2} is for z.

    Raises:
        AxesError: two of the names stand for the same axis.
    """
    found = {key if key in names or not isinstance(key, str) else axis_name(key): given[key] for key in given}
    if len(found) < len(given):
        raise AxesError(f"Each axis is named once (got {', '.join(map(str, given))}).")
    return found


def in_meters(length: float, unit: str | None) -> float:
    """Convert a length; one whose unit is not a power of ten of the metre, or not known, stays as it is."""
    if unit == "angstrom":
        return length * 1e-10
    prefix = (unit or "").removesuffix("meter")
    return length * 10.0 ** _PREFIXES.get(prefix, 0) if (unit or "").endswith("meter") else length


_OTHER_UNITS = {
    "angstrom": 1e-10, "inch": 0.0254, "foot": 0.3048, "yard": 0.9144, "mile": 1609.344, "parsec": 3.0856775814913e16,
    "minute": 60.0, "hour": 3600.0, "day": 86400.0,
}  # fmt: skip


def times(unit: str, other: str) -> float | None:
    """Return how many of another unit one unit is; None where they do not measure the same, or are not known."""
    if not any({unit, other} <= units for units in UNITS.values()):
        return None
    one, two = (
        _OTHER_UNITS.get(name) or 10.0 ** _PREFIXES.get(name.removesuffix("meter").removesuffix("second"), 0)
        for name in (unit, other)
    )
    return one / two
