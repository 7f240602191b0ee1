"""A file system as Windows has it, simulated: no links, locks or descriptors of folders, and open files stay."""

from __future__ import annotations

import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import every_file, pixels
from joiners import WORDS, volume

from ome_ngff import undo, update_image, write_image, write_labels
from ome_ngff.store import patience, staging, temporary

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are found below /proc")


def in_use(path: Any) -> bool:
    """Return whether this process has a file open, or one in a folder."""
    wanted = os.path.realpath(path)
    for number in os.listdir("/proc/self/fd"):
        try:
            found = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if found == wanted or found.startswith(f"{wanted}/"):
            return True
    return False


class Readers:
    """Others who have each file below a folder open, every other time that somebody asks."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.asked: Counter[str] = Counter()

    def read(self, place: Any) -> bool:
        name = os.path.abspath(place)
        if self.folder is None or not name.startswith(f"{self.folder}{os.sep}") or name.endswith(".partial"):
            return False
        self.asked[name] += 1
        return os.path.lexists(name) and self.asked[name] % 2 == 1


@pytest.fixture
def readers() -> Readers:
    return Readers()


@pytest.fixture(autouse=True)
def refused(monkeypatch: pytest.MonkeyPatch, readers: Readers) -> list[str]:
    """Refuse what Windows refuses, and list it."""
    found: list[str] = []

    def refusing(name: str, places: Callable[..., list[Any]]) -> None:
        real = getattr(os, name)

        def checked(*words: Any, **more: Any) -> Any:
            assert not any(value is not None for value in more.values())  # descriptors
            for place in places(*words):
                if isinstance(place, (str, os.PathLike)) and (in_use(place) or readers.read(place)):
                    found.append(f"{name} {place}")
                    raise PermissionError(13, "in use", os.fspath(place))
            if name == "rename" and os.path.lexists(words[1]):
                raise FileExistsError(17, "there already", os.fspath(words[1]))
            return real(*words, **more)

        monkeypatch.setattr(os, name, checked)

    def no_link(*_: Any, **__: Any) -> None:
        raise OSError(1, "no links here")

    for name in ("replace", "rename"):
        refusing(name, lambda source, to: [source, to])
    refusing("unlink", lambda place: [place])
    monkeypatch.setattr(os, "link", no_link)
    monkeypatch.setattr("zarr.storage._local._safe_move", lambda source, to: os.rename(source, to))
    monkeypatch.setattr(shutil, "_use_fd_functions", False)
    monkeypatch.setattr(staging, "_DESCRIPTORS", False)
    monkeypatch.setattr(temporary, "fcntl", None)
    monkeypatch.setattr(patience, "WINDOWS", True)
    return found


def twice(place: Path) -> None:
    write_image(volume(), place, **WORDS)
    write_image(volume() + 1, place, **WORDS, overwrite=True)


def changed(place: Path) -> None:
    write_image(volume(), place, **WORDS)
    write_labels(volume() % 5, place, "cells")
    update_image(np.zeros((4, 30, 30), "uint16"), place, {"z": 3, "y": 5, "x": 5})
    undo(place)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(twice, id="replaced", marks=[pytest.mark.slow, pytest.mark.soak]),
        pytest.param(changed, id="changed"),
    ],
)
def test_files_that_are_being_read_are_replaced_in_the_end(
    tmp_path: Path, refused: list[str], readers: Readers, act: Callable[[Path], None]
) -> None:
    readers.folder = tmp_path / "a"
    act(tmp_path / "a")
    assert refused
    act(tmp_path / "b")
    for found, wanted in zip(pixels(tmp_path / "a"), pixels(tmp_path / "b"), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_processes_that_join_share_one_image_there(tmp_path: Path, readers: Readers) -> None:
    raised: list[BaseException] = []

    def one() -> None:
        try:
            write_image(volume(), tmp_path / "a", join=True, **WORDS)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=one) for _ in range(3)]
    readers.folder = tmp_path / "a"
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not raised
    write_image(volume(), tmp_path / "b", **WORDS)
    assert every_file(tmp_path / "a") == every_file(tmp_path / "b")
