"""Previews: which pixels are seen, in which colours, with which labels and which bar; in Python and as a command."""

from __future__ import annotations

import base64
import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import skimage.data
import skimage.segmentation
import zarr
from click.testing import CliRunner, Result
from PIL import Image

import ome_ngff
from ome_ngff import (
    Axis,
    InputError,
    LabelError,
    MissingError,
    Multiscales,
    NgffImage,
    OptionError,
    open_image,
    to_multiscales,
    write_image,
    write_labels,
)
from ome_ngff.cli import main
from ome_ngff.cli.preview import escapes, terminal_protocol
from ome_ngff.format import Format
from ome_ngff.show.bar import bar_for, draw_bar
from ome_ngff.show.contrast import CYCLE, parse_color, window_of
from ome_ngff.show.contrast import shown as ends_of
from ome_ngff.show.paint import blend, edges, overlay
from ome_ngff.show.view import READ, look
from ome_ngff.spec import decode_colors
from ome_ngff.spec.metadata import Omero, OmeroChannel, OmeroWindow
from ome_ngff.store.zip import pack

REFERENCE = Path(__file__).parent / "data" / "preview.png"
COMMAND = [sys.executable, "-W", "error", "-m", "ome_ngff", "preview"]
UM = {"y": "micrometer", "x": "micrometer"}
COINS = skimage.data.coins()
PIECES = skimage.segmentation.slic(COINS, 40, channel_axis=None, start_label=0)


def pyramid(data: Any, dims: str = "yx", factors: Any = (), **facts: Any) -> Multiscales:
    """Make a pyramid in memory."""
    return to_multiscales(NgffImage(data, tuple(dims), **facts), list(factors), method="nearest")


def shown(data: Any, dims: str = "yx", **words: Any) -> np.ndarray[Any, Any]:
    """Return the pixels of a picture without a bar."""
    return pyramid(data, dims).preview(bar=False, **words).pixels


def window(start: float, end: float) -> OmeroWindow:
    return OmeroWindow(0, 1, start, end)


def process(*words: Any, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    known = {**os.environ, "PYTHONPATH": str(Path(ome_ngff.__file__).parent.parent), **environment}
    return subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, env=known, check=False)


