"""`ome-ngff info`: what a store is."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from ..exceptions import InputError, MissingError, NgffError
from ..text import by, counted, listed, printable, size
from . import options
from .errors import say, verbosity_wanted, warn
from .options import PLACE, store_option, verbosity
from .tables import number, table

if TYPE_CHECKING:
    from ..inputs import InputImage, InputInfo
    from ..read import ArrayInfo, AxisInfo, ImageInfo, PlateInfo, StoreInfo


_MEMBERS = {"plate": "well", "well": "field", "bioformats2raw": "series", "scene": "image", "group": "group"}
_MOST, _MOST_LISTED = 12, 200
_EVERY = 2.0  # seconds between two looks


@options.command(
    "info",
    "Show what an OME-Zarr, or a file, holds.",
    "cells.ome.zarr",
    "scan.tif",
    "s3://bucket/cells.ome.zarr --store-option anon=true --json",
)
@click.argument("path", type=PLACE)
@click.option("--wait", is_flag=True, help="Follow an image that is being written, until it is finished.")
@options.as_json("Print JSON.")
@store_option
@verbosity
def command(path: str, wait: bool, as_json: bool) -> None:
    """Show what stands at PATH, a folder, a zip file or a URL: axes, levels, channels, labels, sizes.

    It may be any OME-Zarr, finished or not, a plate (shown as a map of its wells), a bare Zarr group or array, or
    whatever 'write' takes, such as a TIFF with several images. Of any other folder, its images are listed.
    """
    from ..inputs import describe_input, is_foreign
    from ..read import describe_store

    if wait:
        _follow(path)
    try:
        if not as_json and _holds_zarrs(path) and _list_below(path):
            return
        found = describe_input(path) if is_foreign(path) else describe_store(path)
    except (InputError, MissingError):
        if not os.path.exists(path) and "://" not in path:
            describe_input(path)  # which names what is called nearly the same
        if not os.path.isdir(path) or as_json or not _list_below(path):
            raise
        return
    if as_json or verbosity_wanted() >= 0:
        _print(found, as_json)


def _is_zarr(path: str) -> bool:
    return any(os.path.exists(os.path.join(path, name)) for name in ("zarr.json", ".zgroup", ".zarray"))


def _holds_zarrs(path: str) -> bool:
    """Return whether a path is a folder, no Zarr itself, with Zarrs in it."""
    return os.path.isdir(path) and not _is_zarr(path) and any(_is_zarr(os.path.join(path, n)) for n in os.listdir(path))


def _list_below(path: str) -> bool:
    """List the OME-Zarrs and the image files in a folder and in those below it; return whether there are any."""
    from ..inputs import foreign_file
    from ..read import describe_store

    rows: list[Sequence[str]] = []
    for folder, folders, files in os.walk(path):
        zarrs = {name for name in folders if _is_zarr(os.path.join(folder, name))}
        for name in sorted([*files, *zarrs]):
            where = os.path.join(folder, name)
            with suppress(NgffError, OSError):
                if kind := foreign_file(where):
                    rows.append((os.path.relpath(where, path), kind, ""))
                    continue
                found = describe_store(where)
                said = f"{found.kind}, OME-Zarr {found.version}" if found.version else found.kind
                shapes = [by(image.levels[0].shape) for image in found.images if image.levels]
                rows.append((os.path.relpath(where, path), said, ", ".join(shapes)))
        folders[:] = sorted({*folders} - zarrs)
    table(f"in {path}", ("path", "what it is", "pixels"), rows[:_MOST_LISTED])
    if len(rows) > _MOST_LISTED:
        say(f"and {len(rows) - _MOST_LISTED} more")
    return bool(rows)


def _follow(path: str) -> None:
    """Print a line whenever more of an image is done, until all is."""
    from ..read import describe_store

    before = ""
    while not (found := describe_store(path)).complete:
        now = "; ".join(_state(image) for image in (*found.images, *found.labels) if not image.complete)
        if now != before:
            say(now)
        before = now
        time.sleep(_EVERY)


def report(path: str, as_json: bool, at: int = 1) -> None:
    """Print what stands at a path as JSON where that is asked for, else as text where the user hears that much."""
    from ..read import describe_store

    if as_json or verbosity_wanted() >= at:
        _print(describe_store(path), as_json)


def _print(found: StoreInfo | InputInfo, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
        return
    from ..read import StoreInfo

    if isinstance(found, StoreInfo):
        _show_store(found)
    else:
        _show_inside(found)


def _show_store(found: StoreInfo) -> None:
    version = f"OME-Zarr {found.version}, " if found.version else ""
    say(f"{found.path}: {found.kind} ({version}Zarr v{found.zarr_format})")
    for image in found.images:
        _show_image(image)
    _show_labels(found.labels)
    table("arrays", *_arrays(found.arrays))
    if found.plate is not None:
        _show_plate(found.plate)
    elif found.members:
        count, what = len(found.members), _MEMBERS.get(found.kind, "member")
        said = f"{count} series" if what == "series" else counted(count, what)
        more = f" and {count - _MOST} more" if count > _MOST else ""
        click.echo()
        say(f"{said}: {', '.join(found.members[:_MOST])}{more}")


def _show_plate(plate: PlateInfo) -> None:
    """Show a plate as a table, and as a map of its wells with the number of fields of each."""
    fields = sum(count or 0 for count in plate.wells.values())
    size = f"{counted(len(plate.rows), 'row')}, {counted(len(plate.columns), 'column')}"
    say(f"name {plate.name!r}, {size}: {counted(len(plate.wells), 'well')} with {counted(fields, 'field')}")
    table("acquisitions", ("acquisition", "fields"), [(name, str(n)) for name, n in plate.acquisitions.items()])
    cells = {path: "!" if count is None else str(count) for path, count in plate.wells.items()}
    width = max(map(len, (*cells.values(), *plate.columns)), default=1)
    if plate.rows:
        click.echo("\nfields per well")
        above = max(map(len, plate.rows))
        lines = [("", plate.columns), *((r, [cells.get(f"{r}/{c}", ".") for c in plate.columns]) for r in plate.rows)]
        for name, line in lines:
            click.echo(f"  {printable(name):{above}}  {' '.join(f'{printable(cell):>{width}}' for cell in line)}")
    if missing := [path for path, count in plate.wells.items() if count is None]:
        warn(f"Wells that are listed, and not there: {listed(missing, _MOST, ', ')}.")
    if plate.unlisted:
        fields_there = listed(plate.unlisted, _MOST, ", ")
        warn(f"Fields that are there, and not listed (repair_plate in Python lists them): {fields_there}.")


def _show_image(image: ImageInfo) -> None:
    _show_state(image)
    said = [f"name {image.name!r}" if image.name else "", f"levels made by {image.method}" if image.method else ""]
    if any(said):
        say(", ".join(filter(None, said)))
    headings = ("name", "type", "pixels", "pixel size", "extent", "grows")
    table("axes", headings, [_axis(axis) for axis in image.axes])
    table("levels", *_arrays(image.levels))
    channels = [
        (str(i), c.label or "", c.color or "", f"{number(c.start)} to {number(c.end)}" if c.start is not None else "")
        for i, c in enumerate(image.channels)
    ]
    table("channels", ("channel", "label", "color", "shown"), channels)
    if len(image.systems) > 1 or image.transformations:
        click.echo()
        say(f"coordinate systems: {', '.join(image.systems)}")
        for transformation in image.transformations:
            say(transformation)


def _show_inside(found: InputInfo) -> None:
    count = len(found.images)
    say(f"{found.path}: {found.kind}{f', {count} images' if count > 1 else ''}")
    if count == 1:
        (image,) = found.images
        say(f"name {image.name!r}, {image.dtype}")
        table("axes", ("name", "type", "pixels", "pixel size", "extent", "grows"), [_axis(axis) for axis in image.axes])
        shown = [(str(i), c.label or "", c.color or "") for i, c in enumerate(image.channels)]
        table("channels", ("channel", "label", "color"), shown)
    else:
        headings = ("option", "name", "axes", "pixels", "dtype", "pixel size", "channels")
        table("images", headings, [_row(image) for image in found.images])
    for image in found.images:
        if image.note:
            warn(image.note)


def _row(image: InputImage) -> Sequence[str]:
    option = f"--series {image.series}" if image.series is not None else f"::/{image.inner}"
    sizes = [f"{axis.name} {number(axis.pixel)} {axis.unit or ''}".strip() for axis in image.axes if axis.pixel]
    names = [channel.label or "" for channel in image.channels]
    axes = "".join(axis.name for axis in image.axes)
    return option, image.name, axes, by(image.shape), image.dtype or "", ", ".join(sizes), ", ".join(names)


def _axis(axis: AxisInfo) -> Sequence[str]:
    pixel, extent = (
        "" if value is None or axis.type == "channel" else f"{number(value)} {axis.unit or ''}".strip()
        for value in (axis.pixel, axis.extent)
    )
    return axis.name, axis.type or "", number(axis.size), pixel, extent, axis.orientation or ""


def _show_state(image: ImageInfo) -> None:
    where = f"{image.path}: " if image.path else ""
    if not image.complete:
        way = "--join in any number of processes, or --resume in one," if image.joint else "--resume,"
        way_out = "" if image.helpers else f": finish it with {way} or start again with --overwrite"
        say(f"{where}incomplete{f' ({_state(image)})' if image.progress else ''}{way_out}")
    for note in image.notes:
        say(f"{where}{note}")


def _state(image: ImageInfo) -> str:
    """Say how far the writing of an image is, who is at it, and how long it may take."""
    if image.progress is None:
        return "incomplete"
    done, total = image.progress
    words = [f"{done} of {total} units done"]
    if image.helpers:
        count, many = sum(image.helpers.values()), len(image.helpers)
        who = f"{many} process{'es' * (many != 1)} ({', '.join(list(image.helpers)[:_MOST])})"
        words.append(f"{count} being done by {who}, {total - done - count} left")
    if image.rate and image.helpers and done:  # the first may have come just now
        words.append(f"{image.rate:.3g} units/s, about {(total - done) / image.rate:.0f} s to go")
    return ", ".join(words)


def _show_labels(labels: Sequence[ImageInfo]) -> None:
    rows = []
    for label in labels:
        first = label.levels[0] if label.levels else None
        stored = [level.stored for level in label.levels]
        known = size(sum(filter(None, stored))) if stored and None not in stored else ""
        pixels, dtype = (by(first.shape), first.dtype) if first else ("", "")
        axes = "".join(axis.name for axis in label.axes)
        rows.append((label.path, axes, pixels, dtype, str(len(label.levels)), label.method or "", known))
    table("labels", ("path", "axes", "pixels", "dtype", "levels", "method", "stored"), rows)
    for label in labels:
        _show_state(label)


def _arrays(arrays: Sequence[ArrayInfo]) -> tuple[Sequence[str], list[Sequence[str]]]:
    headings = ("path", "pixels", "dtype", "chunks", "shards", "codec", "stored", "ratio", "scale", "position")
    placed = any(any(a.translation or ()) for a in arrays)
    rows: list[Sequence[str]] = [
        (
            a.path, by(a.shape), a.dtype, by(a.chunks), by(a.shards or ()), a.codec,
            "" if a.stored is None else size(a.stored), f"{a.ratio:.2f}" if a.ratio else "",
            ", ".join(map(number, a.scale or ())), ", ".join(map(number, a.translation or ())) if placed else "",
        )
        for a in arrays
    ]  # fmt: skip
    return headings, rows
