"""label_properties: what is measured block by block is what scikit-image measures on the whole."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import data, filters, measure

from ome_ngff import (
    NgffImage,
    label_properties,
    open_image,
    to_multiscales,
    to_ngff_image,
    write_image,
    write_labels,
)
from ome_ngff.engine import scan
from ome_ngff.exceptions import AxesError, LabelError, ScaleError
from ome_ngff.image import regions
from ome_ngff.pixels.boxes import cut_blocks
from ome_ngff.samples import SAMPLES

AXES = {2: "yx", 3: "zyx", 5: "tczyx"}


def by_skimage(labels: Any, axes: str, scale: dict[str, float], translation: dict[str, float]) -> list[dict[str, Any]]:
    """Measure whole labels with scikit-image; values that it does not take are numbered first."""
    values, numbers = np.unique(np.append(labels, np.zeros(1, labels.dtype)), return_inverse=True)
    zero = int(np.flatnonzero(values == 0)[0])
    order = np.concatenate([[zero], np.delete(np.arange(len(values)), zero)])
    rank = np.empty(len(values), np.int64)
    rank[order] = np.arange(len(values))
    found = []
    for region in measure.regionprops(rank[numbers[:-1]].reshape(labels.shape)):
        document: dict[str, Any] = {"label-value": int(values[order[region.label]]), "area": int(region.num_pixels)}
        for name, mean in zip(axes, region.centroid, strict=True):
            document[f"centroid-{name}"] = translation.get(name, 0) + scale.get(name, 1) * float(mean)
        for i, side in enumerate(("start", "stop")):
            corner = region.bbox[i * len(axes) :][: len(axes)]
            document |= {f"bbox-{side}-{name}": int(at) for name, at in zip(axes, corner, strict=True)}
        found.append(document)
    return sorted(found, key=lambda document: document["label-value"])


def assert_same(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    """Compare integers exactly, means to the last bits; sizes in space are checked by tests of their own."""
    assert [d["label-value"] for d in ours] == [d["label-value"] for d in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.keys() - {"physical-area", "physical-volume"} == other.keys()
        for key, value in other.items():
            assert mine[key] == (pytest.approx(value, rel=1e-12, abs=1e-12) if key.startswith("centroid") else value)


@pytest.fixture(scope="module")
def blobs() -> np.ndarray[Any, Any]:
    """Return a volume of blobs that touch, numbered by plane halves so that neighbours have other numbers."""
    mask = np.stack([data.binary_blobs(72, rng=seed // 4, volume_fraction=0.4) for seed in range(12)])
    labels = measure.label(mask).astype(np.uint32)
    labels[:, :, 36:][labels[:, :, 36:] > 0] += 1000
    return labels


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_real_segmentations_measure_as_in_skimage(name: str) -> None:
    labels = SAMPLES[name]().labels
    scale, translation = {"y": 0.107, "x": 0.3}, {"y": -12.5, "x": 1e4}
    found = label_properties(labels, scale=scale, translation=translation)
    assert len(found) == len(np.unique(labels)) - 1 > 0
    assert_same(found, by_skimage(labels, "yx", scale, translation))


def test_labels_that_touch_in_a_real_picture_measure_as_in_skimage() -> None:
    picture = data.coins()
    labels = np.digitize(filters.gaussian(picture, 3), np.linspace(0, 1, 12)).astype(np.uint8)
    assert_same(label_properties(labels), by_skimage(labels, "yx", {}, {}))


@pytest.mark.parametrize(
    "chunks", [(12, 72, 72), (1, 72, 72), (5, 7, 72), (4, 16, 16), (12, 1, 9), (3, 71, 1)], ids=str
)
def test_objects_are_put_together_from_any_blocks(blobs: np.ndarray[Any, Any], chunks: tuple[int, ...]) -> None:
    lazy = da.from_array(blobs, chunks=chunks).map_blocks(np.array)
    assert label_properties(lazy, "zyx") == label_properties(blobs, "zyx")


@pytest.mark.parametrize(("task", "slab"), [(1, 1), (100, 7), (10**5, 1000), (10**9, 10**9)])
def test_the_size_of_a_task_does_not_matter(
    blobs: np.ndarray[Any, Any], monkeypatch: pytest.MonkeyPatch, task: int, slab: int
) -> None:
    part = blobs[:2, :9, 28:50]
    expected = by_skimage(part, "zyx", {}, {})
    monkeypatch.setattr(scan, "TASK_BYTES", task)
    monkeypatch.setattr(regions, "SLAB_PIXELS", slab)
    assert_same(label_properties(part, "zyx"), expected)


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int8, np.uint16, np.int32, np.uint64, np.int64]),
        hnp.array_shapes(min_dims=2, max_dims=3, max_side=6),
        elements=st.integers(0, 3),
    ),
    st.data(),
)
def test_any_array_in_any_blocks_measures_as_in_skimage(labels: np.ndarray[Any, Any], draw: st.DataObject) -> None:
    limits = np.iinfo(labels.dtype)
    values = draw.draw(st.lists(st.integers(limits.min, limits.max).filter(bool), min_size=3, max_size=3, unique=True))
    labels = np.array([0, *values], labels.dtype)[labels.astype(int)]
    axes = AXES[labels.ndim]
    scale = dict.fromkeys(axes, draw.draw(st.floats(1e-6, 1e6)))
    expected = by_skimage(labels, axes, scale, {})
    chunks = tuple(draw.draw(st.integers(1, n)) for n in labels.shape)
    assert_same(label_properties(labels, axes, scale), expected)
    lazy = da.from_array(labels, chunks=chunks).map_blocks(np.array)
    assert_same(label_properties(lazy, axes, scale), expected)


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        pytest.param(np.uint64, [2**53 + 1, 2**53 + 2, 2**64 - 1], id="uint64"),
        pytest.param(np.int64, [-(2**63), -(2**53) - 1, 2**63 - 1], id="int64"),
        pytest.param(np.int8, [-128, -1, 127], id="int8"),
    ],
)
def test_ids_keep_every_bit_and_sign(dtype: Any, values: list[int]) -> None:
    labels = np.array([[0, values[0], values[1]], [values[2], values[0], 0]], dtype)
    found = label_properties(labels)
    assert [(d["label-value"], d["area"]) for d in found] == list(zip(values, [2, 1, 1], strict=True))
    assert json.loads(json.dumps(found)) == found


def test_what_is_returned_are_flat_plain_numbers() -> None:
    (found,) = label_properties(np.ones((2, 2), bool), scale=(1, 1))
    assert {type(value) for value in found.values()} == {int, float}
    assert json.loads(json.dumps(found)) == found


def test_sums_too_large_for_int64_are_exact(blobs: np.ndarray[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = label_properties(blobs, "zyx")
    monkeypatch.setattr(regions, "EXACT", 1)
    assert label_properties(blobs, "zyx") == expected
    far = regions.Regions.of_block(np.ones((2, 3), int), (2**62, 2**62), object)
    assert regions.Regions.joined([far, far]).sums.tolist() == [[12 * 2**62 + 6], [12 * 2**62 + 12]]


@pytest.mark.parametrize(
    ("length", "kind"),
    [
        pytest.param(2**31, np.int64, id="below-the-limit"),
        pytest.param(2**32, object, id="few-pixels-with-large-coordinates"),
    ],
)
def test_sums_are_kept_in_what_holds_the_largest(monkeypatch: pytest.MonkeyPatch, length: int, kind: Any) -> None:
    def ends(source: Any, look: Any, join: Any) -> regions.Regions:
        """Look at the first two pixels and the last two of what would take minutes."""
        boxes = [((0, 1), (0, 2)), ((0, 1), (length - 2, length))]
        found: regions.Regions = join([look(np.ones((1, 2), "uint8"), box) for box in boxes])
        assert found.sums.dtype == kind
        return found

    monkeypatch.setattr(regions, "over_blocks", ends)
    (found,) = label_properties(np.broadcast_to(np.uint8(1), (1, length)), "yx")
    assert (found["area"], found["centroid-x"]) == (4, (length - 1) / 2)


@pytest.mark.parametrize("ndim", [2, 3, 5])
def test_an_empty_mask_has_no_labels(ndim: int) -> None:
    assert label_properties(da.zeros((3,) * ndim, dtype=np.uint16, chunks=2), AXES[ndim]) == []


def test_an_object_in_several_time_points_and_channels_is_one() -> None:
    labels = np.zeros((4, 2, 3, 3), np.uint8)
    labels[1, 0, 0, 0] = labels[3, 1, 2, 2] = 9
    (found,) = label_properties(labels, "tcyx", {"t": 10, "y": 0.5})
    assert (found["area"], found["physical-area"], found["centroid-t"], found["centroid-y"]) == (2, 1.0, 20.0, 0.5)
    assert [found[f"bbox-start-{a}"] for a in "tcyx"] == [1, 0, 0, 0]
    assert [found[f"bbox-stop-{a}"] for a in "tcyx"] == [4, 2, 3, 3]


def test_five_axes_measure_as_a_loop_does(blobs: np.ndarray[Any, Any]) -> None:
    labels = blobs[:, 30:42].reshape(2, 3, 2, 12, 72) % 7
    for found in label_properties(da.from_array(labels, chunks=(2, 1, 1, 5, 40)).map_blocks(np.array)):
        where = np.argwhere(labels == found["label-value"])
        assert found["area"] == len(where)
        assert [found[f"centroid-{a}"] for a in "tczyx"] == pytest.approx(where.mean(0).tolist(), rel=1e-12)
        assert [found[f"bbox-start-{a}"] for a in "tczyx"] == where.min(0).tolist()
        assert [found[f"bbox-stop-{a}"] for a in "tczyx"] == (where.max(0) + 1).tolist()


@pytest.mark.parametrize("axes", ["yx", "zyx"])
def test_sizes_in_space_are_those_of_skimage(blobs: np.ndarray[Any, Any], axes: str) -> None:
    labels = blobs[0] if axes == "yx" else blobs
    spacing = (2.5, 0.3, 0.7)[-len(axes) :]
    key = {"yx": "physical-area", "zyx": "physical-volume"}[axes]
    found = [d[key] for d in label_properties(labels, axes, spacing)]
    assert found == pytest.approx([r.area for r in measure.regionprops(labels, spacing=spacing)], rel=1e-12)
    assert not {"physical-area", "physical-volume"} & label_properties(labels, axes)[0].keys()


# Sources -----------------------------------------------------------------------------------------------------------


def test_arrays_of_every_kind_measure_alike(blobs: np.ndarray[Any, Any], tmp_path: Path) -> None:
    np.save(tmp_path / "blobs.npy", blobs)
    stored = zarr.create_array(tmp_path / "blobs.zarr", data=blobs, chunks=(5, 30, 30))
    sharded = zarr.create_array(tmp_path / "shards.zarr", data=blobs, chunks=(4, 18, 18), shards=(8, 36, 72))
    expected = by_skimage(blobs, "zyx", {}, {})
    with h5py.File(tmp_path / "blobs.h5", "w") as file:
        sources = [
            stored,
            sharded,
            np.load(tmp_path / "blobs.npy", mmap_mode="r"),
            file.create_dataset("whole", data=blobs),
            file.create_dataset("chunked", data=blobs, chunks=(3, 40, 40)),
            blobs.astype(">u4"),
            np.asfortranarray(blobs),
            da.from_array(stored, chunks=(6, 72, 10)).rechunk((5, 9, 72)),
        ]
        for source in sources:
            assert_same(label_properties(source, "zyx"), expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of fork
def test_tasks_can_run_in_other_processes(blobs: np.ndarray[Any, Any], tmp_path: Path) -> None:
    np.save(tmp_path / "blobs.npy", blobs)
    mapped = np.load(tmp_path / "blobs.npy", mmap_mode="r")
    with dask.config.set(scheduler="processes", num_workers=1):
        assert label_properties(mapped, "zyx") == label_properties(blobs, "zyx")


def test_an_image_knows_where_its_labels_lie(tmp_path: Path) -> None:
    labels = SAMPLES["coins"]().labels
    scale, translation = {"y": 0.5, "x": 0.25}, {"y": 100.0, "x": -3.0}
    expected = by_skimage(labels, "yx", scale, translation)
    image = to_ngff_image(labels, "yx", scale, translation)
    assert_same(label_properties(image), expected)
    assert_same(label_properties(to_multiscales(image, [2], method="mode")), expected)
    write_image(labels, tmp_path / "image.zarr", [2], axes="yx", scale=scale, translation=translation, method="mode")
    write_labels(labels, tmp_path / "image.zarr", "coins")
    assert_same(label_properties(open_image(tmp_path / "image.zarr").labels["coins"]), expected)


def test_what_is_said_wins_over_what_the_image_knows() -> None:
    image = NgffImage(np.ones((3, 5), np.uint8), ("y", "x"), {"y": 2, "x": 3}, {"y": 7})
    (found,) = label_properties(image, scale={"x": 10}, translation=[0, 1])
    assert (found["centroid-y"], found["centroid-x"]) == (2.0, 21.0)


def test_properties_are_what_write_labels_takes(tmp_path: Path) -> None:
    cell = SAMPLES["cell"]()
    write_image(cell.image.data, tmp_path / "cell.zarr", scale=(0.1, 0.1))
    properties = label_properties(cell.labels, scale=(0.1, 0.1))
    write_labels(cell.labels, tmp_path / "cell.zarr", "cell", properties=properties, check=True)
    found = open_image(tmp_path / "cell.zarr").labels["cell"]
    assert (found.image_label or {})["properties"] == properties == label_properties(found)


def test_an_empty_mask_is_written_without_properties(tmp_path: Path) -> None:
    mask = np.zeros((9, 9), np.uint8)
    write_image(mask, tmp_path)
    write_labels(mask, tmp_path, "empty", properties=label_properties(mask), check=True)
    assert "properties" not in (open_image(tmp_path / "labels/empty").image_label or {})


# Refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "words", "error", "says"),
    [
        pytest.param(np.zeros((2, 2)), {}, LabelError, "integers", id="floats"),
        pytest.param(np.zeros((2, 2, 2), int), {}, AxesError, "cannot be guessed", id="axes unknown"),
        pytest.param(np.zeros((2, 2), int), {"axes": "zyx"}, AxesError, "3 dimensions", id="axes too many"),
        pytest.param(np.zeros((2, 2), int), {"scale": {"z": 1}}, AxesError, "scale names", id="axis unknown"),
        pytest.param(np.zeros((2, 2), int), {"scale": (1, 0)}, ScaleError, "above zero", id="scale of zero"),
    ],
)
def test_what_cannot_be_measured_is_refused(labels: Any, words: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        label_properties(labels, **words)


@given(
    st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=6), min_size=2, max_size=4),
    st.integers(1, 500),
)
def test_boxes_cover_each_pixel_once_and_keep_to_their_size(lengths: list[list[int]], most: int) -> None:
    shape = [sum(along) for along in lengths]
    seen = np.zeros(shape, int)
    one_block = np.prod([max(along) for along in lengths])
    edges = [set(itertools.accumulate(along, initial=0)) for along in lengths]
    for box in cut_blocks(lengths, most):
        part = seen[tuple(slice(low, high) for low, high in box)]
        part += 1
        assert part.size <= max(most, one_block)
        assert all({low, high} <= allowed for (low, high), allowed in zip(box, edges, strict=True))
    assert (seen == 1).all()
