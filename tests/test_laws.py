"""What every level of every pyramid keeps: one test per law and method, and the table of them in the documentation.

`python tests/test_laws.py` writes the tables of docs/methods.md anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import DTYPES, FLOATS, INTEGERS, REFERENCE, chunked, exact_mean, examples, images, same_bits, tolerance

from ome_ngff.exceptions import MethodError
from ome_ngff.methods import Method, Methods, Span
from ome_ngff.pixels.ladders import Level, levels
from ome_ngff.pixels.lazy import reduce_whole

WRITABLE = [member.method for member in Methods if not member.method.in_memory]
PAGE = Path(__file__).parent.parent / "docs" / "methods.md"
LAWS: list[tuple[str, list[str]]] = []


def all_methods(method: Method) -> bool:
    return True


def averages(method: Method) -> bool:
    return method.invents


def picks(method: Method) -> bool:
    return not method.invents


def law(text: str, holds: Callable[[Method], bool] = all_methods) -> Callable[[Any], Any]:
    """Run the test for every method that the law holds for, and enter it in the table."""
    methods = [method for method in WRITABLE if holds(method)]
    LAWS.append((text, [method.name for method in methods]))
    return pytest.mark.parametrize("method", [pytest.param(method, id=method.name) for method in methods])


def takes(method: Method, names: list[str]) -> list[str]:
    return names if method.invents else [*names, "bool"]


def pyramid(image: Any, plan: tuple[Level, ...], method: Method) -> list[Any]:
    found = [image]
    for level in plan[1:]:
        found.append(reduce_whole(found[level.parent], level.steps, method))
    return found


def sub_block(image: np.ndarray, spans: list[tuple[int, int, int]], method: Method) -> np.ndarray:
    """Reduce what `needs` says of an image, for (factor, first, stop) per axis."""
    cut, told = [], []
    for size, (factor, first, stop) in zip(image.shape, spans, strict=True):
        start, end = method.needs(factor, size, first, stop)
        cut.append(slice(start, end))
        told.append(Span(factor, size, start, first, stop - first))
    return method.reduce(image[tuple(cut)], told)


LADDERS = {
    "2,4,8": [(1, 2, 2), (1, 4, 4), (1, 8, 8)],
    "2,4 in 3D": [(2, 2, 2), (4, 4, 4)],
    "3,9": [(1, 3, 3), (1, 9, 9)],
    "2,3": [(1, 2, 2), (1, 3, 3)],
    "z1 y2 x4": [(1, 2, 4)],
    "2,4,12 mixed": [(1, 2, 2), (2, 4, 4), (2, 12, 4)],
    "5": [(1, 5, 5)],
}
ladders = st.sampled_from(list(LADDERS.values()))


@law("equals its reference: scikit-image, scipy or a plain loop")
@examples(25)
@given(data=st.data())
def test_a_level_equals_its_reference(method: Method, data: st.DataObject) -> None:
    image, steps = data.draw(images([*INTEGERS[:6], *FLOATS, ">u2"], most=3000, kinds=["full", "few"]))
    if method.name == "local_mean":  # scikit-image fills the last windows with zeros
        image = image[tuple(slice(n // f * f) for n, f in zip(image.shape, steps, strict=True))]
        assume(image.size)
    found, expected = reduce_whole(image, steps, method), REFERENCE[method.name](image, steps)
    assert found.shape == expected.shape
    if method.invents:
        assert np.all(np.abs(found.astype(float) - expected) <= tolerance(image.dtype, image))
    else:
        assert np.array_equal(found, expected)


@law("the same bits for any chunks, in NumPy, in dask and block by block")
@examples(60)
@given(data=st.data())
def test_pixels_do_not_depend_on_how_the_work_was_cut(method: Method, data: st.DataObject) -> None:
    image, steps = data.draw(images(takes(method, DTYPES)))
    whole = reduce_whole(image, steps, method)
    lazy = reduce_whole(data.draw(chunked(image)), steps, method)
    assert lazy.dtype == image.dtype
    assert lazy.shape == whole.shape
    assert same_bits(lazy.compute(scheduler="sync"), whole)
    boxes = [sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))) for n in whole.shape]
    spans = [(f, first, stop) for f, (first, stop) in zip(steps, boxes, strict=True)]
    part = sub_block(image, spans, method)
    assert same_bits(part, whole[tuple(slice(first, stop) for first, stop in boxes)])


def constants(name: str) -> list[Any]:
    dtype = np.dtype(name)
    if dtype.kind == "b":
        return [True, False]
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        large = min(2**53, limits.max)
        return sorted({limits.min, limits.min + 1, 0, 1, 77, large, limits.max // 2 + 2, limits.max - 1, limits.max})
    limits = np.finfo(dtype)
    return [0, 0.1, -1 / 3, 1e-3, limits.max, limits.min, limits.tiny, limits.smallest_subnormal, np.inf, np.nan]


@law("a constant image stays constant, to the last bit")
@examples(20)
@given(data=st.data())
def test_a_constant_image_stays_constant(method: Method, data: st.DataObject) -> None:
    shape = data.draw(st.tuples(*[st.integers(1, 20)] * 3))
    plan = levels(shape, data.draw(ladders), method)
    for name in takes(method, DTYPES):
        for value in constants(name):
            image = np.full(shape, value, name)
            for level, made in zip(plan, pyramid(image, plan, method), strict=True):
                assert same_bits(made, np.full(level.shape, value, name)), (name, value, level)


@law("dtype and byte order are kept, and the source is not touched")
@examples(20)
@given(data=st.data())
def test_a_level_has_the_dtype_of_the_image(method: Method, data: st.DataObject) -> None:
    image, steps = data.draw(images(takes(method, DTYPES), most=5000))
    before = image.copy()
    image.flags.writeable = False
    found = reduce_whole(image, steps, method)
    assert found.dtype == image.dtype
    assert found.dtype.byteorder == image.dtype.byteorder
    assert same_bits(image, before)
    if image.dtype.kind != "b":
        native = reduce_whole(image.astype(image.dtype.newbyteorder("=")), steps, method)
        assert same_bits(found.astype(native.dtype), native)


@law("⌈n/f⌉ samples, each within the range of the pixels that it sees")
@examples(25)
@given(data=st.data())
def test_samples_lie_between_the_pixels_that_they_are_made_of(method: Method, data: st.DataObject) -> None:
    image, steps = data.draw(images(takes(method, DTYPES), most=500, kinds=["full", "few"]))
    found = reduce_whole(image, steps, method)
    assert found.shape == tuple(-(-n // f) for n, f in zip(image.shape, steps, strict=True))
    for at in itertools.product(*map(range, found.shape)):
        seen = image[
            tuple(slice(*method.needs(f, n, i, i + 1)) for f, n, i in zip(steps, image.shape, at, strict=True))
        ]
        assert seen.min() <= found[at] <= seen.max()


@law("no value that the source does not have, for 64-bit ids too", picks)
@examples(30)
@given(data=st.data())
def test_a_level_has_only_values_of_the_source(method: Method, data: st.DataObject) -> None:
    image, _ = data.draw(images([*takes(method, INTEGERS), "uint64", "int64", ">u8"], most=20_000))
    image = image[(0,) * max(0, image.ndim - 3)]
    image = image[(None,) * (3 - image.ndim)]
    if image.dtype.itemsize == 8 and data.draw(st.booleans()):  # neighbours that float64 cannot tell apart
        ids = np.array([-1, -(2**62) - 1, -(2**62), 0, 2**53 + 1, 2**53 + 2, 2**62 + 1], np.int64).astype(image.dtype)
        image = np.random.default_rng(data.draw(st.integers(0, 99))).choice(ids, image.shape).astype(image.dtype)
    plan = levels(image.shape, data.draw(ladders), method)
    known = set(image.ravel().tolist())
    for level in pyramid(image, plan, method):
        assert set(level.ravel().tolist()) <= known


@law("scale and translation say where the pixels lie")
@examples(25)
@given(data=st.data())
def test_a_ramp_holds_its_own_coordinates_on_every_level(method: Method, data: st.DataObject) -> None:
    """`mode` takes the smallest of equals: a ramp up leans to one side, a ramp down to the other by as much."""
    ladder = data.draw(ladders)
    shape = data.draw(st.tuples(*[st.integers(1, 100)] * 3))
    axis = data.draw(st.integers(0, 2))
    scale = data.draw(st.sampled_from([(1.0, 1.0, 1.0), (2.0, 0.25, 0.5)]))
    base = data.draw(st.sampled_from([(0.0, 0.0, 0.0), (8.0, -16.5, 1024.25)]))
    dtype = data.draw(st.sampled_from(FLOATS[1:]))
    line = base[axis] + scale[axis] * np.arange(shape[axis])
    ramp = np.broadcast_to(line.reshape([-1 if i == axis else 1 for i in range(3)]), shape).astype(dtype)
    plan = levels(shape, ladder, method)
    up, down = pyramid(ramp, plan, method), pyramid(-ramp, plan, method)
    reach = [np.stack([np.arange(shape[axis])] * 2)]  # first and last pixel that each sample sees, the border ignored
    for k, level in enumerate(plan):
        if k:
            f, size = level.steps[axis], plan[level.parent].shape[axis]
            i = np.arange(level.shape[axis])
            ends = np.stack([i * f - method.halo(f), i * f + f - 1 + method.halo(f)])
            inside = (ends[0] >= 0) & (ends[1] < size)
            ends = ends.clip(0, size - 1)
            seen = np.stack([reach[level.parent][0][ends[0]], reach[level.parent][1][ends[1]]])
            reach.append(np.where(inside, seen, [[-(10**9)], [10**9]]))
        true = (reach[k][0] >= 0) & (reach[k][1] < shape[axis])
        says = level.translation(base, scale)[axis] + level.scale(scale)[axis] * np.arange(level.shape[axis])
        middle = np.moveaxis((up[k] - down[k]) / 2, axis, -1)
        assert np.array_equal(middle[..., true], np.broadcast_to(says[true], middle[..., true].shape))
        if method.name != "mode":
            assert np.array_equal(up[k], -down[k])


@law("a pixel, NaN too, changes only the samples that see it")
@examples(40)
@given(data=st.data())
def test_a_pixel_reaches_only_the_samples_that_see_it(method: Method, data: st.DataObject) -> None:
    image, steps = data.draw(images(FLOATS, most=20_000, kinds=["full", "few"]))
    at = tuple(data.draw(st.integers(0, n - 1)) for n in image.shape)
    spoilt = image.copy()
    spoilt[at] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf, 1234]))
    clean, found = reduce_whole(image, steps, method), reduce_whole(spoilt, steps, method)
    sees = np.ones(found.shape, bool)
    for axis, (f, n, p) in enumerate(zip(steps, image.shape, at, strict=True)):
        ends = [method.needs(f, n, i, i + 1) for i in range(found.shape[axis])]
        hit = np.array([start <= p < stop for start, stop in ends])
        sees &= hit.reshape([-1 if i == axis else 1 for i in range(found.ndim)])
    assert same_bits(np.where(sees, 0, found).astype(found.dtype), np.where(sees, 0, clean).astype(found.dtype))


@law("a level's own pyramid is the rest of the pyramid")
@examples(25)
@given(data=st.data())
def test_a_pyramid_of_a_level_is_the_rest_of_the_pyramid(method: Method, data: st.DataObject) -> None:
    image, _ = data.draw(images(takes(method, DTYPES), most=50_000))
    image = image.reshape(image.shape if image.ndim == 3 else (-1, *image.shape[-2:]))
    ladder = data.draw(st.sampled_from([ladder for name, ladder in LADDERS.items() if name != "2,3"]))
    plan = levels(image.shape, ladder, method)
    whole = pyramid(image, plan, method)
    for k in range(1, len(plan)):
        rest = [tuple(f // g for f, g in zip(factors, ladder[k - 1], strict=True)) for factors in ladder[k:]]
        again = pyramid(whole[k], levels(whole[k].shape, rest, method), method)
        assert all(map(same_bits, again, whole[k:]))


@law("integers are rounded to the nearest, half to even", averages)
@examples(30)
@given(data=st.data())
def test_integers_are_rounded_half_to_even(method: Method, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["full", "few", "small"]))
    exact = method.name == "local_mean" or kind != "full"  # float64 is no judge of the full range of 64 bits
    image, steps = data.draw(images(INTEGERS if exact else INTEGERS[:6], most=20_000, kinds=[kind]))
    found, real = reduce_whole(image, steps, method), reduce_whole(image.astype(float), steps, method)
    noise = 1e-12 * np.abs(image.astype(float)).max()
    assert np.all(np.abs(found.astype(float) - real) <= 0.5 + noise)
    tie = np.abs(real - np.floor(real) - 0.5) < noise + 1e-12
    assert np.array_equal(found[~tie], np.rint(real[~tie]).astype(found.dtype))
    if method.name == "local_mean" and image.size < 2000:
        assert np.array_equal(found, exact_mean(image, steps))
    if method.name == "zoom":  # halves, quarters and eighths are exact
        assert np.array_equal(found, np.rint(real).astype(found.dtype))
    if image.dtype.kind == "i" and kind != "full":
        assert np.array_equal(reduce_whole(-image, steps, method)[~tie], -found[~tie])


@law("the same values give the same level in every integer dtype")
@examples(15)
@given(data=st.data())
def test_integers_of_all_sizes_agree(method: Method, data: st.DataObject) -> None:
    image, steps = data.draw(images(["int8"], most=20_000, kinds=["small"]))
    expected = reduce_whole(image, steps, method)
    for name in INTEGERS:
        assert np.array_equal(reduce_whole(image.astype(name), steps, method), expected), name


@law("rounding does not drift: four levels within 0.01 of those without it", averages)
@pytest.mark.parametrize("shape", [pytest.param((1, 2048, 2048), id="2D"), pytest.param((128, 256, 256), id="3D")])
def test_rounding_does_not_drift(method: Method, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(12).integers(0, 4096, shape, np.uint16)
    ladder = [tuple(f if n > 1 else 1 for n in shape) for f in (2, 4, 8, 16)]
    plan = levels(shape, ladder, method)
    for rounded, real in zip(pyramid(image, plan, method), pyramid(image.astype(float), plan, method), strict=True):
        assert abs(rounded.mean() - real.mean()) < 0.01
        if method.name == "local_mean":
            assert abs(rounded.mean() - image.mean()) < 0.01


@law("pixels that it cannot reduce are refused: bool where it averages; complex, times, records")
def test_pixels_that_a_method_cannot_reduce_are_refused(method: Method) -> None:
    long = ["longdouble"] if np.dtype("longdouble").itemsize > 8 else []  # not on Windows
    for name in [*(["bool"] if method.invents else []), *long, "complex64", "M8[s]", "m8[s]", "S3", "U3", "O", "i4,f4"]:
        for steps in [(1, 1), (2, 2)]:
            with pytest.raises(MethodError, match="bool"):
                reduce_whole(np.zeros((4, 4), name), steps, method)


def methods_table() -> str:
    """Say what each method is, from the registry."""
    rows = ["| method | value | first sample moves by | labels | the same as |", "|---|---|---|---|---|"]
    moves = {(0.5, 1.0, 1.5): "(*f* - 1)/2", (0, 1, 1): "(*f* - 1) // 2"}
    for method in WRITABLE:
        shift = moves[tuple(method.shift(f) for f in (2, 3, 4))]
        labels = "no" if method.invents else "yes"
        rows.append(f"| `{method.name}` | {method.summary} | {shift} | {labels} | {_code(method.reference)} |")
    return "\n".join(rows)


def _code(reference: str) -> str:
    return f"`{reference}`" if reference.startswith(("skimage.", "scipy.")) else reference


def laws_table() -> str:
    """Say which law holds for which method, from the tests above."""
    rows = [f"| law | {' | '.join(f'`{m.name}`' for m in WRITABLE)} |", "|---" * (len(WRITABLE) + 1) + "|"]
    for text, names in LAWS:
        rows.append(f"| {text} | {' | '.join('✓' if m.name in names else '–' for m in WRITABLE)} |")
    return "\n".join(rows)


TABLES = {"methods": methods_table, "laws": laws_table}


def with_tables(page: str) -> str:
    """Put the tables of today between their marks."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}: written by tests/test_laws.py -->", f"<!-- end of {name} -->"
        before, begun, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        assert begun, f"docs/methods.md does not say {begin}"
        assert ended, f"docs/methods.md does not say {end}"
        page = f"{before}{begin}\n\n{table()}\n\n{end}{after}"
    return page


def test_the_documented_tables_match_the_registry_and_these_tests() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page) == page, "Run `python tests/test_laws.py`, which writes them anew."


def test_every_law_names_the_methods_that_it_does_not_hold_for() -> None:
    """A dash is no law that was forgotten: averages cannot keep to the source's values, nor labels to its mean."""
    partial = {text: set(names) for text, names in LAWS if len(names) < len(WRITABLE)}
    inventing = {method.name for method in WRITABLE if method.invents}
    assert all(names in (inventing, {m.name for m in WRITABLE} - inventing) for names in partial.values())


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
