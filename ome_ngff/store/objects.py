"""Objects of a hierarchy, carried from one store to another as they are, and verified as they arrive."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

import attrs

from ..exceptions import StoreError
from .cloud import CloudStore, Way
from .inline import wait_for
from .target import Target
from .zarr_private import default_buffer_prototype, ensure_open

_AT_ONCE = 32
_CARRIED = Way(2**27)  # bytes that are read and not yet stored
_MOMENT = 0.2  # seconds between two looks at how far it is


@attrs.frozen
class Entry:
    """What a store lists of an object: its bytes; its tag, "" where there is none; of a file, when it was changed."""

    size: int
    tag: str = ""
    changed: int = 0


def list_objects(target: Target) -> dict[str, Entry]:
    """List all objects below a group, by their paths below it; on an object store by one request for a thousand."""
    if target.folder is not None:
        return dict(_files(target.folder))
    store, prefix = target.store, f"{target.path}/" if target.path else ""

    async def listed() -> dict[str, Entry]:
        if isinstance(store, CloudStore):
            found = await store.entries(prefix)
            return {e["path"].removeprefix(prefix): Entry(e["size"], (e["e_tag"] or "").strip('"')) for e in found}
        keys = [key async for key in store.list_prefix(prefix)]
        sizes = [size for part in _parts(keys) for size in await asyncio.gather(*map(store.getsize, part))]
        return {key.removeprefix(prefix): Entry(size) for key, size in zip(keys, sizes, strict=True)}

    return wait_for(store, listed())


def _files(folder: Path) -> Iterator[tuple[str, Entry]]:
    for above, _, names in os.walk(folder):
        for file in (Path(above, name) for name in names):
            with suppress(FileNotFoundError):  # it has its last name, or is gone
                found = file.stat()
                yield file.relative_to(folder).as_posix(), Entry(found.st_size, changed=found.st_mtime_ns)


def _parts(keys: list[str]) -> Iterator[list[str]]:
    return (keys[i : i + _AT_ONCE] for i in range(0, len(keys), _AT_ONCE))


def carry_objects(
    source: Target,
    target: Target,
    sizes: Mapping[str, int],
    there: Mapping[str, Entry],
    add: Callable[[int], None],
    look: Callable[[], None],
) -> None:
    """Copy objects from below one group to below another; what is there with the same bytes is left.

    Args:
        source, target: the groups. sizes: of the objects, by their paths. there: what the store of the target lists.
        add: is told the bytes that are there. look: is called from time to time, on the calling thread.

    Raises:
        StoreError: an object has gone, or has arrived with other bytes.
    """
    left, stopped = iter(sizes.items()), False

    async def carry() -> None:
        nonlocal stopped
        while not stopped and (entry := next(left, None)) is not None:
            try:
                async with _CARRIED.of(entry[1]):
                    await _carry(source, target, entry[0], there.get(entry[0]))
            except BaseException:
                stopped = True
                raise
            add(entry[1])

    async def carry_all() -> None:
        for store in (source.store, target.store):
            await ensure_open(store)
        ends = await asyncio.gather(*(carry() for _ in range(_AT_ONCE)), return_exceptions=True)
        for error in (end for end in ends if end is not None):
            raise error

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(wait_for, target.store, carry_all())
        try:
            while wait([future], _MOMENT).not_done:
                look()
        finally:
            stopped = True
        future.result()


async def _carry(source: Target, target: Target, path: str, there: Entry | None) -> None:
    buffer = await source.store.get(source.key(path), default_buffer_prototype())
    if buffer is None:
        raise StoreError(f"{source} has lost {path!r} while it was copied.")
    content, key = buffer.to_bytes(), target.key(path)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if there is not None and (there.size, there.tag) == (len(content), digest):
        return
    if isinstance(target.store, CloudStore):
        tag = await target.store.send(key, content)
    else:
        await target.store.set(key, buffer)
        tag = ""
    if tag != digest:  # of a store whose tags are not these digests
        found = await target.store.get(key, default_buffer_prototype())
        if found is None or found.to_bytes() != content:
            raise StoreError(f"{target}/{path} has arrived with other bytes than were sent; do it again.")
