"""One look at all pixels, block by block: each is read once, and what is seen of the blocks is joined."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import attrs
from numpy.typing import NDArray

from ..config import config
from ..pixels import Box, cut_blocks, describe, native, pack, read, unpack
from ..store import settled
from .allocator import give_back
from .surroundings import spread

T = TypeVar("T")
TASK_BYTES = 16 * 2**20  # read at once, more only where a block of the source is larger
FAN_IN = 16  # results joined at once


def over_blocks(source: Any, look: Callable[[NDArray[Any], Box], T], join: Callable[[list[T]], T]) -> T:
    """Look at an array of any size, on the scheduler that dask is set to.

    Args:
        source: what `as_source` returns.
        look: gets a block in native byte order and C order, and its box in the array.
        join: gets some of what `look` and `join` returned; the order must not matter. Both must be picklable.
    """
    from dask.base import compute
    from dask.delayed import delayed

    itemsize, shape = source.dtype.itemsize, tuple(map(int, source.shape))
    blocks = describe(source).chunks or tuple((1,) * n for n in shape)
    seen, joined = delayed(_look, pure=False), delayed(join, pure=False)
    held = delayed(_Held(settled(source)), traverse=False, pure=False)
    tasks = [seen(look, held, box) for box in cut_blocks(blocks, TASK_BYTES // itemsize)]
    while len(tasks) > 1:
        tasks = [joined(tasks[i : i + FAN_IN]) for i in range(0, len(tasks), FAN_IN)]
    task_bytes = 2 * max(TASK_BYTES, itemsize * math.prod(max(lengths) for lengths in blocks))
    with ThreadPoolExecutor(max(1, min(config.workers, config.memory_target // task_bytes))) as pool:
        (found,) = compute(*tasks, **({} if spread() else {"pool": pool, "scheduler": "threads"}))
    result: T = found
    return result


@attrs.frozen(eq=False)
class _Held:
    """A source on its way to the tasks: files travel by their places."""

    array: Any

    def __reduce__(self) -> Any:
        return _arrived, (pack(self.array),)


def _arrived(packed: Any) -> _Held:
    return _Held(unpack(packed))


def _look(look: Callable[[NDArray[Any], Box], T], held: _Held, box: Box) -> T:
    block = read(held.array, box, native(held.array.dtype))
    found, large = look(block, box), block.nbytes > TASK_BYTES
    del block
    if large:
        give_back()
    return found
