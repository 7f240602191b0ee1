"""Images in notebooks: facts, and a picture where the pixels are at hand."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import numpy as np
import pytest
import zarr
from PIL import Image

from ome_ngff import (
    NgffImage,
    open_image,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    validate,
    write_image,
    write_labels,
)

RAMP = np.add.outer(np.arange(300), np.arange(200)).astype("uint16")


def picture(shown: Any) -> np.ndarray[Any, Any] | None:
    """Decode the picture in the HTML of an image; None where there is none."""
    found = re.search('src="data:image/png;base64,([^"]+)"', shown._repr_html_())
    return None if found is None else np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGB"))


def test_an_image_in_memory_is_shown_by_its_middle_plane() -> None:
    volume = np.zeros((5, 300, 200), "uint16")
    volume[2] = RAMP
    shown = picture(to_ngff_image(volume))
    assert shown is not None
    assert shown.shape == (150, 100, 3)
    assert (np.diff(shown[:, :, 0].astype(int), axis=0) >= 0).all()
    assert (shown[0, 0].max(), shown[-1, -1].min()) == (0, 255)


def test_a_photograph_keeps_its_colours() -> None:
    photograph = np.zeros((64, 48, 3), "uint8")
    photograph[:, :24] = (200, 30, 90)
    shown = picture(to_ngff_image(photograph, dims="yxc"))
    assert shown is not None
    np.testing.assert_array_equal(shown, photograph)


@pytest.mark.parametrize(
    ("shape", "scale", "expected"),
    [
        pytest.param((320, 160), {"y": 1, "x": 2}, (160, 160), id="wide pixels"),
        pytest.param((120, 40), {"y": 0.5, "x": 1.5}, (120, 120), id="enlarged"),
        pytest.param((300, 200), {"y": 3, "x": 2}, (150, 67), id="no whole factor"),
        pytest.param((30, 160), {"y": 1000, "x": 1}, (30, 160), id="a mistake"),
    ],
)
def test_a_thumbnail_shows_pixels_as_large_as_they_are(shape: Any, scale: Any, expected: Any) -> None:
    half = np.zeros(shape, "uint8")
    half[shape[0] // 2 :, : shape[1] // 4] = 255
    shown = picture(NgffImage(half, "yx", scale))
    assert shown is not None
    assert shown.shape == (*expected, 3)
    bright = np.argwhere(shown[..., 0] > 127)
    np.testing.assert_allclose(bright.min(axis=0) / shown.shape[:2], [1 / 2, 0], atol=0.02)
    np.testing.assert_allclose((bright.max(axis=0) + 1) / shown.shape[:2], [1, 1 / 4], atol=0.02)


@pytest.mark.parametrize("factor", [1, 2])
def test_levels_that_halve_x_alone_are_drawn_as_the_image(tmp_path: Path, factor: int) -> None:
    write_image(np.tile(RAMP, (2, 4)), tmp_path / "a", scale_factors=[{"x": 2}, {"x": 4}], method="nearest")
    read = open_image(tmp_path / "a")
    shown = picture(read.images[factor])
    assert shown is not None
    assert shown.shape[0] / shown.shape[1] == pytest.approx(600 / 800, abs=0.02)
    assert read.preview(level=factor).pixels.shape[0] / read.preview(level=factor).pixels.shape[1] == 600 / 800


def test_channels_have_their_colours() -> None:
    planes = np.zeros((2, 20, 20), "uint16")
    planes[0, :10], planes[1, 10:] = 1000, 1000
    shown = picture(NgffImage(planes, "cyx", channel_colors=["FF0000", "0000FF"]))
    assert shown is not None
    assert tuple(shown[0, 0]) == (255, 0, 0)
    assert tuple(shown[-1, 0]) == (0, 0, 255)


def test_of_many_channels_six_are_shown() -> None:
    planes = np.random.default_rng(0).integers(0, 999, (40, 20, 20)).astype("uint16")
    colors = ["FF0000", "00FF00", "0000FF", "FFFF00", "FF00FF", "00FFFF", *["FFFFFF"] * 34]
    few = NgffImage(planes[:6], "cyx", channel_colors=colors[:6])
    np.testing.assert_array_equal(picture(NgffImage(planes, "cyx", channel_colors=colors)), picture(few))


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(np.ones((8, 8), bool), id="bool"),
        pytest.param(np.full((8, 8), np.nan, "float32"), id="nan"),
        pytest.param(np.array([[np.inf, -np.inf], [0, 1e300]]), id="infinite"),
        pytest.param(np.full((8, 8), 2**64 - 1, "uint64"), id="large"),
        pytest.param(np.zeros((1, 1), "int8"), id="one"),
        pytest.param(np.zeros((9, 4, 5), "float16"), id="half"),
    ],
)
def test_any_pixels_can_be_shown(pixels: np.ndarray[Any, Any]) -> None:
    dims = "cyx" if pixels.ndim == 3 else "yx"
    shown = picture(to_ngff_image(pixels, dims))
    assert shown is not None
    assert shown.shape[:2] == pixels.shape[-2:]


def test_stored_levels_are_shown_when_few_chunks_are_needed(tmp_path: Path) -> None:
    write_image(np.tile(RAMP, (1, 10, 10)), tmp_path / "a", axes="zyx", scale_factors=[8], method="local_mean")
    read = open_image(tmp_path / "a")
    assert picture(read.images[1]) is not None
    assert picture(read.images[0]) is None  # 12 MB
    assert picture(read) is not None
    stored = zarr.open_array(tmp_path / "a" / "1", mode="r")
    assert picture(NgffImage(stored, "zyx")) is not None
    with h5py.File(tmp_path / "a.h5", "w") as file:
        assert picture(NgffImage(file.create_dataset("a", data=RAMP), "yx")) is not None


def test_shards_count_by_their_chunks(tmp_path: Path) -> None:
    multiscales = to_multiscales(np.tile(RAMP, (40, 1, 1)), [], chunks={"z": 1})
    to_ngff_zarr(tmp_path / "a", multiscales, chunks_per_shard={"z": 40})
    assert picture(open_image(tmp_path / "a")) is not None


def test_nothing_is_computed_for_a_picture(tmp_path: Path) -> None:
    def refuse(block: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        raise AssertionError("computed")

    costly = da.zeros((8, 8), dtype="uint8").map_blocks(refuse, dtype="uint8")
    for shown in (to_ngff_image(costly), to_multiscales(costly, [2])):
        assert picture(shown) is None
        assert "y 8, x 8" in shown._repr_html_()


def test_what_may_have_to_be_loaded_is_left_alone() -> None:
    class Lazy:
        shape, ndim, dtype = (8, 8), 2, np.dtype("uint8")

        def __getitem__(self, box: Any) -> Any:
            raise AssertionError("read")

        __array__ = __getitem__

    assert picture(NgffImage(Lazy(), "yx")) is None


def test_a_chunk_that_cannot_be_read_leaves_the_facts(tmp_path: Path) -> None:
    write_image(RAMP, tmp_path / "a", scale_factors=[])
    next(path for path in (tmp_path / "a/0/c").rglob("*") if path.is_file()).write_bytes(b"cut")
    read = open_image(tmp_path / "a")
    assert picture(read) is None
    assert "y 300, x 200" in read._repr_html_()


def test_a_pyramid_tells_its_levels_and_nothing_that_is_markup() -> None:
    image = to_ngff_image(RAMP, scale={"x": 0.5}, axes_units={"x": "<micrometer>"}, name="cells & <nuclei>")
    shown = to_multiscales(to_ngff_image(RAMP, name="cells & <nuclei>"), [2, 4])._repr_html_()
    assert "300 x 200, 150 x 100, 75 x 50" in shown
    assert "gaussian" in shown
    assert "cells &amp; &lt;nuclei&gt;" in shown
    assert "0.5 &lt;micrometer&gt;" in image._repr_html_()


def test_labels_are_shown_in_their_colours(tmp_path: Path) -> None:
    objects = np.zeros((40, 30), "uint16")
    objects[:10], objects[20:] = 7, 300
    write_image(objects, tmp_path / "a", scale_factors=[], method="nearest")
    write_labels(objects, tmp_path / "a", "cells", colors={7: "#ff8000", 300: (0, 0, 255, 255)})
    shown = picture(open_image(tmp_path / "a").labels["cells"])
    assert shown is not None
    assert [tuple(shown[y, 5]) for y in (5, 15, 30)] == [(255, 128, 0), (0, 0, 0), (0, 0, 255)]


def test_what_is_shown_of_values_fits_a_screen(tmp_path: Path) -> None:
    count = 600
    names = [f"channel \x1b[31m {i} <b>" for i in range(count)]
    image = NgffImage(np.zeros((count, 64, 64), "uint8"), "cyx", name="n" * 500, channel_names=names)
    pyramid = to_multiscales(image, [{"y": 2**k, "x": 1} for k in range(1, 5)], method="nearest")
    pyramid.images += [pyramid.images[-1]] * 50
    pyramid.labels = {f"labels {i}": pyramid for i in range(90)}
    document = {"ome": {"version": "0.5", "multiscales": [{"axes": [{"name": "n" * 400}] * 3, "datasets": [{}] * 90}]}}
    (tmp_path / "a.json").write_text(json.dumps(document), encoding="utf-8")
    report = validate(tmp_path / "a.json")
    assert len(report.findings) > 25
    for value in (pyramid, report):
        lines = repr(value).splitlines()
        assert 5 < len(lines) <= 25
        assert max(map(len, lines)) <= 101
    assert "level 0: 600 x 64 x 64" in repr(pyramid)
    assert "and 43 more levels" in repr(pyramid)
    assert "more in .findings" in repr(report)
    assert len(repr(image)) < 2000
    for shown in (image, pyramid, report):
        assert len(re.sub('base64,[^"]+', "", shown._repr_html_())) < 12_000
        assert not re.search("\x1b|<b>,", shown._repr_html_())


def test_the_lines_of_a_pyramid_say_where_and_how_it_is_stored(tmp_path: Path) -> None:
    units = {"y": "micrometer", "x": "micrometer"}
    write_image(RAMP, tmp_path / "a", scale_factors=[2], chunks=128, scale=0.5, axes_units=units, name="ramp")
    write_labels(RAMP, tmp_path / "a", "cells")
    assert repr(open_image(tmp_path / "a")) == (
        "<Multiscales 'ramp': OME-Zarr 0.5, uint16 over y,x\n"
        "  level 0: 300 x 200; chunks 128 x 128; pixel size y 0.5, x 0.5 micrometer\n"
        "  level 1: 150 x 100; chunks 128 x 100; pixel size y 1, x 1 micrometer\n"
        "  method: resize\n"
        "  labels: cells>"
    )
