"""Slots: places that hold one entry at most and change by single steps, none of which can hit a later entry.

What the entries mean, and when one may be removed that is another's, is the business of `claims`. No entry is ever used
twice. So a swap or a removal that was decided on long ago, by a process that was stopped meanwhile, finds its entry or
fails; and of several that want the same entry gone, one succeeds.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import attrs

from ..config import in_child
from ..exceptions import StoreError
from .patience import patiently

ENTRY = re.compile(r"\w+-\d+-[0-9a-f]{16}\.\d+", re.ASCII)  # host, process, token, and how often it was renewed
_LONGEST_ENTRY = 200  # characters
_GATE = "gate"  # what an entry that stands for a gate alone begins with


class Slots(Protocol):
    """Keep slots by name, without waiting for anybody."""

    def create(self, name: str, entry: str) -> bool:
        """Put an entry into an empty slot; return False where it is not, or another came at the same time."""

    def look(self, name: str) -> list[str]:
        """List what is in a slot: nothing, an entry, or several while some come and go."""

    def sight(self) -> Mapping[str, list[str]]:
        """List what is in all slots, where that takes no longer than to look at one; else nothing."""

    def swap(self, name: str, old: str, new: str) -> bool:
        """Put an entry in the place of another; return False where that is gone."""

    def remove(self, name: str, entry: str) -> bool:
        """Empty the slot of an entry; return False where that is gone."""


@attrs.frozen
class FolderSlots:
    """Keep slots as empty files of a folder that exists, on any file system, on Windows, too.

    A slot has a gate, the file `<name>`, and an entry, the file `<name>.<entry>`. Creating the gate is exclusive, so
    one process at a time comes in, and then adds its entry. Entries have names of their own, so renaming and deleting
    them is always safe. Deleting the gate is not: all gates have one name, and a process that stops for minutes just
    before it deletes one deletes another's. So the gate keeps the usual crowd out, but what counts are the entries:
    whoever has added one looks whether it is alone, and else takes it back. Of two that are in at once, the one that
    came second cannot but see the first.

    The gate alone is what a process leaves that is killed between two steps, and what version 0.1.0 used as a lock. It
    is listed as an entry of its own, so that it, too, can be removed after silence.
    """

    folder: Path

    def create(self, name: str, entry: str) -> bool:
        """Create the gate and the entry; take the entry back where it is not alone."""
        gate, file = self._path(name), self._path(f"{name}.{entry}")
        try:
            _create(gate)
        except FileExistsError:
            return False
        except PermissionError:
            if os.name == "nt" and os.path.lexists(gate):  # Windows says so of a file that is just being deleted
                return False
            raise
        try:
            with suppress(FileExistsError):  # NFS: it was created, but the answer was lost
                _create(file)
            # Some file systems may miss an entry that is being renamed while they list; not twice in a row.
            if self._entries(name) == [entry] == self._entries(name):
                return True
            _delete(file)  # the gate stays, for the other
            return False
        except BaseException:
            _delete(file)
            _delete(gate)
            raise

    def look(self, name: str) -> list[str]:
        """List the entries; where there are none, the gate."""
        return self._entries(name) or self._gate(name)

    def sight(self) -> Mapping[str, list[str]]:
        """List the entries of all slots; gates alone are left out."""
        found: dict[str, list[str]] = {}
        for name, _, entry in (file.partition(".") for file in os.listdir(self.folder)):
            if ENTRY.fullmatch(entry):
                found.setdefault(name, []).append(entry)
        return found

    def swap(self, name: str, old: str, new: str) -> bool:
        """Rename the entry."""
        try:
            patiently(partial(os.rename, self._path(f"{name}.{old}"), self._path(f"{name}.{new}")))
        except FileNotFoundError:
            return False
        return True

    def remove(self, name: str, entry: str) -> bool:
        """Delete the entry, then the gate."""
        there = self._gate(name) == [entry] if entry.startswith(_GATE) else _delete(self._path(f"{name}.{entry}"))
        if there:
            _delete(self._path(name))
        return there

    def _entries(self, name: str) -> list[str]:
        start = len(name) + 1
        files = (file[start:] for file in os.listdir(self.folder) if file.startswith(f"{name}."))
        return sorted(entry for entry in files if ENTRY.fullmatch(entry))

    def _gate(self, name: str) -> list[str]:
        """Name the gate so that no other has the name. The time tells gates apart; it is compared with no clock."""
        try:
            found = os.lstat(self._path(name))
        except FileNotFoundError:
            return []
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(
                f"{self._path(name)} is a folder or a link, where a lock file of ome_ngff was expected: delete it."
            )
        return [f"{_GATE}-{found.st_ino}-{found.st_mtime_ns}"]

    def _path(self, file: str) -> str:
        return os.path.join(self.folder, file)


def _create(path: str) -> None:
    """Create an empty file where there is nothing; a link is something, wherever it leads."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def _delete(path: str) -> bool:
    """Delete a file; return whether there was one."""
    try:
        patiently(partial(os.unlink, path))
    except FileNotFoundError:
        return False
    return True


