"""A process that writes images on command: run by the interpreter that has the library, told what to do in JSON lines.

It stands alone, so that the environment of a peer needs nothing of ours. The first argument is the library; commands
are `load` (pixels into memory, or a lazy source), `write` (one write, timed here), and `plate` (many fields).
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


def no_image(pixels: Any, to: Path, job: Job) -> None:
    raise NotImplementedError("this library is asked for plates alone")


# library -> the distributions it comes with, what writes
LIBRARIES: dict[str, tuple[str, Callable[[Any, Path, Job], None]]] = {
    "ours": ("ome-ngff", ours),
    "floor": ("numcodecs", Floor()),
    "ome-zarr": ("ome-zarr", ome_zarr),
    "ngff-zarr": ("ngff-zarr", ngff_zarr),
    "ngio": ("ngio", no_image),
    "yaozarrs": ("yaozarrs", no_image),
}


# Plates: each field of (row, column, field) gets the same pixels, in three levels of one chunk each -------------------

CHUNK, AHEAD = 1080, 2  # AHEAD: levels besides the first
Places = list[list[str]]


def our_plate(pixels: Any, to: str, places: Places) -> None:
    from ome_ngff import write_field

    for row, column, field in places:
        write_field(pixels, to, f"{row}/{column}", field, axes="yx", scale_factors=[2, 4], chunks=CHUNK)


def ngff_zarr_plate(pixels: Any, to: str, places: Places) -> None:
    import ngff_zarr as nz

    rows, columns = (list(dict.fromkeys(place[i] for place in places)) for i in (0, 1))
    wells = dict.fromkeys((row, column) for row, column, _ in places)
    listed = [nz.PlateWell(f"{r}/{c}", rows.index(r), columns.index(c)) for r, c in wells]
    lines = ([nz.PlateColumn(name) for name in columns], [nz.PlateRow(name) for name in rows])
    plate = nz.Plate(*lines, listed, version="0.5", name="plate", field_count=2)
    nz.to_hcs_zarr(nz.HCSPlate(to, plate), to)
    for row, column, field in places:
        image = nz.to_ngff_image(pixels, dims=["y", "x"])
        levels = nz.to_multiscales(image, scale_factors=[2, 4], chunks=(CHUNK, CHUNK))
        nz.write_hcs_well_image(to, levels, plate, row, column, int(field), None, version="0.5")


def ngio_plate(pixels: Any, to: str, places: Places) -> None:
    import ngio  # type: ignore[import-not-found, unused-ignore]

    plate = ngio.create_empty_plate(to, "plate", ngff_version="0.5")
    for row, column, field in places:
        plate.add_image(row, column, field)
        store = plate.get_image_store(row, column, field)
        words = {"axes_names": ["y", "x"], "levels": AHEAD + 1, "chunks": (CHUNK, CHUNK), "ngff_version": "0.5"}
        ngio.create_ome_zarr_from_array(store, pixels, pixelsize=1.0, overwrite=True, **words)


def yaozarrs_plate(pixels: Any, to: str, places: Places) -> None:
    from yaozarrs import v05  # type: ignore[import-not-found, unused-ignore]
    from yaozarrs.write.v05 import write_plate  # type: ignore[import-not-found, unused-ignore]

    levels = [pixels[:: 2**k, :: 2**k].copy() for k in range(AHEAD + 1)]  # it makes none
    axes = [v05.SpaceAxis(name=name, unit="micrometer") for name in "yx"]
    steps = [[v05.ScaleTransformation(scale=[2.0**k] * 2)] for k in range(AHEAD + 1)]
    datasets = [v05.Dataset(path=str(k), coordinateTransformations=step) for k, step in enumerate(steps)]
    image = v05.Image(multiscales=[v05.Multiscale(axes=axes, datasets=datasets)])
    write_plate(to, {tuple(place): (image, levels) for place in places}, chunks=(CHUNK, CHUNK))


PLATES: dict[str, Callable[[Any, str, Places], None]] = {
    "ours": our_plate, "ngff-zarr": ngff_zarr_plate, "ngio": ngio_plate, "yaozarrs": yaozarrs_plate,
}  # fmt: skip


# The protocol --------------------------------------------------------------------------------------------------------


def lazy(brick_file: str, shape: list[int], chunks: list[int]) -> Any:
    """Return an image that is made block by block when it is read, by tiling one brick."""
    import dask.array as da

    brick = np.load(brick_file)
    blocks = tuple(tuple(min(c, n - i) for i in range(0, n, c)) for n, c in zip(shape, chunks, strict=True))

    def block(block_info: Any = None) -> Any:
        where = block_info[None]["array-location"]
        indices = (np.arange(low, high) % n for (low, high), n in zip(where, brick.shape, strict=True))
        return brick[np.ix_(*indices)]

    return da.map_blocks(block, chunks=blocks, dtype=brick.dtype, meta=np.empty((0,) * brick.ndim, brick.dtype))


def peak_mib() -> float:
    """Return the most memory this process ever held; Linux counts it anew after exec only here, not in ru_maxrss."""
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
        if command["do"] == "plate":
            before = sum(os.times()[:4])
            PLATES[sys.argv[1]](images[0], command["to"], command["places"])
            return {"cpu": sum(os.times()[:4]) - before}
        return write(library, images, command["to"], command["job"])

    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception:
            reply = {"error": traceback.format_exc()}
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main()
