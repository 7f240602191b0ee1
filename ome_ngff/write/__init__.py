"""From arguments to a finished image: requests, what they may replace, their execution, metadata alone.

A `Request` is one write, wholly parsed; `execute` is the one way to carry it out, for arrays, pyramids, labels and
ZIPs. Files of others are not known here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
