"""A process that writes images on command: run by the interpreter that has the library, told what to do in JSON lines.

It stands alone, so that the environment of a peer needs nothing of ours. The first argument is the library; commands
are `load` (pixels into memory, or a lazy source), and `write` (one write, timed here).
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

Job = dict[str, Any]
MIB = 2**20


# The libraries: what a user would call -------------------------------------------------------------------------------


def ours(pixels: Any, to: Path, job: Job) -> None:
    from ome_ngff import write_image, write_labels

    words = {"chunks": "chunks", "shards": "shards", "codec": "compression", "method": "method"}
    options = {word: job[name] for name, word in words.items() if job[name] is not None}
    call: Any = write_labels if job["labels"] else write_image
    call(pixels, str(to), axes=job["axes"], scale_factors=job["factors"], **options)


def ome_zarr(pixels: Any, to: Path, job: Job) -> None:
    from ome_zarr.writer import write_image  # type: ignore[import-not-found, unused-ignore]

    options: dict[str, Any] = {} if job["chunks"] is None else {"chunks": tuple(job["chunks"])}
    if job["codec"] is not None:
        options["compressors"] = zstd(job["codec"])
    write_image(
        pixels, str(to), axes=job["axes"], scale_factors=job["factors"], method=job["method"], storage_options=options
    )


def ngff_zarr(pixels: Any, to: Path, job: Job) -> None:
    import ngff_zarr as nz  # type: ignore[import-not-found, unused-ignore]

    image = nz.to_ngff_image(pixels, dims=list(job["axes"]))
    options: dict[str, Any] = {} if job["chunks"] is None else {"chunks": tuple(job["chunks"])}
    if job["method"] is not None:
        options["method"] = nz.Methods(job["method"])
    multiscales = nz.to_multiscales(image, scale_factors=job["factors"], **options)
    codec = {} if job["codec"] is None else {"compressors": [zstd(job["codec"])]}
    nz.to_ngff_zarr(str(to), multiscales, **codec)


def zstd(codec: str) -> Any:
    from zarr.codecs import ZstdCodec

    name, level = codec.split(":")
    assert name == "zstd", "peers are compared with zstd"
    return ZstdCodec(level=int(level))


class Floor:
    """The codec alone: every chunk of every level, cut and copied before, encoded by one thread per core."""

    def __init__(self) -> None:
        self.chunks: dict[str, tuple[Any, list[Any]]] = {}

    def __call__(self, pixels: Any, to: Path, job: Job) -> None:
        from numcodecs import blosc, get_codec

        blosc.use_threads = False
        key = json.dumps(job, sort_keys=True)
        if key not in self.chunks:  # in the warm-up
            self.chunks[key] = self.cut(pixels, to, job)
        config, chunks = self.chunks[key]
        codec = get_codec(config)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(codec.encode, chunks):
                pass

    @staticmethod
    def cut(pixels: Any, to: Path, job: Job) -> tuple[Any, list[Any]]:
        import zarr
        from numcodecs import Blosc

        ours(pixels, to, job)
        found = []
        for level in range(len(job["factors"]) + 1):
            array = zarr.open_array(str(to / str(level)), mode="r")
            whole = np.asarray(array[...])
            for index in np.ndindex(*(-(-n // c) for n, c in zip(array.shape, array.chunks, strict=True))):
                box = tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, array.chunks, strict=True))
                found.append(whole[box].copy())
        codec = array.compressors[0].to_dict()
        words = {"zstd": ("level",), "blosc": ("cname", "clevel", "blocksize")}[codec["name"]]
        config = {word: codec["configuration"][word] for word in words}
        if codec["name"] == "blosc":
            config["shuffle"] = Blosc.SHUFFLE
        return {"id": codec["name"], **config}, found


# library -> the distributions it comes with, what writes
LIBRARIES: dict[str, tuple[str, Callable[[Any, Path, Job], None]]] = {
    "ours": ("ome-ngff", ours),
    "floor": ("numcodecs", Floor()),
    "ome-zarr": ("ome-zarr", ome_zarr),
    "ngff-zarr": ("ngff-zarr", ngff_zarr),
}


# The protocol --------------------------------------------------------------------------------------------------------


def lazy(brick_file: str, shape: list[int], chunks: list[int]) -> Any:
    """Give an image that is made block by block when it is read, by tiling one brick."""
    import dask.array as da

    brick = np.load(brick_file)
    blocks = tuple(tuple(min(c, n - i) for i in range(0, n, c)) for n, c in zip(shape, chunks, strict=True))

    def block(block_info: Any = None) -> Any:
        where = block_info[None]["array-location"]
        indices = (np.arange(low, high) % n for (low, high), n in zip(where, brick.shape, strict=True))
        return brick[np.ix_(*indices)]

    return da.map_blocks(block, chunks=blocks, dtype=brick.dtype, meta=np.empty((0,) * brick.ndim, brick.dtype))


def peak_mib() -> float:
    """Give the most memory this process ever held; Linux counts it anew after exec only here, not in ru_maxrss."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / (MIB if sys.platform == "darwin" else 1024)


def write(library: Callable[[Any, Path, Job], None], images: list[Any], to: str, job: Job) -> dict[str, Any]:
    begin = time.perf_counter()
    for number, pixels in enumerate(images):
        library(pixels, Path(to) / f"{number}.zarr", job)
    seconds = time.perf_counter() - begin
    files = [path for path in Path(to).rglob("*") if path.is_file()]
    stored = sum(path.stat().st_size for path in files)
    return {"seconds": seconds, "peak": peak_mib(), "files": len(files), "mib": stored / MIB}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    distribution, library = LIBRARIES[sys.argv[1]]
    images: list[Any] = []

    def answer(command: dict[str, Any]) -> dict[str, Any]:
        if command["do"] == "version":
            return {"version": f"{distribution} {importlib.metadata.version(distribution)}"}
        if command["do"] == "load":
            images[:] = [pixels for name in command["files"] for pixels in np.load(name)]
            return {}
        if command["do"] == "lazy":
            images[:] = [lazy(command["brick"], command["shape"], command["chunks"])]
            return {}
        return write(library, images, command["to"], command["job"])

    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception:
            reply = {"error": traceback.format_exc()}
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main()
