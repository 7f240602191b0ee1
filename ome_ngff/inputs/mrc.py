"""MRC files of electron microscopy, mapped; mrcfile understands the header."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..image import NgffImage
from ..pixels import LazyArray
from .arrange import Facts, arranged, named_axes, positive
from .files import MappedArray, is_gzip
from .npy import UnpackedArray, refuse_records

_HEADER = 1024
_IMOD = 1146047817  # "IMOD" at byte 152, with flags behind it


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open a volume, an image, or a stack of either, which becomes t.

    The header says which axis its columns, rows and sections are; sizes are in angstrom.
    """
    import mrcfile

    with mrcfile.open(path, header_only=True, permissive=True) as file:
        header: Any = file.header
        dtype = _without_sign(header, mrcfile.utils.data_dtype_from_header(header))
        shape = tuple(map(int, mrcfile.utils.data_shape_from_header(header)))
        order = [int(header[name]) for name in ("maps", "mapr", "mapc")]
        # "Stacks of images have a space group of 0 and mz of 1." IMOD writes the space group of a stack for volumes.
        stack = len(shape) == 3 and header.ispg == 0 and header.mz == 1
        sizes = {axis: positive(str(np.float32(file.voxel_size[axis]))) for axis in "xyz"}
        offset = _HEADER + int(header.nsymbt)
    refuse_records(dtype, path)
    data: LazyArray
    if is_gzip(path):
        data = UnpackedArray.of(path, shape, dtype, offset, "C")
    else:
        data = MappedArray(path, shape, dtype, offset)
    planes = tuple("xyz"[number - 1] for number in order) if sorted(order) == [1, 2, 3] else ("z", "y", "x")
    own = ("t", *planes[1:]) if stack else ("t", *planes)[-len(shape) :]
    scale = {axis: size for axis, size in sizes.items() if size}
    name = re.sub(r"\.mrcs?(\.gz)?$", "", Path(path).name, flags=re.IGNORECASE)
    facts = Facts(name=name, scale=scale, units=dict.fromkeys(scale, "angstrom"))
    return arranged(data, named_axes(axes, data.ndim, path, own), path, facts)


def _without_sign(header: Any, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of the pixels; bytes have no sign where IMOD does not say that they have."""
    stamp, flags = np.frombuffer(header.extra2.tobytes(), header["nx"].dtype, 2, 40)
    return np.dtype(np.uint8) if dtype == np.int8 and stamp == _IMOD and not flags & 1 else dtype


def headers(path: str) -> tuple[Iterator[tuple[str, Any]], str]:
    """Return the fields of the header, and its labels."""
    import mrcfile

    with mrcfile.open(path, header_only=True, permissive=True) as file:
        said: Any = file.header
        found = [(name, said[name]) for name in said.dtype.names if name not in ("label", "extra1", "extra2")]
        labels = [label.decode("latin-1").strip() for label in said.label[: int(said.nlabl)]]
    return iter([*found, *((f"label {i}", label) for i, label in enumerate(labels))]), ""
