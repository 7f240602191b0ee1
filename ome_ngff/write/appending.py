"""A whole array added to the end of an image that is there.

Along an axis that all levels have in full, frames are added one after the other, and the image can be read meanwhile.
Along one that is downsampled, the last windows change: that is an update of what will be the end of the image.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import attrs
import numpy as np

from ..engine import GrowthPlan, Progress, RegionPlan, check_progress, metered
from ..exceptions import AxesError, IncompleteError, InputError, StoreError
from ..image import Given
from ..pixels import Level, Method, Methods, describe, levels, native, read
from ..read import StoredImage
from ..show import channel_colors
from ..spec import OmeroChannel, axis_name
from ..store import (
    Claim,
    Grid,
    LengthDocument,
    Target,
    cells_in,
    current_documents,
    find_target,
    keep_before,
    leads_through_a_link,
    locked,
    named_faults,
    opened,
    read_box,
    read_record,
    refuse_linked_journal,
    refuse_self,
    settled,
    with_length,
)
from ..text import show
from . import replace
from .growing import Grown, refuse_factors, take_up
from .omero import Rendering
from .part import Part
from .touched import ladder_of, method_of
from .updating import carry_on, go_on, prepared_cells, root_path, unmarked

EXTENSION = "extension"


def append_image(
    pixels: Any,
    group: Any,
    axis: str = "t",
    *,
    method: str | Methods | Method | None = None,
    check: bool = False,
    queue: str | float = "256MiB",
    resume: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
) -> None:
    """Add an array to the end of an image along an axis, with all levels; what is there stays, labels and windows, too.

    Images of any version are taken, whoever wrote them. Meanwhile the image can be read, as far as it is complete;
    along an axis that is downsampled, as it was, until the new chunks are put into place. `undo` takes it back.

    Args:
        pixels: as in `write_image`, with the axes of the image, and as long as it is along all but `axis`.
        group: the image. axis: along which it grows.
        method: how the levels were made. The images that this package has written say so; of others it has to be said,
            and is compared with the levels at the end.
        check: compare in any case, before anything is changed.
        queue: bytes that may wait to be stored.
        resume: go on with the same call, which was interrupted.
        progress, store_options: as in `write_image`.

    Raises:
        ScaleError: the levels are not made by whole factors. MethodError: it is not known how they were made.
        StoreError: they are not made by the method. NgffError: another of its children; the image is as it was.
    """
    check_progress(progress)
    target = find_target(opened(group, store_options))
    replace.refuse_place(target)
    refuse_linked_journal(target)
    under_way = read_record(target, done=False) if target.attributes is not None else None
    begun = under_way is not None and under_way.change.what["change"] == EXTENSION
    found = StoredImage.of(unmarked(target) if begun else target)
    at = _axis_of(found, axis)
    source = Given.of(pixels, [each.name for each in found.metadata.axes]).pixels
    _refuse_other(source, found, at)
    paths = [dataset.path for dataset in found.metadata.datasets]
    if any(leads_through_a_link(target, f"{path}/") for path in paths):
        raise StoreError(f"{target} has a level behind a link, which is not written through.")
    refuse_self(source, target, paths)
    if any(factors[at] > 1 for factors in ladder_of(found)):
        _extend(target, source, axis_name(axis), method, check=check, resume=resume, progress=progress)
        return
    replace.refuse_foreign_frames(target)
    grow = GrowthOf(found, at, source.shape[at])
    said = grow.begun(resume=resume)
    plan = grow.plan(method, check=check)
    with named_faults(target, "go on with resume=True"), locked(target) as (now, _):
        if (now.mark, now.document) != (target.mark, target.document):
            raise StoreError(f"{target} has been changed by another process meanwhile; look at it, and do it again.")
        taken = take_up(now, {"growing": said}, partial(grow.keep, plan))
    measured = _rendering(found, source.shape[at]) if axis_name(axis) == "c" else None
    grown = Grown.begin(taken, found.metadata, measured, plan, queue, there=target.growing)
    try:
        _fill(grown, source, at, said["start"], progress)
    except BaseException:
        grown.leave()
        raise
    grown.end(step=False)


def _axis_of(found: StoredImage, axis: str) -> int:
    names = found.names
    if axis_name(axis) not in names[:-2]:
        raise AxesError(
            f"An image grows along one of {','.join(names[:-2]) or 'no axis'}: {found.target} has the axes "
            f"{','.join(names)} (got {show(axis)})."
        )
    return names.index(axis_name(axis))


def _refuse_other(source: Any, found: StoredImage, axis: int) -> None:
    """Raise `InputError` where pixels do not continue an image."""
    first = found.arrays[0]
    wanted = tuple(None if i == axis else n for i, n in enumerate(first.shape))
    if len(source.shape) != len(wanted) or any(n not in (None, m) for n, m in zip(wanted, source.shape, strict=True)):
        lengths = ", ".join(f"{name} {n or 'any'}" for name, n in zip(found.names, wanted, strict=True))
        raise InputError(f"What is added to {found.target} has the lengths {lengths} (got {tuple(source.shape)}).")
    if native(source.dtype) != native(first.dtype):
        raise InputError(f"{found.target} is {native(first.dtype)} (got {source.dtype}); convert the pixels.")


@attrs.frozen(eq=False)
class GrowthOf:
    """An addition along an axis that all levels have in full.

    Attributes:
        found: the image. axis: number of the axis. added: how much longer it gets.
    """

    found: StoredImage
    axis: int
    added: int

    @property
    def length(self) -> int:
        """Length of the image as it is."""
        return int(self.found.arrays[0].shape[self.axis])

    def begun(self, *, resume: bool) -> dict[str, int]:
        """Return what the mark says of the addition: its axis, where it starts, and how long it is."""
        target = self.found.target
        if target.growing:
            said = dict((target.mark or {})["growing"])
            if not resume:
                raise IncompleteError(
                    f"{target} is being added to, or that was interrupted; finish it with resume=True."
                )
            start = said.get("start")
            known = {"axis": self.axis, "start": start, "added": self.added}
            if said != known or type(start) is not int or not 0 <= start <= self.length:
                raise StoreError(f"What was begun at {target} is another addition, or a stream: {show(said)}.")
            return said
        if resume:
            raise _nothing_begun(self.found, self.axis)
        return {"axis": self.axis, "start": self.length, "added": self.added}

    def plan(self, method: Any, *, check: bool) -> GrowthPlan:
        """Return how the image grows, once it is known how its levels were made; its last pixels tell it."""
        arrays = self.found.arrays
        dtype, reducer = native(arrays[0].dtype), _method(self.found, self.axis, method, check=check)
        return GrowthPlan(
            levels(arrays[0].shape, ladder_of(self.found), reducer, [array.shape for array in arrays]),
            _grids(self.found), reducer, self.axis, dtype, tuple(array.fill_value or 0 for array in arrays),
        )  # fmt: skip

    def keep(self, plan: GrowthPlan, target: Target) -> None:
        """Keep the documents that will change, and the cells that hold the end of the image."""
        v3 = target.fmt.zarr_format == 3
        root, own = ("zarr.json", "zarr.json") if v3 else (".zattrs", ".zarray")
        ends, documents = [], [root, *([] if v3 else [".zmetadata"])]
        for array, grid, level in zip(self.found.arrays, plan.grids, plan.levels, strict=True):
            path, box = root_path(target, array.path), [(0, n) for n in level.shape]
            documents.append(f"{path}/{own}")
            row, rest = divmod(self.length, grid.cell[self.axis])
            box[self.axis] = (row * grid.cell[self.axis], self.length if rest else row * grid.cell[self.axis])
            ends += [f"{path}/{array.metadata.encode_chunk_key(place)}" for place in cells_in(box, grid.cell)]
        words = f"{self.found.names[self.axis]} {self.length}:{self.length + self.added}"
        keep_before(target, {"change": EXTENSION, "of": words}, documents, ends, root)


def _nothing_begun(found: StoredImage, axis: int) -> StoreError:
    return StoreError(
        f"Nothing is unfinished at {found.target}, which is {found.arrays[0].shape[axis]} long along "
        f"{found.names[axis]}; leave out resume=True to add to it."
    )


def _method(found: StoredImage, axis: int, method: Any, *, check: bool) -> Method:
    shape = found.arrays[0].shape
    last = tuple((max(0, n - 1) if i == axis else 0, n) for i, n in enumerate(shape))
    labels = found.image_label is not None
    return method_of(found, method, last, f"the end of {found.names[axis]}", check=check, labels=labels)


def _grids(found: StoredImage) -> tuple[Grid, ...]:
    return tuple(Grid(tuple(array.chunks), tuple(array.shards) if array.shards else None) for array in found.arrays)


# Along an axis that is downsampled -----------------------------------------------------------------------------------


def _extend(
    target: Target, source: Any, axis: str, method: Any, *, check: bool, resume: bool, progress: Progress
) -> None:
    """Put the cells of a longer image into place, with its lengths, as one change."""
    with (
        named_faults(target, "go on with resume=True, or take it back with undo"),
        locked(target) as (now, claim),
    ):
        under_way = read_record(target, done=False)
        found = StoredImage.of(unmarked(now) if under_way is not None else now)
        at = found.names.index(axis)
        added = int(source.shape[at])
        if found.target.growing:
            raise IncompleteError(f"{target} is being added to, or that was interrupted; finish that first.")
        if under_way is not None:
            _go_on(target, under_way, source, axis, claim, resume=resume)
            return
        if resume:
            raise _nothing_begun(found, at)
        refuse_factors(ladder_of(found) if axis == "c" else (), at, axis)
        chosen = _method(found, at, method, check=check)
        longer = _lengthened(found, chosen, at, added)
        arrays = tuple(
            with_length(array, at, level.shape[at]) for array, level in zip(found.arrays, longer, strict=True)
        )
        box = tuple((n - added if i == at else 0, n) for i, n in enumerate(longer[0].shape))
        plan = RegionPlan.of(longer, _grids(found), chosen, box)
        part = _part(found, source, box)
        what = {"change": EXTENSION, "of": f"{axis} {box[at][0]}:{box[at][1]}"}
        change = prepared_cells(target, "", part, plan, attrs.evolve(found, arrays=arrays), what, progress)
        documents = [LengthDocument.of(target, root_path(target, array.path), at) for array in found.arrays]
        names = [document.name for document in documents] + ([] if target.fmt.zarr_format == 3 else [".zmetadata"])
        old = {key: content for key, content in current_documents(target, names).items() if content is not None}
        new = {each.name: each.content(level.shape[at]) for each, level in zip(documents, longer, strict=True)}
        new |= {key: _without_copy(content) for key, content in change.new.items()}
        carry_on(target, attrs.evolve(change, old={**change.old, **old}, new=new), claim)


def _without_copy(content: bytes) -> bytes:
    """Return the document of a group without consolidated metadata, whose lengths would be untrue."""
    document = json.loads(content)
    copy = document.pop("consolidated_metadata", None)
    return content if copy is None else json.dumps(document, indent=2).encode()


def _part(found: StoredImage, source: Any, box: Any) -> Part:
    first = found.arrays[0]
    return Part(settled(source), tuple(range(first.ndim)), box, found.names, native(first.dtype), first.chunks)


def _lengthened(found: StoredImage, method: Method, axis: int, added: int) -> tuple[Level, ...]:
    """Return the levels of an image that is longer; where windows that are cut off make no pixel, they still do not."""
    shapes, ladder = [tuple(array.shape) for array in found.arrays], ladder_of(found)
    length = shapes[0][axis] + added

    def at_length(shape: tuple[int, ...], n: int) -> tuple[int, ...]:
        return (*shape[:axis], n, *shape[axis + 1 :])

    whole, wanted = levels(shapes[0], ladder, method), [at_length(shapes[0], length)]
    new = levels(wanted[0], ladder, method)
    for k, factors in enumerate(ladder, start=1):
        rounded = shapes[k][axis] == whole[k].shape[axis]
        wanted.append(at_length(shapes[k], new[k].shape[axis] if rounded else length // factors[axis]))
    return levels(wanted[0], ladder, method, wanted)


def _go_on(target: Target, record: Any, source: Any, axis: str, claim: Claim, *, resume: bool) -> None:
    """Finish what was interrupted, if it is this addition."""
    what = dict(record.change.what)
    span = re.fullmatch(rf"{axis} (\d+):(\d+)", what.get("of", "")) if what["change"] == EXTENSION else None
    low, high = (int(span[1]), int(span[2])) if span else (0, 0)
    at = StoredImage.of(unmarked(find_target(target))).names.index(axis)
    same = span is not None and high - low == source.shape[at]
    go_on(target, record, what if same else {}, claim, resume=resume)
    found = StoredImage.of(find_target(target))
    box = tuple((low, high) if i == at else (0, n) for i, n in enumerate(found.arrays[0].shape))
    if not _part(found, source, box).equals(found.arrays[0]):
        raise _other_pixels(target)


def _other_pixels(target: Target) -> StoreError:
    return StoreError(
        f"What was added to {target} before are not these pixels; they stay, unless they are updated or undone."
    )


# Along another -------------------------------------------------------------------------------------------------------


def _rendering(found: StoredImage, added: int) -> Rendering | None:
    """Return the rendering of an image that gets more channels: the stated one, and colours for those."""
    omero = found.metadata.omero
    if omero is None:
        return None
    count, dtype = len(omero.channels), found.arrays[0].dtype
    colors = channel_colors(count + added, dtype, (), ())[count:]
    more = [OmeroChannel(color, extra={"active": True}) for color in colors]
    return Rendering(stated=attrs.evolve(omero, channels=[*omero.channels, *more]))


def _fill(grown: Grown, source: Any, axis: int, start: int, progress: Progress) -> None:
    """Give the frames of an array, as far as they are not complete, to what stores them."""
    shape, dtype, done = source.shape, grown.growth.plan.dtype, grown.growth.length - start
    if done:  # as far as one can tell, it is the same call
        last, there = (
            tuple((n - 1, n) if i == axis else (0, m) for i, m in enumerate(shape)) for n in (done, start + done)
        )
        if not np.array_equal(
            read(source, last, dtype), read_box(grown.growth.arrays[0], there), equal_nan=dtype.kind == "f"
        ):
            raise _other_pixels(grown.target)
    each = int(source.size // shape[axis]) * dtype.itemsize
    with metered(progress, done * each, shape[axis] * each) as meter:
        for low, high in _parts(source, axis, done):
            box = tuple((low, high) if i == axis else (0, n) for i, n in enumerate(shape))
            pixels = read(source, box, dtype)
            for now in range(low, high):
                for index in itertools.product(*(range(n) for n in shape[:axis])):
                    grown.growth.put((*index, start + now), pixels[(*index, now - low)], block=True)
                meter.add(each)
                meter.show()
        grown.growth.flush()


def _parts(source: Any, axis: int, done: int) -> Iterator[tuple[int, int]]:
    """Yield what is read at once along an axis: a block of a source that has some, else one index."""
    chunks = describe(source).chunks
    edges = itertools.accumulate(chunks[axis] if chunks else (1,) * source.shape[axis], initial=0)
    for low, high in itertools.pairwise(edges):
        if high > done:
            yield max(low, done), high
