"""From a stored image to a file of others: OME-TIFF, whole or in part, its labels as files of their own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from ..engine import Progress, check_progress, counter, over_blocks
from ..exceptions import AxesError, ExistsError, InputError, MissingError, OptionError
from ..image import PIXEL, Lattice
from ..pixels import Box, find_method, reordered
from ..read import StoredImage
from ..spec import label_names
from ..store import Target, find_target, readable
from ..text import listed, warn
from .spelling import parse_region
from .tiff_writing import COMPRESSIONS, Crop, Recast, TiffImage

_ORDER = "tczyx"
_ENDINGS = (".tif", ".tiff", ".btf", ".tf8")


def export(
    store: Any,
    output: str | os.PathLike[str],
    *,
    level: int = 0,
    region: Any = None,
    unit: Any = PIXEL,
    labels: bool = True,
    compression: str = "zlib",
    overwrite: bool = False,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write a stored image as a tiled, pyramidal OME-TIFF.

    Pixels, axes, pixel sizes, units, positions, the name, and names and colours of channels are those of the image. The
    pixels come chunk by chunk, within the memory target. Coarser levels of the file are those of the image where they
    are smaller in y and x alone, else they are made from the level that is exported.

    Args:
        store: the image, as `open_image` takes it.
        output: the file, .tif or .tiff; labels go next to it, as `<name>-labels-<label>.ome.tif`.
        level: number of the level. region: part of it, such as `{"z": (0, 10)}` or "z=0:10,y=100:300,c=DAPI"; see
            `Multiscales.read`. unit: of its numbers: "pixel" of the level, a unit for the axes that it can be the unit
            of, or units by axis; None for those of the image.
        labels: False leaves out the labels. compression: "zlib", "lzw", "zstd" or "none".
        overwrite: replace files that are there. progress, store_options: as in `write_image`.

    Returns:
        The files that were written.

    Raises:
        ExistsError: a file is there. MissingError: there is no such image, level or folder.
        AxesError: OME-TIFF has no place for an axis. InputError: nor for the type of its pixels.
        OptionError: the region, the ending or the compression is not understood.
    """
    check_progress(progress)
    target = find_target(readable(store, store_options))
    plans = planned_files(target, Path(output), level, region, unit, labels, compression)
    _refuse(plans, overwrite=overwrite)
    total = sum(plan.nbytes for plan in plans.values())
    with counter(progress, 0, sum(plan.planes for plan in plans.values()), total, "exporting") as advance:
        for place, plan in plans.items():
            plan.write(place, compression, advance)
    return list(plans)


def planned_files(
    target: Target,
    where: Path,
    level: int = 0,
    region: Any = None,
    unit: Any = PIXEL,
    labels: bool = True,
    compression: str = "zlib",
) -> dict[Path, TiffImage]:
    """Return the files that an export would write; its arguments are those of `export`."""
    if not where.name.lower().endswith(_ENDINGS):
        raise OptionError(
            f"An export is an OME-TIFF, such as {where.name.partition('.')[0]}.ome.tif (got {where.name})."
        )
    if compression not in COMPRESSIONS:
        raise OptionError(f"The compression of a TIFF is {', '.join(COMPRESSIONS)} (got {compression!r}).")
    image = StoredImage.of(target)
    if level not in range(len(image.arrays)):
        raise MissingError(f"{target} has the levels 0 to {len(image.arrays) - 1} (got {level}).")
    region = parse_region(region) if isinstance(region, str) else region
    box = _lattice(image, level).box(region, unit)
    plans = {where: _planned(image, level, box)}
    for name in label_names(target.child("labels").document) if labels else ():
        found = StoredImage.of(target.child(f"labels/{name}"))
        try:
            number, part = _labels_under(found, image, level, box)
        except OptionError:
            warn(f"The labels {name!r} do not lie on what is exported of the image, and are left out.")
            continue
        place = where.with_name(f"{_stem(where.name)}-labels-{name.replace('/', '_')}.ome.tif")
        plans[place] = _planned(found, number, part, label=name)
    return plans


def _lattice(image: StoredImage, level: int) -> Lattice:
    channels = image.metadata.omero.channels if image.metadata.omero else []
    sizes, starts = map(tuple, image.geometry(level))
    shape = tuple(image.arrays[level].shape)
    return Lattice(image.metadata.axes, shape, sizes, starts, [str(channel.label) for channel in channels])


def _stem(name: str) -> str:
    stem = Path(name).stem
    return stem.removesuffix(".ome")


def _refuse(places: Sequence[Path] | Any, *, overwrite: bool) -> None:
    for place in places:
        if not place.parent.is_dir():
            raise MissingError(f"There is no folder {place.parent}.")
        if place.is_dir() or (place.exists() and not overwrite):
            raise ExistsError(f"{place} is there already; pass overwrite=True to replace it.")


