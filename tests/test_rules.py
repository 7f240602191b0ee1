"""The rules for documents: each accepts its right example and refuses its wrong one, and nothing makes them fail."""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any

import attrs
import numpy as np
import pytest
from examples.documents import changed, edit, place, put, sample, wrong
from hypothesis import given, settings
from hypothesis import strategies as st

from ome_ngff.axes import Axes, axes_findings
from ome_ngff.exceptions import Finding, OptionError, ValidationError
from ome_ngff.format import Format, FormatV04, FormatV05, FormatV06, detect_format, format_implementations
from ome_ngff.spec.rules.book import MISSING, RULES, Rule
from ome_ngff.spec.rules.document import KINDS, stated_version
from ome_ngff.spec.rules.image import TRANSFORMATIONS
from ome_ngff.spec.rules.plate import plate_well_findings

FORMATS = list(format_implementations())
every_kind = pytest.mark.parametrize("kind", KINDS)
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))


def of_rule(rule: Rule) -> Format:
    """Return a version that has the rule: 0.5 if it does."""
    return next(f for f in (FormatV05(), *FORMATS) if rule.holds(f.version))


FIRST = "multiscales[0].datasets[0]"
MOVED = {"type": "translation", "translation": [1.0] * 5}
SIZED = {"type": "scale", "scale": [1.0, 1.0, 1.0, 0.5, 0.5]}


def broken(findings: list[Finding], *severities: str) -> set[str]:
    """Return the ids of the rules that the findings are about."""
    return {finding.rule for finding in findings if finding.severity in (severities or ("error", "warning", "note"))}


# Each rule ---------------------------------------------------------------------------------------------------------


@every_kind
def test_a_valid_document_breaks_no_rule_with_or_without_its_kind(any_format: Format, kind: str) -> None:
    attributes = any_format.wrap(sample(kind, any_format))
    if kind == "scene" and any_format.version < "0.6":
        assert broken(any_format.findings(attributes, kind)) == {"document-kind"}
        return
    assert any_format.findings(attributes, kind) == []
    assert any_format.findings(attributes) == []
    any_format.validate(attributes, kind, strict=True)


@every_rule
def test_a_wrong_example_breaks_its_rule(any_format: Format, rule: Rule) -> None:
    findings = [f for f in any_format.findings(wrong(rule, any_format), rule.kind) if f.rule == rule.id]
    assert bool(findings) == rule.holds(any_format.version)


@every_rule
def test_a_finding_says_where_and_what_and_the_way_out(rule: Rule) -> None:
    fmt = of_rule(rule)
    finding = next(f for f in fmt.findings(wrong(rule, fmt), rule.kind) if f.rule == rule.id)
    assert finding.severity == rule.severity
    assert finding.what.endswith(".")
    assert finding.hint.strip()
    assert rule.words.strip()
    if finding.where != "attributes" and rule.id not in ("label-multiscales", "systems-connected"):
        at = place(rule.at, fmt)
        assert at.startswith(finding.where) or finding.where.startswith(at), "points at the fault"


@every_rule
def test_a_must_is_an_error_and_a_should_is_a_warning(rule: Rule) -> None:
    if "MUST" in rule.words and "SHOULD" not in rule.words and rule.id != "plate-version":  # its schema does not ask
        assert rule.severity == "error"
    if "SHOULD" in rule.words and rule.id not in ("axis-type-form", "axis-unit-form"):  # a string, if there is one
        assert rule.severity == "warning"


