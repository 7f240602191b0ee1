"""One page that shows what a store holds: pictures, levels, histograms, metadata, labels, plates, and what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import prod
from typing import Any

import attrs
from zarr.storage import StorePath

from ..exceptions import InputError, MissingError
from ..image import Multiscales
from ..show import (
    Html,
    Page,
    View,
    facts,
    join,
    look,
    measured,
    picture,
    project,
    same_place,
    section,
    swatch,
    table,
    tag,
    text,
)
from ..store import Target, find_target, opened, readable
from ..text import by, nearest_word, size
from .describe import UNREADABLE, describe_store
from .infos import ArrayInfo, ImageInfo, PlateInfo, StoreInfo
from .open import open_image
from .plates import open_plate
from .validation import Report, validate

_MOST_ROWS, _MOST_LABELS, _MOST_COLORS, _MOST_CHANNELS = 200, 12, 40, 32
_MOST_TEXT = 100_000  # characters of a document
_OF_PLATES = ("level", "acquisition", "field")


def preview_page(
    store: Any,
    labels: str | Sequence[str] | None = None,
    *,
    data: bool = False,
    store_options: Mapping[str, Any] | None = None,
    **words: Any,
) -> Page:
    """Make one page that shows an image or a plate and says whether it is right; it needs nothing but a browser.

    It has pictures of the image and its labels, projections, the same place at all levels, the sizes and compression of
    levels, a histogram of each channel, the metadata, where the pixels are from, and the findings of `validate`. Pixels
    come from coarse levels; the page says from which. What cannot be shown is named, so there is always a page.

    Args:
        store: a path, a URL, a zip file, a Zarr group or store.
        labels: names of label images to show; None: the first twelve.
        data: let `validate` decode every chunk. store_options: for the store behind a URL, as in `write_image`.
        words: of the main picture, as in `Multiscales.preview`; of a plate as in its `preview`.

    Returns:
        A page that notebooks show: `.save("report.html")` writes it.

    Raises:
        MissingError: there is no Zarr, or no such label image, level or time point. StoreError: it cannot be read.
        OptionError: there is no such channel. InputError: it is a bare array.
    """
    store = opened(store, store_options)
    found = describe_store(store)
    if found.kind == "array":
        raise InputError(f"{found.path} is a bare Zarr array, no OME-Zarr; ome-ngff scale makes one of it.")
    report, target = validate(store, data=data), find_target(readable(store))
    parts = [_head(found, report, target)]
    if found.plate is not None:
        parts.append(_plate(target, found.plate, words))
        words = {name: word for name, word in words.items() if name not in _OF_PLATES}
    where, about = _one_image(target, found)
    if about is not None:
        if about is not found:
            parts.append(section(f"An image of it: {about.path}", _soft("What follows is of this one.")))
        parts += _image_sections(where, about, labels, words)
    parts += [_levels(label, f"Labels: {label.path}") for label in found.labels if found.kind == "labels"]
    parts += [section("Arrays", _arrays(found.arrays)), _findings(report), _documents(target)]
    return Page.of(_name(found), *parts, _made(), text=f"{found.path}: {found.kind}, {_verdict(found, report)[1]}")


def _one_image(target: Target, found: StoreInfo) -> tuple[Any, StoreInfo | None]:
    """Return the image that is shown: that of the store, or the first one below it; None where there is none."""
    if found.images:
        return target, found
    paths = [path for path in found.members if found.kind in ("well", "bioformats2raw")]
    if found.plate is not None:
        with_fields = [path for path, count in found.plate.wells.items() if count]
        paths = [f"{path}/{field.path}" for path in with_fields[:1] for field in open_plate(target)[path].fields]
    for path in sorted(paths, key=lambda path: (len(path), path))[:1]:
        place = StorePath(target.store, target.key(path))
        try:
            return place, attrs.evolve(describe_store(place), path=path)
        except UNREADABLE:
            break
    return target, None


def _name(found: StoreInfo) -> str:
    named = found.images[0].name if found.images else found.plate.name if found.plate else None
    return (named or found.path.rstrip("/").rpartition("/")[2] or found.path)[:200]


def _verdict(found: StoreInfo, report: Report) -> tuple[str, str]:
    """Return a class of the style, and words."""
    if not found.complete:
        return "fair", "not finished"
    counted = [
        f"{count} {word}{'s' * (count != 1)}" for word, count in report.counts.items() if count and word != "note"
    ]
    said = " and ".join(counted)
    if report.counts["error"]:
        return "bad", f"not valid: {said}"
    return "good", f"valid{f', {said}' if said else ''}"


def _head(found: StoreInfo, report: Report, target: Target) -> Html:
    style, words = _verdict(found, report)
    version = f"OME-Zarr {found.version}, Zarr v{found.zarr_format}" if found.version else f"Zarr v{found.zarr_format}"
    said = target.said
    source = said.get("source")
    known = source if isinstance(source, Mapping) else {}
    made_of = [str(known.get("name", ""))]
    made_of += [size(known["bytes"])] if isinstance(known.get("bytes"), int) else []
    made_of += [f"changed {known['changed']}"] if known.get("changed") else []
    return join([
        tag("h1", _name(found)),
        tag("p", tag("span", {"good": "✓ ", "fair": "… ", "bad": "✗ "}[style], words, class_=f"verdict {style}")),
        facts({
            "store": found.path,
            "what it is": f"{found.kind}, {version}",
            "written from": ", ".join(filter(None, made_of)) if known else "",
            "compared with it": _compared(said.get("verified")),
        }),
    ])  # fmt: skip


def _compared(verified: Any) -> str:
    """Say when the pixels were compared with the file that they are from."""
    if not isinstance(verified, Mapping) or not isinstance(verified.get("levels"), Sequence) or not verified["levels"]:
        return ""
    first = verified["levels"][0]
    digest = first.get("sha256", "") if isinstance(first, Mapping) else ""
    return f"each pixel of level 0 is that of the file, {verified.get('at', '')}; SHA-256 {digest}"


def _made() -> Html:
    from .. import __version__

    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    return tag("p", f"Made by ome_ngff {__version__}, {now} UTC.", class_="soft")


# Images --------------------------------------------------------------------------------------------------------------


def _image_sections(
    place: Any, found: StoreInfo, labels: str | Sequence[str] | None, words: Mapping[str, Any]
) -> Iterator[Html]:
    about = found.images[0] if found.images else None
    if about is None:
        return
    try:
        image = open_image(place)
    except UNREADABLE as error:
        yield section("Picture", _cannot(error))
        yield _levels(about, "Levels")
        return
    names = _asked(image, labels)
    try:
        view = look(image, **words)  # what is asked for and is not there is refused
    except InputError as error:
        yield join([section("Picture", _cannot(error)), _axes(about), _levels(about, "Levels")])
        return
    yield _tried(lambda: _pictures(image, view), "Picture")
    yield _axes(about)
    yield _levels(about, "Levels")
    yield _tried(lambda: _channels(image, view, about), "Channels")
    for name in names:
        yield _tried(lambda: _label(image, name, found, words), f"Labels: {name}")  # noqa: B023  # called at once
    if len(names) < len(image.labels) and labels is None:
        yield tag("p", f"{len(image.labels) - len(names)} more label images are not shown.", class_="soft")


def _asked(image: Multiscales, labels: str | Sequence[str] | None) -> list[str]:
    known = list(image.labels)
    names = known[:_MOST_LABELS] if not labels else [labels] if isinstance(labels, str) else list(labels)
    for name in names:
        if name not in known:
            raise MissingError(
                f"There are no labels {name!r}.{nearest_word(name, known)} Known: {', '.join(known) or 'none'}."
            )
    return names


def _tried(make: Callable[[], Html], title: str) -> Html:
    try:
        return make()
    except UNREADABLE as error:
        return section(title, _cannot(error))


def _cannot(error: BaseException) -> Html:
    return tag("p", f"This cannot be shown: {error}", class_="bad")


def _pictures(image: Multiscales, view: View) -> Html:
    main = view.paint()
    drawn, words = [picture(main, view.text, 512)], []
    if volume := project(image, view):
        left = tag("div", picture(volume.along_z), picture(volume.along_y))
        drawn.append(tag("div", left, picture(volume.along_x), class_="row close"))
        words.append(_soft(f"Right: {volume.text} along z, along x (z to the right), and along y (z downwards)."))
    parts = [section("Picture", tag("div", *drawn, class_="row"), *words)]
    if len(image.images) > 1 and view.channels:
        tiles = [picture(tile, tile.text) for tile in same_place(image, view, main.pixels)]
        about = "Up to 128 pixels of level 0, where the contrast is greatest, in the middle plane."
        parts.append(section("The same place at each level", tag("div", *tiles, class_="row close"), _soft(about)))
    return join(parts)


def _soft(words: str) -> Html:
    return tag("p", words, class_="soft")


def _axes(image: ImageInfo) -> Html:
    rows = []
    for axis in image.axes:
        lengths = (None, None) if axis.type == "channel" else (axis.pixel, axis.extent)
        pixel, extent = ("" if n is None else f"{n:.6g} {axis.unit or ''}".strip() for n in lengths)
        rows.append((axis.name, axis.type or "", axis.size or "", pixel, extent, axis.orientation or ""))
    return section("Axes", table(("name", "type", "pixels", "pixel size", "extent", "grows"), rows))


def _levels(image: ImageInfo, title: str) -> Html:
    notes = [tag("p", note, class_="fair") for note in image.notes]
    made = _soft(f"Levels made by {image.method}.") if image.method else ""
    return section(title, _arrays(image.levels), made, *notes)


def _arrays(arrays: Sequence[ArrayInfo]) -> Html:
    levels, storage = [], []
    for a in arrays:
        chunk = size(a.bytes / max(1, prod(a.shape)) * prod(a.chunks)) if a.shape else ""
        count = prod(-(-n // c) for n, c in zip(a.shape, a.chunks, strict=True))
        stored = ("", "") if a.stored is None else (size(a.stored), f"{a.ratio:.2f}" if a.ratio else "")
        placed = _numbers(a.translation) if any(a.translation or ()) else ""
        levels.append((a.path, by(a.shape), a.dtype, _numbers(a.scale), placed))
        storage.append((a.path, by(a.chunks), chunk, by(a.shards or ()), f"{count:,}", a.codec, size(a.bytes), *stored))
    whole = ""
    if len(arrays) > 1 and all(a.stored for a in arrays):
        total, packed = sum(a.bytes for a in arrays), sum(a.stored or 0 for a in arrays)
        whole = _soft(f"All of it: {size(total)}, stored as {size(packed)}, {total / packed:.2f} times smaller.")
    kept = ("path", "chunk", "of bytes", "shard", "chunks", "codec", "size", "stored", "ratio")
    parts = [table(("path", "pixels", "dtype", "pixel size", "position"), levels), table(kept, storage), whole]
    return tag("div", *parts, class_="apart") if arrays else Html("")


def _numbers(values: Sequence[float] | None) -> str:
    return ", ".join(f"{value:.6g}" for value in values or ())


def _channels(image: Multiscales, view: View, about: ImageInfo) -> Html:
    words, found = measured(image, view.time, _MOST_CHANNELS)
    shown = {channel.number: channel for channel in view.channels}
    figures = []
    for number, distribution in enumerate(found):
        said = about.channels[number] if number < len(about.channels) else None
        name = (said.label if said else None) or (shown[number].name if number in shown else str(number))
        color = (said.color if said else None) or (shown[number].color if number in shown else "808080")
        window = (said.start, said.end) if said and said.start is not None and said.end is not None else None
        title = tag("p", swatch(color), tag("b", name), _soft_span("" if number in shown else " not shown above"))
        if distribution is None:
            figures.append(tag("div", title, _soft("There is no finite number.")))
            continue
        ends = "" if window is None else f"shown from {window[0]:.6g} to {window[1]:.6g} (shaded)"
        figures.append(tag("div", title, distribution.svg(color, window), _soft(ends), facts(distribution.facts())))
    if not figures:
        return Html("")
    about_them = f"From {words}. Heights are logarithms of numbers of pixels."
    return section("Channels", tag("div", *figures, class_="row"), _soft(about_them))


def _soft_span(words: str) -> Html:
    return tag("span", words, class_="soft")


def _label(image: Multiscales, name: str, found: StoreInfo, words: Mapping[str, Any]) -> Html:
    labels = image.labels[name]
    about = next((each for each in found.labels if each.path.rpartition("/")[2] == name), None)
    over = look(image, **{**words, "labels": [name], "fill": True})
    time = min(words.get("time", 0), _times(labels) - 1)
    own = look(labels, projection=words.get("projection", "max"), time=time)
    drawn = [
        picture(over.paint(), over.text, 512),
        picture(own.paint(), f"the labels alone: {own.text.partition(': ')[2]}", 512),
    ]
    colors = labels.colors
    some = [tag("span", swatch(rgba), str(value), " ") for value, rgba in list(colors.items())[:_MOST_COLORS]]
    more = f" and {len(colors) - _MOST_COLORS} more" if len(colors) > _MOST_COLORS else ""
    said = facts({
        "colours": join([*some, more]) if colors else "none are stored; viewers choose",
        "properties": f"of {len(labels.properties)} labels" if labels.properties else "",
    })  # fmt: skip
    return section(f"Labels: {name}", tag("div", *drawn, class_="row"), said, _levels_of(about))


def _times(image: Multiscales) -> int:
    at = [i for i, axis in enumerate(image.metadata.axes) if axis.type == "time"]
    return int(image.images[0].data.shape[at[0]]) if at else 1


def _levels_of(about: ImageInfo | None) -> Html:
    return Html("") if about is None else _arrays(about.levels)


# Plates --------------------------------------------------------------------------------------------------------------


def _plate(target: Target, plate: PlateInfo, words: Mapping[str, Any]) -> Html:
    said = {name: word for name, word in words.items() if name != "fill" and word is not None}
    drawn = _tried(lambda: section("Plate", picture(open_plate(target).preview(**said))), "Plate")
    head = tag("tr", tag("th"), *(tag("th", column) for column in plate.columns))
    rows = []
    for row in plate.rows:
        cells = [_cell(plate.wells, f"{row}/{column}") for column in plate.columns]
        rows.append(tag("tr", tag("th", row), *cells))
    fields = sum(count or 0 for count in plate.wells.values())
    words_of = f"{len(plate.wells)} wells with {fields} fields; {len(plate.rows)} rows, {len(plate.columns)} columns."
    drawn_map = tag("div", tag("table", tag("thead", head), tag("tbody", *rows), class_="map"), class_="wide")
    parts = [drawn, section("Fields of each well", drawn_map, _soft(words_of))]
    parts.append(section("Acquisitions", table(("acquisition", "fields"), list(plate.acquisitions.items()))))
    wells = [(path, "not there" if count is None else count) for path, count in plate.wells.items()]
    parts.append(_folded(f"All {len(wells)} wells", table(("well", "fields"), wells)))
    if plate.unlisted:
        first = ", ".join(plate.unlisted[:_MOST_ROWS])
        parts.append(tag("p", f"{len(plate.unlisted)} fields are there and not listed: {first}.", class_="fair"))
    return join(parts)


def _cell(wells: Mapping[str, int | None], path: str) -> Html:
    if path not in wells:
        return tag("td", title=f"{path}: no images")
    count = wells[path]
    if count is None:
        return tag("td", "!", class_="gone", title=f"{path}: listed, and not there")
    return tag("td", count, class_="full", title=f"{path}: {count} fields")


# What is said of it --------------------------------------------------------------------------------------------------


def _findings(report: Report) -> Html:
    seen = ", ".join(f"{what} {count}" for what, count in report.seen.items())
    rules = f"the rules of OME-Zarr {report.version}" if report.version else "no version of OME-Zarr"
    rows = []
    for f in report.findings[:_MOST_ROWS]:
        style = {"error": "bad", "warning": "fair"}.get(f.severity, "soft")
        rows.append((tag("span", f.severity, class_=style), f.rule, f.where, f"{f.what} {f.hint}".strip()))
    more = len(report.findings) - _MOST_ROWS
    return section(
        "Validation",
        _soft(f"Checked by {rules}: {seen or 'nothing'}."),
        table(("severity", "rule", "where", "what was found"), rows, "")
        or tag("p", "Nothing was found.", class_="good"),
        _soft(f"{more} more are not shown.") if more > 0 else "",
    )


def _documents(target: Target) -> Html:
    attributes = target.attributes or {}
    others = target.fmt.strip(attributes)
    documents = {"OME": {k: v for k, v in attributes.items() if k not in others}, "Other attributes": others}
    return section("Metadata", *(_folded(title, _document(value)) for title, value in documents.items() if value))


def _document(value: Any) -> Html:
    lines = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    more = f"\n... and {len(lines) - _MOST_TEXT} more characters" if len(lines) > _MOST_TEXT else ""
    return tag("pre", Html("\n".join(map(text, (lines[:_MOST_TEXT] + more).split("\n")))))


def _folded(title: str, content: Html) -> Html:
    return tag("details", tag("summary", title), content)
