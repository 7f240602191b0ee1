"""The dask twins: the values of scikit-image and scipy on the whole array, the same bits for any chunks."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tracemalloc
import warnings
from fractions import Fraction
from itertools import product
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.ndimage
import skimage.transform
from hypothesis import given, settings
from hypothesis import strategies as st

from ome_ngff.dask_utils import downscale_nearest, local_mean, resize, zoom
from ome_ngff.exceptions import ChunkError, InputError, MethodError, ScaleError
from ome_ngff.pixels.weights import Interpolation, find_weights

RESIZE_MODES = ["constant", "edge", "symmetric", "reflect", "wrap"]
ZOOM_MODES = ["reflect", "grid-mirror", "constant", "grid-constant", "nearest", "mirror", "grid-wrap", "wrap"]
LONGEST = {1: 40, 2: 40, 3: 14, 4: 8}
TYPES = ["float64", "float32", "uint8", "uint16", "int16", "int32", ">u2", ">f4"]

laws = settings(max_examples=150, deadline=None)


def pixels(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return (rng.random(shape) * 200 - 50).astype(dtype)
    return (rng.integers(0, 200, shape) - 50 * (np.dtype(dtype).kind == "i")).astype(dtype)


@st.composite
def chunked(draw: st.DrawFn, dtypes: list[str] = TYPES, longest: dict[int, int] = LONGEST) -> da.Array:
    """Images of 1 to 4 dimensions, their chunks regular or not."""
    shape = draw(st.sampled_from(sorted(longest)).flatmap(lambda n: st.tuples(*[st.integers(1, longest[n])] * n)))
    chunks = []
    for size in shape:
        cuts = draw(
            st.sets(st.integers(1, size), max_size=3) | st.integers(1, size).map(lambda c, n=size: range(c, n, c))
        )
        chunks.append(tuple(np.diff(sorted({0, size, *cuts})).tolist()))
    image = pixels(shape, draw(st.sampled_from(dtypes)), draw(st.integers(0, 99)))
    return da.from_array(image, chunks=tuple(chunks))


def output_shapes(image: da.Array) -> st.SearchStrategy[tuple[int, ...]]:
    longest = LONGEST.get(image.ndim, 40)
    return st.tuples(*(st.just(n) | st.integers(1, longest) for n in image.shape))


def whole(image: da.Array) -> da.Array:
    """The same image in one chunk."""
    return da.from_array(compute(image), chunks=-1)


def compute(image: da.Array) -> np.ndarray:
    return image.compute(scheduler="sync")


def quietly(function: Any, *args: Any, **kwargs: Any) -> np.ndarray:
    """Call an oracle that warns about modes which it then obeys."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return function(*args, **kwargs)


def assert_agrees(got: np.ndarray, wanted: np.ndarray, size: float) -> None:
    """Allow 1e-12 (float32: 1e-5) of `size`, the largest number at work; integers differ from `wanted` by rounding."""
    assert got.shape == wanted.shape
    if got.dtype.kind in "iu":
        info = np.iinfo(got.dtype)
        np.testing.assert_allclose(got, np.clip(wanted, info.min, info.max), rtol=0, atol=0.5 + 1e-9)
    else:
        np.testing.assert_allclose(got, wanted, rtol=0, atol=(1e-12 if got.dtype.itemsize == 8 else 1e-5) * size)


# ---- resize ----