@pytest.mark.parametrize(
    ("kind", "at", "value"),
    [
        pytest.param("image", "multiscales[0].axes[1].type", "lifetime", id="a type of one's own"),
        pytest.param(
            "image", "multiscales[0].axes[1]", {"name": "c", "type": "channel", "longName": "dye"}, id="more keys"
        ),
        pytest.param("image", "multiscales[0].axes[0].unit", "hour", id="hours"),
        pytest.param("image", "multiscales[0].axes[0].name", "Zeit", id="a name of one's own"),
        pytest.param("image", f"{FIRST}.path", "scale 0/ä", id="a path with odd characters"),
        pytest.param("image", f"{FIRST}.path", "a..b/..c", id="a path with dots in its names"),
        pytest.param("image", f"{FIRST}.coordinateTransformations", [SIZED], id="no translation"),
        pytest.param(
            "image", f"{FIRST}.coordinateTransformations[1].translation", [-3, 0, 0, -0.0, 1], id="going back"
        ),
        pytest.param("image", f"{FIRST}.coordinateTransformations[0].scale", [1, 1, 1, 1, 1], id="integers as scale"),
        pytest.param(
            "image", f"{FIRST}.coordinateTransformations", ({**SIZED, "scale": (1, 1, 1, 0.5, 0.5)},), id="tuples"
        ),
        pytest.param("image", "multiscales[0].datasets[1].coordinateTransformations", [SIZED], id="as fine as before"),
        pytest.param("image", "omero.channels", [], id="no channels"),
        pytest.param("image", "omero.channels[0].color", "00ffAA", id="small letters"),
        pytest.param("image", "omero.channels[0].window.end", 1e9, id="shown beyond the range"),
        pytest.param("image", "omero.rdefs", {"model": "color"}, id="more keys in omero"),
        pytest.param("label", "image-label.colors[0].label-value", 2**53 + 1, id="a label beyond 2^53"),
        pytest.param("label", "image-label.colors[0].label-value", -1, id="a label below zero"),
        pytest.param("label", "image-label.colors[0].rgba", MISSING, id="no rgba"),
        pytest.param("label", "image-label.source", {}, id="the default source"),
        pytest.param("label", "image-label.source.image", "../../../b/0", id="a source elsewhere in the store"),
        pytest.param("label", "image-label.source.image", "..", id="a source next to labels"),
        pytest.param("label", "image-label.properties", MISSING, id="no properties"),
        pytest.param("labels", "labels", [], id="no labels yet"),
        pytest.param("plate", "plate.acquisitions", MISSING, id="no acquisitions"),
        pytest.param("plate", "plate.acquisitions", [], id="an empty list of acquisitions"),
        pytest.param("plate", "plate.acquisitions[0].description", "before", id="a description"),
        pytest.param("plate", "plate.acquisitions[0].starttime", 0, id="in 1970"),
        pytest.param("plate", "plate.columns[0].concentration", 10, id="more keys of a column"),
        pytest.param("well", "well.images[0].acquisition", MISSING, id="no acquisition"),
        pytest.param("bf2raw", "series", MISSING, id="no series"),
        pytest.param("bf2raw", "bioformats2raw.layout", MISSING, id="series in the group OME"),
    ],
)
def test_what_the_specification_allows_is_accepted(any_format: Format, kind: str, at: str, value: Any) -> None:
    assert any_format.findings(changed(any_format, kind, at, value), kind) == []


@pytest.mark.parametrize("fmt", [FormatV04(), FormatV05()], ids=["0.4", "0.5"])
def test_before_0_6_an_image_may_have_transformations_for_all_levels(fmt: Format) -> None:
    attributes = changed(fmt, "image", "multiscales[0].coordinateTransformations", [SIZED, MOVED])
    assert fmt.findings(attributes, "image") == []


