"""An OME-Zarr as input: what lies beside its pixels comes along."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from click.testing import CliRunner, Result
from helpers import attributes, document, pixels, pixels_by_tensorstore

from ome_ngff import write_image, write_labels
from ome_ngff.cli import main
from ome_ngff.format import Format, format_from_version
from ome_ngff.image import NgffImage
from ome_ngff.inputs import open_input
from ome_ngff.inputs.zarr_store import SourceImage, label_boxes

PIXELS = np.random.default_rng(0).integers(0, 4000, (2, 6, 40, 48)).astype("uint16")
NUCLEI = (PIXELS[0] > 2500).astype("uint32") * 70000
WINDOWS = [{"min": 0.0, "max": 65535.0, "start": 10.0, "end": 900.0 + c} for c in range(2)]
CHANNELS = [
    {"label": "DAPI", "color": "0000FF", "active": True, "window": WINDOWS[0]},
    {"label": "GFP", "color": "00FF00", "active": False, "window": WINDOWS[1]},
]
OMERO = {"channels": CHANNELS, "rdefs": {"model": "color"}}
SIZES: dict[str, Any] = {"scale": {"z": 0.5, "y": 0.1, "x": 0.1}, "axes_units": dict.fromkeys("zyx", "micrometer")}


def run(*words: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.fixture
def source(tmp_path: Path, any_format: Format) -> Path:
    """Return an image of two channels with labels in three dimensions and in two."""
    place = tmp_path / "source.zarr"
    write_image(PIXELS, place, axes="czyx", name="cells", omero=OMERO, fmt=any_format, scale_factors=[2], **SIZES)
    known = {"colors": {70000: "#ff0000"}, "properties": {70000: {"kind": "nucleus"}}}
    write_labels(NUCLEI, place, "nuclei", axes="zyx", **known)
    write_labels(NUCLEI[0], place, "flat", axes="yx")
    return place


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_rendering_name_sizes_and_labels_come_along_to_either_version(source: Path, version: str) -> None:
    output = source.parent / "out.zarr"
    words = ["--format", version, "--chunks", "20", "--compression", "gzip", "--scale-factors", "2"]
    assert run("write", source, output, *words).output == ""
    assert document(output)["omero"] == OMERO
    before, after = (document(place)["multiscales"][0] for place in (source, output))
    assert {key: after[key] for key in ("name", "axes", "datasets")} == {
        key: before[key] for key in ("name", "axes", "datasets")
    }
    assert document(output / "labels")["labels"] == ["nuclei", "flat"]
    for name in ("nuclei", "flat"):
        old, new = (document(place / "labels" / name) for place in (source, output))
        assert new["image-label"].get("colors") == old["image-label"].get("colors")
        assert new["image-label"].get("properties") == old["image-label"].get("properties")
        assert new["multiscales"][0]["datasets"] == old["multiscales"][0]["datasets"]
        for one, two in zip(
            pixels(source / "labels" / name), pixels_by_tensorstore(output / "labels" / name), strict=True
        ):
            np.testing.assert_array_equal(one, two)
    array = zarr.open_array(output / "labels" / "nuclei" / "0", mode="r")
    assert array.chunks == (6, 20, 20)
    assert "gzip" in type(array.compressors[0]).__name__.lower()
    format_from_version(version).validate(attributes(output))


def test_labels_are_resharded_with_their_image(source: Path) -> None:
    words = ["--format", "0.5", "--chunks", "z=2,y=20,x=24", "--shards", "c=2,z=6,y=40,x=48"]
    run("write", source, source.parent / "out.zarr", *words)
    found = [zarr.open_array(source.parent / "out.zarr" / path / "0", mode="r") for path in ("", "labels/nuclei")]
    assert [array.shards for array in found] == [(2, 6, 40, 48), (6, 40, 48)]


def test_what_comes_along_can_be_left_out(source: Path) -> None:
    run("write", source, source.parent / "out.zarr", "--no-labels", "--no-omero")
    assert "omero" not in document(source.parent / "out.zarr")
    assert not (source.parent / "out.zarr" / "labels").exists()


def test_a_resumed_or_repeated_write_brings_labels_too(source: Path) -> None:
    output = source.parent / "out.zarr"
    run("write", source, output, "--no-labels")
    run("write", source, output, "--resume")
    assert document(output / "labels")["labels"] == ["nuclei", "flat"]
    run("write", source, output, "--overwrite")
    np.testing.assert_array_equal(pixels(output / "labels" / "nuclei")[0], NUCLEI)


def test_labels_come_along_into_and_out_of_a_single_file(source: Path) -> None:
    run("write", source, source.parent / "a.ozx")
    run("write", source.parent / "a.ozx", source.parent / "out.zarr")
    assert document(source.parent / "out.zarr")["omero"] == OMERO
    np.testing.assert_array_equal(pixels(source.parent / "out.zarr" / "labels" / "nuclei")[0], NUCLEI)


def test_labels_that_cannot_come_along_are_told_and_the_others_come(source: Path) -> None:
    labels = zarr.open_group(source / "labels", mode="r+")
    found = dict(labels.attrs)
    (found.get("ome") or found)["labels"] = ["gone", "nuclei"]
    labels.attrs.update(found)
    told = f"Warning: The labels 'gone' were left out: There is no OME-Zarr at {source / 'labels' / 'gone'}.\n"
    assert run("write", source, source.parent / "out.zarr").stderr == told
    assert told in run("write", source, "--into", source.parent / "many").stderr
    assert document(source.parent / "out.zarr" / "labels")["labels"] == ["nuclei"]


def test_rendering_that_is_not_valid_is_made_anew_from_names_and_colours(source: Path) -> None:
    group = zarr.open_group(source, mode="r+")
    found = dict(group.attrs)
    broken = [{key: channel[key] for key in ("label", "color")} | {"window": {"start": 1}} for channel in CHANNELS]
    (found.get("ome") or found)["omero"] = {"channels": broken}
    group.attrs.update(found)
    run("write", source, source.parent / "out.zarr")
    channels = document(source.parent / "out.zarr")["omero"]["channels"]
    assert [(c["label"], c["color"]) for c in channels] == [("DAPI", "0000FF"), ("GFP", "00FF00")]
    assert all({"min", "max", "start", "end"} <= set(c["window"]) for c in channels)


def test_a_channel_without_a_window_gets_that_of_its_own_pixels(source: Path) -> None:
    group = zarr.open_group(source, mode="r+")
    found = dict(group.attrs)
    lacking = [CHANNELS[0], {key: value for key, value in CHANNELS[1].items() if key != "window"}]
    (found.get("ome") or found)["omero"] = {"channels": lacking}
    group.attrs.update(found)
    zarr.open_array(source / "0", mode="r+")[1] = PIXELS[1] // 2
    run("write", source, source.parent / "out.zarr")
    first, second = document(source.parent / "out.zarr")["omero"]["channels"]
    assert first == CHANNELS[0]
    assert {key: second[key] for key in lacking[1]} == lacking[1]
    ends = np.percentile(PIXELS[1] // 2, [0.1, 99.9], method="nearest")
    assert second["window"] == {"min": 0, "max": 65535, "start": ends[0], "end": ends[1]}


@pytest.mark.parametrize("color", [None, 255, "#zz"], ids=["none", "a-number", "no-colour"])
def test_a_channel_without_a_colour_keeps_what_else_it_says(source: Path, color: Any) -> None:
    group = zarr.open_group(source, mode="r+")
    found = dict(group.attrs)
    (found.get("ome") or found)["omero"] = {"channels": [CHANNELS[0], {**CHANNELS[1], "color": color}]}
    group.attrs.update(found)
    run("write", source, source.parent / "out.zarr")
    wanted = [CHANNELS[0], {**CHANNELS[1], "color": "00FF00"}]
    assert document(source.parent / "out.zarr")["omero"]["channels"] == wanted


@pytest.mark.parametrize("inner", ["", "::", "::labels/nuclei"])
def test_an_image_is_found_from_its_first_level(source: Path, inner: str) -> None:
    beside = SourceImage.of(open_input(f"{source}{inner}"))
    assert beside is not None
    assert beside.labels() == ([] if inner.endswith("nuclei") else ["nuclei", "flat"])


def test_what_is_no_image_has_nothing_beside_it(source: Path) -> None:
    zarr.create_array(source.parent / "array", data=NUCLEI)
    np.save(source.parent / "a.npy", NUCLEI)
    for name in ("array", "a.npy", "source.zarr/0"):
        assert SourceImage.of(open_input(source.parent / name, axes="czyx" if name.endswith("0") else "zyx")) is None


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        pytest.param(None, None, id="none"),
        pytest.param("auto", "auto", id="auto"),
        pytest.param(64, 64, id="one-length"),
        pytest.param((1, 2, 3, 4), {"z": 2, "y": 3, "x": 4}, id="one-per-axis"),
        pytest.param({"c": 2, "x": 8}, {"x": 8}, id="by-axis"),
    ],
)
def test_lengths_that_are_said_for_an_image_hold_for_its_labels(given: Any, wanted: Any) -> None:
    image, label = NgffImage(PIXELS, ("c", "z", "y", "x")), NgffImage(NUCLEI, ("z", "y", "x"))
    assert label_boxes(given, image, label) == wanted


MORE = [{**CHANNELS[0], "label": "third"}]


@pytest.mark.parametrize(("channels", "kept", "told"), [
    pytest.param(CHANNELS[1:], 1, "omero describes 1 of 2 channels", id="one of two"),
    pytest.param([*CHANNELS, *MORE], 2, "omero describes 3 channels of an image that has 2", id="three of two"),
])  # fmt: skip
def test_omero_of_another_number_of_channels_is_kept_and_told(
    tmp_path: Path, channels: list[Any], kept: int, told: str
) -> None:
    source = tmp_path / "source.zarr"
    write_image(PIXELS, source, axes="czyx", omero=OMERO, scale_factors=[], **SIZES)
    group = zarr.open_group(source, mode="r+")
    group.attrs.update({"ome": {**group.attrs["ome"], "omero": {**OMERO, "channels": channels}}})  # type: ignore[dict-item]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run("write", source, tmp_path / "out.zarr").stderr.count(told) == 1
    found = document(tmp_path / "out.zarr")["omero"]["channels"]
    assert found[:kept] == channels[:kept]
    assert len(found) == 2
    assert all(channel["window"]["end"] > 0 for channel in found)


def test_of_a_part_of_the_channels_omero_says_what_belongs_to_them(tmp_path: Path) -> None:
    write_image(PIXELS, tmp_path / "source.zarr", axes="czyx", omero=OMERO, scale_factors=[], **SIZES)
    assert run("write", tmp_path / "source.zarr", tmp_path / "out.zarr", "--region", "c=GFP").stderr == ""
    (channel,) = document(tmp_path / "out.zarr")["omero"]["channels"]
    assert (channel["label"], channel["color"]) == ("GFP", "00FF00")
