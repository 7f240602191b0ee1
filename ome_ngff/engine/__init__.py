"""A plan of a write, in integers, and its execution: once through the source, in memory that stays flat.

`make_plan` cuts an image into units that share no chunk; `schedule` runs them on threads, on a cluster, or hands
them out as tasks. Metadata is not known here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