@pytest.mark.parametrize(
    ("kind", "at", "value", "rule"),
    [
        pytest.param("image", "multiscales", None, "multiscales-form", id="multiscales null"),
        pytest.param("image", "multiscales", {}, "multiscales-form", id="multiscales a dict"),
        pytest.param("image", "multiscales[0]", "image", "multiscales-form", id="an image that is a word"),
        pytest.param("image", "multiscales[0].metadata", "mean", "multiscales-metadata", id="metadata a word"),
        pytest.param("image", "multiscales[0].axes", MISSING, "axes-form", id="no axes"),
        pytest.param("image", "multiscales[0].axes", "tczyx", "axes-form", id="axes a word"),
        pytest.param("image", "multiscales[0].axes", [], "axes-form", id="empty axes"),
        pytest.param("image", "multiscales[0].axes[0].name", 0, "axes-form", id="a number as name"),
        pytest.param("image", "multiscales[0].axes[0].type", "channel", "axes-channel-count", id="two channels"),
        pytest.param("image", "multiscales[0].axes[1].type", "space", "axes-space-count", id="four space axes"),
        pytest.param("image", "multiscales[0].axes[1].type", None, "axis-type", id="type null"),
        pytest.param("image", "multiscales[0].axes[0].unit", "micrometer", "axis-unit", id="a length as unit of time"),
        pytest.param("image", "multiscales[0].axes[4].unit", "Micrometer", "axis-unit", id="a capital"),
        pytest.param(
            "image", "multiscales[0].axes[4].orientation.type", "geographical", "axis-orientation", id="north"
        ),
        pytest.param("image", "multiscales[0].axes[4].orientation.value", ["left"], "axis-orientation", id="a list"),
        pytest.param("image", "multiscales[0].datasets", {}, "datasets-form", id="datasets a dict"),
        pytest.param("image", FIRST, "0", "datasets-form", id="a dataset that is a word"),
        pytest.param("image", f"{FIRST}.path", MISSING, "dataset-path", id="no path"),
        pytest.param("image", f"{FIRST}.path", 0, "dataset-path", id="a number as path"),
        pytest.param("image", f"{FIRST}.path", "", "dataset-path", id="an empty path"),
        pytest.param("image", f"{FIRST}.path", ".", "dataset-path", id="the group itself"),
        pytest.param("image", f"{FIRST}.path", "a//0", "dataset-path", id="an empty name"),
        pytest.param("image", f"{FIRST}.path", "a/../../../etc", "dataset-path", id="a path that climbs"),
        pytest.param("image", f"{FIRST}.path", "a\\..\\..\\etc", "dataset-path", id="a path that climbs on Windows"),
        pytest.param("image", f"{FIRST}.path", "C:\\data\\0", "dataset-path", id="a drive"),
        pytest.param("image", f"{FIRST}.path", "s3://bucket/0", "dataset-path", id="an address"),
        pytest.param("image", f"{FIRST}.coordinateTransformations", {}, "dataset-transformations", id="a dict of them"),
        pytest.param(
            "image", f"{FIRST}.coordinateTransformations[0]", [], "dataset-transformations", id="a list in them"
        ),
        pytest.param(
            "image", f"{FIRST}.coordinateTransformations", [SIZED, SIZED], "dataset-scale-count", id="two scales"
        ),
        pytest.param(
            "image",
            f"{FIRST}.coordinateTransformations",
            [SIZED, MOVED, MOVED],
            "dataset-translation-count",
            id="two translations",
        ),
        pytest.param(
            "image", f"{FIRST}.coordinateTransformations[0].type", "affine", "transformation-type", id="affine"
        ),
        pytest.param(
            "image", f"{FIRST}.coordinateTransformations[0].type", {}, "transformation-type", id="a dict as type"
        ),
        pytest.param(
            "image",
            f"{FIRST}.coordinateTransformations[0]",
            {"type": "scale", "path": "sizes"},
            "transformation-vector",
            id="a scale stored elsewhere",
        ),
        pytest.param(
            "image",
            f"{FIRST}.coordinateTransformations[0].scale[3]",
            math.nan,
            "transformation-vector",
            id="not a number",
        ),
        pytest.param(
            "image",
            f"{FIRST}.coordinateTransformations[1].translation[3]",
            math.inf,
            "transformation-vector",
            id="infinity",
        ),
        pytest.param(
            "image",
            f"{FIRST}.coordinateTransformations[0].scale[3]",
            10**400,
            "transformation-vector",
            id="beyond floats",
        ),
        pytest.param(
            "image", f"{FIRST}.coordinateTransformations[0].scale[3]", True, "transformation-vector", id="true"
        ),
        pytest.param(
            "image", f"{FIRST}.coordinateTransformations[0].scale[3]", 0, "scale-positive", id="a scale of zero"
        ),
        pytest.param(
            "image",
            "multiscales[0].coordinateTransformations",
            [MOVED],
            "dataset-scale-count",
            id="no scale for all levels",
        ),
        pytest.param(
            "image",
            "multiscales[0].coordinateTransformations",
            None,
            "dataset-transformations",
            id="null for all levels",
        ),
        pytest.param(
            "image",
            f"{FIRST}.coordinateTransformations[0].path",
            "sizes",
            "transformation-vector",
            id="a path beside the numbers",
        ),
        pytest.param("image", "multiscales[0].metadata.kwargs", {"at": [math.inf]}, "json-values", id="infinity"),
        pytest.param("image", "omero.id", np.int64(1), "json-values", id="an integer of NumPy"),
        pytest.param("label", "image-label.properties[1].area", np.float32(1), "json-values", id="a float of NumPy"),
        pytest.param("plate", "plate.wells[0].note", {1, 2}, "json-values", id="a set"),
        pytest.param("labels", "spam", 10**5000, "json-values", id="an integer that JSON readers refuse"),
        pytest.param("labels", "spam", {(1, 2): 3}, "json-values", id="a tuple as key"),
        pytest.param("image", "omero", None, "omero-channels", id="omero null"),
        pytest.param("image", "omero.channels[1]", "red", "omero-channels", id="a channel that is a word"),
        pytest.param("image", "omero.channels[0].color", MISSING, "omero-color", id="no color"),
        pytest.param("image", "omero.channels[0].color", 255, "omero-color", id="a number as color"),
        pytest.param("image", "omero.channels[0].color", "FF0000\n", "omero-color", id="a line break in a color"),
        pytest.param("image", "omero.channels[0].window.end", "100", "omero-window", id="a number in quotes"),
        pytest.param("image", "omero.channels[0].window.start", MISSING, "omero-window", id="no start"),
        pytest.param("labels", "labels", None, "labels-form", id="labels null"),
        pytest.param("labels", "labels[0]", 7, "labels-form", id="a label that is a number"),
        pytest.param("labels", "labels[0]", "/cells", "labels-path", id="labels from the root"),
        pytest.param("label", "image-label", None, "label-form", id="image-label null"),
        pytest.param("label", "image-label.colors", [], "label-lists", id="no color"),
        pytest.param("label", "image-label.colors", {"1": "red"}, "label-lists", id="colors a dict"),
        pytest.param("label", "image-label.colors[0].label-value", MISSING, "label-value", id="no label value"),
        pytest.param(
            "label", "image-label.properties[0].label-value", MISSING, "label-value", id="properties of nothing"
        ),
        pytest.param("label", "image-label.colors[0].label-value", 1.5, "label-value", id="a fraction"),
        pytest.param("label", "image-label.colors[0].label-value", "1", "label-value", id="a label in quotes"),
        pytest.param("label", "image-label.properties[1].label-value", 1, "label-value-unique", id="properties twice"),
        pytest.param("label", "image-label.colors[0].rgba", [0, 0, 0, 256], "label-rgba", id="256"),
        pytest.param("label", "image-label.colors[0].rgba", [0.5, 0, 0, 1], "label-rgba", id="fractions"),
        pytest.param("label", "image-label.colors[0].rgba", [0, 0, 0, True], "label-rgba", id="true as opacity"),
        pytest.param("label", "image-label.colors[0].rgba", None, "label-rgba", id="rgba null"),
        pytest.param("label", "image-label.source", "../../", "label-source", id="a source without its key"),
        pytest.param("label", "image-label.source.image", None, "label-source", id="source null"),
        pytest.param("label", "image-label.version", "0.1", "version-consistent", id="an old label"),
        pytest.param("plate", "plate.wells", {}, "plate-lists", id="wells a dict"),
        pytest.param("plate", "plate.columns", MISSING, "plate-lists", id="no columns"),
        pytest.param("plate", "plate.rows[0].name", MISSING, "plate-line-name", id="a row without a name"),
        pytest.param("plate", "plate.rows[0].name", "", "plate-line-name", id="an empty name"),
        pytest.param("plate", "plate.rows[0].name", "Ä", "plate-line-name", id="no ASCII letter"),
        pytest.param("plate", "plate.columns[1].name", "1", "plate-line-unique", id="a column twice"),
        pytest.param("plate", "plate.wells[0].path", "A1", "plate-well-path", id="no separator"),
        pytest.param("plate", "plate.wells[0].path", "plate/A/1", "plate-well-path", id="a directory in front"),
        pytest.param("plate", "plate.wells[0].path", "A/1/", "plate-well-path", id="a slash at the end"),
        pytest.param("plate", "plate.wells[0].path", "C/1", "plate-well-path", id="no such row"),
        pytest.param("plate", "plate.wells[0].path", None, "plate-well-path", id="path null"),
        pytest.param("plate", "plate.wells[0].rowIndex", MISSING, "plate-well-index", id="no index"),
        pytest.param("plate", "plate.wells[0].rowIndex", False, "plate-well-index", id="false as index"),
        pytest.param("plate", "plate.wells[1].columnIndex", 3, "plate-well-index", id="counted from 1"),
        pytest.param("plate", "plate.acquisitions", None, "acquisitions-form", id="acquisitions null"),
        pytest.param("plate", "plate.acquisitions[0]", 0, "acquisitions-form", id="an acquisition that is a number"),
        pytest.param("plate", "plate.acquisitions[0].id", MISSING, "acquisition-id", id="no id"),
        pytest.param("plate", "plate.acquisitions[0].id", "0", "acquisition-id", id="an id in quotes"),
        pytest.param("plate", "plate.acquisitions[1].id", 0, "acquisition-id", id="an id twice"),
        pytest.param("plate", "plate.acquisitions[0].name", 1, "plate-text", id="a number as name of an acquisition"),
        pytest.param("plate", "plate.acquisitions[0].maximumfieldcount", 0, "plate-count", id="no fields"),
        pytest.param("plate", "plate.field_count", "4", "plate-count", id="a count in quotes"),
        pytest.param("plate", "plate.acquisitions[0].endtime", -1, "acquisition-time", id="before 1970"),
        pytest.param("plate", "plate.acquisitions[0].starttime", 1.5, "acquisition-time", id="half a second"),
        pytest.param("plate", "plate.version", "0.1", "version-consistent", id="an old plate"),
        pytest.param("well", "well", None, "well-images", id="well null"),
        pytest.param("well", "well.images", MISSING, "well-images", id="no images"),
        pytest.param("well", "well.images[0].path", MISSING, "well-image-path", id="an image without a path"),
        pytest.param("well", "well.images[0].path", "a/0", "well-image-path", id="a field in a folder"),
        pytest.param("well", "well.images[0].acquisition", None, "well-acquisition", id="acquisition null"),
        pytest.param("well", "well.images[0].acquisition", -1, "well-acquisition", id="an acquisition below zero"),
        pytest.param("well", "well.version", "foo", "version-consistent", id="an unknown version"),
        pytest.param("bf2raw", "bioformats2raw.layout", "3", "bf2raw-layout", id="layout in quotes"),
        pytest.param("bf2raw", "bioformats2raw.layout", None, "bf2raw-layout", id="layout null"),
        pytest.param("bf2raw", "series", "0", "series-form", id="series a word"),
        pytest.param("bf2raw", "series[0]", "/0", "series-path", id="series from the root"),
    ],
)
def test_what_the_specification_forbids_is_found(any_format: Format, kind: str, at: str, value: Any, rule: str) -> None:
    if RULES[rule].holds(any_format.version):
        assert rule in broken(any_format.findings(changed(any_format, kind, at, value), kind))


