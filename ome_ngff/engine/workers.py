"""Threads that share the pieces of the tasks of a pass, and the memory that they work in."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from ..config import in_child
from ..pixels import Array

_LONG = 0.002  # seconds of a piece


class WorkerPool:
    """Threads that work on the pieces of all tasks of a pass; where there are none, each task does its own.

    What a piece needs is copied into buffers that its thread keeps: fresh memory is slow, because the system clears it.

    Args:
        count: number of threads.
        joined: whether the tasks, which then run one at a time, work on pieces, too.
        eager: whether threads are called for the first pieces. Else they are once one has taken long: to start a thread
            costs as much as the codec takes for half a MiB.
    """

    def __init__(self, count: int = 0, *, joined: bool = False, eager: bool = True) -> None:
        self.count, self.joined, self.called = count, joined, eager
        self.threads = ThreadPoolExecutor(count) if count else None
        self._buffers = threading.local()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *reason: object) -> None:
        if self.threads is not None:
            self.threads.shutdown(cancel_futures=True)

    def scratch(self, name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
        """Return a buffer of the calling thread, of any contents: the same memory whenever the name is the same."""
        size = math.prod(shape) * dtype.itemsize
        buffer = getattr(self._buffers, name, None)
        if buffer is None or buffer.size < size:
            buffer = np.empty(size, np.uint8)
            setattr(self._buffers, name, buffer)
        found: Array = buffer[:size].view(dtype).reshape(shape)
        return found

    def submit(self, work: Callable[[], None]) -> None:
        """Let a thread do something, after what was submitted before."""
        assert self.threads is not None
        self.threads.submit(work)


_SHARED: list[tuple[WorkerPool, int]] = []
_SHARED_LOCK = threading.Lock()


def enter_shared(count: int) -> WorkerPool:
    """Return threads that all share who ask for so many, until each of them has left."""
    with _SHARED_LOCK:
        found = next((entry for entry in _SHARED if entry[0].count == count), None)
        pool, users = found or (WorkerPool(count), 0)
        _SHARED[:] = [*(entry for entry in _SHARED if entry is not found), (pool, users + 1)]
        return pool


def leave_shared(pool: WorkerPool) -> None:
    """Leave threads to the others that share them; the last one ends them."""
    with _SHARED_LOCK:
        users = next((users for each, users in _SHARED if each is pool), 0)
        _SHARED[:] = [entry for entry in _SHARED if entry[0] is not pool] + ([(pool, users - 1)] if users > 1 else [])
    if users == 1:
        pool.__exit__()


@in_child
def _forget_shared() -> None:
    """Start anew in a process that was forked, where there are no threads."""
    global _SHARED_LOCK
    _SHARED_LOCK = threading.Lock()
    _SHARED.clear()


class TaskGroup:
    """The pieces of one task, which the threads of a pool begin as they are added.

    Once one fails, or the `with` block does, no other is begun, and none is still running when the block ends.
    """

    def __init__(self, pool: WorkerPool) -> None:
        self.pool = pool
        self.todo: deque[Callable[[], None]] = deque()
        self.working: list[Future[None]] = []

    def add(self, work: Callable[[], None]) -> None:
        """Add a piece; the threads leave a single one to the task itself."""
        self.todo.append(work)
        if self.pool.called and len(self.todo) > 1:
            self._call()

    def _call(self) -> None:
        """Let threads work on what is to do."""
        if self.pool.threads is None:
            return
        self._tidy()
        for _ in range(min(self.pool.count, len(self.todo)) - len(self.working)):
            self.working.append(self.pool.threads.submit(self._work))

    def finish(self) -> None:
        """Wait until all pieces are done."""
        if self.pool.joined or not self.pool.called:
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
            begun = time.perf_counter()
            try:
                work()
            except BaseException:
                self.todo.clear()
                raise
            if not self.pool.called and time.perf_counter() - begun > _LONG:
                self.pool.called = True
                self._call()

    def _tidy(self) -> None:
        """Forget the threads that are done, and raise what one of them has raised."""
        for future in self.working:
            if future.done() and not future.cancelled():
                future.result()
        self.working = [future for future in self.working if not future.done()]

    def _stop(self) -> None:
        """Wait for the threads that have begun; call off the rest, which may wait behind those of another task."""
        wait([future for future in self.working if not future.cancel()])

    def __enter__(self) -> TaskGroup:
        return self

    def __exit__(self, *reason: object) -> None:
        self.todo.clear()
        self._stop()
