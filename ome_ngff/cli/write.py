"""`ome-ngff write`: any image file to an OME-Zarr image."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import click

from . import options
from .errors import warn
from .options import PLACE, fmt, machine, method, progress, refuse_both, scale_factors, storage, verbosity

if TYPE_CHECKING:
    from ..image import NgffImage
    from ..inputs import Beside
    from ..write import Request


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
    from ..inputs import Beside, open_input
    from ..write import add_omero, execute
    from .info import report
    from .inputs import adjusted
    from .machine import cluster, settings, staged
    from .tables import show_plan

    refuse_both(overwrite=overwrite, resume=resume)
    refuse_both(workers=workers, scheduler=scheduler)
    image = open_input(source, series=given.pop("series"), axes=given.pop("axes"))
    image = adjusted(image, **{word: given.pop(word) for word in ("scale", "translation", "axes_units", "name")})
    beside = Beside.of(image)
    request = _request(image, output, **given)
    request = request if no_omero else _shown(request, image, beside, resume)
    with settings(workers, memory_target):
        if plan:
            with cluster(None, scheduler):
                show_plan(request.plan(_cut(request) if resume else None), as_json)
            return
        with cluster(workers, scheduler), staged(request, overwrite=overwrite, resume=resume) as request:
            after = None if no_omero else partial(add_omero, request.target, image)
            words: dict[str, Any] = {"overwrite": overwrite, "resume": resume, "progress": progress()}
            execute(request, after=after, **words)
            if beside is not None and not no_labels:
                _copy_labels(beside, image, request, given, words)
    report(output, as_json)


def _request(image: NgffImage, output: str, *, chunks: Any, shards: Any, compression: Any, **given: Any) -> Request:
    """Parse everything, as `write_image` does; nothing is touched."""
    from ..store import Layout
    from ..write import image_request

    return image_request(
        image.data, output, axes=image.axes, scale=image.scale, translation=image.translation, name=image.name,
        layout=Layout.parse(chunks, shards, compression), **given,
    )  # fmt: skip


def _shown(request: Request, image: NgffImage, beside: Beside | None, resume: bool) -> Request:
    """Take over how the input is shown, where that is valid; of a finished image that is resumed, how it is shown."""
    from ..exceptions import ValidationError

    target = request.target
    channels = image.data.shape[image.dims.index("c")] if "c" in image.dims else 1
    known = beside.omero(channels) if beside is not None else None
    if resume and target.mark is None:  # finished: nothing may differ
        known = target.document.get("omero", known)
    if known is None:
        return request
    document = {**request.document, "omero": known}
    try:
        target.fmt.validate(target.fmt.wrap(document))
    except ValidationError:
        return request
    return attrs.evolve(request, document=document)


def _cut(request: Request) -> Any:
    return (request.target.mark or {}).get("cut")


def _copy_labels(beside: Beside, image: NgffImage, request: Request, given: Any, words: Any) -> None:
    """Write the labels of the input, too; say which of them cannot be."""
    from ..exceptions import NgffError
    from ..inputs import label_boxes
    from ..writer import write_labels

    for name in beside.labels():
        try:
            labels, said = beside.label(name)
            shards = label_boxes(given["shards"], image, labels)
            write_labels(
                labels.data, request.target, name, axes=labels.dims, label_metadata=said, shards=shards or None,
                compression=given["compression"], **words,
            )  # fmt: skip
        except NgffError as error:
            warn(f"The labels {name!r} were left out: {error}")
