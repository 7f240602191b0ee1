"""A change of documents and cells that is carried out one by one, resumed after any interruption, and undone.

Before anything changes, `.ome_ngff/changing.zip` holds every document as it is and as it will be, and says which cells
change; these lie ready in the journal (`cells`). Where a document of the group is replaced, and others with it, the
group is marked meanwhile; so is whatever else the change asks for. Cells come first. Documents then change in an order
in which the group is readable at every moment: new ones from the deepest up, that of the group last; then those that
go, of the group first; marked ones at the very end. In the end the record is `.ome_ngff/undo.zip`; to undo is the same
in the other direction.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import attrs

from ..exceptions import StoreError, TakenOverError
from ..spec import path_fault
from ..text import listed
from .cells import CELLS, Cell, Cells, move_all, name_of_cells, sweep_cells
from .claims import Claim, name_holder
from .documents import MOST_BYTES, parse, read_all
from .journal import JOURNAL
from .nodes import children, drop_bytes, leads_through_a_link, put_bytes, read_bytes
from .patience import in_folder
from .staging import HELD, Staging, expel
from .target import MARK, Target

CHANGING, UNDOING, UNDO = (f"{JOURNAL}/{name}.zip" for name in ("changing", "undoing", "undo"))
CHANGES = {CHANGING, UNDOING}  # of what is under way
GROWING = f"{JOURNAL}/growing.zip"  # of what is being added to, as it was before
_RECORDS = {name.rpartition("/")[2] for name in (CHANGING, UNDOING, UNDO)}
LOST = "lost"  # what a record says why its change, which is done, cannot be undone
LEVELS = "levels"  # in a journal: levels that are made beside their image
_AT_ONCE = 256  # documents between two looks whether this process may go on
_ROOT = "zarr.json"
_CONTENTS, _NEW, _OLD = "change.json", "new", "old/"
_BROKEN = (ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError)  # what a broken record leads to
_MOST = 8 * MOST_BYTES  # of all documents of a change


@attrs.frozen(eq=False)
class Change:
    """State which documents and cells change.

    Attributes:
        what: what it is, for people and for whoever goes on with it: "change", and "from" and "to", or "of".
        old, new: the documents as they are and as they will be, by their keys below the group.
        kept: keys of the documents of the hierarchy that stay as they are; None where others may come and go, and it
            can be undone all the same.
        marked: keys of the documents that carry the mark meanwhile; they are in `old` and in `new`. None: that of the
            group, where others change with it.
        cells: what else changes, by its key: cells of arrays, or whole folders. name: of the `Cells` that hold them.
    """

    what: Mapping[str, str]
    old: Mapping[str, bytes]
    new: Mapping[str, bytes]
    kept: frozenset[str] | None
    marked: frozenset[str] | None = None
    cells: Mapping[str, Cell] = attrs.field(factory=dict)
    name: str = ""

    @property
    def back(self) -> Change:
        """The change that undoes this one."""
        return attrs.evolve(self, old=self.new, new=self.old)

    @property
    def keys(self) -> set[str]:
        """Keys of all documents that come, change or go."""
        return {*self.old, *self.new}

    @property
    def marks(self) -> frozenset[str]:
        """Keys of the documents that carry the mark meanwhile."""
        if self.marked is not None:
            return self.marked
        return frozenset({_ROOT}) if _ROOT in self.old and _ROOT in self.new and len(self.keys) > 1 else frozenset()

    def tiers(self) -> Iterator[list[str]]:
        """Yield the keys in their order; those of a tier may change in any."""
        come = sorted(((-_depth(key), key[-7:] != ".zattrs"), key) for key in set(self.new) - self.marks)
        go = sorted(((_depth(key), key[-7:] == ".zattrs"), key) for key in self.old if key not in self.new)
        last = sorted(((-_depth(key), True), key) for key in self.marks)
        for steps in (come, go, last):
            for _, tier in itertools.groupby(steps, lambda step: step[0]):
                yield [key for _, key in tier]

    def with_mark(self, key: str, content: bytes) -> bytes:
        """Return a document with the mark."""
        document, mark = json.loads(content), {MARK: {"incomplete": dict(self.what)}}
        whole = key.rpartition("/")[2] == ".zattrs"
        new = (
            {**document, **mark}
            if whole
            else {**document, "attributes": {**(document.get("attributes") or {}), **mark}}
        )
        return json.dumps(new, indent=2).encode()

    def to_bytes(self) -> bytes:
        """Return the record: a ZIP, in which the old documents lie below `old/`, as they lay below the group.

        Raises:
            StoreError: there is more than can be read again.
        """
        lengths = {key: len(content) for key, content in self.new.items()}
        stated: dict[str, Any] = {"what": dict(self.what), "new": lengths, "name": self.name}
        stated["kept"] = None if self.kept is None else sorted(self.kept)
        stated["marked"] = None if self.marked is None else sorted(self.marked)
        stated["cells"] = {key: [cell.was, cell.becomes] for key, cell in self.cells.items()}
        entries = {_CONTENTS: json.dumps(stated).encode(), _NEW: b"".join(self.new.values())}
        entries |= {f"{_OLD}{key}": content for key, content in self.old.items()}
        if sum(map(len, entries.values())) > _MOST:
            raise StoreError(f"{self} needs a record of more than {_MOST} bytes to be undone, which is not kept.")
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, content in entries.items():
                entry = zipfile.ZipInfo(name)  # without the time, so that the same change is the same bytes
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, content)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, where: str) -> Change:
        """Parse a record.

        Raises:
            StoreError: it cannot be one, or names places outside of its group.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > _MOST:
                    raise ValueError("it unpacks to more than any record")
                stated, whole = parse(archive.read(_CONTENTS), where), io.BytesIO(archive.read(_NEW))
                names = [name for name in archive.namelist() if name.startswith(_OLD)]
                old = {name.removeprefix(_OLD): archive.read(name) for name in names}
            new = {key: whole.read(length) for key, length in stated["new"].items()}
            kept, marked = (None if stated.get(k) is None else frozenset(stated[k]) for k in ("kept", "marked"))
            what = {
                str(key): str(value) for key, value in {"change": stated["what"]["change"], **stated["what"]}.items()
            }
            cells = {k: Cell(was is True, becomes) for k, (was, becomes) in stated.get("cells", {}).items()}
            name, unsafe = stated.get("name", ""), {*old, *new, *(kept or ()), *(marked or ()), *cells}
            faults = [fault for fault in map(path_fault, unsafe) if fault]
            if faults or not (marked or frozenset()) <= old.keys() & new.keys():
                raise ValueError((faults or ["it marks what it does not change"])[0])
            if cells and (name_of_cells(f"{CELLS}{name}") != name or not all(map(_is_digest, cells.values()))):
                raise ValueError("it names no cells")
        except (*_BROKEN, zipfile.BadZipFile, zlib.error) as error:
            raise StoreError(f"{where} is not a record of a change that can be undone: {error}") from error
        return cls(what, old, new, kept, marked, cells, name)

    def __str__(self) -> str:
        words = (f" {word} {self.what[word]}" for word in ("of", "from", "to") if word in self.what)
        return f"the {self.what['change']}{''.join(words)}"