def test_values_that_json_lacks_are_found_anywhere_in_the_attributes(any_format: Format) -> None:
    attributes = any_format.wrap(sample("image", any_format)) | {"lab": {"gain": [1.0, math.nan]}}
    (finding,) = any_format.findings(attributes)
    assert (finding.rule, finding.where) == ("json-values", "lab.gain[1]")
    itself: dict[str, Any] = {"a": 1}
    itself["b"] = [itself]
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for value in (itself, deep):
        (finding,) = any_format.findings(any_format.wrap(sample("image", any_format)) | {"lab": value})
        assert (finding.rule, finding.where) == ("json-values", "attributes")


def test_labels_that_a_float_cannot_tell_apart_are_different() -> None:
    fmt = FormatV05()
    document = put(sample("label", fmt), "image-label.colors[0].label-value", 2**53)
    document = put(document, "image-label.colors[1].label-value", 2**53 + 1)
    assert fmt.findings(fmt.wrap(document), "label") == []


def test_rounding_of_a_scale_is_no_finer_level() -> None:
    fmt = FormatV05()
    at = "multiscales[0].datasets[1].coordinateTransformations[0].scale"
    assert fmt.findings(changed(fmt, "image", at, [1.0, 1.0, 1.0 - 1e-12, 1.0, 1.0])) == []
    assert broken(fmt.findings(changed(fmt, "image", at, [1.0, 1.0, 0.99, 1.0, 1.0]))) == {"datasets-order"}
    assert broken(fmt.findings(changed(fmt, "image", at, [1.0, 1.0, -1.0, 1.0, 1.0]))) == {"scale-positive"}


