"""All that we use of the insides of dask: the layers of graphs, what stands in them, graphs of tasks, and its threads.

`da.from_array` keeps what it wraps in a layer named "original-..."; dask offers no other way to it. What stands in a
layer may be wrapped once more, in a `DataNode`, whose `value` it is.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import sys
import uuid
from collections.abc import Iterable
from threading import Lock
from typing import Any

import numpy as np

from ..config import in_child
from .arrays import checked, made_by
from .boxes import Box
from .travel import address


def delayed_values(graph: Any, keys: Iterable[str]) -> list[Any]:
    """Return values of a graph, which they share: joined one by one, thousands take dask minutes."""
    from dask.delayed import Delayed
    from dask.highlevelgraph import HighLevelGraph

    name = next(iter(graph))
    whole = HighLevelGraph({name: graph}, {name: set()})
    return [Delayed(key, whole, layer=name) for key in keys]


def unwrapped(array: Any) -> Any:
    """Return the array that a dask array merely wraps, where slicing it needs no graph; else the dask array."""
    layers = array.dask.layers
    original: Any = layers.get(f"original-{array.name}")
    if len(layers) == 1:
        original = {0: _whole_behind(array)}
    elif len(layers) != 2 or not _merely_sliced(layers[array.name]):
        return array
    for wrapped in _values(original or {}):
        plain = isinstance(wrapped, np.ndarray) or made_by(wrapped, "zarr", "h5py", "ome_ngff")
        if plain and wrapped.shape == array.shape and wrapped.dtype == array.dtype:
            return wrapped
    return array


def _merely_sliced(layer: Any) -> bool:
    """Return whether a layer only slices what it gets: with no function of the caller's and under no lock."""
    from dask.array.core import getter, getter_inline, getter_nofancy

    task = getattr(layer, "task", None) or next(iter(dict(layer).values()))
    sliced = getattr(task, "func", None) in (getter, getter_inline, getter_nofancy)
    return isinstance(task, np.ndarray) or (sliced and not task.kwargs.get("lock"))


def _whole_behind(array: Any) -> np.ndarray[Any, Any] | None:
    """Return the NumPy array that the blocks of a dask array are views of, each in its place; else None."""
    layer = dict(array.dask.layers[array.name])
    held = _values(layer)
    if not all(isinstance(block, np.ndarray) for block in held):
        return None
    whole: Any = held[0] if len(held) == 1 else held[0].base
    if not isinstance(whole, np.ndarray) or whole.shape != array.shape or whole.dtype != array.dtype:
        return None
    start = address(whole)
    for (_, *index), block in zip(layer, held, strict=True):
        at = sum(sum(c[:i]) * step for i, c, step in zip(index, array.chunks, whole.strides, strict=True))
        if block.strides != whole.strides or address(block) != start + at:
            return None
    return whole


def holds_blocks(source: Any) -> bool:
    """Return whether a dask array is nothing but NumPy blocks in memory."""
    layers = getattr(getattr(source, "dask", None), "layers", {})
    return len(layers) == 1 and all(isinstance(b, np.ndarray) for layer in layers.values() for b in _values(layer))


def is_masked(array: Any) -> bool:
    """Return whether the blocks of a dask array are masked arrays, as far as it knows."""
    return isinstance(getattr(array, "_meta", None), np.ma.MaskedArray)


def computed_blocks(array: Any, box: Box) -> list[tuple[Box, Any]]:
    """Compute the blocks of a dask array that a box touches, on this thread, each with its own box.

    Raises:
        InputError: a block is not what the array declares. Slicing and joining them, dask would not notice.
    """
    from dask.local import get_sync

    edges = [list(itertools.accumulate(lengths, initial=0)) for lengths in array.chunks]
    touched = (
        range(bisect.bisect_right(ends, low) - 1, bisect.bisect_left(ends, high))
        for ends, (low, high) in zip(edges, box, strict=True)
    )
    indices = list(itertools.product(*touched))
    keys = [(array.name, *index) for index in indices]
    blocks = get_sync(array.__dask_optimize__(array.dask, keys), keys)
    boxes = [tuple((ends[i], ends[i + 1]) for ends, i in zip(edges, index, strict=True)) for index in indices]
    return [
        (there, _checked_block(block, array.chunks, array.dtype, index))
        for index, there, block in zip(indices, boxes, blocks, strict=True)
    ]


