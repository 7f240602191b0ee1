"""Real pictures to try things with: they come with scikit-image, the segmentations are made here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import OptionError
from ..text import nearest_word
from .values import NgffImage

Array = NDArray[Any]


@attrs.frozen(eq=False)
class Sample:
    """Hold a picture and its segmentation.

    Attributes:
        image: the picture, with all that is known of it.
        labels: an integer for each pixel, 0 outside the objects; over y and x.
        label_name: what the objects are.
    """

    image: NgffImage
    labels: Array
    label_name: str


def find_sample(name: str) -> Callable[[], Sample]:
    """Return the function that loads a picture and segments it; nothing is downloaded.

    Args:
        name: one of `SAMPLES`.

    Raises:
        OptionError: there is no such picture.
    """
    if name not in SAMPLES:
        raise OptionError(f"There is no picture {name!r}.{nearest_word(name, SAMPLES)} Known: {', '.join(SAMPLES)}.")
    return SAMPLES[name]


def cell() -> Sample:
    """Load a cell floating in saline: quantitative phase, 660 x 550 pixels of 0.107 micrometer."""
    from scipy import ndimage
    from skimage import data, filters, measure

    pixels = data.cell()
    smooth = filters.gaussian(pixels, 2, preserve_range=True)
    labels = measure.label(ndimage.binary_fill_holes(smooth > filters.threshold_otsu(smooth)))
    image = NgffImage(
        pixels,
        ("y", "x"),
        name="cell",
        scale={"y": 0.107, "x": 0.107},
        axes_units={"y": "micrometer", "x": "micrometer"},
        channel_names=["phase"],
    )
    return Sample(image, _without_crumbs(labels, 100), "cells")


def coins() -> Sample:
    """Load a photograph of 24 Greek coins from Pompeii, 303 x 384 pixels; segmented by a watershed of its edges."""
    from scipy import ndimage
    from skimage import data, filters, measure, segmentation

    pixels = data.coins()
    seeds = np.where(pixels < 30, 1, np.where(pixels > 150, 2, 0))
    labels = measure.label(ndimage.binary_fill_holes(segmentation.watershed(filters.sobel(pixels), seeds) == 2))
    return Sample(NgffImage(pixels, ("y", "x"), name="coins"), _without_crumbs(labels, 100), "coins")


def tissue() -> Sample:
    """Load a stained section of colon in colour, 512 x 512 pixels; the nuclei are segmented by their hematoxylin."""
    from scipy import ndimage
    from skimage import color, data, feature, filters, segmentation

    pixels = data.immunohistochemistry()
    stain = filters.gaussian(color.rgb2hed(pixels)[..., 0], 1)
    nuclei = (stain > filters.threshold_local(stain, 61)) & (stain > filters.threshold_otsu(stain))
    nuclei = ndimage.binary_fill_holes(ndimage.binary_opening(nuclei, iterations=2))
    depth = filters.gaussian(ndimage.distance_transform_edt(nuclei), 1)
    peaks = feature.peak_local_max(depth, min_distance=5, labels=nuclei.astype(int))
    seeds = np.zeros(nuclei.shape, int)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    image = NgffImage(
        np.moveaxis(pixels, -1, 0),
        ("c", "y", "x"),
        name="tissue",
        channel_names=["red", "green", "blue"],
        channel_colors=["FF0000", "00FF00", "0000FF"],
    )
    return Sample(image, _without_crumbs(segmentation.watershed(-depth, seeds, mask=nuclei), 30), "nuclei")


def _without_crumbs(labels: Array, least: int) -> Array:
    """Drop objects of fewer than `least` pixels, and number the others from 1."""
    kept = np.flatnonzero(np.bincount(labels.ravel()) >= least)
    numbers = np.zeros(labels.max() + 1, np.uint16)
    numbers[kept[kept > 0]] = np.arange(1, np.count_nonzero(kept) + 1)
    return numbers[labels]


SAMPLES: dict[str, Callable[[], Sample]] = {"cell": cell, "coins": coins, "tissue": tissue}
