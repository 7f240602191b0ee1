"""Where tasks run: threads of ours, a cluster, or a scheduler that dask is set to."""

from __future__ import annotations

import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

from ..config import in_child
from ..pixels import whole

_inherited: Any = None  # the client of the process that this one was forked from


def spread() -> bool:
    """Return whether tasks run outside of our own threads: on a cluster, or on a scheduler that dask is set to."""
    return active_client() is not None or dask_scheduler() is not None


def active_client() -> Any:
    """Return the distributed client that dask would use, without importing distributed where nobody has.

    Inside a task of a cluster there is none: it would wait for tasks that may wait for its own thread. The client of
    the process that this one was forked from has no threads here, and its connections are the parent's. Where dask is
    set to another scheduler, it is not asked.
    """
    if "distributed" not in sys.modules or _inside_task():
        return None
    from distributed import get_client

    try:
        client = get_client()
    except ValueError:
        return None
    chosen = getattr(_dask().get_scheduler(), "__self__", None)
    return None if client is _inherited or chosen is not client else client


def _inside_task() -> bool:
    """Return whether this thread runs a task of a cluster."""
    if "distributed" not in sys.modules:
        return False
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:
        return False
    return True


@whole
def _dask() -> ModuleType:
    from dask import base

    with suppress(ImportError):
        import distributed  # noqa: F401  which dask looks for where no scheduler is set
    return base


def dask_scheduler() -> Any:
    """Return the scheduler that dask is set to; None where units run on threads of ours."""
    get_scheduler = _dask().get_scheduler
    found = None if _inside_task() else get_scheduler()
    return None if _inherited is not None and getattr(found, "__self__", None) is _inherited else found


@in_child
def _disown_client() -> None:
    global _inherited
    with suppress(AttributeError, ValueError):  # not imported, or there is none
        _inherited = sys.modules["distributed"].default_client() if "distributed" in sys.modules else None
