"""Writes that are under way: their mark, the journal of what is done, temporary arrays, the end.

A write that is under way leaves its group with the attribute `ome_ngff` (the mark: what is being written, and how the
work is cut) and without OME metadata, so no reader takes it for an image. Finished units leave a small key each below
`.ome_ngff/`; that is what `resume=True` goes by. Finishing replaces the mark by the metadata in one step.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import attrs
import zarr
from zarr.storage import LocalStore

from .attributes import put_attributes
from .codecs import Compression
from .config import config
from .here import wait_for
from .storage import MARK, Target, delete, fast_pipeline, open_array, open_node
from .zarr_parts import default_buffer_prototype

JOURNAL = ".ome_ngff"
CLEARED = "cleared"


def begin(target: Target, mark: Mapping[str, Any], more: Mapping[str, Any]) -> Target:
    """Mark the group as unfinished and take its OME metadata away; foreign attributes stay, and `more` are added."""
    foreign = {k: v for k, v in target.fmt.strip(target.attributes or {}).items() if k != MARK}
    image = "multiscales" in target.document  # else its other parts, such as `image-label`, wait in the mark
    parts = {} if image else {k: v for k, v in target.document.items() if k != "version"}
    parts = {**(target.mark or {}).get("parts", {}), **parts}
    attributes = {**foreign, **more, MARK: {"incomplete": {"write": uuid4().hex, "parts": parts, **mark}}}
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


def note(target: Target, what: str) -> None:
    """Write into the journal that a unit is on disk, or that the place is cleared."""
    if target.store.supports_deletes:
        buffer = default_buffer_prototype().buffer.from_bytes(b"done")
        wait_for(target.store, target.store.set(target.key(f"{JOURNAL}/{what}"), buffer))


def noted(target: Target) -> set[str]:
    """Read from the journal what is done: the units that are on disk, and `CLEARED`."""

    async def names() -> list[str]:
        return [name async for name in target.store.list_dir(target.key(JOURNAL))]

    with suppress(FileNotFoundError):
        found = {name.rpartition("/")[2] for name in wait_for(target.store, names())}
        return {name for name in found if name == CLEARED or re.fullmatch(r"\d+-\d+", name)}
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


def make_spool(target: Target, shape: Sequence[int], chunks: Sequence[int], dtype: Any) -> tuple[zarr.Array[Any], bool]:
    """Open or create (then True) the temporary array of a write, which has the name that the mark gave the write."""
    store = LocalStore(_spool_folder(target.mark or {}))
    found = open_node(store, "")
    with fast_pipeline(store):
        wanted = (tuple(shape), tuple(chunks), dtype)
        if isinstance(found, zarr.Array) and (found.shape, found.chunks, found.dtype) == wanted:
            return zarr.open_array(store=store, mode="r+"), False
        codec = Compression("blosc-lz4", 1).compressors(3, dtype)
        return zarr.create_array(
            store, shape=wanted[0], chunks=wanted[1], dtype=dtype, compressors=codec, overwrite=True
        ), True


def remove_spool(target: Target) -> None:
    """Delete the temporary array of the write that a group is marked with, if it has one."""
    if target.mark:
        shutil.rmtree(_spool_folder(target.mark), ignore_errors=True)


def _spool_folder(mark: Mapping[str, Any]) -> Path:
    return Path(config.cache_store) / f"ome_ngff-spool-{mark.get('write', 'unnamed')}"
