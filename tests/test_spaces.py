"""Transformations of points: laws that every type keeps, against NumPy; and the ways through a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import special_ortho_group

from ome_ngff import SpaceError
from ome_ngff.spec.axes import Axis
from ome_ngff.spec.space.simple import MapAxis, ProjectAxis, Scale, Translation
from ome_ngff.spec.space.stored import Affine, Coordinates, Displacements, Rotation
from ome_ngff.spec.space.systems import CoordinateSystem, Edge, Graph, Ref
from ome_ngff.spec.space.transformation import (
    TRANSFORMATIONS,
    Identity,
    Sequence,
    Transformation,
    Unknown,
    compose,
    parse_transformation,
)
from ome_ngff.spec.space.wrappers import Bijection, ByDimension, OnAxes

NUMBERS = st.floats(-8, 8).map(lambda x: round(x, 3))
SIZES = st.floats(0.125, 8).map(lambda x: round(x, 3))


def vector(n: int, of: st.SearchStrategy[float] = NUMBERS) -> st.SearchStrategy[list[float]]:
    return st.lists(of, min_size=n, max_size=n)


def rotation(n: int) -> st.SearchStrategy[Any]:
    return st.integers(0, 99).map(lambda seed: Rotation(rotation=special_ortho_group.rvs(n, random_state=seed)))


def affine(n: int) -> st.SearchStrategy[Any]:
    """Draw affine transformations that can be inverted: a rotation, a scale and a shift."""
    parts = st.tuples(rotation(n), vector(n, SIZES), vector(n))
    return parts.map(lambda p: Affine(affine=np.column_stack([p[0].rows * p[1], p[2]])))


def plain(n: int) -> dict[str, st.SearchStrategy[Any]]:
    """Return the types without others inside, from n axes to n axes and back."""
    return {
        "identity": st.just(Identity()),
        "translation": vector(n).map(Translation),
        "scale": vector(n, SIZES).map(Scale),
        "affine": affine(n),
        **({"mapAxis": st.permutations(range(n)).map(MapAxis), "rotation": rotation(n)} if n > 1 else {}),
    }


@st.composite
def by_dimension(draw: st.DrawFn, n: int) -> ByDimension:
    """Draw one that can be inverted: each axis is read once and made once."""
    cut, read, made = draw(st.integers(1, n)), draw(st.permutations(range(n))), draw(st.permutations(range(n)))
    parts = [part for part in (slice(0, cut), slice(cut, n)) if read[part]]
    return ByDimension([OnAxes(draw(st.one_of(*plain(len(read[p])).values())), read[p], made[p]) for p in parts])


def invertible(n: int) -> dict[str, st.SearchStrategy[Any]]:
    """Return every type whose inverse has a closed form."""
    inner = st.one_of(*plain(n).values())
    turned = inner.map(lambda t: Bijection(t, t.inverted()))
    return {
        **plain(n),
        "sequence": st.lists(inner, min_size=1, max_size=4).map(Sequence),
        "byDimension": by_dimension(n),
        "bijection": turned,
    }


INVERTIBLE = list(invertible(3))
OTHERS = {
    "projectAxis": ProjectAxis([1], [0, 2]),
    "displacements": Displacements("field", loaded=lambda points: np.sin(points)),
    "coordinates": Coordinates("field", loaded=lambda points: points[..., :2]),
}


@st.composite
def pointed(draw: st.DrawFn, *types: str, count: int = 1) -> tuple[Any, ...]:
    """Draw points, and transformations of as many axes."""
    n = draw(st.integers(2, 5))
    points = draw(hnp.arrays(float, st.tuples(st.integers(0, 3), st.just(n)), elements=NUMBERS))
    known = invertible(n)
    return (points, *(draw(st.one_of(*(known[t] for t in types or known))) for _ in range(count)))


def test_every_type_of_the_specification_is_registered_once() -> None:
    assert {*INVERTIBLE, *OTHERS} == set(TRANSFORMATIONS)


@pytest.mark.parametrize("kind", INVERTIBLE)
@given(data=st.data())
def test_an_inverse_takes_points_back(kind: str, data: st.DataObject) -> None:
    points, t = data.draw(pointed(kind))
    np.testing.assert_allclose(t.inverted()(t(points)), points, atol=1e-8)
    np.testing.assert_allclose(t(t.inverted()(points)), points, atol=1e-8)
    assert t.outputs(points.shape[-1]) == points.shape[-1]


@given(pointed(count=3))
def test_composition_does_one_after_the_other_however_it_is_grouped(drawn: Any) -> None:
    points, a, b, c = drawn
    expected = c(b(a(points)))
    np.testing.assert_allclose(a.then(b, c)(points), expected, atol=1e-6)
    np.testing.assert_allclose(compose(a, compose(b, c))(points), expected, atol=1e-6)
    np.testing.assert_allclose(compose(compose(a, b), c)(points), expected, atol=1e-6)
    np.testing.assert_allclose(compose(Identity(), a)(points), compose(a, Identity())(points))


@pytest.mark.parametrize("kind", [*INVERTIBLE, *OTHERS])
@given(data=st.data())
def test_a_document_is_parsed_into_the_same_transformation(kind: str, data: st.DataObject) -> None:
    t = OTHERS[kind] if kind in OTHERS else data.draw(invertible(3)[kind])
    assert parse_transformation({**t.to_document(), "colour": 7}).to_document() == {**t.to_document(), "colour": 7}
    assert parse_transformation(t.to_document()) == t


@pytest.mark.parametrize("kind", [*INVERTIBLE, "projectAxis"])
@given(data=st.data())
def test_the_matrix_of_a_transformation_does_the_same(kind: str, data: st.DataObject) -> None:
    points, t = data.draw(pointed(kind)) if kind in INVERTIBLE else (np.arange(6.0).reshape(2, 3), OTHERS[kind])
    matrix = t.matrix(points.shape[-1])
    np.testing.assert_allclose(points @ matrix[:, :-1].T + matrix[:, -1], t(points), atol=1e-8)


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        pytest.param(Identity(), [1, 2, 3], id="identity"),
        pytest.param(MapAxis([2, 0, 1]), [3, 1, 2], id="mapAxis"),
        pytest.param(ProjectAxis([0], [1]), [2, 0, 3], id="projectAxis drops and creates"),
        pytest.param(ProjectAxis(None, [3, 0]), [0, 1, 2, 0, 3], id="projectAxis creates in ascending order"),
        pytest.param(Translation([10, 20, 30]), [11, 22, 33], id="translation"),
        pytest.param(Scale([2, 3, 4]), [2, 6, 12], id="scale"),
        pytest.param(Affine(affine=[[1, 2, 3, 4], [0, 0, 1, -1]]), [18, 2], id="affine, the shift in the last column"),
        pytest.param(Rotation(rotation=[[0, -1, 0], [1, 0, 0], [0, 0, 1]]), [-2, 1, 3], id="rotation of columns"),
        pytest.param(Sequence([Scale([2, 2, 2]), Translation([1, 0, 0])]), [3, 4, 6], id="sequence, the first first"),
        pytest.param(
            ByDimension([OnAxes(MapAxis([1, 0]), [0, 2], [2, 1]), OnAxes(Scale([5]), [1], [0])]),
            [10, 1, 3],
            id="byDimension, in the order of its lists",
        ),
        pytest.param(Bijection(Translation([1, 1, 1]), Translation([-1, -1, -1])), [2, 3, 4], id="bijection"),
        pytest.param(Displacements("f", loaded=lambda p: -p), [0, 0, 0], id="displacements"),
        pytest.param(Coordinates("f", loaded=lambda p: p[..., ::-1]), [3, 2, 1], id="coordinates"),
    ],
)
def test_a_point_goes_where_the_specification_says(t: Transformation, expected: list[float]) -> None:
    assert t([1, 2, 3]).tolist() == expected
    assert t(np.zeros((4, 0, 3))).shape == (4, 0, len(expected))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda: Scale("big"), "scale must be a list of numbers", id="a scale that is a word"),
        pytest.param(lambda: Translation([1, float("nan")]), "must be a list of numbers", id="not a number"),
        pytest.param(lambda: MapAxis([0, 2]), "each index of 2 to 5 axes once", id="no permutation"),
        pytest.param(lambda: ProjectAxis(), "droppedInputs or createdOutputs", id="projects nothing"),
        pytest.param(lambda: ProjectAxis([1, 1]), "different indices", id="drops twice"),
        pytest.param(lambda: Affine(affine=[[1, 2], [3]]), "rows of numbers", id="a ragged matrix"),
        pytest.param(lambda: Affine(affine=[[1, 2]], path="a"), "given by affine or path", id="two matrices"),
        pytest.param(lambda: Rotation(rotation=[[1, 0], [0, -1]]), "the determinant 1", id="a reflection"),
        pytest.param(lambda: Rotation(rotation=[[2, 0], [0, 0.5]]), "orthonormal", id="a stretched rotation"),
        pytest.param(lambda: Sequence([]), "at least one transformation", id="an empty sequence"),
        pytest.param(lambda: Scale([1]).then(Scale([1, 2])), "the one before it gives 1", id="steps that do not fit"),
        pytest.param(lambda: ByDimension([OnAxes(Identity(), [0], [1])]), "made once", id="an output left out"),
        pytest.param(lambda: Scale([1, 2])([1, 2, 3]), "is for 2 axes, but its input has 3", id="too many axes"),
        pytest.param(lambda: Scale([1])(7), "an array of numbers of shape", id="a number as point"),
        pytest.param(lambda: Scale([0]).inverted(), "A scale of zero has no inverse", id="a scale of zero"),
        pytest.param(lambda: Affine(affine=[[1, 2, 0]]).inverted(), "not square", id="fewer outputs"),
        pytest.param(lambda: Affine(affine=[[1, 2, 0], [2, 4, 0]]).inverted(), "singular", id="a singular matrix"),
        pytest.param(lambda: ProjectAxis([0]).inverted(), "cannot be brought back", id="dropped axes"),
        pytest.param(lambda: Coordinates("f").inverted(), "no inverse of a closed form", id="a field"),
        pytest.param(lambda: Coordinates("f")([1, 2]), "stored at 'f'", id="a field that is not read"),
        pytest.param(lambda: Affine(path="m")([1, 2]), "stored at 'm'", id="a matrix that is not read"),
        pytest.param(lambda: parse_transformation({"type": "warp"}), "'warp' is not understood", id="unknown"),
        pytest.param(lambda: Unknown({"type": "warp"}, "no warp")([1]), "no warp", id="applying the unknown"),
        pytest.param(
            lambda: ByDimension([OnAxes(Identity(), [0], [0]), OnAxes(Identity(), [0], [1])]).inverted(),
            "not each input axis is used once",
            id="an input used twice",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_words(make: Any, said: str) -> None:
    with pytest.raises(SpaceError, match=said):
        make()


def test_transformations_nested_without_end_are_refused() -> None:
    deep: dict[str, Any] = {"type": "identity"}
    for _ in range(5000):
        deep = {"type": "sequence", "transformations": [deep]}
    with pytest.raises(SpaceError, match="at most 32 deep"):
        parse_transformation(deep)


# Graphs ---------------------------------------------------------------------------------------------------------------


def system(name: str, axes: str = "yx") -> CoordinateSystem:
    return CoordinateSystem(name, [Axis(axis, "space") for axis in axes])


def graph(*edges: Edge) -> Graph:
    return Graph.of({Ref(name): system(name) for name in "abcd"}, edges)


def test_the_shortest_way_is_taken_backwards_where_it_has_to_be() -> None:
    double, right = Scale([2, 2]), Translation([0, 5])
    long = [Edge(Ref("a"), Ref("c"), right), Edge(Ref("c"), Ref("d"), right), Edge(Ref("d"), Ref("b"), right)]
    found = graph(*long, Edge(Ref("b"), Ref("a"), double))
    assert found.transform([[2, 4]], "a", "b").tolist() == [[1, 2]]
    assert found.transform([[1, 2]], "b", "a").tolist() == [[2, 4]]
    assert found.transform([1, 2], "a", "a").tolist() == [1, 2]
    assert [edge.output.name for edge, _ in found.path("a", "d")] == ["c", "d"]


def test_a_way_that_leads_through_no_inverse_is_not_taken() -> None:
    field = Edge(Ref("a"), Ref("b"), Displacements("f", loaded=lambda points: points))
    found = graph(field, Edge(Ref("b"), Ref("c"), Unknown({"type": "warp"}, "The transformation 'warp' is unknown.")))
    assert found.transform([1, 1], "a", "b").tolist() == [2, 2]
    with pytest.raises(SpaceError, match=r"No transformations lead from b to a \(.*no inverse of a closed form.*warp"):
        found.between("b", "a")
    assert [sorted(map(str, piece)) for piece in found.pieces] == [["a", "b", "c"], ["d"]]


def test_systems_of_equal_names_are_told_apart_by_their_images() -> None:
    one, two = Ref("a", "one"), Ref("a", "two")
    found = Graph.of({}, [Edge(one, two, Translation([1, 1]))])
    assert found.transform([0, 0], ("one", "a"), ("two", "a")).tolist() == [1, 1]
    with pytest.raises(SpaceError, match="may be one:a or two:a; give a pair"):
        found.find("a")
    with pytest.raises(SpaceError, match=r"There is no coordinate system 'atlas'\."):
        found.find("atlas")
