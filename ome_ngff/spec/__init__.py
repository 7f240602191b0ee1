"""What a document of OME-NGFF is and must be: values, versions, rules.

Axes, transformations and metadata are values that check themselves; a version turns them into JSON and back, and its
rules find what is wrong with a document of anyone. No array and no store is known here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
