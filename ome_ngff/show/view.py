"""A picture of an image, to see what it is: channels in colour, labels on top, a scale bar.

`look` chooses what is seen, without reading a pixel, and `View.paint` reads and paints it: `paint` turns arrays into
colours, `bar` draws the scale bar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from ..exceptions import InputError, LabelError, MissingError, OptionError
from ..pixels import Array
from ..spec import decode_colors
from ..text import nearest_word
from .bar import Bar, bar_for, draw_bar
from .channels import Channel, seen_channels
from .contrast import shown, windows_of
from .paint import blend, overlay
from .planes import SIZE, Plane
from .preview import Preview
from .protocols import PyramidLike

READ = 2**29  # bytes of a level that are read without being asked
LARGEST = 2**26  # pixels of a picture
PROJECTIONS = ("max", "middle")
_FILL = 0.35  # opacity of the inside of a label


@attrs.frozen(eq=False)
class Overlay:
    """Labels that are drawn: a level, the pixels of it under each row and column of the picture, their colours."""

    plane: Plane
    rows: Array
    columns: Array
    depth: int | None
    colors: Mapping[int, Sequence[float]]
    fill: float

    def read(self, time: int) -> Any:
        """Return the lazy labels under the picture; where there are none, those of the first row or column."""
        seen = self.plane.read(time=time, depth=self.depth)
        return seen[np.maximum(self.rows, 0)][:, np.maximum(self.columns, 0)]

    def draw(self, rgb: Array, labels: Array) -> Array:
        """Draw the labels that `read` gave on a picture."""
        inside = (self.rows >= 0)[:, None] & (self.columns >= 0)
        width = max(1, round(max(labels.shape) / SIZE * 1.5))
        return overlay(rgb, np.where(inside, labels, 0), self.colors, width, self.fill)


@attrs.frozen(eq=False)
class View:
    """What is seen of an image; made by `look`. `paint` reads and paints it, `str` puts it into words."""

    plane: Plane
    shape: tuple[int, int]
    channels: tuple[Channel, ...]
    overlays: tuple[Overlay, ...]
    time: int
    depth: int | None
    bar: Bar | None
    text: str = attrs.field(repr=False)

    def __str__(self) -> str:
        return self.text

    def paint(self) -> Preview:
        """Read what is seen, block by block, and paint it.

        Raises:
            StoreError: a chunk cannot be read. LabelError: labels are not integers.
        """
        from dask.base import compute

        lazy = [
            self._resized(self.plane.read(time=self.time, channel=c.number, depth=self.depth)) for c in self.channels
        ]
        planes, labels = compute(lazy, [overlay.read(self.time) for overlay in self.overlays])
        rgb = np.zeros((*self.shape, 3), np.uint8)
        if planes:
            colors = [channel.color for channel in self.channels]
            windows = [channel.window for channel in self.channels if channel.window is not None]
            if len(windows) < len(planes):
                measured = map(shown, windows_of(planes.__getitem__, colors, planes[0].dtype))
                windows = [c.window or own for c, own in zip(self.channels, measured, strict=True)]
            rgb = blend(planes, windows, colors)
        for drawn, seen in zip(self.overlays, labels, strict=True):
            rgb = drawn.draw(rgb, seen)
        return Preview(draw_bar(rgb, self.bar) if self.bar else rgb, self.text)

    def _resized(self, plane: Any) -> Any:
        from ..pixels import local_mean

        if plane.shape == self.shape:
            return plane
        return local_mean(plane.astype("float32") if plane.dtype == bool else plane, self.shape)


def look(
    image: PyramidLike,
    labels: str | Sequence[str] = (),
    *,
    level: int | None = None,
    channels: Sequence[int | str] | None = None,
    projection: str = "max",
    time: int = 0,
    fill: bool = False,
    bar: bool = True,
    size: int = SIZE,
) -> View:
    """Choose what is seen, without reading a pixel; `Multiscales.preview` says what the arguments are.

    The longer side of the picture has at least `size` pixels, where the image has as many.
    """
    if projection not in PROJECTIONS:
        raise OptionError(f"A projection is {' or '.join(PROJECTIONS)} (got {projection!r}).")
    base = Plane.of(image, 0)
    if not 0 <= time < base.length("t"):
        raise MissingError(f"There is no time point {time}; there are 0 to {base.length('t') - 1}.")
    names = [labels] if isinstance(labels, str) else list(labels)
    drawn = [(labels_named(image, name), _FILL * fill) for name in names]
    if image.image_label is not None:  # labels are seen by their colours, not by their values
        drawn.insert(0, (image, 1.0))
    seen = () if image.image_label is not None else seen_channels(image, base.length("c"), channels)
    number, projection = _level(image, level, projection, max(1, len(seen)), [each for each, _ in drawn])
    plane = Plane.of(image, number)
    shape = plane.picture(shrink=level is None, size=size)
    if shape[0] * shape[1] > LARGEST:
        raise InputError(f"A picture of level {number} has {shape[1]} x {shape[0]} pixels; take a coarser level.")
    depth = plane.length("z") // 2 if projection == "middle" and "z" in plane.at else None
    overlays = tuple(_overlay(each, plane, shape, projection, depth, opacity) for each, opacity in drawn)
    length = _bar(base, plane, shape[1]) if bar else None
    words = _words(base, plane, time, depth)
    words += [f"channels {', '.join(c.name for c in seen)}"] if base.length("c") > 1 and seen else []
    words += [f"labels {', '.join(names)}"] if names else []
    words += [f"the bar is {length.text}"] if length else []
    start = f"{image.metadata.name}: level {number} of 0 to {len(image.images) - 1} as {shape[1]} x {shape[0]} pixels"
    return View(plane, shape, seen, overlays, time, depth, length, "; ".join([start, *words]))


def _level(
    image: PyramidLike, wanted: int | None, projection: str, channels: int, labels: Sequence[PyramidLike]
) -> tuple[int, str]:
    """Choose the coarsest level that is large enough, or a coarser one where there is too much to read.

    Returns:
        Its number, and the projection: the middle plane where the whole, or that of the labels, is not quick to read.
    """
    count = len(image.images)
    if wanted is not None:
        if not -count <= wanted < count:
            raise MissingError(f"There is no level {wanted}; there are 0 to {count - 1}.")
        return wanted % count, projection
    planes = [Plane.of(image, k) for k in range(count)]
    start = max((k for k, plane in enumerate(planes) if max(plane.sides) >= SIZE), default=0)
    for seen in (projection, "middle"):
        quick = [k for k in range(start, count) if planes[k].bytes_read(seen, channels) <= READ]
        if quick and all(_quick(each, seen) for each in labels):
            return quick[0], seen
    if not quick:
        way_out = f"add levels (ome-ngff scale --in-place), or take level={count - 1} to read it all the same"
        raise _too_large(image, planes[-1], "middle", channels, way_out)
    return quick[0], "middle"


def _quick(image: PyramidLike, projection: str) -> list[Plane]:
    planes = (Plane.of(image, k) for k in range(len(image.images)))
    return [plane for plane in planes if plane.bytes_read(projection) <= READ]


def _too_large(image: PyramidLike, plane: Plane, projection: str, channels: int, way_out: str) -> InputError:
    size = plane.bytes_read(projection, channels) / 2**30
    return InputError(f"No level of {image.metadata.name} is quick to read: {size:.1f} GiB; {way_out}.")


def _words(base: Plane, plane: Plane, time: int, depth: int | None) -> list[str]:
    """Return words for the time point and planes that are seen, where there are several."""
    times, deep = base.length("t"), plane.length("z")
    words = [f"time point {time} of 0 to {times - 1}"] if times > 1 else []
    if deep > 1:
        words.append(f"the brightest of {deep} planes" if depth is None else f"plane {depth} of 0 to {deep - 1}")
    return words


def labels_named(image: PyramidLike, name: str) -> PyramidLike:
    """Return a label image by its name; raise `MissingError` where there is none."""
    if name not in image.labels:
        known = ", ".join(image.labels) or "none"
        raise MissingError(f"There are no labels {name!r}.{nearest_word(name, image.labels)} Known: {known}.")
    return image.labels[name]


def _overlay(
    labels: PyramidLike, image: Plane, shape: tuple[int, int], projection: str, depth: int | None, fill: float
) -> Overlay:
    """Lay labels under the pixels of a picture, from their coarsest level that is as fine as the picture."""
    if labels.images[0].data.dtype.kind not in "biu":
        raise LabelError(f"Labels are integers (got {labels.images[0].data.dtype} for {labels.metadata.name!r}).")
    planes = _quick(labels, projection)
    if not planes:
        coarsest = Plane.of(labels, len(labels.images) - 1)
        raise _too_large(labels, coarsest, projection, 1, "add levels to these labels (ome-ngff scale --in-place)")
    wanted = {role: 0.99 * min(count, image.length(role)) for role, count in zip("yx", shape, strict=True)}
    fine = [plane for plane in planes if all(plane.reach(role, image)[1] >= count for role, count in wanted.items())]
    plane = fine[-1] if fine else planes[0]
    colors = decode_colors(labels.image_label)
    rows, columns = (plane.under(role, image, _shares(count)) for role, count in zip("yx", shape, strict=True))
    if projection == "max" or "z" not in plane.at:
        return Overlay(plane, rows, columns, None, colors, fill)
    deep = int(plane.under("z", image, _shares(image.length("z")))[depth or 0])
    return Overlay(plane, rows if deep >= 0 else np.full_like(rows, -1), columns, max(deep, 0), colors, fill)


def _shares(count: int) -> Array:
    shares: Array = (np.arange(count) + 0.5) / count
    return shares


def _bar(base: Plane, plane: Plane, width: int) -> Bar:
    """Measure the picture; without a unit, in pixels of level 0."""
    size, unit = plane.pixel("x")
    whole = size if unit else size / base.pixel("x")[0]
    return bar_for(width, whole * plane.length("x") / width, unit)
