"""Attributes of groups: replaced in one step, or changed alone; no untrue copy of them stays.

Consolidated metadata is a copy of the metadata below a group, which becomes untrue when something there is written.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
from zarr.abc.store import Store
from zarr.storage import LocalStore

from ..exceptions import StoreError
from ..text import warn
from .claims import LOCK_PATIENCE, Claim, Claims, alone, claims_of
from .cloud import CloudStore
from .documents import get_bytes, parse, read_all, write_all
from .faults import named_faults
from .inline import together, wait_for
from .nodes import GroupDocument, put_documents, put_groups_above
from .patience import in_folder
from .places import in_memory, place
from .target import MARK, Target
from .zarr_private import default_buffer_prototype

_PART = "consolidated_metadata"
_LOCK = f".{MARK}.lock"
_TRIES, _PAUSE = 20, 0.05  # for the lock of a group above, and seconds between them


def put_attributes(target: Target, attributes: Mapping[str, Any], instead: Mapping[str, Any] | None = None) -> bool:
    """Create the group, or replace all its attributes in one step.

    Args:
        target: the group. attributes: all that it will have.
        instead: on an object store, the version of what they replace, empty where nothing is there; None replaces any.

    Returns:
        False where another process has changed them meanwhile; nothing has happened then.
    """
    target.refuse_package()
    zarr_format = target.fmt.zarr_format
    if target.attributes is None:
        put_groups_above(target)
    group = GroupDocument(zarr_format, attributes)
    if instead is None:
        put_documents(target, {"": group})
    else:
        files, before = dict(group.files()), is_conditional(target)
        content = files.pop(_name(target))
        done = wait_for(target.store, _replace(target.store, target.key(_name(target)), content, instead))
        if before and not is_conditional(target):
            warn(
                f"{target} is at a server that replaces nothing on a condition: of two processes that change a part at "
                "once, one may be lost. The page on clouds says how to spare the attempt."
            )
        if not done:
            return False
        write_all(target.store, {}, {target.key(name): other for name, other in files.items()})
    _forget_copies(target.store, target.path, zarr_format, own=zarr_format == 2)
    if target.handle is not None:
        target.handle.metadata.attributes.clear()
        target.handle.metadata.attributes.update(attributes)
        object.__setattr__(target.handle.metadata, "consolidated_metadata", None)  # else it writes its copy back
    return True


def update_document(target: Target, change: Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Change parts of a group's OME metadata; its other parts and attributes stay.

    Args:
        target: the group, which is created where there is none.
        change: the parts that are new, or a function that returns them, given the metadata as it is now. No other
            process changes it meanwhile; it is called again where this one was stopped for so long that another took
            over.
    """

    def changed(now: Target) -> Mapping[str, Any]:
        now.refuse_change()
        document = now.document
        document.pop("version", None)
        new = change if isinstance(change, Mapping) else change(dict(document))
        return {**target.fmt.strip(now.attributes or {}), **target.fmt.wrap({**document, **new})}

    update_attributes(target, changed)


def update_attributes(target: Target, change: Callable[[Target], Mapping[str, Any] | None]) -> None:
    """Replace the attributes of a group by what a function makes of the group as it is now; None leaves them.

    No other process changes them meanwhile; the function is called again where this one was stopped for so long that
    another took over.
    """
    done = False
    while not done:
        with named_faults(target, "do it again"), _now(target) as (now, version, sure):
            attributes = change(now)
            # If not, this process was stopped for so long that another has the lock, and changes it.
            done = attributes is None or (sure() and put_attributes(now, attributes, version))


@contextmanager
def _now(target: Target) -> Iterator[tuple[Target, Mapping[str, Any] | None, Callable[[], bool]]]:
    """Yield a target as it is now, its version on an object store, and what tells whether nobody else changes it."""
    if is_conditional(target):
        if target.attributes is None:
            put_groups_above(target)
        attributes, version = _attributes(target)
        yield attrs.evolve(target, attributes=attributes or {}), version or {}, lambda: True
    else:
        with locked(target) as (now, claim):
            yield now, None, claim.sure


def update_said(target: Target, said: Mapping[str, Any]) -> None:
    """Change parts of what a finished image says under our name; its other attributes stay.

    Raises:
        StoreError: a write of it is under way.
    """

    def changed(now: Target) -> Mapping[str, Any]:
        if now.mark is not None:
            raise StoreError(f"{target} is being written by another process.")
        return {**(now.attributes or {}), MARK: {**now.said, **said}}

    update_attributes(target, changed)


@contextmanager
def locked(target: Target, *, shared: bool = False, new: bool = False) -> Iterator[tuple[Target, Claim]]:
    """Hold the lock of a group, and yield the target with its attributes as they are now, none where it is new.

    Where nothing can be locked, nobody is waited for.

    Args:
        target: the group.
        shared: whether other processes are sure to come, so that on object stores, too, there has to be a lock: an
            object that stays until `forget_lock`.
        new: whether the group was not there, and is created on the condition that it still is not: nobody looks again.
    """

    def enter(held: ExitStack) -> Claim:
        lock = alone(target.store, target.key(_LOCK), remote=shared and _is_remote(target))
        if target.attributes is None:
            put_groups_above(target)
        if target.folder is not None and not target.folder.is_dir():
            target.folder.mkdir(parents=True, exist_ok=True)
        return held.enter_context(lock)

    with ExitStack() as held:
        claim = in_folder(lambda: enter(held))
        yield attrs.evolve(target, attributes=({} if new else attributes_now(target)) or {}), claim


