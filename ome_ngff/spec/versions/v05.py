"""OME-NGFF 0.5."""

from __future__ import annotations

from ..dialect import Dialect
from .base import Format


class FormatV05(Format):
    """OME-NGFF 0.5: Zarr v3, everything under the attribute `ome`, which carries the version."""

    dialect = Dialect("0.5", zarr_format=3, namespace="ome", chunk_keys="default", dimension_names=True)
    version, zarr_format = dialect.version, dialect.zarr_format
