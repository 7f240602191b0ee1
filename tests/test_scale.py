"""Ladders, levels and `Scaler`: which levels a pyramid has, in memory and lazily."""

from __future__ import annotations

import itertools
import pickle
import re
from typing import Any

import attrs
import dask.array as da
import numpy as np
import pytest
import skimage.transform
import zarr
from hypothesis import given
from hypothesis import strategies as st
from oracles import DTYPES, chunked, examples, images, pixels, same_bits

from ome_ngff import Axes, Scaler
from ome_ngff.exceptions import LabelError, MethodError, ScaleError
from ome_ngff.methods import Method, Methods
from ome_ngff.pixels.ladders import automatic_ladder, halved_ladder, levels, parse_ladder
from ome_ngff.pixels.lazy import reduce_whole

# Factors as callers give them


@pytest.mark.parametrize(
    ("given", "names", "expected"),
    [
        pytest.param([2, 4, 8], "tczyx", [(1, 1, 1, 2, 2), (1, 1, 1, 4, 4), (1, 1, 1, 8, 8)], id="whole numbers"),
        pytest.param([3, 9], "yx", [(3, 3), (9, 9)], id="3, 9 is 3 and 9"),
        pytest.param([2, 3], "yx", [(2, 2), (3, 3)], id="factors that do not divide each other"),
        pytest.param([], "yx", [], id="none"),
        pytest.param([{"z": 1, "y": 2, "x": 4}], "czyx", [(1, 1, 2, 4)], id="a dict"),
        pytest.param([{"x": 2}, {"x": 2, "z": 2}], "zyx", [(1, 1, 2), (2, 1, 2)], id="missing axes are 1"),
        pytest.param([2, {"y": 2, "x": 4}], "yx", [(2, 2), (2, 4)], id="both kinds"),
        pytest.param(np.array([2, 4]), "zyx", [(1, 2, 2), (1, 4, 4)], id="NumPy integers"),
        pytest.param((f for f in (2, 4)), "yx", [(2, 2), (4, 4)], id="a generator"),
    ],
)
def test_factors_are_read_as_they_stand(given: Any, names: str, expected: Any) -> None:
    assert parse_ladder(given, names) == expected
    assert all(type(f) is int for factors in expected for f in factors)


def test_whole_numbers_may_stand_for_every_spatial_axis() -> None:
    assert parse_ladder([2, 4], "tczyx", plane=False) == [(1, 1, 2, 2, 2), (1, 1, 4, 4, 4)]


WRONG = [
    pytest.param([0], "above zero (got 0 for axis y)", id="zero"),
    pytest.param([-2], "above zero (got -2 for axis y)", id="negative"),
    pytest.param([2.5], "whole numbers above zero (got 2.5 for axis y)", id="a float"),
    pytest.param([True], "(got True for axis y)", id="a bool"),
    pytest.param(["2"], "(got '2' for axis y)", id="a word"),
    pytest.param([None], "(got None for axis y)", id="None"),
    pytest.param([[2, 2]], "(got [2, 2] for axis y)", id="a list in the list"),
    pytest.param([{"q": 2}], "names the axis 'q', but the axes are t,c,z,y,x", id="an unknown axis"),
    pytest.param([{"zy": 2}], "names the axis 'zy'", id="two axes in one word"),
    pytest.param([{"": 2}], "names the axis ''", id="no word"),
    pytest.param([{3: 2}], "names the axis 3", id="an index"),
    pytest.param([{"c": 2}], "Only the axes z, y and x can be downsampled (got the factor 2 for 'c')", id="a channel"),
    pytest.param([{"y": 2, "x": 1.5}], "(got 1.5 for axis x)", id="a float in a dict"),
    pytest.param([4, 2], "must grow from level to level, relative to level 0 (got [4, 2])", id="shrinking"),
    pytest.param([2, 2], "must grow", id="the same twice"),
    pytest.param([1], "must grow", id="1"),
    pytest.param([{}], "must grow", id="an empty dict"),
    pytest.param([{"y": 2}, {"x": 2}], "must grow", id="one axis grows, one shrinks"),
    pytest.param(2, "is a list of whole numbers or of dicts by axis (got 2)", id="a number"),
    pytest.param("24", "is a list of whole numbers or of dicts by axis (got '24')", id="text"),
    pytest.param({"y": 2}, "is a list of whole numbers or of dicts by axis (got {'y': 2})", id="a dict alone"),
]


