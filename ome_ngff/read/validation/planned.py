"""Documents that are not stored yet against the specification, as they would stand in a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs
import zarr
from zarr.storage import MemoryStore

from ...exceptions import Finding
from ...spec import Format
from ...store import node_of, parse_json
from .tree import Node, Tree, joined
from .walk import Walk


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
        stored = tuple(self.read(joined(path, name)) for name in ("zarr.json", ".zarray", ".zattrs", ".zgroup"))
        if stored not in self._arrays:
            keys = ("zarr.json", ".zarray", ".zattrs", ".zgroup")
            found = {key: parse_json(c, key) for key, c in zip(keys, stored, strict=True) if c is not None}
            node = node_of(self.store, path, found)
            if not isinstance(node, zarr.Array):
                return node
            self._arrays[stored] = node
        return self._arrays[stored]

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


def planned_findings(
    contents: Mapping[str, bytes], names: Mapping[str, frozenset[str]], fmt: Format, tops: Sequence[str] = ("",)
) -> list[Finding]:
    """Return what `validate` would find in a store with these documents.

    Args:
        contents, names: as in `PlannedTree`. fmt: the version. tops: paths of the groups to begin from.
    """
    found: list[Finding] = []
    for top in tops:
        start = f"{top}/" if top else ""
        inside = {key.removeprefix(start): content for key, content in contents.items() if key.startswith(start)}
        below = {key.removeprefix(start): n for key, n in names.items() if f"{key}/".startswith(start)}
        tree = PlannedTree(inside, {**below, "": names.get(top, frozenset())})
        walk = Walk(tree, fmt, everything=False)
        walk.root(tree.open(""))
        walk.finish()
        found += [attrs.evolve(f, where=f"/{top}{f.where}") if top else f for f in walk.findings]
    return found
