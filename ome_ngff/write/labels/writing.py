"""Label images, written and registered in their image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Never

from ...pixels import Method, Methods, ScaleFactors
from ...spec import AxesLike, Format, PerAxis, Transformations, UnitsLike
from ...store import Layout, opened
from ..arguments import refuse_words
from ..plates import field_group
from .annotation import Annotation
from .request import execute_labels, label_pyramid_request, label_request

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from ...engine import Progress
    from ...pixels import Scaler


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
    well: str | tuple[str, str | int] | None = None,
    field: int | str = 0,
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
    group = group if well is None else field_group(group, well, field, fmt)
    annotation = Annotation(colors, properties, label_id, source, check, label_metadata)
    request = label_pyramid_request(
        pyramid, group, name, axes=axes, scale=scale, translation=translation, axes_units=axes_units, fmt=fmt,
        layout=Layout.parse(chunks, shards, compression, storage_options),
        coordinate_transformations=coordinate_transformations,
    )  # fmt: skip
    return execute_labels(
        request, name, annotation, overwrite=overwrite, resume=resume, join=join, compute=compute, progress=progress
    )
