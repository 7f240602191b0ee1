"""Images that are described anew where they stand: documents alone change, labels follow, and all of it goes back."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from dying import Dying, Killed, counted, dying, image_files, steps_of
from helpers import attributes, document, every_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ome_zarr_models.v04 import Image as Image04
from ome_zarr_models.v05 import Image as Image05

from ome_ngff import (
    AxesError,
    ExistsError,
    FormatError,
    IncompleteError,
    MissingError,
    NgffError,
    OptionError,
    ScaleError,
    StoreError,
    delete_labels,
    edit_image,
    open_image,
    rename_labels,
    undo,
    validate,
    write_image,
    write_label_metadata,
    write_labels,
)
from ome_ngff.cli import main
from ome_ngff.spec.versions.editing import renamed
from ome_ngff.store.cells import Cells
from ome_ngff.store.staging import Staging

VERSIONS = ["0.4", "0.5", "0.6"]
PIXELS = np.arange(2 * 4 * 12 * 20, dtype="uint16").reshape(2, 4, 12, 20)
WORDS: dict[str, Any] = {"axes": "czyx", "chunks": 8, "scale_factors": [2, 4], "method": "local_mean"}
SIZES = {"z": 2.0, "y": 0.5, "x": 0.5}


def an_image(place: Any, fmt: str, **more: Any) -> Any:
    """Write an image with labels, one of which is for level 1."""
    write_image(PIXELS, place, fmt=fmt, **{"scale": SIZES, "axes_units": "um", **WORDS, **more})
    write_labels((PIXELS[0] > 99).astype("uint8"), place, "cells", chunks=8)
    return place


def documents(folder: Path) -> dict[str, Any]:
    """Return all documents below a folder as JSON, by their paths."""
    names = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
    found = (path for path in Path(folder).rglob("*") if path.name in names and ".ome_ngff" not in path.parts)
    return {str(path.relative_to(folder)): json.loads(path.read_bytes()) for path in found}


def outside(found: dict[str, str]) -> dict[str, str]:
    """Leave out what is kept to be undone."""
    return {path: content for path, content in found.items() if not path.startswith(".ome_ngff")}


# What a write would have said -----------------------------------------------------------------------------------------

SAID = st.fixed_dictionaries(
    {},
    optional={
        "scale": st.dictionaries(st.sampled_from("zyx"), st.floats(1e-3, 1e3), min_size=1),
        "translation": st.dictionaries(st.sampled_from("zyx"), st.floats(-1e4, 1e4), min_size=1),
        "axes_units": st.dictionaries(st.sampled_from("zyx"), st.sampled_from(["nm", "mm", "um"]), min_size=1),
        "name": st.text(st.characters(codec="ascii", categories=["L"]), min_size=1),
        "channel_names": st.lists(st.sampled_from(["DAPI", "GFP", "é"]), min_size=2, max_size=2),
        "channel_colors": st.lists(st.sampled_from(["00FF00", "FF0000"]), min_size=2, max_size=2),
    },
)


@pytest.mark.parametrize("fmt", VERSIONS)
@given(words=SAID.filter(bool))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_edit_says_what_a_write_would_have_said(
    tmp_path_factory: pytest.TempPathFactory, fmt: str, words: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("edit")
    said = {"scale": SIZES, "translation": {}, "axes_units": {"z": "um", "y": "um", "x": "um"}}
    merged = {**words, **{word: {**given, **words.get(word, {})} for word, given in said.items()}}
    shown = {"channel_names": ["a", "b"], "channel_colors": ["FFFFFF", "123456"], "name": "image"}
    an_image(folder / "edited", fmt, **shown)
    an_image(folder / "written", fmt, **{**shown, **merged})
    before = every_file(folder / "edited")
    done = edit_image(folder / "edited", **words)
    assert outside(every_file(folder / "edited")) == outside(every_file(folder / "written"))
    assert validate(folder / "edited").valid
    if done.documents:
        undo(folder / "edited")
    assert every_file(folder / "edited") == before


@pytest.mark.parametrize("fmt", VERSIONS)
@given(words=SAID.filter(bool))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_edit_and_its_inverse_restore_the_bytes(
    tmp_path_factory: pytest.TempPathFactory, fmt: str, words: dict[str, Any]
) -> None:
    place = tmp_path_factory.mktemp("edit")
    old = {"channel_names": ["a", "b"], "channel_colors": ["FFFFFF", "123456"], "name": "image"}
    old |= {"scale": SIZES, "translation": {"z": 5.0}, "axes_units": {"z": "um", "y": "um", "x": "um"}}
    an_image(place, fmt, **old)
    before = outside(every_file(place))
    edit_image(place, **words)
    back = {"translation": {"z": 5.0, "y": 0.0, "x": 0.0}}
    edit_image(place, **{word: {**old, **back}[word] for word in words})
    assert outside(every_file(place)) == before


@pytest.mark.parametrize("fmt", VERSIONS)
def test_labels_follow_as_far_as_they_took_over(tmp_path: Path, fmt: str) -> None:
    place = an_image(tmp_path / "a", fmt, translation={"x": 10.0})
    words: dict[str, Any] = {"axes": "zyx", "axes_units": "um", "scale_factors": [], "omero": False}
    half = (PIXELS[0, :, ::2, ::2] > 9).astype("uint8")
    write_image(half, place / "labels" / "half", scale=[2, 1, 1], translation=[0, 0, 12.0], fmt=fmt, **words)
    write_label_metadata(place / "labels", "half")
    write_labels((PIXELS[0] > 9).astype("uint8"), place, "own", scale={"y": 0.7}, chunks=8)
    with pytest.warns(UserWarning, match=r"labels/own has a pixel size or a unit of its own along y, which stays"):
        edit_image(place, scale={"y": 5.0, "x": 1.5}, translation={"x": 0.0}, axes_units={"y": "nm"})
    image = open_image(place)
    assert [list(level.scale.values()) for level in image.images] == [[1, 2, 5, 1.5], [1, 2, 10, 3], [1, 2, 20, 6]]
    assert [level.translation["x"] for level in image.images] == [0, 0.75, 2.25]
    cells, coarse, own = (image.labels[name].images for name in ("cells", "half", "own"))
    assert [list(level.scale.values()) for level in cells] == [[2, 5, 1.5], [2, 10, 3], [2, 20, 6]]
    assert (coarse[0].scale, coarse[0].translation["x"]) == ({"z": 2, "y": 10, "x": 3}, 6.0)  # 4 pixels of the image
    assert (own[0].scale, own[0].axes_units["y"]) == ({"z": 2, "y": 0.7, "x": 1.5}, "micrometer")
    assert (cells[0].axes_units["y"], coarse[0].axes_units["x"]) == ("nanometer", "micrometer")


# What others have written ---------------------------------------------------------------------------------------------


def foreign(place: Path, **entry: Any) -> Path:
    """Make an image of 0.4 with Zarr alone, with keys that nobody knows, in a style of its own."""
    group = zarr.open_group(place, mode="w", zarr_format=2)
    for k, n in enumerate((16, 7)):
        group.create_array(str(k), shape=(n, n), dtype="uint8", chunk_key_encoding={"name": "v2", "separator": "/"})
    axes = [{"name": n, "type": "space", "unit": "micrometer", "odd": 1} for n in "yx"]
    steps = [[{"type": "scale", "scale": [1, 1], "odd": 2}], [{"type": "scale", "scale": [16 / 7, 16 / 7]}]]
    levels = [{"path": str(k), "coordinateTransformations": step, "odd": 3} for k, step in enumerate(steps)]
    found = {"version": "0.4", "axes": axes, "datasets": levels, "odd": 4, **entry}
    shown = {
        "channels": [{"color": "FF0000", "window": {"min": 0, "max": 9, "start": 1, "end": 5, "odd": 5}, "odd": 6}]
    }
    found = {"multiscales": [found], "omero": {**shown, "odd": 7}, "odd": [8, "ü"]}
    (place / ".zattrs").write_text(json.dumps(found, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")
    return place


SHARED = [{"type": "scale", "scale": [0.5, 0.5], "odd": 9}, {"type": "translation", "translation": [3, 4]}]


@pytest.mark.parametrize("shared", [pytest.param({}, id="levels"), pytest.param(SHARED, id="shared")])
def test_what_nobody_knows_stays_as_it_is(tmp_path: Path, shared: Any) -> None:
    place = foreign(tmp_path / "a", **({"coordinateTransformations": shared} if shared else {}))
    before, old = every_file(place), documents(place)[".zattrs"]
    edit_image(place, scale={"y": 0.1}, channel_names=["one"], windows=[(2, 20)], attributes={"mine": None, "new": 1})
    new = documents(place)[".zattrs"]
    first = open_image(place).images[0]
    assert first.scale == {"y": 0.1, "x": 0.5 if shared else 1.0}
    assert first.translation == ({"y": 3.0, "x": 4.0} if shared else {"y": 0.0, "x": 0.0})
    assert open_image(place).images[1].scale["y"] == pytest.approx(0.1 * 16 / 7)
    assert new["omero"]["channels"][0] == {
        "color": "FF0000", "window": {"min": 0, "max": 20, "start": 2, "end": 20, "odd": 5}, "odd": 6, "label": "one",
    }  # fmt: skip
    assert new["new"] == 1
    text = (place / ".zattrs").read_text("utf-8")
    assert text.endswith("}\n")
    assert '\n    "multiscales"' in text
    assert text.count('"odd"') == json.dumps(old).count('"odd"')
    assert ('"translation"' in text) == bool(shared)  # what shifts nothing is not added
    assert "ü" in text
    undo(place)
    assert every_file(place) == before


@pytest.mark.parametrize("version", ["0.1", "0.3"])
def test_before_04_there_is_no_pixel_size_to_correct(tmp_path: Path, version: str) -> None:
    place = foreign(tmp_path / "a", version=version)
    with pytest.raises(FormatError, match="has no pixel sizes and units"):
        edit_image(place, scale=2.0)
    edit_image(place, name="old")
    assert document(place)["multiscales"][0]["name"] == "old"


def test_an_older_translation_before_a_scale_is_put_right(tmp_path: Path) -> None:
    place = foreign(tmp_path / "a", coordinateTransformations=[{"type": "scale", "scale": [1, 2]}])
    edit_image(place, scale={"x": 0.3}, translation={"x": 8.0})
    assert validate(place).valid
    assert (open_image(place).images[0].scale["x"], open_image(place).images[0].translation["x"]) == (0.3, 8.0)


def by(*numbers: float) -> dict[str, Any]:
    return {"type": "scale", "scale": [*numbers], "odd": 10}


def to(*numbers: float) -> dict[str, Any]:
    return {"type": "translation", "translation": [*numbers], "odd": 11}


STEPS = [
    pytest.param([by(2, 2)], 2, 0, True, id="scale"),
    pytest.param([by(2, 2), to(3, 3)], 2, 3, True, id="scale-and-translation"),
    pytest.param([to(3, 3), by(2, 2)], 2, 6, True, id="translation-first"),
    pytest.param([to(3, 3), by(2, 2), to(1, 1)], 2, 7, False, id="translation-on-both-sides"),
    pytest.param([by(0.5, 0.5), by(4, 4)], 2, 0, False, id="two-scales"),
    pytest.param([by(0.5, 0.5), to(3, 3), by(4, 4)], 2, 12, False, id="translation-between-scales"),
    pytest.param([to(3, 3)], 1, 3, False, id="translation-alone"),
]


@pytest.mark.parametrize(("steps", "size", "start", "sound"), STEPS)
@pytest.mark.parametrize("said", [pytest.param(8.0, id="placed"), pytest.param(None, id="in-its-place")])
def test_any_steps_of_a_level_lead_where_an_edit_says(
    tmp_path: Path, steps: Any, size: float, start: float, sound: bool, said: float | None
) -> None:
    place = foreign(tmp_path / "a")
    found = documents(place)[".zattrs"]
    found["multiscales"][0]["datasets"][0]["coordinateTransformations"] = steps
    (place / ".zattrs").write_text(json.dumps(found))
    edit_image(place, scale={"x": 0.3}, **({} if said is None else {"translation": {"x": said}}))
    image, wanted = open_image(place).images[0], start if said is None else said
    assert (image.scale, image.translation) == ({"y": size, "x": 0.3}, {"y": start, "x": wanted})
    assert validate(place).valid or not sound
    left = documents(place)[".zattrs"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert sorted(step["odd"] for step in left if "odd" in step) == sorted(step["odd"] for step in steps)


# Channels -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", VERSIONS)
def test_windows_are_measured_as_a_write_measures_them(tmp_path: Path, fmt: str) -> None:
    place = an_image(tmp_path / "a", fmt, channel_names=["DAPI", "GFP"])
    before = outside(every_file(place))
    edit_image(place, windows=[(5, 6), None])
    windows = [channel["window"] for channel in document(place)["omero"]["channels"]]
    assert (windows[0]["start"], windows[0]["end"]) == (5, 6)
    assert outside(every_file(place)) != before
    edit_image(place, windows="auto")
    assert outside(every_file(place)) == before


def test_an_image_without_omero_gets_it_whole(tmp_path: Path) -> None:
    place = an_image(tmp_path / "a", "0.5", omero=False)
    edit_image(place, channel_names=["DAPI", "GFP"], channel_colors=["#0000FF", "00FF00"])
    an_image(tmp_path / "b", "0.5", channel_names=["DAPI", "GFP"], channel_colors=["0000FF", "00FF00"])
    assert document(place)["omero"] == document(tmp_path / "b")["omero"]


@pytest.mark.parametrize(("fmt", "model"), [("0.4", Image04), ("0.5", Image05)])
def test_models_of_others_read_what_was_edited(tmp_path: Path, fmt: str, model: Any) -> None:
    place = an_image(tmp_path / "a", fmt)
    edit_image(place, scale={"x": 0.1}, axes_units={"x": None}, name="n", channel_names=["a", "b"], windows="auto")
    rename_labels(place, "cells", "nuclei")
    found = model.from_zarr(zarr.open_group(place, mode="r"))
    said, labels = ((g.ome_attributes if fmt == "0.5" else g.attributes) for g in (found, found.labels))
    (entry,) = said.multiscales
    assert entry.datasets[1].coordinateTransformations[0].scale == [1, 2, 1, 0.2]
    assert labels.labels == ["nuclei"]
    assert [axis.unit for axis in entry.axes] == [None, "micrometer", "micrometer", None]


@pytest.mark.parametrize("count", [0, 2])
def test_what_is_said_of_other_channels_is_not_repainted(tmp_path: Path, count: int) -> None:
    place = foreign(tmp_path / "a")
    found = documents(place)[".zattrs"]
    found["omero"]["channels"] = [{"color": "FF0000", "label": str(k)} for k in range(count)]
    (place / ".zattrs").write_text(json.dumps(found))
    before = every_file(place)
    with pytest.raises(FormatError, match="omero has to describe 1 channels"):
        edit_image(place, channel_names=["one"])
    assert every_file(place) == before


# Labels ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", VERSIONS)
@pytest.mark.parametrize("new", ["nuclei", "deep/er/nuclei", "cells2"])
def test_renamed_labels_are_those_written_under_the_name(tmp_path: Path, fmt: str, new: str) -> None:
    place = an_image(tmp_path / "a", fmt)
    write_image(PIXELS, tmp_path / "b", fmt=fmt, scale=SIZES, axes_units="um", **WORDS)
    write_labels((PIXELS[0] > 99).astype("uint8"), tmp_path / "b", new, chunks=8)
    before = every_file(place)
    rename_labels(place, "cells", new)
    assert documents(place) == documents(tmp_path / "b")
    assert validate(place).valid
    np.testing.assert_array_equal(open_image(place).labels[new].images[0].data, PIXELS[0] > 99)
    undo(place)
    assert every_file(place) == before


def test_renamed_labels_of_another_image_still_say_so(tmp_path: Path) -> None:
    place = an_image(tmp_path / "a", "0.5")
    an_image(tmp_path / "b", "0.5")
    write_label_metadata(place / "labels", "cells", source="../../../b")
    rename_labels(place, "cells", "nuclei")
    assert document(place / "labels/nuclei")["image-label"]["source"]["image"] == "../../../b"


@pytest.mark.parametrize("fmt", VERSIONS)
def test_deleted_labels_come_back_until_the_next_change(tmp_path: Path, fmt: str) -> None:
    place = an_image(tmp_path / "a", fmt)
    write_labels((PIXELS[0] > 9).astype("uint8"), place, "more", chunks=8)
    before = every_file(place)
    found = delete_labels(place, "cells")
    assert "labels/cells goes" in found.diff
    assert list(open_image(place).labels) == ["more"]
    assert validate(place).valid
    assert not (place / "labels" / "cells").exists()
    undo(place)
    assert every_file(place) == before
    delete_labels(place, "more")
    delete_labels(place, "cells")
    assert not (place / "labels").exists()
    undo(place)
    assert list(open_image(place).labels) == ["cells"]
    edit_image(place, name="other")
    assert not list((place / ".ome_ngff").glob("cells*"))


def test_renamed_labels_that_were_written_anew_stay(tmp_path: Path) -> None:
    place = an_image(tmp_path / "image", "0.5")
    rename_labels(place, "cells", "nuclei")
    write_labels(np.asarray(open_image(place / "labels/nuclei").images[0].data) + 1, place, "nuclei", overwrite=True)
    before = image_files(place)
    with pytest.raises(StoreError, match=r"was changed after .* .at labels/nuclei."):
        undo(place)
    assert image_files(place) == before


def test_a_pixel_without_length_is_not_measured_by(tmp_path: Path) -> None:
    place = an_image(tmp_path / "image", "0.5")
    attributes = zarr.open_group(place, mode="r").attrs.asdict()
    for dataset in attributes["ome"]["multiscales"][0]["datasets"]:
        dataset["coordinateTransformations"][0]["scale"][-1] = 0
    zarr.open_group(place, mode="a").attrs.update(attributes)
    with pytest.raises(ScaleError, match="0 long along x"):
        edit_image(place, scale={"x": 2.0})


def test_labels_with_files_of_others_are_not_deleted(tmp_path: Path) -> None:
    place = an_image(tmp_path / "a", "0.5")
    (place / "labels" / "cells" / "notes.txt").write_text("mine")
    before = every_file(place)
    with pytest.raises(StoreError, match=r"has notes.txt in labels/cells, which is not of the labels"):
        delete_labels(place, "cells")
    assert every_file(place) == before


def test_edges_of_06_follow_their_labels(tmp_path: Path) -> None:
    place = an_image(tmp_path / "a", "0.6")
    group = zarr.open_group(place, mode="a")
    ome: Any = dict(group.attrs["ome"])
    edge = {"type": "identity", "input": {"path": "labels/cells", "name": "physical"}, "output": {"name": "physical"}}
    ome["multiscales"][0]["coordinateTransformations"] = [edge]
    group.attrs["ome"] = ome
    rename_labels(place, "cells", "nuclei")
    (found,) = attributes(place)["ome"]["multiscales"][0]["coordinateTransformations"]
    assert found["input"] == {"path": "labels/nuclei", "name": "physical"}
    delete_labels(place, "nuclei")
    assert "coordinateTransformations" not in attributes(place)["ome"]["multiscales"][0]


def test_a_scene_that_names_labels_is_spoken_of(tmp_path: Path) -> None:
    place = an_image(tmp_path / "scene" / "left", "0.6")
    edge = {"type": "identity", "input": {"path": "left/labels/cells", "name": "physical"}, "output": {"name": "world"}}
    world = {"name": "world", "axes": [{"name": name, "type": "space"} for name in "yx"]}
    scene = {"coordinateSystems": [world], "coordinateTransformations": [edge]}
    zarr.create_group(tmp_path / "scene", attributes={"ome": {"version": "0.6", "scene": scene}})
    with pytest.warns(UserWarning, match=r"The scene .*scene places labels/cells of .*left; .* stays as it is"):
        rename_labels(place, "cells", "nuclei")
    with warnings.catch_warnings(action="error"):
        delete_labels(place, "nuclei")


# What is refused ------------------------------------------------------------------------------------------------------

REFUSED = [
    pytest.param(lambda p: edit_image(p, scale={"q": 1}), AxesError, "names the axis 'q'", id="axis"),
    pytest.param(lambda p: edit_image(p, scale={"x": 0}), ScaleError, "above zero", id="scale"),
    pytest.param(lambda p: edit_image(p, scale={"x": "a"}), AxesError, "finite numbers", id="number"),
    pytest.param(lambda p: edit_image(p, translation={"x": float("inf")}), AxesError, "finite", id="infinite"),
    pytest.param(lambda p: edit_image(p, axes_units={"q": "um"}), AxesError, "names the axis 'q'", id="unit"),
    pytest.param(lambda p: edit_image(p), OptionError, "at least one of scale, translation", id="no-words"),
    pytest.param(lambda p: edit_image(p, name=3), OptionError, "is a string", id="name"),
    pytest.param(lambda p: edit_image(p, channel_names=["a"]), AxesError, "the image has 2", id="names"),
    pytest.param(lambda p: edit_image(p, channel_colors=["a", "b"]), OptionError, "RRGGBB", id="colors"),
    pytest.param(lambda p: edit_image(p, windows="all"), OptionError, "'auto', or", id="windows"),
    pytest.param(lambda p: edit_image(p, windows=[(2, 1), None]), OptionError, "dark one below", id="window"),
    pytest.param(lambda p: edit_image(p, orientation="up"), OptionError, "'LPS', 'RAS'", id="orientation"),
    pytest.param(lambda p: edit_image(p, orientation={"x": "up"}), OptionError, "no direction 'up'", id="direction"),
    pytest.param(lambda p: edit_image(p, orientation={"q": "up"}), AxesError, "axis 'q'", id="orientation-axis"),
    pytest.param(lambda p: edit_image(p, attributes={"ome": 1, "multiscales": 1}), OptionError, "belongs", id="ours"),
    pytest.param(lambda p: edit_image(p, attributes={"a": float("nan")}), OptionError, "JSON", id="nan"),
    pytest.param(lambda p: edit_image(p, attributes={"plate": {}}), OptionError, "belongs", id="of-other-versions"),
    pytest.param(lambda p: edit_image(p, attributes={"ome": {}}), OptionError, "belongs", id="of-newer-versions"),
    pytest.param(lambda p: edit_image(p / "labels", name="x"), NgffError, "not an OME-Zarr image", id="labels-group"),
    pytest.param(lambda p: edit_image(p / "none", name="x"), MissingError, "no Zarr group", id="nothing"),
    pytest.param(lambda p: edit_image(p / "labels/cells", windows="auto"), OptionError, "no channels", id="of-labels"),
    pytest.param(lambda p: rename_labels(p, "cell", "a"), MissingError, "Did you mean 'cells'", id="rename-none"),
    pytest.param(lambda p: rename_labels(p, "cells", "../a"), OptionError, "below", id="rename-out"),
    pytest.param(lambda p: rename_labels(p, "cells", "more"), ExistsError, "'labels/more'", id="rename-taken"),
    pytest.param(lambda p: rename_labels(p, "cells", "more/a"), ExistsError, "'labels/more'", id="rename-below"),
    pytest.param(lambda p: rename_labels(p, "cells", "cells/a"), ExistsError, "'labels/cells'", id="rename-inside"),
    pytest.param(lambda p: delete_labels(p, "none"), MissingError, "It has cells,more", id="delete-none"),
    pytest.param(lambda p: delete_labels(p, ".."), OptionError, "below", id="delete-out"),
    pytest.param(lambda p: undo(p), MissingError, "nothing to undo", id="undo"),
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Images that nobody changes."""
    found = {fmt: an_image(tmp_path_factory.mktemp("image") / fmt, fmt) for fmt in VERSIONS}
    for place in found.values():
        write_labels((PIXELS[0] > 9).astype("uint8"), place, "more", chunks=8)
    return found


