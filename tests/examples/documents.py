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
        "scene": {"scene": _scene()},
    }
    return fmt.unwrap(fmt.wrap(documents[kind]))


def wrong(rule: Rule, fmt: Format) -> Any:
    """Return the attributes of a group that break a rule, where the format has this rule (not all have all)."""
    if not rule.at or not rule.holds(fmt.version):
        return {} if rule.at else copy.deepcopy(rule.wrong)
    return changed(fmt, rule.kind, rule.at, rule.wrong)


def changed(fmt: Format, kind: str, at: str, value: Any) -> dict[str, Any]:
    """Return the attributes of the sample with another value at one place, which is where 0.5 has it."""
    return fmt.wrap(edit(sample(kind, fmt), fmt, at, value))


def edit(document: Any, fmt: Format, at: str, value: Any) -> Any:
    """Return a copy of a document with another value where 0.5 has a place; `MISSING` removes what is there."""
    changed = put(document, place(at, fmt), value)
    found = re.fullmatch(r"multiscales\[0\]\.datasets\[(.)\]\.(path|coordinateTransformations)", at)
    if fmt.version < "0.6" or found is None or not value or value is MISSING:
        return changed
    # From 0.6 on, a level leads from its path to a coordinate system, by one transformation.
    dataset = changed["multiscales"][0]["datasets"][int(found[1])]
    if found[2] == "coordinateTransformations":
        (whole,) = fmt.multiscale([], [dataset], "")["multiscales"]
        dataset.update(whole["datasets"][0])
    elif isinstance(value, str):
        dataset["coordinateTransformations"][0]["input"]["path"] = value
    return changed


def place(at: str, fmt: Format) -> str:
    """Return where a version has what 0.5 has at a place: from 0.6 on, axes and steps lie one deeper."""
    if fmt.version < "0.6":
        return at
    at = at.replace("multiscales[0].axes", "multiscales[0].coordinateSystems[0].axes")
    return re.sub(
        r"(datasets\[.\]\.coordinateTransformations)\[(.)\]\.(scale|translation)", r"\1[0].transformations[\2].\3", at
    )


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
    document = fmt.multiscale(axes, datasets, "cells", type="local_mean", metadata=metadata)
    if fmt.version >= "0.6":
        (multiscale,) = document["multiscales"]
        systems = {"aligned": axes, "pixels": axes, "swapped": axes, "volume": axes[2:], "turned": axes, "warped": axes}
        multiscale["coordinateSystems"] += [{"name": name, "axes": used} for name, used in systems.items()]
        multiscale["coordinateTransformations"] = _edges()
    return document


def _edges() -> list[dict[str, Any]]:
    """Return transformations from the intrinsic coordinate system of the image to others, of all types but one."""
    eye = [[float(i == j) for j in range(5)] for i in range(5)]
    field = {"type": "displacements", "path": "coordinateTransformations/field", "interpolation": "linear"}
    by_axis = [
        {"transformation": {"type": "identity"}, "inputAxes": [0, 1], "outputAxes": [0, 1]},
        {"transformation": field, "inputAxes": [2, 3, 4], "outputAxes": [2, 3, 4]},
    ]
    found: dict[str, dict[str, Any]] = {
        "pixels": {"type": "scale", "scale": [1.0, 1.0, 1.0, 2.0, 2.0]},
        "aligned": {"type": "affine", "affine": [[*row, 0.5] for row in [*eye[:3], [0, 0, 0.2, 1, 0], eye[4]]]},
        "swapped": {"type": "mapAxis", "mapAxis": [0, 1, 2, 4, 3]},
        "volume": {"type": "projectAxis", "droppedInputs": [0, 1]},
        "turned": {"type": "rotation", "rotation": [*eye[:3], [0, 0, 0, 0.6, -0.8], [0, 0, 0, 0.8, 0.6]]},
        "warped": {"type": "byDimension", "transformations": by_axis},
    }
    ends = {name: {"input": {"name": "physical"}, "output": {"name": name}} for name in found}
    return [{"name": f"to {name}", **found[name], **ends[name]} for name in found]


def _scene() -> dict[str, Any]:
    space = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    tiles = [
        {
            "type": "translation",
            "translation": [0.0, 90.0 * number],
            "input": {"path": f"tile_{number}", "name": "physical"},
            "output": {"name": "world"},
        }
        for number in range(2)
    ]
    parameters = {"turned": ("affine", "matrix"), "warped": ("displacements", "field")}
    further = [
        {
            "type": kind,
            "path": f"coordinateTransformations/{path}",
            "input": {"name": "world"},
            "output": {"name": name},
        }
        for name, (kind, path) in parameters.items()
    ]
    systems = [{"name": name, "axes": space} for name in ("world", *parameters)]
    return {"coordinateSystems": systems, "coordinateTransformations": [*tiles, *further]}


_DIRECTIONS = ("inferior-to-superior", "posterior-to-anterior", "left-to-right")


def _channel(color: str) -> dict[str, Any]:
    return {"label": "DAPI", "color": color, "window": {"min": 0, "max": 65535, "start": 100, "end": 4000}}


def _image_label(fmt: Format) -> dict[str, Any]:
    return fmt.image_label(
        colors=[{"label-value": 1, "rgba": [255, 0, 0, 255]}, {"label-value": 2, "rgba": [0, 255, 0, 255]}],
        properties=[{"label-value": 1, "area": 1200}, {"label-value": 2, "area": 800}],
        source={"image": "../../"},
    )


def flat_image(fmt: Format, first: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the document of an image of two levels with the axes y and x, and another one before them."""
    axes = [*([first] if first else []), *({"name": name, "type": "space", "unit": "micrometer"} for name in "yx")]
    more = len(axes) - 2
    steps = [{"type": "scale", "scale": [*[1.0] * more, size, size]} for size in (1.0, 2.0)]
    shift = {"type": "translation", "translation": [*[0.0] * more, 0.5, 0.5]}
    datasets = [
        {"path": "0", "coordinateTransformations": steps[:1]},
        {"path": "1", "coordinateTransformations": [steps[1], shift]},
    ]
    metadata = {"description": "mean of blocks", "method": "ome_ngff.methods.LocalMean", "version": "1.0"}
    return fmt.multiscale(axes, datasets, "flat", type="local_mean", metadata=metadata)


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
