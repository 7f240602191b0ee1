"""Where pixels come from, so that nothing is read from what is being written."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.storage import FsspecStore, LocalStore, MemoryStore, ZipStore

from ..exceptions import StoreError
from ..pixels import LazyArray, made_by, wrapped_arrays
from .places import place
from .target import Target

_END = 2**16  # bytes at either end of a file that a fingerprint is taken from


def refuse_self(source: Any, target: Target, paths: Iterable[str]) -> None:
    """Raise `StoreError` where the pixels are read from what would be written.

    Args:
        source: what `as_source` returns. target: the group that is written. paths: below it, of what is replaced.
    """
    replaced = [target.key(path) for path in paths]
    for store, path in _origins(source):
        if target.folder is not None:
            there = _local(store, path)
            ours = [_local(target.store, key) for key in replaced]
            inside = there is not None and any(here is not None and there.is_relative_to(here) for here in ours)
        else:
            url = "" if isinstance(store, Path) else f"{place(store, path)}/"
            inside = any(url.startswith(f"{place(target.store, key)}/") for key in replaced)
        if inside:
            where = place(store, path) if not isinstance(store, Path) else str(store)
            raise StoreError(f"The pixels are read from {where}, which is in {target}; write to another place.")


def fingerprint(source: Any) -> str | None:
    """Return what tells one version of the file that pixels come from from the next; None where they come from no file.

    It is taken from the content, for a copy of the file on another machine is the same version.

    Args:
        source: what `as_source` returns.
    """
    while isinstance(source, LazyArray):
        source = source.origin
    path = source.filename if isinstance(source, np.memmap) else source
    if not isinstance(path, str | Path):
        return None
    try:
        with open(path, "rb") as file:
            ends, size = file.read(_END), file.seek(0, 2)
            file.seek(max(len(ends), size - _END))
            return f"{size} bytes, {zlib.crc32(ends + file.read()):08x}"
    except OSError:
        return None


def is_local(array: Any) -> bool:
    """Return whether a stored array, of Zarr or HDF5, is in a file of this machine or in the memory of the process."""
    if isinstance(array, zarr.Array):
        return isinstance(array.store, (LocalStore, MemoryStore, ZipStore))
    return made_by(array, "h5py")


def _local(store: Any, path: str) -> Path | None:
    """Return where something is on this machine's disk, or None."""
    if isinstance(store, Path):
        return store.resolve()
    if isinstance(store, LocalStore):
        return (store.root / path).resolve()
    if isinstance(store, FsspecStore) and "local" in str(type(getattr(store.fs, "sync_fs", store.fs))).lower():
        return (Path(store.path) / path).resolve()
    return None


def _origins(source: Any) -> list[tuple[Any, str]]:
    """Find the stored arrays and the files that a source reads from: (store, path) or (file, "")."""
    origin = getattr(source, "origin", None)  # of the arrays of `inputs`
    if origin is not None:
        return [(origin, "")] if isinstance(origin, Path) else _origins(origin)
    if isinstance(source, zarr.Array):
        return [(source.store, source.path)]
    if isinstance(source, np.memmap):
        return [(Path(source.filename), "")] if source.filename else []
    if isinstance(getattr(getattr(source, "file", None), "filename", None), str):  # h5py
        return [(Path(source.file.filename), "")]
    if isinstance(source, np.ndarray) and isinstance(source.base, (np.ndarray, np.memmap)):
        return _origins(source.base)
    return [found for wrapped in wrapped_arrays(source) for found in _origins(wrapped)]
