"""Arrays that stay in their file: sliced from any thread, pickled as a path, read box by box.

Everything here offers what the engine asks of a source: `shape`, `dtype`, `chunks` (None where the file has none),
and `array[key]`, which reads no more than `key` needs and returns NumPy in the machine's byte order.
"""

from __future__ import annotations

import math
import mmap
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import InputError, NgffError

Box = tuple[slice, ...]
Stamp = tuple[int, int]
_WINDOW = 2**25


class LazyArray:
    """Turn `read(box)` of a subclass into an array that NumPy and dask can slice."""

    __slots__ = ()
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None

    @property
    def origin(self) -> Any:
        """Give the file or folder (a `Path`), or the stored array, that the pixels come from."""
        raise NotImplementedError

    def read(self, box: Box) -> NDArray[Any]:
        """Read a box: one slice per dimension, step 1, inside the shape, never empty."""
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        """Give the number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Give the number of pixels."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Give the bytes of all pixels, uncompressed."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        box, rest = _split(key, self.shape)
        if any(part.start == part.stop for part in box):
            return np.empty([part.stop - part.start for part in box], self.dtype)[rest]
        return self.read(box)[rest]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("An array in a file becomes a NumPy array only by a copy.")
        return np.asarray(self[...], dtype)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return (type(self).__qualname__, *_fields(self))


def _split(key: Any, shape: tuple[int, ...]) -> tuple[Box, tuple[Any, ...]]:
    """Turn any basic index into a box and what to pick from that box."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(part is Ellipsis for part in keys):
        at = next(i for i, part in enumerate(keys) if part is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (len(shape) - len(keys) + 1)
    if len(keys) > len(shape):
        raise IndexError(f"{len(keys)} indices for {len(shape)} dimensions.")
    keys += [slice(None)] * (len(shape) - len(keys))
    box: list[slice] = []
    rest: list[slice | int] = []
    for part, size in zip(keys, shape, strict=True):
        if isinstance(part, slice):
            indices = range(size)[part]
            low, high = (min(indices), max(indices) + 1) if indices else (0, 0)
            box.append(slice(low, high))
            rest.append(slice(None, None, part.step))
        elif isinstance(part, (int, np.integer)) and not isinstance(part, bool):
            at = range(size)[int(part)]
            box.append(slice(at, at + 1))
            rest.append(0)
        else:
            raise IndexError(f"An array in a file is indexed by integers and slices (got {part!r}).")
    return tuple(box), tuple(rest)


def _fields(array: Any) -> tuple[Any, ...]:
    return tuple(getattr(array, field.name) for field in attrs.fields(type(array)) if field.init)


@lru_cache(maxsize=16)
def _revive(cls: type[Any], *fields: Any) -> Any:
    """Return one array per file and process, so that a worker's tasks share one open file."""
    return cls(*fields)


def stamp_of(path: str | Path) -> Stamp:
    """Return size and time of change of a file: what tells one version of it from the next."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def native(dtype: Any) -> np.dtype[Any]:
    """Return the dtype in the machine's byte order."""
    ours: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")
    return ours


@attrs.frozen(eq=False, slots=False, weakref_slot=False)
class FileArray(LazyArray):
    """Keep a file open per process, from the first read until nobody holds the array; pickle as the path.

    Subclasses add their fields, all hashable, and `_open`, which returns the file and what closes it.
    """

    path: str
    stamp: Stamp = attrs.field(repr=False)
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None
    _lock: Any = attrs.field(init=False, repr=False, factory=threading.RLock)
    _opened: dict[int, Any] = attrs.field(init=False, repr=False, factory=dict)

    def _open(self) -> tuple[Any, Callable[[], Any]]:
        raise NotImplementedError

    @property
    def origin(self) -> Path:
        """Give the file."""
        return Path(self.path)

    def opened(self) -> Any:
        """Return the open file of this process."""
        with self._lock:
            process = os.getpid()
            if process not in self._opened:
                try:
                    file, close = self._open()
                except NgffError:
                    raise
                except Exception as error:
                    raise InputError(f"{self.path} cannot be read: {error}") from error
                weakref.finalize(self, close)
                self._opened[process] = file
            return self._opened[process]

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), *_fields(self))


