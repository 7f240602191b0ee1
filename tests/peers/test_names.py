"""What is public in ome-zarr and ngff-zarr has a row in the page on migrating: each name, argument and option."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from fnmatch import fnmatch
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import ngff_zarr
import ome_zarr
import pytest
from helpers import migrating

import ome_ngff

CALLS = ("to_ngff_image", "to_multiscales", "to_ngff_zarr", "from_ngff_zarr")


def words(heading: str) -> set[str]:
    """Return the names, words and patterns in the first column of the tables below a heading."""
    return {word for code in migrating(heading, 0) for word in re.findall(r"-{0,2}\w[\w*-]*", code)}


def left_out(names: Any, heading: str) -> list[str]:
    known = words(heading)
    return sorted(name for name in set(names) if not any(fnmatch(name, pattern) for pattern in known))


def defined(package: Any) -> set[str]:
    """Return the functions and classes of the public modules of a package."""
    modules = [module.name for module in walk_packages(package.__path__, f"{package.__name__}.")]
    found = [import_module(name) for name in modules if "._" not in name]
    things = [thing for module in found for thing in vars(module).values() if hasattr(thing, "__name__")]
    own = [
        t for t in things if getattr(t, "__module__", "") in modules and (inspect.isclass(t) or inspect.isroutine(t))
    ]
    return {thing.__name__ for thing in own if not thing.__name__.startswith("_")}


def test_each_name_of_ome_zarr_has_a_row() -> None:
    assert left_out(defined(ome_zarr), "### Name by name") == []


def test_each_name_of_ngff_zarr_has_a_row() -> None:
    assert left_out([name for name in ngff_zarr.__all__ if name != "__version__"], "### Names") == []


@pytest.mark.parametrize("name", CALLS)
def test_each_argument_of_ngff_zarr_is_taken_or_has_a_row(name: str) -> None:
    theirs = set(inspect.signature(getattr(ngff_zarr, name)).parameters) - {"kwargs"}
    ours = set(inspect.signature(getattr(ome_ngff, name)).parameters)
    assert left_out(theirs - ours, "### Names") == []


@pytest.mark.parametrize("command", [pytest.param([], id="convert"), pytest.param(["upgrade"], id="upgrade")])
def test_each_option_of_ngff_zarr_has_a_row(command: list[str]) -> None:
    program = "import sys; from ngff_zarr.cli import main; sys.argv[0] = 'ngff-zarr'; main()"
    said = subprocess.run(
        [sys.executable, "-c", program, *command, "--help"], capture_output=True, text=True, check=True
    )
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", said.stdout)) - {"--help"}
    assert len(options) > 3
    assert left_out(options, "### The command line") == []
