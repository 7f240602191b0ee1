"""What version 0.1.0 left unfinished is finished by later versions, and is what 0.1.0 would have made."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import zarr
from helpers import InUnits, attributes, document
from unfinished import CACHE, CASES, DATA, PLACE, SMALL, Case

DOCUMENTS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
NAMED = [pytest.param(name, id=name) for name in CASES]
MARKED = [pytest.param(name, id=name) for name, case in CASES.items() if case.cut is not None]
CONDITIONS = [
    *(pytest.param(name, None, True, id=f"{name}, as before") for name in CASES),
    *(pytest.param(name, {}, True, id=f"{name}, of other settings") for name in CASES),
    *(
        pytest.param(name, None, False, id=f"{name}, without its temporary array")
        for name in CASES
        if name.startswith("spool")
    ),
]


def unpacked(name: str, folder: Path) -> Path:
    """Unpack a store of those that 0.1.0 made."""
    folder.mkdir(parents=True)
    with zipfile.ZipFile(DATA / f"{name}.zip") as archive:
        archive.extractall(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file of the store in a folder, by its path."""
    place = folder / PLACE
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def arrays(folder: Path) -> dict[str, zarr.Array[Any]]:
    """Open every array of the store in a folder, by its path."""
    members = zarr.open_group(folder / PLACE, mode="r").members(max_depth=None)
    return {name: member for name, member in members if isinstance(member, zarr.Array)}


def stated(content: bytes) -> tuple[Any, Any]:
    """Read a document: what it says but for the rendering, and the channels of that; 0.1.0 named no planes."""
    document = json.loads(content)
    attributes = document.get("attributes", document)
    omero = attributes.get("ome", attributes).pop("omero", {})
    return document, omero.get("channels")


def agree(found: Path, expected: Path) -> None:
    """Compare with the store that 0.1.0 made: names of files, documents, pixels."""
    here, there = contents(found), contents(expected)
    assert set(here) == set(there)
    for name, content in there.items():
        if Path(name).name in DOCUMENTS and here[name] != content:
            (document, channels), (older, shown) = stated(here[name]), stated(content)
            assert document == older, name
            assert channels == shown, name
    pixels = arrays(found)
    for name, array in arrays(expected).items():
        np.testing.assert_array_equal(pixels[name][...], array[...], err_msg=name)


def agree_in_chunks(found: Path, whole: Path, before: Path, expected: Path) -> None:
    """Compare bytes of chunks with a write of today; what lay there before may have been compressed by older codecs."""
    here, fresh, kept, there = map(contents, (found, whole, before, expected))
    for name in [name for name in here if Path(name).name not in DOCUMENTS]:
        assert here[name] in ([fresh[name], there[name]] if name in kept else [fresh[name]]), name


@pytest.fixture(scope="module")
def whole_write(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Path]:
    """Return folders of undisturbed writes of today, which cases share as they share what 0.1.0 made."""
    made: dict[str, Path] = {}

    def give(case: Case) -> Path:
        if case.expected not in made:
            made[case.expected] = tmp_path_factory.mktemp(case.expected)
            case.write_whole(made[case.expected])
        return made[case.expected]

    return give


@pytest.mark.parametrize(("name", "settings", "cached"), CONDITIONS)
def test_an_unfinished_write_of_an_older_version_becomes_what_that_made(
    tmp_path: Path, whole_write: Callable[[Case], Path], name: str, settings: Any, cached: bool
) -> None:
    case = CASES[name]
    found, before = unpacked(f"{name}.unfinished", tmp_path / "found"), unpacked(f"{name}.unfinished", tmp_path / "b")
    expected = unpacked(f"{case.expected}.expected", tmp_path / "expected")
    if not cached:
        shutil.rmtree(found / CACHE, ignore_errors=True)
    case.finish(found, case.settings if settings is None else settings)
    agree(found, expected)
    agree_in_chunks(found, whole_write(case), before, expected)
    assert not list(found.rglob(".ome_ngff"))
    assert "ome_ngff" not in attributes(found / case.group)
    assert not list(found.glob(f"{CACHE}/*"))


@pytest.mark.parametrize("name", [*CASES])
def test_an_unfinished_write_of_an_older_version_is_finished_in_smaller_tasks(tmp_path: Path, name: str) -> None:
    found = unpacked(f"{name}.unfinished", tmp_path / "found")
    CASES[name].finish(found, {**SMALL, "task_target": 1})
    agree(found, unpacked(f"{CASES[name].expected}.expected", tmp_path / "expected"))


