"""Planes as microscopes and people name them: GUIDs, time stamps, channels, and patterns with names."""

from __future__ import annotations

import itertools
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from helpers import document, pixels_by_tensorstore

from ome_ngff.cli import main
from ome_ngff.exceptions import AxesError, InputError
from ome_ngff.inputs import open_input

PLANES = np.arange(24 * 8 * 10, dtype="uint16").reshape(24, 8, 10)


def write(folder: Path, names: list[str], **options: Any) -> np.ndarray:
    """Write one plane a name, in the order of the names."""
    for name, plane in zip(names, PLANES, strict=False):
        tifffile.imwrite(folder / name, plane, **options)
    return PLANES[: len(names)]


def guid(number: int) -> str:
    return str(uuid.UUID(int=(number * 7919 + 5) ** 9 % 2**128)).upper()


@pytest.mark.parametrize(
    ("names", "dims", "channels"),
    [
        pytest.param([f"P_C16_w{w}_{guid(w)}.tif" for w in (1, 2, 3)], "cyx", ["w1", "w2", "w3"], id="imagexpress"),
        pytest.param([f"IXM_A01_s1_w{w}{guid(w)}.tif" for w in (1, 2)], "cyx", ["w1", "w2"], id="guid-behind"),
        pytest.param([f"img_c{c}.tif" for c in (1, 2, 10)], "cyx", ["c1", "c2", "c10"], id="channel-numbers"),
        pytest.param(["DAPI.tif", "GFP.tif"], "cyx", ["DAPI", "GFP"], id="dyes"),
        pytest.param(["bf.tif", "DAPI.tif"], "cyx", ["bf", "DAPI"], id="dyes-whatever-their-case"),
        pytest.param(["a_Cy3.tif", "a_Cy5.tif", "a_Hoechst.tif"], "cyx", ["Cy3", "Cy5", "Hoechst"], id="dye-numbers"),
        pytest.param(["x_Cy3.tif", "x_Cy5.tif"], "cyx", ["Cy3", "Cy5"], id="dyes-that-differ-by-number"),
        pytest.param([f"frame_{t:04}.tif" for t in range(3)], "tyx", None, id="frames"),
        pytest.param([f"scan {z}.tif" for z in (2, 9, 10, 11)][1:], "zyx", None, id="unknown-word"),
        pytest.param([f"20240131_12{m:02}05_z{m}.tif" for m in range(1, 4)], "zyx", None, id="time-stamps"),
        pytest.param(
            ["a_20240131_235900.tif", "a_20240131_235930.tif", "a_20240201_000000.tif"], "tyx", None, id="midnight"
        ),
        pytest.param([f"z{z}_{1700000000 + 37 * z * z}.tif" for z in range(3)], "zyx", None, id="seconds"),
    ],
)  # fmt: skip
def test_names_say_what_they_count(names: list[str], dims: str, channels: Any, tmp_path: Path) -> None:
    wanted = write(tmp_path, names)
    image = open_input(tmp_path)
    assert (image.dims, image.channel_names) == (tuple(dims), channels)
    np.testing.assert_array_equal(image.data[...], wanted)


@pytest.mark.parametrize(
    ("form", "dims"),
    [
        pytest.param("img_t{0}_z{1}_c{2}.tif", "tczyx", id="letters"),
        pytest.param("Time{0:02}Slice{1:03}Ch{2}.tif", "tczyx", id="words"),
        pytest.param("{0:08}_t{0}_w{2}_z{1}_%s.tif", "tczyx", id="guid-and-number"),
    ],
)
def test_several_words_say_what_each_number_counts(form: str, dims: str, tmp_path: Path) -> None:
    wanted = np.zeros((2, 4, 3, 8, 10), "uint16")
    for number, (t, z, c) in enumerate(itertools.product(range(2), range(3), range(4))):
        name = form.format(t, z, c)
        tifffile.imwrite(tmp_path / (name % guid(number) if "%" in name else name), PLANES[number])
        wanted[t, c, z] = PLANES[number]
    image = open_input(tmp_path)
    assert image.dims == tuple(dims)
    np.testing.assert_array_equal(image.data[...], wanted)


