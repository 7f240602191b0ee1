"""Colours of labels, as callers give them, to the list of the specification."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...exceptions import LabelError, OptionError
from ...text import nearest_word, show
from .tables import VALUE, plain, whole

log = logging.getLogger("ome_ngff")
MOST = 10_000  # colours that a name gives; more make metadata of megabytes, which viewers read before any pixel
_TAB20 = (
    "1f77b4 aec7e8 ff7f0e ffbb78 2ca02c 98df8a d62728 ff9896 9467bd c5b0d5 "
    "8c564b c49c94 e377c2 f7b6d2 7f7f7f c7c7c7 bcbd22 dbdb8d 17becf 9edae5"
).split()
# Okabe and Ito's colours, without black, are told apart by those who do not see red or green.
CYCLES = {
    "auto": "e69f00 56b4e9 009e73 f0e442 0072b2 d55e00 cc79a7".split(),
    "tab10": _TAB20[::2],
    "tab20": _TAB20,
}
Rgba = tuple[int, ...]


def parse_colors(
    colors: Any, values: Callable[[], NDArray[Any]], named: Sequence[int] = ()
) -> list[dict[str, Any]] | None:
    """Return the `colors` of the specification; None where there are none.

    Args:
        colors: None; a list of the specification's dicts; a mapping of label values to "#rrggbb", "#rrggbbaa" or three
            or four whole numbers from 0 to 255; "auto", "tab10", "tab20" or the name of a colour map of matplotlib.
        values: gives the label values that occur, which a name gives a colour each, 0 a transparent one.
        named: label values that have properties, which get a colour, too.

    Raises:
        LabelError: a colour cannot be used. OptionError: there is no such name, or the type is another one.
    """
    if colors is None:
        return None
    if isinstance(colors, str):
        return _by_name(colors, values, named)
    if isinstance(colors, Mapping):
        return [{VALUE: whole(value), "rgba": list(_rgba(color, value))} for value, color in colors.items()] or None
    if isinstance(colors, Sequence) and all(isinstance(entry, Mapping) for entry in colors):
        return [plain(entry, "in colors") for entry in colors] or None
    raise OptionError(
        f"colors is a list of dicts with 'label-value' and 'rgba', a mapping such as {{1: '#ff0000'}}, or a name such "
        f"as 'auto' (got {show(colors)})."
    )


def _rgba(color: Any, value: Any) -> Rgba:
    if isinstance(color, str):
        digits = color.removeprefix("#")
        if len(digits) in (6, 8) and all(digit in "0123456789abcdefABCDEF" for digit in digits):
            return _from_hex(digits)
    elif isinstance(color, (Sequence, np.ndarray)) and len(color) in (3, 4):
        numbers = [part.item() if isinstance(part, np.generic) else part for part in color]
        if all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= 255 for n in numbers):
            return (*numbers, 255)[:4]
    raise LabelError(
        f"The colour of label {value} is '#rrggbb', '#rrggbbaa' or three or four whole numbers from 0 to 255 "
        f"(got {show(color)}); opaque red is '#ff0000'."
    )


def _from_hex(digits: str) -> Rgba:
    return (*bytes.fromhex(digits), 255)[:4]


def _by_name(name: str, values: Callable[[], NDArray[Any]], named: Sequence[int]) -> list[dict[str, Any]] | None:
    """Give each value that occurs, or has properties, a colour of a map; nothing where there are too many."""
    paint, found = _painter(name), sorted({*values().tolist(), *named})
    if len(found) > MOST:
        log.warning(
            "colors=%r names no colours: there are %d label values, more than %d. Viewers colour them on their own.",
            name, len(found), MOST,
        )  # fmt: skip
        return None
    objects = [value for value in found if value != 0]
    painted = {0: (0, 0, 0, 0), **dict(zip(objects, paint(objects), strict=True))}
    return [{VALUE: value, "rgba": list(painted[value])} for value in found]


def _painter(name: str) -> Callable[[list[int]], Iterable[Rgba]]:
    """Return what gives each of some values a colour: by value out of a list, from end to end out of a range."""
    if name in CYCLES:
        cycle = [_from_hex(digits) for digits in CYCLES[name]]
        return lambda values: [cycle[(value - 1) % len(cycle)] for value in values]
    try:
        from matplotlib import colormaps
    except ImportError:
        raise OptionError(
            f"There are no colours {name!r} here.{nearest_word(name, CYCLES)} Known: {', '.join(CYCLES)}; "
            "pip install matplotlib for the names of its colour maps."
        ) from None
    if name not in colormaps:
        raise OptionError(f"There are no colours {name!r}.{nearest_word(name, [*CYCLES, *colormaps])}")
    found = colormaps[name]

    def paint(values: list[int]) -> Iterator[Rgba]:
        listed = found.N < 64  # such as "Set2", whose neighbours differ
        last = max(1, len(values) - 1)
        for rank, value in enumerate(values):
            at = (value - 1) % found.N if listed else rank / last
            yield tuple(int(part) for part in found(at, bytes=True))

    return paint
