"""Hierarchies that go from one version to another in place: what changes, what is refused, what comes back."""

from __future__ import annotations

import itertools
import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import attrs
import fsspec
import numcodecs
import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from helpers import document, every_file, pixels_by_tensorstore
from hierarchies import KNOWN, OF_LABELS, copy_to, files
from mutations import damaged
from zarr.storage import LocalStore, MemoryStore

from ome_ngff import (
    Axis,
    CodecError,
    FormatError,
    FormatV04,
    FormatV05,
    IncompleteError,
    InputError,
    MissingError,
    StoreError,
    ValidationError,
    open_image,
    open_scene,
    undo,
    upgrade,
    validate,
    write_image,
    write_labels,
    write_plate_metadata,
    write_scene,
    write_well_metadata,
)
from ome_ngff.cli import main
from ome_ngff.format import Format, FormatV06
from ome_ngff.spaces import CoordinateSystem, Edge, MapAxis, Scale, Sequence, Translation
from ome_ngff.spec.space.systems import Ref
from ome_ngff.store import change
from ome_ngff.store.array_documents import array_to_v2, array_to_v3
from ome_ngff.store.change import Change
from ome_ngff.store.claims import alone
from ome_ngff.store.hierarchy import LOCK
from ome_ngff.write import upgraded, versions
from ome_ngff.writer import add_metadata

NOISE = np.random.default_rng(5).integers(0, 60000, (5, 20, 30))


def an_image(folder: Path, fmt: str = "0.4") -> Path:
    """Write an image with labels."""
    pixels = (np.arange(9 * 40 * 70) % 65521).astype("uint16").reshape(9, 40, 70)
    words = {**KNOWN, "axes": "zyx", "fmt": fmt, "scale_factors": [2]}
    write_image(pixels, folder, **words)
    write_labels((pixels > 9000).astype("uint8"), folder, "cells", **{**OF_LABELS, "scale_factors": [2]})
    return folder


def by_hand(folder: Path, array: Any, **options: Any) -> Path:
    """Write an image of one level of 0.4 with Zarr alone."""
    group = zarr.open_group(folder, mode="w", zarr_format=2)
    keys = {"name": "v2", "separator": options.pop("separator", "/")}
    words = {"chunks": (2, 8, 16), "compressors": None, **options}
    level = group.create_array("0", shape=array.shape, dtype=array.dtype, chunk_key_encoding=keys, **words)
    level[...] = array
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    step = [{"type": "scale", "scale": [1, 0.5, 0.5]}]
    entry = {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": step}]}
    group.attrs["multiscales"] = [entry]
    return folder


def stored(kind: str, fmt: Format, folder: Path) -> Path:
    """Store a sample of a hierarchy."""
    copy_to(MemoryStore(_buffers(files(kind, fmt))), str(folder))
    return folder


def _buffers(contents: dict[str, bytes]) -> dict[str, Any]:
    buffer = zarr.core.buffer.default_buffer_prototype().buffer
    return {key: buffer.from_bytes(content) for key, content in contents.items()}


# What comes out -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        pytest.param("<u2", {"compressors": numcodecs.Blosc("lz4", 5, 1)}, id="blosc-lz4"),
        pytest.param("<u2", {"compressors": numcodecs.Blosc("zstd", 3, 2, 65536)}, id="blosc-bits"),
        pytest.param("|u1", {"compressors": numcodecs.Blosc("zlib", 3, -1)}, id="blosc-zlib-automatic"),
        pytest.param("<i4", {"compressors": numcodecs.Blosc("blosclz", 9, 0)}, id="blosclz-unshuffled"),
        pytest.param("<f4", {"compressors": numcodecs.Zstd(5, checksum=True), "fill_value": np.nan}, id="zstd"),
        pytest.param(">u2", {"compressors": numcodecs.GZip(4), "fill_value": 7}, id="gzip-big-endian"),
        pytest.param("<f8", {"order": "F"}, id="none-columns-first"),
        pytest.param(">i2", {"order": "F", "compressors": numcodecs.Blosc("zstd")}, id="blosc-columns-first-big"),
        pytest.param("<u4", {"separator": "."}, id="flat-keys"),
        pytest.param("<u2", {"fill_value": None}, id="no-fill-value"),
        pytest.param("|i1", {}, id="bytes"),
    ],
)
def test_pixels_are_read_by_all_as_before(tmp_path: Path, dtype: str, options: dict[str, Any]) -> None:
    array = (NOISE % 100 if "1" in dtype else NOISE % 30000).astype(dtype)
    image = by_hand(tmp_path / "image.zarr", array, **options)
    (image / "0" / ("0/0/0" if "separator" not in options else "0.0.0")).unlink()  # is the fill value
    before = zarr.open_array(image / "0", mode="r")[...]
    upgrade(image)
    assert not list(image.rglob(".z*"))
    np.testing.assert_array_equal(zarr.open_array(image / "0", mode="r")[...], before)
    np.testing.assert_array_equal(pixels_by_tensorstore(image)[0], before)
    np.testing.assert_array_equal(np.asarray(open_image(image).images[0].data), before)  # by zarrs


