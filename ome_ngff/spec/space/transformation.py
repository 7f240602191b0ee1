"""What transformations of points have in common, how they follow one another, and how they are read.

Each is one small value: it checks its parameters, maps points, and inverts where it can. Points are arrays of shape
(..., N): component k belongs to axis k. Attributes have the names of the specification. A new type is a class in one of
the modules next to this one, and a line in `rules.parameters.PARAMETERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, TypeVar

import attrs
import numpy as np
from numpy.typing import NDArray

from ...exceptions import SpaceError
from ...text import show
from ..rules.book import part_of
from ..rules.parameters import DEEPEST, nesting, outputs
from ..rules.transformations import transformation_findings

Points = NDArray[np.float64]
#: every type of the specification, by its name
TRANSFORMATIONS: dict[str, type[Transformation]] = {}
_T = TypeVar("_T", bound="Transformation")


def floats(values: Any) -> Any:
    """Return numbers as floats in lists; anything else stays, for the rules to name it."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, (list, tuple)):
        return [floats(value) for value in values]
    return float(values) if isinstance(values, Real) and not isinstance(values, bool) else values


def items(values: Any) -> Any:
    return list(values) if isinstance(values, (list, tuple, range)) else values


def parsed(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [parsed(each) for each in value]
    return parse_transformation(value) if isinstance(value, Mapping) else value


def _document(value: Any) -> Any:
    if isinstance(value, list):
        return [_document(each) for each in value]
    return value.to_document() if hasattr(value, "to_document") else value


def own_type(of: Transformation, field: attrs.Attribute[str], value: str) -> None:
    """Raise `SpaceError` for another type than that of a class, which stands in its body for checkers that go by it."""
    if value != field.default:
        raise SpaceError(f"A {type(of).__name__} is of the type {field.default!r} (got {value!r}).")


def known(cls: type[_T]) -> type[_T]:
    """Register the decorated class."""
    TRANSFORMATIONS[attrs.fields(cls).type.default] = cls
    return cls


@attrs.frozen
class Transformation:
    """Map points of one coordinate system to points of another.

    Attributes:
        type: its name in the specification. extra: keys of the document that are not known here, kept as they are.
    """

    type: str = attrs.field(default="", kw_only=True)
    extra: dict[str, Any] = attrs.field(factory=dict, repr=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        self._check(None)

    def _check(self, n: int | None) -> None:
        """Raise `SpaceError` where the parameters are wrong, or not for `n` axes."""
        for finding in transformation_findings(self.to_document(), n, None, self.type):
            # Images of 0.4 may have scales that are not above zero.
            if finding.severity == "error" and finding.rule != "transformation-scale-positive":
                raise SpaceError(f"{finding.what} {finding.hint}")

    @classmethod
    def parameters(cls) -> list[str]:
        """Return the names of the parameters."""
        return [field.name for field in attrs.fields(cls) if field.name not in ("type", "extra", "loaded")]

    def to_document(self) -> dict[str, Any]:
        """Return the transformation as the specification writes it."""
        said = {key: _document(getattr(self, key)) for key in self.parameters()}
        return {"type": self.type, **{key: value for key, value in said.items() if value is not None}, **self.extra}

    def outputs(self, n: int) -> int:
        """Return the number of axes that come out where `n` go in.

        Raises:
            SpaceError: the transformation is not for that many axes, or it is stored elsewhere.
        """
        self._check(n)
        given = outputs(self.to_document(), n)
        if given is None:
            raise SpaceError(f"How many axes come out of a transformation of the type {self.type} is not known.")
        return given

    def __call__(self, points: Any) -> Points:
        """Return where points, of shape (..., N), come to lie.

        Raises:
            SpaceError: the points do not have N components, or the transformation cannot be applied.
        """
        try:
            array = np.asarray(points, dtype=np.float64)
        except (TypeError, ValueError):
            array = np.zeros(())
        if array.ndim == 0:
            raise SpaceError(f"Points are an array of numbers of shape (..., number of axes) (got {show(points)}).")
        self._check(array.shape[-1])
        return self._map(array)

    def then(self, *following: Transformation) -> Transformation:
        """Return the transformation that does this one first, then the others."""
        return compose(self, *following)

    def inverted(self) -> Transformation:
        """Return the inverse.

        Raises:
            SpaceError: there is none, or none of a closed form.
        """
        raise SpaceError(f"A transformation of the type {self.type} has no inverse of a closed form.")

    def joined(self, after: Transformation) -> Transformation | None:
        """Return one transformation that does this one, then another; None where there is none of the same type."""
        return None

    def matrix(self, n: int) -> Points | None:
        """Return the affine transformation of `n` axes that this is, M rows of N + 1, the shift last; None if none."""
        return None

    def _map(self, points: Points) -> Points:
        matrix = self.matrix(points.shape[-1])
        if matrix is None:
            raise SpaceError(f"A transformation of the type {self.type} cannot be applied.")
        mapped: Points = points @ matrix[:, :-1].T + matrix[:, -1]
        return mapped


def shifted(rows: Any, shift: Any = 0.0) -> Points:
    rows = np.asarray(rows, float)
    return np.column_stack([rows, np.broadcast_to(np.asarray(shift, float), len(rows))])


@attrs.frozen
class Unknown(Transformation):
    """Keep a transformation that is not understood; it is never applied.

    Attributes:
        document: as it was read. why: what is not understood.
    """

    document: Mapping[str, Any] = attrs.field(hash=False)
    why: str = ""

    def _check(self, n: int | None) -> None:
        if n is not None:
            raise SpaceError(self.why)

    def to_document(self) -> dict[str, Any]:
        return dict(self.document)


@known
@attrs.frozen
class Identity(Transformation):
    """Leave points where they are."""

    type: str = attrs.field(default="identity", kw_only=True, validator=own_type)

    def inverted(self) -> Transformation:
        return self

    def matrix(self, n: int) -> Points:
        return shifted(np.eye(n))

    def _map(self, points: Points) -> Points:
        return points.copy()


@known
@attrs.frozen
class Sequence(Transformation):
    """Apply transformations one after the other."""

    transformations: list[Transformation] = attrs.field(converter=parsed)
    type: str = attrs.field(default="sequence", kw_only=True, validator=own_type)

    def inverted(self) -> Transformation:
        return compose(*(each.inverted() for each in reversed(self.transformations)))

    def outputs(self, n: int) -> int:
        for each in self.transformations:
            n = each.outputs(n)
        return n

    def matrix(self, n: int) -> Points | None:
        whole = shifted(np.eye(n))
        for each in self.transformations:
            matrix = each.matrix(len(whole))
            if matrix is None:
                return None
            whole = shifted(matrix[:, :-1] @ whole[:, :-1], matrix[:, :-1] @ whole[:, -1] + matrix[:, -1])
        return whole

    def _map(self, points: Points) -> Points:
        for each in self.transformations:
            points = each(points)
        return points


def parse_transformation(document: Any) -> Transformation:
    """Parse a transformation of a document; the keys input and output, which edges have, are not its own.

    Raises:
        SpaceError: its type is not known, or its parameters are wrong.
    """
    kind = part_of(document, "type")
    if nesting(document) > DEEPEST:
        raise SpaceError(f"Transformations are nested at most {DEEPEST} deep.")
    if not isinstance(kind, str) or kind not in TRANSFORMATIONS:
        raise SpaceError(f"The transformation {show(kind)} is not understood; known are {', '.join(TRANSFORMATIONS)}.")
    for finding in transformation_findings(document, None, None, kind):
        if finding.rule == "parameters":
            raise SpaceError(f"{finding.what} {finding.hint}")
    known = TRANSFORMATIONS[kind].parameters()
    extra = {key: value for key, value in document.items() if key not in ("type", *known)}
    return TRANSFORMATIONS[kind](**{key: document[key] for key in known if key in document}, extra=extra)


def compose(*steps: Transformation) -> Transformation:
    """Return the transformation that does some one after the other, as simple as it can be told.

    Raises:
        SpaceError: one gives another number of axes than the next is for.
    """
    if steps:
        Sequence(list(steps))
    found: list[Transformation] = []
    for step in steps:
        for each in step.transformations if isinstance(step, Sequence) else [step]:
            joined = found[-1].joined(each) if found else None
            if joined is not None:
                found[-1] = joined
            elif not isinstance(each, Identity):
                found.append(each)
    return (Sequence(found) if len(found) > 1 else found[0]) if found else Identity()
