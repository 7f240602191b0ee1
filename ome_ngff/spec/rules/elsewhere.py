"""Parameters of transformations that are not in the document: arrays and fields, at paths from its group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from .book import is_objects, part_of, path_fault
from .parameters import DEEPEST, FIELDS, MATRICES, children, kind_of_transformation

Document = Mapping[str, Any]


@attrs.frozen
class AtPath:
    """Describe a transformation whose parameters are stored at a path.

    Attributes:
        where: its place. document: the transformation. axes: those of its input; outputs: how many come out; both None
            where that is not known.
    """

    where: str
    document: Document
    axes: Sequence[Document] | None
    outputs: int | None

    @property
    def type(self) -> str:
        return str(self.document["type"])

    @property
    def path(self) -> str:
        """Path of the array or the group, from the group of the document."""
        return str(self.document["path"]).strip("/")

    @property
    def is_matrix(self) -> bool:
        return self.type in MATRICES


def at_paths(
    t: Document, axes: Sequence[Document] | None, outputs: int | None, where: str, depth: int = 0
) -> Iterator[AtPath]:
    """Yield the transformations with parameters at paths: a transformation itself, and those inside of it.

    Args:
        t: any JSON value. axes: of its input. outputs: number of axes of its output. where: its place.
    """
    kind = kind_of_transformation(t)
    if kind in (*MATRICES, *FIELDS):
        if not path_fault(str(t.get("path", "/")).removeprefix("/")):
            yield AtPath(where, t, axes, outputs)
        return
    inner = list(children(t, None if axes is None else len(axes))) if kind and depth < DEEPEST else []
    for number, (child, _, given, place) in enumerate(inner):
        taken = axes
        if kind == "byDimension":
            indices = t["transformations"][number]["inputAxes"]
            taken = [axes[i] for i in indices] if axes is not None and max(indices) < len(axes) else None
        elif kind == "sequence":
            taken, given = axes if number == 0 else None, outputs if number == len(inner) - 1 else None
        elif place == "inverse":
            taken = None
        yield from at_paths(child, taken, given, f"{where}.{place}", depth + 1)


def axes_of(system: Any) -> Sequence[Document] | None:
    """Return the axes of a coordinate system; None where they are not a list of objects."""
    axes = part_of(system, "axes")
    return axes if is_objects(axes) else None
