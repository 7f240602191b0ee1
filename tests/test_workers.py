"""The pieces of a task on threads: all are done in the end, none begins after a failure, and none is left running."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ome_ngff.engine.workers import TaskGroup, WorkerPool

BYTE, WORD = np.dtype("uint8"), np.dtype("uint16")


class Broken(Exception):
    """What a piece, or the task itself, ends with."""


@pytest.fixture(
    params=[(0, False, True), (1, True, True), (2, False, True), (3, True, True), (2, False, False), (3, True, False)],
    ids=["alone", "one joined", "two", "three joined", "two if slow", "three joined if slow"],
)
def pool(request: pytest.FixtureRequest) -> Iterator[WorkerPool]:
    """No threads, few and several, with and without the task among them."""
    count, joined, eager = request.param
    with WorkerPool(count, joined=joined, eager=eager) as made:
        yield made


def work_on(pool: WorkerPool, pieces: Iterable[Callable[[], None]]) -> None:
    with TaskGroup(pool) as group:
        for piece in pieces:
            group.add(piece)
        group.finish()


def test_all_pieces_are_done_when_a_group_has_finished(pool: WorkerPool) -> None:
    done: list[float] = []

    def piece(seconds: float) -> None:
        time.sleep(seconds)
        done.append(seconds)

    with TaskGroup(pool) as group:
        for number in (1, 6):  # what is added after the first end is done, too
            for seconds in [0.2, *[0.001] * (number - 1)]:
                group.add(lambda seconds=seconds: piece(seconds))
            group.finish()
            assert len(done) == number
            done.clear()


@pytest.mark.parametrize(("seconds", "threads"), [(0, 1), (0.05, 2)], ids=["short", "long"])
def test_threads_are_called_once_a_piece_has_taken_long(seconds: float, threads: int) -> None:
    workers = set()

    def piece() -> None:
        workers.add(threading.get_ident())
        time.sleep(seconds)

    with WorkerPool(1, joined=True, eager=False) as pool:
        work_on(pool, [piece] * 4)
        assert len(workers) == threads
        assert pool.called is (threads == 2)


def test_a_piece_that_fails_ends_the_group_and_leaves_none_running(pool: WorkerPool) -> None:
    begun, ended, failing = [], [], threading.Event()

    def piece() -> None:
        begun.append(1)
        failing.wait(0.3)
        time.sleep(0.05)
        ended.append(1)

    def broken() -> None:
        time.sleep(0.02)  # by then all are added
        failing.set()
        raise Broken

    with pytest.raises(Broken):
        work_on(pool, [piece, broken, *[piece] * 40])
    assert begun == ended
    assert len(begun) <= 2 * max(pool.count, 1) + 1


def test_a_task_that_fails_begins_no_more_of_its_pieces(pool: WorkerPool) -> None:
    begun, ended, failing = [], [], threading.Event()

    def piece() -> None:
        begun.append(1)
        failing.wait(0.3)
        time.sleep(0.05)
        ended.append(1)

    def pieces() -> Iterator[Callable[[], None]]:
        yield from [piece] * 40
        failing.set()
        raise Broken

    with pytest.raises(Broken):
        work_on(pool, pieces())
    assert begun == ended
    assert len(begun) <= pool.count


def test_a_task_that_ends_does_not_wait_for_pieces_of_another() -> None:
    ended, seen = threading.Event(), []

    def fail_behind(other: TaskGroup) -> None:
        with TaskGroup(other.pool) as group:
            for _ in range(3):
                group.add(lambda: seen.append("begun"))
            raise Broken

    with WorkerPool(1) as pool, TaskGroup(pool) as other:
        for _ in range(2):  # the only thread has one of them until the second task has ended
            other.add(lambda: seen.append(ended.wait(10)))
        with pytest.raises(Broken):
            fail_behind(other)
        ended.set()
        other.finish()
    assert seen == [True, True]


def test_a_buffer_is_of_one_thread_and_one_name_and_grows() -> None:
    pool = WorkerPool()
    small, other = pool.scratch("a", (2, 3), BYTE), pool.scratch("b", (2, 3), BYTE)
    large = pool.scratch("a", (30, 40), WORD)
    again = pool.scratch("a", (4, 5), BYTE)
    assert (small.shape, large.shape, large.dtype, again.shape) == ((2, 3), (30, 40), WORD, (4, 5))
    assert np.shares_memory(large, again)
    assert not np.shares_memory(small, other)
    with ThreadPoolExecutor(1) as thread:
        assert not np.shares_memory(thread.submit(pool.scratch, "a", (4, 5), BYTE).result(), again)