def run(*words: Any, code: int = 0) -> Result:
    """Run the command in this process."""
    result = CliRunner().invoke(main, ["preview", *map(str, words)])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def hills(*centres: tuple[float, float]) -> np.ndarray[Any, Any]:
    """Draw smooth round hills of 64 x 80 pixels."""
    y, x = np.mgrid[:64, :80]
    return sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / 90) for a, b in centres)


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Write two channels in three planes with labels: what the stored picture shows."""
    image, labels = np.zeros((2, 3, 64, 80), "uint16"), np.zeros((64, 80), "uint8")
    near, far = hills((20, 20), (40, 30)), hills((35, 55), (20, 22))
    image[0, 0], image[1, 2] = 1000 * near, 4000 * far
    for number, hill in enumerate([hills((20, 20)), hills((40, 30)), hills((35, 55))], 1):
        labels[hill > 0.5] = number
    space = {"scale": {"y": 0.25, "x": 0.25}, "axes_units": UM, "chunks": 32}
    write_image(image, tmp_path / "cells.zarr", axes="czyx", name="cells", scale_factors=[2], **space)
    write_labels(labels, tmp_path / "cells.zarr", "nuclei", axes="yx", scale_factors=[2], **space)
    return tmp_path / "cells.zarr"


# Channels ------------------------------------------------------------------------------------------------------------


def test_a_channel_has_the_colour_and_the_window_of_omero() -> None:
    data = np.zeros((2, 512, 512), "uint16")
    data[0, :100], data[0, 100:200], data[1, 150:300] = 300, 200, 999
    image = pyramid(data, "cyx")
    image.metadata.omero = Omero([OmeroChannel("FF8000", window(100, 300)), OmeroChannel("#0000ff", window(0, 1000))])
    pixels = image.preview(bar=False).pixels
    assert pixels.shape == (512, 512, 3)
    assert pixels.dtype == np.uint8
    seen = [tuple(map(int, pixels[y, 0])) for y in (50, 120, 180, 250, 400)]
    assert seen == [(255, 128, 0), (128, 64, 0), (128, 64, 255), (0, 0, 255), (0, 0, 0)]


def test_inactive_channels_are_left_out_unless_asked_for() -> None:
    image = pyramid(np.ones((3, 512, 8), "uint8"), "cyx", channel_names=["DAPI", "GFP", "off"])
    said = [
        OmeroChannel(color, window(0, 1), extra={"active": color != "0000FF"})
        for color in ("FF0000", "00FF00", "0000FF")
    ]
    image.metadata.omero = Omero(said)
    assert image.preview(bar=False).pixels[0, 0].tolist() == [255, 255, 0]
    assert image.preview(bar=False, channels=["off"]).pixels[0, 0].tolist() == [0, 0, 255]
    assert image.preview(bar=False, channels=[2, "DAPI"]).pixels[0, 0].tolist() == [255, 0, 255]
    with pytest.raises(OptionError, match=r"There is no channel 'GPF'. Did you mean 'GFP'\? Known: DAPI, GFP, off."):
        image.preview(channels=["GPF"])


def test_without_omero_the_contrast_is_that_of_the_pixels_seen() -> None:
    plane = np.random.default_rng(0).normal(500, 100, (512, 512)).astype("uint16")
    low, high = np.percentile(plane.astype(float), [0.1, 99.9], method="nearest")
    wanted = np.rint(np.clip((plane - low) / (high - low), 0, 1) * 255)
    np.testing.assert_allclose(shown(plane)[..., 0], wanted, atol=1)


def test_an_inverted_channel_is_dark_where_it_is_strong() -> None:
    image = pyramid(np.array([[0, 100]], "uint8"))
    image.metadata.omero = Omero([OmeroChannel("FFFFFF", window(0, 100), extra={"inverted": True})])
    assert image.preview(bar=False).pixels[0, [0, -1], 0].tolist() == [255, 0]


@pytest.mark.parametrize(
    ("plane", "ends", "brightest"),
    [
        pytest.param(np.eye(4, dtype=bool), (0, 1), 255, id="bool"),
        pytest.param(np.array([[-5, 0, 7]], "int64"), (-5, 7), 255, id="signed"),
        pytest.param(np.array([[0.25, np.nan, -np.inf, 3]], "float16"), (0.25, 3), 255, id="float-with-nan"),
        pytest.param(np.full((3, 3), np.nan), (0, 1), 0, id="nothing-finite"),
        pytest.param(np.full((3, 3), 7, "uint8"), (0, 255), 7, id="all-alike"),
        pytest.param(np.eye(100, dtype="uint8")[:1].repeat(100, 0) * 9, (0, 9), 255, id="some"),
    ],
)
def test_contrast_reaches_from_dark_to_bright_in_every_type(
    plane: Any, ends: tuple[float, float], brightest: int
) -> None:
    assert ends_of(window_of(plane)) == ends
    assert shown(plane).max() == brightest


def test_nan_is_black() -> None:
    assert blend([np.array([[np.nan, 1.0, np.inf]])], [(0, 1)], ["FFFFFF"])[0, :, 0].tolist() == [0, 255, 255]


def test_channels_that_are_bright_in_one_place_stay_bright_there() -> None:
    bright = np.array([[0, 60, 100]], "uint8")
    for colors, wanted in ((["FFFFFF"] * 2, [0, 255, 255]), (["FFFFFF", "808080", "FFFFFF"], [0, 255, 255])):
        seen = blend([bright] * len(colors), [(0, 100)] * len(colors), colors)
        assert seen[0].tolist() == [[value] * 3 for value in wanted]


def test_a_photograph_keeps_its_colours() -> None:
    photograph = np.moveaxis(skimage.data.astronaut(), -1, 0)
    np.testing.assert_array_equal(shown(photograph, "cyx"), skimage.data.astronaut())
    deep = pyramid(photograph.astype("uint16") * 100, "cyx", channel_colors=["FF0000", "00FF00", "0000FF"])
    np.testing.assert_allclose(deep.preview(bar=False).pixels, skimage.data.astronaut(), atol=2)


@pytest.mark.parametrize("text", ["#00ff00", "00FF00", "00ff00ff"])
def test_colours_are_read_as_people_write_them(text: str) -> None:
    assert parse_color(text) == (0, 255, 0)
    assert parse_color("green?") == (255, 255, 255)


# Planes and levels ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", ["zyx", "czyx", "tczyx", "zyxc", "tzyx", "xyz"])
def test_maximum_and_middle_projections_work_in_any_order_of_axes(dims: str) -> None:
    volume = np.random.default_rng(1).integers(0, 256, (5, 512, 20), "uint8")
    image = pyramid(volume, "zyx")
    order = [("z", "y", "x").index(d) for d in dims if d in "zyx"]
    shape = [{"z": 5, "y": 512, "x": 20}.get(d, 1) for d in dims]
    image.images[0] = NgffImage(da.from_array(volume.transpose(order).reshape(shape), chunks=7), tuple(dims))
    image.metadata.axes = [Axis.parse(d) for d in dims]
    image.metadata.omero = Omero([OmeroChannel("FFFFFF", window(0, 255))])
    brightest, middle = (image.preview(bar=False, projection=p).pixels for p in ("max", "middle"))
    np.testing.assert_array_equal(brightest[..., 1], volume.max(0))
    np.testing.assert_array_equal(middle[..., 1], volume[2])


def test_the_first_time_point_is_seen_unless_another_is_asked_for() -> None:
    data = np.stack([np.eye(512, dtype="uint8"), np.eye(512, dtype="uint8")[::-1]])
    assert shown(data, "tyx")[0, 0, 0] == 255
    assert shown(data, "tyx", time=1)[0, 0, 0] == 0
    with pytest.raises(MissingError, match="There is no time point 2; there are 0 to 1"):
        shown(data, "tyx", time=2)


def test_only_the_coarsest_level_of_at_least_512_pixels_is_read() -> None:
    image = pyramid(np.arange(2048 * 1100, dtype="uint32").reshape(2048, 1100), factors=[2, 4, 8])

    class Untouchable:
        ndim, dtype = 2, np.dtype("uint32")

        def __init__(self, shape: tuple[int, ...]) -> None:
            self.shape = shape

        def __getitem__(self, box: Any) -> Any:
            raise AssertionError(box)

    for k in (0, 1, 3):
        image.images[k].data = da.from_array(
            Untouchable(image.images[k].data.shape), asarray=False, meta=np.empty((0, 0))
        )
    preview = image.preview()
    assert preview.pixels.shape == (512, 275, 3)
    assert "level 2 of 0 to 3 as 275 x 512 pixels" in preview.text


def huge(*levels: tuple[int, ...]) -> Multiscales:
    """Make a pyramid that would not fit in any memory."""
    image = pyramid(np.zeros((2, 2, 2), "uint16"), "zyx")
    image.images = [NgffImage(da.zeros(shape, dtype="uint16", chunks=256), ("z", "y", "x")) for shape in levels]
    return image


def test_a_level_too_large_to_read_gives_way_to_a_coarser_one() -> None:
    image = huge((8000, 8000, 8000), (1000, 1000, 1000), (500, 500, 500), (100, 100, 100))
    assert "level 2" in str(look(image))
    assert "level 1" in str(look(image, projection="middle"))


def test_the_middle_plane_is_seen_where_no_level_is_quick_to_read() -> None:
    alone = huge((8000, 8000, 8000))
    alone.chunks = {"z": 4}
    assert "level 0 of 0 to 0 as 533 x 533 pixels; plane 4000 of 0 to 7999" in str(look(alone))
    assert look(alone).plane.bytes_read("middle") < READ
    alone.chunks = {"z": 64}
    with pytest.raises(
        InputError, match=r"7\.6 GiB; add levels \(ome-ngff scale --in-place\), or take level=0 to read"
    ):
        look(alone)


def test_a_level_that_is_asked_for_is_seen_pixel_by_pixel() -> None:
    data = np.random.default_rng(2).integers(0, 2, (1600, 1200), "uint8") * 255
    image = pyramid(data, factors=[2])
    np.testing.assert_array_equal(image.preview(level=0, bar=False).pixels[..., 0], data)
    np.testing.assert_array_equal(image.preview(level=-1, bar=False).pixels[..., 0], data[::2, ::2])
    with pytest.raises(MissingError, match="There is no level 2; there are 0 to 1"):
        image.preview(level=2)
    with pytest.raises(InputError, match="20000 x 20000 pixels; take a coarser level"):
        pyramid(da.zeros((20000, 20000), dtype="uint8")).preview(level=0)


def test_without_a_small_level_a_large_one_is_averaged() -> None:
    data = np.random.default_rng(3).integers(0, 256, (1536, 1600)).astype("uint8")
    means = data[:, :].reshape(512, 3, -1).mean(1)[:, :1599].reshape(512, 533, 3).mean(2)
    pixels = shown(data)[..., 0]
    assert pixels.shape == (512, 533)
    assert np.corrcoef(pixels.ravel(), means.ravel())[0, 1] > 0.7


def test_a_small_image_is_enlarged_by_a_whole_factor() -> None:
    data = np.random.default_rng(4).integers(0, 2, (60, 100), bool)
    np.testing.assert_array_equal(shown(data)[..., 0], data.repeat(5, 0).repeat(5, 1) * 255)


def test_pixels_are_made_square() -> None:
    data = np.zeros((300, 600), "uint8")
    data[100:200, 300:500] = 1
    image = pyramid(data, scale={"y": 0.2, "x": 100}, axes_units={"y": "micrometer", "x": "nanometer"})
    pixels = image.preview(bar=False).pixels[..., 0]
    assert pixels.shape == (600, 600)
    assert [len(np.unique(indices)) for indices in np.nonzero(pixels)] == [200, 200]


@pytest.mark.parametrize(
    ("data", "dims"),
    [
        pytest.param(np.zeros((4, 4), "complex64"), "yx", id="complex"),
        pytest.param(np.array([["a", "b"]]), "yx", id="text"),
    ],
)
def test_what_has_no_picture_is_refused(data: Any, dims: str) -> None:
    image = pyramid(np.zeros((4, 4), "uint8"))
    image.images[0].data = data
    with pytest.raises(InputError, match="A picture needs two dimensions of numbers"):
        image.preview()


# Labels --------------------------------------------------------------------------------------------------------------


def test_outlines_lie_on_the_borders_of_the_labels() -> None:
    wanted = skimage.segmentation.find_boundaries(PIECES, connectivity=1, mode="inner", background=0)
    np.testing.assert_array_equal(edges(PIECES), wanted)
    drawn = overlay(np.zeros((*PIECES.shape, 3), np.uint8), PIECES, {}, 1)
    np.testing.assert_array_equal(drawn.any(-1), wanted)
    thick = edges(PIECES, 3)
    reach = skimage.segmentation.find_boundaries(PIECES, connectivity=1, mode="inner", background=0)
    assert np.all(thick[reach])
    assert np.all(PIECES[thick] != 0)


def test_labels_take_colours_from_their_metadata_or_else_from_the_cycle() -> None:
    labels = np.array([[0, 1, 2, 3, 8, 2**63 + 1]], "uint64")
    given = [
        {"label-value": 1, "rgba": [10, 20, 30, 255]},
        {"label-value": 2, "rgba": [200, 0, 0, 0]},
        {"label-value": 3},
        {"label-value": 0, "rgba": [9, 9, 9, 255]},
        "nonsense",
    ]
    drawn = overlay(np.full((1, 6, 3), 50, np.uint8), labels, decode_colors({"colors": given}), 1, 1.0)[0].tolist()
    cycle = [list(parse_color(color)) for color in CYCLE]
    assert drawn == [[50] * 3, [10, 20, 30], [50] * 3, cycle[2], cycle[0], cycle[(2**63 + 1) % 7 - 1]]


def test_filled_labels_let_the_image_through() -> None:
    labels = np.ones((9, 9), int)
    drawn = overlay(np.full((9, 9, 3), 100, np.uint8), labels, {1: (200, 100, 0, 255)}, 1, 0.5)
    assert drawn[4, 4].tolist() == [150, 100, 50]


@pytest.mark.parametrize(
    ("labels", "dims", "factors", "facts"),
    [
        pytest.param(PIECES, "yx", [], {}, id="one-level"),
        pytest.param(PIECES, "yx", [2, 4], {"scale": {"y": 3, "x": 3}}, id="same-pixels-other-scale"),
        pytest.param(np.stack([PIECES * 0, PIECES, PIECES * 0]), "zyx", [], {}, id="with-planes"),
        pytest.param(PIECES.repeat(2, 0).repeat(2, 1), "yx", [2], {"scale": {"y": 0.5, "x": 0.5}}, id="finer"),
    ],
)
def test_labels_of_any_level_and_dimension_lie_where_they_belong(
    labels: Any, dims: str, factors: list[int], facts: Any
) -> None:
    image = pyramid(np.zeros_like(COINS))
    start = {"translation": {"y": -0.25, "x": -0.25}} if len(labels) > 400 else {}
    image.labels = {"pieces": pyramid(labels.astype("uint16"), dims, factors, **facts, **start)}
    pixels = image.preview("pieces", bar=False).pixels
    np.testing.assert_array_equal(pixels.any(-1), edges(PIECES))


def test_labels_of_a_part_of_the_image_lie_on_that_part() -> None:
    image = pyramid(np.zeros((512, 512), "uint8"), scale={"y": 2, "x": 2}, axes_units=UM)
    part = pyramid(np.ones((100, 50), "uint8"), scale={"y": 2, "x": 2}, translation={"y": 400, "x": 20}, axes_units=UM)
    image.labels = {"part": part}
    rows, columns = np.nonzero(image.preview(["part"], bar=False, fill=True).pixels.any(-1))
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (200, 300, 10, 60)


def test_the_middle_plane_shows_the_labels_of_that_plane() -> None:
    image = pyramid(np.zeros((4, 512, 8), "uint8"), "zyx")
    labels = np.zeros((8, 512, 8), "uint8")
    labels[5, 100:200] = 1
    place = {"scale": {"z": 0.5}, "translation": {"z": -0.25}}
    image.labels = {"finer": pyramid(labels, "zyx", **place), "below": pyramid(labels[:2], "zyx", **place)}
    assert np.nonzero(image.preview("finer", projection="middle", bar=False).pixels.any((1, 2)))[0].tolist()[0] == 100
    assert not image.preview("below", projection="middle", bar=False).pixels.any()


def test_a_label_image_is_seen_in_the_colours_of_its_labels(cells: Path) -> None:
    labels = open_image(cells / "labels" / "nuclei").preview(bar=False).pixels
    seen = {tuple(map(int, color)) for color in np.unique(labels.reshape(-1, 3), axis=0)}
    assert seen == {(0, 0, 0), *map(parse_color, CYCLE[:3])}


def test_labels_that_are_not_there_or_no_labels_are_refused() -> None:
    image = pyramid(COINS)
    image.labels = {"nuclei": pyramid(COINS.astype("f4"))}
    with pytest.raises(MissingError, match=r"There are no labels 'nucleus'. Did you mean 'nuclei'\? Known: nuclei."):
        image.preview("nucleus")
    with pytest.raises(LabelError, match="Labels are integers"):
        image.preview("nuclei")


# The bar -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pixel", [3e-4, 0.13, 0.65, 1, 7.7, 12345])
@pytest.mark.parametrize("unit", ["micrometer", "nanometer", "angstrom", "centimeter", "meter", None, "inch"], ids=str)
def test_the_length_of_the_bar_is_what_it_says(pixel: float, unit: str | None) -> None:
    meters = {"km": 1e3, "m": 1, "mm": 1e-3, "µm": 1e-6, "nm": 1e-9, "pm": 1e-12}
    units = {"micrometer": 1e-6, "nanometer": 1e-9, "angstrom": 1e-10, "centimeter": 1e-2, "meter": 1}
    bar = bar_for(600, pixel, unit)
    amount, symbol = bar.text.split(" ")
    assert bar.pixels * pixel * units.get(unit or "", 1) == pytest.approx(float(amount) * meters.get(symbol, 1))
    assert symbol in (meters if unit in units else {unit or "px"})
    assert f"{float(amount):e}"[0] in "125"
    assert 600 / 8 < bar.pixels < 600 / 3


def test_the_bar_is_drawn_as_long_as_it_is() -> None:
    dark = np.zeros((400, 600, 3), np.uint8)
    bar = bar_for(600, 0.37, "micrometer")
    white = (draw_bar(dark, bar) == 255).all(-1)
    runs = [len(run) for run in re.findall("1+", "".join("1" if w else "0" for w in white[white.sum(1).argmax()]))]
    assert runs == [round(bar.pixels)]
    assert not dark.any()
    assert (draw_bar(np.zeros((20, 600, 3), np.uint8), bar) == 0).all()
    bright = draw_bar(np.full((400, 600, 3), 255, np.uint8), bar)  # the shadow is dark, and ends near the bar
    assert 2 * (bright < 99).all(-1).sum() > white.sum() > (bright < 255).all(-1).sum() / 6


@pytest.mark.parametrize("level", [0, 1])
def test_without_a_unit_the_bar_counts_pixels_of_the_full_resolution(level: int) -> None:
    image = pyramid(np.zeros((1200, 1200), "uint8"), factors=[2], scale={"y": 0.5, "x": 0.5})
    assert look(image, level=level).text.endswith("the bar is 200 px")


# Stores and files ----------------------------------------------------------------------------------------------------


def test_the_picture_is_the_stored_one(cells: Path) -> None:
    output = cells.parent / "preview.png"
    done = process(cells, "--labels", "nuclei", "-o", output)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pixels, stored = (np.asarray(Image.open(path)).astype(int) for path in (output, REFERENCE))
    assert pixels.shape == stored.shape
    off = np.abs(pixels - stored)
    assert off.mean() < 0.5  # other versions of a font draw other edges
    assert np.mean(off > 8) < 0.01
    y, x = 20 * 6, 20 * 6  # both channels are there, outside the outlines and the text
    assert stored[y, x, 0] > 200
    assert stored[y, x, 1] > 200


@pytest.mark.parametrize("ending", [".zarr", ".zarr.zip"])
def test_stores_of_every_version_are_seen_alike(tmp_path: Path, any_format: Format, ending: str) -> None:
    folder = tmp_path / "coins.zarr"
    write_image(COINS, folder, axes="yx", fmt=any_format, scale_factors=[2], chunks=128)
    if ending.endswith("zip"):
        pack(folder, tmp_path / f"coins{ending}")
    run(tmp_path / f"coins{ending}", "-o", tmp_path / "a.png", "--no-bar")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), shown(COINS))


@pytest.mark.parametrize("version", ["0.1", "0.2", "0.3"])
def test_older_stores_are_seen(tmp_path: Path, version: str) -> None:
    group = zarr.create_group(tmp_path / "old.zarr", zarr_format=2)
    for level in range(2):
        group.create_array(str(level), data=COINS[None, None, None, :: 2**level, :: 2**level])
    group.attrs["multiscales"] = [{"version": version, "datasets": [{"path": "0"}, {"path": "1"}]}]
    if version == "0.3":
        group.attrs["multiscales"] = [{**group.attrs["multiscales"][0], "axes": list("tczyx")}]
    np.testing.assert_array_equal(open_image(tmp_path / "old.zarr").preview(bar=False).pixels, shown(COINS))


def test_an_image_that_was_never_finished_is_refused(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "a.zarr")
    group.attrs["ome_ngff"] = {"incomplete": {"units": 4}}
    assert "incomplete" in run(tmp_path / "a.zarr", "-o", tmp_path / "a.png", code=2).output
    assert not (tmp_path / "a.png").exists()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serve files and say nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """Serve the folder of the test."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_url_is_seen(cells: Path, web: str) -> None:
    done = process(f"{web}/cells.zarr", "--labels", "nuclei", "--no-bar", "-o", cells.parent / "a.png")
    assert (done.returncode, done.stderr) == (0, "")
    wanted = open_image(cells).preview("nuclei", bar=False).pixels
    np.testing.assert_array_equal(np.asarray(Image.open(cells.parent / "a.png")), wanted)


