"""The rules for plates and collections in a store: that wells, fields and series exist and agree with the documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ...spec import MISSING, Faults, Rules, entries, is_integer, part_of
from ...text import listed, show
from .images import STORE_RULES
from .members import leads_to

PLATE = Rules("plate", STORE_RULES)


@PLATE.must("well-there", at="/A/1", wrong=MISSING)
def _wells_there(where: str, absent: Sequence[str], rows: Sequence[str], unlisted: Sequence[str]) -> Faults:
    """Each well object MUST contain a `path` key whose value MUST be a string specifying the path to the well
    subgroup."""
    if absent:
        there = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
        what = f"The plate lists wells that do not exist: {there}."
        yield f"{where}: plate.wells", what, "List only the wells that have images; all rows and columns may stay."


@PLATE.must("plate-row", at="/A", wrong={"folder": True})
def _rows(where: str, absent: Sequence[str], rows: Sequence[str], unlisted: Sequence[str]) -> Faults:
    """Three groups MUST be defined above the images: [...] the group above the well defines a row of wells."""
    for row in rows:
        what = f"The row {show(row)} is a folder, but not a Zarr group."
        yield where, what, "Create a group without attributes there."


@PLATE.should("plate-listed", at="/A/1.document.well.images[1]", wrong=MISSING)
def _listed(where: str, absent: Sequence[str], rows: Sequence[str], unlisted: Sequence[str]) -> Faults:
    """`images`: a list of JSON objects specifying all fields of views for a given well; `wells`: the wells of the
    plate."""
    if unlisted:
        what = f"There are fields that the plate, or their well, does not list: {listed(unlisted, 5, ', ')}."
        yield where, what, "List them, with repair_plate (ome_ngff), or delete them."


PLATE_EMPTY = Rules("plate", STORE_RULES)


@PLATE_EMPTY.must("plate-empty", at="/.mark", wrong={"planned": {}})
def _empty(where: str, planned: Any) -> Faults:
    """A plate MUST list at least one well; the layout of one that was made by ome_ngff waits until then."""
    if planned is not None:
        yield where, "This plate has no wells yet, so it is none for others.", "Write its first field (write_field)."


PLATE_SIZE = Rules("plate", STORE_RULES)


@PLATE_SIZE.note("plate-sampled", at="", wrong=None)
def _sampled(where: str, opened: int, wells: int) -> Faults:
    """Of a plate with more wells than any real one, a sample is checked."""
    if opened < wells:
        what = f"{opened} of the {wells} wells, spread over the plate, were checked."
        yield f"{where}: plate.wells", what, "Check all of them, and their pixels, with data=True (--data)."


FIELD = Rules("plate", STORE_RULES)
FIELD.must(
    "field-there",
    "Each image object MUST contain a `path` key whose value MUST be a string specifying the path to the field of "
    "view.",
    at="/A/1/0",
    wrong=MISSING,
)(leads_to("group", "A path in a well must lead to an image.", "Take the field out of the images of the well."))


@attrs.frozen(eq=False)
class WellFacts:
    """Describe a well: its path, its document, and that of its plate."""

    where: str
    document: Any
    plate: Any

    @property
    def acquisitions(self) -> dict[int, Mapping[str, Any]]:
        """Acquisitions of the plate, by id."""
        listed = [value for _, value in entries(part_of(self.plate, "acquisitions"), "")]
        return {value["id"]: value for value in listed if is_integer(value.get("id"))}

    @property
    def fields(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Place and document of every field."""
        return entries(part_of(self.document, "images"), f"{self.where}: well.images")


WELL = Rules("plate", STORE_RULES)


@WELL.must("field-acquisition", at="/A/1.document.well.images[0].acquisition", wrong=MISSING)
def _field_acquisition(well: WellFacts) -> Faults:
    """If multiple acquisitions were performed in the plate, it MUST contain an `acquisition` key identifying the
    acquisition."""
    for place, field in well.fields if len(well.acquisitions) > 1 else ():
        if "acquisition" not in field:
            what = f"The plate has {len(well.acquisitions)} acquisitions, so each field must state its own."
            yield place, what, f'Add "acquisition": {min(well.acquisitions)}, or the id that applies.'


@WELL.must("field-acquisition-known", at="/A/1.document.well.images[0].acquisition", wrong=7)
def _field_acquisition_known(well: WellFacts) -> Faults:
    """[The acquisition] MUST match one of the acquisition JSON objects defined in the plate metadata."""
    for place, field in well.fields:
        number = field.get("acquisition")
        if is_integer(number) and well.acquisitions and number not in well.acquisitions:
            what = f"The plate has no acquisition {show(number)}, only {', '.join(map(show, well.acquisitions))}."
            yield f"{place}.acquisition", what, "Write the id of one of these, or add the acquisition to the plate."


@WELL.should("field-count", at="/.document.plate.field_count", wrong=1)
def _field_count(well: WellFacts) -> Faults:
    """The `field_count` is a positive integer defining the maximum number of fields per view across all wells; the
    `maximumfieldcount` is that of an acquisition."""
    numbers = [field.get("acquisition") for _, field in well.fields]
    counts = {"field_count": (len(numbers), part_of(well.plate, "field_count"))}
    for number, acquisition in well.acquisitions.items():
        counts[f"maximumfieldcount of acquisition {show(number)}"] = (
            sum(is_integer(n) and n == number for n in numbers), acquisition.get("maximumfieldcount")
        )  # fmt: skip
    for name, (count, most) in counts.items():
        if is_integer(most, 1) and count > most:
            what = f"The well has {count} fields, more than the {show(most)} of {name}."
            yield (
                f"{well.where}: well.images",
                what,
                f"Set it to {count} in the plate, or to the largest number of any well.",
            )


# Collections of bioformats2raw ---------------------------------------------------------------------------------------


SERIES = Rules("bf2raw", STORE_RULES)
SERIES.must(
    "series-there",
    '"series" MUST be a list of string objects, each of which is a path to an image group.',
    at="/1",
    wrong=MISSING,
)(leads_to("group", "A path in series must lead to an image.", "Take it out of series, or convert the file again."))
COLLECTION = Rules("numbered", STORE_RULES)


@COLLECTION.must("series-numbered", at="/0", wrong=MISSING)
def _series_numbered(where: str, numbered: Sequence[int] | None, xml: bool) -> Faults:
    """If the "series" attribute does not exist and no "plate" is present: separate "multiscales" images MUST be stored
    in consecutively numbered groups starting from 0."""
    if numbered is not None and sorted(numbered) != list(range(max(len(numbered), 1))):
        there = f"got {show(sorted(numbered))}" if numbered else "there are none"
        what = f"Without series, the images must be the groups 0, 1, 2, ... ({there})."
        yield where, what, 'List the images as "series" in the attributes of the group OME.'


@COLLECTION.should("series-xml", at="/OME.xml", wrong=MISSING)
def _series_xml(where: str, numbered: Sequence[int] | None, xml: bool) -> Faults:
    """Conforming groups SHOULD have OME metadata representing the entire collection of images in a file named
    "OME/METADATA.ome.xml"."""
    if not xml:
        what = "There should be OME metadata in OME/METADATA.ome.xml."
        yield where, what, "Convert the file again with bioformats2raw, which writes it."