def _labels_under(found: StoredImage, image: StoredImage, level: int, box: Box) -> tuple[int, Box]:
    """Return the level and the box of a label image that lie on a box of a level of its image.

    Labels that have as many pixels lie on those of the image, others where their pixel sizes and positions put them; of
    these, the coarsest level is taken that is as fine as that of the image.

    Raises:
        OptionError: they do not lie on it.
    """
    ends = dict(zip(image.names, box, strict=True))
    shape = dict(zip(image.names, image.arrays[level].shape, strict=True))
    if not {"y", "x"} <= set(found.names) <= set(ends):
        raise OptionError(f"The labels have the axes {','.join(found.names)}.")
    for number, array in enumerate(found.arrays):
        if all(n in (1, shape[axis]) for axis, n in zip(found.names, array.shape, strict=True)):
            return number, tuple(
                (0, 1) if n == 1 else ends[axis] for axis, n in zip(found.names, array.shape, strict=True)
            )
    whole = _lattice(image, level)
    at = [image.names.index(axis) for axis in found.names]
    parts: dict[str, Any] = {n: [getattr(whole, n)[i] for i in at] for n in ("axes", "shape", "scale", "translation")}
    own = attrs.evolve(whole, **parts, channel_names=None)
    region = {}
    for axis, step, start, n in zip(found.names, own.scale, own.translation, found.arrays[0].shape, strict=True):
        low, high = ends[axis]
        if n > 1:
            region[axis] = (low, high) if axis == "c" else sorted(start + step * (end - 0.5) for end in (low, high))
    flat = [found.names.index(axis) for axis in "yx"]
    sizes = [max(abs(found.geometry(k)[0][i]) for i in flat) for k in range(len(found.arrays))]
    wanted = max(abs(own.scale[i]) for i in flat)
    number = max((k for k, size in enumerate(sizes) if size <= wanted * (1 + 1e-6)), default=0)
    return number, own.box(region, coarse=_lattice(found, number))


def _planned(image: StoredImage, level: int, box: Box, label: str = "") -> TiffImage:
    """Plan a file: what is written of which level, in the order of TIFF, with what is said of it."""
    wrong = [axis for axis in image.names if axis not in _ORDER]
    if wrong or not {"y", "x"} <= set(image.names):
        raise AxesError(f"An OME-TIFF has the axes t, c, z, y and x, with y and x (got {','.join(image.names)}).")
    axes = image.metadata.axes
    if any(axis.orientation for axis in axes):
        warn(f"{image.target} says in which direction its axes grow, which an OME-TIFF has no place for.")
    shape = image.arrays[level].shape
    ones = [name for name, n in zip(image.names, shape, strict=True) if n == 1 and name not in "yx"]
    if ones and not label:
        warn(f"{image.target} has the length 1 along {listed(ones)}, which an OME-TIFF cannot tell from no such axis.")
    order = sorted(range(len(axes)), key=lambda i: _ORDER.index(image.names[i]))
    whole = box == tuple((0, n) for n in image.arrays[level].shape)
    source, ends = _turned(image, level, order), tuple(box[i] for i in order)
    data = _fitting(Crop(source, ends), bool(label), str(image.target))
    scale, translation = image.geometry(level)
    starts = [t + s * low for t, s, (low, _) in zip(translation, scale, box, strict=True)]
    omero = image.metadata.omero
    channels = omero.channels if omero is not None else []
    return TiffImage(
        name=label or image.metadata.name,
        axes="".join(image.names[i] for i in order),
        data=data,
        coarser=_stored_below(image, level, order, data) if whole else [],
        method=find_method("nearest" if label or data.dtype.kind in "bc" else "local_mean"),
        scale={image.names[i]: scale[i] for i in order},
        start={image.names[i]: starts[i] for i in order},
        units={axis.name: axis.unit for axis in axes if axis.unit},
        channel_names=[str(channel.label) for channel in channels if channel.label is not None],
        channel_colors=[str(channel.color) for channel in channels if channel.color is not None],
    )


def _turned(image: StoredImage, level: int, order: Sequence[int]) -> Any:
    """Return a level with its axes in another order; most have that of TIFF."""
    found = image.level(level)
    return found if list(order) == sorted(order) else reordered(found, order)


def _stored_below(image: StoredImage, level: int, order: Sequence[int], data: Crop) -> list[Crop]:
    """Return the coarser levels that a TIFF can have: as large along all axes but y and x, and smaller there."""
    found = []
    for number in range(level + 1, len(image.arrays)):
        array = _turned(image, number, order)
        if array.dtype != data.dtype or array.shape[:-2] != data.shape[:-2]:
            break
        found.append(Crop(array, tuple((0, n) for n in array.shape)))
    return found


def _fitting(data: Crop, label: bool, name: str) -> Crop:
    """Return pixels in a type that OME-TIFF has: bool as uint8, and 64-bit labels as uint32 where their values fit."""
    if data.dtype.kind == "b":
        return Recast(data.source, data.box, np.dtype("uint8"))
    if data.dtype.kind in "iu" and data.dtype.itemsize == 8 and label:
        low, high = over_blocks(data, _extremes, _widest)
        if low >= 0 and high < 2**32:
            return Recast(data.source, data.box, np.dtype("uint32"))
    if data.dtype.name not in ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64"):
        raise InputError(f"{name} is of {data.dtype}, which OME-TIFF has no type for.")
    return data


def _extremes(block: Any, box: Box) -> tuple[int, int]:
    return int(block.min()), int(block.max())


def _widest(parts: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return min(low for low, _ in parts), max(high for _, high in parts)
