"""The holder of a write: the process that began or resumed it last. Older ones stop, and cannot harm what it writes.

In a folder, chunks are written below a folder of the holder and moved into place from there, by a descriptor of that
folder. Whoever takes over moves the folder away and deletes it. A process that was suspended meanwhile then finds
nothing to move, whatever it writes where the folder was. Elsewhere, a holder looks at the mark before it sends chunks,
and before each note: of one write they are the bytes that belong there, however late they come.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4
from weakref import finalize

import attrs
from zarr.storage import LocalStore

from ..exceptions import ExistsError, StoreError, TakenOverError
from ..pixels import Block, slices
from ..spec import name_fault
from .attributes import attributes_now
from .claims import Claims, claims_of, name_holder
from .copying import copy_file, copy_objects
from .inline import run_inline, wait_for
from .journal import JOURNAL, note_key
from .nodes import children, leads_through_a_link, remove
from .opening import cells_in, flat, whole_cell, write_box
from .places import folder_of
from .slots import ENTRY
from .target import Target
from .temporary import spool_folder
from .zarr_private import default_buffer_prototype, inner

HELD, _GONE, _ALIVE = "held-", "gone-", "alive"
_DESCRIPTORS = {os.open, os.mkdir, os.stat, os.rename} <= os.supports_dir_fd  # not on Windows
_DONE = b"done"


@attrs.define(eq=False)
class Staging:
    """A folder of one process, from which files are moved into place below a root.

    Attributes:
        root: where files are moved to. folder: that of the holder, or of a process that helps it, inside of that.
    """

    root: Path
    folder: Path
    _descriptor: int | None = attrs.field(init=False, default=None)
    _store: LocalStore = attrs.field(init=False)
    _twins: dict[tuple[str, bool], Any] = attrs.field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        try:
            self.folder.mkdir(exist_ok=True)
            (self.folder / _ALIVE).touch()
        except FileNotFoundError:
            raise _taken_over(self.root) from None
        self._store = run_inline(LocalStore.open(self.folder))  # else several threads would open it at once
        if _DESCRIPTORS:
            self._descriptor = os.open(self.folder, os.O_RDONLY)
            finalize(self, os.close, self._descriptor)

    def write(self, array: Any, box: Sequence[tuple[int, int]], block: Any, stored: Any = None) -> None:
        """Write a block that covers whole cells of an array below the root, and move each cell into place.

        Args:
            array: below the root. box: where. block: the pixels. stored: an array that has the same cells stored.
        """
        place = folder_of(array.store, array.path)
        assert place is not None
        path = "" if place == self.root else place.relative_to(self.root).as_posix()
        lengths = array.shards or array.chunks
        if stored is None:
            write_box(self._twin(array, path), box, block)
        for cell in cells_in(box, lengths):
            written = f"{path}/{'.'.join(map(str, cell))}".lstrip("/")
            name = f"{path}/{array.metadata.encode_chunk_key(cell)}".lstrip("/")
            whole = whole_cell(cell, lengths, box)
            if stored is not None and not copy_file(stored, cell, self.folder / written):
                write_box(self._twin(array, path), whole, Block(block, tuple(box))[slices(whole)])
            if (
                not self._land(written, name) and inner(array).config.write_empty_chunks
            ):  # which the pipeline in Rust ignores
                write_box(self._twin(array, path, fast=False), whole, Block(block, tuple(box))[slices(whole)])
                self._land(written, name)

    def put(self, name: str, content: bytes) -> None:
        """Put a small file into place in one step."""
        temporary = uuid4().hex
        with open(temporary, "wb", opener=self._open) as file:
            file.write(content)
        self._move(temporary, name)

    def remove(self, name: str) -> None:
        """Delete a small file in one step, if it is there."""
        try:
            if self._descriptor is None:
                self.look()
                os.unlink(self.root / name)
            else:  # by way of the folder, which is gone where another has taken over
                os.rename(self.root / name, temporary := uuid4().hex, dst_dir_fd=self._descriptor)
                os.unlink(temporary, dir_fd=self._descriptor)
        except FileNotFoundError:
            self.look()

    def forget(self, *, around: bool) -> None:
        """Delete what was written by the path of the folder after that had gone.

        Args:
            around: the folders around it, too, where nothing else is in them.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        above = self.folder.parents[: len(self.folder.relative_to(self.root).parts) if around else 0]
        with suppress(OSError):  # the first that is not empty ends it
            for folder in above:
                folder.rmdir()

    def look(self) -> None:
        """Raise `TakenOverError` where the folder of the holder has gone."""
        if not self._has(_ALIVE):
            raise _taken_over(self.root)

    def _twin(self, array: Any, path: str, *, fast: bool = True) -> Any:
        if (path, fast) not in self._twins:
            self._twins[path, fast] = flat(array, self._store, path, fast=fast)
        return self._twins[path, fast]

    def _land(self, written: str, name: str) -> bool:
        """Move a cell into place; return whether it was stored, for one that is the fill value alone is not."""
        try:
            self._move(written, name)
        except FileNotFoundError:
            there = self._has(written)
            self.look()  # whoever takes over deletes what this looks for before all else
            if not there:
                return False
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            self._move(written, name)
        return True

    def _move(self, source: str, name: str) -> None:
        if self._descriptor is None:
            self.look()
            os.replace(self.folder / source, self.root / name)
        else:
            os.replace(source, self.root / name, src_dir_fd=self._descriptor)

    def _has(self, name: str) -> bool:
        try:
            os.stat(self.folder / name if self._descriptor is None else name, dir_fd=self._descriptor)
        except FileNotFoundError:
            return False
        return True

    def _open(self, name: str, flags: int) -> int:
        try:
            return os.open(self.folder / name if self._descriptor is None else name, flags, dir_fd=self._descriptor)
        except FileNotFoundError:
            raise _taken_over(self.root) from None


