"""The rules for the files that metadata is written in: plain JSON, which every reader takes."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from ...spec import Faults, Rules
from ...text import listed
from .images import STORE_RULES

FILE = Rules("image", STORE_RULES)


@FILE.must(
    "metadata-json",
    'Metadata is JSON: "MUST be encoded using UTF-8", "MUST NOT add a byte order mark" and names of an object that are '
    '"all unique" (RFC 8259). Some readers take what others refuse, or take another of two equal names.',
    at="/1.byte_order_mark",
    wrong=True,
)
def _metadata_json(where: str, content: bytes, numbers: bool) -> Faults:
    """Check what Zarr has been able to read; `numbers`: look for NaN and infinity, too."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        yield where, "The file is not encoded in UTF-8.", "Save it as UTF-8."
        return
    if text.startswith("\ufeff"):
        yield where, "The file begins with a byte order mark.", "Save it as UTF-8 without one."
    repeated: Counter[str] = Counter()
    constants: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(items) > len(dict(items)):
            repeated.update({name: n - 1 for name, n in Counter(name for name, _ in items).items() if n > 1})
        return dict(items)

    try:
        json.loads(text.removeprefix("\ufeff"), object_pairs_hook=pairs, parse_constant=constants.append)
    except (ValueError, RecursionError):
        return
    if repeated:
        yield where, f"An object has the same name twice ({listed(list(repeated), 3, ', ')}).", "Keep one of them."
    if constants and numbers:
        yield (
            where,
            f"JSON has no {listed(list(dict.fromkeys(constants)), 3, ', ')}.",
            'Write null, or "NaN" in quotes.',
        )
