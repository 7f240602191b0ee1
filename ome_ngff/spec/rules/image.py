"""The rules for images: multiscales, datasets, transformations, and how the channels are shown (omero)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...exceptions import Finding
from ...text import show
from ..dialect import Dialect
from .axes import UNITS_GIVEN, axes_findings
from .book import MISSING, Faults, Rules, entries, is_list, is_number, is_objects, part_of, path_fault
from .spaces import GROUP, flat, space_findings


def image_findings(document: Mapping[str, Any], dialect: Dialect) -> Iterator[Finding]:
    version = dialect.version
    if "multiscales" in document:
        multiscales = document["multiscales"]
        yield from MULTISCALES(multiscales, version=version)
        yield from GROUP(multiscales, "multiscales", version=version)
        for where, multiscale in entries(multiscales, "multiscales"):
            if dialect.spaces:
                yield from space_findings(multiscale, where, version)
            else:
                yield from axes_findings(multiscale.get("axes"), f"{where}.axes", version)
                yield from UNITS_GIVEN(multiscale.get("axes"), f"{where}.axes")
                yield from _transformations(multiscale, where)
            yield from MULTISCALE(flat(multiscale) if dialect.spaces else multiscale, where, version=version)
    if "omero" in document:
        yield from OMERO(document["omero"])


def _transformations(multiscale: Mapping[str, Any], where: str) -> Iterator[Finding]:
    axes = multiscale.get("axes")
    ndim = len(axes) if is_objects(axes) else None
    for place, dataset in entries(multiscale.get("datasets"), f"{where}.datasets"):
        yield from TRANSFORMATIONS(dataset.get("coordinateTransformations"), ndim, f"{place}.coordinateTransformations")
    # Each "multiscales" dictionary MAY contain the field "coordinateTransformations". The transformations MUST follow
    # the same rules about allowed types, order, etc. as in "datasets:coordinateTransformations".
    if "coordinateTransformations" in multiscale:
        given = multiscale["coordinateTransformations"]
        yield from TRANSFORMATIONS(given, ndim, f"{where}.coordinateTransformations")


MULTISCALES = Rules("image")


@MULTISCALES.must("multiscales-form", at="multiscales", wrong=[])
def _multiscales_form(multiscales: Any) -> Faults:
    """ "multiscales" contains a list of dictionaries where each entry describes a multiscale image."""
    if not is_objects(multiscales):
        what = f"multiscales must be a list of at least one image (got {show(multiscales)})."
        yield "multiscales", what, "Describe the image in a dict in this list."


@MULTISCALES.must("multiscales-unique", at="multiscales", wrong=[{}, {}], since="0.6")
def _multiscales_unique(multiscales: Any) -> Faults:
    """The entries of "multiscales" are unique."""
    if is_objects(multiscales) and any(one in multiscales[:k] for k, one in enumerate(multiscales)):
        yield "multiscales", "The same image must not be described twice.", "Leave the copies out."


MULTISCALE = Rules("image")


@MULTISCALE.should("multiscales-name", at="multiscales[0].name", wrong=MISSING)
def _name(multiscale: Mapping[str, Any], where: str) -> Faults:
    """Each "multiscales" dictionary SHOULD contain the field "name"."""
    if not isinstance(multiscale.get("name"), str):
        yield where, f"An image should have a name (got {show(multiscale.get('name'))}).", 'Add "name": "..." to it.'


@MULTISCALE.should("multiscales-type", at="multiscales[0].type", wrong=MISSING)
def _type(multiscale: Mapping[str, Any], where: str) -> Faults:
    """Each "multiscales" dictionary SHOULD contain the field "type", which gives the type of downscaling method used to
    generate the multiscale image pyramid."""
    if _downscaled(multiscale) and not isinstance(multiscale.get("type"), str):
        what = f"An image should state its downscaling method (got {show(multiscale.get('type'))})."
        yield where, what, 'Add "type": "local_mean", or the method that was used.'


def _downscaled(multiscale: Mapping[str, Any]) -> bool:
    """Return whether the image has more than one level; a single level needs no downscaling method."""
    return len(entries(multiscale.get("datasets"), "")) != 1


@MULTISCALE.should("multiscales-metadata", at="multiscales[0].metadata", wrong=MISSING)
def _metadata(multiscale: Mapping[str, Any], where: str) -> Faults:
    """It SHOULD contain the field "metadata", which contains a dictionary with additional information about the
    downscaling method."""
    if _downscaled(multiscale) and not isinstance(multiscale.get("metadata"), Mapping):
        what = f"An image should have a dict that describes its downscaling (got {show(multiscale.get('metadata'))})."
        yield where, what, 'Add "metadata" with description, method, version, args and kwargs.'


@MULTISCALE.must("datasets-form", at="multiscales[0].datasets", wrong=[])
def _datasets_form(multiscale: Mapping[str, Any], where: str) -> Faults:
    """Each "multiscales" dictionary MUST contain the field "datasets", which is a list of dictionaries describing the
    arrays storing the individual resolution levels."""
    if not is_objects(multiscale.get("datasets")):
        what = f"datasets must be a list of at least one dict (got {show(multiscale.get('datasets'))})."
        yield f"{where}.datasets", what, "List the arrays, largest first."


@MULTISCALE.must("dataset-path", at="multiscales[0].datasets[0].path", wrong="/images/cells/0")
def _dataset_path(multiscale: Mapping[str, Any], where: str) -> Faults:
    """Each dictionary in "datasets" MUST contain the field "path", whose value contains the path to the array for this
    resolution relative to the current zarr group."""
    for place, dataset in entries(multiscale.get("datasets"), f"{where}.datasets"):
        fault = path_fault(dataset.get("path"))
        if fault:
            yield f"{place}.path", fault, "Write the name of the array in this group, such as '0'."


@MULTISCALE.must("dataset-path-unique", at="multiscales[0].datasets[1].path", wrong="0")
def _dataset_path_unique(multiscale: Mapping[str, Any], where: str) -> Faults:
    """The "path"s MUST be ordered from largest (i.e. highest resolution) to smallest: each array is one level."""
    seen: set[str] = set()
    for place, dataset in entries(multiscale.get("datasets"), f"{where}.datasets"):
        path = dataset.get("path")
        if isinstance(path, str):
            if path in seen:
                yield f"{place}.path", f"The array {show(path)} is listed twice.", "List each level once."
            seen.add(path)


@MULTISCALE.must(
    "datasets-order",
    at="multiscales[0].datasets[1].coordinateTransformations[0].scale",
    wrong=[1.0, 1.0, 1.0, 0.25, 0.25],
)
def _datasets_order(multiscale: Mapping[str, Any], where: str) -> Faults:
    """The "path"s MUST be ordered from largest (i.e. highest resolution) to smallest."""
    levels = entries(multiscale.get("datasets"), f"{where}.datasets")
    scales = [(place, scale) for place, dataset in levels if (scale := _scale(dataset))]
    for (_, finer), (place, coarser) in itertools.pairwise(scales):
        # Rounding of the numbers does not change the resolution.
        if len(finer) == len(coarser) and any(c < f * (1 - 1e-6) for f, c in zip(finer, coarser, strict=True)):
            what = f"The scale {show(coarser)} is smaller than {show(finer)}, that of the level before."
            yield place, what, "List the levels from the finest to the coarsest, and check their scales."


def _scale(dataset: Mapping[str, Any]) -> list[float] | None:
    for _, transformation in entries(dataset.get("coordinateTransformations"), ""):
        scale = transformation.get("scale")
        if transformation.get("type") == "scale" and is_list(scale) and all(is_number(s) and s > 0 for s in scale):
            return list(scale)
    return None


OMERO = Rules("image")


@OMERO.must("omero-channels", at="omero.channels", wrong=MISSING, form=True)
def _channels(omero: Any) -> Faults:
    """ "channels": [  # Array matching the c dimension size"""
    channels = part_of(omero, "channels")
    if not is_list(channels) or not all(isinstance(channel, Mapping) for channel in channels):
        what = f"omero must have a list of channels (got {show(channels if isinstance(omero, Mapping) else omero)})."
        yield "omero.channels", what, "List one dict for each channel, or leave omero out."


@OMERO.must("omero-color", at="omero.channels[0].color", wrong="#FF0000")
def _color(omero: Any) -> Faults:
    """Each `color` of the `channels` is six hex digits; some viewers crash without it."""
    for where, channel in entries(omero["channels"], "omero.channels"):
        color = channel.get("color")
        if not isinstance(color, str) or not re.fullmatch("[0-9a-fA-F]{6}", color):
            yield f"{where}.color", f"A color must be six hex digits (got {show(color)}).", "Write red as FF0000."


@OMERO.must("omero-window", at="omero.channels[0].window", wrong=MISSING)
def _window(omero: Any) -> Faults:
    """The `window` of each of the `channels` has numbers `min`, `max`, `start`, `end`."""
    for where, channel in entries(omero["channels"], "omero.channels"):
        window = channel.get("window")
        wrong = [key for key in ("min", "max", "start", "end") if not is_number(part_of(window, key))]
        if wrong:
            what = f"A window must have numbers for {', '.join(wrong)} (got {show(window)})."
            yield f"{where}.window", what, "Write the range of the pixels (min, max) and the shown part (start, end)."


# Transformations, of a dataset or of the whole image ------------------------------------------------------------------


TRANSFORMATIONS = Rules("image", until="0.5")
_FIRST = "multiscales[0].datasets[0].coordinateTransformations"
_WANTED = 'Write [{"type": "scale", "scale": [...]}, {"type": "translation", "translation": [...]}].'


@TRANSFORMATIONS.must("dataset-transformations", at=_FIRST, wrong=MISSING, form=True)
def _transformations_form(given: Any, ndim: int | None, where: str) -> Faults:
    """Each dictionary in "datasets" MUST contain the field "coordinateTransformations", which contains a list of
    transformations that map the data coordinates to the physical coordinates."""
    if not is_list(given) or not all(isinstance(t, Mapping) for t in given):
        yield where, f"coordinateTransformations must be a list of dicts (got {show(given)}).", _WANTED


@TRANSFORMATIONS.must("transformation-type", at=f"{_FIRST}[1]", wrong={"type": "identity"})
def _transformation_type(given: Any, ndim: int | None, where: str) -> Faults:
    """The transformation MUST only be of type `translation` or `scale`."""
    for index, transformation in enumerate(given):
        if transformation.get("type") not in ("scale", "translation"):
            what = f"Only scale and translation are allowed (got {show(transformation.get('type'))})."
            yield f"{where}[{index}]", what, "Write an identity as a scale of ones; apply anything else to the pixels."


def _types(given: Any) -> list[Any]:
    return [transformation.get("type") for transformation in given]


@TRANSFORMATIONS.must("dataset-scale-count", at=_FIRST, wrong=[])
def _scale_count(given: Any, ndim: int | None, where: str) -> Faults:
    """They MUST contain exactly one `scale` transformation that specifies the pixel size in physical units or time
    duration."""
    if _types(given).count("scale") != 1:
        hint = "Multiply them into one." if "scale" in _types(given) else _WANTED
        yield where, f"There must be exactly one scale (got {show(_types(given))}).", hint


@TRANSFORMATIONS.must(
    "dataset-translation-count",
    at=f"{_FIRST}[0]",
    wrong={"type": "translation", "translation": [0.0, 0.0, 0.0, 2.0, 2.0]},
)
def _translation_count(given: Any, ndim: int | None, where: str) -> Faults:
    """It MAY contain exactly one `translation` that specifies the offset from the origin in physical units."""
    if _types(given).count("translation") > 1:
        yield where, f"There must be at most one translation (got {show(_types(given))}).", "Add them into one."


@TRANSFORMATIONS.must(
    "dataset-translation-order",
    at=_FIRST,
    wrong=[
        {"type": "translation", "translation": [0.0, 0.0, 0.0, 2.0, 2.0]},
        {"type": "scale", "scale": [1.0, 1.0, 1.0, 0.5, 0.5]},
    ],
)
def _translation_order(given: Any, ndim: int | None, where: str) -> Faults:
    """If `translation` is given it MUST be listed after `scale` to ensure that it is given in physical coordinates."""
    types = _types(given)
    if "scale" in types and "translation" in types and types.index("translation") < types.index("scale"):
        hint = "Put the scale first and multiply the translation by it."
        yield where, f"The translation must come after the scale (got {show(types)}).", hint


@TRANSFORMATIONS.must("transformation-vector", at=f"{_FIRST}[0].scale", wrong=["1.0", "1.0", "1.0", "0.5", "0.5"])
def _vector_form(given: Any, ndim: int | None, where: str) -> Faults:
    """translation | scale vector, stored as a list of floats (and not as binary data at a `path`)."""
    for index, key, vector in _vectors(given):
        hint = f'Write the numbers themselves as the value of "{key}".'
        if "path" in given[index]:
            yield f"{where}[{index}]", f"A {key} must not be stored at a path (got {show(given[index]['path'])}).", hint
        elif not is_list(vector) or not all(is_number(v) for v in vector):
            yield f"{where}[{index}]", f"A {key} must be a list of finite numbers (got {show(vector)}).", hint


def _vectors(given: Any) -> Iterator[tuple[int, str, Any]]:
    for index, transformation in enumerate(given):
        key = transformation.get("type")
        if key in ("scale", "translation"):
            yield index, key, transformation.get(key)


@TRANSFORMATIONS.must("transformation-length", at=f"{_FIRST}[0].scale", wrong=[0.5, 0.5])
def _vector_length(given: Any, ndim: int | None, where: str) -> Faults:
    """The length of the `scale` and `translation` array MUST be the same as the length of "axes"."""
    for index, key, vector in _vectors(given):
        if ndim is not None and is_list(vector) and len(vector) != ndim:
            what = f"A {key} must have one number for each of the {ndim} axes (got {len(vector)})."
            yield f"{where}[{index}]", what, "Write one number for each axis, in their order."


@TRANSFORMATIONS.must("scale-positive", at=f"{_FIRST}[0].scale", wrong=[1.0, 1.0, 1.0, -0.5, 0.5])
def _scale_positive(given: Any, ndim: int | None, where: str) -> Faults:
    """The `scale` specifies the pixel size in physical units or time duration: a number above zero."""
    for index, key, vector in _vectors(given):
        if key == "scale" and is_list(vector) and any(is_number(v) and v <= 0 for v in vector):
            hint = "Write 1.0 for an axis without a pixel size; flip the pixels if an axis runs backwards."
            yield f"{where}[{index}]", f"A scale must be above zero (got {show(vector)}).", hint
