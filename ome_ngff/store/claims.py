"""Claims: being the one who is at something, among threads, processes and machines that share a store.

A claim is an entry in a slot, of which there is one at most. Whoever holds it renews it four times within its patience,
which changes the entry. Whoever wants it looks at the entry; one that has not changed for as long as the patience, by
the clock of the one who looks, is of somebody who is gone, and is removed. No clocks are compared, so none has to be
right. Somebody who was only stopped finds, when it renews, that it has lost the claim. From a renewal on, it cannot be
lost for as long as the patience, since a removal is of the entry that was seen to be silent, and that is no more.
"""

from __future__ import annotations

import itertools
import os
import platform
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import uuid4
from weakref import WeakSet

import attrs

from ..config import in_child
from ..exceptions import StoreError
from .slots import FolderSlots, MemorySlots, ObjectSlots, Slots

if TYPE_CHECKING:
    from zarr.abc.store import Store

_STARTS = itertools.count()
LOCK_PATIENCE = 5.0  # seconds; what a lock guards takes milliseconds
_MOMENT = 0.05  # seconds; in less than a process can be stopped, started and told, a renewal is as good as another
_SHORTEST, _LONGEST = 0.001, 0.05  # seconds between two looks of somebody who waits


@cache
def _host() -> str:
    return re.sub(r"\W+", "_", platform.node(), flags=re.ASCII)[:40] or "_"


def name_holder() -> str:
    """Return a name that nobody else has had, and that tells a person whose it is."""
    return f"{_host()}-{os.getpid()}-{os.urandom(8).hex()}"


@attrs.define(eq=False)
class Claim:
    """Be the one who is at something; `Claims` makes these.

    Attributes:
        slots: where. name: what is claimed. patience: seconds of silence after which others take it over.
        lost: another has taken it over, as was seen by the last renewal.
    """

    slots: Slots
    name: str
    patience: float
    lost: bool = False
    held: bool = False  # as far as we know
    due: float = 0.0  # when to renew it, by `time.monotonic`
    holder: str = attrs.field(factory=name_holder)
    _process: int = attrs.field(factory=os.getpid)
    _count: int = 0
    _turn: threading.Lock = attrs.field(factory=threading.Lock, repr=False)

    @property
    def entry(self) -> str:
        """What stands in the slot while the claim is held."""
        return self._entry(self._count)

    def renew(self) -> bool:
        """Show that we are alive; return False, from then on, where we no longer hold the claim."""
        if self._process != os.getpid():  # the copy of a fork, perhaps of a lock in use
            return False
        with self._turn:
            if self.held:
                self.due = time.monotonic() + self.patience / 4
                new = self._entry(self._count + 1)
                # A swap that was interrupted, or whose answer a network lost, has happened all the same.
                self.held = self.slots.swap(self.name, self.entry, new) or new in self.slots.look(self.name)
                self.lost = not self.held
                self._count += 1
            return self.held

    def sure(self) -> bool:
        """Return whether we hold the claim, and can for a while: renew it, unless that was done a moment ago."""
        fresh = time.monotonic() < self.due - self.patience / 4 + min(_MOMENT, self.patience / 8)
        return (fresh and self.held and self._process == os.getpid()) or self.renew()

    def release(self) -> bool:
        """Give the claim up; return whether it was ours to the end. Another's stays as it is."""
        if self._process != os.getpid():
            return False
        _BEAT.discard(self)
        with self._turn:
            held, self.held = self.held, False
            if self.lost:
                return False
            # The second is there if a renewal was interrupted; the first may be so without `held`, for the same reason.
            gone = any(self.slots.remove(self.name, self._entry(self._count + more)) for more in (0, 1))
            self.lost = held and not gone
            return gone

    def _entry(self, count: int) -> str:
        return f"{self.holder}.{count}"


