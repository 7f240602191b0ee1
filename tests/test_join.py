"""Processes that make the same call fill one image together; any of them may be killed, or sleep, at any time."""

from __future__ import annotations

import errno
import itertools
import math
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import dask.array as da
import fsspec
import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner
from helpers import every_file, pixels_by_tensorstore
from hypothesis import given, settings
from hypothesis import strategies as st
from joiners import SMALL, WORDS, volume
from zarr.storage import MemoryStore

import ome_ngff
from ome_ngff import ExistsError, StoreError, convert, open_image, validate, write_image, write_labels
from ome_ngff.cli import main
from ome_ngff.engine import job, sharing
from ome_ngff.engine.plan import Plan
from ome_ngff.exceptions import IncompleteError, OptionError, TakenOverError
from ome_ngff.read import describe_store
from ome_ngff.store import find_target, journal
from ome_ngff.store.slots import FolderSlots
from ome_ngff.write import arguments, execution
from ome_ngff.write.request import Request
from ome_ngff.write.uploading import upload

JOINER = Path(__file__).parent / "joiners.py"


@pytest.fixture(autouse=True)
def small(tmp_path: Path) -> Iterator[None]:
    """Cut the work into many units; let spools stand where nobody else's are."""
    with ome_ngff.config.set(**SMALL, cache_store=tmp_path):
        yield


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, str]:
    """The files of an image that one process has written by itself."""
    write_image(volume(), tmp_path / "alone", **WORDS)
    return every_file(tmp_path / "alone")


def in_threads(calls: list[Callable[[], Any]]) -> list[BaseException]:
    """Make calls at the same time; return what they raise."""
    raised: list[BaseException] = []

    def one(call: Callable[[], Any]) -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=one, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[int, ...]]:
    """How often each unit was run in this process."""
    found: Counter[tuple[int, ...]] = Counter()
    run = sharing.run_unit

    def counted(job: Any, *unit: int, **how: Any) -> int:
        found[unit] += 1
        return run(job, *unit, **how)

    monkeypatch.setattr(sharing, "run_unit", counted)
    return found


SOURCES = {
    "memory": volume,
    "rows": lambda: da.from_array(volume(), chunks=(48, 7, 90)) + np.uint16(0),
    "planes": lambda: da.from_array(volume(), chunks=(1, 70, 90)) + np.uint16(0),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "words",
    [
        pytest.param({}, id="filtered"),
        pytest.param({"method": "local_mean", "shards": 16}, id="shards"),
        pytest.param({"method": "nearest", "fmt": "0.4"}, id="version 0.4"),
    ],
)
def test_writes_that_join_do_each_unit_once_and_the_same(
    tmp_path: Path, ran: Counter[tuple[int, ...]], source: str, words: dict[str, Any]
) -> None:
    words = {**WORDS, **words}
    write_image(SOURCES[source](), tmp_path / "alone", **words)
    calls = [lambda: write_image(SOURCES[source](), tmp_path / "joint", join=True, **words)] * 3
    assert in_threads(calls) == []
    assert every_file(tmp_path / "joint") == every_file(tmp_path / "alone")
    assert set(ran.values()) == {1}
    assert len(ran) > 10


def test_writes_join_in_memory(ran: Counter[tuple[int, ...]]) -> None:
    store, other = MemoryStore(), MemoryStore()
    write_image(volume(), other, **WORDS)
    assert in_threads([lambda: write_image(volume(), store, join=True, **WORDS)] * 3) == []
    assert {key: value.to_bytes() for key, value in store._store_dict.items()} == {
        key: value.to_bytes() for key, value in other._store_dict.items()
    }
    assert set(ran.values()) == {1}


def test_labels_that_join_are_registered(tmp_path: Path) -> None:
    write_image(volume(), tmp_path / "i", **WORDS)
    labels = (volume() % 5).astype("uint8")
    calls = [lambda name=name: write_labels(labels, tmp_path / "i", name, join=True) for name in "aabb"]
    assert in_threads(calls) == []
    found = open_image(tmp_path / "i").labels
    assert sorted(found) == ["a", "b"]
    np.testing.assert_array_equal(found["a"].images[0].data.compute(), labels)


# What a unit waits for ----------------------------------------------------------------------------------------------


def plan_of(shape: tuple[int, ...], method: str, chunks: Any) -> Plan:
    with ome_ngff.config.set(memory_target="100kB", task_target="20kB"):
        request = arguments.image_request(
            np.zeros(shape, "u2"), MemoryStore(), axes="zyx", method=method, scale_factors=WORDS["scale_factors"],
            layout=arguments.Layout.parse(chunks, None, None, None),
        )  # fmt: skip
        return request.plan()


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 60)] * 3),
    chunks=st.tuples(*[st.integers(4, 16)] * 3),
    method=st.sampled_from(["local_mean", "gaussian", "resize", "nearest"]),
)
def test_a_unit_awaits_the_units_that_own_what_it_reads(
    shape: tuple[int, ...], chunks: tuple[int, ...], method: str
) -> None:
    plan = plan_of(shape, method, chunks)
    for number, work in enumerate(plan.passes):
        for unit in range(len(work)):
            need = plan.needs(work, unit)[work.base]
            expected = {
                (earlier, i)
                for earlier, before in enumerate(plan.passes[:number])
                for i in range(len(before))
                if work.reads == "stored" and work.base in before.writes
                if all(a < d and c < b for (a, b), (c, d) in zip(need, plan.own(before, i)[work.base], strict=True))
            }
            assert set(plan.awaits(number, unit)) == expected


