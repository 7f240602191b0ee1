"""`ome-ngff export`: an OME-Zarr image to an OME-TIFF."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from . import options
from .errors import say, verbosity_wanted
from .machine import settings
from .options import PLACE, STORE, store_option, verbosity


@options.command(
    "export",
    "Write an OME-Zarr image as an OME-TIFF.",
    "cells.ome.zarr cells.ome.tif",
    "cells.ome.zarr part.ome.tif --level 1 --region z=0:10,c=DAPI",
)
@click.argument("store", type=STORE)
@click.argument("output", metavar="OUT.ome.tif", type=PLACE)
@click.option("--level", type=click.IntRange(0), default=0, show_default=True, help="Number of the level.")
@options.region
@options.unit
@click.option("--compression", default="zlib", show_default=True, metavar="NAME", help="zlib, lzw, zstd or none.")
@click.option("--no-labels", is_flag=True, help="Leave out the labels.")
@options.overwrite
@options.memory_target
@options.plan
@options.as_json("Print JSON: the files that would be, or were written.")
@store_option
@verbosity
def command(
    store: str, output: str, no_labels: bool, memory_target: int | None, plan: bool, as_json: bool, **given: Any
) -> None:
    """Write the OME-Zarr image STORE as a tiled, pyramidal OME-TIFF.

    Pixels, axes, pixel sizes, units, the name and the channels are those of STORE. Labels become files of their own,
    next to OUT.ome.tif.
    """
    from ..convert import export
    from ..inputs import planned_files
    from ..store import find_target, readable
    from .tables import show_outline

    if plan:
        words = {name: word for name, word in given.items() if name != "overwrite"}
        files_of = planned_files(find_target(readable(store)), Path(output), labels=not no_labels, **words)
        outlines = [{"input": store, "output": str(file), **each.outline()} for file, each in files_of.items()]
        show_outline(outlines, [], as_json)
        return
    with settings(None, memory_target):
        files = export(store, output, labels=not no_labels, progress=options.progress(), **given)
    if as_json:
        click.echo(json.dumps({"files": [str(file) for file in files]}, indent=2))
    elif verbosity_wanted() > 0:
        for file in files:
            say(str(file))
