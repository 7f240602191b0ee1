"""Which pixels are meant: regions of an image, in its units, in others, or in pixels; and the level to read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import OptionError, ScaleError
from ..pixels import Box, LazyArray, as_source, blocks_of, made_by, read, slices
from ..spec import Axes, Axis, PerAxis, UnitsLike, by_name, full_unit, parse_units, times
from ..text import mapping_of, nearest_word, refuse_unknown, show, whole_number


def pixel_geometry(
    axes: Axes, scale: PerAxis | None, translation: PerAxis | None, *, turned: bool = False
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return pixel size and position of the first pixel, a number per axis each; 1 and 0 where they are not given.

    Args:
        axes, scale, translation: of an image. turned: whether axes may run backwards, which a size below zero says.

    Raises:
        AxesError: they do not fit the axes. ScaleError: a pixel size is not above zero.
    """
    sizes = axes.vector(scale, 1.0, "scale")
    for name, size in zip(axes.names, sizes, strict=True):
        if size == 0 or (size < 0 and not turned):
            raise ScaleError(f"A pixel size is above zero (got {size!r} for axis {name}).")
    return sizes, axes.vector(translation, 0.0, "translation")


PIXEL = "pixel"
_SNAP = 1e-6  # of a pixel: less than that is rounding, so that [0, 1.1) of pixels of 0.1 has 11


