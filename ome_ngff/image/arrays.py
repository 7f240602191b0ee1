"""From an array to an image in space: `to_ngff_image`."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence, Sized
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.storage import StorePath

from ..exceptions import AxesError, InputError, MissingError, ScaleError
from ..pixels import as_source, blocks_of, views_of
from ..spec import KNOWN_AXES, Axes
from ..store import locate, open_node, place, settled
from ..text import list_of, show
from .values import NgffImage

_DEFAULT_DIMS = {2: "yx", 3: "zyx", 4: "zyxc", 5: "tzyxc"}


def to_ngff_image(
    data: Any,
    dims: Sequence[str] | None = None,
    scale: Mapping[str, float] | Sequence[float] | None = None,
    translation: Mapping[str, float] | Sequence[float] | None = None,
    name: str = "image",
    axes_units: Mapping[str, str] | None = None,
    channel_names: Sequence[str] | None = None,
) -> NgffImage:
    """Put an array into physical space, lazily.

    Args:
        data: NumPy, dask, a tensor, a CuPy array, Zarr, h5py, xarray, anything that can be sliced or speaks
            `__array__` or `__dlpack__`; or the path, URL or mapping of a stored Zarr array.
        dims: name of each dimension. None: those of xarray, else yx, zyx, zyxc or tzyxc by their number. x may be alone
            in space, but no version of the format can store that.
        scale: pixel size per axis, in `axes_units`. translation: position of the centre of the first pixel per axis.
        name: what the image is called. axes_units: unit per axis. channel_names: one name per channel.

    Returns:
        An image whose data is a dask array in the order that the specification asks for: t, c, z, y, x.

    Raises:
        InputError: the data is not an array of numbers. AxesError: the dims do not fit it.
    """
    import dask.array as da

    if isinstance(data, (str, Path, MutableMapping, Store, StorePath, zarr.Group)):
        data = _stored_array(data)
    known = _facts_of_xarray(data, dims, scale is not None, translation is not None)
    source = settled(as_source(data, least=1 if dims is not None or known.get("dims") else 2))
    if not isinstance(dims, Sequence) and dims is not None:
        raise AxesError(f"dims are names, such as 'zyx', or a list (got {show(dims)}).")
    given = tuple(dims) if dims is not None else known.get("dims") or tuple(_DEFAULT_DIMS.get(source.ndim, ""))
    if not given:
        raise AxesError(f"An image has 2 to 5 dimensions (got {source.ndim}).")
    if len(given) != source.ndim:
        raise AxesError(f"dims {given} name {len(given)} dimensions, but the data has {source.ndim}.")
    unknown = [d for d in given if d not in KNOWN_AXES]
    if unknown or len(set(given)) != len(given):
        raise AxesError(f"dims are t, c, z, y, x, each at most once (got {','.join(map(str, given))}).")
    order = sorted(range(source.ndim), key=lambda i: "tczyx".index(given[i]))
    if isinstance(source, np.ndarray):
        lazy = views_of(source.transpose(order))
    else:
        lazy = source if hasattr(source, "dask") else da.from_array(source, chunks=blocks_of(source), asarray=False)
        lazy = lazy if order == list(range(source.ndim)) else lazy.transpose(order)
    ordered = tuple(given[i] for i in order)
    image = NgffImage(
        lazy,
        ordered,
        _by_axis(scale if scale is not None else known.get("scale"), given, 1.0, "scale"),
        _by_axis(translation if translation is not None else known.get("translation"), given, 0.0, "translation"),
        name,
        axes_units if axes_units is not None else known.get("axes_units"),
        channel_names=channel_names if channel_names is not None else known.get("channel_names"),
        given_dims=None if given == ordered else given,
    )
    image.check()
    return image


def _by_axis(values: Any, dims: Sequence[str], default: float, what: str) -> dict[str, float]:
    """Return one number per axis, whether they came as a mapping or in the order of the dims."""
    ordered = Axes("".join(name for name in "tczyx" if name in dims), lines=True)
    if not isinstance(values, Mapping) and values is not None:
        if isinstance(values, (str, bytes)) or not isinstance(values, Sized) or len(values) != len(dims):
            raise AxesError(f"{what} needs a dict, or one number for each of {','.join(dims)} (got {values!r}).")
        values = dict(zip(dims, list_of(values, what), strict=True))
    return dict(zip(ordered.names, ordered.vector(values, default, what), strict=True))


def _stored_array(where: Any) -> zarr.Array[Any]:
    store, path = locate(where)
    found = open_node(store, path)
    if found is None:
        raise MissingError(f"There is no Zarr array at {place(store, path)}.")
    if isinstance(found, zarr.Group):
        raise InputError(f"{place(store, path)} is a group; open_image reads images.")
    return found


def _facts_of_xarray(data: Any, dims: Sequence[str] | None, has_scale: bool, has_translation: bool) -> dict[str, Any]:
    """Return what an xarray states about itself; nothing for anything else.

    Args:
        data: an `xarray.DataArray`, or anything else. dims: other names for its dimensions, in the same order.
        has_scale, has_translation: whether the caller gives these, so that the coordinates need not be even.

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
            known["scale"][axis] = _step(values.astype(np.float64), axis)
            known["translation"][axis] = float(values[0])
        if unit:
            known["axes_units"][axis] = str(unit)
    return known


def _step(values: np.ndarray[Any, Any], axis: str) -> float:
    """Return the distance of coordinates; 1 where there is a single one.

    Raises:
        ScaleError: they do not grow, or not evenly.
    """
    if len(values) < 2:
        return 1.0
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
