"""What stands around an image, and is not its own: never deleted, never followed, and refused before a byte changes.

Every victim lies in the test's own folder, so that a failure reaches nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import tifffile
import xarray
import zarr
from click.testing import CliRunner
from helpers import every_file, pixels

import ome_ngff
from ome_ngff import (
    ExistsError,
    NgffError,
    StoreError,
    open_image,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    write_image,
    write_labels,
)
from ome_ngff.cli import main

PLANE = (np.arange(64 * 64) % 1000 + 1).astype("uint16").reshape(64, 64)
LABELS = (PLANE % 5).astype("uint8")
WORDS: dict[str, Any] = {"axes": "yx", "scale_factors": [2]}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A finished image with two levels."""
    write_image(PLANE, tmp_path / "x.zarr", **WORDS)
    return tmp_path / "x.zarr"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of somebody else, next to the image."""
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "thesis.txt").write_text("precious")
    return tmp_path / "victim"


def change(place: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Edit the attributes of a group, as a hand or another program would."""
    document = json.loads((place / "zarr.json").read_text())
    edit(document["attributes"])
    (place / "zarr.json").write_text(json.dumps(document))


def marked(mark: Any) -> Callable[[dict[str, Any]], Any]:
    """Put a mark in place of the metadata."""

    def edit(attributes: dict[str, Any]) -> None:
        attributes.pop("ome")
        attributes["ome_ngff"] = {"incomplete": mark}

    return edit


# What stands at the place of a level ---------------------------------------------------------------------------------


def a_text(place: Path) -> None:
    place.mkdir(parents=True)
    (place / "notes.txt").write_text("precious")


def a_file(place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("a file with the name of a level")


def a_group(place: Path) -> None:
    zarr.create_group(place, attributes={"mine": 1})


def a_file_called_as_a_chunk(place: Path) -> None:
    (place / "c" / "0").mkdir(parents=True)
    (place / "c" / "0" / "0").write_text("precious")


def a_link(place: Path) -> None:
    a_text(place.parent / "elsewhere")
    place.symlink_to(place.parent / "elsewhere")


@pytest.mark.parametrize("level", ["0", "1"])
@pytest.mark.parametrize("words", [{}, {"overwrite": True}, {"resume": True}], ids=["plain", "overwrite", "resume"])
@pytest.mark.parametrize("make", [a_text, a_file_called_as_a_chunk, a_file, a_group])
def test_what_is_not_an_array_is_never_replaced(
    tmp_path: Path, make: Callable[[Path], None], words: dict[str, Any], level: str
) -> None:
    make(tmp_path / "exp" / level)
    before = every_file(tmp_path)
    with pytest.raises(ExistsError, match=rf"'{level}'"):
        write_image(PLANE, tmp_path / "exp", **WORDS, **words)
    assert every_file(tmp_path) == before


def test_a_foreign_array_is_replaced_only_by_an_overwrite(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "exp" / "0", data=LABELS)
    before = every_file(tmp_path)
    with pytest.raises(ExistsError, match="overwrite=True"):
        write_image(PLANE, tmp_path / "exp", **WORDS)
    assert every_file(tmp_path) == before
    write_image(PLANE, tmp_path / "exp", **WORDS, overwrite=True)
    np.testing.assert_array_equal(pixels(tmp_path / "exp")[0], PLANE)


def test_an_empty_folder_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "exp" / "0").mkdir(parents=True)
    write_image(PLANE, tmp_path / "exp", **WORDS)
    np.testing.assert_array_equal(pixels(tmp_path / "exp")[0], PLANE)


def test_the_command_line_keeps_the_planes_that_it_reads(tmp_path: Path) -> None:
    (tmp_path / "exp" / "0").mkdir(parents=True)
    for number in range(3):
        tifffile.imwrite(tmp_path / "exp" / "0" / f"plane_{number}.tif", PLANE)
    before = every_file(tmp_path)
    for more in ([], ["--overwrite"]):
        words = ["write", str(tmp_path / "exp" / "0"), str(tmp_path / "exp"), "--axes", "zyx", *more]
        assert CliRunner().invoke(main, words).exit_code == 2
        assert every_file(tmp_path) == before


