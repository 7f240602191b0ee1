"""The rules for labels: the group that lists them, and the label images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...exceptions import Finding
from ...text import show
from .book import MISSING, Entry, Faults, Rules, entries, is_integer, is_list, is_objects, path_fault


def label_findings(document: Mapping[str, Any], kind: str | None) -> Iterator[Finding]:
    if "labels" in document:
        yield from LABELS(document["labels"])
    if "image-label" in document or kind == "label":
        yield from LABEL(document)
    if "image-label" in document:
        yield from IMAGE_LABEL(document["image-label"])


LABELS = Rules("labels")


@LABELS.must("labels-form", at="labels", wrong="cells", form=True)
def _labels_form(labels: Any) -> Faults:
    """The OME-Zarr Metadata associated with the "labels" group MUST contain a JSON object with the key `labels`, whose
    value is a JSON array of paths to the labeled multiscale image(s)."""
    if not is_list(labels) or not all(isinstance(path, str) for path in labels):
        yield "labels", f"labels must be a list of paths (got {show(labels)}).", 'Write ["cells"].'


@LABELS.must("labels-path", at="labels[0]", wrong="../cells")
def _labels_path(labels: Any) -> Faults:
    """The paths lead to label objects which can be found underneath the group."""
    for index, path in enumerate(labels):
        if path_fault(path):
            yield f"labels[{index}]", path_fault(path), "Write the name of the label image in this group."


LABEL = Rules("label")


@LABEL.must("label-multiscales", at="multiscales", wrong=MISSING)
def _multiscales(document: Mapping[str, Any]) -> Faults:
    """`image-label` groups MUST also contain `multiscales` metadata."""
    if "multiscales" not in document:
        yield "image-label", "A label image must have multiscales, as any image.", "Describe its arrays in multiscales."


@LABEL.should("label-given", at="image-label", wrong=MISSING)
def _given(document: Mapping[str, Any]) -> Faults:
    """In addition to the `multiscales` key, the OME-Zarr Metadata SHOULD contain another key, `image-label`."""
    if "image-label" not in document:
        yield "image-label", "A label image should have image-label.", 'Add "image-label": {"colors": [...]}.'


IMAGE_LABEL = Rules("label")


@IMAGE_LABEL.must("label-form", at="image-label", wrong=[], form=True)
def _form(label: Any) -> Faults:
    """The value of `image-label` is also a JSON object."""
    if not isinstance(label, Mapping):
        yield "image-label", f"image-label must be a dict (got {show(label)}).", "Write its keys into a dict."


@IMAGE_LABEL.should("label-colors", at="image-label.colors", wrong=MISSING)
def _colors(label: Mapping[str, Any]) -> Faults:
    """The `image-label` object SHOULD contain a `colors` key."""
    if "colors" not in label:
        hint = 'Add "colors": [{"label-value": 1, "rgba": [255, 0, 0, 255]}].'
        yield "image-label", "image-label should have colors.", hint


@IMAGE_LABEL.must("label-lists", at="image-label.properties", wrong=[])
def _lists(label: Mapping[str, Any]) -> Faults:
    """The value of `colors` MUST be a JSON array describing color information for the unique label values; the value of
    `properties` MUST be an array of JSON objects. Neither is empty."""
    for key in ("colors", "properties"):
        if key in label and not is_objects(label[key]):
            what = f"{key} must be a list with at least one dict (got {show(label[key])})."
            yield f"image-label.{key}", what, f"Leave {key} out if it would be empty."


@IMAGE_LABEL.must("label-value", at="image-label.colors[0].label-value", wrong=True)
def _value(label: Mapping[str, Any]) -> Faults:
    """Each of these objects MUST contain the `label-value` key, whose value MUST be the integer corresponding to a
    particular label."""
    for where, entry in _entries(label, "colors", "properties"):
        if not is_integer(entry.get("label-value")):
            what = f"label-value must be an integer (got {show(entry.get('label-value'))})."
            yield where, what, "Write the value of the pixels, without quotes or decimals."


def _entries(label: Mapping[str, Any], *keys: str) -> Iterator[Entry]:
    for key in keys:
        yield from entries(label.get(key), f"image-label.{key}")


@IMAGE_LABEL.must("label-value-unique", at="image-label.colors[1].label-value", wrong=1)
def _value_unique(label: Mapping[str, Any]) -> Faults:
    """All `label-value`s must be unique."""
    for key in ("colors", "properties"):
        seen: set[int] = set()
        for where, entry in _entries(label, key):
            value = entry.get("label-value")
            if is_integer(value):
                if value in seen:
                    yield where, f"The label {show(value)} has more than one entry.", "Keep one entry for each label."
                seen.add(value)


@IMAGE_LABEL.must("label-rgba", at="image-label.colors[0].rgba", wrong=[255, 0, 0])
def _rgba(label: Mapping[str, Any]) -> Faults:
    """The objects in this array MAY contain an `rgba` key whose value MUST be an array of four integers between 0 and
    255, inclusive."""
    for where, entry in _entries(label, "colors"):
        rgba = entry.get("rgba")
        if "rgba" in entry and not (is_list(rgba) and len(rgba) == 4 and all(map(_is_uint8, rgba))):
            what = f"rgba must be four integers from 0 to 255 (got {show(rgba)})."
            yield f"{where}.rgba", what, "Write opaque red as [255, 0, 0, 255]."


def _is_uint8(value: Any) -> bool:
    return is_integer(value, 0) and value <= 255


@IMAGE_LABEL.must("label-source", at="image-label.source.image", wrong="/data/image.zarr")
def _source(label: Mapping[str, Any]) -> Faults:
    """The value of the `source` key MUST be a JSON object. This object MAY include a key `image`, whose value MUST be a
    string specifying the relative path to a Zarr image group."""
    source = label.get("source", {})
    if not isinstance(source, Mapping):
        yield "image-label.source", f"source must be a dict (got {show(source)}).", 'Write {"image": "../../"}.'
    elif "image" in source and path_fault(source["image"], climb=True):
        fault = path_fault(source["image"], climb=True)
        yield "image-label.source.image", fault, "Write '../../' for the image that this label belongs to."
