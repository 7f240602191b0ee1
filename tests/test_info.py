"""`describe_store` says what Zarr and the disk say, whoever wrote the store and however broken it is."""

from __future__ import annotations

import functools
import http.server
import json
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from helpers import InUnits
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from ome_ngff import (
    MissingError,
    StoreError,
    config,
    write_image,
    write_labels,
    write_plate_metadata,
    write_well_metadata,
)
from ome_ngff.cli import main
from ome_ngff.format import Format
from ome_ngff.read.describe import describe_store

IMAGE = np.arange(2 * 40 * 60, dtype="uint16").reshape(2, 40, 60)
KNOWN: dict[str, Any] = {
    "axes": "cyx",
    "scale": {"y": 0.5, "x": 0.25},
    "axes_units": {"y": "micrometer", "x": "micrometer"},
    "scale_factors": [2],
    "chunks": 32,
}


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_an_image_is_described_by_axes_levels_and_labels(tmp_path: Path, any_format: Format) -> None:
    place = tmp_path / "cells.ome.zarr"
    shown = {"window": {"min": 0, "max": 65535, "start": 3, "end": 900}}
    omero = {"channels": [{"label": "DAPI", "color": "0000FF", **shown}, {"color": "00FF00", **shown}]}
    write_image(IMAGE, place, fmt=any_format, name="cells", omero=omero, compression="zstd:5", **KNOWN)
    write_labels(IMAGE[0] // 500, place, "nuclei", axes="yx", scale_factors=[2])
    found = describe_store(place)
    assert (found.kind, found.version, found.zarr_format) == ("image", any_format.version, any_format.zarr_format)
    assert found.complete
    (image,) = found.images
    assert (image.name, image.method, image.notes) == ("cells", "resize", ())
    assert [(a.name, a.type, a.unit, a.size, a.pixel, a.extent) for a in image.axes] == [
        ("c", "channel", None, 2, 1.0, None),
        ("y", "space", "micrometer", 40, 0.5, 20.0),
        ("x", "space", "micrometer", 60, 0.25, 15.0),
    ]
    assert [(level.shape, level.dtype, level.codec) for level in image.levels] == [
        ((2, 40, 60), "uint16", "zstd:5"),
        ((2, 20, 30), "uint16", "zstd:5"),
    ]
    for level in image.levels:
        array = zarr.open_array(place / level.path, mode="r")
        assert (level.chunks, level.bytes) == (array.chunks, array.nbytes)
        assert level.stored == on_disk(place / level.path)
        assert level.ratio == pytest.approx(array.nbytes / on_disk(place / level.path))
    assert (image.levels[1].scale, image.levels[1].translation) == ((1.0, 1.0, 0.5), (0.0, 0.25, 0.125))
    assert [(c.label, c.color, c.start, c.end) for c in image.channels] == [
        ("DAPI", "0000FF", 3, 900),
        (None, "00FF00", 3, 900),
    ]
    (labels,) = found.labels
    assert (labels.path, labels.name, labels.method, len(labels.levels)) == ("labels/nuclei", "nuclei", "mode", 2)


def test_shards_are_told_from_chunks(tmp_path: Path) -> None:
    write_image(np.zeros((64, 64), "uint8"), tmp_path / "a.zarr", chunks=16, shards=32, scale_factors=[])
    (level,) = describe_store(tmp_path / "a.zarr").images[0].levels
    assert (level.chunks, level.shards) == ((16, 16), (32, 32))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_bare_zarr_is_described_as_what_it_is(tmp_path: Path, zarr_format: Any) -> None:
    group = zarr.create_group(tmp_path / "bare", zarr_format=zarr_format)
    group.create_array("deep/pixels", shape=(5, 6), chunks=(2, 3), dtype=">i4")
    group.create_array("mask", shape=(7,), dtype="bool")
    found = describe_store(tmp_path / "bare")
    assert (found.kind, found.version, found.zarr_format, found.members) == ("group", None, zarr_format, ("deep",))
    assert [(array.path, array.shape, array.dtype) for array in found.arrays] == [("mask", (7,), "bool")]
    alone = describe_store(tmp_path / "bare" / "deep" / "pixels")
    assert (alone.kind, alone.arrays[0].shape, alone.arrays[0].chunks) == ("array", (5, 6), (2, 3))
    assert alone.arrays[0].stored == on_disk(tmp_path / "bare" / "deep" / "pixels")


def test_plates_wells_collections_and_label_groups_say_what_they_hold(tmp_path: Path, any_format: Format) -> None:
    write_plate_metadata(tmp_path / "plate", ["A"], ["1", "2"], ["A/1", "A/2"], any_format)
    write_well_metadata(tmp_path / "plate" / "A" / "1", ["0", "1"], any_format)
    with pytest.warns(UserWarning, match="no image"):
        write_labels(IMAGE, tmp_path / "image", "a/b", axes="cyx", scale_factors=[], fmt=any_format)
    series = any_format.wrap({"bioformats2raw.layout": 3})
    several = zarr.create_group(tmp_path / "several", zarr_format=any_format.zarr_format, attributes=series)
    several.create_group("0")
    several.create_group("OME")
    plate, well, labels, collection = (
        describe_store(tmp_path / name) for name in ("plate", "plate/A/1", "image/labels", "several")
    )
    assert (plate.kind, plate.version, plate.members) == ("plate", any_format.version, ("A/1", "A/2"))
    assert (well.kind, well.members) == ("well", ("0", "1"))
    assert (labels.kind, [label.path for label in labels.labels]) == ("labels", ["a/b"])
    assert (collection.kind, collection.members) == ("bioformats2raw", ("0",))
    assert describe_store(tmp_path / "image" / "labels" / "a" / "b").kind == "label image"


@pytest.mark.parametrize(("count", "more"), [(12, ""), (13, " and 1 more")])
def test_of_many_fields_the_first_are_named(tmp_path: Path, count: int, more: str) -> None:
    names = [str(i) for i in range(count)]
    write_well_metadata(tmp_path / "well", names)
    shown = CliRunner().invoke(main, ["info", str(tmp_path / "well")]).output
    assert f"{count} fields: {', '.join(names[:12])}{more}\n" in shown


def begin(write: Any, *args: Any, **words: Any) -> None:
    """Write eight planes in units of one, and stop after three."""

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with config.set(task_target=1, workers=1), pytest.raises(KeyboardInterrupt):
        write(np.ones((8, 64, 64), "uint8"), *args, axes="tyx", progress=InUnits(stop), **words)


def test_an_unfinished_image_says_so_and_what_it_will_be(tmp_path: Path, any_format: Format) -> None:
    place = tmp_path / "half.zarr"
    begin(write_image, place, name="half", fmt=any_format)
    found = describe_store(place)
    (image,) = found.images
    assert (found.kind, found.complete, image.complete, image.name) == ("image", False, False, "half")
    assert image.progress == (3, 8)
    assert [axis.name for axis in image.axes] == ["t", "y", "x"]
    assert found.to_dict()["complete"] is False


def test_an_unfinished_label_image_is_seen_from_its_image(tmp_path: Path) -> None:
    write_image(np.ones((8, 64, 64), "uint8"), tmp_path / "a.zarr", axes="tyx")
    begin(write_labels, tmp_path / "a.zarr", "half")
    found = describe_store(tmp_path / "a.zarr")
    assert [(label.path, label.complete) for label in found.labels] == [("labels/half", False)]
    assert found.images[0].complete
    assert not found.complete


def foreign(path: Path, multiscale: Any, zarr_format: Any = 2) -> Path:
    attributes = {"multiscales": [multiscale]}
    attributes = attributes if zarr_format == 2 else {"ome": {"version": "0.5", **attributes}}
    group = zarr.create_group(path, zarr_format=zarr_format, attributes=attributes)
    group.create_array("big", shape=(1, 2, 3, 4, 5), dtype="uint8")
    return path


@pytest.mark.parametrize(
    ("axes", "names"),
    [
        pytest.param({}, "tczyx", id="0.1-has-no-axes"),
        pytest.param({"axes": list("tczyx")}, "tczyx", id="0.3-has-names"),
    ],
)
def test_older_versions_are_understood(tmp_path: Path, axes: Any, names: str) -> None:
    multiscale = {"version": "0.1", "datasets": [{"path": "big"}], **axes}
    found = describe_store(foreign(tmp_path / "old", multiscale))
    assert found.version == "0.1"
    assert "".join(axis.name for axis in found.images[0].axes) == names
    assert [axis.size for axis in found.images[0].axes] == [1, 2, 3, 4, 5]
    assert found.images[0].levels[0].scale is None


def test_transformations_of_the_whole_image_are_applied_after_those_of_a_level(tmp_path: Path) -> None:
    inner = [{"type": "scale", "scale": [1, 1, 2, 2, 2]}, {"type": "translation", "translation": [0, 0, 1, 1, 1]}]
    outer = [{"type": "scale", "scale": [5, 1, 1, 10, 10]}]
    datasets = [{"path": "big", "coordinateTransformations": inner}]
    multiscale = {"axes": list("tczyx"), "datasets": datasets, "coordinateTransformations": outer}
    (level,) = describe_store(foreign(tmp_path / "outer", multiscale, 3)).images[0].levels
    assert level.scale == (5, 1, 2, 20, 20)
    assert level.translation == (0, 0, 1, 10, 10)


def test_what_is_missing_becomes_a_note(tmp_path: Path) -> None:
    multiscale = {"axes": ["y", "x"], "datasets": [{"path": "big"}, {"path": "small"}, {"path": "../../etc"}]}
    place = foreign(tmp_path / "broken", multiscale)
    labels = zarr.open_group(place, mode="a").create_group("labels", attributes={"labels": ["gone"]})
    assert labels.path == "labels"
    found = describe_store(place)
    notes = " ".join(found.images[0].notes)
    assert "'small' is missing" in notes
    assert "'../../etc'" in notes
    assert "do not describe an array of 5 dimensions" in notes
    assert found.labels[0].notes == ("The label image 'gone' is missing.",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PARTS = st.dictionaries(
    st.sampled_from("axes datasets coordinateTransformations path scale type name channels window wells".split()), JSON
)


@given(
    where=st.sampled_from(["multiscales", "omero", "labels", "plate", "well", "bioformats2raw.layout", "image-label"]),
    value=JSON | PARTS | st.lists(PARTS),
    mark=JSON,
    version=st.sampled_from([2, 3]),
)
def test_no_attributes_make_it_fail(where: str, value: Any, mark: Any, version: Any) -> None:
    document = {where: value, "multiscales": [{"datasets": [{"path": "a"}]}]} if where == "omero" else {where: value}
    whole = {"ome": document} if version == 3 else document
    store = MemoryStore()
    group = zarr.create_group(store, zarr_format=version)
    group.create_array("a", shape=(2, 2), dtype="uint8")
    for attributes in (whole, {"ome_ngff": mark}, {"ome_ngff": {"incomplete": {"cut": mark, "metadata": whole}}}):
        group.attrs.put(json.loads(json.dumps(attributes)))
        json.dumps(describe_store(store).to_dict())


def test_bytes_behind_a_link_are_not_those_of_a_level(tmp_path: Path) -> None:
    write_image(np.ones((8, 8), "u1"), tmp_path / "i", axes="yx", scale_factors=[])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "large").write_bytes(bytes(2**20))
    (tmp_path / "i" / "0" / "more").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    stored = describe_store(tmp_path / "i").images[0].levels[0].stored
    assert stored is not None
    assert stored < 2**20


def test_of_a_folder_whole_images_are_listed_and_none_of_their_parts(tmp_path: Path) -> None:
    for name in ("a.zarr", "day1/b.zarr", "day1/plane/c.zarr"):
        write_image(np.zeros((16, 20), "u1"), tmp_path / name, axes="yx", scale_factors=[2])
        write_labels(np.zeros((16, 20), "u1"), tmp_path / name, "cells")
    rows = CliRunner().invoke(main, ["info", str(tmp_path)]).output.splitlines()[3:]
    assert [row.split()[0] for row in rows] == ["a.zarr", "day1/b.zarr", "day1/plane/c.zarr"]


def test_a_zip_file_is_a_store_too(tmp_path: Path) -> None:
    write_image(IMAGE, tmp_path / "a.zarr", **KNOWN)
    with zipfile.ZipFile(tmp_path / "a.ozx", "w") as file:
        for path in sorted((tmp_path / "a.zarr").rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(tmp_path / "a.zarr"))
    packed, plain = describe_store(tmp_path / "a.ozx"), describe_store(tmp_path / "a.zarr")
    assert packed.images[0].levels == plain.images[0].levels


def test_bytes_are_counted_in_object_stores(bucket: str) -> None:
    write_image(IMAGE, f"{bucket}/a.zarr", **KNOWN)
    levels = describe_store(f"{bucket}/a.zarr").images[0].levels
    assert all(level.stored and level.stored < 2 * level.bytes for level in levels)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


def test_a_web_server_tells_everything_but_stored_bytes(tmp_path: Path) -> None:
    write_image(IMAGE, tmp_path / "a.zarr", **KNOWN)
    write_labels(IMAGE[0], tmp_path / "a.zarr", "b", axes="yx", scale_factors=[2])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/a.zarr"
        folder = str(Path(__file__).parent.parent)
        command = [sys.executable, "-m", "ome_ngff", "info", "--json", url]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
        server.shutdown()
    found = json.loads(done.stdout)
    assert [level["shape"] for level in found["images"][0]["levels"]] == [[2, 40, 60], [2, 20, 30]]
    assert [label["path"] for label in found["labels"]] == ["labels/b"]
    assert found["images"][0]["levels"][0]["stored"] is None


def test_nothing_there_and_nothing_readable_are_different_errors(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no Zarr group or array"):
        describe_store(tmp_path / "nothing.zarr")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "zarr.json").write_text('{"zarr_format": 3, "node_ty')
    with pytest.raises(StoreError, match="cannot be read"):
        describe_store(tmp_path / "cut")
