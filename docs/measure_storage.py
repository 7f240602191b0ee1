"""Measure what chunks, shards and compression cost, and write the tables of docs/storage.md anew.

`python -m docs.measure_storage`, from the root of the repository; `--tiny` tries it out and writes nothing.
"""

from __future__ import annotations

import datetime
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.data import blobs, segmentation
from benchmarks.fleet import claim_pages
from benchmarks.table import surroundings
from ome_ngff import open_image, write_image

PAGE = Path(__file__).parent / "storage.md"
ROUNDS = 3
CODECS = ("blosc-zstd", "blosc-zstd:5", "blosc-lz4", "zstd:3", "gzip", "none")
CHUNKS = (32, 64, 128, 256)
SHARDS: dict[str, dict[str, Any]] = {
    "chunks 32": {"chunks": 32},
    "chunks 32, shards 256": {"chunks": 32, "shards": 256},
    "chunks 64": {"chunks": 64},
    "chunks 64, shards 128": {"chunks": 64, "shards": 128},
    "chunks 64, shards 256": {"chunks": 64, "shards": 256},
    'chunks 128, shards "auto"': {"chunks": 128, "shards": "auto"},
}
Row = dict[str, float]


def seconds(work: Callable[[], Any]) -> float:
    """Return the seconds that all cores together spend on some work; other programs do not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(pixels: Any, cases: Mapping[str, Mapping[str, Any]], method: str = "resize") -> dict[str, Row]:
    """Write and read an image in each way, in turns, and give the shortest times.

    All that is written goes in the end: ext4 is slow to create files for a minute after many were deleted.
    """
    best: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS + 1):
            for i, (case, options) in enumerate(cases.items()):
                row = once(pixels, f"{folder}/{number}-{i}.ome.zarr", options, method)
                if number:  # the first round compiles, and makes room
                    best[case] = {what: min(value, best.get(case, row)[what]) for what, value in row.items()}
    return best


def once(pixels: Any, path: str, options: Mapping[str, Any], method: str) -> Row:
    """Write an image of three levels, read level 0 of it as a whole and in parts."""
    claim_pages(Path(path).parent, pixels.nbytes)
    write = seconds(lambda: write_image(pixels, path, axes="zyx", scale_factors=[2, 4], method=method, **options))
    stored = open_image(path).images[0].data
    z, y, x = (n // 2 - 64 for n in stored.shape)
    claim_pages(Path(path).parent, 2 * pixels.nbytes)
    files = [file for file in Path(path).rglob("*") if file.is_file()]
    return {
        "files": len(files),
        "MiB": sum(file.stat().st_size for file in files) / 2**20,
        "write": write,
        "read": seconds(stored.compute),
        "plane": seconds(stored[z].compute),
        "side": seconds(stored[:, :, x].compute),
        "cube": seconds(stored[z : z + 100, y : y + 100, x : x + 100].compute),
    }


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write rows as a Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, ["---"] * len(heads), *rows])


def short(number: float) -> str:
    """Write a number with two digits."""
    return f"{float(f'{number:.2g}'):g}"


def codecs_table(image: Any, labels: Any) -> str:
    """Compare compressions: sizes, and MB of pixels of level 0 per second and core."""
    cases = {name: {"compression": name} for name in CODECS}
    found = [measure(image, cases), measure(labels, cases, "mode")]
    heads = ["compression", *(f"{of}: {what}" for of in ("image", "labels") for what in ("size", "write", "read"))]
    rows = []
    for name in CODECS:
        cells = [f"`{name}`"]
        for pixels, rates in zip((image, labels), found, strict=True):
            row, full = rates[name], pixels.nbytes * (1 + 1 / 4 + 1 / 16)
            speeds = (f"{short(pixels.nbytes / 1e6 / row[what])} MB/s" for what in ("write", "read"))
            cells += [f"{short(100 * row['MiB'] * 2**20 / full)} %", *speeds]
        rows.append(cells)
    return table(heads, rows)


def grids_table(image: Any, cases: Mapping[str, Mapping[str, Any]]) -> str:
    """Compare chunks and shards: files, sizes, and times."""
    heads = ["stored as", "files", "MiB", "write", "read all", "a plane (z)", "a plane (x)", "100³ pixels"]
    rows = []
    for case, row in measure(image, cases).items():
        times = [f"{short(row['write'])} s", f"{short(row['read'])} s"]
        parts = [f"{short(1000 * row[what])} ms" for what in ("plane", "side", "cube")]
        rows.append([case, f"{row['files']:.0f}", f"{row['MiB']:.0f}", *times, *parts])
    return table(heads, rows)


def with_tables(page: str, tables: Mapping[str, str]) -> str:
    """Put tables between their marks."""
    for name, text in tables.items():
        begin, end = f"<!-- {name}: written by docs/measure_storage.py -->", f"<!-- end of {name} -->"
        before, _, rest = page.partition(begin)
        _, found, after = rest.partition(end)
        assert found, f"{PAGE} does not say {begin} and {end}"
        page = f"{before}{begin}\n\n{text}\n\n{end}{after}"
    return page


def main() -> None:
    """Measure everything."""
    tiny = "--tiny" in sys.argv
    shape = (128, 128, 256) if tiny else (256, 512, 1024)
    image, labels = blobs(shape), segmentation(shape)
    size = " x ".join(map(str, shape))
    tables = {
        "surroundings": f"{datetime.date.today()}, {size} pixels, the shortest of {ROUNDS} times. {surroundings([])}",
        "codecs": codecs_table(image, labels),
        "chunks": grids_table(image, {f"chunks {n}": {"chunks": n} for n in CHUNKS}),
        "shards": grids_table(image, SHARDS),
    }
    if tiny:
        sys.stdout.write("\n\n".join(tables.values()) + "\n")
    else:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")


if __name__ == "__main__":
    main()
