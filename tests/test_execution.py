"""How a request is carried out: what is stored, in which order, and what a resumed write compares."""

from __future__ import annotations

import json
import os
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from helpers import document, every_file, pixels

import ome_ngff
from ome_ngff import Methods, StoreError, config, write_image
from ome_ngff.cli import main
from ome_ngff.format import Format
from ome_ngff.store import documents as stored
from ome_ngff.store import find_target

PLANE = (np.arange(60 * 70) % 4001).astype("uint16").reshape(60, 70)


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Every JSON document that is stored, by its key, in order."""
    found: list[tuple[str, Any]] = []
    put = stored._write_file

    def listening(file: str, content: bytes) -> None:
        if os.path.basename(file) in ("zarr.json", ".zattrs"):
            found.append((os.path.relpath(file, tmp_path / "a.zarr"), json.loads(content)))
        put(file, content)

    monkeypatch.setattr(stored, "_write_file", listening)
    return found


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_command_line_goes_from_incomplete_to_finished_in_one_step(
    tmp_path: Path, version: str, documents: list[tuple[str, Any]]
) -> None:
    np.save(tmp_path / "a.npy", PLANE)
    words = ["write", str(tmp_path / "a.npy"), str(tmp_path / "a.zarr"), "--format", version]
    assert CliRunner().invoke(main, words).exit_code == 0
    attributes = [found.get("attributes", found) for key, found in documents if key in ("zarr.json", ".zattrs")]
    assert [set(each) for each in attributes[:-1]] == [{"ome_ngff"}] * (len(attributes) - 1)
    finished = attributes[-1].get("ome", attributes[-1])
    assert {"multiscales", "omero"} <= set(finished)
    assert "incomplete" not in attributes[-1]["ome_ngff"]
    assert finished == document(tmp_path / "a.zarr")


class Stopped(Exception):
    """What a source raises that stops a write half-way."""


class Stopping:
    """Pixels that cannot be read from a number of reads on."""

    def __init__(self, pixels: np.ndarray[Any, Any], reads: int) -> None:
        self.pixels, self.reads = pixels, reads
        self.shape, self.dtype, self.ndim = pixels.shape, pixels.dtype, pixels.ndim

    def __getitem__(self, box: Any) -> Any:
        self.reads -= 1
        if self.reads < 0:
            raise Stopped
        return self.pixels[box]


def begun(place: Path, **words: Any) -> None:
    """Leave a write of `PLANE` unfinished."""
    with config.set(task_target=1, memory_target=4000, workers=1), pytest.raises(Stopped):
        write_image(Stopping(PLANE, 5), place, axes="yx", chunks=16, method="nearest", **words)


def finish(place: Path, **words: Any) -> None:
    write_image(PLANE, place, axes="yx", chunks=16, method="nearest", resume=True, **words)


def test_another_version_of_the_package_finishes_what_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, any_format: Format
) -> None:
    begun(tmp_path / "a", fmt=any_format, scale_factors=[2, 4])
    write_image(PLANE, tmp_path / "b", axes="yx", chunks=16, method="nearest", fmt=any_format, scale_factors=[2, 4])
    monkeypatch.setattr(ome_ngff, "__version__", "99.0")
    finish(tmp_path / "a", scale_factors=[2, 4])
    assert every_file(tmp_path / "a") == every_file(tmp_path / "b")


def test_levels_and_rendering_that_are_not_given_are_those_that_were_begun(tmp_path: Path) -> None:
    omero = {"channels": [{"color": "00FF00", "window": {"min": 0, "max": 9, "start": 0, "end": 9}}]}
    begun(tmp_path / "a", scale_factors=[3], omero=omero)
    finish(tmp_path / "a")
    assert [level.shape for level in pixels(tmp_path / "a")] == [(60, 70), (20, 24)]
    assert document(tmp_path / "a")["omero"] == omero


@pytest.mark.parametrize(
    ("words", "named"),
    [
        pytest.param({"scale_factors": [2]}, "levels", id="levels"),
        pytest.param({"chunks": 32}, "chunks", id="chunks"),
        pytest.param({"method": "local_mean"}, r"(method|multiscales\[0\].type)", id="method"),
        pytest.param({"name": "other"}, r"multiscales\[0\].name", id="name"),
        pytest.param({"scale": [1.0, 2.0]}, r"multiscales\[0\].datasets", id="scale"),
        pytest.param({"axes": "zy", "scale_factors": [{"y": 3}]}, "levels", id="axes"),
        pytest.param(
            {"omero": {"channels": [{"color": "00FF00", "window": {"min": 0, "max": 9, "start": 0, "end": 9}}]}},
            "metadata",
            id="omero",
        ),
    ],
)
@pytest.mark.parametrize("done", [pytest.param(False, id="begun"), pytest.param(True, id="finished")])
def test_a_resumed_write_with_other_settings_is_refused(
    tmp_path: Path, words: dict[str, Any], named: str, done: bool
) -> None:
    begun(tmp_path / "a", scale_factors=[3])
    if done:
        finish(tmp_path / "a")
    before = every_file(tmp_path)
    given: dict[str, Any] = {"axes": "yx", "chunks": 16, "method": "nearest", "scale_factors": [3], **words}
    with pytest.raises(StoreError, match=rf"other settings \({named}"):
        write_image(PLANE, tmp_path / "a", resume=True, **given)
    assert every_file(tmp_path) == before


def test_a_begun_write_is_not_resumed_with_another_compression(tmp_path: Path) -> None:
    begun(tmp_path / "a", scale_factors=[3])
    with pytest.raises(StoreError, match=r"other settings \(compression"):
        finish(tmp_path / "a", scale_factors=[3], compression="gzip")


def test_the_plan_of_who_goes_on_has_the_cut_that_was_begun(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PLANE)
    begun(tmp_path / "a.zarr", scale_factors=[3])
    words = ["write", str(tmp_path / "a.npy"), str(tmp_path / "a.zarr"), "--axes", "yx", "--chunks", "16", "--plan"]
    words += ["--method", "nearest", "--scale-factors", "3", "--json"]
    begun_pass, *_ = find_target(tmp_path / "a.zarr").mark["cut"]  # base, source, levels written, unit
    for more, same in (["--resume"], True), (["--join"], True), ([], False):
        plan = json.loads(CliRunner().invoke(main, [*words, *more]).stdout)
        assert (plan["passes"][0]["unit"] == begun_pass[-1]) == same


@pytest.mark.parametrize("method", [member.method for member in Methods], ids=lambda method: method.name)
def test_the_path_of_a_method_in_files_is_pinned_and_imports(method: Any) -> None:
    path = method.describe()["method"]
    assert path == f"ome_ngff.methods.{type(method).__name__}"
    module, _, name = path.rpartition(".")
    assert getattr(import_module(module), name) is type(method)


def test_a_finished_image_that_lacks_its_rendering_gets_it(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PLANE)
    write = ["write", str(tmp_path / "a.npy"), str(tmp_path / "a.zarr")]
    assert CliRunner().invoke(main, write).exit_code == 0
    finished = every_file(tmp_path / "a.zarr")
    shutil.rmtree(tmp_path / "a.zarr")
    assert CliRunner().invoke(main, [*write, "--no-omero"]).exit_code == 0
    assert "omero" not in document(tmp_path / "a.zarr")
    assert CliRunner().invoke(main, [*write, "--resume"]).exit_code == 0
    assert every_file(tmp_path / "a.zarr") == finished
