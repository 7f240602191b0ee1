"""One write, wholly parsed and checked, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from zarr.storage import LocalStore

from ..config import config
from ..engine import PIECE_BYTES, Plan, make_plan, schedule
from ..pixels import Level, Method, describe
from ..spec import Axes
from ..store import Grid, Layout, Target

AWAY_BYTES = 32 * 2**20  # a piece of a store that is no folder: several chunks, which are sent at the same time


@attrs.frozen(eq=False)
class Request:
    """Hold one write: what is written, where, how. Making one touches nothing.

    Attributes:
        target: the group that becomes the image.
        axes: its axes. dtype: of all levels. levels: their shapes and geometry. paths: where each is stored.
        sources: the given pixels by level. method: how the other levels are made.
        layout: chunks, shards and compression. document: the metadata, written last.
        what: "an image" or "a label image", for messages.
        kept: levels that are stored already and stay as they are.
        attributes: attributes that the group gets beside the metadata.
    """

    target: Target
    axes: Axes
    dtype: np.dtype[Any]
    levels: tuple[Level, ...]
    paths: tuple[str, ...]
    sources: Mapping[int, Any]
    method: Method
    layout: Layout
    document: Mapping[str, Any]
    what: str = "an image"
    kept: frozenset[int] = frozenset()
    attributes: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def new_paths(self) -> list[str]:
        """Give the paths of the levels that are written."""
        return [path for k, path in enumerate(self.paths) if k not in self.kept]

    @property
    def grids(self) -> tuple[Grid, ...]:
        """Give the chunk and shard grid of every level."""
        return self.layout.grids(self.levels, self.axes, self.dtype.itemsize, self.target.fmt.zarr_format)

    def plan(self, cut: list[Any] | None = None, *, spread: bool = False) -> Plan:
        """Cut the work into units, where possible as it was cut before; see `make_plan`."""
        return make_plan(
            self.levels, self.grids, self.method, self.dtype.itemsize,
            {k: describe(source) for k, source in self.sources.items() if k not in self.kept},
            memory_target=config.memory_target, task_target=config.task_target, workers=config.workers,
            kept=self.kept, division=cut, spread=spread or schedule.spread(),
            piece_target=PIECE_BYTES if isinstance(self.target.store, LocalStore) else AWAY_BYTES,
        )  # fmt: skip

    def array_options(self) -> dict[str, dict[str, Any]]:
        """Give the options of `zarr.create_array` for every level, by its path."""
        count = len(self.levels)
        compressions = self.layout.compressions(count)
        return {
            path: {
                "shape": level.shape,
                "dtype": self.dtype,
                "chunks": grid.chunks,
                "shards": grid.shards,
                "compressors": compression.compressors(self.target.fmt.zarr_format, self.dtype),
                "fill_value": self.layout.of(k, count).get("fill_value", 0),
            }
            for k, (path, level, grid, compression) in enumerate(
                zip(self.paths, self.levels, self.grids, compressions, strict=True)
            )
        }

    def settings(self) -> dict[str, Any]:
        """Describe what is written, for the mark: a resumed write has to agree with all of it."""
        return {
            "shape": list(self.levels[0].shape),
            "dtype": str(self.dtype),
            "levels": [list(level.shape) for level in self.levels],
            "paths": list(self.paths),
            "chunks": [list(grid.chunks) for grid in self.grids],
            "shards": [list(grid.shards) if grid.shards else None for grid in self.grids],
            "compression": [str(c) for c in self.layout.compressions(len(self.levels))],
            "method": self.method.name,
            "metadata": self.target.fmt.wrap(self.document),
        }
