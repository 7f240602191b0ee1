"""Images in S3, that of a server of its own; run by `tox -e s3`, where moto and s3fs are installed."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest
import s3fs
import zarr
from click.testing import CliRunner
from conftest import Server
from zarr.storage import FsspecStore, ObjectStore

from ome_ngff import (
    ExistsError,
    MissingError,
    NgffError,
    OptionError,
    StoreError,
    TakenOverError,
    config,
    convert,
    open_image,
    to_multiscales,
    to_ngff_zarr,
    validate,
    write_image,
    write_labels,
)
from ome_ngff.cli import main
from ome_ngff.store import Holder, cloud, expel, find_target, journal, locate, open_array, update_document

HTTP: Any = {"allow_http": True}
PIXELS = np.random.default_rng(0).integers(0, 4000, (20, 60, 70)).astype("uint16")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_images_and_labels_are_written_replaced_and_read(server: Server, version: str) -> None:
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
    left = server.keys(f"{version}/cells.zarr/")
    metadata = {"zarr.json"} if version == "0.5" else {".zattrs", ".zgroup"}
    assert {path for path in left if not path.startswith(("scale0/", "scale1/"))} == metadata


def test_s3_holds_the_bytes_that_a_folder_holds(server: Server, tmp_path: Path) -> None:
    for place in ("s3://cells/a.zarr", tmp_path / "a.zarr"):
        write_image(PIXELS, place, axes="zyx", scale_factors=[2], chunks=16, name="a")
    folder = tmp_path / "a.zarr"
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert server.keys("a.zarr/") == files


def without_keys(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    allow = [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::cells/*"]}]
    server.bucket.Policy().put(Policy=json.dumps({"Version": "2012-10-17", "Statement": allow}))
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    return {"endpoint_url": server.url}


OPTIONS = [
    pytest.param({"access_key_id": "me", "secret_access_key": "secret"}, ObjectStore, id="obstore"),
    pytest.param({"key": "me", "secret": "secret"}, ObjectStore, id="fsspec"),
    pytest.param({"anon": True}, ObjectStore, id="anybody"),
    pytest.param({"anon": True, "config_kwargs": {}}, FsspecStore, id="what-obstore-cannot"),
]


@pytest.mark.parametrize(("options", "kind"), OPTIONS)
def test_options_say_where_and_who(
    server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], kind: type
) -> None:
    words = {"store_options": {**without_keys(server, monkeypatch), **options}}
    write_image(PIXELS, "s3://cells/b.zarr", axes="zyx", chunks=32, **words)
    write_labels(PIXELS % 7, "s3://cells/b.zarr", "sevens", **words)
    convert("s3://cells/b.zarr", "s3://cells/c.zarr", chunks=32, **words)
    for place in ("s3://cells/b.zarr", "s3://cells/c.zarr"):
        read = open_image(place, **words)
        np.testing.assert_array_equal(read.images[0].data.compute(), PIXELS)
        np.testing.assert_array_equal(read.labels["sevens"].images[0].data.compute(), PIXELS % 7)
        assert isinstance(read.labels._target.store, kind)
    assert validate("s3://cells/c.zarr", data=True, **words).valid
    s3fs.S3FileSystem.clear_instance_cache()


def test_options_are_settings_and_options_of_commands(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {**without_keys(server, monkeypatch), "anon": True}
    with config.set(store_options=options):
        write_image(PIXELS, "s3://cells/b.zarr", axes="zyx", chunks=32)
    said = [word for name, value in options.items() for word in ("--store-option", f"{name}={str(value).lower()}")]
    for command in (["write", "s3://cells/b.zarr", "s3://cells/c.zarr"], ["info", "s3://cells/c.zarr"]):
        ran = CliRunner().invoke(main, [*command, *said])
        assert ran.exit_code == 0, ran.output
    assert "uint16" in ran.output
    assert config.store_options == {}


def test_keys_in_the_files_of_boto3_are_found(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = without_keys(server, monkeypatch)
    (tmp_path / "credentials").write_text("[lab]\naws_access_key_id = me\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    write_image(PIXELS, "s3://cells/b.zarr", axes="zyx", store_options={**options, "profile": "lab"})
    monkeypatch.setenv("AWS_PROFILE", "lab")
    read = open_image("s3://cells/b.zarr", store_options=options)
    np.testing.assert_array_equal(read.images[0].data.compute(), PIXELS)


BAD = [
    pytest.param(lambda: open_image("s3://cells/no.zarr"), MissingError, "s3://cells/no.zarr", id="nothing-there"),
    pytest.param(lambda: open_image("s3://nobodys/no.zarr"), NgffError, "s3://nobodys/no.zarr", id="no-bucket"),
    pytest.param(
        lambda: write_image(PIXELS, "s3://nobodys/a.zarr", axes="zyx"), StoreError,
        r"s3://nobodys/a.zarr/ cannot be listed: The specified bucket does not exist \(NoSuchBucket\)",
        id="write-no-bucket",
    ),
    pytest.param(
        lambda: open_image("s3://cells/a.zarr", store_options={"regoin": "a"}), OptionError, "regoin", id="no-option"
    ),
    pytest.param(
        lambda: open_image("s3://cells/a.zarr", store_options={"endpoint_url": "http://127.0.0.1:9"}), StoreError,
        r"s3://cells/a.zarr/\S* cannot be reached: HTTP error: error sending request \(tried \d+ times more\)",
        id="no-server",
    ),
    pytest.param(
        lambda: open_image("cells.zarr", store_options={"anon": True}), OptionError, "behind a URL", id="no-url"
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_what_goes_wrong_names_the_place(server: Server, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert "Debug source" not in str(caught.value)


# Requests -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(("chunk", "words"), [(32, {}), (8, {}), (8, {"shards": 32})], ids=["few", "many", "shards"])
def test_each_chunk_and_document_is_sent_once(server: Server, version: str, chunk: int, words: dict[str, int]) -> None:
    if version == "0.4" and words:
        pytest.skip("0.4 has no shards")
    place = "s3://cells/a.zarr"
    write_image(PIXELS, place, axes="zyx", scale_factors=[2], chunks=chunk, fmt=version, omero=False, **words)
    sent, asked = server.counts(), server.counts("/c/")
    arrays = [open_array(locate(place)[0], path) for path in "01"]
    chunks = sum(math.prod(-(-n // c) for n, c in zip(a.shape, a.shards or a.chunks, strict=True)) for a in arrays)
    documents = 4 if version == "0.5" else 2 * 4  # of the group: with the mark, and the last; of each level
    notes = len({r[1] for r in server.requests() if r[0] == "PUT" and "/.ome_ngff/" in r[1]})
    assert sent["PUT"] == chunks + documents + notes
    assert asked["GET"] == 0
    assert sent["LIST"] == 2  # what stands there, and the journal in the end
    assert sent["HEAD"] == (2 if version == "0.4" else 0)
    assert sent["POST"] == (notes > 0)  # all notes are deleted at once
    assert sent["DELETE"] == 0


def test_a_new_group_is_not_looked_at_again(server: Server) -> None:
    write_image(PIXELS, "s3://cells/a.zarr", axes="zyx", scale_factors=[], chunks=32, omero=False)
    assert server.counts("a.zarr/zarr.json") == {"GET": 2, "PUT": 2}  # to find it, and to end


def test_who_comes_first_is_not_replaced(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, place = journal.begin, "s3://cells/a.zarr"

    def late(*args: Any, **words: Any) -> Any:
        monkeypatch.setattr(journal, "begin", begin)
        write_image(PIXELS // 2, place, axes="zyx")  # after it was seen that nothing is there
        return begin(*args, **words)

    monkeypatch.setattr(journal, "begin", late)
    with pytest.raises(ExistsError, match="already holds an image"):
        write_image(PIXELS, place, axes="zyx")
    np.testing.assert_array_equal(open_image(place).images[0].data.compute(), PIXELS // 2)


@pytest.mark.parametrize(
    ("faults", "options", "told"),
    [
        pytest.param(
            {"unconditional": True},
            {"retry_config": {"max_retries": 0}},
            pytest.warns(UserWarning, match="nothing on a condition"),
            id="the server",
        ),
        pytest.param({}, {"conditional_put": "disabled"}, nullcontext(), id="an option"),
    ],
)
def test_stores_without_conditions_are_written_all_the_same(
    server: Server, faults: dict[str, Any], options: dict[str, Any], told: AbstractContextManager[Any]
) -> None:
    server.fail(**faults)
    place, words = "s3://cells/a.zarr", {"axes": "zyx", "store_options": options}
    with told as warned:
        write_image(PIXELS, place, **words)
    assert {each.filename for each in warned or ()} <= {__file__}
    with told:
        for name in "ab":
            write_labels(PIXELS % 7, place, name, **words)
    read = open_image(place)
    assert list(read.labels) == ["a", "b"]
    np.testing.assert_array_equal(read.images[0].data.compute(), PIXELS)
    with pytest.raises(StoreError, match="cannot be written on a condition"):
        write_image(PIXELS, "s3://cells/b.zarr", join=True, **words)


def test_many_chunks_share_a_look_at_the_mark(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ome_ngff.store.holder.MOMENT", 60)
    write_image(PIXELS, "s3://cells/a.zarr", axes="zyx", scale_factors=[2], chunks=8, omero=False)
    assert server.counts("a.zarr/zarr.json")["GET"] < 10  # there are 300 chunks


def test_whoever_takes_over_waits_until_such_a_look_is_old(server: Server) -> None:
    write_image(PIXELS, "s3://cells/a.zarr", axes="zyx", scale_factors=[], chunks=32, omero=False)
    array = open_array(find_target("s3://cells/a.zarr").store, "0", mode="r+")
    older = Holder.begin(journal.hold(find_target("s3://cells/a.zarr"), shared=False), None)
    box = [(0, n) for n in PIXELS.shape]
    older.write(array, box, PIXELS)
    expel(journal.hold(older.target, shared=False))
    with pytest.raises(TakenOverError):
        older.write(array, box, PIXELS)


def test_a_large_shard_is_one_request(server: Server) -> None:
    large = np.random.default_rng(0).integers(0, 2**16, (64, 512, 512)).astype("uint16")  # 32 MiB that nothing shrinks
    write_image(large, "s3://cells/a.zarr", axes="zyx", scale_factors=[], chunks=64, shards=(64, 512, 512), omero=False)
    assert server.counts("a.zarr/0/c/") == {"PUT": 1}
    assert server.counts()["POST"] == 0


def test_a_region_of_a_shard_fetches_its_index_and_chunks(server: Server) -> None:
    large = np.random.default_rng(0).integers(0, 2**16, (64, 256, 256)).astype("uint16")
    write_image(large, "s3://cells/a.zarr", axes="zyx", scale_factors=[], chunks=32, shards=(64, 256, 256), omero=False)
    level = open_image("s3://cells/a.zarr").images[0].data
    server.forget()
    np.testing.assert_array_equal(level[32:64, 32:64, 32:64].compute(), large[32:64, 32:64, 32:64])
    asked = [request for request in server.requests() if "/c/" in request[1]]
    assert len(asked) == 2
    assert all(request[3].startswith("bytes=") and request[4] == "206" for request in asked)
    chunk = 2 * 32**3
    assert sum(request[5] for request in asked) < 1.1 * chunk + 16 * 2 * 8 * 8 + 4


def test_what_is_on_its_way_is_bounded_by_bytes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    most, sizes, put = 0, list[int](), obstore.put_async

    async def watched(store: Any, key: str, content: Any, **words: Any) -> Any:
        nonlocal most
        sizes.append(memoryview(content).nbytes)
        most = max(most, sum(sizes))
        try:
            return await put(store, key, content, **words)
        finally:
            sizes.remove(memoryview(content).nbytes)

    monkeypatch.setattr(obstore, "put_async", watched)
    monkeypatch.setattr(cloud._SENT, "most", 2**18)
    server.fail(delay=0.01)
    noise = np.random.default_rng(0).integers(0, 2**16, (128, 128, 128)).astype("uint16")
    write_image(noise, "s3://cells/a.zarr", axes="zyx", scale_factors=[], chunks=32)  # 64 chunks of 64 KiB
    assert 2**17 < most <= 2**18


# What goes wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param({"every": 4, "status": 503}, id="slow-down"),
        pytest.param({"every": 4, "status": 500}, id="internal-error"),
        pytest.param({"lose": "/c/", "times": 3}, id="lost-answers-of-chunks"),
        pytest.param({"lose": "zarr.json", "times": 2}, id="lost-answers-of-documents"),
        pytest.param({"delay": 0.3}, id="slow-answers"),
    ],
)
def test_faults_of_a_server_cost_time_and_no_pixel(server: Server, faults: dict[str, Any]) -> None:
    words = {"store_options": {"timeout": "2s"}}
    server.fail(**faults)
    write_image(PIXELS, "s3://cells/a.zarr", axes="zyx", scale_factors=[2], chunks=32, **words)
    write_labels(PIXELS % 7, "s3://cells/a.zarr", "sevens", **words)
    server.fail()
    read = open_image("s3://cells/a.zarr", validate=True)
    np.testing.assert_array_equal(read.images[0].data.compute(), PIXELS)
    np.testing.assert_array_equal(read.labels["sevens"].images[0].data.compute(), PIXELS % 7)
    assert not [key for key in server.keys("a.zarr/") if ".ome_ngff" in key]


def test_a_server_that_refuses_for_good_is_named_with_the_way_on(server: Server) -> None:
    def fail(done: int, total: int) -> None:
        if done:
            server.fail(every=1, status=403)

    image = np.tile(PIXELS, (4, 1, 1))
    words: dict[str, Any] = {"axes": "zyx", "scale_factors": [2], "chunks": 16, "name": "a"}
    with config.set(task_target=2**18), pytest.raises(StoreError, match=r"s3://cells/a.zarr/.*403.*resume=True"):
        write_image(image, "s3://cells/a.zarr", progress=fail, **words)
    server.fail()
    write_image(image, "s3://cells/a.zarr", resume=True, **words)
    np.testing.assert_array_equal(open_image("s3://cells/a.zarr").images[0].data.compute(), image)


# Several at once ------------------------------------------------------------------------------------------------------

REGISTER = """
import sys, time, numpy as np
from ome_ngff import write_labels
pixels = np.full((4, 8, 8), 3, "uint8")
print("ready", flush=True)
sys.stdin.readline()
for number in range(3):
    write_labels(pixels, "s3://cells/a.zarr", f"{sys.argv[1]}-{number}", axes="zyx", scale_factors=[])
