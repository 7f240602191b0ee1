"""The rules for wells: the fields of view and their acquisitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ...text import show
from .book import Faults, Rules, entries, is_integer, is_objects
from .paths import is_alphanumeric

WELL = Rules("well")


@WELL.must("well-images", at="well.images", wrong=[], form=True)
def _images(well: Any) -> Faults:
    """The `well` dictionary MUST contain an `images` key whose value MUST be a list of JSON objects specifying all
    fields of views for a given well."""
    images = well.get("images") if isinstance(well, Mapping) else well
    if not isinstance(well, Mapping) or not is_objects(images):
        yield "well.images", f"images must be a list with at least one dict (got {show(images)}).", "List the fields."


@WELL.must("well-image-path", at="well.images[0].path", wrong="field-0")
def _image_path(well: Mapping[str, Any]) -> Faults:
    """Each image object MUST contain a `path` key whose value MUST be a string specifying the path to the field of
    view. The `path` MUST contain only alphanumeric characters."""
    for where, image in entries(well["images"], "well.images"):
        if not is_alphanumeric(image.get("path")):
            what = f"The path of a field must consist of letters and digits (got {show(image.get('path'))})."
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
