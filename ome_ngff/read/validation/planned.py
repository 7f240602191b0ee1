"""Documents that are not stored yet against the specification, as they would stand in a store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import zarr
from zarr.storage import MemoryStore

from ...exceptions import Finding
from ...spec import Format, entries_of, named_paths, without_names
from ...store import node_of, parse_json
from .tree import Node, Tree, joined
from .walk import Walk

_KEYS = ("zarr.json", ".zarray", ".zattrs", ".zgroup")


class PlannedTree(Tree):
    """Open nodes from documents at hand.

    Args:
        contents: the documents, by their keys. names: what stands directly in each group, by its path.
    """

    def __init__(self, contents: Mapping[str, bytes], names: Mapping[str, frozenset[str]]) -> None:
        super().__init__(MemoryStore(), "")
        self._contents, self._names = contents, names
        self._arrays: dict[tuple[bytes | None, ...], Node] = {}  # most images have the same ones

    def open(self, path: str) -> Node:
        """Open a group or an array; of arrays with the same documents, the first."""
        stored = self.documents(path)
        if stored not in self._arrays:
            found = {key: parse_json(c, key) for key, c in zip(_KEYS, stored, strict=True) if c is not None}
            node = node_of(self.store, path, found)
            if not isinstance(node, zarr.Array):
                return node
            self._arrays[stored] = node
        return self._arrays[stored]

    def documents(self, path: str) -> tuple[bytes | None, ...]:
        """Return all documents that a node may have."""
        return tuple(self.read(joined(path, name)) for name in _KEYS)

    def has(self, path: str) -> bool:
        """Return whether there is such a document, or a file of this name."""
        parent, _, name = path.rpartition("/")
        return path in self._contents or name in self._names.get(parent, ())

    def names(self, path: str) -> frozenset[str]:
        """Return the names directly below a path."""
        return self._names.get(path, frozenset())

    def files(self, path: str, node: Node) -> Iterator[tuple[str, bytes]]:
        """Yield nothing: what is written here is JSON as it should be."""
        return iter(())

    def read(self, path: str) -> bytes | None:
        """Return the content of a document."""
        return self._contents.get(path)


class PlannedWalk(Walk):
    """Go through documents at hand, for errors: where images differ by their names alone, through the first."""

    tree: PlannedTree

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._right: set[Any] = set()

    def _image_group(self, path: str, group: zarr.Group) -> None:
        known, before = self._judged(path, group), len(self.findings)
        if known is None or known not in self._right:
            super()._image_group(path, group)
            if not any(finding.severity == "error" for finding in self.findings[before:]):
                self._right.add(known)

    def _judged(self, path: str, group: zarr.Group) -> Any:
        """Return all that an image is judged by; None where it has labels, or refers to more than its levels."""
        names = self.tree.names(path)
        attributes = dict(group.attrs)
        document, named = without_names(self.fmt.unwrap(attributes))
        images = entries_of(document.get("multiscales"))
        further = any("coordinateTransformations" in image for image in images if isinstance(image, Mapping))
        if "labels" in names or not named or further:
            return None
        levels = [(name, *self.tree.documents(joined(path, name))) for name in named_paths(document)]
        return json.dumps([self.fmt.strip(attributes), document]), names, tuple(levels)


def planned_findings(
    contents: Mapping[str, bytes], names: Mapping[str, frozenset[str]], fmt: Format, tops: Sequence[str] = ("",)
) -> list[Finding]:
    """Return what `validate` would find in a store with these documents: every error.

    Args:
        contents, names: as in `PlannedTree`. fmt: the version. tops: paths of the groups to begin from.
    """
    found: list[Finding] = []
    for top in tops:
        start = f"{top}/" if top else ""
        inside = {key.removeprefix(start): content for key, content in contents.items() if key.startswith(start)}
        below = {key.removeprefix(start): n for key, n in names.items() if f"{key}/".startswith(start)}
        tree = PlannedTree(inside, {**below, "": names.get(top, frozenset())})
        walk = PlannedWalk(tree, fmt, everything=False)
        walk.root(tree.open(""))
        walk.finish()
        found += [attrs.evolve(f, where=f"/{top}{f.where}") if top else f for f in walk.findings]
    return found
