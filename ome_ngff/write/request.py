"""One write, wholly parsed and checked, as a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from ..config import config
from ..engine import PIECE_BYTES, Plan, make_plan, spread
from ..exceptions import InputError
from ..pixels import Level, Method, describe, native
from ..spec import Axes, Metadata, name_fault, path_fault, placed
from ..store import (
    Grid,
    Layout,
    LevelStorage,
    Target,
    fingerprint,
    folder_of,
    in_memory,
    settled,
    storage_of,
    stored_array,
)
from ..text import show

AWAY_THREADS = 16  # that write to a store that is away: most of them wait for it
SHARED_BYTES = 64 * 2**20  # of a unit that several processes might do, so that little is done twice
AWAY_BYTES = 32 * 2**20  # a piece of a store that is not a folder: several chunks, which are sent at the same time
ALIKE_BYTES = 4 * 2**20  # a piece of files that are cut as ours: larger ones lie there by themselves


def given_level(shape: Sequence[int], number: int) -> Level:
    """Return the geometry of a level that is stored as it is given, not made from another one."""
    ones = (1,) * len(shape)
    return Level(tuple(shape), ones, number, ones, (0.0,) * len(shape))


def _settled(sources: Mapping[int, Any]) -> dict[int, Any]:
    return {k: settled(source) for k, source in sources.items()}


def _kept(
    storage: Sequence[LevelStorage], sources: Mapping[int, Any], dtype: np.dtype[Any]
) -> tuple[tuple[LevelStorage, ...], dict[int, LevelStorage]]:
    """Keep the compression of sources that are cut as their levels will be, where the caller asks for no other.

    Returns:
        How the levels are stored, those that are made as the first is; and how the sources are
        whose chunks can be copied.
    """
    found = {}
    for k, source in sources.items():
        array = stored_array(source) if native(source.dtype) == dtype else None
        there = None if array is None or storage[k].asked else storage_of(array)
        if there is not None and there.grid == storage[k].grid and there.fill_value == storage[k].fill_value:
            found[k] = there
    kept = [
        attrs.evolve(stored, compression=found.get(k, found.get(0, stored)).compression)
        if k in found or (k not in sources and not stored.asked)
        else stored
        for k, stored in enumerate(storage)
    ]
    return tuple(kept), found


@attrs.frozen(eq=False)
class Request:
    """Hold one write: what is written, where, how. Making one touches nothing.

    Attributes:
        target: the group that becomes the image. metadata: what is written about it, last.
        dtype: of all levels. levels: their shapes and geometry. storage: how each is stored.
        sources: the given pixels by level. method: how the other levels are made.
        image_label: colours and so on, where it is a label image. what: "an image" or "a label image", for messages.
        kept: levels that are stored already and stay as they are. stands: their arrays, where they are elsewhere.
        attributes: attributes that the group gets besides the metadata.
        said: what it says under our name: the source, and what that says of itself. files: others below it, by path.
        measured: called with the levels once they are stored; what it returns is written with the metadata.
        beforehand: called once the write is not refused, before anything of it is there.
        afterwards: called once the image is finished.
        shared: whether several processes carry it out together.
        copied: levels whose chunks are copied from their source, and how that has them stored.
        spelled: names of the axes as the arrays have them, where an image that is there writes them in its own way.
    """

    target: Target
    metadata: Metadata
    dtype: np.dtype[Any]
    levels: tuple[Level, ...]
    storage: tuple[LevelStorage, ...]
    sources: Mapping[int, Any] = attrs.field(converter=_settled)
    method: Method
    image_label: Mapping[str, Any] | None = None
    kept: frozenset[int] = frozenset()
    stands: Mapping[int, Any] = attrs.field(factory=dict)
    attributes: Mapping[str, Any] = attrs.field(factory=dict)
    said: Mapping[str, Any] = attrs.field(factory=dict)
    files: Mapping[str, bytes] = attrs.field(factory=dict)
    measured: Callable[[Sequence[Any], Metadata], Mapping[str, Any]] | None = None
    beforehand: tuple[Callable[[], object], ...] = ()
    afterwards: tuple[Callable[[], object], ...] = ()
    shared: bool = False
    copied: Mapping[int, LevelStorage] = attrs.field(factory=dict)
    spelled: Sequence[str] | None = None

    @classmethod
    def of(
        cls,
        target: Target,
        axes: Axes,
        metadata: Metadata,
        levels: Sequence[Level],
        sources: Mapping[int, Any],
        method: Method,
        layout: Layout,
        **more: Any,
    ) -> Request:
        """Parse how the levels are stored, and make the request.

        Raises:
            InputError: a level has no place of its own. ChunkError, CodecError: the levels cannot be stored so.
        """
        for path in (dataset.path for dataset in metadata.datasets):
            fault = path_fault(path) or name_fault(path)
            if fault or path.split("/")[0] == "labels":
                raise InputError(
                    f"A level cannot be stored at {show(path)}. {fault or 'Labels have their place there.'}"
                )
        dtype = native(sources[0].dtype)
        storage = layout.storage(levels, axes, dtype, target.fmt.zarr_format)
        storage, copied = _kept(storage, sources, dtype)
        return cls(target, metadata, dtype, tuple(levels), storage, sources, method, copied=copied, **more)

    @property
    def what(self) -> str:
        """What is written, for messages."""
        return "an image" if self.image_label is None else "a label image"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(axis.name for axis in self.metadata.axes)

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the levels, relative to the group."""
        return tuple(dataset.path for dataset in self.metadata.datasets)

    def outline(self) -> dict[str, Any]:
        """Return what would be written, as JSON has it: axes, sizes, levels with their chunks."""
        scale, _ = placed([self.metadata.datasets[0].coordinateTransformations], len(self.names))
        axes = [
            {"name": axis.name, "type": axis.type, "size": size, "scale": step, "unit": axis.unit}
            for axis, size, step in zip(self.metadata.axes, self.levels[0].shape, scale, strict=True)
        ]
        levels = [
            {"path": path, "shape": level.shape, "factors": level.factors, "chunks": grid.chunks, "shards": grid.shards}
            for path, level, grid in zip(self.paths, self.levels, self.grids, strict=True)
        ]
        version, name = self.target.fmt.version, self.metadata.name
        return {"version": version, "name": name, "dtype": str(self.dtype), "axes": axes, "levels": levels}

    @property
    def new_paths(self) -> list[str]:
        """Paths of what is written: levels and files."""
        return [*(path for k, path in enumerate(self.paths) if k not in self.kept), *self.files]

    @property
    def grids(self) -> tuple[Grid, ...]:
        """Chunk and shard grids of the levels."""
        return tuple(stored.grid for stored in self.storage)

    def document(self) -> dict[str, Any]:
        """Return the document that finishes the image, without what is measured."""
        fmt = self.target.fmt
        label = {} if self.image_label is None else fmt.image_label(**self.image_label)
        return {**fmt.encode(self.metadata), **label}

    def plan(self, cut: list[Any] | None = None, *, elsewhere: bool = False) -> Plan:
        """Cut the work into units, where possible as it was cut before; see `make_plan`."""
        shared = elsewhere or self.shared or spread()
        away = self.target.folder is None and not in_memory(self.target.store) and not shared
        piece = AWAY_BYTES if self.target.folder is None and not away else PIECE_BYTES
        array = stored_array(self.sources[0])
        files = self.target.folder is not None and array is not None and folder_of(array.store) is not None
        return make_plan(
            self.levels, self.grids, self.method, self.dtype.itemsize,
            {k: describe(source) for k, source in self.sources.items() if k not in self.kept},
            memory_target=config.memory_target,
            task_target=min(config.task_target, SHARED_BYTES) if self.shared else config.task_target,
            workers=max(config.workers, AWAY_THREADS) if away else config.workers,
            kept=self.kept, division=cut, spread=shared,
            piece_target=piece, alike_target=ALIKE_BYTES if files else piece,
        )  # fmt: skip

    def array_options(self) -> dict[str, dict[str, Any]]:
        """Return the options of `zarr.create_array` for every level, by its path."""
        fmt = self.target.fmt
        named = fmt.array_options(self.spelled) if self.spelled else {}
        return {
            path: {
                "shape": level.shape,
                "dtype": self.stands[0].dtype if 0 in self.stands else self.dtype,
                "chunks": stored.grid.chunks,
                "shards": stored.grid.shards,
                "compressors": stored.compression.compressors(fmt.zarr_format, self.dtype),
                "fill_value": stored.fill_value,
                **named,
            }
            for path, level, stored in zip(self.paths, self.levels, self.storage, strict=True)
        }

    def at_hand(self) -> dict[int, Any]:
        """Return the levels that are NumPy in memory and whose stored pixels are the same, to the last bit."""
        return {
            k: source
            for k, source in self.sources.items()
            if type(source) is np.ndarray and k not in self.kept and self.storage[k].compression.codec is None
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
            "compression": [str(stored.compression) for stored in self.storage],
            "method": self.method.name,
            "metadata": self.target.fmt.wrap(self.document()),
            **({"source": self.said["source"]} if "source" in self.said else {}),
            **({"fingerprint": known} if (known := fingerprint(self.sources.get(0))) else {}),
        }
