"""The nodes of a store, opened without ever failing: what Zarr cannot open becomes a `Broken`."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import attrs
import zarr
from zarr.abc.store import Store

from ...store import default_buffer_prototype, get_bytes, open_node, sync
from ...text import printable

_COPY = "consolidated_metadata"


@attrs.frozen
class Broken:
    """A node that exists but cannot be opened, and why."""

    why: str


Node = zarr.Group | zarr.Array[Any] | Broken | None


class Tree:
    """Open the nodes below a place in a store. All paths are relative to this place.

    Attributes:
        twice: paths of nodes that have metadata of both versions of Zarr.
        stale: paths at which the consolidated metadata of a group differs from the nodes, by the path of the group.
    """

    def __init__(self, store: Store, root: str) -> None:
        self.store = store
        self.root = root
        self.twice: list[str] = []
        self.stale: dict[str, list[str]] = {}
        self._copies: dict[str, dict[str, str]] = {}
        self._opened: set[str] = set()
        self._listings: dict[str, frozenset[str]] = {}

    def key(self, path: str) -> str:
        return joined(self.root, path)

    def open(self, path: str) -> Node:
        """Open a group or an array; return None if nothing is stored there."""
        node: Node
        self._opened.add(path)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                node = open_node(self.store, self.key(path))
                if isinstance(node, zarr.Group):
                    dict(node.attrs)
            except Exception as error:  # broken metadata can make Zarr, or a file system, raise anything
                node = Broken(reason(error.__cause__ or error))
        if node is None and any(self.has(joined(path, name)) for name in ("zarr.json", ".zgroup", ".zarray")):
            node = Broken("its metadata describes neither a group nor an array")
        if any("Both zarr.json" in str(warning.message) for warning in caught):
            self.twice.append(path)
        self._compare(path, node)
        return node

    def has(self, path: str) -> bool:
        """Return whether the store has this key, such as a file; False if it cannot be asked."""
        try:
            return sync(self.store.exists(self.key(path)))
        except Exception:
            return False

    def names(self, path: str) -> frozenset[str]:
        """Return the names directly below a path; empty if there are none, or the store cannot list."""

        async def listed() -> list[str]:
            return [name async for name in self.store.list_dir(self.key(path))]

        if path not in self._listings:
            self._listings[path] = frozenset()
            with suppress(Exception):
                self._listings[path] = frozenset(name.strip("/").rpartition("/")[2] for name in sync(listed()))
        return self._listings[path]

    def absent(self, parent: str, paths: Iterable[str]) -> set[str]:
        """Return which of many paths below a group do not exist, from one listing per folder, without opening any.

        If the store cannot list, the result is empty.
        """
        names, found = self.names(parent), set()
        below: dict[str, dict[str, str]] = {}
        for path in paths if names else ():
            head, _, rest = path.partition("/")
            if head not in names:
                found.add(path)
            elif rest:
                below.setdefault(head, {})[rest] = path
        for head, rests in below.items():
            found |= {rests[rest] for rest in self.absent(joined(parent, head), rests)}
        return found

    def watch(self, path: str, group: zarr.Group, zarr_json: bytes) -> None:
        """Compare all nodes that are opened later below a group with its consolidated metadata, if it has any."""
        zarr_format = group.metadata.zarr_format
        try:
            file = self.read(joined(path, ".zmetadata")) if zarr_format == 2 else zarr_json
            if file is None or (zarr_format == 3 and _COPY.encode() not in file):
                return
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = zarr.open_group(store=self.store, path=self.key(path), mode="r", zarr_format=zarr_format)
            copy = found.metadata.consolidated_metadata
            if copy is not None:
                self._copies[path] = {name: _canonical(metadata) for name, metadata in copy.flattened_metadata.items()}
            if zarr_format == 2 and json.loads(file)["metadata"].get(".zattrs", {}) != dict(group.attrs):
                self.stale[path] = [path]
        except Exception:
            self.stale[path] = [path]

    def _compare(self, path: str, node: Node) -> None:
        """Record in which consolidated metadata a node differs from the node itself."""
        for group, copy in self._copies.items():
            if path != group and (not group or path.startswith(f"{group}/")):
                here = _canonical(node.metadata) if isinstance(node, (zarr.Group, zarr.Array)) else None
                if here != copy.get(path[len(group) :].strip("/")):
                    self.stale.setdefault(group, []).append(path)

    def compare_unopened(self) -> None:
        """Record nodes that are in consolidated metadata, but were never opened and do not exist."""
        for group, copy in self._copies.items():
            gone = sorted(self.absent(group, (name for name in copy if joined(group, name) not in self._opened)))
            if gone:
                self.stale.setdefault(group, []).extend(joined(group, name) for name in gone)

    def files(self, path: str, node: zarr.Group | zarr.Array[Any]) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of the metadata files of a node."""
        own = ".zgroup" if isinstance(node, zarr.Group) else ".zarray"
        for name in ("zarr.json",) if node.metadata.zarr_format == 3 else (own, ".zattrs"):
            content = None
            with suppress(Exception):  # it could be read a moment ago, when the node was opened
                content = self.read(joined(path, name))
            if content is not None:
                yield joined(path, name), content

    def read(self, path: str) -> bytes | None:
        return sync(get_bytes(self.store, self.key(path)))


def joined(*parts: str) -> str:
    """Join paths, ignoring empty ones."""
    return "/".join(part for part in parts if part)


def spelled(path: str) -> str:
    """Return a path from the root, such as "/labels/cells", with unprintable characters escaped."""
    return "/" + printable(path)


def reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    text = f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__
    return spelled(text)[1:200]


def _canonical(metadata: Any) -> str:
    """Return the metadata of a group or array as text that is equal if and only if the metadata is."""
    files = {}
    for name, buffer in metadata.to_buffer_dict(default_buffer_prototype()).items():
        content = json.loads(buffer.to_bytes())
        if isinstance(content, dict):
            content.pop(_COPY, None)
        if name != ".zmetadata":
            files[name] = content
    return json.dumps(files, sort_keys=True)
