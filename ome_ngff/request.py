"""One write, wholly parsed and checked, and how it is carried out: the way from values to the disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs
import numpy as np
import zarr
from zarr.storage import LocalStore

from . import engine, existing, journal, storage
from .axes import Axes
from .config import config
from .cutting import PIECE_BYTES, make_plan
from .exceptions import OptionError, StoreError
from .layout import Layout
from .levels import Level
from .methods import Method
from .plan import Grid, Margin, Plan
from .progress import Progress, check_progress
from .sources import describe, refuse_self
from .zipped import Package

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

    target: storage.Target
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
            kept=self.kept, cut=cut, spread=spread or engine.spread(),
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


def execute(
    request: Request,
    *,
    overwrite: bool,
    resume: bool = False,
    compute: bool = True,
    progress: Progress = None,
    after: Callable[[], None] | None = None,
) -> list[Any]:
    """Carry a request out: refuse, clear or resume the target, run the plan, write the metadata.

    Args:
        request: what to write. overwrite, resume: what may happen to what is there.
        compute: False returns the tasks as `dask.delayed.Delayed` instead of running them.
        progress: see `progress.counter`.
        after: called once the metadata is written.
    """
    target = request.target
    check_progress(progress)
    if target.package is not None:
        if resume or not compute:
            raise OptionError("A ZIP is written in one go: resume=True and compute=False need a folder.")
        return _execute_packed(request, target.package, overwrite, progress, after)
    documents = _accept(request, overwrite=overwrite, resume=resume)
    if resume and target.mark is None and "multiscales" in target.document:
        _agree(target, request, _finished_settings(target))
        journal.forget_units(target)
        journal.sweep_partial(target)
        if after is not None:
            after()
        return []
    target, plan, done = _begun(request, resume, spread=not compute)
    arrays = _arrays(request, target, documents, fresh=not done)
    spool, done = _spool(plan, target, request.dtype, done)
    margins = _margins(plan, target, request.dtype)
    job = engine.Job(plan, target, arrays, dict(request.sources), spool, margins, request.dtype, plan.units > 1)
    end = partial(_end, target, dict(request.document), job.resumable, resume, after)
    if not compute:
        return engine.delayed_tasks(job, done, end)
    engine.run(job, done, progress, end)
    return []


def _accept(request: Request, *, overwrite: bool, resume: bool) -> dict[str, Any]:
    """Raise whatever a write can be refused for, and give the documents of its arrays; nothing is touched."""
    target = request.target
    documents = storage.describe_arrays(target, request.axes.names, request.array_options())
    target.fmt.validate({**request.attributes, **target.fmt.wrap(request.document)})
    existing.refuse_existing(target, request.new_paths, overwrite=overwrite, resume=resume, what=request.what)
    if target.attributes is not None:
        for k, source in request.sources.items():
            if k not in request.kept:
                refuse_self(source, target)
    _refuse_unshared(request)
    if resume and target.mark is not None:
        _agree(target, request, target.mark)
    return documents


def _begun(request: Request, resume: bool, *, spread: bool) -> tuple[storage.Target, Plan, set[str]]:
    """Begin a write, or go on with one: give the marked target, the plan, and the units that are done."""
    target = request.target
    mark = target.mark if resume else None
    plan = request.plan(mark.get("cut") if mark else None, spread=spread)
    noted = journal.noted(target) if mark else set()
    done = noted - {journal.CLEARED} if mark and mark.get("cut") == plan.cut else set()
    if not done:  # the mark comes first, so that a replaced image stops being one before its first level goes
        replaced = mark["replaces"] if mark else existing.doomed(target, request.new_paths)
        journal.remove_spool(target)
        mark = {**request.settings(), "cut": plan.cut, "replaces": replaced}
        target = journal.begin(target, mark, request.attributes)
        existing.clear(target, request.new_paths if journal.CLEARED in noted else replaced)
        if plan.units > 1:
            journal.note(target, journal.CLEARED)
    return target, plan, done


def _refuse_unshared(request: Request) -> None:
    """Raise `StoreError` where tasks would run in processes that cannot reach the target or a source."""
    from dask.base import get_scheduler
    from dask.multiprocessing import get

    elsewhere = "the cluster" if engine.active_client() else "other processes" if get_scheduler() is get else None
    if elsewhere is None:
        return
    if storage.in_memory(request.target.store):
        place = str(request.target)
        raise StoreError(f"{place} is in the memory of this process, which the tasks in {elsewhere} do not share.")
    for source in request.sources.values():
        file: Any = getattr(source, "file", None)  # of HDF5
        if getattr(file, "mode", "r") != "r":
            raise StoreError(f"{file.filename} is open for writing, so the tasks in {elsewhere} cannot read it.")


def _execute_packed(
    request: Request, package: Package, overwrite: bool, progress: Progress, after: Callable[[], None] | None
) -> list[Any]:
    """Carry a request out in a folder beside a ZIP, and pack that."""
    package.refuse(overwrite=overwrite, zarr_format=request.target.fmt.zarr_format)
    with package.staged() as folder:
        inner = attrs.evolve(request, target=storage.find_target(folder, request.target.fmt))
        execute(inner, overwrite=False, progress=progress)
    if after is not None:
        after()
    return []


def _arrays(
    request: Request, target: storage.Target, documents: Mapping[str, Any], *, fresh: bool
) -> dict[int, zarr.Array[Any]]:
    """Open the levels that are there, of an interrupted write or kept ones, and create the others."""
    there = {
        path: storage.open_array(target.store, target.key(path), mode="r+")
        for k, path in enumerate(request.paths)
        if (k in request.kept or not fresh)
        and isinstance(storage.open_node(target.store, target.key(path)), zarr.Array)
    }
    missing = {path: documents[path] for path in request.paths if path not in there}
    there |= storage.create_arrays(target, missing, shards=any(g.shards for g in request.grids)) if missing else {}
    return {k: there[path] for k, path in enumerate(request.paths)}


def _end(
    target: storage.Target,
    document: Mapping[str, Any],
    noted: bool,
    resumed: bool,
    after: Callable[[], None] | None,
) -> None:
    """Write the metadata, which makes the group an image; then tidy up."""
    journal.finish(target, document)
    if noted or resumed:
        journal.forget_units(target)
    if resumed:
        journal.sweep_partial(target)
    journal.remove_spool(target)
    if after is not None:
        after()


def _finished_settings(target: storage.Target) -> dict[str, Any]:
    """Read the settings of a finished image from its metadata and its arrays."""
    paths = storage.level_paths(target.document)
    nodes = [storage.open_node(target.store, target.key(path)) for path in paths]
    arrays = [node for node in nodes if isinstance(node, zarr.Array)]
    return {
        "levels": [list(array.shape) for array in arrays],
        "dtype": str(arrays[0].dtype) if arrays else None,
        "chunks": [list(array.chunks) for array in arrays],
        "shards": [list(array.shards) if array.shards else None for array in arrays],
        "metadata": target.fmt.wrap(target.document),
    }


def _agree(target: storage.Target, request: Request, there: Mapping[str, Any]) -> None:
    """Raise where a write that was begun had other settings."""
    here = request.settings()
    other = [name for name in here if name in there and not storage.same_json(there[name], here[name])]
    if other:
        plain = [name for name in other if name != "metadata"] or other
        said = "; ".join(f"{name}: there {_short(there[name])}, now {_short(here[name])}" for name in plain[:3])
        raise StoreError(
            f"{target} was begun with other settings ({said}). Resume with the same ones, or pass overwrite=True."
        )


def _margins(plan: Plan, target: storage.Target, dtype: np.dtype[Any]) -> dict[Margin, Any]:
    """Open the temporary arrays of the margins, in the journal's folder, which goes when the write is finished."""
    if not target.store.supports_deletes:
        return {}
    return {
        margin: journal.ready_temporary(
            target,
            f"margin-{margin.reader}-{margin.axis}",
            margin.shape(plan.levels[margin.level]),
            margin.chunks(plan.grids[margin.level]),
            dtype,
        )
        for margin in plan.margins
    }


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 120 else f"{text[:100]} ..."


def _spool(plan: Plan, target: storage.Target, dtype: np.dtype[Any], done: set[str]) -> tuple[Any, set[str]]:
    """Open the temporary array of a plan that has one; where it is new, its units are not done, or not needed."""
    if plan.spool is None:
        return None, done
    filling = next(i for i, work in enumerate(plan.passes) if not work.writes)
    fills, reads = ({f"{p}-{i}" for i in range(len(plan.passes[p]))} for p in (filling, filling + 1))
    if reads <= done:
        return None, done | fills
    shape = plan.levels[plan.passes[filling].base].shape
    spool, fresh = journal.make_spool(target, shape, plan.spool, dtype)
    return spool, done - fills if fresh else done
