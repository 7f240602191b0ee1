"""HDF5 of other programs: Imaris and BigDataViewer, each with its own layout and its own words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ome_ngff.exceptions import InputError
from ome_ngff.inputs import describe_input, open_input

STACKS = np.random.default_rng(5).integers(0, 65535, (3, 2, 5, 30, 40), "uint16")  # t, c, z, y, x


def characters(text: str) -> np.ndarray:
    """Return a text as Imaris keeps it: an array of single bytes."""
    return np.array([letter.encode() for letter in text], "S1")


def imaris(path: Path, pixels: np.ndarray = STACKS, **image: str) -> Path:
    """Write what Imaris writes: padded datasets, half resolutions, attributes of single characters."""
    said = {
        "X": "40", "Y": "30", "Z": "5", "Unit": "um",
        "ExtMin0": "0", "ExtMax0": "10", "ExtMin1": "0", "ExtMax1": "6", "ExtMin2": "0", "ExtMax2": "5",
    }  # fmt: skip
    with h5py.File(path, "w") as file:
        for level, factor in enumerate((1, 2)):
            for t, c in np.ndindex(pixels.shape[:2]):
                stack = pixels[t, c, :, ::factor, ::factor]
                padded = np.zeros((8, 32, 64), stack.dtype)
                padded[: stack.shape[0], : stack.shape[1], : stack.shape[2]] = stack
                where = f"DataSet/ResolutionLevel {level}/TimePoint {t}/Channel {c}/Data"
                file.create_dataset(where, data=padded, chunks=(4, 16, 32), compression="gzip")
        info = file.create_group("DataSetInfo")
        for name, value in (said | image).items():
            info.require_group("Image").attrs[name] = characters(value)
        for c, (name, color) in enumerate([("DAPI", "0.000 0.500 1.000"), ("GFP", "0.000 1.000 0.000")]):
            for key, value in {"Name": name, "Color": color, "ColorRange": f"{c}.000 900.000"}.items():
                info.require_group(f"Channel {c}").attrs[key] = characters(value)
        times = info.create_group("TimeInfo")
        times.attrs["DatasetTimePoints"] = characters(str(len(pixels)))
        for t in range(len(pixels)):
            times.attrs[f"TimePoint{t + 1}"] = characters(f"2024-02-29 23:59:{30 + 15 * t - 60 * (t == 2):02}.500")
            if t == 2:
                times.attrs["TimePoint3"] = characters("2024-03-01 00:00:00.500")
    return path


def test_an_imaris_file_is_read_in_its_real_size(tmp_path: Path) -> None:
    image = open_input(imaris(tmp_path / "cells.ims"))
    assert (image.dims, image.name) == (tuple("tczyx"), "cells")
    np.testing.assert_array_equal(image.data[...], STACKS)
    np.testing.assert_array_equal(image.data[1:, 1, 2:4, 5:, :7], STACKS[1:, 1, 2:4, 5:, :7])
    assert image.data.chunks == (1, 1, 4, 16, 32)


def test_an_imaris_file_says_sizes_times_and_channels(tmp_path: Path) -> None:
    image = open_input(imaris(tmp_path / "cells.ims"))
    assert image.scale == {"t": 15, "z": 1, "y": 0.2, "x": 0.25}
    assert image.axes_units == {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
    assert (image.channel_names, image.channel_colors) == (["DAPI", "GFP"], ["0080FF", "00FF00"])
    assert image.channel_windows == [(0, 900), (1, 900)]
    assert image.translation is None


def test_extents_that_do_not_begin_at_zero_place_the_image(tmp_path: Path) -> None:
    image = open_input(imaris(tmp_path / "a.ims", STACKS[:1, :1], ExtMin0="100", ExtMax0="110", Unit="mm"))
    assert image.dims == tuple("zyx")
    assert (image.scale["x"], image.translation, image.axes_units["x"]) == (0.25, {"x": 100.125}, "millimeter")


def test_an_imaris_file_without_extents_has_no_size(tmp_path: Path) -> None:
    where = imaris(tmp_path / "a.ims")
    with h5py.File(where, "a") as file:
        for i in range(3):
            del file["DataSetInfo/Image"].attrs[f"ExtMax{i}"]
    assert open_input(where).scale == {"t": 15}


def test_a_missing_channel_of_an_imaris_file_is_named(tmp_path: Path) -> None:
    where = imaris(tmp_path / "a.ims")
    with h5py.File(where, "a") as file:
        del file["DataSet/ResolutionLevel 0/TimePoint 1/Channel 1"]
    with pytest.raises(InputError, match=r"TimePoint 1/Channel 1/Data should hold 5x30x40 pixels"):
        open_input(where)


XML = """<?xml version="1.0" encoding="UTF-8"?>
<SpimData version="0.2">
  <BasePath type="relative">.</BasePath>
  <SequenceDescription>
    <ImageLoader format="bdv.hdf5"><hdf5 type="relative">{file}</hdf5></ImageLoader>
    <ViewSetups>{setups}
      <Attributes name="channel"><Channel><id>4</id><name>GFP</name></Channel></Attributes>
    </ViewSetups>
    <Timepoints type="range"><first>0</first><last>2</last></Timepoints>
  </SequenceDescription>
