"""Documents of images that are described anew; what nothing new is said of stays as it is, known here or not."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from ...exceptions import FormatError, InputError
from ...text import show
from ..metadata import Dataset, OmeroWindow, placed, to_documents
from ..rules.book import is_objects, part_of
from ..rules.document import stated_version
from ..rules.spaces import intrinsic_system
from .base import Document, Format
from .parts import encode_window, label_names

_AXIS_KEYS = ("name", "type", "unit", "orientation")
_NEAR, _NEAR_SHIFT = 1e-9, 1e-6  # of a whole factor, relatively; of half a pixel, in pixels


@attrs.frozen
class Frame:
    """Lay an axis anew, in terms of level 0 of an image: its pixel size and the position of its first pixel.

    Attributes:
        size, start: as they are. new_size, new_start: as they will be.
    """

    size: float
    start: float
    new_size: float
    new_start: float

    def __call__(self, size: float, start: float) -> tuple[float, float]:
        """Return pixel size and position of a level, of the image or of labels, as they will be."""
        factor, shift = size / self.size, (start - self.start) / self.size
        whole, half = round(factor), round(2 * shift) / 2
        factor = whole if abs(factor - whole) <= _NEAR * abs(factor) else factor
        shift = half if abs(shift - half) <= _NEAR_SHIFT else shift
        return factor * self.new_size, self.new_start + shift * self.new_size


def relaid(
    document: Mapping[str, Any],
    fmt: Format,
    frames: Mapping[str, Frame],
    units: Mapping[str, str | None],
    orientations: Mapping[str, str | None],
) -> Document:
    """Return the document of an image, or of labels, whose axes are laid anew, have other units, or grow otherwise.

    Args:
        document: as `unwrap` returns it. frames, units, orientations: by the names of axes; None takes one away.

    Raises:
        FormatError: it is of a version before 0.4, or something in it is not understood.
    """
    if (stated_version(document) or "0.4") < "0.4":
        raise FormatError(f"OME-Zarr {stated_version(document)} has no pixel sizes and units; write a copy of it.")
    found, metadata = _copied(document), fmt.decode(document)
    entry, ndim = found["multiscales"][0], len(metadata.axes)
    holder = intrinsic_system(entry) if fmt.dialect.spaces else entry
    for axis in (holder or {}).get("axes", ()):
        if axis["name"] in units:
            _set(axis, "unit", units[axis["name"]])
        if axis["name"] in orientations:
            value = orientations[axis["name"]]
            _set(axis, "orientation", value and {"type": "anatomical", "value": str(value)})
    shared = metadata.coordinateTransformations
    for number, dataset in enumerate(metadata.datasets if frames else ()):
        sizes, starts = placed([dataset.coordinateTransformations, shared or []], ndim)
        steps = copy.deepcopy(fmt.flat(entry)["datasets"][number].get("coordinateTransformations") or [])
        for i, axis in enumerate(metadata.axes):
            if axis.name in frames:
                steps = _laid(steps, i, ndim, *frames[axis.name](sizes[i], starts[i]))
        entry["datasets"][number]["coordinateTransformations"] = _led(entry["datasets"][number], steps, fmt)
    if shared and not fmt.dialect.spaces:  # all is in the levels, of these axes
        for i, axis in enumerate(metadata.axes):
            if axis.name in frames:
                entry["coordinateTransformations"] = _laid(entry["coordinateTransformations"], i, ndim, 1.0, 0.0)
    return found


def renamed(document: Mapping[str, Any], name: str) -> Document:
    """Return the document of an image with another name, which what is said of its channels repeats."""
    found = _copied(document)
    entry, omero = found["multiscales"][0], found.get("omero")
    if isinstance(omero, dict) and omero.get("name") == entry.get("name"):
        omero["name"] = name
    entry["name"] = name
    return found


def pointing(document: Mapping[str, Any], old: str, new: str) -> Document:
    """Return the document of labels with another path to their image, where it has been `old`."""
    found = copy.deepcopy(dict(document))
    source = part_of(found.get("image-label"), "source")
    if str(part_of(source, "image")).rstrip("/") == old.rstrip("/"):
        source["image"] = new
    return found


def recolored(
    document: Mapping[str, Any],
    labels: Sequence[str] = (),
    colors: Sequence[str] = (),
    windows: Sequence[OmeroWindow | None] = (),
) -> Document:
    """Return the document of an image whose channels have other names, colours or windows, one for each; () for none.

    Raises:
        FormatError: it does not say how so many channels are shown.
    """
    found = _copied(document)
    channels = part_of(found.get("omero"), "channels")
    count = max(len(labels), len(colors), len(windows))
    if not is_objects(channels) or len(channels) != count:
        raise FormatError(f"omero has to describe {count} channels, one dict each (got {show(found.get('omero'))}).")
    entries: list[dict[str, Any]] = [dict(channel) for channel in channels]
    encoded = [None if window is None else encode_window(window) for window in windows]
    for word, given in (("label", labels), ("color", colors), ("window", encoded)):
        for channel, value in zip(entries, given or [None] * count, strict=True):
            there = channel.get(word)
            if value is not None:
                channel[word] = (
                    {**there, **value} if isinstance(there, Mapping) and not isinstance(value, str) else value
                )
    found["omero"]["channels"] = entries
    return found


def releveled(
    document: Mapping[str, Any],
    fmt: Format,
    kept: Iterable[int],
    new: Sequence[Dataset],
    made_by: Mapping[str, Any],
) -> Document:
    """Return the document of an image with other levels.

    Args:
        document: as `unwrap` returns it. kept: numbers of the levels that stay. new: those that follow, each with one
            scale and one translation of its own.
        made_by: `type` and `metadata` of the method; none where level 0 is alone.
    """
    found = _copied(document)
    entry = found["multiscales"][0]
    datasets = [entry["datasets"][k] for k in kept]
    for dataset in new:
        levels = [{"path": dataset.path, "coordinateTransformations": to_documents(dataset.coordinateTransformations)}]
        (one,) = fmt.multiscale([], levels, "")["multiscales"][0]["datasets"]
        if fmt.dialect.spaces:
            one["coordinateTransformations"][0]["output"] = datasets[0]["coordinateTransformations"][0]["output"]
        datasets.append(one)
    entry["datasets"] = datasets
    for word in ("type", "metadata"):
        _set(entry, word, made_by.get(word))
    return found


def relabeled(document: Mapping[str, Any], old: str, new: str | None) -> Document:
    """Return a document, of the group of the labels or of their image, with another name of a label image, or none."""
    found = _copied(document)
    if "labels" in found:
        found["labels"] = [new if name == old else name for name in label_names(found) if new or name != old]
    path = f"labels/{old}"
    for entry in found["multiscales"] if is_objects(found.get("multiscales")) else ():
        edges = entry.get("coordinateTransformations")
        if is_objects(edges):
            for edge, end in ((edge, end) for edge in edges for end in ("input", "output")):
                if new and str(part_of(edge.get(end), "path")).strip("/") == path:
                    edge[end]["path"] = f"labels/{new}"
            ends = [{str(part_of(edge.get(end), "path")).strip("/") for end in ("input", "output")} for edge in edges]
            entry["coordinateTransformations"] = [e for e, of in zip(edges, ends, strict=True) if path not in of]
            if edges and not entry["coordinateTransformations"]:
                del entry["coordinateTransformations"]
    return found


def _copied(document: Mapping[str, Any]) -> Document:
    """Copy a document, in which an image, where there is one, has levels."""
    found = copy.deepcopy(dict(document))
    entry = found["multiscales"][0] if is_objects(found.get("multiscales")) and found["multiscales"] else {}
    if "multiscales" in found and not is_objects(entry.get("datasets")):
        raise InputError(f"The image names no level (its multiscales are {show(found['multiscales'])}).")
    return found


def _set(holder: Document, key: str, value: Any) -> None:
    """Set a key, or take it away; one of an axis that is new gets its usual place."""
    known = {**holder, key: value}
    if key in _AXIS_KEYS and key not in holder and "datasets" not in holder:
        known = {**{k: known[k] for k in _AXIS_KEYS if k in known}, **known}
    holder.clear()
    holder.update({k: v for k, v in known.items() if k != key or v is not None})


def _laid(steps: Sequence[Document], i: int, ndim: int, size: float, start: float) -> list[Document]:
    """Return steps that lead to this pixel size and position along an axis: scales, and then what shifts."""
    scales = [step for step in steps if step["type"] == "scale"] or [{"type": "scale", "scale": [1.0] * ndim}]
    shifts = []
    for k, step in enumerate(steps):
        if step["type"] == "translation":
            after = [later["scale"] for later in steps[k:] if later["type"] == "scale"]
            moved = [math.prod(each) for each in zip(step["translation"], *after, strict=True)]
            shifts.append({**step, "translation": moved} if after else step)
    if start and not shifts:
        shifts = [{"type": "translation", "translation": [0.0] * ndim}]
    sizes, starts = [size, *[1.0] * (len(scales) - 1)], [*[0.0] * (len(shifts) - 1), start]
    found = []
    for step, value in [*zip(scales, sizes, strict=True), *zip(shifts, starts, strict=False)]:
        vector = [*step[step["type"]]]
        vector[i] = value
        found.append({**step, step["type"]: vector})
    return found


def _led(dataset: Document, steps: list[Document], fmt: Format) -> list[Document]:
    """Return the transformations of a level, which in 0.6 are one, with what else it says."""
    if not fmt.dialect.spaces:
        return steps
    (one,) = dataset["coordinateTransformations"]
    if one.get("type") == "sequence":
        return [{**one, "transformations": steps}]
    ends = {k: v for k, v in one.items() if k not in ("type", "scale", "translation")}
    return [{**steps[0], **ends} if len(steps) == 1 else {"type": "sequence", "transformations": steps, **ends}]
