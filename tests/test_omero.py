"""Contrast: percentiles of a level that is small enough, exact and in the range of the type."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import document, pixels
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from ome_ngff import open_image, to_ngff_image, write_image
from ome_ngff.image import NgffImage
from ome_ngff.read import StoredImage
from ome_ngff.show import contrast as omero
from ome_ngff.show.contrast import sample, window_of
from ome_ngff.show.view import look
from ome_ngff.store.target import find_target
from ome_ngff.write import omero as rendering
from ome_ngff.write.omero import Rendering

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int64", "float32"]


@given(st.sampled_from(DTYPES).flatmap(lambda dtype: arrays(dtype, st.integers(2, 3000), elements=_values(dtype))))
def test_the_window_is_that_of_numpys_nearest_percentiles(values: np.ndarray) -> None:
    window = window_of(values)
    start, end = np.percentile(values, [0.1, 99.9], method="nearest")
    if start < end:
        assert (window["start"], window["end"]) == (start, end)
    else:
        assert window["start"] < window["end"]


def _values(dtype: str) -> st.SearchStrategy[Any]:
    if dtype == "float32":
        return st.floats(-1000, 1000, width=32)
    return st.integers(max(np.iinfo(dtype).min, -5000), min(np.iinfo(dtype).max, 5000))


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
