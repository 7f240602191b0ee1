"""Arrays that become longer along one axis: their documents, and what is stored behind their end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import attrs

from ..exceptions import MissingError
from .documents import parse
from .inline import wait_for
from .nodes import read_bytes
from .places import place
from .target import Target

_CHUNK = re.compile(r"(?:c[/.])?(\d+(?:[/.]\d+)*)")


@attrs.frozen(eq=False)
class LengthDocument:
    """Hold the document of an array, whose length along an axis changes, and nothing else.

    Attributes:
        path, name: of the array and of the document, below the group. axis: number of the axis.
        found: the document as it is. indent: of its lines.
    """

    path: str
    name: str
    axis: int
    found: dict[str, Any]
    indent: int | None

    @classmethod
    def of(cls, target: Target, path: str, axis: int) -> LengthDocument:
        """Read the document of an array below a group."""
        name = f"{path}/{'zarr.json' if target.fmt.zarr_format == 3 else '.zarray'}"
        content = read_bytes(target, name)
        if content is None:
            raise MissingError(f"There is no array at {place(target.store, target.key(path))}.")
        return cls(path, name, axis, parse(content, name), 2 if b"\n" in content else None)

    def content(self, length: int) -> bytes:
        """Return the document with another length."""
        shape = list(self.found["shape"])
        shape[self.axis] = length
        return json.dumps({**self.found, "shape": shape}, indent=self.indent).encode()


def stored_behind(target: Target, path: str, axis: int, first: int) -> Iterator[str]:
    """Yield the keys, below a group, of the chunks of an array whose number along an axis is `first` or above."""
    below = f"{path}/"

    async def listed() -> list[str]:
        return [key async for key in target.store.list_prefix(target.key(below))]

    for key in wait_for(target.store, listed()):
        name = key[len(target.key(below)) :]
        found = _CHUNK.fullmatch(name)
        cell = list(map(int, re.split("[/.]", found[1]))) if found else []
        if axis < len(cell) and cell[axis] >= first:
            yield f"{below}{name}"
