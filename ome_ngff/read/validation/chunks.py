"""Decoding of every chunk of an array, to find those that are broken or missing."""

from __future__ import annotations

import itertools
import json
import math
import re
import tempfile
from array import array as packed
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import zarr
from zarr.storage import LocalStore

from ...config import config
from ...engine import Progress, counter
from ...exceptions import Finding
from ...spec import Faults, Rules
from ...store import open_array, sync
from .images import STORE_RULES
from .members import NODE
from .tree import Broken, Tree, joined, reason, spelled

_FEW = 5  # missing chunks that are named, per array
_MOST = 20  # unreadable chunks that are named, per array
_METADATA = frozenset({"zarr.json", ".zarray", ".zattrs"})
NOT_THERE = ""  # what `ChunkDecoder.decode` returns for a chunk that is not stored


def check_chunks(tree: Tree, paths: Sequence[str], progress: Progress) -> tuple[list[Finding], int]:
    """Decode all chunks of arrays, a few at a time so that memory stays flat; shards with every chunk in them.

    Args:
        tree: the tree that holds the arrays. paths: those of the arrays. progress: as in `validate`.

    Returns:
        The findings, and the number of chunks or shards that are stored.
    """
    findings: list[Finding] = []
    arrays = []
    for path in paths:
        try:
            arrays.append(StoredChunks.open(tree, path))
        except Exception as error:
            findings += NODE(spelled(path), Broken(reason(error)))
    total = sum(stored.count for stored in arrays)
    size = sum(stored.count * stored.bytes_of(stored.unit) for stored in arrays)
    with counter(progress, 0, total, size, "checking") as advance:
        for stored in arrays:
            state = Decoded(spelled(stored.path), stored.total, stored.strays)
            with ChunkDecoder.of(stored) as decoder:
                for number, fault in _decoded(decoder):
                    state.add(stored.key(number), fault)
                    advance()
            if stored.numbers is not None and len(stored.numbers) < stored.total:
                state.missing = stored.total - len(stored.numbers)
                state.absent = [stored.key(number) for number in itertools.islice(stored.gaps(), _FEW)]
            findings += CHUNKS(state)
            total -= state.missing if stored.numbers is None else 0
    return findings, total


