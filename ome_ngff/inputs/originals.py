"""What a file says of itself, kept as text, so that nothing of it is lost when the file is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import attrs
import zarr
from zarr.storage import StorePath

from ..exceptions import NgffError
from ..image import Mosaic, NgffImage
from ..spec import format_implementations
from ..store import MARK, ORIGINAL, find_target, get_bytes, sync
from ..text import warn
from .dicom import DicomArray
from .families import family_of
from .files import stamp_of
from .sequence import SequenceArray
from .tiff_files import opening
from .zarr_store import SourceImage

_MOST = 2**24  # characters of all headers
_LONGEST = 2**16  # bytes of one that is not text
# Where a TIFF has its pixels, and what is read of them into the image.
_PLACES = {
    "StripOffsets", "StripByteCounts", "TileOffsets", "TileByteCounts", "FreeOffsets", "FreeByteCounts", "SubIFDs",
    "JPEGTables", "JPEGInterchangeFormat", "JPEGInterchangeFormatLength", "ImageWidth", "ImageLength", "TileWidth",
    "TileLength", "RowsPerStrip",
}  # fmt: skip


@attrs.frozen
class Original:
    """Hold what a source says of itself besides what the image takes over.

    Attributes:
        source: which version of which file it is: name, bytes, time of change, and the image inside.
        headers: its other headers, as text, by name. ome_xml: its OME-XML, whole.
        attributes: attributes of others in the group of a Zarr.
    """

    source: Mapping[str, Any]
    headers: Mapping[str, str] = attrs.field(factory=dict)
    ome_xml: str = ""
    attributes: Mapping[str, Any] = attrs.field(factory=dict)

    @classmethod
    def of(cls, path: str, image: NgffImage, series: int | str | None = None) -> Original:
        """Read all that an input says; `image` is what `open_input` has made of it."""
        stored = SourceImage.of(image)
        if stored is not None:
            return _of_stored(path, stored)
        where = _one_file(path, image)
        source = _identity(path, image, where, series)
        if where is None:
            array = getattr(image.data, "origin", None)
            said = dict(array.attrs) if isinstance(array, zarr.Array) else {}
            return cls(source, _bounded(iter(said.items()), path))
        try:
            module = family_of(where).module
            read: Any = _READERS.get(module) or getattr(import_module(f".{module}", __package__), "headers", _nothing)
            headers, ome_xml = read(where)
        except Exception as error:  # of any library: headers that are broken leave the pixels what they are
            warn(f"The headers of {where} cannot be read and are left out: {' '.join(str(error).split())}")
            return cls(source)
        return cls(source, _bounded(headers, where), ome_xml)

    def request(self) -> dict[str, Any]:
        """Return what a request needs to keep all this."""
        said = {"source": dict(self.source), "headers": dict(self.headers), "metadata": ORIGINAL}
        kept = {"source": True, "headers": bool(self.headers), "metadata": bool(self.ome_xml)}
        return {
            "said": {key: value for key, value in said.items() if kept[key]},
            "files": {ORIGINAL: self.ome_xml.encode()} if self.ome_xml else {},
            "attributes": dict(self.attributes),
        }


def _one_file(path: str, image: NgffImage) -> str | None:
    """Return the file that the headers are read from: of many planes the first; None where there is none."""
    data = getattr(image.data, "source", image.data)
    if isinstance(data, SequenceArray):
        return os.path.join(data.folder, data.names[0])
    for where in (path, path.partition("::")[0]):
        if os.path.isfile(where):
            return os.path.abspath(where)
    return None


def _identity(path: str, image: NgffImage, where: str | None, series: int | str | None) -> dict[str, Any]:
    """Return what tells one version of a source from the next."""
    data = getattr(image.data, "source", image.data)
    name = Path(path.partition("::")[0]).name if where is None or isinstance(data, SequenceArray) else Path(where).name
    found: dict[str, Any] = {"name": name}
    kept = getattr(data, "origin", None)  # where a header names another file, the pixels
    files = list(dict.fromkeys(filter(None, [where, str(kept) if isinstance(kept, Path) and kept.is_file() else None])))
    if isinstance(data, (SequenceArray, DicomArray, Mosaic)):
        files = list(dict.fromkeys(_files(data, files)))
        found["files"] = len(files)
    if files:
        stamps = [stamp_of(file) for file in files]
        changed = max(time for _, time in stamps) / 1e9
        found["bytes"] = sum(size for size, _ in stamps)
        found["changed"] = datetime.fromtimestamp(changed, UTC).isoformat(timespec="microseconds")
    inner = path.partition("::")[2] if where is not None and not os.path.isfile(path) else ""
    return found | ({"inside": inner} if inner else {}) | ({} if series is None else {"series": str(series)})


def _files(data: Any, otherwise: list[str]) -> list[str]:
    """Return the files that pixels come from: one each, or one for each plane or part."""
    data = getattr(data, "source", data)
    if isinstance(data, Mosaic):
        return [file for _, part in data.parts for file in _files(part, [])]
    if isinstance(data, (SequenceArray, DicomArray)):
        return [os.path.join(data.folder, each) for each in data.names]
    kept = getattr(data, "origin", None)
    return [str(kept)] if isinstance(kept, Path) and kept.is_file() else otherwise


# A reader for each family that has headers ---------------------------------------------------------------------------

Headers = Iterator[tuple[str, Any]]


def _of_stored(path: str, stored: SourceImage) -> Original:
    """Return what an OME-Zarr image says, and what it has kept of the file that it was made from."""
    target = stored.target
    said, source = target.said, {"name": Path(path.rstrip("/").partition("::")[0]).name}
    if target.folder is not None:
        for name in ("zarr.json", ".zattrs"):
            with suppress(OSError):
                changed = stamp_of(target.folder / name)[1] / 1e9
                source["changed"] = datetime.fromtimestamp(changed, UTC).isoformat(timespec="microseconds")
    if target.path:
        source["inside"] = target.path
    headers = said.get("headers") if isinstance(said.get("headers"), Mapping) else {}
    if "source" in said:
        headers = {"source": json.dumps(said["source"]), **(headers or {})}
    others = {key: value for key, value in (target.attributes or {}).items() if key != MARK}
    for fmt in format_implementations():
        others = fmt.strip(others)
    return Original(source, {k: str(v) for k, v in (headers or {}).items()}, _xml_near(stored), others)


def _xml_near(stored: SourceImage) -> str:
    """Return the OME-XML in the group of an image, or next to it in the collection that it is a series of."""
    target = stored.target
    for group in dict.fromkeys((target.path, target.path.rpartition("/")[0])):
        with suppress(NgffError, OSError):
            here = find_target(StorePath(target.store, group))
            content = sync(get_bytes(here.store, here.key(ORIGINAL)))
            if content is not None:
                return content.decode("utf-8", "replace")
    return ""


def _nothing(path: str) -> tuple[Headers, str]:
    return iter(()), ""


def _tiff(path: str) -> tuple[Headers, str]:
    """Read the tags of the first page, and what tifffile has understood of the dialects of vendors."""
    with opening(path) as (tiff, _, _companion):
        ome_xml = tiff.ome_metadata or "" if tiff.is_ome else ""
        try:
            ElementTree.fromstring(ome_xml or "<none/>")
        except ElementTree.ParseError:  # text like any other
            ome_xml = ""
        found: list[tuple[str, Any]] = []
        page: Any = tiff.pages.first
        for tag in page.tags.values():
            if tag.name not in _PLACES and not (ome_xml and tag.name == "ImageDescription"):
                found.append((tag.name, tag.value))
        for flag in sorted(tiff.flags - {"ome", "shaped", "imagej"}):
            parsed = getattr(tiff, f"{flag}_metadata", None)
            if parsed:
                found.append((f"{flag}_metadata", parsed))
        found += [(f"ImageDescription of page {i}", text) for i, text in _other_descriptions(tiff)]
        return iter(found), ome_xml


def _other_descriptions(tiff: Any) -> Iterator[tuple[int, str]]:
    """Yield the descriptions of further pages, where the second one's is not that of the first."""
    count = len(tiff.pages)
    if count < 2 or tiff.pages.get(1, validate=False).description == tiff.pages.first.description:
        return
    for i in range(1, count):
        page = tiff.pages.get(i, validate=False)
        if getattr(page, "description", ""):
            yield i, page.description


