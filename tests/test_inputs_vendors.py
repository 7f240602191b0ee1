"""What makers of microscopes and scanners write into their TIFFs: sizes, channels, times."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import tifffile

from ome_ngff.inputs import open_input

SLIDE = np.ascontiguousarray(skimage.data.astronaut())
CAMERA = skimage.data.camera()
STACK = np.stack([CAMERA[:40, z : z + 56] for z in range(4)])
MICRO = {"y": "micrometer", "x": "micrometer"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "image.tif"


# Slides --------------------------------------------------------------------------------------------------------------

APERIO = (
    "Aperio Image Library v11.2.1 \r\n512x512 [0,0 512x512] (256x256) {}JPEG/RGB Q=30|AppMag = 20|MPP = {}|Left = 25"
)


def test_aperios_mpp_is_the_pixel_size_of_the_scan_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.svs"
    with tifffile.TiffWriter(path) as tiff:
        options: dict[str, Any] = {"photometric": "rgb", "metadata": None}
        tiff.write(SLIDE, tile=(256, 256), description=APERIO.format("", "0.4990"), **options)
        tiff.write(SLIDE[::4, ::4], description=APERIO.format("-> 128x128 ", "0.4990"), **options)
        tiff.write(SLIDE[::2, ::2], tile=(128, 128), description=APERIO.format("-> 256x256 ", "0.4990"), **options)
    image = open_input(path, series=0)
    assert (image.dims, image.scale, image.axes_units) == (("c", "y", "x"), {"y": 0.499, "x": 0.499}, MICRO)
    np.testing.assert_array_equal(image.data[...], SLIDE.transpose(2, 0, 1))
    with pytest.warns(UserWarning, match=r"says MPP = 0\.4990 of the scan that this picture was made from"):
        thumbnail = open_input(path, series="Thumbnail")
    assert (thumbnail.name, thumbnail.scale, thumbnail.data.shape) == ("a thumbnail", None, (3, 128, 128))


@pytest.mark.parametrize("mpp", ["", "|MPP = 0", "|MPP = unknown"])
def test_a_slide_without_mpp_has_no_size(tmp_path: Path, mpp: str) -> None:
    description = f"Aperio Image Library v11.2.1 \r\n512x512 (256x256)|AppMag = 20{mpp}"
    tifffile.imwrite(tmp_path / "a.svs", SLIDE, tile=(256, 256), photometric="rgb", description=description)
    assert open_input(tmp_path / "a.svs").scale is None


@pytest.mark.parametrize("size", [0.2273, 27.7], ids=["scan", "macro"])
def test_hamamatsu_means_its_resolution_tags_whatever_their_size(tmp_path: Path, size: float) -> None:
    tags = [(271, "s", 0, "Hamamatsu", True), (65420, "I", 1, 1, True), (65421, "f", 1, 20.0, True)]
    resolution: Any = {"resolution": (10000 / size, 10000 / size), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(tmp_path / "a.ndpi", SLIDE, photometric="rgb", metadata=None, extratags=tags, **resolution)
    with (tmp_path / "a.ndpi").open("r+b") as file:  # its directories end with 64-bit offsets
        start, count = struct.unpack("<4xIH", file.read(10))
        file.seek(start)
        directory = file.read(2 + 12 * count)
        end = file.seek(0, 2)
        file.write(directory + bytes(8 + 4 * count))
        file.seek(4)
        file.write(struct.pack("<Q", end))
    image = open_input(tmp_path / "a.ndpi")
    assert image.scale == pytest.approx({"y": size, "x": size}, rel=1e-6)
    assert image.axes_units == MICRO
    np.testing.assert_array_equal(image.data[1], SLIDE[..., 1])


SCN = """<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">
<collection name="slide" sizeX="26564529" sizeY="76734529">
<image name="overview"><pixels sizeX="128" sizeY="128"><dimension sizeX="128" sizeY="128" r="0" ifd="0"/></pixels>
<view sizeX="2097152" sizeY="2097152" offsetX="0" offsetY="0"/></image>
<image name="scan"><pixels sizeX="56" sizeY="40">{dimensions}</pixels>
<view sizeX="28000" sizeY="10000" offsetX="5" offsetY="6"/><scanSettings><channelSettings>
<channel index="0" name="405|Empty" rgb="#0000ff"/><channel index="1" name="L5|Empty" rgb="#00ff00"/>
</channelSettings></scanSettings></image></collection></scn>"""


def test_leica_says_sizes_and_channels_of_each_of_its_images(tmp_path: Path) -> None:
    dimensions = "".join(f'<dimension sizeX="56" sizeY="40" r="0" c="{c}" ifd="{c + 1}"/>' for c in range(2))
    with tifffile.TiffWriter(tmp_path / "a.scn", bigtiff=True) as tiff:
        description = SCN.format(dimensions=dimensions)
        tiff.write(SLIDE[::4, ::4], photometric="rgb", description=description, metadata=None)
        for plane in STACK[:2]:
            tiff.write(plane, metadata=None)
    overview, scan = (open_input(tmp_path / "a.scn", series=name) for name in ("overview", "scan"))
    assert overview.scale == {"y": 16.384, "x": 16.384}
    assert (scan.dims, scan.scale, scan.axes_units) == (("c", "y", "x"), {"y": 0.25, "x": 0.5}, MICRO)
    assert (scan.channel_names, scan.channel_colors) == (["405|Empty", "L5|Empty"], ["0000FF", "00FF00"])
    np.testing.assert_array_equal(scan.data[...], STACK[:2])


QPI = (
    '<?xml version="1.0" encoding="utf-8"?><PerkinElmer-QPI-ImageDescription><ImageType>FullResolution</ImageType>'
    "<Name>{}</Name><Color>{}</Color><ExposureTime>4500</ExposureTime></PerkinElmer-QPI-ImageDescription>"
)


def test_perkin_elmer_names_and_colours_the_channel_of_each_page(tmp_path: Path) -> None:
    options: Any = {"software": "PerkinElmer-QPI", "metadata": None, "resolutionunit": "CENTIMETER"}
    channels = [("DAPI", "0,0,255"), ("Opal 520", "0,255,0"), ("Opal 690", "255,0,128")]
    with tifffile.TiffWriter(tmp_path / "a.qptiff") as tiff:
        for plane, channel in zip(STACK, channels, strict=False):
            tiff.write(plane, description=QPI.format(*channel), resolution=(20000, 20000), **options)
        tiff.write(STACK[0, ::2, ::2], description="<a/>", resolution=(10000, 10000), **options)
    image = open_input(tmp_path / "a.qptiff", series=0)
    assert (image.dims, image.scale, image.axes_units) == (("c", "y", "x"), {"y": 0.5, "x": 0.5}, MICRO)
    assert image.channel_names == ["DAPI", "Opal 520", "Opal 690"]
    assert image.channel_colors == ["0000FF", "00FF00", "FF0080"]
    np.testing.assert_array_equal(image.data[...], STACK[:3])


# Microscopes ---------------------------------------------------------------------------------------------------------


def lsm(path: Path, **fields: Any) -> None:
    """Write what Zeiss LSM writes: a page of three channels for each time and z, each with a thumbnail."""
    layout = tifffile.TIFF.CZ_LSMINFO
    info: Any = np.zeros((), [(name or "Reserved", kind) for name, kind in layout])
    stamps = fields.pop("stamps", ())
    info["MagicNumber"], info["StructureSize"] = 67127628, info.nbytes
    for name, value in fields.items():
        info[name] = value
    with tifffile.TiffWriter(path, byteorder="<") as tiff:
        for i in range(int(info["DimensionTime"]) * int(info["DimensionZ"])):
            tags = [(34412, 1, info.nbytes, info.tobytes(), True)] if i == 0 else []
            planes = np.stack([STACK[i % 4], 255 - STACK[i % 4], STACK[i % 4] // 2])
            tiff.write(planes, planarconfig="separate", photometric="minisblack", metadata=None, extratags=tags)
            tiff.write(SLIDE[:16, :16], photometric="rgb", subfiletype=1, metadata=None)
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages.first.tags[34412].valueoffset
    names = b"".join(struct.pack("<I", len(name) + 1) + name + b"\0" for name in (b"Ch1-T1", b"ChS2-T2", b"T PMT-T2"))
    colors = bytes([255, 0, 0, 0, 0, 255, 0, 0, 255, 255, 255, 0])
    blocks = {
        "OffsetChannelColors": struct.pack("<6I", 24 + 12 + len(names), 3, 3, 24, 36, 0) + colors + names,
        "OffsetTimeStamps": struct.pack(f"<ii{len(stamps)}d", 8 + 8 * len(stamps), len(stamps), *stamps),
    }
    with path.open("r+b") as file:
        for name, block in blocks.items():
            info[name] = file.seek(0, 2)
            file.write(block)
        file.seek(place)
        file.write(info.tobytes())


LSM: dict[str, Any] = {
    "DimensionX": 56, "DimensionY": 40, "DimensionZ": 2, "DimensionChannels": 3, "DimensionTime": 2, "ScanType": 6,
    "VoxelSizeX": 6.5e-7, "VoxelSizeY": 6.5e-7, "VoxelSizeZ": 1.2e-6, "TimeIntervall": 3.0,
}  # fmt: skip


@pytest.mark.parametrize(("stamps", "interval"), [((), 3.0), ((10.0, 12.5), 2.5)], ids=["interval", "stamps"])
def test_zeiss_lsm_says_voxels_times_and_channels(tmp_path: Path, stamps: Any, interval: float) -> None:
    lsm(tmp_path / "a.lsm", stamps=stamps, **LSM)
    image = open_input(tmp_path / "a.lsm", series=0)
    assert (image.dims, image.data.shape) == (("t", "c", "z", "y", "x"), (2, 3, 2, 40, 56))
    assert image.scale == {"t": interval, "z": 1.2, "y": 0.65, "x": 0.65}
    assert image.axes_units == {"t": "second", "z": "micrometer", **MICRO}
    assert image.channel_names == ["Ch1-T1", "ChS2-T2", "T PMT-T2"]
    assert image.channel_colors == ["FF0000", "00FF00", "FFFFFF"]
    np.testing.assert_array_equal(image.data[1, 0, 1], STACK[3])
    np.testing.assert_array_equal(image.data[1, 1, 0], 255 - STACK[2])


def test_time_points_that_are_uneven_are_said_and_give_no_interval(tmp_path: Path) -> None:
    fields = {**LSM, "DimensionTime": 3, "DimensionZ": 1, "ScanType": 3}
    lsm(tmp_path / "a.lsm", stamps=(0.0, 1.0, 5.0), **fields)
    with pytest.warns(UserWarning, match=r"time points of .*a\.lsm are not evenly spaced"):
        image = open_input(tmp_path / "a.lsm", series=0)
    assert "t" not in image.scale


@pytest.mark.parametrize(("said", "size"), [("45.5 nm", 0.0455), ("1.25 \xb5m", 1.25), ("800 pm", 0.0008)])
def test_a_zeiss_electron_microscope_says_its_pixel_size(path: Path, said: str, size: float) -> None:
    lines = ["0", "0", "1", "1.2e-07", "AP_PIXEL_SIZE", "Pixel Size = 90.0 nm", "AP_IMAGE_PIXEL_SIZE"]
    text = "\r\n".join([*lines, f"Image Pixel Size = {said}", "AP_WD", "WD = 5.1 mm", ""]).encode("cp1252")
    tifffile.imwrite(path, CAMERA, metadata=None, extratags=[(34118, "s", 0, text, True)])
    image = open_input(path)
    assert (image.scale, image.axes_units) == ({"y": size, "x": size}, MICRO)


@pytest.mark.parametrize(
    ("said", "wide", "size"),
    [
        pytest.param(["AP_WIDTH", "Width = 25.6 \xb5m"], 512, 0.05, id="width"),
        pytest.param(["AP_PIXEL_SIZE", "Pixel Size = 90.0 nm"], 1024, 0.09, id="as-on-screen"),
        pytest.param(["AP_PIXEL_SIZE", "Pixel Size = 90.0 nm"], 512, None, id="on-screen"),
    ],
)
def test_older_electron_microscopes_say_it_otherwise(
    path: Path, said: list[str], wide: int, size: float | None
) -> None:
    text = "\r\n".join(["0", *said, ""]).encode("cp1252")
    pixels = np.tile(CAMERA, 2)[:, :wide]
    tifffile.imwrite(path, pixels, metadata=None, extratags=[(34118, "s", 0, text, True)])
    if size is None:
        with pytest.warns(UserWarning, match=r"pixel size of 0\.09 micrometers on the screen, not of the 512 stored"):
            assert open_input(path).scale is None
    else:
        assert open_input(path).scale == {"y": size, "x": size}


@pytest.mark.parametrize("code", [34680, 34682], ids=["sfeg", "helios"])
def test_fei_says_its_pixel_size_in_meters(path: Path, code: int) -> None:
    said = "[User]\r\nUser=supervisor\r\n[Scan]\r\nPixelWidth=3.3724e-06\r\nPixelHeight=3.3725e-06\r\n"
    printed: Any = {"resolution": (64, 64), "resolutionunit": "INCH"}
    tifffile.imwrite(path, CAMERA, metadata=None, extratags=[(code, "s", 0, said, True)], **printed)
    image = open_input(path)
    assert (image.scale, image.axes_units) == ({"y": 3.3725, "x": 3.3724}, MICRO)


def stk(path: Path, *, waves: tuple[int, ...], distance: tuple[int, int] = (1, 2), calibrated: int = 1) -> None:
    """Write what MetaMorph writes: one page whose strip is followed by those of the other planes."""
    units, name = b"um\0", b"Cy5 confocal\0"
    blocks = [
        struct.pack("<2I", 65, 100), struct.pack("<2I", 13, 20), struct.pack("<I", len(units)) + units,
        struct.pack("<I", len(name)) + name,
    ]  # fmt: skip
    planes = len(waves)
    uic2 = [value for _ in waves for value in (*distance, 2459000, 1000, 2459000, 1000)]
    uic3 = [value for wave in waves for value in (wave, 1)]
    uic1 = [3, calibrated, 4, 0, 5, 0, 6, 0, 7, 0]
    tags = [
        (33628, "I", 2 * 5, uic1, True), (33629, "2I", 3 * planes, uic2, True), (33630, "2I", planes, uic3, True),
    ]  # fmt: skip
    tifffile.imwrite(path, STACK[:planes].reshape(-1, 56), metadata=None, extratags=tags, byteorder="<")
    with path.open("r+b") as file:
        places = []
        for block in blocks:
            places.append(file.seek(0, 2))
            file.write(block)
        file.flush()
        with tifffile.TiffFile(path) as tiff:
            found = {code: (tiff.pages.first.tags[code].offset, tiff.pages.first.tags[code].valueoffset) for code in
                     (33628, 33629, 257, 278, 279)}  # fmt: skip
        for i, place in enumerate(places):
            file.seek(found[33628][1] + 4 * (2 * i + 3))
            file.write(struct.pack("<I", place))
        for code, count in ((33628, 5), (33629, planes)):
            file.seek(found[code][0] + 4)
            file.write(struct.pack("<I", count))
        for code, kind, value in ((257, "<H", 40), (278, "<H", 40), (279, "<I", 40 * 56)):
            file.seek(found[code][1])
            file.write(struct.pack(kind, value))


def test_metamorph_says_calibration_step_and_wavelength(tmp_path: Path) -> None:
    stk(tmp_path / "a.stk", waves=(525, 525, 525))
    image = open_input(tmp_path / "a.stk")
    assert (image.dims, image.scale) == (("z", "y", "x"), {"z": 0.5, "y": 0.65, "x": 0.65})
    assert image.axes_units == {"z": "micrometer", **MICRO}
    assert image.channel_names == ["Cy5 confocal"]
    np.testing.assert_array_equal(image.data[...], STACK[:3])


def test_metamorph_without_calibration_has_no_size(tmp_path: Path) -> None:
    stk(tmp_path / "a.stk", waves=(525, 525), calibrated=0)
    assert open_input(tmp_path / "a.stk").scale == {"z": 0.5}


def test_a_calibration_in_an_unknown_unit_is_said(path: Path) -> None:
    words = METASERIES.format("on", "").replace('value="um"', 'value="furlong"')
    tifffile.imwrite(path, CAMERA, description=words, software="MetaSeries", metadata=None)
    with pytest.warns(UserWarning, match="is calibrated in 'furlong', which is no length that is known"):
        assert open_input(path).scale is None


def test_planes_of_a_wavelength_each_are_channels(tmp_path: Path) -> None:
    stk(tmp_path / "a.stk", waves=(447, 525), distance=(0, 1))
    image = open_input(tmp_path / "a.stk")
    assert (image.dims, image.channel_names) == (("c", "y", "x"), ["447 nm", "525 nm"])
    np.testing.assert_array_equal(image.data[...], STACK[:2])


@pytest.mark.parametrize("distance", [(0, 1), (1, 2)], ids=["unknown", "z"])
def test_planes_of_wavelengths_that_take_turns_are_said(tmp_path: Path, distance: tuple[int, int]) -> None:
    stk(tmp_path / "a.stk", waves=(447, 525, 447, 525), distance=distance)
    with pytest.warns(UserWarning, match="has planes of 2 wavelengths in an order that is not known; say axes"):
        assert open_input(tmp_path / "a.stk").channel_names is None


def test_what_a_maker_says_wrongly_does_not_hide_the_image(tmp_path: Path) -> None:
    broken = SCN.format(dimensions='<dimension r="0" ifd="1"/>').replace("<view", "<vista").replace("</view", "</vista")
    with tifffile.TiffWriter(tmp_path / "a.scn") as tiff:
        tiff.write(CAMERA, description=broken, metadata=None)
        tiff.write(STACK[1], metadata=None)
    with pytest.warns(UserWarning, match=r"What the maker of .*a\.scn says of its pixels is not understood \(KeyError"):
        image = open_input(tmp_path / "a.scn", series="scan")
    np.testing.assert_array_equal(image.data[...], STACK[1])


METASERIES = """<MetaData><PlaneInfo><prop id="spatial-calibration-state" type="bool" value="{}"/>
<prop id="spatial-calibration-x" type="float" value="1.3"/><prop id="spatial-calibration-y" type="float" value="1.3"/>
<prop id="spatial-calibration-units" type="string" value="um"/><prop id="image-name" type="string" value="Cy5"/>
<prop id="wavelength" type="float" value="692"/>{}</PlaneInfo></MetaData>"""


@pytest.mark.parametrize(
    ("state", "setting", "scale", "name"),
    [
        ("on", '<custom-prop id="_IllumSetting_" type="string" value="FITC"/>', {"y": 1.3, "x": 1.3}, "FITC"),
        ("off", "", None, "Cy5"),
    ],
)
def test_planes_of_metaxpress_say_calibration_and_wavelength(
    path: Path, state: str, setting: str, scale: Any, name: str
) -> None:
    options: Any = {"software": "MetaSeries", "metadata": None, "resolution": (15000, 15000), "resolutionunit": "NONE"}
    tifffile.imwrite(path, CAMERA, description=METASERIES.format(state, setting), **options)
    image = open_input(path)
    assert (image.scale, image.channel_names) == (scale, [name])
