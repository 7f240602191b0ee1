"""Documents of one version as documents of another one, for arrays that stay where they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ...exceptions import FormatError
from ...text import show
from ..rules.book import is_list, is_objects, part_of
from ..rules.document import stated_version
from .base import Document, Format
from .parts import entries_of, label_names

_PARTS = ("image-label", "plate", "well", "omero")  # what may state a version of its own
_OF_GROUPS = ("multiscales", "plate", "well", "image-label", "bioformats2raw.layout")


@attrs.frozen
class Restated:
    """Hold the document of a group in another version.

    Attributes:
        document: of the other version. losses: what it cannot hold, in words.
        names: of the dimensions of each level, by its path.
    """

    document: Document
    losses: tuple[str, ...] = ()
    names: Mapping[str, list[str]] = attrs.field(factory=dict)


def restate(document: Mapping[str, Any], source: Format, to: Format) -> Restated:
    """Return the document of a group in another version.

    Raises:
        FormatError: it states a version that is not the one of the source.
    """
    stated = stated_version(document)
    if stated not in (None, source.version):
        raise FormatError(f"it is OME-Zarr {show(stated)} in a hierarchy of {source.version}")
    found = {key: part for key, part in document.items() if key != "version"}
    for key in _PARTS:
        if isinstance(found.get(key), Mapping):
            found[key] = {k: v for k, v in found[key].items() if k != "version"}
    for key in ("image-label", "well"):
        if isinstance(found.get(key), Mapping):
            found[key] = to.dialect.stamp(found[key])
    if isinstance(found.get("plate"), Mapping):
        found["plate"] = {**found["plate"], "version": to.version}
    if is_list(found.get("multiscales")):
        found["multiscales"] = [_stamped(entry, to) for entry in found["multiscales"]]
    return Restated(found, (), _names(document))


def _stamped(entry: Any, to: Format) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    return to.dialect.stamp({k: v for k, v in entry.items() if k != "version"})


def _names(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of the axes, by the paths of the levels that have them."""
    found: dict[str, list[str]] = {}
    for entry in entries_of(document.get("multiscales")):
        axes, datasets = part_of(entry, "axes"), entries_of(part_of(entry, "datasets"))
        if is_objects(axes) and all(isinstance(axis.get("name"), str) for axis in axes):
            paths = [part_of(dataset, "path") for dataset in datasets]
            found |= {path.strip("/"): [a["name"] for a in axes] for path in paths if isinstance(path, str)}
    return found


def states_ome(document: Mapping[str, Any], name: str) -> bool:
    """Return whether what a group of this name has in its attributes are metadata of OME, and not another's words."""
    listed = {"labels": "labels", "series": "OME"}
    return any(key in document for key in _OF_GROUPS) or any(
        is_list(document.get(key)) and name == group for key, group in listed.items()
    )


def paths_below(document: Mapping[str, Any]) -> list[str]:
    """Return the paths that a document names below its group, levels, label images, wells, fields and images alike."""
    plate, well = part_of(document.get("plate"), "wells"), part_of(document.get("well"), "images")
    levels = [part_of(entry, "datasets") for entry in entries_of(document.get("multiscales"))]
    named = [part_of(each, "path") for part in (plate, well, *levels) for each in entries_of(part)]
    return [path for path in (*named, *label_names(document)) if isinstance(path, str)]
