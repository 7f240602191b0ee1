"""Arrays that stay in their file: sliced from any thread, pickled as a path, read box by box."""

from __future__ import annotations

import math
import mmap
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import InputError, NgffError
from ..pixels import LazyArray, Slices, fields_of, native

Stamp = tuple[int, int]
_WINDOW = 2**25


@lru_cache(maxsize=16)
def _revive(cls: type[Any], *fields: Any) -> Any:
    """Return one array per file and process, so that the tasks of a worker share one open file."""
    return cls(*fields)


def stamp_of(path: str | Path) -> Stamp:
    """Return size and time of change of a file, by which one version of it is known from the next."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def planes_in(box: Slices, outer: Sequence[int]) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield the place in a box of each plane that it has a part of, and its number, where `outer` axes count planes."""
    lengths = [part.stop - part.start for part in box[: len(outer)]]
    for target in np.ndindex(*lengths):
        place = [part.start + at for part, at in zip(box, target, strict=False)]
        yield target, int(np.ravel_multi_index(place, tuple(outer))) if place else 0


def is_gzip(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


@attrs.frozen(eq=False, slots=False, weakref_slot=False)
class OpenFile:
    """Keep a file open per process, from the first read until nobody holds this.

    Subclasses add `_open`, which returns the file and what closes it.
    """

    path: str
    stamp: Stamp = attrs.field(repr=False)
    _locks: dict[int, Any] = attrs.field(init=False, repr=False, factory=dict)
    _opened: dict[int, Any] = attrs.field(init=False, repr=False, factory=dict)

    def _open(self) -> tuple[Any, Callable[[], Any]]:
        raise NotImplementedError

    def opened(self) -> Any:
        """Return the open file of this process."""
        process = os.getpid()
        with self._locks.setdefault(process, threading.RLock()):  # a fork copies locks, but not who would release them
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


@attrs.frozen(eq=False, slots=False, weakref_slot=False)
class FileArray(OpenFile, LazyArray):
    """Read a file that stays open; pickle as the path. Subclasses add their fields, all hashable."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None

    @property
    def origin(self) -> Path:
        return Path(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), *fields_of(self))


@attrs.frozen(eq=False)
class MappedArray(LazyArray):
    """Map raw pixels of a file for the length of one read; nothing stays open and nothing stays in memory.

    Attributes:
        path: the file. shape: size per dimension.
        stored: dtype in the file, with its byte order. offset: bytes before the first pixel.
        order: "C" where the last dimension is the fastest in the file, "F" where the first one is.
    """

    path: str
    shape: tuple[int, ...]
    stored: np.dtype[Any]
    offset: int = 0
    order: str = "C"
    stamp: Stamp = attrs.field(init=False, repr=False)
    dtype: np.dtype[Any] = attrs.field(init=False, repr=False)
    chunks = None

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "stamp", stamp_of(self.path))
        object.__setattr__(self, "dtype", native(self.stored))
        if self.stamp[0] < self.offset + self.nbytes:
            end = self.offset + self.nbytes
            raise InputError(f"{self.path} is cut short: its pixels end at byte {end}, the file at {self.stamp[0]}.")

    @property
    def origin(self) -> Path:
        return Path(self.path)

    def read(self, box: Slices) -> NDArray[Any]:
        with open(self.path, "rb") as file:
            return read_mapped(file.fileno(), self, box)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return ("MappedArray", *fields_of(self), self.stamp)


def read_mapped(handle: int, raw: Any, box: Slices) -> NDArray[Any]:
    """Copy a box out of an open file, through maps of `_WINDOW` bytes at the most.

    The pages that a read touches, and their neighbours, count as memory of the process as long as a map lives.

    Args:
        handle: descriptor of the open file. box: one slice per dimension.
        raw: what has the `shape`, `stored` dtype, `offset` and `order` of the pixels.
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
