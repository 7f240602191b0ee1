"""TIFF of every kind (OME-TIFF, ImageJ, tiled, pyramidal, BigTIFF), strip by strip and tile by tile."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import AxesError, InputError
from ..image import NgffImage
from ..pixels import Slices, native
from ..text import silent
from .arrange import arranged, named_axes
from .files import FileArray, MappedArray, OpenFile, Stamp, planes_in, stamp_of
from .inside import Inside
from .npy import number_of, refuse_records
from .shown import PaletteArray, oriented, palette_of
from .tiff_facts import facts_of
from .tiff_files import opened, opening, refuse_cut, refuse_undecodable, tell_gaps
from .tiff_scifio import scifio_shape

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage, TiffPageSeries


_PALETTE = 3
_COLOR = (2, 6)  # RGB and YCbCr; the samples of other pages are channels like any other


@attrs.frozen(eq=False, slots=False)
class _OpenTiff(OpenFile):
    """Parse a file once for the arrays of all its series.

    Attributes:
        companion: path of the OME-XML where that is a file of its own; else empty.
    """

    companion: str

    @classmethod
    def of(cls, array: TiffArray) -> _OpenTiff:
        key = (array.path, array.stamp, array.companion)
        return _OPEN.setdefault(key, cls(*key))

    def _open(self) -> tuple[Any, Callable[[], Any]]:
        from tifffile import FileCache

        tiff = opened(self.path, self.companion)
        tiff.filehandle.set_lock(True)
        files = FileCache(lock=tiff.filehandle.lock)

        def close() -> None:
            files.clear()
            tiff.close()

        return ([series.levels[0] for series in tiff.series], files), close


_OPEN = WeakValueDictionary[tuple[str, Stamp, str], _OpenTiff]()


@attrs.frozen(eq=False, slots=False)
class TiffArray(FileArray):
    """Decode the strips or tiles that a box touches, and no others; of plain pages read the rows.

    Attributes:
        series: index of the series in the file; of a pyramid the full resolution.
        companion: as in `_OpenTiff`.
    """

    series: int
    companion: str
    _file: _OpenTiff = attrs.field(init=False, repr=False, default=attrs.Factory(_OpenTiff.of, takes_self=True))

    def read(self, box: Slices) -> NDArray[Any]:
        every, files = self._file.opened()
        series = every[self.series]
        frames = len(self.shape) - len(series.keyframe.shape)
        out = np.empty([part.stop - part.start for part in box], self.dtype)
        for target, index in planes_in(box, self.shape[:frames]):
            try:
                _read_page(series, files, index, box[frames:], out[target])
            except Exception as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                raise InputError(f"Page {index} of {self.path} cannot be read: {reason}") from error
        return out if series.transform is None else np.asarray(series.transform(out), self.dtype)


def _read_page(series: TiffPageSeries, files: Any, index: int, box: Slices, out: NDArray[Any]) -> None:
    with files.lock:
        page = series[index]
    if page is None or page.keyframe is None:
        out[...] = series.keyframe.nodata
        return
    key: TiffPage = page.keyframe
    if key.is_final and _in_one_piece(page):
        _read_plain(page, files, box, out)
        return
    tables = {"jpegtables": page.jpegtables, "jpegheader": key.jpegheader}
    tables = {name: table for name, table in tables.items() if table is not None}
    lengths = _segment(key)
    counts = [-(-size // length) for size, length in zip(key.shape, lengths, strict=True)]
    numbers = (range(p.start // length, -(-p.stop // length)) for p, length in zip(box, lengths, strict=True))
    for place in itertools.product(*numbers):
        segment = int(np.ravel_multi_index(place, counts))
        starts = [at * length for at, length in zip(place, lengths, strict=True)]
        ends = [start + length for start, length in zip(starts, lengths, strict=True)]
        cut = [slice(max(p.start, a), min(p.stop, b)) for p, a, b in zip(box, starts, ends, strict=True)]
        target = out[tuple(slice(c.start - p.start, c.stop - p.start) for c, p in zip(cut, box, strict=True))]
        stored = segment < len(page.dataoffsets) and page.dataoffsets[segment] and page.databytecounts[segment]
        if not stored:
            target[...] = key.nodata
            continue
        raw = files.read(page.parent.filehandle, page.dataoffsets[segment], page.databytecounts[segment])
        try:
            pixels: Any = key.decode(raw, segment, **tables)[0]
        except Exception as error:
            raise ValueError(f"its {'tile' if key.is_tiled else 'strip'} {segment} is broken: {error}") from error
        # Decoded segments have the dimensions Z, Y, X, S; separate samples lie in segments of their own.
        local = {letter: slice(c.start - a, c.stop - a) for letter, c, a in zip(key.axes, cut, starts, strict=True)}
        if key.planarconfig == 2:
            local.pop("S", None)
        target[...] = pixels[tuple(local.get(letter, slice(0, 1)) for letter in "ZYXS")].reshape(target.shape)


def _in_one_piece(page: Any) -> bool:
    pairs = itertools.pairwise(zip(page.dataoffsets, page.databytecounts, strict=True))
    return bool(page.dataoffsets[0]) and all(offset + count == after for (offset, count), (after, _) in pairs)


def _read_plain(page: Any, files: Any, box: Slices, out: NDArray[Any]) -> None:
    """Read a box of a page that lies in the file as it is: its rows, and no others."""
    shape, dtype = page.keyframe.shape, np.dtype(page.parent.byteorder + page.keyframe.dtype.char)
    row = dtype.itemsize * math.prod(shape[1:])
    first, count = box[0].start, box[0].stop - box[0].start
    raw = files.read(page.parent.filehandle, page.dataoffsets[0] + first * row, count * row)
    out[...] = np.frombuffer(raw, dtype).reshape(count, *shape[1:])[(slice(None), *box[1:])]


def _segment(page: Any) -> tuple[int, ...]:
    """Return the shape of a strip or tile, in the dimensions of its page."""
    tile = (page.tiledepth, page.tilelength, page.tilewidth) if page.is_tiled else (1, page.rowsperstrip, 2**31)
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    lengths = dict(zip("ZYXS", (*tile, samples), strict=True))
    return tuple(min(lengths[letter], size) for letter, size in zip(page.axes, page.shape, strict=True))


def open_file(
    path: str, inner: str, series: int | str | None, axes: Sequence[str] | None, *, indices: bool = False
) -> NgffImage:
    """Open a series of a TIFF file; the first one by default. The indices of a palette stay where that is asked for.

    The page sequence of a plain TIFF ("I") becomes t, unless `axes` says. A dimension that the file leaves unnamed
    ("Q") is an error without `axes`.
    """
    with opening(path) as (tiff, path, companion):
        if not tiff.series:
            raise InputError(f"{path} is a TIFF file without images.")
        known = [f"{one.name}, {'x'.join(map(str, one.shape))}" for one in tiff.series]
        index = number_of(series, [str(one.name) for one in tiff.series], path, known)
        return _open_series(tiff, path, companion, index, axes, indices=indices)


def inside(path: str, inner: str) -> Iterator[Inside]:
    """Yield the series of a file, which is parsed once for all of them."""
    with opening(path) as (tiff, path, companion):
        for index, series in enumerate(tiff.series):
            yield Inside(partial(_open_series, tiff, path, companion, index), str(series.name), index)


def says_axes(path: str, series: int | str | None) -> bool:
    """Return whether a file says what its dimensions are, and not only that there is a sequence of pages."""
    with opening(path) as (tiff, path, _), silent():
        index = number_of(series, [str(one.name) for one in tiff.series], path, [])
        return not set(_shape_and_axes(tiff, index, None)[1]) & set("iq")


def _open_series(
    tiff: TiffFile, path: str, companion: str, index: int, axes: Sequence[str] | None, *, indices: bool = False
) -> NgffImage:
    chosen = tiff.series[index].levels[0]
    refuse_undecodable(chosen, path)
    refuse_cut(tiff, chosen, path)
    tell_gaps(tiff, index, path)
    shape, letters = _shape_and_axes(tiff, index, axes)
    refuse_records(chosen.dtype, path)
    data: Any = _array(chosen, path, index, shape, companion)
    facts = facts_of(tiff, index, path)
    if "yx" in letters:
        orientation = chosen.keyframe.tags.valueof("Orientation")
        data, facts = oriented(data, orientation, letters.index("yx"), facts)
    if not indices and _is_painted(tiff, chosen):
        data, letters = PaletteArray(data, palette_of(chosen.keyframe.colormap)), f"{letters}s"
        axes = (*axes, "s") if axes is not None and len(axes) == len(letters) - 1 else axes
    names = named_axes(axes, data.ndim, path, letters)
    names = names if axes is not None else _understood(names, data.shape, path, len(facts.channel_names or ()))
    if chosen.keyframe.photometric not in _COLOR and not isinstance(data, PaletteArray) and "c" not in names:
        names = tuple("c" if name == "s" else name for name in names)
    return arranged(data, names, path, facts)


def _is_painted(tiff: TiffFile, series: TiffPageSeries) -> bool:
    """Return whether a palette holds colours; microscopes and ImageJ use it to show intensities, which stay."""
    key: Any = series.keyframe
    measured = tiff.is_ome or tiff.is_imagej or tiff.is_lsm or tiff.is_stk or tiff.is_fluoview or tiff.is_nih
    if key.photometric != _PALETTE or key.colormap is None or measured or key.dtype.kind != "u":
        return False
    red, green, blue = np.asarray(key.colormap)
    return not (np.array_equal(red, green) and np.array_equal(green, blue) and np.all(np.diff(red.astype(int)) > 0))


def _shape_and_axes(tiff: TiffFile, index: int, axes: Sequence[str] | None) -> tuple[tuple[int, ...], str]:
    """Return shape and letters of a series, without its dimensions of length 1 unless the caller names them."""
    series: Any = tiff.series[index].levels[0]
    shape, letters = tuple(series.shape), series.axes
    if stated := scifio_shape(tiff.imagej_metadata, series):
        full = len(axes or ()) == len(stated[0])
        kept = [(size, name) for size, name in zip(*stated, strict=True) if full or size > 1 or name in "yx"]
        return tuple(size for size, _ in kept), "".join(name for _, name in kept)
    if axes is None:
        return shape, letters.lower()
    if hasattr(series, "get_shape"):  # until tifffile 2026.5
        full_shape, full_letters = tuple(series.get_shape(False)), series.get_axes(False)
    else:
        every: Any = tiff.series
        whole = every(squeeze=False)[index].levels[0]
        full_shape, full_letters = tuple(whole.shape), whole.axes
    if full_letters.endswith("S") and full_shape[-1] == 1:
        full_shape, full_letters = full_shape[:-1], full_letters[:-1]
    if len(axes) == len(full_shape) != len(shape):
        return full_shape, full_letters.lower()
    return shape, letters.lower()


def _understood(letters: Sequence[str], shape: Sequence[int], path: str, channels: int) -> tuple[str, ...]:
    """Return the names that stand for the file's own letters; pages are c where the file names a channel for each."""
    pages = "c" if 1 < channels == dict(zip(letters, shape, strict=True)).get("i") and "c" not in letters else "t"
    names = tuple(pages if letter == "i" and pages not in letters else letter for letter in letters)
    for name, size in zip(names, shape, strict=True):
        if name not in "tczyxs" and size > 1:
            sizes = "x".join(map(str, shape))
            example = "".join(names).replace(name, next(axis for axis in "ztc" if axis not in names or axis == "c"))
            what = f"what its dimension of length {size} is"
            raise AxesError(f"{path} ({sizes}) does not say {what}; name all with axes=, as in axes={example!r}.")
    return names


def _array(
    series: TiffPageSeries, path: str, index: int, shape: tuple[int, ...], companion: str
) -> TiffArray | MappedArray:
    """Map the series where it lies in one piece and uncompressed, else read it by strips and tiles."""
    key: Any = series.keyframe
    if series.dataoffset is not None and not series.is_multifile:
        return MappedArray(path, shape, np.dtype(key.parent.byteorder + key.dtype.char), series.dataoffset)
    if shape[len(shape) - len(key.shape) :] != tuple(key.shape) or set(key.axes) - set("SZYX"):
        raise InputError(f"{path} cuts its images into pages in a way that is not known here ({key.axes} pages).")
    chunks = None if key.is_final else (1,) * (len(shape) - len(key.shape)) + _segment(key)
    return TiffArray(path, stamp_of(path), shape, native(series.dtype), chunks, index, companion)
