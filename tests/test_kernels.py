"""The arithmetic of the compiled loops, against TensorStore, NumPy and Python's own integers."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tensorstore
from hypothesis import given
from hypothesis import strategies as st
from oracles import (
    FLOATS,
    INTEGERS,
    exact_mean,
    examples,
    float_mean,
    gaussian,
    images,
    mode,
    pixels,
    resize,
    same_bits,
    zoom,
)

from ome_ngff.methods import Methods
from ome_ngff.pixels import kernels
from ome_ngff.pixels.lazy import reduce_whole

TAKEN_BY_TENSORSTORE = [*INTEGERS, "float32", "float64"]


def reduced(name: str, image: Any, steps: tuple[int, ...]) -> np.ndarray:
    return reduce_whole(np.asarray(image), steps, Methods(name).method)


def by_tensorstore(image: np.ndarray, steps: tuple[int, ...], how: str) -> np.ndarray:
    return tensorstore.downsample(tensorstore.array(image), steps, how).read().result()


@examples(80)
@given(images(INTEGERS, kinds=["full", "few", "small", "wild"]))
def test_integer_means_are_those_of_tensorstore_to_the_bit(image_and_steps: tuple[np.ndarray, tuple[int, ...]]) -> None:
    image, steps = image_and_steps
    assert same_bits(reduced("local_mean", image, steps), by_tensorstore(image, steps, "mean"))


@examples(80)
@given(images([*TAKEN_BY_TENSORSTORE, "bool"], kinds=["full", "few", "small"]))
def test_modes_are_those_of_tensorstore_to_the_bit(image_and_steps: tuple[np.ndarray, tuple[int, ...]]) -> None:
    image, steps = image_and_steps
    assert same_bits(reduced("mode", image, steps), by_tensorstore(image, steps, "mode"))


@pytest.mark.parametrize("dtype", [pytest.param(name, id=name) for name in INTEGERS])
@given(data=st.data())
@examples(15)
def test_integer_means_are_exact(dtype: str, data: st.DataObject) -> None:
    """Sums of the largest, of the smallest and of both, in windows whole and cut off."""
    image, steps = data.draw(images([dtype], most=1500, kinds=["full", "few", "wild"]))
    assert np.array_equal(reduced("local_mean", image, steps), exact_mean(image, steps))
    limits = np.iinfo(dtype)
    mask = pixels(image.shape, bool, data.draw(st.integers(0, 99)))
    extremes = np.where(mask, np.array(limits.max, dtype), np.array(limits.min, dtype))
    assert np.array_equal(reduced("local_mean", extremes, steps), exact_mean(extremes, steps))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((16, 16, 16), id="4096 pixels"),
        pytest.param((320, 256, 1), id="a row of more than 2^16 pixels"),
        pytest.param((1, 1100, 1001), id="more than 2^20 pixels"),
    ],
)
def test_means_of_large_windows_are_exact(dtype: str, shape: tuple[int, ...]) -> None:
    limits = np.iinfo(dtype)
    image = np.full(shape, limits.max, dtype)
    image.flat[: image.size // 2] -= 1  # the mean is half-way between max - 1 and max, or just beside it
    for change in (0, 1):
        image.flat[0] -= change
        assert np.array_equal(reduced("local_mean", image, shape), exact_mean(image, shape))


HALVES = [
    pytest.param([0, 1], 0, id="0.5 is 0"),
    pytest.param([1, 2], 2, id="1.5 is 2"),
    pytest.param([2, 3], 2, id="2.5 is 2"),
    pytest.param([3, 2], 2, id="2.5 is 2, the other way round"),
    pytest.param([100, 103], 102, id="101.5 is 102"),
    pytest.param([-1, 0], 0, id="-0.5 is 0"),
    pytest.param([-2, -1], -2, id="-1.5 is -2"),
    pytest.param([-3, -2], -2, id="-2.5 is -2"),
]


@pytest.mark.parametrize("method", ["local_mean", "zoom"])
@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize(("pair", "expected"), HALVES)
def test_halves_go_to_the_even_neighbour(method: str, dtype: str, pair: list[int], expected: int) -> None:
    if np.dtype(dtype).kind == "u" and min(pair) < 0:
        pair, expected = [v + 100 for v in pair], expected + 100
    image = np.array([pair, pair], dtype)
    assert reduced(method, image, (1, 2)).tolist() == [[expected]] * 2
    assert reduced(method, image, (2, 2)).tolist() == [[expected]]


@pytest.mark.parametrize("method", ["local_mean", "zoom"])
@pytest.mark.parametrize(
    ("dtype", "pair", "expected"),
    [
        pytest.param("uint64", [2**64 - 1, 2**64 - 2], 2**64 - 2, id="at the top of uint64"),
        pytest.param("uint64", [2**63, 2**63 + 3], 2**63 + 2, id="in the middle of uint64"),
        pytest.param("int64", [2**63 - 1, 2**63 - 2], 2**63 - 2, id="at the top of int64"),
        pytest.param("int64", [-(2**63), -(2**63) + 1], -(2**63), id="at the bottom of int64"),
        pytest.param("int64", [-(2**53) - 2, -(2**53) - 1], -(2**53) - 2, id="where float64 has no halves"),
    ],
)
def test_halves_of_large_integers_go_to_the_even_neighbour(
    method: str, dtype: str, pair: list[int], expected: int
) -> None:
    for ordered in (pair, pair[::-1]):
        assert reduced(method, np.array([ordered], dtype), (1, 2)).tolist() == [[expected]]


@pytest.mark.parametrize("method", ["resize", "gaussian", "zoom"])
@pytest.mark.parametrize("dtype", ["uint64", "int64"])
@given(data=st.data())
@examples(15)
def test_large_integers_keep_what_float64_would_lose(method: str, dtype: str, data: st.DataObject) -> None:
    """An offset too large for sums of float64 moves the level by as much, to within rounding."""
    image, steps = data.draw(images([dtype], most=4000, kinds=["small"]))
    limits = np.iinfo(dtype)
    offset = data.draw(
        st.sampled_from([limits.max - 200, limits.min, limits.max // 2 + 1, 2**53 + 1, 2**53 - 50, 2**51])
    )
    moved = image + np.array(offset, dtype)
    real = reduce_whole(image.astype(float), steps, Methods(method).method)
    found = (reduced(method, moved, steps) - np.array(offset, dtype)).astype(float)
    assert np.all(np.abs(found - real) <= 0.5 + 1e-9)


def test_the_mean_of_both_ends_of_uint64_is_exact() -> None:
    image = np.array([[0, 2**64 - 1, 0, 2**64 - 1, 2**64 - 1, 2**64 - 1]], np.uint64)
    assert reduced("local_mean", image, (1, 2)).tolist() == [[2**63, 2**63, 2**64 - 1]]
    assert reduced("local_mean", image, (1, 3)).tolist() == [[(2**64 - 1) // 3, 2**64 - 1]]


@pytest.mark.parametrize("dtype", FLOATS)
@given(data=st.data())
@examples(15)
def test_float_means_are_the_true_means(dtype: str, data: st.DataObject) -> None:
    image, steps = data.draw(images([dtype], most=4000, kinds=["full", "few"]))
    found, expected = reduced("local_mean", image, steps), float_mean(image, steps)
    spacing = np.spacing(np.maximum(np.abs(expected), np.finfo(dtype).tiny).astype(dtype)).astype(float)
    noise = 1e-15 * np.abs(image.astype(float)).max()  # float64 has no more to give
    assert np.all(np.abs(found.astype(float) - expected) <= spacing + noise)


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32"])
@given(data=st.data())
@examples(40)
def test_modes_of_large_windows_are_those_of_a_numpy_loop(dtype: str, data: st.DataObject) -> None:
    shape = data.draw(st.tuples(*[st.integers(1, 13)] * 3))
    steps = data.draw(st.tuples(*[st.integers(1, 6)] * 3))
    highest = data.draw(st.sampled_from([1, 2, 3, 10, 100]))
    image = (
        np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, highest, shape, endpoint=True).astype(dtype)
    )
    if dtype == "float32" and data.draw(st.booleans()):
        image[image == 0] = np.nan
    assert same_bits(reduced("mode", image, steps), mode(image, steps))


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        pytest.param([1, np.nan, np.nan, 1], 1, id="NaN loses a tie"),
        pytest.param([np.nan, np.nan, np.nan, 1], np.nan, id="NaN wins as the most frequent"),
        pytest.param([np.nan, 3, 2, 1], 1, id="the smallest of four"),
        pytest.param([np.inf, -np.inf, np.inf, -np.inf], -np.inf, id="the smaller infinity"),
    ],
)
def test_nan_is_a_value_for_mode(window: list[float], expected: float) -> None:
    for dtype in FLOATS:
        found = reduced("mode", np.array([window], dtype), (1, 4))
        assert same_bits(found, np.array([[expected]], dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("method", "reference"),
    [("gaussian", gaussian), ("resize", resize), ("local_mean", float_mean), ("zoom", zoom)],
    ids=["gaussian", "resize", "local_mean", "zoom"],
)
def test_nan_reaches_the_samples_under_its_weights_and_no_other(dtype: str, method: str, reference: Any) -> None:
    for seed in range(10):
        image = pixels((9, 14, 13), dtype, seed)
        image[tuple(np.random.default_rng(seed).integers(image.shape))] = np.nan
        expected = reference(image.astype(float), (2, 4, 2))
        assert np.array_equal(np.isnan(reduced(method, image, (2, 4, 2))), np.isnan(expected))


def test_infinity_stays_infinity_and_opposite_ones_make_nan() -> None:
    for method in ("local_mean", "zoom", "gaussian", "resize"):
        for dtype in FLOATS:
            image = np.zeros((2, 8), dtype)
            image[:, 0], image[:, 6], image[:, 7] = np.inf, np.inf, -np.inf
            found = reduced(method, image, (1, 2))
            assert found[0, 0] == np.inf
            assert np.isnan(found[0, -1])


@pytest.mark.parametrize(
    ("method", "reference"),
    [("gaussian", gaussian), ("resize", resize), ("local_mean", float_mean), ("zoom", zoom)],
    ids=["gaussian", "resize", "local_mean", "zoom"],
)
def test_the_largest_floats_do_not_become_infinite(method: str, reference: Any) -> None:
    largest = np.finfo("float64").max
    image = np.random.default_rng(3).choice([largest, -largest, 0], (8, 12))
    small = reference(image / 1024, (2, 4)) / largest * 1024
    assert np.allclose(reduced(method, image, (2, 4)) / largest, small, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["resize", "gaussian"])
def test_a_ramp_is_exact_where_it_crosses_zero(method: str) -> None:
    ramp = np.arange(-35.5, 36)[None]  # windows of 8, the middle one around 0
    assert reduced(method, ramp, (1, 8))[0, 2:7].tolist() == [-16, -8, 0, 8, 16]


ARRANGED = [
    pytest.param(lambda a: a[::-1, ::-1], id="mirrored"),
    pytest.param(lambda a: a.T, id="Fortran order"),
    pytest.param(lambda a: a[1::2, ::3], id="every other pixel"),
    pytest.param(lambda a: np.broadcast_to(a[:1], a.shape), id="broadcast"),
    pytest.param(lambda a: a.view([("", a.dtype)]).view(a.dtype), id="a view"),
    pytest.param(lambda a: np.frombuffer(b"\0" + a.tobytes(), a.dtype, a.size, 1).reshape(a.shape), id="not aligned"),
]


@pytest.mark.parametrize("arranged", ARRANGED)
def test_the_order_in_memory_does_not_matter(any_method: Any, arranged: Any) -> None:
    image = arranged(pixels((20, 26), "uint16"))
    plain = np.array(image, order="C")
    assert same_bits(reduce_whole(image, (2, 3), any_method), reduce_whole(plain, (2, 3), any_method))


def test_threads_do_not_disturb_each_other(any_method: Any) -> None:
    blocks = [pixels((8, 40, 50), "uint16", seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda block: reduce_whole(block, (2, 2, 2), any_method), blocks * 4))
    assert all(same_bits(a, reduce_whole(b, (2, 2, 2), any_method)) for a, b in zip(found, blocks * 4, strict=True))


def test_a_kernel_is_compiled_once_for_a_dtype() -> None:
    """Neither factors nor the way the memory lies bring another compilation: it takes a second."""
    for method in Methods:
        if not method.method.in_memory:
            for steps in [(2, 2, 2), (1, 2, 2), (1, 3, 5), (2, 1, 4)]:
                for image in (pixels((7, 8, 9), "uint16"), np.broadcast_to(np.uint16(3), (7, 8, 9))):
                    reduced(method.value, image, steps)
    for kernel in (kernels.pick, kernels.mode, kernels.linear):
        assert len([types for types in kernel.signatures if types[0].dtype.name == "uint16"]) == 1, kernel


@pytest.mark.parametrize("module", ["ome_ngff", "ome_ngff.methods", "ome_ngff.scale", "ome_ngff.pixels.ladders"])
def test_imports_stay_light_until_pixels_move(module: str) -> None:
    heavy = "{'numba', 'llvmlite', 'scipy', 'skimage', 'tifffile', 'imageio'}"
    code = f"import sys, {module}; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
