"""What every task of a plan needs: stored levels, pixels, temporary arrays. It is pickled by their places."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from socket import gethostname
from threading import Lock
from typing import Any

import attrs
import numpy as np

from ..config import config
from ..exceptions import StoreError, TakenOverError
from ..pixels import pack, unpack
from ..spec import entries_of
from ..store import (
    JOURNAL,
    SHARED,
    Holder,
    LevelStorage,
    Target,
    folder_of,
    in_memory,
    journal,
    locate,
    missing_chunks,
    open_array,
    temporary,
)
from .margins import with_margins
from .plan import Margin, Pass, Plan

BUNDLE_BYTES = 2**21  # of chunks that are small and go to the codec together


@attrs.frozen(eq=False)
class Job:
    """What every task needs.

    Attributes:
        plan: how the work is cut.
        target: the group that is written.
        arrays: the stored levels, by number.
        sources: the given pixels, by number of the level; anything that can be sliced.
        spool: the temporary array, where the plan has one. margins: those of the margins, by margin, or none.
        holder: writes all of these. dtype: of every level.
        resumable: whether finished units are noted for a later resume.
        shared: whether other processes help that make the same call.
        copied: levels whose chunks are copied, not encoded anew, and how their source has them stored.
        patience: seconds of silence after which what another helper is at may be taken over.
    """

    plan: Plan
    target: Target
    arrays: Mapping[int, Any]
    sources: Mapping[int, Any]
    spool: Any
    margins: Mapping[Margin, Any]
    holder: Holder
    dtype: np.dtype[Any]
    resumable: bool
    shared: bool = False
    copied: Mapping[int, LevelStorage] = attrs.field(factory=dict)
    patience: float = attrs.field(factory=lambda: config.claim_patience)

    def __reduce__(self) -> Any:
        """Pickle our arrays by their places: where the job arrives they are opened as they were here.

        Raises:
            StoreError: they are in the memory of this process; what is written into a copy of it would be lost.
        """
        if in_memory(self.target.store):
            raise StoreError(f"{self.target} is in the memory of this process, which tasks elsewhere do not share.")
        fields = {name: getattr(self, name) for name in attrs.fields_dict(Job)}
        fields["arrays"] = {k: locate(array) for k, array in self.arrays.items()}
        fields["margins"] = {margin: locate(array) for margin, array in self.margins.items()}
        fields["spool"] = None if self.spool is None else locate(self.spool)
        fields["holder"] = self.holder.target, self.holder.spool
        fields["sources"] = {k: pack(source) for k, source in self.sources.items()}
        return SentJob, (fields,)

    def cell_bytes(self, work: Pass) -> int:
        """Return the size of the largest buffer that the codec takes in a pass, a little above that of a cell."""
        cells = [self.plan.grids[k].cell for k in work.writes] or [self.plan.spool or ()]
        return max(self.plan.itemsize * max(map(math.prod, cells)), BUNDLE_BYTES) * 9 // 8

    def here(self) -> Job:
        """Return the job, with its arrays open in this process."""
        return self


@attrs.define(eq=False)
class SentJob:
    """A job that has arrived in another process, where a task opens its arrays: what fails there reaches the caller.

    Attributes:
        fields: those of the job, with places instead of arrays.
    """

    fields: dict[str, Any]
    _opened: Job | None = attrs.field(init=False, default=None)
    _lock: Any = attrs.field(init=False, factory=Lock)

    def __reduce__(self) -> Any:
        return SentJob, (self.fields,)

    def here(self) -> Job:
        """Open the arrays, once for all tasks of this process.

        Raises:
            StoreError: they cannot be reached from here. TakenOverError: another process writes them by now.
        """
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self) -> Job:
        fields = dict(self.fields)
        try:
            fields["holder"] = Holder.join(*fields["holder"])
            fields["arrays"] = {k: open_array(*place, mode="r+") for k, place in fields["arrays"].items()}
            fields["margins"] = {margin: temporary.opened(*place) for margin, place in fields["margins"].items()}
            fields["spool"] = None if fields["spool"] is None else temporary.opened(*fields["spool"])
            fields["sources"] = {k: unpack(source) for k, source in fields["sources"].items()}
        except TakenOverError:
            raise
        except (OSError, ValueError, KeyError) as error:
            what = f"what it has to read and write for {fields['target']}"
            raise StoreError(
                f"A worker on {gethostname()} cannot open {what}: {error} "
                "Every worker needs the same folders as the client, and the right to write into them."
            ) from error
        return Job(**fields)


def prepare(
    plan: Plan,
    target: Target,
    arrays: Mapping[int, Any],
    sources: Mapping[int, Any],
    dtype: np.dtype[Any],
    done: set[str],
    *,
    copied: Mapping[int, LevelStorage],
    before_sharing: Callable[[], None] | None = None,
) -> tuple[Job, set[str]]:
    """Open the temporary arrays of a plan, for a target whose mark names this process as the holder.

    Args:
        plan: how the work is cut. target: the group that is written. arrays: its stored levels, by number.
        sources: the given pixels, by level. dtype: of every level. done: names of the units that are on disk.
        copied: as in a job.
        before_sharing: called before other processes are let in, by `help_with`, to raise where that must not be; None
            where none will help.

    Returns:
        The job, and the units that need not run.
    """
    margins = _margins(plan, target, dtype, done)
    noted, shared = done, before_sharing is not None
    spool, done = _spool(plan, target, dtype, done, shared=shared)
    holder = Holder.begin(target, None if spool is None or shared else folder_of(spool.store))
    if before_sharing is not None:
        for unit in noted - done:
            journal.take_back(target, unit)
        found = {"margins": [[margin.reader, margin.axis] for margin in margins], "spool": spool is not None}
        before_sharing()  # else the mark of who has taken over, or has finished, would be replaced
        holder = Holder.join(journal.share(target, found), None)
    resumable, given = shared or plan.units > 1, dict(sources)
    return Job(plan, holder.target, arrays, given, spool, margins, holder, dtype, resumable, shared, copied), done


def help_with(
    plan: Plan,
    target: Target,
    arrays: Mapping[int, Any],
    sources: Mapping[int, Any],
    dtype: np.dtype[Any],
    copied: Mapping[int, LevelStorage],
) -> tuple[Job, set[str]]:
    """Open what another process has prepared to be shared; arguments and result are those of `prepare`.

    Raises:
        MissingError: some of it is gone. TakenOverError: the holder is.
    """
    found, plan = (target.mark or {})[SHARED], with_margins(plan, 0)  # those that the other one has chosen
    holder, done = Holder.join(target, None), journal.noted(target) - {journal.CLEARED}
    margins = {
        margin: temporary.opened(target.store, target.key(f"{JOURNAL}/{_name(margin)}"))
        for margin in plan.margins
        if [margin.reader, margin.axis] in entries_of(found.get("margins"))
    }
    spool = temporary.opened(target.store, temporary.shared_spool(target)) if found.get("spool") else None
    if plan.spool is not None and spool is None:
        done |= _filling(plan)
    return Job(plan, target, arrays, dict(sources), spool, margins, holder, dtype, True, True, copied), done


def _margins(plan: Plan, target: Target, dtype: np.dtype[Any], done: set[str]) -> dict[Margin, Any]:
    """Open the temporary arrays of the margins, in the journal's folder, which goes when the write is finished.

    A margin that is new, or has lost chunks, is left out where units that would have filled it are done already: those
    pixels come out of the level itself.
    """
    if not target.store.supports_deletes:
        return {}
    begun = {int(name.partition("-")[0]) for name in done}
    found = {}
    for margin in plan.margins:
        filled = any(margin.level in plan.passes[number].writes for number in begun)
        array = temporary.ready_temporary(
            target,
            _name(margin),
            margin.shape(plan.levels[margin.level]),
            margin.chunks(plan.grids[margin.level]),
            dtype,
            create=not filled,
        )
        if array is not None and not _lacks(plan, margin, array, done):
            found[margin] = array
    partial = {margin.reader for margin in plan.margins if margin not in found}  # it reads all of them, or none
    return {margin: array for margin, array in found.items() if margin.reader not in partial}


def _name(margin: Margin) -> str:
    return f"margin-{margin.reader}-{margin.axis}"


def _lacks(plan: Plan, margin: Margin, array: Any, done: set[str]) -> bool:
    """Return whether a margin has lost chunks that units which are done have filled."""
    for unit in done:
        number, _, i = unit.partition("-")
        work = plan.passes[int(number)]
        box = plan.own(work, int(i)).get(margin.level, ())
        for low, high in margin.halves(*box[margin.axis]) if box else ():
            start = margin.place(low, high)
            there = (*box[: margin.axis], (start, start + high - low), *box[margin.axis + 1 :])
            if any(missing_chunks(array, there)):
                return True
    return False


def _filling(plan: Plan, after: int = 0) -> set[str]:
    """Return the units that fill the spool, or those of a pass after that."""
    number = next(i for i, work in enumerate(plan.passes) if not work.writes) + after
    return {f"{number}-{i}" for i in range(len(plan.passes[number]))}


def _spool(plan: Plan, target: Target, dtype: np.dtype[Any], done: set[str], *, shared: bool) -> tuple[Any, set[str]]:
    """Open the temporary array of a plan that has one; units whose part of it is not there are not done."""
    if plan.spool is None:
        return None, done
    fills = _filling(plan)
    if _filling(plan, 1) <= done:
        return None, done | fills
    work = next(work for work in plan.passes if not work.writes)
    shape = plan.levels[work.base].shape
    spool, fresh = temporary.make_spool(target, shape, plan.spool, dtype, shared=shared)
    boxes = {unit: work.box(int(unit.partition("-")[2]), shape) for unit in fills & done}
    return spool, done - {unit for unit, box in boxes.items() if fresh or any(missing_chunks(spool, box))}
