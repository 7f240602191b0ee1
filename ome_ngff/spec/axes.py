"""Axes: their names, types, units and orientation, and the rules that the specification has for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import attrs

from ..exceptions import AxesError
from ..text import counted, nearest_word, show, warn
from .rules.axes import axes_findings
from .rules.book import stated
from .vocabulary import KNOWN_AXES, ORIENTATIONS, TIME_UNITS, AnatomicalOrientation, axis_name, by_name, full_unit


def direction(value: Any) -> Any:
    """Return the member of `AnatomicalOrientation` that an orientation names; any other value stays."""
    value = getattr(value, "value", value)
    return AnatomicalOrientation(value) if isinstance(value, str) and value in ORIENTATIONS else value


@attrs.frozen
class Axis:
    """Describe one axis of an image.

    Attributes:
        name: "t", "c", "z", "y", "x" or a name of your own.
        type: "space", "time", "channel" or a type of your own.
        unit: UDUNITS-2 name, such as "micrometer".
        orientation: direction in which the axis grows (RFC-4), a member of `AnatomicalOrientation`.
        extra: keys of the document that this class does not know, kept as they are.
    """

    name: str
    type: str | None = None
    unit: str | None = None
    orientation: str | None = attrs.field(default=None, repr=False, converter=direction)
    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False, hash=False)

    @classmethod
    def parse(cls, axis: str | Mapping[str, Any] | Axis) -> Axis:
        """Read a name, a dict of the specification or an `Axis`; fill in the type that the name stands for."""
        if isinstance(axis, Axis):
            return axis
        if isinstance(axis, str):
            axis = {"name": axis_name(axis)}
        if not isinstance(axis, Mapping) or not isinstance(axis.get("name"), str):
            raise AxesError(f"An axis is a name or a dict with a 'name' (got {axis!r}).")
        known = dict(axis)
        name = known.pop("name")
        orientation = known.pop("orientation", None)
        if isinstance(orientation, Mapping):
            if orientation.keys() <= {"type", "value"} and orientation.get("type", "anatomical") == "anatomical":
                orientation = orientation.get("value")
            else:  # of a kind that RFC-4 does not know
                known["orientation"], orientation = orientation, None
        return cls(
            name=name,
            type=known.pop("type", None) or KNOWN_AXES.get(name, "custom"),
            unit=full_unit(known.pop("unit", None)),
            orientation=orientation,
            extra=known,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the axis as the specification writes it."""
        value = getattr(self.orientation, "value", self.orientation)
        orientation = None if value is None else {"type": "anatomical", "value": value}
        return {**stated(name=self.name, type=self.type, unit=self.unit, orientation=orientation), **self.extra}


@attrs.frozen(init=False)
class Axes(Sequence[Axis]):
    """Hold the axes of one image, checked against the rules of the specification.

    Args:
        axes: "tczyx", a list of names (upper case and "depth" count as z), a list of dicts, or None where `ndim` leaves
            one sensible answer.
        axes_units: unit by axis name, or as `parse_units` takes them.
        fmt: the format whose rules hold (those of 0.4 and 0.5 are the same).
        ndim: number of dimensions of the array, where there is one.
        lines: whether x may be alone in space, which no version can store.

    Raises:
        AxesError: with every rule that is broken.
    """

    items: tuple[Axis, ...]

    def __init__(
        self,
        axes: str | Sequence[str | Mapping[str, Any] | Axis] | Axes | None = None,
        axes_units: UnitsLike | None = None,
        fmt: object = None,
        *,
        ndim: int | None = None,
        lines: bool = False,
    ) -> None:
        if not isinstance(axes, (Iterable, type(None))):
            raise AxesError(
                f"axes is a string such as 'zyx', or a list with one name per dimension (got {show(axes)})."
            )
        items = [Axis.parse(axis) for axis in (_guess(ndim) if axes is None else axes)]
        names = [axis.name for axis in items]
        if ndim is not None and len(items) != ndim:
            raise AxesError(
                f"axes {','.join(names)!r} name {counted(len(items), 'dimension')}, but the array has {ndim}. "
                "Name each dimension once."
            )
        units = parse_units(axes_units, items)
        items = [attrs.evolve(a, unit=units[a.name]) if a.name in units else a for a in items]
        object.__setattr__(self, "items", tuple(items))
        if not (lines and names in (["x"], ["t", "x"], ["c", "x"], ["t", "c", "x"])):
            self.validate()

    def validate(self) -> None:
        """Raise `AxesError` with every broken MUST; warn of what the specification only advises against."""
        findings = list(axes_findings(self.to_list(), version="0.5"))
        errors = [f"{finding.what} {finding.hint}".strip() for finding in findings if finding.severity == "error"]
        if errors:
            raise AxesError(" ".join(errors))
        for said in dict.fromkeys(f"{finding.what} {finding.hint}".strip() for finding in findings):
            warn(said)

    def to_list(self, fmt: object = None) -> list[dict[str, Any]]:
        """Return the axes as the specification's list of dicts."""
        return [axis.to_dict() for axis in self.items]

    @property
    def names(self) -> tuple[str, ...]:
        """Names, in the order of the dimensions."""
        return tuple(axis.name for axis in self.items)

    @property
    def spatial(self) -> tuple[str, ...]:
        """Names of the axes of type space."""
        return tuple(axis.name for axis in self.items if axis.type == "space")

    def vector(self, values: PerAxis | None, default: float, what: str) -> tuple[float, ...]:
        """Turn numbers, as `parse_numbers` takes them, into a tuple in axis order.

        Raises:
            AxesError: for an unknown axis, a wrong length, or a value that is not a finite number.
        """
        said = parse_numbers(values, self.items, what)
        given = [said.get(name, default) for name in self.names]
        try:
            vector = tuple(float(value) for value in given)
        except (TypeError, ValueError, OverflowError):
            raise AxesError(f"{what} needs numbers (got {given!r}).") from None
        if not all(abs(value) < float("inf") for value in vector):
            raise AxesError(f"{what} needs finite numbers (got {list(vector)!r}).")
        return vector

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]


