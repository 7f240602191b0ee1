"""The group that is, or becomes, an image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import zarr
from zarr.abc.store import Store
from zarr.storage import LocalStore, MemoryStore

from ..exceptions import ExistsError, FormatError, IncompleteError, StoreError
from ..spec import (
    Format,
    format_for_zarr,
    format_from_version,
    format_implementations,
    is_image,
    part_of,
    stated_format,
)
from ..text import show
from .opening import open_node
from .places import folder_of, key_of, locate, place
from .zip import Package

SHARED = "shared"  # in the mark: what was prepared for helpers; nothing while somebody prepares it
MARK = "ome_ngff"  # the attribute of an unfinished write, and of what a finished image says under our name
PLANNED = "planned"  # in what is said: the attributes of a plate without wells, which is none yet
_DEEPEST = 3  # groups above a field: its well, its row, its plate
ORIGINAL = "OME/METADATA.ome.xml"  # the OME-XML of the file that an image was made from
FRAMES = "frames.jsonl"  # what is said of the frames of an image that has grown


def unverified(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of an image without the digests of its pixels, which are no longer true."""
    said = attributes.get(MARK)
    rest = {k: v for k, v in said.items() if k != "verified"} if isinstance(said, Mapping) else said
    return {k: rest if k == MARK else v for k, v in attributes.items() if k != MARK or rest or rest == said}


@attrs.frozen
class Target:
    """Point to a group that an image is, or will be, written to. Making one touches nothing.

    Attributes:
        store: the Zarr store. path: the group's path in it, "" for the root.
        fmt: the format to write, that of the existing group where there is one.
        attributes: attributes of the existing group, or None where there is no group yet.
        handle: the caller's own group. It remembers attributes and writes all of them back with the caller's next one,
            so it is told of ours.
        package: the ZIP that the group becomes, where it is one; only `execute` writes these.
    """

    store: Store
    path: str
    fmt: Format
    attributes: dict[str, Any] | None
    handle: zarr.Group | None = attrs.field(default=None, eq=False, repr=False)
    package: Package | None = None

    @property
    def mark(self) -> dict[str, Any] | None:
        """What an unfinished write has stated about itself, or None; what is not of its form is left out."""
        mark = (self.attributes or {}).get(MARK)
        if not isinstance(mark, Mapping) or mark.get("incomplete") is None:
            return None
        stated = mark["incomplete"] if isinstance(mark["incomplete"], Mapping) else {}
        parts = ("parts", "metadata", "said", "shared")
        return {k: v for k, v in stated.items() if k not in parts or isinstance(v, Mapping)}

    @property
    def said(self) -> dict[str, Any]:
        """What stands under our name of the image, or of the one whose write is under way: its source, for one."""
        said = (self.attributes or {}).get(MARK) if self.mark is None else self.mark.get("said")
        return {k: v for k, v in said.items() if k != "incomplete"} if isinstance(said, Mapping) else {}

    @property
    def is_image(self) -> bool:
        """Whether the group is an image that can be read, or labels."""
        return is_image(self.document)

    @property
    def growing(self) -> bool:
        """Whether the group is an image that is being added to: it can be read, as far as level 0 is long."""
        return isinstance((self.mark or {}).get("growing"), Mapping) and self.is_image

    def refuse_change(self) -> None:
        """Raise `IncompleteError` where the hierarchy is being changed, or was left so."""
        mark = self.mark or {}
        if mark.get("change") == "upgrade":
            versions = " to ".join(show(mark.get(key)).strip("'") for key in ("from", "to"))
            raise IncompleteError(
                f"{self} is being upgraded from OME-Zarr {versions}, or that was interrupted: finish it with upgrade, "
                "or take it back with undo."
            )
        if "change" in mark:
            of = f" of {str(mark['of'])[:200]}" if "of" in mark else ""
            way = " and resume=True" if mark["change"] in ("update", "extension") else ""
            raise IncompleteError(
                f"{self} is being changed (the {show(mark['change']).strip(chr(39))}{of}), or that was interrupted: "
                f"finish it with the same call{way}, or take it back with undo."
            )

    @property
    def way_on(self) -> str:
        """What finishes an unfinished write, for messages."""
        joint = SHARED in (self.mark or {})
        return "join=True in any number of processes, or resume=True in one" if joint else "resume=True"

    @property
    def document(self) -> dict[str, Any]:
        """Metadata of the existing group."""
        return self.fmt.unwrap(self.attributes or {})

    @property
    def image_document(self) -> dict[str, Any]:
        """Metadata of the existing group, or of the image whose write is under way."""
        return self.document if self.mark is None else self.fmt.unwrap(self.mark.get("metadata") or {})

    @property
    def folder(self) -> Path | None:
        """Folder of this machine that the group is; None where it is stored elsewhere."""
        return folder_of(self.store, self.path)

    def key(self, name: str) -> str:
        """Return the path in the store of something below the group."""
        return key_of(self.path, name)

    @property
    def plate_document(self) -> dict[str, Any]:
        """Metadata of the existing group, or of the plate that it becomes with its first well."""
        planned = self.said.get(PLANNED)
        return self.document or self.fmt.unwrap(planned if isinstance(planned, Mapping) else {})

    def child(self, name: str) -> Target:
        """Point to a group below this one, in the same version."""
        self.refuse_package()
        return _found(self.store, self.key(name), self.fmt)

    def refuse_package(self) -> None:
        """Raise `StoreError` for a ZIP: nothing can be added to it later."""
        if self.package is not None:
            raise StoreError(
                f"{self} is a ZIP, which is written as a whole: let to_ngff_zarr write the image with its labels and "
                "metadata, or write a folder."
            )

    def __str__(self) -> str:
        return place(self.store, self.path) if self.package is None else str(self.package)


