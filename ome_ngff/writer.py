"""Write images, labels, pyramids that exist already, and metadata alone. Every function takes the same words.

Those that ome-zarr has too stand first and in its order, so that positional calls keep their meaning; name them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, Never

import attrs
import numpy as np
import zarr

from . import storage
from .axes import Axes
from .exceptions import FormatError, LabelError, MissingError, OptionError, ScaleError, StoreError, refuse_unknown
from .format import Format, format_from_version
from .layout import Layout
from .levels import Level, ScaleFactors, automatic_ladder, levels, parse_ladder
from .methods import Method, Methods, find_method
from .request import Request, execute
from .sources import as_source

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from .progress import Progress
    from .scale import Scaler

__all__ = [
    "add_metadata",
    "get_metadata",
    "write_image",
    "write_label_metadata",
    "write_labels",
    "write_multiscale",
    "write_multiscale_labels",
    "write_multiscales_metadata",
    "write_plate_metadata",
    "write_well_metadata",
]

AxesLike = str | Sequence[str] | Sequence[Mapping[str, Any]] | Axes
PerAxis = Mapping[str, float] | Sequence[float]
Transformations = Sequence[Sequence[Mapping[str, Any]]]


def write_image(
    image: Any,
    group: Any,
    scale_factors: ScaleFactors | None = None,
    name: str = "image",
    method: str | Methods | Method | None = "resize",
    scaler: Scaler | None = None,
    fmt: Format | str | None = None,
    axes: AxesLike | None = None,
    coordinate_transformations: Transformations | None = None,
    storage_options: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    compute: bool = True,
    scale: PerAxis | None = None,
    axes_units: Mapping[str, str] | None = None,
    *,
    translation: PerAxis | None = None,
    chunks: Any = None,
    shards: Any = None,
    compression: Any = None,
    omero: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress = None,
    **unknown: Never,
) -> list[Delayed]:
    """Write an array as a multi-resolution OME-Zarr image.

    Args:
        image: pixels, of shape `[t][c][z]yx`: NumPy, dask, `zarr.Array`, memory map, h5py, or anything with
            `__array__` or `__dlpack__`. What can be sliced is read piece by piece.
        group: where the image goes: a path, a URL, a `zarr.Group` or a Zarr store.
        axes: "tczyx", names, or dicts of the specification; may be left out for 2D (yx) and 5D (tczyx).
        scale: pixel size per axis, in `axes_units` per pixel; axes left out have 1.
        translation: position of the centre of the first pixel per axis, in `axes_units`; axes left out have 0.
        axes_units: unit per axis, such as `{"z": "micrometer"}`.
        scale_factors: factors relative to level 0: ints for y and x (`[2, 4, 8]`), or dicts that say every axis.
            None halves the finest axes until a level fits in one chunk; `[]` writes level 0 alone.
        method: how levels are made: "resize", "nearest", "local_mean", "zoom", "gaussian" or "mode".
        scaler: a `Scaler` that says method and factors instead.
        fmt: OME-NGFF version; None takes that of the group, else 0.5.
        chunks: pixels per chunk: an int for the spatial axes, a tuple, or a dict by axis. None: 128 for volumes, 1024
            for planes, 1 along t and c.
        shards: pixels per shard of level 0 (0.5 only), like `chunks`; "auto": about 256 MiB.
        compression: "blosc-zstd" (default), "blosc-lz4", "zstd", "gzip", "none", each with a level ("zstd:5"), or a
            codec object.
        storage_options: `chunks`, `shards`, `compression`, `fill_value` as a dict, or one dict per level.
        name: name of the image in its metadata.
        omero: rendering metadata of the specification.
        coordinate_transformations: one list of transformations per level instead of those that follow from `scale`,
            `translation` and the method.
        overwrite: replace an image that is there. resume: finish a write that was interrupted.
        compute: False returns tasks instead of running them.
        progress: True for a bar, or a callable of (units done, units in all).

    Returns:
        An empty list, or with `compute=False` the tasks, which write the same store when computed together, in any
        order and on any scheduler.

    Raises:
        NgffError: one of its children, each also a built-in such as `ValueError`; the disk is as it was.
    """
    _refuse_unknown(unknown, write_image)
    request = image_request(
        image, group, axes=axes, scale=scale, translation=translation, axes_units=axes_units,
        scale_factors=scale_factors, method=method, scaler=scaler, fmt=fmt, name=name, omero=omero,
        layout=Layout.parse(chunks, shards, compression, storage_options),
        coordinate_transformations=coordinate_transformations,
    )  # fmt: skip
    return execute(request, overwrite=overwrite, resume=resume, compute=compute, progress=progress)


def write_labels(
    labels: Any,
    group: Any,
    name: str = "labels",
    scaler: Scaler | None = None,
    scale_factors: ScaleFactors | None = None,
    method: str | Methods | Method | None = "mode",
    fmt: Format | str | None = None,
    axes: AxesLike | None = None,
    coordinate_transformations: Transformations | None = None,
    storage_options: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    label_metadata: Mapping[str, Any] | None = None,
    scale: PerAxis | None = None,
    axes_units: Mapping[str, str] | None = None,
    compute: bool = True,
    *,
    translation: PerAxis | None = None,
    chunks: Any = None,
    shards: Any = None,
    compression: Any = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress = None,
    **unknown: Never,
) -> list[Delayed]:
    """Write a segmentation as the label image `labels/<name>` of an image, and register it there.

    The words that are not explained here are those of `write_image`.

    Args:
        labels: integers of 8 to 64 bits, kept as they are; bool becomes uint8.
        group: the image's group, a path, a URL or a Zarr store.
        name: name of the label image.
        method: "mode" or "nearest"; methods that invent values are refused.
        label_metadata: `colors`, `properties` and `source` of the specification.

    Returns:
        As `write_image`.

    Raises:
        LabelError: the labels are floats, or the method invents values.
    """
    _refuse_unknown(unknown, write_labels)
    parent = _parent(group, fmt)
    request = image_request(
        as_labels(labels), parent.child(_label_path(name)), axes=axes, scale=scale, translation=translation,
        axes_units=axes_units, scale_factors=scale_factors, method=method or "mode", scaler=scaler, fmt=fmt, name=name,
        layout=Layout.parse(chunks, shards, compression, storage_options),
        coordinate_transformations=coordinate_transformations,
    )  # fmt: skip
    if request.method.invents:
        kept = " or ".join(repr(m.value) for m in Methods if not m.method.invents)
        raise LabelError(f"{request.method.name!r} invents values between labels; use method={kept}.")
    return _execute_labels(request, parent, name, label_metadata, overwrite, resume, compute, progress)


def write_multiscale(
    pyramid: Sequence[Any],
    group: Any,
    fmt: Format | str | None = None,
    axes: AxesLike | None = None,
    coordinate_transformations: Transformations | None = None,
    storage_options: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    name: str | None = "image",
    compute: bool = True,
    scale: PerAxis | None = None,
    axes_units: Mapping[str, str] | None = None,
    *,
    translation: PerAxis | None = None,
    chunks: Any = None,
    shards: Any = None,
    compression: Any = None,
    omero: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress = None,
    **unknown: Never,
) -> list[Delayed]:
    """Write a pyramid that exists already: each level as it is given.

    The words that are not explained here are those of `write_image`.

    Args:
        pyramid: the levels, the largest first, of one dtype.
        metadata: how the levels were made, for the `metadata` field of the multiscale; an `omero` in it is taken out.
        coordinate_transformations: one list per level; None derives them from the shapes, with pixels centred in the
            pixels of level 0 that they cover.

    Returns:
        As `write_image`.
    """
    _refuse_unknown(unknown, write_multiscale)
    request = pyramid_request(
        pyramid, group, axes=axes, scale=scale, translation=translation, axes_units=axes_units, fmt=fmt,
        name=name or "image", layout=Layout.parse(chunks, shards, compression, storage_options), omero=omero,
        metadata=metadata, coordinate_transformations=coordinate_transformations,
    )  # fmt: skip
    return execute(request, overwrite=overwrite, resume=resume, compute=compute, progress=progress)


def write_multiscale_labels(
    pyramid: Sequence[Any],
    group: Any,
    name: str = "labels",
    fmt: Format | str | None = None,
    axes: AxesLike | None = None,
    coordinate_transformations: Transformations | None = None,
    storage_options: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    label_metadata: Mapping[str, Any] | None = None,
    scale: PerAxis | None = None,
    axes_units: Mapping[str, str] | None = None,
    compute: bool = True,
    *,
    translation: PerAxis | None = None,
    chunks: Any = None,
    shards: Any = None,
    compression: Any = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress = None,
    **unknown: Never,
) -> list[Delayed]:
    """Write a pyramid of labels that exists already as `labels/<name>`; see `write_multiscale` and `write_labels`."""
    _refuse_unknown(unknown, write_multiscale_labels)
    parent = _parent(group, fmt)
    request = pyramid_request(
        [as_labels(level) for level in pyramid], parent.child(_label_path(name)), axes=axes, scale=scale,
        translation=translation, axes_units=axes_units, fmt=fmt, name=name,
        layout=Layout.parse(chunks, shards, compression, storage_options),
        coordinate_transformations=coordinate_transformations,
    )  # fmt: skip
    return _execute_labels(request, parent, name, label_metadata, overwrite, resume, compute, progress)


def _refuse_unknown(unknown: Mapping[str, Any], function: Callable[..., Any]) -> None:
    if unknown:
        words = [name for name in signature(function).parameters if name != "unknown"]
        refuse_unknown(unknown, words, function.__name__)


# Requests ----------------------------------------------------------------------------------------------------------


def image_request(
    image: Any,
    group: Any,
    *,
    axes: AxesLike | None = None,
    scale: PerAxis | None = None,
    translation: PerAxis | None = None,
    axes_units: Mapping[str, str] | None = None,
    scale_factors: ScaleFactors | None = None,
    method: str | Methods | Method | None = "resize",
    scaler: Scaler | None = None,
    fmt: Format | str | None = None,
    layout: Layout | None = None,
    name: str = "image",
    omero: Mapping[str, Any] | None = None,
    coordinate_transformations: Transformations | None = None,
) -> Request:
    """Parse the arguments of `write_image` into a request, without touching the disk."""
    layout = layout or Layout()
    source = as_source(image)
    parsed = Axes(axes, axes_units, ndim=source.ndim)
    base_scale, base_translation = _geometry(parsed, scale, translation)
    if scaler is not None and scale_factors is not None:
        raise ScaleError("Say the factors once: pass scale_factors or a scaler.")
    reducer = scaler.reducer if scaler is not None else find_method(method or "resize")
    if reducer.in_memory:
        raise OptionError(
            f"{reducer.name!r} gives residuals in memory and cannot be written; see Scaler.{reducer.name}."
        )
    if scaler is not None:
        ladder = scaler.ladder(parsed.names)
    elif scale_factors is not None:
        ladder = parse_ladder(scale_factors, parsed.names)
    else:
        ladder = automatic_ladder(source.shape, parsed, base_scale, layout.first_chunks(source.shape, parsed))
    if ladder:
        reducer.check(source.dtype)
    found = levels(source.shape, ladder, reducer)
    made_by = {"type": reducer.name, "metadata": reducer.describe()} if ladder else {}
    transformations = coordinate_transformations or [
        _transformations(level.scale(base_scale), level.translation(base_translation, base_scale)) for level in found
    ]
    return _request({0: source}, found, parsed, group, fmt, name, omero, transformations, reducer, layout, made_by)


def pyramid_request(
    pyramid: Sequence[Any],
    group: Any,
    *,
    axes: AxesLike | None = None,
    scale: PerAxis | None = None,
    translation: PerAxis | None = None,
    axes_units: Mapping[str, str] | None = None,
    fmt: Format | str | None = None,
    layout: Layout | None = None,
    name: str = "image",
    omero: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    coordinate_transformations: Transformations | None = None,
) -> Request:
    """Parse the arguments of `write_multiscale` into a request, without touching the disk."""
    if not isinstance(pyramid, Sequence) or not pyramid:
        raise OptionError(f"A pyramid is a list of at least one array (got {type(pyramid).__name__}).")
    sources = {k: as_source(level) for k, level in enumerate(pyramid)}
    shapes = [tuple(source.shape) for source in sources.values()]
    if len({(source.ndim, source.dtype) for source in sources.values()}) > 1:
        raise OptionError(
            f"All levels have one dtype and number of dimensions (got {[s.dtype.name for s in sources.values()]})."
        )
    for before, after in itertools.pairwise(shapes):
        if before == after or any(b < a for b, a in zip(before, after, strict=True)):
            raise ScaleError(f"The levels of a pyramid go from large to small (got the shapes {shapes}).")
    parsed = Axes(axes, axes_units, ndim=len(shapes[0]))
    base_scale, base_translation = _geometry(parsed, scale, translation)
    ones = (1,) * len(parsed)
    found = [Level(shape, ones, k, ones, (0.0,) * len(parsed)) for k, shape in enumerate(shapes)]
    extra = dict(metadata or {})
    omero = extra.pop("omero", None) or omero
    transformations = coordinate_transformations
    if transformations is None:
        transformations = [
            _transformations(
                [f * s for f, s in zip(factors["scale"], base_scale, strict=True)],
                [t + at * s for t, at, s in zip(base_translation, shift["translation"], base_scale, strict=True)],
            )
            for factors, shift in format_from_version("0.5").generate_coordinate_transformations(shapes)
        ]
    return _request(
        sources, found, parsed, group, fmt, name, omero, transformations, Methods.NEAREST.method, layout or Layout(),
        {"metadata": extra or None},
    )  # fmt: skip


def _request(
    sources: dict[int, Any], found: Sequence[Level], axes: Axes, group: Any, fmt: Format | str | None, name: str,
    omero: Mapping[str, Any] | None, transformations: Transformations, method: Method, layout: Layout,
    extra: Mapping[str, Any],
) -> Request:  # fmt: skip
    target = group if isinstance(group, storage.Target) else storage.find_target(group, _format(fmt))
    target.fmt.validate_coordinate_transformations(len(axes), len(found), transformations)
    paths = tuple(str(k) for k in range(len(found)))
    datasets = [
        {"path": path, "coordinateTransformations": [dict(t) for t in transformation]}
        for path, transformation in zip(paths, transformations, strict=True)
    ]
    document = target.fmt.multiscale(axes.to_list(), datasets, _name(name), **extra)
    if omero is not None:
        document["omero"] = _omero(omero, axes, found[0].shape)
    dtype = np.dtype(sources[0].dtype).newbyteorder("=")
    request = Request(target, axes, dtype, tuple(found), paths, sources, method, layout, document)
    request.array_options()
    return request


def _geometry(
    axes: Axes, scale: PerAxis | None, translation: PerAxis | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    base = axes.vector(scale, 1.0, "scale")
    if any(size <= 0 for size in base):
        raise ScaleError(f"A pixel size is above zero (got scale {dict(zip(axes.names, base, strict=True))}).")
    return base, axes.vector(translation, 0.0, "translation")


def _transformations(scale: Sequence[float], translation: Sequence[float]) -> list[dict[str, Any]]:
    return [{"type": "scale", "scale": list(scale)}, {"type": "translation", "translation": list(translation)}]


def _format(fmt: Format | str | None) -> Format | None:
    return None if fmt is None else format_from_version(fmt)


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise OptionError(f"The name of an image is a string (got {name!r}).")
    return name


def _omero(omero: Mapping[str, Any], axes: Axes, shape: Sequence[int]) -> dict[str, Any]:
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    if not isinstance(channels, Sequence):
        raise FormatError(f"omero needs a list of channels (got {omero!r}).")
    wanted = shape[axes.names.index("c")] if "c" in axes.names else 1
    if len(channels) != wanted:
        raise FormatError(f"omero describes {len(channels)} channels, but the image has {wanted}.")
    return dict(omero)


# Labels ------------------------------------------------------------------------------------------------------------


def as_labels(labels: Any) -> Any:
    """Return labels as a source of integers; bool becomes uint8.

    Raises:
        LabelError: they are floats.
    """
    source = as_source(labels)
    if source.dtype.kind == "b":
        return source.view(np.uint8) if isinstance(source, np.ndarray) else _as_dask(source).astype(np.uint8)
    if source.dtype.kind == "f":
        raise LabelError(
            f"Labels are integers (got {source.dtype}); convert with labels.astype('uint32') once all values are whole."
        )
    return source


def _as_dask(source: Any) -> Any:
    import dask.array as da

    return source if hasattr(source, "dask") else da.from_array(source)


def _parent(group: Any, fmt: Format | str | None) -> storage.Target:
    return group if isinstance(group, storage.Target) else storage.find_target(group, _format(fmt))


def _label_path(name: Any) -> str:
    parts = _name(name).split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise OptionError(f"The name of a label image is a path below 'labels' (got {name!r}).")
    return f"labels/{name}"


def _execute_labels(
    request: Request, parent: storage.Target, name: str, label_metadata: Mapping[str, Any] | None,
    overwrite: bool, resume: bool, compute: bool, progress: Progress,
) -> list[Any]:  # fmt: skip
    known = ("colors", "properties", "source")
    refuse_unknown([word for word in label_metadata or {} if word not in known], known, "label_metadata")
    parts = {"source": {"image": "../" * (name.count("/") + 2)}, **(label_metadata or {})}
    document = {**request.document, **request.target.fmt.image_label(**parts)}
    request = attrs.evolve(request, document=document, what="a label image")
    register = partial(register_label, parent.child("labels"), name)
    return execute(request, overwrite=overwrite, resume=resume, compute=compute, progress=progress, after=register)


def register_label(labels: storage.Target, name: str) -> None:
    """Add a name to the list of an image's labels, once, keeping the others."""

    def change(attributes: dict[str, Any]) -> dict[str, Any]:
        document = labels.fmt.unwrap(attributes)
        names = document.get("labels")
        names = list(names) if isinstance(names, list) else []
        if name not in names:
            names.append(name)
        document.pop("version", None)
        return {**labels.fmt.strip(attributes), **labels.fmt.wrap({**document, "labels": names})}

    storage.update_attributes(labels, change)