def _is_digest(cell: Cell) -> bool:
    return cell.becomes is None or isinstance(cell.becomes, str)


@attrs.frozen(eq=False)
class Record:
    """A change that is recorded in the journal of a group, and where: `CHANGING`, `UNDOING` or `UNDO`."""

    name: str
    change: Change
    content: bytes

    @property
    def goes_on(self) -> bool:
        """Whether it is under way, and can be finished."""
        return self.name == CHANGING


def read_record(target: Target, *, done: bool = True) -> Record | None:
    """Return the change of a group that is under way, else, if that is wanted, the last one that was `done`."""
    names = (UNDOING, CHANGING, UNDO) if done else (UNDOING, CHANGING)
    return next((record for record in (recorded(target, name) for name in names) if record is not None), None)


def recorded(target: Target, name: str) -> Record | None:
    """Return the change that is recorded under a name in the journal of a group."""
    if leads_through_a_link(target, name):
        raise StoreError(f"{target} has its journal behind a link, which is not followed. Remove the link.")
    content = read_bytes(target, name)
    if content is None:
        return None
    change = Change.from_bytes(content, f"{target}/{name}")
    for key in {key.rpartition("/")[0] + "/" for key in {*change.keys, *change.cells} if "/" in key}:
        if leads_through_a_link(target, key):
            raise StoreError(f"{target} has {key!r} behind a link, which is not written through.")
    return Record(name, change, content)


def carry_out(target: Target, change: Change, claim: Claim) -> None:
    """Carry a change out, or go on with it.

    Args:
        target: the group. change: of its documents. claim: the lock of the group, which is held.

    Raises:
        TakenOverError: another process goes on with it. StoreError: a document was changed by something else.
    """
    record = change.to_bytes()
    for folder in (
        {key.rpartition("/")[0] for key in {*change.keys, *change.cells}} if target.folder is not None else ()
    ):
        place = f"{target.folder}/{folder}"
        if not os.access(place, os.W_OK) and (os.path.exists(place) or folder == ""):
            raise StoreError(f"{target}/{folder} can only be read: ask for the right to write there.")
    with _writing(target, claim) as writer:
        _put_record(target, writer, CHANGING, record)
        _apply(target, writer, change, change, claim)
        writer.put(UNDO, record)
        writer.remove(CHANGING)
        sweep_cells(target, {change.name})


def begin_cells(target: Target) -> Cells:
    """Begin to prepare the cells of a change, under the lock of its group; what earlier ones have left goes."""
    return Cells.begin(target, needed_cells(target))


def needed_cells(target: Target) -> set[str]:
    """Return the names of the changes of a group whose cells are still needed: to be undone, or gone on with."""
    there = {f"{JOURNAL}/{name}" for name in children(target, JOURNAL)}
    found = (recorded(target, name) for name in (UNDOING, CHANGING, UNDO, GROWING) if name in there)
    return {record.change.name for record in found if record is not None}


