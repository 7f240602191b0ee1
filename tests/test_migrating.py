"""Scripts written for ome-zarr 0.18: they run with their imports changed, and where they do not, we say why.

The scripts in `ome_zarr_scripts` run with ome-zarr as they stand. `docs/migrating.md` tells the story.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.transform
import zarr
from helpers import attributes, datasets, document, pixels, scale_of, translation_of
from ome_zarr_models.v04 import Image as Image04
from ome_zarr_models.v05 import HCS as HCS05
from ome_zarr_models.v05 import Image as Image05

from ome_ngff import FormatV04, FormatV05, Methods, Scaler
from ome_ngff.compat import OMEZarrImage, OMEZarrLabels, OMEZarrMultiscale
from ome_ngff.exceptions import (
    AxesError,
    ExistsError,
    LabelError,
    NgffError,
    OptionError,
    ScaleError,
    StoreError,
    ValidationError,
)
from ome_ngff.writer import write_image, write_labels, write_multiscale, write_multiscales_metadata

SCRIPTS = Path(__file__).parent / "ome_zarr_scripts"
NAMES = {
    "axes": "Axes KNOWN_AXES",
    "dask_utils": "downscale_nearest local_mean resize zoom",
    "format": "CurrentFormat Format FormatV04 FormatV05 detect_format format_from_version format_implementations",
    "io": "ZarrLocation parse_url",
    "scale": "Methods Scaler",
    "writer": "add_metadata get_metadata write_image write_label_metadata write_labels write_multiscale "
    "write_multiscale_labels write_multiscales_metadata write_plate_metadata write_well_metadata",
}
Run = Callable[[str], dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a script in an empty folder, after changing its imports and nothing else."""
    monkeypatch.chdir(tmp_path)

    def run_script(name: str) -> dict[str, Any]:
        text = (SCRIPTS / f"{name}.py").read_text()
        text = re.sub(r"^from ome_zarr import", "from ome_ngff.compat import", text, flags=re.MULTILINE)
        text = re.sub(r"^from ome_zarr\.", "from ome_ngff.", text, flags=re.MULTILINE)
        found: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(text, f"{name}.py", "exec"), found)
        return found

    return run_script


def assert_levels(path: str, *expected: np.ndarray[Any, Any]) -> None:
    for level, wanted in zip(pixels(path), expected, strict=True):
        assert level.dtype == wanted.dtype
        np.testing.assert_array_equal(level, wanted)


@pytest.mark.parametrize(
    "name",
    [pytest.param(p.stem, id=p.stem) for p in sorted(SCRIPTS.glob("*.py"))],
)
def test_a_script_writes_images_that_other_readers_accept(run: Run, tmp_path: Path, name: str) -> None:
    run(name)
    groups = [path.parent for path in tmp_path.rglob("*") if path.name in (".zattrs", "zarr.json")]
    images = [group for group in groups if "multiscales" in document_of(group)]
    for path in images:
        model = Image05 if (path / "zarr.json").exists() else Image04
        model.from_zarr(zarr.open_group(path, mode="r"))
        assert [d["path"] for d in datasets(path)] == [str(k) for k in range(len(datasets(path)))]
    assert images or name == "vocabulary"


def document_of(path: Path) -> dict[str, Any]:
    return document(path) if isinstance(zarr.open(path, mode="r"), zarr.Group) else {}


def test_images_channels_and_labels_by_hand_end_up_where_they_belong(run: Run) -> None:
    script = run("image_and_labels")
    first, *coarser = pixels("cells.zarr")
    np.testing.assert_array_equal(first, script["image"])
    assert [level.shape for level in coarser] == [(4, 32, 32), (4, 16, 16)]
    assert zarr.open_array("cells.zarr/0", mode="r").chunks == (1, 32, 32)
    assert document("cells.zarr")["omero"]["channels"][0]["label"] == "random"
    assert document("cells.zarr/labels")["labels"] == ["blobs"]
    mask = (script["image"] > 12).astype("uint8")
    assert_levels("cells.zarr/labels/blobs", mask, mask[:, ::2, ::2], mask[:, ::4, ::4])
    assert script["written"]["image-label"] == {"colors": [{"label-value": 1, "rgba": [255, 0, 0, 255]}]}
    assert script["written"]["multiscales"] == document("cells.zarr/labels/blobs")["multiscales"]


