"""Folders from which files are moved into place below a root, each that of one process, while it is allowed to write.

Chunks are written below a folder of the holder and moved into place from there, by a descriptor of that folder. Whoever
takes over moves the folder away and deletes it. A process that was suspended meanwhile then finds nothing to move,
whatever it writes where the folder was.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4
from weakref import finalize

import attrs
from zarr.storage import LocalStore

from ..exceptions import ExistsError, StoreError
from ..pixels import Block, slices
from . import patience
from .copying import StoredCells
from .journal import JOURNAL, taken_over
from .nodes import leads_through_a_link, remove
from .opening import cells_in, flat, whole_cell, write_box
from .patience import patiently
from .places import folder_of, in_memory
from .target import Target
from .temporary import spool_folder
from .zarr_private import inner, store_of

HELD, GONE, _ALIVE = "held-", "gone-", "alive"
MOMENT = 0.25  # seconds that a look at the mark holds good on an object store
_DESCRIPTORS = {os.open, os.mkdir, os.stat, os.rename} <= os.supports_dir_fd  # not on Windows


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
            os.close(os.open(self.folder / _ALIVE, os.O_CREAT | os.O_WRONLY, 0o666))
        except FileNotFoundError:
            raise taken_over(self.root) from None
        self._store = store_of(self.folder)
        if _DESCRIPTORS:
            self._descriptor = os.open(self.folder, os.O_RDONLY)
            finalize(self, os.close, self._descriptor)

    def write(self, array: Any, box: Sequence[tuple[int, int]], block: Any, stored: StoredCells | None = None) -> None:
        """Write a block that covers whole cells of an array below the root, and move each cell into place.

        Args:
            array: below the root. box: where. block: the pixels.
            stored: the same cells as another array has them stored.
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
            if stored is not None and not stored.copy_file(cell, self.folder / written):
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
                patiently(partial(os.unlink, self.root / name))
            else:  # by way of the folder, which is gone where another has taken over
                os.rename(self.root / name, temporary := uuid4().hex, dst_dir_fd=self._descriptor)
                os.unlink(temporary, dir_fd=self._descriptor)
        except FileNotFoundError:
            self.look()

    def leave(self) -> None:
        """Delete the folder: what is known to be in it by name, which takes a fifth of the calls; else whatever is."""
        try:
            for path in {path for path, _ in self._twins} - {""}:
                with suppress(FileNotFoundError):  # nothing was written there
                    os.rmdir(self.folder / path)
            os.unlink(self.folder / _ALIVE)
            os.rmdir(self.folder)
        except OSError:
            shutil.rmtree(self.folder, ignore_errors=True)

    def forget(self) -> None:
        """Delete what was written by the path of the folder after that had gone."""
        shutil.rmtree(self.folder, ignore_errors=True)
        above = (folder for folder in self.folder.parents if folder.name != JOURNAL and self.root in folder.parents)
        with suppress(OSError):  # the first that is not empty ends it
            for folder in above:
                folder.rmdir()

    def look(self) -> None:
        """Raise `TakenOverError` where the folder of the holder has gone."""
        if not self._has(_ALIVE):
            raise taken_over(self.root)

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
            patiently(partial(os.replace, self.folder / source, self.root / name))
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
            raise taken_over(self.root) from None


def refuse_linked_journal(target: Target) -> None:
    """Raise `StoreError` where the journal of a group is behind a link, or a file is in its place."""
    if target.folder is None or not os.path.lexists(target.folder / JOURNAL):
        return
    if (target.folder / JOURNAL).is_file():
        raise ExistsError(f"{target} has a file at {JOURNAL!r}, where unfinished writes are noted; move it away.")
    if leads_through_a_link(target, f"{JOURNAL}/{HELD}"):
        raise StoreError(f"{target} has its journal behind a link, which is not followed. Remove the link.")


def expel(target: Target) -> None:
    """Delete the folders of earlier holders: once this ends, nothing that these write gets into place.

    On an object store, what they have sent already still does.

    Raises:
        StoreError: the journal is behind a link.
    """
    if target.folder is None:
        time.sleep(MOMENT if target.mark is not None and not in_memory(target.store) else 0)
        return
    refuse_linked_journal(target)
    folders = [target.folder / JOURNAL]
    if target.mark is not None:
        with suppress(StoreError):
            folders.append(spool_folder(target))
    for folder in (folder for folder in folders if os.path.lexists(folder) and not folder.is_symlink()):
        for held in folder.glob(f"{HELD}*"):
            end_of(held)  # first: what then comes by the old path is missed, not taken for empty
            move_away(held)
        for gone in folder.glob(f"{GONE}*"):
            _delete(gone)


def end_of(folder: Path) -> None:
    """Delete what says that a folder is still its holder's, and that of whoever helps it; no link is followed."""
    for own in (folder, *folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else ():
        if own.is_dir() and not own.is_symlink() and not (own / _ALIVE).is_dir():
            (own / _ALIVE).unlink(missing_ok=True)


def move_away(folder: Path) -> None:
    """Move the folder of a holder, or helper, that has ended; where that is refused, it stays and is deleted later."""
    with suppress(FileNotFoundError, *([PermissionError] if patience.WINDOWS else [])):
        patiently(partial(folder.rename, folder.with_name(f"{GONE}{uuid4().hex}")))


def _delete(folder: Path) -> None:
    end_of(folder)
    if folder.is_file() and not folder.is_symlink():
        folder.unlink()
    remove(folder)
