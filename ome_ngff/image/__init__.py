"""Images in space: `NgffImage`, `Multiscales`, and how they are made of arrays.

Values that place pixels in space, lazy pyramids of them, and what can be measured of labels. Nothing is written here,
and nothing opened but a Zarr array that the caller names.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
