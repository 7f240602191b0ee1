"""The options that the commands share, and how results are shown."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import attrs
import click

from .data import SIZES, cache_directory
from .fleet import OURS, Fleet
from .table import Table, surroundings


@attrs.frozen
class Settings:
    """Carry the options.

    Attributes:
        size: a name of `data.SIZES`. rounds: how often everything is timed. only: parts of the titles of the cases
            that are wanted; none for all. fleet: where processes come from. markdown: a file for the tables.
    """

    size: str
    rounds: int
    only: tuple[str, ...]
    fleet: Fleet
    markdown: Path | None

    def wants(self, title: str) -> bool:
        return not self.only or any(part in title for part in self.only)


OPTIONS = [
    click.option("--size", type=click.Choice(list(SIZES)), default="full", help="Of the data.", show_default=True),
    click.option("--rounds", type=click.IntRange(1), default=5, help="Timings of each case.", show_default=True),
    click.option("--only", multiple=True, metavar="TEXT", help="Only cases with this in their title; repeatable."),
    click.option(
        "--peers", default="auto", metavar="PYTHON", show_default=True,
        help='The interpreter that has the peers; "none"; or "auto", an environment made from peers.txt.',
    ),
    click.option("--cache", type=click.Path(path_type=Path), help="Directory for data, environments, what is written."),
    click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Also put the tables here."),
]  # fmt: skip


def measuring(tables: Callable[[Settings], Sequence[Table]]) -> click.Command:
    """Make a command of a function that measures: it gets the options, and its tables are shown."""

    @wraps(tables)
    def command(
        size: str = "full",
        rounds: int = 5,
        only: tuple[str, ...] = (),
        peers: str = "auto",
        cache: Path | None = None,
        markdown: Path | None = None,
    ) -> None:
        cache = (cache or cache_directory()).absolute()
        settings = Settings(size, rounds, only, Fleet(cache, peers), markdown)
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        found = tables(settings)
        head = (
            f"{datetime.date.today()}, size {size}, medians of {rounds} rounds, load {load:.1f} before.\n"
            f"{surroundings(v for who, v in settings.fleet.versions.items() if who not in OURS)}"
        )
        text = "\n\n".join([head, *map(str, found)])
        click.echo(text)
        if markdown is not None:
            markdown.write_text(text + "\n")

    decorated: Any = command
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    made: click.Command = click.command()(decorated)
    return made
