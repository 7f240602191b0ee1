"""`ome-ngff labels`: a segmentation into an image that is there."""

from __future__ import annotations

from typing import Any

import click

from . import options
from .options import (
    PLACE,
    STORE,
    machine,
    method,
    overwrite,
    progress,
    refuse_both,
    resume,
    scale_factors,
    storage,
    store_option,
    verbosity,
)


@options.command(
    "labels",
    "Write a segmentation into an OME-Zarr image.",
    "nuclei.tif tissue.ome.zarr --name nuclei --colors auto",
    "nuclei.tif tissue.ome.zarr --properties measured.csv --id label",
)
@click.argument("source", metavar="INPUT", type=PLACE)
@click.argument("image", type=STORE)
@options.source(of_image=True)
@click.option("--name", default="labels", show_default=True, help="Name of the label image.")
@method("mode", labels=True)
@click.option("--colors", metavar="NAME", help="auto, tab10, tab20 or a colour map of matplotlib.")
@click.option("--properties", metavar="FILE", help="CSV file with a row for each label.")
@click.option("--id", "label_id", metavar="COLUMN", help="Column of FILE with the label values.  [default: label]")
@click.option("--check", is_flag=True, help="Refuse properties of labels that do not occur.")
@scale_factors("those of IMAGE")
@storage("those of IMAGE")
@overwrite
@resume
@options.join
@machine
@options.plan
@options.as_json("Print JSON: the plan, or what the image then holds.")
@store_option
@verbosity
def command(
    source: str,
    image: str,
    series: str | None,
    axes: Any,
    scale: Any,
    translation: Any,
    axes_units: Any,
    workers: int | None,
    scheduler: str | None,
    memory_target: int | None,
    plan: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Write a segmentation as a label image of the OME-Zarr IMAGE.

    INPUT is what 'write' takes. Pixel sizes, units, levels and chunks are those of IMAGE, unless options say otherwise.
    """
    import attrs

    from ..exceptions import MissingError
    from ..inputs import adjusted, open_labels
    from ..read import describe_store
    from ..store import Layout
    from ..write import label_request
    from ..writer import write_labels
    from .info import report
    from .machine import cluster, settings
    from .tables import show_request

    refuse_both(overwrite=given["overwrite"], resume=given["resume"])
    refuse_both(join=given["join"], workers=workers, scheduler=scheduler)
    found = describe_store(image)
    if not any(image.complete and image.levels for image in found.images):
        raise MissingError(f"There is no finished OME-Zarr image at {image}; write it first.")
    lengths = {axis.name: axis.size for axis in found.images[0].axes if axis.size}
    labels = open_labels(source, series=series, axes=axes, image=lengths)
    bare = attrs.evolve(labels, scale=None, translation=None, axes_units=None, axes_orientations=None)
    said = adjusted(bare, scale=scale, translation=translation, axes_units=axes_units)
    laid = {"axes": said.dims, **{word: getattr(said, word) for word in ("scale", "translation", "axes_units")}}
    with settings(workers, memory_target), cluster(None if plan else workers, scheduler):
        if plan:
            layout = Layout.parse(*(given[word] for word in ("chunks", "shards", "compression")))
            levels = {word: given[word] for word in ("name", "method", "scale_factors")}
            request = label_request(labels.data, image, layout=layout, **levels, **laid)
            show_request(source, f"{image}/labels/{given['name']}", request, as_json)
        else:
            write_labels(labels.data, image, progress=progress(), **given, **laid)
            report(image, as_json)
