"""An upload that any number of processes make: the objects are the units, by the claims and the journal of a write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

from ..config import config
from ..engine import Progress, check_progress, end_shared, metered, share_units
from ..exceptions import ExistsError, IncompleteError, TakenOverError
from ..store import (
    JOURNAL,
    SHARED,
    Entry,
    Holder,
    Target,
    attributes_now,
    carry_objects,
    claims_for,
    delete,
    expel,
    find_target,
    forget_lock,
    journal,
    list_objects,
    locked,
    named_faults,
)
from .ending import forget_late_notes
from .uploading import Cargo, objects_of

_BYTES, _OBJECTS = 2**26, 1000  # of a unit, at most; an object that is larger is one
_AT_ONCE = 2  # units, so that objects are on their way while a unit is claimed and noted


@attrs.frozen
class _Pass:
    units: Sequence[Sequence[str]]
    at_once: int = _AT_ONCE

    def __len__(self) -> int:
        return len(self.units)

    @classmethod
    def of(cls, cargo: Cargo, paths: Sequence[str]) -> _Pass:
        """Cut objects into units, which are the same in each process."""
        units: list[list[str]] = []
        room = 0
        for path in paths:
            room -= cargo.entries[path].size
            if room < 0 or not units or len(units[-1]) == _OBJECTS:
                units.append([])
                room = _BYTES - cargo.entries[path].size
            units[-1].append(path)
        return cls(units)


@attrs.frozen(eq=False)
class _Plan:
    """The units of an upload: chunks, and then the documents below the root."""

    cargo: Cargo
    passes: Sequence[_Pass]

    @property
    def units(self) -> int:
        return sum(map(len, self.passes))

    def awaits(self, number: int, _: int) -> Iterator[tuple[int, int]]:
        return ((earlier, i) for earlier in range(number) for i in range(len(self.passes[earlier])))

    def paths(self, name: str) -> Sequence[str]:
        number, _, i = name.partition("-")
        return self.passes[int(number)].units[int(i)]

    def bytes_in(self, name: str) -> int:
        return self.cargo.size_of(self.paths(name))


@attrs.frozen(eq=False)
class _Upload:
    """What this process does of an upload; see `engine.Job`."""

    plan: _Plan
    holder: Holder
    there: Mapping[str, Entry]
    patience: float = attrs.field(factory=lambda: config.claim_patience)

    @property
    def target(self) -> Target:
        return self.holder.target

    def carry(self, paths: Sequence[str], add: Callable[[int], None]) -> None:
        cargo = self.plan.cargo
        sizes = {path: cargo.entries[path].size for path in paths}
        carry_objects(cargo.source, self.target, sizes, self.there, add, lambda: None)

    def end(self, add: Callable[[int], None]) -> None:
        """Copy the documents of the root, which takes the mark away; then the traces of the upload go."""
        self.carry(self.plan.cargo.steps[2], add)
        delete(self.target, JOURNAL)
        forget_lock(self.target)


def upload_together(source: Target, output: object, *, progress: Progress = None) -> None:
    """Help with an upload, or be the first; return once all is there. Arguments are those of `upload`.

    Raises:
        ExistsError: there is something else. StoreError: what was begun there is another upload, or nothing in the
            store is atomic.
    """
    check_progress(progress)
    cargo = Cargo.of(source)
    plan = _Plan(cargo, [_Pass.of(cargo, paths) for paths in cargo.steps[:2]])
    target = find_target(output, source.fmt)
    claims_for(target, JOURNAL)
    with named_faults(target, "make the same call again"):
        while (job := _enter(plan, target)) is not None:
            try:
                _run(job, progress)
                return
            except TakenOverError:  # finished, or begun anew
                forget_late_notes(job.target)
            finally:
                job.holder.leave()


def _run(job: _Upload, progress: Progress) -> None:
    plan, done = job.plan, journal.noted(job.target) - {journal.CLEARED}
    with metered(progress, sum(map(plan.bytes_in, done)), plan.cargo.size, "uploading") as meter:

        def do(unit: tuple[int, int]) -> None:
            name = f"{unit[0]}-{unit[1]}"
            job.carry(plan.paths(name), meter.add)
            job.holder.note(name)

        share_units(job, done, meter, do)
        end_shared(job, lambda: job.end(meter.add))
        meter.show()


def _enter(plan: _Plan, target: Target) -> _Upload | None:
    """Begin an upload, or help with the one that was begun; None where all is there."""
    while True:
        seen = attrs.evolve(target, attributes=attributes_now(target))
        if _is_there(plan.cargo, seen):
            return None
        there = list_objects(seen) if seen.mark is not None else {}
        try:
            if (seen.mark or {}).get(SHARED):
                return _Upload(plan, Holder.join(seen, None), there)
            with locked(seen, shared=True) as (now, claim):
                if (now.attributes or {}) != (seen.attributes or {}) or not claim.sure():
                    continue
                mark = {**plan.cargo.mark(), SHARED: {}}
                held = journal.hold(now, shared=True) if now.mark else journal.begin(now, mark, {})
                expel(now)
                Holder.begin(held, None)
                if claim.sure():  # else the mark of who has taken over would be replaced
                    return _Upload(plan, Holder.join(journal.share(held, {"units": plan.units}), None), there)
        except TakenOverError:
            continue


def _is_there(cargo: Cargo, seen: Target) -> bool:
    """Return whether the upload is finished; raise where something else is in its place."""
    if "upload" in (seen.mark or {}):
        cargo.refuse_another(seen)
        return False
    if not (seen.attributes or objects_of(seen).keys() - {".zgroup", ".zattrs", "zarr.json"}):
        return False  # or somebody is just creating the group
    try:
        there = seen.mark is None and Cargo.of(seen).contents == cargo.contents
    except IncompleteError:
        there = False
    now = attributes_now(seen)
    if there:
        forget_late_notes(seen)
        forget_lock(seen)
    elif now == seen.attributes:
        raise ExistsError(f"There is something else at {seen}; upload to another place.")
    return there
