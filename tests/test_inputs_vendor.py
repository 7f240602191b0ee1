"""Files of microscopes, read by plugins of bioio: CZI as Zeiss's own library writes it, and TIFF."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from pylibCZIrw import czi

from ome_ngff import open_image
from ome_ngff.cli import main
from ome_ngff.exceptions import InputError
from ome_ngff.inputs import describe_input, open_input
from ome_ngff.inputs.families import BIOIO

PIXELS = np.random.default_rng(7).integers(0, 65535, (2, 2, 3, 4, 40, 50), "uint16")

# What bioio's plugins do is theirs to mend.
pytestmark = [
    pytest.mark.filterwarnings("ignore:As of version 0.4.0, the parser argument is ignored:DeprecationWarning"),
]


def write_czi(path: Path, scenes: Sequence[str] = ("left", "right")) -> Path:
    """Write a time series of stacks in three channels for each scene, with what ZEN says of channels and scenes."""
    with czi.create_czi(str(path)) as file:
        for scene, t, c, z in np.ndindex(len(scenes), *PIXELS.shape[1:4]):
            plane = {"T": t, "C": c, "Z": z}
            file.write(PIXELS[scene, t, c, z, ..., None], plane=plane, scene=scene, location=(scene * 90, 0))
        names = {0: "DAPI", 1: "GFP", 2: "mCherry"}
        file.write_metadata("cells", channel_names=names, scale_x=1e-7, scale_y=2e-7, scale_z=5e-7)
    with czi.open_czi(str(path)) as file:
        text = file.raw_metadata
    listed = "".join(f'<Scene Index="{i}" Name="{name}"/>' for i, name in enumerate(scenes))
    with czi.edit_czi(str(path)) as file, file.edit_session() as edit:
        edit.set_xml(text.replace("<Dimensions>", f"<Dimensions><S><Scenes>{listed}</Scenes></S>"))
    return path


def test_a_czi_is_read_with_what_it_says(tmp_path: Path) -> None:
    image = open_input(write_czi(tmp_path / "cells.czi", scenes=["only"]))
    assert (image.dims, image.name) == (("t", "c", "z", "y", "x"), "cells")
    assert image.scale == pytest.approx({"z": 0.5, "y": 0.2, "x": 0.1})
    assert image.axes_units == dict.fromkeys("zyx", "micrometer")
    assert image.channel_names == ["DAPI", "GFP", "mCherry"]
    np.testing.assert_array_equal(image.data[...], PIXELS[0])


@pytest.mark.parametrize(("series", "name"), [(None, "left"), (1, "right"), ("right", "right")])
@pytest.mark.filterwarnings("ignore:.*1 of 2 images")
def test_scenes_of_a_czi_are_series(tmp_path: Path, series: Any, name: str) -> None:
    image = open_input(write_czi(tmp_path / "cells.czi"), series=series)
    assert image.name == name
    np.testing.assert_array_equal(image.data[...], PIXELS[int(name == "right")])


def test_a_scene_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape("has no series 'write'; it has 0 (left), 1 (right).")):
        open_input(write_czi(tmp_path / "cells.czi"), series="write")


@pytest.mark.filterwarnings("ignore:.*1 of 2 images")
def test_a_czi_is_read_plane_by_plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bioio_czi.aicspylibczi_reader.reader import Reader

    image, reads, read = open_input(write_czi(tmp_path / "cells.czi")), [], Reader._read_plane

    def counted(*args: Any) -> Any:
        reads.append(args[2])
        return read(*args)

    monkeypatch.setattr(Reader, "_read_plane", staticmethod(counted))
    np.testing.assert_array_equal(image.data[1, 2, 1:3, 5:9, 7:8], PIXELS[0, 1, 2, 1:3, 5:9, 7:8])
    assert image.data.chunks == (1, 1, 1, 40, 50)
    assert sorted(plane["Z"] for plane in reads) == [1, 2]


@pytest.mark.parametrize("corners", [[(0, 0)], [(0, 0), (0, 25), (20, 0), (20, 25)]], ids=["whole", "mosaic"])
def test_colours_of_a_czi_are_red_green_blue(tmp_path: Path, corners: Sequence[tuple[int, int]]) -> None:
    rgb = np.random.default_rng(1).integers(0, 255, (40, 50, 3), "uint8")
    with czi.create_czi(str(tmp_path / "slide.czi")) as file:
        for y, x in corners:
            part = rgb[y:, x:] if len(corners) == 1 else rgb[y : y + 20, x : x + 25]
            file.write(np.ascontiguousarray(part[..., ::-1]), location=(x, y))  # "memory order B, G, R"
        file.write_metadata("slide", scale_x=1e-7, scale_y=1e-7)
    image = open_input(tmp_path / "slide.czi")
    assert (image.dims, image.channel_names) == (("c", "y", "x"), ["red", "green", "blue"])
    np.testing.assert_array_equal(image.data[...].transpose(1, 2, 0), rgb)
    np.testing.assert_array_equal(image.data[1:, 3:9, 4:], rgb.transpose(2, 0, 1)[1:, 3:9, 4:])


def test_write_makes_an_image_of_a_czi(tmp_path: Path) -> None:
    words = ["write", str(write_czi(tmp_path / "cells.czi")), str(tmp_path / "out.zarr"), "--series", "right"]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0
    image = open_image(tmp_path / "out.zarr")
    assert image.images[0].scale == pytest.approx({"t": 1, "c": 1, "z": 0.5, "y": 0.2, "x": 0.1})
    np.testing.assert_array_equal(np.asarray(image.images[0].data), PIXELS[1])


@pytest.mark.parametrize("series", [0, 1])
def test_an_ome_tiff_is_read_by_the_plugin_as_by_us(tmp_path: Path, series: int) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        for name, pixels in zip(("left", "right"), PIXELS, strict=True):
            sizes = {"PhysicalSizeX": 100.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.2, "PhysicalSizeZ": 0.5}
            said = {"axes": "TCZYX", "Name": name, "Channel": {"Name": ["DAPI", "GFP", "mCherry"]}}
            file.write(pixels, metadata=sizes | said)
    theirs = BIOIO.open(str(tmp_path / "a.ome.tif"), "", series, None)
    ours = open_input(tmp_path / "a.ome.tif", series=series)
    assert (theirs.dims, theirs.channel_names, theirs.scale) == (ours.dims, ours.channel_names, ours.scale)
    assert theirs.axes_units == ours.axes_units
    np.testing.assert_array_equal(theirs.data[...], PIXELS[series])


def test_a_plain_tiff_is_read_by_the_plugin(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        PIXELS[0, 0].transpose(1, 0, 2, 3),
        imagej=True,
        resolution=(10, 10),
        metadata={"axes": "ZCYX", "spacing": 0.5, "unit": "um"},
    )
    image = BIOIO.open(str(tmp_path / "a.tif"), "", None, None)
    assert (image.dims, image.name) == (("c", "z", "y", "x"), "a")
    assert image.scale == pytest.approx({"z": 0.5, "y": 0.1, "x": 0.1})
    np.testing.assert_array_equal(image.data[...], PIXELS[0, 0])


@pytest.mark.filterwarnings("ignore:.*1 of 2 images")
def test_a_name_that_only_a_plugin_knows_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bioio import plugins
    from bioio_czi import ReaderMetadata

    monkeypatch.setattr(ReaderMetadata, "get_supported_extensions", staticmethod(lambda: [".zeiss"]))
    monkeypatch.setattr(plugins, "plugins_by_ext_cache", {}, raising=False)
    write_czi(tmp_path / "cells.czi").rename(tmp_path / "cells.zeiss")
    np.testing.assert_array_equal(open_input(tmp_path / "cells.zeiss").data[0, 0, 0], PIXELS[0, 0, 0, 0])


@pytest.mark.parametrize("codec", ["zstd0", "zstd1"])
def test_a_broken_part_of_a_czi_is_named(tmp_path: Path, codec: str) -> None:
    path, pixels = tmp_path / "cells.czi", PIXELS[0, 0, 0, :3] // 300  # what cannot be packed has nothing to check
    with czi.create_czi(str(path), compression_options=f"{codec}:ExplicitLevel=2") as file:
        for z in range(3):
            file.write(pixels[z, ..., None], plane={"Z": z})
    content = bytearray(path.read_bytes())
    first = content.index(b"\x28\xb5\x2f\xfd")  # a frame of Zstandard: the first plane
    content[first : first + 200] = bytes(200)
    path.write_bytes(content)
    image = open_input(path)
    np.testing.assert_array_equal(image.data[1:], pixels[1:])
    with pytest.raises(InputError, match=r"cells\.czi cannot be read at Z 0 to 2, Y 0 to 39, X 0 to 49: "):
        image.data[...]


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_czi_that_was_cut_is_named(tmp_path: Path, part: float) -> None:
    content = write_czi(tmp_path / "cells.czi").read_bytes()
    (tmp_path / "cells.czi").write_bytes(content[: int(part * len(content))])
    with pytest.raises(InputError, match=r"cells\.czi cannot be read by any plugin of bioio that is installed: "):
        open_input(tmp_path / "cells.czi")


def test_scenes_of_a_czi_are_listed(tmp_path: Path) -> None:
    images = describe_input(write_czi(tmp_path / "cells.czi")).images
    assert [(image.series, image.name) for image in images] == [(0, "left"), (1, "right")]
    assert images[1].shape == PIXELS[1].shape
