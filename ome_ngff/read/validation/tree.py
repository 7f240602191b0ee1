"""What stands in a store, opened without ever failing: what Zarr cannot make sense of becomes a `Broken`."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import attrs
import zarr
from zarr.abc.store import Store

from ...store import default_buffer_prototype, open_node, sync

_COPY = "consolidated_metadata"


@attrs.frozen
class Broken:
    """Stand for something that is there and cannot be opened, and say why."""

    why: str


Node = zarr.Group | zarr.Array[Any] | Broken | None


class Tree:
    """Open what stands below a place in a store. All paths are relative to this place.

    Attributes:
        twice: paths of groups that have metadata of both versions of Zarr.
        stale: for each group with consolidated metadata, the paths of which that says something else.
    """

    def __init__(self, store: Store, root: str) -> None:
        self.store = store
        self.root = root
        self.twice: list[str] = []
        self.stale: dict[str, list[str]] = {}
        self._copies: dict[str, dict[str, str]] = {}
        self._opened: set[str] = set()

    def key(self, path: str) -> str:
        """Give the key in the store of something below the root."""
        return joined(self.root, path)

    def open(self, path: str) -> Node:
        """Open a group or an array; None where there is nothing."""
        node: Node
        self._opened.add(path)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                node = open_node(self.store, self.key(path))
                if isinstance(node, zarr.Group):
                    dict(node.attrs)
            except Exception as error:  # there is no end to what garbage makes Zarr, or a file system, raise
                node = Broken(reason(error.__cause__ or error))
        if node is None and any(self.has(joined(path, name)) for name in ("zarr.json", ".zgroup", ".zarray")):
            node = Broken("its metadata is that of no group and of no array")
        if any("Both zarr.json" in str(warning.message) for warning in said):
            self.twice.append(path)
        self._compare(path, node)
        return node

    def has(self, path: str) -> bool:
        """Tell whether there is a key, such as a file, of this name."""
        try:
            return sync(self.store.exists(self.key(path)))
        except Exception:
            return False

    def names(self, path: str) -> frozenset[str]:
        """List what lies directly below a place; empty where there is nothing, or where the store cannot list."""

        async def listed() -> list[str]:
            return [name async for name in self.store.list_dir(self.key(path))]

        try:
            return frozenset(name.strip("/").rpartition("/")[2] for name in sync(listed()))
        except Exception:
            return frozenset()

    def absent(self, parent: str, paths: Iterable[str]) -> set[str]:
        """Tell which of many paths below a group lead to nothing, by one listing per folder and opening none.

        Where the store cannot list, all of them may be there.
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
        """Compare what is opened from now on below a group with the consolidated metadata that it has, if any."""
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
                self._copies[path] = {name: _said(metadata) for name, metadata in copy.flattened_metadata.items()}
            if zarr_format == 2 and json.loads(file)["metadata"].get(".zattrs", {}) != dict(group.attrs):
                self.stale[path] = [path]
        except Exception:
            self.stale[path] = [path]

    def _compare(self, path: str, node: Node) -> None:
        """Note where consolidated metadata says something else of a node than the node itself."""
        for group, copy in self._copies.items():
            if path != group and (not group or path.startswith(f"{group}/")):
                here = _said(node.metadata) if isinstance(node, (zarr.Group, zarr.Array)) else None
                if here != copy.get(path[len(group) :].strip("/")):
                    self.stale.setdefault(group, []).append(path)

    def look_for_the_rest(self) -> None:
        """Note what consolidated metadata says of things that nobody asked for, and that are not there."""
        for group, copy in self._copies.items():
            gone = sorted(self.absent(group, (name for name in copy if joined(group, name) not in self._opened)))
            if gone:
                self.stale.setdefault(group, []).extend(joined(group, name) for name in gone)

    def files(self, path: str, node: zarr.Group | zarr.Array[Any]) -> Iterator[tuple[str, bytes]]:
        """Yield the files that the metadata of a node stands in: their paths, and what is in them."""
        own = ".zgroup" if isinstance(node, zarr.Group) else ".zarray"
        for name in ("zarr.json",) if node.metadata.zarr_format == 3 else (own, ".zattrs"):
            content = None
            with suppress(Exception):  # it was read a moment ago, when the node was opened
                content = self.read(joined(path, name))
            if content is not None:
                yield joined(path, name), content

    def read(self, path: str) -> bytes | None:
        """Return what is stored under a key, or None."""
        found = sync(self.store.get(self.key(path), default_buffer_prototype()))
        return None if found is None else found.to_bytes()


def joined(*parts: str) -> str:
    """Join paths, some of which may be empty."""
    return "/".join(part for part in parts if part)


def spelled(path: str) -> str:
    """Write a path from the root, "/labels/cells", with what cannot be printed escaped."""
    return "/" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path)


def reason(error: BaseException) -> str:
    """Say in a short line why something failed."""
    lines = str(error).strip().splitlines() or [""]
    text = f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__
    return spelled(text)[1:200]


def _said(metadata: Any) -> str:
    """Return the metadata of a group or array as text that is equal where the metadata is."""
    files = {}
    for name, buffer in metadata.to_buffer_dict(default_buffer_prototype()).items():
        content = json.loads(buffer.to_bytes())
        if isinstance(content, dict):
            content.pop(_COPY, None)
        if name != ".zmetadata":
            files[name] = content
    return json.dumps(files, sort_keys=True)
