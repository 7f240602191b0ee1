"""The documents of a whole hierarchy: all nodes below a group, and nothing that is in an array.

What is listed are groups alone; below an array, only its own documents are asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from ..exceptions import IncompleteError, StoreError
from ..spec import path_fault
from .documents import get_bytes, parse
from .inline import together, wait_for
from .journal import JOURNAL
from .places import key_of, place
from .target import MARK, Target

_NAMES = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
COPY = ".zmetadata"
LOCK = f".{MARK}.lock"
_OURS = (JOURNAL, LOCK)
_AT_ONCE = 256  # nodes that are asked for at once


@attrs.frozen(eq=False)
class NodeDocuments:
    """Hold the documents of a node, parsed, by the names of their files.

    Attributes:
        path: below the group. found: the documents. names: what stands directly in it, where it is a group.
    """

    path: str
    found: Mapping[str, dict[str, Any]]
    names: frozenset[str] = frozenset()

    @property
    def is_array(self) -> bool:
        document = self.found.get("zarr.json")
        return ".zarray" in self.found if document is None else document.get("node_type") == "array"

    @property
    def zarr_format(self) -> int:
        """Version of Zarr; of a node that has documents of both, the newer."""
        return 3 if "zarr.json" in self.found else 2

    @property
    def zarr_formats(self) -> set[int]:
        """Versions of Zarr of which it has documents."""
        return {3 if name == "zarr.json" else 2 for name in self.found}

    @property
    def attributes(self) -> dict[str, Any]:
        document = self.found.get("zarr.json")
        found = self.found.get(".zattrs", {}) if document is None else document.get("attributes") or {}
        return dict(found) if isinstance(found, Mapping) else {}


@attrs.frozen(eq=False)
class Hierarchy:
    """Hold all nodes of a hierarchy as they are stored.

    Attributes:
        nodes: by their paths below the group, those above first. contents: the documents as bytes, by their keys.
    """

    nodes: Mapping[str, NodeDocuments]
    contents: Mapping[str, bytes]


def read_hierarchy(
    target: Target, named: Callable[[Mapping[str, Any]], Iterable[str]], *, whole: bool = True
) -> Hierarchy:
    """Read the documents of a group and of every node below it.

    Args:
        target: the group. named: returns the paths that attributes name below their group: what is not listed, or has
            no group above it, is looked for there.
        whole: False reads the group alone.

    Raises:
        StoreError: one of them cannot be read, or is behind a link. IncompleteError: one of them is being written.
    """
    nodes: dict[str, NodeDocuments] = {}
    contents: dict[str, bytes] = {}
    waiting = [""]
    while waiting:
        now, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
        for node, raw in wait_for(target.store, _read(target, now)):
            if not node.found or node.path in nodes:
                continue
            nodes[node.path] = node
            contents |= {key_of(node.path, name): content for name, content in raw.items()}
            if whole and not node.is_array:
                listed = (name for name in sorted(node.names) if name not in _NAMES and not name.startswith(_OURS))
                below = (path for path in named(node.attributes) if not path_fault(path))
                waiting += dict.fromkeys(key_of(node.path, path.strip("/")) for path in (*listed, *below))
    return Hierarchy(nodes, contents)


def refuse_writers(target: Target, hierarchy: Hierarchy) -> None:
    """Raise `IncompleteError` where something below a group, or the group, is being written or was left unfinished."""
    for path, node in hierarchy.nodes.items():
        where = place(target.store, target.key(path)) if path else str(target)
        mark = node.attributes.get(MARK)
        if isinstance(mark, Mapping) and mark.get("incomplete") is not None:
            raise IncompleteError(f"{where} is incomplete: finish its write with resume=True first, or replace it.")
        if path and LOCK in node.names:
            raise IncompleteError(f"{where} is being written; try again when that is done (its lock is {LOCK}).")


async def _read(target: Target, paths: list[str]) -> list[tuple[NodeDocuments, dict[str, bytes]]]:
    return await together(target.store, (_read_node(target, path) for path in paths))


async def _read_node(target: Target, path: str) -> tuple[NodeDocuments, dict[str, bytes]]:
    store, names = target.store, _NAMES
    keys = [target.key(key_of(path, name)) for name in names]
    found = await together(store, (get_bytes(store, key) for key in keys))
    raw = {name: content for name, content in zip(names, found, strict=True) if content is not None}
    node = NodeDocuments(
        path, {name: parse(c, place(store, target.key(key_of(path, name)))) for name, c in raw.items()}
    )
    if not raw:
        return node, raw
    _refuse_links(target, path, raw)
    if not node.is_array and store.supports_listing:
        listed = [key async for key in store.list_dir(target.key(path))]
        node = attrs.evolve(node, names=frozenset(key.strip("/").rpartition("/")[2] for key in listed))
        copy = await get_bytes(store, target.key(key_of(path, COPY))) if COPY in node.names else None
        raw |= {} if copy is None else {COPY: copy}
    return node, raw


def _refuse_links(target: Target, path: str, names: Iterable[str]) -> None:
    """Raise `StoreError` where a node, or one of its documents, is behind a link, which is never written through."""
    folder = target.folder
    if folder is None:
        return
    for step in (*([path] if path else ()), *(key_of(path, name) for name in names)):
        if os.path.islink(f"{folder}/{step}"):
            raise StoreError(f"{target} has {step!r} behind a link, which is not written through; remove the link.")
