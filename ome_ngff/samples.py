"""Sample images that need no download."""

from .image import SAMPLES as SAMPLES
from .image import Sample as Sample
from .image import cell as cell
from .image import coins as coins
from .image import find_sample as find_sample
from .image import tissue as tissue
