"""What can be said of a store, as values that become JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen
class ArrayInfo:
    """Describe a stored array, or a level of an image.

    Attributes:
        path: where it is, relative to its image or store.
        shape, dtype, chunks, shards: as Zarr says; shards are None if the array has none.
        codec: compression, such as "blosc-zstd:1".
        bytes: size of the pixels. stored: bytes on disk; None where the store cannot tell.
        ratio: how many times smaller it is stored.
        scale, translation: pixel size and position of the first pixel per axis, where they are known.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None
    codec: str
    bytes: int
    stored: int | None
    ratio: float | None
    scale: tuple[float, ...] | None = None
    translation: tuple[float, ...] | None = None


@attrs.frozen
class AxisInfo:
    """Describe an axis: `size` pixels of `pixel` `unit` each, `extent` in all; None if it is not known."""

    name: str
    type: str | None = None
    unit: str | None = None
    orientation: str | None = None
    size: int | None = None
    pixel: float | None = None
    extent: float | None = None


@attrs.frozen
class ChannelInfo:
    """Describe a channel: its label, "RRGGBB", and the values shown from `start` to `end`."""

    label: str | None
    color: str | None
    start: float | None
    end: float | None


@attrs.frozen
class ImageInfo:
    """Describe an image or a label image.

    Attributes:
        path: where it is, relative to the store. name: what it is called. method: how its levels were made.
        complete: whether its write was finished. progress: units done, and in all, where it was not.
        axes, levels, channels: its parts. notes: what is wrong.
        helpers: units that each process is at, by "host-number", where several write it. rate: units done per second.
        systems: names of its coordinate systems, the one of the axes first. transformations: which lead where.
        joint: whether any number of processes may finish it, by `join=True`.
    """

    path: str
    name: str | None
    method: str | None
    complete: bool
    progress: tuple[int, int] | None
    axes: tuple[AxisInfo, ...]
    levels: tuple[ArrayInfo, ...]
    channels: tuple[ChannelInfo, ...]
    notes: tuple[str, ...] = ()
    helpers: Mapping[str, int] = attrs.field(factory=dict)
    rate: float | None = None
    systems: tuple[str, ...] = ()
    transformations: tuple[str, ...] = ()
    joint: bool = False


@attrs.frozen
class PlateInfo:
    """Describe a plate.

    Attributes:
        name: what it is called. rows, columns: names of all of them. field_count: most fields of a well, as it states.
        wells: number of fields of each that it lists, row by row; None of one that is missing.
        acquisitions: number of fields of each, by its name or id.
        unlisted: paths of fields that are there and not listed.
    """

    name: str | None
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    field_count: int | None
    wells: Mapping[str, int | None]
    acquisitions: Mapping[str, int]
    unlisted: tuple[str, ...]


@attrs.frozen
class StoreInfo:
    """Describe what stands at a path.

    Attributes:
        path: as it was asked for.
        kind: "image", "label image", "labels", "plate", "well", "bioformats2raw", "scene", "group" or "array"; "upload"
            until all of what is uploaded is there.
        version: of OME-NGFF; None without its metadata. zarr_format: 2 or 3.
        images: the image; more than one where the group holds several.
        labels: its label images. arrays: the array, or the arrays of a bare group.
        members: paths of what else is there: wells, fields, series, label images, groups.
        plate: the plate, where it is one that is understood.
    """

    path: str
    kind: str
    version: str | None
    zarr_format: int
    images: tuple[ImageInfo, ...] = ()
    labels: tuple[ImageInfo, ...] = ()
    arrays: tuple[ArrayInfo, ...] = ()
    members: tuple[str, ...] = ()
    plate: PlateInfo | None = None

    @property
    def complete(self) -> bool:
        """Whether all images that were begun are finished."""
        return all(image.complete for image in (*self.images, *self.labels))

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        found: dict[str, Any] = json.loads(json.dumps({**attrs.asdict(self), "complete": self.complete}))
        return found