def test_units_of_a_later_pass_begin_before_the_earlier_is_over(tmp_path: Path, ran: Counter[tuple[int, ...]]) -> None:
    """Somebody sleeps at a unit of the first pass: what does not need it is done meanwhile."""
    write_image(volume(), tmp_path / "alone", **WORDS)
    target = prepared(tmp_path / "joint")
    held = journal_claims(target).take("0-0", 60.0)
    assert held is not None

    def release(done: int, total: int) -> None:
        if any(number > 0 for number, _ in ran):
            held.release()

    write_image(volume(), tmp_path / "joint", join=True, progress=release, **WORDS)
    assert every_file(tmp_path / "joint") == every_file(tmp_path / "alone")


class Stopped(Exception):
    """What ends a write in the middle."""


def once_noted(place: Any, units: int, what: Callable[[], Any]) -> Callable[[int, int], None]:
    """Make a progress that does something once so many units are noted."""
    waiting = [what]

    def progress(done: int, total: int) -> None:
        target = find_target(place)
        if waiting and target.mark and len(journal.noted(target) - {journal.CLEARED}) >= units:
            waiting.pop()()

    return progress


def stop() -> None:
    raise Stopped


def prepared(place: Path, units: int = 0, image: Any = None) -> Any:
    """Begin a joint write, do some units, and stop."""
    with pytest.raises(Stopped):
        write_image(
            volume() if image is None else image, place, join=True, progress=once_noted(place, units, stop), **WORDS
        )
    return find_target(place)


def journal_claims(target: Any) -> Any:
    """Claim units in the name of another process."""
    from ome_ngff.store.holder import Holder

    return Holder.join(target, None).claims()