def test_a_notebook_and_numpy_take_a_preview(cells: Path) -> None:
    preview = open_image(cells).preview()
    assert repr(preview).startswith("Preview(text='cells: level 0 of 0 to 1 as 480 x 384 pixels; the brightest of 3")
    np.testing.assert_array_equal(np.asarray(preview), preview.pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(preview._repr_png_()))), preview.pixels)
    preview.save(cells.parent / "a.tif")
    np.testing.assert_array_equal(np.asarray(Image.open(cells.parent / "a.tif")), preview.pixels)


# The command line ----------------------------------------------------------------------------------------------------


def test_without_a_file_it_says_what_the_picture_would_be(cells: Path) -> None:
    lines = run(cells, "--labels", "nuclei", "--projection", "middle", "--channel", "1").output.splitlines()
    assert lines == [
        "cells: level 0 of 0 to 1 as 480 x 384 pixels; plane 1 of 0 to 2; channels 1; labels nuclei; the bar is 5 µm",
        "This terminal shows no pictures; save it with -o preview.png.",
    ]
    assert run(cells, "--quiet").output == ""
    assert run(cells, "--verbose", "-o", cells.parent / "a.png", "--no-bar").output.endswith("; channels 0, 1\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--labels", "nucleus"], "Did you mean 'nuclei'?", id="labels"),
        pytest.param(["--channel", "7"], "There is no channel '7'", id="channel"),
        pytest.param(["--level", "9"], "There is no level 9; there are 0 to 1", id="level"),
        pytest.param(["--level", "fine"], "'fine' is not a level; write auto, or a number", id="no-level"),
        pytest.param(["-o", "a.zarr"], "name it .png, .jpg or .tif", id="ending"),
        pytest.param(["--time", "1"], "There is no time point 1", id="time"),
    ],
)
def test_what_cannot_be_seen_is_refused_in_one_line(cells: Path, words: list[str], message: str) -> None:
    output = run(cells, *words, code=2).output
    assert message in output
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        pytest.param({"TERM": "xterm-256color"}, None, id="plain"),
        pytest.param({"TERM": "xterm-kitty"}, "kitty", id="kitty"),
        pytest.param({"TERM_PROGRAM": "ghostty"}, "kitty", id="ghostty"),
        pytest.param({"TERM_PROGRAM": "iTerm.app"}, "iterm", id="iterm"),
        pytest.param({"TERM": "xterm", "LC_TERMINAL": "iTerm2"}, "iterm", id="iterm-over-ssh"),
        pytest.param({"TERM": "tmux-256color", "TERM_PROGRAM": "WezTerm"}, None, id="tmux"),
    ],
)
def test_terminals_that_show_pictures_are_known_by_their_environment(environment: Any, protocol: str | None) -> None:
    assert terminal_protocol(environment) == protocol


