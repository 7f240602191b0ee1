"""What callers call an image, seen as something that can be sliced; read in boxes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from ..exceptions import InputError
from .arrays import ForeignArray, LazyArray, OnDevice, TensorStoreArray, made_by
from .boxes import Block, Box, slices
from .dask_graph import computed_blocks, holds_blocks, is_masked, unwrapped
from .spans import Array
from .travel import mapped_anew


@attrs.frozen
class Source:
    """What the engine has to know of pixels that are given.

    Attributes:
        chunks: lengths of the blocks that can only be read whole, per axis; None where any slice costs no more than
            its pixels (NumPy, memory maps).
    """

    chunks: tuple[tuple[int, ...], ...] | None = None


def as_source(image: Any, *, least: int = 2) -> Any:
    """Return something with `shape`, `dtype`, `ndim` and slicing for whatever a caller calls an image.

    What can be sliced is never copied whole: dask, Zarr, h5py and memory maps come back as they are, and a dask array
    that only wraps a stored array comes back as that array. `least` is the number of dimensions that it has at least.

    Raises:
        InputError: it is not an array of numbers.
    """
    if isinstance(image, (str, bytes, os.PathLike)):
        raise InputError(
            f"An image is an array of integers, floats up to 64 bits or bool (got {image!r}); of the name of a file, "
            "use `convert` or `open_input`."
        )
    image = _of_xarray(image)
    if isinstance(image, np.ma.MaskedArray) or is_masked(image):
        raise InputError("A masked array has no values under its mask; pass array.filled(value).")
    known = isinstance(getattr(image, "dtype", None), np.dtype)
    if known and hasattr(image, "dask"):
        found = unwrapped(image)
    elif hasattr(image, "__cuda_array_interface__"):
        found = OnDevice(image)
    elif known and (isinstance(image, (np.ndarray, LazyArray, OnDevice)) or made_by(image, "zarr", "h5py")):
        found = image
    elif made_by(image, "tensorstore"):
        found = TensorStoreArray(image)
    elif (foreign := ForeignArray.of(image)) is not None:
        found = foreign
    elif hasattr(image, "__dlpack__"):
        found = _exported(image)
    else:
        found = _in_memory(image)
    if found.dtype.kind not in "biuf" or found.dtype.itemsize > 8:
        kind = type(image).__name__ if found.dtype == object and not known else found.dtype
        raise InputError(f"An image is an array of integers, floats up to 64 bits or bool (got {kind}).")
    if found.ndim < least or 0 in found.shape:
        wanted = "two dimensions" if least > 1 else "one dimension"
        raise InputError(f"An image has at least {wanted} and one pixel (got the shape {tuple(found.shape)}).")
    if any(length != length for length in found.shape):  # NaN: dask does not know it
        raise InputError(
            f"The shape {tuple(found.shape)} is not known yet; call compute_chunk_sizes() on the dask array."
        )
    return found


def _of_xarray(image: Any) -> Any:
    """Return what a labelled array holds; its variable where it would have to be loaded as a whole."""
    if not (made_by(image, "xarray") and hasattr(image, "dims")):
        return image
    variable = getattr(image, "variable", image)
    held = getattr(variable, "_data", None)
    return variable if made_by(held, "xarray") else variable.data  # which would load what is in a file


def _in_memory(image: Any) -> Any:
    """Return what NumPy makes of lists of numbers, and of what speaks `__array__`."""
    shapes = {getattr(part, "shape", None) for part in image} if isinstance(image, (list, tuple)) else ()
    if len(shapes) > 1:
        raise InputError(
            f"An image is one array (got a {type(image).__name__} of several things); the levels of a pyramid are "
            "written by write_multiscale, of a napari layer pass the data, and scale= and translation= by name."
        )
    try:
        return np.asarray(image)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{type(image).__name__} is not an array: {error}") from error


def _exported(tensor: Any) -> Any:
    """Return a tensor of another library as NumPy, without a copy."""
    try:
        return np.from_dlpack(tensor)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{type(tensor).__name__} does not hand its pixels over ({error}); give a plain tensor in the memory of "
            "the CPU, of a type that NumPy has."
        ) from error


def describe(source: Any) -> Source:
    """Return the blocks in which a source has to be read."""
    if isinstance(source, np.ndarray) or holds_blocks(source):
        return Source()
    chunks = getattr(source, "shards", None) or getattr(source, "chunks", None)
    if not chunks:
        return Source()
    if all(isinstance(c, tuple) for c in chunks):
        return Source(tuple(tuple(map(int, c)) for c in chunks))
    regular = []
    for chunk, length in zip(chunks, source.shape, strict=True):
        whole, rest = divmod(length, int(chunk))
        regular.append((int(chunk),) * whole + ((rest,) if rest else ()))
    return Source(tuple(regular))


def read(source: Any, box: Box, dtype: np.dtype[Any], scratch: Callable[..., Array] = np.empty) -> Array:
    """Read a box of whatever can be sliced as native NumPy in C order; a view where that costs nothing.

    Args:
        source: what `as_source` returns. box: of it. dtype: of the pixels.
        scratch: takes a shape and a dtype, and returns the memory for a copy.

    Raises:
        InputError: the source gives something else than it declares.
    """
    if isinstance(source, np.memmap):
        with mapped_anew(source) as fresh:
            return _copy(fresh[slices(box)], dtype, scratch)
    if not hasattr(source, "dask"):
        return in_order(np.asarray(source[slices(box)]), dtype, scratch)
    blocks = computed_blocks(source, box)
    if len(blocks) == 1:
        return in_order(Block(blocks[0][1], blocks[0][0])[slices(box)], dtype, scratch)
    pixels = scratch([high - low for low, high in box], dtype)
    for there, block in blocks:
        common = slices(tuple((max(a, c), min(b, d)) for (a, b), (c, d) in zip(there, box, strict=True)))
        Block(pixels, box)[common][...] = Block(block, there)[common]
    return pixels


def in_order(part: Array, dtype: np.dtype[Any], scratch: Callable[..., Array]) -> Array:
    """Return pixels in C order: as they are, or copied into the memory that `scratch` gives."""
    return part if part.flags.c_contiguous and part.dtype == dtype else _copy(part, dtype, scratch)


def _copy(part: Array, dtype: np.dtype[Any], scratch: Callable[..., Array]) -> Array:
    copy = scratch(part.shape, dtype)
    copy[...] = part
    return copy
