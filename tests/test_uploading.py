"""Finished hierarchies that are copied as they are, each object once: by one process, and by several together."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from helpers import every_file
from zarr.storage import LocalStore, MemoryStore

from ome_ngff import (
    ExistsError,
    StoreError,
    config,
    open_image,
    write_image,
    write_labels,
    write_plate_metadata,
    write_well_metadata,
)
from ome_ngff.cli import main
from ome_ngff.engine import sharing
from ome_ngff.read import describe_store
from ome_ngff.store import Entry, Target, claims, find_target, journal, list_objects, objects
from ome_ngff.write import upload, upload_together, uploading, uploading_together

PIXELS = np.random.default_rng(0).integers(0, 4000, (16, 32, 32)).astype("uint16")


def image(place: Path, version: str, more: int = 0) -> Path:
    write_image(PIXELS + more, place, axes="zyx", scale_factors=[2, 4], method="nearest", fmt=version, chunks=8)
    write_labels(PIXELS % 7, place, "sevens", chunks=16)
    return place


def plate(place: Path, version: str) -> Path:
    write_plate_metadata(place, ["A"], [1, 2], ["A/1", "A/2"], fmt=version)
    for well in ("A/1", "A/2"):
        write_well_metadata(place / well, ["0"], fmt=version)
        write_image(PIXELS[0], place / well / "0", axes="yx", scale_factors=[2], chunks=8, fmt=version)
    return place


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Cut into units of ten objects, and count what is sent."""
    found: Counter[str] = Counter()
    carry = uploading_together.carry_objects

    def counted(source: Any, target: Any, sizes: Mapping[str, int], *words: Any) -> None:
        carry(source, target, sizes, *words)
        found.update(sizes.keys())

    monkeypatch.setattr(uploading_together, "carry_objects", counted)
    monkeypatch.setattr(uploading_together, "_OBJECTS", 10)
    return found


def interrupted(*words: Any) -> None:
    raise KeyboardInterrupt


def shown(place: Path) -> str:
    return CliRunner().invoke(main, ["info", str(place)]).output


@contextmanager
def stopping(after: int) -> Iterator[None]:
    """Expect the process to be interrupted when it has sent some units, and begins another."""
    carry, units = uploading_together.carry_objects, itertools.count()

    def for_a_while(*words: Any) -> None:
        if next(units) >= after:
            raise KeyboardInterrupt
        carry(*words)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uploading_together, "carry_objects", for_a_while)
        with pytest.raises(KeyboardInterrupt):
            yield


@pytest.mark.parametrize(("make", "version"), [(image, "0.4"), (plate, "0.5")])
def test_each_object_is_sent_by_one_of_those_who_upload(
    tmp_path: Path, sent: Counter[str], make: Any, version: str
) -> None:
    source = find_target(make(tmp_path / "a", version))
    raised: list[BaseException] = []

    def one() -> None:
        try:
            upload_together(source, tmp_path / "b")
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []
    assert every_file(tmp_path / "b") == every_file(tmp_path / "a")
    assert set(sent.values()) == {1}
    assert sent.keys() == {path for path, what in every_file(tmp_path / "a").items() if what != "folder"}
    before = sent.total()
    upload_together(source, tmp_path / "b")
    assert sent.total() == before


def test_files_that_zarr_is_writing_are_not_part_of_it(tmp_path: Path, sent: Counter[str]) -> None:
    half, keep = f".zattrs.{7:032x}.partial", "note.partial"
    source = image(tmp_path / "a", "0.4")
    for folder, name in ((source, half), (source, keep), (tmp_path / "b", half)):
        folder.mkdir(exist_ok=True)
        (folder / name).touch()
    upload_together(find_target(source), tmp_path / "b")
    assert keep in sent
    assert half not in sent
    assert open_image(tmp_path / "b").read().data.shape == PIXELS.shape


