"""Opening of groups and arrays, and reading and writing boxes of arrays."""

from __future__ import annotations

import itertools
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import cache, partial
from threading import RLock
from types import ModuleType
from typing import Any

import attrs
import zarr
from zarr.abc.store import Store
from zarr.errors import ZarrUserWarning
from zarr.storage import FsspecStore, MemoryStore, StorePath

from ..config import in_child
from ..exceptions import LostError, MissingError, NgffError, StoreError
from ..pixels import slices, whole
from ..text import by, show
from .documents import read_documents
from .inline import wait_for
from .patience import patiently
from .places import folder_of, key_of, like, locate, place
from .zarr_private import AsyncArray, AsyncGroup, default_buffer_prototype, ensure_open, inner, with_flat_keys

MOST_CHUNKS = 2**20  # along an axis; dask lists them
_NODES = ("zarr.json", ".zgroup", ".zarray")
_CONFIG = RLock()  # Zarr's settings are those of the process, and threads must not take each other's for the old ones


def open_node(store: Store, path: str, zarr_format: int | None = None) -> zarr.Group | zarr.Array[Any] | None:
    """Open what stands at a place for reading, or return None.

    Args:
        store, path: the place. zarr_format: the version that counts where there are documents of both, because what is
            above has it; None takes the newer, with a warning.

    Raises:
        StoreError: there is something, but its metadata cannot be read; or nobody answers behind a URL.
    """
    folder = folder_of(store, path)
    try:
        if folder is not None and not folder.is_dir():
            return None
        documents = read_documents(store, path)
        other = (".zgroup", ".zarray") if zarr_format == 3 else ("zarr.json",)
        alone = {name: document for name, document in documents.items() if name not in other}
        both = zarr_format is not None and any(name in alone for name in _NODES) and len(alone) < len(documents)
        found = node_of(store, path, alone if both else documents)
        if isinstance(found, zarr.Array):
            _refuse_impossible(found)
            wait_for(store, ensure_open(store))
        return found
    except NgffError:
        raise
    except Exception as error:  # stores, ZIPs and what Zarr makes of a document have errors of any type
        if isinstance(store, FsspecStore) and isinstance(error, OSError):
            raise StoreError(f"{place(store, path)} cannot be reached: {error}") from error
        why = f"{error}" if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise StoreError(f"The metadata of {place(store, path)} cannot be read: {why}") from error


def members(group: zarr.Group) -> dict[str, zarr.Group | zarr.Array[Any]]:
    """Open what stands directly below a group, by name and in order; what cannot be read is left out."""

    async def listed() -> list[str]:
        return [key async for key in group.store.list_dir(group.path)]

    found = {}
    for name in sorted({key.strip("/").rpartition("/")[2] for key in wait_for(group.store, listed())}):
        with suppress(NgffError):
            found[name] = open_node(group.store, key_of(group.path, name), group.metadata.zarr_format)
    return {name: node for name, node in found.items() if node is not None}


def node_of(store: Store, path: str, documents: Mapping[str, dict[str, Any]]) -> zarr.Group | zarr.Array[Any] | None:
    """Make a group or an array of its documents."""
    older = next((name for name in (".zgroup", ".zarray") if name in documents), None)
    name = "zarr.json" if "zarr.json" in documents else older
    if name is None:
        return None
    if name != older and older is not None:
        message = f"Both zarr.json (Zarr v3) and {older} (Zarr v2) are in {place(store, path)}; zarr.json is taken."
        warnings.warn(message, ZarrUserWarning, stacklevel=4)
    document: Any = {k: v for k, v in documents[name].items() if k != "consolidated_metadata"}
    if document.get("zarr_format") != (2 if name == older else 3):
        raise StoreError(f"{place(store, path)}/{name} is of Zarr {show(document.get('zarr_format'))}.")
    if name == older:
        document["attributes"] = documents.get(".zattrs", {})
    if name == ".zarray" or document.get("node_type") == "array":
        grid = document.get("chunk_grid")
        lengths = document if name == older else grid.get("configuration") if isinstance(grid, Mapping) else None
        chunks = lengths.get("chunks" if name == older else "chunk_shape") if isinstance(lengths, Mapping) else None
        if isinstance(chunks, list) and any(type(length) is int and length < 1 for length in chunks):
            raise StoreError(f"{place(store, path)} has chunks of length 0, or less.")  # which Zarr may take for 1
        with fast_pipeline(store, shards="sharding_indexed" in str(document.get("codecs"))):
            return zarr.Array(AsyncArray(document, StorePath(store, path)))
    return zarr.Group(AsyncGroup.from_dict(StorePath(store, path), document))


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
        with _CONFIG, zarr.config.set({"threading.max_workers": min(32, (os.cpu_count() or 1) + 4)}):
            zarr.create_group(MemoryStore())


