"""Names of groups, and paths from one group to another."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from ...text import show


def path_fault(path: Any, *, climb: bool = False) -> str:
    """Return what is wrong with a value as a relative path, or an empty string.

    Args:
        path: any JSON value.
        climb: allow "..", for paths that may lead to any group of the same store.
    """
    if not isinstance(path, str):
        return f"A path must be a string (got {show(path)})."
    if path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]|\w+://", path):
        return f"A path must be relative to its group (got {show(path)})."
    names = re.split(r"[/\\]", path.rstrip("/") if climb else path)
    if climb:
        names = [name for name in names if name not in ("..", ".")] or ["here"]
    if ".." in names:
        return f"A path must lead to something below its group (got {show(path)})."
    if any(name.strip(".") == "" for name in names):
        return f"A path must consist of names with '/' between them (got {show(path)})."
    return ""


RESERVED = frozenset(["zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"])


def name_fault(path: str) -> str:
    """Return what keeps a relative path from being that of something new, or an empty string."""
    for name in path.split("/"):
        if name in RESERVED or name.startswith(".ome_ngff"):
            return f"{show(name)} is the name of something else in a store."
        if "\\" in name or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
            return f"A name has no backslashes and no control characters (got {show(name)})."
        if len(name.encode()) > 200:
            return f"A name is at most 200 bytes long (got {len(name.encode())} in {show(name)})."
    return ""


def is_alphanumeric(name: Any) -> bool:
    return isinstance(name, str) and re.fullmatch("[A-Za-z0-9]+", name) is not None
