"""A source on its way to another process, and memory maps that are opened anew.

Where pixels stand in memory and in the file of a map is known here alone.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import attrs
import numpy as np

from .arrays import made_by


@attrs.frozen
class _InFile:
    """Stand for an array in a file, on its way to another process."""

    file: str
    dataset: str | None = None
    dtype: Any = None
    shape: tuple[int, ...] = ()
    offset: int = 0
    strides: tuple[int, ...] = ()


def pack(source: Any) -> Any:
    """Return what is pickled for a source: a memory map or an HDF5 dataset goes by its place, not by its pixels."""
    if isinstance(source, np.memmap) and _place_in_file(source) is not None:
        offset = _place_in_file(source) or 0
        return _InFile(str(source.filename), None, source.dtype, source.shape, offset, source.strides)
    if made_by(source, "h5py"):
        return _InFile(os.path.abspath(source.file.filename), source.name)
    return source


def unpack(packed: Any) -> Any:
    """Return the source that was packed."""
    if not isinstance(packed, _InFile):
        return packed
    if packed.dataset is not None:
        import h5py

        return h5py.File(packed.file, "r")[packed.dataset]
    whole = np.memmap(packed.file, np.uint8, "r")
    return np.ndarray.__new__(np.memmap, packed.shape, packed.dtype, whole, packed.offset, packed.strides)


def _place_in_file(source: np.memmap[Any, Any]) -> int | None:
    """Return where the first pixel of a memory map stands in its file; None where the file may not have its pixels."""
    # NumPy says where the whole map begins in its file (`offset`, rounded down to a page by the map itself), but views
    # keep that of the whole; where they stand follows from their address, and the map's own is known to `_mmap` alone.
    inner: Any = source._mmap  # type: ignore[attr-defined]
    if inner is None or source.filename is None or source.mode == "c":
        return None
    start = np.frombuffer(inner, np.uint8).ctypes.data
    skipped = source.offset - source.offset % mmap.ALLOCATIONGRANULARITY
    return address(source) - start + skipped


def address(array: np.ndarray[Any, Any]) -> int:
    """Return where the first pixel of an array stands in memory: it tells a view from another array, and its place."""
    place: int = array.__array_interface__["data"][0]
    return place


@contextmanager
def mapped_anew(source: np.memmap[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """Yield a memory map of the same pixels that is closed at the end.

    The pages that a map has touched count as the memory of the process for as long as it is open; through a map of
    its own each task holds those of its box alone. A map in mode "c" may hold changes that the file does not have.
    """
    offset = _place_in_file(source)
    if offset is None or source.filename is None:
        yield source
        return
    with open(source.filename, "rb") as file:
        fresh = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    pixels: np.ndarray[Any, Any] = np.ndarray(source.shape, source.dtype, fresh, offset, source.strides)
    try:
        yield pixels
    finally:
        del pixels
        with suppress(BufferError):  # the caller kept a view
            fresh.close()
