"""From an array to an image in space, and from an image to a lazy pyramid: `to_ngff_image`, `to_multiscales`."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.storage import StorePath

from . import coordinates, storage
from .arguments import image_request
from .axes import KNOWN_AXES, SPATIAL, AnatomicalOrientation, Axes
from .config import config
from .exceptions import AxesError, InputError, MethodError, MissingError, OptionError, ScaleError
from .image import Multiscales, NgffImage
from .layout import parse_lengths
from .levels import ScaleFactors, levels, parse_ladder, reduce_whole
from .metadata import Dataset, Metadata, Scale, Translation
from .methods import Method, Methods, find_method
from .request import execute
from .sources import as_source

#: orientation of axes that grow to the left, to the back and to the head of a patient (RFC-4)
LPS = {
    "x": AnatomicalOrientation.RIGHT_TO_LEFT,
    "y": AnatomicalOrientation.ANTERIOR_TO_POSTERIOR,
    "z": AnatomicalOrientation.INFERIOR_TO_SUPERIOR,
}
#: orientation of axes that grow to the right, to the front and to the head of a patient (RFC-4)
RAS = {
    "x": AnatomicalOrientation.LEFT_TO_RIGHT,
    "y": AnatomicalOrientation.POSTERIOR_TO_ANTERIOR,
    "z": AnatomicalOrientation.INFERIOR_TO_SUPERIOR,
}
ORIENTATIONS = {"LPS": LPS, "RAS": RAS}
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
        dims: name of each dimension. None: those of xarray, else yx, zyx, zyxc or tzyxc by their number.
        scale: pixel size per axis, in `axes_units`. translation: position of the centre of the first pixel per axis.
        name: what the image is called. axes_units: unit per axis. channel_names: one name per channel.

    Returns:
        An image whose data is a dask array in the order that the specification asks for: t, c, z, y, x.

    Raises:
        InputError: the data is no array of numbers. AxesError: the dims do not fit it.
    """
    import dask.array as da

    if isinstance(data, (str, Path, MutableMapping, Store, StorePath, zarr.Group)):
        data = _stored(data)
    known = coordinates.read(data, dims, scale is not None, translation is not None)
    source = as_source(data)
    given = tuple(dims) if dims is not None else known.get("dims") or _default_dims(source.ndim)
    if len(given) != source.ndim:
        raise AxesError(f"dims {given} name {len(given)} dimensions, but the data has {source.ndim}.")
    unknown = [d for d in given if d not in KNOWN_AXES]
    if unknown or len(set(given)) != len(given):
        raise AxesError(f"dims are t, c, z, y, x, each at most once (got {','.join(given)}).")
    order = sorted(range(source.ndim), key=lambda i: "tczyx".index(given[i]))
    if isinstance(source, np.ndarray):
        lazy = _views(source.transpose(order))
    else:
        lazy = source if hasattr(source, "dask") else da.from_array(source, chunks=_blocks(source), asarray=False)
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


def _default_dims(ndim: int) -> tuple[str, ...]:
    if ndim not in _DEFAULT_DIMS:
        raise AxesError(f"An image has 2 to 5 dimensions (got {ndim}).")
    return tuple(_DEFAULT_DIMS[ndim])


def _by_axis(values: Any, dims: Sequence[str], default: float, what: str) -> dict[str, float]:
    """Give one number per axis, whether they came as a mapping or in the order of the dims."""
    ordered = Axes("".join(name for name in "tczyx" if name in dims))
    if not isinstance(values, Mapping) and values is not None:
        if isinstance(values, (str, int, float)) or len(values) != len(dims):
            raise AxesError(f"{what} needs a dict, or one number for each of {','.join(dims)} (got {values!r}).")
        values = dict(zip(dims, values, strict=True))
    return dict(zip(ordered.names, ordered.vector(values, default, what), strict=True))


def _stored(place: Any) -> zarr.Array[Any]:
    store, path = storage.locate(place)
    found = storage.open_node(store, path)
    if found is None:
        raise MissingError(f"There is no Zarr array at {storage.place(store, path)}.")
    if isinstance(found, zarr.Group):
        raise InputError(f"{storage.place(store, path)} is a group; open_image reads images.")
    return found


