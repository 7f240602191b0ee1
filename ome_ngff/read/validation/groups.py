"""Groups of a hierarchy and what they lead to: images, their labels, and what their transformations refer to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple, TypeGuard

import attrs
import zarr

from ...exceptions import Finding
from ...spec import (
    AtPath,
    CurrentFormat,
    Format,
    FormatV04,
    Rules,
    at_paths,
    entries,
    format_implementations,
    is_image,
    label_names,
    part_of,
    path_fault,
)
from ...store import MARK, PLANNED
from ..describe import format_of
from .images import LABEL, LABEL_VALUES, ImageFacts, LevelFacts, image_findings, omero_findings
from .members import DATASET, FILE, LABEL_GROUP, LABEL_LIST, LABEL_SOURCE, LABELS, NODE, NODE_FACTS, NodeFacts
from .spaces import FIELD as VECTORS
from .spaces import FIELD_THERE, MATRIX, MATRIX_THERE, PLACE, REFERENCE, systems_of
from .tree import Broken, Node, Tree, joined, spelled

Document = Mapping[str, Any]
_FIELDS = "vector fields"  # what they are counted as
_DEEPEST = 4  # groups that are searched between labels and a label image
FORMATS = tuple(format_implementations())


class GroupFacts(NamedTuple):
    """Describe a group: its document and its format."""

    document: Document
    fmt: Format


class Groups:
    """Check groups, and remember what was found.

    Attributes:
        findings: what was found. seen: numbers of what was checked. arrays: paths of all arrays.
        kind: that of the root; None if it is not OME-Zarr. fmt: the format whose rules apply.
        version: that of the format; None where none apply.
    """

    def __init__(self, tree: Tree, fmt: Format | None, everything: bool) -> None:
        self.tree = tree
        self.everything = everything
        self.findings: list[Finding] = []
        self.seen: Counter[str] = Counter()
        self.arrays: dict[str, None] = {}
        self.kind: str | None = None
        self.version: str | None = None
        self.fmt: Format = fmt or CurrentFormat()
        self._fmt_given = fmt is not None
        self._fields: dict[str, list[ImageFacts]] = {}

    def _ask(self, rules: Rules, *part: Any) -> None:
        self.findings.extend(rules(*part))

    def _group(self, path: str, group: zarr.Group, kind: str | None) -> GroupFacts:
        attributes, where, zarr_format = dict(group.attrs), spelled(path), group.metadata.zarr_format
        fmt = format_of(group) if path else self.fmt
        mark = part_of(attributes.get(MARK), "incomplete")
        twice = "Zarr v2 and of v3" if path in self.tree.twice else ""
        if "ome" in attributes and FormatV04().unwrap(attributes):
            twice = f"OME-Zarr 0.4 and of OME-Zarr {fmt.version}"
        self._ask(NODE_FACTS, NodeFacts(where, zarr_format, fmt, self.fmt, mark, twice))
        document = fmt.unwrap(attributes)
        begun = mark is not None or part_of(attributes.get(MARK), PLANNED) is not None
        for finding in fmt.findings(attributes, kind) if document or not begun else ():
            inside = finding.where not in ("attributes", "")
            self.findings.append(attrs.evolve(finding, where=f"{where}: {finding.where}" if inside else where))
        self.tree.watch(path, group, self._files(path, group).get(joined(path, "zarr.json"), b""))
        return GroupFacts(document, fmt)

    def _files(self, path: str, node: zarr.Group | zarr.Array[Any]) -> dict[str, bytes]:
        """Read and check the metadata files of a node; the numbers of a group are checked with its document."""
        found = dict(self.tree.files(path, node))
        for name, content in found.items():
            self._ask(FILE, spelled(name), content, isinstance(node, zarr.Array))
        return found

    def _open(self, path: str, *rules: Rules) -> Node:
        """Open a node that should be readable; more `rules` check that it is what a document says."""
        node = self.tree.open(path)
        for asked in (NODE, *rules):
            self._ask(asked, spelled(path), node)
        return node

    def _below(self, parent: str, paths: Iterable[Any], rules: Rules) -> dict[str, zarr.Group]:
        """Open the groups that a document names below a group; faults of the names are found with the document."""
        good = dict.fromkeys(path for path in paths if not path_fault(path))
        absent = self.tree.absent(parent, good)
        found = {}
        for path in good:
            full = joined(parent, path)
            if path in absent:
                self._ask(rules, spelled(full), None)
            elif isinstance(node := self._open(full, rules), zarr.Group):
                found[full] = node
        return found

    # Images --------------------------------------------------------------------------------------------------------

    def _image_group(self, path: str, group: zarr.Group) -> None:
        facts = self._group(path, group, "image")
        self._labels(path, facts, self._image(path, facts))

    def _image(self, path: str, facts: GroupFacts, kind: str = "images") -> list[ImageFacts]:
        """Check the arrays of each image that a group has; most have one."""
        images = []
        for where, multiscale in entries(facts.document.get("multiscales"), f"{spelled(path)}: multiscales"):
            good: dict[str, Document] = {}
            flattened = facts.fmt.flat(multiscale)
            for _, dataset in entries(flattened.get("datasets"), ""):
                if not path_fault(dataset.get("path")):
                    good.setdefault(dataset["path"], dataset)
            absent = self.tree.absent(path, good)
            levels = [
                self._level(joined(path, name), name in absent, (dataset, flattened), facts.fmt)
                for name, dataset in good.items()
            ]
            images.append(ImageFacts(where, flattened, tuple(levels)))
            self.findings.extend(image_findings(images[-1], facts.fmt))
        self.findings.extend(omero_findings(facts.document.get("omero"), images))
        self._ask(LABEL_VALUES, spelled(path), facts.document.get("image-label"))
        self.seen[kind] += bool(images)
        for where, multiscale in entries(facts.document.get("multiscales"), f"{spelled(path)}: multiscales"):
            if facts.fmt.dialect.spaces and kind != _FIELDS:
                self._edges(path, multiscale, where)
        return images

    def _level(self, path: str, absent: bool, parts: tuple[Document, ...], fmt: Format) -> LevelFacts:
        if absent:
            self._ask(DATASET, spelled(path), None)
        node = None if absent else self._open(path, DATASET)
        level = LevelFacts.of(spelled(path), node, parts)
        if isinstance(level.node, Broken) and not isinstance(node, Broken):
            self._ask(NODE, level.where, level.node)
        if level.zarr_format is not None and path not in self.arrays:
            self.arrays[path] = None
            self.seen["arrays"] += 1
            self._ask(NODE_FACTS, NodeFacts(level.where, level.zarr_format, fmt, fmt))
            if isinstance(level.node, zarr.Array):
                self._files(path, level.node)
        return level

    # Spaces --------------------------------------------------------------------------------------------------------

    def _edges(self, path: str, holder: Any, where: str, *, in_scene: bool = False) -> None:
        """Check what the transformations of an image or a scene refer to: systems of others, stored parameters."""
        known: dict[str, dict[str, Any] | None] = {"": systems_of([holder])}
        for at, edge in entries(part_of(holder, "coordinateTransformations"), f"{where}.coordinateTransformations"):
            axes: list[Any] = []
            for end in ("input", "output"):
                below, name = part_of(edge.get(end), "path") or "", part_of(edge.get(end), "name")
                if path_fault(below or "here"):
                    axes.append(None)
                    continue
                if below not in known:
                    known[below] = self._systems(joined(path, below))
                if below:
                    self._ask(REFERENCE, f"{at}.{end}", below, name, known[below])
                axes.append((known[below] or {}).get(name) if isinstance(name, str) else None)
            for found in at_paths(edge, axes[0], None if axes[1] is None else len(axes[1]), at):
                self._parameters(path, found, in_scene)

    def _systems(self, path: str) -> dict[str, Any] | None:
        """Return the coordinate systems of an image; None where there is none."""
        node = self.tree.open(path)
        return systems_of(format_of(node).unwrap(node.attrs)["multiscales"]) if has_part(node, "multiscales") else None

    def _parameters(self, path: str, found: AtPath, in_scene: bool) -> None:
        full = joined(path, found.path)
        for above in PurePosixPath(found.path).parents[:-1]:
            if (between := joined(path, str(above))) not in self._fields:
                self._fields[between] = []
                self._open(between)
        node = self._open(full, MATRIX_THERE if found.is_matrix else FIELD_THERE)
        if in_scene:
            self._ask(PLACE, found.where, found.path)
        if found.is_matrix:
            self._ask(MATRIX, spelled(full), node, found)
        elif isinstance(node, zarr.Group):
            if full not in self._fields:
                self._fields[full] = self._image(full, self._group(full, node, "image"), _FIELDS)
            for field in self._fields[full][:1]:
                self._ask(VECTORS, field, found)

    # Labels --------------------------------------------------------------------------------------------------------

    def _labels(self, path: str, facts: GroupFacts, images: list[ImageFacts]) -> None:
        """Check the group of the label images of an image, if it has one; label images have none themselves."""
        paths = [d.get("path") for i in images for _, d in entries(i.document.get("datasets"), "")]
        here = joined(path, "labels")
        if "image-label" in facts.document or not images or "labels" in paths:
            return
        node = self._open(here)
        found = self._unlisted(here, "", frozenset(), _DEEPEST)[0] if node is None else []
        self._ask(LABELS, spelled(here), node, found)
        if isinstance(node, zarr.Group):
            self._label_list(here, self._group(here, node, "labels").document, images[0])

    def _label_list(self, path: str, document: Document, image: ImageFacts | None = None) -> None:
        names = label_names(document)
        for full, group in self._below(path, names, LABEL_GROUP).items():
            facts = self._group(full, group, "label")
            self._label(full, facts.document, self._image(full, facts, "labels"), image, path.rpartition("/")[0])
        unlisted, between = self._unlisted(path, "", frozenset(names), _DEEPEST)
        self._ask(LABEL_LIST, spelled(path), unlisted, between)

    def _label(
        self, path: str, document: Document, labels: list[ImageFacts], image: ImageFacts | None, parent: str
    ) -> None:
        """Check a label image against its image, whose path is `parent`."""
        for label in labels[:1]:
            self._ask(LABEL, label, image)
        source = part_of(part_of(document.get("image-label"), "source"), "image")
        leads = None if path_fault(source, climb=True) else followed(path, source)
        if leads is not None and leads != parent:
            node = self.tree.open(leads)
            self._ask(LABEL_SOURCE, spelled(path), isinstance(node, Broken) or has_part(node, "multiscales"))

    def _unlisted(self, path: str, below: str, listed: frozenset[str], deep: int) -> tuple[list[str], list[str]]:
        """Return the paths of unlisted label images, and of groups above them with metadata, relative to `path`."""
        unlisted, between = [], []
        for name in sorted(self.tree.names(joined(path, below))) if deep else ():
            here = joined(below, name)
            group = None if here in listed else self._open(joined(path, here))
            if not isinstance(group, zarr.Group):
                continue
            document = format_of(group).unwrap(group.attrs)
            if MARK in group.attrs:
                self._group(joined(path, here), group, "label")
            elif is_image(document):
                unlisted.append(here)
            else:
                more = self._unlisted(path, here, listed, deep - 1)
                leads = any(other.startswith(f"{here}/") for other in (*listed, *more[0]))
                between += [here] * bool(document and leads) + more[1]
                unlisted += more[0]
        return unlisted, between


def has_part(node: Node, key: str) -> TypeGuard[zarr.Group]:
    """Return whether a node is a group with this part in its metadata of any version."""
    return isinstance(node, zarr.Group) and any(key in fmt.unwrap(node.attrs) for fmt in FORMATS)


def followed(path: str, link: str) -> str | None:
    """Return the path that a relative link from a group leads to; None if it leads out of the store."""
    steps = path.split("/") if path else []
    for step in link.split("/"):
        if step == ".." and not steps:
            return None
        steps = steps[:-1] if step == ".." else [*steps, step] if step not in ("", ".") else steps
    return "/".join(steps)
