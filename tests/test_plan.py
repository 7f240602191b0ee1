"""The plan: every cell written once, the image tiled exactly, memory bounded, the source read once."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import attrs
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ome_ngff.axes import Axes
from ome_ngff.engine.cutting import make_plan
from ome_ngff.engine.plan import Plan, children
from ome_ngff.methods import LocalMean, Method, Methods
from ome_ngff.pixels.boxes import Box, tiles
from ome_ngff.pixels.ladders import levels, parse_ladder
from ome_ngff.pixels.source import Source
from ome_ngff.store.layout import Grid, Layout

MODE = Methods.MODE.method
LADDERS = [
    [],
    [2, 4, 8],
    [3, 9],
    [2, 3],
    [{"z": 1, "y": 2, "x": 4}, {"z": 2, "y": 4, "x": 8}],
    [{"z": 2, "y": 2, "x": 2}, {"z": 4, "y": 4, "x": 4}, {"z": 8, "y": 8, "x": 8}],
]


def cut(lengths: st.SearchStrategy[int], total: int, draw: st.DrawFn) -> tuple[int, ...]:
    """Cut an axis into irregular blocks."""
    found: list[int] = []
    while sum(found) < total:
        found.append(min(draw(lengths), total - sum(found)))
    return tuple(found)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Draw an image, how it is stored, where it comes from and what may be used."""
    shape = tuple(draw(st.integers(1, 40)) for _ in range(3))
    axes = Axes("zyx")
    method = draw(st.sampled_from([m.method for m in Methods if not m.method.in_memory]))
    pyramid = levels(shape, parse_ladder(draw(st.sampled_from(LADDERS)), axes.names), method)
    chunks = tuple(draw(st.integers(2, 24)) for _ in range(3))
    chunks = tuple(min(c, n) for c, n in zip(chunks, shape, strict=True))
    shards = draw(st.none() | st.tuples(*(st.integers(1, 3) for _ in range(3))))
    shards = shards and tuple(c * s for c, s in zip(chunks, shards, strict=True))
    grids = Layout(chunks, shards).grids(pyramid, axes, 2, 3)
    kind = draw(st.sampled_from(["free", "regular", "irregular", "planes"]))
    source = None
    if kind == "regular":
        sizes = [draw(st.integers(1, n)) for n in shape]
        source = tuple((s,) * (n // s) + ((n % s,) if n % s else ()) for s, n in zip(sizes, shape, strict=True))
    elif kind == "irregular":
        source = tuple(cut(st.integers(1, n), n, draw) for n in shape)
    elif kind == "planes":
        source = ((1,) * shape[0], (shape[1],), (shape[2],))
    return make_plan(
        pyramid, grids, method, 2, {0: Source(source)},
        memory_target=draw(st.sampled_from([1, 2**12, 2**16, 2**20])),
        task_target=draw(st.sampled_from([2**12, 2**18])), workers=draw(st.integers(1, 5)),
    )  # fmt: skip


def cells(box: Box, grid: Grid) -> set[tuple[int, ...]]:
    """Return the cells that a box touches."""
    return set(itertools.product(*(range(a // c, -(-b // c)) for (a, b), c in zip(box, grid.cell, strict=True))))


def volume(box: Box) -> int:
    return math.prod(b - a for a, b in box)


def whole_box(shape: Iterable[int]) -> Box:
    """Return the box of a whole level."""
    return tuple((0, n) for n in shape)


def holds(outer: Box, inner: Box) -> bool:
    """Say whether a box holds another, which is not empty."""
    return all(a <= low < high <= b for (a, b), (low, high) in zip(outer, inner, strict=True))


def times_covered(box: Box, parts: Iterable[Box]) -> set[int]:
    """Return how often the parts of a box cover its pixels: {1} where they tile it."""
    times = np.zeros([b - a for a, b in box], int)
    for part in parts:
        assert holds(box, part)
        times[tuple(slice(a - o, b - o) for (a, b), (o, _) in zip(part, box, strict=True))] += 1
    return set(np.unique(times))


class Unit(NamedTuple):
    """A unit of a plan, by its number in one of the passes."""

    plan: Plan
    work: Any
    number: int

    @property
    def box(self) -> Box:
        return self.work.box(self.number, self.plan.levels[self.work.base].shape)

    @property
    def owns(self) -> dict[int, Box]:
        return self.plan.own(self.work, self.number)

    @property
    def needs(self) -> dict[int, Box]:
        return self.plan.needs(self.work, self.number)

    @property
    def pieces(self) -> list[Any]:
        return list(self.plan.pieces(self.work, self.number))


def units_of(plan: Plan, work: Any) -> Iterator[Unit]:
    """Yield the units of one pass."""
    for number in range(len(work)):
        yield Unit(plan, work, number)


def every_unit(plan: Plan) -> Iterator[Unit]:
    """Yield the units of all passes."""
    for work in plan.passes:
        yield from units_of(plan, work)


def writing_units(plan: Plan) -> Iterator[Unit]:
    """Yield the units of the passes that write levels, not those that fill the spool."""
    return (unit for unit in every_unit(plan) if unit.work.writes)


def every_piece(plan: Plan) -> Iterator[tuple[Unit, Any]]:
    """Yield each piece of the units that write levels, with its unit."""
    for unit in writing_units(plan):
        for piece in unit.pieces:
            yield unit, piece


def owned(plan: Plan) -> Iterator[tuple[int, Box]]:
    """Yield all that the units own: the number of the level and the box."""
    for unit in every_unit(plan):
        yield from unit.owns.items()


def read_from_source(plan: Plan) -> Iterator[Box]:
    """Yield the boxes that are read from the source: of units where they are held, else of their pieces."""
    for unit in every_unit(plan):
        if unit.work.reads == "given":
            yield from [unit.needs[0]] if unit.work.held else [piece.seen for piece in unit.pieces]


def looked_at(plan: Plan, k: int, box: Box) -> Box:
    """Return the box of its parent that the method looks at to make a box of level k."""
    level = plan.levels[k]
    along = zip(level.steps, plan.levels[level.parent].shape, box, strict=True)
    return tuple(plan.method.needs(f, n, low, high) for f, n, (low, high) in along)


def is_whole_cells(box: Box, grid: Grid, shape: tuple[int, ...]) -> bool:
    """Say whether a box is made of whole cells of a level."""
    return all(a % c == 0 and (b % c == 0 or b == n) for (a, b), c, n in zip(box, grid.cell, shape, strict=True))


def margin_before(plan: Plan, margin: Any) -> np.ndarray[Any, Any]:
    """Return what a margin holds when its reader starts: for each place, the index along the axis that is cut."""
    held = np.full(margin.shape(plan.levels[margin.level])[margin.axis], -1)
    for work in plan.passes[: margin.reader]:
        for low, high in written_to_margin(plan, work, margin):
            start = margin.place(low, high)
            held[start : start + high - low] = np.arange(low, high)
    return held


def written_to_margin(plan: Plan, work: Any, margin: Any) -> Iterator[tuple[int, int]]:
    """Yield the intervals of the axis that is cut which the units of a pass put into a margin."""
    for unit in units_of(plan, work):
        if margin.level in unit.owns:
            yield from margin.halves(*unit.owns[margin.level][margin.axis])


def read_from_margin(plan: Plan, margin: Any) -> Iterator[tuple[int, int]]:
    """Yield the intervals of the axis that is cut which the reader's units see beyond their own boxes."""
    for unit in units_of(plan, plan.passes[margin.reader]):
        own, need = unit.box[margin.axis], unit.needs[margin.level][margin.axis]
        yield from ((low, high) for low, high in ((need[0], own[0]), (own[1], need[1])) if low < high)


@settings(max_examples=150, deadline=None)
@given(plans())
def test_every_cell_of_every_level_is_written_by_exactly_one_unit(plan: Plan) -> None:
    written = Counter((k, cell) for k, box in owned(plan) for cell in cells(box, plan.grids[k]))
    boxes = [whole_box(level.shape) for level in plan.levels]
    assert written == Counter((k, cell) for k, box in enumerate(boxes) for cell in cells(box, plan.grids[k]))


@settings(max_examples=150, deadline=None)
@given(plans())
def test_units_tile_every_level_exactly(plan: Plan) -> None:
    for work in plan.passes:
        assert [work.number(index) for index in np.ndindex(*work.counts)] == [*range(len(work))]
    covered: Counter[int] = Counter()
    for k, box in owned(plan):
        covered[k] += volume(box)
    assert covered == {k: math.prod(level.shape) for k, level in enumerate(plan.levels)}


@settings(max_examples=150, deadline=None)
@given(plans())
def test_a_unit_holds_all_that_the_levels_it_writes_look_at(plan: Plan) -> None:
    for unit in every_unit(plan):
        needs = unit.needs
        assert all(holds(needs[k], box) for k, box in unit.owns.items())
        made = set(unit.owns) - {unit.work.base}
        assert all(holds(needs[plan.levels[k].parent], looked_at(plan, k, needs[k])) for k in made)


@settings(max_examples=150, deadline=None)
@given(plans(), st.data())
def test_each_block_of_the_source_is_read_by_exactly_one_unit(plan: Plan, data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(["regular", "planes"]))
    shape = plan.levels[0].shape
    sizes = (1, *shape[1:]) if source == "planes" else tuple(data.draw(st.integers(1, n)) for n in shape)
    blocks = tuple((s,) * (n // s) + ((n % s,) if n % s else ()) for s, n in zip(sizes, shape, strict=True))
    target = data.draw(st.sampled_from([1, 2**12, 2**16]))
    again = make_plan(
        plan.levels,
        plan.grids,
        plan.method,
        2,
        {0: Source(blocks)},
        memory_target=target,
        task_target=target,
        workers=2,
    )
    read = Counter(block for box in read_from_source(again) for block in cells(box, Grid(sizes)))
    assert read == Counter(cells(whole_box(shape), Grid(sizes)))


@settings(max_examples=150, deadline=None)
@given(plans())
def test_pieces_tile_their_unit_and_all_it_needs_of_the_levels_below(plan: Plan) -> None:
    for unit in writing_units(plan):
        pieces, needs, below = unit.pieces, unit.needs, children(unit.work, plan.levels)
        assert all(set(piece.makes) == set(below) for piece in pieces)
        assert times_covered(unit.box, [piece.own for piece in pieces]) == {1}
        assert all(times_covered(needs[k], [piece.makes[k] for piece in pieces]) == {1} for k in below)


@settings(max_examples=150, deadline=None)
@given(plans())
def test_pieces_of_a_written_level_are_whole_cells(plan: Plan) -> None:
    for unit, piece in every_piece(plan):
        base = unit.work.base
        assert base not in unit.work.writes or is_whole_cells(piece.own, plan.grids[base], plan.levels[base].shape)


@settings(max_examples=150, deadline=None)
@given(plans())
def test_a_piece_sees_all_that_it_reduces_within_its_unit(plan: Plan) -> None:
    for unit, piece in every_piece(plan):
        assert all(holds(piece.seen, looked_at(plan, k, box)) for k, box in piece.makes.items())
        assert holds(unit.needs[unit.work.base], piece.seen)


def short_last_unit() -> Plan:
    """Plan units of 16 and of 1 pixels along x; the short one sees 14 pixels before its own."""
    method, axes = Methods.RESIZE.method, Axes("zyx")
    pyramid = levels((1, 2, 17), parse_ladder([2, 4, 8], axes.names), method)
    grids = Layout((1, 2, 2)).grids(pyramid, axes, 2, 3)
    return make_plan(pyramid, grids, method, 2, {0: Source()}, memory_target=2**10, task_target=2**8, workers=2)


@settings(max_examples=150, deadline=None)
@example(short_last_unit())
@given(plans())
def test_a_piece_holds_no_more_than_its_pass_says(plan: Plan) -> None:
    for unit, piece in every_piece(plan):
        times = 3 if piece.seen != piece.own and unit.work.base in unit.work.writes else 2
        assert times * volume(piece.seen) * plan.itemsize <= unit.work.piece_bytes


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 20), st.integers(1, 9)), min_size=1, max_size=3))
def test_tiles_cut_a_box_at_all_multiples_of_their_lengths(axes: list[tuple[int, int, int]]) -> None:
    box = [(low, low + n) for low, n, _ in axes]
    lengths = [length for _, _, length in axes]
    along = []
    for (low, high), length in zip(box, lengths, strict=True):
        ends = [low, *(i for i in range(low + 1, high) if i % length == 0), high]
        along.append(list(itertools.pairwise(ends)))
    assert list(tiles(tuple(box), lengths)) == list(itertools.product(*along))


@settings(max_examples=150, deadline=None)
@given(plans(), st.sampled_from([2**14, 2**16, 2**18, 2**20]), st.integers(1, 4))
def test_memory_stays_under_the_target_wherever_the_smallest_unit_does(plan: Plan, target: int, workers: int) -> None:
    again = make_plan(
        plan.levels,
        plan.grids,
        plan.method,
        2,
        {0: Source()},
        memory_target=target,
        task_target=target,
        workers=workers,
    )
    for work in again.passes:
        assert work.at_once <= workers
        assert work.pieces_at_once <= workers
        if work.at_once > 1 or work.pieces_at_once > 1:
            assert work.peak_bytes <= target
        elif work.peak_bytes > target:  # one cell (or whole steps of it) is all that is left to one task
            first = again.levels[work.writes[0]]
            base = again.levels[work.base]
            cell = again.grids[work.writes[0]].cell
            steps = [f // g for f, g in zip(first.factors, base.factors, strict=True)]
            smallest = [
                n if c >= m else min(n, f * c) for f, c, m, n in zip(steps, cell, first.shape, base.shape, strict=True)
            ]
            assert list(work.unit) == smallest
            assert len(work.writes) == 1


@pytest.mark.parametrize("method", [Methods.RESIZE.method, Methods.GAUSSIAN.method], ids=str)
def test_memory_stays_under_the_target_where_a_unit_is_held_whole(method: Method) -> None:
    pyramid = levels((128, 512, 512), parse_ladder([2, 4], "zyx"), method)
    planes = Source(((1,) * 128, (512,), (512,)))
    plan = make_plan(
        pyramid, Layout(32).grids(pyramid, Axes("zyx"), 2, 3), method, 2, {0: planes},
        memory_target=2**23, task_target=2**27, workers=1,
    )  # fmt: skip
    assert any(work.held and work.writes for work in plan.passes)
    assert plan.peak_bytes <= 2**23


def test_what_a_task_holds_is_bounded_by_what_its_plan_says() -> None:
    pyramid = levels((256, 1024, 1024), parse_ladder([2, 4, 8], "zyx"), Methods.RESIZE.method)
    plan = make_plan(
        pyramid, Layout(64).grids(pyramid, Axes("zyx"), 2, 3), Methods.RESIZE.method, 2, {0: Source()},
        memory_target=2**29, task_target=2**27, workers=2,
    )  # fmt: skip
    assert not plan.passes[0].held  # pixels at hand
    for unit in every_unit(plan):
        held = [box for k, box in unit.needs.items() if unit.work.held or k != unit.work.base]
        assert 2 * 2 * sum(volume(box) for box in held) <= unit.work.task_bytes
    assert plan.peak_bytes <= 2**29


def test_a_resumed_plan_takes_over_the_units_of_the_first_one() -> None:
    pyramid = levels((200, 300, 300), parse_ladder([2, 4], "zyx"), Methods.MODE.method)
    grids = Layout(32).grids(pyramid, Axes("zyx"), 4, 3)
    words = {"memory_target": 2**24, "task_target": 2**22, "workers": 2}
    first = make_plan(pyramid, grids, Methods.MODE.method, 4, {0: Source()}, **words)
    more = {"memory_target": 2**28, "task_target": 2**27, "workers": 4}
    assert make_plan(pyramid, grids, Methods.MODE.method, 4, {0: Source()}, **more).division != first.division
    again = make_plan(pyramid, grids, Methods.MODE.method, 4, {0: Source()}, **more, division=first.division)
    assert again.division == first.division


def test_a_resumed_plan_is_recut_where_its_units_exceed_the_memory() -> None:
    pyramid = levels((200, 300, 300), parse_ladder([2, 4], "zyx"), Methods.MODE.method)
    grids = Layout(32).grids(pyramid, Axes("zyx"), 4, 3)
    first = make_plan(
        pyramid, grids, Methods.MODE.method, 4, {0: Source()}, memory_target=2**28, task_target=2**26, workers=1
    )
    less = {"memory_target": 2**22, "task_target": 2**20, "workers": 2}
    again = make_plan(pyramid, grids, Methods.MODE.method, 4, {0: Source()}, **less, division=first.division)
    assert again.peak_bytes <= 2**22


def test_units_that_take_no_more_than_new_ones_are_taken_over() -> None:
    """A cell alone takes more than the memory: there is no better cut."""
    pyramid = levels((100, 100, 64), parse_ladder([2, 4], "zyx"), Methods.RESIZE.method)
    grids, planes = Layout((64, 16, 128)).grids(pyramid, Axes("zyx"), 2, 3), Source(((1,) * 100, (100,), (64,)))
    words = {"memory_target": 2**20, "task_target": 2**18, "workers": 1}
    first = make_plan(pyramid, grids, Methods.RESIZE.method, 2, {0: planes}, **words)
    less = {"memory_target": 2**19, "task_target": 2**21, "workers": 4}
    fresh = make_plan(pyramid, grids, Methods.RESIZE.method, 2, {0: planes}, **less)
    assert fresh.division != first.division
    assert fresh.peak_bytes > 2**19
    again = make_plan(pyramid, grids, Methods.RESIZE.method, 2, {0: planes}, **less, division=first.division)
    assert again.division == first.division


def test_a_small_image_like_an_earlier_one_is_cut_as_that_was() -> None:
    pyramid, kinds = levels((3, 64, 64), parse_ladder([2], "cyx"), Methods.MODE.method), list[Any]()
    large = levels((3, 4000, 4000), parse_ladder([2], "cyx"), Methods.MODE.method)
    words = {"memory_target": 2**24, "task_target": 2**22, "workers": 2}

    @attrs.frozen
    class Remembering(type(Methods.MODE.method)):  # type: ignore[misc]
        seen: list[Any] = kinds  # cannot be a key

    class Equal(LocalMean):
        """Equal to each other of its class, whatever halo that has."""

        def __init__(self, halo: int) -> None:
            super().__init__()
            object.__setattr__(self, "wide", halo)

        def halo(self, factor: int) -> int:
            return int(self.wide)  # type: ignore[attr-defined]

    def plan(of: Any = pyramid, method: Method = Methods.MODE.method, blocks: Any = None, **other: int) -> Plan:
        grids = Layout(32).grids(of, Axes("cyx"), 2, 3)
        return make_plan(of, grids, method, 2, {0: Source(blocks)}, **{**words, **other})

    assert plan() is plan()
    others = [plan(workers=1), plan(blocks=((1,) * 3, (64,), (64,))), plan(large), plan(method=Remembering())]
    assert all(other is not plan() for other in others)
    assert plan(large) is not plan(large)
    assert plan(large) == plan(large)
    assert plan(method=Remembering()) == plan(method=Remembering())
    assert others[1].passes != plan().passes
    few, many = Equal(0), Equal(7)
    assert few == many
    assert (plan(method=few).method, plan(method=many).method)[1] is many
    assert plan(method=few).passes != plan(method=many).passes


def test_a_plan_says_what_it_reads_and_writes() -> None:
    pyramid = levels((64, 64, 64), parse_ladder([2], "zyx"), Methods.LOCAL_MEAN.method)
    plan = make_plan(
        pyramid, Layout(32).grids(pyramid, Axes("zyx"), 2, 3), Methods.LOCAL_MEAN.method, 2, {0: Source()},
        memory_target=2**29, task_target=2**27, workers=2,
    )  # fmt: skip
    text = str(plan)
    assert "reads 512 KiB of level 0 from the source" in text
    assert "writes 640 KiB of levels 0, 1" in text
    assert "peak memory" in text
    (work,) = plan.passes
    assert plan.peak_bytes == work.at_once * work.task_bytes + 2 * work.piece_bytes


def test_a_plan_of_100_tebibytes_counts_units_of_whole_shards() -> None:
    """The box of a unit follows from its number; the plan holds no list of them."""
    shape = (51200, 32768, 32768)
    steps = [{a: 2**k for a in "zyx"} for k in range(1, 9)]
    pyramid = levels(shape, parse_ladder(steps, "zyx"), Methods.LOCAL_MEAN.method)
    grids = Layout((128, 128, 128), (512, 1024, 1024)).grids(pyramid, Axes("zyx"), 2, 3)
    plan = make_plan(
        pyramid, grids, Methods.LOCAL_MEAN.method, 2, {0: Source()}, memory_target=2**32, task_target=2**30, workers=2
    )
    assert plan.bytes_of(0) == 100 * 2**40
    first = plan.passes[0]
    assert all(u % shard == 0 for u, shard in zip(first.unit, (512, 1024, 1024), strict=True))
    assert 10_000 < len(first) <= 100 * 32 * 32
    last = tuple((n - u, n) for u, n in zip(first.unit, shape, strict=True))
    assert plan.own(first, len(first) - 1)[0] == last


def thin_chunks() -> Plan:
    """Plan coarser levels whose units are narrower than what their readers see of their neighbours."""
    method = Methods.GAUSSIAN.method
    pyramid = levels((512, 8, 8), parse_ladder([{"z": 2**k, "y": 1, "x": 1} for k in (1, 2, 3, 4)], "zyx"), method)
    return make_plan(
        pyramid, [Grid((length, 8, 8)) for length in (32, 8, 4, 2, 1)], method, 2,
        {0: Source(((1,) * 512, (8,), (8,)))}, memory_target=20_000, task_target=1, workers=1,
    )  # fmt: skip


@given(plans())
@example(thin_chunks())
def test_margins_hold_all_that_their_readers_see_beyond_their_own_box(plan: Plan) -> None:
    for margin in plan.margins:
        held = margin_before(plan, margin)
        assert margin.width <= plan.grids[margin.level].cell[margin.axis]  # a chunk of it belongs to one cell
        for low, high in read_from_margin(plan, margin):
            start = margin.place(low, high)
            assert list(held[start : start + high - low]) == list(range(low, high))


def test_a_pass_that_looks_at_neighbours_has_margins() -> None:
    pyramid = levels(
        (512, 512, 512), parse_ladder([{a: 2**k for a in "zyx"} for k in (1, 2)], "zyx"), Methods.RESIZE.method
    )
    source = Source(((64,) * 8,) * 3)
    plan = make_plan(
        pyramid, Layout(64).grids(pyramid, Axes("zyx"), 2, 3), Methods.RESIZE.method, 2, {0: source},
        memory_target=2**27, task_target=2**25, workers=2,
    )  # fmt: skip
    assert plan.passes[0].writes == (0,)
    assert {(margin.reader, margin.axis, margin.width) for margin in plan.margins if margin.level == 0} == {
        (1, axis, 2) for axis, count in enumerate(plan.passes[1].counts) if count > 1
    }


def test_pixels_at_hand_take_one_pass_and_fetched_ones_small_units() -> None:
    pyramid = levels((256, 1024, 1024), parse_ladder([{a: 2**k for a in "zyx"} for k in (1, 2, 3)], "zyx"), MODE)
    grids = Layout((64, 256, 256)).grids(pyramid, Axes("zyx"), 4, 3)
    words = {"memory_target": 2**29, "task_target": 2**27, "workers": 2}

    def planned(source: Source, *, spread: bool = False) -> Plan:
        return make_plan(pyramid, grids, MODE, 4, {0: source}, **words, spread=spread)

    (only,) = planned(Source()).passes
    assert (only.writes, only.held, only.pieces_at_once) == ((0, 1, 2, 3), False, 2)
    blocks = Source(((64,) * 4, (256,) * 4, (256,) * 4))
    for shared in (planned(blocks), planned(blocks, spread=True), planned(Source(), spread=True)):
        assert all(math.prod(work.unit) * 4 <= 2**27 for work in shared.passes if work.reads == "given")
        assert len(shared.passes[0]) == 8


@pytest.mark.parametrize(
    ("source", "piece"),
    [
        pytest.param(Source(((128,) * 2, (128,) * 8, (128,) * 8)), (128, 128, 128), id="alike"),
        pytest.param(Source(((128,) * 2, (128,) * 8, (256,) * 4)), (128, 128, 256), id="other-blocks"),
        pytest.param(Source(), (128, 128, 256), id="at-hand"),
    ],
)
def test_large_cells_read_as_they_are_written_are_pieces_alone(source: Source, piece: tuple[int, ...]) -> None:
    pyramid = levels((256, 1024, 1024), parse_ladder([2], "zyx"), MODE)
    plan = make_plan(
        pyramid, Layout(128).grids(pyramid, Axes("zyx"), 2, 3), MODE, 2, {0: source},
        memory_target=2**29, task_target=2**27, workers=2, piece_target=2**23, alike_target=2**22,
    )  # fmt: skip
    assert plan.passes[0].piece == piece


def test_spool_chunks_divide_the_blocks_and_are_small_where_units_split_them() -> None:
    pyramid = levels((1000, 1200, 2100), parse_ladder([{a: 2 for a in "zyx"}], "zyx"), MODE)
    grids = Layout(128).grids(pyramid, Axes("zyx"), 2, 3)
    for blocks in ((50, 300, 700), (47, 301, 701), (1, 1200, 2100), (1000, 1200, 7)):
        counted = zip(blocks, (1000, 1200, 2100), strict=True)
        source = Source(tuple((b,) * (n // b) + ((n % b,) if n % b else ()) for b, n in counted))
        plan = make_plan(
            pyramid, grids, MODE, 2, {0: source}, memory_target=2**27, task_target=2**26, workers=2
        )  # fmt: skip
        filling, reading = plan.passes[:2]
        assert not filling.writes
        assert 2 * math.prod(filling.unit) * 2 <= 2**26  # two of them have room in a task
        assert plan.spool is not None
        for chunk, fill, n in zip(plan.spool, filling.unit, pyramid[0].shape, strict=True):
            assert fill % chunk == 0 or fill >= n
        whole = all(u % c == 0 or u >= n for u, c, n in zip(reading.unit, plan.spool, pyramid[0].shape, strict=True))
        assert whole or math.prod(plan.spool) * 2 <= 2**22  # lengths of primes have no small parts
