"""The codec pipeline of the arrays that we open: in Rust where it knows the array, also in a process that was forked.

The threads that zarrs has for all arrays of a process do not survive a fork, and are not started again: whoever calls
them waits for ever. They are called for several chunks, and for the parts of one; not for a single chunk where there is
said to be one thread.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any, Self

import zarr
from zarr.registry import register_pipeline
from zarrs import ZarrsCodecPipeline
from zarrs.pipeline import get_codec_pipeline_fallback, get_codec_pipeline_impl

from .places import folder_of

_HOME = os.getpid()  # here zarrs has its threads, or will have them


@register_pipeline
class Pipeline(ZarrsCodecPipeline):
    """Read and write the chunks of one array."""

    @classmethod
    def from_array_metadata_and_store(cls, array_metadata: Any, store: Any) -> Self:
        made = cls.__new__(cls)
        made.__setstate__({"metadata": array_metadata, "store": store})
        return made

    def __setstate__(self, state: Any) -> None:
        self.metadata, self.store = state["metadata"], state["store"]
        self.impl = get_codec_pipeline_impl(self.metadata, self.store, strict=False) if self._known() else None
        self.python_impl = get_codec_pipeline_fallback(self.metadata, strict=False)
        self._process = _HOME

    def _known(self) -> bool:
        """Return whether the pipeline in Rust knows the store, the type, and the order of the pixels."""
        dtype = self.metadata.dtype.to_native_dtype()
        order = getattr(self.metadata, "order", zarr.config.get("array.order"))
        return folder_of(self.store) is not None and dtype.kind in "biuf" and dtype.isnative and order == "C"

    async def read(self, batch_info: Iterable[Any], out: Any, drop_axes: tuple[int, ...] = ()) -> None:
        for chunks in self._at_once(batch_info):
            await super().read(chunks, out, drop_axes)

    async def write(self, batch_info: Iterable[Any], value: Any, drop_axes: tuple[int, ...] = ()) -> None:
        for chunks in self._at_once(batch_info):
            await super().write(chunks, value, drop_axes)

    def _at_once(self, batch_info: Iterable[Any]) -> Sequence[Sequence[Any]]:
        """Divide chunks into those that can be handed over together: all, or in a process that was forked each."""
        chunks, process = list(batch_info), os.getpid()
        if process == _HOME or self.impl is None:
            return [chunks]
        if self._process != process:
            document = json.dumps(self.metadata.to_dict())
            self.impl = type(self.impl)(document, store_config=self.store, validate_checksums=True, num_threads=1)
            self._process = process
        return [[chunk] for chunk in chunks]