@attrs.define(eq=False)
class Holder:
    """The process that may write a group, and those that help it with the same job.

    Attributes:
        target: the group, whose mark names the holder. spool: folder of the temporary array, where there is one.
    """

    target: Target
    spool: Path | None = None
    helper: str = ""
    _group: Staging | None = attrs.field(init=False, default=None)
    _spool: Staging | None = attrs.field(init=False, default=None)
    _claims: Claims | None = attrs.field(init=False, default=None)

    @property
    def _name(self) -> str:
        return f"{HELD}{(self.target.mark or {})['holder']}"

    @classmethod
    def begin(cls, target: Target, spool: Path | None) -> Holder:
        """Make the folders of a holder that has marked the group and expelled the ones before."""
        holder = cls(target, spool)
        for folder in holder._folders:
            folder.mkdir(parents=True)
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
            _end_of(folder / helper)
            with suppress(FileNotFoundError):
                (folder / helper).rename(folder / f"{_GONE}{uuid4().hex}")

    def _stage(self) -> Holder:
        if self._journal is not None and self.target.folder is not None:
            self._group = Staging(self.target.folder, self._journal / self._name / self.helper)
        if self.spool is not None:
            self._spool = Staging(self.spool, self.spool / self._name / self.helper)
        return self

    def write(self, array: Any, box: Sequence[tuple[int, int]], block: Any, stored: Any = None) -> None:
        """Write a block that covers whole cells of an array of ours, each of which gets into place in one step.

        Args:
            array: a level, or a temporary array. box: where. block: the pixels.
            stored: an array that has the same cells stored in the same way, which are copied as they are.
        """
        place = folder_of(array.store, array.path)
        staging = self._spool if self.spool is not None and place == self.spool else self._group
        if place is None or staging is None:
            self.compare()  # what was sent late would stay, in an image that has replaced this one
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
                now = attrs.evolve(self.target, attributes=attributes_now(self.target))
                staging.forget(around=now.mark is None)  # else whoever is at it now deletes the journal in the end
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
        buffer = default_buffer_prototype().buffer.from_bytes(content)
        wait_for(self.target.store, self.target.store.set(self.target.key(name), buffer))

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
        with suppress(FileNotFoundError):
            wait_for(self.target.store, self.target.store.delete(self.target.key(name)))

    def note(self, what: str) -> None:
        """Write into the journal that a unit is in place.

        Raises:
            TakenOverError: another process writes the group by now.
        """
        if self._group is not None or self.target.store.supports_deletes:
            self.put(note_key(self.target, what), _DONE)

    def look(self) -> None:
        """Raise `TakenOverError` where another process writes the group by now."""
        if self._group is not None:
            self._group.look()
        self.compare()

    def leave(self) -> None:
        """Delete the folders of this holder, or helper, and those around them where nothing else is in there."""
        for folder in (held / self.helper for held in self._folders):
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                folder.parent.rmdir()

    @property
    def _journal(self) -> Path | None:
        return None if self.target.folder is None else self.target.folder / JOURNAL

    @property
    def _folders(self) -> list[Path]:
        return [folder / self._name for folder in (self._journal, self.spool) if folder is not None]

    def compare(self) -> None:
        """Raise `TakenOverError` where the mark names another holder by now."""
        now = attrs.evolve(self.target, attributes=attributes_now(self.target))
        if (now.mark or {}).get("holder") != (self.target.mark or {})["holder"]:
            raise _taken_over(self.target)


