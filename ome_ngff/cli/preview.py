"""`ome-ngff preview`: a picture of an image, in a file or on the terminal."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click

from .errors import say, verbosity_wanted
from .options import STORE, Parsed, store_option, verbosity


def _level(text: str) -> int | None:
    """Read "auto" (None) or the number of a level."""
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a level; write auto, or a number such as 0.") from None


@click.command("preview", short_help="Make a picture of an OME-Zarr image.")
@click.argument("path", type=STORE)
@click.option("-o", "--output", metavar="FILE", help="Where to save it: .png, .jpg or .tif.")
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
@store_option
@verbosity
def command(path: str, output: str | None, channels: tuple[str, ...], **given: Any) -> None:
    """Make a picture of the OME-Zarr image PATH: a folder, a zip file or a URL.

    Channels have their colours and contrast from the image's metadata; without any, contrast is that of the pixels.
    Where no FILE is given, the picture is shown in terminals that can (iTerm2, WezTerm, kitty, Ghostty).
    """
    from ..read import open_image
    from ..show import look

    view = look(open_image(path), channels=channels or None, **given)
    protocol = None if output else terminal_protocol(os.environ) if sys.stdout.isatty() else None
    if output:
        view.paint().save(output)
    elif protocol:
        for piece in escapes(view.paint().png(), protocol):
            sys.stdout.write(piece)
        click.echo()
    if verbosity_wanted() >= (1 if output else 0):
        say(str(view))
    if not output and not protocol and verbosity_wanted() >= 0:
        click.echo("This terminal shows no pictures; save it with -o preview.png.")


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
