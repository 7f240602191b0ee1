"""An image written tile by tile, levels by `dask_utils.resize`, and metadata alone."""

import dask.array as da
import numpy as np
import zarr
from ome_zarr.dask_utils import resize
from ome_zarr.format import CurrentFormat
from ome_zarr.writer import write_multiscales_metadata

fmt = CurrentFormat()
image = np.random.default_rng(0).integers(0, 4000, (2, 96, 128)).astype(np.uint16)
axes = [{"name": "c", "type": "channel"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
names = [axis["name"] for axis in axes]
root = zarr.open_group("cells.zarr", mode="w")
options = {"chunk_key_encoding": fmt.chunk_key_encoding, "dimension_names": names}
level = root.create_array("0", shape=image.shape, chunks=(1, 32, 32), dtype=image.dtype, **options)
for y in range(0, 96, 32):
    for x in range(0, 128, 32):
        level[:, y : y + 32, x : x + 32] = image[:, y : y + 32, x : x + 32]
smaller = resize(da.from_zarr(level), (2, 48, 64), preserve_range=True, anti_aliasing=False)
root.create_array("1", shape=smaller.shape, chunks=(1, 32, 32), dtype=smaller.dtype, **options)[...] = smaller.compute()
datasets = [
    {"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": [1.0, 2.0**k, 2.0**k]}]} for k in range(2)
]
write_multiscales_metadata(root, datasets, axes=axes)
