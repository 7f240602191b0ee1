"""`ome-ngff write` of every kind of input: its pixels, its axes, and no more memory than it may take."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from helpers import datasets, document, pixels_by_tensorstore, scale_of
from test_inputs import KINDS, volume

import ome_ngff
from ome_ngff.cli import main
from ome_ngff.convert import convert

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(ome_ngff.__file__).parent.parent)}


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_of_input_is_written(kind: str, tmp_path: Path) -> None:
    (tmp_path / "Zellen µm 3").mkdir()
    source, output = KINDS[kind](tmp_path / "Zellen µm 3", volume()), str(tmp_path / "Bild 1.zarr")
    words = ["--axes", "zyx", "--scale", "z=0.5,y=0.1,x=0.1", "--unit", "µm", "--scale-factors", "2", "--chunks", "40"]
    result = CliRunner().invoke(main, ["write", source, output, *words])
    said = f"{source}: one image out of many planes, z 6, y 96, x 128\n" if kind == "planes" else ""
    assert (result.exit_code, result.output) == (0, said)
    level, coarse = pixels_by_tensorstore(output)
    np.testing.assert_array_equal(level, volume())
    assert coarse.shape == (6, 48, 64)
    assert [scale_of(dataset) for dataset in datasets(output)] == [[0.5, 0.1, 0.1], [0.5, 0.2, 0.2]]
    axes = document(output)["multiscales"][0]["axes"]
    assert [(axis["name"], axis["unit"]) for axis in axes] == [(name, "micrometer") for name in "zyx"]
    (channel,) = document(output)["omero"]["channels"]
    start, end = np.percentile(volume(), [0.1, 99.9], method="nearest")
    assert channel["window"] == {"min": 0, "max": 65535, "start": start, "end": end}


MEMORY = """
    import sys
    from ome_ngff.cli import main

    if __name__ == "__main__":
        main(["write", *sys.argv[1:]], standalone_mode=False)
        facts = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
        # How much of the libraries' files is mapped is the kernel's choice.
        print(int(facts["VmHWM"].split()[0]) - int(facts["RssFile"].split()[0]))
"""
LAYOUTS: dict[str, dict[str, Any]] = {
    "planes": {},
    "strips": {"compression": "zlib", "compressionargs": {"level": 1}, "rowsperstrip": 64},
    "tiles": {"compression": "zlib", "compressionargs": {"level": 1}, "tile": (256, 256)},
}


def planes(depth: int) -> Iterator[np.ndarray]:
    """Make planes of a MiB, each another cut of the same noise."""
    noise = np.random.default_rng(0).integers(0, 500, (576, 1088)).astype("uint16")
    for z in range(depth):
        yield noise[z % 64 : z % 64 + 512, z // 64 : z // 64 + 1024]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")
@pytest.mark.parametrize(
    "layout", [each if each == "tiles" else pytest.param(each, marks=pytest.mark.soak) for each in LAYOUTS]
)
def test_memory_stays_at_the_target_however_large_the_tiff_is(tmp_path: Path, layout: str) -> None:
    peaks = []
    for depth in (32, 192, 512):  # MiB; the first to compile what is not compiled yet
        with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=True) as tiff:
            for plane in planes(depth):
                tiff.write(plane, contiguous=False, photometric="minisblack", metadata=None, **LAYOUTS[layout])
        words = [tmp_path / "a.tif", tmp_path / f"{depth}.zarr", "--axes", "zyx", "--memory-target", "96MiB"]
        command = [sys.executable, "-c", "\n".join(line[4:] for line in MEMORY.splitlines()), *map(str, words)]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1024)
    _, small, large = peaks
    assert large < 96 + 150
    assert large - small < (512 - 192) / 5


@pytest.mark.parametrize(
    "scale",
    [
        pytest.param(2, id="an-int"),
        pytest.param(2.0, id="a-float"),
        pytest.param((2, 2), id="a-tuple"),
        pytest.param(np.array([2, 2]), id="an-array"),
        pytest.param({"y": 2, "x": 2}, id="a-dict"),
    ],
)
def test_pixel_sizes_may_be_a_number_or_one_per_axis(tmp_path: Path, scale: Any) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 4), "uint8"))
    convert(tmp_path / "a.npy", tmp_path / "a.zarr", scale=scale)
    assert scale_of(datasets(tmp_path / "a.zarr")[0]) == [2, 2]
