"""Images in space and pyramids of them: lazily made, written by the one engine, read back."""

from __future__ import annotations

import os
import subprocess
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import imageio.v2
import imageio.v3
import numpy as np
import pytest
import skimage
import xarray
import zarr
from helpers import attributes, datasets, document, every_file, pixels, pixels_by_tensorstore

import ome_ngff
from ome_ngff import (
    AnatomicalOrientation,
    AxesError,
    ChunkError,
    ExistsError,
    IncompleteError,
    InputError,
    Metadata,
    MethodError,
    Methods,
    MissingError,
    NgffError,
    NgffImage,
    OptionError,
    ScaleError,
    StoreError,
    ValidationError,
    from_ngff_zarr,
    open_image,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    write_image,
    write_labels,
)
from ome_ngff.axes import Axis
from ome_ngff.format import FormatV05
from ome_ngff.pixels import as_source
from ome_ngff.spec.metadata import Dataset, Scale, Translation
from ome_ngff.store.temporary import scratch_folder

PIXELS = np.random.default_rng(0).integers(0, 4000, (40, 60, 70)).astype("uint16")


class Tensor:
    """Speaks DLPack and nothing else."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array

    def __dlpack__(self, **words: Any) -> Any:
        return self.array.__dlpack__(**words)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


def on_device(array: np.ndarray[Any, Any]) -> Any:
    """Make an array that looks like CuPy's: it may only leave the device by its library's `asnumpy`, box by box."""
    library = types.ModuleType("fakecupy")
    library.largest = 0  # type: ignore[attr-defined]

    class Device:
        __module__ = "fakecupy"
        __cuda_array_interface__: dict[str, Any] = {}  # noqa: RUF012

        def __init__(self, held: np.ndarray[Any, Any]) -> None:
            self.held, self.shape, self.dtype = held, held.shape, held.dtype

        def __getitem__(self, box: Any) -> Any:
            return Device(self.held[box])

        def __array__(self, *words: Any, **more: Any) -> Any:
            raise TypeError("Implicit conversion is not allowed")

    def asnumpy(part: Any) -> Any:
        library.largest = max(library.largest, part.held.size)  # type: ignore[attr-defined]
        return part.held

    library.asnumpy = asnumpy  # type: ignore[attr-defined]
    sys.modules["fakecupy"] = library
    return Device(array)


def kinds(folder: Path) -> dict[str, Any]:
    """Return the same pixels as everything that may be passed."""
    np.save(folder / "a.npy", PIXELS)
    stored = zarr.create_array(folder / "a.zarr", shape=PIXELS.shape, dtype=PIXELS.dtype, chunks=(16, 16, 16))
    stored[...] = PIXELS
    memory: dict[str, Any] = {}
    zarr.create_array(zarr.storage.MemoryStore(memory), shape=PIXELS.shape, dtype=PIXELS.dtype)[...] = PIXELS
    return {
        "numpy": PIXELS,
        "dask": da.from_array(PIXELS, chunks=17),
        "memmap": np.load(folder / "a.npy", mmap_mode="r"),
        "zarr": stored,
        "path": folder / "a.zarr",
        "str": str(folder / "a.zarr"),
        "mapping": memory,
        "h5py": h5py.File(folder / "a.h5", "w").create_dataset("a", data=PIXELS, chunks=(8, 60, 70)),
        "dlpack": Tensor(PIXELS),
        "device": on_device(PIXELS),
        "xarray": xarray.DataArray(PIXELS, dims=("z", "y", "x")),
    }


def test_whatever_is_an_array_becomes_a_lazy_image(tmp_path: Path) -> None:
    for name, data in kinds(tmp_path).items():
        image = to_ngff_image(data, scale={"z": 2.0})
        assert isinstance(image.data, da.Array), name
        assert image.dims == ("z", "y", "x")
        assert image.scale == {"z": 2.0, "y": 1.0, "x": 1.0}
        np.testing.assert_array_equal(image.data.compute(), PIXELS)


def test_arrays_on_a_device_come_over_box_by_box(tmp_path: Path) -> None:
    device = on_device(PIXELS)
    with ome_ngff.config.set(memory_target="200kB", task_target="50kB"):
        write_image(device, tmp_path / "i", axes="zyx", chunks=16, method="local_mean")
    np.testing.assert_array_equal(pixels(tmp_path / "i")[0], PIXELS)
    assert sys.modules["fakecupy"].largest < PIXELS.size / 4


@pytest.mark.parametrize(
    ("shape", "dims", "found"),
    [
        pytest.param((5, 6), None, ("yx", (5, 6)), id="2D"),
        pytest.param((4, 5, 6), None, ("zyx", (4, 5, 6)), id="3D"),
        pytest.param((4, 5, 6, 3), None, ("czyx", (3, 4, 5, 6)), id="4D-channel-last"),
        pytest.param((2, 4, 5, 6, 3), None, ("tczyx", (2, 3, 4, 5, 6)), id="5D-channel-last"),
        pytest.param((5, 6, 3), "yxc", ("cyx", (3, 5, 6)), id="rgb"),
        pytest.param((5, 6, 2), "xyt", ("tyx", (2, 6, 5)), id="any-order"),
    ],
)
def test_dims_are_brought_to_the_order_of_the_specification(
    shape: tuple[int, ...], dims: str | None, found: tuple[str, tuple[int, ...]]
) -> None:
    array = np.arange(np.prod(shape)).reshape(shape)
    image = to_ngff_image(array, dims=dims and list(dims))
    assert ("".join(image.dims), image.data.shape) == found
    names = dims or {4: "zyxc", 5: "tzyxc"}.get(len(shape), "zyx"[-len(shape) :])
    np.testing.assert_array_equal(image.data.compute(), array.transpose([names.index(d) for d in image.dims]))
    chunks = dict(zip(names, range(2, 9), strict=False))
    assert to_multiscales(image, [], chunks=tuple(chunks.values())).chunks == {d: chunks[d] for d in image.dims}


def test_coordinates_of_xarray_become_scale_and_translation() -> None:
    coords = {"y": ("y", 3.0 + 0.5 * np.arange(5), {"units": "micrometer"}), "x": 2.0 * np.arange(6)}
    image = to_ngff_image(xarray.DataArray(np.zeros((5, 6)), coords, ("y", "x")))
    assert image.scale == {"y": 0.5, "x": 2.0}
    assert image.translation == {"y": 3.0, "x": 0.0}
    assert image.axes_units == {"y": "micrometer"}
    again = image.to_xarray()
    np.testing.assert_allclose(again.coords["y"], coords["y"][1])
    assert again.coords["y"].attrs["units"] == "micrometer"


def test_an_image_says_what_it_is() -> None:
    image = to_ngff_image(PIXELS, scale={"x": 0.5}, axes_units={"x": "micrometer"}, name="cells <1>")
    assert "z 40, y 60, x 70" in repr(image)
    assert "x 0.5 micrometer" in repr(image)
    assert "x 35 micrometer" in repr(image)
    assert "cells &lt;1&gt;" in image._repr_html_()


# Pyramids -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("imread", [pytest.param(imageio.v2.imread, id="v2"), pytest.param(imageio.v3.imread, id="v3")])
def test_a_users_first_hour(tmp_path: Path, imread: Any) -> None:
    imageio.v3.imwrite(tmp_path / "cthead1.png", np.random.default_rng(1).integers(0, 255, (256, 256)).astype("uint8"))
    data = imread(tmp_path / "cthead1.png")
    image = to_ngff_image(data, dims=["y", "x"], scale={"y": 1.0, "x": 1.0}, translation={"y": 0.0, "x": 0.0})
    multiscales = to_multiscales(image, scale_factors=[2, 4], chunks=64)
    assert [i.data.shape for i in multiscales.images] == [(256, 256), (128, 128), (64, 64)]
    assert [i.scale["x"] for i in multiscales.images if i.scale] == [1, 2, 4]
    assert [i.translation["x"] for i in multiscales.images if i.translation] == [0, 0.5, 1.5]
    assert multiscales.scale_factors == [2, 4]
    assert multiscales.method is Methods.GAUSSIAN
    assert multiscales.chunks == {"y": 64, "x": 64}
    assert repr(multiscales.metadata) == (
        "Metadata(axes=[Axis(name='y', type='space', unit=None), Axis(name='x', type='space', unit=None)], datasets=["
        "Dataset(path='scale0/image', coordinateTransformations=[Scale(scale=[1.0, 1.0], type='scale'), "
        "Translation(translation=[0.0, 0.0], type='translation')]), "
        "Dataset(path='scale1/image', coordinateTransformations=[Scale(scale=[2.0, 2.0], type='scale'), "
        "Translation(translation=[0.5, 0.5], type='translation')]), "
        "Dataset(path='scale2/image', coordinateTransformations=[Scale(scale=[4.0, 4.0], type='scale'), "
        "Translation(translation=[1.5, 1.5], type='translation')])], "
        "coordinateTransformations=None, name='image', version='0.5')"
    )
    to_ngff_zarr(tmp_path / "cthead1.ome.zarr", multiscales)
    levels = pixels_by_tensorstore(tmp_path / "cthead1.ome.zarr")
    np.testing.assert_array_equal(levels[0], data)
    for level, lazy in zip(levels, multiscales.images, strict=True):
        np.testing.assert_array_equal(level, lazy.data.compute())
    assert [d["path"] for d in datasets(tmp_path / "cthead1.ome.zarr")] == [f"scale{k}/image" for k in range(3)]
    assert zarr.open_array(tmp_path / "cthead1.ome.zarr/scale0/image", mode="r").chunks == (64, 64)


@pytest.mark.parametrize(
    ("factors", "shapes"),
    [
        pytest.param(16, [(40, 60, 70), (20, 30, 35), (10, 15, 18)], id="smallest-length"),
        pytest.param(100, [(40, 60, 70)], id="longer-than-the-image"),
        pytest.param([2, 4], [(40, 60, 70), (20, 30, 35), (10, 15, 18)], id="ints-mean-every-spatial-axis"),
        pytest.param([3, 9], [(40, 60, 70), (14, 20, 24), (5, 7, 8)], id="3-and-9-mean-3-and-9"),
        pytest.param([2, 5, 8], [(40, 60, 70), (20, 30, 35), (8, 12, 14), (5, 8, 9)], id="not-each-from-the-last"),
        pytest.param([{"y": 2, "x": 2}], [(40, 60, 70), (40, 30, 35)], id="dicts"),
        pytest.param([], [(40, 60, 70)], id="none"),
    ],
)
def test_scale_factors_in_all_spellings(factors: Any, shapes: list[tuple[int, ...]]) -> None:
    multiscales = to_multiscales(PIXELS, scale_factors=factors, method="local_mean")
    assert [image.data.shape for image in multiscales.images] == shapes


def test_lazy_levels_have_the_pixels_that_a_write_gives(tmp_path: Path, any_method: Any) -> None:
    multiscales = to_multiscales(da.from_array(PIXELS, chunks=(7, 60, 33)), [2, 4], any_method, chunks=16)
    with ome_ngff.config.set(memory_target="300kB", task_target="80kB"):
        to_ngff_zarr(tmp_path / "i", multiscales)
    for level, image in zip(pixels(tmp_path / "i"), multiscales.images, strict=True):
        np.testing.assert_array_equal(level, image.data.compute())


def test_both_ways_in_write_the_same_pixels_and_geometry(tmp_path: Path) -> None:
    factors = [dict.fromkeys("zyx", 2), dict.fromkeys("zyx", 4)]
    write_image(
        PIXELS, tmp_path / "a", axes="zyx", scale_factors=factors, method="gaussian", chunks=16, scale=[2, 1, 1]
    )
    to_ngff_zarr(tmp_path / "b", to_multiscales(to_ngff_image(PIXELS, scale={"z": 2.0}), factors, chunks=16))
    for a, b in zip(datasets(tmp_path / "a"), datasets(tmp_path / "b"), strict=True):
        assert a["coordinateTransformations"] == b["coordinateTransformations"]
        left, right = ({k: v for k, v in every_file(p).items() if "zarr.json" not in k} for p in
                       (tmp_path / "a" / a["path"], tmp_path / "b" / b["path"]))  # fmt: skip
        assert left == right


def test_a_level_that_was_replaced_is_written_as_given(tmp_path: Path) -> None:
    multiscales = to_multiscales(PIXELS, [2, 4], "local_mean")
    lazy = [image.data.compute() for image in multiscales.images]
    mine = np.full((20, 30, 35), 7, "uint16")
    multiscales.images[1].data = da.from_array(mine)
    to_ngff_zarr(tmp_path / "i", multiscales)
    for level, wanted in zip(pixels(tmp_path / "i"), [lazy[0], mine, lazy[2]], strict=True):
        np.testing.assert_array_equal(level, wanted)


@pytest.mark.parametrize("word", ["LPS", "RAS"])
def test_orientation_is_written_and_read(tmp_path: Path, word: str) -> None:
    to_ngff_zarr(tmp_path / "i", to_multiscales(PIXELS, [2], orientation=word))
    found = [axis["orientation"]["value"] for axis in document(tmp_path / "i")["multiscales"][0]["axes"]]
    assert (
        found
        == {
            "LPS": ["inferior-to-superior", "anterior-to-posterior", "right-to-left"],
            "RAS": ["inferior-to-superior", "posterior-to-anterior", "left-to-right"],
        }[word]
    )
    assert open_image(tmp_path / "i").images[0].axes_orientations == dict(zip("zyx", found, strict=True))


def test_orientation_can_be_given_by_axis() -> None:
    given = {name: getattr(AnatomicalOrientation, word) for name, word in
             (("z", "INFERIOR_TO_SUPERIOR"), ("y", "ANTERIOR_TO_POSTERIOR"), ("x", "LEFT_TO_RIGHT"))}  # fmt: skip
    axes = to_multiscales(PIXELS, [], orientation=given).metadata.axes
    assert [axis.orientation for axis in axes] == [given[n].value for n in "zyx"]


def test_a_costly_source_is_spooled_when_asked(tmp_path: Path) -> None:
    computed: list[Any] = []

    def costly(block: np.ndarray[Any, Any], block_id: Any = None) -> np.ndarray[Any, Any]:
        computed.append(block_id)
        return block

    source = da.from_array(PIXELS, chunks=20).map_blocks(costly, dtype="uint16", meta=np.empty((0, 0, 0), "uint16"))
    with ome_ngff.config.set(cache_store=tmp_path):
        multiscales = to_multiscales(source, [2, 4], cache=True)
        assert len(computed) == source.npartitions
        for _ in range(2):
            multiscales.images[2].data.compute()
        assert len(computed) == source.npartitions
        np.testing.assert_array_equal(multiscales.images[0].data.compute(), PIXELS)


def test_a_method_that_cannot_average_is_refused_before_anything_is_spooled(tmp_path: Path) -> None:
    source = da.from_array(PIXELS > 9, chunks=20).map_blocks(never, meta=np.empty((0, 0, 0), bool))
    with ome_ngff.config.set(cache_store=tmp_path), pytest.raises(MethodError, match="cannot average bool"):
        to_multiscales(source, [2], "gaussian", cache=True)
    assert not any(tmp_path.iterdir())


def never(block: Any) -> Any:
    raise AssertionError("It was computed.")


SOURCES = [
    pytest.param(lambda pixels, folder: pixels, id="NumPy"),
    pytest.param(lambda pixels, folder: da.from_array(pixels, chunks=100) + 0, id="dask"),
    pytest.param(lambda pixels, folder: zarr.create_array(folder / "a", data=pixels, chunks=(90, 90)), id="Zarr"),
]


@pytest.mark.parametrize("source", SOURCES)
def test_every_lazy_level_comes_in_the_blocks_asked_for(tmp_path: Path, source: Any) -> None:
    pixels = np.random.default_rng(3).integers(0, 4000, (256, 256)).astype("uint16")
    multiscales = to_multiscales(to_ngff_image(source(pixels, tmp_path)), scale_factors=[2, 4], chunks=64)
    assert [image.data.chunks for image in multiscales.images] == [((64,) * n,) * 2 for n in (4, 2, 1)]
    whole = to_multiscales(pixels, scale_factors=[2, 4])
    for image, level in zip(multiscales.images, whole.images, strict=True):
        np.testing.assert_array_equal(image.data.compute(), level.data.compute())


@pytest.mark.parametrize("source", SOURCES)
def test_a_write_does_not_read_the_blocks_of_lazy_levels(tmp_path: Path, source: Any) -> None:
    given = source(np.zeros((256, 256), "uint16"), tmp_path)
    multiscales = to_multiscales(to_ngff_image(given), [2], chunks=64)
    read = as_source(multiscales.pixels(0))
    assert np.shares_memory(read, given) if isinstance(given, np.ndarray) else read.chunks == given.chunks
    multiscales.images[0].data = mine = multiscales.images[0].data + 1
    assert multiscales.pixels(0) is mine


def test_blocks_are_multiples_where_there_would_be_too_many() -> None:
    image = to_multiscales(da.zeros((2**16, 2**15), chunks=-1, dtype="uint8"), [], chunks=64).images[0].data
    assert image.npartitions <= 4096
    assert all(length % 64 == 0 for length in image.chunksize)


LINES = [
    pytest.param("x", (3_000_000,), id="x"),
    pytest.param("tx", (3, 500), id="tx"),
    pytest.param("cx", (2, 500), id="cx"),
    pytest.param("tcx", (3, 2, 500), id="tcx"),
]


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize(("dims", "shape"), LINES)
def test_lines_have_pyramids_in_memory_and_are_not_written(
    tmp_path: Path, dims: str, shape: tuple[int, ...], cache: bool
) -> None:
    line = np.random.default_rng(4).integers(0, 4000, shape).astype("uint16")
    with ome_ngff.config.set(cache_store=tmp_path):
        multiscales = to_multiscales(to_ngff_image(line, list(dims)), [2, 4], "local_mean", cache=cache)
    assert multiscales.chunks["x"] == 2**20
    factors = (1,) * (len(dims) - 1)
    for image, factor in zip(multiscales.images, (1, 2, 4), strict=True):
        wanted = skimage.transform.downscale_local_mean(line, (*factors, factor))
        np.testing.assert_allclose(image.data.compute(), wanted, atol=1)
    if cache and dims == "x":
        assert multiscales.images[0].data.numblocks == (3,)
    with pytest.raises(AxesError, match=r"at least y and x .*give the array an axis y"):
        to_ngff_zarr(tmp_path / "i", multiscales)
    assert not (tmp_path / "i").exists()


def test_what_was_cached_goes_when_the_pyramid_is_written(tmp_path: Path) -> None:
    computed: list[Any] = []

    def costly(block: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        computed.append(block.shape)
        return block

    source = da.from_array(PIXELS, chunks=20).map_blocks(costly, dtype="uint16", meta=np.empty((0, 0, 0), "uint16"))
    with ome_ngff.config.set(cache_store=tmp_path / "cache"):
        (tmp_path / "cache").mkdir()
        multiscales = to_multiscales(source, [2, 4], cache=True)
        held = multiscales.images[0].data
        for place in ("a", "b"):
            to_ngff_zarr(tmp_path / place, multiscales)
            if place == "a":
                assert len(computed) == source.npartitions
                np.testing.assert_array_equal(held.compute(), PIXELS)
                del held
                assert [*(tmp_path / "cache").iterdir()] == []
    assert len(computed) == 2 * source.npartitions
    np.testing.assert_array_equal(multiscales.images[0].data.compute(), PIXELS)
    assert every_file(tmp_path / "a") == every_file(tmp_path / "b")


CACHING = """
import os, signal, sys
import numpy as np
from ome_ngff import config, to_multiscales

