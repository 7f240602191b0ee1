"""Attributes written through the script's own group, before and after the image (0.4)."""

import numpy as np
import zarr
from ome_zarr.writer import write_image

image = np.random.default_rng(0).poisson(10, size=(64, 64)).astype(np.uint8)
root = zarr.open_group("cells.zarr", mode="w", zarr_format=2)
write_image(image, root, scale_factors=[2])
window = {"start": 0, "end": 20, "min": 0, "max": 255}
root.attrs["omero"] = {"channels": [{"color": "00FFFF", "window": window}]}
labels = root.create_group("labels")
labels.attrs["labels"] = ["blobs"]
blobs = labels.create_group("blobs")
blobs.attrs["image-label"] = {"colors": [{"label-value": 1, "rgba": [255, 0, 0, 255]}]}
write_image((image > 12).astype(np.uint8), blobs, scale_factors=[2], method="nearest")
