"""Stores that are not on the disk: over HTTP, which lists nothing; in fsspec's memory; behind other URLs."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from ome_ngff import (
    MissingError,
    NgffError,
    StoreError,
    open_image,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    validate,
    write_image,
    write_labels,
)
from ome_ngff.cli import main
from ome_ngff.read.describe import describe_store
from ome_ngff.store.cloud import CloudStore
from ome_ngff.store.places import opened

PIXELS = np.random.default_rng(0).integers(0, 4000, (20, 60, 70)).astype("uint16")


class Handler(SimpleHTTPRequestHandler):
    """Return files and nothing else, and remember what was asked."""

    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        """Answer, unless it is a folder."""
        self.asked.append(self.path)
        super().do_GET()

    def list_directory(self, path: Any) -> None:
        """Refuse."""
        self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""


@pytest.fixture
def http(tmp_path: Path) -> Iterator[str]:
    """Serve the test's folder, on a port that is free."""
    Handler.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    for filesystem in list(fsspec.get_filesystem_class("http")._cache.values()):
        session = getattr(filesystem, "_session", None)
        if session is not None and not session.closed:
            asyncio.run_coroutine_threadsafe(session.close(), filesystem.loop or fsspec.asyn.get_loop()).result(5)
    fsspec.get_filesystem_class("http").clear_instance_cache()
    server.shutdown()
    server.server_close()
    thread.join()


def image(folder: Path, version: str) -> None:
    """Write an image with labels."""
    write_image(PIXELS, folder, axes="zyx", scale_factors=[2, 4], fmt=version, scale=[2, 0.5, 0.5], chunks=16)
    write_labels(PIXELS % 7, folder, "sevens", axes="zyx", scale_factors=[2, 4], chunks=16)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_images_and_labels_are_read_over_http_without_a_listing(tmp_path: Path, http: str, version: str) -> None:
    image(tmp_path / "cells.zarr", version)
    read = open_image(f"{http}/cells.zarr", validate=True)
    assert not any("/0/0" in path or "/0/c/" in path for path in Handler.asked)  # lazily
    local = open_image(tmp_path / "cells.zarr")
    for ours, theirs in zip(read.images, local.images, strict=True):
        np.testing.assert_array_equal(ours.data.compute(), theirs.data.compute())
        assert (ours.scale, ours.translation) == (theirs.scale, theirs.translation)
    assert list(read.labels) == ["sevens"]
    np.testing.assert_array_equal(read.labels["sevens"].images[0].data.compute(), PIXELS % 7)


def test_few_requests_open_an_image(tmp_path: Path, http: str) -> None:
    image(tmp_path / "cells.zarr", "0.5")
    open_image(f"{http}/cells.zarr")
    metadata = {path for path in Handler.asked if path.endswith("zarr.json")}
    assert metadata == {f"/cells.zarr/{name}zarr.json" for name in ("", "0/", "1/", "2/")}
    assert len(Handler.asked) <= 4 * len(metadata)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_info_and_validate_work_over_http(tmp_path: Path, http: str, version: str) -> None:
    image(tmp_path / "cells.zarr", version)
    info = describe_store(f"{http}/cells.zarr")
    assert [level.shape for level in info.images[0].levels] == [(20, 60, 70), (20, 30, 35), (20, 15, 18)]
    report = validate(f"{http}/cells.zarr", data=True)
    assert report.valid
    assert report.seen == validate(tmp_path / "cells.zarr", data=True).seen
    shown = CliRunner().invoke(main, ["info", f"{http}/cells.zarr"])
    assert shown.exit_code == 0
    assert "sevens" in shown.output


def test_a_stored_array_behind_a_url_is_an_image(tmp_path: Path, http: str) -> None:
    image(tmp_path / "cells.zarr", "0.5")
    found = to_ngff_image(f"{http}/cells.zarr/1")
    np.testing.assert_array_equal(found.data.compute(), zarr.open_array(tmp_path / "cells.zarr/1", mode="r")[...])
    to_ngff_zarr(tmp_path / "again.zarr", to_multiscales(found, [2]))
    assert open_image(tmp_path / "again.zarr").images[1].data.shape == (10, 15, 18)


def test_pictures_in_notebooks_download_nothing(tmp_path: Path, http: str) -> None:
    image(tmp_path / "cells.zarr", "0.5")
    read = open_image(f"{http}/cells.zarr")
    asked = len(Handler.asked)
    assert "<img" not in read._repr_html_()
    assert len(Handler.asked) == asked


def truncated(folder: Path, url: str) -> Any:
    image(folder / "cells.zarr", "0.5")
    (folder / "cells.zarr/1/c/0/0/0").write_bytes(b"cut")
    return open_image(f"{url}/cells.zarr").images[1].data.compute()


def without_level(folder: Path, url: str) -> Any:
    image(folder / "cells.zarr", "0.5")
    (folder / "cells.zarr/1/zarr.json").unlink()
    return open_image(f"{url}/cells.zarr")


