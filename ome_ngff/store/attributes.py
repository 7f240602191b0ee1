"""Attributes of groups: replaced in one step, or changed alone; no untrue copy of them stays.

Consolidated metadata is a copy of the metadata below a group, which becomes untrue when something there is written.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs
from zarr.abc.store import Store

from ..exceptions import StoreError
from .claims import Claim, alone
from .faults import named_faults
from .inline import wait_for
from .nodes import GroupDocument, put_documents, put_groups_above
from .target import MARK, Target
from .zarr_private import default_buffer_prototype

_PART = "consolidated_metadata"


def put_attributes(target: Target, attributes: Mapping[str, Any]) -> None:
    """Create the group, or replace all its attributes in one step."""
    target.refuse_package()
    zarr_format = target.fmt.zarr_format
    if target.attributes is None:
        put_groups_above(target)
    put_documents(target, {"": GroupDocument(zarr_format, attributes)})
    _forget_copies(target.store, target.path, zarr_format, own=zarr_format == 2)
    if target.handle is not None:
        target.handle.metadata.attributes.clear()
        target.handle.metadata.attributes.update(attributes)
        object.__setattr__(target.handle.metadata, "consolidated_metadata", None)  # else it writes its copy back


def require_group(target: Target) -> None:
    """Create an empty group where there is none."""
    if target.attributes is None:
        put_attributes(target, {})


def update_document(target: Target, change: Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Change parts of a group's OME metadata; its other parts and attributes stay.

    Args:
        target: the group, which is created where there is none.
        change: the parts that are new, or a function that returns them, given the metadata as it is now. No other
            process changes it meanwhile; it is called again where this one was stopped for so long that another took
            over.
    """
    while True:
        with named_faults(target, "do it again"), locked(target) as (now, claim):
            now.refuse_change()
            document = now.document
            document.pop("version", None)
            new = change if isinstance(change, Mapping) else change(dict(document))
            document = target.fmt.wrap({**document, **new})
            if claim.sure():  # else this process was stopped for so long that another has the lock, and changes it
                put_attributes(now, {**target.fmt.strip(now.attributes or {}), **document})
                return


def update_said(target: Target, said: Mapping[str, Any]) -> None:
    """Change parts of what a finished image says under our name; its other attributes stay.

    Raises:
        StoreError: a write of it is under way.
    """
    with named_faults(target, "do it again"), locked(target) as (now, claim):
        if now.mark is not None or not claim.renew():
            raise StoreError(f"{target} is being written by another process.")
        put_attributes(now, {**(now.attributes or {}), MARK: {**now.said, **said}})


@contextmanager
def locked(target: Target) -> Iterator[tuple[Target, Claim]]:
    """Hold the lock of a group, and yield the target with its attributes as they are now, none where it is new.

    Where nothing can be locked, nobody is waited for.
    """
    lock = alone(target.store, target.key(f".{MARK}.lock"))
    if target.attributes is None:
        put_groups_above(target)
    if target.folder is not None:
        target.folder.mkdir(parents=True, exist_ok=True)
    with lock as claim:
        yield attrs.evolve(target, attributes=attributes_now(target) or {}), claim


def attributes_now(target: Target) -> dict[str, Any] | None:
    """Return the attributes of a group as they are stored now; None where there are none.

    Raises:
        StoreError: they cannot be read.
    """
    if target.folder is not None and not target.folder.is_dir():  # which Zarr would create
        return None
    name = "zarr.json" if target.fmt.zarr_format == 3 else ".zattrs"
    stored = wait_for(target.store, target.store.get(target.key(name), default_buffer_prototype()))
    try:
        found = {} if stored is None else json.loads(stored.to_bytes())
        attributes = found.get("attributes", {}) if target.fmt.zarr_format == 3 else found
        return None if stored is None else dict(attributes)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"The metadata of {target} cannot be read: {error}") from error


def forget_copies(store: Store, path: str) -> None:
    """Take consolidated metadata of both versions of Zarr away from all groups above one in its store."""
    for zarr_format in (2, 3):
        _forget_copies(store, path, zarr_format)


def _forget_copies(store: Store, path: str, zarr_format: int, *, own: bool = False) -> None:
    """Take consolidated metadata away from a group that has been written, and from all above it in its store.

    Readers believe it: Zarr-Python shows shapes that are no more, and no label image that came later. The formats ask
    for none; whoever wants it makes it anew, once all is written. In Zarr v3 the group itself has lost it by now.
    """
    steps = path.split("/") if path else []
    groups = ["".join(f"{step}/" for step in steps[:depth]) for depth in range(len(steps) + own)]

    async def forget_all() -> None:
        await asyncio.gather(*(_forget(store, group, zarr_format) for group in groups))

    if groups and store.supports_deletes:
        wait_for(store, forget_all())


async def _forget(store: Store, group: str, zarr_format: int) -> None:
    if zarr_format == 2:
        if await store.exists(f"{group}.zmetadata"):
            await store.delete(f"{group}.zmetadata")
        return
    file = await store.get(f"{group}zarr.json", default_buffer_prototype())
    content = b"" if file is None else file.to_bytes()
    if f'"{_PART}"'.encode() in content:
        metadata = json.loads(content)
        if metadata.pop(_PART, None) is not None:
            buffer = default_buffer_prototype().buffer.from_bytes(json.dumps(metadata, indent=2).encode())
            await store.set(f"{group}zarr.json", buffer)
