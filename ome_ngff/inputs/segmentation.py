"""A segmentation in a file, as labels of an image: ids where it has a palette or floats, and the axes of the image."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import AxesError, LabelError
from ..image import NgffImage
from ..pixels import LazyArray, Slices, slices, tiles
from ..store import behind_urls
from ..text import silent
from .arrange import COLOR_NAMES
from .open import axes_are_guessed, open_as

_PART = 2**24  # bytes that are looked at at once


@attrs.frozen(eq=False)
class WholeArray(LazyArray):
    """Show floats that are whole numbers as the integers that they mean.

    Attributes:
        source: the stored values, which have been looked at. dtype: that holds all of them.
    """

    source: Any
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.source.shape)

    @property
    def chunks(self) -> Any:  # type: ignore[override]
        return getattr(self.source, "chunks", None)

    @property
    def origin(self) -> Any:
        return self.source.origin

    def read(self, box: Slices) -> NDArray[Any]:
        return np.asarray(self.source[box]).astype(self.dtype)


@attrs.frozen(eq=False)
class GreyArray(LazyArray):
    """Show the first of colour samples that are all alike.

    Attributes:
        source: the samples, which have been compared. axis: of the samples.
    """

    source: Any
    axis: int

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(n for k, n in enumerate(self.source.shape) if k != self.axis)

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        found: np.dtype[Any] = np.dtype(self.source.dtype)
        return found

    @property
    def chunks(self) -> Any:  # type: ignore[override]
        lengths = getattr(self.source, "chunks", None)
        return lengths and tuple(n for k, n in enumerate(lengths) if k != self.axis)

    @property
    def origin(self) -> Any:
        return self.source.origin

    def read(self, box: Slices) -> NDArray[Any]:
        return np.asarray(self.source[(*box[: self.axis], 0, *box[self.axis :])])


def open_labels(
    path: str | os.PathLike[str],
    *,
    series: int | str | None = None,
    axes: str | Sequence[str] | None = None,
    image: Mapping[str, int] | None = None,
    store_options: Mapping[str, Any] | None = None,
) -> NgffImage:
    """Open a segmentation: what `open_input` opens, as whole numbers.

    A palette stays what it is, the indices; of colours that are all shades of grey, one sample is taken; floats that
    are whole numbers become integers. For both, all of them are read once before. Where the file does not say what its
    dimensions are, they are those of the image, as far as their lengths say which.

    Args:
        path, series, axes, store_options: as in `open_input`.
        image: lengths of the axes of the image that the labels are of.

    Raises:
        LabelError: the pixels are colours, or floats that are not whole, or negative.
        AxesError: the lengths fit several axes of the image; pass `axes`.
    """
    path = os.fspath(path)
    with behind_urls(store_options):
        opened = _fitting(path, series, image or {}) if axes is None else open_as(path, series, axes, indices=True)
        if list(opened.channel_names or ()) in [list(names) for names in COLOR_NAMES.values()]:
            opened = _grey(opened, path)
        if np.dtype(opened.data.dtype).kind != "f":
            return opened
        return attrs.evolve(opened, data=WholeArray(opened.data, _whole(opened.data, path)))


def _fitting(path: str, series: int | str | None, image: Mapping[str, int]) -> NgffImage:
    """Open a file with its own axes, or those of the image that have its lengths where it has none of its own."""
    refused: AxesError | None = None
    opened = None
    try:
        opened = open_as(path, series, None, indices=True)
    except AxesError as error:
        refused = error
    if opened is not None and not axes_are_guessed(path, series):
        return opened
    fits = list(_choices(path, series, image))
    if len(fits) > 1:
        named = " or ".join("".join(each.dims) for each in fits)
        raise AxesError(f"{path} has lengths of several axes of the image; say which, as in axes={named}.")
    if fits or opened is not None:
        return fits[0] if fits else opened  # type: ignore[return-value]
    assert refused is not None
    sizes = ", ".join(f"{name} {size}" for name, size in image.items())
    raise AxesError(f"{refused} The image has {sizes}, which it does not fit.") if image else refused


def _choices(path: str, series: int | str | None, image: Mapping[str, int]) -> Iterator[NgffImage]:
    for count in range(1, len(image) + 1):
        for names in itertools.combinations(image, count):
            with suppress(AxesError), silent():
                opened = open_as(path, series, names, indices=True)
                if all(image[name] == size for name, size in zip(opened.dims, opened.data.shape, strict=True)):
                    yield opened


def _grey(opened: NgffImage, path: str) -> NgffImage:
    """Return an image of colour samples without them, where they are alike in all pixels."""
    axis, data = opened.dims.index("c"), opened.data
    for box in tiles(tuple((0, size) for size in data.shape), _lengths(data, whole=axis)):
        samples = np.moveaxis(np.asarray(data[slices(box)]), axis, 0)[:3]
        if (samples != samples[:1]).any():
            names = ", ".join(opened.channel_names or ())
            raise LabelError(
                f"{path} holds colours ({names}), and labels are whole numbers; save the ids, or a palette."
            )
    dims = [axis for axis in opened.dims if axis != "c"]
    words = ("scale", "translation", "axes_units")
    known: dict[str, Any] = {
        word: {d: value for d, value in (getattr(opened, word) or {}).items() if d in dims} for word in words
    }
    return attrs.evolve(opened, data=GreyArray(data, axis), dims=dims, channel_names=None, channel_colors=None, **known)


def _whole(data: Any, path: str) -> np.dtype[Any]:
    """Return the dtype for floats that are whole numbers, none of which is negative."""
    most = 0
    for box in tiles(tuple((0, size) for size in data.shape), _lengths(data)):
        part = np.asarray(data[slices(box)])
        wrong = ~((part >= 0) & (part == np.floor(part)) & (part < 2**53))
        if wrong.any():
            place = np.argwhere(wrong)[0] + [low for low, _ in box]
            found = part[tuple(np.argwhere(wrong)[0])]
            raise LabelError(f"{path} holds {found} at {tuple(map(int, place))}; labels are whole numbers from 0 on.")
        most = max(most, int(part.max()))
    return np.min_scalar_type(most)


def _lengths(data: Any, whole: int | None = None) -> list[int]:
    """Return the lengths of the boxes that are looked at: whole chunks, or rows, of about `_PART` bytes.

    Args:
        data: the pixels. whole: an axis along which they are not cut.
    """
    lengths = [min(length, size) for length, size in zip(data.chunks or (1,) * data.ndim, data.shape, strict=True)]
    if whole is not None:
        lengths[whole] = data.shape[whole]
    for axis in reversed(range(data.ndim)):
        room = max(1, _PART // (int(np.prod(lengths)) * data.dtype.itemsize))
        lengths[axis] = min(data.shape[axis], lengths[axis] * room)
    return lengths
