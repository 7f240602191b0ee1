"""Images and labels on disk, seen by readers that are not ours."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

import dask
import dask.array as da
import h5py
import numcodecs
import numpy as np
import pytest
import zarr
from helpers import attributes, datasets, document, every_file, pixels, pixels_by_tensorstore, scale_of, translation_of
from ome_zarr_models.v04 import HCS as HCS04
from ome_zarr_models.v04 import Image as Image04
from ome_zarr_models.v04 import ImageLabel as ImageLabel04
from ome_zarr_models.v05 import HCS as HCS05
from ome_zarr_models.v05 import Image as Image05
from ome_zarr_models.v05 import ImageLabel as ImageLabel05
from zarr.storage import StorePath

import ome_ngff
from ome_ngff import (
    FormatV04,
    FormatV05,
    Scaler,
    config,
    write_image,
    write_label_metadata,
    write_labels,
    write_multiscale,
    write_multiscale_labels,
    write_multiscales_metadata,
    write_plate_metadata,
    write_well_metadata,
    writer,
)
from ome_ngff.exceptions import StoreError
from ome_ngff.store import find_target
from ome_ngff.store.layout import Layout

IMAGE = {"0.4": Image04, "0.5": Image05}
LABEL = {"0.4": ImageLabel04, "0.5": ImageLabel05}
PLATE = {"0.4": HCS04, "0.5": HCS05}
SHAPES = [
    pytest.param("yx", (67, 53), id="2D-yx"),
    pytest.param("zyx", (9, 33, 31), id="3D-zyx"),
    pytest.param("cyx", (3, 40, 41), id="3D-cyx"),
    pytest.param("czyx", (2, 7, 30, 29), id="4D-czyx"),
    pytest.param("tyx", (3, 1, 64), id="3D-tyx-of-one-row"),
    pytest.param("tczyx", (2, 2, 5, 21, 34), id="5D"),
]


def random(shape: tuple[int, ...], dtype: Any = "uint16") -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(0, 4000, shape).astype(dtype)


@pytest.mark.parametrize(("axes", "shape"), SHAPES)
@pytest.mark.parametrize("kind", ["numpy", "dask"])
def test_readers_that_are_not_ours_open_what_was_written(
    tmp_path: Path, any_format: Any, axes: str, shape: tuple[int, ...], kind: str
) -> None:
    image = random(shape)
    path = tmp_path / "image.ome.zarr"
    given = image if kind == "numpy" else da.from_array(image, chunks=11)
    result = write_image(
        given, path, axes=axes, scale_factors=[2, 4], method="local_mean", fmt=any_format, chunks=16,
        scale={"x": 0.25, "y": 0.25}, axes_units={"y": "micrometer", "x": "micrometer"},
    )  # fmt: skip
    assert result == []
    expected = Scaler("local_mean", scale_factors=[2, 4]).local_mean(image)
    for read in (pixels(path), pixels_by_tensorstore(path)):
        assert [level.dtype for level in read] == [image.dtype] * 3
        for level, wanted in zip(read, expected, strict=True):
            np.testing.assert_array_equal(level, wanted)
    if any_format.version in IMAGE:
        model = IMAGE[any_format.version].from_zarr(zarr.open_group(path, mode="r"))
        names = [axis.name for axis in model.ome_attributes.multiscales[0].axes]
        assert names == list(axes)


def test_the_metadata_is_what_the_specification_asks_for(tmp_path: Path) -> None:
    write_image(
        random((8, 32, 32)), tmp_path / "i", axes="zyx", scale={"z": 0.5, "y": 0.1, "x": 0.1},
        translation={"z": 100, "y": 0, "x": -3}, axes_units=dict.fromkeys("zyx", "micrometer"), name="cells",
        scale_factors=[{"y": 2, "x": 2}, {"z": 2, "y": 4, "x": 4}], method="resize",
    )  # fmt: skip
    found = document(tmp_path / "i")
    assert found["version"] == "0.5"
    (multiscale,) = found["multiscales"]
    assert multiscale["name"] == "cells"
    assert multiscale["axes"] == [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]
    assert multiscale["type"] == "resize"
    assert multiscale["metadata"]["method"] == "ome_ngff.methods.Resize"
    assert multiscale["metadata"]["version"] == ome_ngff.__version__
    assert [d["path"] for d in multiscale["datasets"]] == ["0", "1", "2"]
    assert [scale_of(d) for d in multiscale["datasets"]] == [[0.5, 0.1, 0.1], [0.5, 0.2, 0.2], [1.0, 0.4, 0.4]]
    np.testing.assert_allclose(
        [translation_of(d) for d in multiscale["datasets"]],
        [[100, 0, -3], [100, 0.05, -2.95], [100.25, 0.15, -2.85]],
    )


def test_the_metadata_names_the_method_that_was_really_used(tmp_path: Path, any_method: Any) -> None:
    write_image(random((32, 32)), tmp_path / "i", method=any_method, scale_factors=[2])
    multiscale = document(tmp_path / "i")["multiscales"][0]
    module, _, name = multiscale["metadata"]["method"].rpartition(".")
    assert multiscale["type"] == any_method.name
    assert getattr(__import__(module, fromlist=[name]), name) is type(any_method)


def test_storage_options_may_say_what_is_written_anyway(tmp_path: Path) -> None:
    words = {"order": "C", "dimension_separator": "/", "dimension_names": ["y", "x"]}
    words |= {"serializer": zarr.codecs.BytesCodec(endian="little"), "chunks": 32}
    write_image(random((64, 64)), tmp_path / "said", storage_options=words)
    write_image(random((64, 64)), tmp_path / "plain", chunks=32)
    documents = [(tmp_path / name / "0" / "zarr.json").read_text() for name in ("said", "plain")]
    assert documents[0] == documents[1]


def test_v04_nests_its_chunks_and_v05_names_its_dimensions(tmp_path: Path) -> None:
    write_image(random((64, 64)), tmp_path / "4", fmt="0.4", chunks=32, scale_factors=[])
    write_image(random((64, 64)), tmp_path / "5", fmt="0.5", chunks=32, scale_factors=[])
    assert (tmp_path / "4" / "0" / "1" / "0").is_file()
    assert (tmp_path / "5" / "0" / "c" / "1" / "0").is_file()
    assert zarr.open_array(tmp_path / "4" / "0", mode="r").metadata.dimension_separator == "/"
    assert zarr.open_array(tmp_path / "5" / "0", mode="r").metadata.dimension_names == ("y", "x")
    assert document(tmp_path / "4")["multiscales"][0]["version"] == "0.4"


@pytest.mark.parametrize(
    ("axes", "shape", "chunks"),
    [
        pytest.param("zyx", (200, 300, 100), (128, 128, 100), id="volume"),
        pytest.param("yx", (2000, 900), (1024, 900), id="plane"),
        pytest.param("zyx", (1, 2000, 900), (1, 1024, 900), id="volume of one plane"),
        pytest.param("tczyx", (2, 3, 130, 200, 200), (1, 1, 128, 128, 128), id="5D"),
    ],
)
def test_default_chunks_suit_viewers(
    tmp_path: Path, axes: str, shape: tuple[int, ...], chunks: tuple[int, ...]
) -> None:
    write_image(np.zeros(shape, "uint8"), tmp_path / "i", axes=axes, scale_factors=[])
    assert zarr.open_array(tmp_path / "i" / "0", mode="r").chunks == chunks


def test_chunks_of_fewer_axes_are_those_of_the_last(tmp_path: Path) -> None:
    write_image(np.zeros((3, 40, 40), "uint8"), tmp_path / "i", axes="cyx", chunks=(16, 20), scale_factors=[])
    assert zarr.open_array(tmp_path / "i" / "0", mode="r").chunks == (1, 16, 20)


def test_the_automatic_ladder_grows_voxels_towards_cubes_and_stops_at_one_chunk(tmp_path: Path) -> None:
    write_image(np.zeros((40, 256, 512), "uint8"), tmp_path / "i", axes="zyx", scale=[4, 1, 1], chunks=32)
    assert [level.shape for level in pixels(tmp_path / "i")] == [
        (40, 256, 512), (40, 128, 256), (40, 64, 128), (20, 32, 64), (10, 16, 32),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("compression", "v05", "v04"),
    [
        pytest.param(None, "BloscCodec", "Blosc", id="default"),
        pytest.param("blosc-lz4", "BloscCodec", "Blosc", id="lz4"),
        pytest.param("zstd:7", "ZstdCodec", "Zstd", id="zstd"),
        pytest.param(("gzip", 2), "GzipCodec", "GZip", id="gzip"),
        pytest.param(numcodecs.Blosc("zstd", 5, 1), "BloscCodec", "Blosc", id="numcodecs"),
        pytest.param(zarr.codecs.ZstdCodec(level=2), "ZstdCodec", "Zstd", id="zarr"),
        pytest.param("none", None, None, id="none"),
    ],
)
def test_compression_goes_by_name_or_codec_in_both_versions(
    tmp_path: Path, compression: Any, v05: str | None, v04: str | None
) -> None:
    image = random((64, 64))
    for version, wanted in (("0.5", v05), ("0.4", v04)):
        path = tmp_path / version
        write_image(image, path, fmt=version, compression=compression, scale_factors=[2])
        used = zarr.open_array(path / "1", mode="r").compressors
        assert [type(codec).__name__ for codec in used] == ([wanted] if wanted else [])
        np.testing.assert_array_equal(pixels_by_tensorstore(path)[0], image)


@pytest.mark.parametrize("path", [".hidden/im", "a./b/im", "im"])
def test_groups_above_an_image_are_created_and_those_that_are_there_stay(
    tmp_path: Path, any_format: Any, path: str
) -> None:
    version = 2 if any_format.version == "0.4" else 3
    root = zarr.create_group(tmp_path, zarr_format=version, attributes={"ours": False})
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    write_image(random((32, 32)), StorePath(root.store, path), fmt=any_format)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before
    assert [folder.name for folder in tmp_path.iterdir() if folder.is_dir()] == [path.split("/")[0]]
    for parent in PurePosixPath(path).parents:
        assert isinstance(zarr.open_group(tmp_path / parent, mode="r"), zarr.Group)


def test_nothing_is_written_below_an_array(tmp_path: Path, any_format: Any) -> None:
    version = 2 if any_format.version == "0.4" else 3
    root = zarr.create_group(tmp_path, zarr_format=version)
    root.create_array("pixels", shape=(4, 4), dtype="uint8")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(StoreError, match="pixels is an array"):
        write_image(random((32, 32)), StorePath(root.store, "pixels/im"), fmt=any_format)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def used(path: Path) -> dict[str, Any]:
    """Return the settings of the codec that an array is compressed by."""
    codec = zarr.open_array(path, mode="r").compressors[0]
    found: dict[str, Any] = codec.get_config() if hasattr(codec, "get_config") else codec.to_dict()
    return {"name": found.get("name") or found["id"], **found.get("configuration", found)}


def test_blosc_by_name_has_large_blocks_but_codec_objects_keep_theirs(tmp_path: Path, any_format: Any) -> None:
    image = random((64, 64))
    for given, block in ((None, 2**19), ("blosc-lz4", 2**19), (numcodecs.Blosc("zstd", 5, 1, 2**16), 2**16)):
        write_image(image, tmp_path / "i", fmt=any_format, compression=given, overwrite=True)
        assert used(tmp_path / "i" / "0")["blocksize"] == block
        np.testing.assert_array_equal(pixels_by_tensorstore(tmp_path / "i")[0], image)


def test_labels_are_compressed_by_plain_zstandard_unless_something_else_is_said(
    tmp_path: Path, any_format: Any
) -> None:
    labels = np.kron(np.arange(16, dtype="uint32").reshape(4, 4), np.ones((16, 16), "uint32"))
    write_image(random((64, 64)), tmp_path / "i", fmt=any_format, scale_factors=[2])
    write_labels(labels, tmp_path / "i", name="cells")
    write_image(labels, tmp_path / "j", fmt=any_format, scale_factors=[])
    write_multiscale_labels([labels], tmp_path / "j", name="cells", compression="auto")
    write_labels(labels, tmp_path / "i", name="small", compression="blosc-zstd:9")
    write_labels(labels, tmp_path / "i", name="plain", storage_options={"compression": "gzip"})
    found = {name: used(tmp_path / name) for name in ("i/labels/cells/1", "j/labels/cells/0")}
    assert [(each["name"], each["level"]) for each in found.values()] == [("zstd", 3), ("zstd", 3)]
    assert used(tmp_path / "i/labels/small/0")["clevel"] == 9
    assert used(tmp_path / "i/labels/plain/0")["name"] == "gzip"


def test_shards_hold_whole_chunks_and_shrink_with_their_level(tmp_path: Path) -> None:
    image = random((64, 128, 128))
    steps = [dict.fromkeys("zyx", 2**k) for k in (1, 2)]
    write_image(image, tmp_path / "i", axes="zyx", scale_factors=steps, chunks=16, shards=64)
    grids = [zarr.open_array(tmp_path / "i" / str(k), mode="r") for k in range(3)]
    assert [(g.chunks, g.shards) for g in grids] == [((16,) * 3, (n,) * 3) for n in (64, 32, 16)]
    np.testing.assert_array_equal(pixels_by_tensorstore(tmp_path / "i")[0], image)


def test_shards_are_no_longer_than_the_chunks_of_their_level(tmp_path: Path) -> None:
    write_image(np.zeros((40, 40), "uint8"), tmp_path / "i", axes="yx", chunks=16, shards=64, scale_factors=[])
    assert zarr.open_array(tmp_path / "i" / "0", mode="r").shards == (48, 48)


@pytest.mark.parametrize(("chunks", "shards"), [(None, 100), (50, 100), (64, 128)])
def test_an_axis_that_fits_in_one_chunk_has_one_shard(tmp_path: Path, chunks: int | None, shards: int) -> None:
    image = random((30, 256, 256))
    write_image(image, tmp_path / "i", axes="zyx", scale_factors=[2], chunks=chunks, shards=shards)
    first = zarr.open_array(tmp_path / "i" / "0", mode="r")
    assert (first.chunks[0], first.shards) == (30, (30, shards, shards))
    np.testing.assert_array_equal(pixels_by_tensorstore(tmp_path / "i")[0], image)


def test_automatic_shards_are_large_and_leave_room_for_two_tasks(tmp_path: Path) -> None:
    lazy = da.zeros((2000, 4000, 4000), dtype="uint16", chunks=(128, 256, 256))
    write_image(lazy, tmp_path / "i", axes="zyx", shards="auto", compute=False)
    array = zarr.open_array(tmp_path / "i" / "0", mode="r")
    assert 2**25 < np.prod(array.shards) * 2 <= 2**26
    plan = writer.image_request(lazy, tmp_path / "j", axes="zyx", layout=Layout(shards="auto")).plan()
    assert all(2 * work.task_bytes <= config.memory_target for work in plan.passes)


def test_storage_options_apply_to_all_levels_or_to_each(tmp_path: Path) -> None:
    write_image(random((64, 64)), tmp_path / "a", scale_factors=[2], storage_options={"chunks": (16, 16)})
    write_image(
        random((64, 64)), tmp_path / "b", scale_factors=[2], storage_options=[{"chunks": (16, 16)}, {"chunks": (8, 8)}]
    )
    assert [zarr.open_array(tmp_path / "a" / k, mode="r").chunks for k in "01"] == [(16, 16), (16, 16)]
    assert [zarr.open_array(tmp_path / "b" / k, mode="r").chunks for k in "01"] == [(16, 16), (8, 8)]


class Tensor:
    """An array that only speaks DLPack."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self._array = array

    def __dlpack__(self, **words: Any) -> Any:
        return self._array.__dlpack__(**words)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()


