"""Shards for all levels, and for each; nothing said of chunks."""

import dask.array as da
import numpy as np
from ome_zarr.writer import write_image

volume = np.random.default_rng(0).random((1, 3, 64, 64, 64))
lazy = da.from_array(volume, chunks=(1, 1, 16, 16, 16))
write_image(lazy, group="all.zarr", scale_factors=[2], storage_options={"shards": [1, 1, 32, 32, 32]})
write_image(
    lazy,
    group="each.zarr",
    scale_factors=[{"t": 1, "c": 1, "z": 2, "y": 2, "x": 2}, {"t": 1, "c": 1, "z": 4, "y": 4, "x": 4}],
    storage_options=[{"shards": [1, 1, 64, 64, 64]}, {"shards": [1, 1, 32, 32, 32]}, {"shards": [1, 1, 16, 16, 16]}],
)
