"""Whether a stored image has the pixels of the file that it was made from: both are read again, and compared.

What is found is left with the image as a digest of each level, so that the pixels can be checked once the file is gone.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..config import config
from ..engine import Progress, check_progress, counter
from ..exceptions import StoreError
from ..image import NgffImage
from ..pixels import Box, bundle, slices, tiles
from ..read import StoredImage, StoredLevel
from ..store import Target, behind_urls, find_target, readable, update_said
from .open import images_in, open_input
from .zarr_store import SourceImage


@attrs.frozen
class Digest:
    """Identify the pixels of a stored level.

    Attributes:
        path: of the level, below the image. cells: lengths of the boxes that the level was cut into, from its origin.
        sha256: of the SHA-256 of all boxes, one after the other in C order, each of its pixels in C order and in
            little-endian bytes.
    """

    path: str
    cells: tuple[int, ...]
    sha256: str


def verify(
    source: str | os.PathLike[str],
    store: Any,
    *,
    series: int | str | None = None,
    axes: str | Sequence[str] | None = None,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
) -> list[Digest]:
    """Compare each pixel of a file with level 0 of the image that was made from it; labels of an OME-Zarr, too.

    Args:
        source, series, axes: as in `open_input`; series="all" compares a collection, as `convert` writes it.
        store: the image, as `open_image` takes it.
        progress, store_options: as in `write_image`.

    Returns:
        A digest of each level of the image and of its labels. They are left in its attribute `ome_ngff`, too, unless
        the image is a ZIP, to which nothing can be added.

    Raises:
        StoreError: they differ, or a chunk cannot be read. InputError: the file cannot be read.
    """
    check_progress(progress)
    with behind_urls(store_options):
        target = find_target(readable(store))
        if series != "all":
            return compared(open_input(source, series=series, axes=axes), source, target, progress)
        return [
            attrs.evolve(digest, path=f"{number}/{digest.path}")
            for number, each in enumerate(images_in(source))
            for digest in compared(each.open(axes), source, target.child(str(number)), progress)
        ]


def compared(image: NgffImage, source: str | os.PathLike[str], target: Target, progress: Progress) -> list[Digest]:
    """Do what `verify` does with an image that is open."""
    pairs: list[tuple[str, NgffImage, Target]] = [("", image, target)]
    original = SourceImage.of(image)
    for name in original.labels() if original is not None else ():
        there = target.child(f"labels/{name}")
        if there.is_image:
            pairs.append((f"labels/{name}/", original.label(name)[0], there))  # type: ignore[union-attr]
    found = [_Pair(os.fspath(source), each.data, each.dims, StoredImage.of(there)) for _, each, there in pairs]
    total = sum(level.nbytes for pair in found for level in pair.levels)
    digests: list[Digest] = []
    with counter(progress, 0, sum(pair.boxes for pair in found), total, "verifying") as advance:
        for pair, (prefix, _, _) in zip(found, pairs, strict=True):
            own = [Digest(path, level.inner, pair.digest(k, advance)) for k, path, level in pair.parts()]
            if not target.store.read_only:
                stated = [attrs.asdict(digest) for digest in own]
                update_said(pair.stored.target, {"verified": {"at": _now(), "levels": stated}})
            digests += [attrs.evolve(digest, path=prefix + digest.path) for digest in own]
    return digests


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@attrs.frozen(eq=False)
class _Pair:
    """Compare an array with a stored image; both are read box by box, each box once."""

    name: str
    source: Any
    dims: Sequence[str]
    stored: StoredImage
    levels: tuple[StoredLevel, ...] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.stored.level(k) for k in range(len(self.stored.arrays))))
        first, where = self.levels[0], self.stored.target
        theirs, ours = ((self.dims, self.source), (self.stored.names, first))
        if (tuple(theirs[0]), tuple(theirs[1].shape), theirs[1].dtype) != (tuple(ours[0]), first.shape, first.dtype):
            said = " and ".join(f"{','.join(d)} {'x'.join(map(str, a.shape))} {a.dtype}" for d, a in (ours, theirs))
            raise StoreError(f"{where} is not what {self.name} holds now ({said}).")

    def parts(self) -> Iterator[tuple[int, str, StoredLevel]]:
        for k, (level, dataset) in enumerate(zip(self.levels, self.stored.metadata.datasets, strict=True)):
            yield k, dataset.path, level

    @property
    def boxes(self) -> int:
        """Number of boxes of all levels."""
        lengths = ((level.shape, self._lengths(k)) for k, _, level in self.parts())
        return sum(math.prod(-(-n // length) for n, length in zip(*each, strict=True)) for each in lengths)

    def _lengths(self, number: int) -> tuple[int, ...]:
        """Return the lengths of a box: whole chunks of the level, and as much of the source's blocks as has room."""
        level = self.levels[number]
        most = max(1, config.memory_target // (4 * config.workers * level.dtype.itemsize))
        blocks = getattr(self.source, "chunks", None) if number == 0 else None
        blocks = tuple(max(b) if isinstance(b, tuple) else b for b in blocks) if blocks else level.inner
        cell = list(level.inner)
        for axis in reversed(range(len(cell))):  # a block that is cut is decoded once for each part of it
            while cell[axis] < min(blocks[axis], level.shape[axis]) and 2 * math.prod(cell) <= most:
                cell[axis] *= 2
        return bundle(cell, level.shape, min(most, 2**22)) if number else tuple(map(min, cell, level.shape))

    def digest(self, number: int, advance: Any) -> str:
        """Return the digest of a level, once level 0 is known to be the source's."""
        level = self.levels[number]
        cells = tuple(min(length, n) for length, n in zip(level.inner, level.shape, strict=True))
        grid = [-(-n // length) for n, length in zip(level.shape, cells, strict=True)]
        seen = np.zeros((math.prod(grid), 32), np.uint8)
        whole: Box = tuple((0, n) for n in level.shape)

        def look(box: Box) -> None:
            block = level.read(slices(box))
            if number == 0:
                self._compare(block, box)
            for cell in tiles(box, cells):
                inside = slices(tuple((a - low, b - low) for (a, b), (low, _) in zip(cell, box, strict=True)))
                pixels = np.ascontiguousarray(block[inside]).astype(block.dtype.newbyteorder("<"), copy=False)
                at = int(np.ravel_multi_index([a // n for (a, _), n in zip(cell, cells, strict=True)], grid))
                seen[at] = np.frombuffer(hashlib.sha256(pixels.data).digest(), np.uint8)

        _each(look, tiles(whole, self._lengths(number)), advance)
        return hashlib.sha256(seen.data).hexdigest()

    def _compare(self, block: NDArray[Any], box: Box) -> None:
        wanted = np.asarray(self.source[slices(box)])
        if np.array_equal(wanted, block):
            return
        other = wanted != block
        if block.dtype.kind in "fc":
            other &= ~(np.isnan(wanted) & np.isnan(block))
        if not other.any():
            return
        first = tuple(int(i) for i in np.argwhere(other)[0])
        place = ", ".join(f"{d} {low + i}" for d, (low, _), i in zip(self.dims, box, first, strict=True))
        raise StoreError(
            f"{self.stored.target} differs from {self.name}: at {place} it has {block[first]}, the file has "
            f"{wanted[first]} ({int(other.sum())} pixels differ near there). Keep the file, and write the image again."
        )


def _each(look: Any, boxes: Iterator[Box], advance: Any) -> None:
    """Look at all boxes, several at once; what goes wrong with the first of them is raised."""
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(config.workers) as pool:
        try:
            for box in itertools.chain(boxes, [None]):
                if box is not None:
                    waiting.append(pool.submit(look, box))
                while waiting and (box is None or len(waiting) > 2 * config.workers):
                    waiting.popleft().result()
                    advance()
        finally:
            for late in waiting:
                late.cancel()
