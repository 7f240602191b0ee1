"""Opening of groups and arrays, and reading and writing boxes of arrays."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from threading import RLock
from types import ModuleType
from typing import Any

import attrs
import zarr
from zarr.abc.store import Store
from zarr.errors import ContainsArrayError, NodeTypeValidationError
from zarr.storage import FsspecStore, MemoryStore

from ..exceptions import StoreError
from ..pixels import slices, whole
from .inline import wait_for
from .places import folder_of, like, place
from .zarr_private import AsyncArray, inner

_CONFIG = RLock()  # Zarr's settings are those of the process, and threads must not take each other's for the old ones


def open_node(store: Store, path: str) -> zarr.Group | zarr.Array[Any] | None:
    """Open what stands at a place for reading, or return None.

    Raises:
        StoreError: there is something, but its metadata cannot be read; or nobody answers behind a URL.
    """
    folder = folder_of(store, path)
    if folder is not None and not folder.is_dir():
        return None
    try:
        return _open_either(store, path)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"The metadata of {place(store, path)} cannot be read: {error}") from error
    except Exception as error:
        if not isinstance(store, FsspecStore):
            raise
        raise StoreError(f"{place(store, path)} cannot be reached: {error}") from error


def _open_either(store: Store, path: str) -> zarr.Group | zarr.Array[Any]:
    try:
        return zarr.open_group(store=store, path=path, mode="r", use_consolidated=False)
    except (ContainsArrayError, FileNotFoundError):  # of an array of Zarr v2, Zarr reports that there is no group
        try:
            return open_array(store, path)
        except NodeTypeValidationError:  # another thread has just made the group
            return zarr.open_group(store=store, path=path, mode="r", use_consolidated=False)


@whole
def _pipeline() -> ModuleType:
    from . import pipeline

    return pipeline


@contextmanager
def fast_pipeline(store: Store, *, shards: bool = False) -> Iterator[None]:
    """Open arrays with our codec pipeline, which is never set globally.

    Several threads fill a shard in the order in which they finish: each run would give other bytes. One thread per
    shard gives the same ones, and other shards keep the other cores busy.
    """
    words: dict[str, Any] = {"codec_pipeline.path": f"{_pipeline().__name__}.Pipeline"}
    if shards and folder_of(store) is not None:
        _start_threads()
        words["threading.max_workers"] = 1
    with _CONFIG, zarr.config.set(words):
        yield


@cache
def _start_threads() -> None:
    """Let Zarr start its threads; else it would take the one thread of a shard for the number of its own."""
    if zarr.config.get("threading.max_workers", None) is None:
        with zarr.config.set({"threading.max_workers": min(32, (os.cpu_count() or 1) + 4)}):
            zarr.create_group(MemoryStore())


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    # While nobody changes the settings, which the child inherits as they are; its Zarr has no threads yet.
    os.register_at_fork(before=_CONFIG.acquire, after_in_parent=_CONFIG.release, after_in_child=_CONFIG.release)
    os.register_at_fork(after_in_child=_start_threads.cache_clear)


def open_array(store: Store, path: str, *, mode: Any = "r") -> zarr.Array[Any]:
    """Open an array with our codec pipeline."""
    array = zarr.open_array(store=store, path=path, mode=mode)
    like(array.store, store)  # opened to be read only, it is another one
    with fast_pipeline(store, shards=array.shards is not None):
        return zarr.Array(AsyncArray(array.metadata, array.store_path))


def write_box(array: zarr.Array[Any], box: Sequence[tuple[int, int]], block: Any) -> None:
    """Write a block that covers whole chunks, or whole shards, up to the end of the array.

    The pipeline in Rust reads a chunk that juts over the end before it writes it, and fails at half a chunk of a
    process that was killed: such a chunk goes first.
    """
    folder = folder_of(array.store, array.path)
    if folder is not None:
        for cell in _jutting(array.shape, array.shards or array.chunks, box):
            (folder / array.metadata.encode_chunk_key(cell)).unlink(missing_ok=True)
    wait_for(array.store, inner(array).setitem(slices(box), block))


def read_box(array: zarr.Array[Any], box: Sequence[tuple[int, int]]) -> Any:
    """Read a box of an array of ours."""
    return wait_for(array.store, inner(array).getitem(slices(box)))


def _jutting(shape: Sequence[int], cell: Sequence[int], box: Sequence[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
    """Yield the cells of a box that jut over the end of the array."""
    spans = [range(low // c, -(-high // c)) for (low, high), c in zip(box, cell, strict=True)]
    for axis, (n, c, (_, high)) in enumerate(zip(shape, cell, box, strict=True)):
        if n % c and high == n:
            yield from itertools.product(*spans[:axis], (n // c,), *spans[axis + 1 :])


@attrs.frozen(eq=False)
class StoredBoxes:
    """Slice an array of ours on the thread that reads it."""

    array: Any

    def __getitem__(self, box: tuple[slice, ...]) -> Any:
        return read_box(self.array, [(s.start, s.stop) for s in box])
