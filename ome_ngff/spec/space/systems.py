"""Coordinate systems, the edges between them, and the shortest way from one to another."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from ...exceptions import SpaceError
from ...text import listed, nearest_word, show
from ..axes import Axis
from ..rules.book import is_list, part_of, stated
from ..rules.transformations import transformation_findings
from .transformation import Identity, Points, Transformation, Unknown, compose, parse_transformation


@attrs.frozen
class CoordinateSystem:
    """Name a space and its axes.

    Attributes:
        name: unique among those of an image or a scene. axes: axis k is component k of a point.
        extra: keys of the document that are not known here, kept as they are.
    """

    name: str
    axes: Sequence[Axis]
    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False, hash=False)

    @classmethod
    def parse(cls, document: Any) -> CoordinateSystem:
        """Read a coordinate system of a document.

        Raises:
            SpaceError: it has no name, or no axes. AxesError: an axis has no name.
        """
        name, axes = part_of(document, "name"), part_of(document, "axes")
        if not isinstance(name, str) or not is_list(axes):
            raise SpaceError(f"A coordinate system is a dict with a name and axes (got {show(document)}).")
        extra = {key: value for key, value in document.items() if key not in ("name", "axes")}
        return cls(name, [Axis.parse(axis) for axis in axes], extra)

    def to_document(self) -> dict[str, Any]:
        """Return it as the specification writes it."""
        return {"name": self.name, "axes": [axis.to_dict() for axis in self.axes], **self.extra}


@attrs.frozen
class Ref:
    """Refer to a coordinate system: by its name, and by the path of the image that has it where that is another one.

    A path without a name is an array, whose pixels are counted.
    """

    name: str | None = None
    path: str | None = None

    @classmethod
    def parse(cls, given: Any) -> Ref:
        """Read what `input` or `output` of a document say, a name, or a pair of path and name."""
        if isinstance(given, Ref):
            return given
        if isinstance(given, str):
            return cls(given)
        if isinstance(given, tuple) and len(given) == 2 and all(isinstance(part, str) for part in given):
            return cls(given[1], given[0] or None)
        parts = [part_of(given, key) for key in ("name", "path")]
        if not isinstance(given, Mapping) or not all(isinstance(part, (str, type(None))) for part in parts):
            raise SpaceError(f"A coordinate system is referred to by its name, and a path (got {show(given)}).")
        return cls(*parts)

    def to_document(self) -> dict[str, Any]:
        """Return it as the specification writes it."""
        return stated(name=self.name, path=self.path)

    def below(self, path: str) -> Ref:
        """Return the reference as a group has it in which the image lies at a path."""
        return attrs.evolve(self, path="/".join(filter(None, [path, self.path])) or None)

    def __str__(self) -> str:
        return ":".join(filter(None, [self.path, self.name]))


def _ref(given: Any) -> Ref:
    return Ref.parse(given)


@attrs.frozen
class Edge:
    """Lead from one coordinate system to another."""

    input: Ref = attrs.field(converter=_ref)
    output: Ref = attrs.field(converter=_ref)
    transformation: Transformation = attrs.field(factory=Identity)
    name: str | None = None

    @classmethod
    def parse(cls, document: Any) -> Edge:
        """Read an edge of a document; one that is not understood is kept as `Unknown`.

        Raises:
            SpaceError: it is not even a dict.
        """
        if not isinstance(document, Mapping):
            raise SpaceError(f"A transformation is a dict (got {show(document)}).")
        name, start, end = document.get("name"), Ref(), Ref()
        own = {key: value for key, value in document.items() if key not in ("name", "input", "output")}
        try:
            start, end = Ref.parse(document.get("input")), Ref.parse(document.get("output"))
            transformation = parse_transformation(own)
        except SpaceError as error:
            transformation = Unknown(dict(document), str(error))
        return cls(start, end, transformation, name if isinstance(name, str) else None)

    def to_document(self) -> dict[str, Any]:
        """Return it as the specification writes it."""
        own = self.transformation.to_document()
        if isinstance(self.transformation, Unknown):
            return own
        return {**own, **stated(name=self.name), "input": self.input.to_document(), "output": self.output.to_document()}

    def __str__(self) -> str:
        return f"{self.transformation.to_document().get('type')} from {self.input} to {self.output}"


@attrs.frozen
class Graph:
    """Connect coordinate systems by transformations."""

    systems: Mapping[Ref, CoordinateSystem | None]
    edges: tuple[Edge, ...]

    @classmethod
    def of(cls, systems: Mapping[Ref, CoordinateSystem | None], edges: Sequence[Edge]) -> Graph:
        """Connect systems, and what else the edges lead to: arrays, label images, images that are not known."""
        ends = [ref for edge in edges for ref in (edge.input, edge.output) if ref != Ref()]
        return cls({**dict.fromkeys(ends), **systems}, tuple(edges))

    def joined(self, path: str, systems: Iterable[CoordinateSystem], edges: Iterable[Edge] = ()) -> Graph:
        """Return the graph with the systems and edges of a group at a path."""
        named = {Ref(system.name).below(path): system for system in systems}
        below = [attrs.evolve(e, input=e.input.below(path), output=e.output.below(path)) for e in edges]
        return Graph.of({**self.systems, **named}, (*self.edges, *below))

    def find(self, place: Any) -> Ref:
        """Return the system that is meant: by a `Ref`, a name that occurs once, a pair of path and name, or an array.

        Raises:
            SpaceError: there is none, or more than one.
        """
        asked = Ref.parse(place)
        if asked in self.systems:
            return asked
        if asked.path is None:
            found = [ref for ref in self.systems if ref.name == asked.name or str(ref) == asked.name]
            if len(found) == 1:
                return found[0]
            if found:
                raise SpaceError(f"{asked} may be {' or '.join(map(str, found))}; give a pair of path and name.")
        names = [str(ref) for ref in self.systems]
        raise SpaceError(
            f"There is no coordinate system {show(str(asked))}.{nearest_word(str(asked), names)} "
            f"There is {listed(names, 8, ', ') or 'none'}."
        )

    def path(self, source: Any, target: Any) -> list[tuple[Edge, Transformation]]:
        """Return the edges of the shortest way, each with the transformation that is done: its own, or the inverse.

        Raises:
            SpaceError: there is no such system, or no way.
        """
        start, end = self.find(source), self.find(target)
        came: dict[Ref, tuple[Ref, Edge, Transformation] | None] = {start: None}
        waiting, closed = deque([start]), list[str]()
        while waiting and end not in came:
            here = waiting.popleft()
            for there, edge, step in self._ways(here, closed):
                if there not in came:
                    came[there] = (here, edge, step)
                    waiting.append(there)
        if end not in came:
            why = f" ({'; '.join(dict.fromkeys(closed))})" if closed else ""
            raise SpaceError(f"No transformations lead from {start} to {end}{why}.")
        steps: list[tuple[Edge, Transformation]] = []
        while (before := came[end]) is not None:
            end, edge, step = before
            steps.append((edge, step))
        return steps[::-1]

    def _ways(self, here: Ref, closed: list[str]) -> Iterable[tuple[Ref, Edge, Transformation]]:
        """Yield what can be reached from a system in one step; add to `closed` why others cannot."""
        for edge in self.edges:
            if here not in (edge.input, edge.output):
                continue
            if isinstance(edge.transformation, Unknown):
                closed.append(edge.transformation.why)
            elif edge.input == here:
                yield edge.output, edge, edge.transformation
            else:
                try:
                    yield edge.input, edge, edge.transformation.inverted()
                except SpaceError as error:
                    closed.append(str(error))

    def between(self, source: Any, target: Any) -> Transformation:
        """Return the transformation of the shortest way; arguments and errors as for `path`."""
        return compose(*(step for _, step in self.path(source, target)))

    def transform(self, points: Any, source: Any, target: Any) -> Points:
        """Return points of one system as points of another.

        Args:
            points: of shape (..., number of axes). source, target: as `find` takes them.

        Raises:
            SpaceError: there is no such system, no way, or the points do not fit.
        """
        return self.between(source, target)(points)

    @property
    def misfits(self) -> list[tuple[Edge, str]]:
        """The edges whose transformation does not fit the axes of their systems, and why."""
        found = []
        for edge in self.edges:
            start, end = self.systems.get(edge.input), self.systems.get(edge.output)
            if start is None or end is None or isinstance(edge.transformation, Unknown):
                continue
            document, n, m = edge.transformation.to_document(), len(start.axes), len(end.axes)
            faults = [f.what for f in transformation_findings(document, n, m, str(edge)) if f.severity == "error"]
            found += [(edge, fault) for fault in faults[:1]]
        return found

    @property
    def pieces(self) -> list[set[Ref]]:
        """The systems that are connected with each other, whichever way transformations lead."""
        found = list[set[Ref]]()
        neighbours: dict[Ref, set[Ref]] = {}
        for edge in self.edges:
            neighbours.setdefault(edge.input, set()).add(edge.output)
            neighbours.setdefault(edge.output, set()).add(edge.input)
        for system in self.systems:
            if any(system in piece for piece in found):
                continue
            piece, waiting = set[Ref](), [system]
            while waiting:
                ref = waiting.pop()
                if ref not in piece:
                    piece.add(ref)
                    waiting.extend(neighbours.get(ref, ()))
            found.append(piece)
        return found
