"""Arrays to colours: contrast, blended channels, labels on top. Pure functions; nothing is read or written here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..pixels import Array
from .contrast import CYCLE, Window, parse_color


def blend(planes: Sequence[Array], windows: Sequence[Window], colors: Sequence[Any]) -> Array:
    """Add up channels, each in its colour; a window that ends before it starts shows the negative.

    Args:
        planes: one array of shape (height, width) per channel; NaN is black.
        windows: the values that are black and in full colour, per channel. colors: "RRGGBB" per channel.

    Returns:
        uint8 of shape (height, width, 3).
    """
    total = np.zeros((*planes[0].shape, 3), np.float32)
    for plane, (low, high), color in zip(planes, windows, colors, strict=True):
        span = np.clip(plane.astype(np.float64), min(low, high), max(low, high)) - low
        light = np.nan_to_num(span / (high - low or 1.0)).astype(np.float32)
        for i, part in enumerate(parse_color(color)):
            if part:
                total[..., i] += light * np.float32(part)
    return np.rint(np.minimum(total, 255)).astype(np.uint8)


def edges(labels: Array, width: int = 1) -> Array:
    """Find the pixels of objects that are at most `width` pixels away from another object or from none.

    Args:
        labels: of shape (height, width), 0 outside the objects. The border of the picture is not an edge.

    Returns:
        bool of the same shape.
    """
    found = np.zeros(labels.shape, bool)
    for near, far in _neighbours(labels, found):
        differs = near[0] != far[0]
        near[1][...] |= differs
        far[1][...] |= differs
    for _ in range(width - 1):
        wider = found.copy()
        for near, far in _neighbours(found, wider):
            near[1][...] |= far[0]
            far[1][...] |= near[0]
        found = wider
    inside: Array = found & (labels != 0)
    return inside


def _neighbours(values: Array, result: Array) -> Iterable[tuple[tuple[Array, Array], tuple[Array, Array]]]:
    """Yield the pixels that have one below them and these, then those that have one to the right."""
    yield (values[:-1], result[:-1]), (values[1:], result[1:])
    yield (values[:, :-1], result[:, :-1]), (values[:, 1:], result[:, 1:])


def colors_of(values: Array, given: Mapping[int, Sequence[float]]) -> Array:
    """Return the colour of each label: that of `image-label` where it has one, else one of `CYCLE`.

    Args:
        values: labels, of shape (n,). given: colours by value.

    Returns:
        Red, green, blue and opacity from 0 to 255, float32 of shape (n, 4). The label 0 is not seen.
    """
    cycle = np.array([(*parse_color(color), 255) for color in CYCLE], np.float32)
    found = cycle[(values % len(CYCLE)).astype(int) - 1]
    found[values == 0] = 0
    places = {int(value): i for i, value in enumerate(values) if value != 0}
    for value, rgba in given.items():
        if value in places:
            found[places[value]] = np.clip(np.array(rgba, np.float32), 0, 255)
    return np.asarray(found)


def overlay(rgb: Array, labels: Array, given: Mapping[int, Sequence[float]], width: int, fill: float = 0.0) -> Array:
    """Draw the outlines of objects on a picture, and fill them.

    Args:
        rgb: uint8 of shape (height, width, 3). labels: of shape (height, width), 0 outside the objects.
        given: colours by value. width: of the outline, in pixels. fill: opacity of the inside, 0 to 1.

    Returns:
        A new picture.
    """
    values, indices = np.unique(labels, return_inverse=True)
    rgba = colors_of(values, given)[indices.reshape(labels.shape)]
    opacity = np.where(edges(labels, width), 1.0, fill) * rgba[..., 3] / 255
    painted: Array = rgb + (rgba[..., :3] - rgb) * opacity[..., None].astype(np.float32)
    return np.asarray(np.rint(painted), np.uint8)
