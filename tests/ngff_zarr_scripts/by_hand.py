"""Values made by hand: an image, metadata, a pyramid; changed levels and paths; labels below an image; orientation."""

import dask.array as da
import ngff_zarr
import numpy as np
from ngff_zarr import Axis, Dataset, Metadata, Multiscales, NgffImage, Scale, Translation

pixels = np.random.default_rng(0).integers(0, 255, (32, 64, 64)).astype(np.uint8)
dims = ["z", "y", "x"]
image = NgffImage(
    data=da.from_array(pixels, chunks=16),
    dims=dims,
    scale={"z": 2.0, "y": 1.0, "x": 1.0},
    translation={"z": 0.0, "y": 0.0, "x": 0.0},
    name="by hand",
)
metadata = Metadata(
    axes=[Axis(name=name, type="space", unit="micrometer") for name in dims],
    datasets=[
        Dataset(
            path="0",
            coordinateTransformations=[
                Scale(scale=[2.0, 1.0, 1.0], type="scale"),
                Translation(translation=[0.0, 0.0, 0.0], type="translation"),
            ],
        )
    ],
    coordinateTransformations=None,
    name="by hand",
    version="0.4",
)
multiscales = Multiscales([image], metadata)
ngff_zarr.to_ngff_zarr("hand.zarr", multiscales, version="0.4")

levels = ngff_zarr.to_multiscales(image, scale_factors=[2], method=ngff_zarr.Methods.DASK_BIN_SHRINK)
levels.images[0].data = 255 - levels.images[0].data
darkest = int(levels.images[0].data.min())

image.axes_orientations = ngff_zarr.LPS
oriented = ngff_zarr.to_multiscales(image, scale_factors=[])
ngff_zarr.to_ngff_zarr("oriented.zarr", oriented)
ngff_zarr.to_ngff_zarr("ras.zarr", ngff_zarr.to_multiscales(image, scale_factors=[], orientation="RAS"))

mask = ngff_zarr.to_ngff_image((pixels > 100).astype(np.uint8), dims=dims, scale=image.scale)
masks = ngff_zarr.to_multiscales(mask, scale_factors=[2], method=ngff_zarr.Methods.DASK_IMAGE_MODE)
ngff_zarr.to_ngff_zarr("oriented.zarr/labels/bright", masks)
