"""The rules for collections of bioformats2raw: the layout at the root, the series in the group `OME`."""

from __future__ import annotations

from typing import Any

from ...text import show
from .book import Faults, Rules, is_list, is_number
from .paths import path_fault

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
