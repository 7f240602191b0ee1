"""Shards, compression, memory, a single file, and an image read and written in the other version."""

import ngff_zarr as nz
import numpy as np
import zarr

nz.config.memory_target = int(1e8)
pixels = np.random.default_rng(0).integers(0, 4000, (64, 64, 64)).astype("uint16")
image = nz.to_ngff_image(pixels, dims=["z", "y", "x"], scale=dict(z=2.0, y=1.0, x=1.0))
multiscales = nz.to_multiscales(image, [2], method=nz.Methods.DASK_BIN_SHRINK, chunks=16, cache=False)
nz.to_ngff_zarr("int.zarr", multiscales, version="0.5", chunks_per_shard=2, use_tensorstore=False)
nz.to_ngff_zarr("tuple.zarr", multiscales, version="0.5", chunks_per_shard=(1, 2, 2))
nz.to_ngff_zarr("dict.zarr", multiscales, version="0.5", chunks_per_shard={"z": 4, "y": 2, "x": 2})
nz.to_ngff_zarr("gzip.zarr", multiscales, version="0.5", compressors=zarr.codecs.GzipCodec(level=3))
nz.to_ngff_zarr("single.ozx", multiscales, version="0.5")

old = nz.from_ngff_zarr("int.zarr", validate=False)
nz.to_ngff_zarr("old.zarr", old, version="0.4")
again = nz.from_ngff_zarr("old.zarr")
single = nz.from_ngff_zarr("single.ozx")
