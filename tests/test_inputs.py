"""`open_input`: every family gives the same pixels, lazily, to any number of threads and processes."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import re
import sys
import tracemalloc
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import mrcfile
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import skimage.data
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices
from pylibCZIrw import czi

import ome_ngff
from ome_ngff import convert
from ome_ngff.exceptions import AxesError, InputError, MissingError, NgffError
from ome_ngff.inputs import FAMILIES, open_input

SHAPE = (6, 96, 128)


def volume(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A z-stack: a photograph that gets brighter from plane to plane."""
    plane = skimage.data.camera()[-shape[1] :, : shape[2]].astype("uint16") * 20
    return np.stack([plane + 7 * z for z in range(shape[0])])


def _planes(folder: Path, image: np.ndarray) -> str:
    for z, plane in enumerate(image):
        tifffile.imwrite(folder / f"plane_{z + 8}.tif", plane, compression="zlib")
    return str(folder / "plane_*.tif")


def _tiff(**options: Any) -> Callable[[Path, np.ndarray], str]:
    def write(folder: Path, image: np.ndarray) -> str:
        metadata = {"axes": "ZYX"}
        tifffile.imwrite(folder / "image.tif", image, photometric="minisblack", metadata=metadata, **options)
        return str(folder / "image.tif")

    return write


def _numpy(save: Callable[..., None], ending: str, order: str = "C") -> Callable[[Path, np.ndarray], str]:
    def write(folder: Path, image: np.ndarray) -> str:
        save(folder / f"image.{ending}", np.asarray(image, order=order))
        return str(folder / f"image.{ending}")

    return write


def _zarr(version: int) -> Callable[[Path, np.ndarray], str]:
    def write(folder: Path, image: np.ndarray) -> str:
        zarr.create_array(folder / "image.zarr", data=image, chunks=(2, 40, 50), zarr_format=version)
        return str(folder / "image.zarr")

    return write


def _hdf5(folder: Path, image: np.ndarray) -> str:
    with h5py.File(folder / "image.h5", "w") as file:
        file.create_dataset("entry/data", data=image, chunks=(2, 40, 50), compression="gzip")
    return str(folder / "image.h5") + "::/entry/data"


def _nifti(ending: str) -> Callable[[Path, np.ndarray], str]:
    def write(folder: Path, image: np.ndarray) -> str:
        nibabel.save(nibabel.Nifti1Image(image.T, np.eye(4)), folder / f"image.{ending}")
        return str(folder / f"image.{ending}")

    return write


def _itk(ending: str, packed: bool) -> Callable[[Path, np.ndarray], str]:
    def write(folder: Path, image: np.ndarray) -> str:
        sitk.WriteImage(sitk.GetImageFromArray(image), folder / f"image.{ending}", useCompression=packed)
        return str(folder / f"image.{ending}")

    return write


def _mrc(folder: Path, image: np.ndarray) -> str:
    with warnings.catch_warnings():  # mrcfile sets the dtype of an array
        warnings.simplefilter("ignore", DeprecationWarning)
        mrcfile.new(folder / "image.mrc", image).close()
    return str(folder / "image.mrc")


def _imaris(folder: Path, image: np.ndarray) -> str:
    with h5py.File(folder / "image.ims", "w") as file:
        padded = np.pad(image, [(0, -size % 16) for size in image.shape])
        where = "DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data"
        file.create_dataset(where, data=padded, chunks=(2, 40, 50), compression="gzip")
        for axis, size in zip("ZYX", image.shape, strict=True):
            file.require_group("DataSetInfo/Image").attrs[axis] = np.array(list(str(size)), "S1")
    return str(folder / "image.ims")


def _dicom(folder: Path, image: np.ndarray) -> str:
    for z, plane in enumerate(image):
        slices = sitk.GetImageFromArray(plane[None])
        slices.SetMetaData("0008|103e", "image")
        slices.SetMetaData("0008|0060", "CT")
        slices.SetOrigin((0, 0, z))
        slices.SetMetaData("0020|000e", "1.2.3")
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(folder / f"{len(image) - z}.dcm"))
        writer.Execute(slices)
    return str(folder)


def _czi(folder: Path, image: np.ndarray) -> str:
    with czi.create_czi(str(folder / "image.czi")) as file:
        for z, plane in enumerate(image):
            file.write(np.ascontiguousarray(plane)[..., None], plane={"Z": z})
        file.write_metadata("image", scale_x=1e-7, scale_y=1e-7)
    return str(folder / "image.czi")


