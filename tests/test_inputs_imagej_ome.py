"""ImageJ's and OME's words about planes: units of each axis, labels, contrast, times, places, dyes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import tifffile

from ome_ngff import AxesError, convert, open_image, write_image
from ome_ngff.inputs import open_input

CAMERA = skimage.data.camera()
STACK = np.stack([np.roll(CAMERA[:40, :56], i, 1).astype("uint16") * 9 for i in range(12)]).reshape(2, 3, 2, 40, 56)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "image.tif"


def imagej(path: Path, **metadata: Any) -> None:
    """Write a hyperstack of 2 t, 3 z, 2 c as ImageJ does."""
    words = {"axes": "TZCYX", "unit": "um", **metadata}
    tifffile.imwrite(path, STACK, imagej=True, resolution=(1 / 0.325, 1 / 0.5), metadata=words)


def test_each_axis_of_imagej_may_have_a_unit_of_its_own(path: Path) -> None:
    imagej(path, unit="nm", yunit="\\u00B5m", zunit="mm", spacing=0.002, finterval=3.0)
    image = open_input(path)
    assert image.scale == pytest.approx({"t": 3.0, "z": 0.002, "y": 0.5, "x": 0.325})
    assert image.axes_units == {"t": "second", "z": "millimeter", "y": "micrometer", "x": "nanometer"}


def test_without_a_unit_of_imagej_the_tags_say_the_size(path: Path) -> None:
    words: Any = {
        "resolution": (20000, 40000),
        "resolutionunit": "CENTIMETER",
        "metadata": {"axes": "ZYX", "spacing": 3},
    }
    tifffile.imwrite(path, STACK[0, :, 0], imagej=True, **words)
    image = open_input(path)
    assert image.scale == {"y": 0.25, "x": 0.5}
    assert image.axes_units == {"y": "micrometer", "x": "micrometer"}


def test_an_axis_of_imagej_in_pixels_has_no_size(path: Path) -> None:
    imagej(path, zunit="pixel", spacing=7.0)
    image = open_input(path)
    assert "z" not in image.scale
    assert image.axes_units == {"y": "micrometer", "x": "micrometer"}


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        pytest.param([f"c:{c + 1}/2 z:{z + 1}/3 - {n}" for z in range(3) for c, n in enumerate(("DAPI", "GFP"))] * 2,
                     ["DAPI", "GFP"], id="split"),
        pytest.param(["DAPI", "GFP"] * 6, ["DAPI", "GFP"], id="plain"),
        pytest.param([f"slice {i}" for i in range(12)], None, id="of-slices"),
        pytest.param(["DAPI", ""] * 6, None, id="half"),
        pytest.param(["DAPI"], None, id="one"),
    ],
)  # fmt: skip
def test_labels_of_slices_name_channels_where_all_agree(path: Path, labels: list[str], names: Any) -> None:
    imagej(path, Labels=labels)
    image = open_input(path)
    assert image.channel_names == names
    np.testing.assert_array_equal(image.data[...], STACK.swapaxes(1, 2))


RANGES = (100.0, 2000.0, 50.0, 900.0)


def windows(place: Any) -> list[tuple[float, float]]:
    return [(channel.window.start, channel.window.end) for channel in open_image(place).metadata.omero.channels]


@pytest.mark.parametrize("way", ["convert", "write_image"])
def test_imagejs_display_ranges_are_the_contrast(path: Path, tmp_path: Path, way: str) -> None:
    imagej(path, Ranges=RANGES)
    assert open_input(path).channel_windows == [(100.0, 2000.0), (50.0, 900.0)]
    if way == "convert":
        convert(path, tmp_path / "a.ome.zarr")
    else:
        write_image(open_input(path), tmp_path / "a.ome.zarr")
    assert windows(tmp_path / "a.ome.zarr") == [(100.0, 2000.0), (50.0, 900.0)]


def test_the_range_of_one_channel_is_min_and_max(path: Path, tmp_path: Path) -> None:
    tifffile.imwrite(path, STACK[0, 0, 0], imagej=True, metadata={"axes": "YX", "min": 12.0, "max": 345.0})
    convert(path, tmp_path / "a.ome.zarr")
    assert windows(tmp_path / "a.ome.zarr") == [(12.0, 345.0)]


ENDLESS = (float("-inf"), float("inf"), 50.0, 900.0)


@pytest.mark.parametrize(
    "ranges", [(100.0, 2000.0), (5.0, 5.0, 50.0, 900.0), ENDLESS], ids=["too-few", "empty", "endless"]
)
def test_ranges_that_do_not_fit_are_measured(path: Path, ranges: tuple[float, ...]) -> None:
    imagej(path, Ranges=ranges)
    assert open_input(path).channel_windows is None


# OME -----------------------------------------------------------------------------------------------------------------


def ome(path: Path, planes: dict[str, list[Any]], **metadata: Any) -> None:
    """Write an OME-TIFF of 2 t, 3 z, 2 c with attributes of its planes."""
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
    words = {"axes": "TZCYX", "Plane": planes, **sizes, **metadata}
    tifffile.imwrite(path, STACK, ome=True, metadata={k: v for k, v in words.items() if v is not None})


def of_planes(t: Any = lambda t: t, z: Any = lambda z: 0.0, c: Any = lambda c: 0.0) -> list[float]:
    return [t(i) + z(j) + c(k) for i in range(2) for j in range(3) for k in range(2)]


def test_the_times_of_planes_are_the_interval_where_none_is_stated(path: Path) -> None:
    times = of_planes(lambda t: 2500.0 * t, lambda z: 40.0 * z, lambda c: 10.0 * c)
    ome(path, {"DeltaT": times, "DeltaTUnit": ["ms"] * 12})
    image = open_input(path)
    assert (image.scale["t"], image.axes_units["t"]) == (2500.0, "millisecond")


def test_a_stated_interval_wins_over_the_times_of_planes_with_a_word(path: Path) -> None:
    words: Any = {"TimeIncrement": 2.0, "TimeIncrementUnit": "s"}
    ome(path, {"DeltaT": of_planes(lambda t: 2.1 * t)}, **words)
    assert open_input(path).scale["t"] == 2.0
    ome(path, {"DeltaT": of_planes(lambda t: 2.6 * t)}, **words)
    with pytest.warns(UserWarning, match=r"says a TimeIncrement of 2, but its planes are 2\.6 seconds apart"):
        assert open_input(path).scale["t"] == 2.0


def test_uneven_times_give_no_interval_and_are_said(path: Path) -> None:
    stack = STACK.reshape(6, 2, 40, 56)[:4, 0]
    times = {"DeltaT": [0.0, 1.0, 5.0, 6.0]}
    tifffile.imwrite(path, stack, ome=True, metadata={"axes": "TYX", "Name": "cells", "Plane": times})
    with pytest.warns(UserWarning, match=r"planes of image \(DeltaT\) are not even, so it has no interval"):
        assert open_input(path).scale is None


def test_the_stage_position_is_where_the_first_pixel_is(path: Path) -> None:
    words = {"PositionX": [0.1] * 12, "PositionXUnit": ["mm"] * 12, "PositionY": [-50.0] * 12}
    words |= {"PositionYUnit": ["µm"] * 12, "PositionZ": of_planes(lambda t: 7.0, lambda z: 1.5 * z)}
    words["PositionZUnit"] = ["µm"] * 12
    ome(path, words)
    image = open_input(path)
    assert image.translation == {"z": 7.0, "y": -50.0, "x": 100.0}
    assert image.scale == {"z": 1.5, "y": 0.5, "x": 0.5}
    assert image.axes_units == dict.fromkeys("zyx", "micrometer")
    np.testing.assert_array_equal(image.data[1, 1, 2], STACK[1, 2, 1])


@pytest.mark.parametrize(
    ("values", "unit", "words", "message"),
    [
        pytest.param([100.0] * 12, None, {}, "they or its pixels have no unit of length", id="reference-frame"),
        pytest.param([100.0] * 12, "µm", {"PhysicalSizeX": None}, "they or its pixels have no unit", id="no-size"),
        pytest.param(of_planes(lambda t: 9.0 * t), "µm", {}, "they differ from plane to plane", id="moving"),
    ],
)
def test_positions_that_are_not_plain_are_said(path: Path, values: Any, unit: Any, words: Any, message: str) -> None:
    ome(path, {"PositionX": values, **({"PositionXUnit": [unit] * 12} if unit else {})}, **words)
    with pytest.warns(UserWarning, match=f"stage positions of image along x are not kept: {message}"):
        assert open_input(path).translation is None


def test_z_positions_that_contradict_the_step_are_said(path: Path) -> None:
    places = {"PositionZ": of_planes(lambda t: 0, lambda z: 5.0 - z), "PositionZUnit": ["µm"] * 12}
    ome(path, places, PhysicalSizeZ=1.0, PhysicalSizeZUnit="µm")
    with pytest.warns(UserWarning, match="along z are not kept: they differ"):
        image = open_input(path)
    assert (image.scale["z"], image.translation) == (1.0, None)


@pytest.mark.parametrize("value", ["NaN", "inf", "1,5", "abc"])
@pytest.mark.parametrize("key", ["PositionX", "DeltaT"])
def test_what_planes_say_wrongly_does_not_hide_the_image(path: Path, key: str, value: str) -> None:
    words = {"PositionX": [7.0] * 12, "PositionXUnit": ["µm"] * 12, "DeltaT": of_planes(lambda t: 2.5 * t)}
    ome(path, words)
    with tifffile.TiffFile(path) as tiff:
        xml = tiff.ome_metadata or ""
    tifffile.tiffcomment(path, re.sub(rf'{key}="[^"]*"', f'{key}="{value}"', xml).encode())
    with pytest.warns(UserWarning, match="Not all times and stage positions of image are kept, for the planes say"):
        image = open_input(path)
    assert image.scale == {"y": 0.5, "x": 0.5, **({"t": 2.5} if key == "PositionX" else {})}
    assert image.translation is None
    np.testing.assert_array_equal(image.data[1, 1, 2], STACK[1, 2, 1])


def test_places_of_planes_that_are_empty_are_none(path: Path) -> None:
    ome(path, {"PositionX": [""] * 12, "TheT": [""] * 12})
    assert open_input(path).translation is None


def test_a_dye_names_a_channel_that_has_no_name(path: Path) -> None:
    ome(path, {}, Channel={"Name": ["", "GFP"], "Fluor": ["DAPI", "Alexa 488"]})
    assert open_input(path).channel_names == ["DAPI", "GFP"]


def test_a_stack_scanned_downwards_has_its_step(path: Path) -> None:
    imagej(path, unit="um", spacing=-0.5)
    assert open_input(path).scale["z"] == 0.5


def scifio(path: Path, axes: str, lengths: str, scales: str, units: str) -> None:
    """Write six pages as ImageJ2 does, whose words for ImageJ say less, and whose tags are pixels per centimetre."""
    words = {"SCIFIO": "0.42.0", "axes": axes, "lengths": lengths, "scales": scales, "units": units, "images": 6}
    said = "\n".join(f"{word}={value}" for word, value in {**words, "channels": 2, "slices": 3, "unit": "um"}.items())
    tags: Any = {"resolution": (20000, 40000), "resolutionunit": "CENTIMETER", "photometric": "minisblack"}
    tifffile.imwrite(path, STACK[0].reshape(6, *STACK.shape[-2:]), description=said, metadata=None, **tags)


@pytest.mark.parametrize(
    ("axes", "lengths", "shape", "order"),
    [
        pytest.param("X,Y,Z,Channel", "{},{},3,2", (2, 3), (0, 1), id="slices-first"),
        pytest.param("X,Y,Channel,Z", "{},{},2,3", (3, 2), (1, 0), id="channels-first"),
        pytest.param("X,Y,Lifetime,Z,Channel", "{},{},1,3,2", (2, 3), (0, 1), id="one-of-another-axis"),
    ],
)
def test_scifio_lists_axes_in_its_own_order(
    path: Path, axes: str, lengths: str, shape: tuple[int, ...], order: tuple[int, ...]
) -> None:
    each = {"X": ("0.5", "um"), "Y": ("0.25", "um"), "Z": ("2000", "nm")}
    scales, units = (",".join(each.get(word, ("1.0", "null"))[k] for word in axes.split(",")) for k in (0, 1))
    scifio(path, axes, lengths.format(*STACK.shape[:-3:-1]), scales, units)
    image = open_input(path)
    assert image.dims == ("c", "z", "y", "x")
    assert image.scale == {"z": 2000.0, "y": 0.25, "x": 0.5}
    assert image.axes_units == {"z": "nanometer", "y": "micrometer", "x": "micrometer"}
    pages = STACK[0].reshape(*shape, *STACK.shape[-2:]).transpose(*order, 2, 3)
    np.testing.assert_array_equal(np.asarray(image.data), pages)


def test_pages_of_an_axis_that_scifio_does_not_name_ask_for_it(path: Path) -> None:
    scifio(path, "X,Y,Unknown", ",".join(map(str, (*STACK.shape[:-3:-1], 6))), "1,1,1", "null,null,null")
    with pytest.raises(AxesError, match="does not say what its dimension of length 6 is"):
        open_input(path)