def test_a_transposed_plate_is_told_to_swap_rows_and_columns() -> None:
    (finding,) = plate_well_findings({"path": "1/A", "rowIndex": 0, "columnIndex": 0}, ["A"], ["1"], "well")
    assert "swap" in finding.hint


# The kinds of documents --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attributes",
    [{}, {"ome": {}}, {"ome": None}, {"ome": []}, {"omero": {}}, {"spam": 1}, {"ome": {"version": "0.5", "omero": {}}}],
    ids=repr,
)
def test_attributes_without_anything_of_the_specification_are_an_error(any_format: Format, attributes: Any) -> None:
    assert broken(any_format.findings(attributes)) == {"document-kind"}


@pytest.mark.parametrize("attributes", [None, True, 7, 1.5, "ome", [], [{}]], ids=repr)
def test_attributes_that_are_no_dict_are_an_error(any_format: Format, attributes: Any) -> None:
    assert broken(any_format.findings(attributes)) == {"attributes-form"}


def test_a_document_of_another_kind_than_asked_for_is_an_error(any_format: Format) -> None:
    for asked in KINDS:
        for kind in KINDS:
            found = broken(any_format.findings(any_format.wrap(sample(kind, any_format)), asked))
            other = asked != kind and {asked, kind} != {"image", "label"}
            other |= asked == "scene" and any_format.version < "0.6"
            assert ("document-kind" in found) == other, (asked, kind)


