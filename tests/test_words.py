"""Words and places in every form that has one sensible meaning; what has none is in `test_refusals`."""

from __future__ import annotations

import os
from collections import UserDict
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import attrs
import fsspec
import numpy as np
import pytest
import zarr
from helpers import attributes, datasets, document, pixels, pixels_by_tensorstore, scale_of

from ome_ngff import (
    AnatomicalOrientation,
    InputError,
    NgffImage,
    convert,
    open_image,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    validate,
    write_image,
    write_labels,
    write_multiscale,
    write_multiscale_labels,
    write_plate_metadata,
    write_well_metadata,
)
from ome_ngff.axes import full_unit

PLANE = np.arange(96 * 128, dtype="uint16").reshape(96, 128)
MOVIE = np.zeros((2, 3, 8, 32, 32), "uint8")


def units(place: Any) -> list[str | None]:
    return [axis.get("unit") for axis in document(place)["multiscales"][0]["axes"]]


def shapes(place: Any) -> list[tuple[int, ...]]:
    return [level.shape for level in pixels(place)]


# Units --------------------------------------------------------------------------------------------------------------

UNITS = ["um", "µm", "μm", "micron", "microns", "Micrometre", "MICROMETERS", " micrometer "]


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_has_one_name_however_it_is_spelt(unit: str) -> None:
    assert full_unit(unit) == "micrometer"
    assert NgffImage(PLANE, "yx", axes_units=unit).axes_units == {"y": "micrometer", "x": "micrometer"}


SPACE = ["micrometer"] * 3
GIVEN: list[Any] = [
    pytest.param("um", [None, None, *SPACE], id="one"),
    pytest.param("seconds", ["second", None, None, None, None], id="one-of-time"),
    pytest.param(["um", "um", "um"], [None, None, *SPACE], id="one-per-spatial-axis"),
    pytest.param(("s", None, "um", "um", "um"), ["second", None, *SPACE], id="one-per-axis"),
    pytest.param({"T": "s", "z": "microns"}, ["second", None, "micrometer", None, None], id="by-name"),
]


@pytest.mark.parametrize(("given", "found"), GIVEN)
def test_units_are_said_once_for_all_or_axis_by_axis(tmp_path: Path, given: Any, found: list[str | None]) -> None:
    write_image(MOVIE, tmp_path / "a", axes="tczyx", axes_units=given, scale_factors=[])
    write_multiscale([MOVIE], tmp_path / "b", axes="TCZYX", axes_units=given)
    to_ngff_zarr(tmp_path / "c", to_multiscales(to_ngff_image(MOVIE, "tczyx", axes_units=given), []))
    write_labels(MOVIE, tmp_path / "b", "l", axes_units=given, scale=[1] * 5)
    for place in ("a", "b", "c", "b/labels/l"):
        assert units(tmp_path / place) == found


# Numbers ------------------------------------------------------------------------------------------------------------


def test_floats_that_are_whole_are_numbers_of_pixels(tmp_path: Path) -> None:
    write_image(PLANE, tmp_path / "a", scale_factors=[{"y": 2.0, "X": np.float32(4)}], chunks={"y": 32.0, "X": 64.0})
    assert shapes(tmp_path / "a") == [(96, 128), (48, 32)]
    assert zarr.open_array(tmp_path / "a" / "0").chunks == (32, 64)
    write_image(PLANE, tmp_path / "b", scale_factors=(2.0,), chunks=16.0, shards=(32.0, 32.0))
    assert zarr.open_array(tmp_path / "b" / "0").shards == (32, 32)
    made = to_multiscales(PLANE, 32.0, chunks=16.0)
    assert made.scale_factors == to_multiscales(PLANE, 32).scale_factors


def test_one_number_is_the_size_of_a_pixel_in_space(tmp_path: Path) -> None:
    write_image(MOVIE, tmp_path / "a", axes="tczyx", scale=np.float32(0.5), scale_factors=[])
    assert scale_of(datasets(tmp_path / "a")[0]) == [1, 1, 0.5, 0.5, 0.5]
    write_labels(MOVIE, tmp_path / "a", "l", scale=2)
    assert scale_of(datasets(tmp_path / "a" / "labels" / "l")[0]) == [1, 1, 2, 2, 2]


def scales(*each: list[float]) -> Any:
    return [[{"type": "scale", "scale": scale}] for scale in each]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        pytest.param(scales([0.3, 0.3]), [(96, 128)], id="one"),
        pytest.param(scales([0.3, 0.3], [0.6, 0.6], [1.2, 2.4]), [(96, 128), (48, 64), (24, 16)], id="three"),
    ],
)
def test_transformations_say_how_many_levels_there_are(tmp_path: Path, given: Any, found: list[Any]) -> None:
    write_image(PLANE, tmp_path, coordinate_transformations=given, chunks=16)
    assert shapes(tmp_path) == found
    assert [dataset["coordinateTransformations"] for dataset in datasets(tmp_path)] == given


def test_more_options_than_levels_are_no_fault(tmp_path: Path) -> None:
    options = [{"chunks": (n, n)} for n in (64, 32, 16, 8)]
    write_image(PLANE, tmp_path, scale_factors=[2], storage_options=options)
    assert [zarr.open_array(tmp_path / path).chunks for path in "01"] == [(64, 64), (32, 32)]


