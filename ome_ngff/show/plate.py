"""The picture of a plate: its wells in rows and columns, with their names, and those without images crossed out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

import numpy as np

from ..pixels import Array
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


def look_at_plate(plate: PlateLike, **words: Any) -> Preview:
    """Paint a plate; the words are those of `look`."""
    view = look(plate.image, size=_SIZE, **words)
    rest = "; ".join(part for part in str(view).split("; ")[1:])
    rows, columns = len(plate.rows), len(plate.columns)
    empty = rows * columns - len(plate.filled)
    text = f"{plate.text}; {empty} wells without" + (f"; {rest}" if rest else "")
    return Preview(frame(view.paint().pixels, plate.rows, plate.columns, plate.filled), text)


def frame(rgb: Array, rows: Sequence[str], columns: Sequence[str], filled: Collection[tuple[int, int]]) -> Array:
    """Draw lines between wells, the names of rows and columns, and a cross over wells without images.

    Args:
        rgb: uint8 of shape (height, width, 3), the wells side by side.
        rows, columns: names. filled: row and column of the wells with images.

    Returns:
        A larger picture.
    """
    from PIL import Image, ImageDraw, ImageFont

    height, width = rgb.shape[:2]
    ys, xs = (np.linspace(0, n, len(names) + 1) for n, names in ((height, rows), (width, columns)))
    tall, wide = height / len(rows), width / len(columns)
    size = int(np.clip(min(tall, wide) * 0.4, 9, 22))
    font: Any = ImageFont.load_default(size)
    left = round(max(font.getlength(name) for name in rows) + size)
    picture = Image.new("RGB", (left + width + 1, round(2 * size) + height + 1), (_PAPER,) * 3)
    top = round(2 * size)
    picture.paste(Image.fromarray(rgb), (left, top))
    draw = ImageDraw.Draw(picture)
    for row in range(len(rows)):
        for column in range(len(columns)):
            if (row, column) not in filled:
                box = (left + xs[column], top + ys[row], left + xs[column + 1], top + ys[row + 1])
                draw.rectangle(box, fill=(_PAPER,) * 3)
                draw.line(box, fill=(_EMPTY,) * 3)
                draw.line((box[0], box[3], box[2], box[1]), fill=(_EMPTY,) * 3)
    for y in ys:
        draw.line((left, top + y, left + width, top + y), fill=(_LINE,) * 3)
    for x in xs:
        draw.line((left + x, top, left + x, top + height), fill=(_LINE,) * 3)
    step = max(1, int(np.ceil(max(font.getlength(name) for name in columns) * 1.2 / wide)))
    for i, name in enumerate(columns):
        if i % step == 0:
            draw.text((left + xs[i] + wide / 2, top / 2), name, fill=(_INK,) * 3, font=font, anchor="mm")
    step = max(1, int(np.ceil(size / tall)))
    for i, name in enumerate(rows):
        if i % step == 0:
            draw.text((left / 2, top + ys[i] + tall / 2), name, fill=(_INK,) * 3, font=font, anchor="mm")
    return np.asarray(picture)
