"""Messages on the command line: ways out are options, wrong words are answered with the right ones."""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

import ome_ngff
from ome_ngff import export, open_image, undo, upgrade, verify, write_image
from ome_ngff.cli import COMMANDS, main
from ome_ngff.cli.errors import _in_options
from ome_ngff.cli.options import Command

PACKAGE = Path(ome_ngff.__file__).parent
#: what only Python has, and no command can come to
IN_PYTHON_ALONE = (
    "storage_options|coordinate_transformations|dimension_separator|dimension_names|output_shape|anti_aliasing|compute="
    "|label_metadata|use_tensorstore|napari layer|slice\\(None|to_multiscales|count=X|level=X"
)
PYTHON = re.compile(
    r"\b[a-z]\w*=(True\b|False\b|None\b|['\"\[(]|(?=[\s.,;)]|$))|\b[a-z]\w*\([^)]*\)|\b(?!ome_ngff)[a-z]+_[a-z_]+\b"
)


def run(*words: Any, code: int = 2) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words], prog_name="ome-ngff")
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def spelled(node: ast.AST) -> str | None:
    """Return the text of a literal, with X for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
    return None


@cache
def messages() -> list[str]:
    """Return what all errors and warnings of the package say: whole texts, not the parts that they are made of."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            name = getattr(getattr(node, "func", None), "id", "")
            if isinstance(node, ast.Call) and node.args and (name.endswith("Error") or name == "warn"):
                text = spelled(node.args[0])
                if text and not re.search(IN_PYTHON_ALONE, text) and file.parent.name != "cli":
                    found.add(text)
    return sorted(found)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_message_offers_python_on_the_command_line(name: str) -> None:
    assert len(messages()) > 300
    with click.Context(main) as context:
        context.invoked_subcommand = name
        said = [_in_options(message) for message in messages()]
    assert [message for message in said if PYTHON.search(message)] == []


@pytest.mark.parametrize(
    ("name", "message", "expected"),
    [
        pytest.param("write", "X is there; pass resume=True.", "X is there; pass --resume.", id="option"),
        pytest.param("preview", "X is unfinished; pass join=True.", "X is unfinished; pass --join.", id="of others"),
        pytest.param("labels", "It is a float; convert with x.astype('u1').", "It is a float.", id="call"),
        pytest.param("write", "Say axes=, as in axes='zyx'.", "Say --axes, as in --axes zyx.", id="empty"),
        pytest.param("info", "my_file=x.tif is broken.", "my_file=x.tif is broken.", id="what came"),
        pytest.param("write", "Use method='mode' or 'nearest'.", "Use --method mode or nearest.", id="choice"),
        pytest.param("write", "scale names 'q', not a scale.", "--scale names 'q', not a scale.", id="at once"),
        pytest.param("write", "It grows (got [3.0, 2.5]).", "It grows (got 3,2.5).", id="numbers"),
        pytest.param(
            "write", "Halvings are [2, 4]; halvings are [2].", "Halvings are [2, 4]; halvings are 2.", id="few"
        ),
        pytest.param(
            "info", "a[1].tif at [0, 1] has multiscales[0].", "a[1].tif at [0, 1] has multiscales[0].", id="names"
        ),
        pytest.param(
            "info", "Give store_options, such as anon=True.", "Give --store-option, such as anon=true.", id="keys"
        ),
    ],
)
def test_ways_out_are_spelled_as_options(name: str, message: str, expected: str) -> None:
    with click.Context(main) as context:
        context.invoked_subcommand = name
        assert _in_options(message) == expected


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        pytest.param("write a b --pixel-size 1", "Did you mean --scale?", id="pixel size"),
        pytest.param("write a b --levels 3", "Did you mean --scale-factors?", id="levels"),
        pytest.param("write a b --chunks 64x64x64", "write 64,64,64", id="chunks"),
        pytest.param("write a b --force", "Did you mean --overwrite?", id="force"),
        pytest.param("viw a", "Did you mean 'view'?", id="letter"),
        pytest.param("show a", "Did you mean 'view'?", id="show"),
        pytest.param("convert a b", "Did you mean 'write'?", id="convert"),
        pytest.param("frobnicate a", "no command 'frobnicate'. Known: create", id="nothing like it"),
        pytest.param("preview a cells.png", "(cells.png). Did you mean -o cells.png? See", id="picture"),
        pytest.param("write a b --pixel-size 1", "No such option: --pixel-size. Did you mean", id="sentences"),
        pytest.param("write a.npy b --axes x", "name 1 dimension,", id="one"),
        pytest.param("edit a --name", "requires an argument. See 'ome-ngff edit --help'.", id="help of the command"),
    ],
)
def test_wrong_words_are_answered_with_the_right_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.zeros((8, 8), "u1"))
    assert hint in run(*words.split())


