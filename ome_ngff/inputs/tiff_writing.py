"""A pyramidal OME-TIFF, written tile by tile: no more of the image is in memory than the memory target allows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..config import config
from ..pixels import Method, reduce_whole
from ..spec import SPACE_UNITS, short_unit
from ..store import scratch_folder
from ..text import warn
from .files import MappedArray

COMPRESSIONS = ("zlib", "lzw", "zstd", "none")
_TILE = 512
_BUFFER = 2**25  # bytes that are compressed at once


@attrs.frozen(eq=False)
class TiffImage:
    """Hold what is written into one file.

    Attributes:
        name: of the image. axes: its letters, a part of "tczyx". data: its pixels, anything that can be sliced.
        coarser: levels that exist already. method: makes those that do not, each half as large in y and x.
        scale, start: pixel size and position of the first pixel by axis. units: by axis, where they are known.
        channel_names, channel_colors: one for each channel, or none.
    """

    name: str
    axes: str
    data: Any
    coarser: Sequence[Any]
    method: Method
    scale: Mapping[str, float]
    start: Mapping[str, float]
    units: Mapping[str, str]
    channel_names: Sequence[str]
    channel_colors: Sequence[str]

    @property
    def planes(self) -> int:
        return math.prod(self.data.shape[:-2])

    @property
    def nbytes(self) -> int:
        return int(math.prod(self.data.shape) * self.data.dtype.itemsize)

    @property
    def made(self) -> int:
        """Number of levels that have to be made."""
        longest = max(self.data.shape[-2:])
        return 0 if self.coarser else max(0, math.ceil(math.log2(longest / _TILE)))

    def write(self, place: Path, compression: str, advance: Callable[[], None]) -> None:
        """Write the file; it is at its place once it is whole. `advance` is called after each plane."""
        import tifffile

        new = place.with_name(f".{place.name}.partial")
        packing = {} if compression == "none" else {"compression": compression}
        if packing and self.data.dtype.kind in "iu":
            packing["predictor"] = True  # type: ignore[assignment]
        options: dict[str, Any] = {
            **packing, "photometric": "minisblack", "buffersize": _BUFFER, "dtype": self.data.dtype
        }  # fmt: skip
        folder, remove = scratch_folder()
        try:
            with tifffile.TiffWriter(new, ome=True, bigtiff=self.nbytes > 2**31) as tiff:
                levels = [self.data, *self.coarser]
                spools = [Path(folder) / str(k) for k in range(1, self.made + 1)]
                for k in range(len(levels) + len(spools)):
                    if k >= len(levels):
                        levels.append(self._spooled(levels[-1].shape, spools[k - 1]))
                    spool = spools[k] if k < len(spools) else None
                    said: dict[str, Any] = {"subfiletype": 1, "metadata": None}
                    if k == 0:
                        said = {"subifds": len(self.coarser) + len(spools), "metadata": self.metadata()}
                    tile = tuple(min(_TILE, -(-n // 16) * 16) for n in levels[k].shape[-2:])
                    pieces = self._tiles(levels[k], tile, spool, advance if k == 0 else lambda: None)
                    with closing(pieces):  # tifffile takes the last tile, and does not ask for more
                        tiff.write(pieces, shape=levels[k].shape, tile=tile, **said, **options)
                    if 0 < k <= len(spools):
                        spools[k - 1].unlink()
            new.replace(place)
        finally:
            remove()
            new.unlink(missing_ok=True)

    def _spooled(self, shape: Sequence[int], spool: Path) -> MappedArray:
        """Open the level that was made while the one before it was written."""
        halves = (*shape[:-2], *(-(-n // 2) for n in shape[-2:]))
        return MappedArray(str(spool), halves, self.data.dtype)

    def _tiles(
        self, level: Any, tile: tuple[int, ...], spool: Path | None, advance: Callable[[], None]
    ) -> Generator[NDArray[Any], None, None]:
        """Yield the tiles of a level, plane by plane; what halves of it make is written to a file on the way."""
        height, width = tile
        rows = 0
        with nullcontext() if spool is None else open(spool, "wb") as made:
            for part in _parts(level, height):
                if made is not None:
                    reduce_whole(part, (2, 2), self.method).tofile(made)
                rows += part.shape[0]
                if rows == level.shape[-2]:
                    rows = 0
                    advance()
                for low in range(0, part.shape[0], height):
                    for left in range(0, part.shape[1], width):
                        cut = part[low : low + height, left : left + width]
                        padding = [(0, n - m) for n, m in zip(tile, cut.shape, strict=True)]
                        yield np.pad(cut, padding) if cut.shape != tile else np.ascontiguousarray(cut)

    def metadata(self) -> dict[str, Any]:
        """Return what is said of the image, in the words of OME-XML."""
        said: dict[str, Any] = {"axes": self.axes.upper(), "Name": self.name}
        for axis in self.axes:
            size, unit = self.scale[axis], self.units.get(axis)
            if axis == "c" or (size == 1 and unit is None):
                continue
            if axis == "t" and unit is None:
                warn(f"The time step of {self.name!r} has no unit, which OME-TIFF needs; it is left out.")
                continue
            key = "TimeIncrement" if axis == "t" else f"PhysicalSize{axis.upper()}"
            said |= {key: size, f"{key}Unit": short_unit(unit) if unit else "reference frame"}
        channels = self.data.shape[self.axes.index("c")] if "c" in self.axes else 1
        channel: dict[str, Any] = {}
        if len(self.channel_names) == channels:
            channel["Name"] = list(self.channel_names)
        if len(self.channel_colors) == channels:
            codes = [bytes.fromhex(f"{color.lstrip('#')}FF") for color in self.channel_colors]
            channel["Color"] = [int.from_bytes(code, "big", signed=True) for code in codes]
        positions = self._positions()
        return {**said, **({"Channel": channel} if channel else {}), **({"Plane": positions} if positions else {})}

    def _positions(self) -> dict[str, list[Any]]:
        """Return where each plane lies, along the axes whose first pixel does not lie at 0."""
        found: dict[str, list[Any]] = {}
        outer = self.data.shape[:-2]
        for axis in "zyx":
            start, unit = self.start.get(axis, 0.0), self.units.get(axis)
            if not start:
                continue
            if unit not in SPACE_UNITS:
                warn(f"The position of {self.name!r} along {axis} has no unit, which OME-TIFF needs; it is left out.")
                continue
            step = self.scale[axis] if axis == "z" else 0.0
            at = self.axes.index("z") if axis == "z" else None
            steps = [place[at] if at is not None else 0 for place in np.ndindex(*outer)]
            key = f"Position{axis.upper()}"
            found[key] = [start + step * k for k in steps]
            found[f"{key}Unit"] = [short_unit(unit)] * len(steps)
        return found


def _parts(level: Any, tile: int) -> Iterator[NDArray[Any]]:
    """Yield whole planes in their order, or, where one has no room, rows of it; each chunk is read once where it can.

    Args:
        level: pixels whose last dimensions are y and x. tile: rows that each part but the last of a plane is whole
            multiples of, and of 2.
    """
    *outer, height, width = level.shape
    room = config.memory_target // 4
    chunks = tuple(level.chunks or (1,) * len(level.shape))
    row = width * level.dtype.itemsize
    if height * row > room:
        rows = room // row
        together = math.lcm(tile, min(chunks[-2], height))
        rows = rows // together * together or rows // tile * tile or tile
        for place in np.ndindex(*outer):
            for low in range(0, height, rows):
                yield np.asarray(level[(*place, slice(low, low + rows))])
    elif not outer:
        yield np.asarray(level[...])
    else:
        depth = min(chunks[-3], room // (height * row))
        cells = range(0, outer[-1], chunks[-3])
        starts = [z for cell in cells for z in range(cell, min(cell + chunks[-3], outer[-1]), depth)]
        for place in np.ndindex(*outer[:-1]):
            for low, high in itertools.pairwise([*starts, outer[-1]]):
                yield from np.asarray(level[(*place, slice(low, high))])
