"""`resize`, `zoom`, `local_mean` and `downscale_nearest` for dask arrays: the pixels of scikit-image and SciPy."""

from .pixels import downscale_nearest as downscale_nearest
from .pixels import local_mean as local_mean
from .pixels import resize as resize
from .pixels import zoom as zoom
