"""Levels of images that are there: made from level 0 as it stands, made anew, taken away, and all of it undone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from dying import Dying, Killed, counted, dying
from helpers import datasets, document, every_file, pixels_by_tensorstore
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numcodecs import Zlib
from test_editing import outside
from zarr.storage import MemoryStore

from ome_ngff import (
    ExistsError,
    IncompleteError,
    LabelError,
    MethodError,
    OptionError,
    ScaleError,
    Scaler,
    StoreError,
    add_levels,
    edit_image,
    open_image,
    rebuild_levels,
    remove_levels,
    undo,
    validate,
    write_image,
    write_labels,
    write_plate_metadata,
    write_well_metadata,
)
from ome_ngff.cli import main
from ome_ngff.store import find_target
from ome_ngff.store.cells import Cells
from ome_ngff.store.staging import Staging
from ome_ngff.write.ladder import _state

VERSIONS = ["0.4", "0.5", "0.6"]
NOISE = np.random.default_rng(3).integers(0, 60000, (2, 5, 19, 28)).astype("uint16")
WORDS: dict[str, Any] = {"axes": "czyx", "chunks": 8, "scale": {"z": 2, "y": 0.5, "x": 0.5}, "axes_units": "um"}


def an_image(place: Any, factors: Any, fmt: str = "0.5", method: str = "resize", **more: Any) -> Any:
    """Write an image with labels."""
    write_image(NOISE, place, fmt=fmt, scale_factors=factors, method=method, **{**WORDS, **more})
    write_labels((NOISE[0] // 20000).astype("uint8"), place, "cells", chunks=8)
    return place


LADDERS = st.sampled_from([[2], [2, 4], [3], [{"z": 1, "y": 2, "x": 2}, {"z": 2, "y": 4, "x": 4}], [2, 4, 8]])


@pytest.mark.parametrize("fmt", VERSIONS)
@given(
    ladder=LADDERS,
    method=st.sampled_from(["resize", "nearest", "local_mean", "zoom", "gaussian", "mode"]),
    stored=st.sampled_from(
        [{}, {"chunks": 5}, {"compression": "gzip"}, {"compression": "none", "chunks": (1, 2, 7, 30)}]
    ),
    shards=st.sampled_from([None, {"z": 8, "y": 16, "x": 16}]),
    begun=st.integers(0, 1),
)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_added_levels_are_those_of_a_write(
    tmp_path_factory: pytest.TempPathFactory, fmt: str, ladder: Any, method: str, stored: Any, shards: Any, begun: int
) -> None:
    folder = tmp_path_factory.mktemp("levels")
    more = {**stored, **({"shards": shards} if shards and fmt != "0.4" and not stored else {})}
    an_image(folder / "added", ladder[:begun], fmt, method, **more)
    an_image(folder / "written", ladder, fmt, method, **more)
    before = every_file(folder / "added")
    done = add_levels(folder / "added", ladder, method)
    wanted = every_file(folder / "written")
    assert outside(every_file(folder / "added")) == wanted
    if done.documents:
        undo(folder / "added")
    assert every_file(folder / "added") == before
    remove_levels(folder / "written")
    add_levels(folder / "written", ladder, method)
    assert outside(every_file(folder / "written")) == wanted


@pytest.mark.parametrize("fmt", VERSIONS)
def test_rebuilt_levels_are_those_of_a_write(tmp_path: Path, fmt: str) -> None:
    place, other = an_image(tmp_path / "a", [2, 4], fmt, "nearest"), an_image(tmp_path / "b", [2], fmt, "local_mean")
    before = every_file(place)
    rebuild_levels(place, "local_mean", [2])
    assert outside(every_file(place)) == every_file(other)
    undo(place)
    assert every_file(place) == before
    rebuild_levels(place)
    assert outside(every_file(place)) == before
    rebuild_levels(place, "gaussian")
    assert [tuple(level.shape) for level in pixels_by_tensorstore(place)] == [
        (2, 5, 19, 28),
        (2, 5, 10, 14),
        (2, 5, 5, 7),
    ]
    assert document(place)["multiscales"][0]["type"] == "gaussian"
    assert document(place / "labels" / "cells")["multiscales"][0]["type"] == "mode"


def test_automatic_levels_are_those_of_a_write(tmp_path: Path) -> None:
    place, other = an_image(tmp_path / "a", []), an_image(tmp_path / "b", None)
    add_levels(place)
    assert outside(every_file(place)) == every_file(other)
    assert add_levels(place).diff == ""


# Images of others -----------------------------------------------------------------------------------------------------


def foreign(place: Path, name: str = "0", **more: Any) -> Path:
    """Make an image of one level with Zarr alone, stored as we would not store it."""
    group = zarr.open_group(place, mode="w", zarr_format=2)
    keys: Any = {"name": "v2", "separator": "/"}
    words: dict[str, Any] = {"compressors": Zlib(1), "order": "F", "fill_value": 7, "chunks": (6, 9), **more}
    group.create_array(name, shape=(19, 28), dtype=">u2", chunk_key_encoding=keys, **words)[...] = NOISE[0, 0]
    axes = [{"name": n, "type": "space"} for n in "yx"]
    level = {"path": name, "coordinateTransformations": [{"type": "scale", "scale": [0.5, 2]}]}
    shared = [{"type": "scale", "scale": [3, 1]}, {"type": "translation", "translation": [1, 1]}]
    entry = {"version": "0.4", "axes": axes, "datasets": [level], "coordinateTransformations": shared, "mine": 1}
    group.attrs["multiscales"] = [entry]
    return place


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        pytest.param("0", ["0", "1", "2"], id="ours"),
        pytest.param("s0", ["s0", "s1", "s2"], id="with-a-letter"),
        pytest.param("scale0/image", ["scale0/image", "scale1/image", "scale2/image"], id="in-groups"),
    ],
)
def test_levels_of_an_image_of_anyone_lie_where_they_belong(tmp_path: Path, name: str, levels: list[str]) -> None:
    place = foreign(tmp_path / "a", name)
    before, level = every_file(place), every_file(place / name)
    add_levels(place, [2, 4], "local_mean")
    assert [dataset["path"] for dataset in datasets(place)] == levels
    assert validate(place).valid
    assert every_file(place / name) == level
    write_image(NOISE[0, 0].astype("<u2"), tmp_path / "b", [2, 4], method="local_mean")
    for found, wanted in zip(open_image(place).images, open_image(tmp_path / "b").images, strict=True):
        np.testing.assert_array_equal(found.data, wanted.data)
    image = open_image(place).images[1]
    assert (image.scale, image.translation) == ({"y": 3.0, "x": 4.0}, {"y": 1.75, "x": 2.0})
    assert document(place)["multiscales"][0]["mine"] == 1
    undo(place)
    assert every_file(place) == before


def test_labels_by_themselves_line_up_with_their_image(tmp_path: Path) -> None:
    place = an_image(tmp_path / "a", [{"z": 1, "y": 2, "x": 4}])
    wanted = every_file(place)
    remove_levels(place / "labels" / "cells")
    add_levels(place / "labels" / "cells")
    shutil.rmtree(place / "labels" / "cells" / ".ome_ngff")
    assert every_file(place) == wanted


@pytest.mark.parametrize("fmt", VERSIONS)
def test_all_fields_of_a_plate_get_their_levels(tmp_path: Path, fmt: str) -> None:
    for name, factors in (("a", []), ("b", [2])):
        write_plate_metadata(tmp_path / name, ["A"], ["1", "2"], ["A/1", "A/2"], fmt=fmt)
        for well in ("A/1", "A/2"):
            write_well_metadata(tmp_path / name / well, ["0"], fmt=fmt)
            an_image(tmp_path / name / well / "0", factors, fmt)
    before = every_file(tmp_path / "a")
    found = add_levels(tmp_path / "a", [2])
    assert {"A/2/0/1 comes", "A/1/0/labels/cells/1 comes"} <= set(found.diff.splitlines())
    assert outside(every_file(tmp_path / "a")) == every_file(tmp_path / "b")
    undo(tmp_path / "a")
    assert every_file(tmp_path / "a") == before


@pytest.mark.parametrize("fmt", ["0.4", "0.5"])
def test_levels_in_another_store_than_a_folder(fmt: str) -> None:
    place, other = an_image(MemoryStore(), [], fmt), an_image(MemoryStore(), [2, 4], fmt)
    before = contents(place)
    add_levels(place, [2, 4])
    assert alike(contents(place)) == contents(other)
    rebuild_levels(place, "nearest")
    undo(place)
    assert contents(place) == contents(other)
    remove_levels(place)
    assert alike(contents(place)) == before


def contents(store: Any) -> dict[str, bytes]:
    return {key: buffer.to_bytes() for key, buffer in store._store_dict.items()}


def alike(found: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out the journal."""
    return {key: content for key, content in found.items() if ".ome_ngff" not in key}