in_child(_start_threads.cache_clear)
if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    # While nobody changes the settings, which the child inherits as they are; its Zarr has no threads yet.
    os.register_at_fork(before=_CONFIG.acquire, after_in_parent=_CONFIG.release, after_in_child=_CONFIG.release)


def open_array(store: Store, path: str, *, mode: Any = "r") -> zarr.Array[Any]:
    """Open an array with our codec pipeline.

    Raises:
        StoreError: it is missing, or cannot be read.
    """
    if mode == "r":
        found = open_node(store, path)
        if not isinstance(found, zarr.Array):
            raise MissingError(f"There is no array at {place(store, path)}.")
        return found
    array = zarr.open_array(store=store, path=path, mode=mode)
    like(array.store, store)  # opened to be read only, it is another one
    with fast_pipeline(store, shards=array.shards is not None):
        return zarr.Array(AsyncArray(array.metadata, array.store_path))


def flat(array: zarr.Array[Any], store: Store, path: str, *, fast: bool = True) -> zarr.Array[Any]:
    """Return an array like another at a place where there is no document, with all chunks in one folder: `0.0.0`.

    Args:
        array: the other. store, path: the place. fast: whether to use the pipeline in Rust where the other does.
    """
    return _like(array, with_flat_keys(array.metadata), StorePath(store, path), inner(array).config, fast=fast)


def twin(array: zarr.Array[Any], path: str) -> zarr.Array[Any]:
    """Create an array like another, with the same keys of chunks, at another path of its store."""
    for name, buffer in array.metadata.to_buffer_dict(default_buffer_prototype()).items():
        wait_for(array.store, array.store.set(f"{path}/{name}", buffer))
    return _like(array, array.metadata, StorePath(array.store, path), inner(array).config)


def storing_all(array: zarr.Array[Any]) -> zarr.Array[Any]:
    """Return an array that stores chunks of zeros, too (which the pipeline in Rust does not)."""
    return _like(array, array.metadata, inner(array).store_path, {"write_empty_chunks": True})


def with_length(array: zarr.Array[Any], axis: int, length: int) -> zarr.Array[Any]:
    """Return a stored array as it is with another length along an axis; nothing that is stored changes."""
    shape = (*array.shape[:axis], length, *array.shape[axis + 1 :])
    array_of = inner(array)
    return _like(array, array.metadata.update_shape(shape), array_of.store_path, array_of.config)


def _like(array: zarr.Array[Any], document: Any, path: StorePath, config: Any, *, fast: bool = True) -> zarr.Array[Any]:
    with fast_pipeline(path.store, shards=array.shards is not None) if fast else nullcontext():
        return zarr.Array(AsyncArray(document, path, config))


def settled(source: Any) -> Any:
    """Return an array of Zarr that stays in its place whatever folder the process goes to, with our codec pipeline.

    The caller's own stays as it is; other sources, and arrays with a pipeline of others, are returned as given.
    """
    if not isinstance(source, zarr.Array):
        return source
    store, path = locate(source)
    array = inner(source)
    if type(array.codec_pipeline).__module__.partition(".")[0] in ("zarr", "zarrs"):
        with fast_pipeline(store, shards=source.shards is not None):
            return zarr.Array(AsyncArray(array.metadata, StorePath(store, path), array.config))
    return source if store is source.store else zarr.Array(AsyncArray(array.metadata, StorePath(store, path)))


