"""Zarr's coroutines, run to their end on the thread that calls.

Zarr waits for its coroutines in one loop thread, which hands the work of a local store to a third thread. For one chunk
these are four changes of threads, each of which may wait for a core that is busy with the codec: two threads that write
chunk by chunk so keep little more than one core busy. Nothing of a local store is ever waited for, so the thread that
wants the chunk written can do all of it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar, cast

from zarr.abc.store import Store

from ..config import in_child
from .places import folder_of
from .zarr_private import sync

T = TypeVar("T")


class _Loop(asyncio.SelectorEventLoop):
    """Do at once what is meant for another thread."""

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        done: asyncio.Future[T] = self.create_future()
        done.set_result(func(*args))
        return done


class _Own:
    """Hold the loop of a thread, and close it when the thread ends."""

    def __init__(self) -> None:
        self.loop = _Loop()

    def end(self) -> None:
        """Cancel what a failed coroutine left undone, which would complain of a closed loop when it is collected."""
        if tasks := asyncio.all_tasks(self.loop):
            for task in tasks:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()

    def __del__(self) -> None:
        self.loop.close()


_HELD = threading.local()


@in_child
def _forget_loops() -> None:
    """Start anew in a process that was forked: its loop would watch for the parent, through the same descriptors."""
    global _HELD
    _LEFT.append(_HELD)  # closed, it would take the parent's descriptors from what the parent watches
    _HELD = threading.local()


_LEFT: list[threading.local] = []


def run_inline(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine of a local store returns; inside a running loop (a notebook's), by Zarr's own thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        return sync(coroutine)
    own = getattr(_HELD, "own", None)
    if own is None:
        own = _HELD.own = _Own()
    try:
        return cast(T, own.loop.run_until_complete(coroutine))
    except BaseException:
        del _HELD.own
        own.end()
        raise


async def together(store: Store, coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what coroutines of a store return: at the same time, but where nothing is waited for, one by one."""
    if folder_of(store) is None:
        return await asyncio.gather(*coroutines)
    return [await coroutine for coroutine in coroutines]


def wait_for(store: Store, coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine of a store returns, in the way that is the fastest for it."""
    return sync(coroutine) if folder_of(store) is None else run_inline(coroutine)
