"""Places that are named relative to a folder: they stay what they are when the process goes to another one."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import dask
import dask.array as da
import h5py
import numpy as np
import pytest
import tifffile
import zarr
from helpers import pixels
from zarr.registry import get_pipeline_class, register_pipeline
from zarr.storage import LocalStore

import ome_ngff
from ome_ngff import (
    ExistsError,
    MissingError,
    OptionError,
    Scaler,
    StoreError,
    convert,
    open_image,
    open_input,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    validate,
    write_image,
    write_labels,
)

PLANE = (np.arange(60 * 70) % 4001 + 1).astype("uint16").reshape(60, 70)
WORDS: dict[str, Any] = {"axes": "yx", "chunks": 16, "scale_factors": [2]}


@attrs.frozen
class Named:
    """A place as a caller has it who works in another folder."""

    path: str

    def __fspath__(self) -> str:
        return self.path


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Begin in one folder; what is returned goes to another, where nothing is and nothing may come."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda: monkeypatch.chdir(tmp_path / "there")


PLACES: dict[str, Callable[[str], Any]] = {
    "text": str,
    "path": Path,
    "path-like": Named,
    "below": lambda name: f"../here/{name}",
    "file URL": lambda name: f"file://{name}",
    "store": LocalStore,
    "group": lambda name: zarr.open_group(name, mode="a"),
    "store path": lambda name: zarr.storage.StorePath(LocalStore(name)),
}


@pytest.mark.parametrize("kind", PLACES)
def test_tasks_write_where_the_place_was_when_they_were_made(elsewhere: Callable[[], None], kind: str) -> None:
    tasks = write_image(da.from_array(PLANE, chunks=20), PLACES[kind]("a.zarr"), **WORDS, compute=False)
    here = Path.cwd()
    elsewhere()
    dask.compute(*tasks, scheduler="synchronous")
    assert not list(Path.cwd().iterdir())
    np.testing.assert_array_equal(pixels(here / "a.zarr")[0], PLANE)


@pytest.mark.parametrize("kind", PLACES)
def test_what_is_open_is_read_where_it_was_opened(elsewhere: Callable[[], None], kind: str) -> None:
    write_image(PLANE, "a.zarr", **WORDS)
    write_labels(PLANE, "a.zarr", "cells")
    image = open_image(PLACES[kind]("a.zarr"))
    elsewhere()
    np.testing.assert_array_equal(image.images[0].data.compute(), PLANE)
    np.testing.assert_array_equal(image.labels["cells"].images[0].data.compute(), PLANE)


def packed(name: str) -> Any:
    to_ngff_zarr(f"{name}.ozx", to_multiscales(to_ngff_image(PLANE, "yx"), []), overwrite=False)
    return f"{name}.ozx"


def hdf5(name: str) -> Any:
    with h5py.File(f"{name}.h5", "w") as file:
        file["pixels"] = PLANE
    return f"{name}.h5"


def planes(name: str) -> Any:
    os.mkdir(name)
    for number in range(2):
        tifffile.imwrite(f"{name}/plane_{number}.tif", PLANE)
    return f"{name}/plane_*.tif"


def tiled(name: str) -> Any:
    tifffile.imwrite(f"{name}.tif", PLANE, tile=(16, 16), compression="zlib")
    return f"{name}.tif"


@pytest.mark.parametrize("make", [packed, hdf5, planes, tiled])
def test_files_are_read_where_they_were_opened(elsewhere: Callable[[], None], make: Callable[[str], Any]) -> None:
    data = open_input(make("a"), axes="zyx" if make is planes else "yx").data
    elsewhere()
    np.testing.assert_array_equal(np.asarray(data[:]).reshape(-1, *PLANE.shape)[0], PLANE)


@pytest.mark.parametrize("named", [str, Path, Named])
def test_a_package_is_opened_anew_where_it_was(elsewhere: Callable[[], None], named: Callable[[str], Any]) -> None:
    to_ngff_zarr(named("a.ozx"), to_multiscales(to_ngff_image(PLANE, "yx"), []))
    image = open_image(named("a.ozx"))
    elsewhere()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(image.images[0].data)).compute(), PLANE)


def stored(name: str) -> Any:
    zarr.create_array(f"{name}.zarr", shape=PLANE.shape, chunks=(16, 16), dtype=PLANE.dtype)[...] = PLANE
    return zarr.open_array(f"{name}.zarr", mode="r")


class Theirs(get_pipeline_class()):
    """A pipeline that is neither Zarr's nor the one in Rust."""


def with_a_pipeline_of_others(name: str) -> Any:
    register_pipeline(Theirs)
    with zarr.config.set({"codec_pipeline.path": f"{__name__}.Theirs"}):
        return stored(name)


def in_dask(name: str) -> Any:
    stored(name)
    return da.from_zarr(f"{name}.zarr")


def mapped(name: str) -> Any:
    np.save(f"{name}.npy", PLANE)
    return np.load(f"{name}.npy", mmap_mode="r")


@pytest.mark.parametrize("make", [stored, with_a_pipeline_of_others, in_dask, mapped])
def test_pixels_come_from_where_the_array_was_given(elsewhere: Callable[[], None], make: Callable[[str], Any]) -> None:
    here = Path.cwd()
    tasks = write_image(make("a"), "out.zarr", **WORDS, compute=False)
    lazy = to_ngff_image(make("b"), "yx").data
    elsewhere()
    dask.compute(*tasks, scheduler="synchronous")
    np.testing.assert_array_equal(pixels(here / "out.zarr")[0], PLANE)
    np.testing.assert_array_equal(lazy.compute(), PLANE)