@laws
@given(st.data())
def test_resize_equals_scikit_image_on_the_whole_array_whatever_the_chunks(data: st.DataObject) -> None:
    image = data.draw(chunked())
    words = {
        "order": data.draw(st.integers(0, 5)),
        "mode": data.draw(st.sampled_from(RESIZE_MODES)),
        "cval": data.draw(st.sampled_from([0, 3.5, -300])),
        "clip": data.draw(st.booleans()),
        "preserve_range": data.draw(st.booleans()),
        "anti_aliasing": data.draw(st.sampled_from([None, True, False])),
    }
    if words["anti_aliasing"] and data.draw(st.booleans()):
        words["anti_aliasing_sigma"] = data.draw(st.sampled_from([0.3, 2, [1.2] * image.ndim]))
    shape = data.draw(output_shapes(image))
    got = resize(image, shape, **words)
    pixels = compute(image)
    # On integers of order 0 scikit-image would truncate after each pass of the Gaussian.
    smoothed = pixels.astype(float) if words["order"] == 0 and words["anti_aliasing"] else pixels
    wanted = quietly(skimage.transform.resize, smoothed.astype(smoothed.dtype.newbyteorder("=")), shape, **words)
    assert_agrees(compute(got), wanted, max(1, abs(words["cval"]), np.abs(pixels.astype(float)).max()))
    assert compute(got).tobytes() == compute(resize(whole(image), shape, **words)).tobytes()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_axes_longer_than_any_filter_agree_as_well(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 400)) | st.tuples(st.integers(1, 150), st.integers(1, 150)))
    image = da.from_array(pixels(shape, "float64"), chunks=data.draw(st.sampled_from([17, 29, 64])))
    order, mode = data.draw(st.integers(2, 5)), data.draw(st.sampled_from(RESIZE_MODES))
    shape = data.draw(st.tuples(*[st.integers(1, 200)] * image.ndim))
    wanted = skimage.transform.resize(compute(image), shape, order=order, mode=mode)
    got = compute(resize(image, shape, order=order, mode=mode))
    assert_agrees(got, wanted, 200)
    assert got.tobytes() == compute(resize(whole(image), shape, order=order, mode=mode)).tobytes()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "float32", "float64"])
def test_resize_has_the_defaults_of_scikit_image(dtype: str) -> None:
    image = pixels((23, 17), "uint8").astype(dtype)
    wanted = skimage.transform.resize(image, (10, 9))
    got = resize(da.from_array(image, chunks=(5, 7)), (10, 9))
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(compute(got), wanted, rtol=1e-5)


def test_resize_takes_the_place_of_skimage_in_positional_calls() -> None:
    image = pixels((12, 9), "float64")
    words = (3, "constant", 2.0, False, True, True, 0.7)
    wanted = skimage.transform.resize(image, (5, 4), *words)
    np.testing.assert_allclose(compute(resize(da.from_array(image, chunks=4), (5, 4), *words)), wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("dtype", "words", "expected"),
    [
        pytest.param("uint16", {"preserve_range": True}, "uint16", id="integers that keep their range"),
        pytest.param("uint16", {}, "float64", id="integers as shares of their range"),
        pytest.param("uint16", {"order": 0}, "uint16", id="copied integers"),
        pytest.param("float16", {}, "float16", id="float16"),
        pytest.param("float32", {}, "float32", id="float32"),
        pytest.param(">i4", {"preserve_range": True}, ">i4", id="foreign byte order"),
        pytest.param("bool", {}, "bool", id="bool"),
    ],
)
def test_resize_keeps_the_dtype_where_the_values_stay_in_its_range(dtype: str, words: Any, expected: str) -> None:
    result = resize(da.ones((9, 9), chunks=4, dtype=dtype), (4, 4), **words)
    assert result.dtype == compute(result).dtype == np.dtype(expected)


def test_integers_are_rounded_half_to_even_and_never_truncated() -> None:
    image = da.from_array(np.array([0, 1, 1, 2, 2, 3, 254, 255], np.uint8), chunks=3)
    assert compute(resize(image, (4,), preserve_range=True, anti_aliasing=False)).tolist() == [0, 2, 2, 254]
    assert compute(zoom(image, (4,), grid_mode=True)).tolist() == [0, 2, 2, 254]
    assert compute(local_mean(image, (4,))).tolist() == [0, 2, 2, 254]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "uint64"])
