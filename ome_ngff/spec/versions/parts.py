"""Parts of documents that are the same in all versions: names, paths, places, and how channels are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...exceptions import FormatError, InputError
from ...text import show
from ..metadata import Omero, OmeroChannel, OmeroWindow, parse_transformations, placed
from ..rules.book import entries, is_list, is_number, part_of, path_fault, stated

MOST_LEVELS = 256  # of an image, and images of a group; a ladder that halves has fewer than 64


def label_names(document: Mapping[str, Any]) -> list[str]:
    """Return the names of the label images that the group of an image's labels lists, each once."""
    return list(dict.fromkeys(name for name in entries_of(document.get("labels")) if isinstance(name, str)))


def image_names(document: Mapping[str, Any]) -> list[str]:
    """Return the names of the images that a document describes, "" for one without a name."""
    names = [part_of(entry, "name") for entry in entries_of(document.get("multiscales"))]
    return [name if isinstance(name, str) else "" for name in names]


def entries_of(value: Any) -> Sequence[Any]:
    """Return a value of a document if it is a list, else nothing to go through."""
    return value if is_list(value) else ()


def entry_of(document: Mapping[str, Any], series: int) -> dict[str, Any]:
    """Return the entry of an image.

    Raises:
        InputError: the document does not describe that many images.
    """
    images = entries_of(document.get("multiscales"))
    if not series < len(images) or not isinstance(images[series], Mapping):
        raise InputError(f"multiscales describes no image number {series} (got {show(document.get('multiscales'))}).")
    return dict(images[series])


def dataset_paths(multiscale: Mapping[str, Any]) -> list[str]:
    """Return the paths of the levels of an image, the largest first.

    Raises:
        InputError: no level is named, or a path leads out of the image.
    """
    paths = []
    datasets = entries_of(multiscale.get("datasets"))
    if len(datasets) > MOST_LEVELS:
        raise InputError(f"The image names {len(datasets)} levels; more than {MOST_LEVELS} are not opened.")
    for dataset in datasets:
        path = part_of(dataset, "path")
        fault = path_fault(path)
        if fault:
            raise InputError(f"The path of a level cannot be used. {fault}")
        paths.append(path)
    if not paths:
        raise InputError(f"The image names no level (its datasets are {show(multiscale.get('datasets'))}).")
    return paths


def named_paths(document: Mapping[str, Any], series: int | None = None) -> list[str]:
    """Return the paths of all levels of an image, or of all, that a document names, if they lead below its group."""
    images = entries_of(document.get("multiscales"))
    images = images if series is None else images[series : series + 1]
    entries = [entry for entry in images if isinstance(entry, Mapping)]
    paths = [part_of(dataset, "path") for entry in entries for dataset in entries_of(entry.get("datasets"))]
    found = [path.strip("/") for path in paths if isinstance(path, str)]
    return [path for path in found if not path_fault(path)]


def stated_method(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the levels of the first image were made, as its document says it."""
    return {word: part_of(entry_of(document, 0), word) for word in ("type", "metadata")}


def stated_geometry(
    parts: Iterable[Mapping[str, Any]], ndim: int
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Return pixel size and position that the transformations of some parts state together, those of the level first.

    Returns:
        One number per axis each; None for both where nothing is stated, or something that is not understood.
    """
    given = [part["coordinateTransformations"] for part in parts if part.get("coordinateTransformations")]
    try:
        scale, translation = placed([parse_transformations(steps, ndim, "it") for steps in given], ndim)
    except FormatError:
        return None, None
    return (tuple(scale), tuple(translation)) if given else (None, None)


def stated_ndim(datasets: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the number of axes that the first scale of some levels has numbers for; None where there is none."""
    steps = [step for dataset in datasets for step in dataset.get("coordinateTransformations", ())]
    return next((len(step["scale"]) for step in steps if step.get("scale")), None)


def well_paths(document: Mapping[str, Any]) -> list[str]:
    """Return the paths of the wells that the document of a plate lists."""
    return [well["path"] for _, well in entries(part_of(document.get("plate"), "wells"), "")]


# How channels are shown: `omero` --------------------------------------------------------------------------------------


_WINDOW = ("start", "end", "min", "max")


def decode_omero(omero: Any) -> Omero | None:
    """Parse an `omero` document, however incomplete; return None if it lists no channels.

    A window that gives only one pair of values, such as min and max, shows the whole of that range.
    """
    channels = part_of(omero, "channels")
    if not is_list(channels):
        return None
    rest = {key: value for key, value in omero.items() if key != "channels"}
    return Omero([_channel(dict(c) if isinstance(c, Mapping) else {}) for c in channels], rest)


def _channel(known: dict[str, Any]) -> OmeroChannel:
    window = _window(known.get("window"))
    if window is not None:
        del known["window"]
    color, label = known.pop("color", None), known.pop("label", None)
    texts = [None if text is None else str(text) for text in (color, label)]
    return OmeroChannel(texts[0], window, texts[1], known)


def _window(window: Any) -> OmeroWindow | None:
    given = {key: part_of(window, key) for key in _WINDOW if is_number(part_of(window, key))}
    start, end, low, high = (given.get(key) for key in _WINDOW)
    low, high = (start if low is None else low), (end if high is None else high)
    if low is None or high is None:
        return None
    extra = {key: value for key, value in window.items() if key not in _WINDOW}
    return OmeroWindow(low, high, low if start is None else start, high if end is None else end, extra)


def with_omero(document: dict[str, Any], omero: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the document of an image with how its channels are shown, if that is given; any other is replaced."""
    return document if omero is None else {**document, "omero": dict(omero)}


def windows_of_channels(document: Mapping[str, Any]) -> list[OmeroWindow | None]:
    """Return which values of each channel the document of an image shows; empty where it lists no channels."""
    omero = decode_omero(document.get("omero"))
    return [] if omero is None else [channel.window for channel in omero.channels]


def encode_omero(omero: Omero) -> dict[str, Any]:
    """Return the `omero` document."""
    return {"channels": [_document(channel) for channel in omero.channels], **omero.extra}


def _document(channel: OmeroChannel) -> dict[str, Any]:
    window = channel.window and encode_window(channel.window)
    return {**stated(color=channel.color, window=window, label=channel.label), **channel.extra}


def encode_window(window: OmeroWindow) -> dict[str, Any]:
    """Return the document of a window."""
    return {**{key: getattr(window, key) for key in _WINDOW}, **window.extra}
