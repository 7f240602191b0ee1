"""Plates: layouts, wells and fields written by anyone in any order, opened by name, and mended."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from helpers import attributes, document, every_file
from hierarchies import put_file
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import LocalStore

from ome_ngff import (
    Acquisition,
    ExistsError,
    Field,
    FormatError,
    IncompleteError,
    InputError,
    MissingError,
    NgffError,
    OptionError,
    Plate,
    StoreError,
    Well,
    config,
    convert,
    create_plate,
    open_image,
    open_input,
    open_plate,
    repair_plate,
    upgrade,
    validate,
    write_field,
    write_image,
    write_labels,
    write_multiscale_labels,
    write_plate_metadata,
    write_well_metadata,
)
from ome_ngff.cli import main
from ome_ngff.format import CurrentFormat, Format
from ome_ngff.spec.plate import PLATE_FORMATS
from ome_ngff.store.zip import pack
from ome_ngff.write import plates

PIXELS = np.arange(16 * 16, dtype="uint16").reshape(16, 16)


def field(plate: Any, well: Any = "B/3", number: int | str = 0, acquisition: int | None = 0, **more: Any) -> None:
    given = {"axes": "yx", "axes_units": "um", "scale_factors": [2], "chunks": 8, "omero": False, **more}
    write_field(PIXELS, plate, well, number, acquisition, **given)


def plane(place: Any, **more: Any) -> None:
    write_image(PIXELS, place, axes="yx", scale_factors=[], **more)


def nuclei(plate: Any, **more: Any) -> None:
    write_labels(PIXELS % 5, plate, axes="yx", **more)


def errors(place: Any) -> list[str]:
    return [str(finding) for finding in validate(place).findings if finding.severity != "note"]


# Layouts ------------------------------------------------------------------------------------------------------------

LAYOUTS: list[Any] = [
    pytest.param("A-H", 12, "ABCDEFGH", [str(i) for i in range(1, 13)], id="span-and-number"),
    pytest.param(2, "01-03", "AB", ["01", "02", "03"], id="number-and-padded-span"),
    pytest.param(["top", "B2"], [7, "x"], ["top", "B2"], ["7", "x"], id="names"),
    pytest.param("B-C", ["2"], "BC", ["2"], id="part-of-the-alphabet"),
    pytest.param("1-2", "A-B", "12", "AB", id="the-other-way-round"),
    pytest.param("6-well", 12, "AB", "123", id="format"),
]


@pytest.mark.parametrize(("rows", "columns", "above", "left"), LAYOUTS)
def test_rows_and_columns_are_said_in_several_ways(rows: Any, columns: Any, above: Any, left: Any) -> None:
    plate = Plate.of(rows, columns)
    assert (plate.rows, plate.columns) == (tuple(above), tuple(left))


@pytest.mark.parametrize("wells", PLATE_FORMATS)
def test_plates_of_six_to_1536_wells_have_a_name(wells: int) -> None:
    plate = Plate.of(f"{wells} wells")
    assert len(plate.rows) * len(plate.columns) == wells
    assert plate.rows[-1] == {2: "B", 3: "C", 4: "D", 6: "F", 8: "H", 16: "P", 32: "AF"}[len(plate.rows)]


WRONG: list[Any] = [
    pytest.param({"rows": "A"}, id="no-span"),
    pytest.param({"rows": "H-A"}, id="backwards"),
    pytest.param({"rows": "A-8"}, id="letters-to-numbers"),
    pytest.param({"rows": ["A", "A"]}, id="twice"),
    pytest.param({"rows": ["A-1"]}, id="no-name"),
    pytest.param({"columns": 0}, id="none"),
    pytest.param({"columns": 2000}, id="too-many"),
    pytest.param({"rows": "100-well"}, id="no-such-format"),
    pytest.param({"rows": "96-well", "columns": 6}, id="format-and-columns"),
    pytest.param({"acquisitions": [0, {"id": 0}]}, id="acquisition-twice"),
    pytest.param({"acquisitions": [{"name": "day"}]}, id="acquisition-without-id"),
    pytest.param({"acquisitions": [{"id": "x"}, 0]}, id="acquisition-of-text"),
    pytest.param({"acquisitions": [{"id": []}]}, id="acquisition-of-nothing"),
    pytest.param({"acquisitions": [{"id": 0, "colour": "red"}]}, id="acquisition-with-other-words"),
]


@pytest.mark.parametrize("words", WRONG)
def test_a_layout_that_makes_no_sense_is_refused(tmp_path: Path, words: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        create_plate(tmp_path / "p.zarr", **words)
    assert not every_file(tmp_path)


def test_the_layout_of_the_plate_stays_with_two_wells(tmp_path: Path, any_format: Format) -> None:
    create_plate(tmp_path / "screen.ome.zarr", fmt=any_format, acquisitions=[{"id": 0, "name": "day 0"}])
    empty = open_plate(tmp_path / "screen.ome.zarr")
    assert (len(empty.rows), len(empty.columns), list(empty)) == (8, 12, [])
    for well in ("B/3", "B2"):
        field(tmp_path / "screen.ome.zarr", well)
    plate = document(tmp_path / "screen.ome.zarr")["plate"]
    assert [row["name"] for row in plate["rows"]] == list("ABCDEFGH")
    assert [column["name"] for column in plate["columns"]] == [str(i) for i in range(1, 13)]
    assert plate["wells"] == [
        {"path": "B/2", "rowIndex": 1, "columnIndex": 1},
        {"path": "B/3", "rowIndex": 1, "columnIndex": 2},
    ]
    assert (plate["name"], plate["field_count"]) == ("screen", 1)
    assert plate["acquisitions"] == [{"id": 0, "name": "day 0", "maximumfieldcount": 1}]
    assert not errors(tmp_path / "screen.ome.zarr")
    assert open_plate(tmp_path / "screen.ome.zarr")["B3"][0].metadata.version == any_format.version


PLACES = st.lists(
    st.tuples(
        st.sampled_from(["A", "C", "Z", "AB", "x1"]), st.sampled_from(["1", "2", "12", "03", "9x"]),
        st.sampled_from(["0", "1", "10", "2b"]), st.sampled_from([None, 0, 3]),
    ),
    min_size=1, max_size=12, unique_by=lambda place: place[:3],
)  # fmt: skip


@given(PLACES, st.randoms(use_true_random=False), st.booleans())
def test_a_plate_is_the_same_in_whatever_order_it_is_filled(places: list[Any], rng: random.Random, said: bool) -> None:
    def filled(order: list[Any]) -> tuple[Any, ...]:
        plate = Plate.of(["A", "C", "Z", "AB", "x1"], ["1", "2", "12", "03", "9x"]) if said else Plate(grows=True)
        wells: dict[str, Well] = {}
        for row, column, name, number in order:
            path = plate.place((row, column))
            wells[path] = wells.get(path, Well()).with_field(Field(name, number))
            plate = plate.with_well(path, wells[path])
        return plate, wells

    plate, wells = filled(places)
    assert filled(rng.sample(places, len(places))) == (plate, wells)
    assert {(*path.split("/"), f.path, f.acquisition) for path, well in wells.items() for f in well.fields} == {*places}
    assert plate.field_count == max(len(well.fields) for well in wells.values())
    stated = plate.to_document()
    assert Plate.from_document(json.loads(json.dumps(stated)), grows=plate.grows) == plate
    for well in stated["wells"]:
        names = stated["rows"][well["rowIndex"]]["name"], stated["columns"][well["columnIndex"]]["name"]
        assert "/".join(names) == well["path"]


@pytest.mark.parametrize(
    ("there", "well", "path"),
    [
        pytest.param("B/3", "B03", "B/3", id="with-zeros"),
        pytest.param("B/03", "B3", "B/03", id="without-zeros"),
        pytest.param("C/03", ("B", 3), "B/03", id="of-another-row"),
        pytest.param("B/12", "B/03", "B/03", id="of-no-well"),
    ],
)
def test_a_plate_that_grows_has_a_number_once(there: str, well: Any, path: str) -> None:
    store = zarr.storage.MemoryStore()
    for number, each in enumerate((there, well)):
        field(store, each, number, scale_factors=[])
    assert {*open_plate(store)} == {there, path}
    assert list(open_plate(store)[well])[-1] == "1"


def test_wells_that_a_plate_grew_by_are_found_by_each_name() -> None:
    store = zarr.storage.MemoryStore()
    for well in (("A1", "2"), "A/03"):
        field(store, well, scale_factors=[])
    plate = open_plate(store)
    assert [plate[name].path for name in ("A12", "A1/02", "A3", "A03", ("A", 3))] == ["A1/2", "A1/2", *["A/03"] * 3]
    with pytest.raises(KeyError):
        plate["A4"]


@pytest.mark.parametrize(
    ("own", "other", "warned"),
    [
        pytest.param("B/3", "B/03", True, id="same-place"),
        pytest.param("B/3", "C/03", True, id="same-column"),
        pytest.param("B/3", "B/3", False, id="same-name"),
        pytest.param("B/3", "B/13", False, id="another-place"),
    ],
)
def test_a_column_that_two_begin_under_two_names_is_told(tmp_path: Path, own: str, other: str, warned: bool) -> None:
    others = [partial(field, tmp_path, other, 1)]

    def meanwhile(done: int, whole: int) -> None:
        if others:
            others.pop()()

    with pytest.warns(UserWarning, match="one column under two names, 03 and 3") if warned else nullcontext():
        field(tmp_path, own, progress=meanwhile)
    assert set(open_plate(tmp_path).wells) == {own, other}


def test_plates_and_wells_show_themselves_as_tables(tmp_path: Path) -> None:
    create_plate(tmp_path, "A-B", 3, name="<b>")
    for number in (0, 1):
        field(tmp_path, "B/2", number)
    shown = open_plate(tmp_path)._repr_html_()
    assert "Plate &lt;b&gt;" in shown
    assert "of 2 x 3: 1 well with images" in shown
    assert [row.count("\u25cf") for row in shown.split("<tr")[2:]] == [0, 1]
    well = open_plate(tmp_path)["B/2"]._repr_html_()
    assert "2 fields" in well
    assert well.count("<tr") == 3


@settings(max_examples=6)
@given(PLACES)
def test_plates_of_any_layout_are_valid_and_whole(places: list[Any]) -> None:
    store = zarr.storage.MemoryStore()
    places = [(row, column, name, 0) for row, column, name, _ in places]
    for row, column, name, number in places:
        field(store, (row, column), name, number)
    assert not [error for error in errors(store) if "line-case" not in error]
    found = open_plate(store)
    assert {(*w.split("/"), f.path, f.acquisition) for w, fs in found.fields.items() for f in fs} == {*places}
    assert list(found) == sorted(
        found, key=lambda w: [found.rows.index(w.split("/")[0]), found.columns.index(w.split("/")[1])]
    )


# Many writers -------------------------------------------------------------------------------------------------------


def test_threads_lose_no_field_of_a_plate_that_nobody_made(tmp_path: Path, any_format: Format) -> None:
    every = [(f"{row}/{column}", n) for row, column, n in product("AB", (1, 2), (0, 1, 2))]
    random.Random(0).shuffle(every)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda place: field(tmp_path / "p.zarr", *place, fmt=any_format), every))
    found = open_plate(tmp_path / "p.zarr")
    assert {(well, int(f.path)) for well, fields in found.fields.items() for f in fields} == {*every}
    assert not errors(tmp_path / "p.zarr")
    assert found.plate.field_count == 3


def test_calls_that_make_the_same_plate_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: create_plate(tmp_path / "p.zarr", "24-well", name="screen"), range(6)))
    before = every_file(tmp_path)
    create_plate(tmp_path / "p.zarr", "24-well")
    assert every_file(tmp_path) == before
    with pytest.raises(ExistsError, match="rows A to D, not A to H"):
        create_plate(tmp_path / "p.zarr")
    with pytest.raises(ExistsError, match="'screen', not 'other'"):
        create_plate(tmp_path / "p.zarr", "24-well", name="other")


def test_the_same_plate_made_again_keeps_what_it_is(tmp_path: Path) -> None:
    place, days = tmp_path / "p.zarr", [{"id": 0, "name": "day 0"}]
    create_plate(place, None, name="screen", acquisitions=days)
    field(place, "C/2")
    before = every_file(place)
    for words in ({}, {"name": "screen"}, {"acquisitions": days}, {"acquisitions": [0]}):
        create_plate(place, None, **words)
    assert every_file(place) == before
    create_plate(place, None, acquisitions=[{"id": 0, "description": "first"}, 3])
    found = open_plate(place)
    assert found.acquisitions == (Acquisition(0, "day 0", "first", maximumfieldcount=1), Acquisition(3))
    field(place, "D/5")
    assert (open_plate(place).rows, open_plate(place).name) == (tuple("ABCD"), "screen")


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    field(tmp_path / "p.zarr", ("B", np.int64(3)), np.int64(2), np.uint8(1))
    assert open_plate(tmp_path / "p.zarr").fields == {"B/3": (Field("2", 1),)}


def test_a_plate_in_a_folder_without_a_name_has_one(tmp_path: Path) -> None:
    create_plate(tmp_path / ".ome.zarr")
    assert open_plate(tmp_path / ".ome.zarr").name == "plate"


def test_a_field_is_replaced_by_one_of_another_acquisition(tmp_path: Path) -> None:
    for number in (0, 1):
        field(tmp_path / "p.zarr", "B/3", 0, number, overwrite=True)
        assert open_plate(tmp_path / "p.zarr").fields == {"B/3": (Field("0", number),)}


def test_who_makes_a_plate_of_another_version_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, real = tmp_path / "p.zarr", plates.update_attributes

    def late(*words: Any) -> None:
        monkeypatch.undo()
        create_plate(place, fmt="0.6")
        real(*words)

    monkeypatch.setattr(plates, "update_attributes", late)
    with pytest.raises(FormatError, match=r"Another process has made .* in OME-Zarr 0\.6"):
        create_plate(place, fmt="0.5")
    assert open_plate(place).target.fmt.version == "0.6"


def test_a_layout_may_be_said_after_the_first_field(tmp_path: Path) -> None:
    field(tmp_path / "p.zarr", "C/12")
    assert open_plate(tmp_path / "p.zarr").rows == ("A", "B", "C")
    with pytest.raises(ExistsError, match="rows A to C, not A to B"):
        create_plate(tmp_path / "p.zarr", "6-well")
    create_plate(tmp_path / "p.zarr", name="screen", acquisitions=[{"id": 0, "name": "day 0"}, 4])
    found = open_plate(tmp_path / "p.zarr")
    assert (found.name, len(found.rows), found.wells) == ("screen", 8, ("C/12",))
    assert found.acquisitions == (Acquisition(0, "day 0", maximumfieldcount=1), Acquisition(4))
    with pytest.raises(FormatError, match="no well I/1"):
        field(tmp_path / "p.zarr", "I/1")


# Refused ------------------------------------------------------------------------------------------------------------

ONE, LINES = "a plate has one version", "rows A to H"
REFUSED: list[Any] = [
    pytest.param(lambda p: field(p, "I/1"), FormatError, LINES, id="no-such-well"),
    pytest.param(lambda p: field(p, "B13"), FormatError, "no well B/13: it has", id="no-such-well-in-one-word"),
    pytest.param(lambda p: create_plate(p / "zarr.json" / "more"), ExistsError, "is a file", id="below-a-file"),
    pytest.param(lambda p: create_plate(LocalStore(p, read_only=True)), StoreError, "read only", id="read-only"),
    pytest.param(lambda p: field(p, "B"), FormatError, "row/column", id="no-well"),
    pytest.param(lambda p: field(p, "../B/3"), FormatError, "row/column", id="well-that-leads-out"),
    pytest.param(lambda p: field(p, "B/4", "a b"), FormatError, "path of a field", id="no-name-of-a-field"),
    pytest.param(lambda p: field(p, "B/4", -1), OptionError, "from 0 or a name", id="negative-field"),
    pytest.param(lambda p: field(p, "B/4", 10**5000), OptionError, "from 0 or a name", id="endless-field"),
    pytest.param(lambda p: field(p, "B/4", "x" * 300), FormatError, "path of a field", id="long-name-of-a-field"),
    pytest.param(lambda p: field(p, "B/" + "9" * 5000), FormatError, "row/column", id="endless-column"),
    pytest.param(lambda p: field(p, "B\u0663"), FormatError, "row/column", id="other-digits"),
    pytest.param(lambda p: field(p, "B/4", 0, 10**30), OptionError, "from 0", id="endless-acquisition"),
    pytest.param(lambda p: repair_plate(p, acquisition=-1), OptionError, "from 0", id="repair-as-no-acquisition"),
    pytest.param(
        lambda p: create_plate(p, acquisitions=[{"id": 0, "name": "x"}, {"id": 1, "name": "night"}]),
        ExistsError, "acquisition 1 has the name 'day', not 'night'", id="other-name-of-an-acquisition",
    ),
    pytest.param(lambda p: create_plate(p, "A-H", 6), ExistsError, "columns 1 to 12, not 1 to 6", id="other-layout"),
    pytest.param(lambda p: field(p, "B/4", acquisition=-1), OptionError, "from 0", id="negative-acquisition"),
    pytest.param(lambda p: field(p, "B/4", fmt="0.6"), FormatError, ONE, id="other-version"),
    pytest.param(lambda p: field(p, "B/4", fmt="0.4"), FormatError, "Zarr v3", id="other-zarr"),
    pytest.param(lambda p: field(p), ExistsError, "overwrite=True", id="field-that-is-there"),
    pytest.param(lambda p: field(p, "B/3", 0, 1), FormatError, "acquisition 0, not 1", id="other-acquisition"),
    pytest.param(lambda p: field(p, "B/4", method="best"), NgffError, "best", id="wrong-word-of-the-image"),
    pytest.param(lambda p: field(p, "B/4", colour=1), OptionError, "colour", id="unknown-word"),
    pytest.param(lambda p: field(p / "B/3"), ExistsError, "group of its own", id="well-for-plate"),
    pytest.param(lambda p: field(p / "B/3/0"), ExistsError, "is an image", id="image-for-plate"),
    pytest.param(lambda p: create_plate(p / "B/3/0"), ExistsError, "is an image", id="plate-in-an-image"),
    pytest.param(lambda p: create_plate(p, fmt="0.6"), FormatError, ONE, id="plate-of-other-version"),
    pytest.param(lambda p: plane(p / "B/4/0", fmt="0.6"), FormatError, ONE, id="image-of-other-version"),
    pytest.param(lambda p: plane(f"{p}::B/4/0", fmt="0.4"), FormatError, ONE, id="the-same-inside"),
    pytest.param(lambda p: write_well_metadata(p / "B/3", ["0"], "0.6"), FormatError, ONE, id="well-of-other-version"),
    pytest.param(lambda p: nuclei(p, well="I/1"), FormatError, LINES, id="labels-of-no-well"),
    pytest.param(lambda p: nuclei(p, well="B/3", field="../../../v"), FormatError, "path of a field", id="labels-out"),
    pytest.param(lambda p: nuclei(p, well="B/3", field="0/labels"), FormatError, "path of a field", id="labels-below"),
    pytest.param(lambda p: nuclei(p, well="B/3", fmt="0.6"), FormatError, ONE, id="labels-of-other-version"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "words"), REFUSED)
def test_a_refused_call_changes_no_byte(tmp_path: Path, call: Callable[[Path], Any], kind: Any, words: str) -> None:
    create_plate(tmp_path / "p.zarr", acquisitions=[{"id": 1, "name": "day"}])
    field(tmp_path / "p.zarr")
    before = every_file(tmp_path)
    with pytest.raises(kind, match=words):
        call(tmp_path / "p.zarr")
    assert every_file(tmp_path) == before


def test_a_field_that_is_refused_makes_no_plate(tmp_path: Path) -> None:
    with pytest.raises(NgffError):
        field(tmp_path / "p.zarr", method="best")
    with pytest.raises(FormatError, match="row/column"):
        field(tmp_path / "p.zarr", "B3x!")
    assert not every_file(tmp_path)


def test_a_version_is_taken_from_the_plate_around(tmp_path: Path) -> None:
    for version in ("0.4", "0.6"):
        create_plate(tmp_path / version, fmt=version)
        field(tmp_path / version)
        plane(tmp_path / version / "B" / "3" / "1")
        plane(f"{tmp_path / version}::C/4/0")
        plane(tmp_path / version / "D" / "5" / "0")
        paths = ("B/3/0", "B/3/1", "C/4/0", "D/5/0")
        assert [open_image(tmp_path / version / path).metadata.version for path in paths] == [version] * 4


# Interrupted --------------------------------------------------------------------------------------------------------


def test_a_field_that_was_finished_and_not_listed_is_listed_later(tmp_path: Path, monkeypatch: Any) -> None:
    field(tmp_path / "p.zarr")
    with monkeypatch.context() as patch:
        patch.setattr(plates, "update_attributes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        for number in (1, 2):
            with pytest.raises(KeyboardInterrupt):
                field(tmp_path / "p.zarr", "B/3", number, 5)
        with pytest.raises(KeyboardInterrupt):
            field(tmp_path / "p.zarr", "C/1", 0, 0)
    assert open_plate(tmp_path / "p.zarr").unlisted() == ("B/3/1", "B/3/2", "C/1/0")
    with pytest.raises(ExistsError):
        field(tmp_path / "p.zarr", "B/3", 1, 5)
    field(tmp_path / "p.zarr", "B/3", 1, 5, resume=True)
    assert repair_plate(tmp_path / "p.zarr") == ("B/3/2", "C/1/0")
    found = open_plate(tmp_path / "p.zarr")
    assert found.fields == {"B/3": (Field("0", 0), Field("1", 5), Field("2", 5)), "C/1": (Field("0", 0),)}
    assert [each.maximumfieldcount for each in found.acquisitions] == [1, 2]
    assert not found.unlisted()
    assert not errors(tmp_path / "p.zarr")


class Stopped(Exception):
    pass


def test_a_field_that_was_interrupted_is_resumed(tmp_path: Path) -> None:
    def stop(done: int, of: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        field(tmp_path / "p.zarr", progress=stop)
    assert not open_plate(tmp_path / "p.zarr").wells
    assert not open_plate(tmp_path / "p.zarr").unlisted()
    with pytest.raises(IncompleteError, match="resume=True"):
        field(tmp_path / "p.zarr")
    field(tmp_path / "p.zarr", resume=True)
    assert open_plate(tmp_path / "p.zarr").fields == {"B/3": (Field("0", 0),)}
    np.testing.assert_array_equal(open_plate(tmp_path / "p.zarr")["B/3"][0].images[0].data, PIXELS)
    field(tmp_path / "p.zarr", "B/3", 1, join=True)
    assert len(open_plate(tmp_path / "p.zarr")["B/3"]) == 2


def test_fields_of_others_are_listed_once_it_is_said_of_what_acquisition(tmp_path: Path) -> None:
    create_plate(tmp_path / "p.zarr", acquisitions=[0, 1])
    field(tmp_path / "p.zarr")
    plane(tmp_path / "p.zarr" / "A" / "1" / "0")
    before = every_file(tmp_path)
    with pytest.raises(FormatError, match="A/1/0 may be of acquisition"):
        repair_plate(tmp_path / "p.zarr")
    assert repair_plate(tmp_path / "p.zarr", acquisition=1, dry_run=True) == ("A/1/0",)
    assert every_file(tmp_path) == before
    assert repair_plate(tmp_path / "p.zarr", acquisition=1) == ("A/1/0",)
    assert open_plate(tmp_path / "p.zarr").fields["A/1"] == (Field("0", 1),)


def test_a_broken_image_hides_no_field_beside_it(tmp_path: Path) -> None:
    create_plate(tmp_path / "p.zarr")
    for path in ("A/1/0", "B/3/1", "B/3/2"):
        plane(tmp_path / "p.zarr" / path)
    (tmp_path / "p.zarr/B/3/1/zarr.json").write_text("{broken")
    assert open_plate(tmp_path / "p.zarr").unlisted() == ("A/1/0", "B/3/2")


@pytest.mark.parametrize(("ids", "found"), [([7], 7), ([], None)], ids=["one", "none"])
def test_fields_of_others_are_of_the_one_acquisition(tmp_path: Path, ids: list[int], found: int | None) -> None:
    create_plate(tmp_path / "p.zarr", acquisitions=ids)
    plane(tmp_path / "p.zarr" / "A" / "1" / "0")
    repair_plate(tmp_path / "p.zarr")
    assert open_plate(tmp_path / "p.zarr").fields == {"A/1": (Field("0", found),)}


def test_a_field_is_of_the_acquisition_that_its_well_states(tmp_path: Path) -> None:
    place = tmp_path / "p.zarr"
    create_plate(place, acquisitions=[1, 7])
    for path in ("A/1/0", "B/1/0"):
        plane(place / path)
    write_well_metadata(place / "A" / "1", [{"path": "0", "acquisition": 7}])
    zarr.open_group(place / "B" / "1" / "0").attrs["ome_ngff"] = {"acquisition": "7"}  # which is none
    with pytest.raises(FormatError, match=r"^[^,]*B/1/0 may be of acquisition"):
        repair_plate(place)
    repair_plate(place, acquisition=1)
    assert open_plate(place).fields == {"A/1": (Field("0", 7),), "B/1": (Field("0", 1),)}


def test_what_cannot_be_a_field_is_never_listed_as_one(tmp_path: Path) -> None:
    place = tmp_path / "p.zarr"
    field(place)
    for path in ("extra", "B/3/my_image", "x-y/3/0"):
        plane(place / path)
    nuclei(place / "extra", name="cells")
    (place / "B/4/0").mkdir(parents=True)
    (place / "B/4/0/zarr.json").write_text("{broken")
    (place / "B/notes.txt").write_text("mine")
    before = every_file(place)
    assert (open_plate(place).unlisted(), repair_plate(place)) == ((), ())
    assert every_file(place) == before
    assert not [finding for finding in validate(place).findings if "my_image" in str(finding)]


def test_fields_that_are_tasks_are_listed_when_they_are_computed(tmp_path: Path) -> None:
    words: dict[str, Any] = {"axes": "yx", "scale_factors": [2], "chunks": 8, "compute": False}
    tasks = [task for n in range(3) for task in write_field(PIXELS, tmp_path / "p.zarr", "B/3", n, **words)]
    assert not open_plate(tmp_path / "p.zarr").wells
    dask.compute(*tasks)
    assert list(open_plate(tmp_path / "p.zarr")["B3"]) == ["0", "1", "2"]


# Replaced -----------------------------------------------------------------------------------------------------------


def test_a_plate_is_replaced_with_all_its_fields_and_nothing_else(tmp_path: Path, any_format: Format) -> None:
    for well in ("A/1", "B/2"):
        field(tmp_path / "p.zarr", well, fmt=any_format)
    nuclei(tmp_path / "p.zarr", well="A/1")
    (tmp_path / "p.zarr" / "B" / "notes.txt").write_text("mine")
    create_plate(tmp_path / "p.zarr", "6-well", overwrite=True)
    left = {name for name, kind in every_file(tmp_path / "p.zarr").items() if kind != "folder"}
    documents = {"zarr.json", ".zgroup", ".zattrs"}
    assert {name for name in left if Path(name).name not in documents} == {"B/notes.txt"}
    assert not {name for name in left if name.startswith(("A", "B/2"))}
    found = open_plate(tmp_path / "p.zarr")
    assert (found.rows, found.wells, found.acquisitions) == (("A", "B"), (), ())
    field(tmp_path / "p.zarr", "B/2")
    assert not errors(tmp_path / "p.zarr")
    assert "replaces" not in attributes(tmp_path / "p.zarr").get("ome_ngff", {})


def test_fields_that_nobody_lists_are_replaced_if_they_are_ours(tmp_path: Path, monkeypatch: Any) -> None:
    def stop(done: int, of: int) -> None:
        raise Stopped

    create_plate(tmp_path / "p.zarr")
    for well in ("B/1", "C/1"):
        with pytest.raises(Stopped):
            field(tmp_path / "p.zarr", well, 7, progress=stop)
    with monkeypatch.context() as patch:
        patch.setattr(plates, "update_attributes", lambda *_: (_ for _ in ()).throw(Stopped))
        with pytest.raises(Stopped):
            field(tmp_path / "p.zarr", "C/1", 8)
    plane(tmp_path / "p.zarr" / "B/1/mine")
    create_plate(tmp_path / "p.zarr", overwrite=True)
    assert not (tmp_path / "p.zarr/C").exists()
    np.testing.assert_array_equal(open_image(tmp_path / "p.zarr" / "B/1/mine").images[0].data, PIXELS)
    field(tmp_path / "p.zarr", "B/1", 7)


@pytest.mark.parametrize("linked", ["A", "A/1", "A/1/0"])
def test_what_a_link_leads_to_outlives_a_replaced_plate(tmp_path: Path, linked: str) -> None:
    for name in ("p.zarr", "theirs.zarr"):
        field(tmp_path / name, "A/1")
    shutil.rmtree(tmp_path / "p.zarr" / linked)
    (tmp_path / "p.zarr" / linked).symlink_to(tmp_path / "theirs.zarr" / linked)
    before = every_file(tmp_path)
    if linked == "A/1/0":
        create_plate(tmp_path / "p.zarr", overwrite=True)
    else:
        with pytest.raises(StoreError, match="the well A/1 behind a link"):
            create_plate(tmp_path / "p.zarr", overwrite=True)
        assert every_file(tmp_path) == before
    theirs = {name: content for name, content in before.items() if name.startswith("theirs")}
    assert {name: content for name, content in every_file(tmp_path).items() if name.startswith("theirs")} == theirs


def test_a_replacement_that_was_interrupted_is_finished(tmp_path: Path, monkeypatch: Any) -> None:
    field(tmp_path / "p.zarr", "A/1")
    with monkeypatch.context() as patch:
        patch.setattr(plates, "_clear", lambda target: (_ for _ in ()).throw(Stopped))
        with pytest.raises(Stopped):
            create_plate(tmp_path / "p.zarr", overwrite=True)
    with pytest.raises(ExistsError, match="finish it"):
        create_plate(tmp_path / "p.zarr")
    create_plate(tmp_path / "p.zarr", overwrite=True)
    assert not (tmp_path / "p.zarr" / "A").exists()


def test_wells_outside_of_the_new_layout_go_after_an_interruption_too(tmp_path: Path, monkeypatch: Any) -> None:
    field(tmp_path / "p.zarr", "H/12")
    with monkeypatch.context() as patch:
        patch.setattr(plates, "_clear", lambda target: (_ for _ in ()).throw(Stopped))
        with pytest.raises(Stopped):
            create_plate(tmp_path / "p.zarr", "6-well", overwrite=True)
    create_plate(tmp_path / "p.zarr", "6-well", overwrite=True)
    assert not (tmp_path / "p.zarr" / "H").exists()


def test_what_others_say_in_the_documents_stays(tmp_path: Path, any_format: Format) -> None:
    group = zarr.open_group(tmp_path / "p.zarr", mode="w", zarr_format=any_format.zarr_format)
    well = {"path": "A/1", "rowIndex": 0, "columnIndex": 0, "cells": 7}
    write_plate_metadata(group, ["A", "B"], ["1", "2"], [well], any_format, name="theirs", field_count=1)
    write_well_metadata(tmp_path / "p.zarr" / "A" / "1", [{"path": "z", "focus": 3}, "a"], any_format)
    for where in ("", "A/1"):
        there = zarr.open_group(tmp_path / "p.zarr" / where, mode="a")
        there.attrs.update(any_format.wrap({**any_format.unwrap(dict(there.attrs)), "more": where}) | {"lab": "yes"})
    field(tmp_path / "p.zarr", "A/1", "k")
    assert {attributes(tmp_path / "p.zarr" / where)["lab"] for where in ("", "A/1")} == {"yes"}
    assert document(tmp_path / "p.zarr")["plate"]["wells"] == [well]
    assert document(tmp_path / "p.zarr/A/1")["well"]["images"][:2] == [{"path": "z", "focus": 3}, {"path": "a"}]
    field(tmp_path / "p.zarr", "B/2")
    assert [document(tmp_path / "p.zarr" / where).get("more") for where in ("", "A/1", "B/2")] == ["", "A/1", None]
    with pytest.raises(FormatError, match="no well C/1"):
        field(tmp_path / "p.zarr", "C/1")


@pytest.mark.parametrize("series", [True, False])
def test_a_plate_in_the_layout_of_bioformats2raw_is_read(tmp_path: Path, series: bool) -> None:
    group = zarr.open_group(tmp_path / "p.zarr", mode="w", zarr_format=2)
    rows, columns, wells = [{"name": "B"}], [{"name": "2"}, {"name": "3"}], ("B/2", "B/3")
    listed = [{"path": path, "rowIndex": 0, "columnIndex": index} for index, path in enumerate(wells)]
    acquisitions = [{"id": 0}]
    plate = {"rows": rows, "columns": columns, "wells": listed, "field_count": 1, "acquisitions": acquisitions}
    group.attrs.update({"bioformats2raw.layout": 3, "plate": {**plate, "version": "0.4", "name": "screen"}})
    group.create_group("OME").attrs.update({"series": [f"{path}/0" for path in wells]} if series else {})
    for path in wells:
        images = [{"path": "0", "acquisition": 0}]
        group.create_group(path).attrs["well"] = {"images": images, "version": "0.4"}
        plane(tmp_path / "p.zarr" / path / "0", fmt="0.4")
    found = open_plate(tmp_path / "p.zarr")
    assert found.fields == {path: (Field("0", 0),) for path in wells}
    np.testing.assert_array_equal(found["B3"][0].images[0].data, PIXELS)
    field(tmp_path / "p.zarr", "B/3", 1)
    assert attributes(tmp_path / "p.zarr")["bioformats2raw.layout"] == 3
    assert not validate(tmp_path / "p.zarr").counts["error"]


# Opened -------------------------------------------------------------------------------------------------------------


def test_labels_go_to_the_field_of_a_plate(tmp_path: Path) -> None:
    field(tmp_path / "p.zarr", scale={"y": 0.5, "x": 0.5})
    write_labels((PIXELS % 5).astype("uint8"), tmp_path / "p.zarr", well="B3", field=0, name="nuclei")
    label = open_plate(tmp_path / "p.zarr")["B/3"][0].labels["nuclei"]
    assert label.images[0].scale == {"y": 0.5, "x": 0.5}
    with pytest.warns(UserWarning, match="no image"):
        nuclei(tmp_path / "p.zarr", well="B/4")
    field(tmp_path / "p.zarr", "B/4")
    assert list(open_plate(tmp_path / "p.zarr")["B/4"][0].labels) == ["labels"]


def test_levels_of_labels_go_to_the_field_of_a_plate(tmp_path: Path) -> None:
    field(tmp_path / "p.zarr", scale={"y": 0.5, "x": 0.5})
    levels = [(PIXELS % 5).astype("uint8"), (PIXELS[::2, ::2] % 5).astype("uint8")]
    write_multiscale_labels(levels, tmp_path / "p.zarr", "cells", axes="yx", well="B3", field=0)
    (place,) = (tmp_path / "p.zarr").glob("*/*/*/labels/cells")
    assert place.parent.parent == tmp_path / "p.zarr/B/3/0"
    for image, level in zip(open_plate(tmp_path / "p.zarr")["B/3"][0].labels["cells"].images, levels, strict=True):
        np.testing.assert_array_equal(image.data, level)
    with pytest.raises(FormatError, match="path of a field"):
        write_multiscale_labels(levels, tmp_path / "p.zarr", axes="yx", well="B3", field="../x")


def test_wells_and_fields_are_found_by_their_names(tmp_path: Path) -> None:
    create_plate(tmp_path / "p.zarr", "1536-well")
    for well, number in (("AA/2", 0), ("B/10", 1), ("B/10", 0), ("B/9", 10)):
        field(tmp_path / "p.zarr", well, number, number % 2)
    plate = open_plate(tmp_path / "p.zarr")
    assert list(plate) == ["B/9", "B/10", "AA/2"]
    assert [each in plate for each in ("B10", ("AA", 2), "B/11", "x", 7)] == [True, True, False, False, False]
    assert [list(well) for well in plate.values()] == [["10"], ["0", "1"], ["0"]]
    assert plate["B10"]["1"].images[0].data.shape == (16, 16)
    assert [each.id for each in plate.acquisitions] == [0, 1]
    assert [str(plate), str(plate["B9"])] == ["<plate 'p' of 32 x 48: 3 wells with images>", "<well B/9: fields 10>"]
    for wrong, words in (("B/11", "has no images"), ("ZZ/1", "no well")):
        with pytest.raises(KeyError, match=words):
            plate[wrong]
    with pytest.raises(KeyError, match="has no field 2"):
        plate["B10"][2]


def test_a_field_of_which_no_acquisition_is_said_is_the_listed_one(tmp_path: Path) -> None:
    field(tmp_path / "p.zarr", acquisition=1)
    assert plates.FieldPlace.of(tmp_path / "p.zarr", "B/3", 0, None, None).field == Field("0")
    with pytest.raises(FormatError, match="is of acquisition 1, not 2"):
        plates.FieldPlace.of(tmp_path / "p.zarr", "B/3", 0, 2, None)


def test_a_field_listed_again_keeps_its_acquisition_unless_another_is_said() -> None:
    well = Well((Field("0", 3), Field("1")))
    assert well.with_field(Field("0")) == well
    assert well.with_field(Field("0", 4)).fields == (Field("0", 4), Field("1"))


def test_a_function_is_called_with_the_image_of_each_field(tmp_path: Path) -> None:
    for well, number in product(("A/2", "A/1"), (0, 1)):
        field(tmp_path / "p.zarr", well, number, number)
    plate = open_plate(tmp_path / "p.zarr")
    found = plate.map(lambda image: int(image.images[0].data.sum().compute()))
    assert list(found.items()) == [(path, int(PIXELS.sum())) for path in ("A/1/0", "A/1/1", "A/2/0", "A/2/1")]
    field(tmp_path / "p.zarr", "A/3", acquisition=None)
    assert list(open_plate(tmp_path / "p.zarr").map(str, acquisition=1)) == ["A/1/1", "A/2/1"]


def test_an_error_at_one_field_ends_the_call_of_all(tmp_path: Path) -> None:
    for number in range(6):
        field(tmp_path / "p.zarr", "A/1", number, scale_factors=[])
    called: list[Any] = []

    def fail(image: Any) -> None:
        called.append(image)
        if len(called) > 1:
            time.sleep(0.1)  # meanwhile the error is seen
        raise Stopped

    with config.set(workers=1), pytest.raises(Stopped) as caught:
        open_plate(tmp_path / "p.zarr").map(fail)
    assert "the field A/1/0 of" in caught.value.__notes__[0]
    assert len(called) <= 2


def changed(place: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    stored = json.loads((place / "zarr.json").read_text())
    change(stored["attributes"]["ome"])
    (place / "zarr.json").write_text(json.dumps(stored))


DAMAGED: list[Any] = [
    pytest.param("", lambda d: d["plate"].update(acquisitions=[{"id": 0, "maximumfieldcount": "x"}]), id="count"),
    pytest.param("", lambda d: d["plate"].update(acquisitions=[{"id": 0, "name": {}}, {"id": []}]), id="acquisition"),
    pytest.param("", lambda d: d["plate"]["columns"].append({"name": "9" * 5000}), id="endless-column"),
    pytest.param("B/3", lambda d: d["well"]["images"].append({"path": "9" * 5000}), id="endless-field"),
    pytest.param("B/3", lambda d: d["well"]["images"].append({"path": "0"}), id="field-twice"),
]


@pytest.mark.parametrize(("where", "change"), DAMAGED)
def test_damaged_documents_are_read_and_end_in_plain_words(tmp_path: Path, where: str, change: Any) -> None:
    field(tmp_path / "p.zarr")
    changed(tmp_path / "p.zarr" / where, change)
    plate = open_plate(tmp_path / "p.zarr")
    assert [list(plate), list(plate["B/3"])[:1], len(set(plate["B/3"]))] == [["B/3"], ["0"], len(plate["B/3"])]
    assert "B" + "9" * 5000 not in plate
    for well, number in (("B/3", 1), ("B/1", 0)):
        with suppress(NgffError):
            field(tmp_path / "p.zarr", well, number)


def test_a_field_that_leads_out_names_its_well(tmp_path: Path) -> None:
    field(tmp_path / "p.zarr")
    changed(tmp_path / "p.zarr/B/3", lambda d: d["well"]["images"].append({"path": "../../../x"}))
    plate = open_plate(tmp_path / "p.zarr")
    with pytest.raises(FormatError, match=r"The well B/3 of .*p\.zarr: .*something below its group"):
        plate["B/3"]


def test_threads_open_the_store_of_a_plate_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opens = zarr.storage.LocalStore._open

    async def slowly(store: Any, **words: Any) -> None:
        time.sleep(0.02)
        await opens(store, **words)

    for well in ("A/1", "A/2", "A/3", "A/4"):
        field(tmp_path / "p.zarr", well)
    monkeypatch.setattr(zarr.storage.LocalStore, "_open", slowly)
    with config.set(workers=4):
        shapes = open_plate(tmp_path / "p.zarr").map(lambda image: image.images[0].data.shape)
    assert [*shapes.values()] == [(16, 16)] * 4


def test_what_is_missing_or_no_plate_says_so(tmp_path: Path) -> None:
    field(tmp_path / "p.zarr")
    with pytest.raises(MissingError):
        open_plate(tmp_path / "q.zarr")
    with pytest.raises(InputError, match="not a plate"):
        open_plate(tmp_path / "p.zarr" / "B" / "3")
    with pytest.raises(InputError, match="open_plate"):
        open_image(tmp_path / "p.zarr")
    with pytest.raises(MissingError, match="no plate"):
        repair_plate(tmp_path / "p.zarr" / "C")
    (tmp_path / "p.zarr" / "B" / "3").rename(tmp_path / "gone")
    for ask in (lambda: open_plate(tmp_path / "p.zarr").fields, lambda: open_plate(tmp_path / "p.zarr")["B3"]):
        with pytest.raises(MissingError, match="B/3"):
            ask()


# What it costs ------------------------------------------------------------------------------------------------------


class Counted(zarr.storage.MemoryStore):
    """Count calls by their kind and the name of the document, and remember which keys are written."""

    def __init__(self, *args: Any, **words: Any) -> None:
        super().__init__(*args, **words)
        self.forget()

    def forget(self) -> None:
        self.calls: Counter[str] = Counter()
        self.written: list[str] = []

    async def get(self, key: str, *args: Any, **words: Any) -> Any:
        self.calls[f"get {key.rpartition('/')[2]}"] += 1
        return await super().get(key, *args, **words)

    async def set(self, key: str, *args: Any, **words: Any) -> None:
        self.calls["set"] += 1
        self.written.append(key)
        await super().set(key, *args, **words)

    async def set_if_not_exists(self, *args: Any, **words: Any) -> None:
        self.calls["create"] += 1
        await super().set_if_not_exists(*args, **words)

    async def exists(self, *args: Any) -> bool:
        self.calls["exists"] += 1
        return await super().exists(*args)

    async def list_dir(self, *args: Any) -> Any:
        self.calls["list"] += 1
        async for key in super().list_dir(*args):
            yield key


def screen(rows: int, columns: int, fields: int) -> Counted:
    """Make the documents of a plate, all of whose wells have fields, without images."""
    fmt, store = CurrentFormat(), Counted()
    well = Well(tuple(Field(str(number), 0) for number in range(fields)))
    plate = Plate.of(rows, columns, name="screen")
    for path in product(plate.rows, plate.columns):
        plate = plate.with_well("/".join(path), well)
        put(store, "/".join(path), fmt.encode_well(well))
        put(store, path[0], {})
    put(store, "", fmt.encode_plate(plate))
    return store


def put(store: Counted, path: str, document: dict[str, Any]) -> None:
    said = {"zarr_format": 3, "node_type": "group", "attributes": CurrentFormat().wrap(document) if document else {}}
    put_file(store, f"{path}/zarr.json".lstrip("/"), json.dumps(said).encode())


def test_a_field_costs_the_same_calls_in_a_plate_of_any_size() -> None:
    def costs(store: Counted, well: str, number: int) -> tuple[Counter[str], list[str]]:
        store.forget()
        with config.set(workers=1):  # several may share a look at the mark
            field(store, well, number)
        return store.calls, [key for key in store.written if key.count("/") in (0, 2) and key.endswith("zarr.json")]

    small, large = (screen(*shape, 3) for shape in ((1, 2), (8, 24)))
    for store in (small, large):
        for well in ("A/1", "A/2"):
            field(store, well, 3)
    assert costs(small, "A/1", 4) == costs(large, "A/1", 4)
    calls, written = costs(large, "A/2", 4)  # field_count is 5 by now
    assert (calls, written) == costs(small, "A/2", 4)
    assert written == ["A/2/zarr.json"]
    assert costs(large, "A/1", 5)[1] == ["A/1/zarr.json", "zarr.json"]
    assert sum(calls.values()) < 110


def test_a_plate_that_lists_all_already_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store, parsed = screen(2, 2, 3), []
    parse = Plate.from_document
    monkeypatch.setattr(Plate, "from_document", lambda *given, **words: parsed.append(1) or parse(*given, **words))
    for number, times in ((2, 1), (3, 3)):  # field_count grows: once more without the lock, once under it
        field(store, "A/1", number, overwrite=True)
        assert len(parsed) == times
        parsed.clear()
    assert open_plate(store).plate.field_count == 4


def test_two_writers_of_a_well_count_each_others_fields(tmp_path: Path) -> None:
    field(tmp_path / "p.zarr", "B/3", 0)
    inner = write_field(PIXELS, tmp_path / "p.zarr", "B/3", 1, axes="yx", scale_factors=[], compute=False)
    other = write_field(PIXELS, tmp_path / "p.zarr", "B/3", 2, axes="yx", scale_factors=[], compute=False)
    dask.compute(*other)
    dask.compute(*inner)
    found = open_plate(tmp_path / "p.zarr").plate
    assert (found.field_count, found.acquisitions[0].maximumfieldcount) == (3, 3)


def test_a_plate_of_384_wells_is_listed_by_one_call_per_well() -> None:
    store = screen(16, 24, 9)
    store.forget()
    plate = open_plate(store)
    assert len(plate) == 384
    assert store.calls["get zarr.json"] == 1
    store.forget()
    assert sum(len(fields) for fields in plate.fields.values()) == 384 * 9
    assert store.calls == {"get zarr.json": 384}
    store.forget()
    assert [list(plate[well]) for well in ("P/24", "A1")] == [[str(number) for number in range(9)]] * 2
    assert not store.calls
    assert list(open_plate(store)["P24"]) == list(plate["A1"])
    assert store.calls["get zarr.json"] == 2


# Everywhere an image is taken ---------------------------------------------------------------------------------------


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A folder with a plate, and the same as a single file."""
    field(tmp_path / "p.zarr", scale=0.5)
    nuclei(tmp_path / "p.zarr", well="B/3")
    pack(tmp_path / "p.zarr", tmp_path / "p.ozx")
    return tmp_path


