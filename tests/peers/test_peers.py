"""Stores of ome-zarr and ngff-zarr read here, and ours read there; run by `tox -e peers`, where both are installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ngff_zarr
import numpy as np
import pytest
import zarr
from ome_zarr.format import FormatV04, FormatV05
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from ome_zarr.writer import write_image as their_write_image
from ome_zarr.writer import write_labels as their_write_labels

from ome_ngff import (
    open_image,
    open_scene,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    validate,
    write_image,
    write_labels,
    write_plate_metadata,
    write_scene,
    write_well_metadata,
)
from ome_ngff.spaces import Edge, Translation

PIXELS = np.random.default_rng(0).integers(0, 4000, (24, 64, 72)).astype("uint16")
FORMATS = {"0.4": FormatV04(), "0.5": FormatV05()}


@pytest.mark.parametrize("version", FORMATS)
def test_images_and_labels_of_ome_zarr_are_read(tmp_path: Path, version: str) -> None:
    fmt = FORMATS[version]
    group = zarr.open_group(tmp_path / "i", mode="w", zarr_format=fmt.zarr_format)
    their_write_image(PIXELS, group, axes="zyx", scale={"z": 2.0, "y": 0.5, "x": 0.5}, scale_factors=[2, 4], fmt=fmt)
    their_write_labels(PIXELS % 5, group, name="fives", axes="zyx", scale_factors=[2, 4], scaler=None, fmt=fmt)
    read = open_image(tmp_path / "i")
    assert read.metadata.version == version
    assert [image.data.shape for image in read.images] == [(24, 64, 72), (24, 32, 36), (24, 16, 18)]
    np.testing.assert_array_equal(read.images[0].data.compute(), PIXELS)
    assert read.images[1].scale == {"z": 2.0, "y": 1.0, "x": 1.0}
    np.testing.assert_array_equal(read.labels["fives"].images[0].data.compute(), PIXELS % 5)


@pytest.mark.parametrize("version", [*FORMATS, "0.6"])
def test_images_of_ngff_zarr_are_read(tmp_path: Path, version: str) -> None:
    theirs = ngff_zarr.to_multiscales(
        ngff_zarr.to_ngff_image(
            PIXELS,
            dims=["z", "y", "x"],
            scale={"z": 2.0, "y": 0.5, "x": 0.5},
            axes_units=dict.fromkeys("zyx", "micrometer"),
        ),
        scale_factors=[2, 4],
        method=ngff_zarr.Methods.DASK_BIN_SHRINK,
    )
    ngff_zarr.to_ngff_zarr(str(tmp_path / "i"), theirs, version=version)
    read = open_image(tmp_path / "i")
    for ours, image in zip(read.images, theirs.images, strict=True):
        np.testing.assert_array_equal(ours.data.compute(), np.asarray(image.data))
        assert ours.scale == pytest.approx(dict(image.scale))
        assert ours.translation == pytest.approx(dict(image.translation))
        assert (list(ours.dims), ours.axes_units) == (list(image.dims), dict.fromkeys("zyx", "micrometer"))


@pytest.mark.parametrize("version", [*FORMATS, "0.6"])
def test_ngff_zarr_reads_ours(tmp_path: Path, version: str) -> None:
    ours = to_multiscales(to_ngff_image(PIXELS, scale={"z": 2.0}), [2, 4])
    to_ngff_zarr(tmp_path / "i", ours, version=version)
    theirs = ngff_zarr.from_ngff_zarr(str(tmp_path / "i"), validate=True)
    for image, mine in zip(theirs.images, ours.images, strict=True):
        np.testing.assert_array_equal(np.asarray(image.data), mine.data.compute())
        assert dict(image.scale) == pytest.approx(mine.scale)
        assert dict(image.translation) == pytest.approx(mine.translation)


@pytest.mark.parametrize("version", FORMATS)
def test_ome_zarr_reads_ours(tmp_path: Path, version: str) -> None:
    write_image(PIXELS, tmp_path / "i", axes="zyx", scale_factors=[2, 4], fmt=version)
    write_labels(PIXELS % 5, tmp_path / "i", "fives", axes="zyx", scale_factors=[2, 4])
    location = parse_url(str(tmp_path / "i"), fmt=FORMATS[version])
    nodes: list[Any] = list(Reader(location)())
    np.testing.assert_array_equal(np.asarray(nodes[0].data[0]), PIXELS)
    assert [level.shape for level in nodes[0].data] == [(24, 64, 72), (24, 32, 36), (24, 16, 18)]
    assert any("fives" in str(node.zarr) for node in nodes)


def test_ngff_zarr_validates_every_kind_of_ours_in_0_6(tmp_path: Path) -> None:
    write_plate_metadata(tmp_path / "p", ["A"], ["1"], ["A/1"], fmt="0.6", name="plate", field_count=1)
    write_well_metadata(zarr.open_group(tmp_path / "p").create_group("A/1"), ["0"])
    image = tmp_path / "p/A/1/0"
    write_image(PIXELS, image, axes="zyx", scale_factors=[2], fmt="0.6")
    write_labels(PIXELS % 5, image, "fives", axes="zyx", scale_factors=[2], colors={1: "FF0000"})
    kinds = {"p": "plate", "p/A/1": "well", "p/A/1/0": "image", "p/A/1/0/labels/fives": "label"}
    for place, kind in kinds.items():
        for strict in (False, True):
            attributes = dict(zarr.open_group(tmp_path / place, mode="r").attrs)
            ngff_zarr.validate(attributes, version="0.6", model=kind, strict=strict)


def test_scenes_of_ours_and_of_ngff_zarr_are_read_by_each_other(tmp_path: Path) -> None:
    for name in ("left", "right"):
        write_image(PIXELS, tmp_path / "ours" / name, axes="zyx", scale=0.5, scale_factors=[2], fmt="0.6")
    edge = Edge(("right", "physical"), ("left", "physical"), Translation([0, 5, 3]))
    write_scene(tmp_path / "ours", [edge])
    read = ngff_zarr.from_ome_zarr(str(tmp_path / "ours"), kind="scene", validate=True)
    assert list(read.images) == ["right", "left"]
    ngff_zarr.to_ome_zarr(str(tmp_path / "theirs"), read, version="0.6")
    scene = open_scene(tmp_path / "theirs")
    assert scene.transform([1, 2, 3], "right/0", ("left", "physical")).tolist() == [0.5, 6.0, 4.5]
    assert validate(tmp_path / "theirs", data=True).counts["error"] == 0
