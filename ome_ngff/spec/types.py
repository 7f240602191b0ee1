"""Types of the arguments that several functions take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .axes import Axes

AxesLike = str | Sequence[str] | Sequence[Mapping[str, Any]] | Axes
PerAxis = Mapping[str, float] | Sequence[float]
Transformations = Sequence[Sequence[Mapping[str, Any]]]
