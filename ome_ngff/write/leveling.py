"""Levels of images that are there: made from level 0 as it stands, made anew, or taken away.

New levels are written beside the image, as a write that can be resumed; then one change puts them into place.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from zarr.storage import StorePath

from ..engine import Progress, check_progress
from ..exceptions import ExistsError, LabelError, NgffError, OptionError, StoreError
from ..pixels import Method, Methods, ScaleFactors, find_method, label_method
from ..read import StoredImage
from ..spec import Axes, Dataset, entries_of, named_paths, part_of, releveled
from ..store import (
    JOURNAL,
    LEVELS,
    UNDO,
    Compression,
    Hierarchy,
    Layout,
    Target,
    children,
    copy_below,
    default_buffer_prototype,
    delete,
    delete_group,
    describe_arrays,
    find_target,
    get_bytes,
    leads_through_a_link,
    open_array,
    opened,
    unverified,
    wait_for,
)
from ..text import same_json, show, whole_number
from .arguments import image_request
from .changing import Draft, Edit, changed, settled_hierarchy
from .execution import execute
from .labels.reference import ReferenceLevels
from .request import Request
from .resume import agree
from .undoing import changed_target

Methodic = str | Methods | Method | None


def add_levels(
    group: Any,
    scale_factors: ScaleFactors | None = None,
    method: Methodic = None,
    *,
    dry_run: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
) -> Edit:
    """Add the levels that an image lacks, made from those that it has; these stay as they are.

    It is what `write_image` would have written with these levels. All labels of the image get theirs, too, and all
    images of a plate or a collection. Killed, the same call goes on; `undo` takes the levels away again.

    Args:
        group: an image of any writer, labels, a plate or a collection, as in `write_image`.
        scale_factors: of all levels that the image will have, those that are there among them; as in `write_image`.
        method: how levels are made; None takes that of the levels that are there, else "resize". Labels of an image
            have theirs, else "mode".
        dry_run: say what would be done, and change nothing.
        progress, store_options: as in `write_image`.

    Returns:
        As `edit_image`.

    Raises:
        StoreError: the image has other levels, or some of another method: `rebuild_levels` makes all of them anew.
        IncompleteError: something in it is being written.
    """
    return _relevel(group, scale_factors, method, False, dry_run, progress, store_options)


def rebuild_levels(
    group: Any,
    method: Methodic = None,
    scale_factors: ScaleFactors | None = None,
    *,
    dry_run: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
) -> Edit:
    """Make all levels of an image anew but level 0, whoever made them; otherwise as `add_levels`.

    Args:
        group, dry_run, progress, store_options: as in `add_levels`.
        method: how levels are made; None takes that of the levels that are there.
        scale_factors: as in `write_image`; None takes those of the levels that are there, where they are whole.
    """
    return _relevel(group, scale_factors, method, True, dry_run, progress, store_options)


def remove_levels(
    group: Any, keep: int = 1, *, dry_run: bool = False, store_options: Mapping[str, Any] | None = None
) -> Edit:
    """Take the small levels of an image away, and those of its labels; `undo` brings them back.

    Args:
        group: as in `add_levels`. keep: number of levels that stay, the largest first.
        dry_run, store_options: as in `add_levels`.
    """
    count = whole_number(keep)
    if count is None or count < 1:
        raise OptionError(f"keep is how many levels stay, at least 1 (got {show(keep)}).")

    def plan(draft: Draft) -> None:
        for path in _images(draft.hierarchy, draft.target):
            document = draft.document(path)
            levels = _own_levels(document)
            made_by = {} if count == 1 else _made_by(document)
            document = releveled(document, draft.fmt, range(min(count, len(levels))), (), made_by)
            draft.put(path, document, unverified(draft.attributes(path)))
            for level in levels[count:]:
                _go(draft, path, level)

    what = {"change": "removal", "of": f"all levels after the first {count}"}
    return changed(opened(group, store_options), what, plan, dry_run=dry_run)


def _relevel(
    group: Any,
    scale_factors: ScaleFactors | None,
    method: Methodic,
    anew: bool,
    dry_run: bool,
    progress: Progress,
    store_options: Mapping[str, Any] | None,
) -> Edit:
    check_progress(progress)
    group = opened(group, store_options)
    name = None if method is None else find_method(method).name
    words = "" if name is None else f" by {name}"
    words += "" if scale_factors is None else f" {list(scale_factors)}"
    what = {"change": "rebuilding" if anew else "addition", "of": f"levels{words}"}
    target = changed_target(group)
    wanted = partial(_wanted, target, scale_factors, method, anew=anew)

    def make() -> None:
        for levels in wanted(settled_hierarchy(target, wait=False)):
            levels.make(target, progress)

    def plan(draft: Draft) -> None:
        for levels in wanted(draft.hierarchy):
            levels.put(draft, ready=not dry_run)

    found = changed(group, what, plan, dry_run=dry_run, before=make)
    if not dry_run:
        for path in _images(settled_hierarchy(target, wait=False), target):
            _forget(attrs.evolve(target, path=target.key(path)))
    return found


def _images(hierarchy: Hierarchy, target: Target) -> Iterator[str]:
    """Yield the paths of all images of a hierarchy, each before its labels."""
    fmt = find_target(target).fmt
    found = [p for p, n in hierarchy.nodes.items() if not n.is_array and "multiscales" in fmt.unwrap(n.attributes)]
    if not found:
        raise StoreError(f"{target} has no image, and none below it.")
    yield from found


def _own_levels(document: Mapping[str, Any]) -> list[str]:
    return named_paths({"multiscales": entries_of(document.get("multiscales"))[:1]})


def _made_by(document: Mapping[str, Any]) -> dict[str, Any]:
    entry = entries_of(document.get("multiscales"))[0]
    return {word: part_of(entry, word) for word in ("type", "metadata")}


def _go(draft: Draft, path: str, level: str) -> None:
    """Let a level go, unless another image of the group has it, too."""
    rest = {"multiscales": entries_of(draft.document(path).get("multiscales"))}
    if level not in named_paths(rest) and draft.node(_joined(path, level)) is not None:
        draft.go(_joined(path, level))


def _joined(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


# One image -----------------------------------------------------------------------------------------------------------


@attrs.frozen(eq=False)
class Levels:
    """Hold which levels an image gets.

    Attributes:
        path: of the image in its hierarchy. names: paths of its levels, old and new. old: of those that it has.
        kept: how many of these stay. request: the write of the others, beside the image.
    """

    path: str
    names: tuple[str, ...]
    old: tuple[str, ...]
    kept: int
    request: Request

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do."""
        return self.kept == len(self.names) == len(self.old)

    def make(self, root: Target, progress: Progress) -> None:
        """Write the levels beside the image, or go on with that; what was begun for something else goes."""
        request, image = self.request, attrs.evolve(root, path=root.key(self.path))
        if self.kept == len(self.names) or self._is_ready():
            return
        resume = request.target.mark is not None
        if not resume:
            delete(image, f"{JOURNAL}/{LEVELS}")  # what is finished, or half deleted
            request = attrs.evolve(request, target=attrs.evolve(request.target, attributes=None))
        begun = resume
        try:
            agree(request) if resume else None
        except StoreError:  # something else was begun
            resume = False
        execute(request, overwrite=begun and not resume, resume=resume, progress=progress)

    def _is_ready(self) -> bool:
        now, request = find_target(self.request.target, self.request.target.fmt), self.request
        wanted = now.fmt.unwrap(now.fmt.wrap(request.document()))
        same = now.mark is None and same_json(now.document, wanted)
        same = same and all(children(now, path) for k, path in enumerate(request.paths) if k not in request.kept)
        return same and same_json(now.said.get("source"), request.said["source"])

    def put(self, draft: Draft, *, ready: bool) -> None:
        """Put the levels into a draft.

        Args:
            ready: whether they have to be there.

        Raises:
            StoreError: they are not: the image has changed meanwhile.
        """
        if self.is_done:
            return
        new, request = range(self.kept, len(self.names)), self.request
        if new and ready and not self._is_ready():
            raise StoreError(f"{draft.target} was changed while its levels were made; do it again.")
        document, made = draft.document(self.path), request.metadata
        made_by = _made_by(document) if self.kept > 1 else {"type": made.type, "metadata": made.metadata}
        datasets = [Dataset(self.names[k], request.metadata.datasets[k].coordinateTransformations) for k in new]
        document = releveled(document, draft.fmt, range(self.kept), datasets, made_by)
        draft.put(self.path, document, unverified(draft.attributes(self.path)))
        for level in self.old[self.kept :]:
            _go(draft, self.path, level) if level not in self.names else draft.go(_joined(self.path, level))
        arrays = describe_arrays(request.target, request.names, request.array_options())
        for k in new:
            end = _joined(self.path, self.names[k])
            found = arrays[request.paths[k]].to_buffer_dict(default_buffer_prototype())
            documents = {name: buffer.to_bytes() for name, buffer in found.items()}
            draft.come(
                end,
                documents,
                partial(_bring, draft.target, _joined(self.path, f"{JOURNAL}/{LEVELS}/{request.paths[k]}")),
            )
            above = end.rpartition("/")[0]
            while above != self.path and draft.node(above) is None:
                draft.put(above, {}, {})
                above = above.rpartition("/")[0]


