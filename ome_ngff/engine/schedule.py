"""All units of a plan: on threads of ours, on a cluster, on the scheduler that dask is set to, or delayed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import nullcontext
from typing import Any

import numpy as np

from .allocator import kept_memory
from .job import Job
from .progress import Meter, Progress, metered
from .sharing import end_shared, run_shared
from .surroundings import active_client, dask_scheduler
from .units import KEEP_BYTES, run_unit
from .workers import WorkerPool

GRAPH_BYTES = 8 * 2**20
_MOMENT = 0.2  # seconds between two looks at what units have done


# Running ------------------------------------------------------------------------------------------------------------


def run(job: Job, done: set[str], progress: Progress, end: Callable[[], None]) -> None:
    """Run all units that are not in `done`, pass by pass, then `end`.

    Args:
        job: what to do. done: names of the units that are on disk already.
        progress: see `metered`.
        end: writes the metadata.
    """
    with metered(progress, sum(map(job.plan.bytes_in, done)), job.plan.bytes_read) as meter:
        if job.shared:
            run_shared(job, done, meter)
            end_shared(job, end)
            return
        for number, work in enumerate(job.plan.passes):
            todo = [i for i in range(len(work)) if f"{number}-{i}" not in done]
            _run_pass(job, number, todo, meter)
    end()


def _run_pass(job: Job, number: int, todo: Sequence[int], meter: Meter) -> None:
    """Run units of one pass on the scheduler that dask is set to. Once this ends, no task goes on writing."""
    client = active_client()
    if client is not None and todo:
        _run_on_cluster(client, job, number, todo, meter)
    elif dask_scheduler() is None:
        work = job.plan.passes[number]
        keeping = kept_memory(job.cell_bytes(work)) if job.plan.bytes_of(0) > KEEP_BYTES else nullcontext()
        at_once = max(1, min(work.at_once, len(todo)))
        with keeping, WorkerPool(work.pieces_at_once - (at_once == 1), joined=at_once == 1) as pool:
            _run_here(job, number, todo, at_once, pool, meter)
    else:
        from dask.base import compute
        from dask.callbacks import Callback

        left = iter(todo)

        def finished(key: Any, *rest: Any) -> None:
            if str(key).startswith(run_unit.__name__):
                meter.add(job.plan.bytes_in(f"{number}-{next(left)}"))  # of some unit; in the end it is all of them

        with Callback(posttask=finished):
            compute(*_tasks(job, number, todo))


def _run_here(job: Job, number: int, todo: Sequence[int], at_once: int, pool: WorkerPool, meter: Meter) -> None:
    """Run units of one pass in this process."""
    if at_once == 1:
        for i in todo:
            run_unit(job, number, i, pool=pool, meter=meter)
            meter.show()
        return
    with ThreadPoolExecutor(at_once) as tasks:
        futures = {tasks.submit(run_unit, job, number, i, pool=pool, meter=meter) for i in todo}
        try:
            while futures:
                done, futures = wait(futures, _MOMENT, FIRST_COMPLETED)
                for future in done:
                    future.result()
                meter.show()
        except BaseException:
            tasks.shutdown(cancel_futures=True)
            raise


def _run_on_cluster(client: Any, job: Job, number: int, todo: Sequence[int], meter: Meter) -> None:
    """Run units of one pass on the workers of a client.

    The job travels inside the graph, so that a lost worker's tasks can start again; pixels in memory that are too many
    for a graph go to every worker instead.
    """
    from distributed import as_completed, wait

    held = sum(source.nbytes for source in job.sources.values() if type(source) is np.ndarray)
    if held > GRAPH_BYTES:
        shared = client.scatter(job, broadcast=True, hash=False)
        futures = [client.submit(run_unit, shared, number, i, pure=False) for i in todo]
    else:
        futures = client.compute(_tasks(job, number, todo))
    try:
        numbers = {future.key: i for future, i in zip(futures, todo, strict=True)}
        for future in as_completed(futures):
            future.result()
            meter.add(job.plan.bytes_in(f"{number}-{numbers[future.key]}"))
    except BaseException:
        begun = {key for keys in client.processing().values() for key in keys}
        client.cancel([future for future in futures if future.key not in begun])
        wait([future for future in futures if future.key in begun])
        raise


def _tasks(job: Job, number: int, todo: Iterable[int], *after: Any) -> list[Any]:
    from dask.delayed import delayed

    unit, shared = delayed(run_unit, pure=False), delayed(job, traverse=False, pure=False)
    return [unit(shared, number, i, *after) for i in todo]


def delayed_tasks(job: Job, done: set[str], end: Callable[[], None]) -> list[Any]:
    """Return the same tasks as `dask.delayed.Delayed`; computed together they write the store, the metadata last."""
    from dask.delayed import delayed

    before: list[Any] = []
    tasks: list[Any] = []
    for number, work in enumerate(job.plan.passes):
        after = [delayed(len, pure=False)(before)] if before else []
        before = _tasks(job, number, [i for i in range(len(work)) if f"{number}-{i}" not in done], *after)
        tasks += before
    return [*tasks, delayed(_end_after, pure=False)(delayed(end, traverse=False, pure=False), before)]


def _end_after(end: Callable[[], None], before: Sequence[int]) -> None:
    end()
