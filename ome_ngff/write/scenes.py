"""Scenes: a document that says how images that are there lie to each other in space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zarr.storage import StorePath

from ..exceptions import FormatError, SpaceError
from ..read import StoredImage
from ..spec import CoordinateSystem, Edge, Graph, Metadata, encode_scene, stated_version
from ..store import Target, find_target, opened, update_document


def write_scene(
    group: Any,
    transformations: Iterable[Edge | Mapping[str, Any]],
    systems: Iterable[CoordinateSystem | Mapping[str, Any]] = (),
    *,
    store_options: Mapping[str, Any] | None = None,
) -> None:
    """Make a scene (OME-Zarr 0.6) of images that are there, replacing one that the group has.

    Args:
        group: the group above the images, as in `write_image`. It is created where there is none.
        transformations: between coordinate systems of the images, by the path of the image and the name of the system,
            and those of the scene: `Edge(("tile_0", "physical"), "world", Translation([0, 90]))`.
        systems: coordinate systems of the scene itself; the first is the one that viewers start with.
        store_options: as in `write_image`.

    Raises:
        ValidationError: the document breaks rules of the specification. MissingError: there is no such image.
        FormatError: an image has another version, or the group is itself an image or a plate.
        SpaceError: an image has no such coordinate system, or some are not connected with the others.
    """
    target = find_target(opened(group, store_options), "0.6")
    edges = [each if isinstance(each, Edge) else Edge.parse(each) for each in transformations]
    parsed = [each if isinstance(each, CoordinateSystem) else CoordinateSystem.parse(each) for each in systems]
    document = encode_scene(parsed, edges)
    target.fmt.validate(target.fmt.wrap(document), "scene")
    others = [key for key in ("multiscales", "plate", "well") if key in target.document]
    if others:
        raise FormatError(f"{target} has {' and '.join(others)}; a scene needs a group of its own, above the images.")
    graph = Graph.of({}, edges).joined("", parsed)
    for path in dict.fromkeys(ref.path for edge in edges for ref in (edge.input, edge.output) if ref.path):
        metadata = _image(target, path)
        asked = {ref.name for ref in graph.systems if ref.path == path}
        if missing := sorted(map(str, asked - {system.name for system in metadata.systems})):
            there = ", ".join(system.name for system in metadata.systems)
            raise SpaceError(f"The image {path!r} has no coordinate system {missing[0]!r}; it has {there}.")
        graph = graph.joined(path, metadata.systems, metadata.graph.edges)
    for edge, fault in graph.misfits:
        raise SpaceError(f"The transformation {edge} does not fit the axes: {fault}")
    if len(graph.pieces) > 1:
        piece = ", ".join(sorted(map(str, graph.pieces[-1])))
        raise SpaceError(f"No transformation connects {piece} with the rest of the scene; add one.")
    update_document(target, document)


def _image(target: Target, path: str) -> Metadata:
    child = find_target(StorePath(target.store, target.key(path)))
    metadata = StoredImage.of(child).metadata
    if stated_version(child.document) not in (target.fmt.version, *target.fmt.dialect.earlier):
        raise FormatError(f"{child} is OME-Zarr {metadata.version}; the images of a scene are 0.6. Upgrade it first.")
    return metadata
