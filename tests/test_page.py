"""The page of a store: what it shows, that text stays text, that it is bounded and looks like something."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import look_at, needs_browser
from click.testing import CliRunner
from helpers import attributes, filled_plate
from PIL import Image

from ome_ngff import (
    InputError,
    OptionError,
    convert,
    preview_page,
    write_image,
    write_labels,
)
from ome_ngff.cli import main
from ome_ngff.show.distribution import Distribution, measured
from ome_ngff.show.markup import Html, section
from ome_ngff.show.projections import project, same_place
from ome_ngff.show.view import look

HOSTILE = """</title><script>alert("x")</script><img src=x onerror='alert(1)'>&amp;\u202e\ud800"""
ALLOWED = {
    *"html head meta title style body section h1 h2 p span b div table thead tbody tr th td".split(),
    *"figure img figcaption svg rect line details summary pre".split(),
}


class Reader(HTMLParser):
    """Collect the elements, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def pictures(page: str) -> list[np.ndarray[Any, Any]]:
    found = re.findall('src="data:image/png;base64,([^"]+)"', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(each))).convert("RGB")) for each in found]


def volume() -> np.ndarray[Any, Any]:
    """Draw one bright box in each of two channels."""
    data = np.zeros((2, 16, 32, 48), "uint16")
    data[0, 2:6, 8:24, 4:12] = 1000
    data[1, 10:14, 4:12, 24:40] = 2000
    return data


def written(tmp_path: Path, name: str = "cells", **words: Any) -> Path:
    space = {"scale": {"z": 2, "y": 1, "x": 1}, "axes_units": {"z": "micrometer", "y": "micrometer", "x": "micrometer"}}
    given = {"axes": "czyx", "chunks": 16, "scale_factors": [2, 4], "method": "nearest", "name": name, **space, **words}
    write_image(volume(), tmp_path / "a.zarr", **given)
    return tmp_path / "a.zarr"


def test_a_page_shows_levels_channels_labels_and_findings(tmp_path: Path) -> None:
    store = written(tmp_path, channel_names=["DAPI", "GFP"], channel_colors=["FF0000", "00FF00"], shards=32)
    labels = (volume()[0] > 0).astype("uint8")
    write_labels(labels, store, "nuclei", axes="zyx", colors={1: "#102030"}, properties={1: {"class": "a"}})
    page = preview_page(store)
    text = " ".join(Reader(page.html).words)
    for words in (
        "cells", "valid", "2 x 16 x 32 x 48", "16 x 16 x 16", "2 x 16 x 8 x 12", "blosc-zstd:1", "DAPI", "GFP",
        "Labels: nuclei", "The same place at each level", "level 0 of 0 to 2", "Nothing was found",
        "the brightest pixels of level 0",
    ):  # fmt: skip
        assert words in text, words
    assert "rgb(16, 32, 48)" in page.html
    main, along_z, along_y, along_x, *others = pictures(page.html)
    assert {tuple(color) for color in main.reshape(-1, 3)[::97]} >= {(255, 0, 0), (0, 0, 0)}
    assert along_z.shape[:2] == (256, 384)
    assert (along_y.shape[1], along_x.shape[0]) == (384, 256)
    assert along_y.shape[0] == along_x.shape[1] == 256  # 32 micrometers are deep, and high
    assert len(others) == 3 + 2


def test_tables_of_five_axes_fit_a_window_of_1100_pixels(tmp_path: Path) -> None:
    words = {
        "scale": {"z": 2, "y": 1, "x": 1},
        "chunks": 128,
        "shards": "auto",
        "scale_factors": [2, 4],
    }
    write_image(np.zeros((1, 1, 2, 256, 256), "uint16"), tmp_path / "a.zarr", axes="tczyx", **words)
    page = preview_page(tmp_path / "a.zarr").html
    for rows in re.findall("<table class=.keep.*?</table>", page):
        cells = [re.findall("<t[dh]>(.*?)</t[dh]>", row) for row in re.findall("<tr>.*?</tr>", rows)]
        widest = [max(map(len, column)) + 2 for column in zip(*cells, strict=True)]
        assert sum(widest) < 150, cells  # a letter has about 7 pixels
    assert "nowrap" not in re.search(r"\.keep td {(.*?)}", page)[1]


