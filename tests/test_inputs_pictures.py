"""Pictures: every kind of colour comes as its channels, and nothing is lost without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import skimage.data
from PIL import Image

from ome_ngff.exceptions import InputError
from ome_ngff.inputs import open_input

GREY = skimage.data.camera()[:40, :50]
COLOR = skimage.data.astronaut()[:40, :50]
PALETTE = Image.fromarray(COLOR).convert("P", palette=Image.Palette.ADAPTIVE)
RGB = ["red", "green", "blue"]


def channels_first(picture: Any) -> np.ndarray:
    return np.moveaxis(np.asarray(picture), -1, 0)


@pytest.mark.parametrize(
    ("name", "picture", "dims", "names", "wanted"),
    [
        pytest.param("a.png", Image.fromarray(GREY), "yx", None, GREY, id="grey"),
        pytest.param("a.png", Image.fromarray(GREY > 99), "yx", None, GREY > 99, id="1-bit"),
        pytest.param("a.bmp", Image.fromarray(GREY > 99), "yx", None, GREY > 99, id="1-bit-bmp"),
        pytest.param("a.png", Image.fromarray(GREY * np.uint16(257)), "yx", None, GREY * np.uint16(257), id="16-bit"),
        pytest.param("a.png", Image.fromarray(COLOR), "cyx", RGB, channels_first(COLOR), id="colour"),
        pytest.param("a.png", PALETTE, "cyx", RGB, channels_first(PALETTE.convert("RGB")), id="palette"),
        pytest.param("a.gif", PALETTE, "cyx", RGB, channels_first(PALETTE.convert("RGB")), id="gif-of-one-frame"),
        pytest.param("a.bmp", PALETTE, "cyx", RGB, channels_first(PALETTE.convert("RGB")), id="bmp"),
        pytest.param(
            "a.png", Image.fromarray(np.dstack([GREY, GREY // 2])), "cyx", None, np.stack([GREY, GREY // 2]), id="alpha"
        ),
        pytest.param(
            "a.png",
            Image.fromarray(np.dstack([COLOR, GREY])),
            "cyx",
            [*RGB, "alpha"],
            channels_first(np.dstack([COLOR, GREY])),
            id="colour-and-alpha",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*a.bmp has a resolution of 96.01 dpi")
def test_a_picture_gives_the_pixels_that_were_saved(
    tmp_path: Path, name: str, picture: Image.Image, dims: str, names: Any, wanted: np.ndarray
) -> None:
    picture.save(tmp_path / name)
    image = open_input(tmp_path / name)
    assert (image.dims, image.channel_names, image.data.dtype) == (tuple(dims), names, wanted.dtype)
    np.testing.assert_array_equal(image.data[...], wanted)


def test_printing_colours_become_red_green_and_blue(tmp_path: Path) -> None:
    Image.fromarray(COLOR).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    image = open_input(tmp_path / "a.jpg")
    assert (image.data.shape, image.channel_names) == ((3, 40, 50), RGB)
    assert np.abs(image.data[...].astype(int) - channels_first(COLOR)).mean() < 4


DEEP = np.arange(40 * 50 * 4, dtype="uint16").reshape(40, 50, 4) * 7


@pytest.mark.parametrize(
    ("samples", "names"), [(2, None), (3, RGB), (4, [*RGB, "alpha"])], ids=["grey-alpha", "rgb", "rgba"]
)
def test_all_16_bits_of_a_colour_are_read(tmp_path: Path, samples: int, names: Any) -> None:
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.ascontiguousarray(DEEP[..., :samples])))
    image = open_input(tmp_path / "a.png")
    assert (image.dims, image.data.dtype, image.channel_names) == (("c", "y", "x"), np.dtype("uint16"), names)
    np.testing.assert_array_equal(image.data[...], channels_first(DEEP[..., :samples]))
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"a\.png is broken or cut short"):
        open_input(tmp_path / "a.png").data[...]


def test_the_frames_of_an_animation_are_time(tmp_path: Path) -> None:
    frames = [PALETTE, PALETTE.transpose(0)]
    PALETTE.save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    image = open_input(tmp_path / "a.gif")
    assert image.dims == ("t", "c", "y", "x")
    np.testing.assert_array_equal(image.data[...], [channels_first(frame.convert("RGB")) for frame in frames])


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif"])
def test_a_picture_that_was_cut_is_named_when_it_is_read(tmp_path: Path, name: str) -> None:
    Image.fromarray(COLOR).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(InputError, match=rf"^\S*{name} is broken or cut short: "):
        open_input(tmp_path / name).data[...]


def test_a_picture_may_be_larger_than_pillow_likes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    np.testing.assert_array_equal(open_input(tmp_path / "a.png").data[...], GREY)
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize("name", ["a.sis", "a"])
def test_formats_of_microscopes_are_told_where_to_go(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no such magic" + bytes(1000))
    with pytest.raises(InputError, match=r"not an image that can be read here: .* bioformats2raw"):
        open_input(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "dpi", "micrometers"),
    [
        pytest.param("a.png", 25400, 1.0, id="png-1"),
        pytest.param("a.png", 254000, 0.1, id="png-0.1"),
        pytest.param("a.jpg", 12700, 2.0, id="jpeg-2"),
        pytest.param("a.bmp", 50800, 0.5, id="bmp-0.5"),
        pytest.param("a.bmp", 96, None, id="bmp-96"),
        pytest.param("a.png", 72, None, id="png-72"),
        pytest.param("a.png", 96, None, id="png-96"),
        pytest.param("a.jpg", 300, None, id="jpeg-300"),
        pytest.param("a.jpg", 1200, None, id="jpeg-1200"),
        pytest.param("a.png", 700, None, id="png-too-large"),
    ],
)
def test_the_resolution_of_a_picture_is_judged_as_that_of_a_tiff(
    tmp_path: Path, name: str, dpi: int, micrometers: float | None
) -> None:
    from PIL import Image

    Image.fromarray(np.zeros((20, 30), "uint8")).save(tmp_path / name, dpi=(dpi, dpi))
    if micrometers is None:
        with pytest.warns(
            UserWarning, match=rf"has a resolution of {dpi}(\.01)? dpi .* it is not taken as a pixel size"
        ):
            assert not open_input(tmp_path / name).axes_units
        return
    image = open_input(tmp_path / name)
    assert image.scale == pytest.approx({"y": micrometers, "x": micrometers}, rel=1e-4)
    assert image.axes_units == {"y": "micrometer", "x": "micrometer"}


def test_a_jpeg_that_counts_dots_per_centimeter_or_in_its_exif(tmp_path: Path) -> None:
    from PIL import Image

    picture = Image.fromarray(np.zeros((20, 30), "uint8"))
    picture.save(tmp_path / "a.jpg", dpi=(5000, 5000))
    content = bytearray((tmp_path / "a.jpg").read_bytes())
    content[content.index(b"JFIF") + 7] = 2  # the unit of its density
    (tmp_path / "a.jpg").write_bytes(content)
    assert open_input(tmp_path / "a.jpg").scale == {"y": 2.0, "x": 2.0}
    exif = Image.Exif()
    exif[282], exif[283], exif[296] = 10000.0, 20000.0, 3
    picture.save(tmp_path / "b.jpg", exif=exif)
    assert open_input(tmp_path / "b.jpg").scale == {"y": 0.5, "x": 1.0}
