"""How the pixels of a channel are distributed: a histogram and its numbers, from what can be read at once."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from ..pixels import Array
from .contrast import SAMPLE_BYTES, Window, parse_color, sample
from .markup import Html, tag
from .planes import Plane
from .protocols import PyramidLike

_BINS, _WIDTH, _HEIGHT = 128, 384, 110
_PERCENTILES = (0.1, 50, 99.9)


@attrs.frozen(eq=False)
class Distribution:
    """Numbers of the pixels of a channel; the edges of `counts` go evenly from `least` to `greatest`.

    Attributes:
        percentiles: the 0.1th, the 50th, and the 99.9th.
        zero, full: shares of pixels that are 0, and that are the greatest value of an integer type. lost: not finite.
    """

    counts: Array
    least: float
    greatest: float
    mean: float
    percentiles: tuple[float, ...]
    zero: float
    full: float
    lost: int

    @classmethod
    def of(cls, pixels: Array) -> Distribution | None:
        """Measure pixels; None where none of them is a finite number."""
        flat, kind = pixels.reshape(-1), pixels.dtype.kind
        if kind == "b":
            flat = flat.astype(np.uint8)
        finite = flat[np.isfinite(flat)] if kind == "f" else flat
        if not finite.size:
            return None
        values = finite.astype(np.float64)
        least, greatest = float(values.min()), float(values.max())
        bins = _BINS if kind == "f" else int(min(_BINS, greatest - least + 1))
        half = values / 2  # whose range float64 can always tell
        told = bins > 1 and half.min() < half.min() + (half.max() - half.min()) / bins < half.max()
        counts = np.histogram(half, bins)[0] if told else np.array([half.size])
        ends = np.percentile(values, _PERCENTILES, method="nearest")
        top = np.iinfo(flat.dtype).max if kind in "iu" else None
        full = float((finite == top).mean()) if top is not None else 0.0
        percentiles = tuple(map(float, ends))
        mean = float(half.mean()) * 2
        return cls(
            counts, least, greatest, mean, percentiles, float((finite == 0).mean()), full, flat.size - finite.size
        )

    def facts(self) -> dict[str, str]:
        """Return the numbers in words."""
        low, middle, high = self.percentiles
        return {
            "from, to": f"{self.least:.6g}, {self.greatest:.6g}",
            "mean": f"{self.mean:.6g}",
            "0.1 %, 50 %, 99.9 %": f"{low:.6g}, {middle:.6g}, {high:.6g}",
            "0": f"{self.zero:.2%} of the pixels" if self.zero else "",
            "greatest of the type": f"{self.full:.2%} of the pixels" if self.full else "",
            "NaN or infinite": f"{self.lost:,} pixels" if self.lost else "",
        }

    def svg(self, color: Any, window: Window | None) -> Html:
        """Draw the histogram, its heights as logarithms; what lies between the ends of a window is shaded."""
        span = self.greatest - self.least
        heights = np.log1p(self.counts) / np.log1p(self.counts.max()) * (_HEIGHT - 6)
        wide = _WIDTH / len(heights)
        parts = []
        if window is not None and span > 0:
            start, end = (float(np.clip((x - self.least) / span, 0, 1)) * _WIDTH for x in sorted(window))
            parts = [tag("rect", x=f"{start:.1f}", y=0, width=f"{end - start:.1f}", height=_HEIGHT, class_="part")]
            parts += [tag("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=0, y2=_HEIGHT) for x in (start, end)]
        fill = "rgb({}, {}, {})".format(*parse_color(color)) if parse_color(color) != (255, 255, 255) else "#8a949e"
        for i, high in enumerate(heights):
            if high:
                x, y = f"{i * wide:.1f}", f"{_HEIGHT - high:.1f}"
                parts.append(tag("rect", x=x, y=y, width=f"{wide:.1f}", height=f"{high:.1f}", fill=fill))
        return tag("svg", *parts, width=_WIDTH, height=_HEIGHT, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img")


def measured(image: PyramidLike, time: int, most: int) -> tuple[str, list[Distribution | None]]:
    """Measure channels, `most` of them, in the finest level of which a time point is at most 16 MiB.

    Returns:
        Where the pixels are from, in words, and what was measured of each channel.
    """
    planes = [Plane.of(image, k) for k in range(len(image.images))]
    sizes = [plane.bytes_read("max", plane.length("c")) for plane in planes]
    number = next((k for k, size in enumerate(sizes) if size <= SAMPLE_BYTES), len(planes) - 1)
    plane = planes[number]
    found, whole = [], True
    for channel in range(min(most, plane.length("c"))):
        lazy = plane.volume(time=time, channel=channel)
        pixels = sample(lazy, None)
        whole = whole and pixels.shape == lazy.shape
        found.append(Distribution.of(pixels))
    words = f"level {number} of 0 to {len(planes) - 1}" + ("" if whole else ", of which the middle was read")
    words += f", time point {time}" if plane.length("t") > 1 else ""
    return words, found
