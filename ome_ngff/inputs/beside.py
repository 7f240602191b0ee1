"""What lies beside the pixels of an OME-Zarr image: how it is shown, and its labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import zarr

from ..exceptions import NgffError
from ..image import NgffImage
from .zarr_store import document_of, image_in


@attrs.frozen(eq=False)
class Beside:
    """Point to the group of an OME-Zarr image.

    Attributes:
        group: the group.
    """

    group: zarr.Group

    @classmethod
    def of(cls, image: NgffImage) -> Beside | None:
        """Find the group of the image that an input is the first level of; None for every other input."""
        array = getattr(image.data, "origin", image.data)
        if not isinstance(array, zarr.Array):
            return None
        parts = array.path.split("/")
        for depth in range(len(parts) - 1, -1, -1):
            try:
                group = zarr.open_group(array.store, path="/".join(parts[:depth]), mode="r")
            except (OSError, ValueError):
                continue
            firsts = [known["datasets"][0]["path"] for known in document_of(group).get("multiscales", ())]
            if "/".join(parts[depth:]) in firsts:
                return cls(group)
        return None

    def omero(self, channels: int) -> dict[str, Any] | None:
        """Return how the image is shown, where that is said for this number of channels."""
        omero = document_of(self.group).get("omero")
        if not isinstance(omero, Mapping) or not isinstance(omero.get("channels"), list):
            return None
        return dict(omero) if len(omero["channels"]) == channels else None

    def labels(self) -> list[str]:
        """Give the names of the labels, in the order in which they are listed."""
        node = self._node("labels")
        listed = document_of(node).get("labels") if isinstance(node, zarr.Group) else None
        return [str(name) for name in listed] if isinstance(listed, list) else []

    def label(self, name: str) -> tuple[NgffImage, dict[str, Any]]:
        """Open a label image, and give its colours and properties.

        Raises:
            NgffError: it is none, or is not there.
        """
        node = self._node(f"labels/{name}")
        document = document_of(node) if isinstance(node, zarr.Group) else {}
        if not isinstance(node, zarr.Group) or not document.get("multiscales"):
            raise NgffError(f"labels/{name} is no image.")
        said = document.get("image-label") or {}
        kept = {key: said[key] for key in ("colors", "properties") if said.get(key)}
        return image_in(node, document, f"labels/{name}", 0, None, name), kept

    def _node(self, path: str) -> Any:
        try:
            return self.group[path]
        except KeyError:
            return None


def label_boxes(lengths: Any, image: NgffImage, label: NgffImage) -> Any:
    """Take those lengths of the axes of an image that a label image has, too.

    Args:
        lengths: chunks or shards, as options give them: "auto", one number, one per axis, a dict, or None.
        image: whose axes they are said for. label: whose axes are wanted.
    """
    if isinstance(lengths, (tuple, list)):
        lengths = dict(zip(image.dims, lengths, strict=True))
    return {axis: lengths[axis] for axis in label.dims if axis in lengths} if isinstance(lengths, dict) else lengths


__all__ = ["Beside", "label_boxes"]
