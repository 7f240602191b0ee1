"""The rules for plates, for their wells, and for collections of bioformats2raw."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...exceptions import Finding
from ...text import listed, show
from .book import (
    MISSING,
    Entry,
    Faults,
    Rules,
    entries,
    is_alphanumeric,
    is_integer,
    is_list,
    is_number,
    is_objects,
    path_fault,
)


def plate_findings(document: Mapping[str, Any], version: str) -> Iterator[Finding]:
    if "plate" in document:
        plate = document["plate"]
        yield from PLATE(plate, version=version)
        if isinstance(plate, Mapping):
            rows, columns = _indices(_line_names(plate, "rows")), _indices(_line_names(plate, "columns"))
            for where, well in entries(plate.get("wells"), "plate.wells"):
                yield from PLATE_WELL(well, rows, columns, where)


def plate_well_findings(well: Any, rows: Sequence[str], columns: Sequence[str], where: str) -> Iterator[Finding]:
    """Yield every violation by one entry of a plate's `wells`; `rows` and `columns` are the names of the plate."""
    return PLATE_WELL(well if isinstance(well, Mapping) else {}, _indices(rows), _indices(columns), where)


def _line_names(plate: Mapping[str, Any], lines: str) -> list[Any]:
    """Return the names of the rows or columns in their order; None for an entry that is not an object."""
    value = plate.get(lines)
    return [line.get("name") if isinstance(line, Mapping) else None for line in value] if is_list(value) else []


def _indices(names: Sequence[Any]) -> dict[str, int]:
    """Return the index of each name, the first one if a name occurs twice."""
    return {name: index for index, name in reversed(list(enumerate(names))) if isinstance(name, str)}


PLATE = Rules("plate")


@PLATE.must("plate-form", at="plate", wrong=[], form=True)
def _plate_form(plate: Any) -> Faults:
    """The plate layout can be found under the custom attributes of the plate group under the `plate` key."""
    if not isinstance(plate, Mapping):
        yield "plate", f"plate must be a dict (got {show(plate)}).", "Write rows, columns and wells into a dict."


@PLATE.must("plate-lists", at="plate.rows", wrong=[])
def _plate_lists(plate: Mapping[str, Any]) -> Faults:
    """The `plate` dictionary MUST contain a `columns` (`rows`, `wells`) key whose value MUST be a list of JSON
    objects."""
    for key in ("columns", "rows", "wells"):
        if not is_objects(plate.get(key)):
            what = f"{key} must be a list with at least one dict (got {show(plate.get(key))})."
            yield f"plate.{key}", what, "List all rows and columns of the plate, and the wells with images."


def _lines(plate: Mapping[str, Any]) -> Iterator[Entry]:
    for key in ("rows", "columns"):
        yield from entries(plate.get(key), f"plate.{key}")


@PLATE.must("plate-line-name", at="plate.columns[0].name", wrong="A-1")
def _line_name(plate: Mapping[str, Any]) -> Faults:
    """Each row and column object MUST contain a `name` key. The `name` MUST contain only alphanumeric characters."""
    for where, line in _lines(plate):
        if not is_alphanumeric(line.get("name")):
            what = f"The name of a row or column must consist of letters and digits (got {show(line.get('name'))})."
            yield f"{where}.name", what, "Rename it, and its groups too."


@PLATE.must("plate-line-unique", at="plate.rows[1].name", wrong="A")
def _line_unique(plate: Mapping[str, Any]) -> Faults:
    """The `name` MUST NOT be a duplicate of any other `name` in the `rows` (`columns`) list."""
    for key in ("rows", "columns"):
        for name, count in Counter(filter(is_alphanumeric, _line_names(plate, key))).items():
            if count > 1:
                yield f"plate.{key}", f"{count} {key} have the name {show(name)}.", "Give each of them its own name."


