"""Pixels of an image that change, with its levels: the new cells are made next to it, and then put into place.

So whatever goes wrong with the pixels, or with making levels of them, leaves the image as it was; and a change that is
interrupted while cells are put into place needs no pixels to go on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

import attrs
import numpy as np

from ..config import config
from ..engine import Mending, Progress, RegionPlan, cached, check_progress
from ..exceptions import (
    AxesError,
    IncompleteError,
    InputError,
    LabelError,
    MissingError,
    OptionError,
    StoreError,
)
from ..image import Given
from ..pixels import (
    Array,
    Box,
    Method,
    Methods,
    as_labels,
    describe,
    native,
    read,
    reordered,
    slices,
)
from ..read import StoredImage
from ..spec import Axis
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
    get_bytes,
    leads_through_a_link,
    locked,
    named_faults,
    read_record,
    refuse_linked_journal,
    settled,
    twin,
    unverified,
    wait_for,
)
from ..text import by
from .labels.request import label_path
from .placing import Start, first_pixels, without_coordinates
from .remaking import method_of, region_of
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


# What is given ------------------------------------------------------------------------------------------------------


@attrs.frozen(eq=False)
class Part:
    """Pixels, and the box of level 0 that they replace.

    Attributes:
        pixels: what `as_source` returns; of its dimensions each is at one axis of the image, in order.
        at: numbers of these axes. box: of level 0. names: of the axes. dtype, chunks: of level 0.
    """

    pixels: Any
    at: tuple[int, ...]
    box: Box
    names: tuple[str, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]

    @classmethod
    def of(cls, given: Given, stored: StoredImage, first_of: Callable[..., list[int]], *, labels: bool) -> Part:
        """Find the box.

        Raises:
            AxesError: the pixels have other axes. OptionError: they reach beyond the image.
            InputError, LabelError: the image cannot hold them.
        """
        names, shape, pixels = stored.names, stored.arrays[0].shape, given.pixels
        own = names[len(names) - pixels.ndim :]
        if given.axes is not None:
            own = tuple(Axis.parse(axis).name for axis in given.axes)
        if pixels.ndim > len(names) or not set(own) <= set(names):
            said = f"the pixels {','.join(own)}" if given.axes is not None else f"the pixels {pixels.ndim} dimensions"
            raise AxesError(f"{stored.target} has the axes {','.join(names)}, {said}.")
        order = sorted(range(len(own)), key=lambda i: names.index(own[i]))
        pixels, at = reordered(pixels, order), tuple(names.index(own[i]) for i in order)
        lengths = [1] * len(names)
        for i, n in zip(at, pixels.shape, strict=True):
            lengths[i] = int(n)
        first = first_of(own, stored)
        box = tuple((low, low + n) for low, n in zip(first, lengths, strict=True))
        if any(high > n for (_, high), n in zip(box, shape, strict=True)):
            raise OptionError(
                f"Pixels of {by(lengths)} at {by(first)} reach beyond {stored.target}, which has {by(shape)} "
                f"({','.join(names)}). An update replaces pixels that are there."
            )
        dtype = native(stored.arrays[0].dtype)
        if not labels and not np.can_cast(pixels.dtype, dtype, "safe"):
            raise InputError(
                f"The pixels are {pixels.dtype}, but {stored.target} holds {dtype}; convert them, "
                f"as with astype({dtype.name!r})."
            )
        return cls(settled(pixels), at, box, names, dtype, stored.arrays[0].chunks)

    @property
    def words(self) -> str:
        return ", ".join(f"{name} {low}:{high}" for name, (low, high) in zip(self.names, self.box, strict=True))

    def at_hand(self) -> Part:
        """Return the same pixels, so that any box of them can be read and nothing is fetched or computed twice."""
        if describe(self.pixels).chunks is None:
            return self
        if self.pixels.dtype.itemsize * int(np.prod(self.pixels.shape)) <= config.memory_target // 8:
            whole = tuple((0, int(n)) for n in self.pixels.shape)
            return attrs.evolve(self, pixels=read(self.pixels, whole, native(self.pixels.dtype)))
        chunks = tuple(min(int(n), self.chunks[i]) for n, i in zip(self.pixels.shape, self.at, strict=True))
        return attrs.evolve(self, pixels=cached(self.pixels, chunks, None))

    def read(self, box: Box) -> Array:
        """Return the pixels of a box of level 0.

        Raises:
            LabelError: the image cannot hold one of them.
        """
        inside = tuple((box[i][0] - self.box[i][0], box[i][1] - self.box[i][0]) for i in self.at)
        found = read(self.pixels, inside, native(self.pixels.dtype)).reshape([high - low for low, high in box])
        if not np.can_cast(found.dtype, self.dtype, "safe") and self.dtype.kind in "iu":
            limits, low, high = np.iinfo(self.dtype), int(found.min()), int(found.max())
            if low < limits.min or high > limits.max:
                raise LabelError(
                    f"The label {low if low < limits.min else high} is not a {self.dtype.name}, which is what the "
                    f"labels are stored as ({limits.min} to {limits.max}). Write them anew with a larger dtype."
                )
        return found.astype(self.dtype, copy=False)

    def equals(self, level: Any) -> bool:
        """Return whether an image holds these pixels already."""
        part = self.at_hand()
        return bool(
            np.array_equal(part.read(self.box), np.asarray(level[slices(self.box)]), equal_nan=self.dtype.kind == "f")
        )


# What follows from it -----------------------------------------------------------------------------------------------


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
        before = wait_for(root.store, get_bytes(root.store, root.key(document)))
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
