"""The rules for transformations, from 0.6 on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from ...exceptions import Finding
from ...text import nearest_word, show
from .book import Faults, Rules, path_fault
from .parameters import (
    DEEPEST,
    FIELDS,
    MATRICES,
    PARAMETERS,
    children,
    inputs,
    kind_of_transformation,
    misfits,
    outputs,
)

Document = Mapping[str, Any]


def transformation_findings(t: Any, n: int | None, m: int | None, where: str, depth: int = 0) -> Iterator[Finding]:
    """Yield every violation by a transformation and by those inside of it.

    Args:
        t: any JSON value. n, m: axes of its input and its output. where: its place.
    """
    found = list(TRANSFORMATION(t, n, m, where))
    yield from found
    if depth < DEEPEST and not any(finding.rule in ("transformation-type-known", "parameters") for finding in found):
        for child, inner_n, inner_m, place in children(t, n):
            yield from transformation_findings(child, inner_n, inner_m, f"{where}.{place}", depth + 1)


TRANSFORMATION = Rules("image", since="0.6")
_EDGE = "multiscales[0].coordinateTransformations"


@TRANSFORMATION.must("transformation-type-known", at=f"{_EDGE}[0].type", wrong="warp", form=True)
def _known(t: Any, n: int | None, m: int | None, where: str) -> Faults:
    """The field "type" MUST be one of the types of transformations: identity, mapAxis, projectAxis, translation, scale,
    affine, rotation, sequence, byDimension, bijection, displacements or coordinates."""
    kind = t.get("type") if isinstance(t, Mapping) else t
    if not isinstance(t, Mapping) or not isinstance(kind, str) or kind not in PARAMETERS:
        hint = nearest_word(kind, PARAMETERS).strip() if isinstance(kind, str) else ""
        yield where, f"A transformation must have a known type (got {show(kind)}).", hint or 'Write {"type": "scale"}.'


@TRANSFORMATION.must("parameters", at=f"{_EDGE}[1].affine", wrong=[1.0, 0.0], form=True)
def _parameters(t: Document, n: int | None, m: int | None, where: str) -> Faults:
    """Each type has parameters of its own: lists of numbers in the document, or, for matrices and fields alone, a
    `path`."""
    for key, wanted in misfits(t).items():
        what = f"The {key} of the transformation {t['type']} must be {wanted} (got {show(t.get(key))})."
        yield f"{where}.{key}" if key in t else where, what, f"See what {t['type']} takes, and correct it."


@TRANSFORMATION.must("map-axis", at=f"{_EDGE}[2].mapAxis", wrong=[0, 1, 2, 4, 4])
def _map_axis(t: Document, n: int | None, m: int | None, where: str) -> Faults:
    """The array MUST contain each of the indices from 0 to N-1 exactly once; it has 2 to 5 of them."""
    order = t.get("mapAxis", ()) if t["type"] == "mapAxis" else (0, 1)
    if sorted(order) != list(range(len(order))) or not 2 <= len(order) <= 5:
        what = f"mapAxis must have each index of 2 to 5 axes once (got {show(order)})."
        yield f"{where}.mapAxis", what, "Write a permutation of 0, 1, 2, ...; one axis alone needs an identity."


@TRANSFORMATION.must("project-axis", at=f"{_EDGE}[3].droppedInputs", wrong=[1, 1])
def _project_axis(t: Document, n: int | None, m: int | None, where: str) -> Faults:
    """`droppedInputs` and `createdOutputs` are 1 to 3 unique indices of axes, of the input and of the output."""
    counts = {"droppedInputs": n, "createdOutputs": outputs(t, n)}
    for key, count in counts.items() if t["type"] == "projectAxis" else ():
        indices, below = t.get(key, (0,)), 5 if count is None else min(count, 5)
        if len(set(indices)) != len(indices) or len(indices) > 3 or (key in t and max(indices) >= below):
            what = f"{key} must be 1 to 3 different indices below {below} (got {show(indices)})."
            yield f"{where}.{key}", what, "Name each axis once, counted from 0."


@TRANSFORMATION.must("transformation-scale-positive", at=f"{_EDGE}[0].scale", wrong=[1.0, 1.0, 1.0, -1.0, 1.0])
def _scale_positive(t: Document, n: int | None, m: int | None, where: str) -> Faults:
    """Scale transformation that scales coordinates by specified factors along each axis (exclusiveMinimum: 0)."""
    if t["type"] == "scale" and any(s <= 0 for s in t["scale"]):
        what = f"A scale must be above zero (got {show(t['scale'])})."
        yield f"{where}.scale", what, "Turn an axis round by an affine from the intrinsic system to another one."


@TRANSFORMATION.must("rotation", at=f"{_EDGE}[4].rotation[4]", wrong=[0.0, 0.0, 0.0, 0.0, -1.0])
def _rotation(t: Document, n: int | None, m: int | None, where: str) -> Faults:
    """The matrix MUST be orthonormal with determinant +1."""
    if t["type"] == "rotation" and "rotation" in t and not _is_rotation(t["rotation"]):
        what = f"A rotation must have orthonormal rows and the determinant 1 (got {show(t['rotation'])})."
        yield f"{where}.rotation", what, "Write an affine for what reflects, shears or scales."


def _is_rotation(rows: Any) -> bool:
    import numpy as np

    matrix = np.array(rows, float)
    if matrix.shape[0] != matrix.shape[1] or np.abs(matrix).max() > 2:
        return False
    return bool(np.allclose(matrix @ matrix.T, np.eye(len(matrix)), atol=1e-6) and np.linalg.det(matrix) > 0)


@TRANSFORMATION.must("sequence-fits", at=f"{_EDGE}[3]", wrong={
    "type": "sequence", "input": {"name": "physical"}, "output": {"name": "pixels"},
    "transformations": [{"type": "scale", "scale": [1.0] * 5}, {"type": "scale", "scale": [1.0] * 4}],
})  # fmt: skip
def _sequence_fits(t: Document, n: int | None, m: int | None, where: str) -> Faults:
    """The number of output axes of each transformation of a sequence MUST be that of the input axes of the next."""
    steps = children(t, n) if t["type"] == "sequence" else ()
    for (before, own, _, _), (after, _, _, place) in itertools.pairwise(steps):
        given, wanted = outputs(before, inputs(before) if own is None else own), inputs(after)
        if given is not None and wanted is not None and given != wanted:
            what = f"The transformation is for {wanted} axes, but the one before it gives {given}."
            yield f"{where}.{place}", what, "Give it a number for each axis that comes out of the one before."


@TRANSFORMATION.must("by-dimension-outputs", at=f"{_EDGE}[5].transformations[1].outputAxes", wrong=[1, 2, 3])
def _by_dimension(t: Document, n: int | None, m: int | None, where: str) -> Faults:
    """Each output axis MUST be that of exactly one of the transformations; indices MUST be in range."""
    items = t["transformations"] if t["type"] == "byDimension" else ()
    made, read = ([i for item in items for i in item[key]] for key in ("outputAxes", "inputAxes"))
    if sorted(made) != list(range(len(made))) or (m is not None and items and len(made) != m):
        what = f"Each output axis must be made once, from 0 to {(m or len(made)) - 1} (got {show(sorted(made))})."
        yield f"{where}.transformations", what, "Add an identity for an axis that stays as it is."
    if n is not None and any(i >= n for i in read):
        what = f"The input has {n} axes, so their indices are below {n} (got {show(sorted(read))})."
        yield f"{where}.transformations", what, "Count the axes of the input from 0."


@TRANSFORMATION.must("transformation-axes", at=f"{_EDGE}[0].scale", wrong=[1.0, 1.0])
def _axes(t: Document, n: int | None, m: int | None, where: str) -> Faults:
    """The length of the array of parameters MUST fit the number of axes of the input and of the output."""
    wanted, given = inputs(t), outputs(t, n if inputs(t) is None else inputs(t))
    if n is not None and wanted is not None and n != wanted:
        yield where, f"The {t['type']} is for {wanted} axes, but its input has {n}.", "Say it for each of the axes."
    elif m is not None and given is not None and m != given:
        yield where, f"The {t['type']} gives {given} axes, but its output has {m}.", "Say it for each of the axes."


@TRANSFORMATION.must("parameter-path", at=f"{_EDGE}[5].transformations[1].transformation.path", wrong="../field")
def _path(t: Document, n: int | None, m: int | None, where: str) -> Faults:
    """The `path` leads to the array or the group that holds the parameters, in the same hierarchy."""
    if t["type"] in (*MATRICES, *FIELDS) and "path" in t:
        fault = path_fault(t["path"].removeprefix("/"))
        if fault:
            yield f"{where}.path", fault, "Write the path from the group of this document."


@TRANSFORMATION.should(
    "parameter-path-relative",
    at=f"{_EDGE}[5].transformations[1].transformation.path",
    wrong="/coordinateTransformations/field",
)
def _relative(t: Document, n: int | None, m: int | None, where: str) -> Faults:
    """What a `path` is relative to SHOULD be clear: the group of the document."""
    if t["type"] in (*MATRICES, *FIELDS) and str(t.get("path", "")).startswith("/"):
        what = f"The path should be relative to the group of this document (got {show(t['path'])})."
        yield f"{where}.path", what, "Leave out the '/' it begins with."


@TRANSFORMATION.should(
    "interpolation", at=f"{_EDGE}[5].transformations[1].transformation.interpolation", wrong="bspline"
)
def _interpolation(t: Document, n: int | None, m: int | None, where: str) -> Faults:
    """The field "interpolation" SHOULD be "nearest", "linear" or "cubic"."""
    if t["type"] in FIELDS and t.get("interpolation", "linear") not in ("nearest", "linear", "cubic"):
        what = f"The interpolation should be nearest, linear or cubic (got {show(t['interpolation'])})."
        yield f"{where}.interpolation", what, "Write one of these; readers that know no other take linear."


@TRANSFORMATION.should("bijection-needed", at=f"{_EDGE}[3]", wrong={
    "type": "bijection", "input": {"name": "physical"}, "output": {"name": "pixels"},
    "forward": {"type": "scale", "scale": [2.0] * 5}, "inverse": {"type": "scale", "scale": [0.5] * 5},
})  # fmt: skip
def _needed(t: Document, n: int | None, m: int | None, where: str) -> Faults:
    """A bijection SHOULD be used only where the inverse of the transformation has no closed form."""
    if t["type"] == "bijection" and any(kind_of_transformation(t[half]) in _CLOSED for half in ("forward", "inverse")):
        yield where, "A bijection should be used for what has no inverse of a closed form.", "Write one half alone."


_CLOSED = ("identity", "mapAxis", "translation", "scale", "rotation")


@TRANSFORMATION.should("affine-needed", at=f"{_EDGE}[1].affine", wrong=[
    [*(1.0 if i == j else 0.0 for j in range(5)), 2.0] for i in range(5)
])  # fmt: skip
def _least(t: Document, n: int | None, m: int | None, where: str) -> Faults:
    """Implementations SHOULD prefer the least powerful of the types that represent a transformation."""
    rows: Any = t.get("affine", ()) if t["type"] == "affine" else ()
    square = bool(rows) and len(rows[0]) == len(rows) + 1
    zeros = all(value == 0 for i, row in enumerate(rows) for j, value in enumerate(row[:-1]) if i != j)
    if square and zeros and all(row[i] > 0 for i, row in enumerate(rows)):
        what = "An affine that only scales and moves should be a scale and a translation."
        yield where, what, "Write a sequence of a scale and a translation."
