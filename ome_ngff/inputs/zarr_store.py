"""Zarr arrays of both versions and OME-Zarr images, whose first level is taken."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import PurePath
from typing import Any

import attrs
import zarr
from zarr.storage import StorePath

from ..exceptions import InputError, MissingError, NgffError
from ..image import NgffImage
from ..read import StoredImage, StoredLevel, document_of
from ..spec import Metadata, image_names, is_image, label_names, path_fault
from ..store import Target, find_target, locate, members, nearest_place, open_node, readable, settled
from ..text import by, warn
from .arrange import Facts, arranged, named_axes, positive
from .inside import Inside
from .naming import Coordinates, tell_packing, understood, with_coordinates
from .npy import number_of, only_one, refuse_records

_OF_MANY = {"plate": "A/1/0", "well": "0", "scene": "0"}  # groups of several images, with the path of one


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open a Zarr array, an OME-Zarr image, or the only array of a group; `file.zarr::0/labels/cells` goes inside.

    Args:
        path: a folder, a zip file (`.ozx`, `.zarr.zip`) or a URL.
        inner: path inside of it.
        series: index or name of the image where the group has several.
        axes: one name per dimension; overrides what the metadata says.

    Raises:
        MissingError: there is nothing at `inner`.
        InputError: the group is not an image.
    """
    where = f"{path}::{inner}" if inner else path
    store, at = locate(readable(path))
    node: Any = open_node(store, "/".join(filter(None, [at, inner])))
    if node is None:
        raise MissingError(f"There is no Zarr group or array at {where}.{nearest_place(where)}")
    name = re.sub(r"(\.ome)?(\.zarr)?(\.zip|\.ozx|\.zr)?$", "", PurePath(inner or path.rstrip("/")).name) or "image"
    if isinstance(node, zarr.Array):
        siblings: dict[str, Any] = {}
        with suppress(NgffError):  # what is above is not what was asked for
            above = open_node(store, node.path.rpartition("/")[0]) if node.path else None
            siblings = _arrays(above) if isinstance(above, zarr.Group) else {}
        return _array(node, where, axes, Facts(name=name), siblings)
    target = find_target(node)
    document = target.document
    if is_image(document) or target.mark is not None:
        names = image_names(document)
        return image_in(target, where, number_of(series, names, where, names), axes, name)
    if "bioformats2raw.layout" in document and not inner:
        images = _series(node)
        return open_file(path, images[number_of(series, images, where, images)], None, axes)
    kind = next((kind for kind in _OF_MANY if kind in document), None)
    if kind is not None:
        example = f"{path}::{'/'.join(filter(None, [inner, _OF_MANY[kind]]))}"
        raise InputError(f"{where} is a {kind}; say which image, as in '{example}'.")
    labels = label_names(document)
    if labels:
        return open_file(path, f"{inner}/{only_one('', labels, where)}".strip("/"), series, axes)
    arrays = _arrays(node)
    images = [name for name, each in arrays.items() if each.ndim > 1]
    array = only_one("", images or list(arrays), where)
    return _array(arrays[array], f"{where}/{array}", axes, Facts(name=array), arrays)


def inside(path: str, inner: str) -> Iterator[Inside]:
    """Yield the images of a group or of a collection, or the arrays of a bare group."""
    store, at = locate(readable(path))
    node = open_node(store, "/".join(filter(None, [at, inner])))
    document = find_target(node).document if isinstance(node, zarr.Group) else {}
    if is_image(document) or ("bioformats2raw.layout" in document and not inner):
        names = image_names(document) if is_image(document) else _series(node)
        for number, name in enumerate(names):
            several = number if len(names) > 1 or not is_image(document) else None
            yield Inside(partial(open_file, path, inner, several), str(name), several)
        return
    bare = _arrays(node) if isinstance(node, zarr.Group) and not _OF_MANY.keys() & document.keys() else {}
    images = [name for name, each in bare.items() if each.ndim > 1]
    below = [f"{inner}/{name}".strip("/") for name in label_names(document) or images]
    for name in below if len(below) > 1 else [inner]:
        yield Inside(partial(open_file, path, name, None), name, inner=name)


def _series(collection: Any) -> list[str]:
    """Return the paths of the images of a collection of bioformats2raw: those it lists, else the groups 0, 1, 2, ..."""
    here = open_node(collection.store, f"{collection.path}/OME".strip("/"))
    listed = find_target(here).document.get("series") if isinstance(here, zarr.Group) else None
    if isinstance(listed, list):
        return [path for path in listed if isinstance(path, str) and not path_fault(path)]
    numbers = itertools.takewhile(
        lambda n: open_node(collection.store, f"{collection.path}/{n}".strip("/")) is not None, itertools.count()
    )
    return list(map(str, numbers)) or ["0"]


