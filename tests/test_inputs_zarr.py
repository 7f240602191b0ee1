"""Zarr arrays and OME-Zarr images as inputs: the first level, with all that the metadata says."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import zarr

from ome_ngff import convert, edit_image, open_image, rebuild_levels, to_ngff_image, upgrade, validate, write_image
from ome_ngff.exceptions import AxesError, InputError, MissingError, StoreError
from ome_ngff.inputs import open_input

IMAGE = np.stack([np.stack([skimage.data.coins()[z : z + 30, c : c + 40] for z in range(4)]) for c in range(2)])
AXES = [
    {"name": "c", "type": "channel"},
    *({"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"),
]


def multiscale(**words: Any) -> dict[str, Any]:
    steps = [
        {"type": "scale", "scale": [1.0, 2.0, 0.5, 0.5]},
        {"type": "translation", "translation": [0.0, 10.0, 1.0, 2.0]},
    ]
    levels = [{"path": "s0", "coordinateTransformations": steps}, {"path": "s1", "coordinateTransformations": steps}]
    return {"name": "cells", "axes": AXES, "datasets": levels, **words}


def ome_zarr(path: Path, version: str, attributes: dict[str, Any] | None = None, **words: Any) -> Path:
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    group.create_array("s0", data=IMAGE, chunks=(1, 2, 20, 20))
    group.create_array("s1", data=IMAGE[..., ::2, ::2])
    channels = [{"label": "DAPI", "color": "0000ff"}, {"label": "GFP", "color": "00FF00"}]
    document = {"multiscales": [multiscale(**words)], "omero": {"channels": channels}, **(attributes or {})}
    group.attrs.update({"ome": {"version": version, **document}} if version == "0.5" else document)
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_ome_zarr_image_gives_its_first_level_and_what_it_says(tmp_path: Path, version: str) -> None:
    image = open_input(ome_zarr(tmp_path / "a.ome.zarr", version))
    assert isinstance(image.data.origin, zarr.Array)
    assert (image.dims, image.name, image.data.chunks) == (("c", "z", "y", "x"), "cells", (1, 2, 20, 20))
    assert image.scale == {"c": 1.0, "z": 2.0, "y": 0.5, "x": 0.5}
    assert image.translation == {"c": 0.0, "z": 10.0, "y": 1.0, "x": 2.0}
    assert image.axes_units == dict.fromkeys("zyx", "micrometer")
    assert (image.channel_names, image.channel_colors) == (["DAPI", "GFP"], ["0000FF", "00FF00"])
    np.testing.assert_array_equal(image.data[...], IMAGE)


def test_pixels_come_in_the_byte_order_of_this_machine(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a.zarr", shape=IMAGE.shape, chunks=(1, 2, 20, 20), dtype=">u2", zarr_format=2)
    array[...] = IMAGE
    data = open_input(tmp_path / "a.zarr", axes="czyx").data
    assert data[...].dtype == data.dtype == np.dtype("uint16")
    np.testing.assert_array_equal(data[...], IMAGE)


def test_the_transformations_of_the_image_scale_those_of_its_level(tmp_path: Path) -> None:
    outer = [
        {"type": "scale", "scale": [1.0, 2.0, 4.0, 1.0]},
        {"type": "translation", "translation": [0.0, 0.0, 0.0, 5.0]},
    ]
    image = open_input(ome_zarr(tmp_path / "a.zarr", "0.4", coordinateTransformations=outer))
    assert image.scale == {"c": 1.0, "z": 4.0, "y": 2.0, "x": 0.5}
    assert image.translation == {"c": 0.0, "z": 20.0, "y": 4.0, "x": 7.0}


def test_what_axes_and_sizes_state_in_vain_is_told(tmp_path: Path) -> None:
    axes = [{"units" if key == "unit" else key: value for key, value in axis.items()} for axis in AXES]
    with pytest.warns(UserWarning, match=r"as units, which is not read \(z 'micrometer', y "):
        assert open_image(ome_zarr(tmp_path / "a.zarr", "0.5", axes=axes)).images[0].axes_units is None
    for size in (0.0, -0.5):
        levels = [{"path": "s0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 2.0, size, 0.5]}]}]
        place = ome_zarr(tmp_path / "a.zarr", "0.4", datasets=levels)
        with pytest.warns(UserWarning, match=rf"not above zero \(y {size:g}\); they count as 1"):
            assert open_input(place).scale == {"c": 1.0, "z": 2.0, "x": 0.5}
    levels[0]["coordinateTransformations"][0]["scale"][2] = 0  # type: ignore[index]
    with pytest.warns(UserWarning, match="states a pixel size of 0 along y"):
        assert open_image(ome_zarr(tmp_path / "a.zarr", "0.4", datasets=levels)).images[0].scale["y"] == 0


def test_a_collection_opened_as_an_image_says_how_to_name_one(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2, attributes={"bioformats2raw.layout": 3})
    with pytest.raises(InputError, match=r"say which of its images, as in '\.\.\.::0'"):
        open_image(tmp_path / "a.zarr")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_axes_in_capitals_as_iohub_writes_them_are_understood_and_told(tmp_path: Path, version: str) -> None:
    axes = [{**axis, "name": axis["name"].upper()} for axis in AXES]
    with pytest.warns(UserWarning, match=r"calls C, Z, Y, X are c, z, y, x here"):
        image = open_image(ome_zarr(tmp_path / "a.zarr", version, axes=axes))
    assert image.images[0].dims == ("c", "z", "y", "x")
    np.testing.assert_array_equal(image.read(c="GFP", z=(9, 11)).data, IMAGE[1:, :1])
    other = [{**axes[0], "type": "lifetime"}, *axes[1:]]
    with pytest.warns(UserWarning, match=r"calls Z, Y, X are z, y, x here"):
        assert open_image(ome_zarr(tmp_path / "b.zarr", version, axes=other)).images[0].dims == ("C", "z", "y", "x")


@pytest.mark.filterwarnings("ignore:The axes that")
@pytest.mark.parametrize("version", ["0.5", "0.6"])
def test_an_upgrade_keeps_axes_in_capitals_and_the_image_stays_alive(tmp_path: Path, version: str) -> None:
    place = tmp_path / "a.zarr"
    write_image(IMAGE, place, axes="czyx", fmt="0.4", scale_factors=[2])
    document = (place / ".zattrs").read_text()
    (place / ".zattrs").write_text(re.sub('(?<="name": ")[czyx](?=")', lambda found: found[0].upper(), document))
    upgrade(place, version)
    multiscale = zarr.open_group(place, mode="r").attrs["ome"]["multiscales"][0]  # type: ignore[index, call-overload]
    axes = multiscale["axes"] if version == "0.5" else multiscale["coordinateSystems"][0]["axes"]
    assert [axis["name"] for axis in axes] == ["C", "Z", "Y", "X"]
    edit_image(place, scale={"z": 3})
    rebuild_levels(place, "nearest", [2, 4])
    assert validate(place).valid
    names = [zarr.open_array(place / str(k), mode="r").metadata.to_dict()["dimension_names"] for k in range(3)]
    assert names == [("C", "Z", "Y", "X")] * 3
    convert(place, tmp_path / "b.zarr", fmt=version)
    copy = open_image(tmp_path / "b.zarr")
    assert (copy.images[0].dims, copy.images[0].scale["z"]) == (("c", "z", "y", "x"), 3)
    np.testing.assert_array_equal(copy.read(level=0).data, IMAGE)


def test_orientation_is_kept(tmp_path: Path) -> None:
    values = ["inferior-to-superior", "anterior-to-posterior", "left-to-right"]
    axes = [AXES[0]]
    axes += [
        {**axis, "orientation": {"type": "anatomical", "value": v}} for axis, v in zip(AXES[1:], values, strict=True)
    ]
    image = open_input(ome_zarr(tmp_path / "a.zarr", "0.5", axes=axes))
    assert image.axes_orientations == dict(zip("zyx", values, strict=True))


@pytest.mark.parametrize("axes", [["c", "z", "y", "x"], [{"name": name} for name in "czyx"]], ids=["0.3", "no-types"])
def test_older_metadata_is_understood(tmp_path: Path, axes: Any) -> None:
    levels = [{"path": "s0"}]
    image = open_input(ome_zarr(tmp_path / "a.zarr", "0.4", axes=axes, datasets=levels))
    assert (image.dims, image.scale) == (("c", "z", "y", "x"), {"c": 1.0, "z": 1.0, "y": 1.0, "x": 1.0})


@pytest.mark.parametrize(
    "channels",
    [
        pytest.param([{"label": "DAPI", "color": "0000FF"}], id="too-few"),
        pytest.param([{}, {}], id="empty"),
        pytest.param([{"color": "blue"}, {"color": "0000FF"}], id="no-hex"),
    ],
)
def test_channels_that_do_not_fit_are_left_out(tmp_path: Path, channels: Any) -> None:
    image = open_input(ome_zarr(tmp_path / "a.zarr", "0.4", {"omero": {"channels": channels}}))
    assert (image.channel_names, image.channel_colors) == (None, None)


def test_axes_override_the_metadata_but_names_in_both_keep_their_sizes(tmp_path: Path) -> None:
    image = open_input(ome_zarr(tmp_path / "a.zarr", "0.5"), axes="tzyx")
    assert image.dims == ("t", "z", "y", "x")
    assert image.scale == {"z": 2.0, "y": 0.5, "x": 0.5}


@pytest.mark.parametrize("place", ["a.zarr::s1", "a.zarr/s1"])
def test_a_level_is_an_array_like_any_other(tmp_path: Path, place: str) -> None:
    ome_zarr(tmp_path / "a.zarr", "0.5")
    np.testing.assert_array_equal(open_input(tmp_path / place, axes="czyx").data[...], IMAGE[..., ::2, ::2])
    with pytest.raises(AxesError, match="cannot be guessed"):
        open_input(tmp_path / place)


def test_what_lies_inside_is_reached_by_its_path(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w")
    ome_zarr(tmp_path / "a.zarr" / "labels" / "cells", "0.5", name="")
    image = open_input(f"{tmp_path / 'a.zarr'}::labels/cells")
    assert image.name == "cells"
    np.testing.assert_array_equal(image.data[...], IMAGE)


def test_a_group_of_labels_gives_the_only_one_or_lists_them(tmp_path: Path) -> None:
    labels = zarr.open_group(tmp_path / "a.zarr" / "labels", mode="w")
    for names in (["cells"], ["cells", "nuclei"]):
        labels.attrs["ome"] = {"labels": names}
        ome_zarr(tmp_path / "a.zarr" / "labels" / names[-1], "0.5", name="")
        if len(names) == 1:
            assert open_input(tmp_path / "a.zarr" / "labels").name == "cells"
    with pytest.raises(InputError, match=r"cells, nuclei; say which, as in '.*labels::cells'"):
        open_input(tmp_path / "a.zarr" / "labels")


@pytest.mark.parametrize("series", [0, 1, "second"])
def test_one_of_several_images_is_picked(tmp_path: Path, series: int | str) -> None:
    several = {"multiscales": [multiscale(name="first"), multiscale(name="second", datasets=[{"path": "s1"}])]}
    path = ome_zarr(tmp_path / "a.zarr", "0.4", several)
    assert open_input(path, series=series).name == ("second" if series else "first")
    with pytest.raises(InputError, match=r"no series '2'; it has 0 \(first\), 1 \(second\)"):
        open_input(path, series=2)


def test_a_converters_layout_gives_its_first_image(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    ome_zarr(tmp_path / "a.zarr" / "0", "0.4", name="zero")
    ome_zarr(tmp_path / "a.zarr" / "1", "0.4", name="one")
    with pytest.warns(UserWarning, match="1 of 2 images"):
        assert open_input(tmp_path / "a.zarr").name == "zero"
    assert open_input(tmp_path / "a.zarr", series=1).name == "one"


@pytest.mark.parametrize(
    ("key", "example"), [("plate", "a.zarr::A/1/0"), ("well", "a.zarr::0"), ("scene", "a.zarr::0")]
)
def test_a_group_of_several_images_asks_which_one(tmp_path: Path, key: str, example: str) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w").attrs["ome"] = {key: {}}
    with pytest.raises(InputError, match=f"is a {key}; say which image, as in '.*{example}'"):
        open_input(tmp_path / "a.zarr")


@pytest.mark.parametrize("version", [2, 3])
def test_an_array_with_named_dimensions_needs_no_axes(tmp_path: Path, version: int) -> None:
    names = {"dimension_names": list("CZYX")} if version == 3 else {"attributes": {"_ARRAY_DIMENSIONS": list("czyx")}}
    zarr.create_array(tmp_path / "a.zarr", data=IMAGE, zarr_format=version, **names)
    assert open_input(tmp_path / "a.zarr").dims == ("c", "z", "y", "x")


def test_the_only_array_of_a_group_is_found_and_several_are_listed(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    with pytest.raises(InputError, match="holds no array"):
        open_input(tmp_path / "a.zarr")
    group.create_array("raw", data=IMAGE)
    assert open_input(tmp_path / "a.zarr", axes="czyx").name == "raw"
    group.create_array("mask", data=IMAGE)
    with pytest.raises(InputError, match=r"holds the arrays mask, raw; say which, as in '.*a\.zarr::mask'"):
        open_input(tmp_path / "a.zarr")


def test_a_folder_without_the_ending_is_known_by_what_it_holds(tmp_path: Path) -> None:
    assert open_input(ome_zarr(tmp_path / "image", "0.5")).name == "cells"


def test_a_zip_file_is_read_in_place(tmp_path: Path) -> None:
    ome_zarr(tmp_path / "a.zarr", "0.5")
    with zipfile.ZipFile(tmp_path / "a.ozx", "w") as archive:
        for file in sorted((tmp_path / "a.zarr").rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(tmp_path / "a.zarr"))
    image = open_input(tmp_path / "a.ozx")
    np.testing.assert_array_equal(image.data[1, 2], IMAGE[1, 2])
    image.data.origin.store.close()


def test_a_url_is_a_zarr() -> None:
    store = zarr.storage.FsspecStore.from_url("memory://cells.zarr")
    zarr.create_array(store, data=IMAGE, dimension_names=list("czyx"))
    np.testing.assert_array_equal(open_input("memory://cells.zarr").data[0, :2], IMAGE[0, :2])


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    ome_zarr(tmp_path / "a.zarr", "0.5")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(MissingError, match=r"no Zarr group or array at .*a\.zarr::labels"):
        open_input(f"{tmp_path / 'a.zarr'}::labels")
    with pytest.raises(MissingError, match="no Zarr group"):
        open_input(tmp_path / "empty.zarr")


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        pytest.param(
            {"datasets": [{"path": "s9"}]}, MissingError, "names the level 's9', but there is no array", id="level"
        ),
        pytest.param({"axes": AXES[1:]}, InputError, "The axes z,y,x do not describe an array of 4", id="axes"),
        pytest.param({"datasets": []}, InputError, "names no level", id="no-levels"),
        pytest.param({"datasets": [{"path": "../b.zarr/s0"}]}, InputError, "below its group", id="level-of-another"),
    ],
)
def test_metadata_that_contradicts_the_store_is_an_input_error(
    tmp_path: Path, words: Any, error: type[Exception], message: str
) -> None:
    ome_zarr(tmp_path / "b.zarr", "0.5")
    with pytest.raises(error, match=message):
        open_input(ome_zarr(tmp_path / "a.zarr", "0.5", **words))


def test_broken_metadata_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text("{")
    with pytest.raises(StoreError, match=r"zarr.json cannot be read"):
        open_input(tmp_path / "a.zarr")


def test_levels_from_coarse_to_fine_are_refused_with_the_finest(tmp_path: Path) -> None:
    write_image(np.zeros((40, 30), "uint8"), tmp_path / "a.zarr", axes="yx", scale_factors=[2])
    group = zarr.open_group(tmp_path / "a.zarr", mode="r+")
    said = dict(group.attrs)
    said["ome"]["multiscales"][0]["datasets"].reverse()
    group.attrs.update(said)
    with pytest.raises(InputError, match=r"lists a level of 20 x 15 before larger ones; say which it is, .*a.zarr::0'"):
        open_input(tmp_path / "a.zarr")


def test_chunks_in_folders_are_not_taken_for_missing(tmp_path: Path) -> None:
    write_image(np.ones((40, 30), "uint8"), tmp_path / "a.zarr", axes="yx", fmt="0.4", chunks=16, scale_factors=[])
    file = tmp_path / "a.zarr/0/.zarray"
    said = json.loads(file.read_text("utf-8"))
    del said["dimension_separator"]
    file.write_text(json.dumps(said), "utf-8")
    for read in (open_input, open_image, to_ngff_image):
        with pytest.raises(StoreError, match=r"chunks in folders \(0/0\).*write \"dimension_separator\": \"/\""):
            read(tmp_path / ("a.zarr/0" if read is to_ngff_image else "a.zarr"))
    assert not validate(tmp_path / "a.zarr").valid
