"""Many inputs: what is meant, what is refused first, what goes on after a failure, what is done already."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner, Result
from helpers import InUnits, every_file, pixels
from PIL import Image
from test_inputs_dicom import STACK as SLICES
from test_inputs_dicom import write_series

import ome_ngff
from ome_ngff import BatchError, ExistsError, MissingError, OptionError, config, convert, open_image, write_image
from ome_ngff.cli import main
from ome_ngff.inputs import Batch, batch
from ome_ngff.inputs.expansion import expanded

STACK = (np.arange(3 * 40 * 50) % 4001).astype("uint16").reshape(3, 40, 50)


def run(*words: Any, code: int = 0) -> Result:
    """Run a command line in this process."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with three images in `in`, made by others, and a file that is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "day2").mkdir(parents=True)
    size = {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.25, "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite("in/a.ome.tif", STACK, metadata={"axes": "ZYX", **size})
    tifffile.imwrite("in/b.tif", STACK + 1, imagej=True, metadata={"axes": "ZYX"})
    Image.fromarray(STACK[0].astype("uint8")).save("in/day2/a.png")
    Path("in/notes.txt").write_text("not an image")
    return tmp_path


OUTPUTS = ["a.ome.zarr", "b.ome.zarr", "day2/a.ome.zarr"]
IMAGES = dict(zip(OUTPUTS, (STACK, STACK + 1, STACK[0].astype("uint8")), strict=True))


def same_images(out: Path) -> None:
    for name, wanted in IMAGES.items():
        np.testing.assert_array_equal(pixels(out / name)[0], wanted)


# What is meant -------------------------------------------------------------------------------------------------------


def test_a_folder_converts_in_one_command(folder: Path) -> None:
    result = run("write", "in", "--into", "out")
    same_images(folder / "out")
    assert open_image("out/a.ome.zarr").images[0].scale == {"z": 1.0, "y": 0.25, "x": 0.25}
    assert "in: 3 images of their own; 1 other file left out (.txt)" in result.stderr
    assert result.stderr.splitlines()[-1] == "3 written"
    assert result.stdout == ""


def test_files_that_the_shell_has_listed_convert_each(folder: Path) -> None:
    run("write", "in/a.ome.tif", "in/b.tif", "--into", "out", "--method", "nearest", "--chunks", "16")
    for name in OUTPUTS[:2]:
        np.testing.assert_array_equal(pixels(folder / "out" / name)[0], IMAGES[name])
        assert zarr.open_array(f"out/{name}/0", mode="r").chunks == (3, 16, 16)


def test_convert_does_what_the_command_does(folder: Path) -> None:
    run("write", "in", "--into", "out")
    done = convert(["in"], "also")
    assert [each.output for each in done] == [f"also/{name}" for name in OUTPUTS]
    assert [each.state for each in done] == ["written"] * 3
    assert every_file(folder / "also") == every_file(folder / "out")


def test_planes_in_quotes_stay_one_image(folder: Path) -> None:
    (folder / "planes").mkdir()
    for z, plane in enumerate(STACK):
        tifffile.imwrite(folder / "planes" / f"cell_{z:03d}.tif", plane)
    result = run("write", "planes/cell_*.tif", "in/b.tif", "--into", "out")
    assert "planes/cell_*.tif: one image out of many planes" in result.stderr
    np.testing.assert_array_equal(pixels("out/cell.ome.zarr")[0], STACK)
    result = run("write", "planes/cell_*.tif", "alone.zarr")
    z, y, x = STACK.shape
    assert result.stderr == f"planes/cell_*.tif: one image out of many planes, z {z}, y {y}, x {x}\n"
    Path("a[1].tif").touch()
    assert expanded("a[1].tif", "out")[1] == ""
    result = run("write", "planes", "--into", "each")
    assert "planes of one image would be 'planes/cell_*.tif', in quotes" in result.stderr
    np.testing.assert_array_equal(pixels("each/cell_001.ome.zarr")[0], STACK[1])


def test_a_folder_of_slices_is_one_image_named_after_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_series(tmp_path / "in" / "1.2.840.77")
    tifffile.imwrite(tmp_path / "in" / "a.v1.2.tif", STACK[0])
    result = run("write", tmp_path / "in", "--into", tmp_path / "out")
    assert result.stderr.splitlines()[-1] == "2 written"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.2.840.77.ome.zarr", "a.v1.2.ome.zarr"]
    np.testing.assert_array_equal(pixels(tmp_path / "out" / "1.2.840.77.ome.zarr")[0], SLICES)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        pytest.param("a.ome.tif", "a", id="ome-tiff"),
        pytest.param("A.OME.TIFF", "A", id="upper-case"),
        pytest.param("scan.nii.gz", "scan", id="nifti"),
        pytest.param("b.1.tif", "b.1", id="dots"),
        pytest.param("set.companion.ome", "set", id="companion"),
        pytest.param("c.zarr.zip", "c", id="zip"),
        pytest.param("http://host/d.ome.zarr", "d", id="url"),
        pytest.param("e.h5::/raw/data", "e-raw-data", id="inside"),
        pytest.param("planes/z_*.tif", "z", id="glob"),
        pytest.param("planes/*.tif", "planes", id="glob-without-a-name"),
        pytest.param("plain", "plain", id="no-ending"),
    ],
)
def test_images_are_named_after_their_inputs(tmp_path: Path, path: str, name: str) -> None:
    assert Batch.of([path], tmp_path).items[0].output == str(tmp_path / f"{name}.ome.zarr")


