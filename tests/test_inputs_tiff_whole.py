"""TIFF: images in several files, and files that lack a part of what they say they have."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from ome_ngff.exceptions import InputError
from ome_ngff.inputs import open_input

STACK = np.random.default_rng(5).integers(0, 4000, (9, 32, 40)).astype("uint16")
SCHEMA = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'


def uuid(number: int) -> str:
    return f"urn:uuid:{number:036d}"


def pixels_element(planes: str, **sizes: Any) -> str:
    words = {"DimensionOrder": "XYZCT", "Type": "uint16", "SizeX": 40, "SizeY": 32, "SizeZ": 3, "SizeC": 1, "SizeT": 3}
    said = " ".join(f'{name}="{value}"' for name, value in {**words, **sizes}.items())
    return f'<Image ID="Image:0" Name="série"><Pixels ID="Pixels:0" {said}><Channel ID="C:0"/>{planes}</Pixels></Image>'


# Companions ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def companion(tmp_path: Path) -> Path:
    """Return the companion file of three volumes."""
    planes = ""
    for t in range(3):
        own = f'<UUID FileName="t{t}.ome.tif">{uuid(t)}</UUID>'
        planes += "".join(f'<TiffData FirstT="{t}" FirstZ="{z}" IFD="{z}">{own}</TiffData>' for z in range(3))
        xml = f'<OME {SCHEMA} UUID="{uuid(t)}"><BinaryOnly MetadataFile="all.companion.ome" UUID="{uuid(9)}"/></OME>'
        options = {"compression": "zlib", "photometric": "minisblack"}
        tifffile.imwrite(
            tmp_path / f"t{t}.ome.tif", STACK[3 * t : 3 * t + 3], description=xml, metadata=None, **options
        )
    image = pixels_element(planes, PhysicalSizeX=0.3, PhysicalSizeZ=2)
    xml = f'<?xml version="1.0" encoding="UTF-8"?>\n<OME {SCHEMA} UUID="{uuid(9)}">{image}</OME>\n'
    (tmp_path / "all.companion.ome").write_text(xml, "utf-8")
    return tmp_path / "all.companion.ome"


@pytest.mark.parametrize("taken", ["all.companion.ome", "t0.ome.tif", "t2.ome.tif", ""])
def test_a_companion_file_its_tiffs_and_their_folder_are_the_same_image(companion: Path, taken: str) -> None:
    image = open_input(companion.parent / taken)
    assert (image.dims, image.name, image.scale) == (("t", "z", "y", "x"), "série", {"z": 2.0, "x": 0.3})
    np.testing.assert_array_equal(image.data[...], STACK.reshape(3, 3, 32, 40))


def test_a_missing_file_of_several_is_named(companion: Path) -> None:
    (companion.parent / "t1.ome.tif").unlink()
    with pytest.raises(InputError, match=r"one of several files, of which these are missing: t1\.ome\.tif\."):
        open_input(companion)
    (companion.parent / "t0.ome.tif").unlink()
    with pytest.raises(InputError, match=r"all\.companion\.ome describes t0\.ome\.tif, which is not in its folder"):
        open_input(companion)


def test_a_part_without_its_companion_or_beside_its_master_says_so(companion: Path) -> None:
    part = companion.parent / "t0.ome.tif"
    companion.rename(companion.with_name("gone"))
    with pytest.raises(InputError, match=r"'all\.companion\.ome' describes, but that file is not in its folder"):
        open_input(part)
    xml = f'<OME {SCHEMA}><BinaryOnly MetadataFile="t1.ome.tif"/></OME>'
    tifffile.imwrite(part, STACK[0], description=xml, metadata=None)
    with pytest.raises(InputError, match=r"is part of the image in .*t1\.ome\.tif; open that file"):
        open_input(part)


@pytest.mark.parametrize("taken", ["", "*.tif", "part_1.ome.tif", "part_*.ome.tif"])
def test_the_parts_of_one_ome_tiff_are_one_image(tmp_path: Path, taken: str) -> None:
    planes = "".join(
        f'<TiffData FirstT="{t}" FirstZ="{z}" IFD="{z}"><UUID FileName="part_{t}.ome.tif">{uuid(t)}</UUID></TiffData>'
        for t in range(3)
        for z in range(3)
    )
    for t in range(3):
        xml = f'<OME {SCHEMA} UUID="{uuid(t)}">{pixels_element(planes)}</OME>'.encode()
        part = STACK[3 * t : 3 * t + 3]
        tifffile.imwrite(tmp_path / f"part_{t}.ome.tif", part, description=xml, metadata=None, photometric="minisblack")
    image = open_input(tmp_path / taken)
    assert image.dims == ("t", "z", "y", "x")
    np.testing.assert_array_equal(image.data[...], STACK.reshape(3, 3, 32, 40))


def test_an_image_without_pixels_of_its_own_moves_no_metadata(tmp_path: Path) -> None:
    planes = "<MetadataOnly/>", '<TiffData IFD="0"/>', '<TiffData IFD="1"/>'
    images = [pixels_element(each, SizeZ=1, SizeT=1, PhysicalSizeX=k) for k, each in enumerate(planes, start=1)]
    xml = "".join(image.replace("série", name) for image, name in zip(images, "abc", strict=True))
    with tifffile.TiffWriter(tmp_path / "image.ome.tif") as file:
        for k in range(2):
            file.write(STACK[k], description=f"<OME {SCHEMA}>{xml}</OME>" if k == 0 else None, metadata=None)
    for k in range(2):
        image = open_input(tmp_path / "image.ome.tif", series=k)
        assert (image.name, image.scale) == ("bc"[k], {"x": 2.0 + k})
        np.testing.assert_array_equal(image.data[...], STACK[k])


def test_files_that_name_none_but_themselves_are_a_sequence(tmp_path: Path) -> None:
    for z in range(3):
        own = f'<TiffData IFD="0"><UUID FileName="plane_{z}.ome.tif">{uuid(z)}</UUID></TiffData>'
        xml = f'<OME {SCHEMA} UUID="{uuid(z)}">{pixels_element(own, SizeZ=1, SizeT=1)}</OME>'.encode()
        tifffile.imwrite(tmp_path / f"plane_{z}.ome.tif", STACK[z], description=xml, metadata=None)
    image = open_input(tmp_path)
    assert image.dims == ("z", "y", "x")
    np.testing.assert_array_equal(image.data[...], STACK[:3])


def test_planes_that_were_never_written_are_zero_and_told_of(tmp_path: Path) -> None:
    xml = f"<OME {SCHEMA}>{pixels_element('<TiffData/>', SizeZ=12, SizeT=1)}</OME>"
    options = {"compression": "zlib", "photometric": "minisblack", "metadata": None}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, description=xml.encode(), **options)
    with pytest.warns(UserWarning, match="lacks 3 of the 12 planes that its metadata names; they are zeros"):
        image = open_input(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(image.data[...], np.pad(STACK, ((0, 3), (0, 0), (0, 0))))


@pytest.mark.parametrize(
    ("xml", "says", "dims", "count"),
    [
        pytest.param(pixels_element("<TiffData/>", SizeX=41), "is broken or does not fit", "tyx", 9, id="too-wide"),
        pytest.param(pixels_element(""), "is broken or does not fit", "tyx", 9, id="without-planes"),
        pytest.param(pixels_element("<TiffData/>")[:-9], "is broken or does not fit", "tyx", 9, id="not-xml"),
        pytest.param(pixels_element("<TiffData/>", SizeT=1), "has 6 pages that its metadata", "zyx", 3, id="too-short"),
    ],
)
def test_metadata_that_does_not_fit_the_pages_is_told(
    tmp_path: Path, xml: str, says: str, dims: str, count: int
) -> None:
    said = f"<OME {SCHEMA}>{xml}</OME>".encode()
    tifffile.imwrite(tmp_path / "a.tif", STACK, description=said, metadata=None, photometric="minisblack")
    with pytest.warns(UserWarning, match=says):
        image = open_input(tmp_path / "a.tif")
    assert image.dims == tuple(dims)
    np.testing.assert_array_equal(image.data[...], STACK[:count])


# Cut files -----------------------------------------------------------------------------------------------------------

KINDS = {
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
    "ome-zlib": {"ome": True, "compression": "zlib", "metadata": {"axes": "ZYX"}},
    "ome-tiles": {"ome": True, "tile": (16, 16), "metadata": {"axes": "ZYX"}},
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "plain": {"photometric": "minisblack", "metadata": None},
    "plain-zlib": {"photometric": "minisblack", "compression": "zlib", "metadata": None},
    "big": {"photometric": "minisblack", "compression": "zlib", "metadata": {"axes": "ZYX"}, "bigtiff": True},
    "big-endian": {"photometric": "minisblack", "compression": "zlib", "metadata": {"axes": "ZYX"}, "byteorder": ">"},
}


@pytest.mark.parametrize("axes", [None, "zyx"])
@pytest.mark.parametrize("left", [0.02, 0.2, 0.5, 0.97])
@pytest.mark.parametrize("options", [pytest.param(options, id=name) for name, options in KINDS.items()])
def test_a_file_that_was_cut_is_refused_when_it_is_opened(
    tmp_path: Path, options: dict[str, Any], left: float, axes: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, **options)
    np.testing.assert_array_equal(open_input(path, axes="zyx").data[...], STACK)
    os.truncate(path, int(path.stat().st_size * left))
    with pytest.raises(InputError, match=r"a\.tif (is cut short|cannot be read as a TIFF file)"):
        open_input(path, axes=axes)


def imagej_in_one_page(path: Path, pages: int, height: int, width: int) -> None:
    """Write what ImageJ writes beyond 4 GiB: one page, big-endian, and behind it all images in one piece, empty."""
    description = f"ImageJ=1.53t\nimages={pages}\nslices={pages}\nunit=micron\nspacing=0.5\nloop=false\n\0".encode()
    values = 8 + 2 + 12 * 12 + 4
    pixels = values + len(description) + 8
    tags = [
        (254, 4, 1, 0), (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16 << 16), (262, 3, 1, 1 << 16),
        (270, 2, len(description), values), (273, 4, 1, pixels), (277, 3, 1, 1 << 16), (278, 4, 1, height),
        (279, 4, 1, 2 * width * height), (282, 5, 1, values + len(description)),
        (283, 5, 1, values + len(description)),
    ]  # fmt: skip
    head = b"MM\0*" + struct.pack(">I", 8) + struct.pack(">H", len(tags))
    head += b"".join(struct.pack(">HHII", *tag) for tag in tags) + struct.pack(">I", 0)
    path.write_bytes(head + description + struct.pack(">II", 10, 1))
    os.truncate(path, pixels + 2 * pages * height * width)


def test_a_file_that_lost_its_description_is_not_read_without_it(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.zeros((3, 2, 16, 16), "uint8"), ome=True, metadata={"axes": "ZCYX"})
    tifffile.tiffcomment(path, tifffile.tiffcomment(path) + " " * 2000)  # too long for its place: it goes to the end
    assert open_input(path).dims == tuple("czyx")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"a\.ome\.tif is cut short: its description, which says what it holds, lies"):
        open_input(path)


def test_an_imagej_stack_over_4_gib_is_read_whole_from_one_page(tmp_path: Path) -> None:
    path, shape = tmp_path / "a.tif", (2200, 1000, 1000)
    imagej_in_one_page(path, *shape)
    with path.open("r+b") as file:
        file.seek(-2 * 1000 * 1000 * 100, 2)
        file.write(struct.pack(">H", 77))
    image = open_input(path)
    assert (image.dims, image.data.shape, image.scale) == (("z", "y", "x"), shape, {"z": 0.5, "y": 0.1, "x": 0.1})
    assert image.data[2099:2101, 0, :2].tolist() == [[0, 0], [77, 0]]
    os.truncate(path, 2**31)
    with pytest.raises(InputError, match="it has 2200 images, but ends after 1073"):
        open_input(path)


def test_one_page_that_kept_the_description_of_its_stack_is_one_image(tmp_path: Path) -> None:
    description = "ImageJ=1.53t\nimages=9\nslices=9\n"
    tifffile.imwrite(tmp_path / "a.tif", STACK[4], description=description, metadata=None)
    np.testing.assert_array_equal(open_input(tmp_path / "a.tif").data[...], STACK[4])


def test_a_link_is_named_by_itself(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK[0])
    (tmp_path / "größe 3 µm.tif").symlink_to(tmp_path / "a.tif")
    image = open_input(tmp_path / "größe 3 µm.tif")
    assert image.name == "größe 3 µm"
    np.testing.assert_array_equal(image.data[...], STACK[0])
