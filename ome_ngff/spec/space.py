"""Where the pixels of a level lie: transformations as values, read from JSON, composed and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs


def _floats(values: Sequence[float]) -> list[float]:
    return [float(value) for value in values]


@attrs.define
class Scale:
    """Multiply pixel indices: one pixel size per axis, in its unit."""

    scale: list[float] = attrs.field(converter=_floats)
    type: str = "scale"


@attrs.define
class Translation:
    """Move: the position of the centre of the first pixel, per axis, in its unit."""

    translation: list[float] = attrs.field(converter=_floats)
    type: str = "translation"


Transformation = Scale | Translation


def to_documents(transformations: Sequence[Transformation]) -> list[dict[str, Any]]:
    """Return transformations as the specification writes them."""
    return [{"type": t.type, t.type: getattr(t, t.type)} for t in transformations]


def from_documents(transformations: Sequence[Mapping[str, Any]]) -> list[Transformation]:
    """Take transformations that have been found valid."""
    found: list[Transformation] = []
    for transformation in transformations:
        if "scale" in transformation:
            found.append(Scale(transformation["scale"]))
        elif "translation" in transformation:
            found.append(Translation(transformation["translation"]))
    return found


def placed(parts: Sequence[Sequence[Transformation]], ndim: int) -> tuple[list[float], list[float]]:
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
