"""Which levels a pyramid has, and pyramids of arrays in memory or lazy in dask.

`Scaler` carries the parameters; `levels` is the arithmetic (integers and floats, no pixels) that everything that
writes or reads a pyramid shares.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from .axes import SPATIAL, Axes
from .exceptions import LabelError, MethodError, ScaleError, nearest_word
from .methods import Method, Methods, Span, find_method
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


def levels(shape: Sequence[int], ladder: Iterable[Sequence[int]], method: Method) -> tuple[Level, ...]:
    """Work out all levels of a pyramid.

    Each level is made from the deepest earlier one whose factors divide its own on every axis.

    Args:
        shape: shape of level 0.
        ladder: factors relative to level 0, one per axis, for each further level.
        method: how levels are made; it decides where their first pixel lies.
    """
    ones = (1,) * len(shape)
    found = [Level(tuple(shape), ones, 0, ones, (0.0,) * len(shape))]
    for factors in ladder:
        parent = max(k for k, p in enumerate(found) if all(f % g == 0 for f, g in zip(factors, p.factors, strict=True)))
        source = found[parent]
        steps = tuple(f // g for f, g in zip(factors, source.factors, strict=True))
        found.append(
            Level(
                shape=tuple(-(-n // s) for n, s in zip(source.shape, steps, strict=True)),
                factors=tuple(factors),
                parent=parent,
                steps=steps,
                shift=tuple(
                    at + method.shift(s) * f for at, s, f in zip(source.shift, steps, source.factors, strict=True)
                ),
            )
        )
    return tuple(found)


def _hold(scale_factors: Any) -> Any:
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
    scale_factors, names = _hold(scale_factors), tuple(names)
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
    ladder: list[tuple[int, ...]] = []
    factors, length = [1] * len(shape), list(shape)
    while long := [i for i in spatial if length[i] > max(chunks[i], 1)]:
        size = {i: in_meters(scale[i], axes[i].unit) * factors[i] for i in spatial}
        halve = [i for i in long if size[i] < 1.5 * min(size.values())]
        if not halve:  # the finest axes fit already: go on with the finest of the others
            halve = [i for i in long if size[i] < 1.5 * min(size[j] for j in long)]
        for i in halve or long:
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


def _number(low: int) -> Callable[[Any, attrs.Attribute[int], Any], None]:
    def check(instance: Any, attribute: attrs.Attribute[int], value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
            raise ScaleError(f"{attribute.name} must be a whole number of at least {low} (got {value!r}).")

    return check


def _method_name(method: str | Methods | Method) -> str:
    return "resize_image" if method == "resize_image" else find_method(method).name


@attrs.frozen
class Scaler:
    """Carry the parameters of a pyramid, checked when made; each method gives a pyramid of an array.

    Attributes:
        method: a name, an alias or a member of `Methods`; "resize_image" is "resize".
        downscale: factor from level to level in y and x.
        max_layer: number of levels beside level 0.
        scale_factors: factors relative to level 0 instead of `downscale` and `max_layer`: ints for y and x, or dicts
            by axis name.
        order: 0 makes "resize" pick pixels as "nearest" does; 1 interpolates.
        copy_metadata: `scale` copies the attributes of the source array to the new group.
        labeled: `scale` refuses a result with values that the source does not have.
        in_place: `scale` adds the levels beside the source array, which stays level 0.
    """

    method: str = attrs.field(default="resize", converter=_method_name)
    downscale: int = attrs.field(default=2, validator=_number(2))
    max_layer: int = attrs.field(default=4, validator=_number(0))
    scale_factors: ScaleFactors | None = attrs.field(default=None, converter=_hold)
    order: int = attrs.field(default=1, validator=_number(0))
    copy_metadata: bool = False
    labeled: bool = False
    in_place: bool = False

    def __attrs_post_init__(self) -> None:
        self.ladder("tczyx")

    @staticmethod
    def methods() -> Iterable[str]:
        """Give the names of all methods that downsample."""
        return iter([*(member.value for member in Methods), "resize_image"])

    @property
    def func(self) -> Callable[[Any], Any]:
        """Give the function of this class that `method` names."""
        return getattr(self, self.method)  # type: ignore[no-any-return]

    @property
    def reducer(self) -> Method:
        """Give the method that makes the levels."""
        name = "nearest" if self.order == 0 and self.method in ("resize", "resize_image") else self.method
        return find_method(name)

    def ladder(self, names: Sequence[str]) -> list[tuple[int, ...]]:
        """Give the factors of each level, relative to level 0, in the order of the axis `names`."""
        if self.scale_factors is not None:
            return parse_ladder(self.scale_factors, names)
        return parse_ladder([self.downscale**k for k in range(1, self.max_layer + 1)], names)

    def plan(self, shape: Sequence[int], axes: Axes | Sequence[str]) -> tuple[Level, ...]:
        """Give the levels of an image of this shape: shapes, factors and geometry, no pixels."""
        names = axes.names if isinstance(axes, Axes) else tuple(axes)
        return levels(shape, self.ladder(names), self.reducer)

    def nearest(self, base: Any) -> list[Any]:
        """Take one pixel of each window."""
        return self._pyramid(base, "nearest")

    def resize(self, base: Any) -> list[Any]:
        """Interpolate linearly in the anti-aliased image."""
        return self._pyramid(base, "nearest" if self.order == 0 else "resize")

    def local_mean(self, base: Any) -> list[Any]:
        """Average each window."""
        return self._pyramid(base, "local_mean")

    def zoom(self, base: Any) -> list[Any]:
        """Interpolate linearly, without anti-aliasing."""
        return self._pyramid(base, "zoom")

    def gaussian(self, base: Any) -> list[Any]:
        """Blur with a Gaussian that matches the factor."""
        return self._pyramid(base, "gaussian")

    def mode(self, base: Any) -> list[Any]:
        """Take the most frequent value of each window."""
        return self._pyramid(base, "mode")

    def resize_image(self, image: Any) -> Any:
        """Give one image smaller by `downscale` in y and x, not a pyramid."""
        name = "nearest" if self.order == 0 else "resize"
        return reduce_whole(_array(image), self._steps(image.ndim), find_method(name))

    def laplacian(self, base: Any) -> list[Any]:
        """Give the band-pass residuals of each plane, as float32."""
        base = _array(base)
        if hasattr(base, "dask"):
            shapes = [tuple(-(-n // self.downscale**k) for n in base.shape[-2:]) for k in range(self.max_layer + 1)]
            planes = base.rechunk({base.ndim - 2: -1, base.ndim - 1: -1})
            return [
                planes.map_blocks(
                    lambda block, k=k: _laplacian(block, self.downscale, self.max_layer)[k],
                    dtype=np.float32,
                    chunks=(*planes.chunks[:-2], *((n,) for n in shape)),
                    meta=np.empty((0,) * base.ndim, np.float32),
                )
                for k, shape in enumerate(shapes)
            ]
        return _laplacian(base, self.downscale, self.max_layer)

    def scale(self, input_array: str, output_directory: str, axes: str | Sequence[str] | None = None) -> None:
        """Write a pyramid of a stored Zarr array as an OME-Zarr image.

        Args:
            input_array: path of the array.
            output_directory: path of the new image, or with `in_place` of the group that holds the array.
            axes: its axes; may be left out for 2D and 5D.

        Raises:
            LabelError: `labeled`, and the method gives values that the array does not have.
        """
        from .writer import scale_array  # the one door upwards: a Scaler that writes

        scale_array(self, input_array, output_directory, axes)

    def refuse_invention(self) -> None:
        """Raise `LabelError` where the method can give values that the source does not have."""
        if self.reducer.invents:
            kept = ", ".join(repr(m.value) for m in Methods if not m.method.invents)
            raise LabelError(f"{self.method!r} invents values between labels; use one of {kept}.")

    def _steps(self, ndim: int) -> tuple[int, ...]:
        if ndim < 2:
            raise ScaleError(f"A pyramid needs an array of at least two dimensions (got {ndim}).")
        return (*(1,) * (ndim - 2), self.downscale, self.downscale)

    def _pyramid(self, base: Any, name: str) -> list[Any]:
        base = _array(base)
        self._steps(base.ndim)
        method = find_method(name)
        found = [base]
        names = [*(f"_{i}" for i in range(base.ndim - 5)), *"tczyx"[-base.ndim :]]
        for level in levels(base.shape, self.ladder(names), method)[1:]:
            found.append(reduce_whole(found[level.parent], level.steps, method))
        return found


def _array(image: Any) -> Any:
    return image if hasattr(image, "dask") else np.asarray(image)


def _laplacian(block: np.ndarray[Any, Any], downscale: int, layers: int) -> list[np.ndarray[Any, Any]]:
    """Apply skimage's Laplacian pyramid to each plane of a block."""
    from skimage.transform import pyramid_laplacian

    if block.dtype.kind not in "iuf":
        raise MethodError(f"'laplacian' needs integers or floats (got {block.dtype}).")
    planes = block.reshape(math.prod(block.shape[:-2]), *block.shape[-2:])
    stacks = [
        list(pyramid_laplacian(p, max_layer=layers, downscale=downscale, channel_axis=None, preserve_range=True))
        for p in planes
    ]
    return [
        np.stack([s[k] for s in stacks]).astype(np.float32).reshape(*block.shape[:-2], *stacks[0][k].shape)
        for k in range(len(stacks[0]))
    ]
