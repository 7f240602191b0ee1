"""`ome-ngff preview`: a picture of an image, in a file or on the terminal."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from . import options
from .errors import note, say, verbosity_wanted
from .options import STORE, Parsed, progress, store_option, verbosity

if TYPE_CHECKING:
    from ..show import Preview


def _level(text: str) -> int | None:
    """Read "auto" (None) or the number of a level."""
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a level; write auto, or a number such as 0.") from None


@options.command(
    "preview",
    "Make a picture of an OME-Zarr image or plate.",
    "cells.ome.zarr -o cells.png --labels nuclei",
    "plate.ome.zarr -o plate.png --acquisition 1",
)
@click.argument("path", type=STORE)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to save it: .png, .jpg, .tif, .pdf, ...; or .html, a page of all there is to see.",
)
@click.option("--labels", multiple=True, metavar="NAME", help="Labels to outline; may be repeated.")
@click.option("--fill", is_flag=True, help="Fill the labels, too.")
@click.option("--channel", "channels", multiple=True, metavar="NAME|N", help="A channel to show; may be repeated.")
@click.option(
    "--level", type=Parsed("auto|N", _level), help="The level to show.  [default: auto, the coarsest of 512 pixels]"
)
@click.option(
    "--projection",
    type=click.Choice(["max", "middle"]),
    default="max",
    show_default=True,
    help="Along z: the brightest of all planes, or the plane in the middle.",
)
@click.option("--time", type=click.IntRange(0), default=0, metavar="N", help="The time point.  [default: 0]")
@click.option("--bar/--no-bar", default=True, help="Whether to draw a scale bar.  [default: bar]")
@click.option("--acquisition", type=click.IntRange(0), metavar="N", help="Of a plate: whose fields.  [default: all]")
@click.option("--field", metavar="N", help="Of a plate: which field of each well.  [default: 0]")
@click.option("--store", is_flag=True, help="Of a plate: keep the overview as the image plate_overview in it, too.")
@store_option
@verbosity
def command(path: str, output: str | None, channels: tuple[str, ...], **given: Any) -> None:
    """Make a picture of the OME-Zarr image or plate PATH: a folder, a zip file or a URL.

    Channels have their colours and contrast from the image's metadata; without any, contrast is that of the pixels. Of
    a plate, one field of each well is shown, from its coarsest level. Where no FILE is given, the picture is shown in
    terminals that can (iTerm2, WezTerm, kitty, Ghostty).

    A FILE that ends with .html becomes a report in one page, which needs nothing but a browser: pictures, projections,
    levels with their chunks and compression, histograms, metadata, labels, and what 'validate' finds.
    """
    from ..read import is_plate, open_image
    from ..show import look

    if output and output.lower().endswith((".html", ".htm")):
        _page(path, output, channels, **given)
        return
    of_plate = {name: given.pop(name) for name in ("acquisition", "field", "store")}
    words = {**given, "channels": channels or None}
    paint: Callable[[], Preview]
    if is_plate(path):
        picture = _plate(path, **words, **of_plate)
        paint, text = lambda: picture, picture.text
    else:
        alone = [f"--{name}" for name, value in of_plate.items() if value not in (None, False)]
        if alone:
            raise click.UsageError(f"{' and '.join(alone)}: {path} is not a plate.")
        view = look(open_image(path), **words)
        paint, text = view.paint, str(view)
    protocol = None if output else terminal_protocol(os.environ) if sys.stdout.isatty() else None
    if output:
        paint().save(output)
    elif protocol:
        for piece in escapes(paint().png(), protocol):
            sys.stdout.write(piece)
        click.echo()
    if verbosity_wanted() >= (1 if output else 0):
        say(text)
    if not output and not protocol and verbosity_wanted() >= 0:
        click.echo("This terminal shows no pictures; save it with -o preview.png.")


def _field(text: str | None) -> int | str:
    return int(text) if text is not None and text.isdecimal() else text or 0


def _page(path: str, output: str, channels: tuple[str, ...], *, store: bool, labels: Any, **words: Any) -> None:
    from ..read import is_plate, preview_page
    from ..write import write_overview

    of_plate = {"acquisition": words.pop("acquisition"), "field": _field(words.pop("field"))}
    if store:
        write_overview(path, progress=progress(), **of_plate)
    words |= of_plate if is_plate(path) else {}
    page = preview_page(path, labels or None, channels=channels or None, **words)
    page.save(output)
    if verbosity_wanted() >= 1:
        say(page.text)


def _plate(
    path: str,
    *,
    labels: tuple[str, ...],
    fill: bool,
    level: int | None,
    acquisition: int | None,
    field: str | None,
    store: bool,
    **words: Any,
) -> Preview:
    from ..read import open_plate
    from ..write import write_overview

    if labels or fill:
        raise click.UsageError("Labels are drawn on an image, such as PLATE::B/3/0.")
    chosen: dict[str, Any] = {"level": "auto" if level is None else level, "acquisition": acquisition}
    chosen["field"] = _field(field)
    if store:
        name = write_overview(path, **chosen, progress=progress())
        note(f"The overview is kept as {path.rstrip('/')}/{name}")
    return open_plate(path).preview(**chosen, **words)


def terminal_protocol(environment: Mapping[str, str]) -> str | None:
    """Return how a terminal takes pictures: "iterm", "kitty", or None if it does not or only passes them on."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if term.startswith(("screen", "tmux", "dumb")):
        return None
    if "KITTY_WINDOW_ID" in environment or term == "xterm-kitty" or program == "ghostty":
        return "kitty"
    return "iterm" if program in ("iTerm.app", "WezTerm") or environment.get("LC_TERMINAL") == "iTerm2" else None


def escapes(png: bytes, protocol: str) -> Iterator[str]:
    """Wrap a PNG file into the escape sequences of a protocol."""
    code = base64.b64encode(png).decode()
    if protocol == "iterm":
        yield f"\x1b]1337;File=inline=1;size={len(png)}:{code}\x07"
        return
    for start in range(0, len(code), 4096):
        head = "a=T,f=100," if start == 0 else ""
        yield f"\x1b_G{head}m={int(start + 4096 < len(code))};{code[start : start + 4096]}\x1b\\"
