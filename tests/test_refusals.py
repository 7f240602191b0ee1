"""Every wrong argument is one clear sentence in a typed error, and the disk is as it was, byte for byte."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from helpers import every_file

import ome_ngff
from ome_ngff import (
    AxesError,
    ChunkError,
    CodecError,
    ExistsError,
    FormatError,
    InputError,
    LabelError,
    MethodError,
    MissingError,
    NgffError,
    OptionError,
    ScaleError,
    Scaler,
    StoreError,
    ValidationError,
    write_image,
    write_labels,
    write_multiscale,
    write_multiscales_metadata,
    write_plate_metadata,
    write_well_metadata,
)

IMAGE = np.arange(32 * 32, dtype="uint16").reshape(32, 32)
VOLUME = np.zeros((8, 16, 16), "uint8")
WINDOW = {"min": 0, "max": 1, "start": 0, "end": 1}


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Return a folder with an image with a label, a foreign group, an array and a v2 group."""
    write_image(IMAGE, tmp_path / "image", scale_factors=[2])
    write_labels(IMAGE, tmp_path / "image", "a", scale_factors=[2])
    zarr.open_group(tmp_path / "image", mode="a").create_group("foreign", attributes={"a": 1})
    zarr.create_array(tmp_path / "array", shape=(32, 32), dtype="uint16")[...] = IMAGE
    np.save(tmp_path / "image" / "plane.npy", IMAGE)
    zarr.create_group(tmp_path / "v2", zarr_format=2)
    loose = zarr.create_group(tmp_path / "loose", zarr_format=3)
    loose.create_array("0", shape=(3, 3), dtype="uint8")
    return tmp_path


