"""What readers and viewers make of our images; docs/viewers.md says it in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari_ome_zarr
import ngio
import numpy as np
import pytest
import yaozarrs
import zarr
from ome_zarr_models import open_ome_zarr

from ome_ngff import write_image, write_labels

PHOTOGRAPH = np.zeros((4, 64, 80), "uint8")
PHOTOGRAPH[0], PHOTOGRAPH[1, :32], PHOTOGRAPH[3] = 200, 90, 255
VOLUME = np.zeros((20, 64, 80), "uint16")
VOLUME[8:14] = np.random.default_rng(0).poisson(300, (6, 64, 80))
SIZES: dict[str, Any] = {
    "axes": "zyx",
    "scale": {"z": 0.5, "y": 0.11, "x": 0.11},
    "axes_units": dict.fromkeys("zyx", "micrometer"),
}
every_version = pytest.mark.parametrize("version", ["0.4", "0.5"])


def layers(place: Path) -> list[tuple[Any, dict[str, Any], str]]:
    """Return what napari gets: pixels, words and kind of each layer."""
    reader = napari_ome_zarr.napari_get_reader(str(place))
    found: list[tuple[Any, dict[str, Any], str]] = reader(str(place))
    return found


def brightest(words: dict[str, Any]) -> list[list[float]]:
    """Return the colour at the upper end of each channel's colour map."""
    return [[round(float(part), 2) for part in colors.colors[-1][:3]] for colors in words["colormap"]]


@every_version
def test_napari_shows_a_photograph_in_its_colours(tmp_path: Path, version: str) -> None:
    write_image(PHOTOGRAPH, tmp_path / "i", axes="cyx", fmt=version)
    ((_, words, _),) = layers(tmp_path / "i")
    assert brightest(words)[:3] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert words["contrast_limits"] == [[0, 255]] * 4
    assert words["visible"] == [True, True, True, False]
    write_image(PHOTOGRAPH, tmp_path / "bare", axes="cyx", fmt=version, omero=False)
    ((_, words, _),) = layers(tmp_path / "bare")
    assert "colormap" not in words


@every_version
def test_napari_shows_names_and_colours_of_channels(tmp_path: Path, version: str) -> None:
    known = {"channel_names": ["DNA", "actin"], "channel_colors": ["0000FF", "00FF00"]}
    write_image(VOLUME[8:10], tmp_path / "i", axes="cyx", fmt=version, **known)
    ((_, words, _),) = layers(tmp_path / "i")
    assert [name.rpartition(" ")[2] for name in words["name"]] == ["DNA", "actin"]
    assert brightest(words) == [[0, 0, 1], [0, 1, 0]]
    wanted = [np.percentile(channel, [0.1, 99.9], method="nearest") for channel in VOLUME[8:10]]
    np.testing.assert_array_equal(words["contrast_limits"], wanted)


@pytest.fixture(params=["0.4", "0.5"])
def cells(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Write the example of the README."""
    stack = np.random.default_rng(0).poisson(100, (40, 512, 512)).astype("uint16")
    write_image(stack, tmp_path / "cells.ome.zarr", fmt=request.param, **SIZES)
    nuclei = (stack > 110).astype("uint32")
    write_labels(nuclei, tmp_path / "cells.ome.zarr", "nuclei", colors="auto", properties={1: {"class": "nucleus"}})
    return tmp_path / "cells.ome.zarr"


@pytest.mark.parametrize("cells", ["0.5"], indirect=True)  # with these versions, their models of 0.4 take no array
def test_models_of_ome_zarr_take_the_example_of_the_readme(cells: Path) -> None:
    for place, kind in ((cells, "Image"), (cells / "labels" / "nuclei", "ImageLabel")):
        found = open_ome_zarr(zarr.open_group(place, mode="r"))
        assert type(found).__name__ == kind
    yaozarrs.validate_zarr_store(str(cells))


@pytest.mark.parametrize("cells", ["0.5"], indirect=True)
def test_models_of_ome_zarr_refuse_colours_of_other_labels(cells: Path) -> None:
    group = zarr.open_group(cells / "labels" / "nuclei")
    ome = group.attrs["ome"]
    group.attrs["ome"] = {**ome, "image-label": {**ome["image-label"], "properties": [{"label-value": 1, "a": 1}]}}
    with pytest.raises((ValueError, RuntimeError)):
        open_ome_zarr(zarr.open_group(cells / "labels" / "nuclei", mode="r"))


def test_ngio_takes_the_example_of_the_readme(cells: Path) -> None:
    container = ngio.open_ome_zarr_container(str(cells))
    assert container.list_labels() == ["nuclei"]
    assert container.get_label("nuclei").dimensions.get("y") == 512
    image = container.get_image()
    assert (image.pixel_size.z, image.pixel_size.y, image.pixel_size.x) == (0.5, 0.11, 0.11)
    (channel,) = image.meta.channels_meta.channels
    shown = channel.channel_visualisation
    stored = zarr.open_array(cells / "1", mode="r")[...]  # level 0 has 20 MiB
    assert [shown.start, shown.end] == np.percentile(stored, [0.1, 99.9], method="nearest").tolist()


def test_napari_shows_the_labels_of_the_example(cells: Path) -> None:
    (_, _, kind), (_, words, other) = layers(cells)
    assert (kind, other) == ("image", "labels")
    np.testing.assert_allclose(words["colormap"][1], np.array([0xE6, 0x9F, 0x00, 0xFF]) / 255)
    assert words["properties"]["class"][words["properties"]["index"].index(1)] == "nucleus"
