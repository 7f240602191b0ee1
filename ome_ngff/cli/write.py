"""`ome-ngff write`: any image file to an OME-Zarr image."""

from __future__ import annotations

from typing import Any

import click

from . import options
from .errors import warn
from .options import PLACE, fmt, machine, method, scale_factors, storage, verbosity


@click.command("write", short_help="Write an image file as an OME-Zarr image.")
@click.argument("source", metavar="INPUT", type=PLACE)
@click.argument("output", type=PLACE)
@options.source
@click.option("--name", help="Name of the image.  [default: that of INPUT]")
@method("resize")
@scale_factors
@storage
@fmt
@click.option("--no-omero", is_flag=True, help="Leave out names, colours and contrast of the channels.")
@click.option("--no-labels", is_flag=True, help="Leave out the labels of an OME-Zarr INPUT.")
@options.overwrite
@options.resume
@machine
@options.plan
@options.as_json("Print JSON: the plan, or what was written.")
@verbosity
def command(
    source: str,
    output: str,
    no_omero: bool,
    no_labels: bool,
    overwrite: bool,
    resume: bool,
    workers: int | None,
    scheduler: str | None,
    memory_target: int | None,
    plan: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Write an image file as an OME-Zarr image.

    INPUT is a TIFF of any kind, .npy, .npz, a Zarr, HDF5 (file.h5::/path), NIfTI, a picture, a folder or a glob of
    planes ("plane_*.tif"). Pixel sizes, units and channels are taken from it, and labels from an OME-Zarr; options
    win. OUTPUT is a path or a URL; one that ends with .ozx becomes a single file.
    """
    from ..inputs import drafted
    from .info import report
    from .machine import cluster, settings
    from .tables import show_plan

    options.refuse_both(overwrite=overwrite, resume=resume)
    options.refuse_both(workers=workers, scheduler=scheduler)
    draft = drafted(source, output, omero=not no_omero, labels=not no_labels, resume=resume, **given)
    with settings(workers, memory_target), cluster(None if plan else workers, scheduler):
        if plan:
            show_plan(draft.plan(resume=resume), as_json)
            return
        done = draft.run(overwrite=overwrite, resume=resume, progress=options.progress())
    for name, why in done.left_out.items():
        warn(f"The labels {name!r} were left out: {why}")
    report(output, as_json)