def _guess(ndim: int | None) -> str:
    """Return the axes for the numbers of dimensions that leave one sensible answer."""
    guess = {2: "yx", 5: "tczyx"}.get(ndim or 0)
    if guess is None:
        choices = {3: "zyx, cyx or tyx", 4: "czyx, tzyx or tcyx"}.get(ndim or 0, "yx, zyx, ... tczyx")
        what = "an image" if ndim is None else f"a {ndim}D array"
        raise AxesError(f"The axes of {what} cannot be guessed; say axes={choices}.")
    return guess


def parse_numbers(given: PerAxis | None, axes: Sequence[Axis], what: str) -> dict[str, Any]:
    """Return the numbers that are given, by the names of the axes: one for all spatial ones, one each, or a mapping.

    Raises:
        AxesError: there is no such axis, or the number of numbers is another one.
    """
    names = [axis.name for axis in axes]
    if isinstance(given, Real) and not isinstance(given, bool):
        given = {axis.name: given for axis in axes if axis.type == "space"}
    elif given is not None and not isinstance(given, Mapping):
        if _length(given) != len(names):
            raise AxesError(
                f"{what} is one number for all of space, one for each of {','.join(names)}, or by name (got {given!r})."
            )
        given = dict(zip(names, given, strict=True))  # type: ignore[arg-type]  # a number has no length
    numbers = by_name(given or {}, names)
    _refuse_axes(numbers, names, what)
    return numbers


def parse_units(given: UnitsLike | None, axes: Sequence[Axis]) -> dict[str, Any]:
    """Return the units that are given, by the names of the axes, as UDUNITS-2 calls them.

    Args:
        given: one unit for all spatial axes, or for time; one per axis, or per spatial axis; or a mapping.
        axes: the axes.

    Raises:
        AxesError: there is no such axis, or the number of units is another one.
    """
    names = [axis.name for axis in axes]
    spatial = [axis.name for axis in axes if axis.type == "space"]
    if isinstance(given, str):
        timed = [axis.name for axis in axes if axis.type == "time"]
        unit, given = given, dict.fromkeys(timed if full_unit(given) in TIME_UNITS else spatial, given)
        if not given:
            raise AxesError(f"{unit!r} is not a unit of any axis of the image; its axes are {','.join(names)}.")
    elif given is not None and not isinstance(given, Mapping):
        each = next((found for found in (names, spatial) if len(found) == _length(given)), None)
        if each is None:
            raise AxesError(
                f"axes_units is a unit, one for each of the axes {','.join(names)}, or a dict (got {given!r})."
            )
        given = dict(zip(each, given, strict=True))
    units = by_name(given or {}, names)
    _refuse_axes(units, names, "axes_units")
    return {name: full_unit(unit) for name, unit in units.items()}


def _length(values: Any) -> int:
    try:
        return -1 if isinstance(values, (str, bytes)) else len(values)
    except TypeError:
        return -1


def _refuse_axes(given: Mapping[str, Any] | Sequence[str], names: Sequence[str], what: str) -> None:
    for name in given:
        if name not in names:
            raise AxesError(
                f"{what} names the axis {name!r}, but the axes are {','.join(names)}.{nearest_word(name, names)}"
            )


# What functions take for axes, a number and a unit per axis, and the transformations of each level.
AxesLike = str | Sequence[str] | Sequence[Mapping[str, Any]] | Axes
PerAxis = float | Mapping[str, float] | Sequence[float]
UnitsLike = str | Mapping[str, str] | Sequence[str]
Transformations = Sequence[Sequence[Mapping[str, Any]]]
