"""The rules for a hierarchy in a single file (RFC-9): the contents of the ZIP and their order."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import attrs

from ...exceptions import Finding
from ...spec import Faults, Rules, part_of
from ...text import listed, show
from .images import STORE_RULES

_METADATA = "zarr.json"
_MOST = 1000  # entries whose headers are read


def zip_findings(file: Path, zarr_format: int | None, version: str | None) -> Iterator[Finding]:
    """Yield every violation of the rules for single files, which apply to OME-Zarr 0.5 or later and to any .ozx.

    Args:
        file: the ZIP.
        zarr_format: that of the group at its root; None if it has no such group.
        version: OME-NGFF version of that group.
    """
    if zarr_format == 2 and file.suffix.lower() != ".ozx":
        return
    try:
        archive = Archive.of(file, version)
    except Exception:  # a ZIP that cannot be read was reported when its root was opened
        return
    yield from ZIP(archive)


@attrs.frozen
class Archive:
    """Describe a ZIP.

    Attributes:
        file: its path. version: OME-NGFF version that the group at its root states.
        listed: names of the entries in the order of the central directory. stored: in the order of the file.
        compressed: names of compressed entries. short: names of entries whose header has no ZIP64 sizes.
        comment: comment of the archive.
    """

    file: Path
    version: str | None
    listed: tuple[str, ...]
    stored: tuple[str, ...]
    compressed: tuple[str, ...]
    short: tuple[str, ...]
    comment: bytes

    @classmethod
    def of(cls, file: Path, version: str | None) -> Archive:
        """Read the central directory of a ZIP, and the headers of its first entries."""
        with zipfile.ZipFile(file) as archive, file.open("rb") as content:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            short = []
            for entry in entries[:_MOST]:
                content.seek(entry.header_offset)
                if not _has_zip64(content.read(2**11)):
                    short.append(entry.filename)
            return cls(
                file, version,
                tuple(entry.filename for entry in entries),
                tuple(entry.filename for entry in sorted(entries, key=lambda entry: entry.header_offset)),
                tuple(entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED),
                tuple(short), archive.comment,
            )  # fmt: skip


def _has_zip64(header: bytes) -> bool:
    """Return whether the header of an entry has the extra field of ZIP64, whose number is 1."""
    if len(header) < 30:
        return False
    name, extra = struct.unpack_from("<HH", header, 26)
    fields = header[30 + name : 30 + name + extra]
    while len(fields) >= 4:
        number, length = struct.unpack_from("<HH", fields)
        if number == 1:
            return True
        fields = fields[4 + length :]
    return False


ZIP = Rules("zip", STORE_RULES)


@ZIP.must("zip-root", at="/.zip.folder", wrong="cells.zarr/", form=True)
def _root(archive: Archive) -> Faults:
    """The root of the ZIP archive MUST correspond to the root of the OME-Zarr hierarchy. The ZIP file MUST contain the
    OME-Zarr's root-level `zarr.json`."""
    if _METADATA not in archive.listed:
        inside = [name for name in archive.listed if name.endswith(f"/{_METADATA}")]
        below = f"; there is one in {show(min(inside, key=_depth).rpartition('/')[0])}" if inside else ""
        hint = (
            "Pack the contents of the folder, not the folder itself." if inside else "Pack an OME-Zarr of 0.5 or later."
        )
        yield "/", f"There is no zarr.json at the root of the archive{below}.", hint


def _depth(name: str) -> int:
    return name.count("/")


@ZIP.should("zip-name", at="/.zip.name", wrong="a.zip")
def _name(archive: Archive) -> Faults:
    """The name of OME-Zarr zip files SHOULD end with `.ozx`."""
    if archive.file.suffix.lower() != ".ozx":
        yield "/", f"The name of the file should end in .ozx (got {show(archive.file.suffix)}).", "Rename it."


@ZIP.should("zip64", at="/.zip.zip64", wrong=False)
def _zip64(archive: Archive) -> Faults:
    """The ZIP64 format extension SHOULD be used, irrespective of the ZIP file size."""
    if archive.short:
        what = f"Entries should have ZIP64 sizes ({listed(archive.short, 3, ', ')} do not)."
        yield "/", what, _PACK


_PACK = "Write the file again, with open_image and to_ngff_zarr."


@ZIP.should("zip-stored", at="/.zip.compressed", wrong=True)
def _stored(archive: Archive) -> Faults:
    """ZIP-level compression SHOULD be disabled in favor of Zarr-level compression codecs."""
    if archive.compressed:
        what = f"Entries should not be compressed ({len(archive.compressed)} of {len(archive.listed)} are)."
        yield "/", what, _PACK


@ZIP.should("zip-order", at="/.zip.metadata", wrong="last")
def _order(archive: Archive) -> Faults:
    """The root-level `zarr.json` file SHOULD be the first ZIP file entry and the first entry in the central directory
    header; other `zarr.json` files SHOULD follow immediately afterwards, in breadth-first order."""
    for names, place in ((archive.stored, "file"), (archive.listed, "central directory")):
        metadata = [name for name in names if name.rpartition("/")[2] == _METADATA]
        if list(names[: len(metadata)]) != sorted(metadata, key=_depth):
            yield "/", f"All zarr.json should come first in the {place}, in breadth-first order.", _PACK
            return


@ZIP.should("zip-comment", at="/.zip.comment", wrong="")
def _comment(archive: Archive) -> Faults:
    """The ZIP archive comment SHOULD contain an UTF-8-encoded JSON string with an `ome` attribute that holds a
    `version` key with the OME-Zarr version as string value."""
    try:
        said = json.loads(archive.comment.rstrip(b"\0").decode("utf-8"))
    except (ValueError, RecursionError):
        said = None
    stated = part_of(part_of(said, "ome"), "version")
    if not isinstance(stated, str) or (archive.version is not None and stated != archive.version):
        wanted = f'{{"ome": {{"version": "{archive.version or "0.5"}"}}}}'
        yield "/", f"The comment of the archive should be {wanted} (got {show(archive.comment)}).", _PACK