@attrs.frozen(eq=False)
class MappedArray(LazyArray):
    """Map raw pixels of a file for the length of one read; nothing stays open and nothing stays in memory.

    Attributes:
        path: the file.
        shape: size per dimension.
        stored: dtype in the file, with its byte order.
        offset: bytes before the first pixel.
        order: "C" where the last dimension is the fastest in the file, "F" where the first one is.
    """

    path: str
    shape: tuple[int, ...]
    stored: np.dtype[Any]
    offset: int = 0
    order: str = "C"
    stamp: Stamp = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "stamp", stamp_of(self.path))
        if self.stamp[0] < self.offset + self.nbytes:
            end = self.offset + self.nbytes
            raise InputError(f"{self.path} is cut short: its pixels end at byte {end}, the file at {self.stamp[0]}.")

    @property
    def origin(self) -> Path:
        """Give the file."""
        return Path(self.path)

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        """Give the dtype in the machine's byte order."""
        return native(self.stored)

    @property
    def chunks(self) -> None:  # type: ignore[override]
        """Give None: any box can be read alone."""
        return None

    def read(self, box: Box) -> NDArray[Any]:
        """Read a box."""
        with open(self.path, "rb") as file:
            return read_mapped(file.fileno(), self, box)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return ("MappedArray", *_fields(self), self.stamp)


def read_mapped(handle: int, raw: Any, box: Box) -> NDArray[Any]:
    """Copy a box out of an open file, through maps of `_WINDOW` bytes at the most.

    The pages that a read touches, and their neighbours, count as memory of the process as long as a map lives.

    Args:
        handle: descriptor of the open file.
        raw: what has the `shape`, `stored` dtype, `offset` and `order` of the pixels.
        box: one slice per dimension.
    """
    shape, box = (raw.shape[::-1], box[::-1]) if raw.order == "F" else (raw.shape, box)
    steps = [raw.stored.itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    split = next((axis for axis, step in enumerate(steps) if step <= _WINDOW), len(shape) - 1)
    rows = max(1, _WINDOW // steps[split])
    out = np.empty([part.stop - part.start for part in box], native(raw.stored))
    for outer in np.ndindex(out.shape[:split]):
        for first in range(0, out.shape[split], rows):
            count = min(rows, out.shape[split] - first)
            place = [part.start + at for part, at in zip(box, (*outer, first), strict=False)]
            offset = raw.offset + sum(at * step for at, step in zip(place, steps, strict=False))
            rest = _mapped(handle, raw.stored, offset, (count, *shape[split + 1 :]))
            out[(*outer, slice(first, first + count))] = rest[(slice(None), *box[split + 1 :])]
    return out.T if raw.order == "F" else out


def _mapped(handle: int, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...]) -> NDArray[Any]:
    start = offset // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
    size = math.prod(shape)
    mapped = mmap.mmap(handle, offset - start + size * dtype.itemsize, access=mmap.ACCESS_READ, offset=start)
    return np.frombuffer(mapped, dtype, size, offset - start).reshape(shape)


@attrs.frozen(eq=False)
class ViewArray(LazyArray):
    """Show another array with its dimensions reordered, without the ones of length 1 that are left out.

    Attributes:
        source: anything with shape, dtype and slicing.
        order: dimension of the source for each dimension here.
    """

    source: Any
    order: tuple[int, ...]

    @property
    def origin(self) -> Any:
        """Give the file or the stored array."""
        return self.source.origin if isinstance(self.source, LazyArray) else self.source

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """Give the size per dimension."""
        return tuple(self.source.shape[i] for i in self.order)

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        """Give the dtype of the source."""
        dtype: np.dtype[Any] = np.dtype(self.source.dtype)
        return dtype

    @property
    def chunks(self) -> tuple[int, ...] | None:  # type: ignore[override]
        """Give the chunks of the source, reordered alike."""
        chunks = getattr(self.source, "chunks", None)
        return None if chunks is None else tuple(chunks[i] for i in self.order)

    def read(self, box: Box) -> NDArray[Any]:
        """Read a box."""
        key: list[Any] = [0] * self.source.ndim
        for i, part in zip(self.order, box, strict=True):
            key[i] = part
        kept = sorted(self.order)
        return np.asarray(self.source[tuple(key)]).transpose([kept.index(i) for i in self.order])


def reordered(array: Any, order: Sequence[int]) -> Any:
    """Return the array with these of its dimensions, in this order; the array itself where that changes nothing."""
    if list(order) == list(range(array.ndim)):
        return array
    if isinstance(array, np.ndarray):
        return array[tuple(slice(None) if i in order else 0 for i in range(array.ndim))].transpose(
            [sorted(order).index(i) for i in order]
        )
    return ViewArray(array, tuple(order))


__all__ = ["FileArray", "LazyArray", "MappedArray", "ViewArray", "native", "read_mapped", "reordered", "stamp_of"]