@pytest.mark.parametrize("kind", ["image", "plate", "bf2raw", "numbered"])
@pytest.mark.parametrize(
    ("source", "to"),
    [
        pytest.param(FormatV04(), "0.5", id="0.4-0.5"),
        pytest.param(FormatV04(), "0.6", id="0.4-0.6"),
        pytest.param(FormatV05(), "0.6", id="0.5-0.6"),
    ],
)
def test_whole_hierarchies_are_valid_afterwards(tmp_path: Path, kind: str, source: Format, to: str) -> None:
    place = stored(kind, source, tmp_path / "store")
    done = upgrade(place, to)
    report = validate(place, data=True)
    assert (report.version, report.counts["error"], report.counts["warning"]) == (to, 0, 0)
    assert done.images == sum("multiscales" in str(p.read_text()) for p in place.rglob("zarr.json"))
    there = {key.rpartition("/")[0] for key in files(kind, FormatV05()) if key.endswith("zarr.json")}
    assert {p.relative_to(place).parent.as_posix().strip(".") for p in place.rglob("zarr.json")} == there


@pytest.mark.parametrize("kind", ["image", "plate", "bf2raw"])
def test_documents_are_those_that_the_version_itself_has(tmp_path: Path, kind: str) -> None:
    place = stored(kind, FormatV04(), tmp_path / "store")
    upgrade(place)
    for key, content in files(kind, FormatV05()).items():
        if key.endswith("zarr.json"):
            expected, found = json.loads(content), json.loads((place / key).read_text())
            assert found.get("attributes", {}) == expected.get("attributes", {}), key
            assert found.get("dimension_names") == expected.get("dimension_names"), key


