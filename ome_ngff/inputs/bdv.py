"""Datasets of BigDataViewer: an HDF5 file with a stack per setup and time point, and an XML file that describes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import attrs
import numpy as np

from ..exceptions import InputError
from ..image import NgffImage
from ..text import warn
from .arrange import Facts, arranged, named_axes, positive, unit_named
from .hdf5 import Hdf5Array
from .inside import Inside
from .npy import number_of, refuse_records


@attrs.frozen
class Setup:
    """Describe one setup: a channel seen from one angle, of one tile.

    Attributes:
        number: in the names of groups. name: what the XML calls it. facts: what the XML says of it.
    """

    number: int
    name: str
    facts: Facts = attrs.field(factory=Facts)


def open_description(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open a setup by the XML file, which names the HDF5 file.

    Raises:
        InputError: the pixels are in a file of another kind.
    """
    return _open(_described_file(path), path, series, axes)


def inside(path: str, inner: str) -> Iterator[Inside]:
    """Yield the setups of a file, or of the one that an XML file describes."""
    import h5py

    hdf5 = h5py.is_hdf5(path)
    with h5py.File(path if hdf5 else _described_file(path), "r") as file:
        setups = sorted(name for name in file if re.fullmatch(r"s\d{2,}", name))
    for index, name in enumerate(setups):
        yield Inside(partial(open_file if hdf5 else open_description, path, inner, index), name, index)


def _described_file(path: str) -> str:
    loader = ElementTree.parse(path).find("./SequenceDescription/ImageLoader")
    file = None if loader is None else loader.find("hdf5")
    if loader is None or file is None or not file.text:
        kind = "nothing" if loader is None else loader.get("format")
        raise InputError(f"{path} describes images that are kept as {kind}; only those in HDF5 can be read here.")
    where = Path(path).parent / file.text if file.get("type") == "relative" else Path(file.text)
    return str(where)


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open a setup by the HDF5 file; the XML file of the same name says what it is, where there is one."""
    described = Path(path).with_suffix(".xml")
    if not described.is_file():
        warn(f"{path} has no {described.name}, which would say the size of voxels and the names of setups.")
    return _open(path, str(described) if described.is_file() else "", series, axes)


def _open(path: str, described: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    import h5py

    with h5py.File(path, "r") as file:
        there = sorted(int(name[1:]) for name in file if re.fullmatch(r"s\d{2,}", name))
        known = _setups(described) if described else {}
        setups = [known.get(number, Setup(number, f"s{number:02}")) for number in there]
        index = number_of(series, [setup.name for setup in setups], path, [setup.name for setup in setups])
        setup = setups[index]
        times = sorted(name for name in file if re.fullmatch(r"t\d{5,}", name) and f"s{setup.number:02}" in file[name])
        names = [f"{time}/s{setup.number:02}/0/cells" for time in times]
        if not names or any(name not in file or file[name].shape != file[names[0]].shape for name in names):
            raise InputError(f"{path} does not hold stacks of one size for all time points of setup {setup.name}.")
        stored = file[names[0]].dtype
        refuse_records(stored, path)
        dtype = np.dtype("uint16") if stored == np.int16 else stored  # "unsigned short", kept in a type that Java has
        outer = (len(times),) if len(times) > 1 else ()
        data = Hdf5Array.of(file, outer, file[names[0]].shape, dtype, names)
        own = ("t",) * len(outer) + ("z", "y", "x")
        title = Path(path).stem if len(setups) == 1 else setup.name
        return arranged(data, named_axes(axes, data.ndim, path, own), path, attrs.evolve(setup.facts, name=title))


def _setups(path: str) -> dict[int, Setup]:
    sequence: Any = ElementTree.parse(path).find("./SequenceDescription")
    channels = {each.findtext("id"): each.findtext("name") for each in sequence.iter("Channel")}
    setups = {}
    for each in sequence.iter("ViewSetup"):
        number = int(each.findtext("id"))
        sizes = dict(zip("xyz", map(positive, (each.findtext("voxelSize/size") or "").split()), strict=False))
        scale = {axis: size for axis, size in sizes.items() if size}
        unit = unit_named(each.findtext("voxelSize/unit"))
        channel = channels.get(each.findtext("attributes/channel"))
        facts = Facts(
            scale=scale, units=dict.fromkeys(scale, unit) if unit else {}, channel_names=channel and [channel]
        )
        setups[number] = Setup(number, each.findtext("name") or f"s{number:02}", facts)
    return setups
