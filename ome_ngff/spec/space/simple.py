"""Transformations of a few numbers, which stand in the document."""

from __future__ import annotations

import attrs
import numpy as np

from ...exceptions import SpaceError
from ...text import show
from .transformation import Points, Transformation, floats, items, known, own_type, shifted


@known
@attrs.frozen
class MapAxis(Transformation):
    """Change the order of axes: output i is input `mapAxis[i]`."""

    mapAxis: list[int] = attrs.field(converter=items)
    type: str = attrs.field(default="mapAxis", kw_only=True, validator=own_type)

    def inverted(self) -> Transformation:
        return MapAxis(np.argsort(self.mapAxis).tolist())

    def joined(self, after: Transformation) -> Transformation | None:
        return MapAxis([self.mapAxis[index] for index in after.mapAxis]) if isinstance(after, MapAxis) else None

    def matrix(self, n: int) -> Points:
        return shifted(np.eye(n)[self.mapAxis])

    def _map(self, points: Points) -> Points:
        return points[..., self.mapAxis]


@known
@attrs.frozen
class ProjectAxis(Transformation):
    """Drop axes, counted in the input; then put in axes of zeros, counted in the output."""

    droppedInputs: list[int] | None = attrs.field(default=None, converter=items)
    createdOutputs: list[int] | None = attrs.field(default=None, converter=items)
    type: str = attrs.field(default="projectAxis", kw_only=True, validator=own_type)

    def inverted(self) -> Transformation:
        if self.droppedInputs:
            raise SpaceError(f"What projectAxis drops cannot be brought back (axes {self.droppedInputs}).")
        return ProjectAxis(droppedInputs=self.createdOutputs)

    def matrix(self, n: int) -> Points:
        return shifted(self._map(np.eye(n)).T)

    def _map(self, points: Points) -> Points:
        kept = np.delete(points, self.droppedInputs or [], axis=-1)
        for index in sorted(self.createdOutputs or []):
            kept = np.insert(kept, index, 0.0, axis=-1)
        return kept


@known
@attrs.frozen
class Translation(Transformation):
    """Move points; of a level: to where the centre of its first pixel lies, per axis, in its unit."""

    translation: list[float] = attrs.field(converter=floats)
    type: str = attrs.field(default="translation", kw_only=True, validator=own_type)

    def inverted(self) -> Transformation:
        return Translation([-t for t in self.translation])

    def joined(self, after: Transformation) -> Transformation | None:
        return Translation(np.add(self.translation, after.translation)) if isinstance(after, Translation) else None

    def matrix(self, n: int) -> Points:
        return shifted(np.eye(n), self.translation)

    def _map(self, points: Points) -> Points:
        return np.add(points, self.translation)


@known
@attrs.frozen
class Scale(Transformation):
    """Multiply coordinates; those of pixels by the size of a pixel, per axis, in its unit."""

    scale: list[float] = attrs.field(converter=floats)
    type: str = attrs.field(default="scale", kw_only=True, validator=own_type)

    def inverted(self) -> Transformation:
        if not all(self.scale):
            raise SpaceError(f"A scale of zero has no inverse (got {show(self.scale)}).")
        return Scale([1 / s for s in self.scale])

    def joined(self, after: Transformation) -> Transformation | None:
        return Scale(np.multiply(self.scale, after.scale)) if isinstance(after, Scale) else None

    def matrix(self, n: int) -> Points:
        return shifted(np.diag(self.scale))

    def _map(self, points: Points) -> Points:
        return np.multiply(points, self.scale)
