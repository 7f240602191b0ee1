"""DICOM: a file, or the slices of a series, which are ordered by where they lie and not by their names."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import InputError
from ..image import NgffImage
from ..pixels import LazyArray, Slices
from ..text import warn
from .arrange import Facts, arranged, named_axes, positive
from .dicom_planes import Plane, planes_of
from .files import planes_in
from .inside import Inside
from .npy import number_of
from .placing import Placement
from .signs import is_dicom

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # coordinates of DICOM grow to the left and to the back


@attrs.frozen(eq=False)
class DicomArray(LazyArray):
    """Decode one frame after the other, and rescale it as its file asks.

    Attributes:
        folder: what `names` are relative to. names, frames: file and index in it, in C order over the outer dimensions.
        outer: number of dimensions that frames are counted along. shape, chunks: of the whole. dtype: after rescaling.
        slopes, intercepts: factor of each frame, and what is added to it.
        stamp: bytes and time of change of all files.
    """

    folder: str
    names: tuple[str, ...] = attrs.field(repr=False)
    frames: tuple[int, ...] = attrs.field(repr=False)
    outer: int
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    slopes: tuple[float, ...] = attrs.field(repr=False)
    intercepts: tuple[float, ...] = attrs.field(repr=False)
    stamp: tuple[int, int] = attrs.field(repr=False)

    @property
    def origin(self) -> Path:
        return Path(self.folder)

    def read(self, box: Slices) -> NDArray[Any]:
        out = np.empty([part.stop - part.start for part in box], self.dtype)
        for target, index in planes_in(box, self.shape[: self.outer]):
            out[target] = self._frame(index)[box[self.outer :]]
        return out

    def _frame(self, index: int) -> NDArray[Any]:
        from pydicom.pixels.utils import pixel_array

        _more_decoders()
        where = os.path.join(self.folder, self.names[index])
        try:
            pixels = np.asarray(pixel_array(where, index=self.frames[index]))
        except Exception as error:
            raise InputError(f"Frame {self.frames[index]} of {where} cannot be read: {error}") from error
        wanted = self.shape[self.outer :]
        if pixels.shape != wanted or (pixels.dtype.kind == "f" and self.dtype.kind != "f"):
            raise InputError(f"Frame {self.frames[index]} of {where} is {pixels.shape} {pixels.dtype}, not {wanted}.")
        slope, intercept = self.slopes[index], self.intercepts[index]
        if (slope, intercept) == (1, 0):
            return pixels
        scaled = pixels.astype(np.int64) + int(intercept) if self.dtype.kind in "iu" else pixels * slope + intercept
        return np.asarray(scaled, self.dtype)


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open a file of one frame or of many, or the slices of a series in a folder or a glob.

    Raises:
        InputError: the slices are not those of one stack, or one is missing.
    """
    found = _series_of(path)
    names = [planes[0].series[1] for planes in found]
    return _opened(found[number_of(series, names, path, [name or "unnamed" for name in names])], path, axes)


def inside(path: str, inner: str) -> Iterator[Inside]:
    """Yield the series of a folder or a glob."""
    found = _series_of(path)
    for index, planes in enumerate(found):
        yield Inside(partial(_opened, planes, path), planes[0].series[1], index if len(found) > 1 else None)


def _series_of(path: str) -> list[list[Plane]]:
    found: dict[tuple[str, str], list[Plane]] = {}
    for file in _files(path):
        for plane in planes_of(file):
            found.setdefault(plane.series, []).append(plane)
    return [found[key] for key in sorted(found, key=lambda key: key[::-1])]


