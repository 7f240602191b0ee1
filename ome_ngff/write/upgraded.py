"""The documents of a hierarchy in another version: from documents to documents, or why there can be none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ..exceptions import CodecError, FormatError, NgffError
from ..spec import (
    Format,
    Restated,
    is_image,
    restate,
    stated_version,
    states_ome,
    with_names,
    without_names,
)
from ..store import Change, Hierarchy, NodeDocuments, array_to_v2, array_to_v3, key_of
from ..text import listed, show
from .hierarchies import FORMATS, named_below

_MOST = 20  # reasons that a message lists


@attrs.define(eq=False)
class UpgradePlan:
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
    def of(cls, hierarchy: Hierarchy, source: Format, to: Format, *, lossy: bool) -> UpgradePlan:
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
            raise kind(
                f"it cannot become OME-Zarr {to.version}: {enumerated(plan.faults)}. Write a copy of it instead."
            )
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
        others = (fmt for fmt in FORMATS if fmt.dialect.namespace != source.dialect.namespace)
        if any(states_ome(fmt.unwrap(attributes), name) for fmt in others):
            raise FormatError("it has metadata in the way of another version, too; delete those of one")
        if document and (source.dialect.namespace or states_ome(document, name)):
            found = self._restated(document, self._links.get(path))
            self.losses += [f"/{path}: {loss}" for loss in found.losses]
            self.images += is_image(document)
            self._names |= {key_of(path, level): axes for level, axes in found.names.items()}
            self._links |= {key_of(path, label): link for label, link in found.links.items()}
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
            return {key_of(path, "zarr.json"): _dumped({**known, "attributes": attributes})}
        more = {key_of(path, ".zattrs"): _dumped(attributes)} if attributes else {}
        return {key_of(path, ".zgroup"): _dumped({"zarr_format": 2}), **more}

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
                return {key_of(path, "zarr.json"): _dumped({**found, "dimension_names": names})}
            return {key: self.old[key] for key in _keys(path, node)}
        known = (*(self.old[key] for key in _keys(path, node)), *(names or ("",)))
        if known not in self._arrays:  # most images of a plate have the same ones
            self._arrays[known] = self._restored(node, names)
        return {key_of(path, name): content for name, content in self._arrays[known].items()}

    def _restored(self, node: NodeDocuments, names: list[str] | None) -> dict[str, bytes]:
        if self.to.zarr_format == 3:
            found = node.found[".zarray"]
            names = names if names is not None and len(names) == len(found.get("shape") or ()) else None
            return {"zarr.json": _dumped(array_to_v3(found, node.attributes, names))}
        document, attributes = array_to_v2(node.found["zarr.json"])
        more = {".zattrs": _dumped(attributes)} if attributes else {}
        return {".zarray": _dumped(document), **more}


def _keys(path: str, node: NodeDocuments) -> Iterator[str]:
    return (key_of(path, name) for name in node.found)


def _dumped(document: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(document, allow_nan=False).encode()
    except ValueError as error:
        raise FormatError("its attributes have NaN or infinity, which JSON does not have") from error


def enumerated(reasons: list[str]) -> str:
    """Return reasons, each "PATH: WHY", with the paths that have the same one together."""
    paths: dict[str, list[str]] = {}
    for reason in reasons:
        path, _, why = reason.partition(": ")
        paths.setdefault(why, []).append(path)
    said = [f"{listed(where, 3, ', ')}: {why}" for why, where in paths.items()]
    more = f"; and {len(said) - _MOST} more" if len(said) > _MOST else ""
    return "; ".join(said[:_MOST]) + more
