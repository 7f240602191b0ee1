"""A picture, to be shown or saved."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from ..exceptions import OptionError
from ..pixels import Array


@attrs.frozen(eq=False)
class Preview:
    """A picture. Notebooks show it, and `numpy.asarray` takes it.

    Attributes:
        pixels: red, green and blue, of shape (height, width, 3) and type uint8.
        text: what the picture shows.
    """

    pixels: Array = attrs.field(repr=False)
    text: str

    def save(self, path: str | Path) -> None:
        """Write the picture to a file, as the ending of its name says: PNG, JPEG, TIFF and others.

        Raises:
            OptionError: no format of pictures has this ending. OSError: the file cannot be written.
        """
        from PIL import Image

        known = {end for end, name in Image.registered_extensions().items() if name in Image.SAVE}
        if Path(path).suffix.lower() not in known:
            raise OptionError(f"No format of pictures has the ending of {str(path)!r}; name it .png, .jpg or .tif.")
        Image.fromarray(self.pixels).save(path)

    def png(self) -> bytes:
        """Return the bytes of a PNG file."""
        from PIL import Image

        file = BytesIO()
        Image.fromarray(self.pixels).save(file, "png")
        return file.getvalue()

    _repr_png_ = png

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.pixels, dtype) if copy else np.asarray(self.pixels, dtype)
