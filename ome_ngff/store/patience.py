"""What Windows refuses for as long as somebody has a file open, a reader or whoever looks for viruses: tried again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

WINDOWS = os.name == "nt"
_PAUSES = tuple(0.002 * 2**i for i in range(10))  # seconds; two in all


def patiently(do: Callable[[], T]) -> T:
    """Return what something returns that replaces, moves or deletes; try for a while where files in use are refused."""
    for pause in _PAUSES if WINDOWS else ():
        try:
            return do()
        except PermissionError:
            time.sleep(pause)
    return do()
