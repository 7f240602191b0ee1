"""Measure the objects of a segmentation, block by block: area, centroid and bounding box of each label value.

A block is taken apart into runs of equal pixels along its last axis. What is known of a run, that of a block and that
of the image are rows of one kind of table, and tables are joined in integers only, so that the result depends on no
order and on no cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..engine import over_blocks
from ..pixels import Box, as_labels, cut_blocks
from ..spec import LABEL_VALUE, Axes, PerAxis
from .given import Given
from .multiscales import Multiscales
from .selection import pixel_geometry

SLAB_PIXELS = 2**18  # taken apart at once: each may be a run of its own, of about 100 bytes
EXACT = 2**63  # sums of coordinates below this are int64, from here on Python's integers


def label_properties(
    labels: Any,
    axes: str | Sequence[str] | Sequence[Mapping[str, Any]] | Axes | None = None,
    scale: PerAxis | None = None,
    translation: PerAxis | None = None,
) -> list[dict[str, Any]]:
    """Measure each label of a segmentation of any size, for `properties=` of `write_labels`.

    Args:
        labels: integers or bool, 0 where there is no object: NumPy, dask, `zarr.Array`, h5py, xarray, an `NgffImage`,
            or a `Multiscales`, whose level 0 is measured. It is read once, block by block.
        axes: as in `write_image`; an image and xarray know their own.
        scale: pixel size per axis. translation: position of the centre of the first pixel per axis. Axes that are left
            out have those of the image; of an array 1 and 0.

    Returns:
        One dict for each value but 0, in order of the values, of plain numbers under flat keys, as viewers and tables
        like them: `label-value`; `area`, the number of pixels; `physical-area` or `physical-volume`, its size in space,
        where the scale is known; for each axis `centroid-y` in physical units, and the bounding box from
        `bbox-start-y` up to but not including `bbox-stop-y`, in pixels. A label that is in several planes, time
        points or channels is one object. The list is empty where there is no label.

    Raises:
        LabelError: the labels are floats. AxesError: the axes do not fit the array. ScaleError: a scale is not above 0.
    """
    if isinstance(labels, Multiscales):
        labels = labels.images[0]
    given = Given.of(labels, axes, scale, translation)
    source = as_labels(given.pixels)
    parsed = Axes(given.axes, ndim=source.ndim)
    sizes, starts = pixel_geometry(parsed, given.scale, given.translation)
    wide = math.prod(source.shape) * max(source.shape) >= EXACT
    regions = over_blocks(source, partial(_of_box, dtype=object if wide else np.int64), Regions.joined)
    return list(_documents(regions, parsed, sizes, starts, given.scale is not None))


@attrs.frozen(eq=False)
class Regions:
    """Hold what is known of some labels, a column for each.

    Attributes:
        ids: the label values, each once, in order; shape (n,).
        counts: numbers of pixels, (n,). sums: sums of their coordinates, (axes, n).
        low, high: bounding boxes, [low, high) in pixels, (axes, n).
    """

    ids: NDArray[Any]
    counts: NDArray[Any]
    sums: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]

    @classmethod
    def of_block(cls, block: NDArray[Any], start: Sequence[int], dtype: Any) -> Regions:
        """Measure the labels of a block.

        Args:
            block: at least two dimensions, in C order. start: place of its first pixel in the image.
            dtype: of the sums, int64 or object.
        """
        flat = block.reshape(-1)
        ends = flat[1:] != flat[:-1]
        ends[block.shape[-1] - 1 :: block.shape[-1]] = True
        first = np.append(0, np.flatnonzero(ends) + 1)
        lengths = np.diff(first, append=flat.size)
        kept = np.flatnonzero(flat[first])
        order = kept[np.argsort(flat[first[kept]], kind="stable")]
        first, lengths = first[order], lengths[order]
        ids, groups = _groups(flat[first])
        counts = _reduce(np.add, lengths, groups)
        sums, low, high = (np.empty((block.ndim, len(ids)), int) for _ in range(3))
        for axis, at in enumerate(np.unravel_index(first, block.shape)):
            last = axis == block.ndim - 1
            along = at * lengths + (lengths * (lengths - 1) // 2 if last else 0)
            sums[axis] = _reduce(np.add, along, groups)
            low[axis] = _reduce(np.minimum, at, groups)
            high[axis] = _reduce(np.maximum, at + (lengths if last else 1), groups)
        here = np.array(start, dtype)[:, None]
        return cls(ids, counts, sums + here * counts, low + here.astype(int), high + here.astype(int))

    @classmethod
    def joined(cls, parts: Sequence[Regions]) -> Regions:
        """Join what is known of several parts of an image."""
        ids = np.concatenate([part.ids for part in parts])
        order = np.argsort(ids, kind="stable")
        ids, groups = _groups(ids[order])
        how = {"counts": np.add, "sums": np.add, "low": np.minimum, "high": np.maximum}
        columns = {name: np.concatenate([getattr(part, name) for part in parts], axis=-1)[..., order] for name in how}
        return cls(ids, **{name: _reduce(how[name], column, groups) for name, column in columns.items()})


def _groups(ids: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return each value of a sorted array once, and where it starts."""
    starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1])[: len(ids)])
    return ids[starts], starts


