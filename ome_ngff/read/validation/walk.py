"""The walk through a hierarchy: which groups are opened, and which rules apply to each.

A kind of group only ever leads to smaller ones (plate, well, image, labels, label image), so there are no loops. Paths
that lead out of the store are findings, and are not followed.
"""

from __future__ import annotations

import itertools
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
    is_list,
    is_name,
    kind_of,
    label_names,
    part_of,
    path_fault,
    scene_paths,
)
from ...store import MARK, PLANNED
from ..describe import format_of
from .images import LABEL, LABEL_VALUES, ImageFacts, LevelFacts, image_findings, omero_findings
from .members import COPY, DATASET, FILE, LABEL_GROUP, LABEL_LIST, LABEL_SOURCE, LABELS, NODE, NODE_FACTS, NodeFacts
from .plates import COLLECTION, FIELD, PLATE, PLATE_EMPTY, PLATE_SIZE, SERIES, WELL, WellFacts
from .spaces import FIELD as VECTORS
from .spaces import FIELD_THERE, MATRIX, MATRIX_THERE, PLACE, REFERENCE, SCENE, systems_of
from .tree import Broken, Node, Tree, joined, spelled

Document = Mapping[str, Any]
MOST_WELLS = 1536  # wells of the largest plate on the market
_FIELDS = "vector fields"  # what they are counted as
_DEEPEST = 4  # groups that are searched between labels and a label image
_FORMATS = tuple(format_implementations())


class GroupFacts(NamedTuple):
    """Describe a group: its document and its format."""

    document: Document
    fmt: Format


