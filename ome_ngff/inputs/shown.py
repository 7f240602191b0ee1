"""What a file says of how its pixels are shown: turned by an orientation, or looked up in a palette."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..pixels import LazyArray, Slices
from .arrange import Facts

# Of each orientation of TIFF and EXIF: whether y and x change places, and whether y and x are then turned round.
_TURNS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


@attrs.frozen(eq=False)
class OrientedArray(LazyArray):
    """Turn an image as its orientation says, box by box.

    Attributes:
        source: the stored pixels. y: which of its dimensions is y; x is the next. orientation: 2 to 8.
    """

    source: Any
    y: int
    orientation: int

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self._swapped(tuple(self.source.shape))

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        dtype: np.dtype[Any] = self.source.dtype
        return dtype

    @property
    def chunks(self) -> tuple[int, ...] | None:  # type: ignore[override]
        return None if self.source.chunks is None else self._swapped(tuple(self.source.chunks))

    @property
    def origin(self) -> Any:
        return self.source.origin

    def _swapped(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if not _TURNS[self.orientation][0]:
            return values
        return (*values[: self.y], values[self.y + 1], values[self.y], *values[self.y + 2 :])

    def read(self, box: Slices) -> NDArray[Any]:
        swap, *turned = _TURNS[self.orientation]
        inside = list(box)
        for axis, turn in zip((self.y, self.y + 1), turned, strict=True):
            if turn:
                size = self.shape[axis]
                inside[axis] = slice(size - box[axis].stop, size - box[axis].start)
        pixels = self.source.read(self._swapped(tuple(inside)))
        pixels = pixels.swapaxes(self.y, self.y + 1) if swap else pixels
        flipped = (axis for axis, turn in zip((self.y, self.y + 1), turned, strict=True) if turn)
        return np.flip(pixels, tuple(flipped))


def oriented(data: Any, orientation: Any, y: int, facts: Facts) -> tuple[Any, Facts]:
    """Return pixels, and what is known of them along y and x, as an orientation says; unchanged for any other value."""
    if orientation not in _TURNS:
        return data, facts
    if _TURNS[orientation][0]:
        names = {"y": "x", "x": "y"}
        swapped: dict[str, Any] = {
            field: {names.get(axis, axis): value for axis, value in getattr(facts, field).items()}
            for field in ("scale", "translation", "units", "orientations")
        }
        facts = attrs.evolve(facts, **swapped)
    return OrientedArray(data, y, int(orientation)), facts


@attrs.frozen(eq=False)
class PaletteArray(LazyArray):
    """Look indices up in a palette; red, green and blue become the last dimension.

    Attributes:
        source: the indices. table: three bytes for each.
    """

    source: Any
    table: bytes = attrs.field(repr=False)
    dtype = np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (*self.source.shape, 3)

    @property
    def chunks(self) -> tuple[int, ...] | None:  # type: ignore[override]
        return None if self.source.chunks is None else (*self.source.chunks, 3)

    @property
    def origin(self) -> Any:
        return self.source.origin

    def read(self, box: Slices) -> NDArray[Any]:
        table = np.frombuffer(self.table, np.uint8).reshape(-1, 3)
        indices = self.source.read(box[:-1])
        pixels: NDArray[Any] = table[np.minimum(indices, len(table) - 1)]
        return pixels[..., box[-1]]


def palette_of(colormap: Any) -> bytes:
    """Return a TIFF colour map, of shape (3, N) in 16 bits, as a table of bytes.

    "The minimum intensity value is 0 and the maximum is 65535" (TIFF 6.0, page 38); some programs stop at 255.
    """
    values = np.asarray(colormap)
    return (values if values.max() < 256 else values >> 8).astype(np.uint8).T.tobytes()
