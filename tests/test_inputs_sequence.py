"""Folders and globs of numbered planes: natural order, one shape, nothing missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
import skimage.data
import tifffile

import ome_ngff.inputs
from ome_ngff.exceptions import AxesError, InputError, MissingError
from ome_ngff.inputs import open_input
from ome_ngff.inputs.families import open_one

COINS = skimage.data.coins()[:64, :80]
STACK = np.stack([np.roll(COINS, 3 * z, 0) for z in range(12)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scan").mkdir()
    for z, plane in enumerate(STACK):
        tifffile.imwrite(tmp_path / "scan" / f"plane_{z}.tif", plane)
    return tmp_path / "scan"


@pytest.mark.parametrize("glob", ["", "*.tif", "plane_*.tif", "plane_[0-9]*.tif"])
def test_numbers_are_counted_and_not_spelled(folder: Path, glob: str) -> None:
    image = open_input(folder / glob)
    assert image.dims == ("z", "y", "x")
    assert image.name == ("plane" if glob else "scan")
    assert image.data.chunks == (1, 64, 80)
    np.testing.assert_array_equal(image.data[...], STACK)


def test_endings_may_be_written_in_capitals(folder: Path) -> None:
    (folder / "plane_3.tif").rename(folder / "plane_3.TIF")
    np.testing.assert_array_equal(open_input(folder).data[...], STACK)


def test_axes_say_what_is_counted(folder: Path) -> None:
    image = open_input(folder, axes="tyx")
    assert image.dims == ("t", "y", "x")
    np.testing.assert_array_equal(image.data[9:], STACK[9:])


def test_a_count_may_start_anywhere_and_go_in_steps(tmp_path: Path) -> None:
    for z in range(3):
        imageio.imwrite(tmp_path / f"z{70 + 20 * z}.png", STACK[z])
    np.testing.assert_array_equal(open_input(tmp_path).data[...], STACK[:3])


def test_only_the_planes_that_a_slice_touches_are_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = open_input(folder)
    opened: list[str] = []

    def counting(path: str, **options: Any) -> Any:
        opened.append(Path(path).name)
        return open_one(path, **options)

    monkeypatch.setattr("ome_ngff.inputs.sequence.open_one", counting)
    np.testing.assert_array_equal(image.data[7:9, 10:20], STACK[7:9, 10:20])
    assert opened == ["plane_7.tif", "plane_8.tif"]


def test_missing_planes_are_named(folder: Path) -> None:
    for z in (3, 7, 8):
        (folder / f"plane_{z}.tif").unlink()
    with pytest.raises(InputError, match=r"Planes are missing: plane_3.tif, plane_7.tif, plane_8.tif\.$"):
        open_input(folder)


def test_of_many_missing_planes_five_are_named(tmp_path: Path) -> None:
    for z in (0, 1, 20):
        tifffile.imwrite(tmp_path / f"z{z:03d}.tif", COINS)
    with pytest.raises(InputError, match=r"missing: z002.tif, .*, z006.tif and 13 more\."):
        open_input(tmp_path)


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        pytest.param(COINS[:50], "plane_4.tif is 50x80 uint8, but .* 64x80 uint8", id="shape"),
        pytest.param(COINS.astype("uint16"), "plane_4.tif is 64x80 uint16, but .* 64x80 uint8", id="dtype"),
    ],
)
def test_the_odd_plane_is_named(folder: Path, odd: np.ndarray, message: str) -> None:
    tifffile.imwrite(folder / "plane_4.tif", odd)
    with pytest.raises(InputError, match=message):
        open_input(folder)


def test_a_plane_that_changes_later_is_noticed_when_it_is_read(folder: Path) -> None:
    image = open_input(folder)
    tifffile.imwrite(folder / "plane_4.tif", COINS[:50])
    with pytest.raises(InputError, match=r"plane_4\.tif is 50x80"):
        image.data[4]


@pytest.mark.parametrize("name", ["overview.tif", "scan_3.tif"])
def test_a_file_that_is_named_unlike_the_others_is_named(folder: Path, name: str) -> None:
    tifffile.imwrite(folder / name, COINS)
    with pytest.raises(InputError, match=f"'{name}' is not like 'plane_.*; narrow the glob"):
        open_input(folder)


def test_files_without_numbers_are_no_sequence(tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(tmp_path / name, COINS)
    with pytest.raises(InputError, match=r"numbered names, all alike: 'b\.tif' is not like 'a\.tif'; .*axes='cyx'"):
        open_input(tmp_path)


def test_two_files_with_one_number_are_refused(folder: Path) -> None:
    tifffile.imwrite(folder / "plane_03.tif", COINS)
    with pytest.raises(InputError, match="same number"):
        open_input(folder)


@pytest.mark.parametrize(
    ("axes", "order"), [("czyx", "czyx"), ("tcyx", "tcyx"), ("ztyx", "tzyx"), ("zcyx", "czyx")], ids=lambda a: a
)
def test_two_numbers_count_two_axes(tmp_path: Path, axes: str, order: str) -> None:
    grid = STACK.reshape(3, 4, 64, 80)
    for a, b in np.ndindex(3, 4):
        imageio.imwrite(tmp_path / f"s1_a{a:02d}_b{b + 1:03d}.png", grid[a, b])
    image = open_input(tmp_path, axes=axes)
    assert image.dims == tuple(order)
    np.testing.assert_array_equal(image.data[...], grid.transpose([axes.index(axis) for axis in order]))


def test_two_numbers_need_axes_and_all_combinations(tmp_path: Path) -> None:
    for a, b in np.ndindex(2, 3):
        imageio.imwrite(tmp_path / f"a{a}_b{b:02d}.png", COINS)
    with pytest.raises(AxesError, match=r"2 numbers count .* say what each is.*axes='a\{t\}_b\{c\}'"):
        open_input(tmp_path)
    with pytest.raises(AxesError, match="must name each"):
        open_input(tmp_path, axes="zyx")
    (tmp_path / "a1_b01.png").unlink()
    with pytest.raises(InputError, match=r"missing: a1_b01\.png"):
        open_input(tmp_path, axes="czyx")


def test_a_time_stamp_beside_the_number_only_rides_along(tmp_path: Path) -> None:
    for z in range(4):
        imageio.imwrite(tmp_path / f"z{z}_{1700000000 + 37 * z * z}.png", STACK[z])
    np.testing.assert_array_equal(open_input(tmp_path, axes="zyx").data[...], STACK[:4])


def test_time_stamps_alone_are_an_order(tmp_path: Path) -> None:
    for t, stamp in enumerate((1700000000, 1700000401, 1700003002)):
        imageio.imwrite(tmp_path / f"{stamp}.png", STACK[t])
    np.testing.assert_array_equal(open_input(tmp_path, axes="tyx").data[...], STACK[:3])


@pytest.mark.parametrize("axes", [None, "zcyx", "zyxc"])
def test_planes_in_colour_keep_their_channels(tmp_path: Path, axes: str | None) -> None:
    astronaut = skimage.data.astronaut()[:64, :80]
    for z in range(3):
        imageio.imwrite(tmp_path / f"z{z}.png", np.roll(astronaut, z, 0))
    image = open_input(tmp_path, axes=axes)
    assert (image.dims, image.channel_names) == (("c", "z", "y", "x"), ["red", "green", "blue"])
    np.testing.assert_array_equal(image.data[:, 2], np.roll(astronaut, 2, 0).transpose(2, 0, 1))


def test_volumes_are_counted_as_time_and_keep_their_sizes(tmp_path: Path) -> None:
    volumes = STACK.reshape(3, 4, 64, 80)
    metadata = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
    for t in range(3):
        tifffile.imwrite(tmp_path / f"t{t}.tif", volumes[t], imagej=True, resolution=(4, 4), metadata=metadata)
    image = open_input(tmp_path)
    assert image.dims == ("t", "z", "y", "x")
    assert image.scale == {"z": 2.0, "y": 0.25, "x": 0.25}
    np.testing.assert_array_equal(image.data[1:, 2], volumes[1:, 2])


def test_volumes_without_axis_names_take_the_last_axes_the_caller_names(tmp_path: Path) -> None:
    volumes = STACK.reshape(3, 4, 64, 80)
    for t in range(3):
        np.save(tmp_path / f"t{t}.npy", volumes[t])
    np.testing.assert_array_equal(open_input(tmp_path, axes="tzyx").data[...], volumes)


def test_one_file_is_no_sequence(tmp_path: Path) -> None:
    imageio.imwrite(tmp_path / "z7.png", COINS)
    assert open_input(tmp_path).dims == ("y", "x")


def test_brackets_in_a_name_are_no_glob_where_the_file_is_there(tmp_path: Path) -> None:
    imageio.imwrite(tmp_path / "cells[1].png", COINS)
    np.testing.assert_array_equal(open_input(tmp_path / "cells[1].png").data[...], COINS)


def test_a_folder_of_several_kinds_asks_for_one(folder: Path) -> None:
    imageio.imwrite(folder / "plane_0.png", COINS)
    (folder / "notes.txt").write_text("no image")
    with pytest.raises(InputError, match=r"holds \.png, \.tif files; pick one kind, as in '.*\*\.png'"):
        open_input(folder)


def test_a_folder_without_images_and_a_glob_without_matches_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a folder without images; a glob such as .*\*\.tif"):
        open_input(tmp_path)
    with pytest.raises(MissingError, match="No file matches"):
        open_input(tmp_path / "z*.tif")


def test_the_module_is_loaded_for_sequences_only() -> None:
    assert not hasattr(ome_ngff.inputs, "SequenceArray")
