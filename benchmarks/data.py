"""Pixels like those of a microscope, the same in every run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def blobs(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint16]:
    """Give blurred blobs: 100 grey values of background, up to 2000 of signal, Poisson noise."""
    rng = np.random.default_rng(seed)
    clean = 100 + 2000 * _smooth(shape, rng)
    return rng.poisson(clean).astype(np.uint16)


def segmentation(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint32]:
    """Give the blobs of the same seed as labels from 1 on, 0 between them."""
    from scipy.ndimage import label

    found, _ = label(_smooth(shape, np.random.default_rng(seed)) > 0.25)
    return np.asarray(found, np.uint32)


def _smooth(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Blur points, one in about 20 x 20 x 20 pixels, to blobs of heights up to 1."""
    from scipy.ndimage import gaussian_filter

    points = np.zeros(shape, np.float32)
    count = max(1, points.size // 20 ** len(shape))
    points[tuple(rng.integers(0, n, count) for n in shape)] = rng.uniform(0.4, 1, count)
    blurred = gaussian_filter(points, 4)
    return np.minimum(blurred / np.quantile(blurred, 0.995), 1, dtype=np.float32)
