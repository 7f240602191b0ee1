"""Write arrays and segmentations as OME-Zarr images that can be trusted.

The public names stand in `__init__.pyi`, for type checkers and for the lazy loader alike: each is imported when it is
first used, so that `import ome_ngff` stays light.
"""

import lazy_loader

from .config import config as config  # the settings, not the module: `ome_ngff.config.memory_target = "2GB"`

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
