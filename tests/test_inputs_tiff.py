"""TIFF: what OME-XML, ImageJ and resolution tags say, colour, series, pyramids, tiles; and nothing is read twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import tifffile

from ome_ngff.exceptions import AxesError, InputError
from ome_ngff.inputs import open_input

CAMERA = skimage.data.camera()
ASTRONAUT = skimage.data.astronaut()
HYPERSTACK = np.stack([np.roll(CAMERA[:40, :56], i, 1).astype("uint16") for i in range(24)]).reshape(2, 3, 4, 40, 56)
SAMPLES = Path(skimage.data.__file__).parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "image.tif"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of bytes of every strip and tile that is read."""
    counts: list[int] = []
    read = tifffile.FileCache.read

    def counted(self: Any, file: Any, offset: int, count: int, *rest: Any) -> bytes:
        counts.append(count)
        return read(self, file, offset, count, *rest)

    monkeypatch.setattr(tifffile.FileCache, "read", counted)
    return counts


def test_ome_tiff_keeps_sizes_units_interval_channels_and_name(path: Path) -> None:
    metadata = {
        "axes": "TCZYX",
        "Name": "mitosis",
        "PhysicalSizeX": 0.1,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 120.0,
        "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 0.5,
        "TimeIncrement": 2.5,
        "TimeIncrementUnit": "min",
        "Channel": {"Name": ["DAPI", "GFP", "mCherry"], "Color": [65535, 16711935, -16776961]},
    }
    tifffile.imwrite(path, HYPERSTACK, ome=True, metadata=metadata)
    image = open_input(path)
    assert image.dims == ("t", "c", "z", "y", "x")
    assert image.scale == {"t": 2.5, "z": 0.5, "y": 120.0, "x": 0.1}
    assert image.axes_units == {"t": "minute", "z": "micrometer", "y": "nanometer", "x": "micrometer"}
    assert image.channel_names == ["DAPI", "GFP", "mCherry"]
    assert image.channel_colors == ["0000FF", "00FF00", "FF0000"]
    assert image.name == "mitosis"
    np.testing.assert_array_equal(image.data[...], HYPERSTACK)


@pytest.mark.parametrize(
    ("size", "unit", "scale", "known"),
    [
        pytest.param(3.0, "pixel", None, None, id="pixels-are-no-size"),
        pytest.param(3.0, "reference frame", {"x": 3.0}, None, id="no-unit"),
        pytest.param(3.0, "Å", {"x": 3.0}, {"x": "angstrom"}, id="angstrom"),
        pytest.param(3.0, "Mm", {"x": 3.0}, {"x": "megameter"}, id="megameter"),
        pytest.param(3.0, "mm", {"x": 3.0}, {"x": "millimeter"}, id="millimeter"),
        pytest.param(3.0, "ft", {"x": 3.0}, {"x": "foot"}, id="foot"),
        pytest.param(3.0, "micrometre", {"x": 3.0}, {"x": "micrometer"}, id="british"),
        pytest.param(3.0, "Nanometers", {"x": 3.0}, {"x": "nanometer"}, id="plural"),
        pytest.param(0.0, "µm", None, None, id="zero"),
        pytest.param(-1.0, "µm", None, None, id="negative"),
        pytest.param(float("inf"), "µm", None, None, id="infinite"),
    ],
)
def test_ome_sizes_that_are_none_are_left_out(path: Path, size: float, unit: str, scale: Any, known: Any) -> None:
    metadata = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeXUnit": unit}
    tifffile.imwrite(path, CAMERA, ome=True, metadata=metadata)
    image = open_input(path)
    assert (image.scale, image.axes_units) == (scale, known)


@pytest.mark.parametrize("unit", ["thou", "s"])
def test_an_ome_size_in_a_unit_that_is_none_is_said(path: Path, unit: str) -> None:
    metadata = {"axes": "YX", "PhysicalSizeX": 3.0, "PhysicalSizeXUnit": unit, "PhysicalSizeY": 0.5}
    tifffile.imwrite(path, CAMERA, ome=True, metadata=metadata)
    with pytest.warns(UserWarning, match=f"has a PhysicalSizeX in '{unit}', which is not a unit that is known for it"):
        assert open_input(path).scale == {"y": 0.5}


