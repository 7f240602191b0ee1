"""Settings of Sphinx. Nothing here needs the network."""

from __future__ import annotations

import importlib

import click
from sphinx.application import Sphinx

import ome_ngff

project = "ome_ngff"
author = "the ome_ngff developers"
copyright = "2026, the ome_ngff developers"
version = release = ome_ngff.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.doctest", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = f"ome_ngff {version}"
exclude_patterns = ["_build"]

# Docstrings put code in single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# Our own names must resolve (ome_ngff.axes.Axis). Those of other packages would need their inventories from the
# network, and a bare word such as `Format` is what annotations under TYPE_CHECKING come to.
nitpick_ignore_regex = [
    ("py:.*", r"(?!ome_ngff\.).*"),
    ("py:.*", r"ome_ngff\.(layout|levels|request|storage)\..*"),  # rooms that the API page does not show
]

# Examples write where nobody looks.
doctest_global_setup = """
import os, tempfile
_before, _scratch = os.getcwd(), tempfile.TemporaryDirectory()
os.chdir(_scratch.name)
"""
doctest_global_cleanup = """
os.chdir(_before)
_scratch.cleanup()
"""


# What scripts use. The other modules are the house; docs/architecture.md leads through it.
PUBLIC = """
    writer multiscales ngff_zarr reader image metadata scale methods format axes config inputs dask_utils io exceptions
""".split()


def modules() -> str:
    """Return one section for every public module."""
    section = "## ome_ngff.{0}\n\n```{{eval-rst}}\n.. automodule:: ome_ngff.{0}\n   :members:\n```\n"
    return "\n".join(section.format(name) for name in PUBLIC)


def commands() -> str:
    """Return one section for every command, with what its --help says."""
    main = importlib.import_module("ome_ngff.cli").main
    with click.Context(main, info_name="ome-ngff", terminal_width=100) as parent:
        helps = [("ome-ngff", main.get_help(parent))]
        for name in main.list_commands(parent):
            command = main.get_command(parent, name)
            with click.Context(command, info_name=name, parent=parent) as context:
                helps.append((f"ome-ngff {name}", command.get_help(context)))
    return "\n".join(f"## {name}\n\n```text\n{text}\n```\n" for name, text in helps)


GENERATED = {"api": modules, "cli": commands}


def fill_in(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the generated part of a page where the page says {generated}."""
    if docname in GENERATED:
        source[0] = source[0].replace("{generated}", GENERATED[docname]())


def setup(app: Sphinx) -> None:
    """Join in when Sphinx starts."""
    app.connect("source-read", fill_in)
