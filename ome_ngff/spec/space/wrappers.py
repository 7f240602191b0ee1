"""Transformations that hold others, but for `Sequence`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

from ...exceptions import SpaceError
from ...text import show
from .stored import _Field, _Matrix
from .transformation import Points, Sequence, Transformation, _document, items, known, own_type, parsed


@attrs.frozen
class OnAxes:
    """Apply a transformation to some axes, by their indices in the input and in the output."""

    transformation: Transformation = attrs.field(converter=parsed)
    inputAxes: list[int] = attrs.field(converter=items)
    outputAxes: list[int] = attrs.field(converter=items)
    extra: dict[str, Any] = attrs.field(factory=dict, repr=False, kw_only=True)

    @classmethod
    def parse(cls, item: Any) -> Any:
        known = ("transformation", "inputAxes", "outputAxes")
        if not isinstance(item, Mapping) or not all(key in item for key in known):
            return item
        extra = {key: value for key, value in item.items() if key not in known}
        return cls(*(item[key] for key in known), extra=extra)

    def to_document(self) -> dict[str, Any]:
        """Return it as the specification writes it."""
        axes = {"inputAxes": self.inputAxes, "outputAxes": self.outputAxes}
        return {"transformation": _document(self.transformation), **axes, **self.extra}


def _on_axes(items: Any) -> Any:
    return [OnAxes.parse(item) for item in items] if isinstance(items, (list, tuple)) else items


@known
@attrs.frozen
class ByDimension(Transformation):
    """Apply transformations to some of the axes each."""

    transformations: list[OnAxes] = attrs.field(converter=_on_axes)
    type: str = attrs.field(default="byDimension", kw_only=True, validator=own_type)

    def inverted(self) -> Transformation:
        read = sorted(index for item in self.transformations for index in item.inputAxes)
        if read != list(range(len(read))):
            raise SpaceError(f"byDimension has no inverse: not each input axis is used once (got {show(read)}).")
        turned = [OnAxes(i.transformation.inverted(), i.outputAxes, i.inputAxes) for i in self.transformations]
        return ByDimension(turned)

    def matrix(self, n: int) -> Points | None:
        whole = np.zeros((sum(len(item.outputAxes) for item in self.transformations), n + 1))
        for item in self.transformations:
            matrix = item.transformation.matrix(len(item.inputAxes))
            if matrix is None:
                return None
            whole[np.ix_(item.outputAxes, [*item.inputAxes, n])] = matrix
        return whole

    def _map(self, points: Points) -> Points:
        count = sum(len(item.outputAxes) for item in self.transformations)
        mapped = np.empty((*points.shape[:-1], count))
        for item in self.transformations:
            mapped[..., item.outputAxes] = item.transformation(points[..., item.inputAxes])
        return mapped


@known
@attrs.frozen
class Bijection(Transformation):
    """Apply `forward`; its inverse, which has no closed form, is stated beside it."""

    forward: Transformation = attrs.field(converter=parsed)
    inverse: Transformation = attrs.field(converter=parsed)
    type: str = attrs.field(default="bijection", kw_only=True, validator=own_type)

    def inverted(self) -> Transformation:
        return Bijection(self.inverse, self.forward)

    def matrix(self, n: int) -> Points | None:
        return self.forward.matrix(n)

    def _map(self, points: Points) -> Points:
        return self.forward(points)


def bound(t: Transformation, change: Callable[[Any], Transformation]) -> Transformation:
    """Return a transformation in which those with parameters at a path, it or what is inside of it, are changed."""
    if isinstance(t, Sequence):
        return attrs.evolve(t, transformations=[bound(each, change) for each in t.transformations])
    if isinstance(t, ByDimension):
        items = [attrs.evolve(item, transformation=bound(item.transformation, change)) for item in t.transformations]
        return attrs.evolve(t, transformations=items)
    if isinstance(t, Bijection):
        return attrs.evolve(t, forward=bound(t.forward, change), inverse=bound(t.inverse, change))
    return change(t) if isinstance(t, (_Matrix, _Field)) and t.path is not None else t