def test_in_place_of_an_image_adds_its_levels(tmp_path: Path) -> None:
    place = an_image(tmp_path / "a", [])
    scaler = Scaler("local_mean", max_layer=2, in_place=True)
    scaler.scale(place / "0", place, "czyx")
    assert outside(every_file(place)) == every_file(an_image(tmp_path / "b", [2, 4], method="local_mean"))
    with pytest.raises(StoreError, match="adds levels next to the array"):
        scaler.scale(tmp_path / "b" / "0", place, "czyx")


# What is refused ------------------------------------------------------------------------------------------------------

REFUSED: list[Any] = [
    pytest.param(lambda p: add_levels(p, [3]), StoreError, "rebuild_levels", id="other-levels"),
    pytest.param(lambda p: add_levels(p, []), StoreError, "rebuild_levels", id="fewer-levels"),
    pytest.param(lambda p: add_levels(p, [2, 4], "nearest"), StoreError, "cannot be mixed with 'nearest'", id="mixed"),
    pytest.param(lambda p: add_levels(p, [2, 4], "nearst"), MethodError, "Did you mean 'nearest'", id="method"),
    pytest.param(lambda p: add_levels(p, [2, 2]), ScaleError, "must grow", id="ladder"),
    pytest.param(lambda p: add_levels(p, [{"c": 2}]), ScaleError, "Only the axes z, y and x", id="channels"),
    pytest.param(lambda p: rebuild_levels(p / "labels/cells", "gaussian"), LabelError, "invents", id="labels"),
    pytest.param(lambda p: rebuild_levels(p, "laplacian"), OptionError, "cannot be written", id="laplacian"),
    pytest.param(lambda p: remove_levels(p, 0), OptionError, "at least 1", id="keep"),
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image that nobody changes, with something where another level would be."""
    return an_image(tmp_path_factory.mktemp("image") / "a", [2])


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_refused_levels_change_no_byte(
    finished: Path, call: Callable[[Path], Any], error: type[Exception], message: str
) -> None:
    before = every_file(finished)
    with pytest.raises(error, match=message):
        call(finished)
    assert every_file(finished) == before


def test_what_stands_where_a_level_would_be_stays(tmp_path: Path) -> None:
    place = an_image(tmp_path / "a", [2])
    (place / "2").mkdir()
    (place / "2" / "notes.txt").write_text("mine")
    before = every_file(place)
    with pytest.raises(ExistsError, match="has something at '2', where level 2 would be"):
        add_levels(place, [2, 4])
    assert every_file(place) == before


def test_levels_of_an_unknown_method_are_not_mixed(tmp_path: Path) -> None:
    place = an_image(tmp_path / "a", [2], method="nearest")
    group = zarr.open_group(place, mode="a")
    ome: Any = dict(group.attrs["ome"])
    del ome["multiscales"][0]["type"]
    group.attrs["ome"] = ome
    with pytest.raises(StoreError, match=r"is not known: say method=, or make all of them anew"):
        add_levels(place, [2, 4])
    add_levels(place, [2, 4], "nearest")
    other = an_image(tmp_path / "b", [2, 4], method="nearest")
    np.testing.assert_array_equal(open_image(place).images[2].data, open_image(other).images[2].data)


@pytest.mark.parametrize("says", ["nearest", "local_mean"])
def test_a_method_that_another_program_names_is_compared(tmp_path: Path, says: str) -> None:
    place = an_image(tmp_path / "a", [2], method="nearest")
    group = zarr.open_group(place, mode="r+")
    ome: Any = group.attrs["ome"]
    ome["multiscales"][0].update(type=says, metadata={"method": "theirs.downsample"})
    group.attrs["ome"] = ome
    if says == "nearest":
        add_levels(place, [2, 4])
        wanted = an_image(tmp_path / "b", [2, 4], method="nearest")
        assert np.array_equal(pixels_by_tensorstore(place)[2], pixels_by_tensorstore(wanted)[2])
        return
    before = every_file(place)
    with pytest.raises(StoreError, match=r"says .* by 'local_mean', but level 1 is not .*method=, or .*rebuild_levels"):
        add_levels(place, [2, 4])
    assert every_file(place) == before
    rebuild_levels(place, scale_factors=[2, 4])
    wanted = an_image(tmp_path / "b", [2, 4], method="local_mean")
    assert np.array_equal(pixels_by_tensorstore(place)[2], pixels_by_tensorstore(wanted)[2])


def share_level(place: Path, level: str) -> None:
    """Give the group a second image, whose only level is one of the first."""
    group = zarr.open_group(place, mode="r+")
    ome = dict(group.attrs["ome"])  # type: ignore[call-overload]
    (first,) = ome["multiscales"]
    (kept,) = (dataset for dataset in first["datasets"] if dataset["path"] == level)
    ome["multiscales"] = [first, {**first, "name": "second", "datasets": [kept]}]
    group.attrs["ome"] = ome


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(remove_levels, id="removed"),
        pytest.param(lambda place: rebuild_levels(place, scale_factors=[3]), id="fewer"),
    ],
)
def test_a_level_that_another_image_has_too_stays(tmp_path: Path, change: Callable[[Path], Any]) -> None:
    place = an_image(tmp_path / "a", [2, 4])
    share_level(place, "2")
    before, second = every_file(place / "2"), document(place)["multiscales"][1]
    change(place)
    assert (every_file(place / "2"), document(place)["multiscales"][1]) == (before, second)
    undo(place)
    assert every_file(place / "2") == before


def test_a_level_that_another_image_has_too_is_not_made_anew(tmp_path: Path) -> None:
    place = an_image(tmp_path / "a", [2, 4])
    share_level(place, "2")
    before = every_file(place)
    with pytest.raises(ExistsError, match="another image with the level '2'"):
        rebuild_levels(place, "nearest")
    assert every_file(place) == before


def test_a_dry_run_shows_levels_and_changes_nothing(tmp_path: Path) -> None:
    place = an_image(tmp_path / "a", [2])
    before = every_file(place)
    assert "2 comes" in add_levels(place, [2, 4], dry_run=True).diff.splitlines()
    assert (
        "2: 2 x 5 x 5 x 7 of uint16, in chunks of 1 x 5 x 5 x 7"
        in add_levels(place, [2, 4], dry_run=True).diff.splitlines()
    )
    assert "1 comes" in rebuild_levels(place, "mode", dry_run=True).diff.splitlines()
    assert "labels/cells/1 goes" in remove_levels(place, dry_run=True).diff.splitlines()
    assert every_file(place) == before


# Interruptions --------------------------------------------------------------------------------------------------------

CHANGES = [
    pytest.param(lambda p: add_levels(p, [2, 4]), id="add"),
    pytest.param(lambda p: rebuild_levels(p, "nearest"), id="rebuild"),
    pytest.param(remove_levels, id="remove"),
]


def is_whole(place: Any) -> None:
    """Read an image that is as it was or as it will be, or says that it is being changed; level 0 is untouched."""
    np.testing.assert_array_equal(zarr.open_array(place, path="0", mode="r")[...], NOISE)
    if "ome_ngff" in zarr.open_group(place, mode="r").attrs:
        with pytest.raises(IncompleteError, match=r"is being changed \(the \w+ of .*levels"):
            open_image(place)
        return
    for pyramid in (open_image(place), open_image(place).labels["cells"]):
        for level in pyramid.images:
            assert np.asarray(level.data).any()


@pytest.mark.parametrize("call", CHANGES)
def test_levels_killed_at_any_step_go_on_or_back(call: Callable[[Any], Any]) -> None:
    begun = an_image(Dying(), [2])
    before, start = begun.contents(), dict(begun._store_dict)
    whole = dying(start, None)
    call(whole)
    after, steps = alike(whole.contents()), whole.steps
    for last in sorted({*range(1, steps, max(1, steps // 12)), steps - 2, steps - 1}):
        store = dying(start, last)
        with pytest.raises(Killed):
            call(store)
        store.last = None
        is_whole(store)
        begun, done = (f".ome_ngff/{name}.zip" in store.contents() for name in ("changing", "undo"))
        other = dying(dict(store._store_dict), None)
        call(other)
        assert alike(other.contents()) == after
        assert not [key for key in other.contents() if "/levels/" in key]
        if begun or done:
            undo(store)
        assert alike(store.contents()) == before


@pytest.mark.parametrize("call", CHANGES)
def test_in_a_folder_levels_killed_at_any_step_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[Any], Any]
) -> None:
    an_image(tmp_path / "begun", [2])
    before = every_file(tmp_path / "begun")
    count = counted(monkeypatch, (Staging, "_move"), (Staging, "remove"), (Cells, "swap"))
    shutil.copytree(tmp_path / "begun", tmp_path / "whole")
    call(tmp_path / "whole")
    after, total = outside(every_file(tmp_path / "whole")), count.steps
    for number in sorted({*range(1, total, max(1, total // 8)), total - 1, total}):
        place, other = tmp_path / str(number), tmp_path / f"{number}-on"
        shutil.copytree(tmp_path / "begun", place)
        count.steps, count.last = 0, number
        with pytest.raises(Killed):
            call(place)
        count.last = None
        is_whole(place)
        shutil.copytree(place, other)
        call(other)
        assert outside(every_file(other)) == after
        assert {path.name.partition("-")[0] for path in other.rglob(".ome_ngff/*")} <= {"undo.zip", "cells"}
        if (place / ".ome_ngff" / "changing.zip").exists() or (place / ".ome_ngff" / "undo.zip").exists():
            undo(place)
        assert {p: h for p, h in every_file(place).items() if ".ome_ngff" not in p} == before


def test_what_was_begun_is_finished_unless_the_image_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = an_image(tmp_path / "a", [], chunks=4)
    written = 0

    def write(*given: Any) -> None:
        nonlocal written
        written += 1
        if written == 30:
            raise Killed
        whole(*given)

    whole = Staging._move
    monkeypatch.setattr(Staging, "_move", write)
    with pytest.raises(Killed):
        add_levels(place, [2])
    edit_image(place, name="another")
    add_levels(place, [2], dry_run=True)
    assert (place / ".ome_ngff" / "levels").exists()
    add_levels(place, [2])
    assert not (place / ".ome_ngff" / "levels").exists()
    assert document(place)["multiscales"][0]["name"] == "another"


@pytest.mark.parametrize("changed", ["", "labels/cells"], ids=["field", "labels"])
def test_labels_of_a_field_are_begun_anew_once_it_changed(tmp_path: Path, changed: str) -> None:
    write_plate_metadata(tmp_path, ["A"], ["1"], ["A/1"])
    write_well_metadata(tmp_path / "A" / "1", ["0"])
    field = an_image(tmp_path / "A" / "1" / "0", [])
    before = _state(find_target(tmp_path), "A/1/0/labels/cells")
    edit_image(field / changed, name="another")
    assert _state(find_target(tmp_path), "A/1/0/labels/cells") != before


# The command ----------------------------------------------------------------------------------------------------------


def run(*words: Any, code: int = 0) -> str:
    result = CliRunner().invoke(main, [*map(str, words)])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def test_the_command_makes_levels_in_place(tmp_path: Path) -> None:
    place = an_image(tmp_path / "a", [])
    before = every_file(place)
    assert "1 comes" in run("scale", place, "--in-place", "--scale-factors", "2", "--dry-run").splitlines()
    assert every_file(place) == before
    run("scale", place, "--in-place", "--scale-factors", "2", "--method", "local_mean", "-q")
    assert outside(every_file(place)) == every_file(an_image(tmp_path / "b", [2], method="local_mean"))
    before = every_file(place)
    shown = run("scale", place, "--in-place", "--rebuild", "--method", "nearest", "--max-layer", "2", "--dry-run")
    assert {"2 comes"} <= {*shown.splitlines()}
    assert every_file(place) == before
    run("scale", place, "--in-place", "--rebuild", "--method", "nearest", "--max-layer", "2", "-q")
    assert outside(every_file(place)) == every_file(an_image(tmp_path / "c", [2, 4], method="nearest"))
    run("edit", place, "--undo")
    assert [dataset["path"] for dataset in datasets(place)] == ["0", "1"]
    before = every_file(place)
    assert "1 goes" in run("scale", place, "--in-place", "--keep", "1", "--dry-run").splitlines()
    assert every_file(place) == before
    run("scale", place, "--in-place", "--keep", "1", "-q")
    assert outside(every_file(place)) == every_file(an_image(tmp_path / "d", []))
    assert "there was nothing to do" in run("scale", place, "--in-place", "--keep", "1")


@pytest.mark.parametrize("words", [[], ["--rebuild"]], ids=["added", "rebuilt"])
def test_levels_in_place_are_made_as_those_there_are(tmp_path: Path, words: list[str]) -> None:
    place = an_image(tmp_path / "a", [2], method="local_mean")
    run("scale", place, "--in-place", "--scale-factors", "2,4", *words, "-q")
    assert outside(every_file(place)) == every_file(an_image(tmp_path / "b", [2, 4], method="local_mean"))


def test_scale_writes_the_version_that_is_asked_for(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "raw", data=NOISE[0, 0], chunks=(8, 8))
    run("scale", tmp_path / "raw", tmp_path / "a", "yx", "--format", "0.4", "--scale-factors", "2", "-q")
    assert (tmp_path / "a" / ".zattrs").exists()
    assert len(datasets(tmp_path / "a")) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param([], "Missing argument 'OUTPUT'", id="no-output"),
        pytest.param(["out"], "it is a group, in which one is named", id="no-array"),
        pytest.param(["out", "yx", "--rebuild"], "leave out OUTPUT", id="rebuild-elsewhere"),
        pytest.param(["out", "yx", "--keep", "1"], "leave out OUTPUT", id="keep-elsewhere"),
        pytest.param(["--in-place", "--keep", "1", "--rebuild"], "exclude each other", id="keep-and-rebuild"),
        pytest.param(["--in-place", "--overwrite"], "exclude each other", id="overwrite"),
        pytest.param(["--in-place", "--scale-factors", "3"], "--rebuild", id="other-levels"),
    ],
)
def test_the_command_refuses_in_a_line(finished: Path, words: list[str], message: str) -> None:
    before = every_file(finished)
    assert message in run("scale", finished, *words, code=2)
    assert every_file(finished) == before
