"""Segment, write labels, and find them again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ome_ngff import LabelError, Multiscales, NgffImage, open_image, write_labels

Mask = NDArray[np.bool_]


def segment(image: NgffImage) -> Mask:
    """Take what is brighter than the mean."""
    pixels: NDArray[np.uint16] = np.asarray(image.data)
    bright: Mask = pixels > pixels.mean()
    return bright


def add_labels(path: Path, name: str) -> list[str]:
    """Write the segmentation of an image into it, and give the names of all its labels."""
    write_labels(segment(open_image(path).images[0]), path, name, method="mode")
    return list(open_image(path).labels)


def pixel_size(image: Multiscales) -> tuple[float, float]:
    """Return the pixel size along x of the finest level, and where that of the next one begins, without a check."""
    return image.images[0].scale["x"], image.images[1].translation["x"]


def find_labels(image: Multiscales, name: str) -> Multiscales | None:
    """Return labels by name, or none."""
    return image.labels.get(name)


def refused(path: Path) -> str:
    """Return what is said of labels that are none; the error is a ValueError, too."""
    try:
        write_labels(np.zeros((4, 4)), path, "floats")
    except LabelError as error:
        return str(error)
    return ""
