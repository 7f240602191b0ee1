"""What the page on migrating offers for the names of ome-zarr and ngff-zarr is there, and the calls of it run."""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from helpers import migrating

import ome_ngff
from ome_ngff.cli import main

TABLES = ["### Name by name", "### Names"]
OFFERED = list(dict.fromkeys(code for table in TABLES for code in migrating(table, -1)))
FACES = "writer convert compat scale format axes spaces methods dask_utils io samples inputs exceptions".split()
WRITERS = "write_image write_labels write_label_metadata to_ngff_zarr to_multiscales NgffImage".split()
THEIRS = {  # words of others, of the specification and of other tools, in the column of what is here
    "Axes(...).to_list()", "node.data", "node.metadata", "omero:shapeId", "label-value", "[r, g, b, a]", "tissue",
    "aws s3 cp --recursive", "dataclasses.replace", '["description"]', ".description", "root_attributes",
    "generated_data_keys", "AnatomicalOrientation(value=AnatomicalOrientationValues.left_to_right)", "get_well",
    "get_image", "axis_order", "axes_types", ".axes", "blosc:zstd", "blosc-zstd", "image.read(...)", "bioio-lif",
    'open_input("a.lif", series=...)', "scipy.ndimage.affine_transform", "shape", "dtype", "view", "description",
    "version", ".ozx", ".zip", "ome-ngff", "-v", "-vv", "--json",
}  # fmt: skip


STACK = np.ones((4, 32, 32), "uint8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two images, labels and a plate, once."""
    folder = tmp_path_factory.mktemp("migrating")
    for name, version in (("image.zarr", "0.5"), ("old.zarr", "0.4")):
        ome_ngff.write_image(STACK, folder / name, axes="zyx", scale_factors=[2], fmt=version)
    ome_ngff.write_labels(STACK, folder / "image.zarr", "cells", axes="zyx")
    ome_ngff.write_field(STACK, folder / "plate.zarr", "B/3", axes="zyx")
    return folder


@pytest.fixture
def known(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stand in a folder with an image, labels and a plate; return the names that the page uses for them."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    Path("measured.csv").write_text("shape_id,area\n1,3\n")
    names = {name: getattr(ome_ngff, name) for name in ome_ngff.__all__}
    names |= {face: import_module(f"ome_ngff.{face}") for face in FACES}
    names |= {name: getattr(names["samples"], name) for name in ("cell", "tissue")}
    names |= {"ome_ngff": ome_ngff, "zarr": zarr, "attrs": import_module("attrs"), "version": "0.5", "k": 1}
    names |= dict.fromkeys(("url", "store", "path"), "image.zarr") | {"group": "image.zarr/labels"}
    names |= {"image": ome_ngff.open_image("image.zarr"), "plate": ome_ngff.open_plate("plate.zarr"), "name": "cells"}
    names |= {"metadata": names["image"].metadata, "field": 1, "level": names["image"].images[0]}
    names["attributes"] = dict(zarr.open_group("image.zarr", mode="r").attrs)
    return names


def command(code: str) -> None:
    """Run a command of the page, with files for its words; `view` would wait for a browser."""
    words = shlex.split(code)[1:]
    files = {"PATH": "image.zarr", "URL": "image.zarr", "IN": "image.zarr", "STORE": "old.zarr"}
    files |= {"OUT": "new.zarr", "OUT.zarr": "new.zarr"}
    said = [files.get(word, word) for word in words]
    if len(words) == 1 or words[0] == "view":
        said = [words[0], "--help"]
    elif words[0] == "create":
        said.append("new.zarr")
    elif words[0] == "preview":
        said += ["-o", "page.html"]
    elif words[0] == "scale":
        said[1] = "old.zarr/0"
    done = CliRunner().invoke(main, said)
    assert done.exit_code == 0, done.output


def argument(word: str, value: str, known: dict[str, Any]) -> None:
    """Give an argument to a function that takes it."""
    takes = [name for name in WRITERS if word in inspect.signature(known[name]).parameters]
    assert takes, word
    if value:
        words = {word: eval(value, known)}
        if takes[0] == "write_labels":
            known["write_labels"](STACK, "image.zarr", "new", axes="zyx", **words)
        elif takes[0] == "write_image":
            known["write_image"](STACK, "new.zarr", axes="zyx", **words)
        else:
            known["to_ngff_zarr"]("new.zarr", known["image"], **words)


def evaluated(code: str, known: dict[str, Any]) -> Any:
    calls: dict[str, Callable[[], Any]] = {
        "Multiscales.to_ome_zarr(store)": lambda: known["image"].to_ome_zarr("new.zarr"),
        'write_field(image, plate, "B/3", field)': lambda: known["write_field"](
            STACK, "plate.zarr", "B/3", 1, axes="zyx"
        ),
        "validate(store).findings": lambda: known["validate"]("image.zarr").findings,
        "Multiscales.attributes": lambda: known["image"].attributes,
    }
    return calls.get(code, lambda: eval(code, known))()


def is_word(code: str) -> bool:
    return code.isidentifier() or code.startswith(".")


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
@pytest.mark.parametrize(
    "code", [pytest.param(code, id=code) for code in OFFERED if code not in THEIRS and not is_word(code)]
)
def test_what_the_page_offers_runs(code: str, known: dict[str, Any]) -> None:
    given = re.fullmatch(r"(\w+)=(.*)", code)
    if code.startswith("ome-ngff "):
        command(code)
    elif given:
        argument(given[1], given[2], known)
    elif code.startswith('"'):
        argument("version" if re.match(r'"\d', code) else "compression", code, known)
    elif code.startswith("from "):
        exec(code, {})
    else:
        assert evaluated(code, known) is not NotImplemented


def test_the_names_that_the_page_offers_are_there(known: dict[str, Any]) -> None:
    things = [known[name] for name in ("image", "plate", "level")] + [known["io"].parse_url("image.zarr")]
    fields = {name for thing in (*things, ome_ngff.Finding, known["compat"].OMEZarrMultiscale) for name in dir(thing)}
    members = {name for face in FACES for name in dir(known[face])} | set(ome_ngff.Methods.__members__)
    taken = {name for call in WRITERS for name in inspect.signature(known[call]).parameters}
    there = fields | members | taken | set(known) | {"compressor", "compressors"}
    words = [code for code in OFFERED if is_word(code) and code not in THEIRS]
    assert [code for code in words if code.strip(".()") not in (fields if code[0] == "." else there)] == []


def test_words_that_are_left_out_still_stand_in_the_page() -> None:
    assert set(OFFERED) >= THEIRS
