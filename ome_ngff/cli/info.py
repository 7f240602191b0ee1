"""`ome-ngff info`: what a store is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ..text import by, size
from . import options
from .errors import say, verbosity_wanted
from .options import PLACE, verbosity
from .tables import number, table

if TYPE_CHECKING:
    from ..read import ArrayInfo, AxisInfo, ImageInfo, StoreInfo


_MEMBERS = {"plate": "wells", "well": "fields", "bioformats2raw": "series", "group": "groups"}
_MOST = 12


@click.command("info", short_help="Show what an OME-Zarr is.")
@click.argument("path", type=PLACE)
@options.as_json("Print JSON.")
@verbosity
def command(path: str, as_json: bool) -> None:
    """Show what stands at PATH, a folder, a zip file or a URL: axes, levels, channels, labels, sizes.

    It may be any OME-Zarr, finished or not, or a bare Zarr group or array.
    """
    from ..read import describe_store

    found = describe_store(path)
    if as_json or verbosity_wanted() >= 0:
        _print(found, as_json)


def report(path: str, as_json: bool, at: int = 1) -> None:
    """Print what stands at a path as JSON where that is asked for, else as text where the user hears that much."""
    from ..read import describe_store

    if as_json or verbosity_wanted() >= at:
        _print(describe_store(path), as_json)


def _print(found: StoreInfo, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
        return
    version = f"OME-Zarr {found.version}, " if found.version else ""
    say(f"{found.path}: {found.kind} ({version}Zarr v{found.zarr_format})")
    for image in found.images:
        _show_image(image)
    _show_labels(found.labels)
    table("arrays", *_arrays(found.arrays))
    if found.members:
        count, what = len(found.members), _MEMBERS.get(found.kind, "members")
        more = f" and {count - _MOST} more" if count > _MOST else ""
        click.echo()
        say(f"{count} {what}: {', '.join(found.members[:_MOST])}{more}")


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


def _axis(axis: AxisInfo) -> Sequence[str]:
    pixel, extent = (
        "" if value is None or axis.type == "channel" else f"{number(value)} {axis.unit or ''}".strip()
        for value in (axis.pixel, axis.extent)
    )
    return axis.name, axis.type or "", number(axis.size), pixel, extent, axis.orientation or ""


def _show_state(image: ImageInfo) -> None:
    where = f"{image.path}: " if image.path else ""
    if not image.complete:
        done = f" ({image.progress[0]} of {image.progress[1]} units done)" if image.progress else ""
        say(f"{where}incomplete{done}: finish it with --resume, or start again with --overwrite")
    for note in image.notes:
        say(f"{where}{note}")


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
    headings = ("path", "pixels", "dtype", "chunks", "shards", "codec", "stored", "ratio", "scale")
    rows: list[Sequence[str]] = [
        (
            a.path, by(a.shape), a.dtype, by(a.chunks), by(a.shards or ()), a.codec,
            "" if a.stored is None else size(a.stored), f"{a.ratio:.2f}" if a.ratio else "",
            ", ".join(map(number, a.scale or ())),
        )
        for a in arrays
    ]  # fmt: skip
    return headings, rows
