"""Claims: one holder at a time, whoever is killed, stopped or late, and whatever the clocks say."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import claimers
import pytest
import zarr
from helpers import document
from interleavings import CarelessFolder, Folder, State, explore
from zarr.storage import FsspecStore, LocalStore, MemoryStore

from ome_ngff import StoreError
from ome_ngff.store import claims as claims_module
from ome_ngff.store import find_target, update_document
from ome_ngff.store import slots as slots_module
from ome_ngff.store.claims import Claim, Claims, alone, claims_of
from ome_ngff.store.slots import FolderSlots, MemorySlots, ObjectSlots, Slots

SPAWN = multiprocessing.get_context("spawn")
LOCK = ".ome_ngff.lock"


class Clock:
    """A clock that stands still, but goes on while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def claims(slots: Slots, clock: Clock | None = None) -> Claims:
    clock = clock or Clock()
    return Claims(slots, clock, clock.sleep)


def folder_slots(folder: Path) -> Slots:
    return FolderSlots(folder)


def memory_slots(_: Path) -> Slots:
    return MemorySlots(uuid4().hex)


def object_slots(_: Path) -> Slots:
    pytest.importorskip("obstore")
    from obstore.store import MemoryStore as Objects

    return ObjectSlots(Objects(), "a/b")


@pytest.fixture(params=[folder_slots, memory_slots, object_slots])
def slots(request: pytest.FixtureRequest, tmp_path: Path) -> Slots:
    """Each kind of slots."""
    return request.param(tmp_path)


def taken_over(slots: Slots, name: str = "unit", patience: float = 60.0) -> Claim:
    """Take a claim from a holder who stays silent."""
    clock = Clock()
    mine = claims(slots, clock)
    while (claim := mine.take(name, patience)) is None:
        clock.sleep(patience / 4)
    return claim


# What holds for all kinds of slots.


def test_what_somebody_holds_cannot_be_taken_until_it_is_released(slots: Slots) -> None:
    first, second = claims(slots), claims(slots)
    held = first.take("unit", 60.0)
    assert held is not None
    assert second.take("unit", 60.0) is None
    assert first.take("unit", 60.0) is None
    assert second.take("another", 60.0) is not None
    assert held.renew()
    assert held.release()
    assert second.take("unit", 60.0) is not None


def test_a_holder_who_renews_is_left_in_peace(slots: Slots) -> None:
    clock = Clock()
    held, waiter = claims(slots).take("unit", 4.0), claims(slots, clock)
    assert held is not None
    for _ in range(20):
        assert waiter.take("unit", 4.0) is None
        clock.sleep(1.0)
        assert held.renew()
    assert held.release()


def test_a_silent_holder_is_robbed_after_the_patience_and_not_before(slots: Slots) -> None:
    clock = Clock()
    assert claims(slots).take("unit", 4.0) is not None
    waiter = claims(slots, clock)
    for second in range(4):
        assert waiter.take("unit", 4.0) is None, second
        clock.sleep(1.0)
    assert waiter.take("unit", 4.0) is not None


def test_the_time_that_a_look_takes_is_no_silence() -> None:
    clock = Clock()

    class Slow(MemorySlots):
        def look(self, name: str) -> list[str]:
            clock.sleep(3.0)
            return super().look(name)

    slots = Slow(uuid4().hex)
    assert claims(slots).take("unit", 4.0) is not None
    waiter = claims(slots, clock)
    for second in range(4):
        assert waiter.take("unit", 4.0) is None, second
        clock.sleep(1.0)
    assert waiter.take("unit", 4.0) is not None


def test_a_waiter_who_was_stopped_gives_the_holder_another_moment(slots: Slots) -> None:
    clock = Clock()
    held, waiter = claims(slots).take("unit", 4.0), claims(slots, clock)
    assert held is not None
    assert waiter.take("unit", 4.0) is None
    clock.sleep(3600.0)
    assert waiter.take("unit", 4.0) is None
    assert held.renew()
    clock.sleep(3600.0)
    assert waiter.take("unit", 4.0) is None


def test_a_waiter_who_sees_all_slots_forgives_its_own_stops(slots: Slots) -> None:
    clock = Clock()
    held, waiter = claims(slots).take("unit", 4.0), claims(slots, clock)
    assert held is not None
    for pause in (0.0, 3.0, 1.5):  # of the second, 2 seconds count
        clock.sleep(pause)
        assert waiter.take("unit", 4.0, waiter.sight()) is None
    clock.sleep(2.0)
    assert waiter.take("unit", 4.0, waiter.sight()) is not None


