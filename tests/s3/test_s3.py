"""Images in S3, that of a pretended server; run by `tox -e s3`, where moto and s3fs are installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import numpy as np
import pytest
import s3fs
from moto.server import ThreadedMotoServer
from zarr.storage import FsspecStore

from ome_ngff import (
    ExistsError,
    MissingError,
    NgffError,
    open_image,
    to_multiscales,
    to_ngff_zarr,
    validate,
    write_image,
    write_labels,
)

PIXELS = np.random.default_rng(0).integers(0, 4000, (20, 60, 70)).astype("uint16")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a server with one bucket, to which the environment has the keys."""
    words = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    url = "http://{}:{}".format(*running.get_host_and_port())
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    s3fs.S3FileSystem.clear_instance_cache()
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket="cells")
    yield url
    s3fs.S3FileSystem.clear_instance_cache()
    running.stop()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_images_and_labels_are_written_replaced_and_read(server: str, version: str) -> None:
    place = f"s3://cells/{version}/cells.zarr"
    write_image(PIXELS, place, axes="zyx", scale_factors=[2, 4], chunks=16, fmt=version)
    write_labels(PIXELS % 7, place, "sevens", axes="zyx", chunks=16)
    read = open_image(place, validate=True)
    np.testing.assert_array_equal(read.images[0].data.compute(), PIXELS)
    np.testing.assert_array_equal(read.labels["sevens"].images[0].data.compute(), PIXELS % 7)
    assert validate(place, data=True).valid
    with pytest.raises(ExistsError, match=f"{place} already holds an image"):
        write_image(PIXELS, place, axes="zyx")
    multiscales = to_multiscales(PIXELS[:10], [2], chunks=16)
    to_ngff_zarr(place, multiscales, version=version)
    read = open_image(place)
    for level, lazy in zip(read.images, multiscales.images, strict=True):
        np.testing.assert_array_equal(level.data.compute(), lazy.data.compute())
    assert not read.labels
    left = {path.removeprefix(f"cells/{version}/cells.zarr/") for path in s3fs.S3FileSystem().find(f"cells/{version}")}
    metadata = {"zarr.json"} if version == "0.5" else {".zattrs", ".zgroup"}
    assert {path for path in left if not path.startswith(("scale0/", "scale1/"))} == metadata


def test_options_say_where_and_who(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(PIXELS, "s3://cells/b.zarr", axes="zyx", chunks=32)
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    s3fs.S3FileSystem.clear_instance_cache()
    options: dict[str, Any] = {"endpoint_url": server, "key": "me", "secret": "secret"}
    read = open_image("s3://cells/b.zarr", storage_options=options)
    np.testing.assert_array_equal(read.images[0].data.compute(), PIXELS)
    store = FsspecStore.from_url("s3://cells/c.zarr", storage_options=options)
    to_ngff_zarr(store, to_multiscales(PIXELS, [2], chunks=32))
    np.testing.assert_array_equal(open_image(store).images[0].data.compute(), PIXELS)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        pytest.param(lambda: open_image("s3://cells/no.zarr"), MissingError, id="nothing-there"),
        pytest.param(lambda: open_image("s3://nobodys/no.zarr"), NgffError, id="no-bucket"),
        pytest.param(lambda: write_image(PIXELS, "s3://nobodys/a.zarr", axes="zyx"), OSError, id="write-no-bucket"),
    ],
)
def test_what_is_not_there_is_told(server: str, call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()
