"""Orientation, palettes and masks: pixels as the file means them, for an image and for its labels."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result
from helpers import document, pixels_by_tensorstore
from PIL import Image, ImageOps

from ome_ngff import write_image
from ome_ngff.cli import main
from ome_ngff.convert import open_input, open_labels
from ome_ngff.exceptions import AxesError, LabelError
from ome_ngff.inputs import segmentation

PLANE = np.arange(30 * 40, dtype="uint8").reshape(30, 40)
COLOR = np.dstack([PLANE, PLANE.T.reshape(30, 40), 255 - PLANE])
ORIENTATION = 274
BASIC = [0, 0, 0, 230, 159, 0, 86, 180, 233, 0, 158, 115]  # red, green, blue of the ids 0 to 3
IDS = (PLANE // 7 % 4).astype("uint8")


def run(*words: Any) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


# Orientation ---------------------------------------------------------------------------------------------------------


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn pixels by Pillow."""
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    exif[ORIENTATION] = orientation
    picture.info["exif"] = exif.tobytes()
    return np.asarray(ImageOps.exif_transpose(picture))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("name", "pixels"), [("a.png", PLANE), ("a.png", COLOR), ("a.webp", COLOR)])
def test_a_picture_is_turned_as_its_exif_says(tmp_path: Path, orientation: int, name: str, pixels: np.ndarray) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(pixels).save(tmp_path / name, exif=exif, lossless=True)
    wanted = turned(pixels, orientation)
    wanted = wanted if wanted.ndim == 2 else wanted.transpose(2, 0, 1)
    data = open_input(tmp_path / name).data
    assert data.shape == wanted.shape
    np.testing.assert_array_equal(data[...], wanted)
    np.testing.assert_array_equal(data[..., 5:9, 11:], wanted[..., 5:9, 11:])