@pytest.mark.parametrize("protocol", ["kitty", "iterm"])
def test_what_a_terminal_gets_is_the_picture(protocol: str) -> None:
    file = np.random.default_rng(0).bytes(10_000)
    text = "".join(escapes(file, protocol))
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text) or re.findall(
        r"\x1b]1337;File=([^:]*):([^\x07]*)\x07", text
    )
    assert base64.b64decode("".join(code for _, code in parts)) == file
    assert next(head for head, _ in parts) == {"kitty": "a=T,f=100,m=1", "iterm": "inline=1;size=10000"}[protocol]
    assert protocol == "iterm" or (parts[-1][0] == "m=0" and max(len(code) for _, code in parts) <= 4096)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_terminal_that_can_shows_the_picture(cells: Path) -> None:
    ours, theirs = os.openpty()
    environment = {**os.environ, "PYTHONPATH": str(Path(ome_ngff.__file__).parent.parent), "TERM": "xterm-kitty"}
    with subprocess.Popen([*COMMAND, str(cells), "--no-bar"], stdout=theirs, env=environment):
        os.close(theirs)
        text = b""
        while not text.rstrip().endswith(b"channels 0, 1"):
            piece = os.read(ours, 65536)
            assert piece, text[-500:]
            text += piece
    os.close(ours)
    png = base64.b64decode(b"".join(re.findall(rb"\x1b_G[^;]*;([^\x1b]*)\x1b", text)))
    wanted = open_image(cells).preview(bar=False).pixels
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(png))), wanted)


def test_to_import_it_is_light() -> None:
    code = "import sys, ome_ngff.show; print([m for m in ('PIL', 'dask', 'zarr', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