def _reduce(how: np.ufunc, columns: NDArray[Any], groups: NDArray[Any]) -> NDArray[Any]:
    """Reduce each group of neighbours along the last axis; there may be none."""
    reduced: NDArray[Any] = how.reduceat(columns, groups, axis=-1) if len(groups) else columns[..., :0]
    return reduced


def _of_box(block: NDArray[Any], box: Box, dtype: Any) -> Regions:
    """Take the block that was read of a box apart slab by slab."""
    found = []
    for slab in cut_blocks([(1,) * n for n in block.shape], SLAB_PIXELS):
        part = np.ascontiguousarray(block[tuple(slice(low, high) for low, high in slab)])
        start = [low + at for (low, _), (at, _) in zip(box, slab, strict=True)]
        found.append(Regions.of_block(part, start, dtype))
    return Regions.joined(found)


def _documents(
    regions: Regions, axes: Axes, sizes: Sequence[float], starts: Sequence[float], placed: bool
) -> Iterator[dict[str, Any]]:
    """Yield what is known of each label as plain numbers; means are rounded once."""
    names = axes.names
    pixel = math.prod(size for axis, size in zip(axes, sizes, strict=True) if axis.type == "space")
    measure = {2: "physical-area", 3: "physical-volume"}.get(len(axes.spatial)) if placed else None
    rows = (regions.ids, regions.counts, regions.sums.T, regions.low.T, regions.high.T)
    for value, count, sums, low, high in zip(*(row.tolist() for row in rows), strict=True):
        document: dict[str, Any] = {LABEL_VALUE: value, "area": count}
        if measure:
            document[measure] = count * pixel
        for name, total, size, start in zip(names, sums, sizes, starts, strict=True):
            document[f"centroid-{name}"] = start + size * (total / count)
        document |= {f"bbox-start-{name}": at for name, at in zip(names, low, strict=True)}
        document |= {f"bbox-stop-{name}": at for name, at in zip(names, high, strict=True)}
        yield document


SLAB = 2**20  # pixels that are looked at together


def label_values(source: Any) -> NDArray[Any]:
    """Return the values that occur in a source of integers, each once, in order, in its own type; read once."""
    return over_blocks(source, _in_block, _joined)


def _in_block(block: NDArray[Any], box: Box) -> NDArray[Any]:
    """Look at the first pixel of each run of equal ones: objects have few."""
    flat, found = block.reshape(-1), []
    for start in range(0, flat.size, SLAB):
        part = flat[start : start + SLAB]
        found.append(np.unique(part[np.append(True, part[1:] != part[:-1])]))
    return _joined(found)


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    joined: NDArray[Any] = np.unique(np.concatenate(parts))
    return joined
