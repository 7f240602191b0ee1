"""The picture of a plate: its wells in rows and columns, with their names, and those without images crossed out."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, Protocol

import numpy as np

from ..pixels import Array
from .bar import Bar, bar_for, draw_words
from .preview import Preview
from .protocols import PyramidLike
from .view import look

_SIZE = 1024  # pixels that the longer side of the picture has at least, where there are as many
_PAPER, _INK, _LINE, _EMPTY = 24, 230, 90, 70


class PlateLike(Protocol):
    """A plate that is seen, as `Overview` has it."""

    @property
    def image(self) -> PyramidLike:
        """Wells side by side."""

    @property
    def rows(self) -> Sequence[str]:
        """Names of the rows."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns."""

    @property
    def filled(self) -> Collection[tuple[int, int]]:
        """Row and column of the wells that are seen."""

    @property
    def text(self) -> str:
        """What is seen, in words."""


def look_at_plate(plate: PlateLike, *, bar: bool = True, **words: Any) -> Preview:
    """Paint a plate; the words are those of `look`."""
    view = look(plate.image, size=_SIZE, bar=False, **words)
    rgb = view.paint().pixels
    length = None
    if bar:  # half as long as a well is wide: beyond that, wells do not lie as they do on the plate
        size, unit = view.plane.pixel("x")
        width = rgb.shape[1]
        length = bar_for(max(1, round(2.5 * width / len(plate.columns))), size * view.plane.length("x") / width, unit)
    empty = len(plate.rows) * len(plate.columns) - len(plate.filled)
    parts = [f"{plate.text}; {empty} wells without", *str(view).split("; ")[1:]]
    parts += [f"the bar is {length.text}"] if length else []
    return Preview(frame(rgb, plate.rows, plate.columns, plate.filled, length), "; ".join(parts))


def frame(
    rgb: Array, rows: Sequence[str], columns: Sequence[str], filled: Collection[tuple[int, int]], bar: Bar | None
) -> Array:
    """Draw lines between wells, the names of rows and columns, and a cross over wells without images.

    Args:
        rgb: uint8 of shape (height, width, 3), the wells side by side.
        rows, columns: names. filled: row and column of the wells with images. bar: drawn below.

    Returns:
        A larger picture.
    """
    from PIL import Image, ImageDraw, ImageFont

    height, width = rgb.shape[:2]
    tall, wide = height / len(rows), width / len(columns)
    size = int(np.clip(min(tall, wide) * 0.4, 9, 22))
    font: Any = ImageFont.load_default(size)
    left, top = round(max(map(font.getlength, rows)) + size), round(2 * size)
    picture = Image.new("RGB", (left + width + 1, top + height + 1 + (top if bar else 0)), (_PAPER,) * 3)
    picture.paste(Image.fromarray(rgb), (left, top))
    draw = ImageDraw.Draw(picture)
    ys = (top + np.linspace(0, height, len(rows) + 1)).tolist()
    xs = (left + np.linspace(0, width, len(columns) + 1)).tolist()
    for row, column in np.ndindex(len(rows), len(columns)):
        if (row, column) not in filled:
            box = (xs[column], ys[row], xs[column + 1], ys[row + 1])
            draw.rectangle(box, fill=(_PAPER,) * 3)
            draw.line(box, fill=(_EMPTY,) * 3)
            draw.line((box[0], box[3], box[2], box[1]), fill=(_EMPTY,) * 3)
    for y in ys:
        draw.line((left, y, left + width, y), fill=(_LINE,) * 3)
    for x in xs:
        draw.line((x, top, x, top + height), fill=(_LINE,) * 3)
    for i in range(0, len(columns), max(1, math.ceil(max(map(font.getlength, columns)) * 1.2 / wide))):
        draw.text((xs[i] + wide / 2, top / 2), columns[i], fill=(_INK,) * 3, font=font, anchor="mm")
    for i in range(0, len(rows), max(1, math.ceil(size / tall))):
        draw.text((left / 2, ys[i] + tall / 2), rows[i], fill=(_INK,) * 3, font=font, anchor="mm")
    if bar is not None:
        baseline, start = round(ys[-1] + 1.4 * size), left + width - round(bar.pixels)
        draw.rectangle((start, baseline - size // 2, left + width - 1, baseline - size // 4), fill=(_INK,) * 3)
        mask = Image.new("L", picture.size)
        draw_words(mask, (round(start - font.getlength(bar.text) - size / 2), baseline), bar.text, size)
        picture.paste((_INK,) * 3, mask=mask)
    return np.asarray(picture)
