"""Pyramids of stored arrays, as copies or in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import zarr

from ..engine import Progress
from ..exceptions import MissingError, OptionError, StoreError
from ..pixels import Scaler
from ..spec import AxesLike, Format
from ..store import Layout, Target, folder_of, locate, nearest_place, open_node, place
from .arguments import image_request
from .execution import execute
from .leveling import add_levels
from .request import Request
from .resume import begun_ladder


def write_scaled(
    scaler: Scaler,
    input_array: Any,
    output_directory: Any,
    axes: AxesLike | None,
    overwrite: bool,
    progress: Progress,
    fmt: Format | str | None = None,
) -> None:
    """Write the pyramid of a stored array."""
    array, request = scaled_request(scaler, input_array, output_directory, axes, fmt)
    if scaler.in_place:
        if overwrite:
            raise OptionError("in_place keeps the array as level 0; it cannot be overwritten, too.")
        begun_ladder(request.target)  # an image that is there and not understood is named as such
        if request.target.is_image:
            names = request.names
            ladder = [dict(zip(names, level.factors, strict=True)) for level in request.levels[1:]]
            add_levels(_holding(array, request.target), ladder, scaler.reducer, progress=progress)
            return
        request = _keeping(array, request)
    execute(request, overwrite=overwrite, progress=progress)


def find_array(of: Any) -> zarr.Array[Any]:
    """Open a stored array.

    Raises:
        MissingError: there is none.
    """
    store, path = locate(of)
    array = open_node(store, path)
    if not isinstance(array, zarr.Array):
        where = place(store, path)
        hint = f"; it is a group, in which one is named {where}/0, for example" if array is not None else ""
        raise MissingError(f"There is no Zarr array at {where}{hint}.{nearest_place(where)}")
    return array


def scaled_request(
    scaler: Scaler, input_array: Any, output_directory: Any, axes: AxesLike | None, fmt: Format | str | None = None
) -> tuple[zarr.Array[Any], Request]:
    """Return a stored array, and the write of its pyramid; nothing is touched.

    Raises:
        MissingError: there is no such array. LabelError: see `Scaler.scale`.
    """
    array = find_array(input_array)
    if scaler.labeled:
        scaler.refuse_invention()
    layout = Layout(chunks=array.chunks)
    request = image_request(
        array, output_directory, axes=axes, scaler=scaler, layout=layout, omero=not scaler.labeled, fmt=fmt
    )
    attributes = dict(array.attrs) if scaler.copy_metadata else {}
    return array, attrs.evolve(request, attributes=request.target.fmt.strip(attributes))


def _holding(array: zarr.Array[Any], target: Target) -> Target:
    """Return the group that holds an array.

    Raises:
        StoreError: it is another one.
    """
    folder = str(folder_of(array.store, array.path) or place(array.store, array.path)).rpartition("/")[0]
    if str(target.folder or target).rstrip("/") != folder or target.attributes is None:
        raise StoreError(f"in_place adds levels next to the array, in {folder}; that is not a group, or not {target}.")
    return target


def _keeping(array: zarr.Array[Any], request: Request) -> Request:
    """Make a stored array, which is in the group that is written, level 0 as it stands.

    Raises:
        StoreError: it is elsewhere, or stored in a way that the format does not allow.
    """
    target = _holding(array, request.target)
    name = array.path.rpartition("/")[2] or (folder_of(array.store) or Path()).name
    names = getattr(array.metadata, "dimension_names", None)
    separator = getattr(array.metadata, "dimension_separator", "/")
    if separator != "/" or (target.fmt.zarr_format == 3 and names != request.names):
        raise StoreError(
            f"The array {array.name} cannot be level 0 as it stands: its dimension_names must be {request.names} "
            f"(are {names}) and its chunk keys nested by '/' (are by {separator!r}). Write a copy, without in_place."
        )
    first, *others = request.metadata.datasets
    metadata = attrs.evolve(request.metadata, datasets=[attrs.evolve(first, path=name), *others])
    return attrs.evolve(request, kept=frozenset({0}), metadata=metadata)
