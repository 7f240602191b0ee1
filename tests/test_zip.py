"""Images as one file: written by every function that writes a whole image, and never half."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.storage import ZipStore

from ome_ngff import (
    ExistsError,
    FormatError,
    NgffError,
    OptionError,
    StoreError,
    open_image,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    validate,
    write_image,
    write_labels,
    write_multiscale,
    write_plate_metadata,
)
from ome_ngff.exceptions import TakenOverError
from ome_ngff.io import parse_url
from ome_ngff.store import zip as packages
from ome_ngff.writer import get_metadata

PIXELS = np.random.default_rng(0).integers(0, 4000, (20, 60, 70)).astype("uint16")


def by_to_ngff_zarr(place: Any, **words: Any) -> None:
    to_ngff_zarr(place, to_multiscales(PIXELS, [2], "local_mean", chunks=16), **words)


def by_write_image(place: Any, **words: Any) -> None:
    write_image(PIXELS, place, axes="zyx", scale_factors=[dict.fromkeys("zyx", 2)], method="local_mean", **words)


def by_write_multiscale(place: Any, **words: Any) -> None:
    write_multiscale([PIXELS, PIXELS[::2, ::2, ::2]], place, axes="zyx", **words)


WRITERS = [pytest.param(write, id=write.__name__) for write in (by_to_ngff_zarr, by_write_image, by_write_multiscale)]


@pytest.mark.parametrize("write", WRITERS)
def test_a_path_that_ends_in_zip_becomes_one_file(tmp_path: Path, write: Any) -> None:
    path = tmp_path / "new" / "a.ozx"
    write(path)
    assert [p.name for p in path.parent.iterdir()] == ["a.ozx"]
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert b'"jsonFirst": true' in archive.comment
    assert len(names) == len(set(names))
    assert names[0] == "zarr.json"
    np.testing.assert_array_equal(open_image(path).images[0].data.compute(), PIXELS)
    before = path.read_bytes()
    with pytest.raises(ExistsError, match="pass overwrite=True"):
        write(path, overwrite=False)
    assert path.read_bytes() == before
    write(path, overwrite=True)
    assert validate(path, data=True).valid


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.filterwarnings("error:Duplicate name")
def test_a_zip_that_somebody_has_open_gets_each_entry_once(tmp_path: Path, write: Any) -> None:
    with ZipStore(tmp_path / "a.zip", mode="w") as store:
        write(store)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
    assert len(names) == len(set(names))
    assert names[0] == "zarr.json"
    np.testing.assert_array_equal(open_image(tmp_path / "a.zip").images[0].data.compute(), PIXELS)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_a_folder_that_is_called_a_zip_stays_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.zip").mkdir()
    write_image(PIXELS, tmp_path / "a.zip", axes="zyx", scale_factors=[])
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a.zip" / "0", mode="r")[:], PIXELS)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_go_into_the_same_file(tmp_path: Path, version: str) -> None:
    multiscales = to_multiscales(PIXELS, [2], chunks=16)
    multiscales.labels = {"sevens": to_multiscales(PIXELS % 7, [2], "mode", chunks=16)}
    to_ngff_zarr(tmp_path / "a.zip", multiscales, version=version)
    with ZipStore(tmp_path / "b.zip", mode="w") as store:
        to_ngff_zarr(store, multiscales, version=version)
    for name in ("a.zip", "b.zip"):
        read = open_image(tmp_path / name, validate=True)
        assert read.metadata.version == version
        np.testing.assert_array_equal(read.labels["sevens"].images[0].data.compute(), PIXELS % 7)


def test_all_metadata_comes_first_in_the_file_and_its_directory(tmp_path: Path) -> None:
    multiscales = to_multiscales(PIXELS[0], [2], chunks=16)
    multiscales.labels = {"deep/down/sevens": to_multiscales(PIXELS[0] % 7, [2], "mode", chunks=16)}
    to_ngff_zarr(tmp_path / "a.ozx", multiscales)
    with ZipStore(tmp_path / "b.ozx", mode="w") as store:
        to_ngff_zarr(store, multiscales)
    for name in ("a.ozx", "b.ozx"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            listed = archive.infolist()
        for entries in (listed, sorted(listed, key=lambda entry: entry.header_offset)):
            depths = [entry.filename.count("/") for entry in entries if entry.filename.endswith("zarr.json")]
            assert depths == sorted(depths)
            assert all(entry.filename.endswith("zarr.json") for entry in entries[: len(depths)])


@pytest.mark.parametrize("write", WRITERS)
def test_what_a_killed_write_left_goes_with_the_next(tmp_path: Path, write: Any) -> None:
    code = f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import test_zip
        from ome_ngff.store import zip
        zip.pack = lambda *_: os._exit(9)
        test_zip.{write.__name__}({str(tmp_path / "a.ozx")!r})
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False).returncode == 9
    assert len(list(tmp_path.glob(".ome_ngff-*"))) == 1
    foreign = [tmp_path / name for name in (".ome_ngff-mine", "b.ozx", ".ome_ngff-0123456789abcdef-other")]
    for path in foreign:
        path.mkdir()
        (path / "notes.txt").write_text("mine")
    write(tmp_path / "a.ozx")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "a.ozx", *foreign])
    assert all((path / "notes.txt").is_file() for path in foreign)
    assert validate(tmp_path / "a.ozx", data=True).valid


@pytest.mark.parametrize("stage", ["writing", "packing", "replacing"])
def test_an_older_write_of_the_same_zip_stops(tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    by_write_image(tmp_path / "whole.ozx", name="newer")
    waiting = [1]

    def newer(*_: Any) -> None:
        if waiting:
            waiting.pop()
            by_write_image(tmp_path / "a.ozx", name="newer", overwrite=True)

    pack = packages.pack

    def packed(*paths: Path) -> None:
        if stage == "packing":
            newer()
        pack(*paths)
        if stage == "replacing":
            newer()

    monkeypatch.setattr(packages, "pack", packed)
    with pytest.raises(TakenOverError):
        by_write_image(tmp_path / "a.ozx", progress=newer if stage == "writing" else None)
    assert (tmp_path / "a.ozx").read_bytes() == (tmp_path / "whole.ozx").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ozx", "whole.ozx"]


def test_an_ozx_of_the_older_format_is_refused(tmp_path: Path) -> None:
    multiscales = to_multiscales(PIXELS, [2], chunks=16)
    for write in (
        lambda: to_ngff_zarr(tmp_path / "a.ozx", multiscales, version="0.4"),
        lambda: write_image(PIXELS, tmp_path / "a.ozx", axes="zyx", fmt="0.4"),
    ):
        with pytest.raises(FormatError, match=r"an \.ozx holds"):
            write()
    assert list(tmp_path.iterdir()) == []


def test_an_image_may_replace_the_file_that_it_is_read_from(tmp_path: Path) -> None:
    by_to_ngff_zarr(tmp_path / "a.zip")
    to_ngff_zarr(tmp_path / "a.zip", to_multiscales(open_image(tmp_path / "a.zip").images[0], [2, 4]))
    again = open_image(tmp_path / "a.zip")
    assert len(again.images) == 3
    np.testing.assert_array_equal(again.images[0].data.compute(), PIXELS)


def test_a_zip_is_looked_at_like_a_folder(tmp_path: Path) -> None:
    for name in ("a.zip", "a"):
        by_write_image(tmp_path / name)
    location = parse_url(tmp_path / "a.zip")
    assert location is not None
    assert location.exists()
    assert location.root_attrs == get_metadata(tmp_path / "a.zip") == get_metadata(tmp_path / "a")
    assert parse_url(tmp_path / "b.zip") is None


def test_callbacks_find_the_file_in_its_place(tmp_path: Path) -> None:
    image = to_ngff_image(PIXELS)
    found: list[int] = []
    image.computed_callbacks.append(lambda: found.append(len(open_image(tmp_path / "a.zip").images)))
    to_ngff_zarr(tmp_path / "a.zip", to_multiscales(image, [2]))
    assert found == [2]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    by_to_ngff_zarr(tmp_path / "a.zip")
    before = (tmp_path / "a.zip").read_bytes()

    def fail(done: int, count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        by_to_ngff_zarr(tmp_path / "a.zip", progress=fail)
    assert os.listdir(tmp_path) == ["a.zip"]
    assert (tmp_path / "a.zip").read_bytes() == before


def into_a_used_store(path: Path) -> None:
    with ZipStore(path, mode="w") as store:
        zarr.create_group(store)
        by_write_image(store, overwrite=True)


def into_a_group(path: Path) -> None:
    with ZipStore(path, mode="w") as store:
        by_write_image(zarr.create_group(store))


def no_zip(path: Path) -> None:
    path.write_bytes(b"PK no")
    open_image(path)


BAD = [
    pytest.param(into_a_used_store, ExistsError, "what is in a ZIP stays", id="store-in-use"),
    pytest.param(into_a_group, StoreError, "pass the store of", id="group-in-a-zip"),
    pytest.param(lambda p: by_write_image(p, resume=True), OptionError, "in one go", id="resume"),
    pytest.param(lambda p: by_write_image(p, compute=False), OptionError, "in one go", id="later"),
    pytest.param(lambda p: by_to_ngff_zarr(p, compute=False), OptionError, "in one go", id="later-too"),
    pytest.param(lambda p: by_write_image("memory://a/b.zip"), StoreError, "ZIP behind a URL", id="url"),
    pytest.param(lambda p: write_labels(PIXELS, p, "a", axes="zyx"), StoreError, "as a whole", id="labels-later"),
    pytest.param(
        lambda p: write_plate_metadata(p, ["A"], ["1"], ["A/1"]), StoreError, "as a whole", id="metadata-alone"
    ),
    pytest.param(no_zip, StoreError, "is not a ZIP", id="no-zip"),
    pytest.param(lambda p: open_image(p), FileNotFoundError, "no OME-Zarr at", id="nothing-there"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_what_a_zip_cannot_do_is_told_clearly(tmp_path: Path, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        call(tmp_path / "a.zip")
    assert isinstance(caught.value, NgffError)
    assert {p.name for p in tmp_path.iterdir()} <= {"a.zip"}
