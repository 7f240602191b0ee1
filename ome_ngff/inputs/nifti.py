"""NIfTI volumes: mapped (`.nii`) or unpacked once (`.nii.gz`), with their orientation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..image import NgffImage
from ..pixels import LazyArray, Slices
from ..text import warn
from .arrange import Facts, arranged, named_axes, unit_named
from .files import MappedArray, is_gzip
from .npy import UnpackedArray, refuse_records
from .placing import Placement

_COLORS = (("R", "G", "B"), ("R", "G", "B", "A"))
_COLOR_INTENTS = (2003, 2004)
_VECTORS = (1004, 1005, 1006, 1007, *_COLOR_INTENTS)  # matrices, displacements, vectors, colours


@attrs.frozen(eq=False)
class RescaledArray(LazyArray):
    """Show `slope * stored + inter` as float32, as a header asks.

    Attributes:
        source: the stored values. shape, chunks: its own.
        slope: factor; one for all, or one per index of the first dimension. inter: what is added, likewise.
    """

    source: LazyArray
    shape: tuple[int, ...]
    chunks: tuple[int, ...] | None
    slope: tuple[float, ...]
    inter: tuple[float, ...]
    dtype = np.dtype(np.float32)

    @property
    def origin(self) -> Any:
        return self.source.origin

    def read(self, box: Slices) -> NDArray[Any]:
        slope, inter = (
            np.reshape(each if len(each) == 1 else each[box[0]], (-1,) + (1,) * (self.ndim - 1))
            for each in (self.slope, self.inter)
        )
        return np.asarray(self.source.read(box) * np.float64(slope) + inter, np.float32)


def stored_pixels(image: Any, slope: tuple[float, ...], inter: tuple[float, ...]) -> LazyArray:
    """Map the pixels of an image of nibabel with its dimensions reversed, or unpack them once."""
    stored, path = image.dataobj, str(Path(image.file_map["image"].filename).absolute())
    dtype = image.get_data_dtype()
    shape = tuple(int(size) for size in stored.shape)[::-1]
    samples: Any = dtype.names
    if samples in _COLORS:  # those of a pixel lie together
        dtype, shape = np.dtype(np.uint8), (*shape, len(samples))
    data: LazyArray
    if is_gzip(path):
        data = UnpackedArray.of(path, shape, dtype, int(stored.offset), "C")
    else:
        data = MappedArray(path, shape, dtype, int(stored.offset))
    return data if {*slope, 1.0} == {1.0} and {*inter, 0.0} == {0.0} else RescaledArray(data, shape, None, slope, inter)


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open a NIfTI file; x is its first dimension, so that C order reversed needs no copy.

    The stored dtype is kept if the header asks for no slope and no intercept; else the values are float32. If the
    header has a coordinate system (qform or sform), each axis gets the nearest anatomical direction, and the image
    gets the position of its first pixel. Positions are counted in the direction of the axis, so that x at +90 in a
    file that grows from right to left becomes -90; that of an oblique volume is counted along its own axes. Vectors
    and other values of several numbers are c, colours are red, green and blue.
    """
    import nibabel

    image: Any = nibabel.load(path)
    header, stored = image.header, image.dataobj
    colored = header.get_data_dtype().names in _COLORS
    if not colored:
        refuse_records(header.get_data_dtype(), path)
    data = stored_pixels(image, *(((1.0,), (0.0,)) if colored else ((float(stored.slope),), (float(stored.inter),))))
    names = named_axes(axes, data.ndim, path, _own_axes(header, stored.shape, colored))
    name = re.sub(r"\.(nii|hdr|img)(\.gz)?$", "", Path(path).name, flags=re.IGNORECASE)
    return arranged(data, names, path, attrs.evolve(_geometry(header, image.affine, path), name=name))


def _own_axes(header: Any, shape: Sequence[int], colored: bool) -> tuple[str, ...]:
    """Return the axes of a volume in C order, by its dimensions and by what its numbers are.

    The fifth dimension is neither space nor time: vectors, statistics, channels. Some programs make it the fourth; and
    a fourth of length 1 that only makes room for it is "1", which is dropped.
    """
    code = int(header["intent_code"])
    values = "s" if code in _COLOR_INTENTS and shape[-1] in (3, 4) else "c"
    own: tuple[str, ...] = tuple("xyzt"[: len(shape)]) if len(shape) < 5 else ()
    if len(shape) == 5:
        own = ("x", "y", "z", "1" if shape[3] == 1 else "t", values)
    elif len(shape) == 4 and code in _VECTORS:
        own = ("x", "y", "z", values)
    return (*own[::-1], "s") if colored and own else own[::-1]


def _geometry(header: Any, affine: NDArray[Any], path: str) -> Facts:
    # Zooms are float32: by way of their text, 0.7 stays 0.7.
    space, time = map(unit_named, header.get_xyzt_units())
    zooms = dict(zip("xyzt", (float(str(zoom)) for zoom in header.get_zooms()), strict=False))
    known = {axis: zoom for axis, zoom in zooms.items() if 0 < zoom < float("inf")}
    if header.get_xyzt_units()[1] in ("hz", "ppm", "rads") and "t" in known:
        warn(f"The fourth dimension of {path} is a spectrum ({header.get_xyzt_units()[1]}), whose steps are not kept.")
        del known["t"]
    units = {axis: time if axis == "t" else space for axis in known}
    placed = bool(header["qform_code"] or header["sform_code"])
    placement = Placement.of(affine, path) if placed else Placement({}, {})
    low, high, begin = (float(str(header[key])) for key in ("cal_min", "cal_max", "toffset"))
    return Facts(
        scale=known,
        translation={**placement.translation, **({"t": begin} if begin else {})},
        channel_windows=[(low, high)],
        units={axis: unit for axis, unit in units.items() if unit},
        orientations=placement.orientations,
    )
