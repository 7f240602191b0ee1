"""Writes inside the tasks of a cluster, and workers that cannot reach what they have to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import distributed
import numpy as np
import pytest
from helpers import every_file, in_child, pixels

import ome_ngff
from ome_ngff import IncompleteError, StoreError, open_image, write_image, write_labels

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
