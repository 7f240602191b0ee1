"""Stores of ome-zarr and ngff-zarr, upgraded in place, are read there as before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ngff_zarr
import numpy as np
import pytest
import zarr
from ome_zarr.format import FormatV04
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from ome_zarr.writer import write_image, write_labels

from ome_ngff import undo, upgrade, validate

PIXELS = np.random.default_rng(0).integers(0, 4000, (24, 64, 72)).astype("uint16")


def by_ome_zarr(place: Path) -> None:
    group = zarr.open_group(place, mode="w", zarr_format=2)
    words: dict[str, Any] = {"axes": "zyx", "scale_factors": [2, 4], "fmt": FormatV04()}
    write_image(PIXELS, group, scale={"z": 2.0, "y": 0.5, "x": 0.5}, **words)
    write_labels(PIXELS % 5, group, name="fives", scaler=None, **words)


def by_ngff_zarr(place: Path) -> None:
    image = ngff_zarr.to_ngff_image(PIXELS, dims=["z", "y", "x"], scale={"z": 2.0, "y": 0.5, "x": 0.5})
    pyramid = ngff_zarr.to_multiscales(image, scale_factors=[2, 4], method=ngff_zarr.Methods.DASK_BIN_SHRINK)
    ngff_zarr.to_ngff_zarr(str(place), pyramid, version="0.4")


def read_by_ome_zarr(place: Path) -> list[Any]:
    nodes: list[Any] = list(Reader(parse_url(str(place)))())
    return [np.asarray(level) for node in nodes for level in node.data]


def read_by_ngff_zarr(place: Path) -> list[Any]:
    image = ngff_zarr.from_ngff_zarr(str(place))
    return [part for level in image.images for part in (np.asarray(level.data), level.scale, level.translation)]


@pytest.mark.parametrize("write", [by_ome_zarr, by_ngff_zarr])
@pytest.mark.parametrize(
    ("version", "readers"),
    [
        pytest.param("0.5", [read_by_ome_zarr, read_by_ngff_zarr], id="0.5"),
        pytest.param("0.6", [read_by_ngff_zarr], id="0.6"),
    ],
)
def test_upgraded_stores_are_read_as_before(tmp_path: Path, write: Any, version: str, readers: list[Any]) -> None:
    write(tmp_path / "i")
    before = [read(tmp_path / "i") for read in readers]
    upgrade(tmp_path / "i", version)
    assert validate(tmp_path / "i", data=True).valid
    after = [read(tmp_path / "i") for read in readers]
    undo(tmp_path / "i")
    for found, expected in zip([*after, *(read(tmp_path / "i") for read in readers)], before * 2, strict=True):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_equal(one, other)
