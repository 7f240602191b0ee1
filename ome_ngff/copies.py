"""Consolidated metadata: copies of the metadata below a group, which become untrue when something there is written."""

from __future__ import annotations

import asyncio
import json

from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

_PART = "consolidated_metadata"


def forget_copies(store: Store, path: str, zarr_format: int) -> None:
    """Take consolidated metadata away from a group that has been written, and from all above it in its store.

    Readers believe it: Zarr-Python shows shapes that are no more, and no label image that came later. The formats ask
    for none; whoever wants it makes it anew, once all is written. In Zarr v3 the group itself has lost it by now.
    """
    steps = path.split("/") if path else []
    groups = ["".join(f"{step}/" for step in steps[:depth]) for depth in range(len(steps) + (zarr_format == 2))]

    async def forget_all() -> None:
        await asyncio.gather(*(_forget(store, group, zarr_format) for group in groups))

    if groups and store.supports_deletes:
        sync(forget_all())


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
