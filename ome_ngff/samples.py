"""Sample images that need no download."""

from .image import SAMPLES, Sample, cell, coins, find_sample, tissue

__all__ = [
    "SAMPLES",
    "Sample",
    "cell",
    "coins",
    "find_sample",
    "tissue",
]
