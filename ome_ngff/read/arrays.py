"""How an array is stored: shape, chunks, codec, bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import zarr
from zarr.storage import FsspecStore, ZipStore

from ..exceptions import NgffError
from ..store import Compression, folder_of, sizes_in_zip, sync
from .infos import ArrayInfo

UNREADABLE = (NgffError, OSError, ValueError, KeyError, TypeError)


def describe_array(array: zarr.Array[Any], path: str) -> ArrayInfo:
    """Describe an array that stands at a path."""
    size = int(array.nbytes)
    stored = stored_bytes(array)
    return ArrayInfo(
        path,
        shape=tuple(array.shape),
        dtype=str(array.dtype),
        chunks=tuple(array.chunks),
        shards=None if array.shards is None else tuple(array.shards),
        codec=codec_of(array),
        bytes=size,
        stored=stored,
        ratio=size / stored if stored else None,
    )


def codec_of(array: zarr.Array[Any]) -> str:
    """Name the compression of an array, as `compression=` takes it where it can be said that way."""
    names = []
    for codec in (*array.filters, *array.compressors):
        try:
            names.append(str(Compression.parse(codec)))
        except UNREADABLE:
            names.append(type(codec).__name__)
    return " + ".join(names) or "none"


def stored_bytes(array: zarr.Array[Any]) -> int | None:
    """Count the bytes that an array takes where it is stored; None where that cannot be known, as on a web server."""
    store = array.store
    folder = folder_of(store, array.path)
    if folder is not None:
        return sum(_file_sizes(folder))
    try:
        if isinstance(store, FsspecStore):
            root = "/".join(filter(None, [store.path.rstrip("/"), array.path]))
            if "http" in str(store.fs.protocol):
                return None
            found = sync(store.fs._find(root, detail=True))
            return sum(int(file.get("size") or 0) for file in found.values())
        if isinstance(store, ZipStore):
            return sizes_in_zip(store, array.path)
        return int(sync(store.getsize_prefix(array.path)))
    except Exception:  # every store has errors of its own
        return None


def _file_sizes(folder: Any) -> Iterator[int]:
    with os.scandir(folder) as children:
        for child in children:
            if child.is_dir(follow_symlinks=False):
                yield from _file_sizes(child.path)
            else:
                yield child.stat().st_size