def test_the_pattern_of_an_error_leaves_out_what_differs_in_each_name(tmp_path: Path) -> None:
    names = [f"{guid(9 - n)}_P_s{n // 2}_w{n % 2 + 1}_{guid(n)}.tif" for n in range(4)]
    wanted = write(tmp_path, names)
    with pytest.raises(AxesError, match=r"by a pattern, as in axes='_P_s\{t\}_w\{c\}_'"):
        open_input(tmp_path)
    image = open_input(tmp_path, axes="_P_s{t}_w{c}_")
    np.testing.assert_array_equal(image.data[...], wanted.reshape(2, 2, 8, 10))


def test_of_two_numbers_that_say_the_same_the_first_counts(tmp_path: Path) -> None:
    wanted = write(tmp_path, [f"z{n}_t{10 - n}_raw.tif" for n in range(3)])
    image = open_input(tmp_path, axes="zyx")
    assert image.dims == tuple("zyx")
    np.testing.assert_array_equal(image.data[...], wanted[:3])


def test_channels_by_word_go_with_numbers(tmp_path: Path) -> None:
    names = [f"cells_{dye}_z{z:02}.tif" for dye in ("DAPI", "mCherry") for z in range(3)]
    wanted = write(tmp_path, names).reshape(2, 3, 8, 10)
    image = open_input(tmp_path)
    assert (image.dims, image.channel_names) == (("c", "z", "y", "x"), ["DAPI", "mCherry"])
    np.testing.assert_array_equal(image.data[...], wanted)
    (tmp_path / names[4]).unlink()
    with pytest.raises(InputError, match=r"Planes are missing: cells_mCherry_z01\.tif\.$"):
        open_input(tmp_path)


def test_numbers_of_planes_in_colour_count_slices(tmp_path: Path) -> None:
    colors = np.stack([PLANES[:3], PLANES[3:6]]).transpose(0, 2, 3, 1)
    for c, plane in enumerate(colors):
        tifffile.imwrite(tmp_path / f"c{c}.tif", plane, photometric="rgb")
    image = open_input(tmp_path)
    assert (image.dims, image.channel_names) == (("c", "z", "y", "x"), ["red", "green", "blue"])
    np.testing.assert_array_equal(image.data[...], colors.transpose(3, 0, 1, 2))


def test_words_that_are_no_dyes_are_channels_where_axes_say_so(tmp_path: Path) -> None:
    wanted = write(tmp_path, ["kidney_actin.tif", "kidney_nuclei.tif"])
    with pytest.raises(InputError, match=r"not like .*; narrow the glob, or name the channels, as in axes='cyx'"):
        open_input(tmp_path)
    image = open_input(tmp_path, axes="cyx")
    assert image.channel_names == ["actin", "nuclei"]
    np.testing.assert_array_equal(image.data[...], wanted)


def test_what_planes_say_of_their_channels_wins(tmp_path: Path) -> None:
    for c, name in enumerate(("nuclei", "actin")):
        said = {"axes": "YX", "Channel": {"Name": name}}
        tifffile.imwrite(tmp_path / f"img_c{c}.ome.tif", PLANES[c], metadata=said)
    assert open_input(tmp_path).channel_names == ["nuclei", "actin"]


# Patterns ------------------------------------------------------------------------------------------------------------

PHENIX = "r{row}c{column}f{field}-ch{c}sk{t}"


def phenix(folder: Path, row: int = 2, extra: str = "fk1fl1") -> np.ndarray:
    """Write a field as Opera Phenix does; channels of which one is not there, and times from 1 on."""
    wanted = np.zeros((3, 2, 8, 10), "uint16")
    for number, (t, c) in enumerate(itertools.product(range(3), range(2))):
        tifffile.imwrite(folder / f"r{row:02}c03f01-ch{(1, 4)[c]}sk{t + 1}{extra}.tiff", PLANES[number])
        wanted[t, c] = PLANES[number]
    return wanted


def test_a_pattern_names_what_is_counted(tmp_path: Path) -> None:
    wanted = phenix(tmp_path)
    image = open_input(tmp_path, axes=PHENIX)
    assert (image.dims, image.channel_names) == (("t", "c", "y", "x"), ["ch1", "ch4"])
    np.testing.assert_array_equal(image.data[...], wanted)


