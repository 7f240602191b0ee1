"""The engine: one read, bounded memory, the same bytes however it runs, and nothing half done that looks finished."""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import numpy as np
import pytest
import zarr
from helpers import InUnits, attributes, document, every_file, pixels
from hypothesis import given
from hypothesis import strategies as st

import ome_ngff
from ome_ngff import IncompleteError, Scaler, StoreError, config, open_image, write_image, write_labels
from ome_ngff.engine import schedule
from ome_ngff.exceptions import ExistsError
from ome_ngff.pixels.source import read
from ome_ngff.pixels.travel import mapped_anew, pack, unpack
from ome_ngff.store import Layout
from ome_ngff.store.holder import Holder
from ome_ngff.store.opening import cells_in
from ome_ngff.store.target import find_target
from ome_ngff.write import replace
from ome_ngff.write.arguments import image_request

SHAPE = (30, 44, 56)
LADDER = [{"z": 1, "y": 2, "x": 2}, {"z": 2, "y": 4, "x": 4}, {"z": 4, "y": 8, "x": 8}]
WORDS: dict[str, Any] = {"axes": "zyx", "scale_factors": LADDER, "chunks": 16}


@pytest.fixture(scope="module")
def image() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 4000, SHAPE).astype("uint16")


@pytest.fixture(scope="module")
def large() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 4000, (48, 70, 90)).astype("uint16")


@pytest.fixture
def small() -> Iterator[None]:
    """Let tasks hold so little that there are many of them, in several passes."""
    with ome_ngff.config.set(memory_target="100kB", task_target="25kB"):
        yield


def sources(image: np.ndarray[Any, Any], folder: Path) -> dict[str, Any]:
    """Return the same pixels in all the ways in which they may come."""
    np.save(folder / "a.npy", image)
    stored = zarr.create_array(folder / "a.zarr", shape=image.shape, dtype=image.dtype, chunks=(13, 21, 56))
    stored[...] = image
    file = h5py.File(folder / "a.h5", "w")
    return {
        "numpy": image,
        "memmap": np.load(folder / "a.npy", mmap_mode="r"),
        "bricks": da.from_array(image, chunks=16) + 0,
        "planes": da.from_array(image, chunks=(1, -1, -1)) + 0,
        "irregular": da.from_array(image, chunks=((7, 13, 10), (30, 10, 4), (19, 37))) + 0,
        "one huge chunk": da.from_array(image, chunks=-1) + 0,
        "tiny chunks": da.from_array(image, chunks=(7, 9, 11)) + 0,
        "numpy in dask": da.from_array(image, chunks=13),
        "zarr": stored,
        "zarr in dask": da.from_zarr(str(folder / "a.zarr")),
        "h5py": file.create_dataset("chunked", data=image, chunks=(9, 44, 13)),
        "h5py contiguous": file.create_dataset("plain", data=image),
    }


@pytest.mark.usefixtures("small")
def test_every_source_gives_the_same_store_byte_for_byte(
    tmp_path: Path, image: np.ndarray[Any, Any], any_method: Any
) -> None:
    with ome_ngff.config.set(memory_target="1GB"):
        write_image(image, tmp_path / "whole", method=any_method, **WORDS)
    expected = every_file(tmp_path / "whole")
    wanted = getattr(Scaler(any_method, scale_factors=LADDER), any_method.name)(image)
    for level, pixels_wanted in zip(pixels(tmp_path / "whole"), wanted, strict=True):
        np.testing.assert_array_equal(level, pixels_wanted)
    with ome_ngff.config.set(cache_store=tmp_path / "cache"):
        for name, source in sources(image, tmp_path).items():
            write_image(source, tmp_path / name, method=any_method, **WORDS)
            assert every_file(tmp_path / name) == expected, name
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.slow
@given(
    memory=st.sampled_from(["30kB", "90kB", "600kB"]),
    task=st.sampled_from(["6kB", "60kB"]),
    workers=st.integers(1, 4),
    chunks=st.tuples(*(st.integers(8, 30) for _ in range(3))),
    method=st.sampled_from(["gaussian", "resize", "local_mean", "mode"]),
    blocks=st.none() | st.tuples(*(st.integers(9, 45) for _ in range(3))),
)
def test_no_budget_and_no_cut_changes_a_pixel(
    image: np.ndarray[Any, Any], memory: str, task: str, workers: int, chunks: Any, method: str, blocks: Any
) -> None:
    source = image if blocks is None else da.from_array(image, chunks=blocks) + 0
    store: dict[str, Any] = {}
    with ome_ngff.config.set(memory_target=memory, task_target=task, workers=workers):
        write_image(source, store, method=method, **{**WORDS, "chunks": chunks})
    group = zarr.open_group(zarr.storage.MemoryStore(store), mode="r")
    for k, wanted in enumerate(Scaler(method, scale_factors=LADDER).func(image)):
        np.testing.assert_array_equal(group[str(k)][...], wanted)