def test_an_image_checked_as_a_label_lacks_its_image_label(any_format: Format) -> None:
    attributes = any_format.wrap(sample("image", any_format))
    assert broken(any_format.findings(attributes, "label")) == {"label-given"}
    assert broken(any_format.findings(attributes)) == set()


def test_every_part_of_a_document_is_checked_whatever_kind_is_asked_for(any_format: Format) -> None:
    document = sample("plate", any_format) | sample("bf2raw", any_format) | {"bioformats2raw.layout": 4}
    assert broken(any_format.findings(any_format.wrap(document), "plate")) == {"bf2raw-layout"}


def test_an_unknown_kind_is_an_error_that_names_the_nearest_one() -> None:
    with pytest.raises(OptionError, match="Did you mean 'plate'"):
        FormatV05().findings({}, "plates")


@pytest.mark.parametrize(
    ("fmt", "other"), [(FormatV05(), FormatV04()), (FormatV04(), FormatV06())], ids=["0.4 as 0.5", "0.6 as 0.4"]
)
def test_metadata_of_another_version_are_no_metadata_of_this_one(fmt: Format, other: Format) -> None:
    (finding,) = fmt.findings(other.wrap(sample("image", other)))
    assert finding.rule == "document-kind"
    assert "another version" in finding.hint


def test_a_sibling_of_the_formats_is_judged_by_the_version_it_states() -> None:
    class Next(FormatV06):
        dialect = attrs.evolve(FormatV06.dialect, version="0.7")

    attributes = {"ome": {**sample("image", FormatV06()), "version": "0.7"}}
    assert broken(Next().findings(attributes), "error") == set()
    assert broken(FormatV06().findings(attributes)) == {"version-known"}


