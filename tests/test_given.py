"""What callers give: objects of unknown make, dask arrays, xarray, and arrays that are not what they say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import dask
import dask.array as da
import numpy as np
import pytest
import tensorstore
import tifffile
import xarray
import zarr
from helpers import datasets, document, every_file, pixels, pixels_by_tensorstore, scale_of, translation_of

from ome_ngff import (
    LPS,
    AxesError,
    InputError,
    NgffImage,
    ScaleError,
    StoreError,
    config,
    convert,
    label_properties,
    open_image,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    write_image,
    write_labels,
    write_multiscale,
)
from ome_ngff.image.given import Given
from ome_ngff.pixels.source import as_source

VOLUME = np.random.default_rng(0).integers(0, 60000, (16, 96, 128)).astype("uint16")
PLANE = np.ascontiguousarray(VOLUME[0])
LABELS = (PLANE % 7).astype("uint8")


# Objects of unknown make --------------------------------------------------------------------------------------------


class Reader:
    """A reader around one file handle, which two threads at once would send to the wrong place."""

    shape, dtype = VOLUME.shape, "uint16"

    def __init__(self, path: Path) -> None:
        VOLUME.tofile(path)
        self.path, self.inside, self.most, self.boxes = path, 0, 0, 0
        self.file = path.open("rb", buffering=0)

    def __getitem__(self, box: Any) -> Any:
        self.inside += 1
        self.boxes += 1
        self.most = max(self.most, self.inside)
        planes, size = [], 2 * VOLUME[0].size
        for k in range(len(VOLUME))[box[0]]:
            self.file.seek(k * size)
            time.sleep(1e-4)
            planes.append(np.frombuffer(self.file.read(size), "uint16").reshape(VOLUME.shape[1:]))
        self.inside -= 1
        return np.stack(planes)[(slice(None), *box[1:])]


@pytest.fixture
def reader(tmp_path: Path) -> Any:
    made = Reader(tmp_path / "raw.bin")
    yield made
    made.file.close()


WORDS: dict[str, Any] = {"axes": "zyx", "chunks": (1, 32, 32), "scale_factors": [2]}


def by_write_image(source: Any, place: Path) -> None:
    write_image(source, place, **WORDS)


def by_a_pyramid(source: Any, place: Path) -> None:
    to_ngff_zarr(place, to_multiscales(to_ngff_image(source, "zyx"), [{"z": 1, "y": 2, "x": 2}], chunks=(1, 32, 32)))


def by_dask(source: Any, place: Path) -> None:
    with dask.config.set({"array.chunk-size": "100kB", "scheduler": "threads"}):
        da.to_zarr(to_ngff_image(source, "zyx").data, place / "0")
    zarr.open_group(place, mode="a").attrs["multiscales"] = [{"datasets": [{"path": "0"}]}]


def by_tasks(source: Any, place: Path) -> None:
    dask.compute(*write_image(source, place, compute=False, **WORDS), scheduler="threads")


@pytest.mark.parametrize("write", [by_write_image, by_a_pyramid, by_dask, by_tasks])
def test_a_reader_with_one_file_handle_is_asked_by_one_thread(
    tmp_path: Path, reader: Reader, write: Callable[[Any, Path], None]
) -> None:
    with config.set(workers=4, task_target=100_000):
        write(reader, tmp_path / "i")
    assert (reader.most, reader.boxes > 1) == (1, True)
    np.testing.assert_array_equal(pixels_by_tensorstore(tmp_path / "i")[0], VOLUME)


def test_writes_of_one_object_share_its_lock(tmp_path: Path, reader: Reader) -> None:
    threads = [threading.Thread(target=by_write_image, args=(reader, tmp_path / str(k))) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reader.most == 1
    for k in range(3):
        np.testing.assert_array_equal(pixels(tmp_path / str(k))[0], VOLUME)


def test_arrays_of_known_make_are_sliced_without_a_lock(tmp_path: Path) -> None:
    stored = zarr.create_array(tmp_path / "a", data=PLANE)
    np.save(tmp_path / "a.npy", PLANE)
    for known in (PLANE, np.load(tmp_path / "a.npy", mmap_mode="r"), stored):
        assert as_source(known) is known


@attrs.frozen(eq=False)
class Odd:
    """An object that gives other pixels than it declares."""

    pixels: Any
    shape: tuple[int, ...] = (64, 64)
    dtype: Any = "uint16"

    def __getitem__(self, box: Any) -> Any:
        return self.pixels[box]


def test_what_an_object_gives_is_what_it_declares(tmp_path: Path) -> None:
    narrow = np.arange(64 * 64, dtype="uint8").reshape(64, 64)
    write_image(Odd(narrow), tmp_path / "a", axes="yx")
    assert pixels(tmp_path / "a")[0].dtype == "uint16"
    np.testing.assert_array_equal(pixels(tmp_path / "a")[0], narrow)
    for pixels_given, says in ((narrow.astype("int64"), "is of int64"), (narrow[:, :60], r"shape \(64, 60\)")):
        with pytest.raises(InputError, match=rf"The box \[0:64, 0:64\] of the Odd.*{says}"):
            write_image(Odd(pixels_given), tmp_path / "b", axes="yx", overwrite=True)


# tensorstore --------------------------------------------------------------------------------------------------------


def stored_by_tensorstore(folder: Path) -> Any:
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(folder)}}
    layout = tensorstore.ChunkLayout(chunk_shape=[4, 32, 32])
    store = tensorstore.open(
        spec, create=True, dtype=tensorstore.uint16, shape=VOLUME.shape, chunk_layout=layout
    ).result()
    store.write(VOLUME).result()
    return store


def test_a_tensorstore_is_read_block_by_block(tmp_path: Path) -> None:
    store = stored_by_tensorstore(tmp_path / "a")
    source = as_source(store)
    assert (source.shape, source.dtype, source.chunks) == (VOLUME.shape, np.dtype("uint16"), (4, 32, 32))
    view = store[2:14, 5:90, ::-1]  # begins at (2, 5, -127)
    write_image(view, tmp_path / "i", axes="zyx")
    np.testing.assert_array_equal(pixels(tmp_path / "i")[0], VOLUME[2:14, 5:90, ::-1])
    np.testing.assert_array_equal(to_ngff_image(view).data.compute(), VOLUME[2:14, 5:90, ::-1])


def test_a_tensorstore_is_not_written_over_itself(tmp_path: Path) -> None:
    write_image(VOLUME, tmp_path / "i", axes="zyx", scale_factors=[])
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(tmp_path / "i" / "0")}}
    before = every_file(tmp_path)
    with pytest.raises(StoreError, match="which is in"):
        write_image(tensorstore.open(spec).result(), tmp_path / "i", axes="zyx", overwrite=True)
    assert every_file(tmp_path) == before


# dask ---------------------------------------------------------------------------------------------------------------


class CountingLock:
    """A lock as dask takes them, which counts."""

    def __init__(self) -> None:
        self.lock, self.count = threading.Lock(), 0

    def acquire(self) -> None:
        self.lock.acquire()
        self.count += 1

    def release(self) -> None:
        self.lock.release()

    def __reduce__(self) -> Any:
        return CountingLock, ()


def doubled(array: Any, box: Any, **words: Any) -> Any:
    return array[box] * np.uint16(2)


def test_the_lock_and_getitem_of_a_dask_array_are_respected(tmp_path: Path) -> None:
    stored, lock = zarr.create_array(tmp_path / "a", data=VOLUME // 2, chunks=(4, 96, 128)), CountingLock()
    write_image(da.from_array(stored, stored.chunks, lock=lock), tmp_path / "b", **WORDS)
    assert lock.count == 4
    write_image(da.from_array(stored, getitem=doubled), tmp_path / "c", **WORDS)
    np.testing.assert_array_equal(pixels(tmp_path / "c")[0], VOLUME // 2 * 2)
    assert as_source(da.from_array(stored)) is stored


def masked(block: Any) -> Any:
    return np.ma.masked_equal(block, block.flat[0])


def another_block(make: Callable[[Any], Any]) -> Any:
    """Return a dask array of which the block (1, 0) is not what it declares."""
    parts = [[da.from_array(LABELS[y : y + 32, x : x + 32]) for x in (0, 32)] for y in (0, 32)]
    odd = dask.delayed(make)(LABELS[32:64, :32])
    parts[1][0] = da.from_delayed(odd, (32, 32), "uint8")
    return da.block(parts)


FALSE = [
    pytest.param(lambda b: b.astype("int64") + 70_000, r"is of int64, but the array says uint8", id="integers"),
    pytest.param(lambda b: b.astype("float32"), "is of float32", id="floats"),
    pytest.param(lambda b: b[:, :30], r"has the shape \(32, 30\)", id="columns-missing"),
    pytest.param(lambda b: np.pad(b, 1), r"has the shape \(34, 34\)", id="columns-too-many"),
    pytest.param(lambda b: b[0], r"has the shape \(32,\)", id="dimension-missing"),
    pytest.param(masked, "has masked values", id="masked"),
]


@pytest.mark.parametrize(("make", "says"), FALSE)
@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda lazy, p: write_labels(lazy, p, "a", chunks=32), id="labels"),
        pytest.param(lambda lazy, p: write_image(lazy, p / "new", chunks=40), id="image"),
        pytest.param(lambda lazy, p: to_multiscales(lazy, [2]).images[1].data.compute(), id="lazy-pyramid"),
        pytest.param(lambda lazy, p: to_multiscales(lazy, [2], cache=True), id="cache"),
        pytest.param(lambda lazy, p: label_properties(lazy), id="properties"),
        pytest.param(lambda lazy, p: write_multiscale([lazy], p / "new"), id="multiscale"),
    ],
)
def test_a_block_that_is_not_as_declared_is_named(tmp_path: Path, use: Any, make: Any, says: str) -> None:
    write_image(LABELS[:64, :64], tmp_path, scale_factors=[])
    with pytest.raises(InputError, match=rf"Block \(1, 0\) of the dask array {says}"):
        use(another_block(make), tmp_path)


def test_blocks_in_memory_are_checked_too(tmp_path: Path) -> None:
    wrong = da.from_array(np.full((64, 64), 70_000), chunks=32).map_blocks(lambda b: b, dtype="uint16")
    for lazy in (wrong, wrong.persist(), wrong.T):
        with pytest.raises(InputError, match=r"Block \(\d, \d\).*int64"):
            write_image(lazy, tmp_path / "i", axes="yx", overwrite=(tmp_path / "i").exists())


def test_blocks_of_a_narrower_type_are_cast(tmp_path: Path) -> None:
    lazy = da.from_array(LABELS, chunks=32).map_blocks(lambda b: b, dtype="uint16")
    write_image(lazy, tmp_path / "i", scale_factors=[])
    assert pixels(tmp_path / "i")[0].dtype == "uint16"
    np.testing.assert_array_equal(pixels(tmp_path / "i")[0], LABELS)


def test_a_write_that_met_a_wrong_block_is_resumed(tmp_path: Path) -> None:
    words: dict[str, Any] = {"chunks": 32, "scale_factors": [2]}
    with config.set(task_target=2_000):
        with pytest.raises(InputError, match=r"Block \(1, 0\)"):
            write_image(another_block(lambda b: b + 0.5), tmp_path / "a", **words)
        assert "multiscales" not in document(tmp_path / "a")
        write_image(another_block(lambda b: b), tmp_path / "a", resume=True, **words)
        write_image(another_block(lambda b: b), tmp_path / "b", **words)
    assert every_file(tmp_path / "a") == every_file(tmp_path / "b")
    np.testing.assert_array_equal(pixels(tmp_path / "a")[0], LABELS[:64, :64])


def test_a_masked_dask_array_is_refused_like_a_masked_one(tmp_path: Path) -> None:
    for lazy in (da.ma.masked_equal(da.from_array(PLANE, chunks=32), 7), da.from_array(np.ma.masked_equal(PLANE, 7))):
        with pytest.raises(InputError, match=r"filled\(value\)"):
            write_image(lazy, tmp_path / "i")
    assert not (tmp_path / "i").exists()
    write_image(da.ma.filled(da.ma.masked_equal(da.from_array(PLANE, chunks=32), 7), 0), tmp_path / "i")


# Types --------------------------------------------------------------------------------------------------------------

TWINS = [
    pytest.param(np.dtype(np.longlong), "int64", id="longlong"),
    pytest.param(np.dtype(np.ulonglong), "uint64", id="ulonglong"),
    pytest.param(np.dtype(np.intc), "int32", id="intc"),
    pytest.param(np.dtype(np.longlong).newbyteorder(">"), "int64", id="big-endian"),
    pytest.param(np.dtype("uint16", metadata={"unit": "counts"}), "uint16", id="with-metadata"),
]


@pytest.mark.parametrize(("twin", "name"), TWINS)
def test_the_twins_of_a_dtype_are_that_dtype(tmp_path: Path, twin: Any, name: str) -> None:
    given = PLANE.astype(twin)
    for k, source in enumerate((given, da.from_array(given, chunks=40) + twin.type(0), Odd(given, given.shape, twin))):
        write_image(source, tmp_path / f"i{k}", axes="yx", scale_factors=[2], method="local_mean")
        write_labels(source, tmp_path / f"i{k}", "a")
        write_multiscale([source, PLANE[:48].astype(name)], tmp_path / f"m{k}", axes="yx")
        for place in (f"i{k}", f"i{k}/labels/a", f"m{k}"):
            found = pixels_by_tensorstore(tmp_path / place)[0]
            assert found.dtype == name
            np.testing.assert_array_equal(found, PLANE)


def test_a_tiff_of_int64_becomes_an_image(tmp_path: Path) -> None:
    given = PLANE.astype("int64") - 2**40
    tifffile.imwrite(tmp_path / "a.tif", given, photometric="minisblack")
    assert tifffile.imread(tmp_path / "a.tif").dtype.char == "q"  # the twin that NumPy calls longlong
    convert(tmp_path / "a.tif", tmp_path / "i")
    write_image(tifffile.imread(tmp_path / "a.tif"), tmp_path / "j", axes="yx")
    for place in "ij":
        np.testing.assert_array_equal(pixels_by_tensorstore(tmp_path / place)[0], given)


# xarray -------------------------------------------------------------------------------------------------------------


def turned(array: Any, **coords: Any) -> xarray.DataArray:
    """Return an array of y and x as an xarray of x and y, in micrometers."""
    y, x = (np.arange(n) for n in array.shape)
    known = {"y": ("y", 3 + 0.5 * y, {"units": "um"}), "x": ("x", 0.25 * x, {"units": "Microns"})}
    return xarray.DataArray(array.T, {**known, **coords}, ("x", "y"))


def geometry(place: Path) -> tuple[Any, ...]:
    """Return axes, units, and scale and translation of each level."""
    axes = document(place)["multiscales"][0]["axes"]
    levels = [(scale_of(d), translation_of(d)) for d in datasets(place)]
    return "".join(axis["name"] for axis in axes), [axis.get("unit") for axis in axes], levels


MICROMETERS = ["micrometer", "micrometer"]


@pytest.mark.parametrize("lazy", [pytest.param(False, id="numpy"), pytest.param(True, id="dask")])
def test_dims_and_coordinates_of_xarray_are_written(tmp_path: Path, lazy: bool) -> None:
    given = turned(LABELS).chunk({"x": 50}) if lazy else turned(LABELS)
    write_image(given, tmp_path / "i", scale_factors=[2], method="nearest")
    np.testing.assert_array_equal(pixels_by_tensorstore(tmp_path / "i")[0], LABELS)
    levels = [([0.5, 0.25], [3, 0]), ([1, 0.5], [3, 0])]
    assert geometry(tmp_path / "i") == ("yx", MICROMETERS, levels)
    again = to_ngff_image(given)
    assert (again.scale, again.translation) == ({"y": 0.5, "x": 0.25}, {"y": 3, "x": 0})


def test_labels_in_xarray_are_turned_and_placed_by_themselves(tmp_path: Path) -> None:
    write_image(PLANE, tmp_path, axes="yx", scale=[2, 2], axes_units="nm", scale_factors=[2])
    write_labels(turned(LABELS), tmp_path, "own")
    write_labels(turned(LABELS).drop_vars(["x", "y"]), tmp_path, "bare")
    write_labels(turned(LABELS).drop_vars("x"), tmp_path, "half", axes_units={"y": "um"})
    for name in ("own", "bare", "half"):
        np.testing.assert_array_equal(pixels(tmp_path / "labels" / name)[0], LABELS)
    assert geometry(tmp_path / "labels" / "own")[1:] == (
        MICROMETERS,
        [([0.5, 0.25], [3, 0]), ([1, 0.5], [3.25, 0.125])],
    )
    assert geometry(tmp_path / "labels" / "bare")[2][0] == ([2, 2], [0, 0])
    assert geometry(tmp_path / "labels" / "half")[1:] == (
        ["micrometer", "nanometer"],
        [([0.5, 2], [3, 0]), ([1, 4], [3.25, 1])],
    )


def test_levels_in_xarray_lie_where_their_coordinates_say(tmp_path: Path) -> None:
    first = turned(PLANE)
    second = first.isel(x=slice(1, None, 2), y=slice(1, None, 2))
    write_multiscale([first, second], tmp_path / "i")
    np.testing.assert_array_equal(pixels(tmp_path / "i")[1], PLANE[1::2, 1::2])
    assert geometry(tmp_path / "i") == ("yx", MICROMETERS, [([0.5, 0.25], [3, 0]), ([1, 0.5], [3.5, 0.25])])
    write_multiscale([first, second], tmp_path / "j", scale={"x": 1}, translation={"x": 0})
    assert geometry(tmp_path / "j")[2] == [([0.5, 1], [3, 0]), ([1, 2], [3.5, 0.5])]
    with pytest.raises(AxesError, match="All levels have the same axes"):
        write_multiscale([first, second.rename(x="z")], tmp_path / "k")


def test_properties_of_labels_in_xarray_are_those_in_space() -> None:
    sizes = {"axes": "yx", "scale": {"y": 0.5, "x": 0.25}, "translation": {"y": 3}}
    assert label_properties(turned(LABELS)) == label_properties(LABELS, **sizes)
    assert label_properties(turned(LABELS), scale={"x": 9}) == label_properties(
        LABELS, **{**sizes, "scale": {"y": 0.5, "x": 9}}
    )


NAMES = ("time", "Channel", "DEPTH", "height", "X")


def test_names_of_dimensions_are_understood_in_every_spelling(tmp_path: Path) -> None:
    array = np.arange(2 * 3 * 4 * 5 * 6, dtype="uint16").reshape(2, 3, 4, 5, 6)
    order = (4, 0, 3, 1, 2)
    given = xarray.DataArray(array.transpose(order), dims=[NAMES[i] for i in order])
    write_image(given, tmp_path / "i", scale_factors=[])
    np.testing.assert_array_equal(pixels(tmp_path / "i")[0], array)
    assert geometry(tmp_path / "i")[0] == "tczyx"
    assert to_ngff_image(given).dims == tuple("tczyx")
    write_image(array[0, 0], tmp_path / "j", axes="ZYX", scale={"Z": 2.0}, chunks={"Y": 2.0}, scale_factors=[])
    assert geometry(tmp_path / "j") == ("zyx", [None] * 3, [([2, 1, 1], [0, 0, 0])])


SAID: list[Any] = [
    pytest.param({"scale": {"x": 2}}, [0.5, 2], [3, 0], id="one-scale"),
    pytest.param({"translation": {"y": 7}}, [0.5, 0.25], [7, 0], id="one-position"),
    pytest.param({"scale": (4, 8)}, [8, 4], [3, 0], id="in-the-order-of-the-dims"),
    pytest.param({"axes": "yx", "scale": (4, 8)}, [4, 8], [3, 0], id="in-the-order-of-the-axes"),
    pytest.param({"scale": np.float32(2)}, [2, 2], [3, 0], id="a-number"),
]


@pytest.mark.parametrize(("words", "scale", "translation"), SAID)
def test_what_the_caller_says_wins_axis_by_axis(
    tmp_path: Path, words: dict[str, Any], scale: list[float], translation: list[float]
) -> None:
    write_image(turned(PLANE), tmp_path / "i", scale_factors=[], **words)
    assert geometry(tmp_path / "i")[2] == [(scale, translation)]
    np.testing.assert_array_equal(pixels(tmp_path / "i")[0], PLANE)


def test_the_directions_of_the_axes_of_an_image_are_written(tmp_path: Path) -> None:
    write_image(NgffImage(VOLUME, "zyx", axes_orientations=LPS), tmp_path / "i", scale_factors=[])
    assert open_image(tmp_path / "i").images[0].axes_orientations == {name: LPS[name].value for name in "zyx"}


def test_uneven_coordinates_need_both_numbers_of_their_axis(tmp_path: Path) -> None:
    uneven = turned(PLANE, y=("y", np.arange(96.0) ** 2))
    for words in ({}, {"scale": {"y": 1}}, {"scale": {"x": 1}, "translation": {"x": 1}}):
        with pytest.raises(ScaleError, match="coordinates of y do not grow evenly"):
            write_image(uneven, tmp_path / "i", **words)
    write_image(uneven, tmp_path / "i", scale={"y": 1}, translation={"y": 5}, scale_factors=[])
    assert geometry(tmp_path / "i")[2] == [([1, 0.25], [5, 0])]


def test_coordinates_are_even_within_the_precision_of_their_type(tmp_path: Path) -> None:
    stage = (41802.08 + 0.3245 * np.arange(96)).astype("float32")
    for k, given in enumerate((turned(PLANE, y=("y", stage)), turned(PLANE, y=("y", stage)).coarsen(y=2).mean())):
        write_image(given.astype("uint16"), tmp_path / str(k), scale_factors=[])
        scale, translation = geometry(tmp_path / str(k))[2][0]
        assert scale[0] == pytest.approx(0.3245 * (1 + k), rel=1e-3)
        assert translation[0] == float(given.y[0])
    with pytest.raises(ScaleError, match="evenly"):
        write_image(turned(PLANE, y=("y", stage.astype("float64"))), tmp_path / "n")


def test_coordinates_that_end_at_zero_are_as_precise_as_their_largest() -> None:
    stage = (0.3245 * np.arange(-50000, 1)).astype("float32")
    given = xarray.DataArray(np.zeros((2, len(stage)), "u1"), dims=("y", "x"), coords={"x": stage})
    assert to_ngff_image(given).scale["x"] == pytest.approx(0.3245, rel=1e-6)


def test_times_that_are_missing_are_not_even(tmp_path: Path) -> None:
    times = np.array(["NaT", "2020-01-01"], "datetime64[ns]")
    given = xarray.DataArray(np.zeros((2, 3, 4), "u1"), dims=tuple("tyx"), coords={"t": times})
    with pytest.raises(ScaleError, match="coordinates of t do not grow evenly"):
        write_image(given, tmp_path / "i")


def test_units_of_any_type_are_taken_as_text(tmp_path: Path) -> None:
    units = {"units": np.array(["um", "mm"])}
    given = turned(PLANE, y=("y", np.arange(96.0), units))
    with pytest.warns(UserWarning, match="unit should be one"):
        write_image(given, tmp_path / "i", scale_factors=[])


def test_an_empty_unit_is_none(tmp_path: Path) -> None:
    write_image(turned(PLANE, y=("y", np.arange(96.0), {"units": ""})), tmp_path / "i", scale_factors=[])
    assert "unit" not in document(tmp_path / "i")["multiscales"][0]["axes"][0]


def test_dims_that_mean_nothing_here_are_refused_by_name(tmp_path: Path) -> None:
    given = xarray.DataArray(VOLUME, dims=("band", "lat", "lon"))
    with pytest.raises(AxesError, match="band,lat,lon"):
        write_image(given, tmp_path / "i")
    write_image(given, tmp_path / "i", axes="cyx", scale_factors=[])
    np.testing.assert_array_equal(pixels(tmp_path / "i")[0], VOLUME)
    nameless = xarray.DataArray(PLANE)  # xarray itself calls them dim_0 and dim_1
    write_image(nameless, tmp_path / "j", scale_factors=[])
    assert geometry(tmp_path / "j")[0] == "yx"


def never(block: Any) -> Any:
    raise AssertionError("nobody has asked for pixels")


def test_nothing_is_computed_or_loaded_to_understand_an_image(tmp_path: Path) -> None:
    lazy = da.from_array(PLANE.T, chunks=32).map_blocks(never, dtype="uint16")
    given = Given.of(xarray.DataArray(lazy, dims=("x", "y")))
    assert (given.pixels.shape, next(iter(given.axes or ())).name) == ((96, 128), "y")
    turned(PLANE).to_dataset(name="0").to_zarr(tmp_path / "a", zarr_format=2)
    opened = xarray.open_zarr(tmp_path / "a", chunks=None)["0"]
    write_image(opened, tmp_path / "i", scale_factors=[])
    assert opened.variable._in_memory is False
    np.testing.assert_array_equal(pixels(tmp_path / "i")[0], PLANE)
    assert geometry(tmp_path / "i")[2] == [([0.5, 0.25], [3, 0])]
    with pytest.raises(StoreError, match="which is in"):
        write_image(opened, tmp_path / "a", overwrite=True)


def test_an_image_with_a_place_in_space_is_written_there(tmp_path: Path) -> None:
    image = NgffImage(PLANE.T, "xy", {"y": 0.5, "x": 0.25}, {"y": 3}, axes_units="um")
    write_image(to_ngff_image(turned(PLANE)), tmp_path / "i", scale_factors=[])
    assert geometry(tmp_path / "i") == ("yx", MICROMETERS, [([0.5, 0.25], [3, 0])])
    write_multiscale(to_multiscales(image, [2], "nearest").images, tmp_path / "j")
    assert geometry(tmp_path / "j")[2] == [([0.5, 0.25], [3, 0]), ([1, 0.5], [3, 0])]
    assert label_properties(to_ngff_image(turned(LABELS))) == label_properties(turned(LABELS))
    assert open_image(tmp_path / "j").images[0].axes_units == {"y": "micrometer", "x": "micrometer"}


def test_numbers_nested_without_end_are_refused() -> None:
    nested: list[Any] = []
    for _ in range(80):
        nested = [nested]
    with pytest.raises(AxesError, match="scale"):
        to_ngff_image(np.zeros((4, 4), "uint8"), "yx", scale=nested)
