"""Which levels a pyramid has: shapes, factors and geometry; no pixels."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from ..exceptions import ScaleError
from ..spec import SPATIAL, Axes, by_name, in_meters
from ..text import nearest_word, whole_number
from .methods import Method

ScaleFactors = Sequence[float] | Sequence[Mapping[str, float]]  # whole numbers


@attrs.frozen
class Level:
    """One level of a pyramid, before any pixel exists.

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
        """Return the pixel size per axis, where level 0 has the pixel size `base`."""
        return [factor * size for factor, size in zip(self.factors, base, strict=True)]

    def translation(self, base: Sequence[float], scale: Sequence[float]) -> list[float]:
        """Return the position of the first pixel, where level 0 starts at `base` with the pixel size `scale`."""
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
    """Copy scale factors so that nobody can change them later; anything else stays, for `parse_ladder` to refuse."""
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
        ScaleError: they are not whole numbers above zero, name an unknown axis, or do not grow.
    """
    scale_factors, names = hold(scale_factors), tuple(names)
    if not isinstance(scale_factors, tuple):
        raise ScaleError(f"scale_factors is a list of whole numbers or of dicts by axis (got {scale_factors!r}).")
    spread = [name for name in names if name in (("y", "x") if plane else SPATIAL)]
    ladder: list[tuple[int, ...]] = []
    for given in scale_factors:
        by_axis: dict[str, Any] = by_name(given, names) if isinstance(given, Mapping) else dict.fromkeys(spread, given)
        for name, factor in by_axis.items():
            if name not in names:
                raise ScaleError(
                    f"scale_factors names the axis {name!r}, but the axes are {','.join(names)}."
                    f"{nearest_word(name, names)}"
                )
            by_axis[name] = whole_number(factor) or 0
            if by_axis[name] < 1:
                raise ScaleError(f"scale_factors must be whole numbers above zero (got {factor!r} for axis {name}).")
            if factor > 1 and name not in SPATIAL:
                raise ScaleError(f"Only the axes z, y and x can be downsampled (got the factor {factor} for {name!r}).")
        ladder.append(tuple(by_axis.get(name, 1) for name in names))
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

    Each step halves the spatial axes whose pixels are finer than 1.5 times the finest, so that voxels grow towards
    cubes, and y and x together, so that viewers that go by the shapes draw no level squeezed.

    Args:
        shape: shape of level 0. axes: its axes. scale: its pixel sizes. chunks: its chunk lengths.
    """
    spatial = [i for i, axis in enumerate(axes) if axis.name in SPATIAL]
    asking = [i for i in spatial if chunks[i] > 1] or spatial  # planes as chunks do not ask for fewer planes
    size = {i: in_meters(scale[i], axes[i].unit) for i in spatial}
    ladder: list[tuple[int, ...]] = []
    factors, length = [1] * len(shape), list(shape)
    while long := [i for i in asking if length[i] > chunks[i]]:
        halve = _finest([i for i in spatial if length[i] > 1], size, axes)
        if not halve & {*long}:  # the finest axes fit already: go on with the finest of the others
            halve = _finest(long, size, axes)
        for i in halve:
            if length[i] > 1:
                factors[i], length[i], size[i] = 2 * factors[i], -(-length[i] // 2), 2 * size[i]
        ladder.append(tuple(factors))
    return ladder


def _finest(among: Sequence[int], size: Mapping[int, float], axes: Axes) -> set[int]:
    """Return the axes with the finest pixels; of y and x both or none, unless one has more than twice the size."""
    least = min(size[i] for i in among)
    found = {i for i in among if size[i] < 1.5 * least}
    plane = {i for i in size if axes[i].name in ("y", "x")}
    sizes = [size[i] for i in plane]
    return found | plane if found & plane and max(sizes) <= 2 * min(sizes) * (1 + 1e-9) else found


def halved_ladder(
    scale_factors: float | ScaleFactors, shape: Sequence[int], axes: Axes, scale: Sequence[float]
) -> list[tuple[int, ...]]:
    """Parse the factors, or halve as in `automatic_ladder` as long as an axis keeps a smallest length."""
    shortest = whole_number(scale_factors)
    if shortest is None:
        return parse_ladder(scale_factors, axes.names, plane=False)  # type: ignore[arg-type]  # numbers are refused there
    if shortest < 1:
        raise ScaleError(f"The smallest length is a whole number above zero (got {scale_factors}).")
    return automatic_ladder(shape, axes, scale, (2 * shortest - 1,) * len(shape))


def factors_by_axis(ladder: Sequence[Sequence[int]], dims: Sequence[str]) -> list[dict[str, int]]:
    """Return the factors of each level as `to_multiscales` takes them, by the names of the spatial axes."""
    return [{d: f for d, f in zip(dims, factors, strict=True) if d in SPATIAL} for factors in ladder]
