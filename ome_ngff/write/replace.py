"""What stands where something is written: refused, or found and cleared away where the caller allows it.

Only what is the image's own ever goes: arrays that its metadata or our mark name, label images that it lists or that
are marked as such, and our journal. Whatever else stands in the way is refused before anything is touched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import zarr

from ..exceptions import ExistsError, IncompleteError, OptionError, StoreError
from ..spec import entries_of, is_image, is_label, label_names, named_paths, path_fault
from ..store import (
    CHANGES,
    FRAMES,
    JOURNAL,
    MARK,
    ORIGINAL,
    Target,
    children,
    delete,
    delete_file,
    delete_group,
    in_memory,
    leads_through_a_link,
    open_node,
    place,
    refuse_linked_journal,
    update_document,
)
from .request import Request

_DOCUMENTS = {"zarr.json", ".zgroup", ".zattrs", ".zmetadata"}
_FILES = re.compile(
    r"\.(tiff?|btf|tf[28]|svs|ndpi|lsm|vsi|czi|nd2|lif|ims|dv|mrc|nrrd|nii|nii\.gz|mgz|h5|hdf5?|he5|npy|npz|n5|dcm|png|jpe?g"
    r"|jp2|gif|bmp|webp|csv|json|xml|txt)$",
    re.IGNORECASE,
)
_CHUNK = re.compile(r"c|\d+(\.\d+)*|zarr\.json|\.zarray|\.zattrs|.*\.partial")  # what a stored array is made of


def refuse_both(overwrite: bool, resume: bool) -> None:
    """Raise `OptionError` where a caller wants to begin anew and to go on."""
    if overwrite and resume:
        raise OptionError("overwrite=True starts again and resume=True goes on; pass one of them.")


def refuse_existing(request: Request, *, overwrite: bool, resume: bool) -> bool:
    """Raise where the target holds what the caller has not allowed to replace or to finish, or what nobody may.

    Returns:
        Whether nothing stands where something is written, nor a journal.

    Raises:
        IncompleteError: an unfinished write, without `overwrite` or `resume`.
        ExistsError: an image, or an array in the place of a level, without `overwrite`; or, in any case, a file or a
            folder there that is not an array.
        StoreError: the place can only be read, or is behind a link inside the group.
    """
    target = request.target
    refuse_place(target)
    refuse_both(overwrite, resume)
    if not (overwrite and CHANGES & {f"{JOURNAL}/{name}" for name in children(target, JOURNAL)}):
        target.refuse_change()  # of labels, their image has the journal of the change
    there = target.mark is not None or target.is_image
    if not overwrite and not (there and resume):
        if target.mark is not None:
            raise IncompleteError(
                f"{target} holds {request.what} that is incomplete; pass {target.way_on} to finish it or "
                "overwrite=True to start again."
            )
        if there:
            raise ExistsError(
                f"{target} already holds {request.what}; pass overwrite=True to replace it or resume=True to finish it."
            )
    refuse_linked_journal(target)
    for path in request.new_paths if resume and target.mark is not None else ():
        if leads_through_a_link(target, f"{path}/"):
            raise StoreError(f"{target} has {path!r} behind a link, which is not written through; remove the link.")
    kept = {request.paths[k] for k in request.kept}
    standing = _perhaps_there(target, ({*to_replace(target, request.new_paths)} - kept) | {JOURNAL})
    for path in (path for path in standing if path != JOURNAL):
        found = _standing(target, path)
        if found == "array" and not (overwrite or there):
            raise ExistsError(f"{target} already has an array at {path!r}; pass overwrite=True to replace it.")
        if found.startswith("a "):
            raise ExistsError(
                f"{target} has {found} at {path!r}, which is not a level of an image and is never replaced; move it "
                "away, or write to another place."
            )
    return not standing


def _refuse_name(target: Target) -> None:
    """Raise `StoreError` where a new group would have the name of a file of another kind."""
    name = place(target.store).rstrip("/")
    ending = _FILES.search(name)
    if ending and not in_memory(target.store) and open_node(target.store, "") is None:
        better = f"{re.sub(r'[.]ome$', '', name[: ending.start()], flags=re.IGNORECASE)}.ome.zarr"
        raise StoreError(f"{name} would be a folder of Zarr and no {ending[0]} file; write to {better}.")


def refuse_place(target: Target) -> None:
    """Raise where there can be no group: in what can only be read, or in the place of a file."""
    if target.folder is None and str(target).startswith("http"):
        raise StoreError(f"{target} can only be read: HTTP has no way to write. Write to a folder, or to s3://.")
    if target.store.read_only:
        raise StoreError(f"{target} was opened to be read only; pass its path, or open it with mode='a'.")
    _refuse_name(target)
    folder = target.folder
    for depth, here in enumerate((folder, *folder.parents) if folder is not None else ()):
        if here.is_dir():
            return
        if os.path.lexists(here) and not here.is_dir():  # nor has another write just made it
            what, written = "a link that leads nowhere" if here.is_symlink() else "a file", Path(str(target))
            name = (written, *written.parents)[depth : depth + 1]
            raise ExistsError(f"{name[0] if name else here} is {what}; an image needs a folder of its own.")


def to_replace(target: Target, paths: Sequence[str]) -> list[str]:
    """Return what a new image replaces: levels and labels of the old one, and what stands at `paths`."""
    document, mark = target.document, target.mark
    found = {*named_paths(document), *paths, *begun_paths(mark, "paths", "replaces")}
    found |= {path for path in (ORIGINAL, FRAMES) if _is_ours(target, path)}
    if is_image(document) or mark:
        linked = target.folder is not None and (target.folder / "labels").is_symlink()
        found |= {"labels"} if linked else {f"labels/{name}" for name in _own_labels(target)}
    return sorted(found)


def begun_paths(mark: Any, *keys: str) -> set[str]:
    """Return the paths that a mark names under some keys, as far as they lead to something below its group."""
    mark = mark if isinstance(mark, Mapping) else {}
    named = [path for key in keys for path in entries_of(mark.get(key))]
    return {path for path in named if isinstance(path, str) and not path_fault(path)}


def _perhaps_there(target: Target, paths: Iterable[str]) -> list[str]:
    """Leave out the paths below which a store has nothing: one that is not a folder is asked once for all of them."""
    if target.folder is not None:
        return [path for path in paths if os.path.lexists(target.folder / path.partition("/")[0])]
    if not target.store.supports_listing:
        return [*paths]
    names = children(target, "")
    return [path for path in paths if path.partition("/")[0] in names]


def _standing(target: Target, path: str) -> str:
    """Return what stands at a path: "", "array", "labels", "original" or "leftover"; or words for what is not ours.

    Raises:
        StoreError: a link inside the group leads there.
    """
    place = None if target.folder is None else target.folder / path
    if path in (ORIGINAL, FRAMES) and _is_ours(target, path):
        return "original"
    if path == ORIGINAL and place is None:
        return "a file" if "METADATA.ome.xml" in children(target, "OME") else ""
    if leads_through_a_link(target, path):
        raise StoreError(f"{target} has {path!r} behind a link; what a link leads to is not replaced. Remove the link.")
    if place is not None and place.is_symlink():
        return "array"  # the link itself is replaced, never what it leads to
    if place is not None and place.is_file():
        return "a file"
    try:
        node = open_node(target.store, target.key(path))
    except StoreError:
        return "a folder whose metadata cannot be read"
    if isinstance(node, zarr.Array):
        return "array"
    if isinstance(node, zarr.Group):
        ours = path.partition("/")[0] == "labels"
        return "labels" if ours and (path == "labels" or _is_label(target, node)) else "a group"
    named = path in begun_paths(target.mark, "paths", "replaces")
    if place is None:
        return "a folder of other files" if children(target, path) - _DOCUMENTS and not named else ""
    files = [part for file in place.rglob("*") if not file.is_dir() for part in file.relative_to(place).parts]
    whole = named and all(_CHUNK.fullmatch(part) for part in files)
    return "" if not files else "leftover" if whole else "a folder of other files"


def _is_ours(target: Target, path: str) -> bool:
    """Return whether a file below an image is ours: it, or the write that replaces it, says so."""
    word = "metadata" if path == ORIGINAL else "frames"
    stated = target.said.get(word) == path or path in begun_paths(target.mark, "replaces")
    stated |= path == FRAMES and "growing" in (target.mark or {})
    return stated and not leads_through_a_link(target, path)


def refuse_foreign_frames(target: Target) -> None:
    """Raise `ExistsError` where a file of somebody else has the name of that of the frames."""
    if target.attributes is not None and not _is_ours(target, FRAMES) and FRAMES in children(target, ""):
        raise ExistsError(f"{target} has a file {FRAMES}, where what is said of frames would be; move it away.")


def clear(target: Target, paths: Iterable[str], before: Callable[[], None]) -> None:
    """Delete what an image owns at `paths` below a target, groups that this leaves empty, and the journal.

    Args:
        target: the group. paths: below it. before: called before each is deleted, to raise where it must not be.
    """
    gone = set()
    there = _perhaps_there(target, [*paths, JOURNAL])
    for path in (path for path in there if path != JOURNAL):
        before()
        if path_fault(path):
            continue
        found = _standing(target, path)
        if found == "labels":
            names = _own_labels(target) if path == "labels" else [path.removeprefix("labels/")]
            gone |= set(names)
            for name in names:
                _clear_label(target, f"labels/{name}", before)
        elif found == "original":
            delete_file(target, path)
        elif not found.startswith("a "):
            delete(target, path)
        while (path := path.rpartition("/")[0]) not in ("", "labels") and children(target, path) <= _DOCUMENTS:
            delete_group(target, path)
    if JOURNAL in there:
        delete(target, JOURNAL)
    if gone:
        _tidy_labels(target, gone)


def _clear_label(target: Target, path: str, before: Callable[[], None]) -> None:
    """Delete the levels of a label image and its group; files of others in it stay."""
    if path_fault(path) or _standing(target, path) != "labels":
        return
    label = target.child(path)
    clear(label, {*named_paths(label.document), *begun_paths(label.mark, "paths", "replaces")}, before)
    delete_group(target, path)


def _tidy_labels(target: Target, gone: set[str]) -> None:
    """Delete the group of the labels where nothing is left in it; else take names off its list."""
    if children(target, "labels") <= _DOCUMENTS:
        delete_group(target, "labels")
        return
    labels = target.child("labels")
    update_document(labels, lambda there: labels.fmt.labels([n for n in label_names(there) if n not in gone]))


def _own_labels(target: Target) -> list[str]:
    """Return the names of the label images of an image: those that it lists, and those that are marked as such."""
    labels = open_node(target.store, target.key("labels"))
    if not isinstance(labels, zarr.Group):
        return []
    names = {name for name in label_names(target.fmt.unwrap(dict(labels.attrs))) if not path_fault(name)}
    names = {name for name in names if not leads_through_a_link(target, f"labels/{name}")}
    return sorted(
        n for n in names | children(target, "labels") - _DOCUMENTS if _standing(target, f"labels/{n}") == "labels"
    )


def _is_label(target: Target, node: zarr.Group) -> bool:
    """Return whether a group states that it is an image, or is being written as one."""
    document = target.fmt.unwrap(dict(node.attrs))
    return is_label(document) or MARK in node.attrs