@pytest.mark.parametrize("fmt", VERSIONS)
@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_a_refused_edit_changes_no_byte(
    finished: dict[str, Path], fmt: str, call: Callable[[Path], Any], error: type[Exception], message: str
) -> None:
    before = every_file(finished[fmt])
    with pytest.raises(error, match=message):
        call(finished[fmt])
    assert every_file(finished[fmt]) == before


@pytest.mark.parametrize("fmt", VERSIONS)
def test_a_dry_run_shows_the_difference_and_changes_nothing(finished: dict[str, Path], fmt: str) -> None:
    place = finished[fmt]
    before = every_file(place)
    found = edit_image(place, scale={"x": 0.25}, dry_run=True)
    assert (found.documents, every_file(place)) == (3, before)
    lines = found.diff.splitlines()
    assert "-                0.5" in {line[:1] + " " * 16 + line.strip("+- ") for line in lines} or fmt == "0.6"
    assert any(line.strip("+ ") == "0.25" and line.startswith("+") for line in lines)
    assert "labels/cells goes" in delete_labels(place, "cells", dry_run=True).diff
    assert "labels/new comes" in rename_labels(place, "cells", "new", dry_run=True).diff
    assert every_file(place) == before


def test_a_group_at_hand_knows_its_new_attributes(tmp_path: Path) -> None:
    group = zarr.open_group(an_image(tmp_path / "a", "0.5"), mode="a")
    edit_image(group, name="new")
    group.attrs["mine"] = 1
    assert document(tmp_path / "a")["multiscales"][0]["name"] == "new"


