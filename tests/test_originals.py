"""What a file says of itself is kept with the image, as text and as OME-XML, and goes with it."""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import h5py
import mrcfile
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
import zarr
from helpers import attributes, every_file, pixels
from PIL import Image, PngImagePlugin
from pylibCZIrw import czi
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from ome_ngff import ExistsError, StoreError, convert, open_image, validate, write_image
from ome_ngff.inputs import vendor
from ome_ngff.read import describe_store

PIXELS = (np.arange(3 * 40 * 50) % 4001).astype("uint16").reshape(3, 40, 50)
XML = "OME/METADATA.ome.xml"


def ome_tiff(where: Path, data: Any = PIXELS) -> str:
    """Write an OME-TIFF, and give its OME-XML as tifffile reads it."""
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "Description": "Zürich µ"}
    tifffile.imwrite(where, data, metadata=metadata, photometric="minisblack", software="Scope 7")
    with tifffile.TiffFile(where) as tiff:
        return str(tiff.ome_metadata)


def said(where: Any) -> dict[str, Any]:
    return dict(attributes(where)["ome_ngff"])


@pytest.mark.parametrize("fmt", ["0.4", "0.5"])
def test_ome_xml_is_kept_beside_an_image_that_is_no_collection(tmp_path: Path, fmt: str) -> None:
    xml = ome_tiff(tmp_path / "a.ome.tif")
    convert(tmp_path / "a.ome.tif", tmp_path / "a.ome.zarr", fmt=fmt)
    assert (tmp_path / "a.ome.zarr" / XML).read_text("utf-8") == xml
    found = describe_store(tmp_path / "a.ome.zarr")
    assert (found.kind, len(found.images)) == ("image", 1)
    found_wrong = validate(tmp_path / "a.ome.zarr", data=True).findings
    assert {finding.rule for finding in found_wrong} <= {"axis-unit-given"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "OME" in dict(zarr.open_group(tmp_path / "a.ome.zarr", mode="r").members())
    assert "bioformats2raw.layout" not in json.dumps(attributes(tmp_path / "a.ome.zarr"))


def test_a_single_file_has_the_ome_xml_too(tmp_path: Path) -> None:
    xml = ome_tiff(tmp_path / "a.ome.tif")
    convert(tmp_path / "a.ome.tif", tmp_path / "a.ozx")
    with zipfile.ZipFile(tmp_path / "a.ozx") as archive:
        assert archive.read(XML).decode() == xml
    convert(tmp_path / "a.ozx", tmp_path / "b.ome.zarr")
    assert (tmp_path / "b.ome.zarr" / XML).read_text("utf-8") == xml


def test_ome_xml_goes_with_its_image(tmp_path: Path) -> None:
    ome_tiff(tmp_path / "a.ome.tif")
    xml = ome_tiff(tmp_path / "b.ome.tif", PIXELS[:2])
    convert(tmp_path / "a.ome.tif", tmp_path / "image")
    convert(tmp_path / "b.ome.tif", tmp_path / "image", overwrite=True)
    assert (tmp_path / "image" / XML).read_text("utf-8") == xml
    write_image(PIXELS, tmp_path / "image", axes="zyx", overwrite=True)
    assert not (tmp_path / "image" / "OME").exists()
    assert "ome_ngff" not in attributes(tmp_path / "image")


def test_ome_xml_of_others_is_never_replaced(tmp_path: Path) -> None:
    ome_tiff(tmp_path / "a.ome.tif")
    write_image(PIXELS, tmp_path / "image", axes="zyx")
    (tmp_path / "image" / "OME").mkdir()
    (tmp_path / "image" / XML).write_text("theirs")
    before = every_file(tmp_path)
    with pytest.raises(ExistsError, match=r"a file at 'OME/METADATA\.ome\.xml', which is not"):
        convert(tmp_path / "a.ome.tif", tmp_path / "image", overwrite=True)
    assert every_file(tmp_path) == before
    write_image(PIXELS, tmp_path / "image", axes="zyx", overwrite=True)
    assert (tmp_path / "image" / XML).read_text() == "theirs"


def test_ome_xml_of_others_in_memory_is_never_replaced(tmp_path: Path) -> None:
    ome_tiff(tmp_path / "a.ome.tif")
    store = MemoryStore()
    write_image(PIXELS, store, axes="zyx")
    store._store_dict[XML] = default_buffer_prototype().buffer.from_bytes(b"theirs")
    before = dict(store._store_dict)
    with pytest.raises(ExistsError, match=r"a file at 'OME/METADATA\.ome\.xml', which is not"):
        convert(tmp_path / "a.ome.tif", store, overwrite=True)
    assert store._store_dict == before


def test_ome_xml_behind_a_link_is_not_written_through(tmp_path: Path) -> None:
    ome_tiff(tmp_path / "a.ome.tif")
    convert(tmp_path / "a.ome.tif", tmp_path / "image")
    (tmp_path / "image" / "OME").rename(tmp_path / "elsewhere")
    (tmp_path / "image" / "OME").symlink_to(tmp_path / "elsewhere")
    before = every_file(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="behind a link"):
        convert(tmp_path / "a.ome.tif", tmp_path / "image", overwrite=True)
    assert every_file(tmp_path / "elsewhere") == before


def test_a_place_in_memory_has_it_and_loses_it(tmp_path: Path) -> None:
    xml, store = ome_tiff(tmp_path / "a.ome.tif"), zarr.storage.MemoryStore()
    convert(tmp_path / "a.ome.tif", store)
    assert store._store_dict[XML].to_bytes().decode() == xml
    convert(tmp_path / "a.ome.tif", store, overwrite=True)
    write_image(PIXELS, store, axes="zyx", overwrite=True)
    assert not [key for key in store._store_dict if key.startswith("OME")]
    theirs = store._store_dict[XML] = default_buffer_prototype().buffer.from_bytes(b"theirs")
    with pytest.raises(ExistsError, match="a file at"):
        convert(tmp_path / "a.ome.tif", store, overwrite=True)
    assert store._store_dict[XML] is theirs


def imagej(where: Path) -> dict[str, str]:
    metadata = {"axes": "ZYX", "Info": "Objective = 63x\nOperator = Zoë", "Labels": ["a", "b", "c"]}
    tifffile.imwrite(where, PIXELS, imagej=True, metadata=metadata)
    return {"IJMetadata": "Objective = 63x", "ImageDescription": "images=3"}


def pages(where: Path) -> dict[str, str]:
    with tifffile.TiffWriter(where) as tiff:
        for z, plane in enumerate(PIXELS):
            tiff.write(
                plane, description=f"stage at {z}", contiguous=False, metadata=None, datetime="2024:01:02 03:04:05"
            )
    return {"ImageDescription": "stage at 0", "ImageDescription of page 2": "stage at 2", "DateTime": "2024:01:02"}


def hdf5(where: Path) -> dict[str, str]:
    with h5py.File(where, "w") as file:
        file.attrs["microscope"] = "light sheet"
        file["stack"] = PIXELS
        file["stack"].attrs["exposure_ms"] = np.float64(12.5)
    return {"@microscope": "light sheet", "/stack@exposure_ms": "12.5"}


def nifti(where: Path) -> dict[str, str]:
    image = nibabel.Nifti1Image(PIXELS.astype("int16"), np.diag([2.0, 2, 2, 1]))
    image.header["descrip"] = b"scanner 3T"
    nibabel.save(image, where)
    return {"descrip": "scanner 3T"}


def png(where: Path) -> dict[str, str]:
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", "stained with H&E")
    Image.fromarray(PIXELS[0].astype("uint8")).save(where, pnginfo=words)
    return {"Comment": "stained with H&E"}


@pytest.mark.parametrize(
    ("name", "write"),
    [
        pytest.param("a.tif", imagej, id="imagej"),
        pytest.param("pages.tif", pages, id="pages-with-descriptions"),
        pytest.param("a.h5", hdf5, id="hdf5"),
        pytest.param("a.nii.gz", nifti, id="nifti"),
        pytest.param("a.png", png, id="png"),
    ],
)
def test_other_headers_are_kept_as_text(tmp_path: Path, name: str, write: Any) -> None:
    wanted = write(tmp_path / name)
    convert(tmp_path / name, tmp_path / "a", axes="zyx" if name in ("pages.tif", "a.h5") else None)
    headers = said(tmp_path / "a")["headers"]
    assert {key: value in headers[key] for key, value in wanted.items()} == dict.fromkeys(wanted, True)
    assert all(isinstance(value, str) for value in headers.values())
    assert said(tmp_path / "a")["source"]["name"] == name
    assert {finding.rule for finding in validate(tmp_path / "a").findings} <= {"axis-unit-given"}
    convert(tmp_path / "a", tmp_path / "b")  # a copy has what its source has
    assert headers.items() <= said(tmp_path / "b")["headers"].items()


def test_attributes_of_others_come_along_with_an_image(tmp_path: Path) -> None:
    write_image(PIXELS, tmp_path / "a", axes="zyx", fmt="0.4")
    zarr.open_group(tmp_path / "a", mode="r+").attrs["lab"] = {"protocol": 7}
    convert(tmp_path / "a", tmp_path / "b", fmt="0.5")
    assert attributes(tmp_path / "b")["lab"] == {"protocol": 7}
    assert open_image(tmp_path / "b").metadata.version == "0.5"


def test_headers_that_are_too_long_are_named(tmp_path: Path) -> None:
    tags = [(65001, 7, 2**17, os.urandom(2**17), True)]
    tifffile.imwrite(tmp_path / "a.tif", PIXELS[0], extratags=tags, metadata=None)
    with pytest.warns(UserWarning, match="are left out: 65001"):
        convert(tmp_path / "a.tif", tmp_path / "a")


def test_a_resumed_write_demands_the_same_version_of_the_file(tmp_path: Path) -> None:
    ome_tiff(tmp_path / "a.ome.tif")
    convert(tmp_path / "a.ome.tif", tmp_path / "a")
    convert(tmp_path / "a.ome.tif", tmp_path / "a", resume=True)
    ome_tiff(tmp_path / "a.ome.tif", PIXELS + 1)
    before = every_file(tmp_path)
    with pytest.raises(StoreError, match=r"other settings \(source.changed: there"):
        convert(tmp_path / "a.ome.tif", tmp_path / "a", resume=True)
    assert every_file(tmp_path) == before
    np.testing.assert_array_equal(pixels(tmp_path / "a")[0], PIXELS)


def foreign(folder: Path) -> dict[str, Path]:
    """Write one file of each kind whose headers are read by a package of its own."""
    sitk.WriteImage(sitk.GetImageFromArray(PIXELS), folder / "nrrd.nrrd")
    sitk.WriteImage(sitk.GetImageFromArray(PIXELS), folder / "meta.mhd")
    with mrcfile.new(folder / "mrc.mrc", PIXELS) as file:
        file.add_label("of the tomogram")
    nibabel.save(nibabel.MGHImage(PIXELS.T.astype("int32"), np.eye(4)), folder / "mgh.mgz")
    with czi.create_czi(str(folder / "czi.czi")) as file:
        file.write(PIXELS[0, ..., None])
        file.write_metadata("my cells", scale_x=1e-7, scale_y=1e-7)
    return {path.stem: path for path in folder.iterdir() if path.suffix != ".raw"}


@pytest.mark.filterwarnings("ignore:Setting the dtype on a NumPy array:DeprecationWarning")  # mrcfile
@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        pytest.param("nrrd", "header", "space: left-posterior-superior", id="nrrd"),
        pytest.param("meta", "header", "ElementDataFile = meta", id="meta-image"),
        pytest.param("mrc", "label 1", "of the tomogram", id="mrc"),
        pytest.param("mgh", "goodRASFlag", "1", id="freesurfer"),
        pytest.param("czi", "metadata", "<Title>my cells</Title>", id="czi"),
    ],
)
def test_headers_of_every_reader_are_kept(kind: str, name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    convert(foreign(tmp_path / "in")[kind], tmp_path / "out.ome.zarr")
    assert text in said(tmp_path / "out.ome.zarr")["headers"][name]


@pytest.mark.filterwarnings("ignore:As of version 0.4.0, the parser argument is ignored:DeprecationWarning")
def test_the_ome_xml_of_a_plugin_is_kept(tmp_path: Path) -> None:
    ome_tiff(tmp_path / "a.ome.tif")
    _, xml = vendor.headers(str(tmp_path / "a.ome.tif"))
    assert "Zürich" in xml
    assert ElementTree.fromstring(xml).tag.endswith("}OME")


@pytest.mark.filterwarnings("ignore:Setting the dtype on a NumPy array:DeprecationWarning")  # mrcfile
def test_a_header_and_its_pixels_are_one_source(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    convert(foreign(tmp_path / "in")["meta"], tmp_path / "out.ome.zarr")
    assert said(tmp_path / "out.ome.zarr")["source"]["bytes"] > PIXELS.nbytes
