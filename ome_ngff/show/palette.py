"""The colours that channels and labels have when nobody has chosen any."""

from __future__ import annotations

import re
from typing import Any

# Colours that the colour-blind tell apart (Okabe and Ito), in the order of `colors="auto"` of `write_labels`.
CYCLE = ("E69F00", "56B4E9", "009E73", "F0E442", "0072B2", "D55E00", "CC79A7")
RGB = ("FF0000", "00FF00", "0000FF")


def default_colors(count: int, photograph: bool) -> tuple[str, ...]:
    """Give a colour to each of `count` channels of which nothing is known."""
    if photograph:
        return (*RGB, "000000")[:count]  # what is beside red, green and blue is opacity
    few = {1: ("FFFFFF",), 2: ("FF00FF", "00FF00")}
    cycle = few.get(count, ("00FFFF", "FF00FF", "FFFF00", "FF0000", "00FF00", "0000FF"))
    return tuple(cycle[i % len(cycle)] for i in range(count))


def parse_color(text: Any) -> tuple[int, int, int]:
    """Read "RRGGBB", with or without "#" and opacity; anything else is white."""
    found = re.fullmatch("#?([0-9a-fA-F]{6})([0-9a-fA-F]{2})?", str(text).strip())
    red, green, blue = bytes.fromhex(found[1]) if found else (255, 255, 255)
    return red, green, blue
