"""Chunks of a Zarr array that are stored already as they are wanted are copied, and decoded pixels are the same."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import imagecodecs
import numcodecs
import numpy as np
import pytest
import zarr
from helpers import every_file, pixels
from hypothesis import given
from hypothesis import strategies as st
from numcodecs.checksum32 import CRC32C
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import MemoryStore

from ome_ngff import config, convert, open_image, to_ngff_zarr, write_image, write_labels
from ome_ngff.engine.workers import WorkerPool
from ome_ngff.exceptions import StoreError
from ome_ngff.store import Holder, copying, find_target, staging
from ome_ngff.store.copying import StoredCells, storage_of
from ome_ngff.store.objects import carry_objects
from ome_ngff.write import request

VOLUME = np.random.default_rng(5).integers(1, 500, (12, 40, 52)).astype("uint16")
WORDS: dict[str, Any] = {"axes": "zyx", "chunks": (8, 16, 16), "scale_factors": [2, 4], "method": "local_mean"}
LZ4 = BloscCodec(typesize=2, cname="lz4", clevel=9, shuffle="shuffle", blocksize=4096)
INDEX_FIRST = {"shape": (8, 32, 32), "index_location": "start"}
OLD = {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}}


def stored(where: Any, array: Any = VOLUME, **words: Any) -> zarr.Array[Any]:
    """Store an array by Zarr."""
    made = zarr.create_array(
        where, shape=array.shape, dtype=array.dtype, **{"chunks": (8, 16, 16), "compressors": LZ4, **words}
    )
    made[:] = array
    return made


def chunks(array: zarr.Array[Any]) -> dict[tuple[int, ...], bytes]:
    """Return the bytes of every cell that is stored, by its number."""
    cell = array.shards or array.chunks
    found = {}
    for index in np.ndindex(*(-(-n // c) for n, c in zip(array.shape, cell, strict=True))):
        path = Path(str(array.store_path).removeprefix("file://"), array.metadata.encode_chunk_key(index))
        if path.is_file():
            found[index] = path.read_bytes()
    return found


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param({}, {}, id="lz4"),
        pytest.param({}, {"fmt": "0.6"}, id="to-0.6"),
        pytest.param({"compressors": BloscCodec(typesize=2, cname="zstd", clevel=7)}, {}, id="blosc-zstd"),
        pytest.param({"compressors": ZstdCodec(level=9)}, {}, id="zstd"),
        pytest.param({**OLD, "compressors": numcodecs.Blosc("lz4", 9)}, {}, id="from-0.4"),
        pytest.param({**OLD, "compressors": numcodecs.Zstd(9)}, {"fmt": "0.4"}, id="0.4-to-0.4"),
        pytest.param({"shards": (8, 32, 32)}, {"shards": (8, 32, 32), "scale_factors": [2]}, id="shards"),
        pytest.param({}, {"scale_factors": []}, id="one-level"),
        pytest.param({}, {"method": "gaussian"}, id="halo"),
    ],
)
def test_cells_stored_as_wanted_are_copied_as_bytes(tmp_path: Path, source: Any, words: Any) -> None:
    array = stored(tmp_path / "source.zarr", **source)
    write_image(array, tmp_path / "copied.zarr", **{**WORDS, **words})
    write_image(VOLUME, tmp_path / "encoded.zarr", **{**WORDS, **words})
    level = zarr.open_array(tmp_path / "copied.zarr/0", mode="r")
    assert chunks(level) == chunks(array) != chunks(zarr.open_array(tmp_path / "encoded.zarr/0", mode="r"))
    for copied, encoded in zip(pixels(tmp_path / "copied.zarr"), pixels(tmp_path / "encoded.zarr"), strict=True):
        np.testing.assert_array_equal(copied, encoded)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param({}, {"compression": "blosc-lz4"}, id="compression"),
        pytest.param({}, {"storage_options": {"compression": "blosc-lz4"}}, id="storage-options"),
        pytest.param({}, {"chunks": (8, 16, 32)}, id="other-chunks"),
        pytest.param({}, {"shards": (8, 32, 32)}, id="other-shards"),
        pytest.param({"compressors": GzipCodec()}, {}, id="gzip"),
        pytest.param({"compressors": None}, {}, id="not-compressed"),
        pytest.param({"compressors": BloscCodec(typesize=2, shuffle="bitshuffle")}, {}, id="bitshuffle"),
        pytest.param({"compressors": BloscCodec(typesize=4, cname="lz4", shuffle="shuffle")}, {}, id="typesize"),
        pytest.param({"compressors": ZstdCodec(checksum=True)}, {}, id="checksum"),
        pytest.param(
            {"shards": {"shape": (8, 32, 32), "index_location": "start"}}, {"shards": (8, 32, 32)}, id="index"
        ),
        pytest.param({"fill_value": 7}, {}, id="fill-value"),
        pytest.param({**OLD, "compressors": None, "filters": numcodecs.Delta("<u2")}, {}, id="filters"),
        pytest.param({**OLD, "compressors": numcodecs.Blosc("lz4"), "order": "F"}, {}, id="order-F"),
    ],
)
def test_other_cells_are_encoded_as_they_are_asked_for(tmp_path: Path, source: Any, words: Any) -> None:
    array = stored(tmp_path / "source.zarr", **source)
    write_image(array, tmp_path / "a.zarr", **{**WORDS, **words})
    write_image(VOLUME, tmp_path / "b.zarr", **{**WORDS, **words})
    one, other = (zarr.open_array(tmp_path / name / "0", mode="r") for name in ("a.zarr", "b.zarr"))
    assert chunks(one) == chunks(other)
    assert one.metadata == other.metadata


def test_a_compression_that_no_codec_can_do_is_not_kept(tmp_path: Path) -> None:
    stored(tmp_path / "source.zarr")
    document = tmp_path / "source.zarr/zarr.json"
    document.write_text(document.read_text().replace('"clevel": 9', '"clevel": 99'))
    write_image(zarr.open_array(tmp_path / "source.zarr", mode="r"), tmp_path / "a.zarr", **WORDS)
    np.testing.assert_array_equal(pixels(tmp_path / "a.zarr")[0], VOLUME)


def unpacked(chunk: bytes) -> bytes:
    return bytes((numcodecs.Zstd() if chunk[:4] == b"\x28\xb5\x2f\xfd" else numcodecs.Blosc()).decode(chunk))


def said_by_nobody(chunk: bytes) -> bytes:
    """Pack by Zstandard without saying the size: a frame of one block that is stored as it is."""
    raw = unpacked(chunk)
    return b"\x28\xb5\x2f\xfd\x00\x58" + (len(raw) << 3 | 1).to_bytes(3, "little") + raw


def with_a_gap(shard: bytes) -> bytes:
    """Move what is in a shard of 1 x 2 x 2 chunks to the end of many bytes that are nobody's."""
    index = np.frombuffer(shard[-68:-4], "<u8").reshape(-1, 2) + np.array([1000, 0], "u8")
    checked = CRC32C(location="end").encode(np.frombuffer(index.astype("<u8").tobytes(), "u1"))
    return bytes(1000) + shard[:-68] + bytes(checked)


