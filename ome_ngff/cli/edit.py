"""`ome-ngff edit`: an image described anew where it stands, labels renamed or deleted, and all of it taken back."""

from __future__ import annotations

import json
from typing import Any

import click

from ..exceptions import OptionError
from . import options
from .errors import say, verbosity_wanted
from .options import SIZES, STORE, UNITS, Parsed, refuse_both, store_option, verbosity


def _windows(text: str) -> Any:
    """Read "auto", or "0:4000,:,10:255": dark and bright of each channel, nothing for one that stays."""
    if text == "auto":
        return text
    found: list[tuple[float, float] | None] = []
    for part in text.split(","):
        ends = [end.strip() for end in part.split(":")]
        try:
            found.append(None if ends == ["", ""] else (_number(ends[0]), _number(ends[1])))
        except (ValueError, IndexError):
            raise OptionError(f"{text!r} is not 'auto' or dark:bright of each channel, as in 0:4000,10:255.") from None
    return found


def _number(text: str) -> float:
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _renaming(text: str) -> tuple[str, str]:
    old, sign, new = text.partition("=")
    if not sign or not old or not new:
        raise OptionError(f"{text!r} is not of the form OLD=NEW.")
    return old, new


def _attribute(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise OptionError(f"{text!r} is not of the form KEY=VALUE.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


@options.command(
    "edit",
    "Describe an OME-Zarr image anew, in place.",
    "cells.ome.zarr --scale z=0.5,y=0.1,x=0.1 --unit micrometer",
    "cells.ome.zarr --channels DAPI,GFP --colors 0000FF,00FF00 --windows auto",
    "cells.ome.zarr --undo",
)
@click.argument("store", type=STORE)
@click.option("--scale", type=SIZES, help="Pixel size per axis; of all levels, and labels that took it over.")
@click.option("--translation", type=SIZES, help="Position of the first pixel per axis.")
@click.option("--unit", "axes_units", type=UNITS, help="Unit per axis; numbers are not converted.")
@click.option("--name", help="Name of the image.")
@click.option("--channels", "channel_names", type=Parsed("DAPI,GFP,...", _listed), help="Name of each channel.")
@click.option("--colors", "channel_colors", type=Parsed("RRGGBB,...", _listed), help="Colour of each channel.")
@click.option(
    "--windows", type=Parsed("auto|0:4000,:,...", _windows), help="Which values are shown: auto measures them."
)
@click.option("--orientation", metavar="LPS|RAS", help="Directions in which the axes of space grow.")
@click.option(
    "--attribute", "attributes", type=Parsed("KEY=VALUE", _attribute), multiple=True,
    help="Attribute of the group besides those of OME-Zarr, as JSON or text; null takes it away.",
)  # fmt: skip
@click.option("--rename-labels", type=Parsed("OLD=NEW", _renaming), help="Give labels another name.")
@click.option("--delete-labels", metavar="NAME", help="Delete labels; --undo brings them back.")
@click.option("--undo", is_flag=True, help="Take back what was done last, or was interrupted.")
@click.option("--dry-run", is_flag=True, help="Show the difference of the documents, and change nothing.")
@store_option
@verbosity
def command(
    store: str,
    rename_labels: tuple[str, str] | None,
    delete_labels: str | None,
    undo: bool,
    dry_run: bool,
    attributes: tuple[tuple[str, Any], ...],
    **given: Any,
) -> None:
    """Describe the image STORE, a folder or URL, anew: documents change, in one step; what is not said stays.

    The same command goes on where it was interrupted. --undo takes back what was done last.
    """
    from ..write import delete_labels as delete
    from ..write import edit_image
    from ..write import rename_labels as rename
    from ..write import undo as take_back

    given["attributes"] = dict(attributes) or None
    words = {name: value for name, value in given.items() if value is not None}
    asked = {"rename-labels": rename_labels, "delete-labels": delete_labels, "undo": undo}
    refuse_both(**asked)
    for option in (name for name, value in asked.items() if value and words):
        raise click.UsageError(f"--{option} goes by itself; describe the image in another command.")
    refuse_both(**{"undo": undo, "dry-run": dry_run})
    if not words and not any(asked.values()):
        raise click.UsageError("Say what to change, such as --scale z=0.5; --help lists it.")
    if undo:
        done = f"{take_back(store)} is undone"
    else:
        if rename_labels:
            found = rename(store, *rename_labels, dry_run=dry_run)
        elif delete_labels:
            found = delete(store, delete_labels, dry_run=dry_run)
        else:
            found = edit_image(store, **words, dry_run=dry_run)
        if dry_run:
            click.echo(found.diff or "Nothing would change.")
            return
        done = f"{found.change} is done" if found.diff else "is as described already"
    if verbosity_wanted() >= 0:
        say(f"{store}: {done}")
