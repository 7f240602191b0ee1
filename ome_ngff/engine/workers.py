"""Threads that share the pieces of the tasks of a pass, and the memory that they work in."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from ..pixels import Array


class WorkerPool:
    """Threads that work on the pieces of the tasks of a pass; where there are none, each task works on its own.

    What each piece needs is copied into the same buffers of its thread: fresh memory is slow, for the system clears it.

    Args:
        count: number of threads. joined: whether the tasks work, too, which run one at a time then.
    """

    def __init__(self, count: int = 0, *, joined: bool = False) -> None:
        self.count, self.joined = count, joined
        self.pool = ThreadPoolExecutor(count) if count else None
        self.own = threading.local()

    def __enter__(self) -> WorkerPool:
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


class TaskGroup:
    """The pieces of one task, which hands begin as they are added.

    Where one fails, or the block does, no other is begun, and none goes on when the block ends.
    """

    def __init__(self, hands: WorkerPool) -> None:
        self.hands = hands
        self.todo: deque[Callable[[], None]] = deque()
        self.working: list[Future[None]] = []

    def add(self, work: Callable[[], None]) -> None:
        """Add a piece; a single one is left to the task."""
        self.todo.append(work)
        if self.hands.pool is None or len(self.todo) == 1:
            return
        self._tidy()
        for _ in range(min(self.hands.count, len(self.todo)) - len(self.working)):
            self.working.append(self.hands.pool.submit(self._work))

    def finish(self) -> None:
        """Wait until all pieces are done."""
        if self.hands.joined:
            self._work()
        self._tidy()
        if self.working:
            wait(self.working, return_when=FIRST_COMPLETED)  # it found nothing left to begin, or failed
            self._stop()
            self._tidy()
        self._work()

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

    def _tidy(self) -> None:
        """Forget the hands that are done, and raise what one of them has raised."""
        for hand in self.working:
            if hand.done() and not hand.cancelled():
                hand.result()
        self.working = [hand for hand in self.working if not hand.done()]

    def _stop(self) -> None:
        """Wait for the hands that have begun; others may be waiting for those of another task."""
        for hand in self.working:
            hand.cancel()
        wait(self.working)

    def __enter__(self) -> TaskGroup:
        return self

    def __exit__(self, *reason: object) -> None:
        self.todo.clear()
        self._stop()