@pytest.mark.parametrize("name", [param for param in MARKED if param.id != "command-line"])
def test_units_that_an_older_version_noted_are_not_done_again(tmp_path: Path, name: str) -> None:
    found, seen = unpacked(f"{name}.unfinished", tmp_path / "found"), []
    case = attrs.evolve(
        CASES[name], words={**CASES[name].words, "progress": InUnits(lambda *state: seen.append(state))}
    )
    case.finish(found, {})
    assert seen[0][0] == max(0, len(case.noted) - 1)  # one says that the place is cleared


@pytest.mark.parametrize("name", MARKED)
def test_the_mark_of_an_older_version_says_what_it_says(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    found = unpacked(f"{name}.unfinished", tmp_path / "found")
    expected = unpacked(f"{case.expected}.expected", tmp_path / "expected")
    image = document(expected / case.group)["multiscales"][0]
    paths = [dataset["path"] for dataset in image["datasets"]]
    there = [zarr.open_array(expected / case.group / path, mode="r") for path in paths]
    mark = attributes(found / case.group)["ome_ngff"]["incomplete"]
    metadata = mark.pop("metadata")
    assert len(mark.pop("write")) == 32
    assert mark == {
        "shape": list(there[0].shape),
        "dtype": str(there[0].dtype),
        "levels": [list(array.shape) for array in there],
        "paths": paths,
        "chunks": [list(array.chunks) for array in there],
        "shards": [list(array.shards) if array.shards else None for array in there],
        "compression": [case.compression] * len(there),
        "method": image["type"],
        "cut": case.cut,
        "replaces": case.replaces,
        "parts": {},
    }
    assert metadata.get("ome", metadata)["multiscales"] == [image]
    assert "multiscales" not in document(found / case.group)


@pytest.mark.parametrize("name", NAMED)
def test_the_journal_of_an_older_version_names_what_was_done(tmp_path: Path, name: str) -> None:
    found = unpacked(f"{name}.unfinished", tmp_path / "found") / CASES[name].group
    keys = {path.name for path in (found / ".ome_ngff").glob("*") if path.is_file()}
    assert keys - set(DOCUMENTS) == set(CASES[name].noted)


def test_an_older_version_registered_labels_after_their_metadata(tmp_path: Path) -> None:
    found, expected = (
        unpacked(f"labels{state}", tmp_path / state) for state in ("-unregistered.unfinished", ".expected")
    )
    assert document(found / PLACE / "labels" / "nuclei") == document(expected / PLACE / "labels" / "nuclei")
    assert "labels" not in document(found / PLACE / "labels")
    assert document(expected / PLACE / "labels")["labels"] == ["nuclei"]


def test_an_older_command_line_measured_contrast_after_the_metadata(tmp_path: Path) -> None:
    marked, unmarked = (f"command-line{state}.unfinished" for state in ("", "-unmeasured"))
    mark = attributes(unpacked(marked, tmp_path / "a") / PLACE)["ome_ngff"]["incomplete"]
    there = document(unpacked(unmarked, tmp_path / "b") / PLACE)
    expected = document(unpacked("command-line.expected", tmp_path / "c") / PLACE)
    assert mark["metadata"]["ome"] == there
    assert {**there, "omero": expected["omero"]} == expected


def test_the_automatic_ladder_of_the_older_version_halved_x_alone(tmp_path: Path) -> None:
    for name in ("resize", "command-line"):
        image = document(unpacked(f"{name}.expected", tmp_path / name) / PLACE)["multiscales"][0]
        sizes = [dataset["coordinateTransformations"][0]["scale"][-2:] for dataset in image["datasets"]]
        np.testing.assert_allclose(np.divide(sizes, sizes[0]), [[1, 1], [2, 2], [4, 4], [4, 8]])


@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda place: (place / "0" / "extra").write_bytes(b""), id="a file more"),
        pytest.param(lambda place: (place / "0" / "c" / "0" / "0").unlink(), id="a file less"),
        pytest.param(lambda place: (place / "1" / "zarr.json").write_text("{}"), id="a document"),
        pytest.param(lambda place: zarr.open_array(place / "3", mode="r+").__setitem__((9, 12), 1), id="a pixel"),
    ],
)
def test_the_comparison_sees_every_difference(tmp_path: Path, alter: Callable[[Path], Any]) -> None:
    found, expected = (unpacked("resize.expected", tmp_path / name) for name in ("found", "expected"))
    agree(found, expected)
    alter(expected / PLACE)
    with pytest.raises(AssertionError):
        agree(found, expected)
