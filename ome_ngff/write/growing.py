"""Images that grow: begun empty or where they end, filled through `Growth`, finished as any other write is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import attrs

from ..config import config, parse_bytes
from ..engine import Growth, GrowthPlan, enter_shared, trim
from ..exceptions import ScaleError, StoreError
from ..read import StoredImage
from ..spec import Metadata, Placement, Scale
from ..store import (
    MARK,
    Claim,
    Holder,
    LengthDocument,
    Target,
    create_arrays,
    describe_arrays,
    end_addition,
    expel,
    forget_before,
    journal,
    locked,
    named_faults,
    open_array,
    put_attributes,
    taken_over,
    unverified,
)
from . import replace
from .ending import Ending
from .facts import FactLog
from .request import AWAY_THREADS, Request
from .resume import agree
from .undoing import refuse_under_way


def refuse_factors(factors: Sequence[Sequence[int]], axis: int, name: str) -> None:
    """Raise `ScaleError` where levels have fewer pixels along the axis that grows."""
    along = sorted({each[axis] for each in factors} - {1})
    if along:
        raise ScaleError(
            f"An image grows along an axis that all its levels have in full, but {name} is downsampled by "
            f"{', '.join(map(str, along))}: a pixel there would change with those that follow. "
            f"Leave {name} out of scale_factors, or write the whole image anew."
        )


def at_length(request: Request, axis: int, length: int) -> Request:
    """Return a request whose levels have a length along an axis."""
    levels = [
        attrs.evolve(level, shape=(*level.shape[:axis], length, *level.shape[axis + 1 :])) for level in request.levels
    ]
    return attrs.evolve(request, levels=tuple(levels))


def with_step(metadata: Metadata, axis: int, size: float) -> Metadata:
    """Return metadata in which the pixels of all levels have a size along an axis."""

    def sized(step: Placement) -> Placement:
        if not isinstance(step, Scale):
            return step
        return Scale([*step.scale[:axis], size, *step.scale[axis + 1 :]])

    datasets = [
        attrs.evolve(dataset, coordinateTransformations=list(map(sized, dataset.coordinateTransformations)))
        for dataset in metadata.datasets
    ]
    return attrs.evolve(metadata, datasets=datasets)


def plan_of(request: Request, axis: int) -> GrowthPlan:
    """Return how the image of a request grows."""
    fills = tuple(stored.fill_value for stored in request.storage)
    return GrowthPlan(request.levels, request.grids, request.method, axis, request.dtype, fills)


def enter(request: Request, axis: int, *, overwrite: bool, resume: bool) -> tuple[Target, bool]:
    """Begin a stream under the lock of its group, or take one up: the group with its mark, and whether it was there.

    Raises:
        NgffError: the request is refused; nothing is touched then.
    """
    while True:
        seen, start = request.target, at_length(request, axis, 0)
        documents = describe_arrays(seen, request.names, start.array_options())
        document = seen.fmt.wrap(request.document())
        seen.fmt.validate({**request.attributes, **document}, kept=("transformation-type-known",))
        replace.refuse_existing(request, overwrite=overwrite, resume=resume)
        replace.refuse_foreign_frames(seen)
        there = resume and seen.is_image
        if resume and seen.mark is not None and "growing" not in seen.mark:
            raise StoreError(f"{seen} was begun by another write; finish that one, or pass overwrite=True.")
        if there:
            length = 0 if seen.mark is not None else StoredImage.of(seen).arrays[0].shape[axis]
            agree(at_length(request, axis, length))
        with named_faults(seen, "go on with resume=True"), locked(seen) as (now, claim):
            request = attrs.evolve(request, target=now)
            if (now.mark, now.document) != (seen.mark, seen.document):
                continue
            still_ours = partial(_refuse_lost, claim, seen)
            still_ours()
            mark = {**start.settings(), "growing": {"axis": axis}, "replaces": []}
            if there:
                return take_up(now, mark), True
            replaced = replace.begun_paths(seen.mark, "replaces") if seen.mark else set()
            replaced |= {*replace.to_replace(now, request.new_paths)}
            begun = journal.begin(now, {**mark, "replaces": sorted(replaced)}, request.attributes)
            expel(now)
            replace.clear(begun, replaced, still_ours)
            create_arrays(begun, documents, shards=any(grid.shards for grid in request.grids))
            still_ours()
            return journal.begin_growing(begun, {**(begun.mark or {})["parts"], **request.document()}, mark), False


def _refuse_lost(claim: Claim, target: Target) -> None:
    if not claim.sure():
        raise taken_over(target)


def take_up(target: Target, mark: Mapping[str, Any], keep: Callable[[Target], object] = forget_before) -> Target:
    """Become the holder of an image that grows, or is to, under the lock of its group; `keep` keeps what it was."""
    if target.growing:
        taken = journal.hold(target, shared=False)
    else:
        refuse_under_way(target)
        keep(target)
        said = unverified({MARK: target.said}).get(MARK, {})
        taken = journal.begin_growing(target, target.document, {**mark, "said": said})
    expel(target)
    return taken


@attrs.define(eq=False)
class Grown:
    """An image that is growing, from the moment when its group is marked until that mark goes.

    Attributes:
        target: the group, with its mark. metadata, measured: as in `Request`. growth: what stores frames.
        facts: what is said of them. axis: number of the axis that grows.
    """

    target: Target
    metadata: Metadata
    measured: Any
    growth: Growth
    facts: FactLog
    axis: int

    @classmethod
    def begin(
        cls, target: Target, metadata: Metadata, measured: Any, plan: GrowthPlan, queue: str | float, *, there: bool
    ) -> Grown:
        """Open the levels of a group that is marked, and delete what was stored of frames that are not complete."""
        paths = [dataset.path for dataset in metadata.datasets]
        holder = Holder.begin(target, None)
        arrays = [open_array(target.store, target.key(path), mode="r+") for path in paths]
        documents = [LengthDocument.of(target, path, plan.axis) for path in paths]
        length = arrays[0].shape[plan.axis]
        if there:
            trim(plan, arrays, documents, holder, length)
        facts = FactLog.of(holder, tuple(axis.name for axis in metadata.axes), plan.axis, length)
        workers = config.workers if target.folder is not None else max(config.workers, AWAY_THREADS)
        growth = Growth(
            plan, arrays, documents, holder, parse_bytes(queue), length, facts.publish, enter_shared(workers)
        )
        return cls(target, metadata, measured, growth, facts, plan.axis)

    def end(self, *, step: bool) -> int:
        """Store what is complete, write the metadata, and take the mark away; return how many frames are left out.

        Args:
            step: whether the size of a pixel in time is that of the facts, where they tell one.
        """
        try:
            left = self.growth.end()
            if self.growth.length:
                self._finish(self.facts.step if step else None)
            return left
        finally:
            self.growth.holder.leave()

    def leave(self) -> None:
        """Stop; what is complete stays, with the mark."""
        try:
            with suppress(Exception):
                self.growth.end()
        finally:
            self.growth.holder.leave()

    def _finish(self, step: float | None) -> None:
        target, mark = self.target, dict(self.target.mark or {})
        if step is not None:
            self.metadata = with_step(self.metadata, self.axis, step)
            fmt, document = target.fmt, target.fmt.unwrap(mark["metadata"])
            mark["metadata"] = fmt.wrap({**document, **fmt.encode(self.metadata)})
        if self.measured is not None:
            document = target.fmt.unwrap(mark["metadata"])
            document.pop("omero", None)
            mark["metadata"] = target.fmt.wrap(document)
        if self.facts.name:
            mark["said"] = {**target.said, "frames": self.facts.name}
        target = attrs.evolve(target, attributes={**(target.attributes or {}), MARK: {"incomplete": mark}})
        if self.facts.name:
            self.growth.holder.compare()
            put_attributes(target, target.attributes or {})
        Ending(target, self.metadata, self.measured, (), resumed=False, leave=end_addition)()
