"""The scale bar: how long it is, what it says, and how it is drawn."""

from __future__ import annotations

import math
from typing import Any

import attrs
import numpy as np

from ..pixels import Array
from ..spec import in_meters

_SHARE = 0.2  # of the width of the picture
_METERS = {3: "km", 0: "m", -3: "mm", -6: "µm", -9: "nm", -12: "pm"}


@attrs.frozen
class Bar:
    """A scale bar: its length in pixels of the picture, and what stands above it."""

    pixels: float
    text: str


def bar_for(width: int, pixel: float, unit: str | None) -> Bar:
    """Choose 1, 2 or 5 times a power of ten, as near to a fifth of the picture as can be.

    Args:
        width: of the picture, in pixels. pixel: size of a pixel, in `unit`. unit: such as "micrometer"; None: pixels.
    """
    metric = unit == "angstrom" or (unit or "").endswith("meter")
    if metric:
        pixel = in_meters(pixel, unit)
    wanted = width * pixel * _SHARE
    power = math.floor(math.log10(wanted))
    step = min((1, 2, 5, 10), key=lambda step: abs(math.log10(wanted) - power - math.log10(step)))
    length = float(f"{step}e{power}")
    if not metric:
        return Bar(length / pixel, f"{length:g} {unit or 'px'}")
    exponent = min(max(3 * math.floor(math.log10(length * 1.001) / 3), -12), 3)
    return Bar(length / pixel, f"{length / 10.0**exponent:g} {_METERS[exponent]}")


def draw_bar(rgb: Array, bar: Bar) -> Array:
    """Draw a bar into the lower right corner, white in a soft shadow; a picture without room for it stays as it is.

    Args:
        rgb: uint8 of shape (height, width, 3).

    Returns:
        A new picture.
    """
    from PIL import Image, ImageDraw, ImageFilter, ImageFont

    height, width = rgb.shape[:2]
    size = max(13, round(math.hypot(height, width) / 36))
    thick, margin = max(2, round(size / 5)), round(size * 0.9)
    length = max(1, round(bar.pixels))
    font = ImageFont.load_default(size)
    across = font.getlength(_ascii(bar.text))
    if height < 4 * size or width < max(length, across) + 2 * margin:
        return rgb.copy()
    mask = Image.new("L", (width, height))
    draw = ImageDraw.Draw(mask)
    right, bottom = width - margin, height - margin
    draw.rectangle((right - length, bottom - thick, right - 1, bottom - 1), fill=255)
    left = round(min(right - length / 2 - across / 2, right - across))
    baseline = round(bottom - thick - size * 0.5)
    draw_words(mask, (left, baseline), bar.text, size)
    shadow = mask.filter(ImageFilter.MaxFilter(3)).filter(ImageFilter.GaussianBlur(size / 12))
    light, dark = (np.asarray(layer, np.float32)[..., None] / 255 for layer in (mask, shadow))
    drawn = rgb * (1 - 0.8 * np.minimum(1.5 * dark, 1)) * (1 - light) + 255 * light
    return np.rint(drawn).astype(np.uint8)


def draw_words(mask: Any, at: tuple[int, int], text: str, size: int) -> None:
    """Write words, from the left and above a baseline, into a picture of one channel."""
    from PIL import ImageChops, ImageDraw, ImageFont

    font, (left, baseline) = ImageFont.load_default(size), at
    ImageDraw.Draw(mask).text((left, baseline), _ascii(text), fill=255, font=font, anchor="ls")
    if "µ" in text:  # the font that comes with Pillow has none: the left stem of the "u" is made longer
        stem_at = left + round(font.getlength(_ascii(text.partition("µ")[0])))
        half, middle = round(font.getlength("u") / 2), baseline - round(size * 0.27)
        stem = mask.crop((stem_at, middle, stem_at + half, middle + 1)).resize((half, round(size * 0.5)))
        below = mask.crop((stem_at, middle, stem_at + half, middle + stem.height))
        mask.paste(ImageChops.lighter(stem, below), (stem_at, middle))


def _ascii(text: str) -> str:
    return text.replace("µ", "u")
