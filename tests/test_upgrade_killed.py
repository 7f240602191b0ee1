"""Upgrades that are killed: after each step the store is an image of one version, and goes on, or back."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from dying import Dying, Killed, counted, dying, steps_of
from helpers import every_file
from zarr.errors import ZarrUserWarning
from zarr.storage import LocalStore

from ome_ngff import (
    Axis,
    FormatV05,
    IncompleteError,
    MissingError,
    StoreError,
    TakenOverError,
    open_image,
    undo,
    upgrade,
    write_image,
    write_labels,
    write_scene,
)
from ome_ngff.spaces import CoordinateSystem, Edge
from ome_ngff.store.staging import Staging, expel
from ome_ngff.store.target import Target

PIXELS = np.arange(6 * 20 * 30, dtype="uint16").reshape(6, 20, 30)
AXES = [Axis(name, "space") for name in "zyx"]
WAYS = [
    pytest.param("0.4", "0.5", id="0.4-0.5"),
    pytest.param("0.4", "0.6", id="0.4-0.6"),
    pytest.param("0.5", "0.4", id="0.5-0.4"),
    pytest.param("0.5", "0.6", id="0.5-0.6"),
    pytest.param("0.6", "0.4", id="0.6-0.4"),
    pytest.param("0.6", "0.5", id="0.6-0.5"),
]


def write(place: Any, fmt: str) -> None:
    """Write an image with labels, that can have any version."""
    words: dict[str, Any] = {"axes": "zyx", "chunks": 16, "scale_factors": [2]}
    write_image(PIXELS, place, fmt="0.4", **words)
    write_labels((PIXELS > 9).astype("uint8"), place, "cells", **words)
    if fmt != "0.4":
        upgrade(place, fmt)


def assert_readable(place: Any) -> None:
    """Read the image and its labels, with ours and with Zarr, in whatever version the root has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZarrUserWarning)  # of documents of both versions of Zarr at the root
        group: Any = zarr.open_group(place, mode="r")
        np.testing.assert_array_equal(group["0"][...], PIXELS)
        np.testing.assert_array_equal(group["labels/cells/0"][...], PIXELS > 9)
        if "ome_ngff" in group.attrs:
            with pytest.raises(IncompleteError, match=r"is being upgraded from OME-Zarr 0\.. to 0\.."):
                open_image(place)
            return
        image = open_image(place)
        assert image.metadata.version in {2: ("0.4",), 3: ("0.5", "0.6")}[group.metadata.zarr_format]
        for level, pixels in enumerate(image.images):
            np.testing.assert_array_equal(group[str(level)][...], np.asarray(pixels.data))
        np.testing.assert_array_equal(np.asarray(image.images[0].data), PIXELS)
        np.testing.assert_array_equal(np.asarray(image.labels["cells"].images[0].data), PIXELS > 9)


@pytest.mark.parametrize(("source", "to"), WAYS)
@pytest.mark.parametrize("way", ["on", "back"])
def test_killed_at_any_step_it_goes_on_or_back(source: str, to: str, way: str) -> None:
    begun = Dying()
    write(begun, source)
    before, start = begun.contents(), dict(begun._store_dict)
    steps, after = steps_of(start, lambda place: upgrade(place, to))
    assert steps > 6
    for last in range(steps):
        store = dying(start, last)
        with pytest.raises(Killed):
            upgrade(store, to)
        store.last = None
        assert_readable(store)
        if way == "on":
            upgrade(store, to)
            assert store.contents() == after, last
        elif last:
            undo(store)
            gone = ".ome_ngff/undo.zip" if last == steps - 1 else ""  # of what was done before that
            assert store.contents() == {key: content for key, content in before.items() if key != gone}, last


def test_a_scene_killed_on_its_way_back_goes_on_or_back() -> None:
    begun = Dying()
    write_image(PIXELS, zarr.storage.StorePath(begun, "left"), axes="zyx", chunks=16, scale_factors=[2], fmt="0.6")
    write_scene(begun, [Edge(("left", "physical"), "world")], [CoordinateSystem("world", AXES)])
    before, start = begun.contents(), dict(begun._store_dict)
    with pytest.warns(UserWarning, match="the name of the coordinate system 'world'"):
        steps, after = steps_of(start, lambda place: upgrade(place, "0.5", lossy=True))
    for last in range(1, steps):
        store = dying(start, last)
        with pytest.raises(Killed):
            upgrade(store, "0.5", lossy=True)
        store.last, other = None, dying(dict(store._store_dict), None)
        upgrade(store, "0.5", lossy=True)  # what was planned, and warned of, before it was killed
        assert store.contents() == after
        undo(other)
        assert other.contents() == before


