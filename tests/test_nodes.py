"""Documents of groups and arrays, and whole chunks: the bytes that Zarr would store, made in less time."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.core.array import AsyncArray
from zarr.core.buffer import default_buffer_prototype
from zarr.core.group import GroupMetadata
from zarr.storage import LocalStore, MemoryStore

from ome_ngff import open_image, write_image
from ome_ngff.exceptions import StoreError
from ome_ngff.store import nodes, opening
from ome_ngff.store.documents import pretty, read_all, write_all
from ome_ngff.store.nodes import GroupDocument
from ome_ngff.store.zarr_private import Pixels

PIXELS = np.arange(12, dtype="uint8").reshape(3, 4)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("attributes", [{}, {"ome": {"version": "0.5", "µm": [1, 2.5, None, True]}, "more": "é"}])
def test_groups_are_stored_as_zarr_stores_them(zarr_format: Any, attributes: dict[str, Any]) -> None:
    prototype = default_buffer_prototype()
    ours = GroupDocument(zarr_format, attributes).files()
    theirs = GroupMetadata(attributes=attributes, zarr_format=zarr_format).to_buffer_dict(prototype)
    assert ours == {k: v.to_bytes() for k, v in theirs.items()}


def test_arrays_like_earlier_ones_are_not_described_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    create = nodes._create
    monkeypatch.setattr(nodes, "_create", lambda options: made.append(options["shape"]) or create(options))
    nodes._described.cache_clear()
    for name in ("a", "b"):
        write_image(PIXELS, tmp_path / name, axes="yx")
    write_image(PIXELS[:2], tmp_path / "c", axes="yx")
    assert made == [(3, 4), (2, 4)]
    assert {zarr.open_array(tmp_path / name / "0").shape for name in ("a", "b")} == {(3, 4)}


def test_arrays_are_described_anew_for_other_settings_of_zarr(tmp_path: Path) -> None:
    found = []
    for order in ("C", "F"):
        with zarr.config.set({"array.order": order}):
            write_image(PIXELS, tmp_path / order, axes="yx", fmt="0.4")
        found.append(zarr.open_array(tmp_path / order / "0").order)
    assert found == ["C", "F"]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param({"compression": "none"}, id="plain"),
        pytest.param({"fmt": "0.4"}, id="v2"),
        pytest.param({"shards": 256, "chunks": 128}, id="shards"),
    ],
)
def test_whole_chunks_are_stored_as_zarr_stores_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: dict[str, Any]
) -> None:
    pixels = np.arange(512 * 300, dtype="uint16").reshape(512, 300)
    pixels[256:, :256] = 0  # one that is not stored
    calls: list[Any] = []
    setitem = AsyncArray.setitem
    monkeypatch.setattr(AsyncArray, "setitem", lambda self, *args: calls.append(args) or setitem(self, *args))
    found = []
    for name in ("short", "zarr"):
        write_image(pixels, tmp_path / name, axes="yx", **{"chunks": 256, "scale_factors": [], **words})
        stored = [p for p in (tmp_path / name / "0").rglob("*") if p.is_file()]
        found.append({str(p.relative_to(tmp_path / name)): p.read_bytes() for p in stored})
        monkeypatch.setattr(opening, "_write_cell", lambda *args: False)
    assert found[0] == found[1]
    assert len(calls) == 2 + 4  # those over the edge, then all


def test_without_links_a_document_is_put_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = errno.EPERM

    async def no_link(self: LocalStore, key: str, value: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(LocalStore, "set_if_not_exists", no_link)
    for content in (b"first", b"second"):
        write_all(LocalStore(tmp_path), {}, {"zarr.json": content})
    assert (tmp_path / "zarr.json").read_bytes() == b"first"
    number = errno.ENOSPC
    with pytest.raises(OSError, match="No space left"):
        write_all(LocalStore(tmp_path), {}, {"other.json": b"first"})
    assert not (tmp_path / "other.json").exists()


@pytest.mark.parametrize("store", [LocalStore, zarr.storage.MemoryStore], ids=["folder", "memory"])
def test_files_are_replaced_in_folders_that_may_be_missing(tmp_path: Path, store: Any) -> None:
    store = store(tmp_path / "new") if store is LocalStore else store()
    write_all(store, {"a/b/zarr.json": b"first", "zarr.json": b"second"}, {"zarr.json": b"third", "c/d": b"fourth"})
    write_all(store, {"a/b/zarr.json": b"fifth"})
    keys = ["a/b/zarr.json", "zarr.json", "c/d"]
    assert read_all(store, keys) == [b"fifth", b"second", b"fourth"]
    with pytest.raises(StoreError, match="read only"):
        write_all(store.with_read_only(True), {"zarr.json": b"sixth"})


def test_a_file_that_cannot_be_replaced_stays_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(source: str, to: str) -> None:
        assert Path(source).read_bytes() == b"second"
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    write_all(LocalStore(tmp_path), {"zarr.json": b"first"})
    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(OSError, match="Input/output"):
        write_all(LocalStore(tmp_path), {"zarr.json": b"second"})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"zarr.json": b"first"}


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
KEYS = st.text() | st.integers() | st.booleans() | st.none() | st.floats()


@given(st.recursive(LEAVES, lambda part: st.lists(part) | st.dictionaries(KEYS, part) | st.tuples(part, part)))
def test_json_is_laid_out_as_python_does(value: Any) -> None:
    assert pretty(value) == json.dumps(value, indent=2)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint32", "int64", "float32"])
@pytest.mark.parametrize("fill", [None, 0, 1, np.nan])
def test_a_chunk_is_empty_where_zarr_finds_it_empty(dtype: str, fill: Any) -> None:
    """In one pass for integers: NumPy looks for NaN among unsigned ones, which takes longer than to pack them."""
    stored = None if fill is None else np.float32(fill) if dtype == "float32" else np.dtype(dtype).type(fill == 1)
    for pixels in (np.zeros((2, 3), dtype), np.ones((2, 3), dtype), np.array([[0, 1], [1, 1]], dtype)):
        found = Pixels.from_ndarray_like(pixels).all_equal(stored)
        assert found is default_buffer_prototype().nd_buffer.from_ndarray_like(pixels).all_equal(stored)


def test_no_pixel_of_integers_is_compared_with_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    pixels = np.arange(2**12, dtype="uint16").reshape(64, 64)
    with monkeypatch.context() as patch:
        patch.setattr(np, "array_equal", None)
        write_image(pixels, store, axes="yx", scale_factors=[2], chunks=24)  # some jut over the end
    np.testing.assert_array_equal(open_image(store).images[0].data, pixels)


def test_of_a_full_chunk_only_the_first_part_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the newest Zarr does; few chunks are empty."""
    sizes, pixels = list[int](), Pixels.from_ndarray_like(np.ones((8, 16), "uint16"))
    monkeypatch.setattr(np, "all", lambda found: sizes.append(found.size) or found.all())
    assert not pixels.all_equal(0)
    assert sizes == [16]
    assert Pixels.from_ndarray_like(np.zeros((), "uint16")).all_equal(0)


@pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec")
def test_parts_of_shards_that_are_transposed_are_written() -> None:
    little = [{"name": "bytes", "configuration": {"endian": "little"}}]
    inner = {"chunk_shape": [4, 4], "codecs": little, "index_codecs": little}
    transposed = {"name": "transpose", "configuration": {"order": [1, 0]}}
    store = MemoryStore()
    made = zarr.create_array(store, name="a", shape=(9, 18), chunks=(8, 8), dtype="u2", fill_value=0)
    document = {**made.metadata.to_dict(), "codecs": [transposed, {"name": "sharding_indexed", "configuration": inner}]}
    content = default_buffer_prototype().buffer.from_bytes(json.dumps(document).encode())
    asyncio.run(store.set("a/zarr.json", content))
    pixels = np.arange(9 * 18, dtype="u2").reshape(9, 18)
    opening.open_array(store, "a")[...] = pixels
    opening.open_array(store, "a")[2:5, 3:9] = pixels[2:5, 3:9] = 7
    np.testing.assert_array_equal(opening.open_array(store, "a")[...], pixels)