@pytest.mark.parametrize("name", ["MEMORY_TARGET", "TASK_TARGET", "WORKERS", "CLAIM_PATIENCE", "STORE_OPTIONS"])
def test_a_variable_that_cannot_be_used_is_refused_first(
    disk: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = every_file(disk)
    monkeypatch.setattr(ome_ngff.config, "_held", {})
    monkeypatch.setenv(f"OME_NGFF_{name}", "?")
    with pytest.raises(OptionError, match=f"OME_NGFF_{name} cannot be used"):
        write_image(IMAGE, disk / "image", overwrite=True)
    assert every_file(disk) == before


def image(**words: Any) -> Callable[[Path], Any]:
    data = words.pop("data", IMAGE)
    return lambda disk: write_image(data, disk / "new", **words)


def again(**words: Any) -> Callable[[Path], Any]:
    """Overwrite the image that is there, with something wrong."""
    return lambda disk: write_image(IMAGE, disk / "image", overwrite=True, **words)


def labels(data: Any = IMAGE, name: str = "b", **words: Any) -> Callable[[Path], Any]:
    return lambda disk: write_labels(data, disk / "image", name, **words)


def from_itself(disk: Path) -> Any:
    return write_image(zarr.open_array(disk / "image" / "0"), disk / "image", overwrite=True)


def from_itself_by_dask(disk: Path) -> Any:
    return write_image(da.from_zarr(str(disk / "image" / "0")) + 1, disk / "image", overwrite=True)


def from_a_map_inside(disk: Path) -> Any:
    (document,) = (disk / "image" / "0").glob("*zarr*")
    return write_image(np.memmap(document, "uint8", "r", shape=(4, 4)), disk / "image", overwrite=True)


CASES = [
    # axes and geometry
    pytest.param(image(data=VOLUME), AxesError, "cannot be guessed; say axes=zyx, cyx or tyx", id="axes-not-guessable"),
    pytest.param(image(axes="zyx"), AxesError, "name 3 dimensions, but the array has 2", id="axes-too-many"),
    pytest.param(image(data=VOLUME, axes="yxt"), AxesError, "time, channel, space .* Transpose to t,y,x", id="axes-order"),
    pytest.param(image(axes="yy"), AxesError, "unique", id="axes-twice"),
    pytest.param(image(axes="cx"), AxesError, "2 or 3 axes must have the type space", id="axes-one-space"),
    pytest.param(image(axes=[{"nome": "y"}, "x"]), AxesError, "a dict with a 'name'", id="axes-dict"),
    pytest.param(image(scale={"z": 1}), AxesError, "names the axis 'z', but the axes are y,x", id="scale-axis"),
    pytest.param(image(scale=[1, 2, 3]), AxesError, "one for each of y,x", id="scale-length"),
    pytest.param(image(scale={"y": 0, "x": 1}), ScaleError, "above zero", id="scale-zero"),
    pytest.param(image(scale={"y": float("nan")}), AxesError, "finite", id="scale-nan"),
    pytest.param(image(scale={"y": "a"}), AxesError, "numbers", id="scale-text"),
    pytest.param(image(axes_units={"z": "meter"}), AxesError, "axes_units names the axis 'z'", id="units-axis"),
    pytest.param(image(axes_units="s"), AxesError, "'s' is not a unit of any axis", id="unit-of-no-axis"),
    pytest.param(image(axes_units=["um"]), AxesError, "a unit, one for each of the axes y,x, or a dict", id="units-length"),
    pytest.param(image(axes=2), AxesError, "one name per dimension", id="axes-number"),
    pytest.param(image(scale={"Q": 1}), AxesError, "names the axis 'Q'", id="scale-upper-case"),
    # factors and methods
    pytest.param(image(scale_factors=[4, 2]), ScaleError, r"must grow from level to level.*\[4, 2\]", id="factors-shrink"),
    pytest.param(image(scale_factors=[2, 2]), ScaleError, "must grow", id="factors-stand-still"),
    pytest.param(image(scale_factors=[1]), ScaleError, "must grow", id="factor-one"),
    pytest.param(image(scale_factors=[2.5]), ScaleError, "whole numbers above zero", id="factors-fractions"),
    pytest.param(image(scale_factors=2), ScaleError, "is a list", id="factors-number"),
    pytest.param(image(scale_factors=[{"z": 2}]), ScaleError, "names the axis 'z'", id="factors-axis"),
    pytest.param(image(data=VOLUME, axes="cyx", scale_factors=[{"c": 2}]), ScaleError, "Only the axes z, y and x", id="factors-channel"),
    pytest.param(image(method="rezise"), MethodError, "Did you mean 'resize'", id="method-unknown"),
    pytest.param(image(method="laplacian"), OptionError, "in memory", id="method-in-memory"),
    pytest.param(image(data=IMAGE > 3, scale_factors=[2]), MethodError, "cannot average bool; use method='nearest'", id="bool-mean"),
    pytest.param(image(scaler=Scaler(), scale_factors=[2]), ScaleError, "once", id="scaler-and-factors"),
    # pixels
    pytest.param(image(data=IMAGE.astype(complex)), InputError, "complex", id="complex"),
    pytest.param(image(data="a.tif"), InputError, "array of integers.*use `convert` or `open_input`", id="text-as-image"),
    pytest.param(image(data=np.zeros((0, 4))), InputError, "one pixel", id="empty"),
    pytest.param(image(data=np.zeros(4)), InputError, "two dimensions", id="one-dimension"),
    pytest.param(image(data=[IMAGE, IMAGE[::2, ::2]]), InputError, "levels .* by write_multiscale", id="list-of-levels"),
    pytest.param(image(data=(IMAGE, {"scale": (1, 1)}, "image")), InputError, "of a napari layer pass the data", id="layer"),
    pytest.param(labels((IMAGE, {}, "labels")), InputError, "of a napari layer pass the data", id="labels-of-a-layer"),
    # storage
    pytest.param(image(chunks=10, shards=25), ChunkError, "chunks must divide shards", id="chunks-and-shards"),
    pytest.param(image(chunks=0), ChunkError, "above zero", id="chunks-zero"),
    pytest.param(image(chunks=(1, 2, 3)), ChunkError, "one per axis y,x", id="chunks-too-many"),
    pytest.param(image(chunks={"z": 3}), OptionError, "does not know 'z'", id="chunks-axis"),
    pytest.param(image(shards=32, fmt="0.4"), ChunkError, "which has no shards", id="shards-in-v04"),
    pytest.param(image(compression="zstandard"), CodecError, "Did you mean 'zstd'", id="codec-unknown"),
    pytest.param(image(compression="zstd:99"), CodecError, "from 0 to 22", id="codec-level"),
    pytest.param(image(compression=zarr.codecs.Crc32cCodec(), fmt="0.4"), CodecError, "numcodecs", id="codec-of-other-zarr"),
    pytest.param(image(storage_options={"chunk": 3}), OptionError, "'chunk'.* Did you mean 'chunks'", id="option-unknown"),
    pytest.param(image(storage_options=[{}, {}], scale_factors=[2, 4]), OptionError, "each of the 3 levels", id="options-count"),
    pytest.param(image(chunks=8, storage_options={"chunks": 9}), OptionError, "contradict", id="option-twice"),
    pytest.param(image(storage_options={"dimension_separator": "."}), OptionError, "nested", id="flat-chunks"),
    pytest.param(image(storage_options={"order": "F"}), OptionError, "only order is 'C'", id="order-of-columns"),
    pytest.param(image(storage_options={"serializer": zarr.codecs.BytesCodec(endian="big")}), OptionError, "least first", id="serializer"),
    pytest.param(image(storage_options={"dimension_names": ["x", "y"]}), OptionError, "names of the axes", id="dimension-names"),
    pytest.param(image(overwite=True), OptionError, "'overwite'.* Did you mean 'overwrite'", id="keyword-unknown"),
    # formats and metadata
    pytest.param(image(fmt="0.7"), FormatError, "Known: 0.4, 0.5, 0.6", id="format-unknown"),
    pytest.param(lambda d: write_image(IMAGE, d / "v2", fmt="0.5"), FormatError, "Zarr v2", id="format-of-group"),
    pytest.param(again(fmt="0.4"), FormatError, "Zarr v3", id="format-of-image"),
    pytest.param(image(name=3), OptionError, "a string", id="name-number"),
    pytest.param(image(omero={"channels": []}), FormatError, "0 channels, but the image has 1", id="omero-count"),
    pytest.param(image(omero={"channels": [{"color": "red", "window": WINDOW}]}), ValidationError, "hex", id="omero-color"),
    pytest.param(image(omero={}), FormatError, "list of channels", id="omero-empty"),
    pytest.param(image(coordinate_transformations=[[]], scale_factors=[2]), ScaleError, "each of the 2 levels", id="transformations-count"),
    pytest.param(
        image(coordinate_transformations=[[{"type": "translation", "translation": [0, 0]}]], scale_factors=[]),
        ScaleError, "exactly one scale", id="transformations-no-scale",
    ),
    pytest.param(
        image(coordinate_transformations=[[{"type": "scale", "scale": [n, n]}] for n in (2, 3)]),
        ScaleError, "not whole multiples of the first; pass scale_factors", id="transformations-of-no-factors",
    ),
    # targets
    pytest.param(lambda d: write_image(IMAGE, d / "image"), ExistsError, "already holds an image; pass overwrite=True", id="exists"),
    pytest.param(lambda d: write_image(IMAGE, d / "loose"), ExistsError, "already has an array at '0'", id="array-in-the-way"),
    pytest.param(lambda d: write_image(IMAGE, d / "array"), ExistsError, "is an array", id="target-is-an-array"),
    pytest.param(lambda d: write_image(IMAGE, {"0": [1, 2]}), OptionError, "path, a URL, a Zarr group or a store", id="target-mapping"),
    pytest.param(lambda d: write_image(IMAGE, 3), OptionError, "path, a URL, a Zarr group or a store", id="target-number"),
    pytest.param(lambda d: write_image(IMAGE, zarr.open_group(d / "image" / "foreign", mode="r")), StoreError, "read only; pass its path, or", id="target-read-only"),
    pytest.param(again(resume=True), OptionError, "one of them", id="overwrite-and-resume"),
    pytest.param(from_itself, StoreError, "read from .*image/0, which is in", id="from-itself"),
    pytest.param(from_itself_by_dask, StoreError, "which is in", id="from-itself-by-dask"),
    pytest.param(from_a_map_inside, StoreError, "which is in", id="from-a-map-inside"),
    pytest.param(again(chunks=10, shards=25), ChunkError, "divide", id="overwrite-with-a-fault"),
    pytest.param(again(progress="yes"), OptionError, "progress", id="overwrite-with-a-late-fault"),
    pytest.param(again(storage_options={"fill_value": "a"}), OptionError, "Zarr cannot", id="overwrite-with-a-fill-value"),
    # labels
    pytest.param(labels(IMAGE.astype("float32")), LabelError, r"integers \(got float32\); convert with", id="labels-float"),
    pytest.param(labels(method="resize", scale_factors=[2]), LabelError, "use method='nearest' or 'mode'", id="labels-interpolated"),
    pytest.param(labels(name="a"), ExistsError, "a label image", id="label-exists"),
    pytest.param(labels(name="../a"), OptionError, "below 'labels'", id="label-climbs"),
    pytest.param(labels(label_metadata={"colour": []}), OptionError, "Did you mean 'colors'", id="label-metadata-word"),
    # pyramids, plates, stored arrays
    pytest.param(lambda d: write_multiscale([], d / "new"), OptionError, "at least one array", id="pyramid-empty"),
    pytest.param(lambda d: write_multiscale([IMAGE[:8], IMAGE], d / "new"), ScaleError, "large to small", id="pyramid-upside-down"),
    pytest.param(lambda d: write_multiscale([IMAGE, IMAGE], d / "new"), ScaleError, "large to small", id="pyramid-twice"),
    pytest.param(lambda d: write_multiscale([IMAGE, IMAGE[:8].astype("u1")], d / "new"), OptionError, "one dtype", id="pyramid-dtypes"),
    pytest.param(lambda d: write_plate_metadata(d / "new", ["A"], ["1"], ["B/1"]), FormatError, "'B/1'", id="plate-well"),
    pytest.param(lambda d: write_plate_metadata(d / "new", ["A"], ["1"], None), OptionError, r"wells is a list.*\[\] for none", id="plate-wells-none"),
    pytest.param(lambda d: write_plate_metadata(d / "new", None, ["1"], []), OptionError, "rows is a list of names", id="plate-rows-none"),
    pytest.param(lambda d: write_well_metadata(d / "new", None), OptionError, "images is a list of paths", id="well-none"),
    pytest.param(lambda d: write_multiscales_metadata(d / "new", None), OptionError, "datasets is a list of dicts", id="datasets-none"),
    pytest.param(lambda d: Scaler().scale(str(d / "none"), str(d / "new"), "yx"), MissingError, "no Zarr array", id="scale-nothing"),
    pytest.param(lambda d: Scaler("gaussian", labeled=True).scale(str(d / "array"), str(d / "new")), LabelError, "invents", id="scale-labels"),
    pytest.param(lambda d: Scaler(in_place=True).scale(str(d / "array"), str(d / "new")), StoreError, "next to", id="in-place-elsewhere"),
    pytest.param(lambda d: Scaler(in_place=True).scale(str(d / "array"), str(d)), StoreError, "group", id="in-place-without-group"),
    pytest.param(lambda d: Scaler(downscale=1), ScaleError, "at least 2", id="scaler-downscale"),
    pytest.param(lambda d: Scaler("nearst"), MethodError, "Did you mean 'nearest'", id="scaler-method"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), CASES)
def test_a_rejected_call_says_why_and_changes_nothing(
    disk: Path, call: Callable[[Path], Any], error: type[Exception], message: str
) -> None:
    before = every_file(disk)
    with pytest.raises(error, match=message) as caught:
        call(disk)
    assert isinstance(caught.value, NgffError)
    assert "\n" not in str(caught.value)
    assert every_file(disk) == before


@pytest.mark.parametrize("name", [n for n in ome_ngff.__all__ if n.endswith("Error") and n != "NgffError"])
def test_every_error_is_also_a_builtin(name: str) -> None:
    error = getattr(ome_ngff, name)
    assert issubclass(error, NgffError)
    assert issubclass(error, (ValueError, TypeError, OSError))


def test_every_reader_and_writer_takes_store_options() -> None:
    places = {"group", "store", "path", "plate"}
    faces = [getattr(ome_ngff, name) for name in ome_ngff.__all__]
    found = {
        face.__name__: words
        for face in faces
        if inspect.isfunction(face) and (words := set(inspect.signature(face).parameters)) & places
    }
    assert len(found) > 30
    assert not [name for name, words in found.items() if "store_options" not in words]


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(ome_ngff.open_scene, id="open-scene"),
        pytest.param(lambda where, **words: ome_ngff.write_scene(where, [], **words), id="write-scene"),
        pytest.param(ome_ngff.preview_page, id="preview-page"),
        pytest.param(ome_ngff.open_labels, id="open-labels"),
    ],
)
def test_store_options_reach_the_store_behind_a_url(call: Any) -> None:
    with pytest.raises(OptionError, match="regoin"):
        call("s3://cells/a.zarr", store_options={"regoin": "a"})
