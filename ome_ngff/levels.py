"""Which levels a pyramid has: integers and floats; and one level made from another, in memory or lazy in dask."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from .axes import SPATIAL, Axes
from .exceptions import ScaleError, nearest_word
from .methods import Method, Span
from .rules.vocabulary import in_meters

if TYPE_CHECKING:
    import dask.array as da

ScaleFactors = Sequence[int] | Sequence[Mapping[str, int]]


@attrs.frozen
class Level:
    """Describe one level of a pyramid, before any pixel exists.

    Attributes:
        shape: pixels per axis.
        factors: pixels of level 0 per pixel of this level, per axis.
        parent: number of the level that this one is made from (level 0: itself).
        steps: pixels of the parent per pixel of this level, per axis.
        shift: position of the centre of the first pixel, in pixels of level 0 from the centre of its first pixel.
    """

    shape: tuple[int, ...]
    factors: tuple[int, ...]
    parent: int
    steps: tuple[int, ...]
    shift: tuple[float, ...]

    def scale(self, base: Sequence[float]) -> list[float]:
        """Give the pixel size per axis, where level 0 has the pixel size `base`."""
        return [factor * size for factor, size in zip(self.factors, base, strict=True)]

    def translation(self, base: Sequence[float], scale: Sequence[float]) -> list[float]:
        """Give the position of the first pixel, where level 0 starts at `base` with the pixel size `scale`."""
        return [start + shift * size for start, shift, size in zip(base, self.shift, scale, strict=True)]


def levels(
    shape: Sequence[int],
    ladder: Iterable[Sequence[int]],
    method: Method,
    shapes: Sequence[Sequence[int]] | None = None,
) -> tuple[Level, ...]:
    """Work out all levels of a pyramid.

    Each level is made from the deepest earlier one whose factors divide its own on every axis.

    Args:
        shape: shape of level 0.
        ladder: factors relative to level 0, one per axis, for each further level.
        method: how levels are made; it decides where their first pixel lies.
        shapes: shapes of all levels where they are given: the last pixel of an axis, if its window is cut off by the
            border, may be left out, as in the pyramids of others.
    """
    ones = (1,) * len(shape)
    found = [Level(tuple(shape), ones, 0, ones, (0.0,) * len(shape))]
    for k, factors in enumerate(ladder, start=1):
        for parent in reversed(range(k)):
            source = found[parent]
            if any(f % g for f, g in zip(factors, source.factors, strict=True)):
                continue
            steps = tuple(f // g for f, g in zip(factors, source.factors, strict=True))
            whole = tuple(-(-n // s) for n, s in zip(source.shape, steps, strict=True))
            wanted = whole if shapes is None else tuple(shapes[k])
            if all(w <= n for w, n in zip(wanted, whole, strict=True)):
                break
        found.append(
            Level(
                shape=wanted,
                factors=tuple(factors),
                parent=parent,
                steps=steps,
                shift=tuple(
                    at + method.shift(s) * f for at, s, f in zip(source.shift, steps, source.factors, strict=True)
                ),
            )
        )
    return tuple(found)


def hold(scale_factors: Any) -> Any:
    """Copy scale factors, so that nobody changes them later; what is no list of factors stays, for `parse_ladder`."""
    if isinstance(scale_factors, (str, bytes, Mapping)) or not isinstance(scale_factors, Iterable):
        return scale_factors
    return tuple(dict(given) if isinstance(given, Mapping) else given for given in scale_factors)


def parse_ladder(scale_factors: ScaleFactors, names: Sequence[str], *, plane: bool = True) -> list[tuple[int, ...]]:
    """Turn scale factors as callers give them into one tuple per level, in axis order.

    Args:
        scale_factors: factors relative to level 0: ints, or dicts by axis name (a missing axis has 1).
        names: axis names.
        plane: whether an int stands for y and x only (as in `write_image`) or for every spatial axis.

    Raises:
        ScaleError: they are no whole numbers above zero, name an unknown axis, or do not grow.
    """
    scale_factors, names = hold(scale_factors), tuple(names)
    if not isinstance(scale_factors, tuple):
        raise ScaleError(f"scale_factors is a list of whole numbers or of dicts by axis (got {scale_factors!r}).")
    spread = [name for name in names if name in (("y", "x") if plane else SPATIAL)]
    ladder: list[tuple[int, ...]] = []
    for given in scale_factors:
        by_axis: Mapping[str, Any] = given if isinstance(given, Mapping) else dict.fromkeys(spread, given)
        for name, factor in by_axis.items():
            if name not in names:
                raise ScaleError(
                    f"scale_factors names the axis {name!r}, but the axes are {','.join(names)}."
                    f"{nearest_word(name, names)}"
                )
            if isinstance(factor, (bool, np.bool_)) or not isinstance(factor, (int, np.integer)) or int(factor) < 1:
                raise ScaleError(f"scale_factors must be whole numbers above zero (got {factor!r} for axis {name}).")
            if factor > 1 and name not in SPATIAL:
                raise ScaleError(f"Only the axes z, y and x can be downsampled (got the factor {factor} for {name!r}).")
        ladder.append(tuple(int(by_axis.get(name, 1)) for name in names))
    for before, after in itertools.pairwise([(1,) * len(names), *ladder]):
        if before == after or any(a < b for b, a in zip(before, after, strict=True)):
            raise ScaleError(
                f"scale_factors must grow from level to level, relative to level 0 (got {list(scale_factors)}). "
                f"Three halvings are [2, 4, 8]; an empty list writes level 0 alone."
            )
    return ladder


def automatic_ladder(
    shape: Sequence[int], axes: Axes, scale: Sequence[float], chunks: Sequence[int]
) -> list[tuple[int, ...]]:
    """Halve, level by level, until the whole level fits in one chunk.

    Each step halves every spatial axis that is longer than its chunk and whose pixels are finer than 1.5 times the
    finest, so that voxels grow towards cubes.

    Args:
        shape: shape of level 0. axes: its axes. scale: its pixel sizes. chunks: its chunk lengths.
    """
    spatial = [i for i, axis in enumerate(axes) if axis.name in SPATIAL]
    filled = [i for i in spatial if chunks[i] > 1] or spatial  # planes as chunks do not ask for fewer planes
    ladder: list[tuple[int, ...]] = []
    factors, length = [1] * len(shape), list(shape)
    while any(length[i] > chunks[i] for i in filled):
        long = [i for i in spatial if length[i] > chunks[i]]
        size = {i: in_meters(scale[i], axes[i].unit) * factors[i] for i in spatial}
        halve = [i for i in long if size[i] < 1.5 * min(size.values())]
        if not halve:  # the finest axes fit already: go on with the finest of the others
            halve = [i for i in long if size[i] < 1.5 * min(size[j] for j in long)]
        for i in halve:
            factors[i] *= 2
            length[i] = -(-length[i] // 2)
        ladder.append(tuple(factors))
    return ladder


def reduce_whole(array: Any, steps: Sequence[int], method: Method) -> Any:
    """Reduce a NumPy or dask array by `steps` per axis; the result is of the same kind, and the same pixels."""
    if hasattr(array, "dask"):
        return _reduce_lazily(array, steps, method)
    return method.reduce(np.asarray(array), [Span.whole(n, f) for n, f in zip(array.shape, steps, strict=True)])


def _reduce_lazily(array: da.Array, steps: Sequence[int], method: Method) -> da.Array:
    """Reduce a dask array: its chunks are cut at multiples of the steps, and each sees its true neighbours."""
    import dask.array as da

    method.check(array.dtype)
    if all(f == 1 for f in steps):
        return array
    halos = [method.halo(f) for f in steps]
    cut = array.rechunk(tuple(_cut(c, f, halo) for c, f, halo in zip(array.chunks, steps, halos, strict=True)))
    starts = [[0, *itertools.accumulate(chunks)] for chunks in cut.chunks]
    reduce = functools.partial(_reduce_block, starts=starts, steps=steps, method=method)
    depth = {i: halo for i, halo in enumerate(halos) if halo and cut.numblocks[i] > 1}
    seen = da.overlap.overlap(cut, depth, boundary="none", allow_rechunk=False) if depth else cut
    chunks = tuple(tuple(-(-n // f) for n in c) for c, f in zip(cut.chunks, steps, strict=True))
    meta = np.empty((0,) * array.ndim, array.dtype)
    reduced: da.Array = da.map_blocks(reduce, seen, dtype=array.dtype, chunks=chunks, meta=meta)
    return reduced


def _reduce_block(
    block: np.ndarray[Any, Any],
    starts: Sequence[Sequence[int]],
    steps: Sequence[int],
    method: Method,
    block_id: tuple[int, ...] = (),
) -> np.ndarray[Any, Any]:
    """Reduce the chunk number `block_id` of those that begin at `starts`, given with its halo."""
    spans = []
    for begins, b, f in zip(starts, block_id, steps, strict=True):
        low, high = begins[b], begins[b + 1]
        spans.append(Span(f, begins[-1], max(0, low - method.halo(f)), low // f, -(-high // f) - low // f))
    return method.reduce(block, spans)


def _cut(chunks: tuple[int, ...], factor: int, halo: int) -> tuple[int, ...]:
    """Move the borders of chunks to multiples of the factor, and join chunks that are shorter than the halo."""
    total, shortest = sum(chunks), max(factor, halo)
    borders = [0]
    for border in itertools.accumulate(chunks):
        border = border // factor * factor
        if border - borders[-1] >= shortest and total - border >= shortest:
            borders.append(border)
    return tuple(b - a for a, b in itertools.pairwise([*borders, total])) if total else (0,)
