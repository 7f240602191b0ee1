"""Coroutines of local stores run on the thread that calls, whatever loop runs there; freed memory is kept meanwhile."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.storage import LocalStore, MemoryStore

from ome_ngff import config, open_image, write_image
from ome_ngff.engine import allocator as memory
from ome_ngff.store import inline as here
from ome_ngff.store.inline import run_inline as run_here
from ome_ngff.store.inline import wait_for


async def where() -> tuple[int, int]:
    """Return the thread that a coroutine runs on, and the one that what it waits for is done by."""
    return threading.get_ident(), await asyncio.to_thread(threading.get_ident)


def test_a_coroutine_and_what_it_awaits_run_on_the_calling_thread() -> None:
    me = threading.get_ident()
    assert run_here(where()) == (me, me)
    assert wait_for(LocalStore("."), where()) == (me, me)


def test_other_stores_are_waited_for_in_the_loop_of_zarr() -> None:
    assert threading.get_ident() not in wait_for(MemoryStore(), where())


def test_inside_a_running_loop_the_loop_of_zarr_runs_the_coroutine() -> None:
    """A cell of a notebook runs inside such a loop."""

    async def cell() -> tuple[int, int]:
        return run_here(where())

    assert threading.get_ident() not in asyncio.run(cell())


def test_a_write_works_inside_a_running_loop(tmp_path: Path) -> None:
    image = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)

    async def cell() -> None:
        write_image(image, tmp_path / "i.zarr", scale_factors=[2])

    asyncio.run(cell())
    np.testing.assert_array_equal(open_image(tmp_path / "i.zarr").images[0].data, image)


def test_documents_of_a_small_image_take_no_turn_of_a_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn takes as long as a small file."""
    run, turns = asyncio.BaseEventLoop.run_until_complete, list[Any]()

    def counted(loop: Any, coroutine: Any) -> Any:
        turns.append(coroutine)
        return run(loop, coroutine)

    image = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    write_image(image, tmp_path / "first.zarr")  # of which Zarr creates the array in memory
    monkeypatch.setattr(asyncio.BaseEventLoop, "run_until_complete", counted)
    write_image(image, tmp_path / "i.zarr")
    assert not turns


def test_errors_come_through_and_the_next_coroutine_runs() -> None:
    async def fails() -> None:
        await asyncio.to_thread(int, "no number")

    with pytest.raises(ValueError, match="no number"):
        run_here(fails())
    assert run_here(where())


def test_after_an_interrupt_the_loop_is_another_one() -> None:
    async def interrupted() -> None:
        raise KeyboardInterrupt

    run_here(where())
    before = here._HELD.own
    with pytest.raises(KeyboardInterrupt):
        run_here(interrupted())
    assert run_here(where())
    assert here._HELD.own is not before


def test_what_a_failed_coroutine_began_is_ended_without_a_word() -> None:
    """Zarr reads several documents at a time, some of them behind a semaphore, and the first may fail."""
    ended = []

    async def waits(turn: asyncio.Semaphore) -> None:
        try:
            async with turn:
                await asyncio.sleep(60)
        finally:
            ended.append(asyncio.current_task())

    async def fails() -> None:
        turn = asyncio.Semaphore(1)
        began = [asyncio.ensure_future(waits(turn)) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in began)
        raise ValueError("no number")

    with pytest.raises(ValueError, match="no number"):
        run_here(fails())
    assert len(ended) == 3
    gc.collect()  # an exception here is made an error by pytest


def test_the_loop_of_a_thread_is_closed_with_it() -> None:
    loops = []

    def work() -> None:
        run_here(where())
        loops.append(here._HELD.own.loop)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        gc.collect()
    assert loops[0].is_closed()
    assert not [each for each in said if each.category is ResourceWarning]


class Glibc:
    """Note what glibc is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, ...]] = []

    def mallopt(self, parameter: int, value: int) -> int:
        self.told.append((parameter, value))
        return 1

    def malloc_trim(self, pad: int) -> int:
        self.told.append((pad,))
        return 1


@pytest.fixture
def glibc(monkeypatch: pytest.MonkeyPatch) -> Glibc:
    found = Glibc()
    monkeypatch.setattr(memory, "_glibc", lambda: found)
    return found


def kept(size: int) -> list[tuple[int, ...]]:
    return [(-3, size), (-1, 2 * size), (-2, 2 * size)]


USUAL: list[tuple[int, ...]] = [(-3, 2**25), (-1, 2**26), (-2, 2**17)]


def test_a_large_write_keeps_freed_memory_and_returns_it_at_the_end(tmp_path: Path, glibc: Glibc) -> None:
    image = np.zeros((64, 1024, 1024), np.uint16)
    write_image(image, tmp_path / "large.zarr", axes="zyx", chunks=(64, 256, 256), method="local_mean")
    assert glibc.told == [*kept(8 * 2**20 * 9 // 8), *USUAL, (0,)]


def test_a_small_write_leaves_the_memory_of_the_process_alone(tmp_path: Path, glibc: Glibc) -> None:
    write_image(np.zeros((512, 512), np.uint16), tmp_path / "small.zarr", scale_factors=[2])
    assert glibc.told == []


def test_the_last_of_several_writes_gives_memory_back_even_after_an_error(glibc: Glibc) -> None:
    with memory.kept_memory(10), pytest.raises(RuntimeError), memory.kept_memory(20):
        raise RuntimeError
    assert glibc.told == [*kept(10), *kept(20), *kept(10), *USUAL, (0,)]


def test_without_glibc_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    with memory.kept_memory(10):
        memory.give_back()


@pytest.mark.parametrize("chunks", [32, (32, 256, 256), (64, 256, 256)])
def test_a_store_that_keeps_what_it_receives_gets_its_own_memory(any_format: Any, chunks: Any) -> None:
    image = np.random.default_rng(0).integers(0, 2**16, (64, 256, 256), np.uint16)
    store = MemoryStore()
    with config.set(workers=2):
        write_image(image, store, axes="zyx", chunks=chunks, scale_factors=[2], compression="none", fmt=any_format)
    kept = np.asarray(zarr.open_array(store, path="0", mode="r")[...])
    np.testing.assert_array_equal(kept, image)
    image[...] = 0
    np.testing.assert_array_equal(zarr.open_array(store, path="0", mode="r")[...], kept)
