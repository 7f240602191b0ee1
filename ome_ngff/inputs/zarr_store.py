"""Zarr arrays of both versions and OME-Zarr images, whose first level is taken."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import attrs
import zarr

from ..exceptions import InputError, MissingError, NgffError
from ..image import NgffImage
from ..spec import KNOWN_AXES, Axis
from .arrange import Facts, arranged, named_axes
from .npy import only_one, refuse_records


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open a Zarr array, an OME-Zarr image, or the only array of a group; `file.zarr::0/labels/cells` goes inside.

    Args:
        path: a folder, a zip file (`.ozx`, `.zarr.zip`) or a URL.
        inner: path inside of it.
        series: index or name of the image where the group has several.
        axes: one name per dimension; overrides what the metadata says.

    Raises:
        MissingError: there is nothing at `inner`.
        InputError: the group is no image.
    """
    where = f"{path}::{inner}" if inner else path
    node = _opened(path, inner, where)
    name = re.sub(r"(\.ome)?(\.zarr)?(\.zip|\.ozx|\.zr)?$", "", PurePath(inner or path.rstrip("/")).name) or "image"
    if isinstance(node, zarr.Array):
        return _array(node, where, axes, Facts(name=name))
    document = document_of(node)
    if "multiscales" in document:
        return image_in(node, document, where, _index(document["multiscales"], series, where), axes, name)
    if "bioformats2raw.layout" in document and not inner:
        return open_file(path, str(series or 0), None, axes)
    if "plate" in document or "well" in document:
        kind, example = ("plate", "A/1/0") if "plate" in document else ("well", "0")
        example = f"{path}::{'/'.join(filter(None, [inner, example]))}"
        raise InputError(f"{where} is a {kind}; say which image, as in '{example}'.")
    if isinstance(document.get("labels"), list):
        label = only_one("", [str(label) for label in document["labels"]], where)
        return open_file(path, f"{inner}/{label}".strip("/"), series, axes)
    array = only_one("", sorted(name for name, _ in node.arrays()), where)
    return _array(node[array], f"{where}/{array}", axes, Facts(name=array))


def document_of(group: Any) -> Mapping[str, Any]:
    """Return the OME metadata of a group of any version."""
    attributes = dict(group.attrs)
    document = attributes.get("ome", attributes)
    return document if isinstance(document, Mapping) else {}


def _opened(path: str, inner: str, where: str) -> Any:
    store: Any = zarr.storage.ZipStore(path, mode="r") if path.lower().endswith((".ozx", ".zip")) else path
    try:
        return zarr.open(store, mode="r", path=inner or None)
    except FileNotFoundError:
        raise MissingError(f"There is no Zarr array and no Zarr group at {where}.") from None


def _index(multiscales: Any, series: int | str | None, where: str) -> int:
    """Return which of the images of a group is meant."""
    names = [str(image.get("name", "")) for image in multiscales]
    wanted = str(0 if series is None else series)
    if wanted in names:
        return names.index(wanted)
    if wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    listed = ", ".join(f"{i} ({name})" for i, name in enumerate(names))
    raise InputError(f"{where} has no image {wanted!r}; it has {listed or 'none'}.")


def image_in(
    group: Any, document: Mapping[str, Any], where: str, index: int, axes: Sequence[str] | None, name: str
) -> NgffImage:
    """Open the first level of an image with what its metadata says.

    Raises:
        InputError: the metadata names an array that is not there, or is none that can be understood.
    """
    image = document["multiscales"][index]
    level = image["datasets"][0]
    try:
        array = group[level["path"]]
    except KeyError:
        raise InputError(f"{where} names the level {level['path']!r}, which is not there.") from None
    # Before 0.3 axes were always t, c, z, y, x; in 0.3 they were names.
    described = [Axis.parse(axis) for axis in image.get("axes", "tczyx"[-array.ndim :])]
    names = [axis.name for axis in described]
    if len(names) != array.ndim:
        raise InputError(f"{where} names the axes {','.join(names)}, but its arrays have {array.ndim} dimensions.")
    scale, translation = _placed([level, image], array.ndim)
    labels, colors = _channels(document.get("omero"))
    facts = Facts(
        name=image.get("name") or name,
        scale=dict(zip(names, scale, strict=True)),
        translation=dict(zip(names, translation, strict=True)) if any(translation) else {},
        units={axis.name: axis.unit for axis in described if axis.unit},
        orientations={axis.name: axis.orientation for axis in described if axis.orientation},
        channel_names=labels,
        channel_colors=colors,
    )
    return arranged(array, named_axes(axes, array.ndim, where, names), where, facts)