def test_the_one_channel_of_a_file_keeps_its_name(path: Path) -> None:
    tifffile.imwrite(path, CAMERA, ome=True, metadata={"axes": "YX", "Channel": {"Name": "DAPI"}})
    image = open_input(path)
    assert (image.dims, image.channel_names, image.channel_colors) == (("y", "x"), ["DAPI"], None)


def test_channels_that_are_all_white_have_no_colours(path: Path) -> None:
    metadata = {"axes": "CYX", "Channel": {"Name": ["a", "b", "c"], "Color": [-1, -1, -1]}}
    tifffile.imwrite(path, HYPERSTACK[0, :, 0], ome=True, metadata=metadata)
    image = open_input(path)
    assert (image.channel_names, image.channel_colors) == (["a", "b", "c"], None)


def test_one_channel_of_colours_gives_way_to_the_colours(path: Path) -> None:
    colours = np.arange(6 * 7 * 3, dtype="uint8").reshape(1, 6, 7, 3)
    tifffile.imwrite(path, colours, photometric="rgb", metadata={"axes": "CYXS"})
    image = open_input(path)
    assert (image.dims, image.channel_names) == (("c", "y", "x"), ["red", "green", "blue"])
    np.testing.assert_array_equal(image.data[...], np.moveaxis(colours[0], -1, 0))


def test_the_colour_of_an_inverted_table_is_its_brightest(path: Path) -> None:
    ramp = np.arange(256, dtype="uint8")
    tables = [np.stack([ramp[::-1]] * 3), np.stack([ramp, ramp, 0 * ramp]), np.stack([ramp[::-1], ramp, 0 * ramp])]
    tifffile.imwrite(path, HYPERSTACK[0, :3, 0], imagej=True, metadata={"axes": "CYX", "LUTs": tables})
    assert open_input(path).channel_colors == ["FFFFFF", "FFFF00", "00FF00"]  # the last of several as bright


