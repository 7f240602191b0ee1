"""Pictures that show whether levels are right: a volume seen along three axes, and the same place at all levels."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from ..pixels import Array
from ..spec import in_meters
from .contrast import shown, windows_of
from .paint import blend
from .planes import Plane, brightest
from .preview import Preview
from .protocols import PyramidLike
from .view import View

_MOST = 2**26  # bytes that are read for projections
_SIDE = 384  # pixels of the longer side of a projection
_CROP, _TILE = 128, 192  # pixels of level 0 of a place that is looked at, and of its picture


@attrs.frozen(eq=False)
class Projections:
    """The brightest pixels of a volume along z, y and x, drawn to one scale.

    Attributes:
        along_z, along_y, along_x: pictures of (y, x), (z, x) and (y, z). text: what they show.
    """

    along_z: Preview
    along_y: Preview
    along_x: Preview
    text: str


def project(image: PyramidLike, view: View) -> Projections | None:
    """Project a volume along three axes, in the channels and at the time of a view; None where it is no volume.

    The level is the finest of at most 64 MiB, else the coarsest one.
    """
    planes = [Plane.of(image, k) for k in range(len(image.images))]
    if planes[0].length("z") < 2 or not view.channels:
        return None
    sizes = [plane.bytes_read("max", len(view.channels)) for plane in planes]
    number = next((k for k, size in enumerate(sizes) if size <= _MOST), len(planes) - 1)
    if sizes[number] > 8 * _MOST:
        return None
    from dask.base import compute

    plane = planes[number]
    volumes = [plane.volume(time=view.time, channel=channel.number) for channel in view.channels]
    channels = compute([[brightest(volume, axis) for axis in range(3)] for volume in volumes])[0]
    windows = _windows([each[0] for each in channels], view)
    deep, high, wide = _lengths(plane)
    colors = [channel.color for channel in view.channels]
    text = f"the brightest pixels of level {number}"
    painted = []
    for axis, shape in enumerate(((high, wide), (deep, wide), (high, deep))):
        rgb = blend([each[axis] for each in channels], windows, colors)
        rgb = rgb.transpose(1, 0, 2) if axis == 2 else rgb
        painted.append(Preview(_resized(rgb, shape), f"{text} along {'zyx'[axis]}"))
    along_z, along_y, along_x = painted
    return Projections(along_z, along_y, along_x, text)


def same_place(image: PyramidLike, view: View, painted: Array) -> list[Preview]:
    """Cut the same place out of each level, where a painted view has the most contrast, in the middle plane.

    Pixels of all levels are drawn as large as they are, so that a level that is shifted or stretched is seen to be.
    """
    from dask.base import compute

    base = Plane.of(image, 0)
    shares = {role: _share(base.length(role), place) for role, place in zip("yx", _busiest(painted), strict=True)}
    planes = [Plane.of(image, k) for k in range(len(image.images))]
    lazy = []
    for plane in planes:
        rows, columns = (plane.under(role, base, shares[role]) for role in "yx")
        deep = int(plane.under("z", base, np.array([0.5]))[0]) if "z" in plane.at else None
        seen = [plane.read(time=view.time, channel=c.number, depth=deep) for c in view.channels]
        lazy.append([each[np.maximum(rows, 0)][:, np.maximum(columns, 0)] for each in seen])
    found = compute(lazy)[0]
    windows = _windows(found[0], view)
    colors = [channel.color for channel in view.channels]
    side = max(found[0][0].shape)
    shape = tuple(max(1, round(_TILE * n / side)) for n in found[0][0].shape)
    return [Preview(_resized(blend(each, windows, colors), shape), f"level {k}") for k, each in enumerate(found)]


def _windows(planes: list[Array], view: View) -> list[Any]:
    colors = [channel.color for channel in view.channels]
    own = [channel.window for channel in view.channels]
    if None not in own:
        return own
    seen = map(shown, windows_of(planes.__getitem__, colors, planes[0].dtype))
    return [known or measured for known, measured in zip(own, seen, strict=True)]


def _lengths(plane: Plane) -> tuple[int, int, int]:
    """Return the depth, height and width of a volume in pixels of a picture."""
    sizes = {role: in_meters(*plane.pixel(role)) * plane.length(role) for role in "zyx"}
    high, wide = plane.sides
    zoom = _SIDE / max(high, wide)
    ratio = sizes["z"] / sizes["x"] if np.isfinite(sizes["z"]) and sizes["x"] else 1.0
    deep = float(np.clip(wide * zoom * ratio, 8, 2 * _SIDE))
    return round(deep), max(1, round(high * zoom)), max(1, round(wide * zoom))


def _resized(rgb: Array, shape: tuple[int, ...]) -> Array:
    """Enlarge or thin out a picture, pixel by pixel."""
    rows, columns = (((np.arange(n) + 0.5) * old / n).astype(int) for n, old in zip(shape, rgb.shape, strict=False))
    return np.asarray(rgb[rows][:, columns])


def _busiest(rgb: Array) -> tuple[float, float]:
    """Return where the contrast of a picture is greatest, as shares of its height and width."""
    gray, count = rgb.mean(axis=2), 8
    tiles = [
        np.array_split(band, min(count, rgb.shape[1]), axis=1) for band in np.array_split(gray, min(count, len(gray)))
    ]
    spread = np.array([[tile.std() for tile in band] for band in tiles])
    row, column = np.unravel_index(spread.argmax(), spread.shape)
    return (float(row) + 0.5) / spread.shape[0], (float(column) + 0.5) / spread.shape[1]


def _share(length: int, place: float) -> Array:
    """Return the centres of up to 128 pixels around a place along an axis, as shares of it."""
    count = min(_CROP, length)
    start = int(np.clip(round(place * length) - count // 2, 0, length - count)) // 16 * 16
    shares: Array = (start + np.arange(count) + 0.5) / length
    return shares