@pytest.mark.parametrize(("source", "to"), WAYS)
def test_an_undo_killed_at_any_step_goes_on(source: str, to: str) -> None:
    begun = Dying()
    write(begun, source)
    before = begun.contents()
    upgrade(begun, to)
    start = dict(begun._store_dict)
    steps, _ = steps_of(start, undo)
    for last in range(steps):
        store = dying(start, last)
        with pytest.raises(Killed):
            undo(store)
        store.last = None
        assert_readable(store)
        if 0 < last < steps - 1:
            with pytest.raises(StoreError, match="was interrupted; finish that first"):
                upgrade(store, to)
        undo(store)
        found = {key: content for key, content in store.contents().items() if not key.startswith(".ome_ngff/")}
        assert found == {key: content for key, content in before.items() if not key.startswith(".ome_ngff/")}


@pytest.mark.parametrize(("source", "to"), WAYS)
def test_in_a_folder_each_step_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, to: str) -> None:
    write(tmp_path / "begun", source)
    count = counted(monkeypatch, (Staging, "_move"), (Staging, "remove"))
    before = every_file(tmp_path / "begun")
    whole = _copied(tmp_path, "whole")
    upgrade(whole, to)
    after = every_file(whole)
    undo(whole)
    upgrade(whole, to)
    for last in range(1, 60):
        place, count.steps, count.last = _copied(tmp_path, str(last)), 0, last
        try:
            upgrade(place, to)
        except Killed:
            assert_readable(place)
            other = _copied(tmp_path, f"{last}-back", place)
            upgrade(place, to)
            assert _without_records(every_file(place)) == _without_records(after)
            if last > 1:
                undo(other)
                assert _without_records(every_file(other)) == _without_records(before)
        else:
            break
    assert 6 < last < 59


def _copied(folder: Path, name: str, place: Path | None = None) -> Path:
    import shutil

    shutil.copytree(place or folder / "begun", folder / name)
    return folder / name


def _without_records(found: dict[str, str]) -> dict[str, str]:
    return {key: content for key, content in found.items() if not key.startswith(".ome_ngff")}


SCRIPT = """
import os, signal, sys
from ome_ngff import upgrade
from ome_ngff.store.staging import Staging, expel
from ome_ngff.store.target import Target
place, last, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
step, steps = getattr(Staging, name), 0
def take(*given):
    global steps
    steps += 1
    if steps == last:
        os.kill(os.getpid(), signal.SIGKILL)
    step(*given)
setattr(Staging, name, take)
upgrade(place)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
@pytest.mark.parametrize(
    ("last", "step"),
    [
        *((1, "_move"), (5, "_move"), (1, "remove")),
        *(pytest.param(*each, marks=pytest.mark.soak) for each in ((9, "_move"), (4, "remove"))),
    ],
)
def test_a_process_that_is_killed_leaves_a_way_on_and_back(tmp_path: Path, last: int, step: str) -> None:
    place = tmp_path / "begun"
    write(place, "0.4")
    before = every_file(place)
    killed = subprocess.run([sys.executable, "-c", SCRIPT, str(place), str(last), step], check=False)
    assert killed.returncode == -9
    assert_readable(place)
    other = _copied(tmp_path, "other", place)
    upgrade(place)  # waits until the lock of the process that is gone is silent
    assert_readable(place)
    undo(place)
    if (last, step) == (1, "_move"):
        with pytest.raises(MissingError):
            undo(other)
        undo_nothing = {k: v for k, v in every_file(other).items() if not k.startswith(".ome_ngff")}
        assert undo_nothing == before
    else:
        undo(other)
        assert every_file(other) == before
    assert every_file(place) == before


def test_a_hierarchy_that_is_marked_says_so(tmp_path: Path) -> None:
    write(tmp_path / "image", "0.5")
    group = zarr.open_group(tmp_path / "image", mode="a")
    group.attrs["ome_ngff"] = {"incomplete": {"change": "upgrade", "from": "0.5", "to": "0.6"}}
    calls: list[Callable[[], Any]] = [
        lambda: open_image(tmp_path / "image"),
        lambda: write_image(PIXELS, tmp_path / "image", axes="zyx"),
        lambda: write_image(PIXELS, tmp_path / "image", axes="zyx", resume=True),
    ]
    for call in calls:
        with pytest.raises(IncompleteError, match=r"is being upgraded from OME-Zarr 0.5 to 0.6"):
            call()


def test_two_at_once_do_it_once(tmp_path: Path) -> None:
    write(tmp_path / "image", "0.4")
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: upgrade(tmp_path / "image"), range(2)))
    assert sorted(each.documents for each in done) == [0, 21]
    assert_readable(tmp_path / "image")


@pytest.mark.parametrize("last", [2, 5, 9])
def test_one_that_another_has_taken_over_changes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    place, steps, there = tmp_path / "image", 0, {}
    write(place, "0.4")

    def put(*given: Any) -> None:
        nonlocal steps, there
        steps += 1
        if steps == last:  # another process goes on while this one is stopped
            expel(Target(LocalStore(place), "", FormatV05(), {}))
            there = every_file(place)
        whole(*given)

    whole = Staging.put
    monkeypatch.setattr(Staging, "put", put)
    with pytest.raises(TakenOverError, match="goes on alone"):
        upgrade(place)
    assert {key for key in every_file(place) if ".lock" not in key} == {key for key in there if ".lock" not in key}
    upgrade(place)
    assert_readable(place)
