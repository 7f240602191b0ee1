"""The files of a TIFF: one, or several that OME-XML ties together; the OME-XML may be in a file of its own."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from ..exceptions import InputError

if TYPE_CHECKING:
    from tifffile import TiffFile


COMPANION = ".companion.ome"
_OME_TIFF = (".ome.tif", ".ome.tiff", ".ome.btf", ".ome.tf8", ".ome.tf2")


def opened(path: str, companion: str = "") -> TiffFile:
    """Open a TIFF file, to be closed by the caller.

    Args:
        path: the file.
        companion: path of the OME-XML that describes it, if that is in a file of its own.
    """
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
    """Return the path of the first TIFF that a companion file names.

    Raises:
        InputError: it names none, or a file that does not exist.
    """
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
    if not first.lower().endswith(_OME_TIFF):
        return False
    with opened(first) as tiff:
        description = tiff.ome_metadata if tiff.is_ome else ""
    if not description or "FileName" not in description:
        return False
    named = set(files_named(ElementTree.fromstring(description)))
    return any(os.path.basename(file) in named for file in files if file != first)


def files_named(element: ElementTree.Element, own: str = "") -> Iterator[str]:
    """Yield the names of the files that hold planes according to OME-XML, except the one whose UUID is `own`."""
    for uuid in element.iter():
        if tag(uuid) == "UUID" and uuid.get("FileName") and (not own or uuid.text != own):
            yield str(uuid.get("FileName"))


def tag(element: ElementTree.Element) -> str:
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]
