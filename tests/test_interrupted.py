"""Writes that Ctrl-C ends while they are still importing: the next one in the same process works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import pixels

SCRIPT = """
import os, signal, sys, threading
import numpy as np
import ome_ngff
from ome_ngff import write_image

class Interrupt:
    "Press Ctrl-C when certain modules are about to be imported."
    def __init__(self, *names): self.names = list(names)
    def find_spec(self, name, path=None, target=None):
        if name in self.names:
            self.names.remove(name)
            os.kill(os.getpid(), signal.SIGINT)

folder, workers, *names = sys.argv[1:]
pixels = np.arange(32 * 64 * 64, dtype="uint16").reshape(32, 64, 64)
ome_ngff.config.workers = workers
finder = Interrupt(*names)
sys.meta_path.insert(0, finder)
for name in "ab":
    try:
        write_image(pixels, f"{folder}/{name}.zarr", axes="zyx", chunks=16, scale_factors=[2])
        print("written")
    except KeyboardInterrupt:
        print("interrupted")
print("not imported:", finder.names)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signal to one process")
@pytest.mark.parametrize("workers", ["1", "4"])
@pytest.mark.parametrize(
    "modules",
    [
        pytest.param(["dask._expr"], id="dask"),
        pytest.param(["dask._expr", "dask.delayed"], id="twice"),
        pytest.param(["zarrs"], id="zarrs"),
        pytest.param(["numba.core.types"], id="numba"),
    ],
)
def test_a_write_works_after_one_that_ctrl_c_has_ended(tmp_path: Path, workers: str, modules: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), workers, *modules],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.stdout.splitlines() == ["interrupted", "written", "not imported: []"], ran.stderr[-3000:]
    wanted = np.arange(32 * 64 * 64, dtype="uint16").reshape(32, 64, 64)
    np.testing.assert_array_equal(pixels(tmp_path / "b.zarr")[0], wanted)
