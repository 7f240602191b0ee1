"""A pyramidal OME-TIFF, written tile by tile: no more of the image is in memory than the memory target allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..config import config
from ..pixels import Box, LazyArray, Method, Slices, bundle, reduce_whole, slices, tiles
from ..spec import SPACE_UNITS, short_unit
from ..store import scratch_folder
from ..text import warn
from .files import MappedArray

COMPRESSIONS = ("zlib", "lzw", "zstd", "none")
_TILE = 512
_BUFFER = 2**24  # bytes that are decoded, or compressed, at once


@attrs.frozen(eq=False)
class Crop(LazyArray):
    """A box of another array, and how that is best read: by whole chunks, none larger than has to be decoded."""

    source: Any
    box: Box

    @property
    def origin(self) -> Any:
        return getattr(self.source, "origin", self.source)

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(high - low for low, high in self.box)

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        dtype: np.dtype[Any] = self.source.dtype
        return dtype

    @property
    def chunks(self) -> tuple[int, ...]:  # type: ignore[override]
        planes = (1,) * len(self.box[:-2]) + tuple(self.source.shape[-2:])
        lengths = getattr(self.source, "inner", self.source.chunks) or planes
        return tuple(map(min, lengths, self.source.shape))

    def at(self, box: Box) -> NDArray[Any]:
        """Read a box of the other array."""
        return np.asarray(self.source[slices(box)])

    def read(self, box: Slices) -> NDArray[Any]:
        return self.at(tuple((s.start + low, s.stop + low) for s, (low, _) in zip(box, self.box, strict=True)))


@attrs.frozen(eq=False)
class Recast(Crop):
    """A box of an array whose values all fit into a smaller type."""

    to: np.dtype[Any]

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.to

    def at(self, box: Box) -> NDArray[Any]:
        return super().at(box).astype(self.to)


def _tile(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(min(_TILE, -(-n // 16) * 16) for n in shape[-2:])


@attrs.frozen(eq=False)
class TiffImage:
    """Hold what is written into one file.

    Attributes:
        name: of the image. axes: its letters, a part of "tczyx". data: its pixels.
        coarser: levels that exist already. method: makes those that do not, each half as large in y and x.
        scale, start: pixel size and position of the first pixel by axis. units: by axis, where they are known.
        channel_names, channel_colors: one for each channel, or none.
    """

    name: str
    axes: str
    data: Crop
    coarser: Sequence[Crop]
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

    def outline(self) -> dict[str, Any]:
        """Return what would be written, as JSON has it, like `Request.outline`."""
        shape = self.data.shape
        made = [(*shape[:-2], *(-(-n // 2**k) for n in shape[-2:])) for k in range(1, self.made + 1)]
        shapes = [shape, *(crop.shape for crop in self.coarser), *made]
        axes = [
            {"name": axis, "size": size, "scale": self.scale.get(axis), "unit": self.units.get(axis)}
            for axis, size in zip(self.axes, shape, strict=True)
        ]
        levels = [
            {"path": str(k), "shape": each, "chunks": _tile(each), "shards": None} for k, each in enumerate(shapes)
        ]
        names = list(self.channel_names)
        return {"name": self.name, "dtype": str(self.data.dtype), "axes": axes, "levels": levels, "channels": names}

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
                        levels.append(self._opened(levels[-1].shape, spools[k - 1]))
                    spool = spools[k] if k < len(spools) else None
                    said: dict[str, Any] = {"subfiletype": 1, "metadata": None}
                    if k == 0:
                        said = {"subifds": len(self.coarser) + len(spools), "metadata": self.metadata()}
                    tile = _tile(levels[k].shape)
                    pieces = self._tiles(
                        levels[k], tile, spool, Path(folder) / "layer", advance if k == 0 else lambda: None
                    )
                    with closing(pieces):  # tifffile takes the last tile, and does not ask for more
                        tiff.write(pieces, shape=levels[k].shape, tile=tile, **said, **options)
                    if 0 < k <= len(spools):
                        spools[k - 1].unlink()
            new.replace(place)
        finally:
            remove()
            new.unlink(missing_ok=True)

    def _opened(self, shape: Sequence[int], spool: Path) -> Crop:
        """Open the level that was made while the one before it was written."""
        halves = (*shape[:-2], *(-(-n // 2) for n in shape[-2:]))
        return Crop(MappedArray(str(spool), halves, self.data.dtype), tuple((0, n) for n in halves))

    def _tiles(
        self, level: Crop, tile: tuple[int, ...], spool: Path | None, layer: Path, advance: Callable[[], None]
    ) -> Generator[NDArray[Any], None, None]:
        """Yield the tiles of a level, plane by plane; what halves of it make is written to a file on the way."""
        height, width = tile
        rows = 0
        with nullcontext() if spool is None else open(spool, "wb") as made:
            for part in _parts(level, height, layer):
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


def _parts(level: Crop, tile: int, spool: Path) -> Iterator[NDArray[Any]]:
    """Yield whole planes in their order, or, where one has no room, rows of it; each chunk is read once.

    Args:
        level: pixels whose last dimensions are y and x. tile: each part but the last of a plane has a multiple of so
            many rows. spool: a file for the planes of one layer of chunks, where these have no room together.
    """
    *outer, rows, columns = level.box
    room = config.memory_target // 4
    row = (columns[1] - columns[0]) * level.dtype.itemsize
    plane = (rows[1] - rows[0]) * row
    thick = (*(1 for _ in outer[:-1]), *level.chunks[-3:-2])
    for place in tiles(tuple(outer), thick):
        box, deep = (*place, rows, columns), math.prod(high - low for low, high in place)
        if deep * plane <= room:
            yield from _read(level, box).reshape(deep, -1, columns[1] - columns[0])
        elif deep > 1:
            yield from _spooled(level, box, spool, room // row // tile * tile or tile)
        else:
            together = math.lcm(tile, level.chunks[-2])
            some = room // row // together * together or room // row // tile * tile or tile
            for low in range(*rows, some):
                part = (*box[:-2], (low, min(low + some, rows[1])), columns)
                yield _read(level, part).reshape(-1, columns[1] - columns[0])


def _cells(level: Crop, box: Box) -> Iterator[Box]:
    """Cut a box into whole chunks, as many together as may be decoded at once: each is held whole meanwhile."""
    return tiles(box, bundle(level.chunks, level.source.shape, _BUFFER // level.dtype.itemsize))


def _read(level: Crop, box: Box) -> NDArray[Any]:
    out = np.empty([high - low for low, high in box], level.dtype)
    for cell in _cells(level, box):
        inside = tuple(slice(a - low, b - low) for (a, b), (low, _) in zip(cell, box, strict=True))
        out[inside] = level.at(cell)
    return out


def _spooled(level: Crop, box: Box, spool: Path, rows: int) -> Iterator[NDArray[Any]]:
    """Write the cells of a layer one after the other into a file, and yield its planes, so many rows at a time."""
    *_, (low, high), (top, bottom), (left, right) = box
    written: list[tuple[Box, int]] = []
    with open(spool, "w+b", buffering=0) as file:
        for cell in _cells(level, box):
            written.append((cell[-2:], file.tell()))
            file.write(np.ascontiguousarray(level.at(cell)).data)
        for z in range(high - low):
            for first in range(top, bottom, rows):
                last = min(first + rows, bottom)
                out = np.empty((last - first, right - left), level.dtype)
                for ((a, b), (c, d)), offset in written:
                    start, stop = max(a, first), min(b, last)
                    if start < stop:
                        at = offset + ((z * (b - a) + start - a) * (d - c)) * level.dtype.itemsize
                        file.seek(at)
                        found = np.fromfile(file, level.dtype, (stop - start) * (d - c))
                        out[start - first : stop - first, c - left : d - left] = found.reshape(stop - start, d - c)
                yield out
