"""Streams: frames as they come from a camera, into an image that can be read at any moment."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

import attrs
import numpy as np

from ..exceptions import InputError, OptionError, StoreError
from ..pixels import Array, LazyArray, Method, Methods, ScaleFactors, Slices, native
from ..read import StoredImage
from ..spec import SPATIAL, Axes, AxesLike, Format, PerAxis, UnitsLike, axis_name
from ..store import Layout, find_target, opened
from ..text import list_of, show, warn, whole_number
from .arguments import image_request
from .growing import Grown, enter, plan_of, refuse_factors, with_step
from .labels.annotation import Annotation
from .labels.request import growing_label_request, labels_of, path_to_image, register_label
from .request import Request

UNKNOWN = 2**20  # stands for a length that nobody knows yet: it makes no chunk or shard shorter


@attrs.frozen(eq=False)
class NotYet(LazyArray):
    """Pixels that will come."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: None = None
    origin: None = None

    def read(self, box: Slices) -> Array:
        raise InputError("These pixels have not come yet.")


@attrs.define(eq=False)
class Stream:
    """Take frames one after the other; `stream_image` makes these. Any thread may call it.

    Attributes:
        order: names of the axes before those of a frame, the one that changes last first; None is that of the axes.
    """

    _grown: Grown
    _names: tuple[str, ...]
    _shape: tuple[int, ...]
    _sized: bool
    order: str | Sequence[str] | None = None
    _ndim: int | None = None
    _count: int = 0
    _closed: bool = False
    _turn: Any = attrs.field(init=False, factory=threading.RLock)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of level 0 as whoever opens the image finds it: of the time points that are complete."""
        axis = self._grown.axis
        return (*self._shape[:axis], self._grown.growth.length, *self._shape[axis + 1 :])

    def append(self, frame: Any, *, block: bool = True, **facts: Any) -> None:
        """Take a copy of the next frame, in the order of the stream.

        Args:
            frame: pixels of the last axes: a plane, a volume, all channels.
            block: False raises instead of waiting where the queue is full.
            facts: what is known of the frame, such as `time` or the position of the stage; it goes into the file
                `frames.jsonl` of the group. Where `time` is regular, in the unit of t, it is the pixel size of t if
                none is given.

        Raises:
            QueueFullError: the queue has no room; the frame was not taken.
            InputError: the frame has another shape or dtype. StoreError: an earlier one could not be stored.
        """
        with self._turn:
            pixels = self._frame(frame)
            lead = len(self._shape) - pixels.ndim
            if self._ndim is None:
                self._ndim = pixels.ndim
                self._count = self._grown.growth.length * math.prod(self._lengths(lead))
            self._put(self._place(lead), pixels, block, facts)
            self._count += 1

    def write(self, index: Sequence[int] | Mapping[str, int], frame: Any, *, block: bool = True, **facts: Any) -> None:
        """Take a copy of a frame that belongs at an index of the axes before its own, in any order.

        Args:
            index: one number per axis, or by name. frame, block, facts: as in `append`.
        """
        with self._turn:
            pixels = self._frame(frame)
            names = self._names[: len(self._shape) - pixels.ndim]
            known = isinstance(index, Mapping) and set(index) - set(names)
            listed = [index.get(name) for name in names] if isinstance(index, Mapping) else list_of(index, "index")
            limits = [None if i == self._grown.axis else n for i, n in enumerate(self._shape[: len(names)])]
            at = [i for i in map(whole_number, listed) if i is not None]
            fits = len(at) == len(listed) == len(names) and not known
            if not fits or not all(0 <= i < (math.inf if n is None else n) for i, n in zip(at, limits, strict=True)):
                raise OptionError(
                    f"The index of a frame is a number per axis {','.join(names)}, below "
                    f"{','.join('any' if n is None else str(n) for n in limits)} (got {show(index)})."
                )
            self._ndim = pixels.ndim
            self._put(tuple(at), pixels, block, facts)

    def flush(self) -> None:
        """Wait until all complete time points are stored, and can be read."""
        self._grown.growth.flush()

    def close(self) -> None:
        """Store what is complete and finish the image.

        Raises:
            StoreError: something could not be stored; `resume=True` goes on behind what could.
        """
        with self._turn:
            if self._closed:
                return
            self._closed = True
            left = self._grown.end(step=not self._sized)
        if not self._grown.growth.length:
            warn(f"{self._grown.target} has no complete time point, and is no image until it has; see resume=True.")
        elif left:
            warn(f"{left} frames of time points that are not complete were left out of {self._grown.target}.")

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        with suppress(Exception), self._turn:  # what was raised first is what counts
            if not self._closed:
                self._closed = True
                self._grown.end(step=not self._sized)

    def _frame(self, frame: Any) -> Array:
        """Return a frame as NumPy.

        Raises:
            StoreError: the stream is closed. InputError: it has another shape or dtype than the stream.
        """
        if self._closed:
            raise StoreError("The stream is closed; stream_image(..., resume=True) goes on with it.")
        if isinstance(frame, np.ma.MaskedArray):
            raise InputError("A masked frame has no values under its mask; pass frame.filled(value).")
        pixels, dtype = np.asarray(frame), self._grown.growth.plan.dtype
        dims = getattr(frame, "dims", None)
        own = tuple(self._names[len(self._names) - pixels.ndim :])
        if isinstance(dims, tuple) and dims != own and set(dims) <= set(self._names):
            raise InputError(f"A frame of this stream has the axes {','.join(own)} (got {','.join(dims)}).")
        most = len(self._shape) - self._grown.axis - 1
        fits = 2 <= pixels.ndim <= most and pixels.shape == self._shape[len(self._shape) - pixels.ndim :]
        if not fits or self._ndim not in (None, pixels.ndim):
            wanted = self._shape[len(self._shape) - (self._ndim or 2) :]
            raise InputError(f"A frame of this stream has the shape {wanted} (got {pixels.shape}).")
        if native(pixels.dtype) != dtype:
            raise InputError(f"The frames of this stream are {dtype} (got {pixels.dtype}); convert them.")
        return pixels

    def _lengths(self, lead: int) -> list[int]:
        return [n for axis, n in enumerate(self._shape[:lead]) if axis != self._grown.axis]

    def _place(self, lead: int) -> tuple[int, ...]:
        """Return the index of the next frame.

        Raises:
            OptionError: the order is not one of the axes before the frame's.
        """
        names, axis = self._names[:lead], self._grown.axis
        first = (names[axis], *(name for name in names if name != names[axis]))
        order = first if self.order is None else tuple(map(axis_name, self.order))
        if set(order) != set(names):
            raise OptionError(
                f"The frames of this stream are at {','.join(names)}, but it has the order {show(self.order)}."
            )
        rest, at = self._count, {}
        for name in reversed(order[1:]):
            rest, at[name] = divmod(rest, self._shape[names.index(name)])
        at[order[0]] = rest
        return tuple(at[name] for name in names)

    def _put(self, index: tuple[int, ...], pixels: Array, block: bool, facts: Mapping[str, Any]) -> None:
        said = self._grown.facts.parsed(facts)
        self._grown.growth.put(index, pixels, block=block, first=lambda: self._grown.facts.add(index, said))


def stream_image(
    group: Any,
    shape: Sequence[int | None],
    dtype: Any,
    axes: AxesLike,
    *,
    scale: PerAxis | None = None,
    translation: PerAxis | None = None,
    axes_units: UnitsLike | None = None,
    scale_factors: ScaleFactors | None = None,
    method: str | Methods | Method | None = "resize",
    fmt: Format | str | None = None,
    name: str = "image",
    chunks: Any = None,
    shards: Any = None,
    compression: Any = None,
    storage_options: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    omero: Mapping[str, Any] | bool | None = None,
    channel_names: Sequence[str] | None = None,
    channel_colors: Sequence[str] | None = None,
    order: str | Sequence[str] | None = None,
    queue: str | float = "256MiB",
    overwrite: bool = False,
    resume: bool = False,
    store_options: Mapping[str, Any] | None = None,
) -> Stream:
    """Begin an image that grows frame by frame, with all its levels, and can be read at any moment.

    Whoever opens it sees the time points that are complete. Use it in a `with` block: at its end, also by an exception,
    what is complete is finished, as `write_image` would have written it. The words that are not explained here are
    those of `write_image`.

    Args:
        shape: of the image; None is the length of the axis that grows, such as `(None, 2, 2048, 2048)`.
        dtype: of the pixels.
        scale_factors: as in `write_image`, with 1 along the axis that grows.
        order: of the frames that are appended, the axis that changes last first, such as "tzc"; None is that of the
            axes.
        queue: bytes that may wait to be stored, at least one frame; then `append` waits.
        resume: go on behind the last complete time point of a stream that was interrupted, or closed.

    Raises:
        NgffError: one of its children; the disk is as it was.
    """
    target, axis = find_target(opened(group, store_options)), _growing_axis(shape)
    if fmt is not None:
        target = find_target(target, fmt)
    pixels = NotYet(tuple(UNKNOWN if n is None else n for n in shape), _dtype(dtype))
    if scale_factors is None and Axes(axes, ndim=len(shape)).names[axis] in SPATIAL:
        raise OptionError(
            "The length along a spatial axis is not known, so no levels follow from it; give scale_factors."
        )
    request = image_request(
        pixels, target, axes=axes, scale=scale, translation=translation, axes_units=axes_units,
        scale_factors=scale_factors, method=method, fmt=fmt, name=name, omero=omero, channel_names=channel_names,
        channel_colors=channel_colors, layout=Layout.parse(chunks, shards, compression, storage_options), resume=resume,
    )  # fmt: skip
    sized = _is_sized(scale, request, axis)
    if resume and not sized and target.is_image:  # perhaps what the facts have told
        size = StoredImage.of(target).geometry(0)[0][axis]
        request = attrs.evolve(request, metadata=with_step(request.metadata, axis, size))
    return _stream(request, axis, order, queue, sized=sized, overwrite=overwrite, resume=resume)


def stream_labels(
    group: Any,
    shape: Sequence[int | None],
    dtype: Any,
    name: str = "labels",
    *,
    axes: AxesLike | None = None,
    scale: PerAxis | None = None,
    translation: PerAxis | None = None,
    axes_units: UnitsLike | None = None,
    scale_factors: ScaleFactors | None = None,
    method: str | Methods | Method | None = "mode",
    fmt: Format | str | None = None,
    chunks: Any = None,
    shards: Any = None,
    compression: Any = None,
    storage_options: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    colors: Any = None,
    properties: Any = None,
    label_id: str | None = None,
    source: str | Mapping[str, Any] | None = None,
    order: str | Sequence[str] | None = None,
    queue: str | float = "256MiB",
    overwrite: bool = False,
    resume: bool = False,
    store_options: Mapping[str, Any] | None = None,
) -> Stream:
    """Begin labels that grow frame by frame, of an image that is there or grows itself; they are listed at once.

    The words are those of `write_labels` and `stream_image`. Colours are not those of a name, such as "auto": which
    values there are is not known yet.
    """
    annotation = Annotation(colors, properties, label_id, source)
    if annotation.needs_values:
        raise OptionError(f"colors={colors!r} needs the values of the labels, which have not come; give them by value.")
    axis, pixel = _growing_axis(shape), _dtype(dtype)
    short, long = (NotYet(tuple(length if n is None else n for n in shape), pixel) for length in (1, UNKNOWN))
    request = growing_label_request(
        short, long, axis, opened(group, store_options), name, axes=axes, scale=scale, translation=translation,
        axes_units=axes_units, scale_factors=scale_factors, method=method, fmt=fmt,
        layout=Layout.parse(chunks, shards, compression, storage_options), resume=resume,
    )  # fmt: skip
    request = attrs.evolve(request, image_label={"source": {"image": path_to_image(name)}, **annotation.parts(list)})
    found = _stream(request, axis, order, queue, sized=True, overwrite=overwrite, resume=resume)
    register_label(labels_of(request.target, name), name)
    return found


def _growing_axis(shape: Sequence[int | None]) -> int:
    unknown = [axis for axis, n in enumerate(list_of(shape, "shape")) if n is None]
    if len(unknown) != 1 or unknown[0] > len(shape) - 3:
        raise OptionError(
            "The shape of a stream has one None, for the axis that grows, which is not one of the last two "
            f"(got {tuple(shape)})."
        )
    return unknown[0]


def _dtype(dtype: Any) -> np.dtype[Any]:
    try:
        return native(np.dtype(dtype if dtype is not None else ""))  # else it would be float64
    except TypeError as error:
        raise OptionError(f"dtype is a type of pixels such as 'uint16' (got {show(dtype)}).") from error


def _is_sized(scale: PerAxis | None, request: Request, axis: int) -> bool:
    """Return whether the caller gives the size of a pixel along an axis."""
    if isinstance(scale, Mapping):
        return request.names[axis] in map(axis_name, scale)
    return isinstance(scale, Sequence) or (scale is not None and request.names[axis] in SPATIAL)


def _refuse_order(order: str | Sequence[str] | None, names: Sequence[str], growing: str) -> None:
    """Raise `OptionError` where frames cannot come in an order."""
    asked = [growing] if order is None else list(map(axis_name, order))
    if len(set(asked)) != len(asked) or not set(asked) <= set(names) or asked[:1] != [growing]:
        raise OptionError(
            f"The order of the frames names the axes {','.join(names)} that are not theirs, {growing!r} first, which "
            f"changes last (got {show(order)}); frames in another order are given to write()."
        )


def _stream(
    request: Request, axis: int, order: Any, queue: Any, *, sized: bool, overwrite: bool, resume: bool
) -> Stream:
    _refuse_order(order, request.names[:-2], request.names[axis])
    refuse_factors([level.factors for level in request.levels], axis, request.names[axis])
    plan = plan_of(request, axis)
    plan.rehearse()
    target, there = enter(request, axis, overwrite=overwrite, resume=resume)
    grown = Grown.begin(target, request.metadata, request.measured, plan, queue, there=there)
    return Stream(grown, request.names, request.levels[0].shape, sized, order)