def take_back(target: Target, record: Record, claim: Claim) -> None:
    """Undo a change that is under way, or was done, or whose undoing was interrupted; arguments as in `carry_out`."""
    with _writing(target, claim) as writer:
        _put_record(target, writer, UNDOING, record.content)
        writer.remove(CHANGING)  # where the change was under way; what was done before it can still be undone
        _apply(target, writer, record.change.back, record.change, claim)
        if current_documents(target, [UNDO])[UNDO] == record.content:
            writer.remove(UNDO)
        writer.remove(UNDOING)
        sweep_cells(target, needed_cells(target))


def _put_record(target: Target, writer: Any, name: str, content: bytes) -> None:
    if current_documents(target, [name])[name] != content:
        writer.put(name, content)


def _apply(target: Target, writer: Any, change: Change, recorded: Change, claim: Claim) -> None:
    """Mark what is marked, then move cells, then documents, to where a change leads: that `recorded`, or its `back`."""
    allowed = {key: {change.old.get(key), change.new.get(key)} for key in change.keys}
    for key in change.marks:
        marked = {change.with_mark(key, content) for content in (change.old[key], change.new[key])}
        now = current_documents(target, [key])[key]
        _refuse_other(target, key, now, allowed[key] | marked)
        allowed[key] |= marked
        if now not in marked and now is not None:
            writer.put(key, change.with_mark(key, now))
    if change.cells:
        cells = Cells.take(target, change.name)
        move_all(cells, change.cells.items(), claim, back=change is not recorded)
    for tier in change.tiers():
        for start in range(0, len(tier), _AT_ONCE):
            batch = tier[start : start + _AT_ONCE]
            found = current_documents(target, batch)
            for key in batch:
                wanted = change.new.get(key)
                _refuse_other(target, key, found[key], allowed[key])
                if found[key] != wanted:
                    writer.remove(key) if wanted is None else writer.put(key, wanted)
    for key in sorted(set(change.old) - set(change.new), key=_depth, reverse=True):
        with suppress(OSError):  # something else is in there
            (target.folder / key).parent.rmdir() if target.folder is not None else None


def current_documents(target: Target, keys: Sequence[str]) -> dict[str, bytes | None]:
    """Return documents below a group as they are now, by their keys."""
    return dict(zip(keys, read_all(target.store, map(target.key, keys)), strict=True))


def _refuse_other(target: Target, key: str, found: bytes | None, allowed: set[bytes | None]) -> None:
    if found not in allowed:
        raise StoreError(
            f"{target} has been changed at {key!r} by something else meanwhile; put back what was there "
            f"(it is in {CHANGING} or {UNDOING}, below {_OLD}), and go on."
        )


def refuse_changed(target: Target, change: Change, contents: Mapping[str, bytes] | None = None) -> None:
    """Raise `StoreError` where a hierarchy is not what a change has left.

    Args:
        target: its group. change: the last one.
        contents: all documents of the hierarchy, by their keys, where these matter.
    """
    keys = sorted(change.keys)
    there = current_documents(target, keys) if contents is None else contents
    other = [key for key in keys if there.get(key) != change.new.get(key)]
    more = [] if contents is None else sorted(set(contents) - change.keys - (change.kept or frozenset()))
    if change.cells:
        cells = Cells.take(target, change.name)
        other += [key for key, cell in change.cells.items() if cells.differs(key, cell)]
    if other or more:
        raise StoreError(
            f"{target} was changed after {change} (at {listed([*other, *more], 3, ', ')}), so this cannot be undone "
            f"any more. What was there before is in {UNDO}, below {_OLD}"
            f"{f', and in {JOURNAL}/{CELLS}{change.name}' if change.cells else ''}."
        )


def outlasting(names: set[str]) -> set[str]:
    """Return which names in a journal outlast the writes of its group: records of changes, and their cells."""
    return {name for name in names if name in {*_RECORDS, LEVELS} or (name_of_cells(name) and names & _RECORDS)}


def _depth(key: str) -> int:
    return key.count("/")


@contextmanager
def _writing(target: Target, claim: Claim) -> Iterator[Any]:
    """Yield what puts documents into place and removes them, unless another process has taken over."""
    expel(target)
    if target.folder is None:
        yield _Sender(target, claim)
        return
    folder = target.folder / JOURNAL / f"{HELD}{name_holder()}"
    in_folder(partial(folder.mkdir, parents=True))
    try:
        yield Staging(target.folder, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()


@attrs.frozen(eq=False)
class _Sender:
    """Put and remove documents where there are no folders, one request each."""

    target: Target
    claim: Claim

    def put(self, name: str, content: bytes) -> None:
        self._look()
        put_bytes(self.target, name, content)

    def remove(self, name: str) -> None:
        self._look()
        drop_bytes(self.target, name)

    def _look(self) -> None:
        if not self.claim.held:
            raise TakenOverError(f"Another process goes on with the change of {self.target}; this one has stopped.")
