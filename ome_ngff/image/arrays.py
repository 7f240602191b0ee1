"""From an array to an image in space: `to_ngff_image`."""

from __future__ import annotations

import os
from collections.abc import MutableMapping, Sequence
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.storage import StorePath

from ..exceptions import AxesError, InputError, MissingError
from ..pixels import as_source, blocks_of, views_of
from ..spec import Axes, Axis, PerAxis, UnitsLike
from ..store import folder_of, locate, open_node, place, settled
from .given import Given
from .values import NgffImage

_DEFAULT_DIMS = {2: "yx", 3: "zyx", 4: "zyxc", 5: "tzyxc"}


def to_ngff_image(
    data: Any,
    dims: Sequence[str] | None = None,
    scale: PerAxis | None = None,
    translation: PerAxis | None = None,
    name: str = "image",
    axes_units: UnitsLike | None = None,
    channel_names: Sequence[str] | None = None,
) -> NgffImage:
    """Put an array into physical space, lazily.

    Args:
        data: NumPy, dask, a tensor, a CuPy array, Zarr, h5py, xarray, anything that can be sliced or speaks
            `__array__` or `__dlpack__`; or the path, URL or mapping of a stored Zarr array.
        dims: name of each dimension. None: those of xarray, else yx, zyx, zyxc or tzyxc by their number. x may be alone
            in space, but no version of the format can store that.
        scale, translation, axes_units: as in `write_image`; what is left out is that of xarray's coordinates.
        name: what the image is called. channel_names: one name per channel.

    Returns:
        An image whose data is a dask array in the order that the specification asks for: t, c, z, y, x.

    Raises:
        InputError: the data is not an array of numbers. AxesError: the dims do not fit it.
    """
    import dask.array as da

    if isinstance(data, (str, os.PathLike, MutableMapping, Store, StorePath, zarr.Group)):
        data = _stored_array(data)
    given = Given.of(data, dims, scale, translation, axes_units, defaults=_DEFAULT_DIMS)
    source = settled(given.pixels)
    if given.axes is None:
        raise AxesError(f"An image has 2 to 5 dimensions (got {source.ndim}).")
    described = [Axis.parse(axis) for axis in given.axes]
    axes = Axes([axis.name for axis in described], lines=True)
    if isinstance(source, np.ndarray):
        lazy = views_of(source)
    else:
        lazy = source if hasattr(source, "dask") else da.from_array(source, chunks=blocks_of(source), asarray=False)
    image = NgffImage(
        lazy,
        axes.names,
        dict(zip(axes.names, axes.vector(given.scale, 1.0, "scale"), strict=True)),
        dict(zip(axes.names, axes.vector(given.translation, 0.0, "translation"), strict=True)),
        name,
        {axis.name: axis.unit for axis in described if axis.unit} or None,
        {axis.name: axis.orientation for axis in described if axis.orientation} or None,
        channel_names=channel_names if channel_names is not None else given.channel_names,
        given_dims=None if given.dims == axes.names else given.dims,
    )
    image.check()
    return image


def _stored_array(where: Any) -> zarr.Array[Any]:
    store, path = locate(where)
    found = open_node(store, path)
    folder = folder_of(store, path)
    if found is None and folder is not None and folder.is_file():
        as_source(where)  # refuses the name of a file
    if found is None:
        raise MissingError(f"There is no Zarr array at {place(store, path)}.")
    if isinstance(found, zarr.Group):
        raise InputError(f"{place(store, path)} is a group; open_image reads images.")
    return found
