"""Pictures for eyes: colours, contrast, planes, scale bars, small pictures for notebooks.

Images are known here by what they offer (`protocols`), not by their class, so that an image can draw itself.
One palette and one rule for contrast serve previews, thumbnails and `omero`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
