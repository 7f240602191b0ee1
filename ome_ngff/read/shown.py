"""What a person is shown of a place: its image, or the one that stands for all that is there."""

from __future__ import annotations

from typing import Any

import zarr
from zarr.storage import StorePath

from ..image import Multiscales
from ..store import find_target, members, open_node, readable
from .open import open_image
from .plates import open_plate
from .stored import document_of


def open_shown(place: Any) -> Multiscales:
    """Open the image at a place; of a plate its overview, of a group with several images the first one.

    Raises:
        MissingError, IncompleteError, InputError, FormatError: see `open_image`.
    """
    target = find_target(readable(place))
    document = target.plate_document
    if "plate" in document:
        return open_plate(target).overview()
    if "well" in document or "bioformats2raw.layout" in document:
        node = open_node(target.store, target.path)
        paths = [path for path in members(node) if path.isdecimal()] if isinstance(node, zarr.Group) else []
        if paths:
            return open_image(StorePath(target.store, target.key(min(paths, key=int))))
    document_of(target)  # says what is wrong, if anything is
    return open_image(place)
