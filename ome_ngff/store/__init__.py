"""Where images stand, and how: places, Zarr groups and arrays, chunks and codecs, the journal of a write.

All that is known of Zarr, beyond what an array of it is, stands here. What pixels mean is not known, and attributes
are changed in one step or not at all.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