class Holder:
    """An array that only speaks `__array__`."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self._array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        return self._array


class Sliced:
    """An array that counts the pixels that are read from it, and refuses to be read whole."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self._array, self.shape, self.dtype, self.ndim, self.largest = array, array.shape, array.dtype, array.ndim, 0

    def __getitem__(self, box: Any) -> np.ndarray[Any, Any]:
        part = self._array[box]
        self.largest = max(self.largest, part.size)
        return part

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        raise AssertionError("read whole")


@pytest.mark.parametrize(
    "kind", ["dlpack", "__array__", "memmap", "zarr", "h5py", "foreign byte order", "list", "strided"]
)
def test_whatever_is_an_array_can_be_written(tmp_path: Path, kind: str) -> None:
    image = random((40, 50))
    if kind == "memmap":
        np.save(tmp_path / "a.npy", image)
    makers: dict[str, Any] = {
        "dlpack": lambda: Tensor(image),
        "__array__": lambda: Holder(image),
        "memmap": lambda: np.load(tmp_path / "a.npy", mmap_mode="r"),
        "zarr": lambda: zarr.array(image, chunks=(13, 17)),
        "h5py": lambda: h5py.File(tmp_path / "a.h5", "w").create_dataset("a", data=image, chunks=(7, 9)),
        "foreign byte order": lambda: image.astype(">u2"),
        "list": lambda: image.tolist(),
        "strided": lambda: np.repeat(image, 2, 1)[:, ::2],
    }
    write_image(makers[kind](), tmp_path / "i", scale_factors=[2], method="nearest", chunks=16)
    np.testing.assert_array_equal(pixels_by_tensorstore(tmp_path / "i")[0], image)
    np.testing.assert_array_equal(pixels(tmp_path / "i")[1], image[::2, ::2])