@pytest.mark.parametrize("cut", ["bricks", "planes", "odd", "irregular"])
@pytest.mark.parametrize("memory", ["30kB", "100kB", "1GB"])
def test_each_block_of_a_costly_graph_is_computed_once(
    tmp_path: Path, image: np.ndarray[Any, Any], any_method: Any, cut: str, memory: str
) -> None:
    chunks: Any = {
        "bricks": 16, "planes": (1, -1, -1), "odd": (11, 70, 30), "irregular": ((7, 13, 10), (30, 10, 4), (19, 37))
    }[cut]  # fmt: skip
    computed: Counter[Any] = Counter()

    def costly(block: np.ndarray[Any, Any], block_id: Any = None) -> np.ndarray[Any, Any]:
        computed[block_id] += 1
        return block

    source = da.from_array(image, chunks=chunks).map_blocks(costly, dtype=image.dtype, meta=np.empty((0, 0, 0), "u2"))
    with ome_ngff.config.set(memory_target=memory, task_target="100kB"):
        write_image(source, tmp_path / "i", method=any_method, **WORDS)
    assert set(computed.values()) == {1}
    assert len(computed) == source.npartitions


@pytest.mark.parametrize("cut", ["none", "bricks", "planes"])
@pytest.mark.parametrize("method", ["resize", "local_mean"])
def test_a_pass_holds_no_more_than_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, cut: str
) -> None:
    volume = np.random.default_rng(0).integers(0, 4000, (64, 512, 512)).astype("uint16")
    source = volume if cut == "none" else da.from_array(volume, chunks=32 if cut == "bricks" else (1, -1, -1)) + 0
    ladder = [{axis: 2**k for axis in "zyx"} for k in (1, 2, 3)]
    run_pass = schedule._run_pass
    held: list[tuple[int, int]] = []

    def measured(job: Any, number: int, *rest: Any) -> None:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        run_pass(job, number, *rest)
        held.append((tracemalloc.get_traced_memory()[1] - before, job.plan.passes[number].peak_bytes))

    write_image(volume[:32, :64, :64], tmp_path / "warm", axes="zyx", method=method, scale_factors=ladder)
    monkeypatch.setattr(schedule, "_run_pass", measured)
    tracemalloc.start()
    try:
        with ome_ngff.config.set(memory_target="12MiB", task_target="6MiB", workers=2):
            write_image(source, tmp_path / "i", axes="zyx", method=method, scale_factors=ladder, chunks=32)
    finally:
        tracemalloc.stop()
    assert all(peak < planned + 2**21 for peak, planned in held)  # dask's graphs and compiled code are no pixels


def test_shards_are_written_whole_by_one_task_each(tmp_path: Path, image: np.ndarray[Any, Any]) -> None:
    words = {**WORDS, "chunks": 8, "shards": 32}
    write_image(image, tmp_path / "whole", method="gaussian", **words)
    with ome_ngff.config.set(memory_target="1MB", task_target="200kB"):
        write_image(da.from_array(image, chunks=(1, -1, -1)) + 0, tmp_path / "cut", method="gaussian", **words)
    assert every_file(tmp_path / "cut") == every_file(tmp_path / "whole")


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_a_memory_map_is_read_through_maps_of_its_own(tmp_path: Path, mode: Any) -> None:
    np.save(tmp_path / "a.npy", np.arange(10000, dtype="int32").reshape(100, 100))
    source = np.load(tmp_path / "a.npy", mmap_mode=mode)
    if mode != "r":
        source[50, 50] = -1
    for view in (source, source[10:90, 5:], source[::-1, ::2], source.T):
        with mapped_anew(view) as fresh:
            np.testing.assert_array_equal(fresh, view)
        np.testing.assert_array_equal(read(view, ((3, 60), (2, 40)), view.dtype), view[3:60, 2:40])


