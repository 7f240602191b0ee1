"""Think in images: lazy pyramids in physical space."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ome_ngff import (
    Axes,
    Axis,
    Methods,
    NgffImage,
    open_image,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
)


def in_space(pixels: NDArray[np.uint16], size: float) -> NgffImage:
    """Put a plane where it lies."""
    return to_ngff_image(pixels, dims=("y", "x"), scale={"y": size, "x": size}, axes_units={"y": "micrometer"})


def store(image: NgffImage, path: Path) -> list[tuple[float, float]]:
    """Write a pyramid of an image; give pixel size and position along x of each level that was stored."""
    to_ngff_zarr(path, to_multiscales(image, scale_factors=[2, 4], method=Methods.GAUSSIAN, chunks=64))
    return list(places(path))


def places(path: Path) -> Iterator[tuple[float, float]]:
    """Return where the levels of an image lie along x."""
    for level in open_image(path).images:
        assert level.scale is not None
        assert level.translation is not None
        yield level.scale["x"], level.translation["x"]


def names(axes: Axes) -> list[str]:
    """Return the names of axes, in their order."""
    each: list[Axis] = list(axes)
    return [axis.name for axis in each]