def at_work(target: Target) -> dict[str, int]:
    """Count the units that each process that helps with a write is at, by its host and number; in folders alone."""
    holder = (target.mark or {}).get("holder")
    if target.folder is None or not isinstance(holder, str) or name_fault(holder):
        return {}
    names = (name.partition(".")[2] for name in children(target, f"{JOURNAL}/{HELD}{holder}/claims"))
    return dict(sorted(Counter(name.rpartition("-")[0] for name in names if ENTRY.fullmatch(name)).items()))


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


def _taken_over(place: object) -> TakenOverError:
    return TakenOverError(
        f"Another process has begun to write {place}, or has resumed it, and goes on alone; this one has stopped."
    )


def refuse_linked_journal(target: Target) -> None:
    """Raise `StoreError` where the journal of a group is behind a link, or a file is in its place."""
    if target.folder is not None and (target.folder / JOURNAL).is_file():
        raise ExistsError(f"{target} has a file at {JOURNAL!r}, where unfinished writes are noted; move it away.")
    if leads_through_a_link(target, f"{JOURNAL}/{HELD}"):
        raise StoreError(f"{target} has its journal behind a link, which is not followed. Remove the link.")


def expel(target: Target) -> None:
    """Delete the folders of earlier holders: once this ends, nothing that these write gets into place.

    Raises:
        StoreError: the journal is behind a link.
    """
    if target.folder is None:
        return
    refuse_linked_journal(target)
    folders = [target.folder / JOURNAL]
    if target.mark is not None:
        with suppress(StoreError):
            folders.append(spool_folder(target))
    for folder in (folder for folder in folders if not folder.is_symlink()):
        for held in folder.glob(f"{HELD}*"):
            _end_of(held)  # first: what then comes by the old path is missed, not taken for empty
            with suppress(FileNotFoundError):
                held.rename(held.with_name(f"{_GONE}{uuid4().hex}"))
        for gone in folder.glob(f"{_GONE}*"):
            _delete(gone)


def _end_of(folder: Path) -> None:
    """Delete what says that a folder is still its holder's, and that of whoever helps it; no link is followed."""
    for own in (folder, *folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else ():
        if own.is_dir() and not own.is_symlink() and not (own / _ALIVE).is_dir():
            (own / _ALIVE).unlink(missing_ok=True)


def _delete(folder: Path) -> None:
    _end_of(folder)
    if folder.is_file() and not folder.is_symlink():
        folder.unlink()
    remove(folder)
