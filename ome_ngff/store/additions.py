"""What an image was before it is added to, so that this can be undone: its documents, and the cells at its end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

import attrs

from ..exceptions import StoreError
from ..text import warn
from .cells import Cell, Cells, sweep_cells
from .change import CHANGES, GROWING, LOST, UNDO, Change, begin_cells, current_documents, needed_cells, recorded
from .inline import wait_for
from .journal import JOURNAL
from .nodes import children, delete
from .opening import cells_in, open_array
from .target import Target, find_target
from .zarr_private import default_buffer_prototype


def keep_before(
    target: Target, what: Mapping[str, str], documents: Sequence[str], cells: Iterable[str], marked: str
) -> None:
    """Keep what an addition will change, before it begins.

    Args:
        target: the group, whose lock is held. what: the addition in words. documents: keys of those that will change.
        cells: keys of the cells that hold its end. marked: key of the document of the group.
    """
    forget_before(target)
    kept = begin_cells(target)
    there = current_documents(target, documents)
    old = {key: content for key, content in there.items() if content is not None}
    held = {key: Cell(True, "") for key in cells if kept.keep(key)}
    _put(target, GROWING, Change(what, old, old, None, frozenset({marked}), held, kept.name).to_bytes())


def forget_before(target: Target) -> None:
    """Forget what an addition kept that was interrupted before it began, or after it had ended."""
    with suppress(FileNotFoundError):
        wait_for(target.store, target.store.delete(target.key(GROWING)))


def end_addition(target: Target) -> None:
    """Delete the journal of an image that has grown, but for what is left to be undone, and changes that are under way.

    Args:
        target: the group, whose lock is held, and whose documents are as they stay.
    """
    record = recorded(target, GROWING)
    if record is not None:
        documents = current_documents(target, sorted(record.change.old))
        new = {key: content for key, content in documents.items() if content is not None}
        if new == record.change.old:  # nothing had begun
            forget_before(target)
            return
        cells = Cells(target, record.change.name, "")
        found = {key: Cell(True, cells.trace(key)) for key in record.change.cells}
        added = (key for name in new for key in _added(target, name, record.change.old[name], new[name]))
        found |= {key: Cell(False, trace) for key in added if (trace := cells.trace(key)) is not None}
        _put(target, UNDO, _kept(attrs.evolve(record.change, new=new, cells=found)))
    there = children(target, JOURNAL)
    busy = {name for name in CHANGES if name.rpartition("/")[2] in there}
    if record is None and not busy:
        delete(target, JOURNAL)
        return
    kept = {name.rpartition("/")[2] for name in ({UNDO, *busy} if record is not None else busy)}
    forget_before(target)
    for name in there - kept:
        if not name.startswith("cells-"):
            delete(target, f"{JOURNAL}/{name}")
    sweep_cells(target, needed_cells(target))


def _kept(change: Change) -> bytes:
    """Return the record of an addition, by which it can be undone; of one that is too large, a word that it cannot."""
    try:
        return change.to_bytes()
    except StoreError as error:
        warn(f"{str(change).capitalize()} is done, but cannot be undone: {error}")
        lost = {**change.what, LOST: str(error)}
        return attrs.evolve(change, what=lost, old={}, new={}, marked=None, cells={}, name="").to_bytes()


def complete_addition(target: Target) -> None:
    """Do the last of an addition whose process was killed after the image was finished; arguments as `end_addition`."""
    if recorded(target, GROWING) is not None and not find_target(target).growing:  # else it is needed to the end
        end_addition(target)


def _added(target: Target, name: str, old: bytes, new: bytes) -> Iterator[str]:
    """Yield the keys of the cells of an array that lie behind its old end, given its documents."""
    start, stop = (json.loads(content).get("shape") for content in (old, new))
    if start is None or start == stop:
        return
    path = name.rpartition("/")[0]
    array = open_array(target.store, target.key(path))
    cell = array.shards or array.chunks
    axis = next(i for i, (n, m) in enumerate(zip(start, stop, strict=True)) if n != m)
    box = [(0, n) for n in stop]
    box[axis] = (-(-start[axis] // cell[axis]) * cell[axis], stop[axis])
    for place in cells_in(box, cell):
        yield f"{path}/{array.metadata.encode_chunk_key(place)}"


def _put(target: Target, name: str, content: bytes) -> None:
    wait_for(target.store, target.store.set(target.key(name), default_buffer_prototype().buffer.from_bytes(content)))
