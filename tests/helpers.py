"""What several test modules share: looking at stores from outside."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore
import zarr


def every_file(folder: Path) -> dict[str, str]:
    """Give the hash of every file below a folder, by its path; folders count too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(Path(folder).rglob("*"))
    }


def attributes(path: Any) -> dict[str, Any]:
    """Read the attributes of a group."""
    return dict(zarr.open_group(path, mode="r").attrs)


def document(path: Any) -> dict[str, Any]:
    """Read the OME metadata of a group of either version."""
    found = attributes(path)
    return found.get("ome", found)


def datasets(path: Any) -> list[dict[str, Any]]:
    """Read the datasets of an image."""
    return document(path)["multiscales"][0]["datasets"]


def pixels(path: Any) -> list[np.ndarray[Any, Any]]:
    """Read all levels with Zarr."""
    return [zarr.open_array(Path(path) / d["path"], mode="r")[...] for d in datasets(path)]


def pixels_by_tensorstore(path: Any) -> list[np.ndarray[Any, Any]]:
    """Read all levels with TensorStore."""
    driver = "zarr3" if (Path(path) / "zarr.json").exists() else "zarr"
    found = []
    for dataset in datasets(path):
        spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(Path(path) / dataset["path"])}}
        found.append(tensorstore.open(spec, read=True).result().read().result())
    return found


def scale_of(dataset: dict[str, Any]) -> list[float]:
    return next(t["scale"] for t in dataset["coordinateTransformations"] if t["type"] == "scale")


def translation_of(dataset: dict[str, Any]) -> list[float]:
    return next(t["translation"] for t in dataset["coordinateTransformations"] if t["type"] == "translation")