def test_a_channel_is_found_whatever_its_case(tmp_path: Path) -> None:
    names = [
        {"label": name, "color": "FFFFFF", "window": {"min": 0, "max": 9, "start": 0, "end": 9}}
        for name in ("DAPI", "GFP")
    ]
    write_image(np.zeros((2, 8, 8), "u1"), tmp_path / "a.zarr", axes="cyx", omero={"channels": names})
    assert "Did you mean 'DAPI'?" in run("preview", tmp_path / "a.zarr", "--channel", "dapi")


@pytest.mark.parametrize("command", ["validate", "preview", "view", "export", "upgrade", "edit"])
def test_a_file_of_others_is_named_for_what_it_is(tmp_path: Path, command: str) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((8, 8), "u1"))
    words = [tmp_path / "out.ome.tif"] if command == "export" else []
    assert "x.tif is a TIFF file, not an OME-Zarr; ome-ngff info" in run(command, tmp_path / "x.tif", *words)


def test_labels_name_the_file_that_is_given_for_their_image(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((8, 8), "u1"))
    assert "x.tif is a TIFF file, not an OME-Zarr" in run("labels", tmp_path / "x.tif", tmp_path / "x.tif")


@pytest.mark.parametrize(
    "words",
    [
        *(f"{command} cells.ome.zar" for command in ("info", "validate", "preview", "view", "upgrade")),
        "edit cells.ome.zar --name a",
        "edit cells.ome.zar --undo",
        "export cells.ome.zar a.ome.tif",
        "labels cells.npy cells.ome.zar",
        "scale cells.ome.zar out.zarr",
        "scale cells.ome.zar --in-place",
        "write cells.ome.zar out.zarr",
        "plate cells.ome.zar out.zarr",
    ],
)
def test_a_store_that_is_missing_is_answered_with_its_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("cells.npy", np.zeros((16, 20), "u1"))
    write_image(np.zeros((16, 20), "u1"), "cells.ome.zarr", axes="yx")
    assert run(*words.split()).endswith("cells.ome.zar. Did you mean 'cells.ome.zarr'?\n")


def test_a_store_that_is_missing_has_no_neighbour_of_another_name(tmp_path: Path) -> None:
    write_image(np.zeros((16, 20), "u1"), tmp_path / "cells.ome.zarr", axes="yx")
    assert "Did you mean" not in run("info", tmp_path / "tissue.ome.zarr")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param("x.tif", "x.tif is a TIFF file, and neither a manifest (.csv), nor a folder, nor", id="file"),
        pytest.param("nothing", "There is no nothing.", id="missing"),
        pytest.param("empty", "There is no image in empty.", id="empty"),
    ],
)
def test_a_plate_says_what_it_was_given_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("x.tif", np.zeros((8, 8), "u1"))
    (tmp_path / "empty").mkdir()
    assert said in run("plate", given, "plate.zarr")


def test_scale_looks_for_the_array_before_it_asks_for_axes(tmp_path: Path) -> None:
    write_image(np.zeros((16, 20), "u1"), tmp_path / "a.zarr", axes="yx")
    assert "There is no Zarr array at" in run("scale", tmp_path / "nothing", tmp_path / "out.zarr")
    assert "it is a group, in which one is named" in run("scale", tmp_path / "a.zarr", tmp_path / "out.zarr")
    assert "Missing argument 'AXES'" in run("scale", tmp_path / "a.zarr" / "0", tmp_path / "out.zarr")


