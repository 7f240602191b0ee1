"""`resize`, `zoom`, `local_mean` and `downscale_nearest` for dask arrays: the pixels of scikit-image and SciPy."""

from .pixels import downscale_nearest, local_mean, resize, zoom

__all__ = [
    "downscale_nearest",
    "local_mean",
    "resize",
    "zoom",
]
