"""How long reads take: ours, by `read` and as lazy arrays, beside TensorStore and Zarr-Python, in turns in one process.

Least processor and wall times of all rounds are compared, not medians: other work on the machine only ever adds.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from .data import brick_shape, data_file, volume_shape
from .options import Settings, measuring
from .table import Row, Table

# What is read of a volume of 256 x 1024 x 1024 in chunks of 64 x 256 x 256, and the target in times of TensorStore.
CASES = {
    "a whole level": ((1, 1, 1), 0, 1.0),
    "one plane": (("plane", 1, 1), 0, 1.3),
    "a box of 64 x 64 x 64 in one chunk": ((4, 16, 16), 0, 1.3),
    "a box of 64 x 64 x 64 of eight chunks": ((4, 16, 16), 1, 1.3),
}
LAZY, OPEN = 1.35, 5.0
_TICK = 0.01  # until the system has counted what threads did that still run when the pixels are there
Read = Callable[[], Any]


def boxes(size: str) -> dict[str, tuple[slice, ...]]:
    """Return the box of each case: parts of the volume, inside of chunks or half a box before their borders."""
    shape, brick = volume_shape(size), brick_shape(size)
    found = {}
    for title, (parts, across, _) in CASES.items():
        lengths = [1 if part == "plane" else n // int(part) for n, part in zip(shape, parts, strict=True)]
        ends = zip(shape, lengths, brick, strict=True)
        starts = [0 if n == length else c - across * length // 2 for n, length, c in ends]
        found[title] = tuple(slice(start, start + length) for start, length in zip(starts, lengths, strict=True))
    return found


def readers(place: Path, box: tuple[slice, ...]) -> dict[str, Read]:
    """Return each way to read a box of level 0; TensorStore keeps no chunks, as nobody else does."""
    import zarr

    from ome_ngff import open_image

    image = open_image(place)
    region = dict(zip("zyx", ((part.start, part.stop) for part in box), strict=True))
    plain = zarr.open_array(place / "0", mode="r")
    found: dict[str, Read] = {
        "read": lambda: image.read(**region).data,
        "dask": lambda: image.images[0].data[box].compute(),
        "Zarr-Python": lambda: plain[box],
    }
    if find_spec("tensorstore"):
        import tensorstore

        context = tensorstore.Context({"cache_pool": {"total_bytes_limit": 0}})
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(place / "0")}}
        store = tensorstore.open(spec, open=True, context=context).result()
        found["TensorStore"] = lambda: store[box].read().result()
    return found


def least(ways: dict[str, Read], rounds: int) -> dict[str, tuple[float, float]]:
    """Return the least processor and wall times of each way, in milliseconds."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name in random.Random(turn).sample(list(ways), len(ways)):
            processor, wall = time.process_time(), time.perf_counter()
            ways[name]()
            wall = time.perf_counter() - wall
            time.sleep(_TICK)
            times[name].append((time.process_time() - processor, wall))
    return {name: (1000 * min(p for p, _ in each), 1000 * min(w for _, w in each)) for name, each in times.items()}


def tables(settings: Settings) -> list[Table]:
    """Time reads of parts of a volume, and how long it takes to open it."""
    from ome_ngff import open_image, write_image

    pixels = np.load(data_file("volume", settings.size, settings.fleet.cache), mmap_mode="r")[0]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "volume.ome.zarr"
        write_image(pixels, place, axes="zyx", chunks=brick_shape(settings.size), scale_factors=[])
        for title, box in boxes(settings.size).items():
            if not settings.wants(title):
                continue
            ways = readers(place, box)
            for name, way in ways.items():
                np.testing.assert_array_equal(way(), pixels[box], err_msg=name)
            times = least(ways, settings.rounds)
            limits = {"read": CASES[title][2], "dask": LAZY}
            for k, clock in enumerate(("processor", "wall")):
                for ours, limit in limits.items():
                    for who in ("TensorStore", "Zarr-Python"):
                        if who in times:
                            target = (limit,) if who == "TensorStore" and clock == "processor" else ()
                            case = f"{title}, {ours} beside {who}, {clock}"
                            rows.append(Row(case, times[ours][k], "ms", times[who][k], target))
        if settings.wants("open"):
            rows.append(Row("open", least({"open": lambda: open_image(place)}, 30)["open"][1], "ms", at_most=(OPEN,)))
    return [Table.of("Speed of reads, least times of all rounds", rows)]


main = measuring(tables)
