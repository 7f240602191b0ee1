"""Chunks whose bytes are checked before and while they are decoded.

A codec of Zarr-Python believes what a chunk says of itself: Blosc reads beyond the bytes of one that was cut off, and
all of them unpack whatever they find, gigabytes where a chunk has kilobytes. Here a chunk gives as many bytes as the
array says, or a `StoreError`. (`lzma`, filters and codecs of others are left to themselves.)
"""

from __future__ import annotations

import asyncio
import bz2
import math
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from zarr.abc.codec import BytesBytesCodec, Codec
from zarr.abc.store import RangeByteRequest
from zarr.codecs import BytesCodec, ShardingCodec
from zarr.storage import StorePath, ZipStore

from ..exceptions import StoreError
from .places import folder_of, size_of_file
from .zarr_private import BatchedCodecPipeline, V2Codec, size_in_zip

_SLACK = 2**20
_TIMES = 16  # what is packed twice, or filtered, may have so many times the bytes of its pixels, and `_SLACK` more


class CheckedPipeline(BatchedCodecPipeline):
    """Decode chunks of which each is checked, those within shards too."""

    @classmethod
    def of(cls, codecs: Iterable[Codec]) -> CheckedPipeline:
        return cls.from_codecs(list(_checked(codecs)))

    async def read(self, batch_info: Any, *args: Any, **options: Any) -> Any:
        batch = list(batch_info)
        with errors_of(batch):
            for getter, spec, *_ in batch:
                refuse_size(getter, bytes_of(spec))
            return await super().read(batch, *args, **options)


@contextmanager
def errors_of(batch: Any) -> Iterator[None]:
    """Turn whatever goes wrong with chunks into a `StoreError` that names the chunk, where there is one."""
    try:
        yield
    except Exception as error:  # every codec and every file system has errors of its own
        path = getattr(batch[0][0], "path", None) if len(batch) == 1 else None
        if isinstance(error, StoreError) and path is None:
            raise
        why = str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
        raise StoreError(f"{'a chunk' if path is None else f'the chunk {path}'} cannot be read: {why}") from error


def _checked(codecs: Iterable[Codec]) -> Iterator[Codec]:
    before: Codec | None = None
    for codec in codecs:
        if isinstance(codec, V2Codec):
            yield _V2(codec.filters, codec.compressor)
        elif isinstance(codec, ShardingCodec):
            yield _Shards(
                chunk_shape=codec.chunk_shape,
                codecs=codec.codecs,
                index_codecs=codec.index_codecs,
                index_location=codec.index_location,
            )
        elif isinstance(codec, BytesBytesCodec) and not getattr(codec, "is_fixed_size", False):
            yield _Packed.of(codec, exact=isinstance(before, BytesCodec)) or codec
        else:
            yield codec
        before = codec


def bytes_of(spec: Any) -> int:
    """Return the bytes of the pixels of a chunk."""
    return int(math.prod(spec.shape) * spec.dtype.to_native_dtype().itemsize)


def most_of(size: int) -> int:
    """Return how many bytes anything can have that is made of so many bytes of pixels, stored or on the way."""
    return _TIMES * size + _SLACK


def file_of(getter: Any) -> Path | None:
    """Return the file of a chunk; None where it is not one of this machine."""
    getter = getattr(getter, "getter", getter)
    return folder_of(getter.store, getter.path) if isinstance(getter, StorePath) else None


def refuse_size(getter: Any, unpacked: int) -> int | None:
    """Return how many bytes a chunk has where it is stored; None where there is none, or that is not known.

    Args:
        getter: of the chunk. unpacked: bytes of its pixels.

    Raises:
        StoreError: it is a folder or a pipe instead of a file, or has more bytes than it can have.
    """
    file, size = file_of(getter), None
    getter = getattr(getter, "getter", getter)
    if file is not None:
        size = size_of_file(file)
    elif isinstance(getter, StorePath) and isinstance(getter.store, ZipStore):
        size = size_in_zip(getter.store, getter.path)
    if size is not None and size > most_of(unpacked):
        raise StoreError(f"its {unpacked} bytes are stored in {size}")
    return size


class _Shards(ShardingCodec):
    @property
    def codec_pipeline(self) -> CheckedPipeline:
        return CheckedPipeline.of(self.codecs)

    async def _decode_partial_single(self, byte_getter: Any, selection: Any, shard_spec: Any) -> Any:
        return await super()._decode_partial_single(_Ranges(byte_getter), selection, shard_spec)