def test_an_image_in_several_files_is_one_input(tmp_path: Path) -> None:
    for z in range(3):
        tifffile.imwrite(
            tmp_path / f"p{z}.ome.tif", STACK[z], metadata=None, description=_parts(3), photometric="minisblack"
        )
    tifffile.imwrite(tmp_path / "single.ome.tif", STACK[0])
    found = Batch.of([tmp_path], tmp_path / "out")
    assert [Path(item.input).name for item in found.items] == ["p0.ome.tif", "single.ome.tif"]


def _parts(count: int) -> str:
    """Return the OME-XML of an image whose planes are files."""
    data = "".join(
        f'<TiffData FirstZ="{z}" PlaneCount="1"><UUID FileName="p{z}.ome.tif">urn:uuid:{z}</UUID></TiffData>'
        for z in range(count)
    )
    return (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="50" SizeY="40" SizeZ="{count}" SizeC="1" '
        f'SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{data}</Pixels></Image></OME>'
    )


def test_stored_images_in_a_folder_are_inputs_and_outputs_are_none(folder: Path) -> None:
    write_image(STACK, folder / "in" / "stored.ome.zarr", axes="zyx")
    convert(["in"], "in/out")
    again = Batch.of(["in"], "in/out")
    assert [item.output for item in again.items] == [
        f"in/out/{name}" for name in ("a.ome.zarr", "b.ome.zarr", "stored.ome.zarr", "day2/a.ome.zarr")
    ]
    np.testing.assert_array_equal(pixels("in/out/stored.ome.zarr")[0], STACK)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_names_inputs_outputs_and_options(folder: Path, delimiter: str) -> None:
    with tifffile.TiffWriter(folder / "in" / "two.ome.tif", ome=True) as tiff:
        for image, name in ((STACK[0], "dark"), (STACK[1], "bright")):
            tiff.write(image, metadata={"axes": "YX", "Name": name}, photometric="minisblack")
    rows = [
        ["input", "output", "series", "scale", "unit", "scale factors"],
        ["two.ome.tif", "dark.ome.zarr", "0", "", "", ""],
        ["two.ome.tif", "deep/bright.ome.zarr", "bright", "y=0.5,x=0.5", "micrometer", "2,4"],
        ["b.tif", "", "", "", "", "none"],
    ]
    with open(folder / "in" / "jobs.csv", "w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    run("write", "in/jobs.csv", "--into", "out", "--scale-factors", "2")
    np.testing.assert_array_equal(pixels("out/dark.ome.zarr")[0], STACK[0])
    np.testing.assert_array_equal(pixels("out/deep/bright.ome.zarr")[0], STACK[1])
    bright = open_image("out/deep/bright.ome.zarr")
    assert bright.images[0].scale == {"y": 0.5, "x": 0.5}
    assert bright.images[0].axes_units == {"y": "micrometer", "x": "micrometer"}
    assert [len(pixels(f"out/{name}.ome.zarr")) for name in ("dark", "deep/bright", "b")] == [2, 3, 1]


# What is refused before the first write ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "into", "error", "message"),
    [
        pytest.param(
            ["in/a.ome.tif", "in/day2/a.png"], "out", ExistsError, "would both become out", id="equal-outputs"
        ),
        pytest.param(["in"], "image", ExistsError, "image is a Zarr itself", id="folder-is-an-image"),
        pytest.param(["in"], "image/0", ExistsError, "image/0 is a Zarr itself", id="folder-is-an-array"),
        pytest.param(["in"], "in/b.tif", ExistsError, "is a file", id="folder-is-a-file"),
        pytest.param(["empty"], "out", MissingError, "a folder without images", id="folder-without-images"),
        pytest.param(["wrong.csv"], "out", OptionError, "does not know 'inptu'.*'input'", id="column-with-a-slip"),
        pytest.param(["bad.csv"], "out", OptionError, "Line 3 of bad.csv: 'wide' is not a number", id="value"),
        pytest.param(["inside.csv"], "out", ExistsError, "inside of out/x", id="output-inside-another"),
        pytest.param(["away.csv"], "out", OptionError, "Line 3 of away.csv: .*leads out of out", id="output-elsewhere"),
        pytest.param([], "out", MissingError, "nothing to convert", id="nothing"),
    ],
)
def test_what_is_known_to_go_wrong_is_refused_first(
    folder: Path, inputs: list[str], into: str, error: type[Exception], message: str
) -> None:
    write_image(STACK, "image", axes="zyx")
    Path("empty").mkdir()
    Path("wrong.csv").write_text("inptu,output\nin/b.tif,x\n")
    Path("bad.csv").write_text("input,scale\nin/b.tif,2\nin/a.ome.tif,wide\n")
    Path("away.csv").write_text("input,output\nin/b.tif,x\nin/a.ome.tif,y/../../away\n")
    Path("inside.csv").write_text("input,output\nin/b.tif,x\nin/a.ome.tif,x/y\n")
    before = every_file(folder)
    with pytest.raises(error, match=message):
        convert(inputs, into)
    assert every_file(folder) == before
    if inputs:
        run("write", *inputs, "--into", into, code=2)
    assert every_file(folder) == before


