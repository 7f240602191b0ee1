"""OME-NGFF 0.4."""

from __future__ import annotations

from ..dialect import Dialect
from .base import Format


class FormatV04(Format):
    """OME-NGFF 0.4: Zarr v2, metadata at the top of the attributes, the version inside each part."""

    dialect = Dialect(
        "0.4", zarr_format=2, namespace="", chunk_keys="v2", dimension_names=False, earlier=("0.3", "0.2", "0.1")
    )
    version, zarr_format = dialect.version, dialect.zarr_format