# Interruptions --------------------------------------------------------------------------------------------------------

CHANGES = [
    pytest.param(lambda p: edit_image(p, scale={"x": 0.25}, name="new", axes_units={"y": "nm"}), id="edit"),
    pytest.param(lambda p: rename_labels(p, "cells", "deep/nuclei"), id="rename"),
    pytest.param(lambda p: delete_labels(p, "cells"), id="delete"),
]


def alike(contents: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out the journal."""
    return {key: content for key, content in contents.items() if not key.startswith(".ome_ngff/")}


def is_an_image(place: Any) -> None:
    """Read an image that is there or being changed, whose labels are there or not."""
    if "ome_ngff" in attributes(place):
        for call in (open_image, lambda place: write_image(PIXELS, place, **WORDS)):
            with pytest.raises(IncompleteError, match=r"is being changed .*same call, or take it back with undo"):
                call(place)
        return
    image = open_image(place)
    for pyramid in (image, *image.labels.values()):
        assert [np.asarray(level.data).shape for level in pyramid.images]
    np.testing.assert_array_equal(image.images[0].data, PIXELS)


@pytest.mark.parametrize("fmt", ["0.4", "0.6"])
@pytest.mark.parametrize("call", CHANGES)
def test_an_edit_killed_at_any_step_goes_on_or_back(fmt: str, call: Callable[[Any], Any]) -> None:
    begun = an_image(Dying(), fmt)
    before, start = begun.contents(), dict(begun._store_dict)
    steps, after = steps_of(start, call)
    for last in range(1, steps, 1 if steps < 20 else 7):
        store = dying(start, last)
        with pytest.raises(Killed):
            call(store)
        store.last = None
        is_an_image(store)
        begun, done = (f".ome_ngff/{name}.zip" in store.contents() for name in ("changing", "undo"))
        other = dying(dict(store._store_dict), None)
        if begun or not done:
            call(other)
        assert alike(other.contents()) == alike(after)
        if begun:
            with pytest.raises(StoreError, match="was interrupted; finish that first, with the same call, or undo"):
                edit_image(store, name="another")
        if begun or done:
            undo(store)
            assert store.contents() == before
        assert alike(store.contents()) == alike(before)
        undoing = dying(dict(other._store_dict), last)
        with suppress(Killed):
            undo(undoing)
        undoing.last = None
        is_an_image(undoing)
        if alike(undoing.contents()) != alike(before):
            undo(undoing)
        assert alike(undoing.contents()) == alike(before)


def test_what_was_done_before_an_interrupted_edit_can_still_be_undone() -> None:
    store = an_image(Dying(), "0.5")
    before = alike(store.contents())
    edit_image(store, name="first")
    done = alike(store.contents())
    store.steps, store.last = 0, 3
    with pytest.raises(Killed):
        edit_image(store, name="second", scale={"x": 0.25})
    store.last = None
    assert ".ome_ngff/changing.zip" in store.contents()
    other = dying(dict(store._store_dict), None)
    write_image(PIXELS, other, overwrite=True, fmt="0.5", **WORDS)
    assert not any(key.startswith(".ome_ngff") for key in other.contents())
    undo(store)
    assert alike(store.contents()) == done
    undo(store)
    assert alike(store.contents()) == before


@pytest.mark.parametrize("call", CHANGES)
def test_in_a_folder_each_step_of_an_edit_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[Any], Any]
) -> None:
    an_image(tmp_path / "begun", "0.5")
    before = outside(every_file(tmp_path / "begun"))
    count = counted(monkeypatch, (Staging, "_move"), (Staging, "remove"), (Cells, "swap"))
    call(copied(tmp_path, "whole"))
    after, total = outside(every_file(tmp_path / "whole")), count.steps
    for number in range(2, total + 1):
        place, count.steps, count.last = copied(tmp_path, str(number)), 0, number
        with pytest.raises(Killed):
            call(place)
        count.last = None
        is_an_image(place)
        other = copied(tmp_path, f"{number}-on", place)
        if (other / ".ome_ngff" / "changing.zip").exists():
            call(other)
        assert outside(every_file(other)) == after
        undo(place)
        assert every_file(place) == before
        undo(other)
        assert every_file(other) == before


def copied(folder: Path, name: str, place: Path | None = None) -> Path:
    shutil.copytree(place or folder / "begun", folder / name)
    return folder / name


# The command ----------------------------------------------------------------------------------------------------------


def run(*words: Any, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["edit", *map(str, words)])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def test_the_command_describes_anew_shows_and_undoes(tmp_path: Path) -> None:
    place = an_image(tmp_path / "a", "0.5")
    before = every_file(place)
    words = [
        *["--scale", "z=0.5", "--unit", "nm", "--channels", "DAPI,GFP", "--colors", "0000FF,00FF00", "--name", "new"],
        *["--windows", "0:40,:", "--orientation", "LPS", "--attribute", "lab={\"room\": 7}", "--translation", "x=4"],
    ]  # fmt: skip
    shown = run(place, *words, "--dry-run")
    assert every_file(place) == before
    assert {'"label": "DAPI"', "labels/cells/zarr.json"} <= {line.strip("+-, ") for line in shown.splitlines()}
    assert "name='new'" in run(place, *words)
    image, said = open_image(place), attributes(place)
    assert (image.images[1].scale["z"], image.labels["cells"].images[0].axes_units["z"]) == (0.5, "nanometer")
    assert image.images[0].channel_names == ["DAPI", "GFP"]
    assert (said["lab"], said["ome"]["omero"]["channels"][0]["window"]["end"]) == ({"room": 7}, 40)
    assert "as described already" in run(place, *words)
    assert "the edit of" in run(place, "--undo")
    assert every_file(place) == before


def test_ends_of_windows_are_stored_as_they_are_said(tmp_path: Path) -> None:
    place = an_image(tmp_path / "a", "0.5")
    run(place, "--windows=-5:40,-0.5:1e3")
    windows = [channel["window"] for channel in attributes(place)["ome"]["omero"]["channels"]]
    assert [repr(window[end]) for window in windows for end in ("start", "end")] == ["-5", "40", "-0.5", "1000.0"]


def test_the_command_renames_and_deletes_labels(tmp_path: Path) -> None:
    place = an_image(tmp_path / "a", "0.5")
    before = every_file(place)
    assert "labels/nuclei comes" in run(place, "--rename-labels", "cells=nuclei", "--dry-run")
    run(place, "--rename-labels", "cells=nuclei")
    assert list(open_image(place).labels) == ["nuclei"]
    run(place, "--undo")
    run(place, "--delete-labels", "cells")
    assert not open_image(place).labels
    run(place, "--undo")
    assert every_file(place) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param([], "Say what to change", id="nothing"),
        pytest.param(["--undo", "--dry-run"], "exclude each other", id="undo-dry"),
        pytest.param(["--undo", "--name", "a"], "goes by itself", id="undo-and-more"),
        pytest.param(["--rename-labels", "cells"], "OLD=NEW", id="rename"),
        pytest.param(["--rename-labels", "cells="], "OLD=NEW", id="rename-to-nothing"),
        pytest.param(["--rename-labels", "=cells"], "OLD=NEW", id="rename-nothing"),
        pytest.param(["--windows", "1"], "dark:bright", id="windows"),
        pytest.param(["--attribute", "1"], "KEY=VALUE", id="attribute"),
        pytest.param(["--delete-labels", "cell"], "Did you mean 'cells'", id="delete"),
    ],
)
def test_the_command_refuses_in_a_line(finished: dict[str, Path], words: list[str], message: str) -> None:
    before = every_file(finished["0.5"])
    assert message in run(finished["0.5"], *words, code=2)
    assert every_file(finished["0.5"]) == before


@pytest.mark.parametrize(("said", "after"), [("a", "new"), ("another", "another")])
def test_a_name_is_repeated_only_where_it_was_the_same(said: str, after: str) -> None:
    document = {"multiscales": [{"name": "a", "datasets": [{"path": "0"}]}], "omero": {"name": said}}
    assert renamed(document, "new")["omero"] == {"name": after}
