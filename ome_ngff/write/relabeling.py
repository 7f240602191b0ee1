"""Label images of an image: another name for one, or none; what goes is kept until the next change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import zarr
from zarr.storage import LocalStore

from ..exceptions import ExistsError, MissingError, NgffError, StoreError
from ..read import document_of
from ..spec import (
    image_names,
    is_image,
    is_label,
    label_names,
    named_paths,
    pointing,
    relabeled,
    renamed,
    scene_paths,
)
from ..store import JOURNAL, LOCK, Target, children, copy_below, find_target, folder_of, open_node, opened, place
from ..text import listed, nearest_word, warn
from .changing import Edit, changed
from .draft import Draft
from .labels.request import label_path, path_to_image

_DEEPEST = 4  # folders around an image in which a scene is looked for
_DOCUMENTS = frozenset(["zarr.json", ".zgroup", ".zattrs", ".zmetadata"])


def rename_labels(
    group: Any, old: str, new: str, *, dry_run: bool = False, store_options: Mapping[str, Any] | None = None
) -> Edit:
    """Give a label image of an image another name, in one step: its folder moves, and all that names it changes.

    On an object store, where nothing moves, its objects are copied.

    Args:
        group: the image, as in `write_image`. old, new: names below `labels`.
        dry_run, store_options: as in `edit_image`.

    Returns:
        As `edit_image`.

    Raises:
        MissingError: there are no such labels. ExistsError: something has the new name.
        IncompleteError: something in the image is being written.
    """
    label_path(old), label_path(new)
    what = {"change": "renaming", "of": f"labels {old!r}", "to": repr(new)}
    return changed(opened(group, store_options), what, partial(_rename, old=old, new=new), dry_run=dry_run)


def delete_labels(
    group: Any, name: str, *, dry_run: bool = False, store_options: Mapping[str, Any] | None = None
) -> Edit:
    """Delete a label image of an image, in one step: `undo` brings it back, until the image is changed again.

    Args:
        group: the image, as in `write_image`. name: of the labels.
        dry_run, store_options: as in `edit_image`.

    Returns:
        As `edit_image`.

    Raises:
        MissingError: there are no such labels. StoreError: files of others are among them, which are never deleted.
        IncompleteError: something in the image is being written.
    """
    label_path(name)
    what = {"change": "deletion", "of": f"labels {name!r}"}
    return changed(opened(group, store_options), what, partial(_delete, name=name), dry_run=dry_run)


def _rename(draft: Draft, old: str, new: str) -> None:
    start, end = _there(draft, old), label_path(new)
    if new == old:
        return
    _refuse_standing(draft, end)
    document = draft.document(start)
    if image_names(document)[:1] == [old]:
        document = renamed(document, new)
    document = pointing(document, path_to_image(old), path_to_image(new))
    other = draft.written(start, document)
    below = {key: content for key, content in {**draft.contents, **other}.items() if key.startswith(f"{start}/")}
    other, below = ({key.removeprefix(f"{start}/"): c for key, c in found.items()} for found in (other, below))
    draft.go(start)
    draft.come(end, below, lambda place: copy_below(draft.target, start, place, other))
    _name(draft, old, new)
    above = end.rpartition("/")[0]
    while above != "labels":  # groups between have to be groups of Zarr
        if draft.node(above) is None:
            draft.put(above, {}, {})
        above = above.rpartition("/")[0]
    _drop_empty(draft, start)


def _delete(draft: Draft, name: str) -> None:
    path = _there(draft, name)
    own = {found.partition("/")[0] for found in named_paths(draft.document(path))}
    node = draft.node(path)
    others = (node.names if node else frozenset()) - own - _DOCUMENTS - {JOURNAL, LOCK}
    if others:
        raise StoreError(
            f"{draft.target} has {listed(sorted(others))} in {path}, which is not of the labels and is never deleted; "
            "move it away."
        )
    draft.go(path)
    _name(draft, name, None)
    _drop_empty(draft, path)


def _there(draft: Draft, name: str) -> str:
    """Return the path of a label image that is there.

    Raises:
        MissingError: it is not.
    """
    document_of(find_target(draft.target))
    path, names = label_path(name), label_names(draft.document("labels"))
    document = draft.document(path)
    if not is_label(document):
        raise MissingError(
            f"There are no labels {name!r} in {draft.target}.{nearest_word(name, names)} "
            f"It has {listed(names) or 'none'}."
        )
    return path


def _refuse_standing(draft: Draft, path: str) -> None:
    """Raise `ExistsError` where a path is taken, or is below an image."""
    above = [path.rsplit("/", k)[0] for k in range(path.count("/"))]
    for step in above:
        node = draft.node(step)
        taken = step == path and (node or children(draft.target, step))
        if taken or (node and (node.is_array or is_image(draft.document(step)))):
            raise ExistsError(f"{draft.target} has something at {step!r} already; choose another name.")


def _name(draft: Draft, old: str, new: str | None) -> None:
    """Change all that names a label image: the list of the labels, and the image's transformations."""
    for scene in _scenes(draft.target, f"labels/{old}"):
        warn(f"The scene {scene} places labels/{old} of {draft.target}; it is not of the image, and stays as it is.")
    draft.put("labels", relabeled(draft.document("labels"), old, new))
    draft.put("", relabeled(draft.document(), old, new))


def _scenes(target: Target, path: str) -> Iterator[str]:
    """Yield the scenes above an image, in its store or in the folders around it, that name a path below it."""
    parts = target.path.split("/") if target.path else []
    above = [(target.store, parts[:n], parts[n:]) for n in range(len(parts))]
    if (root := folder_of(target.store)) is not None:
        around = root.parts[-_DEEPEST:]
        above += [(LocalStore(root.parents[n]), [], [*around[-n - 1 :], *parts]) for n in range(len(around) - 1)]
    for store, place_of, way in above:
        with suppress(NgffError, OSError):  # of others, who may keep what they like there
            node = open_node(store, "/".join(place_of))
            scene = target.fmt.unwrap(dict(node.attrs)).get("scene") if isinstance(node, zarr.Group) else None
            if "/".join([*way, path]) in scene_paths(scene):
                yield place(store, "/".join(place_of))


def _drop_empty(draft: Draft, path: str) -> None:
    """Let the groups above go in which nothing else is."""
    while path := path.rpartition("/")[0]:
        if draft.names(path) - _DOCUMENTS or draft.node(path) is None:
            return
        draft.drop(path)
