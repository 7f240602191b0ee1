"""What names of groups, and paths from one group to another, may look like."""

from __future__ import annotations

import re
from typing import Any

from ...text import show


def path_fault(path: Any, *, climb: bool = False) -> str:
    """Say what keeps a value from being a relative path, or return an empty string.

    Args:
        path: any JSON value.
        climb: allow "..", for paths that lead to another group of the same store.
    """
    if not isinstance(path, str):
        return f"A path is a string (got {show(path)})."
    if path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]|\w+://", path):
        return f"A path is relative to its group (got {show(path)})."
    names = re.split(r"[/\\]", path.rstrip("/") if climb else path)
    if climb:
        names = [name for name in names if name not in ("..", ".")] or ["here"]
    if ".." in names:
        return f"A path leads to something below its group (got {show(path)})."
    if any(name.strip(".") == "" for name in names):
        return f"A path is made of names with '/' between them (got {show(path)})."
    return ""


def is_alphanumeric(name: Any) -> bool:
    """Tell whether the value is a name of letters and digits only."""
    return isinstance(name, str) and re.fullmatch("[A-Za-z0-9]+", name) is not None