def _bring(target: Target, start: str, end: str) -> None:
    """Move a level that is made to where it waits for being put into place."""
    if target.folder is None:
        copy_below(target, start, end, {})
        return
    (target.folder / end).parent.mkdir(parents=True, exist_ok=True)
    os.rename(target.folder / start, target.folder / end)


def _forget(image: Target) -> None:
    """Delete what was prepared for an image."""
    if LEVELS in children(image, JOURNAL):
        delete(image, f"{JOURNAL}/{LEVELS}")
        delete_group(image, JOURNAL)  # which Zarr wants around a group, where there are no folders


def _wanted(
    target: Target, scale_factors: ScaleFactors | None, method: Methodic, hierarchy: Hierarchy, *, anew: bool
) -> Iterator[Levels]:
    """Yield which levels all images of a hierarchy get; those of labels line up with those of their image.

    Raises:
        StoreError: that cannot be.
    """
    references: dict[str, ReferenceLevels] = {}
    for path in _images(hierarchy, target):
        if leads_through_a_link(target, _joined(path, f"{JOURNAL}/{LEVELS}/")):
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
        if "multiscales" in image.image_document:
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
    request = attrs.evolve(request, kept=frozenset(stands), stands=stands, said=said, copied={})
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
        digest.update(wait_for(root.store, get_bytes(root.store, root.key(_joined(place, UNDO)))) or b"")
    return digest.hexdigest()[:16]
