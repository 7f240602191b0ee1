"""What becomes an image, and what is refused before anything is written: hard cases of `to_ngff_image` and its kin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import xarray
import zarr
from helpers import document, pixels, scale_of

from ome_ngff import (
    LPS,
    RAS,
    AnatomicalOrientation,
    AxesError,
    ExistsError,
    InputError,
    Methods,
    Multiscales,
    NgffError,
    NgffImage,
    OptionError,
    ScaleError,
    open_image,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    write_image,
)
from ome_ngff.pixels.source import as_source

PIXELS = np.random.default_rng(0).integers(0, 4000, (20, 30, 40)).astype("uint16")


def on_grid(y: Any, x: Any = range(6), **words: Any) -> xarray.DataArray:
    """Make an xarray with coordinates."""
    return xarray.DataArray(np.zeros((len(y), len(x))), {"y": np.asarray(y), "x": np.asarray(x)}, ("y", "x"), **words)


# xarray -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param([4, 3, 2, 1, 0], r"y go down.*isel\(y=slice\(None, None, -1\)\)", id="descending"),
        pytest.param([0, 1, 3, 4, 9], "y do not grow evenly", id="irregular"),
        pytest.param([0, 0, 0, 0, 0], "y do not grow evenly", id="all-alike"),
        pytest.param([0, 1, np.nan, 3, 4], "y do not grow evenly", id="nan"),
    ],
)
def test_coordinates_that_are_no_pixel_size_are_refused_with_a_way_out(values: Any, message: str) -> None:
    with pytest.raises(ScaleError, match=message):
        to_ngff_image(on_grid(values))
    with pytest.raises(ScaleError, match=message):
        to_ngff_image(on_grid(values), scale={"y": 2.0})
    image = to_ngff_image(on_grid(values), scale={"y": 2.0}, translation={"y": 1.0})
    assert (image.scale, image.translation) == ({"y": 2.0, "x": 1.0}, {"y": 1.0, "x": 0.0})
    turned = to_ngff_image(on_grid([4, 3, 2, 1, 0]).isel(y=slice(None, None, -1)))
    assert turned.scale == {"y": 1.0, "x": 1.0}


def test_dimensions_of_xarray_may_get_other_names() -> None:
    data = xarray.DataArray(PIXELS, {"lat": 2.0 * np.arange(30)}, ("depth", "lat", "lon"))
    with pytest.raises(AxesError, match="depth,lat,lon"):
        to_ngff_image(data)
    assert to_ngff_image(data, dims="zyx").scale == {"z": 1.0, "y": 2.0, "x": 1.0}


def test_time_coordinates_become_seconds() -> None:
    for values, start in (
        (np.array(["2026-01-01", "2026-01-02", "2026-01-03"], "datetime64[ns]"), 0.0),
        (np.array([43200, 129600, 216000], "timedelta64[s]").astype("timedelta64[ns]"), 43200.0),
    ):
        image = to_ngff_image(xarray.DataArray(np.zeros((3, 5, 6)), {"t": values}, ("t", "y", "x")))
        assert image.scale == {"t": 86400.0, "y": 1.0, "x": 1.0}
        assert image.translation == {"t": start, "y": 0.0, "x": 0.0}
        assert image.axes_units == {"t": "second"}


def test_named_channels_go_to_xarray_and_back() -> None:
    image = to_ngff_image(PIXELS[:2], "cyx", {"y": 0.5}, {"x": 3.0}, channel_names=["DNA", "actin"])
    again = to_ngff_image(image.to_xarray())
    assert again.channel_names == ["DNA", "actin"]
    assert (again.dims, again.scale, again.translation) == (image.dims, image.scale, image.translation)


def test_channels_of_too_few_names_are_numbered_in_xarray() -> None:
    image = NgffImage(PIXELS[:3], "cyx", channel_names=["DNA", "actin"])
    assert image.to_xarray().coords["c"].values.tolist() == [0, 1, 2]


# Images -------------------------------------------------------------------------------------------------------------


def test_an_image_made_by_hand_keeps_all_that_it_says(tmp_path: Path) -> None:
    called: list[int] = []
    image = NgffImage(
        np.random.default_rng(1).integers(0, 255, (4, 8, 9, 3), "uint8"), ("z", "y", "x", "c"), {"z": 2}, {"x": 5},
        "cells", {"x": "um"}, LPS, ["r", "g", "b"], ["FF0000", "00FF00", "0000FF"], [lambda: called.append(1)],
    )  # fmt: skip
    to_ngff_zarr(tmp_path / "i", to_multiscales(image, [2]))
    read = open_image(tmp_path / "i", validate=True).images[0]
    np.testing.assert_array_equal(read.data.compute(), np.moveaxis(image.data, -1, 0))
    assert (read.dims, read.name) == (("c", "z", "y", "x"), "cells")
    assert read.scale == {"c": 1, "z": 2, "y": 1, "x": 1}
    assert read.translation == {"c": 0, "z": 0, "y": 0, "x": 5}
    assert read.axes_units == {"x": "micrometer"}
    assert read.axes_orientations == {name: LPS[name].value for name in "zyx"}
    assert (read.channel_names, read.channel_colors) == (["r", "g", "b"], ["FF0000", "00FF00", "0000FF"])
    assert called == [1]
    assert image.dims == ("z", "y", "x", "c")


def test_orientations_are_values_too() -> None:
    assert {name: AnatomicalOrientation(value) for name, value in LPS.items()} == LPS
    assert (
        to_multiscales(PIXELS, [], orientation=RAS).metadata == to_multiscales(PIXELS, [], orientation="ras").metadata
    )


def blocks_of(image: NgffImage) -> list[Any]:
    """Return what the graph of an image holds."""
    return [getattr(held, "value", held) for held in dict(image.data.dask).values()]


def test_numpy_stays_numpy_when_its_dimensions_are_reordered(tmp_path: Path) -> None:
    photograph = np.random.default_rng(0).integers(0, 255, (64, 48, 3), "uint8")
    image = to_ngff_image(photograph, dims="yxc")
    assert all(np.shares_memory(block, photograph) for block in blocks_of(image))
    to_ngff_zarr(tmp_path / "i", to_multiscales(image, [2], "local_mean"))
    np.testing.assert_array_equal(pixels(tmp_path / "i")[0], np.moveaxis(photograph, -1, 0))


@pytest.mark.parametrize("mapped", [pytest.param(False, id="numpy"), pytest.param(True, id="memory-map")])
def test_arrays_of_many_blocks_are_not_copied(tmp_path: Path, mapped: bool) -> None:
    np.save(tmp_path / "a.npy", PIXELS)
    array = np.load(tmp_path / "a.npy", mmap_mode="r" if mapped else None)
    with dask.config.set({"array.chunk-size": "4kB"}):
        image = to_ngff_image(array)
    assert image.data.npartitions > 4
    assert all(np.shares_memory(block, array) for block in blocks_of(image))
    assert type(as_source(image.data)) is type(array)
    to_ngff_zarr(tmp_path / "i", to_multiscales(image, [2], "local_mean", chunks=16))
    np.testing.assert_array_equal(pixels(tmp_path / "i")[0], PIXELS)


class Unwilling:
    """A tensor that does not hand its pixels over, as PyTorch's do that keep gradients."""

    def __dlpack__(self, **words: Any) -> Any:
        raise BufferError("Can't export tensors that require gradient")

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def unknown_length() -> Any:
    lazy = da.from_array(PIXELS, chunks=10)
    return lazy[lazy[:, 0, 0] > 2000]


