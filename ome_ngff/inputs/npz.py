"""NumPy's `.npz` archives: mapped where the array is stored plain, else unpacked to a temporary file."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..exceptions import InputError
from ..image import NgffImage
from ..text import nearest_word
from .arrange import Facts, arranged, named_axes
from .files import MappedArray
from .npy import refuse_records
from .unpacked import UnpackedArray

_LOCAL_HEADER = struct.Struct("<26xHH")


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
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


def only_one(wanted: str, names: Sequence[str], path: str) -> str:
    """Return the array that the caller wants from a file of several, or the only one.

    Raises:
        InputError: there is none of this name, or there are several and none is named.
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


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, whether the order is Fortran's, dtype, and the bytes before the pixels."""
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    return shape, fortran, dtype, file.tell()


def _start(path: str, member: zipfile.ZipInfo) -> int:
    """Return where the bytes of a stored member begin."""
    with open(path, "rb") as file:
        file.seek(member.header_offset)
        name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    return member.header_offset + _LOCAL_HEADER.size + int(name) + int(extra)
