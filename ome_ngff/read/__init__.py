"""What stands in a store: parsed once, opened, described, validated.

`StoredImage` turns attributes and arrays of any version into values, or raises; `open_image`, `describe_store` and
everything that goes on with a stored image stand on it. Nothing is written here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