@pytest.mark.parametrize("words", [{}, {"overwrite": True}], ids=["plain", "overwrite"])
def test_a_memory_map_inside_the_target_is_kept(tmp_path: Path, words: dict[str, Any]) -> None:
    (tmp_path / "exp" / "0").mkdir(parents=True)
    np.save(tmp_path / "exp" / "0" / "raw.npy", PLANE)
    before = every_file(tmp_path)
    with pytest.raises(StoreError):
        write_image(np.load(tmp_path / "exp" / "0" / "raw.npy", mmap_mode="r"), tmp_path / "exp", **WORDS, **words)
    assert every_file(tmp_path) == before


# What documents name -------------------------------------------------------------------------------------------------

MARKS = [
    pytest.param({"write": "a", "replaces": ["../victim"]}, id="replaces"),
    pytest.param({"write": "a", "paths": ["../victim"], "replaces": []}, id="paths"),
    pytest.param({"write": "a", "paths": ["ABSOLUTE"], "replaces": []}, id="absolute"),
    pytest.param({"write": "a", "paths": ["sub/thesis"], "replaces": ["sub"]}, id="through-a-link"),
    pytest.param({"write": "../victim", "replaces": []}, id="write-id"),
    pytest.param({"write": "a/../../victim", "replaces": []}, id="write-id-that-begins-well"),
    pytest.param({"write": "a", "replaces": ["."]}, id="dot"),
    pytest.param({"write": "a", "replaces": [""]}, id="empty"),
]


@pytest.mark.parametrize("words", [{"overwrite": True}, {"resume": True}], ids=["overwrite", "resume"])
@pytest.mark.parametrize("mark", MARKS)
def test_a_hostile_mark_deletes_nothing_outside(
    image: Path, victim: Path, tmp_path: Path, mark: dict[str, Any], words: dict[str, Any]
) -> None:
    (tmp_path / "cache" / "ome_ngff-spool-a").mkdir(parents=True)
    (image / "sub").symlink_to(victim)
    (image / "foreign.txt").write_text("precious")
    change(image, marked(json.loads(json.dumps(mark).replace("ABSOLUTE", str(victim)))))
    before = every_file(victim)
    with ome_ngff.config.set(cache_store=tmp_path / "cache"), suppress(NgffError):
        write_image(PLANE, image, **WORDS, **words)
    assert every_file(victim) == before
    assert (image / "foreign.txt").read_text() == "precious"


def test_files_of_others_among_the_chunks_of_a_killed_write_stay(image: Path) -> None:
    change(image, marked({"write": "a", "paths": ["0", "1"], "replaces": []}))
    (image / "0" / "zarr.json").unlink()
    (image / "0" / "notes.txt").write_text("precious")
    before = every_file(image)
    with pytest.raises(ExistsError, match="a folder of other files at '0'"):
        write_image(PLANE, image, **WORDS, overwrite=True)
    assert every_file(image) == before
    (image / "0" / "notes.txt").unlink()
    write_image(PLANE + 1, image, **WORDS, overwrite=True)
    np.testing.assert_array_equal(pixels(image)[0], PLANE + 1)


def test_a_group_of_levels_with_files_of_others_stays(tmp_path: Path) -> None:
    pyramid = to_multiscales(to_ngff_image(PLANE, dims="yx"), scale_factors=[2])
    for number, dataset in enumerate(pyramid.metadata.datasets):
        dataset.path = f"levels/{number}"
    to_ngff_zarr(tmp_path / "x.zarr", pyramid)
    (tmp_path / "x.zarr" / "levels" / "notes.txt").write_text("precious")
    write_image(PLANE, tmp_path / "x.zarr", **WORDS, overwrite=True)
    assert sorted(path.name for path in (tmp_path / "x.zarr" / "levels").iterdir()) == ["notes.txt", "zarr.json"]


@pytest.mark.parametrize("path", ["../victim", ".", "", "sub/thesis", ".ome_ngff/0", "labels"])
def test_a_hostile_dataset_path_deletes_nothing_of_others(image: Path, victim: Path, path: str) -> None:
    (image / "sub").symlink_to(victim)
    (image / "foreign.txt").write_text("precious")
    change(image, lambda attributes: attributes["ome"]["multiscales"][0]["datasets"][0].update(path=path))
    before = every_file(victim)
    with suppress(NgffError):
        write_image(PLANE, image, **WORDS, overwrite=True)
    assert every_file(victim) == before
    assert (image / "foreign.txt").read_text() == "precious"


