"""The rules for metadata files: plain JSON that every reader accepts."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from ...spec import Faults, Rules
from ...text import listed
from .images import STORE_RULES

FILE = Rules("image", STORE_RULES)


@FILE.must("metadata-json", at="/1.byte_order_mark", wrong=True)
def _metadata_json(where: str, content: bytes, numbers: bool) -> Faults:
    """Metadata is JSON: "MUST be encoded using UTF-8", "MUST NOT add a byte order mark" and names of an object that are
    "all unique" (RFC 8259). Some readers accept what others refuse, or pick a different one of two equal names."""
    # Zarr was able to read the file; `numbers`: also look for NaN and infinity.
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
        what = f"JSON does not allow {listed(list(dict.fromkeys(constants)), 3, ', ')}."
        yield where, what, 'Write null, or "NaN" in quotes.'
