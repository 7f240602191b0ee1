"""All that is known here of the graphs of dask arrays."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import numpy as np
import zarr


def unwrapped(array: Any) -> Any:
    """Return the array that a dask array merely wraps, where slicing it needs no graph; else the dask array."""
    layers = array.dask.layers
    original: Any = layers.get(f"original-{array.name}")
    if len(layers) == 1:
        original = {0: _cut_from(array)}
    elif len(layers) != 2:
        return array
    for held in dict(original or {}).values():
        wrapped: Any = getattr(held, "value", held)
        plain = isinstance(wrapped, (np.ndarray, zarr.Array)) or type(wrapped).__module__.startswith(
            ("h5py", "ome_ngff")
        )
        if plain and wrapped.shape == array.shape and wrapped.dtype == array.dtype:
            return wrapped
    return array


def _cut_from(array: Any) -> np.ndarray[Any, Any] | None:
    """Return the NumPy array that the blocks of a dask array are views of, each in its place; else None."""
    blocks: dict[tuple[int, ...], Any] = {
        key[1:]: getattr(held, "value", held) for key, held in dict(array.dask.layers[array.name]).items()
    }
    held = list(blocks.values())
    if not all(isinstance(block, np.ndarray) for block in held):
        return None
    whole: Any = held[0] if len(held) == 1 else held[0].base
    if not isinstance(whole, np.ndarray) or whole.shape != array.shape or whole.dtype != array.dtype:
        return None
    start = whole.__array_interface__["data"][0]
    for index, block in blocks.items():
        at = sum(sum(c[:i]) * step for i, c, step in zip(index, array.chunks, whole.strides, strict=True))
        if block.strides != whole.strides or block.__array_interface__["data"][0] != start + at:
            return None
    return whole


def holds_blocks(source: Any) -> bool:
    """Tell whether a dask array is nothing but NumPy blocks in memory."""
    layers = getattr(getattr(source, "dask", None), "layers", {})
    if len(layers) != 1:
        return False
    return all(
        isinstance(getattr(b, "value", b), np.ndarray) for layer in layers.values() for b in dict(layer).values()
    )


def views_of(array: np.ndarray[Any, Any]) -> Any:
    """Wrap NumPy, or a memory map, into dask: the blocks are views. `dask.array.from_array` would copy all of it."""
    import dask.array as da
    from dask.highlevelgraph import HighLevelGraph

    name = f"image-{uuid.uuid4().hex}"
    chunks = da.core.normalize_chunks("auto", array.shape, dtype=array.dtype)
    keys = itertools.product([name], *(range(len(lengths)) for lengths in chunks))
    blocks = {key: array[cut] for key, cut in zip(keys, da.core.slices_from_chunks(chunks), strict=True)}
    whole = f"original-{name}"  # where `sources.as_source` looks
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
    """Give the blocks of a dask array around a source: its own, or about 128 MiB."""
    chunks = getattr(source, "shards", None) or getattr(source, "chunks", None)
    return chunks or "auto"