@pytest.mark.parametrize("offset", [16, mmap.ALLOCATIONGRANULARITY, 2 * mmap.ALLOCATIONGRANULARITY + 10])
def test_a_memory_map_may_begin_anywhere_in_its_file(tmp_path: Path, offset: int) -> None:
    wanted = np.random.default_rng(0).integers(0, 4000, (90, 100)).astype("uint16")
    (tmp_path / "a.raw").write_bytes(bytes(offset) + wanted.tobytes())
    source = np.memmap(tmp_path / "a.raw", "uint16", "r", offset, wanted.shape)
    for view, same in ((source, wanted), (source[40:, 3:], wanted[40:, 3:]), (source[::-1], wanted[::-1])):
        np.testing.assert_array_equal(read(view, ((3, 50), (2, 40)), view.dtype), same[3:50, 2:40])
        np.testing.assert_array_equal(unpack(pickle.loads(pickle.dumps(pack(view)))), same)


# Progress ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
def test_progress_counts_every_unit(tmp_path: Path, image: np.ndarray[Any, Any]) -> None:
    seen: list[tuple[int, int]] = []
    write_image(image, tmp_path / "i", progress=InUnits(lambda done, total: seen.append((done, total))), **WORDS)
    total = seen[0][1]
    assert total > 10
    assert seen == [(done, total) for done in range(total + 1)]


# Interruption and resumption ----------------------------------------------------------------------------------------


class Break(Exception):
    """Stands for a crash."""


def crash(image: np.ndarray[Any, Any], place: Any, after: int, write: Any = write_image, **words: Any) -> None:
    """Write until a number of units is done, or all but some where it is below zero, then crash."""

    def report(done: int, total: int) -> None:
        if done == after or done == total + after:
            raise Break

    with pytest.raises(Break):
        write(image, place, progress=InUnits(report), **words)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("after", [0, 1, 7, -1])
def test_a_crashed_write_is_no_image_and_resumes_to_the_same_bytes(
    tmp_path: Path, image: np.ndarray[Any, Any], any_method: Any, any_format: Any, after: int
) -> None:
    words = {**WORDS, "method": any_method, "fmt": any_format}
    write_image(image, tmp_path / "whole", **words)
    crash(image, tmp_path / "i", after, **words)
    assert "multiscales" not in document(tmp_path / "i")
    assert find_target(tmp_path / "i").mark is not None
    with pytest.raises(IncompleteError, match="resume=True to finish it"):
        write_image(image, tmp_path / "i", **words)
    seen: list[int] = []
    write_image(image, tmp_path / "i", resume=True, progress=InUnits(lambda done, total: seen.append(done)), **words)
    assert seen[0] >= after
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


def test_a_store_in_memory_keeps_no_pixels_that_we_work_on() -> None:
    """What is not compressed goes into it as it is."""
    image = np.random.default_rng(0).integers(0, 2**16, (64, 32, 32)).astype("uint16")
    store, before = dict[str, Any](), image.copy()
    with config.set(memory_target="200kB", task_target="40kB", workers=1):
        write_image(image, store, axes="zyx", chunks=(8, 32, 32), compression="none", scale_factors=[])
    image[...] = 0
    np.testing.assert_array_equal(open_image(store).images[0].data.compute(), before)


def test_a_store_that_takes_its_time_gets_many_chunks_at_once(image: np.ndarray[Any, Any]) -> None:
    import asyncio

    from zarr.storage import MemoryStore

    class Slow(MemoryStore):
        waiting, most = 0, 0

        async def set(self, key: str, value: Any, byte_range: Any = None) -> None:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
            await asyncio.sleep(0.01)
            self.waiting -= 1
            await super().set(key, value, byte_range)

    store = Slow()
    write_image(image, store, **WORDS)
    assert store.most >= 8


