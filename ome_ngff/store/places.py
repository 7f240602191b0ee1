"""Places as callers name them: paths, URLs, stores, groups."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import attrs
import zarr
from zarr.abc.buffer import Buffer
from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore, MemoryStore, StorePath

from ..exceptions import OptionError, StoreError
from ..pixels import made_by
from .zarr_private import default_buffer_prototype
from .zip import ENDINGS


def folder_of(store: Store, path: str = "") -> Path | None:
    """Return the folder of this machine that something is stored in; None where it is stored elsewhere."""
    if not isinstance(store, LocalStore):
        return None
    return store.root / path if path else store.root


def place(store: Store, path: str = "") -> str:
    """Return where something is stored, as a person would write it."""
    root = str(folder_of(store) or store)
    if isinstance(store, FsspecStore):
        root = getattr(store.fs, "sync_fs", store.fs).unstrip_protocol(store.path)
    return f"{root}/{path}" if path else root


def locate(group: Any) -> tuple[Store, str]:
    """Turn what callers pass as a place into a store and a path in it; nothing is created or opened.

    Raises:
        OptionError: it is not a place.
    """
    if isinstance(group, (zarr.Group, zarr.Array, StorePath)):
        return group.store, group.path
    if isinstance(group, Store):
        return group, ""
    if hasattr(group, "store_path"):  # what is asynchronous in Zarr
        return group.store_path.store, group.store_path.path
    # A target, or what `parse_url` returns.
    if hasattr(group, "fmt") and isinstance(getattr(group, "store", None), Store):
        return group.store, "" if hasattr(group, "root_attrs") else group.path
    if isinstance(group, (str, os.PathLike)):
        text = _text(group)
        if "://" in text and not text.startswith("file://"):
            return _remote(text), ""
        return LocalStore(Path(text.removeprefix("file://")).expanduser()), ""
    if made_by(group, "fsspec") and hasattr(group, "root"):
        local = "file" in getattr(group.fs, "protocol", ())
        return LocalStore(Path(group.root)) if local else FsspecStore.from_mapper(group), ""
    if isinstance(group, MutableMapping):
        held = next(iter(group.values()), None)
        if (held is None and isinstance(group, dict)) or isinstance(held, Buffer):
            return MemoryStore(group), ""
        if held is None or isinstance(held, bytes):
            return MemoryStore(BytesMapping(group)), ""
    raise OptionError(f"The place of an image is a path, a URL, a Zarr group or a store (got {type(group).__name__}).")


def _text(place: str | os.PathLike[Any]) -> str:
    return str(place) if isinstance(place, (str, Path)) else os.fsdecode(place)


@attrs.frozen(eq=False)
class BytesMapping(MutableMapping[str, Any]):
    """Keep what Zarr stores in somebody else's mapping, as bytes. Zarr's store in memory would put buffers there."""

    mapping: MutableMapping[str, bytes]

    def __getitem__(self, key: str) -> Any:
        return default_buffer_prototype().buffer.from_bytes(bytes(self.mapping[key]))

    def __setitem__(self, key: str, value: Any) -> None:
        self.mapping[key] = value.to_bytes()

    def __delitem__(self, key: str) -> None:
        del self.mapping[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.mapping)

    def __len__(self) -> int:
        return len(self.mapping)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BytesMapping) and self.mapping is other.mapping

    __hash__ = None  # type: ignore[assignment]


def readable(group: Any, storage_options: Mapping[str, Any] | None = None) -> Any:
    """Turn a place that is only read into one that `find_target` takes: zip files, and URLs with options."""
    if isinstance(group, (str, os.PathLike)):
        text = _text(group)
        if "://" in text and storage_options:
            return _remote(text, dict(storage_options))
        if storage_options:
            raise OptionError(f"storage_options are for the file system behind a URL (got {group}).")
        if text.lower().endswith(ENDINGS) and Path(group).is_file():
            if not zipfile.is_zipfile(group):
                raise StoreError(f"{group} is not a ZIP, or was not written to its end.")
            return zarr.storage.ZipStore(text, mode="r", read_only=True)
    return group


def _remote(url: str, storage_options: dict[str, Any] | None = None) -> Store:
    try:
        return FsspecStore.from_url(url, storage_options=storage_options)
    except ImportError as error:
        extra = "s3" if url.startswith("s3") else "http"
        raise StoreError(f"{url} needs more packages ({error}); try pip install 'ome-ngff[{extra}]'.") from error
    except (ValueError, TypeError) as error:
        raise StoreError(f"{url} cannot be opened: {error}") from error


def in_memory(store: Store) -> bool:
    """Return whether a store is in the memory of this process alone."""
    protocol = getattr(getattr(store, "fs", None), "protocol", ())
    return isinstance(store, MemoryStore) or "memory" in (protocol if isinstance(protocol, tuple) else (protocol,))
