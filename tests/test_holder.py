"""Several writes of one image at once: the newest wins, older ones stop, and not a byte of theirs gets into its way."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import dask
import dask.array as da
import fsspec
import numpy as np
import pytest
import zarr
from helpers import InUnits, every_file, pixels_by_tensorstore
from zarr.core.buffer import default_buffer_prototype

import ome_ngff
from ome_ngff import (
    IncompleteError,
    StoreError,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    write_image,
    write_labels,
)
from ome_ngff.engine.job import Job
from ome_ngff.engine.units import run_unit
from ome_ngff.exceptions import ExistsError, TakenOverError
from ome_ngff.store import journal
from ome_ngff.store import staging as folders
from ome_ngff.store.claims import Claim
from ome_ngff.store.holder import Holder
from ome_ngff.store.staging import Staging, expel
from ome_ngff.store.target import find_target
from ome_ngff.write import execution
from ome_ngff.write.labels import request as labels_request

SHAPE = (48, 70, 90)
LADDER = [{"z": 1, "y": 2, "x": 2}, {"z": 2, "y": 4, "x": 4}]
WORDS: dict[str, Any] = {"axes": "zyx", "scale_factors": LADDER, "chunks": 16}
MARKED = {"ome_ngff": {"incomplete": {"write": "a"}}}
SMALL = {"memory_target": "400kB", "task_target": "100kB"}


@pytest.fixture(autouse=True)
def small(tmp_path: Path) -> Iterator[None]:
    """Cut the work into many tasks, in several passes; let spools stand where the test can look at them."""
    with ome_ngff.config.set(**SMALL, cache_store=tmp_path / "cache"):
        yield


def volume(seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 4000, SHAPE).astype("uint16")


def once_at(unit: int, what: Callable[[], Any]) -> Callable[[int, int], None]:
    """Make a progress that does something once a number of units are done."""
    waiting = [what]

    def progress(done: int, total: int) -> None:
        if done >= min(unit, total - 1) and waiting:
            waiting.pop()()

    return InUnits(progress)


class Killed(BaseException):
    """What ends a write as `kill -9` would: nothing is tidied up."""


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, **parts: Any) -> Iterator[None]:
    """Expect a write to be killed; `parts` of the module that executes requests are replaced."""
    with monkeypatch.context() as patch:
        patch.setattr(Holder, "leave", lambda self: None)
        for name, part in parts.items():
            patch.setattr(execution, name, part)
        with pytest.raises(Killed):
            yield


def killed(source: Any, place: Any, unit: int, monkeypatch: pytest.MonkeyPatch, **words: Any) -> None:
    """Write until a unit is done, and leave everything as it is then."""

    def die() -> None:
        raise Killed

    with dying(monkeypatch):
        write_image(source, place, progress=once_at(unit, die), **words)


SOURCES = {
    "in memory": (lambda pixels: pixels, {}),
    "margins": (lambda pixels: pixels, {"method": "gaussian"}),
    "spool": (lambda pixels: da.from_array(pixels, chunks=(1, -1, -1)) + 0, {}),
    "spool and margins": (lambda pixels: da.from_array(pixels, chunks=(1, -1, -1)) + 0, {"method": "gaussian"}),
    "shards": (lambda pixels: pixels, {"shards": 32}),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("unit", [0, 7, 31, 1000])
def test_whoever_resumes_goes_on_alone(tmp_path: Path, kind: str, unit: int) -> None:
    source, words = SOURCES[kind][0](volume()), {**WORDS, **SOURCES[kind][1]}
    write_image(source, tmp_path / "whole", **words)
    resume = once_at(unit, lambda: write_image(source, tmp_path / "i", resume=True, **words))
    with pytest.raises(TakenOverError, match="Another process"):
        write_image(source, tmp_path / "i", progress=resume, **words)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")
    assert not list((tmp_path / "cache").glob("*"))


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("unit", [0, 7, 31])
def test_a_replaced_write_mixes_no_pixels_into_the_new_one(tmp_path: Path, kind: str, unit: int) -> None:
    make, words = SOURCES[kind][0], {**WORDS, **SOURCES[kind][1]}
    write_image(volume(1), tmp_path / "whole", **words)
    replace = once_at(unit, lambda: write_image(volume(1), tmp_path / "i", overwrite=True, **words))
    with pytest.raises(TakenOverError):
        write_image(make(volume()), tmp_path / "i", progress=replace, **words)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


@pytest.mark.parametrize("unit", [0, 7, 1000])
def test_whoever_resumes_away_from_folders_goes_on_alone(unit: int) -> None:
    store: dict[str, Any] = {}
    whole: dict[str, Any] = {}
    words = {**WORDS, "method": "gaussian"}
    write_image(volume(), whole, **words)
    resume = once_at(unit, lambda: write_image(volume(), store, resume=True, **words))
    with pytest.raises(TakenOverError):
        write_image(volume(), store, progress=resume, **words)
    assert {key: value.to_bytes() for key, value in store.items()} == {k: v.to_bytes() for k, v in whole.items()}


def test_an_older_holder_finds_out_at_an_object_store(bucket: str) -> None:
    resume = once_at(7, lambda: write_image(volume(), bucket, resume=True, **WORDS))
    with pytest.raises(TakenOverError):
        write_image(volume(), bucket, progress=resume, **WORDS)
    write_image(volume(), f"{bucket}/whole", **WORDS)
    files = fsspec.filesystem("memory")
    whole = {name.partition("/whole/")[2]: files.cat(name) for name in files.find(f"{bucket}/whole")}
    found = {name: files.cat(name) for name in files.find(bucket) if "/whole/" not in name}
    root = f"/{bucket.partition('://')[2]}/"
    assert {name.removeprefix(root): content for name, content in found.items()} == whole


class Interrupted:
    """Pixels that, when they are first read, do something before they are given."""

    def __init__(self, pixels: np.ndarray[Any, Any], what: Callable[[], Any]) -> None:
        self.pixels, self.waiting = pixels, [what]
        self.shape, self.dtype, self.ndim = pixels.shape, pixels.dtype, pixels.ndim

    def __getitem__(self, box: Any) -> Any:
        if self.waiting:
            self.waiting.pop()()
        return self.pixels[box]


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_pixels_that_were_read_before_a_replacement_come_too_late(tmp_path: Path, kind: str) -> None:
    place: Any = {} if kind == "memory" else tmp_path / "i"
    words = {"axes": "yx", "chunks": 16, "scale_factors": [2]}
    source = Interrupted(volume()[0], lambda: write_image(volume(1)[0], place, overwrite=True, **words))
    with pytest.raises(TakenOverError):
        write_image(source, place, **words)
    np.testing.assert_array_equal(zarr.open_group(place, mode="r")["0"][:], volume(1)[0])


@pytest.mark.parametrize("kind", ["folder", "memory"])
@pytest.mark.parametrize("value", [pytest.param(0, id="empty"), 3])
def test_nothing_is_left_of_labels_whose_image_was_replaced(tmp_path: Path, kind: str, value: int) -> None:
    place: Any = {} if kind == "memory" else tmp_path / "i"
    words = {"axes": "yx", "chunks": 16, "scale_factors": [2]}
    write_image(volume()[0], place, **words)
    labels = Interrupted(
        np.full(SHAPE[1:], value, "uint8"), lambda: write_image(volume()[0], place, overwrite=True, **words)
    )
    with pytest.raises(TakenOverError):
        write_labels(labels, place)
    assert not [key for key in place if "labels" in key] if kind == "memory" else not (place / "labels").exists()


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_labels_that_went_with_their_image_are_not_registered(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place: Any = {} if kind == "memory" else tmp_path / "i"
    words = {"axes": "yx", "chunks": 16, "scale_factors": [2]}
    write_image(volume()[0], place, **words)
    register = labels_request.register_label

    def late(*args: Any) -> None:
        write_image(volume()[0], place, overwrite=True, **words)
        register(*args)

    monkeypatch.setattr(labels_request, "register_label", late)
    with pytest.raises(TakenOverError):
        write_labels(np.ones(SHAPE[1:], "uint8"), place)
    assert not [key for key in place if "labels" in key] if kind == "memory" else not (place / "labels").exists()


def test_a_task_whose_folder_goes_while_it_writes_names_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = write_image(volume(), tmp_path / "i", compute=False, **WORDS)
    write_image(volume(), tmp_path / "i", overwrite=True, **WORDS)

    def gone(*_: Any) -> None:
        raise RuntimeError("No such file or directory (os error 2)")

    monkeypatch.setattr(folders, "write_box", gone)
    with pytest.raises(TakenOverError):
        dask.compute(*tasks, scheduler="sync")


def test_what_fails_after_the_end_is_not_taken_for_a_takeover(tmp_path: Path) -> None:
    image = to_multiscales(to_ngff_image(volume()), [2])
    image.images[0].computed_callbacks.append(lambda: [][1])
    with pytest.raises(IndexError):
        to_ngff_zarr(tmp_path / "i", image)
    assert not list((tmp_path / "i").glob(".ome*"))


@pytest.mark.parametrize("overwrite", [pytest.param(True, id="replaced"), pytest.param(False, id="finished")])
def test_late_tasks_leave_nothing_in_a_finished_image(tmp_path: Path, overwrite: bool) -> None:
    tasks = write_image(volume(), tmp_path / "i", compute=False, **WORDS)
    if overwrite:
        write_image(volume(), tmp_path / "i", overwrite=True, **WORDS)
    else:
        dask.compute(*tasks, scheduler="threads")
    before = every_file(tmp_path / "i")
    with pytest.raises(TakenOverError):
        dask.compute(*tasks, scheduler="sync")
    assert every_file(tmp_path / "i") == before
    assert not (tmp_path / "i" / ".ome_ngff").exists()


def test_tasks_of_a_replaced_image_stop(tmp_path: Path) -> None:
    tasks = write_image(volume(), tmp_path / "i", compute=False, **WORDS)
    write_image(volume(1), tmp_path / "i", overwrite=True, **WORDS)
    before = every_file(tmp_path / "i")
    with pytest.raises(TakenOverError):
        dask.compute(*tasks, scheduler="threads")
    for _ in range(1200):  # the other threads stop, too, and tidy up
        shutil.rmtree(tmp_path / "i" / ".ome_ngff", ignore_errors=True)
        if every_file(tmp_path / "i") == before:
            break
        time.sleep(0.05)
    assert every_file(tmp_path / "i") == before


@pytest.mark.parametrize("others", [pytest.param(True, id="finished"), pytest.param(False, id="begun")])
def test_an_end_that_comes_late_finishes_nothing(tmp_path: Path, others: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    run, before = execution.run, dict[str, str]()

    def run_and_pause(job: Job, done: set[str], progress: Any, end: Callable[[], None]) -> None:
        run(job, done, progress, lambda: None)
        monkeypatch.setattr(execution, "run", run)
        write_image(volume(1), tmp_path / "i", overwrite=True, compute=others, **WORDS)
        before.update(every_file(tmp_path / "i"))
        end()

    monkeypatch.setattr(execution, "run", run_and_pause)
    with pytest.raises(TakenOverError):
        write_image(volume(), tmp_path / "i", **WORDS)
    assert every_file(tmp_path / "i") == before


# Two that begin at the same moment ----------------------------------------------------------------------------------


def between(monkeypatch: pytest.MonkeyPatch, what: Callable[[], Any]) -> None:
    """Do something after the first write has looked at its place, and before it begins."""
    accept, waiting = execution._accept, [what]

    def accepted(*arguments: Any, **words: Any) -> Any:
        found = accept(*arguments, **words)
        if waiting:
            waiting.pop()()
        return found

    monkeypatch.setattr(execution, "_accept", accepted)


def test_other_metadata_outlasts_a_write_that_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zarr.create_group(tmp_path / "i", attributes={"ome": {"version": "0.5", "series": ["a"]}, "mine": 1})
    killed(volume()[:32, :32, :32], tmp_path / "i", 1, monkeypatch, **WORDS)
    write_image(volume()[:32, :32, :32], tmp_path / "i", overwrite=True, **WORDS)
    attributes = json.loads((tmp_path / "i" / "zarr.json").read_text())["attributes"]
    assert attributes["ome"]["series"] == ["a"]
    assert attributes["mine"] == 1


def test_of_two_new_images_the_second_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(volume(1), tmp_path / "whole", **WORDS)
    between(monkeypatch, lambda: write_image(volume(1), tmp_path / "i", **WORDS))
    with pytest.raises(ExistsError, match="already holds an image"):
        write_image(volume(), tmp_path / "i", **WORDS)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


def test_a_new_image_is_refused_where_another_has_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    between(monkeypatch, lambda: write_image(volume(1), tmp_path / "i", compute=False, **WORDS))
    with pytest.raises(IncompleteError, match="resume=True"):
        write_image(volume(), tmp_path / "i", **WORDS)


def test_of_two_that_overwrite_the_last_to_begin_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(volume(), tmp_path / "whole", **WORDS)
    write_image(volume(2), tmp_path / "i", **WORDS)
    write_labels((volume() // 100), tmp_path / "i", "late", scale_factors=LADDER, chunks=16)
    between(monkeypatch, lambda: write_image(volume(1), tmp_path / "i", overwrite=True, **WORDS))
    write_image(volume(), tmp_path / "i", overwrite=True, **WORDS)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


def test_two_that_resume_at_the_same_moment_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(volume(), tmp_path / "whole", **WORDS)
    killed(volume(), tmp_path / "i", 9, monkeypatch, **WORDS)
    between(monkeypatch, lambda: write_image(volume(), tmp_path / "i", resume=True, **WORDS))
    write_image(volume(), tmp_path / "i", resume=True, **WORDS)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


def test_one_who_lost_the_lock_deletes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(volume(), tmp_path / "i", **WORDS)
    before = every_file(tmp_path / "i")
    monkeypatch.setattr(Claim, "sure", lambda self: False)
    with pytest.raises(TakenOverError):
        write_image(volume(1), tmp_path / "i", overwrite=True, **WORDS)
    after = every_file(tmp_path / "i")
    assert {name: digest for name, digest in after.items() if name != "zarr.json"} == {
        name: digest for name, digest in before.items() if name != "zarr.json"
    }


# A chunk that comes late --------------------------------------------------------------------------------------------


@pytest.fixture(params=[pytest.param(True, id="descriptors"), pytest.param(False, id="paths")])
def staging(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Staging:
    """A process that has written a chunk and is about to move it, on systems with and without descriptors."""
    monkeypatch.setattr(folders, "_DESCRIPTORS", request.param)
    target = find_target(tmp_path / "i")
    write_image(volume(), tmp_path / "i", **WORDS)
    (tmp_path / "i" / ".ome_ngff").mkdir()
    found = Staging(target.folder, tmp_path / "i" / ".ome_ngff" / "held-older")
    write_late(found)
    return found


def write_late(staging: Staging) -> None:
    """Write a chunk as the pipeline in Rust does: by its path, which it makes where there is none."""
    (staging.folder / "0").mkdir(parents=True, exist_ok=True)
    (staging.folder / "0" / "0.0.0").write_bytes(b"late")


def test_a_chunk_of_the_holder_gets_into_place(staging: Staging) -> None:
    staging._land("0/0.0.0", "0/c/0/0/0")
    assert (staging.root / "0" / "c" / "0" / "0" / "0").read_bytes() == b"late"


def test_a_chunk_gets_into_a_folder_that_is_not_there_yet(staging: Staging) -> None:
    shutil.rmtree(staging.root / "0" / "c")
    staging._land("0/0.0.0", "0/c/0/0/0")
    assert (staging.root / "0" / "c" / "0" / "0" / "0").read_bytes() == b"late"


def test_a_chunk_that_was_not_stored_leaves_its_place_empty(staging: Staging) -> None:
    before = every_file(staging.root / "0")
    staging._land("0/0.0.3", "0/c/0/0/3")
    assert every_file(staging.root / "0") == before


@pytest.mark.parametrize("again", [pytest.param(False, id="gone"), pytest.param(True, id="made again by a late write")])
def test_nothing_gets_into_place_after_a_takeover(staging: Staging, again: bool) -> None:
    before = every_file(staging.root / "0")
    expel(find_target(staging.root))
    if again:
        write_late(staging)
    for late in (
        lambda: staging._land("0/0.0.0", "0/c/0/0/0"),
        lambda: staging.put("0/c/0/0/0", b"late"),
        staging.look,
    ):
        with pytest.raises(TakenOverError):
            late()
    assert every_file(staging.root / "0") == before


def test_a_chunk_written_between_two_steps_of_a_takeover_is_missed(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = folders._delete

    def late(folder: Path) -> None:
        write_late(staging)
        with pytest.raises(TakenOverError):
            staging._land("0/0.0.0", "0/c/0/0/0")
        with pytest.raises(TakenOverError):
            staging._land("0/0.0.1", "0/c/0/0/1")
        delete(folder)

    monkeypatch.setattr(folders, "_delete", late)
    (staging.folder / "0" / "0.0.0").unlink()
    expel(find_target(staging.root))


def test_a_file_that_is_created_meanwhile_does_not_stop_a_takeover(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete, busy = shutil.rmtree, [1, 1, 1]

    def raced(folder: Any, **words: Any) -> None:
        if busy and "gone-" in str(folder):
            busy.pop()
            raise OSError(errno.ENOTEMPTY, "Directory not empty")
        delete(folder, **words)

    monkeypatch.setattr(shutil, "rmtree", raced)
    (staging.root / ".ome_ngff" / "held-file").write_text("no folder")
    expel(find_target(staging.root))
    assert not list((staging.root / ".ome_ngff").iterdir())


def test_a_takeover_follows_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(volume(), tmp_path / "i", 9, monkeypatch, **WORDS)
    shutil.move(tmp_path / "i" / ".ome_ngff", tmp_path / "victim")
    (tmp_path / "i" / ".ome_ngff").symlink_to(tmp_path / "victim")
    before, mark = every_file(tmp_path / "victim"), (tmp_path / "i" / "zarr.json").read_bytes()
    for words in ({"resume": True}, {"overwrite": True}):
        with pytest.raises(StoreError, match="link"):
            write_image(volume(), tmp_path / "i", **words, **WORDS)
        assert every_file(tmp_path / "victim") == before
        assert (tmp_path / "i" / "zarr.json").read_bytes() == mark


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param({"write": "../x"}, id="name"),
        pytest.param({"cut": "x"}, id="cut-no-list"),
        pytest.param({"cut": [None]}, id="cut-without-passes"),
        pytest.param({"cut": [[0, "given", [0], [16, 16, 16]], None]}, id="cut-without-levels"),
        pytest.param({"cut": [[0, "given", [0, 1, 2], [16, 16]], None]}, id="cut-in-two-dimensions"),
        pytest.param({"cut": [[0, "spool", [0, 1, 2], [16, 16, 16]], None]}, id="cut-without-its-spool"),
    ],
)
def test_a_damaged_mark_is_refused_before_anything_is_touched(
    tmp_path: Path, damage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(volume(), tmp_path / "i", 9, monkeypatch, **WORDS)
    file = tmp_path / "i" / "zarr.json"
    document = json.loads(file.read_text())
    document["attributes"]["ome_ngff"]["incomplete"].update(damage)
    file.write_text(json.dumps(document))
    before = every_file(tmp_path / "i")
    with pytest.raises(StoreError, match="The mark of"):
        write_image(volume(), tmp_path / "i", resume=True, **WORDS)
    assert every_file(tmp_path / "i") == before


@pytest.mark.parametrize("name", ["held-older", "gone-older", "held-older/helper", "gone-older/helper"])
@pytest.mark.parametrize(
    "words", [pytest.param({"resume": True}, id="resume"), pytest.param({"overwrite": True}, id="new")]
)
def test_a_takeover_deletes_nothing_behind_a_link_in_the_journal(
    tmp_path: Path, name: str, words: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(volume(), tmp_path / "whole", **WORDS)
    killed(volume(), tmp_path / "i", 9, monkeypatch, **WORDS)
    (tmp_path / "victim" / "below").mkdir(parents=True)
    for place in ("victim", "victim/below"):
        (tmp_path / place / "alive").write_text("mine")
    before, link = every_file(tmp_path / "victim"), tmp_path / "i" / ".ome_ngff" / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "victim")
    write_image(volume(), tmp_path / "i", **words, **WORDS)
    assert every_file(tmp_path / "victim") == before
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


@pytest.mark.parametrize("words", [{}, {"resume": True}, {"overwrite": True}], ids=["new", "resume", "overwrite"])
def test_a_file_in_the_place_of_the_journal_is_refused(tmp_path: Path, words: dict[str, Any]) -> None:
    (tmp_path / "i").mkdir()
    (tmp_path / "i" / ".ome_ngff").write_text("mine")
    before = every_file(tmp_path)
    with pytest.raises(ExistsError, match="move it away"):
        write_image(volume(), tmp_path / "i", **words, **WORDS)
    assert every_file(tmp_path) == before


@pytest.mark.parametrize("level", ["0", "1"])
def test_a_level_that_is_a_link_is_not_written_through(
    tmp_path: Path, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(volume(), tmp_path / "i", 9, monkeypatch, **WORDS)
    shutil.move(tmp_path / "i" / level, tmp_path / "victim")
    (tmp_path / "i" / level).symlink_to(tmp_path / "victim")
    before = every_file(tmp_path / "victim")
    with pytest.raises(StoreError, match="link"):
        write_image(volume(), tmp_path / "i", resume=True, **WORDS)
    assert every_file(tmp_path / "victim") == before


# Helpers of one holder ----------------------------------------------------------------------------------------------


def caught_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Begin a write and return its job."""
    found: list[Job] = []

    def caught(job: Job, *rest: Any) -> None:
        found.append(job)
        raise Killed

    with dying(monkeypatch, run=caught):
        write_image(volume(), tmp_path / "i", **WORDS)
    return found[0]


