"""Transformations whose parameters may be stored in an array: matrices and vector fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from ...exceptions import SpaceError
from ...text import show
from .transformation import Points, Transformation, floats, known, own_type, shifted


@attrs.frozen
class _Matrix(Transformation):
    """Share what is the same for matrices in the document and at a path; `loaded` reads the rows there."""

    path: str | None = attrs.field(default=None, kw_only=True)
    loaded: Any = attrs.field(default=None, kw_only=True, repr=False, eq=False)

    @property
    def rows(self) -> Points:
        """The rows of the matrix.

        Raises:
            SpaceError: they are stored elsewhere, and have not been read.
        """
        rows = getattr(self, self.type)
        if rows is None and self.loaded is None:
            raise SpaceError(f"The {self.type} is stored at {show(self.path)}; take it from the image that is opened.")
        return np.array(self.loaded() if rows is None else rows, float)

    def outputs(self, n: int) -> int:
        return len(self.rows) if self.path is not None else super().outputs(n)

    def _map(self, points: Points) -> Points:
        matrix = self.matrix(points.shape[-1])
        if matrix.shape[1] != points.shape[-1] + 1:
            raise SpaceError(f"The {self.type} is for {matrix.shape[1] - 1} axes (got {points.shape[-1]}).")
        return points @ matrix[:, :-1].T + matrix[:, -1]

    def matrix(self, n: int) -> Points:
        return self.rows


@known
@attrs.frozen
class Affine(_Matrix):
    """Apply a matrix of M rows of N + 1 numbers, the shift last."""

    affine: list[list[float]] | None = attrs.field(default=None, converter=floats)
    type: str = attrs.field(default="affine", kw_only=True, validator=own_type)

    def inverted(self) -> Transformation:
        rows = self.rows
        if len(rows) + 1 != rows.shape[1] or np.linalg.matrix_rank(rows[:, :-1]) < len(rows):
            raise SpaceError("The affine has no inverse: its matrix is not square, or singular.")
        inverse = np.linalg.inv(rows[:, :-1])
        return Affine(np.column_stack([inverse, -inverse @ rows[:, -1]]))


@known
@attrs.frozen
class Rotation(_Matrix):
    """Apply an orthonormal matrix of determinant 1."""

    rotation: list[list[float]] | None = attrs.field(default=None, converter=floats)
    type: str = attrs.field(default="rotation", kw_only=True, validator=own_type)

    def inverted(self) -> Transformation:
        return Rotation(self.rows.T)

    def matrix(self, n: int) -> Points:
        return shifted(self.rows)


@attrs.frozen
class _Field(Transformation):
    """Share what is the same for vector fields; `loaded` gives the vectors at points, once it is there."""

    path: str
    interpolation: str | None = None
    loaded: Callable[[Points], Points] | None = attrs.field(default=None, kw_only=True, repr=False, eq=False)

    def _vectors(self, points: Points) -> Points:
        if self.loaded is None:
            raise SpaceError(f"The vectors are stored at {show(self.path)}; take them from the image that is opened.")
        return self.loaded(points)


@known
@attrs.frozen
class Displacements(_Field):
    """Add the vectors that a field at `path` has at the points."""

    type: str = attrs.field(default="displacements", kw_only=True, validator=own_type)

    def _map(self, points: Points) -> Points:
        return points + self._vectors(points)


@known
@attrs.frozen
class Coordinates(_Field):
    """Look up where points come to lie, in a field at `path`."""

    type: str = attrs.field(default="coordinates", kw_only=True, validator=own_type)

    def _map(self, points: Points) -> Points:
        return self._vectors(points)
