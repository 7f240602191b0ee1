"""From an array and the names of its dimensions to an `NgffImage` with axes in the order of the specification."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

import attrs

from ..exceptions import AxesError, InputError
from ..image import NgffImage
from ..pixels import reordered
from ..spec import KNOWN_AXES, SPACE_UNITS, SPATIAL, TIME_UNITS, Axes, full_unit, in_meters
from ..text import counted

COLORS = ("FF0000", "00FF00", "0000FF", "FFFFFF")
COLOR_NAMES = {3: ("red", "green", "blue"), 4: ("red", "green", "blue", "alpha")}
NO_UNITS = {"pixel", "pixels", "px", "none", "unknown", "arbitrary", "reference frame", "referenceframe", ""}


def _sizes(given: Mapping[str, Any]) -> dict[str, float]:
    return {axis: value for axis, value in given.items() if positive(value)}


def _places(given: Mapping[str, float]) -> dict[str, float]:
    return {axis: at for axis, at in given.items() if math.isfinite(at)}


def _windows(given: Sequence[tuple[float, float]] | None) -> Sequence[tuple[float, float]] | None:
    return given if given and all(-math.inf < low < high < math.inf for low, high in given) else None


@attrs.frozen(kw_only=True)
class Facts:
    """What a file states about its pixels, by axis name; what it does not state stays None or empty.

    Sizes that are not above zero, places that are no numbers and windows that are empty or endless state nothing.

    Attributes:
        name: of the image. channel_names: one per channel. channel_colors: one "RRGGBB" per channel.
        scale: pixel size per axis. translation: centre of the first pixel per axis.
        channel_windows: values, low and high, that each channel is shown between.
        units: UDUNITS-2 unit per axis. orientations: direction in which an axis grows (RFC-4).
    """

    name: str = "image"
    scale: Mapping[str, float] = attrs.field(factory=dict, converter=_sizes)
    translation: Mapping[str, float] = attrs.field(factory=dict, converter=_places)
    units: Mapping[str, str] = attrs.field(factory=dict)
    orientations: Mapping[str, str] = attrs.field(factory=dict)
    channel_names: Sequence[str] | None = None
    channel_colors: Sequence[str] | None = None
    channel_windows: Sequence[tuple[float, float]] | None = attrs.field(default=None, converter=_windows)


def unit_named(text: str | None, known: Container[str] = SPACE_UNITS | TIME_UNITS) -> str | None:
    """Return the UDUNITS-2 name of a unit as files spell it: "um", "Microns" and "micrometre" are "micrometer".

    Returns:
        One of the `known` units; None for "pixel" and for any other word.
    """
    unit = None if (text or "").strip().lower() in NO_UNITS else full_unit(text)
    return unit if unit in known else None


def positive(value: Any) -> float | None:
    """Return a value, however it is written, as a finite number above zero; None if it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 < number < math.inf else None


def micrometers(sizes: Mapping[str, Any], factor: float = 1.0) -> Facts:
    """Return the facts of sizes by axis, such as {"x": 6.5e-07} in metres with a factor of 1e6; others are left out."""
    known = {axis: size * factor for axis, value in sizes.items() if (size := positive(value)) is not None}
    # By way of their text, 6.5e-07 m is 0.65 micrometers and not 0.6499999999999999.
    scale = {axis: float(f"{size:.12g}") for axis, size in known.items()}
    return Facts(scale=scale, units=dict.fromkeys(known, "micrometer"))


def in_micrometers(value: Any, unit: str | None) -> float | None:
    """Return a length that a file gives with its unit; None where either is none that is known."""
    known, number = unit_named(unit, SPACE_UNITS), positive(value)
    metric = known is not None and known.endswith(("meter", "angstrom"))
    return in_meters(number, known) * 1e6 if metric and number is not None else None


def even_step(places: Sequence[float]) -> float | None:
    """Return the step between places that are even to a tenth of it, as time points are; None where they are not."""
    count = len(places)
    step = positive((places[-1] - places[0]) / (count - 1)) if count > 1 else None
    even = step is not None and all(abs(at - places[0] - i * step) <= 0.1 * step for i, at in enumerate(places))
    return float(f"{step:.9g}") if even else None


