"""A stored hierarchy in another version of OME-NGFF, where it stands: documents change, and no chunk is touched.

`upgraded.UpgradePlan` is pure: documents in, documents out, or an error that lists all that stands in the way.
`store.carry_out` is what changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import attrs
from zarr.storage import StorePath

from ..exceptions import (
    FormatError,
    InputError,
    NgffError,
    StoreError,
    ValidationError,
)
from ..read import planned_findings
from ..spec import (
    Format,
    format_for_zarr,
    format_from_version,
    part_of,
    stated_version,
    states,
    states_ome,
)
from ..store import (
    MARK,
    PLANNED,
    UNDOING,
    Change,
    Hierarchy,
    Target,
    carry_out,
    forget_copies,
    locate,
    locked,
    named_faults,
    opened,
    place,
    read_hierarchy,
    read_record,
)
from ..text import show, warn
from .hierarchies import FORMATS, changed_target, named_below, settled_hierarchy
from .upgraded import UpgradePlan, enumerated

_KEPT = ("scale-size",)  # what an older version only warns of, and what no new document changes
_ABOVE = 4  # folders above a hierarchy that may be a larger one: of a field, a well, a row, a plate


@attrs.frozen
class Upgrade:
    """State what an upgrade does, or has done.

    Attributes:
        source, to: the versions. images: number of images, label images included, whose version changes.
        documents: number of documents that come, change or go. losses: what the new version cannot hold, in words.
    """

    source: str
    to: str
    images: int
    documents: int
    losses: tuple[str, ...] = ()


def upgrade(
    group: Any,
    version: str | float | Format = "0.5",
    *,
    lossy: bool = False,
    dry_run: bool = False,
    store_options: Mapping[str, Any] | None = None,
) -> Upgrade:
    """Turn a stored hierarchy into another version of OME-NGFF, in place: no chunk is read, moved or written.

    An image with its labels, a plate, a collection of bioformats2raw or a scene changes as a whole. Interrupted at any
    moment, the same call goes on, and `undo` takes back what was done; `undo` also does so later, until the next
    change.

    Args:
        group: a path, a URL, a `zarr.Group`, a Zarr store or a mapping: the root of the hierarchy.
        version: to have in the end, also an older one.
        lossy: accept, with a warning each, what that version cannot hold.
        dry_run: say what would be done, and change nothing. store_options: as in `write_image`.

    Returns:
        What was done; of nothing where the hierarchy has that version.

    Raises:
        FormatError: the version cannot hold all that is there; versions are mixed, or not known.
        CodecError: the chunks cannot be described in that version. ValidationError: the new documents break rules.
        IncompleteError: something in it is being written. StoreError: it can only be read. Nothing has changed then.
    """
    to = format_from_version(version)
    target = changed_target(opened(group, store_options))
    if dry_run:
        return (_under_way(target, to) or _planned(target, to, lossy))[0]
    with named_faults(target, "upgrade it again, or undo it"), locked(target) as (_, claim):
        found, change = _under_way(target, to) or _planned(target, to, lossy, wait=True)
        if change.keys:
            carry_out(target, change, claim)
            forget_copies(target.store, target.path)
    for loss in found.losses:
        warn(f"{target}: {loss}")
    return found


def _under_way(target: Target, to: Format) -> tuple[Upgrade, Change] | None:
    """Return what was interrupted, to be finished.

    Raises:
        StoreError: it was something else than what is asked for.
    """
    record = read_record(target, done=False)
    if record is None:
        return None
    change = record.change
    upgraded = change.what["to"] if change.what["change"] == "upgrade" else None
    if record.name == UNDOING or upgraded != to.version:
        way = "undo(group)" if record.name == UNDOING or upgraded is None else f"version={upgraded!r}, or undo(group)"
        raise StoreError(f"Of {target}, {change} was interrupted; finish that first, with {way}.")
    return Upgrade(change.what["from"], to.version, 0, len(change.keys)), change


def _planned(target: Target, to: Format, lossy: bool, *, wait: bool = False) -> tuple[Upgrade, Change]:
    hierarchy = settled_hierarchy(target, wait=wait)
    _refuse_part(target)
    try:
        source = _source(hierarchy)
        plan = UpgradePlan.of(hierarchy, source, to, lossy=lossy)
    except NgffError as error:
        raise type(error)(f"{target}: {error}") from None
    if plan.losses and not lossy:
        raise FormatError(
            f"{target} has what OME-Zarr {to.version} cannot hold: {enumerated(plan.losses)}. "
            "Pass lossy=True to do without; undo brings it back."
        )
    change = plan.change
    found = planned_findings(plan.contents, plan.names(hierarchy), to, plan.tops(hierarchy)) if change.keys else []
    if errors := [finding for finding in found if finding.severity == "error" and finding.rule not in _KEPT]:
        raise ValidationError(errors)
    return Upgrade(plan.stated, to.version, plan.images, len(change.keys), tuple(plan.losses)), change


def _source(hierarchy: Hierarchy) -> Format:
    """Return the version of a hierarchy, which its root states.

    Raises:
        InputError: the root has no metadata of OME. FormatError: its version cannot be changed here.
    """
    root = hierarchy.nodes[""]
    if len(root.zarr_formats) > 1:
        raise FormatError("this is a group of Zarr v2 and v3; delete the documents of one of them")
    if root.is_array:
        raise InputError("this is an array; an image is a group of arrays")
    there = [fmt for fmt in FORMATS if fmt.zarr_format == root.zarr_format]
    documents = [fmt.unwrap(root.attributes) for fmt in there]
    if part_of(root.attributes.get(MARK), PLANNED) is not None and not any(documents):
        raise InputError(
            "this plate has no wells yet, so there is nothing to upgrade; delete it, and make it in the other version"
        )
    if not any(documents) or (root.zarr_format == 2 and not states_ome(documents[0], "")):
        raise InputError("this group has no metadata of OME; give an image, a plate or a collection")
    stated = stated_version(documents[0])
    for fmt in there:
        if (stated is None and root.zarr_format == 2) or (stated is not None and states(fmt, stated)):
            return fmt
    raise FormatError(f"OME-Zarr {show(stated)} cannot be changed in place; write a copy with another version")


def _refuse_part(target: Target) -> None:
    """Raise `FormatError` for a part of a larger hierarchy, which would have two versions then."""
    above: list[Any] = []
    if target.path:
        parents = [str(p) for p in PurePosixPath(target.path).parents]
        above += [StorePath(target.store, "" if p == "." else p) for p in parents]
    if target.folder is not None:
        above += [str(p) for p in islice(target.folder.parents, _ABOVE)]
    for each in above:
        store, path = locate(each)
        parent = Target(store, path, format_for_zarr(3), {})
        nodes = read_hierarchy(parent, named_below, whole=False).nodes
        attributes = nodes[""].attributes if nodes else {}
        name = path.rpartition("/")[2]
        if any(states_ome(fmt.unwrap(attributes), name) for fmt in FORMATS):
            raise FormatError(
                f"{target} is a part of {place(store, path)}, which has one version as a whole; upgrade that."
            )
