"""Downsampling methods: one class each, and the registry `Methods` of their names.

The metadata of images names the class that made their levels by its path here, such as `ome_ngff.methods.Resize`.
"""

from __future__ import annotations

from typing import Any

from .pixels import ALIASES, Method, Methods, Span, find_method

__all__ = ["ALIASES", "Method", "Methods", "Span", "find_method"]


def __getattr__(name: str) -> Any:
    """Return the class of a registered method.

    Raises:
        AttributeError: there is no such method.
    """
    for member in Methods:
        if type(member.method).__name__ == name:
            return type(member.method)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