def test_help_of_labels_says_what_is_taken_from_the_image() -> None:
    said = " ".join(run("labels", "--help", code=0).split())
    for words in (
        "--scale z=0.5,y=0.1,x=0.1 Pixel size per axis; what is left out is that of IMAGE.",
        "Unit per axis; what is left out is that of IMAGE.",
        "Pixels per chunk. [default: those of IMAGE]",
        "numbers hold for y and x. [default: those of IMAGE]",
    ):
        assert words in said


def test_info_lists_what_a_folder_holds(tmp_path: Path) -> None:
    (tmp_path / "day1").mkdir()
    write_image(np.zeros((16, 20), "u1"), tmp_path / "day1" / "a.ome.zarr", axes="yx")
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((8, 8), "u1"))
    np.save(tmp_path / "y.npy", np.zeros((8, 8), "u1"))
    (tmp_path / "notes.txt").write_text("nothing")
    lines = [line.split("  ") for line in run("info", tmp_path, code=0).splitlines()]
    cells = [[cell.strip() for cell in line if cell] for line in lines]
    assert ["day1/a.ome.zarr", "image, OME-Zarr 0.5", "16 x 20"] in cells
    assert ["x.tif", "a TIFF file", "-"] in cells
    assert "notes.txt" not in str(cells)


@pytest.mark.parametrize(
    "names", [pytest.param(["a.ome.zarr"], id="one"), pytest.param(["t1.zarr", "t2.zarr"], id="numbered")]
)
def test_a_folder_of_images_is_listed_and_not_taken_for_planes(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        write_image(np.zeros((16, 20), "u1"), tmp_path / "day1" / name, axes="yx")
    rows = run("info", tmp_path / "day1", code=0).splitlines()[3:]
    assert [re.split("  +", row.strip()) for row in rows] == [[n, "image, OME-Zarr 0.5", "16 x 20"] for n in names]


def test_info_shows_where_levels_begin(tmp_path: Path) -> None:
    where = [[{"type": "scale", "scale": [0.5, 0.5]}, {"type": "translation", "translation": [3, 7]}]]
    write_image(np.zeros((16, 20), "u1"), tmp_path / "a.zarr", axes="yx", coordinate_transformations=where)
    levels = run("info", tmp_path / "a.zarr", code=0).partition("levels\n")[2].splitlines()
    assert levels[0].endswith("position")
    assert levels[1].endswith("3, 7")


def test_help_has_groups_and_examples() -> None:
    said = run("--help", code=0)
    for word in ("Write:", "Change:", "Look and check:", "Examples:", "ome-ngff write tissue.tif tissue.ome.zarr"):
        assert word in said
    assert all(re.search(rf"^  {name} ", said, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_of_a_command_are_shown_and_understood(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert isinstance(command, Command)
    said = run(name, "--help", code=0)
    assert command.examples
    for example in command.examples:
        assert f"\n  {example}\n" in said
        assert command.make_context(name, shlex.split(example)[2:]).params


def test_long_help_is_in_sections() -> None:
    said = run("labels", "--help", code=0)
    sections = ["Options:", "Input:", "Levels and storage:", "Writing:", "Machine:", "Other:", "Examples:"]
    assert re.findall(r"^\w.*:$", said, re.MULTILINE) == sections
    assert "--method [nearest|mode]" in said


def test_options_of_a_store_reach_every_call(tmp_path: Path) -> None:
    write_image(np.zeros((8, 8), "u1"), tmp_path / "a.zarr", axes="yx")
    calls = [
        lambda: upgrade(tmp_path / "a.zarr", store_options={"anon": True}),
        lambda: undo(tmp_path / "a.zarr", store_options={"anon": True}),
        lambda: export(tmp_path / "a.zarr", tmp_path / "a.ome.tif", store_options={"anon": True}),
    ]
    for call in calls:
        with pytest.raises(ome_ngff.OptionError, match="store_options are for the store behind a URL"):
            call()
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((8, 8), "u1"))
    assert verify(tmp_path / "x.tif", tmp_path / "a.zarr", store_options={"anon": True})
    assert open_image(tmp_path / "a.zarr").images