</SpimData>"""
SETUP = """
      <ViewSetup><id>{number}</id><name>{name}</name><size>40 30 5</size>
        <voxelSize><unit>{unit}</unit><size>0.25 0.2 1.5</size></voxelSize>
        <attributes><channel>{channel}</channel></attributes></ViewSetup>"""


def big_data_viewer(folder: Path, described: bool = True) -> Path:
    """Write what BigDataViewer writes: uint16 in a type that Java has, with an XML file that names the setups."""
    with h5py.File(folder / "embryo.h5", "w") as file:
        for setup in range(2):
            file[f"s{setup:02}/resolutions"] = np.array([[1.0, 1, 1], [2, 2, 1]])
            file[f"s{setup:02}/subdivisions"] = np.array([[16, 16, 4]] * 2)
            for t, level in np.ndindex(3, 2):
                stack = STACKS[t, setup, :, :: 1 + level, :: 1 + level].view("int16")
                where = f"t{t:05}/s{setup:02}/{level}/cells"
                file.create_dataset(where, data=stack, chunks=(4, 8, 16), compression="gzip")
    if described:
        setups = SETUP.format(number=0, name="left", unit="micron", channel=4)
        setups += SETUP.format(number=1, name="right", unit="pixel", channel=0)
        (folder / "embryo.xml").write_text(XML.format(file="embryo.h5", setups=setups))
    return folder / "embryo.h5"


@pytest.mark.filterwarnings("ignore:.*1 of 2 images")
def test_stacks_of_what_no_pixel_is_are_refused(tmp_path: Path) -> None:
    file = big_data_viewer(tmp_path)
    with h5py.File(file, "a") as opened:
        for t in range(3):
            del opened[f"t{t:05}/s00/0/cells"]
            opened[f"t{t:05}/s00/0/cells"] = np.zeros((4, 8, 8), "complex64")
    with pytest.raises(InputError, match="holds complex64, but pixels are"):
        open_input(file, series=0)


@pytest.mark.parametrize("name", ["embryo.h5", "embryo.xml"])
@pytest.mark.parametrize(("series", "setup"), [(None, 0), ("right", 1), (1, 1)])
@pytest.mark.filterwarnings("ignore:.*1 of 2 images")
def test_setups_of_a_big_data_viewer_are_series(tmp_path: Path, name: str, series: Any, setup: int) -> None:
    big_data_viewer(tmp_path)
    image = open_input(tmp_path / name, series=series)
    assert (image.dims, image.name, image.data.dtype) == (tuple("tzyx"), ["left", "right"][setup], np.uint16)
    np.testing.assert_array_equal(image.data[...], STACKS[:, setup])
    assert (image.data.chunks, image.scale) == ((1, 4, 8, 16), {"z": 1.5, "y": 0.2, "x": 0.25})
    assert image.channel_names == [["GFP"], None][setup]
    assert image.axes_units == [dict.fromkeys("zyx", "micrometer"), None][setup]


def test_setups_without_a_description_have_no_size(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"has no embryo\.xml, which would say the size of voxels"):
        image = open_input(big_data_viewer(tmp_path, described=False), series="s01")
    assert (image.scale, image.name) == (None, "s01")
    np.testing.assert_array_equal(image.data[2], STACKS[2, 1])


def test_a_description_of_other_files_says_what_they_are(tmp_path: Path) -> None:
    big_data_viewer(tmp_path)
    text = (tmp_path / "embryo.xml").read_text()
    (tmp_path / "n5.xml").write_text(text.replace("bdv.hdf5", "bdv.n5").replace("hdf5", "n5"))
    with pytest.raises(InputError, match=r"n5\.xml describes images that are kept as bdv\.n5; only those in HDF5"):
        open_input(tmp_path / "n5.xml")


@pytest.mark.parametrize("name", ["embryo.h5", "embryo.xml"])
def test_setups_of_a_big_data_viewer_are_listed(tmp_path: Path, name: str) -> None:
    big_data_viewer(tmp_path)
    assert [(image.series, image.name) for image in describe_input(tmp_path / name).images] == [
        (0, "left"),
        (1, "right"),
    ]
