"""Places as ome-zarr's scripts name them: `parse_url(path, mode="w").store`.

Nothing here needs it: every function takes the path, the URL, the group or the store itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from zarr.abc.store import Store

from .exceptions import OptionError
from .spec import Format, format_from_version
from .store import Target, find_target, opened, put_attributes, readable


@attrs.frozen
class ZarrLocation:
    """Point to the group at a path or URL, which may not exist."""

    target: Target

    @property
    def store(self) -> Store:
        """The store whose root the group is."""
        return self.target.store

    @property
    def path(self) -> str:
        """The path or URL."""
        return str(self.target)

    @property
    def fmt(self) -> Format:
        """The format that the group has, or will have."""
        return self.target.fmt

    @property
    def root_attrs(self) -> dict[str, Any]:
        """The OME metadata of the group."""
        return self.target.document

    def exists(self) -> bool:
        """Return whether there is a group."""
        return self.target.attributes is not None


def parse_url(
    path: str | Path,
    mode: str = "r",
    fmt: Format | str | None = None,
    *,
    store_options: Mapping[str, Any] | None = None,
) -> ZarrLocation | None:
    """Point to the group at a path or URL. What is there already stays, in any mode.

    Args:
        path: where the group is or will be.
        mode: "r" and "r+" ask for a group that exists, "r" only to read it; "w" creates one if needed; "a"
            leaves that to the writer.
        fmt: OME-NGFF version of a new group; None takes the newest. store_options: as in `write_image`.

    Returns:
        The location, or None where "r" and "r+" find no group.
    """
    if mode not in ("r", "r+", "a", "w"):
        raise OptionError(f"The mode is 'r', 'r+', 'a' or 'w' (got {mode!r}).")
    target = find_target((readable if mode == "r" else opened)(path, store_options))
    if target.attributes is None:
        if mode.startswith("r"):
            return None
        target = attrs.evolve(target, fmt=target.fmt if fmt is None else format_from_version(fmt))
        if mode == "w":
            put_attributes(target, {})
            target = attrs.evolve(target, attributes={})
    if mode == "r" and not target.store.read_only:
        target = attrs.evolve(target, store=target.store.with_read_only(True))
    return ZarrLocation(target)
