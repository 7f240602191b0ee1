"""`ome-ngff scale`: a pyramid of a Zarr array."""

from __future__ import annotations

from typing import Any

import click

from . import options
from .errors import say, verbosity_wanted
from .options import AXES, PLACE, STORE, machine, method, progress, refuse_both, store_option, verbosity


@options.command(
    "scale",
    "Write a pyramid of a Zarr array, or levels of an image in place.",
    "array.zarr image.ome.zarr zyx",
    "image.ome.zarr --in-place --scale-factors 2,4,8",
)
@click.argument("array", type=STORE)
@click.argument("output", type=PLACE, required=False)
@click.argument("axes", type=AXES, required=False)
@method("resize")
@options.scale_factors()
@click.option("--downscale", type=click.IntRange(2), default=2, show_default=True, help="Factor from level to level.")
@click.option(
    "--max-layer", "--max_layer", type=click.IntRange(0), default=4, show_default=True, help="Levels below level 0."
)
@click.option("--copy-metadata", is_flag=True, help="Copy the attributes of the array to the image.")
@click.option("--labeled", is_flag=True, help="Refuse methods that give values which the array does not have.")
@click.option("--in-place", is_flag=True, help="Add the levels next to the array, in the group OUTPUT that holds it.")
@click.option(
    "--rebuild", "rebuild_levels", is_flag=True, help="With --in-place: make all levels of an image anew but level 0."
)
@click.option("--keep", type=click.IntRange(1), help="With --in-place: take all levels away but the first so many.")
@click.option("--dry-run", is_flag=True, help="Show what would be written or changed; change nothing.")
@options.fmt
@options.overwrite
@machine
@options.as_json("Print what was written as JSON.")
@store_option
@verbosity
def command(
    array: str,
    output: str | None,
    axes: Any,
    workers: int | None,
    scheduler: str | None,
    memory_target: int | None,
    overwrite: bool,
    as_json: bool,
    fmt: Any,
    rebuild_levels: bool,
    keep: int | None,
    dry_run: bool,
    **parameters: Any,
) -> None:
    """Write a pyramid of a Zarr array as an OME-Zarr image: ARRAY and OUTPUT are paths or URLs, AXES such as tczyx.

    With --in-place and ARRAY alone, which is then an image, labels, a plate or a collection, the levels that it lacks
    are made from those that it has; the same command goes on where it was interrupted, 'edit --undo' takes them away.
    With --keep, its small levels go.
    """
    from ..scale import Scaler
    from ..write import find_array, scaled_request
    from .info import report
    from .machine import cluster, settings
    from .tables import show_request

    refuse_both(workers=workers, scheduler=scheduler)
    parameters["scale_factors"] = parameters["scale_factors"] if _given("scale_factors") else None
    if output is None:
        if not parameters["in_place"]:
            raise click.UsageError("Missing argument 'OUTPUT'; or pass --in-place to add levels to an image.")
        for name, given in (("overwrite", overwrite), ("format", fmt), ("copy-metadata", parameters["copy_metadata"])):
            refuse_both(**{"in-place": True, name: given})
        with settings(workers, memory_target), cluster(None if dry_run else workers, scheduler):
            changed = _in_place(array, rebuild_levels, keep, dry_run, parameters)
        if dry_run:
            click.echo(changed or "Nothing would change.")
            return
        if not changed and verbosity_wanted() >= 0:
            say(f"{array}: there was nothing to do, as it has these levels already")
        report(array, as_json)
        return
    if rebuild_levels or keep:
        option = "--rebuild" if rebuild_levels else "--keep"
        raise click.UsageError(f"{option} is for an image in place: leave out OUTPUT and AXES.")
    if axes is None:
        find_array(array)  # which may be what is missing
        raise click.UsageError("Missing argument 'AXES'.")
    scaler = Scaler(**parameters)
    if dry_run:
        with settings(workers, memory_target):
            show_request(array, output, scaled_request(scaler, array, output, axes, fmt)[1], as_json)
        return
    with settings(workers, memory_target), cluster(workers, scheduler):
        scaler.scale(array, output, axes, fmt=fmt, overwrite=overwrite, progress=progress())
    report(output, as_json)


def _given(*names: str) -> bool:
    source = click.get_current_context().get_parameter_source
    return any(source(name) is click.core.ParameterSource.COMMANDLINE for name in names)


def _in_place(store: str, rebuild: bool, keep: int | None, dry_run: bool, parameters: Any) -> str:
    """Give an image its levels, or take some away, and return what has changed."""
    from ..write import add_levels, rebuild_levels, remove_levels

    if keep is not None:
        given = {name.replace("_", "-"): _given(name) for name in ("scale_factors", "downscale", "max_layer", "method")}
        for name, asked in {"rebuild": rebuild, **given}.items():
            refuse_both(**{"keep": True, name: asked})
        return remove_levels(store, keep, dry_run=dry_run).diff
    words: dict[str, Any] = {"dry_run": dry_run, "progress": None if dry_run else progress()}
    factors = parameters["scale_factors"]
    if factors is None and _given("downscale", "max_layer"):
        factors = [parameters["downscale"] ** k for k in range(1, parameters["max_layer"] + 1)]
    chosen = parameters["method"] if _given("method") else None
    make = rebuild_levels if rebuild else add_levels
    return make(store, scale_factors=factors, method=chosen, **words).diff
