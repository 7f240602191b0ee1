"""Parts of chunks that Blosc has packed in blocks: only the blocks that hold the part are read and unpacked.

A chunk of Blosc is a header of 16 bytes, the place of each block, and the blocks, each packed by itself. The blocks
that are wanted, behind a header of their own, are a chunk of Blosc again (`README_CHUNK_FORMAT.rst` of c-blosc).
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import StoreError

_COPIED = 2  # a flag: what is stored is not packed


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
    axis = next((i for i, span in enumerate(box) if span.stop - span.start != 1), len(box) - 1)
    inner = math.prod(shape[axis + 1 :]) * dtype.itemsize
    before = int(np.ravel_multi_index([span.start for span in box[:axis]], shape[:axis])) if axis else 0
    low, high = ((before * shape[axis] + end) * inner for end in (box[axis].start, box[axis].stop))
    found = _unpacked(file, math.prod(shape) * dtype.itemsize, low, high)
    if found is None:
        return None
    rows = found.view(dtype).reshape(*(1,) * axis, box[axis].stop - box[axis].start, *shape[axis + 1 :])
    part: NDArray[Any] = rows[(slice(None),) * (axis + 1) + box[axis + 1 :]]
    return part


def _unpacked(file: Path, size: int, low: int, high: int) -> NDArray[Any] | None:
    """Return the bytes from low to high of those that a chunk unpacks to, which are `size`."""
    with suppress(FileNotFoundError), open(file, "rb", buffering=0) as opened:
        head = opened.read(16)
        unpacked, length, packed = struct.unpack_from("<III", head, 4) if len(head) == 16 else (0, 0, 0)
        told = (unpacked, packed) == (size, os.fstat(opened.fileno()).st_size) and not head[2] & _COPIED
        if not told or not 0 < length <= unpacked:
            return None
        count, first, last = -(-unpacked // length), low // length, -(-high // length)
        if last == count and last - first == 1 and unpacked % length and first:
            first -= 1  # the last block may be shorter, which it cannot be alone
        if count == 1:
            return None
        starts = np.frombuffer(opened.read(4 * count), "<i4").astype(int)
        order = np.argsort(starts)
        ends = np.empty_like(starts)
        ends[order] = np.append(starts[order], packed)[1:]
        if len(starts) < count or starts.min() < 16 + 4 * count or (ends <= starts).any():
            return None
        begin, end = int(starts[first:last].min()), int(ends[first:last].max())
        opened.seek(begin)
        bounds, size = starts[first:last] - begin, min(last * length, unpacked) - first * length
        whole = _decoded(head, opened, bounds, end - begin, size)
        return whole[low - first * length : high - first * length]
    return None


def _decoded(head: bytes, blocks: Any, places: NDArray[Any], length: int, size: int) -> NDArray[Any]:
    """Unpack some blocks of a chunk.

    Args:
        head: of the chunk. blocks: a file, at what is read of it. places: of each block in that. length: of that.
        size: of the blocks once unpacked.
    """
    import imagecodecs

    before = 16 + 4 * len(places)
    numbers = struct.pack("<I4sI", size, head[8:12], before + length)
    chunk = np.empty(before + length, np.uint8)
    chunk[:before] = np.frombuffer(head[:4] + numbers + (places + before).astype("<i4").tobytes(), np.uint8)
    blocks.readinto(chunk[before:])
    found = imagecodecs.blosc_decode(chunk, numthreads=1)  # type: ignore[arg-type]  # any buffer does
    if len(found) != size:
        raise StoreError(f"blocks of it unpack to {len(found)} bytes instead of {size}")
    return np.frombuffer(found, np.uint8)
