"""What an image has to offer so that a picture can be made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..spec import Metadata


class Level(Protocol):
    """One level: pixels, and where they lie."""

    data: Any
    dims: tuple[str, ...]
    scale: dict[str, float] | None
    translation: dict[str, float] | None
    axes_units: dict[str, str] | None
    channel_names: Sequence[str] | None
    channel_colors: Sequence[str] | None


class Pyramid(Protocol):
    """A pyramid: its levels, the largest first, its metadata, its labels by name."""

    metadata: Metadata
    chunks: dict[str, int] | None
    image_label: dict[str, Any] | None

    @property
    def images(self) -> Sequence[Level]:
        """Levels, the largest first."""

    @property
    def labels(self) -> Mapping[str, Pyramid]:
        """Label images by name."""
