"""`ome-ngff write`: any image file to an OME-Zarr image."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs
import click

from . import options
from .errors import verbosity_wanted


@click.command("write", short_help="Write an image file as an OME-Zarr image.")
@click.argument("source", metavar="INPUT")
@click.argument("output")
@options.source
@click.option("--name", help="Name of the image.  [default: that of INPUT]")
@options.method("resize")
@options.scale_factors
@options.storage
@options.fmt
@click.option("--no-omero", is_flag=True, help="Leave out names, colours and contrast of the channels.")
@options.overwrite
@options.resume
@options.machine
@click.option("--plan", is_flag=True, help="Show how the work would be cut, and write nothing.")
@options.verbosity
def command(
    source: str,
    output: str,
    no_omero: bool,
    overwrite: bool,
    resume: bool,
    workers: int | None,
    scheduler: str | None,
    memory_target: int | None,
    plan: bool,
    **given: Any,
) -> None:
    """Write an image file as an OME-Zarr image.

    INPUT is a TIFF of any kind, .npy, .npz, a Zarr, HDF5 (file.h5::/path), NIfTI, a picture, a folder or a glob of
    planes ("plane_*.tif"). Pixel sizes, units and channels are taken from it; options win. OUTPUT is a path or a URL.
    """
    from ..inputs import open_input
    from ..omero import add_omero
    from ..request import execute
    from .inputs import adjusted
    from .machine import cluster, settings

    image = open_input(source, series=given.pop("series"), axes=given.pop("axes"))
    image = adjusted(image, **{word: given.pop(word) for word in ("scale", "translation", "axes_units", "name")})
    request = _request(image, output, **given)
    known = request.target.document.get("omero")
    if resume and request.target.mark is None and known is not None:  # finished: nothing may differ
        request = attrs.evolve(request, document={**request.document, "omero": known})
    with settings(workers, memory_target):
        if plan:
            click.echo(str(request.plan()))
            return
        after = None if no_omero else partial(add_omero, request.target, image)
        with cluster(workers, scheduler):
            execute(request, overwrite=overwrite, resume=resume, progress=options.progress(), after=after)
    if verbosity_wanted() > 0:
        from .info import show

        show(output)


def _request(image: Any, output: str, *, chunks: Any, shards: Any, compression: Any, **given: Any) -> Any:
    """Parse everything, as `write_image` does; nothing is touched."""
    from ..layout import Layout
    from ..writer import image_request

    return image_request(
        image.data, output, axes=image.axes, scale=image.scale, translation=image.translation, name=image.name,
        layout=Layout.parse(chunks, shards, compression), **given,
    )  # fmt: skip
