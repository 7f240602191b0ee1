"""How a request is carried out: the way from values to the disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import attrs
import zarr

from ..config import config
from ..engine import (
    Job,
    Progress,
    check_progress,
    client_of,
    dask_scheduler,
    delayed_tasks,
    help_with,
    prepare,
    run,
)
from ..exceptions import ExistsError, LostError, OptionError, StoreError, TakenOverError
from ..store import (
    JOURNAL,
    SHARED,
    Claim,
    Target,
    attributes_now,
    claims_for,
    create_arrays,
    describe_arrays,
    expel,
    find_target,
    in_memory,
    is_conditional,
    journal,
    locked,
    named_faults,
    open_array,
    open_node,
    refuse_self,
    remove_spool,
    taken_over,
)
from . import replace
from .ending import Ending, forget_late_notes
from .request import Request
from .resume import agree, as_begun, refuse_other_codecs, refuse_other_cut


def execute(
    request: Request,
    *,
    overwrite: bool,
    resume: bool = False,
    join: bool = False,
    compute: bool = True,
    progress: Progress = None,
    below: Callable[[Target], None] | None = None,
) -> list[Any]:
    """Carry a request out: refuse, clear or resume the target, run the plan, write the metadata.

    Args:
        request: what to write. overwrite, resume: what may happen to what is there.
        join: whether to help other processes that make the same call, or be the first of them.
        compute: False returns the tasks as `dask.delayed.Delayed` instead of running them.
        progress: see `progress.counter`.
        below: writes what belongs below the image, such as labels, once that is there; into a ZIP with it.
    """
    check_progress(progress)
    config.check()
    package = request.target.package
    if join:
        request, resume = _shared(request, overwrite=overwrite, compute=compute), True
    if package is None:
        tasks = _execute_group(request, overwrite, resume, compute, progress)
        if below is not None:
            below(request.target)
        return tasks
    package.refuse_words(resume=resume, compute=not compute)
    package.refuse(overwrite=overwrite, zarr_format=request.target.fmt.zarr_format)
    with named_faults(request.target, "write it again"), package.staged() as folder:
        inner = attrs.evolve(request, target=find_target(folder, request.target.fmt), afterwards=())
        execute(inner, overwrite=False, progress=progress, below=below)
    for step in request.afterwards:
        step()
    return []


def _shared(request: Request, *, overwrite: bool, compute: bool) -> Request:
    """Return a request as one that several processes carry out together.

    Raises:
        OptionError, StoreError: that cannot be.
    """
    if overwrite or not compute:
        word = "overwrite=True, with which each would begin anew" if overwrite else "compute=False"
        raise OptionError(f"join=True cannot be combined with {word}; leave one of them out.")
    if request.target.package is not None:
        raise OptionError(f"{request.target} is a ZIP, which one process writes in one go; leave out join=True.")
    claims_for(request.target, JOURNAL)
    return attrs.evolve(request, shared=True)


def _execute_group(request: Request, overwrite: bool, resume: bool, compute: bool, progress: Progress) -> list[Any]:
    begun = _enter(request, overwrite=overwrite, resume=resume, elsewhere=not compute)
    if begun is None:
        return []
    job, done, end = begun
    if not compute:
        return delayed_tasks(job, done, end)
    try:
        with named_faults(job.target, _way_on(request)):
            run(job, done, progress, attrs.evolve(end, afterwards=(), last=None if job.shared else job.holder.leave))
    except Exception as error:
        try:
            if job.shared and isinstance(error, LostError):
                _share_anew(job.target)
            job.holder.look()  # perhaps what has failed is but a consequence
        except TakenOverError:
            forget_late_notes(job.target)
            now = attrs.evolve(job.target, attributes=attributes_now(job.target))
            if job.shared and (now.is_image if now.mark is None else SHARED in now.mark):
                return _execute_group(attrs.evolve(request, target=now), overwrite, resume, compute, progress)
            raise
        except StoreError:  # which has nothing new to say
            pass
        raise
    finally:
        job.holder.leave()
    for step in end.afterwards:  # what fails here fails in a finished image
        step()
    return []


def _enter(request: Request, *, overwrite: bool, resume: bool, elsewhere: bool) -> tuple[Job, set[str], Ending] | None:
    """Begin what a request asks for, or go on with it: what to do, what is done, and the end; None if all is done.

    What stands there is looked at without the lock, and again under it; where another process has begun or finished
    something in between, the next look decides.
    """
    while True:
        seen = request.target
        request = as_begun(request) if resume else request
        try:
            documents, clear = _accept(request, overwrite=overwrite, resume=resume)
        except StoreError as error:
            now = attrs.evolve(seen, attributes=attributes_now(seen))
            if _same(now, seen):
                if request.shared and seen.mark is None and seen.is_image:
                    raise ExistsError(f"{seen} holds another image than this call would write: {error}") from None
                raise
            request = attrs.evolve(request, target=now)
            continue
        begun = resume and (seen.mark is not None or seen.is_image)
        asked = not begun or getattr(request.measured, "asked", True) or (seen.mark or {}).get("measured")
        measured = request.measured if asked else None
        end = Ending(
            seen,
            request.metadata,
            measured,
            request.afterwards,
            resumed=resume,
            files=request.files,
            shared=request.shared,
        )
        if begun and seen.mark is None:
            end.complete()
            return None
        for step in request.beforehand:
            step()
        if request.shared and (seen.mark or {}).get(SHARED):
            try:
                with suppress(FileNotFoundError):  # what is gone is prepared anew, by the next holder
                    job, done = _help(request)
                    return job, done, attrs.evolve(end, target=job.target, levels={**job.arrays, **request.at_hand()})
            except TakenOverError:
                now = attrs.evolve(seen, attributes=attributes_now(seen))
                if not _same(now, seen):  # else the folder of the holder is gone, too
                    request = attrs.evolve(request, target=now)
                    continue
        new = seen.attributes is None and not request.shared and is_conditional(seen)
        with named_faults(seen, _way_on(request)), locked(seen, shared=request.shared, new=new) as (now, claim):
            request = attrs.evolve(request, target=now)
            if not _same(now, seen):
                continue
            try:
                clear &= new
                job, done = _begin(request, documents, claim, resume=resume, elsewhere=elsewhere, new=new, clear=clear)
            except Exception as error:
                ours = claim.sure()
                if (request.shared and not ours) or (new and isinstance(error, TakenOverError)):  # who prepares, or did
                    request = attrs.evolve(request, target=attrs.evolve(now, attributes=attributes_now(now)))
                    continue
                if ours:
                    raise
                forget_late_notes(now)
                raise taken_over(now) from error
        levels = job.arrays if elsewhere else {**job.arrays, **request.at_hand()}
        return job, done, attrs.evolve(end, target=job.target, levels=levels)


def _way_on(request: Request) -> str:
    return "make the same call again" if request.shared else "go on with resume=True"


def _share_anew(target: Target) -> None:
    """Let somebody prepare a write that is shared once more: temporary chunks are gone, whose units are noted."""
    with locked(target, shared=True) as (now, _):
        if (now.mark or {}).get("holder") == (target.mark or {})["holder"]:
            journal.hold(now, shared=True)


def _same(now: Target, seen: Target) -> bool:
    """Return whether a group is in the state in which it was seen."""
    return (now.mark, now.document) == (seen.mark, seen.document)


def _accept(request: Request, *, overwrite: bool, resume: bool) -> tuple[dict[str, Any], bool]:
    """Raise whatever a write can be refused for; return the documents of its arrays, and whether its place is clear.

    Nothing is touched.
    """
    target = request.target
    documents = describe_arrays(target, request.names, request.array_options())
    document = target.fmt.wrap(request.document())
    target.fmt.validate({**request.attributes, **document}, kept=("transformation-type-known",))
    clear = replace.refuse_existing(request, overwrite=overwrite, resume=resume)
    replaced = replace.to_replace(target, request.new_paths)
    for k, source in request.sources.items():
        if k not in request.kept:
            refuse_self(source, target, replaced)
    if not request.shared:
        _refuse_unshared(request)
    if resume and "growing" in (target.mark or {}):
        raise StoreError(f"{target} is a stream, or is being added to; go on by stream_image or append_image.")
    if resume and (target.mark is not None or target.is_image):
        agree(request)
        if request.shared and target.mark is None:
            refuse_other_codecs(request, documents)
    return documents, clear


def _begin(
    request: Request,
    documents: Mapping[str, Any],
    claim: Claim,
    *,
    resume: bool,
    elsewhere: bool,
    new: bool,
    clear: bool,
) -> tuple[Job, set[str]]:
    """Begin a write, or go on with one, under the lock of its group: return what to do, and what is done.

    Args:
        request, documents, claim: what to write, its arrays, and the lock. resume, elsewhere: as in `_enter`.
        new: whether the group must not be there yet. clear: whether nothing is to be cleared away.

    Raises:
        TakenOverError: this process was stopped for so long that another got the lock.
    """

    def still_ours() -> None:
        if not claim.sure():
            raise taken_over(before)

    before = target = request.target
    mark = target.mark if resume else None
    plan = request.plan(mark.get("cut") if mark else None, elsewhere=elsewhere)
    noted = set()
    if mark and request.shared and SHARED in mark:
        refuse_other_cut(plan, target)
    still_ours()
    marked = time.monotonic()
    if mark:
        target = journal.hold(target, shared=request.shared)
        expel(target)
        noted = journal.noted(target)
    done = noted - {journal.CLEARED} if mark and mark.get("cut") == plan.division else set()
    if not done:  # the mark comes first, so that a replaced image stops being one before its first level goes
        replaced = replace.begun_paths(mark, "replaces") if mark else replace.to_replace(target, request.new_paths)
        settings, measured = request.settings(), (mark or {"measured": request.measured is not None}).get("measured")
        if mark:
            settings["metadata"] = mark["metadata"]  # with the version of the package that has begun it
            still_ours()
        said = {"said": (target.said if mark else None) or dict(request.said)} if request.said else {}
        said |= {SHARED: {}} if request.shared else {}
        target = journal.begin(
            target,
            {**settings, "cut": plan.division, "replaces": sorted(replaced), "measured": measured, **said},
            request.attributes,
            new=new,
        )
        expel(before)
        remove_spool(before)
        if not clear:
            replace.clear(target, request.new_paths if journal.CLEARED in noted else replaced, still_ours)
    still_ours()
    cleared = journal.note_of(target, journal.CLEARED) if not done and plan.units > 1 else {}
    arrays = _arrays(request, target, documents, fresh=not done, files=cleared)
    guard = still_ours if request.shared else None
    job, done = prepare(
        plan, target, arrays, request.sources, request.dtype, done, copied=request.copied, before_sharing=guard
    )
    still_ours()
    job.holder.asked = marked
    return job, done


def _help(request: Request) -> tuple[Job, set[str]]:
    """Help with a write that another process has prepared: return what to do, and what is done.

    Raises:
        FileNotFoundError: some of it is gone. Without the lock nothing is created in its place.
        StoreError: this process would cut the work in another way. TakenOverError: there is nobody to help any more.
    """
    target = request.target
    plan = request.plan((target.mark or {}).get("cut"))
    refuse_other_cut(plan, target)
    levels = {k: target.key(path) for k, path in enumerate(request.paths)}
    arrays = {k: open_array(target.store, path, mode="r+") for k, path in levels.items()}
    return help_with(plan, target, arrays, request.sources, request.dtype, request.copied)


def _refuse_unshared(request: Request) -> None:
    """Raise `StoreError` where tasks would run in processes that cannot reach the target or a source."""
    if (scheduler := dask_scheduler()) is None:
        return
    from dask.multiprocessing import get

    elsewhere = "the cluster" if client_of(scheduler) else "other processes" if scheduler is get else None
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
    request: Request, target: Target, documents: Mapping[str, Any], *, fresh: bool, files: Mapping[str, bytes]
) -> dict[int, zarr.Array[Any]]:
    """Open the levels that are there, of an interrupted write or kept ones, and create the others, and files."""
    there = {
        path: open_array(target.store, target.key(path), mode="r+")
        for k, path in enumerate(request.paths)
        if k not in request.stands
        and (k in request.kept or not fresh)
        and isinstance(open_node(target.store, target.key(path)), zarr.Array)
    }
    there |= {request.paths[k]: array for k, array in request.stands.items()}
    missing = {path: documents[path] for path in request.paths if path not in there}
    if missing or files:
        there |= create_arrays(target, missing, shards=any(g.shards for g in request.grids), files=files)
    return {k: there[path] for k, path in enumerate(request.paths)}
