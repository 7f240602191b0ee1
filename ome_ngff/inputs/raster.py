"""NRRD and MetaImage (ITK's own): raw pixels behind a header of text, or in a file that the header names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from ..exceptions import InputError
from ..image import NgffImage
from ..pixels import LazyArray
from .arrange import Facts, arranged, named_axes, positive, unit_named
from .files import MappedArray
from .npy import UnpackedArray
from .placing import Placement

_HEADER = 2**20
_NRRD_TYPES = {
    "int8": "i1", "int8_t": "i1", "signed char": "i1",
    "uint8": "u1", "uint8_t": "u1", "uchar": "u1", "unsigned char": "u1",
    "int16": "i2", "int16_t": "i2", "short": "i2", "short int": "i2", "signed short": "i2", "signed short int": "i2",
    "uint16": "u2", "uint16_t": "u2", "ushort": "u2", "unsigned short": "u2", "unsigned short int": "u2",
    "int32": "i4", "int32_t": "i4", "int": "i4", "signed int": "i4",
    "uint32": "u4", "uint32_t": "u4", "uint": "u4", "unsigned int": "u4",
    "int64": "i8", "int64_t": "i8", "longlong": "i8", "long long": "i8", "long long int": "i8",
    "signed long long": "i8", "signed long long int": "i8",
    "uint64": "u8", "uint64_t": "u8", "ulonglong": "u8", "unsigned long long": "u8", "unsigned long long int": "u8",
    "float": "f4", "double": "f8",
}  # fmt: skip
_META_TYPES = {
    "CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4", "LONG": "i4", "ULONG": "u4",
    "LONG_LONG": "i8", "ULONG_LONG": "u8", "FLOAT": "f4", "DOUBLE": "f8",
}  # fmt: skip
# What turns the coordinates of a space round, so that they grow to the right, to the front and up.
_SPACES = {
    "right-anterior-superior": (1, 1, 1), "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1), "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1), "lps": (-1, -1, 1),
}  # fmt: skip
_KINDS = {"time": "t", "rgb-color": "s", "rgba-color": "s", "3-color": "s", "4-color": "s"}
_ACROSS = {"domain", "space", "", "???", "none"}


@attrs.frozen
class Packing:
    """Say where the pixels of a header are, and how they are kept.

    Attributes:
        path: the file that they are in. offset: bytes before them; -1 where they are the last of the file.
        packed: whether gzip or zlib have packed them.
    """

    path: str
    offset: int
    packed: bool

    def array(self, shape: tuple[int, ...], dtype: Any) -> LazyArray:
        if self.packed:
            return UnpackedArray.of(self.path, shape, dtype, 0, "C", skip=max(self.offset, 0))
        size = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
        offset = os.path.getsize(self.path) - size if self.offset < 0 else self.offset
        return MappedArray(self.path, shape, dtype, offset)


def open_nrrd(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open an NRRD file, attached or detached; its first axis is the fastest.

    Raises:
        InputError: the pixels are kept as text, or in many files.
    """
    said, end = _nrrd_header(path)
    packing = _nrrd_packing(path, said, end)
    sizes = [int(size) for size in said["sizes"].split()]
    kind = said["type"].lower()
    if kind not in _NRRD_TYPES:
        raise InputError(f"{path} holds {kind}, but pixels are integers or floats of up to 64 bits.")
    data = packing.array(
        tuple(sizes[::-1]), np.dtype(_NRRD_TYPES[kind]).newbyteorder(">" if said.get("endian") == "big" else "<")
    )
    names = _nrrd_axes(said, len(sizes))
    facts = attrs.evolve(_nrrd_facts(said, names, path), name=Path(path).stem)
    own = tuple(names[::-1]) if len(set(names)) == len(names) else ()
    return arranged(data, named_axes(axes, data.ndim, path, own), path, facts)