# Metadata alone ----------------------------------------------------------------------------------------------------


def write_multiscales_metadata(
    group: Any,
    datasets: Sequence[Mapping[str, Any]],
    fmt: Format | str | None = None,
    axes: AxesLike | None = None,
    axes_units: Mapping[str, str] | None = None,
    name: str | None = None,
    *,
    omero: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    **unknown: Never,
) -> None:
    """Write the metadata of an image whose arrays are there already, replacing what the group says of itself.

    Args:
        group: as in `write_image`. datasets: dicts with `path` and `coordinateTransformations`, largest level first.
        fmt, axes, axes_units, name, omero: as in `write_image`. metadata: how the levels were made.

    Raises:
        ValidationError: the document breaks rules of the specification.
    """
    _refuse_unknown(unknown, write_multiscales_metadata)
    target = storage.find_target(group, _format(fmt))
    extra = dict(metadata or {})
    omero = extra.pop("omero", None) or omero
    ndim = None
    if axes is None:
        given = [t for d in datasets for t in d.get("coordinateTransformations", ()) if t.get("scale")]
        ndim = len(given[0]["scale"]) if given else None
    parsed = Axes(axes, axes_units, ndim=ndim)
    name = name or target.path.rpartition("/")[2] or "image"
    document = target.fmt.multiscale(parsed.to_list(), datasets, name, metadata=extra or None)
    if omero is not None:
        document["omero"] = dict(omero)
    target.fmt.validate(target.fmt.wrap(document))
    _update(target, document)


