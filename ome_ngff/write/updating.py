"""Pixels of an image that change, with its levels: the new cells are made next to it, and then put into place.

So whatever goes wrong with the pixels, or with making levels of them, leaves the image as it was; and a change that is
interrupted while cells are put into place needs no pixels to go on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from typing import Any

import attrs

from ..engine import Mending, Progress, RegionPlan, check_progress
from ..exceptions import (
    IncompleteError,
    MethodError,
    MissingError,
    ScaleError,
    StoreError,
)
from ..image import Given
from ..pixels import (
    Box,
    Method,
    Methods,
    as_labels,
    find_method,
    label_method,
    levels,
)
from ..read import StoredImage
from ..store import (
    JOURNAL,
    MARK,
    Change,
    Claim,
    Grid,
    Record,
    Target,
    begin_cells,
    carry_out,
    find_target,
    forget_copies,
    get_bytes,
    leads_through_a_link,
    locked,
    named_faults,
    read_record,
    refuse_linked_journal,
    twin,
    wait_for,
)
from ..text import by
from .labels.reference import ReferenceLevels
from .labels.request import label_path
from .part import Part, Start
from .replace import refuse_place


def update(
    pixels: Any,
    group: Any,
    label: str | None,
    start: Start | None,
    method: str | Methods | Method | None,
    *,
    check: bool,
    resume: bool,
    progress: Progress,
) -> None:
    """Replace a box of level 0 of an image, or of a label image of it, and what the other levels have of it.

    Args:
        pixels, group, start, method, check, resume, progress: as in `update_image`.
        label: name of the label image, or None.
    """
    check_progress(progress)
    path = "" if label is None else label_path(label)
    root = find_target(group)
    root.refuse_package()
    image = root.child(path) if path else root
    refuse_place(root)
    refuse_linked_journal(root)
    if root.attributes is None or image.attributes is None:
        raise MissingError(f"There is no OME-Zarr at {image}.")
    given = Given.of(pixels)
    if label is not None:
        given = attrs.evolve(given, pixels=as_labels(given.pixels))
    with (
        named_faults(root, "go on with resume=True, or take it back with undo"),
        locked(root) as (now, claim),
        locked(image) if path else nullcontext((now, claim)) as (seen, _),
    ):
        under_way = read_record(root, done=False)
        stored = StoredImage.of(_unmarked(seen) if under_way is not None else seen)
        for each in stored.arrays:
            if leads_through_a_link(root, f"{root_path(root, each.path)}/"):
                raise StoreError(f"{root} has {each.path!r} behind a link, which is not written through.")
        part = Part.of(given, stored, start, labels=label is not None)
        what = {"change": "update", "of": part.words + (f" of {path}" if path else "")}
        if under_way is not None:
            _finish(root, under_way, what, claim, resume=resume)
        if resume and _is_done(root, what) and part.equals(stored.arrays[0]):
            return
        plan = _planned(part, stored, method, check=check, labels=label is not None)
        _carry_out(root, _prepare(root, path, part, plan, stored, what, progress), claim)


def root_path(root: Target, path: str) -> str:
    """Return a path in a store as one below a group."""
    return path.removeprefix(root.path).lstrip("/")


def _unmarked(target: Target) -> Target:
    """Return an image that is being changed as what it is apart from that."""
    attributes = target.attributes or {}
    return attrs.evolve(target, attributes={k: v for k, v in attributes.items() if k != MARK})


def _finish(root: Target, record: Record, what: Mapping[str, str], claim: Claim, *, resume: bool) -> None:
    """Go on with a change that was interrupted, if it is this one, and that is wanted."""
    if not resume or dict(record.change.what) != what or not record.goes_on:
        way = "the same call and resume=True, or take it back with " if record.goes_on else ""
        raise IncompleteError(f"Of {root}, {record.change} was interrupted; finish that first, with {way}undo(group).")
    _carry_out(root, record.change, claim)


def _is_done(root: Target, what: Mapping[str, str]) -> bool:
    """Return whether a change is what was done last."""
    record = read_record(root)
    return record is not None and dict(record.change.what) == what


def _carry_out(root: Target, change: Change, claim: Claim) -> None:
    carry_out(root, change, claim)
    for key in change.marks:
        if change.old[key] != change.new[key]:
            forget_copies(root.store, root.key(key).rpartition("/")[0])
            if root.handle is not None and "/" not in key:  # it would write its copy back
                root.handle.metadata.attributes.pop(MARK, None)
                root.handle.metadata.attributes.update(_attributes(change.new[key], key))


# What follows from it -----------------------------------------------------------------------------------------------


def _planned(part: Part, stored: StoredImage, method: Any, *, check: bool, labels: bool) -> RegionPlan:
    """Plan what an update touches, once it is known how the levels are made.

    Raises:
        MethodError: that is not known, or is another way. StoreError: the levels are not made so.
    """
    found = find_method(method) if method is not None else None
    if found is not None and labels:
        label_method(found, None)
    known = _stated_method(stored, found)
    if known is not None and found not in (None, known):
        raise MethodError(f"The levels of {stored.target} are made by {known.name!r}; leave out method={found.name!r}.")
    if len(stored.arrays) > 1 and found is None and known is None:
        raise MethodError(_which(part, stored, labels=labels))
    chosen = known or found or Methods.NEAREST.method
    chosen.check(part.dtype)
    plan = _region(stored, chosen, part.box)
    unlike = _mending(plan, stored, {}, part).unlike() if check or known is None else None
    if unlike is not None:
        raise StoreError(
            f"Level {unlike} of {stored.target} is not what {chosen.name!r} makes of the level above it, near "
            f"{part.words}, so an update would leave seams. Pass its method, or make its levels anew first."
        )
    return plan


def _stated_method(stored: StoredImage, given: Method | None) -> Method | None:
    """Return the method that an image says its levels were made by, where that is one of ours, or the one given."""
    stated = (stored.metadata.metadata or {}).get("method")
    known = [member.method for member in Methods] + ([] if given is None else [given])
    return next((each for each in known if each.describe()["method"] == stated), None)


def _region(stored: StoredImage, method: Method, box: Box) -> RegionPlan:
    """Raise `ScaleError` where no whole factors lead from level to level."""
    geometry = ReferenceLevels.of_stored(stored)
    if not all(map(all, geometry.ladder)):
        raise ScaleError(
            f"The levels of {stored.target} have {', '.join(map(by, geometry.shapes))} pixels: no whole factors lead "
            "from one to the next, so none of our methods has made them. Make its levels anew first."
        )
    found = levels(geometry.shapes[0], geometry.ladder, method, geometry.shapes)
    return RegionPlan.of(found, [Grid(array.chunks, array.shards) for array in stored.arrays], method, box)


def _which(part: Part, stored: StoredImage, *, labels: bool) -> str:
    """Say which methods would have made the levels of an image, going by one chunk of what changes."""
    box = tuple(
        (low, min(high, max(low + 1, low // n * n + n)))
        for (low, high), n in zip(part.box, stored.arrays[0].chunks, strict=True)
    )
    fitting = []
    for member in Methods:
        with suppress(MethodError):
            member.method.check(part.dtype)
            if not (labels and member.method.invents):
                plan = _region(stored, member.method, box)
                if _mending(plan, stored, {}, part).unlike() is None:
                    fitting.append(member.value)
    words = " or ".join(f"method={name!r}" for name in fitting)
    if fitting:
        return (
            f"{stored.target} does not say which method of ours has made its levels. Around there they are what "
            f"{words} makes: pass that."
        )
    return (
        f"{stored.target} does not say which method of ours has made its levels, and around there they are what none "
        "makes. Make its levels anew first, with one that you choose."
    )


def _mending(plan: RegionPlan, stored: StoredImage, ready: Mapping[int, Any], part: Part) -> Mending:
    return Mending(plan, part.dtype, dict(enumerate(stored.arrays)), ready, part.read)


def _prepare(
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
        _mending(plan, stored, ready, part.at_hand()).run(progress)
        keys = [
            f"{paths[k]}/{stored.arrays[k].metadata.encode_chunk_key(place)}"
            for k in plan.touched
            for place in plan.cells(k)
        ]
        found = cells.prepared(keys)
        document = f"{path}/".lstrip("/") + ("zarr.json" if stored.target.fmt.zarr_format == 3 else ".zattrs")
        before = wait_for(root.store, get_bytes(root.store, root.key(document)))
        after = None if before is None else _unverified(before, document)
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


def _unverified(content: bytes, key: str) -> bytes:
    """Return the document of an image without the digests of its pixels, which are no longer true."""
    attributes = _attributes(content, key)
    said = attributes.get(MARK)
    if not isinstance(said, Mapping) or "verified" not in said:
        return content
    attributes[MARK] = {name: value for name, value in said.items() if name != "verified"}
    if not attributes[MARK]:
        del attributes[MARK]
    whole = attributes if key.endswith(".zattrs") else {**json.loads(content), "attributes": attributes}
    return json.dumps(whole, indent=2).encode()
