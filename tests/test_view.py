"""The viewer: what its server says and refuses, and what a browser without a network shows."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import tensorstore
from browser import look_at, needs_browser

import ome_ngff
from ome_ngff import (
    InputError,
    LabelError,
    MissingError,
    Multiscales,
    OptionError,
    open_image,
    to_multiscales,
    to_ngff_image,
    write_image,
    write_labels,
)
from ome_ngff.show.served import Served

PIXELS = (np.indices((2, 9, 20, 30)).sum(axis=0) * 7).astype("uint16")
NUCLEI = np.zeros((9, 20, 30), "uint32")
NUCLEI[2:7, 5:15, 5:12], NUCLEI[2:7, 3:9, 16:28] = 3, 70_000
SPACE: dict[str, Any] = {
    "scale": {"z": 0.5, "y": 0.2, "x": 0.2},
    "axes_units": {"z": "micrometer", "y": "micrometer", "x": "micrometer"},
}
OMERO = {
    "channels": [
        {"label": "DAPI", "color": "0000FF", "window": {"min": 0, "max": 500, "start": 10, "end": 300}},
        {"label": "GFP", "color": "00FF00", "window": {"min": 0, "max": 500, "start": 20, "end": 310}, "active": False},
    ]
}
COLORS = {3: (255, 0, 0, 255), 70_000: (0, 255, 255, 255)}


def written(path: Path, fmt: str = "0.5") -> Path:
    """Write a small image of two channels with labels."""
    write_image(
        PIXELS,
        path,
        axes="czyx",
        fmt=fmt,
        chunks=(1, 4, 8, 8),
        scale_factors=[2],
        omero=OMERO,
        method="nearest",
        **SPACE,
    )
    write_labels(NUCLEI, path, "nuclei", colors=COLORS)
    return path


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Multiscales:
    return open_image(written(tmp_path_factory.mktemp("view") / "cells.ome.zarr"))


@pytest.fixture(scope="module")
def viewer(image: Multiscales) -> Iterator[Any]:
    with image.view() as found:
        yield found


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """Ask a server, with the path as it stands: no client cleans it up."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
    try:
        connection.putrequest(method, parts.path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


def state_of(viewer: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(viewer.url + "state.json")[1])
    return found


# What is served ------------------------------------------------------------------------------------------------------


def level_of(viewer: Any, layer: int, level: int) -> np.ndarray:
    """Read what a layer serves with TensorStore, as any reader of Zarr would."""
    path = urlsplit(viewer.url)
    store = {
        "driver": "http",
        "base_url": f"{path.scheme}://{path.netloc}",
        "path": f"{path.path}data/{layer}/{level}/",
    }
    return np.asarray(tensorstore.open({"driver": "zarr3", "kvstore": store}).result().read().result())


@pytest.mark.parametrize("fmt", ["0.4", "0.5", "0.6"])
def test_every_version_is_served_pixel_by_pixel(tmp_path: Path, fmt: str) -> None:
    stored = open_image(written(tmp_path / "a.ome.zarr", fmt))
    with stored.view() as viewer:
        for channel in range(2):
            np.testing.assert_array_equal(level_of(viewer, channel, 0), PIXELS[channel])
            half = np.asarray(stored.images[1].data)[channel]
            np.testing.assert_array_equal(level_of(viewer, channel, 1), half)
        np.testing.assert_array_equal(level_of(viewer, 2, 0), NUCLEI)


def test_zip_and_memory_are_served_alike(tmp_path: Path) -> None:
    write_image(PIXELS, tmp_path / "a.ome.zarr.zip", axes="czyx", chunks=(1, 4, 8, 8))
    in_memory = to_multiscales(to_ngff_image(PIXELS, ("c", "z", "y", "x")), [2])
    for image in (open_image(tmp_path / "a.ome.zarr.zip"), in_memory):
        with image.view() as viewer:
            np.testing.assert_array_equal(level_of(viewer, 1, 0), PIXELS[1])


@pytest.mark.parametrize(
    ("dtype", "labels", "served"),
    [
        pytest.param("bool", False, "uint8", id="bool"),
        pytest.param(">u2", False, "uint16", id="big-endian"),
        pytest.param("float64", False, "float32", id="double"),
        pytest.param("int16", False, "int16", id="signed"),
        pytest.param("int64", True, "uint64", id="labels"),
    ],
)
def test_pixels_become_a_type_that_viewers_know(dtype: str, labels: bool, served: str) -> None:
    from ome_ngff.show.served import Served

    pixels = (np.arange(30).reshape(5, 6) % 2).astype(dtype)
    image = to_multiscales(to_ngff_image(pixels, "yx"), [])
    found = Served.of(image, labels=labels)
    document = json.loads(found.answer("0/zarr.json")[1])  # type: ignore[index]
    assert document["data_type"] == served
    body = found.answer("0/c/0/0")[1]  # type: ignore[index]
    np.testing.assert_array_equal(np.frombuffer(body, np.dtype(served).newbyteorder("<")).reshape(5, 6), pixels)


def test_an_axis_that_runs_backwards_is_refused() -> None:
    image = to_multiscales(to_ngff_image(np.zeros((4, 4), "uint8"), "yx"), [])
    image.images[0].scale = {"y": -0.5, "x": 0.5}
    with pytest.raises(InputError, match=r"runs backwards along y, in pixels of -0\.5"):
        image.view()


def test_labels_of_floats_are_refused() -> None:
    from ome_ngff.show.served import Served

    with pytest.raises(LabelError, match="integers"):
        Served.of(to_multiscales(to_ngff_image(np.zeros((4, 4)), "yx"), []), labels=True)


def test_state_says_where_and_in_which_colours(viewer: Any) -> None:
    state = state_of(viewer)
    assert state["dimensions"] == {"x": [2e-7, "m"], "y": [2e-7, "m"], "z": [5e-7, "m"]}
    assert state["position"] == [15.5, 10.5, 4.5]
    dapi, gfp, nuclei = state["layers"]
    assert (dapi["name"], dapi["visible"], gfp["visible"]) == ("DAPI", True, False)
    assert dapi["shaderControls"] == {"contrast": {"range": [10, 300], "window": [10, 300]}, "color": "#0000ff"}
    assert nuclei["segmentColors"] == {"3": "#ff0000", "70000": "#00ffff"}
    group = json.loads(ask(f"{viewer.url}data/0/zarr.json")[1])
    (multiscales,) = group["attributes"]["ome"]["multiscales"]
    assert multiscales["datasets"][1]["coordinateTransformations"] == [
        {"type": "scale", "scale": pytest.approx([5e-7, 4e-7, 4e-7])},
        {"type": "translation", "translation": pytest.approx([0, 0, 0])},
    ]


def test_chosen_labels_are_shown_and_others_are_named(image: Multiscales) -> None:
    with image.view([]) as viewer:
        assert [layer["type"] for layer in state_of(viewer)["layers"]] == ["image", "image"]
    with pytest.raises(MissingError, match="Did you mean 'nuclei'"):
        image.view("nucleii")


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("data/0/../../../../etc/passwd", id="dots"),
        pytest.param("data/0/%2e%2e/%2e%2e/etc/passwd", id="encoded dots"),
        pytest.param("data/0//etc/passwd", id="absolute"),
        pytest.param("../../etc/passwd", id="client"),
        pytest.param("..%2findex.html", id="client, encoded"),
        pytest.param("data/9/zarr.json", id="layer"),
        pytest.param("data/0/7/zarr.json", id="level"),
        pytest.param("data/0/0/c/99/0/0", id="chunk"),
        pytest.param("data/0/0/c/0/0", id="dimensions"),
        pytest.param("data/0/0/c/-1/0/0", id="negative"),
        pytest.param("data/%D9%A0/zarr.json", id="digits of others"),
        pytest.param("data/0/.zattrs", id="key"),
    ],
)
def test_nothing_but_what_is_served_is_found(viewer: Any, path: str) -> None:
    assert ask(viewer.url + path)[0] == 404


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    stored = written(tmp_path / "a.ome.zarr")
    (tmp_path / "secret.txt").write_text("secret")
    (stored / "link.txt").symlink_to(tmp_path / "secret.txt")
    with open_image(stored).view() as viewer:
        for path in ("link.txt", "data/link.txt", "data/0/link.txt", "data/0/0/link.txt"):
            assert ask(viewer.url + path)[0] == 404


