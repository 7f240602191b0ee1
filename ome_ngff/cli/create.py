"""`ome-ngff create`: a real picture with its segmentation, to try things with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from . import options
from .options import PLACE, Named, store_option, verbosity

CHUNKS = 256


def _names() -> list[str]:
    from ..image import SAMPLES

    return list(SAMPLES)


def _find(name: str) -> Callable[[], Any]:
    from ..image import find_sample

    return find_sample(name)


@options.command(
    "create",
    "Write a demo: a real picture with its segmentation.",
    "demo.ome.zarr",
    "demo.ome.zarr --method tissue --format 0.4",
)
@click.argument("output", type=PLACE)
@click.option(
    "--method", "load", type=Named("PICTURE", _names, _find), default="cell", show_default=True, help="Which picture."
)
@options.fmt
@options.overwrite
@options.plan
@options.as_json("Print JSON: the plan, or what was written.")
@store_option
@verbosity
def command(output: str, load: Callable[[], Any], fmt: Any, overwrite: bool, plan: bool, as_json: bool) -> None:
    """Write a real picture and its segmentation as an OME-Zarr image with labels, and show what was written.

    cell: a cell in saline, seen by quantitative phase. coins: Greek coins from Pompeii. tissue: a stained section of
    colon in colour, with its nuclei. They come with scikit-image; nothing is downloaded.
    """
    from ..store import Layout, Target
    from ..write import execute, image_request
    from ..writer import write_labels
    from .info import report
    from .tables import show_request

    picture = load()
    image = picture.image
    request = image_request(
        image.data, output, axes=image.axes, scale=image.scale, name=image.name, fmt=fmt, layout=Layout(chunks=CHUNKS),
        channel_names=image.channel_names, channel_colors=image.channel_colors,
    )  # fmt: skip

    if plan:
        show_request(image.name, output, request, as_json)
        return

    def segment(target: Target) -> None:
        write_labels(picture.labels, target, picture.label_name, axes="yx", colors="auto")

    execute(request, overwrite=overwrite, below=segment)
    report(output, as_json, at=0)
