"""One hierarchy as one file (RFC-9): a ZIP whose metadata comes first, entries stored and not compressed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

ENDINGS = (".zip", ".ozx")


def pack(folder: Path, file: Path) -> None:
    """Pack a hierarchy: the root's `zarr.json`, the other ones breadth first, then everything else.

    Args:
        folder: the root of the hierarchy. file: the ZIP that is made.
    """
    found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    ordered = sorted(found, key=lambda path: (path.name != "zarr.json", len(path.parts), path.as_posix()))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for path in ordered:
            with (folder / path).open("rb") as source, archive.open(_entry(path), "w", force_zip64=True) as entry:
                while block := source.read(2**24):
                    entry.write(block)
        version = _version(folder)
        if version is not None:
            comment = {"ome": {"version": version, "zipFile": {"centralDirectory": {"jsonFirst": True}}}}
            archive.comment = json.dumps(comment).encode()


def _entry(path: Path) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(path.as_posix(), (1980, 1, 1, 0, 0, 0))


def _version(folder: Path) -> str | None:
    """Read the version of a hierarchy of 0.5 or later; single files are made of no other."""
    root = folder / "zarr.json"
    if not root.is_file():
        return None
    version = json.loads(root.read_text(encoding="utf-8")).get("attributes", {}).get("ome", {}).get("version")
    return version if isinstance(version, str) else None
