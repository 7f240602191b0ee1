"""Chunks of others that are stored already as ours would be: they are moved as they are, not encoded anew.

What is copied is what was decoded: bytes are fetched once, and kept until they are stored again. What does not say of
itself that it is packed as its array says, and as what comes after us will expect, is encoded anew from its pixels.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import imagecodecs
import numpy as np
import zarr
from numcodecs.checksum32 import CRC32C

from ..exceptions import CodecError, StoreError
from .array_documents import array_to_v3
from .codecs import Compression
from .decoding import file_of, refuse_size
from .inline import together, wait_for
from .layout import Grid, LevelStorage
from .opening import cells_in, whole_cell
from .zarr_private import default_buffer_prototype

_INDEX = ["bytes", "crc32c"]
_FORMATS = {"blosc-lz4": 1, "blosc-zstd": 4}  # in the flags of a chunk of Blosc
_STORED, _BITS = 2, 4  # flags: not packed; the bits of pixels shuffled, not their bytes
_BROKEN = (StoreError, RuntimeError, ValueError)  # ours, and those of the codecs and of checksums
_Scratch = Callable[[Sequence[int], np.dtype[Any]], Any]
_Read = Callable[[Sequence[tuple[int, int]]], Any]


def stored_array(source: Any) -> zarr.Array[Any] | None:
    """Return the array of Zarr whose pixels a source gives one for one; None for every other source."""
    return source if isinstance(source, zarr.Array) else getattr(source, "array_of_zarr", None)


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
    if compression is None or found["chunk_grid"]["name"] != "regular":
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
    """The cells of a box of an array, as they are stored: their bytes are fetched once, decoded, and stored again.

    Attributes:
        array: whose cells. storage: how it is stored.
        found: by cell its bytes; None where it is not stored, and nothing where its bytes are not to be copied.
    """

    array: zarr.Array[Any]
    storage: LevelStorage
    found: dict[tuple[int, ...], Any]

    @classmethod
    def of(cls, array: zarr.Array[Any], storage: LevelStorage, box: Sequence[tuple[int, int]]) -> StoredCells:
        """Fetch the cells of a box."""

        async def fetch(cell: tuple[int, ...]) -> Any:
            return await _fetched(array, cell)

        cells = list(cells_in(box, storage.grid.cell))
        contents = wait_for(array.store, together(array.store, map(fetch, cells)))
        return cls(array, storage, dict(zip(cells, contents, strict=True)))

    def read(self, box: Sequence[tuple[int, int]], into: Any, scratch: _Scratch, otherwise: _Read) -> None:
        """Decode a box.

        Args:
            box: to read. into: takes its pixels.
            scratch: takes a shape and a dtype, and returns memory for one chunk.
            otherwise: reads the part of a cell that is not to be copied, or not there; and raises where it cannot.
        """
        looked, lengths = False, self.storage.grid.cell
        for cell in cells_in(box, lengths):
            whole = whole_cell(cell, lengths, box)
            part = into[tuple(slice(a - low, b - low) for (a, b), (low, _) in zip(whole, box, strict=True))]
            if looked and cell in self.found and self.found[cell] is None:
                part[...] = self.array.fill_value or 0
            elif not self._unpack(cell, part, scratch):
                looked |= cell in self.found  # whether all of the array is gone
                part[...] = otherwise(whole)

    def copy_file(self, cell: Sequence[int], to: Path) -> bool:
        """Write the bytes of a cell into a file; return False where they are not to be copied."""
        content = self.found.get(tuple(cell))
        if content is not None:
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(content)
        return content is not None

    def _unpack(self, cell: tuple[int, ...], into: Any, scratch: _Scratch) -> bool:
        """Decode a cell; return False, and forget its bytes, where they are not what the array says."""
        content = self.found.get(cell)
        if content is None:
            return False
        try:
            parts, chunks = self._parts(memoryview(content)), self.storage.grid.chunks
            if len(parts) < math.prod(self.storage.grid.cell) // math.prod(chunks):
                into[...] = self.array.fill_value or 0
            for index, packed in parts:
                part = into[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunks, strict=True))]
                if part.size:
                    self._unpack_chunk(packed, part, scratch)
        except _BROKEN:  # Zarr finds out what is wrong, and where
            del self.found[cell]
            return False
        return True

    def _unpack_chunk(self, packed: Any, into: Any, scratch: _Scratch) -> None:
        """Decode a chunk, straight to where its pixels belong if they lie there as they do in the chunk."""
        chunks = self.storage.grid.chunks
        fits = into.shape == chunks and into.flags.c_contiguous and into.dtype == self.array.dtype
        whole = into if fits else scratch(chunks, self.array.dtype)
        flat = whole.reshape(-1).view(np.uint8)
        if self.storage.compression.name in _FORMATS:
            found = imagecodecs.blosc_decode(packed, numthreads=1, out=flat)
        else:
            found = imagecodecs.zstd_decode(packed, out=flat)
        if len(found) != flat.size:
            raise StoreError(f"It unpacks to {len(found)} bytes instead of {flat.size}.")
        if not fits:
            into[...] = whole[tuple(slice(0, n) for n in into.shape)]

    def _parts(self, content: memoryview) -> list[tuple[tuple[int, ...], memoryview]]:
        """Return the chunks in a cell, by their place in it.

        Raises:
            StoreError: not all of it says of itself that it is packed as the array says.
        """
        grid = self.storage.grid
        counts = [s // c for s, c in zip(grid.cell, grid.chunks, strict=True)]
        places = [((0,) * len(counts), 0, len(content))]
        if grid.shards is not None:
            length = 16 * math.prod(counts) + 4
            index = np.frombuffer(CRC32C(location="end").decode(content[len(content) - length :]), "<u8")
            spans = zip(np.ndindex(*counts), index.reshape(-1, 2).tolist(), strict=True)
            places = [(at, start, size) for at, (start, size) in spans if start != 2**64 - 1]
            if sum(size for *_, size in places) + length != len(content):
                raise StoreError("A part of it is nobody's.")
        if not all(self._is_headed(content[start : start + size], size) for _, start, size in places):
            raise StoreError("It is packed in another way.")
        return [(at, content[start : start + size]) for at, start, size in places]

    def _is_headed(self, packed: memoryview, size: int) -> bool:
        """Return whether a chunk of so many bytes says that it is packed as the array says, to the size of a chunk."""
        unpacked = math.prod(self.storage.grid.chunks) * self.array.dtype.itemsize
        if len(packed) != size or size < 16:
            return False
        if self.storage.compression.name in _FORMATS:
            version, flags, said, stated = struct.unpack_from("<BxBxI4xI", packed)
            known = flags & _STORED or flags >> 5 == _FORMATS[self.storage.compression.name]
            return bool(known and not flags & _BITS) and (version, said, stated) == (2, unpacked, size)
        magic, flags = struct.unpack_from("<IB", packed)  # RFC 8878, 3.1.1.1
        single, width = flags >> 5 & 1, (flags >> 5 & 1, 2, 4, 8)[flags >> 6]
        said = int.from_bytes(packed[6 - single : 6 - single + width], "little") + 256 * (width == 2)
        return magic == 0xFD2FB528 and not flags & 3 and width > 0 and said == unpacked


async def _fetched(array: zarr.Array[Any], cell: tuple[int, ...]) -> Any:
    """Return the bytes of a cell; None where it is not stored, and nothing where it cannot be fetched."""
    path, prototype = array.store_path / array.metadata.encode_chunk_key(cell), default_buffer_prototype()
    unpacked, file = math.prod(array.shards or array.chunks) * array.dtype.itemsize, file_of(path)
    with suppress(Exception if file is None else OSError):  # Zarr finds out what is wrong, in stores of any kind
        refuse_size(path, unpacked)
        if file is None:
            buffer = await path.get(prototype)
            return None if buffer is None else buffer.as_numpy_array()
        try:
            return file.read_bytes()
        except FileNotFoundError:
            return None
    return b""


def copy_objects(stored: StoredCells, array: zarr.Array[Any], box: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Copy the bytes of the cells of a box to a store that is no folder; return those that are not to be copied."""
    cells, as_buffer = list(cells_in(box, stored.storage.grid.cell)), default_buffer_prototype().buffer.from_array_like

    async def copy(cell: tuple[int, ...]) -> None:
        content = as_buffer(np.frombuffer(stored.found[cell], np.uint8))
        await (array.store_path / array.metadata.encode_chunk_key(cell)).set(content)

    copied = [cell for cell in cells if stored.found.get(cell) is not None]
    wait_for(array.store, together(array.store, map(copy, copied)))
    return [cell for cell in cells if cell not in copied]
