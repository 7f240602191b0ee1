"""The versions that can be read and written. A new one is a class next to these and a line here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...exceptions import FormatError
from .base import Format
from .v04 import FormatV04
from .v05 import FormatV05
from .v06 import FormatV06

CurrentFormat = FormatV05
_FORMATS: tuple[type[Format], ...] = (FormatV06, FormatV05, FormatV04)


def format_implementations() -> Iterator[Format]:
    """Yield one instance of each format, the newest first."""
    for implementation in _FORMATS:
        yield implementation()


def format_from_version(version: str | float | Format) -> Format:
    """Return the format for "0.4", 0.4 or a format itself.

    Raises:
        FormatError: the version is unknown.
    """
    if isinstance(version, Format):
        return version
    known = {implementation.version: implementation for implementation in _FORMATS}
    if str(version) not in known:
        raise FormatError(f"OME-NGFF version {version!r} is not known. Known: {', '.join(sorted(known))}.")
    return known[str(version)]()


def format_for_zarr(zarr_format: int) -> Format:
    """Return the format that is written in this version of Zarr where none is asked for."""
    return CurrentFormat() if zarr_format == CurrentFormat.zarr_format else FormatV04()


def detect_format(metadata: Mapping[str, Any], default: Format) -> Format:
    """Return the format that the attributes of a group state, else `default`."""
    return stated_format(metadata) or default


def stated_format(metadata: Mapping[str, Any]) -> Format | None:
    """Return the format that the attributes of a group state; None where they state none that is known."""
    return next((fmt for fmt in format_implementations() if metadata and fmt.matches(metadata)), None)
