"""Whatever imageio reads: PNG, JPEG, GIF and many more, decoded whole at the first read."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import InputError
from ..image import NgffImage
from .arrange import Facts, arranged, named_axes
from .lazy import Box, FileArray, stamp_of


@attrs.frozen(eq=False, slots=False)
class Picture(FileArray):
    """Decode a picture once per process; such files cannot be read in parts."""

    def _open(self) -> tuple[NDArray[Any], Callable[[], Any]]:
        return np.asarray(_imageio("imread", self.path)), lambda: None

    def read(self, box: Box) -> NDArray[Any]:
        """Read a box."""
        pixels = self.opened()
        if pixels.shape != self.shape or pixels.dtype != self.dtype:
            says, comes = f"{self.shape} {self.dtype}", f"{pixels.shape} {pixels.dtype}"
            raise InputError(f"{self.path} says in its header that it is {says}, but is {comes}.")
        return np.array(pixels[box])


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open a picture; the frames of an animation become t, colour samples c.

    Raises:
        InputError: no reader knows the file.
    """
    properties = _imageio("improps", path)
    shape, dtype = tuple(properties.shape), np.dtype(properties.dtype)
    own = ("t",) * bool(properties.is_batch) + ("y", "x", "s")
    own = own[: len(shape)]
    data = Picture(path, stamp_of(path), shape, dtype, None)
    return arranged(data, named_axes(axes, len(shape), path, own), path, Facts(name=Path(path).stem))


def _imageio(function: str, path: str) -> Any:
    """Call a function of imageio: with Pillow, or else with the first of its readers that knows the file.

    Raises:
        InputError: none does.
    """
    import imageio.v3 as imageio

    call = getattr(imageio, function)
    try:
        return call(path, plugin="pillow")
    except Exception:
        pass
    with warnings.catch_warnings():
        # The readers that imageio tries warn of their age, and leave files to the garbage collector.
        warnings.simplefilter("ignore")
        try:
            return call(path)
        except Exception:
            pass
        gc.collect()
    raise InputError(f"{path} is no image that can be read here: TIFF, Zarr, NumPy, HDF5, NIfTI, what imageio reads.")


__all__ = ["Picture", "open_file"]
