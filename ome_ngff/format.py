"""Versions of OME-NGFF: one class each, siblings over what they share."""

from .spec import CurrentFormat as CurrentFormat
from .spec import Format as Format
from .spec import FormatV04 as FormatV04
from .spec import FormatV05 as FormatV05
from .spec import FormatV06 as FormatV06
from .spec import detect_format as detect_format
from .spec import format_for_zarr as format_for_zarr
from .spec import format_from_version as format_from_version
from .spec import format_implementations as format_implementations
