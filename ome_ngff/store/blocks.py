"""Parts of chunks that Blosc has packed in blocks: only the blocks that hold the part are read and unpacked.

A chunk of Blosc is a header of 16 bytes, the place of each block, and the blocks, each packed by itself. The blocks
that are wanted, behind a header of their own, are a chunk of Blosc again (`README_CHUNK_FORMAT.rst` of c-blosc).
"""

from __future__ import annotations

import itertools
import math
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import StoreError

_COPIED = 2  # a flag: what is stored is not packed
_AT_ONCE = 2**19  # bytes that are unpacked together: what stays in the cache until its part is taken out


def read_part(file: Path, shape: Sequence[int], dtype: np.dtype[Any], box: Any) -> NDArray[Any] | None:
    """Read a box of a chunk.

    Args:
        file: of the chunk, packed by Blosc. shape, dtype: of its pixels, in C order. box: a slice per axis.

    Returns:
        The pixels; None where they are not read in this way: there is no such file, it says of itself what cannot be
        true, or it is one block.

    Raises:
        StoreError: a block cannot be unpacked.
    """
    if (
        not box
        or not isinstance(box, tuple)
        or not all(isinstance(span, slice) and span.step in (None, 1) for span in box)
    ):
        return None
    with suppress(FileNotFoundError), open(file, "rb", buffering=0) as opened:
        blocks = _Blocks.of(opened, math.prod(shape) * dtype.itemsize)
        if blocks is None:
            return None
        found = np.empty([span.stop - span.start for span in box], dtype)
        for here, low, high in _parts(shape, dtype.itemsize, box, blocks.grain):
            rows = blocks.unpacked(low, high).view(dtype).reshape(-1, *shape[len(here) :])
            found[here] = rows[(slice(None), *box[len(here) :])]
        return found
    return None


def _parts(
    shape: Sequence[int], itemsize: int, box: Any, grain: int, lead: int = 0, here: tuple[Any, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], int, int]]:
    """Cut a box of a chunk where its grains begin, if all of them begin at places along one axis.

    Args:
        grain: bytes. lead, here: how many of what `here` names lie before it in the chunk; its place in the box.

    Yields:
        The place of a part in the box, along its first axes; and its bytes, [low, high), whole along later axes.
    """
    axis = len(here)
    span, inner = box[axis], math.prod(shape[axis + 1 :]) * itemsize
    first = lead * shape[axis] + span.start
    length = span.stop - span.start
    if axis < len(box) - 1 and (length == 1 or (inner > grain and inner % grain == 0)):
        for i in range(length):
            yield from _parts(shape, itemsize, box, grain, first + i, (*here, i))
        return
    step = grain // inner if grain % inner == 0 else first + length
    borders = range(first // step * step + step, first + length, step)
    for low, high in itertools.pairwise([first, *borders, first + length]):
        yield (*here, slice(low - first, high - first)), low * inner, high * inner


@attrs.frozen
class _Blocks:
    """Know where the blocks of an open chunk are.

    Attributes:
        file: of the chunk. head: its first bytes. size: bytes that it unpacks to. length: those of a block.
        starts, ends: places of the blocks in the file.
    """

    file: Any
    head: bytes
    size: int
    length: int
    starts: list[int]
    ends: list[int]

    @classmethod
    def of(cls, file: Any, size: int) -> _Blocks | None:
        """Look at the head of a chunk that unpacks to `size` bytes; None where what it says cannot be true."""
        head = file.read(16)
        unpacked, length, packed = struct.unpack_from("<III", head, 4) if len(head) == 16 else (0, 0, 0)
        told = (unpacked, packed) == (size, os.fstat(file.fileno()).st_size) and not head[2] & _COPIED
        if not told or not 0 < length < unpacked:
            return None
        count = -(-unpacked // length)
        starts = np.frombuffer(file.read(4 * count), "<i4").astype(int)
        order = np.argsort(starts)
        ends = np.empty_like(starts)
        ends[order] = np.append(starts[order], packed)[1:]
        if len(starts) < count or starts.min() < 16 + 4 * count or (ends <= starts).any():
            return None
        return cls(file, head, size, length, starts.tolist(), ends.tolist())

    @property
    def grain(self) -> int:
        """Bytes of the blocks that are unpacked together."""
        return self.length * max(_AT_ONCE // self.length, 1)

    def unpacked(self, low: int, high: int) -> NDArray[Any]:
        """Return the bytes from low to high of those that the chunk unpacks to."""
        first, last = low // self.length, -(-high // self.length)
        if last == len(self.starts) and last - first == 1 and self.size % self.length:
            first -= 1  # the last block may be shorter, which it cannot be alone
        starts, size = self.starts[first:last], min(last * self.length, self.size) - first * self.length
        begin = min(starts)
        self.file.seek(begin)
        whole = _decoded(self.head, self.file, starts, max(self.ends[first:last]) - begin, size)
        return whole[low - first * self.length : high - first * self.length]


def _decoded(head: bytes, file: Any, starts: list[int], length: int, size: int) -> NDArray[Any]:
    """Unpack some blocks of a chunk.

    Args:
        head: of the chunk. file: of the chunk, where the first of the blocks begins. starts: of each of them in the
        file. length: bytes that they cover there. size: of the blocks once unpacked.
    """
    import imagecodecs

    before = 16 + 4 * len(starts)
    moved = (start - min(starts) + before for start in starts)
    chunk = bytearray(before + length)
    struct.pack_into(f"<4sI4sI{len(starts)}i", chunk, 0, head[:4], size, head[8:12], before + length, *moved)
    file.readinto(memoryview(chunk)[before:])
    found = imagecodecs.blosc_decode(chunk, numthreads=1)
    if len(found) != size:
        raise StoreError(f"blocks of it unpack to {len(found)} bytes instead of {size}")
    return np.frombuffer(found, np.uint8)
