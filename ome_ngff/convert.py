"""Files to OME-Zarr images: what `ome-ngff write` does, in Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Never

from .engine import Progress
from .image import PIXEL
from .inputs import Conversion as Conversion
from .inputs import Digest as Digest
from .inputs import InputImage as InputImage
from .inputs import InputInfo as InputInfo
from .inputs import converted, plate_batch
from .inputs import describe_input as describe_input
from .inputs import export as export
from .inputs import open_input as open_input
from .inputs import open_labels as open_labels
from .inputs import verify as verify
from .pixels import Method, Methods, ScaleFactors
from .spec import Format
from .store import behind_urls
from .write import refuse_words


def convert(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: Any,
    *,
    series: int | str | None = None,
    axes: str | Sequence[str] | None = None,
    scale: float | Sequence[float] | Mapping[str, float] | None = None,
    translation: float | Sequence[float] | Mapping[str, float] | None = None,
    axes_units: str | Mapping[str, str] | None = None,
    name: str | None = None,
    scale_factors: ScaleFactors | None = None,
    method: str | Methods | Method = "resize",
    fmt: Format | str | None = None,
    chunks: Any = None,
    shards: Any = None,
    compression: Any = None,
    omero: bool = True,
    labels: bool = True,
    region: Any = None,
    unit: Any = PIXEL,
    overwrite: bool = False,
    resume: bool = False,
    join: bool = False,
    report: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
    verify: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
    **unknown: Never,
) -> list[Conversion]:
    """Write image files as OME-Zarr images.

    Pixel sizes, units, names and channels are those that the file states; what is said here wins, axis by axis. How
    the channels are shown is measured, and the labels of an OME-Zarr come along. The words that are not explained here
    are those of `write_image`.

    Args:
        source: what `open_input` takes: a file, a folder or a glob of planes, "file.h5::/path", the URL of a Zarr. Of
            several in a list, each becomes an image of its own, and so does each image in a folder of the list; a CSV
            file is a table of them, with the columns input and, where wanted, output and arguments of this function.
        output: where the image goes, as in `write_image`; a path that ends in .ozx becomes one file. For several
            sources, the folder in which each becomes `<name>.ome.zarr`. There, an image that the same call would give
            is skipped, and one that is unfinished is finished.
        series: index or name of one of several images in the file; "all" writes each, as a collection in the layout of
            bioformats2raw, in which the images are `output/0`, `output/1`, ...
        axes: one name per dimension in the order of the file; "s" is colour.
        scale, translation: a number for all spatial axes, one per axis, or a dict by axis.
        axes_units: a unit for all axes that it can be the unit of, or a dict by axis.
        store_options: for the URLs among source and output; see `write_image`.
        region: the part of each source that is written, with its labels: `{"z": (0, 10)}` or "z=0:10,c=DAPI"; see
            `Multiscales.read`. unit: of its numbers, as in `export`.
        omero: False leaves out names, colours and contrast of the channels. labels: False leaves out the labels.
        report: a .csv or .json file for what became of each of several sources.
        dry_run: write nothing; `outline` of what is returned says what would be written.
        verify: read each file and its image again, and compare each pixel; see `verify`.
        progress: as in `write_image`; of several sources it counts their megabytes.

    Returns:
        What was done, one value for each source.

    Raises:
        NgffError: one of its children. Equal outputs of several sources, and a folder that is a Zarr, are refused
            before the first write. BatchError: some of several sources have failed; the others were converted.
    """
    refuse_words(unknown, convert)
    with behind_urls(store_options):
        return converted(
            source, output, series=series, axes=axes, scale=scale, translation=translation, axes_units=axes_units,
            name=name, scale_factors=scale_factors, method=method, fmt=fmt, chunks=chunks, shards=shards,
            compression=compression, omero=omero, labels=labels, region=region, unit=unit, overwrite=overwrite,
            resume=resume, join=join,
            report=report, dry_run=dry_run, verify=verify, progress=progress,
        )  # fmt: skip


def convert_plate(
    source: str | os.PathLike[str],
    plate: str | os.PathLike[str],
    *,
    layout: str | None = None,
    stitch: Literal["last", "mean"] | bool = False,
    series: int | str | None = None,
    axes: str | Sequence[str] | None = None,
    scale: float | Sequence[float] | Mapping[str, float] | None = None,
    translation: float | Sequence[float] | Mapping[str, float] | None = None,
    axes_units: str | Mapping[str, str] | None = None,
    name: str | None = None,
    scale_factors: ScaleFactors | None = None,
    method: str | Methods | Method = "resize",
    fmt: Format | str | None = None,
    chunks: Any = None,
    shards: Any = None,
    compression: Any = None,
    omero: bool = True,
    overwrite: bool = False,
    join: bool = False,
    report: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
    verify: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
    **unknown: Never,
) -> list[Conversion]:
    """Write the files of a plate as an OME-Zarr plate; the words that are not explained here are those of `convert`.

    Fields that are there already are skipped, those that were interrupted are finished. Any number of processes may
    make the same call with `join`.

    Args:
        source: a manifest, which is a CSV with the columns input and well (or row and column) and, where wanted, field,
            acquisition, channel, z, t, x, y and arguments of `convert`; a pattern of the paths of the files, such as
            "r{row}c{column}f{field}p{z}-ch{channel}*.tiff"; or a folder, where the names of Opera and Operetta,
            ImageXpress, CellVoyager and Cytation are recognised.
        plate: the group of the plate.
        layout: of the physical plate, such as "96-well" or "8x12"; None takes the rows and columns up to the last well
            with images, or those of the plate that is there.
        stitch: whether the fields of each well become one image, by their positions: those that the files state, or x
            and y of the manifest. "last" and True let the last field win where they overlap, "mean" takes the mean.
        name: of the plate.

    Returns:
        What was done, one value for each field.

    Raises:
        BatchError: some fields have failed, such as those that lack planes; the others were written.
        NgffError: one of its children, before the first write.
    """
    refuse_words(unknown, convert_plate)
    overlap: Any = "last" if stitch is True else stitch or None
    with behind_urls(store_options):
        batch = plate_batch(source, plate, layout=layout, name=name, fmt=fmt, overlap=overlap, dry_run=dry_run)
        return batch.run(
            overwrite=overwrite, join=join, progress=progress, report=report, dry_run=dry_run, verify=verify,
            series=series, axes=axes, scale=scale, translation=translation, axes_units=axes_units,
            scale_factors=scale_factors, method=method, fmt=fmt, chunks=chunks, shards=shards, compression=compression,
            omero=omero,
        )  # fmt: skip
