"""Pyramids that the script makes itself, of an image and of labels."""

import numpy as np
import zarr
from ome_zarr.scale import Scaler
from ome_zarr.writer import write_label_metadata, write_multiscale, write_multiscale_labels

image = np.random.default_rng(0).integers(0, 4000, (3, 96, 80)).astype(np.uint16)
root = zarr.group(store=zarr.storage.LocalStore("cells.zarr"))
colors = ["FF0000", "00FF00", "0000FF"]
window = {"start": 0, "end": 4000, "min": 0, "max": 65535}
axes = [
    {"name": "c", "type": "channel"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]
write_multiscale(
    Scaler(max_layer=2).nearest(image),
    root,
    axes=axes,
    storage_options=[{"chunks": (1, 32, 32)}, {"chunks": (1, 32, 32)}, {"chunks": (1, 16, 16)}],
    name="cells",
    metadata={"omero": {"channels": [{"color": c, "label": c, "window": window} for c in colors]}, "method": "mine"},
    scale={"y": 0.5, "x": 0.5},
)
segmentation = (image[0] > 2000).astype(np.uint32) * 7
write_multiscale_labels(
    Scaler(max_layer=2, order=0).nearest(segmentation),
    root,
    "bright",
    axes="yx",
    label_metadata={"properties": [{"label-value": 7, "area": 3}]},
)
write_label_metadata(root["labels"], "bright", colors=[{"label-value": 7, "rgba": [1, 2, 3, 255]}])