def test_an_array_that_can_be_sliced_is_never_read_whole(tmp_path: Path) -> None:
    source = Sliced(random((64, 512, 512)))
    with ome_ngff.config.set(memory_target="8MiB", task_target="1MiB"):
        write_image(source, tmp_path / "i", axes="zyx", chunks=32, scale_factors=[2])
    np.testing.assert_array_equal(pixels(tmp_path / "i")[0], source._array)
    assert source.largest * 2 < 2**20


@pytest.mark.parametrize("how", ["path", "str", "group", "store", "mapping", "subgroup"])
def test_a_group_can_be_named_in_many_ways(tmp_path: Path, how: str) -> None:
    image = random((20, 20))
    memory: dict[str, Any] = {}
    path = tmp_path / "i"
    place: Any = {
        "path": lambda: path,
        "str": lambda: str(path),
        "group": lambda: zarr.create_group(path, zarr_format=3),
        "store": lambda: zarr.storage.LocalStore(path),
        "mapping": lambda: memory,
        "subgroup": lambda: zarr.create_group(tmp_path, zarr_format=3).create_group("i"),
    }[how]()
    write_image(image, place, scale_factors=[2])
    group = zarr.open_group(zarr.storage.MemoryStore(memory) if how == "mapping" else path, mode="r")
    np.testing.assert_array_equal(group["0"][...], image)
    assert "multiscales" in group.attrs["ome"]