def _views(array: np.ndarray[Any, Any]) -> Any:
    """Wrap NumPy, or a memory map, into dask: the blocks are views. `dask.array.from_array` would copy all of it."""
    import dask.array as da
    from dask.highlevelgraph import HighLevelGraph

    name = f"image-{uuid.uuid4().hex}"
    chunks = da.core.normalize_chunks("auto", array.shape, dtype=array.dtype)
    keys = itertools.product([name], *(range(len(lengths)) for lengths in chunks))
    blocks = {key: array[cut] for key, cut in zip(keys, da.core.slices_from_chunks(chunks), strict=True)}
    whole = f"original-{name}"  # where `sources.as_source` looks
    layers: dict[str, Any] = {whole: {whole: array}, name: blocks}
    graph = HighLevelGraph(layers, {whole: set(), name: {whole}})
    return da.Array(graph, name, chunks, dtype=array.dtype)


def _blocks(source: Any) -> Any:
    """Give the blocks of a dask array around a source: its own, or about 128 MiB."""
    chunks = getattr(source, "shards", None) or getattr(source, "chunks", None)
    return chunks or "auto"


def to_multiscales(
    data: Any,
    scale_factors: int | ScaleFactors = 128,
    method: str | Methods | Method | None = None,
    chunks: Any = None,
    progress: Any = None,
    cache: bool | None = None,
    orientation: str | Mapping[str, AnatomicalOrientation | str] | None = None,
) -> Multiscales:
    """Make a lazy pyramid; its images can be computed on their own, and a write gives the same pixels.

    Args:
        data: an `NgffImage`, or anything that `to_ngff_image` takes.
        scale_factors: the smallest length along a spatial axis, down to which every axis is halved; or factors
            relative to level 0: ints for every spatial axis, or dicts by axis.
        method: how levels are made; None is `Methods.GAUSSIAN`.
        chunks: pixels per chunk: an int for the spatial axes, a tuple in the order in which the dims were given, or a
            mapping by axis. None: 128 for volumes, 256 for planes.
        progress: a bar (True) or a callable of (units done, units in all) for the spooling that `cache=True` does.
        cache: True spools the source to `config.cache_store` first, so that a costly source is computed once however
            often the pyramid is looked at. None and False leave it to the write, which spools where its plan has to.
        orientation: "LPS", "RAS", or `AnatomicalOrientation` by axis (RFC-4).

    Raises:
        ScaleError, MethodError, ChunkError, AxesError: an argument cannot be used.
    """
    image = data if isinstance(data, NgffImage) else to_ngff_image(data)
    lazy = to_ngff_image(image.data, image.dims, image.scale, image.translation)
    given = image.given_dims or image.dims
    image = attrs.evolve(image, data=lazy.data, dims=lazy.dims, scale=lazy.scale, translation=lazy.translation)
    if orientation is not None:
        image = attrs.evolve(image, axes_orientations=_orientations(orientation, image.dims))
    image.check()
    axes, shape = image.axes, tuple(image.data.shape)
    reducer = find_method(method if method is not None else Methods.GAUSSIAN)
    if reducer.in_memory:
        raise MethodError(f"{reducer.name!r} gives residuals in memory; see Scaler.{reducer.name}.")
    if isinstance(chunks, Sequence) and len(chunks) == len(given):
        chunks = dict(zip(given, chunks, strict=True))
    lengths = _chunks(chunks, shape, axes)
    ladder = _ladder(scale_factors, shape, axes)
    if ladder:
        reducer.check(image.data.dtype)
    if cache:
        image = attrs.evolve(image, data=_spooled(image, progress))
    found = levels(shape, ladder, reducer)
    base = [axes.vector(image.scale, 1.0, "scale"), axes.vector(image.translation, 0.0, "translation")]
    arrays: list[Any] = []
    for k, level in enumerate(found):
        arrays.append(image.data if k == 0 else reduce_whole(arrays[level.parent], level.steps, reducer))
    images = [
        attrs.evolve(
            image,
            data=array,
            scale=dict(zip(image.dims, level.scale(base[0]), strict=True)),
            translation=dict(zip(image.dims, level.translation(base[1], base[0]), strict=True)),
        )
        for array, level in zip(arrays, found, strict=True)
    ]
    datasets = [
        Dataset(
            f"scale{k}/{image.name}",
            [Scale(level.scale(base[0])), Translation(level.translation(base[1], base[0]))],
        )
        for k, level in enumerate(found)
    ]
    metadata = Metadata(list(axes), datasets, name=image.name)
    if ladder:
        metadata.type, metadata.metadata = reducer.name, reducer.describe()
    return Multiscales(
        images=images,
        metadata=metadata,
        scale_factors=scale_factors if not isinstance(scale_factors, int) else _dicts(ladder, image.dims),
        method=Methods(reducer.name),  # type: ignore[arg-type]  # looked up by name
        chunks=dict(zip(image.dims, lengths, strict=True)),
        levels=found,
        made=arrays,
    )