def test_a_task_that_two_workers_do_leaves_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    write_image(volume(), tmp_path / "whole", **WORDS)
    job = caught_job(tmp_path, monkeypatch)
    workers = [pickle.loads(pickle.dumps(job)) for _ in range(2)]
    for number, work in enumerate(job.plan.passes):
        for i in range(len(work)):
            for worker in workers:
                run_unit(worker, number, i)
    for level in "012":
        assert every_file(tmp_path / "i" / level) == every_file(tmp_path / "whole" / level)


def test_a_worker_that_arrives_after_a_takeover_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    sent = pickle.dumps(caught_job(tmp_path, monkeypatch))
    write_image(volume(1), tmp_path / "i", overwrite=True, **WORDS)
    before = every_file(tmp_path / "i")
    with pytest.raises(TakenOverError):
        run_unit(pickle.loads(sent), 0, 0)
    assert every_file(tmp_path / "i") == before


def test_a_worker_that_arrives_between_two_steps_of_a_takeover_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, end, tried = caught_job(tmp_path, monkeypatch).holder, folders.end_of, []

    def arrive(folder: Path) -> None:
        end(folder)
        if not tried:
            tried.append(folder)
            with pytest.raises(TakenOverError):
                Holder.join(holder.target, holder.spool)

    monkeypatch.setattr(folders, "end_of", arrive)
    write_image(volume(1), tmp_path / "i", overwrite=True, **WORDS)
    assert tried