def write_label_metadata(
    group: Any,
    name: str,
    colors: Sequence[Mapping[str, Any]] | None = None,
    properties: Sequence[Mapping[str, Any]] | None = None,
    fmt: Format | str | None = None,
    *,
    source: Mapping[str, Any] | None = None,
    **unknown: Never,
) -> None:
    """Write the `image-label` metadata of a label image that is there already, and register it.

    What is left out stays as it is.

    Args:
        group: the `labels` group. name: the label image below it.
        colors: dicts with `label-value` and `rgba`. properties: dicts with `label-value` and free keys.
        source: where the image is, `{"image": "../../"}` by default. fmt: as in `write_image`.

    Raises:
        MissingError: there is no such label image.
        ValidationError: the metadata breaks rules of the specification.
    """
    _refuse_unknown(unknown, write_label_metadata)
    labels = storage.find_target(group, _format(fmt))
    label = labels.child(name)
    if label.attributes is None:
        raise MissingError(f"There is no label image at {label}; write it with write_labels.")
    there = label.document.get("image-label")
    if source is None and not (isinstance(there, Mapping) and "source" in there):
        source = {"image": "../../"}
    lists = {"colors": colors, "properties": properties}
    given = {key: None if value is None else list(value) for key, value in lists.items()}
    _add(label, labels.fmt.image_label(source=source, **given))
    register_label(labels, name)


