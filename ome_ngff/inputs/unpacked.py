"""Arrays inside gzip and zip: unpacked once per process into a temporary file, so that memory stays flat."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..config import config
from ..pixels import Slices, native
from .files import FileArray, read_mapped, stamp_of


@attrs.frozen(eq=False, slots=False)
class UnpackedArray(FileArray):
    """Show raw pixels inside a packed file, which cannot be read from the middle.

    The first read unpacks the file into an unnamed one in `config.cache_store`, which vanishes with the array.

    Attributes:
        stored: dtype in the file, with its byte order.
        offset: bytes before the first pixel, unpacked.
        order: "C" where the last dimension is the fastest in the file, "F" where the first one is.
        member: name inside a zip file; empty for gzip.
    """

    stored: np.dtype[Any]
    offset: int
    order: str
    member: str

    @classmethod
    def of(
        cls, path: str, shape: tuple[int, ...], stored: Any, offset: int, order: str, member: str = ""
    ) -> UnpackedArray:
        """Describe the pixels in a packed file."""
        return cls(path, stamp_of(path), shape, native(stored), None, np.dtype(stored), offset, order, member)

    def _open(self) -> tuple[IO[bytes], Callable[[], Any]]:
        file = tempfile.TemporaryFile(dir=config.cache_store)  # noqa: SIM115
        try:
            with _unpacking(self.path, self.member) as packed:
                shutil.copyfileobj(packed, file, 2**18)
            if file.tell() < self.offset + self.nbytes:
                raise EOFError(f"it holds {file.tell()} bytes, not {self.offset + self.nbytes}")
        except Exception:
            file.close()
            raise
        file.flush()
        return file, file.close

    def read(self, box: Slices) -> NDArray[Any]:
        """Read a box."""
        return read_mapped(self.opened().fileno(), self, box)


@contextmanager
def _unpacking(path: str, member: str) -> Iterator[Any]:
    if not member:
        with gzip.open(path) as packed:
            yield packed
        return
    with zipfile.ZipFile(path) as archive, archive.open(member) as packed:
        yield packed
