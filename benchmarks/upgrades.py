"""How many images of a plate a second go from one version to another in place, in one process."""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .options import Settings, measuring
from .table import Row, Table

TITLE = "upgrade a plate of 0.4"
WELLS = {"small": (24, 5), "full": (384, 26)}  # wells, and images of each
LEVELS = 3
RATE = 300  # images a second, at least


def write_plate(place: Path, wells: int, fields: int) -> None:
    """Write the documents of a plate of 0.4, whose chunks are all the fill value; nothing of ours takes part."""
    rows, columns = "ABCDEFGHIJKLMNOP"[: -(-wells // 24)], [str(k + 1) for k in range(24)]
    names = [f"{row}/{column}" for row in rows for column in columns][:wells]
    indices = [{"path": n, "rowIndex": rows.index(n[0]), "columnIndex": columns.index(n[2:])} for n in names]
    lines = {"rows": [{"name": row} for row in rows], "columns": [{"name": column} for column in columns]}
    _group(place, {"plate": {"name": "plate", "version": "0.4", "field_count": fields, "wells": indices, **lines}})
    for row in rows:
        _group(place / row)
    for name in names:
        _group(place / name, {"well": {"version": "0.4", "images": [{"path": str(k)} for k in range(fields)]}})
        for field in range(fields):
            _image(place / name / str(field), f"{name}/{field}")


def _image(place: Path, name: str) -> None:
    kinds = {"c": "channel", "y": "space", "x": "space"}
    sizes = [[1.0, 0.5 * 2**k, 0.5 * 2**k] for k in range(LEVELS)]
    steps = [[{"type": "scale", "scale": size}] for size in sizes]
    datasets = [{"path": str(k), "coordinateTransformations": step} for k, step in enumerate(steps)]
    axes = [{"name": axis, "type": kind} for axis, kind in kinds.items()]
    _group(place, {"multiscales": [{"version": "0.4", "name": name, "axes": axes, "datasets": datasets}]})
    codec = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}
    shared = {"zarr_format": 2, "dtype": "<u2", "order": "C", "fill_value": 0, "filters": None, "compressor": codec}
    for k in range(LEVELS):
        shape = {"shape": [3, 1024 >> k, 1024 >> k], "chunks": [1, 1024 >> k, 1024 >> k], "dimension_separator": "/"}
        _put(place / str(k) / ".zarray", {**shared, **shape})


def _group(place: Path, attributes: dict[str, Any] | None = None) -> None:
    _put(place / ".zgroup", {"zarr_format": 2})
    if attributes is not None:
        _put(place / ".zattrs", attributes)


def _put(file: Path, document: dict[str, Any]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(document, indent=4))


def tables(settings: Settings) -> list[Table]:
    """Upgrade a plate, undo it, and go on from version to version."""
    if not settings.wants(TITLE):
        return []
    from ome_ngff import undo, upgrade

    wells, fields = WELLS.get(settings.size, WELLS["full"])

    def timed() -> Iterator[tuple[str, float]]:
        folder = Path(tempfile.mkdtemp())
        try:
            write_plate(folder / "plate.zarr", wells, fields)
            calls = {"0.4 to 0.5": "0.5", "undo": None, "0.4 to 0.6": "0.6", "0.6 to 0.5": "0.5"}
            for what, version in calls.items():
                begin = time.perf_counter()
                undo(folder / "plate.zarr") if version is None else upgrade(folder / "plate.zarr", version)
                yield what, time.perf_counter() - begin
        finally:
            shutil.rmtree(folder)

    found: dict[str, list[float]] = {}
    for _ in range(settings.rounds):
        for what, seconds in timed():
            found.setdefault(what, []).append(seconds)
    limit = wells * fields / RATE
    rows = [Row(f"{TITLE}: {w}", statistics.median(s), "s", at_most=(limit,)) for w, s in found.items()]
    return [Table.of(f"Upgrades in place, {wells * fields} images of {LEVELS} levels; at least {RATE} a second", rows)]


main = measuring(tables)
