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
from .arrange import Facts, arranged, named_axes, unit_named
from .files import MappedArray
from .npy import UnpackedArray, refuse_records
from .placing import Placement

_DIMENSIONS = "xyztc"


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
    data: LazyArray
    if _is_gzip(path):
        data = UnpackedArray.of(path, shape, dtype, int(stored.offset), "C")
    else:
        data = MappedArray(path, shape, dtype, int(stored.offset))
    return data if {*slope, 1.0} == {1.0} and {*inter, 0.0} == {0.0} else RescaledArray(data, shape, None, slope, inter)


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open a NIfTI file; x is its first dimension, so that C order reversed needs no copy.

    The stored dtype is kept if the header asks for no slope and no intercept; else the values are float32. If the
    header has a coordinate system (qform or sform), each axis gets the nearest anatomical direction, and the image
    gets the position of its first pixel. Positions are counted in the direction of the axis, so that x at +90 in a
    file that grows from right to left becomes -90. An oblique volume gets no position.
    """
    import nibabel

    image: Any = nibabel.load(path)
    header, stored = image.header, image.dataobj
    refuse_records(header.get_data_dtype(), path)
    data = stored_pixels(image, (float(stored.slope),), (float(stored.inter),))
    # The fifth dimension is neither space nor time: vectors, statistics, channels.
    own = _DIMENSIONS[: data.ndim][::-1] if data.ndim <= 5 else ()
    names = named_axes(axes, data.ndim, path, own)
    name = re.sub(r"\.(nii|hdr|img)(\.gz)?$", "", Path(path).name, flags=re.IGNORECASE)
    return arranged(data, names, path, attrs.evolve(_geometry(header, image.affine), name=name))


def _is_gzip(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _geometry(header: Any, affine: NDArray[Any]) -> Facts:
    # Zooms are float32: by way of their text, 0.7 stays 0.7.
    space, time = map(unit_named, header.get_xyzt_units())
    zooms = dict(zip("xyzt", (float(str(zoom)) for zoom in header.get_zooms()), strict=False))
    known = {axis: zoom for axis, zoom in zooms.items() if 0 < zoom < float("inf")}
    units = {axis: time if axis == "t" else space for axis in known}
    placed = bool(header["qform_code"] or header["sform_code"])
    placement = Placement.of(affine) if placed else Placement({}, {})
    return Facts(
        scale=known,
        translation=placement.translation,
        units={axis: unit for axis, unit in units.items() if unit},
        orientations=placement.orientations,
    )
