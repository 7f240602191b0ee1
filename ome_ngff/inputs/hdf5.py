"""Datasets of HDF5 files, sliced in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import InputError
from ..image import NgffImage
from ..pixels import Slices, broken_chunk, native
from ..spec import KNOWN_AXES
from .arrange import Facts, arranged, named_axes
from .files import FileArray, stamp_of
from .inside import Inside
from .npy import only_one, refuse_records


@attrs.frozen(eq=False, slots=False)
class Hdf5Array(FileArray):
    """Read one dataset; h5py lets one thread at a time into its library.

    Attributes:
        dataset: path in the file.
    """

    dataset: str

    def _open(self) -> tuple[Any, Callable[[], Any]]:
        import h5py

        file = h5py.File(self.path, "r")
        return file[self.dataset], file.close

    def read(self, box: Slices) -> NDArray[Any]:
        dataset = self.opened()
        try:
            return np.asarray(dataset[box], self.dtype)
        except Exception as error:
            place = broken_chunk(dataset.__getitem__, box, self.chunks or self.shape)
            raise InputError(f"{self.path}::/{self.dataset} has a broken chunk at {place}: {error}") from error


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open `file.h5::/path`, or the only dataset of a file.

    The axes are the labels of the dataset's dimensions where it has them; `element_size_um` gives the pixel sizes.

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
        data = Hdf5Array(path, stamp_of(path), dataset.shape, native(dataset.dtype), dataset.chunks, name)
        labels = tuple(dimension.label.lower() for dimension in dataset.dims)
        own = labels if set(labels) <= set(KNOWN_AXES) and len(set(labels)) == data.ndim else ()
        names = named_axes(axes, data.ndim, source, own)
        return arranged(data, names, source, attrs.evolve(_sizes(dataset.attrs, names), name=Path(name).name))


def inside(path: str, inner: str) -> Iterator[Inside]:
    """Yield the datasets of a file, or the one that is named."""
    import h5py

    with h5py.File(path, "r") as file:
        names = [inner] if inner else _images(file)
    for name in names:
        yield Inside(partial(open_file, path, name, None), name, inner=name)


def _images(file: Any) -> list[str]:
    """Return the paths of all datasets that can be images: those of 2 or more dimensions."""
    import h5py

    names: list[str] = []

    def visit(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and node.shape is not None and node.ndim > 1:
            names.append(name)

    file.visititems(visit)
    return names


def _sizes(attributes: Mapping[str, Any], names: Sequence[str]) -> Facts:
    """Return the pixel sizes of the attribute `element_size_um`, which lists z, y, x."""
    sizes = np.atleast_1d(attributes.get("element_size_um", ()))
    if len(sizes) != 3:
        return Facts()
    scale = {axis: float(size) for axis, size in zip("zyx", sizes, strict=True) if axis in names and size > 0}
    return Facts(scale=scale, units=dict.fromkeys(scale, "micrometer"))
