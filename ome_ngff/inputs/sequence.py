"""Folders and globs of numbered planes: one image whose outer dimensions are counted by the file names."""

from __future__ import annotations

import glob
import itertools
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import AxesError, InputError, MissingError
from ..image import NgffImage
from ..pixels import LazyArray, Slices
from ..text import silent
from .arrange import Facts, arranged
from .families import FAMILIES, family_of, open_one
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
        outer, inner = box[: len(self.grid)], box[len(self.grid) :]
        out = np.empty([part.stop - part.start for part in box], self.dtype)
        for target in np.ndindex(out.shape[: len(outer)]):
            place = [part.start + at for part, at in zip(outer, target, strict=True)]
            out[target] = self.open_plane(int(np.ravel_multi_index(place, self.grid)))[inner]
        return out

    def open_plane(self, index: int) -> Any:
        """Open one file.

        Raises:
            InputError: its shape or dtype differs from those of the first file.
        """
        with silent():
            data = open_one(
                os.path.join(self.folder, self.names[index]), series=self.series, axes=self.axes, indices=self.indices
            ).data
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

    A single number in the names counts z (t if the files have a z of their own) unless `axes` says otherwise. Several
    numbers, as in "c0_z013.tif", need `axes`, such as "czyx".

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
    counting = _counted(names, None if axes is None else len(axes))
    names.sort(key=lambda name: [_numbers(name)[i] for i in counting])
    grid = _grid(names, counting)
    plane_axes = None if axes is None else tuple(axes)[len(grid) :]
    first = open_one(os.path.join(folder, names[0]), series=series, axes=plane_axes, indices=indices)
    counted = tuple(axes)[: len(grid)] if axes is not None else ("t" if "z" in first.dims else "z",)
    shape, chunks = tuple(first.data.shape), getattr(first.data, "chunks", None) or first.data.shape
    whole = ((*grid, *shape), np.dtype(first.data.dtype), (*([1] * len(grid)), *chunks))
    data = SequenceArray(folder, tuple(names), grid, *whole, series, plane_axes, indices)
    for index in range(1, len(names)):
        data.open_plane(index)
    facts = Facts(
        name=_name(where, names),
        scale=first.scale or {},
        translation=first.translation or {},
        units=first.axes_units or {},
        orientations=first.axes_orientations or {},
        channel_names=first.channel_names,
        channel_colors=first.channel_colors,
        channel_windows=first.channel_windows,
    )
    return arranged(data, (*counted, *first.dims), where, facts)


def _images_in(folder: str) -> list[str]:
    """Return the image files of a folder, which must be of one kind."""
    known = tuple(suffix for family in FAMILIES for suffix in family.suffixes)
    names = [name for name in os.listdir(folder) if name.lower().endswith(known) and not name.startswith(".")]
    names = [name for name in names if name.lower().endswith(COMPANION)] or names
    kinds = sorted({Path(name).suffix.lower() for name in names})
    if not names:
        deeper = os.path.join(folder, "**", "*.tif")
        raise InputError(f"{folder} is a folder without images; a glob such as '{deeper}' looks into its folders.")
    if len(kinds) > 1:
        way_out = os.path.join(folder, f"*{kinds[0]}")
        raise InputError(f"{folder} holds {', '.join(kinds)} files; pick one kind, as in '{way_out}'.")
    return [os.path.abspath(os.path.join(folder, name)) for name in names]


def _counted(names: list[str], ndim: int | None) -> list[int]:
    """Return the positions of the numbers that differ from name to name, and so count the planes."""
    texts = [re.sub(r"\d+", "#", name).lower() for name in names]
    usual, _ = Counter(texts).most_common(1)[0]
    like = names[texts.index(usual)]
    for name, text in sorted(zip(names, texts, strict=True)):
        if "#" not in text or text != usual:
            raise InputError(f"Planes need numbered names, all alike: {name!r} is not like {like!r}; narrow the glob.")
    columns = list(zip(*(_numbers(name) for name in names), strict=True))
    counting = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    if len(counting) > 1 and ndim is None:
        raise AxesError(f"{len(counting)} numbers count in names like {like!r}; say what each is, as in axes='czyx'.")
    if len(counting) > 1 and ndim is not None and ndim < 2 + len(counting):
        # One number is enough to distinguish the files; others, such as a time stamp, only accompany it.
        alone = [i for i in counting if len(set(columns[i])) == len(names)]
        if not alone or ndim < 3:
            raise AxesError(f"{len(counting)} numbers count in names like {like!r}; axes= must name each, first.")
        counting = alone[:1]
    if not counting:
        raise InputError(f"Two planes have the same number: {names[0]!r} and {names[1]!r}.")
    return counting


def _numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _grid(names: list[str], counting: list[int]) -> tuple[int, ...]:
    """Return the number of files along each number that counts."""
    places = [tuple(_numbers(name)[i] for i in counting) for name in names]
    counts = [_count(sorted(set(column))) for column in zip(*places, strict=True)]
    wanted = math.prod(len(count) for count in counts)
    if len(set(places)) < len(places):
        raise InputError(f"Two planes have the same number in names like {names[0]!r}.")
    if len(counting) == 1 and wanted > 100 * len(names):
        return (len(names),)  # time stamps
    if wanted > len(names):
        present = set(places)
        missing = itertools.islice((place for place in itertools.product(*counts) if place not in present), 5)
        shown = ", ".join(_renumbered(names[0], counting, place) for place in missing)
        more = wanted - len(names) - 5
        raise InputError(f"Planes are missing: {shown}{f' and {more} more' if more > 0 else ''}.")
    return tuple(len(count) for count in counts)


def _count(values: list[int]) -> Sequence[int]:
    """Return all numbers from the first to the last value, in the largest step that includes every value."""
    if len(values) == 1:
        return values
    step = math.gcd(*(after - before for before, after in itertools.pairwise(values)))
    return range(values[0], values[-1] + 1, step)


def _renumbered(name: str, counting: list[int], place: tuple[int, ...]) -> str:
    """Replace the counting numbers of a name, padded to the width of the old ones."""
    parts = re.split(r"(\d+)", name)
    for i, number in zip(counting, place, strict=True):
        parts[2 * i + 1] = f"{number:0{len(parts[2 * i + 1])}d}"
    return "".join(parts)


def _name(where: str, names: list[str]) -> str:
    """Return a name for the image: that of the folder, or what the names of the files begin with."""
    if os.path.isdir(where):
        return Path(os.path.abspath(where)).name
    return re.split(r"\d", os.path.basename(names[0]))[0].rstrip("_- .") or "image"