@attrs.frozen(eq=False)
class StoredChunks:
    """List which chunks of an array are stored; if it has shards, which shards.

    Attributes:
        tree, path: place of the array. array: the array, opened for reading.
        metadata: content of its metadata files, by name.
        unit: shape of a chunk or shard. grid: number of them along each axis.
        numbers: flat indices in the grid of those that are stored; None if the store cannot list.
        strays: keys below the array that belong to no chunk.
    """

    tree: Tree
    path: str
    array: zarr.Array[Any]
    metadata: Mapping[str, Mapping[str, Any]]
    unit: tuple[int, ...]
    grid: tuple[int, ...]
    numbers: MutableSequence[int] | None
    strays: Sequence[str]

    @classmethod
    def open(cls, tree: Tree, path: str) -> StoredChunks:
        found = open_array(tree.store, tree.key(path))
        read = {name: tree.read(joined(path, name)) for name in ("zarr.json", ".zarray")}
        metadata = {name: json.loads(content) for name, content in read.items() if content is not None}
        unit = tuple(max(u, 1) for u in found.shards or found.chunks)
        grid = tuple(-(-n // u) for n, u in zip(found.shape, unit, strict=True))
        return cls(tree, path, found, metadata, unit, grid, *_listed(found, grid))

    @property
    def total(self) -> int:
        """Number of all chunks or shards, stored or not."""
        return math.prod(self.grid)

    @property
    def count(self) -> int:
        """Number of those that are stored, or all if the store cannot list."""
        return self.total if self.numbers is None else len(self.numbers)

    @property
    def slab(self) -> tuple[int, ...]:
        """Shape of what is decoded at a time: a chunk, or one layer of the chunks of a shard."""
        inner = [max(n, 1) for n in self.array.chunks]
        axis = next((i for i, (u, n) in enumerate(zip(self.unit, inner, strict=True)) if u > n), None)
        return self.unit if axis is None else (*self.unit[:axis], inner[axis], *self.unit[axis + 1 :])

    def bytes_of(self, pixels: Sequence[int]) -> int:
        return math.prod(pixels) * int(self.array.dtype.itemsize)

    def boxes(self, number: int) -> Iterator[tuple[slice, ...]]:
        """Yield the boxes of a chunk or shard that are decoded one after the other."""
        ranges = [
            [slice(start, start + s) for start in range(i * u, (i + 1) * u, s)]
            for i, u, s in zip(self.index(number), self.unit, self.slab, strict=True)
        ]
        yield from itertools.product(*ranges)

    def gaps(self) -> Iterator[int]:
        """Yield the flat indices of chunks that are not stored."""
        expected = 0
        for number in (*sorted(self.numbers or ()), self.total):
            yield from range(expected, number)
            expected = number + 1

    def key(self, number: int) -> str:
        return str(self.array.metadata.encode_chunk_key(self.index(number)))

    def index(self, number: int) -> tuple[int, ...]:
        index = []
        for n in reversed(self.grid):
            number, i = divmod(number, n)
            index.append(i)
        return tuple(reversed(index))


@attrs.frozen(eq=False)
class ChunkDecoder:
    """Decode whole chunks or shards, and notice if one is truncated.

    The pipeline in Rust notices it, but reads only local files, decodes of a chunk at the border only the part inside
    the array, and does not support every memory order of Zarr v2. The pipeline of Zarr-Python turns whatever follows
    in memory into pixels. So chunks that the pipeline in Rust cannot decode in place are copied, one at a time, into a
    temporary array with whole chunks and plain orders.

    Attributes:
        stored: the array. folder: that of the temporary array. copy: the temporary array.
        direct: whether chunks inside the array can be decoded in place.
    """

    stored: StoredChunks
    folder: Path
    direct: bool
    copy: zarr.Array[Any]

    @classmethod
    @contextmanager
    def of(cls, stored: StoredChunks) -> Iterator[ChunkDecoder]:
        """Yield a decoder, whose folder is deleted in the end."""
        shape = [n * u for n, u in zip(stored.grid, stored.unit, strict=True)]
        plain = True
        Path(config.cache_store).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="ome_ngff-", dir=config.cache_store) as name:
            for file, metadata in stored.metadata.items():
                whole = {**metadata, "shape": shape}
                copied = _plain_orders(whole) if file == ".zarray" else whole
                plain = plain and copied == whole
                (Path(name) / file).write_text(json.dumps(copied), encoding="utf-8")
            direct = plain and isinstance(stored.tree.store, LocalStore)
            yield cls(stored, Path(name), direct, open_array(LocalStore(name), ""))

    def decode(self, number: int) -> str | None:
        """Decode a chunk or shard; return what went wrong, `NOT_THERE` if it is not stored, or None."""
        stored, copy = self.stored, self.folder / self.stored.key(number)
        places = list(zip(stored.index(number), stored.unit, stored.array.shape, strict=True))
        try:
            if self.direct and all((i + 1) * u <= n for i, u, n in places):
                for box in stored.boxes(number):
                    stored.array[box]
                return None
            content = stored.tree.read(joined(stored.path, stored.key(number)))
            if content is None:
                return NOT_THERE
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
            for box in stored.boxes(number):
                self.copy[box]
        except Exception as error:
            return reason(error)
        finally:
            copy.unlink(missing_ok=True)
        return None


def _plain_orders(zarray: Mapping[str, Any]) -> dict[str, Any]:
    """Replace byte and memory order in metadata of Zarr v2, which do not affect whether a chunk can be decoded."""
    dtype = zarray["dtype"]
    return {**zarray, "order": "C", "dtype": re.sub("^>", "<", dtype) if isinstance(dtype, str) else dtype}


def _decoded(decoder: ChunkDecoder) -> Iterator[tuple[int, str | None]]:
    """Yield the flat index and the result of each chunk or shard, decoded in threads within the memory target."""
    stored = decoder.stored
    workers = max(1, min(config.workers, config.memory_target // max(2 * stored.bytes_of(stored.slab), 1)))
    waiting: deque[tuple[int, Future[str | None]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for number in range(stored.total) if stored.numbers is None else stored.numbers:
                waiting.append((number, pool.submit(decoder.decode, number)))
                if len(waiting) > 2 * workers:
                    first, future = waiting.popleft()
                    yield first, future.result()
            for number, future in waiting:
                yield number, future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _listed(found: zarr.Array[Any], grid: tuple[int, ...]) -> tuple[MutableSequence[int] | None, list[str]]:
    """Return the flat indices of the stored chunks, None if the store cannot list them, and keys of no chunk."""
    numbers: MutableSequence[int] = packed("q") if math.prod(grid) < 2**63 else []
    strays: list[str] = []
    seen: set[str] = set()
    prefix = f"{found.path}/" if found.path else ""

    async def collect() -> None:
        async for full in found.store.list_prefix(prefix):
            key = full[len(prefix) :]
            number = _number(key, grid, found.metadata.encode_chunk_key)
            if number is not None:
                numbers.append(number)
            else:
                (seen.add if key in _METADATA else strays.append)(key)

    try:
        sync(collect())
    except Exception:  # such as a web server
        return None, []
    return (numbers, sorted(strays)) if seen else (None, [])  # a complete list includes the metadata


def _number(key: str, grid: tuple[int, ...], encode: Callable[[tuple[int, ...]], str]) -> int | None:
    """Return the flat index of the chunk with this key; None if the key belongs to no chunk."""
    digits = key.removeprefix("c").replace(".", "/").strip("/").split("/") if grid else []
    if len(digits) != len(grid) or not all(d.isascii() and d.isdecimal() and len(d) < 20 for d in digits):
        return None
    index, number = tuple(map(int, digits)), 0
    for i, n in zip(index, grid, strict=True):
        number = number * n + i
    return number if key == encode(index) and all(i < n for i, n in zip(index, grid, strict=True)) else None


@attrs.define
class Decoded:
    """Collect the results of decoding the chunks or shards of an array."""

    where: str
    total: int
    strays: Sequence[str] = ()
    missing: int = 0
    absent: list[str] = attrs.field(factory=list)
    broken: int = 0
    named: list[tuple[str, str]] = attrs.field(factory=list)

    def add(self, key: str, fault: str | None) -> None:
        if fault == NOT_THERE:
            self.missing += 1
            self.absent += [key] if len(self.absent) < _FEW else []
        elif fault is not None:
            self.broken += 1
            self.named += [(key, fault)] if len(self.named) < _MOST else []


CHUNKS = Rules("image", STORE_RULES)


@CHUNKS.must("chunk-readable", at="/0.pixels", wrong="damaged")
def _readable(decoded: Decoded) -> Faults:
    """Chunks are stored conforming to the Zarr array specification and metadata as specified for the array."""
    for key, why in decoded.named:
        what = f"This chunk or shard cannot be decoded ({why})."
        yield f"{decoded.where}/{key}", what, "Restore it from a copy, or write the image again."
    if decoded.broken > len(decoded.named):
        what = f"{decoded.broken - len(decoded.named)} more chunks or shards cannot be decoded."
        yield decoded.where, what, "Restore the array from a copy, or write the image again."


@CHUNKS.note("chunk-missing", at="/0.pixels", wrong="missing")
def _missing(decoded: Decoded) -> Faults:
    """A chunk that is not stored reads as the fill value. Writers leave out empty chunks; an incomplete copy looks the
    same."""
    if decoded.missing:
        more = ", ..." if decoded.missing > len(decoded.absent) else ""
        what = f"Not stored: {decoded.missing} of {decoded.total} chunks or shards ({', '.join(decoded.absent)}{more})."
        yield decoded.where, what, "If the image is empty there, nothing needs to be done; otherwise copy it again."


@CHUNKS.note("chunk-stray", at="/0.pixels", wrong="elsewhere")
def _stray(decoded: Decoded) -> Faults:
    """The keys below an array are those of its chunks; anything else is never read."""
    if decoded.strays:
        what = f"Keys that belong to no chunk: {len(decoded.strays)}, such as {spelled(decoded.strays[0])[1:]}."
        yield decoded.where, what, "If pixels are missing, compare these keys with the metadata of the array."
