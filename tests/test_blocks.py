"""Parts of chunks of Blosc: the right pixels, and no block that holds none of them."""

from __future__ import annotations

import itertools
import os
import struct
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import LocalStore

from ome_ngff import open_image, write_image
from ome_ngff.exceptions import StoreError
from ome_ngff.store import blocks, open_array
from ome_ngff.store.pipeline import Pipeline

VOLUME = (np.arange(32 * 40 * 48) // 7 % 4001).astype("uint16").reshape(32, 40, 48)


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by the bytes of each call that unpacks some blocks of a chunk."""
    sizes: list[int] = []
    own = blocks._decoded

    def noted(*parts: Any) -> Any:
        sizes.append(parts[-1])
        return own(*parts)

    monkeypatch.setattr(blocks, "_decoded", noted)
    return sizes


def stored(place: Path, data: np.ndarray[Any, Any], chunks: tuple[int, ...], codec: Any) -> Any:
    """Write an array of Zarr v2 with Zarr-Python alone, and open it with our pipeline."""
    array = zarr.create_array(
        LocalStore(place), shape=data.shape, chunks=chunks, dtype=data.dtype, zarr_format=2, compressors=codec
    )
    array[...] = data
    return open_array(LocalStore(place), "")


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_boxes_are_those_of_the_whole_however_blosc_packs(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    codec = numcodecs.Blosc(
        cname=data.draw(st.sampled_from(["lz4", "zstd", "zlib", "blosclz", "lz4hc"])),
        clevel=data.draw(st.sampled_from([0, 1, 5, 9])),
        shuffle=data.draw(st.sampled_from([0, 1, 2])),
        blocksize=data.draw(st.sampled_from([0, 256, 1000, 4096])),
    )
    dtype = data.draw(st.sampled_from(["u1", "u2", "i4", "f4", "f8", ">u2"]))
    chunks = data.draw(st.sampled_from([(32, 40, 48), (32, 40, 20), (9, 17, 48), (32, 11, 13)]))
    array = stored(tmp_path_factory.mktemp("a"), VOLUME.astype(dtype), chunks, codec)
    for _ in range(4):
        ends = [sorted(data.draw(st.sets(st.integers(0, n), min_size=2, max_size=2))) for n in VOLUME.shape]
        box = tuple(slice(low, low + 1 if data.draw(st.booleans()) else high) for low, high in ends)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(blocks, "_AT_ONCE", data.draw(st.sampled_from([0, 2**12, 2**19])))
            np.testing.assert_array_equal(array[box], VOLUME.astype(dtype)[box])


def test_a_plane_unpacks_only_the_blocks_that_hold_it(tmp_path: Path, unpacked: list[int]) -> None:
    array = stored(tmp_path / "a", VOLUME, (32, 20, 24), numcodecs.Blosc(cname="zstd", blocksize=960))
    np.testing.assert_array_equal(array[17:18], VOLUME[17:18])
    assert unpacked == [960] * 4  # a plane of a chunk, of each of four chunks
    np.testing.assert_array_equal(array[:, 3:5, :9], VOLUME[:, 3:5, :9])
    assert unpacked[4:] == [32 * 960]  # all blocks of one chunk hold some of that


def test_a_chunk_of_one_block_is_left_to_the_pipeline_in_rust(tmp_path: Path, unpacked: list[int]) -> None:
    array = stored(tmp_path / "a", VOLUME, (32, 20, 24), numcodecs.Blosc(cname="zstd"))
    np.testing.assert_array_equal(array[:, 3:5, :9], VOLUME[:, 3:5, :9])
    assert not unpacked


def test_boxes_with_steps_are_those_of_the_whole(tmp_path: Path) -> None:
    array = stored(tmp_path / "a", VOLUME, (32, 20, 24), numcodecs.Blosc(cname="zstd", blocksize=960))
    np.testing.assert_array_equal(array[3:20:4, 5:6], VOLUME[3:20:4, 5:6])
    np.testing.assert_array_equal(array[3:4, 5:20:3], VOLUME[3:4, 5:20:3])


def test_a_plane_of_an_image_reads_few_bytes(tmp_path: Path, unpacked: list[int]) -> None:
    noise = np.random.default_rng(0).integers(0, 900, (64, 128, 256)).astype("uint16")
    write_image(noise, tmp_path / "a", axes="zyx", chunks=(64, 128, 256), scale_factors=[])
    image = open_image(tmp_path / "a")
    np.testing.assert_array_equal(image.read(z=9).data, noise[9:10])
    np.testing.assert_array_equal(image.images[0].data[63, 5:8].compute(), noise[63, 5:8])
    assert unpacked == [2**19, 2**19]


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        pytest.param((16, 256, 512), 8, id="blocks-of-planes-one-after-the-other"),
        pytest.param((2, 1024, 512), 2, id="one-block-of-the-two-of-each-plane"),
    ],
)
def test_a_box_is_taken_out_block_by_block(
    tmp_path: Path, unpacked: list[int], shape: tuple[int, ...], count: int
) -> None:
    noise = np.random.default_rng(0).integers(0, 900, shape).astype("uint16")
    write_image(noise, tmp_path / "a", axes="zyx", chunks=shape, scale_factors=[])
    np.testing.assert_array_equal(open_image(tmp_path / "a").images[0].data[:, 9:30, :40], noise[:, 9:30, :40])
    assert unpacked == [2**19] * count


def test_blocks_may_lie_in_any_order(tmp_path: Path) -> None:
    array = stored(tmp_path / "a", VOLUME, VOLUME.shape, numcodecs.Blosc(cname="zstd", blocksize=3840))
    file = tmp_path / "a" / "0.0.0"
    chunk, count = file.read_bytes(), 32
    starts = [*struct.unpack_from(f"<{count}i", chunk, 16), len(chunk)]
    parts = [chunk[a:b] for a, b in itertools.pairwise(starts)]
    lengths = [len(part) for part in parts]
    places = [16 + 4 * count + sum(lengths[k + 1 :]) for k in range(count)]  # the last block first
    file.write_bytes(chunk[:16] + struct.pack(f"<{count}i", *places) + b"".join(reversed(parts)))
    np.testing.assert_array_equal(array[5:9], VOLUME[5:9])


@pytest.mark.parametrize(
    ("at", "value"),
    [
        pytest.param(16 + 4 * 5, 10**8, id="beyond-the-end"),
        pytest.param(16 + 4 * 5, 3, id="in-the-header"),
        pytest.param(16 + 4 * 5, -7, id="negative"),
        pytest.param(8, 0, id="no-length"),
        pytest.param(8, 2**31, id="too-long"),
        pytest.param(4, 2**31, id="unpacks-to-too-much"),
    ],
)
def test_a_chunk_that_lies_about_its_blocks_is_an_error(tmp_path: Path, at: int, value: int) -> None:
    array = stored(tmp_path / "a", VOLUME, VOLUME.shape, numcodecs.Blosc(cname="zstd", blocksize=3840))
    file = tmp_path / "a" / "0.0.0"
    chunk = bytearray(file.read_bytes())
    struct.pack_into("<I", chunk, at, value & 2**32 - 1)
    file.write_bytes(chunk)
    with pytest.raises(StoreError, match=r"0\.0\.0"):
        array[5:6]


def test_missing_chunks_are_the_fill_value_beside_parts_of_others(tmp_path: Path, unpacked: list[int]) -> None:
    array = stored(tmp_path / "a", VOLUME, (32, 20, 48), numcodecs.Blosc(cname="zstd", blocksize=1920))
    os.remove(tmp_path / "a" / "0.1.0")
    expected = VOLUME[3:5].copy()
    expected[:, 20:] = 0
    np.testing.assert_array_equal(array[3:5], expected)
    assert unpacked == [3840]


def test_the_arrays_of_these_tests_go_through_our_pipeline(tmp_path: Path) -> None:
    array = stored(tmp_path / "a", VOLUME, VOLUME.shape, numcodecs.Blosc())
    assert isinstance(array._async_array.codec_pipeline, Pipeline)