def test_a_page_needs_the_token(viewer: Any) -> None:
    base = viewer.url.rsplit("/v/")[0]
    for path in ("/", "/v/", "/v/guess/", "/v/guess/state.json", "/state.json"):
        assert ask(base + path)[0] == 404
    assert ask(viewer.url)[0] == 200


def test_a_name_that_was_made_to_lead_here_is_refused(viewer: Any) -> None:
    port = urlsplit(viewer.url).port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", ""):
        assert ask(viewer.url, Host=host)[0] == 403
    assert ask(viewer.url, Host=f"127.0.0.1:{port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_reading_is_answered(viewer: Any, method: str) -> None:
    assert ask(viewer.url, method)[0] == 501


def test_other_pages_cannot_read_it(viewer: Any) -> None:
    headers = ask(viewer.url, Origin="http://evil.example")[2]
    assert "access-control-allow-origin" not in headers
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'self'" in headers["content-security-policy"]


def test_ranges_are_answered_as_http_wants(viewer: Any) -> None:
    url = f"{viewer.url}data/0/0/c/0/0/0"
    whole = ask(url)[1]
    assert whole == np.ascontiguousarray(PIXELS[0, :4, :8, :8]).tobytes()
    assert ask(url, "HEAD")[1:2] == (b"",)
    assert ask(url, "HEAD")[2]["content-length"] == str(len(whole))
    for given, expected in (("bytes=10-19", whole[10:20]), ("bytes=500-", whole[500:]), ("bytes=-7", whole[-7:])):
        status, body, headers = ask(url, Range=given)
        assert (status, body) == (206, expected)
        assert headers["content-range"].endswith(f"/{len(whole)}")
    assert ask(url, Range=f"bytes={len(whole)}-")[0] == 416
    for given in ("bytes=9-3", "bytes=-", "bytes=0-1,3-4", f"bytes=0-{'9' * 5000}"):  # not understood, or not offered
        assert ask(url, Range=given)[:2] == (200, whole)


def test_a_broken_chunk_is_an_error_and_no_black_one(tmp_path: Path) -> None:
    stored = written(tmp_path / "a.ome.zarr")
    (chunk,) = stored.glob("0/c/0/0/0/0")
    chunk.write_bytes(b"broken")
    with open_image(stored).view() as viewer:
        status, body, _ = ask(f"{viewer.url}data/0/0/c/0/0/0")
        assert status == 500
        assert b"cannot be read" in body
        assert ask(f"{viewer.url}data/0/0/c/1/0/0")[0] == 200


def test_a_port_that_is_taken_is_named(viewer: Any, image: Multiscales) -> None:
    port = urlsplit(viewer.url).port
    assert port is not None
    with pytest.raises(OptionError, match=f"The port {port} cannot be used"):
        image.view(port=port)


@pytest.mark.parametrize("port", ["http", 70_000, None])
def test_what_is_no_port_is_named(image: Multiscales, port: Any) -> None:
    with pytest.raises(OptionError, match=f"The port {port} cannot be used"):
        image.view(port=port)


def test_a_viewer_that_is_closed_answers_nobody(image: Multiscales) -> None:
    viewer = image.view()
    parts = urlsplit(viewer.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
    connection.request("GET", parts.path)
    connection.getresponse().read()
    viewer.close()
    connection.request("GET", f"{parts.path}data/0/zarr.json")  # on the connection that is still open
    assert connection.getresponse().status == 404
    connection.close()


def test_a_page_that_goes_away_leaves_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    others = set(threading.enumerate())  # of the viewer of the module, which is kept alive
    with to_multiscales(np.ones((2048, 2048), "uint8"), []).view() as viewer:
        parts = urlsplit(viewer.url)
        for _ in range(2):
            with socket.create_connection((str(parts.hostname), parts.port)) as page:
                page.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it resets
                page.sendall(f"GET {parts.path}data/0/0/c/0/0 HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
                page.recv(1)
        deadline = time.monotonic() + 10
        while (
            any("process_request" in t.name for t in {*threading.enumerate()} - others) and time.monotonic() < deadline
        ):
            time.sleep(0.01)
    assert not capfd.readouterr().err


def test_doubles_beyond_what_viewers_know_are_infinite() -> None:
    image = to_multiscales(np.array([[1e300, np.nan], [-1e300, 1.5]]), [])
    found = Served.of(image).answer("0/c/0/0")
    assert found is not None
    np.testing.assert_array_equal(np.frombuffer(found[1], "<f4"), [np.inf, np.nan, -np.inf, 1.5])


def test_without_the_client_the_extra_is_named(image: Multiscales, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ome_ngff.show.viewer.find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"ome-ngff\[view\]"):
        image.view()


def test_a_notebook_embeds_the_page(viewer: Any) -> None:
    assert f'<iframe src="{viewer.url}"' in viewer._repr_html_()


# What is seen --------------------------------------------------------------------------------------------------------


def panes(picture: np.ndarray) -> np.ndarray:
    """Return the first pane, without the buttons, the names of axes and the scale bar."""
    return picture[90:220, 80:330].astype(int)


@needs_browser
def test_a_browser_shows_image_and_labels_offline(tmp_path: Path) -> None:
    flat = np.full((16, 64, 64), 1000, "uint16")
    write_image(flat, tmp_path / "a.ome.zarr", axes="zyx", chunks=16, omero={
        "channels": [{"color": "0000FF", "label": "DAPI", "window": {"min": 0, "max": 2000, "start": 0, "end": 2000}}]
    }, **SPACE)  # fmt: skip
    labels = np.zeros((16, 64, 64), "uint16")
    labels[:, :, 32:] = 5
    write_labels(labels, tmp_path / "a.ome.zarr", "nuclei", colors={5: (255, 0, 0, 255)})

    def shows(picture: np.ndarray) -> bool:
        blue, red = panes(picture)[..., 2], panes(picture)[..., 0]
        return bool((blue > 60).mean() > 0.3 and (red > 60).mean() > 0.2)

    with open_image(tmp_path / "a.ome.zarr").view() as viewer:
        picture, complaints = look_at(viewer.url, tmp_path / "profile", shows)
    assert shows(picture), complaints
    left, right = panes(picture)[60, 60], panes(picture)[60, 200]
    np.testing.assert_allclose(left, [0, 0, 128], atol=3, err_msg="the image is blue, at half of its contrast")
    np.testing.assert_allclose(right, [102, 0, 77], atol=12, err_msg="labels lie on it, red")
    assert not [line for line in complaints if "exception" in line or "Content Security" in line]


@pytest.mark.slow
def test_the_command_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    written(tmp_path / "a.ome.zarr")
    words = [sys.executable, "-W", "error", "-m", "ome_ngff", "view", "a.ome.zarr", "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": str(Path(ome_ngff.__file__).parent.parent), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert ask(url)[0] == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()
