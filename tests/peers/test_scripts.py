"""The scripts that run here with their imports changed run with the libraries that they were written for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDERS = ("ome_zarr_scripts", "ngff_zarr_scripts")
SCRIPTS = [path for folder in FOLDERS for path in sorted((Path(__file__).parents[1] / folder).glob("*.py"))]


@pytest.mark.parametrize("script", [pytest.param(p, id=f"{p.parent.name}-{p.stem}") for p in SCRIPTS])
def test_a_script_runs_as_it_stands(tmp_path: Path, script: Path) -> None:
    subprocess.run([sys.executable, "-W", "ignore", str(script)], cwd=tmp_path, check=True, capture_output=True)
