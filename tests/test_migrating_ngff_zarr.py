"""Scripts written for ngff-zarr 0.50: they run with their imports changed, and where they do not, we say why.

The scripts in `ngff_zarr_scripts` run with ngff-zarr as they stand, which `tox -e peers` shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from helpers import datasets, document, pixels, scale_of, translation_of
from ome_zarr_models.v04 import Image as Image04
from ome_zarr_models.v05 import Image as Image05

import ome_ngff
from ome_ngff import Methods, NgffError, OptionError, to_multiscales, to_ngff_image, to_ngff_zarr

SCRIPTS = Path(__file__).parent / "ngff_zarr_scripts"
NAMES = (
    "Axis Dataset LPS Metadata Methods Multiscales NgffImage NgffMultiscales Omero OmeroChannel OmeroWindow "
    "RAS Scale Translation __version__ config from_ngff_zarr from_ome_zarr to_multiscales to_ngff_image "
    "to_ngff_zarr to_ome_zarr"
)
METHODS = {
    "ITKWASM_GAUSSIAN": Methods.GAUSSIAN,
    "ITK_GAUSSIAN": Methods.GAUSSIAN,
    "DASK_IMAGE_GAUSSIAN": Methods.GAUSSIAN,
    "ITKWASM_BIN_SHRINK": Methods.LOCAL_MEAN,
    "ITK_BIN_SHRINK": Methods.LOCAL_MEAN,
    "DASK_BIN_SHRINK": Methods.LOCAL_MEAN,
    "ITKWASM_LABEL_IMAGE": Methods.MODE,
    "DASK_IMAGE_MODE": Methods.MODE,
    "DASK_IMAGE_NEAREST": Methods.NEAREST,
}
Run = Callable[[str], dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a script in an empty folder, after changing its imports and nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ome_ngff.config, "memory_target", ome_ngff.config.memory_target)

    def run_script(name: str) -> dict[str, Any]:
        text = (SCRIPTS / f"{name}.py").read_text()
        text = re.sub(r"^import ngff_zarr$", "import ome_ngff as ngff_zarr", text, flags=re.MULTILINE)
        text = re.sub(r"^(import|from) ngff_zarr\b", r"\1 ome_ngff", text, flags=re.MULTILINE)
        found: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(text, f"{name}.py", "exec"), found)
        return found

    return run_script


@pytest.mark.parametrize("name", [pytest.param(p.stem, id=p.stem) for p in sorted(SCRIPTS.glob("*.py"))])
def test_a_script_writes_images_that_other_readers_accept(run: Run, tmp_path: Path, name: str) -> None:
    run(name)
    images = [p.parent for p in tmp_path.rglob("*") if p.name in (".zgroup", "zarr.json") and is_image(p.parent)]
    assert images
    for path in images:
        model = Image05 if (path / "zarr.json").exists() else Image04
        model.from_zarr(zarr.open_group(path, mode="r"))


def is_image(path: Path) -> bool:
    return isinstance(zarr.open(path, mode="r"), zarr.Group) and "multiscales" in document(path)


def test_arguments_by_position_and_chunks_of_dask_mean_the_same(run: Run) -> None:
    script = run("by_position")
    np.testing.assert_array_equal(pixels("example.ome.zarr")[0], script["data"])
    assert zarr.open_array("whole.zarr/scale0/cells", mode="r").chunks == (16, 32, 64)
    assert document("whole.zarr")["multiscales"][0]["version"] == "0.4"
    stored = zarr.open_array("by_axis.zarr/scale0/cells", mode="r")
    assert (stored.chunks, stored.shards) == ((32, 32, 32), (32, 64, 64))
    np.testing.assert_array_equal(stored[...], script["volume"])


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        pytest.param({"y": (8, 16, 8)}, "one length, but for the last", id="uneven"),
        pytest.param({"y": (8, 16)}, "one length, but for the last", id="growing"),
        pytest.param({"y": ()}, "one length, but for the last", id="none"),
        pytest.param({"q": None}, "does not know 'q'", id="axis"),
    ],
)
def test_chunks_that_cannot_be_stored_are_refused(chunks: Any, message: str) -> None:
    with pytest.raises(NgffError, match=message):
        to_multiscales(np.zeros((32, 32), "uint8"), [2], chunks=chunks)


def test_words_of_ngff_zarr_that_cannot_be_kept_are_refused(tmp_path: Path) -> None:
    multiscales = to_multiscales(np.zeros((32, 32), "uint8"), [])
    for wrong in ((2,), (True, {})):
        with pytest.raises(OptionError, match="chunks are where the metadata is"):
            to_ngff_zarr(tmp_path / "a", multiscales, "0.5", True, *wrong)


def test_a_pyramid_writes_itself(tmp_path: Path) -> None:
    data = np.arange(32 * 32, dtype="uint16").reshape(32, 32)
    assert to_multiscales(data, [2], "Dask_Image_Nearest").to_ome_zarr(tmp_path / "a", "0.4") == []
    assert document(tmp_path / "a")["multiscales"][0]["version"] == "0.4"
    np.testing.assert_array_equal(pixels(tmp_path / "a")[1], data[::2, ::2])


@pytest.mark.parametrize("name", ["resize", "RESIZE", "Resize", "ITKWASM_Gaussian", "Resize_Image"])
def test_methods_are_known_in_any_case(name: str) -> None:
    assert Methods(name) in (Methods.RESIZE, Methods.GAUSSIAN)


def test_the_first_steps_end_where_they_should(run: Run) -> None:
    script = run("first_steps")
    first, *coarser = pixels("cells.ome.zarr")
    np.testing.assert_array_equal(first, script["pixels"])
    assert [level.shape for level in coarser] == [(128, 128), (64, 64)]
    assert [d["path"] for d in datasets("cells.ome.zarr")] == script["paths"] == [f"scale{k}/cells" for k in range(3)]
    assert [scale_of(d) for d in datasets("cells.ome.zarr")] == [[0.5, 0.5], [1, 1], [2, 2]]
    assert [translation_of(d) for d in datasets("cells.ome.zarr")] == [[10, 20], [10.25, 20.25], [10.75, 20.75]]
    np.testing.assert_array_equal(script["crop"], first[:16, :16])
    assert script["levels"][1][:4] == ((128, 128), np.dtype("uint8"), 1.0, 20.25)
    assert script["units"] == {"y": "micrometer", "x": "micrometer"}


def test_each_method_does_what_its_name_says(run: Run) -> None:
    script = run("methods")
    volume, series = script["volume"], script["series"]
    ones = np.add.reduce([volume[i::2, j::2, k::2].astype(float) for i in (0, 1) for j in (0, 1) for k in (0, 1)]) / 8
    np.testing.assert_array_equal(pixels("DASK_BIN_SHRINK.zarr")[1], np.rint(ones))
    for one, two in zip(pixels("DASK_IMAGE_GAUSSIAN.zarr"), pixels("ITKWASM_GAUSSIAN.zarr"), strict=True):
        np.testing.assert_array_equal(one, two)
    nearest = pixels("DASK_IMAGE_NEAREST.zarr")
    np.testing.assert_array_equal(nearest[1], (volume % 7)[:, ::2, ::2])
    assert {level.shape for level in nearest} == {(64, 64, 64), (64, 32, 32), (32, 16, 16)}
    for level in pixels("ITKWASM_LABEL_IMAGE.zarr"):
        assert set(np.unique(level)) <= set(range(7))
    np.testing.assert_array_equal(pixels("movie.zarr")[0], np.moveaxis(series, -1, 1))
    assert [axis["name"] for axis in document("movie.zarr")["multiscales"][0]["axes"]] == list("tczyx")
    assert script["default"].images[0].dims == ("c", "z", "y", "x")


def test_channels_are_shown_as_the_script_says(run: Run) -> None:
    script = run("channels")
    assert [c["label"] for c in document("channels.zarr")["omero"]["channels"]] == ["DNA", "actin"]
    assert (script["window"].start, script["window"].end) == (100, 3900)
    assert zarr.open_array("channels.zarr/scale0/image", mode="r").chunks == (1, 64, 64)


def test_shards_compression_and_versions_are_those_of_the_script(run: Run) -> None:
    script = run("shards")
    assert ome_ngff.config.memory_target == 10**8
    shards = {n: zarr.open_array(f"{n}.zarr/scale0/image", mode="r").shards for n in ("int", "tuple", "dict", "gzip")}
    assert shards == {"int": (32, 32, 32), "tuple": (16, 32, 32), "dict": (64, 32, 32), "gzip": None}
    assert "Gzip" in str(zarr.open_array("gzip.zarr/scale0/image", mode="r").compressors)
    assert (script["again"].metadata.version, script["single"].metadata.version) == ("0.4", "0.5")
    for read in (script["again"], script["single"]):
        np.testing.assert_array_equal(read.images[0].data.compute(), script["pixels"])


def test_values_made_by_hand_are_taken(run: Run) -> None:
    script = run("by_hand")
    np.testing.assert_array_equal(pixels("hand.zarr")[0], script["pixels"])
    assert document("hand.zarr")["multiscales"][0]["name"] == "by hand"
    assert script["darkest"] == 255 - script["pixels"].max()
    for name, lateral in (("oriented", "right-to-left"), ("ras", "left-to-right")):
        axes = document(f"{name}.zarr")["multiscales"][0]["axes"]
        assert axes[-1]["orientation"] == {"type": "anatomical", "value": lateral}
    np.testing.assert_array_equal(pixels("oriented.zarr/labels/bright")[0], script["pixels"] > 100)


@pytest.mark.parametrize("name", NAMES.split())
def test_names_of_ngff_zarr_are_here(name: str) -> None:
    assert getattr(ome_ngff, name) is not None


@pytest.mark.parametrize(("name", "member"), METHODS.items())
def test_methods_of_ngff_zarr_are_ours_by_another_name(name: str, member: Methods) -> None:
    assert Methods[name] is Methods(name.lower()) is member  # type: ignore[arg-type]
    assert name not in [m.name for m in Methods]


def test_a_tuple_of_chunks_means_the_dims_as_they_were_given() -> None:
    volume = np.zeros((10, 11, 12, 3), "uint8")
    for data in (volume, to_ngff_image(volume), ome_ngff.NgffImage(volume, "zyxc")):
        assert to_multiscales(data, [2], chunks=(5, 6, 7, 3)).chunks == {"c": 3, "z": 5, "y": 6, "x": 7}


REFUSED = [
    pytest.param({"chunks": 64}, "does not know 'chunks'", id="chunks"),
    pytest.param({"enabled_rfcs": [4]}, "does not know 'enabled_rfcs'", id="enabled-rfcs"),
    pytest.param({"compression": "gzip", "compressor": "zstd"}, "Give the compression once", id="compression-twice"),
    pytest.param({"version": "0.7"}, "OME-NGFF version '0.7' is not known", id="version"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_words_that_mean_nothing_here_are_refused(tmp_path: Path, words: dict[str, Any], message: str) -> None:
    with pytest.raises(NgffError, match=message):
        to_ngff_zarr(tmp_path / "i", to_multiscales(np.zeros((8, 8)), []), **words)
    assert not list(tmp_path.iterdir())


def test_what_is_no_pyramid_is_not_written(tmp_path: Path) -> None:
    for wrong in (np.zeros((8, 8)), to_ngff_image(np.zeros((8, 8)))):
        with pytest.raises(OptionError, match="from to_multiscales or open_image"):
            to_ngff_zarr(tmp_path / "i", wrong)  # type: ignore[arg-type]
