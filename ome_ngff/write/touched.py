"""What a part of an image that is given anew touches of every level, and how the levels are made."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..engine import Mending, RegionPlan
from ..exceptions import MethodError, ScaleError, StoreError
from ..pixels import Box, Method, Methods, find_method, label_method, levels
from ..read import StoredImage
from ..store import Grid
from ..text import by
from .labels.reference import ReferenceLevels
from .part import Part


def touched(part: Part, stored: StoredImage, method: Any, *, check: bool, labels: bool) -> RegionPlan:
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
    unlike = mending(plan, stored, {}, part).unlike() if check or known is None else None
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
                if mending(plan, stored, {}, part).unlike() is None:
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


def mending(plan: RegionPlan, stored: StoredImage, ready: Mapping[int, Any], part: Part) -> Mending:
    return Mending(plan, part.dtype, dict(enumerate(stored.arrays)), ready, part.read)