def test_what_was_sent_is_not_sent_again_after_a_stop(tmp_path: Path, sent: Counter[str]) -> None:
    source = find_target(image(tmp_path / "a", "0.5"))
    size = sum(file.stat().st_size for file in (tmp_path / "a").rglob("*") if file.is_file())
    with stopping(after=3):
        upload_together(source, tmp_path / "b")
    info = describe_store(tmp_path / "b")
    assert (info.kind, info.complete, info.images[0].joint) == ("upload", False, True)
    units, of = info.images[0].progress or (0, 0)
    assert units == 3
    assert f"3 of {of} units done): finish it with --join in any number" in shown(tmp_path / "b")
    assert 20 < sent.total() <= 30
    seen: list[tuple[int, int]] = []
    upload_together(source, tmp_path / "b", progress=lambda *state: seen.append(state))
    assert 0 < seen[0][0] < size
    assert seen[-1] == (size, size)
    assert set(sent.values()) == {1}
    assert every_file(tmp_path / "b") == every_file(tmp_path / "a")


def test_units_of_who_has_died_are_taken_over(
    tmp_path: Path, sent: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claims that nobody renews or releases are what a process leaves that is killed."""
    source = find_target(image(tmp_path / "a", "0.5"))
    with config.set(claim_patience=0.4):
        with monkeypatch.context() as patch:
            release = claims.Claim.release
            patch.setattr(claims.Claim, "release", lambda claim: "lock" in claim.name and release(claim))
            patch.setattr(claims._BEAT, "add", lambda claim: None)
            with stopping(after=0):
                upload_together(source, LocalStore(tmp_path / "b"))
        assert [*(tmp_path / "b" / ".ome_ngff").glob("held-*/claims/*")]
        upload_together(source, LocalStore(tmp_path / "b"))
    assert set(sent.values()) == {1}
    assert every_file(tmp_path / "b") == every_file(tmp_path / "a")


def test_one_alone_goes_on_with_what_many_have_begun(tmp_path: Path, sent: Counter[str]) -> None:
    source = find_target(image(tmp_path / "a", "0.5"))
    with stopping(after=1):
        upload_together(source, tmp_path / "b")
    with pytest.raises(StoreError, match="join=True in any number of processes, or resume=True in one"):
        upload(source, tmp_path / "b")
    upload(source, tmp_path / "b", resume=True)
    assert every_file(tmp_path / "b") == every_file(tmp_path / "a")


def test_what_others_end_meanwhile_stays_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = find_target(image(tmp_path / "a", "0.5"))
    with stopping(after=1):
        upload_together(source, tmp_path / "b")

    def meanwhile(target: Target) -> dict[str, Entry]:
        if target is not source:
            monkeypatch.setattr(uploading, "list_objects", list_objects)
            upload_together(source, tmp_path / "b")
        return list_objects(target)

    monkeypatch.setattr(uploading, "list_objects", meanwhile)
    monkeypatch.setattr(uploading, "carry_objects", interrupted)
    with pytest.raises(KeyboardInterrupt):
        upload(source, tmp_path / "b", resume=True)
    assert every_file(tmp_path / "b") == every_file(tmp_path / "a")


def test_only_the_same_hierarchy_is_joined(tmp_path: Path) -> None:
    source, other = find_target(image(tmp_path / "a", "0.5")), find_target(image(tmp_path / "c", "0.5", 1))
    with stopping(after=1):
        upload_together(source, tmp_path / "b")
    with pytest.raises(StoreError, match="an upload of something else"):
        upload_together(other, tmp_path / "b")
    upload_together(source, tmp_path / "b")
    with pytest.raises(ExistsError, match="something else"):
        upload_together(other, tmp_path / "b")
    np.testing.assert_array_equal(open_image(tmp_path / "b").images[0].data.compute(), PIXELS)


def test_chunks_that_have_changed_are_no_longer_the_same_upload(tmp_path: Path) -> None:
    source = find_target(image(tmp_path / "a", "0.5"))
    with stopping(after=1):
        upload_together(source, tmp_path / "b")
    chunk = tmp_path / "a" / "0" / "c" / "0" / "0" / "0"
    chunk.write_bytes(bytes(chunk.stat().st_size))
    for go_on in (upload_together, partial(upload, resume=True)):
        with pytest.raises(StoreError, match="another state of it"):
            go_on(source, tmp_path / "b")


def test_who_comes_late_finds_the_upload_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has seen the mark, and all others end before it begins."""
    source, learn = find_target(image(tmp_path / "a", "0.5")), sharing._Share.learn
    late: list[bool] = []

    def asleep(share: Any, *words: Any, **how: Any) -> bool:
        if not late:
            late.append(True)
            upload_together(source, tmp_path / "b")
        return learn(share, *words, **how)

    monkeypatch.setattr(sharing._Share, "learn", asleep)
    upload_together(source, tmp_path / "b")
    assert every_file(tmp_path / "b") == every_file(tmp_path / "a")
    assert not (tmp_path / "b" / journal.JOURNAL).exists()


class Noting(MemoryStore):
    """Note what is stored, in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[str] = []

    async def set(self, key: str, value: Any, byte_range: Any = None) -> None:
        await super().set(key, value, byte_range)
        self.came.append(key)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_group_states_what_it_is_once_all_below_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(objects, "_AT_ONCE", 1)
    source, store = plate(tmp_path / "a", version), Noting()
    write_labels(PIXELS[0] % 7, source / "A" / "1" / "0", "sevens")
    upload(find_target(source), store)
    mark, *came = store.came
    last = ".zattrs" if version == "0.4" else "zarr.json"
    assert (mark, came[-1]) == (".zgroup" if version == "0.4" else last, last)
    for i, key in enumerate(came):
        group, _, name = key.rpartition("/")
        if name == last:
            assert not [late for late in came[i + 1 :] if late.startswith(f"{group}/")], key


def _foreign_files(place: Path) -> None:
    place.mkdir()
    (place / "notes.txt").write_text("mine")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(_foreign_files, "holds something else than an image", id="files"),
        pytest.param(
            lambda place: zarr.create_group(place, attributes={"mine": 1}), "holds something else", id="group"
        ),
        pytest.param(lambda place: plate(place, "0.5"), "holds something else than an image", id="plate"),
        pytest.param(lambda place: image(place, "0.5"), None, id="image"),
    ],
)
def test_only_an_image_is_replaced_where_that_is_allowed(tmp_path: Path, make: Any, why: str | None) -> None:
    source = find_target(image(tmp_path / "a", "0.5"))
    make(tmp_path / "b")
    before = every_file(tmp_path / "b")
    with pytest.raises(ExistsError, match="There is something at"):
        upload(source, tmp_path / "b")
    if why is not None:
        with pytest.raises(ExistsError, match=why):
            upload(source, tmp_path / "b", overwrite=True)
        assert every_file(tmp_path / "b") == before


def test_of_an_image_that_is_replaced_nothing_stays(tmp_path: Path) -> None:
    source = find_target(image(tmp_path / "a", "0.5"))
    write_image(PIXELS, tmp_path / "b", axes="zyx", scale_factors=[2, 4, 8], chunks=4)
    write_labels(PIXELS % 3, tmp_path / "b", "threes")
    (tmp_path / "b" / "notes.txt").write_text("mine")
    upload(source, tmp_path / "b", overwrite=True)
    (tmp_path / "b" / "notes.txt").unlink()
    assert every_file(tmp_path / "b") == every_file(tmp_path / "a")


def test_one_alone_sends_again_only_what_did_not_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a store lists digests, as those of objects do."""

    def tagged(target: Target) -> dict[str, Entry]:
        found = list_objects(target)
        read = {path: (tmp_path / "b" / path).read_bytes() for path in found}
        return {path: Entry(len(content), hashlib.md5(content).hexdigest()) for path, content in read.items()}

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    source, stored = find_target(image(tmp_path / "a", "0.5")), Counter[str]()
    put = LocalStore.set

    async def counted(store: LocalStore, key: str, value: Any) -> None:
        stored[key] += 1
        await put(store, key, value)

    monkeypatch.setattr(objects, "_AT_ONCE", 2)
    monkeypatch.setattr(objects, "_MOMENT", 0.001)
    monkeypatch.setattr(LocalStore, "set", counted)
    with pytest.raises(KeyboardInterrupt):
        upload(source, tmp_path / "b", progress=stop)
    assert 20 < len(stored) < len(list_objects(source))
    monkeypatch.setattr(
        uploading, "list_objects", lambda target: list_objects(target) if target is source else tagged(target)
    )
    upload(source, tmp_path / "b", resume=True)
    assert {path for path, times in stored.items() if times > 1} <= {"zarr.json"}
    assert every_file(tmp_path / "b") == every_file(tmp_path / "a")


def test_what_was_copied_as_it_is_is_not_read_to_verify_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each object has been, when it arrived; nor is a plate an image that could be compared."""
    monkeypatch.setattr("ome_ngff.inputs.drafting.is_elsewhere", lambda output: True)
    words = [str(plate(tmp_path / "a", "0.5")), str(tmp_path / "b")]
    result = CliRunner().invoke(main, ["write", *words, "--verify"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert every_file(tmp_path / "b") == every_file(tmp_path / "a")


def test_what_is_cut_short_is_not_the_same_upload(tmp_path: Path) -> None:
    source = find_target(image(tmp_path / "a", "0.5"))
    upload_together(source, tmp_path / "b")
    chunk = tmp_path / "b" / "0" / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(ExistsError, match="something else"):
        upload_together(source, tmp_path / "b")


def test_documents_wait_until_all_chunks_have_been_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carry, hasty = uploading_together.carry_objects, threading.Event()

    def slow(source: Target, target: Target, sizes: Mapping[str, int], *words: Any) -> None:
        if any(path.endswith("zarr.json") for path in sizes):
            hasty.set()
        elif "labels/sevens/1/c/0/0/0" in sizes:  # of the last unit
            assert not hasty.wait(0.2)
        carry(source, target, sizes, *words)

    monkeypatch.setattr(uploading_together, "carry_objects", slow)
    upload_together(find_target(image(tmp_path / "a", "0.5")), tmp_path / "b")
    assert hasty.is_set()


def test_units_are_bounded_by_bytes_unless_of_one_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carry, units = uploading_together.carry_objects, list[Mapping[str, int]]()

    def noted(source: Target, target: Target, sizes: Mapping[str, int], *words: Any) -> None:
        units.append(sizes)
        carry(source, target, sizes, *words)

    monkeypatch.setattr(uploading_together, "carry_objects", noted)
    monkeypatch.setattr(uploading_together, "_BYTES", 2500)
    upload_together(find_target(image(tmp_path / "a", "0.5")), tmp_path / "b")
    *units, _ = units  # what ends it
    assert max(len(sizes) for sizes in units) > 1
    assert all(sum(sizes.values()) <= 2500 for sizes in units if len(sizes) > 1)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_group_that_somebody_is_just_creating_is_uploaded_to(tmp_path: Path, version: str) -> None:
    source = find_target(image(tmp_path / "a", version))
    zarr.create_group(tmp_path / "b", zarr_format=2 if version == "0.4" else 3)
    upload_together(source, tmp_path / "b")
    assert every_file(tmp_path / "b") == every_file(tmp_path / "a")


def test_the_next_one_tidies_up_after_an_end_that_was_cut_short(tmp_path: Path) -> None:
    source = find_target(image(tmp_path / "a", "0.5"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uploading_together, "delete", interrupted)
        with pytest.raises(KeyboardInterrupt):
            upload_together(source, tmp_path / "b")
    assert open_image(tmp_path / "b").read().data.shape == PIXELS.shape
    assert (tmp_path / "b" / journal.JOURNAL).exists()
    upload_together(source, tmp_path / "b")
    assert every_file(tmp_path / "b") == every_file(tmp_path / "a")


def test_many_go_on_with_what_one_alone_has_begun(tmp_path: Path) -> None:
    source = find_target(image(tmp_path / "a", "0.5"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uploading, "carry_objects", interrupted)
        with pytest.raises(KeyboardInterrupt):
            upload(source, tmp_path / "b")
    upload_together(source, tmp_path / "b")
    assert every_file(tmp_path / "b") == every_file(tmp_path / "a")
