"""`verify`: an image is compared with its file, pixel by pixel, and a digest stays."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner
from helpers import attributes, datasets, every_file
from PIL import Image

from ome_ngff import OptionError, StoreError, config, convert, open_image, verify, write_image, write_labels
from ome_ngff.cli import main
from ome_ngff.inputs import tiff
from ome_ngff.read import StoredLevel

STACK = (np.arange(9 * 70 * 90) % 4001).astype("uint16").reshape(9, 70, 90)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A TIFF of nine compressed planes."""
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=False, compression="zlib", metadata={"axes": "ZYX"})
    return tmp_path / "a.tif"


def recomputed(where: Path, path: str, cells: Any) -> str:
    """Compute a digest from what Zarr-Python reads, as the documentation says."""
    level = zarr.open_array(where / path, mode="r")[...]
    whole = hashlib.sha256()
    for start in itertools.product(*(range(0, n, length) for n, length in zip(level.shape, cells, strict=True))):
        box = tuple(slice(at, at + length) for at, length in zip(start, cells, strict=True))
        whole.update(hashlib.sha256(level[box].astype(level.dtype.newbyteorder("<")).tobytes("C")).digest())
    return whole.hexdigest()


@pytest.mark.parametrize(
    "words",
    [
        pytest.param({"chunks": 16, "scale_factors": [2, 4]}, id="small-chunks"),
        pytest.param({"chunks": 16, "shards": 32, "scale_factors": [2]}, id="shards"),
        pytest.param({"fmt": "0.4"}, id="zarr-v2"),
    ],
)
def test_each_level_gets_a_digest_that_anyone_can_compute(stack: Path, tmp_path: Path, words: Any) -> None:
    convert(stack, tmp_path / "a", axes="zyx", **words)
    found = verify(stack, tmp_path / "a", axes="zyx")
    assert [each.path for each in found] == [d["path"] for d in datasets(tmp_path / "a")]
    assert [each.sha256 for each in found] == [recomputed(tmp_path / "a", e.path, e.cells) for e in found]
    stated = attributes(tmp_path / "a")["ome_ngff"]["verified"]["levels"]
    assert [(e["path"], tuple(e["cells"]), e["sha256"]) for e in stated] == [(e.path, e.cells, e.sha256) for e in found]
    assert open_image(tmp_path / "a").images[0].data.shape == STACK.shape
    assert "headers" in attributes(tmp_path / "a")["ome_ngff"]


def test_what_is_verified_on_the_way_has_the_axes_that_were_said(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", STACK)
    convert(tmp_path / "a.npy", tmp_path / "a", axes="tyx", verify=True)
    assert "verified" in attributes(tmp_path / "a")["ome_ngff"]


def test_one_pixel_that_differs_is_found_and_named(stack: Path, tmp_path: Path) -> None:
    convert(stack, tmp_path / "a", axes="zyx", chunks=16)
    zarr.open_array(tmp_path / "a" / "0", mode="r+")[7, 33, 81] = 4321
    before = every_file(tmp_path)
    with pytest.raises(
        StoreError, match=rf"at z 7, y 33, x 81 it has 4321, the file has {STACK[7, 33, 81]} \(1 pixels"
    ):
        verify(stack, tmp_path / "a", axes="zyx")
    assert every_file(tmp_path) == before


def test_a_file_that_has_become_another_is_named(stack: Path, tmp_path: Path) -> None:
    convert(stack, tmp_path / "a", axes="zyx")
    tifffile.imwrite(stack, STACK[:4], metadata={"axes": "ZYX"}, photometric="minisblack")
    with pytest.raises(StoreError, match=r"is not what .* holds now .z,y,x 9x70x90 uint16 and z,y,x 4x70x90 uint16"):
        verify(stack, tmp_path / "a", axes="zyx")


def test_a_chunk_that_cannot_be_read_is_an_error(stack: Path, tmp_path: Path) -> None:
    convert(stack, tmp_path / "a", axes="zyx", chunks=16)
    chunk = next(path for path in sorted((tmp_path / "a" / "0" / "c").rglob("*")) if path.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-5])
    with pytest.raises(StoreError, match="cannot be read"):
        verify(stack, tmp_path / "a", axes="zyx")


