"""`ome-ngff plate`: the files of a plate to an OME-Zarr plate."""

from __future__ import annotations

from typing import Any

import click

from . import options
from .options import PLACE, fmt, machine, method, scale_factors, storage, store_option, verbosity
from .write import run_batch


@options.command(
    "plate",
    "Write the files of a plate as an OME-Zarr plate.",
    "plate.csv plate.ome.zarr --layout 96-well",
    '"r{row}c{column}f{field}p{z}-ch{channel}.tiff" plate.ome.zarr',
    "Images plate.ome.zarr --stitch --workers 8",
)
@click.argument("source", metavar="MANIFEST|PATTERN|FOLDER", type=PLACE)
@click.argument("output", type=PLACE)
@click.option("--layout", metavar="96-well|8x12", help="The physical plate.  [default: up to the last well]")
@click.option("--stitch", is_flag=True, help="Lay the fields of each well by their positions into one image.")
@click.option("--overlap", type=click.Choice(["last", "mean"]), help="What wins where fields overlap.  [default: last]")
@options.source()
@click.option("--name", help="Name of the plate.  [default: that of OUTPUT]")
@method("resize")
@scale_factors()
@storage()
@fmt
@click.option("--no-omero", is_flag=True, help="Leave out names, colours and contrast of the channels.")
@options.overwrite
@options.join
@options.verify
@options.report_of("each field")
@machine
@options.plan
@options.as_json("Print JSON: the plan, or what was written.")
@store_option
@verbosity
def command(
    source: str,
    output: str,
    layout: str | None,
    stitch: bool,
    overlap: Any,
    name: str | None,
    report: str | None,
    workers: int | None,
    scheduler: str | None,
    memory_target: int | None,
    no_omero: bool,
    **given: Any,
) -> None:
    """Write the files of a plate as the OME-Zarr plate OUTPUT.

    MANIFEST is a CSV with the columns input and well and, where wanted, field, acquisition, channel, z, t, x and y.
    PATTERN is how the files are named, in quotes: "r{row}c{column}f{field}p{z}-ch{channel}*.tiff". Of a FOLDER the
    names are recognised: those of Opera and Operetta, ImageXpress, CellVoyager (Yokogawa) and Cytation.

    Fields that are there already are skipped, those that were interrupted are finished. Those that lack planes fail by
    name, and the others are written.
    """
    from ..inputs import plate_batch
    from .machine import cluster, settings

    options.refuse_both(join=given["join"], workers=workers, scheduler=scheduler)
    if overlap and not stitch:
        raise click.UsageError("--overlap says how fields are stitched: give --stitch, too.")
    how: Any = (overlap or "last") if stitch else None
    batch = plate_batch(source, output, layout=layout, name=name, fmt=given["fmt"], overlap=how, dry_run=given["plan"])
    with settings(workers, memory_target), cluster(None if given["plan"] else workers, scheduler):
        run_batch(batch, report, omero=not no_omero, **given)
