"""Parts of documents, as far as they can be told without knowing the version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...exceptions import FormatError, InputError
from ...text import show
from ..rules.book import is_list, part_of
from ..rules.paths import path_fault
from ..space import parse_transformations, placed

MOST_LEVELS = 256  # of an image, and images of a group; a ladder that halves has fewer than 64


def label_names(document: Mapping[str, Any]) -> list[str]:
    """Return the names of the label images that the group of an image's labels lists, each once."""
    return list(dict.fromkeys(name for name in entries_of(document.get("labels")) if isinstance(name, str)))


def image_names(document: Mapping[str, Any]) -> list[str]:
    """Return the names of the images that a document describes, "" for one without a name."""
    names = [part_of(entry, "name") for entry in entries_of(document.get("multiscales"))]
    return [name if isinstance(name, str) else "" for name in names]


def entries_of(value: Any) -> Sequence[Any]:
    """Return a value of a document if it is a list, else nothing to go through."""
    return value if is_list(value) else ()


def entry_of(document: Mapping[str, Any], series: int) -> dict[str, Any]:
    """Return the entry of an image.

    Raises:
        InputError: the document does not describe that many images.
    """
    images = entries_of(document.get("multiscales"))
    if not series < len(images) or not isinstance(images[series], Mapping):
        raise InputError(f"multiscales describes no image number {series} (got {show(document.get('multiscales'))}).")
    return dict(images[series])


def dataset_paths(multiscale: Mapping[str, Any]) -> list[str]:
    """Return the paths of the levels of an image, the largest first.

    Raises:
        InputError: no level is named, or a path leads out of the image.
    """
    paths = []
    datasets = entries_of(multiscale.get("datasets"))
    if len(datasets) > MOST_LEVELS:
        raise InputError(f"The image names {len(datasets)} levels; more than {MOST_LEVELS} are not opened.")
    for dataset in datasets:
        path = part_of(dataset, "path")
        fault = path_fault(path)
        if fault:
            raise InputError(f"The path of a level cannot be used. {fault}")
        paths.append(path)
    if not paths:
        raise InputError(f"The image names no level (its datasets are {show(multiscale.get('datasets'))}).")
    return paths


def named_paths(document: Mapping[str, Any]) -> list[str]:
    """Return the paths of all levels of all images that a document names, as far as they lead to something below it."""
    entries = [entry for entry in entries_of(document.get("multiscales")) if isinstance(entry, Mapping)]
    paths = [part_of(dataset, "path") for entry in entries for dataset in entries_of(entry.get("datasets"))]
    found = [path.strip("/") for path in paths if isinstance(path, str)]
    return [path for path in found if not path_fault(path)]


def stated_geometry(
    parts: Iterable[Mapping[str, Any]], ndim: int
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Return pixel size and position that the transformations of some parts state together, those of the level first.

    Returns:
        One number per axis each; None for both where nothing is stated, or something that is not understood.
    """
    given = [part["coordinateTransformations"] for part in parts if part.get("coordinateTransformations")]
    try:
        scale, translation = placed([parse_transformations(steps, ndim, "it") for steps in given], ndim)
    except FormatError:
        return None, None
    return (tuple(scale), tuple(translation)) if given else (None, None)
