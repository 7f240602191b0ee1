"""The rules for the nodes of a hierarchy: that they exist, are plain JSON, can be opened, and agree with each other."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs
import zarr

from ...spec import MISSING, Check, Faults, Format, Rules, part_of
from ...store import SHARED
from ...text import listed, show
from .images import STORE_RULES
from .tree import Broken, Node

NODE = Rules("image", STORE_RULES)


@NODE.must("zarr-readable", at="/1.metadata", wrong='{"zarr_format": 3, "node_ty')
def _readable(where: str, node: Node) -> Faults:
    """Arrays MUST be defined and stored in a hierarchical organization as defined by the Zarr specification."""
    if isinstance(node, Broken):
        what = f"Zarr cannot open what is stored here ({node.why})."
        yield where, what, "Restore zarr.json (or .zarray, .zgroup) from a copy, or install the codec that it names."


@attrs.frozen(eq=False)
class NodeFacts:
    """Describe a group or array.

    Attributes:
        where: its path. zarr_format: its version of Zarr.
        own: its version of OME-Zarr. fmt: that of the hierarchy.
        mark: that of an unfinished write, if it has one.
        twice: the two versions whose metadata it has both, in words; else empty.
    """

    where: str
    zarr_format: int
    own: Format
    fmt: Format
    mark: Any = None
    twice: str = ""


NODE_FACTS = Rules("image", STORE_RULES)


@NODE_FACTS.must("zarr-version", at="/1.zarr_format", wrong=2)
def _zarr_version(facts: NodeFacts) -> Faults:
    """OME-Zarr 0.5 is implemented using the Zarr format as defined by the version 3 of the Zarr specification, 0.4 by
    the version 2."""
    if facts.zarr_format != facts.own.zarr_format:
        own, zarr_format = facts.own, facts.zarr_format
        what = f"OME-Zarr {own.version} must be stored in Zarr v{own.zarr_format} (got v{zarr_format})."
        yield facts.where, what, "Convert the arrays and groups to this version of Zarr, or the metadata to the other."


@NODE_FACTS.must("version-hierarchy", at="/labels/cells.version", wrong="0.4")
def _version_hierarchy(facts: NodeFacts) -> Faults:
    """The OME-Zarr Metadata version MUST be consistent within a hierarchy."""
    if facts.own != facts.fmt:
        what = f"This is OME-Zarr {facts.own.version} in a hierarchy of {facts.fmt.version}."
        yield facts.where, what, "Convert one of them, so that all have the same version."


@NODE_FACTS.must("incomplete-write", at="/labels/cells.mark", wrong={"incomplete": {}})
def _incomplete(facts: NodeFacts) -> Faults:
    """A write by ome_ngff that was not finished: pixels are missing, and so is the metadata."""
    if facts.mark is not None and part_of(facts.mark, "growing") is None:
        way = (
            "join=True (--join) or resume=True (--resume)"
            if part_of(facts.mark, SHARED) is not None
            else "resume=True (--resume)"
        )
        hint = f"Run the same write again with {way} to finish it, or with overwrite=True to restart."
        if part_of(facts.mark, "change") is not None:
            yield facts.where, "An upgrade of this hierarchy was never finished.", "Upgrade it again, or undo it."
        else:
            yield facts.where, "The write of this image was never finished.", hint


@NODE_FACTS.note("growing", at="/labels/cells.mark", wrong={"incomplete": {"growing": {"axis": 0}}})
def _growing(facts: NodeFacts) -> Faults:
    """An image that is being added to is whole as far as level 0 is long; other levels may be ahead of it."""
    if part_of(facts.mark, "growing") is not None:
        hint = "If nobody does so any more, go on with resume=True."
        yield facts.where, "This image is being added to.", hint


@NODE_FACTS.note("zarr-twice", at="/.twice", wrong=True)
def _twice(facts: NodeFacts) -> Faults:
    """If a group has metadata of both 0.4 and 0.5, readers prefer 0.5; only that is checked."""
    if facts.twice:
        what = f"There is metadata of {facts.twice}; readers use the newer."
        yield facts.where, what, "Delete the metadata of one version, or keep both in agreement."


COPY = Rules("image", STORE_RULES)


@COPY.should("consolidated-stale", at="/.consolidated", wrong=["0"])
def _stale(where: str, paths: Sequence[str]) -> Faults:
    """Consolidated metadata is a copy of the metadata of the hierarchy; readers that use it see only the copy."""
    if paths:
        more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
        what = f"The consolidated metadata is out of date: it differs from {', '.join(paths[:3])}{more}."
        yield where, what, "Run zarr.consolidate_metadata on this group, or delete the copy."


FILE = Rules("image", STORE_RULES)


@FILE.must("metadata-json", at="/1.byte_order_mark", wrong=True)
def _metadata_json(where: str, content: bytes, numbers: bool) -> Faults:
    """Metadata is JSON: "MUST be encoded using UTF-8", "MUST NOT add a byte order mark" and names of an object that are
    "all unique" (RFC 8259). Some readers accept what others refuse, or pick a different one of two equal names."""
    # Zarr was able to read the file; `numbers`: also look for NaN and infinity.
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        yield where, "The file is not encoded in UTF-8.", "Save it as UTF-8."
        return
    if text.startswith("\ufeff"):
        yield where, "The file begins with a byte order mark.", "Save it as UTF-8 without one."
    repeated: Counter[str] = Counter()
    constants: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(items) > len(dict(items)):
            repeated.update({name: n - 1 for name, n in Counter(name for name, _ in items).items() if n > 1})
        return dict(items)

    try:
        json.loads(text.removeprefix("\ufeff"), object_pairs_hook=pairs, parse_constant=constants.append)
    except (ValueError, RecursionError):
        return
    if repeated:
        yield where, f"An object has the same name twice ({listed(list(repeated), 3, ', ')}).", "Keep one of them."
    if constants and numbers:
        what = f"JSON does not allow {listed(list(dict.fromkeys(constants)), 3, ', ')}."
        yield where, what, 'Write null, or "NaN" in quotes.'


# What a document names has to be there ------------------------------------------------------------------------------


def leads_to(wanted: str, sentence: str, hint: str) -> Check:
    """Make the check that a name leads to a "group" or an "array"; `NODE` reports what cannot be opened."""

    def check(where: str, node: Node) -> Faults:
        there = "group" if isinstance(node, zarr.Group) else "array" if isinstance(node, zarr.Array) else ""
        if node is None:
            yield where, f"{sentence} Nothing is stored here.", hint
        elif there and there != wanted:
            yield where, f"{sentence} This is {'an' if there == 'array' else 'a'} {there}.", hint

    return check


DATASET = Rules("image", STORE_RULES)
DATASET.must(
    "dataset-array",
    'Each dictionary in "datasets" MUST contain the field "path", whose value contains the path to the array for this '
    "resolution.",
    at="/1",
    wrong=MISSING,
)(leads_to("array", "A dataset must lead to an array.", "Restore the array, or take the level out of datasets."))
LABELS = Rules("image", STORE_RULES)


@LABELS.must("labels-group", at="/labels", wrong={"shape": [8, 8], "dtype": "uint8"})
def _labels_group(where: str, node: Node, found: Sequence[str]) -> Faults:
    """The "labels" group is nested within an image group, at the same level of the Zarr hierarchy as the resolution
    levels for the original image."""
    if isinstance(node, zarr.Array):
        yield where, "This must be the group of the label images, but is an array.", "Move it into a label image."
    if node is None and found:
        hint = "Create a group here, and list the label images in its metadata."
        yield where, f"This folder has label images ({listed(found, 3, ', ')}), but is not a Zarr group.", hint


LABEL_GROUP = Rules("image", STORE_RULES)
LABEL_GROUP.must(
    "label-there",
    "The value of `labels` is a JSON array of paths to the labeled multiscale image(s).",
    at="/labels/cells",
    wrong=MISSING,
)(leads_to("group", "A path in labels must lead to a label image.", "Take it out of the list of labels."))
LABEL_LIST = Rules("image", STORE_RULES)


@LABEL_LIST.should("labels-listed", at="/labels.document.labels", wrong=[])
def _labels_listed(where: str, unlisted: Sequence[str], between: Sequence[str]) -> Faults:
    """All label images SHOULD be listed within this metadata file."""
    for path in unlisted:
        yield where, f"The label image {show(path)} is not listed.", "Add it to the list of labels."


@LABEL_LIST.must("labels-between", at="/labels/by_hand.document", wrong={"labels": ["nuclei"]})
def _labels_between(where: str, unlisted: Sequence[str], between: Sequence[str]) -> Faults:
    """Intermediate groups between "labels" and the images within it are allowed, but these MUST NOT contain
    metadata."""
    for path in between:
        what = f"The group {show(path)} is between labels and a label image, but has OME-Zarr metadata."
        yield where, what, "Delete this metadata, and list all label images in the metadata of labels."


LABEL_SOURCE = Rules("image", STORE_RULES)


@LABEL_SOURCE.must("label-source-there", at="/labels/cells.document.image-label.source.image", wrong="../nuclei")
def _label_source(where: str, there: bool) -> Faults:
    """This object MAY include a key `image`, whose value MUST be a string specifying the relative path to a Zarr image
    group."""
    if not there:
        what = "The source of a label image must lead to an image. There is no image at this path."
        hint = 'Write the path to the image that the labels belong to: "../../", and "../" more for each group between.'
        yield f"{where}: image-label.source.image", what, hint
