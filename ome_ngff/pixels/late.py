"""Imports that are put off until something is done, and that no Ctrl-C cuts in half.

Python cannot import a package anew of which it has a part: what it has is not imported once more, and is missing in the
new package; and a lock that was not given back is waited for by other threads for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")


def whole(imports: Callable[[], T]) -> Callable[[], T]:
    """Let a function that imports run once, and on a thread of its own where Ctrl-C would reach the one that calls."""

    @cache
    def imported() -> T:
        if threading.current_thread() is not threading.main_thread():
            return imports()
        with ThreadPoolExecutor(1) as thread:  # which ends before the KeyboardInterrupt goes on
            return thread.submit(imports).result()

    return imported
