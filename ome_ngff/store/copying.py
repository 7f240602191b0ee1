"""Chunks of others that are stored already as ours would be: they are moved as they are, not encoded anew.

What is copied is what was decoded. Of an array in a folder each file is looked at before it is decoded, and once it was
copied; of others, what was fetched to be decoded is kept until it is stored. What does not say of itself that it is
packed as its array says, and as what comes after us will expect, is encoded anew from its pixels.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import shutil
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import zarr

from ..exceptions import CodecError
from .array_documents import array_to_v3
from .codecs import Compression
from .decoding import keeping
from .inline import together, wait_for
from .layout import Grid, LevelStorage
from .opening import cells_in
from .places import folder_of
from .zarr_private import default_buffer_prototype

_INDEX = ["bytes", "crc32c"]
_HEAD = 18  # bytes: the most that a header of either codec has
_FORMATS = {"blosc-lz4": 1, "blosc-zstd": 4}  # in the flags of a chunk of Blosc
_STORED, _BITS = 2, 4  # flags: not packed; the bits of pixels shuffled, not their bytes
_Look = Callable[[int, int], bytes]


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
    if name == "blosc" and f"blosc-{words['cname']}" in _FORMATS and words["shuffle"] == "shuffle":
        level, block = words["clevel"], words["blocksize"]  # which Zarr takes as they come
        if words.get("typesize", itemsize) == itemsize and 0 <= level <= 9 and 0 <= block < 2**31:
            return Compression(f"blosc-{words['cname']}", level, block=block)
    elif name == "zstd" and not words.get("checksum") and 0 <= words["level"] <= 22:
        return Compression("zstd", words["level"])
    return None


@attrs.frozen(eq=False)
class StoredCells:
    """The cells of a box of an array, as they are stored.

    Attributes:
        array: whose cells. storage: how it is stored. folder: where, None where that is no folder.
        found: by cell what its file was before it was decoded, or by key the bytes that were decoded.
    """

    array: zarr.Array[Any]
    storage: LevelStorage
    folder: Path | None
    found: Mapping[Any, Any]

    @classmethod
    @contextmanager
    def of(cls, array: zarr.Array[Any], storage: LevelStorage, box: Sequence[tuple[int, int]]) -> Iterator[StoredCells]:
        """Know the cells of a box as those that are decoded in a block."""
        folder = folder_of(array.store, array.path)
        if folder is None:
            with keeping() as kept:
                yield cls(array, storage, None, kept)
            return
        stamps = {}
        for cell in cells_in(box, storage.grid.cell):
            with suppress(OSError):  # decoding it will say so
                stamps[cell] = _stamp(os.stat(folder / array.metadata.encode_chunk_key(cell)))
        yield cls(array, storage, folder, stamps)

    def copy_file(self, cell: Sequence[int], to: Path) -> bool:
        """Copy the bytes of a cell into a file; return False, and leave none, where they are not to be copied."""
        content = None if self.folder is not None else self.content(cell)
        if self.folder is None and content is None:
            return False
        to.parent.mkdir(parents=True, exist_ok=True)
        with open(to, "wb", buffering=0) as file:
            copied = self._pour(cell, file) if content is None else bool(file.write(content.as_numpy_array()))
        if not copied:
            to.unlink()
        return copied

    def content(self, cell: Sequence[int]) -> Any:
        """Return the bytes of a cell, as a buffer of Zarr; None where they are not to be copied."""
        if self.folder is None:
            buffer = self.found.get(_key(self.array, self.array.metadata.encode_chunk_key(tuple(cell))))
            data = b"" if buffer is None else memoryview(buffer.as_numpy_array())
            return buffer if self._fits(lambda start, length: bytes(data[start : start + length]), len(data)) else None
        with suppress(FileNotFoundError), self._open(cell) as file:
            if self._is_seen(cell, file) and self._fits(_looks_into(file), self.found[tuple(cell)][2]):
                file.seek(0)
                read = file.readall()
                return default_buffer_prototype().buffer.from_bytes(read) if self._is_seen(cell, file) else None
        return None

    def _pour(self, cell: Sequence[int], into: Any) -> bool:
        """Copy the file of a cell into another; return whether it was, and is, the one that was decoded."""
        with suppress(FileNotFoundError), self._open(cell) as file:
            size = os.fstat(file.fileno()).st_size
            if self._is_seen(cell, file) and self._fits(_looks_into(file), size):
                _pour(file, into, size)
                return self._is_seen(cell, file)
        return False

    def _open(self, cell: Sequence[int]) -> Any:
        assert self.folder is not None
        return open(self.folder / self.array.metadata.encode_chunk_key(tuple(cell)), "rb", buffering=0)

    def _is_seen(self, cell: Sequence[int], file: Any) -> bool:
        return _stamp(os.fstat(file.fileno())) == self.found.get(tuple(cell))

    def _fits(self, look: _Look, size: int) -> bool:
        """Return whether a chunk, or a shard and each chunk in it, says that it is packed as the array says."""
        grid, itemsize = self.storage.grid, self.array.dtype.itemsize
        unpacked = math.prod(grid.chunks) * itemsize
        if grid.shards is None:
            return self._is_headed(look(0, _HEAD), size, unpacked)
        length = 16 * math.prod(s // c for s, c in zip(grid.shards, grid.chunks, strict=True)) + 4
        if size < length:
            return False
        index = np.frombuffer(look(size - length, length - 4), "<u8").reshape(-1, 2).tolist()
        parts = [(start, packed) for start, packed in index if start != 2**64 - 1]
        return (
            sum(packed for _, packed in parts) + length == size
            and all(start + packed <= size - length for start, packed in parts)
            and all(self._is_headed(look(start, _HEAD), packed, unpacked) for start, packed in parts)
        )

    def _is_headed(self, head: bytes, size: int, unpacked: int) -> bool:
        """Return whether a header is that of a chunk of so many bytes, which unpacks to so many."""
        if len(head) < 16 or size < 16:
            return False
        if self.storage.compression.name in _FORMATS:
            version, flags, said, packed = struct.unpack_from("<BxBxI4xI", head)
            known = flags & _STORED or flags >> 5 == _FORMATS[self.storage.compression.name]
            return bool(known and not flags & _BITS) and (version, said, packed) == (2, unpacked, size)
        magic, flags = struct.unpack_from("<IB", head)  # RFC 8878, 3.1.1.1
        single, width = flags >> 5 & 1, (flags >> 5 & 1, 2, 4, 8)[flags >> 6]
        said = int.from_bytes(head[6 - single : 6 - single + width], "little") + 256 * (width == 2)
        return magic == 0xFD2FB528 and not flags & 3 and width > 0 and said == unpacked


def copy_objects(stored: StoredCells, array: zarr.Array[Any], box: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Copy the bytes of the cells of a box to a store that is no folder; return those that are not to be copied."""
    found = list(cells_in(box, stored.storage.grid.cell))

    async def copy(cell: tuple[int, ...]) -> bool:
        content = await asyncio.to_thread(stored.content, cell)
        if content is not None:
            await array.store.set(_key(array, array.metadata.encode_chunk_key(cell)), content)
        return content is not None

    there = wait_for(array.store, together(array.store, map(copy, found)))
    return [cell for cell, copied in zip(found, there, strict=True) if not copied]


def _key(array: zarr.Array[Any], name: str) -> str:
    return f"{array.path}/{name}".lstrip("/")


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    """Return what tells a file from one that replaces it, or from what it is made by whoever writes into it."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _looks_into(file: Any) -> _Look:
    def look(start: int, length: int) -> bytes:
        file.seek(start)
        return bytes(file.read(length))

    return look


def _pour(source: Any, into: Any, size: int) -> None:
    """Copy a file into another; where the file system can, it does so by itself."""
    done = 0
    with suppress(AttributeError, OSError):  # on Linux alone, and not between all file systems
        while done < size and (more := os.copy_file_range(source.fileno(), into.fileno(), size - done, done, done)):
            done += more
    if done < size:
        source.seek(done)
        into.seek(done)
        shutil.copyfileobj(source, into, 2**20)