def test_the_format_follows_the_group_that_is_there(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "2", zarr_format=2)
    write_image(random((20, 20)), tmp_path / "2")
    assert attributes(tmp_path / "2")["multiscales"][0]["version"] == "0.4"


# Delayed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheduler", ["threads", "sync"])
def test_delayed_tasks_write_the_same_store_on_any_scheduler(tmp_path: Path, any_method: Any, scheduler: str) -> None:
    image = random((70, 90))
    words: dict[str, Any] = {"scale_factors": [2, 4], "chunks": 16, "method": any_method}
    with ome_ngff.config.set(memory_target="64kB", task_target="16kB"):
        write_image(image, tmp_path / "now", **words)
        tasks = write_image(image, tmp_path / "later", compute=False, **words)
    assert len(tasks) > 3
    assert "ome" not in attributes(tmp_path / "later")
    dask.compute(*reversed(tasks), scheduler=scheduler)
    assert every_file(tmp_path / "now") == every_file(tmp_path / "later")


def test_the_last_delayed_task_waits_for_all_others(tmp_path: Path) -> None:
    image = random((70, 90))
    words: dict[str, Any] = {"scale_factors": [2, 4], "chunks": 16, "method": "gaussian"}
    with ome_ngff.config.set(memory_target="10kB", task_target="2kB"):
        write_image(image, tmp_path / "now", **words)
        tasks = write_image(image, tmp_path / "later", compute=False, **words)
    assert len(find_target(tmp_path / "later").mark["cut"]) > 2, "one pass has nothing to wait for"
    dask.compute(tasks[-1], scheduler="sync")
    assert every_file(tmp_path / "now") == every_file(tmp_path / "later")


