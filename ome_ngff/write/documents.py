"""Metadata alone: of images, labels, plates and wells whose arrays are there already, or belong to others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Never

from ..exceptions import LabelError, MissingError, OptionError
from ..pixels import as_labels
from ..read import StoredImage
from ..spec import Axes, AxesLike, Format, UnitsLike, image_label_of, path_fault, stated_ndim, well_paths, with_omero
from ..store import ORIGINAL, Target, find_target, opened, put_attributes, put_file, readable, update_document
from ..text import mapping_of, show
from .arguments import refuse_words
from .labels.annotation import Annotation
from .labels.request import path_to_image, register_label


def write_multiscales_metadata(
    group: Any,
    datasets: Sequence[Mapping[str, Any]],
    fmt: Format | str | None = None,
    axes: AxesLike | None = None,
    axes_units: UnitsLike | None = None,
    name: str | None = None,
    *,
    omero: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    store_options: Mapping[str, Any] | None = None,
    **unknown: Never,
) -> None:
    """Write the metadata of an image whose arrays are there already, replacing that of the group.

    Args:
        group: as in `write_image`. datasets: dicts with `path` and `coordinateTransformations`, largest level first.
        fmt, axes, axes_units, name, omero: as in `write_image`. metadata: how the levels were made.

    Raises:
        ValidationError: the document breaks rules of the specification.
    """
    refuse_words(unknown, write_multiscales_metadata)
    group = opened(group, store_options)
    target = find_target(group, fmt)
    datasets = _listed(datasets, (Mapping,), "datasets is a list of dicts with path and coordinateTransformations")
    extra = mapping_of(metadata, "metadata")
    omero = extra.pop("omero", None) or omero
    parsed = Axes(axes, axes_units, ndim=stated_ndim(datasets) if axes is None else None)
    name = name or target.path.rpartition("/")[2] or "image"
    document = with_omero(target.fmt.multiscale(parsed.to_list(), datasets, name, metadata=extra or None), omero)
    target.fmt.validate(target.fmt.wrap(document))
    update_document(target, document)


def write_label_metadata(
    group: Any,
    name: str,
    colors: Any = None,
    properties: Any = None,
    fmt: Format | str | None = None,
    *,
    source: str | Mapping[str, Any] | None = None,
    label_id: str | None = None,
    check: bool = False,
    store_options: Mapping[str, Any] | None = None,
    **unknown: Never,
) -> None:
    """Write the `image-label` metadata of a label image that is there already, and register it.

    What is left out stays as it is.

    Args:
        group: the `labels` group. name: the label image below it. fmt: as in `write_image`.
        colors, properties, label_id, source, check: as in `write_labels`.

    Raises:
        MissingError: there is no such label image.
        LabelError: a colour or a property cannot be used, or is of a label that does not occur.
        ValidationError: the metadata breaks rules of the specification.
    """
    refuse_words(unknown, write_label_metadata)
    group = opened(group, store_options)
    labels, fault = find_target(group, fmt), path_fault(name)
    if fault:
        raise LabelError(f"A label image is named by its path. {fault}")
    label = labels.child(name)
    if label.attributes is None:
        raise MissingError(f"There is no label image at {label}; write it with write_labels.")
    there = image_label_of(label.document) or {}
    if source is None and "source" not in there:
        source = {"image": path_to_image(name)}
    annotation = Annotation(colors, properties, label_id, source, check)
    pixels = partial(StoredImage.of, label, unfinished=True)
    parts = annotation.parts(lambda: as_labels(pixels().arrays[0]), there)
    _add(label, labels.fmt.image_label(**parts))
    register_label(labels, name)


def write_plate_metadata(
    group: Any,
    rows: Sequence[str | int],
    columns: Sequence[str | int],
    wells: Sequence[str | Mapping[str, Any]],
    fmt: Format | str | None = None,
    acquisitions: Sequence[Mapping[str, Any]] | None = None,
    field_count: int | None = None,
    name: str | None = None,
    *,
    store_options: Mapping[str, Any] | None = None,
) -> None:
    """Write the metadata of a plate.

    Args:
        group: the plate's group. rows, columns: their names. wells: "A/1" or dicts of the specification.
        acquisitions: dicts with an `id`. field_count: most fields of a well. fmt, name: as in `write_image`.

    Raises:
        FormatError: a well has no such row or column, or a rule is broken.
    """
    target = find_target(opened(group, store_options), fmt)
    lines = {"rows": rows, "columns": columns}
    above, left = (list(map(str, _listed(v, (str, int), f"{k} is a list of names"))) for k, v in lines.items())
    wells = _listed(wells, (str, Mapping), "wells is a list of paths such as 'A/1', or of dicts; [] for none yet")
    if acquisitions is not None:
        acquisitions = _listed(acquisitions, (Mapping,), "acquisitions is a list of dicts with an id")
    document = target.fmt.plate_of(
        above, left, wells, name=name, field_count=field_count,
        acquisitions=None if acquisitions is None else [dict(a) for a in acquisitions],
    )  # fmt: skip
    target.fmt.validate(target.fmt.wrap(document), "plate")
    update_document(target, document)
    for row in sorted({path.partition("/")[0] for path in well_paths(document)}):
        child = target.child(row)
        if child.attributes is None:
            put_attributes(child, {})


def write_collection_metadata(target: Target, images: Sequence[str], ome_xml: bytes = b"") -> None:
    """Write what makes a group a collection in the layout of bioformats2raw.

    Args:
        target: the group. images: paths of its images, in their order. ome_xml: what describes them all, if anything.
    """
    below = target.child("OME")
    series, collection = target.fmt.collection(images)
    target.fmt.validate(target.fmt.wrap(series), "bf2raw")
    if ome_xml:
        put_file(target, ORIGINAL, ome_xml)
    update_document(below, series)
    update_document(target, collection)


def write_well_metadata(
    group: Any,
    images: Sequence[str | int | Mapping[str, Any]],
    fmt: Format | str | None = None,
    *,
    store_options: Mapping[str, Any] | None = None,
) -> None:
    """Write the metadata of a well: its fields, as paths, numbers, or dicts with `path` and `acquisition`."""
    target = find_target(opened(group, store_options), fmt)
    images = _listed(images, (str, int, Mapping), "images is a list of paths such as '0', or of dicts")
    document = target.fmt.well([dict(i) if isinstance(i, Mapping) else {"path": str(i)} for i in images])
    target.fmt.validate(target.fmt.wrap(document), "well")
    update_document(target, document)


def _listed(given: Any, kinds: tuple[type, ...], wanted: str) -> list[Any]:
    """Return what is given as a list, once it holds nothing but what is wanted."""
    entries = list(given) if isinstance(given, Iterable) and not isinstance(given, Mapping) else [None]
    if not all(isinstance(entry, kinds) for entry in entries):
        raise OptionError(f"{wanted} (got {show(given)}).")
    return entries


def add_metadata(
    group: Any,
    metadata: Mapping[str, Any],
    fmt: Format | str | None = None,
    *,
    store_options: Mapping[str, Any] | None = None,
) -> None:
    """Add parts, such as `omero`, to the OME metadata that a group has.

    Args:
        group, fmt, store_options: as in `write_image`.
        metadata: the parts by key. One that is a dict is merged into the one that is there; any other replaces it.

    Raises:
        ValidationError: the group would break rules of the specification.
    """
    _add(find_target(opened(group, store_options), fmt), metadata)


def get_metadata(group: Any, *, store_options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the OME metadata of a group; empty where there is none."""
    return find_target(readable(group, store_options)).document


def _add(target: Target, metadata: Mapping[str, Any]) -> None:
    """Merge parts into the document of a group, once the result is known to be valid."""
    there = target.document
    parts = {
        key: {**there[key], **part} if isinstance(part, Mapping) and isinstance(there.get(key), Mapping) else part
        for key, part in metadata.items()
    }
    target.fmt.validate(target.fmt.wrap({**there, **parts}))
    update_document(target, parts)
