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
    return dask_scheduler() is not None


def active_client() -> Any:
    """Return the distributed client that dask would use; None where it would use none."""
    return client_of(dask_scheduler())


def client_of(scheduler: Any) -> Any:
    """Return the distributed client that a scheduler belongs to; None for any other."""
    owner = getattr(scheduler, "__self__", None)
    known = getattr(sys.modules.get("distributed"), "Client", ())  # none while another thread still imports it
    return owner if isinstance(owner, known) else None


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
    import dask

    return dask


def dask_scheduler() -> Any:
    """Return the scheduler that dask is set to, perhaps that of a client; None where units run on threads of ours.

    Inside a task of a cluster there is none: it would wait for tasks that may wait for its own thread. The client of
    the process that this one was forked from has no threads here, and its connections are the parent's. Where nobody
    has imported distributed there is no client, and dask, which would import it to find that out, is not asked.
    """
    dask = _dask()
    if "distributed" not in sys.modules and dask.config.get("scheduler", None) is None:
        return None
    found = None if _inside_task() else dask.base.get_scheduler()
    return None if _inherited is not None and client_of(found) is _inherited else found


@in_child
def _disown_client() -> None:
    global _inherited
    with suppress(AttributeError, ValueError):  # not imported, or there is none
        _inherited = sys.modules["distributed"].default_client() if "distributed" in sys.modules else None
