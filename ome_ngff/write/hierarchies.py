"""Hierarchies that change as a whole: pointed to, and read, with all that is below them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..exceptions import MissingError, StoreError
from ..spec import format_for_zarr, format_implementations, paths_below
from ..store import (
    LOCK,
    Hierarchy,
    Target,
    locate,
    locked,
    nearest_place,
    read_hierarchy,
    refuse_linked_journal,
    refuse_writers,
)
from .replace import refuse_place

FORMATS = tuple(format_implementations())


def changed_target(group: Any) -> Target:
    """Point to a hierarchy that may have documents of both versions of Zarr, while it changes.

    Raises:
        MissingError: there is nothing. StoreError: it can only be read.
    """
    store, path = locate(group)
    target = Target(store, path, format_for_zarr(3), {})
    if target.folder is not None and target.folder.is_file():
        raise StoreError(f"{target} is a file; a ZIP is not changed in place: write another one that has the change.")
    refuse_place(target)
    refuse_linked_journal(target)
    if not read_hierarchy(target, named_below, whole=False).nodes:
        raise MissingError(f"There is no Zarr group at {target}.{nearest_place(target)}")
    return target


def named_below(attributes: Mapping[str, Any]) -> list[str]:
    """Return the paths that the attributes of a group name below it, whatever their version."""
    return [path for fmt in FORMATS for path in paths_below(fmt.unwrap(attributes))]


def settled_hierarchy(target: Target, *, wait: bool) -> Hierarchy:
    """Read a hierarchy in which nothing is being written.

    Args:
        target: its group. wait: whether to wait for those who hold a lock in it, until they are done or silent.

    Raises:
        IncompleteError: something in it is being written, or was left unfinished.
    """
    hierarchy = read_hierarchy(target, named_below)
    busy = [path for path, node in hierarchy.nodes.items() if wait and path and LOCK in node.names]
    for path in busy:  # until metadata are written, or the lock of who is gone was silent for long enough
        with locked(attrs.evolve(target, path=target.key(path))):
            pass
    if busy:
        hierarchy = read_hierarchy(target, named_below)
    refuse_writers(target, hierarchy)
    return hierarchy