def colours(*given: str) -> NgffImage:
    return NgffImage(PIXELS[:2], "cyx", channel_colors=given)


BAD = [
    pytest.param(lambda: to_ngff_image(Unwilling()), InputError, "require gradient", id="tensor"),
    pytest.param(lambda: to_ngff_image(np.ma.masked_less(PIXELS, 5)), InputError, r"filled\(value\)", id="masked"),
    pytest.param(lambda: to_ngff_image(unknown_length()), InputError, "compute_chunk_sizes", id="unknown-length"),
    pytest.param(lambda: to_ngff_image(on_grid(range(5)).to_dataset(name="a")), InputError, "it has a", id="dataset"),
    pytest.param(lambda: to_ngff_image(zarr.create_group({})), InputError, "open_image reads images", id="group"),
    pytest.param(lambda: to_ngff_image(np.zeros((1,) * 6)), AxesError, "2 to 5 dimensions", id="six-dimensions"),
    pytest.param(lambda: to_ngff_image(PIXELS, scale={"z": 0}), ScaleError, "above zero", id="scale-zero"),
    pytest.param(lambda: to_ngff_image(PIXELS, scale={"z": -1}), ScaleError, "turn the axis", id="scale-negative"),
    pytest.param(lambda: to_multiscales(NgffImage(PIXELS, "zyx", {"z": 0})), ScaleError, "above zero", id="by-hand"),
    pytest.param(
        lambda: to_ngff_image(PIXELS[:2], "cyx", channel_names=["a"]), AxesError, r"has 2 \(got 1\)", id="names"
    ),
    pytest.param(lambda: to_multiscales(colours("FF0000")), AxesError, r"has 2 \(got 1\)", id="colours-few"),
    pytest.param(lambda: to_multiscales(colours("red", "green")), OptionError, "RRGGBB", id="colours-words"),
    pytest.param(lambda: to_multiscales(PIXELS, [2], orientation=3), OptionError, "mapping of axes", id="orientation"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_what_is_no_image_is_told_clearly(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert isinstance(caught.value, NgffError)


# Writing ------------------------------------------------------------------------------------------------------------


def in_the_place_of_a_file(folder: Path) -> None:
    (folder / "a").write_bytes(b"mine")
    write_image(PIXELS, folder / "a", axes="zyx", overwrite=True)


def below_a_file(folder: Path) -> None:
    (folder / "a").write_bytes(b"mine")
    write_image(PIXELS, folder / "a" / "b", axes="zyx", overwrite=True)


def with_bad_colours(folder: Path) -> None:
    multiscales = to_multiscales(NgffImage(PIXELS[:2], "cyx"), [])
    multiscales.images[0].channel_colors = ["red", "green"]
    to_ngff_zarr(folder / "a", multiscales)


def with_shards_along_no_axis(folder: Path) -> None:
    to_ngff_zarr(folder / "a", to_multiscales(PIXELS, [], chunks=8), chunks_per_shard={"t": 2})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        pytest.param(in_the_place_of_a_file, ExistsError, "a is a file", id="file"),
        pytest.param(below_a_file, ExistsError, "a is a file", id="below-a-file"),
        pytest.param(with_bad_colours, OptionError, "RRGGBB", id="colours"),
        pytest.param(with_shards_along_no_axis, OptionError, "chunks_per_shard does not know 't'", id="shards"),
    ],
)
def test_what_cannot_be_written_leaves_the_disk_as_it_was(
    tmp_path: Path, call: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(tmp_path)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] in ([], [("a", b"mine")])


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_everything_that_an_image_says_survives_the_round_trip(tmp_path: Path, version: str) -> None:
    image = to_ngff_image(
        PIXELS[:12].reshape(2, 6, 30, 40), "czyx", {"z": 2.0}, {"x": 7.0}, "cells", dict.fromkeys("zyx", "micrometer")
    )
    made = to_multiscales(image, [{"y": 2, "x": 2}], Methods.LOCAL_MEAN, orientation="LPS", chunks=8)
    made.metadata.extra["vendor:mark"] = {"a": [1, None]}
    made.attributes["mine"] = {"deep": [1.5, "x"]}
    label = to_multiscales(to_ngff_image(PIXELS[:6] % 5, "zyx"), [{"y": 2, "x": 2}], "mode", chunks=8)
    label.image_label = {
        "colors": [{"label-value": 1, "rgba": [255, 0, 0, 128]}],
        "properties": [{"label-value": 1, "class": "nucleus"}],
        "source": {"image": "../../"},
    }
    made.labels = {"nuclei": label}
    to_ngff_zarr(tmp_path / "a", made, version=version)
    to_ngff_zarr(tmp_path / "b", open_image(tmp_path / "a", validate=True), version=version)
    again: Multiscales = open_image(tmp_path / "b", validate=True)
    assert document(tmp_path / "a") == document(tmp_path / "b")
    assert document(tmp_path / "a/labels/nuclei") == document(tmp_path / "b/labels/nuclei")
    assert again.attributes == {"mine": {"deep": [1.5, "x"]}}
    assert again.metadata.extra == {"vendor:mark": {"a": [1, None]}}
    assert again.metadata.axes == made.metadata.axes
    assert again.metadata.datasets == made.metadata.datasets
    assert again.method is Methods.LOCAL_MEAN
    assert again.labels["nuclei"].image_label is not None
    assert {k: v for k, v in again.labels["nuclei"].image_label.items() if k != "version"} == label.image_label
    for k, level in enumerate(again.images):
        np.testing.assert_array_equal(level.data.compute(), made.images[k].data.compute())
    assert [scale_of(d) for d in document(tmp_path / "b")["multiscales"][0]["datasets"]] == [[1, 2, 1, 1], [1, 2, 2, 2]]
