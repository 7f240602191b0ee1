"""Arrays in, arrays out: what can be sliced, methods, levels, one level made from another.

A source is whatever callers call an image; `methods` says what a pixel of a smaller level is, `levels` which levels
there are and where they lie. Nothing is stored here, and Zarr is not known.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
