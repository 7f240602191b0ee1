"""The rule for values: a document must be JSON that every reader accepts."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from ...text import show
from .book import Faults, Rules

VALUES = Rules("image")
_MOST = 20  # values that are named, per document


@VALUES.must("json-values", at="multiscales[0].metadata.threshold", wrong=math.nan)
def _json_values(part: Mapping[str, Any]) -> Faults:
    """Metadata is JSON: "Numeric values that cannot be represented in the grammar (such as Infinity and NaN) are not
    permitted" (RFC 8259). Browsers do not read such a file at all."""
    if _is_json(part):
        return
    odd = list(itertools.islice(_not_json(part), _MOST))
    for where, value in odd:
        hint = "write null" if isinstance(value, float) else "convert NumPy values with .item() or .tolist()"
        yield where, f"JSON cannot represent {show(value)} ({type(value).__name__}).", f"Leave it out, or {hint}."
    if not odd:
        yield "attributes", "The values are nested too deeply, or contain themselves.", "Nest them less deeply."


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _not_json(part: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield place and value of all that JSON cannot represent; a value that contains itself is visited once."""
    waiting: list[tuple[str, Any]] = [("", part)]
    entered: set[int] = set()
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, dict):
            inner = [(f"{where}.{key}", item) for key, item in value.items()]
            yield from ((f"{where}.{key}".removeprefix("."), key) for key in value if not _is_json({key: None}))
        elif isinstance(value, (list, tuple)):
            inner = [(f"{where}[{index}]", item) for index, item in enumerate(value)]
        elif _is_json(value):
            continue
        else:
            yield where.removeprefix("."), value
            continue
        if id(value) not in entered:
            entered.add(id(value))
            waiting += reversed(inner)