def test_a_holder_without_a_folder_that_comes_late_notes_nothing() -> None:
    store: dict[str, Any] = {}
    group = zarr.create_group(store)
    older = Holder.begin(journal.hold(attrs.evolve(find_target(group), attributes=MARKED), shared=False), None)
    older.note("0-0")
    journal.hold(older.target, shared=False)
    with pytest.raises(TakenOverError):
        older.note("0-1")
    assert [key for key in store if key.startswith(".ome_ngff")] == [".ome_ngff/a.0-0"]


class Looks:
    """A holder on a store that is away, whose looks at the mark take as long as they are told to."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_image(np.zeros((4, 4), "uint8"), tmp_path / "i", axes="yx")
        self.holder, self.now, self.asked = Holder(find_target(tmp_path / "i")), 100.0, list[float]()
        self.asking, self.answered = threading.Semaphore(0), threading.Semaphore(0)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(Holder, "compare", lambda holder: self.compare())

    def compare(self) -> None:
        self.asked.append(self.now)
        self.asking.release()
        assert self.answered.acquire(timeout=60)

    def together(self, count: int) -> list[threading.Thread]:
        threads = [threading.Thread(target=self.holder._compare_lately) for _ in range(count)]
        for thread in threads:
            thread.start()
        return threads


def test_while_one_asks_for_the_mark_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, moment = Looks(tmp_path, monkeypatch), folders.MOMENT
    looks.answered.release()
    looks.holder._compare_lately()
    looks.now += 0.4 * moment
    looks.holder._compare_lately()
    assert looks.asked == [100.0]
    looks.now += 0.2 * moment
    (asks,) = looks.together(1)
    assert looks.asking.acquire(timeout=60)  # the first look, which is answered
    assert looks.asking.acquire(timeout=60)
    looks.holder._compare_lately()  # which the last answer allows
    looks.answered.release()
    asks.join()
    assert len(looks.asked) == 2


def test_all_that_need_a_look_at_the_mark_share_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(tmp_path, monkeypatch)
    waiting = looks.together(5)
    assert looks.asking.acquire(timeout=60)
    time.sleep(0.1)  # until the others wait, too
    looks.answered.release()
    for thread in waiting:
        thread.join()
    assert looks.asked == [100.0]


def test_what_a_look_at_the_mark_finds_stops_all_that_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, stopped = Looks(tmp_path, monkeypatch), list[str]()

    def taken(holder: Holder) -> None:
        raise TakenOverError("taken over")

    monkeypatch.setattr(Holder, "compare", taken)

    def write() -> None:
        try:
            looks.holder._compare_lately()
        except TakenOverError as error:
            stopped.append(str(error))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stopped == ["taken over"] * 4


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_small_files_of_a_holder_that_comes_late_stay_out(tmp_path: Path, kind: str) -> None:
    group = zarr.create_group(tmp_path / "i" if kind == "folder" else {})
    older = Holder.begin(journal.hold(attrs.evolve(find_target(group), attributes=MARKED), shared=False), None)
    older.put("a", b"1")
    older.append("a", b"2", b"12")
    target = journal.hold(older.target, shared=False)
    expel(target)
    newer = Holder.begin(target, None)
    calls = [lambda: older.put("a", b"3"), lambda: older.append("a", b"3", b"123"), lambda: older.remove("a")]
    for late in (*calls, older.look):
        with pytest.raises(TakenOverError):
            late()
    newer.append("a", b"4", b"124")
    assert asyncio.run(group.store.get("a", default_buffer_prototype())).to_bytes() == b"124"
    newer.remove("a")
    newer.remove("a")
    assert not asyncio.run(group.store.exists("a"))


def test_a_holder_that_leaves_keeps_the_journal_for_whoever_comes(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "i")
    holder = Holder.begin(journal.hold(attrs.evolve(find_target(group), attributes=MARKED), shared=False), None)
    holder.leave()
    assert list((tmp_path / "i" / ".ome_ngff").iterdir()) == []


def test_a_helper_that_was_expelled_sees_it_at_its_next_look(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "i")
    begun = journal.hold(attrs.evolve(find_target(group), attributes=MARKED), shared=True)
    first = Holder.begin(begun, None)
    helper = Holder.join(begun, None)
    helper.look()
    first._expel(helper.helper)
    first.look()
    with pytest.raises(TakenOverError):
        helper.look()


# Temporary arrays ---------------------------------------------------------------------------------------------------


def planes(pixels: np.ndarray[Any, Any]) -> Any:
    return da.from_array(pixels, chunks=(1, -1, -1)) + 0


def test_a_spool_that_lost_half_of_its_chunks_is_filled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(volume(), tmp_path / "whole", **WORDS)
    killed(planes(volume()), tmp_path / "i", 30, monkeypatch, **WORDS)
    (spool,) = (tmp_path / "cache").glob("ome_ngff-spool-*")
    chunks = [path for path in spool.glob("c/**/*") if path.is_file()]
    for path in chunks[::2]:
        path.unlink()
    write_image(planes(volume()), tmp_path / "i", resume=True, **WORDS)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


@pytest.mark.parametrize("kind", ["spool", "margins"])
def test_a_temporary_chunk_that_goes_during_a_write_is_an_error(tmp_path: Path, kind: str) -> None:
    source, words = SOURCES[kind][0](volume()), {**WORDS, **SOURCES[kind][1]}
    write_image(source, tmp_path / "whole", **words)
    lost: list[Path] = []

    def lose(done: int, total: int) -> None:
        places = [tmp_path / "cache", *(tmp_path / "i" / ".ome_ngff").glob("margin-*")]
        for chunk in (path for place in places for path in place.rglob("c/**/*") if path.is_file()):
            if not lost or done > 5:
                lost.append(chunk)
                chunk.unlink()

    with pytest.raises(StoreError, match="has lost chunks"):
        write_image(source, tmp_path / "i", progress=lose, **words)
    assert lost
    write_image(source, tmp_path / "i", overwrite=True, **words)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


@pytest.mark.parametrize("unit", [5, 20])
def test_margins_that_lost_chunks_are_done_without(tmp_path: Path, unit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    words = {**WORDS, "method": "gaussian"}
    write_image(volume(), tmp_path / "whole", **words)
    killed(volume(), tmp_path / "i", unit, monkeypatch, **words)
    journal = tmp_path / "i" / ".ome_ngff"
    chunks = [path for path in journal.glob("margin-*/c/**/*") if path.is_file()]
    assert chunks
    for chunk in chunks[::3]:
        chunk.unlink()
    write_image(volume(), tmp_path / "i", resume=True, **words)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


@pytest.mark.parametrize("kind", ["spool", "margins"])
def test_zeros_are_stored_in_temporary_arrays(tmp_path: Path, kind: str) -> None:
    source, words = SOURCES[kind][0](np.zeros(SHAPE, "uint16")), {**WORDS, **SOURCES[kind][1]}
    most: list[int] = [0]

    def look(done: int, total: int) -> None:
        places = [tmp_path / "cache", *(tmp_path / "i" / ".ome_ngff").glob("margin-*")]
        most.append(len([path for place in places for path in place.rglob("c/**/*") if path.is_file()]))

    write_image(source, tmp_path / "i", progress=look, **words)
    assert max(most) > 5
    assert not [path for path in (tmp_path / "i" / "0").rglob("*") if path.is_file() and path.name != "zarr.json"]


def test_the_spool_goes_before_the_image_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(volume(), tmp_path / "whole", **WORDS)

    def finish(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(journal, "finish", finish)
    with dying(monkeypatch):
        write_image(planes(volume()), tmp_path / "i", **WORDS)
    monkeypatch.undo()
    assert not list((tmp_path / "cache").glob("*"))
    write_image(planes(volume()), tmp_path / "i", resume=True, **WORDS)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


# Real processes -----------------------------------------------------------------------------------------------------

WRITER = """
    import sys, time
    import numpy as np
    import ome_ngff, zarr
    import dask.array as da
    pixels = np.random.default_rng(0).integers(0, 4000, (48, 70, 90)).astype("uint16")
    source = da.from_array(pixels, chunks=(1, -1, -1)) + 0 if "planes" in sys.argv else pixels
    print("ready", flush=True)
    with ome_ngff.config.set(memory_target="400kB", task_target="100kB", cache_store=sys.argv[2]):
        ome_ngff.write_image(
            source, sys.argv[1], axes="zyx", chunks=16, method="gaussian", resume=True,
            scale_factors=[{"z": 1, "y": 2, "x": 2}, {"z": 2, "y": 4, "x": 4}],
        )
