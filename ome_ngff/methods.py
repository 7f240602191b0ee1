"""Downsampling methods: one class each, and the registry `Methods` of their names."""

from .pixels import (
    ALIASES,
    Gaussian,
    Laplacian,
    LocalMean,
    Method,
    Methods,
    Mode,
    Nearest,
    Resize,
    Span,
    Zoom,
    find_method,
)

__all__ = [
    "ALIASES",
    "Gaussian",
    "Laplacian",
    "LocalMean",
    "Method",
    "Methods",
    "Mode",
    "Nearest",
    "Resize",
    "Span",
    "Zoom",
    "find_method",
]
