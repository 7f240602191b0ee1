"""Threads that share the pieces of the tasks of a pass, and the memory that they work in."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from .methods import Array


class Hands:
    """Threads that help the tasks of a pass with their pieces, and buffers of each thread, helper or not.

    The thread of a task works, too: with as many tasks at once as hands there are no helpers. What each piece needs is
    copied into the same buffers: fresh memory is slow, as the system clears it first.
    """

    def __init__(self, count: int = 0) -> None:
        self.count = count
        self.pool = ThreadPoolExecutor(count) if count else None
        self.own = threading.local()

    def __enter__(self) -> Hands:
        return self

    def __exit__(self, *reason: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def room(self, name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
        """Give a buffer of this thread: the same memory whenever the name is the same."""
        size = math.prod(shape) * dtype.itemsize
        buffer = getattr(self.own, name, None)
        if buffer is None or buffer.size < size:
            buffer = np.empty(size, np.uint8)
            setattr(self.own, name, buffer)
        found: Array = buffer[:size].view(dtype).reshape(shape)
        return found


class Pieces:
    """Work on the pieces of one task: the helpers begin as they are added, the task itself in `finish`.

    Where one fails, or the block does, no other is begun, and none goes on when the block ends.
    """

    def __init__(self, hands: Hands) -> None:
        self.hands = hands
        self.todo: deque[Callable[[], None]] = deque()
        self.helping: list[Future[None]] = []

    def add(self, work: Callable[[], None]) -> None:
        """Add a piece; a single one is left to the task."""
        self.todo.append(work)
        busy = sum(not helper.done() for helper in self.helping)
        if self.hands.pool is not None and busy < min(self.hands.count, len(self.todo) - 1):
            self.helping.append(self.hands.pool.submit(self._work))

    def _work(self) -> None:
        while True:
            try:
                work = self.todo.popleft()
            except IndexError:
                return
            try:
                work()
            except BaseException:
                self.todo.clear()
                raise

    def finish(self) -> None:
        """Work until all pieces are done."""
        self._work()
        self._end()
        for helper in self.helping:
            if not helper.cancelled():
                helper.result()
        self.helping.clear()

    def _end(self) -> None:
        """Wait for the helpers that have begun; others may be waiting for those of another task."""
        self.todo.clear()
        for helper in self.helping:
            helper.cancel()
        wait(self.helping)

    def __enter__(self) -> Pieces:
        return self

    def __exit__(self, *reason: object) -> None:
        self._end()
