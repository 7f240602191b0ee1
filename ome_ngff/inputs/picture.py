"""Whatever imageio reads: PNG, JPEG, GIF and many more, decoded as a whole by the first read."""

from __future__ import annotations

import gc
import os
import struct
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
from .arrange import Facts, arranged, named_axes, positive
from .files import FileArray, stamp_of
from .shown import oriented
from .tiff_resolution import facts_of_paper

_LIMIT = {os.getpid(): RLock()}  # Pillow's limit is that of the process
_PNG = b"\x89PNG\r\n\x1a\n"
_DEEP = "16 bits"  # of a colour sample, which Pillow does not read
_NO_RGB = ("CMYK", "YCbCr", "LAB", "HSV")


@attrs.frozen(eq=False, slots=False)
class Picture(FileArray):
    """Decode a picture once per process; such files cannot be read in parts.

    Attributes:
        mode: Pillow mode that the colours are converted to, or `_DEEP`; empty if they stay as they are.
    """

    mode: str

    def _open(self) -> tuple[NDArray[Any], Callable[[], Any]]:
        words = {"mode": self.mode} if self.mode else {}
        pixels = np.asarray(_decode_deep(self.path) if self.mode == _DEEP else _imageio("imread", self.path, **words))
        pixels = pixels[0] if pixels.shape == (1, *self.shape) else pixels
        if pixels.shape != self.shape or pixels.dtype != self.dtype:
            says, comes = f"{self.shape} {self.dtype}", f"{pixels.shape} {pixels.dtype}"
            raise InputError(f"The header of {self.path} announces {says}, but its pixels are {comes}.")
        return pixels, lambda: None

    def read(self, box: Slices) -> NDArray[Any]:
        return np.array(self.opened()[box])


def open_file(
    path: str, inner: str, series: int | str | None, axes: Sequence[str] | None, *, indices: bool = False
) -> NgffImage:
    """Open a picture, turned as its Exif says; the frames of an animation become t, colour samples c.

    Args:
        path, inner, series, axes: as in every family. indices: keep those of a palette instead of its colours.

    Raises:
        InputError: no reader knows the file.
    """
    deep = _deep_shape(path)
    animated, mode = False, _DEEP if deep else ""
    if deep:
        shape, dtype = deep, np.dtype(np.uint16)
    else:
        properties = _imageio("improps", path)
        shape, dtype = tuple(properties.shape), np.dtype(properties.dtype)
        animated = bool(properties.is_batch) and shape[0] > 1
        shape = shape if animated or not properties.is_batch else shape[1:]
        stored = _mode(path)
        mode = "RGB" if stored in _NO_RGB else "P" if indices and stored == "P" else ""
        shape = (*shape[:-1], 3) if mode == "RGB" else shape[:-1] if mode == "P" else shape
    own = (("t",) * animated + ("y", "x", "s"))[: len(shape)]
    data: Any = Picture(path, stamp_of(path), shape, dtype, None, mode)
    facts = attrs.evolve(_facts_of_resolution(path), name=Path(path).stem)
    data, facts = oriented(data, _orientation(path), int(animated), facts)
    return arranged(data, named_axes(axes, len(shape), path, own), path, facts)


def _deep_shape(path: str) -> tuple[int, ...] | None:
    """Return the shape of a PNG with 16 bits per colour sample, of which Pillow silently reads 8; else None."""
    with open(path, "rb") as file:
        head = file.read(26)
    if not head.startswith(_PNG) or len(head) < 26 or head[24] != 16 or not head[25] & 6:
        return None
    width, height = struct.unpack(">II", head[16:24])
    return height, width, {2: 3, 4: 2, 6: 4}.get(head[25], 1)


def _decode_deep(path: str) -> Any:
    import imagecodecs

    try:
        return imagecodecs.png_decode(Path(path).read_bytes())
    except Exception as error:
        raise InputError(f"{path} is broken or cut short: {error}") from error


def _orientation(path: str) -> int:
    """Return how a picture is to be turned according to its Exif; 1 where it says nothing."""
    from PIL import ExifTags, Image

    with suppress(Exception), _any_size(), Image.open(path) as picture:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def _facts_of_resolution(path: str) -> Facts:
    """Return the pixel size that a picture states, as that of a TIFF; PNG and BMP count per meter, whatever it was."""
    from PIL import ExifTags, Image

    dots: Any = ()
    unit = 2
    with suppress(Exception), _any_size(), Image.open(path) as picture:
        exif, said = picture.getexif(), picture.info
        tags = ExifTags.Base
        dots, unit = (exif.get(tags.XResolution), exif.get(tags.YResolution)), int(exif.get(tags.ResolutionUnit, 2))
        if picture.format == "PNG":
            dots, unit = said.get("dpi", dots), 2
        elif picture.format == "BMP":  # a whole number per meter, which Pillow has divided by 39.3701
            dots, unit = [round(39.3701 * each) * 0.0254 for each in said.get("dpi", ())], 2
        elif said.get("jfif_unit") in (1, 2):
            dots, unit = said["jfif_density"], 1 + said["jfif_unit"]
    sizes = [positive(1 / float(each)) if each else None for each in dots]
    return facts_of_paper(dict(zip("xy", sizes, strict=False)), unit, path) if all(sizes) and dots else Facts()


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
        f"{path} is not an image that can be read here: TIFF, Zarr, NumPy, HDF5, NIfTI, DICOM, MRC, NRRD, or what "
        "imageio reads. Other files of microscopes are read with 'ome-ngff[bioio]' and bioio's plugin of the format, "
        "or converted to Zarr by bioformats2raw."
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
