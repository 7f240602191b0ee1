"""Documents of scenes, which there are from 0.6 on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..rules.book import entries, part_of
from ..space.systems import CoordinateSystem, Edge
from .base import Document
from .parts import entries_of


def encode_scene(systems: Sequence[CoordinateSystem], edges: Sequence[Edge]) -> Document:
    """Return the document of a scene."""
    own = {"coordinateSystems": [system.to_document() for system in systems]} if systems else {}
    return {"scene": {**own, "coordinateTransformations": [edge.to_document() for edge in edges]}}


def decode_scene(scene: Mapping[str, Any]) -> tuple[list[CoordinateSystem], list[Edge]]:
    """Parse a scene: its own coordinate systems, and the transformations.

    Raises:
        SpaceError: a transformation or a system does not say what it is.
    """
    systems = [CoordinateSystem.parse(each) for each in entries_of(scene.get("coordinateSystems"))]
    return systems, [Edge.parse(each) for each in entries_of(scene.get("coordinateTransformations"))]


def scene_paths(scene: Any) -> list[str]:
    """Return the paths of the images that a scene places, each once."""
    edges = entries(part_of(scene, "coordinateTransformations"), "")
    paths = [part_of(edge.get(end), "path") for _, edge in edges for end in ("input", "output")]
    return list(dict.fromkeys(path for path in paths if isinstance(path, str)))
