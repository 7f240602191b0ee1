"""Users' code types against the installed package: `typed_project` is such code, and runs, too."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import dask
import numpy as np
import pytest
from typed_project import check, convert, segment, spaces

import ome_ngff
from ome_ngff import Axes, ValidationError

PROJECT = Path(__file__).parent / "typed_project"
CACHE = PROJECT.parents[1] / ".pytest_cache" / "mypy"  # for the next run
STACK = np.random.default_rng(0).integers(0, 4096, (16, 64, 64), np.uint16)


def mypy() -> set[tuple[str, int, str]]:
    """Give file, line and code of everything that `mypy --strict` finds in the project, and there alone."""
    home = Path(ome_ngff.__file__).parents[1]
    place = {} if home.name == "site-packages" else {"MYPYPATH": str(home)}
    options = ["--strict", "--config-file=", "--follow-imports=silent", "--no-error-summary", f"--cache-dir={CACHE}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--hide-error-context", "--no-pretty", str(PROJECT)],
        capture_output=True, text=True, check=False, env={**os.environ, **place}, cwd=PROJECT,
    )  # fmt: skip
    assert done.stderr == ""
    lines = [re.fullmatch(r"(.+?):(\d+): error: .* \[([a-z-]+)\]", line) for line in done.stdout.splitlines()]
    return {(Path(found[1]).name, int(found[2]), found[3]) for found in lines if found}


@pytest.mark.slow
def test_mypy_finds_misuse_where_it_stands_and_nothing_else() -> None:
    text = (PROJECT / "misuse.py").read_text(encoding="utf-8").splitlines()
    codes = [re.search(r"# error: (\S+)$", line) for line in text]
    wanted = {("misuse.py", number, code[1]) for number, code in enumerate(codes, start=1) if code}
    assert mypy() == wanted


def test_an_image_is_converted_and_segmented(tmp_path: Path) -> None:
    image = convert.convert(STACK, tmp_path)
    assert [level.data.shape for level in image.images] == [(16, 64, 64), (16, 32, 32), (8, 16, 16)]
    assert segment.add_labels(tmp_path / "stack.ome.zarr", "bright") == ["bright"]
    assert segment.find_labels(image, "dark") is None
    assert segment.pixel_size(image) == (0.11, 0.055)
    assert "float64" in segment.refused(tmp_path / "stack.ome.zarr")
    assert check.faults(tmp_path / "stack.ome.zarr") == []


def test_pyramids_are_written_as_they_are_and_as_tasks(tmp_path: Path) -> None:
    dask.compute(*convert.pyramids(STACK, tmp_path))
    for name in ("pyramid", "lazy"):
        assert [level.data.shape for level in ome_ngff.open_image(tmp_path / f"{name}.ome.zarr").images] == [
            (16, 64, 64), (16, 32, 32), (16, 16, 16),
        ]  # fmt: skip
    assert convert.settings()[0] == 10**9


def test_images_lie_where_they_were_put(tmp_path: Path) -> None:
    image = spaces.in_space(STACK[0], 0.5)
    assert spaces.store(image, tmp_path / "plane.ome.zarr") == [(0.5, 0), (1, 0.25), (2, 0.75)]
    assert spaces.names(Axes("yx")) == ["y", "x"]


def test_what_is_wrong_can_be_told_apart(tmp_path: Path) -> None:
    assert check.missing(tmp_path / "nowhere.ome.zarr")
    assert (check.version("0.4"), check.version("0.7")) == ("0.4", None)
    assert check.rules(ValidationError([])) == []