def _nrrd_header(path: str) -> tuple[dict[str, str], int]:
    """Return the fields of a header, and the offset of what stands behind its blank line."""
    said = {}
    with open(path, "rb") as file:
        file.readline()
        while file.tell() < _HEADER and (line := file.readline().strip()):
            field, found, value = line.decode("utf-8", "replace").partition(":")
            if found and not field.startswith("#") and not value.startswith("="):
                said[field.strip().lower().replace("datafile", "data file")] = value.strip()
        return said, file.tell()


def _nrrd_packing(path: str, said: Mapping[str, str], end: int) -> Packing:
    encoding = said["encoding"].lower()
    named = said.get("data file", "")
    if encoding not in ("raw", "gzip", "gz") or re.search(r"^LIST\b|%\d*d", named) or int(said.get("line skip", 0)):
        raise InputError(
            f"{path} keeps its pixels as {encoding}{' in ' + named if named else ''}; save it as one raw or gzip file."
        )
    where = Path(path).parent / named if named else Path(path)
    skip = int(said.get("byte skip", 0))
    return Packing(str(where), -1 if skip < 0 else skip + (0 if named else end), encoding != "raw")


def _nrrd_axes(said: Mapping[str, str], ndim: int) -> list[str]:
    """Return one name per axis, the fastest first: by its kind, else by whether it has a direction in space."""
    kinds = said.get("kinds", "").lower().split() or [""] * ndim
    directions = _vectors(said.get("space directions", "")) or [()] * ndim
    across = [kind in _ACROSS and vector is not None for kind, vector in zip(kinds, directions, strict=True)]
    if sum(across) > 3:
        return ["?"] * ndim
    letters = iter("xyz")
    pairs = zip(kinds, across, strict=True)
    return [next(letters) if spatial else _KINDS.get(kind, "c") for kind, spatial in pairs]


def _nrrd_facts(said: Mapping[str, str], names: Sequence[str], path: str) -> Facts:
    directions = _vectors(said.get("space directions", ""))
    spacings = [positive(each) for each in said.get("spacings", "").split()] or [None] * len(names)
    units = _quoted(said.get("units", "")) or [""] * len(names)
    if directions:
        spacings = [
            positive(np.linalg.norm(each)) if each else size for each, size in zip(directions, spacings, strict=True)
        ]
        space = iter(_quoted(said.get("space units", "")))
        units = [next(space, unit) if each else unit for each, unit in zip(directions, units, strict=True)]
    scale = {name: _short(size) for name, size in zip(names, spacings, strict=True) if size and name in "tzyx"}
    known = {name: unit_named(unit) for name, unit in zip(names, units, strict=True) if name in scale}
    turns = _SPACES.get(said.get("space", "").lower())
    columns = [each for each in directions if each and len(each) == 3]
    origin = (_vectors(said.get("space origin", "")) or [None])[0] or (0, 0, 0)
    placed = turns is not None and len(columns) == 3
    placement = Placement.of(_affine(columns, origin, turns), path) if placed else Placement({}, {})
    return Facts(
        scale=scale,
        units={name: unit for name, unit in known.items() if unit},
        translation=placement.translation,
        orientations=placement.orientations,
    )


def _vectors(text: str) -> list[tuple[float, ...] | None]:
    """Return the vectors of a field such as "none (0.5,0,0) (0,0.5,0)"."""
    found = re.findall(r"none|\([^)]*\)", text)
    return [None if each == "none" else tuple(map(float, each.strip("()").split(","))) for each in found]


def _quoted(text: str) -> list[str]:
    return re.findall(r'"([^"]*)"', text)


def _short(size: float) -> float:
    """Return a size without what rounding has left at its end: 0.7 and not 0.7000000000000001."""
    return float(f"{size:.12g}")


def _affine(columns: Sequence[Any], origin: Sequence[float], turns: Any) -> Any:
    affine = np.eye(4)
    affine[:3, :3] = np.transpose(columns)
    affine[:3, 3] = origin
    return np.diag([*turns, 1]) @ affine