def test_a_photograph_is_turned_as_pillow_turns_it(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(COLOR).save(tmp_path / "a.jpg", exif=exif)
    with Image.open(tmp_path / "a.jpg") as picture:
        wanted = np.asarray(ImageOps.exif_transpose(picture)).transpose(2, 0, 1)
    np.testing.assert_array_equal(open_input(tmp_path / "a.jpg").data[...], wanted)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("layout", [{}, {"compression": "zlib", "tile": (16, 16)}, {"rowsperstrip": 7}])
def test_a_tiff_is_turned_with_its_sizes(tmp_path: Path, orientation: int, layout: Any) -> None:
    where = tmp_path / "a.tif"
    tags = [(ORIENTATION, 3, 1, orientation, True)]
    tifffile.imwrite(where, PLANE, resolution=(5000, 20000), resolutionunit=3, extratags=tags, **layout)
    image, wanted = open_input(where), turned(PLANE, orientation)
    np.testing.assert_array_equal(image.data[...], wanted)
    for box in (np.s_[3:9, 4:30], np.s_[-2:, :5], np.s_[0:1, 0:1]):
        np.testing.assert_array_equal(image.data[box], wanted[box])
    y, x = (2.0, 0.5) if orientation > 4 else (0.5, 2.0)
    assert image.scale == {"y": y, "x": x}
    if layout:  # Pillow 13 turns the shape, but not the pixels, of those that it maps
        with Image.open(where) as picture:
            np.testing.assert_array_equal(np.asarray(picture), wanted)


def test_the_stack_of_a_turned_tiff_is_written(tmp_path: Path) -> None:
    stack = np.stack([COLOR, COLOR // 2, 255 - COLOR])
    tags = [(ORIENTATION, 3, 1, 8, True)]
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="rgb", metadata={"axes": "ZYXS"}, extratags=tags)
    assert run("write", tmp_path / "a.tif", tmp_path / "a.zarr").exit_code == 0
    wanted = np.stack([turned(plane, 8) for plane in stack]).transpose(3, 0, 1, 2)
    np.testing.assert_array_equal(pixels_by_tensorstore(tmp_path / "a.zarr")[0], wanted)


# Palettes ------------------------------------------------------------------------------------------------------------


def colormap(step: int = 257) -> np.ndarray:
    table = np.zeros((3, 256), "uint16")
    table[:, :4] = np.reshape(BASIC, (4, 3)).T * step
    return table


def png(path: Path) -> None:
    picture = Image.fromarray(IDS, "L").convert("P")
    picture.putdata(IDS.ravel().tolist())
    picture.putpalette(BASIC)
    picture.save(path.with_suffix(".png"))
    path.with_suffix(".png").rename(path)


def tiff(path: Path) -> None:
    tifffile.imwrite(path, IDS, photometric="palette", colormap=colormap())


def tiff_of_old(path: Path) -> None:
    tifffile.imwrite(path, IDS, photometric="palette", colormap=colormap(1), compression="zlib", rowsperstrip=4)


@pytest.mark.parametrize("make", [png, tiff, tiff_of_old])
def test_a_palette_is_colours_for_an_image_and_ids_for_labels(make: Any, tmp_path: Path) -> None:
    make(tmp_path / "mask")
    wanted = np.reshape(BASIC, (4, 3))[IDS].transpose(2, 0, 1)
    image = open_input(tmp_path / "mask")
    assert (image.data.dtype, image.channel_names) == (np.dtype("uint8"), ["red", "green", "blue"])
    np.testing.assert_array_equal(image.data[...], wanted)
    np.testing.assert_array_equal(image.data[1:, 5:9, 3], wanted[1:, 5:9, 3])
    labels = open_labels(tmp_path / "mask")
    assert labels.dims == ("y", "x")
    np.testing.assert_array_equal(labels.data[...], IDS)


@pytest.mark.parametrize("make", [png, tiff])
def test_the_command_stores_the_ids_of_a_palette(make: Any, tmp_path: Path) -> None:
    Image.fromarray(COLOR).save(tmp_path / "photo.png")
    make(tmp_path / "mask")
    assert run("write", tmp_path / "photo.png", tmp_path / "a.zarr").exit_code == 0
    done = run("labels", tmp_path / "mask", tmp_path / "a.zarr")
    assert (done.exit_code, done.stderr) == (0, "")
    where = tmp_path / "a.zarr" / "labels" / "labels"
    np.testing.assert_array_equal(pixels_by_tensorstore(where)[0], IDS)
    assert [axis["name"] for axis in document(where)["multiscales"][0]["axes"]] == ["y", "x"]


@pytest.mark.parametrize("samples", [3, 4])
@pytest.mark.parametrize("name", ["mask.png", "mask.tif"])
def test_a_mask_in_shades_of_grey_is_its_ids(tmp_path: Path, samples: int, name: str) -> None:
    grey = np.stack([IDS] * 3 + [np.full_like(IDS, 255)] * (samples - 3), axis=-1)
    if name.endswith("png"):
        Image.fromarray(grey).save(tmp_path / name)
    else:
        tifffile.imwrite(tmp_path / name, np.stack([grey] * 5), photometric="rgb", metadata={"axes": "ZYXS"})
    wanted = IDS if name.endswith("png") else np.stack([IDS] * 5)
    labels = open_labels(tmp_path / name)
    assert (labels.dims, labels.channel_names) == (("y", "x") if wanted.ndim == 2 else ("z", "y", "x"), None)
    np.testing.assert_array_equal(labels.data[...], wanted)
    np.testing.assert_array_equal(labels.data[..., 5:9, 3], wanted[..., 5:9, 3])


@pytest.mark.parametrize("name", ["mask.png", "mask.tif"])
def test_one_pixel_of_another_colour_makes_a_mask_a_picture(tmp_path: Path, name: str) -> None:
    colours = np.stack([IDS] * 3, axis=-1)
    colours[-1, -1, 2] += 1
    save = Image.fromarray(colours).save if name.endswith("png") else lambda p: tifffile.imwrite(p, colours)
    save(tmp_path / name)
    with pytest.raises(LabelError, match=r"holds colours \(red, green, blue\), and labels are whole numbers"):
        open_labels(tmp_path / name)


def test_planes_with_palettes_are_colours_or_ids(tmp_path: Path) -> None:
    for z in range(3):
        png(tmp_path / f"z{z}.png")
    assert open_input(tmp_path / "z?.png").data.shape == (3, 3, 30, 40)
    np.testing.assert_array_equal(open_labels(tmp_path / "z?.png").data[...], np.stack([IDS] * 3))


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_lookup_tables_of_microscopes_leave_intensities(kind: str, tmp_path: Path) -> None:
    words: dict[str, Any] = {"imagej": True} if kind == "imagej" else {"ome": True}
    words |= {"colormap": colormap()} if kind == "imagej" else {"photometric": "palette", "colormap": colormap()}
    tifffile.imwrite(tmp_path / "a.tif", PLANE, **words)
    image = open_input(tmp_path / "a.tif")
    assert image.dims == ("y", "x")
    np.testing.assert_array_equal(image.data[...], PLANE)


def test_a_grey_palette_leaves_grey(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(256, dtype="uint16") * 257, (3, 1))
    tifffile.imwrite(tmp_path / "a.tif", PLANE, photometric="palette", colormap=ramp)
    np.testing.assert_array_equal(open_input(tmp_path / "a.tif").data[...], PLANE)


def test_colours_are_no_labels(tmp_path: Path) -> None:
    Image.fromarray(COLOR).save(tmp_path / "a.png")
    run("write", tmp_path / "a.png", tmp_path / "a.zarr")
    with pytest.raises(LabelError, match="holds colours"):
        open_labels(tmp_path / "a.png")
    refused = run("labels", tmp_path / "a.png", tmp_path / "a.zarr")
    assert refused.exit_code == 2
    assert "a.png holds colours (red, green, blue), and labels are whole numbers" in refused.stderr
    assert not (tmp_path / "a.zarr" / "labels").exists()


# Masks ---------------------------------------------------------------------------------------------------------------


def nifti(path: Path, mask: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(mask.T, np.diag([2, 2, 2, 1.0])), path.with_suffix(".nii.gz"))
    return path.with_suffix(".nii.gz")


def pages(path: Path, mask: np.ndarray) -> Path:
    tifffile.imwrite(path.with_suffix(".tif"), mask, metadata=None, photometric="minisblack", compression="zlib")
    return path.with_suffix(".tif")


@pytest.mark.parametrize("make", [nifti, pages])
@pytest.mark.parametrize(("most", "dtype"), [(3, "uint8"), (1000, "uint16"), (2**24, "uint32")])
def test_floats_that_are_whole_numbers_are_labels(make: Any, most: int, dtype: str, tmp_path: Path) -> None:
    mask = np.zeros((5, 30, 40), "float32")
    mask[2, 3:9, 4:20], mask[4, 0, 0] = 2, most
    write_image(mask.astype("uint32"), tmp_path / "a.zarr", axes="zyx", scale_factors=[])
    done = run("labels", make(tmp_path / "mask", mask), tmp_path / "a.zarr")
    assert (done.exit_code, done.stderr) == (0, "")
    level = pixels_by_tensorstore(tmp_path / "a.zarr" / "labels" / "labels")[0]
    assert level.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(level, mask)


@pytest.mark.parametrize("value", [0.5, -1, np.nan, np.inf])
def test_floats_that_are_no_labels_are_refused_before(value: float, tmp_path: Path) -> None:
    mask = np.zeros((5, 30, 40), "float32")
    mask[2, 3, 4] = value
    write_image(np.zeros((5, 30, 40), "uint8"), tmp_path / "a.zarr", axes="zyx")
    refused = run("labels", pages(tmp_path / "mask", mask), tmp_path / "a.zarr")
    assert refused.exit_code == 2
    assert f"holds {np.float32(value)} at (2, 3, 4); labels are whole numbers from 0 on." in refused.stderr
    assert not (tmp_path / "a.zarr" / "labels").exists()


def test_floats_are_looked_at_in_small_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.zeros((20, 30, 40), "float32")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("mask", data=mask, chunks=(5, 10, 10))
    monkeypatch.setattr(segmentation, "_PART", 4000)
    read: list[int] = []
    array = open_input(tmp_path / "a.h5", axes="zyx").data
    before = type(array).read
    monkeypatch.setattr(type(array), "read", lambda self, box: read.append(1) or before(self, box))
    open_labels(tmp_path / "a.h5", axes="zyx")
    assert len(read) == mask.size // (5 * 10 * 10 * 2)


IMAGE = {"t": 3, "c": 2, "z": 5, "y": 30, "x": 40}
MASK = np.arange(5 * 30 * 40, dtype="uint16").reshape(5, 30, 40)


@pytest.mark.parametrize(
    ("shape", "dims"),
    [
        pytest.param((5, 30, 40), "zyx", id="slices"),
        pytest.param((3, 30, 40), "tyx", id="times"),
        pytest.param((2, 30, 40), "cyx", id="channels"),
        pytest.param((7, 30, 40), "tyx", id="of-no-axis"),
    ],
)
def test_pages_take_the_axes_that_have_their_lengths(shape: Any, dims: str, tmp_path: Path) -> None:
    mask = np.resize(MASK, shape)
    labels = open_labels(pages(tmp_path / "a", mask), image=IMAGE)
    assert labels.dims == tuple(dims)
    np.testing.assert_array_equal(labels.data[...], mask)


def test_arrays_and_planes_take_the_axes_that_have_their_lengths(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.resize(MASK, (3, 5, 30, 40)))
    assert open_labels(tmp_path / "a.npy", image=IMAGE).dims == ("t", "z", "y", "x")
    for t in range(3):
        tifffile.imwrite(tmp_path / f"mask_{t}.tif", MASK[t])
    assert open_labels(tmp_path / "mask_*.tif", image=IMAGE).dims == ("t", "y", "x")


def test_what_a_file_says_of_its_axes_wins(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", MASK[:3], metadata={"axes": "ZYX"})
    assert open_labels(tmp_path / "a.ome.tif", image=IMAGE).dims == ("z", "y", "x")


def test_lengths_of_several_axes_are_asked_for(tmp_path: Path) -> None:
    write_image(np.zeros((4, 4, 30, 40), "uint8"), tmp_path / "a.zarr", axes="tzyx")
    where = pages(tmp_path / "mask", MASK[:4])
    refused = run("labels", where, tmp_path / "a.zarr")
    assert "has lengths of several axes of the image; say which, as in --axes tyx or zyx." in refused.stderr
    assert run("labels", where, tmp_path / "a.zarr", "--axes", "zyx").exit_code == 0
    with pytest.raises(AxesError):
        open_labels(where, image={"t": 4, "z": 4, "y": 30, "x": 40})


# One bit -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "packbits", "group4", "tiff_lzw", "tiff_adobe_deflate"])
def test_one_bit_tiffs_of_any_size_are_masks(compression: Any, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).random((70, 70)) > 0.5
    for height, width in itertools.product((1, 3, 33, 70), (1, 7, 8, 9, 41, 64)):
        mask = noise[:height, :width]
        Image.fromarray(mask).save(tmp_path / "a.tif", compression=compression)
        data = open_input(tmp_path / "a.tif").data
        assert data.dtype == bool
        np.testing.assert_array_equal(data[...], mask)
        np.testing.assert_array_equal(data[height // 2 :, width // 2 :], mask[height // 2 :, width // 2 :])


def test_stacks_of_one_bit_are_masks(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).random((3, 33, 41)) > 0.5
    first, *others = (Image.fromarray(plane) for plane in stack)
    first.save(tmp_path / "a.tif", save_all=True, append_images=others, compression="group4")
    np.testing.assert_array_equal(open_input(tmp_path / "a.tif", axes="zyx").data[1:, 2:9], stack[1:, 2:9])
