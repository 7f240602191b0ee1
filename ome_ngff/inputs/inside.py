"""What is inside an input before it is converted: each of its images, with what its file says of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import attrs

from ..exceptions import AxesError, NgffError
from ..image import NgffImage
from ..read import AxisInfo, ChannelInfo

Open = Callable[[Any], NgffImage]


@attrs.frozen
class Inside:
    """Point to one of the images of an input.

    Attributes:
        open: opens it, given `axes`; only as long as the iteration that gave it stands here.
        name: what the file calls it. series: what `series=` picks it by, where the file has series.
        inner: what stands behind "::" in its path, where the file has such names.
    """

    open: Open
    name: str = ""
    series: int | None = None
    inner: str = ""


@attrs.frozen
class InputImage:
    """Describe one image of an input.

    Attributes:
        series, inner: as in `Inside`; None where the input has none. name: of the image. dtype: of its pixels.
        axes: in the order in which they are written; "?" where the file does not say what one is.
        channels: names and colours that the file states. note: why it cannot be written as it is; None if it can.
    """

    series: int | None
    inner: str | None
    name: str
    dtype: str | None
    axes: tuple[AxisInfo, ...]
    channels: tuple[ChannelInfo, ...]
    note: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels per axis."""
        return tuple(axis.size or 0 for axis in self.axes)


@attrs.frozen
class InputInfo:
    """Describe what is inside an input.

    Attributes:
        path: as it was asked for. kind: such as "a TIFF file". images: all that it holds.
    """

    path: str
    kind: str
    images: tuple[InputImage, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        found: dict[str, Any] = json.loads(json.dumps(attrs.asdict(self)))
        return found


def describe_inside(path: str | os.PathLike[str], axes: Any, kind: str, inside: Iterator[Inside]) -> InputInfo:
    """Describe each image; what is wrong with one becomes its note, unless it is the only one."""
    images = [_described(each, axes) for each in inside]
    if len(images) == 1 and isinstance(images[0], NgffError):
        raise images[0]
    return InputInfo(os.fspath(path), kind, tuple(image for image in images if isinstance(image, InputImage)))


def _described(inside: Inside, axes: Any) -> InputImage | NgffError:
    place = (inside.series, inside.inner or None)
    try:
        image = inside.open(axes)
        return InputImage(*place, image.name, str(image.data.dtype), _axes(image), _channels(image))
    except AxesError as error:
        for names in ("yx", "zyx", "czyx", "tczyx") if axes is None else ():  # to learn the sizes, at least
            with suppress(NgffError):
                image = inside.open(names)
                unknown = tuple(AxisInfo("?", size=size) for size in image.data.shape)
                return InputImage(*place, image.name, str(image.data.dtype), unknown, (), str(error))
        return error if place == (None, None) else InputImage(*place, inside.name, None, (), (), str(error))
    except NgffError as error:
        return error if place == (None, None) else InputImage(*place, inside.name, None, (), (), str(error))


def _axes(image: NgffImage) -> tuple[AxisInfo, ...]:
    found = []
    for axis, size in zip(image.axes.items, image.data.shape, strict=True):
        pixel = (image.scale or {}).get(axis.name)
        extent = size * pixel if pixel and axis.type in ("space", "time") else None
        found.append(AxisInfo(axis.name, axis.type, axis.unit, axis.orientation, size, pixel, extent))
    return tuple(found)


def _channels(image: NgffImage) -> tuple[ChannelInfo, ...]:
    names: Sequence[Any] = image.channel_names or ()
    colors: Sequence[Any] = image.channel_colors or ()
    count = max(len(names), len(colors))
    names, colors = names or [None] * count, colors or [None] * count
    return tuple(ChannelInfo(name, color, None, None) for name, color in zip(names, colors, strict=True))
