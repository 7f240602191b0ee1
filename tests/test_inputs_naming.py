"""Axes that files name in words of their own: ilastik, xarray, Zarr, netCDF; and what their coordinates say."""

from __future__ import annotations

import itertools
import json
import warnings
from pathlib import Path
from typing import Any
from unicodedata import normalize

import h5py
import numpy as np
import pytest
import skimage.data
import xarray
import zarr

from ome_ngff.exceptions import AxesError
from ome_ngff.inputs import open_input

SIZES = {"t": 3, "c": 2, "z": 4, "y": 32, "x": 40}
IMAGE = np.stack([np.roll(skimage.data.camera()[:32, :40], i, 1) for i in range(24)]).reshape(*SIZES.values())


def turned(order: str) -> np.ndarray:
    """Return the image with its axes in another order; those that are left out at their second place."""
    kept = IMAGE[tuple(slice(None) if axis in order else 1 for axis in SIZES)]
    left = [axis for axis in SIZES if axis in order]
    return kept.transpose([left.index(axis) for axis in order])


def same(image: Any, order: str) -> None:
    """Compare names and pixels with those that were written."""
    dims = tuple(axis for axis in SIZES if axis in order)
    assert image.dims == dims
    np.testing.assert_array_equal(image.data[...], turned("".join(dims)))


# ilastik -------------------------------------------------------------------------------------------------------------


def ilastik(path: Path, order: str, units: dict[str, str] | None = None, **resolution: float) -> None:
    """Write what ilastik exports: one dataset with the tags of vigra."""
    flags = {"t": 8, "c": 1}
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("exported_data", data=turned(order), chunks=True)
        tags = [
            {"key": key, "typeFlags": flags.get(key, 2), "resolution": resolution.get(key, 0), "description": ""}
            for key in order
        ]
        dataset.attrs["axistags"] = json.dumps({"axes": tags}, indent=2)
        dataset.attrs["display_mode"] = "default"
        if units is not None:
            dataset.attrs["axis_units"] = json.dumps(units)


@pytest.mark.parametrize("order", ["tzyxc", "zyx", "tzcyx", "xyz", "yxc", "cyx", "zyxc", "tyx"])
def test_the_tags_of_ilastik_name_its_axes(tmp_path: Path, order: str) -> None:
    ilastik(tmp_path / "a.h5", order)
    image = open_input(tmp_path / "a.h5")
    same(image, order)
    assert image.scale is None


def test_the_resolution_of_ilastik_is_a_size_where_it_has_a_unit(tmp_path: Path) -> None:
    ilastik(tmp_path / "a.h5", "zyxc", {"z": "µm", "y": "nm", "x": "nm"}, z=1.5, y=65.0, x=65.0)
    image = open_input(tmp_path / "a.h5")
    assert image.scale == {"z": 1.5, "y": 65.0, "x": 65.0}
    assert image.axes_units == {"z": "micrometer", "y": "nanometer", "x": "nanometer"}
    ilastik(tmp_path / "a.h5", "zyx", z=1.5)
    with pytest.warns(UserWarning, match=r"a resolution \(z 1\.5\) but no unit, so it is not taken"):
        assert open_input(tmp_path / "a.h5").scale is None


@pytest.mark.parametrize("units", ["micrometer", "[1, 2]", '{"x": 3}'])
def test_units_of_tags_that_say_nothing_known_are_none(tmp_path: Path, units: str) -> None:
    ilastik(tmp_path / "a.h5", "yx", x=65.0)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["exported_data"].attrs["axis_units"] = units
    with pytest.warns(UserWarning, match=r"a resolution \(x 65\) but no unit, so it is not taken"):
        same(open_input(tmp_path / "a.h5"), "yx")


