"""`to_ngff_zarr`: a `Multiscales` to a store, through the same request and engine as `write_image`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from inspect import signature
from typing import Any

import attrs
import numpy as np

from ..engine import Progress
from ..exceptions import ChunkError, OptionError
from ..image import Multiscales
from ..pixels import Level, Methods, as_labels, as_source, find_method
from ..spec import Axes, Format, format_from_version
from ..store import Layout, Target, as_place, find_target
from ..text import refuse_unknown
from .execution import execute
from .labels.request import label_path, register_label
from .omero import Rendering
from .request import Request


def to_ngff_zarr(
    store: Any,
    multiscales: Multiscales,
    version: str | Format | None = None,
    overwrite: bool = True,
    chunks_per_shard: int | tuple[int, ...] | Mapping[str, int] | None = None,
    progress: Progress = None,
    compression: Any = None,
    *,
    resume: bool = False,
    compute: bool = True,
    **others: Any,
) -> list[Any]:
    """Write a pyramid.

    Levels that `to_multiscales` made are made by the engine as they are written; a level whose data is another one,
    and what was made from it, is written as given. Labels in `multiscales.labels` are written too.

    Args:
        store: a path, a URL, a mapping, a Zarr group or store; a path that ends in `.zip` or `.ozx`, or a `ZipStore`,
            becomes one file.
        multiscales: from `to_multiscales` or `open_image`.
        version: of OME-NGFF; None takes that of the group, else 0.5.
        overwrite: replace an image that is there. resume: finish a write that was interrupted.
        chunks_per_shard: chunks along each axis of a shard (0.5 only): an int, one per axis, or by axis name.
        progress, compression, compute: as in `write_image`.
        others: words of ngff-zarr: `compressor` and `compressors` mean `compression`; with `use_tensorstore`, which
            says how and not what, nothing changes. Any other word is an error.

    Returns:
        An empty list, or with `compute=False` the tasks.

    Raises:
        NgffError: one of its children; the disk is as it was.
    """
    compression = _their_words(others, compression)
    if not isinstance(multiscales, Multiscales):
        raise OptionError(
            f"What is written is a Multiscales, from to_multiscales or open_image (got {type(multiscales).__name__})."
        )
    target = find_target(store, None if version is None else format_from_version(version))
    request = _request(target, multiscales, _layout(multiscales, chunks_per_shard, compression))
    labels = dict(multiscales.labels)
    if labels and not compute:
        raise OptionError("compute=False writes the image alone; take its labels out of the Multiscales first.")
    layouts = {name: _layout(label, chunks_per_shard, compression).of_labels() for name, label in labels.items()}
    for name, label in labels.items():  # before the image that is there is touched
        as_labels(label.images[0].data)
        child = attrs.evolve(target, path=target.key(label_path(name)), attributes=None, handle=None, package=None)
        target.fmt.validate(target.fmt.wrap(_request(child, label, layouts[name]).document()))

    def write_below(image: Target) -> None:
        for name, label in labels.items():
            parent = find_target(as_place(image))
            register = partial(register_label, parent.child("labels"), name)
            request = _request(parent.child(label_path(name)), label, layouts[name])
            request = attrs.evolve(request, afterwards=(register,))
            execute(request, overwrite=overwrite and not resume, resume=resume, progress=progress)

    words: dict[str, Any] = {"overwrite": overwrite and not resume, "resume": resume, "compute": compute}
    return execute(_finished(request, multiscales), **words, progress=progress, below=write_below if labels else None)


to_ome_zarr = to_ngff_zarr


def _layout(multiscales: Multiscales, chunks_per_shard: Any, compression: Any) -> Layout:
    """Give the storage of a pyramid: its chunks, and shards as multiples of them."""
    first = multiscales.images[0]
    chunks = multiscales.chunks or {}
    lengths = {d: min(chunks.get(d, n), n) for d, n in zip(first.dims, first.data.shape, strict=True)}
    shards = None
    if chunks_per_shard is not None:
        if isinstance(chunks_per_shard, Mapping):
            refuse_unknown([d for d in chunks_per_shard if d not in first.dims], first.dims, "chunks_per_shard")
            counts = {d: chunks_per_shard.get(d, 1) for d in first.dims}
        elif isinstance(chunks_per_shard, (int, np.integer)):
            counts = {d: int(chunks_per_shard) if d in "zyx" else 1 for d in first.dims}
        elif len(chunks_per_shard) == len(first.dims):
            counts = dict(zip(first.dims, chunks_per_shard, strict=True))
        else:
            raise ChunkError(f"chunks_per_shard is a whole number, one per axis, or a dict (got {chunks_per_shard!r}).")
        if any(isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1 for n in counts.values()):
            raise ChunkError(f"chunks_per_shard must be whole numbers above zero (got {chunks_per_shard!r}).")
        shards = {d: n * counts[d] for d, n in lengths.items()}
    return Layout.parse(lengths if multiscales.chunks else None, shards, compression)


def _request(target: Target, multiscales: Multiscales, layout: Layout) -> Request:
    images, metadata = multiscales.images, multiscales.metadata
    if metadata.omero is None and images:
        images[0].check()
    if len(images) != len(metadata.datasets):
        raise OptionError(f"{len(images)} images and {len(metadata.datasets)} datasets do not make a pyramid.")
    axes = Axes(metadata.axes, ndim=images[0].data.ndim)
    given = multiscales.given()
    ones = (1,) * len(axes)
    levels = tuple(
        multiscales.levels[k]
        if k < len(multiscales.levels)
        else Level(tuple(image.data.shape), ones, k, ones, (0.0,) * len(axes))
        for k, image in enumerate(images)
    )
    for k, (image, level) in enumerate(zip(images, levels, strict=True)):
        if tuple(image.data.shape) != level.shape:
            raise OptionError(
                f"Level {k} has the shape {tuple(image.data.shape)}, but its place asks for {level.shape}."
            )
        if image.data.dtype != images[0].data.dtype:
            raise OptionError(f"Level {k} has the dtype {image.data.dtype}, level 0 {images[0].data.dtype}.")
    extra = dict(metadata.extra)
    if extra.pop("coordinateTransformations", None):
        left_out = f"The transformations of {metadata.name!r} from one coordinate system to another are left out"
        warnings.warn(f"{left_out}: OME-Zarr {target.fmt.version} cannot hold them.", UserWarning, stacklevel=3)
    label, made_by = multiscales.image_label, find_method(multiscales.method or Methods.NEAREST)
    return Request.of(
        target, axes, attrs.evolve(metadata, version=target.fmt.version, extra=extra), levels,
        {k: as_source(images[k].data) for k in sorted(given)}, made_by, layout,
        image_label=None if label is None else {key: value for key, value in label.items() if key != "version"},
        attributes=multiscales.attributes,
    )  # fmt: skip


def _their_words(others: Mapping[str, Any], compression: Any) -> Any:
    """Take what scripts for ngff-zarr say in other words; return the compression."""
    known = ("compressor", "compressors", "use_tensorstore")
    refuse_unknown(
        [word for word in others if word not in known], [*signature(to_ngff_zarr).parameters], "to_ngff_zarr"
    )
    said = [value for value in (compression, *map(others.get, known[:2])) if value is not None]
    if len(said) > 1:
        raise OptionError(f"Say the compression once (got {', '.join(map(repr, said))}).")
    return said[0] if said else None


def _finished(request: Request, multiscales: Multiscales) -> Request:
    """Let channels whose names are known be described, and whoever waits for the image be called."""
    image, omero = multiscales.images[0], multiscales.metadata.omero
    described = omero is None and bool(image.channel_names or image.channel_colors)
    if omero is not None and any(channel.window is None for channel in omero.channels):  # what is missing is measured
        request, described = attrs.evolve(request, metadata=attrs.evolve(request.metadata, omero=None)), True
    return attrs.evolve(
        request, measured=Rendering.of(image, omero) if described else None, afterwards=tuple(image.computed_callbacks)
    )
