"""What we use of Zarr beyond its public API, in one place: what to look at when Zarr changes."""

from copy import copy
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import zarr
from zarr.codecs._v2 import V2Codec
from zarr.core.array import AsyncArray
from zarr.core.buffer import BufferPrototype, default_buffer_prototype
from zarr.core.buffer.cpu import Buffer, NDBuffer
from zarr.core.chunk_key_encodings import parse_chunk_key_encoding
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.core.group import AsyncGroup
from zarr.core.metadata import ArrayMetadata
from zarr.core.sync import sync
from zarr.storage import LocalStore

_OPENING = RLock()  # Zarr's stores look whether they are open, and open, in two steps

__all__ = [
    "ArrayMetadata",
    "AsyncArray",
    "AsyncGroup",
    "BatchedCodecPipeline",
    "Buffer",
    "BufferPrototype",
    "Pixels",
    "V2Codec",
    "default_buffer_prototype",
    "ensure_open",
    "inner",
    "reopen_zip",
    "size_in_zip",
    "sizes_in_zip",
    "store_of",
    "sync",
    "with_flat_keys",
]


def inner(array: zarr.Array[Any]) -> AsyncArray[Any]:
    """Return the array whose methods are coroutines."""
    return array._async_array


async def ensure_open(store: Any) -> None:
    """Open a store once, before several threads would at the same time, of which all but one would fail."""
    if not store._is_open:
        with _OPENING:
            await store._ensure_open()


class Pixels(NDBuffer):
    """Compare integers with the fill value in one pass: that no unsigned one is NaN, NumPy finds out in five."""

    def all_equal(self, other: Any, equal_nan: bool = True) -> bool:
        pixels = self.as_ndarray_like()
        if other is None or pixels.dtype.kind not in "biu":
            return super().all_equal(other, equal_nan)
        first = np.atleast_1d(pixels)[:1]  # which of most chunks tells
        return bool(np.all(first == other) and np.all(pixels == other))


def with_flat_keys(metadata: ArrayMetadata) -> ArrayMetadata:
    """Return metadata whose chunks have keys such as `0.0.0`; to parse a changed document takes ten times as long."""
    flat = copy(metadata)
    name: str = "dimension_separator"
    value: Any = "."
    if metadata.zarr_format == 3:
        name, value = "chunk_key_encoding", parse_chunk_key_encoding({"name": "v2", "separator": "."})
    object.__setattr__(flat, name, value)  # which a frozen dataclass keeps to itself
    return flat


def store_of(folder: Path) -> LocalStore:
    """Return an open store of a folder that exists; Zarr would look for it five times."""
    store = LocalStore(folder)
    store._is_open = True
    return store


def size_in_zip(store: Any, key: str) -> int | None:
    """Return the bytes that an entry of a ZIP unpacks to; None where there is none."""
    try:
        return int(_archive(store).getinfo(key).file_size)
    except KeyError:
        return None


def sizes_in_zip(store: Any, path: str) -> int:
    """Sum up the bytes of the entries below a path, without unpacking them as the store would."""
    below = f"{path}/" if path else ""
    return sum(entry.file_size for entry in _archive(store).infolist() if entry.filename.startswith(below))


def reopen_zip(store: Any) -> None:
    """Open a ZIP anew in a process that was forked; whatever thread holds the store's lock stayed in the parent."""
    store.__setstate__({name: value for name, value in vars(store).items() if name not in ("_zf", "_lock")})


def _archive(store: Any) -> Any:
    if not store._is_open:
        store._sync_open()
    return store._zf
