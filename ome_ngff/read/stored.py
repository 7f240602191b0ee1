"""A stored image of any version, parsed once: attributes and arrays to values, or an error that says why not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import attrs
import numpy as np
import zarr
from numpy.typing import NDArray

from ..exceptions import FormatError, IncompleteError, InputError, MissingError, NgffError, StoreError
from ..pixels import LazyArray, Slices, broken_chunk, native
from ..spec import Metadata, Plate, Scale, dataset_paths, entry_of, image_label_of, is_image, placed, stated_axes
from ..store import Target, attributes_now, nearest_place, open_node, place, plates_above, read_box, with_length
from ..text import listed, show, warn


@attrs.frozen(eq=False)
class StoredImage:
    """Hold what stands at a place: an image whose arrays are open, and no pixel read.

    Attributes:
        target: its group. metadata: what its document says; each level has its transformations.
        arrays: the levels, the largest first. image_label: what is said of labels, where it is a label image.
    """

    target: Target
    metadata: Metadata
    arrays: tuple[zarr.Array[Any], ...]
    image_label: dict[str, Any] | None

    @classmethod
    def of(cls, target: Target, series: int = 0, *, unfinished: bool = False) -> StoredImage:
        """Parse the image of a group.

        Args:
            target: the group. series: which of its images, where it has several.
            unfinished: whether the image may be one whose write is under way.

        Raises:
            MissingError: there is nothing, or a level is missing. IncompleteError: the image was never finished.
            InputError: the group holds no image, or one that makes no sense.
            FormatError: its version, or something in it, is not understood here.
        """
        document = document_of(target, unfinished=unfinished)
        paths = dataset_paths(entry_of(document, series))
        arrays = tuple(_level(target, path) for path in paths)  # level 0 first: the others grow before it does
        if any(a > b for array in arrays for a, b in zip(array.shape, arrays[0].shape, strict=False)):
            now = attrs.evolve(target, attributes=attributes_now(target))
            if now.attributes != target.attributes:
                return cls.of(now, series, unfinished=unfinished)
        arrays = _cut(target, arrays)
        try:
            metadata = target.fmt.decode(document, series, arrays[0].ndim)
        except NgffError as error:
            raise type(error)(f"{target}: {error}") from None
        if len({array.ndim for array in arrays}) > 1:
            raise InputError(f"The levels of {target} have {', '.join(str(a.ndim) for a in arrays)} dimensions.")
        for dataset, array in zip(metadata.datasets, arrays, strict=True):
            if not dataset.coordinateTransformations:  # levels had none before 0.4
                ratios = [full / part for full, part in zip(arrays[0].shape, array.shape, strict=True)]
                dataset.coordinateTransformations = [Scale(ratios)]
        written = dict(zip(stated_axes(entry_of(document, series), target.fmt), metadata.axes, strict=False))
        if other := {name: axis.name for name, axis in written.items() if name != axis.name}:
            said, meant = listed(list(other), comma=", "), listed(list(other.values()), comma=", ")
            warn(f"The axes that {target} calls {said} are {meant} here, and in what is made of it.")
        odd = [axis for axis in metadata.axes if axis.unit is None and axis.extra.get("units") is not None]
        if odd:
            said = listed([f"{axis.name} {show(axis.extra['units'])}" for axis in odd], comma=", ")
            warn(f"{target} states the units of axes as units, which is not read ({said}); OME-Zarr calls it unit.")
        return cls(target, metadata, arrays, image_label_of(document))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes, in the order of the dimensions."""
        return tuple(axis.name for axis in self.metadata.axes)

    def level(self, number: int) -> StoredLevel:
        """Return a level as something that is read box by box."""
        array = self.arrays[number]
        return StoredLevel(array, place(self.target.store, array.path))

    def geometry(self, level: int) -> tuple[list[float], list[float]]:
        """Return the pixel size and the position of the first pixel of a level, one number per axis each."""
        steps = self.metadata.datasets[level].coordinateTransformations
        return placed([steps, self.metadata.coordinateTransformations or []], len(self.metadata.axes))