def named_axes(axes: str | Sequence[str] | None, ndim: int, source: str, own: Sequence[str] = ()) -> tuple[str, ...]:
    """Return one name per dimension: the caller's, else the file's own, else those that `ndim` alone determines.

    The position of colour samples ("s") is always known from the file: a caller who names them "c" may put the "c"
    anywhere.

    Raises:
        AxesError: the number of names is wrong, or `ndim` alone does not determine them.
    """
    if axes is None and own:
        return tuple(own)
    if axes is None:
        try:
            names = [axis.name for axis in Axes(ndim=ndim).items]
        except AxesError as error:
            raise AxesError(f"{source} does not say what its dimensions are. {error}") from None
        return tuple(names)
    names = [name.lower() if len(name) == 1 else name for name in map(str, axes)]
    if len(names) != ndim:
        has = f"{ndim} ({','.join(own)})" if own else str(ndim)
        named = f"axes {','.join(names)!r} name {counted(len(names), 'dimension')}"
        raise AxesError(f"{named}, {source} has {has}. Name each once.")
    if "s" in own and "c" in names and "s" not in names:
        names.remove("c")
        names.insert(list(own).index("s"), "s")
    return tuple(names)


def arranged(data: Any, names: Sequence[str], source: str, facts: Facts) -> NgffImage:
    """Reorder the dimensions to t, c, z, y, x without copying, and keep the facts that apply to them.

    Args:
        data: any array.
        names: one name per dimension; "s" stands for colour samples. Dimensions of length 1 with names other than
            t, c, z, y, x are dropped; one other dimension may stay as a custom axis.
        source: what messages call the file.
        facts: what the file states.

    Raises:
        InputError: the array has no pixels.
        AxesError: the dimensions do not make axes that OME-NGFF allows.
    """
    sizes = dict(zip(names, data.shape, strict=True))
    if 0 in sizes.values():
        raise InputError(f"{source} holds no pixels: its shape is {'x'.join(map(str, data.shape))}.")
    if len(sizes) != len(names):
        raise AxesError(f"Axis names must be unique (got {','.join(names)} for {source}).")
    dropped = {name for name, size in sizes.items() if size == 1 and name not in KNOWN_AXES}
    if "s" in sizes and "s" not in dropped:
        dropped |= {"c"} if sizes.get("c") == 1 else set()
        colors = COLORS if sizes["s"] in COLOR_NAMES else None
        facts = attrs.evolve(facts, channel_names=COLOR_NAMES.get(sizes["s"]), channel_colors=colors)
    kept = [i for i, name in enumerate(names) if name not in dropped]
    dims = ["c" if names[i] == "s" and "c" not in (names[j] for j in kept) else names[i] for i in kept]
    ranks = {"t": 0, **{name: 2 + SPATIAL.index(name) for name in SPATIAL}}
    sequence = sorted(range(len(dims)), key=lambda i: ranks.get(dims[i], 1))
    dims = [dims[i] for i in sequence]
    try:
        Axes(dims)
    except AxesError as error:
        shape = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise AxesError(f"{source} has the dimensions {shape}. {error} Name them yourself with axes=.") from None
    return _image(reordered(data, [kept[i] for i in sequence]), dims, facts)


def _image(data: Any, dims: Sequence[str], facts: Facts) -> NgffImage:
    def fitting(values: Mapping[str, Any]) -> dict[str, Any] | None:
        return {name: values[name] for name in dims if name in values} or None

    channels = data.shape[dims.index("c")] if "c" in dims else 1
    names, colors, windows = facts.channel_names, facts.channel_colors, facts.channel_windows
    order: Any = tuple(dims)
    return NgffImage(
        data,
        order,
        scale=fitting(facts.scale),
        translation=fitting(facts.translation),
        name=facts.name or "image",
        axes_units=fitting(facts.units),
        axes_orientations=fitting(facts.orientations),
        channel_names=list(names) if names and len(names) == channels else None,
        channel_colors=list(colors)[:channels] if colors and len(colors) >= channels else None,
        channel_windows=windows if windows and len(windows) == channels else None,
    )
