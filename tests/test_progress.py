"""What is told while something is written: bytes, within units too, to whoever looks."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest

from ome_ngff import config, write_image
from ome_ngff.engine import progress
from ome_ngff.engine.progress import Meter, metered

LARGE = np.zeros((32, 1024, 1024), "uint16")  # 64 MiB, one unit of several pieces
WORDS: dict[str, Any] = {"axes": "zyx", "scale_factors": [2], "chunks": 64, "omero": False}


def test_a_callable_gets_bytes_within_a_unit_on_its_own_thread(tmp_path: Path) -> None:
    seen: list[tuple[int, int, int]] = []
    write_image(LARGE, tmp_path / "a", progress=lambda *state: seen.append((*state, threading.get_ident())), **WORDS)
    done = [state[0] for state in seen]
    assert {state[1] for state in seen} == {LARGE.nbytes}
    assert {state[2] for state in seen} == {threading.get_ident()}
    assert (done[0], done[-1]) == (0, LARGE.nbytes)
    assert done == sorted(set(done))
    assert max(np.diff(done)) <= LARGE.nbytes // 3


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("method", ["nearest", "gaussian"])
def test_bytes_of_many_units_and_passes_add_up(tmp_path: Path, method: str, workers: int) -> None:
    seen: list[tuple[int, int]] = []
    image = np.random.default_rng(0).integers(0, 99, (48, 70, 90)).astype("uint16")
    with config.set(memory_target="1MB", task_target="100kB", workers=workers, cache_store=tmp_path):
        write_image(image, tmp_path / "a", axes="zyx", chunks=16, method=method, progress=lambda *s: seen.append(s))
    assert seen[0][0] == 0
    assert seen[-1][0] == seen[-1][1] >= image.nbytes
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("chunks", "memory", "passes"),
    [pytest.param(16, "1MB", 2, id="blocks"), pytest.param((1, -1, -1), "200kB", 3, id="planes, by way of a spool")],
)
def test_bytes_of_all_passes_add_up_to_the_last_one(tmp_path: Path, chunks: Any, memory: str, passes: int) -> None:
    seen: list[tuple[int, int]] = []
    image = np.random.default_rng(0).integers(0, 99, (47, 71, 89)).astype("uint8")
    blocks = da.from_array(image, chunks=chunks) + 0
    with config.set(memory_target=memory, task_target="500kB", workers=1, cache_store=tmp_path):
        words: dict[str, Any] = {"axes": "zyx", "chunks": 16, "scale_factors": [2], "method": "gaussian"}
        write_image(blocks, tmp_path / "a", progress=lambda *s: seen.append(s), **words)
    assert seen == sorted(seen)
    assert seen[-1] == (passes * image.nbytes, passes * image.nbytes)


def test_parts_that_a_unit_reads_before_it_reduces_are_told(tmp_path: Path) -> None:
    seen, totals = list[int](), set[int]()
    planes = da.from_array(np.zeros((64, 96, 96), "uint16"), chunks=(1, -1, -1)) + 0  # to bricks by way of a spool
    with config.set(memory_target="4MB", task_target="2MB", workers=1, cache_store=tmp_path):
        words: dict[str, Any] = {"axes": "zyx", "chunks": 16, "scale_factors": [2, 4], "method": "gaussian"}
        write_image(planes, tmp_path / "a", progress=lambda *s: (seen.append(s[0]), totals.add(s[1])), **words)
    assert seen == sorted(set(seen))
    assert {seen[-1]} == totals
    assert len(seen) >= 2 * 20  # of each of 20 parts that it is read, and that it is done


def test_units_on_a_scheduler_of_dask_are_counted_once(tmp_path: Path) -> None:
    seen: list[int] = []
    image = np.ones((48, 64, 64), "uint8")
    blocks = da.from_array(image, chunks=16) + 0  # which are tasks, too
    with config.set(memory_target="1MB", task_target="50kB"), dask.config.set(scheduler="synchronous"):
        words: dict[str, Any] = {"axes": "zyx", "chunks": 16, "scale_factors": []}
        write_image(blocks, tmp_path / "a", progress=lambda done, _: seen.append(done), **words)
    assert len(seen) > 4
    assert seen == list(range(0, image.nbytes + 1, seen[1]))


def test_a_resumed_write_begins_where_it_was(tmp_path: Path) -> None:
    image = np.ones((8, 64, 64), "uint8")
    stopped: list[int] = []

    def stop(done: int, total: int) -> None:
        stopped.append(done)
        if done >= total // 2:
            raise KeyboardInterrupt

    words: dict[str, Any] = {"axes": "tyx", "scale_factors": []}
    with config.set(task_target=1, workers=1):
        with pytest.raises(KeyboardInterrupt):
            write_image(image, tmp_path / "a", progress=stop, **words)
        seen: list[int] = []
        write_image(image, tmp_path / "a", resume=True, progress=lambda done, _: seen.append(done), **words)
    assert stopped[-1] == image.nbytes // 2
    assert image.nbytes // 2 - 64 * 64 <= seen[0] <= image.nbytes // 2
    assert seen[-1] == image.nbytes


def slow(told: Any) -> None:
    with metered(told, 2**20, 4 * 2**20) as meter:
        for _ in range(3):
            time.sleep(0.05)
            meter.add(2**20)


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    slow(True)
    shown = capsys.readouterr()
    assert "writing" in shown.err
    assert "MB" in shown.err
    assert shown.out == ""


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    slow(True)
    assert capsys.readouterr().err == ""  # what is done before the first line needs none
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.02)
    slow(True)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 3
    assert lines[-1].startswith("writing: 4.0 MiB of 4.0 MiB (100%), ")
    assert all(line.startswith("writing: ") and "MiB" in line and "/s" in line for line in lines)


def test_a_notebook_without_widgets_gets_a_bar_of_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rich.console.Console.is_jupyter", True, raising=False)
    monkeypatch.setattr(progress, "find_spec", lambda name: None)
    monkeypatch.setattr("rich.console.Console", lambda **words: SimpleNamespace(is_jupyter=True))
    slow(True)
    shown = capsys.readouterr()
    assert shown.err == ""
    assert f"\rwriting [{'#' * 30}] 4.0 MiB of 4.0 MiB (100%), " in shown.out
    assert shown.out.endswith("\n")


def test_a_line_says_how_fast_and_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    meter = Meter(2**30, 4 * 2**30, "writing")
    assert meter.line() == "writing: 1.0 GiB of 4.0 GiB (25%), 0 B/s"
    meter.add(2**30)
    now[0] += 60
    assert meter.line() == "writing: 2.0 GiB of 4.0 GiB (50%), 17.1 MiB/s, 0:02:00 left"