def test_wells_and_plates_take_numbers_for_names(tmp_path: Path) -> None:
    write_well_metadata(tmp_path / "w", [0, "1", {"path": "2"}])
    assert document(tmp_path / "w")["well"]["images"] == [{"path": "0"}, {"path": "1"}, {"path": "2"}]
    write_plate_metadata(tmp_path / "p", ["A"], range(1, 3), ["A/2"])
    assert document(tmp_path / "p")["plate"]["columns"] == [{"name": "1"}, {"name": "2"}]


# Orientation --------------------------------------------------------------------------------------------------------


def test_orientation_of_some_axes_is_kept_with_a_warning(tmp_path: Path, any_format: Any) -> None:
    given = {"y": AnatomicalOrientation.ANTERIOR_TO_POSTERIOR}
    with pytest.warns(UserWarning, match=r"should have an orientation \(there is none for x\)") as caught:
        to_ngff_zarr(tmp_path / "i", to_multiscales(PLANE, [2], orientation=given), any_format)
    assert {warning.filename for warning in caught} == {__file__}
    with pytest.warns(UserWarning, match="should have an orientation"):
        convert(tmp_path / "i", tmp_path / "copy")
    with pytest.warns(UserWarning, match="should have an orientation"):
        read = open_image(tmp_path / "copy")
    assert validate(tmp_path / "copy").valid
    for image in read.images:
        assert image.axes_orientations == given
        assert image.axes_orientations["y"].value == "anterior-to-posterior"
    assert read.metadata.axes[0].orientation is AnatomicalOrientation.ANTERIOR_TO_POSTERIOR


# Warnings -----------------------------------------------------------------------------------------------------------


def test_a_warning_points_at_the_line_of_the_caller(tmp_path: Path) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: write_image(PLANE, tmp_path / "a", axes=["x", "y"]),
        lambda: write_image(PLANE, tmp_path / "b", axes_units={"y": "furlong"}),
        lambda: to_ngff_image(PLANE, axes_units={"y": "furlong"}).axes,
        lambda: write_labels(PLANE, tmp_path / "c", "l"),
        lambda: write_multiscale_labels([PLANE], tmp_path / "d", "l"),
    ]
    for call in calls:
        with pytest.warns(UserWarning, match=r"z, y, x|should be one|alone") as caught:
            call()
        lines = {(warning.filename, warning.lineno) for warning in caught}
        assert lines == {(__file__, call.__code__.co_firstlineno)}


# Places -------------------------------------------------------------------------------------------------------------


@attrs.frozen
class Somewhere(os.PathLike[str]):
    """A path that is neither text nor of pathlib."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)


def test_what_has_a_path_is_a_path(tmp_path: Path) -> None:
    write_image(PLANE, Somewhere(tmp_path / "a"), axes="yx")
    np.testing.assert_array_equal(pixels_by_tensorstore(tmp_path / "a")[0], PLANE)
    np.testing.assert_array_equal(open_image(Somewhere(tmp_path / "a")).images[0].data, PLANE)
    np.testing.assert_array_equal(to_ngff_image(Somewhere(tmp_path / "a" / "0")).data, PLANE)
    to_ngff_zarr(Somewhere(tmp_path / "a.ozx"), to_multiscales(PLANE, []))
    np.testing.assert_array_equal(open_image(Somewhere(tmp_path / "a.ozx")).images[0].data, PLANE)


def mapper(tmp_path: Path) -> MutableMapping[str, Any]:
    return fsspec.get_mapper(f"file://{tmp_path / 'm'}")


def mapper_in_memory(tmp_path: Path) -> MutableMapping[str, Any]:
    return fsspec.get_mapper(f"memory://{tmp_path.name}")


def others(tmp_path: Path) -> MutableMapping[str, Any]:
    return UserDict()


def of_bytes(tmp_path: Path) -> MutableMapping[str, Any]:
    return {"notes.txt": b"mine"}


@pytest.mark.parametrize("make", [mapper, mapper_in_memory, others, of_bytes])
def test_an_image_in_a_mapping_is_its_bytes(tmp_path: Path, make: Callable[[Path], Any], any_format: Any) -> None:
    place = make(tmp_path)
    kept = dict(place)
    write_image(PLANE, place, axes="yx", chunks=64, scale_factors=[2], fmt=any_format)
    write_labels(PLANE, place, "l")
    assert validate(place).valid
    np.testing.assert_array_equal(open_image(place).labels["l"].images[0].data, PLANE)
    for key, value in dict(place).items():
        (tmp_path / "copy" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / key).write_bytes(value)
    np.testing.assert_array_equal(pixels_by_tensorstore(tmp_path / "copy")[0], PLANE)
    assert kept.items() <= dict(place).items()
    write_image(PLANE + 1, place, axes="yx", chunks=64, scale_factors=[2], overwrite=True)
    np.testing.assert_array_equal(open_image(dict(place)).images[0].data, PLANE + 1)


def test_the_name_of_a_file_is_not_an_image(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PLANE)
    for name in (str(tmp_path / "a.npy"), tmp_path / "a.npy", Somewhere(tmp_path / "a.npy")):
        for call in (write_image, write_labels):
            with pytest.raises(InputError, match="use `convert` or `open_input`"):
                call(name, tmp_path / "i")
        with pytest.raises(InputError, match="use `convert` or `open_input`"):
            to_ngff_image(name)
    assert not (tmp_path / "i").exists()
    convert(tmp_path / "a.npy", tmp_path / "i")
    assert attributes(tmp_path / "i")
