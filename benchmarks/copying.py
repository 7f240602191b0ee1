"""How long a Zarr array takes whose chunks are stored as they are wanted: copied, encoded anew, and by 0.1.0."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import numpy as np

from .data import brick_shape, data_file
from .fleet import HERE, claim_pages
from .options import Settings, measuring
from .table import Row, Table

TITLE = "copy chunks of Blosc lz4"
METHODS = ("nearest", "local_mean")
OLD = "OME_NGFF_0_1_0"  # in the environment: a folder that has version 0.1.0, where that is to be measured too

WRITE = """
import json, os, sys, time, zarr
from ome_ngff import write_image
source = zarr.open_array(sys.argv[1], mode="r")
for line in sys.stdin:
    words = json.loads(line)
    os.sync()
    begin = time.perf_counter()
    write_image(source, words.pop("to"), axes="zyx", chunks=source.chunks, scale_factors=[2, 4, 8], **words)
    print(time.perf_counter() - begin, flush=True)
"""


def make_source(settings: Settings, to: Path) -> int:
    """Store the volume by Zarr alone, in 64 chunks; return the bytes of its pixels."""
    import zarr
    from zarr.codecs import BloscCodec

    pixels = np.load(data_file("volume", settings.size, settings.fleet.cache), mmap_mode="r")[0]
    codec = BloscCodec(typesize=2, cname="lz4", clevel=5, shuffle="shuffle")
    array = zarr.create_array(
        to, shape=pixels.shape, dtype=pixels.dtype, chunks=brick_shape(settings.size), compressors=codec
    )
    array[:] = pixels
    return int(pixels.nbytes)


def measure(settings: Settings, folder: Path) -> dict[tuple[str, str], float]:
    """Return the median seconds of each way and method, in turns; what is written stays until the end."""
    size = make_source(settings, folder / "source.zarr")
    ways: dict[str, tuple[str, dict[str, str]]] = {
        "copied": (str(HERE.parent), {}),
        "encoded": (str(HERE.parent), {"compression": "blosc-lz4"}),
    }
    if OLD in os.environ:
        ways["0.1.0"] = (os.environ[OLD], {"compression": "blosc-lz4"})
    taken: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        command = [sys.executable, "-W", "ignore", "-c", WRITE, str(folder / "source.zarr")]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        workers = {
            way: stack.enter_context(subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, **pipes))
            for way, (path, _) in ways.items()
        }
        for turn in range(settings.rounds + 1):
            click.echo(f"{TITLE}: {f'round {turn} of {settings.rounds}' if turn else 'warming up'}", err=True)
            for method in METHODS:
                for way in sorted(ways, reverse=turn % 2 == 1):
                    claim_pages(folder, size)
                    words = {"to": f"{folder}/{way}-{method}-{turn}.zarr", "method": method, **ways[way][1]}
                    print(json.dumps(words), file=workers[way].stdin, flush=True)
                    answer = workers[way].stdout
                    assert answer is not None
                    seconds = float(answer.readline())
                    if turn:
                        taken.setdefault((way, method), []).append(seconds)
    return {case: statistics.median(seconds) for case, seconds in taken.items()}


def tables(settings: Settings) -> list[Table]:
    """Time the copy against encoding the chunks anew, and against 0.1.0, which `OME_NGFF_0_1_0` says where to find."""
    if not settings.wants(TITLE):
        return []
    with tempfile.TemporaryDirectory(dir=settings.fleet.scratch) as folder:
        found = measure(settings, Path(folder))
    rows = [
        Row(
            f"{TITLE}, {method}, instead of {'encoding them' if way == 'encoded' else way}",
            found["copied", method], "s", seconds, times=1.8 if (way, method) == ("0.1.0", "nearest") else None,
            peer=True,
        )
        for (way, method), seconds in found.items()
        if way != "copied"
    ]  # fmt: skip
    return [Table.of("Chunks that are stored as they are wanted", rows)]


main = measuring(tables)
