"""What chunks in files say of themselves: whether the pipeline in Rust can decode them in bounded memory.

It finds every chunk that is broken, but unpacks it as a whole first, whatever that comes to. So it gets those that say
rightly what they unpack to; all others take the way of Zarr-Python, which is checked step by step.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Callable, Iterable
from typing import Any

import attrs
import numpy as np
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec

from .decoding import bytes_of, file_of, most_of
from .zarr_private import V2Codec

_LOOK = 2**20  # bytes of a file up to which all of it is looked at


@attrs.frozen
class Packing:
    """Say how the chunks of an array are packed.

    Attributes:
        name: of the one codec that packs the pixels, "" where none does. shards: the codec of shards, where it has any.
        plain: whether what it packs is the pixels in C order, as this machine has them.
    """

    name: str
    shards: ShardingCodec | None = None
    plain: bool = False

    @classmethod
    def of(cls, codecs: Iterable[Any]) -> Packing | None:
        """Find out how codecs pack; None where it is more involved."""
        *before, last = codecs
        if isinstance(last, V2Codec):
            name = "" if last.compressor is None else str(last.compressor.codec_id)
            return None if last.filters else cls(name, plain=True)
        if isinstance(last, ShardingCodec):
            inside = cls.of(last.codecs)
            plain = last.index_codecs == (BytesCodec(endian="little"), Crc32cCodec())
            return None if inside is None or inside.shards or not plain else cls(inside.name, last)
        if isinstance(last, BytesCodec):
            return cls("")
        name = getattr(last, "name", None) or last.to_dict()["name"]
        if not before or not isinstance(before[-1], BytesCodec):
            return None
        order = getattr(before[-1].endian, "value", before[-1].endian)
        return cls(name, plain=len(before) == 1 and order in (None, sys.byteorder))

    def is_said(self, stored: int, getter: Any, spec: Any, box: Any) -> bool:
        """Return whether what is read of a chunk or shard, of so many bytes, says that it unpacks to about its size."""
        if self.name not in _HEADERS:
            return False
        with open(file_of(getter), "rb", buffering=0) as file:  # type: ignore[arg-type]
            if self.shards is None:
                return self._headed(file, 0, stored, bytes_of(spec))
            size = bytes_of(spec) // math.prod(spec.shape) * math.prod(self.shards.chunk_shape)
            parts = _parts(file, stored, spec.shape, self.shards, box)
            return parts is not None and all(self._headed(file, *part, size) for part in parts)

    def _headed(self, file: Any, start: int, stored: int, size: int) -> bool:
        file.seek(start)
        return _HEADERS[self.name](file.read(min(stored, _LOOK if self.name == "zstd" else 16)), stored, size)


def _parts(file: Any, stored: int, shape: Any, codec: ShardingCodec, box: Any) -> list[tuple[int, int]] | None:
    """Return where the chunks that are read of a shard begin, and how long they are; None where that is not known."""
    counts = [n // c for n, c in zip(shape, codec.chunk_shape, strict=True)]
    length = 16 * math.prod(counts) + 4
    if stored < length or not isinstance(box, tuple) or not all(isinstance(span, slice) for span in box):
        return None
    file.seek(0 if getattr(codec.index_location, "value", codec.index_location) == "start" else stored - length)
    index = np.frombuffer(file.read(length - 4), "<u8").reshape(*counts, 2)
    touched = tuple(slice(span.start // c, -(-span.stop // c)) for span, c in zip(box, codec.chunk_shape, strict=True))
    parts = [(start, length) for start, length in index[touched].reshape(-1, 2).tolist() if start != 2**64 - 1]
    return parts if all(start + length <= stored for start, length in parts) else None


def _blosc(head: bytes, stored: int, size: int) -> bool:
    return len(head) == 16 and struct.unpack_from("<I4xI", head, 4) == (size, stored)


def _zstd(data: bytes, stored: int, size: int) -> bool:
    """Sum up what all frames say that they unpack to, and what their blocks can at most (RFC 8878, 3.1.1)."""
    at = said = most = 0
    try:
        while at < stored:
            magic, flags = struct.unpack_from("<IB", data, at)
            if magic != 0xFD2FB528:
                return False
            single = flags >> 5 & 1
            at += 6 - single + (0, 1, 2, 4)[flags & 3]
            width = (single, 2, 4, 8)[flags >> 6]
            said += int.from_bytes(data[at : at + width], "little") + 256 * (width == 2)
            at += width
            last = 0
            while not last:
                head = int.from_bytes(data[at : at + 3], "little")
                last, kind, length = head & 1, head >> 1 & 3, head >> 3
                most += length if kind < 2 else 2**17  # stored, or one byte repeated; else packed
                at += 3 + (1 if kind == 1 else length)
                if at > len(data):
                    return False
            at += 4 * (flags >> 2 & 1)
    except struct.error:
        return False
    return said == size and most <= most_of(size)


def _none(head: bytes, stored: int, size: int) -> bool:
    return stored == size


_HEADERS: dict[str, Callable[[bytes, int, int], bool]] = {"": _none, "blosc": _blosc, "zstd": _zstd}