def test_a_location_a_scaler_and_the_old_format_work_together(run: Run) -> None:
    script = run("location")
    image, location = script["image"], script["location"]
    assert script["missing"] is None
    assert location.exists()
    assert (location.fmt, Path(location.path).name) == (FormatV04(), "cells.zarr")
    assert location.root_attrs["multiscales"][0]["version"] == "0.4"
    assert_levels("cells.zarr", *(image[..., :: 2**k, :: 2**k] for k in range(4)))
    assert [a["name"] for a in document("cells.zarr")["multiscales"][0]["axes"]] == list("czyx")
    assert_levels("cells.zarr/labels/cells", *(image[0][..., :: 2**k, :: 2**k] for k in range(4)))
    assert document("cells.zarr/labels")["labels"] == ["cells"]
    assert document("cells.zarr/labels/cells")["image-label"]["properties"] == [{"label-value": 1}]


def test_a_location_is_not_written_to_when_it_is_only_read(run: Run) -> None:
    with pytest.raises(StoreError, match="read only"):
        write_image(np.ones((8, 8)), run("location")["location"].store, overwrite=True)


def test_pyramids_of_the_script_are_written_as_they_are(run: Run) -> None:
    script = run("pyramid")
    image, labels = script["image"], script["segmentation"]
    assert_levels("cells.zarr", image, image[:, ::2, ::2], image[:, ::4, ::4])
    assert [zarr.open_array(f"cells.zarr/{k}", mode="r").chunks[1:] for k in range(3)] == [(32, 32), (32, 32), (16, 16)]
    multiscale = document("cells.zarr")["multiscales"][0]
    assert (multiscale["name"], multiscale["metadata"]) == ("cells", {"method": "mine"})
    assert [scale_of(d) for d in multiscale["datasets"]] == [[1, 0.5, 0.5], [1, 1, 1], [1, 2, 2]]
    assert [translation_of(d) for d in multiscale["datasets"]] == [[0, 0, 0], [0, 0.25, 0.25], [0, 0.75, 0.75]]
    assert [c["color"] for c in document("cells.zarr")["omero"]["channels"]] == script["colors"]
    assert_levels("cells.zarr/labels/bright", labels, labels[::2, ::2], labels[::4, ::4])
    assert document("cells.zarr/labels")["labels"] == ["bright"]
    assert document("cells.zarr/labels/bright")["image-label"] == {
        "source": {"image": "../../"},
        "properties": [{"label-value": 7, "area": 3}],
        "colors": [{"label-value": 7, "rgba": [1, 2, 3, 255]}],
    }


def test_a_plate_and_its_fields_are_a_plate_to_others(run: Run) -> None:
    script = run("plate")
    plate = HCS05.from_zarr(zarr.open_group("plate.zarr", mode="r")).ome_attributes.plate
    assert ([w.path for w in plate.wells], plate.field_count) == (script["wells"], 3)
    assert document("plate.zarr/B/3")["well"]["images"][2] == {"path": "2", "acquisition": 1}
    np.testing.assert_array_equal(pixels("plate.zarr/B/3/2")[0], script["images"][1, 2])


def test_levels_by_dask_utils_need_metadata_alone(run: Run) -> None:
    script = run("tiles")
    first, second = pixels("cells.zarr")
    np.testing.assert_array_equal(first, script["image"])
    wanted = skimage.transform.resize(script["image"], second.shape, preserve_range=True, anti_aliasing=False)
    np.testing.assert_allclose(second, wanted, rtol=0, atol=0.5 + 1e-9)
    assert datasets("cells.zarr") == script["datasets"]
    assert document("cells.zarr")["multiscales"][0]["axes"] == script["axes"]