@pytest.mark.parametrize("tags", ['{"axes": [{"key": "?"}, {"key": "x"}]}', "{", '{"axes": [{"key": "x"}]}'])
def test_tags_that_say_nothing_known_are_not_guessed_around(tmp_path: Path, tags: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = turned("yx")
        file["data"].attrs["axistags"] = tags
    with pytest.raises(AxesError, match=r"names its dimensions .*\? is not understood; name all with axes="):
        open_input(tmp_path / "a.h5")
    same(open_input(tmp_path / "a.h5", axes="yx"), "yx")


# Words ---------------------------------------------------------------------------------------------------------------

WORDS = [
    pytest.param("tzcyx", ["time", "depth", "channel", "height", "width"], id="words"),
    pytest.param("tzcyx", ["T", "Z", "C", "Y", "X"], id="capitals"),
    pytest.param("tczyx", ["Frames", "Channels", "Slices", "Rows", "Columns"], id="counts"),
    pytest.param("tyxc", ["timepoint", "row", "col", "band"], id="arrays"),
    pytest.param("cyx", ["wavelength (nm)", "y [um]", "x [um]"], id="with-units"),
    pytest.param("xyz", ["x", "y", "z"], id="reversed"),
    pytest.param("zyx", ["plane", "Height", "WIDTH"], id="plane"),
]


@pytest.mark.parametrize(("order", "words"), WORDS)
@pytest.mark.parametrize("kind", ["zarr-2", "zarr-3", "hdf5-labels"])
def test_known_words_name_the_axes(tmp_path: Path, kind: str, order: str, words: list[str]) -> None:
    if kind == "hdf5-labels":
        with h5py.File(tmp_path / "a.h5", "w") as file:
            dataset = file.create_dataset("data", data=turned(order))
            for dimension, word in enumerate(words):
                dataset.dims[dimension].label = word
    elif kind == "zarr-3":
        zarr.create_array(tmp_path / "a.zarr", data=turned(order), dimension_names=words)
    else:
        array = zarr.create_array(tmp_path / "a.zarr", data=turned(order), zarr_format=2)
        array.attrs["_ARRAY_DIMENSIONS"] = words
    same(open_input(next(tmp_path.iterdir())), order)


STRANGE = [
    pytest.param(["q", "r", "u", "y", "x"], "q, r, u is not understood", id="five-unknown"),
    pytest.param(["lat", "lon"], "lat, lon is not understood", id="two-unknown"),
    pytest.param(["zy", "y", "x"], "zy is not understood", id="several-letters"),
    pytest.param(["lifetime", "y", "x"], "lifetime is not understood", id="one-unknown"),
    pytest.param([None, "y", "x"], r"\(no name\) is not understood", id="one-unnamed"),
    pytest.param(["row", "y", "x"], "two of them mean the same axis", id="twice"),
]


@pytest.mark.parametrize(("words", "message"), STRANGE)
@pytest.mark.parametrize("kind", ["zarr", "hdf5"])
def test_names_that_are_not_understood_are_refused(tmp_path: Path, kind: str, words: Any, message: str) -> None:
    order = {2: "yx", 3: "zyx", 5: "tczyx"}[len(words)]
    if kind == "hdf5":
        with h5py.File(tmp_path / "a.h5", "w") as file:
            dataset = file.create_dataset("data", data=turned(order))
            for dimension, word in enumerate(words):
                dataset.dims[dimension].label = word or ""
    else:
        zarr.create_array(tmp_path / "a.zarr", data=turned(order), dimension_names=words)
    path = next(tmp_path.iterdir())
    with pytest.raises(AxesError, match=rf"names its dimensions .*, but {message}; name all with axes=, in this order"):
        open_input(path)
    same(open_input(path, axes=order), order)


def test_a_dimension_of_length_one_may_have_any_name(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=turned("zyx")[None], dimension_names=["tile", "z", "y", "x"])
    same(open_input(tmp_path / "a.zarr"), "zyx")


@pytest.mark.parametrize("words", [["dim_0", "dim_1"], [None, None]], ids=["made-up", "none"])
def test_names_that_a_program_makes_up_are_none(tmp_path: Path, words: Any) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=turned("yx"), dimension_names=words)
    same(open_input(tmp_path / "a.zarr"), "yx")


# Coordinates ---------------------------------------------------------------------------------------------------------


def dataset(dims: tuple[str, ...], order: str, **coordinates: Any) -> xarray.Dataset:
    return xarray.Dataset({"cells": (dims, turned(order))}, coords=coordinates)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("inside", ["", "::cells"])
