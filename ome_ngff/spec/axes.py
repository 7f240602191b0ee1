"""Axes: their names, types, units and orientation, and the rules that the specification has for them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any

import attrs

from ..exceptions import AxesError, Finding
from ..text import mapping_of, nearest_word, show
from .rules.axes import AXES
from .rules.book import stated
from .vocabulary import KNOWN_AXES, full_unit


@attrs.frozen
class Axis:
    """Describe one axis of an image.

    Attributes:
        name: "t", "c", "z", "y", "x" or a name of your own.
        type: "space", "time", "channel" or a type of your own.
        unit: UDUNITS-2 name, such as "micrometer".
        orientation: direction in which the axis grows (RFC-4), one of `AnatomicalOrientation`'s values.
        extra: keys of the document that this class does not know, kept as they are.
    """

    name: str
    type: str | None = None
    unit: str | None = None
    orientation: str | None = attrs.field(default=None, repr=False)
    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False, hash=False)

    @classmethod
    def parse(cls, axis: str | Mapping[str, Any] | Axis) -> Axis:
        """Read a name, a dict of the specification or an `Axis`; fill in the type that the name stands for."""
        if isinstance(axis, Axis):
            return axis
        if isinstance(axis, str):
            axis = {"name": axis}
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
        orientation = None if self.orientation is None else {"type": "anatomical", "value": self.orientation}
        return {**stated(name=self.name, type=self.type, unit=self.unit, orientation=orientation), **self.extra}


@attrs.frozen(init=False)
class Axes(Sequence[Axis]):
    """Hold the axes of one image, checked against the rules of the specification.

    Args:
        axes: "tczyx", a list of names, a list of dicts, or None where `ndim` leaves one sensible answer.
        axes_units: unit by axis name.
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
        axes_units: Mapping[str, str] | None = None,
        fmt: object = None,
        *,
        ndim: int | None = None,
        lines: bool = False,
    ) -> None:
        if not isinstance(axes, Iterable) and axes is not None:
            raise AxesError(f"axes are names, such as 'tczyx', or a list (got {show(axes)}).")
        items = [Axis.parse(axis) for axis in (_guess(ndim) if axes is None else axes)]
        names = [axis.name for axis in items]
        if ndim is not None and len(items) != ndim:
            raise AxesError(
                f"axes {','.join(names)!r} name {len(items)} dimensions, but the array has {ndim}. "
                "Name each dimension once."
            )
        units = mapping_of(axes_units, "axes_units")
        _refuse_axes(units, names, "axes_units")
        items = [attrs.evolve(a, unit=full_unit(units[a.name])) if a.name in units else a for a in items]
        object.__setattr__(self, "items", tuple(items))
        if not (lines and names in (["x"], ["t", "x"], ["c", "x"], ["t", "c", "x"])):
            self.validate()

    def validate(self) -> None:
        """Raise `AxesError` with every broken MUST; warn of what the specification only advises against."""
        findings = list(axes_findings(self.to_list()))
        errors = [f"{finding.what} {finding.hint}".strip() for finding in findings if finding.severity == "error"]
        if errors:
            raise AxesError(" ".join(errors))
        for finding in findings:
            warnings.warn(f"{finding.what} {finding.hint}".strip(), UserWarning, stacklevel=4)

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

    def vector(self, values: Mapping[str, Any] | Sequence[Any] | None, default: float, what: str) -> tuple[float, ...]:
        """Turn a mapping by axis name, or one number per axis, into a tuple in axis order.

        Raises:
            AxesError: for an unknown axis, a wrong length, or a value that is not a finite number.
        """
        if values is None:
            return (default,) * len(self)
        if isinstance(values, Mapping):
            _refuse_axes(values, self.names, what)
            values = [values.get(name, default) for name in self.names]
        if isinstance(values, (str, bytes)) or not isinstance(values, Sized) or len(values) != len(self):
            raise AxesError(
                f"{what} needs a dict, or one number for each of the axes {','.join(self.names)} (got {values!r})."
            )
        try:
            vector = tuple(float(value) for value in values)
        except (TypeError, ValueError, OverflowError):
            raise AxesError(f"{what} needs numbers (got {list(values)!r}).") from None
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


def _refuse_axes(given: Mapping[str, Any] | Sequence[str], names: Sequence[str], what: str) -> None:
    for name in given:
        if name not in names:
            raise AxesError(
                f"{what} names the axis {name!r}, but the axes are {','.join(names)}.{nearest_word(name, names)}"
            )


def completed(given: Any, known: Mapping[str, Any] | None) -> Any:
    """Complete values by axis name with those that are known; any other form stays, to be checked where it is used."""
    if given is None:
        return known
    return {**(known or {}), **given} if isinstance(given, Mapping) else given


def axes_findings(axes: Any, where: str = "axes") -> Iterator[Finding]:
    """Yield every rule for axes that the document `axes` breaks (any JSON value)."""
    return AXES(axes, where)


# What functions take for axes, for a number per axis, and for the transformations of each level.
AxesLike = str | Sequence[str] | Sequence[Mapping[str, Any]] | Axes
PerAxis = Mapping[str, float] | Sequence[float]
Transformations = Sequence[Sequence[Mapping[str, Any]]]
