"""What several test modules share: looking at stores from outside, and work in a process that is forked."""

from __future__ import annotations

import hashlib
import multiprocessing
import re
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
import tensorstore
import zarr

from ome_ngff import create_plate, write_field
from ome_ngff.format import FormatV06


def migrating(heading: str, column: int) -> list[str]:
    """Return the code in one column of the tables below a heading of the page on migrating."""
    page = (Path(__file__).parent.parent / "docs" / "migrating.md").read_text(encoding="utf-8")
    below = page.partition(f"\n{heading}\n")[2]
    text = re.split(rf"^#{{1,{len(heading.split()[0])}}} ", below, flags=re.MULTILINE)[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return list(dict.fromkeys(code for row in rows for code in re.findall("`([^`]+)`", row[column])))


def every_file(folder: Path) -> dict[str, str]:
    """Return the hash of every file below a folder, by its path; folders count too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(Path(folder).rglob("*"))
    }


def filled_plate(place: Path, layout: Any, fields: Mapping[Any, Any], plate: Mapping[str, Any], **words: Any) -> Path:
    """Write a plate with the pixels of each field, by its well, number and acquisition; `plate` says what it is."""
    create_plate(place, *layout, **plate)
    for (well, number, acquisition), given in fields.items():
        write_field(given, place, well, number, acquisition, **words)
    return place


def attributes(path: Any) -> dict[str, Any]:
    """Read the attributes of a group."""
    return dict(zarr.open_group(path, mode="r").attrs)


def document(path: Any) -> dict[str, Any]:
    """Read the OME metadata of a group of any version; images of 0.6 with axes and steps as 0.5 has them."""
    found = attributes(path)
    found = found.get("ome", found)
    if found.get("version") == "0.6" and "multiscales" in found:
        return {**found, "multiscales": [FormatV06().flat(image) for image in found["multiscales"]]}
    return found


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


def in_child(work: Callable[[], Any], seconds: float = 60) -> Any:
    """Return what a function returns in a process that is forked from this one; one that hangs is killed."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def run() -> None:
        try:
            theirs.send((True, work()))
        except BaseException:
            theirs.send((False, traceback.format_exc()))

    child = context.Process(target=run, daemon=False)
    child.start()
    theirs.close()
    try:
        done, found = ours.recv() if ours.poll(seconds) else (False, f"The child hangs after {seconds} seconds.")
    finally:
        child.kill()
        child.join()
    assert done, found
    return found


def scale_of(dataset: dict[str, Any]) -> list[float]:
    return next(t["scale"] for t in dataset["coordinateTransformations"] if t["type"] == "scale")


def translation_of(dataset: dict[str, Any]) -> list[float]:
    return next(t["translation"] for t in dataset["coordinateTransformations"] if t["type"] == "translation")


class InUnits:
    """Turn a progress in bytes into one that is called once for each unit that is done; see `conftest.count_units`."""

    of: ClassVar[WeakKeyDictionary[Any, InUnits]] = WeakKeyDictionary()  # by the holder of the write

    def __init__(self, report: Callable[[int, int], Any]) -> None:
        self.report = report
        self.done, self.total, self.told, self.by_calls = 0, 0, -1, False

    def begin(self, holder: Any, done: int, total: int, *, by_calls: bool) -> None:
        self.done, self.total, self.told, self.by_calls = done, total, -1, by_calls
        InUnits.of[holder] = self

    def __call__(self, done: int, total: int) -> None:
        self.done += self.by_calls and self.told >= 0
        reached = self.total if done == total else self.done
        for number in range(max(self.told + 1, 0), reached + 1) if self.told >= 0 else [reached]:
            self.told = number
            self.report(number, self.total)