def write_plate_metadata(
    group: Any,
    rows: Sequence[str],
    columns: Sequence[str],
    wells: Sequence[str | Mapping[str, Any]],
    fmt: Format | str | None = None,
    acquisitions: Sequence[Mapping[str, Any]] | None = None,
    field_count: int | None = None,
    name: str | None = None,
) -> None:
    """Write the metadata of a plate.

    Args:
        group: the plate's group. rows, columns: their names. wells: "A/1" or dicts of the specification.
        acquisitions: dicts with an `id`. field_count: most fields of a well. fmt, name: as in `write_image`.

    Raises:
        FormatError: a well has no such row or column, or a rule is broken.
    """
    target = storage.find_target(group, _format(fmt))
    entries = [target.fmt.generate_well_dict(w, rows, columns) if isinstance(w, str) else dict(w) for w in wells]
    document = target.fmt.plate(
        rows=[{"name": r} for r in rows], columns=[{"name": c} for c in columns], wells=entries, name=name,
        field_count=field_count, acquisitions=None if acquisitions is None else [dict(a) for a in acquisitions],
    )  # fmt: skip
    target.fmt.validate(target.fmt.wrap(document), "plate")
    _update(target, document)
    for row in sorted({entry["path"].partition("/")[0] for entry in entries}):
        storage.require_group(target.child(row))


