"""A costly source, computed once into a temporary array that goes when nobody holds it any more."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from ..config import config
from ..pixels import Level, Methods, describe, native
from ..store import Grid, create_arrays, describe_arrays, find_target, journal, remove_spool, scratch_folder, settled
from .cutting import make_plan
from .job import prepare
from .progress import Progress, check_progress
from .schedule import run
from .surroundings import spread


def _codec(dtype: np.dtype[Any]) -> BloscCodec:
    """Return a fast codec that no level has, so that chunks of the cache are never taken for those of a level."""
    return BloscCodec(typesize=dtype.itemsize, cname="lz4", clevel=1, shuffle="bitshuffle")


def cached(source: Any, chunks: tuple[int, ...], progress: Progress) -> zarr.Array[Any]:
    """Compute a source once, block by block, in memory that stays flat.

    Args:
        source: what `as_source` returns. chunks: of the temporary array, which stands in `config.cache_store`.
        progress: see `counter`.
    """
    check_progress(progress)
    source = settled(source)
    ones, dtype = (1,) * source.ndim, native(source.dtype)
    level = Level(tuple(source.shape), ones, 0, ones, (0.0,) * source.ndim)
    folder, forget = scratch_folder()
    options = {"pixels": {"shape": level.shape, "dtype": dtype, "chunks": chunks, "compressors": _codec(dtype)}}
    try:
        target = journal.begin(find_target(folder), {}, {})
        arrays = create_arrays(target, describe_arrays(target, [""] * source.ndim, options), shards=False)
        plan = make_plan(
            (level,), (Grid(chunks),), Methods.NEAREST.method, dtype.itemsize, {0: describe(source)},
            memory_target=config.memory_target, task_target=config.task_target, workers=config.workers, spread=spread(),
        )  # fmt: skip
        job, done = prepare(plan, target, {0: arrays["pixels"]}, {0: source}, dtype, set(), copied={})
        run(job, done, progress, lambda: remove_spool(target))
        job.holder.leave()
    except BaseException:
        forget()
        raise
    stored = zarr.open_array(f"{folder}/pixels", mode="r")
    weakref.finalize(stored, forget)
    return stored
