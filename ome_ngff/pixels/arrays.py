"""Arrays that are read box by box when they are sliced."""

from __future__ import annotations

import math
import sys
import uuid
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import InputError

Slices = tuple[slice, ...]


class LazyArray:
    """Turn `read(box)` of a subclass into an array that NumPy and dask can slice."""

    __slots__ = ()
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None

    @property
    def array_of_zarr(self) -> Any:
        """Array of Zarr whose pixels these are, one for one; None where they are made from something else."""
        return None

    @property
    def origin(self) -> Any:
        """File or folder (a `Path`), or stored array, that the pixels come from."""
        raise NotImplementedError

    def read(self, box: Slices) -> NDArray[Any]:
        """Read a box: one slice per dimension, step 1, inside the shape, never empty."""
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels, uncompressed."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        box, rest = _split(key, self.shape)
        if any(part.start == part.stop for part in box):
            return np.empty([part.stop - part.start for part in box], self.dtype)[rest]
        return self.read(box)[rest]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("An array in a file can become a NumPy array only as a copy.")
        return np.asarray(self[...], dtype)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return (type(self).__qualname__, *fields_of(self))


def _split(key: Any, shape: tuple[int, ...]) -> tuple[Slices, tuple[Any, ...]]:
    """Turn any basic index into a box and what to pick from that box."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(part is Ellipsis for part in keys):
        at = next(i for i, part in enumerate(keys) if part is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (len(shape) - len(keys) + 1)
    if len(keys) > len(shape):
        raise IndexError(f"{len(keys)} indices for {len(shape)} dimensions.")
    keys += [slice(None)] * (len(shape) - len(keys))
    box: list[slice] = []
    rest: list[slice | int] = []
    for part, size in zip(keys, shape, strict=True):
        if isinstance(part, slice):
            indices = range(size)[part]
            low, high = (min(indices), max(indices) + 1) if indices else (0, 0)
            box.append(slice(low, high))
            rest.append(slice(None, None, part.step))
        elif isinstance(part, (int, np.integer)) and not isinstance(part, bool):
            at = range(size)[int(part)]
            box.append(slice(at, at + 1))
            rest.append(0)
        else:
            raise IndexError(f"An array in a file is indexed by integers and slices (got {part!r}).")
    return tuple(box), tuple(rest)


def fields_of(array: Any) -> tuple[Any, ...]:
    """Return what an array of an attrs class was made with."""
    return tuple(getattr(array, field.name) for field in attrs.fields(type(array)) if field.init)


def made_by(value: Any, *libraries: str) -> bool:
    """Return whether the class of a value, or a base of it, is of one of these libraries, none of which is imported."""
    return any(base.__module__.partition(".")[0] in libraries for base in type(value).__mro__)


def native(dtype: Any) -> np.dtype[Any]:
    """Return the dtype in the machine's byte order, of its twins (int64 and longlong) the one that has a name."""
    ours: np.dtype[Any] = np.dtype(np.dtype(dtype).newbyteorder("=").str)
    return ours


def checked(part: Any, shape: Sequence[int], dtype: np.dtype[Any], what: str) -> NDArray[Any]:
    """Return what was given for a block as NumPy, once it is known to be what was declared.

    Args:
        part: an array of any library. shape, dtype: as declared; a cast without loss will do. what: names the block.

    Raises:
        InputError: it is something else, or has masked values.
    """
    if isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part):
        raise InputError(f"{what} has masked values, which are none; fill them first.")
    part = part.todense() if hasattr(part, "todense") else part  # sparse
    found = np.asarray(on_cpu(part) if hasattr(part, "__cuda_array_interface__") else part)
    if found.dtype != dtype and not _lossless(found.dtype, dtype):
        way_out = f"declare {found.dtype}, or convert it where it is made with astype({str(dtype)!r})"
        raise InputError(f"{what} is of {found.dtype}, but the array says {dtype}; {way_out}.")
    if found.shape != tuple(shape):
        raise InputError(f"{what} has the shape {found.shape}, but the array says {tuple(shape)}; declare what it has.")
    return found


