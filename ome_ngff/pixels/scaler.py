"""`Scaler`: the parameters of a pyramid, and pyramids of arrays in memory or lazy in dask."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from ..exceptions import LabelError, MethodError, ScaleError
from ..spec import Axes
from ..text import whole_number
from .ladders import Level, ScaleFactors, hold, levels, parse_ladder
from .lazy import reduce_whole
from .methods import Method, Methods, find_method


def _whole(value: Any) -> Any:
    number = whole_number(value)
    return value if number is None else number


def _number(low: int, high: float = math.inf) -> Callable[[Any, attrs.Attribute[int], Any], None]:
    up_to = f" and at most {high}" if high < math.inf else ""

    def check(instance: Any, attribute: attrs.Attribute[int], value: Any) -> None:
        if type(value) is not int or not low <= value <= high:
            raise ScaleError(f"{attribute.name} must be a whole number of at least {low}{up_to} (got {value!r}).")

    return check


def _method_name(method: str | Methods | Method) -> str:
    return "resize_image" if method == "resize_image" else find_method(method).name


@attrs.frozen
class Scaler:
    """Hold the parameters of a pyramid, checked when made; each function makes a pyramid of an array.

    Attributes:
        method: a name, an alias or a member of `Methods`; "resize_image" is "resize".
        downscale: factor from level to level in y and x.
        max_layer: number of levels in addition to level 0.
        scale_factors: factors relative to level 0 instead of `downscale` and `max_layer`: ints for y and x, or dicts
            by axis name.
        order: 0 makes "resize" pick pixels as "nearest" does; 1 interpolates.
        copy_metadata: `scale` copies the attributes of the source array to the new group.
        labeled: `scale` refuses a result with values that the source does not have.
        in_place: `scale` adds the levels next to the source array, which stays level 0.
    """

    method: str = attrs.field(default="resize", converter=_method_name)
    downscale: int = attrs.field(default=2, converter=_whole, validator=_number(2))
    max_layer: int = attrs.field(default=4, converter=_whole, validator=_number(0, 64))
    scale_factors: ScaleFactors | None = attrs.field(default=None, converter=hold)
    order: int = attrs.field(default=1, validator=_number(0))
    copy_metadata: bool = False
    labeled: bool = False
    in_place: bool = False

    def __attrs_post_init__(self) -> None:
        self.ladder("tczyx")

    @staticmethod
    def methods() -> Iterable[str]:
        """Return the names of all methods that downsample."""
        return iter([*(member.value for member in Methods), "resize_image"])

    @property
    def func(self) -> Callable[[Any], Any]:
        """Function of this class that `method` names."""
        return getattr(self, self.method)  # type: ignore[no-any-return]

    @property
    def reducer(self) -> Method:
        """Method that makes the levels."""
        name = "nearest" if self.order == 0 and self.method in ("resize", "resize_image") else self.method
        return find_method(name)

    def ladder(self, names: Sequence[str]) -> list[tuple[int, ...]]:
        """Return the factors of each level, relative to level 0, in the order of the axis `names`."""
        if self.scale_factors is not None:
            return parse_ladder(self.scale_factors, names)
        return parse_ladder([self.downscale**k for k in range(1, self.max_layer + 1)], names)

    def plan(self, shape: Sequence[int], axes: Axes | Sequence[str]) -> tuple[Level, ...]:
        """Return the levels of an image of this shape: shapes, factors and geometry, without pixels."""
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

    if not TYPE_CHECKING:  # type checkers know the functions above, and find other names

        def __getattr__(self, name: str) -> Callable[[Any], list[Any]]:
            """Return the function of a method of the registry that has none here."""
            if name not in (member.value for member in Methods if not member.method.in_memory):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

            def pyramid(base: Any) -> list[Any]:
                return self._pyramid(base, name)

            pyramid.__name__ = name
            return pyramid

    def resize_image(self, image: Any) -> Any:
        """Return one image, smaller by `downscale` in y and x, not a pyramid."""
        name = "nearest" if self.order == 0 else "resize"
        return reduce_whole(_array(image), self._steps(image.ndim), find_method(name))

    def laplacian(self, base: Any) -> list[Any]:
        """Return the band-pass residuals of each plane, as float32."""
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
