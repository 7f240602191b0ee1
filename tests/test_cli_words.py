"""The command line: words that mean the same everywhere, and what it says when something goes wrong."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import tifffile
import zarr
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from helpers import document, every_file, pixels

import ome_ngff
from ome_ngff import Scaler, config
from ome_ngff.cli import COMMANDS, main
from ome_ngff.inputs import open_input
from ome_ngff.read.describe import describe_store

PLANE = np.random.default_rng(2).integers(0, 4000, (64, 80)).astype("uint16")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(ome_ngff.__file__).parent.parent)}


@pytest.fixture
def plane(tmp_path: Path) -> Path:
    np.save(tmp_path / "plane.npy", PLANE)
    return tmp_path / "plane.npy"


def run(*words: Any, code: int = 0) -> Any:
    result = CliRunner().invoke(main, [str(word) for word in words], prog_name="ome-ngff")
    assert result.exit_code == code, (result.output, result.exception)
    return result


def options_of(name: str) -> dict[str, click.Option]:
    with click.Context(main) as context:
        command = main.get_command(context, name)
    assert command is not None
    return {word: option for option in command.params if isinstance(option, click.Option) for word in option.opts}


# Words ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "commands"),
    [
        pytest.param("--axes --series --scale --translation --unit", "write labels", id="inputs"),
        pytest.param("--scale-factors --chunks --shards --compression", "write labels", id="storage"),
        pytest.param("--name --method --overwrite --resume", "write labels", id="writing"),
        pytest.param("--method --overwrite --format", "write create", id="making"),
        pytest.param("--workers --scheduler --memory-target", "write labels scale", id="machine"),
        pytest.param("--json", "create write scale info validate", id="reports"),
        pytest.param("-v --verbose -q --quiet", " ".join(COMMANDS), id="verbosity"),
        pytest.param("--format", "create write validate", id="version"),
    ],
)
def test_options_are_spelled_alike_and_read_alike(words: str, commands: str) -> None:
    for word in words.split():
        found = [options_of(name)[word] for name in commands.split()]
        assert len({(type(option.type), option.is_flag, option.count, option.multiple) for option in found}) == 1 or (
            word == "--method"
        )
        if word not in ("--method", "--name", "--json", "--format"):
            assert len({(option.name, option.metavar) for option in found}) == 1, word
            assert len({re.split("[;,.]", option.help or "")[0] for option in found}) == 1, word  # defaults may differ


def test_a_plan_is_json_too(plane: Path) -> None:
    words = ["--chunks", 16, "--shards", 32, "--scale-factors", "2", "--plan", "--json"]
    found = json.loads(run("write", plane, plane.parent / "a.zarr", *words).stdout)
    assert not (plane.parent / "a.zarr").exists()
    assert [(level["shape"], level["chunks"]) for level in found["levels"]] == [
        ([64, 80], [16, 16]),
        ([32, 40], [16, 16]),
    ]
    assert found["levels"][0]["shards"] == [32, 32]
    assert found["bytes_read"] == PLANE.nbytes
    assert found["bytes_written"] == PLANE.nbytes * 5 // 4
    assert found["units"] == sum(work["units"] for work in found["passes"])


@pytest.mark.parametrize(
    ("words", "chunks"),
    [
        pytest.param("write plane.npy new.zarr --chunks 16 --scale-factors 2", [[16, 16], [16, 16]], id="write"),
        pytest.param("labels plane.npy a.zarr --name n --chunks 16", [[16, 16], [16, 16]], id="labels"),
        pytest.param("scale a.zarr/0 new.zarr yx --max-layer 1", [[64, 80], [32, 40]], id="scale"),
        pytest.param("export a.zarr new.ome.tif", [[64, 80], [32, 48]], id="export"),
        pytest.param("create new.zarr", [[256, 256], [256, 256], [165, 138]], id="create"),
    ],
)
def test_a_dry_run_of_any_command_shows_axes_levels_and_chunks(
    plane: Path, monkeypatch: pytest.MonkeyPatch, words: str, chunks: Any
) -> None:
    monkeypatch.chdir(plane.parent)
    run("write", plane, "a.zarr", "--scale-factors", "2", "--scale", "0.5", "--unit", "micrometer", "--axes", "yx")
    before = sorted(plane.parent.rglob("*"))
    shown = run(*words.split(), "--dry-run").stdout
    found = json.loads(run(*words.split(), "--dry-run", "--json").stdout)
    found = found[0] if isinstance(found, list) else found
    assert [axis["name"] for axis in found["axes"]] == ["y", "x"]
    assert [level["chunks"] for level in found["levels"]] == chunks
    assert "levels\n  path  pixels" in shown
    assert f"0     {found['axes'][0]['size']} x {found['axes'][1]['size']}" in shown
    assert words.split()[0] == "create" or "new" in shown or "a.zarr/labels/n" in shown
    assert sorted(plane.parent.rglob("*")) == before


@pytest.mark.parametrize("command", ["create", "write", "scale"])
def test_what_was_written_is_said_in_json_where_that_is_asked_for(plane: Path, command: str) -> None:
    zarr.create_array(plane.parent / "array", data=PLANE, chunks=(32, 32))
    place = plane.parent / "a.zarr"
    words: dict[str, list[Any]] = {
        "create": [place],
        "write": [plane, place],
        "scale": [plane.parent / "array", place, "yx"],
    }
    found = json.loads(run(command, *words[command], "--json").stdout)
    assert found == json.loads(json.dumps(describe_store(str(place)).to_dict()))


def test_quiet_info_says_nothing_but_errors(plane: Path) -> None:
    run("write", plane, plane.parent / "a.zarr")
    assert run("info", plane.parent / "a.zarr", "-q").output == ""
    assert run("info", plane.parent / "b.zarr", "-q", code=2).stderr.startswith(f"Error: There is no {plane.parent}")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        pytest.param("-q write plane.npy new -v", "--quiet and --verbose contradict", id="quiet-and-verbose"),
        pytest.param("write plane.npy new -vq", "--quiet and --verbose contradict", id="at-one-place"),
        pytest.param("write plane.npy new --plan --overwrite --resume", "give one of them", id="plan-both"),
        pytest.param("write plane.npy new --plan --workers 2 --scheduler tcp://a:1", "give one", id="plan-machines"),
        pytest.param("scale array new yx --workers 2 --scheduler tcp://a:1", "give one of them", id="scale-machines"),
        pytest.param(
            "write plane.npy new --unit s",
            "'s' is not a unit of any axis",
            id="unit-of-no-axis",
        ),
        pytest.param("write plane.npy new.ozx --resume", "leave out --resume", id="resumed-zip"),
        pytest.param("write plane.npy there.ozx", "pass --overwrite to replace it", id="zip-is-there"),
        pytest.param("create there.ozx", "pass --overwrite to replace it", id="created-zip-is-there"),
        pytest.param("validate new --format 0.3", "Known: 0.4, 0.5, 0.6", id="version-to-validate"),
    ],
)
def test_options_that_contradict_are_refused(
    plane: Path, monkeypatch: pytest.MonkeyPatch, line: str, says: str
) -> None:
    monkeypatch.chdir(plane.parent)
    zarr.create_array("array", data=PLANE)
    run("write", plane, "there.ozx")
    before = every_file(plane.parent)
    result = run(*line.split(), code=2)
    assert says in result.stderr
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
    assert every_file(plane.parent) == before


def test_a_scale_runs_with_the_memory_that_it_is_given(plane: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def scale(self: Scaler, *places: Any, **words: Any) -> None:
        seen.append(config.memory_target)

    monkeypatch.setattr(Scaler, "scale", scale)
    run("scale", "array", "new", "yx", "--memory-target", "3MiB")
    assert seen == [3 * 2**20]
    assert config.memory_target != 3 * 2**20


@pytest.mark.parametrize(
    ("words", "incomplete", "wanted"),
    [
        pytest.param([], "wr", ["write"], id="command"),
        pytest.param(["write"], "--mem", ["--memory-target"], id="option"),
        pytest.param(["write", "--method"], "lo", ["local_mean"], id="method"),
        pytest.param(["create", "--format"], "", ["0.4", "0.5", "0.6"], id="version"),
        pytest.param(["create", "--method"], "c", ["cell", "coins"], id="picture"),
    ],
)
def test_a_shell_completes_commands_options_and_names(words: list[str], incomplete: str, wanted: list[str]) -> None:
    completion = ShellComplete(main, {}, "ome-ngff", "_OME_NGFF_COMPLETE")
    assert [item.value for item in completion.get_completions(words, incomplete)] == wanted


@pytest.mark.parametrize("name", COMMANDS)
def test_a_shell_completes_files(name: str) -> None:
    completion = ShellComplete(main, {}, "ome-ngff", "_OME_NGFF_COMPLETE")
    assert [(item.type, item.value) for item in completion.get_completions([name], "pla")] == [("file", "pla")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_printed(shell: str) -> None:
    words = {**ENVIRONMENT, "_OME_NGFF_COMPLETE": f"{shell}_source"}
    if shell == "bash":
        version = subprocess.run(["bash", "--version"], capture_output=True, check=False)
        if version.returncode:
            pytest.skip("click asks bash for its version")
    script = "from ome_ngff.cli import main; main(prog_name='ome-ngff')"
    done = subprocess.run([sys.executable, "-c", script], env=words, capture_output=True, text=True, check=True)
    assert "_ome_ngff_completion" in done.stdout


# What goes wrong -----------------------------------------------------------------------------------------------------


def test_what_nobody_foresaw_is_one_line_and_leaves_with_1(plane: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **words: Any) -> None:
        raise RuntimeError("the disk\nmelted")

    monkeypatch.setattr("ome_ngff.write.execution.check_progress", fail)
    result = run("write", plane, plane.parent / "a.zarr", code=1)
    assert result.stderr == "Error: RuntimeError: the disk melted (-vv shows where)\n"
    assert "Traceback" in run("write", plane, plane.parent / "a.zarr", "-vv", code=1).stderr


def test_a_cut_tiff_is_one_line_whatever_its_reader_logs(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([PLANE] * 3), imagej=True, metadata={"axes": "ZYX"})
    os.truncate(tmp_path / "a.tif", 25000)
    logger = logging.getLogger("tifffile")
    handlers = list(logger.handlers)
    command = [sys.executable, "-m", "ome_ngff", "write", str(tmp_path / "a.tif"), str(tmp_path / "a.zarr")]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "a.tif is cut short" in done.stderr
    told = run("write", tmp_path / "a.tif", tmp_path / "a.zarr", "-v", code=2).stderr
    assert "tifffile: " in told
    assert not (tmp_path / "a.zarr").exists()
    assert logger.handlers == handlers


@pytest.mark.parametrize(
    ("words", "way_on"),
    [
        pytest.param("write a.npy a.zarr", "; --resume goes on where it stopped", id="write"),
        pytest.param("write a.npy a.zarr --join", "; the same command goes on where it stopped", id="join"),
        pytest.param("write a.npy --into out", "; the same command goes on where it stopped", id="into"),
        pytest.param("plate plates.csv a.zarr", "; the same command goes on where it stopped", id="plate"),
        pytest.param("labels a.npy a.zarr --join", "; the same command goes on where it stopped", id="labels"),
        pytest.param("validate a.zarr", "", id="validate"),
    ],
)
def test_who_interrupts_a_command_hears_the_way_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, way_on: str
) -> None:
    def interrupted(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    np.save("a.npy", PLANE)
    monkeypatch.setattr(main.get_command(None, words.split()[0]), "callback", interrupted)  # type: ignore[arg-type]
    assert run(*words.split(), code=1).stderr == f"Error: Interrupted{way_on}.\n"


def test_planes_that_a_file_lacks_are_a_warning(tmp_path: Path) -> None:
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        'DimensionOrder="XYZCT" Type="uint16" SizeX="80" SizeY="64" SizeZ="3" SizeC="1" SizeT="1"><Channel ID="C:0"/>'
        "<TiffData/></Pixels></Image></OME>"
    )
    options = {"metadata": None, "compression": "zlib", "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.ome.tif", np.stack([PLANE] * 2), description=xml, **options)
    command = [sys.executable, "-m", "ome_ngff", "write", str(tmp_path / "a.ome.tif"), str(tmp_path / "a.zarr")]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert done.stderr.startswith("Warning: ")
    np.testing.assert_array_equal(pixels(tmp_path / "a.zarr")[0], np.stack([PLANE, PLANE, 0 * PLANE]))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_ctrl_c_is_one_line_and_resume_goes_on(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 4000, (256, 512, 512)).astype("uint16"))
    words = [str(tmp_path / "a.npy"), str(tmp_path / "a.zarr"), "--axes", "zyx", "--memory-target", "16MiB"]
    command = [sys.executable, "-m", "ome_ngff", "write", *words]
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as child:
        while child.poll() is None and not list((tmp_path / "a.zarr").glob("0/c/*")):
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (1, "Error: Interrupted; --resume goes on where it stopped.\n")
    assert "incomplete" in run("info", tmp_path / "a.zarr").stdout
    run("write", *words, "--resume")
    np.testing.assert_array_equal(pixels(tmp_path / "a.zarr")[0], np.load(tmp_path / "a.npy"))


# One file ------------------------------------------------------------------------------------------------------------


def test_a_single_file_has_what_a_folder_has(plane: Path) -> None:
    for place in ("a.ozx", "a.zarr"):
        run("write", plane, plane.parent / place, "--name", "cells")
        run("create", plane.parent / f"demo-{place}")
    assert sorted(path.name for path in plane.parent.iterdir()) == [
        "a.ozx",
        "a.zarr",
        "demo-a.ozx",
        "demo-a.zarr",
        "plane.npy",
    ]
    for place in ("a", "demo-a"):
        one, many = (describe_store(str(plane.parent / f"{place}.{end}")).to_dict() for end in ("ozx", "zarr"))
        assert {**one, "path": ""} == {**many, "path": ""}
        assert one["images"][0]["channels"]
    image = open_input(plane.parent / "a.ozx")
    np.testing.assert_array_equal(image.data[...], PLANE)
    image.data.origin.store.close()
    assert document(plane.parent / "demo-a.zarr" / "labels")["labels"]
