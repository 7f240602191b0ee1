"""Writes that are under way: their mark, the journal of what is done, the end.

A write that is under way leaves its group with the attribute `ome_ngff` (the mark: what is being written, how the work
is cut, and who writes it) and without OME metadata, so no reader takes it for an image. Finished units leave a small
key each below `.ome_ngff/`; that is what `resume=True` goes by. Finishing replaces the mark by the metadata.

The mark names the `write`, which stays the same when it is resumed, and its `holder`, which does not (see `holder`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

import attrs

from ..exceptions import StoreError, TakenOverError
from ..text import show
from .attributes import put_attributes
from .claims import name_holder
from .cloud import CloudStore
from .inline import wait_for
from .nodes import children
from .target import MARK, SHARED, Target

JOURNAL = ".ome_ngff"
CLEARED = "cleared"  # the place is
DONE = b"done"
_FILES, _NAMES = 4, 1000  # that are listed in the time of one look at a file, or in one request


def begin(target: Target, mark: Mapping[str, Any], more: Mapping[str, Any], *, new: bool = False) -> Target:
    """Mark the group as unfinished and take its OME metadata away; foreign attributes stay, and `more` are added.

    Args:
        target, mark, more: the group, what its mark states, and attributes.
        new: whether to create it on the condition that it is not there (`is_conditional`).

    Raises:
        TakenOverError: it is.
    """
    image = target.is_image  # else its other parts, such as `image-label`, wait in the mark
    parts = {} if image else {k: v for k, v in target.document.items() if k != "version"}
    parts = {**(target.mark or {}).get("parts", {}), **parts}
    stated = {"write": uuid4().hex, "parts": parts, **mark}
    return _put_mark(target, {**_foreign(target), **more}, stated, {} if new else None)


def begin_growing(target: Target, document: Mapping[str, Any], mark: Mapping[str, Any]) -> Target:
    """Mark an image as one that is being added to: its metadata stands beside the mark, so that it can be read."""
    stated = {"write": uuid4().hex, "parts": {}, **mark, "metadata": target.fmt.wrap(document)}
    return _put_mark(target, {**_foreign(target), **target.fmt.wrap(document)}, stated)


def hold(target: Target, *, shared: bool) -> Target:
    """Become the holder of a write that was begun, alone or to prepare it for others."""
    stated = {k: v for k, v in (target.mark or {}).items() if k != SHARED}
    return _put_mark(target, target.attributes or {}, {**stated, **({SHARED: {}} if shared else {})})


def share(target: Target, prepared: Mapping[str, Any]) -> Target:
    """State in the mark that all is prepared, so that other processes can help the holder, and what they will find."""
    return _put_mark(target, target.attributes or {}, {**(target.mark or {}), SHARED: prepared})


def _foreign(target: Target) -> dict[str, Any]:
    return {k: v for k, v in target.fmt.strip(target.attributes or {}).items() if k != MARK}


def _put_mark(
    target: Target, attributes: Mapping[str, Any], stated: Mapping[str, Any], instead: Mapping[str, Any] | None = None
) -> Target:
    holder = stated["holder"] if stated.get(SHARED) else name_holder()
    attributes = {**attributes, MARK: {"incomplete": {**stated, "holder": holder}}}
    if not put_attributes(target, attributes, instead):
        raise taken_over(target)
    return attrs.evolve(target, attributes=attributes)


def taken_over(place: object) -> TakenOverError:
    return TakenOverError(
        f"Another process has begun to write {place}, or has resumed it, and goes on alone; this one has stopped."
    )


def finish(target: Target, document: Mapping[str, Any]) -> None:
    """Replace the mark by the metadata, in one step."""
    parts = (target.mark or {}).get("parts", {})
    said = {MARK: target.said} if target.said else {}
    put_attributes(target, {**_foreign(target), **said, **target.fmt.wrap({**parts, **document})})


def sweep_partial(target: Target, paths: Iterable[str]) -> None:
    """Delete the files of some levels that a killed process has left half written."""
    folder = target.folder
    for level in [folder / path for path in paths] if folder is not None else []:
        for stray in level.rglob("*.partial"):
            stray.unlink(missing_ok=True)


def name_of_write(target: Target) -> str:
    """Return the name of the write that a group is marked with; what a mark states is not trusted to be a name.

    Raises:
        StoreError: it cannot be one.
    """
    name = (target.mark or {}).get("write")
    if not isinstance(name, str) or not re.fullmatch("[0-9A-Za-z]{1,64}", name):
        raise StoreError(f"The mark of {target} names the unfinished write {show(name)}, which it can never have had.")
    return name


def note_of(target: Target, what: str) -> dict[str, bytes]:
    """Return the file that notes in the journal that something is done: a unit is in place, or it is `CLEARED`."""
    return {note_key(target, what): DONE} if target.store.supports_deletes else {}


def pace(target: Target) -> float | None:
    """Return how many units a second were done in the last minute before the newest of them; None if that is unknown.

    The times are those of the notes in a folder, or on an object store, which are compared with each other and with no
    clock.
    """
    with suppress(OSError):
        note = re.compile(rf"{name_of_write(target)}\.\d+-\d+")
        times = [time for name, time in _times(target) if note.fullmatch(name)]
        recent = [time for time in times if time > max(times) - 60]
        span = max(recent, default=0) - min(recent, default=0)
        return (len(recent) - 1) / span if span > 0 else None
    return None


def _times(target: Target) -> list[tuple[str, float]]:
    """List the journal: names, and seconds at which they were written; nothing where that is not known."""
    if target.folder is not None:
        return [(file.name, file.stat().st_mtime) for file in os.scandir(target.folder / JOURNAL)]
    if isinstance(target.store, CloudStore) and target.store.conditional:
        found = wait_for(target.store, target.store.entries(f"{target.key(JOURNAL)}/", below=False))
        return [(entry["path"].rpartition("/")[2], entry["last_modified"].timestamp()) for entry in found]
    return []


def is_noted(target: Target, what: str) -> bool:
    """Return whether the journal has a note."""
    if target.folder is not None:
        return os.path.isfile(target.folder / note_key(target, what))
    return bool(wait_for(target.store, target.store.exists(target.key(note_key(target, what)))))


def noted_of(target: Target, units: Collection[str], known: int) -> set[str]:
    """Return which units the journal says are done, in the way that takes the least: of some, or of all.

    Args:
        units: those that are of interest. known: how many are known to be done, which a list of all names again.
    """
    if len(units) * (_NAMES if target.folder is None else _FILES) > known:
        return noted(target) - {CLEARED}
    return {unit for unit in units if is_noted(target, unit)}


def take_back(target: Target, what: str) -> None:
    """Delete a note: what it says is no longer so."""
    with suppress(FileNotFoundError):
        wait_for(target.store, target.store.delete(target.key(note_key(target, what))))


def note_key(target: Target, what: str) -> str:
    """Return the path of a note below its group; notes of another write of the same place have other names."""
    return f"{JOURNAL}/{name_of_write(target)}.{what}"


def noted(target: Target) -> set[str]:
    """Read from the journal what is done: the units that are in place, and `CLEARED`."""
    write = name_of_write(target)
    names = {name.removeprefix(f"{write}.") for name in children(target, JOURNAL)}  # version 0.1.0 wrote no prefix
    return {name for name in names if name == CLEARED or re.fullmatch(r"\d+-\d+", name)}
