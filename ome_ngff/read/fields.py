"""Parameters of transformations that are stored as arrays, matrices and fields: read when points are mapped."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import zarr
from numpy.typing import NDArray

from ..exceptions import InputError, SpaceError
from ..spec import Edge, Transformation, bound, path_fault
from ..store import Target, find_target, open_node
from ..text import warn
from .stored import StoredImage

ORDERS = {"nearest": 0, "linear": 1, "cubic": 3}
_MARGIN = 12  # pixels around a box, which a cubic spline depends on


def with_parameters(edge: Edge, target: Target) -> Edge:
    """Return an edge that knows where the arrays of its parameters are: at paths from the group that states it."""

    def loaded(t: Any) -> Transformation:
        there = t.path.removeprefix("/")
        if path_fault(there):
            raise SpaceError(f"The parameters of a transformation cannot be read. {path_fault(there)}")
        matrix = t.type in ("affine", "rotation")
        found: Transformation = attrs.evolve(
            t, loaded=Matrix(target, there) if matrix else Field(target, there, t.interpolation, t.type)
        )
        return found

    return attrs.evolve(edge, transformation=bound(edge.transformation, loaded))


@attrs.frozen
class Matrix:
    """Read the rows of a matrix.

    Raises:
        SpaceError: there is no array of two dimensions.
    """

    target: Target
    path: str

    def __call__(self) -> NDArray[np.float64]:
        node = open_node(self.target.store, self.target.key(self.path))
        if not isinstance(node, zarr.Array) or node.ndim != 2 or max(node.shape) > 64:
            raise SpaceError(f"There is no matrix at {self.path!r} in {self.target}.")
        return np.asarray(node[...], float)


@attrs.frozen
class Field:
    """Look vectors up in an image, in its first level; beyond its pixels they are NaN.

    Raises:
        SpaceError: there is no such image, or its axes are not those of a field.
    """

    target: Target
    path: str
    interpolation: str | None
    type: str

    def __call__(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        from scipy.ndimage import map_coordinates

        found, axis = self.open()
        scale, translation = (np.delete(numbers, axis) for numbers in found.geometry(0))
        shape = np.delete(found.arrays[0].shape, axis)
        if points.shape[-1] != len(shape):
            raise SpaceError(f"The field {self.path!r} of {self.target} has {len(shape)} axes, not {points.shape[-1]}.")
        pixels = ((points - translation) / scale).reshape(-1, len(shape))
        inside = ((pixels >= -0.5) & (pixels <= shape - 0.5)).all(axis=1)
        vectors = np.full((len(pixels), found.arrays[0].shape[axis]), np.nan)
        if inside.any():
            low = np.clip(np.floor(pixels[inside].min(axis=0)) - _MARGIN, 0, shape - 1).astype(int)
            high = np.clip(np.ceil(pixels[inside].max(axis=0)) + _MARGIN + 1, 1, shape).astype(int)
            box = [slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
            box.insert(axis, slice(0, vectors.shape[1]))
            block = np.moveaxis(found.level(0).read(tuple(box)), axis, 0)
            at = (pixels[inside] - low).T
            order = ORDERS.get(self.interpolation or "linear", 1)
            vectors[inside] = np.stack(
                [map_coordinates(part.astype(float), at, order=order, mode="nearest") for part in block], axis=1
            )
        return vectors.reshape(*points.shape[:-1], -1)

    def open(self) -> tuple[StoredImage, int]:
        """Open the image, and find the axis that its vectors lie along."""
        if self.interpolation not in (None, *ORDERS):
            warn(f"The interpolation {self.interpolation!r} is not known; the field {self.path!r} is taken as linear.")
        try:
            found = StoredImage.of(find_target(zarr.storage.StorePath(self.target.store, self.target.key(self.path))))
        except (OSError, InputError) as error:
            raise SpaceError(f"The field {self.path!r} of {self.target} cannot be read: {error}") from error
        kind = self.type.removesuffix("s")
        axes = [k for k, axis in enumerate(found.metadata.axes) if axis.type == kind]
        if len(axes) != 1:
            raise SpaceError(f"The field {self.path!r} of {self.target} needs one axis of the type {kind}.")
        return found, axes[0]
