"""A file system as Windows has it, simulated: no links, locks or descriptors of folders, and open files stay."""

from __future__ import annotations

import os
import shutil
import threading
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


@pytest.fixture(autouse=True)
def refused(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Refuse what Windows refuses, and list it."""
    found: list[str] = []

    def refusing(name: str, places: Callable[..., list[Any]]) -> None:
        real = getattr(os, name)

        def checked(*words: Any, **more: Any) -> Any:
            assert not any(value is not None for value in more.values())  # descriptors
            for place in places(*words):
                if isinstance(place, (str, os.PathLike)) and in_use(place):
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


class Readers:
    """Open every file below a folder, again and again, for a moment."""

    def __init__(self, place: Path) -> None:
        self.place, self.stopped = place, threading.Event()
        self.thread = threading.Thread(target=self.read)

    def __enter__(self) -> Readers:
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stopped.set()
        self.thread.join()

    def read(self) -> None:
        while not self.stopped.wait(0.008):
            for folder, _, files in os.walk(self.place):
                for name in (name for name in files if not name.endswith(".partial")):  # which Zarr is writing
                    try:
                        with open(os.path.join(folder, name), "rb") as file:
                            file.read()
                            self.stopped.wait(0.004)
                    except OSError:
                        continue


def twice(place: Path) -> None:
    write_image(volume(), place, **WORDS)
    write_image(volume() + 1, place, **WORDS, overwrite=True)


def changed(place: Path) -> None:
    write_image(volume(), place, **WORDS)
    write_labels(volume() % 5, place, "cells")
    update_image(np.zeros((4, 30, 30), "uint16"), place, {"z": 3, "y": 5, "x": 5})
    undo(place)


@pytest.mark.parametrize(
    "act", [pytest.param(twice, id="replaced", marks=pytest.mark.slow), pytest.param(changed, id="changed")]
)
def test_files_that_are_being_read_are_replaced_in_the_end(
    tmp_path: Path, refused: list[str], act: Callable[[Path], None]
) -> None:
    with Readers(tmp_path / "a"):
        act(tmp_path / "a")
    assert refused
    act(tmp_path / "b")
    for found, wanted in zip(pixels(tmp_path / "a"), pixels(tmp_path / "b"), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_processes_that_join_share_one_image_there(tmp_path: Path) -> None:
    raised: list[BaseException] = []

    def one() -> None:
        try:
            write_image(volume(), tmp_path / "a", join=True, **WORDS)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=one) for _ in range(3)]
    with Readers(tmp_path / "a"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not raised
    write_image(volume(), tmp_path / "b", **WORDS)
    assert every_file(tmp_path / "a") == every_file(tmp_path / "b")