def test_a_report_of_an_unknown_kind_is_refused_first(folder: Path) -> None:
    before = every_file(folder)
    assert "ends in .csv or .json" in run("write", "in", "--into", "out", "--report", "r.xml", code=2).stderr
    assert "no folder lost" in run("write", "in", "--into", "out", "--report", "lost/r.csv", code=2).stderr
    assert "--into DIR" in run("write", "in/b.tif", "out", "--report", "r.csv", code=2).stderr
    assert "13 places" in run("write", *["in/b.tif"] * 13, code=2).stderr
    assert every_file(folder) == before


# Failures ------------------------------------------------------------------------------------------------------------


def test_it_goes_on_after_a_failure_and_says_so(folder: Path) -> None:
    Path("in/aa.tif").write_bytes(Path("in/b.tif").read_bytes()[:200])
    result = run("write", "in", "lost.tif", "--into", "out", "--report", "r.json", code=1)
    same_images(folder / "out")
    lines = result.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines[-3:-1]] == ["in/aa.tif failed", "lost.tif failed"]
    assert lines[-1] == "3 written, 2 failed"
    report = json.loads(Path("r.json").read_text())
    assert {Path(row["input"]).name: row["state"] for row in report} == {
        "a.ome.tif": "written",
        "aa.tif": "failed",
        "b.tif": "written",
        "a.png": "written",
        "lost.tif": "failed",
    }
    assert "There is no lost.tif" in report[-1]["error"]
    with pytest.raises(BatchError, match=r"2 of 5 inputs could not be converted; the first is in/aa\.tif") as caught:
        convert(["in", "lost.tif"], "out", report="r.csv")
    assert [each.state for each in caught.value.done] == ["skipped", "failed", "skipped", "skipped", "failed"]
    with open("r.csv", encoding="utf-8", newline="") as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["skipped", "failed", "skipped", "skipped", "failed"]


