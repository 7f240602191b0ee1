"""One hierarchy as one file (RFC-9): a ZIP whose metadata comes first, entries stored and not compressed.

A ZIP cannot be changed once it is written, so an image is written to a folder next to it first, and then packed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import attrs
from zarr.storage import StorePath, ZipStore

from ..exceptions import ExistsError, FormatError, OptionError, StoreError, TakenOverError
from .patience import patiently
from .zarr_private import default_buffer_prototype, sync

ENDINGS = (".zip", ".ozx")


def text_of(place: str | os.PathLike[str]) -> str:
    """Return a path or URL as text."""
    return str(place) if isinstance(place, Path) else os.fsdecode(place)  # a `Path` of other libraries may be a URL


def local(text: str) -> str:
    """Return the path that "file://..." and "~/..." stand for; every other text stays as it is."""
    return os.path.expanduser(text.removeprefix("file://"))


@attrs.frozen(eq=False)
class Package:
    """Point to the ZIP that an image becomes.

    Attributes:
        file: the ZIP. store: the caller's own, which has it open for writing. written: how the caller writes its place.
    """

    file: Path
    store: ZipStore | None = None
    written: str = ""

    @classmethod
    def find(cls, place: Any) -> Package | None:
        """Return the package that a place is; None for every other place.

        Raises:
            StoreError: it is a ZIP that cannot be written: behind a URL, or a group in one.
        """
        store = place if isinstance(place, ZipStore) else getattr(place, "store", None)
        if isinstance(store, ZipStore):
            if store.read_only:
                return None
            if store is not place:
                raise StoreError(f"A ZIP is written as a whole; pass the store of {store} itself, or its path.")
            return cls(Path(store.path).absolute(), store, str(store.path))
        text = local(text_of(place)) if isinstance(place, (str, os.PathLike)) else ""
        if not text.lower().endswith(ENDINGS):
            return None
        if "://" in text:
            raise StoreError(f"{place} is a ZIP behind a URL; these are read and written on a disk of this machine.")
        file = Path(text)
        return None if file.is_dir() else cls(file.absolute(), written=str(file))

    def refuse_words(self, **given: bool) -> None:
        """Raise `OptionError` for what a file that is written as a whole cannot do."""
        words = [f"{word}={'False' if word == 'compute' else 'True'}" for word, there in given.items() if there]
        if words:
            raise OptionError(f"{self} is a ZIP, which is written in one go; leave out {' and '.join(words)}.")

    @property
    def there(self) -> bool:
        """Whether the file is there already."""
        return self.store is None and self.file.exists()

    def refuse(self, *, overwrite: bool, zarr_format: int) -> None:
        """Refuse to write where something is in the way, or where the file cannot be what its name states.

        Raises:
            ExistsError: something is in the way. FormatError: an `.ozx` of Zarr v2, which has no `zarr.json`.
        """
        if zarr_format == 2 and self.file.suffix.lower() == ".ozx":
            raise FormatError(
                f"{self} would hold OME-NGFF 0.4; an .ozx holds 0.5 or later. Name it .zip, or write 0.5."
            )
        if self.store is None:
            if self.file.exists() and not overwrite:
                raise ExistsError(f"{self} already exists; pass overwrite=True to replace it.")
            return
        sync(StorePath.open(self.store, "", None))  # where nobody has done so yet
        if not sync(self.store.is_empty("")):
            raise ExistsError(f"{self.store} holds something, and what is in a ZIP stays; pass a new ZIP, or a path.")

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """Yield the path of a folder next to the file; what the block has put there is packed once it ends well.

        Folders that earlier writes of the same file have left there go. One that is still under way then fails.

        Raises:
            TakenOverError: another process has begun to write the same file.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        parent = self.file.resolve().parent
        prefix = f".ome_ngff-{sha256(self.file.name.encode()).hexdigest()[:16]}-"
        for left in parent.glob(f"{prefix}*"):
            with suppress(FileNotFoundError):
                gone = left.rename(parent / f"{prefix}{uuid4().hex}")  # in one step, before anything in it goes
                shutil.rmtree(gone, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as temporary:
            folder, packed = Path(temporary) / "image", Path(temporary) / "packed"
            try:
                yield folder
                if self.store is None:
                    pack(folder, packed)
                    patiently(partial(packed.replace, self.file))
                else:
                    put(folder, self.store)
            except (FileNotFoundError, TakenOverError) as error:
                if isinstance(error, FileNotFoundError) and Path(temporary).exists():
                    raise
                raise TakenOverError(f"Another process has begun to write {self}; this one has stopped.") from error

    def __str__(self) -> str:
        return self.written or str(self.file)


def pack(folder: Path, file: Path) -> None:
    """Pack a hierarchy: the root's `zarr.json`, the other ones breadth first, then everything else.

    Args:
        folder: the root of the hierarchy. file: the ZIP that is made.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for path in _ordered(folder):
            entry = zipfile.ZipInfo(path.as_posix(), (1980, 1, 1, 0, 0, 0))
            with (folder / path).open("rb") as source, archive.open(entry, "w", force_zip64=True) as packed:
                shutil.copyfileobj(source, packed, 2**24)
        version = _version(folder)
        if version is not None:
            comment = {"ome": {"version": version, "zipFile": {"centralDirectory": {"jsonFirst": True}}}}
            archive.comment = json.dumps(comment).encode()


def put(folder: Path, store: ZipStore) -> None:
    """Copy a hierarchy into a ZIP that somebody else has open and closes, in the order of `pack`."""
    for path in _ordered(folder):
        buffer = default_buffer_prototype().buffer.from_bytes((folder / path).read_bytes())
        sync(store.set(path.as_posix(), buffer))


def _ordered(folder: Path) -> list[Path]:
    found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(found, key=lambda path: (path.name != "zarr.json", len(path.parts), path.as_posix()))


def _version(folder: Path) -> str | None:
    """Read the version of a hierarchy of 0.5 or later; single files are made of no other."""
    root = folder / "zarr.json"
    if not root.is_file():
        return None
    version = json.loads(root.read_text(encoding="utf-8")).get("attributes", {}).get("ome", {}).get("version")
    return version if isinstance(version, str) else None