INSIDE = ["p.zarr::B/3/0", "p.zarr/B/3/0", "p.ozx::/B/3/0", "p.ozx/B/3/0"]


@pytest.mark.parametrize("place", INSIDE)
def test_an_image_in_a_plate_is_taken_everywhere(packed: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(packed)
    for where in (place, str(packed / place), packed / place):
        np.testing.assert_array_equal(open_image(where).images[0].data, PIXELS)
    assert list(open_image(place).labels) == ["labels"]
    assert validate(place).kind == "image"
    np.testing.assert_array_equal(np.asarray(open_input(place).data), PIXELS)
    convert(place, "c.ome.zarr")
    assert open_image("c.ome.zarr").images[0].scale == {"y": 0.5, "x": 0.5}
    run = CliRunner()
    for words in (["preview", place, "-o", "x.png"], ["write", place, "d.ome.zarr"]):
        assert run.invoke(main, words, catch_exceptions=False).exit_code == 0
    assert "levels made by resize" in run.invoke(main, ["info", place]).output
    assert open_plate(place.partition("B/3")[0].rstrip(":/")).fields == {"B/3": (Field("0", 0),)}


@pytest.mark.parametrize("inner", ["B03/0", "B3/0", "B/03/0", "B03"])
def test_a_well_is_named_where_a_path_spells_it_otherwise(
    packed: Path, inner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(packed)
    for plate in ("p.zarr::", "p.zarr/", "p.ozx::/", f"{packed}/p.zarr/"):
        with pytest.raises(MissingError, match=r"the well is B/3 in the plate .*p\.(zarr|ozx)\.$"):
            open_image(plate + inner)


def test_a_well_is_no_image_and_names_the_way_out(packed: Path) -> None:
    with pytest.raises(InputError, match=r"it has well; say which of its fields, as in '.*B/3/0'"):
        open_image(packed / "p.zarr/B/3")
    with pytest.raises(MissingError, match=r"C/3/0\.$"):
        open_image(f"{packed}/p.zarr::C/3/0")


def test_a_path_inside_that_leads_out_is_refused(tmp_path: Path) -> None:
    field(tmp_path / "p.zarr")
    for inner in ("../p.zarr/B/3/0", "B/../../p.zarr"):
        with pytest.raises(OptionError, match="leads nowhere"):
            open_image(f"{tmp_path}/p.zarr::{inner}")
    with pytest.raises(MissingError):
        open_image(f"{tmp_path}/p.zarr::B/3/1")


def test_a_plate_is_shown_as_a_table_and_a_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    create_plate("p.zarr", "A-C", 4, name="screen")
    for well, number in (("B/2", 0), ("B/2", 1), ("C/4", 0), ("A/1", 0)):
        field("p.zarr", well, number)
    (tmp_path / "p.zarr" / "A" / "1").rename(tmp_path / "p.zarr" / "A" / "3")
    shown = CliRunner().invoke(main, ["info", "p.zarr"]).output
    assert "name 'screen', 3 rows, 4 columns: 3 wells with 3 fields" in shown
    assert [line.split() for line in shown.splitlines() if re.match("  [ABC] ", line)] == [
        ["A", "!", ".", ".", "."], ["B", ".", "2", ".", "."], ["C", ".", ".", ".", "1"],
    ]  # fmt: skip
    assert "not there: A/1." in shown
    assert "lists them): A/3/0." in shown
    stated = json.loads(CliRunner().invoke(main, ["info", "--json", "p.zarr"]).output)["plate"]
    assert (stated["wells"], stated["unlisted"]) == ({"A/1": None, "B/2": 2, "C/4": 1}, ["A/3/0"])
    rules = {finding.rule: finding.what for finding in validate("p.zarr").findings}
    assert "/A/1" in rules["well-there"]
    assert "/A/3/0" in rules["plate-listed"]


def test_a_plate_without_wells_says_that_it_is_none_yet(tmp_path: Path, any_format: Format) -> None:
    create_plate(tmp_path / "p.zarr", fmt=any_format)
    report = validate(tmp_path / "p.zarr")
    assert (report.kind, [finding.rule for finding in report.findings]) == ("plate", ["plate-empty"])
    assert open_plate(tmp_path / "p.zarr").unlisted() == ()
    assert "plate" not in document(tmp_path / "p.zarr")
    with pytest.raises(InputError, match="this plate has no wells yet, so there is nothing to upgrade; delete it"):
        upgrade(tmp_path / "p.zarr", "0.6")
    field(tmp_path / "p.zarr", "H/12")
    assert not errors(tmp_path / "p.zarr")


# Processes that are killed ------------------------------------------------------------------------------------------

WRITER = """
import sys, random
import numpy as np
from ome_ngff import config, write_field
place, seed = sys.argv[1], int(sys.argv[2])
rng = random.Random(seed)
every = [(f"{row}/{column}", n) for row in sys.argv[3] for column in range(1, 4) for n in range(2)]
rng.shuffle(every)
config.claim_patience = 2  # else each kill may cost the others a minute
for well, number in every:
    pixels = np.full((32, 32), ord(well[0]) * 100 + int(well[2:]) * 10 + number, "uint16")
    write_field(pixels, place, well, number, axes="yx", chunks=8, scale_factors=[2], join=True)
"""


@pytest.mark.slow
def test_processes_that_are_killed_lose_no_field(tmp_path: Path) -> None:
    rng, place = random.Random(0), str(tmp_path / "p.zarr")
    start = [sys.executable, "-c", WRITER, place]
    running = [subprocess.Popen([*start, str(seed), "AB"]) for seed in range(3)]
    for seed in range(3, 6):
        time.sleep(rng.uniform(1.5, 2.5))
        running[seed % 3].kill()
        running[seed % 3].wait()
        running[seed % 3] = subprocess.Popen([*start, str(seed), "AB"])
    assert [process.wait(120) for process in running] == [0] * 3
    plate = open_plate(place)
    values = plate.map(lambda image: {int(v) for level in image.images for v in np.unique(level.data.compute())})
    assert values == {
        f"{row}/{column}/{n}": {ord(row) * 100 + column * 10 + n}
        for row, column, n in product("AB", range(1, 4), range(2))
    }
    assert not plate.unlisted()
    assert validate(place, data=True).counts["error"] == 0


def test_a_listed_well_is_reached_by_whatever_name(tmp_path: Path) -> None:
    write_field(np.ones((9, 8), "uint8"), tmp_path / "p.zarr", "A/1", field=0, axes="yx")
    plate = zarr.open_group(tmp_path / "p.zarr", mode="r+")
    said = dict(plate.attrs)
    said["ome"]["plate"] |= {"rows": [{"name": "Row_0"}], "columns": [{"name": "Col_2"}]}
    said["ome"]["plate"]["wells"][0]["path"] = "Row_0/Col_2"
    plate.attrs.update(said)
    (tmp_path / "p.zarr/A/1").rename(tmp_path / "p.zarr/A/Col_2")
    (tmp_path / "p.zarr/A").rename(tmp_path / "p.zarr/Row_0")
    found = open_plate(tmp_path / "p.zarr")
    for well in (*found, ("Row_0", "Col_2")):
        assert found[well][0].images[0].data.shape == (9, 8)