@pytest.mark.parametrize(("given", "says"), WRONG)
def test_factors_that_make_no_sense_are_refused(given: Any, says: str) -> None:
    with pytest.raises(ScaleError, match=re.escape(says)):
        parse_ladder(given, "tczyx")
    with pytest.raises(ScaleError, match=re.escape(says)):
        Scaler(scale_factors=given)


def test_an_unknown_axis_is_answered_with_the_nearest() -> None:
    with pytest.raises(ScaleError, match="Did you mean 'depth'"):
        parse_ladder([{"dpth": 2}], ["depth", "y", "x"])


# Levels


def test_a_level_is_made_from_the_deepest_that_divides_it() -> None:
    plan = levels((70, 70), [(2, 2), (3, 3), (6, 6), (12, 6), (12, 12)], Methods.LOCAL_MEAN.method)
    assert [level.parent for level in plan] == [0, 0, 0, 2, 3, 4]
    assert [level.steps for level in plan] == [(1, 1), (2, 2), (3, 3), (2, 2), (2, 1), (1, 2)]
    assert [level.shape for level in plan] == [(70, 70), (35, 35), (24, 24), (12, 12), (6, 12), (6, 6)]
    shapes = [(35, 42), (17, 21), (8, 10)]  # of others, who leave out what the border cuts
    plan = levels(shapes[0], [(2, 2), (4, 4)], Methods.LOCAL_MEAN.method, shapes)
    assert [(level.parent, level.shape) for level in plan] == [*zip((0, 0, 1), shapes, strict=True)]


