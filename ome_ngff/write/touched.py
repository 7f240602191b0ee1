"""How the levels of an image that is stored were made, and what a box of level 0 touches of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ..engine import Mending, RegionPlan
from ..exceptions import MethodError, ScaleError, StoreError
from ..pixels import Box, Method, Methods, find_method, label_method, levels, native
from ..read import StoredImage
from ..store import Grid
from ..text import by
from .labels.reference import ReferenceLevels

Shape = tuple[int, ...]


def method_of(stored: StoredImage, method: Any, box: Box, words: str, *, check: bool, labels: bool) -> Method:
    """Return the method that the levels of an image were made by.

    Args:
        stored: the image. method: the one that the caller says, or None. box: of level 0, around which levels are
            compared with what the method makes, in any case where the image does not say it. words: what the box is.
        check: whether to compare in any case. labels: whether it is a label image.

    Raises:
        MethodError: that is not known, or is another way. StoreError: the levels are not made so.
    """
    found = find_method(method) if method is not None else None
    if found is not None and labels:
        label_method(found, None)
    known = _stated(stored, found)
    if known is not None and found not in (None, known):
        raise MethodError(f"The levels of {stored.target} are made by {known.name!r}; leave out method={found.name!r}.")
    if len(stored.arrays) > 1 and found is None and known is None:
        raise MethodError(_which(stored, box, labels=labels))
    chosen = known or found or Methods.NEAREST.method
    chosen.check(native(stored.arrays[0].dtype))
    unlike = _unlike(stored, chosen, box) if check or known is None else None
    if unlike is not None:
        raise StoreError(
            f"Level {unlike} of {stored.target} is not what {chosen.name!r} makes of the level above it, near "
            f"{words}, so an update would leave seams. Pass its method, or make its levels anew first."
        )
    return chosen


def _stated(stored: StoredImage, given: Method | None) -> Method | None:
    """Return the method that an image says its levels were made by, where that is one of ours, or the one given."""
    stated = (stored.metadata.metadata or {}).get("method")
    known = [member.method for member in Methods] + ([] if given is None else [given])
    return next((each for each in known if each.describe()["method"] == stated), None)


def ladder_of(stored: StoredImage) -> tuple[Shape, ...]:
    """Return the factors of the levels of an image. Raise `ScaleError` where no whole ones lead from level to level."""
    geometry = ReferenceLevels.of_stored(stored)
    if not all(map(all, geometry.ladder)):
        raise ScaleError(
            f"The levels of {stored.target} have {', '.join(map(by, geometry.shapes))} pixels: no whole factors lead "
            "from one to the next, so none of our methods has made them. Make its levels anew first."
        )
    return geometry.ladder


def region_of(stored: StoredImage, method: Method, box: Box) -> RegionPlan:
    """Plan what a box of level 0 reaches."""
    shapes = [tuple(array.shape) for array in stored.arrays]
    found = levels(shapes[0], ladder_of(stored), method, shapes)
    return RegionPlan.of(found, [Grid(array.chunks, array.shards) for array in stored.arrays], method, box)


def _unlike(stored: StoredImage, method: Method, box: Box) -> int | None:
    """Return the first level that is not what a method makes of the one above it, around a box; None for none."""
    plan, dtype = region_of(stored, method, box), native(stored.arrays[0].dtype)
    return Mending(plan, dtype, dict(enumerate(stored.arrays)), {}, _no_pixels).unlike()


def unlike_stated(stored: StoredImage, method: Method) -> int | None:
    """Return what `_unlike` does around the middle of an image that names a method, but not as one of this package."""
    if _stated(stored, None) is not None:
        return None
    middles = [(n // 2 // c * c, n, c) for n, c in zip(stored.arrays[0].shape, stored.arrays[0].chunks, strict=True)]
    return _unlike(stored, method, tuple((low, min(n, low + c)) for low, n, c in middles))


def _no_pixels(box: Box) -> Any:
    raise AssertionError(box)


def _which(stored: StoredImage, whole: Box, *, labels: bool) -> str:
    """Say which methods would have made the levels of an image, going by one chunk of what changes."""
    box = tuple(
        (low, min(high, max(low + 1, low // n * n + n)))
        for (low, high), n in zip(whole, stored.arrays[0].chunks, strict=True)
    )
    fitting = []
    for member in Methods:
        with suppress(MethodError):
            member.method.check(native(stored.arrays[0].dtype))
            if not (labels and member.method.invents) and _unlike(stored, member.method, box) is None:
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