def is_conditional(target: Target) -> bool:
    """Return whether documents of a group can be put on the condition that they are new, or as they were seen."""
    return isinstance(target.store, CloudStore) and target.store.conditional


def forget_lock(target: Target) -> None:
    """Delete what the lock of a write that was shared has left, after its end; in a folder nothing has."""
    if _is_remote(target):
        with suppress(FileNotFoundError):
            wait_for(target.store, target.store.delete(target.key(_LOCK)))


def _is_remote(target: Target) -> bool:
    return target.folder is None and not in_memory(target.store)


def attributes_now(target: Target) -> dict[str, Any] | None:
    """Return the attributes of a group as they are stored now; None where there are none.

    Raises:
        StoreError: they cannot be read.
    """
    return _attributes(target)[0]


def _attributes(target: Target) -> tuple[dict[str, Any] | None, Mapping[str, Any] | None]:
    store, key, version = target.store, target.key(_name(target)), None
    if isinstance(store, CloudStore):
        stored, version = wait_for(store, store.look(key))
    else:
        (stored,) = read_all(store, [key])
    try:
        found = {} if stored is None else json.loads(stored)
        attributes = found.get("attributes", {}) if target.fmt.zarr_format == 3 else found
        return None if stored is None else dict(attributes), version
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"The metadata of {target} cannot be read: {error}") from error


def attributes_below(target: Target, paths: Iterable[str]) -> list[dict[str, Any] | None]:
    """Return the attributes of groups below a target, of its version of Zarr, all read at the same time; None for none.

    Raises:
        StoreError: some cannot be read.
    """
    keys = [target.key(f"{path}/{_name(target)}") for path in paths]
    contents = read_all(target.store, keys)
    found: list[Any] = [c and parse(c, place(target.store, key)) for c, key in zip(contents, keys, strict=True)]
    if target.fmt.zarr_format == 3:
        found = [each and each.get("attributes", {}) for each in found]
    return [None if each is None else dict(each) if isinstance(each, Mapping) else {} for each in found]


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
    if groups and store.supports_deletes:
        copied = wait_for(store, together(store, (_has_copy(store, group, zarr_format) for group in groups)))
        for group in (group for group, found in zip(groups, copied, strict=True) if found):
            _forget(store, group, zarr_format)
    for above in _groups_above(store.root) if isinstance(store, LocalStore) else ():
        try:
            found = wait_for(above, _has_copy(above, "", zarr_format))
        except PermissionError:
            warn(f"{above.root} cannot be read; if it has consolidated metadata, that is out of date now.")
        else:
            if found:
                _forget(above, "", zarr_format)


def _groups_above(root: Path) -> Iterator[LocalStore]:
    """Yield the groups that a folder lies in, from the nearest up, where it was opened without them."""
    here = os.path.abspath(root)
    while (above := os.path.dirname(here)) != here:
        if not any(os.path.isfile(os.path.join(above, name)) for name in ("zarr.json", ".zgroup")):
            return
        yield LocalStore(above)
        here = above


async def _has_copy(store: Store, group: str, zarr_format: int) -> bool:
    if zarr_format == 2:
        return await store.exists(f"{group}.zmetadata")
    return f'"{_PART}"'.encode() in (await get_bytes(store, f"{group}zarr.json") or b"")


def _forget(store: Store, group: str, zarr_format: int) -> None:
    """Take a copy away, under the lock of its group; where that may not be written, say so.

    Whoever has that lock may wait for one that the caller has, so it is not waited for long.
    """
    path = group.rstrip("/")
    try:
        claim = None if zarr_format == 2 or isinstance(store, CloudStore) else _soon(claims_of(store, path))
        try:
            wait_for(store, _without_copy(store, group, zarr_format))
        finally:
            if claim is not None:
                claim.release()
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        warn(
            f"The consolidated metadata of {place(store, path)} is out of date now, and cannot be taken away "
            f"({error.strerror}): readers that believe it do not see what has changed. Consolidate it anew."
        )


def _soon(claims: Claims | None) -> Claim | None:
    """Return the lock of a group; None where somebody has it for as long as we wait, or nothing there is atomic."""
    if claims is not None:
        for _ in range(_TRIES):
            if (claim := claims.take(_LOCK, LOCK_PATIENCE)) is not None:
                return claim
            claims.sleep(_PAUSE)
    return None


async def _without_copy(store: Store, group: str, zarr_format: int) -> None:
    if zarr_format == 2:
        if await store.exists(f"{group}.zmetadata"):
            await store.delete(f"{group}.zmetadata")
        return
    while True:
        stored, version = await _look(store, f"{group}zarr.json")
        if stored is None or f'"{_PART}"'.encode() not in stored:
            return
        metadata = json.loads(stored)
        metadata.pop(_PART, None)
        if await _replace(store, f"{group}zarr.json", json.dumps(metadata, indent=2).encode(), version):
            return


def _name(target: Target) -> str:
    return "zarr.json" if target.fmt.zarr_format == 3 else ".zattrs"


async def _look(store: Store, key: str) -> tuple[bytes | None, Mapping[str, Any] | None]:
    if isinstance(store, CloudStore):
        return await store.look(key)
    return await get_bytes(store, key), None


async def _replace(store: Store, key: str, content: bytes, version: Mapping[str, Any] | None) -> bool:
    if isinstance(store, CloudStore) and store.conditional:
        return await store.replace(key, content, version or None)
    await store.set(key, default_buffer_prototype().buffer.from_bytes(content))
    return True
