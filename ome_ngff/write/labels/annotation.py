"""What labels have besides their pixels: colours, properties and source, checked against the values that occur."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ...exceptions import LabelError, OptionError
from ...image import label_values
from ...show import CYCLE
from ...spec import covering, encode_colors, labels_of_entries
from ...text import mapping_of, nearest_word, refuse_unknown, show
from .tables import parse_properties, plain, whole

log = logging.getLogger("ome_ngff")
MOST = 10_000  # colours that a name gives; more make metadata of megabytes, which viewers read before any pixel
_TAB20 = (
    "1f77b4 aec7e8 ff7f0e ffbb78 2ca02c 98df8a d62728 ff9896 9467bd c5b0d5 "
    "8c564b c49c94 e377c2 f7b6d2 7f7f7f c7c7c7 bcbd22 dbdb8d 17becf 9edae5"
).split()
CYCLES = {"auto": CYCLE, "tab10": _TAB20[::2], "tab20": _TAB20}
Rgba = tuple[int, ...]
LISTED = 10  # missing values that a message names


@attrs.frozen
class Annotation:
    """Hold colours, properties and source of labels, as callers give them.

    Attributes:
        colors: see `parse_colors`. properties, label_id: see `parse_properties`.
        source: the document of the specification, or the path to the image in it.
        check: raise where colours or properties name a value that does not occur; 0 may always have a colour.
        label_metadata: colors, properties and source in one dict, as ome-zarr has them.
    """

    colors: Any = None
    properties: Any = None
    label_id: str | None = None
    source: Any = None
    check: bool = False
    label_metadata: Mapping[str, Any] | None = None

    def _all(self) -> dict[str, Any]:
        """Return colors, properties and source, from wherever they are given."""
        own = {"colors": self.colors, "properties": self.properties, "source": self.source}
        more = mapping_of(self.label_metadata, "label_metadata")
        refuse_unknown([word for word in more if word not in own], own, "label_metadata")
        for word, value in more.items():
            if value is not None and own[word] is not None:
                raise OptionError(f"Give {word} once: as {word}= or in label_metadata.")
        return {word: more.get(word) if value is None else value for word, value in own.items()}

    @property
    def needs_values(self) -> bool:
        """Whether `parts` reads the pixels."""
        return self.check or isinstance(self._all()["colors"], str)

    def parts(self, pixels: Callable[[], Any], there: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return those parts of `image-label` that are given; colours and properties list the same labels.

        Args:
            pixels: gives the labels as `as_source` returns them; called, and read once, where values are needed.
            there: the `image-label` that is there already, whose other parts stay.

        Raises:
            LabelError: a colour or a property cannot be used, or a value does not occur.
            OptionError: one is given twice, or is of another type.
        """
        given, values = self._all(), cache(lambda: label_values(pixels()))
        source = {"image": given["source"]} if isinstance(given["source"], str) else given["source"]
        if source is not None and not isinstance(source, Mapping):
            raise OptionError(
                f"source is the path to the image, such as '../../', or a dict of it (got {show(source)})."
            )
        properties = parse_properties(given["properties"], self.label_id)
        named = labels_of_entries(properties or (there or {}).get("properties"))
        parts: dict[str, Any] = {
            "source": source and dict(source),
            "properties": properties,
            "colors": parse_colors(given["colors"], values, named),
        }
        for word in ("properties", "colors") if self.check else ():
            _refuse_missing(word, parts[word] or [], values)
        return covering({word: part for word, part in parts.items() if part is not None}, there or {})


def _refuse_missing(word: str, entries: Sequence[Mapping[str, Any]], values: Callable[[], NDArray[Any]]) -> None:
    found = values()
    limits = np.iinfo(found.dtype)
    named = labels_of_entries(entries)
    possible = np.array([value for value in named if limits.min <= value <= limits.max], found.dtype)
    there = {*possible[np.isin(possible, found)].tolist(), *([0] if word == "colors" else [])}
    missing = [value for value in named if value not in there]
    if missing:
        listed = ", ".join(map(str, missing[:LISTED])) + (", ..." if len(missing) > LISTED else "")
        span = f"{len(found)} values from {found[0]} to {found[-1]}" if len(found) > 1 else f"{found[0]} alone"
        raise LabelError(
            f"{word} names {len(missing)} label{'s' * (len(missing) > 1)} that the pixels do not have: {listed} "
            f"(they have {span}). Leave these out, or pass check=False."
        )


# Colours -------------------------------------------------------------------------------------------------------------


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
        return encode_colors({whole(value): _rgba(color, value) for value, color in colors.items()}) or None
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
    return encode_colors({value: painted[value] for value in found})


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
