"""`open_scene`: images that lie to each other in space, from 0.6 on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import zarr

from ..exceptions import InputError
from ..image import Multiscales
from ..spec import CoordinateSystem, Edge, Graph, decode_scene, path_fault
from ..store import Target, find_target, readable
from ..text import mapping_of
from .fields import with_parameters
from .open import open_image, warn_of_unknown
from .stored import held, refuse_missing


class Scene(Mapping[str, Multiscales]):
    """Hold the images of a scene by their paths, each opened when it is asked for, and how they lie to each other.

    Attributes:
        systems: coordinate systems of the scene itself. transformations: between these and those of the images.
    """

    def __init__(self, target: Target, systems: list[CoordinateSystem], transformations: list[Edge]) -> None:
        self._target, self.systems, self.transformations = target, systems, transformations
        paths = [ref.path for edge in transformations for ref in (edge.input, edge.output)]
        self._images: dict[str, Multiscales | None] = {path: None for path in paths if path}

    @cached_property
    def graph(self) -> Graph:
        """Coordinate systems of the scene and of its images, connected."""
        found = Graph.of({}, self.transformations).joined("", self.systems)
        for path, image in self.items():
            found = found.joined(path, image.metadata.systems, image.metadata.graph.edges)
        return found

    def transform(self, points: Any, source: Any, target: Any) -> Any:
        """Return points of one coordinate system as points of another.

        Args:
            points: of shape (..., number of axes).
            source, target: a name that occurs once, or a pair of the path of an image and a name.

        Raises:
            SpaceError: there is no such system, no way, or the points do not fit.
        """
        return self.graph.transform(points, source, target)

    def __getitem__(self, path: str) -> Multiscales:
        if path not in self._images:
            raise KeyError(f"The scene {self._target} has no image {path!r}; it has {', '.join(self._images)}.")
        image = self._images[path]
        if image is None:
            image = open_image(zarr.storage.StorePath(self._target.store, self._target.key(path)))
            self._images[path] = image
        return image

    def __iter__(self) -> Iterator[str]:
        return iter(self._images)

    def __len__(self) -> int:
        return len(self._images)

    def __repr__(self) -> str:
        return f"<scene: {', '.join(self._images)}>"


def open_scene(
    store: Any,
    storage_options: Mapping[str, Any] | None = None,
    *,
    store_options: Mapping[str, Any] | None = None,
) -> Scene:
    """Open a scene of OME-Zarr 0.6: its images, coordinate systems, and the transformations between them.

    Args:
        store, storage_options, store_options: as in `open_image`.

    Raises:
        MissingError: there is nothing. InputError: it is not a scene, or leads out of its group.
        SpaceError: a transformation does not say what it is.
    """
    options = mapping_of(storage_options, "storage_options") | mapping_of(store_options, "store_options")
    target = find_target(readable(store, options))
    refuse_missing(target)
    scene = target.document.get("scene")
    if not isinstance(scene, Mapping):
        raise InputError(f"{target} is not a scene of OME-Zarr 0.6 (it has {held(target.document)}).")
    systems, edges = decode_scene(scene)
    for path in (ref.path for edge in edges for ref in (edge.input, edge.output)):
        if path is not None and path_fault(path):
            raise InputError(f"The path of an image of {target} cannot be used. {path_fault(path)}")
    warn_of_unknown(edges, target)
    return Scene(target, systems, [with_parameters(edge, target) for edge in edges])
