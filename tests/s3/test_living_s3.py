"""Images that live on in an object store: streams, additions, updates, and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np
from conftest import Server

from ome_ngff import (
    append_image,
    edit_image,
    open_image,
    rename_labels,
    stream_image,
    undo,
    update_image,
    update_labels,
    write_image,
    write_labels,
)

STACK = np.random.default_rng(5).integers(1, 4000, (7, 24, 28), dtype="uint16")
WORDS: dict[str, Any] = {"axes": "tyx", "chunks": {"t": 2, "y": 16, "x": 16}, "scale_factors": [2], "omero": False}
DEEP: dict[str, Any] = {"axes": "zyx", "chunks": (2, 16, 16), "scale_factors": [{"z": 2, "y": 2, "x": 2}]}


def image_of(server: Server, name: str) -> dict[str, bytes]:
    """Return the objects of an image but for those of its journal."""
    return {key: content for key, content in server.keys(f"{name}/").items() if ".ome_ngff/" not in key}


def test_streams_and_additions_have_the_bytes_of_a_write(server: Server) -> None:
    place = "s3://cells/grown.zarr"
    write_image(STACK, "s3://cells/whole.zarr", **WORDS)
    with stream_image(place, (None, 24, 28), "uint16", **WORDS) as stream:
        for n, frame in enumerate(STACK[:3], start=1):
            stream.append(frame)
            stream.flush()
            assert len(open_image(place).images[1].data) == n
    before = image_of(server, "grown.zarr")
    append_image(STACK[3:], place)
    assert image_of(server, "grown.zarr") == image_of(server, "whole.zarr")
    undo(place)
    assert image_of(server, "grown.zarr") == before
    assert not [key for key in server.keys("grown.zarr/") if ".ome_ngff/cells" in key]


def test_an_axis_that_is_downsampled_grows_and_shrinks(server: Server) -> None:
    place = "s3://cells/deep.zarr"
    write_image(STACK, "s3://cells/whole.zarr", omero=False, **DEEP)
    write_image(STACK[:5], place, omero=False, **DEEP)
    before = image_of(server, "deep.zarr")
    append_image(STACK[5:], place, "z")
    assert image_of(server, "deep.zarr") == image_of(server, "whole.zarr")
    undo(place)
    assert image_of(server, "deep.zarr") == before


def test_pixels_labels_and_documents_change_and_come_back(server: Server) -> None:
    place, changed, labels = "s3://cells/image.zarr", STACK.copy(), (STACK % 9).astype("uint8")
    changed[2:5, 3:20, 7:9] = 7
    write_image(changed, "s3://cells/whole.zarr", **WORDS)
    write_image(STACK, place, **WORDS)
    before = image_of(server, "image.zarr")
    update_image(changed[2:5, 3:20, 7:9], place, {"t": 2, "y": 3, "x": 7})
    assert image_of(server, "image.zarr") == image_of(server, "whole.zarr")
    undo(place)
    assert image_of(server, "image.zarr") == before
    write_labels(labels, place, "a")
    before = image_of(server, "image.zarr")
    for call in (
        lambda: update_labels(labels[:1] + 1, place, "a", {"t": 3}),
        lambda: edit_image(place, scale={"y": 0.5, "x": 0.5}, axes_units="micrometer"),
        lambda: rename_labels(place, "a", "b/c"),
    ):
        call()
        assert image_of(server, "image.zarr") != before
        undo(place)
        assert image_of(server, "image.zarr") == before
