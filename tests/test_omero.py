"""Contrast: percentiles of a level that is small enough, exact and in the range of the type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import pixels
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ome_ngff import write_image
from ome_ngff.read import StoredImage
from ome_ngff.show import contrast as omero
from ome_ngff.show.contrast import sample, window_of
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
    found = Rendering()(find_target(tmp_path / "a"), StoredImage.of(find_target(tmp_path / "a")).metadata)
    (channel,) = found["omero"]["channels"]
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
