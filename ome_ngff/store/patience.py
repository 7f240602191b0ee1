"""What others get in the way of for a moment: tried again.

Windows refuses much for as long as somebody has a file open, a reader or whoever looks for viruses. And an empty folder
may be tidied away, by who leaves it, between the moment it is made and that in which something is in there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
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


def in_folder(do: Callable[[], T]) -> T:
    """Return what something returns that makes a folder and puts something in there; again where that has gone."""
    for _ in range(100):
        with suppress(FileNotFoundError):
            return do()
    return do()
