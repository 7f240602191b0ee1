"""How arguments are written as text: on the command line, and in the table of a batch. One grammar for both."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from ..exceptions import OptionError

T = TypeVar("T")


def parse_axes(text: str) -> str | list[str]:
    """Read "zyx" or "z,y,x"."""
    return [name.strip() for name in text.split(",")] if "," in text else text


def _pairs(text: str, value: Callable[[str], T]) -> T | list[T] | dict[str, T]:
    """Read "0.5", "1,0.5" or "y=1,x=0.5": one value for all spatial axes, one per axis, or a dict by axis."""
    parts = [part.strip() for part in text.split(",")]
    if not any("=" in part for part in parts):
        values = [value(part) for part in parts]
        return values[0] if len(values) == 1 else values
    found: dict[str, T] = {}
    for part in parts:
        name, sign, rest = (piece.strip() for piece in part.partition("="))
        if not sign or not name or name in found:
            raise OptionError(f"{text!r} must name each axis once, as in z=2,y=1,x=1.")
        found[name] = value(rest)
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise OptionError(f"{text!r} is not a number; write z=0.5,y=0.1,x=0.1.") from None


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise OptionError(f"{text!r} is not a whole number, such as 2.")
    return int(text)


def parse_sizes(text: str) -> float | list[float] | dict[str, float]:
    """Read pixel sizes or positions: "0.5", "1,0.5" or "y=1,x=0.5"."""
    return _pairs(text, _number)


def parse_units(text: str) -> str | dict[str, str]:
    """Read "micrometer" or "z=micrometer,t=second"."""
    units = _pairs(text, str)
    if isinstance(units, list):
        raise OptionError(f"{text!r} must name the axes, as in z=micrometer,t=second.")
    return units


def parse_lengths(text: str) -> Any:
    """Read chunks or shards: "auto", "128", "1,64,64" or "z=64,y=128,x=128"."""
    if re.fullmatch(r"\d+(\s*[xX×*]\s*\d+)+", text.strip()):
        raise OptionError(f"{text!r} is not understood; write {','.join(re.findall(r'[0-9]+', text))}.")
    lengths = "auto" if text == "auto" else _pairs(text, _whole)
    return tuple(lengths) if isinstance(lengths, list) else lengths


def parse_factors(text: str) -> Any:
    """Read "2,4,8", "z=1,y=2,x=2;z=2,y=4,x=4", "auto" (None) or "none" (no further level)."""
    if text in ("auto", "none"):
        return None if text == "auto" else []
    if "=" not in text:
        return [_whole(part.strip()) for part in text.split(",")]
    return [_pairs(level, _whole) for level in text.split(";") if level.strip()]


def parse_region(text: str) -> dict[str, Any]:
    """Read "z=0:10,y=100.5:,c=DAPI": by axis from and to (not included), a number, or the name of a channel.

    Returns:
        A region as `Lattice.box` takes it; None stands for an end that is left out.

    Raises:
        OptionError: it is something else.
    """
    form = f"A region is z=0:10,y=100:300 or z=5, by axis (got {text!r})."

    def number(part: str) -> float | None:
        try:
            return float(part) if part else None
        except ValueError:
            raise OptionError(form) from None

    def interval(part: str) -> Any:
        ends = [end.strip() for end in part.split(":")]
        if len(ends) > 2 or not part:
            raise OptionError(form)
        if len(ends) == 2:
            return number(ends[0]), number(ends[1])
        return number(part) if re.fullmatch(r"[-+.\d][-+.\de]*", part) else part

    found = _pairs(text, interval) if "=" in text else None
    if not isinstance(found, dict):
        raise OptionError(form)
    return found
