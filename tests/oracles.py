"""The pixels that others would make: scikit-image, scipy and plain loops; and images to try them on.

Nothing here knows how the package works. Every function takes an image and one factor per axis.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import dask.array as da
import numpy as np
import scipy.ndimage
import skimage.transform
from hypothesis import settings
from hypothesis import strategies as st

INTEGERS = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]
FLOATS = ["float16", "float32", "float64"]
FOREIGN = [np.dtype(name).newbyteorder("S").str for name in ("u2", "i4", "u8", "f4", "f8")]
DTYPES = [*INTEGERS, *FLOATS, *FOREIGN]


def filled(image: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    """Repeat the last pixels until the factors divide the sizes."""
    return np.pad(image, [(0, -n % f) for n, f in zip(image.shape, steps, strict=True)], mode="edge")


def windows(image: np.ndarray, steps: Sequence[int]) -> list[tuple[tuple[int, ...], np.ndarray]]:
    """Return the window of every sample, cut off where the image ends."""
    counts = [range(-(-n // f)) for n, f in zip(image.shape, steps, strict=True)]
    return [
        (at, image[tuple(slice(i * f, i * f + f) for i, f in zip(at, steps, strict=True))])
        for at in itertools.product(*counts)
    ]


def _per_window(
    image: np.ndarray, steps: Sequence[int], rule: Callable[[np.ndarray], Any], dtype: Any = None
) -> np.ndarray:
    found = np.empty([-(-n // f) for n, f in zip(image.shape, steps, strict=True)], dtype or image.dtype)
    for at, window in windows(image, steps):
        found[at] = rule(window)
    return found


def exact_mean(image: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    """Average windows of integers in Python's own integers, half to even."""

    def rule(window: np.ndarray) -> int:
        whole, rest = divmod(sum(window.ravel().tolist()), window.size)
        return whole + (2 * rest > window.size or (2 * rest == window.size and whole % 2 == 1))

    return _per_window(image, steps, rule)


