"""`convert` and `open_input`: what the command line does, in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from helpers import datasets as datasets_of
from helpers import document, every_file, pixels, scale_of, translation_of

from ome_ngff import (
    Conversion,
    ExistsError,
    OptionError,
    convert,
    open_image,
    open_input,
    write_image,
    write_labels,
)
from ome_ngff.inputs import drafting

STACK = (np.arange(3 * 40 * 50) % 4001).astype("uint16").reshape(3, 40, 50)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A TIFF of ImageJ with sizes and a unit."""
    where = tmp_path / "in" / "stack.tif"
    where.parent.mkdir()
    metadata = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(where, STACK, imagej=True, resolution=(4, 4), metadata=metadata)
    return where


def test_a_file_becomes_an_image_with_what_it_states(stack: Path, tmp_path: Path) -> None:
    done = convert(stack, tmp_path / "a.ome.zarr", scale_factors=[2], name="mine")
    assert done == [Conversion(str(stack), str(tmp_path / "a.ome.zarr"))]
    image = open_image(tmp_path / "a.ome.zarr")
    np.testing.assert_array_equal(pixels(tmp_path / "a.ome.zarr")[0], STACK)
    assert image.metadata.name == "mine"
    assert image.images[0].scale == {"z": 2.0, "y": 0.25, "x": 0.25}
    assert set((image.images[0].axes_units or {}).values()) == {"micrometer"}
    assert [channel["active"] for channel in document(tmp_path / "a.ome.zarr")["omero"]["channels"]] == [True]


def test_what_the_caller_states_wins_axis_by_axis(stack: Path, tmp_path: Path) -> None:
    convert(stack, tmp_path / "a", scale={"z": 7.0}, translation={"x": 3.0}, axes_units={"z": "nanometer"}, omero=False)
    first = datasets_of(tmp_path / "a")[0]
    assert scale_of(first) == [7.0, 0.25, 0.25]
    assert translation_of(first) == [0.0, 0.0, 3.0]
    units = [axis["unit"] for axis in document(tmp_path / "a")["multiscales"][0]["axes"]]
    assert units == ["nanometer", "micrometer", "micrometer"]
    assert "omero" not in document(tmp_path / "a")


def test_several_files_become_images_named_after_them(stack: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "in" / "plane.npy", STACK[0])
    tifffile.imwrite(tmp_path / "in" / "b.ome.tif", STACK[0], metadata={"axes": "YX"})
    sources = [stack, tmp_path / "in" / "plane.npy", str(tmp_path / "in" / "b.ome.tif")]
    done = convert(sources, tmp_path / "out")
    assert [Path(each.output).name for each in done] == ["stack.ome.zarr", "plane.ome.zarr", "b.ome.zarr"]
    assert [each.input for each in done] == [str(source) for source in sources]
    for each, wanted in zip(done, (STACK, STACK[0], STACK[0]), strict=True):
        np.testing.assert_array_equal(pixels(each.output)[0], wanted)


@pytest.mark.parametrize(
    ("sources", "error", "message"),
    [
        pytest.param(["in/stack.tif", "other/stack.tif"], ExistsError, "would both become", id="equal-outputs"),
        pytest.param(STACK, OptionError, "A source is a path, or a list of paths", id="array"),
        pytest.param(["in/stack.tif", 3], OptionError, "a list of paths", id="number"),
    ],
)
def test_nothing_is_written_where_one_cannot_be(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: Any, error: type[Exception], message: str
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "stack.tif").write_bytes(stack.read_bytes())
    monkeypatch.chdir(tmp_path)
    before = every_file(tmp_path)
    with pytest.raises(error, match=message):
        convert(sources, "out")
    assert every_file(tmp_path) == before


def test_an_unknown_word_names_the_nearest(stack: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"convert does not know 'axis'. Did you mean 'axes'"):
        convert(stack, tmp_path / "a", axis="zyx")  # type: ignore[arg-type]


def test_labels_come_along_and_those_that_cannot_are_named(tmp_path: Path) -> None:
    write_image(STACK, tmp_path / "source", axes="zyx", scale_factors=[2])
    for name in ("cells", "lost"):
        write_labels((STACK % 5).astype("uint8"), tmp_path / "source", name)
    zarr.open_group(tmp_path / "source" / "labels" / "lost", mode="r+").attrs.clear()
    with pytest.warns(UserWarning, match="The labels 'lost' were left out"):
        (done,) = convert(tmp_path / "source", tmp_path / "copy", method="nearest")
    assert (done.labels, list(done.left_out)) == (("cells",), ["lost"])
    assert list(open_image(tmp_path / "copy").labels) == ["cells"]
    (done,) = convert(tmp_path / "source", tmp_path / "bare", labels=False)
    assert not done.labels
    assert not open_image(tmp_path / "bare").labels


def test_an_image_that_is_there_is_kept_unless_replaced(stack: Path, tmp_path: Path) -> None:
    convert(stack, tmp_path / "a", scale_factors=[2])
    before = every_file(tmp_path / "a")
    with pytest.raises(ExistsError, match="already holds an image"):
        convert(stack, tmp_path / "a", scale_factors=[2])
    convert(stack, tmp_path / "a", scale_factors=[2], resume=True)
    assert every_file(tmp_path / "a") == before
    convert(stack, tmp_path / "a", scale_factors=[], overwrite=True)
    assert len(datasets_of(tmp_path / "a")) == 1


def test_an_image_begun_since_the_look_is_no_folder_of_others(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = drafting.image_request

    def begun_meanwhile(*args: Any, **words: Any) -> Any:
        seen = request(*args, **words)
        write_image(STACK, tmp_path / "a", axes="zyx")
        return seen

    monkeypatch.setattr(drafting, "image_request", begun_meanwhile)
    (tmp_path / "a").mkdir()
    with pytest.raises(ExistsError, match="already holds an image"):
        convert(stack, tmp_path / "a")


def test_an_input_is_opened_without_reading_its_pixels(stack: Path) -> None:
    image = open_input(stack)
    assert (image.dims, image.data.shape, image.scale) == (
        ("z", "y", "x"),
        (3, 40, 50),
        {"z": 2.0, "y": 0.25, "x": 0.25},
    )
    np.testing.assert_array_equal(image.data[1], STACK[1])
