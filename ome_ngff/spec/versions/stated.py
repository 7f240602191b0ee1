"""What a document says, as far as it can be understood: for those who describe what others wrote, however broken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..rules.book import entries, is_list, part_of
from .base import Format
from .parts import MOST_LEVELS, entries_of, stated_geometry

Vector = tuple[float, ...]
_KINDS = {
    "plate": "plate", "well": "well", "bioformats2raw.layout": "bioformats2raw", "labels": "labels", "scene": "scene",
}  # fmt: skip


def is_image(document: Mapping[str, Any]) -> bool:
    """Return whether a document describes an image, or labels."""
    return "multiscales" in document


def is_label(document: Mapping[str, Any]) -> bool:
    """Return whether a document describes labels, perhaps an image that was never said to be one."""
    return is_image(document) or "image-label" in document


def image_label_of(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a document says of labels; None where it says nothing that can be used."""
    label = document.get("image-label")
    return dict(label) if isinstance(label, Mapping) else None


def kind_of(document: Mapping[str, Any]) -> str:
    """Return what a document describes, in a word."""
    if is_image(document):
        return "label image" if "image-label" in document else "image"
    return next((kind for key, kind in _KINDS.items() if key in document), "group")


@attrs.frozen
class StatedLevel:
    """Hold what is said of a level: its path, and the objects that place it, its own first."""

    path: str
    placing: tuple[Mapping[str, Any], ...]

    def geometry(self, ndim: int) -> tuple[Vector | None, Vector | None]:
        """Return pixel size and position; None for both where nothing is said, or what is not understood."""
        return stated_geometry(self.placing, ndim)


@attrs.frozen
class StatedImage:
    """Hold what is said of an image: its name and method, where these are text, and its levels."""

    name: str | None
    method: str | None
    levels: tuple[StatedLevel, ...]


def stated_axes(multiscale: Mapping[str, Any], fmt: Format) -> list[Any]:
    """Return the names of the axes of an image as they are written, which need not be those that they are known by."""
    axes = fmt.flat(multiscale).get("axes")
    return [part_of(axis, "name") if isinstance(axis, Mapping) else axis for axis in axes] if is_list(axes) else []


def stated_images(document: Mapping[str, Any], fmt: Format) -> list[StatedImage]:
    """Return what a document of a version says of each image."""
    found = []
    for multiscale in entries_of(document.get("multiscales"))[:MOST_LEVELS]:
        flat = fmt.flat(multiscale) if isinstance(multiscale, Mapping) else {}
        datasets = [dataset for _, dataset in entries(flat.get("datasets"), "")][:MOST_LEVELS]
        levels = tuple(StatedLevel(str(dataset.get("path")), (dataset, flat)) for dataset in datasets)
        name, method = (
            word if isinstance(word, str) else None
            for word in (part_of(multiscale, "name"), part_of(multiscale, "type"))
        )
        found.append(StatedImage(name, method, levels))
    return found
