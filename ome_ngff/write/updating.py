"""Pixels of an image that change, with its levels: the new cells are made next to it, and then put into place.

So whatever goes wrong with the pixels, or with making levels of them, leaves the image as it was; and a change that is
interrupted while cells are put into place needs no pixels to go on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

import attrs

from ..engine import Mending, Progress, RegionPlan, check_progress
from ..exceptions import (
    IncompleteError,
    MissingError,
    StoreError,
)
from ..image import Given
from ..pixels import (
    Method,
    Methods,
    as_labels,
)
from ..read import StoredImage
from ..store import (
    JOURNAL,
    MARK,
    Change,
    Claim,
    Record,
    Target,
    begin_cells,
    carry_out,
    find_target,
    forget_copies,
    leads_through_a_link,
    locked,
    named_faults,
    nearest_place,
    opened,
    read_bytes,
    read_record,
    refuse_linked_journal,
    twin,
    unverified,
)
from .labels.request import label_path
from .part import Part
from .placing import Start, first_pixels, without_coordinates
from .replace import refuse_place
from .touched import method_of, region_of


def update_image(
    pixels: Any,
    group: Any,
    start: Start | None = None,
    *,
    method: str | Methods | Method | None = None,
    check: bool = False,
    resume: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
) -> None:
    """Replace the pixels of a box of a stored image; every level follows.

    The image is in the end, byte for byte, what writing all of it anew would have made. Only chunks, or shards, that
    hold a pixel which changes are written. The new ones are made below `.ome_ngff/`, and the image stays as it is until
    all of them are there; then they are put into place, while readers of ours say that it is being changed. The old
    ones are kept until the next change: `undo` brings them back.

    Args:
        pixels: of any source that `write_image` takes, of the dtype of the image, or of one that this holds exactly.
            Where its dimensions have no names, they are the last axes of the image.
        group: the image, as in `write_image`.
        start: the first pixel that is replaced: `{"y": 512, "x": 0}`, or one number per axis of the pixels or of the
            image. Else the coordinates of the pixels say it, by the pixel size and position of the image; 0 where
            nothing is said.
        method: how the levels were made. The images that this package has written say so; of others it has to be said,
            and is compared with the levels around the box.
        check: compare in any case, before anything is changed.
        resume: finish an update that was interrupted, given the same pixels and start.
        progress, store_options: as in `write_image`.

    Raises:
        MethodError: it is not known how the levels were made. StoreError: they are not made by the method.
        IncompleteError: a write or a change was interrupted, and is to be finished first.
        NgffError: another of its children; the image is as it was.
    """
    group = opened(group, store_options)
    _update(pixels, group, None, start, method, check=check, resume=resume, progress=progress)


def update_labels(
    labels: Any,
    group: Any,
    name: str = "labels",
    start: Start | None = None,
    *,
    method: str | Methods | Method | None = None,
    check: bool = False,
    resume: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
) -> None:
    """Replace the labels of a box of a stored label image; every level follows, as in `update_image`.

    Colours and properties stay. `undo(group)` takes it back, where `group` is that of the image.

    Args:
        labels: integers, or bool; of any type that can hold them, if that of the label image can, too.
        group: the image whose labels they are, as in `write_labels`. name: of the label image.
        start, method, check, resume, progress, store_options: as in `update_image`.

    Raises:
        LabelError: the type of the stored labels cannot hold a value, the labels are floats, or the method invents.
        NgffError: as in `update_image`.
    """
    group = opened(group, store_options)
    _update(labels, group, name, start, method, check=check, resume=resume, progress=progress)


def _update(
    pixels: Any, group: Any, label: str | None, start: Start | None, method: Any, *,
    check: bool, resume: bool, progress: Progress,
) -> None:  # fmt: skip
    """Replace a box of level 0 of an image, or of a label image of it by its name, and what other levels have of it."""
    check_progress(progress)
    path = "" if label is None else label_path(label)
    root = find_target(group)
    root.refuse_package()
    image = root.child(path) if path else root
    refuse_place(root)
    refuse_linked_journal(root)
    if root.attributes is None or image.attributes is None:
        raise MissingError(f"There is no OME-Zarr at {image}.{nearest_place(image)}")
    given = Given.of(without_coordinates(pixels))
    if label is not None:
        given = attrs.evolve(given, pixels=as_labels(given.pixels))
    with (
        named_faults(root, "go on with resume=True, or take it back with undo"),
        locked(root) as (now, claim),
        locked(image) if path else nullcontext((now, claim)) as (seen, _),
    ):
        under_way = read_record(root, done=False)
        stored = StoredImage.of(unmarked(seen) if under_way is not None else seen)
        if stored.target.growing:
            raise IncompleteError(f"{image} is being added to, or that was interrupted; finish that first.")
        for each in stored.arrays:
            if leads_through_a_link(root, f"{root_path(root, each.path)}/"):
                raise StoreError(f"{root} has {each.path!r} behind a link, which is not written through.")
        part = Part.of(given, stored, partial(first_pixels, pixels, start=start), labels=label is not None)
        what = {"change": "update", "of": part.words + (f" of {path}" if path else "")}
        if under_way is not None:
            go_on(root, under_way, what, claim, resume=resume)
        if resume and is_done(root, what) and part.equals(stored.arrays[0]):
            return
        chosen = method_of(stored, method, part.box, part.words, check=check, labels=label is not None)
        plan = region_of(stored, chosen, part.box)
        carry_on(root, prepared_cells(root, path, part, plan, stored, what, progress), claim)


def root_path(root: Target, path: str) -> str:
    """Return a path in a store as one below a group."""
    return path.removeprefix(root.path).lstrip("/")


def unmarked(target: Target) -> Target:
    """Return an image that is being changed as what it is apart from that."""
    attributes = target.attributes or {}
    return attrs.evolve(target, attributes={k: v for k, v in attributes.items() if k != MARK})


def go_on(root: Target, record: Record, what: Mapping[str, str], claim: Claim, *, resume: bool) -> None:
    """Go on with a change that was interrupted, if it is this one, and that is wanted."""
    if not resume or dict(record.change.what) != what or not record.goes_on:
        way = "the same call and resume=True, or take it back with " if record.goes_on else ""
        raise IncompleteError(f"Of {root}, {record.change} was interrupted; finish that first, with {way}undo(group).")
    carry_on(root, record.change, claim)


def is_done(root: Target, what: Mapping[str, str]) -> bool:
    """Return whether a change is what was done last."""
    record = read_record(root)
    return record is not None and dict(record.change.what) == what


def carry_on(root: Target, change: Change, claim: Claim) -> None:
    carry_out(root, change, claim)
    for key in change.marks:
        if change.old[key] != change.new[key] or len(change.keys) > 1:
            forget_copies(root.store, root.key(key).rpartition("/")[0])
            if root.handle is not None and "/" not in key:  # it would write its copy back
                root.handle.metadata.attributes.pop(MARK, None)
                root.handle.metadata.attributes.update(_attributes(change.new[key], key))


def prepared_cells(
    root: Target,
    path: str,
    part: Part,
    plan: RegionPlan,
    stored: StoredImage,
    what: Mapping[str, str],
    progress: Progress,
) -> Change:
    """Make the new cells, and return the change."""
    cells = begin_cells(root)
    try:
        paths = {k: root_path(root, stored.arrays[k].path) for k in plan.touched}
        ready = {k: twin(stored.arrays[k], root.key(cells.new(paths[k]))) for k in plan.touched}
        held = part.at_hand()
        Mending(plan, part.dtype, dict(enumerate(stored.arrays)), ready, held.read).run(progress)
        keys = [
            f"{paths[k]}/{stored.arrays[k].metadata.encode_chunk_key(place)}"
            for k in plan.touched
            for place in plan.cells(k)
        ]
        found = cells.prepared(keys)
        document = f"{path}/".lstrip("/") + ("zarr.json" if stored.target.fmt.zarr_format == 3 else ".zattrs")
        before = read_bytes(root, document)
        after = None if before is None else still_true(before, document)
        if before is None or after is None:
            raise MissingError(f"There is no OME-Zarr at {stored.target}.")
        name = cells.name if found else ""
        return Change(what, {document: before}, {document: after}, None, frozenset({document}), found, name)
    except BaseException:
        with suppress(OSError, StoreError):  # leave no trace
            cells.forget()
            if root.folder is not None:
                (root.folder / JOURNAL).rmdir()
        raise


def _attributes(content: bytes, key: str) -> dict[str, Any]:
    document = json.loads(content)
    return dict(document if key.endswith(".zattrs") else document.get("attributes") or {})


def still_true(content: bytes, key: str) -> bytes:
    """Return the document of an image without the digests of its pixels, which are no longer true."""
    there = _attributes(content, key)
    attributes = unverified(there)
    if attributes == there:
        return content
    whole = attributes if key.endswith(".zattrs") else {**json.loads(content), "attributes": attributes}
    return json.dumps(whole, indent=2).encode()
