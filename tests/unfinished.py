"""The writes that version 0.1.0 left unfinished in data/unfinished: their pixels, calls and settings, and their marks.

`data/unfinished/make.py` interrupted these calls, and `test_resume_older.py` repeats them. What stands here belongs to
those stores. It uses public names alone, and pixels are computed instead of drawn, so that it holds for later versions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import dask.array as da
import numpy as np
import zarr
from click.testing import CliRunner

from ome_ngff import config, write_image, write_labels
from ome_ngff.cli import main

DATA = Path(__file__).parent / "data" / "unfinished"
PLACE = "image.zarr"
CACHE = "cache"
SMALL: dict[str, Any] = {"memory_target": "2kB", "task_target": "1kB", "workers": 1}


def noise(*shape: int) -> np.ndarray[Any, Any]:
    """Return pixels of 12 bits that look like noise."""
    number = np.arange(math.prod(shape), dtype="uint64")
    return (number * 2654435761 % 2**32 >> 20).astype("uint16").reshape(shape)


def cells(*shape: int) -> np.ndarray[Any, Any]:
    """Return labels, with holes in them."""
    y, x = np.indices(shape)
    return np.where(noise(*shape) % 5 == 0, 0, 1000 * (y // 7 * 6 + x // 9) + 7).astype("uint32")


# What stands there before -------------------------------------------------------------------------------------------


def nothing(folder: Path) -> None:
    """Leave the folder empty."""


def an_image(folder: Path) -> None:
    """Write the image that gets labels, in words that leave nothing to the version."""
    words: dict[str, Any] = {"method": "local_mean", "compression": "blosc-zstd:1", "fmt": "0.5", "name": "image"}
    write_image(noise(24, 30), folder / PLACE, scale={"y": 0.5, "x": 0.25}, scale_factors=[2], chunks=8, **words)


def an_older_image(folder: Path) -> None:
    """Write the image that is replaced: of more levels than the new one, with labels, and with what another says."""
    write_image(noise(40, 50), folder / PLACE, method="nearest", scale_factors=[2, 4, 8], chunks=16, fmt="0.5")
    write_labels(cells(40, 50), folder / PLACE, "old", method="nearest")
    zarr.open_group(folder / PLACE, mode="a").attrs["another"] = {"says": 1}


# What is called -----------------------------------------------------------------------------------------------------


def image(*shape: int) -> Callable[..., None]:
    """Write pixels in memory."""
    return lambda folder, **words: write_image(noise(*shape), folder / PLACE, **words)


def blocks(folder: Path, **words: Any) -> None:
    """Write blocks that do not lie on the chunks."""
    lazy = da.from_array(noise(40, 50), chunks=(12, 20)).map_blocks(np.copy)
    write_image(lazy, folder / PLACE, **words)


def nuclei(folder: Path, **words: Any) -> None:
    """Write labels into an image."""
    said = {"colors": {7: "#ff8000"}, "properties": {7: {"kind": "corner"}, 1007: {"kind": "edge"}}}
    write_labels(cells(24, 30), folder / PLACE, "nuclei", **said, **words)


def command(folder: Path, **options: Any) -> None:
    """Write a volume on the command line."""
    np.save(folder / "input.npy", noise(5, 18, 36))
    words = ["write", str(folder / "input.npy"), str(folder / PLACE)]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [value])]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, (result.output, result.exception)


@attrs.frozen(kw_only=True)
class Case:
    """Describe a write that 0.1.0 left unfinished.

    Attributes:
        write: makes the call, in a folder. words: its words.
        first: more words of the call that was interrupted, which one that finishes it cannot have.
        said: more words, for all that this call left to 0.1.0; with them, a whole write makes the same levels.
        before: makes what stands in the folder before.
        group: the group that is marked.
        settings: those of the process that was interrupted.
        compression, cut, replaces: what the mark says of them; there is no mark where the cut is None.
        noted: names in the journal.
        expected: name of the finished store, without its ending.
    """

    write: Callable[..., None]
    words: Mapping[str, Any]
    first: Mapping[str, Any] = attrs.field(factory=dict)
    said: Mapping[str, Any]
    before: Callable[[Path], None] = nothing
    group: str = PLACE
    settings: Mapping[str, Any] = attrs.field(factory=lambda: SMALL)
    compression: str = "blosc-zstd:1"
    cut: Sequence[Any] | None
    replaces: Sequence[str]
    noted: Sequence[str]
    expected: str

    def start(self, folder: Path) -> None:
        """Make the call that was interrupted."""
        with config.set(cache_store=folder / CACHE, **self.settings):
            self.write(folder, **self.words, **self.first)

    def finish(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Finish the write."""
        with config.set(cache_store=folder / CACHE, **settings):
            self.write(folder, **self.words, resume=True)

    def write_whole(self, folder: Path) -> None:
        """Write undisturbed what the finished write has to be."""
        self.before(folder)
        self.write(folder, **self.words, **self.first, **self.said)