def test_the_command_takes_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    wanted = phenix(tmp_path / "in")
    words = ["write", str(tmp_path / "in" / "*.tiff"), str(tmp_path / "a.zarr"), "--axes", PHENIX]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0
    assert result.stderr.endswith("*.tiff: one image out of many planes, t 3, c 2, y 8, x 10\n")
    np.testing.assert_array_equal(pixels_by_tensorstore(tmp_path / "a.zarr")[0], wanted)
    labels = [channel["label"] for channel in document(tmp_path / "a.zarr")["omero"]["channels"]]
    assert labels == ["ch1", "ch4"]


def test_a_pattern_may_name_words_and_leave_the_rest_out(tmp_path: Path) -> None:
    names = [f"{number}_run_{dye}-pos{z}_x.tif" for number, (dye, z) in enumerate(itertools.product(("b", "aq"), "12"))]
    wanted = write(tmp_path, names).reshape(2, 2, 8, 10)
    image = open_input(tmp_path, axes="_{c}-pos{z}")
    assert (image.dims, image.channel_names) == (("c", "z", "y", "x"), ["aq", "b"])
    np.testing.assert_array_equal(image.data[...], wanted[::-1])


def test_a_pattern_without_folders_is_of_the_names_alone(tmp_path: Path) -> None:
    for folder in ("z7", "z8"):
        (tmp_path / folder).mkdir()
    wanted = write(tmp_path, ["z8/a_z1.tif", "z7/a_z2.tif"])
    image = open_input(tmp_path / "z*" / "*.tif", axes="z{z}")
    np.testing.assert_array_equal(image.data[...], wanted)


def test_what_is_one_of_several_fields_is_named(tmp_path: Path) -> None:
    phenix(tmp_path, 2)
    phenix(tmp_path, 4)
    with pytest.raises(AxesError, match=r"\{row\} is 02, 04, but one image has one of them; narrow the glob\."):
        open_input(tmp_path, axes=PHENIX)
    assert open_input(tmp_path / "r04*", axes=PHENIX).data.shape == (3, 2, 8, 10)


@pytest.mark.parametrize(
    ("pattern", "error", "message"),
    [
        pytest.param("r{row}", AxesError, "must name t, c or z, each once", id="no-axis"),
        pytest.param("r{c}c{c}", AxesError, "must name each number once", id="twice"),
        pytest.param("ch{c}sk{frame}{t}", AxesError, "must name t, c or z, each once", id="one-axis-twice"),
        pytest.param("ch{c}sk{", AxesError, "must name each number once", id="brace"),
        pytest.param("w{c}_t{t}", InputError, r"ch1sk1fk1fl1\.tiff' does not match the pattern", id="no-match"),
        pytest.param("f{t}-ch{c}", InputError, "Two planes have the same number", id="too-little"),
    ],
)
def test_patterns_that_cannot_be_are_refused(pattern: str, error: Any, message: str, tmp_path: Path) -> None:
    phenix(tmp_path)
    with pytest.raises(error, match=message):
        open_input(tmp_path, axes=pattern)


def test_planes_that_a_pattern_misses_are_named(tmp_path: Path) -> None:
    phenix(tmp_path)
    (tmp_path / "r02c03f01-ch4sk2fk1fl1.tiff").unlink()
    with pytest.raises(InputError, match=r"Planes are missing: r02c03f01-ch4sk2fk1fl1\.tiff\.$"):
        open_input(tmp_path, axes=PHENIX)


def test_a_pattern_is_not_for_one_file(tmp_path: Path) -> None:
    write(tmp_path, ["a1.tif"])
    with pytest.raises(AxesError, match="is of the names of many planes"):
        open_input(tmp_path / "a1.tif", axes="a{t}")


def test_missing_planes_with_guids_are_named(tmp_path: Path) -> None:
    names = [f"P_C16_z{z}_w{w}_{guid(8 * z + w)}.tif" for z in range(3) for w in (1, 2)]
    write(tmp_path, [name for name in names if "_z1_w2" not in name])
    with pytest.raises(InputError, match=r"Planes are missing: P_C16_z1_w2_\*\.tif\.$"):
        open_input(tmp_path)
