"""Each method by its name, for intensities and for labels, and a time series of channels with the channel last."""

import dask.array as da
import numpy as np
from ngff_zarr import Methods, to_multiscales, to_ngff_image, to_ngff_zarr

volume = np.random.default_rng(0).integers(0, 4000, (64, 64, 64)).astype(np.uint16)
lazy = da.from_array(volume, chunks=32)
for name in ("DASK_IMAGE_GAUSSIAN", "DASK_BIN_SHRINK", "ITKWASM_GAUSSIAN"):
    image = to_ngff_image(lazy, dims=("z", "y", "x"), scale={"z": 2.0, "y": 0.5, "x": 0.5})
    to_ngff_zarr(f"{name}.zarr", to_multiscales(image, [2, 4], method=Methods[name], chunks=(32, 32, 32)))

for name in ("DASK_IMAGE_MODE", "DASK_IMAGE_NEAREST", "ITKWASM_LABEL_IMAGE"):
    labels = to_ngff_image(volume % 7, dims=["z", "y", "x"])
    multiscales = to_multiscales(labels, [{"z": 1, "y": 2, "x": 2}, {"z": 2, "y": 4, "x": 4}], method=Methods[name])
    to_ngff_zarr(f"{name}.zarr", multiscales)

series = np.random.default_rng(1).integers(0, 255, (3, 8, 64, 64, 2)).astype(np.uint8)
movie = to_ngff_image(series, dims=["t", "z", "y", "x", "c"], scale={"t": 2.0, "z": 1.0, "y": 0.5, "x": 0.5})
to_ngff_zarr("movie.zarr", to_multiscales(movie, [{"z": 1, "y": 2, "x": 2}], method=Methods.DASK_BIN_SHRINK))
default = to_multiscales(series[0], scale_factors=[])
