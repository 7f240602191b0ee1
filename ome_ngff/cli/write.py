"""`ome-ngff write`: any image file to an OME-Zarr image, or many to one each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from . import options
from .errors import note, verbosity_wanted, warn
from .options import PLACE, fmt, machine, method, scale_factors, storage, store_option, verbosity

if TYPE_CHECKING:
    from ..inputs import Batch, Conversion


@options.command(
    "write",
    "Write image files as OME-Zarr images.",
    "tissue.tif tissue.ome.zarr",
    "stack.npy stack.ome.zarr --axes zyx --scale z=0.5,y=0.1,x=0.1 --unit um",
    '"scans/*.czi" --into converted --report converted.csv',
    "cells.ome.zarr part.ome.zarr --region z=0:10,y=100:300 --unit micrometer",
)
@click.argument("places", metavar="INPUT... OUTPUT", nargs=-1, type=PLACE)
@options.into
@options.source()
@options.region
@click.option("--name", help="Name of the image.  [default: that of INPUT]")
@method("resize")
@scale_factors()
@storage()
@fmt
@click.option("--no-omero", is_flag=True, help="Leave out names, colours and contrast of the channels.")
@click.option("--no-labels", is_flag=True, help="Leave out the labels of an OME-Zarr INPUT.")
@options.overwrite
@options.resume
@options.join
@options.verify
@options.report
@machine
@options.plan
@options.as_json("Print JSON: the plan, or what was written.")
@store_option
@verbosity
def command(
    places: tuple[str, ...],
    into: str | None,
    report: str | None,
    workers: int | None,
    scheduler: str | None,
    memory_target: int | None,
    plan: bool,
    no_omero: bool,
    no_labels: bool,
    **given: Any,
) -> None:
    """Write image files as OME-Zarr images.

    INPUT is a TIFF of any kind, .npy, .npz, a Zarr, HDF5 (file.h5::/path), Imaris, BigDataViewer, NIfTI and other
    volumes, DICOM, MRC, NRRD, a picture, a folder or a glob of planes ("plane_*.tif"), or, with bioio, a file of a
    microscope. Pixel sizes, units and channels are taken from it, and labels from an OME-Zarr; options win. OUTPUT is
    a path or a URL; one that ends with .ozx becomes a single file. A --region is in pixels, or in what --unit says.

    With --into DIR, each INPUT becomes an image of its own, and so does each image in a folder; a .csv file is a table
    with the columns input and, where wanted, output, series, axes, scale, unit, and other options. What is there
    already is skipped, what was interrupted is finished.
    """
    from .machine import cluster, settings

    options.refuse_both(overwrite=given["overwrite"], resume=given["resume"])
    options.refuse_both(join=given["join"], workers=workers, scheduler=scheduler)
    if given["region"] is not None:  # which is in pixels, but for the axes that have a unit
        given["unit"] = given.pop("axes_units") or "pixel"
    words = {**given, "omero": not no_omero, "labels": not no_labels, "plan": plan}
    with settings(workers, memory_target), cluster(None if plan else workers, scheduler):
        if into is not None:
            from ..inputs import Batch

            run_batch(Batch.of(places, into), report, **words)
        else:
            _one(*_one_place(places, report), **words)


def _one_place(places: Sequence[str], report: str | None) -> tuple[str, str]:
    """Return the one input and output that are meant without --into."""
    if report is not None:
        raise click.UsageError("--report is of many inputs: write them with --into DIR.")
    if len(places) < 2:
        raise click.UsageError(f"Missing argument '{'OUTPUT' if places else 'INPUT'}'.")
    if len(places) > 2:
        raise click.UsageError(
            f"One INPUT becomes one OUTPUT (got {len(places)} places). Many images go --into DIR; one image out of "
            'many planes is a glob in quotes, "plane_*.tif".'
        )
    return places[0], places[1]


def _one(
    source: str,
    output: str,
    *,
    plan: bool,
    as_json: bool,
    overwrite: bool,
    resume: bool,
    join: bool,
    verify: bool,
    **given: Any,
) -> None:
    from ..convert import verify as compare
    from ..inputs import copied, drafted
    from .info import report
    from .tables import show_outline

    copy = copied(source, output, given)
    draft = copy or drafted(source, output, resume=resume or join, verify=verify, **given)
    if plan and copy:
        click.echo(f"{source} would be copied to {output} as it is.")
        return
    if plan:
        parts = draft.parts
        show_outline([part.outline() for part in parts], [part.plan(resume=resume or join) for part in parts], as_json)
        return
    for words in filter(None, [part.understood for part in draft.parts]):
        note(words)
    _left_out(draft.run(overwrite=overwrite, resume=resume, join=join, progress=options.progress()))
    if verify and copy is None:
        compare(source, output, series=given["series"], axes=given["axes"], progress=options.progress())
    report(output, as_json)


def run_batch(
    batch: Batch, report: str | None, *, plan: bool, as_json: bool, resume: bool = False, **given: Any
) -> None:
    """Convert all images of a batch, and say what became of them."""
    import json

    from ..exceptions import BatchError
    from .tables import show_outline

    for words in batch.understood:
        note(words)

    def told(done: Conversion) -> None:
        _left_out(done)
        if done.state == "failed":
            note(f"{done.input} failed: {done.error}", always=True)
        elif verbosity_wanted() > 0:
            note(f"{done.input}: {done.state} {done.output} ({done.seconds:.1f} s)")

    try:
        done: Sequence[Conversion] = batch.run(
            progress=None if plan else options.progress(), report=report, told=told, dry_run=plan, **given
        )
    except BatchError as error:
        done = error.done
    if plan:
        show_outline([each.outline or {} for each in done if each.state == "planned"], [], as_json)
    elif as_json:
        click.echo(json.dumps([each.to_dict() for each in done], indent=2))
    states = [each.state for each in done]
    if not plan:
        note(", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)))
    if "failed" in states:
        raise click.exceptions.Exit(1)


def _left_out(done: Conversion) -> None:
    for name, why in done.left_out.items():
        warn(f"The labels {name!r} were left out: {why}")
