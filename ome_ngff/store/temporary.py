"""Temporary arrays of a write: the spool, and the margins of later passes. All of their chunks are stored.

So a chunk that is missing, because whoever tidies up temporary folders has deleted it, is never taken for zeros.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import zarr
from zarr.abc.store import Store
from zarr.storage import LocalStore

from ..config import config
from ..exceptions import StoreError
from .codecs import Compression
from .journal import JOURNAL, name_of_write
from .opening import open_array, open_node, storing_all
from .target import Target


def ready_temporary(
    target: Target, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: Any, *, create: bool
) -> zarr.Array[Any] | None:
    """Open an array without compression in the journal's folder; None where there is none and none may be created."""
    path = target.key(f"{JOURNAL}/{name}")
    if not isinstance(open_node(target.store, path), zarr.Array):
        if not create:
            return None
        zarr.create_array(
            target.store, name=path, shape=shape, chunks=chunks, dtype=dtype, compressors=None,
            zarr_format=target.fmt.zarr_format,
        )  # fmt: skip
    return opened(target.store, path)


def opened(store: Store, path: str) -> zarr.Array[Any]:
    """Open a temporary array, to be read and written."""
    return storing_all(open_array(store, path, mode="r+"))


def make_spool(target: Target, shape: Sequence[int], chunks: Sequence[int], dtype: Any) -> tuple[zarr.Array[Any], bool]:
    """Open or create (then True) the temporary array of a write, which has the name that the mark gave the write."""
    store = LocalStore(spool_folder(target))
    found, wanted = open_node(store, ""), (tuple(shape), tuple(chunks), dtype)
    fresh = not isinstance(found, zarr.Array) or (found.shape, found.chunks, found.dtype) != wanted
    if fresh:
        codec = Compression("blosc-lz4", 1).compressors(3, dtype)
        zarr.create_array(store, shape=wanted[0], chunks=wanted[1], dtype=dtype, compressors=codec, overwrite=True)
    return opened(store, ""), fresh


def remove_spool(target: Target) -> None:
    """Delete the temporary array of the write that a group is marked with, if it has one."""
    if target.mark:
        with suppress(StoreError):
            shutil.rmtree(spool_folder(target), ignore_errors=True)


def spool_folder(target: Target) -> Path:
    """Return the folder of the spool of the write that a group is marked with."""
    return Path(config.cache_store) / f"ome_ngff-spool-{name_of_write(target)}"
