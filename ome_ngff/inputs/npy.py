"""NumPy's `.npy` and `.npz` files, and raw pixels inside gzip and zip files.

What is stored as it is gets mapped; what is compressed is unpacked once per process into a temporary file, so that
memory stays flat.
"""

from __future__ import annotations

import gzip
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..config import config
from ..exceptions import InputError
from ..image import NgffImage
from ..pixels import Slices, native
from ..text import nearest_word, warn
from .arrange import Facts, arranged, named_axes
from .files import FileArray, MappedArray, read_mapped, stamp_of
from .inside import Inside

_LOCAL_HEADER = struct.Struct("<26xHH")


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open a `.npy` file; without `axes`, only the axes of 2D (yx) and 5D (tczyx) arrays are known."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    refuse_records(array.dtype, path)
    order = "C" if array.flags.c_contiguous else "F"
    data = MappedArray(path, array.shape, array.dtype, array.offset, order)
    return arranged(data, named_axes(axes, data.ndim, path), path, Facts(name=Path(path).stem))


def open_archive(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open an array of a `.npz` archive: the only one, or `file.npz::name`.

    Raises:
        InputError: there is no such array, or there are several and none is named.
    """
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        name = only_one(inner, names, path)
        member = archive.getinfo(f"{name}.npy")
        with archive.open(member) as file:
            shape, fortran, dtype, offset = _header(file)
    refuse_records(dtype, f"{path}::{name}")
    order = "F" if fortran else "C"
    data: MappedArray | UnpackedArray
    if member.compress_type == zipfile.ZIP_STORED:
        data = MappedArray(path, shape, dtype, _start(path, member) + offset, order)
    else:
        data = UnpackedArray.of(path, shape, dtype, offset, order, member.filename)
    title = Path(path).stem if len(names) == 1 else name
    return arranged(data, named_axes(axes, data.ndim, f"{path}::{name}"), path, Facts(name=title))


def inside_archive(path: str, inner: str) -> Iterator[Inside]:
    """Yield the arrays of a `.npz` archive, or the one that is named."""
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    for name in [inner] if inner else names:
        yield Inside(partial(open_archive, path, name, None), name, inner=name)


def refuse_records(dtype: np.dtype[Any], source: str) -> None:
    """Raise `InputError` for a dtype that no pixel has: records, text, dates, complex numbers, 128 bits."""
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise InputError(f"{source} holds {dtype}, but pixels are integers, floats (up to 64 bits) or bool.")


def only_one(wanted: str, names: Sequence[str], path: str) -> str:
    """Return the array that the caller wants from a file of several, or the only one.

    Raises:
        InputError: there is no array of this name, or there are several and none is named.
    """
    if wanted in names:
        return wanted
    if not names:
        raise InputError(f"{path} holds no array.")
    listed = ", ".join(names[:20])
    if wanted:
        raise InputError(f"{path} holds no array {wanted!r}, but {listed}.{nearest_word(wanted, names)}")
    if len(names) > 1:
        raise InputError(f"{path} holds the arrays {listed}; say which, as in '{path}::{names[0]}'.")
    return names[0]


def number_of(series: int | str | None, names: Sequence[str], where: str, known: Sequence[str]) -> int:
    """Return which of several images is meant, by its name or its number; the first one where nothing is said.

    Args:
        series: as in `open_input`. names: those of the images. where, known: what messages call the file and each.

    Raises:
        InputError: there is no such image.
    """
    wanted = str(series or 0)
    if isinstance(series, str) and series in names:
        return names.index(series)
    if series is None and len(names) > 1:
        warn(f"{where}: 1 of {len(names)} images; series=1, or series='all' in convert")
    if series is None or (wanted.isdecimal() and int(wanted) < len(names)):
        return int(wanted)
    listed = ", ".join(f"{i} ({each.removeprefix(', ')})" for i, each in enumerate(known)) or "none"
    raise InputError(f"{where} has no series {wanted!r}; it has {listed}.{nearest_word(wanted, names)}")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return the shape, whether the order is Fortran's, the dtype, and the number of bytes before the pixels."""
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    return shape, fortran, dtype, file.tell()


def _start(path: str, member: zipfile.ZipInfo) -> int:
    with open(path, "rb") as file:
        file.seek(member.header_offset)
        name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    return member.header_offset + _LOCAL_HEADER.size + int(name) + int(extra)


@attrs.frozen(eq=False, slots=False)
class UnpackedArray(FileArray):
    """Show raw pixels that were compressed as a whole, by zip, gzip or zlib, and cannot be read from the middle.

    The first read unpacks the file into an unnamed one in `config.cache_store`, which vanishes with the array.

    Attributes:
        stored: dtype in the file, with its byte order. offset: bytes before the first pixel, unpacked.
        order: "C" where the last dimension is the fastest in the file, "F" where the first one is.
        member: name inside a zip file; empty for others. skip: bytes of the file before those that are packed.
    """

    stored: np.dtype[Any]
    offset: int
    order: str
    member: str
    skip: int

    @classmethod
    def of(
        cls, path: str, shape: tuple[int, ...], stored: Any, offset: int, order: str, member: str = "", skip: int = 0
    ) -> UnpackedArray:
        return cls(path, stamp_of(path), shape, native(stored), None, np.dtype(stored), offset, order, member, skip)

    def _open(self) -> tuple[IO[bytes], Callable[[], Any]]:
        file = tempfile.TemporaryFile(dir=config.cache_store)  # noqa: SIM115
        try:
            if self.member:
                with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as packed:
                    shutil.copyfileobj(packed, file, 2**18)
            else:
                with open(self.path, "rb") as packed:
                    packed.seek(self.skip)
                    _unpack(packed, file)
            if file.tell() < self.offset + self.nbytes:
                raise EOFError(f"it holds {file.tell()} bytes, not {self.offset + self.nbytes}")
        except Exception:
            file.close()
            raise
        file.flush()
        return file, file.close

    def read(self, box: Slices) -> NDArray[Any]:
        return read_mapped(self.opened().fileno(), self, box)


def _unpack(packed: IO[bytes], file: IO[bytes]) -> None:
    """Unpack what gzip or zlib has packed, from here to its end, in small parts."""
    start = packed.tell()
    is_zlib = packed.read(2) != b"\x1f\x8b"
    packed.seek(start)
    if not is_zlib:
        shutil.copyfileobj(gzip.GzipFile(fileobj=packed), file, 2**18)
        return
    unpacker = zlib.decompressobj()
    while not unpacker.eof and (part := unpacker.unconsumed_tail or packed.read(2**16)):
        file.write(unpacker.decompress(part, 2**18))
