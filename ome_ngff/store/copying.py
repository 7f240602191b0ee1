"""Chunks of others that are stored already as ours would be: they are moved as they are, not encoded anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import zarr

from ..exceptions import CodecError
from .array_documents import array_to_v3
from .codecs import Compression
from .inline import together, wait_for
from .layout import Grid, LevelStorage
from .opening import cells_in
from .places import folder_of
from .zarr_private import default_buffer_prototype

_INDEX = ["bytes", "crc32c"]


def stored_array(source: Any) -> zarr.Array[Any] | None:
    """Return the array of Zarr whose pixels a source gives one for one; None for every other source."""
    array = source if isinstance(source, zarr.Array) else getattr(source, "array_of_zarr", None)
    return array if array is not None and tuple(array.shape) == tuple(source.shape) else None


def storage_of(array: zarr.Array[Any]) -> LevelStorage | None:
    """Return how an array is stored; None where we would not store one like that: we compress, in few ways."""
    documents = array.metadata.to_buffer_dict(default_buffer_prototype())
    name = ".zarray" if array.metadata.zarr_format == 2 else "zarr.json"
    found = json.loads(documents[name].to_bytes())
    try:
        found = array_to_v3(found, {}, None) if array.metadata.zarr_format == 2 else found
        lengths, shards, codecs = found["chunk_grid"]["configuration"]["chunk_shape"], None, found["codecs"]
        if [codec["name"] for codec in codecs] == ["sharding_indexed"]:
            inside = codecs[0]["configuration"]
            if inside["index_location"] != "end" or [codec["name"] for codec in inside["index_codecs"]] != _INDEX:
                return None
            lengths, shards, codecs = inside["chunk_shape"], tuple(lengths), inside["codecs"]
        compression = _compression(codecs, array.dtype.itemsize)
    except (CodecError, KeyError):
        return None
    if compression is None or found["chunk_grid"]["name"] != "regular" or found.get("storage_transformers"):
        return None
    return LevelStorage(Grid(tuple(lengths), shards), compression, array.fill_value or 0, asked=False)


def _compression(codecs: Sequence[Mapping[str, Any]], itemsize: int) -> Compression | None:
    """Return the compression that is stored as these codecs; None where ours never is."""
    if len(codecs) != 2 or codecs[0]["name"] != "bytes":
        return None
    if codecs[0].get("configuration", {}).get("endian", "little") != "little":
        return None
    name, words = codecs[1]["name"], codecs[1].get("configuration", {})
    if name == "blosc" and words["cname"] in ("lz4", "zstd") and words["shuffle"] == "shuffle":
        if words.get("typesize", itemsize) == itemsize:
            return Compression(f"blosc-{words['cname']}", words["clevel"], block=words["blocksize"])
    elif name == "zstd" and not words.get("checksum") and 0 <= words["level"] <= 22:
        return Compression("zstd", words["level"])
    return None


def copy_file(stored: zarr.Array[Any], cell: Sequence[int], to: Path) -> bool:
    """Copy the bytes of a cell into a file; return whether there are any."""
    key, folder = stored.metadata.encode_chunk_key(tuple(cell)), folder_of(stored.store, stored.path)
    to.parent.mkdir(parents=True, exist_ok=True)
    if folder is None:
        content = wait_for(stored.store, stored.store.get(_key(stored, key), default_buffer_prototype()))
        if content is not None:
            to.write_bytes(content.to_bytes())
        return content is not None
    try:
        shutil.copyfile(folder / key, to)
    except FileNotFoundError:
        if not to.parent.is_dir():  # where another process has taken over
            raise
        return False
    return True


def copy_objects(
    stored: zarr.Array[Any], array: zarr.Array[Any], box: Sequence[tuple[int, int]]
) -> list[tuple[int, ...]]:
    """Copy the bytes of the cells of a box to a store that is no folder; return those of which there are none."""
    found = list(cells_in(box, array.shards or array.chunks))

    async def copy(cell: tuple[int, ...]) -> bool:
        key = _key(stored, stored.metadata.encode_chunk_key(cell))
        content = await stored.store.get(key, default_buffer_prototype())
        if content is not None:
            await array.store.set(_key(array, array.metadata.encode_chunk_key(cell)), content)
        return content is not None

    there = wait_for(array.store, together(array.store, map(copy, found)))
    return [cell for cell, copied in zip(found, there, strict=True) if not copied]


def _key(array: zarr.Array[Any], name: str) -> str:
    return f"{array.path}/{name}".lstrip("/")
