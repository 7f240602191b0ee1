"""Imaris files (`.ims`): HDF5 with a dataset per time point and channel, padded to whole chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from ..exceptions import InputError
from ..image import NgffImage
from .arrange import Facts, arranged, even_step, named_axes, positive, unit_named
from .hdf5 import Hdf5Array
from .npy import refuse_records

_UNNAMED = "(name not specified)"


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open the full resolution of an Imaris file: t, c, z, y, x, without time or channel where there is one.

    Raises:
        InputError: a dataset is missing, or smaller than the image.
    """
    import h5py

    with h5py.File(path, "r") as file:
        level, said = file["DataSet/ResolutionLevel 0"], file["DataSetInfo/Image"].attrs
        times = sum(name.startswith("TimePoint ") for name in level)
        channels = sum(name.startswith("Channel ") for name in level["TimePoint 0"])
        shape = tuple(int(_text(said, axis)) for axis in "ZYX")
        names = [f"DataSet/ResolutionLevel 0/TimePoint {t}/Channel {c}/Data" for t, c in np.ndindex(times, channels)]
        for name in names:
            found = file[name].shape if name in file else ()
            if len(found) != 3 or any(size < wanted for size, wanted in zip(found, shape, strict=True)):
                raise InputError(f"{path}::/{name} should hold {'x'.join(map(str, shape))} pixels (it has {found}).")
        refuse_records(file[names[0]].dtype, path)
        outer = {"t": times, "c": channels}
        kept = [axis for axis, size in outer.items() if size > 1]
        data = Hdf5Array.of(file, tuple(outer[axis] for axis in kept), shape, file[names[0]].dtype, names)
        own = (*kept, "z", "y", "x")
        facts = attrs.evolve(_facts(file["DataSetInfo"], shape, channels), name=Path(path).stem)
        return arranged(data, named_axes(axes, data.ndim, path, own), path, facts)


def _facts(info: Any, shape: Sequence[int], channels: int) -> Facts:
    """Return what the group DataSetInfo says; of the extents, from edge to edge, the voxel size is made."""
    said = info["Image"].attrs
    edges = {axis: _numbers(said, f"ExtMin{i}") + _numbers(said, f"ExtMax{i}") for i, axis in enumerate("xyz")}
    edges = {axis: pair for axis, pair in edges.items() if len(pair) == 2}
    known = {axis: positive((high - low) / shape["zyx".index(axis)]) for axis, (low, high) in edges.items()}
    scale = {axis: float(f"{size:.7g}") for axis, size in known.items() if size}  # extents are short decimals
    unit = unit_named(_text(said, "Unit"))
    starts = {axis: float(f"{edges[axis][0] + scale[axis] / 2:.7g}") for axis in scale if edges[axis][0]}
    units = dict.fromkeys(scale, unit) if unit else {}
    step = _interval(info)
    described = [info[f"Channel {c}"].attrs if f"Channel {c}" in info else {} for c in range(channels)]
    names = [_text(each, "Name") for each in described]
    colors = [_color(_numbers(each, "Color")) for each in described]
    windows = [tuple(_numbers(each, "ColorRange")) for each in described]
    return Facts(
        scale={**scale, **({"t": step} if step else {})},
        translation=starts,
        units={**units, **({"t": "second"} if step else {})},
        channel_names=names if set(names) - {_UNNAMED, ""} else None,
        channel_colors=[color for color in colors if color] if all(colors) else None,
        channel_windows=[(w[0], w[1]) for w in windows] if all(len(w) == 2 for w in windows) else None,
    )


def _text(attributes: Mapping[str, Any], name: str) -> str:
    """Return an attribute, which Imaris keeps as an array of single characters; empty where there is none."""
    value = np.asarray(attributes.get(name, ""))
    return b"".join(value.astype("S").ravel().tolist()).decode("utf-8", "replace").strip("\0 ")


def _numbers(attributes: Mapping[str, Any], name: str) -> list[float]:
    """Return the numbers of an attribute; empty where it holds something else."""
    try:
        return [float(part) for part in _text(attributes, name).split()]
    except ValueError:
        return []


def _color(parts: Sequence[float]) -> str | None:
    """Return red, green and blue, each from 0 to 1, as "RRGGBB"."""
    levels = [round(255 * min(max(part, 0), 1)) for part in parts]
    return "".join(f"{level:02X}" for level in levels) if len(levels) == 3 else None


def _interval(info: Any) -> float | None:
    """Return the seconds from one time point to the next, where these are even."""
    said = info["TimeInfo"].attrs if "TimeInfo" in info else {}
    count = sum(name.startswith("TimePoint") for name in said)
    try:
        moments = [datetime.fromisoformat(_text(said, f"TimePoint{i + 1}")) for i in range(count)]
    except ValueError:
        return None
    return even_step([(moment - moments[0]).total_seconds() for moment in moments])
