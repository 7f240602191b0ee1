"""Places as callers name them: paths, URLs, stores, groups."""

from __future__ import annotations

import os
import pickle
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import suppress
from copy import copy
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import attrs
import zarr
from zarr.abc.buffer import Buffer
from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore, MemoryStore, ObjectStore, StorePath, ZipStore

from ..config import in_child
from ..exceptions import OptionError, StoreError
from ..pixels import made_by
from ..spec import path_fault
from ..text import mapping_of, nearest_word
from .cloud import CloudStore, open_anew, open_url
from .zarr_private import default_buffer_prototype, reopen_zip
from .zip import ENDINGS, local, text_of


def folder_of(store: Store, path: str = "") -> Path | None:
    """Return the folder of this machine that something is stored in; None where it is stored elsewhere."""
    if not isinstance(store, LocalStore):
        return None
    return store.root / path if path else store.root


def size_of_file(path: Path | str) -> int | None:
    """Return the bytes of a file, or None where there is none.

    Raises:
        StoreError: it is a folder, a pipe, a device: nothing that can be read to its end.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # a loop of links, a name that cannot be
        raise StoreError(f"{path} cannot be read: {error}") from error
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"{path} is not a file.")
    return found.st_size


def nearest_place(missing: object) -> str:
    """Return " Did you mean 'x'?" for what stands in the folder of a missing path and is named like it, or ""."""
    path = Path(str(missing).partition("::")[0])
    if "://" in str(missing) or path.exists():
        return ""
    with suppress(OSError):
        return nearest_word(path.name, os.listdir(path.parent), alike=0.8)
    return ""


def place(store: Store, path: str = "") -> str:
    """Return where something is stored, as a person would write it."""
    root = getattr(store, _WRITTEN, "") or str(folder_of(store) or store)
    if isinstance(store, FsspecStore):
        root = getattr(store.fs, "sync_fs", store.fs).unstrip_protocol(store.path)
    return f"{root}/{path}" if path else root


def key_of(path: str, name: str) -> str:
    """Return the path of something in a group, which may be the root."""
    return f"{path}/{name}" if path else name


def locate(group: Any) -> tuple[Store, str]:
    """Turn what callers pass as a place into a store and a path in it; nothing is created or opened.

    The place stays what it is when the process goes to another folder, also where the caller's own store would not.

    Raises:
        OptionError: it is not a place.
    """
    store, path = _named(group)
    if isinstance(store, LocalStore) and not store.root.is_absolute():
        relative, store = store, copy(store)
        store.root = relative.root.absolute()
        setattr(store, _WRITTEN, str(relative.root))
    if isinstance(store, ObjectStore) and not isinstance(store, CloudStore):
        store = CloudStore(store.store, read_only=store.read_only)
    return forked_with_care(store), path


_WRITTEN = "_written"  # how the caller has written the place of a store, for messages


def like(store: Store, other: Store) -> Store:
    """Return a store, to be opened and shown as another one of the same place."""
    if hasattr(other, _WRITTEN):
        setattr(store, _WRITTEN, getattr(other, _WRITTEN))
    return forked_with_care(store)


def _named(group: Any) -> tuple[Store, str]:
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
        text, inner = split_inside(text_of(group))
        if not text:
            raise OptionError("The place of an image is an empty text; write '.' for the folder that you are in.")
        return (open_url(text) if "://" in text else LocalStore(Path(text))), inner
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


def split_inside(path: str) -> tuple[str, str]:
    """Split "plate.zarr::B/3/0" into a place and the path inside it, and "plate.zip/B/3/0", too; most have none.

    Raises:
        OptionError: the path inside leads out.
    """
    path = local(path)
    where, _, inner = path.partition("::")
    if "://" in inner or os.path.exists(path):  # the first are chains of fsspec, such as "simplecache::s3://..."
        return path, ""
    archive = re.match(rf"(.+?({'|'.join(map(re.escape, ENDINGS))}))[/\\]", path, re.IGNORECASE)
    if archive and not inner and os.path.isfile(archive[1]):
        where, inner = archive[1], path[archive.end() :]
    inner = inner.strip("/")
    if inner and path_fault(inner):
        raise OptionError(f"{path} leads nowhere. {path_fault(inner)}")
    return (where, inner) if inner else (path, "")


def opened(group: Any, store_options: Mapping[str, Any] | None) -> Any:
    """Turn a URL with options into a store; every other place stays as it is.

    Raises:
        OptionError: there are options, but no URL.
    """
    if not store_options:
        return group
    options = mapping_of(store_options, "store_options")
    text, inner = split_inside(text_of(group)) if isinstance(group, (str, os.PathLike)) else ("", "")
    if "://" not in text:
        raise OptionError(f"store_options are for the store behind a URL (got {text or type(group).__name__}).")
    store = open_url(text, options)
    return StorePath(store, inner) if inner else store


def readable(group: Any, store_options: Mapping[str, Any] | None = None) -> Any:
    """Turn a place that is only read into one that `find_target` takes: zip files, and URLs with options."""
    group = opened(group, store_options)
    if isinstance(group, (str, os.PathLike)):
        text, inner = split_inside(text_of(group))
        if text.lower().endswith(ENDINGS) and Path(text).is_file():
            if not zipfile.is_zipfile(text):
                raise StoreError(f"{text} is not a ZIP, or was not written to its end.")
            store = ZipStore(Path(text).absolute(), mode="r", read_only=True)
            setattr(store, _WRITTEN, f"zip://{text}")
            return StorePath(store, inner) if inner else store
    return group


def forked_with_care(store: Store) -> Store:
    """Return a store that is open; a process that is forked opens it anew, instead of reading from the same handle."""
    if isinstance(store, (ZipStore, FsspecStore, CloudStore)):
        _watch_forks()
        _OPEN[id(store)] = store
    return store


_OPEN: WeakValueDictionary[int, Store] = WeakValueDictionary()


@cache
def _watch_forks() -> None:
    """Register after those whose file systems are opened anew: they forget what they have before."""
    in_child(_open_anew)


def _open_anew() -> None:
    for store in list(_OPEN.values()):
        with suppress(Exception):  # what cannot be opened any more says so when it is read
            if isinstance(store, CloudStore):
                open_anew(store)
            elif isinstance(store, FsspecStore):
                store.fs = pickle.loads(pickle.dumps(store.fs))
            elif isinstance(store, ZipStore) and store.read_only:
                reopen_zip(store)


def in_memory(store: Store) -> bool:
    """Return whether a store is in the memory of this process alone."""
    protocol = getattr(getattr(store, "fs", None), "protocol", ())
    if isinstance(store, ObjectStore):
        return type(store.store).__name__ == "MemoryStore"
    return isinstance(store, MemoryStore) or "memory" in (protocol if isinstance(protocol, tuple) else (protocol,))


def is_elsewhere(where: Any) -> bool:
    """Return whether a place is on an object store, or wherever else a URL leads that can be written."""
    store, path = locate(where)
    away = isinstance(store, (CloudStore, FsspecStore)) and not in_memory(store)
    return away and not place(store, path).startswith("http")
