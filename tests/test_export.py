"""`export`: a stored image as OME-TIFF, read back by tifffile and by `convert`."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner
from helpers import document, every_file, pixels

from ome_ngff import (
    AxesError,
    ExistsError,
    InputError,
    MissingError,
    OptionError,
    config,
    convert,
    export,
    open_image,
    open_input,
    write_image,
    write_labels,
)
from ome_ngff.cli import main
from ome_ngff.inputs import tiff_writing
from ome_ngff.read import StoredLevel

NOISE = np.random.default_rng(0)
SIZES = {"t": 2.5, "z": 0.5, "y": 0.1, "x": 0.13}
UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}


def made(where: Path, axes: str, shape: Any, dtype: str, **words: Any) -> np.ndarray[Any, Any]:
    """Write an image with sizes, units and a place, and give its pixels."""
    data = (NOISE.random(shape) * 120).astype(dtype)
    known = {"scale": {a: SIZES[a] for a in axes if a != "c"}, "axes_units": {a: UNITS[a] for a in axes if a != "c"}}
    write_image(data, where, axes=axes, name="Zellen & µ", **{**known, **words})
    return data


CHANNELS: dict[str, Any] = {
    "channel_names": ["DAPI", "GFP", "Zürich"],
    "channel_colors": ["0000FF", "00FF00", "FF0000"],
}
TINY = {"z": "angstrom", "y": "nanometer", "x": "millimeter"}
CASES = [
    pytest.param("tczyx", (2, 3, 4, 50, 70), "uint16", CHANNELS, id="5d"),
    pytest.param("zyx", (5, 50, 70), "float32", {}, id="volume"),
    pytest.param("yx", (50, 70), "uint8", {}, id="plane"),
    pytest.param("cyx", (3, 50, 70), "uint8", CHANNELS, id="three-channels-that-are-no-colours"),
    pytest.param("tyx", (4, 50, 70), "int32", {}, id="movie"),
    pytest.param("zyx", (5, 50, 70), "float64", {"axes_units": TINY}, id="units"),
    pytest.param("tyx", (4, 50, 70), "int8", {"axes_units": {"t": "hour", "y": "foot", "x": "inch"}}, id="odd-units"),
    pytest.param("zyx", (5, 50, 70), "uint16", {"translation": {"z": 3.0, "y": -7.5, "x": 100.0}}, id="place"),
    pytest.param("zyx", (5, 50, 70), "uint16", {"chunks": 16, "shards": 32, "fmt": "0.5"}, id="shards"),
    pytest.param("czyx", (3, 5, 50, 70), "uint32", {"fmt": "0.4"}, id="zarr-v2"),
]  # fmt: skip


@pytest.mark.parametrize(("axes", "shape", "dtype", "words"), CASES)
def test_what_is_exported_and_written_again_is_the_same(
    tmp_path: Path, axes: str, shape: Any, dtype: str, words: Any
) -> None:
    data = made(tmp_path / "a", axes, shape, dtype, **words)
    assert export(tmp_path / "a", tmp_path / "a.ome.tif") == [tmp_path / "a.ome.tif"]
    convert(tmp_path / "a.ome.tif", tmp_path / "b")
    back, first = pixels(tmp_path / "b")[0], pixels(tmp_path / "a")[0]
    np.testing.assert_array_equal(back, data)
    assert (back.dtype, first.dtype) == (data.dtype, data.dtype)
    one, other = (open_image(tmp_path / name).images[0] for name in "ab")
    assert (one.dims, one.scale, one.axes_units, one.name) == (other.dims, other.scale, other.axes_units, other.name)
    assert one.translation == other.translation
    labels, colors = (
        [[c.get(key) for c in document(tmp_path / n)["omero"]["channels"]] for n in "ab"] for key in ("label", "color")
    )
    assert labels[0] == labels[1]
    assert colors[0] == colors[1]


@pytest.mark.parametrize(("axes", "shape", "dtype", "words"), CASES)
def test_tifffile_reads_what_is_exported(tmp_path: Path, axes: str, shape: Any, dtype: str, words: Any) -> None:
    data = made(tmp_path / "a", axes, shape, dtype, **words)
    export(tmp_path / "a", tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        assert tiff.is_ome
        assert tiff.series[0].axes == axes.upper()
        assert tiff.pages.first.is_tiled
        np.testing.assert_array_equal(tiff.series[0].asarray(), data)
        image = next(e for e in ElementTree.fromstring(str(tiff.ome_metadata)).iter() if e.tag.endswith("Pixels"))
    units = {**UNITS, **words.get("axes_units", {})}
    for axis in axes.replace("c", ""):
        key = "TimeIncrement" if axis == "t" else f"PhysicalSize{axis.upper()}"
        assert float(image.get(key, 0)) == SIZES[axis]
        assert image.get(f"{key}Unit") == SYMBOLS[units[axis]]


SYMBOLS = {
    "second": "s", "hour": "h", "micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "angstrom": "Å",
    "foot": "ft", "inch": "in",
}  # fmt: skip


# Pyramids ------------------------------------------------------------------------------------------------------------


def test_levels_of_a_plane_are_those_of_the_image(tmp_path: Path) -> None:
    made(tmp_path / "a", "cyx", (2, 1300, 1100), "uint16", scale_factors=[2, 4], method="gaussian", chunks=256)
    export(tmp_path / "a", tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        assert tiff.series[0].is_pyramidal
        for level, wanted in zip(tiff.series[0].levels, pixels(tmp_path / "a"), strict=True):
            np.testing.assert_array_equal(level.asarray(), wanted)


def halves(data: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Average windows of 2 by 2 pixels, as far as there are some, in float64, and round half to even."""
    *outer, height, width = data.shape
    padded = np.pad(
        data.astype(float), [*[(0, 0)] * len(outer), (0, height % 2), (0, width % 2)], constant_values=np.nan
    )
    windows = padded.reshape(*outer, -(-height // 2), 2, -(-width // 2), 2)
    return np.rint(np.nanmean(windows, axis=(-3, -1))).astype(data.dtype)


@pytest.mark.parametrize("memory", ["512MiB", "1MiB"])
def test_a_volume_gets_levels_that_are_smaller_in_y_and_x_alone(tmp_path: Path, memory: str) -> None:
    data = made(tmp_path / "a", "zyx", (3, 1101, 1301), "uint16", scale=1.0, scale_factors=[{"z": 2, "y": 2, "x": 2}])
    with config.set(memory_target=memory):
        export(tmp_path / "a", tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        levels = tiff.series[0].levels
        assert [level.shape for level in levels] == [(3, 1101, 1301), (3, 551, 651), (3, 276, 326)]
        for level in levels:
            np.testing.assert_array_equal(level.asarray(), data)
            data = halves(data)


# Parts ---------------------------------------------------------------------------------------------------------------


def test_axes_of_one_pixel_that_a_tiff_cannot_tell_are_said(tmp_path: Path) -> None:
    made(tmp_path / "a", "tczyx", (1, 2, 1, 40, 40), "uint8", scale_factors=[2])
    with pytest.warns(UserWarning, match="has the length 1 along t,z, which an OME-TIFF cannot tell from no such"):
        export(tmp_path / "a", tmp_path / "a.ome.tif")
    assert tifffile.imread(tmp_path / "a.ome.tif").shape == (2, 40, 40)


def test_a_part_of_a_level_lies_where_it_lay(tmp_path: Path) -> None:
    made(tmp_path / "a", "czyx", (2, 8, 60, 80), "uint16", scale_factors=[2], translation={"y": 4.0})
    export(tmp_path / "a", tmp_path / "a.ome.tif", level=1, region={"z": (2, 5), "x": slice(10, None), "c": (1, 2)})
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.ome.tif"), pixels(tmp_path / "a")[1][1, 2:5, :, 10:])
    convert(tmp_path / "a.ome.tif", tmp_path / "b")
    whole, part = open_image(tmp_path / "a").images[1], open_image(tmp_path / "b").images[0]
    assert whole.scale is not None
    assert whole.translation is not None
    assert part.scale == {axis: whole.scale[axis] for axis in "zyx"}
    assert part.translation == pytest.approx(
        {
            "z": whole.translation["z"] + 2 * whole.scale["z"],
            "y": whole.translation["y"],
            "x": whole.translation["x"] + 10 * whole.scale["x"],
        }
    )


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        pytest.param({"region": "q=0:10"}, OptionError, "does not know 'q'", id="unknown-axis"),
        pytest.param({"region": "z=0:99"}, OptionError, r"z=0:99 is not inside .*, which has z=0:3", id="outside"),
        pytest.param({"region": "z=2:2"}, OptionError, "z=2:2 holds the centre of no pixel", id="empty"),
        pytest.param({"region": "z=1:2:1"}, OptionError, "A region is z=0:10,y=100:300", id="no-interval"),
        pytest.param({"region": "1:2"}, OptionError, "A region is z=0:10,y=100:300", id="no-axis"),
        pytest.param({"region": "z=0.5:2"}, OptionError, "counted in whole numbers", id="not-whole"),
        pytest.param({"region": "z=1", "unit": "meter"}, OptionError, "z=1 is not inside", id="in-meters"),
        pytest.param({"region": {"z": slice(0, 3, 2)}}, OptionError, "by axis from and to", id="steps"),
        pytest.param({"region": [1]}, OptionError, "is a dict", id="list"),
        pytest.param({"level": 2}, MissingError, "has the levels 0 to 0", id="level"),
        pytest.param({"compression": "jpeg"}, OptionError, "zlib, lzw, zstd, none", id="compression"),
        pytest.param({"output": "a.png"}, OptionError, "such as a.ome.tif", id="ending"),
        pytest.param({"output": "no/a.ome.tif"}, MissingError, "no folder", id="folder"),
        pytest.param({"output": "there.ome.tif"}, ExistsError, "is there already", id="exists"),
        pytest.param({"store": "nothing"}, MissingError, "no OME-Zarr", id="no-image"),
        pytest.param({"store": "long"}, InputError, "int64, which OME-TIFF has no type for", id="int64"),
        pytest.param({"store": "angle"}, AxesError, "has the axes t, c, z, y and x", id="custom-axis"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: Any, error: type[Exception], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    made(Path("a"), "zyx", (3, 20, 30), "uint16")
    write_image(np.zeros((20, 30), "int64"), "long", axes="yx")
    write_image(np.zeros((2, 20, 30), "uint8"), "angle", axes=[{"name": "angle", "type": "angle"}, "y", "x"])
    Path("there.ome.tif").write_text("precious")
    before = every_file(tmp_path)
    words = {"store": "a", "output": "a.ome.tif", **words}
    with pytest.raises(error, match=message):
        export(words.pop("store"), words.pop("output"), **words)
    assert every_file(tmp_path) == before


# Labels --------------------------------------------------------------------------------------------------------------


def test_labels_become_files_of_their_own(tmp_path: Path) -> None:
    made(tmp_path / "a", "czyx", (2, 3, 700, 600), "uint16", scale_factors=[2])
    cells = NOISE.integers(0, 70000, (3, 700, 600), "int64")
    write_labels(cells, tmp_path / "a", "cells")
    write_labels(cells > 3, tmp_path / "a", "deep/mask")
    files = export(tmp_path / "a", tmp_path / "a.ome.tif", region="y=10:690")
    assert [file.name for file in files] == ["a.ome.tif", "a-labels-cells.ome.tif", "a-labels-deep_mask.ome.tif"]
    found = tifffile.imread(files[1])
    np.testing.assert_array_equal(found, cells[:, 10:690])
    assert found.dtype == np.uint32
    with tifffile.TiffFile(files[1]) as tiff:
        assert set(np.unique(tiff.series[0].levels[1].asarray())) <= set(np.unique(cells))
    np.testing.assert_array_equal(tifffile.imread(files[2]), cells[:, 10:690] > 3)
    assert [file.name for file in export(tmp_path / "a", tmp_path / "b.ome.tif", labels=False)] == ["b.ome.tif"]
    half = export(tmp_path / "a", tmp_path / "c.ome.tif", level=1)
    np.testing.assert_array_equal(tifffile.imread(half[1]), pixels(tmp_path / "a" / "labels" / "cells")[1])


def test_labels_of_other_pixels_are_exported_where_they_lie(tmp_path: Path) -> None:
    made(tmp_path / "a", "czyx", (2, 4, 40, 60), "uint16", scale_factors=[], scale={"z": 2.0, "y": 0.5, "x": 0.5})
    coarse = NOISE.integers(0, 99, (4, 10, 15), "uint8")
    write_image(
        coarse, tmp_path / "a" / "labels" / "cells", axes="zyx", scale_factors=[], overwrite=True,
        scale={"z": 2.0, "y": 2.0, "x": 2.0}, translation={"y": 0.75, "x": 0.75}, axes_units="micrometer",
    )  # fmt: skip
    zarr.open_group(tmp_path / "a" / "labels").attrs["ome"] = {"version": "0.5", "labels": ["cells"]}
    files = export(tmp_path / "a", tmp_path / "a.ome.tif", region="c=1,z=1:3,y=8:24,x=20:")
    found = open_input(files[1])
    np.testing.assert_array_equal(found.data, coarse[1:3, 2:6, 5:])
    assert (found.scale["y"], found.translation["y"], found.translation["x"]) == (2.0, 0.75 + 2 * 2, 0.75 + 5 * 2)
    zarr.open_group(tmp_path / "a" / "labels" / "cells").attrs["ome"] = moved(tmp_path / "a" / "labels" / "cells")
    with pytest.warns(UserWarning, match="'cells' do not lie on what is exported"):
        assert len(export(tmp_path / "a", tmp_path / "b.ome.tif")) == 1


def moved(place: Path) -> Any:
    """Return the document of an image that lies elsewhere."""
    found = document(place)
    found["multiscales"][0]["datasets"][0]["coordinateTransformations"][1]["translation"] = [0, 900, 900]
    return found


def test_a_channel_is_chosen_by_a_name_that_is_a_number(tmp_path: Path) -> None:
    data = np.arange(2 * 20 * 30, dtype="uint16").reshape(2, 20, 30)
    write_image(data, tmp_path / "a", axes="cyx", channel_names=["1", "488"], scale_factors=[])
    for region, wanted in {"c=488": 1, "c=1": 1, "c=0": 0}.items():
        export(tmp_path / "a", tmp_path / "a.ome.tif", region=region, overwrite=True)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.ome.tif"), data[wanted])


def test_what_a_tiff_has_no_place_for_is_said(tmp_path: Path) -> None:
    write_image(np.zeros((2, 20, 30), "uint8"), tmp_path / "a", axes="tyx", scale={"t": 3.0})
    with pytest.warns(UserWarning, match="time step of 'image' has no unit"):
        export(tmp_path / "a", tmp_path / "a.ome.tif")


# Memory, and what is left of a process that is killed ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("axes", "shape", "chunks", "memory", "times"),
    [
        pytest.param("zyx", (12, 200, 200), (4, 64, 64), "512MiB", 1, id="planes-of-a-chunk-fit"),
        pytest.param("zyx", (12, 200, 200), (4, 64, 64), 4 * 2 * 40000 * 2, 1, id="two-planes-fit"),
        pytest.param("yx", (3000, 1000), (256, 256), 4 * 512 * 1000 * 2, 1, id="rows-fit"),
        pytest.param("tcyx", (2, 3, 200, 200), (1, 1, 64, 64), "512MiB", 1, id="times-and-channels"),
    ],
)  # fmt: skip
def test_each_chunk_is_read_once_within_the_memory_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, axes: str, shape: Any, chunks: Any, memory: Any, times: int
) -> None:
    made(tmp_path / "a", axes, shape, "uint16", chunks=chunks, scale_factors=[])
    boxes: list[Any] = []
    read = StoredLevel.read

    def measured(level: Any, box: Any) -> Any:
        boxes.append(box)
        return read(level, box)

    monkeypatch.setattr(StoredLevel, "read", measured)
    monkeypatch.setattr(tiff_writing, "_BUFFER", 2**16)
    with config.set(memory_target=memory):
        export(tmp_path / "a", tmp_path / "a.ome.tif", compression="none")
        room = config.memory_target // 4
    touched = sum(
        math.prod(-(-part.stop // n) - part.start // n for part, n in zip(box, chunks, strict=True)) for box in boxes
    )
    assert touched == times * math.prod(-(-n // m) for n, m in zip(shape, chunks, strict=True))
    assert max(2 * math.prod(part.stop - part.start for part in box) for box in boxes) <= room


@pytest.mark.parametrize(
    "memory", ["512MiB", 4 * 2 * 180 * 180 * 2, 4 * 64 * 180 * 2], ids=["layers", "planes", "rows"]
)
def test_a_part_between_chunks_reads_each_of_them_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: Any
) -> None:
    data = made(tmp_path / "a", "zyx", (12, 200, 200), "uint16", chunks=(4, 64, 64), scale_factors=[])
    seen: list[Any] = []
    read = StoredLevel.read

    def noted(level: Any, box: Any) -> Any:
        ranges = (range(part.start // n, -(-part.stop // n)) for part, n in zip(box, (4, 64, 64), strict=True))
        seen.extend(itertools.product(*ranges))
        return read(level, box)

    monkeypatch.setattr(StoredLevel, "read", noted)
    monkeypatch.setattr(tiff_writing, "_BUFFER", 2**16)
    with config.set(memory_target=memory):
        export(tmp_path / "a", tmp_path / "a.ome.tif", region="z=3:9,y=10:190,x=20:")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.ome.tif"), data[3:9, 10:190, 20:])
    assert len(seen) == len(set(seen)) == 3 * 3 * 4


def test_a_killed_export_leaves_nothing(tmp_path: Path) -> None:
    made(tmp_path / "a", "zyx", (5, 600, 700), "uint16")
    (tmp_path / "scratch").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.ome.tif").write_text("the old one")

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with config.set(cache_store=tmp_path / "scratch"):
        with pytest.raises(KeyboardInterrupt):
            export(tmp_path / "a", tmp_path / "out" / "a.ome.tif", overwrite=True, progress=stop)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.ome.tif"]
        assert (tmp_path / "out" / "a.ome.tif").read_text() == "the old one"
        calls: list[int] = []
        export(
            tmp_path / "a", tmp_path / "out" / "a.ome.tif", overwrite=True, progress=lambda done, _: calls.append(done)
        )
        assert calls == list(range(6))
    assert not [path for path in (tmp_path / "scratch").iterdir() if path.is_dir()]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "a.ome.tif"), pixels(tmp_path / "a")[0])


def test_the_command_line_exports(tmp_path: Path) -> None:
    data = made(tmp_path / "a", "zyx", (5, 60, 70), "uint16")
    words = ["export", str(tmp_path / "a"), str(tmp_path / "a.ome.tif"), "--region", "z=1:3,y=:50", "--json"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"files": [str(tmp_path / "a.ome.tif")]}
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.ome.tif"), data[1:3, :50])
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 2
    assert "pass --overwrite to replace it" in again.stderr
    assert CliRunner().invoke(main, [*words, "--overwrite", "--compression", "zstd", "-q"]).exit_code == 0


def test_every_compression_is_read_back(tmp_path: Path) -> None:
    data = made(tmp_path / "a", "zyx", (2, 60, 70), "uint16")
    for name, floats in itertools.product(("zlib", "lzw", "zstd", "none"), (False, True)):
        if floats:
            write_image(data.astype("float32"), tmp_path / "a", axes="zyx", overwrite=True)
        export(tmp_path / "a", tmp_path / "a.ome.tif", compression=name, overwrite=True)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.ome.tif"), data)
