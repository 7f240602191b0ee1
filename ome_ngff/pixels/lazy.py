"""One level made from another: NumPy in memory, dask lazily."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .dask_graph import unwrapped, views_of
from .methods import Method
from .spans import Span

if TYPE_CHECKING:
    import dask.array as da

MOST_BLOCKS = 2**12  # of a level: each takes several tasks, about 0.1 ms


def reduce_whole(array: Any, steps: Sequence[int], method: Method) -> Any:
    """Reduce a NumPy or dask array by `steps` per axis; the result is of the same kind, and the same pixels."""
    if hasattr(array, "dask"):
        return _reduce_lazily(array, steps, method)
    return method.reduce(np.asarray(array), [Span.whole(n, f) for n, f in zip(array.shape, steps, strict=True)])


def in_blocks(array: da.Array, lengths: Sequence[int]) -> da.Array:
    """Cut a lazy array into blocks, of several times the lengths where there would be too many for a graph."""
    blocks, edge = list(map(min, lengths, array.shape)), 0
    while math.prod(-(-n // b) for n, b in zip(array.shape, blocks, strict=True)) > MOST_BLOCKS:
        blocks[edge] = min(2 * blocks[edge], array.shape[edge])
        edge = (edge + 1) % len(blocks)
    source = unwrapped(array)
    cut: da.Array = views_of(source, tuple(blocks)) if isinstance(source, np.ndarray) else array.rechunk(tuple(blocks))
    return cut


def _reduce_lazily(array: da.Array, steps: Sequence[int], method: Method) -> da.Array:
    """Reduce a dask array: chunks end at multiples of the steps, and each sees its true neighbours."""
    import dask.array as da

    method.check(array.dtype)
    if all(f == 1 for f in steps):
        return array
    halos = [method.halo(f) for f in steps]
    aligned = array.rechunk(tuple(_aligned(c, f, halo) for c, f, halo in zip(array.chunks, steps, halos, strict=True)))
    starts = [[0, *itertools.accumulate(chunks)] for chunks in aligned.chunks]
    reduce = functools.partial(_reduce_block, starts=starts, steps=steps, method=method)
    depth = {i: halo for i, halo in enumerate(halos) if halo and aligned.numblocks[i] > 1}
    seen = da.overlap.overlap(aligned, depth, boundary="none", allow_rechunk=False) if depth else aligned
    chunks = tuple(tuple(-(-n // f) for n in c) for c, f in zip(aligned.chunks, steps, strict=True))
    meta = np.empty((0,) * array.ndim, array.dtype)
    reduced: da.Array = da.map_blocks(reduce, seen, dtype=array.dtype, chunks=chunks, meta=meta)
    return reduced


def _reduce_block(
    block: np.ndarray[Any, Any],
    starts: Sequence[Sequence[int]],
    steps: Sequence[int],
    method: Method,
    block_id: tuple[int, ...] = (),
) -> np.ndarray[Any, Any]:
    """Reduce the chunk number `block_id` of those that begin at `starts`, given with its halo."""
    spans = []
    for begins, b, f in zip(starts, block_id, steps, strict=True):
        low, high = begins[b], begins[b + 1]
        spans.append(Span(f, begins[-1], max(0, low - method.halo(f)), low // f, -(-high // f) - low // f))
    return method.reduce(block, spans)


def _aligned(chunks: tuple[int, ...], factor: int, halo: int) -> tuple[int, ...]:
    """Move the borders of chunks to multiples of the factor, and join chunks that are shorter than the halo."""
    total, shortest = sum(chunks), max(factor, halo)
    borders = [0]
    for border in itertools.accumulate(chunks):
        border = border // factor * factor
        if border - borders[-1] >= shortest and total - border >= shortest:
            borders.append(border)
    return tuple(b - a for a, b in itertools.pairwise([*borders, total])) if total else (0,)
