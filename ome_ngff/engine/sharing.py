"""Units shared by processes that make the same call: each takes what nobody has done, and nobody is at.

What is done stands in the journal, what somebody is at is claimed. A process begins somewhere in each pass, so that
many do not queue for the same unit, and does units of a later pass as soon as those that they read from are done. Who
has been silent for a while is expelled, and its unit done by another; if it wakes up, it helps again.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from threading import Condition
from typing import Any, Protocol
from zlib import crc32

import attrs

from ..exceptions import TakenOverError
from ..store import Claim, Claims, Holder, Target, journal
from .allocator import kept_memory
from .job import Job
from .progress import Meter
from .units import KEEP_BYTES, run_unit
from .workers import WorkerPool

END = "end"  # what is claimed by whoever writes the metadata
_SHORTEST, _LONGEST = 0.01, 2.0  # seconds between two looks at what others have done
_SHOWN = 0.2  # seconds between two looks at the meter

Unit = tuple[int, int]  # the number of a pass, and that of a unit in it


class SharedJob(Protocol):
    """What a share needs of a job, be it a `Job` or whatever else is cut into the units of a plan."""

    @property
    def plan(self) -> Any: ...
    @property
    def target(self) -> Target: ...
    @property
    def holder(self) -> Holder: ...
    @property
    def patience(self) -> float: ...


def name_of(unit: Unit) -> str:
    """Return the name of a unit in the journal."""
    return f"{unit[0]}-{unit[1]}"


def run_shared(job: Job, done: set[str], meter: Meter, seconds: float = math.inf) -> set[str]:
    """Do units until all are done, by this process or by others; return those that are known to be.

    Args:
        job: what to do, with a holder that helps. done: names of the units that are done.
        meter: counts the bytes of all. seconds: after which no other unit is begun.

    Raises:
        TakenOverError: another process has begun the write anew, or finished it.
    """
    plan = job.plan
    with ExitStack() as stack:
        if plan.bytes_of(0) > KEEP_BYTES:
            stack.enter_context(kept_memory(max(job.cell_bytes(work) for work in plan.passes)))
        pools = [
            stack.enter_context(WorkerPool(work.pieces_at_once - (work.at_once == 1), joined=work.at_once == 1))
            for work in plan.passes
        ]
        return share_units(
            job, done, meter, lambda unit: run_unit(job, *unit, pool=pools[unit[0]], meter=meter), seconds
        )


def share_units(
    job: SharedJob, done: set[str], meter: Meter, do: Callable[[Unit], object], seconds: float = math.inf
) -> set[str]:
    """Do units of anything that is cut, as `run_shared`.

    Args:
        job, done, meter, seconds: as there. do: does a unit, counts its bytes, and notes it.
    """
    share = _Share(job, meter, time.monotonic() + seconds, do)
    share.learn(done, tell=False)
    at_once = max((work.at_once for work in job.plan.passes), default=1)
    if at_once == 1:
        share.work()
        return share.done()
    with ThreadPoolExecutor(at_once) as threads:
        futures = {threads.submit(share.work) for _ in range(at_once)}
        try:
            while futures:
                ended, futures = wait(futures, timeout=_SHOWN, return_when=FIRST_COMPLETED)
                for future in ended:
                    future.result()
                meter.show()
        except BaseException:
            share.stop()
            raise
    return share.done()


def end_shared(job: SharedJob, end: Callable[[], None]) -> None:
    """Write the metadata, unless another process does: then wait until it has.

    Raises:
        TakenOverError: somebody has begun the write anew, or finished it.
    """
    claims, pause = job.holder.claims(), _SHORTEST
    while True:
        with _told(job):
            claim = claims.take(END, job.patience)
        if claim is not None:
            try:
                job.holder.compare()
                end()
            finally:
                claim.release()
            return
        job.holder.compare()
        time.sleep(pause)
        pause = min(1.5 * pause, _LONGEST)


@contextmanager
def _told(job: SharedJob) -> Iterator[None]:
    """Raise `TakenOverError` where the folder of the claims has gone, with all else of this write."""
    try:
        yield
    except FileNotFoundError:
        job.holder.compare()
        raise


@attrs.define(eq=False)
class _Share:
    """What this process knows of the units, and which of them it is at. All threads take their units here."""

    job: SharedJob
    meter: Meter
    until: float
    do: Callable[[Unit], object]
    _claims: Claims = attrs.field(init=False)
    _todo: list[deque[int]] = attrs.field(init=False)
    _done: set[Unit] = attrs.field(init=False, factory=set)
    _at: list[Unit] = attrs.field(init=False, factory=list)
    _stopped: bool = attrs.field(init=False, default=False)
    _turn: Condition = attrs.field(init=False, factory=Condition)

    def __attrs_post_init__(self) -> None:
        self._claims = self.job.holder.claims()
        start = crc32(self.job.holder.helper.encode())
        self._todo = [deque(range(len(work))) for work in self.job.plan.passes]
        for todo in self._todo:
            todo.rotate(-(start * len(todo) >> 32))

    def learn(self, names: set[str], *, tell: bool = True) -> bool:
        """Take in which units are done; return whether some of them are news."""
        units = {(int(a), int(b)) for a, _, b in (name.partition("-") for name in names)}
        news = units - self._done
        self._done |= news
        for unit in news if tell else ():
            self.meter.add(self.job.plan.bytes_in(name_of(unit)))
        return bool(news)

    def done(self) -> set[str]:
        """Return the names of the units that are known to be done."""
        return {name_of(unit) for unit in self._done}

    def stop(self) -> None:
        """Take no more units."""
        with self._turn:
            self._stopped = True
            self._turn.notify_all()

    def work(self) -> None:
        """Take units and do them, until all are done."""
        try:
            while (taken := self._take()) is not None:
                self._do(*taken)
        except BaseException:
            self.stop()
            raise

    def _do(self, unit: Unit, claim: Claim) -> None:
        finished = False
        try:
            self.do(unit)
            finished = True
        except TakenOverError:
            self._rejoin(claim)
        finally:
            claim.release()
            with self._turn:
                self._at.remove(unit)
                if finished:
                    self.learn({name_of(unit)}, tell=False)  # its bytes were counted as they were read
                    self.meter.show()
                else:
                    self._todo[unit[0]].append(unit[1])
                self._turn.notify_all()

    def _rejoin(self, claim: Claim) -> None:
        """Help anew after this process was silent for so long that others have expelled it.

        Raises:
            TakenOverError: there is nobody to help any more.
        """
        with self._turn:
            if self._claims.holder == claim.holder:  # else another thread has been here
                self.job.holder.rejoin()
                self._claims = self.job.holder.claims()

    def _take(self) -> tuple[Unit, Claim] | None:
        """Return a unit that is ours now; None once all are done. Wait where others are at all that is left."""
        pause = _SHORTEST
        with self._turn:
            while not self._stopped and len(self._done) < self.job.plan.units and time.monotonic() < self.until:
                with _told(self.job):
                    found, busy = self._try_each()
                if found is not None:
                    self._at.append(found[0])
                    return found
                if busy and self.learn(journal.noted_of(self.job.target, busy, len(self._done))):
                    pause = _SHORTEST
                    continue
                self.job.holder.compare()
                self._turn.wait(pause)
                pause = min(1.5 * pause, _LONGEST)
        return None

    def _try_each(self) -> tuple[tuple[Unit, Claim] | None, list[str]]:
        """Claim the first unit that can be done now; return it, or None, and the names of those that others are at."""
        looked, busy = False, list[str]()
        sight: Mapping[str, list[str]] = {}
        for number, todo in enumerate(self._todo):
            for _ in range(len(todo)):
                if not self._has_room(number):
                    break
                unit = number, todo.popleft()
                if unit in self._done:
                    continue
                ready = self._done.issuperset(self.job.plan.awaits(*unit))
                claim = self._claims.take(name_of(unit), self.job.patience, sight) if ready else None
                if claim is not None and self._is_left(unit, claim):
                    return (unit, claim), busy
                if claim is None:
                    todo.append(unit[1])
                    if ready:
                        sight = sight if busy else self._claims.sight()
                        busy.append(name_of(unit))
                    continue
                claim.release()
                self.learn({name_of(unit)})
                if not looked:  # where others have been, they have perhaps done more
                    looked = self.learn(journal.noted(self.job.target) - {journal.CLEARED})
        return None, busy

    def _is_left(self, unit: Unit, claim: Claim) -> bool:
        """Return whether a unit that is claimed has not been done; without a journal nothing is noted any more."""
        try:
            left = not journal.is_noted(self.job.target, name_of(unit))
            if left:
                self.job.holder.compare()
        except BaseException:
            claim.release()
            raise
        return left

    def _has_room(self, number: int) -> bool:
        """Return whether one more unit of a pass keeps within the memory; one alone always does."""
        at_once = [self.job.plan.passes[p].at_once for p, _ in self._at]
        return sum(1 / n for n in at_once) + 1 / self.job.plan.passes[number].at_once <= 1 + 1e-9 or not self._at
