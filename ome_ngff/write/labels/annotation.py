"""What labels have besides their pixels: colours, properties and source, checked against the values that occur."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ...exceptions import LabelError, OptionError
from ...image import label_values
from ...spec import entries as listed
from ...spec import is_integer, is_list
from ...text import refuse_unknown, show
from .colors import parse_colors
from .tables import VALUE, parse_properties

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
        """Return colors, properties and source, from wherever they are given.

        Raises:
            OptionError: one is given twice, or is unknown.
        """
        own = {"colors": self.colors, "properties": self.properties, "source": self.source}
        more = dict(self.label_metadata or {})
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
        named = _values(properties or (there or {}).get("properties"))
        parts: dict[str, Any] = {
            "source": source and dict(source),
            "properties": properties,
            "colors": parse_colors(given["colors"], values, named),
        }
        for word in ("properties", "colors") if self.check else ():
            _refuse_missing(word, parts[word] or [], values)
        return _covering({word: part for word, part in parts.items() if part is not None}, there or {})


def _values(entries: Any) -> list[int]:
    """Return the label values that entries of colours or properties name."""
    return [entry[VALUE] for _, entry in listed(entries, "") if is_integer(entry.get(VALUE))]


def _covering(parts: dict[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
    """Complete colours and properties, where there are both, to entries for the same labels: some readers demand it.

    The specification lets an entry of a colour have no colour, and one of a property no property.
    """
    both: dict[str, Any] = {word: parts.get(word) or there.get(word) for word in ("colors", "properties")}
    if not (parts.keys() & both.keys() and all(map(is_list, both.values()))):
        return parts
    for word, other in (("colors", "properties"), ("properties", "colors")):
        known = set(_values(both[word]))
        missing = [value for value in _values(both[other]) if value not in known]
        if missing:
            parts[word] = [*both[word], *({VALUE: value} for value in missing)]
    return parts


def _refuse_missing(word: str, entries: Sequence[Mapping[str, Any]], values: Callable[[], NDArray[Any]]) -> None:
    """Raise `LabelError` where entries name values that do not occur."""
    found = values()
    limits = np.iinfo(found.dtype)
    named = [entry[VALUE] for entry in entries if isinstance(entry.get(VALUE), int)]
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