def _lossless(given: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    """Return whether each value of a dtype is one of another; NumPy calls int64 to float64 safe, too."""
    rounded = given.kind in "iu" and wanted.kind == "f" and given.itemsize >= wanted.itemsize
    return np.can_cast(given, wanted, "safe") and not rounded


@attrs.frozen(eq=False)
class ViewArray(LazyArray):
    """Another array with its dimensions reordered, without those of length 1 that are left out.

    Attributes:
        source: anything with shape, dtype and slicing.
        order: dimension of the source for each dimension here.
    """

    source: Any
    order: tuple[int, ...]

    @property
    def origin(self) -> Any:
        return self.source.origin if isinstance(self.source, LazyArray) else self.source

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.source.shape[i] for i in self.order)

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        dtype: np.dtype[Any] = np.dtype(self.source.dtype)
        return dtype

    @property
    def chunks(self) -> tuple[int, ...] | None:  # type: ignore[override]
        chunks = getattr(self.source, "shards", None) or getattr(self.source, "chunks", None)
        return None if chunks is None else tuple(chunks[i] for i in self.order)

    def read(self, box: Slices) -> NDArray[Any]:
        key: list[Any] = [0] * self.source.ndim
        for i, part in zip(self.order, box, strict=True):
            key[i] = part
        kept = sorted(self.order)
        return np.asarray(self.source[tuple(key)]).transpose([kept.index(i) for i in self.order])


def reordered(array: Any, order: Sequence[int]) -> Any:
    """Return the array with these of its dimensions, in this order; the array itself where that changes nothing."""
    if list(order) == list(range(array.ndim)):
        return array
    if isinstance(array, np.ndarray) or hasattr(array, "dask"):
        return array[tuple(slice(None) if i in order else 0 for i in range(array.ndim))].transpose(
            [sorted(order).index(i) for i in order]
        )
    return ViewArray(array, tuple(order))


@attrs.frozen(eq=False)
class OnDevice:
    """An array on a graphics card; its own library brings each box to NumPy."""

    array: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        found: np.dtype[Any] = np.dtype(self.array.dtype)
        return found

    @property
    def ndim(self) -> int:
        return len(self.array.shape)

    def __getitem__(self, box: Any) -> Any:
        return on_cpu(self.array[box])


def on_cpu(part: Any) -> NDArray[Any]:
    """Return what is on a graphics card as NumPy; its own library brings it."""
    library = sys.modules[type(part).__module__.partition(".")[0]]
    return library.asnumpy(part) if hasattr(library, "asnumpy") else np.asarray(part.cpu())


@attrs.frozen(eq=False)
class ForeignArray(LazyArray):
    """Slice an object of unknown make, such as a reader around one file handle: one call at a time, and checked.

    Attributes:
        array: the object. shape, dtype, chunks: what it says of itself.
        lock: shared by all that slice the object in this process.
    """

    array: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None
    lock: Any

    @classmethod
    def of(cls, array: Any) -> ForeignArray | None:
        """Return the object as an array; None where it lacks shape, dtype or slices."""
        try:
            shape, dtype, _ = tuple(int(n) for n in array.shape), np.dtype(array.dtype), array.__getitem__
        except (AttributeError, TypeError, ValueError):
            return None
        from dask.utils import SerializableLock  # one of a name per process, wherever it is unpickled

        chunks = getattr(array, "shards", None) or getattr(array, "chunks", None)
        whole = isinstance(chunks, tuple) and len(chunks) == len(shape) and all(isinstance(c, Integral) for c in chunks)
        return cls(array, shape, dtype, chunks if whole else None, SerializableLock(f"ome_ngff-{id(array)}"))

    @property
    def origin(self) -> Any:
        return self.array

    def read(self, box: Slices) -> NDArray[Any]:
        what = f"The box [{', '.join(f'{part.start}:{part.stop}' for part in box)}] of the {type(self.array).__name__}"
        with self.lock:
            return checked(self.array[box], [part.stop - part.start for part in box], self.dtype, what)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return (type(self).__qualname__, uuid.uuid4().hex)  # of what it slices nobody knows whether it has changed


@attrs.frozen(eq=False)
class TensorStoreArray(LazyArray):
    """Slice an array of TensorStore, whose first pixel may have any index."""

    array: Any

    @property
    def origin(self) -> Any:
        store = self.array.kvstore
        return Path(store.path) if store is not None and store.spec().to_json()["driver"] == "file" else None

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        dtype: np.dtype[Any] = self.array.dtype.numpy_dtype
        return dtype

    @property
    def chunks(self) -> tuple[int, ...] | None:  # type: ignore[override]
        lengths = self.array.chunk_layout.read_chunk.shape
        return tuple(lengths) if lengths and all(lengths) else None

    def read(self, box: Slices) -> NDArray[Any]:
        first = self.array.origin
        there = tuple(slice(at + part.start, at + part.stop) for at, part in zip(first, box, strict=True))
        return np.asarray(self.array[there].read().result())