@pytest.mark.parametrize(
    ("source", "spoil"),
    [
        pytest.param(
            {}, lambda chunk: numcodecs.Blosc("zlib").encode(np.frombuffer(unpacked(chunk), "u2")), id="codec"
        ),
        pytest.param({}, lambda chunk: numcodecs.Blosc("lz4", 5, 2).encode(unpacked(chunk)), id="shuffle"),
        pytest.param({"compressors": ZstdCodec()}, said_by_nobody, id="no-size"),
        pytest.param({"compressors": ZstdCodec()}, lambda chunk: b"\x50\x2a\x4d\x18" + bytes(4) + chunk, id="frames"),
        pytest.param({"shards": (8, 32, 32)}, with_a_gap, id="gap"),
    ],
)
def test_a_chunk_unlike_its_array_is_encoded_anew(
    tmp_path: Path, source: dict[str, Any], spoil: Callable[[bytes], bytes]
) -> None:
    array = stored(tmp_path / "source.zarr", **source)
    spoiled = tmp_path / "source.zarr/c/0/0/0"
    spoiled.write_bytes(spoil(spoiled.read_bytes()))
    write_image(array, tmp_path / "a.zarr", **WORDS, shards=array.shards)
    found, level = chunks(array), zarr.open_array(tmp_path / "a.zarr/0", mode="r")
    np.testing.assert_array_equal(level[:], VOLUME)
    assert [index for index, chunk in chunks(level).items() if chunk != found[index]] == [(0, 0, 0)]


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(os.replace, id="replaced"),
        pytest.param(shutil.copyfile, id="rewritten"),
        pytest.param(lambda other, chunk: chunk.unlink(), id="deleted"),
    ],
)
@pytest.mark.parametrize("moment", [pytest.param("of", id="fetched"), pytest.param("read", id="decoded")])
def test_what_changes_after_it_was_fetched_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: Callable[[Path, Path], Any], moment: str
) -> None:
    array, real = stored(tmp_path / "source.zarr"), getattr(StoredCells, moment)
    expected = chunks(array)
    stored(tmp_path / "other.zarr", VOLUME + 1)

    def then_change(*words: Any) -> Any:
        found = real(*words)
        for cell in (found or words[0]).found:
            how(*(tmp_path / name / array.metadata.encode_chunk_key(cell) for name in ("other.zarr", "source.zarr")))
        return found

    monkeypatch.setattr(StoredCells, moment, then_change)
    write_image(array, tmp_path / "a.zarr", **WORDS)
    np.testing.assert_array_equal(pixels(tmp_path / "a.zarr")[0], VOLUME)
    assert chunks(zarr.open_array(tmp_path / "a.zarr/0", mode="r")) == expected


