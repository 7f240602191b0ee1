"""Pixels that are mended: the bytes of a rebuild, only what is touched, killed at any step, undone."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr
from dying import Killed, Watched, image_files, killed_at
from hypothesis import given
from hypothesis import strategies as st
from oracles import examples
from zarr.storage import MemoryStore

from ome_ngff import (
    AxesError,
    IncompleteError,
    InputError,
    LabelError,
    MethodError,
    MissingError,
    NgffError,
    NgffImage,
    OptionError,
    ScaleError,
    StoreError,
    append_image,
    config,
    open_image,
    rebuild_levels,
    remove_levels,
    stream_image,
    undo,
    update_image,
    update_labels,
    verify,
    write_image,
    write_labels,
    write_multiscale,
)
from ome_ngff.engine import mending
from ome_ngff.engine.region import RegionPlan
from ome_ngff.engine.workers import WorkerPool
from ome_ngff.methods import Methods
from ome_ngff.pixels.ladders import levels
from ome_ngff.store.layout import Grid
from ome_ngff.writer import write_label_metadata

WRITABLE = [member.value for member in Methods if not member.method.in_memory]
LADDERS: list[list[dict[str, int]]] = [
    [],
    [{"y": 2, "x": 2}, {"y": 4, "x": 4}],
    [{"z": 2, "y": 2, "x": 2}, {"z": 2, "y": 4, "x": 8}],
    [{"y": 2, "x": 2}, {"y": 3, "x": 3}, {"y": 6, "x": 6}],
    [{"z": 3, "x": 5}],
]
NOISE = np.random.default_rng(7).integers(0, 60000, (6, 40, 50)).astype("uint16")
DEEP: dict[str, Any] = {"axes": "zyx", "chunks": (6, 8, 8), "scale_factors": [2, 4], "omero": False}
KNOWN: dict[str, Any] = {"axes": "zyx", "chunks": 8, "scale_factors": [2, 4], "omero": False}


@st.composite
def boxes(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    lows = [draw(st.integers(0, n - 1)) for n in shape]
    return tuple((low, draw(st.integers(low + 1, n))) for low, n in zip(lows, shape, strict=True))


def placed(whole: Any, part: Any, box: tuple[tuple[int, int], ...]) -> Any:
    changed = whole.copy()
    changed[tuple(slice(*span) for span in box)] = part
    return changed


# Update is rebuild --------------------------------------------------------------------------------------------------


@st.composite
def updates(draw: st.DrawFn) -> dict[str, Any]:
    shape = (draw(st.integers(1, 7)), draw(st.integers(2, 40)), draw(st.integers(2, 40)))
    dtype = draw(st.sampled_from(["uint8", "uint16", "int64", "float32", "float64"]))
    seed = draw(st.integers(0, 2**20))
    random = np.random.default_rng(seed)
    sparse = draw(st.sampled_from([1, 3, 200]))
    most = 255 if dtype == "uint8" else 2**15

    def pixels(shape: Any) -> Any:
        return (random.integers(0, most, shape) * (random.integers(0, sparse, shape) == 0)).astype(dtype)

    box = draw(boxes(shape))
    fmt = draw(st.sampled_from(["0.4", "0.5", "0.6"]))
    chunks = tuple(draw(st.sampled_from(lengths)) for lengths in ([1, 2, 5], [4, 7, 16], [4, 9, 16]))
    words = {
        "axes": "zyx", "fmt": fmt, "method": draw(st.sampled_from(WRITABLE)), "chunks": chunks,
        "scale_factors": draw(st.sampled_from(LADDERS)), "omero": False,
        "compression": draw(st.sampled_from(["none", "zstd", "blosc-lz4"])),
    }  # fmt: skip
    if fmt != "0.4" and draw(st.booleans()):
        words["shards"] = tuple(c * draw(st.integers(1, 3)) for c in chunks)
    part = pixels([high - low for low, high in box])
    if draw(st.booleans()):
        part = da.from_array(part, chunks=draw(st.sampled_from([3, 5, 100])))
    return {"whole": pixels(shape), "part": part, "box": box, "words": words}


@given(case=updates(), held=st.booleans())
@examples(30)
def test_an_update_has_the_bytes_of_a_rebuild(case: dict[str, Any], held: bool) -> None:
    place, anew = MemoryStore({}), MemoryStore({})
    write_image(case["whole"], place, **case["words"])
    before = image_files(place)
    write_image(placed(case["whole"], np.asarray(case["part"]), case["box"]), anew, **case["words"])
    with config.set(memory_target=config.memory_target if held else 4096):  # else levels are read again
        update_image(case["part"], place, [low for low, _ in case["box"]])
    assert image_files(place) == image_files(anew)
    undo(place)
    assert image_files(place) == before
    assert not any(".ome_ngff" in key for key in place._store_dict)


@pytest.mark.parametrize("method", WRITABLE)
@pytest.mark.parametrize("fmt", ["0.4", "0.5"])
def test_a_folder_has_the_bytes_of_a_rebuild(tmp_path: Path, method: str, fmt: str) -> None:
    words = {**KNOWN, "method": method, "fmt": fmt, **({"shards": 16} if fmt == "0.5" else {})}
    write_image(NOISE, tmp_path / "image.zarr", **words)
    before = image_files(tmp_path / "image.zarr")
    part = NOISE[:2, 11:30, ::-1][..., :17] // 3
    update_image(part, tmp_path / "image.zarr", {"z": 3, "y": 20, "x": 9})
    write_image(placed(NOISE, part, ((3, 5), (20, 39), (9, 26))), tmp_path / "anew.zarr", **words)
    assert image_files(tmp_path / "image.zarr") == image_files(tmp_path / "anew.zarr")
    assert undo(tmp_path / "image.zarr") == "the update of z 3:5, y 20:39, x 9:26"
    assert image_files(tmp_path / "image.zarr") == before
    assert not (tmp_path / "image.zarr" / ".ome_ngff").exists()


def test_chunks_that_become_empty_go_and_come_back(tmp_path: Path) -> None:
    write_image(NOISE, tmp_path / "image.zarr", **KNOWN)
    before = image_files(tmp_path / "image.zarr")
    update_image(np.zeros_like(NOISE), tmp_path / "image.zarr")
    assert not [key for key in image_files(tmp_path / "image.zarr") if "/c/" in key]
    undo(tmp_path / "image.zarr")
    assert image_files(tmp_path / "image.zarr") == before


@pytest.mark.parametrize(
    ("given", "start"),
    [
        pytest.param(NOISE[2], {"z": 2}, id="plane"),
        pytest.param(da.from_array(NOISE[2], chunks=(7, 50)), {"z": 2}, id="dask"),
        pytest.param(xr.DataArray(NOISE[2].T, dims=("x", "y")), {"z": 2}, id="xarray-turned"),
        pytest.param(xr.DataArray(NOISE[:, :, 3], dims=("z", "y")), {"x": 3}, id="xarray-without-the-last"),
        pytest.param(NOISE[2].tolist(), [2, 0, 0], id="list"),
        pytest.param(NOISE[2:3, 5:], (2, 5, 0), id="number-per-axis"),
        pytest.param(NOISE[2, 5:, 4:].astype("uint8").astype("uint16"), [5, 4], id="number-per-axis-of-the-pixels"),
    ],
)
def test_pixels_land_where_their_axes_say(given: Any, start: Any) -> None:
    place = MemoryStore({})
    if isinstance(given, list):
        given = np.asarray(given, "uint16")
    write_image(np.zeros_like(NOISE), place, **KNOWN)
    update_image(given, place, start)
    wanted = np.zeros_like(NOISE)
    if isinstance(given, xr.DataArray):
        wanted[2] = NOISE[2] if "x" in given.dims else 0
        wanted[:, :, 3] = wanted[:, :, 3] if "x" in given.dims else NOISE[:, :, 3]
    elif isinstance(start, dict):
        wanted[2] = NOISE[2]
    else:
        first = [0] * (3 - len(start)) + list(start)
        pixels = np.asarray(given).reshape((1,) * (3 - np.ndim(given)) + np.shape(given))
        wanted[tuple(slice(at, at + n) for at, n in zip(first, pixels.shape, strict=True))] = pixels
    np.testing.assert_array_equal(np.asarray(open_image(place).images[0].data), wanted)


def test_each_block_of_a_costly_source_is_computed_once() -> None:
    count = itertools.count()

    def costly(block: Any) -> Any:
        next(count)
        return block + 1

    lazy = da.from_array(NOISE, chunks=(6, 13, 17)).map_blocks(
        costly, dtype="uint16", meta=np.empty((0, 0, 0), "uint16")
    )
    place = MemoryStore({})
    write_image(NOISE, place, **KNOWN)
    with config.set(memory_target=2**16):  # it does not fit
        update_image(lazy, place)
    assert next(count) == lazy.npartitions
    np.testing.assert_array_equal(np.asarray(open_image(place).images[0].data), NOISE + 1)


@pytest.mark.parametrize(("memory", "threads"), [(2**16, 1), (2**40, 5)], ids=["little", "much"])
def test_memory_bounds_the_threads_of_an_update(monkeypatch: pytest.MonkeyPatch, memory: int, threads: int) -> None:
    others: set[int] = set()
    monkeypatch.setattr(mending, "WorkerPool", lambda n, **words: others.add(n) or WorkerPool(n, **words))
    place = MemoryStore({})
    write_image(NOISE, place, **KNOWN)
    with config.set(memory_target=memory, workers=5):
        update_image(NOISE, place)
    assert others == {threads - 1}


# What is touched ----------------------------------------------------------------------------------------------------


@given(data=st.data(), method=st.sampled_from(WRITABLE), ladder=st.sampled_from(LADDERS))
@examples(60)
def test_what_changes_lies_in_the_boxes_of_the_plan(data: st.DataObject, method: str, ladder: Any) -> None:
    shape = tuple(data.draw(st.integers(2, 30)) for _ in range(3))
    box = data.draw(boxes(shape))
    factors = [tuple(each.get(name, 1) for name in "zyx") for each in ladder]
    reducer = Methods(method).method
    found = levels(shape, factors, reducer)
    plan = RegionPlan.of(found, [Grid((2, 4, 8))] * len(found), reducer, box)
    for k, level in enumerate(found[1:], start=1):
        parent = plan.touched[level.parent].box
        for axis, (f, n) in enumerate(zip(level.steps, found[level.parent].shape, strict=True)):
            low, high = parent[axis]
            sees = [reducer.needs(f, n, i, i + 1) for i in range(level.shape[axis])]
            hit = [i for i, (a, b) in enumerate(sees) if a < high and b > low]
            assert plan.touched[k].box[axis] == (hit[0], hit[-1] + 1)
        assert all(
            c % g == 0 and (d % g == 0 or d == n) and c <= a < b <= d
            for (a, b), (c, d), g, n in zip(
                plan.touched[k].box, plan.touched[k].cells, (2, 4, 8), level.shape, strict=True
            )
        )


def test_only_touched_chunks_are_written(tmp_path: Path) -> None:
    image = tmp_path / "image.zarr"
    write_image(NOISE, image, **{**KNOWN, "method": "gaussian"})
    before = {path: path.stat().st_ino for path in image.rglob("*") if path.is_file()}
    update_image(PART, image, {"z": 1, "y": 10, "x": 10})
    assert {str(path.relative_to(image)) for path, inode in before.items() if path.stat().st_ino != inode} == TOUCHED
    assert {path for path in image.rglob("*") if path.is_file() and ".ome_ngff" not in str(path)} == set(before)


PART = np.full((2, 6, 6), 9, "uint16")  # in one chunk of level 0, two pixels from its edges
TOUCHED = {"zarr.json", "0/c/0/1/1", "1/c/0/0/0", "1/c/0/0/1", "1/c/0/1/0", "1/c/0/1/1", "2/c/0/0/0"}


def test_only_touched_chunks_and_their_neighbours_are_read() -> None:
    store = Watched({})
    write_image(NOISE, store, **{**KNOWN, "method": "gaussian"})
    store.got.clear()
    store.put.clear()
    update_image(PART, store, {"z": 1, "y": 10, "x": 10})
    read = {key for key in store.got if key[0] in "012" and "/c/" in key}
    assert TOUCHED - {"zarr.json"} <= read <= TOUCHED | {f"0/c/0/{y}/{x}" for y in (0, 1, 2) for x in (0, 1, 2)}
    assert {key for key in store.put if not key.startswith(".ome_ngff")} == TOUCHED


def test_chunks_that_change_as_a_whole_are_not_read_for_it() -> None:
    store = Watched({})
    write_labels_alone(store, (32, 64, 64))
    store.got.clear()
    update_labels(np.ones((16, 32, 32), "uint32"), store, "cells", {"z": 16, "y": 32, "x": 32})
    kept = [key for key in store.put if "/old/" in key]
    assert len([key for key in store.got if "cells/0/c/" in key and key.startswith("labels")]) <= len(kept)


def write_labels_alone(store: Any, shape: tuple[int, ...]) -> None:
    """Write labels that are all 0, of any size: nothing but the documents."""
    step = {name: 2 for name in "zyx"}
    factors = [{name: f**k for name, f in step.items()} for k in (1, 2, 3)]
    words: dict[str, Any] = {"axes": "zyx", "scale_factors": factors, "chunks": 16}
    with pytest.warns(UserWarning, match="the labels stand there alone"):
        write_labels(np.zeros((16, 16, 16), "uint32"), store, "cells", **words)
    for k in range(4):
        key = f"labels/cells/{k}/zarr.json"
        array = json.loads(store._store_dict[key].to_bytes())
        array["shape"] = [n >> k for n in shape]
        array["chunk_grid"]["configuration"]["chunk_shape"] = [16, 16, 16]
        store._store_dict[key] = type(store._store_dict[key]).from_bytes(json.dumps(array).encode())


@pytest.mark.parametrize("size", [pytest.param(2**10, id="4-GiB"), pytest.param(2**15, id="128-TiB")])
@pytest.mark.parametrize(
    ("start", "lengths", "calls"),
    [
        pytest.param((32, 32, 64), (16, 32, 32), (49, 22), id="four-chunks"),
        pytest.param((35, 37, 66), (5, 20, 30), (52, 20), id="any-box"),
    ],
)
def test_calls_do_not_grow_with_the_image(size: int, start: Any, lengths: Any, calls: tuple[int, int]) -> None:
    store = Watched({})
    write_labels_alone(store, (size,) * 3)
    store.got.clear()
    store.put.clear()
    update_labels(np.ones(lengths, "uint32"), store, "cells", start)
    assert (len(store.got), len(store.put)) == calls
    label: Any = zarr.open_group(store, mode="r")["labels/cells/0"]
    around = tuple(slice(low - 1, low + 1) for low in start)  # of numbers alone, Zarr would count all chunks there are
    np.testing.assert_array_equal(label[around], np.arange(8).reshape(2, 2, 2) == 7)


# Killed, undone, refused --------------------------------------------------------------------------------------------


@pytest.fixture(params=["folder", "memory"])
def place(request: Any, tmp_path: Path) -> Any:
    found: Any = tmp_path / "image.zarr" if request.param == "folder" else MemoryStore({})
    write_image(NOISE, found, **KNOWN)
    return found


BOX, START = NOISE[:3, :9, :11] // 2, {"z": 1, "y": 12, "x": 5}
CHANGED = placed(NOISE, BOX, ((1, 4), (12, 21), (5, 16)))


@pytest.mark.parametrize("way", ["on", "back"])
def test_killed_at_random_steps_it_goes_on_or_back(
    place: Any, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = image_files(place)
    write_image(CHANGED, tmp_path / "anew.zarr", **KNOWN)
    wanted, marked = image_files(tmp_path / "anew.zarr"), 0
    with killed_at(10**9, monkeypatch) as steps:
        update_image(BOX, place, START)
    undo(place)
    for step in [0, 1, 2, *np.random.default_rng(3).integers(3, steps[0], 9).tolist()]:
        with killed_at(step, monkeypatch), suppress(Killed):
            update_image(BOX, place, START)
        now = image_files(place)
        if b"incomplete" in now["zarr.json"]:
            marked += 1
            with pytest.raises(IncompleteError, match=r"being changed .the update of z 1:4, y 12:21, x 5:16"):
                open_image(place)
            with pytest.raises(IncompleteError, match="was interrupted; finish that first"):
                update_image(BOX, place, START)
            with pytest.raises(IncompleteError, match="was interrupted; finish that first"):
                update_image(BOX, place, {"z": 2}, resume=True)
        else:
            assert now in (before, wanted)
        if way == "on":
            update_image(BOX, place, START, resume=True)
            assert image_files(place) == wanted
        with suppress(MissingError) if way == "back" else nullcontext():  # where nothing had changed yet
            undo(place)
        assert image_files(place) == before
    assert marked > 3


def test_resuming_what_is_done_keeps_the_way_back(place: Any) -> None:
    before = image_files(place)
    update_image(BOX, place, START)
    update_image(BOX, place, START, resume=True)
    undo(place)
    assert image_files(place) == before
    update_image(BOX, place, START)
    update_image(BOX // 2, place, START, resume=True)  # other pixels are another update
    np.testing.assert_array_equal(open_image(place).images[0].data[1:4, 12:21, 5:16], BOX // 2)


REAL: dict[str, Any] = {
    **KNOWN, "axes": "czyx", "scale": {"z": 2.0, "y": 0.65, "x": 0.65}, "translation": {"y": -13.0, "x": 1300.0},
    "axes_units": "micrometer", "channel_names": ["a", "b", "c"], "omero": True,
}  # fmt: skip
CHANNELS = NOISE[:3, None]
X = 0.65 * np.arange(11, dtype="float32")


def coordinates(data: Any, **words: Any) -> Any:
    """Return pixels that say where they lie in an image with `REAL`: z and y as dimensions, the rest as given."""
    y = xr.DataArray(-13.0 + 0.65 * np.arange(12, 12 + data.shape[-2]), dims="y", attrs={"units": "um"})
    return xr.DataArray(data, dims=("y", "x"), coords={"y": y, **words})


@pytest.mark.parametrize(
    ("given", "start", "first"),
    [
        pytest.param(coordinates(BOX[0], c="b"), {"x": 3}, (1, 12, 3), id="dims-and-a-name-that-is-left"),
        pytest.param(coordinates(BOX[0], c="c"), {"y": 12}, (2, 12, 0), id="the-same-twice"),
        pytest.param(
            coordinates(BOX[0], x=1300 + X, z=0.0), {"c": 1}, (1, 12, 0), id="float32"
        ),
        pytest.param(
            NgffImage(BOX[0], ("y", "x"), {"y": 650, "x": 650}, {"y": -5200}, axes_units={"y": "nm", "x": "nm"}),
            None, (0, 12, 0), id="ngff-image-in-another-unit",
        ),
    ],
)  # fmt: skip
def test_coordinates_say_where_pixels_lie(given: Any, start: Any, first: tuple[int, ...]) -> None:
    place = MemoryStore({})
    write_image(CHANNELS, place, **REAL)
    update_image(given, place, start)
    c, y, x = first
    wanted = CHANNELS.copy()
    wanted[c, 0, y : y + BOX.shape[1], x : x + BOX.shape[2]] = BOX[0]
    np.testing.assert_array_equal(open_image(place).images[0].data, wanted)


@pytest.mark.parametrize(
    ("given", "start", "error", "says"),
    [
        pytest.param(coordinates(BOX[0]), {"y": 3}, OptionError, "start is 3 along y, .* pixel 12", id="another-start"),
        pytest.param(coordinates(BOX[0], x=1300 + np.arange(11.0)), None, ScaleError, "is 1 long along x", id="size"),
        pytest.param(coordinates(BOX[0], x=1300.3 + X), None, ScaleError, "not one of", id="between"),
        pytest.param(coordinates(BOX[0], x=1290 + X), None, ScaleError, "not one of", id="before"),
        pytest.param(coordinates(BOX[0], z=1.0), None, ScaleError, "along z, which is not", id="a-plane-between"),
        pytest.param(coordinates(BOX[0], x=("x", X, {"units": "s"})), None, ScaleError, "in second", id="unit"),
        pytest.param(coordinates(BOX[0], z=np.datetime64(0, "s")), None, OptionError, "are dates", id="dates"),
        pytest.param(
            xr.DataArray(BOX[:2, None], dims=tuple("czyx"), coords={"c": ["a", "c"]}), None, InputError, "channels",
            id="channels-apart",
        ),
    ],
)  # fmt: skip
def test_coordinates_of_other_pixels_are_refused(given: Any, start: Any, error: Any, says: str) -> None:
    place = MemoryStore({})
    write_image(CHANNELS, place, **REAL)
    before = image_files(place)
    with pytest.raises(error, match=says):
        update_image(given, place, start)
    assert image_files(place) == before


class Failing:
    """Be an array whose last rows cannot be read."""

    shape, dtype, ndim = (3, 30, 11), np.dtype("uint16"), 3

    def __getitem__(self, box: Any) -> Any:
        if box[1].stop > 20:
            raise OSError("the disk is gone")
        return np.ones([s.stop - s.start for s in box], "uint16")


@pytest.mark.parametrize(
    ("pixels", "words", "error", "says"),
    [
        pytest.param(BOX, {"start": {"x": 45}}, OptionError, "reach beyond", id="beyond"),
        pytest.param(BOX, {"start": {"x": -1}}, OptionError, "counts pixels from 0", id="negative"),
        pytest.param(BOX, {"start": {"w": 1}}, AxesError, "names the axis 'w'", id="no-such-axis"),
        pytest.param(BOX, {"start": [1]}, OptionError, "has one number per axis", id="too-few"),
        pytest.param(BOX.astype("int32"), {}, InputError, "holds uint16; convert them", id="wider"),
        pytest.param(BOX[None], {}, AxesError, "has the axes z,y,x", id="one-axis-more"),
        pytest.param(BOX, {"method": "mode"}, MethodError, "leave out method='mode'", id="another-method"),
        pytest.param(BOX, {"method": "cubic"}, MethodError, "no downsampling method", id="no-such-method"),
        pytest.param(BOX, {"progress": 3}, OptionError, "progress is", id="progress"),
        pytest.param(Failing(), {}, OSError, "the disk is gone", id="pixels-that-cannot-be-read"),
        pytest.param("image.tif", {}, InputError, "of the name of a file", id="a-name"),
    ],
)
def test_what_is_refused_changes_no_byte(tmp_path: Path, pixels: Any, words: Any, error: Any, says: str) -> None:
    image = tmp_path / "image.zarr"
    write_image(NOISE, image, **KNOWN)
    update_image(BOX, image)  # whose way back stays
    before = {path: path.read_bytes() for path in image.rglob("*") if path.is_file()}
    with pytest.raises(error, match=says):
        update_image(pixels, image, **words)
    assert {path: path.read_bytes() for path in image.rglob("*") if path.is_file()} == before


def test_places_without_an_image_are_refused_and_untouched(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no OME-Zarr"):
        update_image(BOX, tmp_path / "nothing.zarr")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fmt", ["0.4", "0.5"])
def test_digests_of_pixels_go_and_come_back(tmp_path: Path, fmt: str) -> None:
    np.save(tmp_path / "image.npy", NOISE)
    image = tmp_path / "image.zarr"
    write_image(NOISE, image, **KNOWN, fmt=fmt)
    verify(tmp_path / "image.npy", image, axes="zyx")
    before = image_files(image)
    update_image(BOX, image, START)
    assert "ome_ngff" not in zarr.open_group(image, mode="r").attrs
    undo(image)
    assert image_files(image) == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda place: append_image(NOISE[:1], place, "z"), id="append"),
        pytest.param(lambda place: rebuild_levels(place), id="rebuild"),
        pytest.param(lambda place: remove_levels(place), id="remove"),
    ],
)
def test_digests_go_with_every_change_of_pixels(tmp_path: Path, change: Any) -> None:
    np.save(tmp_path / "image.npy", NOISE)
    write_image(NOISE, tmp_path / "image.zarr", **KNOWN)
    verify(tmp_path / "image.npy", tmp_path / "image.zarr", axes="zyx")
    change(tmp_path / "image.zarr")
    assert "ome_ngff" not in zarr.open_group(tmp_path / "image.zarr", mode="r").attrs


# Labels --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    write_image(NOISE, tmp_path / "image.zarr", **KNOWN)
    labels = (NOISE > 30000).astype("uint16")
    write_labels(labels, tmp_path / "image.zarr", "cells", colors={1: "#ff0000"}, properties={1: {"kind": "x"}})
    return tmp_path / "image.zarr"


def test_a_painted_box_lands_with_its_levels(labelled: Path) -> None:
    before = image_files(labelled)
    layer = np.asarray(open_image(labelled).labels["cells"].images[0].data)  # as a viewer holds it
    layer[2, 10:20, 10:30] = 7
    update_labels(layer[2, 10:20, 10:30].astype("int64"), labelled, "cells", {"z": 2, "y": 10, "x": 10})
    after = open_image(labelled)
    np.testing.assert_array_equal(np.asarray(after.labels["cells"].images[0].data), layer)
    anew = MemoryStore({})
    write_image(layer, anew, axes="zyx", method="mode", scale_factors=[2, 4], omero=False)
    for level, wanted in zip(after.labels["cells"].images, open_image(anew).images, strict=True):
        np.testing.assert_array_equal(np.asarray(level.data), np.asarray(wanted.data))
    for key in ("labels/cells/zarr.json", "labels/zarr.json", "zarr.json"):
        assert image_files(labelled)[key] == before[key]
    assert undo(labelled) == "the update of z 2:3, y 10:20, x 10:30 of labels/cells"
    assert image_files(labelled) == before


@pytest.mark.parametrize(
    ("labels", "name", "error", "says"),
    [
        pytest.param(np.full((2, 2), 70000), "cells", LabelError, "70000 is not a uint16", id="too-large"),
        pytest.param(np.full((2, 2), -1), "cells", LabelError, "-1 is not a uint16", id="negative"),
        pytest.param(np.ones((2, 2)), "cells", LabelError, "integers", id="floats"),
        pytest.param(np.ones((2, 2), int), "nuclei", MissingError, "no OME-Zarr", id="no-such-labels"),
    ],
)
def test_labels_that_cannot_be_are_refused(labelled: Path, labels: Any, name: str, error: Any, says: str) -> None:
    before = image_files(labelled)
    with pytest.raises(error, match=says):
        update_labels(labels, labelled, name)
    assert image_files(labelled) == before


def test_labels_that_are_being_changed_say_so(labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with killed_at(6, monkeypatch), pytest.raises(Killed):
        update_labels(np.ones((6, 40, 50), "uint16"), labelled, "cells")
    assert open_image(labelled).images  # the image is whole
    with pytest.raises(IncompleteError, match="being changed"):
        open_image(labelled / "labels" / "cells")
    with pytest.raises(IncompleteError, match="being changed"):
        write_label_metadata(labelled / "labels", "cells", colors={1: "#00ff00"})
    undo(labelled)
    assert open_image(labelled / "labels" / "cells").images


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda image: append_image(NOISE[:1], image, "z"), id="append"),
        pytest.param(lambda image: stream_image(image, (None, 40, 50), "uint16", resume=True, **DEEP), id="stream"),
        pytest.param(lambda image: write_labels((NOISE > 9).astype("u2"), image, "cells", overwrite=True), id="write"),
    ],
)
def test_a_change_of_labels_outlasts_other_writes(labelled: Path, monkeypatch: pytest.MonkeyPatch, other: Any) -> None:
    with killed_at(6, monkeypatch), pytest.raises(Killed):
        update_labels(np.ones((6, 40, 50), "uint16"), labelled, "cells")
    with pytest.raises(IncompleteError, match=r"the update of .* interrupted"):
        other(labelled)
    update_labels(np.ones((6, 40, 50), "uint16"), labelled, "cells", resume=True)
    assert np.all(open_image(labelled / "labels" / "cells").images[0].data == 1)


# Images of others ----------------------------------------------------------------------------------------------------


def test_of_others_it_says_which_method_to_pass(tmp_path: Path) -> None:
    means = [NOISE[:, :40, :48]]
    for _ in range(2):
        means.append(np.rint(means[-1].reshape(6, means[-1].shape[1] // 2, 2, -1, 2).mean((2, 4))).astype("uint16"))
    image = tmp_path / "image.zarr"
    write_multiscale(means, image, axes="zyx", chunks=8, omero=False)
    with pytest.raises(MethodError, match="they are what method='local_mean' or method='zoom' makes: pass that"):
        update_image(BOX, image, START)
    with pytest.raises(StoreError, match=r"Level 1 .* is not what 'gaussian' makes"):
        update_image(BOX, image, START, method="gaussian")
    update_image(BOX, image, START, method="local_mean")
    level = np.asarray(open_image(image).images[1].data)
    changed = placed(means[0], BOX, ((1, 4), (12, 21), (5, 16)))
    np.testing.assert_array_equal(level, np.rint(changed.reshape(6, 20, 2, 24, 2).mean((2, 4))).astype("uint16"))


def test_levels_that_nobody_of_ours_made_are_refused(tmp_path: Path) -> None:
    image = tmp_path / "image.zarr"
    write_multiscale([NOISE, NOISE[:, :20, :25]], image, axes="zyx", chunks=8, omero=False)
    with pytest.raises(MethodError, match="none makes"):
        update_image(BOX, image, START)
    write_multiscale([NOISE, NOISE[:, :11, :17]], tmp_path / "odd.zarr", axes="zyx", omero=False)
    with pytest.raises(ScaleError, match="no whole factors"):
        update_image(BOX, tmp_path / "odd.zarr", START, method="nearest")


def test_a_level_that_was_changed_is_found_before_it_is_mended(tmp_path: Path) -> None:
    image = tmp_path / "image.zarr"
    write_image(NOISE, image, **KNOWN)
    zarr.open_group(image)["1"][1, 8, 4] += 1
    before = image_files(image)
    with pytest.raises(StoreError, match="Level 1 of"):
        update_image(BOX, image, START, check=True)
    assert image_files(image) == before
    update_image(BOX, image, {"z": 3, "y": 30, "x": 30}, check=True)  # far from there


@pytest.mark.parametrize("dtype", [pytest.param(">u2", id="big-endian"), pytest.param("<u2", id="little-endian")])
def test_arrays_of_either_byte_order_are_mended(tmp_path: Path, dtype: str) -> None:
    group = zarr.open_group(tmp_path / "image.zarr", mode="w", zarr_format=2)
    keys = {"name": "v2", "separator": "/"}
    level = group.create_array("0", shape=NOISE.shape, dtype=dtype, chunks=(2, 8, 16), chunk_key_encoding=keys)
    level[...] = NOISE
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    step = [{"type": "scale", "scale": [1, 1, 1]}]
    entry = {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": step}]}
    group.attrs["multiscales"] = [entry]
    update_image(BOX, tmp_path / "image.zarr", START)
    np.testing.assert_array_equal(level[...], CHANGED)


# Others at the same time ---------------------------------------------------------------------------------------------


def test_updates_of_one_chunk_at_the_same_time_all_land(place: Any) -> None:
    errors = []

    def paint(k: int) -> None:
        try:
            update_image(np.full((1, 1, 1), k, "uint16"), place, (0, 0, k))
        except NgffError as error:  # pragma: no cover
            errors.append(error)

    threads = [threading.Thread(target=paint, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    changed = placed(NOISE, np.arange(6, dtype="uint16"), ((0, 1), (0, 1), (0, 6)))
    anew = MemoryStore({})
    write_image(changed, anew, **KNOWN)
    assert image_files(place) == image_files(anew)


def test_readers_see_whole_chunks_while_it_is_changed(tmp_path: Path) -> None:
    image, ended = tmp_path / "image.zarr", threading.Event()
    write_image(np.full((4, 64, 64), 1, "uint16"), image, **{**KNOWN, "chunks": 32, "compression": "none"})
    level: Any = zarr.open_group(image, mode="r")["0"]
    seen = set()

    def look() -> None:
        while not ended.is_set():
            for corner in itertools.product((0, 32), repeat=2):
                chunk = level[:, corner[0] : corner[0] + 32, corner[1] : corner[1] + 32]
                seen.add(tuple(np.unique(chunk).tolist()))

    reader = threading.Thread(target=look)
    reader.start()
    for value in range(2, 12):
        update_image(np.full((4, 64, 64), value, "uint16"), image)
    ended.set()
    reader.join()
    assert seen <= {(value,) for value in range(1, 12)}
    assert len(seen) > 1


SCRIPT = """
import sys, numpy as np
from ome_ngff import update_image
part = np.random.default_rng(1).integers(0, 9, (8, 256, 256)).astype("uint16")
while True:
    try:
        update_image(part, sys.argv[1], {"y": 16, "x": 32}, resume=True)
        update_image(part // 2, sys.argv[1], {"y": 16, "x": 32}, resume=True)
    finally:
        print("again", flush=True)
"""


@pytest.mark.slow
def test_processes_killed_at_any_moment_lose_nothing(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    whole = random.integers(0, 9, (8, 300, 300)).astype("uint16")
    image, words = tmp_path / "image.zarr", {**KNOWN, "chunks": 16}
    write_image(whole, image, **words)
    part = np.random.default_rng(1).integers(0, 9, (8, 256, 256)).astype("uint16")
    states = [whole, *(placed(whole, each, ((0, 8), (16, 272), (32, 288))) for each in (part, part // 2))]
    wanted = []
    for k, state in enumerate(states):
        write_image(state, tmp_path / f"{k}.zarr", **words)
        wanted.append(image_files(tmp_path / f"{k}.zarr"))
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(image)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        with suppress(subprocess.TimeoutExpired):
            process.wait(random.uniform(0, 1.0))
        process.kill()
        process.wait()
        process.stdout.close()
        with suppress(MissingError):
            undo(image)
        assert image_files(image) in wanted
