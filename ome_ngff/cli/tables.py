"""Tables: drawn by rich on a terminal, plain columns elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..text import by, printable
from .errors import say

if TYPE_CHECKING:
    from ..engine import Plan
    from ..write import Request


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table without its empty columns."""
    rows = list(rows)
    kept = [i for i in range(len(headings)) if any(row[i] for row in rows)]
    if not rows or not kept:
        return
    headings = [headings[i] for i in kept]
    rows = [[printable(row[i]) or "-" for i in kept] for row in rows]
    if sys.stdout.isatty():
        _draw(title, headings, rows)
        return
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    click.echo(f"\n{title}")
    for row in (headings, *rows):
        click.echo("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _draw(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    drawn = Table(*headings, title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        drawn.add_row(*map(escape, row))
    Console().print(drawn)


def show_request(source: str, output: str, request: Request, as_json: bool) -> None:
    """Print what a request would write."""
    show_outline([{"input": source, "output": output, **request.outline()}], [request.plan()], as_json)


def show_outline(outlines: Sequence[Mapping[str, Any]], plans: Sequence[Plan], as_json: bool) -> None:
    """Print what would be written: text, or JSON (a list where there are no plans, for many inputs)."""
    if as_json:
        full = [{**outline, **plan_numbers(plan)} for outline, plan in zip(outlines, plans, strict=False)]
        click.echo(json.dumps(full[0] if len(plans) == 1 else full or [dict(each) for each in outlines], indent=2))
        return
    for outline in outlines:
        what = f"OME-Zarr {outline['version']}" if "version" in outline else "OME-TIFF"
        say(f"{outline['input']} -> {outline['output']}: {what}, {outline['dtype']}")
        said = [f"{outline['images']} images, of which the first"] if "images" in outline else []
        said += [f"name {outline['name']!r}"]
        said += [f"channels {', '.join(outline['channels'])}"] if outline.get("channels") else []
        say(", ".join(said))
        axes = [(a["name"], str(a["size"]), f"{number(a['scale'])} {a['unit'] or ''}".strip()) for a in outline["axes"]]
        table("axes", ("name", "pixels", "pixel size"), axes)
        levels = [(e["path"], by(e["shape"]), by(e["chunks"]), by(e["shards"] or ())) for e in outline["levels"]]
        table("levels", ("path", "pixels", "chunks", "shards"), levels)
        click.echo()
    for plan in plans:
        click.echo(str(plan))


def plan_numbers(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON has it."""
    passes = [
        {
            "units": len(work), "unit": work.unit, "at_once": work.at_once, "task_bytes": work.task_bytes,
            "piece": work.piece, "pieces_at_once": work.pieces_at_once, "piece_bytes": work.piece_bytes,
            "from": work.reads, "reads": work.base, "writes": work.writes,
        }
        for work in plan.passes
    ]  # fmt: skip
    levels = [
        {"shape": level.shape, "factors": level.factors, "chunks": grid.chunks, "shards": grid.shards}
        for level, grid in zip(plan.levels, plan.grids, strict=True)
    ]
    written = sum(plan.bytes_of(k) for k in range(len(plan.levels)))
    total = {"units": plan.units, "bytes_read": plan.bytes_read, "bytes_written": written}
    return {"levels": levels, "passes": passes, **total, "peak_bytes": plan.peak_bytes}


def number(value: float | None) -> str:
    """Write a number with at most six significant digits; nothing for None."""
    return "" if value is None else f"{value:.6g}"
