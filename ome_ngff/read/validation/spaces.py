"""The rules for coordinate systems in a store: that what transformations refer to is there, and fits them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import zarr

from ...spec import MISSING, AtPath, Faults, Rules, axes_of, entries, part_of
from ...text import listed, show
from .images import STORE_RULES, ImageFacts
from .members import leads_to
from .tree import Node

Axes = Sequence[Mapping[str, Any]] | None
_EDGES = "/.document.scene.coordinateTransformations"
_FIELD = "/coordinateTransformations/field"
_WORLD = "/.document.scene.coordinateSystems[0].axes"
_VECTORS = f"{_FIELD}.document.multiscales[0].coordinateSystems[0].axes"


def systems_of(holders: Any) -> dict[str, Axes]:
    """Return the axes of the coordinate systems of images, or of a scene, by their names."""
    found = [system for _, holder in entries(holders, "") for _, system in entries(holder.get("coordinateSystems"), "")]
    return {system["name"]: axes_of(system) for system in found[::-1] if isinstance(system.get("name"), str)}


REFERENCE = Rules("scene", STORE_RULES, since="0.6")


@REFERENCE.must("system-there", at=f"{_EDGES}[0].input.name", wrong="atlas")
def _system_there(where: str, path: str, name: Any, systems: Mapping[str, Axes] | None) -> Faults:
    """Every reference MUST resolve: a `path` leads to an image below this group, or to a label image of this image,
    which has a coordinate system of the `name`."""
    if systems is None:
        yield where, f"There is no image at {show(path)}.", "Restore the image, or leave the transformation out."
    elif name not in systems:
        there = listed(list(systems), 5, ", ") or "none"
        what = f"The image at {show(path)} has no coordinate system {show(name)} (it has {there})."
        yield where, what, "Correct the name, or describe the system in that image."


SCENE = Rules("scene", STORE_RULES, since="0.6")


@SCENE.must("scene-connected", at=f"{_EDGES}[1].output", wrong={"path": "tile_1", "name": "physical"})
def _connected(where: str, scene: Any, others: Sequence[str]) -> Faults:
    """The coordinate systems of a scene, its transformations, and the graphs of its images MUST form one connected
    graph."""
    found = _pieces(scene)
    if len(found) > 1:
        what = f"No transformations connect {listed(sorted(found[-1]), 5, ', ')} with the rest of the scene."
        yield where, what, "Add a transformation to a coordinate system of the rest."


def _pieces(scene: Any) -> list[set[str]]:
    """Return what is connected: images by their paths, as each is one piece, and systems of the scene by their names.

    The directions of transformations do not matter, nor whether they have an inverse.
    """
    pieces = [{name} for name in systems_of([scene])]
    for _, edge in entries(part_of(scene, "coordinateTransformations"), ""):
        ends = {str(part_of(edge.get(end), "path") or part_of(edge.get(end), "name")) for end in ("input", "output")}
        joined = ends.union(*(piece for piece in pieces if piece & ends))
        pieces = [*(piece for piece in pieces if not piece & ends), joined]
    return sorted(pieces, key=len, reverse=True)


@SCENE.should("scene-images-placed", at=f"{_EDGES}[1]", wrong=MISSING)
def _placed(where: str, scene: Any, others: Sequence[str]) -> Faults:
    """Images below a scene SHOULD be reached by its transformations (whether they must is not said)."""
    if others:
        what = f"No transformation of the scene is of the image {listed(others, 3, ', ')}."
        yield where, what, "Say how it lies to the others, or move it out of the group of the scene."


PLACE = Rules("scene", STORE_RULES, since="0.6")


@PLACE.should("parameters-beside", at=f"{_EDGES}[2].path", wrong="matrix")
def _beside(where: str, path: str) -> Faults:
    """Arrays and fields with parameters SHOULD lie in a group `coordinateTransformations` beside the images."""
    if path.partition("/")[0] != "coordinateTransformations":
        what = f"Parameters should lie in the group coordinateTransformations (got {show(path)})."
        yield where, what, "Move them there, and correct the path."


_HINT = "Restore it, or correct the path; it is counted from the group of the document."
MATRIX_THERE = Rules("scene", STORE_RULES, since="0.6")
MATRIX_THERE.must(
    "matrix-there",
    "At the `path` of an affine or a rotation there MUST be an array.",
    at="/coordinateTransformations/matrix",
    wrong=MISSING,
)(leads_to("array", "The path of a matrix must lead to an array.", _HINT))
FIELD_THERE = Rules("scene", STORE_RULES, since="0.6")
FIELD_THERE.must(
    "vectors-there",
    "The `path` of a field MUST lead to a group with a multiscale image (before 0.6rc0: to an array).",
    at=_FIELD,
    wrong={"shape": [2, 4, 4], "dtype": "float32"},
)(leads_to("group", "The path of a field must lead to an image.", _HINT))

MATRIX = Rules("scene", STORE_RULES, since="0.6")


@MATRIX.must("matrix-shape", at="/coordinateTransformations/matrix.shape", wrong=[3, 2])
def _matrix_shape(where: str, node: Node, found: AtPath) -> Faults:
    """The array at the `path` MUST have two dimensions: N + 1 columns for an affine, N for a rotation, and a row for
    each axis of the output."""
    if not isinstance(node, zarr.Array):
        return
    more, shape = found.type == "affine", node.shape
    n = None if found.axes is None else len(found.axes)
    if len(shape) != 2 or (n is not None and shape[1] != n + more) or found.outputs not in (None, shape[0]):
        wanted = f"[{'M' if found.outputs is None else found.outputs}, {'N' if n is None else n}{' + 1' * more}]"
        yield where, f"The matrix must have the shape {wanted} (got {show(shape)}).", "Store a row for each output."


FIELD = Rules("scene", STORE_RULES, since="0.6")


def _vector_axes(field: ImageFacts, found: AtPath) -> list[int]:
    kind = found.type.removesuffix("s")
    return [k for k, axis in enumerate(axes_of(field.document) or ()) if axis.get("type") == kind]


@FIELD.must("vectors-axis", at=f"{_VECTORS}[0].type", wrong="channel", form=True)
def _vector(field: ImageFacts, found: AtPath) -> Faults:
    """Exactly one axis of a field MUST be of the type `displacement` or `coordinate`, as the transformation is."""
    at, kind = _vector_axes(field, found), found.type.removesuffix("s")
    if len(at) != 1:
        what = f"One axis of a field of {found.type} must be of the type {kind} (got {len(at)})."
        yield field.where, what, f'Write "type": "{kind}" to the axis along which the vectors lie.'


@FIELD.must("vectors-discrete", at=f"{_VECTORS}[0].discrete", wrong=MISSING)
def _discrete(field: ImageFacts, found: AtPath) -> Faults:
    """The axis of the vectors MUST have `"discrete": true`."""
    for k in _vector_axes(field, found):
        if field.document["axes"][k].get("discrete") is not True:
            yield f"{field.where}.axes[{k}]", "The axis of the vectors must be discrete.", 'Add "discrete": true.'


@FIELD.must("vectors-dimensions", at=_WORLD, wrong=[{"name": name, "type": "space"} for name in "zyx"])
def _dimensions(field: ImageFacts, found: AtPath) -> Faults:
    """A field MUST have as many dimensions as its input has axes, and one more."""
    axes = axes_of(field.document) or ()
    if found.axes is not None and len(axes) != len(found.axes) + 1:
        what = f"A field for {len(found.axes)} axes must have {len(found.axes) + 1} (got {len(axes)})."
        yield field.where, what, "Apply it to some axes alone, in a byDimension."


@FIELD.must("vectors-order", at=_VECTORS, wrong=[
    {"name": "y", "type": "space"}, {"name": "d", "type": "displacement", "discrete": True},
    {"name": "x", "type": "space"},
])  # fmt: skip
def _order(field: ImageFacts, found: AtPath) -> Faults:
    """The axis of the vectors MUST stand after time and before space."""
    kinds = [str(axis.get("type")) for axis in axes_of(field.document) or ()]
    for k in _vector_axes(field, found):
        if "space" in kinds[:k] or "time" in kinds[k:]:
            what = f"The axis of the vectors must stand after time and before space (got {listed(kinds)})."
            yield f"{field.where}.axes", what, "Store the vectors in the order of their axes: time, vectors, space."


@FIELD.must("vectors-length", at=f"{_FIELD}/0.shape", wrong=[3, 4, 4])
def _length(field: ImageFacts, found: AtPath) -> Faults:
    """The axis of the vectors MUST be as long as the output has axes."""
    first = (field.arrays[0].shape if field.arrays else None) or ()
    wanted = found.outputs if found.axes is None or found.type == "coordinates" else len(found.axes)
    for k in _vector_axes(field, found) if first and wanted is not None else ():
        if first[k] != wanted:
            what = f"The vectors must have {wanted} components, one for each axis (got {first[k]})."
            yield field.where, what, "Store a component for each axis of the output, time included."


@FIELD.must("vectors-channel", at=_WORLD, wrong=[
    {"name": "c", "type": "channel"}, *({"name": name, "type": "space"} for name in "yx")
])  # fmt: skip
def _channel(field: ImageFacts, found: AtPath) -> Faults:
    """The input of a field MUST NOT have a channel, whose place the axis of the vectors takes."""
    others = [show(axis.get("name")) for axis in found.axes or () if axis.get("type") not in ("space", "time", "array")]
    if others:
        what = f"The input of a field must have axes of time and space alone (got {listed(others)})."
        yield found.where, what, "Wrap the field in a byDimension, with an identity for this axis."