def open_meta(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open a MetaImage (`.mha`, or `.mhd` and a file that it names); coordinates grow to the left and to the back.

    Raises:
        InputError: the pixels are kept as text, or in many files.
    """
    said, end = _meta_header(path)
    named = said["elementdatafile"]
    if _true(said, "binarydata", "true") is False or re.search(r"^LIST\b|%\d*d", named):
        raise InputError(f"{path} keeps its pixels as text, or in many files ({named}); save it as one binary file.")
    local = named.upper() == "LOCAL"
    skip = end if local else int(said.get("headersize", 0))
    packing = Packing(path if local else str(Path(path).parent / named), skip, _true(said, "compresseddata"))
    sizes = [int(size) for size in said["dimsize"].split()]
    channels = int(said.get("elementnumberofchannels", 1))
    kind = said["elementtype"].upper().removeprefix("MET_").removesuffix("_ARRAY")
    if kind not in _META_TYPES:
        raise InputError(f"{path} holds {kind}, but pixels are integers or floats of up to 64 bits.")
    big = _true(said, "binarydatabyteordermsb") or _true(said, "elementbyteordermsb")
    shape = (*sizes[::-1], channels) if channels > 1 else tuple(sizes[::-1])
    data = packing.array(shape, np.dtype(_META_TYPES[kind]).newbyteorder(">" if big else "<"))
    own: tuple[str, ...] = tuple("zyx"[-len(sizes) :]) if len(sizes) <= 3 else ()
    samples = "s" if channels in (3, 4) and kind == "UCHAR" else "c"
    own = (*own, samples) if own and channels > 1 else own
    facts = attrs.evolve(_meta_facts(said, len(sizes), path), name=Path(path).stem)
    return arranged(data, named_axes(axes, data.ndim, path, own), path, facts)


def _meta_header(path: str) -> tuple[dict[str, str], int]:
    """Return the keys of a header, lower case, and the offset of what stands behind the last of them."""
    said: dict[str, str] = {}
    with open(path, "rb") as file:
        while "elementdatafile" not in said and file.tell() < _HEADER and (line := file.readline()):
            key, _, value = line.decode("utf-8", "replace").partition("=")
            said[key.strip().lower()] = value.strip()
        return said, file.tell()


def _true(said: Mapping[str, str], key: str, default: str = "false") -> bool:
    return said.get(key, default).lower() in ("true", "1")


def _meta_facts(said: Mapping[str, str], ndim: int, path: str) -> Facts:
    spacing = [positive(each) for each in said.get("elementspacing", said.get("elementsize", "")).split()]
    scale = {axis: _short(size) for axis, size in zip("xyz", spacing, strict=False) if size}
    unit = unit_named(said.get("distanceunits", "").removeprefix("MET_DISTANCE_UNITS_"))
    turn = next((said[key] for key in ("transformmatrix", "rotation", "orientation") if key in said), "")
    origin = next((said[key] for key in ("offset", "position", "origin") if key in said), "0 0 0")
    placement = Placement({}, {})
    if ndim == 3 and len(scale) == 3 and turn and "?" not in said.get("anatomicalorientation", ""):
        rows = np.reshape([float(each) for each in turn.split()], (3, 3)) * np.reshape(list(scale.values()), (3, 1))
        placement = Placement.of(_affine(list(rows), [float(each) for each in origin.split()], (-1, -1, 1)), path)
    return Facts(
        scale=scale,
        units=dict.fromkeys(scale, unit) if unit else {},
        translation=placement.translation,
        orientations=placement.orientations,
    )


def headers(path: str) -> tuple[Iterator[tuple[str, Any]], str]:
    """Return the text before the pixels."""
    with open(path, "rb") as file:
        _, end = (_nrrd_header if file.read(4) == b"NRRD" else _meta_header)(path)
        file.seek(0)
        return iter([("header", file.read(end).decode("utf-8", "replace"))]), ""