_MEMORY: dict[str, str] = {}
_MEMORY_LOCK = threading.Lock()


@attrs.frozen
class MemorySlots:
    """Keep slots in the memory of this process; those of one prefix are the same ones."""

    prefix: str

    def create(self, name: str, entry: str) -> bool:
        """Set the entry where there is none."""
        with _MEMORY_LOCK:
            return _MEMORY.setdefault(self._key(name), entry) == entry

    def look(self, name: str) -> list[str]:
        """List the entry."""
        entry = _MEMORY.get(self._key(name))
        return [] if entry is None else [entry]

    def sight(self) -> Mapping[str, list[str]]:
        """List nothing."""
        return {}

    def swap(self, name: str, old: str, new: str) -> bool:
        """Set the entry where the old one is."""
        with _MEMORY_LOCK:
            there = _MEMORY.get(self._key(name)) == old
            if there:
                _MEMORY[self._key(name)] = new
            return there

    def remove(self, name: str, entry: str) -> bool:
        """Delete the entry."""
        with _MEMORY_LOCK:
            there = _MEMORY.get(self._key(name)) == entry
            if there:
                del _MEMORY[self._key(name)]
            return there

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}"


@attrs.frozen
class ObjectSlots:
    """Keep slots as objects of S3, Google or Azure, by `obstore` and conditional PUTs.

    It knows no conditional DELETE, so a slot that was used stays, as an empty object, until the prefix is deleted.
    """

    store: Any  # of obstore
    prefix: str

    def create(self, name: str, entry: str) -> bool:
        """Put the object where there is none, or an empty one."""
        if self._put(name, entry, "create"):
            return True
        body, version = self._get(name)
        return body == "" and version is not None and self._put(name, entry, version)

    def look(self, name: str) -> list[str]:
        """Get the object."""
        body, _ = self._get(name)
        return [body] if body else []

    def sight(self) -> Mapping[str, list[str]]:
        """List nothing: what a slot holds is not in the name of its object."""
        return {}

    def swap(self, name: str, old: str, new: str) -> bool:
        """Replace the object that was got a moment ago by that very one."""
        body, version = self._get(name)
        return body == old and version is not None and self._put(name, new, version)

    def remove(self, name: str, entry: str) -> bool:
        """Empty the object."""
        return self.swap(name, entry, "")

    def held(self) -> list[str]:
        """Get what stands in the slots that are held, in a hundred of them at most; it is for people to see."""
        import obstore  # type: ignore[import-not-found,unused-ignore]

        try:
            listed = obstore.list_with_delimiter(self.store, f"{self.prefix.strip('/')}/")["objects"]
        except obstore.exceptions.BaseError as error:
            raise StoreError(f"{self.prefix} cannot be listed: {error}") from error
        names = [found["path"].rpartition("/")[2] for found in listed if 0 < found["size"] <= _LONGEST_ENTRY]
        with ThreadPoolExecutor(8) as pool:
            return [body for body, _ in pool.map(self._get, names[:100]) if body]

    def _get(self, name: str) -> tuple[str, Mapping[str, Any] | None]:
        import obstore  # type: ignore[import-not-found,unused-ignore]

        try:
            found = obstore.get(self.store, self._key(name))
            body = bytes(found.bytes()).decode(errors="replace")
        except FileNotFoundError:
            return "", None
        except obstore.exceptions.BaseError as error:
            raise StoreError(f"{self._key(name)} cannot be read: {error}") from error
        return body, {key: found.meta[key] for key in ("e_tag", "version") if found.meta[key] is not None}

    def _put(self, name: str, body: str, condition: Any) -> bool:
        import obstore  # type: ignore[import-not-found,unused-ignore]

        try:
            obstore.put(self.store, self._key(name), body.encode(), mode=condition)
        except (FileNotFoundError, obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError):
            return False
        except (obstore.exceptions.BaseError, NotImplementedError) as error:
            raise StoreError(f"{self._key(name)} cannot be written on a condition: {error}") from error
        return True

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}".lstrip("/")


@in_child
def _forget_memory() -> None:
    """Start anew in a process that was forked: what its memory says of other threads is no longer so."""
    global _MEMORY_LOCK
    _MEMORY_LOCK = threading.Lock()
    _MEMORY.clear()
