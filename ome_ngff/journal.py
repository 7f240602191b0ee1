"""Writes that are under way: their mark, the journal of what is done, temporary arrays, the end.

A write that is under way leaves its group with the attribute `ome_ngff` (the mark: what is being written, and how the
work is cut) and without OME metadata, so no reader takes it for an image. Finished units leave a small key each below
`.ome_ngff/`; that is what `resume=True` goes by. Finishing replaces the mark by the metadata in one step.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import LocalStore

from .codecs import Compression
from .storage import MARK, Target, delete, fast_pipeline, open_array, open_node, put_attributes

JOURNAL = ".ome_ngff"


def begin(target: Target, mark: Mapping[str, Any], more: Mapping[str, Any]) -> Target:
    """Mark the group as unfinished and take its OME metadata away; foreign attributes stay, and `more` are added."""
    foreign = {k: v for k, v in target.fmt.strip(target.attributes or {}).items() if k != MARK}
    image = "multiscales" in target.document  # else its other parts, such as `image-label`, wait in the mark
    parts = {} if image else {k: v for k, v in target.document.items() if k != "version"}
    attributes = {**foreign, **more, MARK: {"incomplete": {"parts": parts, **mark}}}
    put_attributes(target, attributes)
    return attrs.evolve(target, attributes=attributes)


def finish(target: Target, document: Mapping[str, Any]) -> None:
    """Replace the mark by the metadata, in one step."""
    foreign = {k: v for k, v in target.fmt.strip(target.attributes or {}).items() if k != MARK}
    parts = (target.mark or {}).get("parts", {})
    put_attributes(target, {**foreign, **target.fmt.wrap({**parts, **document})})


def sweep_partial(target: Target) -> None:
    """Delete the files that a killed process has left half written."""
    if isinstance(target.store, LocalStore):
        for stray in (target.store.root / target.path).rglob("*.partial"):
            stray.unlink(missing_ok=True)


def note_unit(target: Target, unit: str) -> None:
    """Write into the journal that a unit is on disk."""
    if target.store.supports_deletes:
        buffer = default_buffer_prototype().buffer.from_bytes(b"done")
        sync(target.store.set(target.key(f"{JOURNAL}/{unit}"), buffer))


def noted_units(target: Target) -> set[str]:
    """Read from the journal which units are on disk."""

    async def names() -> list[str]:
        return [name async for name in target.store.list_dir(target.key(JOURNAL))]

    with suppress(FileNotFoundError):
        return {name.rpartition("/")[2] for name in sync(names())}
    return set()


def ready_temporary(
    target: Target, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: Any
) -> zarr.Array[Any]:
    """Open or create an array without compression in the journal's folder."""
    path = target.key(f"{JOURNAL}/{name}")
    if isinstance(open_node(target.store, path), zarr.Array):
        return open_array(target.store, path, mode="r+")
    with fast_pipeline(target.store):
        return zarr.create_array(
            target.store, name=path, shape=shape, chunks=chunks, dtype=dtype, compressors=None,
            zarr_format=target.fmt.zarr_format,
        )  # fmt: skip


def forget_units(target: Target) -> None:
    """Start the journal anew."""
    delete(target, JOURNAL)


def make_spool(
    folder: Path, name: str, shape: Sequence[int], chunks: Sequence[int], dtype: Any
) -> tuple[zarr.Array[Any], bool]:
    """Open or create (then True) the temporary array of a write, in a folder named after what is written."""
    path = folder / f"ome_ngff-spool-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    store = LocalStore(path)
    found = open_node(store, "")
    with fast_pipeline(store):
        wanted = (tuple(shape), tuple(chunks), dtype)
        if isinstance(found, zarr.Array) and (found.shape, found.chunks, found.dtype) == wanted:
            return zarr.open_array(store=store, mode="r+"), False
        codec = Compression("blosc-lz4", 1).compressors(3, dtype)
        return zarr.create_array(
            store, shape=wanted[0], chunks=wanted[1], dtype=dtype, compressors=codec, overwrite=True
        ), True


def remove_spool(spool: zarr.Array[Any]) -> None:
    """Delete the temporary array of a write."""
    if isinstance(spool.store, LocalStore):
        shutil.rmtree(spool.store.root, ignore_errors=True)
