"""Which levels the images of a hierarchy get, made anew or besides those that are there."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
from zarr.storage import StorePath

from ..exceptions import ExistsError, LabelError, NgffError, StoreError
from ..pixels import Method, Methods, ScaleFactors, find_method, label_method
from ..read import StoredImage
from ..spec import Axes, entry_of, is_image, named_paths, stated_axes
from ..store import (
    JOURNAL,
    LEVELS,
    UNDO,
    Compression,
    Hierarchy,
    Layout,
    Target,
    children,
    find_target,
    key_of,
    leads_through_a_link,
    open_array,
    read_bytes,
)
from .arguments import image_request
from .labels.reference import ReferenceLevels
from .new_levels import Levels, images_of
from .request import Request
from .touched import unlike_stated

Methodic = str | Methods | Method | None


def wanted_levels(
    target: Target, scale_factors: ScaleFactors | None, method: Methodic, hierarchy: Hierarchy, *, anew: bool
) -> Iterator[Levels]:
    """Yield which levels all images of a hierarchy get; those of labels line up with those of their image.

    Raises:
        StoreError: that cannot be.
    """
    references: dict[str, ReferenceLevels] = {}
    for path in images_of(hierarchy, target):
        if leads_through_a_link(target, key_of(path, f"{JOURNAL}/{LEVELS}/")):
            raise StoreError(f"{target} has the journal of {path or 'itself'} behind a link; remove the link.")
        image = StoredImage.of(find_target(StorePath(target.store, target.key(path))))
        above = f"/{path}".rpartition("/labels/")[0].strip("/") if image.image_label is not None else None
        reference = references.get(above) if above is not None else None
        if above is not None and path == "":  # labels by themselves: those of the image that they are in
            reference = _reference_above(target)
        given = method if path == "" or image.image_label is None else None
        found = _levels_of(target, path, image, scale_factors, given, reference, anew=anew)
        references[path] = _as_reference(image, found.request)
        yield found


def _reference_above(target: Target) -> ReferenceLevels | None:
    """Return the levels of the image that labels stand in, where there is one."""
    places: list[Any] = []
    if "/labels/" in f"/{target.path}":
        places.append(StorePath(target.store, f"/{target.path}".rpartition("/labels/")[0].strip("/")))
    elif target.folder is not None and "labels" in target.folder.parts and target.path == "":
        parts = target.folder.as_posix().rpartition("/labels/")[0]
        places.append(parts or "/")
    for place in places:
        image = find_target(place)
        if is_image(image.image_document):
            return ReferenceLevels.of(image)
    return None


def _as_reference(image: StoredImage, request: Request) -> ReferenceLevels:
    """Return the levels that an image will have, for labels to line up with."""
    steps = [[getattr(step, step.type) for step in d.coordinateTransformations] for d in request.metadata.datasets]
    return ReferenceLevels(
        str(image.target),
        tuple(request.metadata.axes),
        tuple(image.arrays[0].chunks),
        tuple(level.shape for level in request.levels),
        tuple(tuple(each[0]) for each in steps),
        tuple(tuple(each[1]) for each in steps),
        tuple(level.factors for level in request.levels[1:]),
    )


def _levels_of(
    root: Target,
    path: str,
    image: StoredImage,
    scale_factors: ScaleFactors | None,
    method: Methodic,
    reference: ReferenceLevels | None,
    *,
    anew: bool,
) -> Levels:
    there, names = _ladder_there(image), image.names
    reducer = _method(image, method, settled=anew or len(image.arrays) == 1)
    if scale_factors is None and anew and reference is None and there is not None:
        scale_factors = [dict(zip(names, factors, strict=True)) for factors in there]
    metadata = image.metadata
    own = attrs.evolve(image, metadata=attrs.evolve(metadata, coordinateTransformations=None))
    scale, translation = (dict(zip(names, numbers, strict=True)) for numbers in own.geometry(0))
    array = image.arrays[0]
    layout = Layout(array.chunks, array.shards, _compression(array))
    if image.image_label is not None:
        layout = layout.of_labels()
    words: dict[str, Any] = {"axes": metadata.axes, "scale": scale, "translation": translation, "layout": layout}
    if reference is not None:
        try:
            words |= reference.complete(array.shape, layout, Axes(metadata.axes), scale, translation)
            words["layout"] = layout
        except LabelError:  # of another size than their image
            reference = None
    scratch = _scratch(image.target)
    request = image_request(
        image.level(0), scratch, method=reducer, omero=False, fmt=None,
        scale_factors=None if reference is not None else scale_factors, **words,
    )  # fmt: skip
    kept = 1 if anew else _kept(image, there, request)
    old = tuple(dataset.path for dataset in metadata.datasets)
    paths = (*old[:kept], *(_name(image, old, k) for k in range(kept, len(request.levels))))
    said = {"source": {"changes": _state(root, path)}}
    key = image.target.key  # opened as what is written is: else several threads would open its store at once
    stands = {k: open_array(image.target.store, key(old[k]), mode="r+") for k in range(kept)}
    spelled = stated_axes(entry_of(image.target.document, 0), image.target.fmt)
    request = attrs.evolve(request, kept=frozenset(stands), stands=stands, said=said, copied={}, spelled=spelled)
    return Levels(path, paths, old, kept, request)


def _compression(array: Any) -> Compression | None:
    """Return the compression of a level as that of others; None for the usual one where ours has no such thing."""
    try:
        return None if getattr(array, "filters", ()) else Compression.parse(list(array.compressors))
    except (NgffError, KeyError, TypeError):
        return None


def _ladder_there(image: StoredImage) -> list[tuple[int, ...]] | None:
    """Return the factors of the levels that an image has; None where they are not whole."""
    found = ReferenceLevels.of(image.target)
    return list(found.ladder) if found is not None and all(map(all, found.ladder)) else None


def _method(image: StoredImage, method: Methodic, *, settled: bool) -> Method:
    """Return the method of new levels: the one given, that of the levels there, or the usual one.

    Raises:
        StoreError: levels that stay are of another method, or of one that is not known.
    """
    stated: Method | None = None
    try:
        stated = find_method(image.metadata.type) if image.metadata.type else None
    except NgffError:  # of another program
        stated = None
    if not settled and stated is None and method is None:
        raise StoreError(
            f"How the levels of {image.target} were made is not known: say method=, or make all of them anew with "
            "rebuild_levels."
        )
    found = stated if method is None else find_method(method)
    unlike = None if settled or method is not None or stated is None else unlike_stated(image, stated)
    if unlike is not None:
        raise StoreError(
            f"{image.target} says that its levels were made by {image.metadata.type!r}, but level {unlike} is not what "
            "that makes here, so another program has made them: say method=, or make all of them anew with "
            "rebuild_levels."
        )
    if image.image_label is not None:
        return label_method(found if found is not None else "mode", None)
    if not settled and stated is not None and found is not None and found.name != stated.name:
        raise StoreError(
            f"The levels of {image.target} were made by {stated.name!r}, which cannot be mixed with {found.name!r}: "
            "rebuild_levels makes all of them anew."
        )
    return find_method("resize") if found is None else found


def _kept(image: StoredImage, there: Sequence[tuple[int, ...]] | None, request: Request) -> int:
    """Return how many levels stay, which are the first that an image will have.

    Raises:
        StoreError: there is another one.
    """
    wanted = [level.factors for level in request.levels[1:]]
    shapes = [tuple(array.shape) for array in image.arrays]
    count = len(shapes)
    same = there is not None and there == wanted[: count - 1]
    if not same or shapes != [level.shape for level in request.levels[:count]]:
        raise StoreError(
            f"{image.target} has levels of {shapes}, which are not the first of those that it would have "
            f"({[level.shape for level in request.levels]}). Give scale_factors that begin with its own, or make all "
            "of them anew with rebuild_levels."
        )
    return count


def _name(image: StoredImage, old: Sequence[str], k: int) -> str:
    """Return the path of a level: that of the one before it, or one like that of level 0."""
    name = old[k] if k < len(old) else re.sub("0", str(k), old[0], count=1) if "0" in old[0] else str(k)
    if k >= len(old) and (name in old or children(image.target, name)):
        raise ExistsError(f"{image.target} has something at {name!r}, where level {k} would be; move it away.")
    shared = Counter(named_paths(image.target.document)) - Counter(named_paths(image.target.document, 0))
    if name in shared:
        raise ExistsError(
            f"{image.target} has another image with the level {name!r}, which stays as it is; write this one to "
            "a place of its own to make that level anew."
        )
    return name


def _scratch(image: Target) -> Target:
    """Return where the levels of an image are made."""
    if image.folder is not None:
        return find_target(image.folder / JOURNAL / LEVELS, image.fmt)
    return find_target(StorePath(image.store, image.key(f"{JOURNAL}/{LEVELS}")), image.fmt)


def _state(root: Target, path: str) -> str:
    """Return what changes whenever level 0 is changed by us: a digest of the last changes."""
    above = f"/{path}".rpartition("/labels/")[0].strip("/") if "/labels/" in f"/{path}" else path
    digest = hashlib.sha256()
    for place in dict.fromkeys(["", above, path]):
        digest.update(read_bytes(root, key_of(place, UNDO)) or b"")
    return digest.hexdigest()[:16]
