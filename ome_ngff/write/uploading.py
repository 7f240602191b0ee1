"""A finished hierarchy, an image with its labels, a plate or a collection, copied to an object store as it is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

import attrs

from ..engine import Progress, check_progress, metered
from ..exceptions import ExistsError, IncompleteError, StoreError
from ..spec import named_paths
from ..store import (
    JOURNAL,
    MARK,
    SHARED,
    Entry,
    Target,
    carry_objects,
    find_target,
    forget_lock,
    journal,
    list_objects,
    named_faults,
    parse_json,
    read_bytes,
)
from . import replace
from .ending import forget_late_notes

_DOCUMENTS = (".zgroup", ".zmetadata", ".zarray", ".zattrs", "zarr.json")
_HALF = re.compile(r"\.[0-9a-f]{32}\.partial$")  # what Zarr is writing on a disk
_HIERARCHIES = {"multiscales", "plate", "well", "bioformats2raw.layout", "labels"}


def is_hierarchy(source: Target) -> bool:
    """Return whether a group is, or will be, something that can be uploaded as a whole."""
    return source.attributes is not None and (bool(_HIERARCHIES & set(source.document)) or source.mark is not None)


@attrs.frozen(eq=False)
class Cargo:
    """All objects of a hierarchy that is finished.

    Attributes:
        source: the hierarchy. entries: what its store lists of them, by their paths.
        contents: a digest of their sizes and of the documents. state: of all that tells this state from another.
        steps: their paths in the order in which they are copied: chunks, documents below, those of the root.
    """

    source: Target
    entries: Mapping[str, Entry]
    contents: str
    state: str
    steps: tuple[list[str], list[str], list[str]]

    @classmethod
    def of(cls, source: Target) -> Cargo:
        """List a hierarchy, and read its documents.

        Raises:
            IncompleteError: a write of something below is under way.
        """
        found = objects_of(source)
        documents = sorted((p for p in found if p.rpartition("/")[2] in _DOCUMENTS), key=_order)
        digest = hashlib.sha256()
        for path, entry in sorted(found.items()):
            digest.update(f"{path} {entry.size}\n".encode())
        for path in documents:
            content = read_bytes(source, path) or b""
            digest.update(content)
            _refuse_unfinished(source, path, content)
        chunks, below = sorted({*found} - {*documents}), [path for path in documents if "/" in path]
        contents = digest.hexdigest()
        for path in chunks:
            digest.update(f"{found[path].tag} {found[path].changed}\n".encode())
        return cls(source, found, contents, digest.hexdigest(), (chunks, below, [p for p in documents if "/" not in p]))

    @property
    def size(self) -> int:
        """Bytes of all objects."""
        return self.size_of(self.entries)

    def size_of(self, paths: Iterable[str]) -> int:
        """Return the bytes of some objects."""
        return sum(self.entries[path].size for path in paths)

    def mark(self) -> dict[str, object]:
        """Return what the root states until all is there."""
        return {"upload": self.state, "paths": sorted(named_paths(self.source.document))}

    def refuse_another(self, target: Target) -> None:
        """Raise `StoreError` where the upload that was begun is of something else."""
        if (target.mark or {})["upload"] != self.state:
            raise StoreError(f"{target} holds an upload of something else, or of another state of it: start again.")


def objects_of(group: Target) -> dict[str, Entry]:
    """List the objects below a group without what a write keeps there, or has left."""
    found = list_objects(group)
    return {path: each for path, each in found.items() if f"/{JOURNAL}" not in f"/{path}" and not _HALF.search(path)}


def _order(path: str) -> tuple[int, int, str]:
    """Put of one group last what has its attributes, which say that it is finished."""
    return -path.count("/"), _DOCUMENTS.index(path.rpartition("/")[2]), path


def _refuse_unfinished(source: Target, path: str, content: bytes) -> None:
    group, _, name = path.rpartition("/")
    if f'"{MARK}"'.encode() in content and name in (".zattrs", "zarr.json"):
        found = parse_json(content, f"{source}/{path}")
        part = attrs.evolve(source, attributes=found.get("attributes", {}) if name == "zarr.json" else found)
        if part.mark is not None:
            where = f"{source}/{group}" if group else str(source)
            raise IncompleteError(f"{where} is unfinished; finish it with {part.way_on}.")


def upload(
    source: Target, output: object, *, overwrite: bool = False, resume: bool = False, progress: Progress = None
) -> None:
    """Copy a hierarchy object by object: the chunks first, then the documents, that of the root in the end.

    Until then the root is marked as unfinished. Each object is verified by the tag that its store has made of it, or,
    where that is not a digest, by reading it back.

    Args:
        source: the hierarchy. output: where it goes.
        overwrite: replace an image that is there. resume: copy what is missing of an upload that was interrupted.
        progress: see `metered`.

    Raises:
        IncompleteError: something in the source is unfinished; or the target is, without `resume`.
        ExistsError: there is something. StoreError: what was begun there is another upload.
    """
    check_progress(progress)
    replace.refuse_both(overwrite, resume)
    target, cargo = find_target(output, source.fmt), Cargo.of(source)
    there: Mapping[str, Entry] = {}
    with named_faults(target, "go on with resume=True"):
        joint = SHARED in (target.mark or {})
        if _begun(target, cargo, overwrite=overwrite, resume=resume):
            there = list_objects(target)
        else:
            marked = journal.begin(target, cargo.mark(), {})
            if target.attributes is not None:
                replace.clear(marked, replace.to_replace(target, ()), lambda: None)
        with metered(progress, 0, cargo.size, "uploading") as meter:
            for paths in cargo.steps:
                sizes = {path: cargo.entries[path].size for path in paths}
                carry_objects(source, target, sizes, there, meter.add, meter.show)
            meter.show()
        if joint:
            forget_late_notes(target)
            forget_lock(target)


def _begun(target: Target, cargo: Cargo, *, overwrite: bool, resume: bool) -> bool:
    """Return whether the upload has been begun, and goes on; raise where something else is in its place."""
    mark = target.mark or {}
    if "upload" in mark and not overwrite:
        if not resume:
            raise IncompleteError(
                f"{target} holds an upload that is incomplete; pass {target.way_on} to finish it or overwrite=True to "
                "start again."
            )
        cargo.refuse_another(target)
        return True
    if target.attributes is None and not list_objects(target):
        return False
    if not overwrite:
        raise ExistsError(f"There is something at {target}; upload to another place, or pass overwrite=True.")
    if not target.is_image and not mark:
        raise ExistsError(f"{target} holds something else than an image, which an upload never replaces; delete it.")
    return False