def test_once_a_piece_fails_no_other_begins_and_none_carries_on(
    tmp_path: Path, image: np.ndarray[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:

    begun: list[int] = []
    running: set[int] = set()
    write = Holder.write

    def fails_at_the_third(*arguments: Any) -> None:
        number = len(begun)
        begun.append(number)
        running.add(number)
        time.sleep(0.02)
        running.discard(number)
        if number == 2:
            raise OSError("the disk is full")
        write(*arguments)

    monkeypatch.setattr(Holder, "write", fails_at_the_third)
    with ome_ngff.config.set(workers=3), pytest.raises(OSError, match="the disk is full"):
        write_image(image, tmp_path / "i", **WORDS)
    assert 3 <= len(begun) <= 6
    assert not running
    assert find_target(tmp_path / "i").mark is not None


def test_once_a_unit_fails_no_other_begins_and_it_does_not_count(tmp_path: Path) -> None:
    reads: list[int] = []
    seen: list[int] = []

    class Failing:
        shape, ndim, dtype = (400, 64, 64), 3, np.dtype("uint16")

        def __getitem__(self, box: Any) -> Any:
            reads.append(box[0].start)
            number = len(reads)
            time.sleep(0.02)
            if number >= 4:
                raise Break
            return np.zeros([part.stop - part.start for part in box], self.dtype)

    with ome_ngff.config.set(memory_target="4MB", task_target="100kB", workers=2), pytest.raises(Break):
        write_image(
            Failing(),
            tmp_path / "i",
            axes="zyx",
            chunks=8,
            scale_factors=[],
            progress=InUnits(lambda done, _: seen.append(done)),
        )
    assert len(reads) <= 8
    journal = tmp_path / "i" / ".ome_ngff"
    assert max(seen) <= len(list(journal.glob("*.0-*"))) < 4
    assert not list(journal.glob("held-*"))


def test_an_index_error_of_a_source_is_an_error_of_the_write(tmp_path: Path) -> None:
    class Broken:
        shape, ndim, dtype = (64, 64), 2, np.dtype("uint8")

        def __getitem__(self, box: Any) -> Any:
            raise IndexError("no such plane")

    with pytest.raises(IndexError, match="no such plane"):
        write_image(Broken(), tmp_path / "i")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("shards", [None, 32])
def test_a_truncated_border_chunk_left_by_a_killed_process_is_rewritten(
    tmp_path: Path, image: np.ndarray[Any, Any], shards: int | None
) -> None:
    words = {**WORDS, "shards": shards}
    write_image(image, tmp_path / "whole", **words)
    crash(image, tmp_path / "i", 1, **words)
    corner = "0/c/0/1/1" if shards else "0/c/1/2/3"
    assert (tmp_path / "whole" / corner).exists()
    assert not (tmp_path / "i" / corner).exists()
    (tmp_path / "i" / corner).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "i" / corner).write_bytes((tmp_path / "whole" / corner).read_bytes()[:20])
    write_image(image, tmp_path / "i", resume=True, **words)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("after", [0, 3])
def test_resuming_keeps_the_labels_that_the_image_got_meanwhile(
    tmp_path: Path, image: np.ndarray[Any, Any], after: int
) -> None:
    write_image(image, tmp_path / "i", **WORDS)
    write_labels(image, tmp_path / "i", "old", method="nearest")
    crash(image + 1, tmp_path / "i", after, overwrite=True, **WORDS)
    assert not (tmp_path / "i" / "labels" / "old").exists()
    write_labels(image, tmp_path / "i", "new", method="nearest")
    write_image(image + 1, tmp_path / "i", resume=True, **WORDS)
    assert document(tmp_path / "i" / "labels")["labels"] == ["new"]
    np.testing.assert_array_equal(pixels(tmp_path / "i" / "labels" / "new")[0], image)


@pytest.mark.usefixtures("small")
def test_resuming_keeps_what_the_group_said_before(tmp_path: Path, image: np.ndarray[Any, Any]) -> None:
    said = {"version": "0.5", "bioformats2raw.layout": 3}
    zarr.create_group(tmp_path / "i", attributes={"ome": said, "mine": 1})
    crash(image, tmp_path / "i", 0, **WORDS)
    crash(image, tmp_path / "i", 0, resume=True, **WORDS)
    write_image(image, tmp_path / "i", resume=True, **WORDS)
    assert document(tmp_path / "i")["bioformats2raw.layout"] == 3
    assert attributes(tmp_path / "i")["mine"] == 1


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", ["memory", "remote"])
def test_units_are_noted_in_stores_that_are_no_folder(image: np.ndarray[Any, Any], bucket: str, kind: str) -> None:
    place = f"{bucket}/i" if kind == "remote" else zarr.storage.MemoryStore()
    crash(image, place, 9, **WORDS)
    seen: list[int] = []
    write_image(image, place, resume=True, progress=InUnits(lambda done, total: seen.append(done)), **WORDS)
    assert seen[0] >= 9
    np.testing.assert_array_equal(zarr.open_group(place, mode="r")["0"][...], image)


@pytest.mark.usefixtures("small")
def test_a_unit_that_is_not_noted_is_done_whatever_others_are(tmp_path: Path, image: np.ndarray[Any, Any]) -> None:
    write_image(image, tmp_path / "whole", **WORDS)
    words = {**WORDS, "layout": Layout.parse(WORDS["chunks"])}
    words.pop("chunks")
    plan = image_request(image, tmp_path / "other", **words).plan()
    crash(image, tmp_path / "i", 20, **WORDS)
    journal = tmp_path / "i" / ".ome_ngff"
    for level, box in plan.own(plan.passes[0], 1).items():
        for cell in cells_in(box, plan.grids[level].cell):
            (tmp_path / "i" / str(level) / "c" / "/".join(map(str, cell))).unlink()
    (note,) = journal.glob("*.0-1")
    note.unlink()
    assert list(journal.glob("*.0-11"))
    write_image(image, tmp_path / "i", resume=True, **WORDS)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


@pytest.mark.usefixtures("small")
def test_a_write_from_planes_resumes_with_its_spool(tmp_path: Path, image: np.ndarray[Any, Any]) -> None:
    planes = da.from_array(image, chunks=(1, -1, -1)) + 0
    words = {**WORDS, "method": "gaussian"}
    write_image(image, tmp_path / "whole", **words)
    with ome_ngff.config.set(cache_store=tmp_path / "cache"):
        crash(planes, tmp_path / "i", 5, **words)
        crash(planes, tmp_path / "i", 25, resume=True, **words)
        write_image(planes, tmp_path / "i", resume=True, **words)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


@pytest.mark.usefixtures("small")
def test_a_lost_spool_is_filled_again(tmp_path: Path, image: np.ndarray[Any, Any]) -> None:
    planes = da.from_array(image, chunks=(1, -1, -1)) + 0
    write_image(image, tmp_path / "whole", **WORDS)
    with ome_ngff.config.set(cache_store=tmp_path / "cache"):
        crash(planes, tmp_path / "i", 30, **WORDS)
    with ome_ngff.config.set(cache_store=tmp_path / "elsewhere"):
        write_image(planes, tmp_path / "i", resume=True, **WORDS)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


@pytest.mark.usefixtures("small")
def test_resuming_with_another_budget_goes_on_with_the_same_units(tmp_path: Path, image: np.ndarray[Any, Any]) -> None:
    write_image(image, tmp_path / "whole", **WORDS)
    crash(image, tmp_path / "i", 9, **WORDS)
    seen: list[int] = []
    with ome_ngff.config.set(memory_target="1GB", task_target="1GB", workers=3):
        write_image(
            image, tmp_path / "i", resume=True, progress=InUnits(lambda done, total: seen.append(done)), **WORDS
        )
    assert seen[0] >= 9
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


def test_units_of_another_cut_do_not_count_as_done(tmp_path: Path, large: np.ndarray[Any, Any]) -> None:
    write_image(large, tmp_path / "whole", **WORDS)
    with ome_ngff.config.set(memory_target="1MB", task_target="200kB", workers=2):
        crash(large, tmp_path / "i", 5, **WORDS)
    cut = find_target(tmp_path / "i").mark["cut"]
    with ome_ngff.config.set(memory_target="100kB", task_target="20kB", workers=1):
        crash(large, tmp_path / "i", -1, resume=True, **WORDS)
    assert find_target(tmp_path / "i").mark["cut"] != cut
    write_image(large, tmp_path / "i", resume=True, **WORDS)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("other", "named"),
    [
        pytest.param({"chunks": 8}, "chunks", id="chunks"),
        pytest.param({"compression": "zstd"}, "compression", id="compression"),
        pytest.param({"method": "mode"}, "method", id="method"),
        pytest.param({"scale_factors": [2]}, "levels", id="levels"),
        pytest.param({"name": "another"}, "name: there 'image', now 'another'", id="metadata"),
    ],
)
def test_resuming_with_other_settings_names_them(
    tmp_path: Path, image: np.ndarray[Any, Any], other: dict[str, Any], named: str
) -> None:
    crash(image, tmp_path / "i", 3, **WORDS)
    before = every_file(tmp_path / "i")
    with pytest.raises(StoreError, match=f"other settings .*{named}"):
        write_image(image, tmp_path / "i", resume=True, **{**WORDS, **other})
    assert every_file(tmp_path / "i") == before


