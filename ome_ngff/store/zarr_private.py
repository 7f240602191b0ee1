"""What we use of Zarr beyond its public API, in one place: what to look at when Zarr changes."""

from typing import Any

import zarr
from zarr.core.array import AsyncArray
from zarr.core.buffer import default_buffer_prototype
from zarr.core.group import GroupMetadata
from zarr.core.metadata import ArrayMetadata
from zarr.core.sync import sync

__all__ = ["ArrayMetadata", "AsyncArray", "GroupMetadata", "default_buffer_prototype", "inner", "sync"]


def inner(array: zarr.Array[Any]) -> AsyncArray[Any]:
    """Return the array whose methods are coroutines."""
    return array._async_array
