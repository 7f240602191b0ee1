"""Our plates read by those who read plates, and theirs read here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari_ome_zarr
import ngff_zarr
import ngio
import numpy as np
import pytest
import yaozarrs
import zarr
from ome_zarr import writer
from ome_zarr.format import FormatV04, FormatV05
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from ome_zarr_models import open_ome_zarr

from ome_ngff import (
    Field,
    create_plate,
    open_image,
    open_plate,
    repair_plate,
    validate,
    write_field,
    write_image,
    write_overview,
)

FORMATS: dict[str, Any] = {"0.4": FormatV04(), "0.5": FormatV05()}
WELLS = ("B/2", "B/3")
SIZES: dict[str, Any] = {"axes": "cyx", "scale": {"y": 0.5, "x": 0.5}, "axes_units": "um", "scale_factors": [2]}
every_version = pytest.mark.parametrize("version", FORMATS)


def pixels(well: str, number: int) -> np.ndarray[Any, Any]:
    return np.full((1, 32, 32), 10 * WELLS.index(well) + number + 1, "uint16")


@pytest.fixture
def ours(tmp_path: Path, version: str) -> Path:
    """Write two wells of two fields, of two acquisitions, in a plate of 24."""
    create_plate(tmp_path / "p.zarr", "24-well", name="screen", fmt=version, acquisitions=[{"id": 0, "name": "day 0"}])
    for well in WELLS:
        for number in (0, 1):
            write_field(pixels(well, number), tmp_path / "p.zarr", well, number, number, chunks=16, **SIZES)
    write_overview(tmp_path / "p.zarr")
    return tmp_path / "p.zarr"


@every_version
def test_ngio_reads_our_plates(ours: Path) -> None:
    plate = ngio.open_ome_zarr_plate(str(ours))
    assert (plate.rows, len(plate.columns), sorted(plate.acquisition_ids)) == (list("ABCD"), 6, [0, 1])
    assert sorted(plate.wells_paths()) == [*WELLS]
    for well in WELLS:
        row, column = well.split("/")
        assert plate.get_well(row, column).paths() == ["0", "1"]
        image = plate.get_image(row, column, "1").get_image()
        np.testing.assert_array_equal(np.squeeze(image.get_as_numpy()), pixels(well, 1)[0])


@every_version
def test_ome_zarr_and_napari_show_our_plates(ours: Path, version: str) -> None:
    nodes: list[Any] = list(Reader(parse_url(str(ours), fmt=FORMATS[version]))())
    grid = np.asarray(nodes[0].data[0])
    assert {int(value) for value in np.unique(grid)} == {0, 1, 11}  # the first fields of both wells
    (layer, *_) = napari_ome_zarr.napari_get_reader(str(ours))(str(ours))
    assert np.asarray(layer[0][0]).max() == 11


@every_version
def test_viewers_open_the_overview_that_is_kept(ours: Path, version: str) -> None:
    place, wanted = ours / "plate_overview", open_plate(ours).overview().images[0].data.compute()
    (node, *_) = Reader(parse_url(str(place), fmt=FORMATS[version]))()
    np.testing.assert_array_equal(np.asarray(node.data[0]), wanted)
    (layer, *_) = napari_ome_zarr.napari_get_reader(str(place))(str(place))
    np.testing.assert_array_equal(np.squeeze(np.asarray(layer[0][0])), np.squeeze(wanted))
    np.testing.assert_array_equal(ngio.open_ome_zarr_container(str(place)).get_image().get_as_numpy(), wanted)


@every_version
def test_ngff_zarr_reads_our_plates(ours: Path) -> None:
    plate = ngff_zarr.from_hcs_zarr(str(ours), validate=True)
    assert (plate.name, plate.field_count, [well.path for well in plate.wells]) == ("screen", 2, [*WELLS])
    image = plate.get_well("B", "3").get_image(1).images[0]
    np.testing.assert_array_equal(np.asarray(image.data), pixels("B/3", 1))


@pytest.mark.parametrize("version", ["0.5"])  # with these versions, the models of 0.4 take no array
def test_models_take_our_plates(ours: Path) -> None:
    plate = open_ome_zarr(zarr.open_group(ours, mode="r"))
    assert type(plate).__name__ == "HCS"
    assert type(open_ome_zarr(zarr.open_group(ours / "B" / "2", mode="r"))).__name__ == "Well"
    yaozarrs.validate_zarr_store(str(ours))


@every_version
def test_plates_of_ngio_are_read_and_filled_further(tmp_path: Path, version: str) -> None:
    images = [ngio.ImageInWellPath(row="B", column=column, path="0", acquisition_id=0) for column in (2, 3)]
    ngio.create_empty_plate(str(tmp_path / "p.zarr"), "screen", images=images, ngff_version=version)
    for well, path in zip(WELLS, ("B/02", "B/03"), strict=True):  # it names columns so
        write_image(pixels(well, 0), tmp_path / "p.zarr" / path / "0", **SIZES)
    write_field(pixels("B/2", 1), tmp_path / "p.zarr", "B02", 1, **SIZES)
    plate = open_plate(tmp_path / "p.zarr")
    assert plate.fields == {"B/02": (Field("0", 0), Field("1", 0)), "B/03": (Field("0", 0),)}
    assert {plate[well][0].metadata.version for well in plate} == {version}
    assert sorted(ngio.open_ome_zarr_plate(str(tmp_path / "p.zarr")).images_paths()) == ["B/02/0", "B/02/1", "B/03/0"]


@every_version
def test_plates_of_ome_zarr_are_read_and_filled_further(tmp_path: Path, version: str) -> None:
    fmt = FORMATS[version]
    group = zarr.open_group(tmp_path / "p.zarr", mode="w", zarr_format=fmt.zarr_format)
    writer.write_plate_metadata(group, ["A", "B"], ["1", "2", "3"], [*WELLS], fmt=fmt, name="screen")
    for path in WELLS:
        well = group.require_group("B").require_group(path[2:])
        writer.write_well_metadata(well, ["0"], fmt=fmt)
        writer.write_image(pixels(path, 0), well.require_group("0"), axes="cyx", fmt=fmt)
    write_field(pixels("B/2", 1), tmp_path / "p.zarr", "B/2", 1, acquisition=None, **SIZES)
    plate = open_plate(tmp_path / "p.zarr")
    found = plate.map(lambda image: int(image.images[0].data.max().compute()))
    assert found == {"B/2/0": 1, "B/2/1": 2, "B/3/0": 11}
    assert plate.plate.field_count == 2


@every_version
def test_wells_that_ngff_zarr_has_lost_are_listed(tmp_path: Path, version: str) -> None:
    rows, columns = [ngff_zarr.PlateRow("B")], [ngff_zarr.PlateColumn("2"), ngff_zarr.PlateColumn("3")]
    wells = [ngff_zarr.PlateWell(path, 0, index) for index, path in enumerate(WELLS)]
    plate = ngff_zarr.Plate(columns, rows, wells[:1], version=version, field_count=1, name="screen")
    place = str(tmp_path / "p.zarr")
    ngff_zarr.to_hcs_zarr(ngff_zarr.HCSPlate(place, plate), place)
    known = ngff_zarr.Plate(columns, rows, wells, version=version, field_count=1, name="screen")
    for path in WELLS:
        image = ngff_zarr.to_ngff_image(pixels(path, 0), dims=list("cyx"))
        levels = ngff_zarr.to_multiscales(image, scale_factors=[2], method=ngff_zarr.Methods.DASK_BIN_SHRINK)
        ngff_zarr.write_hcs_well_image(place, levels, known, "B", path[2:], acquisition_id=None, version=version)
    assert list(open_plate(place)) == ["B/2"]
    assert repair_plate(place) == ("B/3/0",)
    assert [int(open_plate(place)[well][0].images[0].data.max().compute()) for well in WELLS] == [1, 11]
    assert validate(place).valid
    assert open_image(f"{place}::B/3/0").metadata.version == version
