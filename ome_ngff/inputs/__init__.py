"""Files of others, as something to slice and to write: one module a family, one line each in `families.FAMILIES`.

`open_input` opens a file, a folder or a glob as an `NgffImage` whose pixels stay where they are, with the axes, sizes
and channels that the file states.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
