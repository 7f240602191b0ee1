"""The codec pipeline of the arrays that we open: in Rust where it knows the array, also in a process that was forked.

A missing chunk is the fill value, unless the whole array is missing by now. That is looked at once per read, and only
where a chunk is missing. What a chunk says of itself is checked before it is decoded (`packing`, `decoding`).

The threads that zarrs has for all arrays of a process do not survive a fork, and are not started again: whoever calls
them waits for ever. They are called for several chunks, and for the parts of one; not for a single chunk where there is
said to be one thread.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import attrs
import zarr
from zarr.codecs import ShardingCodec
from zarr.registry import register_pipeline
from zarrs import ZarrsCodecPipeline
from zarrs._internal import ChunkItem, CodecPipelineImpl
from zarrs.pipeline import get_codec_pipeline_fallback

from ..config import config
from ..exceptions import MissingError, StoreError
from .blocks import read_part
from .decoding import CheckedPipeline, bytes_of, errors_of, file_of, refuse_size
from .packing import Packing
from .places import folder_of, place
from .zarr_private import Buffer, BufferPrototype, Pixels

_SETTINGS = {  # of zarrs, as it takes them from Zarr's
    "validate_checksums": True,
    "chunk_concurrent_minimum": None,
    "chunk_concurrent_maximum": None,
    "direct_io": False,
}
_PROTOTYPE = BufferPrototype(Buffer, Pixels)  # of chunks that are padded
_HOME = os.getpid()  # here zarrs has its threads, or will have them


class Pipeline(ZarrsCodecPipeline):
    """Read and write the chunks of one array."""

    @classmethod
    def from_array_metadata_and_store(cls, array_metadata: Any, store: Any) -> Self:
        made = cls.__new__(cls)
        made.__setstate__({"metadata": array_metadata, "store": store})
        return made

    def __setstate__(self, state: Any) -> None:
        self.metadata, self.store = state["metadata"], state["store"]
        self._threads = zarr.config.get("threading.max_workers", None)
        self._process = _HOME

    @cached_property
    def impl(self) -> Any:  # type: ignore[override]
        """The pipeline in Rust, made when it is first needed; None where it does not know the array."""
        if self._known():
            with suppress(TypeError):
                return self._in_rust(self._threads)
        return None

    def _in_rust(self, threads: int | None) -> Any:
        """Make the pipeline in Rust; zarrs itself would ask Zarr for the threads, which another thread may just set."""
        said = {name: zarr.config.get(f"codec_pipeline.{name}", default) for name, default in _SETTINGS.items()}
        document = json.dumps(self.metadata.to_dict())
        return CodecPipelineImpl(document, store_config=self.store, num_threads=threads, **said)

    @cached_property
    def python_impl(self) -> Any:  # type: ignore[override]
        """The pipeline of Zarr-Python."""
        return get_codec_pipeline_fallback(self.metadata, strict=False)

    @cached_property
    def _checked(self) -> CheckedPipeline:
        return CheckedPipeline.of(self.python_impl or ())

    @cached_property
    def _packing(self) -> Packing | None:
        return Packing.of(self._checked) if self.impl is not None else None

    def _known(self) -> bool:
        """Return whether the pipeline in Rust knows the store, the type, and the order of the pixels."""
        dtype = self.metadata.dtype.to_native_dtype()
        order = getattr(self.metadata, "order", zarr.config.get("array.order"))
        return folder_of(self.store) is not None and dtype.kind in "biuf" and dtype.isnative and order == "C"

    async def read(self, batch_info: Iterable[Any], out: Any, drop_axes: tuple[int, ...] = ()) -> None:
        chunks, missing = list(batch_info), list[Any]()
        with errors_of(chunks):
            said = self._packing is not None and all(
                self._is_said(g, spec, box, missing) for g, spec, box, *_ in chunks
            )
        if said:
            with errors_of(chunks):
                rest = chunks if drop_axes else self._read_parts(chunks, out.as_ndarray_like())
                for part in self._at_once(rest) if rest else ():
                    await super().read(part, out, drop_axes)
        else:
            missing = []
            watched = [(_Watched(getter, missing), *rest) for getter, *rest in chunks]
            try:
                await self._checked.read(watched, out, drop_axes)
            except StoreError:  # of one of them: alone, it is named
                for each in watched if len(watched) > 1 else ():
                    await self._checked.read([each], out, drop_axes)
                raise
        if missing:
            await self._refuse_gone(missing[0])

    def _read_parts(self, chunks: Sequence[Any], out: Any) -> Sequence[Any]:
        """Read small parts of chunks block by block, by all cores; return the chunks that are read as a whole."""
        if self._packing is None or self._packing.name != "blosc" or not self._packing.plain:
            return chunks

        def place(chunk: Any) -> bool:
            getter, spec, box, there, whole = chunk
            file = None if whole else file_of(getter)
            found = None if file is None else read_part(file, spec.shape, out.dtype, box)
            if found is not None:
                out[there] = found
            return found is None

        if len(chunks) == 1:
            return [chunk for chunk in chunks if place(chunk)]
        if all(whole for *_, whole in chunks):
            return chunks
        with ThreadPoolExecutor(min(len(chunks), config.workers)) as pool:
            return [chunk for chunk, left in zip(chunks, pool.map(place, chunks), strict=True) if left]

    def _is_said(self, getter: Any, spec: Any, box: Any, missing: list[Any]) -> bool:
        """Return whether a chunk says rightly what it unpacks to; one that is missing says nothing wrong."""
        stored = refuse_size(getter, bytes_of(spec))
        if stored is None:
            missing.append(getter)
        return stored is None or (self._packing is not None and self._packing.is_said(stored, getter, spec, box))

    async def _refuse_gone(self, chunk: Any) -> None:
        """Raise `MissingError` where not only a chunk is missing, which is legal, but its array."""
        parts = self.metadata.encode_chunk_key((0,) * len(self.metadata.shape)).split("/")
        path = "/".join(chunk.path.split("/")[: -len(parts)])
        document = "zarr.json" if self.metadata.zarr_format == 3 else ".zarray"
        if not await chunk.store.exists(f"{path}/{document}".lstrip("/")):
            raise MissingError(
                f"{place(chunk.store, path)} is no longer there: a chunk is missing, and so is {document}. Open the "
                "image again where it stands now."
            )

    async def write(self, batch_info: Iterable[Any], value: Any, drop_axes: tuple[int, ...] = ()) -> None:
        chunks = list(batch_info)
        if self.impl is None:  # which reads a shard before it replaces it
            chunks = [(_Replaced(setter), *rest) if rest[-1] else (setter, *rest) for setter, *rest in chunks]
            value = Pixels.from_ndarray_like(value.as_ndarray_like())
            codecs = getattr(self.metadata, "codecs", ())
            if not any(isinstance(codec, ShardingCodec) for codec in codecs):  # in which Zarr insists on its own
                chunks = [(setter, replace(spec, prototype=_PROTOTYPE), *rest) for setter, spec, *rest in chunks]
        for part in self._at_once(chunks):
            await super().write(part, value, drop_axes)

    def store_cell(self, key: str, pixels: Any, *, empty: bool) -> bool:
        """Store a whole chunk or shard on this thread; return False where the pipeline in Rust does not know the array.

        Zarr's way there, whose selections fit any box, takes about as long as the codec takes for 512 KiB.

        Args:
            key: of the chunk in the store. pixels: of the array's type, in C order. empty: whether it is stored where
                it has only the fill value.
        """
        if self.impl is None:
            return False
        self._at_once(())
        shape, whole = pixels.shape, [slice(0, n) for n in pixels.shape]
        item = ChunkItem(key=key, chunk_subset=whole, chunk_shape=shape, subset=whole, shape=shape)
        self.impl.store_chunks_with_indices([item], pixels, empty)
        return True

    def _at_once(self, chunks: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """Divide chunks into those that can be handed over together: all, or in a process that was forked each."""
        process = os.getpid()
        if process == _HOME or self.impl is None:
            return [chunks]
        if self._process != process:
            self.impl, self._process = self._in_rust(1), process
        return [[chunk] for chunk in chunks]


register_pipeline(Pipeline)


@attrs.frozen
class _Replaced:
    """Store a chunk or shard that is written as a whole, so that what is there need not be read."""

    setter: Any

    async def get(self, prototype: Any, byte_range: Any = None) -> None:
        return None

    async def set(self, value: Any) -> None:
        await self.setter.set(value)

    async def delete(self) -> None:
        await self.setter.delete()


@attrs.frozen
class _Watched:
    """Get the bytes of a chunk, and note where there are none."""

    getter: Any
    missing: list[Any]

    @property
    def path(self) -> Any:
        """Where the chunk is stored, for messages."""
        return getattr(self.getter, "path", None)

    async def get(self, prototype: Any, byte_range: Any = None) -> Any:
        found = await self.getter.get(prototype, byte_range)
        if found is None:
            self.missing.append(self.getter)
        return found
