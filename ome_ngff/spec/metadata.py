"""The metadata of an image as values that print readably, compare, and turn into the specification's JSON and back."""

from __future__ import annotations

from typing import Any

import attrs

from .axes import Axis
from .space import Transformation


@attrs.define
class Dataset:
    """Name one level: where its array is, and how its pixels lie in space; `extra` as in `Metadata`."""

    path: str
    coordinateTransformations: list[Transformation]
    extra: dict[str, Any] = attrs.field(factory=dict, repr=False)


@attrs.define
class OmeroWindow:
    """State which values are shown, from `start` (dark) to `end` (bright), of the whole range from `min` to `max`."""

    min: float
    max: float
    start: float
    end: float
    extra: dict[str, Any] = attrs.field(factory=dict, repr=False)


@attrs.define
class OmeroChannel:
    """State how a channel is shown; `extra` as in `Metadata`."""

    color: str | None
    window: OmeroWindow | None = None
    label: str | None = None
    extra: dict[str, Any] = attrs.field(factory=dict, repr=False)


@attrs.define
class Omero:
    """State how all channels are shown."""

    channels: list[OmeroChannel]
    extra: dict[str, Any] = attrs.field(factory=dict, repr=False)


@attrs.define
class Metadata:
    """Describe a multi-resolution image.

    Attributes:
        axes: in the order of the dimensions.
        datasets: the levels, the largest first.
        coordinateTransformations: applied after those of every level; a writer puts everything into the levels.
        name: what the image is called. version: of OME-NGFF.
        omero: how its channels are shown.
        type: name of the downsampling method. metadata: how it was done.
        extra: keys of the document that this class does not know, kept as they are.
    """

    axes: list[Axis]
    datasets: list[Dataset]
    coordinateTransformations: list[Transformation] | None = None
    name: str = "image"
    version: str = "0.5"
    omero: Omero | None = attrs.field(default=None, repr=False)
    type: str | None = attrs.field(default=None, repr=False)
    metadata: dict[str, Any] | None = attrs.field(default=None, repr=False)
    extra: dict[str, Any] = attrs.field(factory=dict, repr=False)