def _orientations(orientation: Any, dims: Sequence[str]) -> dict[str, str]:
    if isinstance(orientation, str):
        if orientation.upper() not in ORIENTATIONS:
            raise OptionError(f"orientation is 'LPS', 'RAS' or a mapping of axes (got {orientation!r}).")
        orientation = {name: value for name, value in ORIENTATIONS[orientation.upper()].items() if name in dims}
    if not isinstance(orientation, Mapping):
        raise OptionError(f"orientation is 'LPS', 'RAS' or a mapping of axes (got {orientation!r}).")
    return {name: str(getattr(value, "value", value)) for name, value in orientation.items()}


def _chunks(chunks: Any, shape: Sequence[int], axes: Axes) -> tuple[int, ...]:
    spatial = [n for n, axis in zip(shape, axes, strict=True) if axis.type == "space" and n > 1]
    length = 128 if len(spatial) > 2 else 256
    default = [length if axis.type == "space" else 1 for axis in axes]
    return parse_lengths(chunks, axes, default, "chunks")


def _ladder(scale_factors: int | ScaleFactors, shape: Sequence[int], axes: Axes) -> list[tuple[int, ...]]:
    """Parse the factors, or halve every spatial axis down to a smallest length."""
    if isinstance(scale_factors, bool) or not isinstance(scale_factors, (int, np.integer)):
        return parse_ladder(scale_factors, axes.names, plane=False)  # type: ignore[arg-type]  # bool is refused there
    if scale_factors < 1:
        raise ScaleError(f"The smallest length is a whole number above zero (got {scale_factors}).")
    ladder: list[tuple[int, ...]] = []
    factors = [1] * len(shape)
    while True:
        halve = [
            i for i, axis in enumerate(axes) if axis.name in SPATIAL and shape[i] // (2 * factors[i]) >= scale_factors
        ]
        if not halve:
            return ladder
        for i in halve:
            factors[i] *= 2
        ladder.append(tuple(factors))


def _dicts(ladder: Sequence[Sequence[int]], dims: Sequence[str]) -> list[dict[str, int]]:
    return [{d: f for d, f in zip(dims, factors, strict=True) if d in SPATIAL} for factors in ladder]


def _spooled(image: NgffImage, progress: Any) -> Any:
    """Compute the data once, block by block, into a temporary array that goes when nobody needs it any more."""
    import dask.array as da

    folder = tempfile.mkdtemp(prefix="ome_ngff-cache-", dir=config.cache_store)
    request = image_request(image.data, folder, axes=list(image.dims), scale_factors=[], method="nearest")
    execute(request, overwrite=False, progress=progress)
    stored = zarr.open_array(f"{folder}/0", mode="r")
    lazy = da.from_array(stored, chunks=stored.chunks, asarray=False)
    weakref.finalize(stored, shutil.rmtree, folder, ignore_errors=True)
    return lazy
