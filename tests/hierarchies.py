"""What the tests of validation share: hierarchies as files, and the rules that a report is about."""

from __future__ import annotations

import functools
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from examples.hierarchies import build, sample
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from ome_ngff import Report
from ome_ngff.format import Format

PIXELS = (np.arange(2 * 9 * 40 * 70) % 65521).astype("uint16").reshape(2, 9, 40, 70)
KNOWN: dict[str, Any] = {
    "axes": "czyx",
    "scale": {"z": 1.0, "y": 0.3, "x": 0.3},
    "axes_units": dict.fromkeys("zyx", "micrometer"),
    "chunks": 32,
}
OF_LABELS: dict[str, Any] = {
    **KNOWN,
    "axes": "zyx",
    "label_metadata": {"colors": [{"label-value": 1, "rgba": [255, 0, 0, 255]}]},
}


def broken(report: Report, *severities: str) -> set[str]:
    """Return the ids of the rules that the findings are about."""
    return {f.rule for f in report.findings if f.severity in (severities or ("error", "warning", "note"))}


def put_file(store: MemoryStore, key: str, content: bytes) -> None:
    store._store_dict[key] = default_buffer_prototype().buffer.from_bytes(content)


def copy_to(store: MemoryStore, place: str) -> None:
    """Write all keys of a store into a folder, a zip file or an object store."""
    files = {key: buffer.to_bytes() for key, buffer in store._store_dict.items()}
    if place.endswith(".ozx"):
        with zipfile.ZipFile(place, "w") as archive:
            for key, content in files.items():
                archive.writestr(key, content)
    elif "://" in place:
        import fsspec

        fsspec.filesystem("memory").pipe({f"/{place.partition('://')[2]}/{key}": c for key, c in files.items()})
    else:
        for key, content in files.items():
            (Path(place) / key).parent.mkdir(parents=True, exist_ok=True)
            (Path(place) / key).write_bytes(content)


@functools.cache
def files(kind: str, fmt: Format) -> dict[str, bytes]:
    return {key: b.to_bytes() for key, b in build(sample(kind, fmt), fmt)._store_dict.items()}


def with_file(kind: str, fmt: Format, key: str, content: bytes) -> MemoryStore:
    buffer = default_buffer_prototype().buffer
    whole = {**files(kind, fmt), key: content}
    return MemoryStore({name: buffer.from_bytes(part) for name, part in whole.items()})
