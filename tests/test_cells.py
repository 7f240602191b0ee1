"""Changes of cells and folders: killed at any step they go on or back, and what was done is undone."""

from __future__ import annotations

import shutil
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
import zarr
from dying import Killed, killed_at
from zarr.storage import LocalStore, MemoryStore

from ome_ngff import IncompleteError, MissingError, StoreError, TakenOverError, open_image, undo
from ome_ngff.format import FormatV05
from ome_ngff.store.attributes import locked
from ome_ngff.store.cells import Cell, Cells
from ome_ngff.store.change import Change, begin_cells, carry_out, outlasting, read_record, take_back
from ome_ngff.store.claims import Claim
from ome_ngff.store.slots import MemorySlots
from ome_ngff.store.target import Target

BEFORE = {"0/c/0": b"old", "0/c/1": b"gone", "1/c/0": b"kept"}
AFTER = {"0/c/0": b"new", "0/c/2": b"came", "1/c/0": b"kept"}
KEYS = ["0/c/0", "0/c/1", "0/c/2", "0/c/3"]


def put(place: Any, key: str, content: bytes) -> None:
    if isinstance(place, Path):
        (place / key).parent.mkdir(parents=True, exist_ok=True)
        (place / key).write_bytes(content)
    else:
        place._store_dict[key] = zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(content)


def contents(place: Any) -> dict[str, bytes]:
    """Return all files but those of the journal."""
    if isinstance(place, Path):
        found = {str(p.relative_to(place)): b"" if p.is_dir() else p.read_bytes() for p in place.rglob("*")}
        found = {key: content for key, content in found.items() if content or key not in {"0", "0/c", "1", "1/c", "2"}}
    else:
        found = {key: buffer.to_bytes() for key, buffer in place._store_dict.items()}
    return {key: content for key, content in found.items() if not key.startswith((".ome_ngff", "zarr.json"))}


def document(place: Any) -> bytes:
    return (place / "zarr.json").read_bytes() if isinstance(place, Path) else place._store_dict["zarr.json"].to_bytes()


def target_of(place: Any) -> Target:
    return Target(LocalStore(place) if isinstance(place, Path) else place, "", FormatV05(), {})


def test_what_was_prepared_and_never_done_goes_with_the_next(tmp_path: Path) -> None:
    target = target_of(tmp_path)
    for _ in range(2):
        ready = begin_cells(target)
        put(tmp_path, ready.new("0/c/0"), b"new")
    assert [path.name for path in (tmp_path / ".ome_ngff").iterdir()] == [f"cells-{ready.name}"]
    there = {f"cells-{ready.name}", "cells-of-others", "undo.zip"}
    assert outlasting(there) == there - {"cells-of-others"}
    assert not outlasting(there - {"undo.zip"})


def change_of(place: Any) -> Change:
    """Prepare a change, as a writer does."""
    target, root = target_of(place), document(place)
    ready = begin_cells(target)
    for key in ("0/c/0", "0/c/2"):
        put(place, ready.new(key), AFTER[key])
    what = {"change": "update", "of": "a box"}
    marked = frozenset({"zarr.json"})
    old, new = {"zarr.json": root}, {"zarr.json": root.replace(b"before", b"after")}
    return Change(what, old, new, None, marked, ready.prepared(KEYS), ready.name)


def do(place: Any) -> None:
    target = target_of(place)
    with locked(target) as (_, claim):
        record = read_record(target, done=False)
        carry_out(target, change_of(place) if record is None else record.change, claim)


@pytest.fixture(params=["folder", "memory"])
def place(request: Any, tmp_path: Path) -> Any:
    found: Any = tmp_path / "image.zarr" if request.param == "folder" else MemoryStore({})
    zarr.create_group(found, attributes={"said": "before"})
    for key, content in BEFORE.items():
        put(found, key, content)
    return found


def test_cells_come_and_go_and_are_undone(place: Any) -> None:
    root = document(place)
    do(place)
    assert contents(place) == AFTER
    assert document(place) == root.replace(b"before", b"after")
    assert undo(place) == "the update of a box"
    assert contents(place) == BEFORE
    assert document(place) == root
    assert not isinstance(place, Path) or not any((place / ".ome_ngff").glob("cells-*"))
    with pytest.raises(MissingError, match="nothing to undo"):
        undo(place)


