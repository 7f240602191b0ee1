"""The holder of a write: the process that began or resumed it last. Older ones stop, and cannot harm what it writes.

In a folder, it writes by way of a folder of its own (`staging`). Elsewhere, a holder looks at the mark before it sends
chunks or a note, unless it did so a moment ago: of one write they are the bytes that belong there, however late they
come. Whoever takes over on an object store waits for that moment.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from ..exceptions import StoreError, TakenOverError
from ..pixels import Block, slices
from ..spec import name_fault
from .attributes import attributes_now, locked
from .claims import Claims, claims_of, name_holder
from .cloud import CloudStore
from .copying import StoredCells, copy_objects
from .journal import DONE, JOURNAL, note_key, taken_over
from .nodes import children, drop_bytes, put_bytes
from .opening import whole_cell, write_box
from .patience import in_folder
from .places import folder_of, in_memory
from .slots import ENTRY, ObjectSlots
from .staging import HELD, MOMENT, Staging, end_of, move_away
from .target import Target


@attrs.define(eq=False)
class Holder:
    """The process that may write a group, and those that help it with the same job.

    Attributes:
        target: the group, whose mark names the holder. spool: folder of the temporary array, where there is one.
        asked: when the mark was last looked at, or put, by `time.monotonic`.
    """

    target: Target
    spool: Path | None = None
    helper: str = ""
    asked: float = attrs.field(init=False, default=-math.inf)
    _group: Staging | None = attrs.field(init=False, default=None)
    _spool: Staging | None = attrs.field(init=False, default=None)
    _claims: Claims | None = attrs.field(init=False, default=None)
    _left: bool = attrs.field(init=False, default=False)
    _turn: threading.Lock = attrs.field(init=False, factory=threading.Lock)

    @property
    def _name(self) -> str:
        return f"{HELD}{(self.target.mark or {})['holder']}"

    @classmethod
    def begin(cls, target: Target, spool: Path | None) -> Holder:
        """Make the folders of a holder that has marked the group and expelled the ones before."""
        holder = cls(target, spool)
        for folder in holder._folders:
            in_folder(partial(folder.mkdir, parents=True))
        return holder._stage()

    @classmethod
    def join(cls, target: Target, spool: Path | None) -> Holder:
        """Help a holder from another process.

        Raises:
            TakenOverError: the group has another holder by now.
        """
        holder = cls(target, spool, name_holder())._stage()
        holder.compare()  # after the folders were opened: whoever takes over writes the mark first
        return holder

    def rejoin(self) -> None:
        """Help again, under another name, after others have expelled this helper because it was silent.

        Raises:
            TakenOverError: the group has another holder by now.
        """
        self.helper, self._claims = name_holder(), None
        self._stage()
        self.compare()

    def claims(self) -> Claims:
        """Return the claims of the units of this write, in the name of this helper; it is expelled with them.

        They are the same ones each time, which remember who has been silent since when.
        """
        if self._claims is None:
            found = claims_for(self.target, f"{JOURNAL}/{self._name}/claims")
            if self._journal is not None:
                (self._journal / self._name / "claims").mkdir(exist_ok=True)
            self._claims = attrs.evolve(found, holder=self.helper, expel=self._expel)
        return self._claims

    def _expel(self, helper: str) -> None:
        """End what a helper of this write does that has been silent; once this ends, nothing gets into place."""
        for folder in self._folders:
            end_of(folder / helper)
            move_away(folder / helper)

    def _stage(self) -> Holder:
        self._left = False
        if self._journal is not None and self.target.folder is not None:
            self._group = Staging(self.target.folder, self._journal / self._name / self.helper)
        if self.spool is not None:
            self._spool = Staging(self.spool, self.spool / self._name / self.helper)
        return self

    def write(self, array: Any, box: Sequence[tuple[int, int]], block: Any, stored: StoredCells | None = None) -> None:
        """Write a block that covers whole cells of an array of ours, each of which gets into place in one step.

        Args:
            array: a level, or a temporary array. box: where. block: the pixels.
            stored: the same cells as another array has them stored in the same way; they are copied as they are.
        """
        place = folder_of(array.store, array.path)
        staging = self._spool if self.spool is not None and place == self.spool else self._group
        if place is None or staging is None:
            self._compare_lately()  # what was sent late would stay, in an image that has replaced this one
            if stored is None:
                write_box(array, box, block)
            for cell in copy_objects(stored, array, box) if stored is not None else ():
                whole = whole_cell(cell, array.shards or array.chunks, box)
                write_box(array, whole, Block(block, tuple(box))[slices(whole)])
            return
        try:
            staging.write(array, box, block, stored)
        except Exception:  # of any kind, where the folder goes while something is written into it
            try:
                staging.look()
            except TakenOverError:
                staging.forget()
                self._tidy()
                raise
            raise

    def put(self, name: str, content: bytes) -> None:
        """Replace a small file below the group in one step.

        Raises:
            TakenOverError: another process writes the group by now.
        """
        if self._group is not None:
            self._group.put(name, content)
            return
        self.compare()
        put_bytes(self.target, name, content)

    def append(self, name: str, content: bytes, whole: bytes) -> None:
        """Add to a file below the group; where that cannot be, replace it by what it is then. Raises as `put`."""
        if self.target.folder is None:
            self.put(name, whole)
            return
        self.look()
        with open(self.target.folder / name, "ab") as file:
            file.write(content)

    def remove(self, name: str) -> None:
        """Delete a file below the group, if it is there; raises as `put`."""
        if self._group is not None:
            self._group.remove(name)
            return
        self.compare()
        drop_bytes(self.target, name)

    def note(self, what: str) -> None:
        """Write into the journal that a unit is in place.

        Raises:
            TakenOverError: another process writes the group by now.
        """
        if self._group is not None:
            self._group.put(note_key(self.target, what), DONE)
        elif self.target.store.supports_deletes:
            self._compare_lately()
            put_bytes(self.target, note_key(self.target, what), DONE)

    def look(self) -> None:
        """Raise `TakenOverError` where another process writes the group by now."""
        if self._group is not None:
            self._group.look()
        self.compare()

    def leave(self) -> None:
        """Delete the folders of this holder, or helper, and those around them where nothing else is in there.

        The journal stays, for that of another write may just begin there.
        """
        for staging in (self._group, self._spool) if not self._left else ():
            if staging is not None:
                staging.leave()
                with suppress(OSError):
                    staging.folder.parent.rmdir() if staging.folder.parent != self._journal else None
        self._left = True

    def _tidy(self) -> None:
        """Delete the journal where nothing is in it; nobody begins to write there meanwhile."""
        if self._journal is not None and self._journal.is_dir():
            with locked(self.target), suppress(OSError):
                self._journal.rmdir()

    @property
    def _journal(self) -> Path | None:
        return None if self.target.folder is None else self.target.folder / JOURNAL

    @property
    def _folders(self) -> list[Path]:
        return [folder / self._name for folder in (self._journal, self.spool) if folder is not None]

    def _compare_lately(self) -> None:
        """Compare, unless that was asked a moment ago, by whatever thread.

        When half of the moment is over, one thread asks while the others go on: nobody waits but at the beginning, or
        where an answer takes longer than that.
        """
        now, moment = time.monotonic(), 0.0 if in_memory(self.target.store) else MOMENT
        early = self.asked >= now - moment
        if self.asked < now - moment / 2 and self._turn.acquire(blocking=not early):
            try:
                if self.asked < now - (moment / 2 if early else moment):  # not by whom this waited for
                    asked = time.monotonic()
                    self.compare()
                    self.asked = asked
            finally:
                self._turn.release()

    def compare(self) -> None:
        """Raise `TakenOverError` where the mark names another holder by now."""
        now = attrs.evolve(self.target, attributes=attributes_now(self.target))
        if (now.mark or {}).get("holder") != (self.target.mark or {})["holder"]:
            raise taken_over(self.target)


def at_work(target: Target) -> dict[str, int]:
    """Count the units that each process that helps with a write is at, by its host and number.

    It is empty where that is not known: in memory, and where the store lists nothing.
    """
    holder, entries = (target.mark or {}).get("holder"), []
    if not isinstance(holder, str) or name_fault(holder):
        return {}
    claims = f"{JOURNAL}/{HELD}{holder}/claims"
    if target.folder is not None:
        entries = [name.partition(".")[2] for name in children(target, claims)]
    elif isinstance(target.store, CloudStore) and target.store.conditional:
        with suppress(StoreError):
            entries = ObjectSlots(target.store.store, target.key(claims)).held()
    return dict(sorted(Counter(entry.rpartition("-")[0] for entry in entries if ENTRY.fullmatch(entry)).items()))


def claims_for(target: Target, path: str) -> Claims:
    """Return the claims at a path below a group that several processes write.

    Raises:
        StoreError: nothing in the store is atomic.
    """
    found = claims_of(target.store, target.key(path))
    if found is None:
        raise StoreError(
            f"Processes cannot share the writing of {target}: no key can be created there on the condition that it is "
            "new, so two would do the same. Write to a folder, or to an object store through obstore."
        )
    return found
