"""Changes of a hierarchy, as documents and folders: planned under its lock, recorded, carried out, or shown."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from ..exceptions import StoreError
from ..spec import Format
from ..store import (
    UNDOING,
    Change,
    Target,
    carry_out,
    find_target,
    forget_copies,
    locked,
    named_faults,
    read_record,
)
from .draft import Draft
from .hierarchies import changed_target, settled_hierarchy


@attrs.frozen
class Edit:
    """State what a change does, or has done.

    Attributes:
        change: in words. documents: number of documents that come, change or go.
        diff: the differences of the documents, and what moves, as text; empty where nothing changes.
    """

    change: str
    documents: int
    diff: str = attrs.field(repr=False)


def changed(
    group: Any,
    what: Mapping[str, str],
    plan: Callable[[Draft], None],
    *,
    dry_run: bool = False,
    before: Callable[[], object] | None = None,
) -> Edit:
    """Change a hierarchy in one step, or go on with that where it was interrupted.

    Args:
        group: its root, as in `write_image`. what: the change in words, the same for the same call.
        plan: puts into a draft how it will be; it touches nothing, and raises where that cannot be.
        dry_run: say what would be done, and change nothing.
        before: called before the group is locked, unless the change was begun, for what takes time.

    Raises:
        StoreError: another change was interrupted, or it can only be read. IncompleteError: something is being written.
    """
    target = changed_target(group)
    record = _under_way(target, what)
    if dry_run:
        draft = None if record else _drafted(target, plan, wait=False)
        return _edit(record or draft.change(what), draft)  # type: ignore[union-attr]  # there is one of them
    if record is None and before is not None:
        before()
    with named_faults(target, "do it again, or undo it"), locked(target) as (_, claim):
        change, draft = _under_way(target, what), None
        if change is None:
            draft = _drafted(target, plan, wait=True)
            change = draft.prepared(what)
        if change.keys or change.cells:
            carry_out(target, change, claim)
            forget_copies(target.store, target.path)
    _tell_handle(group)
    return _edit(change, draft)


def _tell_handle(group: Any) -> None:
    """Let a group of the caller know its new attributes: it writes all that it knows with the next one."""
    now = find_target(group)
    if now.handle is not None:
        now.handle.metadata.attributes.clear()
        now.handle.metadata.attributes.update(now.attributes or {})


def _under_way(target: Target, what: Mapping[str, str]) -> Change | None:
    """Return what was interrupted, to be finished.

    Raises:
        StoreError: it was something else than what is asked for.
    """
    record = read_record(target, done=False)
    if record is None:
        return None
    if record.name == UNDOING or dict(record.change.what) != dict(what):
        way = "" if record.name == UNDOING else "the same call, or "
        raise StoreError(f"Of {target}, {record.change} was interrupted; finish that first, with {way}undo(group).")
    return record.change


def _drafted(target: Target, plan: Callable[[Draft], None], *, wait: bool) -> Draft:
    hierarchy = settled_hierarchy(target, wait=wait)
    draft = Draft.of(attrs.evolve(target, fmt=_format(target)), hierarchy)
    plan(draft)
    return draft


def _format(target: Target) -> Format:
    found = find_target(target)
    found.refuse_change()
    return found.fmt


def _edit(change: Change, draft: Draft | None) -> Edit:
    keys = [key for key in sorted(change.keys) if change.old.get(key) != change.new.get(key)]
    lines = [line for key in keys for line in _difference(key, change.old.get(key), change.new.get(key))]
    told = [] if draft is None else [*draft.words, *(f"{path} goes" for path in draft.goes if path not in draft.comes)]
    told += [] if draft is None else [f"{path} comes" for path in draft.comes]
    return Edit(str(change), len(keys), "\n".join([*told, *lines]))


def _difference(key: str, old: bytes | None, new: bytes | None) -> Iterator[str]:
    """Yield the lines of a document that differ, however it is stored."""
    sides = [[] if c is None else json.dumps(json.loads(c), indent=2).splitlines() for c in (old, new)]
    here, there = ("nothing" if content is None else key for content in (old, new))
    return difflib.unified_diff(sides[0], sides[1], here, there, n=2, lineterm="")