@pytest.mark.parametrize("way", ["on", "back"])
@pytest.mark.parametrize("dies", ["changing", "undoing"])
def test_killed_at_any_step_cells_go_on_or_back(
    place: Any, dies: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, root = 0, document(place)
    for step in range(100):
        copy: Any = tmp_path / f"{step}.zarr" if isinstance(place, Path) else MemoryStore(dict(place._store_dict))
        if isinstance(place, Path):
            shutil.copytree(place, copy)
        if dies == "undoing":
            do(copy)
        with killed_at(step, monkeypatch) as count, pytest.raises(Killed) if step < 99 else nullcontext():
            (do if dies == "changing" else undo)(copy)
            raise Killed
        if count[0] <= step:
            break
        record = read_record(target_of(copy), done=False)
        begun += record is not None
        if b"incomplete" in document(copy):
            assert record is not None
            with pytest.raises(IncompleteError, match=r"being changed \(the update of a box\)"):
                open_image(copy)
        if (dies == "undoing" and read_record(target_of(copy))) or (way == "back" and record is not None):
            undo(copy)
        elif dies == "changing" and way == "on":
            do(copy)
        after = dies == "changing" and (way == "on" or (record is None and contents(copy) == AFTER))
        assert contents(copy) == (AFTER if after else BEFORE), step
        assert document(copy) == (root.replace(b"before", b"after") if after else root), step
    assert begun > 5


def test_folders_are_replaced_and_come_back(tmp_path: Path) -> None:
    image = tmp_path / "image.zarr"
    zarr.create_group(image, attributes={"said": "before"})
    for key, content in {"0/c": b"old", "1/c": b"gone"}.items():
        put(image, key, content)
    target, root = target_of(image), document(image)
    with locked(target) as (_, claim):
        ready = begin_cells(target)
        put(image, ready.new("0/d"), b"new")
        put(image, ready.new("2/c"), b"came")
        same = {"zarr.json": root}
        found = ready.prepared(["0", "1", "2"])
        carry_out(target, Change({"change": "edit"}, same, same, None, None, found, ready.name), claim)
    assert contents(image) == {"0/d": b"new", "2/c": b"came"}
    undo(image)
    assert contents(image) == {"0/c": b"old", "1/c": b"gone"}


def test_what_was_changed_since_is_not_undone(place: Any) -> None:
    do(place)
    put(place, "0/c/0", b"newer")
    with pytest.raises(StoreError, match=r"was changed after the update of a box .at 0/c/0."):
        undo(place)
    assert contents(place)["0/c/0"] == b"newer"


def test_the_cells_of_the_last_change_alone_are_kept(place: Any) -> None:
    do(place)
    do(place)
    names = [str(p.relative_to(place)) for p in place.rglob("*")] if isinstance(place, Path) else place._store_dict
    assert len({name.split("/")[1].partition("-")[2][:32] for name in names if "/cells-" in name}) == 1


def test_an_interrupted_change_that_is_undone_leaves_the_one_before(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(place)
    for step in range(100):
        with killed_at(step, monkeypatch), suppress(Killed):
            do(place)
        if read_record(target_of(place), done=False) is not None:
            break
    undo(place)
    assert contents(place) == AFTER
    undo(place)
    assert contents(place) == BEFORE


@pytest.mark.parametrize("part", ["old", "new", "kept", "cells"])
def test_no_part_of_a_record_leads_out_of_its_group(part: str) -> None:
    made = Change({"change": "edit"}, {"zarr.json": b"{}"}, {"zarr.json": b"{ }"}, frozenset(), name="0" * 32)

    def record(key: str) -> bytes:
        named: Any = {"old": {key: b""}, "new": {key: b""}, "kept": frozenset({key}), "cells": {key: Cell(False, None)}}
        return attrs.evolve(made, **{part: named[part]}).to_bytes()

    assert Change.from_bytes(record("a"), "record")
    with pytest.raises(StoreError, match="not a record"):
        Change.from_bytes(record("../a"), "record")


def test_cells_behind_a_link_are_not_moved(tmp_path: Path) -> None:
    image, elsewhere = tmp_path / "image.zarr", tmp_path / "elsewhere"
    zarr.create_group(image, attributes={"said": "before"})
    for key, content in BEFORE.items():
        put(image, key, content)
    do(image)
    (image / "0").rename(elsewhere)
    (image / "0").symlink_to(elsewhere, target_is_directory=True)
    before = contents(elsewhere)
    with pytest.raises(StoreError, match="behind a link"):
        undo(image)
    assert contents(elsewhere) == before


def test_who_was_taken_over_moves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "image.zarr"
    zarr.create_group(image, attributes={"said": "before"})
    for key, content in BEFORE.items():
        put(image, key, content)
    real = Cells.swap

    def asleep(own: Cells, key: str, cell: Any) -> None:
        if key == "0/c/1":  # and meanwhile another process undoes it all
            monkeypatch.setattr(Cells, "swap", real)
            record = read_record(target_of(image))
            assert record is not None
            take_back(target_of(image), record, Claim(MemorySlots("other"), "other", 9.0, held=True))
        real(own, key, cell)

    monkeypatch.setattr(Cells, "swap", asleep)
    with pytest.raises(TakenOverError):
        do(image)
    assert contents(image) == BEFORE
