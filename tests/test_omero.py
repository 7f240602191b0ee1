"""Contrast: percentiles of a level that is small enough, exact and in the range of the type."""

from __future__ import annotations

import base64
import io
import re
import tracemalloc
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numcodecs
import numpy as np
import pytest
import zarr
from helpers import document, pixels, pixels_by_tensorstore
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from ome_ngff import (
    AxesError,
    OptionError,
    Scaler,
    edit_image,
    open_image,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    write_image,
    write_labels,
    write_multiscale,
)
from ome_ngff.image import NgffImage
from ome_ngff.read import StoredImage
from ome_ngff.show import contrast as omero
from ome_ngff.show.contrast import sample, window_of
from ome_ngff.show.view import look
from ome_ngff.store.target import find_target
from ome_ngff.write import omero as rendering
from ome_ngff.write.omero import Rendering

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int64", "uint64", "float16", "float32", "float64"]


@given(st.sampled_from(DTYPES).flatmap(lambda dtype: arrays(dtype, st.integers(2, 3000), elements=_values(dtype))))
def test_the_window_is_that_of_numpys_nearest_percentiles(values: np.ndarray) -> None:
    window = window_of(values)
    start, end = np.percentile(values, [0.1, 99.9], method="nearest")
    if start < end:
        assert (window["start"], window["end"]) == (start, end)
    else:
        assert window["start"] < window["end"]


def _values(dtype: str) -> st.SearchStrategy[Any]:
    if "float" in dtype:
        return st.floats(-1000, 1000, width=int(dtype[5:])) | st.sampled_from([0.0, -0.0, 1.5])
    low, high = max(np.iinfo(dtype).min, -(2**50)), min(np.iinfo(dtype).max, 2**50)
    return st.integers(low, high) | st.integers(max(low, -9), min(high, 9))


@pytest.mark.parametrize(
    ("limit", "level"),
    [pytest.param(2**30, 0, id="all-fit"), pytest.param(40_000, 1, id="some"), pytest.param(12_000, 2, id="one")],
)
def test_the_finest_level_that_is_small_enough_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, level: int
) -> None:
    monkeypatch.setattr(rendering, "SAMPLE_BYTES", limit)
    monkeypatch.setattr(omero, "SAMPLE_BYTES", limit)
    image = np.random.default_rng(0).integers(0, 4000, (200, 240)).astype("uint16")
    write_image(image, tmp_path / "a", scale_factors=[2, 4], chunks=64)
    stored = StoredImage.of(find_target(tmp_path / "a"))
    (channel,) = Rendering()(stored.arrays, stored.metadata)["omero"]["channels"]
    start, end = np.percentile(pixels(tmp_path / "a")[level], [0.1, 99.9], method="nearest")
    assert channel["window"] == {"min": 0, "max": 65535, "start": start, "end": end}


def test_a_level_of_16_mib_is_small_enough() -> None:
    assert omero.SAMPLE_BYTES == 16 * 2**20


def test_of_what_is_too_large_the_middle_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(omero, "SAMPLE_BYTES", 1000)
    image = np.arange(64 * 64, dtype="uint8").reshape(64, 64)
    middle = sample(image, None)
    assert middle.nbytes <= 1000
    np.testing.assert_array_equal(middle, image[16:48, 16:48][: middle.shape[0], : middle.shape[1]])


# One rule for previews, thumbnails and omero --------------------------------------------------------------------------


def noise(*shape: int, dtype: str = "uint16") -> np.ndarray[Any, Any]:
    """Make channels of different brightness, with a few bright pixels."""
    values = np.random.default_rng(1).gamma(2, 20, shape)
    values *= 1 + np.arange(shape[0]).reshape(-1, *(1,) * (len(shape) - 1))
    return np.clip(values, 0, 255).astype(dtype)


