"""A finished hierarchy, an image with its labels, a plate or a collection, copied to an object store as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import attrs

from ..engine import Progress, check_progress, metered
from ..exceptions import ExistsError, IncompleteError, StoreError
from ..spec import named_paths
from ..store import (
    JOURNAL,
    MARK,
    Entry,
    Target,
    carry_objects,
    find_target,
    list_objects,
    named_faults,
    parse_json,
    put_attributes,
    read_bytes,
)
from . import replace

_DOCUMENTS = (".zgroup", ".zmetadata", ".zarray", ".zattrs", "zarr.json")
_HIERARCHIES = {"multiscales", "plate", "well", "bioformats2raw.layout", "labels"}


def is_hierarchy(source: Target) -> bool:
    """Return whether a group is, or will be, something that can be uploaded as a whole."""
    return source.attributes is not None and (bool(_HIERARCHIES & set(source.document)) or source.mark is not None)


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
    target = find_target(output, source.fmt)
    entries = {path: each for path, each in list_objects(source).items() if not path.startswith(f"{JOURNAL}/")}
    entries = {path: each for path, each in entries.items() if f"/{JOURNAL}" not in f"/{path}"}
    documents = sorted((p for p in entries if p.rpartition("/")[2] in _DOCUMENTS), key=_order)
    digest = _refuse_unfinished(source, documents, entries)
    there: Mapping[str, Entry] = {}
    with named_faults(target, "go on with resume=True"):
        if _begun(target, digest, overwrite=overwrite, resume=resume):
            there = list_objects(target)
        else:
            stated = {MARK: {"incomplete": {"upload": digest, "paths": sorted(named_paths(source.document))}}}
            put_attributes(target, stated)
            marked = attrs.evolve(target, attributes=stated)
            if target.attributes is not None:
                replace.clear(marked, replace.to_replace(target, ()), lambda: None)
        steps = [[path for path in entries if path not in {*documents}], [path for path in documents if "/" in path]]
        steps += [[path] for path in documents if "/" not in path]
        with metered(progress, 0, sum(entry.size for entry in entries.values()), "uploading") as meter:
            for paths in steps:
                sizes = {path: entries[path].size for path in paths}
                carry_objects(source, target, sizes, there, meter.add, meter.show)
            meter.show()


def _order(path: str) -> tuple[int, int]:
    """Put of one group last what has its attributes, which say that it is finished."""
    return -path.count("/"), _DOCUMENTS.index(path.rpartition("/")[2])


def _refuse_unfinished(source: Target, documents: list[str], entries: Mapping[str, Entry]) -> str:
    """Raise `IncompleteError` where a write of something below is under way; return a digest of all that is there."""
    digest = hashlib.sha256("\n".join(f"{path} {entry.size}" for path, entry in sorted(entries.items())).encode())
    for path in documents:
        content = read_bytes(source, path) or b""
        digest.update(content)
        if f'"{MARK}"'.encode() in content and path.rpartition("/")[2] in (".zattrs", "zarr.json"):
            found = parse_json(content, f"{source}/{path}")
            attributes = found.get("attributes", {}) if path.endswith("zarr.json") else found
            part = attrs.evolve(source, attributes=attributes)
            if part.mark is not None:
                where = path.rpartition("/")[0]
                raise IncompleteError(
                    f"{source}{f'/{where}' if where else ''} is unfinished; finish it with {part.way_on}."
                )
    return digest.hexdigest()


def _begun(target: Target, digest: str, *, overwrite: bool, resume: bool) -> bool:
    """Return whether the upload has been begun, and goes on; raise where something else is in its place."""
    mark = target.mark or {}
    if "upload" in mark and not overwrite:
        if not resume:
            raise IncompleteError(
                f"{target} holds an upload that is incomplete; pass resume=True to finish it or overwrite=True to "
                "start again."
            )
        if mark["upload"] != digest:
            raise StoreError(f"{target} holds an upload of something else, or of another state of it: start again.")
        return True
    if target.attributes is None and not list_objects(target):
        return False
    if not overwrite:
        raise ExistsError(f"There is something at {target}; upload to another place, or pass overwrite=True.")
    if not target.is_image and not mark:
        raise ExistsError(f"{target} holds something else than an image, which an upload never replaces; delete it.")
    return False
