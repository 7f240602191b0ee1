"""Pixels like those of a microscope, the same in every run; made once and kept in the cache directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What every length is divided by.
SIZES = {"full": 1, "small": 2, "tiny": 4}

# What the data sets are: axes, and the factors of their further levels along y and x (and z).
AXES = {"volume": "zyx", "labels": "zyx", "slide": "cyx", "small": "yx"}
FACTORS = {"volume": (2, 4, 8), "labels": (2, 4, 8), "slide": (2, 4, 8), "small": (2, 4)}


def blobs(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint16]:
    """Return blurred blobs: 100 grey values of background, up to 2000 of signal, Poisson noise."""
    rng = np.random.default_rng(seed)
    smooth = _smooth(shape, rng)
    pixels = np.empty(shape, np.uint16)
    for plane, clean in zip(pixels, smooth, strict=True):  # one at a time: Poisson makes 8 bytes a pixel
        plane[...] = rng.poisson(100 + 2000 * clean)
    return pixels


def segmentation(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint32]:
    """Return the blobs of the same seed as labels from 1 on, 0 between them."""
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
    return np.asarray(np.minimum(blurred / np.quantile(blurred, 0.995), 1), np.float32)


def slide(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint8]:
    """Return stained tissue on white: every channel loses light to blobs of its own."""
    channels = (230 - np.minimum(blobs(shape[1:], seed + i) // 10, 230) for i in range(shape[0]))
    return np.stack([channel.astype(np.uint8) for channel in channels])


def small(shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Return as many planes as the first length says, each with its own seed."""
    return np.stack([blobs(shape[1:], seed) for seed in range(shape[0])])


def volume_shape(size: str) -> tuple[int, ...]:
    return tuple(n // SIZES[size] for n in (256, 1024, 1024))


def brick_shape(size: str) -> tuple[int, ...]:
    """Return the chunks of volumes."""
    return tuple(n // SIZES[size] for n in (64, 256, 256))


def cache_directory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ome_ngff" / "benchmarks"


def data_file(name: str, size: str, cache: Path) -> Path:
    """Return a file with a data set, images along its first axis, and make it where it is not there yet."""
    part = SIZES[size]
    make: dict[str, Callable[[], NDArray[Any]]] = {
        "volume": lambda: blobs(volume_shape(size))[None],
        "labels": lambda: segmentation(volume_shape(size))[None],
        "slide": lambda: slide((3, 8192 // part, 8192 // part))[None],
        "small": lambda: small((40, 1080 // part, 1080 // part)),
        "brick": lambda: blobs(brick_shape(size)),
    }
    path = cache / "data" / f"{name}-{size}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.npy")
        np.save(unfinished, make[name]())
        unfinished.replace(path)
    return path