def with_gaps(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    image[..., 0, :3] = np.nan, np.inf, -np.inf
    return image


def kinds(height: int, width: int) -> list[Any]:
    return [
        pytest.param(noise(height, width), ["FFFFFF"], id="gray"),
        pytest.param(with_gaps(noise(1, height, width, dtype="float32")), ["FFFFFF"], id="float"),
        pytest.param(noise(2, height, width), ["FF00FF", "00FF00"], id="two"),
        pytest.param(noise(3, height, width), ["00FFFF", "FF00FF", "FFFF00"], id="three"),
        pytest.param(noise(3, height, width, dtype="uint8"), ["FF0000", "00FF00", "0000FF"], id="photograph"),
        pytest.param(noise(4, height, width), ["00FFFF", "FF00FF", "FFFF00", "FF0000"], id="four"),
    ]


def stored(image: np.ndarray[Any, Any], place: Path, described: bool, **known: Any) -> Any:
    """Write an image, with or without `omero`, and open it."""
    dims = "cyx"[-image.ndim :]
    write_image(image, place, axes=dims, scale_factors=[], omero=None if described else False, **known)
    return open_image(place)


@pytest.mark.parametrize(("image", "colors"), kinds(520, 600))
def test_a_preview_with_omero_is_the_one_without(tmp_path: Path, image: Any, colors: list[str]) -> None:
    plain, described = (stored(image, tmp_path / str(said), said) for said in (False, True))
    np.testing.assert_array_equal(described.preview(bar=False).pixels, plain.preview(bar=False).pixels)
    assert [channel.color for channel in look(plain).channels] == colors
    assert [channel["color"] for channel in document(tmp_path / "True")["omero"]["channels"]] == colors


@pytest.mark.parametrize(("image", "colors"), kinds(160, 128))
def test_a_thumbnail_looks_like_the_preview(tmp_path: Path, image: Any, colors: list[str]) -> None:
    html = to_ngff_image(image, "cyx"[-image.ndim :])._repr_html_()
    (code,) = re.findall('src="data:image/png;base64,([^"]+)"', html)
    small = np.asarray(Image.open(io.BytesIO(base64.b64decode(code))))
    preview = stored(image, tmp_path / "a", True).preview(bar=False).pixels
    np.testing.assert_array_equal(small, preview[1::3, 1::3])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_opacity_of_a_photograph_is_not_seen(tmp_path: Path, dtype: str) -> None:
    image = noise(4, 520, 600, dtype=dtype)
    image[3] = np.iinfo(dtype).max
    known = {"channel_colors": ["FF0000", "00FF00", "0000FF", "FFFFFF"], "channel_names": [*"rgb", "alpha"]}
    whole = stored(image, tmp_path / "a", True, **known)
    without = stored(image[:3], tmp_path / "b", True, channel_colors=known["channel_colors"][:3])
    np.testing.assert_array_equal(whole.preview(bar=False).pixels, without.preview(bar=False).pixels)
    assert [c["active"] for c in document(tmp_path / "a")["omero"]["channels"]] == [True, True, True, False]
    assert NgffImage(image, tuple("cyx"), **known)._repr_html_().count("<img") == 1


# What a write says --------------------------------------------------------------------------------------------------

PLANE = np.random.default_rng(2).gamma(2, 300, (120, 150)).astype("uint16")


def test_measuring_holds_the_pixels_once_more_at_the_most() -> None:
    pixels = np.random.default_rng(0).normal(120, 40, 2**22).clip(0, 255).astype("uint8")
    tracemalloc.start()
    try:
        window_of(pixels)
        assert tracemalloc.get_traced_memory()[1] < 1.3 * pixels.nbytes
    finally:
        tracemalloc.stop()


WINDOWS = [
    pytest.param([(float("-inf"), 5.0)], OptionError, "two numbers, low and high", id="endless"),
    pytest.param([(5.0, float("inf"))], OptionError, "two numbers, low and high", id="endless-above"),
    pytest.param([(float("nan"), 5.0)], OptionError, "two numbers, low and high", id="nan"),
    pytest.param([(9, 5)], OptionError, "two numbers, low and high", id="turned"),
    pytest.param([("a", 5)], OptionError, "two numbers, low and high", id="text"),
    pytest.param([7], OptionError, "two numbers, low and high", id="one-number"),
    pytest.param([(0, 5), (0, 5)], AxesError, r"the image has 1 \(got 2\)", id="too-many"),
]


@pytest.mark.parametrize(("given", "error", "message"), WINDOWS)
def test_windows_that_are_none_are_refused(tmp_path: Path, given: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        write_image(NgffImage(PLANE, ("y", "x"), channel_windows=given), tmp_path / "a")
    assert not any(tmp_path.iterdir())


def test_windows_may_be_numbers_of_numpy(tmp_path: Path) -> None:
    given: Any = [(np.uint16(3), np.uint16(70))]
    write_image(NgffImage(PLANE, ("y", "x"), channel_windows=given), tmp_path / "a")
    assert windows(tmp_path / "a") == [[3, 70]]


WAYS = [
    pytest.param(PLANE, {}, id="memory"),
    pytest.param(da.from_array(PLANE, chunks=(50, 70)).map_blocks(np.copy), {}, id="dask"),
    pytest.param(PLANE.astype(">u2"), {}, id="big-endian"),
    pytest.param(PLANE, {"compute": False}, id="tasks"),
    pytest.param(PLANE, {"fmt": "0.4"}, id="0.4"),
]


def windows(place: Path) -> list[list[float]]:
    """Return start and end of each channel that is written."""
    found = [channel["window"] for channel in document(place)["omero"]["channels"]]
    return [[window["start"], window["end"]] for window in found]


def percentiles(pixels: Any) -> list[float]:
    return list(np.percentile(pixels, [0.1, 99.9], method="nearest"))


@pytest.mark.parametrize("most", [pytest.param(2**24, id="level 0"), pytest.param(20_000, id="level 1")])
@pytest.mark.parametrize(("image", "words"), WAYS)
def test_every_write_says_the_contrast_of_a_stored_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: Any, words: Any, most: int
) -> None:
    monkeypatch.setattr(rendering, "SAMPLE_BYTES", most)
    tasks = write_image(image, tmp_path / "a", axes="yx", scale_factors=[2], chunks=32, **words)
    dask.compute(*tasks)
    level = pixels_by_tensorstore(tmp_path / "a")[most != 2**24]
    assert document(tmp_path / "a")["omero"] == {
        "channels": [
            {
                "color": "FFFFFF",
                "window": {"min": 0, "max": 65535, "start": percentiles(level)[0], "end": percentiles(level)[1]},
                "active": True,
            }
        ],
        "name": "image",
        "rdefs": {"defaultT": 0, "defaultZ": 0, "model": "color"},
    }


def test_every_way_to_write_says_the_contrast(tmp_path: Path) -> None:
    write_multiscale([PLANE, PLANE[::2, ::2]], tmp_path / "given", axes="yx")
    to_ngff_zarr(tmp_path / "lazy", to_multiscales(PLANE, [2]))
    write_image(PLANE, tmp_path / "a.ozx", axes="yx")
    zarr.create_array(tmp_path / "array", data=PLANE, chunks=(64, 64))
    Scaler(method="nearest").scale(tmp_path / "array", tmp_path / "scaled")
    for place in ("given", "lazy", "scaled"):
        assert windows(tmp_path / place) == [percentiles(PLANE)]
    (channel,) = open_image(tmp_path / "a.ozx").metadata.omero.channels
    assert [channel.window.start, channel.window.end] == percentiles(PLANE)


@pytest.mark.parametrize(
    ("image", "most", "read"),
    [
        pytest.param(PLANE, 2**24, [], id="in memory nothing"),
        pytest.param(
            da.from_array(PLANE, chunks=60).map_blocks(np.copy), 2**24, [("0", (120, 150))], id="level 0 once"
        ),
        pytest.param(np.stack([PLANE] * 3), 2**24, [], id="channels in memory nothing"),
        pytest.param(da.stack([da.from_array(PLANE) + 0] * 3), 40_000, [("1", (3, 60, 75))], id="level 1 once"),
        pytest.param(np.stack([PLANE.astype("uint8")] * 3), 40_000, [], id="a photograph nothing"),
        pytest.param(PLANE > 9, 100, [], id="bool nothing"),
    ],
)
def test_chunks_are_read_once_for_the_contrast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: Any, most: int, read: Any
) -> None:
    found: list[Any] = []
    get = zarr.Array.__getitem__

    def listening(self: Any, box: Any) -> Any:
        pixels = get(self, box)
        found.append((self.basename, pixels.shape))
        return pixels

    monkeypatch.setattr(zarr.Array, "__getitem__", listening)
    monkeypatch.setattr(rendering, "SAMPLE_BYTES", most)
    chunks = (32, 32) if image.ndim == 2 else (3, 32, 32)  # all channels in each chunk
    write_image(image, tmp_path / "a", axes="cyx"[-image.ndim :], scale_factors=[2], chunks=chunks, method="nearest")
    assert found == read


