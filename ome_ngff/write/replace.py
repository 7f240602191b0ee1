"""What stands where something is written: refused, or found and cleared away where the caller allows it."""

from __future__ import annotations

from collections.abc import Sequence

import zarr
from zarr.storage import FsspecStore

from ..exceptions import ExistsError, IncompleteError, OptionError, StoreError
from ..spec import label_names, named_paths
from ..store import JOURNAL, MARK, Target, children, delete, open_node
from .request import Request

METADATA = {"zarr.json", ".zgroup", ".zattrs"}  # of a group itself


def refuse_existing(request: Request, *, overwrite: bool, resume: bool) -> None:
    """Raise where the target holds what the caller has not allowed to replace or to finish.

    Raises:
        IncompleteError: an unfinished write, without `overwrite` or `resume`.
        ExistsError: an image, or an array in the place of a level, without `overwrite`; or a file, in any case.
        StoreError: the place can only be read.
    """
    target = request.target
    _refuse_place(target)
    if overwrite and resume:
        raise OptionError("overwrite=True starts again and resume=True goes on; pass one of them.")
    there = target.mark is not None or "multiscales" in target.document
    if overwrite or (there and resume):
        return
    if target.mark is not None:
        raise IncompleteError(
            f"{target} holds {request.what} that is incomplete; pass resume=True to finish it or overwrite=True to "
            "start again."
        )
    if there:
        raise ExistsError(
            f"{target} already holds {request.what}; pass overwrite=True to replace it or resume=True to finish it."
        )
    for path in request.new_paths:
        if open_node(target.store, target.key(path)) is not None:
            raise ExistsError(f"{target} already has something at {path!r}; pass overwrite=True to replace it.")


def _refuse_place(target: Target) -> None:
    """Raise where there can be no group: in what can only be read, or in the place of a file."""
    if isinstance(target.store, FsspecStore) and str(target).startswith("http"):
        raise StoreError(f"{target} can only be read: HTTP has no way to write. Write to a folder, or to s3://.")
    if target.store.read_only:
        raise StoreError(f"{target} was opened to be read only; pass its path, or open it with mode='a'.")
    if target.folder is not None:
        for place in (target.folder, *target.folder.parents):
            if place.is_file():
                raise ExistsError(f"{place} is a file; an image needs a folder of its own.")


def to_replace(target: Target, paths: Sequence[str]) -> list[str]:
    """Return what a new image replaces: levels and labels of the old one, and what stands at `paths`."""
    document, mark = target.document, target.mark or {}
    found = {*named_paths(document), *paths, *mark.get("paths", []), *mark.get("replaces", [])}
    if "multiscales" in document or mark:
        found |= set(_label_groups(target))
    return sorted(found)


def clear(target: Target, paths: Sequence[str]) -> None:
    """Delete what stands at `paths` below a target, groups that this leaves empty, and the journal."""
    for path in (*paths, JOURNAL):
        delete(target, path)
        while (path := path.rpartition("/")[0]) not in ("", "labels") and children(target, path) <= METADATA:
            delete(target, path)


def _label_groups(target: Target) -> list[str]:
    """Return the paths below a target of its label images; "labels" itself where nothing else is in it."""
    labels = open_node(target.store, target.key("labels"))
    if not isinstance(labels, zarr.Group):
        return []
    ours = set(label_names(target.fmt.unwrap(dict(labels.attrs))))
    others = set()
    for name, node in labels.groups():
        if "image-label" in target.fmt.unwrap(dict(node.attrs)) or MARK in node.attrs:
            ours.add(name)
        elif name not in {path.split("/")[0] for path in ours}:
            others.add(name)
    others |= {name for name, _ in labels.arrays()}
    return [f"labels/{name}" for name in sorted(ours)] if others else ["labels"]