def test_a_holder_who_comes_back_sees_the_loss_and_removes_nothing(slots: Slots) -> None:
    lost = claims(slots).take("unit", 60.0)
    assert lost is not None
    held = taken_over(slots)
    assert not lost.release()
    assert lost.lost
    assert not lost.renew()
    assert held.renew()
    assert not held.lost
    assert claims(slots).take("unit", 60.0) is None


def test_who_has_just_renewed_is_sure_without_doing_it_again(slots: Slots) -> None:
    claim = Claims(slots).take("lock", 100.0)
    assert claim is not None
    entry = claim.entry
    assert claim.sure()
    assert claim.entry == entry
    claim.due -= 1.0  # as if that had been a second ago
    assert claim.sure()
    assert claim.entry != entry
    assert slots.look("lock") == [claim.entry]


def test_who_lost_a_claim_a_while_ago_is_not_sure_of_it(slots: Slots) -> None:
    claim = Claims(slots).take("lock", 100.0)
    assert claim is not None
    slots.remove("lock", claim.entry)
    claim.due -= 1.0
    assert not claim.sure()


def test_a_loss_is_told_by_the_renewal(slots: Slots) -> None:
    lost = claims(slots).take("unit", 60.0)
    assert lost is not None
    held = taken_over(slots)
    assert not lost.renew()
    assert lost.lost
    assert not lost.release()
    assert lost.lost
    assert held.release()


def test_what_is_released_twice_stays_the_next_ones(slots: Slots) -> None:
    first = claims(slots).take("unit", 60.0)
    assert first is not None
    assert first.release()
    second = claims(slots).take("unit", 60.0)
    assert second is not None
    assert not first.release()
    assert second.renew()


def test_an_interrupted_renewal_leaves_nothing_behind(slots: Slots) -> None:
    claim = claims(slots).take("unit", 60.0)
    assert claim is not None
    assert slots.swap("unit", claim.entry, f"{claim.entry.rpartition('.')[0]}.1")  # and then Ctrl-C
    assert claim.renew()
    assert slots.swap("unit", claim.entry, f"{claim.entry.rpartition('.')[0]}.2")
    assert claim.release()
    assert slots.look("unit") == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_block_that_fails_leaves_nothing_behind(slots: Slots, error: type[BaseException]) -> None:
    with pytest.raises(error), claims(slots).alone("unit"):
        raise error
    assert slots.look("unit") == []


@pytest.mark.parametrize("wait", [False, True])
def test_an_interrupted_take_leaves_nothing_behind(wait: bool) -> None:
    class Interrupted(MemorySlots):
        def create(self, name: str, entry: str) -> bool:
            super().create(name, entry)
            raise KeyboardInterrupt

    mine = claims(Interrupted(uuid4().hex))
    with pytest.raises(KeyboardInterrupt), mine.alone("unit") if wait else nullcontext(mine.take("unit", 60.0)):
        raise AssertionError
    assert mine.slots.look("unit") == []


def test_a_take_whose_answer_was_lost_has_happened() -> None:
    class Lossy(MemorySlots):
        def create(self, name: str, entry: str) -> bool:
            super().create(name, entry)
            return False

    mine = claims(Lossy(uuid4().hex))
    held = mine.take("unit", 60.0)
    assert held is not None
    assert held.renew()
    assert mine.take("unit", 60.0) is None


def test_who_gives_up_waiting_leaves_the_holder_in_peace(slots: Slots) -> None:
    def give_up(seconds: float) -> None:
        raise KeyboardInterrupt

    with claims(slots).alone("unit") as held:
        with pytest.raises(KeyboardInterrupt), Claims(slots, sleep=give_up).alone("unit"):
            raise AssertionError
        assert held.renew()
    assert slots.look("unit") == []


def test_threads_are_in_the_block_one_at_a_time(slots: Slots) -> None:
    inside, most, entered = [0], [0], [0]

    def enter(_: int) -> None:
        with Claims(slots).alone("unit"):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            entered[0] += 1
            time.sleep(0.0002)
            inside[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(100)))
    assert (most[0], entered[0]) == (1, 100)
    assert slots.look("unit") == []


