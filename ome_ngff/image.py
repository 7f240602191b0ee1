"""The data model: an image in physical space, and a pyramid of them. Values only; nothing here touches a disk."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from .axes import Axes, full_unit
from .exceptions import AxesError
from .levels import Level
from .metadata import Metadata
from .methods import Methods


def _mapping(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else dict(value)


def _names(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


@attrs.define(eq=False, repr=False)
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
        computed_callbacks: called without arguments once the image has been written.
    """

    data: Any
    dims: tuple[str, ...] = attrs.field(converter=_names)
    scale: dict[str, float] | None = attrs.field(default=None, converter=_mapping)
    translation: dict[str, float] | None = attrs.field(default=None, converter=_mapping)
    name: str = "image"
    axes_units: dict[str, str] | None = attrs.field(default=None, converter=_mapping)
    axes_orientations: dict[str, Any] | None = attrs.field(default=None, converter=_mapping)
    channel_names: Sequence[str] | None = None
    channel_colors: Sequence[str] | None = None
    computed_callbacks: list[Callable[[], object]] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        if len(self.dims) != self.data.ndim:
            raise AxesError(f"dims {self.dims} name {len(self.dims)} dimensions, but the data has {self.data.ndim}.")
        for what in ("scale", "translation", "axes_units", "axes_orientations"):
            for name in getattr(self, what) or ():
                if name not in self.dims:
                    raise AxesError(f"{what} names the axis {name!r}, but the dims are {','.join(self.dims)}.")

    @property
    def axes(self) -> Axes:
        """Give the axes with their units and orientation."""
        units = {name: full_unit(unit) for name, unit in (self.axes_units or {}).items()}
        orientations = {k: getattr(v, "value", v) for k, v in (self.axes_orientations or {}).items()}
        return Axes([{"name": d, "unit": units.get(d), "orientation": orientations.get(d)} for d in self.dims])

    def facts(self) -> dict[str, str]:
        """Say what the image is, for a person: shape, dtype, chunks, pixel sizes, extent."""
        shape = self.data.shape
        facts = {
            "pixels": ", ".join(f"{name} {n}" for name, n in zip(self.dims, shape, strict=True)),
            "dtype": str(self.data.dtype),
        }
        chunks = getattr(self.data, "chunksize", None) or getattr(self.data, "chunks", None)
        if chunks:
            facts["chunks"] = " x ".join(str(c) for c in chunks)
        sizes, extents = [], []
        for name, n in zip(self.dims, shape, strict=True):
            size, unit = (self.scale or {}).get(name, 1.0), (self.axes_units or {}).get(name)
            if size != 1.0 or unit:
                sizes.append(f"{name} {size:g}{f' {unit}' if unit else ''}")
                extents.append(f"{name} {size * n:g}{f' {unit}' if unit else ''}")
        if sizes:
            facts["pixel size"], facts["extent"] = ", ".join(sizes), ", ".join(extents)
        if self.channel_names:
            facts["channels"] = ", ".join(self.channel_names)
        return facts

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
        return f"<NgffImage {self.name!r}: " + "; ".join(f"{k} {v}" for k, v in self.facts().items()) + ">"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{k}</th><td>{html.escape(v)}</td></tr>" for k, v in self.facts().items())
        return f"<b>NgffImage</b> {html.escape(self.name)}<table>{rows}</table>"


@attrs.define(eq=False)
class Multiscales:
    """Hold a pyramid: its levels, its metadata, and how it was made.

    Attributes:
        images: the levels, the largest first.
        metadata: what is written about them.
        scale_factors: as they were given to `to_multiscales`. method: how levels are made. chunks: by axis.
        labels: label images of this image, by name.
        attributes: attributes of the group that belong to others, kept as they are.
        image_label: colours, properties and source, where this is a label image.
        levels: geometry of the levels that `to_multiscales` made. made: the lazy arrays that it made.
    """

    images: list[NgffImage]
    metadata: Metadata
    scale_factors: Sequence[Any] | None = None
    method: Methods | None = None
    chunks: dict[str, int] | None = None
    labels: Mapping[str, Multiscales] = attrs.field(factory=dict, repr=False)
    attributes: dict[str, Any] = attrs.field(factory=dict, repr=False)
    image_label: dict[str, Any] | None = attrs.field(default=None, repr=False)
    levels: tuple[Level, ...] = attrs.field(default=(), repr=False)
    made: list[Any] = attrs.field(factory=list, repr=False)

    def given(self) -> set[int]:
        """Give the numbers of the levels whose pixels have to be written as they are.

        The engine makes a level anew, out of the one before it, only where nobody has put other pixels into it or into
        one that it is made from.
        """
        own = [k < len(self.made) and image.data is self.made[k] for k, image in enumerate(self.images)]
        found = {0}
        for k, level in enumerate(self.levels[: len(self.images)]):
            if not own[k] or not own[0] or (k and level.parent in found - {0}):
                found.add(k)
        return found | set(range(len(self.levels), len(self.images)))
