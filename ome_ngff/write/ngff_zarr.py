"""`to_ngff_zarr`: a `Multiscales` to a store, through the same request and engine as `write_image`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from inspect import signature
from typing import Any, cast

import attrs
from zarr.storage import StorePath

from ..engine import Progress
from ..exceptions import AxesError, OptionError, SpaceError
from ..image import Multiscales
from ..pixels import Methods, as_labels, as_source, find_method
from ..read import Field, open_image
from ..spec import Axes, Format, Metadata, Transformation, bound
from ..store import Layout, Target, find_target, opened, parse_lengths
from ..text import refuse_unknown, warn
from .execution import execute
from .labels.request import label_path, register_label
from .omero import Rendering
from .request import Request, given_level


def to_ngff_zarr(
    store: Any,
    multiscales: Multiscales,
    version: str | Format | None = None,
    overwrite: bool = True,
    use_tensorstore: bool = False,
    chunk_store: None = None,
    progress: Progress = None,
    chunks_per_shard: int | tuple[int, ...] | Mapping[str, int] | None = None,
    *,
    compression: Any = None,
    omero: bool = True,
    resume: bool = False,
    join: bool = False,
    compute: bool = True,
    store_options: Mapping[str, Any] | None = None,
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
        overwrite: replace an image that is there. resume: finish a write that was interrupted. join: write it together
            with other processes, as `write_image` does; what is there is then not replaced.
        chunks_per_shard: chunks along each axis of a shard (from 0.5), in the forms that `chunks` of `write_image` has.
        omero: whether the rendering of the channels, as far as it is not in `multiscales.metadata`, is measured.
        progress, compression, compute, store_options: as in `write_image`.
        use_tensorstore, chunk_store: of ngff-zarr, so that arguments by position mean the same; True changes nothing,
            and chunks are always where the metadata is.
        others: words of ngff-zarr: `compressor` and `compressors` mean `compression`. Any other word is an error.

    Returns:
        An empty list, or with `compute=False` the tasks.

    Raises:
        NgffError: one of its children; the disk is as it was.
    """
    compression = _their_words(others, compression)
    if not isinstance(use_tensorstore, bool) or chunk_store is not None:
        raise OptionError(
            "use_tensorstore is True or False, and chunk_store None: chunks are where the metadata is. By position, "
            "progress and chunks_per_shard follow after these."
        )
    if not isinstance(multiscales, Multiscales):
        raise OptionError(
            f"What is written is a Multiscales, from to_multiscales or open_image (got {type(multiscales).__name__})."
        )
    target = find_target(opened(store, store_options), version)
    request = _request(target, multiscales, _layout(multiscales, chunks_per_shard, compression))
    labels = dict(multiscales.labels)
    if labels and not compute:
        raise OptionError("compute=False writes the image alone; take its labels out of the Multiscales first.")
    below = {}
    for name, label in labels.items():  # before the image that is there is touched
        as_labels(label.images[0].data)
        child = attrs.evolve(target, path=target.key(label_path(name)), attributes=None, handle=None, package=None)
        below[name] = carrying(_request(child, label, _layout(label, chunks_per_shard, compression).of_labels()))
        target.fmt.validate(target.fmt.wrap(below[name][0].document()), kept=("transformation-type-known",))

    request, fields = carrying(request)

    def write_below(image: Target) -> None:
        steps = {"overwrite": overwrite, "resume": resume, "join": join}
        write_fields(image, fields, **steps)
        for name, (request, own) in below.items():
            parent = find_target(image)
            register = partial(register_label, parent.child("labels"), name)
            request = attrs.evolve(request, target=parent.child(label_path(name)), afterwards=(register,))
            execute(request, overwrite=overwrite and not (resume or join), resume=resume, join=join, progress=progress)
            write_fields(request.target, own, **steps)

    image, said = multiscales.images[0], multiscales.metadata.omero
    measured = omero and said is None and multiscales.image_label is None
    if said is not None and any(channel.window is None for channel in said.channels):  # what is missing is measured
        request, measured = attrs.evolve(request, metadata=attrs.evolve(request.metadata, omero=None)), True
    request = attrs.evolve(
        request, measured=Rendering.of(image, said) if measured else None, afterwards=tuple(image.computed_callbacks)
    )
    tasks = execute(
        request, overwrite=overwrite and not (resume or join), resume=resume, join=join, compute=compute,
        progress=progress, below=write_below if labels or fields else None,
    )  # fmt: skip
    for written in (multiscales, *labels.values()) if compute else ():
        written.forget_cache()
    return tasks


to_ome_zarr = to_ngff_zarr