def find_target(group: Any, fmt: Format | str | None = None) -> Target:
    """Find the group that a caller means, without touching it.

    Args:
        group: a path, a URL, a `zarr.Group`, a Zarr store or store path, a mutable mapping, or a target to find anew.
        fmt: the format asked for, or its version; None takes that of the existing group, else the newest.

    Raises:
        ExistsError: there is an array instead of a group.
        FormatError: there is no such version, or the group has the other version of Zarr.
    """
    fmt = None if fmt is None else format_from_version(fmt)
    package = Package.find(group)
    if package is not None:
        return Target(MemoryStore(), "", fmt or format_for_zarr(3), None, package=package)
    store, path = locate(group)
    target = _found(store, path, fmt)
    handle = group if isinstance(group, zarr.Group) and not group.read_only else None
    if fmt is not None:
        _refuse_other(target)
    return target if target.attributes is None else attrs.evolve(target, handle=handle)


def _found(store: Store, path: str, fmt: Format | None) -> Target:
    found = open_node(store, path, None if fmt is None else fmt.zarr_format)
    if isinstance(found, zarr.Array):
        raise ExistsError(f"{place(store, path)} is an array, and an image is a group of arrays; name that.")
    if found is None:
        return Target(store, path, fmt or _format_of_parents(store, path), None)
    attributes = dict(found.attrs)
    here = found.metadata.zarr_format
    if fmt is not None and fmt.zarr_format != here:
        raise FormatError(
            f"{place(store, path)} is a group of Zarr v{here}, but OME-NGFF {fmt.version} is stored in Zarr "
            f"v{fmt.zarr_format}; write to another place, or leave out the format."
        )
    return Target(store, path, fmt or format_said(attributes) or _format_of_parents(store, path, here), attributes)


def _refuse_other(target: Target) -> None:
    """Raise `FormatError` where a version is asked for in a plate that has another one."""
    stated = format_said(target.attributes or {})
    if stated == target.fmt:
        return
    here = [(target, stated)] if stated and _is_of_plate(target.attributes or {}) else []
    for where, version in (*here, *plates_above(target.store, target.path)):
        if version != target.fmt:
            raise FormatError(
                f"{where} is OME-Zarr {version.version}, so {target} cannot be {target.fmt.version}: a plate has one "
                "version. Leave out the format, or upgrade the plate."
            )


def format_said(attributes: Mapping[str, Any]) -> Format | None:
    """Return the format that attributes state, be it in the mark of a write that is under way; None for none."""
    mark = attributes.get(MARK)
    begun = part_of(part_of(mark, "incomplete"), "metadata") or part_of(mark, PLANNED)
    return stated_format(attributes) or (stated_format(begun) if isinstance(begun, Mapping) else None)


def _is_of_plate(attributes: Mapping[str, Any]) -> bool:
    planned = part_of(attributes.get(MARK), PLANNED) is not None
    return planned or any({"plate", "well"} & set(fmt.unwrap(attributes)) for fmt in format_implementations())


def plates_above(store: Store, path: str) -> Iterator[tuple[Target, Format]]:
    """Yield the wells and plates that a group is in, and their versions: in its store, and in the folders around it."""
    parts = path.split("/") if path else []
    above = [(store, "/".join(parts[:depth])) for depth in range(len(parts))][::-1]
    root = folder_of(store)
    if root is not None:
        above += [(LocalStore(folder), "") for folder in root.parents]
    for where in above[:_DEEPEST]:
        try:
            node = open_node(*where)
        except StoreError:  # of others, who may keep what they like there
            continue
        stated = format_said(dict(node.attrs)) if isinstance(node, zarr.Group) else None
        if isinstance(node, zarr.Group) and stated is not None and _is_of_plate(dict(node.attrs)):
            yield Target(*where, stated, dict(node.attrs)), stated


def _format_of_parents(store: Store, path: str, zarr_format: int | None = None) -> Format:
    """Take the version that the nearest group above states, so that a hierarchy has one; else that of its Zarr.

    Of folders around a store, only plates and wells count.
    """
    above = path
    while above and zarr_format != 2:
        above = above.rpartition("/")[0]
        parent = open_node(store, above)
        if isinstance(parent, zarr.Group):
            zarr_format = zarr_format or parent.metadata.zarr_format
            stated = format_said(dict(parent.attrs))
            if stated is not None and stated.zarr_format == zarr_format:
                return stated
    plate = next((fmt for _, fmt in plates_above(store, path) if zarr_format in (None, fmt.zarr_format)), None)
    return plate or format_for_zarr(zarr_format or 3)
