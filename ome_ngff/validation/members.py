"""The rules for what lies in a hierarchy: that it is there, that it can be opened, that its parts agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import zarr

from ..format import Format
from ..rules.book import MISSING, Faults, Rules, entries, is_integer, part_of, show
from .images import STORE_RULES
from .tree import Broken, Node

NODE = Rules("image", STORE_RULES)


@NODE.must(
    "zarr-readable",
    "Arrays MUST be defined and stored in a hierarchical organization as defined by the Zarr specification.",
    at="/1.metadata",
    wrong='{"zarr_format": 3, "node_ty',
)
def _readable(where: str, node: Node) -> Faults:
    if isinstance(node, Broken):
        what = f"Zarr cannot make sense of what is here ({node.why})."
        yield where, what, "Restore the metadata file (zarr.json, or .zarray and .zgroup) from a copy."


@attrs.frozen(eq=False)
class Place:
    """Hold what is known of a group or array: where it is, its version of Zarr, and the formats that it should have."""

    where: str
    zarr_format: int
    own: Format
    fmt: Format
    mark: Any = None
    twice: bool = False


PLACE = Rules("image", STORE_RULES)


@PLACE.must(
    "zarr-version",
    "OME-Zarr 0.5 is implemented using the Zarr format as defined by the version 3 of the Zarr specification, 0.4 by "
    "the version 2.",
    at="/1.zarr_format",
    wrong=2,
)
def _zarr_version(place: Place) -> Faults:
    if place.zarr_format != place.own.zarr_format:
        what = f"OME-Zarr {place.own.version} is stored in Zarr v{place.own.zarr_format} (got v{place.zarr_format})."
        yield place.where, what, "Convert the arrays and groups to this version of Zarr, or the metadata to the other."


@PLACE.must(
    "version-hierarchy",
    "The OME-Zarr Metadata version MUST be consistent within a hierarchy.",
    at="/labels/cells.version",
    wrong="0.4",
)
def _version_hierarchy(place: Place) -> Faults:
    if place.own != place.fmt:
        what = f"This is OME-Zarr {place.own.version} in a hierarchy of {place.fmt.version}."
        yield place.where, what, "Convert one of them, so that all have one version."


@PLACE.must(
    "incomplete-write",
    "A write by ome_ngff that was not finished: there are pixels missing, and no metadata.",
    at="/labels/cells.mark",
    wrong={"incomplete": {}},
)
def _incomplete(place: Place) -> Faults:
    if place.mark is not None:
        mend = "Run the same write again with resume=True (--resume) to finish it, or with overwrite=True to restart."
        yield place.where, "The write of this image was never finished.", mend


@PLACE.note(
    "zarr-twice",
    "Where 0.4 and 0.5 metadata stand side by side, readers prefer 0.5; only this is checked.",
    at="/.twice",
    wrong=True,
)
def _twice(place: Place) -> Faults:
    if place.twice:
        what = "There is metadata of Zarr v2 and of v3; that of v3 counts."
        yield place.where, what, "Delete the files of one version, or keep both alike."


COPY = Rules("image", STORE_RULES)


@COPY.should(
    "consolidated-stale",
    "Consolidated metadata is a copy of the metadata of the hierarchy; readers that trust it see what it says.",
    at="/.consolidated",
    wrong=["0"],
)
def _stale(where: str, paths: Sequence[str]) -> Faults:
    if paths:
        more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
        what = f"The consolidated metadata is out of date: it differs from {', '.join(paths[:3])}{more}."
        yield where, what, "Run zarr.consolidate_metadata on this group, or delete the copy."


# What a document names has to be there ------------------------------------------------------------------------------


def _fault(node: Node, wanted: str) -> str:
    """Say why a node is not the group or array that is wanted; what is broken is told elsewhere."""
    there = "group" if isinstance(node, zarr.Group) else "array" if isinstance(node, zarr.Array) else ""
    if node is None:
        return "There is nothing here."
    return f"There is {'an' if there == 'array' else 'a'} {there} here." if there and there != wanted else ""


DATASET = Rules("image", STORE_RULES)


@DATASET.must(
    "dataset-array",
    'Each dictionary in "datasets" MUST contain the field "path", whose value contains the path to the array for this '
    "resolution.",
    at="/1",
    wrong=MISSING,
)
def _dataset_array(where: str, node: Node) -> Faults:
    if fault := _fault(node, "array"):
        yield where, f"A dataset leads to an array. {fault}", "Restore the array, or take the level out of datasets."


LABEL_GROUP = Rules("image", STORE_RULES)


@LABEL_GROUP.must(
    "label-there",
    "The value of `labels` is a JSON array of paths to the labeled multiscale image(s).",
    at="/labels/cells",
    wrong=MISSING,
)
def _label_there(where: str, node: Node) -> Faults:
    if fault := _fault(node, "group"):
        yield where, f"A path of labels leads to a label image. {fault}", "Take it out of the list of labels."


LABEL_LIST = Rules("image", STORE_RULES)


@LABEL_LIST.should(
    "labels-listed",
    "All label images SHOULD be listed within this metadata file.",
    at="/labels.document.labels",
    wrong=[],
)
def _labels_listed(where: str, unlisted: Sequence[str], between: Sequence[str]) -> Faults:
    for path in unlisted:
        yield where, f"The label image {show(path)} is not listed.", "Add it to the list of labels."


@LABEL_LIST.must(
    "labels-between",
    'Intermediate groups between "labels" and the images within it are allowed, but these MUST NOT contain metadata.',
    at="/labels/by_hand.document",
    wrong={"labels": ["nuclei"]},
)
def _labels_between(where: str, unlisted: Sequence[str], between: Sequence[str]) -> Faults:
    for path in between:
        what = f"The group {show(path)} lies between labels and a label image, and has metadata of OME-Zarr."
        yield where, what, "Delete this metadata; list all label images in labels itself."


LABEL_SOURCE = Rules("image", STORE_RULES)


@LABEL_SOURCE.should(
    "label-source-there",
    "This object MAY include a key `image`, whose value MUST be a string specifying the relative path to a Zarr image "
    "group.",
    at="/labels/cells.document.image-label.source.image",
    wrong="../../../other",
)
def _label_source(where: str, node: Node) -> Faults:
    if not isinstance(node, (zarr.Group, Broken)):
        what = "The source of a label image leads to an image; there is none."
        yield f"{where}: image-label.source.image", what, 'Write "../../" for the image that holds the labels.'


# Plates --------------------------------------------------------------------------------------------------------------


PLATE = Rules("plate", STORE_RULES)


@PLATE.must(
    "well-there",
    "Each well object MUST contain a `path` key whose value MUST be a string specifying the path to the well subgroup.",
    at="/A/1",
    wrong=MISSING,
)
def _wells_there(where: str, absent: Sequence[str], rows: Sequence[str]) -> Faults:
    if absent:
        listed = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
        what = f"{len(absent)} of the wells of the plate are not there: {listed}."
        yield f"{where}: plate.wells", what, "List the wells that have images; the rows and columns may all stay."


@PLATE.must(
    "plate-row",
    "Three groups MUST be defined above the images: [...] the group above the well defines a row of wells.",
    at="/A",
    wrong=MISSING,
)
def _rows(where: str, absent: Sequence[str], rows: Sequence[str]) -> Faults:
    for row in rows:
        yield where, f"The row {show(row)} is a folder, and no Zarr group.", "Create a group there, without attributes."


PLATE_SIZE = Rules("plate", STORE_RULES)


@PLATE_SIZE.note("plate-sampled", "A plate of more wells than any real one is checked by samples.", at="", wrong=None)
def _sampled(where: str, opened: int, wells: int) -> Faults:
    if opened < wells:
        what = f"{opened} of the {wells} wells were looked into, spread over the plate."
        yield f"{where}: plate.wells", what, "Check all of them, and their pixels, with data=True (--data)."


FIELD = Rules("plate", STORE_RULES)


@FIELD.must(
    "field-there",
    "Each image object MUST contain a `path` key whose value MUST be a string specifying the path to the field of view.",
    at="/A/1/0",
    wrong=MISSING,
)
def _field_there(where: str, node: Node) -> Faults:
    if fault := _fault(node, "group"):
        yield where, f"A path of a well leads to an image. {fault}", "Take the field out of the well's images."


@attrs.frozen(eq=False)
class Well:
    """Hold a well and its plate: where the well is, and the documents of both."""

    where: str
    document: Any
    plate: Any

    @property
    def acquisitions(self) -> dict[int, Mapping[str, Any]]:
        """Give the plate's acquisitions by their id."""
        listed = [value for _, value in entries(part_of(self.plate, "acquisitions"), "")]
        return {value["id"]: value for value in listed if is_integer(value.get("id"))}

    @property
    def fields(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Give the place and the document of every field."""
        listed = entries(part_of(self.document, "images"), f"{self.where}: well.images")
        return [(place, field) for place, field in listed]


WELL = Rules("plate", STORE_RULES)


@WELL.must(
    "field-acquisition",
    "If multiple acquisitions were performed in the plate, it MUST contain an `acquisition` key identifying the "
    "acquisition.",
    at="/A/1.document.well.images[0].acquisition",
    wrong=MISSING,
)
def _field_acquisition(well: Well) -> Faults:
    for place, field in well.fields if len(well.acquisitions) > 1 else ():
        if "acquisition" not in field:
            what = f"The plate has {len(well.acquisitions)} acquisitions; a field has to say which one it is of."
            yield place, what, f'Add "acquisition": {min(well.acquisitions)}, or what it is.'


@WELL.must(
    "field-acquisition-known",
    "[The acquisition] MUST match one of the acquisition JSON objects defined in the plate metadata.",
    at="/A/1.document.well.images[0].acquisition",
    wrong=7,
)
def _field_acquisition_known(well: Well) -> Faults:
    for place, field in well.fields:
        number = field.get("acquisition")
        if is_integer(number) and well.acquisitions and number not in well.acquisitions:
            what = f"The plate has no acquisition {show(number)}, but {', '.join(map(show, well.acquisitions))}."
            yield f"{place}.acquisition", what, "Write the id of one of them, or add it to the plate."


@WELL.should(
    "field-count",
    "The `field_count` is a positive integer defining the maximum number of fields per view across all wells; the "
    "`maximumfieldcount` is that of an acquisition.",
    at="/.document.plate.field_count",
    wrong=1,
)
def _field_count(well: Well) -> Faults:
    numbers = [field.get("acquisition") for _, field in well.fields]
    counts = {"field_count": (len(numbers), part_of(well.plate, "field_count"))}
    for number, acquisition in well.acquisitions.items():
        counts[f"maximumfieldcount of acquisition {show(number)}"] = (
            sum(is_integer(n) and n == number for n in numbers), acquisition.get("maximumfieldcount")
        )  # fmt: skip
    for name, (count, most) in counts.items():
        if is_integer(most, 1) and count > most:
            what = f"The well has {count} fields, more than the {show(most)} of {name}."
            yield f"{well.where}: well.images", what, f"Set it to {count} in the plate, or to the most of any well."


# Collections of bioformats2raw ---------------------------------------------------------------------------------------


SERIES = Rules("bf2raw", STORE_RULES)


@SERIES.must(
    "series-there",
    '"series" MUST be a list of string objects, each of which is a path to an image group.',
    at="/1",
    wrong=MISSING,
)
def _series_there(where: str, node: Node) -> Faults:
    if fault := _fault(node, "group"):
        yield where, f"An image of the series is a group. {fault}", "Take it out of series, or convert the file again."


COLLECTION = Rules("bf2raw", STORE_RULES)


@COLLECTION.must(
    "series-numbered",
    'If the "series" attribute does not exist and no "plate" is present: separate "multiscales" images MUST be stored '
    "in consecutively numbered groups starting from 0.",
    at="/OME.document.series",
    wrong=MISSING,
)
def _series_numbered(where: str, numbered: Sequence[int] | None, xml: bool) -> Faults:
    if numbered is not None and sorted(numbered) != list(range(max(len(numbered), 1))):
        there = f"there are {show(sorted(numbered))}" if numbered else "there is none"
        what = f"Without series the images are the groups 0, 1, 2, ...; {there}."
        yield where, what, 'List the images as "series" in the attributes of the group OME.'


@COLLECTION.should(
    "series-xml",
    'Conforming groups SHOULD have OME metadata representing the entire collection of images in a file named '
    '"OME/METADATA.ome.xml".',
    at="/OME.xml",
    wrong=MISSING,
)
def _series_xml(where: str, numbered: Sequence[int] | None, xml: bool) -> Faults:
    if not xml:
        what = "There should be OME metadata in OME/METADATA.ome.xml."
        yield where, what, "Convert the file again with bioformats2raw, which writes it."