@pytest.mark.parametrize("version", [None, 0.5, "0.4", "0.6", "", ["0.5"]], ids=repr)
def test_the_version_of_0_5_stands_beside_the_metadata_as_a_string(version: Any) -> None:
    fmt = FormatV05()
    for kind in set(KINDS) - {"scene"}:
        assert broken(fmt.findings({"ome": {**sample(kind, fmt), "version": version}}, kind)) == {"version"}
        without = {key: value for key, value in sample(kind, fmt).items() if key != "version"}
        assert broken(fmt.findings({"ome": without}, kind)) == {"version"}


@pytest.mark.parametrize(("kind", "part"), [("image", "multiscales[0]"), ("label", "image-label"), ("well", "well")])
def test_the_version_of_0_4_should_stand_inside_each_part(kind: str, part: str) -> None:
    fmt = FormatV04()
    assert broken(fmt.findings(changed(fmt, kind, f"{part}.version", MISSING), kind), "warning") == {"version-given"}
    assert broken(fmt.findings(changed(fmt, kind, f"{part}.version", "0.3"), kind), "error") == {"version-consistent"}


# The doors ---------------------------------------------------------------------------------------------------------


def test_validate_collects_all_faults_and_raises_once(any_format: Format) -> None:
    document = edit(sample("image", any_format), any_format, "multiscales[0].axes[3].name", "x")
    document = edit(document, any_format, f"{FIRST}.path", "../0")
    document = put(document, "multiscales[0].name", MISSING)
    with pytest.raises(ValidationError, match="axes-unique") as caught:
        any_format.validate(any_format.wrap(document), "image")
    assert broken(list(caught.value.findings)) == {"axes-unique", "dataset-path"}
    with pytest.raises(ValidationError) as caught:
        any_format.validate(any_format.wrap(document), "image", strict=True)
    assert broken(list(caught.value.findings)) == {"axes-unique", "dataset-path", "multiscales-name"}


def test_warnings_are_faults_only_when_strict(any_format: Format) -> None:
    attributes = changed(any_format, "image", "multiscales[0].name", MISSING)
    any_format.validate(attributes)
    with pytest.raises(ValidationError, match="multiscales-name"):
        any_format.validate(attributes, strict=True)


def test_transformations_may_have_any_length_where_the_axes_are_unknown() -> None:
    assert list(TRANSFORMATIONS([{"type": "scale", "scale": [1.0, 2.0]}], None, "here")) == []
    (finding,) = TRANSFORMATIONS([{"type": "scale", "scale": [1.0, 2.0]}], 3, "here")
    assert (finding.rule, finding.where) == ("transformation-length", "here[0]")


@pytest.mark.parametrize("well", [None, [], "A/1", 7, {}, {"path": ["A", "1"]}], ids=repr)
def test_an_invalid_well_breaks_the_rules_of_path_and_index(well: Any) -> None:
    findings = list(plate_well_findings(well, ["A"], ["1"], "well"))
    assert broken(findings) == {"plate-well-path", "plate-well-index"}


def test_axes_without_units_warn_in_a_document_but_not_as_values() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        axes = Axes("zyx").to_list()
    assert list(axes_findings(axes)) == []
    fmt = FormatV05()
    attributes = fmt.wrap(fmt.multiscale(axes, sample("image", fmt)["multiscales"][0]["datasets"], "cells"))
    assert "axis-unit-given" in broken(fmt.findings(attributes), "warning")


@every_rule
def test_the_attributes_are_left_as_they_are(any_format: Format, rule: Rule) -> None:
    attributes = wrong(rule, any_format)
    before = copy.deepcopy(attributes)
    any_format.findings(attributes, rule.kind)
    assert repr(attributes) == repr(before)


def test_a_plate_of_100_000_wells_is_checked_well_by_well() -> None:
    fmt = FormatV05()
    rows, columns = [f"r{i}" for i in range(250)], [f"c{i}" for i in range(400)]
    wells = [
        {"path": f"{row}/{column}", "rowIndex": i, "columnIndex": j}
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    ]
    wells[-1]["columnIndex"] = 400
    plate = put(sample("plate", fmt), "plate.rows", [{"name": name} for name in rows])
    plate["plate"] |= {"columns": [{"name": name} for name in columns], "wells": wells}
    (finding,) = fmt.findings(fmt.wrap(plate))
    assert finding.where == "plate.wells[99999].columnIndex"


