"""Labels lie on their image: what they take over from it, and what contradicts it."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import oracles
import pytest
import skimage
import xarray
import zarr
from helpers import attributes, datasets, document, every_file, pixels, pixels_by_tensorstore, scale_of, translation_of
from hypothesis import given
from hypothesis import strategies as st
from ome_zarr_models.v04 import ImageLabel as ImageLabel04
from ome_zarr_models.v05 import ImageLabel as ImageLabel05

import ome_ngff
from ome_ngff import (
    FormatError,
    IncompleteError,
    LabelError,
    MissingError,
    Scaler,
    dask_utils,
    write_image,
    write_labels,
    write_multiscale_labels,
)
from ome_ngff.samples import SAMPLES, find_sample

LABEL = {"0.4": ImageLabel04, "0.5": ImageLabel05}
RNG = np.random.default_rng(5)
VOLUME = RNG.integers(0, 4000, (2, 9, 35, 42)).astype("uint16")
OBJECTS = np.repeat(np.repeat(RNG.integers(0, 9, (3, 9, 11)), 4, 1), 4, 2)[:, :35, :42].repeat(3, 0).astype("uint32")


def by_loop(labels: np.ndarray[Any, Any], shapes: Sequence[Sequence[int]]) -> list[np.ndarray[Any, Any]]:
    """Halve labels, level by level, by a plain loop, along the axes that shrink."""
    found = [labels]
    for shape in shapes[1:]:
        last = found[-1]
        found.append(oracles.mode(last, [1 if n == m else 2 for n, m in zip(last.shape, shape, strict=True)]))
    return found


def assert_lined_up(image: Path, name: str) -> None:
    """Compare the levels of labels with those of their image: number, shapes, place."""
    labels = image / "labels" / name
    names = [[a["name"] for a in document(p)["multiscales"][0]["axes"]] for p in (image, labels)]
    at = [names[0].index(axis) for axis in names[1]]
    assert len(datasets(labels)) == len(datasets(image))
    for mine, theirs in zip(pixels(labels), pixels(image), strict=True):
        assert all(n in (1, theirs.shape[i]) for n, i in zip(mine.shape, at, strict=True))
    for mine, theirs in zip(datasets(labels), datasets(image), strict=True):
        assert scale_of(mine) == [scale_of(theirs)[i] for i in at]
        assert translation_of(mine) == [translation_of(theirs)[i] for i in at]


# What labels take over ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("picture", list(SAMPLES))
def test_segmentations_of_real_pictures_lie_on_every_level(tmp_path: Path, any_format: Any, picture: str) -> None:
    sample = find_sample(picture)()
    image, path = sample.image, tmp_path / "i"
    size, units = dict.fromkeys("yx", 0.3), dict.fromkeys("yx", "micrometer")
    write_image(image.data, path, axes=image.dims, chunks=128, fmt=any_format, scale=size, axes_units=units)
    write_labels(sample.labels, path, "objects", colors="auto")
    assert_lined_up(path, "objects")
    label = path / "labels" / "objects"
    read = pixels_by_tensorstore(label)
    assert len(read) > 1
    for level, expected in zip(read, by_loop(sample.labels, [level.shape for level in read]), strict=True):
        assert level.dtype == sample.labels.dtype
        np.testing.assert_array_equal(level, expected)
    if any_format.version in LABEL:
        model = LABEL[any_format.version].from_zarr(zarr.open_group(label, mode="r"))
        assert [a.unit for a in model.ome_attributes.multiscales[0].axes] == ["micrometer"] * 2
        assert len(model.ome_attributes.image_label.colors) == len(np.unique(sample.labels))
    assert ome_ngff.validate(path).valid


def test_labels_take_over_all_that_the_image_knows(tmp_path: Path, any_format: Any) -> None:
    axes = [
        {"name": "t", "type": "time", "unit": "minute"},
        {"name": "c", "type": "channel"},
        {"name": "z", "type": "space", "unit": "micrometer", "orientation": "inferior-to-superior", "mine": 1},
        {"name": "y", "type": "space", "unit": "micrometer", "orientation": "anterior-to-posterior"},
        {"name": "x", "type": "space", "unit": "micrometer", "orientation": "right-to-left"},
    ]
    factors = [{"y": 2, "x": 2}, {"z": 2, "y": 4, "x": 4}, {"z": 2, "y": 12, "x": 4}]
    write_image(
        np.stack([VOLUME] * 3), tmp_path / "i", axes=axes, scale=[5, 1, 2, 0.107, 0.107],
        translation=[60, 0, -3, 0.1, 7], scale_factors=factors, chunks=(1, 2, 3, 16, 20), fmt=any_format,
    )  # fmt: skip
    write_labels(np.stack([OBJECTS] * 3), tmp_path / "i", "tzyx", axes="tzyx")
    assert_lined_up(tmp_path / "i", "tzyx")
    found = [document(p)["multiscales"][0]["axes"] for p in (tmp_path / "i", tmp_path / "i" / "labels" / "tzyx")]
    assert found[1] == [found[0][i] for i in (0, 2, 3, 4)]
    assert zarr.open_array(tmp_path / "i" / "labels" / "tzyx" / "0", mode="r").chunks == (1, 3, 16, 20)
    if any_format.version in LABEL:
        LABEL[any_format.version].from_zarr(zarr.open_group(tmp_path / "i" / "labels" / "tzyx", mode="r"))


def test_the_place_of_nearest_labels_is_that_of_the_pixels_picked(tmp_path: Path) -> None:
    write_image(VOLUME[0], tmp_path / "i", axes="zyx", scale_factors=[2, 4], translation={"x": 10})
    ramp = np.broadcast_to(np.arange(42, dtype="uint8"), (9, 35, 42))
    write_labels(ramp, tmp_path / "i", "ramp", method="nearest")
    label = tmp_path / "i" / "labels" / "ramp"
    for level, dataset in zip(pixels(label), datasets(label), strict=True):
        places = scale_of(dataset)[2] * np.arange(level.shape[2]) + translation_of(dataset)[2]
        np.testing.assert_array_equal(level[0, 0, :-1] + 10, places[:-1])
    assert [level.shape for level in pixels(label)] == [level.shape for level in pixels(tmp_path / "i")]


def test_labels_of_an_image_downsampled_along_z_alone_keep_their_size(tmp_path: Path) -> None:
    write_image(VOLUME[0], tmp_path / "i", axes="zyx", scale_factors=[{"z": 2}, {"z": 4, "y": 2, "x": 2}])
    write_labels(OBJECTS[0], tmp_path / "i", "plane")
    assert_lined_up(tmp_path / "i", "plane")
    assert [level.shape for level in pixels(tmp_path / "i" / "labels" / "plane")] == [(35, 42), (35, 42), (18, 21)]


@pytest.mark.parametrize("kind", ["numpy", "dask", "zarr"])
@pytest.mark.parametrize("dtype", oracles.INTEGERS)
def test_every_integer_type_is_kept_and_no_value_is_invented(tmp_path: Path, dtype: str, kind: str) -> None:
    limits = np.iinfo(dtype)
    many = np.array([limits.min, limits.max, limits.max - 1, limits.max // 2 + 2, 1, 0], dtype)
    labels = many[OBJECTS % 6]  # blocks of 4 x 4 pixels that touch
    source = {
        "numpy": lambda: labels,
        "dask": lambda: da.from_array(labels, chunks=(4, 11, 13)),
        "zarr": lambda: zarr.array(labels, chunks=(4, 16, 9)),
    }[kind]()
    write_image(VOLUME[0], tmp_path / "i", axes="zyx", scale_factors=[2, 4], chunks=8)
    with ome_ngff.config.set(memory_target="64kB", task_target="16kB"):
        write_labels(source, tmp_path / "i", "a", colors="auto")
    read = pixels_by_tensorstore(tmp_path / "i" / "labels" / "a")
    for level, expected in zip(read, by_loop(labels, [level.shape for level in read]), strict=True):
        assert level.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(level, expected)
    stated = document(tmp_path / "i" / "labels" / "a")["image-label"]["colors"]
    assert [color["label-value"] for color in stated] == np.unique(labels).tolist()


def test_3d_objects_and_an_empty_mask_are_labels(tmp_path: Path, any_format: Any) -> None:
    blobs = skimage.data.binary_blobs(45, blob_size_fraction=0.3, n_dim=3, rng=1)
    objects = skimage.measure.label(blobs).astype("int64") + 2**53
    write_image(
        blobs.astype("uint8"),
        tmp_path / "i",
        axes="zyx",
        scale_factors=[{"z": 2, "y": 2, "x": 2}],
        chunks=20,
        fmt=any_format,
    )
    write_labels(objects, tmp_path / "i", "blobs", colors="auto", check=True)
    write_labels(np.zeros_like(objects), tmp_path / "i", "nothing", colors="auto", properties=[])
    for name, given_labels in (("blobs", objects), ("nothing", np.zeros_like(objects))):
        assert_lined_up(tmp_path / "i", name)
        read = pixels_by_tensorstore(tmp_path / "i" / "labels" / name)
        np.testing.assert_array_equal(read[1], oracles.mode(given_labels, [2, 2, 2]))
        if any_format.version in LABEL:
            LABEL[any_format.version].from_zarr(zarr.open_group(tmp_path / "i" / "labels" / name, mode="r"))
    said = document(tmp_path / "i" / "labels" / "nothing")["image-label"]
    assert said["colors"] == [{"label-value": 0, "rgba": [0, 0, 0, 0]}]
    assert "properties" not in said


def test_bool_becomes_uint8_with_a_note_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "ome_ngff"), pytest.warns(UserWarning, match="stand there alone"):
        write_labels(VOLUME[0, 0] > 2000, tmp_path / "i", "mask")
    assert [record.getMessage() for record in caplog.records] == [
        "Labels are integers: bool is written as uint8, 0 and 1."
    ]
    assert pixels(tmp_path / "i" / "labels" / "mask")[0].dtype == "uint8"


@oracles.examples(15)
@given(data=st.data())
def test_labels_line_up_with_any_image(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("any") / "i"
    shape = data.draw(st.tuples(*[st.integers(1, 40)] * 3))
    ladder, factors = [], [1, 1, 1]
    for _ in range(data.draw(st.integers(0, 3))):
        factors = [f * data.draw(st.sampled_from([1, 2, 3])) for f in factors]
        if factors != ([*ladder[-1].values()] if ladder else [1, 1, 1]):
            ladder.append(dict(zip("zyx", factors, strict=True)))
    write_image(np.zeros(shape, "uint8"), path, axes="zyx", scale_factors=ladder, scale=[0.3, 0.1, 0.1], chunks=9)
    label_shape = shape if data.draw(st.booleans()) else (1, *shape[1:])
    labels = oracles.pixels(label_shape, "uint16", kind="wild")
    write_labels(labels, path, "a", axes="zyx", method=data.draw(st.sampled_from(["mode", "nearest"])))
    read = pixels(path / "labels" / "a")
    assert [level.shape[1:] for level in read] == [level.shape[1:] for level in pixels(path)]
    assert all(set(np.unique(level)) <= set(np.unique(labels)) for level in read)
    assert ome_ngff.validate(path).valid


# Which axes labels have --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "shape", "labels", "axes"),
    [
        pytest.param("czyx", (2, 9, 12, 13), (9, 12, 13), "zyx", id="3D-on-czyx"),
        pytest.param("czyx", (2, 9, 12, 13), (2, 12, 13), "cyx", id="one-plane-per-channel"),
        pytest.param("tczyx", (4, 2, 3, 12, 13), (12, 13), "yx", id="2D-on-tczyx"),
        pytest.param("tczyx", (4, 2, 3, 12, 13), (4, 3, 12, 13), "tzyx", id="4D-without-channels"),
        pytest.param("tczyx", (4, 2, 3, 12, 13), (4, 1, 3, 12, 13), "tczyx", id="size-1-along-c"),
        pytest.param("tczyx", (4, 2, 3, 12, 13), (1, 1, 3, 12, 13), "tczyx", id="size-1-along-t-and-c"),
        pytest.param("zyx", (12, 12, 12), (12, 12), "yx", id="2D-on-a-cube"),
        pytest.param("czyx", (1, 9, 12, 13), (1, 12, 13), "cyx", id="the-axis-that-has-one"),
        pytest.param("tczyx", (1, 1, 9, 12, 13), (1, 9, 12, 13), "czyx", id="two-axes-that-have-one"),
        pytest.param("zyx", (9, 12, 13), (1, 12, 13), "zyx", id="one-plane-for-all"),
    ],
)
def test_axes_are_those_that_have_the_lengths_of_the_labels(
    tmp_path: Path, image: str, shape: tuple[int, ...], labels: tuple[int, ...], axes: str
) -> None:
    write_image(np.zeros(shape, "uint8"), tmp_path / "i", axes=image, scale_factors=[2])
    write_labels(np.ones(labels, "uint8"), tmp_path / "i", "a")
    assert "".join(a["name"] for a in document(tmp_path / "i" / "labels" / "a")["multiscales"][0]["axes"]) == axes
    assert_lined_up(tmp_path / "i", "a")
    assert ome_ngff.validate(tmp_path / "i").valid


def ones(*shape: int, **words: Any) -> Callable[[Path], Any]:
    return lambda path: write_labels(np.ones(shape, "uint8"), path, "new", **words)


def levels(*shapes: tuple[int, ...], **words: Any) -> Callable[[Path], Any]:
    return lambda path: write_multiscale_labels([np.ones(s, "uint8") for s in shapes], path, "new", **words)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        pytest.param(ones(9, 35, 43), r"\(9, 35, 43\) do not fit .*c 2, z 9, y 35, x 42", id="other-length"),
        pytest.param(
            ones(9, 35, 43, axes="zyx"), "labels have z 9, y 35, x 43, .* has c 2, z 9, y 35, x 42", id="length"
        ),
        pytest.param(ones(9, 1, 42), "do not fit", id="size-1-along-y"),
        pytest.param(ones(1, 35, 42), r"several ways; give axes='cyx' or 'zyx'", id="ambiguous"),
        pytest.param(ones(3, 35, 42, axes="tyx"), "axis 't', but .* has the axes c,z,y,x", id="other-axis"),
        pytest.param(ones(1, 2, 9, 35, 42), "do not fit", id="more-axes"),
        pytest.param(
            ones(9, 35, 42, scale_factors=[2]), r"3 levels \(9x35x42, 9x18x21, 9x9x11\), .* 2 levels", id="fewer"
        ),
        pytest.param(ones(9, 35, 42, scale_factors=[3, 9]), "9x12x14, 9x4x5", id="other-factors"),
        pytest.param(ones(9, 35, 42, scaler=Scaler("mode")), "5 levels", id="scaler"),
        pytest.param(
            ones(9, 35, 42, axes_units={"x": "nanometer"}), "'nanometer' along x, .* in 'micrometer'", id="unit"
        ),
        pytest.param(levels((9, 35, 42), (9, 18, 21)), "3 levels .* have 2 levels", id="pyramid-of-two"),
        pytest.param(levels((9, 35, 42), (9, 17, 21), (9, 8, 10)), "9x17x21, 9x8x10", id="pyramid-cut-off"),
    ],
)
def test_labels_that_contradict_their_image_are_refused_with_both_sides(
    tmp_path: Path, call: Callable[[Path], Any], says: str
) -> None:
    write_image(VOLUME, tmp_path / "i", axes="czyx", scale_factors=[2, 4], axes_units={"x": "micrometer"})
    before = every_file(tmp_path)
    with pytest.raises(LabelError, match=says) as caught:
        call(tmp_path / "i")
    assert str(tmp_path / "i") in str(caught.value)
    assert every_file(tmp_path) == before


def test_what_is_said_wins_axis_by_axis(tmp_path: Path) -> None:
    words = {"scale": {"z": 2, "y": 0.5, "x": 0.5}, "axes_units": {"z": "micrometer"}, "scale_factors": [2, 4]}
    write_image(VOLUME[0], tmp_path / "i", axes="zyx", translation=[1, 2, 3], chunks=16, **words)
    write_labels(
        OBJECTS, tmp_path / "i", "a", scale={"z": 500}, translation=[7, 8, 9], axes_units={"z": "nanometer", "y": "um"},
        chunks=(3, 7, 11), shards=(9, 35, 44), scale_factors=[2, 4], method="nearest",
    )  # fmt: skip
    label = tmp_path / "i" / "labels" / "a"
    assert [a.get("unit") for a in document(label)["multiscales"][0]["axes"]] == ["nanometer", "micrometer", None]
    assert [scale_of(d) for d in datasets(label)] == [[500, 0.5, 0.5], [500, 1, 1], [500, 2, 2]]
    assert translation_of(datasets(label)[0]) == [7, 8, 9]
    stored = zarr.open_array(label / "0", mode="r")
    assert (stored.chunks, stored.shards) == ((3, 7, 11), (9, 35, 44))


def test_transformations_that_are_given_are_written(tmp_path: Path) -> None:
    write_image(VOLUME[0], tmp_path / "i", axes="zyx", scale_factors=[2])
    said = [[{"type": "scale", "scale": [1.0, 2.0 * k, 2.0 * k]}] for k in (1, 2)]
    write_labels(OBJECTS, tmp_path / "i", "a", coordinate_transformations=said)
    assert [d["coordinateTransformations"] for d in datasets(tmp_path / "i" / "labels" / "a")] == said


def test_a_pyramid_of_labels_takes_over_where_the_levels_lie(tmp_path: Path) -> None:
    write_image(
        VOLUME[0], tmp_path / "i", axes="zyx", scale_factors=[3, 6], scale=[0.3, 0.1, 0.1], translation=[1, 2, 3]
    )
    shapes = [level.shape for level in pixels(tmp_path / "i")]
    write_multiscale_labels([np.ones(shape, "uint8") for shape in shapes], tmp_path / "i", "a")
    assert_lined_up(tmp_path / "i", "a")
    write_multiscale_labels([np.ones(shape, "uint8") for shape in shapes], tmp_path / "i", "b", scale={"x": 1})
    assert [scale_of(d)[2] for d in datasets(tmp_path / "i" / "labels" / "b")] == pytest.approx([1, 3, 6])
    assert [translation_of(d)[2] for d in datasets(tmp_path / "i" / "labels" / "b")] == pytest.approx([3, 4, 5.5])


# Images of others --------------------------------------------------------------------------------------------------


def foreign(path: Path, shapes: Sequence[tuple[int, ...]], scales: Sequence[Sequence[float]], **more: Any) -> Path:
    """Write an image as others do: shapes and scales as they please, no translations."""
    group = zarr.create_group(path, zarr_format=3)
    for k, shape in enumerate(shapes):
        group.create_array(
            str(k), shape=shape, chunks=tuple(min(n, 16) for n in shape), dtype="uint8", dimension_names=list("zyx")
        )
    listed = [
        {"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": list(scale)}]}
        for k, scale in enumerate(scales)
    ]
    axes = [{"name": n, "type": "space"} for n in "zyx"]
    multiscales = [{"name": "i", "axes": axes, "datasets": listed, **more}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": multiscales}
    return path


@pytest.mark.parametrize(
    "scales",
    [
        pytest.param([[1, 0.5, 0.5], [1, 1, 1], [1, 2, 2]], id="whole-factors"),
        pytest.param([[1, 0.5, 0.5], [1, 35 / 17 / 2, 1], [1, 35 / 8 / 2, 42 / 10 / 2]], id="ratios-of-lengths"),
        pytest.param([[1, 1, 1]] * 3, id="no-scales"),
    ],
)
@pytest.mark.parametrize("method", ["mode", "nearest"])
def test_labels_have_the_shapes_of_images_whose_borders_were_cut_off(tmp_path: Path, scales: Any, method: str) -> None:
    shapes = [(9, 35, 42), (9, 17, 21), (9, 8, 10)]
    path = foreign(tmp_path / "i", shapes, scales)
    with ome_ngff.config.set(memory_target="64kB", task_target="8kB"):
        write_labels(OBJECTS, path, "a", method=method, chunks=3)
    read = pixels_by_tensorstore(path / "labels" / "a")
    assert [level.shape for level in read] == shapes
    reduce = {"mode": oracles.mode, "nearest": oracles.nearest}[method]
    half = reduce(OBJECTS, [1, 2, 2])[:, :17, :21]
    np.testing.assert_array_equal(read[1], half)
    np.testing.assert_array_equal(read[2], reduce(half, [1, 2, 2])[:, :8, :10])
    first = scales[0]
    assert [scale_of(d) for d in datasets(path / "labels" / "a")] == [
        [1, first[1] * f, first[2] * f] for f in (1, 2, 4)
    ]
    again = tmp_path / "again"
    shutil.copytree(path, again, ignore=shutil.ignore_patterns("labels"))
    write_labels(OBJECTS, again, "a", method=method, chunks=3, scale_factors=[2, 4])
    assert every_file(again / "labels") == every_file(path / "labels")


def test_levels_without_whole_factors_need_a_label_pyramid_of_their_own(tmp_path: Path) -> None:
    path = foreign(tmp_path / "i", [(1, 100, 100), (1, 30, 30)], [[1, 1, 1], [1, 10 / 3, 10 / 3]])
    labels = (np.arange(100 * 100).reshape(1, 100, 100) // 500).astype("uint16")
    with pytest.raises(LabelError, match=r"no whole factors lead .* write_multiscale_labels"):
        write_labels(labels, path, "a")
    smaller = dask_utils.resize(da.from_array(labels), (1, 30, 30), order=0, anti_aliasing=False)
    write_multiscale_labels([labels, smaller.astype("uint16")], path, "a")
    assert [level.shape for level in pixels(path / "labels" / "a")] == [(1, 100, 100), (1, 30, 30)]
    assert scale_of(datasets(path / "labels" / "a")[1]) == [1, 10 / 3, 10 / 3]


def test_transformations_of_the_whole_image_hold_for_its_labels(tmp_path: Path) -> None:
    whole = [{"type": "scale", "scale": [2, 3, 4]}, {"type": "translation", "translation": [5, 6, 7]}]
    path = foreign(tmp_path / "i", [(9, 35, 42)], [[1, 0.5, 0.5]], coordinateTransformations=whole)
    write_labels(OBJECTS, path, "a")
    (dataset,) = datasets(path / "labels" / "a")
    assert (scale_of(dataset), translation_of(dataset)) == ([2, 1.5, 2], [5, 6, 7])


def test_labels_belong_to_the_first_of_several_multiscales(tmp_path: Path) -> None:
    path = foreign(tmp_path / "i", [(9, 35, 42), (9, 18, 21)], [[1, 1, 1], [1, 2, 2]])
    ome = attributes(path)["ome"]
    (first,) = ome["multiscales"]
    other = {**first, "name": "other", "datasets": first["datasets"][1:]}
    zarr.open_group(path).attrs["ome"] = {**ome, "multiscales": [first, other]}
    write_labels(OBJECTS, path, "a")
    assert len(datasets(path / "labels" / "a")) == 2


def test_images_older_than_axes_and_transformations_take_labels(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "i", zarr_format=2)
    for k, shape in enumerate([(1, 1, 9, 35, 42), (1, 1, 9, 17, 21)]):
        group.create_array(str(k), shape=shape, chunks=(1, 1, 1, 16, 16), dtype="uint8")
    group.attrs["multiscales"] = [{"version": "0.1", "datasets": [{"path": "0"}, {"path": "1"}]}]
    write_labels(OBJECTS, tmp_path / "i", "a")
    label = document(tmp_path / "i" / "labels" / "a")["multiscales"][0]
    assert (label["version"], [a["name"] for a in label["axes"]]) == ("0.4", ["z", "y", "x"])
    assert [level.shape for level in pixels(tmp_path / "i" / "labels" / "a")] == [(9, 35, 42), (9, 17, 21)]
    write_multiscale_labels([OBJECTS, OBJECTS[:, 1::2, ::2]], tmp_path / "i", "b")
    assert [scale_of(d) for d in datasets(tmp_path / "i" / "labels" / "b")] == [[1, 1, 1], [1, 35 / 17, 2]]


def test_an_image_that_lacks_a_level_takes_no_labels(tmp_path: Path) -> None:
    path = foreign(tmp_path / "i", [(9, 35, 42)], [[1, 1, 1], [1, 2, 2]])
    with pytest.raises(MissingError, match="names the level '1'"):
        write_labels(OBJECTS, path, "a")


def test_an_image_that_cannot_be_understood_takes_no_labels(tmp_path: Path) -> None:
    path = foreign(tmp_path / "i", [(9, 35, 42)], [[1, 1]])
    with pytest.raises(FormatError, match="needs a number for each of its 3 axes"):
        write_labels(OBJECTS, path, "a")


# Places ------------------------------------------------------------------------------------------------------------


def test_labels_without_an_image_stand_alone(tmp_path: Path, any_format: Any) -> None:
    with pytest.warns(UserWarning, match="no image at .*new: the labels stand there alone") as caught:
        write_labels(OBJECTS, tmp_path / "new", "a", axes="zyx", fmt=any_format, scale=[2, 1, 1], scale_factors=[2])
    assert [warning.filename for warning in caught] == [__file__]
    assert document(tmp_path / "new" / "labels")["labels"] == ["a"]
    if any_format.version in LABEL:
        LABEL[any_format.version].from_zarr(zarr.open_group(tmp_path / "new" / "labels" / "a", mode="r"))
    assert [scale_of(d) for d in datasets(tmp_path / "new" / "labels" / "a")] == [[2, 1, 1], [2, 2, 2]]


@pytest.mark.filterwarnings("ignore:There is no image")
def test_labels_without_an_image_lie_where_their_coordinates_say(tmp_path: Path) -> None:
    coords = {"y": 5 + 0.5 * np.arange(35), "x": 7 + 2.0 * np.arange(42)}
    write_labels(xarray.DataArray(OBJECTS[0], coords, ("y", "x")), tmp_path / "new", "a", scale_factors=[])
    (level,) = datasets(tmp_path / "new" / "labels" / "a")
    assert (scale_of(level), translation_of(level)) == ([0.5, 2], [5, 7])


@pytest.mark.parametrize("labels_first", [True, False])
def test_labels_of_an_image_whose_tasks_are_pending_line_up_with_it(tmp_path: Path, labels_first: bool) -> None:
    words = {"axes": "zyx", "scale": [2, 0.5, 0.5], "scale_factors": [2, 4], "compute": False}
    tasks = write_image(VOLUME[0], tmp_path / "i", **words)
    more = write_labels(OBJECTS, tmp_path / "i", "a", compute=False)
    for part in [more, tasks] if labels_first else [tasks, more]:
        dask.compute(*part)
    assert_lined_up(tmp_path / "i", "a")
    assert document(tmp_path / "i" / "labels")["labels"] == ["a"]
    assert ome_ngff.validate(tmp_path / "i").valid


def test_an_image_without_its_arrays_takes_no_labels(tmp_path: Path) -> None:
    write_image(VOLUME[0], tmp_path / "i", axes="zyx", scale_factors=[2], compute=False)
    shutil.rmtree(tmp_path / "i" / "1")
    with pytest.raises(IncompleteError, match="finish it with resume=True"):
        write_labels(OBJECTS, tmp_path / "i", "a")


def test_fields_take_labels_but_plates_wells_and_label_groups_do_not(tmp_path: Path) -> None:
    plate, field = tmp_path / "p", tmp_path / "p" / "A" / "1" / "0"
    ome_ngff.write_plate_metadata(plate, ["A"], ["1"], ["A/1"])
    ome_ngff.write_well_metadata(plate / "A" / "1", ["0"])
    write_image(VOLUME[0], field, axes="zyx", scale_factors=[2], scale=[3, 2, 1])
    write_labels(OBJECTS, field, "a")
    assert_lined_up(field, "a")
    for place, says in ((plate, "a plate; .*A/1/0"), (plate / "A" / "1", "a well"), (field / "labels", "one level up")):
        before = every_file(place)
        with pytest.raises(LabelError, match=says):
            write_labels(OBJECTS, place, "a")
        assert every_file(place) == before


def test_labels_are_written_into_images_in_memory(tmp_path: Path) -> None:
    memory: dict[str, Any] = {}
    write_image(VOLUME[0], memory, axes="zyx", scale_factors=[2])
    write_labels(OBJECTS, memory, "a")
    read = ome_ngff.open_image(memory)
    assert [i.data.shape for i in read.labels["a"].images] == [i.data.shape for i in read.images]


def test_overwriting_a_label_replaces_it_and_no_byte_of_anything_else(tmp_path: Path, any_format: Any) -> None:
    path = tmp_path / "i"
    write_image(VOLUME[0], path, axes="zyx", scale_factors=[2], fmt=any_format)
    for name in ("z", "a", "nested/b"):
        write_labels(OBJECTS, path, name, colors="auto", properties={1: {"class": "cell"}})
    zarr.open_group(path / "labels", mode="a").create_group("tables", attributes={"mine": 1})
    before = {k: v for k, v in every_file(path).items() if not k.startswith("labels/a")}
    write_labels(OBJECTS[:1], path, "a", overwrite=True, axes="zyx")
    assert {k: v for k, v in every_file(path).items() if not k.startswith("labels/a")} == before
    assert document(path / "labels")["labels"] == ["z", "a", "nested/b"]
    assert set(document(path / "labels" / "a")["image-label"]) - {"version"} == {"source"}
    assert len(json.dumps(document(path / "labels" / "a"))) < 5000


def test_several_threads_may_write_the_first_labels_of_an_image_at_once(tmp_path: Path) -> None:
    image = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    for turn in range(8):
        write_image(image, tmp_path / str(turn))
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda name, turn=turn: write_labels(image, tmp_path / str(turn), name=name), "abcdef"))
        assert sorted(document(tmp_path / str(turn) / "labels")["labels"]) == list("abcdef")