def test_overshoot_is_clipped_to_the_type_and_does_not_wrap(dtype: str) -> None:
    info = np.iinfo(dtype)
    image = da.from_array(np.array([info.min] * 8 + [info.max] * 8, dtype), chunks=5)
    got = compute(resize(image, (40,), order=3, preserve_range=True, clip=False))
    assert got.dtype == dtype
    assert (got[:15] <= info.max // 2).all()
    assert (got[25:] >= info.max // 2).all()
    assert got.max() == info.max
    assert got.min() == info.min


def test_order_0_copies_labels_that_no_float_can_hold() -> None:
    labels = np.array([[2**64 - 1, 2**53 + 1], [2**53 + 3, 7]], np.uint64)
    image = da.from_array(labels, chunks=1)
    np.testing.assert_array_equal(compute(resize(image, (4, 4), order=0)), labels.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(compute(zoom(image, (4, 4), order=0)), labels.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("cval", [-300, 60])
@pytest.mark.parametrize("order", [1, 3])
def test_a_constant_beyond_the_border_widens_the_clip_as_in_scikit_image(order: int, cval: float) -> None:
    image = pixels((7, 9), "float64") + 50
    words = {"order": order, "mode": "constant", "cval": cval}
    got = compute(resize(da.from_array(image, chunks=4), (20, 31), **words))
    assert_agrees(got, skimage.transform.resize(image, (20, 31), **words), 300)


def test_sizes_are_completed_like_in_scikit_image() -> None:
    image = pixels((8, 6, 3), "float64")
    lazy = da.from_array(image, chunks=(3, 4, 1))
    np.testing.assert_allclose(compute(resize(lazy, (4, 3))), skimage.transform.resize(image, (4, 3)), rtol=1e-12)
    wanted = skimage.transform.resize(image, (4, 3, 3, 2))
    np.testing.assert_allclose(compute(resize(lazy, (4, 3, 3, 2))), wanted, rtol=1e-12)


# ---- zoom ----


@laws
@given(st.data())
def test_zoom_equals_scipy_on_the_whole_array_whatever_the_chunks(data: st.DataObject) -> None:
    image = data.draw(chunked())
    words = {
        "order": data.draw(st.integers(0, 5)),
        "mode": data.draw(st.sampled_from(ZOOM_MODES)),
        "cval": data.draw(st.sampled_from([0, 3.5])),
        "grid_mode": data.draw(st.booleans()),
    }
    shape = data.draw(output_shapes(image))
    factors = np.divide(shape, image.shape)
    got = compute(zoom(image, shape, **words))
    wanted = quietly(scipy.ndimage.zoom, compute(image).astype(float), factors, **words)
    assert_agrees(got, wanted, 200)
    assert got.dtype == image.dtype
    assert got.tobytes() == compute(zoom(whole(image), shape, **words)).tobytes()


@pytest.mark.parametrize("mode", ["constant", "grid-constant"])
def test_copied_labels_have_the_constant_beyond_the_border(mode: str) -> None:
    labels = pixels((5, 4), "uint16") + 10
    got = compute(zoom(da.from_array(labels, chunks=2), (17, 12), order=0, mode=mode, cval=7, grid_mode=True))
    wanted = quietly(scipy.ndimage.zoom, labels, (17 / 5, 3), order=0, mode=mode, cval=7, grid_mode=True)
    np.testing.assert_array_equal(got, wanted)
    assert (7 in got) is (mode == "constant")


def test_zoom_has_the_defaults_of_scipy_but_for_the_order() -> None:
    image = pixels((21, 13), "float64")
    wanted = scipy.ndimage.zoom(image, (10 / 21, 40 / 13), order=1)
    np.testing.assert_allclose(compute(zoom(da.from_array(image, chunks=4), (10, 40))), wanted, rtol=1e-12)


def test_zoom_differs_from_scipys_integers_at_ties_only() -> None:
    image = pixels((37, 41), "uint16")
    shape = (18, 21)
    factors = np.divide(shape, image.shape)
    got = compute(zoom(da.from_array(image, chunks=7), shape)).astype(int)
    exact = scipy.ndimage.zoom(image.astype(float), factors, order=1)
    apart = got - scipy.ndimage.zoom(image, factors, order=1)
    assert np.abs(apart).max() <= 1
    assert np.allclose(np.abs(exact - np.floor(exact) - 0.5)[apart != 0], 0)


# ---- local_mean ----


@laws
@given(st.data())
def test_local_mean_equals_scikit_image_where_the_factors_divide(data: st.DataObject) -> None:
    image = data.draw(chunked())
    factors = tuple(data.draw(st.sampled_from([f for f in range(1, n + 1) if n % f == 0])) for n in image.shape)
    got = compute(local_mean(image, [n // f for n, f in zip(image.shape, factors, strict=True)]))
    wanted = skimage.transform.downscale_local_mean(compute(image).astype(float), factors)
    assert got.dtype == image.dtype
    assert_agrees(got, wanted, 200)


@pytest.mark.parametrize(
    ("size", "length", "windows"),
    [
        pytest.param(9, 5, [(0, 2), (2, 4), (4, 6), (6, 8), (8, 9)], id="9 to 5: the edge window has one pixel"),
        pytest.param(9, 4, [(0, 2), (2, 4), (4, 6), (6, 8)], id="9 to 4: rounded down"),
        pytest.param(11, 4, [(0, 3), (3, 6), (6, 9), (9, 11)], id="11 to 4: by three"),
        pytest.param(5, 1, [(0, 5)], id="5 to 1"),
        pytest.param(3, 3, [(0, 1), (1, 2), (2, 3)], id="unchanged"),
    ],
)
def test_a_window_at_the_far_edge_averages_the_pixels_that_exist(size: int, length: int, windows: Any) -> None:
    image = pixels((size,), "float64")
    wanted = [image[a:b].mean() for a, b in windows]
    np.testing.assert_allclose(compute(local_mean(da.from_array(image, chunks=2), (length,))), wanted, rtol=1e-12)


@pytest.mark.parametrize("shape", [(70, 31), (71, 130), (250, 30)], ids=str)
def test_other_ratios_give_each_window_its_equal_share(shape: tuple[int, int]) -> None:
    image = pixels((100, 60), "float64")
    wanted = skimage.transform.resize_local_mean(image, shape, preserve_range=True)
    got = compute(local_mean(da.from_array(image, chunks=(17, 23)), shape))
    assert_agrees(got, wanted, 200)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_means_of_integers_are_exact_for_every_type(data: st.DataObject) -> None:
    dtype = np.dtype(data.draw(st.sampled_from(["uint8", "int8", "uint32", "int32", "uint64", "int64", ">u8"])))
    info = np.iinfo(dtype)
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    values = st.integers(info.min, info.max) | st.integers(info.max - 3, info.max) | st.just(info.min)
    image = np.array(data.draw(st.lists(values, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])), dtype)
    image = image.reshape(shape)
    target = tuple(data.draw(st.integers(1, n + 2)) for n in shape)
    got = compute(local_mean(da.from_array(image, chunks=data.draw(st.integers(1, 9))), target))
    rows, columns = (shares(n, m) for n, m in zip(shape, target, strict=True))
    for (i, row), (j, column) in product(enumerate(rows), enumerate(columns)):
        total = sum(a * b * int(image[y, x]) for (y, a), (x, b) in product(row.items(), column.items()))
        assert got[i, j] == round(total / (sum(row.values()) * sum(column.values())))
    assert got.dtype == dtype


def test_shares_of_more_parts_than_an_integer_can_sum_keep_a_constant() -> None:
    image = da.full((1300, 1300, 1300), 2**32 - 1, chunks=130, dtype="uint32")  # lazy: one block of it is computed
    assert (compute(local_mean(image, (999, 999, 999)).blocks[0, 0, 0]) == 2**32 - 1).all()


def shares(size: int, length: int) -> list[dict[int, Fraction]]:
    """Say how much of each pixel every window holds, by the rule in the docstring of `local_mean`."""
    low = size // length
    if low and size // low == length:
        ends = [(Fraction(i * low), Fraction(i * low + low)) for i in range(length)]
    elif -(-size // (low + 1)) == length:
        ends = [(Fraction(i * (low + 1)), Fraction(min(size, (i + 1) * (low + 1)))) for i in range(length)]
    else:
        ends = [(Fraction(i * size, length), Fraction((i + 1) * size, length)) for i in range(length)]
    held = [{p: min(b, Fraction(p + 1)) - max(a, Fraction(p)) for p in range(size)} for a, b in ends]
    return [{p: share for p, share in window.items() if share > 0} for window in held]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_local_mean_does_not_depend_on_the_chunks(data: st.DataObject) -> None:
    image = data.draw(chunked())
    shape = data.draw(output_shapes(image))
    assert compute(local_mean(image, shape)).tobytes() == compute(local_mean(whole(image), shape)).tobytes()


@pytest.mark.parametrize("mode", ["nearest", "reflect", "mirror", "grid-wrap", "grid-constant"])
@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_weights_are_the_same_bits_for_one_sample_and_for_all(order: int, mode: str) -> None:
    def dense(start: int, stop: int) -> np.ndarray:
        found, weights = find_weights(line, start, stop), np.zeros((stop - start, 65))
        weights[:, found.sources] = found.matrix.toarray()
        return weights

    line = Interpolation(65, 21, order, mode, True, 0.7)
    np.testing.assert_array_equal(np.concatenate([dense(i, i + 1) for i in range(21)]), dense(0, 21))


# ---- downscale_nearest ----


@pytest.mark.parametrize(
    "factors",
    [
        pytest.param((1, 1, 1), id="one"),
        pytest.param((2, 3, 1), id="some"),
        pytest.param((np.int64(5), 7, 4), id="of NumPy"),
    ],
)
def test_downscale_nearest_is_strided_indexing(factors: tuple[int, ...]) -> None:
    image = pixels((5, 13, 8), "uint16")
    got = downscale_nearest(da.from_array(image, chunks=(2, 5, 3)), factors)
    np.testing.assert_array_equal(compute(got), image[:: factors[0], :: factors[1], :: factors[2]])


# ---- what all of them keep ----


def shrink_by_resize(image: da.Array, shape: tuple[int, ...]) -> da.Array:
    return resize(image, shape, preserve_range=True)


def shrink_by_cubic_resize(image: da.Array, shape: tuple[int, ...]) -> da.Array:
    return resize(image, shape, order=3, mode="constant", preserve_range=True)


any_function = pytest.mark.parametrize("function", [shrink_by_resize, shrink_by_cubic_resize, zoom, local_mean])


@any_function
def test_nothing_is_computed_before_it_is_asked_for(function: Any) -> None:
    def refuse(block: np.ndarray) -> np.ndarray:
        raise AssertionError("This block was read.")

    image = da.map_blocks(refuse, da.zeros((30, 30), chunks=7), dtype=float, meta=np.empty((0, 0)))
    result = function(image, (13, 13))
    assert result.shape == (13, 13)
    with pytest.raises(AssertionError, match="read"):
        compute(result)


@any_function
def test_constant_in_is_constant_out(function: Any) -> None:
    image = da.full((31, 17), 40000, chunks=6, dtype="uint16")
    if function is shrink_by_cubic_resize:
        function = shrink_by_resize  # beyond the border of the other one lies 0
    assert (compute(function(image, (12, 33))) == 40000).all()


@pytest.mark.parametrize("function", [shrink_by_resize, zoom, local_mean])
def test_an_output_chunk_reads_only_the_input_chunks_around_it(function: Any) -> None:
    image = da.zeros((4000, 4000), chunks=100, dtype="uint16")
    result = function(image, (2000, 2000))
    assert result.chunksize == (50, 50)
    needed = result.dask.cull([(result.name, 20, 20)])
    assert {key[1:] for key in needed if key[0] == image.name} <= {*product((19, 20, 21), repeat=2)}


@pytest.mark.parametrize(("order", "sigma"), [(1, 0), (1, 5), (3, 0), (5, 2)], ids=str)
def test_an_output_chunk_reads_at_most_four_times_its_share(order: int, sigma: float) -> None:
    image = da.zeros((400,), chunks=1)
    result = resize(image, (200,), order=order, clip=False, anti_aliasing_sigma=sigma)
    needed = result.dask.cull([(result.name, len(result.chunks[0]) // 2)])
    read = sum(key[0] == image.name for key in needed)
    assert read <= 4 * 2 * result.chunks[0][0]


def test_unchanged_axes_keep_their_chunks_and_have_no_neighbours() -> None:
    image = da.zeros((3, 4, 64, 64), chunks=(1, (1, 3), 32, 32), dtype="uint16")
    result = resize(image, (3, 4, 32, 32), preserve_range=True)
    assert result.chunks == ((1, 1, 1), (1, 3), (16, 16), (16, 16))


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
def test_short_unchanged_axes_have_no_neighbours_under_splines_either(mode: str) -> None:
    result = resize(da.zeros((3, 40), chunks=(1, 10)), (3, 20), order=3, mode=mode, clip=False)
    assert result.chunks[0] == (1, 1, 1)


@any_function
def test_output_chunks_are_regular_so_that_zarr_can_store_them(function: Any) -> None:
    chunks = function(da.zeros((101, 53), chunks=((17, 50, 34), 9)), (47, 80)).chunks
    for sizes in chunks:
        assert len({*sizes[:-1]}) <= 1
        assert sizes[-1] <= sizes[0]


@pytest.mark.parametrize("shape", [(1000, 50), (50, 1000)], ids=str)
def test_an_image_that_grows_and_shrinks_is_never_large_in_both(shape: tuple[int, int]) -> None:
    image = da.from_array(pixels(shape[::-1], "float64"), chunks=-1)
    result = resize(image, shape)
    compute(resize(image[:9, :9], (3, 20)))  # so that the imports are not counted
    tracemalloc.start()
    try:
        compute(result)
        assert tracemalloc.get_traced_memory()[1] < 1000 * 1000 * 8 / 2
    finally:
        tracemalloc.stop()


def test_a_nan_stays_in_the_windows_that_hold_it() -> None:
    image = np.zeros((3, 40))
    image[1, 21] = np.nan
    got = compute(resize(da.from_array(image, chunks=(1, 9)), (3, 20)))
    assert np.argwhere(np.isnan(got)).tolist() == [[1, 9], [1, 10], [1, 11]]
    cubic = compute(resize(da.from_array(image, chunks=(1, 9)), (3, 20), order=3))
    assert not np.isnan(cubic[[0, 2]]).any()
    on_pixels = zoom(da.from_array(np.array([0, 1, np.nan]), chunks=1), (5,))  # every other sample lies on a pixel
    np.testing.assert_array_equal(compute(on_pixels), [0, 0.5, 1, np.nan, np.nan])


@any_function
def test_the_same_call_has_the_same_name_and_tasks_travel(function: Any) -> None:
    image = da.from_array(pixels((20, 20), "uint16"), chunks=6)
    first, second = function(image, (9, 9)), function(image, (9, 9))
    assert first.name == second.name
    assert first.name != function(image, (8, 9)).name
    copy = pickle.loads(pickle.dumps(first))
    assert compute(copy).tobytes() == dask.compute(second, scheduler="threads")[0].tobytes()


def test_the_import_stays_light() -> None:
    heavy = {"scipy.ndimage", "scipy.interpolate", "skimage", "numba"}
    code = f"import sys, ome_ngff.dask_utils; print(*{heavy} & {{*sys.modules}})"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""


# ---- errors ----

IMAGE = da.zeros((8, 8), chunks=4, dtype="uint16")
LABELS = da.zeros((8, 8), chunks=4, dtype=bool)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        pytest.param(lambda: resize(IMAGE, (4, 0)), ScaleError, "above zero", id="a size of zero"),
        pytest.param(lambda: zoom(IMAGE, (4, 2.5)), ScaleError, "whole numbers", id="half a pixel"),
        pytest.param(lambda: resize(IMAGE, 4), ScaleError, "got 4", id="one number"),
        pytest.param(lambda: zoom(IMAGE, "ab"), ScaleError, "whole numbers", id="sizes that are words"),
        pytest.param(lambda: zoom(IMAGE, (4,)), ScaleError, r"one size per dimension: 2 \(got 1", id="too few sizes"),
        pytest.param(lambda: local_mean(IMAGE, (4, 4, 4)), ScaleError, "one size per dimension", id="too many sizes"),
        pytest.param(lambda: resize(IMAGE[0, :, None, None], (4,)), ScaleError, "dimension: 3", id="two sizes short"),
        pytest.param(lambda: resize(IMAGE, (4, 4), order=6), MethodError, "order must be", id="order 6"),
        pytest.param(lambda: zoom(IMAGE, (4, 4), order=None), MethodError, "order must be", id="no order"),
        pytest.param(lambda: resize(IMAGE, (4, 4), mode="reflekt"), MethodError, "'reflect'", id="unknown mode"),
        pytest.param(
            lambda: zoom(IMAGE, (4, 4), mode="edge"), MethodError, "nearest", id="a mode of the other library"
        ),
        pytest.param(lambda: zoom(IMAGE, (4, 4), cval=np.nan), MethodError, "finite", id="NaN around integers"),
        pytest.param(
            lambda: resize(IMAGE, (4, 4), anti_aliasing=True, anti_aliasing_sigma=-1), ScaleError, "sigma", id="sigma"
        ),
        pytest.param(
            lambda: resize(IMAGE, (4, 4), anti_aliasing=True, anti_aliasing_sigma=[1, 1, 1]),
            ScaleError,
            "one or 2",
            id="too many sigmas",
        ),
        pytest.param(lambda: resize(LABELS, (4, 4), order=1), MethodError, "order=0", id="bool interpolated"),
        pytest.param(lambda: resize(LABELS, (4, 4), anti_aliasing=True), MethodError, "bool", id="bool smoothed"),
        pytest.param(lambda: local_mean(LABELS, (4, 4)), MethodError, "downscale_nearest", id="mean of bool"),
        pytest.param(lambda: resize(IMAGE.astype(complex), (4, 4)), MethodError, "complex", id="complex"),
        pytest.param(lambda: local_mean(IMAGE[:0], (4, 4)), InputError, "one pixel", id="no pixels"),
        pytest.param(lambda: zoom(IMAGE[0, 0], ()), InputError, "one dimension", id="no dimensions"),
        pytest.param(lambda: resize(IMAGE[IMAGE > 0], (4,)), ChunkError, "compute_chunk_sizes", id="unknown chunks"),
        pytest.param(lambda: downscale_nearest(IMAGE, (2,)), ScaleError, "2 .got 1", id="too few factors"),
        pytest.param(lambda: downscale_nearest(IMAGE, (2, 9)), ScaleError, "from 1 to", id="factor above the size"),
        pytest.param(lambda: downscale_nearest(IMAGE, (2, 0)), ScaleError, "from 1 to", id="factor zero"),
        pytest.param(lambda: downscale_nearest(IMAGE, (2, 1.5)), ScaleError, "whole numbers", id="fractional factor"),
    ],
)
def test_wrong_arguments_are_typed_errors_at_the_call(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
