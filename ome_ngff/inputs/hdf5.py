"""Datasets of HDF5 files, sliced in place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import InputError
from ..image import NgffImage
from ..pixels import Slices, broken_chunk, native
from ..text import warn
from .arrange import Facts, arranged, micrometers, named_axes, positive, unit_named
from .files import FileArray, planes_in, stamp_of
from .inside import Inside
from .naming import Coordinates, tell_packing, understood, with_coordinates
from .npy import only_one, refuse_records


@attrs.frozen(eq=False, slots=False)
class Hdf5Array(FileArray):
    """Read one dataset, or several of one image; h5py lets one thread at a time into its library.

    Attributes:
        datasets: paths in the file, one per index of the leading dimensions. A dataset that is longer than the image is
            padded; only its beginning is read.
    """

    datasets: tuple[str, ...]

    @classmethod
    def of(
        cls, file: Any, outer: tuple[int, ...], shape: tuple[int, ...], dtype: Any, names: Sequence[str]
    ) -> Hdf5Array:
        """Describe an image of an open file, whose datasets have all the layout of the first."""
        chunks = file[names[0]].chunks
        chunks = chunks and (1,) * len(outer) + tuple(min(c, size) for c, size in zip(chunks, shape, strict=True))
        return cls(file.filename, stamp_of(file.filename), (*outer, *shape), native(dtype), chunks, tuple(names))

    def _open(self) -> tuple[Any, Callable[[], Any]]:
        import h5py

        file = h5py.File(self.path, "r")
        return [file[name] for name in self.datasets], file.close

    def read(self, box: Slices) -> NDArray[Any]:
        datasets = self.opened()
        outer = len(self.shape) - datasets[0].ndim
        out = np.empty([part.stop - part.start for part in box], self.dtype)
        for target, index in planes_in(box, self.shape[:outer]):
            try:
                out[target] = datasets[index][box[outer:]]
            except Exception as error:
                lengths = datasets[index].chunks or self.shape[outer:]
                chunk = broken_chunk(datasets[index].__getitem__, box[outer:], lengths)
                where = f"{self.path}::/{self.datasets[index]}"
                raise InputError(f"{where} has a broken chunk at {chunk}: {error}") from error
        return out


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open `file.h5::/path`, or the only dataset of a file.

    The axes are those of ilastik's `axistags`, else the labels of the dataset's dimensions, else the names of their
    scales, as in netCDF; `element_size_um`, `axistags` or the scales give the pixel sizes.

    Raises:
        InputError: there is no such dataset, or there are several and none is named.
    """
    import h5py

    with h5py.File(path, "r") as file:
        linked = isinstance(file.get(inner), h5py.Dataset) if inner else False
        name = inner if linked else only_one(inner, _images(file), path)
        dataset = file[name]
        source = f"{path}::/{name}"
        refuse_records(dataset.dtype, source)
        data = Hdf5Array.of(file, (), dataset.shape, dataset.dtype, [name])
        own = () if axes is not None else understood(_words(dataset), data.shape, source)
        names = named_axes(axes, data.ndim, source, own)
        tell_packing(dataset.attrs, source)
        facts = with_coordinates(_sizes(dataset.attrs, names, source), _coordinates(dataset, names), source)
        return arranged(data, names, source, attrs.evolve(facts, name=Path(name).name))


def inside(path: str, inner: str) -> Iterator[Inside]:
    """Yield the datasets of a file, or the one that is named."""
    import h5py

    with h5py.File(path, "r") as file:
        names = [inner] if inner else _images(file)
    for name in names:
        yield Inside(partial(open_file, path, name, None), name, inner=name)


def _images(file: Any) -> list[str]:
    import h5py

    names: list[str] = []

    def visit(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and node.shape is not None and node.ndim > 1:
            names.append(name)

    file.visititems(visit)
    return names


def _tags(attributes: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return what `axistags`, as ilastik and vigra write them, say of each dimension; None where there are none."""
    if "axistags" not in attributes:
        return None
    try:
        tags = json.loads(attributes["axistags"])["axes"]
        return [dict(tag) for tag in tags]
    except (ValueError, TypeError, KeyError):
        return []


def _words(dataset: Any) -> list[str]:
    """Return what a file calls the dimensions of a dataset; what cannot be read is called "?"."""
    tags = _tags(dataset.attrs)
    if tags is not None:
        words = [str(tag.get("key", "?")) for tag in tags]
        return words if len(words) == dataset.ndim else ["?"] * dataset.ndim
    labels = [str(dimension.label) for dimension in dataset.dims]
    return labels if any(labels) else [Path(each[0].name).name if len(each) else "" for each in dataset.dims]


def _coordinates(dataset: Any, names: Sequence[str]) -> dict[str, Coordinates]:
    """Return the scales that are attached to the dimensions, but for those of netCDF that hold no positions."""
    scales = {name: each[0] for name, each in zip(names, dataset.dims, strict=True) if len(each)}
    empty = b"This is a netCDF dimension but not a netCDF variable"
    return {
        name: Coordinates(scale.asstr()[...] if scale.dtype.kind == "O" else scale[...], scale.attrs)
        for name, scale in scales.items()
        if scale.ndim == 1 and not np.bytes_(scale.attrs.get("NAME", b"")).startswith(empty)
    }


def _sizes(attributes: Mapping[str, Any], names: Sequence[str], source: str) -> Facts:
    """Return the pixel sizes of `element_size_um`, which lists z, y, x, or of `axistags` with `axis_units`."""
    sizes = np.atleast_1d(attributes.get("element_size_um", ()))
    if len(sizes) == 3:
        return micrometers({axis: size for axis, size in zip("zyx", sizes, strict=True) if axis in names})
    tags = _tags(attributes) or []
    known = {tag["key"]: size for tag in tags if (size := positive(tag.get("resolution"))) and tag.get("key") in names}
    said: Any = {}
    with suppress(ValueError, TypeError):
        said = dict(json.loads(attributes.get("axis_units", "{}")))
    units = {axis: unit for axis in known if (unit := unit_named(str(said.get(axis, ""))))}
    strange = [f"{axis} {size:g}" for axis, size in known.items() if axis not in units and size != 1]
    if strange:
        warn(
            f"{source} has axistags with a resolution ({', '.join(strange)}) but no unit, so it is not taken as a size."
        )
    return Facts(scale={axis: known[axis] for axis in units}, units=units)
