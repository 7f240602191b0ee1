"""The rules for scenes, from 0.6 on: how images lie to each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ...exceptions import Finding
from ...text import listed, show
from .axes import axes_findings
from .book import Faults, Rules, entries, is_list, is_objects, part_of, path_fault
from .spaces import axis_counts, edge_findings

Document = Mapping[str, Any]


def scene_findings(document: Document, version: str) -> Iterator[Finding]:
    """Yield every violation by the scene of a document."""
    scene = document["scene"]
    yield from SCENE(scene, document)
    systems = part_of(scene, "coordinateSystems")
    for place, system in entries(systems, "scene.coordinateSystems"):
        yield from axes_findings(system.get("axes"), f"{place}.axes", version, spatial=False)
    for place, edge in entries(part_of(scene, "coordinateTransformations"), "scene.coordinateTransformations"):
        yield from SCENE_EDGE(edge, systems, place)
        yield from edge_findings(edge, axis_counts(systems), place)


SCENE = Rules("scene", since="0.6")


@SCENE.must("scene-transformations", at="scene.coordinateTransformations", wrong=[], form=True)
def _scene_transformations(scene: Any, document: Document) -> Faults:
    """The `scene` object MUST contain the field "coordinateTransformations", a list of at least one transformation."""
    given = part_of(scene, "coordinateTransformations")
    if not is_objects(given):
        what = f"A scene must have a list of at least one transformation (got {show(given)})."
        yield "scene.coordinateTransformations", what, "Say how the images lie to each other."


@SCENE.must("scene-systems", at="scene.coordinateSystems[0].name", wrong="")
def _scene_systems(scene: Document, document: Document) -> Faults:
    """The `scene` object MAY contain the field "coordinateSystems", whose entries have unique names that are not
    empty."""
    systems = scene.get("coordinateSystems", [])
    names = [part_of(system, "name") for system in systems] if is_list(systems) else [None]
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        what = f"The coordinate systems of a scene must have a name each, of their own (got {show(names)})."
        yield "scene.coordinateSystems", what, 'Write [{"name": "world", "axes": [...]}].'


@SCENE.must("scene-axes", at="scene.coordinateSystems[0].axes", wrong=[{"name": "x", "type": "space"}])
def _scene_axes(scene: Document, document: Document) -> Faults:
    """Coordinate systems have 1 to 5 axes, of which 2 or 3 are of type space, or at least 2 of type array."""
    for place, system in entries(scene.get("coordinateSystems"), "scene.coordinateSystems"):
        kinds = Counter(str(axis.get("type")) for _, axis in entries(system.get("axes"), ""))
        if (kinds["space"] not in (2, 3) and kinds["array"] < 2) or kinds.total() > 5:
            what = f"A coordinate system must have up to 5 axes, 2 or 3 of them space (got {show(dict(kinds))})."
            yield f"{place}.axes", what, "Give z, y and x the type space."


@SCENE.should("scene-alone", at="plate", wrong={})
def _scene_alone(scene: Document, document: Document) -> Faults:
    """A scene stands in a group of its own; how it goes together with an image or a plate is not said."""
    others = [key for key in ("multiscales", "plate", "well") if key in document]
    if others:
        what = f"A scene should stand in a group without {listed(others)}."
        yield others[0], what, "Move it to a group above the images."


SCENE_EDGE = Rules("scene", since="0.6")


@SCENE_EDGE.must("scene-ends", at="scene.coordinateTransformations[0].input", wrong={"name": "physical", "axes": []},
                 form=True)  # fmt: skip
def _scene_ends(edge: Document, systems: Any, where: str) -> Faults:
    """The `input` and the `output` MUST be objects with `name`, and no other key but `path`."""
    for end in ("input", "output"):
        given, path = edge.get(end), part_of(edge.get(end), "path")
        keys = set(given) if isinstance(given, Mapping) else set()
        texts = isinstance(part_of(given, "name"), str) and isinstance(path, (str, type(None)))
        if not texts or not keys <= {"name", "path"}:
            what = f"The {end} must be an object with name and, for an image, path (got {show(given)})."
            yield f"{where}.{end}", what, 'Write {"path": "image", "name": "physical"}.'


@SCENE_EDGE.must("scene-path", at="scene.coordinateTransformations[0].input.path", wrong="../other")
def _scene_path(edge: Document, systems: Any, where: str) -> Faults:
    """The `path` MUST lead to an image below the group of the scene."""
    for end in ("input", "output"):
        path = edge[end].get("path")
        if path is not None and path_fault(path):
            yield f"{where}.{end}.path", path_fault(path), "Write the path from the group of the scene."


@SCENE_EDGE.must("scene-system", at="scene.coordinateTransformations[0].output.name", wrong="nowhere")
def _scene_system(edge: Document, systems: Any, where: str) -> Faults:
    """A coordinate system without `path` MUST be one of the scene."""
    known = [system.get("name") for _, system in entries(systems, "")]
    for end in ("input", "output"):
        if edge[end].get("path") is None and edge[end]["name"] not in known:
            what = f"The {end} must be a coordinate system of the scene, or of an image (got {show(edge[end])})."
            yield f"{where}.{end}", what, "Add the path of the image, or describe the system in the scene."
