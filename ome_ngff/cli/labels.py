"""`ome-ngff labels`: a segmentation into an image that is there."""

from __future__ import annotations

from typing import Any

import click

from . import options


@click.command("labels", short_help="Write a segmentation into an OME-Zarr image.")
@click.argument("source", metavar="INPUT")
@click.argument("image")
@options.source
@click.option("--name", default="labels", show_default=True, help="Name of the label image.")
@options.method("mode")
@click.option("--colors", metavar="NAME", help="auto, tab10, tab20 or a colour map of matplotlib.")
@click.option("--properties", metavar="FILE", help="CSV file with a row for each label.")
@click.option("--id", "label_id", metavar="COLUMN", help="Column of FILE with the label values.  [default: label]")
@click.option("--check", is_flag=True, help="Refuse properties of labels that do not occur.")
@options.scale_factors
@options.storage
@options.overwrite
@options.resume
@options.verbosity
def command(
    source: str, image: str, series: str | None, axes: Any, scale: Any, translation: Any, axes_units: Any, **given: Any
) -> None:
    """Write a segmentation as a label image of the OME-Zarr IMAGE.

    INPUT is what 'write' takes. Pixel sizes, units, levels and chunks are those of IMAGE, unless options say otherwise.
    """
    import attrs

    from ..exceptions import MissingError
    from ..info import describe_store
    from ..inputs import open_input
    from ..writer import write_labels
    from .inputs import adjusted

    found = describe_store(image)
    if not any(image.complete and image.levels for image in found.images):
        raise MissingError(f"There is no finished OME-Zarr image at {image}; write it first.")
    labels = open_input(source, series=series, axes=axes)
    bare = attrs.evolve(labels, scale=None, translation=None, axes_units=None, axes_orientations=None)
    said = adjusted(bare, scale=scale, translation=translation, axes_units=axes_units)
    write_labels(
        labels.data, image, axes=said.dims, scale=said.scale, translation=said.translation, axes_units=said.axes_units,
        progress=options.progress(), **given,
    )  # fmt: skip
