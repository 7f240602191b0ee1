"""Arguments by position, chunks in all the forms that dask has, and an image of the quick start."""

import ngff_zarr as nz
import numpy as np

data = np.random.default_rng(0).integers(0, 256, (100, 100)).astype("uint8")
multiscales = nz.to_multiscales(data)
nz.to_ngff_zarr("example.ome.zarr", multiscales)

volume = np.random.default_rng(0).integers(0, 4000, (32, 64, 64)).astype("uint16")
image = nz.to_ngff_image(
    volume, ["z", "y", "x"], {"z": 2.0, "y": 0.5, "x": 0.5}, {"z": 0.0, "y": 1.0, "x": 0.0}, "cells"
)
method = nz.Methods.DASK_BIN_SHRINK
whole = nz.to_multiscales(image, [], method, ((16, 16), (32, 32), (64,)))
by_axis = nz.to_multiscales(image, [], method, {"z": None, "y": 32, "x": (32, 32)})
nz.to_ngff_zarr("whole.zarr", whole, "0.4", True, False, None, None)
nz.to_ngff_zarr("by_axis.zarr", by_axis, "0.5", True, False, None, None, 2)