def _noted(*counts: int) -> tuple[str, ...]:
    """Name units, so many of the first pass, of the second, and so on, as the journal does."""
    return ("cleared", *(f"{number}-{i}" for number, count in enumerate(counts) for i in range(count)))


_SAID: dict[str, Any] = {"fmt": "0.5", "name": "image", "compression": "blosc-zstd:1"}
_WIDE: dict[str, Any] = {
    "write": image(40, 100),
    "words": {"chunks": 16},
    # What the rule of 0.1.0 makes of this shape: its last step halves x alone, because y fits in a chunk already.
    "said": {**_SAID, "method": "resize", "scale_factors": [{"y": 2, "x": 2}, {"y": 4, "x": 4}, {"y": 4, "x": 8}]},
    "cut": [
        [0, "given", [0], [16, 16]],
        [0, "stored", [1], [32, 32]],
        [1, "stored", [2], [20, 32]],
        [2, "stored", [3], [10, 25]],
        None,
    ],
    "replaces": ["0", "1", "2", "3"],
    "expected": "resize",
}
_SPOOLED: dict[str, Any] = {
    "write": blocks,
    "words": {"method": "gaussian", "scale_factors": [2], "chunks": 8},
    "said": _SAID,
    "cut": [[0, "given", [], [12, 20]], [0, "spool", [0], [8, 16]], [0, "stored", [1], [16, 16]], [12, 20]],
    "replaces": ["0", "1"],
    "expected": "spool",
}
_LABELS: dict[str, Any] = {
    "write": nuclei,
    "words": {"method": "mode"},
    "said": {"scale_factors": [2], "chunks": 8, "compression": "zstd:3"},
    "before": an_image,
    "group": f"{PLACE}/labels/nuclei",
    "compression": "zstd:3",
    "replaces": ["0", "1"],
    "expected": "labels",
}
_COMMAND: dict[str, Any] = {
    "write": command,
    "words": {"axes": "zyx", "scale": "z=0.5,y=0.1,x=0.1", "unit": "micrometer", "chunks": "8"},
    "said": {
        "format": "0.5",
        "name": "input",
        "method": "resize",
        "scale_factors": "y=2,x=2;y=4,x=4;y=4,x=8",
        "compression": "blosc-zstd:1",
    },
    "replaces": ["0", "1", "2", "3"],
    "expected": "command-line",
}
_REPLACING: dict[str, Any] = {
    "write": image(24, 30),
    "words": {"method": "gaussian", "scale_factors": [2], "chunks": 8},
    "first": {"overwrite": True},
    "said": _SAID,
    "before": an_older_image,
    "cut": [[0, "given", [0, 1], [16, 16]], None],
    "replaces": ["0", "1", "2", "3", "labels"],
    "expected": "replacing",
}

_CUT = [[0, "given", [0, 1], [16, 16]], [1, "stored", [2], [16, 16]], None]

CASES = {
    "resize": Case(**_WIDE, noted=_noted(12)),
    "resize-margins": Case(**_WIDE, noted=_noted(21, 4)),
    "resize-no-margins": Case(**_WIDE, settings={**SMALL, "task_target": "1MB"}, noted=_noted(21, 4)),
    "zarr-v2": Case(
        write=image(40, 50),
        words={"fmt": "0.4", "method": "local_mean", "scale_factors": [2, 4], "chunks": 8},
        said={"name": "image", "compression": "blosc-zstd:1"},
        cut=_CUT,
        replaces=["0", "1", "2"],
        noted=_noted(8),
        expected="zarr-v2",
    ),
    "labels": Case(**_LABELS, cut=[[0, "given", [0, 1], [16, 16]], None], noted=_noted(2)),
    "labels-unregistered": Case(**_LABELS, cut=None, noted=_noted(4)),
    "shards": Case(
        write=image(40, 50),
        words={"method": "nearest", "scale_factors": [2, 4], "chunks": 8, "shards": 16},
        said=_SAID,
        cut=_CUT,
        replaces=["0", "1", "2"],
        noted=_noted(8),
        expected="shards",
    ),
    "command-line": Case(
        **_COMMAND,
        cut=[
            [0, "given", [0], [5, 8, 8]],
            [0, "stored", [1], [5, 16, 16]],
            [1, "stored", [2], [5, 9, 16]],
            [2, "stored", [3], [5, 5, 9]],
            None,
        ],
        noted=_noted(12),
    ),
    "command-line-unmeasured": Case(**_COMMAND, cut=None, noted=_noted(15, 6, 2, 1)),
    "spool-filling": Case(**_SPOOLED, noted=_noted(7)),
    "spool-reading": Case(**_SPOOLED, noted=_noted(12, 9)),
    "replacing-begun": Case(**_REPLACING, noted=()),
    "replacing": Case(**_REPLACING, noted=_noted(2)),
    "one-unit": Case(
        write=image(24, 30),
        words={"method": "gaussian", "scale_factors": [2], "chunks": 8},
        said=_SAID,
        settings={"workers": 1},
        cut=[[0, "given", [0, 1], [24, 30]], None],
        replaces=["0", "1"],
        noted=(),
        expected="one-unit",
    ),
}