# Garbage -----------------------------------------------------------------------------------------------------------

WORDS = sorted(
    "ome version multiscales axes name type unit orientation value datasets path coordinateTransformations scale "
    "translation omero channels color window min max start end labels image-label colors properties label-value rgba "
    "source image plate rows columns wells rowIndex columnIndex acquisitions id field_count well images acquisition "
    "bioformats2raw.layout series metadata space time channel identity anatomical left-to-right A A/1 0 1".split()
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**53 + 1, 2**64, 10**400, -0.0, math.nan, math.inf, -math.inf]),
    st.floats(width=16),
    st.sampled_from(WORDS),
    st.text(max_size=3),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=2), inner, max_size=5)
    ),
    max_leaves=20,
)
many = settings(max_examples=5 * settings.default.max_examples)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the keys and indices that lead to each value of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, inner in items for place in places(inner, (*at, key)))]


@st.composite
def mutated(draw: st.DrawFn, fmt: Format, kind: str, values: st.SearchStrategy[Any]) -> Any:
    """Draw the attributes of a sample in which up to three places are replaced, removed, repeated or swapped."""
    attributes = fmt.wrap(sample(kind, fmt))
    for _ in range(draw(st.integers(0, 3))):
        *parents, last = draw(st.sampled_from(places(attributes)[1:] or [("ome",)]))
        part: Any = attributes
        for step in parents:
            part = part[step]
        how = draw(st.sampled_from(["replace", "remove", "repeat", "reverse"]))
        if how == "remove" and last in (part if isinstance(part, dict) else range(len(part))):
            del part[last]
        elif how == "repeat" and isinstance(part, list):
            part.append(copy.deepcopy(part[last]))
        elif how == "reverse" and isinstance(part, list):
            part.reverse()
        else:
            part[last] = draw(values)
    return attributes


@many
@given(attributes=JSON, kind=st.sampled_from([None, *KINDS]))
def test_no_json_value_makes_a_rule_fail(attributes: Any, kind: str | None) -> None:
    for fmt in FORMATS:
        wrapped = [attributes, {"ome": attributes}]
        for candidate in wrapped:
            assert all(str(finding) for finding in fmt.findings(candidate, kind))
            stated_version(candidate)
            if isinstance(candidate, dict):
                detect_format(candidate, fmt)


@many
@given(data=st.data(), fmt=st.sampled_from(FORMATS), kind=st.sampled_from(list(KINDS)))
def test_no_change_of_a_right_document_makes_a_rule_fail(data: st.DataObject, fmt: Format, kind: str) -> None:
    attributes = data.draw(mutated(fmt, kind, JSON))
    assert all(str(finding) for finding in fmt.findings(attributes, kind))


@many
@given(value=JSON)
def test_no_json_value_makes_the_other_doors_fail(value: Any) -> None:
    list(TRANSFORMATIONS(value, 2, "here"))
    list(plate_well_findings(value, ["A"], ["1"], "here"))
    list(axes_findings(value))


def test_values_too_deep_or_too_long_for_a_message_are_shortened() -> None:
    deep: Any = []
    for _ in range(500):
        deep = [deep]
    for value in (deep, 10**5000, "x" * 10**5, [0] * 10**5):
        findings = FormatV04().findings({"multiscales": value})
        assert broken(findings) - {"json-values"} == {"multiscales-form"}
        assert all(len(str(finding)) < 300 for finding in findings)


def test_many_axes_and_long_names_are_told_in_short(any_format: Format) -> None:
    axes = [{"name": "y" * 10_000, "type": ["space"]}, *({"name": f"x{i}", "type": "space"} for i in range(10_000))]
    findings = any_format.findings(changed(any_format, "image", "multiscales[0].axes", axes))
    assert {"axes-count", "axis-type-form", "axes-space-count"} <= broken(findings)
    assert all(len(str(finding)) < 400 for finding in findings)
