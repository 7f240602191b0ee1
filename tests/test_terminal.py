"""Names from outside that a terminal would obey: spelled out wherever they are shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from ome_ngff import write_image, write_labels
from ome_ngff.cli import main
from ome_ngff.text import printable

EVIL = "cells\x1b[31m\x9b2J\u202egnp\r\nfine\x07\x00\ud800"
PIXELS = np.arange(64, dtype="uint8").reshape(1, 8, 8)


def image(folder: Path) -> Path:
    place = folder / "a\x1b[31m.zarr"
    write_image(PIXELS, place, axes="cyx", scale_factors=[2])
    write_labels(PIXELS[0], place, axes="yx", name="cells", method="nearest")
    group = zarr.open_group(place)
    ome = json.loads(json.dumps(group.attrs["ome"]))
    multiscale = ome["multiscales"][0]
    multiscale.update(name=EVIL, type=EVIL)
    multiscale["axes"][1].update(unit=EVIL)
    ome["omero"] = {"channels": [{"color": "FF0000", "label": EVIL}]}
    group.attrs["ome"] = ome
    zarr.open_group(place / "labels").attrs["ome"] = {"version": "0.5", "labels": ["cells", EVIL]}
    return place


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["info"], id="info"),
        pytest.param(["info", "-v"], id="info-verbose"),
        pytest.param(["validate"], id="validate"),
        pytest.param(["validate", "-v"], id="validate-verbose"),
        pytest.param(["preview"], id="preview"),
        pytest.param(["preview", "--labels", EVIL.replace("\0", "").replace("\ud800", "")], id="preview-labels"),
        pytest.param(["write", "--axes", EVIL.replace("\0", "").replace("\ud800", ""), "out.zarr"], id="write"),
    ],
)
def test_no_command_shows_what_a_terminal_obeys(words: list[str], tmp_path: Path) -> None:
    place = image(tmp_path)
    result = CliRunner().invoke(main, [words[0], str(place), *words[1:]])
    assert result.output
    assert all(line.isprintable() for line in result.output.split("\n")), result.output
    assert not any(line.startswith("fine") for line in result.output.split("\n"))


def test_names_are_exact_in_json(tmp_path: Path) -> None:
    place = image(tmp_path)
    result = CliRunner().invoke(main, ["info", "--json", str(place)])
    found = json.loads(result.output)
    assert (found["path"], found["images"][0]["name"]) == (str(place), EVIL)
    assert result.output.isascii()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("Zellkerne µm Å 細胞", "Zellkerne µm Å 細胞", id="letters"),
        pytest.param("\x1b[31m", r"\x1b[31m", id="escape"),
        pytest.param("a\nb\tc", r"a\nb\tc", id="line-feed"),
        pytest.param("\u202e\u2066", r"\u202e\u2066", id="order-of-writing"),
        pytest.param("\x9b", r"\x9b", id="c1"),
        pytest.param("\ud800", r"\ud800", id="surrogate"),
    ],
)
def test_what_is_not_to_be_seen_is_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown
