"""The walk through a hierarchy: which groups are opened, and which rules apply to each.

A kind of group only ever leads to smaller ones (plate, well, image, labels, label image), so there are no loops. Paths
that lead out of the store are findings, and are not followed.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import attrs
import zarr

from ...exceptions import Finding
from ...spec import (
    entries,
    is_image,
    is_list,
    is_name,
    kind_of,
    part_of,
    path_fault,
    scene_paths,
)
from ...store import MARK, PLANNED
from ..describe import format_of
from .groups import FORMATS, Document, Groups, has_part
from .members import COPY, NODE
from .plates import COLLECTION, FIELD, PLATE, PLATE_EMPTY, PLATE_SIZE, SERIES, WELL, WellFacts
from .spaces import SCENE
from .tree import Broken, Node, joined, spelled

MOST_WELLS = 1536  # wells of the largest plate on the market


class Walk(Groups):
    """Go through a hierarchy once, from its root on."""

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
        if document or MARK in node.attrs or any(fmt.unwrap(node.attrs) for fmt in FORMATS):
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

    # Scenes --------------------------------------------------------------------------------------------------------

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
            SCENE, where, scene, [name for name in more if has_part(self.tree.open(joined(path, name)), "multiscales")]
        )

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
                elif has_part(field, "multiscales"):
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
        if has_part(node, "series"):
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
