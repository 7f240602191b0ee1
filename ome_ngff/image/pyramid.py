"""From an image to a lazy pyramid: `to_multiscales`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from ..engine import cached
from ..exceptions import ChunkError, MethodError, OptionError
from ..pixels import (
    Method,
    Methods,
    ScaleFactors,
    as_source,
    checked_blocks,
    factors_by_axis,
    find_method,
    halved_ladder,
    in_blocks,
    levels,
    reduce_whole,
)
from ..spec import AnatomicalOrientation, Dataset, Metadata, Scale, Translation, by_name
from ..store import default_chunks, parse_lengths
from ..text import show
from .arrays import to_ngff_image
from .multiscales import Multiscales
from .selection import pixel_geometry
from .values import NgffImage

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
LINE = 2**20  # pixels of a chunk of an image that has x alone


def to_multiscales(
    data: Any,
    scale_factors: float | ScaleFactors = 128,
    method: str | Methods | Method | None = None,
    chunks: Any = None,
    progress: Any = None,
    cache: bool | None = None,
    orientation: str | Mapping[str, AnatomicalOrientation | str] | None = None,
) -> Multiscales:
    """Make a lazy pyramid; its images can be computed on their own, and a write gives the same pixels.

    Args:
        data: an `NgffImage`, or anything that `to_ngff_image` takes.
        scale_factors: a length: the axes with the finest pixels are halved, y and x together, as long as one of them
            keeps at least that; or factors relative to level 0: ints for every spatial axis, or dicts by axis.
        method: how levels are made; None is `Methods.GAUSSIAN`.
        chunks: pixels per chunk: an int for the spatial axes, a tuple in the order in which the dims were given, or a
            mapping by axis; for an axis also all its chunks as dask has them, or None for those of the data. None: 128
            for volumes, 256 for planes, 2^20 for lines. Where it is given, the lazy levels come in such blocks, or in
            several times larger ones where there would be more than 4096.
        progress: a bar (True) or a callable of (bytes done, bytes in all) for the spooling that `cache=True` does.
        cache: True spools the source to `config.cache_store` first, so that a costly source is computed once however
            often the pyramid is looked at; what is cached goes when the pyramid is written. None and False leave it to
            the write, which spools where its plan has to.
        orientation: "LPS", "RAS", or `AnatomicalOrientation` by axis (RFC-4).

    Raises:
        ScaleError, MethodError, ChunkError, AxesError: an argument cannot be used.
    """
    image = data if isinstance(data, NgffImage) else to_ngff_image(data)
    lazy = to_ngff_image(image.data, image.dims, image.scale, image.translation)
    given = image.given_dims or image.dims
    image = attrs.evolve(image, data=lazy.data, dims=lazy.dims, scale=lazy.scale, translation=lazy.translation)
    if orientation is not None:
        image = attrs.evolve(image, axes_orientations=parse_orientation(orientation, image.dims))
    image.check()
    axes, shape = image.axes, tuple(image.data.shape)
    reducer = find_method(method if method is not None else Methods.GAUSSIAN)
    if reducer.in_memory:
        raise MethodError(f"{reducer.name!r} gives residuals in memory; see Scaler.{reducer.name}.")
    if isinstance(chunks, Sequence) and len(chunks) == len(given):
        chunks = dict(zip(given, chunks, strict=True))
    if isinstance(chunks, Mapping):
        chunks = {name: _length(name, lengths, image) for name, lengths in by_name(chunks, image.dims).items()}
    plane = 256 if len(axes.spatial) > 1 else LINE
    lengths = parse_lengths(chunks, axes, default_chunks(shape, axes, plane=plane), "chunks")
    base, start = pixel_geometry(axes, image.scale, image.translation)
    ladder = halved_ladder(scale_factors, shape, axes, base)
    if ladder:
        reducer.check(image.data.dtype)
    pixels, uncached = image.data, None
    if cache:
        import dask.array as da

        again = {"scale_factors": scale_factors, "method": method, "chunks": chunks}
        uncached = partial(to_multiscales, image, **again)
        segments = default_chunks(shape, axes, plane=1024 if len(axes.spatial) > 1 else LINE)
        stored = cached(as_source(pixels, least=1), tuple(map(min, segments, shape)), progress)
        pixels = da.from_array(stored, chunks=stored.chunks, asarray=False)
    found = levels(shape, ladder, reducer)
    arrays: list[Any] = []
    sound = checked_blocks(pixels)
    images, datasets = [], []
    for k, level in enumerate(found):
        made = reduce_whole(arrays[level.parent] if level.parent else sound, level.steps, reducer) if k else pixels
        arrays.append(made if chunks is None else in_blocks(made, lengths))
        scale, translation = level.scale(base), level.translation(start, base)
        sizes, starts = (dict(zip(image.dims, numbers, strict=True)) for numbers in (scale, translation))
        images.append(attrs.evolve(image, data=arrays[k], scale=sizes, translation=starts))
        datasets.append(Dataset(f"scale{k}/{image.name}", [Scale(scale), Translation(translation)]))
    metadata = Metadata(list(axes), datasets, name=image.name)
    if ladder:
        metadata.type, metadata.metadata = reducer.name, reducer.describe()
    return Multiscales(
        images=images,
        metadata=metadata,
        scale_factors=factors_by_axis(ladder, image.dims) if isinstance(scale_factors, (int, float)) else scale_factors,
        method=Methods(reducer.name),  # type: ignore[arg-type]  # looked up by name
        chunks=dict(zip(image.dims, lengths, strict=True)),
        levels=found,
        made=arrays,
        source=pixels,
        uncached=uncached,
    )


def _length(name: Any, lengths: Any, image: NgffImage) -> Any:
    """Return the length of the chunks of an axis, of which all may be given, or None for those of the data."""
    if lengths is None and name in image.dims:
        return image.data.chunksize[image.dims.index(name)]
    if not isinstance(lengths, (tuple, list)):
        return lengths
    if not lengths or len({*lengths[:-1]}) > 1 or lengths[-1] > lengths[0]:
        raise ChunkError(f"The chunks of an axis have one length, but for the last (got {show(lengths)} for {name}).")
    return lengths[0]


def parse_orientation(orientation: Any, dims: Sequence[str]) -> dict[str, Any]:
    """Return the direction of each axis that "LPS", "RAS" or a mapping names."""
    found = orientation
    if isinstance(orientation, str):
        known = ORIENTATIONS.get(orientation.upper())
        found = known and {name: value for name, value in known.items() if name in dims}
    if not isinstance(found, Mapping):
        raise OptionError(f"orientation is 'LPS', 'RAS' or a mapping of axes (got {orientation!r}).")
    return dict(found)
