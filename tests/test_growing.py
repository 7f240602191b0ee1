"""Images that grow: streams, and what is added to images that are there."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr
from dying import Killed, killed_at
from helpers import attributes, pixels
from hypothesis import given
from hypothesis import strategies as st
from oracles import examples, local_mean
from zarr.storage import MemoryStore

from ome_ngff import (
    ExistsError,
    IncompleteError,
    MissingError,
    NgffError,
    OptionError,
    QueueFullError,
    append_image,
    config,
    open_image,
    stream_image,
    stream_labels,
    undo,
    update_image,
    update_labels,
    validate,
    write_image,
    write_labels,
)
from ome_ngff.exceptions import AxesError, InputError, MethodError, ScaleError, StoreError, TakenOverError
from ome_ngff.read.describe import describe_store
from ome_ngff.store import Holder, change
from ome_ngff.write import appending, growing

RNG = np.random.default_rng(7)
STACK = RNG.integers(1, 4000, (5, 2, 20, 24), dtype="uint16")
WORDS: dict[str, Any] = {"axes": "tcyx", "chunks": 8, "scale_factors": [2, 4], "method": "local_mean"}


def files(store: Any) -> dict[str, bytes]:
    """Return all that is in a folder, or in a mapping."""
    if isinstance(store, Path):
        return {str(p.relative_to(store)): p.read_bytes() for p in store.rglob("*") if p.is_file()}
    return {key: value.to_bytes() for key, value in store.items()}


def level(store: dict[str, Any], number: int) -> Any:
    """Return the pixels of a level, as Zarr reads them."""
    return zarr.open_array(MemoryStore(store), path=str(number), mode="r")[...]


def written(place: Any, stack: np.ndarray, **words: Any) -> dict[str, bytes]:
    """Write a whole stack, and return the files."""
    write_image(stack, place, **words)
    return files(place)


# Streams --------------------------------------------------------------------------------------------------------------

SETTINGS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["resize", "gaussian", "local_mean", "zoom", "nearest", "mode"]),
        "fmt": st.sampled_from(["0.4", "0.5", "0.6"]),
        "chunks": st.fixed_dictionaries(
            {"t": st.integers(1, 3), "c": st.integers(1, 2), "z": st.integers(1, 3), "y": st.integers(3, 9)}
        ),
        "compression": st.sampled_from(["blosc-zstd:1", "none", "zstd"]),
        "scale_factors": st.sampled_from([[], [2], [2, 4], [{"z": 2, "y": 2, "x": 2}], [{"z": 1, "y": 3, "x": 2}]]),
    }
)


@examples(15)
@given(st.data())
def test_what_was_streamed_is_what_a_whole_write_writes(data: st.DataObject) -> None:
    words = data.draw(SETTINGS)
    chunks = words["chunks"]
    shape = (data.draw(st.integers(chunks["t"], 6)), *data.draw(st.tuples(*[st.integers(1, 3)] * 2)), 11, 9)
    if words["fmt"] != "0.4" and data.draw(st.booleans()):
        words["shards"] = {axis: n * data.draw(st.integers(1, 2)) for axis, n in chunks.items() if axis != "t"} | {
            "t": chunks["t"]
        }
    dtype = data.draw(st.sampled_from(["uint8", "int16", "float32"]))
    stack = np.random.default_rng(1).integers(0, 200, shape).astype(dtype)
    stack[data.draw(st.integers(0, shape[0] - 1))] = 0  # chunks of zeros are not stored
    lead = data.draw(st.integers(1, 3))
    whole: dict[str, Any] = {}
    grown: dict[str, Any] = {}
    wanted = written(whole, stack, axes="tczyx", **words)
    with stream_image(grown, (None, *shape[1:]), dtype, "tczyx", queue=data.draw(st.integers(1, 20000)), **words) as s:
        for frame in stack.reshape(-1, *shape[lead:]):
            s.append(frame)
            if data.draw(st.booleans()):
                s.flush()
    assert files(grown) == wanted


@pytest.mark.parametrize("fmt", ["0.4", "0.5"])
def test_a_folder_gets_the_bytes_of_a_whole_write(tmp_path: Path, fmt: str) -> None:
    words = {**WORDS, "fmt": fmt, "chunks": {"t": 2, "y": 8, "x": 8}}
    with stream_image(tmp_path / "grown", (None, 2, 20, 24), "uint16", **words) as stream:
        for frame in STACK.reshape(-1, 20, 24):
            stream.append(frame)
    assert files(tmp_path / "grown") == written(tmp_path / "whole", STACK, **words)
    assert validate(tmp_path / "grown").valid


def test_frames_come_in_any_order_of_the_other_axes() -> None:
    whole: dict[str, Any] = {}
    grown: dict[str, Any] = {}
    volumes = STACK[:, :, None] + np.arange(3, dtype="uint16")[:, None, None]
    words = {**WORDS, "axes": "tczyx"}
    with stream_image(grown, (None, 2, 3, 20, 24), "uint16", order="tzc", **words) as stream:
        for volume in volumes:
            for z in range(3):
                for c in range(2):
                    stream.append(volume[c, z])
    assert files(grown) == written(whole, volumes, **words)


@pytest.mark.parametrize("chunks", [pytest.param(8, id="single"), pytest.param({"t": 2, "y": 8, "x": 8}, id="held")])
def test_frames_are_written_at_any_index(chunks: Any) -> None:
    whole: dict[str, Any] = {}
    grown: dict[str, Any] = {}
    words = {**WORDS, "chunks": chunks}
    with stream_image(grown, (None, 2, 20, 24), "uint16", **words) as stream:
        for c in (1, 0):
            for t in (3, 0, 1, 4, 2):
                stream.write({"t": t, "c": c}, STACK[t, c])
    assert files(grown) == written(whole, STACK, **words)


@pytest.mark.parametrize("chunks", [pytest.param(8, id="single"), pytest.param({"t": 2, "y": 8, "x": 8}, id="held")])
def test_an_exception_finishes_what_is_complete(chunks: Any) -> None:
    whole: dict[str, Any] = {}
    grown: dict[str, Any] = {}
    words = {**WORDS, "chunks": chunks}

    def acquire() -> None:
        with stream_image(grown, (None, 2, 20, 24), "uint16", **words) as stream:
            for frame in STACK[:3].reshape(-1, 20, 24):
                stream.append(frame)
            stream.append(STACK[3, 0])
            stream.write((4, 1), STACK[4, 1])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        acquire()
    assert files(grown) == written(whole, STACK[:3], **words)


def test_closing_warns_of_frames_that_are_left_out() -> None:
    grown: dict[str, Any] = {}
    stream = stream_image(grown, (None, 2, 20, 24), "uint16", **WORDS)
    for frame in STACK.reshape(-1, 20, 24)[:3]:
        stream.append(frame)
    with pytest.warns(UserWarning, match="1 frames of time points that are not complete"):
        stream.close()
    stream.close()
    assert open_image(grown).images[0].data.shape[0] == 1
    with pytest.raises(StoreError, match="resume=True"):
        stream.append(STACK[0, 0])


_FIRST_FRAMES = """
import sys
import numpy as np
from ome_ngff import stream_image
for method in ("local_mean", "gaussian", "nearest", "mode"):
    words = {"chunks": 16, "scale_factors": [2, 4], "method": method, "omero": False}
    with stream_image({}, (None, 32, 32), "uint16", "tyx", **words) as stream:
        from ome_ngff.pixels import kernels
        compiled = [each for each in vars(kernels).values() if hasattr(each, "signatures")]
        before = len(sys.modules), sum(len(each.signatures) for each in compiled)
        stream.append(np.zeros((32, 32), "uint16"))
        stream.flush()
        print(method, *before, len(sys.modules), sum(len(each.signatures) for each in compiled))
