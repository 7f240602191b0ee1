"""Taking back what was done last to a hierarchy: an upgrade, an edit, an update, whatever its record states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import attrs

from ..exceptions import IncompleteError, MissingError, StoreError
from ..store import (
    LOST,
    UNDO,
    Change,
    Claim,
    Target,
    complete_addition,
    forget_copies,
    locked,
    named_faults,
    opened,
    read_hierarchy,
    read_record,
    refuse_changed,
    refuse_writers,
    take_back,
)
from .hierarchies import changed_target, named_below


def undo(group: Any, *, store_options: Mapping[str, Any] | None = None) -> str:
    """Take back what was done last to a hierarchy, or is under way: its files are what they were, byte for byte.

    Args:
        group: as in `upgrade`; of labels that were updated, their image. store_options: as in `write_image`.

    Returns:
        What was undone, in words.

    Raises:
        MissingError: there is nothing to undo. StoreError: it was changed again since, or can only be read.
    """
    target = changed_target(opened(group, store_options))
    with named_faults(target, "undo it again"), locked(target) as (_, claim):
        complete_addition(target)
        record = read_record(target)
        if record is None:
            raise MissingError(f"There is nothing to undo at {target}: it has no {UNDO}.")
        if LOST in record.change.what:
            raise StoreError(f"{target} cannot be what it was before {record.change}: {record.change.what[LOST]}")
        with marked_groups_locked(target, record.change):
            if record.name == UNDO and record.change.kept is None:
                refuse_changed(target, record.change)
            elif record.name == UNDO:
                hierarchy = read_hierarchy(target, named_below)
                refuse_changed(target, record.change, hierarchy.contents)
                refuse_writers(target, hierarchy)
            take_back(target, record, claim)
        forget_copies(target.store, target.path)
    return str(record.change)


def refuse_under_way(target: Target) -> None:
    """Raise `IncompleteError` where a change of a group was interrupted, whose journal has to stay until it is done."""
    record = read_record(target, done=False)
    if record is not None:
        raise IncompleteError(f"Of {target}, {record.change} was interrupted; finish that first, or undo(group).")


@contextmanager
def marked_groups_locked(target: Target, change: Change) -> Iterator[list[Claim]]:
    """Hold the locks of the groups below a target that carry the mark of a change, whose own lock is held."""
    paths = sorted({key.rpartition("/")[0] for key in change.marks} - {""})
    with ExitStack() as locks:
        yield [locks.enter_context(locked(attrs.evolve(target, path=target.key(path))))[1] for path in paths]