config.cache_store = sys.argv[1]
multiscales = to_multiscales(np.zeros((8, 8), "uint8"), [2], cache=True)
child = os.fork() if sys.argv[2] == "forks" else None
if child == 0:
    del multiscales  # of the parent
    os._exit(0)
if child:
    os.waitpid(child, 0)
print(*sorted(os.listdir(sys.argv[1])), flush=True)
if sys.argv[2] == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "waits":
    sys.stdin.read()
"""


def caching(folder: Path, how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CACHING, str(folder), how]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there are no locks that end with a process")
@pytest.mark.parametrize("how", ["ends", "dies", "waits", "forks"])
def test_a_cache_lives_as_long_as_its_process(tmp_path: Path, how: str) -> None:
    (tmp_path / "ome_ngff-cache-foreign").mkdir()
    with caching(tmp_path, how) as process:
        assert process.stdout is not None
        there = {*process.stdout.readline().split()}
        assert len(there) == 3
        if how != "waits":
            process.wait()
            assert {path.name for path in tmp_path.iterdir()} == (
                there if how == "dies" else {"ome_ngff-cache-foreign"}
            )
        with caching(tmp_path, "ends") as second:
            seen = {*second.communicate()[0].split()}
        assert (there <= seen) is (how == "waits")
        assert len(seen) == (5 if how == "waits" else 3)
        process.communicate("")
    assert [path.name for path in tmp_path.iterdir()] == ["ome_ngff-cache-foreign"]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="there are no users here")
def test_what_another_user_has_left_of_a_cache_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ome_ngff-cache-a.lock").touch()
    (tmp_path / "ome_ngff-cache-a").mkdir()
    theirs, own = {path.name for path in tmp_path.iterdir()}, os.getuid()
    with ome_ngff.config.set(cache_store=tmp_path):
        for user, left in ((own + 1, theirs), (own, set())):
            monkeypatch.setattr(os, "getuid", lambda user=user: user)
            _, remove = scratch_folder()
            remove()
            assert {path.name for path in tmp_path.iterdir()} == left


def test_one_level_alone_is_made_by_no_method(tmp_path: Path) -> None:
    to_ngff_zarr(tmp_path / "i", to_multiscales(PIXELS, []))
    assert not document(tmp_path / "i")["multiscales"][0].keys() & {"type", "metadata"}


def test_shards_are_multiples_of_chunks(tmp_path: Path) -> None:
    to_ngff_zarr(tmp_path / "i", to_multiscales(PIXELS, [2], chunks=8), chunks_per_shard=2)
    array = zarr.open_array(tmp_path / "i" / "scale0" / "image", mode="r")
    assert (array.chunks, array.shards) == ((8, 8, 8), (16, 16, 16))


def test_callbacks_are_called_once_the_image_is_written(tmp_path: Path) -> None:
    seen: list[bool] = []
    image = to_ngff_image(PIXELS)
    image.computed_callbacks.append(lambda: seen.append("ome" in attributes(tmp_path / "i")))
    to_ngff_zarr(tmp_path / "i", to_multiscales(image, [2]))
    assert seen == [True]


def test_channel_names_and_colours_are_written(tmp_path: Path) -> None:
    image = to_ngff_image(PIXELS[:2], dims="cyx", channel_names=["DNA", "actin"])
    image.channel_colors = ["0000FF", "00FF00"]
    to_ngff_zarr(tmp_path / "i", to_multiscales(image, [2]))
    channels = document(tmp_path / "i")["omero"]["channels"]
    assert [(c["label"], c["color"]) for c in channels] == [("DNA", "0000FF"), ("actin", "00FF00")]
    assert open_image(tmp_path / "i").images[0].channel_names == ["DNA", "actin"]


# Reading ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_what_is_read_is_written_back_equal(tmp_path: Path, any_format: Any, version: str) -> None:
    write_image(
        PIXELS, tmp_path / "a", axes="zyx", scale_factors=[2, 4], fmt=any_format, scale=[2, 0.5, 0.5], chunks=32,
        translation=[1, 2, 3], axes_units=dict.fromkeys("zyx", "micrometer"), name="cells",
        omero={"channels": [{"color": "FF0000", "window": {"min": 0, "max": 9, "start": 1, "end": 2}, "x": 1}], "y": 2},
    )  # fmt: skip
    write_labels(PIXELS % 7, tmp_path / "a", "sevens", axes="zyx", scale_factors=[2, 4])
    zarr.open_group(tmp_path / "a", mode="r+").attrs["mine"] = {"a": [1]}
    read = open_image(tmp_path / "a", validate=True)
    to_ngff_zarr(tmp_path / "b", read, version=version)
    again = open_image(tmp_path / "b", validate=True)
    for a, b in zip(read.images, again.images, strict=True):
        np.testing.assert_array_equal(a.data.compute(), b.data.compute())
        assert (a.scale, a.translation, a.axes_units, a.dims) == (b.scale, b.translation, b.axes_units, b.dims)
    assert again.attributes == {"mine": {"a": [1]}}
    assert again.metadata.omero == read.metadata.omero
    assert again.metadata.datasets == read.metadata.datasets
    assert list(again.labels) == ["sevens"]
    np.testing.assert_array_equal(again.labels["sevens"].images[0].data.compute(), PIXELS % 7)
    if version == any_format.version:
        assert document(tmp_path / "a") == document(tmp_path / "b")


def test_transformations_of_both_levels_are_composed(tmp_path: Path) -> None:
    write_image(PIXELS[0], tmp_path / "i", scale_factors=[2], scale=[2, 3], translation=[10, 20])
    group = zarr.open_group(tmp_path / "i", mode="r+")
    ome = dict(group.attrs["ome"])
    ome["multiscales"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [10, 100]}, {"type": "translation", "translation": [1, 2]}
    ]  # fmt: skip
    group.attrs["ome"] = ome
    image = open_image(tmp_path / "i").images[0]
    assert (image.scale, image.translation) == ({"y": 20, "x": 300}, {"y": 101, "x": 2002})


@pytest.mark.parametrize("version", ["0.1", "0.2", "0.3"])
def test_old_versions_are_read(tmp_path: Path, version: str) -> None:
    group = zarr.create_group(tmp_path / "i", zarr_format=2)
    separator = "." if version == "0.1" else "/"
    for name, shape in (("0", (1, 2, 1, 8, 8)), ("1", (1, 2, 1, 4, 4))):
        group.create_array(name, shape=shape, dtype="uint8", chunk_key_encoding={"name": "v2", "separator": separator})[
            ...
        ] = 5
    multiscale: dict[str, Any] = {"version": version, "datasets": [{"path": "0"}, {"path": "1"}]}
    if version == "0.3":
        multiscale["axes"] = list("tczyx")
    group.attrs["multiscales"] = [multiscale]
    read = open_image(tmp_path / "i")
    assert read.metadata.version == version
    assert read.images[1].dims == tuple("tczyx")
    assert read.images[1].scale == {"t": 1, "c": 1, "z": 1, "y": 2, "x": 2}
    assert int(read.images[1].data.max()) == 5


@pytest.mark.parametrize(("dtype", "order"), [(">u2", "C"), ("<u2", "F"), (">f4", "F")])
def test_arrays_that_lie_otherwise_are_read(tmp_path: Path, dtype: str, order: Any) -> None:
    write_image(PIXELS[0], tmp_path / "i", fmt="0.4", scale_factors=[])
    array = zarr.create_array(
        tmp_path / "i", name="0", overwrite=True, shape=(60, 70), chunks=(16, 16), dtype=dtype, zarr_format=2,
        order=order, chunk_key_encoding={"name": "v2", "separator": "/"},
    )  # fmt: skip
    array[...] = PIXELS[0].astype(dtype)
    read = open_image(tmp_path / "i").images[0].data
    assert read.dtype.isnative
    np.testing.assert_array_equal(read.compute(), PIXELS[0])


@pytest.mark.parametrize("ending", [".zip", ".ozx"])
def test_a_single_file_holds_its_metadata_first_and_nothing_compressed(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    multiscales = to_multiscales(PIXELS, [2], chunks=32)
    to_ngff_zarr(path, multiscales)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert b'"jsonFirst": true' in archive.comment
    count = sum(name.endswith("zarr.json") for name in names)
    assert names[0] == "zarr.json"
    assert all(name.endswith("zarr.json") for name in names[:count])
    read = open_image(path)
    np.testing.assert_array_equal(read.images[1].data.compute(), multiscales.images[1].data.compute())
    with pytest.raises(ExistsError, match="overwrite=True"):
        to_ngff_zarr(path, multiscales, overwrite=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]


def test_overwriting_leaves_no_empty_groups_of_the_old_levels(tmp_path: Path) -> None:
    to_ngff_zarr(tmp_path / "i", to_multiscales(PIXELS, [2, 4]))
    to_ngff_zarr(tmp_path / "i", to_multiscales(PIXELS, []))
    to_ngff_zarr(tmp_path / "fresh", to_multiscales(PIXELS, []))
    assert every_file(tmp_path / "i") == every_file(tmp_path / "fresh")


def truncated(folder: Path) -> Any:
    write_image(PIXELS[0], folder / "i", scale_factors=[], compression="zstd")
    chunk = next(path for path in (folder / "i" / "0" / "c").rglob("*") if path.is_file())
    chunk.write_bytes(chunk.read_bytes()[:50])
    return open_image(folder / "i").images[0].data.compute(scheduler="sync")


def incomplete(folder: Path) -> Any:
    write_image(PIXELS, folder / "i", axes="zyx", compute=False)
    return open_image(folder / "i")


def without_level(folder: Path) -> Any:
    write_image(PIXELS[0], folder / "i", scale_factors=[2])
    (folder / "i" / "1" / "zarr.json").unlink()
    return open_image(folder / "i")


def invalid(folder: Path) -> Any:
    write_image(PIXELS[0], folder / "i", scale_factors=[])
    group = zarr.open_group(folder / "i", mode="r+")
    ome = dict(group.attrs["ome"])
    ome["multiscales"][0]["axes"][0]["name"] = "x"
    group.attrs["ome"] = ome
    return open_image(folder / "i", validate=True)


BAD = [
    pytest.param(lambda f: to_ngff_image(PIXELS, dims="abc"), AxesError, "t, c, z, y, x", id="dims-unknown"),
    pytest.param(lambda f: to_ngff_image(PIXELS, dims="yx"), AxesError, "2 dimensions, but the data has 3", id="dims-few"),
    pytest.param(lambda f: to_ngff_image(PIXELS, scale={"t": 1}), AxesError, "names the axis 't'", id="scale-axis"),
    pytest.param(lambda f: to_ngff_image(np.zeros(3)), InputError, "two dimensions", id="one-dimension"),
    pytest.param(lambda f: to_ngff_image(f / "no"), MissingError, "no Zarr array", id="no-array"),
    pytest.param(lambda f: NgffImage(PIXELS, "zyx", {"t": 1}), AxesError, "names the axis 't'", id="image-scale-axis"),
    pytest.param(lambda f: to_multiscales(PIXELS, 0), ScaleError, "above zero", id="smallest-length"),
    pytest.param(lambda f: to_multiscales(PIXELS, [4, 2]), ScaleError, "must grow", id="factors"),
    pytest.param(lambda f: to_multiscales(PIXELS, [2], "gauss"), ValueError, "Did you mean", id="method"),
    pytest.param(lambda f: to_multiscales(PIXELS, [2], orientation="XYZ"), OptionError, "LPS", id="orientation"),
    pytest.param(lambda f: to_multiscales(PIXELS, [], chunks={"x": ()}), ChunkError, "have one length", id="no-chunks"),
    pytest.param(
        lambda f: to_multiscales(PIXELS, [], chunks={"x": (20, 30, 20)}), ChunkError, "but for the last", id="chunks-differ"
    ),
    pytest.param(
        lambda f: to_multiscales(PIXELS, [], chunks={"x": (30, 40)}), ChunkError, "but for the last", id="last-chunk-longer"
    ),
    pytest.param(lambda f: open_image(f / "no"), MissingError, "no OME-Zarr", id="nothing-there"),
    pytest.param(lambda f: open_image(zarr.create_group(f / "g")), InputError, "not an OME-Zarr image", id="plain-group"),
    pytest.param(without_level, MissingError, "names the level '1'", id="missing-level"),
    pytest.param(truncated, StoreError, "cannot be read at", id="truncated-chunk"),
    pytest.param(incomplete, IncompleteError, "finish it with resume", id="incomplete"),
    pytest.param(invalid, ValidationError, "unique", id="invalid"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_bad_input_is_told_clearly(tmp_path: Path, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        call(tmp_path)
    assert isinstance(caught.value, NgffError)


def test_metadata_compares_and_goes_to_json_and_back() -> None:
    metadata = Metadata(
        [Axis("y", "space", "micrometer"), Axis("x", "space")],
        [Dataset("0", [Scale([1, 2]), Translation([0, 0.5])])],
        [Scale([3, 3])], name="a", type="gaussian", metadata={"b": 1}, extra={"c": [2]},
    )  # fmt: skip
    assert FormatV05().decode(FormatV05().encode(metadata)) == metadata
    assert from_ngff_zarr is open_image