@pytest.mark.parametrize("unit", ["micron", "um", "\\u00B5m", "microns"])
def test_imagej_keeps_spacing_interval_unit_and_colours(path: Path, unit: str) -> None:
    ramp = np.arange(256, dtype="uint8")
    none = np.zeros_like(ramp)
    metadata = {
        "axes": "TZCYX",
        "spacing": 1.5,
        "unit": unit,
        "finterval": 0.25,
        "mode": "composite",
        "LUTs": [np.stack(table) for table in ((none, none, ramp), (none, ramp, none), (ramp, ramp, ramp))],
    }
    stack = HYPERSTACK.swapaxes(1, 2)
    tifffile.imwrite(path, stack, imagej=True, resolution=(1 / 0.3, 1 / 0.2), metadata=metadata)
    image = open_input(path)
    assert image.dims == ("t", "c", "z", "y", "x")
    assert image.scale == pytest.approx({"t": 0.25, "z": 1.5, "y": 0.2, "x": 0.3}, rel=1e-6)
    assert image.axes_units == {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
    assert image.channel_colors == ["0000FF", "00FF00", "FFFFFF"]
    np.testing.assert_array_equal(image.data[1, :, 2:, 5:9], HYPERSTACK[1, :, 2:, 5:9])


@pytest.mark.parametrize(("unit", "named"), [("sec", "second"), ("msec", "millisecond"), ("usec", "microsecond")])
def test_imagej_says_the_unit_of_its_frame_interval(path: Path, unit: str, named: str) -> None:
    metadata = {"axes": "TYX", "finterval": 0.25, "tunit": unit}
    tifffile.imwrite(path, HYPERSTACK[:, 0, 0], imagej=True, metadata=metadata)
    image = open_input(path)
    assert (image.scale, image.axes_units) == ({"t": 0.25}, {"t": named})


@pytest.mark.parametrize(
    ("metadata", "resolution"),
    [
        pytest.param({"unit": "pixel", "spacing": 2.0}, (1, 1), id="pixels"),
        pytest.param({}, (4, 4), id="no-unit"),
    ],
)
def test_imagej_without_a_unit_has_no_size(path: Path, metadata: Any, resolution: Any) -> None:
    tifffile.imwrite(path, CAMERA, imagej=True, resolution=resolution, metadata=metadata)
    assert open_input(path).scale is None


@pytest.mark.parametrize(
    ("unit", "resolution"),
    [pytest.param("inch", 72, id="inch"), pytest.param("inch", 1200, id="scan"), pytest.param("cm", 28.35, id="cm")],
)
def test_the_resolution_of_paper_is_no_size_by_way_of_imagej(path: Path, unit: str, resolution: float) -> None:
    options = {"resolution": (resolution, resolution), "metadata": {"axes": "ZYX", "unit": unit, "spacing": 2.0}}
    tifffile.imwrite(path, HYPERSTACK[0, 0], imagej=True, **options)
    with pytest.warns(UserWarning, match=r"image\.tif has a resolution of .* dpi .* not taken as a pixel size"):
        image = open_input(path)
    assert image.scale == {"z": 2.0}


def test_sizes_of_imagej_in_an_unknown_unit_are_said(path: Path) -> None:
    tifffile.imwrite(path, CAMERA, imagej=True, resolution=(4, 4), metadata={"unit": "sec"})
    with pytest.warns(UserWarning, match=r"image\.tif has sizes in 'sec', which is not a unit of length"):
        assert open_input(path).scale is None


def test_a_large_size_that_imagej_names_is_taken(path: Path) -> None:
    tifffile.imwrite(path, CAMERA, imagej=True, resolution=(0.01, 0.02), metadata={"axes": "YX", "unit": "um"})
    assert open_input(path).scale == pytest.approx({"y": 50.0, "x": 100.0})
    tifffile.imwrite(path, CAMERA, imagej=True, resolution=(50, 50), metadata={"axes": "YX", "unit": "cm"})
    assert (open_input(path).scale, open_input(path).axes_units["x"]) == ({"y": 0.02, "x": 0.02}, "centimeter")


@pytest.mark.parametrize("size", [0.1, 0.25, 0.5, 0.65, 1.0, 2.0, 10.0, 24.0])
@pytest.mark.parametrize(("unit", "micrometers"), [("CENTIMETER", 10000), ("INCH", 25400)])
def test_resolution_tags_of_a_microscope_are_a_pixel_size(
    path: Path, size: float, unit: str, micrometers: float
) -> None:
    tifffile.imwrite(path, CAMERA, resolution=(micrometers / size, micrometers / size), resolutionunit=unit)
    image = open_input(path)
    assert image.scale == pytest.approx({"y": size, "x": size}, rel=1e-6)
    assert image.axes_units == {"y": "micrometer", "x": "micrometer"}


PRINTERS = [25.4, 64, 72, 80, 96, 100, 110, 127, 150, 160, 200, 220, 240, 254, 300, 314, 326, 360, 400, 600, 720]
PRINTERS += [75, 90, 120, 144, 180, 192, 350, 1200, 1440, 2400, 2880, 3200, 3600, 4800, 6400, 9600]


@pytest.mark.parametrize(
    ("resolution", "unit"),
    [
        *(pytest.param(dpi, "INCH", id=f"{dpi}-dpi") for dpi in PRINTERS),
        pytest.param(517, "INCH", id="large"),
        pytest.param(1, "INCH", id="one-inch"),
        pytest.param(1, "CENTIMETER", id="one-cm"),
        pytest.param(10, "CENTIMETER", id="vips"),
        pytest.param(28.35, "CENTIMETER", id="72-dpi-in-cm"),
        pytest.param(28, "CENTIMETER", id="72-dpi-in-cm-rounded"),
        pytest.param(399, "CENTIMETER", id="large-cm"),
    ],
)
def test_the_resolution_of_paper_is_said_and_not_taken(path: Path, resolution: float, unit: str) -> None:
    tifffile.imwrite(path, CAMERA, resolution=(resolution, resolution), resolutionunit=unit)
    with pytest.warns(UserWarning, match=r"image\.tif has a resolution of .* not taken as a pixel size. Give scale"):
        image = open_input(path)
    assert (image.scale, image.axes_units) == (None, None)


def test_resolution_tags_without_a_unit_say_nothing(path: Path) -> None:
    tifffile.imwrite(path, CAMERA, resolution=(15400, 15400), resolutionunit="NONE")
    assert open_input(path).scale is None


def test_planes_repeat_no_warning_of_the_first(tmp_path: Path) -> None:
    for i in range(5):
        tifffile.imwrite(tmp_path / f"p{i}.tif", CAMERA + i, resolution=(72, 72), resolutionunit="INCH")
    with pytest.warns(UserWarning, match="72 dpi") as said:
        np.testing.assert_array_equal(open_input(tmp_path).data[2:4, 5, 6], CAMERA[5, 6] + np.array([2, 3]))
    assert len(said) == 1


COLOR_LAYOUTS = [
    pytest.param({"planarconfig": "contig"}, id="interleaved"),
    pytest.param({"planarconfig": "contig", "tile": (64, 96), "compression": "zlib"}, id="interleaved-tiles"),
    pytest.param({"planarconfig": "contig", "rowsperstrip": 100, "compression": "zlib"}, id="interleaved-strips"),
    pytest.param({"planarconfig": "separate"}, id="planes"),
    pytest.param({"planarconfig": "separate", "tile": (64, 96), "compression": "zlib"}, id="plane-tiles"),
    pytest.param({"planarconfig": "separate", "rowsperstrip": 100, "compression": "zlib"}, id="plane-strips"),
]


@pytest.mark.parametrize("layout", COLOR_LAYOUTS)
def test_colour_becomes_the_channel_axis(path: Path, layout: dict[str, Any]) -> None:
    wanted = ASTRONAUT.transpose(2, 0, 1)
    pixels = ASTRONAUT if layout["planarconfig"] == "contig" else wanted
    tifffile.imwrite(path, pixels, photometric="rgb", **layout)
    image = open_input(path)
    assert image.dims == ("c", "y", "x")
    assert image.channel_names == ["red", "green", "blue"]
    assert image.channel_colors == ["FF0000", "00FF00", "0000FF"]
    np.testing.assert_array_equal(image.data[...], wanted)
    np.testing.assert_array_equal(image.data[1:, 70:300:3, 5], wanted[1:, 70:300:3, 5])


def test_alpha_is_a_channel_too(path: Path) -> None:
    tifffile.imwrite(path, np.dstack([ASTRONAUT, ASTRONAUT[..., 0]]), photometric="rgb", extrasamples=["unassalpha"])
    assert open_input(path).channel_names == ["red", "green", "blue", "alpha"]


def test_samples_that_are_no_colour_are_channels_without_names(path: Path) -> None:
    tifffile.imwrite(path, ASTRONAUT, photometric="minisblack", planarconfig="contig")
    image = open_input(path)
    assert (image.dims, image.data.shape, image.channel_names) == (("c", "y", "x"), (3, 512, 512), None)


@pytest.mark.parametrize("axes", ["zyxc", "zcyx", "czyx", "zyxs"])
def test_the_file_not_the_caller_says_where_its_colour_lies(path: Path, axes: str) -> None:
    tifffile.imwrite(path, np.stack([ASTRONAUT, ASTRONAUT[::-1]]), photometric="rgb")
    image = open_input(path, axes=axes)
    assert (image.dims, image.data.shape) == (("c", "z", "y", "x"), (3, 2, 512, 512))
    np.testing.assert_array_equal(image.data[2, 1], ASTRONAUT[::-1, :, 2])


def test_pages_of_a_plain_tiff_are_time_unless_the_caller_says(reads: list[int]) -> None:
    pages = tifffile.imread(SAMPLES / "multipage.tif")
    with pytest.warns(UserWarning, match="72 dpi"):
        assert open_input(SAMPLES / "multipage.tif").dims == ("t", "y", "x")
    with pytest.warns(UserWarning, match="72 dpi"):
        image = open_input(SAMPLES / "multipage.tif", axes="zyx")
    assert image.dims == ("z", "y", "x")
    np.testing.assert_array_equal(image.data[...], pages)


def test_the_error_for_an_unnamed_dimension_shows_the_way_out(path: Path) -> None:
    tifffile.imwrite(path, HYPERSTACK[0], photometric="minisblack")
    with pytest.raises(AxesError, match=r"3x4x40x56.* does not say what .* length 3 is; name all with axes="):
        open_input(path)
    assert open_input(path, axes="czyx").dims == ("c", "z", "y", "x")


def test_dimensions_of_length_one_are_dropped_unless_the_caller_names_them(path: Path) -> None:
    tifffile.imwrite(path, HYPERSTACK[:1, :1], ome=True, metadata={"axes": "TCZYX"})
    assert open_input(path).dims == ("z", "y", "x")
    image = open_input(path, axes="tczyx")
    assert image.data.shape == (1, 1, 4, 40, 56)
    np.testing.assert_array_equal(image.data[...], HYPERSTACK[:1, :1])


@pytest.fixture
def two_series(path: Path) -> Path:
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(HYPERSTACK[0, 0], metadata={"axes": "ZYX", "Name": "overview"})
        tiff.write(CAMERA, metadata={"axes": "YX", "Name": "detail", "PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2})
    return path


def test_the_first_series_is_the_default(two_series: Path) -> None:
    with pytest.warns(UserWarning, match="1 of 2 images"):
        image = open_input(two_series)
    assert (image.name, image.dims, image.scale) == ("overview", ("z", "y", "x"), None)
    np.testing.assert_array_equal(image.data[...], HYPERSTACK[0, 0])


@pytest.mark.parametrize("series", [1, "1", "detail"])
def test_a_series_is_picked_by_index_or_name(two_series: Path, series: int | str) -> None:
    image = open_input(two_series, series=series)
    assert (image.name, image.dims, image.scale) == ("detail", ("y", "x"), {"y": 0.2, "x": 0.2})
    np.testing.assert_array_equal(image.data[...], CAMERA)


@pytest.mark.parametrize("series", [2, -1, "detial"])
def test_a_series_that_is_not_there_is_answered_with_those_that_are(two_series: Path, series: int | str) -> None:
    with pytest.raises(InputError, match=r"no series .*; it has 0 \(overview, 4x40x56\), 1 \(detail, 512x512\)"):
        open_input(two_series, series=series)


def test_of_a_pyramid_the_full_resolution_is_taken(path: Path) -> None:
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(CAMERA, subifds=2, tile=(128, 128), compression="zlib", metadata={"axes": "YX"})
        tiff.write(CAMERA[::2, ::2], subfiletype=1, tile=(128, 128))
        tiff.write(CAMERA[::4, ::4], subfiletype=1, tile=(128, 128))
    image = open_input(path)
    assert image.data.chunks == (128, 128)
    np.testing.assert_array_equal(image.data[...], CAMERA)


def test_several_files_of_one_ome_tiff_are_one_image(tmp_path: Path) -> None:
    names = ["a.ome.tif", "b.ome.tif"]
    planes = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{z:036d}</UUID></TiffData>'
        for z, name in enumerate(names)
    )
    for z, name in enumerate(names):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{z:036d}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="56" SizeY="40" '
            f'SizeZ="2" SizeC="1" SizeT="1" PhysicalSizeZ="3"><Channel ID="Channel:0:0"/>{planes}'
            "</Pixels></Image></OME>"
        )
        tifffile.imwrite(tmp_path / name, HYPERSTACK[0, 0, z], description=xml, metadata=None)
    image = open_input(tmp_path / names[0])
    assert (image.dims, image.scale) == (("z", "y", "x"), {"z": 3.0})
    np.testing.assert_array_equal(image.data[...], HYPERSTACK[0, 0, :2])


def test_only_the_tiles_that_a_slice_touches_are_read(path: Path, reads: list[int]) -> None:
    stack = np.stack([CAMERA] * 5)
    tifffile.imwrite(path, stack, tile=(64, 64), compression="zlib", metadata={"axes": "ZYX"}, photometric="minisblack")
    image = open_input(path)
    assert reads == []
    np.testing.assert_array_equal(image.data[3, 60:70, 128:192], CAMERA[60:70, 128:192])
    assert len(reads) == 2


def test_only_the_strips_that_a_slice_touches_are_read(path: Path, reads: list[int]) -> None:
    stack = np.stack([CAMERA] * 5)
    options = {"rowsperstrip": 50, "compression": "zlib", "photometric": "minisblack", "metadata": {"axes": "ZYX"}}
    tifffile.imwrite(path, stack, **options)
    np.testing.assert_array_equal(open_input(path).data[1:3, 499:501], stack[1:3, 499:501])
    assert len(reads) == 4


def test_a_file_larger_than_the_memory_is_sliced(path: Path) -> None:
    shape = (2048, 2048, 4096)  # 32 GiB, of which two pages are on the disk
    stack = tifffile.memmap(path, shape=shape, dtype="uint16", photometric="minisblack", metadata={"axes": "ZYX"})
    stack[2000, 1000, 3000:3004] = [1, 2, 3, 4]
    del stack
    image = open_input(path)
    assert image.data.shape == shape
    np.testing.assert_array_equal(image.data[1999:2001, 1000, 3001:3005], [[0, 0, 0, 0], [2, 3, 4, 0]])


def test_rows_longer_than_a_window_of_the_map_are_read_right(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ome_ngff.inputs.files._WINDOW", 1000)
    tifffile.imwrite(path, HYPERSTACK, ome=True, metadata={"axes": "TCZYX"})
    data = open_input(path).data
    np.testing.assert_array_equal(data[...], HYPERSTACK)
    np.testing.assert_array_equal(data[1, 1:3, ::2, 3:38, -9:], HYPERSTACK[1, 1:3, ::2, 3:38, -9:])


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64"]
)
@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"byteorder": ">"}], ids=["raw", "zlib", "big-endian"]
)
def test_every_type_comes_in_the_byte_order_of_the_machine(path: Path, dtype: str, options: dict[str, Any]) -> None:
    pixels = (CAMERA > 100) if dtype == "bool" else CAMERA.astype(dtype)
    tifffile.imwrite(path, pixels, **options)
    data = open_input(path).data
    assert (data.dtype, data[3:5].dtype) == (np.dtype(dtype), np.dtype(dtype))
    np.testing.assert_array_equal(data[...], pixels)


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_of_plain_pages_that_lie_apart_the_rows_are_read(path: Path, reads: list[int], byteorder: str) -> None:
    with tifffile.TiffWriter(path, byteorder=byteorder) as tiff:
        for plane in HYPERSTACK[0, 0]:
            tiff.write(plane, contiguous=False, metadata=None)
    data = open_input(path, axes="zyx").data
    np.testing.assert_array_equal(data[1:3, 5:8, 10:], HYPERSTACK[0, 0, 1:3, 5:8, 10:])
    assert reads == [3 * 56 * 2] * 2
    np.testing.assert_array_equal(data[...], HYPERSTACK[0, 0])


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "rowsperstrip": 100}], ids=["raw", "zlib"])
@pytest.mark.parametrize(("kind", "scaled"), [(2, CAMERA.astype("float32") ** 2 / 8), (128, CAMERA / 8)])
def test_the_counts_of_a_gel_scanner_are_scaled(path: Path, kind: int, scaled: Any, options: dict[str, Any]) -> None:
    tags = [(33445, "I", 1, kind, True), (33446, "2I", 1, (1, 8), True)]
    tifffile.imwrite(path, CAMERA.astype("uint16"), metadata=None, extratags=tags, **options)
    data = open_input(path).data
    assert (data.dtype, data[3:5].dtype) == (np.dtype("float32"), np.dtype("float32"))
    np.testing.assert_array_equal(data[...], scaled)