def test_chunks_of_other_stores_are_fetched_once(tmp_path: Path) -> None:
    fetched = Counter[str]()

    class Watched(MemoryStore):
        async def get(self, key: str, *words: Any, **more: Any) -> Any:
            fetched[key] += "/c/" in key
            return await super().get(key, *words, **more)

    array = stored(Watched(), name="a")
    fetched.clear()
    write_image(array, tmp_path / "a.zarr", **WORDS)
    assert chunks(zarr.open_array(tmp_path / "a.zarr/0", mode="r"))[1, 1, 1] == bytes_of(array, (1, 1, 1))
    assert fetched.pop("a/c/1/1/1") == 2  # here, too
    assert {n for key, n in fetched.items() if "/c/" in key} == {1}


def test_a_cell_is_decoded_once_to_its_place_and_not_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = stored(tmp_path / "s.zarr", np.broadcast_to(np.arange(512, dtype="u2"), (128, 256, 512)), chunks=(128,) * 3)
    calls, scratch, decode, encode = Counter[str](), WorkerPool.scratch, imagecodecs.blosc_decode, staging.write_box
    monkeypatch.setattr(
        WorkerPool, "scratch", lambda pool, name, *words: calls.update([name]) or scratch(pool, name, *words)
    )
    monkeypatch.setattr(imagecodecs, "blosc_decode", lambda *a, **k: calls.update(["decode"]) or decode(*a, **k))
    monkeypatch.setattr(staging, "write_box", lambda level, *a: calls.update([level.path]) or encode(level, *a))
    with config.set(workers=1):
        write_image(array, tmp_path / "a.zarr", axes="zyx", chunks=128, scale_factors=[2], method="nearest")
    assert {name: calls[name] for name in ("decode", "chunk", "0", "1")} == {"decode": 8, "chunk": 0, "0": 0, "1": 2}


def test_one_missing_chunk_a_piece_is_looked_for_again(tmp_path: Path) -> None:
    asked = Counter[str]()

    class Watched(MemoryStore):
        async def get(self, key: str, *words: Any, **more: Any) -> Any:
            asked[key] += 1
            return await super().get(key, *words, **more)

        async def exists(self, key: str) -> bool:
            asked[f"exists {key}"] += 1
            return await super().exists(key)

    array = zarr.create_array(Watched(), shape=(16, 64, 64), chunks=(8, 16, 16), dtype="u2", compressors=LZ4)
    asked.clear()
    with config.set(workers=1):
        write_image(array, tmp_path / "a.zarr", **WORDS)
    again = sum(n for key, n in asked.items() if key.startswith("c/")) - 32
    assert again == asked["exists zarr.json"] == 2  # in each piece, to see whether the array has gone
    assert not pixels(tmp_path / "a.zarr")[0].any()


def test_big_endian_cells_are_encoded_anew(tmp_path: Path) -> None:
    array = stored(tmp_path / "source.zarr", VOLUME.astype(">u2"), **OLD, compressors=numcodecs.Blosc("lz4", 9))
    write_image(array, tmp_path / "a.zarr", **WORDS)
    np.testing.assert_array_equal(pixels(tmp_path / "a.zarr")[0], VOLUME)


@pytest.mark.parametrize("shards", [pytest.param(None, id="chunks"), pytest.param((8, 32, 32), id="shards")])
def test_chunks_that_are_not_stored_stay_out(tmp_path: Path, shards: tuple[int, ...] | None) -> None:
    volume = VOLUME.copy()
    volume[:8, 16:32, :16] = volume[8:, 32:, 32:] = 0
    array = stored(tmp_path / "source.zarr", volume, shards=shards)
    assert len(chunks(array)) == (7 if shards else 21)
    write_image(array, tmp_path / "a.zarr", **{**WORDS, "scale_factors": [2]}, shards=shards)
    assert chunks(zarr.open_array(tmp_path / "a.zarr/0", mode="r")) == chunks(array)
    np.testing.assert_array_equal(pixels(tmp_path / "a.zarr")[0], volume)


