"""How levels are stored: chunks, shards and compression as callers give them, fitted to every level."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

import attrs
import numpy as np

from ..exceptions import ChunkError, OptionError
from ..pixels import Level
from ..spec import SPATIAL, Axes, by_name
from ..text import refuse_unknown, whole_number
from .codecs import LABELS, Compression


@attrs.frozen
class Grid:
    """Hold how one level is cut: lengths per axis, never larger than the level (shards: whole chunks)."""

    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None = None

    @property
    def cell(self) -> tuple[int, ...]:
        """Lengths of the smallest box that is written at once: a shard, or a chunk."""
        return self.shards or self.chunks


SHARD_BYTES = 64 * 2**20
_COMPRESSION = ("compression", "compressor", "compressors")
# Words of Zarr's for what the format, or this package, leaves one choice of: value -> whether it is that.
_FIXED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "dimension_separator": (
        lambda value: value == "/",
        "The chunk keys of OME-Zarr are nested; the only dimension_separator is '/'.",
    ),
    "order": (lambda value: value == "C", "Pixels are stored in the order of the axes; the only order is 'C'."),
    "serializer": (
        lambda value: value == "auto" or str(getattr(value, "endian", None)).rpartition(".")[2] == "little",
        "Pixels are stored as bytes with the least first; the only serializer is BytesCodec(endian='little').",
    ),
}
_OPTIONS = ("chunks", "shards", *_COMPRESSION, "fill_value", "dimension_names", *_FIXED)


def default_chunks(shape: Sequence[int], axes: Axes, *, plane: int = 1024) -> tuple[int, ...]:
    """Return 128 per spatial axis for volumes, `plane` for planes, 1 for time and channels."""
    spatial = [n for n, axis in zip(shape, axes, strict=True) if axis.type == "space" and n > 1]
    return tuple((128 if len(spatial) > 2 else plane) if axis.type == "space" else 1 for axis in axes)


def parse_lengths(given: Any, axes: Axes, default: Sequence[int], what: str) -> tuple[int, ...]:
    """Turn chunks or shards as callers give them into one length per axis.

    Args:
        given: None, an int for the spatial axes, a mapping by axis name, or a tuple for all or for the last axes.
        axes: the axes. default: lengths of the axes that are not named. what: "chunks" or the like, for messages.

    Raises:
        ChunkError: they are not whole numbers above zero, or too many.
        OptionError: a mapping names an axis that is not there.
    """
    if isinstance(given, Mapping):
        given = by_name(given, axes.names)
        refuse_unknown([name for name in given if name not in axes.names], axes.names, what)
        by_index = {axes.names.index(name): value for name, value in given.items()}
    elif isinstance(given, Real) and not isinstance(given, bool):
        by_index = {i: given for i, axis in enumerate(axes) if axis.type == "space"}
    elif given is None:
        by_index = {}
    elif isinstance(given, Sequence) and not isinstance(given, str) and 0 < len(given) <= len(axes):
        by_index = dict(enumerate(given, start=len(axes) - len(given)))
    else:
        raise ChunkError(f"{what} is a whole number, one per axis {','.join(axes.names)}, or a dict (got {given!r}).")
    lengths = list(default)
    for index, value in by_index.items():
        whole = whole_number(value)
        if whole is None or whole < 1:
            raise ChunkError(f"{what} must be whole numbers above zero (got {value!r} for axis {axes.names[index]}).")
        lengths[index] = whole
    return tuple(lengths)


def _shards(given: Any, shape: Sequence[int], axes: Axes, chunks: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Return the shards of level 0, which chunks divide; "auto": about 64 MiB of pixels, or the whole level."""
    if isinstance(given, str) and given == "auto":
        shards = list(chunks)  # doubled, the shortest spatial axis first
        while short := [i for i, axis in enumerate(axes) if axis.name in SPATIAL and shards[i] < shape[i]]:
            if 2 * math.prod(shards) * itemsize > SHARD_BYTES:
                break
            shards[min(short, key=lambda i: (shards[i], -i))] *= 2
    else:
        shards = list(parse_lengths(given, axes, chunks, "shards"))
    shards = [c if c == n <= s else s for s, c, n in zip(shards, chunks, shape, strict=True)]
    if any(s % c for s, c in zip(shards, chunks, strict=True)):
        raise ChunkError(f"chunks must divide shards (got chunks {tuple(chunks)} and shards {tuple(shards)}).")
    return tuple(shards)


