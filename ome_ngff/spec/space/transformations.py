"""Transformations of points, one small value each: it checks its parameters, maps points, and inverts where it can.

Points are arrays of shape (..., N): component k belongs to axis k. Attributes have the names of the specification. A
new type is a class here and a line in `rules.transformations.PARAMETERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ...exceptions import SpaceError
from ...text import show
from ..rules.book import part_of
from ..rules.transformations import DEEPEST, nesting, outputs, transformation_findings

Points = NDArray[np.float64]


def _floats(values: Any) -> Any:
    """Return numbers as floats in lists; anything else stays, for the rules to name it."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, (list, tuple)):
        return [_floats(value) for value in values]
    return float(values) if isinstance(values, Real) and not isinstance(values, bool) else values


def _items(values: Any) -> Any:
    return list(values) if isinstance(values, (list, tuple, range)) else values


def _parsed(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_parsed(each) for each in value]
    return parse_transformation(value) if isinstance(value, Mapping) else value


def _document(value: Any) -> Any:
    """Return a parameter as JSON has it."""
    if isinstance(value, list):
        return [_document(each) for each in value]
    return value.to_document() if isinstance(value, (Transformation, OnAxes)) else value


def _typed(name: str) -> Any:
    return attrs.field(default=name, kw_only=True, validator=attrs.validators.in_([name]))


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
            SpaceError: the points have not N components, or the transformation cannot be applied.
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

    def matrix(self, n: int) -> Points | None:
        """Return the affine transformation of `n` axes that this is, M rows of N + 1, the shift last; None if none."""
        return None

    def _map(self, points: Points) -> Points:
        matrix = self.matrix(points.shape[-1])
        if matrix is None:
            raise SpaceError(f"A transformation of the type {self.type} cannot be applied.")
        mapped: Points = points @ matrix[:, :-1].T + matrix[:, -1]
        return mapped


def _shifted(rows: Any, shift: Any = 0.0) -> Points:
    rows = np.asarray(rows, float)
    return np.column_stack([rows, np.broadcast_to(np.asarray(shift, float), len(rows))])


@attrs.frozen
class Identity(Transformation):
    """Leave points where they are."""

    type: str = _typed("identity")

    def inverted(self) -> Transformation:
        return self

    def matrix(self, n: int) -> Points:
        return _shifted(np.eye(n))

    def _map(self, points: Points) -> Points:
        return points.copy()


@attrs.frozen
class MapAxis(Transformation):
    """Change the order of axes: output i is input `mapAxis[i]`."""

    mapAxis: list[int] = attrs.field(converter=_items)
    type: str = _typed("mapAxis")

    def inverted(self) -> Transformation:
        return MapAxis(np.argsort(self.mapAxis).tolist())

    def matrix(self, n: int) -> Points:
        return _shifted(np.eye(n)[self.mapAxis])

    def _map(self, points: Points) -> Points:
        return points[..., self.mapAxis]


@attrs.frozen
class ProjectAxis(Transformation):
    """Drop axes, counted in the input; then put in axes of zeros, counted in the output."""

    droppedInputs: list[int] | None = attrs.field(default=None, converter=_items)
    createdOutputs: list[int] | None = attrs.field(default=None, converter=_items)
    type: str = _typed("projectAxis")

    def inverted(self) -> Transformation:
        if self.droppedInputs:
            raise SpaceError(f"What projectAxis drops cannot be brought back (axes {self.droppedInputs}).")
        return ProjectAxis(droppedInputs=self.createdOutputs)

    def matrix(self, n: int) -> Points:
        return _shifted(self._map(np.eye(n)).T)

    def _map(self, points: Points) -> Points:
        kept = np.delete(points, self.droppedInputs or [], axis=-1)
        for index in sorted(self.createdOutputs or []):
            kept = np.insert(kept, index, 0.0, axis=-1)
        return kept


@attrs.frozen
class Translation(Transformation):
    """Move points; of a level: to where the centre of its first pixel lies, per axis, in its unit."""

    translation: list[float] = attrs.field(converter=_floats)
    type: str = _typed("translation")

    def inverted(self) -> Transformation:
        return Translation([-t for t in self.translation])

    def matrix(self, n: int) -> Points:
        return _shifted(np.eye(n), self.translation)

    def _map(self, points: Points) -> Points:
        return np.add(points, self.translation)