def test_a_dataset_of_xarray_says_names_and_coordinates(tmp_path: Path, version: int, inside: str) -> None:
    image = dataset(
        ("time", "z", "channel", "y", "x"), "tzcyx",
        time=("time", np.array(["2026-01-01T00:00:00", "2026-01-01T00:00:05", "2026-01-01T00:00:10"], "M8[ns]")),
        z=("z", 10 + 1.5 * np.arange(4), {"units": "um"}),
        x=("x", 0.25 * np.arange(40), {"units": "micrometer"}), channel=["DAPI", "GFP"],
    )  # fmt: skip
    with warnings.catch_warnings():  # Zarr 3 has no specification of strings yet
        warnings.simplefilter("ignore")
        image.to_zarr(tmp_path / "a.zarr", mode="w", zarr_format=version, consolidated=False)
    opened = open_input(f"{tmp_path / 'a.zarr'}{inside}")
    same(opened, "tzcyx")
    assert (opened.name, opened.scale) == ("cells", {"t": 5.0, "z": 1.5, "x": 0.25})
    assert opened.translation == {"z": 10.0}
    assert opened.axes_units == {"t": "second", "z": "micrometer", "x": "micrometer"}
    assert opened.channel_names == ["DAPI", "GFP"]


def test_coordinates_that_are_not_even_are_said(tmp_path: Path) -> None:
    image = dataset(("z", "y", "x"), "zyx", z=[0.0, 1.0, 5.0, 6.0], y=np.arange(32) * 0.5)
    image.to_zarr(tmp_path / "a.zarr", mode="w", consolidated=False)
    with pytest.warns(UserWarning, match=r"a\.zarr/cells: The coordinates of z do not grow evenly"):
        opened = open_input(tmp_path / "a.zarr")
    same(opened, "zyx")
    assert opened.scale == {"y": 0.5}


def test_values_that_are_packed_are_said(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a.zarr", data=turned("yx"), dimension_names=["y", "x"])
    array.attrs["scale_factor"] = 0.5
    with pytest.warns(UserWarning, match=r"says scale_factor of its values; they are taken as they are stored"):
        same(open_input(tmp_path / "a.zarr"), "yx")


@pytest.mark.parametrize("named", [True, False], ids=["with-positions", "names-alone"])
def test_the_scales_of_netcdf_name_the_axes(tmp_path: Path, named: bool) -> None:
    with h5py.File(tmp_path / "a.nc", "w") as file:
        data = file.create_dataset("cells", data=turned("xzy"))
        steps = {"x": 0.25, "depth": 1.5, "y": 0.25}
        for i, (word, step) in enumerate(steps.items()):
            file[word] = step * np.arange(data.shape[i], dtype="f4") if named else np.zeros(data.shape[i], "f4")
            note = f"This is a netCDF dimension but not a netCDF variable. {data.shape[i]:9}"
            file[word].make_scale(word if named else note)
            file[word].attrs["units"] = "um"
            data.dims[i].attach_scale(file[word])
    image = open_input(tmp_path / "a.nc")
    same(image, "xzy")
    assert image.scale == ({"z": 1.5, "y": 0.25, "x": 0.25} if named else None)
    assert image.axes_units == (dict.fromkeys("zyx", "micrometer") if named else None)


def test_every_order_of_words_gives_the_same_image(tmp_path: Path) -> None:
    words = {"c": "channel", "z": "depth", "x": "width"}
    for i, order in enumerate(itertools.permutations("czyx")):
        names = [words.get(axis, axis) for axis in order]
        zarr.create_array(tmp_path / f"{i}.zarr", data=turned("".join(order)), dimension_names=names)
        same(open_input(tmp_path / f"{i}.zarr"), "czyx")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("Zeit Kanal Tiefe Höhe Breite", id="German"),
        pytest.param("Zeitpunkt Kanäle Schicht Zeile Spalte", id="German-rows"),
        pytest.param("temps canal profondeur hauteur largeur", id="French"),
        pytest.param("temps canaux coupes lignes colonnes", id="French-rows"),
        pytest.param("tiempo canal profundidad altura anchura", id="Spanish"),
        pytest.param("tempo canais profundidade linha coluna", id="Portuguese"),
        pytest.param("tempo canale profondità altezza larghezza", id="Italian"),
        pytest.param("tijd kanaal diepte hoogte breedte", id="Dutch"),
        pytest.param("时间 通道 深度 高度 宽度", id="Chinese"),
        pytest.param("時間 チャンネル 深さ 高さ 幅", id="Japanese"),
        pytest.param("timestep wavelength plane row column", id="English"),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_words_for_axes_are_known_in_the_languages_of_laboratories(tmp_path: Path, words: str, form: Any) -> None:
    names = [normalize(form, word) for word in words.split()]
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("pixels", data=turned("tczyx"), dimension_names=names)
    same(open_input(tmp_path / "a.zarr/pixels"), "tczyx")
