"""Every chunk of an array, decoded: which cannot be, and which are not there."""

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
NOT_THERE = ""  # what `Reader.decode` says of a chunk that is not stored


def check_chunks(tree: Tree, paths: Sequence[str], progress: Progress) -> tuple[list[Finding], int]:
    """Decode all chunks of arrays, a few at a time, so that memory stays flat; of shards, all that are in them.

    Args:
        tree: where they are. paths: of the arrays. progress: see `progress.counter`.

    Returns:
        The findings, and how many chunks or shards are stored.
    """
    findings: list[Finding] = []
    arrays = []
    for path in paths:
        try:
            arrays.append(Stored.open(tree, path))
        except Exception as error:
            findings += NODE(spelled(path), Broken(reason(error)))
    total = sum(stored.count for stored in arrays)
    size = sum(stored.count * stored.bytes_of(stored.unit) for stored in arrays)
    with counter(progress, 0, total, size, "checking") as advance:
        for stored in arrays:
            state = Decoded(spelled(stored.path), stored.total, stored.strays)
            with Reader.of(stored) as reader:
                for number, fault in _decoded(reader):
                    state.add(stored.key(number), fault)
                    advance()
            if stored.numbers is not None and len(stored.numbers) < stored.total:
                state.missing = stored.total - len(stored.numbers)
                state.absent = [stored.key(number) for number in itertools.islice(stored.gaps(), _FEW)]
            findings += CHUNKS(state)
            total -= state.missing if stored.numbers is None else 0
    return findings, total