def _refuse_impossible(array: zarr.Array[Any]) -> None:
    """Raise `StoreError` for an array that cannot be stored as its document says."""
    cells, where = (*array.chunks, *(array.shards or ())), place(array.store, array.path)
    if min(cells, default=1) < 1:
        raise StoreError(f"{where} has chunks of length 0.")
    if any(-(-n // c) > MOST_CHUNKS for n, c in zip(array.shape, array.chunks, strict=True)):
        raise StoreError(f"{where} has more than {MOST_CHUNKS} chunks along an axis: {by(array.shape)} pixels.")
    full = [max(-(-n // c), 1) * c for n, c in zip(array.shape, array.shards or array.chunks, strict=True)]
    if math.prod(full) * array.dtype.itemsize >= 2**63:
        raise StoreError(f"{where} has more bytes than anything can hold: {by(array.shape)} pixels.")
    folder = folder_of(array.store, array.path)
    dotted = getattr(array.metadata, "dimension_separator", None) == "." and array.ndim > 1
    if dotted and folder is not None and (folder / "0").is_dir():  # of programs older than the word for it
        way_out = 'write "dimension_separator": "/" into its .zarray'
        raise StoreError(f"{where} has its chunks in folders (0/0), but says that they are called 0.0; {way_out}.")


def write_box(array: zarr.Array[Any], box: Sequence[tuple[int, int]], block: Any) -> None:
    """Write a block that covers whole chunks, or whole shards, up to the end of the array.

    The pipeline in Rust reads a chunk that juts over the end before it writes it, and fails at half a chunk of a
    process that was killed: such a chunk goes first.
    """
    folder = folder_of(array.store, array.path)
    if folder is not None:
        for cell in _jutting(array.shape, array.shards or array.chunks, box):
            patiently(partial((folder / array.metadata.encode_chunk_key(cell)).unlink, missing_ok=True))
    if not _write_cell(array, box, block):
        wait_for(array.store, inner(array).setitem(slices(box), block))


def _write_cell(array: zarr.Array[Any], box: Sequence[tuple[int, int]], block: Any) -> bool:
    """Write one whole cell without Zarr's way there; return whether that could be."""
    known, cell = inner(array), array.shards or array.chunks
    store_cell = getattr(known.codec_pipeline, "store_cell", None)
    inside = all(low + c == high <= n for (low, high), c, n in zip(box, cell, array.shape, strict=True))
    flags = getattr(block, "flags", None)
    if store_cell is None or not inside or not flags or not flags.c_contiguous or block.shape != cell:
        return False
    if block.dtype != array.dtype:
        return False
    index = tuple(low // c for (low, _), c in zip(box, cell, strict=True))
    key = f"{array.path}/{array.metadata.encode_chunk_key(index)}".lstrip("/")
    return bool(store_cell(key, block, empty=known.config.write_empty_chunks))


def read_box(array: zarr.Array[Any], box: Sequence[tuple[int, int]]) -> Any:
    """Read a box of an array of ours."""
    return wait_for(array.store, inner(array).getitem(slices(box)))


def _jutting(shape: Sequence[int], cell: Sequence[int], box: Sequence[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
    """Yield the cells of a box that jut over the end of the array."""
    spans = [range(low // c, -(-high // c)) for (low, high), c in zip(box, cell, strict=True)]
    for axis, (n, c, (_, high)) in enumerate(zip(shape, cell, box, strict=True)):
        if n % c and high == n:
            yield from itertools.product(*spans[:axis], (n // c,), *spans[axis + 1 :])


def missing_chunks(array: zarr.Array[Any], box: Sequence[tuple[int, int]], pixels: Any = None) -> Iterator[str]:
    """Yield the keys of the chunks of a box of an array without shards that are not stored.

    Args:
        array: whose chunks. box: which it touches. pixels: those of the box; where they are not all zeros, a chunk is
            known to be stored.
    """
    for cell in cells_in(box, array.chunks):
        spans = zip(cell, array.chunks, box, strict=True)
        part = tuple(slice(max(i * n, low) - low, min((i + 1) * n, high) - low) for i, n, (low, high) in spans)
        key = f"{array.path}/{array.metadata.encode_chunk_key(cell)}".lstrip("/")
        if (pixels is None or not pixels[part].any()) and not wait_for(array.store, array.store.exists(key)):
            yield key


def cells_in(box: Sequence[tuple[int, int]], lengths: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the numbers of the cells that a box covers, or touches."""
    return itertools.product(*(range(low // n, -(-high // n)) for (low, high), n in zip(box, lengths, strict=True)))


def whole_cell(cell: Sequence[int], lengths: Sequence[int], box: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the part of a box that a cell covers."""
    return [(max(i * n, low), min((i + 1) * n, high)) for i, n, (low, high) in zip(cell, lengths, box, strict=True)]


@attrs.frozen(eq=False)
class StoredBoxes:
    """Slice an array of ours on the thread that reads it.

    Attributes:
        array: stored. whole: whether all of its chunks have to be stored, those of zeros, too.
    """

    array: Any
    whole: bool = False

    def __getitem__(self, box: tuple[slice, ...]) -> Any:
        found = [(s.start, s.stop) for s in box]
        pixels = read_box(self.array, found)
        if self.whole and any(missing_chunks(self.array, found, pixels)):
            where = place(self.array.store, self.array.path)
            raise LostError(
                f"The temporary array {where} has lost chunks, which something else must have deleted; "
                "pass resume=True to write again what is missing."
            )
        return pixels