def _opened(planes: list[Plane], where: str, axes: Sequence[str] | None) -> NgffImage:
    layout = planes[0].layout
    if odd := next((plane for plane in planes if plane.layout != layout), None):
        raise InputError(
            f"{odd.path} is not of the same stack as {planes[0].path}: their sizes, types or directions differ."
        )
    outer, names, facts = _arranged_planes(planes, where)
    shape = (*(size for _, size in outer), layout.rows, layout.columns)
    shape += (layout.samples,) if layout.samples > 1 else ()
    own = (*(name for name, _ in outer), "y", "x", *(("s",) if layout.samples > 1 else ()))
    folder = os.path.commonpath([os.path.dirname(plane.path) for plane in names])
    stats = [os.stat(path) for path in {plane.path for plane in names}]
    data = DicomArray(
        folder,
        tuple(os.path.relpath(plane.path, folder) for plane in names),
        tuple(plane.frame for plane in names),
        len(outer),
        shape,
        (*([1] * len(outer)), *shape[len(outer) :]),
        _dtype(names),
        tuple(plane.slope for plane in names),
        tuple(plane.intercept for plane in names),
        (sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats)),
    )
    title = planes[0].series[1] or Path(where).stem
    own = () if "?" in own else own
    return arranged(data, named_axes(axes, data.ndim, where, own), where, attrs.evolve(facts, name=title))


def _files(path: str) -> list[str]:
    """Return the DICOM files of a glob, or below a folder, which need not have an ending."""
    if os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        found = [os.path.join(below, name) for below, _, names in os.walk(path) for name in names]
    else:
        found = glob.glob(path, recursive=True)
    return sorted(os.path.abspath(each) for each in found if is_dicom(each))


Outer = list[tuple[str, int]]


