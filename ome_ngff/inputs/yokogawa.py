"""What the measurement files of Yokogawa say of each file of a CellVoyager: pixel size, place, height of the plane."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from .harmony import Indexed
from .tiff_files import tag

RECORDS, CHANNELS = "MeasurementData.mlf", "MeasurementDetail.mrf"
_SPACE = "{http://www.yokogawa.co.jp/BTS/BTSSchema/1.0}"


def measured(folder: str) -> Iterator[tuple[str, Indexed]]:
    """Yield what is recorded of each file of a folder, by its name, in micrometers.

    The y of the stage grows upwards, that of an image downwards. Pixel sizes are those of the channel.

    Raises:
        ElementTree.ParseError, ValueError: the files are not understood.
    """
    sizes = {}
    if os.path.isfile(os.path.join(folder, CHANNELS)):
        for element in _elements(os.path.join(folder, CHANNELS), "MeasurementChannel"):
            names = (("y", "VerticalPixelDimension"), ("x", "HorizontalPixelDimension"))
            found = {axis: _number(element, name) for axis, name in names}
            sizes[element.get(f"{_SPACE}Ch")] = {axis: size for axis, size in found.items() if size}
    for element in _elements(os.path.join(folder, RECORDS), "MeasurementRecord"):
        if element.get(f"{_SPACE}Type") == "IMG" and element.text:  # others are of planes that failed
            y, x = _number(element, "Y"), _number(element, "X")
            place = {} if y is None or x is None else {"y": 0.0 - y, "x": x}
            scale = sizes.get(element.get(f"{_SPACE}Ch"), {})
            yield os.path.basename(element.text.strip()), Indexed(scale, place, _number(element, "Z"))


def _elements(path: str, name: str) -> Iterator[Element]:
    content = Path(path).read_bytes().rstrip()
    whole = content[:-1] if content.endswith(b">>") else content  # as some versions of the software end them
    for _, element in ElementTree.iterparse(io.BytesIO(whole)):
        if tag(element) == name:
            yield element
            element.clear()


def _number(element: Element, name: str) -> float | None:
    text = element.get(f"{_SPACE}{name}")
    return float(text) if text else None
