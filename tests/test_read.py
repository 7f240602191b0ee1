"""Reading of parts: `Multiscales.read`, patches, and parts that are written as images."""

from __future__ import annotations

import io
import itertools
import math
import multiprocessing
import os
import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import dask
import numpy as np
import pytest
from click.testing import CliRunner
from helpers import in_child
from hypothesis import given
from hypothesis import strategies as st

import ome_ngff
from ome_ngff import NgffImage, convert, export, open_image, to_multiscales, write_image, write_labels
from ome_ngff.cli import main
from ome_ngff.exceptions import AxesError, ChunkError, InputError, MissingError, NgffError, OptionError, ScaleError
from ome_ngff.read import StoredLevel

VOLUME = (np.arange(2 * 8 * 40 * 60) % 4001).astype("uint16").reshape(2, 8, 40, 60)
UNITS = {"z": "micrometer", "y": "micrometer", "x": "micrometer"}
WORDS: dict[str, Any] = {
    "axes": "czyx", "scale": {"z": 0.5, "y": 0.1, "x": 0.1}, "translation": {"x": 3.0}, "axes_units": UNITS,
    "channel_names": ["DAPI", "GFP"], "channel_colors": ["0000FF", "00FF00"], "chunks": 16, "scale_factors": [2, 4],
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An image of 8 x 40 x 60 pixels of 0.5 x 0.1 x 0.1 micrometers and two channels, with labels."""
    where = tmp_path / "a.ome.zarr"
    write_image(VOLUME, where, **WORDS)
    write_labels((VOLUME[0] % 5).astype("uint8"), where, "nuclei", axes="zyx", scale_factors=[2, 4])
    return where


ALL = {"c": (0, 2), "z": (0, 8), "y": (0, 40), "x": (0, 60)}


@pytest.mark.parametrize(
    ("region", "box"),
    [
        pytest.param({}, {}, id="whole"),
        pytest.param({"y": (1.0, 2.0)}, {"y": (10, 20)}, id="interval"),
        pytest.param({"y": (0.95, 1.95)}, {"y": (10, 20)}, id="centres"),
        pytest.param({"y": (0.9, 1.1)}, {"y": (9, 11)}, id="rounding"),
        pytest.param({"y": (-0.04, 4.0)}, {}, id="to-the-edges"),
        pytest.param({"x": (None, 3.5)}, {"x": (0, 5)}, id="open-below"),
        pytest.param({"x": slice(3.5, None)}, {"x": (5, 60)}, id="open-above"),
        pytest.param({"y": slice(1.0, 2.0, 1)}, {"y": (10, 20)}, id="step-of-one"),
        pytest.param({"z": 1.3}, {"z": (3, 4)}, id="nearest"),
        pytest.param({"z": 1.25}, {"z": (3, 4)}, id="the-later-of-two-as-near"),
        pytest.param({"z": 0.75}, {"z": (2, 3)}, id="the-later-of-two-as-near-again"),
        pytest.param({"z": -0.2}, {"z": (0, 1)}, id="nearest-to-the-edge"),
        pytest.param({"c": "GFP", "Z": 0}, {"c": (1, 2), "z": (0, 1)}, id="channel-and-long-name"),
        pytest.param({"c": 0}, {"c": (0, 1)}, id="channel-by-number"),
        pytest.param({"z": (0.5, 1.5), "y": np.float32(3), "x": (3, 9)}, {"z": (1, 3), "y": (30, 31)}, id="several"),
    ],
)
def test_a_region_selects_pixels_by_their_centres(place: Path, region: Any, box: dict[str, tuple[int, int]]) -> None:
    image = open_image(place)
    found, box = image.read(**region), {**ALL, **box}
    assert type(found.data) is np.ndarray
    np.testing.assert_array_equal(found.data, VOLUME[tuple(slice(*ends) for ends in box.values())])
    assert found.scale == image.images[0].scale
    starts = {"c": 0, "z": 0.5 * box["z"][0], "y": 0.1 * box["y"][0], "x": 3 + 0.1 * box["x"][0]}
    assert found.translation == pytest.approx(starts)
    assert found.channel_names == ["DAPI", "GFP"][slice(*box["c"])]
    assert found.axes_units == UNITS


@pytest.mark.parametrize(
    ("words", "level"),
    [
        pytest.param({}, 0, id="default"),
        pytest.param({"resolution": 0.1}, 0, id="exact"),
        pytest.param({"resolution": 0.19}, 0, id="between"),
        pytest.param({"resolution": 0.2}, 1, id="second"),
        pytest.param({"resolution": 1e9}, 2, id="coarsest"),
        pytest.param({"level": 1}, 1, id="number"),
    ],
)
def test_the_coarsest_level_that_is_fine_enough_is_read(place: Path, words: Any, level: int) -> None:
    image = open_image(place)
    found, whole = image.read(x=(3.5, 5.5), c="DAPI", **words), image.images[level]
    centres = whole.translation["x"] + whole.scale["x"] * np.arange(whole.data.shape[3])  # type: ignore[index]
    inside = np.flatnonzero((centres >= 3.5 - 1e-9) & (centres < 5.5 - 1e-9))
    np.testing.assert_array_equal(found.data, whole.data[:1, ..., inside].compute())
    assert found.translation["x"] == pytest.approx(centres[inside[0]])  # type: ignore[index]
    assert found.scale == whole.scale


@given(
    st.integers(1, 40), st.fractions(Fraction(1, 50), 5, max_denominator=50), st.fractions(-9, 9, max_denominator=20),
    st.lists(st.fractions(0, 1, max_denominator=30), min_size=1, max_size=5),
)  # fmt: skip
def test_intervals_that_touch_share_no_pixel(size: int, step: Fraction, start: Fraction, cuts: list[Fraction]) -> None:
    data = np.arange(2 * size).reshape(2, size)
    image = NgffImage(data, ("y", "x"), {"x": float(step)}, {"x": float(start)})
    low = start - step / 2
    borders = sorted({low + cut * size * step for cut in cuts} | {low, low + size * step})
    found = []
    for a, b in itertools.pairwise(borders):
        exact = [i for i in range(size) if a <= start + i * step < b]
        if exact:
            part = to_multiscales(image, []).read(x=(float(a), float(b)))
            assert part.data[0].tolist() == exact
            found += part.data[0].tolist()
    assert found == list(range(size))


def test_of_what_runs_backwards_a_centre_on_the_border_is_inside() -> None:
    rows = np.arange(4)[:, None]
    image = attrs.evolve(to_multiscales(rows, []), images=[NgffImage(rows, "yx", {"y": -0.1}, {"y": 0.3})])
    assert (0.1 - 0.3) / -0.1 < 2
    assert image.read(y=(0.1, 0.3)).data.ravel().tolist() == [1, 2]


def test_what_is_read_of_pixels_in_memory_is_a_copy() -> None:
    given = np.zeros((4, 4), "uint8")
    to_multiscales(NgffImage(given, "yx"), []).read(y=(1, 3)).data[...] = 1
    assert not given.any()


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        pytest.param({"y": (0, 4.2)}, OptionError, "y=0:4.2 is not inside .* 40 pixels of 0.1 micrometer", id="beyond"),
        pytest.param({"x": (2.5, 4)}, OptionError, "x=2.5:4 is not inside", id="before"),
        pytest.param({"x": 2.9}, OptionError, "x=2.9 is not inside", id="number-outside"),
        pytest.param({"x": (0, 4), "resolution": 0.4}, OptionError, "x=0:4 is not inside", id="outside-of-level-0"),
        pytest.param({"z": (0.1, 0.4)}, OptionError, "holds the centre of no pixel", id="between-centres"),
        pytest.param({"z": (2, 1)}, OptionError, "holds the centre of no pixel", id="backwards"),
        pytest.param({"q": 1}, OptionError, "does not know 'q'", id="axis"),
        pytest.param({"c": "dapi"}, OptionError, "no c='dapi'; .* DAPI, GFP. Did you mean 'DAPI'", id="channel"),
        pytest.param({"z": "5"}, OptionError, "no z='5'", id="text"),
        pytest.param({"z": "GFP"}, OptionError, "no z='GFP'", id="channel-elsewhere"),
        pytest.param({"z": 1, "Z": 2}, AxesError, r"named once \(got z, Z\)", id="axis-twice"),
        pytest.param({"z": True}, OptionError, "by axis from and to, or a number", id="bool"),
        pytest.param({"z": math.nan}, OptionError, "by axis from and to, or a number", id="nan"),
        pytest.param({"z": slice(0, 2, 2)}, OptionError, "by axis from and to", id="step"),
        pytest.param({"resolution": 0.05}, ScaleError, "finest pixels are of 0.1", id="too-fine"),
        pytest.param({"resolution": 0}, OptionError, "above zero", id="no-resolution"),
        pytest.param({"resolution": 1, "level": 1}, OptionError, "exclude each other", id="both"),
        pytest.param({"level": 3}, OptionError, "levels 0 to 2", id="level"),
    ],
)
def test_what_cannot_be_read_is_refused(place: Path, words: Any, error: type[NgffError], message: str) -> None:
    with pytest.raises(error, match=message):
        open_image(place).read(**words)


def test_a_channel_that_two_have_the_name_of_is_refused() -> None:
    image = to_multiscales(NgffImage(np.zeros((2, 4, 4), "uint8"), "cyx", channel_names=["GFP", "GFP"]), [])
    with pytest.raises(OptionError, match="2 channels 'GFP'; say which by its number"):
        image.read(c="GFP")


@pytest.mark.parametrize(
    ("region", "rows"),
    [
        pytest.param({}, range(10), id="whole"),
        pytest.param({"y": 6.1}, [2], id="number"),
        pytest.param({"y": (3.0, 6.0)}, [3, 4], id="interval"),  # rows 2 to 4 lie at 6, 4.5 and 3
        pytest.param({"y": (None, 0.0)}, [7, 8, 9], id="open-below"),
        pytest.param({"y": (7.5, None)}, [0, 1], id="open-above"),
    ],
)
def test_an_axis_that_runs_backwards_is_read_by_centres_too(region: Any, rows: Any) -> None:
    rows_of = np.arange(10, dtype="uint8")[:, None] + np.zeros((10, 4), "uint8")
    images = [NgffImage(rows_of, "yx", {"y": -1.5}, {"y": 9.0}), NgffImage(rows_of[::2], "yx", {"y": -3.0}, {"y": 9.0})]
    image = attrs.evolve(to_multiscales(rows_of, []), images=images)
    for found in (image.read(**region), image.read(resolution=2, **region)):  # of level 1 they are larger than that
        assert found.data[:, 0].tolist() == list(rows)
        assert found.translation == {"y": 9.0 - 1.5 * rows[0], "x": 0.0}


@pytest.mark.parametrize(
    ("start", "region", "rows"),
    [
        pytest.param(0.5, {"y": 8}, [3], id="number"),  # nearest to a row that level 1 has not
        pytest.param(0.5, {"y": (6, 8.6)}, [3], id="interval"),
        pytest.param(2.5, {"y": (0, 5)}, [0, 1], id="first-rows"),
    ],
)
def test_regions_end_where_a_level_whose_border_was_cut_off_does(start: float, region: Any, rows: Any) -> None:
    fine, coarse = (np.arange(n, dtype="uint8")[:, None] + np.zeros((n, 4), "uint8") for n in (9, 4))
    images = [NgffImage(fine, "yx"), NgffImage(coarse, "yx", {"y": 2.0}, {"y": start})]
    image = attrs.evolve(to_multiscales(fine, []), images=images)
    assert image.read(level=1, **region).data[:, 0].tolist() == list(rows)


def test_of_levels_with_pixels_of_one_size_the_coarsest_is_read() -> None:
    images = [NgffImage(np.zeros((n, 4, 4), "uint8"), "zyx", {"z": 8 / n, "y": 0.5, "x": 0.25}) for n in (8, 4, 2)]
    image = attrs.evolve(to_multiscales(images[0], []), images=images)
    assert image.read(resolution=0.5).scale == images[2].scale
    with pytest.raises(ScaleError, match=r"finest pixels are of 0\.5"):
        image.read(resolution=0.4)


@pytest.mark.parametrize(
    ("channel", "index"), [(1, 1), (0, 0), ("0", 1), ("1", 0), (488, 2), ("488", 2), ((1, 3), slice(1, 3))], ids=repr
)
def test_a_channel_is_counted_unless_only_a_name_can_be_meant(channel: Any, index: Any) -> None:
    data = np.arange(48).reshape(3, 4, 4)
    image = NgffImage(data, "cyx", {"c": 2.0}, {"c": -4.0}, channel_names=["1", "0", "488"])
    found = to_multiscales(image, []).read(c=channel)
    assert found.data.tolist() == data[index].reshape(-1, 4, 4).tolist()


def test_a_channel_has_a_whole_number() -> None:
    image = to_multiscales(NgffImage(np.zeros((2, 4, 4), "uint8"), "cyx"), [])
    with pytest.raises(OptionError, match=r"whole numbers \(got c=0.4\)"):
        image.read(c=0.4)


def test_a_part_shows_its_channels_as_the_whole_does() -> None:
    windows = [(1.0, 5.0), (1.0, 6.0)]
    image = NgffImage(np.zeros((2, 4, 4), "uint8"), "cyx", channel_windows=windows)
    assert to_multiscales(image, []).read(c=1).channel_windows == windows[1:]


def _boxes_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by each box that is read of a stored level from now on."""
    boxes: list[str] = []
    own = StoredLevel.read

    def noted(level: StoredLevel, box: Any) -> Any:
        boxes.append(f"{level.where} {box}")
        return own(level, box)

    monkeypatch.setattr(StoredLevel, "read", noted)
    return boxes


def test_a_read_needs_no_dask_and_one_call(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = _boxes_read(monkeypatch)
    image = open_image(place)
    with dask.config.set(scheduler=pytest.fail):
        image.read(x=(3, 5), z=1)
    assert len(boxes) == 1


def test_a_read_opens_the_chunks_it_needs_and_no_document(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    own = io.open

    def noted(file: Any, *args: Any, **words: Any) -> Any:
        if str(file).startswith(str(place)):
            looked.append(str(Path(file).relative_to(place)))
        return own(file, *args, **words)

    monkeypatch.setattr("builtins.open", noted)
    monkeypatch.setattr("io.open", noted)
    image = open_image(place)
    assert sorted(looked) == [*(f"{level}/zarr.json" for level in "012"), "zarr.json"]
    looked.clear()
    image.read(c="GFP", y=(2.0, 3.0), x=3.0)  # rows 20 to 30, in one chunk
    assert looked == ["0/c/1/0/1/0"] * 2  # at what it says of itself, and at its blocks


def test_a_level_is_named_as_no_image(tmp_path: Path) -> None:
    write_image(np.zeros((8, 8), "uint8"), tmp_path / "a.zarr", axes="yx", scale_factors=[])
    with pytest.raises(InputError, match=r"0 is an array, and an image is a group of arrays"):
        open_image(tmp_path / "a.zarr" / "0")


def test_what_was_read_is_not_the_array_it_came_from() -> None:
    data = np.zeros((20, 20), "uint8")
    part = to_multiscales(data, []).read(x=(0, 5))
    part.data[:] = 1
    assert not data.any()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_reads_what_its_parent_opened(place: Path) -> None:
    image = open_image(place)
    np.testing.assert_array_equal(image.read(level=1).data, image.images[1].data.compute())  # all threads are there
    assert in_child(lambda: bool((image.read(c="GFP").data == VOLUME[1:]).all()))


def test_what_waits_for_an_image_does_not_wait_for_its_parts(tmp_path: Path) -> None:
    called: list[int] = []
    image = NgffImage(VOLUME[0, 0], "yx", computed_callbacks=[lambda: called.append(1)])
    part = to_multiscales(image, []).read(x=(0, 20))
    to_multiscales(part, []).to_ome_zarr(tmp_path / "part")
    assert called == []
    to_multiscales(image, []).to_ome_zarr(tmp_path / "whole")
    assert called == [1]


# Patches -------------------------------------------------------------------------------------------------------------


def test_patches_and_their_labels_lie_on_each_other(place: Path) -> None:
    patches = open_image(place).patches({"z": 4, "y": 16, "x": 16}, seed=3, count=9, labels="nuclei", c="DAPI")
    assert len(list(patches)) == len(patches) == 9
    for image, labels in patches:
        assert image.shape == (1, 4, 16, 16)
        np.testing.assert_array_equal(image[0] % 5, labels)
    assert len({patches.box(k) for k in range(9)}) > 5
    again = open_image(place).patches({"z": 4, "y": 16, "x": 16}, seed=3, count=2, labels="nuclei", c="DAPI")
    assert [again.box(k) for k in range(2)] == [patches.box(k) for k in range(2)]


def test_patches_of_seeds_in_a_row_do_not_repeat_each_other(place: Path) -> None:
    image = open_image(place)
    boxes = [image.patches((1, 1, 8, 8), seed=seed, count=20).box(k) for seed in range(5) for k in range(20)]
    assert len(set(boxes)) > 90  # of 28 000 places


def test_labels_of_one_plane_go_with_patches_of_all_planes(place: Path) -> None:
    write_labels((VOLUME[0, :1] % 7).astype("uint8"), place, "plane", axes="zyx")
    patches = open_image(place).patches({"z": 2, "y": 16, "x": 16}, labels="plane", c="GFP")
    for k, (_, labels) in enumerate(patches):
        y, x = (slice(*ends) for ends in patches.box(k)[2:])
        np.testing.assert_array_equal(labels, VOLUME[0, :1, y, x] % 7)


@pytest.mark.parametrize(
    ("shape", "scale", "start"),
    [
        pytest.param((8, 20, 60), {}, {}, id="a-part"),
        pytest.param((8, 80, 60), {"y": 0.05}, {}, id="finer"),
        pytest.param((8, 40, 60), {"y": 0.102}, {}, id="one-pixel-off-at-the-end"),
        pytest.param((8, 40, 60), {}, {"x": 3.1}, id="moved"),
    ],
)
def test_labels_that_lie_elsewhere_have_no_patches(place: Path, shape: Any, scale: Any, start: Any) -> None:
    image = open_image(place)
    sizes, starts = {"z": 0.5, "y": 0.1, "x": 0.1, **scale}, {"x": 3.0, **start}
    image.labels = {"cells": to_multiscales(NgffImage(np.ones(shape, "uint8"), "zyx", sizes, starts), [])}
    with pytest.raises(MissingError, match="'cells' have no level with the pixels of 2 x 8 x 40 x 60"):
        image.patches(8, labels="cells")


def test_patches_on_a_coarse_level_have_its_labels(place: Path) -> None:
    image = open_image(place)
    patches = image.patches(8, seed=0, labels="nuclei", resolution=0.2, x=(4, 8))
    (low, high) = patches.region[3]
    assert image.images[1].translation["x"] + 0.2 * low >= 4 - 1e-9  # type: ignore[index]
    pixels, labels = image.images[1].data.compute(), image.labels["nuclei"].images[1].data.compute()
    for k, (part, cells) in enumerate(patches):
        where = tuple(slice(*ends) for ends in patches.box(k))
        assert low <= where[3].start < where[3].stop <= high
        np.testing.assert_array_equal(part, pixels[where])
        np.testing.assert_array_equal(cells, labels[where[1:]])


def test_patches_without_a_seed_tile_the_image(place: Path) -> None:
    patches = open_image(place).patches((2, 3, 16, 25))
    seen = np.zeros(VOLUME.shape, int)
    for k, patch in enumerate(patches):
        where = tuple(slice(*ends) for ends in patches.box(k))
        np.testing.assert_array_equal(patch, VOLUME[where])
        seen[where] += 1
    assert (seen > 0).all()
    assert len(patches) == 3 * 3 * 3
    with pytest.raises(IndexError):
        patches[27]
    with pytest.raises(TypeError, match="slice"):
        patches[:2]
    np.testing.assert_array_equal(patches[-1], VOLUME[:, 5:, 24:, 35:])
    assert len(open_image(place).patches((2, 3, 16, 25), count=27)) == 27


@pytest.mark.parametrize(
    ("size", "words", "error", "message"),
    [
        pytest.param(99, {}, OptionError, "larger than what they are cut from, 2 x 8 x 40 x 60", id="large"),
        pytest.param(0, {}, ChunkError, "above zero", id="zero"),
        pytest.param(8, {"labels": "cells"}, MissingError, "no labels 'cells'; there are nuclei", id="labels"),
        pytest.param(8, {"seed": -1}, OptionError, "seed is a whole number, at least 0", id="seed"),
        pytest.param(8, {"count": 0}, OptionError, "count is a whole number, at least 1", id="count"),
        pytest.param(8, {"count": 41}, OptionError, "40 patches tile .*; give a seed", id="too-many"),
    ],
)
def test_patches_that_cannot_be_are_refused(
    place: Path, size: Any, words: Any, error: type[NgffError], message: str
) -> None:
    with pytest.raises(error, match=message):
        open_image(place).patches(size, **words)


def _sum(patches: Any, number: int) -> int:
    return int(patches[number][0].sum())


def test_patches_survive_pickling(place: Path) -> None:
    patches = open_image(place).patches(8, seed=1, labels="nuclei")
    copy = pickle.loads(pickle.dumps(patches))
    for one, other in zip(patches[4], copy[4], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("how", [h for h in ("fork", "spawn") if h in multiprocessing.get_all_start_methods()])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_workers_read_patches_however_they_start(place: Path, how: str) -> None:
    patches = open_image(place).patches(8, seed=1, count=6, labels="nuclei")
    expected = [_sum(patches, k) for k in range(6)]
    with multiprocessing.get_context(how).Pool(2) as pool:
        assert pool.starmap(_sum, [(patches, k) for k in range(6)]) == expected


def test_a_datatree_has_all_levels_in_space(place: Path) -> None:
    image = open_image(place)
    tree = image.to_datatree()
    assert list(tree.children) == ["scale0", "scale1", "scale2", "labels"]
    level = tree[f"scale1/{image.images[0].name}"]
    np.testing.assert_allclose(level.coords["x"][:2], [3.05, 3.25])
    np.testing.assert_array_equal(level.values, image.images[1].data.compute())
    assert tree["labels/nuclei/scale2"].sizes["x"] == 15


@pytest.mark.parametrize("name", [pytest.param("/", id="of-the-root"), pytest.param("x", id="of-an-axis"), ""])
def test_a_datatree_names_what_it_cannot_call_by_its_name(name: str) -> None:
    image = to_multiscales(NgffImage(np.zeros((4, 4), "uint8"), "yx", name=name), [])
    assert list(image.to_datatree()["scale0"].data_vars) == ["image"]


# Parts that are written ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["z=2:6,y=10:30"], np.s_[:, 2:6, 10:30], id="pixels"),
        pytest.param(["z=1:3,y=1:3", "--unit", "micrometer"], np.s_[:, 2:6, 10:30], id="units-of-the-image"),
        pytest.param(["z=1000:3000,y=1000:3000", "--unit", "nm"], np.s_[:, 2:6, 10:30], id="other-units"),
        pytest.param(["z=2:6,y=1:3", "--unit", "y=um"], np.s_[:, 2:6, 10:30], id="units-by-axis"),
        pytest.param(["c=GFP,z=3"], np.s_[1:, 3:4], id="channel-and-plane"),
    ],
)
def test_a_part_is_written_with_its_labels(place: Path, tmp_path: Path, words: list[str], expected: Any) -> None:
    call = ["write", str(place), str(tmp_path / "b"), "--scale-factors", "2", "--region", *words]
    result = CliRunner().invoke(main, call)
    assert result.exit_code == 0, result.output
    found, whole = open_image(tmp_path / "b"), open_image(place)
    np.testing.assert_array_equal(found.images[0].data.compute(), VOLUME[expected])
    cells = found.labels["nuclei"].images
    np.testing.assert_array_equal(cells[0].data.compute(), VOLUME[0][expected[1:]] % 5)
    assert found.images[0].scale == whole.images[0].scale
    assert found.images[0].axes_units == UNITS
    starts = {"z": 0.5 * (expected[1].start or 0), "y": 0.1 * (10 if len(expected) > 2 else 0), "x": 3.0}
    assert found.images[0].translation == pytest.approx({"c": 0.0, **starts})
    assert cells[0].translation == pytest.approx(starts)
    assert found.images[1].translation["x"] == pytest.approx(3.05)  # type: ignore[index]
    assert found.images[0].channel_names == ["DAPI", "GFP"][expected[0]]


def test_a_part_reads_only_the_chunks_it_touches(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = _boxes_read(monkeypatch)
    convert(place, tmp_path / "b", region="c=0,y=20:38,x=10:40", labels=False, scale_factors=[])
    assert len(boxes) == len(set(boxes)) == 2 * 3  # rows of chunks 16:32 and 32:40, columns 0:16 to 32:48


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param({"region": "y=0:50"}, "y=0:50 is not inside the image, which has y=0:40", id="outside"),
        pytest.param({"region": "y=0.5:3"}, "counted in whole numbers", id="half-a-pixel"),
        pytest.param(
            {"region": "y=0:3", "unit": {"y": "second"}}, "measured in micrometer, not in 'second'", id="unit"
        ),
        pytest.param({"region": "y=0:3", "verify": True}, "verify=True compares whole images", id="verify"),
    ],
)
def test_a_part_that_cannot_be_written_is_refused(place: Path, tmp_path: Path, words: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        convert(place, tmp_path / "b", **words)
    assert not (tmp_path / "b").exists()


def test_an_export_takes_the_same_regions(place: Path, tmp_path: Path) -> None:
    export(place, tmp_path / "b.ome.tif", region="c=GFP,y=1:3", unit="micrometer", labels=False)
    image = ome_ngff.open_input(tmp_path / "b.ome.tif")
    np.testing.assert_array_equal(np.squeeze(image.data[...]), VOLUME[1, :, 10:30])
