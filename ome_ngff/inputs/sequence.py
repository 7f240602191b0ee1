"""Folders and globs of numbered planes: one image whose outer dimensions are counted by the file names."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import InputError, MissingError
from ..image import NgffImage
from ..pixels import LazyArray, Slices
from ..text import silent
from .arrange import Facts, arranged
from .families import SUFFIXES, family_of, open_one
from .files import planes_in
from .planes import Planes, planes_by_name, planes_by_pattern
from .signs import is_dicom
from .tiff_files import COMPANION, tied_together


@attrs.frozen(eq=False)
class SequenceArray(LazyArray):
    """Stack files of one shape and dtype; a read opens only the files that it needs.

    Attributes:
        folder: what `names` are relative to. names: the files, in C order over `grid`.
        grid: number of files along each outer dimension.
        shape, chunks: of the stack; its last dimensions are those of one file. dtype: of every file.
        series: which image to take from a file with several. axes: of one file, if the caller gave them.
        indices: whether those of a palette are kept.
    """

    folder: str
    names: tuple[str, ...] = attrs.field(repr=False)
    grid: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]
    series: int | str | None
    axes: tuple[str, ...] | None
    indices: bool = False

    @property
    def origin(self) -> Path:
        return Path(self.folder)

    def read(self, box: Slices) -> NDArray[Any]:
        out = np.empty([part.stop - part.start for part in box], self.dtype)
        for target, index in planes_in(box, self.grid):
            out[target] = self.open_plane(index)[box[len(self.grid) :]]
        return out

    def open_image(self, index: int) -> NgffImage:
        where = os.path.join(self.folder, self.names[index])
        with silent():
            return open_one(where, series=self.series, axes=self.axes, indices=self.indices)

    def open_plane(self, index: int) -> Any:
        """Open one file.

        Raises:
            InputError: its shape or dtype differs from those of the first file.
        """
        data = self.open_image(index).data
        shape = self.shape[len(self.grid) :]
        if tuple(data.shape) != shape or data.dtype != self.dtype:
            sizes, wanted = ("x".join(map(str, s)) for s in (data.shape, shape))
            what = f"is {sizes} {data.dtype}, but the planes before it are {wanted} {self.dtype}."
            raise InputError(f"{self.names[index]} {what}")
        return data


def open_sequence(
    where: str, series: int | str | None, axes: str | Sequence[str] | None, *, indices: bool = False
) -> NgffImage:
    """Open a folder or a glob of numbered files; every header is read, but no pixels.

    The words before the numbers say what these count, as in "c0_z013.tif". A single number after no such word counts z
    (t if the files have a z of their own); of several, `axes` must say, such as "czyx", or a pattern, such as
    "r{row}c{column}f{field}-ch{c}sk{t}". Files that are named by channel, "DAPI.tif" and "GFP.tif", are channels.

    Raises:
        MissingError: no file matches.
        InputError: numbers are missing, or a file differs in shape, dtype or name.
        AxesError: `axes` is needed or does not fit.
    """
    files = _images_in(where) if os.path.isdir(where) else list(map(os.path.abspath, glob.glob(where, recursive=True)))
    if not files:
        raise MissingError(f"No file matches {where}.")
    if is_dicom(files[0]):
        return family_of(files[0]).open(where, "", series, axes)
    if len(files) == 1 or tied_together(files):
        return open_one(min(files), series=series, axes=axes, indices=indices)
    folder = os.path.commonpath([os.path.dirname(file) for file in files])
    names = [os.path.relpath(file, folder) for file in files]
    patterned = isinstance(axes, str) and "{" in axes
    planes = planes_by_pattern(names, str(axes)) if patterned else planes_by_name(names, axes)
    plane_axes = None if axes is None or patterned else tuple(axes)[len(planes.grid) :]
    alone = len(planes.grid) == 1 and axes is None
    name = _name(where, list(planes.names))
    return open_planes(folder, planes, where, name, series, plane_axes, indices=indices, alone=alone)


def open_planes(
    folder: str,
    planes: Planes,
    where: str,
    name: str,
    series: int | str | None = None,
    axes: Sequence[str] | None = None,
    *,
    indices: bool = False,
    alone: bool = False,
) -> NgffImage:
    """Open planes of which is known what they count; every header is read, but no pixels.

    Args:
        folder: what the names of the planes are relative to. where: what messages call them. name: of the image.
        series, axes, indices: as in `SequenceArray`.
        alone: whether what a single number counts is a guess, which the axes of one file may contradict.
    """
    names, grid = planes.names, planes.grid
    axes = None if axes is None else tuple(axes)
    first = open_one(os.path.join(folder, names[0]), series=series, axes=axes, indices=indices)
    spare = "t" if "z" in first.dims else "z"
    counted = tuple(spare if axis is None or (alone and axis in first.dims) else axis for axis in planes.axes)
    shape, chunks = tuple(first.data.shape), getattr(first.data, "chunks", None) or first.data.shape
    whole = ((*grid, *shape), np.dtype(first.data.dtype), (*([1] * len(grid)), *chunks))
    data = SequenceArray(folder, names, grid, *whole, series, axes, indices)
    for index in range(1, len(names)):
        data.open_plane(index)
    facts = Facts(
        name=name,
        scale=first.scale or {},
        translation=first.translation or {},
        units=first.axes_units or {},
        orientations=first.axes_orientations or {},
        channel_names=_channels(data, planes, first),
        channel_colors=first.channel_colors,
        channel_windows=first.channel_windows,
    )
    return arranged(data, (*counted, *first.dims), where, facts)


def _channels(data: SequenceArray, planes: Planes, first: NgffImage) -> Sequence[str] | None:
    """Return the names of the channels: those that one plane of each says, else those in the names of the files."""
    if planes.channels is None or "c" in first.dims:
        return first.channel_names
    at = planes.axes.index("c")
    said: list[str] = []
    for number in range(planes.grid[at]) if len(first.channel_names or ()) == 1 else ():
        index = np.ravel_multi_index([number if i == at else 0 for i in range(len(planes.grid))], planes.grid)
        said += data.open_image(int(index)).channel_names or ()
    return said if len(said) == len(planes.channels) else planes.channels


def _images_in(folder: str) -> list[str]:
    """Return the image files of a folder, which must be of one kind."""
    names = [name for name in os.listdir(folder) if name.lower().endswith(SUFFIXES) and not name.startswith(".")]
    names = [name for name in names if name.lower().endswith(COMPANION)] or names
    kinds = sorted({Path(name).suffix.lower() for name in names})
    if not names:
        deeper = os.path.join(folder, "**", "*.tif")
        raise InputError(f"{folder} is a folder without images; a glob such as '{deeper}' looks into its folders.")
    if len(kinds) > 1:
        way_out = os.path.join(folder, f"*{kinds[0]}")
        raise InputError(f"{folder} holds {', '.join(kinds)} files; pick one kind, as in '{way_out}'.")
    return [os.path.abspath(os.path.join(folder, name)) for name in names]


def _name(where: str, names: list[str]) -> str:
    """Return a name for the image: that of the folder, or what the names of the files begin with."""
    if os.path.isdir(where):
        return Path(os.path.abspath(where)).name
    return re.split(r"\d", os.path.basename(names[0]))[0].rstrip("_- .") or "image"