def test_complex_pixels_are_refused(path: Path) -> None:
    tifffile.imwrite(path, CAMERA.astype("complex64"))
    with pytest.raises(InputError, match="complex64"):
        open_input(path)


def test_a_compression_that_nobody_decodes_is_named(path: Path) -> None:
    tifffile.imwrite(path, CAMERA, compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages.first.tags["Compression"].overwrite(34661)
    with pytest.raises(InputError, match="compressed with JBIG, which cannot be decoded"):
        open_input(path)


@pytest.mark.parametrize("compression", ["lzw", "zstd", "lzma", "packbits", "jpeg2000"])
@pytest.mark.parametrize("tile", [pytest.param(None, id="strips"), pytest.param((64, 64), id="tiles")])
def test_pixels_of_the_usual_compressions_are_read(path: Path, compression: str, tile: Any) -> None:
    tifffile.imwrite(path, CAMERA, compression=compression, tile=tile)
    np.testing.assert_array_equal(open_input(path).data[...], CAMERA)


def test_jpeg_of_slides_is_read_as_colour(path: Path) -> None:
    from skimage.data import astronaut

    tifffile.imwrite(
        path, astronaut(), compression="jpeg", tile=(128, 128), photometric="rgb", compressionargs={"level": 95}
    )
    image = open_input(path)
    assert (image.dims, image.channel_names) == (("c", "y", "x"), ["red", "green", "blue"])
    off = np.abs(np.moveaxis(np.asarray(image.data[...], int), 0, -1) - astronaut())
    assert np.median(off) <= 3


def test_a_broken_strip_is_an_input_error_that_names_the_page(path: Path) -> None:
    tifffile.imwrite(
        path, np.stack([CAMERA] * 3), compression="zlib", photometric="minisblack", metadata={"axes": "ZYX"}
    )
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[1].dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"garbage")
    image = open_input(path)
    np.testing.assert_array_equal(image.data[2], CAMERA)
    with pytest.raises(InputError, match=r"Page 1 of .* cannot be read: its strip 0 is broken: "):
        image.data[1]


