"""What ome-zarr and ngff-zarr write today is judged; docs/validation.md lists what is found, and this keeps it true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ngff_zarr
import numpy as np
import pytest
import zarr
from ome_zarr import writer
from ome_zarr.format import FormatV04, FormatV05

from ome_ngff import validate

PIXELS = np.random.default_rng(0).integers(0, 4000, (2, 65, 130)).astype("uint16")
FORMATS: dict[str, Any] = {"0.4": FormatV04(), "0.5": FormatV05()}
SIZES = {"y": 0.5, "x": 0.5}
UNITS = {"y": "micrometer", "x": "micrometer"}
COLORS = [{"label-value": value, "rgba": [255, 0, 0, 255]} for value in range(1, 4)]
every_version = pytest.mark.parametrize("version", FORMATS)

UNNAMED = {"multiscales-type", "multiscales-metadata"}


def findings(place: Any) -> set[tuple[str, str]]:
    """Return the rules that a store breaks, with their severity; every chunk of it can be decoded."""
    return {(f.severity, f.rule) for f in validate(place, data=True).findings}


def warnings_of(*rules: str) -> set[tuple[str, str]]:
    return {("warning", rule) for rule in rules}


@every_version
def test_images_of_ome_zarr_do_not_name_their_method(tmp_path: Path, version: str) -> None:
    known = {"axes": "cyx", "scale": SIZES, "axes_units": UNITS, "fmt": FORMATS[version]}
    writer.write_image(PIXELS, str(tmp_path / "i"), scale_factors=[2, 4], **known)
    assert findings(tmp_path / "i") == warnings_of(*UNNAMED)


@every_version
def test_pyramids_of_ome_zarr_are_translated_by_pixels(tmp_path: Path, version: str) -> None:
    group = zarr.open_group(tmp_path / "i", mode="w", zarr_format=FORMATS[version].zarr_format)
    known = {"axes": "cyx", "scale": SIZES, "axes_units": UNITS, "fmt": FORMATS[version]}
    writer.write_multiscale([PIXELS, PIXELS[:, ::2, ::2]], group, **known)
    assert findings(tmp_path / "i") == warnings_of(*UNNAMED) | {("note", "translation-centre")}


@every_version
def test_labels_of_ome_zarr_lie_in_a_group_without_a_version(tmp_path: Path, version: str) -> None:
    known = {"scale": SIZES, "axes_units": UNITS, "fmt": FORMATS[version], "scale_factors": [2, 4]}
    writer.write_image(PIXELS, str(tmp_path / "i"), axes="cyx", **known)
    labels = (PIXELS[0] % 4).astype("uint8")
    colors = {"label_metadata": {"colors": COLORS}, "scaler": None}
    writer.write_labels(labels, str(tmp_path / "i"), name="fours", axes="yx", **colors, **known)
    errors = {("error", "version")} if version == "0.5" else set()
    assert findings(tmp_path / "i") == warnings_of(*UNNAMED) | errors


@every_version
def test_plates_of_ome_zarr_are_as_they_should_be(tmp_path: Path, version: str) -> None:
    fmt = FORMATS[version]
    plate = zarr.open_group(tmp_path / "p", mode="w", zarr_format=fmt.zarr_format)
    writer.write_plate_metadata(plate, ["A"], ["1"], ["A/1"], fmt=fmt, field_count=1, name="p")
    well = plate.require_group("A").require_group("1")
    writer.write_well_metadata(well, ["0"], fmt=fmt)
    field = well.require_group("0")
    writer.write_image(PIXELS, field, axes="cyx", scale=SIZES, axes_units=UNITS, scale_factors=[], fmt=fmt)
    assert findings(tmp_path / "p") == set()


METHODS = [ngff_zarr.Methods.DASK_BIN_SHRINK, ngff_zarr.Methods.DASK_IMAGE_GAUSSIAN, ngff_zarr.Methods.ITKWASM_GAUSSIAN]


def theirs(method: Any = METHODS[0]) -> Any:
    image = ngff_zarr.to_ngff_image(PIXELS, dims=["c", "y", "x"], scale=SIZES, axes_units=UNITS)
    return ngff_zarr.to_multiscales(image, scale_factors=[2, 4], method=method)


@every_version
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_images_of_ngff_zarr_are_as_they_should_be(tmp_path: Path, version: str, method: Any) -> None:
    ngff_zarr.to_ngff_zarr(str(tmp_path / "i"), theirs(method), version=version)
    assert findings(tmp_path / "i") == set()


@every_version
def test_plates_of_ngff_zarr_state_no_version_in_0_5(tmp_path: Path, version: str) -> None:
    rows, columns = [ngff_zarr.PlateRow("A")], [ngff_zarr.PlateColumn("1")]
    wells = [ngff_zarr.PlateWell("A/1", 0, 0)]
    plate = ngff_zarr.Plate(columns, rows, wells, version=version, field_count=1, name="p")
    place = str(tmp_path / "p")
    ngff_zarr.to_hcs_zarr(ngff_zarr.HCSPlate(place, plate), place)
    ngff_zarr.write_hcs_well_image(place, theirs(), plate, "A", "1", acquisition_id=None, version=version)
    assert findings(tmp_path / "p") == (warnings_of("plate-version") if version == "0.5" else set())


def test_single_files_of_ngff_zarr_have_no_sizes_of_zip64(tmp_path: Path) -> None:
    ngff_zarr.to_ngff_zarr(str(tmp_path / "i.ozx"), theirs(), version="0.5")
    assert findings(tmp_path / "i.ozx") == warnings_of("zip64")


def test_images_of_ngff_zarr_in_0_6_break_no_rule(tmp_path: Path) -> None:
    ngff_zarr.to_ngff_zarr(str(tmp_path / "i"), theirs(), version="0.6")
    assert findings(tmp_path / "i") == set()
