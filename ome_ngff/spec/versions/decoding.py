"""Documents of images to values: of a version, and of the earlier ones that are stored alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ...exceptions import FormatError, InputError
from ...text import listed, show
from ..axes import Axis
from ..dialect import Dialect
from ..metadata import Dataset, Metadata, Placement, parse_transformations
from ..rules.book import is_list, part_of
from ..rules.document import stated_version
from ..vocabulary import KNOWN_AXES, axis_name
from .parts import dataset_paths, decode_omero, entries_of, entry_of

_SPATIALDATA = "-dev-spatialdata"
# The first versions that demand them. Before, axes were always t, c, z, y, x, and a level said nothing of its scale.
_AXES, _TRANSFORMATIONS = "0.3", "0.4"


def decode_image(document: Mapping[str, Any], dialect: Dialect, series: int, ndim: int | None) -> Metadata:
    multiscale = entry_of(document, series)
    stated = _stated(document, multiscale)
    version = _understood(stated, dialect)
    if "coordinateSystems" in multiscale:
        raise FormatError(
            f"The image has coordinateSystems, which OME-Zarr {version} does not have; they begin with 0.6."
        )
    axes = _axes(multiscale.pop("axes", None), version, ndim)
    paths = dataset_paths(multiscale)
    shared, datasets = multiscale.pop("coordinateTransformations", None), multiscale.pop("datasets")
    multiscale.pop("version", None)
    extra: dict[str, Any] = {}
    if str(stated).endswith(_SPATIALDATA) and any(part_of(each, "input") for each in entries_of(shared)):
        extra["coordinateTransformations"], shared = shared, None  # from one space to another: kept, not applied
    return Metadata(
        axes=axes,
        datasets=[
            _dataset(dict(dataset), path, version, len(axes)) for path, dataset in zip(paths, datasets, strict=True)
        ],
        coordinateTransformations=(
            None if shared in (None, []) else parse_transformations(shared, len(axes), "all levels")
        ),
        name=str(multiscale.pop("name", None) or "image"),
        version=dialect.version if stated is None else str(stated),
        omero=decode_omero(document.get("omero")),
        type=_taken(multiscale, "type", str),
        metadata=_taken(multiscale, "metadata", Mapping),
        extra={**multiscale, **extra},
    )


def _taken(multiscale: dict[str, Any], key: str, kind: type[Any]) -> Any:
    """Pop a value of the right kind; any other stays where it is, except null, which says nothing."""
    value = multiscale.get(key)
    return multiscale.pop(key, None) if value is None or isinstance(value, kind) else None


def _stated(document: Mapping[str, Any], multiscale: Mapping[str, Any]) -> Any:
    """Return the version that is stated for an image: by its document, by itself, or by another part; else None."""
    given = [part["version"] for part in (document, multiscale) if part.get("version") is not None]
    return given[0] if given else stated_version(document)


def _understood(stated: Any, dialect: Dialect) -> str:
    """Return the version whose demands hold: the stated one, else the one that demands least."""
    known = (dialect.version, *dialect.earlier)
    if stated is None:
        return known[-1]
    version = str(stated).removesuffix(_SPATIALDATA)
    if not isinstance(stated, (str, float)) or version not in known:
        found = show(stated).strip("'")
        if dialect.zarr_format == 3 and version in ("0.5", "0.6"):
            raise FormatError(
                f"It is OME-Zarr {found}, and {known[0]} was asked for; leave out the format, or upgrade it."
            )
        raise FormatError(
            f"OME-Zarr {found} in Zarr v{dialect.zarr_format} is not understood; known are 0.1 to 0.4 in Zarr v2, "
            "and 0.5 and 0.6 in Zarr v3."
        )
    return version


def _axes(given: Any, version: str, ndim: int | None) -> list[Axis]:
    """Parse the axes of an image."""
    if given is None and version < _AXES:
        given = list("tczyx"[-(5 if ndim is None else ndim) :])
    if given is None:
        raise FormatError(f"The image names no axes, which OME-Zarr {version} demands.")
    if not is_list(given) or not given:
        raise FormatError(f"The axes of an image are a list with one for each dimension (got {show(given)}).")
    axes = [Axis.parse(axis) for axis in given]
    for axis in axes:
        for what, said in (("type", axis.type), ("unit", axis.unit), ("orientation", axis.orientation)):
            if said is not None and not isinstance(said, str):
                raise FormatError(f"The {what} of the axis {show(axis.name)} is a string (got {show(said)}).")
    names = [axis.name for axis in axes]
    meant = [axis_name(name) for name in names]  # iohub writes T, C, Z, Y, X
    if len(set(meant)) == len(names):
        axes = [
            attrs.evolve(axis, name=name) if KNOWN_AXES.get(name) == axis.type else axis
            for axis, name in zip(axes, meant, strict=True)
        ]
        names = [axis.name for axis in axes]
    if len(set(names)) < len(names):
        raise FormatError(f"Each axis of an image has a name of its own (got {listed(names)}).")
    if ndim is not None and len(axes) != ndim:
        raise InputError(f"The axes {listed(names)} do not describe an array of {ndim} dimensions.")
    return axes


def _dataset(known: dict[str, Any], path: str, version: str, ndim: int) -> Dataset:
    """Parse a level; before 0.4, transformations that are missing become an empty list."""
    del known["path"]
    given, steps = known.pop("coordinateTransformations", None), list[Placement]()
    if given is not None:
        steps = parse_transformations(given, ndim, f"the level {path!r}")
    elif version >= _TRANSFORMATIONS:
        raise FormatError(f"The level {path!r} has no coordinateTransformations, which OME-Zarr {version} demands.")
    return Dataset(path, steps, known)
