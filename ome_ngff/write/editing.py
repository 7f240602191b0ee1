"""Metadata of an image that is there, said anew: where it lies, what it is called, how its channels are shown."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

import attrs

from ..exceptions import AxesError, OptionError, ScaleError
from ..image import check_channels, parse_orientation
from ..read import StoredImage
from ..spec import (
    AnatomicalOrientation,
    Axis,
    Frame,
    OmeroWindow,
    PerAxis,
    UnitsLike,
    decode_omero,
    direction,
    format_implementations,
    is_image,
    label_names,
    parse_numbers,
    parse_units,
    placed,
    recolored,
    relaid,
    renamed,
    windows_of_channels,
)
from ..store import MARK, find_target, opened
from ..text import listed, mapping_of, show, warn
from .changing import Edit, changed
from .draft import Draft
from .omero import Rendering

_MOST = 200  # letters of a change that its record states
Windows = str | Sequence[Sequence[float] | None]


def edit_image(
    group: Any,
    *,
    scale: PerAxis | None = None,
    translation: PerAxis | None = None,
    axes_units: UnitsLike | Mapping[str, str | None] | None = None,
    name: str | None = None,
    channel_names: Sequence[str] | None = None,
    channel_colors: Sequence[str] | None = None,
    windows: Windows | None = None,
    orientation: str | Mapping[str, Any] | None = None,
    attributes: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    store_options: Mapping[str, Any] | None = None,
) -> Edit:
    """Describe an image anew that is there: only documents change, in one step, and all that is not said stays.

    What is said of level 0 holds for every level, and for all labels that took it over from the image: those of which
    the pixel size along an axis is that of one of its levels, in the same unit. `undo` restores every byte.

    Args:
        group: the image, of any version from 0.4 on, as in `write_image`.
        scale: pixel size per axis, or one for all spatial axes. The first pixel stays where it is.
        translation: position of the centre of the first pixel per axis.
        axes_units: unit per axis, or one for all spatial axes; numbers are not converted. None as a unit takes it away.
        name: of the image. channel_names, channel_colors: one per channel.
        windows: "auto" measures which values are shown; else (dark, bright) for each channel, or None to keep one.
        orientation: "LPS", "RAS", or the direction of each axis; None as a direction takes it away.
        attributes: of the group, besides those of OME-Zarr; None as a value takes one away.
        dry_run: say what would change, and change nothing.
        store_options: as in `write_image`.

    Returns:
        What was changed, with the difference of the documents.

    Raises:
        IncompleteError: something in the image is being written. ValidationError: it would break rules.
        StoreError: another change of it was interrupted, or it can only be read. OptionError: nothing is said.
    """
    words = {key: value for key, value in locals().items() if key not in ("group", "dry_run", "store_options")}
    names, words = [*words], {key: value for key, value in words.items() if value is not None}
    if not words:
        raise OptionError(f"Nothing is said that would change; give at least one of {', '.join(names)}.")
    group = opened(group, store_options)
    what = {"change": "edit", "of": _said(words)}
    return changed(group, what, partial(_describe, group, words), dry_run=dry_run)


def _said(words: Mapping[str, Any]) -> str:
    """Return arguments in words, the same for the same ones."""
    said = ", ".join(f"{key}={value!r}" for key, value in words.items())
    return said if len(said) <= _MOST else f"{said[:_MOST]}... {sha256(said.encode()).hexdigest()[:8]}"


def _describe(group: Any, words: Mapping[str, Any], draft: Draft) -> None:
    image = StoredImage.of(find_target(group))
    _lay(draft, image, words)
    if "name" in words:
        if not isinstance(words["name"], str):
            raise OptionError(f"The name of an image is a string (got {words['name']!r}).")
        draft.put("", renamed(draft.document(), words["name"]))
    if words.keys() & {"channel_names", "channel_colors", "windows"}:
        draft.put("", _shown(draft.document(), image, words))
    if "attributes" in words:
        draft.put("", draft.document(), _foreign(draft, mapping_of(words["attributes"], "attributes")))


def _foreign(draft: Draft, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of others, with those that are given."""
    ours = [key for key in given if not isinstance(key, str) or key == MARK or not draft.fmt.strip({key: 0})]
    others = (fmt for fmt in format_implementations() if fmt != draft.fmt)  # whose readers would take it for an image
    ours += [key for fmt in others for key in given if given[key] is not None and not fmt.strip({key: 0})]
    if ours:
        raise OptionError(f"The attribute {show(ours[0])} belongs to OME-Zarr, or is no name; give those of others.")
    try:
        json.dumps(given, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise OptionError(f"attributes hold what JSON has: {error}") from error
    found = {**draft.attributes(), **given}
    return {key: value for key, value in found.items() if not (key in given and value is None)}


# Geometry ------------------------------------------------------------------------------------------------------------


def _lay(draft: Draft, image: StoredImage, words: Mapping[str, Any]) -> None:
    """Lay the axes of an image anew, and those of its labels that took them over."""
    axes, (sizes, starts) = image.metadata.axes, image.geometry(0)
    lengths, origins = (_numbers(words.get(word), axes, word) for word in ("scale", "translation"))
    flat = [axis for axis, size in zip(image.names, sizes, strict=True) if axis in {*lengths, *origins} and not size]
    if flat:
        raise ScaleError(f"The pixels of {image.target} are 0 long along {flat[0]}, so nothing follows for its levels.")
    frames = {
        axis: Frame(size, start, lengths.get(axis, size), origins.get(axis, start))
        for axis, size, start in zip(image.names, sizes, starts, strict=True)
        if axis in lengths or axis in origins
    }
    units = parse_units(words.get("axes_units"), axes)
    turned = parse_orientation(words["orientation"], image.names) if "orientation" in words else {}
    for name, value in turned.items():
        if name not in image.names:
            raise AxesError(f"orientation names the axis {name!r}, but the axes are {','.join(image.names)}.")
        if value is not None and not isinstance(direction(value), AnatomicalOrientation):
            known = ", ".join(AnatomicalOrientation)
            raise OptionError(f"There is no direction {show(value)} for {name}; known are {known}.")
    if not (frames or units or turned):
        return
    draft.put("", relaid(draft.document(), draft.fmt, frames, units, turned))
    if frames and image.metadata.edges:
        warn(f"{draft.target}: the transformations to other coordinate systems stay as they are.")
    for name in label_names(draft.document("labels")):
        if is_image(draft.document(f"labels/{name}")):
            _lay_labels(draft, image, f"labels/{name}", frames, units, turned)


def _numbers(given: PerAxis | None, axes: Sequence[Axis], what: str) -> dict[str, float]:
    """Return the numbers that are given, by the names of the axes.

    Raises:
        AxesError: they do not fit the axes, or are not numbers. ScaleError: a pixel size is not above zero.
    """
    found: dict[str, float] = {}
    for name, value in parse_numbers(given, axes, what).items():
        try:
            found[name] = float(value)
        except (TypeError, ValueError, OverflowError):
            found[name] = math.nan
        if not math.isfinite(found[name]):
            raise AxesError(f"{what} needs finite numbers (got {value!r} for axis {name}).")
        if what == "scale" and found[name] <= 0:
            raise ScaleError(f"A pixel size is above zero (got {value!r} for axis {name}).")
    return found


def _lay_labels(
    draft: Draft,
    image: StoredImage,
    path: str,
    frames: Mapping[str, Frame],
    units: Mapping[str, str | None],
    turned: Mapping[str, Any],
) -> None:
    metadata, there = draft.fmt.decode(draft.document(path)), dict(zip(image.names, image.metadata.axes, strict=True))
    steps = [metadata.datasets[0].coordinateTransformations, metadata.coordinateTransformations or []]
    levels = [dict(zip(image.names, image.geometry(k)[0], strict=True)) for k in range(len(image.arrays))]
    mine, alone = set(), []
    for axis, size in zip(metadata.axes, placed(steps, len(metadata.axes))[0], strict=True):
        if axis.name not in {*frames, *units, *turned} & {*there}:
            continue
        known = any(abs(size - level[axis.name]) <= 1e-9 * abs(size) for level in levels)
        if known and axis.unit == there[axis.name].unit:
            mine.add(axis.name)
        else:
            alone.append(axis.name)
    if alone:
        words = f"has a pixel size or a unit of its own along {listed(alone)}, which stays"
        warn(f"{draft.target}: {path} {words}.")
    said: list[dict[str, Any]] = [{k: v for k, v in given.items() if k in mine} for given in (frames, units, turned)]
    draft.put(path, relaid(draft.document(path), draft.fmt, *said))


# Channels ------------------------------------------------------------------------------------------------------------


def _shown(document: dict[str, Any], image: StoredImage, words: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with other names, colours and windows; where it says nothing of them, all is measured."""
    if image.image_label is not None:
        raise OptionError("Labels have no channels; write_label_metadata gives them colours.")
    count = image.arrays[0].shape[image.names.index("c")] if "c" in image.names else 1
    names, colors = (
        [given] if isinstance(given, str) else [*(given or ())]
        for given in (words.get("channel_names"), words.get("channel_colors"))
    )
    colors = [str(color).removeprefix("#") for color in colors]
    check_channels(count, names, colors)
    windows, there, stated = words.get("windows"), decode_omero(document.get("omero")), None
    pairs = _pairs(windows, count)
    if there is not None and windows is not None:
        known = zip(there.channels, colors or [channel.color for channel in there.channels], strict=True)
        stated = attrs.evolve(there, channels=[attrs.evolve(c, color=color, window=None) for c, color in known])
    given: Sequence[OmeroWindow | None] = ()
    if there is None or windows is not None:
        shown = Rendering(names, colors, stated=stated)(image.arrays, image.metadata)
        measured = windows_of_channels(shown)
        old = [None] * count if there is None else windows_of_channels(document)
        document = {**document, **shown} if there is None else document
        given = measured
        if pairs:
            given = [
                None if pair is None else _window(pair, *of) for pair, *of in zip(pairs, measured, old, strict=True)
            ]
    return recolored(document, names, colors, given)


def _pairs(windows: Any, count: int) -> list[tuple[float, float] | None]:
    """Parse windows as callers give them; empty where they are measured."""
    if windows is None or (isinstance(windows, str) and windows == "auto"):
        return []
    given = list(windows) if isinstance(windows, Sequence) and not isinstance(windows, str) else []
    if len(given) != count:
        raise OptionError(f"windows is 'auto', or (dark, bright) for each of {count} channels (got {show(windows)}).")
    found: list[tuple[float, float] | None] = []
    for pair in given:
        if pair is None:
            found.append(None)
            continue
        try:
            dark, bright = map(_plain, pair)
            whole = math.isfinite(dark) and math.isfinite(bright) and dark < bright
        except (TypeError, ValueError):
            whole = False
        if not whole:
            raise OptionError(f"A window is a pair of numbers, the dark one below the bright one (got {show(pair)}).")
        found.append((dark, bright))
    return found


def _plain(number: Any) -> Any:
    return number.item() if hasattr(number, "item") else number


def _window(pair: tuple[float, float], measured: OmeroWindow | None, old: OmeroWindow | None) -> OmeroWindow:
    """Return a window that shows these values, of the range that is known."""
    known = old or measured
    low, high = (pair[0], pair[1]) if known is None else (known.min, known.max)
    return OmeroWindow(min(low, pair[0]), max(high, pair[1]), *pair)