@PLATE.should("plate-line-case", at="plate.rows[1].name", wrong="a")
def _line_case(plate: Mapping[str, Any]) -> Faults:
    """Care SHOULD be taken to avoid collisions on case-insensitive filesystems (e.g. avoid using both `Aa` and
    `aA`)."""
    for key in ("rows", "columns"):
        names = sorted({name for name in _line_names(plate, key) if is_alphanumeric(name)})
        for folded, count in Counter(name.lower() for name in names).items():
            if count > 1:
                alike = listed([name for name in names if name.lower() == folded])
                yield f"plate.{key}", f"{alike} are the same name on some file systems.", "Rename all but one."


@PLATE.must("plate-well-unique", at="plate.wells[1]", wrong={"path": "A/1", "rowIndex": 0, "columnIndex": 0})
def _well_unique(plate: Mapping[str, Any]) -> Faults:
    """A list of JSON objects defining the wells of the plate; no well is listed twice."""
    paths = [well.get("path") for _, well in entries(plate.get("wells"), "")]
    for path, count in Counter(path for path in paths if isinstance(path, str)).items():
        if count > 1:
            yield "plate.wells", f"The well {show(path)} is listed {count} times.", "List each well once."


@PLATE.should("plate-name", at="plate.name", wrong=MISSING)
def _plate_name(plate: Mapping[str, Any]) -> Faults:
    """The `plate` dictionary SHOULD contain a `name` key."""
    if "name" not in plate:
        yield "plate", "A plate should have a name.", 'Add "name": "..." to it.'


@PLATE.should("plate-field-count", at="plate.field_count", wrong=MISSING)
def _field_count(plate: Mapping[str, Any]) -> Faults:
    """The `plate` dictionary SHOULD contain a `field_count` key."""
    if "field_count" not in plate:
        yield "plate", "A plate should state the largest number of fields in a well.", 'Add "field_count": 1, or more.'


@PLATE.should("plate-version", at="plate.version", wrong=MISSING, until="0.5")
def _plate_version(plate: Mapping[str, Any]) -> Faults:
    """The `plate` dictionary MUST contain a `version` key (the schema does not ask for it)."""
    if "version" not in plate:
        yield "plate", "A plate should state its version.", 'Add "version" to it.'


def _acquisitions(plate: Mapping[str, Any]) -> list[Entry]:
    return entries(plate.get("acquisitions"), "plate.acquisitions")


@PLATE.must("acquisitions-form", at="plate.acquisitions", wrong={"id": 0})
def _acquisitions_form(plate: Mapping[str, Any]) -> Faults:
    """The `plate` dictionary MAY contain an `acquisitions` key whose value MUST be a list of JSON objects."""
    given = plate.get("acquisitions", [])
    if not is_list(given) or len(_acquisitions(plate)) != len(given):
        yield "plate.acquisitions", f"acquisitions must be a list of dicts (got {show(given)}).", 'Write [{"id": 0}].'


@PLATE.must("acquisition-id", at="plate.acquisitions[0].id", wrong=-1)
def _acquisition_id(plate: Mapping[str, Any]) -> Faults:
    """Each acquisition object MUST contain an `id` key whose value MUST be an unique integer identifier greater than or
    equal to 0 within the context of the plate."""
    seen: set[int] = set()
    for where, acquisition in _acquisitions(plate):
        given = acquisition.get("id")
        if not is_integer(given, 0):
            yield f"{where}.id", f"id must be an integer of at least 0 (got {show(given)}).", "Number the acquisitions."
        elif given in seen:
            yield f"{where}.id", f"The id {show(given)} is used more than once.", "Give each acquisition its own id."
        else:
            seen.add(given)


@PLATE.should("acquisition-name", at="plate.acquisitions[0].name", wrong=MISSING)
def _acquisition_name(plate: Mapping[str, Any]) -> Faults:
    """Each acquisition object SHOULD contain a `name` key."""
    for where, acquisition in _acquisitions(plate):
        if "name" not in acquisition:
            yield where, "An acquisition should have a name.", 'Add "name": "..." to it.'


@PLATE.should("acquisition-field-count", at="plate.acquisitions[0].maximumfieldcount", wrong=MISSING)
def _acquisition_count(plate: Mapping[str, Any]) -> Faults:
    """Each acquisition object SHOULD contain a `maximumfieldcount` key."""
    for where, acquisition in _acquisitions(plate):
        if "maximumfieldcount" not in acquisition:
            what = "An acquisition should state the largest number of fields in a well."
            yield where, what, 'Add "maximumfieldcount": 1, or more.'


