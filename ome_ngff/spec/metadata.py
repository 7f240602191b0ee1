"""The metadata of an image, transformations included, as values that print readably, compare, and turn into JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from ..exceptions import FormatError
from ..text import show
from .axes import Axis
from .rules.book import is_list, is_number, part_of
from .space.simple import Scale as Scale
from .space.simple import Translation as Translation
from .space.systems import CoordinateSystem, Edge, Graph, Ref
from .space.transformation import compose

Placement = Scale | Translation
_KNOWN: dict[str, type[Scale] | type[Translation]] = {"scale": Scale, "translation": Translation}


def parse_transformations(given: Any, ndim: int, where: str) -> list[Placement]:
    """Parse the transformations of a document.

    Args:
        given: any JSON value. ndim: number of axes. where: what they belong to, for messages.

    Raises:
        FormatError: there is one that is not understood, or whose numbers do not fit the axes.
    """
    if not is_list(given):
        raise FormatError(f"The transformations of {where} are a list (got {show(given)}).")
    found: list[Placement] = []
    for entry in given:
        kind = part_of(entry, "type")
        if kind == "identity":
            continue
        if not isinstance(kind, str) or kind not in _KNOWN:
            raise FormatError(
                f"The transformation {show(kind)} of {where} is not understood; known are scale, translation and "
                "identity."
            )
        if "path" in entry and kind not in entry:
            raise FormatError(f"The {kind} of {where} is stored at {show(entry['path'])}, which is not understood.")
        vector = entry.get(kind)
        if not is_list(vector) or len(vector) != ndim or not all(map(is_number, vector)):
            raise FormatError(f"The {kind} of {where} needs a number for each of its {ndim} axes (got {show(vector)}).")
        extra = {key: value for key, value in entry.items() if key not in ("type", kind)}
        found.append(_KNOWN[kind](list(vector), extra=extra))
    return found or [Scale([1.0] * ndim)]


def to_documents(transformations: Sequence[Placement]) -> list[dict[str, Any]]:
    """Return transformations as the specification writes them."""
    return [t.to_document() for t in transformations]


def placed(parts: Iterable[Sequence[Placement]], ndim: int) -> tuple[list[float], list[float]]:
    """Compose transformations, those of the level first: its translation is scaled by what follows.

    Returns:
        The scale and the translation of the whole, one number per axis each.
    """
    scale, translation = [1.0] * ndim, [0.0] * ndim
    for part in parts:
        for step in part:
            if isinstance(step, Scale):
                scale = [a * b for a, b in zip(scale, step.scale, strict=True)]
                translation = [a * b for a, b in zip(translation, step.scale, strict=True)]
            else:
                translation = [a + b for a, b in zip(translation, step.translation, strict=True)]
    return scale, translation


@attrs.define
class Dataset:
    """Name one level: where its array is, and how its pixels lie in space; `extra` as in `Metadata`."""

    path: str
    coordinateTransformations: list[Placement]
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
        intrinsic: the coordinate system that the levels lead to, but for its axes, which are `axes`.
        others: what else there is of coordinate systems (from 0.6 on). edges: transformations between systems.
    """

    axes: list[Axis]
    datasets: list[Dataset]
    coordinateTransformations: list[Placement] | None = None
    name: str = "image"
    version: str = "0.5"
    omero: Omero | None = attrs.field(default=None, repr=False)
    type: str | None = attrs.field(default=None, repr=False)
    metadata: dict[str, Any] | None = attrs.field(default=None, repr=False)
    extra: dict[str, Any] = attrs.field(factory=dict, repr=False)
    intrinsic: CoordinateSystem = attrs.field(default=CoordinateSystem("physical", ()), repr=False)
    others: list[CoordinateSystem] = attrs.field(factory=list, repr=False)
    edges: list[Edge] = attrs.field(factory=list, repr=False)

    @property
    def systems(self) -> list[CoordinateSystem]:
        """The coordinate systems, the intrinsic one first."""
        return [attrs.evolve(self.intrinsic, axes=self.axes), *self.others]

    @property
    def graph(self) -> Graph:
        """The coordinate systems and the arrays of the levels, connected by transformations."""
        shared, end = self.coordinateTransformations or [], Ref(self.intrinsic.name)
        levels = [
            Edge(Ref(path=dataset.path), end, compose(*dataset.coordinateTransformations, *shared))
            for dataset in self.datasets
        ]
        return Graph.of({Ref(system.name): system for system in self.systems}, [*levels, *self.edges])