@pytest.mark.usefixtures("small")
def test_resuming_a_finished_image_changes_nothing(tmp_path: Path, image: np.ndarray[Any, Any]) -> None:
    write_image(image, tmp_path / "i", **WORDS)
    before = every_file(tmp_path / "i")
    write_image(image, tmp_path / "i", resume=True, **WORDS)
    assert every_file(tmp_path / "i") == before
    with pytest.raises(StoreError, match="other settings"):
        write_image(image, tmp_path / "i", resume=True, **{**WORDS, "name": "other"})


def test_resuming_a_finished_image_with_other_settings_names_them(tmp_path: Path, image: np.ndarray[Any, Any]) -> None:
    write_image(image, tmp_path / "i", **WORDS)
    before = every_file(tmp_path / "i")
    with pytest.raises(StoreError, match=r"chunks\[0\]\[0\]: there 16, now 8"):
        write_image(image, tmp_path / "i", resume=True, **{**WORDS, "chunks": 8})
    with pytest.raises(StoreError, match="dtype: there 'uint16', now 'uint8'"):
        write_image(image.astype("uint8"), tmp_path / "i", resume=True, **WORDS)
    with pytest.raises(StoreError, match=r"shards\[0\]: there None, now \[32, 32, 32\]"):
        write_image(image, tmp_path / "i", resume=True, shards=32, **WORDS)
    assert every_file(tmp_path / "i") == before


