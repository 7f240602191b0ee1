"""Writes beside writes: what two of them share is held by one at a time, and none touches what is another's."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from helpers import InUnits, document, every_file, pixels
from zarr.storage import MemoryStore

import ome_ngff
from ome_ngff import LabelError, OptionError, StoreError, to_multiscales, to_ngff_image, to_ngff_zarr, write_image
from ome_ngff.store import open_array
from ome_ngff.store.attributes import update_document
from ome_ngff.store.places import locate
from ome_ngff.store.target import find_target
from ome_ngff.store.temporary import make_spool

IMAGE = np.random.default_rng(0).integers(0, 4000, (16, 128, 128)).astype("uint16")
LADDER = [{"z": 2, "y": 2, "x": 2}]


class Interruption(Exception):
    """Stand in for whatever ends a process."""


def planes(image: np.ndarray[Any, Any], broken: bool) -> Any:
    """Return an image plane by plane, of which the last one fails while it is broken."""

    def plane(block_id: Any) -> np.ndarray[Any, Any]:
        if broken and block_id[0] == len(image) - 1:
            raise Interruption
        return image[block_id[0]][None]

    chunks = ((1,) * len(image), image.shape[1:2], image.shape[2:])
    return da.map_blocks(plane, chunks=chunks, dtype=image.dtype, meta=np.empty((0, 0, 0), image.dtype))


def test_writes_of_one_name_in_two_folders_have_a_spool_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    words: dict[str, Any] = {"axes": "zyx", "chunks": 16, "scale_factors": LADDER, "method": "local_mean"}
    with ome_ngff.config.set(memory_target="200kB", task_target="100kB", cache_store=cache, workers=1):
        for folder, image in (("a", IMAGE), ("b", IMAGE[::-1])):
            (tmp_path / folder).mkdir()
            monkeypatch.chdir(tmp_path / folder)
            with pytest.raises(Interruption):
                write_image(planes(image, broken=True), "same.zarr", **words)
        assert len(list(cache.iterdir())) == 2
        for folder, image in (("a", IMAGE), ("b", IMAGE[::-1])):
            monkeypatch.chdir(tmp_path / folder)
            write_image(planes(image, broken=False), "same.zarr", resume=True, **words)
            np.testing.assert_array_equal(pixels(tmp_path / folder / "same.zarr")[0], image)
    assert list(cache.iterdir()) == []


def test_a_write_that_starts_again_leaves_no_spool_of_the_first_one(tmp_path: Path) -> None:
    words: dict[str, Any] = {"axes": "zyx", "chunks": 16, "scale_factors": []}
    with ome_ngff.config.set(memory_target="200kB", task_target="100kB", cache_store=tmp_path / "cache", workers=1):
        with pytest.raises(Interruption):
            write_image(planes(IMAGE, broken=True), tmp_path / "i", **words)
        write_image(IMAGE, tmp_path / "i", overwrite=True, **words)
    assert list((tmp_path / "cache").iterdir()) == []


def test_only_a_spool_of_the_same_form_is_gone_on_with(tmp_path: Path) -> None:
    target = attrs.evolve(find_target(tmp_path / "i"), attributes={"ome_ngff": {"incomplete": {"write": "a1"}}})
    forms = [((4, 6), (2, 3), "u2"), ((8, 6), (2, 3), "u2"), ((8, 6), (4, 3), "u2"), ((8, 6), (4, 3), "u1")]
    with ome_ngff.config.set(cache_store=tmp_path / "cache"):
        for shape, chunks, dtype in forms:
            spool, fresh = make_spool(target, shape, chunks, np.dtype(dtype))
            assert (spool.shape, spool.chunks, spool.dtype, fresh) == (shape, chunks, dtype, True)
            spool[...] = 7
            spool, fresh = make_spool(target, shape, chunks, np.dtype(dtype))
            assert not fresh
            assert (spool[...] == 7).all()


def test_writes_in_threads_count_their_own_units_and_leave_zarr_unchanged(tmp_path: Path) -> None:
    before = {name: zarr.config.get(name, None) for name in ("codec_pipeline.path", "threading.max_workers")}

    def write(number: int) -> list[tuple[int, int]]:
        seen: list[tuple[int, int]] = []
        words: dict[str, Any] = {"axes": "zyx", "chunks": 16, "shards": 32, "scale_factors": LADDER}
        write_image(
            IMAGE + number, tmp_path / str(number), progress=InUnits(lambda *state: seen.append(state)), **words
        )
        return seen

    with (
        ome_ngff.config.set(memory_target="400kB", task_target="100kB", workers=2),
        ThreadPoolExecutor(4) as pool,
    ):
        counts = list(pool.map(write, range(12)))
    for number, seen in enumerate(counts):
        total = seen[-1][1]
        assert [done for done, _ in seen][-total:] == list(range(1, total + 1))
        np.testing.assert_array_equal(pixels(tmp_path / str(number))[0], IMAGE + number)
    assert {name: zarr.config.get(name, None) for name in before} == before


def test_the_first_use_of_an_array_changes_no_setting_of_zarr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(IMAGE, tmp_path / "i", axes="zyx", chunks=16, shards=32, scale_factors=[])
    array = open_array(zarr.storage.LocalStore(tmp_path / "i"), "0")
    monkeypatch.setattr(zarr.config, "set", None)  # another thread may be about to set the same
    np.testing.assert_array_equal(array[...], IMAGE)


def test_tasks_in_other_processes_are_not_given_the_memory_of_this_one() -> None:
    store = MemoryStore()
    with dask.config.set(scheduler="processes"), pytest.raises(StoreError, match="in the memory of this process"):
        write_image(IMAGE, store, axes="zyx")
    assert dict(store._store_dict) == {}


def test_tasks_for_the_memory_of_this_process_do_not_travel() -> None:
    tasks = write_image(IMAGE, MemoryStore(), axes="zyx", compute=False)
    with pytest.raises(StoreError, match="in the memory of this process"):
        dask.compute(*tasks, scheduler="processes", num_workers=1)


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        pytest.param({"a": IMAGE.astype("float32")}, LabelError, id="floats"),
        pytest.param({"../a": IMAGE}, OptionError, id="a-name-that-climbs"),
    ],
)
def test_labels_that_cannot_be_written_leave_the_image_that_is_there(
    tmp_path: Path, labels: dict[str, Any], error: type[Exception]
) -> None:
    image = to_multiscales(to_ngff_image(IMAGE, dims="zyx"), [2])
    to_ngff_zarr(tmp_path / "i", image)
    before = every_file(tmp_path / "i")
    image.labels.update(
        {name: to_multiscales(to_ngff_image(a, dims="zyx"), [2], "nearest") for name, a in labels.items()}
    )
    with pytest.raises(error):
        to_ngff_zarr(tmp_path / "i", image)
    assert every_file(tmp_path / "i") == before


@pytest.mark.slow
@pytest.mark.parametrize("age", [10, 1000])
def test_only_the_lock_of_a_process_that_is_gone_is_removed(tmp_path: Path, age: int) -> None:
    write_image(IMAGE, tmp_path / "i", axes="zyx", scale_factors=[])
    lock = tmp_path / "i" / ".ome_ngff.lock"
    lock.write_text("another's")
    os.utime(lock, (time.time() - age,) * 2)
    with ThreadPoolExecutor(1) as pool:
        change = pool.submit(update_document, find_target(tmp_path / "i"), lambda there: {"note": len(there)})
        if age < 60:
            time.sleep(0.2)
            assert not change.done()
            assert lock.read_text() == "another's"
            lock.unlink()
        change.result(10)
    assert "note" in document(tmp_path / "i")
    assert not list((tmp_path / "i").glob(".ome_ngff.lock*"))


def test_what_is_asynchronous_in_zarr_keeps_its_path(tmp_path: Path) -> None:
    async def opened() -> Any:
        return await zarr.api.asynchronous.create_group(store=tmp_path / "p.zarr", path="A/1/0")

    group = asyncio.run(opened())
    assert locate(group)[1] == "A/1/0"
    assert locate(find_target(zarr.open_group(tmp_path / "p.zarr", path="A/1/0")))[1] == "A/1/0"
