"""Creating and deleting of groups and arrays."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import attrs
import zarr
from zarr.api.asynchronous import create_array
from zarr.storage import LocalStore, MemoryStore, StorePath

from ..exceptions import OptionError, StoreError
from ..spec import path_fault
from . import patience
from .cloud import CloudStore
from .documents import pretty, read_all, write_all
from .inline import run_inline, together, wait_for
from .opening import fast_pipeline, open_node
from .patience import in_folder, patiently
from .places import key_of, place
from .target import MARK, Target
from .zarr_private import ArrayMetadata, AsyncArray

_NO_FILES: Mapping[str, bytes] = MappingProxyType({})


@attrs.frozen
class ArrayDocument:
    """Hold the metadata of an array that is to be, and the files that it is stored as: to make them takes time."""

    metadata: ArrayMetadata
    contents: Mapping[str, bytes]

    def files(self) -> Mapping[str, bytes]:
        """Return the files by their names."""
        return self.contents


@attrs.frozen
class GroupDocument:
    """Hold the attributes of a group that is to be; Zarr takes as long to store them as a chunk."""

    zarr_format: int
    attributes: Mapping[str, Any] = attrs.field(factory=dict)

    def files(self) -> Mapping[str, bytes]:
        """Return the files by their names, as Zarr makes them; those of an unfinished write on one line."""
        parts: dict[str, Any] = {".zgroup": {"zarr_format": 2}, ".zattrs": self.attributes}
        if self.zarr_format == 3:
            parts = {"zarr.json": {"attributes": self.attributes, "zarr_format": 3, "node_type": "group"}}
        spelled = json.dumps if MARK in self.attributes else pretty
        return {name: spelled(content).encode() for name, content in parts.items()}


def describe_arrays(
    target: Target, names: Sequence[str], options: Mapping[str, Mapping[str, Any]]
) -> dict[str, ArrayDocument]:
    """Create arrays in memory and return their documents: what Zarr refuses is refused before anything is touched.

    Args:
        target: the group below which they will be. names: of the axes.
        options: for `zarr.create_array`, by the path of the array.

    Raises:
        OptionError: Zarr refuses an option.
    """
    common = target.fmt.array_options(names)
    try:
        return {path: _describe({**common, **option}) for path, option in options.items()}
    except (ValueError, TypeError) as error:
        raise OptionError(f"Zarr cannot create such an array: {error}") from error


def _describe(options: Mapping[str, Any]) -> ArrayDocument:
    """Create an array in memory, unless one like it was created with the same settings of Zarr before."""
    try:
        return _described(pickle.dumps((zarr.config.config, options)))
    except (pickle.PicklingError, AttributeError):  # a codec of somebody's
        return _create(options)


@lru_cache(maxsize=64)
def _described(pickled: bytes) -> ArrayDocument:
    return _create(pickle.loads(pickled)[1])


def _create(options: Mapping[str, Any]) -> ArrayDocument:
    stored: dict[str, Any] = {}
    array = run_inline(create_array(MemoryStore(stored), name="a", **options))
    return ArrayDocument(array.metadata, {k[2:]: v.to_bytes() for k, v in stored.items() if k.startswith("a/")})


def create_arrays(
    target: Target, documents: Mapping[str, ArrayDocument], *, shards: bool, files: Mapping[str, bytes] = _NO_FILES
) -> dict[str, zarr.Array[Any]]:
    """Create empty arrays below a target, by path, whose places have been cleared; all of them in one round trip.

    Args:
        target, documents, files: see `put_documents`. shards: whether some have any.
    """
    put_documents(target, documents, files=files)
    with fast_pipeline(target.store, shards=shards):
        return {
            path: zarr.Array(AsyncArray(document.metadata, StorePath(target.store, target.key(path))))
            for path, document in documents.items()
        }


def put_documents(
    target: Target,
    documents: Mapping[str, ArrayDocument | GroupDocument],
    between: Sequence[str] = (),
    files: Mapping[str, bytes] = _NO_FILES,
) -> None:
    """Store documents of groups and arrays, by path below a target, and groups between, in one round trip.

    Args:
        target, documents: which. between: more groups that are created where there are none, which lose nothing.
        files: small files that are stored at the same time, by key below the target.
    """
    parents = {str(parent) for path in documents for parent in PurePosixPath(path).parents} - {".", *documents}
    groups = {path: GroupDocument(target.fmt.zarr_format) for path in (*parents, *between)}
    stored = {**_contents(target, documents), **{target.key(key): content for key, content in files.items()}}
    created = _contents(target, groups)
    in_folder(lambda: patiently(lambda: write_all(target.store, stored, created)))


def put_file(target: Target, path: str, content: bytes) -> None:
    """Store a file that is not a chunk or metadata of Zarr below a target, in a group of its own."""
    group = path.rpartition("/")[0]
    if group:
        put_documents(target, {group: GroupDocument(target.fmt.zarr_format)})
    put_bytes(target, path, content)


def read_bytes(target: Target, key: str) -> bytes | None:
    """Read a small file below a target; None where there is none."""
    return read_all(target.store, [target.key(key)])[0]


def put_bytes(target: Target, key: str, content: bytes) -> None:
    """Store a small file below a target, or replace it."""
    write_all(target.store, {target.key(key): content})


def drop_bytes(target: Target, key: str) -> None:
    """Delete a file below a target, if it is there."""
    with suppress(FileNotFoundError):
        wait_for(target.store, target.store.delete(target.key(key)))


def put_groups_above(target: Target) -> None:
    """Create the groups above a target, up to the root of its store, where there are none.

    Raises:
        StoreError: there is an array.
    """
    above = [str(parent) for parent in PurePosixPath(target.path).parents] if target.path else []
    for path in ("" if parent == "." else parent for parent in above):
        node = open_node(target.store, path)
        if isinstance(node, zarr.Array):
            raise StoreError(f"{place(target.store, path)} is an array; choose a path that is not below one.")
        if node is None:
            put_documents(attrs.evolve(target, path=path), {}, between=[""])


def _contents(target: Target, documents: Mapping[str, ArrayDocument | GroupDocument]) -> dict[str, bytes]:
    """Return the bytes that documents are stored as, by their keys."""
    return {
        target.key(key_of(path, name)): content
        for path, document in documents.items()
        for name, content in document.files().items()
    }


def children(target: Target, name: str) -> set[str]:
    """Return the names of what stands directly below a path below a target, metadata too; empty where nothing does."""
    return children_of(target, [name])[0]


def children_of(target: Target, names: Iterable[str]) -> list[set[str]]:
    """Return what `children` does for several paths, all listed at the same time."""

    async def listed(name: str) -> set[str]:
        with suppress(FileNotFoundError, NotADirectoryError):
            return {key.strip("/").rpartition("/")[2] async for key in target.store.list_dir(target.key(name))}
        return set()

    return wait_for(target.store, together(target.store, map(listed, names)))


def delete(target: Target, name: str) -> None:
    """Delete what stands at a path below a target, if anything does; of a link the link, never what it leads to.

    Raises:
        StoreError: the path leads out of the group, or through a link.
    """
    deletion(target, name)()


def deletion(target: Target, name: str) -> Callable[[], object]:
    """Return what will delete as `delete` does, which raises at once. Whoever deletes comes through here.

    On an object store, what is there is listed meanwhile: what is added from now on may stay.
    """
    fault = path_fault(name)
    if fault or leads_through_a_link(target, name):
        raise StoreError(f"{target} would delete {name!r}, which is not its own. {fault}".rstrip())
    store, key = target.store, target.key(name)
    if target.folder is not None:
        return partial(remove, target.folder / name)
    if not store.supports_deletes:
        return lambda: None
    if not isinstance(store, CloudStore):
        return lambda: wait_for(store, store.delete_dir(key))
    thread = ThreadPoolExecutor(1)
    listed = thread.submit(lambda: wait_for(store, store.entries(f"{key}/")))
    thread.shutdown(wait=False)
    return lambda: wait_for(store, store.delete_entries(listed.result()))


def remove(folder: Path) -> None:
    """Delete a folder, into which a process that is about to stop may still be writing; of a link, the link."""
    pause = 0.001
    with suppress(OSError):  # most often nothing is in it
        os.rmdir(folder)
    while os.path.lexists(folder):
        try:
            folder.unlink() if folder.is_symlink() else shutil.rmtree(folder, **_RMTREE)
        except FileNotFoundError:  # it tidies up, too
            continue
        except OSError as error:
            in_use = patience.WINDOWS and isinstance(error, PermissionError)
            if not (in_use or error.errno == errno.ENOTEMPTY) or pause > 1:
                raise
            time.sleep(pause)
            pause *= 2


def _once_more(do: Callable[[Any], Any], place: Any, fault: Any) -> None:
    error = fault if isinstance(fault, BaseException) else fault[1]
    if not (patience.WINDOWS and isinstance(error, PermissionError)):
        raise error
    patiently(partial(do, place))


_RMTREE: dict[str, Any] = {"onexc" if sys.version_info >= (3, 12) else "onerror": _once_more}


def delete_file(target: Target, name: str) -> None:
    """Delete one file below a target, if it is there and no link leads to it."""
    if target.store.supports_deletes and not leads_through_a_link(target, name):
        with suppress(FileNotFoundError):
            wait_for(target.store, target.store.delete(target.key(name)))


def delete_group(target: Target, name: str) -> None:
    """Delete the metadata of a group below a target, and its folder where nothing else is in it."""
    for document in ("zarr.json", ".zattrs", ".zgroup", ".zmetadata"):
        delete_file(target, f"{name}/{document}")
    if target.folder is not None:
        with suppress(OSError):
            (target.folder / name).rmdir()


def delete_empty(target: Target) -> None:
    """Delete the folder of a group that has gone, and those above it in its store, where nothing is in them."""
    path = PurePosixPath(target.path)
    with suppress(OSError):  # the first that is not empty ends it
        for step in [path, *path.parents][: len(path.parts) or 1]:
            with suppress(FileNotFoundError):
                if isinstance(target.store, LocalStore):
                    (target.store.root / step).rmdir()


def leads_through_a_link(target: Target, name: str) -> bool:
    """Return whether a folder on the way from a group to a path below it is a link."""
    if target.folder is None:
        return False
    ways = (target.folder.joinpath(*name.split("/")[:depth]) for depth in range(1, name.count("/") + 1))
    return any(way.is_symlink() for way in ways)
