"""Labels that are painted in an image of 100 GiB: what an update takes, and what its chunks alone take."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from .options import Settings, measuring
from .table import Row, Table

TITLE = "paint labels"
SIDE, CHUNK, LEVELS = 2992, 128, 4
BOXES = {"four aligned chunks": ((512, 512, 512), (128, 256, 256)), "any box": ((500, 600, 700), (90, 200, 150))}
ALIGNED = 0.3  # seconds, at most


def write_empty(place: Path) -> None:
    """Write labels that are 0 everywhere: their documents alone."""
    from ome_ngff import write_labels

    factors = [dict.fromkeys("zyx", 2**k) for k in range(1, LEVELS)]
    with warnings.catch_warnings(action="ignore"):
        write_labels(np.zeros((CHUNK,) * 3, "uint32"), place, "cells", axes="zyx", scale_factors=factors, chunks=CHUNK)
    for k in range(LEVELS):
        file = place / "labels" / "cells" / str(k) / "zarr.json"
        array = json.loads(file.read_text())
        array["shape"] = [SIDE >> k] * 3
        array["chunk_grid"]["configuration"]["chunk_shape"] = [CHUNK] * 3
        file.write_text(json.dumps(array))


def chunks_alone(place: Path, copy: Path, start: Sequence[int], lengths: Sequence[int]) -> float:
    """Read the chunks that a box touches of every level, and write them elsewhere, with Zarr; return the seconds."""
    begin = time.perf_counter()
    for k in range(LEVELS):
        array: Any = zarr.open_array(place / "labels" / "cells" / str(k), mode="r")
        spans = [((low >> k) // CHUNK * CHUNK, -(-(low + n) >> k)) for low, n in zip(start, lengths, strict=True)]
        box = tuple(slice(low, min(-(-high // CHUNK) * CHUNK, SIDE >> k)) for low, high in spans)
        there: Any = zarr.open_array(copy / str(k), mode="r+")
        there[box] = array[box]
    return time.perf_counter() - begin


def tables(settings: Settings) -> list[Table]:
    """Paint boxes where labels are already, in turns with their chunks alone."""
    if not settings.wants(TITLE):
        return []
    from ome_ngff import update_labels

    random, found = np.random.default_rng(0), {}
    with tempfile.TemporaryDirectory(dir=settings.fleet.scratch) as folder:
        place, copy = Path(folder) / "image.zarr", Path(folder) / "copy"
        write_empty(place)
        for k in range(LEVELS):
            (copy / str(k)).mkdir(parents=True)
            (copy / str(k) / "zarr.json").write_text((place / f"labels/cells/{k}/zarr.json").read_text())
        cells = np.kron(random.integers(1, 5000, (16, 24, 24), dtype="uint32"), np.ones((24, 24, 24), "uint32"))
        update_labels(cells, place, "cells", {"z": 384, "y": 384, "x": 512})
        for what, (start, lengths) in BOXES.items():
            for n in range(settings.rounds + 1):
                begin = time.perf_counter()
                update_labels(np.full(lengths, n + 1, "uint32"), place, "cells", start)
                seconds = time.perf_counter() - begin
                if n:  # the first one compiles
                    found.setdefault(what, []).append((seconds, chunks_alone(place, copy, start, lengths)))
    rows = []
    for what, pairs in found.items():
        ours, alone = (statistics.median(each) for each in zip(*pairs, strict=True))
        if what == "any box":
            rows.append(Row(f"{TITLE}: {what}, of its chunks read and written", ours, "s", alone, (1.5,)))
        else:
            rows.append(Row(f"{TITLE}: {what}", ours, at_most=(ALIGNED,)))
    return [Table.of(f"Labels of {SIDE**3 * 4 / 2**30:.0f} GiB painted in place, {LEVELS} levels", rows)]


main = measuring(tables)
