"""Versions of OME-NGFF: one class each, siblings over what they share."""

from .spec import (
    CurrentFormat,
    Format,
    FormatV04,
    FormatV05,
    detect_format,
    format_for_zarr,
    format_from_version,
    format_implementations,
)

__all__ = [
    "CurrentFormat",
    "Format",
    "FormatV04",
    "FormatV05",
    "detect_format",
    "format_for_zarr",
    "format_from_version",
    "format_implementations",
]
