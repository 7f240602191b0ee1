"""Writes that are under way: their mark, the journal of what is done, the end.

A write that is under way leaves its group with the attribute `ome_ngff` (the mark: what is being written, and how the
work is cut) and without OME metadata, so no reader takes it for an image. Finished units leave a small key each below
`.ome_ngff/`; that is what `resume=True` goes by. Finishing replaces the mark by the metadata in one step.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

import attrs

from .attributes import put_attributes
from .inline import wait_for
from .nodes import children, delete
from .target import MARK, Target
from .zarr_private import default_buffer_prototype

JOURNAL = ".ome_ngff"
CLEARED = "cleared"


def begin(target: Target, mark: Mapping[str, Any], more: Mapping[str, Any]) -> Target:
    """Mark the group as unfinished and take its OME metadata away; foreign attributes stay, and `more` are added."""
    foreign = {k: v for k, v in target.fmt.strip(target.attributes or {}).items() if k != MARK}
    image = "multiscales" in target.document  # else its other parts, such as `image-label`, wait in the mark
    parts = {} if image else {k: v for k, v in target.document.items() if k != "version"}
    parts = {**(target.mark or {}).get("parts", {}), **parts}
    attributes = {**foreign, **more, MARK: {"incomplete": {"write": uuid4().hex, "parts": parts, **mark}}}
    put_attributes(target, attributes)
    return attrs.evolve(target, attributes=attributes)


def finish(target: Target, document: Mapping[str, Any]) -> None:
    """Replace the mark by the metadata, in one step."""
    foreign = {k: v for k, v in target.fmt.strip(target.attributes or {}).items() if k != MARK}
    parts = (target.mark or {}).get("parts", {})
    put_attributes(target, {**foreign, **target.fmt.wrap({**parts, **document})})


def sweep_partial(target: Target, paths: Iterable[str]) -> None:
    """Delete the files of some levels that a killed process has left half written."""
    folder = target.folder
    for level in [folder / path for path in paths] if folder is not None else []:
        for stray in level.rglob("*.partial"):
            stray.unlink(missing_ok=True)


def note(target: Target, what: str) -> None:
    """Write into the journal that a unit is on disk, or that the place is cleared."""
    if target.store.supports_deletes:
        buffer = default_buffer_prototype().buffer.from_bytes(b"done")
        wait_for(target.store, target.store.set(target.key(f"{JOURNAL}/{what}"), buffer))


def noted(target: Target) -> set[str]:
    """Read from the journal what is done: the units that are on disk, and `CLEARED`."""
    return {name for name in children(target, JOURNAL) if name == CLEARED or re.fullmatch(r"\d+-\d+", name)}


def forget_units(target: Target) -> None:
    """Start the journal anew."""
    delete(target, JOURNAL)