KINDS: dict[str, Callable[[Path, np.ndarray], str]] = {
    "tiff": _tiff(),
    "tiff-big-endian": _tiff(byteorder=">", bigtiff=True),
    "tiff-imagej": _tiff(imagej=True),
    "tiff-ome": _tiff(ome=True),
    "tiff-strips": _tiff(compression="zlib", rowsperstrip=7, predictor=True),
    "tiff-tiles": _tiff(compression="zlib", tile=(32, 48)),
    "planes": _planes,
    "npy": _numpy(np.save, "npy"),
    "npy-fortran": _numpy(np.save, "npy", "F"),
    "npz": _numpy(np.savez, "npz"),
    "npz-deflated": _numpy(np.savez_compressed, "npz", "F"),
    "zarr-2": _zarr(2),
    "zarr-3": _zarr(3),
    "hdf5": _hdf5,
    "nifti": _nifti("nii"),
    "nifti-gzip": _nifti("nii.gz"),
    "mrc": _mrc,
    "nrrd-packed": _itk("nrrd", packed=True),
    "meta-image": _itk("mha", packed=False),
    "meta-image-packed": _itk("mha", packed=True),
    "imaris": _imaris,
    "dicom": _dicom,
    "czi": _czi,
}


@pytest.fixture(params=[pytest.param(write, id=name) for name, write in KINDS.items()])
def any_kind(request: pytest.FixtureRequest) -> Callable[[Path, np.ndarray], str]:
    return request.param