@attrs.frozen
class Lattice:
    """Hold where the pixels of an image lie.

    Attributes:
        axes, shape: of the image. scale, translation: pixel size and centre of the first pixel, a number per axis each.
        channel_names: where they are known.
    """

    axes: Sequence[Axis]
    shape: tuple[int, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    channel_names: Sequence[str] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(axis.name for axis in self.axes)

    @classmethod
    def of(cls, image: Any) -> Lattice:
        """Return the lattice of an image."""
        axes = image.axes
        return cls(
            tuple(axes),
            tuple(image.data.shape),
            *pixel_geometry(axes, image.scale, image.translation, turned=True),
            channel_names=image.channel_names,
        )

    def box(self, region: Any, unit: UnitsLike | None = None, coarse: Lattice | None = None) -> Box:
        """Return the box of pixels of a region.

        Args:
            region: by axis a number, for the nearest pixel; an interval [from, to) as a tuple or slice, for all pixels
                whose centres lie in it, with None for the ends of the image; or the name of a channel. Axes left out
                are whole.
            unit: of the numbers: None for those of the image; "pixel", which is counted from 0; a unit for all axes
                that can be measured in it, or units by axis, the other axes being in pixels. Channels are counted.
            coarse: the lattice of a coarser level whose box is wanted; what lies outside this one is refused still.

        Raises:
            OptionError: the region names another axis, holds no pixel or some that are not there, or is not understood.
        """
        given = by_name(mapping_of(region, "A region"), self.names)
        refuse_unknown([str(name) for name in given if name not in self.names], self.names, "The region")
        units, box = self._units(unit), []
        for i, (name, size) in enumerate(zip(self.names, self.shape, strict=True)):
            ends = self._numbers(name, given.get(name))
            low, high = self._span(i, ends, units[name])
            if not 0 <= low < high <= size:
                raise self._refused(i, given[name], units[name], low, high)
            if coarse is not None:
                low, high = coarse._span(i, ends, units[name])
                low, high = (max(low, 0), min(high, coarse.shape[i]))
                if isinstance(ends, float):
                    low = min(low, coarse.shape[i] - 1)
                    high = low + 1
                if low >= high:
                    raise coarse._refused(i, given[name], units[name], low, high)
            box.append((low, high))
        return tuple(box)

    def _units(self, unit: UnitsLike | None) -> dict[str, float | None]:
        """Return by axis what to multiply numbers with; None where they count pixels.

        Raises:
            OptionError: an axis is not measured in the unit that is said for it.
        """
        own = {axis.name: axis.unit for axis in self.axes}
        plain = {axis.name: None if axis.type == "channel" else 1.0 for axis in self.axes}
        if unit is None:
            return plain
        if unit == PIXEL:
            return dict.fromkeys(own)
        said = parse_units(unit, self.axes)
        found: dict[str, float | None] = {}
        for name, axis_unit in own.items():
            asked = full_unit(said.get(name))
            found[name] = None if asked in (None, PIXEL) else times(str(asked), str(axis_unit))
            if asked not in (None, PIXEL) and found[name] is None:
                measured = f"is measured in {axis_unit}" if axis_unit else "has no unit"
                raise OptionError(f"The axis {name} {measured}, not in {show(asked)}; give its region in pixels.")
        return found

    def _numbers(self, name: str, ends: Any) -> float | tuple[float | None, float | None]:
        """Return what is said for an axis as a number, or as from and to.

        Raises:
            OptionError: it is neither, or there is no channel of that name.
        """
        names, size = list(self.channel_names or ()), self.shape[self.names.index(name)]
        if _is_number(ends) and not 0 <= ends < size and f"{ends:g}" in names:
            ends = f"{ends:g}"  # a channel that is named by its wavelength
        if isinstance(ends, str):
            if self.axes[self.names.index(name)].type != "channel" or ends not in names:
                known = f"; its channels are {', '.join(map(str, names))}" if names else ""
                raise OptionError(f"The image has no {name}={show(ends)}{known}.{nearest_word(ends, names)}")
            if names.count(ends) > 1:
                raise OptionError(f"The image has {names.count(ends)} channels {show(ends)}; say which by its number.")
            return float(names.index(ends))
        if _is_number(ends):
            return float(ends)
        found = (None, None) if ends is None else ends
        if isinstance(found, slice):
            found = (found.start, found.stop) if found.step in (None, 1) else ()
        pair = list(found) if isinstance(found, (tuple, list)) else []
        if len(pair) != 2 or not all(end is None or _is_number(end) for end in pair):
            raise OptionError(
                f"A region is by axis from and to, or a number, such as z=0:10 or z=5 (got {name}={show(ends)})."
            )
        low, high = (None if end is None else float(end) for end in pair)
        return low, high

    def _span(self, i: int, ends: Any, factor: float | None) -> tuple[int, int]:
        """Return the pixels of an axis, those that are not there too."""
        if isinstance(ends, float):
            place = self._place(i, ends, factor)
            index = math.floor(place + 0.5 + _SNAP)
            return index, index + 1
        if factor is not None and self.scale[i] < 0:  # [from, to) of what runs backwards is (to, from] of its pixels
            ends = (None if end is None else -self._place(i, end, factor) for end in ends)
            high, low = (None if end is None else 1 - math.ceil(end - _SNAP) for end in ends)
        else:
            low, high = (None if end is None else math.ceil(self._place(i, end, factor) - _SNAP) for end in ends)
        return 0 if low is None else low, self.shape[i] if high is None else high

    def _place(self, i: int, number: float, factor: float | None) -> float:
        """Return where a number lies, in pixels from the centre of the first."""
        if factor is not None:
            return (number * factor - self.translation[i]) / self.scale[i]
        if whole_number(number) is None:
            name = self.names[i]
            raise OptionError(f"Pixels are counted in whole numbers (got {name}={number:g}); say which unit it is in.")
        return number

    def _refused(self, i: int, given: Any, factor: float | None, low: int, high: int) -> OptionError:
        name, size, unit = self.names[i], self.shape[i], self.axes[i].unit or ""
        whole = f"{name}=0:{size}"
        if factor is not None:
            first, step = self.translation[i] / factor, self.scale[i] / factor
            unit = f" {unit}" if unit and factor == 1 else ""
            whole = f"{size} pixels of {step:g}{unit} from {name}={first:g} to {first + step * (size - 1):g}"
        if low >= high and 0 <= low <= size:
            return OptionError(
                f"The region {name}={_written(given)} holds the centre of no pixel; the image has {whole}."
            )
        return OptionError(f"The region {name}={_written(given)} is not inside the image, which has {whole}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _written(ends: Any) -> str:
    if not isinstance(ends, (tuple, list, slice)):
        return f"{ends:g}" if _is_number(ends) else str(ends)
    low, high = (ends.start, ends.stop) if isinstance(ends, slice) else ends
    return ":".join("" if end is None else f"{end:g}" for end in (low, high))


def level_for(images: Sequence[Any], resolution: float) -> int:
    """Return the number of the coarsest level whose pixels are at most so large along y and x.

    Raises:
        OptionError: the resolution is not a number above zero. ScaleError: those of level 0 are larger.
    """
    if not _is_number(resolution) or resolution <= 0:
        raise OptionError(f"resolution is a pixel size above zero, in the units of the image (got {show(resolution)}).")
    sizes = [
        max(abs((image.scale or {}).get(name, 1.0)) for name in ("y", "x") if name in image.dims) for image in images
    ]
    fine = [k for k, size in enumerate(sizes) if size <= resolution * (1 + _SNAP)]
    if not fine:
        raise ScaleError(f"The finest pixels are of {min(sizes):g}; a resolution of {resolution:g} cannot be had.")
    return max(fine, key=lambda k: (sizes[k], k))


def pixels_of(data: Any, box: Box) -> NDArray[Any]:
    """Read a box of the data of an image as NumPy: stored pixels by all cores and without dask; others are copied."""
    source = as_source(data, least=1)
    found = read(source, box, source.dtype)
    return found if isinstance(source, LazyArray) or made_by(source, "zarr", "h5py") else found.copy()


def part(image: Any, box: Box, data: Any) -> Any:
    """Return a box of an image as an image, which lies where it lay; `data` are its pixels."""
    scale, translation = pixel_geometry(image.axes, image.scale, image.translation, turned=True)
    starts = [
        at if axis.type == "channel" else at + step * low
        for axis, at, step, (low, _) in zip(image.axes, translation, scale, box, strict=True)
    ]
    channels = {}
    if "c" in image.dims:
        kept = slice(*box[image.dims.index("c")])
        names = ("channel_names", "channel_colors", "channel_windows")
        channels = {name: list(said)[kept] for name in names if (said := getattr(image, name)) is not None}
    return attrs.evolve(
        image,
        data=data,
        scale=dict(zip(image.dims, scale, strict=True)),
        translation=dict(zip(image.dims, starts, strict=True)),
        computed_callbacks=[],
        **channels,
    )


def lazy_part(image: Any, box: Box) -> Any:
    """Return a box of an image as an image whose pixels are read when they are needed, block by block."""
    import dask.array as da

    data = image.data
    if not isinstance(data, np.ndarray) and not hasattr(data, "dask"):
        data = da.from_array(data, chunks=blocks_of(data), asarray=False)
    return part(image, box, data[slices(box)])


def selected(
    images: Sequence[Any], region: Mapping[str, Any], resolution: float | None, level: int | None
) -> tuple[Any, Box]:
    """Return the level to read and the box of it.

    Raises:
        OptionError: both a level and a resolution are given; there is no such level; or see `Lattice.box`.
    """
    if level is not None and resolution is not None:
        raise OptionError("level and resolution exclude each other; give one of them.")
    if level is not None and (whole_number(level) is None or not 0 <= level < len(images)):
        raise OptionError(f"The image has the levels 0 to {len(images) - 1} (got level={show(level)}).")
    number = int(level or 0) if resolution is None else level_for(images, resolution)
    box = Lattice.of(images[0]).box(region, coarse=Lattice.of(images[number]) if number else None)
    return images[number], box
