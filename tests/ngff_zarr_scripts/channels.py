"""How channels are shown, in version 0.4, and read back."""

import ngff_zarr as nz
import numpy as np

pixels = np.random.default_rng(0).integers(0, 4000, (2, 128, 128)).astype("uint16")
image = nz.to_ngff_image(pixels, dims=["c", "y", "x"], channel_names=["DNA", "actin"])
multiscales = nz.to_multiscales(
    image, scale_factors=[2], method=nz.Methods.DASK_BIN_SHRINK, chunks={"c": 1, "y": 64, "x": 64}
)
multiscales.metadata.omero = nz.Omero(
    channels=[
        nz.OmeroChannel(color=color, label=label, window=nz.OmeroWindow(min=0, max=65535, start=100, end=3900))
        for color, label in (("0000FF", "DNA"), ("00FF00", "actin"))
    ]
)
nz.to_ngff_zarr("channels.zarr", multiscales, version="0.4", overwrite=True)

read = nz.from_ngff_zarr("channels.zarr", version="0.4")
window = read.metadata.omero.channels[1].window
