"""What an image has to offer so that a picture can be made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..spec import Metadata


class ImageLike(Protocol):
    """One level: its pixels and where they lie, as `NgffImage` has them."""

    name: str
    data: Any
    dims: tuple[str, ...]
    scale: dict[str, float] | None
    translation: dict[str, float] | None
    axes_units: dict[str, str] | None
    channel_names: Sequence[str] | None
    channel_colors: Sequence[str] | None


class PyramidLike(Protocol):
    """Levels, metadata and labels, as `Multiscales` has them."""

    metadata: Metadata
    chunks: dict[str, int] | None
    image_label: dict[str, Any] | None

    @property
    def images(self) -> Sequence[ImageLike]:
        """Levels, the largest first."""

    @property
    def labels(self) -> Mapping[str, PyramidLike]:
        """Label images by name."""