def _placed(parts: Sequence[Mapping[str, Any]], ndim: int) -> tuple[list[float], list[float]]:
    """Compose the transformations of a dataset with those of its image, which scale its translation too."""
    scale, translation = [1.0] * ndim, [0.0] * ndim
    for part in parts:
        for step in part.get("coordinateTransformations") or ():
            if step.get("type") == "scale":
                scale = [a * float(b) for a, b in zip(scale, step["scale"], strict=True)]
                translation = [a * float(b) for a, b in zip(translation, step["scale"], strict=True)]
            elif step.get("type") == "translation":
                translation = [a + float(b) for a, b in zip(translation, step["translation"], strict=True)]
    return scale, translation


def _channels(omero: Any) -> tuple[list[str] | None, list[str] | None]:
    """Return names and colours of all channels; None where one of them has none."""
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    if not channels:
        return None, None
    labels = [channel.get("label") for channel in channels]
    colors = [str(channel.get("color", "")).lstrip("#").upper() for channel in channels]
    return (
        [str(label) for label in labels] if all(label is not None for label in labels) else None,
        colors if all(re.fullmatch("[0-9A-F]{6}", color) for color in colors) else None,
    )


def _array(array: Any, where: str, axes: Sequence[str] | None, facts: Facts) -> NgffImage:
    """Open an array alone, with the names of its dimensions where it has them."""
    refuse_records(array.dtype, where)
    own = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    own = tuple(str(name).lower() for name in own)
    own = own if own and set(own) <= set(KNOWN_AXES) else ()
    return arranged(array, named_axes(axes, array.ndim, where, own), where, facts)


@attrs.frozen(eq=False)
class Beside:
    """Point to the group of an OME-Zarr image.

    Attributes:
        group: the group.
    """

    group: zarr.Group

    @classmethod
    def of(cls, image: NgffImage) -> Beside | None:
        """Find the group of the image that an input is the first level of; None for every other input."""
        array = getattr(image.data, "origin", image.data)
        if not isinstance(array, zarr.Array):
            return None
        parts = array.path.split("/")
        for depth in range(len(parts) - 1, -1, -1):
            try:
                group = zarr.open_group(array.store, path="/".join(parts[:depth]), mode="r")
            except (OSError, ValueError):
                continue
            firsts = [known["datasets"][0]["path"] for known in document_of(group).get("multiscales", ())]
            if "/".join(parts[depth:]) in firsts:
                return cls(group)
        return None

    def omero(self, channels: int) -> dict[str, Any] | None:
        """Return how the image is shown, where that is said for this number of channels."""
        omero = document_of(self.group).get("omero")
        if not isinstance(omero, Mapping) or not isinstance(omero.get("channels"), list):
            return None
        return dict(omero) if len(omero["channels"]) == channels else None

    def labels(self) -> list[str]:
        """Give the names of the labels, in the order in which they are listed."""
        node = self._node("labels")
        listed = document_of(node).get("labels") if isinstance(node, zarr.Group) else None
        return [str(name) for name in listed] if isinstance(listed, list) else []

    def label(self, name: str) -> tuple[NgffImage, dict[str, Any]]:
        """Open a label image, and give its colours and properties.

        Raises:
            NgffError: it is none, or is not there.
        """
        node = self._node(f"labels/{name}")
        document = document_of(node) if isinstance(node, zarr.Group) else {}
        if not isinstance(node, zarr.Group) or not document.get("multiscales"):
            raise NgffError(f"labels/{name} is no image.")
        said = document.get("image-label") or {}
        kept = {key: said[key] for key in ("colors", "properties") if said.get(key)}
        return image_in(node, document, f"labels/{name}", 0, None, name), kept

    def _node(self, path: str) -> Any:
        try:
            return self.group[path]
        except KeyError:
            return None


def label_boxes(lengths: Any, image: NgffImage, label: NgffImage) -> Any:
    """Take those lengths of the axes of an image that a label image has, too.

    Args:
        lengths: chunks or shards, as options give them: "auto", one number, one per axis, a dict, or None.
        image: whose axes they are said for. label: whose axes are wanted.
    """
    if isinstance(lengths, (tuple, list)):
        lengths = dict(zip(image.dims, lengths, strict=True))
    return {axis: lengths[axis] for axis in label.dims if axis in lengths} if isinstance(lengths, dict) else lengths