def test_foreign_nodes_and_attributes_come_along(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr")
    group = zarr.open_group(image, mode="a")
    group.attrs["another"] = {"says": 1}
    table = group.create_group("tables").create_group("first", attributes={"labels": {"of": "another"}})
    table.create_array("x", data=np.arange(7))
    upgrade(image)
    group = zarr.open_group(image, mode="r")
    assert group.attrs["another"] == {"says": 1}
    assert dict(group["tables/first"].attrs) == {"labels": {"of": "another"}}
    assert group["tables/first/x"][...].tolist() == list(range(7))


@pytest.mark.parametrize("way", [["0.5", "0.4"], ["0.6", "0.4"], ["0.5", "0.6", "0.5", "0.4"]], ids="-".join)
def test_there_and_back_keeps_pixels_and_meaning(tmp_path: Path, way: list[str]) -> None:
    image = an_image(tmp_path / "image.zarr")
    before = open_image(image)
    pixels, colors = np.asarray(before.images[0].data), before.labels["cells"].image_label["colors"]
    chunks = {k: v for k, v in every_file(image).items() if ".z" not in k}
    for version in way:
        upgrade(image, version)
        after = open_image(image)
        assert after.metadata.version == version
        assert after.metadata.axes == before.metadata.axes
        for one, other in zip(after.images, before.images, strict=True):
            assert (one.scale, one.translation) == (other.scale, other.translation)
        assert after.labels["cells"].image_label["colors"] == colors
        np.testing.assert_array_equal(np.asarray(after.images[0].data), pixels)
        np.testing.assert_array_equal(pixels_by_tensorstore(image)[0], pixels)
    assert after.metadata == before.metadata
    assert {k: v for k, v in every_file(image).items() if not re.search(r"\.z|\.ome_ngff", k)} == chunks


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
@pytest.mark.parametrize(("fmt", "to", "zarr_format"), [("0.4", "0.5", 2), ("0.5", "0.6", 3)])
def test_consolidated_metadata_goes(tmp_path: Path, fmt: str, to: str, zarr_format: Any) -> None:
    image = an_image(tmp_path / "image.zarr", fmt)
    zarr.consolidate_metadata(str(image), zarr_format=zarr_format)
    before = every_file(image)
    upgrade(image, to)
    assert zarr.open_group(image, mode="r").metadata.consolidated_metadata is None
    assert not (image / ".zmetadata").exists()
    undo(image)
    assert every_file(image) == before


class Counting(LocalStore):
    """Note every key that is asked for, written, deleted or listed."""

    keys: set[str]

    async def get(self, key: str, *rest: Any, **more: Any) -> Any:
        self.keys.add(key)
        return await super().get(key, *rest, **more)

    async def set(self, key: str, value: Any) -> None:
        self.keys.add(key)
        await super().set(key, value)

    async def delete(self, key: str) -> None:
        self.keys.add(key)
        await super().delete(key)

    def list_dir(self, prefix: str) -> Any:
        self.keys.add(f"{prefix}/")
        return super().list_dir(prefix)


def test_nothing_below_a_level_is_asked_for_but_its_document(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr")
    store = Counting(image)
    store.keys = set()
    chunks = {p: p.stat() for p in image.rglob("*") if p.is_file() and ".z" not in p.name}
    upgrade(store)
    levels = {key.removeprefix("labels/cells/") for key in store.keys if key[:2] in ("0/", "1/") or "cells/" in key}
    names = ("zarr.json", ".zarray", ".zattrs", ".zgroup")
    assert {level for level in levels if level[:2] in ("0/", "1/")} <= {f"{k}/{n}" for k in "01" for n in names}
    assert len(store.keys) > 10
    for path, there in chunks.items():
        now = path.stat()
        assert (now.st_ino, now.st_mtime_ns, now.st_atime_ns) == (there.st_ino, there.st_mtime_ns, there.st_atime_ns)


# Coordinate systems --------------------------------------------------------------------------------------------------


def _entry(place: Path) -> dict[str, Any]:
    return json.loads((place / "zarr.json").read_text())["attributes"]["ome"]["multiscales"][0]


def change_entry(place: Path, **parts: Any) -> None:
    """Add parts to the entry of an image of 0.6."""
    whole = json.loads((place / "zarr.json").read_text())
    whole["attributes"]["ome"]["multiscales"][0].update(parts)
    (place / "zarr.json").write_text(json.dumps(whole))


def test_an_outer_transformation_is_folded_into_the_levels(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr", "0.5")
    outer = [{"type": "scale", "scale": [1, 2, 2]}, {"type": "translation", "translation": [5, 0, 1]}]
    change_entry(image, coordinateTransformations=outer)
    before = open_image(image)
    upgrade(image, "0.6")
    for one, other in zip(open_image(image).images, before.images, strict=True):
        assert (one.scale, one.translation) == (other.scale, other.translation)
    assert "coordinateTransformations" not in _entry(image)


def test_an_axis_that_runs_backwards_is_turned_by_an_affine(tmp_path: Path) -> None:
    image = by_hand(tmp_path / "image.zarr", NOISE.astype("uint16"))
    group = zarr.open_group(image, mode="a")
    entry = group.attrs["multiscales"][0]
    steps = [{"type": "scale", "scale": [1, -0.5, 0.25]}, {"type": "translation", "translation": [3, 10, 0]}]
    entry["datasets"][0]["coordinateTransformations"] = steps
    group.attrs["multiscales"] = [entry]
    upgrade(image, "0.6")
    assert validate(image).valid
    graph = FormatV06().decode(zarr.open_group(image, mode="r").attrs["ome"]).graph
    indices = np.array([[0, 0, 0], [1, 4, 8]])
    np.testing.assert_allclose(
        graph.transform(indices, Ref(path="0"), "physical"), indices * [1, -0.5, 0.25] + [3, 10, 0]
    )


def _with_spaces(image: Path) -> None:
    axes = _entry(image)["coordinateSystems"][0]["axes"]
    turned = {"type": "rotation", "rotation": [[1, 0, 0], [0, 0, -1], [0, 1, 0]]}
    ends = {"input": {"name": "physical"}, "output": {"name": "stage"}}
    systems = [{"name": "physical", "axes": [{**axis, "longName": "an axis"} for axis in axes]}]
    systems.append({"name": "stage", "axes": axes})
    change_entry(image, coordinateSystems=systems, coordinateTransformations=[{**turned, **ends}])


def test_what_a_version_cannot_hold_is_listed_or_warned_of(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr", "0.6")
    _with_spaces(image)
    assert validate(image).valid
    before = every_file(image)
    words = r"the coordinate system 'stage'; /: the transformation rotation from physical to stage"
    with pytest.raises(FormatError, match=words):
        upgrade(image, "0.5")
    assert every_file(image) == before
    assert len(upgrade(image, "0.5", lossy=True, dry_run=True).losses) == 2
    with pytest.warns(UserWarning, match="stage") as caught:
        upgrade(image, "0.5", lossy=True)
    assert len(caught) == 2
    assert validate(image).valid
    assert "longName" not in _entry(image)["axes"][0]
    undo(image)
    assert every_file(image) == before


@pytest.mark.filterwarnings("default")
def test_the_command_accepts_losses(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr", "0.6")
    _with_spaces(image)
    refused = CliRunner().invoke(main, ["upgrade", str(image), "--to", "0.5"])
    assert refused.exit_code == 2
    assert "Pass --lossy to do without" in refused.output
    assert "would be lost: /: the coordinate system 'stage'" in run(image, "--to", "0.5", "--lossy", "--dry-run")
    assert "Warning" in run(image, "--to", "0.5", "--lossy")


@pytest.mark.parametrize("turned", [False, True])
def test_a_link_to_labels_is_folded_into_them(tmp_path: Path, turned: bool) -> None:
    image = an_image(tmp_path / "image.zarr", "0.6")
    ends = [{"name": "physical"}, {"name": "physical", "path": "labels/cells"}]
    step = {"type": "translation", "translation": [1, 2, -3]}
    start, end = ends[:: -1 if turned else 1]
    change_entry(image, coordinateTransformations=[{**step, "input": start, "output": end}])
    assert validate(image).valid
    before = open_image(image).labels["cells"].images[1]
    upgrade(image, "0.5")
    after = open_image(image).labels["cells"].images[1]
    sign = 1 if turned else -1
    shift = dict(zip("zyx", (1 * sign, 2 * sign, -3 * sign), strict=True))
    assert after.translation == {axis: before.translation[axis] + shift[axis] for axis in "zyx"}
    assert after.scale == before.scale
    assert validate(image).valid


def test_a_candidate_of_a_release_becomes_the_release(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr", "0.6")
    for path in image.rglob("zarr.json"):
        path.write_text(path.read_text().replace('"0.6"', '"0.6rc0"'))
    assert upgrade(image, "0.6").source == "0.6rc0"
    stated = [json.loads(path.read_text())["attributes"].get("ome") for path in image.rglob("zarr.json")]
    assert {ome["version"] for ome in stated if ome} == {"0.6"}


def test_dimensions_get_the_names_that_the_version_asks_for(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr", "0.6")
    path = image / "1" / "zarr.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "dimension_names"}))
    before = every_file(image)
    upgrade(image, "0.5")
    assert zarr.open_array(image / "1", mode="r").metadata.dimension_names == ("z", "y", "x")
    undo(image)
    assert every_file(image) == before


def test_dimensions_stay_as_they_are_where_the_version_asks_for_no_names(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr", "0.5")
    documents = [image / level / "zarr.json" for level in "01"]
    for path, names in zip(documents, ({}, {"dimension_names": ["a", "b", None]}), strict=True):
        unnamed = {key: value for key, value in json.loads(path.read_text()).items() if key != "dimension_names"}
        path.write_text(json.dumps({**unnamed, **names}))
    before = [path.read_bytes() for path in documents]
    upgrade(image, "0.6")
    assert [path.read_bytes() for path in documents] == before


@pytest.mark.parametrize("axes", ["zyx", "cyx", "tyx"])
def test_dimensions_have_the_names_of_their_own_image(tmp_path: Path, axes: str) -> None:
    """Though the arrays of another are stored in the same way."""
    place = stored("bf2raw", FormatV04(), tmp_path / "store")
    for number, each in enumerate(["zyx", axes]):
        words: Any = {"axes": each, "scale_factors": [], "chunks": (1, 20, 30), "fmt": "0.4", "overwrite": True}
        write_image(NOISE.astype("uint16"), place / str(number), **words)
    assert len({(place / str(number) / "0" / ".zarray").read_bytes() for number in range(2)}) == 1
    upgrade(place)
    names = [zarr.open_array(place / str(n) / "0", mode="r").metadata.dimension_names for n in range(2)]
    assert names == [tuple("zyx"), tuple(axes)]


def a_scene(folder: Path, *edges: Edge, fmt: str = "0.6") -> Path:
    """Write two images of 0.6 with labels, and a scene of them."""
    for name in ("left", "right"):
        an_image(folder / name, fmt)
    axes = [Axis(name, "space", "millimeter") for name in "zyx"]
    write_scene(folder, edges, [CoordinateSystem("world", axes)])
    return folder


PLACED = (
    Edge(("left", "physical"), "world", Scale([0.001] * 3)),
    Edge("world", ("right", "physical"), Sequence([Scale([1000] * 3), Translation([0, 5, 0])])),
)


def test_a_scene_of_scales_and_shifts_is_folded_into_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []
    findings = versions.planned_findings
    monkeypatch.setattr(versions, "planned_findings", lambda *words: judged.extend(words[-1]) or findings(*words))
    place = a_scene(tmp_path / "scene", *PLACED)
    before, corner, points = every_file(place), np.zeros(3), {}
    for name in ("left", "right"):
        points[name] = open_scene(place).transform(corner, f"{name}/0", "world")
    with pytest.raises(FormatError, match=r"cannot hold: /: the name of the coordinate system 'world' of the scene\."):
        upgrade(place)
    assert every_file(place) == before
    with pytest.warns(UserWarning, match="'world' of the scene"):
        done = upgrade(place, lossy=True)
    assert done.images == 4
    assert sorted(judged) == ["left", "right"]  # each once
    for name in ("left", "right"):
        image = open_image(place / name)
        assert {axis.unit for axis in image.metadata.axes} == {"millimeter"}
        np.testing.assert_allclose([*image.images[0].translation.values()], points[name])
        assert validate(place / name).valid
    assert "ome" not in zarr.open_group(place, mode="r").attrs
    undo(place)
    assert every_file(place) == before


def test_what_a_scene_says_beyond_scales_and_shifts_is_listed(tmp_path: Path) -> None:
    place = a_scene(tmp_path / "scene", PLACED[0], Edge(("right", "physical"), "world", MapAxis([2, 1, 0])))
    before = every_file(place)
    words = r"'world' of the scene; /: the transformation scale from left.* /: the transformation mapAxis from right"
    with pytest.raises(FormatError, match=words):
        upgrade(place)
    assert every_file(place) == before
    with pytest.warns(UserWarning, match="of the scene") as caught:
        upgrade(place, lossy=True)
    assert len(caught) == 3
    assert open_image(place / "left").images[0].scale["y"] == KNOWN["scale"]["y"]
    undo(place)
    assert every_file(place) == before


def test_a_scene_of_a_candidate_becomes_one_of_the_release(tmp_path: Path) -> None:
    place = a_scene(tmp_path / "scene", *PLACED)
    expected = open_scene(place).transform([1, 2, 3], "left/0", ("right", "physical"))
    for path in place.rglob("zarr.json"):
        path.write_text(path.read_text().replace('"version": "0.6"', '"version": "0.6rc0"'))
    assert upgrade(place, "0.6").source == "0.6rc0"
    assert "0.6rc0" not in "".join(path.read_text() for path in place.rglob("zarr.json"))
    assert validate(place).valid
    assert open_scene(place).transform([1, 2, 3], "left/0", ("right", "physical")).tolist() == expected.tolist()


@pytest.mark.parametrize("source", ["0.4", "0.5"])
def test_images_of_a_scene_are_upgraded_forward_before_it_is_made(tmp_path: Path, source: str) -> None:
    for name in ("left", "right"):
        upgrade(an_image(tmp_path / name, source), "0.6")
    write_scene(tmp_path, PLACED, [CoordinateSystem("world", [Axis(name, "space", "millimeter") for name in "zyx"])])
    assert validate(tmp_path, data=True).counts["error"] == 0
    assert upgrade(tmp_path, "0.6").documents == 0


@pytest.mark.parametrize(("source", "to"), [("0.4", "0.5"), ("0.4", "0.6"), ("0.5", "0.6")])
def test_a_plate_with_labels_goes_forward_and_back(tmp_path: Path, source: str, to: str) -> None:
    plate = tmp_path / "plate.zarr"
    write_plate_metadata(plate, ["A"], ["1"], ["A/1"], fmt=source, name="plate", field_count=1)
    write_well_metadata(zarr.open_group(plate, mode="a").create_group("A/1"), ["0"], fmt=source)
    an_image(plate / "A/1/0", source)
    before, pixels = every_file(plate), np.asarray(open_image(plate / "A/1/0").labels["cells"].images[0].data)
    assert upgrade(plate, to).images == 2
    report = validate(plate, data=True)
    assert (report.version, report.counts["error"], report.seen["labels"]) == (to, 0, 1)
    label = open_image(plate / "A/1/0").labels["cells"]
    np.testing.assert_array_equal(np.asarray(label.images[0].data), pixels)
    undo(plate)
    assert every_file(plate) == before


def a_plate(place: Path, fields: int) -> Path:
    """Write a plate of 0.4 whose images differ by their names alone."""
    names = [str(field) for field in range(fields)]
    write_plate_metadata(place, ["A"], ["1"], ["A/1"], fmt="0.4", name="plate", field_count=fields)
    write_well_metadata(zarr.open_group(place, mode="a").create_group("A/1"), names, fmt="0.4")
    for name in names:
        by_hand(place / "A/1" / name, np.zeros((2, 8, 16), "uint8"))
        path = place / "A/1" / name / ".zattrs"
        document = json.loads(path.read_text())
        document["multiscales"][0]["name"] = f"field {name}"
        path.write_text(json.dumps(document))
    return place


@pytest.mark.parametrize("to", ["0.5", "0.6"])
def test_images_that_differ_by_their_names_are_worked_out_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    def counted(fields: int) -> dict[str, int]:
        place = a_plate(tmp_path / str(fields), fields)
        calls = {"restate": 0, "findings": 0}

        def count(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
            def counting(*given: Any, **more: Any) -> Any:
                calls[name] += 1
                return call(*given, **more)

            return counting

        with monkeypatch.context() as patched:
            patched.setattr(upgraded, "restate", count("restate", upgraded.restate))
            patched.setattr(Format, "findings", count("findings", Format.findings))
            upgrade(place, to)
        return calls

    assert counted(2) == counted(5)
    names = [open_image(tmp_path / "5/A/1" / str(field)).metadata.name for field in range(5)]
    assert names == [f"field {field}" for field in range(5)]


def test_the_last_of_many_like_images_is_judged_as_the_first(tmp_path: Path) -> None:
    path = a_plate(tmp_path / "plate", 5) / "A/1/4/0/.zarray"
    path.write_text(json.dumps({**json.loads(path.read_text()), "shape": [8, 8], "chunks": [8, 8]}))
    with pytest.raises(ValidationError, match="/A/1/4/0: The array has 2 dimensions for 3 axes"):
        upgrade(tmp_path / "plate")


# What is undone -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["image", "plate", "bf2raw"])
@pytest.mark.parametrize(("source", "to"), [(FormatV04(), "0.5"), (FormatV04(), "0.6"), (FormatV05(), "0.6")])
def test_undo_restores_every_byte(tmp_path: Path, kind: str, source: Format, to: str) -> None:
    place = stored(kind, source, tmp_path / "store")
    before = every_file(place)
    upgrade(place, to)
    root = ".zattrs" if source.zarr_format == 2 else "zarr.json"
    with zipfile.ZipFile(place / ".ome_ngff" / "undo.zip") as archive:
        assert archive.read(f"old/{root}") == files(kind, source)[root]
    assert undo(place) == f"the upgrade from {source.version} to {to}"
    assert every_file(place) == before
    with pytest.raises(MissingError, match="nothing to undo"):
        undo(place)


def test_undo_knows_what_was_done_last_alone(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr")
    upgrade(image)
    between = {k: v for k, v in every_file(image).items() if ".ome_ngff" not in k}
    upgrade(image, "0.4")
    undo(image)
    assert every_file(image) == between


def _describe(image: Path) -> None:
    add_metadata(image, {"omero": {"channels": []}})


def _label(image: Path) -> None:
    pixels = np.zeros((9, 40, 70), "uint8")
    write_labels(pixels, image, "more", axes="zyx", scale_factors=[2])


def _delete(image: Path) -> None:
    (image / "1" / "zarr.json").unlink()


@pytest.mark.parametrize("change", [_describe, _label, _delete])
def test_what_was_changed_since_is_not_undone(tmp_path: Path, change: Callable[[Path], None]) -> None:
    image = an_image(tmp_path / "image.zarr")
    upgrade(image)
    change(image)
    before = every_file(image)
    with pytest.raises(StoreError, match="was changed after the upgrade"):
        undo(image)
    assert every_file(image) == before


def test_nothing_is_undone_while_labels_are_written(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr")
    upgrade(image)
    with alone(LocalStore(image), f"labels/cells/{LOCK}"):
        before = every_file(image)
        with pytest.raises(IncompleteError, match=r"cells is being written"):
            undo(image)
        assert every_file(image) == before


def test_an_image_that_is_written_anew_has_nothing_to_undo(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr")
    upgrade(image)
    write_image(np.zeros((4, 8, 8), "uint8"), image, axes="zyx", overwrite=True)
    with pytest.raises(MissingError, match="nothing to undo"):
        undo(image)


def test_resuming_a_finished_write_keeps_the_way_back(tmp_path: Path) -> None:
    image, words = tmp_path / "image.zarr", {"axes": "zyx", "chunks": 8, "scale_factors": [2]}
    write_image(NOISE.astype("uint16"), image, fmt="0.4", **words)
    before = every_file(image)
    upgrade(image)
    write_image(NOISE.astype("uint16"), image, resume=True, **words)
    undo(image)
    assert every_file(image) == before


# What is refused ----------------------------------------------------------------------------------------------------


def _mixed(place: Path) -> None:
    other = an_image(place.parent / "other", "0.5")
    (other / "labels" / "cells" / "zarr.json").rename(place / "labels" / "cells" / "zarr.json")


def _older(place: Path) -> None:
    path = place / "labels" / "cells" / ".zattrs"
    path.write_text(path.read_text().replace('"0.4"', '"0.3"'))


def _both(place: Path) -> None:
    (place / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {"ome": {}}}')


def _marked(place: Path) -> None:
    path = place / "labels" / "cells" / ".zattrs"
    path.write_text(json.dumps({**json.loads(path.read_text()), "ome_ngff": {"incomplete": {}}}))


def _locked(place: Path) -> None:
    (place / "labels" / ".ome_ngff.lock").touch()


def _linked(place: Path) -> None:
    (place / "1").rename(place.parent / "1")
    (place / "1").symlink_to(place.parent / "1")


def _document_linked(place: Path) -> None:
    (place / "1" / ".zarray").rename(place.parent / ".zarray")
    (place / "1" / ".zarray").symlink_to(place.parent / ".zarray")


def _journal_linked(place: Path) -> None:
    (place.parent / "elsewhere").mkdir()
    (place / ".ome_ngff").symlink_to(place.parent / "elsewhere")


def _invalid(place: Path) -> None:
    path = place / ".zattrs"
    path.write_text(path.read_text().replace('"space"', '"time"'))


def _missing(place: Path) -> None:
    (place / "1" / ".zarray").unlink()


def _broken(place: Path) -> None:
    (place / "1" / ".zarray").write_text('{"shape": [')


def _coded(**words: Any) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        path = place / "labels" / "cells" / "1" / ".zarray"
        path.write_text(json.dumps({**json.loads(path.read_text()), **words}))

    return change


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        pytest.param(_mixed, FormatError, r"/labels/cells: it is of Zarr v2 and v3", id="mixed"),
        pytest.param(_older, FormatError, r"/labels/cells: it is OME-Zarr '0.3'", id="older"),
        pytest.param(_both, FormatError, "of Zarr v2 and v3", id="both"),
        pytest.param(_marked, IncompleteError, "labels/cells is incomplete", id="marked"),
        pytest.param(_linked, StoreError, "behind a link", id="linked"),
        pytest.param(_document_linked, StoreError, "behind a link", id="document-linked"),
        pytest.param(_journal_linked, StoreError, "behind a link", id="journal-linked"),
        pytest.param(_invalid, ValidationError, "axes", id="invalid"),
        pytest.param(_missing, ValidationError, "dataset-array", id="missing"),
        pytest.param(_broken, StoreError, "not JSON", id="broken"),
        pytest.param(_coded(compressor={"id": "zlib", "level": 1}), CodecError, "/labels/cells/1: .*zlib", id="zlib"),
        pytest.param(_coded(compressor={"id": "lz4"}), CodecError, "'lz4'", id="lz4"),
        pytest.param(_coded(compressor={"id": "bz2", "level": 1}), CodecError, "'bz2'", id="bz2"),
        pytest.param(_coded(filters=[{"id": "delta", "dtype": "|u1"}]), CodecError, "filters", id="delta"),
        pytest.param(_coded(dtype="<U4"), CodecError, "<U4", id="strings"),
        pytest.param(_coded(dtype=[["a", "<u2"]]), CodecError, "of the type", id="records"),
        pytest.param(_coded(fill_value="a"), CodecError, "fill value", id="fill"),
        pytest.param(_coded(_nczarr_array={}), CodecError, "_nczarr_array", id="unknown-key"),
    ],
)
def test_what_cannot_be_upgraded_is_refused_untouched(
    tmp_path: Path, spoil: Callable[[Path], None], error: type[Exception], words: str
) -> None:
    place = an_image(tmp_path / "image.zarr")
    spoil(place)
    before = every_file(tmp_path)
    for dry_run, lossy in itertools.product((True, False), repeat=2):
        with pytest.raises(error, match=words):
            upgrade(place, dry_run=dry_run, lossy=lossy)
    assert every_file(tmp_path) == before


@pytest.mark.slow
def test_a_lock_that_a_killed_process_left_is_waited_for(tmp_path: Path) -> None:
    place = an_image(tmp_path / "image.zarr")
    _locked(place)
    with pytest.raises(IncompleteError, match="labels is being written"):
        upgrade(place, dry_run=True)
    upgrade(place)
    assert validate(place).version == "0.5"
    assert not (place / "labels" / ".ome_ngff.lock").exists()


def test_all_reasons_are_listed_at_once(tmp_path: Path) -> None:
    place = an_image(tmp_path / "image.zarr")
    _coded(compressor={"id": "zlib", "level": 1})(place)
    _older(place)
    with pytest.raises(FormatError, match=r"/labels/cells: .*; /labels/cells/1: .*zlib"):
        upgrade(place)


def test_a_sharded_image_does_not_go_to_zarr_v2(tmp_path: Path) -> None:
    image = tmp_path / "image.zarr"
    write_image(NOISE.astype("uint16"), image, axes="zyx", chunks=8, shards=16)
    before = every_file(image)
    with pytest.raises(CodecError, match=r"/0, /1, /2: it has shards"):
        upgrade(image, "0.4")
    assert every_file(image) == before


@pytest.mark.parametrize(
    ("source", "to", "name", "value"),
    [
        pytest.param("0.4", "0.5", "ome", "mine", id="ome"),
        pytest.param("0.5", "0.4", "omero", {"id": 7}, id="omero"),
        pytest.param("0.6", "0.4", "omero", "mine", id="omero-text"),
    ],
)
def test_an_attribute_of_others_is_not_written_over(
    tmp_path: Path, source: str, to: str, name: str, value: Any
) -> None:
    image = an_image(tmp_path / "image.zarr")
    upgrade(image, source)
    zarr.open_group(image, mode="a").attrs[name] = value
    before = every_file(image)
    with pytest.raises(FormatError, match=f"an attribute '{name}' of others in the way"):
        upgrade(image, to, lossy=True)
    assert every_file(image) == before


def test_keys_that_zarr_v2_has_not_are_refused(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr", "0.5")
    before = every_file(image)
    with pytest.raises(CodecError, match=r"/0, /1, /labels/cells/0, ...: its chunks have keys .*c/0/0"):
        upgrade(image, "0.4")
    assert every_file(image) == before


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_keys_whose_separator_is_not_stated_are_those_of_zarr(tmp_path: Path, zarr_format: int) -> None:
    names, keys = {2: ".zarray", 3: "zarr.json"}, {"name": "v2", "separator": "."}
    pixels = NOISE.astype("uint16")
    words: Any = {"chunks": (2, 8, 16), "zarr_format": zarr_format, "chunk_key_encoding": keys}
    zarr.create_array(tmp_path / "a", data=pixels, **words)
    document = json.loads((tmp_path / "a" / names[zarr_format]).read_text())
    if zarr_format == 2:
        del document["dimension_separator"]
    else:
        document["chunk_key_encoding"] = {"name": "v2"}
    found = array_to_v3(document, {}, None) if zarr_format == 2 else array_to_v2(document)[0]
    for kind, each in ((zarr_format, document), (5 - zarr_format, found)):
        (tmp_path / "a" / names[kind]).write_text(json.dumps(each))
        np.testing.assert_array_equal(zarr.open_array(tmp_path / "a", mode="r", zarr_format=kind)[...], pixels)


def test_arrays_of_others_may_stay_where_losses_are_accepted(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr")
    table = zarr.open_group(image, mode="a").create_group("tables")
    table.create_array("x", data=np.arange(7), compressors=numcodecs.Zlib())
    with pytest.raises(CodecError, match="zlib"):
        upgrade(image)
    with pytest.warns(UserWarning, match=r"/tables/x stays as it is, in Zarr v2"):
        upgrade(image, lossy=True)
    assert zarr.open_array(image / "tables" / "x", mode="r")[...].tolist() == list(range(7))
    assert open_image(image).metadata.version == "0.5"


@pytest.mark.parametrize("below", ["A", "A/1", "A/1/0"])
def test_a_part_of_a_plate_is_not_upgraded_alone(tmp_path: Path, below: str) -> None:
    place = stored("plate", FormatV04(), tmp_path / "plate")
    before = every_file(place)
    store = LocalStore(place)
    for part in (place / below, zarr.open_group(store, path=below, mode="r+")):
        with pytest.raises((FormatError, InputError), match=r"is a part of .*plate|no metadata of OME"):
            upgrade(part)
    assert every_file(place) == before


def test_a_store_that_can_only_be_read_is_refused(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr")
    for call in (upgrade, undo):
        with pytest.raises(StoreError, match="read only"):
            call(LocalStore(image, read_only=True))


def test_a_folder_that_can_only_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = an_image(tmp_path / "image.zarr")
    before = every_file(image)
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("labels/cells/1"))
    with pytest.raises(StoreError, match="labels/cells/1 can only be read"):
        upgrade(image)
    assert every_file(image) == before


@pytest.mark.parametrize(
    ("made", "error"),
    [
        pytest.param(lambda place: None, MissingError, id="nothing"),
        pytest.param(lambda place: zarr.create_group(place, zarr_format=2), InputError, id="group"),
        pytest.param(lambda place: zarr.save_array(place, np.zeros(3), zarr_format=2), InputError, id="array"),
    ],
)
def test_what_is_not_an_image_is_refused(tmp_path: Path, made: Callable[[Path], None], error: type[Exception]) -> None:
    made(tmp_path / "a.zarr")
    with pytest.raises(error):
        upgrade(tmp_path / "a.zarr")


def test_a_zip_is_refused(tmp_path: Path) -> None:
    write_image(NOISE.astype("uint8"), tmp_path / "a.ozx", axes="zyx")
    with pytest.raises(StoreError, match="a ZIP is not changed in place"):
        upgrade(tmp_path / "a.ozx", "0.4")


@pytest.mark.parametrize(
    "name", [pytest.param("../victim", id="above"), pytest.param("/victim", id="root"), pytest.param("1/../0", id="in")]
)
def test_a_record_that_names_places_outside_is_not_believed(tmp_path: Path, name: str) -> None:
    image = an_image(tmp_path / "image.zarr")
    upgrade(image)
    record = image / ".ome_ngff" / "undo.zip"
    with zipfile.ZipFile(record, "a") as archive:
        archive.writestr(f"old/{name}", "victim")
    before = every_file(tmp_path)
    with pytest.raises(StoreError, match="not a record"):
        undo(image)
    assert every_file(tmp_path) == before


def test_a_record_beyond_reason_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Change({"change": "edit"}, {"zarr.json": b"{}"}, {"zarr.json": b"{ }"}, None)
    other = attrs.evolve(made, marked=frozenset({"a/zarr.json"})).to_bytes()
    with pytest.raises(StoreError, match="marks what it does not change"):
        Change.from_bytes(other, "record")
    content = made.to_bytes()
    assert Change.from_bytes(content, "record").to_bytes() == content
    monkeypatch.setattr(change, "_MOST", 9)
    with pytest.raises(StoreError, match="unpacks to more"):
        Change.from_bytes(content, "record")
    with pytest.raises(StoreError, match="a record of more than 9 bytes"):
        made.to_bytes()


def test_nothing_is_undone_through_a_link(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr")
    upgrade(image)
    (image / "labels" / "cells").rename(tmp_path / "cells")
    (image / "labels" / "cells").symlink_to(tmp_path / "cells")
    before = every_file(tmp_path)
    with pytest.raises(StoreError, match=r"'labels/cells/.*' behind a link, which is not written through"):
        undo(image)
    assert every_file(tmp_path) == before


@pytest.mark.parametrize("seed", range(30))
def test_a_record_that_is_damaged_is_refused_or_right(tmp_path: Path, seed: int) -> None:
    image = by_hand(tmp_path / "image.zarr", NOISE.astype("uint16"))
    before = every_file(image)
    upgrade(image)
    record = image / ".ome_ngff" / "undo.zip"
    record.write_bytes(damaged(record.read_bytes(), Random(seed)))
    there = every_file(image)
    try:
        undo(image)
    except StoreError:
        assert every_file(image) == there
    else:
        assert every_file(image) == before


# The command --------------------------------------------------------------------------------------------------------


def run(*words: Any) -> str:
    result = CliRunner().invoke(main, ["upgrade", *map(str, words)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_the_command_upgrades_and_undoes(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image.zarr")
    before = every_file(image)
    assert "would go from OME-Zarr 0.4 to 0.5 (2 images" in run(image, "--dry-run")
    assert every_file(image) == before
    assert "went from OME-Zarr 0.4 to 0.5 (2 images" in run(image, "--to", "0.5")
    assert document(image)["version"] == "0.5"
    assert "is OME-Zarr 0.5 already" in run(image, "--to", "0.5")
    assert "the upgrade from 0.4 to 0.5 is undone" in run(image, "--undo")
    assert every_file(image) == before


def test_the_command_says_how_losses_are_accepted(tmp_path: Path) -> None:
    image = by_hand(tmp_path / "image.zarr", NOISE.astype("uint16"), compressors=numcodecs.Zlib())
    result = CliRunner().invoke(main, ["upgrade", str(image)])
    assert result.exit_code != 0
    assert "zlib" in result.output


# Elsewhere ----------------------------------------------------------------------------------------------------------


def test_an_image_behind_a_url_goes_there_and_back(bucket: str) -> None:
    place = f"{bucket}/image"
    copy_to(MemoryStore(_buffers(files("image", FormatV04()))), place)
    pixels = np.asarray(open_image(place).images[0].data)
    upgrade(place, "0.6")
    assert validate(place).version == "0.6"
    np.testing.assert_array_equal(np.asarray(open_image(place).images[0].data), pixels)
    undo(place)
    found = fsspec.filesystem("memory").find(f"/{place.partition('://')[2]}")
    assert {key.partition("/image/")[2] for key in found} == set(files("image", FormatV04()))


def test_an_image_in_a_mapping_goes_there_and_back() -> None:
    before = dict(files("image", FormatV04()))
    mapping = dict(before)
    upgrade(mapping)
    assert validate(mapping).version == "0.5"
    undo(mapping)
    assert mapping == before


def test_copies_of_metadata_above_go(tmp_path: Path) -> None:
    root = zarr.open_group(tmp_path / "many", mode="w", zarr_format=2)
    root.create_group("first")
    an_image(tmp_path / "many" / "first")
    zarr.consolidate_metadata(str(tmp_path / "many"), zarr_format=2)
    upgrade(zarr.open_group(tmp_path / "many", mode="a", path="first"))
    assert not (tmp_path / "many" / ".zmetadata").exists()


def test_levels_of_different_types_do_not_become_0_6(tmp_path: Path) -> None:
    image = by_hand(tmp_path / "image.zarr", NOISE.astype("uint16"))
    group = zarr.open_group(image, mode="a")
    group.create_array("1", data=np.zeros((5, 10, 15), "float32"), chunk_key_encoding={"name": "v2", "separator": "/"})
    entry = group.attrs["multiscales"][0]
    entry["datasets"].append({"path": "1", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1]}]})
    group.attrs["multiscales"] = [entry]
    before = every_file(image)
    with pytest.raises(ValidationError, match="dtype"):
        upgrade(image, "0.6")
    assert every_file(image) == before
    upgrade(image, "0.5")
