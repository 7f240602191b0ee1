"""NumPy, HDF5, NIfTI and pictures: what each of them says of its pixels, and what it has to be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import imageio.v3 as imageio
import nibabel
import numpy as np
import pytest
import skimage.data

from ome_ngff.config import config
from ome_ngff.exceptions import AxesError, InputError
from ome_ngff.inputs import open_input

CAMERA = skimage.data.camera()
VOLUME = np.stack([CAMERA[z : z + 30, :40].astype("int16") - 100 for z in range(7)])
DATA = Path(skimage.data.__file__).parent


@pytest.mark.parametrize(("ndim", "dims"), [(2, "yx"), (5, "tczyx")])
def test_axes_are_guessed_where_there_is_one_answer(tmp_path: Path, ndim: int, dims: str) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2,) * ndim))
    assert open_input(tmp_path / "a.npy").dims == tuple(dims)


@pytest.mark.parametrize(("ndim", "choices"), [(1, "yx"), (3, "zyx, cyx or tyx"), (4, "czyx, tzyx or tcyx")])
def test_axes_are_asked_for_where_there_are_several(tmp_path: Path, ndim: int, choices: str) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2,) * ndim))
    with pytest.raises(AxesError, match=f"a.npy does not say what its dimensions are.* say axes={choices}"):
        open_input(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.array([["a", "b"]]), id="text"),
        pytest.param(np.zeros((2, 2), "M8[s]"), id="dates"),
        pytest.param(np.zeros((2, 2), [("a", "u1"), ("b", "u1")]), id="records"),
        pytest.param(np.zeros((2, 2), "complex64"), id="complex"),
        pytest.param(np.array([[{}]]), id="objects"),
    ],
)
@pytest.mark.parametrize("save", [np.save, np.savez], ids=["npy", "npz"])
def test_what_is_no_pixel_is_refused(tmp_path: Path, array: np.ndarray, save: Any) -> None:
    name = "a.npy" if save is np.save else "a.npz"
    save(tmp_path / name, array)
    with pytest.raises(InputError):
        open_input(tmp_path / name)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_of_several_arrays_asks_which(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "a.npz", raw=VOLUME, mask=CAMERA > 100)
    with pytest.raises(InputError, match=r"holds the arrays raw, mask; say which, as in '.*a\.npz::raw'"):
        open_input(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"holds no array 'rwa', but raw, mask. Did you mean 'raw'\?"):
        open_input(f"{tmp_path / 'a.npz'}::rwa")
    mask = open_input(f"{tmp_path / 'a.npz'}::mask")
    assert (mask.name, mask.data.dtype) == ("mask", np.dtype(bool))
    np.testing.assert_array_equal(mask.data[100:, 7], CAMERA[100:, 7] > 100)
    np.testing.assert_array_equal(open_input(f"{tmp_path / 'a.npz'}::raw", axes="zyx").data[...], VOLUME)


def test_scikit_images_own_archive_opens() -> None:
    image = open_input(DATA / "motorcycle_disp.npz")
    np.testing.assert_array_equal(image.data[...], np.load(DATA / "motorcycle_disp.npz")["arr_0"])


def test_what_is_unpacked_lies_in_the_cache_and_goes_with_the_array(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    np.savez_compressed(tmp_path / "a.npz", VOLUME)
    with config.set(cache_store=tmp_path / "cache"):
        image = open_input(tmp_path / "a.npz", axes="zyx")
        np.testing.assert_array_equal(image.data[2], VOLUME[2])
    del image
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.fixture
def hdf5(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["about"] = "no image"
        file["scan/exposure"] = np.arange(9)
        dataset = file.create_dataset("scan/raw", data=VOLUME, chunks=(2, 10, 20))
        dataset.attrs["element_size_um"] = [2.0, 0.5, 0.25]
        for dimension, name in enumerate("zyx"):
            dataset.dims[dimension].label = name
    return tmp_path / "a.h5"


@pytest.mark.parametrize("inner", ["", "::/scan/raw", "::scan/raw"])
def test_hdf5_gives_the_named_or_the_only_image(hdf5: Path, inner: str) -> None:
    image = open_input(f"{hdf5}{inner}")
    assert (image.dims, image.name, image.data.chunks) == (("z", "y", "x"), "raw", (2, 10, 20))
    assert image.scale == {"z": 2.0, "y": 0.5, "x": 0.25}
    assert image.axes_units == dict.fromkeys("zyx", "micrometer")
    np.testing.assert_array_equal(image.data[1:6:2, :, 3], VOLUME[1:6:2, :, 3])


def test_a_pixel_size_of_zero_in_hdf5_is_none(hdf5: Path) -> None:
    with h5py.File(hdf5, "a") as file:
        file["scan/raw"].attrs["element_size_um"] = [0, 0.5, 0.25]
    image = open_input(hdf5)
    assert (image.scale, image.axes_units) == ({"y": 0.5, "x": 0.25}, dict.fromkeys("yx", "micrometer"))


def test_hdf5_of_several_images_lists_them(hdf5: Path) -> None:
    with h5py.File(hdf5, "a") as file:
        file["scan/mask"] = VOLUME > 0
    with pytest.raises(InputError, match=r"holds the arrays scan/mask, scan/raw; say which, as in '.*::scan/mask'"):
        open_input(hdf5)
    with pytest.raises(InputError, match="Did you mean 'scan/raw'"):
        open_input(f"{hdf5}::/scan/rwa")
    with pytest.raises(AxesError, match="does not say what its dimensions are"):
        open_input(f"{hdf5}::/scan/mask")
    np.testing.assert_array_equal(open_input(f"{hdf5}::/scan/mask", axes="tyx").data[...], VOLUME > 0)


def test_hdf5_without_an_image_says_so(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scalar"] = 3
    with pytest.raises(InputError, match="holds no array"):
        open_input(tmp_path / "a.h5")


def nifti(path: Path, array: np.ndarray, affine: Any = None, units: tuple[str, str] = ("mm", "sec")) -> Path:
    image = nibabel.Nifti1Image(array, np.diag([0.5, 0.6, 0.7, 1]) if affine is None else affine)
    image.header.set_xyzt_units(*units)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_nifti_keeps_spacing_units_and_orientation(tmp_path: Path, name: str) -> None:
    image = open_input(nifti(tmp_path / name, VOLUME.T, np.diag([-0.5, 0.6, 0.7, 1])))
    assert (image.dims, image.name, image.data.dtype) == (("z", "y", "x"), "a", np.dtype("int16"))
    assert image.scale == {"z": 0.7, "y": 0.6, "x": 0.5}
    assert image.axes_units == dict.fromkeys("zyx", "millimeter")
    assert image.axes_orientations == {
        "z": "inferior-to-superior",
        "y": "posterior-to-anterior",
        "x": "right-to-left",
    }
    assert image.axes.names == ("z", "y", "x")
    np.testing.assert_array_equal(image.data[1:5, 3:, ::2], VOLUME[1:5, 3:, ::2])


def test_the_axes_of_a_rotated_volume_follow_the_directions_of_its_affine(tmp_path: Path) -> None:
    turned = np.array([[0, 0, 2.0, 0], [-1.0, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 0, 1]])
    image = open_input(nifti(tmp_path / "a.nii", VOLUME.T, turned))
    assert image.scale == {"z": 2.0, "y": 0.5, "x": 1.0}
    wanted = {"x": "anterior-to-posterior", "y": "inferior-to-superior", "z": "left-to-right"}
    assert image.axes_orientations == wanted


def test_a_volume_without_a_coordinate_system_has_no_orientation(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOLUME.T, None)
    image.header.set_zooms((3, 2, 1))
    nibabel.save(image, tmp_path / "a.nii")
    opened = open_input(tmp_path / "a.nii")
    assert (opened.axes_orientations, opened.axes_units) == (None, None)
    assert opened.scale == {"z": 1.0, "y": 2.0, "x": 3.0}


@pytest.mark.parametrize(
    ("units", "space", "time"),
    [(("micron", "msec"), "micrometer", "millisecond"), (("meter", "usec"), "meter", "microsecond")],
)
def test_a_series_of_volumes_has_a_time_axis(tmp_path: Path, units: Any, space: str, time: str) -> None:
    series = np.stack([VOLUME, VOLUME + 1])
    image = nibabel.Nifti1Image(series.T, np.eye(4))
    image.header.set_zooms((1, 1, 1, 2.5))
    image.header.set_xyzt_units(*units)
    nibabel.save(image, tmp_path / "a.nii")
    opened = open_input(tmp_path / "a.nii")
    assert (opened.dims, opened.scale["t"]) == (("t", "z", "y", "x"), 2.5)
    assert opened.axes_units == {"t": time, **dict.fromkeys("zyx", space)}
    np.testing.assert_array_equal(opened.data[1], VOLUME + 1)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_slope_in_the_header_gives_float32_as_nibabel_does(tmp_path: Path, name: str) -> None:
    image = nibabel.Nifti1Image(VOLUME.T / 7.0, np.eye(4))
    image.set_data_dtype("int16")
    nibabel.save(image, tmp_path / name)
    opened = open_input(tmp_path / name)
    assert opened.data.dtype == np.dtype("float32")
    wanted = np.asarray(nibabel.load(tmp_path / name).dataobj, "float32").T
    np.testing.assert_allclose(opened.data[2:5, ::3], wanted[2:5, ::3], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*is not taken as a pixel size:UserWarning")  # of a screen
@pytest.mark.parametrize("name", ["camera.png", "coins.png", "text.png"])
def test_a_grey_picture_has_two_axes(name: str) -> None:
    image = open_input(DATA / name)
    assert (image.dims, image.name, image.channel_names) == (("y", "x"), name[:-4], None)
    np.testing.assert_array_equal(image.data[...], imageio.imread(DATA / name))


@pytest.mark.filterwarnings("ignore:.*is not taken as a pixel size:UserWarning")  # of a screen
@pytest.mark.parametrize(("name", "alpha"), [("astronaut.png", 0), ("rocket.jpg", 0), ("logo.png", 1)])
def test_a_picture_in_colour_has_a_channel_axis(name: str, alpha: int) -> None:
    image = open_input(DATA / name)
    assert image.dims == ("c", "y", "x")
    assert image.channel_names == ["red", "green", "blue", "alpha"][: 3 + alpha]
    assert image.channel_colors == ["FF0000", "00FF00", "0000FF", "FFFFFF"][: 3 + alpha]
    np.testing.assert_array_equal(image.data[:, 50:60], imageio.imread(DATA / name).transpose(2, 0, 1)[:, 50:60])


def test_the_frames_of_an_animation_are_time() -> None:
    image = open_input(DATA / "no_time_for_that_tiny.gif")
    frames = imageio.imread(DATA / "no_time_for_that_tiny.gif")
    assert (image.dims, image.data.shape) == (("t", "c", "y", "x"), (24, 3, 25, 14))
    np.testing.assert_array_equal(image.data[3:5], frames[3:5].transpose(0, 3, 1, 2))


def test_sixteen_bits_of_a_png_are_kept(tmp_path: Path) -> None:
    imageio.imwrite(tmp_path / "a.png", CAMERA.astype("uint16") * 257)
    image = open_input(tmp_path / "a.png")
    assert image.data.dtype == np.dtype("uint16")
    np.testing.assert_array_equal(image.data[...], CAMERA.astype("uint16") * 257)


@pytest.mark.parametrize(
    ("affine", "wanted"),
    [
        pytest.param(np.diag([1.0, 2.0, 3.0, 1.0]), None, id="at-the-origin"),
        pytest.param(
            [[2, 0, 0, 90], [0, 2, 0, -126], [0, 0, 4, -72.3], [0, 0, 0, 1]], (-72.3, -126, 90), id="straight"
        ),
        pytest.param([[-2, 0, 0, 90], [0, 2, 0, -126], [0, 0, 4, 0], [0, 0, 0, 1]], (0, -126, -90), id="flipped"),
        pytest.param([[0, 0, 2, 10], [-1, 0, 0, 20], [0, 0.5, 0, 30], [0, 0, 0, 1]], (10, 30, -20), id="turned"),
    ],
)
def test_the_first_pixel_of_a_volume_is_where_the_affine_has_it(tmp_path: Path, affine: Any, wanted: Any) -> None:
    image = open_input(nifti(tmp_path / "a.nii", VOLUME.T, np.array(affine, float)))
    assert image.translation == (None if wanted is None else dict(zip("zyx", wanted, strict=True)))
    if wanted is None:
        return
    # The last pixel along x, by the affine: world coordinates in the direction of the axis.
    direction = np.array(affine, float)[:3, 0]
    row = int(np.abs(direction).argmax())
    last = (np.array(affine, float) @ [VOLUME.shape[2] - 1, 0, 0, 1])[row] * np.sign(direction[row])
    assert image.translation["x"] + (VOLUME.shape[2] - 1) * image.scale["x"] == pytest.approx(last)


def test_a_volume_without_a_coordinate_system_has_no_place(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(VOLUME.T, None), tmp_path / "a.nii")
    assert open_input(tmp_path / "a.nii").translation is None


def test_hdf5_follows_links(hdf5: Path) -> None:
    with h5py.File(hdf5.with_name("links.h5"), "w") as file:
        file["far"] = h5py.ExternalLink(hdf5.name, "/scan/raw")
        file["near"] = h5py.SoftLink("/far")
    for name in ("far", "near"):
        image = open_input(f"{hdf5.with_name('links.h5')}::/{name}")
        assert image.scale == {"z": 2.0, "y": 0.5, "x": 0.25}
        np.testing.assert_array_equal(image.data[1:3], VOLUME[1:3])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        pytest.param(np.zeros((0, 5)), "holds no pixels: its shape is 0x5", id="empty"),
        pytest.param(np.zeros((2, 5), "longdouble"), "but pixels are", id="more-than-64-bits"),
    ],
)
def test_refusing_an_array_that_is_not_an_image_names_its_file(tmp_path: Path, array: np.ndarray, message: str) -> None:
    if array.dtype.itemsize <= 8 and array.size:
        pytest.skip("has no longer floats")
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=rf"a\.npy {message}|a\.npy holds .*{message}"):
        open_input(tmp_path / "a.npy")