def test_what_a_shard_leaves_out_is_filled_whatever_the_memory_held(tmp_path: Path) -> None:
    volume = VOLUME.copy()
    volume[:8, 16:32, :16] = 0
    array = stored(tmp_path / "source.zarr", volume, shards=(8, 32, 32))
    storage, into = storage_of(array), np.full((8, 32, 32), 9, "u2")
    assert storage is not None
    box = [(0, n) for n in into.shape]
    StoredCells.of(array, storage, box).read(box, into, np.empty, lambda part: pytest.fail(f"{part} was not decoded"))
    np.testing.assert_array_equal(into, volume[:8, :32, :32])


def test_a_broken_chunk_is_never_copied(tmp_path: Path) -> None:
    array = stored(tmp_path / "source.zarr")
    broken = tmp_path / "source.zarr/c/1/1/1"
    broken.write_bytes(broken.read_bytes()[:-9])
    with pytest.raises(StoreError, match=r"c/1/1/1|broken"):
        write_image(array, tmp_path / "a.zarr", **WORDS)


@pytest.mark.parametrize("where", [pytest.param(StoredCells, id="decoding"), pytest.param(copying, id="fetching")])
def test_a_mistake_of_ours_is_not_taken_for_a_broken_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Any
) -> None:
    def mistaken(*_: Any) -> None:
        raise TypeError("a mistake")

    array = stored(tmp_path / "source.zarr")
    monkeypatch.setattr(where, "_parts" if where is StoredCells else "refuse_size", mistaken)
    with pytest.raises(TypeError, match="a mistake"):
        write_image(array, tmp_path / "a.zarr", **WORDS)


def spoiled(cell: bytes, data: st.DataObject) -> bytes:
    """Return the bytes of a cell, or what is left of them: cut off, changed, with others inside, or others alone."""
    junk, at = data.draw(st.binary(max_size=80)), data.draw(st.integers(-100, 100)) % len(cell)
    start, end = cell[:at], cell[at:]
    return data.draw(st.sampled_from([junk, start, end, start + junk + end, (start + junk + end[len(junk) :])]))


