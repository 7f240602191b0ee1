"""How one version of OME-NGFF lays out its metadata and arrays: the facts that rules and formats share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

KEYS = ("multiscales", "omero", "labels", "image-label", "plate", "well", "bioformats2raw.layout", "series")


@attrs.frozen
class Dialect:
    """State how a version writes.

    Attributes:
        version: of OME-NGFF. zarr_format: version of Zarr.
        earlier: versions that are stored alike and can be read as this one, the newest first.
        namespace: the attribute that holds all metadata and its version; "" where metadata stands among the attributes
            of others, each part with a version of its own.
        chunk_keys: name of the encoding of chunk keys; always nested by "/", as Zarr v2 by itself would not.
        dimension_names: whether arrays name their dimensions.
        spaces: whether images have coordinate systems, and transformations from one to another.
    """

    version: str
    zarr_format: Literal[2, 3]
    namespace: str
    chunk_keys: str
    dimension_names: bool
    earlier: tuple[str, ...] = ()
    spaces: bool = False

    def wrap(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Turn a metadata document into the attributes of its group."""
        return {self.namespace: {"version": self.version, **document}} if self.namespace else dict(document)

    def unwrap(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the metadata document that attributes hold; empty if they hold none of this version."""
        if self.namespace:
            there = attributes.get(self.namespace)
            return dict(there) if isinstance(there, Mapping) else {}
        return {key: value for key, value in attributes.items() if key in KEYS}

    def strip(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the attributes that are not metadata of this version: what belongs to others."""
        ours = (self.namespace,) if self.namespace else KEYS
        return {key: value for key, value in attributes.items() if key not in ours}

    def stamp(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """Put the version into a part of a document, where this version wants it there."""
        return dict(part) if self.namespace else {"version": self.version, **part}
