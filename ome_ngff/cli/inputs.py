"""What options say of an image, in place of what its file says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from ..exceptions import AxesError
from ..spec import SPATIAL, TIME_UNITS, full_unit

if TYPE_CHECKING:
    from ..image import NgffImage


def adjusted(
    image: NgffImage, *, scale: Any = None, translation: Any = None, axes_units: Any = None, name: str | None = None
) -> NgffImage:
    """Let each option that is given win over the file, axis by axis.

    Args:
        image: what the file says.
        scale, translation: a number for all spatial axes, a list with one per axis, or a dict.
        axes_units: a unit for all axes that it can be the unit of, or a dict.
        name: name of the image.

    Raises:
        AxesError: a list that is not as long as there are axes, or a unit that none of them can have.
    """
    if isinstance(axes_units, str):
        kind = ("t",) if full_unit(axes_units) in TIME_UNITS else SPATIAL
        unit, axes_units = axes_units, {axis: axes_units for axis in image.dims if axis in kind}
        if not axes_units:
            raise AxesError(f"{unit!r} is the unit of no axis: the axes are {','.join(image.dims)}.")
    return attrs.evolve(
        image,
        scale=_with(image, image.scale, scale, "scale"),
        translation=_with(image, image.translation, translation, "translation"),
        axes_units={**(image.axes_units or {}), **(axes_units or {})},
        name=image.name if name is None else name,
    )


def _with(image: NgffImage, known: dict[str, float] | None, given: Any, what: str) -> dict[str, float]:
    if isinstance(given, float):
        given = {axis: given for axis in image.dims if axis in SPATIAL}
    elif isinstance(given, list):
        given = dict(zip(image.dims, image.axes.vector(given, 1.0, what), strict=True))
    return {**(known or {}), **(given or {})}
