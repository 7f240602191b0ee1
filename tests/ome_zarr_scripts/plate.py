"""A plate with two wells of three fields."""

import numpy as np
import zarr
from ome_zarr.writer import write_image, write_plate_metadata, write_well_metadata

wells = ["A/2", "B/3"]
fields = ["0", "1", "2"]
images = np.random.default_rng(0).poisson(10, size=(2, 3, 4, 32, 32)).astype(np.uint8)
root = zarr.open_group("plate.zarr", mode="w")
write_plate_metadata(root, ["A", "B"], ["1", "2", "3"], wells, name="screen", field_count=3, acquisitions=[{"id": 1}])
for w, path in enumerate(wells):
    row, column = path.split("/")
    well = root.require_group(row).require_group(column)
    write_well_metadata(well, [{"path": field, "acquisition": 1} for field in fields])
    for f, field in enumerate(fields):
        group = well.require_group(field)
        write_image(image=images[w, f], group=group, axes="zyx", storage_options=dict(chunks=(1, 32, 32)))