"""


def test_no_frame_waits_for_imports_and_compilers() -> None:
    lines = subprocess.run([sys.executable, "-c", _FIRST_FRAMES], capture_output=True, text=True, check=True).stdout
    found = {method: [*map(int, counts)] for method, *counts in map(str.split, lines.splitlines())}
    assert len(found) == 4
    for method, (modules, compiled, *then) in found.items():
        assert compiled > 0
        assert then == [modules, compiled], method


def test_a_closed_stream_goes_on_with_resume() -> None:
    whole: dict[str, Any] = {}
    grown: dict[str, Any] = {}
    words = {**WORDS, "chunks": {"t": 3, "y": 8, "x": 8}}
    for start, stop in ((0, 2), (2, 5)):
        with stream_image(grown, (None, 2, 20, 24), "uint16", resume=True, **words) as stream:
            assert stream.shape[0] == start
            for frame in STACK[start:stop]:
                stream.append(frame)
    assert files(grown) == written(whole, STACK, **words)


def test_a_stream_does_not_go_on_with_another_time_step() -> None:
    grown: dict[str, Any] = {}
    with stream_image(grown, (None, 2, 20, 24), "uint16", scale={"t": 2}, **WORDS) as stream:
        stream.append(STACK[0])
    before = dict(grown)
    with pytest.raises(StoreError, match="other settings"):
        stream_image(grown, (None, 2, 20, 24), "uint16", scale={"t": 3}, resume=True, **WORDS)
    assert grown == before


def test_a_stream_can_be_read_at_every_moment() -> None:
    grown: dict[str, Any] = {}
    with stream_image(grown, (None, 2, 20, 24), "uint16", **WORDS) as stream:
        assert open_image(grown).images[0].data.shape == (0, 2, 20, 24)
        for n, frame in enumerate(STACK, start=1):
            stream.append(frame)
            stream.flush()
            images = open_image(grown, validate=True).images
            assert [image.data.shape[0] for image in images] == [n] * 3
            np.testing.assert_array_equal(images[0].data, STACK[:n])
            assert zarr.open_array(MemoryStore(grown), path="2", mode="r").shape[0] == n  # as others open it
            assert validate(grown).valid


def test_the_levels_are_cut_to_what_is_complete() -> None:
    grown: dict[str, Any] = {}
    stream = stream_image(grown, (None, 2, 20, 24), "uint16", **WORDS)
    stream.append(STACK[0])
    stream.flush()
    zarr.open_array(MemoryStore(grown), path="1", mode="a").resize((2, 2, 10, 12))  # a moment before level 0 does
    assert [image.data.shape[0] for image in open_image(grown).images] == [1, 1, 1]
    stream.close()


def test_append_copies_the_frame_before_it_returns() -> None:
    whole: dict[str, Any] = {}
    grown: dict[str, Any] = {}
    camera = np.empty((20, 24), "uint16")
    with stream_image(grown, (None, 2, 20, 24), "uint16", **WORDS) as stream:
        for frame in STACK.reshape(-1, 20, 24):
            camera[...] = frame
            stream.append(camera)
            camera[...] = 0
    assert files(grown) == written(whole, STACK, **WORDS)


class Slow(MemoryStore):
    """Keep chunks waiting."""

    def __init__(self, *args: Any, **words: Any) -> None:
        super().__init__(*args, **words)
        self.gate = threading.Event()
        self.gate.set()

    async def set(self, key: str, *args: Any, **words: Any) -> None:
        self.gate.wait(60)
        await super().set(key, *args, **words)


def test_a_full_queue_refuses_or_waits() -> None:
    slow = Slow({})
    size = STACK[0, 0].nbytes
    stream = stream_image(slow, (None, 2, 20, 24), "uint16", queue=3 * size, **WORDS)
    slow.gate.clear()
    frames = [*STACK.reshape(-1, 20, 24)]
    for frame in frames[:3]:
        stream.append(frame, block=False)
    with pytest.raises(QueueFullError, match="wait to be stored"):
        stream.append(frames[3], block=False, time=3)
    waiting = threading.Thread(target=stream.append, args=(frames[3],))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    slow.gate.set()
    waiting.join(60)
    for frame in frames[4:]:
        stream.append(frame)
    stream.close()
    np.testing.assert_array_equal(open_image(slow).images[0].data, STACK)
    assert "frames.jsonl" not in slow._store_dict  # of the frame that was refused nothing was said


def test_a_full_block_waits_for_no_other_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, other = threading.Event(), threading.Event()
    write = Holder.write

    def watched(self: Holder, array: Any, box: Any, *rest: Any) -> None:
        if box[1][0] == 0:
            begun.set()
            assert other.wait(10)
        else:
            other.set()
        write(self, array, box, *rest)

    monkeypatch.setattr(Holder, "write", watched)
    words = {"axes": "tcyx", "chunks": (2, 1, 20, 24), "scale_factors": []}
    with config.set(workers=2), stream_image(tmp_path / "i", (None, 2, 20, 24), "uint16", **words) as stream:
        for c in range(2):
            for t in range(2):
                stream.write((t, c), STACK[t, c])
            assert begun.wait(10)
    assert not stream._grown.growth._late  # else each frame would be remembered for ever
    np.testing.assert_array_equal(pixels(tmp_path / "i")[0], STACK[:2])


def test_a_block_that_ends_well_says_which_frames_it_left_out() -> None:
    def acquire() -> None:
        with stream_image({}, (None, 2, 20, 24), "uint16", **WORDS) as stream:
            for frame in (*STACK[0], STACK[1, 0]):
                stream.append(frame)

    with pytest.warns(UserWarning, match="1 frames of time points that are not complete"):
        acquire()


def pools() -> set[threading.Thread]:
    """Return the threads that work for others."""
    return {thread for thread in threading.enumerate() if "ThreadPool" in thread.name}


def test_streams_run_side_by_side() -> None:
    stores: list[dict[str, Any]] = [{} for _ in range(6)]
    before = pools()

    def acquire(store: dict[str, Any], shift: int) -> None:
        with stream_image(store, (None, 2, 20, 24), "uint16", **WORDS) as stream:
            for frame in STACK + shift:
                stream.append(frame)

    threads = [threading.Thread(target=acquire, args=(store, i)) for i, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for i, store in enumerate(stores):
        np.testing.assert_array_equal(open_image(store).images[0].data, STACK + i)
    assert pools() <= before


def test_what_is_said_of_frames_is_kept(tmp_path: Path) -> None:
    place = tmp_path / "image.zarr"
    for start, stop in ((0, 3), (3, 5)):
        with stream_image(place, (None, 2, 20, 24), "uint16", resume=True, **WORDS) as stream:
            for t in range(start, stop):
                for c in range(2):
                    day = datetime.date(2024, 1, 1 + t)
                    stream.append(STACK[t, c], time=1.5 + 0.25 * t, stage=np.array([1.0, t]), day=day)
    said = [json.loads(line) for line in (place / "frames.jsonl").read_text().splitlines()]
    assert said == [
        {"t": t, "c": c, "time": 1.5 + 0.25 * t, "stage": [1.0, t], "day": f"2024-01-0{1 + t}"}
        for t in range(5)
        for c in range(2)
    ]
    assert all(image.scale["t"] == 0.25 for image in open_image(place).images)
    assert attributes(place)["ome_ngff"] == {"frames": "frames.jsonl"}
    write_image(STACK, place, overwrite=True, **WORDS)
    assert not (place / "frames.jsonl").exists()


@pytest.mark.parametrize(
    ("times", "words", "step"),
    [
        pytest.param([0, 1, 2, 9], {}, 1, id="irregular"),
        pytest.param([0, 2, 4, 6], {"scale": {"t": 3}}, 3, id="given"),
        pytest.param([0, 2.01, 4, 6], {}, 2, id="nearly"),
        pytest.param(["a", "b", "c", "d"], {}, 1, id="text"),
    ],
)
def test_only_regular_times_become_the_scale(times: list[Any], words: dict[str, Any], step: float) -> None:
    grown: dict[str, Any] = {}
    with stream_image(grown, (None, 20, 24), "uint16", "tyx", scale_factors=[], **words) as stream:
        for frame, time in zip(STACK[:, 0], times, strict=False):
            stream.append(frame, time=time)
    assert open_image(grown).images[0].scale["t"] == step


def test_labels_stream_next_to_their_image() -> None:
    grown: dict[str, Any] = {}
    whole: dict[str, Any] = {}
    cells = (STACK % 5).astype("uint32")
    with (
        stream_image(grown, (None, 2, 20, 24), "uint16", scale={"y": 0.5}, **WORDS) as image,
        stream_labels(grown, (None, 2, 20, 24), "uint32", "cells", colors={1: "#ff0000"}) as labels,
    ):
        for frame, mask in zip(STACK, cells, strict=True):
            image.append(frame)
            labels.append(mask)
    write_image(STACK, whole, scale={"y": 0.5}, **WORDS)
    write_labels(cells, whole, "cells", colors={1: "#ff0000"})
    assert files(grown) == files(whole)
    assert validate(grown).valid


DEEP = {"axes": "czyx", "shape": (2, None, 20, 24)}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        pytest.param({"shape": (3, 2, 20, 24)}, OptionError, "one None", id="none-grows"),
        pytest.param({"shape": (2, 3, None, 24)}, OptionError, "one None", id="a-plane-grows"),
        pytest.param(
            {**DEEP, "scale_factors": [{"z": 2, "y": 2, "x": 2}]}, ScaleError, "z is downsampled by 2", id="halved"
        ),
        pytest.param({"dtype": "u7"}, OptionError, "dtype", id="dtype"),
        pytest.param({"dtype": None}, OptionError, "dtype", id="no-dtype"),
        pytest.param({"shape": None}, OptionError, "shape is a list", id="shape"),
        pytest.param({"order": "ct"}, OptionError, "'t' first", id="order"),
        pytest.param({**DEEP, "scale_factors": None}, OptionError, "give scale_factors", id="unknown-depth"),
    ],
)
def test_a_stream_that_cannot_be_is_refused(change: dict[str, Any], error: type[Exception], words: str) -> None:
    grown: dict[str, Any] = {}
    with pytest.raises(error, match=words):
        stream_image(grown, **{"shape": (None, 2, 20, 24), "dtype": "uint16", **WORDS, **change})
    assert not grown


@pytest.mark.parametrize(
    ("give", "error"),
    [
        pytest.param(lambda s: s.append(STACK[0, 0, :3]), InputError, id="shape"),
        pytest.param(lambda s: s.append(STACK), InputError, id="all"),
        pytest.param(lambda s: s.append(STACK[0].astype("int16")), InputError, id="dtype"),
        pytest.param(lambda s: s.write((0, 5), STACK[0]), OptionError, id="index"),
        pytest.param(lambda s: s.write({"q": 1}, STACK[0]), OptionError, id="name"),
        pytest.param(lambda s: s.write(1, STACK[1]), OptionError, id="index-without-axes"),
        pytest.param(
            lambda s: s.append(xr.DataArray(np.zeros((2, 20, 24), "uint16"), dims=("c", "x", "y"))),
            InputError,
            id="turned",
        ),
        pytest.param(lambda s: s.append(np.ma.masked_equal(STACK[1], 5)), InputError, id="masked"),
        pytest.param(lambda s: s.write((0,), STACK[0]), ExistsError, id="twice"),
        pytest.param(lambda s: (s.flush(), s.write((0,), STACK[0])), ExistsError, id="twice-and-stored"),
        pytest.param(lambda s: s.append(STACK[1], t=1), OptionError, id="fact-named-as-an-axis"),
        pytest.param(lambda s: s.append(STACK[1], stage=object()), OptionError, id="fact"),
    ],
)
def test_a_frame_that_does_not_belong_is_refused(give: Callable[[Any], None], error: type[Exception]) -> None:
    grown: dict[str, Any] = {}
    whole: dict[str, Any] = {}
    with stream_image(grown, (None, 2, 20, 24), "uint16", **WORDS) as stream:
        stream.append(STACK[0])
        with pytest.raises(error):
            give(stream)
        stream.append(STACK[1])
    assert files(grown) == written(whole, STACK[:2], **WORDS)


def test_other_writes_leave_a_stream_alone() -> None:
    grown: dict[str, Any] = {}
    stream = stream_image(grown, (None, 2, 20, 24), "uint16", **WORDS)
    stream.append(STACK[0])
    stream.flush()
    before = files(grown)
    for call in (
        lambda: write_image(STACK, grown, **WORDS),
        lambda: write_image(STACK, grown, resume=True, **WORDS),
        lambda: stream_image(grown, (None, 2, 20, 24), "uint16", **WORDS),
        lambda: stream_image(grown, (None, 2, 20, 24), "uint16", resume=True, **{**WORDS, "method": "zoom"}),
        lambda: append_image(STACK, grown),
        lambda: append_image(STACK, grown, resume=True),
        lambda: append_image(STACK, grown, resume=True),
        lambda: update_image(STACK, grown),
    ):
        with pytest.raises(StoreError):
            call()
    assert files(grown) == before
    stream.close()


# Additions ------------------------------------------------------------------------------------------------------------


@examples(25)
@given(st.data())
def test_what_was_added_in_parts_is_what_a_whole_write_writes(data: st.DataObject) -> None:
    words = data.draw(SETTINGS)
    deep = words["chunks"]["t"]
    shape = (data.draw(st.integers(deep, 7)), *data.draw(st.tuples(*[st.integers(1, 3)] * 2)), 11, 9)
    axis = data.draw(AXES)
    at = "tcz".index(axis)
    stack = np.random.default_rng(2).integers(0, 200, shape, dtype="uint8")
    first = words["chunks"][axis]  # a shorter image has shorter chunks
    stack = np.repeat(stack, first, axis=at) if axis != "t" else stack
    cuts = sorted(data.draw(st.sets(st.integers(first, stack.shape[at]), max_size=3)) | {first, stack.shape[at]})
    whole: dict[str, Any] = {}
    grown: dict[str, Any] = {}
    wanted = written(whole, stack, axes="tczyx", omero=False, **words)
    parts = np.split(stack, [n for n in cuts if n < stack.shape[at]], axis=at)
    write_image(parts[0], grown, axes="tczyx", omero=False, **words)
    for part in parts[1:]:
        before = image_of(grown)
        append_image(da.from_array(part, chunks=2) if data.draw(st.booleans()) else part, grown, axis)
        if data.draw(st.booleans()):
            undo(grown)
            assert image_of(grown) == before
            append_image(part, grown, axis)
    assert image_of(grown) == wanted


def image_of(store: Any) -> dict[str, bytes]:
    """Return what a store holds but for the journal."""
    return {key: content for key, content in files(store).items() if ".ome_ngff/" not in key}


AXES = st.sampled_from("tcz")


@pytest.mark.parametrize("fmt", ["0.4", "0.5", "0.6"])
def test_labels_and_attributes_stay_as_they_are(tmp_path: Path, fmt: str) -> None:
    place = tmp_path / "image.zarr"
    write_image(STACK[:2], place, fmt=fmt, **WORDS)
    write_labels((STACK[:2] % 5).astype("uint32"), place, "cells")
    zarr.open_group(place, mode="a").attrs["another"] = {"says": 1}
    before, said = files(place / "labels"), attributes(place)
    append_image(STACK[2:], place)
    assert files(place / "labels") == before
    assert attributes(place) == said
    np.testing.assert_array_equal(pixels(place)[0], STACK)
    append_image((STACK[2:] % 5).astype("uint32"), place / "labels" / "cells")
    assert validate(place).valid


def test_new_channels_are_described(tmp_path: Path) -> None:
    write_image(STACK, tmp_path / "a", channel_names=["DNA", "actin"], **WORDS)
    append_image(STACK[:, :1] * 2, tmp_path / "a", "c")
    channels = open_image(tmp_path / "a").metadata.omero.channels
    assert [channel.label for channel in channels] == ["DNA", "actin", None]
    assert channels[2].window.end > 1.5 * channels[0].window.end
    assert validate(tmp_path / "a").valid


def test_images_of_others_grow_by_a_method_that_is_said(tmp_path: Path) -> None:
    place = tmp_path / "image.zarr"
    group = zarr.open_group(place, mode="w", zarr_format=2)
    big = STACK[:2].astype(">u2")
    for path, data in (("a", big), ("b", big[..., :20:2, :24:2])):
        group.create_array(
            path, data=data, chunks=(2, 1, 7, 7), chunk_key_encoding={"name": "v2", "separator": "/"}, order="F"
        )
    steps = [[{"type": "scale", "scale": [1, 1, f, f]}] for f in (1, 2)]
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space"} for name in "yx"]
    datasets = [{"path": path, "coordinateTransformations": step} for path, step in zip("ab", steps, strict=True)]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets, "type": "gaussian"}]
    with pytest.raises(MethodError, match="method="):
        append_image(STACK[2:], place)
    with pytest.raises(StoreError, match=r"not what 'local_mean' makes .* near the end of t"):
        append_image(STACK[2:], place, method="local_mean")
    append_image(STACK[2:], place, method="nearest")
    images = open_image(place).images
    np.testing.assert_array_equal(images[0].data, STACK)
    np.testing.assert_array_equal(images[1].data, STACK[..., ::2, ::2])


@pytest.mark.parametrize(
    ("call", "error"),
    [
        pytest.param(lambda place: append_image(STACK, place, "x"), AxesError, id="plane"),
        pytest.param(lambda place: append_image(STACK, place, "z"), AxesError, id="axis"),
        pytest.param(lambda place: append_image(STACK[:, :1], place), InputError, id="shape"),
        pytest.param(lambda place: append_image(STACK.astype("u1"), place), InputError, id="dtype"),
        pytest.param(lambda place: append_image(STACK, place, resume=True), StoreError, id="nothing-to-resume"),
        pytest.param(lambda place: append_image(zarr.open_array(place / "0"), place), StoreError, id="itself"),
        pytest.param(lambda place: append_image(STACK, place, method="zom"), MethodError, id="method"),
    ],
)
def test_an_addition_that_cannot_be_is_refused(tmp_path: Path, call: Callable[[Path], None], error: type) -> None:
    write_image(STACK, tmp_path / "a", **WORDS)
    before = files(tmp_path)
    with pytest.raises(error):
        call(tmp_path / "a")
    assert files(tmp_path) == before


DEEPER: dict[str, Any] = {
    "axes": "zyx", "chunks": (2, 4, 4), "method": "gaussian", "omero": False,
    "scale_factors": [{"z": 2, "y": 2, "x": 2}, {"z": 4, "y": 4, "x": 4}],
}  # fmt: skip
VOLUME = RNG.integers(1, 4000, (11, 6, 6), dtype="uint16")


@pytest.mark.parametrize(
    ("fmt", "way"),
    [
        pytest.param("0.4", "on", id="on"),
        pytest.param("0.5", "back", id="back"),
        pytest.param("0.5", "on", marks=pytest.mark.slow, id="on-v3"),
    ],
)
def test_a_downsampled_axis_grows_killed_at_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, fmt: str
) -> None:
    place, marked = tmp_path / "a", 0
    write_image(VOLUME[:7], place, fmt=fmt, **DEEPER)
    with warnings.catch_warnings(action="ignore"):
        zarr.consolidate_metadata(place)
    before, wanted = image_of(place), written(tmp_path / "whole", VOLUME, fmt=fmt, **DEEPER)
    with killed_at(10**9, monkeypatch) as steps:
        append_image(VOLUME[7:], place, "z")
    assert image_of(place) == wanted
    undo(place)
    for step in (0, *np.random.default_rng(3).integers(1, steps[0], 4).tolist()):
        with killed_at(step, monkeypatch), suppress(Killed):
            append_image(VOLUME[7:], place, "z")
        begun = "incomplete" in attributes(place).get("ome_ngff", {})
        if begun:
            marked += 1
            with pytest.raises(IncompleteError, match=r"being changed .the extension of z 7:11.*resume=True"):
                open_image(place)
            for words in ({}, {"resume": True}):
                with pytest.raises(IncompleteError, match="was interrupted; finish that first"):
                    append_image(VOLUME[8:], place, "z", **words)
        if way == "on":
            append_image(VOLUME[7:], place, "z", resume=begun)
            assert image_of(place) == wanted
        with suppress(MissingError) if way == "back" else nullcontext():  # where nothing had changed yet
            undo(place)
        assert [key for key in {*image_of(place)} ^ {*before} if "zmetadata" not in key] == []
        assert all(image_of(place)[key] == before[key] for key in image_of(place) if key != "zarr.json")
    assert marked > 1


def test_what_goes_on_with_other_pixels_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(VOLUME[:7], tmp_path / "a", **DEEPER)
    with killed_at(9, monkeypatch), pytest.raises(Killed):
        append_image(VOLUME[7:], tmp_path / "a", "z")
    with pytest.raises(StoreError, match="are not these pixels"):
        append_image(VOLUME[7:] + 1, tmp_path / "a", "z", resume=True)
    assert image_of(tmp_path / "a") == written(tmp_path / "whole", VOLUME, **DEEPER)


@pytest.mark.parametrize(
    ("other", "axis"), [pytest.param(STACK[3:], "t", id="length"), pytest.param(STACK[:2, :1], "c", id="axis")]
)
def test_no_addition_goes_on_as_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: Any, axis: str) -> None:
    place = tmp_path / "a"
    write_image(STACK[:2], place, **WORDS)
    with killed_at(6, monkeypatch), pytest.raises(Killed):
        append_image(STACK[2:], place)
    before = files(place)
    with pytest.raises(StoreError, match=r"another addition, or a stream: .*'added': 3"):
        append_image(other, place, axis, resume=True)
    assert files(place) == before
    append_image(STACK[2:], place, resume=True)
    np.testing.assert_array_equal(pixels(place)[0], STACK)


@pytest.mark.parametrize("deep", [1, 2])
def test_an_addition_is_undone_unless_its_end_was_changed(tmp_path: Path, deep: int) -> None:
    place, words = tmp_path / "a", {**WORDS, "chunks": {"t": deep, "y": 8, "x": 8}}
    write_image(STACK[:3], place, **words)
    append_image(STACK[3:], place)
    chunk = place / "0" / "c" / str(4 // deep) / "0" / "0" / "0"
    whole = files(place)
    os.utime(chunk, (1, 1))
    with pytest.raises(StoreError, match="was changed after the extension of t 3:5"):
        undo(place)
    append_image(STACK[:1], place)
    assert undo(place) == "the extension of t 5:6"
    assert image_of(place) == {key: content for key, content in whole.items() if ".ome_ngff/" not in key}


def test_an_addition_too_large_to_be_undone_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a"
    write_image(STACK[:2], place, **WORDS)
    append_image(STACK[2:3], place)
    with zipfile.ZipFile(place / ".ome_ngff" / "undo.zip") as record, monkeypatch.context() as small:
        small.setattr(change, "_MOST", sum(entry.file_size for entry in record.infolist()) + 50)
        with pytest.warns(UserWarning, match="The extension of t 3:5 is done, but cannot be undone: .*more than"):
            append_image(STACK[3:], place)
    whole = image_of(place)
    assert np.array_equal(np.asarray(open_image(place).images[0].data), STACK)
    with pytest.raises(StoreError, match=r"cannot be what it was before the extension of t 3:5: .* more than"):
        undo(place)
    append_image(STACK[:1], place)
    assert undo(place) == "the extension of t 5:6"
    assert image_of(place) == whole


def test_a_change_of_labels_outlasts_a_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, labels = tmp_path / "a", (STACK % 5).astype("uint16")
    write_image(STACK, place, **WORDS)
    write_labels(labels, place, "cells")
    stream = stream_image(place, (None, 2, 20, 24), "uint16", resume=True, **WORDS)
    with killed_at(6, monkeypatch), pytest.raises(Killed):
        update_labels(labels + 1, place, "cells")
    stream.close()
    update_labels(labels + 1, place, "cells", resume=True)
    np.testing.assert_array_equal(pixels(place / "labels" / "cells")[0], labels + 1)


@pytest.mark.parametrize("in_folder", [True, False], ids=["folder", "memory"])
def test_whoever_resumes_a_stream_takes_it_over(tmp_path: Path, in_folder: bool) -> None:
    grown: Any = tmp_path / "grown" if in_folder else {}
    older = stream_image(grown, (None, 2, 20, 24), "uint16", **WORDS)
    older.append(STACK[0])
    older.flush()
    newer = stream_image(grown, (None, 2, 20, 24), "uint16", resume=True, **WORDS)
    assert not in_folder or len([*(grown / ".ome_ngff").glob("held-*")]) == 1
    older.append(STACK[4])
    with pytest.raises(TakenOverError):
        older.close()
    for frame in STACK[1:]:
        newer.append(frame)
    newer.close()
    assert files(grown) == written(tmp_path / "whole", STACK, **WORDS)


def test_a_stream_spares_what_was_written_while_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, real, others = tmp_path / "image.zarr", growing.locked, [STACK[:2]]

    def late(target: Any) -> Any:
        if others:
            write_image(others.pop(), place, **WORDS)
        return real(target)

    monkeypatch.setattr(growing, "locked", late)
    with pytest.raises(ExistsError):
        stream_image(place, (None, 2, 20, 24), "uint16", **WORDS)
    np.testing.assert_array_equal(pixels(place)[0], STACK[:2])


def test_an_addition_spares_what_was_written_while_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, real = tmp_path / "image.zarr", appending.locked
    write_image(STACK, place, **WORDS)

    def late(target: Any) -> Any:
        write_image(STACK[:2], place, overwrite=True, **WORDS, name="another")
        return real(target)

    monkeypatch.setattr(appending, "locked", late)
    with pytest.raises(StoreError, match="changed by another process meanwhile"):
        append_image(STACK, place)
    np.testing.assert_array_equal(pixels(place)[0], STACK[:2])


def test_a_stream_replaces_an_image_with_its_labels(tmp_path: Path) -> None:
    place = tmp_path / "image.zarr"
    write_image(STACK, place, **WORDS, fmt="0.5")
    write_labels((STACK % 5).astype("uint32"), place, "cells")
    before = files(place)
    with pytest.raises(ExistsError):
        stream_image(place, (None, 2, 20, 24), "uint16", **WORDS)
    with pytest.raises(StoreError, match="ZIP"):
        stream_image(tmp_path / "image.zip", (None, 2, 20, 24), "uint16", **WORDS)
    assert files(place) == before
    (place / "frames.jsonl").write_text("theirs")
    with pytest.raises(ExistsError, match=r"frames\.jsonl, where what is said of frames would be"):
        stream_image(place, (None, 2, 20, 24), "uint16", overwrite=True, **WORDS)
    (place / "frames.jsonl").unlink()
    assert files(place) == before
    with stream_image(place, (None, 2, 20, 24), "uint16", overwrite=True, **WORDS) as stream:
        stream.append(STACK[0])
    assert files(place) == written(tmp_path / "whole", STACK[:1], **WORDS)


def test_a_stream_in_an_object_store_grows_and_goes_on(bucket: str) -> None:
    place, words = f"{bucket}/grown.zarr", {**WORDS, "chunks": {"t": 2, "y": 8, "x": 8}}
    for start, stop in ((0, 3), (3, 5)):
        with stream_image(place, (None, 2, 20, 24), "uint16", resume=True, **words) as stream:
            for n, frame in enumerate(STACK[start:stop], start=start + 1):
                stream.append(frame, stage=n)
                stream.flush()
                assert [len(image.data) for image in open_image(place).images] == [n] * 3
    append_image(STACK, place)
    np.testing.assert_array_equal(open_image(place).images[0].data, np.concatenate([STACK, STACK]))
    assert validate(place).valid


def test_info_says_that_an_image_is_being_added_to() -> None:
    grown: dict[str, Any] = {}
    with stream_image(grown, (None, 2, 20, 24), "uint16", **WORDS) as stream:
        stream.append(STACK[0])
        stream.flush()
        image = describe_store(grown).images[0]
        assert image.complete
        assert "being added to" in image.notes[0]


# Kills ----------------------------------------------------------------------------------------------------------------


class Dying(MemoryStore):
    """End with the process after so many changes: nothing gets into it any more."""

    left = 10**9

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError("the process is dead")

    async def set(self, *args: Any, **words: Any) -> None:
        self.step()
        await super().set(*args, **words)

    async def set_if_not_exists(self, *args: Any, **words: Any) -> None:
        self.step()
        await super().set_if_not_exists(*args, **words)

    async def delete(self, *args: Any) -> None:
        self.step()
        await super().delete(*args)

    async def delete_dir(self, *args: Any) -> None:
        self.step()
        await super().delete_dir(*args)


KILLED = {"chunks": {"t": 2, "c": 1, "y": 16, "x": 16}, "axes": "tcyx", "scale_factors": [2], "method": "mode"}
SHORT = STACK[:3, :, :16, :16]


def streamed(store: Any, *, resume: bool = False, stop: int = 3) -> None:
    """Stream what is missing of a short stack, frame by frame."""
    with stream_image(store, (None, 2, 16, 16), "uint16", resume=resume, **KILLED) as stream:
        for frame in SHORT[stream.shape[0] : stop].reshape(-1, 16, 16):
            stream.append(frame, stage=1)
            stream.flush()


def appended(store: Any, *, resume: bool = False) -> None:
    """Add the end of a short stack to its beginning."""
    append_image(SHORT[1:], store, resume=resume)


def refuse_ahead(store: dict[str, Any]) -> None:
    """Fail where level 0 is longer than another level: others would look for pixels there."""
    first, second = (zarr.open_array(MemoryStore(store), path=k, mode="r").shape[0] for k in "01")
    assert first <= second


def steps_of(work: Callable[[Any], None], before: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what is left by a process that dies after each of its changes."""
    whole = Dying(dict(before))
    work(whole)
    for left in range(10**9 - whole.left):
        store = Dying(dict(before))
        store.left = left
        try:
            work(store)  # with fewer changes, perhaps, where some were made at once
        except OSError as error:
            if "dead" not in str(error):
                raise
        yield store._store_dict  # type: ignore[misc]


