"""Where tasks run: threads of ours, a cluster, or a scheduler that dask is set to."""

from __future__ import annotations

import sys
from typing import Any


def spread() -> bool:
    """Return whether tasks run outside of our own threads: on a cluster, or on a scheduler that dask is set to."""
    return active_client() is not None or dask_scheduler() is not None


def active_client() -> Any:
    """Return the active distributed client, without importing distributed where nobody has.

    Inside a task of a cluster there is none: it would wait for tasks that may wait for its own thread.
    """
    if "distributed" not in sys.modules or _inside_task():
        return None
    from distributed import get_client

    try:
        return get_client()
    except ValueError:
        return None


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


def dask_scheduler() -> Any:
    """Return the scheduler that dask is set to; None where units run on threads of ours."""
    from dask.base import get_scheduler

    return None if _inside_task() else get_scheduler()