@pytest.mark.slow
def test_delayed_tasks_write_the_same_store_in_processes(tmp_path: Path) -> None:
    image = random((70, 90))
    words: dict[str, Any] = {"scale_factors": [2, 4], "chunks": 16, "method": "gaussian"}
    with ome_ngff.config.set(memory_target="64kB", task_target="16kB"):
        write_image(image, tmp_path / "now", **words)
        tasks = write_image(image, tmp_path / "later", compute=False, **words)
    dask.compute(*tasks, scheduler="processes", num_workers=2)
    assert every_file(tmp_path / "now") == every_file(tmp_path / "later")


def test_delayed_tasks_share_one_graph(tmp_path: Path) -> None:
    """Dask joins the graphs of a call, and looks through all of each: of thousands with one each, millions of times."""
    words: dict[str, Any] = {"scale_factors": [2, 4], "chunks": 16, "method": "gaussian", "compute": False}
    with ome_ngff.config.set(memory_target="10kB", task_target="2kB"):
        tasks = write_image(random((70, 90)), tmp_path / "i", **words)
    graphs = {id(task.__dask_graph__()): task.__dask_graph__() for task in tasks}
    (graph,) = graphs.values()
    passes = len(find_target(tmp_path / "i").mark["cut"]) - 1
    assert len(graph) == len(tasks) + 2 + passes - 1  # the job, its end, and what each pass but the first waits for


def test_delayed_tasks_can_be_pickled(tmp_path: Path) -> None:
    tasks = write_image(random((70, 90)), tmp_path / "i", compute=False, chunks=32)
    again = pickle.loads(pickle.dumps(tasks))
    dask.compute(*again, scheduler="sync")
    np.testing.assert_array_equal(pixels(tmp_path / "i")[0], random((70, 90)))


def test_pickled_tasks_carry_places_and_no_pixels(tmp_path: Path) -> None:
    image = random((48, 70, 90))
    np.save(tmp_path / "a.npy", image)
    words: dict[str, Any] = {"axes": "zyx", "scale_factors": [2, 4], "chunks": 16, "method": "gaussian"}
    with config.set(memory_target="400kB", task_target="100kB", cache_store=tmp_path / "cache"):
        write_image(image, tmp_path / "now", **words)
        mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
        planes = da.map_blocks(np.copy, da.from_array(mapped, chunks=(1, -1, -1)), dtype=image.dtype)
        for name, source in {"mapped": mapped, "planes": planes}.items():
            sent = pickle.dumps(write_image(source, tmp_path / name, compute=False, **words))
            assert name == "planes" or len(sent) < image.nbytes / 2
            dask.compute(*pickle.loads(sent), scheduler="sync")
            assert every_file(tmp_path / name) == every_file(tmp_path / "now")


# Labels ------------------------------------------------------------------------------------------------------------


