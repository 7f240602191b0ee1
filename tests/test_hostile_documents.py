"""Documents that never end, burst, lead in circles or make no sense: an `NgffError`, in little memory and time."""

from __future__ import annotations

import json
import os
import socket
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hierarchies import files, put_file, with_file
from test_broken_chunks import peak_of
from zarr.storage import MemoryStore

from ome_ngff import NgffError, StoreError, open_image, open_input, validate, write_image
from ome_ngff.format import CurrentFormat, Format, FormatV04
from ome_ngff.read.describe import describe_store
from ome_ngff.store.documents import DEEPEST, MOST_BYTES, MOST_VALUES, parse_json
from ome_ngff.store.opening import MOST_CHUNKS

READERS: dict[str, Callable[[Any], object]] = {
    "open-image": open_image,
    "describe": describe_store,
    "open-input": open_input,
}
NO_FILE: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path.name),
    "socket": lambda path: bound(path),
}


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


def image(folder: Path, fmt: str = "0.5") -> Path:
    write_image(np.ones((8, 8), "uint8"), folder / "a.zarr", axes="yx", scale_factors=[2], fmt=fmt)
    return folder / "a.zarr"


@pytest.mark.parametrize("kind", NO_FILE)
@pytest.mark.parametrize("document", ["zarr.json", ".zattrs", "0/zarr.json", "0/.zarray"])
def test_what_is_not_a_file_is_not_a_document(
    document: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = image(tmp_path, "0.5" if "zarr.json" in document else "0.4")
    monkeypatch.chdir(place)  # the name of a socket is short
    (place / document).unlink()
    NO_FILE[kind](place / document)
    with pytest.raises(StoreError, match=r"is not a file|cannot be read"):
        open_image(place)
    assert not validate(place).valid


@pytest.mark.parametrize("reader", READERS)
def test_an_entry_of_a_zip_that_bursts_is_not_read(reader: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zarr.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zarr.json", b" " * (MOST_BYTES + 1))

    def read() -> None:
        with pytest.raises(StoreError, match="at most"):
            READERS[reader](str(tmp_path / "a.zarr.zip"))

    assert peak_of(read) < MOST_BYTES / 2
    assert not validate(tmp_path / "a.zarr.zip").valid


BAD: dict[str, bytes] = {
    "deep": b'{"a":' + b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1) + b"}",
    "deeper": b'{"a":' + b"[" * 10**6,
    "many": b"[" + b"[]," * (MOST_VALUES // 2) + b"0]",
    "digits": b'{"zarr_format": ' + b"1" * 5000 + b"}",
    "utf-8": b'{"zarr_format": 3, "node_type": "gro\xff"}',
    "cut-off": b'{"zarr_format": 3, "node_ty',
    "list": b"[]",
    "null": b"null",
    "empty": b"",
    "mark": b"\xef\xbb\xbf",
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("bad", BAD)
def test_what_is_not_a_small_object_is_not_a_document(bad: str, reader: str, tmp_path: Path) -> None:
    (image(tmp_path) / "zarr.json").write_bytes(BAD[bad])
    with pytest.raises(StoreError, match="cannot be read"):
        READERS[reader](str(tmp_path / "a.zarr"))


@pytest.mark.slow
def test_large_documents_of_plates_and_labels_are_read() -> None:
    wells = [{"path": f"A/{i}", "rowIndex": 0, "columnIndex": i} for i in range(100_000)]
    colors = [{"label-value": i, "rgba": [255, 0, 0, 255]} for i in range(1_000_000)]
    for document in (wells, colors):
        assert parse_json(json.dumps(document, separators=(",\n    ", ": ")).encode(), "here") == document


ARRAYS: dict[str, Mapping[str, Any]] = {
    "chunk-0": {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 1, 1, 1, 1]}}},
    "huge": {"shape": [1, 1, 1, 2**62, 8]},
    "huge-in-all": {
        "shape": [2**30] * 5,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2**20] * 5}},
    },
    "empty-and-huge": {
        "shape": [0, 1, 1, 1, 2**64],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 1, 1, 1, 2**62]}},
    },
    "negative": {"shape": [-1, 1, 1, 8, 8]},
    "fill": {"fill_value": -1},
    "fill-text": {"fill_value": "much"},
    "format-2": {"zarr_format": 2},
    "no-type": {"data_type": {}},
    "codecs": {"codecs": [{}]},
    "no-codecs": {"codecs": []},
    "codec": {"codecs": [{"name": "mine"}]},
    "names": {"dimension_names": 3},
}
ARRAYS_V2: dict[str, Mapping[str, Any]] = {
    "chunk-0": {"chunks": [0, 1, 1, 1, 1]},
    "huge": {"shape": [1, 1, 1, 2**62, 8]},
    "fill": {"fill_value": -1},
    "dtype": {"dtype": [["a", "<u2"]]},
    "dtype-text": {"dtype": "much"},
    "filters": {"filters": 3},
    "compressor": {"compressor": {"id": "mine"}},
    "order": {"order": "Z"},
}
CASES = [
    *(pytest.param(CurrentFormat(), "0/zarr.json", change, id=f"3-{name}") for name, change in ARRAYS.items()),
    *(pytest.param(FormatV04(), "0/.zarray", change, id=f"2-{name}") for name, change in ARRAYS_V2.items()),
]


