"""Formats of microscope makers, through whatever plugins of bioio are installed."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import RLock
from typing import Any
from xml.etree import ElementTree

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import InputError
from ..image import NgffImage
from ..pixels import Slices, native
from .arrange import Facts, arranged, named_axes, unit_named
from .files import FileArray, stamp_of
from .inside import Inside
from .npy import number_of, refuse_records

_MADE_UP = re.compile(r"Channel:.*:\d+|(Scene|Image):\d+")


def readable(path: str) -> bool:
    """Return whether a plugin that is installed takes files of this name."""
    if find_spec("bioio") is None:
        return False
    from bioio.plugins import get_plugins

    return any(path.lower().endswith(ending) for ending in get_plugins(use_cache=True))


@attrs.frozen(eq=False, slots=False)
class VendorArray(FileArray):
    """Read one scene; one thread at a time, for of most readers nobody knows what they bear.

    Attributes:
        scene: index in the file. dims: letters of its dimensions, those of length 1 left out.
        direct: whether the plugin is asked for each box, not for the chunks of its lazy array.
        blue_first: whether colour samples are in the order blue, green, red.
    """

    scene: int
    dims: str
    direct: bool
    blue_first: bool
    _turns: dict[int, Any] = attrs.field(init=False, repr=False, factory=dict)

    def _open(self) -> tuple[Any, Callable[[], Any]]:
        image = _opened(self.path)
        image.set_scene(self.scene)
        return image.reader if self.direct else _kept(image.xarray_dask_data, self.dims).data, lambda: None

    def read(self, box: Slices) -> NDArray[Any]:
        if self.blue_first:
            last = self.shape[-1]
            box = (*box[:-1], slice(last - box[-1].stop, last - box[-1].start))
        with self._turns.setdefault(os.getpid(), RLock()):
            opened = self.opened()
            try:
                if self.direct:
                    pixels = opened.get_image_data(self.dims, **dict(zip(self.dims, box, strict=True)))
                else:
                    pixels = opened[box].compute(scheduler="synchronous")
            except Exception as error:
                where = ", ".join(f"{dim} {p.start} to {p.stop - 1}" for dim, p in zip(self.dims, box, strict=True))
                raise InputError(f"{self.path} cannot be read at {where}: {error}") from error
        return np.asarray(pixels[..., ::-1] if self.blue_first else pixels, self.dtype)


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open a scene of a file; the first one by default.

    Pixel sizes are in micrometres where the plugin names no other unit.

    Raises:
        InputError: the plugins that are installed cannot read the file. ModuleNotFoundError: there is none for it.
    """
    image = _opened(path)
    scenes = [str(scene) for scene in image.scenes]
    index = number_of(series, scenes, path, scenes)
    image.set_scene(index)
    array = image.xarray_dask_data
    whole = axes is not None and len(axes) == array.ndim
    dims = "".join(dim for dim, size in array.sizes.items() if whole or size > 1 or dim in "YX")
    kept = _kept(array, dims)
    refuse_records(kept.dtype, path)
    chunks = tuple(lengths[0] for lengths in kept.data.chunks)
    # Where bioio-czi (3.0.1) cuts samples apart, each chunk holds the first of them.
    direct = dims.endswith("S") and chunks[-1] < kept.shape[-1]
    chunks = (*chunks[:-1], kept.shape[-1]) if direct else chunks
    # It leaves them as Zeiss has them, "memory order B, G, R".
    blue_first = dims.endswith("S") and type(image.reader).__module__.startswith("bioio_czi")
    data = VendorArray(path, stamp_of(path), kept.shape, native(kept.dtype), chunks, index, dims, direct, blue_first)
    names = named_axes(axes, data.ndim, path, tuple(dims.lower()))
    title = Path(path).stem if len(scenes) == 1 or _MADE_UP.fullmatch(scenes[index]) else scenes[index]
    return arranged(data, names, path, attrs.evolve(_facts(image.reader), name=title))


def inside(path: str, inner: str) -> Iterator[Inside]:
    """Yield the scenes of a file."""
    for index, scene in enumerate(_opened(path).scenes):
        yield Inside(partial(open_file, path, inner, index), str(scene), index)


def _opened(path: str) -> Any:
    from bioio import BioImage
    from bioio_base.exceptions import UnsupportedFileFormatError

    try:
        try:
            return BioImage(path, chunk_dims=["Y", "X"])  # the usual chunk is a stack
        except TypeError:
            return BioImage(path)
    except UnsupportedFileFormatError as error:
        if not readable(path):
            raise ModuleNotFoundError("no plugin reads files of this name", name="bioio") from None
        raise InputError(f"{path} cannot be read by any plugin of bioio that is installed: {error}") from error


def _kept(array: Any, dims: str) -> Any:
    return array.isel({dim: 0 for dim in array.dims if dim not in dims})


def _facts(reader: Any) -> Facts:
    """Return what a plugin says of the scene that it is at."""
    sizes = {axis: getattr(reader.scale, axis.upper(), None) for axis in "tzyx"}
    known = {axis: float(size) for axis, size in sizes.items() if size and 0 < size < float("inf")}
    usual = {axis: "second" if axis == "t" else "micrometer" for axis in known}
    stated = {axis: unit_named(_unit(reader, axis, size)) or usual[axis] for axis, size in known.items()}
    names = [str(name) for name in reader.channel_names or ()]
    return Facts(scale=known, units=stated, channel_names=None if all(map(_MADE_UP.fullmatch, names)) else names)


def _unit(reader: Any, axis: str, size: float) -> str:
    """Return the unit of a size: what the plugin names, or the OME metadata where the size was taken from these."""
    if unit := getattr(reader.dimension_properties, axis.upper()).unit:
        return str(unit)
    with suppress(Exception), _quiet():  # many plugins have none
        pixels = reader.ome_metadata.images[reader.current_scene_index].pixels
        if getattr(pixels, f"physical_size_{axis}") == size:
            return str(getattr(pixels, f"physical_size_{axis}_unit").value)
    return ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what is said of metadata that are made on the way and not the file's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def headers(path: str) -> tuple[Iterator[tuple[str, Any]], str]:
    """Return the metadata as the format has them, where they are XML or text, and as OME-XML."""
    reader = _opened(path).reader
    ome_xml = ""
    with suppress(Exception), _quiet():  # many plugins have none
        ome_xml = reader.ome_metadata.to_xml()
    said = reader.metadata
    text = ElementTree.tostring(said, "unicode") if isinstance(said, ElementTree.Element) else said
    return iter([("metadata", text)] if isinstance(text, str) and text != ome_xml else []), ome_xml
