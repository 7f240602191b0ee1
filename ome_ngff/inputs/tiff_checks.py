"""Checks that a TIFF file is complete and can be decoded here."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from ..exceptions import InputError
from ..text import warn
from .tiff_files import files_named

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries


def refuse_undecodable(series: TiffPageSeries, path: str) -> None:
    """Raise `InputError` for pixels that NumPy has no type for, or that cannot be decompressed here."""
    from tifffile import TIFF

    key = series.keyframe
    if key.dtype is None or 0 in key.shaped:
        raise InputError(f"{path} holds {key.bitspersample}-bit pixels of a kind that NumPy has no type for.")
    if key.compression not in TIFF.DECOMPRESSORS or key.predictor not in TIFF.UNPREDICTORS:
        kind = getattr(key.compression, "name", key.compression)
        raise InputError(f"{path} is compressed with {kind}, which cannot be decoded here.")


def refuse_cut(tiff: TiffFile, series: TiffPageSeries, path: str) -> None:
    """Raise `InputError` where the file ends before its pixels do.

    tifffile only logs that pages are missing at the end of a file, and returns those that are there.
    """
    pages: Any = tiff.pages
    size = tiff.filehandle.size
    last: Any = pages[-1]
    if not getattr(last, "is_virtual", False) and _next_page(tiff, last.offset):
        raise InputError(f"{path} is cut short: page {len(pages)} lies beyond its end at byte {size}.")
    metadata = (tiff.imagej_metadata if tiff.is_imagej else None) or {}
    key: Any = series.keyframe
    if key.is_contiguous and metadata.get("images", 1) > max(len(pages), series.size // key.size):
        found = (size - key.dataoffsets[0]) // key.nbytes
        if found > len(pages):  # ImageJ writes one page for images beyond 4 GiB
            raise InputError(f"{path} is cut short: it has {metadata['images']} images, but ends after {found}.")
    last = series[len(series) - 1] if series.dataoffset is None else None  # contiguous pixels were checked above
    if last is not None and last.parent is tiff:
        ends = (offset + count for offset, count in zip(last.dataoffsets, last.databytecounts, strict=False))
        if (end := max(ends, default=0)) > size:
            raise InputError(f"{path} is cut short: its pixels end at byte {end}, the file at {size}.")


def _next_page(tiff: TiffFile, offset: int) -> int:
    """Return the offset of the page after the one at `offset`; 0 after the last page, 1 if the file ends there."""
    form, file = tiff.tiff, tiff.filehandle
    try:
        file.seek(offset)
        count = struct.unpack(form.tagnoformat, file.read(form.tagnosize))[0]
        file.seek(offset + form.tagnosize + count * form.tagsize)
        return int(struct.unpack(form.offsetformat, file.read(form.offsetsize))[0])
    except struct.error:
        return 1


def tell_gaps(tiff: TiffFile, index: int, path: str) -> None:
    """Warn of planes that OME-XML names but the file lacks; they read as zeros.

    Raises:
        InputError: they belong to files that are missing.
    """
    series = tiff.series[index].levels[0]
    if not tiff.is_ome or not tiff.ome_metadata or series.dataoffset is not None:
        return
    gaps = sum(series[i] is None for i in range(len(series)))
    if not gaps:
        return
    root = ElementTree.fromstring(tiff.ome_metadata)
    folder = os.path.dirname(path)
    named = dict.fromkeys(files_named(root, root.get("UUID", "")))
    missing = [name for name in named if not os.path.isfile(os.path.join(folder, name))]
    if missing:
        shown, more = ", ".join(missing[:5]), f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise InputError(f"{path} is one of several files, of which these are missing: {shown}{more}.")
    warn(f"{path} lacks {gaps} of the {len(series)} planes that its metadata names; they are zeros.")
