"""Finished hierarchies, copied to S3 as they are."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from conftest import Server

from ome_ngff import (
    ExistsError,
    IncompleteError,
    StoreError,
    config,
    convert,
    open_image,
    validate,
    write_image,
    write_labels,
    write_plate_metadata,
    write_well_metadata,
)
from ome_ngff.cli import main

PIXELS = np.random.default_rng(0).integers(0, 4000, (20, 60, 70)).astype("uint16")


def image(place: Path, version: str) -> Path:
    write_image(PIXELS, place, axes="zyx", scale_factors=[2, 4], method="nearest", fmt=version, chunks=16)
    write_labels(PIXELS % 7, place, "sevens", chunks=16)
    return place


def plate(place: Path, version: str) -> Path:
    write_plate_metadata(place, ["A"], [1, 2], ["A/1", "A/2"], fmt=version)
    for well in ("A/1", "A/2"):
        write_well_metadata(place / well, ["0"], fmt=version)
        write_image(PIXELS[0], place / well / "0", axes="yx", scale_factors=[2], chunks=16, fmt=version)
        write_labels(PIXELS[0] % 7, place / well / "0", "sevens")
    return place


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("make", [image, plate])
def test_a_hierarchy_arrives_byte_for_byte_each_object_sent_once(
    server: Server, tmp_path: Path, make: Any, version: str
) -> None:
    place = make(tmp_path / "a.zarr", version)
    seen: list[tuple[int, int]] = []
    convert(place, "s3://cells/a.zarr", progress=lambda *state: seen.append(state))
    sent = server.counts()
    assert server.keys("a.zarr/") == files(place)
    assert sent["PUT"] == len(files(place)) + (1 if version == "0.5" else 2)  # the mark
    assert sent["LIST"] <= 2
    assert sent["HEAD"] <= 1
    size = sum(map(len, files(place).values()))
    assert (seen[0], seen[-1]) == ((0, size), (size, size))
    assert seen == sorted(seen)
    assert validate("s3://cells/a.zarr", data=True).valid
    with pytest.raises(ExistsError, match=r"s3://cells/a.zarr"):
        convert(place, "s3://cells/a.zarr")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_interrupted_upload_goes_on_where_it_was(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    place = image(tmp_path / "a.zarr", version)
    sent: list[int] = []

    def stop(done: int, total: int) -> None:
        sent.append(done)
        if done > total // 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("ome_ngff.store.objects._AT_ONCE", 2)
    monkeypatch.setattr("ome_ngff.store.objects._MOMENT", 0.01)
    with pytest.raises(KeyboardInterrupt):
        convert(place, "s3://cells/a.zarr", progress=stop)
    there = server.keys("a.zarr/")
    assert 10 < len(there) < len(files(place))
    with pytest.raises(IncompleteError):
        open_image("s3://cells/a.zarr")
    with pytest.raises(IncompleteError, match="resume=True"):
        convert(place, "s3://cells/a.zarr")
    server.forget()
    convert(place, "s3://cells/a.zarr", resume=True)
    assert server.counts()["PUT"] <= len(files(place)) - len(there) + 2
    assert server.keys("a.zarr/") == files(place)


JOIN = """
import sys
import ome_ngff
from ome_ngff.write import uploading_together
uploading_together._OBJECTS = 10
with ome_ngff.config.set(claim_patience=2):
    ome_ngff.convert(*sys.argv[1:], join=True)
"""


def join(*places: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", JOIN, *places])


@pytest.mark.parametrize("make", [image, plate])
def test_processes_upload_together_and_one_is_killed(server: Server, tmp_path: Path, make: Any) -> None:
    place = make(tmp_path / "a.zarr", "0.5")
    server.fail(delay=0.02)
    words = str(place), "s3://cells/a.zarr"
    killed, *others = [join(*words) for _ in range(3)]
    while len(server.requests()) < 60:
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    assert [process.wait(120) for process in others] == [0, 0]
    assert server.keys("a.zarr/") == files(place)
    sent = [path for method, path, *_ in server.requests() if method == "PUT" and ".ome_ngff" not in path]
    assert len(sent) <= len(files(place)) + 2 * 10 + 3  # the units of who was killed, and the marks
    server.forget()
    convert(*words, join=True)
    assert server.counts()["PUT"] == 0


def test_an_upload_does_not_go_on_with_something_else(server: Server, tmp_path: Path) -> None:
    place = image(tmp_path / "a.zarr", "0.5")
    with pytest.raises(KeyboardInterrupt):
        convert(place, "s3://cells/a.zarr", progress=interrupt)
    write_image(PIXELS + 1, place, axes="zyx", overwrite=True)
    with pytest.raises(StoreError, match="something else"):
        convert(place, "s3://cells/a.zarr", resume=True)
    convert(place, "s3://cells/a.zarr", overwrite=True)
    assert server.keys("a.zarr/") == files(place)


def interrupt(done: int, total: int) -> None:
    raise KeyboardInterrupt


def test_an_image_is_replaced_and_what_is_not_its_own_stays(server: Server, tmp_path: Path) -> None:
    write_image(PIXELS, "s3://cells/a.zarr", axes="zyx", scale_factors=[2, 4, 8], chunks=16)
    write_labels(PIXELS % 3, "s3://cells/a.zarr", "threes")
    server.bucket.put_object(Key="a.zarr/notes.txt", Body=b"mine")
    place = image(tmp_path / "a.zarr", "0.5")
    convert(place, "s3://cells/a.zarr", overwrite=True)
    assert server.keys("a.zarr/") == {**files(place), "notes.txt": b"mine"}


def test_what_arrives_with_other_bytes_is_an_error(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ome_ngff.store.cloud import CloudStore

    place, send = image(tmp_path / "a.zarr", "0.5"), CloudStore.send

    async def damaged(self: CloudStore, key: str, content: bytes) -> str:
        return await send(self, key, content[:-1] if key.endswith("/1/c/0/0/0") else content)

    monkeypatch.setattr(CloudStore, "send", damaged)
    with pytest.raises(StoreError, match=r"s3://cells/a.zarr/.*1/c/0/0/0 has arrived with other bytes"):
        convert(place, "s3://cells/a.zarr")
    with pytest.raises(IncompleteError):
        open_image("s3://cells/a.zarr")


def test_what_is_unfinished_is_not_uploaded(server: Server, tmp_path: Path) -> None:
    place = image(tmp_path / "a.zarr", "0.5")
    with config.set(task_target=2**16), pytest.raises(KeyboardInterrupt):
        write_labels(PIXELS % 5, place, "fives", chunks=16, progress=interrupt)
    with pytest.raises(IncompleteError, match="labels/fives is unfinished"):
        convert(place, "s3://cells/a.zarr")
    assert server.keys() == {}


def test_the_command_copies_unless_something_is_said_of_how(server: Server, tmp_path: Path) -> None:
    place = image(tmp_path / "a.zarr", "0.5")
    for words in (["s3://cells/a.zarr", "--verify"], ["s3://cells/b.zarr", "--chunks", "32"]):
        ran = CliRunner().invoke(main, ["write", str(place), *words])
        assert ran.exit_code == 0, ran.output
    assert server.keys("a.zarr/") == files(place)
    store = open_image("s3://cells/b.zarr").labels._target.store
    assert zarr.open_array(store, path="0", mode="r").chunks == (20, 32, 32)