def checked_blocks(array: Any) -> Any:
    """Return a lazy dask array of which each block is what the array declares, or an `InputError` that names it."""
    import dask.array as da

    check = functools.partial(_checked_block, chunks=array.chunks, dtype=array.dtype)
    return da.map_blocks(check, array, dtype=array.dtype, meta=np.empty((0,) * array.ndim, array.dtype))


def _checked_block(block: Any, chunks: Any, dtype: np.dtype[Any], block_id: tuple[int, ...] = ()) -> Any:
    shape = tuple(lengths[i] for lengths, i in zip(chunks, block_id, strict=True))
    return checked(block, shape, dtype, f"Block {block_id} of the dask array")


def wrapped_arrays(source: Any) -> list[Any]:
    """Return the arrays, stored or in memory, that a dask array reads anywhere in its graph, or xarray lazily.

    A graph that was optimized, or whose arrays were put into its tasks, has no layer that names them.
    """
    found: list[Any] = []
    seen: dict[int, Any] = {}  # keeps what it has seen, so that no other object gets its id
    layers = getattr(getattr(source, "dask", None), "layers", {}).values()
    todo = [source] if made_by(source, "xarray") else [part for layer in layers for part in _parts(layer)]
    while todo:
        held = todo.pop()
        if id(held) in seen:
            continue
        seen[id(held)] = held
        if isinstance(held, np.ndarray) or made_by(held, "zarr", "h5py", "ome_ngff"):
            found.append(held)
        elif isinstance(held, dict):
            todo += held.values()
        elif isinstance(held, (list, tuple, set, frozenset)):
            todo += held
        elif isinstance(held, functools.partial) or made_by(held, "dask", "xarray"):
            todo += [getattr(held, name, None) for name in _HOLDERS]
    return found


# Where tasks, partial functions and the lazy arrays of xarray hold what they work on.
_HOLDERS = ("args", "kwargs", "keywords", "value", "func", "array", "_array", "_data")


def _parts(layer: Any) -> list[Any]:
    """Return what the tasks of a layer hold; a layer that is not materialized has one task for all of its blocks."""
    if hasattr(layer, "task") and hasattr(layer, "io_deps"):
        return [layer.task, layer.indices, layer.io_deps]
    return list(dict(layer).values())


def _values(layer: Any) -> list[Any]:
    return [getattr(held, "value", held) for held in dict(layer).values()]


def views_of(array: np.ndarray[Any, Any], lengths: Any = "auto") -> Any:
    """Wrap NumPy, or a memory map, into dask: the blocks are views. `dask.array.from_array` would copy all of it."""
    import dask.array as da
    from dask.highlevelgraph import HighLevelGraph

    name = f"image-{uuid.uuid4().hex}"
    chunks = da.core.normalize_chunks(lengths, array.shape, dtype=array.dtype)
    keys = itertools.product([name], *(range(len(lengths)) for lengths in chunks))
    blocks = {key: array[box] for key, box in zip(keys, da.core.slices_from_chunks(chunks), strict=True)}
    whole = f"original-{name}"  # where `unwrapped` looks
    layers: dict[str, Any] = {whole: {whole: array}, name: blocks}
    return _array(HighLevelGraph(layers, {whole: set(), name: {whole}}), name, chunks, array.dtype)


def layered(name: str, tasks: dict[Any, Any], source: Any, chunks: Any, dtype: Any) -> Any:
    """Return the dask array whose blocks `tasks` make from those of another one; their keys begin with `name`."""
    from dask.highlevelgraph import HighLevelGraph

    return _array(HighLevelGraph.from_collections(name, tasks, dependencies=[source]), name, chunks, dtype)


def _array(graph: Any, name: str, chunks: Any, dtype: Any) -> Any:
    import dask.array as da

    return da.Array(graph, name, chunks, dtype=dtype)


def blocks_of(source: Any) -> Any:
    """Return `chunks` of a dask array around a source: its own, or those of about 128 MiB that dask chooses."""
    chunks = getattr(source, "shards", None) or getattr(source, "chunks", None)
    return chunks or "auto"


@in_child
def _forget_threads() -> None:
    """Let dask start its threads anew in a process that was forked; it takes those of the parent for its own."""
    threaded: Any = sys.modules.get("dask.threaded")
    if threaded is not None:
        threaded.default_pool, threaded.pools_lock = None, Lock()
        threaded.pools.clear()
