"""Whatever imageio reads: PNG, JPEG, GIF and many more, decoded as a whole by the first read."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import InputError
from ..image import NgffImage
from ..pixels import Slices
from .arrange import Facts, arranged, named_axes
from .files import FileArray, stamp_of

_LIMIT = {os.getpid(): RLock()}  # Pillow's limit is that of the process
_PNG = b"\x89PNG\r\n\x1a\n"
_NO_RGB = ("CMYK", "YCbCr", "LAB", "HSV")


@attrs.frozen(eq=False, slots=False)
class Picture(FileArray):
    """Decode a picture once per process; such files cannot be read in parts.

    Attributes:
        mode: Pillow mode that the colours are converted to; empty if they stay as they are.
    """

    mode: str

    def _open(self) -> tuple[NDArray[Any], Callable[[], Any]]:
        pixels = np.asarray(_imageio("imread", self.path, **({"mode": self.mode} if self.mode else {})))
        pixels = pixels[0] if pixels.shape == (1, *self.shape) else pixels
        if pixels.shape != self.shape or pixels.dtype != self.dtype:
            says, comes = f"{self.shape} {self.dtype}", f"{pixels.shape} {pixels.dtype}"
            raise InputError(f"The header of {self.path} announces {says}, but its pixels are {comes}.")
        return pixels, lambda: None

    def read(self, box: Slices) -> NDArray[Any]:
        return np.array(self.opened()[box])


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open a picture; the frames of an animation become t, colour samples c.

    Raises:
        InputError: no reader knows the file, or it has more bits than they read.
    """
    _refuse_deep(path)
    properties = _imageio("improps", path)
    shape, dtype = tuple(properties.shape), np.dtype(properties.dtype)
    animated = bool(properties.is_batch) and shape[0] > 1
    shape = shape if animated or not properties.is_batch else shape[1:]
    mode = "RGB" if _mode(path) in _NO_RGB else ""
    shape = (*shape[:-1], 3) if mode else shape
    own = (("t",) * animated + ("y", "x", "s"))[: len(shape)]
    data = Picture(path, stamp_of(path), shape, dtype, None, mode)
    return arranged(data, named_axes(axes, len(shape), path, own), path, Facts(name=Path(path).stem))


def _refuse_deep(path: str) -> None:
    """Raise `InputError` for a PNG with 16 bits per colour sample, of which Pillow silently reads 8."""
    with open(path, "rb") as file:
        head = file.read(26)
    if head.startswith(_PNG) and len(head) == 26 and head[24] == 16 and head[25] & 6:
        raise InputError(f"{path} has 16 bits per colour, of which only 8 could be read here; save it as TIFF.")


def _mode(path: str) -> str:
    """Return the Pillow mode of a picture; empty if Pillow does not know the file."""
    import imageio.v3 as imageio

    with suppress(Exception), _any_size():
        return str(imageio.immeta(path, plugin="pillow", exclude_applied=False).get("mode", ""))
    return ""


def _imageio(function: str, path: str, **words: Any) -> Any:
    """Call a function of imageio with Pillow, or else with the first of its readers that knows the file."""
    import imageio.v3 as imageio

    call = getattr(imageio, function)
    reason = ""
    with _any_size():
        try:
            return call(path, plugin="pillow", **words)
        except Exception as error:
            if function == "imread":  # Pillow has described this file before, so it can read it
                reason = " ".join(str(error).split()) or type(error).__name__
        with warnings.catch_warnings():
            # The readers that imageio tries warn that they are deprecated, and leave files open until collected.
            warnings.simplefilter("ignore")
            with suppress(Exception):
                return call(path, **words)
            gc.collect()
    if reason:
        raise InputError(f"{path} is broken or cut short: {reason}")
    raise InputError(
        f"{path} is not an image that can be read here: TIFF, Zarr, NumPy, HDF5, NIfTI, or what imageio reads. "
        "Files of microscopes can be converted to Zarr by bioformats2raw."
    )


@contextmanager
def _any_size() -> Iterator[None]:
    """Let Pillow open pictures of more than 179 megapixels, which it would refuse as a possible attack."""
    from PIL import Image

    with _LIMIT.setdefault(os.getpid(), RLock()):
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
