"""How a hierarchy will be, as documents and folders: what a change fills before anything is touched."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ..exceptions import Finding, ValidationError
from ..read import planned_findings
from ..spec import Format
from ..store import Change, Hierarchy, NodeDocuments, Target, begin_cells, key_of, list_objects

_STYLES: tuple[dict[str, Any], ...] = ({"indent": 2}, {"indent": 4}, {}, {"separators": (",", ":")})
_ROOTS = {2: ".zattrs", 3: "zarr.json"}
_COPY = "consolidated_metadata"


@attrs.define(eq=False)
class Draft:
    """Collect how a hierarchy will be.

    Attributes:
        target: its group, as it is. hierarchy: its documents. contents: as they will be, by their keys.
        goes: paths of nodes that go. comes: those that come, each with what puts it to where it waits for that.
        words: what is done besides, for whoever reads the difference.
    """

    target: Target
    hierarchy: Hierarchy
    contents: dict[str, bytes]
    goes: list[str] = attrs.field(factory=list)
    comes: dict[str, Callable[[str], object]] = attrs.field(factory=dict)
    words: list[str] = attrs.field(factory=list)
    _before: dict[str, bytes] = attrs.field(factory=dict)
    _names: dict[str, frozenset[str]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, target: Target, hierarchy: Hierarchy) -> Draft:
        """Begin with a hierarchy as it is, without consolidated metadata, which would be untrue."""
        names = {path: node.names for path, node in hierarchy.nodes.items() if not node.is_array}
        draft = cls(target, hierarchy, dict(hierarchy.contents), before=dict(hierarchy.contents), names=names)
        for key in [key for key in draft.contents if key.endswith(".zmetadata")]:
            del draft.contents[key]
        for path, node in hierarchy.nodes.items():
            found = node.found.get("zarr.json", {})
            if _COPY in found:
                key = key_of(path, "zarr.json")
                draft.contents[key] = draft._styled(key, {k: v for k, v in found.items() if k != _COPY})
        return draft

    @property
    def fmt(self) -> Format:
        return self.target.fmt

    def node(self, path: str) -> NodeDocuments | None:
        """Return a node as it is; None where there is none."""
        return self.hierarchy.nodes.get(path)

    def document(self, path: str = "") -> dict[str, Any]:
        """Return the OME metadata of a group as it will be."""
        return self.fmt.unwrap(self._attributes(path))

    def attributes(self, path: str = "") -> dict[str, Any]:
        """Return the attributes of others of a group as they will be."""
        return self.fmt.strip(self._attributes(path))

    def names(self, path: str) -> frozenset[str]:
        """Return what will stand directly in a group."""
        return self._names.get(path, frozenset())

    def _attributes(self, path: str) -> dict[str, Any]:
        found = json.loads(self.contents.get(key_of(path, _ROOTS[self.fmt.zarr_format]), b"{}"))
        return dict((found.get("attributes") or {}) if self.fmt.zarr_format == 3 else found)

    def put(self, path: str, document: Mapping[str, Any], attributes: Mapping[str, Any] | None = None) -> None:
        """Give a group other OME metadata, and other attributes of others; the order of the keys stays."""
        self.contents |= self.written(path, document, attributes)
        self._name(key_of(path, _ROOTS[self.fmt.zarr_format]), there=True)

    def written(
        self, path: str, document: Mapping[str, Any], attributes: Mapping[str, Any] | None = None
    ) -> dict[str, bytes]:
        """Return the documents that `put` would put, by their keys."""
        there, namespace = self._attributes(path), self.fmt.dialect.namespace
        ours = {namespace: dict(document)} if namespace and document else dict(document)
        ours = {**ours, **(self.fmt.strip(there) if attributes is None else attributes)}
        found = {key: ours[key] for key in (*(k for k in there if k in ours), *ours)}
        key, more = key_of(path, _ROOTS[self.fmt.zarr_format]), {}
        if self.fmt.zarr_format == 3:
            known = json.loads(self.contents.get(key, b"{}")) or {"zarr_format": 3, "node_type": "group"}
            found = {**known, "attributes": found}
        elif key_of(path, ".zgroup") not in self.contents:
            more[key_of(path, ".zgroup")] = _styled({"zarr_format": 2}, b"")
        return {**more, key: self._styled(key, found)}

    def _styled(self, key: str, found: Mapping[str, Any]) -> bytes:
        there = self.contents.get(key)
        return there if there is not None and json.loads(there) == found else _styled(found, self._before.get(key, b""))

    def drop(self, path: str) -> None:
        """Let the documents of a node go."""
        node = self.node(path)
        for name in node.found if node else ():
            self.contents.pop(key_of(path, name), None)
        self._names.pop(path, None)
        self._name(path, there=False)

    def go(self, path: str) -> None:
        """Let a node go, with all that is in it; it is kept to be undone."""
        self.goes.append(path)
        for holder in (self.contents, self._before):
            for key in [key for key in holder if key.startswith(f"{path}/")]:
                del holder[key]
        self._names = {of: names for of, names in self._names.items() if not f"{of}/".startswith(f"{path}/")}
        self._name(path, there=False)

    def come(self, path: str, documents: Mapping[str, bytes], bring: Callable[[str], object]) -> None:
        """Let a node come.

        Args:
            path: where. documents: those in it, by their keys below it. bring: puts it all to the path it is given.
        """
        self.comes[path] = bring
        self.contents |= {f"{path}/{key}": content for key, content in documents.items()}
        self._before |= {f"{path}/{key}": content for key, content in documents.items()}
        for key in documents:
            self._name(f"{path}/{key}", there=True)

    def _name(self, path: str, *, there: bool) -> None:
        """Note that something stands at a path, and groups above it; or that nothing does."""
        above, _, name = path.rpartition("/")
        names = self._names.get(above, frozenset())
        self._names[above] = names | {name} if there else names - {name}
        if there and above:
            self._name(above, there=True)

    def change(self, what: Mapping[str, str]) -> Change:
        """Return the change, as far as it can be told before anything is prepared.

        Raises:
            ValidationError: the hierarchy would break rules that it does not break now.
        """
        new = {key: content for key, content in self.contents.items() if self._before.get(key) != content}
        old = {key: content for key, content in self._before.items() if self.contents.get(key) != content}
        root, marked = _ROOTS[self.fmt.zarr_format], frozenset[str]()
        if len({*old, *new, *self.goes, *self.comes}) > 1 and root in self._before and root in self.contents:
            old[root], new[root], marked = self._before[root], self.contents[root], frozenset({root})
        known = {(f.rule, f.where) for f in self._findings(self.hierarchy.contents, self._found_names)}
        new_ones = (f for f in self._findings(self.contents, self._names) if (f.rule, f.where) not in known)
        if errors := [finding for finding in new_ones if finding.severity == "error"]:
            raise ValidationError(errors)
        kept = frozenset(set(self.contents) & set(self._before) - set(new))
        return Change(what, old, new, kept, marked)

    def prepared(self, what: Mapping[str, str]) -> Change:
        """Return the change, once what comes waits for that; the group is locked."""
        change = self.change(what)
        if not (self.goes or self.comes):
            return change
        ready = begin_cells(self.target)
        for path, bring in self.comes.items():
            bring(ready.new(path))
        keys = [*self.comes, *(path for path in self.goes if path not in self.comes)]
        if self.target.folder is None:  # where there are no folders
            places = [*((path, ready.new(path)) for path in self.comes), *((path, path) for path in self.goes)]
            keys = list(dict.fromkeys(f"{path}/{key}" for path, of in places for key in list_objects(self._at(of))))
        return attrs.evolve(change, cells=ready.prepared(keys), name=ready.name)

    def _at(self, path: str) -> Target:
        return attrs.evolve(self.target, path=self.target.key(path))

    def _findings(self, contents: Mapping[str, bytes], names: Mapping[str, frozenset[str]]) -> list[Finding]:
        return planned_findings(contents, names, self.fmt)

    @property
    def _found_names(self) -> dict[str, frozenset[str]]:
        return {path: node.names for path, node in self.hierarchy.nodes.items() if not node.is_array}


def _styled(document: Mapping[str, Any], old: bytes) -> bytes:
    """Write a document in the way in which the old one is written, so that an edit and its inverse give the same."""
    there = old.decode(errors="replace")
    known = json.loads(old) if old else None
    for style, plain, end in itertools.product(_STYLES, (True, False), ("", "\n")):
        if known is not None and json.dumps(known, ensure_ascii=plain, **style) + end == there:
            return f"{json.dumps(document, ensure_ascii=plain, **style)}{end}".encode()
    return json.dumps(document, indent=2).encode()