@pytest.fixture(scope="module")
def every_file(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {name: write(tmp_path_factory.mktemp(name), volume()) for name, write in KINDS.items()}


def test_a_file_gives_the_pixels_that_were_written(any_kind: Any, tmp_path: Path) -> None:
    image = open_input(any_kind(tmp_path, volume()), axes="zyx")
    assert (image.dims, image.data.shape, image.data.ndim) == (("z", "y", "x"), SHAPE, 3)
    assert image.data.dtype == np.dtype("uint16")
    np.testing.assert_array_equal(image.data[...], volume())
    np.testing.assert_array_equal(np.asarray(image.data), volume())


def test_opening_a_file_reads_no_pixels_and_slicing_only_some_of_them(any_kind: Any, tmp_path: Path) -> None:
    whole = volume((64, 256, 256))
    where = any_kind(tmp_path, whole)
    open_input(where, axes="zyx").data[0, 0, 0]  # imports
    tracemalloc.start()
    try:
        image = open_input(where, axes="zyx")
        corner = image.data[40:42, 60:90, 100:130]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(corner, whole[40:42, 60:90, 100:130])
    assert peak < whole.nbytes / 3


FAMILY = [
    "tiff-strips", "planes", "npy-fortran", "npz-deflated", "zarr-3", "hdf5", "nifti-gzip", "mrc",
    "nrrd-packed", "imaris", "dicom", "czi",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAMILY)
def test_a_conversion_of_each_family_stays_near_the_memory_target(kind: str, tmp_path: Path) -> None:
    peaks = []
    for number, whole in enumerate([volume((32, 64, 64)), volume((32, 256, 512))]):  # the first imports
        folder = tmp_path / str(number)
        folder.mkdir()
        where = KINDS[kind](folder, whole)
        # The contrast of channels is measured in 16 MiB, whatever the target.
        words: dict[str, Any] = {"axes": "zyx", "chunks": 64, "scale_factors": [2], "omero": False}
        with ome_ngff.config.set(memory_target="2MiB", task_target="512kB", workers=1):
            tracemalloc.start()
            try:
                convert(where, tmp_path / f"{number}.zarr", **words)
                peaks.append(tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()
        np.testing.assert_array_equal(open_input(tmp_path / f"{number}.zarr").data[20:22], whole[20:22])
    assert peaks[1] < 2 * 2**21 <= whole.nbytes / 2


PACKED = [
    "tiff-strips", "tiff-tiles", "planes", "npz-deflated", "zarr-2", "zarr-3", "hdf5", "nifti-gzip", "nrrd-packed",
    "meta-image-packed", "imaris",
]  # fmt: skip


@pytest.mark.parametrize("kind", PACKED)
def test_damage_in_packed_pixels_is_an_error_that_names_the_file(kind: str, tmp_path: Path) -> None:
    where = KINDS[kind](tmp_path, volume())
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name not in ("zarr.json", ".zarray")]
    largest = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    largest.write_bytes(content)
    with pytest.raises(NgffError, match=re.escape(str(largest if "zarr" not in kind else where))):
        convert(where, tmp_path / "out.zarr", axes="zyx")


def test_many_threads_read_one_file_at_once(any_kind: Any, tmp_path: Path) -> None:
    image, whole = open_input(any_kind(tmp_path, volume()), axes="zyx"), volume()
    boxes = [np.s_[z : z + 2, y : y + 40, x : x + 50] for z in range(6) for y in range(0, 96, 24) for x in (0, 60)]
    with ThreadPoolExecutor(8) as threads:
        parts = list(threads.map(lambda box: image.data[box], boxes))
    for box, part in zip(boxes, parts, strict=True):
        np.testing.assert_array_equal(part, whole[box])


def test_the_array_travels_as_a_name_and_not_as_pixels(any_kind: Any, tmp_path: Path) -> None:
    image = open_input(any_kind(tmp_path, volume()), axes="zyx")
    image.data[0]
    travelled = pickle.dumps(image.data)
    assert len(travelled) < 3000
    np.testing.assert_array_equal(pickle.loads(travelled)[2:4], volume()[2:4])


def _read(array: Any) -> np.ndarray:
    return array[1:3, ::2]


@pytest.mark.slow
def test_other_processes_read_every_kind(every_file: dict[str, str]) -> None:
    arrays = [open_input(where, axes="zyx").data for where in every_file.values()]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        for part in processes.map(_read, arrays):
            np.testing.assert_array_equal(part, volume()[1:3, ::2])


def test_dask_wraps_the_array_and_knows_it_again(any_kind: Any, tmp_path: Path) -> None:
    where = any_kind(tmp_path, volume())
    one, two = (da.from_array(open_input(where, axes="zyx").data, chunks=(2, 50, 64)) for _ in range(2))
    assert one.name == two.name
    np.testing.assert_array_equal(one[:, 10:60].compute(), volume()[:, 10:60])


@pytest.mark.parametrize("name", ["tiff", "tiff-strips", "tiff-tiles", "planes", "npy-fortran", "npz-deflated", "hdf5"])
def test_any_basic_index_gives_what_numpy_gives(name: str, every_file: dict[str, str]) -> None:
    lazy, whole = open_input(every_file[name], axes="zyx").data, volume()

    @settings(max_examples=60, deadline=None)
    @given(basic_indices(SHAPE, allow_newaxis=False, allow_ellipsis=True))
    def law(index: Any) -> None:
        np.testing.assert_array_equal(lazy[index], whole[index])

    law()


@pytest.mark.parametrize("order", ["zyx", "xyz", "yxz", "xzy"])
@pytest.mark.parametrize("name", ["npy", "zarr-3", "hdf5"])
def test_axes_in_any_order_are_put_in_the_order_of_the_specification(
    name: str, order: str, every_file: dict[str, str]
) -> None:
    image = open_input(every_file[name], axes=order)
    assert image.dims == ("z", "y", "x")
    wanted = volume().transpose([order.index(axis) for axis in "zyx"])
    np.testing.assert_array_equal(image.data[1:5, 2:40:3, -5:], wanted[1:5, 2:40:3, -5:])


def test_chunks_turn_with_the_axes(every_file: dict[str, str]) -> None:
    assert open_input(every_file["hdf5"], axes="xyz").data.chunks == (50, 40, 2)


def test_what_lies_in_the_file_is_named_by_the_view_on_it(every_file: dict[str, str]) -> None:
    assert open_input(every_file["npy"], axes="xyz").data.origin == Path(every_file["npy"])
    assert open_input(every_file["zarr-3"], axes="xyz").data.origin.path == ""


@pytest.mark.parametrize(
    "index",
    [
        pytest.param([0, 1], id="list"),
        pytest.param(np.array([True] * 6), id="mask"),
        pytest.param((0, 0, 0, 0), id="too many axes"),
        None,
        1.5,
        6,
        -7,
    ],
)
def test_an_index_that_is_none_for_a_file_is_an_index_error(index: Any, every_file: dict[str, str]) -> None:
    with pytest.raises(IndexError):
        open_input(every_file["npy"], axes="zyx").data[index]


@pytest.mark.filterwarnings("ignore:.*is not taken as a pixel size:UserWarning")  # of a screen
@given(st.sampled_from(["zy", "tzyx", "z", "zyxc"]))
def test_axes_that_do_not_fit_are_refused(axes: str) -> None:
    with pytest.raises(AxesError, match="dimension"):
        open_input(Path(skimage.data.__file__).parent / "astronaut.png", axes=axes)


@pytest.mark.parametrize("axes", ["zzx", "tcy", ["c", "wavelength", "x"], ""], ids=repr)
def test_axes_that_the_specification_forbids_are_refused(axes: Any, every_file: dict[str, str]) -> None:
    with pytest.raises(AxesError):
        open_input(every_file["npy"], axes=axes)


def test_a_custom_axis_is_kept_when_the_caller_names_it(every_file: dict[str, str]) -> None:
    image = open_input(every_file["npy"], axes=["y", "x", "lifetime"])
    assert (image.dims, image.data.shape) == (("lifetime", "y", "x"), (128, 6, 96))


def test_more_axes_than_the_specification_allows_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "six.npy", np.zeros((2,) * 6))
    with pytest.raises(AxesError, match=r"2 to 5 axes .* Name them yourself with axes="):
        open_input(tmp_path / "six.npy", axes="abtzyx")


