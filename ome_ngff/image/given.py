"""What a caller gives as an image, with what it says of itself: understood here for all who write or measure it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from ..exceptions import AxesError, InputError, ScaleError
from ..pixels import as_source, reordered
from ..spec import (
    KNOWN_AXES,
    AxesLike,
    Axis,
    PerAxis,
    UnitsLike,
    axis_name,
    full_unit,
    parse_numbers,
    parse_units,
)
from ..text import counted, show
from .values import NgffImage


@attrs.frozen(eq=False)
class Given:
    """Hold an image as it came in, and what is known of it: what the caller says wins, axis by axis.

    Attributes:
        pixels: what `as_source` returns, with its dimensions in the order of `axes`; nothing is copied.
        axes: as `Axes` takes them; None where nobody says what they are.
        scale, translation, axes_units: what is said; None where nothing is.
        channel_names, channel_colors, channel_windows: one per channel each, or None.
        dims: names of the axes in the order in which numbers without names are, where the image names them.
    """

    pixels: Any
    axes: AxesLike | Sequence[Axis] | None = None
    scale: PerAxis | None = None
    translation: PerAxis | None = None
    axes_units: UnitsLike | None = None
    channel_names: Sequence[str] | None = None
    channel_colors: Sequence[str] | None = None
    dims: tuple[str, ...] | None = None
    channel_windows: Sequence[tuple[float, float]] | None = None

    @classmethod
    def of(
        cls,
        image: Any,
        axes: AxesLike | None = None,
        scale: PerAxis | None = None,
        translation: PerAxis | None = None,
        axes_units: UnitsLike | None = None,
        *,
        defaults: Mapping[int, str] | None = None,
    ) -> Given:
        """Understand an image: an array, an xarray with dimensions and coordinates, or an `NgffImage`.

        Args:
            image: as in `write_image`.
            axes: None takes those that the image names. The same names in another order ask for that order; other names
                are what its dimensions are to be called.
            scale, translation, axes_units: as in `write_image`; numbers without names are in the order of `axes`, or
                else of the dimensions.
            defaults: names by the number of dimensions, where nobody says them; with these the dimensions are put in
                the order t, c, z, y, x, whatever that of `axes`.

        Raises:
            InputError: it is not an array of numbers. AxesError: its dimensions have names that mean nothing here.
            ScaleError: its coordinates are not those of pixels.
        """
        if hasattr(image, "data_vars"):
            variables = ", ".join(map(str, image.data_vars)) or "none"
            raise InputError(f"An image is one variable of a Dataset; pass one of them (it has {variables}).")
        raw = _dims(image)
        if not isinstance(axes, (Iterable, type(None))):
            raise AxesError(
                f"axes is a string such as 'zyx', or a list with one name per dimension (got {show(axes)})."
            )
        least = 1 if defaults is not None and (axes is not None or raw is not None) else 2
        pixels = as_source(image.data if isinstance(image, NgffImage) else image, least=least)
        own = None if raw is None else tuple(map(axis_name, raw))
        if own is None and defaults is not None and axes is None:
            axes = defaults.get(pixels.ndim)
        if own is None and (axes is None or defaults is None):
            return cls(pixels, axes, scale, translation, axes_units)
        items: list[Axis] = list(map(Axis.parse, own or () if axes is None else axes))
        asked = tuple(axis.name for axis in items)
        if len(asked) != pixels.ndim:
            raise AxesError(
                f"dims {','.join(asked)!r} name {counted(len(asked), 'dimension')}, but the data has {pixels.ndim}."
            )
        names = own if own is not None and set(asked) == set(own) else asked
        if defaults is None and (axes is not None or isinstance(image, NgffImage)):
            wanted = asked
        else:
            wanted = _in_order(names, raw if axes is None and raw else names)
        known = [items[asked.index(name)] for name in wanted]
        sizes = parse_numbers(_named(scale, asked), known, "scale")
        starts = parse_numbers(_named(translation, asked), known, "translation")
        facts = _facts(image, raw, names, sizes.keys() & starts.keys())
        units = {**facts.units, **{a.name: a.unit for a in known if a.unit}}
        units |= parse_units(_named(axes_units, asked), known)
        turned = {**facts.orientations, **{a.name: a.orientation for a in known if a.orientation}}
        return cls(
            reordered(pixels, [names.index(name) for name in wanted]),
            [attrs.evolve(a, unit=units.get(a.name), orientation=turned.get(a.name)) for a in known],
            {**facts.scale, **sizes} or None,
            {**facts.translation, **starts} or None,
            None,
            facts.channel_names,
            facts.channel_colors,
            asked,
            image.channel_windows if isinstance(image, NgffImage) else None,
        )


@attrs.frozen
class _Facts:
    """What an image says of itself, by axis name."""

    scale: Mapping[str, Any] = attrs.field(factory=dict)
    translation: Mapping[str, Any] = attrs.field(factory=dict)
    units: Mapping[str, Any] = attrs.field(factory=dict)
    orientations: Mapping[str, Any] = attrs.field(factory=dict)
    channel_names: Sequence[str] | None = None
    channel_colors: Sequence[str] | None = None


def _dims(image: Any) -> tuple[str, ...] | None:
    """Return the names of the dimensions, where an image has some; those that xarray makes up are none."""
    dims = getattr(image, "dims", None)
    if not isinstance(dims, tuple) or not dims:
        return None
    names = tuple(map(str, dims))
    return None if all(re.fullmatch(r"dim_\d+", name) for name in names) else names


def _named(values: Any, names: Sequence[str]) -> Any:
    """Return numbers or units by the names of the axes, where there is one for each; others stay."""
    listed = hasattr(values, "__len__") and not isinstance(values, (str, Mapping)) and getattr(values, "ndim", 1) == 1
    return dict(zip(names, values, strict=True)) if listed and len(values) == len(names) else values


def _in_order(names: Sequence[str], called: Sequence[str]) -> tuple[str, ...]:
    """Return the names of dimensions in the order of the specification; `called` as the caller knows them."""
    if len(set(names)) < len(names) or not KNOWN_AXES.keys() >= set(names):
        raise AxesError(
            f"dims are t, c, z, y, x, each at most once (got {','.join(called)}); name them in their order."
        )
    return tuple(sorted(names, key="tczyx".index))


def _facts(image: Any, raw: Sequence[str] | None, names: Sequence[str], placed: set[str]) -> _Facts:
    """Return what an image says of itself.

    Args:
        image: an xarray, an `NgffImage`, or an array that says nothing.
        raw: its names of the dimensions. names: those of the axes that they are.
        placed: axes of which the caller says where the pixels are, so that the coordinates need not be even.

    Raises:
        ScaleError: coordinates do not grow evenly.
    """
    if not isinstance(image, NgffImage):
        return facts_of_coordinates(getattr(image, "coords", {}), dict(zip(raw or (), names, strict=False)), placed)
    called = dict(zip(image.dims, names, strict=True))
    sizes, starts, units, turned = (
        {called[name]: value for name, value in (each or {}).items()}
        for each in (image.scale, image.translation, image.axes_units, image.axes_orientations)
    )
    return _Facts(sizes, starts, units, turned, image.channel_names, image.channel_colors)


def facts_of_coordinates(coords: Mapping[str, Any], names: Mapping[str, str], placed: set[str]) -> _Facts:
    """Return what the coordinates of an xarray say; `names` has the axis of each of its dimensions."""
    scale: dict[str, float] = {}
    translation: dict[str, float] = {}
    units: dict[str, Any] = {}
    channels = None
    for name, axis in names.items():
        if name not in coords:
            continue
        values, unit = np.asarray(coords[name].values), coords[name].attrs.get("units")
        if axis == "c":
            if values.dtype.kind in "UOT" and all(isinstance(value, str) for value in values):
                channels = [str(value) for value in values]
            continue
        if values.dtype.kind in "mM":  # dates count from the first
            values = values - values[0] if values.dtype.kind == "M" else values
            values, unit = values / np.timedelta64(1, "s"), "second"
        if values.dtype.kind not in "iuf":
            continue
        if axis not in placed:
            if len(values) > 1:
                scale[axis] = _step(values, axis)
            translation[axis] = float(values[0])
        if unit is not None and str(unit):  # whatever it is: the truth of an array is an error
            units[axis] = full_unit(str(unit))
    return _Facts(scale, translation, units, channel_names=channels)


def _step(coordinates: np.ndarray[Any, Any], axis: str) -> float:
    """Return the distance of coordinates, which are even as far as their type can tell.

    Raises:
        ScaleError: they do not grow, or not evenly.
    """
    values = coordinates.astype(np.float64)
    if not np.isfinite(values).all():
        raise _uneven(axis)
    step = float(values[-1] - values[0]) / (len(values) - 1)
    rounding = np.finfo(coordinates.dtype).eps if coordinates.dtype.kind == "f" else 0.0
    if np.allclose(np.diff(values), step, rtol=1e-3, atol=2 * float(rounding) * max(abs(values[0]), abs(values[-1]))):
        if step > 0:
            return step
        if step < 0:
            raise ScaleError(
                f"The coordinates of {axis} go down; turn the axis round with data.isel({axis}=slice(None, None, -1)), "
                "or give scale= and translation=."
            )
    raise _uneven(axis)


def _uneven(axis: str) -> ScaleError:
    return ScaleError(f"The coordinates of {axis} do not grow evenly; give scale= and translation=.")