def test_labels_are_written_below_their_image_and_registered_once(tmp_path: Path, any_format: Any) -> None:
    path = tmp_path / "i"
    write_image(random((64, 64)), path, fmt=any_format, scale_factors=[2, 4])
    labels = np.arange(64 * 64, dtype="uint32").reshape(64, 64) // 100
    write_labels(labels, path, "cells", scale_factors=[2, 4])
    write_labels(labels, path, "nuclei", scale_factors=[2, 4])
    write_labels(labels, path, "cells", scale_factors=[2, 4], overwrite=True)
    assert document(path / "labels")["labels"] == ["cells", "nuclei"]
    if any_format.version in LABEL:
        LABEL[any_format.version].from_zarr(zarr.open_group(path / "labels" / "cells", mode="r"))
    if any_format.version in IMAGE:
        IMAGE[any_format.version].from_zarr(zarr.open_group(path, mode="r"))
    assert document(path / "labels" / "cells")["image-label"]["source"] == {"image": "../../"}
    for level in pixels_by_tensorstore(path / "labels" / "cells"):
        assert level.dtype == labels.dtype
        assert set(np.unique(level)) <= set(np.unique(labels))


def test_labels_keep_what_others_registered(tmp_path: Path) -> None:
    write_image(random((16, 16)), tmp_path / "i")
    theirs = {"ome": {"version": "0.5", "labels": ["theirs"]}, "mine": 1}
    zarr.open_group(tmp_path / "i", mode="a").create_group("labels", attributes=theirs)
    write_labels(np.ones((16, 16), "uint8"), tmp_path / "i", "ours")
    assert attributes(tmp_path / "i" / "labels") == {"ome": {"version": "0.5", "labels": ["theirs", "ours"]}, "mine": 1}


def test_bool_labels_become_uint8(tmp_path: Path) -> None:
    mask = random((33, 33)) > 2000
    write_image(random((33, 33)), tmp_path / "i", scale_factors=[2])
    for name, given in (("numpy", mask), ("dask", da.from_array(mask, chunks=10))):
        write_labels(given, tmp_path / "i", name, scale_factors=[2])
        np.testing.assert_array_equal(pixels(tmp_path / "i" / "labels" / name)[0], mask.astype("uint8"))


def test_label_metadata_is_written(tmp_path: Path) -> None:
    colors = [{"label-value": 1, "rgba": [255, 0, 0, 255]}]
    properties = [{"label-value": 1, "class": "nucleus"}]
    write_image(random((8, 8)), tmp_path / "i")
    write_labels(np.ones((8, 8), "uint8"), tmp_path / "i", "a", label_metadata={"colors": colors})
    write_label_metadata(tmp_path / "i" / "labels", "a", properties=properties)
    assert document(tmp_path / "i" / "labels" / "a")["image-label"]["properties"] == properties


# Pyramids and metadata -----------------------------------------------------------------------------------------------


def test_a_pyramid_that_exists_is_written_as_it_is(tmp_path: Path, any_format: Any) -> None:
    pyramid = [random((8, 60, 60)), random((8, 30, 30)), da.from_array(random((4, 15, 15)), chunks=7)]
    write_multiscale(pyramid, tmp_path / "i", axes="zyx", fmt=any_format, scale=[2, 0.5, 0.5], translation=[1, 2, 3])
    for level, given in zip(pixels_by_tensorstore(tmp_path / "i"), pyramid, strict=True):
        np.testing.assert_array_equal(level, np.asarray(given))
    assert [scale_of(d) for d in datasets(tmp_path / "i")] == [[2, 0.5, 0.5], [2, 1, 1], [4, 2, 2]]
    assert translation_of(datasets(tmp_path / "i")[2]) == [1 + 1, 2 + 0.75, 3 + 0.75]


def test_a_pyramid_of_labels_that_exists_is_written_as_it_is(tmp_path: Path) -> None:
    pyramid = [np.ones((8, 8), "uint16"), np.ones((4, 4), "uint16")]
    write_image(random((8, 8)), tmp_path / "i", scale_factors=[2])
    write_multiscale_labels(pyramid, tmp_path / "i", "a")
    assert [level.shape for level in pixels(tmp_path / "i" / "labels" / "a")] == [(8, 8), (4, 4)]
    assert document(tmp_path / "i" / "labels") == {"version": "0.5", "labels": ["a"]}


def test_metadata_alone_can_be_written(tmp_path: Path, any_format: Any) -> None:
    group = zarr.create_group(tmp_path / "i", zarr_format=any_format.zarr_format, attributes={"mine": 1})
    group.create_array("a", shape=(4, 4), dtype="uint8")
    transformations = [{"type": "scale", "scale": [1.0, 1.0]}]
    write_multiscales_metadata(group, [{"path": "a", "coordinateTransformations": transformations}], axes="yx")
    found = document(tmp_path / "i")["multiscales"][0]
    assert found["datasets"] == [{"path": "a", "coordinateTransformations": transformations}]
    assert attributes(tmp_path / "i")["mine"] == 1


def test_explicit_transformations_are_written_as_they_are(tmp_path: Path) -> None:
    given = [[{"type": "scale", "scale": [1.0, 2.0]}], [{"type": "scale", "scale": [3.0, 4.0]}]]
    write_image(random((8, 8)), tmp_path / "i", scale_factors=[2], coordinate_transformations=given)
    assert [d["coordinateTransformations"] for d in datasets(tmp_path / "i")] == given