def _nifti(path: str) -> tuple[Headers, str]:
    import nibabel

    header: Any = nibabel.load(path).header  # type: ignore[attr-defined,unused-ignore]
    found = [(str(key), header[key]) for key in header] if hasattr(header, "keys") else []
    found += [(f"extension {each.get_code()}", each.get_content()) for each in getattr(header, "extensions", ())]
    return iter(found), ""


def _hdf5(path: str) -> tuple[Headers, str]:
    import h5py

    found: list[tuple[str, Any]] = []

    def look(name: str, node: Any) -> None:
        found.extend((f"/{name}".rstrip("/") + f"@{key}", value) for key, value in node.attrs.items())

    with h5py.File(path, "r") as file:
        look("", file)
        file.visititems(look)
    return iter(found), ""


def _picture(path: str) -> tuple[Headers, str]:
    from PIL import ExifTags, Image

    with Image.open(path) as picture:
        found = [(str(key), value) for key, value in picture.info.items() if key != "exif"]
        found += [(ExifTags.TAGS.get(key, f"Exif {key}"), value) for key, value in picture.getexif().items()]
    return iter(found), ""


_READERS: dict[str, Callable[[str], tuple[Headers, str]]] = {
    "tiff": _tiff,
    "nifti": _nifti,
    "hdf5": _hdf5,
    "imaris": _hdf5,
    "bdv": _hdf5,
    "picture": _picture,
}


# As text -------------------------------------------------------------------------------------------------------------


def _bounded(headers: Headers, where: str) -> dict[str, str]:
    """Return headers as text, all together of a length that a document can have."""
    found: dict[str, str] = {}
    left_out, room = [], _MOST
    for name, value in headers:
        text = _text(value)
        if text is None or len(text) > room:
            left_out.append(name)
        elif text:
            found[name] = text
            room -= len(text)
    if left_out:
        warn(f"{where} has headers that are too long, or not text, and are left out: {', '.join(left_out[:8])}")
    return found


def _text(value: Any) -> str | None:
    """Return a value as text: words as they are, numbers and lists as JSON, bytes that are not text in hexadecimal."""
    if isinstance(value, bytes):
        plain = value.rstrip(b"\0")
        with suppress(UnicodeDecodeError):
            return _printed(plain.decode("utf-8"))
        return None if len(value) > _LONGEST else value.hex()
    if isinstance(value, str):
        return _printed(value)
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _printed(text: str) -> str:
    return text.rstrip("\0").encode("utf-8", "replace").decode()


def _plain(value: Any) -> Any:
    """Return what JSON has no word for as something that it has one for."""
    if hasattr(value, "tolist"):
        listed = value.tolist()
        return _text(listed) if isinstance(listed, bytes) else listed
    return _text(value) if isinstance(value, bytes) else str(value)
