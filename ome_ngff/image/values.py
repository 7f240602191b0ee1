"""An image in physical space: a value; nothing here touches a disk."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from ..exceptions import AxesError, OptionError, ScaleError
from ..spec import (
    Axes,
    Axis,
    direction,
    parse_units,
)
from ..text import by, counted, cut, listed, mapping_of, show


def _mapping(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else mapping_of(value, "What is said of axes")


def _directions(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else {name: direction(each) for name, each in value.items()}


def _names(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


def _measures(values: Mapping[str, float], units: Mapping[str, str]) -> str:
    """Write lengths by axis, and their unit once where it is that of all."""
    if len({units.get(name) for name in values}) > 1:
        return ", ".join(f"{name} {value:g} {units.get(name) or ''}".strip() for name, value in values.items())
    listing = ", ".join(f"{name} {value:g}" for name, value in values.items())
    return f"{listing} {units.get(next(iter(values))) or ''}".strip()


def check_channels(
    count: int, names: Sequence[str] | None, colors: Sequence[str] | None, windows: Sequence[Any] | None = None
) -> None:
    """Raise `AxesError` where there are more or fewer than channels, `OptionError` for what is none of these."""
    for what, given in (("channel_names", names), ("channel_colors", colors), ("channel_windows", windows)):
        if given is not None and (isinstance(given, str) or not isinstance(given, Sequence)):
            raise OptionError(f"{what} is a list with one for each channel (got {show(given)}).")
        if given and len(given) != count:
            raise AxesError(f"{what} has one entry for each channel; the image has {count} (got {len(given)}).")
    for name in names or ():
        if name is None or isinstance(name, bytes):
            raise OptionError(f"The name of a channel is a string (got {name!r}).")
    for color in colors or ():
        if not re.fullmatch("[0-9a-fA-F]{6}", str(color)):
            raise OptionError(f"A colour is RRGGBB, such as '00FF00' (got {color!r}).")
    for window in windows or ():
        try:
            low, high = map(float, window)
        except (TypeError, ValueError):
            low = high = math.nan
        if not -math.inf < low <= high < math.inf:
            raise OptionError(f"A window of values is two numbers, low and high, for each channel (got {window!r}).")


@attrs.define(eq=False, repr=False)
class NgffImage:
    """Hold an array and its place in physical space.

    Attributes:
        data: anything with `shape`, `dtype` and slicing: NumPy, dask, Zarr, h5py, a memory map.
        dims: name of each dimension, slowest first, such as `("c", "z", "y", "x")`.
        scale: pixel size per axis, in `axes_units` per pixel; an axis that is missing has 1.
        translation: position of the centre of the first pixel per axis, in `axes_units`; missing axes have 0.
        name: what the image is called.
        axes_units: UDUNITS-2 unit per axis, such as "micrometer".
        axes_orientations: direction in which an axis grows (RFC-4), a member of `AnatomicalOrientation`.
        channel_names: one name per channel.
        channel_colors: one "RRGGBB" per channel.
        computed_callbacks: called without arguments once the image has been written.
        given_dims: the dims in the order in which `to_ngff_image` got them, where that was another.
        channel_windows: the values, low and high, that each channel is shown between.
    """

    data: Any
    dims: tuple[str, ...] = attrs.field(converter=_names)
    # None where nothing is said; `Any` spares those who index what was opened a check, which has all axes.
    scale: dict[str, float] | Any = attrs.field(default=None, converter=_mapping)
    translation: dict[str, float] | Any = attrs.field(default=None, converter=_mapping)
    name: str = "image"
    axes_units: dict[str, str] | Any = None
    axes_orientations: dict[str, Any] | None = attrs.field(default=None, converter=_directions)
    channel_names: Sequence[str] | None = None
    channel_colors: Sequence[str] | None = None
    computed_callbacks: list[Callable[[], object]] = attrs.field(factory=list)
    given_dims: tuple[str, ...] | None = attrs.field(default=None, repr=False)
    channel_windows: Sequence[tuple[float, float]] | None = None

    def __attrs_post_init__(self) -> None:
        if len(self.dims) != self.data.ndim:
            raise AxesError(
                f"dims {self.dims} name {counted(len(self.dims), 'dimension')}, but the data has {self.data.ndim}."
            )
        if self.axes_units is not None:
            self.axes_units = parse_units(self.axes_units, [Axis.parse({"name": name}) for name in self.dims])
        for what in ("scale", "translation", "axes_units", "axes_orientations"):
            for name in getattr(self, what) or ():
                if name not in self.dims:
                    raise AxesError(f"{what} names the axis {name!r}, but the dims are {','.join(self.dims)}.")

    @property
    def axes(self) -> Axes:
        """Axes with their units and orientation."""
        units, orientations = self.axes_units or {}, self.axes_orientations or {}
        return Axes(
            [{"name": d, "unit": units.get(d), "orientation": orientations.get(d)} for d in self.dims], lines=True
        )

    def check(self) -> None:
        """Raise where the image cannot be written as it is.

        Raises:
            ScaleError: a pixel size is not above zero. AxesError: there are not as many channel names or colours as
                channels. OptionError: a colour is not RRGGBB, or a window is not two numbers.
        """
        for name, size in (self.scale or {}).items():
            if not size > 0:
                raise ScaleError(f"A pixel size is above zero (got {size!r} for {name}); turn the axis round instead.")
        count = self.data.shape[self.dims.index("c")] if "c" in self.dims else 1
        check_channels(count, self.channel_names, self.channel_colors, self.channel_windows)

    def facts(self) -> dict[str, str]:
        """Return what describes the image to a person: shape, dtype, chunks, pixel sizes, extent."""
        shape = self.data.shape
        facts = {
            "pixels": ", ".join(f"{name} {n}" for name, n in zip(self.dims, shape, strict=True)),
            "dtype": str(self.data.dtype),
        }
        chunks = getattr(self.data, "chunksize", None) or getattr(self.data, "chunks", None)
        if chunks:
            facts["chunks"] = by(chunks)
        units, scale = self.axes_units or {}, self.scale or {}
        lengths = dict(zip(self.dims, shape, strict=True))
        if known := [name for name in self.dims if scale.get(name, 1.0) != 1.0 or units.get(name)]:
            facts["pixel size"] = _measures({name: scale.get(name, 1.0) for name in known}, units)
            facts["extent"] = _measures({name: scale.get(name, 1.0) * lengths[name] for name in known}, units)
        if self.channel_names:
            facts["channels"] = listed(self.channel_names, comma=", ")
        return {name: cut(said, 160) for name, said in facts.items()}

    def to_xarray(self) -> Any:
        """Return an `xarray.DataArray` whose coordinates are positions in physical space.

        Raises:
            ImportError: xarray is not installed.
        """
        import xarray

        coords = {}
        for name, n in zip(self.dims, self.data.shape, strict=True):
            if name == "c" and self.channel_names and len(self.channel_names) == n:
                coords[name] = (name, list(self.channel_names))
                continue
            start, step = (self.translation or {}).get(name, 0.0), (self.scale or {}).get(name, 1.0)
            unit = (self.axes_units or {}).get(name)
            coords[name] = (name, start + step * np.arange(n), {"units": unit} if unit else {})  # type: ignore[assignment]
        return xarray.DataArray(self.data, coords, self.dims, self.name)

    def __repr__(self) -> str:
        return f"<NgffImage {show(self.name)}: " + "; ".join(f"{k} {v}" for k, v in self.facts().items()) + ">"

    def _repr_html_(self) -> str:
        from ..show import as_html

        return as_html("NgffImage", self.facts(), self)