def test_a_stream_killed_anywhere_is_readable_and_resumes() -> None:
    shorter: list[dict[str, Any]] = [{} for _ in range(4)]
    for stop in (1, 2, 3):
        streamed(shorter[stop], stop=stop)
    whole = shorter[3]
    for left in steps_of(streamed, {}):
        try:
            images = open_image(left).images
            n = images[0].data.shape[0]
            np.testing.assert_array_equal(images[0].data, SHORT[:n])
            np.testing.assert_array_equal(images[1].data, level(whole, 1)[:n])
            refuse_ahead(left)
            if n:
                ended = dict(left)
                streamed(ended, resume=True, stop=n)
                assert files(ended) == files(shorter[n])
        except NgffError:
            assert not any(key.startswith(("0/c", "1/c")) for key in left)
        streamed(left, resume=True)
        assert files(left) == files(whole)


def test_an_addition_killed_anywhere_is_readable_and_resumes() -> None:
    begun: dict[str, Any] = {}
    whole: dict[str, Any] = {}
    write_image(SHORT[:1], begun, **{**KILLED, "chunks": {"t": 1, "c": 1, "y": 16, "x": 16}})
    whole.update(begun)
    start = files(begun)
    appended(whole)
    for left in steps_of(appended, begun):
        images = open_image(left).images
        n = images[0].data.shape[0]
        np.testing.assert_array_equal(images[0].data, SHORT[:n])
        np.testing.assert_array_equal(images[1].data, level(whole, 1)[:n])
        refuse_ahead(left)
        marked = "incomplete" in attributes(left).get("ome_ngff", {})
        if marked or n == 1:
            appended(left, resume=marked)
        assert image_of(left) == image_of(whole)
        undo(left)
        assert files(left) == start


