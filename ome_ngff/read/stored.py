"""What stands in a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def level_paths(document: Mapping[str, Any]) -> list[str]:
    """Give the paths of all levels that a document names."""
    found = []
    multiscales = document.get("multiscales")
    for multiscale in multiscales if isinstance(multiscales, list) else []:
        datasets = multiscale.get("datasets") if isinstance(multiscale, Mapping) else None
        for dataset in datasets if isinstance(datasets, list) else []:
            if isinstance(dataset, Mapping) and isinstance(dataset.get("path"), str):
                found.append(dataset["path"].strip("/"))
    return [path for path in found if path and ".." not in path.split("/")]
