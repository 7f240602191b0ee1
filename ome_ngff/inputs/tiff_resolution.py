"""The resolution of a TIFF or a picture, which says how large a pixel is on paper, or how large it was on the slide."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..text import warn
from .arrange import Facts, micrometers, positive

if TYPE_CHECKING:
    from tifffile import TiffPage

# Resolutions that cameras, scanners, paint programs and libraries write for screens and printers, in dots per inch;
# those of `_INCHES` are written as such alone.
_PAPER = (72, 75, 90, 96, 100, 120, 144, 150, 180, 192, 200, 240, 300, 350, 360, 400, 600, 720, 1200, 2400)
_INCHES = (25.4, 64, 80, 110, 127, 160, 220, 254, 314, 326, 1440, 2880, 3200, 3600, 4800, 6400, 9600)
MICROMETERS = {2: 25400.0, 3: 10000.0}  # in the units of the tag: inch, centimeter
_INCH = 2
_LARGEST = 25.0


def facts_of_resolution(page: TiffPage, path: str, *, meant: bool = False) -> Facts:
    """Return the pixel size of the resolution tags, as `facts_of_paper` takes it.

    Args:
        page: the page. path: what the warning calls the file. meant: whether the file is known to mean its tags.
    """
    found = page.tags.get("ResolutionUnit")
    unit = int(found.value) if found is not None else 1
    return facts_of_paper({axis: pixel_of(page, f"{axis.upper()}Resolution") for axis in "yx"}, unit, path, meant=meant)


def facts_of_paper(sizes: dict[str, float | None], unit: int, path: str, *, meant: bool = False) -> Facts:
    """Return the pixel size of a resolution, in micrometers; empty if it is unlikely to have been measured.

    Every program writes these tags, mostly with the resolution of a screen or a printer: one above 25 micrometers per
    pixel, and in inches one of their usual values. Anything else, such as 15400 per centimeter, was measured.

    Args:
        sizes: in inches (unit 2) or centimeters (unit 3). path: what the warning calls the file.
        meant: whether the file is known to mean them.
    """
    if unit not in MICROMETERS or None in sizes.values():
        return Facts()
    facts = micrometers(sizes, MICROMETERS[unit])
    printed = unit == _INCH and any(is_of_paper(size, unit) for size in sizes.values())
    if meant or not (printed or max(facts.scale.values()) > _LARGEST):
        return facts
    tell_not_taken(path, facts.scale["x"])
    return Facts()


def tell_not_taken(path: str, size: float) -> None:
    warn(
        f"{path} has a resolution of {25400 / size:.4g} dpi ({size:.4g} micrometers per pixel), as for a screen or a "
        "printer; it is not taken as a pixel size. Give scale where it is one."
    )


def is_of_paper(size: float | None, unit: int) -> bool:
    """Return whether a pixel size in inches (unit 2) or centimeters (unit 3) is typical of screens or printers."""
    if size is None or size >= 1:
        return True
    dpi = 1 / size if unit == _INCH else 2.54 / size
    return any(math.isclose(dpi, common, rel_tol=0.002) for common in (_PAPER + _INCHES if unit == _INCH else _PAPER))


def pixel_of(page: TiffPage, name: str) -> float | None:
    """Return the size of a pixel by the tag XResolution or YResolution, in the unit of the file."""
    tag = page.tags.get(name)
    if tag is None:
        return None
    pixels, units = tag.value
    return positive(units / pixels) if pixels else None
