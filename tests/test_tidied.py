"""Folders that are empty, and go, between the moment they are made and that in which something is put in there."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ome_ngff import add_levels, open_image, update_image, write_image, write_labels

IMAGE = np.arange(256, dtype="uint8").reshape(16, 16)
SHARED = {"i", "labels", "nuclei", ".ome_ngff"}  # who ends without the lock of a new one may tidy these


def write(place: Path, **words: Any) -> None:
    write_image(IMAGE, place, axes="yx", chunks=8, scale_factors=[2], method="nearest", **words)


def tidy(monkeypatch: pytest.MonkeyPatch, root: Path) -> list[Path]:
    """Let each folder that processes share go once, when something is about to be put into it and it is empty."""
    gone: list[Path] = []

    def before(call: Callable[..., Any], name: Any, *rest: Any, **words: Any) -> Any:
        above = Path(name).parent if isinstance(name, str | Path) else None
        if above and above.is_relative_to(root) and above.name in SHARED and above not in gone:
            with suppress(OSError):
                os.rmdir(above)
                gone.append(above)
        return call(name, *rest, **words)

    for module, name in ((os, "mkdir"), (os, "open"), (io, "open")):
        call = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, call=call, **words: before(call, *args, **words))
    return gone


@pytest.mark.parametrize(
    ("act", "names"),
    [
        pytest.param(write, {"i", ".ome_ngff"}, id="a new image"),
        pytest.param(lambda i: write(i, overwrite=True), {".ome_ngff"}, id="over another"),
        pytest.param(lambda i: write_labels(IMAGE, i, "nuclei"), {"labels", "nuclei", ".ome_ngff"}, id="labels"),
        pytest.param(lambda i: update_image(IMAGE[:8, :8], i), {".ome_ngff"}, id="an update"),
        pytest.param(lambda i: add_levels(i, [2, 4]), {".ome_ngff"}, id="levels"),
    ],
)
def test_folders_that_others_tidy_away_are_made_again(
    act: Callable[[Path], Any], names: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "i"
    if "i" not in names:
        write(place)
    with monkeypatch.context() as patched:
        gone = tidy(patched, tmp_path)
        act(place)
    assert {folder.name for folder in gone} == names
    for level, step in zip(open_image(place).images, (1, 2, 4), strict=False):
        assert np.array_equal(np.asarray(level.data), IMAGE[::step, ::step])
    assert not (place / ".ome_ngff").exists() or act is not write