def test_resuming_what_was_never_begun_writes_it(tmp_path: Path, image: np.ndarray[Any, Any]) -> None:
    write_image(image, tmp_path / "whole", **WORDS)
    write_image(image, tmp_path / "new", resume=True, **WORDS)
    zarr.create_group(tmp_path / "group", zarr_format=3)
    write_image(image, tmp_path / "group", resume=True, **WORDS)
    assert every_file(tmp_path / "new") == every_file(tmp_path / "group") == every_file(tmp_path / "whole")


@pytest.mark.usefixtures("small")
def test_an_interrupted_write_can_be_overwritten(tmp_path: Path, image: np.ndarray[Any, Any]) -> None:
    write_image(image[:, :, :20], tmp_path / "whole", **WORDS)
    crash(image, tmp_path / "i", 12, **WORDS)
    write_image(image[:, :, :20], tmp_path / "i", overwrite=True, **WORDS)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


@pytest.mark.parametrize("words", [{"resume": True}, {"overwrite": True}], ids=["resumed", "overwritten"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_replacement_killed_before_it_clears_leaves_nothing_old(
    tmp_path: Path, image: np.ndarray[Any, Any], monkeypatch: pytest.MonkeyPatch, words: dict[str, Any], times: int
) -> None:
    new, levels = image[:20, :30, :40], {**WORDS, "scale_factors": LADDER[:1]}
    write_image(new, tmp_path / "whole", **levels)
    write_image(image, tmp_path / "i", **WORDS)
    write_labels(image, tmp_path / "i", "old", method="nearest")

    def killed(*rest: Any) -> None:
        raise Break

    with monkeypatch.context() as patch:
        patch.setattr(replace, "clear", killed)
        for how in [{"overwrite": True}, words][:times]:
            with pytest.raises(Break):
                write_image(new, tmp_path / "i", **levels, **how)
    assert (tmp_path / "i" / "3").exists()
    assert "multiscales" not in document(tmp_path / "i")  # readers that are not ours know nothing of our mark
    write_image(new, tmp_path / "i", **levels, **words)
    assert every_file(tmp_path / "i") == every_file(tmp_path / "whole")


@pytest.mark.usefixtures("small")
def test_interrupted_labels_are_not_registered_until_they_are_finished(
    tmp_path: Path, image: np.ndarray[Any, Any]
) -> None:
    write_image(image, tmp_path / "i", **WORDS)
    words = {**WORDS, "name": "cells"}
    crash(image, tmp_path / "i", 5, write_labels, **words)
    assert "labels" not in document(tmp_path / "i" / "labels")
    write_labels(image, tmp_path / "i", resume=True, **words)
    assert document(tmp_path / "i" / "labels")["labels"] == ["cells"]


SCRIPT = """
    import sys
    import numpy as np
    import ome_ngff
    if __name__ == "__main__":
        image = np.load(sys.argv[1], mmap_mode="r")
        with ome_ngff.config.set(memory_target="6MB", task_target="1MB"):
            print("ready", flush=True)
            ome_ngff.write_image(image, sys.argv[2], axes="zyx", method="gaussian", chunks=16, resume=len(sys.argv) > 3,
                                 scale_factors=[dict.fromkeys("zyx", 2**k) for k in (1, 2)])
"""


@pytest.mark.slow
def test_a_write_killed_at_five_random_moments_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    np.save(tmp_path / "a.npy", random.integers(0, 4000, (64, 160, 160)).astype("uint16"))
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, str(script), str(tmp_path / "a.npy")]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    expected = every_file(tmp_path / "whole")
    killed_at_work = 0
    for moment in range(5):
        place = tmp_path / f"killed-{moment}"
        process, files = subprocess.Popen([*command, str(place)], stdout=subprocess.PIPE), random.integers(400)
        assert process.stdout is not None
        while process.poll() is None and sum(1 for _ in (place / "0").rglob("*")) < files:
            time.sleep(0.001)  # a moment of the work, however busy the machine is
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if place.exists() and find_target(place).mark is not None:
            killed_at_work += 1
            assert "ome" not in attributes(place)
        subprocess.run([*command, str(place), "resume"], check=True, capture_output=True)
        assert every_file(place) == expected
    assert killed_at_work >= 3


@pytest.mark.slow
def test_ctrl_c_stops_promptly_and_leaves_a_resumable_store(tmp_path: Path) -> None:
    image = np.random.default_rng(3).integers(0, 4000, (256, 256, 256)).astype("uint16")
    np.save(tmp_path / "a.npy", image)
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, str(script), str(tmp_path / "a.npy"), str(tmp_path / "i")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    while not (tmp_path / "i" / ".ome_ngff").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in error
    assert find_target(tmp_path / "i").mark is not None
    subprocess.run([*command, "resume"], check=True, capture_output=True)
    np.testing.assert_array_equal(pixels(tmp_path / "i")[0], image)


# Together ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_processes_writing_different_labels_lose_none(tmp_path: Path, image: np.ndarray[Any, Any]) -> None:
    write_image(image, tmp_path / "i", **WORDS)
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import sys, numpy as np, ome_ngff
        for k in range(6):
            ome_ngff.write_labels(np.ones((30, 44, 56), "uint8"), sys.argv[1], f"{sys.argv[2]}{k}", axes="zyx")
        """)
    )
    command = [sys.executable, str(script), str(tmp_path / "i")]
    both = [subprocess.Popen([*command, name]) for name in "ab"]
    assert [process.wait() for process in both] == [0, 0]
    assert sorted(document(tmp_path / "i" / "labels")["labels"]) == sorted(f"{a}{k}" for a in "ab" for k in range(6))


BEGUN, CALLED_OFF, RUNNING = threading.Event(), threading.Event(), set[int]()


def half_broken(block_id: Any) -> np.ndarray[Any, Any]:
    if block_id[0] == 0:
        assert BEGUN.wait(60)
        raise ValueError("broken")
    RUNNING.add(block_id[0])
    BEGUN.set()
    CALLED_OFF.wait(5)
    time.sleep(0.3)
    RUNNING.discard(block_id[0])
    return np.ones((8, 64, 64), "uint16")


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_once_a_write_on_a_cluster_fails_no_task_keeps_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import Client, LocalCluster

    call_off = schedule._call_off
    monkeypatch.setattr(schedule, "_call_off", lambda *words: CALLED_OFF.set() or call_off(*words))

    words = {"dtype": "uint16", "meta": np.empty((0, 0, 0), "uint16")}
    source = da.map_blocks(half_broken, chunks=((8,) * 4, (64,), (64,)), **words)
    local = {"n_workers": 1, "threads_per_worker": 4, "processes": False, "dashboard_address": ":0"}
    with ome_ngff.config.set(workers=4, task_target=1), LocalCluster(**local) as cluster, Client(cluster):
        with pytest.raises(ValueError, match="broken"):
            write_image(source, tmp_path / "i", axes="zyx", chunks=8, scale_factors=[])
        assert not RUNNING


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_a_cluster_of_processes_writes_the_same_bytes_as_threads(tmp_path: Path, large: np.ndarray[Any, Any]) -> None:
    from distributed import Client, LocalCluster

    lazy = da.from_array(large, chunks=(1, -1, -1)) + 0
    np.save(tmp_path / "a.npy", large[:, ::-1])
    words = {**WORDS, "method": "gaussian", "shards": 32}
    with ome_ngff.config.set(memory_target="1MB", task_target="200kB", cache_store=tmp_path / "cache"):
        write_image(large, tmp_path / "threads", **words)
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster):
            seen: list[tuple[int, int]] = []
            write_image(large, tmp_path / "numpy", progress=InUnits(lambda *state: seen.append(state)), **words)
            for name, source in {"dask": lazy, "memmap": np.load(tmp_path / "a.npy", mmap_mode="r")[:, ::-1]}.items():
                write_image(source, tmp_path / name, **words)
    assert seen[-1][0] == seen[-1][1] > 5
    expected = every_file(tmp_path / "threads")
    assert every_file(tmp_path / "numpy") == expected
    assert every_file(tmp_path / "dask") == expected
    assert every_file(tmp_path / "memmap") == expected


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_a_lost_worker_costs_time_and_no_pixel(tmp_path: Path, large: np.ndarray[Any, Any]) -> None:
    from distributed import Client, LocalCluster

    def slow(block: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        time.sleep(0.02)
        return block

    lazy = da.from_array(large, chunks=16).map_blocks(slow, dtype=large.dtype, meta=np.empty((0, 0, 0), "uint16"))
    with ome_ngff.config.set(memory_target="400kB", task_target="50kB"):
        write_image(large, tmp_path / "threads", **WORDS)
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster) as client,
        ):
            pids = list(client.run(os.getpid).values())

            def kill_one(done: int, total: int) -> None:
                if done == 5:
                    os.kill(pids[0], signal.SIGKILL)

            write_image(lazy, tmp_path / "cluster", progress=InUnits(kill_one), **WORDS)
            assert pids[0] not in client.run(os.getpid).values()
    assert every_file(tmp_path / "cluster") == every_file(tmp_path / "threads")


MEMORY = """
    import sys, threading, time
    import dask.array as da
    import numpy as np
    import ome_ngff

    kind, depth, place = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    chunks = {
        "bricks": ((64,) * (depth // 64), (256, 256), (256, 256)),
        "planes": ((1,) * depth, (512,), (512,)),
        "planes-by-a-spool": ((1,) * (depth // 4), (1024,), (1024,)),
    }[kind]

    def make(block_id=None):
        shape = tuple(c[i] for c, i in zip(chunks, block_id))
        return np.random.default_rng(block_id).integers(0, 500, shape).astype("uint16")

    source = da.map_blocks(make, chunks=chunks, dtype="uint16", meta=np.empty((0, 0, 0), "uint16"))
    with ome_ngff.config.set(memory_target="64MiB", task_target="16MiB", workers=2):
        ome_ngff.write_image(source, place, axes="zyx", chunks=32,
                             scale_factors=[dict.fromkeys("zyx", 2**k) for k in (1, 2, 3)])
    facts = dict(line.split(":") for line in open("/proc/self/status").read().splitlines())
    # How much of the libraries' files is mapped is the kernel's choice: 60 MiB more where they were just installed.
    print(int(facts["VmHWM"].split()[0]) - int(facts["RssFile"].split()[0]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")
@pytest.mark.parametrize("kind", ["bricks", pytest.param("planes", marks=pytest.mark.soak), "planes-by-a-spool"])
def test_peak_memory_does_not_grow_with_the_image(tmp_path: Path, kind: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(MEMORY))
    peaks = []
    for depth in (64, 128, 320):  # the first to compile what is not compiled yet; then 64 and 160 MiB
        command = [sys.executable, str(script), kind, str(depth), str(tmp_path / f"{depth}")]
        found = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ})
        peaks.append(int(found.stdout) / 1024)
    _, small, large = peaks
    assert large < 64 + 150
    assert large < 1.25 * small


def test_an_array_in_the_place_of_a_level_is_not_written_over(tmp_path: Path, image: np.ndarray[Any, Any]) -> None:
    for zarr_format in (2, 3):
        group = zarr.create_group(tmp_path / str(zarr_format), zarr_format=zarr_format)
        group.create_array("1", shape=(3, 3), dtype="uint8")
        with pytest.raises(ExistsError, match="already has an array at '1'"):
            write_image(image, group, **WORDS)