@pytest.mark.parametrize("name", ["../../victim", "..", ".", "", "/", "sub"])
def test_a_hostile_list_of_labels_deletes_nothing_of_others(image: Path, victim: Path, name: str) -> None:
    write_labels(LABELS, image, "a")
    (image / "labels" / "sub").symlink_to(victim)
    (image / "labels" / "mine").mkdir()
    (image / "labels" / "mine" / "raw.tif").write_text("precious")
    change(image / "labels", lambda attributes: attributes["ome"].update(labels=["a", name]))
    before = every_file(victim), every_file(image / "labels" / "mine")
    with suppress(NgffError):
        write_image(PLANE, image, **WORDS, overwrite=True)
    assert (every_file(victim), every_file(image / "labels" / "mine")) == before


def test_labels_behind_a_link_keep_nobody_from_overwriting(image: Path, victim: Path) -> None:
    write_labels(LABELS, image, "a")
    (image / "labels" / "sub").symlink_to(victim)
    change(image / "labels", lambda attributes: attributes["ome"].update(labels=["a", "sub/labels/cells"]))
    write_image(PLANE, victim, **WORDS)
    write_labels(LABELS, victim, "cells")
    before = every_file(victim)
    write_image(PLANE + 1, image, **WORDS, overwrite=True)
    np.testing.assert_array_equal(pixels(image)[0], PLANE + 1)
    assert every_file(victim) == before
    assert not (image / "labels" / "a").exists()


@pytest.mark.parametrize("path", ["../victim", ".", "", "/etc", "a/../b"])
def test_a_document_that_names_a_level_outside_is_not_opened(image: Path, path: str) -> None:
    change(image, lambda attributes: attributes["ome"]["multiscales"][0]["datasets"][0].update(path=path))
    with pytest.raises(NgffError, match="path"):
        open_image(image)


@pytest.mark.filterwarnings("ignore:There is no image")
@pytest.mark.parametrize("use", ["resume", "overwrite", "labels", "open"])
@pytest.mark.parametrize(
    "mark",
    [{}, 5, [], {"parts": 7}, {"metadata": [1]}, {"replaces": 5, "write": 3}, {"cut": 7}, {"paths": [3]}],
    ids=str,
)
def test_an_odd_mark_is_a_typed_error_or_replaced(image: Path, mark: Any, use: str) -> None:
    change(image, marked(mark))
    with suppress(NgffError):
        if use == "labels":
            write_labels(LABELS, image, "a")
        elif use == "open":
            open_image(image)
        else:
            write_image(PLANE, image, **WORDS, **{use: True})
    write_image(PLANE, image, **WORDS, overwrite=True)
    np.testing.assert_array_equal(pixels(image)[0], PLANE)


# Sources inside the target


def read_plainly(place: Path) -> Any:
    return da.from_zarr(place / "0") + 0


def read_inline(place: Path) -> Any:
    return da.from_array(zarr.open_array(place / "0"), inline_array=True) + 0


def read_optimized(place: Path) -> Any:
    return dask.optimize(open_image(place).images[0].data + 0)[0]


def read_by_xarray(place: Path) -> Any:
    return xarray.open_zarr(place, consolidated=False, chunks={}, drop_variables=["1"])["0"].data + 0


def read_by_function(place: Path) -> Any:
    stored = zarr.open_array(place / "0")
    block = dask.delayed(lambda array: array[...])(stored)
    return da.from_delayed(block, stored.shape, stored.dtype)


@pytest.mark.parametrize("read", [read_plainly, read_inline, read_optimized, read_by_xarray, read_by_function])
def test_what_is_being_replaced_is_not_read(image: Path, read: Callable[[Path], Any]) -> None:
    source, before = read(image), every_file(image)
    with pytest.raises(StoreError, match="The pixels are read from"):
        write_image(source, image, **WORDS, overwrite=True)
    assert every_file(image) == before


def test_an_array_next_to_the_levels_may_be_read(tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "x.zarr")
    root.create_array("raw", data=PLANE)
    write_image(root["raw"], root, **WORDS)
    np.testing.assert_array_equal(pixels(tmp_path / "x.zarr")[0], PLANE)
    np.testing.assert_array_equal(root["raw"][...], PLANE)


# Foreign files inside ------------------------------------------------------------------------------------------------


