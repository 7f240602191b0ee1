"""Consolidated metadata of groups above an image, which readers believe: never a copy of what is no more."""

from __future__ import annotations

import errno
import json
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from ome_ngff import (
    add_levels,
    append_image,
    edit_image,
    open_image,
    remove_levels,
    stream_image,
    undo,
    update_image,
    write_image,
    write_labels,
)
from ome_ngff.store import attributes, claims, find_target

IMAGE = np.arange(512, dtype="uint16").reshape(2, 16, 16)


def seen(top: Path, consolidated: bool | None) -> dict[str, Any]:
    """Return shapes and attributes of all that Zarr finds below a group, by its copy where it has one, or without."""
    group = zarr.open_group(top, mode="r", use_consolidated=consolidated)
    return {
        path: (dict(node.attrs), getattr(node, "shape", None))
        for path, node in group.members(max_depth=None)
        if ".ome_ngff" not in path
    }


def grow(image: Path) -> None:
    words: dict[str, Any] = {"shape": (None, 16, 16), "dtype": "uint16", "axes": "tyx", "chunks": {"y": 8, "x": 8}}
    with stream_image(image, **words, overwrite=True) as stream:
        stream.append(IMAGE[0])


ACTS = [
    pytest.param(lambda image: append_image(IMAGE, image), id="append"),
    pytest.param(lambda image: update_image(IMAGE[:1] + 1, image), id="update"),
    pytest.param(lambda image: add_levels(image, [2, 4]), id="levels"),
    pytest.param(remove_levels, id="without-levels"),
    pytest.param(lambda image: edit_image(image, scale={"x": 2.0}), id="edit"),
    pytest.param(lambda image: write_labels(IMAGE[:, ::1], image, "nuclei"), id="labels"),
    pytest.param(grow, id="stream"),
]


@pytest.mark.filterwarnings("ignore:Object at .ome_ngff is not recognized")
@pytest.mark.parametrize("fmt", [pytest.param("0.4", marks=pytest.mark.slow), "0.5"])
@pytest.mark.parametrize("act", ACTS)
def test_no_copy_above_an_image_is_left_untrue(act: Callable[[Path], Any], fmt: str, tmp_path: Path) -> None:
    top, image = tmp_path / "top", tmp_path / "top" / "day" / "image"
    version: Any = 2 if fmt == "0.4" else 3
    for group in (top, top / "day"):
        zarr.open_group(group, mode="w", zarr_format=version)
    write_image(IMAGE, image, axes="tyx", chunks=8, scale_factors=[2], method="nearest", fmt=fmt)
    steps = [lambda: act(image)]
    if act not in (grow, ACTS[5].values[0]):
        steps.append(lambda: undo(image))
    for step in steps:
        with warnings.catch_warnings(action="ignore"):  # Zarr says that v3 does not specify it
            zarr.consolidate_metadata(top, zarr_format=version)
        assert seen(top, True) == seen(top, False)
        step()
        assert seen(top, None) == seen(top, False)


def consolidated(top: Path) -> Path:
    """Make a group with an image in it, and a copy of its metadata."""
    zarr.open_group(top, mode="w", zarr_format=3)
    write_image(IMAGE, top / "image", axes="tyx", chunks=8, scale_factors=[2], method="nearest")
    with warnings.catch_warnings(action="ignore"):
        zarr.consolidate_metadata(top, zarr_format=3)
    return top


def test_a_copy_that_may_not_be_taken_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top, replace = consolidated(tmp_path / "top"), attributes._replace

    async def refused(store: Any, key: str, *rest: Any) -> bool:
        if getattr(store, "root", None) == top:
            raise PermissionError(errno.EACCES, "Permission denied", str(top / key))
        return await replace(store, key, *rest)

    monkeypatch.setattr(attributes, "_replace", refused)
    before = (top / "zarr.json").read_bytes()
    with pytest.warns(UserWarning, match=r"top is out of date now, and cannot be taken away \(Permission denied\)"):
        edit_image(top / "image", scale={"x": 2.0})
    assert (top / "zarr.json").read_bytes() == before
    assert open_image(top / "image").images[0].scale["x"] == 2.0


def test_a_group_above_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top, image = tmp_path / "top", tmp_path / "top" / "image"
    zarr.open_group(top, mode="w")
    write_image(IMAGE, image, axes="tyx", scale_factors=[])
    read = attributes.get_bytes

    async def refused(store: Any, key: str) -> bytes | None:
        if Path(getattr(store, "root", "")) == top and key == "zarr.json":
            raise PermissionError(errno.EACCES, "Permission denied")
        return await read(store, key)

    monkeypatch.setattr(attributes, "get_bytes", refused)
    with pytest.warns(UserWarning, match="top cannot be read; if it has consolidated metadata"):
        edit_image(image, scale={"x": 2.0})
    assert open_image(image).images[0].scale["x"] == 2.0


@pytest.mark.parametrize("held", [pytest.param(False, id="free"), pytest.param(True, id="held-by-who-waits-for-us")])
def test_a_copy_goes_under_the_lock_of_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: bool) -> None:
    top, take, taken = consolidated(tmp_path / "top"), claims.Claims.take, list[bool]()
    replace = attributes._replace

    async def seen(store: Any, key: str, *rest: Any) -> bool:
        if getattr(store, "root", None) == top:
            taken.append(take(claims.claims_of(store), attributes._LOCK, 60) is None)
        return await replace(store, key, *rest)

    monkeypatch.setattr(attributes, "_replace", seen)
    monkeypatch.setattr(attributes, "_PAUSE", 0)
    with attributes.locked(find_target(top)) if held else nullcontext():
        edit_image(top / "image", scale={"x": 2.0})
    assert taken == [True]
    assert "consolidated_metadata" not in json.loads((top / "zarr.json").read_text())
    assert not (top / attributes._LOCK).exists()
