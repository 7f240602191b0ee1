"""A dask array, factors by axis, pixel sizes and units, written later; and arguments by position."""

import dask
import dask.array as da
import numpy as np
from ome_zarr.scale import Methods
from ome_zarr.writer import write_image, write_labels

volume = np.random.default_rng(0).integers(0, 1000, (16, 33, 34)).astype(np.uint16)
factors = [{"z": 2, "y": 2, "x": 2}, {"z": 4, "y": 4, "x": 4}]
tasks = write_image(
    da.from_array(volume, chunks=(8, 16, 16)),
    "cells.zarr",
    axes="zyx",
    scale_factors=factors,
    method=Methods.LOCAL_MEAN,
    scale={"z": 0.5, "y": 0.25, "x": 0.25},
    axes_units={"z": "micrometer", "y": "micrometer", "x": "micrometer"},
    name="cells",
    compute=False,
)
dask.compute(*tasks)
write_labels((volume > 500).astype(np.uint8), "cells.zarr", "bright", None, factors, None, axes="zyx")
write_image(volume[0], "plane.zarr", (2, 4), "plane", Methods.NEAREST, omero=None)
