"""`ome-ngff validate`: what is wrong with a store, and what to do about it."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import click

from ..text import printable
from . import options
from .errors import say, verbosity_wanted
from .options import STORE, progress, store_option, verbosity, version

if TYPE_CHECKING:
    from ..exceptions import Finding
    from ..read import Report


_MOST = 10  # findings of one rule that are printed
_COLORS = {"error": "red", "warning": "yellow", "note": "blue"}
_RANK = list(_COLORS)


@options.command(
    "validate",
    "Check an OME-Zarr against the specification.",
    "cells.ome.zarr",
    "plate.ome.zarr --strict --data",
    "https://example.org/cells.ome.zarr --json",
)
@click.argument("path", type=STORE)
@click.option("--strict", is_flag=True, help="Turn warnings into errors.")
@click.option("--data", is_flag=True, help="Decode every chunk too.")
@options.as_json("Print JSON.")
@version
@store_option
@verbosity
def command(path: str, strict: bool, data: bool, as_json: bool, fmt: str | None) -> None:
    """Check what stands at PATH, a folder, a zip file, a URL or a JSON file with attributes.

    Prints one line for each finding: its severity, the rule, where it is, what is wrong, and what to do about it. The
    exit code is 0 if PATH is valid, 1 if it is not, and 2 if it cannot be read as OME-Zarr at all.
    """
    from ..read import validate

    report = validate(path, strict=strict, data=data, fmt=fmt, progress=progress() if data else None)
    if as_json:
        click.echo(report.to_json())
    else:
        _show(report)
    sys.exit(2 if report.kind is None else 0 if report.valid else 1)


def _show(report: Report) -> None:
    hear = verbosity_wanted()
    shown = [f for f in report.findings if hear >= 0 or f.severity == "error"]
    printed: Counter[tuple[str, str]] = Counter()
    for finding in sorted(shown, key=lambda f: _RANK.index(f.severity)):
        printed[finding.severity, finding.rule] += 1
        if hear > 0 or printed[finding.severity, finding.rule] <= _MOST:
            click.echo(_line(finding))
    for (severity, rule), count in printed.items() if hear <= 0 else ():
        if count > _MOST:
            click.echo(f"{click.style(severity, _COLORS[severity])} [{rule}] {count - _MOST} more; --verbose shows all")
    if hear >= 0:
        say(_summary(report))


def _line(finding: Finding) -> str:
    """Write a finding in one line, with whatever a terminal cannot print escaped."""
    text = " ".join(str(finding).removeprefix(finding.severity).split())
    return f"{click.style(finding.severity, _COLORS[finding.severity])} {printable(text)}"


def _summary(report: Report) -> str:
    seen = ", ".join(f"{count} {what if count != 1 else what.removesuffix('s')}" for what, count in report.seen.items())
    found = ", ".join(f"{count} {what}{'s' * (count != 1)}" for what, count in report.counts.items() if count)
    version = f"OME-Zarr {report.version}" if report.version else "a version that is not known"
    what = f"{report.kind} of {version}" if report.kind else "not an OME-Zarr"
    verdict = "valid" if report.valid else "not valid"
    return f"{report.path}: {what}{f' ({seen})' if seen else ''}: {verdict}{f', {found}' if found else ''}"
