"""NumPy's `.npy` files, mapped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..exceptions import InputError
from ..image import NgffImage
from .arrange import Facts, arranged, named_axes
from .files import MappedArray


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open a `.npy` file; without `axes` only 2D (yx) and 5D (tczyx) can be told."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    refuse_records(array.dtype, path)
    order = "C" if array.flags.c_contiguous else "F"
    data = MappedArray(path, array.shape, array.dtype, array.offset, order)
    return arranged(data, named_axes(axes, data.ndim, path), path, Facts(name=Path(path).stem))


def refuse_records(dtype: np.dtype[Any], source: str) -> None:
    """Raise `InputError` for a dtype that no pixel has: records, text, dates, complex numbers, 128 bits."""
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise InputError(f"{source} holds {dtype}, but pixels are integers, floats (up to 64 bits) or bool.")
