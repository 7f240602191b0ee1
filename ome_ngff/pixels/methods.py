"""Downsampling methods: one small frozen class each, and `Methods`, the registry that everything else reads.

A method turns a block of one level into a block of the next. What it needs to know of each axis is a `Span`.
With the centre of output sample i at source position `c = f*i + (f-1)/2`:

- the linear methods weigh the source pixels around c with symmetric taps; pixels beyond the border of the image
  repeat the last one;
- `LocalMean`, `Mode` and `Nearest` look at the f pixels of the window alone, and at its existing pixels on the border.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from types import ModuleType
from typing import Any, ClassVar

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import MethodError
from ..text import nearest_word
from .late import whole
from .spans import Array, Span, frozen, last_three, windows, working


@whole
def _kernels() -> ModuleType:
    from . import kernels

    return kernels


@attrs.frozen
class Method:
    """Reduce blocks of pixels; the base of all methods.

    Attributes:
        name: word of the metadata, the command line and `Methods`.
        summary: one line for the documentation and the metadata.
        reference: what it equals on whole arrays whose sizes the factor divides.
        invents: whether it can give values that the source does not have; labels refuse such methods.
        in_memory: whether it works on whole arrays only and cannot be written.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    invents: ClassVar[bool] = True
    in_memory: ClassVar[bool] = False

    def halo(self, factor: int) -> int:
        """Return the number of source pixels needed on either side of a sample's own window."""
        return 0

    def shift(self, factor: int) -> float:
        """Return the position of the first sample, in source pixels from the first pixel's centre."""
        return (factor - 1) / 2

    def needs(self, factor: int, size: int, first: int, stop: int) -> tuple[int, int]:
        """Return the source pixels [start, stop) that the samples [first, stop) depend on, for an axis of `size`."""
        halo = self.halo(factor)
        return max(0, first * factor - halo), min(size, stop * factor + halo)

    def describe(self) -> dict[str, Any]:
        """Return what the metadata of an image says of the method that made its levels, as JSON."""
        from .. import __version__

        # Files of users hold this path, so it stays what it was in 0.1.0, wherever the class moves.
        home = "ome_ngff.methods" if type(self).__module__ == __name__ else type(self).__module__
        return {
            "description": self.summary,
            "method": f"{home}.{type(self).__qualname__}",
            "version": __version__,
            "args": [],
            "kwargs": attrs.asdict(self),
        }

    def check(self, dtype: np.dtype[Any]) -> None:
        """Raise `MethodError` where pixels of this dtype cannot be reduced by this method."""
        if self.in_memory:
            raise MethodError(f"{self.name!r} works on whole arrays in memory; see Scaler.{self.name}.")
        if dtype.kind not in "biuf" or dtype.itemsize > 8:
            raise MethodError(
                f"Images are integers, floats up to 64 bits or bool (got {dtype}); convert before writing."
            )
        if self.invents and dtype.kind == "b":
            raise MethodError(
                f"{self.name!r} cannot average bool; use method='nearest' or 'mode', or convert to uint8."
            )

    def reduce(self, block: Array, spans: Sequence[Span]) -> Array:
        """Reduce a block along every axis.

        Args:
            block: pixels, of any number of dimensions of which at most the last three have a factor above 1.
            spans: one per axis; the block must cover what `needs` says.

        Returns:
            An array of shape `[span.count ...]` and the dtype of the block.
        """
        self.check(block.dtype)
        if all(span.factor == 1 for span in spans):
            return block[tuple(slice(s.first - s.start, s.first - s.start + s.count) for s in spans)]
        rest, spans3 = last_three(block.shape, spans)
        work = working(block)
        flat = work.reshape(rest, *(1,) * (3 - block.ndim), *work.shape[-3:])
        out = np.empty((rest, *(span.count for span in spans3)), work.dtype)
        if out.size:
            self._run(frozen(flat), spans3, out)
        result = out.reshape(tuple(span.count for span in spans))
        if block.dtype.kind == "b":
            return result.view(bool)
        return result.astype(block.dtype, copy=False)

    def _run(self, block: Array, spans: Sequence[Span], out: Array) -> None:
        raise NotImplementedError