def fit(level: Level, chunks: Sequence[int], shards: Sequence[int] | None) -> Grid:
    """Fit chunks and shards of level 0 to a level: shards shrink with it, so that one unit owns one shard of each."""
    fitted = tuple(min(c, n) for c, n in zip(chunks, level.shape, strict=True))
    if shards is None:
        return Grid(fitted)
    lengths = []
    for chunk, shard, factor, n in zip(fitted, shards, level.factors, level.shape, strict=True):
        lengths.append(chunk * max(1, min(shard // factor // chunk, math.ceil(n / chunk))))
    return Grid(fitted, tuple(lengths))


@attrs.frozen
class LevelStorage:
    """State how one level is stored.

    Attributes:
        grid, compression, fill_value: as they are stored. asked: whether the caller has said the compression.
    """

    grid: Grid
    compression: Compression
    fill_value: Any
    asked: bool = True


@attrs.frozen(eq=False)
class Layout:
    """Carry chunks, shards and compression of a pyramid; options per level win over those for all.

    Attributes:
        chunks, shards, compression: as callers give them, for level 0; None takes the default.
        options: none, one dict for all levels, or one per level.
    """

    chunks: Any = None
    shards: Any = None
    compression: Any = None
    options: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def parse(
        cls, chunks: Any = None, shards: Any = None, compression: Any = None, storage_options: Any = None
    ) -> Layout:
        """Check the words of `storage_options`, and that nothing is given twice with another value.

        Raises:
            OptionError: an unknown word, or a contradiction.
        """
        listed = isinstance(storage_options, Sequence) and not isinstance(storage_options, str)
        options = [] if storage_options is None else list(storage_options) if listed else [storage_options]
        for option in options:
            if not isinstance(option, Mapping):
                raise OptionError(
                    f"storage_options is a dict, or a list of one dict per level (got {storage_options!r})."
                )
            refuse_unknown([word for word in option if word not in _OPTIONS], _OPTIONS, "storage_options")
            for word, value in (("chunks", chunks), ("shards", shards), ("compression", compression)):
                if value is not None and option.get(word) is not None and option[word] != value:
                    raise OptionError(
                        f"{word}={value!r} and storage_options[{word!r}]={option[word]!r} contradict each other."
                    )
            for word, (agrees, only) in _FIXED.items():
                if option.get(word) is not None and not agrees(option[word]):
                    raise OptionError(f"{only} (got {option[word]!r})")
            given = [word for word in _COMPRESSION if word in option]
            if len(given) > 1 or (given and given != ["compression"] and compression is not None):
                raise OptionError(
                    f"Give the compression once (got {' and '.join([*given, f'compression={compression!r}'])})."
                )
        return cls(chunks, shards, compression, tuple(options))

    def named(self, names: Sequence[str] | None) -> Layout:
        """Say chunks and shards that are in the order of these axes by name; None changes nothing."""

        def called(lengths: Any) -> Any:
            listed = isinstance(lengths, Sequence) and not isinstance(lengths, str) and len(lengths) == len(names or ())
            return dict(zip(names or (), lengths, strict=True)) if listed else lengths

        options = tuple({k: called(v) if k in ("chunks", "shards") else v for k, v in o.items()} for o in self.options)
        return attrs.evolve(self, chunks=called(self.chunks), shards=called(self.shards), options=options)

    def of_labels(self) -> Layout:
        """Compress as suits labels, where no compression is given."""
        given = self.compression not in (None, "auto")
        return self if given else attrs.evolve(self, compression=Compression.parse(LABELS))

    def of(self, level: int, count: int) -> Mapping[str, Any]:
        """Return the options of one level of `count`.

        Raises:
            OptionError: there is a list that is shorter than there are levels.
        """
        if 1 < len(self.options) < count:
            raise OptionError(
                f"storage_options needs one dict for each of the {count} levels (got {len(self.options)}); one dict is "
                "for all."
            )
        return {} if not self.options else self.options[level if len(self.options) > 1 else 0]

    def first_chunks(self, shape: Sequence[int], axes: Axes) -> tuple[int, ...]:
        """Return the chunks of level 0."""
        return self._chunks(self.options[0] if self.options else {}, shape, axes)

    def _chunks(self, option: Mapping[str, Any], shape: Sequence[int], axes: Axes) -> tuple[int, ...]:
        given = option.get("chunks") or self.chunks
        default = tuple(map(min, default_chunks(shape, axes), shape))
        shards = option.get("shards") or self.shards
        if shards is not None and not isinstance(shards, str):  # the largest parts of a shard up to the default
            whole = parse_lengths(shards, axes, default, "shards")
            default = tuple(
                c if c == n <= s else max(part for part in range(1, min(s, c) + 1) if s % part == 0)
                for s, c, n in zip(whole, default, shape, strict=True)
            )
        chunks = parse_lengths(None if isinstance(given, str) and given == "auto" else given, axes, default, "chunks")
        return tuple(map(min, chunks, shape))

    def storage(
        self, levels: Sequence[Level], axes: Axes, dtype: np.dtype[Any], zarr_format: int
    ) -> tuple[LevelStorage, ...]:
        """Return how every level is stored.

        Raises:
            ChunkError: chunks do not divide shards, or the format has no shards. CodecError: no such compression.
        """
        found = []
        for number, grid in enumerate(self.grids(levels, axes, dtype.itemsize, zarr_format)):
            option, given = self.of(number, len(levels)), self.compression
            names = option.get("dimension_names")
            if names is not None and tuple(names) != axes.names:
                raise OptionError(f"dimension_names are the names of the axes, {axes.names} (got {names!r}).")
            for word in _COMPRESSION:
                if word in option:  # None is the default, but none at all under the names that Zarr has
                    given = "none" if option[word] is None and word != "compression" else option[word]
            compression = Compression.parse(given)
            compression.compressors(zarr_format, dtype)  # refuses what this version of Zarr does not have
            asked = given not in (None, "auto") and not isinstance(given, Compression)
            found.append(LevelStorage(grid, compression, option.get("fill_value", 0), asked))
        return tuple(found)

    def grids(self, levels: Sequence[Level], axes: Axes, itemsize: int, zarr_format: int) -> tuple[Grid, ...]:
        """Return the grid of every level.

        Raises:
            ChunkError: chunks do not divide shards, or the format has no shards.
        """
        shape, found = levels[0].shape, []
        for number, level in enumerate(levels):
            option = self.of(number, len(levels))
            chunks, given = self._chunks(option, shape, axes), option.get("shards") or self.shards
            if given is not None and zarr_format == 2:
                raise ChunkError("OME-NGFF 0.4 is Zarr v2, which has no shards; write 0.5, or leave shards out.")
            shards = None if given is None else _shards(given, shape, axes, chunks, itemsize)
            if option.get("shards") and len(self.options) > 1:  # those of this level, not of level 0
                level = attrs.evolve(level, factors=(1,) * len(shape))
            found.append(fit(level, chunks, shards))
        return tuple(found)
