"""A stored hierarchy in another version of OME-NGFF, where it stands: documents change, and no chunk is touched.

`plan` is pure: documents in, documents out, or an error that lists all that stands in the way. `store.carry_out` is
what changes anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import attrs
from zarr.storage import StorePath

from ..exceptions import (
    CodecError,
    FormatError,
    InputError,
    NgffError,
    StoreError,
    ValidationError,
)
from ..read import planned_findings
from ..spec import (
    Format,
    Restated,
    format_for_zarr,
    format_from_version,
    format_implementations,
    restate,
    stated_version,
    states,
    states_ome,
    with_names,
    without_names,
)
from ..store import (
    LOCK,
    UNDOING,
    Change,
    Hierarchy,
    NodeDocuments,
    Target,
    array_to_v2,
    array_to_v3,
    carry_out,
    forget_copies,
    locate,
    locked,
    named_faults,
    opened,
    place,
    read_hierarchy,
    read_record,
    refuse_writers,
)
from ..text import show, warn
from .undoing import changed_target, named_below

_FORMATS = tuple(format_implementations())
_KEPT = ("scale-size",)  # what an older version only warns of, and what no new document changes
_MOST = 20  # reasons that a message lists
_ABOVE = 4  # folders above a hierarchy that may be a larger one: of a field, a well, a row, a plate


@attrs.frozen
class Upgrade:
    """Tell what an upgrade does, or has done.

    Attributes:
        source, to: the versions. images: number of images, label images included, whose version changes.
        documents: number of documents that come, change or go. losses: what the new version cannot hold, in words.
    """

    source: str
    to: str
    images: int
    documents: int
    losses: tuple[str, ...] = ()


def upgrade(
    group: Any,
    version: str | float | Format = "0.5",
    *,
    lossy: bool = False,
    dry_run: bool = False,
    store_options: Mapping[str, Any] | None = None,
) -> Upgrade:
    """Turn a stored hierarchy into another version of OME-NGFF, in place: no chunk is read, moved or written.

    An image with its labels, a plate, a collection of bioformats2raw or a scene changes as a whole. Interrupted at any
    moment, the same call goes on, and `undo` takes back what was done; `undo` also does so later, until the next
    change.

    Args:
        group: a path, a URL, a `zarr.Group`, a Zarr store or a mapping: the root of the hierarchy.
        version: to have in the end, also an older one.
        lossy: accept, with a warning each, what that version cannot hold.
        dry_run: say what would be done, and change nothing. store_options: as in `write_image`.

    Returns:
        What was done; of nothing where the hierarchy has that version.

    Raises:
        FormatError: the version cannot hold all that is there; versions are mixed, or not known.
        CodecError: the chunks cannot be described in that version. ValidationError: the new documents break rules.
        IncompleteError: something in it is being written. StoreError: it can only be read. Nothing has changed then.
    """
    to = format_from_version(version)
    target = changed_target(opened(group, store_options))
    if dry_run:
        return (_under_way(target, to) or _planned(target, to, lossy))[0]
    with named_faults(target, "upgrade it again, or undo it"), locked(target) as (_, claim):
        found, change = _under_way(target, to) or _planned(target, to, lossy, wait=True)
        if change.keys:
            carry_out(target, change, claim)
            forget_copies(target.store, target.path)
    for loss in found.losses:
        warn(f"{target}: {loss}")
    return found


def _under_way(target: Target, to: Format) -> tuple[Upgrade, Change] | None:
    """Return what was interrupted, to be finished.

    Raises:
        StoreError: it was something else than what is asked for.
    """
    record = read_record(target, done=False)
    if record is None:
        return None
    change = record.change
    upgraded = change.what["to"] if change.what["change"] == "upgrade" else None
    if record.name == UNDOING or upgraded != to.version:
        way = "undo(group)" if record.name == UNDOING or upgraded is None else f"version={upgraded!r}, or undo(group)"
        raise StoreError(f"Of {target}, {change} was interrupted; finish that first, with {way}.")
    return Upgrade(change.what["from"], to.version, 0, len(change.keys)), change


def _planned(target: Target, to: Format, lossy: bool, *, wait: bool = False) -> tuple[Upgrade, Change]:
    hierarchy = read_hierarchy(target, named_below)
    busy = [path for path, node in hierarchy.nodes.items() if wait and path and LOCK in node.names]
    for path in busy:  # until metadata are written, or the lock of who is gone was silent for long enough
        with locked(attrs.evolve(target, path=target.key(path))):
            pass
    if busy:
        hierarchy = read_hierarchy(target, named_below)
    refuse_writers(target, hierarchy)
    _refuse_part(target)
    try:
        source = _source(hierarchy)
        plan = Plan.of(hierarchy, source, to, lossy=lossy)
    except NgffError as error:
        raise type(error)(f"{target}: {error}") from None
    if plan.losses and not lossy:
        raise FormatError(
            f"{target} has what OME-Zarr {to.version} cannot hold: {_enumerated(plan.losses)}. "
            "Pass lossy=True to do without; undo brings it back."
        )
    change = plan.change
    found = planned_findings(plan.contents, plan.names(hierarchy), to, plan.tops(hierarchy)) if change.keys else []
    if errors := [finding for finding in found if finding.severity == "error" and finding.rule not in _KEPT]:
        raise ValidationError(errors)
    return Upgrade(plan.stated, to.version, plan.images, len(change.keys), tuple(plan.losses)), change


def _source(hierarchy: Hierarchy) -> Format:
    """Return the version of a hierarchy, which its root states.

    Raises:
        InputError: the root has no metadata of OME. FormatError: its version cannot be changed here.
    """
    root = hierarchy.nodes[""]
    if len(root.zarr_formats) > 1:
        raise FormatError("this is a group of Zarr v2 and v3; delete the documents of one of them")
    if root.is_array:
        raise InputError("this is an array; an image is a group of arrays")
    there = [fmt for fmt in _FORMATS if fmt.zarr_format == root.zarr_format]
    documents = [fmt.unwrap(root.attributes) for fmt in there]
    if not any(documents) or (root.zarr_format == 2 and not states_ome(documents[0], "")):
        raise InputError("this group has no metadata of OME; give an image, a plate or a collection")
    stated = stated_version(documents[0])
    for fmt in there:
        if (stated is None and root.zarr_format == 2) or (stated is not None and states(fmt, stated)):
            return fmt
    raise FormatError(f"OME-Zarr {show(stated)} cannot be changed in place; write a copy with another version")


def _refuse_part(target: Target) -> None:
    """Raise `FormatError` for a part of a larger hierarchy, which would have two versions then."""
    above: list[Any] = []
    if target.path:
        parents = [str(p) for p in PurePosixPath(target.path).parents]
        above += [StorePath(target.store, "" if p == "." else p) for p in parents]
    if target.folder is not None:
        above += [str(p) for p in islice(target.folder.parents, _ABOVE)]
    for each in above:
        store, path = locate(each)
        parent = Target(store, path, format_for_zarr(3), {})
        nodes = read_hierarchy(parent, named_below, whole=False).nodes
        attributes = nodes[""].attributes if nodes else {}
        name = path.rpartition("/")[2]
        if any(states_ome(fmt.unwrap(attributes), name) for fmt in _FORMATS):
            raise FormatError(
                f"{target} is a part of {place(store, path)}, which has one version as a whole; upgrade that."
            )


@attrs.define(eq=False)
class Plan:
    """The documents of a hierarchy in another version.

    Attributes:
        source, to: the versions. lossy: whether nodes of others may stay as they are.
        old, contents: all documents, by their keys, as they are and as they will be. stated: version of the root.
        losses: what the new version cannot hold. faults: why there can be no such hierarchy. images: how many change.
    """

    source: Format
    to: Format
    lossy: bool
    old: Mapping[str, bytes]
    stated: str
    contents: dict[str, bytes] = attrs.field(factory=dict)
    losses: list[str] = attrs.field(factory=list)
    faults: list[str] = attrs.field(factory=list)
    images: int = 0
    _names: dict[str, list[str]] = attrs.field(factory=dict)  # of the dimensions of levels, by their paths
    _links: dict[str, Any] = attrs.field(factory=dict)  # what maps label images onto their images, by their paths
    _arrays: dict[Any, dict[str, bytes]] = attrs.field(factory=dict)
    _same: dict[str, Restated] = attrs.field(factory=dict)

    @classmethod
    def of(cls, hierarchy: Hierarchy, source: Format, to: Format, *, lossy: bool) -> Plan:
        """Plan the change of a hierarchy.

        Raises:
            FormatError, CodecError: it cannot be, with all reasons.
        """
        stated = stated_version(source.unwrap(hierarchy.nodes[""].attributes)) or source.version
        plan = cls(source, to, lossy, hierarchy.contents, stated)
        if stated == to.version:
            plan.contents = dict(hierarchy.contents)
            return plan
        kinds: set[type[NgffError]] = set()
        for path, node in hierarchy.nodes.items():
            try:
                plan._refuse_mixed(node)
                new = plan._array(path, node) if node.is_array else plan._group(path, node)
            except NgffError as error:
                if lossy and isinstance(error, CodecError) and path not in plan._names:
                    plan.losses.append(f"/{path} stays as it is, in Zarr v{source.zarr_format}: {error}")
                    new = {key: plan.old[key] for key in _keys(path, node) if key in plan.old}
                else:
                    kinds.add(type(error))
                    plan.faults.append(f"/{path}: {error}")
                    continue
            plan.contents |= new
        if plan.faults:
            kind = CodecError if kinds == {CodecError} else FormatError
            raise kind(f"it cannot become OME-Zarr {to.version}: {_enumerated(plan.faults)}.")
        return plan

    @property
    def change(self) -> Change:
        """The documents that come, change or go."""
        new = {key: content for key, content in self.contents.items() if self.old.get(key) != content}
        old = {key: content for key, content in self.old.items() if self.contents.get(key) != content}
        what = {"change": "upgrade", "from": self.stated, "to": self.to.version}
        return Change(what, old, new, frozenset(self.old) & frozenset(self.contents) - frozenset(new))

    def names(self, hierarchy: Hierarchy) -> dict[str, frozenset[str]]:
        """Return what will stand directly in each group."""
        gone = {key.rpartition("/")[2] for key in self.old}
        return {path: node.names - gone | {"zarr.json"} for path, node in hierarchy.nodes.items() if not node.is_array}

    def tops(self, hierarchy: Hierarchy) -> list[str]:
        """Return the paths of the groups that all others are below: the root; where it was a scene, its images."""
        attributes = hierarchy.nodes[""].attributes
        gone = not self.to.dialect.spaces and set(self.source.unwrap(attributes)) <= {"scene", "version"}
        return [path for path in dict.fromkeys(named_below(attributes)) if path in hierarchy.nodes] if gone else [""]

    def _refuse_mixed(self, node: NodeDocuments) -> None:
        formats = node.zarr_formats
        if formats != {self.source.zarr_format}:
            both = " and ".join(f"v{each}" for each in sorted(formats))
            raise FormatError(f"it is of Zarr {both} in a hierarchy of v{self.source.zarr_format}")

    def _group(self, path: str, node: NodeDocuments) -> dict[str, bytes]:
        attributes, source, to = node.attributes, self.source, self.to
        document = source.unwrap(attributes)
        name = path.rpartition("/")[2]
        others = (fmt for fmt in _FORMATS if fmt.dialect.namespace != source.dialect.namespace)
        if any(states_ome(fmt.unwrap(attributes), name) for fmt in others):
            raise FormatError("it has metadata in the way of another version, too; delete those of one")
        if document and (source.dialect.namespace or states_ome(document, name)):
            found = self._restated(document, self._links.get(path))
            self.losses += [f"/{path}: {loss}" for loss in found.losses]
            self.images += "multiscales" in document
            self._names |= {_key(path, level): axes for level, axes in found.names.items()}
            self._links |= {_key(path, label): link for label, link in found.links.items()}
            new, foreign = to.wrap(found.document) if found.document else {}, source.strip(attributes)
            if set(new) & set(foreign):
                raise FormatError(
                    f"it has an attribute {show(sorted(set(new) & set(foreign))[0])} of others in the way"
                )
            attributes = {**foreign, **new}
        elif source.zarr_format == to.zarr_format and "consolidated_metadata" not in node.found.get("zarr.json", {}):
            return {key: self.old[key] for key in _keys(path, node) if key in self.old}
        if to.zarr_format == 3:
            known = dict(node.found.get("zarr.json", {"zarr_format": 3, "node_type": "group"}))
            known.pop("consolidated_metadata", None)
            return {_key(path, "zarr.json"): _dumped({**known, "attributes": attributes})}
        more = {_key(path, ".zattrs"): _dumped(attributes)} if attributes else {}
        return {_key(path, ".zgroup"): _dumped({"zarr_format": 2}), **more}

    def _restated(self, document: dict[str, Any], link: Any) -> Restated:
        """Restate a document; those of images that differ by their names alone, once."""
        unnamed, names = without_names(document)
        key = json.dumps(unnamed) if names and link is None else ""
        if key not in self._same:
            found = restate(document, self.source, self.to, link)
            if not key or found.links:
                return found
            self._same[key] = found
        return attrs.evolve(self._same[key], document=with_names(self._same[key].document, names))

    def _array(self, path: str, node: NodeDocuments) -> dict[str, bytes]:
        names = self._names.get(path)
        if self.source.zarr_format == self.to.zarr_format:
            found = node.found["zarr.json"] if node.zarr_format == 3 else {}
            if names and not self.to.dialect.spaces and found.get("dimension_names") != names:  # 0.6 asks for none
                return {_key(path, "zarr.json"): _dumped({**found, "dimension_names": names})}
            return {key: self.old[key] for key in _keys(path, node)}
        known = (*(self.old[key] for key in _keys(path, node)), *(names or ("",)))
        if known not in self._arrays:  # most images of a plate have the same ones
            self._arrays[known] = self._restored(node, names)
        return {_key(path, name): content for name, content in self._arrays[known].items()}

    def _restored(self, node: NodeDocuments, names: list[str] | None) -> dict[str, bytes]:
        if self.to.zarr_format == 3:
            found = node.found[".zarray"]
            names = names if names is not None and len(names) == len(found.get("shape") or ()) else None
            return {"zarr.json": _dumped(array_to_v3(found, node.attributes, names))}
        document, attributes = array_to_v2(node.found["zarr.json"])
        more = {".zattrs": _dumped(attributes)} if attributes else {}
        return {".zarray": _dumped(document), **more}


def _keys(path: str, node: NodeDocuments) -> Iterator[str]:
    return (_key(path, name) for name in node.found)


def _key(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _dumped(document: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(document, allow_nan=False).encode()
    except ValueError as error:
        raise FormatError("its attributes have NaN or infinity, which JSON has not") from error


def _enumerated(reasons: list[str]) -> str:
    more = f"; and {len(reasons) - _MOST} more" if len(reasons) > _MOST else ""
    return "; ".join(reasons[:_MOST]) + more