def test_each_conversion_says_how_long_it_took(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "time", SimpleNamespace(monotonic=itertools.count(7, 1.25).__next__))
    assert [each.seconds for each in convert("in/b.tif", "b.zarr")] == [1.25]
    assert [each.seconds for each in convert(["in/b.tif"], "out")] == [1.25]


def test_json_says_of_each_input_what_became_of_it(folder: Path) -> None:
    result = run("write", "in", "--into", "out", "--json")
    assert [row["output"] for row in json.loads(result.stdout)] == [f"out/{name}" for name in OUTPUTS]


# Again ---------------------------------------------------------------------------------------------------------------


def test_a_killed_batch_skips_what_is_done_and_finishes_the_rest(folder: Path) -> None:
    words: dict[str, Any] = {"chunks": 16, "scale_factors": [2]}
    convert(["in"], "whole", **words)
    calls: list[int] = []

    def stop(done: int, total: int) -> None:
        calls.append(done)

    with config.set(task_target=1, workers=1):
        batch, told = Batch.of(["in"], "out"), []
        items = iter(batch.items)
        first = next(items)
        convert([first.input], "out", **words)
        done = every_file(folder / "out" / "a.ome.zarr")

        def kill(done: int, total: int) -> None:
            if done == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            convert(next(items).input, "out/b.ome.zarr", progress=InUnits(kill), **words)
        assert "incomplete" in run("info", "out/b.ome.zarr").stdout
        found = batch.run(told=lambda each: told.append(each.state), progress=stop, **words)
    assert [each.state for each in found] == ["skipped", "resumed", "written"]
    assert told == ["skipped", "resumed", "written"]
    assert every_file(folder / "out" / "a.ome.zarr") == done
    assert every_file(folder / "out") == every_file(folder / "whole")
    assert calls == sorted(calls)


@pytest.mark.slow
def test_a_batch_that_is_killed_again_and_again_ends_as_undisturbed(folder: Path) -> None:
    for number in range(4):
        np.save(f"in/noise{number}.npy", np.random.default_rng(number).integers(0, 2**16, (64, 128, 128), "uint16"))
    files = sorted(Path("in").glob("*.npy"))
    words = ["write", *map(str, files), "--into", "out", "--axes", "zyx", "--chunks", "16", "--report", "r.json"]
    command = [sys.executable, "-m", "ome_ngff", *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(ome_ngff.__file__).parent.parent), "OME_NGFF_TASK_TARGET": "1"}
    total = 4 * (4 * 8 * 8 + 2 * 4 * 4 + 1 * 2 * 2)  # chunks of all images
    for part in np.sort(np.random.default_rng(0).uniform(0.05, 0.9, 5)):
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as child:
            while child.poll() is None and sum(len(names) for _, _, names in os.walk("out")) < part * total:
                time.sleep(0.01)
            child.kill()
        assert child.returncode == -signal.SIGKILL
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert {row["state"] for row in json.loads(Path("r.json").read_text())} <= {"written", "resumed", "skipped"}
    with config.set(task_target=1):
        convert(files, "whole", axes="zyx", chunks=16)
    assert every_file(folder / "out") == every_file(folder / "whole")


def test_a_batch_that_is_stopped_reports_what_has_not_begun(folder: Path) -> None:
    def stop(done: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Batch.of(["in"], "out").run(told=stop, report="r.json")
    assert [row["state"] for row in json.loads(Path("r.json").read_text())] == ["written", "not begun", "not begun"]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param({"method": "nearest"}, id="method"),
        pytest.param({"compression": "zstd:7"}, id="compression"),
        pytest.param({"chunks": 32}, id="chunks"),
        pytest.param({"scale_factors": [2]}, id="levels"),
        pytest.param({"scale": 3.0}, id="scale"),
        pytest.param({"name": "other"}, id="name"),
    ],
)
def test_an_image_of_other_settings_is_not_skipped(folder: Path, words: Any) -> None:
    common: dict[str, Any] = {"chunks": 16}
    convert(["in/b.tif"], "out", **common)
    before = every_file(folder)
    assert convert(["in/b.tif"], "out", **common)[0].state == "skipped"
    with pytest.raises(BatchError, match="other settings"):
        convert(["in/b.tif"], "out", **{**common, **words})
    assert every_file(folder) == before
    assert convert(["in/b.tif"], "out", overwrite=True, **{**common, **words})[0].state == "written"