@attrs.frozen(eq=False)
class StoredLevel(LazyArray):
    """Read a stored array box by box, in native byte order, and say where a chunk cannot be read."""

    array: Any
    where: str

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return native(self.array.dtype)

    @property
    def inner(self) -> tuple[int, ...]:
        """Lengths of a chunk."""
        return tuple(self.array.chunks)

    @property
    def chunks(self) -> tuple[int, ...]:  # type: ignore[override]
        """Lengths of what is best read whole: a shard, or a chunk."""
        return tuple(self.array.shards or self.array.chunks)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return ("StoredLevel", self.where, self.array.metadata.to_dict())

    @property
    def origin(self) -> Any:
        return self.array

    @property
    def array_of_zarr(self) -> Any:
        return self.array

    def read(self, box: Slices) -> NDArray[Any]:
        try:
            found = read_box(self.array, [(part.start, part.stop) for part in box])
            return np.asarray(found).astype(self.dtype, copy=False)
        except MissingError:
            raise
        except Exception as error:  # every codec and every file system has errors of its own
            place = broken_chunk(self.array.__getitem__, box, self.chunks)
            chunk = f"its chunk {self.array.metadata.encode_chunk_key(place)} is broken: " if place else ""
            raise StoreError(f"{self.where} cannot be read at {_spelled(box)}: {chunk}{error}") from error


def _spelled(box: Slices) -> str:
    return f"[{', '.join(f'{part.start}:{part.stop}' for part in box)}]"


def document_of(target: Target, *, unfinished: bool = False) -> dict[str, Any]:
    """Return the document of an image, of one whose write is under way too where that is wanted.

    Raises:
        MissingError: there is nothing. IncompleteError: the image was never finished.
        InputError: the group holds no image.
    """
    refuse_missing(target)
    target.refuse_change()
    if target.mark is not None and not unfinished and not target.growing:
        raise IncompleteError(f"{target} is incomplete; finish it with {target.way_on}.")
    document = target.image_document
    if not is_image(document):
        found = held(document)
        ways_out = {
            "plate": "; open it with open_plate, or say which image, as in '...::A/1/0'",
            "bioformats2raw.layout": "; say which of its images, as in '...::0'",
            "well": f"; say which of its fields, as in '{target}/0'",
        }
        way_out = next((words for part, words in ways_out.items() if part in document), "")
        raise InputError(f"{target} is not an OME-Zarr image (it has {found}{way_out}).")
    return document


def refuse_missing(target: Target) -> None:
    """Raise `MissingError` where there is no group."""
    if target.attributes is None:
        raise MissingError(f"There is no OME-Zarr at {target}{_in_plate(target)}.{nearest_place(target)}")


def _in_plate(target: Target) -> str:
    """Return what the plate around a place calls the well that is meant, in words; empty where it has none."""
    for above, _ in plates_above(target.store, target.path):
        names = os.path.relpath(str(target), str(above)).split(os.sep)
        for count in (1, 2):
            with suppress(FormatError):
                plate = Plate.from_document(above.plate_document.get("plate"))
                well = plate.place("/".join(names[:count]))
                if well in plate.wells and well != "/".join(names[:2]):
                    return f"; the well is {well} in the plate {above}"
    return ""


def held(document: Mapping[str, Any]) -> str:
    """Return what a document has, in words."""
    return ", ".join(sorted(set(document) - {"version"})) or "no metadata of OME"


def _cut(target: Target, arrays: tuple[zarr.Array[Any], ...]) -> tuple[zarr.Array[Any], ...]:
    """Cut the levels of an image that is being added to: to what is complete, which is as much as level 0 has."""
    axis = (target.mark or {}).get("growing", {}).get("axis") if target.growing else None
    if type(axis) is not int or not all(0 <= axis < array.ndim for array in arrays):
        return arrays
    return tuple(with_length(array, axis, arrays[0].shape[axis]) for array in arrays)


def _level(target: Target, path: str) -> zarr.Array[Any]:
    """Open the array of a level.

    Raises:
        MissingError: it is missing. IncompleteError: it is not written yet. StoreError: it cannot be read.
    """
    key = target.key(path)
    node = open_node(target.store, key, target.fmt.zarr_format)
    if isinstance(node, zarr.Array):
        return node
    if target.mark is not None:
        raise IncompleteError(f"{target} is incomplete; finish it with {target.way_on}.")
    where = place(target.store, key)
    raise MissingError(f"{target} names the level {path!r}, but there is no array at {where}.")
