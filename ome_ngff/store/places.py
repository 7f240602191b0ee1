"""Places as callers name them: paths, URLs, stores, groups."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import zarr
from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore, MemoryStore, StorePath

from ..exceptions import OptionError, StoreError
from .zip import ENDINGS


def folder_of(store: Store, path: str = "") -> Path | None:
    """Return the folder of this machine that something is stored in; None where it is stored elsewhere."""
    if not isinstance(store, LocalStore):
        return None
    return store.root / path if path else store.root


def size_of_file(path: Path) -> int | None:
    """Return the bytes of a file, or None where there is none.

    Raises:
        StoreError: it is a folder, a pipe, a device: nothing that can be read to its end.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # a loop of links, a name that cannot be
        raise StoreError(f"{path} cannot be read: {error}") from error
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"{path} is not a file.")
    return found.st_size


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
    if isinstance(group, (str, Path)):
        text = str(group)
        if "://" in text and not text.startswith("file://"):
            return _remote(text), ""
        return LocalStore(Path(text.removeprefix("file://")).expanduser()), ""
    if isinstance(group, MutableMapping):
        return MemoryStore(group), ""
    raise OptionError(f"The place of an image is a path, a URL, a Zarr group or a store (got {type(group).__name__}).")


def readable(group: Any, storage_options: Mapping[str, Any] | None = None) -> Any:
    """Turn a place that is only read into one that `find_target` takes: zip files, and URLs with options."""
    if isinstance(group, (str, Path)):
        if "://" in str(group) and storage_options:
            return _remote(str(group), dict(storage_options))
        if storage_options:
            raise OptionError(f"storage_options are for the file system behind a URL (got {group}).")
        if str(group).lower().endswith(ENDINGS) and Path(group).is_file():
            if not zipfile.is_zipfile(group):
                raise StoreError(f"{group} is not a ZIP, or was not written to its end.")
            return zarr.storage.ZipStore(group, mode="r", read_only=True)
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