def test_an_image_is_named_after_its_file(every_file: dict[str, str]) -> None:
    names = {kind: open_input(where, axes="zyx").name for kind, where in every_file.items()}
    assert names.pop("planes") == "plane"
    assert names.pop("hdf5") == "data"
    assert names.pop("tiff-ome") == "Image0"
    assert set(names.values()) == {"image"}


def test_a_missing_path_names_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "cells.tif").touch()
    with pytest.raises(MissingError, match=r"There is no .*cels\.tif\. Did you mean 'cells\.tif'\?"):
        open_input(tmp_path / "cels.tif")
    with pytest.raises(MissingError, match="No file matches"):
        open_input(tmp_path / "*.png")
    with pytest.raises(MissingError, match="There is no"):
        open_input(tmp_path / "nowhere" / "cells.tif")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("empty.tif", b"", "is an empty file", id="empty"),
        pytest.param("a.tif", b"II*\0garbage", "a TIFF file", id="tiff"),
        pytest.param("a.tif", b"no tiff at all, but text", "a TIFF file", id="no-tiff"),
        pytest.param("a.npy", b"\x93NUMPYgarbage", "a NumPy file", id="npy"),
        pytest.param("a.npz", b"0" * 99, "a NumPy archive", id="npz"),
        pytest.param("a.h5", b"\x89HDF\r\n\x1a\n" + b"0" * 99, "an HDF5 file", id="hdf5"),
        pytest.param("a.nii", b"0" * 999, "a NIfTI file", id="nifti"),
        pytest.param("a.nii.gz", b"0" * 999, "a NIfTI file", id="nifti-gzip"),
        pytest.param("a.png", b"0" * 99, "not an image that can be read here", id="png"),
        pytest.param("a.txt", b"hello " * 99, "not an image that can be read here", id="text"),
    ],
)
def test_a_broken_file_is_one_sentence_that_says_what_it_is(
    tmp_path: Path, name: str, content: bytes, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        open_input(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "bytes_left"), [("tiff", 0.5), ("npy", 0.9), ("npz-deflated", 0.9), ("nifti", 0.9), ("nifti-gzip", 0.9)]
)
def test_a_file_that_was_cut_short_is_an_input_error(kind: str, bytes_left: float, tmp_path: Path) -> None:
    where = KINDS[kind](tmp_path, volume())
    os.truncate(where, int(os.path.getsize(where) * bytes_left))
    with pytest.raises(InputError):
        open_input(where, axes="zyx").data[...]


@pytest.mark.parametrize(("kind", "package", "extra"), [("hdf5", "h5py", "hdf5"), ("nifti", "nibabel", "nifti")])
def test_a_missing_package_is_answered_with_the_extra_that_brings_it(
    kind: str, package: str, extra: str, every_file: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"needs {package}: pip install 'ome-ngff\[{extra}\]'$"):
        open_input(every_file[kind])


def test_what_a_family_does_not_have_is_refused(every_file: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"a NumPy file, which has no names inside. Leave out '::a'"):
        open_input(every_file["npy"] + "::a")
    with pytest.raises(InputError, match=r"a NumPy file, which holds one image. Leave out series=1"):
        open_input(every_file["npy"], series=1)


def test_content_counts_more_than_the_name(every_file: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "image.dat").write_bytes(Path(every_file["tiff-ome"]).read_bytes())
    np.testing.assert_array_equal(open_input(tmp_path / "image.dat").data[...], volume())


def test_every_family_has_a_module_and_names_no_suffix_of_another() -> None:
    suffixes = [suffix for family in FAMILIES for suffix in family.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    folder = Path(sys.modules[open_input.__module__].__file__ or "").parent
    assert all((folder / f"{family.module}.py").is_file() for family in FAMILIES if family.module)
