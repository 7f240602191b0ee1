"""`Scaler`: the parameters of a pyramid, and pyramids of arrays in memory, lazy in dask, or stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .engine import Progress
from .pixels import Methods as Methods
from .pixels import Scaler as _Scaler
from .spec import AxesLike, Format
from .store import behind_urls
from .write import write_scaled


@attrs.frozen
class Scaler(_Scaler):  # noqa: D101  the words stand there
    __doc__ = _Scaler.__doc__

    def scale(
        self,
        input_array: Any,
        output_directory: Any,
        axes: AxesLike | None = None,
        *,
        fmt: Format | str | None = None,
        overwrite: bool = False,
        progress: Progress = None,
        store_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a pyramid of a stored Zarr array as an OME-Zarr image.

        Args:
            input_array: path of the array.
            output_directory: path of the new image, or with `in_place` of the group that holds the array; where that
                is an image, see `add_levels`.
            axes: its axes; may be left out for 2D and 5D.
            fmt, overwrite, progress, store_options: as in `write_image`.

        Raises:
            LabelError: `labeled`, and the method gives values that the array does not have.
        """
        with behind_urls(store_options):
            write_scaled(self, input_array, output_directory, axes, overwrite, progress, fmt)
