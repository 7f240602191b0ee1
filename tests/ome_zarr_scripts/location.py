"""A store from `parse_url`, format 0.4, and a `Scaler`."""

import numpy as np
import zarr
from ome_zarr.format import FormatV04
from ome_zarr.io import parse_url
from ome_zarr.scale import Scaler
from ome_zarr.writer import write_image, write_labels

image = np.random.default_rng(0).integers(0, 4000, (2, 3, 64, 48)).astype(np.uint16)
missing = parse_url("cells.zarr")
store = parse_url("cells.zarr", mode="w", fmt=FormatV04()).store
root = zarr.group(store=store)
write_image(
    image=image,
    group=root,
    scaler=Scaler(downscale=2, max_layer=3, method="nearest"),
    fmt=FormatV04(),
    axes=["c", "z", "y", "x"],
    storage_options=dict(chunks=(1, 1, 64, 64)),
)
write_labels(
    image[0],
    root,
    name="cells",
    scaler=None,
    scale_factors=[2, 4, 8],
    method="nearest",
    fmt=FormatV04(),
    axes="zyx",
    label_metadata={"colors": [{"label-value": 1, "rgba": [255, 255, 255, 255]}], "properties": [{"label-value": 1}]},
)
location = parse_url("cells.zarr")