@PLATE.must("plate-text", at="plate.name", wrong=96)
def _text(plate: Mapping[str, Any]) -> Faults:
    """A `name` (of the plate, of an acquisition) or `description` key whose value MUST be a string."""
    places = [("plate", plate, ("name",)), *((w, a, ("name", "description")) for w, a in _acquisitions(plate))]
    for where, part, keys in places:
        for key in keys:
            if key in part and not isinstance(part[key], str):
                yield f"{where}.{key}", f"{key} must be a string (got {show(part[key])}).", "Put it in quotes."


@PLATE.must("plate-count", at="plate.field_count", wrong=0)
def _count(plate: Mapping[str, Any]) -> Faults:
    """A `field_count` or `maximumfieldcount` key whose value MUST be a positive integer."""
    places = [("plate", plate, "field_count"), *((w, a, "maximumfieldcount") for w, a in _acquisitions(plate))]
    for where, part, key in places:
        if key in part and not is_integer(part[key], 1):
            what = f"{key} must be a positive integer (got {show(part[key])})."
            yield f"{where}.{key}", what, "Write the largest number of fields in any well."


@PLATE.must("acquisition-time", at="plate.acquisitions[0].starttime", wrong="2026-03-01T09:30:00Z")
def _time(plate: Mapping[str, Any]) -> Faults:
    """Each acquisition object MAY contain a `starttime` and/or `endtime` key whose values MUST be integer epoch
    timestamps."""
    for where, acquisition in _acquisitions(plate):
        for key in ("starttime", "endtime"):
            if key in acquisition and not is_integer(acquisition[key], 0):
                what = f"{key} must be an integer of at least 0 (got {show(acquisition[key])})."
                yield f"{where}.{key}", what, "Write an epoch timestamp, such as 1772357400."


PLATE_WELL = Rules("plate")


@PLATE_WELL.must("plate-well-path", at="plate.wells[0].path", wrong="1/A")
def _well_path(well: Mapping[str, Any], rows: dict[str, int], columns: dict[str, int], where: str) -> Faults:
    """The `path` MUST consist of a `name` in the `rows` list, a file separator (`/`), and a `name` from the `columns`
    list, in that order. The `path` MUST NOT contain additional leading or trailing directories."""
    row, column = _row_and_column(well)
    if row not in rows or column not in columns:
        swapped = column in rows and row in columns
        hint = "The column comes first: swap the two." if swapped else "Write it as in 'A/1'."
        yield f"{where}.path", f"path must name a row and a column of the plate (got {show(well.get('path'))}).", hint


def _row_and_column(well: Mapping[str, Any]) -> tuple[str, str]:
    path = well.get("path")
    row, _, column = path.partition("/") if isinstance(path, str) else ("", "", "")
    return row, column


@PLATE_WELL.must("plate-well-index", at="plate.wells[0].rowIndex", wrong=1)
def _well_index(well: Mapping[str, Any], rows: dict[str, int], columns: dict[str, int], where: str) -> Faults:
    """`rowIndex` and `columnIndex` MUST be 0-based. The `rowIndex`, `columnIndex`, and `path` MUST all refer to the
    same row/column pair."""
    row, column = _row_and_column(well)
    for key, name, lines in (("rowIndex", row, rows), ("columnIndex", column, columns)):
        given, index = well.get(key), lines.get(name)
        if not is_integer(given, 0) or (index is not None and given != index):
            wanted = "an integer of at least 0" if index is None else str(index)
            what = f"{key} must be {wanted} (got {show(given)})."
            yield f"{where}.{key}", what, "Count from 0, in the order of the rows or columns of the plate."


# Wells: the fields of view and their acquisitions ------------------------------------------------------------------


WELL = Rules("well")