def test_tasks_factors_by_axis_and_arguments_by_position_mean_the_same(run: Run) -> None:
    volume = run("lazy")["volume"]
    first, second, third = pixels("cells.zarr")
    np.testing.assert_array_equal(first, volume)
    means = skimage.transform.downscale_local_mean(volume[:, :32], (2, 2, 2))
    np.testing.assert_array_equal(second[:, :16], np.rint(means))
    assert (second.shape, third.shape) == ((8, 17, 17), (4, 9, 9))
    assert scale_of(datasets("cells.zarr")[1]) == [1, 0.5, 0.5]
    assert translation_of(datasets("cells.zarr")[1]) == [0.25, 0.125, 0.125]
    assert {a["unit"] for a in document("cells.zarr")["multiscales"][0]["axes"]} == {"micrometer"}
    labels = pixels("cells.zarr/labels/bright")
    assert [level.shape for level in labels] == [volume.shape, (8, 17, 17), (4, 9, 9)]
    assert all(set(np.unique(level)) <= {0, 1} for level in labels)
    assert document("plane.zarr")["multiscales"][0]["name"] == "plane"
    assert_levels("plane.zarr", volume[0], volume[0][::2, ::2], volume[0][::2, ::2][::2, ::2])


def test_formats_axes_scalers_and_dask_functions_answer_alike(run: Run) -> None:
    found = run("vocabulary")
    image = found["image"]
    assert found["formats"] == [FormatV04(), FormatV05(), FormatV05()]
    assert found["newest"] == ["0.5", "0.4"]
    assert found["stored"] == [(2, {"name": "v2", "separator": "/"}), (3, {"name": "default", "separator": "/"})]
    assert found["detected"] is True
    assert found["transformations"][1] == [
        {"type": "scale", "scale": [1.0, 2.0, 2.0]},
        {"type": "translation", "translation": [0.0, 0.5, 0.5]},
    ]
    assert found["well"] == {"path": "B/2", "rowIndex": 1, "columnIndex": 1}
    assert found["axes"][0] == {"name": "t", "type": found["kinds"]} == {"name": "t", "type": "time"}
    assert found["axes"][4] == {"name": "x", "type": "space", "unit": "micrometer"}
    assert found["shapes"] == [(2, 64, 48), (2, 32, 24), (2, 16, 12)]
    np.testing.assert_array_equal(*found["halves"])
    assert found["methods"] is True
    assert found["members"] == [Methods.RESIZE, Methods.NEAREST, Methods.LOCAL_MEAN, Methods.ZOOM]
    wanted = skimage.transform.resize(image, (2, 32, 24), order=1, anti_aliasing=True, preserve_range=True)
    np.testing.assert_allclose(found["smaller"].compute(), wanted, rtol=0, atol=0.5 + 1e-9)
    means = skimage.transform.downscale_local_mean(image, (1, 2, 2))
    np.testing.assert_array_equal(found["means"].compute(), np.rint(means))
    assert found["zoomed"].shape == (2, 32, 24)
    np.testing.assert_array_equal(found["picked"].compute(), image[:, ::2, ::2])


def test_the_classes_write_images_labels_and_what_is_said_of_them(run: Run) -> None:
    script = run("classes")
    assert script["shapes"] == [(2, 10, 64, 64), (2, 10, 32, 32), (2, 10, 16, 16), (2, 10, 8, 8)]  # as there
    np.testing.assert_array_equal(pixels("image.ome.zarr")[0], script["data"])
    assert [level.shape for level in pixels("image.ome.zarr")] == script["shapes"]
    channels = document("image.ome.zarr")["omero"]["channels"]
    assert [(c["label"], c["color"], c["window"]["start"], c["window"]["end"]) for c in channels] == [
        ("DAPI", "00FFFF", 0, 255),
        ("GFP", "FF00FF", 0, 255),
    ]
    first = script["first"]
    assert (first.axes, first.scale["z"], first.axes_units["y"]) == (list("czyx"), 0.5, "micrometer")
    assert (script["named"], script["renamed"]) == ([("DAPI", True, 255), ("GFP", True, 255)], "gfp")
    assert script["before"] is None
    assert document("labels.zarr/labels")["labels"] == ["one", "two"]
    np.testing.assert_array_equal(pixels("labels.zarr/labels/two")[0], 2 * script["blobs"])
    assert {c["label-value"] for c in document("labels.zarr/labels/one")["image-label"]["colors"]} == {0, 1}
    for said in (script["read"], script["alone"]):
        assert (said["colors"], said["properties"]) == (script["colors"], script["classes"])
    assert document("custom.zarr")["multiscales"][0]["version"] == "0.4"
    assert [scale_of(d) for d in datasets("custom.zarr")] == [[1, 1, 1], [1, 2, 2], [2, 4, 4]]
    assert "image-label" in document("alone.zarr")