@attrs.frozen(eq=False)
class Claims:
    """Make claims in slots.

    Attributes:
        slots: where they are kept. clock: seconds that pass. sleep: waits for seconds.
        holder: whose they are; None gives each claim a holder of its own.
        expel: called with the holder of a claim that is silent, before it is taken over.
    """

    slots: Slots
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    holder: str | None = None
    expel: Callable[[str], object] = lambda holder: None
    _seen: dict[str, dict[str, tuple[float, float]]] = attrs.field(factory=dict, init=False)

    def take(self, name: str, patience: float, sight: Mapping[str, list[str]] = MappingProxyType({})) -> Claim | None:
        """Take a claim if nobody holds it; never wait.

        Where somebody does, it is remembered what was seen and when: only by asking again can silence be told.

        Args:
            name, patience: what is claimed, and seconds of silence after which it is taken over.
            sight: what was seen of all slots a moment ago, for who wants one of many.
        """
        if name in sight and self._is_held(name, patience, sight[name]):
            return None
        claim = self._claim(name, patience)
        try:
            return claim if self._try(claim) else None
        except BaseException:
            claim.release()
            raise

    def sight(self) -> Mapping[str, list[str]]:
        """See what is in all slots, to `take` one of many."""
        return self.slots.sight()

    @contextmanager
    def alone(self, name: str, patience: float = LOCK_PATIENCE) -> Iterator[Claim]:
        """Hold a claim for the time of a block; wait for it as long as it takes."""
        claim = self._claim(name, patience)
        pause = _SHORTEST
        try:
            while not self._try(claim):
                self.sleep(pause * random.uniform(0.5, 1))  # else those who met once would meet each time
                pause = min(1.5 * pause, _LONGEST)
            yield claim
        finally:
            claim.release()

    def _is_held(self, name: str, patience: float, entries: Iterable[str]) -> bool:
        """Return whether what was seen in a slot is of somebody who was heard of lately; remember it."""
        now, known, seen = self.clock(), self._seen.get(name, {}), {}
        for entry in entries:
            silence, last = known.get(entry, (0.0, now))
            seen[entry] = (silence + min(now - last, patience / 2), now)
        lately = all(silence < patience for silence, _ in seen.values())
        if lately:  # else it is looked at once more
            self._seen[name] = seen
        return lately

    def _claim(self, name: str, patience: float) -> Claim:
        if self.holder is None:
            return Claim(self.slots, name, patience)
        return Claim(self.slots, name, patience, holder=self.holder, count=next(_STARTS) << 32)  # never used twice

    def _try(self, claim: Claim) -> bool:
        name = claim.name
        claim.held = (name not in self._seen and self.slots.create(name, claim.entry)) or self._try_again(claim)
        if claim.held:
            self._seen.pop(name, None)
            _BEAT.add(claim)
        return claim.held

    def _try_again(self, claim: Claim) -> bool:
        """Look who holds a claim, and take it over from who is silent."""
        name, known = claim.name, self._seen.get(claim.name, {})
        before = self.clock()
        entries = self.slots.look(name)
        after = self.clock()
        if claim.entry in entries:  # the answer to our creating it was lost
            return True
        seen = self._seen[name] = {}
        for entry in entries:
            silence, last = known.get(entry, (0.0, before))
            # However long ago the last look: if we were stopped, then perhaps the holder was, too, and needs a moment.
            silence += min(before - last, claim.patience / 2)
            holder = entry.rpartition(".")[0]
            if silence >= claim.patience and holder:  # a gate that was left alone tells nobody's name
                self.expel(holder)
            if silence < claim.patience or not self.slots.remove(name, entry):
                seen[entry] = (silence, after)
        return not seen and self.slots.create(name, claim.entry)


class _Beat:
    """Renew what this process holds when it is due.

    One daemon thread does it for all claims. It does not end with the last of them but sleeps on until the next one
    would have been due, so that a lock held for milliseconds, again and again, does not cost a thread each.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Hold nothing, as at the start, and after a fork, which copies neither threads nor rights."""
        self.held: WeakSet[Claim] = WeakSet()  # what nobody can release any more is to be taken over
        self.changed = threading.Condition()
        self.running = False
        self.wakes = 0.0

    def add(self, claim: Claim) -> None:
        """Renew a claim from now on."""
        claim.due = time.monotonic() + claim.patience / 4
        with self.changed:
            self.held.add(claim)
            if not self.running:
                with suppress(RuntimeError):  # Python is ending, and starts no more threads
                    self.wakes = claim.due
                    threading.Thread(target=self.run, name="ome_ngff-claims", daemon=True).start()
                    self.running = True
            elif claim.due < self.wakes:
                self.changed.notify()

    def discard(self, claim: Claim) -> None:
        """Renew a claim no more."""
        with self.changed:
            self.held.discard(claim)

    def run(self) -> None:
        """Renew all that is due, until nothing is held."""
        while True:
            with self.changed:
                self.wakes = min((claim.due for claim in self.held), default=self.wakes)
                self.changed.wait(max(0.0, self.wakes - time.monotonic()))
                if not self.held:
                    self.running = False
                    return
            self.renew()

    def renew(self) -> None:
        """Renew all that is due; keep nothing alive beyond this."""
        with self.changed:
            due = [claim for claim in self.held if claim.due <= time.monotonic()]
        for claim in due:
            with suppress(OSError):  # perhaps the next time; else it is lost, and says so
                claim.renew()
            if not claim.held:
                self.discard(claim)


_BEAT = _Beat()
in_child(_BEAT.reset)


def claims_of(store: Store, path: str = "") -> Claims | None:
    """Return the claims below a path of a store, which is a folder that exists; None where nothing is atomic.

    Raises:
        StoreError: the store is read-only.
    """
    from zarr.storage import LocalStore, MemoryStore, ObjectStore

    if store.read_only:
        raise StoreError(f"{store} was opened to be read only; open it to be written.")
    if isinstance(store, LocalStore):
        return Claims(FolderSlots(store.root / path))
    if isinstance(store, MemoryStore):
        return Claims(MemorySlots(f"{store}/{path}"))
    if isinstance(store, ObjectStore) and type(store.store).__name__ in ("S3Store", "GCSStore", "AzureStore"):
        return Claims(ObjectSlots(store.store, path))
    return None


def alone(
    store: Store, key: str, patience: float = LOCK_PATIENCE, *, remote: bool = False
) -> AbstractContextManager[Claim]:
    """Hold the lock of a key for the time of a block; nothing stays of it.

    On a store where nothing is atomic, or where something would stay (object stores), nobody is waited for.

    Args:
        store, key, patience: what is locked, and for how long a holder may be silent.
        remote: whether something may stay.
    """
    path, _, name = key.rpartition("/")
    claims = claims_of(store, path)
    if claims is None or (isinstance(claims.slots, ObjectSlots) and not remote):
        claims = Claims(MemorySlots(uuid4().hex))
    return claims.alone(name, patience)
