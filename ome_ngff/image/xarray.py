"""What the coordinates of an xarray say of an image: dims, pixel sizes, positions, units, names of channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..exceptions import InputError, ScaleError


def read(data: Any, dims: Sequence[str] | None, has_scale: bool, has_translation: bool) -> dict[str, Any]:
    """Take what an xarray says of itself; nothing of anything else.

    Args:
        data: an `xarray.DataArray`, or anything else. dims: other names for its dimensions, in the same order.
        has_scale, has_translation: whether the caller says these, so that the coordinates need not be even.

    Returns:
        `dims`, `scale`, `translation`, `axes_units` and `channel_names`, as far as they are known.

    Raises:
        InputError: it is an `xarray.Dataset`. ScaleError: coordinates do not grow evenly.
    """
    if hasattr(data, "data_vars"):
        names = ", ".join(map(str, data.data_vars)) or "none"
        raise InputError(f"An image is one variable of a Dataset; pass one of them (it has {names}).")
    if not (hasattr(data, "coords") and hasattr(data, "dims")):
        return {}
    own = tuple(map(str, data.dims))
    known: dict[str, Any] = {"dims": own, "scale": {}, "translation": {}, "axes_units": {}}
    for name, axis in zip(own, dims or own, strict=False):
        if name not in data.coords:
            continue
        coordinate = data.coords[name]
        values = np.asarray(coordinate.values)
        if axis == "c":
            if values.dtype.kind in "UOT" and all(isinstance(value, str) for value in values):
                known["channel_names"] = [str(value) for value in values]
            continue
        unit = coordinate.attrs.get("units")
        if values.dtype.kind in "mM":  # dates count from the first
            values = values - values[0] if values.dtype.kind == "M" else values
            values, unit = values / np.timedelta64(1, "s"), "second"
        if values.dtype.kind not in "iuf":
            continue
        if not (has_scale and has_translation):
            known["scale"][axis] = _step(values.astype(np.float64), axis, 1.0)
            known["translation"][axis] = float(values[0])
        if unit:
            known["axes_units"][axis] = str(unit)
    return known


def _step(values: np.ndarray[Any, Any], axis: str, alone: float) -> float:
    """Return the distance of coordinates, or `alone` where there is one.

    Raises:
        ScaleError: they do not grow, or not evenly.
    """
    if len(values) < 2:
        return alone
    step = float(values[-1] - values[0]) / (len(values) - 1)
    if np.allclose(np.diff(values), step, rtol=1e-3, atol=0):
        if step > 0:
            return step
        if step < 0:
            raise ScaleError(
                f"The coordinates of {axis} go down; turn the axis round with data.isel({axis}=slice(None, None, -1)), "
                "or give scale= and translation=."
            )
    raise ScaleError(f"The coordinates of {axis} do not grow evenly; give scale= and translation=.")
