"""Levels of images that are there: made from level 0 as it stands, made anew, or taken away.

New levels are written beside the image, as a write that can be resumed; then one change puts them into place.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import attrs

from ..engine import Progress, check_progress
from ..exceptions import OptionError
from ..pixels import ScaleFactors, find_method
from ..spec import named_paths, releveled, stated_method
from ..store import (
    opened,
    unverified,
)
from ..text import show, whole_number
from .changing import Edit, changed
from .draft import Draft
from .hierarchies import changed_target, settled_hierarchy
from .ladder import Methodic, wanted_levels
from .new_levels import forget_levels, images_of, let_go


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
        for path in images_of(draft.hierarchy, draft.target):
            document = draft.document(path)
            levels = named_paths(document, series=0)
            made = {} if count == 1 else stated_method(document)
            document = releveled(document, draft.fmt, range(min(count, len(levels))), (), made)
            draft.put(path, document, unverified(draft.attributes(path)))
            for level in levels[count:]:
                let_go(draft, path, level)

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
    wanted = partial(wanted_levels, target, scale_factors, method, anew=anew)

    def make() -> None:
        for levels in wanted(settled_hierarchy(target, wait=False)):
            levels.make(target, progress)

    def plan(draft: Draft) -> None:
        for levels in wanted(draft.hierarchy):
            levels.put(draft, ready=not dry_run)

    found = changed(group, what, plan, dry_run=dry_run, before=make)
    if not dry_run:
        for path in images_of(settled_hierarchy(target, wait=False), target):
            forget_levels(attrs.evolve(target, path=target.key(path)))
    return found