def left_of_the_first_pass(target: Any) -> list[str]:
    """Return the units of the first pass that are not done."""
    shape, unit = target.mark["levels"][0], target.mark["cut"][0][3]
    units = {f"0-{i}" for i in range(math.prod(-(-n // u) for n, u in zip(shape, unit, strict=True)))}
    return sorted(units - journal.noted(target))


# Others that are gone, or slow --------------------------------------------------------------------------------------


def test_what_another_has_claimed_is_left_to_it(tmp_path: Path, ran: Counter[tuple[int, ...]]) -> None:
    target = prepared(tmp_path / "i")
    claim = journal_claims(target).take("0-3", 60.0)

    def release(done: int, total: int) -> None:
        if len(ran) > 30:
            claim.release()

    write_image(volume(), tmp_path / "i", join=True, progress=release, **WORDS)
    assert ran[0, 3] == 1
    assert list(ran)[-1] != (0, 0)


def test_who_waits_asks_for_what_others_are_at_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = prepared(tmp_path / "i", 40)
    others, left = journal_claims(target), left_of_the_first_pass(target)
    held = [claim for name in left[:12] if (claim := others.take(name, 60.0))]
    assert len(held) == 12
    asked, each, real = Counter[str](), list[int](), sharing._Share._try_each

    def counted(what: Any, name: str) -> None:
        called = getattr(what, name)
        monkeypatch.setattr(what, name, lambda *words: (asked.update([name]), called(*words))[1])

    def tried(share: Any) -> Any:
        before = asked["look"] + asked["sight"]
        found = real(share)
        each.append(asked["look"] + asked["sight"] - before)
        if found[0] is None and len(each) > 1 and held:
            held.pop().release()
        return found

    for what, name in ((FolderSlots, "look"), (FolderSlots, "sight"), (journal, "noted")):
        counted(what, name)
    monkeypatch.setattr(sharing._Share, "_try_each", tried)
    write_image(volume(), tmp_path / "i", join=True, **WORDS)
    assert not held
    assert max(each) <= 3  # one that is held, all, one that was given back
    assert asked["noted"] <= 2


def test_a_silent_process_is_expelled_and_its_unit_done(
    tmp_path: Path, alone: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ome_ngff.store.holder import Holder

    target = prepared(tmp_path / "i")
    silent = Holder.join(target, None)
    claim = silent.claims().take("0-3", 1e6)
    from ome_ngff.store import claims as claiming

    claiming._BEAT.discard(claim)  # it has stopped: nobody renews what it holds
    with ome_ngff.config.set(claim_patience=0.3):
        write_image(volume(), tmp_path / "i", join=True, **WORDS)
    assert every_file(tmp_path / "i") == alone
    with pytest.raises(TakenOverError):
        silent.write(zarr.open_array(tmp_path / "i" / "0", mode="r+"), [(0, 8)] * 3, np.ones((8, 8, 8), "u2"))
    assert every_file(tmp_path / "i") == alone


def test_who_was_expelled_and_wakes_up_helps_again(
    tmp_path: Path, alone: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, expelled = sharing.run_unit, []

    def sleepy(job: Any, *unit: int, **how: Any) -> int:
        if not expelled:
            expelled.append(job.holder.helper)
            job.holder._expel(job.holder.helper)  # as somebody does who has seen it silent
        return run(job, *unit, **how)

    monkeypatch.setattr(sharing, "run_unit", sleepy)
    write_image(volume(), tmp_path / "i", join=True, **WORDS)
    assert expelled
    assert every_file(tmp_path / "i") == alone


def test_who_waits_stops_once_another_has_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = prepared(tmp_path / "i", 40)
    others = journal_claims(target)
    held = [others.take(name, 60.0) for name in left_of_the_first_pass(target)]
    tries, real = list[int](), sharing._Share._try_each

    def tried(share: Any) -> Any:
        found = real(share)
        if found[0] is None:
            tries.append(1)
            if len(tries) == 2:
                journal.hold(find_target(tmp_path / "i"), shared=False)
            if len(tries) == 9:
                raise Stopped
        return found

    monkeypatch.setattr(sharing._Share, "_try_each", tried)
    with pytest.raises(TakenOverError):
        write_image(volume(), tmp_path / "i", join=True, **WORDS)
    assert len(tries) in (2, 3)  # the other thread may look once more before it is told
    assert all(claim.release() for claim in held)


def test_bytes_of_a_joint_write_are_counted_once(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    prepared(tmp_path / "i", 5)
    write_image(volume(), tmp_path / "i", join=True, progress=lambda *state: seen.append(state), **WORDS)
    assert seen == sorted(seen)
    assert 0 < seen[0][0] < seen[-1][0] == seen[-1][1]


def test_no_unit_is_begun_once_another_has_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(tmp_path / "i")
    begun, taken = list[Any](), list[Any]()

    def take_over(target: Any, what: str) -> bool:
        taken.append(taken or journal.hold(find_target(tmp_path / "i"), shared=False))
        return False

    monkeypatch.setattr(sharing, "run_unit", lambda *unit, **how: begun.append(unit))
    monkeypatch.setattr(journal, "is_noted", take_over)
    with pytest.raises(TakenOverError):
        write_image(volume(), tmp_path / "i", join=True, **WORDS)
    assert taken
    assert begun == []


def test_who_wakes_up_after_another_has_begun_anew_does_not_help(tmp_path: Path) -> None:
    from ome_ngff.store.holder import Holder

    target = prepared(tmp_path / "i")
    asleep = Holder.join(target, None)
    asleep._expel(asleep.helper)
    journal.hold(target, shared=False)  # whoever takes over writes the mark before all else
    with pytest.raises(TakenOverError):
        asleep.rejoin()


def start(place: Path, told: Path, patience: float = 60.0) -> subprocess.Popen[bytes]:
    """Let another process join the write."""
    return subprocess.Popen([sys.executable, str(JOINER), str(place), str(told), str(patience)])


def units_told(folder: Path) -> Counter[str]:
    """Count which units processes say that they have done."""
    return Counter(itertools.chain.from_iterable(file.read_text().split() for file in folder.glob("told-*[0-9]")))


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, pytest.param(8, marks=pytest.mark.slow)])
def test_processes_that_join_do_each_unit_once(tmp_path: Path, alone: dict[str, str], count: int) -> None:
    joined = [start(tmp_path / "joint", tmp_path / f"told-{i}") for i in range(count)]
    assert [process.wait(300) for process in joined] == [0] * count
    assert every_file(tmp_path / "joint") == alone
    assert set(units_told(tmp_path).values()) == {1}


def kill_and_start_again(
    tmp_path: Path, rounds: int, at_once: int, seed: int, start: Callable[..., Any] = start
) -> Counter[str]:
    """Kill processes at random moments, and start others, until one has finished."""
    choose = random.Random(seed)
    place, names = tmp_path / "joint", itertools.count()
    running: list[tuple[subprocess.Popen[bytes], Path]] = []
    for _ in range(rounds):
        while len(running) < at_once:
            told = tmp_path / f"told-{next(names)}"
            running.append((start(place, told, 2.0), told))
        time.sleep(choose.uniform(0.5, 3.0))
        process, told = running.pop(choose.randrange(len(running)))
        process.kill()
        process.wait()
        if any(Path(f"{told}.end").exists() for _, told in running):
            break
    for process, _ in running:
        assert process.wait(300) == 0
    assert start(place, tmp_path / "told-999").wait(300) == 0
    return units_told(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 8))])
def test_processes_that_are_killed_lose_nothing(tmp_path: Path, alone: dict[str, str], seed: int) -> None:
    told = kill_and_start_again(tmp_path, 10, 3, seed)
    assert every_file(tmp_path / "joint") == alone
    assert told  # some units twice: done, and killed before the note


OTHER_HOST = ["unshare", "--uts", "--net", "--pid", "--mount", "--fork", "--kill-child", "sh", "-c"]


def has_hosts() -> bool:
    """Return whether names, processes, networks and mounts of our own can be had, as root can on Linux."""
    return (
        shutil.which("unshare") is not None
        and not subprocess.run([*OTHER_HOST, "true"], capture_output=True).returncode
    )


@pytest.mark.slow
@pytest.mark.skipif(not has_hosts(), reason="no other hosts can be simulated here")
def test_processes_of_several_hosts_that_are_killed_lose_nothing(tmp_path: Path, alone: dict[str, str]) -> None:
    """Each host has a name, process numbers and a network of its own, and mounts the folder at a place of its own."""
    hosts, shared = itertools.cycle(["north", "south"]), tmp_path / "shared"
    shared.mkdir()

    def start_there(place: Path, told: Path, patience: float = 60.0) -> subprocess.Popen[bytes]:
        host = next(hosts)
        mount = tmp_path / f"mounted-{host}"
        mount.mkdir(exist_ok=True)
        joined = shlex.join([sys.executable, str(JOINER), str(mount / place.name), str(told), str(patience)])
        steps = f"hostname {host} && mount --bind {shlex.quote(str(shared))} {shlex.quote(str(mount))} && exec {joined}"
        return subprocess.Popen([*OTHER_HOST, steps])

    told = kill_and_start_again(tmp_path, 6, 3, 0, start_there)
    assert every_file(shared / "joint") == alone
    assert told


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="nothing is suspended here")
def test_a_process_that_is_suspended_and_revived_harms_nothing(tmp_path: Path, alone: dict[str, str]) -> None:
    sleeping = start(tmp_path / "joint", tmp_path / "told-0", 1.0)
    while not (tmp_path / "told-0").exists():
        assert sleeping.poll() is None
        time.sleep(0.01)
    os.kill(sleeping.pid, signal.SIGSTOP)
    other = start(tmp_path / "joint", tmp_path / "told-1", 1.0)
    assert other.wait(300) == 0
    assert every_file(tmp_path / "joint") == alone
    os.kill(sleeping.pid, signal.SIGCONT)
    assert sleeping.wait(300) == 0
    assert every_file(tmp_path / "joint") == alone


# What is begun, finished, or another's ------------------------------------------------------------------------------


class Untouchable:
    """An array of which nobody may read a pixel."""

    shape, dtype, ndim = joined_shape = (48, 70, 90), np.dtype("uint16"), 3

    def __getitem__(self, box: Any) -> Any:
        raise AssertionError("A pixel was read.")


def test_a_finished_image_is_joined_without_reading_a_pixel(tmp_path: Path, alone: dict[str, str]) -> None:
    assert write_image(Untouchable(), tmp_path / "alone", join=True, **WORDS) == []
    assert every_file(tmp_path / "alone") == alone


@pytest.mark.parametrize(
    "words",
    [
        pytest.param({"chunks": 16}, id="chunks"),
        pytest.param({"method": "local_mean"}, id="method"),
        pytest.param({"compression": "zstd"}, id="codec"),
        pytest.param({"compression": "blosc-zstd:4"}, id="level of the codec"),
        pytest.param({"scale": 0.5}, id="metadata"),
        pytest.param({"scale_factors": [2]}, id="levels"),
    ],
)
def test_another_finished_image_is_not_joined(tmp_path: Path, alone: dict[str, str], words: dict[str, Any]) -> None:
    with pytest.raises(ExistsError, match="holds another image"):
        write_image(volume(), tmp_path / "alone", join=True, **{**WORDS, **words})
    assert every_file(tmp_path / "alone") == alone


@pytest.mark.parametrize(
    ("image", "words"),
    [
        pytest.param(volume()[:40], {}, id="shape"),
        pytest.param(volume().astype("int32"), {}, id="dtype"),
        pytest.param(volume(), {"chunks": 16}, id="chunks"),
        pytest.param(volume(), {"name": "other"}, id="metadata"),
    ],
)
def test_a_process_with_other_settings_is_refused(tmp_path: Path, image: Any, words: dict[str, Any]) -> None:
    prepared(tmp_path / "i", 3)
    before = every_file(tmp_path / "i")
    with pytest.raises(StoreError, match="was begun with other settings"):
        write_image(image, tmp_path / "i", join=True, **{**WORDS, **words})
    assert every_file(tmp_path / "i") == before


@pytest.mark.parametrize("how", ["join", "resume"])
@pytest.mark.parametrize("at", [pytest.param(0, id="start"), pytest.param(-1, id="end")])
def test_a_file_that_is_another_by_now_is_refused(tmp_path: Path, how: str, at: int) -> None:
    pixels = volume()
    np.save(tmp_path / "a.npy", pixels)
    prepared(tmp_path / "i", 3, np.load(tmp_path / "a.npy", mmap_mode="r"))
    before = every_file(tmp_path / "i")
    pixels.reshape(-1)[at] += 1
    np.save(tmp_path / "a.npy", pixels)
    with pytest.raises(StoreError, match=r"was begun with other settings \(fingerprint: there '\d+ bytes, "):
        write_image(np.load(tmp_path / "a.npy", mmap_mode="r"), tmp_path / "i", **{how: True}, **WORDS)
    assert every_file(tmp_path / "i") == before


def test_a_copy_of_the_file_elsewhere_is_the_same(tmp_path: Path, alone: dict[str, str]) -> None:
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", volume())
    os.utime(tmp_path / "b.npy", (1, 1))
    prepared(tmp_path / "new" / "alone", 3, np.load(tmp_path / "a.npy", mmap_mode="r"))
    write_image(np.load(tmp_path / "b.npy", mmap_mode="r"), tmp_path / "new" / "alone", join=True, **WORDS)
    assert every_file(tmp_path / "new" / "alone") == alone


def test_a_process_that_would_cut_in_another_way_is_refused(tmp_path: Path) -> None:
    target = prepared(tmp_path / "i", 3)
    cut = target.mark["cut"]
    changed = [[*part[:3], [n * 2 for n in part[3]]] if part else part for part in cut]
    group = zarr.open_group(tmp_path / "i")
    mark = dict(group.attrs["ome_ngff"])
    mark["incomplete"]["cut"] = [[0, "given", [0, 1, 2, 3], [10**6] * 3], None]
    group.attrs["ome_ngff"] = mark
    assert changed != cut
    with (
        ome_ngff.config.set(memory_target="1kB"),
        pytest.raises(StoreError, match="in units that do not fit the memory_target"),
    ):
        write_image(volume(), tmp_path / "i", join=True, **WORDS)


@pytest.mark.parametrize(
    ("place", "words", "message"),
    [
        pytest.param("i", {"overwrite": True}, "each would begin anew", id="overwrite"),
        pytest.param("i", {"compute": False}, "compute=False", id="tasks"),
        pytest.param("i.ozx", {}, "is a ZIP", id="zip"),
    ],
)
def test_what_cannot_be_joined_is_refused(tmp_path: Path, place: str, words: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        write_image(volume(), tmp_path / place, join=True, **WORDS, **words)
    assert not (tmp_path / place).exists()


def test_stores_in_which_nothing_is_atomic_are_refused() -> None:
    with pytest.raises(StoreError, match="Processes cannot share the writing of memory:///join-test"):
        write_image(volume(), "memory://join-test/i", join=True, **WORDS)
    assert fsspec.filesystem("memory").find("/join-test") == []


def test_an_unfinished_write_of_one_process_is_joined(tmp_path: Path, alone: dict[str, str]) -> None:
    with pytest.raises(Stopped):
        write_image(volume(), tmp_path / "i", progress=once_noted(tmp_path / "i", 5, stop), **WORDS)
    write_image(volume(), tmp_path / "i", join=True, **WORDS)
    assert every_file(tmp_path / "i") == alone


def test_a_joint_write_is_resumed_by_one_process(tmp_path: Path, alone: dict[str, str]) -> None:
    prepared(tmp_path / "i", 5)
    write_image(volume(), tmp_path / "i", resume=True, **WORDS)
    assert every_file(tmp_path / "i") == alone


def test_who_joins_stops_where_one_process_goes_on_alone(tmp_path: Path, alone: dict[str, str]) -> None:
    def resume() -> None:
        with pytest.raises(Stopped):
            write_image(volume(), tmp_path / "i", resume=True, progress=once_noted(tmp_path / "i", 7, stop), **WORDS)

    with pytest.raises(TakenOverError):
        write_image(volume(), tmp_path / "i", join=True, progress=once_noted(tmp_path / "i", 5, resume), **WORDS)
    assert "shared" not in find_target(tmp_path / "i").mark
    write_image(volume(), tmp_path / "i", resume=True, **WORDS)
    assert every_file(tmp_path / "i") == alone


@pytest.mark.slow
def test_units_whose_temporary_pixels_are_gone_are_done_anew(tmp_path: Path) -> None:
    words = {**WORDS, "method": "gaussian"}
    rows = SOURCES["rows"]
    write_image(rows(), tmp_path / "alone", **words)

    with pytest.raises(Stopped):
        write_image(rows(), tmp_path / "i", join=True, progress=once_noted(tmp_path / "i", 4, stop), **words)
    shutil.rmtree(tmp_path / "i" / ".ome_ngff" / "spool", ignore_errors=True)
    write_image(rows(), tmp_path / "i", join=True, **words)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "alone")


def test_joined_pixels_are_those_of_the_source(tmp_path: Path) -> None:
    assert in_threads([lambda: write_image(volume(), tmp_path / "i", join=True, **WORDS)] * 2) == []
    np.testing.assert_array_equal(pixels_by_tensorstore(tmp_path / "i")[0], volume())


# From the command line ------------------------------------------------------------------------------------------------


def test_the_same_command_twice_writes_one_image(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "in.tif", volume())
    command = [
        sys.executable,
        "-m",
        "ome_ngff",
        "write",
        str(tmp_path / "in.tif"),
        str(tmp_path / "out"),
        "--axes",
        "zyx",
    ]
    twice = [subprocess.Popen([*command, "--join"], stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(120) for process in twice] == [0, 0]
    assert subprocess.run([*command, "--join"], stdout=subprocess.DEVNULL, timeout=120).returncode == 0
    np.testing.assert_array_equal(pixels_by_tensorstore(tmp_path / "out")[0], volume())


@pytest.mark.parametrize("option", ["--overwrite", "--workers=2", "--scheduler=threads"])
def test_options_that_contradict_joining_are_refused(tmp_path: Path, option: str) -> None:
    tifffile.imwrite(tmp_path / "in.tif", volume()[:2], photometric="minisblack")
    words = ["write", str(tmp_path / "in.tif"), str(tmp_path / "out"), "--axes", "zyx", "--join", option]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "--join" in result.output
    assert not (tmp_path / "out").exists()


def test_many_inputs_are_shared_too(tmp_path: Path) -> None:
    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", volume()[:4], photometric="minisblack")
    places = [tmp_path / "a.tif", tmp_path / "b.tif"]
    calls = [lambda: convert(places, tmp_path / "out", join=True, axes="zyx")] * 2
    assert in_threads(calls) == []
    for name in "ab":
        np.testing.assert_array_equal(pixels_by_tensorstore(tmp_path / "out" / f"{name}.ome.zarr")[0], volume()[:4])


def test_who_is_at_a_joint_write_is_told(tmp_path: Path) -> None:
    target = prepared(tmp_path / "i", 5)
    claims = [journal_claims(target) for _ in range(2)]
    held = [claims[i].take(name, 60.0) for i, name in enumerate(("0-90", "0-91"))] + [claims[0].take("0-92", 60.0)]
    assert all(held)
    image = describe_store(tmp_path / "i").images[0]
    assert image.progress is not None
    assert image.progress[0] >= 5
    assert image.helpers == {"-".join(held[0].holder.split("-")[:2]): 3}
    shown = CliRunner().invoke(main, ["info", str(tmp_path / "i")]).output
    assert f"3 being done by 1 process ({next(iter(image.helpers))})" in shown
    assert "--resume" not in shown


def test_info_waits_until_an_image_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(tmp_path / "i", 5)
    looks = itertools.count(1)

    def meanwhile(seconds: float) -> None:
        if seconds == 2.0 and next(looks) == 3:
            write_image(volume(), tmp_path / "i", join=True, **WORDS)

    monkeypatch.setattr("time.sleep", meanwhile)
    shown = CliRunner().invoke(main, ["info", "--wait", str(tmp_path / "i")])
    assert shown.exit_code == 0
    assert ["units done" in line for line in shown.output.splitlines()[:2]] == [True, False]  # said once
    assert "incomplete" not in shown.output


def test_the_pace_is_that_of_the_last_minute(tmp_path: Path) -> None:
    target = prepared(tmp_path / "i", 5)
    notes = sorted((tmp_path / "i" / ".ome_ngff").glob(f"{target.mark['write']}.*-*"))
    for note in notes:
        os.utime(note, (1000, 1000))
    os.utime(notes[0], (1e9, 1e9))
    os.utime(notes[1], (1e9 + 10, 1e9 + 10))
    assert journal.pace(target) == 0.1


def test_info_tells_done_claimed_and_left_with_pace_and_time_to_go(tmp_path: Path) -> None:
    target = prepared(tmp_path / "i", 5)
    notes = sorted((tmp_path / "i" / ".ome_ngff").glob(f"{target.mark['write']}.*-*"))
    for number, note in enumerate(notes):  # the clock of the folder: a note every four seconds
        os.utime(note, (1e9 + 4 * number, 1e9 + 4 * number))
    claims = [attrs.evolve(journal_claims(target), holder=f"node{n}-{n}-{n:016x}") for n in (1, 2)]
    waiting = left_of_the_first_pass(target)
    held = [claims[n].take(unit, 60.0) for n, unit in zip((0, 1, 0), waiting, strict=False)]
    assert all(held)
    units = sum(
        math.prod(-(-n // u) for n, u in zip(target.mark["levels"][base], unit, strict=True))
        for base, _, _, unit in target.mark["cut"][:-1]
    )
    done = len(notes)
    shown = CliRunner().invoke(main, ["info", str(tmp_path / "i")]).output
    assert (
        f"({done} of {units} units done, 3 being done by 2 processes (node1-1, node2-2), {units - done - 3} left, "
        f"0.25 units/s, about {4 * (units - done)} s to go)"
    ) in " ".join(shown.split())


def test_the_recipe_for_an_array_of_jobs_fills_one_image(tmp_path: Path) -> None:
    """A pretended `sbatch` starts the tasks of an array as processes; the script is that of the documentation."""
    page = (Path(__file__).parents[1] / "docs" / "clusters.md").read_text(encoding="utf-8")
    script = next(block for block in page.split("```bash\n")[1:] if "#SBATCH" in block).split("```")[0]
    tifffile.imwrite(tmp_path / "stack.ome.tif", volume()[:8], metadata={"axes": "ZYX"})
    script = script.replace("/shared/", f"{tmp_path}/shared-").replace("0-63", "0-2")
    script = script.replace("stack.ome.tif ", f"{tmp_path / 'stack.ome.tif'} ")
    (tmp_path / "job.sh").write_text(script.replace("ome-ngff ", f"{sys.executable} -m ome_ngff "))
    first, last = (
        next(line for line in script.splitlines() if "--array" in line).split("--array=")[1].split()[0].split("-")
    )
    tasks = [
        subprocess.Popen(["bash", str(tmp_path / "job.sh")], env={**os.environ, "SLURM_ARRAY_TASK_ID": str(i)})
        for i in range(int(first), int(last) + 1)
    ]
    assert [task.wait(120) for task in tasks] == [0, 0, 0]
    np.testing.assert_array_equal(pixels_by_tensorstore(tmp_path / "shared-stack.ome.zarr")[0], volume()[:8])


# What is lost, and who is killed while preparing --------------------------------------------------------------------


def journal_of(place: Path) -> Path:
    return place / journal.JOURNAL


def test_a_gate_left_by_a_killed_process_expels_nobody(tmp_path: Path, alone: dict[str, str]) -> None:
    target = prepared(tmp_path / "i", 3)
    (journal_of(tmp_path / "i") / f"held-{target.mark['holder']}" / "claims" / "1-0").touch()
    with ome_ngff.config.set(claim_patience=0.3):
        write_image(volume(), tmp_path / "i", join=True, **WORDS)
    assert every_file(tmp_path / "i") == alone


def test_helpers_keep_the_margins_that_others_read(tmp_path: Path, alone: dict[str, str]) -> None:
    """From which size on a level gets margins depends on a setting that helpers need not share."""
    target = prepared(tmp_path / "i")
    assert target.mark["shared"]["margins"]
    with ome_ngff.config.set(task_target="100MB"), pytest.raises(Stopped):
        write_image(volume(), tmp_path / "i", join=True, progress=once_noted(tmp_path / "i", 30, stop), **WORDS)
    write_image(volume(), tmp_path / "i", join=True, **WORDS)
    assert every_file(tmp_path / "i") == alone
    assert find_target(tmp_path / "i").mark is None


@pytest.mark.slow
@pytest.mark.parametrize("source", ["memory", "rows"])
def test_temporary_chunks_that_are_lost_are_made_anew(
    tmp_path: Path, source: str, ran: Counter[tuple[int, ...]]
) -> None:
    write_image(SOURCES[source](), tmp_path / "alone", **WORDS)
    ran.clear()
    place = tmp_path / "i"
    with pytest.raises(Stopped):
        write_image(SOURCES[source](), place, join=True, progress=once_noted(place, 25, stop), **WORDS)
    arrays = [journal_of(place) / name for name in ("spool", "margin-1-1")]
    lost = [file for array in arrays for file in array.glob("c/**/*") if file.is_file()]
    assert lost
    for file in lost:
        file.unlink()
    write_image(SOURCES[source](), place, join=True, **WORDS)
    assert every_file(place) == every_file(tmp_path / "alone")


def test_a_journal_that_is_lost_is_begun_anew(tmp_path: Path, alone: dict[str, str]) -> None:
    prepared(tmp_path / "i", 5)
    shutil.rmtree(journal_of(tmp_path / "i"))
    write_image(volume(), tmp_path / "i", join=True, **WORDS)
    assert every_file(tmp_path / "i") == alone


def test_who_joins_creates_nothing_where_the_image_has_gone(
    tmp_path: Path, alone: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "i"
    prepared(place, 5)
    plan, found = Request.plan, []

    def late(request: Request, *words: Any, **how: Any) -> Plan:
        if not found:
            shutil.rmtree(place)
        found.append(place.exists())
        return plan(request, *words, **how)

    monkeypatch.setattr(Request, "plan", late)
    write_image(volume(), place, join=True, **WORDS)
    assert every_file(place) == alone


def test_who_joins_goes_on_where_another_was_killed_preparing(
    tmp_path: Path, alone: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed() -> None:
        (journal_of(tmp_path / "i") / "margin-1-1" / "zarr.json").unlink()
        with monkeypatch.context() as patch:
            patch.setattr(execution, "prepare", lambda *job, **how: stop())
            with pytest.raises(Stopped):
                write_image(volume(), tmp_path / "i", join=True, **WORDS)

    write_image(volume(), tmp_path / "i", join=True, progress=once_noted(tmp_path / "i", 5, killed), **WORDS)
    assert every_file(tmp_path / "i") == alone


class Killed(BaseException):
    """What ends a process between two steps."""


STEPS = {
    "mark": (journal, "begin"),
    "expulsion": (execution, "expel"),
    "clearing": (execution.replace, "clear"),
    "note of that": (journal, "note_of"),
    "levels": (execution, "create_arrays"),
    "temporary arrays": (execution, "prepare"),
    "folder": (job.Holder, "begin"),
    "sharing": (journal, "share"),
    "work": (execution, "run"),
    "end": (execution.Ending, "__call__"),
    "metadata": (journal, "finish"),
}


def killed_at() -> Iterator[Any]:
    """Yield each step, and when; with rows, which take long, most are left to be run by hand."""
    for name, (of, step) in STEPS.items():
        for source, after in (("memory", False), ("memory", True), ("rows", False)):
            marks = [pytest.mark.soak] if source == "rows" and name not in ("temporary arrays", "work", "end") else []
            yield pytest.param(
                of, step, source, after, marks=marks, id=f"{name}-{source}-{'after' if after else 'before'}"
            )


@pytest.mark.slow
@pytest.mark.parametrize(("of", "step", "source", "after"), list(killed_at()))
def test_who_is_killed_at_a_step_leaves_it_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: Any, step: str, after: bool, source: str
) -> None:
    write_image(SOURCES[source](), tmp_path / "alone", **WORDS)
    true = getattr(of, step)

    def fatal(*words: Any, **how: Any) -> None:
        if after:
            true(*words, **how)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(of, step, fatal)
        with pytest.raises(Killed):
            write_image(SOURCES[source](), tmp_path / "i", join=True, **WORDS)
    write_image(SOURCES[source](), tmp_path / "i", join=True, **WORDS)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "alone")


def test_who_was_asleep_while_preparing_replaces_no_mark(
    tmp_path: Path, alone: dict[str, str], monkeypatch: pytest.MonkeyPatch, ran: Counter[tuple[int, ...]]
) -> None:
    """Its lock is taken over, and the image finished by another, between the last two steps of preparing."""
    place, true = tmp_path / "i", journal.share
    slept: list[bool] = []

    def asleep(holder: Any) -> Any:
        staged = stage(holder)
        if not slept:
            slept.append(True)
            for lock in place.glob(".ome_ngff.lock*"):
                lock.unlink()
            write_image(volume(), place, join=True, **WORDS)
        return staged

    stage = job.Holder._stage
    monkeypatch.setattr(job.Holder, "_stage", asleep)
    monkeypatch.setattr(journal, "share", lambda *words: shared.append(words) or true(*words))
    shared: list[Any] = []
    write_image(volume(), place, join=True, **WORDS)
    assert len(shared) == 1
    assert set(ran.values()) == {1}
    assert every_file(place) == alone


@pytest.mark.parametrize(
    "find",
    [
        pytest.param(lambda place: write_image(volume(), place, **WORDS), id="write"),
        pytest.param(open_image, id="read"),
        pytest.param(lambda place: convert(place, place.with_name("o")), id="convert"),
        pytest.param(lambda place: upload(find_target(place), MemoryStore()), id="upload"),
    ],
)
def test_who_finds_a_joint_write_is_told_to_join_it(tmp_path: Path, find: Callable[[Path], Any]) -> None:
    prepared(tmp_path / "i")
    with pytest.raises(IncompleteError, match="join=True in any number of processes, or resume=True in one"):
        find(tmp_path / "i")
    assert "--join" in CliRunner().invoke(main, ["info", str(tmp_path / "i")]).output
    assert "join=True (--join)" in validate(tmp_path / "i").findings[0].hint


def test_an_interruption_leaves_no_claims_behind(
    tmp_path: Path, alone: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, units = sharing.run_unit, itertools.count()

    def interrupted(*words: Any, **how: Any) -> int:
        if next(units) == 5:
            raise KeyboardInterrupt
        return run(*words, **how)

    with monkeypatch.context() as patch:
        patch.setattr(sharing, "run_unit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_image(volume(), tmp_path / "i", join=True, **WORDS)
    assert [file.name for file in journal_of(tmp_path / "i").glob("held-*/claims/*")] == []
    write_image(volume(), tmp_path / "i", join=True, **WORDS)
    assert every_file(tmp_path / "i") == alone


def test_what_is_lost_in_memory_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    store, other = MemoryStore(), MemoryStore()
    write_image(volume(), other, **WORDS)

    def lose() -> None:
        for key in [key for key in store._store_dict if ".ome_ngff/margin-1-1/c/" in key]:
            del store._store_dict[key]
        stop()

    waiting = once_noted(store, 25, lose)
    with pytest.raises(Stopped):
        write_image(volume(), store, join=True, progress=waiting, **WORDS)
    write_image(volume(), store, join=True, **WORDS)
    assert {key: value.to_bytes() for key, value in store._store_dict.items()} == {
        key: value.to_bytes() for key, value in other._store_dict.items()
    }


def test_a_source_that_raises_in_one_process_stops_only_that(tmp_path: Path, alone: dict[str, str]) -> None:
    class Broken(Untouchable):
        def __getitem__(self, box: Any) -> Any:
            raise ValueError("The tape is torn.")

    with pytest.raises(ValueError, match="torn"):
        write_image(Broken(), tmp_path / "i", join=True, **WORDS)
    write_image(volume(), tmp_path / "i", join=True, **WORDS)
    assert every_file(tmp_path / "i") == alone


def test_a_full_disk_says_to_make_the_same_call_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*words: Any, **how: Any) -> None:
        raise OSError(errno.ENOSPC, "full", str(tmp_path / "i"))

    monkeypatch.setattr(sharing, "run_unit", full)
    with pytest.raises(StoreError, match="Free space, and make the same call again"):
        write_image(volume(), tmp_path / "i", join=True, **WORDS)