@pytest.mark.filterwarnings("ignore:Array is unsupported by ZarrsCodecPipeline")
def test_what_a_codec_has_changed_is_measured_as_stored(tmp_path: Path) -> None:
    class Coarse(numcodecs.abc.Codec):
        """Forget all but the highest bits."""

        codec_id = "coarse"

        def encode(self, buf: Any) -> Any:
            return (np.frombuffer(buf, "uint16") & 0xFF00).tobytes()

        def decode(self, buf: Any, out: Any = None) -> Any:
            return buf

    numcodecs.register_codec(Coarse)
    write_image(PLANE, tmp_path / "a", axes="yx", fmt="0.4", compression=Coarse(), scale_factors=[])
    assert windows(tmp_path / "a") == [percentiles(PLANE & 0xFF00)]


@pytest.mark.parametrize("limit", [2**24, 1000], ids=["level 0 is looked at", "level 1 is looked at"])
def test_the_middle_plane_is_the_one_that_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(rendering, "SAMPLE_BYTES", limit)
    halves = [{"z": 2, "y": 2, "x": 2}]
    write_image(np.zeros((2, 9, 8, 8), "uint8"), tmp_path / "a", axes="tzyx", name="cells", scale_factors=halves)
    said = document(tmp_path / "a")["omero"]
    assert said["rdefs"] == {"defaultT": 0, "defaultZ": 4, "model": "color"}
    assert said["name"] == "cells"