@attrs.frozen
class Scale(Transformation):
    """Multiply coordinates; those of pixels by the size of a pixel, per axis, in its unit."""

    scale: list[float] = attrs.field(converter=_floats)
    type: str = _typed("scale")

    def inverted(self) -> Transformation:
        if not all(self.scale):
            raise SpaceError(f"A scale of zero has no inverse (got {show(self.scale)}).")
        return Scale([1 / s for s in self.scale])

    def matrix(self, n: int) -> Points:
        return _shifted(np.diag(self.scale))

    def _map(self, points: Points) -> Points:
        return np.multiply(points, self.scale)


@attrs.frozen
class _Matrix(Transformation):
    """Share what is the same for matrices in the document and at a path; `loaded` reads the rows there."""

    path: str | None = attrs.field(default=None, kw_only=True)
    loaded: Any = attrs.field(default=None, kw_only=True, repr=False, eq=False)

    @property
    def rows(self) -> Points:
        """The rows of the matrix.

        Raises:
            SpaceError: they are stored elsewhere, and have not been read.
        """
        rows = getattr(self, self.type)
        if rows is None and self.loaded is None:
            raise SpaceError(f"The {self.type} is stored at {show(self.path)}; take it from the image that is opened.")
        return np.array(self.loaded() if rows is None else rows, float)

    def outputs(self, n: int) -> int:
        return len(self.rows) if self.path is not None else super().outputs(n)

    def _map(self, points: Points) -> Points:
        matrix = self.matrix(points.shape[-1])
        if matrix.shape[1] != points.shape[-1] + 1:
            raise SpaceError(f"The {self.type} is for {matrix.shape[1] - 1} axes (got {points.shape[-1]}).")
        return points @ matrix[:, :-1].T + matrix[:, -1]

    def matrix(self, n: int) -> Points:
        return self.rows


@attrs.frozen
class Affine(_Matrix):
    """Apply a matrix of M rows of N + 1 numbers, the shift last."""

    affine: list[list[float]] | None = attrs.field(default=None, converter=_floats)
    type: str = _typed("affine")

    def inverted(self) -> Transformation:
        rows = self.rows
        if len(rows) + 1 != rows.shape[1] or np.linalg.matrix_rank(rows[:, :-1]) < len(rows):
            raise SpaceError("The affine has no inverse: its matrix is not square, or singular.")
        inverse = np.linalg.inv(rows[:, :-1])
        return Affine(np.column_stack([inverse, -inverse @ rows[:, -1]]))


@attrs.frozen
class Rotation(_Matrix):
    """Apply an orthonormal matrix of determinant 1."""

    rotation: list[list[float]] | None = attrs.field(default=None, converter=_floats)
    type: str = _typed("rotation")

    def inverted(self) -> Transformation:
        return Rotation(self.rows.T)

    def matrix(self, n: int) -> Points:
        return _shifted(self.rows)


@attrs.frozen
class Sequence(Transformation):
    """Apply transformations one after the other."""

    transformations: list[Transformation] = attrs.field(converter=_parsed)
    type: str = _typed("sequence")

    def inverted(self) -> Transformation:
        return compose(*(each.inverted() for each in reversed(self.transformations)))

    def outputs(self, n: int) -> int:
        for each in self.transformations:
            n = each.outputs(n)
        return n

    def matrix(self, n: int) -> Points | None:
        whole = _shifted(np.eye(n))
        for each in self.transformations:
            matrix = each.matrix(len(whole))
            if matrix is None:
                return None
            whole = _shifted(matrix[:, :-1] @ whole[:, :-1], matrix[:, :-1] @ whole[:, -1] + matrix[:, -1])
        return whole

    def _map(self, points: Points) -> Points:
        for each in self.transformations:
            points = each(points)
        return points


@attrs.frozen
class OnAxes:
    """Apply a transformation to some axes, by their indices in the input and in the output."""

    transformation: Transformation = attrs.field(converter=_parsed)
    inputAxes: list[int] = attrs.field(converter=_items)
    outputAxes: list[int] = attrs.field(converter=_items)
    extra: dict[str, Any] = attrs.field(factory=dict, repr=False, kw_only=True)

    @classmethod
    def parse(cls, item: Any) -> Any:
        known = ("transformation", "inputAxes", "outputAxes")
        if not isinstance(item, Mapping) or not all(key in item for key in known):
            return item
        extra = {key: value for key, value in item.items() if key not in known}
        return cls(*(item[key] for key in known), extra=extra)

    def to_document(self) -> dict[str, Any]:
        """Return it as the specification writes it."""
        axes = {"inputAxes": self.inputAxes, "outputAxes": self.outputAxes}
        return {"transformation": _document(self.transformation), **axes, **self.extra}


def _on_axes(items: Any) -> Any:
    return [OnAxes.parse(item) for item in items] if isinstance(items, (list, tuple)) else items


