"""The colours that channels and labels have when nobody has chosen any."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

# Colours that the colour-blind tell apart (Okabe and Ito), in the order of `colors="auto"` of `write_labels`.
CYCLE = ("E69F00", "56B4E9", "009E73", "F0E442", "0072B2", "D55E00", "CC79A7")
_RGB = ("FF0000", "00FF00", "0000FF")


def default_colors(count: int, photograph: bool) -> tuple[str, ...]:
    """Return a colour for each of `count` channels of which nothing is known; a fourth of a photograph is opacity."""
    if photograph:
        return (*_RGB, "FFFFFF")[:count]
    few = {1: ("FFFFFF",), 2: ("FF00FF", "00FF00")}
    cycle = few.get(count, ("00FFFF", "FF00FF", "FFFF00", "FF0000", "00FF00", "0000FF"))
    return tuple(cycle[i % len(cycle)] for i in range(count))


def channel_names(
    count: int, dtype: np.dtype[Any], known: Sequence[str] | None, colors: Sequence[str] | None
) -> tuple[str, ...]:
    """Return the names that channels have: the `known` ones, those of a photograph, or none.

    Three or four channels of uint8 of which nothing is known are taken for a photograph.
    """
    if known or colors or dtype != np.uint8 or count not in (3, 4):
        return tuple(map(str, known or ()))
    return ("red", "green", "blue", "alpha")[:count]


def channel_colors(
    count: int, dtype: np.dtype[Any], known: Sequence[str] | None, names: Sequence[str] | None
) -> tuple[str, ...]:
    """Return the colour of each channel as "RRGGBB": the `known` ones, and defaults for the rest.

    Three channels of uint8 are taken for a photograph, four if the last is named "alpha".
    """
    found = tuple(str(color).lstrip("#").upper() for color in known or ())
    photograph = dtype == np.uint8 and (count == 3 or (count == 4 and is_opacity(3, names)))
    return (*found, *default_colors(count, photograph)[len(found) :])[:count]


def is_opacity(number: int, names: Sequence[str] | None) -> bool:
    """Return whether a channel is not to be seen, because it says how opaque the others are."""
    return number < len(names or ()) and str((names or ())[number]).lower() == "alpha"


def is_photograph(colors: Sequence[str]) -> bool:
    """Return whether channels of these colours are red, green and blue, and perhaps opacity."""
    return len(colors) in (3, 4) and tuple(colors[:3]) == _RGB


def parse_color(text: Any) -> tuple[int, int, int]:
    """Read "RRGGBB", with or without "#" and opacity; anything else is white."""
    found = re.fullmatch("#?([0-9a-fA-F]{6})([0-9a-fA-F]{2})?", str(text).strip())
    red, green, blue = bytes.fromhex(found[1]) if found else (255, 255, 255)
    return red, green, blue
