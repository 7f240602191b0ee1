"""Chunks that are not what they should be: cut off, too long, too short, made to burst; in any store."""

from __future__ import annotations

import gzip
import os
import pickle
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import google_crc32c
import numcodecs
import numpy as np
import obstore
import pytest
import zarr
from fsspec.implementations.memory import MemoryFileSystem
from zarr.storage import MemoryStore, ObjectStore

from ome_ngff import open_image, validate, write_image
from ome_ngff.convert import convert
from ome_ngff.exceptions import NgffError, StoreError
from ome_ngff.inputs import open_input
from ome_ngff.store import locate, open_array
from ome_ngff.store.zarr_private import default_buffer_prototype

SIDE = 128
PIXELS = np.random.default_rng(0).integers(0, 99, (SIDE, SIDE)).astype("uint16")
BURST = 2**26  # bytes of zeros, which pack into few

FAULTS: dict[str, Callable[[bytes, Callable[[bytes], bytes]], bytes]] = {
    "cut-off": lambda chunk, pack: chunk[: len(chunk) // 2],
    "almost-whole": lambda chunk, pack: chunk[:-1],
    "beginning": lambda chunk, pack: chunk[:7],
    "empty": lambda chunk, pack: b"",
    "too-few-pixels": lambda chunk, pack: pack(PIXELS[: SIDE // 2].tobytes()),
    "too-many-pixels": lambda chunk, pack: pack(PIXELS.tobytes() * 2),
    "bursting": lambda chunk, pack: pack(bytes(BURST)),
}
PACKING: dict[str, Callable[[bytes], bytes]] = {
    "blosc-zstd": numcodecs.Blosc("zstd", 1).encode,
    "blosc-lz4": numcodecs.Blosc("lz4", 1).encode,
    "zstd": numcodecs.Zstd(1).encode,
    "gzip": lambda pixels: gzip.compress(pixels, 1),
    "none": lambda pixels: pixels,
}
STORES = ["folder", "zip", "memory", "url", "obstore"]


def placed(folder: Path, kind: str, bucket: str) -> Any:
    """Put a folder into a store of some kind."""
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    if kind == "zip":
        return shutil.make_archive(str(folder.with_suffix("")), "zip", folder)
    if kind == "memory":
        return MemoryStore({k: default_buffer_prototype().buffer.from_bytes(v) for k, v in files.items()})
    if kind == "url":
        for key, content in files.items():
            MemoryFileSystem().pipe(f"{bucket}/{key}", content)
        return bucket
    if kind == "obstore":
        store = obstore.store.MemoryStore()
        for key, content in files.items():
            obstore.put(store, key, content)
        return ObjectStore(store, read_only=True)
    return folder


def broken(folder: Path, compression: str, fault: str, fmt: str = "0.5") -> Path:
    """Write an image of one chunk, and break it."""
    place = folder / "a.zarr"
    write_image(PIXELS, place, axes="yx", scale_factors=[], compression=compression, chunks=SIDE, fmt=fmt)
    chunk = place / ("0/c/0/0" if fmt == "0.5" else "0/0/0")
    chunk.write_bytes(FAULTS[fault](chunk.read_bytes(), PACKING[compression]))
    return place


def peak_of(call: Callable[[], Any]) -> int:
    """Return by how many bytes the memory of the process grew at most while something ran."""

    def status(what: str) -> int:
        return int(Path("/proc/self/status").read_text().split(f"{what}:")[1].split()[0]) * 1024

    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    call()
    return status("VmHWM") - before


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("compression", PACKING)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_chunk_is_an_error_in_every_store(
    fault: str, compression: str, store: str, tmp_path: Path, bucket: str
) -> None:
    place = placed(broken(tmp_path, compression, fault), store, bucket)
    lazy = open_image(place).images[0].data

    def read() -> None:
        with pytest.raises(StoreError, match="cannot be read"):
            lazy.compute(scheduler="sync")

    if compression == "none" or not os.access("/proc/self/clear_refs", os.W_OK):
        read()
    else:
        assert peak_of(read) < BURST / 2


@pytest.mark.parametrize("store", ["folder", "memory"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_chunk_of_zarr_v2_is_an_error(fault: str, store: str, tmp_path: Path, bucket: str) -> None:
    place = placed(broken(tmp_path, "blosc-lz4", fault, "0.4"), store, bucket)
    with pytest.raises(StoreError, match="cannot be read"):
        open_image(place).images[0].data.compute(scheduler="sync")


def in_a_shard(chunk: bytes, start: int = 0) -> bytes:
    """Put one chunk into a shard of 2 by 1 chunks, the second of which is empty; the checksum of the index is right."""
    index = struct.pack("<4Q", start, len(chunk), 2**64 - 1, 2**64 - 1)
    return chunk + index + struct.pack("<I", google_crc32c.value(index))


@pytest.mark.parametrize("store", ["folder", "zip", "obstore"])
@pytest.mark.parametrize("compression", ["blosc-lz4", "zstd", "gzip", "none"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_chunk_in_a_sound_shard_is_an_error(
    fault: str, compression: str, store: str, tmp_path: Path, bucket: str
) -> None:
    pixels, folder = np.concatenate([PIXELS, PIXELS]), tmp_path / "a.zarr"
    shards = (2 * SIDE, SIDE)
    write_image(pixels, folder, axes="yx", scale_factors=[], compression=compression, chunks=SIDE, shards=shards)
    shard = folder / "0/c/0/0"
    pack = PACKING[compression]
    shard.write_bytes(in_a_shard(pack(PIXELS.tobytes())))
    there = open_image(folder).images[0].data[:SIDE].compute(scheduler="sync")
    np.testing.assert_array_equal(there, PIXELS)  # a sound one is read
    shard.write_bytes(in_a_shard(FAULTS[fault](pack(PIXELS.tobytes()), pack)))
    lazy = open_image(placed(folder, store, bucket)).images[0].data[:SIDE]

    def read() -> None:
        with pytest.raises(StoreError, match="cannot be read"):
            lazy.compute(scheduler="sync")

    if compression == "none" or not os.access("/proc/self/clear_refs", os.W_OK):
        read()
    else:
        assert peak_of(read) < BURST / 2


@pytest.mark.parametrize("start", [1, 2**20, 2**63, 2**64 - 2])
@pytest.mark.parametrize("store", STORES)
def test_an_index_that_leads_out_of_its_shard_is_an_error(store: str, start: int, tmp_path: Path, bucket: str) -> None:
    folder, packed = tmp_path / "a.zarr", PACKING["zstd"](PIXELS.tobytes())
    pixels, shards = np.concatenate([PIXELS, PIXELS]), (2 * SIDE, SIDE)
    write_image(pixels, folder, axes="yx", scale_factors=[], compression="zstd", chunks=SIDE, shards=shards)
    (folder / "0/c/0/0").write_bytes(in_a_shard(packed, start))
    with pytest.raises(StoreError, match="cannot be read"):
        open_image(placed(folder, store, bucket)).images[0].data[:SIDE].compute(scheduler="sync")


@pytest.mark.parametrize("store", STORES)
def test_a_chunk_that_is_cut_off_is_found_with_data(store: str, tmp_path: Path, bucket: str) -> None:
    report = validate(placed(broken(tmp_path, "blosc-lz4", "cut-off"), store, bucket), data=True)
    assert [finding.rule for finding in report.findings if finding.severity == "error"] == ["chunk-readable"]


WAYS: dict[str, Callable[[Path, Path], object]] = {
    "open-input": lambda array, out: open_input(array).data[:],
    "convert": lambda array, out: convert(array, out, axes="yx"),
    "write-zarr-array": lambda array, out: write_image(zarr.open_array(array), out, axes="yx"),
    "write-zarr-in-zip": lambda array, out: write_image(zarr.open_array(_zipped(array)), out, axes="yx"),
    "pickled": lambda array, out: pickle.loads(pickle.dumps(open_input(array).data))[:],
}


def _zipped(array: Path) -> Any:
    return zarr.storage.ZipStore(shutil.make_archive(str(array.parent / "packed"), "zip", array), mode="r")


@pytest.mark.parametrize("way", WAYS)
def test_a_broken_chunk_of_an_input_is_an_error(way: str, tmp_path: Path) -> None:
    place = broken(tmp_path, "blosc-lz4", "cut-off")
    with pytest.raises(NgffError, match="read"):
        WAYS[way](place / "0", tmp_path / "b.zarr")


@pytest.mark.parametrize("store", ["folder", "memory"])
@pytest.mark.parametrize(
    ("codecs", "options"),
    [
        pytest.param({"compressors": [zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()]}, {}, id="checksum"),
        pytest.param({"compressors": [zarr.codecs.ZstdCodec(), zarr.codecs.BloscCodec()]}, {}, id="packed-twice"),
        pytest.param({"filters": [zarr.codecs.TransposeCodec(order=(1, 0))]}, {}, id="transposed"),
        pytest.param({"compressors": [zarr.codecs.BloscCodec()], "shards": (64, 64)}, {}, id="shards"),
        pytest.param({"filters": [numcodecs.Delta("u2")], "zarr_format": 2}, {}, id="filter"),
        pytest.param({"compressors": numcodecs.Blosc(), "zarr_format": 2, "order": "F"}, {}, id="order-f"),
        pytest.param({"compressors": numcodecs.BZ2(), "zarr_format": 2}, {"dtype": ">u2"}, id="big-endian"),
        pytest.param({"compressors": numcodecs.LZ4(), "zarr_format": 2}, {}, id="lz4"),
        pytest.param({"compressors": numcodecs.LZMA(), "zarr_format": 2}, {}, id="lzma"),
        pytest.param({"compressors": numcodecs.Zlib(), "zarr_format": 2}, {}, id="zlib"),
    ],
)
def test_sound_chunks_of_any_codecs_are_read(codecs: Any, options: Any, store: str, tmp_path: Path) -> None:
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=PIXELS.shape, chunks=(32, 32), **{"dtype": "uint16", **codecs, **options}
    )
    array[:] = PIXELS
    place = placed(tmp_path / "a.zarr", store, "")
    found = open_array(*locate(place))
    for box in (np.s_[:, :], np.s_[5:77, 31:97]):
        np.testing.assert_array_equal(found[box], PIXELS[box])
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(found))[box], PIXELS[box])


def test_gzip_of_several_members_is_one_chunk(tmp_path: Path) -> None:
    place = broken(tmp_path, "gzip", "empty")
    half = PIXELS.nbytes // 2
    content = PIXELS.tobytes()
    (place / "0/c/0/0").write_bytes(gzip.compress(content[:half]) + gzip.compress(content[half:]))
    np.testing.assert_array_equal(open_image(place).images[0].data.compute(scheduler="sync"), PIXELS)


@pytest.mark.parametrize(
    "before", [pytest.param(b"", id="alone"), pytest.param(PIXELS.tobytes(), id="behind a sound one")]
)
def test_frames_of_zstandard_that_lie_about_their_size_do_not_burst(before: bytes, tmp_path: Path) -> None:
    place = broken(tmp_path, "zstd", "empty")
    sound = PACKING["zstd"](before) if before else b""
    frame = struct.pack("<IBB", 0xFD2FB528, 0, 0x88)  # no size, a window of 128 MiB; then blocks of one byte repeated
    blocks = (2**17 << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    last = (2**17 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"
    (place / "0/c/0/0").write_bytes(sound + frame + blocks * (BURST // 2**17 - 1) + last)
    lazy = open_image(place).images[0].data

    def read() -> None:
        with pytest.raises(StoreError, match="cannot be read"):
            lazy.compute(scheduler="sync")

    assert peak_of(read) < BURST / 2


@pytest.mark.parametrize(
    ("stop", "shards"),
    [
        pytest.param(2 * SIDE, None, id="whole"),
        pytest.param(SIDE + 9, None, id="in part"),
        pytest.param(SIDE + 9, (2 * SIDE, SIDE), id="in part, in a shard"),
    ],
)
def test_a_chunk_that_bursts_beside_a_sound_one_is_not_unpacked(stop: int, shards: Any, tmp_path: Path) -> None:
    words = {"axes": "yx", "scale_factors": [], "compression": "zstd", "chunks": SIDE, "shards": shards}
    write_image(np.concatenate([PIXELS, PIXELS]), tmp_path / "a.zarr", **words)
    sound, bursting = PACKING["zstd"](PIXELS.tobytes()), PACKING["zstd"](bytes(BURST))
    index = struct.pack("<4Q", 0, len(sound), len(sound), len(bursting))
    shard = sound + bursting + index + struct.pack("<I", google_crc32c.value(index))
    (tmp_path / "a.zarr/0/c" / ("0/0" if shards else "1/0")).write_bytes(shard if shards else bursting)
    found = open_array(*locate(tmp_path / "a.zarr" / "0"))
    np.testing.assert_array_equal(found[:SIDE], PIXELS)

    def read() -> None:
        with pytest.raises(StoreError, match="cannot be read"):
            found[:stop]

    assert peak_of(read) < BURST / 2


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda path: os.mkfifo(path), id="pipe"),
        pytest.param(lambda path: path.mkdir(), id="folder"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), id="device"),
        pytest.param(lambda path: path.symlink_to(path.name), id="loop"),
    ],
)
@pytest.mark.parametrize("compression", ["blosc-lz4", "zstd", "gzip", "none"])
def test_what_is_not_a_file_is_not_a_chunk(compression: str, made: Callable[[Path], Any], tmp_path: Path) -> None:
    chunk = broken(tmp_path, compression, "cut-off") / "0/c/0/0"
    chunk.unlink()
    made(chunk)
    with pytest.raises(StoreError, match="cannot be read"):
        open_image(tmp_path / "a.zarr").images[0].data.compute(scheduler="sync")


def test_an_entry_of_a_zip_that_bursts_is_not_unpacked(tmp_path: Path) -> None:
    place = broken(tmp_path, "none", "bursting")
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", place)  # deflates
    assert os.path.getsize(packed) < 2**20
    lazy = open_image(packed).images[0].data

    def read() -> None:
        with pytest.raises(StoreError, match="are stored in"):
            lazy.compute(scheduler="sync")

    assert peak_of(read) < BURST / 2


@pytest.mark.parametrize("store", ["folder", "memory"])
@pytest.mark.parametrize("compression", ["blosc-zstd", "blosc-lz4", "zstd", "gzip"])
def test_damage_anywhere_in_a_chunk_is_no_more_than_an_error(compression: str, store: str, tmp_path: Path) -> None:
    folder = broken(tmp_path, compression, "almost-whole")
    chunk = folder / "0/c/0/0"
    sound, random = PACKING[compression](PIXELS.tobytes()), np.random.default_rng(zlib.crc32(compression.encode()))
    for _ in range(100):
        damaged = bytearray(sound)
        for at in random.integers(0, 64 if random.random() < 0.5 else len(damaged), 3):
            damaged[at] = random.integers(256)
        chunk.write_bytes(damaged)
        try:
            found = open_image(placed(folder, store, "")).images[0].data.compute(scheduler="sync")
        except NgffError:
            continue
        assert found.shape == PIXELS.shape
