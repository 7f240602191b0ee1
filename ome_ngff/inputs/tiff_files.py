"""The files of a TIFF: one, or several that OME-XML ties together; whether they are whole and can be decoded here.

The OME-XML may be in a file of its own.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from ..exceptions import InputError
from ..text import warn

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries


COMPANION = ".companion.ome"
_SAYING = {270: "description", 33628: "header of MetaMorph", 34412: "header of LSM"}
_OME_TIFF = (".ome.tif", ".ome.tiff", ".ome.btf", ".ome.tf8", ".ome.tf2")


def opened(path: str, companion: str = "") -> TiffFile:
    """Open a TIFF file, to be closed by the caller, with the OME-XML of its companion file if it has one."""
    from tifffile import TiffFile

    return TiffFile(path, omexml=Path(companion).read_text("utf-8").strip() if companion else None)


@contextmanager
def opening(path: str) -> Iterator[tuple[TiffFile, str, str]]:
    """Open a TIFF file, or the one that a companion file describes, with the OME-XML of its companion file.

    Yields:
        The open file, its path, and the path of the companion file, empty if it has none.

    Raises:
        InputError: a file that belongs to it is missing, or should be opened instead.
    """
    companion = ""
    if path.lower().endswith(COMPANION):
        path, companion = _first_file(path), path
    tiff = opened(path, companion)
    try:
        if not len(tiff.pages):
            raise InputError(f"{path} cannot be read as a TIFF file: it has no pages.")
        if not companion and (companion := _companion_of(tiff.pages.first.description, path)):
            tiff.close()
            tiff = opened(path, companion)
        yield tiff, path, companion
    finally:
        tiff.close()


def _companion_of(description: str, path: str) -> str:
    """Return the path of the companion file that the description of a TIFF names; empty if it names none."""
    if "BinaryOnly" not in description or not description.rstrip().endswith("OME>"):
        return ""
    part = next((part for part in ElementTree.fromstring(description) if tag(part) == "BinaryOnly"), None)
    if part is None:
        return ""
    name = part.get("MetadataFile", "")
    companion = os.path.join(os.path.dirname(path), name)
    if not os.path.isfile(companion):
        raise InputError(f"{path} is part of an image that {name!r} describes, but that file is not in its folder.")
    if not name.lower().endswith(COMPANION):
        raise InputError(f"{path} is part of the image in {companion}; open that file.")
    return companion


def _first_file(companion: str) -> str:
    names = list(files_named(ElementTree.parse(companion).getroot()))
    if not names:
        raise InputError(f"{companion} names no TIFF file.")
    path = os.path.join(os.path.dirname(companion), names[0])
    if not os.path.isfile(path):
        raise InputError(f"{companion} describes {names[0]}, which is not in its folder.")
    return path


def tied_together(files: Collection[str]) -> bool:
    """Return whether files are parts of one OME-TIFF: whether the OME-XML of the first one names others of them."""
    first = min(files)
    return bool(parts_of(first) & {os.path.basename(file) for file in files if file != first})


def parts_of(path: str) -> set[str]:
    """Return the names of the files that an OME-TIFF or a companion file says its planes are in; none for others."""
    description = None
    with suppress(Exception):  # a file that is broken says so when it is opened
        if path.lower().endswith(COMPANION):
            description = Path(path).read_text("utf-8").strip()
        elif path.lower().endswith(_OME_TIFF):
            with opened(path) as tiff:
                description = tiff.ome_metadata if tiff.is_ome else None
        if description and "FileName" in description:
            return set(files_named(ElementTree.fromstring(description)))
    return set()


def files_named(element: ElementTree.Element, own: str = "") -> Iterator[str]:
    """Yield the names of the files that hold planes according to OME-XML, except the one whose UUID is `own`."""
    for uuid in element.iter():
        if tag(uuid) == "UUID" and uuid.get("FileName") and (not own or uuid.text != own):
            yield str(uuid.get("FileName"))


def tag(element: ElementTree.Element) -> str:
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


# Checks --------------------------------------------------------------------------------------------------------------


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
    if lost := sorted(
        _codes(tiff, tiff.pages.first.offset) & _SAYING.keys() - {tag.code for tag in tiff.pages.first.tags}
    ):
        raise InputError(f"{path} is cut short: its {_SAYING[lost[0]]}, which says what it holds, lies beyond its end.")
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


def _codes(tiff: TiffFile, offset: int) -> set[int]:
    """Return the codes of the tags of the page at `offset`, of which tifffile leaves out those that it cannot read."""
    form, file = tiff.tiff, tiff.filehandle
    file.seek(offset)
    count = struct.unpack(form.tagnoformat, file.read(form.tagnosize))[0]
    entries = file.read(count * form.tagsize)
    return {struct.unpack_from(f"{form.byteorder}H", entries, i)[0] for i in range(0, len(entries), form.tagsize)}


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
    """Warn of planes that OME-XML names but the file lacks, which read as zeros, and of pages that it does not name.

    Raises:
        InputError: they belong to files that are missing.
    """
    series = tiff.series[index].levels[0]
    if series.kind in ("generic", "uniform") and "<OME " in tiff.pages.first.description:
        what = "is broken or does not fit its pages; what they are is not taken from it. Name it with axes="
        warn(f"{path} has OME-XML that {what}.")
    left = len(tiff.pages) - sum(len(one.levels[0].pages) for one in tiff.series)
    if series.kind == "ome" and not series.is_multifile and left > 0:
        warn(f"{path} has {left} pages that its metadata does not name; they are left out.")
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
