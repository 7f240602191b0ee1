"""Images of 0.6 in their spaces: what is opened, kept and written; scenes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from helpers import every_file

from ome_ngff import (
    Axis,
    ExistsError,
    FormatError,
    InputError,
    MissingError,
    Multiscales,
    SpaceError,
    ValidationError,
    convert,
    open_image,
    open_scene,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    upgrade,
    validate,
    write_image,
    write_labels,
    write_plate_metadata,
    write_scene,
    write_well_metadata,
)
from ome_ngff.read.describe import describe_store
from ome_ngff.spaces import (
    Affine,
    CoordinateSystem,
    Displacements,
    Edge,
    Identity,
    Rotation,
    Scale,
    Translation,
)

PIXELS = np.arange(64 * 48, dtype="uint16").reshape(64, 48)
TURNED = Rotation(rotation=[[0.6, -0.8], [0.8, 0.6]])


def image(place: Path | str, **more: Any) -> None:
    write_image(
        PIXELS, place, axes="yx", scale=[0.5, 0.25], translation=[10, 20], axes_units="micrometer", fmt="0.6",
        scale_factors=[2], **more,
    )  # fmt: skip


def change(place: Path, **parts: Any) -> dict[str, Any]:
    """Change parts of the first image of a document, and return them all."""
    file = place / "zarr.json"
    content = json.loads(file.read_text())
    multiscale: dict[str, Any] = content["attributes"]["ome"]["multiscales"][0]
    multiscale |= parts
    file.write_text(json.dumps(content))
    return multiscale


@pytest.fixture
def turned(tmp_path: Path) -> Path:
    """An image of 0.6 with three more coordinate systems."""
    place = tmp_path / "turned.zarr"
    image(place)
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    system = {"name": "physical", "axes": axes, "note": "a key of someone's own"}
    change(
        place,
        coordinateSystems=[*({"name": name, "axes": axes} for name in ("atlas", "stage", "warped")), system],
        coordinateTransformations=[
            {**Edge("physical", "stage", TURNED).to_document(), "name": "mount"},
            Edge("atlas", "physical", Affine(affine=[[1, 0.5, 3], [0, 2, 4]])).to_document(),
            {"type": "warp", "by": 3, "input": {"name": "physical"}, "output": {"name": "warped"}},
        ],
    )
    return place


WARNED = pytest.mark.filterwarnings("ignore:.*are not understood; they are kept")


def test_an_image_of_0_6_has_the_geometry_of_its_intrinsic_system(turned: Path) -> None:
    with pytest.warns(UserWarning, match=r"never applied \(warp from physical to warped: The transformation 'warp'"):
        found = open_image(turned)
    assert found.metadata.version == "0.6"
    assert [axis.unit for axis in found.metadata.axes] == ["micrometer"] * 2
    assert (found.images[0].scale, found.images[0].translation) == ({"y": 0.5, "x": 0.25}, {"y": 10.0, "x": 20.0})
    assert found.images[1].translation == {"y": 10.25, "x": 20.125}
    assert [system.name for system in found.systems] == ["physical", "atlas", "stage", "warped"]
    assert str(found.transformations[0]) == "rotation from physical to stage"


@WARNED
def test_points_go_from_pixels_to_any_system_that_can_be_reached(turned: Path) -> None:
    found = open_image(turned)
    assert found.transform([[2, 4]], "0", "physical").tolist() == [[11, 21]]
    np.testing.assert_allclose(
        found.transform([11, 21], "physical", "stage"), [0.6 * 11 - 0.8 * 21, 0.8 * 11 + 0.6 * 21]
    )
    np.testing.assert_allclose(found.transform([1, 2], "atlas", "physical"), [5, 8])
    np.testing.assert_allclose(found.transform(found.transform([1, 2], "atlas", "1"), "1", "atlas"), [1, 2])
    with pytest.raises(SpaceError, match="No transformations lead from physical to warped"):
        found.transform([1, 2], "physical", "warped")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_older_images_have_one_system(tmp_path: Path, version: str) -> None:
    write_image(PIXELS, tmp_path / "a.zarr", axes="yx", scale=[0.5, 0.25], fmt=version)
    found = open_image(tmp_path / "a.zarr")
    assert [(system.name, len(system.axes)) for system in found.systems] == [("physical", 2)]
    assert found.transform([2, 4], "0", "physical").tolist() == [1, 1]


@WARNED
def test_all_that_is_said_of_spaces_survives_a_round_trip(turned: Path, tmp_path: Path) -> None:
    before = open_image(turned)
    to_ngff_zarr(tmp_path / "copy.zarr", before, version="0.6")
    said, again = (json.loads((p / "zarr.json").read_text())["attributes"]["ome"]["multiscales"][0]
                   for p in (turned, tmp_path / "copy.zarr"))  # fmt: skip
    assert again["coordinateTransformations"] == said["coordinateTransformations"]
    by_name = [{s["name"]: s for s in each["coordinateSystems"]} for each in (said, again)]
    assert by_name[0] == by_name[1]
    assert again["datasets"] == said["datasets"]


@WARNED
def test_a_conversion_keeps_what_is_said_of_spaces_or_says_so(turned: Path, tmp_path: Path) -> None:
    write_labels(PIXELS, turned, "cells")
    convert(turned, tmp_path / "copy.zarr", fmt="0.6", chunks=16)
    said, again = open_image(turned), open_image(tmp_path / "copy.zarr")
    assert (again.systems, again.transformations) == (said.systems, said.transformations)
    np.testing.assert_allclose(again.transform([2, 4], "0", "atlas"), said.transform([2, 4], "0", "atlas"))
    with pytest.warns(UserWarning, match=r"left out \(atlas, stage, warped\): OME-Zarr 0.5 cannot hold them"):
        convert(turned, tmp_path / "old.zarr", fmt="0.5", labels=False)
    place = tmp_path / "stack.zarr"
    write_image(np.zeros((2, 8, 8), "uint8"), place, axes="zyx", fmt="0.6")
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    change(place, coordinateSystems=[{"name": name, "axes": axes} for name in ("physical", "atlas")])
    with pytest.warns(UserWarning, match=r"left out \(atlas\): the image has other axes now"):
        convert(place, tmp_path / "film.zarr", fmt="0.6", axes="tyx")


@pytest.mark.parametrize("labels", [True, False])
def test_links_to_labels_go_where_labels_stay_behind(tmp_path: Path, labels: bool) -> None:
    place = tmp_path / "a.zarr"
    image(place)
    write_labels(PIXELS, place, "cells")
    link = Edge("physical", ("labels/cells", "physical"), Translation([0, 0]))
    change(place, coordinateTransformations=[link.to_document()])
    convert(place, tmp_path / "copy.zarr", fmt="0.6", labels=labels)
    assert [edge.output.path for edge in open_image(tmp_path / "copy.zarr").transformations] == [
        "labels/cells"
    ] * labels
    assert validate(tmp_path / "copy.zarr").valid


@WARNED
def test_what_0_5_cannot_hold_is_named_when_it_is_left_out(turned: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"left out \(atlas, stage, warped\): OME-Zarr 0.5 cannot hold them"):
        to_ngff_zarr(tmp_path / "copy.zarr", open_image(turned), version="0.5")
    assert open_image(tmp_path / "copy.zarr").images[0].scale == {"y": 0.5, "x": 0.25}


@WARNED
def test_info_shows_systems_and_transformations(turned: Path) -> None:
    (found,) = describe_store(turned).images
    assert found.systems == ("physical", "atlas", "stage", "warped")
    assert found.transformations[:2] == ("rotation from physical to stage", "affine from atlas to physical")
    assert [level.scale for level in found.levels] == [(0.5, 0.25), (1.0, 0.5)]


@pytest.mark.parametrize("version", ["0.6.dev3", "0.6.dev4", "0.7"])
def test_drafts_are_refused_by_name_and_the_candidate_is_read(turned: Path, version: str) -> None:
    text = (turned / "zarr.json").read_text()
    (turned / "zarr.json").write_text(text.replace('"version": "0.6"', f'"version": "{version}"', 1))
    with pytest.raises(FormatError, match=f"OME-Zarr {version} .*is not understood"):
        open_image(turned)
    (turned / "zarr.json").write_text(text.replace('"version": "0.6"', '"version": "0.6rc0"', 1))
    with pytest.warns(UserWarning, match="never applied"):
        assert open_image(turned).images[0].scale == {"y": 0.5, "x": 0.25}


def test_every_writer_writes_0_6_and_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    place = tmp_path / "plate.zarr"
    write_plate_metadata(place, ["A"], ["1"], ["A/1"], fmt="0.6", name="plate", field_count=1)
    plate = zarr.open_group(place)
    write_well_metadata(plate.create_group("A/1"), ["field-0"])
    image(place / "A/1/field-0")
    colors = {1: "FF0000"}
    write_labels((PIXELS > 99).astype("uint8"), place / "A/1/field-0", "cells", axes="yx", colors=colors)
    multiscales = to_multiscales(to_ngff_image(PIXELS, dims="yx", axes_units={"y": "meter", "x": "meter"}), [2])
    to_ngff_zarr(tmp_path / "b.zarr", multiscales, version="0.6")
    for store in (place, tmp_path / "b.zarr"):
        report = validate(store, strict=True, data=True)
        assert (report.version, report.findings) == ("0.6", ())
    assert '"version": "0.5"' not in "".join(path.read_text() for path in tmp_path.rglob("zarr.json"))


def test_labels_of_another_version_than_their_image_are_refused(tmp_path: Path) -> None:
    image(tmp_path / "a.zarr")
    before = every_file(tmp_path)
    with pytest.raises(FormatError, match=r"It is OME-Zarr 0\.6, and 0\.5 was asked for; leave out the format"):
        write_labels((PIXELS > 99).astype("uint8"), tmp_path / "a.zarr", "cells", fmt="0.5")
    assert every_file(tmp_path) == before


@WARNED
def test_models_of_ome_zarr_take_our_0_6(turned: Path, tmp_path: Path) -> None:
    v06 = pytest.importorskip("ome_zarr_models.v06", reason="ome-zarr-models has 0.6 from 1.8 on, for Python 3.12")
    place = tmp_path / "all.zarr"
    write_plate_metadata(place / "plate", ["A"], ["1"], ["A/1"], fmt="0.6", name="plate", field_count=1)
    write_well_metadata(zarr.open_group(place / "plate").create_group("A/1"), ["field-0"])
    image(place / "plate/A/1/field-0")
    write_labels((PIXELS > 99).astype("uint8"), place / "plate/A/1/field-0", "cells", axes="yx", colors={1: "FF0000"})
    for side in ("left", "right"):
        image(place / "scene" / side)
    write_scene(place / "scene", EDGES, [WORLD])
    multiscale = change(turned)
    change(turned, coordinateTransformations=multiscale["coordinateTransformations"][:2])  # without the unknown one
    shutil.copytree(place / "plate/A/1/field-0", place / "older")
    upgrade(place / "older", "0.5")
    upgrade(place / "older", "0.6")
    kinds = {
        place / "plate": v06.HCS,
        place / "plate/A/1": v06.Well,
        place / "plate/A/1/field-0": v06.Image,
        place / "plate/A/1/field-0/labels": v06.Labels,
        place / "plate/A/1/field-0/labels/cells": v06.ImageLabel,
        place / "scene": v06.Scene,
        place / "older": v06.Image,
        turned: v06.Image,
    }
    for group, model in kinds.items():
        model.from_zarr(zarr.open_group(group, mode="r"))


@pytest.mark.filterwarnings("ignore")  # theirs
def test_classes_of_ome_zarr_write_0_6_and_read_ours(tmp_path: Path) -> None:
    theirs = pytest.importorskip("ome_zarr", "0.21", reason="ome-zarr has 0.6 from 0.21 on, for Python 3.12")
    scale, units = {"y": 0.5, "x": 0.25}, {"y": "micrometer", "x": "nanometer"}
    pyramid = theirs.OMEZarrMultiscale(theirs.OMEZarrImage(PIXELS, "yx", scale, units, name="cells"), [2])
    theirs.OMEZarrScene(
        {"left": pyramid, "right": pyramid},
        [Edge(("right", "physical"), ("left", "physical"), Translation([0, 5])).to_document()],
    ).to_ome_zarr(str(tmp_path / "theirs.zarr"))
    scene = open_scene(tmp_path / "theirs.zarr")
    read = scene["left"].images[0]
    assert (read.scale, read.axes_units, read.name) == (scale, units, "cells")
    np.testing.assert_array_equal(np.asarray(read.data), PIXELS)
    assert scene.transform([1, 2], ("right", "physical"), ("left", "physical")).tolist() == [1, 7]
    assert validate(tmp_path / "theirs.zarr", data=True).counts["error"] == 0

    write_image(PIXELS, tmp_path / "ours.zarr", axes="yx", scale=scale, axes_units=units, scale_factors=[2], fmt="0.6")
    back = theirs.OMEZarrMultiscale.from_ome_zarr(str(tmp_path / "ours.zarr")).images[0]
    assert (dict(back.scale), dict(back.axes_units)) == (scale, units)
    np.testing.assert_array_equal(np.asarray(back.data), PIXELS)


# Parameters that are stored as arrays --------------------------------------------------------------------------------


def field(place: Path, vectors: np.ndarray[Any, Any], **more: Any) -> None:
    """Write a field of displacements, with pixels of 2 micrometers."""
    axes = [{"name": "d", "type": "displacement", "discrete": True}, *({"name": n, "type": "space"} for n in "yx")]
    write_image(vectors, place, axes=axes, scale=[1, 2, 2], scale_factors=[], omero=False, fmt="0.6", **more)


def opened(turned: Path, **edge: Any) -> Multiscales:
    change(turned, coordinateTransformations=[{**edge, "input": {"name": "physical"}, "output": {"name": "warped"}}])
    return open_image(turned)


def test_a_field_displaces_points_by_the_vectors_between_its_pixels(turned: Path) -> None:
    y, x = np.meshgrid(np.arange(8.0), np.arange(8.0), indexing="ij")
    field(turned / "coordinateTransformations/field", np.stack([y, 10 * x]))
    found = opened(turned, type="displacements", path="coordinateTransformations/field")
    points = np.array([[[0, 0], [3, 5]], [[14, 14], [100, 0]]], float)
    expected = points + np.stack([points[..., 0] / 2, 10 * points[..., 1] / 2], axis=-1)
    expected[1, 1] = np.nan
    np.testing.assert_allclose(found.transform(points, "physical", "warped"), expected)
    assert found.transform([3.2, 5], "physical", "warped").tolist() == [3.2 + 1.6, 5 + 25]
    nearest = opened(turned, type="displacements", path="coordinateTransformations/field", interpolation="nearest")
    assert nearest.transform([3.2, 5.1], "physical", "warped").tolist() == [3.2 + 2, 5.1 + 30]
    cubic = opened(turned, type="displacements", path="coordinateTransformations/field", interpolation="cubic")
    np.testing.assert_allclose(cubic.transform([6, 6], "physical", "warped"), [9, 36])


def test_a_matrix_at_a_path_is_read_when_it_is_applied(turned: Path) -> None:
    found = opened(turned, type="affine", path="coordinateTransformations/matrix")
    with pytest.raises(SpaceError, match="There is no matrix at 'coordinateTransformations/matrix'"):
        found.transform([1, 2], "physical", "warped")
    zarr.save(str(turned / "coordinateTransformations/matrix"), np.array([[1.0, 0, 5], [0, 2, 6]]))
    assert found.transform([1, 2], "physical", "warped").tolist() == [6, 10]
    assert found.transform([6, 10], "warped", "physical").tolist() == [1, 2]


@pytest.mark.parametrize(
    "around",
    [
        pytest.param(lambda t: {"type": "sequence", "transformations": [t]}, id="sequence"),
        pytest.param(
            lambda t: {
                "type": "byDimension",
                "transformations": [{"transformation": t, "inputAxes": [0, 1], "outputAxes": [0, 1]}],
            },
            id="byDimension",
        ),
        pytest.param(lambda t: {"type": "bijection", "forward": t, "inverse": {"type": "identity"}}, id="bijection"),
        pytest.param(
            lambda t: {"type": "bijection", "forward": {"type": "identity"}, "inverse": t}, id="bijection, inverse"
        ),
    ],
)
def test_parameters_at_a_path_are_read_inside_of_any_transformation(turned: Path, around: Any) -> None:
    zarr.save(str(turned / "matrix"), np.array([[1.0, 0, 5], [0, 2, 6]]))
    found = opened(turned, **around({"type": "affine", "path": "matrix"}))
    t = found.transformations[0].transformation
    way = t.inverted() if t.type == "bijection" and isinstance(t.forward, Identity) else t
    assert way([1, 2]).tolist() == [6, 10]


def _by_conversion(source: Path, output: Path) -> None:
    convert(source, output, fmt="0.6")


def _by_writing(source: Path, output: Path) -> None:
    to_ngff_zarr(output, open_image(source), version="0.6")


@pytest.mark.parametrize("copy", [_by_conversion, _by_writing])
@pytest.mark.parametrize("name", ["copy.zarr", "copy.ozx"])
def test_a_copy_brings_stored_parameters_along(turned: Path, tmp_path: Path, copy: Any, name: str) -> None:
    y, x = np.meshgrid(np.arange(8.0), np.arange(8.0), indexing="ij")
    field(turned / "coordinateTransformations/field", np.stack([y, 10 * x]))
    zarr.save(str(turned / "matrix"), np.array([[1.0, 0, 5], [0, 2, 6]]))
    ends = {"input": {"name": "physical"}, "output": {"name": "warped"}}
    steps = [
        {"type": "displacements", "path": "/coordinateTransformations/field", "interpolation": "nearest"},
        {"type": "affine", "path": "matrix"},
    ]
    systems = change(turned)["coordinateSystems"]
    change(
        turned,
        coordinateSystems=[each for each in systems if each["name"] in ("physical", "warped")],
        coordinateTransformations=[{"type": "sequence", "transformations": steps, **ends}],
    )
    expected = open_image(turned).transform([3, 5.5], "physical", "warped")
    copy(turned, tmp_path / name)
    copy(turned, tmp_path / "again.zarr")
    shutil.rmtree(turned)
    found = open_image(tmp_path / name)
    assert found.transform([3, 5.5], "physical", "warped").tolist() == expected.tolist()
    moved, matrix = found.transformations[0].transformation.transformations
    assert (moved.interpolation, matrix.to_document()["affine"]) == ("nearest", [[1.0, 0, 5], [0, 2, 6]])
    assert validate(tmp_path / name, data=True).counts["error"] == 0
    with pytest.raises(ExistsError):
        convert(tmp_path / name, tmp_path / "again.zarr", fmt="0.6")
    convert(tmp_path / name, tmp_path / "again.zarr", fmt="0.6", overwrite=True)
    assert validate(tmp_path / "again.zarr").seen["vector fields"] == 1


@pytest.mark.parametrize("copy", [_by_conversion, _by_writing])
def test_labels_keep_their_own_spaces_and_fields_in_a_copy(tmp_path: Path, copy: Any) -> None:
    place = tmp_path / "a.zarr"
    image(place)
    write_labels(PIXELS, place, "cells", axes="yx", scale=[3, 5], scale_factors=[2])
    label = place / "labels/cells"
    y, x = np.meshgrid(np.arange(64.0), np.arange(64.0), indexing="ij")
    field(label / "field", np.stack([y, 10 * x]))
    axes = [{"name": name, "type": "space"} for name in "yx"]
    parts = json.loads((label / "zarr.json").read_text())["attributes"]["ome"]["multiscales"][0]["datasets"]
    for each in parts:
        each["coordinateTransformations"][0]["output"]["name"] = "own"
    change(
        label,
        datasets=parts,
        coordinateSystems=[{"name": name, "axes": axes} for name in ("warped", "own")],
        coordinateTransformations=[
            {"type": "displacements", "path": "field", "input": {"name": "own"}, "output": {"name": "warped"}}
        ],
    )
    link = Edge("physical", ("labels/cells", "own"), Scale([6, 20]))
    change(place, coordinateTransformations=[link.to_document()])
    before = open_image(place)
    copy(place, tmp_path / "copy.zarr")
    points = before.labels["cells"].transform([[2, 4], [1, 3]], "0", "warped")
    shutil.rmtree(place)
    copied = open_image(tmp_path / "copy.zarr")
    assert validate(tmp_path / "copy.zarr", data=True).counts["error"] == 0
    assert copied.transformations == [link]
    cells = copied.labels["cells"]
    assert ([system.name for system in cells.systems], cells.images[0].scale) == (["own", "warped"], {"y": 3, "x": 5})
    np.testing.assert_array_equal(cells.transform([[2, 4], [1, 3]], "0", "warped"), points)


def test_parameters_that_are_not_there_are_named_in_a_copy(turned: Path, tmp_path: Path) -> None:
    systems = [each for each in change(turned)["coordinateSystems"] if each["name"] in ("physical", "warped")]
    change(turned, coordinateSystems=systems)
    opened(turned, type="affine", path="matrix")
    with pytest.warns(UserWarning, match="comes along without its parameters. There is no matrix at 'matrix'"):
        convert(turned, tmp_path / "copy.zarr", fmt="0.6")


def test_a_field_that_is_not_there_is_named_when_it_is_needed(turned: Path) -> None:
    found = opened(turned, type="displacements", path="nowhere")
    assert isinstance(found.transformations[0].transformation, Displacements)
    with pytest.raises(SpaceError, match=r"The field 'nowhere' of .* cannot be read"):
        found.transform([1, 2], "physical", "warped")


# Scenes --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """A group with two images."""
    for name in ("left", "right"):
        image(tmp_path / "tiles.zarr" / name)
    return tmp_path / "tiles.zarr"


WORLD = CoordinateSystem("world", [Axis(name, "space", "micrometer") for name in "yx"])
EDGES = [
    Edge(("left", "physical"), "world", Translation([0, 5])),
    Edge("world", ("right", "physical"), Scale([2, 2])),
]


def test_a_scene_is_made_of_images_and_leads_from_one_to_another(tiles: Path) -> None:
    write_scene(tiles, EDGES, [WORLD])
    scene = open_scene(tiles)
    assert list(scene) == ["left", "right"]
    assert scene["left"].images[0].scale == {"y": 0.5, "x": 0.25}
    assert [system.name for system in scene.systems] == ["world"]
    assert scene.transform([10, 20], ("left", "physical"), "world").tolist() == [10, 25]
    assert scene.transform([[0, 0]], "left/0", ("right", "physical")).tolist() == [[20, 50]]
    assert scene.transform([20, 50], ("right", "physical"), "left/0").tolist() == [0, 0]
    assert validate(tiles, strict=True).findings == ()
    assert describe_store(tiles).kind == "scene"
    assert describe_store(tiles).members == ("left", "right")


@pytest.mark.parametrize(
    ("edges", "error", "said"),
    [
        pytest.param([], ValidationError, "scene-transformations", id="nothing"),
        pytest.param([EDGES[0]], ValidationError, "scene-system", id="a system that is not described"),
        pytest.param(
            [Edge(("left", "atlas"), ("right", "physical"))], SpaceError, "no coordinate system 'atlas'; it has",
            id="a system that an image has not",
        ),
        pytest.param([Edge(("middle", "physical"), ("right", "physical"))], MissingError, "middle", id="no image"),
        pytest.param([Edge(("../x", "physical"), ("right", "physical"))], ValidationError, "scene-path", id="climbing"),
        pytest.param(
            [Edge(("left", "physical"), ("right", "physical"), Scale([1]))], SpaceError, "its input has 2", id="1D",
        ),
    ],
)  # fmt: skip
def test_a_scene_that_cannot_be_is_refused_and_nothing_written(
    tiles: Path, edges: list[Edge], error: type[Exception], said: str
) -> None:
    before = every_file(tiles)
    with pytest.raises(error, match=said):
        write_scene(tiles, edges)
    assert every_file(tiles) == before


def test_a_scene_is_of_images_of_0_6_alone(tiles: Path) -> None:
    write_image(PIXELS, tiles / "old", axes="yx", fmt="0.5")
    with pytest.raises(FormatError, match=r"old is OME-Zarr 0\.5; the images of a scene are 0\.6"):
        write_scene(tiles, [Edge(("old", "physical"), ("right", "physical"))])
    with pytest.raises(FormatError, match="has multiscales; a scene needs a group of its own"):
        write_scene(tiles / "left", [Edge(("right", "physical"), ("right", "physical"))])
    with pytest.raises(InputError, match="is not a scene"):
        open_scene(tiles / "left")
