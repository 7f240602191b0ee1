"""Properties of labels, as callers give them, to the list of the specification."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...exceptions import LabelError, MissingError, OptionError
from ...spec import LABEL_VALUE as VALUE
from ...text import nearest_word, show

Row = dict[str, Any]
_WHOLE = re.compile(r"[+-]?(0|[1-9]\d*)")
_NUMBER = re.compile(r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)(e[+-]?\d+)?|nan|[+-]?inf", re.IGNORECASE)


def parse_properties(properties: Any, label_id: str | None = None) -> list[Row] | None:
    """Return the `properties` of the specification as JSON values; None where there are none.

    Args:
        properties: None; a list of dicts; a mapping of label values to dicts; a mapping of column names to columns; a
            data frame; the path of a CSV file with a header. Values that are missing (NaN, None, empty) are left out.
        label_id: name of the key or column that holds the label values; None takes "label-value", "label", or the
            index of a data frame.

    Raises:
        LabelError: label values are missing or not whole, or JSON cannot hold a value.
        MissingError: there is no such file. OptionError: the type is another one.
    """
    if label_id is not None and not isinstance(label_id, str):
        raise OptionError(f"label_id is the name of a key or column (got {show(label_id)}).")
    if properties is None:
        return None
    if isinstance(properties, (str, os.PathLike)):
        rows = _by_id(_csv(Path(properties)), label_id, str(properties))
    elif hasattr(properties, "columns") and hasattr(properties, "to_dict"):
        rows = _by_id(_frame(properties, label_id), label_id, "the data frame")
    elif isinstance(properties, Mapping) and all(isinstance(v, Mapping) for v in properties.values()):
        rows = [{VALUE: value, **row} for value, row in properties.items()]
    elif isinstance(properties, Mapping) and all(isinstance(name, str) for name in properties):
        rows = _by_id(_rows(properties), label_id, "the table")
    elif isinstance(properties, Sequence) and all(isinstance(row, Mapping) for row in properties):
        rows = _by_id([dict(row) for row in properties], label_id, "the list")
    else:
        raise OptionError(
            "properties is a list of dicts, a mapping of label values to dicts, a table of columns, a data frame or "
            f"the path of a CSV file (got {show(properties)})."
        )
    return [_plain_row(row) for row in rows] or None


def _rows(columns: Mapping[str, Any]) -> list[Row]:
    """Turn columns, as `skimage.measure.regionprops_table` gives them, into rows."""
    lengths = {name: len(column) if hasattr(column, "__len__") else -1 for name, column in columns.items()}
    if len(set(lengths.values())) > 1 or any(isinstance(c, str) for c in columns.values()) or -1 in lengths.values():
        raise LabelError(f"The columns of a table of properties are equally long (got {lengths}).")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _frame(frame: Any, label_id: str | None) -> list[Row]:
    """Turn a data frame into rows; its index is a column where no other one has the label values."""
    columns = {name: list(frame[name]) for name in frame.columns}
    index = frame.index
    named = getattr(index, "name", None)
    counted = named is None and list(index[:2]) == list(range(min(2, len(index))))  # rows by number, no labels
    if label_id is None and not {VALUE, "label"} & set(columns) and not counted:
        columns = {VALUE: list(index), **columns}
    elif label_id is not None and label_id not in columns and named == label_id:
        columns = {label_id: list(index), **columns}
    return _rows(columns)


def _by_id(rows: list[Row], label_id: str | None, where: str) -> list[Row]:
    """Put the label values first, under their name of the specification."""
    for number, row in enumerate(rows):
        name = label_id or (VALUE if VALUE in row else "label")
        if name not in row:
            names = [str(key) for key in row]
            raise LabelError(
                f"Row {number} of {where} has no {name!r}.{nearest_word(name, names)} It has {', '.join(names)}; "
                "name with label_id the one that is the label's value."
            )
        rows[number] = {VALUE: row.pop(name), **row}
    return rows


def _csv(path: Path) -> list[Row]:
    """Read a CSV file; a column is one of whole numbers, of numbers or of text."""
    try:
        found = path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        found = False
    if not found:
        raise MissingError(f"There is no table of properties at {show(str(path))}.")
    with path.open(newline="", encoding="utf-8-sig") as file:
        header = file.readline()
        file.seek(0)
        lines = list(csv.reader(file, delimiter=max(",;\t", key=header.count)))
    names, *rows = [line for line in lines if line] or [[]]
    odd = next((line for line in rows if len(line) != len(names)), None)
    if odd is not None or len(set(names)) != len(names) or not names:
        raise LabelError(f"{path} is not a table: each row has the {len(names)} names of the header (got {show(odd)}).")
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return _rows({name: _typed(column) for name, column in zip(names, columns, strict=True)})


def _typed(column: Iterable[str]) -> list[Any]:
    """Read a column as numbers where all of it are written as such: 007 and 1_2 are names."""
    texts = [text.strip() for text in column]
    kinds: dict[Callable[[str], Any], re.Pattern[str]] = {int: _WHOLE, float: _NUMBER}
    kind = next((kind for kind, form in kinds.items() if all(form.fullmatch(text) for text in texts if text)), str)
    return [kind(text) if text else None for text in texts]


# JSON --------------------------------------------------------------------------------------------------------------


def _plain_row(row: Row) -> Row:
    value = whole(row.pop(VALUE))
    document: Row = {VALUE: value}
    for name, given in row.items():
        if not isinstance(name, str):
            raise LabelError(f"The names of properties are text (got {name!r}).")
        if not _missing(given):
            document[name] = plain(given, f"{name!r} of label {value}")
    return document


def whole(value: Any) -> int:
    """Return a label value as an int; a float is one where it is exactly so, as tables with gaps have it.

    Raises:
        LabelError: it is not a whole number.
    """
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        way_out = f"; write {value}, without quotes" if isinstance(value, str) and value.isdecimal() else ""
        raise LabelError(f"The value of a label is a whole number (got {value!r}{way_out}).")
    return value


def _missing(value: Any) -> bool:
    """Return whether a value is None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and math.isnan(value)


def plain(value: Any, where: str) -> Any:
    """Return the JSON value of numbers, text and lists of NumPy's and Python's.

    Raises:
        LabelError: JSON has no such value.
    """
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if _missing(value):
        return None
    if isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain(part, where) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part, where) for part in value]
    raise LabelError(f"JSON cannot hold {value!r}, {where}; give a number, text, or a list of them.")
