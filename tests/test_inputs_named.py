"""What is not an image that can be read here is named for what it is, with what reads it."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from nibabel import cifti2

import ome_ngff
from ome_ngff.exceptions import InputError, NgffError, StoreError
from ome_ngff.inputs import open_input

PLANE = np.arange(24 * 32, dtype="uint16").reshape(24, 32)


def element(group: int, number: int, kind: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", group, number, kind, len(value)) + value


def dicom(preamble: bytes = bytes(128)) -> bytes:
    syntax = element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0")
    meta = element(2, 0, b"UL", struct.pack("<I", len(syntax))) + syntax
    return preamble + b"DICM" + meta + element(8, 0x60, b"CS", b"MR") + bytes(600)


def dicom_and_tiff(path: Path) -> bytes:
    """Make a file with two faces, a TIFF whose directory stands behind the data set of DICOM."""
    tifffile.imwrite(path.with_suffix(".tif"), PLANE, byteorder="<")
    with tifffile.TiffFile(path.with_suffix(".tif")) as tiff:
        page = tiff.pages.first
        start, tags = page.dataoffsets[0], [tag for tag in page.tags if tag.dtype in (3, 4) and tag.count == 1]
        values = {tag.code: int(np.ravel(tag.value)[0]) for tag in tags} | {273: 4096}
        pixels = path.with_suffix(".tif").read_bytes()[start:]
    shown = b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in sorted(values.items()))
    head = b"II*\0" + struct.pack("<I", 2048)
    whole = dicom(head + bytes(120)).ljust(2048, b"\0")
    whole += struct.pack("<H", len(values)) + shown + bytes(4)
    return whole.ljust(4096, b"\0") + pixels


def cifti(path: Path) -> None:
    brain = cifti2.BrainModelAxis.from_surface(np.arange(4), 8, name="CortexLeft")
    scalars = cifti2.ScalarAxis(["thickness"])
    cifti2.Cifti2Image(np.ones((1, 4), "f4"), header=(scalars, brain)).to_filename(path)


def big_data_viewer(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["s00/resolutions"], file["s00/subdivisions"] = np.ones((1, 3)), np.full((1, 3), 16)
        file["t00000/s00/0/cells"] = np.stack([PLANE] * 3).astype("int16")


def imaris(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data"] = np.stack([PLANE] * 3)
        file.create_group("DataSetInfo/Image")


def n5(path: Path) -> None:
    (path / "volume").mkdir(parents=True)
    (path / "attributes.json").write_text(json.dumps({"n5": "2.5.1"}))
    said = {"dimensions": [32, 24], "blockSize": [32, 24], "dataType": "uint16", "compression": {"type": "raw"}}
    (path / "volume" / "attributes.json").write_text(json.dumps(said))


FOREIGN: dict[str, tuple[str, Any, str]] = {
    "dicom": ("IM0001", lambda path: path.write_bytes(dicom()), r"a DICOM file, .*'ome-ngff\[dicom\]'"),
    "dicom-of-a-tiff": (
        "a.dcm", lambda path: path.write_bytes(dicom_and_tiff(path)), r"a DICOM file, .*'ome-ngff\[dicom\]'",
    ),
    "dicom-with-the-start-of-a-tiff": (
        "a.dcm", lambda path: path.write_bytes(dicom(b"II*\0".ljust(128, b"\0"))), r"a DICOM file, .*\[dicom\]",
    ),
    "dicom-without-preamble": ("a", lambda path: path.write_bytes(dicom()[132:]), r"a DICOM file, .*\[dicom\]"),
    "cifti": ("a.dscalar.nii", cifti, r"a CIFTI file .*; separate its volume as NIfTI"),
    "cifti-of-any-name": ("a.nii", cifti, "a CIFTI file"),
    "n5": ("a.n5", n5, "an N5 container, which cannot be read here; save it as Zarr or TIFF"),
    "n5-of-any-name": ("a", n5, "an N5 container"),
    "czi": ("a.czi", lambda path: path.write_bytes(b"ZISRAWFILE" + bytes(90)), r"Zeiss CZI .*\[bioio\]' bioio-czi$"),
    "nd2": ("a.nd2", lambda path: path.write_bytes(b"\xda\xce\xbe\n" + bytes(90)), "Nikon ND2 .* bioio-nd2$"),
    "nd2-of-jpeg-2000": ("a.nd2", lambda path: path.write_bytes(b"\0\0\0\x0cjP  " + bytes(90)), "bioio-nd2$"),
    "lif": ("a.lif", lambda path: path.write_bytes(b"p\0\0\0\x08\0\0\0*" + bytes(90)), r"Leica LIF .* bioio-lif$"),
    "oib": ("a.oib", lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(90)), "FluoView .* bioio-bioformats$"),
    "vsi": ("a.vsi", lambda path: tifffile.imwrite(path, PLANE), "an Olympus VSI file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(FOREIGN))
def test_what_cannot_be_read_is_named_with_the_way_out(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("bioio", "pydicom"):
        monkeypatch.setitem(sys.modules, package, None)
    name, make, wanted = FOREIGN[kind]
    make(tmp_path / name)
    with pytest.raises(InputError, match=rf"{name} is {wanted if wanted.startswith('a') else '.*' + wanted}"):
        open_input(tmp_path / name)


def test_the_file_with_two_faces_is_a_tiff_too(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(dicom_and_tiff(tmp_path / "a.dcm"))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.dcm"), PLANE)


@pytest.mark.parametrize(("make", "name"), [(big_data_viewer, "t00000/s00/0/cells"), (imaris, "DataSet/R")])
def test_special_hdf5_files_are_told_from_plain_ones(make: Any, name: str, tmp_path: Path) -> None:
    make(tmp_path / "a.h5")
    inner = name if name.startswith("t") else "DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data"
    image = open_input(f"{tmp_path / 'a.h5'}::/{inner}", axes="zyx")
    np.testing.assert_array_equal(image.data[1], PLANE)


def test_first_bytes_of_nifti_are_no_cifti(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti2Image(PLANE.astype("int16")[..., None], np.eye(4)), tmp_path / "a.nii")
    assert open_input(tmp_path / "a.nii").data.shape == (1, 32, 24)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tiff", "a.nii.gz", "a.H5", "a.png/"])
def test_an_output_with_the_ending_of_a_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"would be a folder of Zarr and no \.\S+ file; write to \S*/a\.ome\.zarr\.$"):
        ome_ngff.write_image(PLANE, f"{tmp_path}/{name}", axes="yx")
    assert list(tmp_path.iterdir()) == []


def test_an_image_with_an_odd_name_that_is_there_is_replaced(tmp_path: Path) -> None:
    ome_ngff.write_image(PLANE, tmp_path / "a.zarr", axes="yx")
    (tmp_path / "a.zarr").rename(tmp_path / "a.tif")
    ome_ngff.write_image(PLANE + 1, tmp_path / "a.tif", axes="yx", overwrite=True)
    np.testing.assert_array_equal(open_input(tmp_path / "a.tif").data[...], PLANE + 1)


def zarr_chunk(path: Path) -> str:
    array = zarr.create_array(
        path, shape=(24, 32), chunks=(16, 16), dtype="uint16", compressors=zarr.codecs.GzipCodec()
    )
    array[...] = PLANE
    (path / "c" / "1" / "0").write_bytes(b"no gzip")
    return "its chunk c/1/0 is broken"


def hdf5_chunk(path: Path) -> str:
    with h5py.File(path, "w") as file:
        info = file.create_dataset("a", data=PLANE, chunks=(16, 16), compression="gzip").id.get_chunk_info(2)
    with path.open("r+b") as raw:
        raw.seek(info.byte_offset)
        raw.write(bytes(info.size))
    return r"::/a has a broken chunk at \(1, 0\)"


@pytest.mark.parametrize("make", [zarr_chunk, hdf5_chunk])
def test_a_broken_chunk_of_an_input_is_named(make: Any, tmp_path: Path) -> None:
    said = make(tmp_path / "a")
    with pytest.raises(NgffError, match=said):
        ome_ngff.convert(tmp_path / "a", tmp_path / "out.zarr", axes="yx")
