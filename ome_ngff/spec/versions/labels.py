"""What a document says of the values of labels (`image-label`): their colours and properties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..rules.book import entries, is_integer, is_list, is_number, part_of
from .parts import entries_of

LABEL_VALUE = "label-value"


def encode_colors(colors: Mapping[int, Sequence[int]]) -> list[dict[str, Any]]:
    """Return the entries for colours by value, as (r, g, b, a) from 0 to 255."""
    return [{LABEL_VALUE: value, "rgba": list(rgba)} for value, rgba in colors.items()]


def decode_colors(image_label: Any) -> dict[int, tuple[float, ...]]:
    """Return the colours of labels by value, as (r, g, b, a) from 0 to 255, as far as they can be understood.

    Those of three numbers, which are not of the specification, are opaque.
    """
    listed = [(value, entry.get("rgba")) for value, entry in _of_labels(image_label, "colors")]
    known = {v: rgba for v, rgba in listed if is_list(rgba) and len(rgba) in (3, 4) and all(map(is_number, rgba))}
    return {value: (*rgba, 255)[:4] for value, rgba in known.items()}


def decode_properties(image_label: Any) -> dict[int, dict[str, Any]]:
    """Return the properties of labels by value."""
    listed = _of_labels(image_label, "properties")
    return {value: {k: v for k, v in entry.items() if k != LABEL_VALUE} for value, entry in listed}


def _of_labels(image_label: Any, key: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for entry in entries_of(part_of(image_label, key)):
        if is_integer(part_of(entry, LABEL_VALUE)):
            yield entry[LABEL_VALUE], entry


def labels_of_entries(listed: Any) -> list[int]:
    """Return the label values that entries of colours or properties name."""
    return [entry[LABEL_VALUE] for _, entry in entries(listed, "") if is_integer(entry.get(LABEL_VALUE))]


def covering(parts: dict[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
    """Complete colours and properties, where there are both, to entries for the same labels: some readers demand it.

    The specification lets an entry of a colour have no colour, and one of a property no property.
    """
    both: dict[str, Any] = {word: parts.get(word) or there.get(word) for word in ("colors", "properties")}
    if not (parts.keys() & both.keys() and all(map(is_list, both.values()))):
        return parts
    for word, other in (("colors", "properties"), ("properties", "colors")):
        known = set(labels_of_entries(both[word]))
        missing = [value for value in labels_of_entries(both[other]) if value not in known]
        if missing:
            parts[word] = [*both[word], *({LABEL_VALUE: value} for value in missing)]
    return parts
