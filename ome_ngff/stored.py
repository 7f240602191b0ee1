"""The pyramid of an array that is stored already: what `Scaler.scale` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import zarr

from . import storage
from .arguments import AxesLike, image_request
from .exceptions import MissingError, StoreError
from .layout import Layout
from .request import Request, execute

if TYPE_CHECKING:
    from .scale import Scaler


def scale_array(scaler: Scaler, input_array: Any, output_directory: Any, axes: AxesLike | None = None) -> None:
    """Write the pyramid of a stored array; see `Scaler.scale`."""
    store, path = storage.locate(input_array)
    array = storage.open_node(store, path)
    if not isinstance(array, zarr.Array):
        raise MissingError(f"There is no Zarr array at {storage.place(store, path)}.")
    if scaler.labeled:
        scaler.refuse_invention()
    request = image_request(array, output_directory, axes=axes, scaler=scaler, layout=Layout(chunks=array.chunks))
    attributes = dict(array.attrs) if scaler.copy_metadata else {}
    request = attrs.evolve(request, attributes=request.target.fmt.strip(attributes))
    if scaler.in_place:
        request = _beside(request, array)
    execute(request, overwrite=False)


def _beside(request: Request, array: zarr.Array[Any]) -> Request:
    """Make a stored array, which lies in the group that is written, level 0 as it stands.

    Raises:
        StoreError: it lies elsewhere, or is stored in a way that the format does not allow.
    """
    target = request.target
    folder, _, name = storage.place(array.store, array.path).rpartition("/")
    if str(target).rstrip("/") != folder or target.attributes is None:
        raise StoreError(f"in_place adds levels beside the array, in {folder}; that is no group, or not {target}.")
    names = getattr(array.metadata, "dimension_names", None)
    separator = getattr(array.metadata, "dimension_separator", "/")
    if separator != "/" or (target.fmt.zarr_format == 3 and names != request.axes.names):
        raise StoreError(
            f"The array {array.name} cannot be level 0 as it stands: its dimension_names must be {request.axes.names} "
            f"(are {names}) and its chunk keys nested by '/' (are by {separator!r}). Write a copy, without in_place."
        )
    multiscale = dict(request.document["multiscales"][0])
    first, *others = multiscale["datasets"]
    document = {**request.document, "multiscales": [{**multiscale, "datasets": [{**first, "path": name}, *others]}]}
    return attrs.evolve(request, kept=frozenset({0}), paths=(name, *request.paths[1:]), document=document)