def test_a_broken_tile_is_named(path: Path) -> None:
    tifffile.imwrite(path, CAMERA, compression="zlib", tile=(128, 128))
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages.first.dataoffsets[6]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"garbage")
    with pytest.raises(InputError, match=r"Page 0 of .* cannot be read: its tile 6 is broken: "):
        open_input(path).data[...]


def test_a_tiff_without_pages_says_so(path: Path) -> None:
    path.write_bytes(b"II*\0" + bytes(200))
    with pytest.raises(InputError, match="cannot be read as a TIFF file: it has no pages"):
        open_input(path)


def test_a_strip_that_was_never_written_is_zero(path: Path) -> None:
    tifffile.imwrite(path, CAMERA + 1, compression="zlib", rowsperstrip=256)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        counts = tiff.pages.first.tags["StripByteCounts"]
        counts.overwrite([counts.value[0], 0])
    data = open_input(path).data[...]
    np.testing.assert_array_equal(data[:256], CAMERA[:256] + 1)
    assert not data[256:].any()


def test_threads_that_begin_at_once_read_the_right_pages(tmp_path: Path) -> None:
    pages = np.random.default_rng(0).integers(0, 999, (2, 3, 4, 40, 50), "u2")
    for turn in range(12):  # each a file that nobody has parsed yet
        place = tmp_path / f"{turn}.ome.tif"
        tifffile.imwrite(place, pages, metadata={"axes": "TCZYX"}, compression="zlib", tile=(16, 16))
        source = open_input(place).data
        with ThreadPoolExecutor(8) as pool:
            read = list(pool.map(lambda index, of=source: np.asarray(of[index]), np.ndindex(2, 3, 4)))
        np.testing.assert_array_equal(np.reshape(read, pages.shape), pages)
