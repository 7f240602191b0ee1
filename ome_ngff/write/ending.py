"""What is done last: one step makes an image of what was written; then the traces of the write go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from ..read import StoredImage
from ..spec import Metadata
from ..store import (
    JOURNAL,
    Target,
    children,
    delete,
    delete_empty,
    deletion,
    forget_lock,
    journal,
    locked,
    outlasting,
    put_file,
    remove_spool,
    taken_over,
    update_document,
)


@attrs.frozen(eq=False)
class Ending:
    """What is done last, in one step: the metadata and what is measured; then the traces of the write go.

    Attributes:
        target: the group, with its mark. metadata, measured, afterwards: as in `Request`.
        resumed: whether a process may have been killed before.
        levels: the levels that are stored, or the same pixels in memory; None opens them.
        files: others below the group, by path. shared: whether other processes may be at it, too.
        last: of the holder, which deletes its folders in fewer steps; called where the image is finished.
        leave: deletes what of the journal is not needed any more; called under the lock. None deletes all of it.
    """

    target: Target
    metadata: Metadata
    measured: Callable[[Sequence[Any], Metadata], Mapping[str, Any]] | None
    afterwards: tuple[Callable[[], object], ...]
    resumed: bool
    levels: Mapping[int, Any] | None = None
    files: Mapping[str, bytes] = attrs.field(factory=dict)
    shared: bool = False
    last: Callable[[], object] | None = None
    leave: Callable[[Target], object] | None = None

    @property
    def _paths(self) -> list[str]:
        return [dataset.path for dataset in self.metadata.datasets]

    def __call__(self) -> None:
        """Finish the image that was begun."""
        target = self.target
        if target.folder is not None and not target.folder.is_dir():  # labels whose image was replaced
            raise taken_over(target)
        document = target.fmt.unwrap((target.mark or {})["metadata"])
        document = {**document, **self._measurements(document)}
        with locked(target) as (now, claim):
            held = attrs.evolve(target, attributes=now.attributes)
            if (held.mark or {}).get("holder") != (target.mark or {})["holder"] or not claim.sure():
                raise taken_over(target)
            remove_spool(held)
            for path, content in self.files.items() if held.said.get("metadata") else ():
                put_file(held, path, content)
            leave = deletion(held, JOURNAL) if self.leave is None else partial(self.leave, held)
            journal.finish(held, document)
            if self.last is not None:
                self.last()
            leave()
        if self.shared:
            forget_lock(target)
        if self.resumed:
            journal.sweep_partial(target, self._paths)
        for step in self.afterwards:
            step()

    def complete(self) -> None:
        """Do what a finished image lacks because a process was killed before it did that."""
        forget_late_notes(self.target)
        if self.shared:  # no pixel is read, and no chunk looked for
            forget_lock(self.target)
        else:
            journal.sweep_partial(self.target, self._paths)
        missing = {} if self.shared else self._measurements(self.target.document)
        if missing:
            update_document(self.target, missing)
        for step in self.afterwards:
            step()

    def _measurements(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what is measured of the stored levels, unless the document states it already."""
        if self.measured is None or "omero" in document:
            return {}
        levels = self.levels or dict(enumerate(StoredImage.of(self.target).arrays))
        return self.measured([levels[k] for k in range(len(levels))], self.metadata)


def forget_late_notes(target: Target) -> None:
    """Delete the journal of an image that is finished, or gone, to which an older holder may have come too late."""
    there = children(target, JOURNAL)
    kept = outlasting(there)
    if there - kept or (not there and target.folder is not None and (target.folder / JOURNAL).is_dir()):
        with locked(attrs.evolve(target, attributes=target.attributes or {})) as (now, _):  # no groups are created
            for late in (there - kept if kept else {""}) if now.mark is None else ():
                delete(now, f"{JOURNAL}/{late}".rstrip("/"))
    delete_empty(target)