@attrs.frozen
class _Linear(Method):
    """Weigh source pixels with symmetric taps along each axis, and keep every f-th result."""

    def taps(self, factor: int) -> NDArray[np.float64]:
        """Return the weights around a sample's centre, summing to 1; as even or odd in number as the factor."""
        raise NotImplementedError

    def halo(self, factor: int) -> int:
        return max(0, (len(self.taps(factor)) - factor) // 2) if factor > 1 else 0

    def _run(self, block: Array, spans: Sequence[Span], out: Array) -> None:
        kernels = _kernels()

        taps = [np.array(self.taps(span.factor)) if span.factor > 1 else np.ones(1) for span in spans]
        offsets = [(span.factor - len(t)) // 2 for span, t in zip(spans, taps, strict=True)]
        under = [span.under(o, len(t)) for span, o, t in zip(spans, offsets, taps, strict=True)]
        low, high = 1.0, 0.0
        if block.dtype.kind in "iu":
            low, high = float(np.iinfo(block.dtype).min), float(np.iinfo(block.dtype).max)
        x0 = spans[2].first * spans[2].factor + offsets[2] - spans[2].start
        kernels.linear(
            block, under[0], taps[0], under[1], taps[1], x0, spans[2].factor, taps[2],
            True if block.dtype == np.float64 else None, low, high, out,
        )  # fmt: skip
        if block.dtype.kind in "iu" and block.dtype.itemsize == 8:
            _filter_wide(block, [a for pair in zip(under, taps, strict=True) for a in pair], out)


def _filter_wide(block: Array, under_and_taps: Sequence[Array], out: Array) -> None:
    """Filter again the windows with integers of which float64 has no sum that is right to the unit."""
    kernels = _kernels()

    exact, zero = 2**32, 2**63 if block.dtype.kind == "i" else 0
    if -exact <= int(block.min()) and int(block.max()) <= exact:
        return
    low, high = max(0, zero - exact), zero + exact
    limits = (np.uint64(zero), np.uint64(low), np.uint64(high))
    kernels.linear_wide(block.view(np.uint64), *under_and_taps, *limits, out.view(np.uint64))


@lru_cache(maxsize=256)
def _gaussian_taps(sigma: float, radius: float, factor: int) -> NDArray[np.float64]:
    """Return normalised Gaussian weights at the source pixels within `radius` of a sample's centre."""
    reach = math.floor(radius + 0.5) - 0.5 if factor % 2 == 0 else float(math.floor(radius))
    distance = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (distance / sigma) ** 2)
    weights /= weights.sum()
    weights.flags.writeable = False
    return weights


@attrs.frozen
class Resize(_Linear):
    """Interpolate linearly at the centre of each sample, after an anti-aliasing Gaussian."""

    name = "resize"
    summary = "linear interpolation of the anti-aliased image"
    reference = 'skimage.transform.resize(order=1, mode="edge", anti_aliasing=True, preserve_range=True)'

    def taps(self, factor: int) -> NDArray[np.float64]:
        """Return a Gaussian of sigma (f-1)/2 cut at 4 sigma, joined with the two halves of an interpolation."""
        sigma = (factor - 1) / 2
        smooth = _gaussian_taps(sigma, float(int(4 * sigma + 0.5)), 1)
        return smooth if factor % 2 else np.convolve(smooth, [0.5, 0.5])


@attrs.frozen
class Gaussian(_Linear):
    """Blur with the Gaussian whose width at half its height matches the factor."""

    name = "gaussian"
    summary = "Gaussian around the centre of each sample"
    reference = "the same sum in float64 NumPy: sigma = sqrt(f^2 - 1) / (2 sqrt(2 ln 2)), cut at 4 sigma"

    def taps(self, factor: int) -> NDArray[np.float64]:
        """Return the weights of the source pixels within 4 sigma of the centre."""
        sigma = math.sqrt(factor**2 - 1) / (2 * math.sqrt(2 * math.log(2)))
        return _gaussian_taps(sigma, 4 * sigma, factor)


@attrs.frozen
class Zoom(_Linear):
    """Interpolate linearly at the centre of each sample, without anti-aliasing."""

    name = "zoom"
    summary = "linear interpolation, no anti-aliasing"
    reference = 'scipy.ndimage.zoom(order=1, grid_mode=True, mode="nearest")'

    def taps(self, factor: int) -> NDArray[np.float64]:
        """Return the weight of the centre pixel, or of the two around the centre."""
        return np.ones(1) if factor % 2 else np.full(2, 0.5)


@attrs.frozen
class LocalMean(Method):
    """Average the window of each sample; integers exactly."""

    name = "local_mean"
    summary = "mean of the window"
    reference = "skimage.transform.downscale_local_mean"

    def _run(self, block: Array, spans: Sequence[Span], out: Array) -> None:
        kernels = _kernels()

        factors = [span.factor for span in spans]
        inside = windows(block, spans)
        if block.dtype.kind == "f":
            kernels.mean_float(inside, *factors, out)
        elif block.dtype.itemsize == 8 or math.prod(factors) > 2**20:  # sums that float64 might not hold
            kernels.mean_wide(inside, *factors, np.empty(1, block.dtype.kind + "8"), out)
        else:
            narrow = block.dtype.itemsize * 8 + math.prod(factors).bit_length() <= 32
            sums = np.dtype(block.dtype.kind + ("4" if narrow else "8"))
            kernels.mean_int(inside, *factors, np.empty(inside.shape[3], sums), out)


@attrs.frozen
class Mode(Method):
    """Take the most frequent value of the window, the smallest on a tie."""

    name = "mode"
    summary = "most frequent value of the window, for labels"
    reference = "a NumPy loop"
    invents = False

    def _run(self, block: Array, spans: Sequence[Span], out: Array) -> None:
        kernels = _kernels()

        factors = [span.factor for span in spans]
        inside = windows(block, spans)
        differ, mixed = np.empty(inside.shape[3], bool), np.empty(out.shape[3], bool)
        kernels.mode(inside, *factors, differ, mixed, np.empty(math.prod(factors), block.dtype), out)


@attrs.frozen
class Nearest(Method):
    """Take one pixel of the window, the one at or just before its centre."""

    name = "nearest"
    summary = "one pixel of the window"
    reference = "plain indexing"
    invents = False

    def shift(self, factor: int) -> float:
        """Return the position of the pixel that stands for the window."""
        return (factor - 1) // 2

    def _run(self, block: Array, spans: Sequence[Span], out: Array) -> None:
        kernels = _kernels()

        kernels.pick(block, *(span.under((span.factor - 1) // 2, 1)[:, 0] for span in spans), out)


@attrs.frozen
class Laplacian(Method):
    """Split the image into band-pass residuals; in memory only, by `Scaler.laplacian`."""

    name = "laplacian"
    summary = "band-pass residuals, in memory only"
    reference = "skimage.transform.pyramid_laplacian with the range kept"
    in_memory = True


class Methods(Enum):
    """Name the downsampling methods. A new one is a class above and a line here.

    `Methods("gaussian")`, `Methods.GAUSSIAN` and the names that other libraries use (`"itkwasm_gaussian"`) are the
    same member, in any case; its `method` does the work.
    """

    RESIZE = Resize()
    NEAREST = Nearest()
    LOCAL_MEAN = LocalMean()
    ZOOM = Zoom()
    GAUSSIAN = Gaussian()
    MODE = Mode()
    LAPLACIAN = Laplacian()
    # The same members by the names that they have in ngff-zarr.
    ITKWASM_GAUSSIAN = ITK_GAUSSIAN = DASK_IMAGE_GAUSSIAN = Gaussian()
    ITKWASM_BIN_SHRINK = ITK_BIN_SHRINK = DASK_BIN_SHRINK = LocalMean()
    ITKWASM_LABEL_IMAGE = DASK_IMAGE_MODE = Mode()
    DASK_IMAGE_NEAREST = Nearest()

    method: Method

    def __new__(cls, method: Method) -> Methods:
        """Make the name the value, so that a member can be looked up by it."""
        member = object.__new__(cls)
        member._value_ = method.name
        member.method = method
        return member

    @classmethod
    def _missing_(cls, value: object) -> Methods:
        name = str(value).lower()
        name = ALIASES.get(name, name)
        for member in cls:
            if member.value == name:
                return member
        known = [member.value for member in cls if member.value != "laplacian"]  # which writes no image
        raise MethodError(
            f"There is no downsampling method {value!r}.{nearest_word(str(value), [*known, *ALIASES])} "
            f"Known: {', '.join(known)}."
        )


# What other libraries call them.
ALIASES = {name.lower(): member.value for name, member in Methods.__members__.items() if name.lower() != member.value}
ALIASES["resize_image"] = "resize"


def find_method(method: str | Methods | Method) -> Method:
    """Return the method for a name, an alias, a member of `Methods` or a method itself.

    Raises:
        MethodError: there is no such method; the message names the nearest.
    """
    if isinstance(method, Method):
        return method
    member: Methods = Methods(method)  # type: ignore[arg-type]  # looked up by name
    return member.method
