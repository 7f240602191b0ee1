"""The versions of the format: their names, how they lay out metadata, and the transformations that they derive."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from examples.documents import changed, put, sample
from hypothesis import given
from hypothesis import strategies as st

from ome_ngff.exceptions import FormatError, ScaleError, ValidationError
from ome_ngff.format import (
    CurrentFormat,
    Format,
    FormatV04,
    FormatV05,
    FormatV06,
    detect_format,
    format_for_zarr,
    format_from_version,
    format_implementations,
)
from ome_ngff.spec.rules.document import KINDS
from ome_ngff.spec.versions import base

FORMATS = list(format_implementations())
every_kind = pytest.mark.parametrize("kind", KINDS)

SCALE = {"type": "scale", "scale": [1.0, 0.5]}
MOVE = {"type": "translation", "translation": [0.0, 0.25]}


# Versions ----------------------------------------------------------------------------------------------------------


def test_the_newest_version_comes_first_and_0_5_is_the_current_one() -> None:
    assert [fmt.version for fmt in FORMATS] == ["0.6", "0.5", "0.4"]
    assert CurrentFormat() == FormatV05()


def test_the_versions_are_siblings() -> None:
    assert not issubclass(FormatV05, FormatV04)
    assert not issubclass(FormatV04, FormatV05)


def test_formats_of_a_version_are_equal_and_hash_alike() -> None:
    assert FormatV04() == FormatV04() != FormatV05()
    assert {FormatV04(), FormatV04(), FormatV05(), FormatV06()} == set(FORMATS)
    assert FormatV05() != "0.5"
    assert repr(FormatV05()) == "FormatV05()"


def test_a_format_survives_pickling(any_format: Format) -> None:
    assert pickle.loads(pickle.dumps(any_format)) == any_format


def test_a_format_is_found_by_its_name_its_number_and_itself(any_format: Format) -> None:
    assert format_from_version(any_format.version) == any_format
    assert format_from_version(float(any_format.version)) == any_format
    assert format_from_version(any_format) is any_format


@pytest.mark.parametrize("version", ["0.3", "0.6rc0", "", "v0.5", 5, None], ids=repr)
def test_an_unknown_version_is_an_error_that_names_the_known_ones(version: Any) -> None:
    with pytest.raises(FormatError, match=r"Known: 0\.4, 0\.5, 0\.6\."):
        format_from_version(version)


@pytest.mark.parametrize("fmt", [FormatV04(), FormatV05()], ids=["2", "3"])
def test_each_version_of_zarr_has_its_format(fmt: Format) -> None:
    assert format_for_zarr(fmt.zarr_format) == fmt


def test_chunk_keys_are_nested_in_both_versions() -> None:
    assert FormatV04().array_options("yx") == {
        "zarr_format": 2,
        "chunk_key_encoding": {"name": "v2", "separator": "/"},
    }
    assert FormatV05().array_options("yx") == {
        "zarr_format": 3,
        "chunk_key_encoding": {"name": "default", "separator": "/"},
        "dimension_names": ["y", "x"],
    }


# Layout ------------------------------------------------------------------------------------------------------------


def test_0_4_puts_metadata_at_the_top_and_0_5_below_ome() -> None:
    document = {"multiscales": [{"name": "cells"}]}
    assert FormatV04().wrap(document) == document
    assert FormatV05().wrap(document) == {"ome": {"version": "0.5", **document}}


@every_kind
def test_unwrapping_undoes_wrapping_and_keeps_foreign_attributes_apart(any_format: Format, kind: str) -> None:
    document, others = sample(kind, any_format), {"_ARRAY_DIMENSIONS": ["y", "x"], "note": {"a": 1}}
    attributes = {**others, **any_format.wrap(document)}
    assert any_format.unwrap(attributes) == document
    assert any_format.strip(attributes) == others
    assert any_format.wrap(any_format.unwrap(attributes)) == any_format.wrap(document)


def test_there_is_nothing_to_unwrap_where_there_is_no_metadata(any_format: Format) -> None:
    for attributes in ({}, {"note": 1}, {"ome": None}, {"ome": [1]}):
        assert any_format.unwrap(attributes) == {}


def test_parts_that_are_none_are_left_out(any_format: Format) -> None:
    (multiscale,) = any_format.multiscale([], [], "cells", type=None, metadata={})["multiscales"]
    axes = "coordinateSystems" if any_format == FormatV06() else "axes"
    assert {"name", axes, "datasets", "metadata"} == set(multiscale) - {"version"}
    assert set(any_format.image_label(colors=None, source={})["image-label"]) - {"version"} == {"source"}
    assert set(any_format.plate(name=None, rows=[])["plate"]) - {"version"} == {"rows"}


def test_every_part_states_version_0_4_but_only_plates_0_5() -> None:
    """Version 0.5 is stated once, next to the parts; so is 0.6, of plates, too."""
    assert FormatV06().plate() == {"plate": {}}
    for fmt, inside in ((FormatV04(), True), (FormatV05(), False)):
        parts = [fmt.multiscale([], [], "a")["multiscales"][0], fmt.image_label()["image-label"], fmt.well([])["well"]]
        assert [part.get("version") for part in parts] == [fmt.version if inside else None] * 3
        assert fmt.plate()["plate"] == {"version": fmt.version}


@every_kind
def test_a_format_recognises_its_own_metadata(any_format: Format, kind: str) -> None:
    attributes = any_format.wrap(sample(kind, any_format))
    other = next(other for other in FORMATS if other != any_format)
    states_no_version = any_format == FormatV04() and kind in ("labels", "bf2raw", "scene")
    assert detect_format(attributes, other) == (other if states_no_version else any_format)
    assert any_format.matches(attributes) != states_no_version
    assert not other.matches(attributes)


def test_attributes_that_state_no_version_leave_the_default() -> None:
    for fmt in FORMATS:
        for attributes in ({}, {"note": 1}, {"multiscales": [{}]}, {"ome": {}}, {"ome": 5}, {"version": ["0.4"]}):
            assert detect_format(attributes, fmt) == fmt


def test_where_both_versions_stand_side_by_side_the_newer_one_is_read() -> None:
    attributes = {kind: value for fmt in FORMATS for kind, value in fmt.wrap(sample("image", fmt)).items()}
    assert detect_format(attributes, FormatV04()) == FormatV05()


def test_a_version_as_a_number_is_recognised_though_it_is_not_valid() -> None:
    assert detect_format({"multiscales": [{"version": 0.4}]}, FormatV05()) == FormatV04()


# Transformations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shapes", "factors"),
    [
        pytest.param([(8, 8)], [[1, 1]], id="one level"),
        pytest.param([(8, 8), (4, 4), (2, 2)], [[1, 1], [2, 2], [4, 4]], id="even"),
        pytest.param([(9, 9), (5, 5), (3, 3), (2, 2)], [[1, 1], [2, 2], [3, 3], [4, 4]], id="odd, small"),
        pytest.param([(101, 100), (51, 50)], [[1, 1], [2, 2]], id="rounded up"),
        pytest.param([(101, 100), (50, 50)], [[1, 1], [2, 2]], id="rounded down"),
        pytest.param([(7, 512, 512), (7, 171, 171)], [[1, 1, 1], [1, 3, 3]], id="one axis stays"),
        pytest.param([(1, 5), (1, 1)], [[1, 1], [1, 5]], id="down to one pixel"),
    ],
)
def test_the_factor_of_a_level_is_the_whole_number_its_shape_implies(
    any_format: Format, shapes: list[tuple[int, ...]], factors: list[list[int]]
) -> None:
    levels = any_format.generate_coordinate_transformations(shapes)
    assert [scale["scale"] for scale, _ in levels] == factors
    assert [move["translation"] for _, move in levels] == [[(f - 1) / 2 for f in level] for level in factors]
    any_format.validate_coordinate_transformations(len(shapes[0]), len(shapes), levels)


def test_a_level_without_a_whole_factor_takes_the_ratio_of_the_lengths() -> None:
    ((_, _), (scale, _)) = FormatV05().generate_coordinate_transformations([(100,), (70,)])
    assert scale["scale"] == [100 / 70]


@given(
    shape=st.lists(st.integers(1, 5000), min_size=2, max_size=3),
    ladder=st.lists(st.integers(2, 4), min_size=1, max_size=5),
)
def test_the_factors_of_a_ladder_explain_its_shapes(shape: list[int], ladder: list[int]) -> None:
    factors = [math.prod(ladder[:level]) for level in range(len(ladder) + 1)]
    shapes = [[-(-length // factor) for length in shape] for factor in factors]
    levels = FormatV05().generate_coordinate_transformations(shapes)
    for (scale, move), reduced in zip(levels, shapes, strict=True):
        for found, full, part in zip(scale["scale"], shape, reduced, strict=True):
            assert part in (math.floor(full / found), math.ceil(full / found)) or found == full / part
        assert move["translation"] == [(found - 1) / 2 for found in scale["scale"]]
    for (finer, _), (coarser, _) in pairwise(levels):
        assert all(a <= b for a, b in zip(finer["scale"], coarser["scale"], strict=True))


def test_levels_of_different_dimensions_have_no_transformations() -> None:
    with pytest.raises(FormatError, match="same number of dimensions"):
        FormatV05().generate_coordinate_transformations([(4, 4), (2,)])


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        pytest.param(None, "one list for each of the 2 levels", id="none"),
        pytest.param(7, "one list for each of the 2 levels", id="a number"),
        pytest.param([[SCALE]], "got 1", id="too few levels"),
        pytest.param([[SCALE]] * 3, "got 3", id="too many levels"),
        pytest.param([[SCALE], None], "dataset-transformations.*1", id="a level without"),
        pytest.param([[SCALE], []], "dataset-scale-count", id="an empty level"),
        pytest.param([[SCALE], [MOVE, SCALE]], "dataset-translation-order", id="translation first"),
        pytest.param([[SCALE], [SCALE, MOVE, MOVE]], "dataset-translation-count", id="two translations"),
        pytest.param([[SCALE], [{"type": "identity"}]], "transformation-type", id="identity"),
        pytest.param([[SCALE], [{"type": "scale", "scale": [1.0]}]], "transformation-length", id="a short scale"),
        pytest.param([[SCALE], [{"type": "scale", "scale": [1.0, 0.0]}]], "scale-positive", id="a scale of zero"),
        pytest.param([[SCALE], [{"type": "scale", "scale": [1, math.nan]}]], "transformation-vector", id="NaN"),
    ],
)
def test_transformations_that_break_a_rule_are_an_error_that_names_it(
    any_format: Format, levels: Any, message: str
) -> None:
    with pytest.raises(ScaleError, match=message):
        any_format.validate_coordinate_transformations(2, 2, levels)


def test_documents_like_earlier_ones_are_not_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fmt, judged, real = format_from_version("0.5"), list[Any](), base.document_findings
    good, bad = fmt.wrap(sample("image", fmt)), changed(fmt, "image", "multiscales[0].datasets", [])
    monkeypatch.setattr(base, "document_findings", lambda found, *rest: judged.append(found) or real(found, *rest))
    base._found.cache_clear()
    for _ in range(2):
        fmt.validate(good)
        with pytest.raises(ValidationError, match="datasets"):
            fmt.validate(bad)
    assert judged == [good, bad]
    fmt.validate({**good, "foreign": 1})
    assert judged == [good, bad, {**good, "foreign": 1}]


def test_only_plain_documents_of_formats_of_ours_are_remembered() -> None:
    fmt = format_from_version("0.5")
    good, bad = fmt.wrap(sample("image", fmt)), changed(fmt, "image", "multiscales[0].datasets", [])

    class Lenient(type(fmt)):  # type: ignore[misc]
        __hash__ = None

        def findings(self, attributes: Any, kind: str | None = None) -> list[Any]:
            return []

    Lenient().validate(bad)
    with pytest.raises(ValidationError, match="datasets"):
        fmt.validate(bad)
    Lenient().validate(bad)

    class Once:
        """What pickles alike, whatever it is."""

        def __reduce__(self) -> Any:
            return str, ()

    fmt.validate({**good, "foreign": ""})
    for odd in (Once(), Fraction(1)):
        with pytest.raises(ValidationError, match="json-values"):
            fmt.validate({**good, "foreign": odd})


def test_transformations_may_be_tuples_and_have_no_translation(any_format: Format) -> None:
    any_format.validate_coordinate_transformations(2, 2, ((SCALE, MOVE), [{"type": "scale", "scale": (1, 1)}]))


# Wells -------------------------------------------------------------------------------------------------------------


def test_the_dict_of_a_well_has_its_indices_in_the_plate(any_format: Format) -> None:
    rows, columns = ["A", "B"], ["1", "2", "03"]
    document = any_format.generate_well_dict("B/03", rows, columns)
    assert document == {"path": "B/03", "rowIndex": 1, "columnIndex": 2}
    any_format.validate_well_dict(document, rows, columns)


@pytest.mark.parametrize("well", ["", "A", "A1", "A/", "/1", "C/1", "A/9", "1/A", "A/1/0", "A/1/"])
def test_a_well_that_is_not_in_the_plate_has_no_dict(any_format: Format, well: str) -> None:
    with pytest.raises(FormatError, match="row/column"):
        any_format.generate_well_dict(well, ["A", "B"], ["1", "2"])
    with pytest.raises(ValidationError, match="plate-well-path"):
        any_format.validate_well_dict({"path": well, "rowIndex": 0, "columnIndex": 0}, ["A", "B"], ["1", "2"])


@pytest.mark.parametrize("at", ["rowIndex", "columnIndex"])
@pytest.mark.parametrize("index", [1, -1, "0", None, False, 0.0], ids=repr)
def test_a_well_whose_index_contradicts_its_path_is_an_error(any_format: Format, at: str, index: Any) -> None:
    well = put({"path": "A/1", "rowIndex": 0, "columnIndex": 0}, at, index)
    with pytest.raises(ValidationError, match=f"plate-well-index.*{at}"):
        any_format.validate_well_dict(well, ["A", "B"], ["1", "2"])
