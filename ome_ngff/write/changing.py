"""Changes of a hierarchy, as documents and folders: planned under its lock, recorded, carried out, or shown."""

from __future__ import annotations

import difflib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from ..exceptions import Finding, StoreError, ValidationError
from ..read import planned_findings
from ..spec import Format
from ..store import (
    LOCK,
    UNDOING,
    Change,
    Hierarchy,
    NodeDocuments,
    Target,
    begin_cells,
    carry_out,
    find_target,
    forget_copies,
    list_objects,
    locked,
    named_faults,
    read_hierarchy,
    read_record,
    refuse_writers,
)
from .undoing import changed_target, named_below

_STYLES: tuple[dict[str, Any], ...] = ({"indent": 2}, {"indent": 4}, {}, {"separators": (",", ":")})
_ROOTS = {2: ".zattrs", 3: "zarr.json"}
_COPY = "consolidated_metadata"


@attrs.frozen
class Edit:
    """Tell what a change does, or has done.

    Attributes:
        change: in words. documents: number of documents that come, change or go.
        diff: the differences of the documents, and what moves, as text; empty where nothing changes.
    """

    change: str
    documents: int
    diff: str = attrs.field(repr=False)


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


def key_of(path: str, name: str) -> str:
    """Return the key of a document of a node."""
    return f"{path}/{name}" if path else name


def _styled(document: Mapping[str, Any], old: bytes) -> bytes:
    """Write a document in the way in which the old one is written, so that an edit and its inverse give the same."""
    there = old.decode(errors="replace")
    known = json.loads(old) if old else None
    for style, plain, end in itertools.product(_STYLES, (True, False), ("", "\n")):
        if known is not None and json.dumps(known, ensure_ascii=plain, **style) + end == there:
            return f"{json.dumps(document, ensure_ascii=plain, **style)}{end}".encode()
    return json.dumps(document, indent=2).encode()


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