def test_plates_and_wells_are_accepted_by_other_readers(tmp_path: Path, any_format: Any) -> None:
    plate = zarr.create_group(tmp_path / "p", zarr_format=any_format.zarr_format)
    write_plate_metadata(plate, ["A", "B"], ["1", "2"], ["A/1", "B/2"], name="p", field_count=1)
    for well in ("A/1", "B/2"):
        write_well_metadata(plate.create_group(well), ["0"])
        write_image(random((16, 16)), tmp_path / "p" / well / "0")
    if any_format.version in PLATE:
        model = PLATE[any_format.version].from_zarr(zarr.open_group(tmp_path / "p", mode="r"))
        assert [w.path for w in model.ome_attributes.plate.wells] == ["A/1", "B/2"]


def test_plates_written_by_path_have_their_row_groups(tmp_path: Path, any_format: Any) -> None:
    write_plate_metadata(tmp_path / "p", ["A", "B"], ["1"], ["A/1"], fmt=any_format, name="p", field_count=1)
    write_well_metadata(tmp_path / "p" / "A" / "1", ["0"], fmt=any_format)
    write_image(random((16, 16)), tmp_path / "p" / "A" / "1" / "0", fmt=any_format)
    if any_format.version in PLATE:
        PLATE[any_format.version].from_zarr(zarr.open_group(tmp_path / "p", mode="r"))
    assert isinstance(zarr.open_group(tmp_path / "p", mode="r")["A"], zarr.Group)


def test_a_plate_leaves_the_rows_that_are_there(tmp_path: Path, any_format: Any) -> None:
    words: dict[str, Any] = {"fmt": any_format, "name": "p", "field_count": 1}
    write_plate_metadata(tmp_path / "p", ["A"], ["1"], ["A/1"], **words)
    zarr.open_group(tmp_path / "p" / "A", mode="r+").attrs["mine"] = 1
    write_plate_metadata(tmp_path / "p", ["A", "B"], ["1"], ["A/1", "B/1"], **words)
    assert attributes(tmp_path / "p" / "A") == {"mine": 1}


def test_labels_in_groups_of_their_own_find_their_image(tmp_path: Path) -> None:
    write_image(random((8, 8)), tmp_path / "i")
    write_labels(np.ones((8, 8), "uint8"), tmp_path / "i", "a/b")
    assert document(tmp_path / "i" / "labels" / "a" / "b")["image-label"]["source"] == {"image": "../../../"}


def test_omero_is_written_beside_the_multiscales(tmp_path: Path) -> None:
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    omero = {"channels": [{"color": "FF0000", "window": window, "label": "red", "active": True}] * 3}
    write_image(random((3, 16, 16)), tmp_path / "i", axes="cyx", omero=omero)
    assert document(tmp_path / "i")["omero"] == omero


def test_what_is_written_wins_over_what_the_group_said(tmp_path: Path, any_format: Any) -> None:
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    old, new = ({"channels": [{"color": color, "window": window}]} for color in ("FF0000", "00FF00"))
    zarr.create_group(tmp_path / "i", attributes=any_format.wrap({"omero": old}), zarr_format=any_format.zarr_format)
    write_image(random((16, 16)), tmp_path / "i", omero=new)
    assert document(tmp_path / "i")["omero"] == new


# Overwriting ---------------------------------------------------------------------------------------------------------


def test_overwriting_removes_all_of_the_old_image_and_nothing_else(tmp_path: Path, any_format: Any) -> None:
    path = tmp_path / "i"
    write_image(random((128, 128)), path, fmt=any_format, chunks=16, scale_factors=[2, 4, 8], name="old")
    write_labels(np.ones((128, 128), "uint8"), path, "old")
    group = zarr.open_group(path, mode="a")
    group.attrs["mine"] = {"a": 1}
    group.create_group("tables/mine", attributes={"b": 2})
    write_image(random((20, 20)), path, scale_factors=[2], name="new", overwrite=True)
    fresh = tmp_path / "fresh"
    write_image(random((20, 20)), fresh, fmt=any_format, scale_factors=[2], name="new")
    assert attributes(path) == {**attributes(fresh), "mine": {"a": 1}}
    assert attributes(path / "tables" / "mine") == {"b": 2}
    ours = {k: v for k, v in every_file(path).items() if not k.startswith(("tables", "zarr.json", ".z"))}
    assert ours == {k: v for k, v in every_file(fresh).items() if not k.startswith(("zarr.json", ".z"))}