@pytest.fixture(scope="module", params=[LZ4, BloscCodec(typesize=2), ZstdCodec(), "shards"], ids=repr)
def one_cell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return an array, how it is stored, and the bytes of its first cell."""
    words = {"shards": (8, 32, 32)} if request.param == "shards" else {"compressors": request.param}
    array = stored(tmp_path_factory.mktemp("cell") / "a.zarr", **words)
    return array, storage_of(array), chunks(array)[0, 0, 0]


@given(data=st.data())
def test_a_cell_of_any_bytes_is_decoded_or_left_to_zarr(one_cell: Any, data: st.DataObject) -> None:
    array, storage, content = one_cell
    found = spoiled(content, data)
    cells, into, left = StoredCells(array, storage, {(0, 0, 0): found}), np.empty(storage.grid.cell, "u2"), list[Any]()
    cells.read([(0, n) for n in storage.grid.cell], into, np.empty, lambda part: left.append(part) or 7)
    assert (into == 7).all() if left else cells.found[0, 0, 0] == found
    assert not left or found != content


def test_a_codec_that_gives_too_little_is_not_believed(one_cell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    array, storage, content = one_cell
    for name in ("blosc_decode", "zstd_decode"):
        monkeypatch.setattr(imagecodecs, name, lambda packed, *, out, **_: out[:-1])
    cells, into = StoredCells(array, storage, {(0, 0, 0): content}), np.zeros(storage.grid.cell, "u2")
    cells.read([(0, n) for n in storage.grid.cell], into, np.empty, lambda part: 7)
    assert (into == 7).all()
    assert not cells.found


def bytes_of(array: zarr.Array[Any], index: tuple[int, ...]) -> bytes | None:
    """Return the bytes of a chunk of an array in any store."""
    key = f"{array.path}/{array.metadata.encode_chunk_key(index)}".lstrip("/")
    found = sync(array.store.get(key, default_buffer_prototype()))
    return None if found is None else found.to_bytes()


@pytest.mark.parametrize("away", [pytest.param("source", id="from"), pytest.param("target", id="to")])
def test_cells_are_copied_between_stores_of_all_kinds(tmp_path: Path, away: str) -> None:
    volume = VOLUME.copy()
    volume[:8, 16:32, :16] = 0
    memory = MemoryStore()
    array = stored(memory if away == "source" else tmp_path / "s.zarr", volume, name="a")
    store = memory if away == "target" else tmp_path / "a.zarr"
    write_image(array, store, **WORDS)
    level = zarr.open_array(store, path="0", mode="r")
    np.testing.assert_array_equal(level[:], volume)
    assert level.compressors == array.compressors
    for index in np.ndindex(2, 3, 4):
        one, other = (bytes_of(each, index) for each in (level, array))
        assert one == other


def test_every_level_of_an_opened_image_is_copied(tmp_path: Path) -> None:
    write_image(VOLUME, tmp_path / "a.zarr", **WORDS, compression="blosc-lz4:9")
    image = open_image(tmp_path / "a.zarr")
    to_ngff_zarr(tmp_path / "b.zarr", image)
    for level in "012":
        one, other = (zarr.open_array(tmp_path / name / level, mode="r") for name in ("a.zarr", "b.zarr"))
        assert chunks(one) == chunks(other)
        assert one.compressors == other.compressors


def test_labels_that_are_converted_keep_their_compression(tmp_path: Path) -> None:
    write_image(VOLUME, tmp_path / "a.zarr", **WORDS)
    cells = (VOLUME % 5).astype("uint16")
    write_labels(cells, tmp_path / "a.zarr", "cells", chunks=(8, 16, 16), compression="blosc-lz4:9")
    convert(tmp_path / "a.zarr", tmp_path / "b.zarr", chunks=(8, 16, 16))
    one, other = (zarr.open_array(tmp_path / name / "labels/cells/0", mode="r") for name in ("a.zarr", "b.zarr"))
    np.testing.assert_array_equal(other[:], cells)
    assert chunks(one) == chunks(other)


@pytest.mark.parametrize("calls", [pytest.param(n, id=f"after-{n}") for n in (0, 5, 17)])
def test_an_interrupted_copy_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    array, done, real = stored(tmp_path / "source.zarr"), list[Any](), StoredCells.copy_file

    def copy(*words: Any) -> bool:
        if len(done) == calls:
            words[-1].parent.mkdir(parents=True, exist_ok=True)
            words[-1].write_bytes(b"half")
            raise KeyboardInterrupt
        done.append(words)
        return real(*words)

    with monkeypatch.context() as patched, config.set(task_target=1, workers=1):
        patched.setattr(StoredCells, "copy_file", copy)
        with pytest.raises(KeyboardInterrupt):
            write_image(array, tmp_path / "a.zarr", **WORDS)
    write_image(array, tmp_path / "a.zarr", **WORDS, resume=True)
    write_image(array, tmp_path / "b.zarr", **WORDS)
    assert every_file(tmp_path / "a.zarr") == every_file(tmp_path / "b.zarr")


def killed(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("finished", [pytest.param(False, id="unfinished"), pytest.param(True, id="finished")])
@pytest.mark.parametrize("word", [pytest.param("resume", id="resume"), pytest.param("join", id="join")])
def test_what_was_begun_with_another_codec_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: bool, word: str
) -> None:
    array = stored(tmp_path / "source.zarr")
    with monkeypatch.context() as patched, config.set(task_target=1, workers=1):
        patched.setattr(request, "storage_of", lambda array: None)  # as version 0.1.0 did
        if not finished:
            patched.setattr(Holder, "note", killed)
        with nullcontext() if finished else pytest.raises(KeyboardInterrupt):
            write_image(array, tmp_path / "a.zarr", **WORDS)
    write_image(array, tmp_path / "a.zarr", **WORDS, **{word: True})
    write_image(VOLUME, tmp_path / "b.zarr", **WORDS)
    assert every_file(tmp_path / "a.zarr") == every_file(tmp_path / "b.zarr")


class Losing(MemoryStore):
    """Count what is asked for, and lose one object."""

    asked = 0

    async def get(self, key: str, *args: Any, **words: Any) -> Any:
        self.asked += 1
        await asyncio.sleep(0)
        return None if key == "lost" else await super().get(key, *args, **words)


def test_an_object_that_is_lost_ends_the_copying_of_all_others() -> None:
    content = default_buffer_prototype().buffer.from_bytes(b"chunk")
    names = ["lost", *map(str, range(500))]
    source = Losing(dict.fromkeys(names, content))
    with pytest.raises(StoreError, match="has lost 'lost' while it was copied"):
        carry_objects(
            find_target(source), find_target(MemoryStore()), dict.fromkeys(names, 5), {}, lambda n: None, lambda: None
        )
    assert source.asked < 100
