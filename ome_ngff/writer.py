"""Write images, labels, and pyramids that exist already. Every function takes the same words.

Those that ome-zarr has too stand first and in its order, so that positional calls keep their meaning; name them.
The functions that write metadata alone are here, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Never

from .pixels import Method, Methods, ScaleFactors
from .spec import AxesLike, Format, PerAxis, Transformations, UnitsLike
from .store import Layout, opened
from .write import (
    FieldPlace,
    add_metadata,
    execute,
    get_metadata,
    image_request,
    pyramid_request,
    refuse_words,
    update_image,
    update_labels,
    write_label_metadata,
    write_labels,
    write_multiscale_labels,
    write_multiscales_metadata,
    write_plate_metadata,
    write_well_metadata,
)

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from .engine import Progress
    from .pixels import Scaler

__all__ = [
    "add_metadata",
    "get_metadata",
    "update_image",
    "update_labels",
    "write_field",
    "write_image",
    "write_label_metadata",
    "write_labels",
    "write_multiscale",
    "write_multiscale_labels",
    "write_multiscales_metadata",
    "write_plate_metadata",
    "write_well_metadata",
]


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
    axes_units: UnitsLike | None = None,
    *,
    translation: PerAxis | None = None,
    chunks: Any = None,
    shards: Any = None,
    compression: Any = None,
    omero: Mapping[str, Any] | bool | None = None,
    channel_names: Sequence[str] | None = None,
    channel_colors: Sequence[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    join: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
    **unknown: Never,
) -> list[Delayed]:
    """Write an array as a multi-resolution OME-Zarr image.

    Args:
        image: pixels, of shape `[t][c][z]yx`: NumPy, dask, xarray, `zarr.Array`, memory map, h5py, tensorstore, or
            anything with `shape`, `dtype` and slices, `__array__` or `__dlpack__`. What can be sliced is read piece by
            piece; a block that is not what a dask array declares is an error.
        group: where the image goes: a path, a URL, a `zarr.Group`, a Zarr store or a mapping.
        axes: "tczyx", names, or dicts of the specification; may be left out for 2D (yx), 5D (tczyx) and xarray, whose
            dimensions are put in this order.
        scale: pixel size per axis, in `axes_units` per pixel, or one for all spatial axes; axes left out have that of
            xarray's coordinates, or 1.
        translation: position of the centre of the first pixel per axis, in `axes_units`; axes left out have that of
            xarray's coordinates, or 0.
        axes_units: unit per axis, such as `{"z": "micrometer"}`, or one for all spatial axes ("um").
        scale_factors: factors relative to level 0: ints for y and x (`[2, 4, 8]`), or dicts that say every axis.
            None halves the finest axes until a level fits in one chunk; `[]` writes level 0 alone.
        method: how levels are made: "resize", "nearest", "local_mean", "zoom", "gaussian" or "mode".
        scaler: a `Scaler` that says method and factors instead.
        fmt: OME-NGFF version; None takes that of the group, else 0.5.
        chunks: pixels per chunk: an int for the spatial axes, a tuple, or a dict by axis. None: 128 for volumes, 1024
            for planes, 1 along t and c.
        shards: pixels per shard of level 0 (from 0.5), like `chunks`; "auto": about 64 MiB.
        compression: "blosc-zstd" (default), "blosc-lz4", "zstd", "gzip", "none", each with a level ("zstd:5"), or a
            codec object.
        storage_options: `chunks`, `shards`, `compression`, `fill_value` as a dict, or one dict per level and more.
        name: name of the image in its metadata.
        omero: how viewers show the channels, as the specification has it. None measures the contrast of the finest
            level of at most 16 MiB; False leaves it out.
        channel_names: one per channel. channel_colors: one "RRGGBB" per channel; None: white, or colours that differ.
            Three or four channels of uint8 of which nothing is said are red, green, blue and opacity.
        coordinate_transformations: one list of transformations per level instead of those that follow from `scale`,
            `translation` and the method. Without factors they say how many levels there are, and by which factors.
        overwrite: replace an image that is there. resume: finish a write that was interrupted.
        join: write the image together with all processes that make the same call, at any time, however many of them
            are killed: the first prepares, each does what nobody has done, and all return once the image is finished.
        compute: False returns tasks instead of running them.
        progress: True for a bar (a line every ten seconds where there is no terminal), or a callable of (bytes done,
            bytes in all), which is called from here while something goes on; what it raises stops the write.
        store_options: for the store behind a URL: keys, region, `endpoint_url`, `anon`, as obstore or fsspec name them.

    Returns:
        An empty list, or with `compute=False` the tasks, which write the same store when computed together, in any
        order and on any scheduler.

    Raises:
        NgffError: one of its children, each also a built-in such as `ValueError`; the disk is as it was.
    """
    refuse_words(unknown, write_image)
    group = opened(group, store_options)
    request = image_request(
        image, group, axes=axes, scale=scale, translation=translation, axes_units=axes_units,
        scale_factors=scale_factors, method=method, scaler=scaler, fmt=fmt, name=name, omero=omero,
        channel_names=channel_names, channel_colors=channel_colors,
        layout=Layout.parse(chunks, shards, compression, storage_options),
        coordinate_transformations=coordinate_transformations, resume=resume or join,
    )  # fmt: skip
    return execute(request, overwrite=overwrite, resume=resume, join=join, compute=compute, progress=progress)


def write_field(
    image: Any,
    plate: Any,
    well: str | tuple[str, str | int],
    field: int | str = 0,
    acquisition: int | None = 0,
    *,
    scale_factors: ScaleFactors | None = None,
    name: str | None = None,
    method: str | Methods | Method | None = "resize",
    scaler: Scaler | None = None,
    fmt: Format | str | None = None,
    axes: AxesLike | None = None,
    coordinate_transformations: Transformations | None = None,
    storage_options: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    compute: bool = True,
    scale: PerAxis | None = None,
    axes_units: UnitsLike | None = None,
    translation: PerAxis | None = None,
    chunks: Any = None,
    shards: Any = None,
    compression: Any = None,
    omero: Mapping[str, Any] | bool | None = None,
    channel_names: Sequence[str] | None = None,
    channel_colors: Sequence[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    join: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
    **unknown: Never,
) -> list[Delayed]:
    """Write an array as a field of a plate, from any process, in any order, with nothing prepared.

    The plate, the well and the acquisition appear with their first field, and are listed once it is finished. Without
    `create_plate`, rows and columns are those up to the last ones with images. The words that are not explained here
    are those of `write_image`.

    Args:
        plate: the group of the plate. well: as in "B/3". field: its number, or its name, in the well.
        acquisition: number of the pass over the plate that it is of; None leaves it out.
        name: of the image; None takes its place, as in "B/3/0".
        fmt: OME-NGFF version; None takes that of the plate, else 0.5.

    Returns:
        As `write_image`.

    Raises:
        FormatError: the plate has another version, or no such well; the field is of another acquisition.
    """
    refuse_words(unknown, write_field)
    where = FieldPlace.of(opened(plate, store_options), well, field, acquisition, fmt, overwrite=overwrite)
    request = image_request(
        image, where.target, axes=axes, scale=scale, translation=translation, axes_units=axes_units,
        scale_factors=scale_factors, method=method, scaler=scaler, name=name or where.path, omero=omero,
        channel_names=channel_names, channel_colors=channel_colors,
        layout=Layout.parse(chunks, shards, compression, storage_options),
        coordinate_transformations=coordinate_transformations, resume=resume or join,
    )  # fmt: skip
    request = where.listed(request)
    return execute(request, overwrite=overwrite, resume=resume, join=join, compute=compute, progress=progress)


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
    axes_units: UnitsLike | None = None,
    *,
    translation: PerAxis | None = None,
    chunks: Any = None,
    shards: Any = None,
    compression: Any = None,
    omero: Mapping[str, Any] | bool | None = None,
    channel_names: Sequence[str] | None = None,
    channel_colors: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    join: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
    **unknown: Never,
) -> list[Delayed]:
    """Write a pyramid that exists already: each level as it is given.

    The words that are not explained here are those of `write_image`.

    Args:
        pyramid: the levels, the largest first, of one dtype; those of xarray lie where their coordinates say.
        metadata: how the levels were made, for the `metadata` field of the multiscale; an `omero` in it is taken out.
        coordinate_transformations: one list per level; None derives them from the shapes, with pixels centred in the
            pixels of level 0 that they cover.

    Returns:
        As `write_image`.
    """
    refuse_words(unknown, write_multiscale)
    group = opened(group, store_options)
    request = pyramid_request(
        pyramid, group, axes=axes, scale=scale, translation=translation, axes_units=axes_units, fmt=fmt,
        name=name or "image", layout=Layout.parse(chunks, shards, compression, storage_options), omero=omero,
        channel_names=channel_names, channel_colors=channel_colors, metadata=metadata,
        coordinate_transformations=coordinate_transformations,
    )  # fmt: skip
    return execute(request, overwrite=overwrite, resume=resume, join=join, compute=compute, progress=progress)
