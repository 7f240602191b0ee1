"""What callers call an image, seen as something that can be sliced; nothing is read here."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import zarr
from zarr.storage import FsspecStore, LocalStore

from .exceptions import InputError, StoreError
from .plan import Source
from .storage import Target, place


def as_source(image: Any) -> Any:
    """Return something with `shape`, `dtype`, `ndim` and slicing for whatever a caller calls an image.

    What can be sliced is never copied whole: dask, Zarr, h5py and memory maps come back as they are, and a dask array
    that only wraps a stored array comes back as that array.

    Raises:
        InputError: it is no array of numbers.
    """
    if hasattr(image, "dims") and hasattr(image, "coords") and hasattr(image, "data"):  # xarray
        image = image.data
    if isinstance(image, np.ma.MaskedArray):
        raise InputError("A masked array has no values under its mask; pass array.filled(value).")
    if hasattr(image, "__cuda_array_interface__"):
        image = OnDevice(image)
    if all(hasattr(image, name) for name in ("shape", "ndim", "__getitem__")) and isinstance(
        getattr(image, "dtype", None), np.dtype
    ):
        found = _unwrap(image) if hasattr(image, "dask") else image
    elif hasattr(image, "__dlpack__"):
        found = _exported(image)
    else:
        found = np.asarray(image)
    if found.dtype.kind not in "biuf" or found.dtype.itemsize > 8:
        raise InputError(f"An image is an array of integers, floats up to 64 bits or bool (got {found.dtype}).")
    if found.ndim < 2 or 0 in found.shape:
        raise InputError(f"An image has at least two dimensions and one pixel (got the shape {tuple(found.shape)}).")
    if any(length != length for length in found.shape):  # NaN: dask does not know it
        raise InputError(
            f"The shape {tuple(found.shape)} is not known yet; call compute_chunk_sizes() on the dask array."
        )
    return found


def _exported(tensor: Any) -> Any:
    """Return a tensor of another library as NumPy, without a copy."""
    try:
        return np.from_dlpack(tensor)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{type(tensor).__name__} does not hand its pixels over ({error}); give a plain tensor in the memory of "
            "the CPU, of a type that NumPy has."
        ) from error


def _unwrap(array: Any) -> Any:
    """Return the array that a dask array merely wraps, where slicing it needs no graph; else the dask array."""
    layers = array.dask.layers
    original: Any = layers.get(f"original-{array.name}")
    if len(layers) == 1:
        original = {0: _cut_from(array)}
    elif len(layers) != 2:
        return array
    for held in dict(original or {}).values():
        wrapped: Any = getattr(held, "value", held)
        plain = isinstance(wrapped, (np.ndarray, zarr.Array)) or type(wrapped).__module__.startswith(
            ("h5py", "ome_ngff")
        )
        if plain and wrapped.shape == array.shape and wrapped.dtype == array.dtype:
            return wrapped
    return array


def _cut_from(array: Any) -> np.ndarray[Any, Any] | None:
    """Return the NumPy array that the blocks of a dask array are views of, each in its place; else None."""
    blocks: dict[tuple[int, ...], Any] = {
        key[1:]: getattr(held, "value", held) for key, held in dict(array.dask.layers[array.name]).items()
    }
    held = list(blocks.values())
    if not all(isinstance(block, np.ndarray) for block in held):
        return None
    whole: Any = held[0] if len(held) == 1 else held[0].base
    if not isinstance(whole, np.ndarray) or whole.shape != array.shape or whole.dtype != array.dtype:
        return None
    start = whole.__array_interface__["data"][0]
    for index, block in blocks.items():
        at = sum(sum(c[:i]) * step for i, c, step in zip(index, array.chunks, whole.strides, strict=True))
        if block.strides != whole.strides or block.__array_interface__["data"][0] != start + at:
            return None
    return whole


@attrs.frozen(eq=False)
class OnDevice:
    """Bring an array of a graphics card to NumPy, box by box, by its own library's `asnumpy`."""

    array: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the shape."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Give the type of the pixels."""
        found: np.dtype[Any] = np.dtype(self.array.dtype)
        return found

    @property
    def ndim(self) -> int:
        """Give the number of dimensions."""
        return len(self.array.shape)

    def __getitem__(self, box: Any) -> Any:
        part = self.array[box]
        library = sys.modules[type(self.array).__module__.partition(".")[0]]
        return library.asnumpy(part) if hasattr(library, "asnumpy") else np.asarray(part.cpu())


def describe(source: Any) -> Source:
    """Say in which blocks a source has to be read."""
    if isinstance(source, np.ndarray) or _holds_blocks(source):
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


