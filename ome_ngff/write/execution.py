"""How a request is carried out: the way from values to the disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import zarr

from ..engine import Plan, Progress, active_client, check_progress, dask_scheduler, delayed_tasks, prepare, run
from ..exceptions import OptionError, StoreError
from ..read import StoredImage
from ..spec import Metadata
from ..store import (
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
    update_document,
)
from . import replace
from .request import Request
from .resume import agree


def execute(
    request: Request,
    *,
    overwrite: bool,
    resume: bool = False,
    compute: bool = True,
    progress: Progress = None,
    below: Callable[[Target], None] | None = None,
) -> list[Any]:
    """Carry a request out: refuse, clear or resume the target, run the plan, write the metadata.

    Args:
        request: what to write. overwrite, resume: what may happen to what is there.
        compute: False returns the tasks as `dask.delayed.Delayed` instead of running them.
        progress: see `progress.counter`.
        below: writes what belongs below the image, such as labels, once that is there; into a ZIP with it.
    """
    check_progress(progress)
    package = request.target.package
    if package is None:
        tasks = _execute_group(request, overwrite, resume, compute, progress)
        if below is not None:
            below(request.target)
        return tasks
    words = [word for word, given in (("resume=True", resume), ("compute=False", not compute)) if given]
    if words:
        raise OptionError(f"{package} is a ZIP, which is written in one go; leave out {' and '.join(words)}.")
    package.refuse(overwrite=overwrite, zarr_format=request.target.fmt.zarr_format)
    with package.staged() as folder:
        inner = attrs.evolve(request, target=find_target(folder, request.target.fmt), afterwards=())
        execute(inner, overwrite=False, progress=progress, below=below)
    for step in request.afterwards:
        step()
    return []


def _execute_group(request: Request, overwrite: bool, resume: bool, compute: bool, progress: Progress) -> list[Any]:
    target = request.target
    documents = _accept(request, overwrite=overwrite, resume=resume)
    end = Ending(target, request.metadata, request.measured, request.afterwards, resumed=resume)
    if resume and target.mark is None and "multiscales" in target.document:
        end.complete()
        return []
    target, plan, done = _begin(request, resume, elsewhere=not compute)
    arrays = _arrays(request, target, documents, fresh=not done)
    job, done = prepare(plan, target, arrays, request.sources, request.dtype, done)
    levels = arrays if not compute else {**arrays, **request.at_hand()}
    end = attrs.evolve(end, target=target, noted=job.resumable or resume, levels=levels)
    if not compute:
        return delayed_tasks(job, done, end)
    run(job, done, progress, end)
    return []


def _accept(request: Request, *, overwrite: bool, resume: bool) -> dict[str, Any]:
    """Raise whatever a write can be refused for, and return the documents of its arrays; nothing is touched."""
    target = request.target
    documents = describe_arrays(target, request.names, request.array_options())
    target.fmt.validate({**request.attributes, **target.fmt.wrap(request.document())})
    replace.refuse_existing(request, overwrite=overwrite, resume=resume)
    replaced = replace.to_replace(target, request.new_paths)
    for k, source in request.sources.items():
        if k not in request.kept:
            refuse_self(source, target, replaced)
    _refuse_unshared(request)
    if resume and (target.mark is not None or "multiscales" in target.document):
        agree(request)
    return documents


def _begin(request: Request, resume: bool, *, elsewhere: bool) -> tuple[Target, Plan, set[str]]:
    """Begin a write, or go on with one: return the marked target, the plan, and the units that are done."""
    target = request.target
    mark = target.mark if resume else None
    plan = request.plan(mark.get("cut") if mark else None, elsewhere=elsewhere)
    noted = journal.noted(target) if mark else set()
    done = noted - {journal.CLEARED} if mark and mark.get("cut") == plan.division else set()
    if not done:  # the mark comes first, so that a replaced image stops being one before its first level goes
        replaced = replace.begun_paths(mark, "replaces") if mark else replace.to_replace(target, request.new_paths)
        remove_spool(target)
        settings = request.settings()
        if mark:
            settings["metadata"] = mark["metadata"]  # with the version of the package that has begun it
        target = journal.begin(
            target, {**settings, "cut": plan.division, "replaces": sorted(replaced)}, request.attributes
        )
        replace.clear(target, request.new_paths if journal.CLEARED in noted else replaced)
        if plan.units > 1:
            journal.note(target, journal.CLEARED)
    return target, plan, done


def _refuse_unshared(request: Request) -> None:
    """Raise `StoreError` where tasks would run in processes that cannot reach the target or a source."""
    from dask.multiprocessing import get

    elsewhere = "the cluster" if active_client() else "other processes" if dask_scheduler() is get else None
    if elsewhere is None:
        return
    if in_memory(request.target.store):
        place = str(request.target)
        raise StoreError(f"{place} is in the memory of this process, which the tasks in {elsewhere} do not share.")
    for source in request.sources.values():
        file: Any = getattr(source, "file", None)  # of HDF5
        if getattr(file, "mode", "r") != "r":
            raise StoreError(f"{file.filename} is open for writing, so the tasks in {elsewhere} cannot read it.")


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


@attrs.frozen(eq=False)
class Ending:
    """What is done last, in one step: the metadata and what is measured; then the traces of the write go.

    Attributes:
        target: the group, with its mark. metadata, measured, afterwards: as in `Request`.
        resumed: whether a process may have been killed before. noted: whether there is a journal.
        levels: the levels that are stored, or the same pixels in memory; None opens them.
    """

    target: Target
    metadata: Metadata
    measured: Callable[[Sequence[Any], Metadata], Mapping[str, Any]] | None
    afterwards: tuple[Callable[[], object], ...]
    resumed: bool
    noted: bool = True
    levels: Mapping[int, Any] | None = None

    @property
    def _paths(self) -> list[str]:
        return [dataset.path for dataset in self.metadata.datasets]

    def __call__(self) -> None:
        """Finish the image that was begun."""
        target = self.target
        document = target.fmt.unwrap((target.mark or {})["metadata"])
        journal.finish(target, {**document, **self._measurements(document)})
        if self.noted:
            journal.forget_units(target)
        if self.resumed:
            journal.sweep_partial(target, self._paths)
        remove_spool(target)
        for step in self.afterwards:
            step()

    def complete(self) -> None:
        """Do what a finished image lacks because a process was killed before it did that."""
        journal.forget_units(self.target)
        journal.sweep_partial(self.target, self._paths)
        missing = self._measurements(self.target.document)
        if missing:
            update_document(self.target, missing)
        for step in self.afterwards:
            step()

    def _measurements(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what is measured of the stored levels, unless the document states it already."""
        if self.measured is None or "omero" in document:
            return {}
        levels = self.levels or dict(enumerate(StoredImage.of(self.target).arrays))
        return self.measured([levels[k] for k in range(len(levels))], self.metadata)