def test_one_of_many_waiters_gets_what_a_dead_one_held(slots: Slots) -> None:
    clock = Clock()
    waiters = [claims(slots, clock) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        for number in range(30):
            name = f"unit{number}"
            slots.create(name, f"gone-1-{'0' * 16}.0")
            for _ in range(4):
                assert [waiter.take(name, 4.0) for waiter in waiters] == [None] * 6
                clock.sleep(1.0)
            ready = threading.Barrier(6)

            def take(waiter: Claims, name: str = name, ready: threading.Barrier = ready) -> Claim | None:
                ready.wait()
                return waiter.take(name, 4.0)

            won = [claim for claim in pool.map(take, waiters) if claim is not None]
            assert len(won) <= 1  # none where two met and both stood back
            again = [claim for waiter in waiters if (claim := waiter.take(name, 4.0)) is not None]
            assert len(won + again) == 1
            assert (won + again)[0].renew()


# Every order of steps.


class Quiet:
    """Renew nothing by itself."""

    def add(self, claim: Claim) -> None: ...
    def discard(self, claim: Claim) -> None: ...


class Scene:
    """A folder in memory, in which actors claim one unit; all that they do is done again and again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type[Folder] = Folder) -> None:
        self.claims: list[Claim] = []  # of the actor who is at work
        self.folder = kind(lambda: frozenset(f"unit.{claim.entry}" for claim in self.claims if claim.held))
        monkeypatch.setattr(slots_module, "os", self.folder)
        monkeypatch.setattr(claims_module, "os", self)
        monkeypatch.setattr(claims_module, "_BEAT", Quiet())

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def urandom(self, size: int) -> bytes:
        """Give each actor one name, whenever it is run."""
        return (0 if self.folder.actor is None else self.folder.actor + 1).to_bytes(size, "big")

    def use(self, patience: float, renewals: int) -> None:
        """Take, renew and release."""
        self.claims.clear()
        claim = claims(FolderSlots(Path())).take("unit", patience)
        if claim is not None:
            self.claims.append(claim)
            for _ in range(renewals):
                claim.renew()
            claim.release()

    def rob(self, silent: str) -> None:
        """Take what was seen to be silent for long enough."""
        self.claims.clear()
        mine = claims(FolderSlots(Path()))
        mine._seen["unit"] = {silent: (4.0, 0.0)}
        claim = mine.take("unit", 4.0)
        if claim is not None:
            self.claims.append(claim)

    def come_back(self, entry: str) -> None:
        """Renew a claim that was held all the time."""
        holder, _, count = entry.rpartition(".")
        claim = Claim(FolderSlots(Path()), "unit", 4.0, held=True, holder=holder, count=int(count))
        self.claims[:] = [claim]
        claim.renew()

    def check(self, state: State) -> None:
        """Nobody believes in a claim of which there is another; and at the end all can be tidied up."""
        names = {name for name, _ in state.files}
        assert sum(bool(actor.beliefs & names) for actor in state.actors) <= 1, state
        if all(actor.ended for actor in state.actors):
            self.folder.files = dict(state.files)
            claim = taken_over(FolderSlots(Path()))
            assert claim.renew()
            assert claim.release()
            assert self.folder.files == {}


@pytest.mark.parametrize(
    ("actors", "patience", "kills"),
    [
        pytest.param(3, 60.0, 0, id="three"),
        pytest.param(2, 60.0, 2, id="two-killed"),
        pytest.param(2, 0.0, 0, id="two-robbers"),
        pytest.param(2, 0.0, 1, id="two-robbers-one-killed"),
    ],
)
def test_in_every_order_of_steps_there_is_one_holder(
    monkeypatch: pytest.MonkeyPatch, actors: int, patience: float, kills: int
) -> None:
    """Who has no patience robs whomever it sees, as it looks to those who are stopped for long between two steps."""
    scene = Scene(monkeypatch)
    acts = [lambda: scene.use(patience, 1)] * actors
    for state in explore(scene.folder, acts, kills=kills):
        scene.check(state)


def test_a_folder_listed_in_pieces_does_not_hide_a_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, CarelessFolder)
    for state in islice(explore(scene.folder, [lambda: scene.use(0.0, 2)] * 2), 5000):
        scene.check(state)


def test_in_every_order_one_takes_over_or_the_holder_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    held = claims(FolderSlots(Path())).take("unit", 4.0)
    assert held is not None
    entry = held.entry
    acts = [lambda: scene.rob(entry)] * 2 + [lambda: scene.come_back(entry)]
    outcomes = set()
    for state in explore(scene.folder, acts):
        scene.check(state)
        if all(actor.ended for actor in state.actors):
            outcomes.add(tuple(bool(actor.beliefs) for actor in state.actors))
    nobody = (False, False, False)  # where two robbers met, and both stood back
    assert outcomes <= {(True, False, False), (False, True, False), (False, False, True), nobody}
    assert len(outcomes - {nobody}) == 3


def test_in_every_order_one_takes_what_was_left_half_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.folder.files = {"unit": 7}
    (gate,) = FolderSlots(Path()).look("unit")
    outcomes = set()
    for state in explore(scene.folder, [lambda: scene.rob(gate)] * 2):
        scene.check(state)
        if all(actor.ended for actor in state.actors):
            outcomes.add(sum(bool(actor.beliefs) for actor in state.actors))
    assert outcomes <= {0, 1}
    assert 1 in outcomes


# What holds for files.


@contextmanager
def in_processes(number: int, work: Callable[..., None], *args: Any) -> Iterator[list[Any]]:
    """Run some work in processes of its own, which end with the block."""
    processes = [SPAWN.Process(target=work, args=(*args, me)[: work.__code__.co_argcount]) for me in range(number)]
    for process in processes:
        process.start()
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.join()


def wait_until(true: Callable[[], object]) -> None:
    for _ in range(6000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError


def test_processes_count_together_and_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "number").write_text("0")
    with in_processes(8, claimers.add_one_each, tmp_path, 40) as processes:
        for process in processes:
            process.join()
            assert process.exitcode == 0
    assert (tmp_path / "number").read_text() == "320"
    assert [file.name for file in tmp_path.iterdir()] == ["number"]


def test_processes_take_over_from_a_dead_one_in_turn(tmp_path: Path) -> None:
    for name in ("0", "1"):
        assert FolderSlots(tmp_path).create(name, f"gone-1-{'0' * 16}.0")
        (tmp_path / f"{name}-list").write_text("")
    with in_processes(4, claimers.queue_up, tmp_path, 2) as processes:
        for process in processes:
            process.join()
            assert process.exitcode == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0-list", "1-list"]
    for file in tmp_path.iterdir():
        assert sorted(file.read_text()) == ["0", "1", "2", "3"]


def test_a_holder_renews_by_itself_until_it_is_killed(tmp_path: Path) -> None:
    with in_processes(1, claimers.hold_until_told, tmp_path, 1.0) as processes:
        wait_until((tmp_path / "held").exists)
        first = FolderSlots(tmp_path).look("lock")
        assert first[0].split("-")[1] == str(processes[0].pid)
        wait_until(lambda: FolderSlots(tmp_path).look("lock") not in (first, []))
        processes[0].kill()
        processes[0].join()
        with Claims(FolderSlots(tmp_path)).alone("lock", 1.0) as claim:
            assert claim.renew()
    assert [file.name for file in tmp_path.iterdir()] == ["held"]


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="nothing can be stopped on Windows")
def test_a_stopped_holder_is_taken_over_and_goes_on_harmlessly(tmp_path: Path) -> None:
    with in_processes(1, claimers.hold_until_told, tmp_path, 2.0) as (process,):
        wait_until((tmp_path / "held").exists)
        os.kill(process.pid, signal.SIGSTOP)
        with Claims(FolderSlots(tmp_path)).alone("lock", 2.0) as claim:
            os.kill(process.pid, signal.SIGCONT)
            (tmp_path / "leave").touch()  # it leaves the block, and releases what is no longer its own
            process.join()
            assert process.exitcode == 0
            assert claim.renew()
            assert FolderSlots(tmp_path).look("lock") == [claim.entry]


@pytest.mark.parametrize("renewed", [False, True])
def test_a_claim_that_nobody_can_release_any_more_is_taken_over(tmp_path: Path, renewed: bool) -> None:
    mine = Claims(FolderSlots(tmp_path))
    claim = mine.take("unit", 0.4)
    assert claim is not None
    first = [claim.entry]
    if renewed:
        wait_until(lambda: FolderSlots(tmp_path).look("unit") not in (first, []))
    del claim
    wait_until(lambda: mine.take("unit", 0.4) is not None)


@pytest.fixture
def beat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What renews claims, before it has done so for anybody."""
    fresh = claims_module._Beat()
    monkeypatch.setattr(claims_module, "_BEAT", fresh)
    yield fresh
    with fresh.changed:
        fresh.changed.notify()
    wait_until(lambda: not fresh.running)


def renewed(claim: Claim) -> bool:
    return claim.slots.look(claim.name) == [claim.entry] and claim._count > 0


def test_a_claim_is_renewed_in_time_beside_one_that_can_wait(beat: Any) -> None:
    mine = Claims(MemorySlots(uuid4().hex))
    with mine.alone("slow", 600.0):
        time.sleep(0.05)  # by then the renewer is asleep
        with mine.alone("fast", 0.2) as fast:
            wait_until(lambda: renewed(fast))


def test_a_claim_is_due_four_times_within_its_patience() -> None:
    with Claims(MemorySlots(uuid4().hex)).alone("unit", 40.0) as claim:
        assert 5.0 < claim.due - time.monotonic() <= 10.0
        claim.due = 0.0
        assert claim.renew()
        assert 5.0 < claim.due - time.monotonic() <= 10.0


def test_a_renewal_that_fails_once_is_made_up_for(beat: Any) -> None:
    failures = [OSError("the network is away")]

    class Failing(MemorySlots):
        def swap(self, name: str, old: str, new: str) -> bool:
            if failures:
                raise failures.pop()
            return super().swap(name, old, new)

    with Claims(Failing(uuid4().hex)).alone("unit", 0.2) as claim:
        wait_until(lambda: renewed(claim))
    assert not claim.lost


def test_claims_are_renewed_again_after_a_time_without_any(beat: Any) -> None:
    mine = Claims(MemorySlots(uuid4().hex))
    with mine.alone("unit", 0.1):
        pass
    wait_until(lambda: not beat.running)
    with mine.alone("unit", 0.1) as claim:
        wait_until(lambda: renewed(claim))


def test_who_steps_back_or_comes_too_late_leaves_the_gate_closed(tmp_path: Path) -> None:
    slots = FolderSlots(tmp_path)
    first, second, third = (f"host-{number}-{'0' * 16}.0" for number in range(3))
    assert slots.create("lock", first)
    (tmp_path / "lock").unlink()  # by a process that was stopped just before
    for step, entry in ((slots.create, second), (slots.remove, second), (slots.create, third)):
        assert not step("lock", entry)
        assert sorted(file.name for file in tmp_path.iterdir()) == ["lock", f"lock.{first}"]
    assert slots.remove("lock", first)
    assert list(tmp_path.iterdir()) == []


def test_an_entry_that_cannot_be_made_leaves_no_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, slots = slots_module._create, FolderSlots(tmp_path)

    def full(path: str) -> None:
        if path != str(tmp_path / LOCK):
            raise OSError(errno.ENOSPC, "full")
        real(path)

    monkeypatch.setattr(slots_module, "_create", full)
    with pytest.raises(OSError, match="full"):
        slots.create(LOCK, "host-1-0123456789abcdef.0")
    assert not list(tmp_path.iterdir())


def test_an_entry_that_was_made_without_an_answer_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, entry = slots_module._create, "host-1-0123456789abcdef.0"

    def twice(path: str) -> None:  # as NFS sends a request again
        real(path)
        if path.endswith(entry):
            real(path)

    monkeypatch.setattr(slots_module, "_create", twice)
    slots = FolderSlots(tmp_path)
    assert slots.create(LOCK, entry)
    assert slots.look(LOCK) == [entry]


@pytest.mark.parametrize("ahead", [-1000.0, 1e6])
@pytest.mark.parametrize("content", ["", "0" * 32])
def test_the_lock_of_an_earlier_version_is_taken_over_whatever_its_date(
    tmp_path: Path, content: str, ahead: float
) -> None:
    (tmp_path / LOCK).write_text(content)
    os.utime(tmp_path / LOCK, (time.time() + ahead,) * 2)
    clock = Clock()
    with claims(FolderSlots(tmp_path), clock).alone(LOCK) as claim:
        assert 5.0 <= clock.now < 5.1
        assert claim.renew()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_dated_in_the_future_is_taken_over(tmp_path: Path) -> None:
    assert FolderSlots(tmp_path).create(LOCK, f"gone-1-{'0' * 16}.0")
    for file in tmp_path.iterdir():
        os.utime(file, (time.time() + 1e6,) * 2)
    clock = Clock()
    with claims(FolderSlots(tmp_path), clock).alone(LOCK):
        assert 5.0 <= clock.now < 5.1
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_version_waits_for_our_lock(tmp_path: Path) -> None:
    with claims(FolderSlots(tmp_path)).alone(LOCK), pytest.raises(FileExistsError):
        (tmp_path / LOCK).open("x")


def a_folder(lock: Path) -> None:
    lock.mkdir()


def a_link(lock: Path) -> None:
    (lock.parent / "elsewhere").touch()
    lock.symlink_to(lock.parent / "elsewhere")


def a_link_to_nothing(lock: Path) -> None:
    lock.symlink_to(lock.parent / "nothing")


@pytest.mark.parametrize("plant", [a_folder, a_link, a_link_to_nothing])
def test_what_is_no_lock_is_refused_and_never_followed(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    plant(tmp_path / LOCK)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StoreError, match="delete it"), claims(FolderSlots(tmp_path)).alone(LOCK):
        raise AssertionError
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_may_not_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any, *rest: Any, **words: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError), claims(FolderSlots(tmp_path)).alone(LOCK):
        raise AssertionError


