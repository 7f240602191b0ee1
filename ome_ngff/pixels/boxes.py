"""Boxes of pixels, and how they are cut and joined."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

Box = tuple[tuple[int, int], ...]  # low and high of each axis, high not included


def slices(box: Sequence[tuple[int, int]]) -> tuple[slice, ...]:
    return tuple(slice(low, high) for low, high in box)


@attrs.frozen(eq=False)
class Block:
    """Pixels of a box of an array, from which boxes inside that one can be read."""

    pixels: Any
    box: Box

    def __getitem__(self, inside: tuple[slice, ...]) -> Any:
        return self.pixels[
            tuple(slice(s.start - low, s.stop - low) for s, (low, _) in zip(inside, self.box, strict=True))
        ]


def union(one: Box, other: Box) -> Box:
    """Return the smallest box that holds both."""
    return tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(one, other, strict=True))


def tiles(box: Box, lengths: Sequence[int]) -> Iterator[Box]:
    """Cut a box at all multiples of such lengths."""
    yield from itertools.product(
        *(
            [(max(i, low), min(i + n, high)) for i in range(low - low % n, high, n)]
            for (low, high), n in zip(box, lengths, strict=True)
        )
    )


def bundle(cell: Sequence[int], whole: Sequence[int], most: int) -> tuple[int, ...]:
    """Double a cell, the fastest axis first, while it has at most so many pixels and is shorter than the whole."""
    lengths = list(cell)
    for axis in reversed(range(len(lengths))):
        while lengths[axis] < whole[axis] and 2 * math.prod(lengths) <= most:
            lengths[axis] *= 2
    return tuple(min(length, n) for length, n in zip(lengths, whole, strict=True))


def cut_blocks(blocks: Sequence[Sequence[int]], most: int) -> Iterator[Box]:
    """Yield boxes of whole blocks that cover an array, of at most so many pixels wherever one block has no more.

    Args:
        blocks: lengths of the blocks along each axis. most: pixels of a box; the last axes are joined first.
    """
    pixels = math.prod(max(lengths) for lengths in blocks)
    ranges: list[list[tuple[int, int]]] = []
    for lengths in reversed(blocks):
        together = max(1, most // pixels)
        edges = list(itertools.accumulate(lengths, initial=0))
        edges = [*edges[:-1:together], edges[-1]]
        ranges.insert(0, list(itertools.pairwise(edges)))
        pixels = pixels // max(lengths) * max(high - low for low, high in ranges[0])
    yield from itertools.product(*ranges)


def broken_chunk(read: Callable[[Any], Any], box: Sequence[slice], lengths: Sequence[int]) -> tuple[int, ...] | None:
    """Return the place in the grid of the first chunk of a box that `read` fails for; None where it fails for none."""
    for tile in tiles(tuple((part.start, part.stop) for part in box), lengths):
        try:
            read(slices(tile))
        except Exception:  # every codec has errors of its own
            return tuple(low // length for (low, _), length in zip(tile, lengths, strict=True))
    return None