@pytest.mark.parametrize("path", ["../beside", "../../beside", "1/../../beside"])
def test_overwriting_leaves_levels_that_are_said_to_lie_elsewhere(tmp_path: Path, any_format: Any, path: str) -> None:
    home = tmp_path / "above" / "home"
    write_image(random((20, 20)), home / "i", fmt=any_format, scale_factors=[2])
    for place in (home, home.parent):
        write_image(random((20, 20)), place / "beside", fmt=any_format, scale_factors=[])
    group = zarr.open_group(home / "i", mode="a")
    said = dict(group.attrs)
    said.get("ome", said)["multiscales"][0]["datasets"][1]["path"] = path
    group.attrs.put(said)
    before = {k: v for k, v in every_file(tmp_path).items() if "beside" in k}
    write_image(random((10, 10)), home / "i", scale_factors=[], overwrite=True)
    assert {k: v for k, v in every_file(tmp_path).items() if "beside" in k} == before


@pytest.mark.parametrize("name", ["group", "array"])
def test_overwriting_leaves_what_lies_among_the_labels_but_is_none(tmp_path: Path, any_format: Any, name: str) -> None:
    path = tmp_path / "i"
    write_image(random((20, 20)), path, fmt=any_format)
    write_labels(np.ones((20, 20), "uint8"), path, "old")
    labels = zarr.open_group(path / "labels", mode="a")
    inner = labels.create_group("group", attributes={"mine": 1}) if name == "group" else labels
    inner.create_array("array", shape=(2,), dtype="uint8")[...] = 7
    before = {k: v for k, v in every_file(path / "labels").items() if k.startswith(name)}
    write_image(random((10, 10)), path, overwrite=True)
    assert {k: v for k, v in every_file(path / "labels").items() if k.startswith(name)} == before
    assert not (path / "labels" / "old").exists()
    assert document(path / "labels")["labels"] == []


def test_overwriting_leaves_files_in_the_place_of_a_level_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "i"
    write_image(random((20, 20)), path, scale_factors=[2])
    write_labels(np.ones((20, 20), "uint8"), path, "old")
    shutil.rmtree(path / "labels" / "old" / "1")
    notes = path / "labels" / "old" / "1" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("mine")
    write_image(random((10, 10)), path, scale_factors=[], overwrite=True)
    assert [file for file in (path / "labels" / "old").rglob("*") if file.is_file()] == [notes]


def test_overwriting_one_label_touches_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "i"
    write_image(random((32, 32)), path)
    for name in ("a", "b"):
        write_labels(np.ones((32, 32), "uint8"), path, name)
    before = {k: v for k, v in every_file(path).items() if not k.startswith("labels/a")}
    write_labels(np.full((32, 32), 7, "uint16"), path, "a", overwrite=True)
    assert {k: v for k, v in every_file(path).items() if not k.startswith("labels/a")} == before
    assert pixels(path / "labels" / "a")[0].max() == 7


# Stored arrays -------------------------------------------------------------------------------------------------------


def stored(path: Path, **words: Any) -> zarr.Array:
    array = zarr.create_array(path, shape=(40, 50), dtype="uint16", chunks=(16, 16), zarr_format=3, **words)
    array[...] = random((40, 50))
    array.attrs["origin"] = "here"
    return array


def test_a_scaler_writes_the_pyramid_of_a_stored_array(tmp_path: Path) -> None:
    stored(tmp_path / "a.zarr")
    Scaler("nearest", max_layer=2, copy_metadata=True, labeled=True).scale(
        str(tmp_path / "a.zarr"), str(tmp_path / "i")
    )
    assert [level.shape for level in pixels_by_tensorstore(tmp_path / "i")] == [(40, 50), (20, 25), (10, 13)]
    assert attributes(tmp_path / "i")["origin"] == "here"


def test_in_place_adds_levels_beside_an_array_and_leaves_it_alone(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "i", zarr_format=3)
    stored(tmp_path / "i" / "raw", dimension_names=("y", "x"))
    before = every_file(tmp_path / "i" / "raw")
    Scaler("local_mean", max_layer=2, in_place=True).scale(str(tmp_path / "i" / "raw"), str(tmp_path / "i"))
    assert every_file(tmp_path / "i" / "raw") == before
    assert [d["path"] for d in datasets(tmp_path / "i")] == ["raw", "1", "2"]
    expected = Scaler("local_mean", max_layer=2).local_mean(random((40, 50)))
    for level, wanted in zip(pixels_by_tensorstore(tmp_path / "i"), expected, strict=True):
        np.testing.assert_array_equal(level, wanted)


def test_formats_are_accepted_as_objects_and_as_strings(tmp_path: Path) -> None:
    for fmt in (FormatV04(), "0.4"):
        write_image(random((8, 8)), tmp_path / str(fmt), fmt=fmt)
        assert "multiscales" in attributes(tmp_path / str(fmt))
    write_image(random((8, 8)), tmp_path / "5", fmt=FormatV05())
    assert "ome" in attributes(tmp_path / "5")
