"""`ome-ngff scale`: a pyramid of a Zarr array."""

from __future__ import annotations

from typing import Any

import click

from . import options
from .options import AXES, PLACE, machine, method, progress, refuse_both, store_option, verbosity


@click.command("scale", short_help="Write a pyramid of a Zarr array.")
@click.argument("array", type=PLACE)
@click.argument("output", type=PLACE)
@click.argument("axes", type=AXES)
@method("resize")
@click.option("--downscale", type=click.IntRange(2), default=2, show_default=True, help="Factor from level to level.")
@click.option(
    "--max-layer", "--max_layer", type=click.IntRange(0), default=4, show_default=True, help="Levels below level 0."
)
@click.option("--copy-metadata", is_flag=True, help="Copy the attributes of the array to the image.")
@click.option("--labeled", is_flag=True, help="Refuse methods that give values which the array does not have.")
@click.option("--in-place", is_flag=True, help="Add the levels next to the array, in the group OUTPUT that holds it.")
@options.overwrite
@machine
@options.as_json("Print what was written as JSON.")
@store_option
@verbosity
def command(
    array: str,
    output: str,
    axes: Any,
    workers: int | None,
    scheduler: str | None,
    memory_target: int | None,
    overwrite: bool,
    as_json: bool,
    **parameters: Any,
) -> None:
    """Write a pyramid of a Zarr array as an OME-Zarr image: ARRAY and OUTPUT are paths or URLs, AXES such as tczyx."""
    from ..scale import Scaler
    from .info import report
    from .machine import cluster, settings

    refuse_both(workers=workers, scheduler=scheduler)
    scaler = Scaler(**parameters)
    with settings(workers, memory_target), cluster(workers, scheduler):
        scaler.scale(array, output, axes, overwrite=overwrite, progress=progress())
    report(output, as_json)