"""


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_registered_by_several_processes_are_all_kept(server: Server, version: str) -> None:
    write_image(PIXELS[:4, :8, :8], "s3://cells/a.zarr", axes="zyx", scale_factors=[], fmt=version)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", REGISTER, name], **pipes) for name in "abcd"]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.close()
    for process in processes:
        process.stdout.close()
        assert process.wait() == 0
    labels = open_image("s3://cells/a.zarr").labels
    assert sorted(labels) == sorted(f"{name}-{number}" for name in "abcd" for number in range(3))
    assert all(bool((labels[name].images[0].data == 3).all()) for name in labels)


def test_a_document_that_another_has_changed_is_changed_anew(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(PIXELS, "s3://cells/a.zarr", axes="zyx")
    target, seen = find_target("s3://cells/a.zarr"), []

    def change(document: dict[str, Any]) -> dict[str, Any]:
        seen.append(document.get("theirs"))
        if len(seen) == 1:
            update_document(target, {"theirs": 1})
        return {"ours": 2}

    update_document(target, change)
    assert seen == [None, 1]
    document = find_target("s3://cells/a.zarr").document
    assert (document["theirs"], document["ours"]) == (1, 2)


# Forks and copies -----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("there", [True, False], ids=["s3fs", "nothing"])
def test_a_forked_process_reads_through_fsspec_or_says_why(
    server: Server, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    write_image(PIXELS, "s3://cells/a.zarr", axes="zyx", chunks=32)
    image = open_image("s3://cells/a.zarr")
    if not there:
        monkeypatch.setitem(sys.modules, "s3fs", None)
        monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    out, into = os.pipe()
    child = os.fork()
    if not child:
        try:
            said = "right" if (image.images[0].data.compute() == PIXELS).all() else "wrong"
            said += "" if (open_image("s3://cells/a.zarr").images[0].data.compute() == PIXELS).all() else " wrong"
        except StoreError as error:
            said = str(error)
        os.write(into, said.encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    assert said == "right" if there else "forked" in said
    np.testing.assert_array_equal(image.images[0].data.compute(), PIXELS)


def test_stores_of_callers_are_places_and_keep_what_they_are(server: Server) -> None:
    theirs = ObjectStore(obstore.store.from_url("s3://cells/d", client_options=HTTP))
    write_image(PIXELS, zarr.storage.StorePath(theirs, "a.zarr"), axes="zyx")
    with pytest.raises(ExistsError, match=r"s3://cells/d/a.zarr already holds"):
        write_image(PIXELS, zarr.open_group(theirs, path="a.zarr", mode="r+"), axes="zyx")
    np.testing.assert_array_equal(open_image("s3://cells/d/a.zarr").images[0].data.compute(), PIXELS)


def test_pixels_are_not_read_from_the_image_they_replace(server: Server) -> None:
    write_image(PIXELS, "s3://cells/a.zarr", axes="zyx")
    level, above = (
        open_image("s3://cells/a.zarr").images[0].data,
        obstore.store.from_url("s3://cells", client_options=HTTP),
    )
    with pytest.raises(StoreError, match=r"read from s3://cells/a.zarr"):
        write_image(level, zarr.storage.StorePath(ObjectStore(above), "a.zarr"), axes="zyx", overwrite=True)


# The page -------------------------------------------------------------------------------------------------------------


def test_the_page_on_object_stores_is_true(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "cloud.md").read_text().replace("http://localhost:9000", server.url)
    page = page.replace("s3://lab/", "s3://cells/")
    (tmp_path / "credentials").write_text("[lab]\naws_access_key_id = me\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        exec(compile(block, "cloud.md", "exec"), names)
    commands = re.findall(r"^\$ ome-ngff (.*)$", page, re.MULTILINE)
    assert commands
    without_keys(server, monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_PROFILE", "lab")
    for command in commands:
        ran = CliRunner().invoke(main, command.split())
        assert ran.exit_code == 0, (command, ran.output)
