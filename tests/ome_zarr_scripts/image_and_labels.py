"""An image with rendering settings, and a label image whose groups are made by hand."""

import numpy as np
import zarr
from ome_zarr.writer import add_metadata, get_metadata, write_image

image = np.random.default_rng(0).poisson(10, size=(4, 64, 64)).astype(np.uint8)
root = zarr.open_group("cells.zarr", mode="w")
write_image(image=image, group=root, axes="zyx", scale_factors=[2, 4], storage_options=dict(chunks=(1, 32, 32)))
channel = {
    "color": "00FFFF",
    "window": {"start": 0, "end": 20, "min": 0, "max": 255},
    "label": "random",
    "active": True,
}
add_metadata(root, {"omero": {"channels": [channel]}})

labels = root.create_group("labels")
add_metadata(labels, {"labels": ["blobs"]})
blobs = labels.create_group("blobs")
write_image((image > 12).astype(np.uint8), blobs, axes="zyx", method="nearest", scale_factors=(2, 4))
add_metadata(blobs, {"image-label": {"colors": [{"label-value": 1, "rgba": [255, 0, 0, 255]}]}})
written = get_metadata("cells.zarr/labels/blobs")
