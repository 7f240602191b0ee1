"""MRC, NRRD and MetaImage: raw pixels behind a header, which says what their dimensions are and how they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mrcfile
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from ome_ngff.exceptions import InputError
from ome_ngff.inputs import open_input
from ome_ngff.pixels import LazyArray

# Of libraries that write the files of these tests, on the newest NumPy and Python.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Setting the dtype on a NumPy array:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
]

STACK = np.random.default_rng(2).integers(0, 9999, (4, 20, 30), "uint16")
PLACED = {"x": "right-to-left", "y": "anterior-to-posterior", "z": "inferior-to-superior"}


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float32", "float16"])
@pytest.mark.parametrize("name", ["tomogram.mrc", "tomogram.mrc.gz"])
def test_an_mrc_volume_has_its_sizes_in_angstrom(tmp_path: Path, name: str, dtype: str) -> None:
    pixels = (STACK % 100).astype(dtype)
    with mrcfile.new(tmp_path / name, compression="gzip" if name.endswith("gz") else None) as file:
        file.set_data(pixels)
        file.set_volume()
        file.voxel_size = (1.35, 1.35, 2.7)
    image = open_input(tmp_path / name)
    assert (image.dims, image.name, image.data.dtype) == (tuple("zyx"), "tomogram", np.dtype(dtype))
    np.testing.assert_array_equal(image.data[...], pixels)
    assert image.scale == pytest.approx({"z": 2.7, "y": 1.35, "x": 1.35}, rel=1e-6)
    assert image.axes_units == dict.fromkeys("zyx", "angstrom")


@pytest.mark.parametrize(
    ("shape", "kind", "dims"),
    [
        pytest.param((20, 30), "image", "yx", id="image"),
        pytest.param((4, 20, 30), "image_stack", "tyx", id="movie"),
        pytest.param((4, 20, 30), "volume", "zyx", id="volume"),
        pytest.param((3, 4, 20, 30), "", "tzyx", id="volumes"),
    ],
)
def test_an_mrc_says_whether_it_is_a_stack(tmp_path: Path, shape: Any, kind: str, dims: str) -> None:
    pixels = np.resize(STACK, shape).astype("int16")
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(pixels)
        if kind.startswith(("image_", "volume")):
            getattr(file, f"set_{kind}")()
    image = open_input(tmp_path / "a.mrc")
    assert (image.dims, image.scale) == (tuple(dims), None)
    np.testing.assert_array_equal(image.data[...], pixels)


def test_columns_of_an_mrc_need_not_be_x(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(STACK)
        file.set_volume()
        file.header.mapc, file.header.mapr, file.header.maps = 3, 1, 2  # columns are z, rows x, sections y
        file.header.mx, file.header.my, file.header.mz = 20, 4, 30
        file.voxel_size = (1, 2, 3)
    image = open_input(tmp_path / "a.mrc")
    np.testing.assert_array_equal(image.data[...], STACK.transpose(2, 0, 1))
    assert image.scale == {"z": 3, "y": 2, "x": 1}


def test_an_mrc_of_another_byte_order_is_read(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(STACK.astype(">i2"))
        file.set_extended_header(np.zeros(64, "V1"))
    np.testing.assert_array_equal(open_input(tmp_path / "a.mrc").data[...], STACK)


@pytest.mark.parametrize(("flags", "dtype"), [(0, "uint8"), (1, "int8")])
def test_bytes_of_imod_have_a_sign_if_it_says_so(tmp_path: Path, flags: int, dtype: str) -> None:
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(STACK.astype("int8"))
    raw = bytearray((tmp_path / "a.mrc").read_bytes())
    raw[152:160] = np.array([1146047817, flags], "<i4").tobytes()
    (tmp_path / "a.mrc").write_bytes(raw)
    np.testing.assert_array_equal(open_input(tmp_path / "a.mrc").data[...], STACK.astype(dtype))


def itk_image(pixels: np.ndarray, colours: bool = False) -> Any:
    image = sitk.GetImageFromArray(pixels, isVector=colours)
    image.SetSpacing([0.7, 0.7, 2.5][: image.GetDimension()])
    image.SetOrigin([10, 20, -30][: image.GetDimension()])
    return image


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
@pytest.mark.parametrize("packed", [False, True], ids=["raw", "packed"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint64", "float32", "float64"])
def test_what_itk_has_written_is_read(tmp_path: Path, name: str, packed: bool, dtype: str) -> None:
    pixels = STACK.astype(dtype)
    sitk.WriteImage(itk_image(pixels), tmp_path / name, useCompression=packed)
    image = open_input(tmp_path / name)
    assert (image.dims, image.name, image.data.dtype) == (tuple("zyx"), "a", np.dtype(dtype))
    np.testing.assert_array_equal(image.data[...], pixels)
    np.testing.assert_array_equal(image.data[1:3, 4, 5:], pixels[1:3, 4, 5:])
    assert image.scale == {"z": 2.5, "y": 0.7, "x": 0.7}
    assert image.translation == {"z": -30, "y": 20, "x": 10}
    assert image.axes_orientations == PLACED


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_directions_of_itk_are_those_of_the_patient(tmp_path: Path, name: str) -> None:
    volume = itk_image(STACK)
    volume.SetDirection([0, 0, -1, 1, 0, 0, 0, -1, 0])  # x to the back, y downwards, z to the right
    sitk.WriteImage(volume, tmp_path / name)
    image = open_input(tmp_path / name)
    assert image.axes_orientations == {
        "x": "anterior-to-posterior", "y": "superior-to-inferior", "z": "left-to-right",
    }  # fmt: skip
    assert image.translation == {"x": 20, "y": 30, "z": -10}
    last = volume.TransformIndexToPhysicalPoint([0, 0, 3])
    assert image.translation["z"] + 3 * image.scale["z"] == -last[0]


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_colours_of_itk_are_channels(tmp_path: Path, name: str) -> None:
    rgb = np.random.default_rng(2).integers(0, 255, (4, 20, 30, 3), "uint8")
    sitk.WriteImage(itk_image(rgb, colours=True), tmp_path / name)
    image = open_input(tmp_path / name)
    assert image.dims == tuple("czyx")
    np.testing.assert_array_equal(image.data[...], np.moveaxis(rgb, -1, 0))


def test_a_plane_of_itk_is_an_image(tmp_path: Path) -> None:
    sitk.WriteImage(itk_image(STACK[0]), tmp_path / "a.mha")
    image = open_input(tmp_path / "a.mha")
    assert (image.dims, image.scale) == (tuple("yx"), {"y": 0.7, "x": 0.7})
    np.testing.assert_array_equal(image.data[...], STACK[0])


NRRD: dict[str, Any] = {
    "spacings": [0.25, 0.25, 2.0], "units": ["um", "microns", "um"], "kinds": ["domain"] * 3,
}  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"detached_header": True}], ids=["attached", "detached"])
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("endian", ["little", "big"])
def test_an_nrrd_of_teem_is_read(tmp_path: Path, options: Any, encoding: str, endian: str) -> None:
    pixels = STACK.astype("<u2" if endian == "little" else ">u2")
    name = "a.nhdr" if options else "a.nrrd"
    nrrd.write(str(tmp_path / name), pixels, {**NRRD, "encoding": encoding}, index_order="C", **options)
    image = open_input(tmp_path / name)
    np.testing.assert_array_equal(image.data[...], STACK)
    assert (image.dims, image.scale) == (tuple("zyx"), {"z": 2, "y": 0.25, "x": 0.25})
    assert (image.axes_units, image.axes_orientations) == (dict.fromkeys("zyx", "micrometer"), None)


@pytest.mark.parametrize(
    "units", [{"space units": ["mm"] * 3}, {"units": ["", "mm", "mm", "mm"]}], ids=["space", "each"]
)
def test_kinds_and_space_of_an_nrrd_name_its_axes(tmp_path: Path, units: Any) -> None:
    said = {
        "kinds": ["list", "domain", "domain", "domain"], "space": "right-anterior-superior", **units,
        "space directions": np.array([[np.nan] * 3, [0, 0.5, 0], [0.6, 0, 0], [0, 0, -2]]), "space origin": [1, 2, 3],
    }  # fmt: skip
    pixels = np.resize(STACK, (4, 20, 30, 2)).astype("float32")
    nrrd.write(str(tmp_path / "a.nrrd"), pixels, said, index_order="C")
    image = open_input(tmp_path / "a.nrrd")
    assert image.dims == tuple("czyx")
    np.testing.assert_array_equal(image.data[...], np.moveaxis(pixels, -1, 0))
    assert image.scale == {"z": 2, "y": 0.6, "x": 0.5}
    assert image.axes_units == dict.fromkeys("zyx", "millimeter")
    assert image.axes_orientations == {
        "x": "posterior-to-anterior", "y": "left-to-right", "z": "superior-to-inferior",
    }  # fmt: skip
    assert image.translation == {"x": 2, "y": 1, "z": -3}


@pytest.mark.parametrize("encoding", ["text", "bzip2"])
def test_an_nrrd_that_cannot_be_mapped_says_what_to_do(tmp_path: Path, encoding: str) -> None:
    nrrd.write(str(tmp_path / "a.nrrd"), STACK, {"encoding": encoding})
    with pytest.raises(InputError, match=r"a\.nrrd keeps its pixels as (ascii|text|bzip2); save it as one raw or gzip"):
        open_input(tmp_path / "a.nrrd")


@pytest.mark.parametrize("name", ["a.mha", "a.nrrd", "a.nhdr"])
def test_packed_pixels_that_are_cut_short_are_an_input_error(tmp_path: Path, name: str) -> None:
    sitk.WriteImage(itk_image(STACK), tmp_path / name, useCompression=True)
    where = max(tmp_path.iterdir(), key=lambda path: path.stat().st_size)
    where.write_bytes(where.read_bytes()[:-999])
    with pytest.raises(InputError, match="cannot be read"):
        open_input(tmp_path / name).data[...]


@pytest.mark.parametrize("name", ["a.mrc", "a.mha", "a.nrrd"])
def test_raw_pixels_are_mapped_where_they_lie(tmp_path: Path, name: str) -> None:
    if name == "a.mrc":
        mrcfile.new(tmp_path / name, STACK).close()
    else:
        sitk.WriteImage(itk_image(STACK), tmp_path / name)
    array = open_input(tmp_path / name).data
    assert isinstance(array, LazyArray)
    assert type(array).__name__ == "MappedArray"
