"""Plates made from files: instruments known by their names, patterns, manifests; what is missing, what is stitched."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result
from helpers import every_file

import ome_ngff
from ome_ngff import (
    BatchError,
    InputError,
    MissingError,
    OptionError,
    convert_plate,
    create_plate,
    open_plate,
    validate,
    write_field,
    write_image,
)
from ome_ngff.cli import main
from ome_ngff.image import NgffImage, stitched
from ome_ngff.inputs.wells import found_planes, parse_well

SMALL: dict[str, Any] = {"chunks": 16, "scale_factors": [2]}


def plane(*numbers: int) -> np.ndarray[Any, Any]:
    """Return the plane that row, column, field, channel, z and t have in all of these tests."""
    return np.random.default_rng(numbers).integers(0, 4000, (12, 14)).astype("uint16")


def save(path: Path, pixels: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels)


def run(*words: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def level(plate: Path, well: str, field: int | str = 0) -> np.ndarray[Any, Any]:
    return np.asarray(open_plate(plate)[well][field].images[0].data)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Names of instruments ------------------------------------------------------------------------------------------------

GUID = "1E78EB12-BD0D-4D94-A6AD-3FF28BB1B1{:02X}"
INSTRUMENTS: dict[str, tuple[str, Callable[..., str], tuple[str, ...]]] = {
    "operetta": (
        "Opera or Operetta",
        lambda r, c, f, ch, z, t: f"Images/r{r:02}c{c:02}f{f:02}p{z:02}-ch{ch}sk{t}fk1fl1.tiff",
        ("ch1", "ch2"),
    ),
    "operetta, older": (
        "Opera or Operetta", lambda r, c, f, ch, z, t: f"r{r:02}c{c:02}f{f}p{z}-ch{ch}sk{t}fk1fl1.tiff", ("ch1", "ch2")
    ),
    "cellvoyager": (
        "CellVoyager (Yokogawa)",
        lambda r, c, f, ch, z, t: f"Plate 1_{chr(64 + r)}{c:02}_T{t:04}F{f:03}L01A0{ch}Z{z:02}C{ch:02}.tif",
        ("C01", "C02"),
    ),
    "imagexpress, as stored": (
        "ImageXpress",
        lambda r, c, f, ch, z, t: (
            f"2024-04-22/1697/TimePoint_{t}/ZStep_{z}/Scr-1_{chr(64 + r)}{c:02}_s{f}_w{ch}{GUID.format(f * 4 + ch)}.tif"
        ),
        ("w1", "w2"),
    ),
    "imagexpress, as exported": (
        "ImageXpress",
        lambda r, c, f, ch, z, t: f"TimePoint_{t}/ZStep_{z}/Scr_{chr(64 + r)}{c:02}_s{f}_w{ch}.TIF",
        ("w1", "w2"),
    ),
    "cytation": (
        "Cytation",
        lambda r, c, f, ch, z, t: f"{chr(64 + r)}{c}_02_{ch}_{f}Z{z}_{('DAPI', 'GFP 469,525')[ch - 1]}_{t:03}.tif",
        ("DAPI", "GFP 469,525"),
    ),
    "cytation, older": (
        "Cytation",
        lambda r, c, f, ch, z, t: f"{chr(64 + r)}{c}_{f}Z{z}_{('DAPI', 'Bright Field')[ch - 1]}_{ch}_{t:03}_.tif",
        ("Bright Field", "DAPI"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(INSTRUMENTS))
def test_names_of_instruments_are_recognised_and_said(kind: str, here: Path) -> None:
    instrument, name, channels = INSTRUMENTS[kind]
    wells, order = [(2, 3), (3, 11)], (2, 1) if channels[0] == "Bright Field" else (1, 2)
    for r, c in wells:
        for f, ch, z, t in np.ndindex(2, 2, 3, 2):
            save(here / "in" / name(r, c, f + 1, ch + 1, z + 1, t + 1), plane(r, c, f, ch + 1, z, t))
    (here / "in" / "Index.idx.xml").write_text("<xml/>")
    save(here / "in" / "notes.tif", plane(0))
    result = run("plate", "in", "out", "--chunks", "16", "--scale-factors", "none")
    assert f"in: 48 files named as {instrument}" in result.stderr
    assert "; 1 other images left out: 2 wells (B/3, C/11), 4 fields\n4 written" in result.stderr
    assert list(open_plate("out")) == ["B/3", "C/11"]
    for r, c in wells:
        for f in (0, 1):
            image = open_plate("out")[chr(64 + r), c][f].images[0]
            wanted = [[[plane(r, c, f, ch, z, t) for z in range(3)] for ch in order] for t in range(2)]
            assert (image.dims, tuple(image.channel_names or ())) == (tuple("tczyx"), channels)
            np.testing.assert_array_equal(image.data, wanted)


def test_thumbnails_and_projections_of_imagexpress_stay_out(here: Path) -> None:
    for z in range(3):
        save(here / f"in/ZStep_{z + 1}/P_B03_s1_w1{GUID.format(z)}.tif", plane(z))
        save(here / f"in/ZStep_{z + 1}/P_B03_s1_w1_thumb{GUID.format(z)}.tif", plane(z)[::4, ::4])
    save(here / f"in/P_B03_s1_w1{GUID.format(9)}.tif", plane(9))
    found, said = found_planes("in")
    assert len(found) == 3
    assert said == "in: 3 files named as ImageXpress names them; 1 projections left out; 3 thumbnails left out"
    convert_plate("in", "out", **SMALL)
    np.testing.assert_array_equal(level(here / "out", "B/3"), [[plane(z) for z in range(3)]])


def test_a_projection_in_its_own_folder_stays_out(here: Path) -> None:
    for z in range(3):
        save(here / f"in/TimePoint_1/ZStep_{z}/P_B03_s1_w1.TIF", plane(z))
    convert_plate("in", "out", **SMALL)
    np.testing.assert_array_equal(level(here / "out", "B/3"), [[plane(1), plane(2)]])


def test_a_single_site_and_wavelength_need_no_numbers(here: Path) -> None:
    save(here / "in/P_B03_w1.TIF", plane(1))
    save(here / "in/P_B03_w2.TIF", plane(2))
    convert_plate("in", "out", **SMALL)
    np.testing.assert_array_equal(level(here / "out", "B3"), [plane(1), plane(2)])


def test_a_time_of_minus_one_is_none(here: Path) -> None:
    save(here / "in/A1_-1_1_1_DAPI_-01.tif", plane(1))
    save(here / "in/A1_-1_1_2_DAPI_-01.tif", plane(2))
    convert_plate("in", "out", **SMALL)
    np.testing.assert_array_equal(level(here / "out", "A/1", 1), [plane(2)])


def test_a_folder_of_other_names_shows_the_way_out(here: Path) -> None:
    save(here / "in/cells.tif", plane(1))
    with pytest.raises(InputError, match=r"The 1 images in in \(such as 'cells.tif'\) are not named as Opera or .*"):
        convert_plate("in", "out")
    assert not (here / "out").exists()


# Patterns ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        pytest.param("r{0:02}c{1:02}f{2}p1-ch{3}.tif", "in/r{row}c{column}f{field}p{z}-ch{c}*.tif", id="numbers"),
        pytest.param("{4}{1:02}/s{2}/w{3}.tif", "in/{well}/s{site}/w{c}.tif", id="folders"),
        pytest.param("{4}/{1}/a_{2}_{3}.tif", "in/{row}/{col}/a_{field}_{wavelength}.tif", id="rows in folders"),
        pytest.param("x/y/{4}{1}_f{2}_ch{3}.tif", "in/**/{well}_f{field}_ch{channel}.tif", id="any folder"),
        pytest.param("run_{4}{1}-{2}-{3}_1712.tif", "in/run_{well}-{field}-{channel}_????.tif", id="wildcards"),
        pytest.param("scan [1]/{4}{1}_{2}_{3}.tif", "in//scan [1]/{row}{column}_{field}_{c}.tif", id="brackets"),
        pytest.param("r{0:03}c{1:03}f{2:03}_{3}.tif", "in/r{row}c{column}f{field}_{c}.tif", id="three digits"),
    ],
)  # fmt: skip
def test_patterns_name_what_stands_in_paths(name: str, pattern: str, here: Path) -> None:
    for f, ch in np.ndindex(2, 2):
        save(here / "in" / name.format(2, 3, f + 1, ch + 1, "B"), plane(f, ch))
        save(here / "in" / name.format(8, 12, f + 1, ch + 1, "H"), plane(f, ch, 8))
    convert_plate(pattern, "out", **SMALL)
    assert list(open_plate("out")) == ["B/3", "H/12"]
    np.testing.assert_array_equal(level(here / "out", "B/3", 1), [plane(1, 0), plane(1, 1)])
    np.testing.assert_array_equal(level(here / "out", "H/12", 0), [plane(0, 0, 8), plane(0, 1, 8)])


def test_words_in_names_are_channels(here: Path) -> None:
    for i, dye in enumerate(("GFP", "DAPI")):
        save(here / f"in/B03_{dye}.tif", plane(i))
    convert_plate("in/{well}_{channel}.tif", "out", **SMALL)
    image = open_plate("out")["B/3"][0].images[0]
    assert image.channel_names == ["DAPI", "GFP"]
    np.testing.assert_array_equal(image.data, [plane(1), plane(0)])


def test_acquisitions_have_fields_of_their_own(here: Path) -> None:
    for a, f in np.ndindex(2, 2):
        save(here / f"in/round{a + 1}/B03_f{f + 1}.tif", plane(a, f))
    convert_plate("in/round{acquisition}/{well}_f{field}.tif", "out", **SMALL)
    fields = open_plate("out")["B/3"].fields
    assert [(field.path, field.acquisition) for field in fields] == [
        ("0", 1),
        ("1", 1),
        ("2", 2),
        ("3", 2),
    ]
    np.testing.assert_array_equal(level(here / "out", "B/3", 3), plane(1, 1))


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        pytest.param("in/{well}_{dog}.tif", "{dog} is not well, row,", id="unknown"),
        pytest.param("in/r{row}_{z}.tif", "must name {well}, or {row} and {column}", id="no well"),
        pytest.param("in/{well}_{z}_{plane}.tif", "and each once", id="twice"),
        pytest.param("in/{well}{field}.tif", "{well}{field} in a pattern cannot be told apart", id="joined"),
        pytest.param("in/{well}_s{site}.png", "No file matches", id="nothing"),
        pytest.param("in/{well}_q{site}.*", "No file matches", id="unlike"),
    ],
)
def test_patterns_that_cannot_be_meant_are_refused(pattern: str, why: str, here: Path) -> None:
    save(here / "in/B03_s1.tif", plane(1))
    with pytest.raises((ValueError, MissingError), match=re.escape(why)):
        convert_plate(pattern, "out")


# Wells ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["B03", "B3", "b3", "B/3", "B/03", " B_3", "2/3"])
def test_a_well_is_understood_however_it_is_written(text: str) -> None:
    assert parse_well(text) == ("B", 3)


def test_wells_of_the_largest_plates_are_understood() -> None:
    assert parse_well("AF48") == ("AF", 48)
    assert parse_well("32/48") == ("AF", 48)


@pytest.mark.parametrize("text", ["", "3", "B", "B0", "3B", "B/3/1", "ABC1", "0/3", "00/3"])
def test_what_is_no_well_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="A well is B03, B3 or B/3"):
        parse_well(text)


@pytest.mark.parametrize("columns", ["1-12", "01-12"])
def test_a_plate_that_is_there_names_its_columns(columns: str, here: Path) -> None:
    create_plate("out", "A-H", columns)
    for n, name in enumerate(("B03", "C4")):
        save(here / f"in/{name}_f1.tif", plane(n))
    convert_plate("in/{well}_f{field}.tif", "out", **SMALL)
    plate = open_plate("out")
    assert list(plate) == (["B/3", "C/4"] if columns == "1-12" else ["B/03", "C/04"])
    for n, names in enumerate((("B03", "B3", "B/3", "B/03", ("B", 3)), ("C04", "C4", "C/4", "C/04", ("C", "04")))):
        for well in names:
            np.testing.assert_array_equal(plate[well][0].images[0].data, plane(n))


@pytest.mark.parametrize("name", ["B3", "B/3", "B/03"])
def test_a_well_is_read_with_and_without_zeros(name: str, here: Path) -> None:
    write_field(plane(1), "out", name, **SMALL)
    for well in ("B3", "B03", "B/3", "B/03"):
        assert well in open_plate("out")
        np.testing.assert_array_equal(level(here / "out", well), plane(1))
    assert "B33" not in open_plate("out")


# Manifests -----------------------------------------------------------------------------------------------------------


def manifest(path: Path, rows: Iterable[dict[str, Any]]) -> str:
    listed = list(rows)
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, list(dict.fromkeys(key for row in listed for key in row)))
        table.writeheader()
        table.writerows(listed)
    return str(path)


def test_a_manifest_says_what_each_file_is(here: Path) -> None:
    rows = []
    for n, (well, field, dye, z) in enumerate([("B03", 0, "GFP", 1), ("B03", 0, "GFP", 2), ("B/3", 0, "DAPI", 1),
                                               ("B3", 0, "DAPI", 2), ("C04", 7, "GFP", 1), ("C04", 7, "GFP", 2),
                                               ("C04", 7, "DAPI", 1), ("C04", 7, "DAPI", 2)]):  # fmt: skip
        save(here / f"in/x{n}.tif", plane(n))
        rows.append({"Input": f"in/x{n}.tif", "Well": well, "field": field, "Acquisition": 4, "channel": dye, "z": z})
    convert_plate(manifest(here / "m.csv", rows), "out", layout="96-well", name="screen", **SMALL)
    plate = open_plate("out")
    assert (len(plate.rows), len(plate.columns), plate.name) == (8, 12, "screen")
    assert [each.id for each in plate.acquisitions] == [4]
    assert plate["B/3"][0].images[0].channel_names == ["GFP", "DAPI"]
    np.testing.assert_array_equal(level(here / "out", "B/3"), [[plane(0), plane(1)], [plane(2), plane(3)]])
    np.testing.assert_array_equal(level(here / "out", "C/4", 7), [[plane(4), plane(5)], [plane(6), plane(7)]])
    assert validate("out").valid


def test_files_of_several_dimensions_are_fields(here: Path) -> None:
    stack = np.stack([plane(z) for z in range(5)])
    tifffile.imwrite("a.ome.tif", stack, metadata={"axes": "ZYX", "PhysicalSizeX": 0.3, "PhysicalSizeY": 0.3})
    write_image(stack + 1, "b.zarr", axes="zyx", scale={"x": 0.5})
    rows = [{"input": "a.ome.tif", "well": "A1"}, {"input": "b.zarr", "well": "A2"}]
    convert_plate(manifest(here / "m.csv", rows), "out", **SMALL)
    np.testing.assert_array_equal(level(here / "out", "A/1"), stack)
    np.testing.assert_array_equal(level(here / "out", "A/2"), stack + 1)
    assert [open_plate("out")[f"A/{n}"][0].images[0].scale["x"] for n in (1, 2)] == [0.3, 0.5]  # type: ignore[index]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        pytest.param({"well": "B03", "dog": 1}, "'dog'", id="column"),
        pytest.param({"well": "Q"}, "Line 2 of .*m.csv: A well is B03", id="well"),
        pytest.param({"well": "B03", "z": "top"}, "Line 2 of .*: z is a whole number", id="number"),
        pytest.param({"well": "B03", "x": "left"}, "Line 2 of .*could not convert", id="position"),
        pytest.param({"well": "B03", "field": "a b"}, "Line 2 of .*: a field is a number", id="field"),
        pytest.param({"well": "B03", "input": ""}, "Line 2 of .*: there is no input", id="input"),
        pytest.param({"well": "B03", "x": "nan"}, "Line 2 of .*: x is a finite number", id="no finite position"),
        pytest.param({"well": "B03", "Well": "B04"}, "more than one column 'well'", id="column twice"),
        pytest.param({"well": "B03", "c": 1, "channel": 2}, "more than one column 'channel'", id="column by two names"),
    ],
)
def test_a_manifest_that_is_not_understood_names_the_line(row: dict[str, Any], why: str, here: Path) -> None:
    save(here / "a.tif", plane(1))
    with pytest.raises(OptionError, match=why):
        convert_plate(manifest(here / "m.csv", [{"input": "a.tif", **row}]), "out")
    assert not (here / "out").exists()


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_manifest_of_another_encoding_says_so(encoding: str, here: Path) -> None:
    (here / "m.csv").write_text("input,well,unit\na.tif,B3,µm\n", encoding=encoding)
    with pytest.raises(OptionError, match=r"m\.csv is not a table of text in UTF-8 \(.*\); save it as CSV UTF-8"):
        convert_plate("m.csv", "out")


def test_planes_of_one_field_have_the_same_words(here: Path) -> None:
    rows = [{"input": f"{'ab'[n]}.tif", "well": "B3", "channel": n, "series": n} for n in (0, 1)]
    with pytest.raises(InputError, match=r"other things of '.*b\.tif' than of '.*a\.tif', both planes of B/3, field 0"):
        convert_plate(manifest(here / "m.csv", rows), "out")


def test_an_acquisition_that_is_left_out_is_0(here: Path) -> None:
    for n in (0, 1):
        save(here / f"{n}.tif", plane(n))
    rows = [{"input": f"{n}.tif", "well": "B3", "field": n, "acquisition": ["", 0][n]} for n in (0, 1)]
    convert_plate(manifest(here / "m.csv", rows), "out", **SMALL)
    assert [(each.path, each.acquisition) for each in open_plate("out")["B/3"].fields] == [("0", 0), ("1", 0)]


def test_a_plate_with_a_name_grows_with_its_files(here: Path) -> None:
    for well in ("B03", "D05"):
        save(here / f"in/{well}.tif", plane(1))
        convert_plate("in/{well}.tif", "out", name="screen", **SMALL)
    assert (open_plate("out").name, list(open_plate("out"))) == ("screen", ["B/3", "D/5"])


def test_two_files_of_one_plane_are_refused(here: Path) -> None:
    rows = [{"input": "a.tif", "well": "B3"}, {"input": "b.tif", "well": "B03"}]
    with pytest.raises(InputError, match=r"a.tif' and '.*b.tif' are the same plane of B/3, field 0; tell them apart"):
        convert_plate(manifest(here / "m.csv", rows), "out")


# What is missing, what is there --------------------------------------------------------------------------------------


def operetta(here: Path, wells: Iterable[tuple[int, int]], fields: int = 1) -> None:
    for r, c in wells:
        for f, ch, z in np.ndindex(fields, 2, 2):
            save(here / f"in/r{r:02}c{c:02}f{f + 1:02}p{z + 1:02}-ch{ch + 1}sk1fk1fl1.tiff", plane(r, c, f, ch, z))


def test_missing_planes_are_named_and_the_rest_is_written(here: Path) -> None:
    operetta(here, [(1, 1), (1, 2), (2, 1)])
    for name in ("r01c02f01p01-ch1", "r01c02f01p02-ch1", "r02c01f01p02-ch2"):
        (here / f"in/{name}sk1fk1fl1.tiff").unlink()
    result = run("plate", "in", "out", "--report", "report.json", code=1)
    assert "3 fields; 2 of them lack planes" in result.stderr
    assert "Planes of A/2/0 are missing: in/r01c02f01p01-ch1sk1fk1fl1.tiff, in/r01c02f01p02-ch1sk1" in result.stderr
    assert "Planes of B/1/0 are missing: in/r02c01f01p02-ch2sk1fk1fl1.tiff." in result.stderr
    states = [each["state"] for each in json.loads((here / "report.json").read_text())]
    assert states == ["written", "failed", "failed"]
    assert list(open_plate("out")) == ["A/1"]
    operetta(here, [(1, 2), (2, 1)])
    assert run("plate", "in", "out").stderr.splitlines()[-1] == "1 skipped, 2 written"
    assert list(open_plate("out")) == ["A/1", "A/2", "B/1"]
    np.testing.assert_array_equal(level(here / "out", "A/2"), [[plane(1, 2, 0, c, z) for z in (0, 1)] for c in (0, 1)])


def test_missing_planes_of_a_manifest_are_named_in_words(here: Path) -> None:
    rows = [{"input": f"{w}{z}.tif", "well": w, "channel": "GFP", "z": z} for w in ("A1", "A2") for z in range(1, 4)]
    for row in rows:
        save(here / str(row["input"]), plane(1))
    with pytest.raises(BatchError, match=r"Planes of A/2/0 are missing: channel GFP, z 2\."):
        convert_plate(manifest(here / "m.csv", rows[:4] + rows[5:]), "out", **SMALL)


def test_a_plan_says_what_would_be_written_and_writes_nothing(here: Path) -> None:
    operetta(here, [(1, 1), (1, 2)])
    result = run("plate", "in", "out", "--plan", "--layout", "96-well", "--json")
    assert [each["output"] for each in json.loads(result.stdout)] == ["out/A/1/0", "out/A/2/0"]
    assert not (here / "out").exists()


def test_what_is_no_plate_stays_as_it_is(here: Path) -> None:
    operetta(here, [(1, 1)])
    write_image(plane(1), "out")
    before = every_file(here / "out")
    assert "out is an image; a plate needs a group of its own." in run("plate", "in", "out", code=2).stderr
    assert every_file(here / "out") == before


def test_words_of_write_hold_for_each_field(here: Path) -> None:
    operetta(here, [(1, 1)])
    words = [
        "--format",
        "0.4",
        "--method",
        "nearest",
        "--scale-factors",
        "2",
        "--chunks",
        "8",
        "--scale",
        "y=0.5,x=0.5",
    ]
    run("plate", "in", "out", *words, "--unit", "micrometer", "--no-omero", "--compression", "gzip", "--verify")
    image = open_plate("out")["A/1"][0]
    assert (image.metadata.version, image.metadata.omero) == ("0.4", None)
    assert (image.images[0].scale, image.images[0].axes_units) == (
        {"c": 1.0, "z": 1.0, "y": 0.5, "x": 0.5}, dict.fromkeys("zyx", "micrometer")
    )  # fmt: skip
    np.testing.assert_array_equal(image.images[1].data, np.asarray(image.images[0].data)[..., ::2, ::2])


def test_processes_that_join_share_the_fields(here: Path) -> None:
    operetta(here, [(1, c) for c in range(1, 5)])
    for _ in range(2):
        done = convert_plate("in", "out", join=True, **SMALL)
    assert {each.state for each in done} == {"skipped"}
    assert len(open_plate("out")) == 4


# Fields side by side -------------------------------------------------------------------------------------------------

PLACES = [(0.0, 0.0), (5.0, 0.5), (-1.0, 4.5), (4.0, 5.0)]  # y and x of four fields of pixels of 0.5, in micrometers


def placed(here: Path, places: Iterable[tuple[float, float]] = PLACES, **more: Any) -> str:
    rows = []
    for well in ("A1", "B2"):
        for n, (y, x) in enumerate(places):
            save(here / f"in/{well}_{n}.tif", plane(n, ord(well[0])))
            rows.append({"input": f"in/{well}_{n}.tif", "well": well, "field": n, "x": x, "y": y, "scale": 0.5, **more})
    return manifest(here / "m.csv", rows)


def canvas(well: str, mean: bool) -> np.ndarray[Any, Any]:
    """Lay the fields of PLACES by whole pixels, as NumPy does."""
    total, count = np.zeros((24, 24)), np.zeros((24, 24))
    last = np.zeros((24, 24), "uint16")
    for n, (y, x) in enumerate(PLACES):
        box = np.s_[round(y / 0.5) + 2 :, round(x / 0.5) :][0:2]
        here = (slice(box[0].start, box[0].start + 12), slice(box[1].start, box[1].start + 14))
        last[here] = plane(n, ord(well[0]))
        total[here] += plane(n, ord(well[0]))
        count[here] += 1
    return np.rint(total / np.maximum(count, 1)).astype("uint16") if mean else last


@pytest.mark.parametrize(
    ("words", "mean"), [([], False), (["--overlap", "last"], False), (["--overlap", "mean"], True)]
)
def test_fields_are_laid_by_their_positions_in_the_stage(words: list[str], mean: bool, here: Path) -> None:
    run("plate", placed(here), "out", "--stitch", *words, "--chunks", "8", "--unit", "micrometer", "--verify")
    plate = open_plate("out")
    for well in ("A/1", "B/2"):
        image = plate[well][0].images[0]
        np.testing.assert_array_equal(image.data, canvas(well, mean))
        assert (image.scale, image.translation) == ({"y": 0.5, "x": 0.5}, {"y": -1.0, "x": 0.0})
        assert list(plate[well]) == ["0"]
    assert run("plate", "m.csv", "out", "--stitch", *words, "--chunks", "8", "--unit", "µm").stderr[-9:] == " skipped\n"


def test_a_stored_well_is_stitched_as_its_files_are(here: Path) -> None:
    convert_plate(placed(here), "out", **SMALL)
    stitched = open_plate("out").stitch("B/2")
    np.testing.assert_array_equal(stitched.images[0].data, canvas("B/2", False))
    np.testing.assert_array_equal(open_plate("out").stitch("B2", overlap="mean").images[0].data, canvas("B/2", True))
    write_image(stitched.images[0], "whole.zarr", chunks=8)
    assert validate("whole.zarr").valid


def test_positions_of_files_lay_them(here: Path) -> None:
    size = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm"}
    for n, (y, x) in enumerate(PLACES):
        stage = {"PositionX": [x + 7e3], "PositionXUnit": ["µm"], "PositionY": [y + 9e3], "PositionYUnit": ["µm"]}
        tifffile.imwrite(f"A01_s{n}.ome.tif", plane(n, ord("A")), metadata={"axes": "YX", **size, "Plane": stage})
    convert_plate("{well}_s{field}.ome.tif", "out", stitch="mean", **SMALL)
    np.testing.assert_array_equal(level(here / "out", "A/1"), canvas("A/1", True))
    assert open_plate("out")["A/1"][0].images[0].translation == {"y": 8999.0, "x": 7000.0}


def test_fields_of_several_planes_are_stitched_whole(here: Path) -> None:
    rows = []
    for f, ch, t in np.ndindex(2, 2, 3):
        save(here / f"in/{f}{ch}{t}.tif", plane(f, ch, t))
        rows.append(
            {"input": f"in/{f}{ch}{t}.tif", "well": "A1", "field": f, "channel": ch, "t": t, "x": 10 * f, "y": 0}
        )
    convert_plate(manifest(here / "m.csv", rows), "out", stitch=True, **SMALL)
    wanted = np.zeros((3, 2, 12, 24), "uint16")
    for f, ch, t in np.ndindex(2, 2, 3):
        wanted[t, ch, :, 10 * f : 10 * f + 14] = plane(f, ch, t)
    np.testing.assert_array_equal(level(here / "out", "A/1"), wanted)


def test_a_file_of_a_stitched_well_that_has_changed_is_noticed(here: Path) -> None:
    table = placed(here)
    convert_plate(table, "out", stitch=True, **SMALL)
    save(here / "in/A1_3.tif", plane(99))
    with pytest.raises(BatchError, match="1 of 2 inputs could not be converted"):
        convert_plate(table, "out", stitch=True, **SMALL)


def test_positions_between_pixels_are_rounded_and_said(here: Path) -> None:
    table = placed(here, [(0.0, 0.0), (0.1, 3.1)])
    with pytest.warns(UserWarning, match=r"of the well [AB]/[12] were rounded to whole pixels, by up to 0\.20 of one"):
        convert_plate(table, "out", stitch=True, **SMALL)
    assert level(here / "out", "A/1").shape == (12, 20)


@pytest.mark.parametrize(
    ("places", "change", "why"),
    [
        pytest.param([(0, 0), (0, 0)], {}, "Nothing says where the 2 fields of the well A/1 lie", id="nowhere"),
        pytest.param(PLACES, {"scale": 0.25}, r"pixels of different sizes \(y: 0.5 and 0.25\)", id="sizes"),
        pytest.param(PLACES, {"input": "in/float.tif"}, "uint16 with y, x, and float32 with y, x", id="types"),
        pytest.param(PLACES, {"x": ""}, "Nothing says where 1 of the 4 fields of the well A/1 lie along x", id="one"),
        pytest.param(PLACES, {"x": 1e17}, "lie up to 2e.17 pixels apart; compare units", id="far away"),
    ],
)
def test_fields_that_cannot_be_one_image_are_refused(places: Any, change: dict[str, Any], why: str, here: Path) -> None:
    save(here / "in/float.tif", plane(1).astype("float32"))
    with open(placed(here, places)) as file:
        rows = list(csv.DictReader(file))
    rows[1].update(change)
    with pytest.raises(BatchError, match=why):
        convert_plate(manifest(here / "m.csv", rows), "out", stitch=True, **SMALL)


def test_fields_that_hide_others_are_said(here: Path) -> None:
    with pytest.warns(UserWarning, match="Some of the 3 fields of the well .* have the same position"):
        convert_plate(placed(here, [(0, 0), (0, 6), (0, 6)]), "out", stitch=True, **SMALL)


def test_acquisitions_are_never_stitched_together(here: Path) -> None:
    for n in range(4):
        write_field(plane(n), "out", "A/1", n, n // 2, translation={"x": 20.0 * (n % 2)}, **SMALL)
    with pytest.raises(OptionError, match="fields of acquisitions 0, 1, which lie one over the other"):
        open_plate("out").stitch("A/1")
    found = open_plate("out").stitch("A/1", acquisition=1).images[0].data
    np.testing.assert_array_equal(found[:, :14], plane(2))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "uint64", "float16", "float32"])
def test_means_of_fields_are_exact(dtype: str) -> None:
    whole = dtype[:5] != "float"
    low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if whole else (0.0, float(np.finfo(dtype).max) / 4 * 3)
    values = [np.array([[high, high, low + 1]], dtype), np.array([[high - 1, high, low]], dtype)]
    images = [NgffImage(v, ("y", "x"), translation={"x": float(i)}) for i, v in enumerate(values)]
    images.append(NgffImage(values[0][:, :1], ("y", "x"), translation={"x": 2.0}))
    found = np.asarray(stitched(images, "mean").data)
    one, other = values[0][0], values[1][0]
    columns = [[one[0]], [one[1], other[0]], [one[2], other[1], one[0]], [other[2]]]
    wanted = [
        sum(map(float, each)) / len(each) if not whole else round(Fraction(sum(map(int, each)), len(each)))
        for each in columns
    ]
    np.testing.assert_array_equal(found, np.array([wanted], dtype))


IMAGE = """<Image Version="1"><id>{id}</id><State>Ok</State><URL>{url}</URL><ChannelID>{ch}</ChannelID>{more}
<PositionX Unit="m">{x}</PositionX><PositionY Unit="m">{y}</PositionY><PositionZ Unit="m">{z}</PositionZ></Image>"""
FACTS = """<ChannelName>{name}</ChannelName><ImageResolutionX Unit="m">5E-07</ImageResolutionX>
<ImageResolutionY Unit="m">5E-07</ImageResolutionY>"""
NAMES = ("HOECHST 33342", "Alexa 488")


def index(here: Path, version: int) -> None:
    """Write the index of a plate of four fields of 2 channels and 2 planes, as Harmony 5 and 6 do."""
    images, entries = [], ""
    for f, (y, x) in enumerate(PLACES):
        for ch, z in np.ndindex(2, 2):
            name = f"r01c01f{f + 1:02}p{z + 1:02}-ch{ch + 1}sk1fk1fl1.tiff"
            save(here / "in/Images" / name, plane(f, ch, z))
            more = FACTS.format(name=NAMES[ch]) if version == 5 else ""
            place = {"x": f"{x}E-06", "y": f"{-y}E-06", "z": f"{3 * z}E-06"}
            images.append(IMAGE.format(id=len(images), url=name, ch=ch + 1, more=more, **place))
    for ch in range(2) if version == 6 else ():
        entries += f'<Entry ChannelID="{ch + 1}">{FACTS.format(name=NAMES[ch])}</Entry>'
    wells = "<Wells><Well><Image id='0'/></Well></Wells>"
    text = f"<Maps><Map>{entries}</Map></Maps>{wells}<Images>{''.join(images)}</Images>"
    space = f"http://www.perkinelmer.com/PEHH/HarmonyV{version}"
    (here / "in/Images/Index.idx.xml").write_text(f'<EvaluationInputData xmlns="{space}">{text}</EvaluationInputData>')


def whole_well() -> np.ndarray[Any, Any]:
    wanted = np.zeros((2, 2, 24, 24), "uint16")
    for f, (y, x) in enumerate(PLACES):
        low, left = round(y / 0.5) + 2, round(x / 0.5)
        for ch, z in np.ndindex(2, 2):
            wanted[ch, z, low : low + 12, left : left + 14] = plane(f, ch, z)
    return wanted


@pytest.mark.parametrize("version", [5, 6])
def test_the_index_of_an_operetta_says_where_fields_lie(version: int, here: Path) -> None:
    index(here, version)
    convert_plate("in", "out", stitch=True, **SMALL)
    image = open_plate("out")["A/1"][0].images[0]
    assert (image.scale, image.channel_names) == ({"c": 1.0, "z": 3.0, "y": 0.5, "x": 0.5}, list(NAMES))
    assert image.axes_units == dict.fromkeys("zyx", "micrometer")
    assert {axis: at for axis, at in (image.translation or {}).items() if axis in "yx"} == {"y": -1.0, "x": 0.0}
    np.testing.assert_array_equal(image.data, whole_well())


def records(here: Path) -> None:
    """Write the files of a CellVoyager of the same fields, with a plane that failed, in the words of the instrument."""
    rows, names = [], (("Type", "ERR"), ("X", ""), ("Y", ""))
    rows.append((names, "Autofocus failed"))
    for f, (y, x) in enumerate(PLACES):
        for ch, z in np.ndindex(2, 2):
            name = f"P_A01_T0001F{f + 1:03}L01A01Z{z + 1:02}C{ch + 1:02}.tif"
            save(here / "in" / name, plane(f, ch, z))
            rows.append(((("Type", "IMG"), ("X", x - 1448.0), ("Y", 1517.5 - y), ("Z", 3 * z), ("Ch", ch + 1)), name))
    space = 'xmlns:bts="http://www.yokogawa.co.jp/BTS/BTSSchema/1.0"'
    lines = [(" ".join(f'bts:{key}="{value}"' for key, value in words), text) for words, text in rows]
    text = "".join(f"<bts:MeasurementRecord {words}>{name}</bts:MeasurementRecord>\n" for words, name in lines)
    (here / "in/MeasurementData.mlf").write_text(f"<bts:MeasurementData {space}>\n{text}</bts:MeasurementData>>\n")
    size = 'bts:HorizontalPixelDimension="0.5" bts:VerticalPixelDimension="0.5"'
    text = "".join(f'<bts:MeasurementChannel bts:Ch="{ch}" {size} />' for ch in (1, 2))
    (here / "in/MeasurementDetail.mrf").write_text(f"<bts:MeasurementDetail {space}>{text}</bts:MeasurementDetail>")


def test_the_records_of_a_cellvoyager_say_where_fields_lie(here: Path) -> None:
    records(here)
    convert_plate("in", "out", stitch=True, **SMALL)
    image = open_plate("out")["A/1"][0].images[0]
    assert (image.scale, image.channel_names) == ({"c": 1.0, "z": 3.0, "y": 0.5, "x": 0.5}, ["C01", "C02"])
    assert {axis: at for axis, at in (image.translation or {}).items() if axis in "yx"} == {"y": -1518.5, "x": -1448.0}
    np.testing.assert_array_equal(image.data, whole_well())


def test_options_win_over_the_index(here: Path) -> None:
    index(here, 5)
    convert_plate("in", "out", scale={"y": 2.0, "x": 2.0}, **SMALL)
    assert open_plate("out")["A/1"][1].images[0].scale == {"c": 1.0, "z": 3.0, "y": 2.0, "x": 2.0}


def test_an_index_that_is_broken_is_said(here: Path) -> None:
    index(here, 5)
    (here / "in/Images/Index.idx.xml").write_text("<EvaluationInputData><Images>")
    with pytest.warns(UserWarning, match=r"Index.idx.xml is not understood and left out"):
        convert_plate("in", "out", **SMALL)
    assert open_plate("out")["A/1"][1].images[0].channel_names == ["ch1", "ch2"]


SHARED = """
import sys
from ome_ngff import convert_plate
convert_plate("in", "out", join=True, chunks=16, scale_factors=[2])
"""


@pytest.mark.slow
def test_processes_that_are_killed_lose_no_field(here: Path) -> None:
    operetta(here, [(r, c) for r in range(1, 5) for c in range(1, 7)], fields=2)
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(ome_ngff.__file__).parent.parent),
        "OME_NGFF_CLAIM_PATIENCE": "5",
    }
    workers = [subprocess.Popen([sys.executable, "-c", SHARED], env=environment) for _ in range(3)]
    while len(list((here / "out").glob("*/*/*/0/zarr.json"))) < 10 and workers[0].poll() is None:
        time.sleep(0.02)
    workers[0].kill()
    assert [worker.wait(timeout=240) for worker in workers][1:] == [0, 0]
    done = convert_plate("in", "out", join=True, **SMALL)
    assert {each.state for each in done} == {"skipped"}
    assert (len(open_plate("out")), sum(map(len, open_plate("out").fields.values()))) == (24, 48)
    for r, c, f in np.ndindex(4, 6, 2):
        wanted = [[plane(r + 1, c + 1, f, ch, z) for z in (0, 1)] for ch in (0, 1)]
        np.testing.assert_array_equal(level(here / "out", f"{'ABCD'[r]}/{c + 1}", f), wanted)
    assert validate("out").valid