# Readers meanwhile ----------------------------------------------------------------------------------------------------

HELD = {**WORDS, "chunks": {"t": 4, "c": 1, "y": 8, "x": 8}}


def frame_of(t: int) -> np.ndarray:
    """Return the frames of a time point, none of which is like another."""
    return STACK[t % 5] + np.uint16(t)


def look(place: Path) -> int:
    """Read an image that is growing, as we and as others do, and return how long it is."""
    images = open_image(place).images
    n = len(images[0].data)
    assert [len(image.data) for image in images] == [n] * 3
    if n:
        np.testing.assert_array_equal(images[0].data[n - 1], frame_of(n - 1))
        wanted = np.rint(local_mean(frame_of(n - 1), (1, 2, 2)))
        np.testing.assert_array_equal(images[1].data[n - 1], wanted)
        group = zarr.open_group(place, mode="r")
        levels = [group[str(k)] for k in range(3)]
        m = levels[0].shape[0]
        np.testing.assert_array_equal(levels[0][m - 1], frame_of(m - 1))
        assert levels[2][n - 1].any()
    return n


@pytest.mark.slow
def test_readers_never_see_what_is_half_done(tmp_path: Path) -> None:
    place, seen = tmp_path / "image.zarr", [0]
    failed: list[BaseException] = []
    begun, ended = threading.Event(), threading.Event()

    def watch() -> None:
        try:
            begun.wait(60)
            while not ended.is_set():
                seen.append(look(place))
        except BaseException as error:
            failed.append(error)

    watching = threading.Thread(target=watch)
    watching.start()
    with stream_image(place, (None, 2, 20, 24), "uint16", **HELD) as stream:
        begun.set()
        for t in range(40):
            stream.append(frame_of(t))
            if t % 3:
                stream.flush()
    write_image(STACK, tmp_path / "other", **WORDS)  # another moment
    ended.set()
    watching.join(60)
    assert not failed
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    assert look(place) == 40


