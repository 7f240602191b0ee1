"""A whole array added to the end of an image that is there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ..engine import GrowthPlan, Progress, check_progress, metered
from ..exceptions import AxesError, IncompleteError, InputError, MethodError, ScaleError, StoreError
from ..image import Given
from ..pixels import Method, Methods, describe, find_method, levels, native, read
from ..read import StoredImage
from ..show import channel_colors
from ..spec import OmeroChannel, axis_name
from ..store import Grid, find_target, locked, named_faults, opened, refuse_linked_journal, refuse_self
from ..text import show
from . import replace
from .growing import Grown, refuse_factors, take_up
from .omero import Rendering


def append_image(
    pixels: Any,
    group: Any,
    axis: str = "t",
    *,
    method: str | Methods | Method | None = None,
    queue: str | float = "256MiB",
    resume: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
) -> None:
    """Add an array to the end of an image along an axis, with all levels; what is there, labels too, stays as it is.

    Images of any version are taken, whoever wrote them. Meanwhile the image can be read, as far as it is complete.

    Args:
        pixels: as in `write_image`, with the axes of the image, and as long as it is along all but `axis`.
        group: the image. axis: along which it grows; all levels have it in full.
        method: None takes that of the image, which says how its levels were made.
        queue: bytes that may wait to be stored.
        resume: go on with the same call, which was interrupted.
        progress, store_options: as in `write_image`.

    Raises:
        ScaleError: the levels are downsampled along `axis`, or elsewhere not by whole factors.
        MethodError: the image does not say how its levels were made, and neither does `method`.
        NgffError: another of its children; the image is as it was.
    """
    check_progress(progress)
    target = find_target(opened(group, store_options))
    found = StoredImage.of(target)
    at = _axis_of(found, axis)
    plan = _plan(found, at, method)
    source = Given.of(pixels, [each.name for each in found.metadata.axes]).pixels
    _refuse_other(source, found, at)
    replace.refuse_place(target)
    refuse_linked_journal(target)
    replace.refuse_foreign_frames(target)
    refuse_self(source, target, [dataset.path for dataset in found.metadata.datasets])
    begun = _begun(found, at, source.shape[at], resume=resume)
    with named_faults(target, "go on with resume=True"), locked(target) as (now, _):
        if (now.mark, now.document) != (target.mark, target.document):
            raise StoreError(f"{target} has been changed by another process meanwhile; look at it, and do it again.")
        taken = take_up(now, {"growing": begun})
    measured = _rendering(found, source.shape[at]) if axis_name(axis) == "c" else None
    grown = Grown.begin(taken, found.metadata, measured, plan, queue, there=target.growing)
    try:
        _fill(grown, source, at, begun["start"], progress)
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


def _plan(found: StoredImage, axis: int, method: str | Methods | Method | None) -> GrowthPlan:
    """Return how an image that is stored grows."""
    target, arrays, names = found.target, found.arrays, found.names
    sizes = [found.geometry(k)[0] for k in range(len(arrays))]
    ratios = [[size / base if base else 0 for size, base in zip(each, sizes[0], strict=True)] for each in sizes[1:]]
    ladder = [tuple(map(round, each)) for each in ratios]
    fits = [
        round(ratio) > 0
        and abs(ratio - round(ratio)) <= 1e-6 * ratio
        and part in (-(-n // round(ratio)), n // round(ratio))
        for each, array in zip(ratios, arrays[1:], strict=True)
        for ratio, n, part in zip(each, arrays[0].shape, array.shape, strict=True)
    ]
    if not all(fits):
        shapes = "; ".join(str(array.shape) for array in arrays)
        raise ScaleError(f"The levels of {target} are not made of each other by whole factors ({shapes}).")
    refuse_factors(ladder, axis, names[axis])
    try:
        reducer = find_method(method or found.metadata.type or ("nearest" if len(arrays) == 1 else ""))
    except MethodError as error:
        if method is not None:
            raise
        raise MethodError(
            f"{target} does not say by which of our methods its levels were made ({show(found.metadata.type)}); "
            "say it by method=."
        ) from error
    dtype = native(arrays[0].dtype)
    reducer.check(dtype)
    return GrowthPlan(
        levels(arrays[0].shape, ladder, reducer, [array.shape for array in arrays]),
        tuple(Grid(tuple(array.chunks), tuple(array.shards) if array.shards else None) for array in arrays),
        reducer, axis, dtype, tuple(array.fill_value or 0 for array in arrays),
    )  # fmt: skip


def _refuse_other(source: Any, found: StoredImage, axis: int) -> None:
    """Raise `InputError` where pixels do not continue an image."""
    first = found.arrays[0]
    wanted = tuple(None if i == axis else n for i, n in enumerate(first.shape))
    if len(source.shape) != len(wanted) or any(n not in (None, m) for n, m in zip(wanted, source.shape, strict=True)):
        lengths = ", ".join(f"{name} {n or 'any'}" for name, n in zip(found.names, wanted, strict=True))
        raise InputError(f"What is added to {found.target} has the lengths {lengths} (got {tuple(source.shape)}).")
    if native(source.dtype) != native(first.dtype):
        raise InputError(f"{found.target} is {native(first.dtype)} (got {source.dtype}); convert the pixels.")


def _begun(found: StoredImage, axis: int, added: int, *, resume: bool) -> dict[str, int]:
    """Return what the mark says of an addition: its axis, where it starts, and how long it is."""
    target, length = found.target, found.arrays[0].shape[axis]
    if target.growing:
        said = dict((target.mark or {})["growing"])
        if not resume:
            raise IncompleteError(f"{target} is being added to, or that was interrupted; finish it with resume=True.")
        start = said.get("start")
        if said != {"axis": axis, "start": start, "added": added} or type(start) is not int or not 0 <= start <= length:
            raise StoreError(f"What was begun at {target} is another addition, or a stream: {show(said)}.")
        return said
    if resume:
        raise StoreError(
            f"Nothing is unfinished at {target}, which is {length} long along {found.names[axis]}; leave out "
            "resume=True to add to it."
        )
    return {"axis": axis, "start": length, "added": added}


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