@pytest.mark.parametrize(("fmt", "key", "change"), CASES)
def test_an_array_that_makes_no_sense_is_an_error(fmt: Format, key: str, change: Any, tmp_path: Path) -> None:
    whole = with_file("image", fmt, key, b"")
    put_file(whole, key, json.dumps({**json.loads(files("image", fmt)[key]), **change}).encode())
    with pytest.raises(NgffError):
        open_image(whole).images[0].data[:1, :1, :1, :1, :1].compute(scheduler="sync")
    assert not validate(whole).valid
    json.dumps(describe_store(whole).to_dict())


def with_datasets(number: int) -> MemoryStore:
    document = json.loads(files("image", CurrentFormat())["zarr.json"])
    multiscale = document["attributes"]["ome"]["multiscales"][0]
    multiscale["datasets"] = [{**multiscale["datasets"][0], "path": str(i)} for i in range(number)]
    return with_file("image", CurrentFormat(), "zarr.json", json.dumps(document).encode())


def test_an_image_of_4000_levels_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    store, asked = with_datasets(4000), []
    get = MemoryStore.get

    async def counted(self: MemoryStore, key: str, *args: Any, **options: Any) -> Any:
        asked.append(key)
        return await get(self, key, *args, **options)

    monkeypatch.setattr(MemoryStore, "get", counted)
    with pytest.raises(NgffError, match="4000 levels"):
        open_image(store)
    assert len(asked) < 20
    describe_store(store)
    assert len(asked) < 2000


def test_an_axis_of_a_million_chunks_is_opened() -> None:
    key = "0/zarr.json"
    document = json.loads(files("image", CurrentFormat())[key])
    chunks = document["chunk_grid"]["configuration"]["chunk_shape"]
    document["shape"][0] = chunks[0] * MOST_CHUNKS
    store = with_file("image", CurrentFormat(), key, json.dumps(document).encode())
    assert open_image(store).images[0].data.numblocks[0] == MOST_CHUNKS


def test_labels_that_lead_in_circles_are_not_followed(tmp_path: Path) -> None:
    place = image(tmp_path)
    (place / "labels").symlink_to(place)
    (place / "well").symlink_to(tmp_path)
    list(open_image(place).labels)
    describe_store(place)
    validate(place)


@pytest.mark.parametrize("seed", range(20))
def test_a_zip_whose_directory_is_wrong_is_refused_or_read(seed: int, tmp_path: Path) -> None:
    place, random = image(tmp_path), np.random.default_rng(seed)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(place.rglob("*")):
            archive.write(path, path.relative_to(place))
    content = bytearray((tmp_path / "a.zip").read_bytes())
    start = content.rindex(b"PK\x05\x06")
    directory = int.from_bytes(content[start + 16 : start + 20], "little")
    for at in random.integers(directory, len(content), 3):
        content[at] = random.integers(256)
    (tmp_path / "a.zip").write_bytes(content)
    for read in (*READERS.values(), lambda path: open_image(path).images[0].data.compute(scheduler="sync"), validate):
        try:
            read(str(tmp_path / "a.zip"))
        except NgffError:
            continue
