"""The names of `format`, `axes`, `scale` and `dask_utils`."""

import dask.array as da
import numpy as np
from ome_zarr.axes import KNOWN_AXES, Axes
from ome_zarr.dask_utils import downscale_nearest, local_mean, resize, zoom
from ome_zarr.format import (
    CurrentFormat,
    FormatV04,
    FormatV05,
    detect_format,
    format_from_version,
    format_implementations,
)
from ome_zarr.scale import Methods, Scaler

formats = [format_from_version("0.4"), format_from_version(0.5), detect_format({}, CurrentFormat())]
newest = [fmt.version for fmt in format_implementations() if fmt.version < "0.6"][:2]
stored = [(fmt.zarr_format, fmt.chunk_key_encoding) for fmt in formats[:2]]
detected = detect_format({"multiscales": [{"version": "0.4"}]}, CurrentFormat()) == FormatV04() != FormatV05()
transformations = CurrentFormat().generate_coordinate_transformations([(10, 64, 64), (10, 32, 32)])
CurrentFormat().validate_coordinate_transformations(3, 2, transformations)
well = FormatV04().generate_well_dict("B/2", ["A", "B"], ["1", "2"])
FormatV04().validate_well_dict(well, ["A", "B"], ["1", "2"])
axes = Axes(list("tczyx"), {"x": "micrometer"}, CurrentFormat()).to_list(CurrentFormat())
kinds = KNOWN_AXES["t"]

image = np.random.default_rng(0).integers(0, 4000, (2, 64, 48)).astype(np.uint16)
lazy = da.from_array(image, chunks=(1, 32, 48))
scaler = Scaler(downscale=2, max_layer=2, method="nearest")
shapes = [level.shape for level in scaler.func(image)]
halves = [scaler.resize_image(image), scaler.resize_image(lazy).compute()]
methods = {"nearest", "local_mean", "zoom", "gaussian", "laplacian", "resize_image"} <= set(Scaler.methods())
members = [Methods("resize"), Methods.NEAREST, Methods.LOCAL_MEAN, Methods.ZOOM]
smaller = resize(lazy, (2, 32, 24), order=1, mode="reflect", anti_aliasing=True, preserve_range=True)
means = local_mean(lazy, (2, 32, 24))
zoomed = zoom(lazy, (2, 32, 24))
picked = downscale_nearest(lazy, (1, 2, 2))
