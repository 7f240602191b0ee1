"""The command line: what it writes, what it says, how it refuses."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import skimage.data
import tifffile
import zarr
from click.testing import CliRunner, Result
from helpers import (
    InUnits,
    attributes,
    datasets,
    document,
    every_file,
    pixels,
    pixels_by_tensorstore,
    scale_of,
    translation_of,
)

import ome_ngff
from ome_ngff import config, convert, write_image
from ome_ngff.cli import COMMANDS, main, options
from ome_ngff.format import Format
from ome_ngff.methods import ALIASES
from ome_ngff.samples import SAMPLES
from ome_ngff.show.contrast import window_of

PLANE = skimage.data.camera()[:200, :300]
STACK = np.stack([np.stack([PLANE.astype("uint16") * 8 + 3 * z + 100 * c for c in range(2)]) for z in range(5)])
OME = {
    "axes": "ZCYX",
    "Name": "My cells",
    "PhysicalSizeX": 0.1,
    "PhysicalSizeXUnit": "µm",
    "PhysicalSizeY": 0.1,
    "PhysicalSizeYUnit": "µm",
    "PhysicalSizeZ": 500.0,
    "PhysicalSizeZUnit": "nm",
    "Channel": {"Name": ["DAPI", "GFP"]},
}
COMMAND = [sys.executable, "-W", "error", "-m", "ome_ngff"]
HEAVY = ("dask", "distributed", "numba", "numcodecs", "rich", "scipy", "skimage", "tifffile", "zarr", "zarrs")


def run(*words: Any, code: int = 0) -> Result:
    """Run a command line in this process."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def process(*words: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command line in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(ome_ngff.__file__).parent.parent)}
    command = [*COMMAND, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, **options)


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Return an OME-TIFF of two channels in five planes."""
    tifffile.imwrite(tmp_path / "cells.ome.tiff", STACK, metadata=OME, photometric="minisblack")
    return tmp_path / "cells.ome.tiff"


@pytest.fixture
def plane(tmp_path: Path) -> Path:
    """Return a plane as .npy."""
    np.save(tmp_path / "plane.npy", PLANE)
    return tmp_path / "plane.npy"


# write ---------------------------------------------------------------------------------------------------------------


def test_an_ome_tiff_keeps_its_pixels_sizes_units_and_channel_names(cells: Path, any_format: Format) -> None:
    output = cells.parent / "cells.ome.zarr"
    done = process("write", cells, output, "--format", any_format.version)
    said = [line for line in done.stderr.splitlines() if not line.startswith("writing: ")]  # where it takes long
    assert (done.returncode, done.stdout, said) == (0, "", [])
    image = document(output)["multiscales"][0]
    assert image["name"] == "My cells"
    assert [(axis["name"], axis.get("unit")) for axis in image["axes"]] == [
        ("c", None),
        ("z", "nanometer"),
        ("y", "micrometer"),
        ("x", "micrometer"),
    ]
    assert scale_of(image["datasets"][0]) == [1.0, 500.0, 0.1, 0.1]
    channels = document(output)["omero"]["channels"]
    assert [channel["label"] for channel in channels] == ["DAPI", "GFP"]
    np.testing.assert_array_equal(pixels_by_tensorstore(output)[0], STACK.transpose(1, 0, 2, 3))
    any_format.validate(attributes(output))


def test_options_win_over_the_file_axis_by_axis(cells: Path) -> None:
    output = cells.parent / "out.zarr"
    words = ["--scale", "z=0.7", "--unit", "z=um", "--translation", "y=5,x=-1.5", "--name", "renamed", "--no-omero"]
    run("write", cells, output, *words)
    image = document(output)["multiscales"][0]
    assert scale_of(image["datasets"][0]) == [1.0, 0.7, 0.1, 0.1]
    assert translation_of(image["datasets"][0]) == [0.0, 0.0, 5.0, -1.5]
    assert {axis.get("unit") for axis in image["axes"]} == {None, "micrometer"}
    assert image["name"] == "renamed"
    assert "omero" not in document(output)


@pytest.mark.parametrize(
    ("words", "scale", "units"),
    [
        pytest.param(
            ["--scale", "0.5", "--unit", "micrometer"], [1, 0.5, 0.5], [None, "micrometer", "micrometer"], id="one"
        ),
        pytest.param(["--scale", "3,2,1", "--unit", "s"], [3, 2, 1], ["second", None, None], id="list"),
        pytest.param(["--scale", "t=3", "--unit", "t=hour,x=nm"], [3, 1, 1], ["hour", None, "nanometer"], id="by-axis"),
    ],
)
def test_sizes_and_units_are_said_for_all_axes_or_by_axis(tmp_path: Path, words: Any, scale: Any, units: Any) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 8, 8), "uint8"))
    run("write", tmp_path / "a.npy", tmp_path / "a.zarr", "--axes", "tyx", *words)
    image = document(tmp_path / "a.zarr")["multiscales"][0]
    assert scale_of(image["datasets"][0]) == scale
    assert [axis.get("unit") for axis in image["axes"]] == units


@pytest.mark.parametrize(
    ("given", "factors"),
    [
        pytest.param("2,4", [[1, 1, 1], [1, 2, 2], [1, 4, 4]], id="list"),
        pytest.param("z=1,y=2,x=2; z=2,y=4,x=4", [[1, 1, 1], [1, 2, 2], [2, 4, 4]], id="by-axis"),
        pytest.param("none", [[1, 1, 1]], id="none"),
        pytest.param("auto", [[1, 1, 1], [2, 2, 2]], id="auto"),
    ],
)
def test_scale_factors_are_a_list_or_said_by_axis(tmp_path: Path, given: str, factors: Any) -> None:
    np.save(tmp_path / "a.npy", np.zeros((8, 32, 32), "uint8"))
    words = ["--axes", "z,y,x", "--scale-factors", given, "--chunks", "16"]
    run("write", tmp_path / "a.npy", tmp_path / "a.zarr", *words)
    assert [scale_of(dataset) for dataset in datasets(tmp_path / "a.zarr")] == factors


@pytest.mark.parametrize(
    ("words", "chunks", "shards", "codec"),
    [
        pytest.param(["--chunks", "64"], (64, 64), None, "blosc", id="one-length"),
        pytest.param(["--chunks", "50,100", "--compression", "zstd:7"], (50, 100), None, "zstd", id="lengths"),
        pytest.param(["--chunks", "x=32", "--compression", "gzip"], (200, 32), None, "gzip", id="by-axis"),
        pytest.param(["--chunks", "32", "--shards", "y=64,x=96"], (32, 32), (64, 96), "blosc", id="shards"),
        pytest.param(["--chunks", "auto", "--shards", "auto"], (200, 300), (200, 300), "blosc", id="auto"),
    ],
)
def test_chunks_shards_and_compression_are_those_asked_for(
    plane: Path, words: Any, chunks: Any, shards: Any, codec: str
) -> None:
    run("write", plane, plane.parent / "a.zarr", *words)
    array = zarr.open_array(plane.parent / "a.zarr" / "0", mode="r")
    assert (array.chunks, array.shards) == (chunks, shards)
    assert type(array.compressors[0]).__name__.lower() == f"{codec}codec"


def test_every_method_that_can_be_written_can_be_chosen(plane: Path, any_method: Any) -> None:
    name = getattr(any_method, "value", getattr(any_method, "name", any_method))
    run("write", plane, plane.parent / "a.zarr", "--method", name, "--scale-factors", "2")
    assert document(plane.parent / "a.zarr")["multiscales"][0]["type"] == name
    assert name in run("write", "--help").stdout


def test_names_of_other_libraries_are_understood(plane: Path) -> None:
    alias, name = next(iter(ALIASES.items()))
    run("write", plane, plane.parent / "a.zarr", "--method", alias, "--scale-factors", "2")
    assert document(plane.parent / "a.zarr")["multiscales"][0]["type"] == name


def test_an_omezarr_is_rechunked_and_changes_its_version(cells: Path) -> None:
    first, second = cells.parent / "a.zarr", cells.parent / "b.zarr"
    run("write", cells, first, "--format", "0.4", "--method", "local_mean", "--scale-factors", "2")
    run("write", first, second, "--format", "0.5", "--method", "local_mean", "--scale-factors", "2", "--chunks", "32")
    for before, after in zip(pixels(first), pixels(second), strict=True):
        np.testing.assert_array_equal(before, after)
    assert datasets(first) == datasets(second)
    assert document(first)["omero"] == document(second)["omero"]


def test_several_series_are_chosen_by_number_or_name(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "two.ome.tif") as tiff:
        for name, image in (("dark", PLANE // 2), ("bright", PLANE)):
            tiff.write(image, metadata={"axes": "YX", "Name": name}, photometric="minisblack")
    for series in ("1", "bright"):
        run("write", tmp_path / "two.ome.tif", tmp_path / f"{series}.zarr", "--series", series)
        np.testing.assert_array_equal(pixels(tmp_path / f"{series}.zarr")[0], PLANE)


def test_a_plan_is_printed_and_nothing_is_written(cells: Path) -> None:
    before = every_file(cells.parent)
    words = ["--plan", "--memory-target", "1MB", "--workers", "2", "--chunks", "64"]
    result = run("write", cells, cells.parent / "out.zarr", *words)
    assert "pass 1:" in result.stdout
    assert "peak memory" in result.stdout
    assert every_file(cells.parent) == before
    assert config.memory_target != 10**6


def test_verbose_shows_what_was_written_and_quiet_nothing(plane: Path) -> None:
    assert run("write", plane, plane.parent / "a.zarr").output == ""
    assert "OME-Zarr 0.5" in run("write", plane, plane.parent / "a.zarr", "--overwrite", "-v").stdout
    assert run("-q", "create", plane.parent / "b.zarr").output == ""
    assert run("create", plane.parent / "b.zarr", "--overwrite", "--quiet").output == ""


def test_a_write_that_was_stopped_is_shown_as_incomplete_and_resumed(cells: Path) -> None:
    output, whole = cells.parent / "a.zarr", cells.parent / "b.zarr"
    words = ["--scale-factors", "2", "--chunks", "32"]
    run("write", cells, whole, *words)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with config.set(task_target=1, workers=1), pytest.raises(KeyboardInterrupt):
        convert(cells, output, progress=InUnits(stop), chunks=32, scale_factors=[2])
    assert "incomplete (2 of " in run("info", output).stdout
    assert "pass --resume to finish it" in run("write", cells, output, *words, code=2).stderr
    run("write", cells, output, *words, "--resume")
    assert every_file(output) == every_file(whole)
    run("write", cells, output, *words, "--resume")
    assert every_file(output) == every_file(whole)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["workers", "scheduler"])
def test_a_cluster_writes_the_same_bytes_as_threads(cells: Path, how: str) -> None:
    distributed = pytest.importorskip("distributed")
    assert distributed
    words = ["--chunks", "32", "--memory-target", "2MB"]
    run("write", cells, cells.parent / "threads.zarr", *words)
    if how == "workers":
        done = process("write", cells, cells.parent / "cluster.zarr", *words, "--workers", 2)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    else:
        environment = {**os.environ, "PYTHONPATH": str(Path(ome_ngff.__file__).parent.parent)}
        arguments = ["write", str(cells), str(cells.parent / "cluster.zarr"), *words]
        script = (
            "import distributed, ome_ngff.cli\n"
            "if __name__ == '__main__':\n"
            "    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False,"
            " dashboard_address=None, protocol='tcp') as cluster:\n"
            f"        ome_ngff.cli.main([*{arguments}, '--scheduler', cluster.scheduler_address])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert every_file(cells.parent / "cluster.zarr") == every_file(cells.parent / "threads.zarr")


# Rendering -----------------------------------------------------------------------------------------------------------


def test_contrast_is_that_of_the_pixels_and_bounds_those_of_the_type(cells: Path) -> None:
    run("write", cells, cells.parent / "a.zarr")
    for number, channel in enumerate(document(cells.parent / "a.zarr")["omero"]["channels"]):
        ranked = np.sort(STACK[:, number].ravel())
        cut = round(0.001 * (ranked.size - 1))
        assert channel["window"] == {
            "min": 0,
            "max": 65535,
            "start": pytest.approx(ranked[cut], abs=8),
            "end": pytest.approx(ranked[-1 - cut], abs=8),
        }


def test_a_colour_photograph_keeps_its_colours(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", skimage.data.astronaut()[:64, :64], photometric="rgb")
    run("write", tmp_path / "a.tif", tmp_path / "a.zarr")
    channels = document(tmp_path / "a.zarr")["omero"]["channels"]
    assert [(c["label"], c["color"]) for c in channels] == [("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF")]
    assert [c["window"] for c in channels] == [{"min": 0, "max": 255, "start": 0, "end": 255}] * 3


@pytest.mark.parametrize(
    ("image", "window"),
    [
        pytest.param(np.array([[True, False]]), {"min": 0, "max": 1, "start": 0, "end": 1}, id="bool"),
        pytest.param(np.full((2, 2), 7, "int8"), {"min": -128, "max": 127, "start": -128, "end": 127}, id="flat"),
        pytest.param(np.full((2, 2), 7.5), {"min": 7.5, "max": 8.5, "start": 7.5, "end": 8.5}, id="flat-float"),
        pytest.param(np.full((2, 2), np.nan), {"min": 0, "max": 1, "start": 0, "end": 1}, id="nan"),
        pytest.param(np.array([-np.inf, 1, 3, np.nan]), {"min": 1, "max": 3, "start": 1, "end": 3}, id="infinite"),
        pytest.param(
            np.eye(100, dtype="uint16")[:1].repeat(100, 0) * 9, {"min": 0, "max": 65535, "start": 0, "end": 9}, id="few"
        ),
    ],
)
def test_a_window_always_has_a_width(image: Any, window: Any) -> None:
    assert window_of(image) == window


# create, labels, scale, info -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("picture", list(SAMPLES))
def test_create_writes_a_real_picture_with_a_segmentation_and_shows_it(
    tmp_path: Path, picture: str, any_format: Format
) -> None:
    output = tmp_path / "demo.ome.zarr"
    shown = run("create", output, "--method", picture, "--format", any_format.version).stdout
    assert f"OME-Zarr {any_format.version}" in shown
    any_format.validate(attributes(output), "image", strict=picture == "cell")  # of the others no unit is known
    (label,) = document(output / "labels")["labels"]
    assert f"labels/{label}" in shown
    image, labels = pixels_by_tensorstore(output), pixels_by_tensorstore(output / "labels" / label)
    assert [level.shape for level in labels] == [level.shape[-2:] for level in image]
    original = {"cell": skimage.data.cell, "coins": skimage.data.coins, "tissue": skimage.data.immunohistochemistry}
    np.testing.assert_array_equal(image[0] if image[0].ndim == 2 else np.moveaxis(image[0], 0, -1), original[picture]())
    count = len(np.unique(labels[0])) - 1
    assert {"cell": count == 1, "coins": count == 24, "tissue": count > 100}[picture]
    assert labels[0].max() == count


@pytest.mark.slow
def test_the_demo_knows_its_pixel_size(tmp_path: Path) -> None:
    shown = process("create", tmp_path / "demo.ome.zarr")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "0.107 micrometer" in shown.stdout


def test_labels_lie_on_their_image(cells: Path) -> None:
    run("write", cells, cells.parent / "a.zarr", "--scale-factors", "2,4", "--translation", "y=3")
    segmentation = (STACK[:, 0] > 900).astype("uint32")
    tifffile.imwrite(cells.parent / "seg.tif", segmentation, metadata={"axes": "ZYX"}, photometric="minisblack")
    run("labels", cells.parent / "seg.tif", cells.parent / "a.zarr", "--name", "nuclei")
    image, labels = cells.parent / "a.zarr", cells.parent / "a.zarr" / "labels" / "nuclei"
    assert document(image / "labels")["labels"] == ["nuclei"]
    assert document(labels)["multiscales"][0]["type"] == "mode"
    assert document(labels)["multiscales"][0]["axes"] == document(image)["multiscales"][0]["axes"][1:]
    for mine, theirs in zip(datasets(labels), datasets(image), strict=True):
        assert (scale_of(mine), translation_of(mine)) == (scale_of(theirs)[1:], translation_of(theirs)[1:])
    np.testing.assert_array_equal(pixels(labels)[0], segmentation)


@pytest.mark.parametrize("name", ["seg.tif", "seg.npy"])
def test_labels_from_a_file_without_axis_names_take_the_image_axes(cells: Path, name: str) -> None:
    run("write", cells, cells.parent / "a.zarr", "--scale-factors", "2")
    segmentation = (STACK[:, 0] > 900).astype("uint32")
    tifffile.imwrite(cells.parent / "seg.tif", segmentation, photometric="minisblack")
    np.save(cells.parent / "seg.npy", segmentation)
    plan = run("labels", cells.parent / name, cells.parent / "a.zarr", "--name", "n", "--plan")
    assert "writes" in plan.stdout
    assert not (cells.parent / "a.zarr" / "labels").exists()
    run("labels", cells.parent / name, cells.parent / "a.zarr", "--name", "n")
    axes = document(cells.parent / "a.zarr" / "labels" / "n")["multiscales"][0]["axes"]
    assert [axis["name"] for axis in axes] == ["z", "y", "x"]
    np.testing.assert_array_equal(pixels(cells.parent / "a.zarr" / "labels" / "n")[0], segmentation)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_scale_writes_a_pyramid_of_an_array(tmp_path: Path, zarr_format: Any) -> None:
    array = zarr.create_array(tmp_path / "a.zarr", data=PLANE, chunks=(64, 64), zarr_format=zarr_format)
    array.attrs["owner"] = "me"
    words = ["--method", "nearest", "--downscale", "3", "--max_layer", "2", "--labeled", "--copy-metadata"]
    run("scale", tmp_path / "a.zarr", tmp_path / "out.zarr", "yx", *words)
    assert [scale_of(dataset) for dataset in datasets(tmp_path / "out.zarr")] == [[1, 1], [3, 3], [9, 9]]
    np.testing.assert_array_equal(pixels(tmp_path / "out.zarr")[1], np.pad(PLANE, ((0, 1), (0, 0)), "edge")[1::3, 1::3])
    assert attributes(tmp_path / "out.zarr")["owner"] == "me"
    run("scale", tmp_path / "a.zarr", tmp_path / "out.zarr", "yx", "--max-layer", "1", "--overwrite")
    assert [scale_of(dataset) for dataset in datasets(tmp_path / "out.zarr")] == [[1, 1], [2, 2]]


def test_scale_in_place_adds_levels_beside_the_array(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("0", data=PLANE, chunks=(64, 64), dimension_names=["y", "x"])
    before = every_file(tmp_path / "a.zarr" / "0")
    run("scale", tmp_path / "a.zarr" / "0", tmp_path / "a.zarr", "y,x", "--in-place", "--max-layer", "1")
    assert every_file(tmp_path / "a.zarr" / "0") == before
    assert [dataset["path"] for dataset in datasets(tmp_path / "a.zarr")] == ["0", "1"]


def test_info_prints_json_that_says_what_the_text_says(plane: Path) -> None:
    run("write", plane, plane.parent / "a.zarr", "--chunks", "64", "--scale", "0.25", "--unit", "micrometer")
    found = json.loads(run("info", plane.parent / "a.zarr", "--json").stdout)
    text = run("info", plane.parent / "a.zarr").stdout
    for level in found["images"][0]["levels"]:
        assert " x ".join(map(str, level["shape"])) in text
    assert found["images"][0]["axes"][1]["extent"] == 75
    assert "75 micrometer" in text
    assert "\x1b" not in text


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
def test_a_terminal_gets_a_drawn_table_and_a_bar(plane: Path) -> None:
    import pty

    def on_terminal(*words: Any) -> str:
        leader, follower = pty.openpty()
        environment = {
            **os.environ, "PYTHONPATH": str(Path(ome_ngff.__file__).parent.parent), "TERM": "xterm", "COLUMNS": "120",
        }  # fmt: skip
        command = [*COMMAND, *map(str, words)]
        with subprocess.Popen(command, stdout=follower, stderr=follower, env=environment) as child:
            os.close(follower)
            said = b""
            with suppress(OSError):  # some systems say so at the end
                while part := os.read(leader, 65536):
                    said += part
        os.close(leader)
        assert child.returncode == 0, said
        return said.decode()

    assert "writing" in on_terminal("write", plane, plane.parent / "a.zarr", "--chunks", 64)
    assert "───" in on_terminal("info", plane.parent / "a.zarr")


# Errors --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(cells: Path, plane: Path) -> Path:
    """Return a folder with inputs, an image, an array and things that are no images."""
    folder = plane.parent
    write_image(PLANE, folder / "image", scale_factors=[2])
    zarr.create_array(folder / "array", data=PLANE, dimension_names=["y", "x"])
    np.save(folder / "image" / "inside.npy", PLANE)
    np.save(folder / "float.npy", PLANE / 2)
    np.save(folder / "stack.npy", np.zeros((3, 4, 5), "uint8"))
    (folder / "empty.tif").touch()
    (folder / "text.png").write_text("no picture")
    return folder


@pytest.mark.parametrize(
    ("line", "says"),
    [
        pytest.param("frobnicate", "Known: create, write", id="unknown-command"),
        pytest.param("wirte plane.npy new", "Did you mean 'write'?", id="command-with-a-slip"),
        pytest.param("write plane.npy", "Missing argument 'OUTPUT'", id="missing-argument"),
        pytest.param("write plane.npy new --sclae 2", "--scale", id="unknown-option"),
        pytest.param("write nothing.tif new", "There is no", id="no-input"),
        pytest.param("write plane.np new", "Did you mean 'plane.npy'?", id="input-with-a-slip"),
        pytest.param("write empty.tif new", "empty file", id="empty-input"),
        pytest.param("write text.png new", "text.png", id="broken-input"),
        pytest.param("write stack.npy new", "--axes", id="axes-cannot-be-told"),
        pytest.param("write stack.npy new --axes yx", "name 2 dimensions", id="axes-that-do-not-fit"),
        pytest.param("write plane.npy new --axes xq", "axes", id="axes-that-are-not-allowed"),
        pytest.param("write plane.npy new --method lanczos", "zoom, gaussian, mode. See", id="unknown-method"),
        pytest.param("write plane.npy new --method laplacian", "in memory only", id="method-in-memory"),
        pytest.param("write plane.npy new --scale-factors 4,2", "--scale-factors must grow", id="factors-shrink"),
        pytest.param("write plane.npy new --scale-factors a", "'a' is not a whole number", id="factors-no-numbers"),
        pytest.param("write plane.npy new --scale z=1", "names the axis 'z'", id="scale-of-no-axis"),
        pytest.param("write plane.npy new --scale 1,2,3", "one for each of y,x", id="scale-too-long"),
        pytest.param("write plane.npy new --scale y=0", "(got 0.0 for axis y)", id="scale-zero"),
        pytest.param("write plane.npy new --scale y=wide", "'wide' is not a number", id="scale-no-number"),
        pytest.param("write plane.npy new --scale y=1,y=2", "each axis once", id="scale-twice"),
        pytest.param("write plane.npy new --unit um,um", "must name the axes", id="units-without-axes"),
        pytest.param("write plane.npy new --chunks 0", "above zero", id="chunks-zero"),
        pytest.param("write plane.npy new --chunks 32 --shards 48", "divide shards", id="shards"),
        pytest.param("write plane.npy new --format 0.4 --shards auto", "no shards", id="shards-in-v2"),
        pytest.param("write plane.npy new --format 0.3", "not known. Known: 0.4, 0.5, 0.6", id="unknown-format"),
        pytest.param("write plane.npy image --format 0.4 --overwrite", "Zarr v3", id="format-against-group"),
        pytest.param("write plane.npy new --compression zst", "Did you mean 'zstd'?", id="unknown-compression"),
        pytest.param("write plane.npy new --memory-target much", "512MiB or 2GB", id="no-size"),
        pytest.param("scale array new yx --in-place --overwrite", "cannot be overwritten", id="in-place-and-overwrite"),
        pytest.param("write plane.npy new --workers 0", "--workers", id="no-workers"),
        pytest.param("write plane.npy new --workers 2 --scheduler tcp://a:1", "one of them", id="two-clusters"),
        pytest.param("write plane.npy new --series 1", "--series", id="series-of-a-single-image"),
        pytest.param("write cells.ome.tiff new --series 7", "it has 0 (My cells", id="no-such-series"),
        pytest.param("write plane.npy image", "pass --overwrite to replace it or --resume", id="exists"),
        pytest.param("write plane.npy image --overwrite --resume", "give one of them", id="overwrite-and-resume"),
        pytest.param("write plane.npy image --resume --method mode", "other settings", id="resume-with-other-settings"),
        pytest.param("write plane.npy array", "is an array", id="output-is-an-array"),
        pytest.param("write image image --overwrite", "write to another place", id="into-itself"),
        pytest.param("write plane.npy plane.npy", "plane.npy", id="output-is-a-file"),
        pytest.param("write plane.npy .", "array, cells.ome.tiff, empty.tif, ...; name", id="output-is-a-folder"),
        pytest.param("write plane.npy ''", "is an empty text", id="no-output"),
        pytest.param("write '' new", "is empty", id="empty-name"),
        pytest.param("create image", "pass --overwrite to replace it.", id="create-over-an-image"),
        pytest.param("create new --method dogs", "Known: cell, coins, tissue", id="unknown-picture"),
        pytest.param("labels float.npy image", "labels are whole numbers", id="float-labels"),
        pytest.param("labels stack.npy image", "The image has y 200, x 300", id="labels-that-do-not-fit"),
        pytest.param("labels plane.npy image --method resize", "invents values", id="labels-interpolated"),
        pytest.param("labels plane.npy new", "no Zarr group", id="labels-without-an-image"),
        pytest.param("labels plane.npy array", "no finished OME-Zarr image", id="labels-into-an-array"),
        pytest.param("scale array new tyx", "name 3 dimensions", id="scale-axes"),
        pytest.param("scale nothing new yx", "no Zarr array", id="scale-nothing"),
        pytest.param("scale image new yx", "is a group, in which one is named image/0", id="scale-image"),
        pytest.param("scale empty.tif new yx", "no Zarr array", id="scale-file"),
        pytest.param("scale array new yx --labeled", "invents values", id="scale-labeled"),
        pytest.param("scale array image yx --method mode", "already holds an image", id="scale-over-an-image"),
        pytest.param("scale array new yx --downscale 1", "--downscale", id="downscale"),
        pytest.param("info nothing", "There is no nothing.", id="info-of-nothing"),
        pytest.param("info plane.np", "Did you mean 'plane.npy'?", id="info-with-a-slip"),
        pytest.param("info plane.npy::a", "has no names inside", id="info-of-a-file"),
    ],
)
def test_every_refusal_is_one_line_and_leaves_the_disk_as_it_was(
    disk: Path, monkeypatch: pytest.MonkeyPatch, line: str, says: str
) -> None:
    monkeypatch.chdir(disk)
    before = every_file(disk)
    result = run(*shlex.split(line), code=2)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert says in result.stderr
    assert "=True" not in result.stderr
    assert every_file(disk) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["/proc/new.zarr"], "Error: /proc/new.zarr: ", id="operating-system"),
        pytest.param(["new.zarr", "--scheduler", "frob://a:1"], "Error: No scheduler answers", id="no-scheduler"),
    ],
)
def test_refusals_from_outside_are_one_line_too(disk: Path, words: list[str], says: str) -> None:
    before = every_file(disk)
    done = process("write", "plane.npy", *words, cwd=disk)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 1
    assert every_file(disk) == before


def test_a_process_leaves_with_the_code_of_its_end(disk: Path) -> None:
    assert process("--version").stdout.strip() == f"ome-ngff, version {ome_ngff.__version__}"
    assert process("write", "plane.npy", "new.zarr", cwd=disk).returncode == 0
    refused = process("write", "plane.npy", "new.zarr", cwd=disk)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    told = process("write", "plane.npy", "new.zarr", "-vv", cwd=disk)
    assert told.returncode == 2
    assert "Traceback" in told.stderr


def test_only_the_ways_out_that_a_command_has_are_named(tmp_path: Path) -> None:
    begun = {"ome_ngff": {"incomplete": {}}}
    zarr.create_group(tmp_path / "begun", attributes=begun)
    zarr.create_array(tmp_path / "array", data=PLANE)
    said = f"Error: {tmp_path / 'begun'} holds an image that is incomplete"
    for words in (["scale", tmp_path / "array", tmp_path / "begun", "yx"], ["create", tmp_path / "begun"]):
        assert run(*words, code=2).stderr == f"{said}; pass --overwrite to start again.\n"


def test_warnings_are_shown_once_and_without_source(plane: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        result = run("write", plane, plane.parent / "a.zarr", "--unit", "parsnip")
        quiet = run("write", plane, plane.parent / "b.zarr", "--unit", "parsnip", "-q")
    what = "The unit should be one that the specification lists for space (got 'parsnip')."
    said = f"Warning: {what} Did you mean 'parsec'?\n"
    assert (result.stderr, quiet.stderr) == (said, "")


# Lightness -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)], ids=lambda words: words[0] if words else "main")
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    heavy = HEAVY if words else (*HEAVY, "numpy")
    script = (
        f"import sys; from ome_ngff.cli import main; main([*{words}, '--help'], standalone_mode=False)\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(ome_ngff.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert done.stdout.startswith("Usage: ")


def test_every_command_explains_itself_and_all_its_options() -> None:
    with click.Context(main) as context:
        for name in main.list_commands(context):
            command = main.get_command(context, name)
            assert command is not None
            assert command.help
            assert all(p.help for p in command.params if isinstance(p, click.Option)), name
    assert main.get_command(context, "frobnicate") is None
    assert isinstance(main, click.Group)


def test_options_of_a_store_are_added_to_those_that_are_set() -> None:
    command = click.Command(
        "x", params=[click.Option(["--store-option"], multiple=True, callback=options._store_options)]
    )
    with config.set(store_options={"anon": True, "region": "us"}):
        with command.make_context("x", ["--store-option", "region=eu"]):
            assert config.store_options == {"anon": True, "region": "eu"}
        assert config.store_options == {"anon": True, "region": "us"}
