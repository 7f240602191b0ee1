"""An array, an image, a pyramid, a store, and back."""

import ngff_zarr as nz
import numpy as np

pixels = np.random.default_rng(0).integers(0, 255, (256, 256)).astype(np.uint8)
image = nz.to_ngff_image(
    pixels,
    dims=["y", "x"],
    scale={"y": 0.5, "x": 0.5},
    translation={"y": 10.0, "x": 20.0},
    name="cells",
    axes_units={"y": "micrometer", "x": "micrometer"},
)
multiscales = nz.to_multiscales(image, scale_factors=[2, 4], chunks=64)
shown = str(multiscales)
levels = [(i.data.shape, i.data.dtype, i.scale["x"], i.translation["x"], i.dims) for i in multiscales.images]
nz.to_ngff_zarr("cells.ome.zarr", multiscales)

read = nz.from_ngff_zarr("cells.ome.zarr", validate=True)
first = read.images[0]
crop = np.asarray(first.data[:16, :16])
units = first.axes_units
paths = [dataset.path for dataset in read.metadata.datasets]
