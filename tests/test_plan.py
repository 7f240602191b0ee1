"""The plan: every cell written once, the image tiled exactly, memory bounded, the source read once."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ome_ngff.axes import Axes
from ome_ngff.engine.cutting import make_plan
from ome_ngff.engine.plan import Plan, children
from ome_ngff.methods import Methods
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
    """Give the cells that a box touches."""
    return set(itertools.product(*(range(a // c, -(-b // c)) for (a, b), c in zip(box, grid.cell, strict=True))))


def volume(box: Box) -> int:
    return math.prod(b - a for a, b in box)


@settings(max_examples=150, deadline=None)
@given(plans())
def test_every_cell_of_every_level_is_written_by_exactly_one_unit(plan: Plan) -> None:
    written: Counter[tuple[int, tuple[int, ...]]] = Counter()
    for work in plan.passes:
        for number in range(len(work)):
            for k, box in plan.own(work, number).items():
                written.update((k, cell) for cell in cells(box, plan.grids[k]))
    for k, (level, grid) in enumerate(zip(plan.levels, plan.grids, strict=True)):
        every = cells(tuple((0, n) for n in level.shape), grid)
        assert {cell: written[k, cell] for cell in every} == dict.fromkeys(every, 1)


@settings(max_examples=150, deadline=None)
@given(plans())
def test_units_tile_every_level_exactly(plan: Plan) -> None:
    covered = Counter({k: 0 for k in range(len(plan.levels))})
    for work in plan.passes:
        for number in range(len(work)):
            for k, box in plan.own(work, number).items():
                covered[k] += volume(box)
    assert covered == {k: math.prod(level.shape) for k, level in enumerate(plan.levels)}


@settings(max_examples=150, deadline=None)
@given(plans())
def test_a_unit_holds_all_that_the_levels_it_writes_look_at(plan: Plan) -> None:
    for work in plan.passes:
        for number in range(len(work)):
            need = plan.needs(work, number)
            for k, own in plan.own(work, number).items():
                assert all(a <= c and d <= b for (a, b), (c, d) in zip(need[k], own, strict=True))
                if k != work.base:
                    level = plan.levels[k]
                    parent = plan.levels[level.parent].shape
                    for f, n, (a, b), (c, d) in zip(level.steps, parent, need[level.parent], need[k], strict=True):
                        low, high = plan.method.needs(f, n, c, d)
                        assert a <= low
                        assert high <= b


@settings(max_examples=150, deadline=None)
@given(plans(), st.data())
def test_each_block_of_a_source_with_blocks_is_read_by_exactly_one_unit(plan: Plan, data: st.DataObject) -> None:
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
    read: Counter[tuple[int, ...]] = Counter()
    for work in again.passes:
        if work.reads == "given":
            for number in range(len(work)):
                held = [again.needs(work, number)[0]]
                for box in held if work.held else [piece.seen for piece in again.pieces(work, number)]:
                    read.update(cells(box, Grid(sizes)))
    assert set(read.values()) == {1}


@settings(max_examples=150, deadline=None)
@given(plans())
def test_pieces_cover_a_unit_once_and_see_all_that_they_make_levels_of(plan: Plan) -> None:
    for work in plan.passes:
        if not work.writes:
            continue
        base = plan.levels[work.base]
        for number in range(len(work)):
            unit, need = work.box(number, base.shape), plan.needs(work, number)
            covered = {work.base: np.zeros([b - a for a, b in unit], int)}
            covered |= {k: np.zeros([b - a for a, b in need[k]], int) for k in children(work, plan.levels)}
            for piece in plan.pieces(work, number):
                for k, box, whole in ((work.base, piece.own, unit), *((k, b, need[k]) for k, b in piece.makes.items())):
                    covered[k][tuple(slice(a - o, b - o) for (a, b), (o, _) in zip(box, whole, strict=True))] += 1
                if work.base in work.writes:
                    cell = plan.grids[work.base].cell
                    inside = zip(piece.own, cell, base.shape, strict=True)
                    assert all(a % c == 0 and (b % c == 0 or b == n) for (a, b), c, n in inside)
                for k, box in piece.makes.items():
                    looked = zip(plan.levels[k].steps, base.shape, piece.seen, box, strict=True)
                    for f, n, (a, b), (low, high) in looked:
                        start, stop = plan.method.needs(f, n, low, high)
                        assert a <= start < stop <= b
                assert all(a <= c < d <= b for (a, b), (c, d) in zip(need[work.base], piece.seen, strict=True))
                times = 3 if piece.seen != piece.own and work.base in work.writes else 2
                assert times * volume(piece.seen) * plan.itemsize <= work.piece_bytes
            assert all((count == 1).all() for count in covered.values())


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


def test_what_a_task_holds_is_bounded_by_what_its_plan_says() -> None:
    pyramid = levels((256, 1024, 1024), parse_ladder([2, 4, 8], "zyx"), Methods.RESIZE.method)
    plan = make_plan(
        pyramid, Layout(64).grids(pyramid, Axes("zyx"), 2, 3), Methods.RESIZE.method, 2, {0: Source()},
        memory_target=2**29, task_target=2**27, workers=2,
    )  # fmt: skip
    for work in plan.passes:
        for number in range(len(work)):
            need = plan.needs(work, number)
            assert 2 * 2 * sum(volume(box) for k, box in need.items() if work.held or k != work.base) <= work.task_bytes
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


def test_a_resumed_plan_is_cut_anew_where_its_units_would_not_fit_the_memory() -> None:
    pyramid = levels((200, 300, 300), parse_ladder([2, 4], "zyx"), Methods.MODE.method)
    grids = Layout(32).grids(pyramid, Axes("zyx"), 4, 3)
    first = make_plan(
        pyramid, grids, Methods.MODE.method, 4, {0: Source()}, memory_target=2**28, task_target=2**26, workers=1
    )
    less = {"memory_target": 2**22, "task_target": 2**20, "workers": 2}
    again = make_plan(pyramid, grids, Methods.MODE.method, 4, {0: Source()}, **less, division=first.division)
    assert again.peak_bytes <= 2**22


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


def test_the_plan_of_100_tebibytes_has_a_unit_for_each_shard_and_no_list_of_them() -> None:
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


@given(plans())
def test_margins_hold_all_that_their_readers_see_beyond_their_own_box(plan: Plan) -> None:
    for margin in plan.margins:
        level = plan.levels[margin.level]
        kept = np.full(margin.shape(level)[margin.axis], -1)
        for work in plan.passes[: margin.reader]:
            for number in range(len(work)):
                box = plan.own(work, number).get(margin.level)
                for low, high in margin.halves(*box[margin.axis]) if box else ():
                    start = margin.place(low, high)
                    kept[start : start + high - low] = np.arange(low, high)
        reader = plan.passes[margin.reader]
        for number in range(len(reader)):
            box = reader.box(number, level.shape)[margin.axis]
            need = plan.needs(reader, number)[margin.level][margin.axis]
            for low, high in ((need[0], box[0]), (box[1], need[1])):
                if low < high:
                    start = margin.place(low, high)
                    assert list(kept[start : start + high - low]) == list(range(low, high))


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


def test_pixels_at_hand_are_written_in_one_pass_and_those_to_be_fetched_in_small_units() -> None:
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


def test_chunks_of_a_spool_divide_the_blocks_and_are_small_where_units_need_a_part_of_them() -> None:
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
        assert plan.spool is not None
        for chunk, fill, n in zip(plan.spool, filling.unit, pyramid[0].shape, strict=True):
            assert fill % chunk == 0 or fill >= n
        whole = all(u % c == 0 or u >= n for u, c, n in zip(reading.unit, plan.spool, pyramid[0].shape, strict=True))
        assert whole or math.prod(plan.spool) * 2 <= 2**22  # lengths of primes have no small parts
