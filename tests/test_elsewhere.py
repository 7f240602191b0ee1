"""Writes inside the tasks of a cluster, and workers that cannot reach what they have to."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import dask
import dask.array as da
import distributed
import numpy as np
import pytest
from helpers import every_file, in_child, pixels

import ome_ngff
from ome_ngff import IncompleteError, StoreError, open_image, write_image, write_labels
from ome_ngff.engine import schedule
from ome_ngff.engine.surroundings import active_client, client_of

VOLUME = (np.arange(20 * 40 * 50) % 4001).astype("uint16").reshape(20, 40, 50)
WORDS: dict[str, Any] = {"axes": "zyx", "chunks": 16, "scale_factors": [2]}


@pytest.fixture(scope="module")
def client() -> Iterator[distributed.Client]:
    """A cluster of one worker with one thread: whoever waits for another task waits for ever."""
    options: dict[str, Any] = {"dashboard_address": None, "scheduler_kwargs": {"dashboard_address": ":0"}}
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, **options)
    with cluster, distributed.Client(cluster) as client:
        yield client


def write(place: str) -> list[Any]:
    return write_image(VOLUME, place, **WORDS)


def label(place: str) -> list[Any]:
    return write_labels((VOLUME % 7).astype("uint8"), place, "cells", colors="auto")


def test_a_write_inside_a_task_runs_on_the_spot(client: distributed.Client, tmp_path: Path) -> None:
    places = [str(tmp_path / name) for name in "ab"]
    assert [future.result(timeout=60) for future in client.map(write, places, pure=False)] == [[], []]
    assert client.submit(label, places[0], pure=False).result(timeout=60) == []
    for place in places:
        np.testing.assert_array_equal(pixels(place)[0], VOLUME)
    assert open_image(places[0]).labels["cells"].colors.keys() == set(range(7))


@pytest.mark.parametrize("join", [pytest.param(False, id="alone"), pytest.param(True, id="joint")])
def test_a_client_is_left_alone_where_dask_is_set_to_threads(
    client: distributed.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, join: bool
) -> None:
    for name in ("submit", "map", "scatter", "compute"):
        monkeypatch.setattr(client, name, None)
    with dask.config.set(scheduler="threads"):
        write_image(VOLUME, tmp_path / "i", join=join, **WORDS)
    np.testing.assert_array_equal(pixels(tmp_path / "i")[0], VOLUME)


def test_a_worker_that_cannot_reach_the_image_says_so(client: distributed.Client, tmp_path: Path) -> None:
    def lose(lost: bool) -> None:
        from ome_ngff.engine import job

        def refuse(*place: Any, **words: Any) -> Any:
            raise FileNotFoundError(f"There is no {place[1]!r}.")

        job.open_array, job.kept = (refuse, job.open_array) if lost else (job.kept, None)  # type: ignore[attr-defined]

    client.run(lose, True)
    try:
        with ome_ngff.config.set(task_target="10kB"), pytest.raises(StoreError, match="needs the same folders"):
            write(str(tmp_path / "a"))
    finally:
        client.run(lose, False)
    with pytest.raises(IncompleteError):
        open_image(tmp_path / "a")
    write_image(VOLUME, tmp_path / "a", **WORDS, resume=True)
    write_image(VOLUME, tmp_path / "b", **WORDS)
    assert every_file(tmp_path / "a") == every_file(tmp_path / "b")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_process_leaves_the_client_of_its_parent_alone(client: distributed.Client, tmp_path: Path) -> None:
    write(str(tmp_path / "a"))
    in_child(lambda: (write(str(tmp_path / "b")), label(str(tmp_path / "b"))))
    label(str(tmp_path / "a"))
    assert every_file(tmp_path / "a") == every_file(tmp_path / "b")


@pytest.mark.parametrize("join", [pytest.param(False, id="alone"), pytest.param(True, id="joint")])
def test_a_client_that_dask_is_set_to_need_not_be_the_default(
    client: distributed.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, join: bool
) -> None:
    def none(given: Any = None) -> Any:
        raise ValueError("No clients found")

    write(str(tmp_path / "a"))
    with distributed.Client(client.cluster, set_as_default=False) as other, dask.config.set(scheduler=other):
        monkeypatch.setattr(distributed.client, "default_client", none)
        assert active_client() is other
        write_image(VOLUME, tmp_path / "b", **WORDS, join=join)
        with pytest.raises(ValueError, match="fails"):
            write_image(da.map_blocks(fails, chunks=VOLUME.shape, dtype="u2"), tmp_path / "c", **WORDS, join=join)
    assert every_file(tmp_path / "a") == every_file(tmp_path / "b")


def fails() -> Any:
    raise ValueError("this fails")


def test_half_imported_distributed_has_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", ModuleType("distributed"))
    assert client_of(None) is None
    assert client_of([].append) is None


def test_workers_of_a_cluster_help_with_a_joint_write(client: distributed.Client, tmp_path: Path) -> None:
    words = {**WORDS, "method": "gaussian", "chunks": 8, "scale_factors": [2, 4]}
    write_image(VOLUME, tmp_path / "alone", **words)

    def count(dask_worker: Any) -> list[str]:
        from ome_ngff.engine import sharing

        ran, unit = list[str](), sharing.run_unit

        def counted(job: Any, *place: int, **options: Any) -> int:
            ran.append("-".join(map(str, place)))
            return unit(job, *place, **options)

        sharing.run_unit = counted
        dask_worker.ran, dask_worker.unit = ran, unit
        return ran

    def counted(dask_worker: Any) -> list[str]:
        from ome_ngff.engine import sharing

        sharing.run_unit = dask_worker.unit
        return list(dask_worker.ran)

    seen: list[tuple[int, int]] = []
    client.run(count)
    with ome_ngff.config.set(task_target="20kB", memory_target="1MB"):
        write_image(VOLUME, tmp_path / "a", **words, join=True, progress=lambda *state: seen.append(state))
    (ran,) = client.run(counted).values()
    assert len(ran) == len(set(ran)) > 5  # by the worker alone, which has nothing to wait for
    assert seen[-1][0] == seen[-1][1]
    assert every_file(tmp_path / "a") == every_file(tmp_path / "alone")


def test_a_write_without_a_cluster_does_not_import_distributed(tmp_path: Path) -> None:
    """It takes as long as all else that a first small write imports."""
    code = (
        "import sys, numpy, ome_ngff; ome_ngff.write_image(numpy.ones((64, 64)), sys.argv[1], axes='yx'); "
        "print('distributed' in sys.modules, 'zarr' in sys.modules)"
    )
    place = str(tmp_path / "a.zarr")
    found = subprocess.run([sys.executable, "-c", code, place], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "True"]


def test_a_joint_write_goes_on_without_any_worker(tmp_path: Path) -> None:
    write_image(VOLUME, tmp_path / "alone", **WORDS)
    options: dict[str, Any] = {"dashboard_address": ":0", "processes": False}
    with distributed.LocalCluster(n_workers=0, **options) as cluster, distributed.Client(cluster):
        write_image(VOLUME, tmp_path / "a", **WORDS, join=True)
    assert every_file(tmp_path / "a") == every_file(tmp_path / "alone")


@pytest.mark.parametrize("join", [pytest.param(True, id="join"), pytest.param(False, id="alone")])
def test_a_cluster_without_workers_adapts_to_a_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, join: bool
) -> None:
    """What would run in this process instead waits until the cluster has grown to two workers."""
    words, run, waited = {**WORDS, "chunks": 8, "scale_factors": [2, 4]}, schedule.run_shared, list[float]()
    options: dict[str, Any] = {"n_workers": 0, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        cluster.adapt(minimum=0, maximum=2, interval="50ms")

        def wait(job: Any, done: set[str], meter: Any, seconds: float = math.inf) -> set[str]:
            if active_client() is None:
                return run(job, done, meter, seconds)
            if len(done) < job.plan.units:
                waited.append(seconds)
                client.wait_for_workers(2, timeout=60)
            return done

        monkeypatch.setattr(schedule, "run_shared", wait)
        monkeypatch.setattr(schedule, "GRAPH_BYTES", 0)
        with ome_ngff.config.set(task_target="20kB"):
            write_image(VOLUME, tmp_path / "a", **words, join=join)
        assert not [key for key in client.futures if str(key).startswith("int")]  # nothing asks for workers any more
    assert waited[:1] == ([schedule._TURN] if join else [])
    write_image(VOLUME, tmp_path / "alone", **words)
    assert every_file(tmp_path / "a") == every_file(tmp_path / "alone")


def test_what_a_helping_worker_finds_broken_reaches_the_caller(client: distributed.Client, tmp_path: Path) -> None:
    def broken(block: Any) -> Any:
        raise ValueError("this block is broken")

    source = da.from_array(VOLUME, chunks=16).map_blocks(broken, dtype="uint16", meta=np.empty((0, 0, 0), "uint16"))
    with pytest.raises(ValueError, match="block is broken"):
        write_image(source, tmp_path / "a", **WORDS, join=True)
    with pytest.raises(IncompleteError):
        open_image(tmp_path / "a")


@pytest.mark.slow
@pytest.mark.parametrize("count", [pytest.param(3, id="one-of-three"), pytest.param(1, id="all-that-know-the-job")])
def test_a_helping_worker_that_is_lost_costs_no_pixel(tmp_path: Path, count: int) -> None:
    def slow(block: Any) -> Any:
        time.sleep(0.02)
        return block

    lazy = da.from_array(VOLUME, chunks=8).map_blocks(slow, dtype="uint16", meta=np.empty((0, 0, 0), "uint16"))
    words = {**WORDS, "chunks": 8}
    write_image(VOLUME, tmp_path / "alone", **words)
    options: dict[str, Any] = {"dashboard_address": ":0", "n_workers": count, "threads_per_worker": 1}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        pids = list(client.run(os.getpid).values())

        def kill_one(done: int, total: int) -> None:
            if pids and done > total / 8:
                os.kill(pids.pop(), signal.SIGKILL)
                pids.clear()

        with ome_ngff.config.set(task_target=1, claim_patience=2):
            write_image(lazy, tmp_path / "a", **words, join=True, progress=kill_one)
    assert not pids
    assert every_file(tmp_path / "a") == every_file(tmp_path / "alone")