def _layout(multiscales: Multiscales, chunks_per_shard: Any, compression: Any) -> Layout:
    """Return how a pyramid is stored: its chunks, and shards as multiples of them."""
    first, chunks = multiscales.images[0], multiscales.chunks or {}
    lengths = {d: min(chunks.get(d, n), n) for d, n in zip(first.dims, first.data.shape, strict=True)}
    shards = None
    if chunks_per_shard is not None:
        counts = parse_lengths(chunks_per_shard, Axes(first.dims), (1,) * len(lengths), "chunks_per_shard")
        shards = {d: length * count for (d, length), count in zip(lengths.items(), counts, strict=True)}
    return Layout.parse(lengths if multiscales.chunks else None, shards, compression)


def _request(target: Target, multiscales: Multiscales, layout: Layout) -> Request:
    images, metadata = multiscales.images, multiscales.metadata
    if len({"x", "y", "z"} & {axis.name for axis in metadata.axes}) == 1:
        raise AxesError(
            f"An image has at least y and x in every version of OME-Zarr (got the axes "
            f"{','.join(axis.name for axis in metadata.axes)}); give the array an axis y of length 1."
        )
    if metadata.omero is None and images:
        images[0].check()
    if len(images) != len(metadata.datasets):
        raise OptionError(f"{len(images)} images and {len(metadata.datasets)} datasets do not make a pyramid.")
    made = multiscales.levels[: len(images)]
    levels = (*made, *(given_level(images[k].data.shape, k) for k in range(len(made), len(images))))
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
        warn(f"{left_out}: OME-Zarr {target.fmt.version} cannot hold them.")
    if not target.fmt.dialect.spaces:
        tell_spaces(metadata, f"OME-Zarr {target.fmt.version} cannot hold them; pass version='0.6'")
    label = multiscales.image_label
    return Request.of(
        target, Axes(metadata.axes, ndim=images[0].data.ndim),
        attrs.evolve(metadata, version=target.fmt.version, extra=extra), levels,
        {k: as_source(multiscales.pixels(k)) for k in sorted(multiscales.given())},
        find_method(multiscales.method or Methods.NEAREST), layout,
        image_label=None if label is None else {key: value for key, value in label.items() if key != "version"},
        attributes=multiscales.attributes,
    )  # fmt: skip


def tell_spaces(metadata: Metadata, why: str) -> None:
    """Warn of the coordinate systems of an image that are left out, if it has more than one."""
    left_out = ", ".join([system.name for system in metadata.others] or [str(edge) for edge in metadata.edges])
    if left_out:
        warn(
            f"The coordinate systems and transformations of {metadata.name!r} beyond the first are left out "
            f"({left_out}): {why}."
        )


def carrying(request: Request) -> tuple[Request, dict[str, Field]]:
    """Return a request whose transformations do not need what they were read from, and fields to be written with it.

    Matrices that are stored at a path come into the document; a field is an image, which is written below the new one.
    """
    fields: dict[str, Field] = {}

    def settled(t: Any) -> Transformation:
        source = t.loaded
        try:
            if isinstance(source, Field):
                source.open()
                fields[source.path] = source
                t = attrs.evolve(t, path=source.path)
            elif source is not None:
                t = attrs.evolve(t, path=None, **{t.type: t.rows.tolist()})
        except SpaceError as error:
            warn(f"A transformation of {request.metadata.name!r} comes along without its parameters. {error}")
        return cast(Transformation, t)

    edges = [attrs.evolve(edge, transformation=bound(edge.transformation, settled)) for edge in request.metadata.edges]
    return attrs.evolve(request, metadata=attrs.evolve(request.metadata, edges=edges)), fields


def write_fields(image: Target, fields: Mapping[str, Field], *, overwrite: bool, resume: bool, join: bool) -> None:
    """Write the fields of an image's transformations below it, where they are not there already."""
    for path, field in fields.items():
        source = StorePath(field.target.store, field.target.key(path))
        if StorePath(image.store, image.key(path)) == source:
            continue
        there = find_target(image).child(path)
        request = _request(there, open_image(source), Layout.parse())
        execute(request, overwrite=overwrite and not (resume or join), resume=resume, join=join)


def _their_words(others: Mapping[str, Any], compression: Any) -> Any:
    """Return the compression, which scripts for ngff-zarr give under other names."""
    known = ("compressor", "compressors")
    refuse_unknown(
        [word for word in others if word not in known], [*signature(to_ngff_zarr).parameters], "to_ngff_zarr"
    )
    given = [value for value in (compression, *map(others.get, known)) if value is not None]
    if len(given) > 1:
        raise OptionError(f"Give the compression once (got {', '.join(map(repr, given))}).")
    return given[0] if given else None
