"""The overview of a plate, kept as an image in its group."""

from __future__ import annotations

from typing import Any, Literal

import attrs

from ..engine import Progress
from ..exceptions import ExistsError
from ..read import open_plate
from ..store import Layout, find_target, opened
from .arguments import image_request
from .execution import execute

OVERVIEW = "plate_overview"  # no well is below it: names of rows are letters and digits


def write_overview(
    plate: Any,
    level: int | Literal["auto"] = "auto",
    acquisition: int | None = None,
    field: int | str = 0,
    *,
    progress: Progress = None,
    store_options: Any = None,
) -> str:
    """Keep the overview of a plate as an image in its group, for viewers that would ask for every well.

    It is an image next to the rows of the plate, which the plate does not list; one that is there is replaced.

    Args:
        plate: the group of the plate. level, acquisition, field: as in `overview` of `open_plate`.
        progress, store_options: as in `write_image`.

    Returns:
        Its name in the group of the plate.

    Raises:
        MissingError: there is no plate, or no such field. ExistsError: something else has its place.
    """
    target = find_target(opened(getattr(plate, "target", plate), store_options))
    target.refuse_package()
    seen = open_plate(target).overview(level, acquisition, field)
    (image,), place = seen.images, target.child(OVERVIEW)
    if place.attributes and "overview" not in place.said:
        raise ExistsError(f"{place} is not an overview that was written here; move it to another place.")
    request = image_request(
        image.data, place, axes=image.axes, scale=image.scale, name=image.name, method="local_mean", layout=Layout(),
        omero=seen.metadata.omero, channel_names=None if seen.metadata.omero else image.channel_names,
        channel_colors=None if seen.metadata.omero else image.channel_colors,
    )  # fmt: skip
    said = {"overview": {"level": level, "acquisition": acquisition, "field": field}}
    execute(attrs.evolve(request, said=said), overwrite=True, progress=progress)
    return OVERVIEW