@WELL.must("well-images", at="well.images", wrong=[], form=True)
def _images(well: Any) -> Faults:
    """The `well` dictionary MUST contain an `images` key whose value MUST be a list of JSON objects specifying all
    fields of views for a given well."""
    images = well.get("images") if isinstance(well, Mapping) else well
    if not isinstance(well, Mapping) or not is_objects(images):
        yield "well.images", f"images must be a list with at least one dict (got {show(images)}).", "List the fields."


@WELL.must("well-image-path", at="well.images[0].path", wrong="field-0", until="0.5")
def _image_path(well: Mapping[str, Any]) -> Faults:
    """Each image object MUST contain a `path` key whose value MUST be a string specifying the path to the field of
    view. The `path` MUST contain only alphanumeric characters."""
    for where, image in entries(well["images"], "well.images"):
        if not is_alphanumeric(image.get("path")):
            what = f"The path of a field must consist of letters and digits (got {show(image.get('path'))})."
            yield f"{where}.path", what, "Name the fields 0, 1, 2, ..."


@WELL.must("well-image-name", at="well.images[0].path", wrong="field 0", since="0.6")
def _image_name(well: Mapping[str, Any]) -> Faults:
    """The `path` MUST contain only characters of `A-Z`, `a-z`, `0-9`, `-`, `_`, `.`, MUST NOT be composed of dots alone
    and MUST NOT start with `__`."""
    for where, image in entries(well["images"], "well.images"):
        path = image.get("path")
        if not isinstance(path, str) or not re.fullmatch(r"(?!__|\.+$)[A-Za-z0-9_.-]+", path):
            what = f"The path of a field must consist of letters, digits, '-', '_' and '.' (got {show(path)})."
            yield f"{where}.path", what, "Name the fields 0, 1, 2, ..."


@WELL.must("well-image-unique", at="well.images[1].path", wrong="0")
def _image_unique(well: Mapping[str, Any]) -> Faults:
    """The `path` MUST NOT be a duplicate of any other `path` in the `images` list."""
    paths = [image.get("path") for _, image in entries(well["images"], "")]
    for path, count in Counter(path for path in paths if isinstance(path, str)).items():
        if count > 1:
            yield "well.images", f"The field {show(path)} is listed {count} times.", "List each field once."


@WELL.must("well-acquisition", at="well.images[0].acquisition", wrong="0")
def _acquisition(well: Mapping[str, Any]) -> Faults:
    """If multiple acquisitions were performed in the plate, it MUST contain an `acquisition` key whose value MUST be an
    integer identifying the acquisition."""
    for where, image in entries(well["images"], "well.images"):
        if "acquisition" in image and not is_integer(image["acquisition"], 0):
            what = f"acquisition must be an integer of at least 0 (got {show(image['acquisition'])})."
            yield f"{where}.acquisition", what, "Write the id of an acquisition of the plate, without quotes."


# Collections of bioformats2raw: the layout at the root, the series in the group `OME` -------------------------------


LAYOUT = Rules("bf2raw")


@LAYOUT.must("bf2raw-layout", at="bioformats2raw.layout", wrong=2)
def _layout(layout: Any) -> Faults:
    """Conforming groups MUST have the value "3" for the "bioformats2raw.layout" key in their OME-Zarr Metadata."""
    if not is_number(layout) or layout != 3:
        what = f"The layout must be the number 3 (got {show(layout)})."
        yield "bioformats2raw.layout", what, "Convert the file again."


SERIES = Rules("bf2raw")


@SERIES.must("series-form", at="series", wrong=[0, 1], form=True)
def _series_form(series: Any) -> Faults:
    """ "series" MUST be a list of string objects, each of which is a path to an image group."""
    if not is_list(series) or not all(isinstance(path, str) for path in series):
        yield "series", f"series must be a list of strings (got {show(series)}).", 'Write ["0", "1"].'


@SERIES.must("series-path", at="series[0]", wrong="../0")
def _series_path(series: Any) -> Faults:
    """Each of the strings is a path to an image group of the collection."""
    for index, path in enumerate(series):
        if path_fault(path):
            yield f"series[{index}]", path_fault(path), "Write the path from the root of the collection."
