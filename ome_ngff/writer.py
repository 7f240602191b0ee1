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
    Annotation,
    FieldPlace,
    add_metadata,
    execute,
    execute_labels,
    field_group,
    get_metadata,
    image_request,
    label_pyramid_request,
    label_request,
    pyramid_request,
    refuse_words,
    update,
    write_label_metadata,
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
        shards: pixels per shard of level 0 (0.5 only), like `chunks`; "auto": about 64 MiB.
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
    axes_units: UnitsLike | None = None,
    compute: bool = True,
    *,
    translation: PerAxis | None = None,
    chunks: Any = None,
    shards: Any = None,
    compression: Any = None,
    colors: Any = None,
    properties: Any = None,
    label_id: str | None = None,
    source: str | Mapping[str, Any] | None = None,
    check: bool = False,
    well: str | tuple[str, str | int] | None = None,
    field: int | str = 0,
    overwrite: bool = False,
    resume: bool = False,
    join: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
    **unknown: Never,
) -> list[Delayed]:
    """Write a segmentation as the label image `labels/<name>` of an image, and register it there.

    Labels in an image that is there take over what it knows: version of the format, axes, pixel sizes, position,
    units, orientation, factors of the levels and chunks (not shards and compression), so that each of their levels
    lies on one of the image's. What is said here wins; compression is "zstd" unless it is said. The words that are not
    explained here are those of `write_image`.

    Args:
        labels: integers of 8 to 64 bits, kept as they are; bool becomes uint8. They are as long as the image along
            each of their axes, or 1 where it is not y or x. What xarray says of itself wins over the image.
        group: the image's group, a path, a URL or a Zarr store. Without an image, the labels stand alone, and a warning
            says so.
        name: name of the label image.
        axes: None finds the axes of the image that have these lengths, and asks where there are several ways.
        scale_factors, scaler: None makes the levels of the image, also where others have cut off its borders.
        method: "mode" or "nearest"; methods that invent values are refused.
        colors: how viewers show the labels: dicts of the specification; a mapping of label values to "#rrggbb",
            "#rrggbbaa" or whole numbers `(r, g, b[, a])` from 0 to 255; or a name: "auto" (seven colours that
            colour-blind people tell apart, by value, 0 transparent), "tab10", "tab20" or a colour map of matplotlib.
            A name gives a colour to each value that occurs, for which the labels are read once more; with more than
            10 000 values none gets one, and viewers choose. None leaves the colours out.
        properties: what is known of each label: dicts with "label-value"; a mapping of label values to dicts; a table
            (a mapping of names to columns, a data frame, or the path of a CSV file with a header). Missing values
            (NaN) are left out.
        label_id: name of the table's column that has the label values; None takes "label-value", "label" or the index.
        source: path from the label image to its image; `{"image": "../../"}` by default.
        check: raise where colours or properties name a label that does not occur; reads the labels once more.
        well, field: of the image, as in `write_field`, where `group` is a plate.
        label_metadata: colors, properties and source in one dict, as ome-zarr has them.

    Returns:
        As `write_image`.

    Raises:
        LabelError: the labels are floats, the method invents values, the labels contradict their image, or a colour
            or property cannot be used.
    """
    refuse_words(unknown, write_labels)
    group = opened(group, store_options)
    group = group if well is None else field_group(group, well, field, fmt)
    annotation = Annotation(colors, properties, label_id, source, check, label_metadata)
    request = label_request(
        labels, group, name, axes=axes, scale=scale, translation=translation, axes_units=axes_units,
        scale_factors=scale_factors, method=method, scaler=scaler, fmt=fmt,
        layout=Layout.parse(chunks, shards, compression, storage_options),
        coordinate_transformations=coordinate_transformations, resume=resume or join,
    )  # fmt: skip
    return execute_labels(
        request, name, annotation, overwrite=overwrite, resume=resume, join=join, compute=compute, progress=progress
    )


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
    axes_units: UnitsLike | None = None,
    compute: bool = True,
    *,
    translation: PerAxis | None = None,
    chunks: Any = None,
    shards: Any = None,
    compression: Any = None,
    colors: Any = None,
    properties: Any = None,
    label_id: str | None = None,
    source: str | Mapping[str, Any] | None = None,
    check: bool = False,
    overwrite: bool = False,
    resume: bool = False,
    join: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
    **unknown: Never,
) -> list[Delayed]:
    """Write a pyramid of labels that exists already as `labels/<name>`; see `write_multiscale` and `write_labels`.

    In an image that is there, the levels have the shapes of the image's, and take over where these lie.
    """
    refuse_words(unknown, write_multiscale_labels)
    group = opened(group, store_options)
    annotation = Annotation(colors, properties, label_id, source, check, label_metadata)
    request = label_pyramid_request(
        pyramid, group, name, axes=axes, scale=scale, translation=translation, axes_units=axes_units, fmt=fmt,
        layout=Layout.parse(chunks, shards, compression, storage_options),
        coordinate_transformations=coordinate_transformations,
    )  # fmt: skip
    return execute_labels(
        request, name, annotation, overwrite=overwrite, resume=resume, join=join, compute=compute, progress=progress
    )


def update_image(
    pixels: Any,
    group: Any,
    start: Mapping[str, int] | Sequence[int] | None = None,
    *,
    method: str | Methods | Method | None = None,
    check: bool = False,
    resume: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
) -> None:
    """Replace the pixels of a box of a stored image; every level follows.

    The image is in the end, byte for byte, what writing all of it anew would have made. Only chunks, or shards, that
    hold a pixel which changes are written. The new ones are made below `.ome_ngff/`, and the image stays as it is until
    all of them are there; then they are put into place, while readers of ours say that it is being changed. The old
    ones are kept until the next change: `undo` brings them back.

    Args:
        pixels: of any source that `write_image` takes, of the dtype of the image, or of one that this holds exactly.
            Where its dimensions have no names, they are the last axes of the image.
        group: the image, as in `write_image`.
        start: the first pixel that is replaced: `{"y": 512, "x": 0}`, or one number per axis of the pixels or of the
            image. Else the coordinates of the pixels say it, by the pixel size and position of the image; 0 where
            nothing is said.
        method: how the levels were made. The images that this package has written say so; of others it has to be said,
            and is compared with the levels around the box.
        check: compare in any case, before anything is changed.
        resume: finish an update that was interrupted, given the same pixels and start.
        progress, store_options: as in `write_image`.

    Raises:
        MethodError: it is not known how the levels were made. StoreError: they are not made by the method.
        IncompleteError: a write or a change was interrupted, and is to be finished first.
        NgffError: another of its children; the image is as it was.
    """
    group = opened(group, store_options)
    update(pixels, group, None, start, method, check=check, resume=resume, progress=progress)


def update_labels(
    labels: Any,
    group: Any,
    name: str = "labels",
    start: Mapping[str, int] | Sequence[int] | None = None,
    *,
    method: str | Methods | Method | None = None,
    check: bool = False,
    resume: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
) -> None:
    """Replace the labels of a box of a stored label image; every level follows, as in `update_image`.

    Colours and properties stay. `undo(group)` takes it back, where `group` is that of the image.

    Args:
        labels: integers, or bool; of any type that can hold them, if that of the label image can, too.
        group: the image whose labels they are, as in `write_labels`. name: of the label image.
        start, method, check, resume, progress, store_options: as in `update_image`.

    Raises:
        LabelError: the type of the stored labels cannot hold a value, the labels are floats, or the method invents.
        NgffError: as in `update_image`.
    """
    group = opened(group, store_options)
    update(labels, group, name, start, method, check=check, resume=resume, progress=progress)
