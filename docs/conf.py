"""Settings of Sphinx. Nothing here needs the network."""

from __future__ import annotations

import ast
import importlib
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import click
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging

import ome_ngff
from ome_ngff.format import Format, format_implementations
from ome_ngff.read.validation import validate
from ome_ngff.read.validation.images import STORE_RULES
from ome_ngff.spec.rules.book import MISSING, RULES, Rule

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tests")]
import pictures  # noqa: E402
from examples import documents as examples  # noqa: E402
from examples import hierarchies as stores  # noqa: E402

project = "ome_ngff"
author = "the ome_ngff developers"
copyright = "2026, the ome_ngff developers"
version = release = ome_ngff.__version__

extensions = ["myst_parser", "sphinx_copybutton"]
extensions += [f"sphinx.ext.{name}" for name in ("autodoc", "doctest", "napoleon", "viewcode")]
copybutton_prompt_text, copybutton_prompt_is_regexp = r">>> |\.\.\. |\$ ", True
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
    ("py:.*", r"ome_ngff\.(spec|pixels|store|engine|image|show|read|write|inputs)\.[a-z]\w*\..*"),  # private modules
    ("py:.*", r"ome_ngff\.(pixels|store|engine)\..*"),  # rooms that the API page does not show
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


# What scripts use, in the order of the API page: modules at the top whole, of a room what `ome_ngff` itself has.
PUBLIC = """writer convert image write read spaces spec scale methods format axes config dask_utils io compat
exceptions""".split()
SHOWN = {
    "convert": "convert convert_plate Conversion open_input describe_input open_labels verify Digest export".split(),
    "scale": ["Scaler"],
    "spaces": """Affine Bijection ByDimension Coordinates CoordinateSystem Displacements Edge Graph Identity MapAxis
    OnAxes ProjectAxis Ref Rotation Scene Sequence Transformation Unknown compose open_scene write_scene""".split(),
}
FACES = ["spaces", "methods", "format", "axes", "dask_utils"]  # have nothing of their own


def modules() -> str:
    """Return a table of the names that `ome_ngff` itself has, and one section for every public module."""
    homes = list(dict.fromkeys([*PUBLIC, *public_names().values()]))
    names = sorted(public_names().items(), key=lambda item: homes.index(item[1]))
    rows = [f"| {{py:obj}}`{name} <ome_ngff.{home}.{name}>` | {first_line(name, home)} |" for name, home in names]
    return "\n".join(["| name | does |", "|---|---|", *rows, "", *map(section, homes)])


def section(home: str) -> str:
    """Return the section of a module."""
    room = (Path(ome_ngff.__file__).parent / home).is_dir()
    of_room = [name for name, where in public_names().items() if where == home]
    values = [name for name in of_room if room and not callable(getattr(ome_ngff, name))]
    members = ", ".join(SHOWN.get(home, [name for name in of_room if name not in values] if room else []))
    directive = f".. automodule:: ome_ngff.{home}\n   :members: {members}".rstrip()
    directive += "\n   :imported-members:" * (home in FACES)
    for name in values:
        directive += f"\n\n.. py:data:: {name}\n   :module: ome_ngff.{home}\n\n   {first_line(name, home)}"
    return f"## ome_ngff.{home}\n\n```{{eval-rst}}\n{directive}\n```\n"


def public_names() -> dict[str, str]:
    """Return the module that each name of `ome_ngff` itself lives in."""
    return exported("")


def exported(home: str) -> dict[str, str]:
    """Return the module that each name which a front exports is from."""
    stub = ast.parse((Path(ome_ngff.__file__).parent / home / "__init__.pyi").read_text(encoding="utf-8"))
    found = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in found for alias in node.names}


def first_line(name: str, home: str) -> str:
    """Return the first line of what a public name says of itself."""
    inside = exported(home).get(name) if (Path(ome_ngff.__file__).parent / home).is_dir() else None
    module = ".".join(filter(None, ["ome_ngff", home, inside]))
    beside = ModuleAnalyzer.for_module(module).find_attr_docs().get(("", name))
    said = beside[0] if beside else (getattr(ome_ngff, name).__doc__ or "").strip().split("\n")[0]
    return said.replace("|", "\\|")


def every_name(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of public names that the API page does not show."""
    shown = env.domaindata["py"]["objects"]
    for name, home in public_names().items():
        if f"ome_ngff.{home}.{name}" not in shown:
            logging.getLogger(__name__).warning("docs/api.md does not show %s of ome_ngff.%s", name, home)


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


def rules() -> str:
    """Return one section for every rule: its sentence, a wrong and a right example, what is said of the wrong one."""
    books = {"In documents": RULES, "In stores": STORE_RULES}
    return "\n".join(
        f"### {title}\n\n" + "\n".join(rule_section(rule, book is STORE_RULES) for rule in book.values())
        for title, book in books.items()
    )


def rule_section(rule: Rule, of_store: bool) -> str:
    """Return the section of a rule."""
    exists = bool(rule.at) or not of_store
    told = {fmt: told_of(rule, fmt, of_store) for fmt in format_implementations()} if exists else {}
    where = [fmt for fmt, finding in told.items() if finding]
    versions = " and ".join(sorted(fmt.version for fmt in where)) or "0.4 to 0.6"
    text = f"(rule-{rule.id})=\n#### {rule.id}\n\n*{rule.severity}, {versions}* – {rule.words}\n"
    if not where:
        return text
    at = examples.place(rule.at, where[0]).replace(".document.", ": ") or "attributes"
    lines = (
        f"wrong  {at} {as_text(rule.wrong)}",
        f"right  {at} {as_text(right_value(rule, where[0], of_store))}",
        f"told   {told[where[0]]}",
    )
    wrapped = (textwrap.fill(line, 110, subsequent_indent=" " * 7, break_on_hyphens=False) for line in lines)
    return f"{text}\n```text\n" + "\n".join(wrapped) + "\n```\n"


def told_of(rule: Rule, fmt: Format, of_store: bool) -> str:
    """Return the line that is printed about the wrong example, where the version has this rule."""
    if of_store:
        findings = list(validate(stores.build(stores.wrong(rule, fmt), fmt), data=True).findings)
    else:
        findings = fmt.findings(examples.wrong(rule, fmt), rule.kind)
    return next((str(finding) for finding in findings if finding.rule == rule.id), "")


def right_value(rule: Rule, fmt: Format, of_store: bool) -> Any:
    """Return what the right example has where the wrong one is wrong."""
    value: Any = stores.sample(rule.kind, fmt) if of_store else examples.sample(rule.kind, fmt)
    for step in examples.steps(value, examples.place(rule.at, fmt)) if rule.at else ():
        if value is not MISSING:
            value = (
                value.get(step, MISSING) if isinstance(value, dict) else dict(enumerate(value)).get(int(step), MISSING)
            )
    return value


def as_text(value: Any) -> str:
    """Write a value in a line; what is long is cut off."""
    text = "is not there" if value is MISSING else f"= {json.dumps(value)}"
    return text if len(text) < 300 else f"{text[:300]} ..."


GENERATED = {"api": modules, "cli": commands, "validation": rules}


def fill_in(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the generated part of a page where the page says {generated}."""
    if docname in GENERATED:
        source[0] = source[0].replace("{generated}", GENERATED[docname]())


def setup(app: Sphinx) -> None:
    """Join in when Sphinx starts."""
    pictures.draw(Path(__file__).parent / "_generated")
    if pictures.front_is_stale():
        logging.getLogger(__name__).warning("docs/front.png is not what python docs/pictures.py draws now")
    app.connect("source-read", fill_in)
    app.connect("env-check-consistency", every_name)
