"""`ome-ngff view`: an image in a viewer in the browser."""

from __future__ import annotations

import threading
from contextlib import suppress

import click

from . import options
from .errors import note, say
from .options import STORE, store_option, verbosity


@options.command(
    "view",
    "Look at an OME-Zarr image in the browser.",
    "cells.ome.zarr",
    "cells.ome.zarr --labels nuclei --port 8080 --no-browser",
)
@click.argument("path", type=STORE)
@click.option("--labels", multiple=True, metavar="NAME", help="Labels to show; may be repeated.  [default: all]")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Of this machine.  [default: any]")
@click.option("--browser/--no-browser", default=True, help="Whether to open the browser.  [default: browser]")
@store_option
@verbosity
def command(path: str, labels: tuple[str, ...], port: int, browser: bool) -> None:
    """Look at the OME-Zarr image PATH, a folder, a zip file or a URL, with its labels, in neuroglancer.

    No network is needed: the viewer comes with pip install 'ome-ngff[view]', and this process serves the image to
    this machine alone, until it is interrupted. Of a plate, an overview of its wells is shown.
    """
    from ..read import open_shown

    with open_shown(path).view(list(labels) or None, port=port) as viewer, suppress(KeyboardInterrupt):
        say(viewer.url)
        note("The page is there until Ctrl-C.")
        if browser and not viewer.open():
            note("There is no browser here; open the address above in one on this machine.")
        threading.Event().wait()
