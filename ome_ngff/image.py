"""The data model: an image in physical space. Values only; nothing here touches a disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from .axes import Axes, full_unit
from .exceptions import AxesError


def _mapping(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else dict(value)


def _names(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


@attrs.frozen(eq=False)
class NgffImage:
    """Hold an array and where it lies in physical space.

    Attributes:
        data: anything with `shape`, `dtype` and slicing: NumPy, dask, Zarr, h5py, a memory map.
        dims: name of each dimension, slowest first, such as `("c", "z", "y", "x")`.
        scale: pixel size per axis, in `axes_units` per pixel; an axis that is missing has 1.
        translation: position of the centre of the first pixel per axis, in `axes_units`; missing axes have 0.
        name: what the image is called.
        axes_units: UDUNITS-2 unit per axis, such as "micrometer".
        axes_orientations: direction in which an axis grows (RFC-4), such as "left-to-right".
        channel_names: one name per channel.
        channel_colors: one "RRGGBB" per channel.
    """

    data: Any
    dims: tuple[str, ...] = attrs.field(converter=_names)
    scale: dict[str, float] | None = attrs.field(default=None, converter=_mapping, kw_only=True)
    translation: dict[str, float] | None = attrs.field(default=None, converter=_mapping, kw_only=True)
    name: str = attrs.field(default="image", kw_only=True)
    axes_units: dict[str, str] | None = attrs.field(default=None, converter=_mapping, kw_only=True)
    axes_orientations: dict[str, str] | None = attrs.field(default=None, converter=_mapping, kw_only=True)
    channel_names: Sequence[str] | None = attrs.field(default=None, kw_only=True)
    channel_colors: Sequence[str] | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if len(self.dims) != self.data.ndim:
            raise AxesError(f"dims {self.dims} name {len(self.dims)} dimensions, but the data has {self.data.ndim}.")

    @property
    def axes(self) -> Axes:
        """Give the axes with their units and orientation."""
        units = {name: full_unit(unit) for name, unit in (self.axes_units or {}).items()}
        orientations = self.axes_orientations or {}
        return Axes([{"name": d, "unit": units.get(d), "orientation": orientations.get(d)} for d in self.dims])
