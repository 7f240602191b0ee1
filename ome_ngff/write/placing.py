"""Where pixels lie in an image that is stored: where the caller says, else where their coordinates do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np

from ..exceptions import AxesError, InputError, OptionError, ScaleError
from ..image import NgffImage, facts_of_coordinates
from ..read import StoredImage
from ..spec import axis_name, times
from ..text import list_of, nearest_word, show, whole_number

Start = Mapping[str, int] | Sequence[int]
_OFF = 0.02  # of a pixel: what a position may be beside one
_UNEVEN = 1e-3  # of a pixel size, as coordinates may differ by


@attrs.frozen
class Position:
    """Say where pixels are along an axis: the centre of the first, their size and unit, as far as they are known."""

    first: float | None
    size: float | None
    unit: str | None


def without_coordinates(pixels: Any) -> Any:
    """Return an xarray without its coordinates, of which `first_pixels` makes sense; anything else as it is."""
    return pixels.drop_vars(list(pixels.coords)) if getattr(pixels, "coords", None) and _is_xarray(pixels) else pixels


def first_pixels(pixels: Any, own: Sequence[str], stored: StoredImage, start: Start | None) -> list[int]:
    """Return the first pixel of a box of an image on each axis: 0 where nothing is said.

    Args:
        pixels: as they were given. own: names of their axes. stored: the image. start: as in `update_image`.

    Raises:
        AxesError: there is no such axis. OptionError: `start` is not a pixel, or another one than the coordinates say.
        ScaleError: the coordinates are not those of pixels of the image. InputError: nor are the names of channels.
    """
    asked = _parsed(start, stored.names, own)
    said = {name: at for name, at in _said(pixels, stored, set(asked)) if at is not None}
    for name in asked.keys() & said.keys():
        if asked[name] != said[name]:
            raise OptionError(
                f"start is {asked[name]} along {name}, but the coordinates of the pixels are those of pixel "
                f"{said[name]}; leave out one of them."
            )
    return [{**said, **asked}.get(name, 0) for name in stored.names]


def _parsed(start: Start | None, names: Sequence[str], own: Sequence[str]) -> dict[str, int]:
    if not isinstance(start, Mapping):
        numbers = [] if start is None else list_of(start, "start")
        called = list(own if len(numbers) == len(own) else names)
        if start is not None and len(numbers) != len(called):
            raise OptionError(
                f"start has one number per axis, {','.join(names)}, or a dict of them (got {show(start)})."
            )
        start = dict(zip(called, numbers, strict=False))
    for name, value in start.items():
        if name not in names:
            raise AxesError(
                f"start names the axis {name!r}, there are {','.join(names)}.{nearest_word(str(name), names)}"
            )
        if whole_number(value) is None or value < 0:
            raise OptionError(f"start counts pixels from 0 (got {show(value)} for {name}).")
    return {name: int(value) for name, value in start.items()}


def _said(pixels: Any, stored: StoredImage, asked: set[str]) -> Iterator[tuple[str, int | None]]:
    """Yield which pixel of the image the first one is along each axis, where something says so."""
    sizes, origins = stored.geometry(0)
    found = dict(_positions(pixels, asked))
    for axis, size, origin in zip(stored.metadata.axes, sizes, origins, strict=True):
        position = found.get(axis.name)
        if position is not None:
            yield axis.name, _pixel(position, axis.name, size, origin, axis.unit, stored)
    if "c" in stored.names and "c" not in asked:
        yield "c", _channel(pixels, stored)


def _pixel(
    position: Position, axis: str, size: float, origin: float, unit: str | None, stored: StoredImage
) -> int | None:
    times_unit = times(position.unit, unit) if position.unit and unit and position.unit != unit else 1.0
    if times_unit is None:
        raise ScaleError(f"The pixels are in {position.unit} along {axis}, but {stored.target} is in {unit}.")
    step = None if position.size is None else position.size * times_unit
    if step is not None and abs(step - size) > _UNEVEN * abs(size):
        raise ScaleError(
            f"A pixel that is given is {step:g} long along {axis}, but one of level 0 of {stored.target} is {size:g}; "
            "resample the pixels, or leave out their coordinates."
        )
    if position.first is None or not size:
        return None
    index = (position.first * times_unit - origin) / size
    whole = round(index)
    if abs(index - whole) > max(_OFF, 1e-6 * abs(index)) or whole < 0:
        raise ScaleError(
            f"The first pixel is at {position.first * times_unit:g} along {axis}, which is not one of "
            f"{stored.target}: its first one is at {origin:g}, and each is {size:g} long. Leave out the coordinates to "
            "say start."
        )
    return whole


def _positions(pixels: Any, asked: set[str]) -> Iterator[tuple[str, Position]]:
    """Yield what pixels say of each axis; of one in `asked`, what is uneven says nothing."""
    if isinstance(pixels, NgffImage):
        sizes, starts, units = pixels.scale or {}, pixels.translation or {}, pixels.axes_units or {}
        for name in pixels.dims:
            yield name, Position(starts.get(name), sizes.get(name), units.get(name))
        return
    for raw, coordinate in getattr(pixels, "coords", {}).items() if _is_xarray(pixels) else ():
        name, values = axis_name(str(raw)), np.atleast_1d(coordinate.values)
        if coordinate.dims not in ((), (raw,)) or values.dtype.kind not in "iufmM" or not len(values):
            continue
        if values.dtype.kind == "M":
            if name not in asked:
                raise OptionError(f"The coordinates of {name} are dates, which are not pixels of an image; give start.")
            continue
        try:
            coords = {raw: SimpleNamespace(values=values, attrs=coordinate.attrs)}
            facts = facts_of_coordinates(coords, {raw: name}, set())
        except ScaleError:
            if name not in asked:
                raise
            continue
        yield name, Position(facts.translation.get(name), facts.scale.get(name), facts.units.get(name))


def _channel(pixels: Any, stored: StoredImage) -> int | None:
    """Return which channel is the first that is given, going by their names.

    Raises:
        InputError: the image has some of them elsewhere.
    """
    coordinate = pixels.coords["c"] if _is_xarray(pixels) and "c" in pixels.coords else None
    named = getattr(pixels, "channel_names", None) if coordinate is None else np.atleast_1d(coordinate.values).tolist()
    names = list(named or ())
    omero = stored.metadata.omero
    there = [channel.label for channel in omero.channels] if omero is not None else []
    if not names or not set(names) & set(there):
        return None
    at = next((k for k in range(len(there)) if there[k : k + len(names)] == names), None)
    if at is None:
        raise InputError(f"The pixels are of the channels {show(names)}, but {stored.target} has {show(there)}.")
    return at


def _is_xarray(pixels: Any) -> bool:
    return all(hasattr(pixels, word) for word in ("dims", "coords", "drop_vars"))
