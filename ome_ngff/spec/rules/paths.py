"""Names of groups, and paths from one group to another."""

from __future__ import annotations

import re
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


def is_alphanumeric(name: Any) -> bool:
    return isinstance(name, str) and re.fullmatch("[A-Za-z0-9]+", name) is not None