@attrs.frozen
class _Ranges:
    """Read parts of a shard; Zarr takes one that is not there, though the index says so, for an empty chunk."""

    getter: Any

    async def get(self, prototype: Any, byte_range: Any = None) -> Any:
        found = await self.getter.get(prototype, byte_range)
        wanted = byte_range.end - byte_range.start if isinstance(byte_range, RangeByteRequest) else None
        if found is not None and wanted is not None and not 0 < wanted == len(found):
            raise StoreError(f"of {wanted} bytes that its index names, it has {len(found)}")
        return found


class _V2(V2Codec):
    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        if self.compressor is None or chunk_spec.dtype.to_native_dtype().kind == "O":
            return await super()._decode_single(chunk_bytes, chunk_spec)
        packed = _Packed(self.compressor.codec_id, self.compressor.decode, exact=not self.filters)
        rest = await packed._decode_single(chunk_bytes, chunk_spec)
        return await V2Codec(self.filters, None)._decode_single(rest, chunk_spec)


@attrs.frozen
class _Packed(BytesBytesCodec):
    """Unpack no more than what a chunk has.

    Attributes:
        name: of a codec. unpack_any: what else unpacks it.
        exact: whether it unpacks the pixels themselves, not what other codecs have made of them.
    """

    name: str
    unpack_any: Callable[[Any], Any]
    exact: bool
    is_fixed_size = False

    def compute_encoded_size(self, *_: Any) -> int:
        raise NotImplementedError

    @classmethod
    def of(cls, codec: Any, *, exact: bool) -> _Packed | None:
        name = str(codec.to_dict()["name"]).removeprefix("numcodecs.")
        own = getattr(codec, f"_{name}_codec", None) or getattr(codec, "_codec", None)
        return None if own is None else cls(name, own.decode, exact)

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        data = await asyncio.to_thread(self.unpack, chunk_bytes.as_numpy_array(), bytes_of(chunk_spec))
        return chunk_spec.prototype.buffer.from_array_like(np.frombuffer(data, np.uint8))

    def unpack(self, data: Any, size: int) -> Any:
        """Unpack a chunk whose pixels have a size.

        Raises:
            StoreError: it has another size, or more than can be of that size, or was cut off.
        """
        most = size if self.exact else most_of(size)
        found: Any = _UNPACK[self.name](data, most) if self.name in _UNPACK else None
        found = self.unpack_any(data) if found is None else found
        if memoryview(found).nbytes > most or (self.exact and memoryview(found).nbytes < size):
            raise _unlike(memoryview(found).nbytes, most)
        return found


def _unlike(found: int | str, wanted: int) -> StoreError:
    return StoreError(f"it unpacks to {found} bytes instead of {wanted}")


# Each unpacks at most so many bytes, or raises; None leaves it to the codec, which will unpack no more ----------------


def _blosc(data: Any, most: int) -> None:
    """Compare a chunk of Blosc with its header, which its decoder believes."""
    if len(data) < 16:
        raise StoreError(f"it has {len(data)} bytes, fewer than the header of Blosc")
    unpacked, _, packed = struct.unpack_from("<III", data, 4)
    if packed != len(data):
        raise StoreError(f"it has {len(data)} bytes, but the header of Blosc says {packed}")
    if unpacked > most:
        raise _unlike(unpacked, most)


def _lz4(data: Any, most: int) -> None:
    if len(data) < 4 or struct.unpack_from("<i", data)[0] > most:
        raise _unlike("more or fewer", most)


def _zstd(data: Any, most: int) -> Any:
    import imagecodecs

    return imagecodecs.zstd_decode(data, out=most)


def _stream(start: Callable[[], Any]) -> Callable[[Any, int], Any]:
    """Unpack the streams that stand one after the other in a chunk."""

    def unpack(data: Any, most: int) -> Any:
        found: Any = bytearray()
        rest = bytes(data)
        while rest:
            stream = start()
            found += stream.decompress(rest, most + 1 - len(found))
            if len(found) > most:
                raise _unlike("more", most)
            if not stream.eof:
                raise StoreError("it was cut off")
            rest = stream.unused_data
        return found

    return unpack


_UNPACK: dict[str, Callable[[Any, int], Any]] = {
    "blosc": _blosc,
    "lz4": _lz4,
    "zstd": _zstd,
    "gzip": _stream(partial(zlib.decompressobj, 31)),
    "zlib": _stream(partial(zlib.decompressobj, 15)),
    "bz2": _stream(bz2.BZ2Decompressor),
}
