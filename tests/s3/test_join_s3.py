"""Processes that make the same call fill one image on an object store, through conditional PUTs."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from conftest import Server

import ome_ngff
from ome_ngff import open_image, validate, write_image
from ome_ngff.read import describe_store

JOIN = """
import sys, time
import numpy as np, ome_ngff
from ome_ngff.engine import sharing
place = sys.argv[1]
pixels = np.random.default_rng(0).integers(0, 4000, (20, 60, 70)).astype("uint16")
run, done = sharing.run_unit, []
def counted(job, *unit, **how):
    done.append(unit)
    if sys.argv[2:] == [str(len(done))]:
        print("at the fourth", flush=True)
        time.sleep(600)
    return run(job, *unit, **how)
sharing.run_unit = counted
with ome_ngff.config.set(task_target="20kB", memory_target="200kB", claim_patience=3, workers=1):
    ome_ngff.write_image(pixels, place, axes="zyx", chunks=16, scale_factors=[2, 4], method="gaussian", join=True)
for unit in done:
    print(*unit)
"""
PIXELS = np.random.default_rng(0).integers(0, 4000, (20, 60, 70)).astype("uint16")
WORDS: dict[str, Any] = {"axes": "zyx", "chunks": 16, "scale_factors": [2, 4], "method": "gaussian"}


def join(place: str, *until: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", JOIN, place, *until], stdout=subprocess.PIPE)


@pytest.fixture
def alone(server: Server) -> dict[str, bytes]:
    with ome_ngff.config.set(task_target="20kB", memory_target="200kB"):
        write_image(PIXELS, "s3://cells/alone.zarr", **WORDS)
    return server.keys("alone.zarr/")


def test_processes_share_an_image_on_an_object_store(server: Server, alone: dict[str, bytes]) -> None:
    joined = [join("s3://cells/joint.zarr") for _ in range(3)]
    done = [unit for process in joined for unit in process.communicate(timeout=120)[0].splitlines()]
    assert server.keys("joint.zarr/") == alone
    assert len(done) == len(set(done)) > 10
    assert validate("s3://cells/joint.zarr", data=True).valid


def test_processes_that_are_killed_lose_nothing_on_an_object_store(server: Server, alone: dict[str, bytes]) -> None:
    for seed in range(3):
        process = join("s3://cells/joint.zarr")
        time.sleep(1.5 + seed / 2)
        process.kill()
        process.communicate()
    last = join("s3://cells/joint.zarr")
    last.communicate(timeout=120)
    assert last.returncode == 0
    assert server.keys("joint.zarr/") == alone
    np.testing.assert_array_equal(open_image("s3://cells/joint.zarr").images[0].data.compute(), PIXELS)


def test_info_names_who_is_at_work_on_an_object_store(server: Server) -> None:
    process = join("s3://cells/joint.zarr", "4")
    assert process.stdout is not None
    assert process.stdout.readline() == b"at the fourth\n"
    try:
        (image,) = describe_store("s3://cells/joint.zarr").images
    finally:
        process.kill()
        process.communicate()
    assert image.progress is not None
    assert image.progress[0] == 3
    host = re.sub(r"\W+", "_", platform.node())[:40]
    assert image.helpers == {f"{host}-{process.pid}": 1}
    assert image.rate is None or image.rate > 0  # the times of a store are in seconds
