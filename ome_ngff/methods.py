"""Downsampling methods: one class each, and the registry `Methods` of their names."""

from .pixels import ALIASES as ALIASES
from .pixels import Gaussian as Gaussian
from .pixels import Laplacian as Laplacian
from .pixels import LocalMean as LocalMean
from .pixels import Method as Method
from .pixels import Methods as Methods
from .pixels import Mode as Mode
from .pixels import Nearest as Nearest
from .pixels import Resize as Resize
from .pixels import Span as Span
from .pixels import Zoom as Zoom
from .pixels import find_method as find_method
