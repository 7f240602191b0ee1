"""Volumes as medicine keeps them: where each lies in the patient, and what its header says of its pixels."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel.eulerangles import euler2mat

from ome_ngff.inputs import open_input
from ome_ngff.inputs.placing import Placement

REAL = Path(nibabel.__file__).parent / "tests" / "data"  # files that FreeSurfer, AFNI, SPM and MINC have written
STACK = np.random.default_rng(3).integers(0, 9999, (7, 20, 30), "int16")
TURNED = np.array([[0, 0, 2, 10], [-1, 0, 0, 20], [0, 0.7, 0, 30], [0, 0, 0, 1]], float)  # columns: A to P, S, L to R
TURNED_AXES = {"x": "anterior-to-posterior", "y": "inferior-to-superior", "z": "left-to-right"}


@given(angles=st.tuples(*[st.floats(-3, 3)] * 3), flips=st.tuples(*[st.sampled_from([-1, 1])] * 3))
def test_directions_of_an_affine_are_those_that_nibabel_finds(angles: Any, flips: Any) -> None:
    affine = np.eye(4)
    affine[:3, :3] = euler2mat(*angles) @ np.diag(flips)
    found = Placement.of(affine).orientations
    letters = [found[axis].split("-to-")[1][0].upper() for axis in "xyz"]
    assert letters == list(nibabel.aff2axcodes(affine))


@pytest.mark.parametrize("name", ["brain.mgz", "brain.mgh"])
def test_a_freesurfer_volume_keeps_spacing_place_and_directions(tmp_path: Path, name: str) -> None:
    nibabel.save(nibabel.MGHImage(STACK.T.astype("int32"), TURNED), tmp_path / name)
    image = open_input(tmp_path / name)
    assert (image.dims, image.name, image.data.dtype) == (tuple("zyx"), "brain", np.int32)
    np.testing.assert_array_equal(image.data[...], STACK)
    assert image.scale == {"z": 2, "y": 0.7, "x": 1}
    assert image.axes_units == dict.fromkeys("zyx", "millimeter")
    assert (image.axes_orientations, image.translation) == (TURNED_AXES, {"x": -20, "y": 30, "z": 10})


def test_a_volume_that_lies_askew_is_placed_along_its_axes_and_said(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = euler2mat(0.3), (1, 2, 3)
    nibabel.save(nibabel.MGHImage(STACK.T, affine), tmp_path / "a.mgh")
    with pytest.warns(UserWarning, match=r"axes of .*a\.mgh lie 17\.2 degrees askew, which is not kept"):
        image = open_input(tmp_path / "a.mgh")
    directions, start = affine[:3, :3], [image.translation[axis] for axis in "xyz"]
    np.testing.assert_allclose(directions @ start, affine[:3, 3], atol=1e-4)


def test_frames_of_a_freesurfer_volume_are_time(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="it has no place, for they are sheared"):
        image = open_input(REAL / "test.mgz")
    assert (image.dims, image.scale["t"], image.axes_units["t"]) == (tuple("tzyx"), 2, "millisecond")
    np.testing.assert_array_equal(image.data[...].T, nibabel.load(REAL / "test.mgz").get_fdata())


def test_a_freesurfer_volume_of_unknown_geometry_has_none(tmp_path: Path) -> None:
    nibabel.save(nibabel.MGHImage(STACK.T, TURNED), tmp_path / "a.mgh")
    raw = bytearray((tmp_path / "a.mgh").read_bytes())
    raw[28:30] = bytes(2)  # goodRASFlag
    (tmp_path / "a.mgh").write_bytes(raw)
    image = open_input(tmp_path / "a.mgh")
    assert (image.scale, image.translation, image.axes_orientations) == (None, None, None)


@pytest.mark.parametrize("name", ["brain.img", "brain.hdr"])
@pytest.mark.parametrize("placed", [True, False], ids=["of-spm", "alone"])
def test_an_analyze_pair_keeps_spacing_and_directions_if_it_says(tmp_path: Path, name: str, placed: bool) -> None:
    nibabel.save(nibabel.Spm99AnalyzeImage(STACK.T, TURNED), tmp_path / "brain.img")
    if not placed:
        (tmp_path / "brain.mat").unlink()
    image = open_input(tmp_path / name)
    assert (image.dims, image.name, image.data.dtype) == (tuple("zyx"), "brain", np.int16)
    np.testing.assert_array_equal(image.data[...], STACK)
    assert (image.scale, image.axes_units) == ({"z": 2, "y": 0.7, "x": 1}, dict.fromkeys("zyx", "millimeter"))
    assert image.axes_orientations == (TURNED_AXES if placed else None)
    assert image.translation == ({"x": -20, "y": 30, "z": 10} if placed else None)


def test_scaled_values_of_an_analyze_pair_are_floats(tmp_path: Path) -> None:
    nibabel.save(nibabel.Spm2AnalyzeImage(STACK.T, TURNED), tmp_path / "a.img")
    image = nibabel.load(tmp_path / "a.img")
    image.header["scl_slope"] = 0.5
    (tmp_path / "a.hdr").write_bytes(image.header.binaryblock)
    np.testing.assert_array_equal(open_input(tmp_path / "a.img").data[...], STACK * np.float32(0.5))


@pytest.mark.parametrize("name", ["brain.img", "brain.hdr"])
def test_a_pair_of_nifti_is_read_as_nifti(tmp_path: Path, name: str) -> None:
    pair = nibabel.Nifti1Pair(STACK.T, TURNED)
    pair.header.set_xyzt_units("micron", "sec")
    nibabel.save(pair, tmp_path / "brain.img")
    image = open_input(tmp_path / name)
    assert (image.name, image.axes_units, image.axes_orientations) == (
        "brain", dict.fromkeys("zyx", "micrometer"), TURNED_AXES,
    )  # fmt: skip
    np.testing.assert_array_equal(image.data[...], STACK)


@pytest.mark.parametrize("name", ["example4d+orig.HEAD", "example4d+orig.BRIK.gz"])
def test_an_afni_series_keeps_spacing_times_and_place(name: str) -> None:
    image = open_input(REAL / name)
    assert (image.dims, image.name, image.data.dtype) == (tuple("tzyx"), "example4d", np.int16)
    np.testing.assert_array_equal(image.data[...].T, nibabel.load(REAL / name).get_fdata())
    assert image.scale == dict.fromkeys("tzyx", 3)
    assert image.axes_units == {"t": "second", "z": "millimeter", "y": "millimeter", "x": "millimeter"}
    assert image.translation == {"x": -49.5, "y": -82.312, "z": -52.3511}
    assert image.axes_orientations == {
        "x": "right-to-left", "y": "anterior-to-posterior", "z": "inferior-to-superior",
    }  # fmt: skip


def test_scaled_sub_bricks_of_afni_are_floats() -> None:
    image = open_input(REAL / "scaled+tlrc.HEAD")
    assert (image.dims, image.data.dtype) == (tuple("zyx"), np.float32)
    wanted = nibabel.load(REAL / "scaled+tlrc.HEAD").get_fdata()[..., 0].T.astype("float32")
    np.testing.assert_array_equal(image.data[...], wanted)


def test_sub_bricks_without_times_are_channels_with_their_labels(tmp_path: Path) -> None:
    text = (REAL / "example4d+orig.HEAD").read_text()
    (tmp_path / "stats+orig.HEAD").write_text(text.replace("TAXIS_NUMS", "NO_AX_NUMS"))
    (tmp_path / "stats+orig.BRIK").write_bytes(gzip.decompress((REAL / "example4d+orig.BRIK.gz").read_bytes()))
    image = open_input(tmp_path / "stats+orig.HEAD")
    assert (image.dims, image.name) == (tuple("czyx"), "stats")
    assert image.channel_names == nibabel.load(tmp_path / "stats+orig.HEAD").header.get_volume_labels()
    assert "c" not in image.scale


@pytest.mark.parametrize(
    "name", ["small.mnc", "minc1_1_scale.mnc", "minc2_1_scale.mnc", "minc1_4d.mnc", "minc2_4d.mnc"]
)
def test_a_minc_volume_has_its_real_values_spacing_and_place(name: str) -> None:
    image, theirs = open_input(REAL / name), nibabel.load(REAL / name)
    assert image.dims == tuple("tzyx")[-len(theirs.shape) :]
    np.testing.assert_array_equal(image.data[...], theirs.get_fdata().astype("float32"))
    np.testing.assert_array_equal(image.data[..., 3:9, 4], theirs.get_fdata().astype("float32")[..., 3:9, 4])
    assert tuple(image.scale.values()) == tuple(map(float, theirs.header.get_zooms()))
    assert image.axes_units == {axis: "second" if axis == "t" else "millimeter" for axis in image.dims}
    assert image.axes_orientations == {
        "x": "left-to-right", "y": "posterior-to-anterior", "z": "inferior-to-superior",
    }  # fmt: skip
    assert image.translation == dict(zip("xyz", map(float, theirs.affine[:3, 3]), strict=True))