@pytest.mark.parametrize("name", ["OMEZarrImage", "OMEZarrMultiscale"])
def test_examples_of_the_classes_of_ome_zarr_run_here(name: str) -> None:
    """Those of 0.21, whose arguments are others than those of 0.18."""
    theirs = pytest.importorskip("ome_zarr", "0.21", reason="its classes have 0.6 from 0.21 on, for Python 3.12")
    example = str(getattr(theirs, name).__doc__).partition(".. code-block:: python")[2]
    found = {made.__name__: made for made in (OMEZarrImage, OMEZarrMultiscale)}
    exec(inspect.cleandoc(example).replace("from ome_zarr import", "from ome_ngff.compat import"), found)
    assert isinstance(found["image"], OMEZarrImage)


@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        pytest.param(None, {"c": "channel", "y": "space", "x": "space"}, id="by-name"),
        pytest.param({"c": "channel", "y": "space"}, {"c": "channel", "y": "space", "x": "space"}, id="said"),
    ],
)
def test_the_classes_know_types_of_axes(said: dict[str, Any] | None, kinds: dict[str, str]) -> None:
    assert OMEZarrImage(np.zeros((2, 4, 4)), "cyx", axes_types=said).axes_types == kinds
    assert OMEZarrImage(np.zeros((2, 4, 4)), iter("cyx")).axes == ["c", "y", "x"]


def test_the_classes_refuse_an_image_that_is_there(tmp_path: Path) -> None:
    pyramid = OMEZarrMultiscale(OMEZarrImage(IMAGE, "yx"), [2])
    pyramid.to_ome_zarr(tmp_path / "a")
    with pytest.raises(OSError, match="overwrite=True"):
        pyramid.to_ome_zarr(tmp_path / "a")


def test_the_classes_refuse_what_they_cannot_keep(tmp_path: Path) -> None:
    image = OMEZarrImage(np.zeros((20, 20), "uint8"), "yx")
    for word in ("coordinateTransformations", "coordinate_transformations", "coordinate_systems"):
        with pytest.raises(OptionError, match="follow from the scale"):
            OMEZarrMultiscale(image, [2], **{word: []})
    with pytest.raises(AxesError, match="types follow from names"):
        OMEZarrImage(np.zeros((2, 4, 4)), "cyx", axes_types={"c": "space"})
    OMEZarrMultiscale(image, [2]).to_ome_zarr(tmp_path / "a")
    with pytest.raises(OptionError, match="leave out storage_options"):
        OMEZarrMultiscale.from_ome_zarr(tmp_path / "a").to_ome_zarr(tmp_path / "b", storage_options={"chunks": 8})
    labels = OMEZarrLabels(image, [2])
    OMEZarrMultiscale(image, [2], labels=labels).to_ome_zarr(tmp_path / "a")
    with pytest.warns(UserWarning, match="has the labels 'image' already, which stay"):
        OMEZarrMultiscale(image, [2], labels=[labels]).to_ome_zarr(tmp_path / "a")


def test_attributes_set_by_the_script_and_those_of_images_both_stay(run: Run) -> None:
    """The script sets them through its own group, before and after it writes the images."""
    run("attributes")
    assert set(attributes("cells.zarr")) == {"multiscales", "omero"}
    assert set(attributes("cells.zarr/labels/blobs")) == {"multiscales", "image-label"}


def test_shards_without_chunks_are_the_shards_that_were_asked_for(run: Run) -> None:
    run("shards")
    assert zarr.open_array("all.zarr/0", mode="r").shards == (1, 1, 32, 32, 32)
    found = [zarr.open_array(f"each.zarr/{k}", mode="r").shards for k in range(3)]
    assert found == [(1, 1, n, n, n) for n in (64, 32, 16)]


@pytest.mark.parametrize("name", [f"{module}.{name}" for module, names in NAMES.items() for name in names.split()])
def test_names_live_where_scripts_import_them_from(name: str) -> None:
    module, _, name = name.rpartition(".")
    assert hasattr(import_module(f"ome_ngff.{module}"), name)


