"""Which label values occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..blocks import over_blocks
from ..plan import Box

SLAB = 2**20  # pixels that are looked at together


def label_values(source: Any) -> NDArray[Any]:
    """Return the values that occur in a source of integers, each once, in order, in its own type; read once."""
    return over_blocks(source, _in_block, _joined)


def _in_block(block: NDArray[Any], box: Box) -> NDArray[Any]:
    """Look at the first pixel of each run of equal ones: objects have few."""
    flat, found = block.reshape(-1), []
    for start in range(0, flat.size, SLAB):
        part = flat[start : start + SLAB]
        found.append(np.unique(part[np.append(True, part[1:] != part[:-1])]))
    return _joined(found)


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    joined: NDArray[Any] = np.unique(np.concatenate(parts))
    return joined