class Walk:
    """Go through a hierarchy once.

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

    def root(self, node: Node) -> None:
        if not isinstance(node, zarr.Group):
            self._ask(NODE, "/", node)
            if isinstance(node, zarr.Array):
                what = "This is an array, but an image is a group of arrays."
                self.findings.append(Finding("error", "document-kind", "/", what, "Check the group that holds it."))
            return
        if not self._fmt_given:
            self.fmt = format_of(node)
        facts = self._group("", node, None)
        document = facts.document
        if document or MARK in node.attrs or any(fmt.unwrap(node.attrs) for fmt in _FORMATS):
            self.kind = kind_of(document)
            self.version = None if any(f.rule == "version-known" for f in self.findings) else self.fmt.version
        elif below := self.groups_below():
            hint = f"Check one of the groups below: {below}."
            self.findings = [attrs.evolve(f, hint=hint) if f.rule == "document-kind" else f for f in self.findings]
        if self.version is None:
            return
        if is_image(document):
            images = self._image("", facts)
            self._labels("", facts, images)
            if "image-label" in document:
                self._label("", document, images, None, "")
        planned = part_of(node.attrs.get(MARK), PLANNED)
        self.kind = "plate" if planned is not None else self.kind
        self._ask(PLATE_EMPTY, "/", planned)
        checks = {"labels": self._label_list, "plate": self._plate, "well": self._well, "scene": self._scene}
        for key, check in {**checks, "bioformats2raw.layout": self._collection}.items():
            if key in document and (key != "scene" or facts.fmt.dialect.spaces):
                check("", document)

    def groups_below(self) -> str:
        """Return the names of the first groups below the root, for users who gave the folder that holds images."""
        first = sorted(self.tree.names(""))[:100]
        names = (name for name in first if isinstance(self.tree.open(name), zarr.Group))
        return ", ".join(spelled(name)[1:] for name in itertools.islice(names, 3))

    def finish(self) -> None:
        """Add the findings that depend on the whole hierarchy."""
        self.tree.compare_unopened()
        for group, paths in self.tree.stale.items():
            self._ask(COPY, spelled(group), [spelled(path) for path in dict.fromkeys(paths)])

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

    def _scene(self, path: str, document: Document) -> None:
        scene, where = document["scene"], f"{spelled(path)}: scene"
        self.seen["scenes"] += 1
        placed = [below for below in scene_paths(scene) if not path_fault(below)]
        for full in (joined(path, below) for below in placed):
            if isinstance(node := self._open(full), zarr.Group):
                self._image_group(full, node)
        self._edges(path, scene, where, in_scene=True)
        known = {below.partition("/")[0] for below in placed}
        more = (name for name in sorted(self.tree.names(path) - known))
        self._ask(
            SCENE, where, scene, [name for name in more if _has(self.tree.open(joined(path, name)), "multiscales")]
        )

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
        return systems_of(format_of(node).unwrap(node.attrs)["multiscales"]) if _has(node, "multiscales") else None

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
            self._ask(LABEL_SOURCE, spelled(path), isinstance(node, Broken) or _has(node, "multiscales"))

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

    # Plates --------------------------------------------------------------------------------------------------------

    def _plate(self, path: str, document: Document) -> None:
        plate, where = document["plate"], spelled(path)
        self.seen["plates"] += 1
        listed = [str(well.get("path")) for _, well in entries(part_of(plate, "wells"), "")]
        wells = list(dict.fromkeys(well for well in listed if not path_fault(well) and well.count("/") == 1))
        absent = self.tree.absent(path, wells)
        there = [well for well in wells if well not in absent]
        opened = there
        if len(there) > MOST_WELLS and not self.everything:
            opened = [there[i * len(there) // MOST_WELLS] for i in range(MOST_WELLS)]
        above = dict.fromkeys(well.partition("/")[0] for well in opened)
        rows = [row for row in above if not isinstance(self._open(joined(path, row)), (zarr.Group, Broken))]
        fields: dict[str, Any] = {}
        for well in opened:
            full = joined(path, well)
            node = self._open(full)
            if isinstance(node, zarr.Group):
                found = self._group(full, node, "well").document
                self._well(full, found, plate)
                fields[well] = {f.get("path") for _, f in entries(part_of(found.get("well"), "images"), "")}
            elif not isinstance(node, Broken):
                absent.add(well)
        unlisted = self._unlisted_fields(path, plate, {**dict.fromkeys(listed), **fields})
        self._ask(PLATE, where, [spelled(joined(path, w)) for w in wells if w in absent], rows, unlisted)
        self._ask(PLATE_SIZE, where, len(opened), len(there))

    def _unlisted_fields(self, path: str, plate: Any, listed: Mapping[str, Any]) -> list[str]:
        """Return the paths of images that stand where fields do, and that nobody lists.

        Args:
            path, plate: of the plate. listed: what each of its wells lists, by path; None of one that is not looked at.
        """
        lines = [[p.get("name") for _, p in entries(part_of(plate, what), "")] for what in ("rows", "columns")]
        rows, found = [row for row in lines[0] if row in self.tree.names(path)], []
        wells = [f"{row}/{name}" for row in rows for name in lines[1] if name in self.tree.names(joined(path, row))]
        for full, known in ((joined(path, well), listed.get(well, ())) for well in wells):
            names = () if known is None else self.tree.names(full).difference(known)
            for name in sorted(filter(is_name, names)):
                field = self.tree.open(joined(full, name))
                if isinstance(field, zarr.Group) and part_of(field.attrs.get(MARK), "incomplete") is not None:
                    self._group(joined(full, name), field, "image")
                elif _has(field, "multiscales"):
                    found.append(spelled(joined(full, name)))
        return found

    def _well(self, path: str, document: Document, plate: Any = None) -> None:
        self.seen["wells"] += 1
        well = WellFacts(spelled(path), document.get("well"), plate)
        self._ask(WELL, well)
        for full, group in self._below(path, (f.get("path") for _, f in well.fields), FIELD).items():
            self._image_group(full, group)

    # Collections ---------------------------------------------------------------------------------------------------

    def _collection(self, path: str, document: Document) -> None:
        """Check a collection of bioformats2raw: the images in `series`, else those in numbered groups."""
        self.seen["collections"] += 1
        here = joined(path, "OME")
        node = self._open(here)
        series: Any = None
        if _has(node, "series"):
            series = self._group(here, node, "bf2raw").document.get("series")
        numbered = None
        if series is None and "plate" not in document:
            numbered = self._numbers(path)
            series = [str(number) for number in numbered]
        self._ask(COLLECTION, spelled(path), numbered, self.tree.has(joined(here, "METADATA.ome.xml")))
        if "plate" not in document:
            for full, group in self._below(path, series if is_list(series) else (), SERIES).items():
                self._image_group(full, group)

    def _numbers(self, path: str) -> list[int]:
        """Return the numbers among the names below a group."""
        names = self.tree.names(path)
        if names:
            return sorted(int(name) for name in names if name.isdecimal() and name == str(int(name[:9])))
        return list(itertools.takewhile(lambda n: self.tree.open(joined(path, str(n))) is not None, itertools.count()))


def _has(node: Node, key: str) -> TypeGuard[zarr.Group]:
    """Return whether a node is a group with this part in its metadata of any version."""
    return isinstance(node, zarr.Group) and any(key in fmt.unwrap(node.attrs) for fmt in _FORMATS)


def followed(path: str, link: str) -> str | None:
    """Return the path that a relative link from a group leads to; None if it leads out of the store."""
    steps = path.split("/") if path else []
    for step in link.split("/"):
        if step == ".." and not steps:
            return None
        steps = steps[:-1] if step == ".." else [*steps, step] if step not in ("", ".") else steps
    return "/".join(steps)
