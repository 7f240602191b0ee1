"""The memory of the process: what a write frees is kept for its next piece, and given back at the end.

The codec takes buffers of the size of a chunk or a shard for each of them. glibc asks the system for large buffers and
returns them at once; the system clears each page again before it hands it out, which can take as long as a third of the
compression. So, while a write runs, glibc is told to keep what is freed, and afterwards to keep what it would keep by
itself in a process that has freed large buffers before. Elsewhere nothing is done.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from ..config import in_child

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # parameters of mallopt
_USUAL = {_MMAP_THRESHOLD: 2**25, _TRIM_THRESHOLD: 2**26, _TOP_PAD: 2**17}  # the largest that glibc chooses by itself
MOST = 2**28  # mallopt takes a C int
_LOCK = Lock()
_kept: list[int] = []


@cache
def _glibc() -> Any:
    if sys.platform != "linux":
        return None
    try:
        library = ctypes.CDLL("libc.so.6")
        return library if library.mallopt and library.malloc_trim else None
    except (OSError, AttributeError):
        return None


def _choose() -> None:
    """Tell glibc which buffers it keeps, and how much of them."""
    size = min(max(_kept, default=0), MOST)
    for parameter, usual in _USUAL.items():
        _glibc().mallopt(parameter, size * (1 if parameter == _MMAP_THRESHOLD else 2) if size else usual)


@contextmanager
def kept_memory(size: int) -> Iterator[None]:
    """Let threads keep what they free inside the block, twice `size` bytes each, and give all back at the end.

    Args:
        size: bytes up to which a buffer is kept. Where several blocks run at the same time, the largest counts.
    """
    if _glibc() is None:
        yield
        return
    with _LOCK:
        _kept.append(size)
        _choose()
    try:
        yield
    finally:
        with _LOCK:
            if size in _kept:  # not after a fork inside the block
                _kept.remove(size)
            _choose()
            if not _kept:
                give_back()


@in_child
def _forget_writes() -> None:
    """Start anew in a process that was forked, where the threads that write are not."""
    global _LOCK
    _LOCK = Lock()
    _kept.clear()


def give_back() -> None:
    """Give freed memory back to the system: glibc keeps what its threads have freed, several times what is in use."""
    if _glibc() is not None:
        _glibc().malloc_trim(0)
