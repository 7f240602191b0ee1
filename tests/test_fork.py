"""Processes that are forked from one that has written and read: nothing of its threads is waited for."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import imageio.v3 as imageio
import numpy as np
import pytest
import zarr
from helpers import every_file, in_child, pixels
from zarr.storage import LocalStore

import ome_ngff
from ome_ngff import (
    convert,
    open_image,
    open_input,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    validate,
    write_image,
    write_labels,
)
from ome_ngff.engine import allocator
from ome_ngff.inputs import picture as pictures
from ome_ngff.store import opening
from ome_ngff.store.inline import run_inline
from ome_ngff.store.opening import fast_pipeline

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),  # Python 3.12 warns of what is tested here
]
VOLUME = (np.arange(40 * 60 * 70) % 4001 + 1).astype("uint16").reshape(40, 60, 70)
CELLS = (VOLUME % 7).astype("uint8")
WORDS: dict[str, Any] = {"axes": "zyx", "chunks": 16, "scale_factors": [2]}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """An image, after which this process has all threads that it will ever have."""
    place = tmp_path / "before.zarr"
    write_image(VOLUME, place, **WORDS)
    write_labels(CELLS, place, "cells")
    np.testing.assert_array_equal(open_image(place).images[0].data.compute(), VOLUME)
    return place


def write(place: Path, **words: Any) -> None:
    write_image(VOLUME, place, **{**WORDS, **words})


def write_from_dask(place: Path) -> None:
    with ome_ngff.config.set(memory_target="1MB", task_target="200kB"):
        write_image(da.from_array(VOLUME, chunks=(1, 60, 70)) + 0, place, **WORDS)


def write_delayed(place: Path) -> None:
    dask.compute(*write_image(VOLUME, place, **WORDS, compute=False))


def write_packed(place: Path) -> None:
    place = place.with_suffix(".ozx")
    to_ngff_zarr(place, to_multiscales(to_ngff_image(VOLUME, "zyx"), [2], chunks=16))
    np.testing.assert_array_equal(open_image(place).images[0].data.compute(), VOLUME)


def convert_labelled(place: Path) -> None:
    convert(str(place.with_name("before.zarr")), place, chunks=16)


WRITES: dict[str, Callable[[Path], None]] = {
    "pieces": write,
    "one task": partial(write, chunks=64),
    "shards": partial(write, chunks=8, shards=32),
    "0.4": partial(write, fmt="0.4"),
    "dask": write_from_dask,
    "delayed": write_delayed,
    "packed": write_packed,
    "convert": convert_labelled,
}


@pytest.mark.parametrize("kind", WRITES)
def test_a_forked_process_writes_the_same_bytes(written: Path, kind: str) -> None:
    here, there = written.with_name("here.zarr"), written.with_name("there.zarr")
    WRITES[kind](here)
    in_child(lambda: WRITES[kind](there))
    if kind == "packed":
        assert there.with_suffix(".ozx").read_bytes() == here.with_suffix(".ozx").read_bytes()
    else:
        assert every_file(there) == every_file(here)
    WRITES[kind](written.with_name("again.zarr"))


def test_a_forked_process_reads_labels_and_validates(written: Path) -> None:
    def work() -> Any:
        image = open_image(written)
        cells = image.labels["cells"].images[0].data.compute()
        write_labels(CELLS + 1, written, "more", colors="auto")
        return image.images[0].data.compute(), cells, validate(written, data=True).valid

    image, cells, valid = in_child(work)
    np.testing.assert_array_equal(image, VOLUME)
    np.testing.assert_array_equal(cells, CELLS)
    assert valid
    np.testing.assert_array_equal(open_image(written).labels["more"].images[0].data.compute(), CELLS + 1)


@pytest.mark.parametrize("words", [{}, {"chunks": 8, "shards": 32}, {"fmt": "0.4"}], ids=["0.5", "shards", "0.4"])
def test_what_was_opened_before_a_fork_is_read_after_it(tmp_path: Path, words: dict[str, Any]) -> None:
    write(tmp_path / "a.zarr", **words)
    write_labels(CELLS, tmp_path / "a.zarr", "cells")
    image, level = open_image(tmp_path / "a.zarr"), open_input(tmp_path / "a.zarr")
    labels = image.labels["cells"].images[0].data
    image.images[0].data.compute()

    def work() -> Any:
        return image.images[0].data.compute(), np.asarray(level.data[2:30, 5:50, 1:69]), labels.compute()

    for found in (in_child(work), work()):
        np.testing.assert_array_equal(found[0], VOLUME)
        np.testing.assert_array_equal(found[1], VOLUME[2:30, 5:50, 1:69])
        np.testing.assert_array_equal(found[2], CELLS)


def test_tasks_that_were_made_before_a_fork_run_after_it(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr")
    tasks = write_image(da.from_array(VOLUME, chunks=20) + 0, tmp_path / "b.zarr", **WORDS, compute=False)
    in_child(lambda: dask.compute(*tasks) and None)
    np.testing.assert_array_equal(pixels(tmp_path / "b.zarr")[0], VOLUME)


def test_parent_and_child_read_a_package_at_once(tmp_path: Path) -> None:
    to_ngff_zarr(tmp_path / "a.ozx", to_multiscales(to_ngff_image(VOLUME, "zyx"), [2], chunks=8))
    level, stop, found = open_input(tmp_path / "a.ozx").data, threading.Event(), []

    def keep_reading() -> None:
        while not stop.is_set():
            found.append(bool((level[:] == VOLUME).all()))

    reader = threading.Thread(target=keep_reading)
    reader.start()
    try:  # one file handle would have one position for both
        assert in_child(lambda: [bool((level[:] == VOLUME).all()) for _ in range(10)]) == [True] * 10
    finally:
        stop.set()
        reader.join()
    assert found
    assert all(found)


def test_a_package_is_read_after_a_fork_while_its_lock_was_held(tmp_path: Path) -> None:
    to_ngff_zarr(tmp_path / "a.ozx", to_multiscales(to_ngff_image(VOLUME, "zyx"), [2], chunks=16))
    level = open_input(tmp_path / "a.ozx").data
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with level.array.store_path.store._lock:
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        np.testing.assert_array_equal(in_child(lambda: level[:], seconds=20), VOLUME)
    finally:
        done.set()
        holder.join()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def http(tmp_path: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.filterwarnings("ignore")  # aiohttp tells of the parent's connections, which the child has copies of
def test_an_image_behind_a_url_is_read_after_a_fork(written: Path, http: str) -> None:
    image = open_image(f"{http}/{written.name}")
    np.testing.assert_array_equal(image.images[1].data.compute(), pixels(written)[1])

    def work() -> Any:
        return image.images[0].data.compute(), image.labels["cells"].images[0].data.compute()

    found = in_child(work)
    np.testing.assert_array_equal(found[0], VOLUME)
    np.testing.assert_array_equal(found[1], CELLS)
    np.testing.assert_array_equal(image.images[0].data.compute(), VOLUME)


def test_children_of_children_write_and_read(written: Path) -> None:
    image = open_image(written)

    def generation(number: int) -> Any:
        write(written.with_name(f"{number}.zarr"))
        below = in_child(lambda: generation(number - 1)) if number else []
        return [bool((image.images[0].data.compute() == VOLUME).all()), *below]

    assert generation(2) == [True] * 3
    for number in range(3):
        np.testing.assert_array_equal(pixels(written.with_name(f"{number}.zarr"))[0], VOLUME)


def test_a_process_that_is_forked_while_threads_write_works(written: Path) -> None:
    stop, failed = threading.Event(), []

    def keep_writing(number: int) -> None:
        try:
            while not stop.is_set():
                write(written.with_name(f"thread-{number}.zarr"), overwrite=True)
                open_input(written).data[:]
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=keep_writing, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(8):
            in_child(partial(write, written.with_name(f"{number}.zarr")))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failed
    for number in range(8):
        np.testing.assert_array_equal(pixels(written.with_name(f"{number}.zarr"))[0], VOLUME)


def test_a_child_that_drops_a_cached_pyramid_leaves_it_to_the_parent(tmp_path: Path) -> None:
    with ome_ngff.config.set(cache_store=tmp_path):
        kept = [to_multiscales(to_ngff_image(da.from_array(VOLUME) + 1, "zyx"), [2], chunks=16, cache=True)]

    def drop() -> int:
        kept.clear()
        return gc.collect()

    in_child(drop)
    np.testing.assert_array_equal(kept[0].images[0].data.compute(), VOLUME + 1)
    kept.clear()
    gc.collect()
    assert not list(tmp_path.iterdir())


@pytest.fixture
def busy() -> Iterator[Callable[[AbstractContextManager[Any]], None]]:
    """Return a function that lets another thread be inside a block until the test has ended."""
    ended, threads = threading.Event(), []

    def keep(block: AbstractContextManager[Any], inside: threading.Event) -> None:
        with block:
            inside.set()
            ended.wait(60)

    def begin(block: AbstractContextManager[Any]) -> None:
        inside = threading.Event()
        threads.append(threading.Thread(target=keep, args=(block, inside)))
        threads[-1].start()
        assert inside.wait(60)

    yield begin
    ended.set()
    for thread in threads:
        thread.join()


def test_locks_that_another_thread_holds_are_free_in_the_child(
    tmp_path: Path, busy: Callable[[AbstractContextManager[Any]], None]
) -> None:
    imageio.imwrite(tmp_path / "a.png", CELLS[0])
    picture = open_input(tmp_path / "a.png").data
    busy(allocator._LOCK)
    busy(pictures._any_size())
    busy(picture._locks.setdefault(os.getpid(), threading.RLock()))
    np.testing.assert_array_equal(in_child(lambda: picture[:]), CELLS[0])
    in_child(partial(write_image, np.zeros((2100, 4096), "uint16"), tmp_path / "a.zarr", axes="yx"))


def test_a_child_never_inherits_settings_of_zarr_that_are_ours(tmp_path: Path) -> None:
    usual, stop = zarr.config.get("codec_pipeline.path"), threading.Event()

    def keep_opening() -> None:
        while not stop.is_set():
            with fast_pipeline(LocalStore(tmp_path), shards=True):
                pass

    thread = threading.Thread(target=keep_opening)
    thread.start()
    try:
        for _ in range(20):
            words = in_child(lambda: (zarr.config.get("codec_pipeline.path"), zarr.config.get("threading.max_workers")))
            assert words == (usual, None)
    finally:
        stop.set()
        thread.join()


def test_no_fork_comes_while_zarr_is_told_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork waits for the lock of the settings, which is held while Zarr starts its threads with others."""
    seen = []

    def could_fork() -> None:
        if free := opening._CONFIG.acquire(blocking=False):
            opening._CONFIG.release()
        seen.append((free, zarr.config.get("threading.max_workers")))

    def create(store: Any) -> None:
        thread = threading.Thread(target=could_fork)
        thread.start()
        thread.join()

    opening._start_threads.cache_clear()
    monkeypatch.setattr(zarr, "create_group", create)
    opening._start_threads()
    assert seen == [(False, min(32, (os.cpu_count() or 1) + 4))]


def test_the_zarr_of_a_child_has_as_many_threads_as_ever(written: Path) -> None:
    def work() -> int:
        with fast_pipeline(LocalStore(written), shards=True):
            zarr.open_array(written / "0")[:]
        return zarr.core.sync._get_executor()._max_workers

    here = work()
    assert in_child(work) == here > 1


def test_a_child_leaves_the_loops_of_its_parent_alone(tmp_path: Path) -> None:
    async def watch() -> int:
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(lambda: None)
        return id(loop)

    ours = run_inline(watch())
    assert in_child(lambda: run_inline(watch())) != ours
    assert run_inline(watch()) == ours
