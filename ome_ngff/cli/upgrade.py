"""`ome-ngff upgrade`: a store in another version of OME-NGFF, where it stands, and back."""

from __future__ import annotations

from typing import Any

import click

from . import options
from .errors import say, verbosity_wanted
from .options import STORE, VERSION, refuse_both, store_option, verbosity


@options.command(
    "upgrade",
    "Turn an OME-Zarr into another version, in place.",
    "cells.ome.zarr --dry-run",
    "plate.ome.zarr --to 0.5",
    "cells.ome.zarr --undo",
)
@click.argument("store", type=STORE)
@click.option("--to", "version", type=VERSION, help="Version of OME-NGFF to have in the end.  [default: 0.5]")
@click.option("--undo", is_flag=True, help="Take back what was done last, or was interrupted.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--lossy", is_flag=True, help="Do without what that version cannot hold; each loss is a warning.")
@store_option
@verbosity
def command(store: str, version: Any, undo: bool, dry_run: bool, lossy: bool) -> None:
    """Turn STORE, the folder or URL of an image, a plate or a collection, into another version of OME-NGFF.

    Only documents change: no chunk is read, moved or written. The same command goes on where it was interrupted. The
    old documents are kept in .ome_ngff/undo.zip, so that --undo restores them until the store is changed again.
    """
    from ..write import undo as take_back
    from ..write import upgrade

    for name, given in (("to", version), ("dry-run", dry_run), ("lossy", lossy)):
        refuse_both(**{"undo": undo, name: given})
    if undo:
        done = take_back(store)
        if verbosity_wanted() >= 0:
            say(f"{store}: {done} is undone")
        return
    found = upgrade(store, version or "0.5", lossy=lossy, dry_run=dry_run)
    if verbosity_wanted() < 0:
        return
    for loss in found.losses if dry_run else ():
        say(f"would be lost: {loss}")
    if not found.documents:
        say(f"{store} is OME-Zarr {found.to} already")
        return
    what = "would go" if dry_run else "went"
    images = f"{found.images} image{'s' * (found.images != 1)}, " if found.images else ""
    documents = "document" if found.documents == 1 else "documents"
    say(f"{store}: {what} from OME-Zarr {found.source} to {found.to} ({images}{found.documents} {documents})")
