"""Our verdicts on the published conformance cases of 0.6, which are in `data` as they were published for 0.6rc0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ome_ngff.format import FormatV06

PUBLISHED = json.loads((Path(__file__).parent / "data" / "ngff_spec_0.6rc0.json").read_text("utf-8"))["cases"]

# What is called valid there, and breaks a MUST of the prose all the same.
KNOWN = {
    "spec/valid/image/mismatch_axes_units": "transformation-axes",  # a scale of two for three axes
    "spec/valid/image/multiscales_transform_additional_transforms": "transformation-axes",  # no output 2
    "spec/valid/label/minimal": "label-multiscales",
    "spec/valid/label/minimal_properties": "label-multiscales",
    # Row 1, column A, well A/1.
    "spec/valid/plate/minimal_acquisitions": "plate-well-path",
    "spec/valid/plate/minimal_no_acquisitions": "plate-well-path",
    "spec/valid/plate/non_alphanumeric_row": "plate-well-path",
    "strict/valid/plate/strict_acquisitions": "plate-well-path",
    "strict/valid/plate/strict_no_acquisitions": "plate-well-path",
    "strict/valid/image/image_omero": "edge-system",  # from a system that is not listed, and is not the intrinsic one
    "strict/valid/image/multiscales_example": "dataset-input",  # the dataset 1 has the input s1
}


def broken(case: str, *severities: str) -> set[str]:
    """Return the ids of the rules that a case breaks, once it has the version of 0.6."""
    attributes: Any = json.loads(json.dumps(PUBLISHED[case]).replace('"0.6rc0"', '"0.6"'))
    return {finding.rule for finding in FormatV06().findings(attributes) if finding.severity in severities}


@pytest.mark.parametrize("case", [case for case in PUBLISHED if "/valid/" in case])
def test_what_is_published_as_valid_breaks_no_must_but_where_known(case: str) -> None:
    found = broken(case, "error")
    assert (KNOWN[case] in found) if case in KNOWN else not found


@pytest.mark.parametrize("case", [case for case in PUBLISHED if "/invalid/" in case])
def test_what_is_published_as_invalid_breaks_a_rule(case: str) -> None:
    assert broken(case, "error", *(["warning"] if case.startswith("strict/") else []))


def test_the_published_cases_are_there() -> None:
    assert len(PUBLISHED) == 143
    assert set(KNOWN) < set(PUBLISHED)
