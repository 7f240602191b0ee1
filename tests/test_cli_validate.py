"""`ome-ngff validate`: a line for each finding, a summary, and an exit code that scripts can go by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import zarr
from click.testing import CliRunner, Result
from examples.documents import sample

from ome_ngff import write_image
from ome_ngff.cli import main
from ome_ngff.format import Format, FormatV05


def run(*words: Any, code: int) -> Result:
    """Run the command in this process."""
    result = CliRunner().invoke(main, ["validate", *map(str, words)])
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return an image without units, which is valid but not in every respect as it should be."""
    write_image(np.ones((40, 50), "uint8"), tmp_path / "a.zarr", axes="yx", chunks=16, scale_factors=[2])
    return tmp_path / "a.zarr"


def change(place: Path, **values: Any) -> None:
    """Change the metadata of an array."""
    said = json.loads((place / "zarr.json").read_text())
    (place / "zarr.json").write_text(json.dumps({**said, **values}))


def test_a_valid_image_has_its_warnings_told_and_leaves_with_0(image: Path) -> None:
    lines = run(image, code=0).output.splitlines()
    assert lines[0] == (
        "warning [axis-unit-given] /: multiscales[0].axes[0]: The axis 'y' should have a unit. "
        'Add "unit": "micrometer", "second", or what it is.'
    )
    assert lines[-1] == f"{image}: image of OME-Zarr 0.5 (2 arrays, 1 image): valid, 2 warnings"
    assert len(lines) == 3


def test_strict_makes_errors_of_warnings_and_leaves_with_1(image: Path) -> None:
    lines = run(image, "--strict", code=1).output.splitlines()
    assert [line.partition(" ")[0] for line in lines[:-1]] == ["error", "error"]
    assert lines[-1].endswith("not valid, 2 errors")


def test_errors_come_first_and_quiet_tells_them_alone(image: Path) -> None:
    change(image / "1", dimension_names=["x", "y"])
    lines = run(image, code=1).output.splitlines()
    assert lines[0].startswith("error [dimension-names] /1: ")
    assert lines[-1].endswith("not valid, 1 error, 2 warnings")
    assert run(image, "--quiet", code=1).output.splitlines() == lines[:1]


def test_data_finds_chunks_that_are_cut_short(image: Path) -> None:
    chunk = image / "0" / "c" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-5])
    run(image, code=0)
    assert run(image, "--data", code=1).output.startswith(
        "error [chunk-readable] /0/c/0/0: This chunk or shard cannot be decoded"
    )


def test_json_has_all_of_it_on_one_stream(image: Path) -> None:
    said = json.loads(run(image, "--json", "--strict", code=1).stdout)
    assert (said["valid"], said["kind"], said["version"]) == (False, "image", "0.5")
    assert said["counts"] == {"error": 2, "warning": 0, "note": 0}
    assert [sorted(finding) for finding in said["findings"]] == [["hint", "rule", "severity", "what", "where"]] * 2


@pytest.mark.parametrize("name", ["nothing", "cut", "group", "array", "words.json"])
def test_what_cannot_be_read_as_ome_zarr_leaves_with_2(tmp_path: Path, name: str) -> None:
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "zarr.json").write_text('{"zarr_format": 3, "node_ty')
    (tmp_path / "words.json").write_text('["multiscales"]')
    zarr.create_group(tmp_path / "group")
    zarr.create_array(tmp_path / "array", shape=(2, 2), dtype="u1")
    result = run(tmp_path / name, code=2)
    assert len(result.output.splitlines()) <= 3
    assert "Traceback" not in result.output


def test_a_json_file_may_hold_the_attributes(tmp_path: Path, any_format: Format) -> None:
    file = tmp_path / "attributes.json"
    document = sample("plate", any_format)
    file.write_text(json.dumps(any_format.wrap(document)))
    assert run(file, code=0).output == f"{file}: plate of OME-Zarr {any_format.version}: valid\n"
    document["plate"]["rows"] = []
    file.write_text(json.dumps(any_format.wrap(document)))
    assert "error [plate-lists] plate.rows: " in run(file, code=1).output


def test_the_rules_of_a_version_can_be_asked_by_name(image: Path) -> None:
    assert "error [zarr-version] /: " in run(image, "--version", "0.4", code=1).output
    assert "OME-NGFF version '0.1' is not known." in run(image, "--version", "0.1", code=2).output
    run(image, "--version", "0.5", code=0)


@pytest.mark.parametrize("count", [10, 11, 200])
def test_many_findings_of_one_rule_are_cut_short_unless_all_are_wanted(tmp_path: Path, count: int) -> None:
    fmt = FormatV05()
    document = sample("label", fmt)
    document["image-label"]["colors"] = [{"label-value": "one"}] * count
    (tmp_path / "a.json").write_text(json.dumps(fmt.wrap(document)))
    lines = run(tmp_path / "a.json", code=1).output.splitlines()
    more = [f"error [label-value] {count - 10} more; --verbose shows all"] if count > 10 else []
    summary = f"{tmp_path / 'a.json'}: label image of OME-Zarr 0.5: not valid, {count} errors"
    assert lines[10:] == [*more, summary]
    assert len(run(tmp_path / "a.json", "--verbose", code=1).output.splitlines()) == count + 1


def test_no_name_reaches_the_terminal_that_it_cannot_print(tmp_path: Path) -> None:
    fmt = FormatV05()
    document = sample("image", fmt)
    document["multiscales"][0]["axes"][3]["name"] = "\x1b[31mred\n\ud800"
    document["multiscales"][0]["axes"][4]["name"] = "\x1b[31mred\n\ud800"
    (tmp_path / "a.json").write_text(json.dumps(fmt.wrap(document)))
    output = run(tmp_path / "a.json", code=1).output
    assert all(click.unstyle(line) == line and line.isprintable() for line in output.splitlines())
    assert "\\x1b[31mred" in output
