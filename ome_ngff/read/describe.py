"""What a store is: `describe_store` tells it of any OME-Zarr, ours or not, finished or not, and of bare Zarr.

Metadata only: no pixel is decoded, and no document, however broken, makes it fail; what is wrong becomes a note.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import attrs
import zarr
from zarr.abc.store import Store
from zarr.storage import FsspecStore, ZipStore

from ..exceptions import MissingError, NgffError
from ..spec import (
    Axis,
    Format,
    Metadata,
    StatedLevel,
    decode_omero,
    entries,
    format_for_zarr,
    format_implementations,
    kind_of,
    label_names,
    part_of,
    path_fault,
    scene_paths,
    stated_images,
    stated_version,
)
from ..store import (
    MARK,
    PLANNED,
    SHARED,
    Compression,
    at_work,
    find_target,
    folder_of,
    format_said,
    journal,
    locate,
    members,
    nearest_place,
    open_node,
    places,
    readable,
    sizes_in_zip,
    sync,
)
from .infos import ArrayInfo, AxisInfo, ChannelInfo, ImageInfo, PlateInfo, StoreInfo
from .plates import plate_of, unlisted_fields, wells_below

Document = Mapping[str, Any]
_GROWING = "being added to; what can be read is complete, and resume=True goes on where that was left off"
_CHANGING = "being upgraded, or that was interrupted: finish it with upgrade, or take it back with undo"
UNREADABLE = (NgffError, OSError, ValueError, KeyError, TypeError)


def describe_store(place: Any) -> StoreInfo:
    """Describe what is stored at a place.

    Args:
        place: a path, a URL, a zip file, a `zarr.Group` or `zarr.Array`, or a Zarr store.

    Raises:
        MissingError: there is no Zarr group or array.
        StoreError: it cannot be read.
    """
    store, path, name = find_place(place)
    node = open_node(store, path)
    if node is None:
        raise MissingError(f"There is no Zarr group or array at {name}.{nearest_place(name)}")
    if isinstance(node, zarr.Array):
        return StoreInfo(name, "array", None, node.metadata.zarr_format, arrays=(describe_array(node, ""),))
    return _group(node, name)


def find_place(place: Any) -> tuple[Store, str, str]:
    """Return the store, the path in it, and a name for people, of a place that `describe_store` takes."""
    name = os.fspath(place) if isinstance(place, (str, os.PathLike)) else ""
    store, path = locate(readable(place))
    return store, path, name or places.place(store, path)


def _group(group: zarr.Group, name: str) -> StoreInfo:
    document = _document(group)
    kind = kind_of(document)
    found = StoreInfo(name, kind, stated_version(document), group.metadata.zarr_format)
    if part_of(_mark(dict(group.attrs)), "upload") is not None:
        return attrs.evolve(found, kind="upload", images=(_uploaded(group),))
    if kind in ("image", "label image"):
        return attrs.evolve(found, images=_images(group, ""), labels=_labels(group, "labels"))
    if kind == "labels":
        return attrs.evolve(found, labels=_labels(group, ""))
    if kind in ("plate", "well"):
        listed = entries(part_of(document[kind], "wells" if kind == "plate" else "images"), "")
        plate = _plate(group) if kind == "plate" else None
        return attrs.evolve(found, members=tuple(str(part.get("path")) for _, part in listed), plate=plate)
    if kind == "scene":
        return attrs.evolve(found, members=tuple(scene_paths(document["scene"])))
    arrays: list[ArrayInfo] = []
    groups: list[str] = []
    with suppress(*UNREADABLE, NotImplementedError):  # a web server lists nothing
        for member, node in members(group).items():
            if isinstance(node, zarr.Array):
                arrays.append(describe_array(node, member))
            elif (kind, member) != ("bioformats2raw", "OME"):  # its metadata, no image
                groups.append(member)
    return attrs.evolve(found, arrays=tuple(arrays), members=tuple(groups))


def _uploaded(group: zarr.Group) -> ImageInfo:
    """Describe what is being uploaded, of which nothing can be read yet."""
    target, mark = find_target(group), _mark(dict(group.attrs))
    total = part_of(part_of(mark, SHARED), "units")
    found = ImageInfo("", None, None, False, None, (), (), (), joint=SHARED in mark)
    if not isinstance(total, int):
        return found
    done = min(len(journal.noted(target) - {journal.CLEARED}), total)
    return attrs.evolve(found, progress=(done, total), helpers=at_work(target), rate=journal.pace(target))


def _plate(group: zarr.Group) -> PlateInfo | None:
    try:
        target = find_target(group)
        plate = plate_of(target)
        there = wells_below(target, plate.ordered)
        fields = [field for well in there.values() for field in well.fields]
        counts = Counter(field.acquisition for field in fields)
        alike = Counter(each.name for each in plate.acquisitions)
        return PlateInfo(
            plate.name, plate.rows, plate.columns, plate.field_count,
            {path: len(there[path].fields) if path in there else None for path in plate.ordered},
            {
                (each.name if each.name and alike[each.name] == 1 else f"{each.name or ''} {each.id}".strip()):
                counts[each.id] for each in plate.acquisitions
            },
            tuple(f"{well}/{field.path}" for well, field in unlisted_fields(target, plate)),
        )  # fmt: skip
    except UNREADABLE:
        return None


def _document(group: zarr.Group) -> Document:
    """Return the metadata of a group; that of an unfinished write is in its mark."""
    attributes = dict(group.attrs)
    mark = _mark(attributes)
    for source in (attributes, part_of(mark, "metadata"), part_of(attributes.get(MARK), PLANNED)):
        for fmt in format_implementations() if isinstance(source, Mapping) else ():
            if document := fmt.unwrap(source):
                return document
    return {}


def _mark(attributes: Document) -> Any:
    return part_of(attributes.get(MARK), "incomplete")


def format_of(group: zarr.Group) -> Format:
    """Return the format that a group states, else the newest for its version of Zarr."""
    return format_said(dict(group.attrs)) or format_for_zarr(group.metadata.zarr_format)


# Images --------------------------------------------------------------------------------------------------------------


def _images(group: zarr.Group, path: str) -> tuple[ImageInfo, ...]:
    document, mark = _document(group), _mark(dict(group.attrs))
    progress = _progress(group, mark) if isinstance(mark, Mapping) else None
    target = find_target(group) if progress else None
    fmt = format_of(group)
    changes, grows = part_of(mark, "change") is not None, part_of(mark, "growing") is not None
    found = []
    for series, stated in enumerate(stated_images(document, fmt)):
        levels, notes = _levels(group, stated.levels)
        first = levels[0] if levels else None
        metadata = _decoded(fmt, document, series, first, notes)
        axes = _axes(metadata, first)
        found.append(
            ImageInfo(
                path,
                name=stated.name,
                method=stated.method,
                complete=mark is None or changes or grows,
                progress=progress,
                axes=axes,
                levels=tuple(levels),
                channels=_channels(document),
                notes=(_CHANGING,)
                if changes
                else (_GROWING, *notes)
                if grows
                else tuple(notes)
                if mark is None
                else (),
                helpers={} if target is None else at_work(target),
                rate=None if target is None else journal.pace(target),
                joint=isinstance(mark, Mapping) and SHARED in mark,
                systems=tuple(system.name for system in metadata.systems) if metadata else (),
                transformations=tuple(map(str, metadata.edges)) if metadata else (),
            )
        )
    return tuple(found)


def _decoded(
    fmt: Format, document: Document, series: int, first: ArrayInfo | None, notes: list[str]
) -> Metadata | None:
    try:
        return fmt.decode(document, series, len(first.shape) if first else None)
    except NgffError as error:
        notes.append(str(error))
        return None


def _progress(group: zarr.Group, mark: Document) -> tuple[int, int] | None:
    """Count the units of an unfinished write that are on disk, and all."""
    try:
        shapes, passes = mark["levels"], mark["cut"][:-1]
        total = sum(
            math.prod(-(-n // u) for n, u in zip(shapes[base], unit, strict=True)) for base, _, _, unit in passes
        )
        return min(len(journal.noted(find_target(group)) - {journal.CLEARED}), total), total
    except (*UNREADABLE, NotImplementedError, ArithmeticError, IndexError):
        return None


def _levels(group: zarr.Group, stated: Iterable[StatedLevel]) -> tuple[list[ArrayInfo], list[str]]:
    levels, notes = [], []
    for level in stated:
        path = level.path
        try:
            where = "/".join(filter(None, [group.path, path]))
            node = open_node(group.store, where, group.metadata.zarr_format) if not path_fault(path) else None
        except UNREADABLE as error:
            notes.append(f"The level {path!r} cannot be read: {error}")
            continue
        if isinstance(node, zarr.Array):
            scale, translation = level.geometry(node.ndim)
            levels.append(attrs.evolve(describe_array(node, path), scale=scale, translation=translation))
        else:
            notes.append(f"The level {path!r} is missing.")
    return levels, notes


def _axes(metadata: Metadata | None, first: ArrayInfo | None) -> tuple[AxisInfo, ...]:
    """Describe the axes; where they are not known, as many as the arrays have."""
    axes = metadata.axes if metadata is not None else []
    if first is not None and metadata is None:
        axes = [Axis(str(i)) for i in range(len(first.shape))]
    found = []
    for i, axis in enumerate(axes):
        size = first.shape[i] if first else None
        pixel = first.scale[i] if first and first.scale else None
        extent = size * pixel if size and pixel and axis.type in ("space", "time") else None
        found.append(AxisInfo(axis.name, axis.type, axis.unit, axis.orientation, size, pixel, extent))
    return tuple(found)


def _channels(document: Document) -> tuple[ChannelInfo, ...]:
    omero = decode_omero(document.get("omero"))
    shown = [
        (c, (c.window.start, c.window.end) if c.window else (None, None)) for c in (omero.channels if omero else ())
    ]
    return tuple(ChannelInfo(channel.label, channel.color, *window) for channel, window in shown)


def _labels(group: zarr.Group, path: str) -> tuple[ImageInfo, ...]:
    """Describe the label images below a path: those that are listed there, and those that are not finished."""
    store, root = group.store, "/".join(filter(None, [group.path, path]))
    found: list[ImageInfo] = []
    with suppress(*UNREADABLE):
        node = open_node(store, root, group.metadata.zarr_format)
        if not isinstance(node, zarr.Group):
            return ()
        names = label_names(_document(node))
        with suppress(*UNREADABLE, NotImplementedError):
            groups = {name: each for name, each in members(node).items() if isinstance(each, zarr.Group)}
            names += [name for name, each in groups.items() if name not in names and _mark(dict(each.attrs))]
        for name in names:
            below = "/".join(filter(None, [path, name]))
            try:
                label = open_node(store, f"{root}/{name}".strip("/"), group.metadata.zarr_format)
                images = _images(label, below) if isinstance(label, zarr.Group) else ()
            except UNREADABLE:
                images = ()
            empty = ImageInfo(below, name, None, True, None, (), (), (), (f"The label image {name!r} is missing.",))
            found += images or (empty,)
    return tuple(found)


# Arrays --------------------------------------------------------------------------------------------------------------


def describe_array(array: zarr.Array[Any], path: str) -> ArrayInfo:
    size = int(array.nbytes)
    stored = stored_bytes(array)
    return ArrayInfo(
        path,
        shape=tuple(array.shape),
        dtype=str(array.dtype),
        chunks=tuple(array.chunks),
        shards=None if array.shards is None else tuple(array.shards),
        codec=codec_of(array),
        bytes=size,
        stored=stored,
        ratio=size / stored if stored else None,
    )


def codec_of(array: zarr.Array[Any]) -> str:
    """Name the compression of an array, as `compression=` takes it where it can be said that way."""
    names = []
    for codec in (*array.filters, *array.compressors):
        try:
            names.append(str(Compression.parse(codec)))
        except UNREADABLE:
            names.append(type(codec).__name__)
    return " + ".join(names) or "none"


def stored_bytes(array: zarr.Array[Any]) -> int | None:
    """Count the bytes that an array takes where it is stored; None where that cannot be known, as on a web server."""
    store = array.store
    folder = folder_of(store, array.path)
    if folder is not None:
        return sum(_file_sizes(folder))
    try:
        if isinstance(store, FsspecStore):
            root = "/".join(filter(None, [store.path.rstrip("/"), array.path]))
            if "http" in str(store.fs.protocol):
                return None
            found = sync(store.fs._find(root, detail=True))
            return sum(int(file.get("size") or 0) for file in found.values())
        if isinstance(store, ZipStore):
            return sizes_in_zip(store, array.path)
        if str(store).startswith("http"):
            return None
        return int(sync(store.getsize_prefix(array.path)))
    except Exception:  # every store has errors of its own
        return None


def _file_sizes(folder: Any) -> Iterator[int]:
    with os.scandir(folder) as children:
        for child in children:
            if child.is_dir(follow_symlinks=False):
                yield from _file_sizes(child.path)
            else:
                yield child.stat().st_size