SCRIPT = """
import sys
import time
import numpy as np
from test_growing import HELD, frame_of
from ome_ngff import stream_image

with stream_image(sys.argv[1], (None, 2, 20, 24), "uint16", resume=True, **HELD) as stream:
    print("begun", flush=True)
    for t in range(stream.shape[0], 10**6):
        stream.append(frame_of(t), time=t)
        time.sleep(0.02)  # as a camera does
"""


@pytest.mark.slow
def test_a_stream_that_is_killed_loses_nothing_that_was_seen(tmp_path: Path) -> None:
    place, least = tmp_path / "image.zarr", 0
    for more in (0, 3, 6):
        killed = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(place)], cwd=Path(__file__).parent, stdout=subprocess.PIPE
        )
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"begun\n"
        while (seen := look(place)) < least + more:
            assert killed.poll() is None
        killed.kill()
        killed.communicate()
        assert least <= seen <= look(place)
        least = look(place)
    with stream_image(place, (None, 2, 20, 24), "uint16", resume=True, **HELD) as stream:
        stream.append(frame_of(least))
    stack = np.stack([frame_of(t) for t in range(least + 1)])
    kept = {name: content for name, content in files(place).items() if name not in ("frames.jsonl", "zarr.json")}
    assert kept == {k: v for k, v in written(tmp_path / "whole", stack, **HELD).items() if k != "zarr.json"}
    said = [json.loads(line)["t"] for line in (place / "frames.jsonl").read_text().splitlines()]
    assert said == list(range(least))
