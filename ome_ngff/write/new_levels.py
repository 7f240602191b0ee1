"""Which levels an image gets: made beside it, then put into place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

import attrs

from ..engine import Progress
from ..exceptions import StoreError
from ..spec import Dataset, is_image, named_paths, releveled, stated_method
from ..store import (
    JOURNAL,
    LEVELS,
    Hierarchy,
    Target,
    children,
    copy_below,
    delete,
    delete_group,
    describe_arrays,
    find_target,
    key_of,
    patiently,
    unverified,
)
from ..text import by, same_json
from .draft import Draft
from .execution import execute
from .request import Request
from .resume import agree


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
        how = stated_method(document) if self.kept > 1 else {"type": made.type, "metadata": made.metadata}
        datasets = [Dataset(self.names[k], request.metadata.datasets[k].coordinateTransformations) for k in new]
        document = releveled(document, draft.fmt, range(self.kept), datasets, how)
        draft.put(self.path, document, unverified(draft.attributes(self.path)))
        for level in self.old[self.kept :]:
            let_go(draft, self.path, level) if level not in self.names else draft.go(key_of(self.path, level))
        arrays = describe_arrays(request.target, request.names, request.array_options())
        for k in new:
            end = key_of(self.path, self.names[k])
            shape, chunks = by(request.levels[k].shape), by(request.grids[k].chunks)
            draft.words.append(f"{end}: {shape} of {request.dtype}, in chunks of {chunks}")
            draft.come(
                end,
                arrays[request.paths[k]].files(),
                partial(_bring, draft.target, key_of(self.path, f"{JOURNAL}/{LEVELS}/{request.paths[k]}")),
            )
            above = end.rpartition("/")[0]
            while above != self.path and draft.node(above) is None:
                draft.put(above, {}, {})
                above = above.rpartition("/")[0]


def _bring(target: Target, start: str, end: str) -> None:
    if target.folder is None:
        copy_below(target, start, end, {})
        return
    (target.folder / end).parent.mkdir(parents=True, exist_ok=True)
    patiently(partial(os.rename, target.folder / start, target.folder / end))


def forget_levels(image: Target) -> None:
    """Delete what was prepared for an image."""
    if LEVELS in children(image, JOURNAL):
        delete(image, f"{JOURNAL}/{LEVELS}")
        delete_group(image, JOURNAL)  # which Zarr wants around a group, where there are no folders


def images_of(hierarchy: Hierarchy, target: Target) -> Iterator[str]:
    """Yield the paths of all images of a hierarchy, each before its labels."""
    fmt = find_target(target).fmt
    found = [p for p, n in hierarchy.nodes.items() if not n.is_array and is_image(fmt.unwrap(n.attributes))]
    if not found:
        raise StoreError(f"{target} has no image, and none below it.")
    yield from found


def let_go(draft: Draft, path: str, level: str) -> None:
    """Let a level go, unless another image of the group has it, too."""
    if level not in named_paths(draft.document(path)) and draft.node(key_of(path, level)) is not None:
        draft.go(key_of(path, level))