def test_an_overwrite_keeps_foreign_files_next_to_labels(image: Path) -> None:
    write_labels(LABELS, image, "a")
    (image / "labels" / "notes.csv").write_text("precious")
    (image / "labels" / "raw").mkdir()
    (image / "labels" / "raw" / "seg.tif").write_text("precious")
    (image / "README.md").write_text("precious")
    write_image(PLANE, image, **WORDS, overwrite=True)
    for name in ("labels/notes.csv", "labels/raw/seg.tif", "README.md"):
        assert (image / name).read_text() == "precious"
    assert not (image / "labels" / "a").exists()
    assert list(open_image(image).labels) == []


def test_a_resume_sweeps_only_the_levels_of_its_image(image: Path) -> None:
    (image / "tables").mkdir()
    (image / "tables" / "notes.partial").write_text("precious")
    (image / "0" / "c" / "9.partial").write_text("half a chunk")
    write_image(PLANE, image, **WORDS, resume=True)
    assert (image / "tables" / "notes.partial").read_text() == "precious"
    assert not (image / "0" / "c" / "9.partial").exists()


@pytest.mark.parametrize(
    "path", [".ome_ngff/0", ".ome_ngff", "labels", "labels/0", "zarr.json", ".zattrs", "0/zarr.json"]
)
def test_a_level_is_not_written_where_others_have_their_place(tmp_path: Path, path: str) -> None:
    pyramid = to_multiscales(to_ngff_image(PLANE, dims="yx"), scale_factors=[2])
    pyramid.metadata.datasets[0].path = path
    with pytest.raises(NgffError):
        to_ngff_zarr(tmp_path / "x.zarr", pyramid)
    assert every_file(tmp_path) == {}


# Links ---------------------------------------------------------------------------------------------------------------


def test_a_linked_level_is_replaced_by_removing_the_link(image: Path, tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (image / "0").rename(tmp_path / "big" / "0")
    (image / "0").symlink_to(tmp_path / "big" / "0")
    before = every_file(tmp_path / "big")
    write_image(PLANE[::-1], image, **WORDS, overwrite=True)
    assert every_file(tmp_path / "big") == before
    assert not (image / "0").is_symlink()
    np.testing.assert_array_equal(pixels(image)[0], PLANE[::-1])


def test_linked_labels_go_with_their_link_alone(image: Path, tmp_path: Path) -> None:
    write_labels(LABELS, image, "a")
    (image / "labels").rename(tmp_path / "kept")
    (image / "labels").symlink_to(tmp_path / "kept")
    before = every_file(tmp_path / "kept")
    write_image(PLANE, image, **WORDS, overwrite=True)
    assert every_file(tmp_path / "kept") == before
    assert list(open_image(image).labels) == []


def test_a_link_above_the_group_is_the_users(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    for words in ({}, {"overwrite": True}):
        write_image(PLANE, tmp_path / "home" / "x.zarr", **WORDS, **words)
    np.testing.assert_array_equal(pixels(tmp_path / "disk" / "x.zarr")[0], PLANE)


# Names of labels -----------------------------------------------------------------------------------------------------

NAMES = [
    "../../x", "/abs", "a\0b", "x" * 300, "..", ".", "", "a//b", "a\\..\\b", "zarr.json", ".zattrs", ".zgroup",
    ".zarray", ".ome_ngff.lock", ".ome_ngff", "a/zarr.json", "\udcff", "a/../b", "a\nb", "a\x1b[31mb", "é" * 120,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_that_cannot_be_one_is_refused(image: Path, name: str) -> None:
    before = every_file(image)
    with pytest.raises(NgffError):
        write_labels(LABELS, image, name)
    assert every_file(image) == before


@pytest.mark.parametrize("name", ["cells", "a/b", "é" * 40, "my cells", "0", "c", "labels", "nuclei.v2"], ids=ascii)
def test_any_other_name_is_written_and_read(image: Path, name: str) -> None:
    write_labels(LABELS, image, name)
    np.testing.assert_array_equal(open_image(image).labels[name].images[0].data, LABELS)


def test_links_inside_an_image_are_read(image: Path, tmp_path: Path) -> None:
    (image / "0").rename(tmp_path / "far")
    os.symlink(tmp_path / "far", image / "0")
    np.testing.assert_array_equal(open_image(image).images[0].data, PLANE)
