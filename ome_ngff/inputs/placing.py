"""Where a volume lies in a patient: directions and position of its axes, from the affine matrix of its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..text import warn

_GROWS = (
    ("right-to-left", "left-to-right"),
    ("anterior-to-posterior", "posterior-to-anterior"),
    ("superior-to-inferior", "inferior-to-superior"),
)
_LARGEST = 1e30  # above it are numbers that were never measured, and no numbers


@attrs.frozen
class Placement:
    """Hold what an affine says of the axes x, y, z.

    Attributes:
        orientations: nearest anatomical direction in which each axis grows (RFC-4).
        translation: position of the first pixel along each axis, counted in the direction of the axis, so that x at +90
            in a file that grows from right to left becomes -90; of an oblique volume, along its own axes. Empty at the
            origin, and where the axes are not at right angles.
    """

    orientations: Mapping[str, str]
    translation: Mapping[str, float]

    @classmethod
    def of(cls, affine: Any, source: str = "") -> Placement:
        """Understand an affine from the indices x, y, z to millimetres to the right, to the front and up (RAS+).

        Args:
            affine: the matrix. source: what a warning calls the file whose axes lie askew; empty for no warning.
        """
        affine = np.asarray(affine, np.float64)
        turn, origin = affine[:3, :3], affine[:3, 3]
        if not (np.abs(affine).max() < _LARGEST and np.abs(turn).max(0).all()):
            if source:
                warn(f"{source} says directions that are none (zeros, or no numbers at all), so it has no place.")
            return cls({}, {})
        rows = _nearest(turn)
        signs = np.sign(turn[rows, range(3)])
        turned = {axis: _GROWS[row][int(sign > 0)] for axis, row, sign in zip("xyz", rows, signs, strict=True) if sign}
        straight = np.zeros((3, 3))
        straight[rows, range(3)] = turn[rows, range(3)]
        places = signs * origin[rows]
        if not np.allclose(turn, straight, atol=1e-4 * np.abs(turn).max()):
            lengths = np.linalg.norm(turn, axis=0)
            along = turn / np.where(lengths > 0, lengths, 1)
            square = np.allclose(along.T @ along, np.eye(3), atol=1e-3)
            places = along.T @ origin if square else np.zeros(3)
            if source:
                angle = np.degrees(np.arccos(np.clip(np.abs(along[rows, range(3)]).min(), 0, 1)))
                way = "its place is counted along its own axes" if square else "it has no place, for they are sheared"
                warn(f"The axes of {source} lie {angle:.3g} degrees askew, which is not kept; {way}.")
        if not places.any():
            return cls(turned, {})
        # Many files keep float32: by way of its text, 0.7 stays 0.7.
        return cls(
            turned, {axis: float(str(np.float32(place))) + 0.0 for axis, place in zip("xyz", places, strict=True)}
        )


def _nearest(turn: NDArray[np.float64]) -> list[int]:
    """Return, for each column, the row that it lies along, each row once: the closest pairs first."""
    lengths = np.linalg.norm(turn, axis=0)
    weights = np.abs(turn) / np.where(lengths > 0, lengths, 1)
    rows = [0, 0, 0]
    for _ in range(3):
        row, column = map(int, np.unravel_index(weights.argmax(), (3, 3)))
        rows[column] = row
        weights[row], weights[:, column] = -1, -1
    return rows