def test_a_section_without_anything_is_left_out() -> None:
    assert section("Arrays", "") == ""
    assert section("Arrays", Html("<p>")) == "<section><h2>Arrays</h2><p></section>"


def test_a_page_says_the_digest_of_what_was_compared(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", volume()[0])
    convert(tmp_path / "a.npy", tmp_path / "a.zarr", axes="zyx", chunks=16, verify=True)
    (found, *_) = attributes(tmp_path / "a.zarr")["ome_ngff"]["verified"]["levels"]
    assert f"SHA-256 {found['sha256']}" in " ".join(Reader(preview_page(tmp_path / "a.zarr").html).words)


@pytest.mark.parametrize("fmt", ["0.4", "0.5"])
def test_names_never_become_markup(tmp_path: Path, fmt: str) -> None:
    store = written(tmp_path, channel_names=[HOSTILE[:-1], "b"], fmt=fmt)
    write_labels((volume()[0] > 0).astype("uint8"), store, "<b onclick=x>\"'", axes="zyx")
    file = store / ("zarr.json" if fmt == "0.5" else ".zattrs")
    known = json.loads(file.read_text(encoding="utf-8"))
    (known["attributes"] if fmt == "0.5" else known)[HOSTILE] = [HOSTILE, {"<i>": 1}]
    file.write_text(json.dumps(known), encoding="utf-8")
    page = preview_page(store)
    read = Reader(page.html)
    assert read.tags <= ALLOWED
    assert not [name for name in read.names if name.startswith("on")]
    assert all(link.startswith("data:image/png;base64,") for link in read.links)
    assert "</title><script>alert" in " ".join(read.words)
    page.save(tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == page.html
    assert "default-src 'none'" in page.html


def test_a_plate_has_its_map_and_its_table(tmp_path: Path) -> None:
    fields = {(*place, 0): np.full((16, 16), 9, "uint8") for place in (("A/1", 0), ("B/3", 0), ("B/3", 1))}
    words: dict[str, Any] = {"axes": "yx", "chunks": 8, "scale_factors": [2]}
    page = preview_page(filled_plate(tmp_path / "p.zarr", ("A-B", 3), fields, {"name": "<screen>"}, **words))
    cells = re.findall('<td(?: class="full")? title="([^"]+)">(.*?)</td>', page.html)
    empty = [title for title, count in cells if not count]
    assert empty == [f"{well}: no images" for well in ("A/2", "A/3", "B/1", "B/2")]
    assert [count for _, count in cells if count] == ["1", "2"]
    assert "&lt;screen&gt;" in page.html
    assert "An image of it: A/1/0" in page.html
    assert len(pictures(page.html)) == 1 + 1 + 2


def test_what_is_broken_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    store = written(tmp_path)
    (store / "1" / "zarr.json").unlink()
    page = preview_page(store)
    text = " ".join(Reader(page.html).words)
    assert "not valid" in text
    assert "This cannot be shown" in text
    assert "2 x 16 x 32 x 48" in text


def test_bounded_reads_state_the_level_that_they_are_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ome_ngff import open_image

    image = open_image(written(tmp_path))
    monkeypatch.setattr("ome_ngff.show.distribution.SAMPLE_BYTES", image.images[1].data.nbytes)
    monkeypatch.setattr("ome_ngff.show.projections._MOST", image.images[2].data.nbytes)
    words, found = measured(image, 0, 32)
    assert words == "level 1 of 0 to 2"
    assert [each and each.counts.sum() for each in found] == [image.images[1].data[0].size] * 2
    drawn = project(image, look(image))
    assert drawn is not None
    assert drawn.text == "the brightest pixels of level 2"


@pytest.mark.parametrize(
    ("quick", "shown"),
    [
        pytest.param(2 * 32 * 48 * 2 * 8, "plane 8 of 0 to 15", id="a plane"),
        pytest.param(1, "No level of cells is quick to read", id="nothing"),
    ],
)
def test_an_image_too_large_to_look_at_gets_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: int, shown: str
) -> None:
    store = written(tmp_path, chunks={"z": 8, "y": 32, "x": 48}, scale_factors=[])
    monkeypatch.setattr("ome_ngff.show.view.READ", quick)
    text = " ".join(Reader(preview_page(store).html).words)
    assert shown in text
    assert "2 x 16 x 32 x 48" in text


@pytest.mark.parametrize(
    ("pixels", "least", "greatest", "zero"),
    [
        pytest.param(np.arange(256, dtype="uint8"), 0, 255, 1 / 256, id="all of a type"),
        pytest.param(np.array([np.nan, -1e308, 1e308, np.inf]), -1e308, 1e308, 0, id="as wide as can be"),
        pytest.param(np.full(5, 2**63, "uint64"), 2**63, 2**63, 0, id="one value"),
        pytest.param(np.array([2**60, 2**60 + 1], "int64"), 2**60, 2**60, 0, id="values that floats cannot tell"),
        pytest.param(np.array([True, False]), 0, 1, 0.5, id="bool"),
        pytest.param(np.array([1.0, np.nextafter(1, 2)], "f8"), 1, np.nextafter(1, 2), 0, id="neighbours"),
    ],
)
def test_a_distribution_has_every_finite_pixel(pixels: Any, least: float, greatest: float, zero: float) -> None:
    found = Distribution.of(pixels)
    assert found is not None
    assert found.counts.sum() == np.isfinite(pixels).sum()
    assert (found.least, found.greatest, found.zero) == (least, greatest, zero)
    assert found.svg("00FF00", (least, greatest)).count("<rect") >= np.count_nonzero(found.counts)


def test_the_same_place_lies_at_the_same_place_in_all_levels() -> None:
    from ome_ngff import NgffImage, to_multiscales

    data = np.zeros((512, 512), "uint8")
    data[200:264, 328:448] = 200
    image = to_multiscales(NgffImage(data, "yx"), [2, 4, 8], method="nearest")
    view = look(image, bar=False)
    tiles = [tile.pixels for tile in same_place(image, view, view.paint().pixels)]
    assert len(tiles) == 4
    assert 0 < (tiles[0] > 0).mean() < 1
    for tile in tiles[1:]:
        np.testing.assert_array_equal(tile, tiles[0])


def test_the_command_saves_a_page_by_its_ending(tmp_path: Path) -> None:
    store = written(tmp_path)
    done = CliRunner().invoke(main, ["preview", str(store), "-o", str(tmp_path / "r.html"), "--channel", "1", "-v"])
    assert done.exit_code == 0, done.output
    assert "valid" in done.output
    assert "not shown above" in (tmp_path / "r.html").read_text(encoding="utf-8")
    wrong = CliRunner().invoke(main, ["preview", str(store), "-o", str(tmp_path / "r.html"), "--labels", "nuclei"])
    assert wrong.exit_code == 2
    assert "no labels 'nuclei'" in wrong.output
    with pytest.raises(InputError, match="is a bare Zarr array"):
        preview_page(store / "0")
    with pytest.raises(OptionError, match=r"saved as \.html"):
        preview_page(store).save(tmp_path / "r.pdf")


@pytest.mark.slow
@needs_browser
def test_a_browser_shows_the_pictures_of_a_page(tmp_path: Path) -> None:
    preview_page(written(tmp_path, name=HOSTILE[:-1], channel_colors=["FF0000", "00FF00"])).save(tmp_path / "r.html")

    def red(seen: np.ndarray[Any, Any]) -> bool:
        return bool(((seen[..., 0] > 250) & (seen[..., 1] < 5)).sum() > 1000)

    seen, complaints = look_at((tmp_path / "r.html").as_uri(), tmp_path / "profile", red)
    assert red(seen)
    assert complaints == []
