"""How a request is carried out: the way from values to the disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs
import zarr

from ..engine import Plan, Progress, active_client, check_progress, delayed_tasks, prepare, run
from ..exceptions import OptionError, StoreError
from ..read import level_paths
from ..store import (
    Package,
    Target,
    create_arrays,
    describe_arrays,
    find_target,
    in_memory,
    journal,
    open_array,
    open_node,
    refuse_self,
    remove_spool,
)
from ..text import same_json
from . import replace
from .request import Request


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
    job, done = prepare(plan, target, arrays, request.sources, request.dtype, done)
    end = partial(_end, target, dict(request.document), job.resumable, resume, after)
    if not compute:
        return delayed_tasks(job, done, end)
    run(job, done, progress, end)
    return []


def _accept(request: Request, *, overwrite: bool, resume: bool) -> dict[str, Any]:
    """Raise whatever a write can be refused for, and give the documents of its arrays; nothing is touched."""
    target = request.target
    documents = describe_arrays(target, request.axes.names, request.array_options())
    target.fmt.validate({**request.attributes, **target.fmt.wrap(request.document)})
    replace.refuse_existing(target, request.new_paths, overwrite=overwrite, resume=resume, what=request.what)
    if target.attributes is not None:
        for k, source in request.sources.items():
            if k not in request.kept:
                refuse_self(source, target)
    _refuse_unshared(request)
    if resume and target.mark is not None:
        _agree(target, request, target.mark)
    return documents


def _begun(request: Request, resume: bool, *, spread: bool) -> tuple[Target, Plan, set[str]]:
    """Begin a write, or go on with one: give the marked target, the plan, and the units that are done."""
    target = request.target
    mark = target.mark if resume else None
    plan = request.plan(mark.get("cut") if mark else None, spread=spread)
    noted = journal.noted(target) if mark else set()
    done = noted - {journal.CLEARED} if mark and mark.get("cut") == plan.division else set()
    if not done:  # the mark comes first, so that a replaced image stops being one before its first level goes
        replaced = mark["replaces"] if mark else replace.to_replace(target, request.new_paths)
        remove_spool(target)
        mark = {**request.settings(), "cut": plan.division, "replaces": replaced}
        target = journal.begin(target, mark, request.attributes)
        replace.clear(target, request.new_paths if journal.CLEARED in noted else replaced)
        if plan.units > 1:
            journal.note(target, journal.CLEARED)
    return target, plan, done


def _refuse_unshared(request: Request) -> None:
    """Raise `StoreError` where tasks would run in processes that cannot reach the target or a source."""
    from dask.base import get_scheduler
    from dask.multiprocessing import get

    elsewhere = "the cluster" if active_client() else "other processes" if get_scheduler() is get else None
    if elsewhere is None:
        return
    if in_memory(request.target.store):
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
        inner = attrs.evolve(request, target=find_target(folder, request.target.fmt))
        execute(inner, overwrite=False, progress=progress)
    if after is not None:
        after()
    return []


def _arrays(
    request: Request, target: Target, documents: Mapping[str, Any], *, fresh: bool
) -> dict[int, zarr.Array[Any]]:
    """Open the levels that are there, of an interrupted write or kept ones, and create the others."""
    there = {
        path: open_array(target.store, target.key(path), mode="r+")
        for k, path in enumerate(request.paths)
        if (k in request.kept or not fresh) and isinstance(open_node(target.store, target.key(path)), zarr.Array)
    }
    missing = {path: documents[path] for path in request.paths if path not in there}
    there |= create_arrays(target, missing, shards=any(g.shards for g in request.grids)) if missing else {}
    return {k: there[path] for k, path in enumerate(request.paths)}


def _end(
    target: Target,
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
    remove_spool(target)
    if after is not None:
        after()


def _finished_settings(target: Target) -> dict[str, Any]:
    """Read the settings of a finished image from its metadata and its arrays."""
    paths = level_paths(target.document)
    nodes = [open_node(target.store, target.key(path)) for path in paths]
    arrays = [node for node in nodes if isinstance(node, zarr.Array)]
    return {
        "levels": [list(array.shape) for array in arrays],
        "dtype": str(arrays[0].dtype) if arrays else None,
        "chunks": [list(array.chunks) for array in arrays],
        "shards": [list(array.shards) if array.shards else None for array in arrays],
        "metadata": target.fmt.wrap(target.document),
    }


def _agree(target: Target, request: Request, there: Mapping[str, Any]) -> None:
    """Raise where a write that was begun had other settings."""
    here = request.settings()
    other = [name for name in here if name in there and not same_json(there[name], here[name])]
    if other:
        plain = [name for name in other if name != "metadata"] or other
        said = "; ".join(f"{name}: there {_short(there[name])}, now {_short(here[name])}" for name in plain[:3])
        raise StoreError(
            f"{target} was begun with other settings ({said}). Resume with the same ones, or pass overwrite=True."
        )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 120 else f"{text[:100]} ..."
