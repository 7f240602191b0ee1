"""All units of a plan: on threads of ours, on a cluster, on the scheduler that dask is set to, or delayed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import nullcontext
from typing import Any
from uuid import uuid4

import numpy as np

from ..pixels import delayed_values
from ..store import journal
from .allocator import kept_memory
from .job import Job, SentJob
from .progress import Meter, Progress, metered
from .sharing import end_shared, run_shared
from .surroundings import active_client, client_of, dask_scheduler
from .units import KEEP_BYTES, run_unit
from .workers import WorkerPool

GRAPH_BYTES = 8 * 2**20
SMALL_IMAGE = 2 * 2**20  # bytes up to which one thread is most often as fast as two
_MOMENT = 0.2  # seconds between two looks at what units have done
_LOSSES = 8  # workers in a row that are lost before anything more is done
_CALLED = 1000  # units at most for which a cluster is asked to adapt
_TURN = 2.0  # seconds for which a worker of a cluster begins units, before it is asked again


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
            client = active_client()
            if client is not None:
                done = _help_on_cluster(client, job, done, meter)
            run_shared(job, done, meter)
            end_shared(job, end)
            return
        for number, work in enumerate(job.plan.passes):
            todo = [i for i in range(len(work)) if f"{number}-{i}" not in done]
            _run_pass(job, number, todo, meter)
    end()


def _run_pass(job: Job, number: int, todo: Sequence[int], meter: Meter) -> None:
    """Run units of one pass on the scheduler that dask is set to. Once this ends, no task goes on writing."""
    scheduler = dask_scheduler()
    client = client_of(scheduler)
    if client is not None and todo:
        _run_on_cluster(client, job, number, todo, meter)
    elif scheduler is None:
        work = job.plan.passes[number]
        keeping = kept_memory(job.cell_bytes(work)) if job.plan.bytes_of(0) > KEEP_BYTES else nullcontext()
        at_once = max(1, min(work.at_once, len(todo)))
        alone, eager = at_once == 1, job.plan.bytes_of(0) > SMALL_IMAGE
        with keeping, WorkerPool(work.pieces_at_once - alone, joined=alone, eager=eager) as pool:
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
    from distributed import as_completed

    held = sum(source.nbytes for source in job.sources.values() if type(source) is np.ndarray)
    if held > GRAPH_BYTES:
        client.submit(int, pure=False).result()  # a cluster that adapts may have no worker to send them to
        shared = client.scatter(job, broadcast=True, hash=False)
        futures = [client.submit(run_unit, shared, number, i, pure=False) for i in todo]
    else:
        futures = client.compute(_tasks(job, number, todo))
    try:
        numbers = {future.key: i for future, i in zip(futures, todo, strict=True)}
        for future in as_completed(futures, loop=client.loop):
            future.result()
            meter.add(job.plan.bytes_in(f"{number}-{numbers[future.key]}"))
    except BaseException:
        _call_off(client, futures)
        raise


def _call_off(client: Any, futures: Sequence[Any]) -> None:
    """Call off what no worker is at, and wait for the rest."""
    from distributed import as_completed

    begun = {key for keys in client.processing().values() for key in keys}
    client.cancel([future for future in futures if future.key not in begun])
    for _ in as_completed([future for future in futures if future.key in begun], loop=client.loop):
        pass  # done, failed, or cancelled with the worker that was at it


def _help_on_cluster(client: Any, job: Job, done: set[str], meter: Meter) -> set[str]:
    """Let every worker of a client help, those that come later too; return the units that are done in the end.

    A worker that is lost, with what it was sent, has but claimed units, which the others take over. While there is no
    worker, or none any more, this process does what they would.
    """
    from distributed import CancelledError, KilledWorker

    sent, helping, lost, ended = dict[str, Any](), dict[str, Any](), 0, threading.Event()
    called = _call_workers(client, job.plan.units - len(done))
    try:
        while len(done) < job.plan.units:
            if not (workers := client.scheduler_info(n_workers=-1)["workers"]):
                done = run_shared(job, done, meter, _TURN)
                continue
            sent |= _sent(client, job, [name for name in workers if name not in sent])
            for name in sent.keys() & workers - helping.keys():
                words = {"workers": [name], "allow_other_workers": True, "pure": False}
                helping[name] = client.submit(help_for, sent[name], _TURN, **words)
                helping[name].add_done_callback(lambda _: ended.set())
            ended.wait(2 * _TURN)
            ended.clear()
            for name in [name for name, future in helping.items() if future.done()]:
                try:
                    helping.pop(name).result()
                except (CancelledError, KilledWorker):
                    sent.pop(name)
                    lost += 1
                    if lost == _LOSSES:  # it is what they do that ends them
                        raise
                    time.sleep(_TURN / 2)
            news = journal.noted(job.target) - {journal.CLEARED} - done
            lost = 0 if news else lost
            meter.add(sum(map(job.plan.bytes_in, news)))
            meter.show()
            done = done | news
            left = job.plan.units - len(done)
            client.cancel(called[left:])
            del called[left:]
    finally:
        client.cancel(called)
        _call_off(client, list(helping.values()))
    return done


def _call_workers(client: Any, units: int) -> list[Any]:
    """Let a cluster that adapts see how much there is to do: a task for each unit, which no worker can be given."""
    return list(client.map(int, range(min(units, _CALLED)), pure=False, resources={"a unit of ome_ngff": 1}))


def _sent(client: Any, job: Job, names: list[str]) -> dict[str, Any]:
    """Send a job to workers; to none, and take a moment, where one of them is lost at the same time."""
    from distributed.comm.core import CommClosedError

    try:
        sent = client.scatter(job, workers=names, broadcast=True, hash=False) if names else None
    except (CommClosedError, TimeoutError):
        time.sleep(_MOMENT)
        return {}
    return dict.fromkeys(names, sent)


def help_for(job: Job | SentJob, seconds: float) -> None:
    """Help with a write that processes share, with units that can be begun within a time."""
    job = job.here()
    with metered(None, 0, job.plan.bytes_read) as meter:
        run_shared(job, journal.noted(job.target) - {journal.CLEARED}, meter, seconds)


def _tasks(job: Job, number: int, todo: Iterable[int]) -> list[Any]:
    name = f"run_unit-{uuid4().hex}"
    tasks = {f"{name}-{i}": (run_unit, name, number, i) for i in todo}
    return delayed_values({name: job, **tasks}, tasks)


def delayed_tasks(job: Job, done: set[str], end: Callable[[], None]) -> list[Any]:
    """Return the same tasks as `dask.delayed.Delayed`; computed together they write the store, the metadata last."""
    name = f"run_unit-{uuid4().hex}"
    graph: dict[str, Any] = {name: job, f"{name}-end": end}
    before: list[str] = []
    keys: list[str] = []
    for number, work in enumerate(job.plan.passes):
        after = [f"{name}-after-{number}"] if before else []
        graph |= {key: (len, before) for key in after}
        todo = {f"{name}-{number}-{i}": i for i in range(len(work)) if f"{number}-{i}" not in done}
        graph |= {key: (run_unit, name, number, i, *after) for key, i in todo.items()}
        before = list(todo)
        keys += before
    graph[f"{name}-last"] = (_end_after, f"{name}-end", before)
    return delayed_values(graph, [*keys, f"{name}-last"])


def _end_after(end: Callable[[], None], before: Sequence[int]) -> None:
    end()