# What differs on purpose ---------------------------------------------------------------------------------------------

IMAGE = np.arange(64 * 66, dtype="uint16").reshape(64, 66)
BARE = {"channels": [{"color": "FF0000"}]}


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        pytest.param(lambda p: write_image(IMAGE, p / "there"), ExistsError, "overwrite=True", id="image-exists"),
        pytest.param(lambda p: write_image(IMAGE, p, bogus=1), OptionError, "'bogus'", id="unknown-word"),
        pytest.param(lambda p: write_image(IMAGE, p, metadata=BARE), OptionError, "omero", id="metadata"),
        pytest.param(lambda p: write_image(IMAGE, p, omero=BARE), ValidationError, "window", id="omero"),
        pytest.param(lambda p: write_image(IMAGE, p, storage_options={"order": 1}), OptionError, "order", id="option"),
        pytest.param(lambda p: write_image(IMAGE, p, method="laplacian"), OptionError, "residuals", id="laplacian"),
        pytest.param(lambda p: write_image(IMAGE, p, scale_factors=[{"t": 2}]), ScaleError, "'t'", id="factor-of-t"),
        pytest.param(lambda p: write_multiscale([IMAGE, IMAGE[::2] / 2], p), OptionError, "dtype", id="dtypes"),
        pytest.param(lambda p: write_labels(IMAGE / 2, p), LabelError, "astype", id="float-labels"),
        pytest.param(lambda p: write_labels(IMAGE, p, method="resize"), LabelError, "'nearest'", id="labels-resized"),
        pytest.param(lambda p: write_labels(IMAGE, p, scaler=Scaler()), LabelError, "'nearest'", id="labels-scaler"),
        pytest.param(lambda p: write_labels(IMAGE, p, "a", Scaler("mode"), [2]), ScaleError, "once", id="both"),
        pytest.param(
            lambda p: write_labels(IMAGE, p, **{"image-label": {}}), OptionError, "label_metadata", id="image-label"
        ),
    ],
)
def test_what_was_swallowed_before_is_a_clear_error(
    tmp_path: Path, call: Callable[[Path], Any], error: type[NgffError], says: str
) -> None:
    write_image(IMAGE, tmp_path / "there", scale_factors=[])
    with pytest.raises(error, match=re.escape(says)):
        call(tmp_path)


def test_factors_mean_what_they_say_and_edges_are_kept(tmp_path: Path) -> None:
    write_image(IMAGE, tmp_path / "image", scale_factors=[3, 9])
    assert [level.shape for level in pixels(tmp_path / "image")] == [(64, 66), (22, 22), (8, 8)]
    assert [scale_of(d) for d in datasets(tmp_path / "image")] == [[1, 1], [3, 3], [9, 9]]


def test_a_scaler_is_taken_at_its_word_and_cannot_be_changed(tmp_path: Path) -> None:
    write_image(IMAGE, tmp_path / "image", scaler=Scaler("nearest", downscale=4, max_layer=1))
    assert_levels(str(tmp_path / "image"), IMAGE, IMAGE[1::4, 1::4])
    with pytest.raises(AttributeError):
        Scaler().max_layer = 2  # type: ignore[misc]


def test_transformations_given_to_write_image_are_written(tmp_path: Path) -> None:
    given = [[{"type": "scale", "scale": [0.5 * f, 0.5 * f]}] for f in (1, 2)]
    write_image(IMAGE, tmp_path / "image", scale_factors=[2], coordinate_transformations=given)
    assert [d["coordinateTransformations"] for d in datasets(tmp_path / "image")] == given


def test_metadata_appears_only_with_the_pixels(tmp_path: Path) -> None:
    tasks = write_image(IMAGE, tmp_path / "image", scale_factors=[2], compute=False)
    assert "multiscales" not in document(tmp_path / "image")
    import dask

    dask.compute(*tasks)
    assert "multiscales" in document(tmp_path / "image")


def test_metadata_alone_is_checked(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "image", mode="w")
    with pytest.raises(ValidationError, match="coordinateTransformations"):
        write_multiscales_metadata(tmp_path / "image", [{"path": "0"}], axes="yx")
