"""Disks that are full, broken or forbidden: an error that says how to go on, and a write that can go on."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from fsspec.implementations.memory import MemoryFileSystem
from helpers import every_file

from ome_ngff import IncompleteError, StoreError, open_image, write_image, write_plate_metadata
from ome_ngff.cli import main
from ome_ngff.store import documents, staging

PIXELS = np.random.default_rng(0).integers(0, 99, (256, 256)).astype("uint16")
NUMBERS = [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO]
NAMES = [errno.errorcode[number] for number in NUMBERS]


def failing(monkeypatch: pytest.MonkeyPatch, number: int, after: int, *, by_rust: bool) -> None:
    """Let the disk fail once so many chunks are written."""
    write, left = staging.write_box, [after]

    def fail(array: Any, *given: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            if by_rust:
                raise RuntimeError(f"{os.strerror(number)} (os error {number})")
            raise OSError(number, os.strerror(number), str(array.store.root / array.path / "c"))
        write(array, *given)

    monkeypatch.setattr(staging, "write_box", fail)


@pytest.mark.parametrize("by_rust", [pytest.param(False, id="python"), pytest.param(True, id="rust")])
@pytest.mark.parametrize("number", [pytest.param(n, id=i) for n, i in zip(NUMBERS, NAMES, strict=True)])
def test_a_write_that_the_disk_stops_goes_on(
    number: int, by_rust: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, words = tmp_path / "a.zarr", {"axes": "yx", "chunks": 64, "scale_factors": [2]}
    with monkeypatch.context() as broken:
        failing(broken, number, 3, by_rust=by_rust)
        with pytest.raises(StoreError, match=r"cannot be written: .*resume=True") as caught:
            write_image(PIXELS, place, **words)
    assert caught.value.errno == number
    assert str(place) in str(caught.value)
    with pytest.raises(IncompleteError):
        open_image(place)
    write_image(PIXELS, place, resume=True, **words)
    write_image(PIXELS, tmp_path / "b.zarr", **words)
    assert every_file(place) == every_file(tmp_path / "b.zarr")


def test_the_command_line_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", PIXELS)
    failing(monkeypatch, errno.ENOSPC, 1, by_rust=True)
    words = ["write", str(tmp_path / "a.npy"), str(tmp_path / "a.zarr"), "--axes", "yx", "--chunks", "64"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "No space left on device. Free space, and go on with --resume." in result.output


def test_documents_that_cannot_be_written_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(file: str, content: bytes) -> None:
        raise OSError(errno.EACCES, "Permission denied", file)

    monkeypatch.setattr(documents, "_write_file", fail)
    with pytest.raises(StoreError, match=r"Permission denied.*resume=True"):
        write_image(PIXELS, tmp_path / "a.zarr", axes="yx")
    with pytest.raises(StoreError, match=r"Permission denied.*do it again"):
        write_plate_metadata(tmp_path / "b.zarr", ["A"], ["1"], ["A/1"])


def test_an_object_store_that_forbids_is_an_error(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", fail)
    with pytest.raises(StoreError, match="cannot be written: Permission denied"):
        write_image(PIXELS, bucket, axes="yx")


def test_an_error_of_the_source_is_not_one_of_the_disk(tmp_path: Path) -> None:
    class Broken:
        shape, dtype, ndim = PIXELS.shape, PIXELS.dtype, 2

        def __getitem__(self, box: Any) -> Any:
            raise OSError(errno.EACCES, "Permission denied", "/elsewhere/a.tif")

    with pytest.raises(OSError, match="elsewhere") as caught:
        write_image(Broken(), tmp_path / "a.zarr", axes="yx")
    assert not isinstance(caught.value, StoreError)