def float_mean(image: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    """Average windows as float64, the sum without rounding."""
    return _per_window(image, steps, lambda w: math.fsum(w.ravel().tolist()) / w.size, float)


def mode(image: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    """Take the most frequent value of each window, the smallest on a tie; NaN is a value, the last in order."""

    def rule(window: np.ndarray) -> Any:
        values, counts = np.unique(window, return_counts=True)
        return values[counts.argmax()]

    return _per_window(image, steps, rule)


def nearest(image: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    """Take the pixel at f*i + (f-1)//2, the last one where that runs out."""
    for axis, f in enumerate(steps):
        n = image.shape[axis]
        image = image.take([min(f * i + (f - 1) // 2, n - 1) for i in range(-(-n // f))], axis)
    return image


def gaussian(image: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    """Sum Gaussian weights in float64, a plain loop over samples and pixels."""
    image = image.astype(float)
    for axis, f in enumerate(steps):
        if f > 1:
            lines = np.moveaxis(image, axis, 0)
            n = len(lines)
            sigma = math.sqrt(f**2 - 1) / (2 * math.sqrt(2 * math.log(2)))
            found = []
            for i in range(-(-n // f)):
                centre = f * i + (f - 1) / 2
                total, weight = 0.0, 0.0
                for j in range(math.ceil(centre - 4 * sigma), math.floor(centre + 4 * sigma) + 1):
                    w = math.exp(-((j - centre) ** 2) / (2 * sigma**2))
                    total, weight = total + w * lines[min(max(j, 0), n - 1)], weight + w
                found.append(total / weight)
            image = np.moveaxis(np.stack(found), 0, axis)
    return image


def resize(image: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    """Let scikit-image resize the image, in float64 where it holds integers."""
    image = filled(image, steps)
    shape = [n // f for n, f in zip(image.shape, steps, strict=True)]
    return skimage.transform.resize(image, shape, order=1, mode="edge", anti_aliasing=True, preserve_range=True)


def zoom(image: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    """Let scipy zoom the image, in float64 where it holds integers or float16."""
    image = filled(image, steps)
    image = image if image.dtype.char in "fd" else image.astype(float)
    return scipy.ndimage.zoom(image, [1 / f for f in steps], order=1, grid_mode=True, mode="nearest")


def local_mean(image: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    """Let scikit-image average the windows; it knows only sizes that the factors divide."""
    assert all(n % f == 0 for n, f in zip(image.shape, steps, strict=True))
    return skimage.transform.downscale_local_mean(image, tuple(steps))


# The values of a method before they are rounded to the dtype, from code that is not ours.
REFERENCE: dict[str, Callable[[np.ndarray, Sequence[int]], np.ndarray]] = {
    "resize": resize,
    "nearest": nearest,
    "local_mean": local_mean,
    "zoom": zoom,
    "gaussian": gaussian,
    "mode": mode,
}


def tolerance(dtype: np.dtype, values: np.ndarray) -> float:
    """Say how far from the real number a result may lie: half a unit for integers, else a relative error."""
    largest = float(np.max(np.abs(values.astype(float)), initial=0))
    if dtype.kind in "iu":
        return 0.5 + 1e-12 * largest
    return {2: 1e-3, 4: 1e-5, 8: 1e-12}[dtype.itemsize] * largest


def pixels(shape: Sequence[int], dtype: Any, seed: int = 0, kind: str = "full") -> np.ndarray:
    """Make an image.

    Args:
        shape: its shape.
        dtype: its dtype.
        seed: of the random numbers.
        kind: "full" range of the dtype, from the "few" values 0, 1, 2, 100, 101, "small" from 0 to 99, or "wild": the
            few values with a strewing of the extremes, of NaN and of infinities.
    """
    dtype = np.dtype(dtype)
    native = dtype.newbyteorder("=")
    rng = np.random.default_rng(seed)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if kind == "small":
        return rng.integers(0, 100, shape).astype(dtype)
    if kind == "full" and dtype.kind == "f":
        return (rng.standard_normal(shape) * 1000).astype(dtype)
    if kind == "full":
        limits = np.iinfo(native)
        return rng.integers(limits.min, limits.max, shape, native, endpoint=True).astype(dtype)
    image = rng.choice(np.array([0, 1, 2, 100, 101], dtype), shape).astype(dtype)
    if kind == "wild":
        limits = np.iinfo(native) if dtype.kind in "iu" else None
        for value in (np.nan, np.inf, -np.inf) if limits is None else (limits.min, limits.max, limits.max // 2 + 2):
            image[rng.random(shape) < 0.01] = value
    return image


def examples(number: int) -> settings:
    """Try so many examples in the quick profile, and in proportion in others."""
    return settings(max_examples=max(1, number * settings.default.max_examples // 40))


@st.composite
def images(
    draw: st.DrawFn,
    dtypes: Sequence[Any] = DTYPES,
    *,
    most: int = 70**3,
    kinds: Sequence[str] = ("full", "few", "wild"),
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Draw an image of 2 to 4 dimensions with sizes from 1 to 70 (`most` pixels), and a factor for each axis."""
    ndim = draw(st.integers(2, 4))
    sizes: list[int] = []
    for _ in range(min(ndim, 3)):
        sizes.append(draw(st.integers(1, max(1, min(70, most // math.prod(sizes))))))
    leading = [draw(st.integers(1, 3))] * (ndim - 3)
    factors = draw(st.tuples(*[st.sampled_from([1, 2, 2, 3, 4, 5, 7])] * len(sizes)))
    shape = [*leading, *draw(st.permutations(sizes))]
    image = pixels(shape, draw(st.sampled_from(dtypes)), draw(st.integers(0, 999)), draw(st.sampled_from(kinds)))
    return image, (*[1] * len(leading), *factors)


@st.composite
def chunked(draw: st.DrawFn, image: np.ndarray, most: int = 60) -> da.Array:
    """Draw chunks for an image, regular or not, at most about `most` of them."""
    chunks, room = [], most
    for size in image.shape:
        cuts: Any = draw(
            st.integers(max(1, -(-size // room)), size).map(lambda c, n=size: range(c, n, c))
            | st.sets(st.integers(1, size), max_size=min(3, room - 1))
        )
        chunks.append(tuple(int(n) for n in np.diff(sorted({0, size, *cuts}))))
        room = max(1, room // len(chunks[-1]))
    return da.from_array(image, chunks=tuple(chunks))


def same_bits(a: Any, b: Any) -> bool:
    """Say whether two arrays have the same shape, the same dtype and the same bytes (any NaN is like any other)."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind == "f":
        a, b = (np.where(np.isnan(x), np.array(np.nan, x.dtype), x).astype(x.dtype) for x in (a, b))
    return a.tobytes() == b.tobytes()