"""


def writer(place: Path, cache: Path, *more: str) -> subprocess.Popen[str]:
    """Start a process that writes, and return once it is about to."""
    code = textwrap.dedent(WRITER)
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(place), str(cache), *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": "error"},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
@pytest.mark.parametrize("kind", [pytest.param((), id="in memory"), pytest.param(("planes",), id="planes")])
def test_a_suspended_process_that_is_revived_harms_nothing(tmp_path: Path, kind: tuple[str, ...]) -> None:
    words = {**WORDS, "method": "gaussian"}
    source = planes(volume()) if kind else volume()
    write_image(source, tmp_path / "whole", **words)
    wanted, hits, moments = every_file(tmp_path / "whole"), 0, random.Random(0)
    for number in range(3):
        place = tmp_path / f"{number}"
        older = writer(place, tmp_path / "cache", *kind)
        notes = moments.randrange(40)
        while len(list((place / ".ome_ngff").glob("*.?-*"))) < notes and older.poll() is None:
            time.sleep(0.001)
        older.send_signal(signal.SIGSTOP)
        write_image(source, place, resume=True, **words)
        assert every_file(place) == wanted
        older.send_signal(signal.SIGCONT)
        _, said = older.communicate(timeout=120)
        hits += "TakenOverError" in said
        assert older.returncode == 0 or "TakenOverError" in said, said
        assert every_file(place) == wanted
    assert hits
    assert not list((tmp_path / "cache").glob("*"))


@pytest.mark.slow
def test_of_four_processes_at_once_one_finishes(tmp_path: Path) -> None:
    words = {**WORDS, "method": "gaussian"}
    write_image(planes(volume()), tmp_path / "whole", **words)
    crowd = [writer(tmp_path / "i", tmp_path / "cache", "planes") for _ in range(4)]
    said = [process.communicate(timeout=240)[1] for process in crowd]
    codes = [process.returncode for process in crowd]
    assert 0 in codes, said
    assert all(code == 0 or "TakenOverError" in text for code, text in zip(codes, said, strict=True)), said
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")
    for found, wanted in zip(
        pixels_by_tensorstore(tmp_path / "i"), pixels_by_tensorstore(tmp_path / "whole"), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)


def test_a_finished_write_takes_its_folders_away_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk through what it has made itself would cost a small image a fifth of all calls."""
    walked: list[Path] = []
    monkeypatch.setattr(shutil, "rmtree", lambda path, **words: walked.append(path) if os.path.exists(path) else None)
    write_image(np.ones((64, 64), "u2"), tmp_path / "i.ome.zarr", axes="yx", scale_factors=[2])
    assert walked == []
    assert sorted(path.name for path in (tmp_path / "i.ome.zarr").iterdir()) == ["0", "1", "zarr.json"]