def test_a_progress_that_changes_the_folder_moves_nothing(elsewhere: Callable[[], None]) -> None:
    here = Path.cwd()
    for name in "ab":
        tifffile.imwrite(f"{name}.tif", PLANE, tile=(16, 16), compression="zlib")
    package = to_multiscales(to_ngff_image(PLANE, "yx"), [2], chunks=16)
    with ome_ngff.config.set(memory_target="100kB", task_target="2kB", cache_store="spools"):
        Path("spools").mkdir()
        for write in (
            lambda: convert(["a.tif", "b.tif"], "out", axes="yx", progress=lambda *_: elsewhere()),
            lambda: to_ngff_zarr("c.ozx", package, progress=lambda *_: elsewhere()),
        ):
            os.chdir(here)
            write()
            assert Path.cwd() != here
            assert not list(Path.cwd().iterdir())
    assert {path.name for path in here.iterdir()} == {"a.tif", "b.tif", "c.ozx", "out", "spools"}
    for name in "ab":
        np.testing.assert_array_equal(pixels(here / "out" / f"{name}.ome.zarr")[0], PLANE)
    np.testing.assert_array_equal(open_image(here / "c.ozx").images[0].data.compute(), PLANE)


def test_temporary_arrays_stay_in_the_folder_that_was_named(elsewhere: Callable[[], None]) -> None:
    Path("spools").mkdir()
    with ome_ngff.config.set(cache_store="spools"):
        image = to_multiscales(to_ngff_image(da.from_array(PLANE) + 0, "yx"), [], cache=True)
        elsewhere()
        assert ome_ngff.config.cache_store.is_dir()
    np.testing.assert_array_equal(image.images[0].data.compute(), PLANE)


@pytest.mark.parametrize("source", [str, os.path.abspath], ids=["relative", "absolute"])
@pytest.mark.parametrize("target", [str, os.path.abspath], ids=["in relative", "in absolute"])
def test_in_place_finds_its_group_however_it_is_named(
    elsewhere: Callable[[], None], source: Callable[[str], str], target: Callable[[str], str]
) -> None:
    write_image(PLANE, "a.zarr", **{**WORDS, "scale_factors": []})
    zarr.open_group("a.zarr").attrs.clear()
    Scaler(max_layer=1, method="nearest", in_place=True).scale(source("a.zarr/0"), target("a.zarr"), axes="yx")
    np.testing.assert_array_equal(open_image("a.zarr").images[1].data.compute(), PLANE[::2, ::2])


def test_messages_name_places_as_the_caller_has_written_them(elsewhere: Callable[[], None]) -> None:
    write_image(PLANE, "sub/a.zarr", **WORDS)
    Path("file").touch()
    packed("p")
    said = [
        (ExistsError, r"^sub/a\.zarr already holds", lambda: write_image(PLANE, "sub/a.zarr", **WORDS)),
        (ExistsError, r"^file is a file", lambda: write_image(PLANE, "file/b/c.zarr", **WORDS)),
        (ExistsError, r"^p\.ozx already exists", lambda: packed("p")),
        (MissingError, r"at b\.zarr\.$", lambda: open_image("b.zarr")),
        (StoreError, r"from sub/a\.zarr/0, which is in sub/a\.zarr;", in_place),
    ]
    for error, words, call in said:
        with pytest.raises(error, match=words):
            call()


def in_place() -> None:
    write_image(open_image("sub/a.zarr").images[0].data + 1, "sub/a.zarr", **WORDS, overwrite=True)


@pytest.mark.parametrize("form", ["~/{}", "file://{}/{}"])
@pytest.mark.parametrize("name", ["cells.zarr", "cells.ozx"])
def test_what_is_written_at_home_is_read_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, name: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    tifffile.imwrite(tmp_path / "cells.tif", PLANE)
    file, place = (form.format(*[tmp_path] * (form.count("{}") - 1), each) for each in ("cells.tif", name))
    convert(file, place)
    assert (tmp_path / name).exists()
    assert validate(place).valid
    for read in (open_image(place).images[0], open_input(place)):
        np.testing.assert_array_equal(np.asarray(read.data), PLANE)


def test_a_tilde_of_nobody_is_part_of_the_name(elsewhere: Callable[[], None], tmp_path: Path) -> None:
    write_image(PLANE, "~nobody.zarr", **WORDS)
    assert (tmp_path / "here/~nobody.zarr/0").is_dir()
    np.testing.assert_array_equal(open_image("~nobody.zarr").images[0].data.compute(), PLANE)


def test_a_folder_that_is_just_made_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([False])  # at the first look it is not there yet
    is_dir = Path.is_dir

    def looked(place: Path) -> bool:
        return is_dir(place) and (place != tmp_path / "made" or next(looks, True))

    (tmp_path / "made").mkdir()
    monkeypatch.setattr(Path, "is_dir", looked)
    write_image(PLANE, tmp_path / "made", **WORDS)
    assert next(looks, None) is None


def test_a_link_that_leads_nowhere_is_no_place(elsewhere: Callable[[], None], tmp_path: Path) -> None:
    (tmp_path / "here/dead").symlink_to("nowhere")
    for place in ("dead", "dead/cells.zarr"):
        with pytest.raises(ExistsError, match="dead is a link that leads nowhere"):
            write_image(PLANE, place, **WORDS)
    with pytest.raises(OptionError, match="an empty text"):
        write_image(PLANE, "", **WORDS)
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["dead"]
