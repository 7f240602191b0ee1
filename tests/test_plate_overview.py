"""A plate at a glance: the montage of its wells, its picture, and the image that is kept of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from click.testing import CliRunner, Result
from helpers import every_file, filled_plate
from PIL import Image

from ome_ngff import (
    ExistsError,
    InputError,
    MissingError,
    open_image,
    open_plate,
    repair_plate,
    validate,
    write_field,
    write_image,
    write_overview,
)
from ome_ngff.cli import main
from ome_ngff.image import NgffImage, montage
from ome_ngff.read import StoredLevel

WELLS = ("A/1", "A/3", "C/2")
FIELDS = {(w, a, f): 100 * a + 10 * f + i for i, w in enumerate(WELLS) for a in (0, 1) for f in (0, 1)}


def pixels(seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(100, 4000, (2, 16, 24)).astype("uint16")


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """Make a plate of 3 x 4 with three wells, two acquisitions of two fields each, of two levels."""
    words: dict[str, Any] = {"chunks": 8, "scale_factors": [2], "method": "nearest", "axes": "cyx"}
    words |= {"channel_names": ["DAPI", "GFP"], "scale": 0.5, "axes_units": "micrometer"}
    fields = {(well, 2 * day + field, day): pixels(seed) for (well, day, field), seed in FIELDS.items()}
    return filled_plate(tmp_path / "p.zarr", ("A-C", 4), fields, {"name": "screen"}, **words)


def wanted(acquisition: int = 0, field: int = 0, step: int = 2) -> np.ndarray[Any, Any]:
    """Lay the fields that are seen side by side, as NumPy does; the coarse level has every second pixel."""
    whole = np.zeros((2, 3 * 16 // step, 4 * 24 // step), "uint16")
    for well in WELLS:
        row, column = "ABC".index(well[0]), int(well[2]) - 1
        tile = pixels(FIELDS[well, acquisition, field])[:, ::step, ::step]
        y, x = tile.shape[1:]
        whole[:, row * y : (row + 1) * y, column * x : (column + 1) * x] = tile
    return whole


def run(*words: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        pytest.param({}, {}, id="usual"),
        pytest.param({"field": 1}, {"field": 1}, id="field"),
        pytest.param({"field": "3"}, {"acquisition": 1, "field": 1}, id="field by name"),
        pytest.param({"acquisition": 1}, {"acquisition": 1}, id="acquisition"),
        pytest.param({"acquisition": 1, "field": -1}, {"acquisition": 1, "field": 1}, id="last field"),
        pytest.param({"level": 0}, {"step": 1}, id="level"),
        pytest.param({"level": -1}, {}, id="last level"),
    ],
)
def test_the_overview_is_the_wells_side_by_side(words: dict[str, Any], shown: dict[str, Any], plate: Path) -> None:
    image = open_plate(plate).overview(**words).images[0]
    np.testing.assert_array_equal(image.data.compute(), wanted(**shown))
    size = 0.5 * shown.get("step", 2)
    assert (image.dims, image.scale) == (tuple("cyx"), {"c": 1.0, "y": size, "x": size})
    assert image.channel_names == ["DAPI", "GFP"]


def test_nothing_is_read_before_it_is_seen(plate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: Counter[str] = Counter()
    read = StoredLevel.read

    def counting(level: StoredLevel, box: Any) -> Any:
        reads[level.where.removeprefix(f"{plate}/")] += 1
        return read(level, box)

    monkeypatch.setattr(StoredLevel, "read", counting)
    image = open_plate(plate).overview().images[0]
    assert not reads
    image.data[:, :8, :12].compute()
    assert reads == {"A/1/0/1": 2}  # once for each channel
    reads.clear()
    open_plate(plate).preview(channels=["GFP"], acquisition=1)
    assert reads == {f"{well}/2/1": 1 for well in WELLS}


def test_contrast_is_the_same_in_all_wells(plate: Path) -> None:
    omero = open_plate(plate).overview().metadata.omero
    assert omero is not None
    for k, channel in enumerate(omero.channels):
        stored = [open_plate(plate)[well][0].metadata.omero for well in WELLS]
        windows = [each.channels[k].window for each in stored if each is not None]
        assert channel.window is not None
        assert channel.window.start == min(window.start for window in windows if window)
        assert channel.window.end == max(window.end for window in windows if window)


def test_contrast_is_left_open_where_a_well_states_none(plate: Path) -> None:
    group = zarr.open_group(plate / "A/3/0", mode="a")
    ome = group.attrs["ome"]
    del ome["omero"]["channels"][1]["window"]
    group.attrs["ome"] = ome
    assert open_plate(plate).overview().metadata.omero is None


def test_wells_of_other_sizes_lie_in_their_corner(plate: Path) -> None:
    small = pixels(7)[:, :6, :10]
    write_field(small, plate, "B/2", 0, 0, axes="cyx", scale_factors=[2], method="nearest")
    found = open_plate(plate).overview(level=0).images[0].data.compute()
    np.testing.assert_array_equal(found[:, 16:22, 24:34], small)
    whole = wanted(step=1)
    whole[:, 16:22, 24:34] = small
    np.testing.assert_array_equal(found, whole)


def test_wells_that_are_missing_are_said_and_not_seen(plate: Path) -> None:
    (plate / "C/2").rename(plate.parent / "gone")
    with pytest.warns(UserWarning, match=r"lists wells that are not there: C/2; they are not seen"):
        found = open_plate(plate).overview().images[0].data.compute()
    whole = wanted()
    whole[:, 16:] = 0
    np.testing.assert_array_equal(found, whole)


def test_wells_of_more_channels_name_theirs(plate: Path) -> None:
    more = np.concatenate([pixels(7), pixels(8)[:1]])
    names = ["DAPI", "GFP", "red"]
    write_field(more, plate, "B/2", 0, 0, axes="cyx", scale_factors=[2], method="nearest", channel_names=names)
    image = open_plate(plate).overview().images[0]
    assert (image.data.shape[0], image.channel_names) == (3, names)
    write_overview(plate)
    assert open_image(plate / "plate_overview").images[0].channel_names == names


def test_names_of_some_channels_are_not_those_of_all() -> None:
    named = NgffImage(np.zeros((2, 4, 4)), ("c", "y", "x"), channel_names=["DAPI", "GFP"])
    whole = montage([(0, 0, named), (0, 1, NgffImage(np.zeros((3, 4, 4)), ("c", "y", "x")))], 1, 2, "screen")
    assert (whole.data.shape, whole.channel_names) == ((3, 4, 8), None)


def test_images_that_are_broken_are_said_and_not_seen(plate: Path) -> None:
    (plate / "C/2/0/0/zarr.json").unlink()
    with pytest.warns(UserWarning, match=r"Images of .* are not seen: C/2/0 \(.*names the level '0'"):
        found = open_plate(plate).overview().images[0].data.compute()
    whole = wanted()
    whole[:, 16:] = 0
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        pytest.param({"field": 9}, "has the field 9", id="field"),
        pytest.param({"field": -9}, "has the field -9", id="field-from-the-end"),
        pytest.param({"field": "labels"}, "has the field labels", id="field-by-name"),
        pytest.param({"acquisition": 5}, "has the acquisition 5, field 0", id="acquisition"),
        pytest.param({"level": 2}, "A/1 has no level 2; it has 0 to 1", id="level"),
    ],
)
def test_what_no_well_has_is_refused(words: dict[str, Any], why: str, plate: Path) -> None:
    with pytest.raises(MissingError, match=why):
        open_plate(plate).overview(**words)


def test_wells_of_other_axes_are_refused(plate: Path) -> None:
    write_field(pixels(1)[0], plate, "B/2", 0, 0, axes="yx")
    with pytest.raises(InputError, match=r"images of different axes \(c,y,x and y,x\)"):
        open_plate(plate).overview()


# The picture ---------------------------------------------------------------------------------------------------------


def test_the_picture_names_rows_and_columns_and_crosses_wells_out(plate: Path, tmp_path: Path) -> None:
    result = run("preview", plate, "-o", tmp_path / "p.png", "--acquisition", 1, "--channel", "DAPI", "-v", "--no-bar")
    assert result.output == "screen: acquisition 1, field 0, level 1 of 3 wells; 9 wells without; channels DAPI\n"
    picture = np.asarray(Image.open(tmp_path / "p.png")).astype(int)
    # 48 x 24 pixels are shown 21 times as large, with a margin at the left and above.
    left, top = picture.shape[1] - 48 * 21 - 1, picture.shape[0] - 24 * 21 - 1
    tiles = {(r, c): picture[top + 168 * r :, left + 252 * c :][2:166, 2:250] for r in range(3) for c in range(4)}
    for (row, column), tile in tiles.items():
        dark = np.median(tile, axis=(0, 1))
        crossed = len(np.unique(tile.reshape(-1, 3), axis=0)) == 2
        assert crossed == (("ABC"[row] + f"/{column + 1}") not in WELLS)
        assert (dark.tolist() == [24, 24, 24]) == crossed
    for i in range(4):  # names stand in the margins, the light pixels of which are theirs
        assert (picture[:top, left + 252 * i :][:, 2:250].max(axis=2) > 200).any()
    for i in range(3):
        assert (picture[top + 168 * i :, :left][2:166].max(axis=2) > 200).any()


def test_the_bar_stands_below_and_is_shorter_than_a_well(plate: Path) -> None:
    with_bar, without = open_plate(plate).preview(), open_plate(plate).preview(bar=False)
    assert with_bar.text.endswith("; the bar is 5 µm")
    margin = with_bar.pixels[without.pixels.shape[0] :]
    light = margin[:, :-1].min(axis=2) > 200
    (length,) = {int(row[::-1].argmin()) for row in light if row[-1]}
    assert length == 5 * 21  # 5 of 12 pixels that a well has, each of 1 micrometer


@pytest.mark.parametrize(
    "words", [["--labels", "nuclei"], ["--fill"], ["--field", "9"], ["--level", "7"], ["--channel", "red"]]
)
def test_pictures_that_cannot_be_are_refused(words: list[str], plate: Path, tmp_path: Path) -> None:
    run("preview", plate, "-o", tmp_path / "p.png", *words, code=2)
    assert not (tmp_path / "p.png").exists()


def test_words_of_plates_are_refused_of_an_image(plate: Path, tmp_path: Path) -> None:
    result = run("preview", plate / "A/1/0", "-o", tmp_path / "p.png", "--field", "1", "--store", code=2)
    assert "--field and --store: " in result.output


# The image that is kept ----------------------------------------------------------------------------------------------


def test_the_overview_is_kept_as_an_image_and_the_plate_stays_itself(plate: Path, tmp_path: Path) -> None:
    before = every_file(plate)
    result = run("preview", plate, "-o", tmp_path / "p.png", "--store", "--acquisition", 1)
    assert f"The overview is kept as {plate}/plate_overview" in result.stderr
    image = open_image(plate / "plate_overview")
    np.testing.assert_array_equal(image.images[0].data, wanted(acquisition=1))
    assert image.metadata.omero == open_plate(plate).overview(acquisition=1).metadata.omero
    assert validate(plate / "plate_overview").valid
    after = every_file(plate)
    assert {path: content for path, content in after.items() if "plate_overview" not in str(path)} == before
    assert (list(open_plate(plate)), open_plate(plate).unlisted(), repair_plate(plate)) == (list(WELLS), (), ())
    assert not validate(plate).findings


def test_an_overview_is_replaced_and_nothing_else(plate: Path) -> None:
    for field in (0, 1):
        write_overview(plate, field=field)
    np.testing.assert_array_equal(open_image(plate / "plate_overview").images[0].data, wanted(field=1))
    other = open_plate(plate).overview().images[0]
    write_image(other, plate / "plate_overview", overwrite=True)
    with pytest.raises(ExistsError, match="plate_overview is not an overview that was written here"):
        write_overview(plate)


def test_an_image_begun_in_the_place_of_an_overview_stays(plate: Path) -> None:
    def stop(done: int, of: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        write_image(pixels(1), plate / "plate_overview", axes="cyx", progress=stop)
    before = every_file(plate)
    with pytest.raises(ExistsError, match="plate_overview is not an overview that was written here"):
        write_overview(plate)
    assert every_file(plate) == before
