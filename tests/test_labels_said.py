"""What is said of labels: colours, properties, source; and how it is read again."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas
import pytest
import skimage
import zarr
from click.testing import CliRunner
from helpers import datasets, document, every_file, scale_of
from skimage.measure import regionprops_table

import ome_ngff
from ome_ngff import (
    LabelError,
    MissingError,
    NgffError,
    OptionError,
    ValidationError,
    label_properties,
    open_image,
    validate,
    write_image,
    write_label_metadata,
    write_labels,
    write_multiscale_labels,
)
from ome_ngff.cli import main
from ome_ngff.exceptions import InputError
from ome_ngff.image.regions import label_values
from ome_ngff.samples import coins
from ome_ngff.writer import add_metadata

pytestmark = pytest.mark.filterwarnings("ignore:There is no image")  # what is said needs none
SQUARES = np.kron(np.array([[0, 3], [7, 12]]), np.ones((8, 8))).astype("uint16")
OKABE_ITO = ["E69F00", "56B4E9", "009E73", "F0E442", "0072B2", "D55E00", "CC79A7"]  # as published in 2008
FRAME = pandas.DataFrame({"label": [3, 7, 12], "area": [64.0, math.nan, 64.0], "round": [True, False, True]})
ROWS = [
    {"label-value": 3, "area": 64.0, "round": True},
    {"label-value": 7, "round": False},
    {"label-value": 12, "area": 64.0, "round": True},
]


def said(path: Path, **words: Any) -> dict[str, Any]:
    """Write the squares, and read what is said of them."""
    write_labels(SQUARES, path, "a", overwrite=True, **words)
    return document(path / "labels" / "a")["image-label"]


def rgba(text: str) -> list[int]:
    return [int(text[i : i + 2], 16) for i in (0, 2, 4)] + [255]


# Colours -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("colors", "expected"),
    [
        pytest.param([{"label-value": 3, "rgba": [1, 2, 3, 4]}], {3: [1, 2, 3, 4]}, id="dicts"),
        pytest.param(
            [{"label-value": np.uint16(3), "rgba": np.array([1, 2, 3, 4], "uint8")}], {3: [1, 2, 3, 4]}, id="numpy"
        ),
        pytest.param({3: "#ff8000", 7: "#FF800080"}, {3: [255, 128, 0, 255], 7: [255, 128, 0, 128]}, id="text"),
        pytest.param({3: (1, 2, 3), 7: [1, 2, 3, 4]}, {3: [1, 2, 3, 255], 7: [1, 2, 3, 4]}, id="numbers"),
        pytest.param({np.int64(3): np.array([1, 2, 3], "uint8")}, {3: [1, 2, 3, 255]}, id="mapping-of-numpy"),
        pytest.param("auto", {0: [0] * 4, **{v: rgba(OKABE_ITO[(v - 1) % 7]) for v in (3, 7, 12)}}, id="auto"),
    ],
)
def test_colors_come_in_many_forms(tmp_path: Path, colors: Any, expected: dict[int, Any], any_format: Any) -> None:
    found = said(tmp_path, colors=colors, fmt=any_format)["colors"]
    assert found == [{"label-value": value, "rgba": color} for value, color in expected.items()]
    assert open_image(tmp_path / "labels" / "a").colors == {v: tuple(color) for v, color in expected.items()}


@pytest.mark.parametrize("colors", [None, [], {}], ids=repr)
def test_without_colors_nothing_is_said_of_them(tmp_path: Path, colors: Any) -> None:
    assert set(said(tmp_path, colors=colors)) - {"version"} == {"source"}
    assert open_image(tmp_path / "labels" / "a").colors == {}


@pytest.mark.parametrize("name", ["tab10", "tab20", "Set2", "viridis"])
def test_colour_maps_are_those_of_matplotlib(tmp_path: Path, name: str) -> None:
    maps = pytest.importorskip("matplotlib").colormaps
    places = {3: 0.0, 7: 0.5, 12: 1.0} if name == "viridis" else {v: (v - 1) % maps[name].N for v in (3, 7, 12)}
    found = {c["label-value"]: c["rgba"] for c in said(tmp_path, colors=name)["colors"]}
    assert found == {0: [0, 0, 0, 0], **{v: [int(n) for n in maps[name](at, bytes=True)] for v, at in places.items()}}


def test_without_matplotlib_its_names_are_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(OptionError, match="Known: auto, tab10, tab20; pip install matplotlib"):
        write_labels(SQUARES, tmp_path / "i", "a", colors="viridis")
    assert not (tmp_path / "i").exists()


def test_a_label_has_the_same_automatic_colour_in_every_image(tmp_path: Path) -> None:
    write_labels(SQUARES, tmp_path / "i", "a", colors="auto")
    write_labels(np.where(SQUARES == 3, 0, SQUARES), tmp_path / "i", "b", colors="auto")
    a, b = (open_image(tmp_path / "i" / "labels" / name).colors for name in "ab")
    assert {value: a[value] for value in b} == b


def test_more_labels_than_metadata_should_list_get_no_colours_and_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    many = np.arange(101 * 100).reshape(101, 100)
    write_labels(many, tmp_path / "i", "a", colors="auto", scale_factors=[])
    assert "colors" not in document(tmp_path / "i" / "labels" / "a")["image-label"]
    assert "10100 label values, more than 10000" in caplog.text


def test_touching_labels_next_to_each_other_differ_in_colour(tmp_path: Path) -> None:
    labels = np.arange(1, 50).repeat(4).reshape(1, -1).repeat(4, 0)
    write_labels(labels, tmp_path / "i", "a", colors="auto", scale_factors=[])
    colors = open_image(tmp_path / "i" / "labels" / "a").colors
    assert all(colors[value] != colors[value + 1] for value in range(1, 49))


# Properties --------------------------------------------------------------------------------------------------------


def csv_file(folder: Path, text: str, name: str = "table.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda d: ROWS, {}, id="dicts"),
        pytest.param(lambda d: [{"label": 3, "area": 64.0, "round": True}, *ROWS[1:]], {}, id="dicts-by-label"),
        pytest.param(lambda d: {r["label-value"]: r for r in ROWS}, {}, id="mapping"),
        pytest.param(lambda d: {k: list(FRAME[k]) for k in FRAME}, {}, id="columns"),
        pytest.param(lambda d: FRAME, {}, id="data-frame"),
        pytest.param(lambda d: FRAME.set_index("label"), {}, id="index"),
        pytest.param(
            lambda d: FRAME.set_index(FRAME["label"].rename(None)).drop(columns="label"), {}, id="index-without-name"
        ),
        pytest.param(lambda d: FRAME.rename(columns={"label": "cell"}), {"label_id": "cell"}, id="column-by-name"),
        pytest.param(
            lambda d: FRAME.rename(columns={"label": "cell"}).set_index("cell"),
            {"label_id": "cell"},
            id="index-by-name",
        ),
        pytest.param(lambda d: FRAME.astype({"label": float, "area": "Float64"}), {}, id="whole-floats-and-NA"),
    ],
)
def test_properties_come_in_many_forms(
    tmp_path: Path, make: Callable[[Path], Any], words: Any, any_format: Any
) -> None:
    found = said(tmp_path / "i", properties=make(tmp_path), fmt=any_format, check=True, **words)["properties"]
    assert found == ROWS
    assert [next(iter(row)) for row in found] == ["label-value"] * 3
    assert open_image(tmp_path / "i" / "labels" / "a").properties[7] == {"round": False}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("label,area,class,n\n3,1.5,a b,1\n7,,c,2\n12,2,,3\n", id="commas"),
        pytest.param(
            "\ufefflabel;area;class;n\r\n3;1.5;a b;1\r\n7;nan;c;2\r\n12;2;;3\r\n\r\n", id="semicolons-of-excel"
        ),
        pytest.param("area\tlabel\tclass\tn\n1.5\t3.0\ta b\t1\n\t7.0\tc\t2\n2\t12.0\t\t3\n", id="tabs"),
    ],
)
def test_csv_files_give_numbers_and_text(tmp_path: Path, text: str) -> None:
    found = said(tmp_path / "i", properties=csv_file(tmp_path, text))["properties"]
    assert found == [
        {"label-value": 3, "area": 1.5, "class": "a b", "n": 1},
        {"label-value": 7, "class": "c", "n": 2},
        {"label-value": 12, "area": 2.0, "n": 3},
    ]


def test_names_that_look_like_numbers_stay_as_they_are_written(tmp_path: Path) -> None:
    text = "label,barcode,well,area,size\n3,1_2,007,+4,1.5e3\n7,3_4,010,-5,.25\n"
    found = said(tmp_path / "i", properties=csv_file(tmp_path, text))["properties"]
    assert found[0] == {"label-value": 3, "barcode": "1_2", "well": "007", "area": 4, "size": 1500.0}
    assert found[1] == {"label-value": 7, "barcode": "3_4", "well": "010", "area": -5, "size": 0.25}


def test_a_csv_file_of_a_header_alone_says_nothing(tmp_path: Path) -> None:
    assert "properties" not in said(tmp_path / "i", properties=Path(csv_file(tmp_path, "label,area\n")))


def test_numpy_values_and_lists_become_json(tmp_path: Path) -> None:
    row = {
        "n": np.uint64(2**64 - 1),
        "box": np.arange(4),
        "at": (np.float32(0.5), math.nan),
        "more": {"ok": np.bool_(True)},
    }
    found = said(tmp_path, properties={2**60 + 1: row})["properties"]
    assert found == [
        {"label-value": 2**60 + 1, "n": 2**64 - 1, "box": [0, 1, 2, 3], "at": [0.5, None], "more": {"ok": True}}
    ]


def test_what_skimage_and_label_properties_measure_are_properties(tmp_path: Path) -> None:
    sample = coins()
    table = regionprops_table(sample.labels, sample.image.data, properties=["label", "area", "intensity_mean", "bbox"])
    write_image(sample.image.data, tmp_path / "i", scale=[0.5, 0.5], chunks=128)
    write_labels(sample.labels, tmp_path / "i", "a", properties=table, check=True)
    found = open_image(tmp_path / "i").labels["a"]
    assert [found.properties[v]["area"] for v in table["label"].tolist()] == table["area"].tolist()
    write_labels(sample.labels, tmp_path / "i", "b", properties=label_properties(found), check=True)
    again = open_image(tmp_path / "i").labels["b"].properties
    assert {v: p["area"] for v, p in again.items()} == {v: p["area"] for v, p in found.properties.items()}


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("../../../image", id="path"),
        pytest.param({"image": "../../../image", "mine": 1}, id="document"),
    ],
)
def test_the_source_is_a_path_or_a_document(tmp_path: Path, source: Any) -> None:
    assert said(tmp_path, source=source)["source"]["image"] == "../../../image"


# What is refused ---------------------------------------------------------------------------------------------------


def squares(**words: Any) -> Callable[[Path], Any]:
    return lambda d: write_labels(SQUARES, d / "i", "new", **words)


def table(text: str, **words: Any) -> Callable[[Path], Any]:
    return lambda d: write_labels(SQUARES, d / "i", "new", properties=csv_file(d.parent, text), **words)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        pytest.param(squares(colors={3: "red"}), LabelError, "colour of label 3 is '#rrggbb'.*'red'", id="colour-word"),
        pytest.param(
            squares(colors={3: (0.5, 1.0, 0)}), LabelError, "whole numbers from 0 to 255", id="colour-fractions"
        ),
        pytest.param(squares(colors={3: (1, 2, 256)}), LabelError, "from 0 to 255", id="colour-256"),
        pytest.param(squares(colors={3: (1, 2)}), LabelError, "three or four", id="colour-of-two"),
        pytest.param(squares(colors={"3": "#ff0000"}), LabelError, r"write 3, without quotes", id="colour-of-text"),
        pytest.param(squares(colors={1.5: "#ff0000"}), LabelError, "whole number", id="colour-of-a-fraction"),
        pytest.param(squares(colors="autp"), OptionError, "Did you mean 'auto'", id="colour-map"),
        pytest.param(squares(colors=3), OptionError, "such as 'auto'", id="colours-number"),
        pytest.param(
            squares(colors=[{"label-value": 3, "rgba": [1, 2, 3]}]), ValidationError, "four integers", id="rgb"
        ),
        pytest.param(squares(colors=[{"label-value": 3}] * 2), ValidationError, "more than one", id="colour-twice"),
        pytest.param(
            squares(colors=[{"rgba": [1, 2, 3, 4]}]), ValidationError, "label-value", id="colour-without-value"
        ),
        pytest.param(
            squares(colors={5: "#ff0000", 6: "#ff0000"}, check=True),
            LabelError,
            r"colors names 2 labels .* do not have: 5, 6 \(they have 4 values from 0 to 12\)",
            id="check-colours",
        ),
        pytest.param(
            squares(properties={5: {}}, check=True), LabelError, "names 1 label that .*: 5 ", id="check-properties"
        ),
        pytest.param(
            squares(properties={-(2**70): {}}, check=True), LabelError, "-1180591620717411303424 ", id="check-huge"
        ),
        pytest.param(squares(properties=[{"area": 3}]), LabelError, "Row 0 of the list has no 'label'", id="no-value"),
        pytest.param(
            squares(properties=[{"lable": 3}]), LabelError, "Did you mean 'lable'.*label_id", id="value-misspelt"
        ),
        pytest.param(squares(properties=[{"label": 3}], label_id="id"), LabelError, "no 'id'", id="no-such-column"),
        pytest.param(squares(properties=[{"label": 3.5}]), LabelError, r"whole number \(got 3.5", id="value-fraction"),
        pytest.param(
            squares(properties=[{"label": 2.0**60}]), LabelError, "whole number", id="value-a-float-may-have-lost"
        ),
        pytest.param(squares(properties=[{"label": None}]), LabelError, "whole number", id="value-missing"),
        pytest.param(squares(properties=[{"label": True}]), LabelError, "whole number", id="value-bool"),
        pytest.param(
            squares(properties=FRAME.drop(columns="label")), LabelError, "no 'label'", id="frame-without-values"
        ),
        pytest.param(squares(properties=[ROWS[0], ROWS[0]]), ValidationError, "more than one", id="properties-twice"),
        pytest.param(squares(properties={3: {"a": {1, 2}}}), LabelError, "JSON cannot hold .*'a' of label 3", id="set"),
        pytest.param(squares(properties={3: {"a": math.inf}}), LabelError, "JSON cannot hold inf", id="infinity"),
        pytest.param(squares(properties={3: {"a": 1j}}), LabelError, "JSON cannot hold", id="complex"),
        pytest.param(squares(properties={3: {4: 5}}), LabelError, "names of properties are text", id="name-number"),
        pytest.param(squares(properties={"label": [3, 7], "a": [1]}), LabelError, "equally long", id="columns-unequal"),
        pytest.param(squares(properties={"label": 3}), LabelError, "equally long", id="columns-of-numbers"),
        pytest.param(squares(properties={3: 4}), OptionError, "a list of dicts, a mapping", id="mapping-of-numbers"),
        pytest.param(squares(properties=3), OptionError, "a list of dicts, a mapping", id="properties-number"),
        pytest.param(squares(properties="none.csv"), MissingError, "none.csv", id="no-such-file"),
        pytest.param(table("label,a\n3\n"), LabelError, "2 names of the header", id="csv-short-row"),
        pytest.param(table("label,label\n3,3\n"), LabelError, "not a table", id="csv-name-twice"),
        pytest.param(table(""), LabelError, "not a table", id="csv-empty"),
        pytest.param(table("name,a\n3,4\n"), LabelError, "It has name, a", id="csv-without-values"),
        pytest.param(table("label,a\nx,4\n"), LabelError, "whole number", id="csv-values-of-text"),
        pytest.param(squares(source=3), OptionError, "path to the image", id="source-number"),
        pytest.param(squares(source="/data/i.zarr"), ValidationError, "source", id="source-absolute"),
        pytest.param(squares(colors="auto", label_metadata={"colors": []}), OptionError, "once", id="said-twice"),
    ],
)
def test_what_cannot_be_said_is_refused_before_the_disk_is_touched(
    tmp_path: Path, call: Callable[[Path], Any], error: type[NgffError], says: str
) -> None:
    disk = tmp_path / "disk"
    write_labels(SQUARES, disk / "i", "there")
    before = every_file(disk)
    with pytest.raises(error, match=says) as caught:
        call(disk)
    assert isinstance(caught.value, NgffError)
    assert "\n" not in str(caught.value)
    assert every_file(disk) == before


def test_labels_that_are_there_are_refused_before_the_pixels_are_looked_at(tmp_path: Path) -> None:
    write_labels(SQUARES, tmp_path / "i", "a")
    never = da.map_blocks(lambda block: 1 / 0, da.from_array(SQUARES), dtype="uint16", meta=np.empty((0, 0), "uint16"))
    with pytest.raises(ome_ngff.ExistsError):
        write_labels(never, tmp_path / "i", "a", colors="auto")


# Counting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(skimage.measure.label(skimage.data.binary_blobs(64, n_dim=3, rng=2)), id="3d"),
        pytest.param(np.full((3, 4), 2**64 - 1, "uint64"), id="one-value"),
        pytest.param(np.random.default_rng(0).integers(-(2**63), 2**63 - 1, (300, 400)), id="all-different"),
        pytest.param(np.arange(6000, dtype="int32").reshape(60, 100)[:, ::-1], id="view"),
        pytest.param(np.arange(6000, dtype=">u4").reshape(60, 100), id="byte-order"),
    ],
)
def test_the_values_that_occur_are_those_of_numpy(
    labels: np.ndarray[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ome_ngff.engine.scan.TASK_BYTES", 2**16)
    lazy = da.from_array(labels, chunks=tuple(max(1, n // 3) for n in labels.shape))
    for source in (labels, lazy + 0, zarr.array(labels, chunks=lazy.chunksize)):
        found = label_values(source)
        np.testing.assert_array_equal(found, np.unique(labels))
        assert found.dtype == labels.dtype.newbyteorder("=")


def test_every_block_is_looked_at_once(tmp_path: Path) -> None:
    seen: list[tuple[int, ...]] = []

    def look(block: np.ndarray[Any, Any], block_info: Any = None) -> np.ndarray[Any, Any]:
        seen.append(tuple(block_info[0]["chunk-location"]))
        return block

    lazy = da.from_array(SQUARES, chunks=4).map_blocks(look, dtype="uint16", meta=np.empty((0, 0), "uint16"))
    np.testing.assert_array_equal(label_values(lazy), [0, 3, 7, 12])
    assert sorted(seen) == [(i, j) for i in range(4) for j in range(4)]


def values_of(entries: Any) -> list[int]:
    return [entry["label-value"] for entry in entries]


@pytest.mark.parametrize(
    ("colors", "properties", "painted"),
    [
        pytest.param("auto", {3: {"a": 1}}, {0, 3, 7, 12}, id="a palette"),
        pytest.param("auto", {3: {"a": 1}, 99: {}}, {0, 3, 7, 12, 99}, id="a label that does not occur"),
        pytest.param({7: "#ff0000"}, {3: {"a": 1}}, {7}, id="by hand"),
        pytest.param([{"label-value": 7, "rgba": [1, 2, 3, 4]}], [{"label": 3, "a": 1}], {7}, id="lists"),
        pytest.param({3: "#ff0000", 7: "#00ff00"}, {3: {"a": 1}}, {3, 7}, id="more colours"),
    ],
)
def test_colours_and_properties_are_of_the_same_labels(
    tmp_path: Path, any_format: Any, colors: Any, properties: Any, painted: set[int]
) -> None:
    found = said(tmp_path / "i", colors=colors, properties=properties, fmt=any_format)
    assert set(values_of(found["colors"])) == set(values_of(found["properties"]))
    assert {entry["label-value"] for entry in found["colors"] if "rgba" in entry} == painted
    assert [entry for entry in found["properties"] if len(entry) > 1] == [{"label-value": 3, "a": 1}]
    assert validate(tmp_path / "i" / "labels" / "a").counts["note"] == 0


@pytest.mark.parametrize("word", ["colors", "properties"])
def test_colours_or_properties_alone_stay_as_they_are(tmp_path: Path, word: str) -> None:
    given = {"colors": {7: "#ff0000"}, "properties": {7: {"a": 1}}}
    found = said(tmp_path / "i", **{word: given[word]})
    assert values_of(found[word]) == [7]
    assert set(found) - {"version"} == {word, "source"}
    others = {"colors": {3: "#ff0000"}, "properties": {3: {"a": 1}}}
    for other in {*given} - {word}:
        write_label_metadata(tmp_path / "i" / "labels", "a", **{other: others[other]})
    found = document(tmp_path / "i" / "labels" / "a")["image-label"]
    assert [set(values_of(found[key])) for key in given] == [{3, 7}] * 2
    assert next(entry for entry in found[word] if entry["label-value"] == 7) != {"label-value": 7}


def test_a_label_that_colours_alone_name_is_noted(tmp_path: Path) -> None:
    write_image(SQUARES, tmp_path / "i", scale_factors=[2])
    said(tmp_path / "i", colors={7: "#ff0000", 3: "#ff0000"})
    properties = [{"label-value": 3, "a": 1}]
    group = zarr.open_group(tmp_path / "i" / "labels" / "a")
    ome = group.attrs["ome"]
    group.attrs["ome"] = {**ome, "image-label": {**ome["image-label"], "properties": properties}}
    for place in ("i", "i/labels/a"):
        (note,) = [found for found in validate(tmp_path / place).findings if found.severity == "note"]
        assert note.rule == "label-same-values"
        assert "(7 is in one alone)" in note.what


# Metadata alone, pyramids, reading, the command line ---------------------------------------------------------------


def test_metadata_alone_takes_the_same_words_and_keeps_the_rest(tmp_path: Path, any_format: Any) -> None:
    source = {"image": "../../", "from": "us"}
    said(tmp_path, properties=ROWS, source=source, fmt=any_format)
    arrays = every_file(tmp_path / "labels" / "a" / "0")
    write_label_metadata(tmp_path / "labels", "a", colors="auto", check=True)
    read = (
        open_image(tmp_path).labels["a"]
        if "multiscales" in document(tmp_path)
        else open_image(tmp_path / "labels" / "a")
    )
    assert list(read.colors) == [0, 3, 7, 12]
    assert list(read.properties) == [3, 7, 12, 0]
    assert document(tmp_path / "labels" / "a")["image-label"]["source"] == source
    assert every_file(tmp_path / "labels" / "a" / "0") == arrays
    before = every_file(tmp_path)
    with pytest.raises(LabelError, match="do not have: 4"):
        write_label_metadata(tmp_path / "labels", "a", properties={4: {}}, check=True)
    assert every_file(tmp_path) == before


def test_parts_that_are_added_leave_the_others(tmp_path: Path) -> None:
    said(tmp_path, properties=ROWS)
    add_metadata(tmp_path / "labels" / "a", {"image-label": {"source": {"image": "../../", "from": "us"}}})
    label = document(tmp_path / "labels" / "a")["image-label"]
    assert label == {"source": {"image": "../../", "from": "us"}, "properties": ROWS}


def test_nested_labels_that_are_described_later_find_their_image(tmp_path: Path) -> None:
    write_image(SQUARES, tmp_path / "labels" / "a" / "b", method="nearest")
    write_label_metadata(tmp_path / "labels", "a/b", colors="auto")
    found = document(tmp_path / "labels" / "a" / "b")["image-label"]
    assert found["source"] == {"image": "../../../"}
    assert [c["label-value"] for c in found["colors"]] == [0, 3, 7, 12]
    zarr.create_group(tmp_path / "labels" / "c", zarr_format=3)
    with pytest.raises(InputError, match="not an OME-Zarr image"):
        write_label_metadata(tmp_path / "labels", "c", colors="auto")


def test_pyramids_of_labels_take_the_same_words(tmp_path: Path) -> None:
    write_multiscale_labels([SQUARES, SQUARES[::2, ::2]], tmp_path, "a", colors="auto", properties=FRAME, check=True)
    read = open_image(tmp_path / "labels" / "a")
    assert (list(read.colors), read.properties[12]) == ([0, 3, 7, 12], {"area": 64.0, "round": True})


def test_labels_are_read_with_what_is_said_of_them_however_odd(tmp_path: Path) -> None:
    write_image(np.zeros((16, 16), "uint8"), tmp_path, scale_factors=[2])
    write_labels(SQUARES, tmp_path, "a", colors={2**60 + 1: "#01020304"}, properties={3: {"class": "cell"}})
    read = open_image(tmp_path).labels["a"]
    assert (read.colors, read.properties) == ({2**60 + 1: (1, 2, 3, 4)}, {3: {"class": "cell"}, 2**60 + 1: {}})
    assert (open_image(tmp_path).colors, open_image(tmp_path).properties) == ({}, {})
    group = zarr.open_group(tmp_path / "labels" / "a")
    odd = [{"label-value": "x"}, 3, {"label-value": 4}, {"label-value": 5, "rgba": [1, 2, 3]}]
    odd += [{"label-value": 6, "rgba": [1, 2, 3, 4]}, {"label-value": 7, "rgba": [1, 2]}]
    group.attrs["ome"] = {**group.attrs["ome"], "image-label": {"colors": odd, "properties": "none"}}
    read = open_image(tmp_path).labels["a"]
    assert (read.colors, read.properties) == ({5: (1, 2, 3, 255), 6: (1, 2, 3, 4)}, {})


def test_the_command_line_says_the_same(tmp_path: Path) -> None:
    units = dict.fromkeys("yx", "micrometer")
    write_image(
        np.zeros((2, 16, 16), "uint8"),
        tmp_path / "i",
        axes="cyx",
        scale=[1, 0.5, 0.5],
        axes_units=units,
        scale_factors=[2],
    )
    np.save(tmp_path / "squares.npy", SQUARES)
    csv_file(tmp_path, "cell,class\n3,round\n12,square\n")
    line = ["labels", tmp_path / "squares.npy", tmp_path / "i", "--name", "nuclei", "--colors", "auto"]
    line += ["--properties", tmp_path / "table.csv", "--id", "cell", "--check", "--method", "nearest"]
    result = CliRunner().invoke(main, [str(word) for word in line])
    assert (result.exit_code, result.output) == (0, "")
    read = open_image(tmp_path / "i").labels["nuclei"]
    assert (list(read.colors), read.properties[12]) == ([0, 3, 7, 12], {"class": "square"})
    assert read.images[1].scale == {"y": 1.0, "x": 1.0}
    assert read.images[0].axes_units == units
    assert [scale_of(d) for d in datasets(tmp_path / "i" / "labels" / "nuclei")] == [[0.5, 0.5], [1.0, 1.0]]
    before = every_file(tmp_path)
    csv_file(tmp_path, "cell,class\n3,round\n12,square\n4,none\n")
    result = CliRunner().invoke(main, [str(word) for word in [*line, "--overwrite"]])
    assert result.exit_code == 2
    assert "do not have: 4" in result.output
    assert {k: v for k, v in every_file(tmp_path).items() if k != "table.csv"} == {
        k: v for k, v in before.items() if k != "table.csv"
    }
