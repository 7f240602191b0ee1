"""Stores that are moved or deleted under an image that is open: an error, and never fill values."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.storage import FsspecStore, LocalStore, MemoryStore

from ome_ngff import (
    MissingError,
    label_properties,
    open_image,
    open_input,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    write_image,
)
from ome_ngff.read.stored import StoredImage
from ome_ngff.store.target import find_target

PLANE = (np.arange(60 * 70) % 4001 + 1).astype("uint16").reshape(60, 70)
WORDS: dict[str, Any] = {"axes": "yx", "chunks": 16, "scale_factors": [2]}
Place = tuple[Any, Callable[[], object]]  # where an image is written, and what makes it vanish


def folder(tmp_path: Path) -> Place:
    return tmp_path / "a.zarr", lambda: shutil.move(tmp_path / "a.zarr", tmp_path / "b.zarr")


def memory(tmp_path: Path) -> Place:
    held: dict[str, Any] = {}
    return MemoryStore(held), held.clear


def far_away(tmp_path: Path) -> Place:
    import fsspec

    files = fsspec.filesystem("memory")
    return f"memory://{tmp_path.name}", lambda: files.rm(f"/{tmp_path.name}", recursive=True)


KINDS: dict[str, tuple[Callable[[Path], Place], dict[str, Any]]] = {
    "folder": (folder, {}),
    "0.4": (folder, {"fmt": "0.4"}),
    "0.4, far away": (far_away, {"fmt": "0.4"}),
    "shards": (folder, {"chunks": 8, "shards": 32}),
    "shards, far away": (far_away, {"chunks": 8, "shards": 32}),
    "memory": (memory, {}),
    "far away": (far_away, {}),
    "not a number": (folder, {"storage_options": {"fill_value": np.nan}}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_that_vanishes_while_it_is_open_is_missed(tmp_path: Path, kind: str) -> None:
    make, words = KINDS[kind]
    place, vanish = make(tmp_path)
    pixels = PLANE.astype("float32") if kind == "not a number" else PLANE
    write_image(pixels, place, **{**WORDS, **words})
    data = open_image(place).images[0].data
    np.testing.assert_array_equal(data.compute(), pixels)
    vanish()
    for box in (np.s_[:], np.s_[3:9, 5], np.s_[59:, 69:], np.s_[20, 20]):
        with pytest.raises(MissingError, match="no longer there"):
            data[box].compute()


def test_an_image_that_is_back_is_read_again(tmp_path: Path) -> None:
    place, vanish = folder(tmp_path)
    write_image(PLANE, place, **WORDS)
    data = open_input(place).data
    vanish()
    with pytest.raises(MissingError):
        data[:5]
    shutil.move(tmp_path / "b.zarr", place)
    np.testing.assert_array_equal(data[:], PLANE)


def test_a_package_that_is_moved_is_still_open(tmp_path: Path) -> None:
    to_ngff_zarr(tmp_path / "a.ozx", to_multiscales(to_ngff_image(PLANE, "yx"), [2], chunks=16))
    image = open_image(tmp_path / "a.ozx")
    shutil.move(tmp_path / "a.ozx", tmp_path / "b.ozx")
    np.testing.assert_array_equal(image.images[0].data.compute(), PLANE)


@pytest.mark.parametrize(("make", "kind"), [(folder, LocalStore), (memory, MemoryStore), (far_away, FsspecStore)])
@pytest.mark.parametrize("words", [{}, {"chunks": 8, "shards": 32}, {"fmt": "0.4"}], ids=["0.5", "shards", "0.4"])
def test_only_missing_chunks_are_asked_about_and_once_per_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Place], kind: type, words: dict[str, Any]
) -> None:
    sparse = PLANE.copy()
    sparse[:, 32:] = 0
    place, _ = make(tmp_path)
    write_image(sparse, place, **{**WORDS, **words})
    level, calls = StoredImage.of(find_target(place)).level(0), Counter[str]()
    exists = kind.exists

    async def count(self: Any, key: str) -> bool:
        calls[key.rpartition("/")[2]] += 1
        return await exists(self, key)

    monkeypatch.setattr(kind, "exists", count)
    np.testing.assert_array_equal(level[:, :32], sparse[:, :32])
    assert not calls
    np.testing.assert_array_equal(level[:], sparse)
    assert calls == {".zarray" if words.get("fmt") else "zarr.json": 1}


def test_a_write_that_loses_its_source_stops(tmp_path: Path) -> None:
    place, vanish = folder(tmp_path)
    write_image(PLANE, place, **WORDS)
    for number, source in enumerate((open_image(place).images[0].data + 1, open_input(place).data)):
        if not number:
            vanish()
        with pytest.raises(MissingError, match="no longer there"):
            write_image(source, tmp_path / f"{number}.zarr", **WORDS)
        with pytest.raises(Exception, match="incomplete"):
            open_image(tmp_path / f"{number}.zarr")


def test_labels_that_vanish_are_not_taken_for_background(tmp_path: Path) -> None:
    labels = zarr.create_array(tmp_path / "a.zarr", shape=PLANE.shape, chunks=(16, 16), dtype=PLANE.dtype)
    labels[:] = PLANE
    shutil.move(tmp_path / "a.zarr", tmp_path / "b.zarr")
    with pytest.raises(MissingError, match="no longer there"):
        label_properties(labels)