@pytest.mark.parametrize(
    ("count", "words", "colors", "names"),
    [
        pytest.param(3, {}, "FF0000 00FF00 0000FF", ["red", "green", "blue"], id="colour"),
        pytest.param(4, {}, "FF0000 00FF00 0000FF FFFFFF", ["red", "green", "blue", "alpha"], id="opacity"),
        pytest.param(2, {}, "FF00FF 00FF00", [None, None], id="two"),
        pytest.param(
            4, {"channel_names": [*"abcd"]}, "00FFFF FF00FF FFFF00 FF0000", [*"abcd"], id="names of four channels"
        ),
        pytest.param(2, {"channel_colors": ["#ff8000", "0080FF"]}, "FF8000 0080FF", [None, None], id="colours"),
        pytest.param(1, {"channel_names": "DNA", "channel_colors": "0000ff"}, "0000FF", ["DNA"], id="one"),
    ],
)
def test_channels_have_the_names_and_colours_given(
    tmp_path: Path, count: int, words: Any, colors: str, names: Any
) -> None:
    image = noise(count, 20, 30, dtype="uint8")
    write_image(image, tmp_path / "a", axes="cyx", **words)
    write_multiscale([image], tmp_path / "b", axes="cyx", **words)
    for place in "ab":
        channels = document(tmp_path / place)["omero"]["channels"]
        assert [channel["color"] for channel in channels] == colors.split()
        assert [channel.get("label") for channel in channels] == names
        assert [channel["active"] for channel in channels] == [name != "alpha" for name in names]
    if count in (3, 4) and not words:
        assert windows(tmp_path / "a") == [[0, 255]] * count


def test_a_rendering_that_is_given_wins_and_false_leaves_it_out(tmp_path: Path) -> None:
    omero = {"channels": [{"color": "123456", "window": {"min": 0, "max": 9, "start": 1, "end": 2}}], "id": 7}
    write_image(PLANE, tmp_path / "a", axes="yx", omero=omero)
    assert document(tmp_path / "a")["omero"] == omero
    write_image(PLANE, tmp_path / "b", axes="yx", omero=False)
    to_ngff_zarr(tmp_path / "c", to_multiscales(PLANE, [2]), omero=False)
    write_labels(PLANE, tmp_path / "b", "cells", axes="yx")
    for place in ("b", "c", "b/labels/cells"):
        assert "omero" not in document(tmp_path / place)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        pytest.param({"channel_names": ["a", "b"]}, AxesError, r"channel; the image has 1 \(got 2\)", id="names"),
        pytest.param({"channel_colors": ["green"]}, OptionError, "RRGGBB", id="colour"),
        pytest.param({"omero": False, "channel_names": ["a"]}, OptionError, "say them once", id="none"),
        pytest.param({"omero": {"channels": []}, "channel_colors": ["FFFFFF"]}, OptionError, "once", id="twice"),
    ],
)
def test_names_and_colours_that_do_not_fit_are_refused(tmp_path: Path, words: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        write_image(PLANE, tmp_path / "a", axes="yx", **words)
    assert not (tmp_path / "a").exists()


def test_resuming_what_is_finished_keeps_a_contrast_set_by_hand(tmp_path: Path) -> None:
    write_image(PLANE, tmp_path / "a", axes="yx", channel_names="DNA")
    edit_image(tmp_path / "a", windows=[(3, 7)])
    write_image(PLANE, tmp_path / "a", axes="yx", channel_names="DNA", resume=True)
    assert windows(tmp_path / "a") == [[3, 7]]


def test_resuming_what_was_never_begun_measures_too(tmp_path: Path) -> None:
    image = np.arange(64, dtype="uint8").reshape(8, 8)
    write_image(image, tmp_path / "whole")
    write_image(image, tmp_path / "i", resume=True)
    assert document(tmp_path / "i") == document(tmp_path / "whole")


@pytest.mark.parametrize("name", [None, b"DAPI"])
def test_what_is_not_text_is_not_the_name_of_a_channel(tmp_path: Path, name: Any) -> None:
    with pytest.raises(OptionError, match="name of a channel is a string"):
        write_image(np.zeros((2, 8, 8), "uint8"), tmp_path / "i", axes="cyx", channel_names=["GFP", name])
    assert not (tmp_path / "i").exists()