def write_well_metadata(group: Any, images: Sequence[str | Mapping[str, Any]], fmt: Format | str | None = None) -> None:
    """Write the metadata of a well: its fields, as paths or dicts with `path` and `acquisition`."""
    target = storage.find_target(group, _format(fmt))
    document = target.fmt.well([{"path": i} if isinstance(i, str) else dict(i) for i in images])
    target.fmt.validate(target.fmt.wrap(document), "well")
    _update(target, document)


def add_metadata(group: Any, metadata: Mapping[str, Any], fmt: Format | str | None = None) -> None:
    """Add parts, such as `omero`, to the OME metadata that a group has.

    Args:
        group: as in `write_image`. fmt: as in `write_image`.
        metadata: the parts by key. One that is a dict is merged into the one that is there; any other replaces it.

    Raises:
        ValidationError: the group would break rules of the specification.
    """
    _add(storage.find_target(group, _format(fmt)), metadata)


def get_metadata(group: Any) -> dict[str, Any]:
    """Return the OME metadata of a group; empty where there is none."""
    return storage.find_target(group).document


def _add(target: storage.Target, metadata: Mapping[str, Any]) -> None:
    """Merge parts into the document of a group, once the result is known to be valid."""
    there = target.document
    parts = {
        key: {**there[key], **part} if isinstance(part, Mapping) and isinstance(there.get(key), Mapping) else part
        for key, part in metadata.items()
    }
    target.fmt.validate(target.fmt.wrap({**there, **parts}))
    _update(target, parts)


