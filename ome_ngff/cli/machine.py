"""Where a write runs, and where it goes: threads, processes or a cluster; a folder, or a file that becomes a ZIP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..config import config
from ..exceptions import OptionError, StoreError

_PATIENCE = 10  # seconds until a scheduler must have answered


@contextmanager
def settings(workers: int | None, memory_target: int | None) -> Iterator[None]:
    """Hold the settings of the engine for a while; None leaves one as it is."""
    wanted = {"workers": workers, "memory_target": memory_target}
    with config.set(**{name: value for name, value in wanted.items() if value is not None}):
        yield


@contextmanager
def cluster(workers: int | None, scheduler: str | None) -> Iterator[None]:
    """Let dask run what is written inside on N local processes, or on the cluster at an address.

    Raises:
        OptionError: dask.distributed is not installed. StoreError: no scheduler answers.
    """
    if workers is None and scheduler is None:
        yield
        return
    try:
        import distributed
    except ModuleNotFoundError:
        option = "--workers" if workers else "--scheduler"
        raise OptionError(f"{option} needs dask.distributed: pip install 'ome-ngff[distributed]'") from None
    if workers is not None:
        free = {"dashboard_address": ":0"}  # a port that is free, not the one where another cluster may be
        options = {"processes": True, "threads_per_worker": 1, "dashboard_address": None, "scheduler_kwargs": free}
        with distributed.LocalCluster(n_workers=workers, **options) as local, distributed.Client(local):
            yield
        return
    try:
        client = distributed.Client(scheduler, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise StoreError(f"No scheduler answers at {scheduler} ({error}). 'dask scheduler' starts one.") from error
    with client, settings(sum(client.nthreads().values()) or None, None):
        yield
