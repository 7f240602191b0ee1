"""A process that streams frames into an image: run by the interpreter that has the library; it answers in JSON.

It stands alone, so that the environment of a peer needs nothing of ours. Arguments: the library, the folder, the
frames, and milliseconds between two of them (0: as fast as they are taken).
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

SIDE, CHUNK, LEVELS = 2048, 1024, 3
Append = Callable[[Any], object]


@contextmanager
def ours(to: str, levels: int = LEVELS, compression: str = "blosc-zstd:1") -> Iterator[Append]:
    from ome_ngff import stream_image

    with stream_image(
        to, (None, SIDE, SIDE), "uint16", "tyx", chunks={"t": 1, "y": CHUNK, "x": CHUNK}, compression=compression,
        scale_factors=[2**k for k in range(1, levels)], method="local_mean", omero=False,
    ) as stream:  # fmt: skip
        yield stream.append


def uncompressed(to: str) -> AbstractContextManager[Append]:
    return ours(to, compression="none")


@contextmanager
def whole(to: str) -> Iterator[Append]:
    """Write all frames at once, in the end."""
    from ome_ngff import write_image

    frames: list[Any] = []
    yield frames.append
    write_image(
        np.stack(frames), to, axes="tyx", chunks={"t": 1, "y": CHUNK, "x": CHUNK}, compression="blosc-zstd:1",
        scale_factors=[2, 4], method="local_mean", omero=False,
    )  # fmt: skip


@contextmanager
def acquire_zarr(to: str, levels: int = LEVELS) -> Iterator[Append]:
    import acquire_zarr as aqz  # type: ignore[import-not-found, unused-ignore]

    def axis(name: str, kind: Any, size: int, chunk: int) -> Any:
        return aqz.Dimension(name=name, kind=kind, array_size_px=size, chunk_size_px=chunk, shard_size_chunks=1)

    space = aqz.DimensionType.SPACE
    codec = aqz.CompressionSettings(
        compressor=aqz.Compressor.BLOSC1, codec=aqz.CompressionCodec.BLOSC_ZSTD, level=1, shuffle=1
    )
    mean = {"downsampling_method": aqz.DownsamplingMethod.MEAN, "max_levels": levels - 1} if levels > 1 else {}
    array = aqz.ArraySettings(
        dimensions=[
            axis("t", aqz.DimensionType.TIME, 0, 1), axis("y", space, SIDE, CHUNK), axis("x", space, SIDE, CHUNK)
        ],
        data_type=aqz.DataType.UINT16, compression=codec, **mean,
    )  # fmt: skip
    stream = aqz.ZarrStream(aqz.StreamSettings(store_path=to, arrays=[array], overwrite=True))
    yield stream.append
    stream.close()


def acquire_zarr_alone(to: str) -> AbstractContextManager[Append]:
    return acquire_zarr(to, 1)


WRITERS: dict[str, Callable[[str], AbstractContextManager[Append]]] = {
    "ours": ours,
    "uncompressed": uncompressed,
    "whole": whole,
    "acquire-zarr": acquire_zarr,
    "acquire-zarr, level 0": acquire_zarr_alone,
}


def main() -> None:
    """Stream, and print what that took."""
    who, to, count, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]) / 1000
    frames = np.random.default_rng(0).poisson(200, (4, SIDE, SIDE)).astype("uint16")
    with WRITERS[who](f"{to}/warm.zarr") as append:
        append(frames[0])
    latencies = []
    before, begin = time.process_time(), time.perf_counter()
    with WRITERS[who](f"{to}/image.zarr") as append:
        for i in range(count):
            start = time.perf_counter()
            append(frames[i % 4])
            latencies.append(time.perf_counter() - start)
            time.sleep(max(0.0, begin + (i + 1) * pause - time.perf_counter()))
    seconds, used = time.perf_counter() - begin, time.process_time() - before
    if who == "uncompressed":  # as `dd` does that it is compared with: until all is on the disk
        for folder, _, names in os.walk(f"{to}/image.zarr"):
            for name in names:
                with open(f"{folder}/{name}", "rb") as file:
                    os.fsync(file.fileno())
    synced = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    found = {
        "cpu": used,
        "seconds": seconds,
        "synced": synced,
        "p99": 1000 * float(np.percentile(latencies, 99)),
        "peak": peak,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
