"""Processes that copy one finished hierarchy together, each object once."""

from __future__ import annotations

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
from click.testing import CliRunner
from helpers import every_file
from zarr.storage import LocalStore

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
from ome_ngff.store import claims, find_target, journal
from ome_ngff.write import upload, upload_together, uploading_together

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


def shown(place: Path) -> str:
    return CliRunner().invoke(main, ["info", str(place)]).output


@contextmanager
def stopping(after: int) -> Iterator[None]:
    """Expect the process to be interrupted when it has sent some units, and begins another."""
    carry, units = uploading_together.carry_objects, itertools.count()

    def interrupted(*words: Any) -> None:
        if next(units) >= after:
            raise KeyboardInterrupt
        carry(*words)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uploading_together, "carry_objects", interrupted)
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