def _holds_blocks(source: Any) -> bool:
    """Tell whether a dask array is nothing but NumPy blocks in memory."""
    layers = getattr(getattr(source, "dask", None), "layers", {})
    if len(layers) != 1:
        return False
    return all(
        isinstance(getattr(b, "value", b), np.ndarray) for layer in layers.values() for b in dict(layer).values()
    )


def refuse_self(source: Any, target: Target) -> None:
    """Raise `StoreError` where the pixels are read from the very group that would be written."""
    for store, path in _origins(source):
        if isinstance(target.store, LocalStore):
            here, there = _local(target.store, target.path), _local(store, path)
            inside = there is not None and here is not None and there.is_relative_to(here)
        else:
            inside = store == target.store and (not target.path or f"{path}/".startswith(f"{target.path}/"))
        if inside:
            where = place(store, path) if not isinstance(store, Path) else str(store)
            raise StoreError(f"The pixels are read from {where}, which lies in {target}; write to another place.")


def _local(store: Any, path: str) -> Path | None:
    """Return where something lies on this machine's disk, or None."""
    if isinstance(store, Path):
        return store.resolve()
    if isinstance(store, LocalStore):
        return (store.root / path).resolve()
    if isinstance(store, FsspecStore) and "local" in str(type(getattr(store.fs, "sync_fs", store.fs))).lower():
        return (Path(store.path) / path).resolve()
    return None


def _origins(source: Any) -> list[tuple[Any, str]]:
    """Find the stored arrays and the files that a source reads from: (store, path) or (file, "")."""
    origin = getattr(source, "origin", None)  # of the arrays of `inputs`
    if origin is not None:
        return [(origin, "")] if isinstance(origin, Path) else _origins(origin)
    if isinstance(source, zarr.Array):
        return [(source.store, source.path)]
    if isinstance(source, np.memmap):
        return [(Path(source.filename), "")] if source.filename else []
    if isinstance(getattr(getattr(source, "file", None), "filename", None), str):  # h5py
        return [(Path(source.file.filename), "")]
    if isinstance(source, np.ndarray) and isinstance(source.base, (np.ndarray, np.memmap)):
        return _origins(source.base)
    found: list[tuple[Any, str]] = []
    for name, layer in getattr(getattr(source, "dask", None), "layers", {}).items():
        if name.startswith("original-"):
            for wrapped in dict(layer).values():
                found += _origins(getattr(wrapped, "value", wrapped))
    return found


@attrs.frozen
class _InFile:
    """Stand for an array in a file, on its way to another process."""

    file: str
    dataset: str | None = None
    dtype: Any = None
    shape: tuple[int, ...] = ()
    offset: int = 0
    strides: tuple[int, ...] = ()


def pack(source: Any) -> Any:
    """Return what is pickled for a source: a memory map or an HDF5 dataset goes by its place, not by its pixels."""
    if isinstance(source, np.memmap) and _place_in_file(source) is not None:
        offset = _place_in_file(source) or 0
        return _InFile(str(source.filename), None, source.dtype, source.shape, offset, source.strides)
    if type(source).__module__.startswith("h5py"):
        return _InFile(source.file.filename, source.name)
    return source


def unpack(packed: Any) -> Any:
    """Return the source that was packed."""
    if not isinstance(packed, _InFile):
        return packed
    if packed.dataset is not None:
        import h5py

        return h5py.File(packed.file, "r")[packed.dataset]
    whole = np.memmap(packed.file, np.uint8, "r")
    return np.ndarray.__new__(np.memmap, packed.shape, packed.dtype, whole, packed.offset, packed.strides)


def _place_in_file(source: np.memmap[Any, Any]) -> int | None:
    """Return where the first pixel of a memory map stands in its file; None where the file may not have its pixels."""
    inner: Any = source._mmap  # type: ignore[attr-defined]
    if inner is None or source.filename is None or source.mode == "c":
        return None
    start = np.frombuffer(inner, np.uint8).ctypes.data
    skipped = source.offset - source.offset % mmap.ALLOCATIONGRANULARITY
    place: int = source.__array_interface__["data"][0] - start + skipped
    return place


@contextmanager
def mapped_anew(source: np.memmap[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """Give a memory map of the same pixels that is closed at the end.

    The pages that a map has touched count as the memory of the process for as long as it is open; through a map of
    its own each task holds those of its box alone. A map in mode "c" may hold changes that the file does not have.
    """
    offset = _place_in_file(source)
    if offset is None or source.filename is None:
        yield source
        return
    with open(source.filename, "rb") as file:
        fresh = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    pixels: np.ndarray[Any, Any] = np.ndarray(source.shape, source.dtype, fresh, offset, source.strides)
    try:
        yield pixels
    finally:
        del pixels
        with suppress(BufferError):  # the caller kept a view
            fresh.close()