@attrs.frozen
class ByDimension(Transformation):
    """Apply transformations to some of the axes each."""

    transformations: list[OnAxes] = attrs.field(converter=_on_axes)
    type: str = _typed("byDimension")

    def inverted(self) -> Transformation:
        read = sorted(index for item in self.transformations for index in item.inputAxes)
        if read != list(range(len(read))):
            raise SpaceError(f"byDimension has no inverse: not each input axis is used once (got {show(read)}).")
        turned = [OnAxes(i.transformation.inverted(), i.outputAxes, i.inputAxes) for i in self.transformations]
        return ByDimension(turned)

    def matrix(self, n: int) -> Points | None:
        whole = np.zeros((sum(len(item.outputAxes) for item in self.transformations), n + 1))
        for item in self.transformations:
            matrix = item.transformation.matrix(len(item.inputAxes))
            if matrix is None:
                return None
            whole[np.ix_(item.outputAxes, [*item.inputAxes, n])] = matrix
        return whole

    def _map(self, points: Points) -> Points:
        count = sum(len(item.outputAxes) for item in self.transformations)
        mapped = np.empty((*points.shape[:-1], count))
        for item in self.transformations:
            mapped[..., item.outputAxes] = item.transformation(points[..., item.inputAxes])
        return mapped


@attrs.frozen
class Bijection(Transformation):
    """Apply `forward`; its inverse, which has no closed form, is stated beside it."""

    forward: Transformation = attrs.field(converter=_parsed)
    inverse: Transformation = attrs.field(converter=_parsed)
    type: str = _typed("bijection")

    def inverted(self) -> Transformation:
        return Bijection(self.inverse, self.forward)

    def matrix(self, n: int) -> Points | None:
        return self.forward.matrix(n)

    def _map(self, points: Points) -> Points:
        return self.forward(points)


@attrs.frozen
class _Field(Transformation):
    """Share what is the same for vector fields; `loaded` gives the vectors at points, once it is there."""

    path: str
    interpolation: str | None = None
    loaded: Callable[[Points], Points] | None = attrs.field(default=None, kw_only=True, repr=False, eq=False)

    def _vectors(self, points: Points) -> Points:
        if self.loaded is None:
            raise SpaceError(f"The vectors are stored at {show(self.path)}; take them from the image that is opened.")
        return self.loaded(points)


@attrs.frozen
class Displacements(_Field):
    """Add the vectors that a field at `path` has at the points."""

    type: str = _typed("displacements")

    def _map(self, points: Points) -> Points:
        return points + self._vectors(points)


@attrs.frozen
class Coordinates(_Field):
    """Look up where points come to lie, in a field at `path`."""

    type: str = _typed("coordinates")

    def _map(self, points: Points) -> Points:
        return self._vectors(points)


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


#: every type of the specification
TRANSFORMATIONS: dict[str, type[Transformation]] = {
    attrs.fields(each).type.default: each
    for each in (Identity, MapAxis, ProjectAxis, Translation, Scale, Affine, Rotation, Sequence, ByDimension, Bijection,
                 Displacements, Coordinates)
}  # fmt: skip


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
            if not isinstance(each, Identity):
                found[-1:] = _merged(found[-1:], each)
    return (Sequence(found) if len(found) > 1 else found[0]) if found else Identity()


def _merged(before: list[Transformation], after: Transformation) -> list[Transformation]:
    """Return what comes last in a sequence, and a step that follows it, as one step where they are of one type."""
    last = before[0] if before else None
    if isinstance(last, Scale) and isinstance(after, Scale):
        return [Scale([a * b for a, b in zip(last.scale, after.scale, strict=True)])]
    if isinstance(last, Translation) and isinstance(after, Translation):
        return [Translation([a + b for a, b in zip(last.translation, after.translation, strict=True)])]
    if isinstance(last, MapAxis) and isinstance(after, MapAxis):
        return [MapAxis([last.mapAxis[index] for index in after.mapAxis])]
    return [*before, after]


def bound(t: Transformation, change: Callable[[Any], Transformation]) -> Transformation:
    """Return a transformation in which those with parameters at a path, it or what is inside of it, are changed."""
    if isinstance(t, Sequence):
        return attrs.evolve(t, transformations=[bound(each, change) for each in t.transformations])
    if isinstance(t, ByDimension):
        items = [attrs.evolve(item, transformation=bound(item.transformation, change)) for item in t.transformations]
        return attrs.evolve(t, transformations=items)
    if isinstance(t, Bijection):
        return attrs.evolve(t, forward=bound(t.forward, change), inverse=bound(t.inverse, change))
    return change(t) if isinstance(t, (_Matrix, _Field)) and t.path is not None else t