def test_a_folder_that_is_gone_is_an_error_and_its_claim_lost(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with pytest.raises(FileNotFoundError), claims(FolderSlots(folder)).alone(LOCK):
        raise AssertionError
    folder.mkdir()
    claim = claims(FolderSlots(folder)).take("unit", 60.0)
    assert claim is not None
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    with pytest.raises(FileNotFoundError):
        claim.renew()
    assert not claim.release()


FORK = """
import os, sys
from pathlib import Path
from ome_ngff.store.claims import Claims
from ome_ngff.store.slots import FolderSlots, MemorySlots

slots, memory = FolderSlots(Path(sys.argv[1])), MemorySlots("m")
other = Claims(memory).take("unit", 60.0)
with Claims(slots).alone("unit", 5.0) as claim:
    child = os.fork()
    if child == 0:
        claim.due += 60.0  # however lately it was renewed
        assert not claim.sure()
        assert not claim.renew()
        assert Claims(slots).take("unit", 5.0) is None
        assert Claims(slots).take("another", 5.0).release()
        assert Claims(memory).take("unit", 60.0).release()
        assert not other.release()
        sys.exit(7)  # leaves the block
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert claim.renew()
    assert slots.look("unit") == [claim.entry]
assert os.listdir(sys.argv[1]) == []
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks on Windows")
def test_a_fork_holds_nothing_and_releases_nothing(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK, tmp_path], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


# Stores.


def test_stores_of_one_memory_share_their_claims() -> None:
    store = MemoryStore()
    with alone(store, "a/lock"):
        again = claims_of(MemoryStore(store._store_dict), "a")
        assert again is not None
        assert again.take("lock", 60.0) is None
        with alone(MemoryStore(), "a/lock"), alone(store, "b/lock"):
            pass
    assert again.take("lock", 60.0) is not None
    assert dict(store._store_dict) == {}


def test_where_nothing_is_atomic_nobody_is_waited_for() -> None:
    store = FsspecStore.from_url("memory://claims")
    assert claims_of(store) is None
    with alone(store, "a/lock"), alone(store, "a/lock") as claim:
        assert claim.renew()


@pytest.mark.parametrize("remote", [True, False], ids=["asked-for", "not-asked-for"])
def test_an_object_store_is_locked_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch, remote: bool) -> None:
    slots = object_slots(Path())
    monkeypatch.setattr(claims_module, "claims_of", lambda store, path: claims(slots))
    with alone(MemoryStore(), "a/lock", remote=remote):
        assert bool(slots.look("lock")) == remote
    assert not slots.look("lock")


def test_a_store_to_be_read_only_has_no_claims(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="read only"):
        claims_of(LocalStore(tmp_path, read_only=True))


def test_a_holder_who_lost_the_lock_changes_the_attributes_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims_module, "_MOMENT", 0.0)  # the time in which nobody can take over, which this test does
    zarr.create_group(tmp_path / "i")
    target = find_target(tmp_path / "i")
    seen: list[dict[str, Any]] = []

    def change(there: dict[str, Any]) -> dict[str, Any]:
        seen.append(there)
        if len(seen) == 1:  # stopped for long: another took over, and has finished
            taken_over(FolderSlots(tmp_path / "i"), LOCK).release()
            update_document(target, lambda there: {"other": 1})
        return {"mine": 1}

    update_document(target, change)
    assert [("other" in there) for there in seen] == [False, True]
    assert {"mine", "other"} <= set(document(tmp_path / "i"))


@pytest.fixture(autouse=True)
def _few_threads() -> Iterator[None]:
    """Hold all claims of all tests with one thread."""
    yield
    for _ in range(500):  # one that has found nothing left may still be ending
        if sum(thread.name == "ome_ngff-claims" for thread in threading.enumerate()) <= 1:
            return
        time.sleep(0.01)
    pytest.fail("Several threads renew claims.")
