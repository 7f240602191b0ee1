"""The registry of methods, and each method against scikit-image, scipy or a plain loop."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
import scipy.ndimage
import skimage.transform
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import (
    DTYPES,
    INTEGERS,
    examples,
    gaussian,
    images,
    local_mean,
    mode,
    nearest,
    pixels,
    resize,
    same_bits,
    tolerance,
    zoom,
)

from ome_ngff.exceptions import MethodError
from ome_ngff.methods import ALIASES, Method, Methods, Span, find_method
from ome_ngff.pixels.ladders import levels
from ome_ngff.pixels.lazy import reduce_whole
from ome_ngff.pixels.methods import _Linear

NAMES = ["resize", "nearest", "local_mean", "zoom", "gaussian", "mode", "laplacian"]


@pytest.mark.parametrize("name", NAMES)
def test_a_method_is_found_by_name_by_member_and_by_itself(name: str) -> None:
    member = Methods(name)
    assert member is Methods[name.upper()]
    assert Methods(member) is member
    assert find_method(name) is find_method(member) is find_method(member.method) is member.method
    assert member.value == member.method.name == name


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("itkwasm_gaussian", "gaussian"),
        ("itk_gaussian", "gaussian"),
        ("dask_image_gaussian", "gaussian"),
        ("itkwasm_bin_shrink", "local_mean"),
        ("itk_bin_shrink", "local_mean"),
        ("dask_bin_shrink", "local_mean"),
        ("itkwasm_label_image", "mode"),
        ("dask_image_mode", "mode"),
        ("dask_image_nearest", "nearest"),
        ("resize_image", "resize"),
    ],
)
def test_the_names_of_other_libraries_are_accepted(alias: str, name: str) -> None:
    assert Methods(alias) is Methods(name)
    assert find_method(alias).name == name


def test_every_alias_names_a_method_and_hides_none() -> None:
    assert {Methods(alias).value for alias in ALIASES} <= set(NAMES)
    assert not set(ALIASES) & set(NAMES)


@pytest.mark.parametrize(
    ("wrong", "near"), [("gausian", "'gaussian'"), ("localmean", "'local_mean'"), ("itk_gausian", "'itk_gaussian'")]
)
def test_an_unknown_name_is_an_error_that_names_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(MethodError, match=f"no downsampling method '{wrong}'.*{near}.*Known: resize, nearest"):
        find_method(wrong)


@pytest.mark.parametrize("wrong", [None, 3, "", "mean value of everything"])
def test_what_is_no_name_is_an_error(wrong: object) -> None:
    with pytest.raises(MethodError, match="There is no downsampling method"):
        find_method(wrong)  # type: ignore[arg-type]


def test_every_method_says_what_it_is() -> None:
    assert [member.value for member in Methods] == NAMES
    for member in Methods:
        method = member.method
        assert method.summary
        assert method.reference
        assert method == type(method)()
        assert hash(method) == hash(type(method)())
        with pytest.raises((attrs.exceptions.FrozenInstanceError, AttributeError)):
            method.name = "other"  # type: ignore[misc]
    assert [m.value for m in Methods if not m.method.invents] == ["nearest", "mode"]
    assert [m.value for m in Methods if m.method.in_memory] == ["laplacian"]


def test_laplacian_refuses_to_make_levels() -> None:
    for steps in [(1, 1), (2, 2)]:
        with pytest.raises(MethodError, match=r"Scaler\.laplacian"):
            reduce_whole(np.zeros((4, 4)), steps, Methods.LAPLACIAN.method)


@pytest.mark.parametrize("dtype", [*INTEGERS[:6], "float16", "float32", "float64", ">u2", ">f4"])
@pytest.mark.parametrize(
    ("method", "reference"),
    [
        pytest.param("resize", resize, id="resize is skimage's resize"),
        pytest.param("zoom", zoom, id="zoom is scipy's zoom"),
        pytest.param("local_mean", local_mean, id="local_mean is skimage's downscale_local_mean"),
        pytest.param("gaussian", gaussian, id="gaussian is a plain loop"),
    ],
)
@given(data=st.data())
@examples(10)
def test_linear_methods_equal_their_reference(method: str, reference: object, dtype: str, data: st.DataObject) -> None:
    """Integers are at most 1 apart, and only at ties; floats within 1e-5 and 1e-12."""
    image, steps = data.draw(images([dtype], most=5000, kinds=["full", "few"]))
    if method == "local_mean":
        image = np.tile(image, steps)[tuple(slice(-(-n // f) * f) for n, f in zip(image.shape, steps, strict=True))]
    found = reduce_whole(image, steps, Methods(method).method)
    expected = reference(image, steps)  # type: ignore[operator]
    assert found.dtype == image.dtype
    assert found.shape == expected.shape
    assert np.all(np.abs(found.astype(float) - expected) <= tolerance(image.dtype, image))


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16"])
@pytest.mark.parametrize("factor", [2, 3, 4, 5, 8])
def test_resize_equals_skimage_on_a_real_image(dtype: str, factor: int) -> None:
    image = skimage.data.camera()[: 60 * factor, : 60 * factor].astype(dtype)
    expected = skimage.transform.resize(image, (60, 60), order=1, mode="edge", anti_aliasing=True, preserve_range=True)
    found = reduce_whole(image, (factor, factor), Methods.RESIZE.method)
    assert np.all(np.abs(found.astype(float) - expected) <= tolerance(np.dtype(dtype), image))


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 8])
def test_gaussian_is_scipys_filter_where_samples_lie_on_pixels(factor: int) -> None:
    """For odd factors the centre of a sample is a pixel; for even ones it is one of the image drawn twice as large."""
    image = pixels((16 * factor, 5), "float64")
    sigma = np.sqrt(factor**2 - 1) / (2 * np.sqrt(2 * np.log(2)))
    found = reduce_whole(image, (factor, 1), Methods.GAUSSIAN.method)
    if factor % 2:
        radius = int(4 * sigma)
        expected = scipy.ndimage.gaussian_filter1d(image, sigma, 0, mode="nearest", radius=radius)[
            factor // 2 :: factor
        ]
    else:
        distance = np.arange(-20.5, 21) * (np.abs(np.arange(-20.5, 21)) <= 4 * sigma)
        weights = np.exp(-(distance**2) / (2 * sigma**2)) * (distance != 0)
        padded = np.pad(image, [(21, 21), (0, 0)], mode="edge")
        between = scipy.ndimage.correlate1d(padded, weights / weights.sum(), 0, origin=0)
        expected = between[21 + factor // 2 : 21 + len(image) : factor]
    assert np.allclose(found, expected, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(("method", "reference"), [("nearest", nearest), ("mode", mode)], ids=["nearest", "mode"])
@given(data=st.data())
@examples(60)
def test_methods_that_pick_equal_their_loop_to_the_bit(method: str, reference: object, data: st.DataObject) -> None:
    image, steps = data.draw(images([*DTYPES, "bool"], most=2000))
    found = reduce_whole(image, steps, Methods(method).method)
    assert same_bits(found, reference(image, steps))  # type: ignore[operator]


@given(images([*INTEGERS[:6], ">u2"], most=20_000, kinds=["full", "few", "small"]))
@examples(60)
def test_zoom_of_integers_is_scipys_rounded_half_to_even(image_and_steps: tuple[np.ndarray, tuple[int, ...]]) -> None:
    image, steps = image_and_steps
    found = reduce_whole(image, steps, Methods.ZOOM.method)
    assert same_bits(found, np.rint(zoom(image, steps)).astype(image.dtype))


@pytest.mark.parametrize(
    ("method", "factor", "halo"),
    [
        *[(name, f, 0) for name in ("local_mean", "nearest", "mode", "zoom") for f in (1, 2, 3, 8)],
        ("resize", 1, 0),
        ("resize", 2, 2),
        ("resize", 3, 3),
        ("resize", 4, 5),
        ("gaussian", 1, 0),
        ("gaussian", 2, 2),
        ("gaussian", 3, 3),
        ("gaussian", 4, 5),
    ],
)
def test_a_method_knows_its_halo(method: str, factor: int, halo: int) -> None:
    """Beyond it no pixel changes a sample, and right at its end one does."""
    found = Methods(method).method
    assert found.halo(factor) == halo
    image = np.zeros((21 * factor, 1))
    window = 10 * factor
    image[window - halo - 1] = image[window + factor + halo] = 1e6
    assert factor == 1 or reduce_whole(image, (factor, 1), found)[10, 0] == 0
    if halo:
        image[window - halo] = 1e6
        assert reduce_whole(image, (factor, 1), found)[10, 0] > 0


def test_samples_need_their_windows_and_the_halo_within_the_image() -> None:
    method = Methods.GAUSSIAN.method
    assert method.needs(2, 100, 10, 20) == (18, 42)
    assert method.needs(2, 100, 0, 3) == (0, 8)
    assert method.needs(2, 99, 40, 50) == (78, 99)
    assert method.needs(1, 99, 40, 50) == (40, 50)


@given(data=st.data())
@examples(100)
def test_a_block_may_bring_more_pixels_than_it_needs(any_method: Method, data: st.DataObject) -> None:
    size, factor = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 6))
    image = pixels((size, 3), "uint16")
    whole = reduce_whole(image, (factor, 1), any_method)
    first = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(first + 1, len(whole)))
    start, end = any_method.needs(factor, size, first, stop)
    start, end = data.draw(st.integers(0, start)), data.draw(st.integers(end, size))
    spans = [Span(factor, size, start, first, stop - first), Span.whole(3, 1)]
    assert same_bits(any_method.reduce(image[start:end], spans), whole[first:stop])


def test_an_axis_without_pixels_gives_a_level_without_pixels(any_method: Method) -> None:
    for shape, steps in [((0, 4), (2, 2)), ((3, 0, 4, 4), (1, 1, 2, 2)), ((4, 0), (1, 2))]:
        found = reduce_whole(np.zeros(shape, "uint8"), steps, any_method)
        assert found.shape == tuple(-(-n // f) for n, f in zip(shape, steps, strict=True))


def test_only_the_last_three_axes_are_reduced(any_method: Method) -> None:
    with pytest.raises(MethodError, match="last three axes"):
        reduce_whole(np.zeros((4, 4, 4, 4), "uint8"), (2, 2, 2, 2), any_method)


@given(data=st.data())
@examples(15)
def test_leading_axes_are_looped_over(any_method: Method, data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3), *[st.integers(1, 12)] * 3))
    steps = data.draw(st.tuples(*[st.integers(1, 4)] * 3))
    image = pixels(shape, "uint16")
    whole = reduce_whole(image, (1, 1, *steps), any_method)
    for t in range(shape[0]):
        for c in range(shape[1]):
            assert same_bits(whole[t, c], reduce_whole(image[t, c], steps, any_method))
    if steps[0] == 1:
        assert same_bits(whole[0, 0, 0], reduce_whole(image[0, 0, 0], steps[1:], any_method))


@attrs.frozen
class Box(_Linear):
    """What it takes to add a linear method: the mean of the window and its two neighbours."""

    name = "box"
    summary = "mean of three windows"
    reference = "numpy.convolve"

    def taps(self, factor: int) -> NDArray[np.float64]:
        return np.full(3 * factor, 1 / (3 * factor))


def test_a_new_linear_method_is_one_class_with_taps() -> None:
    image = pixels((24, 30), "float64")
    (level,) = levels(image.shape, [(1, 3)], Box())[1:]
    assert level.shift == (0.0, 1.0)
    found = reduce_whole(image, level.steps, find_method(Box()))
    padded = np.pad(image, [(0, 0), (3, 3)], mode="edge")
    expected = np.stack([padded[:, i : i + 9].mean(1) for i in range(0, 30, 3)], 1)
    assert np.allclose(found, expected, rtol=1e-12)


@attrs.frozen
class Sharp(_Linear):
    """A method that overshoots at edges, by a quarter of their height."""

    name = "sharp"
    summary = "sharpened mean of two"
    reference = "its taps"

    def taps(self, factor: int) -> NDArray[np.float64]:
        return np.array([-0.25, 0.75, 0.75, -0.25])


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64", "int64"])
def test_overshoot_of_a_linear_method_ends_where_the_type_does(dtype: str) -> None:
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    image = np.array([[low] * 4 + [high] * 4], dtype)
    assert reduce_whole(image, (1, 2), find_method(Sharp())).tolist() == [[low, low, high, high]]