def _update(target: storage.Target, document: Mapping[str, Any]) -> None:
    """Put parts of a document into a group, keeping its other parts and attributes."""

    def change(attributes: dict[str, Any]) -> dict[str, Any]:
        before = target.fmt.unwrap(attributes)
        before.pop("version", None)
        return {**target.fmt.strip(attributes), **target.fmt.wrap({**before, **document})}

    storage.update_attributes(target, change)


# Stored arrays -----------------------------------------------------------------------------------------------------


def scale_array(scaler: Scaler, input_array: Any, output_directory: Any, axes: AxesLike | None = None) -> None:
    """Write the pyramid of a stored array; see `Scaler.scale`."""
    store, path = storage.locate(input_array)
    array = storage.open_node(store, path)
    if not isinstance(array, zarr.Array):
        raise MissingError(f"There is no Zarr array at {storage.place(store, path)}.")
    if scaler.labeled:
        scaler.refuse_invention()
    request = image_request(array, output_directory, axes=axes, scaler=scaler, layout=_layout_of(array))
    attributes = dict(array.attrs) if scaler.copy_metadata else {}
    request = attrs.evolve(request, attributes=request.target.fmt.strip(attributes))
    if scaler.in_place:
        request = _beside(request, array)
    execute(request, overwrite=False)


def _layout_of(array: zarr.Array[Any]) -> Layout:
    return Layout(chunks=array.chunks)


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