def image_in(target: Target, where: str, index: int, axes: Sequence[str] | None, name: str) -> NgffImage:
    """Open the first level of an image with what its metadata says.

    Args:
        target: its group. where: what messages call it. index: which of the images of the group.
        axes: one name per dimension; overrides what the metadata says. name: of an image that has none.

    Raises:
        NgffError: the image cannot be understood; see `StoredImage.of`.
    """
    found = StoredImage.of(target, index)
    first = found.arrays[0]
    if larger := [each for each in found.arrays if each.size > first.size]:
        example = f"{where}{'/' if '::' in where else '::'}{larger[0].path.removeprefix(target.path).strip('/')}"
        what = f"lists a level of {by(first.shape)} before larger ones"
        raise InputError(f"{where} {what}; say which it is, as in {example!r}.")
    scale, translation = found.geometry(0)
    if none := {name: size for name, size in zip(found.names, scale, strict=True) if positive(size) is None}:
        said = ", ".join(f"{name} {size:g}" for name, size in none.items())
        warn(f"{where} states pixel sizes that are not above zero ({said}); they count as 1 where no scale is given.")
    channels = found.metadata.omero.channels if found.metadata.omero else []
    colors = [(channel.color or "").lstrip("#").upper() for channel in channels]
    labels = [channel.label for channel in channels if channel.label is not None]
    facts = Facts(
        name=image_names(document_of(target))[index] or name,
        scale=dict(zip(found.names, scale, strict=True)),
        translation=dict(zip(found.names, translation, strict=True)) if any(translation) else {},
        units={axis.name: axis.unit for axis in found.metadata.axes if axis.unit},
        orientations={axis.name: axis.orientation for axis in found.metadata.axes if axis.orientation},
        channel_names=labels if channels and len(labels) == len(channels) else None,
        channel_colors=colors if channels and all(re.fullmatch("[0-9A-F]{6}", color) for color in colors) else None,
    )
    array = found.level(0)
    return arranged(array, named_axes(axes, array.ndim, where, found.names), where, facts)


def _arrays(group: zarr.Group) -> dict[str, Any]:
    return {name: each for name, each in members(group).items() if isinstance(each, zarr.Array)}


def _array(array: Any, where: str, axes: Sequence[str] | None, facts: Facts, siblings: Mapping[str, Any]) -> NgffImage:
    """Open an array alone, with the names of its dimensions where it has them.

    Args:
        array: the array. where: what messages call it. axes: of the caller. facts: what is known of it.
        siblings: arrays next to it; those of one dimension with the name of one of its own have its coordinates.
    """
    refuse_records(array.dtype, where)
    words = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    words = words if len(words) == array.ndim else ()
    own = () if axes is not None else understood(words, array.shape, where)
    names = named_axes(axes, array.ndim, where, own)
    tell_packing(array.attrs, where)
    found = {name: siblings[word] for name, word in zip(names, words, strict=False) if word in siblings}
    along = {
        name: Coordinates(each[...], each.attrs)
        for name, each in found.items()
        if each.shape == (array.shape[names.index(name)],) and array.ndim > 1
    }
    return arranged(StoredLevel(settled(array), where), names, where, with_coordinates(facts, along, where))


@attrs.frozen(eq=False)
class SourceImage:
    """Point to the OME-Zarr image that an input is the first level of: what it says of itself, not its pixels.

    Attributes:
        target: its group. metadata: what it says of itself.
    """

    target: Target
    metadata: Metadata

    @classmethod
    def of(cls, image: NgffImage) -> SourceImage | None:
        """Find the image that an input is the first level of; None for every other input."""
        array = getattr(image.data, "origin", image.data)
        if not isinstance(array, zarr.Array):
            return None
        parts = array.path.split("/")
        for depth in range(len(parts) - 1, -1, -1):
            try:
                target = find_target(StorePath(array.store, "/".join(parts[:depth])))
                for series in range(len(image_names(target.document))):
                    found = StoredImage.of(target, series)
                    if found.arrays[0].path == array.path:
                        return cls(target, found.metadata)
            except NgffError:
                continue
        return None

    def labels(self) -> list[str]:
        """Return the names of its labels, in the order in which they are listed."""
        return label_names(self.target.child("labels").document)

    def label(self, name: str) -> tuple[NgffImage, dict[str, Any]]:
        """Open a label image; return it with its colours and properties.

        Raises:
            NgffError: it is missing, or not an image.
        """
        target = self.target.child(f"labels/{name}")
        image, said = image_in(target, f"labels/{name}", 0, None, name), StoredImage.of(target).image_label or {}
        return image, {key: said[key] for key in ("colors", "properties") if said.get(key)}


def label_boxes(lengths: Any, image: NgffImage, label: NgffImage) -> Any:
    """Select, of the lengths given for the axes of an image, those of the axes that a label image has.

    Args:
        lengths: chunks or shards, as options give them: "auto", one number, one per axis, a dict, or None.
        image: whose axes they are said for. label: whose axes are wanted.
    """
    if isinstance(lengths, (tuple, list)):
        lengths = dict(zip(image.dims, lengths, strict=True))
    return {axis: lengths[axis] for axis in label.dims if axis in lengths} if isinstance(lengths, dict) else lengths