@given(
    st.lists(st.integers(1, 200), min_size=2, max_size=3),
    st.lists(st.integers(2, 30), min_size=1, max_size=4, unique=True),
)
def test_a_level_has_as_many_samples_as_windows_are_begun(shape: list[int], factors: list[int]) -> None:
    ladder = [(f,) * len(shape) for f in sorted(factors)]
    plan = levels(shape, ladder, Methods.RESIZE.method)
    for level, asked in zip(plan[1:], ladder, strict=True):
        assert level.factors == asked
        assert level.shape == tuple(-(-n // f) for n, f in zip(shape, asked, strict=True))
        assert all(n >= 1 for n in level.shape)
        assert level.scale([0.5] * len(shape)) == [0.5 * f for f in asked]
        assert all(p * s == f for p, s, f in zip(plan[level.parent].factors, level.steps, asked, strict=True))


@pytest.mark.parametrize(
    ("method", "ladder", "shifts"),
    [
        pytest.param("resize", [2, 4, 8], [0, 0.5, 1.5, 3.5], id="halves"),
        pytest.param("mode", [2, 4, 8], [0, 0.5, 1.5, 3.5], id="halves, mode"),
        pytest.param("nearest", [2, 4, 8], [0, 0, 0, 0], id="halves, nearest"),
        pytest.param("nearest", [4, 16], [0, 1, 5], id="quarters, nearest"),
        pytest.param("nearest", [3, 9], [0, 1, 4], id="thirds, nearest"),
        pytest.param("gaussian", [3, 9], [0, 1, 4], id="thirds"),
        pytest.param("zoom", [2, 3], [0, 0.5, 1], id="two ladders in one"),
    ],
)
def test_levels_shift_by_what_the_method_does(method: str, ladder: list[int], shifts: list[float]) -> None:
    plan = levels((1000,), [(f,) for f in ladder], Methods(method).method)
    assert [level.shift[0] for level in plan] == shifts
    assert [level.translation([10.0], [0.25])[0] for level in plan] == [10 + 0.25 * shift for shift in shifts]


# The automatic ladder

NANOMETERS = [{"name": "z", "unit": "nanometer"}, *({"name": name, "unit": "micrometer"} for name in "yx")]


@pytest.mark.parametrize(
    ("shape", "axes", "scale", "chunks", "expected"),
    [
        pytest.param((512, 512), "yx", (1, 1), (512, 512), [], id="one chunk needs no levels"),
        pytest.param((513, 512), "yx", (1, 1), (512, 512), [(2, 2)], id="the longer takes the other along"),
        pytest.param((1024, 1344), "yx", (1, 1), (1024, 1024), [(2, 2)], id="a camera"),
        pytest.param(
            (4096, 6144), "yx", (0.3, 0.3), (1024, 1024), [(2, 2), (4, 4), (8, 8)], id="the longer of y and x decides"
        ),
        pytest.param((24, 200, 260), "zyx", (1, 1, 1), (128, 128, 128), [(2, 2, 2), (4, 4, 4)], id="z with the others"),
        pytest.param((900, 900), "yx", (2, 1), (256, 256), [(2, 2), (4, 4)], id="y twice as coarse goes with x"),
        pytest.param((900, 900), "yx", (5, 1), (256, 256), [(1, 2), (1, 4), (2, 8), (4, 16)], id="a coarser y waits"),
        pytest.param(
            (600, 200, 200), "zyx", (4, 1, 1), (128, 256, 256), [(2, 1, 1), (4, 1, 1), (8, 1, 1)],
            id="the finest fit: the others go on",
        ),
        pytest.param((3, 5000), "yx", (1, 1), (1024, 1024), [(2, 2), (4, 4), (4, 8)], id="one pixel is not halved"),
        pytest.param(
            (40, 600, 600), "zyx", (1, 2, 2), (1, 256, 256), [(1, 2, 2), (1, 4, 4)], id="fine planes ask for nothing"
        ),
        pytest.param((2048, 2048), "yx", (1, 1), (512, 512), [(2, 2), (4, 4)], id="halves"),
        pytest.param(
            (64, 1024, 1024), "zyx", (4, 1, 1), (16, 256, 256), [(1, 2, 2), (1, 4, 4), (2, 8, 8), (4, 16, 16)],
            id="thick slices wait for the finer axes",
        ),
        pytest.param(
            (64, 512, 512), "zyx", (1.4, 1, 1), (32, 256, 256), [(2, 2, 2)], id="up to 1.5 times is the same size"
        ),
        pytest.param(
            (64, 512, 512), "zyx", (1.5, 1, 1), (32, 256, 256), [(1, 2, 2), (2, 4, 4)], id="1.5 times itself is coarser"
        ),
        pytest.param(
            (64, 512, 512), NANOMETERS, (500, 0.5, 0.5), (32, 256, 256), [(2, 2, 2)], id="each axis in its own unit"
        ),
        pytest.param(
            (5, 3, 100, 2000, 2000), "tczyx", (1, 1, 1, 1, 1), (1, 1, 64, 512, 512),
            [(1, 1, 2, 2, 2), (1, 1, 4, 4, 4)], id="time and channels stay",
        ),
        pytest.param((1, 100), "yx", (1, 1), (1, 1), [(1, 2**k) for k in range(1, 8)], id="down to one pixel"),
        pytest.param(
            (40, 600, 600), "zyx", (1, 1, 1), (1, 256, 256), [(2, 2, 2), (4, 4, 4)],
            id="planes as chunks do not ask for fewer planes",
        ),
    ],
)  # fmt: skip
def test_the_automatic_ladder_halves_until_a_level_is_one_chunk(
    shape: Any, axes: Any, scale: Any, chunks: Any, expected: Any
) -> None:
    assert automatic_ladder(shape, Axes(axes), scale, chunks) == expected


LENGTHS = st.integers(1, 5000) | st.just(1)  # a length of one says that the chunks are planes


@given(data=st.data())
def test_the_automatic_ladder_ends_grows_and_fits_the_chunk(data: st.DataObject) -> None:
    shape, chunks = data.draw(st.tuples(*[st.integers(1, 5000)] * 3)), data.draw(st.tuples(*[LENGTHS] * 3))
    scale = data.draw(st.tuples(*[st.floats(1e-3, 1e3)] * 3))
    ladder = automatic_ladder(shape, Axes("zyx"), scale, chunks)
    whole = [(1, 1, 1), *ladder]
    for before, after in itertools.pairwise(whole):
        grown = [b // a for a, b in zip(before, after, strict=True)]
        assert set(grown) <= {1, 2}
        assert 2 in grown
    counted = [i for i in range(3) if chunks[i] > 1] or range(3)
    fits = [all(-(-shape[i] // factors[i]) <= chunks[i] for i in counted) for factors in whole]
    assert fits == [False] * len(ladder) + [True]
    assert not ladder or parse_ladder([dict(zip("zyx", f, strict=True)) for f in ladder], "zyx") == ladder


@given(data=st.data())
def test_automatic_levels_keep_the_shape_of_equal_pixels(data: st.DataObject) -> None:
    shape, chunks = data.draw(st.tuples(*[st.integers(1, 5000)] * 3)), data.draw(st.tuples(*[LENGTHS] * 3))
    shortest, size = data.draw(st.integers(1, 300)), data.draw(st.floats(1e-3, 1e3))
    for ladder in (
        automatic_ladder(shape, Axes("zyx"), (size,) * 3, chunks),
        halved_ladder(shortest, shape, Axes("zyx"), (size,) * 3),
    ):
        for k, factors in enumerate(ladder, start=1):
            level = [-(-n // f) for n, f in zip(shape, factors, strict=True)]
            assert level == [-(-n // 2**k) for n in shape]


@given(data=st.data())
def test_automatic_levels_halve_y_and_x_together(data: st.DataObject) -> None:
    shape, chunks = data.draw(st.tuples(*[st.integers(1, 5000)] * 3)), data.draw(st.tuples(*[LENGTHS] * 3))
    z, y, ratio = data.draw(st.floats(0.01, 100)), data.draw(st.floats(0.01, 100)), data.draw(st.floats(0.5, 2))
    scale = (z, y, y * ratio)
    for ladder in (
        automatic_ladder(shape, Axes("zyx"), scale, chunks),
        halved_ladder(data.draw(st.integers(1, 300)), shape, Axes("zyx"), scale),
    ):
        for _, y_factor, x_factor in ladder:
            least, most = sorted((y_factor, x_factor))
            short = shape[1 if y_factor < x_factor else 2]
            assert least == most or -(-short // least) == 1  # what is one pixel wide cannot be halved


@pytest.mark.parametrize(
    ("shape", "shortest", "levels"),
    [
        pytest.param((1024, 1344), 128, [(512, 672), (256, 336), (128, 168)], id="a camera"),
        pytest.param((64, 1024, 1024), 256, [(32, 512, 512), (16, 256, 256)], id="a thin volume"),
        pytest.param((255, 255), 64, [(128, 128), (64, 64)], id="odd"),
        pytest.param((256, 256), 129, [], id="too small"),
    ],
)
def test_a_smallest_length_is_that_of_the_longest_axis(shape: Any, shortest: int, levels: Any) -> None:
    ladder = halved_ladder(shortest, shape, Axes("zyx"[-len(shape) :]), (1,) * len(shape))
    assert [tuple(-(-n // f) for n, f in zip(shape, factors, strict=True)) for factors in ladder] == levels


# Dask is NumPy


@pytest.mark.slow
@given(data=st.data())
@examples(20)
def test_a_lazy_pyramid_has_the_bits_of_the_one_in_memory(any_method: Method, data: st.DataObject) -> None:
    image, _ = data.draw(images(DTYPES, most=20_000))
    names = "tczyx"[-image.ndim :]
    ladder = data.draw(
        st.sampled_from([[2, 4, 8], [3, 9], [2, 3], [5], [{"y": 2, "x": 4}], [{"y": 2}, {"y": 2, "x": 3}]])
    )
    if image.ndim > 2 and data.draw(st.booleans()):
        ladder = [{"z": 1, "y": 2, "x": 4}, {"z": 2, "y": 4, "x": 4}]
    scaler = Scaler(method=any_method.name, scale_factors=ladder)
    whole = scaler.func(image)
    lazy = scaler.func(data.draw(chunked(image, most=30)))
    plan = scaler.plan(image.shape, names)
    assert len(whole) == len(lazy) == len(plan) == len(ladder) + 1
    for level, numbers, tasks in zip(plan, whole, lazy, strict=True):
        assert numbers.shape == tasks.shape == level.shape
        assert numbers.dtype == tasks.dtype == image.dtype
    assert all(map(same_bits, da.compute(*lazy, scheduler="sync"), whole))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (3, 2, 3), (1, 5, 1, 4)], ids=str)
def test_images_smaller_than_a_filter_can_be_lazy(any_method: Method, shape: tuple[int, ...]) -> None:
    image = pixels(shape, "uint16")
    for factor in (2, 3, 7, 20):
        steps = (*[1] * (len(shape) - 2), factor, factor)
        for chunks in (1, 2, -1):
            lazy = reduce_whole(da.from_array(image, chunks=chunks), steps, any_method)
            assert same_bits(lazy.compute(scheduler="sync"), reduce_whole(image, steps, any_method))


def test_a_lazy_level_is_not_computed_before_it_is_asked_for(any_method: Method) -> None:
    def refuse(block: np.ndarray) -> np.ndarray:
        raise AssertionError("computed")

    image = da.zeros((100, 100), dtype="uint16", chunks=30).map_blocks(refuse, dtype="uint16", meta=np.empty((0, 0)))
    level = reduce_whole(image, (2, 2), any_method)
    with pytest.raises(AssertionError, match="computed"):
        level.compute(scheduler="sync")


def test_a_lazy_level_can_be_pickled(any_method: Method) -> None:
    image = pixels((30, 40), "uint16")
    lazy = reduce_whole(da.from_array(image, chunks=7), (2, 3), any_method)
    again = pickle.loads(pickle.dumps(lazy))
    assert same_bits(again.compute(scheduler="sync"), reduce_whole(image, (2, 3), any_method))


def test_a_sample_of_a_lazy_level_reads_only_the_chunks_near_it() -> None:
    read: list[Any] = []

    def note(block: np.ndarray, block_id: Any = None) -> np.ndarray:
        read.append(block_id)
        return block

    image = da.zeros((400, 400), dtype="uint16", chunks=50).map_blocks(note, dtype="uint16", meta=np.empty((0, 0)))
    reduce_whole(image, (2, 2), Methods.GAUSSIAN.method)[0, 0].compute(scheduler="sync")
    assert set(read) <= set(itertools.product(range(2), range(2)))


# Scaler


def test_a_scaler_downsamples_y_and_x_by_2_four_times() -> None:
    image = pixels((2, 3, 5, 64, 48), "uint16")
    found = Scaler().resize(image)
    assert [level.shape for level in found] == [(2, 3, 5, -(-64 // f), 48 // f) for f in (1, 2, 4, 8, 16)]
    assert found[0] is image
    assert same_bits(found[2], reduce_whole(found[1], (1, 1, 1, 2, 2), Methods.RESIZE.method))


@pytest.mark.parametrize("name", [m.value for m in Methods if not m.method.in_memory])
def test_each_method_of_a_scaler_gives_its_own_pyramid(name: str) -> None:
    image = pixels((5, 40, 41), "uint16")
    scaler = Scaler(method=name, downscale=3, max_layer=2)
    found = getattr(scaler, name)(image)
    assert [level.shape for level in found] == [(5, 40, 41), (5, 14, 14), (5, 5, 5)]
    assert same_bits(found[1], reduce_whole(image, (1, 3, 3), Methods(name).method))
    assert all(map(same_bits, scaler.func(image), found))


def test_a_scaler_lists_its_methods() -> None:
    assert set(Scaler.methods()) == {m.value for m in Methods} | {"resize_image"}
    for name in Scaler.methods():
        assert callable(Scaler(method=name).func)
        assert Scaler(method=name).func.__name__ == name


@pytest.mark.parametrize(
    "method", [Methods.MODE, pytest.param(Methods.MODE.method, id="method"), "mode", "itkwasm_label_image"]
)
def test_a_scaler_takes_a_method_in_every_form(method: Any) -> None:
    scaler = Scaler(method=method)
    assert scaler.method == "mode"
    assert scaler.reducer is Methods.MODE.method
    assert scaler == Scaler(method="mode")


def test_resize_image_gives_one_image_of_either_kind() -> None:
    image = pixels((3, 50, 50), "uint16")
    scaler = Scaler(method="resize_image", downscale=4)
    found = scaler.func(image)
    assert same_bits(found, reduce_whole(image, (1, 4, 4), Methods.RESIZE.method))
    lazy = scaler.resize_image(da.from_array(image, chunks=17))
    assert isinstance(lazy, da.Array)
    assert same_bits(lazy.compute(scheduler="sync"), found)


def test_order_0_picks_pixels() -> None:
    image = pixels((50, 50), "uint16")
    assert same_bits(Scaler(order=0).resize(image)[1], Scaler().nearest(image)[1])
    assert same_bits(Scaler(order=0).resize_image(image), Scaler().nearest(image)[1])
    assert Scaler(order=0).reducer is Methods.NEAREST.method


def test_a_scaler_plans_what_it_makes(any_method: Method) -> None:
    scaler = Scaler(method=any_method.name, max_layer=3)
    image = np.zeros((3, 77, 50), "uint8")
    for axes in (Axes("zyx"), "cyx", ["z", "y", "x"]):
        plan = scaler.plan(image.shape, axes)
        assert [level.shape for level in plan] == [level.shape for level in scaler.func(image)]
        assert [level.factors for level in plan] == [(1, f, f) for f in (1, 2, 4, 8)]


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        pytest.param({"method": "gausian"}, MethodError, "Did you mean 'gaussian'", id="method"),
        pytest.param({"downscale": 1}, ScaleError, "downscale must be a whole number of at least 2 (got 1)", id="1"),
        pytest.param({"downscale": 2.5}, ScaleError, "downscale must be a whole number", id="a float"),
        pytest.param({"downscale": True}, ScaleError, "downscale must be a whole number", id="a bool"),
        pytest.param({"max_layer": -1}, ScaleError, "max_layer must be a whole number of at least 0", id="layers"),
        pytest.param({"order": -1}, ScaleError, "order must be", id="order"),
        pytest.param({"scale_factors": [4, 2]}, ScaleError, "must grow", id="factors"),
    ],
)
def test_a_scaler_checks_its_parameters_when_it_is_made(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=re.escape(says)):
        Scaler(**arguments)
    with pytest.raises(ValueError, match=re.escape(says)):  # each error is also the built-in
        Scaler(**arguments)


def test_a_scaler_cannot_be_changed_afterwards() -> None:
    given = [{"y": 2}, {"y": 4}]
    scaler = Scaler(scale_factors=given)
    given[0]["y"] = 3
    given.pop()
    assert scaler.ladder("yx") == [(2, 1), (4, 1)]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        scaler.downscale = 3  # type: ignore[misc]


def test_an_array_of_one_dimension_has_no_pyramid(any_method: Method) -> None:
    for call in (Scaler(method=any_method.name).func, Scaler().resize_image):
        with pytest.raises(ScaleError, match="at least two dimensions"):
            call(np.zeros(5, "uint8"))


def test_only_methods_that_pick_may_be_used_for_labels(any_method: Method) -> None:
    scaler = Scaler(method=any_method.name, labeled=True)
    if any_method.invents:
        with pytest.raises(LabelError, match="use one of 'nearest', 'mode'"):
            scaler.refuse_invention()
    else:
        scaler.refuse_invention()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
def test_laplacian_is_skimages_pyramid_with_the_range_kept(dtype: str) -> None:
    image = pixels((2, 3, 33, 50), dtype, kind="few")
    found = Scaler(max_layer=3).laplacian(image)
    assert [level.shape for level in found] == [(2, 3, 33, 50), (2, 3, 17, 25), (2, 3, 9, 13), (2, 3, 5, 7)]
    assert {level.dtype for level in found} == {np.dtype("float32")}
    for t, c in np.ndindex(2, 3):
        expected = skimage.transform.pyramid_laplacian(image[t, c].astype(float), max_layer=3)
        for level, plane in zip(found, expected, strict=True):
            assert np.allclose(level[t, c], plane, rtol=1e-5, atol=1e-4)


def test_laplacian_is_lazy_where_the_image_is() -> None:
    image = pixels((2, 3, 33, 50), "uint16")
    scaler = Scaler(method="laplacian", max_layer=2, downscale=3)
    lazy = scaler.func(da.from_array(image, chunks=(1, 2, 10, 20)))
    assert all(isinstance(level, da.Array) and level.dtype == np.float32 for level in lazy)
    assert all(map(same_bits, da.compute(*lazy, scheduler="sync"), scaler.laplacian(image)))


def test_laplacian_refuses_what_has_no_bands() -> None:
    with pytest.raises(MethodError, match="'laplacian' needs integers or floats"):
        Scaler().laplacian(np.zeros((8, 8), bool))


def test_scale_writes_the_pyramid_of_a_stored_array(tmp_path: Any) -> None:
    image = pixels((40, 50), "uint16")
    source = zarr.create_array(str(tmp_path / "source.zarr"), data=image, chunks=(16, 16))
    source.attrs["stain"] = "DAPI"
    scaler = Scaler(method="local_mean", max_layer=2, copy_metadata=True)
    scaler.scale(str(tmp_path / "source.zarr"), str(tmp_path / "image.ome.zarr"))
    group = zarr.open_group(str(tmp_path / "image.ome.zarr"), mode="r")
    document = group.attrs.get("ome", group.attrs)["multiscales"][0]
    stored = [group[dataset["path"]][...] for dataset in document["datasets"]]
    assert all(map(same_bits, stored, scaler.local_mean(image)))
    assert group.attrs["stain"] == "DAPI"


def test_scale_refuses_a_method_that_invents_values_between_labels(tmp_path: Any) -> None:
    zarr.create_array(str(tmp_path / "source.zarr"), data=pixels((40, 50), "uint16"))
    with pytest.raises(LabelError, match="'gaussian' invents values between labels"):
        Scaler(method="gaussian", labeled=True).scale(str(tmp_path / "source.zarr"), str(tmp_path / "labels.zarr"))
    assert [path.name for path in tmp_path.iterdir()] == ["source.zarr"]
