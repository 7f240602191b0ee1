"""The rules for `coordinateTransformations`, of a dataset or of the whole image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...text import show
from .book import MISSING, Faults, Rules, is_list, is_number

TRANSFORMATIONS = Rules("image")
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
