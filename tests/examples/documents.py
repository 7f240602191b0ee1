"""Examples for the documentation and the tests: a right document of each kind, and a wrong one for each rule."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from ome_ngff.spec.rules.book import MISSING, Rule

if TYPE_CHECKING:
    from ome_ngff.format import Format


def sample(kind: str, fmt: Format) -> dict[str, Any]:
    """Return a document of this kind that breaks no rule, not even as a warning."""
    documents: dict[str, dict[str, Any]] = {
        "image": _image(fmt) | {"omero": {"channels": [_channel("FF0000"), _channel("00FF00")]}},
        "labels": {"labels": ["cells", "nuclei/manual"]},
        "label": _image(fmt) | _image_label(fmt),
        "plate": _plate(fmt),
        "well": fmt.well([{"path": "0", "acquisition": 0}, {"path": "1", "acquisition": 1}]),
        "bf2raw": {"bioformats2raw.layout": 3, "series": ["0", "1"]},
    }
    return fmt.unwrap(fmt.wrap(documents[kind]))


def wrong(rule: Rule, fmt: Format) -> Any:
    """Return the attributes of a group that break a rule, where the format has this rule (not all have all)."""
    if not rule.at:
        return copy.deepcopy(rule.wrong)
    return fmt.wrap(put(sample(rule.kind, fmt), rule.at, rule.wrong))


def put(document: Any, at: str, value: Any) -> Any:
    """Return a copy of a document with another value at a place such as "multiscales[0].name"; `MISSING` removes it."""
    changed = copy.deepcopy(document)
    *parents, last = steps(changed, at)
    part: Any = changed
    for step in parents:
        part = part[step]
    if value is not MISSING:
        part[last] = copy.deepcopy(value)
    elif not isinstance(part, dict) or last in part:
        del part[last]
    return changed


def steps(document: Any, at: str) -> list[str | int]:
    """Split a place into keys and indices."""
    if at in document:
        return [at]
    return [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", at)]


def _image(fmt: Format) -> dict[str, Any]:
    axes: list[dict[str, Any]] = [
        {"name": "t", "type": "time", "unit": "second"},
        {"name": "c", "type": "channel"},
        *(
            {"name": name, "type": "space", "unit": "micrometer", "orientation": {"type": "anatomical", "value": value}}
            for name, value in zip("zyx", _DIRECTIONS, strict=True)
        ),
    ]
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [
                {"type": "scale", "scale": [1.0, 1.0, 1.0, size, size]},
                {"type": "translation", "translation": [0.0, 0.0, 0.0, size / 2, size / 2]},
            ],
        }
        for level, size in enumerate((0.5, 1.0))
    ]
    metadata = {"description": "mean of blocks", "method": "ome_ngff.methods.LocalMean", "version": "1.0"}
    return fmt.multiscale(axes, datasets, "cells", type="local_mean", metadata=metadata)


_DIRECTIONS = ("inferior-to-superior", "posterior-to-anterior", "left-to-right")


def _channel(color: str) -> dict[str, Any]:
    return {"label": "DAPI", "color": color, "window": {"min": 0, "max": 65535, "start": 100, "end": 4000}}


def _image_label(fmt: Format) -> dict[str, Any]:
    return fmt.image_label(
        colors=[{"label-value": 1, "rgba": [255, 0, 0, 255]}, {"label-value": 2, "rgba": [0, 255, 0, 255]}],
        properties=[{"label-value": 1, "area": 1200}, {"label-value": 2, "area": 800}],
        source={"image": "../../"},
    )


def _plate(fmt: Format) -> dict[str, Any]:
    rows, columns = ["A", "B"], ["1", "2", "3"]
    return fmt.plate(
        name="plate 7",
        field_count=2,
        rows=[{"name": name} for name in rows],
        columns=[{"name": name} for name in columns],
        wells=[fmt.generate_well_dict(path, rows, columns) for path in ("A/1", "A/3", "B/2")],
        acquisitions=[
            {"id": number, "name": f"day {number}", "maximumfieldcount": 1, "starttime": 1_772_357_400}
            for number in (0, 1)
        ],
    )
