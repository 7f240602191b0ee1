"""Arrays that are read box by box when they are sliced."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

Slices = tuple[slice, ...]


class LazyArray:
    """Turn `read(box)` of a subclass into an array that NumPy and dask can slice."""

    __slots__ = ()
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None

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
    """Return the dtype in the machine's byte order."""
    ours: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")
    return ours


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
        chunks = getattr(self.source, "chunks", None)
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
    if isinstance(array, np.ndarray):
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
        part = self.array[box]
        library = sys.modules[type(self.array).__module__.partition(".")[0]]
        return library.asnumpy(part) if hasattr(library, "asnumpy") else np.asarray(part.cpu())