def _arranged_planes(planes: list[Plane], where: str) -> tuple[Outer, list[Plane], Facts]:
    """Order planes by where they lie, then by time; return the dimensions that count them, and what they say."""
    first = planes[0]
    spacing = dict(zip("yx", map(positive, first.spacing), strict=False))
    scale = {axis: size for axis, size in spacing.items() if size}
    if len(planes) == 1:
        return [], planes, _facts(first, scale, positive(first.apart) or 1.0, where)
    if first.layout.turn is None or any(plane.position is None for plane in planes):
        timed = all(plane.timed for plane in planes)
        if len({plane.moment[-2:] for plane in planes}) < len(planes):
            raise InputError(f"{where} says neither where its planes lie nor which numbers they have.")
        ordered = sorted(planes, key=lambda plane: plane.moment[-2:])
        if timed and first.frame_time:
            scale |= {"t": first.frame_time}
        return [("t" if timed else "?", len(planes))], ordered, _facts(first, scale, 1.0, where)
    row, column = np.reshape(first.layout.turn, (2, 3))
    normal = np.cross(row, column)
    heights = {id(plane): round(float(normal @ plane.position), 3) for plane in planes}
    levels: dict[float, list[Plane]] = {}
    for plane in sorted(planes, key=lambda plane: (heights[id(plane)], plane.echo or 0, plane.moment)):
        levels.setdefault(heights[id(plane)], []).append(plane)
    stacks = list(levels.values())
    count = len(stacks[0])
    if odd := next((stack for stack in stacks if len(stack) != count), None):
        raise InputError(
            f"{where} has {count} slices where {stacks[0][0].path} lies, but {len(odd)} where {odd[0].path} does; "
            "one is missing, or they are of different stacks."
        )
    inside = np.array([np.reshape(first.layout.turn, (2, 3)) @ stack[0].position for stack in stacks])
    if (shift := float(np.ptp(inside, axis=0).max())) > 0.1 * min(scale.values(), default=1.0):
        why = "as by a tilted gantry; that is not kept"
        warn(f"The slices of {where} are shifted against each other by {shift:.3g} mm, {why}.")
    step = _step(list(levels), stacks, where)
    scale |= {"z": step} if step else {}
    outer: Outer = [("z", len(stacks))] if len(stacks) > 1 else []
    facts = _facts(stacks[0][0], scale, step or 1.0, where)
    echoes = list(dict.fromkeys(plane.echo for plane in stacks[0]))
    echoes = echoes if count % len(echoes) == 0 else [None]
    if count > len(echoes):
        _tell_times(stacks[0], where)
        outer.insert(0, ("t", count // len(echoes)))
    if len(echoes) > 1:
        outer.insert(0, ("c", len(echoes)))
        facts = attrs.evolve(facts, channel_names=[f"echo at {echo:g} ms" for echo in echoes])
    return outer, [stack[i] for i in range(count) for stack in stacks], facts


def _tell_times(planes: Sequence[Plane], where: str) -> None:
    """Raise or warn where nothing says that planes at one place are of different times."""
    if len({plane.moment for plane in planes}) < len(planes):
        raise InputError(f"{where} has planes at the same place, and nothing tells them apart: {planes[0].path}, ...")
    if len({plane.moment[:2] + plane.moment[3:4] for plane in planes}) == 1:
        warn(f"{where} has {len(planes)} planes at each place and names no times; they are taken for time points.")


def _step(heights: list[float], stacks: list[list[Plane]], where: str) -> float | None:
    """Return the distance of slices, where it is even.

    Raises:
        InputError: it is, but for slices that are missing.
    """
    gaps = [high - low for low, high in pairwise(heights)]
    if not gaps:
        return None
    step = float(np.median(gaps))
    wide = [i for i, gap in enumerate(gaps) if abs(gap - step) > 0.01 * step]
    if not wide:
        return float(f"{(heights[-1] - heights[0]) / len(gaps):.6g}")
    i = wide[0]
    if all(abs(gaps[k] / step - round(gaps[k] / step)) < 0.01 for k in wide):
        raise InputError(
            f"{where} lacks {round(gaps[i] / step) - 1} slices between {stacks[i][0].path} and {stacks[i + 1][0].path}."
        )
    warn(f"The slices of {where} are {min(gaps):g} to {max(gaps):g} mm apart, so that it has no pixel size along z.")
    return None


def _facts(first: Plane, scale: Mapping[str, float], step: float, where: str) -> Facts:
    """Return sizes, and the place in the patient of a stack that begins with a plane."""
    units = {axis: "millisecond" if axis == "t" else "millimeter" for axis in scale}
    if first.layout.turn is None or first.position is None or not {"x", "y"} <= scale.keys():
        return Facts(scale=scale, units=units)
    row, column = np.reshape(first.layout.turn, (2, 3))
    affine = np.eye(4)
    affine[:3, :3] = np.transpose([row * scale["x"], column * scale["y"], np.cross(row, column) * step])
    affine[:3, 3] = first.position
    placement = Placement.of(_LPS @ affine, where)
    return Facts(scale=scale, units=units, translation=placement.translation, orientations=placement.orientations)


def _dtype(planes: Sequence[Plane]) -> np.dtype[Any]:
    """Return the smallest type that holds all values after rescaling: of integers, where all numbers are whole."""
    layout = planes[0].layout
    stored = np.dtype(f"{'i' if layout.signed else 'u'}{max(layout.bits, 8) // 8}")
    pairs = {(plane.slope, plane.intercept) for plane in planes}
    if pairs == {(1.0, 0.0)}:
        return stored
    if any(slope != 1 or intercept != int(intercept) for slope, intercept in pairs):
        return np.dtype(np.float32)
    shifts = [int(intercept) for _, intercept in pairs]
    limits = np.iinfo(stored)  # programs also use bits above those that are said to be stored
    wanted = (int(limits.min) + min(shifts), int(limits.max) + max(shifts))
    kinds = [np.iinfo(np.dtype(kind)) for kind in ("u1", "i1", "u2", "i2", "u4", "i4")]
    return next((kind.dtype for kind in kinds if kind.min <= wanted[0] and wanted[1] <= kind.max), np.dtype(np.int64))


@cache
def _more_decoders() -> None:
    """Let pydicom decode with imagecodecs what it cannot decode by itself, such as lossless JPEG."""
    from pydicom.pixels.decoders.base import get_decoder

    from .dicom_codecs import SYNTAXES

    for syntax in SYNTAXES:
        decoder = get_decoder(syntax)
        if "imagecodecs" not in decoder.available_plugins:
            decoder.add_plugin("imagecodecs", (f"{__package__}.dicom_codecs", "decode"))
