"""Write and read images, with the arguments as they are usually held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from dask.delayed import Delayed
from numpy.typing import NDArray

from ome_ngff import FormatV04, Methods, Multiscales, Scaler, config, open_image, write_image, write_multiscale

PIXEL_SIZE: Mapping[str, float] = {"z": 0.5, "y": 0.11, "x": 0.11}
UNITS = dict.fromkeys("zyx", "micrometer")


def convert(stack: NDArray[np.uint16], folder: Path) -> Multiscales:
    """Write a stack with all that is known of it."""
    factors: Sequence[Mapping[str, int]] = [{"y": 2, "x": 2}, {"z": 2, "y": 4, "x": 4}]
    with config.set(memory_target="64MiB", workers=2):
        write_image(
            stack,
            folder / "stack.ome.zarr",
            axes="zyx",
            scale=PIXEL_SIZE,
            axes_units=UNITS,
            scale_factors=factors,
            method=Methods.LOCAL_MEAN,
            chunks={"z": 8, "y": 32, "x": 32},
            shards="auto",
            compression="blosc-lz4",
            overwrite=True,
            progress=report,
        )
    return open_image(folder / "stack.ome.zarr", validate=True)


def report(done: int, units: int) -> None:
    """Take what a write says of its progress."""
    assert 0 <= done <= units


def pyramids(stack: NDArray[np.uint16], folder: Path) -> list[Delayed]:
    """Write a pyramid made in memory, and prepare another as tasks."""
    scaler = Scaler(method="gaussian", max_layer=2)
    levels = scaler.gaussian(stack)
    write_multiscale(levels, str(folder / "pyramid.ome.zarr"), axes=["z", "y", "x"], fmt=FormatV04())
    return write_image(stack, folder / "lazy.ome.zarr", axes="zyx", scaler=scaler, fmt="0.4", compute=False)


def settings() -> tuple[int, Path]:
    """Set what the engine may use; sizes may be text, and are numbers when read."""
    before = config.memory_target
    config.memory_target = "1GB"
    used: int = config.memory_target
    config.memory_target = before
    return used, config.cache_store