@attrs.frozen(eq=False)
class Stored:
    """Hold an array and which of its chunks (shards, where there are any) are stored.

    Attributes:
        tree, path: where it is. array: opened for reading.
        metadata: what its files say, by their names.
        unit: pixels per chunk or shard. grid: how many of them per axis.
        numbers: those that are stored, counted along the grid; None where the store cannot list.
        strays: keys that belong to none.
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
    def open(cls, tree: Tree, path: str) -> Stored:
        """Open an array and list its chunks."""
        found = open_array(tree.store, tree.key(path))
        read = {name: tree.read(joined(path, name)) for name in ("zarr.json", ".zarray")}
        metadata = {name: json.loads(content) for name, content in read.items() if content is not None}
        unit = tuple(max(u, 1) for u in found.shards or found.chunks)
        grid = tuple(-(-n // u) for n, u in zip(found.shape, unit, strict=True))
        return cls(tree, path, found, metadata, unit, grid, *_listed(found, grid))

    @property
    def total(self) -> int:
        """Count all chunks or shards, stored or not."""
        return math.prod(self.grid)

    @property
    def count(self) -> int:
        """Count those that are stored, or may be."""
        return self.total if self.numbers is None else len(self.numbers)

    @property
    def slab(self) -> tuple[int, ...]:
        """Give the pixels that are decoded at a time: a chunk, or a layer of the chunks of a shard."""
        inner = [max(n, 1) for n in self.array.chunks]
        axis = next((i for i, (u, n) in enumerate(zip(self.unit, inner, strict=True)) if u > n), None)
        return self.unit if axis is None else (*self.unit[:axis], inner[axis], *self.unit[axis + 1 :])

    def bytes_of(self, pixels: Sequence[int]) -> int:
        """Count the bytes of a box of so many pixels per axis."""
        return math.prod(pixels) * int(self.array.dtype.itemsize)

    def boxes(self, number: int) -> Iterator[tuple[slice, ...]]:
        """Cut a chunk or shard into the boxes that are decoded one after the other."""
        cuts = [
            [slice(start, start + s) for start in range(i * u, (i + 1) * u, s)]
            for i, u, s in zip(self.index(number), self.unit, self.slab, strict=True)
        ]
        yield from itertools.product(*cuts)

    def gaps(self) -> Iterator[int]:
        """Yield the numbers that are not stored."""
        expected = 0
        for number in (*sorted(self.numbers or ()), self.total):
            yield from range(expected, number)
            expected = number + 1

    def key(self, number: int) -> str:
        """Give the key of a chunk or shard below the array."""
        return str(self.array.metadata.encode_chunk_key(self.index(number)))

    def index(self, number: int) -> tuple[int, ...]:
        """Give the place of a chunk or shard in the grid."""
        index = []
        for n in reversed(self.grid):
            number, i = divmod(number, n)
            index.append(i)
        return tuple(reversed(index))


@attrs.frozen(eq=False)
class Reader:
    """Decode whole chunks or shards, and notice when one is cut short.

    The pipeline in Rust does, but it knows only files, reads of a chunk at the border just what lies in the array, and
    not every order of Zarr v2; Zarr's own makes pixels of whatever follows in memory. So chunks that need it are put
    into a folder, each for the moment in which it is decoded, below an array that has whole chunks and plain orders.

    Attributes:
        stored: the array. folder: for the chunks. direct: whether chunks that are not at the border need no folder.
        copy: the array in the folder.
    """

    stored: Stored
    folder: Path
    direct: bool
    copy: zarr.Array[Any]

    @classmethod
    @contextmanager
    def of(cls, stored: Stored) -> Iterator[Reader]:
        """Make a reader, whose folder goes in the end."""
        shape = [n * u for n, u in zip(stored.grid, stored.unit, strict=True)]
        plain = True
        Path(config.cache_store).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="ome_ngff-", dir=config.cache_store) as name:
            for file, metadata in stored.metadata.items():
                said = {**metadata, "shape": shape}
                orders = _plain_orders(said) if file == ".zarray" else said
                plain = plain and orders == said
                (Path(name) / file).write_text(json.dumps(orders), encoding="utf-8")
            direct = plain and isinstance(stored.tree.store, LocalStore)
            yield cls(stored, Path(name), direct, open_array(LocalStore(name), ""))

    def decode(self, number: int) -> str | None:
        """Decode a chunk or shard; say what went wrong, or `NOT_THERE`, or return None."""
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
    """Replace byte and memory order in metadata of Zarr v2: whether a chunk can be decoded does not depend on them."""
    dtype = zarray["dtype"]
    return {**zarray, "order": "C", "dtype": re.sub("^>", "<", dtype) if isinstance(dtype, str) else dtype}


def _decoded(reader: Reader) -> Iterator[tuple[int, str | None]]:
    """Decode chunks or shards in threads, as many at a time as the memory target allows, and say what came of each."""
    stored = reader.stored
    workers = max(1, min(config.workers, config.memory_target // max(2 * stored.bytes_of(stored.slab), 1)))
    waiting: deque[tuple[int, Future[str | None]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for number in range(stored.total) if stored.numbers is None else stored.numbers:
                waiting.append((number, pool.submit(reader.decode, number)))
                if len(waiting) > 2 * workers:
                    first, future = waiting.popleft()
                    yield first, future.result()
            for number, future in waiting:
                yield number, future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _listed(found: zarr.Array[Any], grid: tuple[int, ...]) -> tuple[MutableSequence[int] | None, list[str]]:
    """List the chunks that are stored by their number (None where that cannot be done), and keys that are of none."""
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
    return (numbers, sorted(strays)) if seen else (None, [])  # a true list has the metadata too


def _number(key: str, grid: tuple[int, ...], encode: Callable[[tuple[int, ...]], str]) -> int | None:
    """Return the number of the chunk that a key is of; None where it is of none."""
    digits = key.removeprefix("c").replace(".", "/").strip("/").split("/") if grid else []
    if len(digits) != len(grid) or not all(d.isascii() and d.isdecimal() and len(d) < 20 for d in digits):
        return None
    index, number = tuple(map(int, digits)), 0
    for i, n in zip(index, grid, strict=True):
        number = number * n + i
    return number if key == encode(index) and all(i < n for i, n in zip(index, grid, strict=True)) else None


@attrs.define
class Decoded:
    """Collect what came of the chunks or shards of an array."""

    where: str
    total: int
    strays: Sequence[str] = ()
    missing: int = 0
    absent: list[str] = attrs.field(factory=list)
    broken: int = 0
    named: list[tuple[str, str]] = attrs.field(factory=list)

    def add(self, key: str, fault: str | None) -> None:
        """Count what `Reader.decode` said of one."""
        if fault == NOT_THERE:
            self.missing += 1
            self.absent += [key] if len(self.absent) < _FEW else []
        elif fault is not None:
            self.broken += 1
            self.named += [(key, fault)] if len(self.named) < _MOST else []


CHUNKS = Rules("image", STORE_RULES)


@CHUNKS.must(
    "chunk-readable",
    "Chunks are stored conforming to the Zarr array specification and metadata as specified for the array.",
    at="/0.pixels",
    wrong="damaged",
)
def _readable(decoded: Decoded) -> Faults:
    for key, why in decoded.named:
        what = f"This cannot be decoded ({why})."
        yield f"{decoded.where}/{key}", what, "Restore it from a copy, or write the image again."
    if decoded.broken > len(decoded.named):
        what = f"{decoded.broken - len(decoded.named)} more chunks or shards cannot be decoded."
        yield decoded.where, what, "Restore the array from a copy, or write the image again."


@CHUNKS.note(
    "chunk-missing",
    "A chunk that is not stored reads as the fill value. Writers leave out what is empty; a copy that was cut short "
    "looks the same.",
    at="/0.pixels",
    wrong="missing",
)
def _missing(decoded: Decoded) -> Faults:
    if decoded.missing:
        more = ", ..." if decoded.missing > len(decoded.absent) else ""
        what = f"Not stored: {decoded.missing} of {decoded.total} chunks or shards ({', '.join(decoded.absent)}{more})."
        yield decoded.where, what, "Nothing needs to be done if the image is empty there; else copy it again."


@CHUNKS.note(
    "chunk-stray",
    "The keys below an array are its chunks; whatever else is there is never read.",
    at="/0.pixels",
    wrong="elsewhere",
)
def _stray(decoded: Decoded) -> Faults:
    if decoded.strays:
        what = f"Keys that are of no chunk: {len(decoded.strays)}, such as {spelled(decoded.strays[0])[1:]}."
        yield decoded.where, what, "If pixels are missing, compare these keys with the metadata of the array."
