"""An image as a viewer reads it: one Zarr of version 3 per channel and per label image, made up while it is asked for.

Whatever the image is stored as, or if it is not stored at all, a viewer gets plain OME-Zarr 0.5 whose chunks are not
compressed. No path leads from a request to a file: a key is parsed into numbers, or there is nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import attrs
import numpy as np

from ..exceptions import InputError, LabelError
from ..pixels import Box, as_source, read
from ..spec import Axis, Dataset, FormatV05, Metadata, Scale, Translation, times
from .protocols import ImageLike, PyramidLike

_LARGEST = 4 * 2**20  # bytes of a chunk, if it may be cut
_STORED = 16 * 2**20  # bytes of a chunk that stays as it is stored, so that none is decoded twice
_FORMAT = FormatV05()  # the newest that viewers know
_UNITS = {"m": "meter", "s": "second"}
_KEY = re.compile(r"zarr\.json|(\d+)/zarr\.json|(\d+)/c/(\d+(?:/\d+)*)", re.ASCII)


@attrs.frozen(eq=False)
class Served:
    """Serve one channel of an image, or a label image.

    Attributes:
        levels: the largest first. axes: as the levels have them. channel: which axis is left out, and where.
        labels: whether the pixels are labels, which no viewer knows as negative numbers.
    """

    levels: tuple[ImageLike, ...]
    axes: tuple[Axis, ...]
    channel: tuple[int, int] | None = None
    labels: bool = False

    @classmethod
    def of(cls, image: PyramidLike, channel: int | None = None, *, labels: bool = False) -> Served:
        """Take a channel of an image; None: all of it.

        Raises:
            LabelError: labels are not integers. InputError: an axis runs backwards, which no viewer shows.
        """
        kind, sizes = image.images[0].data.dtype, image.images[0].scale or {}
        for name in (name for name, size in sizes.items() if size < 0):
            raise InputError(f"{image.metadata.name!r} runs backwards along {name}, in pixels of {sizes[name]:g}.")
        if labels and kind.kind not in "biu":
            raise LabelError(f"Labels are integers (got {kind} for {image.metadata.name!r}).")
        at = next((i for i, axis in enumerate(image.metadata.axes) if axis.type == "channel"), None)
        left_out = None if at is None else (at, channel or 0)
        return cls(tuple(image.images), tuple(image.metadata.axes), left_out, labels)

    @property
    def kept(self) -> list[int]:
        """Numbers of the axes that the viewer sees."""
        return [i for i in range(len(self.axes)) if self.channel is None or i != self.channel[0]]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of what is served, little-endian: one that viewers know, as near to the stored one as can be."""
        found = np.dtype(self.levels[0].data.dtype)
        if found.kind == "b":
            return np.dtype("u1")
        if self.labels:
            return np.dtype(f"<u{found.itemsize}")
        return found.newbyteorder("<") if found.kind in "iu" and found.itemsize < 8 else np.dtype("<f4")

    @cached_property
    def chunks(self) -> list[tuple[int, ...]]:
        """Lengths of the chunks of each level."""
        return [self._chunks(level) for level in self.levels]

    def _chunks(self, level: ImageLike) -> tuple[int, ...]:
        given = getattr(level.data, "chunksize", None) or getattr(level.data, "chunks", None)
        known = given is not None and all(isinstance(n, int) for n in given)
        whole: Sequence[int] = given if known and given else level.data.shape
        lengths = [int(whole[i]) for i in self.kept]
        while np.prod(lengths, dtype=object) * self.dtype.itemsize > (_STORED if known else _LARGEST):
            longest = max(range(len(lengths)), key=lengths.__getitem__)
            lengths[longest] = -(-lengths[longest] // 2)
        return tuple(max(1, n) for n in lengths)

    def geometry(self, level: int) -> tuple[list[float], list[float], list[str]]:
        """Return pixel sizes, positions of the first pixel, and units, "m", "s" or "", of the axes that are seen."""
        image, scale, translation, units = self.levels[level], [], [], []
        for i in self.kept:
            name, axis = image.dims[i], self.axes[i]
            unit = {"space": "meter", "time": "second"}.get(axis.type or "")
            factor = times(axis.unit, unit) if axis.unit and unit else None
            scale.append((image.scale or {}).get(name, 1.0) * (factor or 1.0))
            translation.append((image.translation or {}).get(name, 0.0) * (factor or 1.0))
            units.append(unit[0] if unit and factor else "")
        return scale, translation, units

    def shape(self, level: int) -> tuple[int, ...]:
        """Return the pixels of a level along the axes that are seen."""
        return tuple(int(self.levels[level].data.shape[i]) for i in self.kept)

    def answer(self, key: str) -> tuple[str, bytes] | None:
        """Return what is at a key, and its type; None where there is nothing.

        Raises:
            StoreError: a chunk cannot be read.
        """
        found = _KEY.fullmatch(key)
        if found is None:
            return None
        document, chunk, place = found.groups()
        if chunk is None and document is None:
            return "application/json", json.dumps(self._group()).encode()
        level = int(document or chunk)
        if level >= len(self.levels):
            return None
        if document is not None:
            return "application/json", json.dumps(self._array(level)).encode()
        pixels = self._read(level, [int(part) for part in place.split("/")])
        return None if pixels is None else ("application/octet-stream", pixels)

    def _read(self, level: int, place: Sequence[int]) -> bytes | None:
        """Return the pixels of a chunk; those beyond the image are 0."""
        shape, lengths = self.shape(level), self.chunks[level]
        if len(place) != len(shape) or any(p * n >= size for p, n, size in zip(place, lengths, shape, strict=True)):
            return None
        seen = [(p * n, min(size, (p + 1) * n)) for p, n, size in zip(place, lengths, shape, strict=True)]
        box = [(0, 1)] * len(self.axes)
        for i, part in zip(self.kept, seen, strict=True):
            box[i] = part
        if self.channel is not None:
            box[self.channel[0]] = (self.channel[1], self.channel[1] + 1)
        whole = np.zeros(lengths, self.dtype)
        inside = tuple(slice(high - low) for low, high in seen)
        with np.errstate(over="ignore"):  # of doubles that a float32 cannot hold
            whole[inside] = self._pixels(level, tuple(box)).reshape(whole[inside].shape).astype(self.dtype)
        return whole.tobytes()

    def _pixels(self, level: int, box: Box) -> np.ndarray[Any, Any]:
        source = as_source(self.levels[level].data, least=1)
        return np.asarray(read(source, box, source.dtype))

    def _group(self) -> dict[str, Any]:
        axes = [
            Axis(self.axes[i].name, self.axes[i].type, _UNITS.get(unit))
            for i, unit in zip(self.kept, self.geometry(0)[2], strict=True)
        ]
        placed = [self.geometry(level)[:2] for level in range(len(self.levels))]
        datasets = [Dataset(str(level), [Scale(scale), Translation(at)]) for level, (scale, at) in enumerate(placed)]
        attributes = _FORMAT.wrap(_FORMAT.encode(Metadata(axes, datasets)))
        return {"zarr_format": _FORMAT.zarr_format, "node_type": "group", "attributes": attributes}

    def _array(self, level: int) -> dict[str, Any]:
        dtype = self.dtype
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self.shape(level)),
            "data_type": dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(self.chunks[level])}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0,
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"} if dtype.itemsize > 1 else {}}],
            "dimension_names": [self.axes[i].name for i in self.kept],
            "attributes": {},
        }


def answers(served: Sequence[Served]) -> Callable[[str], tuple[str, bytes] | None]:
    """Return a function that looks up what "0/zarr.json" is, where the first number is that of what is served."""

    def answer(path: str) -> tuple[str, bytes] | None:
        number, _, key = path.partition("/")
        if not re.fullmatch(r"\d{1,6}", number, re.ASCII) or int(number) >= len(served):
            return None
        return served[int(number)].answer(key)

    return answer