def test_nan_and_colours_are_compared_too(tmp_path: Path) -> None:
    floats = np.where(STACK[0] % 7 == 0, np.nan, STACK[0]).astype("float32")
    np.save(tmp_path / "a.npy", floats)
    Image.fromarray(np.stack([STACK[0] % 256] * 3, -1).astype("uint8")).save(tmp_path / "a.png")
    for name in ("a.npy", "a.png"):
        convert(tmp_path / name, tmp_path / f"{name}.zarr", verify=True)
        assert "verified" in attributes(tmp_path / f"{name}.zarr")["ome_ngff"]


def test_a_file_is_read_once_and_within_the_memory_target(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert(stack, tmp_path / "a", axes="zyx", chunks=16)
    pages: list[int] = []
    boxes: list[int] = []
    read_page, read_box = tiff._read_page, StoredLevel.read

    def counted(series: Any, files: Any, index: int, *rest: Any) -> None:
        pages.append(index)
        read_page(series, files, index, *rest)

    def measured(level: Any, box: Any) -> Any:
        found = read_box(level, box)
        boxes.append(found.nbytes)
        return found

    monkeypatch.setattr(tiff, "_read_page", counted)
    monkeypatch.setattr(StoredLevel, "read", measured)
    verify(stack, tmp_path / "a", axes="zyx")
    assert sorted(pages) == list(range(9))
    boxes.clear()
    with config.set(memory_target=2**18, workers=2):
        verify(stack, tmp_path / "a", axes="zyx")
    assert 2 * 2 * max(boxes) <= 2**18


def test_labels_of_an_image_are_compared_with_it(tmp_path: Path) -> None:
    write_image(STACK, tmp_path / "source", axes="zyx")
    write_labels((STACK % 5).astype("uint8"), tmp_path / "source", "cells")
    convert(tmp_path / "source", tmp_path / "copy")
    assert [each.path for each in verify(tmp_path / "source", tmp_path / "copy")] == ["0", "labels/cells/0"]
    zarr.open_array(tmp_path / "copy" / "labels" / "cells" / "0", mode="r+")[0, 0, 0] = 9
    with pytest.raises(StoreError, match="at z 0, y 0, x 0 it has 9, the file has 0"):
        verify(tmp_path / "source", tmp_path / "copy")


def test_a_zip_is_compared_but_nothing_is_added_to_it(stack: Path, tmp_path: Path) -> None:
    convert(stack, tmp_path / "a.ozx", axes="zyx", verify=True)
    before = every_file(tmp_path)
    assert verify(stack, tmp_path / "a.ozx", axes="zyx")[0].path == "0"
    assert every_file(tmp_path) == before


def test_the_command_line_verifies_one_and_many(stack: Path, tmp_path: Path) -> None:
    def run(*words: Any, code: int = 0) -> Any:
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == code, result.output
        return result

    run("write", stack, tmp_path / "one", "--axes", "zyx", "--verify")
    assert "verified" in attributes(tmp_path / "one")["ome_ngff"]
    many = ("write", stack, "--into", tmp_path / "many", "--axes", "zyx", "--verify", "--json")
    run(*many)
    assert "verified" in attributes(tmp_path / "many" / "a.ome.zarr")["ome_ngff"]
    assert json.loads(run(*many).stdout)[0]["state"] == "skipped"
    zarr.open_array(tmp_path / "many" / "a.ome.zarr" / "0", mode="r+")[0, 0, 0] = 9
    assert "differs from" in run(*many, code=1).stderr


def test_progress_of_another_kind_is_refused(stack: Path, tmp_path: Path) -> None:
    convert(stack, tmp_path / "a", axes="zyx")
    with pytest.raises(OptionError, match="progress is True"):
        verify(stack, tmp_path / "a", axes="zyx", progress=3)  # type: ignore[arg-type]
