"""NIfTI: colours, vectors, oblique volumes, contrast: what each header says, against nibabel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from nibabel.eulerangles import euler2mat

from ome_ngff import convert, validate
from ome_ngff.exceptions import AxesError, InputError
from ome_ngff.inputs import open_input

RNG = np.random.default_rng(5)
VOLUME = RNG.integers(-500, 9999, (5, 20, 30), "int16")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.nii"


# Colours and vectors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letters", ["RGB", "RGBA"])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("times", [1, 2])
def test_the_colours_of_a_volume_are_channels(tmp_path: Path, letters: str, name: str, times: int) -> None:
    shape = (6, 5, 4, times)[: 3 + (times > 1)]
    color = np.zeros(shape, [(letter, "u1") for letter in letters])
    for letter in letters:
        color[letter] = RNG.integers(0, 256, shape)
    nibabel.save(nibabel.Nifti1Image(color, np.diag([2, 2, 3, 1])), tmp_path / name)
    image = open_input(tmp_path / name)
    assert image.dims == (*"t" * (times > 1), *"czyx")
    assert (image.data.dtype, image.channel_names) == (np.uint8, ["red", "green", "blue", "alpha"][: len(letters)])
    assert (image.scale["z"], image.scale["x"]) == (3.0, 2.0)
    for c, letter in enumerate(letters):
        stored = np.asarray(nibabel.load(tmp_path / name).dataobj)[letter].T
        np.testing.assert_array_equal(image.data[...][..., c, :, :, :], stored)
    np.testing.assert_array_equal(image.data[..., 1, 2, 1:3, 4], image.data[...][..., 1, 2, 1:3, 4])


def test_records_that_are_no_colours_are_refused(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), "complex64"), np.eye(4)), path)
    with pytest.raises(InputError, match="but pixels are"):
        open_input(path)


@pytest.mark.parametrize(
    ("shape", "intent", "dims", "names"),
    [
        pytest.param((6, 5, 4, 1, 3), "vector", "czyx", None, id="vector"),
        pytest.param((6, 5, 4, 1, 3), "displacement vector", "czyx", None, id="displacement"),
        pytest.param((6, 5, 4, 1, 6), "symmetric matrix", "czyx", None, id="tensor"),
        pytest.param((6, 5, 4, 1, 2), "none", "czyx", None, id="no-intent"),
        pytest.param((6, 5, 4, 2, 3), "vector", "tczyx", None, id="vectors-in-time"),
        pytest.param((6, 5, 4, 3), "vector", "czyx", None, id="in-the-fourth"),
        pytest.param((6, 5, 4, 3), "none", "tzyx", None, id="time"),
        pytest.param((6, 5, 4, 1, 3), 2003, "czyx", ["red", "green", "blue"], id="colour"),
    ],
)
def test_the_intent_says_what_the_last_dimension_is(
    path: Path, shape: tuple[int, ...], intent: Any, dims: str, names: Any
) -> None:
    array = RNG.integers(0, 255, shape).astype("float32")
    volume = nibabel.Nifti1Image(array, np.eye(4))
    volume.header.set_intent(intent, allow_unknown=isinstance(intent, int))
    nibabel.save(volume, path)
    image = open_input(path)
    assert ("".join(image.dims), image.channel_names) == (dims, names)
    wanted = array.squeeze().T if len(dims) == 4 else array.transpose(3, 4, 2, 1, 0)
    np.testing.assert_array_equal(image.data[...], wanted)


def test_axes_of_the_caller_win_over_the_intent(path: Path) -> None:
    volume = nibabel.Nifti1Image(np.zeros((6, 5, 4, 3), "float32"), np.eye(4))
    volume.header.set_intent("vector")
    nibabel.save(volume, path)
    assert open_input(path, axes="tzyx").dims == tuple("tzyx")
    with pytest.raises(AxesError):
        open_input(path, axes="zyx")


# Places --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1)], ids=["ras", "las", "lps"])
def test_an_oblique_volume_is_placed_along_its_own_axes(path: Path, flips: tuple[int, ...]) -> None:
    affine = np.eye(4)
    affine[:3, :3] = euler2mat(0.2, 0.1, -0.3) @ np.diag(np.multiply(flips, (0.5, 0.6, 2.0)))
    affine[:3, 3] = (-90.0, 126.0, 12.5)
    nibabel.save(nibabel.Nifti1Image(VOLUME.T, affine), path)
    with pytest.warns(UserWarning, match=r"a\.nii lie .* degrees askew, .* its place is counted along its own axes"):
        image = open_input(path)
    assert image.scale == pytest.approx({"z": 2.0, "y": 0.6, "x": 0.5})
    # A pixel lies where the directions of the axes, times its position along each, lead to.
    directions = nibabel.load(path).affine[:3, :3] / np.array([0.5, 0.6, 2.0])
    for index in ((0, 0, 0), (4, 19, 29)):
        along = [image.translation[a] + image.scale[a] * i for a, i in zip("xyz", index[::-1], strict=True)]
        world = nibabel.affines.apply_affine(nibabel.load(path).affine, index[::-1])
        np.testing.assert_allclose(directions @ along, world, atol=1e-3)
    np.testing.assert_array_equal(image.data[...], VOLUME)


def test_a_sheared_volume_has_no_place(path: Path) -> None:
    affine = np.array([[1, 0.4, 0, 5], [0, 1, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]], float)
    volume = nibabel.Nifti1Image(VOLUME.T, None)
    volume.set_sform(affine, 1)
    nibabel.save(volume, path)
    with pytest.warns(UserWarning, match="it has no place, for they are sheared"):
        assert open_input(path).translation is None


# What else a header says ---------------------------------------------------------------------------------------------


def test_the_header_says_the_contrast_and_the_first_time(path: Path) -> None:
    volume = nibabel.Nifti1Image(np.stack([VOLUME.T] * 2, -1), np.eye(4))
    volume.header["cal_min"], volume.header["cal_max"], volume.header["toffset"] = -20, 850.5, 1.5
    volume.header.set_zooms((1, 1, 1, 2.0))
    nibabel.save(volume, path)
    image = open_input(path)
    assert image.channel_windows == [(-20.0, 850.5)]
    assert (image.translation, image.scale["t"]) == ({"t": 1.5}, 2.0)


@pytest.mark.parametrize("unit", ["hz", "ppm", "rads"])
def test_a_spectrum_is_said_and_has_no_interval(path: Path, unit: str) -> None:
    volume = nibabel.Nifti1Image(np.stack([VOLUME.T] * 2, -1), np.eye(4))
    volume.header.set_xyzt_units("mm", unit)
    nibabel.save(volume, path)
    with pytest.warns(UserWarning, match=rf"fourth dimension of .*a\.nii is a spectrum \({unit}\)"):
        assert "t" not in open_input(path).scale


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_left_out(path: Path, tmp_path: Path, value: float) -> None:
    volume = nibabel.Nifti1Image(np.stack([VOLUME.T] * 2, -1), np.eye(4))
    volume.header["cal_min"], volume.header["cal_max"], volume.header["toffset"] = -value, value, value
    nibabel.save(volume, path)
    convert(path, tmp_path / "a.zarr")
    assert validate(tmp_path / "a.zarr").valid
    image = open_input(path)
    assert (image.translation, image.channel_windows) == (None, None)


@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_directions_that_are_none_are_said(path: Path, value: float) -> None:
    nibabel.save(nibabel.Nifti1Image(VOLUME.T, np.eye(4)), path)
    content = bytearray(path.read_bytes())
    content[280:284] = np.float32(value).tobytes()  # of the sform
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"a\.nii says directions that are none \(zeros, or no numbers at all"):
        image = open_input(path)
    assert (image.axes_orientations, image.translation) == (None, None)
    np.testing.assert_array_equal(image.data[...], VOLUME)


def test_a_range_of_zero_is_none(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(VOLUME.T, np.eye(4)), path)
    assert open_input(path).channel_windows is None