def test_single_files_of_a_table_are_skipped_or_named(folder: Path) -> None:
    Path("jobs.csv").write_text("input,output,series\nin/b.tif,b.ozx,\nin/a.ome.tif,a.zip,all\n")
    assert [each.state for each in convert("jobs.csv", "out", scale_factors=[2])] == ["written", "written"]
    before = every_file(folder)
    assert [each.state for each in convert("jobs.csv", "out", scale_factors=[2])] == ["skipped", "skipped"]
    assert every_file(folder) == before
    with pytest.raises(BatchError) as caught:
        convert("jobs.csv", "out", scale_factors=[2], scale=7)
    assert [each.state for each in caught.value.done] == ["failed", "failed"]
    said = caught.value.done[0].error
    assert "b.ozx was written with other settings" in said
    assert re.search(
        r"multiscales\[0\].datasets\[0\].coordinateTransformations\[0\].scale\[\d\]: there .*, now 7", said
    )
    assert every_file(folder) == before


def test_an_image_of_another_file_is_not_skipped(folder: Path) -> None:
    convert(["in/b.tif"], "out")
    tifffile.imwrite("in/b.tif", STACK + 7, imagej=True, metadata={"axes": "ZYX"})
    with pytest.raises(BatchError, match=r"other settings.*source"):
        convert(["in/b.tif"], "out")
    write_image(STACK, "out/a.ome.zarr", axes="zyx")
    with pytest.raises(BatchError, match="does not say which file it was made from"):
        convert(["in/a.ome.tif"], "out")
    assert "pass --overwrite" in run("write", "in/a.ome.tif", "--into", "out", code=1).stderr


def test_a_bar_over_all_counts_megabytes_of_inputs(folder: Path) -> None:
    tifffile.imwrite("in/b.tif", np.zeros((3, 1024, 1024), "uint16"), imagej=True, metadata={"axes": "ZYX"})
    calls: list[tuple[int, int]] = []
    convert(["in"], "out", progress=lambda done, total: calls.append((done, total)))
    assert {total for _, total in calls} == {1 + 7 + 1}
    assert [done for done, _ in calls] == list(range(10))


# What would be done --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["--dry-run", "--plan"])
def test_a_dry_run_shows_axes_sizes_levels_and_chunks(folder: Path, word: str) -> None:
    before = every_file(folder)
    words = ["--chunks", "16", "--scale-factors", "2", word]
    text = run("write", "in/a.ome.tif", "out", *words).stdout
    for wanted in (
        "0.25 micrometer",
        "3 x 40 x 50",
        "3 x 20 x 25",
        "3 x 16 x 16",
        "pass 1:",
        "a.ome.tif -> out",
    ):
        assert wanted in text
    one = json.loads(run("write", "in/a.ome.tif", "out", "--json", *words).stdout)
    assert [(a["name"], a["size"], a["unit"]) for a in one["axes"]][1:] == [
        ("y", 40, "micrometer"),
        ("x", 50, "micrometer"),
    ]
    assert one["levels"][1]["shape"] == [3, 20, 25]
    assert one["units"] == 1
    many = json.loads(run("write", "in", "--into", "out", "--json", *words).stdout)
    assert [each["output"] for each in many] == [f"out/{name}" for name in OUTPUTS]
    assert every_file(folder) == before
    assert [each.outline["dtype"] for each in convert(["in"], "out", dry_run=True) if each.outline] == [
        "uint16", "uint16", "uint8",
    ]  # fmt: skip
    assert every_file(folder) == before


def test_the_old_word_is_not_shown(folder: Path) -> None:
    shown = run("write", "--help").stdout
    assert "--dry-run" in shown
    assert "--plan" not in shown
