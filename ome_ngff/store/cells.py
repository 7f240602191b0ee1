"""What a change replaces besides documents: the cells of arrays, or whole folders; the old ones lie in the journal.

Below `.ome_ngff/cells-<name>/` the new ones wait at `new/<key>`, and the old ones are kept at `old/<key>`. In a folder
each gets into place in one step, so that a reader sees the old one or the new one, whole. Each step finds out by what
lies where whether it was done before, so it can be done again after any interruption.

Whoever goes on with a change, in a folder, renames that of its cells: a process that was stopped, and wakes up late,
then moves nothing any more.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import attrs

from ..exceptions import StoreError, TakenOverError
from .claims import Claim, name_holder
from .inline import wait_for
from .journal import JOURNAL
from .nodes import children, delete, drop_bytes, put_bytes
from .objects import list_objects
from .patience import in_folder, patiently
from .places import in_memory
from .target import Target
from .zarr_private import default_buffer_prototype

CELLS = "cells-"
_TRACE = "written "  # before the size and the time of a cell, in place of its digest


@attrs.frozen
class Cell:
    """State what one key of a change held, and holds in the end.

    Attributes:
        was: whether something stood there before.
        becomes: digest of what stands there in the end, None where nothing does; of a folder, of its files' names,
            sizes and times, which stay when it is moved; of a cell that was added, `trace`.
    """

    was: bool
    becomes: str | None


@attrs.frozen(eq=False)
class Cells:
    """Hold the old and the new cells of a change of a group.

    Attributes:
        target: the group. name: of the change. folder: below the group, where they lie.
    """

    target: Target
    name: str
    folder: str

    @classmethod
    def begin(cls, target: Target, kept: Collection[str]) -> Cells:
        """Begin to prepare a change, under the lock of its group; what earlier ones have left goes.

        Args:
            target: the group. kept: names of the changes that can still be undone.
        """
        sweep_cells(target, kept)
        name = uuid4().hex
        if target.folder is not None:
            in_folder(partial((target.folder / JOURNAL / f"{CELLS}{name}").mkdir, parents=True))
        return cls(target, name, f"{JOURNAL}/{CELLS}{name}")

    @classmethod
    def take(cls, target: Target, name: str) -> Cells:
        """Become the one who moves the cells of a change.

        Raises:
            StoreError: they are gone.
        """
        if target.folder is None:
            return cls(target, name, f"{JOURNAL}/{CELLS}{name}")
        found = sorted(child for child in children(target, JOURNAL) if name_of_cells(child) == name)
        if not found:
            raise StoreError(f"{target} has lost what lay in {JOURNAL}/{CELLS}{name}, without which nothing goes on.")
        folder = f"{JOURNAL}/{CELLS}{name}-{name_holder()}"
        try:
            patiently(partial(os.rename, target.folder / JOURNAL / found[0], target.folder / folder))
        except FileNotFoundError:
            raise _taken_over(target) from None
        return cls(target, name, folder)

    def new(self, key: str) -> str:
        """Return where what will stand at a key lies before, as a path below the group."""
        return f"{self.folder}/new/{key}"

    def old(self, key: str) -> str:
        """Return where what stood at a key is kept."""
        return f"{self.folder}/old/{key}"

    def prepared(self, keys: Iterable[str]) -> dict[str, Cell]:
        """Return what happens at some keys, given what stands there and what has been prepared; nothing is left out."""
        found = {}
        for key in keys:
            cell = Cell(self._exists(key), self._digest(self.new(key)))
            if cell.was or cell.becomes is not None:
                found[key] = cell
        return found

    def swap(self, key: str, cell: Cell) -> None:
        """Put the new cell into place, and keep the old one, unless that is done."""
        (self._swap_file if self.target.folder is not None else self._swap_object)(key, cell)

    def swap_back(self, key: str, cell: Cell) -> None:
        """Put the old cell back, unless that is done, or was never replaced."""
        (self._back_file if self.target.folder is not None else self._back_object)(key, cell)

    def keep(self, key: str) -> bool:
        """Keep what stands at a key, before anything is prepared; return whether something does."""
        if self.target.folder is None:
            there = self._get(key)
            put_bytes(self.target, self.old(key), there) if there is not None else None
            return there is not None
        if found := self._exists(key):
            self._make_way("old", key)
            _link(self._path(key), self._path(self.old(key)))
        return found

    def trace(self, key: str) -> str | None:
        """Return what tells a cell from one that is written later, without reading it; None where there is none."""
        if self.target.folder is None:
            return self._digest(key) if in_memory(self.target.store) else _TRACE
        with suppress(FileNotFoundError):
            found = self._path(key).stat()
            return f"{_TRACE}{found.st_size} {found.st_mtime_ns}"
        return None

    def differs(self, key: str, cell: Cell) -> bool:
        """Return whether something else stands at a key than a change has left, or what it has kept is gone."""
        look = self.trace if (cell.becomes or "").startswith(_TRACE) else self._digest
        return look(key) != cell.becomes or (cell.was and not self._exists(self.old(key)))

    def forget(self) -> None:
        """Delete the cells, which are in place."""
        delete(self.target, self.folder)

    # In folders ------------------------------------------------------------------------------------------------------

    def _swap_file(self, key: str, cell: Cell) -> None:
        place, new, old = (self._path(path) for path in (key, self.new(key), self.old(key)))
        if cell.becomes is None or new.exists():
            if cell.was and not os.path.lexists(old):
                self._make_way("old", key)
                if cell.becomes is None or place.is_dir():
                    patiently(partial(os.rename, place, old))
                    self._tidy(key)
                else:
                    _link(place, old)
            if cell.becomes is not None:
                place.parent.mkdir(parents=True, exist_ok=True)
                patiently(partial(os.replace, new, place))
        elif not self._path(self.folder).is_dir():
            raise _taken_over(self.target)

    def _back_file(self, key: str, cell: Cell) -> None:
        place, new, old = (self._path(path) for path in (key, self.new(key), self.old(key)))
        away = cell.becomes is not None and not new.exists() and (not cell.was or place.is_dir())
        if away and os.path.lexists(place) and (not cell.was or old.exists()):
            self._make_way("new", key)
            patiently(partial(os.rename, place, new))
            self._tidy(key)
        if cell.was and old.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            patiently(partial(os.replace, old, place))
        elif not self._path(self.folder).is_dir():
            raise _taken_over(self.target)

    def _make_way(self, kind: str, key: str) -> None:
        """Make the folders that a cell moves into, but never anew that of all, which may have been taken over."""
        way = self._path(self.folder)
        for step in (kind, *key.split("/")[:-1]):
            way /= step
            try:
                way.mkdir(exist_ok=True)
            except FileNotFoundError:
                raise _taken_over(self.target) from None

    def _tidy(self, key: str) -> None:
        with suppress(OSError):  # the first that is not empty ends it
            for folder in self._path(key).parents[: key.count("/")]:
                folder.rmdir()

    def _path(self, path: str) -> Path:
        assert self.target.folder is not None
        return self.target.folder / path

    # In other stores -------------------------------------------------------------------------------------------------

    def _swap_object(self, key: str, cell: Cell) -> None:
        new = self._get(self.new(key))
        if cell.becomes is not None and new is None:
            return
        if cell.was and not self._exists(self.old(key)):
            there = self._get(key)
            if there is not None:
                put_bytes(self.target, self.old(key), there)
        if new is None:
            drop_bytes(self.target, key)
        else:
            put_bytes(self.target, key, new)
            drop_bytes(self.target, self.new(key))

    def _back_object(self, key: str, cell: Cell) -> None:
        if cell.was:
            old = self._get(self.old(key))
            if old is not None:
                put_bytes(self.target, key, old)
        else:
            drop_bytes(self.target, key)

    def _get(self, key: str) -> bytes | None:
        found = wait_for(self.target.store, self.target.store.get(self.target.key(key), default_buffer_prototype()))
        return None if found is None else found.to_bytes()

    def _exists(self, key: str) -> bool:
        if self.target.folder is not None:
            return self._path(key).exists()
        return bool(wait_for(self.target.store, self.target.store.exists(self.target.key(key))))

    def _digest(self, key: str) -> str | None:
        if self.target.folder is None:
            content = self._get(key)
            return None if content is None else hashlib.blake2b(content, digest_size=16).hexdigest()
        try:
            with self._path(key).open("rb") as file:
                return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        except FileNotFoundError:
            return None
        except (IsADirectoryError, PermissionError):
            if self._path(key).is_dir():
                return _digest_of(self._path(key))
            raise


def _digest_of(folder: Path) -> str:
    """Return a digest of which files are below a folder, apart from the journals there, and when they were written."""
    digest = hashlib.blake2b(digest_size=16)
    for above, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != JOURNAL)
        for name in sorted(files):
            found = os.stat(path := os.path.join(above, name))
            digest.update(repr((os.path.relpath(path, folder), found.st_size, found.st_mtime_ns)).encode())
    return digest.hexdigest()


def copy_below(target: Target, start: str, end: str, instead: Mapping[str, bytes]) -> None:
    """Store what is below a path of a group at another one, too: in a folder as second names, which cost no bytes.

    Args:
        target: the group. start, end: the paths. instead: what some files below are instead, by their keys there.
    """
    if target.folder is None:
        found = {key: None for key in list_objects(attrs.evolve(target, path=target.key(start)))} | dict(instead)
        cells = Cells(target, "", "")
        for key, content in found.items():
            content = cells._get(f"{start}/{key}") if content is None else content
            if content is not None:
                put_bytes(target, f"{end}/{key}", content)
        return
    place = target.folder / end
    shutil.copytree(target.folder / start, place, copy_function=lambda *ends: _link(*map(Path, ends)))
    for key, content in instead.items():
        (place / key).unlink(missing_ok=True)
        (place / key).write_bytes(content)


def name_of_cells(child: str) -> str | None:
    """Return the name of the change whose cells lie in a folder of the journal; None of another folder."""
    found = re.fullmatch(rf"{CELLS}([0-9a-f]{{32}})(-.*)?", child)
    return found[1] if found else None


def sweep_cells(target: Target, kept: Collection[str]) -> None:
    """Delete the cells of all changes of a group but some."""
    for child in children(target, JOURNAL):
        if child.startswith(CELLS) and name_of_cells(child) not in kept:
            delete(target, f"{JOURNAL}/{child}")


def move_all(cells: Cells, change: Iterable[tuple[str, Cell]], claim: Claim, *, back: bool) -> None:
    """Move the cells of a change into place, or back.

    Raises:
        TakenOverError: another process goes on with it.
    """
    for key, cell in change:
        if not claim.held:
            raise _taken_over(cells.target)
        try:
            (cells.swap_back if back else cells.swap)(key, cell)
        except FileNotFoundError as error:
            if cells.target.folder is not None and not (cells.target.folder / cells.folder).is_dir():
                raise _taken_over(cells.target) from None
            raise StoreError(f"{cells.target} has lost {key!r} meanwhile: {error}") from error


def _link(place: Path, old: Path) -> None:
    """Keep a file under a second name, while readers still see it under the first."""
    try:
        os.link(place, old)
    except FileNotFoundError:
        raise
    except OSError:  # some file systems have no links
        half = old.with_name(f"{old.name}.{uuid4().hex}")
        shutil.copy2(place, half)
        patiently(partial(os.replace, half, old))


def _taken_over(target: Target) -> Any:
    return TakenOverError(f"Another process goes on with the change of {target}; this one has stopped.")
