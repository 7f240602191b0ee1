"""`ome-ngff labels`: a segmentation into an image that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..axes import SPATIAL
from . import options

if TYPE_CHECKING:
    from ..image import NgffImage
    from ..info import ImageInfo


@click.command("labels", short_help="Write a segmentation into an OME-Zarr image.")
@click.argument("source", metavar="INPUT")
@click.argument("image")
@options.source
@click.option("--name", default="labels", show_default=True, help="Name of the label image.")
@options.method("mode")
@options.scale_factors
@options.storage
@options.overwrite
@options.resume
@options.verbosity
def command(source: str, image: str, name: str, overwrite: bool, resume: bool, **given: Any) -> None:
    """Write a segmentation as a label image of the OME-Zarr IMAGE.

    INPUT is what 'write' takes. Pixel sizes, units and factors of the levels are those of the image, unless options
    say otherwise.
    """
    from ..exceptions import MissingError
    from ..info import describe_store
    from ..inputs import open_input
    from ..writer import write_labels
    from .inputs import adjusted

    found = describe_store(image)
    if not any(image.complete and image.levels for image in found.images):
        raise MissingError(f"There is no finished OME-Zarr image at {image}; write it first.")
    labels, factors = _on(found.images[0], open_input(source, series=given.pop("series"), axes=given.pop("axes")))
    labels = adjusted(labels, **{word: given.pop(word) for word in ("scale", "translation", "axes_units")})
    if given["scale_factors"] is None:
        given["scale_factors"] = factors
    write_labels(
        labels.data, image, name, axes=labels.axes, scale=labels.scale, translation=labels.translation,
        overwrite=overwrite, resume=resume, progress=options.progress(), **given,
    )  # fmt: skip


def _on(image: ImageInfo, labels: NgffImage) -> tuple[NgffImage, list[dict[str, int]] | None]:
    """Lay labels on an image: its geometry along the axes of the same length, and its ladder of factors.

    Returns:
        The labels, and the factors; None where the labels do not have the image's size.
    """
    import attrs

    first = image.levels[0]
    shared = [(i, a.name) for i, a in enumerate(image.axes) if a.size == _length(labels, a.name)]
    scale = {name: first.scale[i] for i, name in shared if first.scale}
    translation = {name: first.translation[i] for i, name in shared if first.translation}
    units = {name: unit for i, name in shared if (unit := image.axes[i].unit)}
    laid = attrs.evolve(
        labels,
        scale={**(labels.scale or {}), **scale},
        translation={**(labels.translation or {}), **translation},
        axes_units={**(labels.axes_units or {}), **units},
    )
    spatial = {name for name in labels.dims if name in SPATIAL}
    if not first.scale or not spatial <= {name for _, name in shared}:
        return laid, None
    return laid, [
        {name: round(level.scale[i] / first.scale[i]) for i, name in shared if name in spatial}
        for level in image.levels[1:]
        if level.scale
    ]


def _length(labels: NgffImage, axis: str) -> int | None:
    return labels.data.shape[labels.dims.index(axis)] if axis in labels.dims else None