BAD = [
    pytest.param(lambda f, u: open_image(f"{u}/no.zarr"), MissingError, "no OME-Zarr at http://", id="nothing-there"),
    pytest.param(lambda f, u: validate(f"{u}/no.zarr"), MissingError, "http://", id="nothing-to-validate"),
    pytest.param(lambda f, u: open_image("http://127.0.0.1:9/a.zarr"), StoreError, "cannot be reached", id="no-server"),
    pytest.param(lambda f, u: open_image("foo://a.zarr"), StoreError, "not known: foo", id="no-such-protocol"),
    pytest.param(lambda f, u: write_image(PIXELS, f"{u}/a.zarr", axes="zyx"), StoreError, "only be read", id="write"),
    pytest.param(lambda f, u: open_image(f, storage_options={"a": 1}), TypeError, "behind a URL", id="local-options"),
    pytest.param(lambda f, u: open_image(f"{u}/a.ozx"), StoreError, "ZIP behind a URL", id="remote-zip"),
    pytest.param(truncated, StoreError, "cells.zarr/1 cannot be read at", id="truncated-chunk"),
    pytest.param(without_level, MissingError, "names the level '1'", id="missing-level"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_what_goes_wrong_far_away_is_told_clearly(
    tmp_path: Path, http: str, call: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        call(tmp_path, http)
    assert isinstance(caught.value, NgffError)


def test_options_reach_the_file_system(tmp_path: Path, http: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image(tmp_path / "cells.zarr", "0.5")
    seen: list[str | None] = []
    answer = Handler.do_GET

    def listen(self: Handler) -> None:
        seen.append(self.headers["X-Ticket"])
        answer(self)

    monkeypatch.setattr(Handler, "do_GET", listen)
    read = open_image(f"{http}/cells.zarr", storage_options={"client_kwargs": {"headers": {"X-Ticket": "12"}}})
    read.labels["sevens"].images[2].data.compute()
    assert set(seen) == {"12"}
    inside = opened(f"{http}/cells.zarr::labels/sevens", {"client_kwargs": {"headers": {"X-Ticket": "12"}}})
    assert inside.path == "labels/sevens"


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_images_and_labels_are_written_and_replaced_through_fsspec(version: str) -> None:
    place = f"memory://remote-{version}/cells.zarr"
    multiscales = to_multiscales(PIXELS, [2, 4], "local_mean", chunks=16)
    to_ngff_zarr(place, multiscales, version=version)
    write_labels(PIXELS % 7, place, "sevens", axes="zyx", chunks=16)
    read = open_image(place, validate=True)
    for level, lazy in zip(read.images, multiscales.images, strict=True):
        np.testing.assert_array_equal(level.data.compute(), lazy.data.compute())
    np.testing.assert_array_equal(read.labels["sevens"].images[0].data.compute(), PIXELS % 7)
    to_ngff_zarr(place, to_multiscales(PIXELS[:10], [2], chunks=16), version=version)
    read = open_image(place)
    assert [level.data.shape for level in read.images] == [(10, 60, 70), (5, 30, 35)]
    assert not read.labels


@pytest.mark.parametrize(
    ("scheme", "packages"),
    [
        pytest.param("s3", "'ome-ngff[cloud]'", id="s3"),
        pytest.param("abfss", "'ome-ngff[cloud]'", id="unknown-to-fsspec"),
        pytest.param("sftp", "paramiko", id="required"),
        pytest.param("webdav", "webdav4", id="install"),
        pytest.param("dropbox", "dropboxdrivefs requests dropbox", id="several"),
    ],
)
def test_a_url_whose_package_is_missing_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, scheme: str, packages: str
) -> None:
    for name in ("s3fs", "obstore", "paramiko", "webdav4", "dropbox", "dropboxdrivefs"):
        monkeypatch.setitem(sys.modules, name, None)
    registry = sys.modules["fsspec.registry"]
    fresh: dict[str, Any] = {}  # the ones that are there may know classes of packages by now
    monkeypatch.setattr(registry, "registry", fresh)
    monkeypatch.setattr(registry, "_registry", fresh)
    monkeypatch.setattr(registry, "known_implementations", dict(registry.known_implementations))
    registry.known_implementations.pop("abfss", None)
    place = f"{scheme}://bucket/a.zarr"
    with pytest.raises(StoreError, match=rf"{place} needs more packages .*: pip install {re.escape(packages)}$"):
        open_image(place)


def test_a_server_that_refuses_is_named_with_its_address() -> None:
    with pytest.raises(StoreError, match=r"ftp://127.0.0.1:1/a.zarr cannot be opened: .*refused"):
        open_image("ftp://127.0.0.1:1/a.zarr")


def test_a_web_server_is_not_asked_what_it_cannot_list(
    tmp_path: Path, http: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image(tmp_path / "cells.zarr", "0.5")
    asked: list[str] = []
    monkeypatch.setattr(CloudStore, "getsize_prefix", lambda self, prefix: asked.append(prefix))
    info = describe_store(f"{http}/cells.zarr")
    assert [level.stored for level in info.images[0].levels] == [None] * 3
    assert asked == []


def test_listed_names_are_those_that_were_written(tmp_path: Path, http: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handler, "list_directory", SimpleHTTPRequestHandler.list_directory)
    write_image(PIXELS[0], tmp_path / "a b.zarr", axes="yx", scale_factors=[])
    for name in ("l l", "l#x", "l%20", "ä"):
        write_labels(PIXELS[0] % 7, tmp_path / "a b.zarr", name)
    report = validate(f"{http}/a%20b.zarr", data=True)
    assert report.seen == validate(tmp_path / "a b.zarr", data=True).seen
    assert report.valid
